// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The command queue: the part of the firmware. */

#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include "vhca.h"

#define VHCA_OWNER_HW		BIT(0)

/* Delivery status: whether the command got through, in status_own. */
enum {
	VHCA_DELIVERED		= 0x0,
	VHCA_BAD_SIGNATURE	= 0x1,
	VHCA_BAD_TOKEN		= 0x2,
	VHCA_BAD_BLOCK		= 0x3,
	VHCA_BAD_OUT_PTR	= 0x4,
	VHCA_BAD_IN_PTR		= 0x5,
	VHCA_FIRMWARE_ERROR	= 0x6,
	VHCA_BAD_IN_LENGTH	= 0x7,
	VHCA_BAD_OUT_LENGTH	= 0x8,
};

/* More than the longest list of pages that the driver sends. */
#define VHCA_MAX_MAILBOXES	SZ_16M

static const struct {
	u16 opcode;
	vhca_cmd_fn *exec;
	u16 in_size;
	u16 out_size;
} vhca_commands[] = {
#define CMD(_opcode, _layout, _exec) {				\
	.opcode = MLX5_CMD_OP_##_opcode,			\
	.exec = _exec,						\
	.in_size = MLX5_ST_SZ_BYTES(_layout##_in),		\
	.out_size = MLX5_ST_SZ_BYTES(_layout##_out),		\
}

	CMD(ENABLE_HCA, enable_hca, vhca_enable_hca),
	CMD(DISABLE_HCA, disable_hca, vhca_disable_hca),
	CMD(INIT_HCA, init_hca, vhca_init_hca),
	CMD(TEARDOWN_HCA, teardown_hca, vhca_teardown_hca),
	CMD(QUERY_ISSI, query_issi, vhca_query_issi),
	CMD(SET_ISSI, set_issi, vhca_set_issi),
	CMD(QUERY_HCA_CAP, query_hca_cap, vhca_query_hca_cap),
	CMD(SET_HCA_CAP, set_hca_cap, vhca_set_hca_cap),
	CMD(QUERY_ADAPTER, query_adapter, vhca_query_adapter),
	CMD(SET_DRIVER_VERSION, set_driver_version, vhca_accept),
	CMD(QUERY_SPECIAL_CONTEXTS, query_special_contexts,
	    vhca_query_special_contexts),

	CMD(QUERY_PAGES, query_pages, vhca_query_pages),
	CMD(MANAGE_PAGES, manage_pages, vhca_manage_pages),

	CMD(ALLOC_UAR, alloc_uar, vhca_alloc_resource),
	CMD(DEALLOC_UAR, dealloc_uar, vhca_dealloc_resource),
	CMD(ALLOC_PD, alloc_pd, vhca_alloc_resource),
	CMD(DEALLOC_PD, dealloc_pd, vhca_dealloc_resource),
	CMD(CREATE_UCTX, create_uctx, vhca_alloc_resource),
	CMD(DESTROY_UCTX, destroy_uctx, vhca_dealloc_resource),
	CMD(ALLOC_XRCD, alloc_xrcd, vhca_alloc_resource),
	CMD(DEALLOC_XRCD, dealloc_xrcd, vhca_dealloc_resource),
	CMD(ALLOC_TRANSPORT_DOMAIN, alloc_transport_domain,
	    vhca_alloc_resource),
	CMD(DEALLOC_TRANSPORT_DOMAIN, dealloc_transport_domain,
	    vhca_dealloc_resource),
	CMD(ALLOC_Q_COUNTER, alloc_q_counter, vhca_alloc_resource),
	CMD(DEALLOC_Q_COUNTER, dealloc_q_counter, vhca_dealloc_resource),
	CMD(QUERY_Q_COUNTER, query_q_counter, vhca_query_q_counter),

	CMD(CREATE_MKEY, create_mkey, vhca_create_mkey),
	CMD(DESTROY_MKEY, destroy_mkey, vhca_destroy_mkey),
	CMD(QUERY_MKEY, query_mkey, vhca_query_mkey),
	CMD(PAGE_FAULT_RESUME, page_fault_resume, vhca_page_fault_resume),

	CMD(CREATE_EQ, create_eq, vhca_create_eq),
	CMD(DESTROY_EQ, destroy_eq, vhca_destroy_eq),
	CMD(QUERY_EQ, query_eq, vhca_query_eq),

	CMD(CREATE_CQ, create_cq, vhca_create_cq),
	CMD(DESTROY_CQ, destroy_cq, vhca_destroy_cq),
	CMD(QUERY_CQ, query_cq, vhca_query_cq),
	CMD(MODIFY_CQ, modify_cq, vhca_modify_cq),

	CMD(CREATE_QP, create_qp, vhca_create_qp),
	CMD(DESTROY_QP, destroy_qp, vhca_destroy_qp),
	CMD(QUERY_QP, query_qp, vhca_query_qp),
	CMD(RST2INIT_QP, rst2init_qp, vhca_rst2init_qp),
	CMD(INIT2INIT_QP, init2init_qp, vhca_init2init_qp),
	CMD(INIT2RTR_QP, init2rtr_qp, vhca_init2rtr_qp),
	CMD(RTR2RTS_QP, rtr2rts_qp, vhca_rtr2rts_qp),
	CMD(RTS2RTS_QP, rts2rts_qp, vhca_rts2rts_qp),
	CMD(2ERR_QP, qp_2err, vhca_2err_qp),
	CMD(2RST_QP, qp_2rst, vhca_2rst_qp),

	CMD(CREATE_RMP, create_rmp, vhca_create_rmp),
	CMD(DESTROY_RMP, destroy_rmp, vhca_destroy_rmp),
	CMD(QUERY_RMP, query_rmp, vhca_query_rmp),
	CMD(MODIFY_RMP, modify_rmp, vhca_modify_rmp),
	CMD(CREATE_XRC_SRQ, create_xrc_srq, vhca_create_xrc_srq),
	CMD(DESTROY_XRC_SRQ, destroy_xrc_srq, vhca_destroy_xrc_srq),
	CMD(QUERY_XRC_SRQ, query_xrc_srq, vhca_query_xrc_srq),
	CMD(ARM_XRC_SRQ, arm_xrc_srq, vhca_arm_xrc_srq),

	CMD(QUERY_HCA_VPORT_CONTEXT, query_hca_vport_context,
	    vhca_query_vport_context),
	CMD(MODIFY_HCA_VPORT_CONTEXT, modify_hca_vport_context, vhca_accept),
	CMD(QUERY_HCA_VPORT_GID, query_hca_vport_gid, vhca_query_vport_gid),
	CMD(QUERY_HCA_VPORT_PKEY, query_hca_vport_pkey, vhca_query_vport_pkey),
	CMD(QUERY_VPORT_STATE, query_vport_state, vhca_query_vport_state),
	CMD(QUERY_VPORT_COUNTER, query_vport_counter,
	    vhca_query_vport_counter),
	CMD(ACCESS_REG, access_register, vhca_access_reg),
#undef CMD
};

static u8 vhca_xor8(const void *data, size_t size)
{
	const u8 *p = data;
	u8 sum = 0;

	while (size--)
		sum ^= *p++;
	return sum;
}

static bool vhca_slot_owned(const struct mlx5_cmd_layout *slot)
{
	/* The rest was written before, at the latest when the driver rings. */
	return smp_load_acquire(&slot->status_own) & VHCA_OWNER_HW;
}

static bool vhca_slot_signed(const struct mlx5_cmd_layout *slot)
{
	return vhca_xor8(slot, sizeof(*slot)) == 0xff;
}

/*
 * The data of a command: 16 bytes in the slot, the rest in a chain of
 * mailboxes. Copies in either direction.
 */
static u8 vhca_copy_mailboxes(u64 addr, u8 token, void *data, u32 size,
			      bool write)
{
	struct mlx5_cmd_prot_block *block;
	u32 n, i;

	for (i = 0; size; i++, size -= n, data += n) {
		n = min_t(u32, size, sizeof(block->data));
		block = vhca_dma(addr, sizeof(*block));
		if (!block)
			return write ? VHCA_BAD_OUT_PTR : VHCA_BAD_IN_PTR;
		if (be32_to_cpu(block->block_num) != i)
			return VHCA_BAD_BLOCK;
		/* The driver marks only what it sends. */
		if (!write && block->token != token)
			return VHCA_BAD_TOKEN;
		if (write) {
			memcpy(block->data, data, n);
			block->token = token;
			block->ctrl_sig = 0;
			block->ctrl_sig =
				~vhca_xor8(block->rsvd0, sizeof(*block) -
					   sizeof(block->data) - 2);
			block->sig = ~vhca_xor8(block, sizeof(*block) - 1);
		} else {
			memcpy(data, block->data, n);
		}
		addr = be64_to_cpu(block->next);
	}
	return VHCA_DELIVERED;
}

static u8 vhca_fetch_input(const struct mlx5_cmd_layout *slot, void *in,
			   u32 size)
{
	u32 first = min_t(u32, size, sizeof(slot->in));

	memcpy(in, slot->in, first);
	return vhca_copy_mailboxes(be64_to_cpu(slot->in_ptr), slot->token,
				   in + first, size - first, false);
}

static u8 vhca_store_output(struct mlx5_cmd_layout *slot, void *out, u32 size)
{
	u32 first = min_t(u32, size, sizeof(slot->out));

	memcpy(slot->out, out, first);
	return vhca_copy_mailboxes(be64_to_cpu(slot->out_ptr), slot->token,
				   out + first, size - first, true);
}

static u8 vhca_dispatch(struct vhca *vhca, struct vhca_cmd *cmd, u16 opcode)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(vhca_commands); i++) {
		if (vhca_commands[i].opcode != opcode)
			continue;
		if (cmd->in_size < vhca_commands[i].in_size)
			return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
		if (cmd->out_size < vhca_commands[i].out_size)
			return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
		return vhca_commands[i].exec(vhca, cmd);
	}
	pr_warn_ratelimited("mlx5_vhca: command 0x%x is not implemented\n",
			    opcode);
	return MLX5_CMD_STAT_BAD_OP_ERR;
}

/* Carries out what is in the buffers; false if the command got lost. */
static bool vhca_exec(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u16 opcode = MLX5_GET(enable_hca_in, cmd->in, opcode);
	u8 status = vhca_fault_status(vhca, opcode);

	if (status == VHCA_STATUS_LOST)
		return false;
	if (!status)
		status = vhca_dispatch(vhca, cmd, opcode);
	if (status)
		memset(cmd->out, 0, cmd->out_size);
	MLX5_SET(enable_hca_out, cmd->out, status, status);
	return true;
}

static u8 vhca_run_slot(struct vhca *vhca, struct mlx5_cmd_layout *slot,
			bool *lost)
{
	struct vhca_cmd cmd = {
		.in_size = be32_to_cpu(slot->inlen),
		.out_size = be32_to_cpu(slot->outlen),
	};
	void *in = NULL, *out = NULL;
	u8 delivery;

	if (!vhca_slot_owned(slot) || !vhca_slot_signed(slot))
		return VHCA_BAD_SIGNATURE;
	if (cmd.in_size < MLX5_ST_SZ_BYTES(enable_hca_in) ||
	    cmd.in_size > VHCA_MAX_MAILBOXES)
		return VHCA_BAD_IN_LENGTH;
	if (cmd.out_size < MLX5_ST_SZ_BYTES(enable_hca_out) ||
	    cmd.out_size > VHCA_MAX_MAILBOXES)
		return VHCA_BAD_OUT_LENGTH;
	in = kvmalloc(cmd.in_size, GFP_KERNEL);
	out = kvzalloc(cmd.out_size, GFP_KERNEL);
	delivery = VHCA_FIRMWARE_ERROR;
	if (!in || !out)
		goto out;
	delivery = vhca_fetch_input(slot, in, cmd.in_size);
	if (delivery)
		goto out;
	cmd.in = in;
	cmd.out = out;
	*lost = !vhca_exec(vhca, &cmd);
	if (!*lost)
		delivery = vhca_store_output(slot, out, cmd.out_size);
out:
	kvfree(in);
	kvfree(out);
	return delivery;
}

static void vhca_complete_slot(struct vhca *vhca, int i, u8 delivery,
			       bool events)
{
	struct mlx5_cmd_layout *slot = &vhca->slots[i];
	u8 rest = vhca_xor8(slot, sizeof(*slot)) ^ slot->sig ^ slot->status_own;
	union ev_data data = { .cmd.vector = cpu_to_be32(BIT(i)) };

	slot->sig = ~rest ^ (delivery << 1);
	/* The driver may take the slot as soon as it owns it. */
	smp_store_release(&slot->status_own, delivery << 1);

	/*
	 * A driver that polls has no queue for these events yet, or destroys
	 * it with this command.
	 */
	if (events)
		vhca_async_event(vhca, MLX5_EVENT_TYPE_CMD, &data);
}

/*
 * The driver rings by a function, which can be trapped, other than the write:
 * the register would have only the last ring.
 */
static int vhca_cmd_ring(struct kprobe *probe, struct pt_regs *regs)
{
	struct vhca *vhca = container_of(probe, struct vhca, doorbell_probe);
	unsigned long addr = regs_get_kernel_argument(regs, 1);
	const u32 offset = offsetof(struct mlx5_init_seg, cmd_dbell);

	if (offset_in_page(addr) == offset &&
	    slow_virt_to_phys((void *)addr) == vhca->window.start + offset)
		atomic_or(regs_get_kernel_argument(regs, 0), &vhca->doorbell);
	return 0;
}

int vhca_cmd_init(struct vhca *vhca)
{
	vhca->doorbell_probe.symbol_name = "iowrite32be";
	vhca->doorbell_probe.pre_handler = vhca_cmd_ring;
	return register_kprobe(&vhca->doorbell_probe);
}

void vhca_cmd_cleanup(struct vhca *vhca)
{
	unregister_kprobe(&vhca->doorbell_probe);
}

/* The slots that were rung for since the last time */
u32 vhca_cmd_rung(struct vhca *vhca)
{
	return atomic_read(&vhca->doorbell) ?
	       atomic_xchg(&vhca->doorbell, 0) : 0;
}

/* How long the firmware takes for what is in a slot */
static u32 vhca_slot_time(struct vhca *vhca, unsigned int i)
{
	u32 us = 0;

	switch (MLX5_GET(enable_hca_in, vhca->slots[i].in, opcode)) {
	case MLX5_CMD_OP_CREATE_MKEY:
		us = vhca->create_time_us;
		break;
	case MLX5_CMD_OP_DESTROY_MKEY:
		us = vhca->destroy_time_us;
		break;
	}
	return us ?: vhca->command_time_us;
}

/* The slots get their turn one after the other, or -1. */
static int vhca_next_slot(struct vhca *vhca)
{
	int i = find_next_bit(&vhca->rung_slots, VHCA_NUM_SLOTS,
			      vhca->next_slot);

	if (i == VHCA_NUM_SLOTS)
		i = find_first_bit(&vhca->rung_slots, VHCA_NUM_SLOTS);
	if (i == VHCA_NUM_SLOTS)
		return -1;
	vhca->next_slot = i + 1;
	return i;
}

/* The firmware begins as many commands as it can have in work. */
static void vhca_begin_commands(struct vhca *vhca)
{
	u64 now = ktime_get_ns();
	int i;

	while (hweight_long(vhca->busy_slots) < vhca->commands_at_once) {
		i = vhca_next_slot(vhca);
		if (i < 0)
			break;
		__clear_bit(i, &vhca->rung_slots);
		__set_bit(i, &vhca->busy_slots);
		vhca->due[i] = now + (u64)vhca_slot_time(vhca, i) *
				     NSEC_PER_USEC;
		vhca->peak_commands = max(vhca->peak_commands,
					  hweight_long(vhca->busy_slots));
	}
}

static void vhca_end_command(struct vhca *vhca, unsigned int i)
{
	bool events = vhca_eq_for(vhca, MLX5_EVENT_TYPE_CMD);
	bool lost = false;
	u8 delivery;

	__clear_bit(i, &vhca->busy_slots);
	vhca->num_commands++;
	delivery = vhca_run_slot(vhca, &vhca->slots[i], &lost);
	if (lost)
		__set_bit(i, &vhca->lost_slots);
	else
		vhca_complete_slot(vhca, i, delivery, events);
}

/* Those whose time is over are carried out; true if there were any. */
static bool vhca_end_commands(struct vhca *vhca)
{
	u64 now = ktime_get_ns();
	bool any = false;
	/*
	 * A driver that frees memory may have to tell the device that pages are
	 * gone, and wait for it.
	 */
	unsigned int flags = memalloc_noreclaim_save();
	unsigned int i;

	for_each_set_bit(i, &vhca->busy_slots, VHCA_NUM_SLOTS)
		if (vhca->due[i] <= now) {
			vhca_end_command(vhca, i);
			any = true;
		}
	memalloc_noreclaim_restore(flags);
	return any;
}

/* In how many ns a command in work has taken its time; U64_MAX without one */
u64 vhca_cmd_next(struct vhca *vhca)
{
	u64 now = ktime_get_ns(), next = U64_MAX;
	unsigned int i;

	for_each_set_bit(i, &vhca->busy_slots, VHCA_NUM_SLOTS)
		next = min(next, vhca->due[i] - min(vhca->due[i], now));
	return next;
}

/* True if a command was carried out. */
bool vhca_cmd_poll(struct vhca *vhca, u32 rung)
{
	if (!vhca->slots)
		return false;
	vhca->rung_slots |= rung;
	vhca_begin_commands(vhca);
	return vhca->busy_slots && vhca_end_commands(vhca);
}

/* What was lost ends after all, but was not carried out. */
void vhca_cmd_end_lost(struct vhca *vhca)
{
	unsigned long i;

	for_each_set_bit(i, &vhca->lost_slots, VHCA_NUM_SLOTS)
		vhca_complete_slot(vhca, i, VHCA_FIRMWARE_ERROR, true);
	vhca->lost_slots = 0;
}

void vhca_cmd_reset(struct vhca *vhca)
{
	vhca->slots = NULL;
	vhca->rung_slots = 0;
	vhca->busy_slots = 0;
	vhca->lost_slots = 0;
}
