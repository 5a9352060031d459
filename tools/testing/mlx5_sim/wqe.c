// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What queue pairs do: work requests are fetched when the doorbell record says
 * so, carried out at once and in order, and completed. Queue pairs reach others
 * of this device; what is for anybody else is lost on the way.
 */

#include <linux/jiffies.h>
#include <linux/mlx5/cq.h>
#include "sim.h"

/* The doorbell record: how far the driver has posted. */
enum {
	SIM_QP_DB_RECEIVE,
	SIM_QP_DB_SEND,
};

/* Of one queue, before the others get their turn. */
#define SIM_BURST		32
/* How long one waits for a peer that is not ready. */
#define SIM_PATIENCE		HZ

#define SIM_INLINE		BIT(31)
/* The queue key of a send is the queue pair's own. */
#define SIM_OWN_QKEY		BIT(31)
/* A global route header, which would be in front of a datagram. */
#define SIM_GRH_BYTES		40
/* The key that ends the list of a receive WQE. */
#define SIM_END_OF_LIST	0x100
#define SIM_RNR_FOREVER	7

/* No syndromes: the peer is not ready, or a page is missing; try again later. */
#define SIM_LATER		0xff
#define SIM_FAULT		0xfe

struct sim_recv {
	u16 index;
	u32 byte_count;
	__be32 immediate;
	u8 opcode;
};

/* Completions */

static u32 sim_user_index(struct sim_qp *qp)
{
	return MLX5_GET(qpc, qp->context, user_index);
}

static void sim_complete_error(struct sim *sim, struct sim_qp *qp,
			       bool requester, u16 index, u8 opcode,
			       u8 syndrome)
{
	union {
		struct mlx5_err_cqe error;
		struct mlx5_cqe64 cqe;
	} u = {};

	u.error.srqn = cpu_to_be32(sim_user_index(qp));
	u.error.syndrome = syndrome;
	u.error.s_wqe_opcode_qpn = cpu_to_be32(opcode << 24 | qp->qpn);
	u.error.wqe_counter = cpu_to_be16(index);
	u.error.op_own = (requester ? MLX5_CQE_REQ_ERR :
				      MLX5_CQE_RESP_ERR) << 4;
	sim_cq_push(sim, requester ? MLX5_GET(qpc, qp->context, cqn_snd) :
				       MLX5_GET(qpc, qp->context, cqn_rcv),
		    &u.cqe, true);
}

static void sim_complete_send(struct sim *sim, struct sim_qp *qp,
			      u16 index, u8 opcode, u32 byte_count)
{
	struct mlx5_cqe64 cqe = {};

	cqe.srqn = cpu_to_be32(sim_user_index(qp));
	cqe.byte_cnt = cpu_to_be32(byte_count);
	cqe.sop_drop_qpn = cpu_to_be32(opcode << 24 | qp->qpn);
	cqe.wqe_counter = cpu_to_be16(index);
	cqe.op_own = MLX5_CQE_REQ << 4;
	sim_cq_push(sim, MLX5_GET(qpc, qp->context, cqn_snd), &cqe, false);
}

static void sim_complete_recv(struct sim *sim, struct sim_qp *qp,
			      const struct sim_recv *recv, u32 from,
			      bool solicited)
{
	struct mlx5_cqe64 cqe = {};

	cqe.srqn = cpu_to_be32(sim_user_index(qp));
	cqe.slid = cpu_to_be16(SIM_LID);
	cqe.flags_rqpn = cpu_to_be32(from);
	cqe.immediate = recv->immediate;
	cqe.byte_cnt = cpu_to_be32(recv->byte_count);
	cqe.sop_drop_qpn = cpu_to_be32(qp->qpn);
	cqe.wqe_counter = cpu_to_be16(recv->index);
	cqe.op_own = recv->opcode << 4;
	sim_cq_push(sim, MLX5_GET(qpc, qp->context, cqn_rcv), &cqe,
		    solicited);
}

/* Lists of memory */

static bool sim_sgl_add(struct sim_sgl *sgl, struct sim_sge sge)
{
	if (sgl->count == ARRAY_SIZE(sgl->sge))
		return false;
	sgl->sge[sgl->count++] = sge;
	sgl->length += sge.length;
	return true;
}

/* Out of the data segments in @size bytes; false if they make no sense. */
static bool sim_sgl_parse(struct sim_sgl *sgl, const void *segs, u32 size,
			  bool receive)
{
	const struct mlx5_wqe_data_seg *seg;
	struct sim_sge sge;
	u32 n;

	sgl->count = 0;
	sgl->length = 0;
	for (; size >= sizeof(*seg); segs += n, size -= n) {
		seg = segs;
		n = sizeof(*seg);
		sge = (struct sim_sge){
			.length = be32_to_cpu(seg->byte_count),
			.key = be32_to_cpu(seg->lkey),
			.addr = be64_to_cpu(seg->addr),
		};
		if (receive && sge.key == SIM_END_OF_LIST)
			break;
		if (sge.length & SIM_INLINE) {
			sge.length &= ~SIM_INLINE;
			sge.data = segs + sizeof(seg->byte_count);
			n = ALIGN(sge.length + sizeof(seg->byte_count), n);
			if (receive || n > size)
				return false;
		}
		if (sge.length && !sim_sgl_add(sgl, sge))
			return false;
	}
	return true;
}

static int sim_sge_copy(struct sim *sim, u32 pd, const struct sim_sge *sge,
			u32 offset, void *data, u32 length,
			enum sim_rights rights)
{
	if (!sge->data)
		return sim_mkey_access(sim, sge->key, pd, sge->addr + offset,
				       data, length, rights);
	memcpy(data, sge->data + offset, length);
	return 0;
}

/* Between @data and what is at @offset of the list. */
static int sim_sgl_copy(struct sim *sim, u32 pd, const struct sim_sgl *sgl,
			u64 offset, void *data, u32 length,
			enum sim_rights rights)
{
	const struct sim_sge *sge;
	u32 n;
	int err;

	for (sge = sgl->sge; length; sge++) {
		if (offset >= sge->length) {
			offset -= sge->length;
			continue;
		}
		n = min_t(u32, length, sge->length - offset);
		err = sim_sge_copy(sim, pd, sge, offset, data, n, rights);
		if (err)
			return err;
		data += n;
		length -= n;
		offset = 0;
	}
	return 0;
}

/* The receiving side */

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

static bool sim_recv_pop(struct sim *sim, struct sim_qp *qp, u32 *size,
			 u16 *index)
{
	struct sim_srq *srq;

	if (MLX5_GET(qpc, qp->context, rq_type) != MLX5_SRQ_RQ)
		return sim_ring_pop(qp, sim->recv_wqe, size, index);
	srq = sim_srq_get(sim, MLX5_GET(qpc, qp->context, srqn_rmpn_xrqn));
	return srq && sim_srq_pop(srq, sim->recv_wqe, size, index);
}

/* What was popped last is to be done later. */
static void sim_recv_unpop(struct sim *sim, struct sim_qp *qp, u16 index)
{
	if (MLX5_GET(qpc, qp->context, rq_type) == MLX5_SRQ_RQ)
		sim_srq_unpop(sim_srq_get(sim, MLX5_GET(qpc, qp->context,
							srqn_rmpn_xrqn)),
			      index);
	else
		qp->rq_consumer--;
}

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

/* The requester's side: each returns a syndrome, 0 or SIM_LATER. */

struct sim_request {
	struct sim_qp *qp;
	struct sim_qp *peer;
	const struct mlx5_wqe_ctrl_seg *ctrl;
	u8 opcode;
	/* What follows the control segment. */
	const void *segs;
	u32 size;
};

/* What is missing is in the list of a work request. */
static u8 sim_missed_in(struct sim *sim, u8 wq_type, u32 wqn, u16 index)
{
	sim->missing.in_wqe = true;
	sim->missing.wq_type = wq_type;
	sim->missing.wqn = wqn;
	sim->missing.wqe_index = index;
	return SIM_FAULT;
}

static u8 sim_recv_missed(struct sim *sim, const struct sim_qp *peer,
			  u16 index)
{
	if (MLX5_GET(qpc, peer->context, rq_type) != MLX5_SRQ_RQ)
		return sim_missed_in(sim, MLX5_WQE_PF_TYPE_RESP, peer->qpn,
				     index);
	return sim_missed_in(sim, MLX5_WQE_PF_TYPE_RMP,
			     MLX5_GET(qpc, peer->context, srqn_rmpn_xrqn),
			     index);
}

static u8 sim_local_error(struct sim *sim, const struct sim_request *r,
			  int err)
{
	bool sends = r->opcode != MLX5_OPCODE_RDMA_READ &&
		     r->opcode != MLX5_OPCODE_ATOMIC_CS &&
		     r->opcode != MLX5_OPCODE_ATOMIC_FA;

	if (err != -EAGAIN)
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	return sim_missed_in(sim, sends ? MLX5_WQE_PF_TYPE_REQ_SEND_OR_WRITE :
					    MLX5_WQE_PF_TYPE_REQ_READ_OR_ATOMIC,
			     r->qp->qpn, r->qp->sq_consumer);
}

/* From the lists of the one to those of the other, from @skip on. */
static u8 sim_send_data(struct sim *sim, const struct sim_request *r,
			u16 index, u32 skip)
{
	u32 pd = sim_qp_pd(r->qp), peer_pd = sim_qp_pd(r->peer), n;
	struct sim_sgl *from = &sim->local, *to = &sim->remote;
	u64 done;
	int err;

	for (done = 0; done < from->length; done += n) {
		n = min_t(u64, from->length - done, sizeof(sim->bounce));
		err = sim_sgl_copy(sim, pd, from, done, sim->bounce, n,
				   SIM_LOCAL_READ);
		if (err)
			return sim_local_error(sim, r, err);
		err = sim_sgl_copy(sim, peer_pd, to, skip + done,
				   sim->bounce, n, SIM_LOCAL_WRITE);
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
	struct sim_sgl *from = &sim->local, *to = &sim->remote;
	u32 size;
	u8 syndrome;

	if (!sim_sgl_parse(from, r->segs, r->size, false))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (!sim_recv_pop(sim, r->peer, &size, &recv.index))
		return SIM_LATER;
	if (!sim_sgl_parse(to, sim->recv_wqe, size, true))
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
	struct sim_sgl *sgl = &sim->local;
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
		n = min_t(u64, sgl->length - done, sizeof(sim->bounce));
		err = write ? sim_sgl_copy(sim, pd, sgl, done, sim->bounce,
					   n, SIM_LOCAL_READ) : 0;
		if (err)
			return sim_local_error(sim, r, err);
		err = sim_mkey_access(sim, be32_to_cpu(raddr->rkey), peer_pd,
				      be64_to_cpu(raddr->raddr) + done,
				      sim->bounce, n,
				      write ? SIM_REMOTE_WRITE :
					       SIM_REMOTE_READ);
		if (err)
			return sim_remote_error(sim, r->peer, err);
		err = write ? 0 : sim_sgl_copy(sim, pd, sgl, done,
					       sim->bounce, n,
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
	recv.byte_count = sim->local.length;
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
	    !sim_sgl_parse(&sim->local, seg + 1, r->size - sizeof(*seg),
			   false) || sim->local.length != sizeof(old))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (!MLX5_GET(qpc, r->peer->context, rae))
		return sim_remote_error(sim, r->peer, -EACCES);
	/* It must not be done twice: can the result be stored? */
	err = sim_sgl_copy(sim, pd, &sim->local, 0, &old, sizeof(old),
			   SIM_LOCAL_READ) ?:
	      sim_sgl_copy(sim, pd, &sim->local, 0, &old, sizeof(old),
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
	return sim_sgl_copy(sim, pd, &sim->local, 0, &old, sizeof(old),
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

static u8 sim_rc(struct sim *sim, struct sim_request *r)
{
	u8 syndrome;

	r->peer = xa_load(&sim->qps, MLX5_GET(qpc, r->qp->context,
					      remote_qpn));
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
	struct sim_qp *peer = xa_load(&sim->qps, be32_to_cpu(av->dqp_dct) &
				      GENMASK(23, 0));
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
static u8 sim_ud(struct sim *sim, struct sim_request *r)
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

static u8 sim_execute(struct sim *sim, struct sim_qp *qp, u32 size)
{
	struct sim_request r = {
		.qp = qp,
		.ctrl = (void *)sim->wqe,
		.segs = sim->wqe + sizeof(struct mlx5_wqe_ctrl_seg),
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
		return sim_umr(sim, qp, sim->wqe, size);
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

/* A fault that the driver could not resolve is not raised again. */
static u8 sim_execute_faulting(struct sim *sim, struct sim_qp *qp, u32 size)
{
	u8 syndrome;

	sim->may_fault = qp->fault.state != SIM_FAULT_FAILED;
	syndrome = sim_execute(sim, qp, size);
	sim->may_fault = false;
	if (syndrome == SIM_FAULT)
		sim_fault_raise(sim, &qp->fault);
	return syndrome;
}

/* Copies the next WQE; how many bytes it has, 0 if it makes no sense. */
static u32 sim_fetch(struct sim *sim, struct sim_qp *qp)
{
	u32 mask = BIT(qp->log_sq_size) - 1, i, size = MLX5_SEND_WQE_BB;
	const struct mlx5_wqe_ctrl_seg *ctrl = (void *)sim->wqe;
	void *bb;

	for (i = 0; i * MLX5_SEND_WQE_BB < size; i++) {
		bb = sim_buf_at(&qp->buf, qp->sq_offset +
				((qp->sq_consumer + i) & mask) *
				MLX5_SEND_WQE_BB, MLX5_SEND_WQE_BB);
		if (!bb)
			return 0;
		memcpy(sim->wqe + i * MLX5_SEND_WQE_BB, bb, MLX5_SEND_WQE_BB);
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
	const struct mlx5_wqe_ctrl_seg *ctrl = (void *)sim->wqe;
	u8 opcode, syndrome = MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	u16 index = qp->sq_consumer;
	u32 size;

	if (!qp->has_sq || !sim_can_send(qp) || posted == index ||
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
				  sim->local.length);
	}
	return true;
}

static bool sim_flush_one(struct sim *sim, struct sim_qp *qp)
{
	u32 size;
	u16 index;

	if (qp->state != MLX5_QP_STATE_ERR ||
	    !sim_ring_pop(qp, sim->recv_wqe, &size, &index))
		return false;
	sim_complete_error(sim, qp, false, index, 0,
			   MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	return true;
}

/* Does some of what was posted; true if there was any. */
bool sim_qp_poll(struct sim *sim)
{
	struct sim_qp *qp;
	bool busy = false;
	int i;

	list_for_each_entry(qp, &sim->qp_list, list) {
		for (i = 0; i < SIM_BURST && sim_send_one(sim, qp); i++)
			busy = true;
		for (i = 0; i < SIM_BURST && sim_flush_one(sim, qp); i++)
			busy = true;
	}
	return busy;
}
