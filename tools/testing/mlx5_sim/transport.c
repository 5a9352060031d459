// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What work requests do at a peer: send, RDMA and atomics, by RC and UD. Queue
 * pairs reach others of this device; what is for anybody else is lost on the way.
 * Each function returns a syndrome, 0, SIM_LATER or SIM_FAULT.
 */

#include <linux/jiffies.h>
#include "sim.h"

/* How long one waits for a peer that is not ready. */
#define SIM_PATIENCE		HZ

/* The queue key of a send is the queue pair's own. */
#define SIM_OWN_QKEY		BIT(31)
/* A global route header, which would be in front of a datagram. */
#define SIM_GRH_BYTES		40
#define SIM_RNR_FOREVER	7

/* A request that the peer must not grant ends the peer, too. */
static u8 sim_remote_error(struct sim *sim, struct sim_qp *peer, int err)
{
	if (err == -EAGAIN)
		return SIM_FAULT;
	sim_qp_error(sim, peer);
	sim_qp_event(sim, peer, MLX5_EVENT_TYPE_WQ_ACCESS_ERROR);
	return MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR;
}

static u8 sim_recv_error(struct sim *sim, struct sim_qp *peer, u16 index,
			 u8 syndrome, u8 requester_syndrome)
{
	sim_complete_error(sim, peer, false, index, 0, syndrome);
	sim_qp_error(sim, peer);
	return requester_syndrome;
}

static u8 sim_local_error(struct sim *sim, const struct sim_request *r,
			  int err)
{
	bool sends = r->opcode != MLX5_OPCODE_RDMA_READ &&
		     r->opcode != MLX5_OPCODE_ATOMIC_CS &&
		     r->opcode != MLX5_OPCODE_ATOMIC_FA;

	if (err != -EAGAIN)
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	sim_fault_miss_wqe(sim, sends ? MLX5_WQE_PF_TYPE_REQ_SEND_OR_WRITE :
					  MLX5_WQE_PF_TYPE_REQ_READ_OR_ATOMIC,
			   r->qp->qpn, r->qp->sq_consumer);
	return SIM_FAULT;
}

/* From the lists of the one to those of the other, from @skip on. */
static u8 sim_send_data(struct sim *sim, const struct sim_request *r,
			u16 index, u32 skip)
{
	u32 pd = sim_qp_pd(r->qp), peer_pd = sim_qp_pd(r->peer), n;
	struct sim_sgl *from = &sim->work.local, *to = &sim->work.remote;
	u64 done;
	int err;

	for (done = 0; done < from->length; done += n) {
		n = min_t(u64, from->length - done, sizeof(sim->work.bounce));
		err = sim_sgl_copy(sim, pd, from, done, sim->work.bounce, n,
				   SIM_LOCAL_READ);
		if (err)
			return sim_local_error(sim, r, err);
		err = sim_sgl_copy(sim, peer_pd, to, skip + done,
				   sim->work.bounce, n, SIM_LOCAL_WRITE);
		if (err == -EAGAIN)
			return sim_recv_missed(sim, r->peer, index);
		if (err)
			return sim_recv_error(sim, r->peer, index,
					MLX5_CQE_SYNDROME_LOCAL_PROT_ERR,
					MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	}
	return 0;
}

static u8 sim_send(struct sim *sim, const struct sim_request *r, u32 skip)
{
	struct sim_recv recv = { .opcode = MLX5_CQE_RESP_SEND };
	struct sim_sgl *from = &sim->work.local, *to = &sim->work.remote;
	u32 size;
	u8 syndrome;

	if (!sim_sgl_parse(from, r->segs, r->size, false))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (!sim_recv_pop(sim, r->peer, &size, &recv.index))
		return SIM_LATER;
	if (!sim_sgl_parse(to, sim->work.recv_wqe, size, true))
		return sim_recv_error(sim, r->peer, recv.index,
				      MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR,
				      MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	if (skip + from->length > to->length)
		return sim_recv_error(sim, r->peer, recv.index,
				      MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR,
				      MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);

	syndrome = sim_send_data(sim, r, recv.index, skip);
	if (syndrome == SIM_FAULT)
		sim_recv_unpop(sim, r->peer, recv.index);
	if (syndrome)
		return syndrome;

	recv.byte_count = skip + from->length;
	recv.immediate = r->ctrl->imm;
	if (r->opcode == MLX5_OPCODE_SEND_IMM)
		recv.opcode = MLX5_CQE_RESP_SEND_IMM;
	if (r->opcode == MLX5_OPCODE_SEND_INVAL) {
		recv.opcode = MLX5_CQE_RESP_SEND_INV;
		if (sim_mkey_invalidate(sim, be32_to_cpu(r->ctrl->imm),
					sim_qp_pd(r->peer)))
			return sim_remote_error(sim, r->peer, -EACCES);
	}
	sim_complete_recv(sim, r->peer, &recv, r->qp->qpn,
			  r->ctrl->fm_ce_se & MLX5_WQE_CTRL_SOLICITED);
	return 0;
}

/* Data goes from the local list to the remote address, or the other way. */
static u8 sim_rdma(struct sim *sim, const struct sim_request *r, bool write)
{
	const struct mlx5_wqe_raddr_seg *raddr = r->segs;
	u32 pd = sim_qp_pd(r->qp), peer_pd = sim_qp_pd(r->peer), n;
	struct sim_sgl *sgl = &sim->work.local;
	u64 done;
	int err;

	if (r->size < sizeof(*raddr) ||
	    !sim_sgl_parse(sgl, raddr + 1, r->size - sizeof(*raddr), false))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (sgl->length &&
	    !(write ? MLX5_GET(qpc, r->peer->context, rwe) :
		      MLX5_GET(qpc, r->peer->context, rre)))
		return sim_remote_error(sim, r->peer, -EACCES);
	for (done = 0; done < sgl->length; done += n) {
		n = min_t(u64, sgl->length - done, sizeof(sim->work.bounce));
		err = write ? sim_sgl_copy(sim, pd, sgl, done, sim->work.bounce,
					   n, SIM_LOCAL_READ) : 0;
		if (err)
			return sim_local_error(sim, r, err);
		err = sim_mkey_access(sim, be32_to_cpu(raddr->rkey), peer_pd,
				      be64_to_cpu(raddr->raddr) + done,
				      sim->work.bounce, n,
				      write ? SIM_REMOTE_WRITE :
					       SIM_REMOTE_READ);
		if (err)
			return sim_remote_error(sim, r->peer, err);
		err = write ? 0 : sim_sgl_copy(sim, pd, sgl, done,
					       sim->work.bounce, n,
					       SIM_LOCAL_WRITE);
		if (err)
			return sim_local_error(sim, r, err);
	}
	return 0;
}

static u8 sim_rdma_write_imm(struct sim *sim, const struct sim_request *r)
{
	struct sim_recv recv = {
		.opcode = MLX5_CQE_RESP_WR_IMM,
		.immediate = r->ctrl->imm,
	};
	u32 size;
	u8 syndrome;

	if (!sim_recv_pop(sim, r->peer, &size, &recv.index))
		return SIM_LATER;
	syndrome = sim_rdma(sim, r, true);
	if (syndrome == SIM_FAULT)
		sim_recv_unpop(sim, r->peer, recv.index);
	if (syndrome)
		return syndrome;
	recv.byte_count = sim->work.local.length;
	sim_complete_recv(sim, r->peer, &recv, r->qp->qpn,
			  r->ctrl->fm_ce_se & MLX5_WQE_CTRL_SOLICITED);
	return 0;
}

static u64 sim_fetch_add(u64 old, const u64 *operands)
{
	return old + operands[0];
}

static u64 sim_cmp_swap(u64 old, const u64 *operands)
{
	return old == operands[1] ? operands[0] : old;
}

static u8 sim_atomic(struct sim *sim, const struct sim_request *r)
{
	const struct {
		struct mlx5_wqe_raddr_seg raddr;
		struct mlx5_wqe_atomic_seg atomic;
	} *seg = r->segs;
	u32 pd = sim_qp_pd(r->qp);
	u64 operands[2], old = 0;
	int err;

	if (r->size < sizeof(*seg) ||
	    !sim_sgl_parse(&sim->work.local, seg + 1, r->size - sizeof(*seg),
			   false) || sim->work.local.length != sizeof(old))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (!MLX5_GET(qpc, r->peer->context, rae))
		return sim_remote_error(sim, r->peer, -EACCES);
	/* It must not be done twice: can the result be stored? */
	err = sim_sgl_copy(sim, pd, &sim->work.local, 0, &old, sizeof(old),
			   SIM_LOCAL_READ) ?:
	      sim_sgl_copy(sim, pd, &sim->work.local, 0, &old, sizeof(old),
			   SIM_LOCAL_WRITE);
	if (err)
		return sim_local_error(sim, r, err);
	operands[0] = be64_to_cpu(seg->atomic.swap_add);
	operands[1] = be64_to_cpu(seg->atomic.compare);
	err = sim_mkey_atomic(sim, be32_to_cpu(seg->raddr.rkey),
			      sim_qp_pd(r->peer),
			      be64_to_cpu(seg->raddr.raddr),
			      r->opcode == MLX5_OPCODE_ATOMIC_FA ?
			      sim_fetch_add : sim_cmp_swap, operands, &old);
	if (err)
		return sim_remote_error(sim, r->peer, err);
	return sim_sgl_copy(sim, pd, &sim->work.local, 0, &old, sizeof(old),
			    SIM_LOCAL_WRITE) ?
		MLX5_CQE_SYNDROME_LOCAL_PROT_ERR : 0;
}

static bool sim_can_receive(const struct sim_qp *qp, u8 type)
{
	return qp && qp->type == type &&
	       (qp->state == MLX5_QP_STATE_RTR || qp->state == MLX5_QP_STATE_RTS);
}

/* A requester gives up with this after its retries. */
static u8 sim_wait(struct sim_qp *qp, u8 syndrome)
{
	if (!qp->give_up) {
		qp->give_up = (jiffies + SIM_PATIENCE) | 1;
		return SIM_LATER;
	}
	return time_after(jiffies, qp->give_up) ? syndrome : SIM_LATER;
}

u8 sim_rc(struct sim *sim, struct sim_request *r)
{
	u8 syndrome;

	r->peer = sim_object_get(sim, SIM_QP,
				 MLX5_GET(qpc, r->qp->context, remote_qpn));
	if (!sim_can_receive(r->peer, MLX5_QP_ST_RC) ||
	    MLX5_GET(qpc, r->peer->context, remote_qpn) != r->qp->qpn)
		return sim_wait(r->qp,
				MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	switch (r->opcode) {
	case MLX5_OPCODE_SEND:
	case MLX5_OPCODE_SEND_IMM:
	case MLX5_OPCODE_SEND_INVAL:
		syndrome = sim_send(sim, r, 0);
		break;
	case MLX5_OPCODE_RDMA_WRITE:
		syndrome = sim_rdma(sim, r, true);
		break;
	case MLX5_OPCODE_RDMA_WRITE_IMM:
		syndrome = sim_rdma_write_imm(sim, r);
		break;
	case MLX5_OPCODE_RDMA_READ:
		syndrome = sim_rdma(sim, r, false);
		break;
	case MLX5_OPCODE_ATOMIC_CS:
	case MLX5_OPCODE_ATOMIC_FA:
		syndrome = sim_atomic(sim, r);
		break;
	default:
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	}
	if (syndrome == SIM_LATER &&
	    MLX5_GET(qpc, r->qp->context, rnr_retry) != SIM_RNR_FOREVER)
		return sim_wait(r->qp, MLX5_CQE_SYNDROME_RNR_RETRY_EXC_ERR);
	return syndrome;
}

static struct sim_qp *sim_ud_peer(struct sim *sim, const struct sim_qp *qp,
				  const struct mlx5_av *av)
{
	u32 qpn = be32_to_cpu(av->dqp_dct) & GENMASK(23, 0);
	struct sim_qp *peer = sim_object_get(sim, SIM_QP, qpn);
	u32 qkey = be32_to_cpu(av->key.qkey.qkey);

	if (qkey & SIM_OWN_QKEY)
		qkey = MLX5_GET(qpc, qp->context, q_key);
	if (be16_to_cpu(av->rlid) != SIM_LID ||
	    !sim_can_receive(peer, MLX5_QP_ST_UD) ||
	    MLX5_GET(qpc, peer->context, q_key) != qkey)
		return NULL;
	return peer;
}

/* Whether or not anybody receives it is nothing that the sender gets to know. */
u8 sim_ud(struct sim *sim, struct sim_request *r)
{
	const struct mlx5_av *av = r->segs;
	u8 syndrome;

	if (r->size < sizeof(*av) || (r->opcode != MLX5_OPCODE_SEND &&
				      r->opcode != MLX5_OPCODE_SEND_IMM))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	r->segs += sizeof(*av);
	r->size -= sizeof(*av);
	r->peer = sim_ud_peer(sim, r->qp, av);
	if (!r->peer)
		return 0;
	syndrome = sim_send(sim, r, SIM_GRH_BYTES);
	switch (syndrome) {
	case SIM_LATER:
	case MLX5_CQE_SYNDROME_REMOTE_OP_ERR:
	case MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR:
		return 0;
	}
	return syndrome;
}
