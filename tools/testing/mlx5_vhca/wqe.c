// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What queue pairs do: work requests are fetched when the doorbell record says
 * so, carried out at once and in order, and completed. Queue pairs reach others
 * of this device; what is for anybody else is lost on the way.
 */

#include <linux/jiffies.h>
#include <linux/mlx5/cq.h>
#include "vhca.h"

/* The doorbell record: how far the driver has posted. */
enum {
	VHCA_QP_DB_RECEIVE,
	VHCA_QP_DB_SEND,
};

/* Of one queue, before the others get their turn. */
#define VHCA_BURST		32
/* How long one waits for a peer that is not ready. */
#define VHCA_PATIENCE		HZ

#define VHCA_INLINE		BIT(31)
/* The queue key of a send is the queue pair's own. */
#define VHCA_OWN_QKEY		BIT(31)
/* A global route header, which would be in front of a datagram. */
#define VHCA_GRH_BYTES		40
/* The key that ends the list of a receive WQE. */
#define VHCA_END_OF_LIST	0x100
#define VHCA_RNR_FOREVER	7

/* No syndromes: the peer is not ready, or a page is missing; try again later. */
#define VHCA_LATER		0xff
#define VHCA_FAULT		0xfe

struct vhca_recv {
	u16 index;
	u32 byte_count;
	__be32 immediate;
	u8 opcode;
};

/* Completions */

static u32 vhca_user_index(struct vhca_qp *qp)
{
	return MLX5_GET(qpc, qp->context, user_index);
}

static void vhca_complete_error(struct vhca *vhca, struct vhca_qp *qp,
				bool requester, u16 index, u8 opcode,
				u8 syndrome)
{
	union {
		struct mlx5_err_cqe error;
		struct mlx5_cqe64 cqe;
	} u = {};

	u.error.srqn = cpu_to_be32(vhca_user_index(qp));
	u.error.syndrome = syndrome;
	u.error.s_wqe_opcode_qpn = cpu_to_be32(opcode << 24 | qp->qpn);
	u.error.wqe_counter = cpu_to_be16(index);
	u.error.op_own = (requester ? MLX5_CQE_REQ_ERR :
				      MLX5_CQE_RESP_ERR) << 4;
	vhca_cq_push(vhca, requester ? MLX5_GET(qpc, qp->context, cqn_snd) :
				       MLX5_GET(qpc, qp->context, cqn_rcv),
		     &u.cqe, true);
}

static void vhca_complete_send(struct vhca *vhca, struct vhca_qp *qp,
			       u16 index, u8 opcode, u32 byte_count)
{
	struct mlx5_cqe64 cqe = {};

	cqe.srqn = cpu_to_be32(vhca_user_index(qp));
	cqe.byte_cnt = cpu_to_be32(byte_count);
	cqe.sop_drop_qpn = cpu_to_be32(opcode << 24 | qp->qpn);
	cqe.wqe_counter = cpu_to_be16(index);
	cqe.op_own = MLX5_CQE_REQ << 4;
	vhca_cq_push(vhca, MLX5_GET(qpc, qp->context, cqn_snd), &cqe, false);
}

static void vhca_complete_recv(struct vhca *vhca, struct vhca_qp *qp,
			       const struct vhca_recv *recv, u32 from,
			       bool solicited)
{
	struct mlx5_cqe64 cqe = {};

	cqe.srqn = cpu_to_be32(vhca_user_index(qp));
	cqe.slid = cpu_to_be16(VHCA_LID);
	cqe.flags_rqpn = cpu_to_be32(from);
	cqe.immediate = recv->immediate;
	cqe.byte_cnt = cpu_to_be32(recv->byte_count);
	cqe.sop_drop_qpn = cpu_to_be32(qp->qpn);
	cqe.wqe_counter = cpu_to_be16(recv->index);
	cqe.op_own = recv->opcode << 4;
	vhca_cq_push(vhca, MLX5_GET(qpc, qp->context, cqn_rcv), &cqe,
		     solicited);
}

/* Lists of memory */

static bool vhca_sgl_add(struct vhca_sgl *sgl, struct vhca_sge sge)
{
	if (sgl->count == ARRAY_SIZE(sgl->sge))
		return false;
	sgl->sge[sgl->count++] = sge;
	sgl->length += sge.length;
	return true;
}

/* Out of the data segments in @size bytes; false if they make no sense. */
static bool vhca_sgl_parse(struct vhca_sgl *sgl, const void *segs, u32 size,
			   bool receive)
{
	const struct mlx5_wqe_data_seg *seg;
	struct vhca_sge sge;
	u32 n;

	sgl->count = 0;
	sgl->length = 0;
	for (; size >= sizeof(*seg); segs += n, size -= n) {
		seg = segs;
		n = sizeof(*seg);
		sge = (struct vhca_sge){
			.length = be32_to_cpu(seg->byte_count),
			.key = be32_to_cpu(seg->lkey),
			.addr = be64_to_cpu(seg->addr),
		};
		if (receive && sge.key == VHCA_END_OF_LIST)
			break;
		if (sge.length & VHCA_INLINE) {
			sge.length &= ~VHCA_INLINE;
			sge.data = segs + sizeof(seg->byte_count);
			n = ALIGN(sge.length + sizeof(seg->byte_count), n);
			if (receive || n > size)
				return false;
		}
		if (sge.length && !vhca_sgl_add(sgl, sge))
			return false;
	}
	return true;
}

static int vhca_sge_copy(struct vhca *vhca, u32 pd, const struct vhca_sge *sge,
			 u32 offset, void *data, u32 length,
			 enum vhca_rights rights)
{
	if (!sge->data)
		return vhca_mkey_access(vhca, sge->key, pd, sge->addr + offset,
					data, length, rights);
	memcpy(data, sge->data + offset, length);
	return 0;
}

/* Between @data and what is at @offset of the list. */
static int vhca_sgl_copy(struct vhca *vhca, u32 pd, const struct vhca_sgl *sgl,
			 u64 offset, void *data, u32 length,
			 enum vhca_rights rights)
{
	const struct vhca_sge *sge;
	u32 n;
	int err;

	for (sge = sgl->sge; length; sge++) {
		if (offset >= sge->length) {
			offset -= sge->length;
			continue;
		}
		n = min_t(u32, length, sge->length - offset);
		err = vhca_sge_copy(vhca, pd, sge, offset, data, n, rights);
		if (err)
			return err;
		data += n;
		length -= n;
		offset = 0;
	}
	return 0;
}

/* The receiving side */

static bool vhca_ring_pop(struct vhca_qp *qp, void *wqe, u32 *size, u16 *index)
{
	u16 posted = be32_to_cpu(READ_ONCE(qp->doorbell[VHCA_QP_DB_RECEIVE]));
	u32 stride = BIT(qp->log_rq_stride), i;
	void *p;

	if (!qp->has_rq || posted == qp->rq_consumer)
		return false;
	i = qp->rq_consumer & (BIT(qp->log_rq_size) - 1);
	p = vhca_buf_at(&qp->buf, i * stride, stride);
	if (!p)
		return false;
	memcpy(wqe, p, stride);
	*size = stride;
	*index = qp->rq_consumer++;
	return true;
}

static bool vhca_recv_pop(struct vhca *vhca, struct vhca_qp *qp, u32 *size,
			  u16 *index)
{
	struct vhca_srq *srq;

	if (MLX5_GET(qpc, qp->context, rq_type) != MLX5_SRQ_RQ)
		return vhca_ring_pop(qp, vhca->recv_wqe, size, index);
	srq = vhca_srq_get(vhca, MLX5_GET(qpc, qp->context, srqn_rmpn_xrqn));
	return srq && vhca_srq_pop(srq, vhca->recv_wqe, size, index);
}

/* What was popped last is to be done later. */
static void vhca_recv_unpop(struct vhca *vhca, struct vhca_qp *qp, u16 index)
{
	if (MLX5_GET(qpc, qp->context, rq_type) == MLX5_SRQ_RQ)
		vhca_srq_unpop(vhca_srq_get(vhca, MLX5_GET(qpc, qp->context,
							   srqn_rmpn_xrqn)),
			       index);
	else
		qp->rq_consumer--;
}

/* A request that the peer must not grant ends the peer, too. */
static u8 vhca_remote_error(struct vhca *vhca, struct vhca_qp *peer, int err)
{
	if (err == -EAGAIN)
		return VHCA_FAULT;
	vhca_qp_error(vhca, peer);
	vhca_qp_event(vhca, peer, MLX5_EVENT_TYPE_WQ_ACCESS_ERROR);
	return MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR;
}

static u8 vhca_recv_error(struct vhca *vhca, struct vhca_qp *peer, u16 index,
			  u8 syndrome, u8 requester_syndrome)
{
	vhca_complete_error(vhca, peer, false, index, 0, syndrome);
	vhca_qp_error(vhca, peer);
	return requester_syndrome;
}

/* The requester's side: each returns a syndrome, 0 or VHCA_LATER. */

struct vhca_request {
	struct vhca_qp *qp;
	struct vhca_qp *peer;
	const struct mlx5_wqe_ctrl_seg *ctrl;
	u8 opcode;
	/* What follows the control segment. */
	const void *segs;
	u32 size;
};

/* What is missing is in the list of a work request. */
static u8 vhca_missed_in(struct vhca *vhca, u8 wq_type, u32 wqn, u16 index)
{
	vhca->missing.in_wqe = true;
	vhca->missing.wq_type = wq_type;
	vhca->missing.wqn = wqn;
	vhca->missing.wqe_index = index;
	return VHCA_FAULT;
}

static u8 vhca_recv_missed(struct vhca *vhca, const struct vhca_qp *peer,
			   u16 index)
{
	if (MLX5_GET(qpc, peer->context, rq_type) != MLX5_SRQ_RQ)
		return vhca_missed_in(vhca, MLX5_WQE_PF_TYPE_RESP, peer->qpn,
				      index);
	return vhca_missed_in(vhca, MLX5_WQE_PF_TYPE_RMP,
			      MLX5_GET(qpc, peer->context, srqn_rmpn_xrqn),
			      index);
}

static u8 vhca_local_error(struct vhca *vhca, const struct vhca_request *r,
			   int err)
{
	bool sends = r->opcode != MLX5_OPCODE_RDMA_READ &&
		     r->opcode != MLX5_OPCODE_ATOMIC_CS &&
		     r->opcode != MLX5_OPCODE_ATOMIC_FA;

	if (err != -EAGAIN)
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	return vhca_missed_in(vhca, sends ? MLX5_WQE_PF_TYPE_REQ_SEND_OR_WRITE :
					    MLX5_WQE_PF_TYPE_REQ_READ_OR_ATOMIC,
			      r->qp->qpn, r->qp->sq_consumer);
}

/* From the lists of the one to those of the other, from @skip on. */
static u8 vhca_send_data(struct vhca *vhca, const struct vhca_request *r,
			 u16 index, u32 skip)
{
	u32 pd = vhca_qp_pd(r->qp), peer_pd = vhca_qp_pd(r->peer), n;
	struct vhca_sgl *from = &vhca->local, *to = &vhca->remote;
	u64 done;
	int err;

	for (done = 0; done < from->length; done += n) {
		n = min_t(u64, from->length - done, sizeof(vhca->bounce));
		err = vhca_sgl_copy(vhca, pd, from, done, vhca->bounce, n,
				    VHCA_LOCAL_READ);
		if (err)
			return vhca_local_error(vhca, r, err);
		err = vhca_sgl_copy(vhca, peer_pd, to, skip + done,
				    vhca->bounce, n, VHCA_LOCAL_WRITE);
		if (err == -EAGAIN)
			return vhca_recv_missed(vhca, r->peer, index);
		if (err)
			return vhca_recv_error(vhca, r->peer, index,
					MLX5_CQE_SYNDROME_LOCAL_PROT_ERR,
					MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	}
	return 0;
}

static u8 vhca_send(struct vhca *vhca, const struct vhca_request *r, u32 skip)
{
	struct vhca_recv recv = { .opcode = MLX5_CQE_RESP_SEND };
	struct vhca_sgl *from = &vhca->local, *to = &vhca->remote;
	u32 size;
	u8 syndrome;

	if (!vhca_sgl_parse(from, r->segs, r->size, false))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (!vhca_recv_pop(vhca, r->peer, &size, &recv.index))
		return VHCA_LATER;
	if (!vhca_sgl_parse(to, vhca->recv_wqe, size, true))
		return vhca_recv_error(vhca, r->peer, recv.index,
				       MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR,
				       MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	if (skip + from->length > to->length)
		return vhca_recv_error(vhca, r->peer, recv.index,
				       MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR,
				       MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);

	syndrome = vhca_send_data(vhca, r, recv.index, skip);
	if (syndrome == VHCA_FAULT)
		vhca_recv_unpop(vhca, r->peer, recv.index);
	if (syndrome)
		return syndrome;

	recv.byte_count = skip + from->length;
	recv.immediate = r->ctrl->imm;
	if (r->opcode == MLX5_OPCODE_SEND_IMM)
		recv.opcode = MLX5_CQE_RESP_SEND_IMM;
	if (r->opcode == MLX5_OPCODE_SEND_INVAL) {
		recv.opcode = MLX5_CQE_RESP_SEND_INV;
		if (vhca_mkey_invalidate(vhca, be32_to_cpu(r->ctrl->imm),
					 vhca_qp_pd(r->peer)))
			return vhca_remote_error(vhca, r->peer, -EACCES);
	}
	vhca_complete_recv(vhca, r->peer, &recv, r->qp->qpn,
			   r->ctrl->fm_ce_se & MLX5_WQE_CTRL_SOLICITED);
	return 0;
}

/* Data goes from the local list to the remote address, or the other way. */
static u8 vhca_rdma(struct vhca *vhca, const struct vhca_request *r, bool write)
{
	const struct mlx5_wqe_raddr_seg *raddr = r->segs;
	u32 pd = vhca_qp_pd(r->qp), peer_pd = vhca_qp_pd(r->peer), n;
	struct vhca_sgl *sgl = &vhca->local;
	u64 done;
	int err;

	if (r->size < sizeof(*raddr) ||
	    !vhca_sgl_parse(sgl, raddr + 1, r->size - sizeof(*raddr), false))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (sgl->length &&
	    !(write ? MLX5_GET(qpc, r->peer->context, rwe) :
		      MLX5_GET(qpc, r->peer->context, rre)))
		return vhca_remote_error(vhca, r->peer, -EACCES);
	for (done = 0; done < sgl->length; done += n) {
		n = min_t(u64, sgl->length - done, sizeof(vhca->bounce));
		err = write ? vhca_sgl_copy(vhca, pd, sgl, done, vhca->bounce,
					    n, VHCA_LOCAL_READ) : 0;
		if (err)
			return vhca_local_error(vhca, r, err);
		err = vhca_mkey_access(vhca, be32_to_cpu(raddr->rkey), peer_pd,
				       be64_to_cpu(raddr->raddr) + done,
				       vhca->bounce, n,
				       write ? VHCA_REMOTE_WRITE :
					       VHCA_REMOTE_READ);
		if (err)
			return vhca_remote_error(vhca, r->peer, err);
		err = write ? 0 : vhca_sgl_copy(vhca, pd, sgl, done,
						vhca->bounce, n,
						VHCA_LOCAL_WRITE);
		if (err)
			return vhca_local_error(vhca, r, err);
	}
	return 0;
}

static u8 vhca_rdma_write_imm(struct vhca *vhca, const struct vhca_request *r)
{
	struct vhca_recv recv = {
		.opcode = MLX5_CQE_RESP_WR_IMM,
		.immediate = r->ctrl->imm,
	};
	u32 size;
	u8 syndrome;

	if (!vhca_recv_pop(vhca, r->peer, &size, &recv.index))
		return VHCA_LATER;
	syndrome = vhca_rdma(vhca, r, true);
	if (syndrome == VHCA_FAULT)
		vhca_recv_unpop(vhca, r->peer, recv.index);
	if (syndrome)
		return syndrome;
	recv.byte_count = vhca->local.length;
	vhca_complete_recv(vhca, r->peer, &recv, r->qp->qpn,
			   r->ctrl->fm_ce_se & MLX5_WQE_CTRL_SOLICITED);
	return 0;
}

static u64 vhca_fetch_add(u64 old, const u64 *operands)
{
	return old + operands[0];
}

static u64 vhca_cmp_swap(u64 old, const u64 *operands)
{
	return old == operands[1] ? operands[0] : old;
}

static u8 vhca_atomic(struct vhca *vhca, const struct vhca_request *r)
{
	const struct {
		struct mlx5_wqe_raddr_seg raddr;
		struct mlx5_wqe_atomic_seg atomic;
	} *seg = r->segs;
	u32 pd = vhca_qp_pd(r->qp);
	u64 operands[2], old = 0;
	int err;

	if (r->size < sizeof(*seg) ||
	    !vhca_sgl_parse(&vhca->local, seg + 1, r->size - sizeof(*seg),
			    false) || vhca->local.length != sizeof(old))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (!MLX5_GET(qpc, r->peer->context, rae))
		return vhca_remote_error(vhca, r->peer, -EACCES);
	/* It must not be done twice: can the result be stored? */
	err = vhca_sgl_copy(vhca, pd, &vhca->local, 0, &old, sizeof(old),
			    VHCA_LOCAL_READ) ?:
	      vhca_sgl_copy(vhca, pd, &vhca->local, 0, &old, sizeof(old),
			    VHCA_LOCAL_WRITE);
	if (err)
		return vhca_local_error(vhca, r, err);
	operands[0] = be64_to_cpu(seg->atomic.swap_add);
	operands[1] = be64_to_cpu(seg->atomic.compare);
	err = vhca_mkey_atomic(vhca, be32_to_cpu(seg->raddr.rkey),
			       vhca_qp_pd(r->peer),
			       be64_to_cpu(seg->raddr.raddr),
			       r->opcode == MLX5_OPCODE_ATOMIC_FA ?
			       vhca_fetch_add : vhca_cmp_swap, operands, &old);
	if (err)
		return vhca_remote_error(vhca, r->peer, err);
	return vhca_sgl_copy(vhca, pd, &vhca->local, 0, &old, sizeof(old),
			     VHCA_LOCAL_WRITE) ?
		MLX5_CQE_SYNDROME_LOCAL_PROT_ERR : 0;
}

static bool vhca_can_receive(const struct vhca_qp *qp, u8 type)
{
	return qp && qp->type == type &&
	       (qp->state == MLX5_QP_STATE_RTR || qp->state == MLX5_QP_STATE_RTS);
}

/* A requester gives up with this after its retries. */
static u8 vhca_wait(struct vhca_qp *qp, u8 syndrome)
{
	if (!qp->give_up) {
		qp->give_up = (jiffies + VHCA_PATIENCE) | 1;
		return VHCA_LATER;
	}
	return time_after(jiffies, qp->give_up) ? syndrome : VHCA_LATER;
}

static u8 vhca_rc(struct vhca *vhca, struct vhca_request *r)
{
	u8 syndrome;

	r->peer = xa_load(&vhca->qps, MLX5_GET(qpc, r->qp->context,
					       remote_qpn));
	if (!vhca_can_receive(r->peer, MLX5_QP_ST_RC) ||
	    MLX5_GET(qpc, r->peer->context, remote_qpn) != r->qp->qpn)
		return vhca_wait(r->qp,
				 MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	switch (r->opcode) {
	case MLX5_OPCODE_SEND:
	case MLX5_OPCODE_SEND_IMM:
	case MLX5_OPCODE_SEND_INVAL:
		syndrome = vhca_send(vhca, r, 0);
		break;
	case MLX5_OPCODE_RDMA_WRITE:
		syndrome = vhca_rdma(vhca, r, true);
		break;
	case MLX5_OPCODE_RDMA_WRITE_IMM:
		syndrome = vhca_rdma_write_imm(vhca, r);
		break;
	case MLX5_OPCODE_RDMA_READ:
		syndrome = vhca_rdma(vhca, r, false);
		break;
	case MLX5_OPCODE_ATOMIC_CS:
	case MLX5_OPCODE_ATOMIC_FA:
		syndrome = vhca_atomic(vhca, r);
		break;
	default:
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	}
	if (syndrome == VHCA_LATER &&
	    MLX5_GET(qpc, r->qp->context, rnr_retry) != VHCA_RNR_FOREVER)
		return vhca_wait(r->qp, MLX5_CQE_SYNDROME_RNR_RETRY_EXC_ERR);
	return syndrome;
}

static struct vhca_qp *vhca_ud_peer(struct vhca *vhca, const struct vhca_qp *qp,
				    const struct mlx5_av *av)
{
	struct vhca_qp *peer = xa_load(&vhca->qps, be32_to_cpu(av->dqp_dct) &
				       GENMASK(23, 0));
	u32 qkey = be32_to_cpu(av->key.qkey.qkey);

	if (qkey & VHCA_OWN_QKEY)
		qkey = MLX5_GET(qpc, qp->context, q_key);
	if (be16_to_cpu(av->rlid) != VHCA_LID ||
	    !vhca_can_receive(peer, MLX5_QP_ST_UD) ||
	    MLX5_GET(qpc, peer->context, q_key) != qkey)
		return NULL;
	return peer;
}

/* Whether or not anybody receives it is nothing that the sender gets to know. */
static u8 vhca_ud(struct vhca *vhca, struct vhca_request *r)
{
	const struct mlx5_av *av = r->segs;
	u8 syndrome;

	if (r->size < sizeof(*av) || (r->opcode != MLX5_OPCODE_SEND &&
				      r->opcode != MLX5_OPCODE_SEND_IMM))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	r->segs += sizeof(*av);
	r->size -= sizeof(*av);
	r->peer = vhca_ud_peer(vhca, r->qp, av);
	if (!r->peer)
		return 0;
	syndrome = vhca_send(vhca, r, VHCA_GRH_BYTES);
	switch (syndrome) {
	case VHCA_LATER:
	case MLX5_CQE_SYNDROME_REMOTE_OP_ERR:
	case MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR:
		return 0;
	}
	return syndrome;
}

static u8 vhca_execute(struct vhca *vhca, struct vhca_qp *qp, u32 size)
{
	struct vhca_request r = {
		.qp = qp,
		.ctrl = (void *)vhca->wqe,
		.segs = vhca->wqe + sizeof(struct mlx5_wqe_ctrl_seg),
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
		return vhca_umr(vhca, qp, vhca->wqe, size);
	}
	switch (qp->type) {
	case MLX5_QP_ST_RC:
		return vhca_rc(vhca, &r);
	case MLX5_QP_ST_UD:
		return vhca_ud(vhca, &r);
	case MLX5_QP_ST_QP0:
	case MLX5_QP_ST_QP1:
		return 0;
	}
	return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
}

/* A fault that the driver could not resolve is not raised again. */
static u8 vhca_execute_faulting(struct vhca *vhca, struct vhca_qp *qp, u32 size)
{
	u8 syndrome;

	vhca->may_fault = qp->fault.state != VHCA_FAULT_FAILED;
	syndrome = vhca_execute(vhca, qp, size);
	vhca->may_fault = false;
	if (syndrome == VHCA_FAULT)
		vhca_fault_raise(vhca, &qp->fault);
	return syndrome;
}

/* Copies the next WQE; how many bytes it has, 0 if it makes no sense. */
static u32 vhca_fetch(struct vhca *vhca, struct vhca_qp *qp)
{
	u32 mask = BIT(qp->log_sq_size) - 1, i, size = MLX5_SEND_WQE_BB;
	const struct mlx5_wqe_ctrl_seg *ctrl = (void *)vhca->wqe;
	void *bb;

	for (i = 0; i * MLX5_SEND_WQE_BB < size; i++) {
		bb = vhca_buf_at(&qp->buf, qp->sq_offset +
				 ((qp->sq_consumer + i) & mask) *
				 MLX5_SEND_WQE_BB, MLX5_SEND_WQE_BB);
		if (!bb)
			return 0;
		memcpy(vhca->wqe + i * MLX5_SEND_WQE_BB, bb, MLX5_SEND_WQE_BB);
		if (!i)
			size = (be32_to_cpu(ctrl->qpn_ds) &
				MLX5_WQE_CTRL_DS_MASK) * 16;
	}
	return size;
}

/* In error what was posted is flushed. */
static bool vhca_can_send(const struct vhca_qp *qp)
{
	return qp->state == MLX5_QP_STATE_RTS || qp->state == MLX5_QP_STATE_ERR;
}

/* False if there is nothing that can be done now. */
static bool vhca_send_one(struct vhca *vhca, struct vhca_qp *qp)
{
	u16 posted = be32_to_cpu(READ_ONCE(qp->doorbell[VHCA_QP_DB_SEND]));
	const struct mlx5_wqe_ctrl_seg *ctrl = (void *)vhca->wqe;
	u8 opcode, syndrome = MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	u16 index = qp->sq_consumer;
	u32 size;

	if (!qp->has_sq || !vhca_can_send(qp) || posted == index ||
	    vhca_fault_pending(vhca, &qp->fault))
		return false;
	/* The WQE was written before the doorbell record. */
	smp_rmb();
	size = vhca_fetch(vhca, qp);
	opcode = be32_to_cpu(ctrl->opmod_idx_opcode) & MLX5_WQE_CTRL_OPCODE_MASK;
	if (qp->state == MLX5_QP_STATE_ERR)
		syndrome = MLX5_CQE_SYNDROME_WR_FLUSH_ERR;
	else if (size)
		syndrome = vhca_execute_faulting(vhca, qp, size);
	if (syndrome == VHCA_LATER || syndrome == VHCA_FAULT)
		return false;
	qp->give_up = 0;
	vhca_fault_end(vhca, &qp->fault);
	qp->sq_consumer += max(DIV_ROUND_UP(size, MLX5_SEND_WQE_BB), 1U);
	if (syndrome) {
		vhca_complete_error(vhca, qp, true, index, opcode, syndrome);
		vhca_qp_error(vhca, qp);
	} else if (ctrl->fm_ce_se & MLX5_WQE_CTRL_CQ_UPDATE) {
		vhca_complete_send(vhca, qp, index, opcode,
				   vhca->local.length);
	}
	return true;
}

static bool vhca_flush_one(struct vhca *vhca, struct vhca_qp *qp)
{
	u32 size;
	u16 index;

	if (qp->state != MLX5_QP_STATE_ERR ||
	    !vhca_ring_pop(qp, vhca->recv_wqe, &size, &index))
		return false;
	vhca_complete_error(vhca, qp, false, index, 0,
			    MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	return true;
}

/* Does some of what was posted; true if there was any. */
bool vhca_qp_poll(struct vhca *vhca)
{
	struct vhca_qp *qp;
	bool busy = false;
	int i;

	list_for_each_entry(qp, &vhca->qp_list, list) {
		for (i = 0; i < VHCA_BURST && vhca_send_one(vhca, qp); i++)
			busy = true;
		for (i = 0; i < VHCA_BURST && vhca_flush_one(vhca, qp); i++)
			busy = true;
	}
	return busy;
}
