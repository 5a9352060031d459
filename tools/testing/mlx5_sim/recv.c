// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The receiving side: WQEs out of the QP's own ring, or of a shared queue. */

#include "sim.h"

static bool sim_ring_pop(struct sim_qp *qp, void *wqe, u32 *size, u16 *index)
{
	u16 posted = be32_to_cpu(READ_ONCE(qp->doorbell[SIM_QP_DB_RECEIVE]));
	u32 stride = BIT(qp->log_rq_stride), i;
	void *p;

	if (!qp->has_rq || posted == qp->rq_consumer)
		return false;
	i = qp->rq_consumer & (BIT(qp->log_rq_size) - 1);
	p = sim_buf_at(&qp->buf, i * stride, stride);
	if (!p)
		return false;
	memcpy(wqe, p, stride);
	*size = stride;
	*index = qp->rq_consumer++;
	return true;
}

static bool sim_qp_shares(const struct sim_qp *qp)
{
	return MLX5_GET(qpc, qp->context, rq_type) == MLX5_SRQ_RQ;
}

static u32 sim_qp_srqn(const struct sim_qp *qp)
{
	return MLX5_GET(qpc, qp->context, srqn_rmpn_xrqn);
}

/* Takes the next WQE; false if there is none. */
bool sim_recv_pop(struct sim *sim, struct sim_qp *qp, u32 *size, u16 *index)
{
	struct sim_srq *srq;

	if (!sim_qp_shares(qp))
		return sim_ring_pop(qp, sim->work.recv_wqe, size, index);
	srq = sim_object_get(sim, SIM_SRQ, sim_qp_srqn(qp));
	return srq && sim_srq_pop(srq, sim->work.recv_wqe, size, index);
}

/* What was popped last is to be done later. */
void sim_recv_unpop(struct sim *sim, struct sim_qp *qp, u16 index)
{
	if (sim_qp_shares(qp))
		sim_srq_unpop(sim_object_get(sim, SIM_SRQ, sim_qp_srqn(qp)),
			      index);
	else
		qp->rq_consumer--;
}

/* A page is missing that is in the list of what was popped last. */
u8 sim_recv_missed(struct sim *sim, const struct sim_qp *qp, u16 index)
{
	if (sim_qp_shares(qp))
		sim_fault_miss_wqe(sim, MLX5_WQE_PF_TYPE_RMP, sim_qp_srqn(qp),
				   index);
	else
		sim_fault_miss_wqe(sim, MLX5_WQE_PF_TYPE_RESP, qp->qpn, index);
	return SIM_FAULT;
}

/* In error, what was posted is flushed; false if there is nothing to. */
bool sim_recv_flush(struct sim *sim, struct sim_qp *qp)
{
	u32 size;
	u16 index;

	if (qp->state != MLX5_QP_STATE_ERR ||
	    !sim_ring_pop(qp, sim->work.recv_wqe, &size, &index))
		return false;
	sim_complete_error(sim, qp, false, index, 0,
			   MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	return true;
}
