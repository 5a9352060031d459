// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The command queue: how the firmware takes commands, and how long. */

#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include "sim.h"

#define SIM_OWNER_HW		BIT(0)

/* Delivery status: whether the command got through, in status_own. */
enum {
	SIM_DELIVERED		= 0x0,
	SIM_BAD_SIGNATURE	= 0x1,
	SIM_BAD_TOKEN		= 0x2,
	SIM_BAD_BLOCK		= 0x3,
	SIM_BAD_OUT_PTR	= 0x4,
	SIM_BAD_IN_PTR		= 0x5,
	SIM_FIRMWARE_ERROR	= 0x6,
	SIM_BAD_IN_LENGTH	= 0x7,
	SIM_BAD_OUT_LENGTH	= 0x8,
};

/* More than the longest list of pages that the driver sends. */
#define SIM_MAX_MAILBOXES	SZ_16M

static u8 sim_xor8(const void *data, size_t size)
{
	const u8 *p = data;
	u8 sum = 0;

	while (size--)
		sum ^= *p++;
	return sum;
}

static bool sim_slot_owned(const struct mlx5_cmd_layout *slot)
{
	/* The rest was written before, at the latest when the driver rings. */
	return smp_load_acquire(&slot->status_own) & SIM_OWNER_HW;
}

static bool sim_slot_signed(const struct mlx5_cmd_layout *slot)
{
	return sim_xor8(slot, sizeof(*slot)) == 0xff;
}

/*
 * The data of a command: 16 bytes in the slot, the rest in a chain of
 * mailboxes. Copies in either direction.
 */
static u8 sim_copy_mailboxes(u64 addr, u8 token, void *data, u32 size,
			     bool write)
{
	struct mlx5_cmd_prot_block *block;
	u32 n, i;

	for (i = 0; size; i++, size -= n, data += n) {
		n = min_t(u32, size, sizeof(block->data));
		block = sim_dma(addr, sizeof(*block));
		if (!block)
			return write ? SIM_BAD_OUT_PTR : SIM_BAD_IN_PTR;
		if (be32_to_cpu(block->block_num) != i)
			return SIM_BAD_BLOCK;
		/* The driver marks only what it sends. */
		if (!write && block->token != token)
			return SIM_BAD_TOKEN;
		if (write) {
			memcpy(block->data, data, n);
			block->token = token;
			block->ctrl_sig = 0;
			block->ctrl_sig =
				~sim_xor8(block->rsvd0, sizeof(*block) -
					  sizeof(block->data) - 2);
			block->sig = ~sim_xor8(block, sizeof(*block) - 1);
		} else {
			memcpy(data, block->data, n);
		}
		addr = be64_to_cpu(block->next);
	}
	return SIM_DELIVERED;
}

static u8 sim_fetch_input(const struct mlx5_cmd_layout *slot, void *in,
			  u32 size)
{
	u32 first = min_t(u32, size, sizeof(slot->in));

	memcpy(in, slot->in, first);
	return sim_copy_mailboxes(be64_to_cpu(slot->in_ptr), slot->token,
				  in + first, size - first, false);
}

static u8 sim_store_output(struct mlx5_cmd_layout *slot, void *out, u32 size)
{
	u32 first = min_t(u32, size, sizeof(slot->out));

	memcpy(slot->out, out, first);
	return sim_copy_mailboxes(be64_to_cpu(slot->out_ptr), slot->token,
				  out + first, size - first, true);
}

static u8 sim_run_slot(struct sim *sim, struct mlx5_cmd_layout *slot,
		       bool *lost)
{
	struct sim_cmd cmd = {
		.in_size = be32_to_cpu(slot->inlen),
		.out_size = be32_to_cpu(slot->outlen),
	};
	void *in = NULL, *out = NULL;
	u8 delivery;

	if (!sim_slot_owned(slot) || !sim_slot_signed(slot))
		return SIM_BAD_SIGNATURE;
	if (cmd.in_size < MLX5_ST_SZ_BYTES(enable_hca_in) ||
	    cmd.in_size > SIM_MAX_MAILBOXES)
		return SIM_BAD_IN_LENGTH;
	if (cmd.out_size < MLX5_ST_SZ_BYTES(enable_hca_out) ||
	    cmd.out_size > SIM_MAX_MAILBOXES)
		return SIM_BAD_OUT_LENGTH;
	in = kvmalloc(cmd.in_size, GFP_KERNEL);
	out = kvzalloc(cmd.out_size, GFP_KERNEL);
	delivery = SIM_FIRMWARE_ERROR;
	if (!in || !out)
		goto out;
	delivery = sim_fetch_input(slot, in, cmd.in_size);
	if (delivery)
		goto out;
	cmd.in = in;
	cmd.out = out;
	*lost = !sim_cmd_exec(sim, &cmd);
	if (!*lost)
		delivery = sim_store_output(slot, out, cmd.out_size);
out:
	kvfree(in);
	kvfree(out);
	return delivery;
}

static void sim_complete_slot(struct sim *sim, int i, u8 delivery,
			      bool events)
{
	struct mlx5_cmd_layout *slot = &sim->cmdq.slots[i];
	u8 rest = sim_xor8(slot, sizeof(*slot)) ^ slot->sig ^ slot->status_own;
	union ev_data data = { .cmd.vector = cpu_to_be32(BIT(i)) };

	slot->sig = ~rest ^ (delivery << 1);
	/* The driver may take the slot as soon as it owns it. */
	smp_store_release(&slot->status_own, delivery << 1);

	/*
	 * A driver that polls has no queue for these events yet, or destroys
	 * it with this command.
	 */
	if (events)
		sim_async_event(sim, MLX5_EVENT_TYPE_CMD, &data);
}

/*
 * The driver rings by a function, which can be trapped, other than the write:
 * the register would have only the last ring.
 */
static int sim_cmdq_ring(struct kprobe *probe, struct pt_regs *regs)
{
	struct sim_cmdq *q = container_of(probe, struct sim_cmdq,
					  doorbell_probe);
	unsigned long addr = regs_get_kernel_argument(regs, 1);

	if (offset_in_page(addr) == offset_in_page(q->doorbell_addr) &&
	    slow_virt_to_phys((void *)addr) == q->doorbell_addr)
		atomic_or(regs_get_kernel_argument(regs, 0), &q->doorbell);
	return 0;
}

int sim_cmdq_init(struct sim *sim)
{
	struct sim_cmdq *q = &sim->cmdq;

	q->doorbell_addr = sim->pci.window.start +
			   offsetof(struct mlx5_init_seg, cmd_dbell);
	q->doorbell_probe.symbol_name = "iowrite32be";
	q->doorbell_probe.pre_handler = sim_cmdq_ring;
	return register_kprobe(&q->doorbell_probe);
}

void sim_cmdq_cleanup(struct sim *sim)
{
	unregister_kprobe(&sim->cmdq.doorbell_probe);
}

/* The slots that were rung for since the last time */
u32 sim_cmdq_rung(struct sim *sim)
{
	return atomic_read(&sim->cmdq.doorbell) ?
	       atomic_xchg(&sim->cmdq.doorbell, 0) : 0;
}

/* How long the firmware takes for what is in a slot */
static u32 sim_slot_time(struct sim_cmdq *q, unsigned int i)
{
	u32 us = 0;

	switch (MLX5_GET(enable_hca_in, q->slots[i].in, opcode)) {
	case MLX5_CMD_OP_CREATE_MKEY:
		us = q->create_time_us;
		break;
	case MLX5_CMD_OP_DESTROY_MKEY:
		us = q->destroy_time_us;
		break;
	}
	return us ?: q->time_us;
}

/* The slots get their turn one after the other, or -1. */
static int sim_next_slot(struct sim_cmdq *q)
{
	int i = find_next_bit(&q->rung_slots, SIM_NUM_SLOTS, q->next_slot);

	if (i == SIM_NUM_SLOTS)
		i = find_first_bit(&q->rung_slots, SIM_NUM_SLOTS);
	if (i == SIM_NUM_SLOTS)
		return -1;
	q->next_slot = i + 1;
	return i;
}

/* The firmware begins as many commands as it can have in work. */
static void sim_begin_commands(struct sim_cmdq *q)
{
	u64 now = ktime_get_ns();
	int i;

	while (hweight_long(q->busy_slots) < READ_ONCE(q->at_once)) {
		i = sim_next_slot(q);
		if (i < 0)
			break;
		__clear_bit(i, &q->rung_slots);
		__set_bit(i, &q->busy_slots);
		q->due[i] = now + (u64)sim_slot_time(q, i) * NSEC_PER_USEC;
		q->peak = max(q->peak, hweight_long(q->busy_slots));
	}
}

static void sim_end_command(struct sim *sim, unsigned int i)
{
	bool events = sim_eq_for(sim, MLX5_EVENT_TYPE_CMD);
	struct sim_cmdq *q = &sim->cmdq;
	bool lost = false;
	u8 delivery;

	__clear_bit(i, &q->busy_slots);
	q->done++;
	delivery = sim_run_slot(sim, &q->slots[i], &lost);
	if (lost)
		__set_bit(i, &q->lost_slots);
	else
		sim_complete_slot(sim, i, delivery, events);
}

/* Those whose time is over are carried out; true if there were any. */
static bool sim_end_commands(struct sim *sim)
{
	struct sim_cmdq *q = &sim->cmdq;
	u64 now = ktime_get_ns();
	bool any = false;
	/*
	 * A driver that frees memory may have to tell the device that pages are
	 * gone, and wait for it.
	 */
	unsigned int flags = memalloc_noreclaim_save();
	unsigned int i;

	for_each_set_bit(i, &q->busy_slots, SIM_NUM_SLOTS)
		if (q->due[i] <= now) {
			sim_end_command(sim, i);
			any = true;
		}
	memalloc_noreclaim_restore(flags);
	return any;
}

/* In how many ns a command in work has taken its time; U64_MAX without one */
u64 sim_cmdq_next(struct sim *sim)
{
	const struct sim_cmdq *q = &sim->cmdq;
	u64 now = ktime_get_ns(), next = U64_MAX;
	unsigned int i;

	for_each_set_bit(i, &q->busy_slots, SIM_NUM_SLOTS)
		next = min(next, q->due[i] - min(q->due[i], now));
	return next;
}

/* True if a command was carried out. */
bool sim_cmdq_poll(struct sim *sim, u32 rung)
{
	struct sim_cmdq *q = &sim->cmdq;

	if (!q->slots)
		return false;
	q->rung_slots |= rung;
	sim_begin_commands(q);
	return q->busy_slots && sim_end_commands(sim);
}

/* What was lost ends after all, but was not carried out. */
void sim_cmdq_end_lost(struct sim *sim)
{
	struct sim_cmdq *q = &sim->cmdq;
	unsigned long i;

	mutex_lock(&sim->lock);
	for_each_set_bit(i, &q->lost_slots, SIM_NUM_SLOTS)
		sim_complete_slot(sim, i, SIM_FIRMWARE_ERROR, true);
	q->lost_slots = 0;
	mutex_unlock(&sim->lock);
}

void sim_cmdq_start(struct sim *sim, u64 addr)
{
	sim->cmdq.slots = sim_dma(addr, PAGE_SIZE);
	if (!sim->cmdq.slots)
		pr_err("mlx5_sim: no memory at 0x%llx for a command queue\n",
		       addr);
}

void sim_cmdq_reset(struct sim *sim)
{
	sim->cmdq.slots = NULL;
	sim->cmdq.rung_slots = 0;
	sim->cmdq.busy_slots = 0;
	sim->cmdq.lost_slots = 0;
}
