// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The command queue: the part of the firmware. */

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

static const struct {
	u16 opcode;
	sim_cmd_fn *exec;
	u16 in_size;
	u16 out_size;
} sim_commands[] = {
#define CMD(_opcode, _layout, _exec) {				\
	.opcode = MLX5_CMD_OP_##_opcode,			\
	.exec = _exec,						\
	.in_size = MLX5_ST_SZ_BYTES(_layout##_in),		\
	.out_size = MLX5_ST_SZ_BYTES(_layout##_out),		\
}

	CMD(ENABLE_HCA, enable_hca, sim_enable_hca),
	CMD(DISABLE_HCA, disable_hca, sim_disable_hca),
	CMD(INIT_HCA, init_hca, sim_init_hca),
	CMD(TEARDOWN_HCA, teardown_hca, sim_teardown_hca),
	CMD(QUERY_ISSI, query_issi, sim_query_issi),
	CMD(SET_ISSI, set_issi, sim_set_issi),
	CMD(QUERY_HCA_CAP, query_hca_cap, sim_query_hca_cap),
	CMD(SET_HCA_CAP, set_hca_cap, sim_set_hca_cap),
	CMD(QUERY_ADAPTER, query_adapter, sim_query_adapter),
	CMD(SET_DRIVER_VERSION, set_driver_version, sim_accept),
	CMD(QUERY_SPECIAL_CONTEXTS, query_special_contexts,
	    sim_query_special_contexts),

	CMD(QUERY_PAGES, query_pages, sim_query_pages),
	CMD(MANAGE_PAGES, manage_pages, sim_manage_pages),

	CMD(ALLOC_UAR, alloc_uar, sim_alloc_resource),
	CMD(DEALLOC_UAR, dealloc_uar, sim_dealloc_resource),
	CMD(ALLOC_PD, alloc_pd, sim_alloc_resource),
	CMD(DEALLOC_PD, dealloc_pd, sim_dealloc_resource),
	CMD(CREATE_UCTX, create_uctx, sim_alloc_resource),
	CMD(DESTROY_UCTX, destroy_uctx, sim_dealloc_resource),
	CMD(ALLOC_XRCD, alloc_xrcd, sim_alloc_resource),
	CMD(DEALLOC_XRCD, dealloc_xrcd, sim_dealloc_resource),
	CMD(ALLOC_TRANSPORT_DOMAIN, alloc_transport_domain,
	    sim_alloc_resource),
	CMD(DEALLOC_TRANSPORT_DOMAIN, dealloc_transport_domain,
	    sim_dealloc_resource),
	CMD(ALLOC_Q_COUNTER, alloc_q_counter, sim_alloc_resource),
	CMD(DEALLOC_Q_COUNTER, dealloc_q_counter, sim_dealloc_resource),
	CMD(QUERY_Q_COUNTER, query_q_counter, sim_query_q_counter),

	CMD(CREATE_MKEY, create_mkey, sim_create_mkey),
	CMD(DESTROY_MKEY, destroy_mkey, sim_destroy_mkey),
	CMD(QUERY_MKEY, query_mkey, sim_query_mkey),
	CMD(PAGE_FAULT_RESUME, page_fault_resume, sim_page_fault_resume),

	CMD(CREATE_EQ, create_eq, sim_create_eq),
	CMD(DESTROY_EQ, destroy_eq, sim_destroy_eq),
	CMD(QUERY_EQ, query_eq, sim_query_eq),

	CMD(CREATE_CQ, create_cq, sim_create_cq),
	CMD(DESTROY_CQ, destroy_cq, sim_destroy_cq),
	CMD(QUERY_CQ, query_cq, sim_query_cq),
	CMD(MODIFY_CQ, modify_cq, sim_modify_cq),

	CMD(CREATE_QP, create_qp, sim_create_qp),
	CMD(DESTROY_QP, destroy_qp, sim_destroy_qp),
	CMD(QUERY_QP, query_qp, sim_query_qp),
	CMD(RST2INIT_QP, rst2init_qp, sim_rst2init_qp),
	CMD(INIT2INIT_QP, init2init_qp, sim_init2init_qp),
	CMD(INIT2RTR_QP, init2rtr_qp, sim_init2rtr_qp),
	CMD(RTR2RTS_QP, rtr2rts_qp, sim_rtr2rts_qp),
	CMD(RTS2RTS_QP, rts2rts_qp, sim_rts2rts_qp),
	CMD(2ERR_QP, qp_2err, sim_2err_qp),
	CMD(2RST_QP, qp_2rst, sim_2rst_qp),

	CMD(CREATE_RMP, create_rmp, sim_create_rmp),
	CMD(DESTROY_RMP, destroy_rmp, sim_destroy_rmp),
	CMD(QUERY_RMP, query_rmp, sim_query_rmp),
	CMD(MODIFY_RMP, modify_rmp, sim_modify_rmp),
	CMD(CREATE_XRC_SRQ, create_xrc_srq, sim_create_xrc_srq),
	CMD(DESTROY_XRC_SRQ, destroy_xrc_srq, sim_destroy_xrc_srq),
	CMD(QUERY_XRC_SRQ, query_xrc_srq, sim_query_xrc_srq),
	CMD(ARM_XRC_SRQ, arm_xrc_srq, sim_arm_xrc_srq),

	CMD(QUERY_HCA_VPORT_CONTEXT, query_hca_vport_context,
	    sim_query_vport_context),
	CMD(MODIFY_HCA_VPORT_CONTEXT, modify_hca_vport_context, sim_accept),
	CMD(QUERY_HCA_VPORT_GID, query_hca_vport_gid, sim_query_vport_gid),
	CMD(QUERY_HCA_VPORT_PKEY, query_hca_vport_pkey, sim_query_vport_pkey),
	CMD(QUERY_VPORT_STATE, query_vport_state, sim_query_vport_state),
	CMD(QUERY_VPORT_COUNTER, query_vport_counter,
	    sim_query_vport_counter),
	CMD(ACCESS_REG, access_register, sim_access_reg),
#undef CMD
};

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

static u8 sim_dispatch(struct sim *sim, struct sim_cmd *cmd, u16 opcode)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(sim_commands); i++) {
		if (sim_commands[i].opcode != opcode)
			continue;
		if (cmd->in_size < sim_commands[i].in_size)
			return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
		if (cmd->out_size < sim_commands[i].out_size)
			return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
		return sim_commands[i].exec(sim, cmd);
	}
	pr_warn_ratelimited("mlx5_sim: command 0x%x is not implemented\n",
			    opcode);
	return MLX5_CMD_STAT_BAD_OP_ERR;
}

/* Carries out what is in the buffers; false if the command got lost. */
static bool sim_exec(struct sim *sim, struct sim_cmd *cmd)
{
	u16 opcode = MLX5_GET(enable_hca_in, cmd->in, opcode);
	u8 status = sim_fault_status(sim, opcode);

	if (status == SIM_STATUS_LOST)
		return false;
	if (!status)
		status = sim_dispatch(sim, cmd, opcode);
	if (status)
		memset(cmd->out, 0, cmd->out_size);
	MLX5_SET(enable_hca_out, cmd->out, status, status);
	return true;
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
	*lost = !sim_exec(sim, &cmd);
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
	struct mlx5_cmd_layout *slot = &sim->slots[i];
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
static int sim_cmd_ring(struct kprobe *probe, struct pt_regs *regs)
{
	struct sim *sim = container_of(probe, struct sim, doorbell_probe);
	unsigned long addr = regs_get_kernel_argument(regs, 1);
	const u32 offset = offsetof(struct mlx5_init_seg, cmd_dbell);

	if (offset_in_page(addr) == offset &&
	    slow_virt_to_phys((void *)addr) == sim->window.start + offset)
		atomic_or(regs_get_kernel_argument(regs, 0), &sim->doorbell);
	return 0;
}

int sim_cmd_init(struct sim *sim)
{
	sim->doorbell_probe.symbol_name = "iowrite32be";
	sim->doorbell_probe.pre_handler = sim_cmd_ring;
	return register_kprobe(&sim->doorbell_probe);
}

void sim_cmd_cleanup(struct sim *sim)
{
	unregister_kprobe(&sim->doorbell_probe);
}

/* The slots that were rung for since the last time */
u32 sim_cmd_rung(struct sim *sim)
{
	return atomic_read(&sim->doorbell) ?
	       atomic_xchg(&sim->doorbell, 0) : 0;
}

/* How long the firmware takes for what is in a slot */
static u32 sim_slot_time(struct sim *sim, unsigned int i)
{
	u32 us = 0;

	switch (MLX5_GET(enable_hca_in, sim->slots[i].in, opcode)) {
	case MLX5_CMD_OP_CREATE_MKEY:
		us = sim->create_time_us;
		break;
	case MLX5_CMD_OP_DESTROY_MKEY:
		us = sim->destroy_time_us;
		break;
	}
	return us ?: sim->command_time_us;
}

/* The slots get their turn one after the other, or -1. */
static int sim_next_slot(struct sim *sim)
{
	int i = find_next_bit(&sim->rung_slots, SIM_NUM_SLOTS,
			      sim->next_slot);

	if (i == SIM_NUM_SLOTS)
		i = find_first_bit(&sim->rung_slots, SIM_NUM_SLOTS);
	if (i == SIM_NUM_SLOTS)
		return -1;
	sim->next_slot = i + 1;
	return i;
}

/* The firmware begins as many commands as it can have in work. */
static void sim_begin_commands(struct sim *sim)
{
	u64 now = ktime_get_ns();
	int i;

	while (hweight_long(sim->busy_slots) < sim->commands_at_once) {
		i = sim_next_slot(sim);
		if (i < 0)
			break;
		__clear_bit(i, &sim->rung_slots);
		__set_bit(i, &sim->busy_slots);
		sim->due[i] = now + (u64)sim_slot_time(sim, i) *
				     NSEC_PER_USEC;
		sim->peak_commands = max(sim->peak_commands,
					 hweight_long(sim->busy_slots));
	}
}

static void sim_end_command(struct sim *sim, unsigned int i)
{
	bool events = sim_eq_for(sim, MLX5_EVENT_TYPE_CMD);
	bool lost = false;
	u8 delivery;

	__clear_bit(i, &sim->busy_slots);
	sim->num_commands++;
	delivery = sim_run_slot(sim, &sim->slots[i], &lost);
	if (lost)
		__set_bit(i, &sim->lost_slots);
	else
		sim_complete_slot(sim, i, delivery, events);
}

/* Those whose time is over are carried out; true if there were any. */
static bool sim_end_commands(struct sim *sim)
{
	u64 now = ktime_get_ns();
	bool any = false;
	/*
	 * A driver that frees memory may have to tell the device that pages are
	 * gone, and wait for it.
	 */
	unsigned int flags = memalloc_noreclaim_save();
	unsigned int i;

	for_each_set_bit(i, &sim->busy_slots, SIM_NUM_SLOTS)
		if (sim->due[i] <= now) {
			sim_end_command(sim, i);
			any = true;
		}
	memalloc_noreclaim_restore(flags);
	return any;
}

/* In how many ns a command in work has taken its time; U64_MAX without one */
u64 sim_cmd_next(struct sim *sim)
{
	u64 now = ktime_get_ns(), next = U64_MAX;
	unsigned int i;

	for_each_set_bit(i, &sim->busy_slots, SIM_NUM_SLOTS)
		next = min(next, sim->due[i] - min(sim->due[i], now));
	return next;
}

/* True if a command was carried out. */
bool sim_cmd_poll(struct sim *sim, u32 rung)
{
	if (!sim->slots)
		return false;
	sim->rung_slots |= rung;
	sim_begin_commands(sim);
	return sim->busy_slots && sim_end_commands(sim);
}

/* What was lost ends after all, but was not carried out. */
void sim_cmd_end_lost(struct sim *sim)
{
	unsigned long i;

	for_each_set_bit(i, &sim->lost_slots, SIM_NUM_SLOTS)
		sim_complete_slot(sim, i, SIM_FIRMWARE_ERROR, true);
	sim->lost_slots = 0;
}

void sim_cmd_reset(struct sim *sim)
{
	sim->slots = NULL;
	sim->rung_slots = 0;
	sim->busy_slots = 0;
	sim->lost_slots = 0;
}
