// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What queue pairs do: work requests are fetched when the doorbell record says
 * so, carried out at once and in order, and completed.
 */

#include "sim.h"

/* Of one queue, before the others get their turn. */
#define SIM_BURST		32

static u8 sim_execute(struct sim *sim, struct sim_qp *qp, u32 size)
{
	struct sim_request r = {
		.qp = qp,
		.ctrl = (void *)sim->work.wqe,
		.segs = sim->work.wqe + sizeof(struct mlx5_wqe_ctrl_seg),
		.size = size - sizeof(struct mlx5_wqe_ctrl_seg),
	};
	u32 index = be32_to_cpu(r.ctrl->opmod_idx_opcode);

	r.opcode = index & MLX5_WQE_CTRL_OPCODE_MASK;
	/* Posted to this queue, at this place? */
	if ((u16)(index >> MLX5_WQE_CTRL_WQE_INDEX_SHIFT) != qp->sq_consumer ||
	    be32_to_cpu(r.ctrl->qpn_ds) >> MLX5_WQE_CTRL_QPN_SHIFT != qp->qpn)
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	switch (r.opcode) {
	case MLX5_OPCODE_NOP:
		return 0;
	case MLX5_OPCODE_UMR:
		return sim_umr(sim, qp, sim->work.wqe, size);
	}
	switch (qp->type) {
	case MLX5_QP_ST_RC:
		return sim_rc(sim, &r);
	case MLX5_QP_ST_UD:
		return sim_ud(sim, &r);
	case MLX5_QP_ST_QP0:
	case MLX5_QP_ST_QP1:
		return 0;
	}
	return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
}

static u8 sim_execute_faulting(struct sim *sim, struct sim_qp *qp, u32 size)
{
	u8 syndrome;

	sim_fault_permit(sim, &qp->fault);
	syndrome = sim_execute(sim, qp, size);
	sim_fault_settle(sim, &qp->fault, syndrome == SIM_FAULT);
	return syndrome;
}

/* Copies the next WQE; how many bytes it has, 0 if it makes no sense. */
static u32 sim_fetch(struct sim *sim, struct sim_qp *qp)
{
	u32 mask = BIT(qp->log_sq_size) - 1, i, size = MLX5_SEND_WQE_BB;
	const struct mlx5_wqe_ctrl_seg *ctrl = (void *)sim->work.wqe;
	void *bb;

	for (i = 0; i * MLX5_SEND_WQE_BB < size; i++) {
		bb = sim_buf_at(&qp->buf, qp->sq_offset +
				((qp->sq_consumer + i) & mask) *
				MLX5_SEND_WQE_BB, MLX5_SEND_WQE_BB);
		if (!bb)
			return 0;
		memcpy(sim->work.wqe + i * MLX5_SEND_WQE_BB, bb,
		       MLX5_SEND_WQE_BB);
		if (!i)
			size = (be32_to_cpu(ctrl->qpn_ds) &
				MLX5_WQE_CTRL_DS_MASK) * 16;
	}
	return size;
}

/* In error what was posted is flushed. */
static bool sim_can_send(const struct sim_qp *qp)
{
	return qp->state == MLX5_QP_STATE_RTS || qp->state == MLX5_QP_STATE_ERR;
}

/* False if there is nothing that can be done now. */
static bool sim_send_one(struct sim *sim, struct sim_qp *qp)
{
	u16 posted = be32_to_cpu(READ_ONCE(qp->doorbell[SIM_QP_DB_SEND]));
	const struct mlx5_wqe_ctrl_seg *ctrl = (void *)sim->work.wqe;
	u8 opcode, syndrome = MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	u16 index = qp->sq_consumer;
	u32 size;

	if (!qp->has_sq || !sim_can_send(qp) || qp->stuck || posted == index ||
	    sim_fault_pending(sim, &qp->fault))
		return false;
	/* The WQE was written before the doorbell record. */
	smp_rmb();
	size = sim_fetch(sim, qp);
	opcode = be32_to_cpu(ctrl->opmod_idx_opcode) & MLX5_WQE_CTRL_OPCODE_MASK;
	if (qp->state == MLX5_QP_STATE_ERR)
		syndrome = MLX5_CQE_SYNDROME_WR_FLUSH_ERR;
	else if (size)
		syndrome = sim_execute_faulting(sim, qp, size);
	if (syndrome == SIM_LATER || syndrome == SIM_FAULT)
		return false;
	qp->give_up = 0;
	sim_fault_end(sim, &qp->fault);
	qp->sq_consumer += max(DIV_ROUND_UP(size, MLX5_SEND_WQE_BB), 1U);
	if (syndrome) {
		sim_complete_error(sim, qp, true, index, opcode, syndrome);
		sim_qp_error(sim, qp);
	} else if (ctrl->fm_ce_se & MLX5_WQE_CTRL_CQ_UPDATE) {
		sim_complete_send(sim, qp, index, opcode,
				  sim->work.local.length);
	}
	return true;
}

/* Does some of what was posted; true if there was any. */
bool sim_work_poll(struct sim *sim)
{
	struct sim_qp *qp;
	bool busy = false;
	int i;

	list_for_each_entry(qp, &sim->qps, list) {
		for (i = 0; i < SIM_BURST && sim_send_one(sim, qp); i++)
			busy = true;
		for (i = 0; i < SIM_BURST && sim_recv_flush(sim, qp); i++)
			busy = true;
	}
	return busy;
}
