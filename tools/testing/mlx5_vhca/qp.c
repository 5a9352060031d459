// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Queue pairs: their states. What they do is in wqe.c. */

#include "vhca.h"

/* opt_param_mask: which of the rights and keys the driver wants to change. */
#define VHCA_OPT_RRE	BIT(1)
#define VHCA_OPT_RAE	BIT(2)
#define VHCA_OPT_RWE	BIT(3)
#define VHCA_OPT_QKEY	BIT(5)
#define VHCA_OPT_RIGHTS	(VHCA_OPT_RRE | VHCA_OPT_RAE | VHCA_OPT_RWE)

void vhca_qp_event(struct vhca *vhca, struct vhca_qp *qp, u8 type)
{
	union ev_data data = {};

	data.qp_srq.type = MLX5_EVENT_QUEUE_TYPE_QP;
	data.qp_srq.qp_srq_n = cpu_to_be32(qp->qpn);
	vhca_async_event(vhca, type, &data);
}

/* No new work is done from here on; what is posted is flushed. */
void vhca_qp_error(struct vhca *vhca, struct vhca_qp *qp)
{
	bool shared = MLX5_GET(qpc, qp->context, rq_type) == MLX5_SRQ_RQ;

	/* It takes no more from what it shares with others. */
	if (shared && qp->state != MLX5_QP_STATE_ERR)
		vhca_qp_event(vhca, qp, MLX5_EVENT_TYPE_SRQ_LAST_WQE);
	qp->state = MLX5_QP_STATE_ERR;
	qp->give_up = 0;
	vhca_fault_end(vhca, &qp->fault);
}

bool vhca_qp_uses_pd(struct vhca *vhca, u32 pd)
{
	struct vhca_qp *qp;

	list_for_each_entry(qp, &vhca->qp_list, list)
		if (vhca_qp_pd(qp) == pd)
			return true;
	return false;
}

static void vhca_qp_free(struct vhca *vhca, struct vhca_qp *qp)
{
	xa_erase(&vhca->qps, qp->qpn);
	list_del(&qp->list);
	vhca_fault_end(vhca, &qp->fault);
	vhca_buf_free(&qp->buf);
	kfree(qp);
}

void vhca_qp_reset(struct vhca *vhca)
{
	struct vhca_qp *qp, *next;

	list_for_each_entry_safe(qp, next, &vhca->qp_list, list)
		vhca_qp_free(vhca, qp);
}

static bool vhca_qp_valid(struct vhca *vhca, const struct vhca_qp *qp)
{
	switch (qp->type) {
	case MLX5_QP_ST_RC:
	case MLX5_QP_ST_UD:
	case MLX5_QP_ST_XRC:
	case MLX5_QP_ST_QP0:
	case MLX5_QP_ST_QP1:
	case MLX5_QP_ST_REG_UMR:
		return qp->doorbell && qp->log_rq_size <= VHCA_LOG_MAX_QUEUE &&
		       qp->log_sq_size <= VHCA_LOG_MAX_QUEUE &&
		       qp->log_rq_stride <= ilog2(VHCA_MAX_WQE);
	}
	return false;
}

static u32 vhca_qp_layout(struct vhca_qp *qp)
{
	const void *qpc = qp->context;

	qp->has_rq = MLX5_GET(qpc, qpc, rq_type) == MLX5_NON_ZERO_RQ;
	qp->has_sq = !MLX5_GET(qpc, qpc, no_sq);
	qp->log_rq_size = MLX5_GET(qpc, qpc, log_rq_size);
	qp->log_rq_stride = MLX5_GET(qpc, qpc, log_rq_stride) + 4;
	qp->log_sq_size = MLX5_GET(qpc, qpc, log_sq_size);
	qp->sq_offset = qp->has_rq ? BIT(qp->log_rq_size + qp->log_rq_stride) :
				     0;
	return qp->sq_offset +
	       (qp->has_sq ? MLX5_SEND_WQE_BB << qp->log_sq_size : 0);
}

u8 vhca_create_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_qp *qp = kzalloc(sizeof(*qp), GFP_KERNEL);
	u32 size;

	if (!qp)
		return MLX5_CMD_STAT_INT_ERR;
	memcpy(qp->context, MLX5_ADDR_OF(create_qp_in, cmd->in, qpc),
	       sizeof(qp->context));
	qp->state = MLX5_QP_STATE_RST;
	qp->type = MLX5_GET(qpc, qp->context, st);
	qp->doorbell = vhca_dma(MLX5_GET64(qpc, qp->context, dbr_addr),
				2 * sizeof(*qp->doorbell));
	size = vhca_qp_layout(qp);
	if (!vhca_qp_valid(vhca, qp) ||
	    vhca_buf_init(&qp->buf, MLX5_ADDR_OF(create_qp_in, cmd->in, pas),
			  cmd->in_size - MLX5_ST_SZ_BYTES(create_qp_in), size,
			  MLX5_GET(qpc, qp->context, log_page_size) + 12,
			  MLX5_GET(qpc, qp->context, page_offset))) {
		kfree(qp);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	/* The first ones are for QP0 and QP1. */
	if (xa_alloc_cyclic(&vhca->qps, &qp->qpn, qp,
			    XA_LIMIT(2, BIT(VHCA_LOG_MAX_QP) - 1),
			    &vhca->next_qpn, GFP_KERNEL) < 0) {
		vhca_buf_free(&qp->buf);
		kfree(qp);
		return MLX5_CMD_STAT_LIM_ERR;
	}
	list_add_tail(&qp->list, &vhca->qp_list);
	MLX5_SET(create_qp_out, cmd->out, qpn, qp->qpn);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_destroy_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_qp *qp = xa_load(&vhca->qps,
				     MLX5_GET(destroy_qp_in, cmd->in, qpn));

	if (!qp)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	vhca_qp_free(vhca, qp);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_qp *qp = xa_load(&vhca->qps,
				     MLX5_GET(query_qp_in, cmd->in, qpn));
	void *qpc = MLX5_ADDR_OF(query_qp_out, cmd->out, qpc);

	if (!qp)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	memcpy(qpc, qp->context, sizeof(qp->context));
	MLX5_SET(qpc, qpc, state, qp->state);
	MLX5_SET(qpc, qpc, hw_sq_wqebb_counter, qp->sq_consumer);
	MLX5_SET(qpc, qpc, hw_rq_counter, qp->rq_consumer);
	return MLX5_CMD_STAT_OK;
}

static void vhca_qp_options(struct vhca_qp *qp, const void *from, u32 opt)
{
	if (opt & VHCA_OPT_RRE)
		MLX5_SET(qpc, qp->context, rre, MLX5_GET(qpc, from, rre));
	if (opt & VHCA_OPT_RWE)
		MLX5_SET(qpc, qp->context, rwe, MLX5_GET(qpc, from, rwe));
	if (opt & VHCA_OPT_RAE)
		MLX5_SET(qpc, qp->context, rae, MLX5_GET(qpc, from, rae));
	if (opt & VHCA_OPT_QKEY)
		MLX5_SET(qpc, qp->context, q_key, MLX5_GET(qpc, from, q_key));
}

static void vhca_qp_to_init(void *to, const void *from)
{
	MLX5_SET(qpc, to, pd, MLX5_GET(qpc, from, pd));
	MLX5_SET(qpc, to, cqn_snd, MLX5_GET(qpc, from, cqn_snd));
	MLX5_SET(qpc, to, cqn_rcv, MLX5_GET(qpc, from, cqn_rcv));
	MLX5_SET(qpc, to, q_key, MLX5_GET(qpc, from, q_key));
	MLX5_SET(qpc, to, primary_address_path.pkey_index,
		 MLX5_GET(qpc, from, primary_address_path.pkey_index));
	MLX5_SET(qpc, to, primary_address_path.vhca_port_num,
		 MLX5_GET(qpc, from, primary_address_path.vhca_port_num));
}

static void vhca_qp_to_rtr(void *to, const void *from)
{
	memcpy(MLX5_ADDR_OF(qpc, to, primary_address_path),
	       MLX5_ADDR_OF(qpc, from, primary_address_path),
	       MLX5_ST_SZ_BYTES(ads));
	MLX5_SET(qpc, to, mtu, MLX5_GET(qpc, from, mtu));
	MLX5_SET(qpc, to, log_msg_max, MLX5_GET(qpc, from, log_msg_max));
	MLX5_SET(qpc, to, remote_qpn, MLX5_GET(qpc, from, remote_qpn));
	MLX5_SET(qpc, to, next_rcv_psn, MLX5_GET(qpc, from, next_rcv_psn));
	MLX5_SET(qpc, to, log_rra_max, MLX5_GET(qpc, from, log_rra_max));
	MLX5_SET(qpc, to, min_rnr_nak, MLX5_GET(qpc, from, min_rnr_nak));
}

static void vhca_qp_to_rts(void *to, const void *from)
{
	MLX5_SET(qpc, to, next_send_psn, MLX5_GET(qpc, from, next_send_psn));
	MLX5_SET(qpc, to, log_sra_max, MLX5_GET(qpc, from, log_sra_max));
	MLX5_SET(qpc, to, retry_count, MLX5_GET(qpc, from, retry_count));
	MLX5_SET(qpc, to, rnr_retry, MLX5_GET(qpc, from, rnr_retry));
	MLX5_SET(qpc, to, primary_address_path.ack_timeout,
		 MLX5_GET(qpc, from, primary_address_path.ack_timeout));
}

/* All transitions but those to reset and error have this layout. */
static u8 vhca_qp_modify(struct vhca *vhca, struct vhca_cmd *cmd, u8 from,
			 u8 to, u32 opt,
			 void (*copy)(void *to, const void *from))
{
	struct vhca_qp *qp = xa_load(&vhca->qps,
				     MLX5_GET(rst2init_qp_in, cmd->in, qpn));
	const void *qpc = MLX5_ADDR_OF(rst2init_qp_in, cmd->in, qpc);

	if (!qp)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	if (qp->state != from)
		return MLX5_CMD_STAT_BAD_QP_STATE_ERR;
	opt |= MLX5_GET(rst2init_qp_in, cmd->in, opt_param_mask);
	vhca_qp_options(qp, qpc, opt);
	if (copy)
		copy(qp->context, qpc);
	qp->state = to;
	return MLX5_CMD_STAT_OK;
}

u8 vhca_rst2init_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return vhca_qp_modify(vhca, cmd, MLX5_QP_STATE_RST,
			      MLX5_QP_STATE_INIT, VHCA_OPT_RIGHTS,
			      vhca_qp_to_init);
}

u8 vhca_init2init_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return vhca_qp_modify(vhca, cmd, MLX5_QP_STATE_INIT,
			      MLX5_QP_STATE_INIT, 0, NULL);
}

u8 vhca_init2rtr_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return vhca_qp_modify(vhca, cmd, MLX5_QP_STATE_INIT,
			      MLX5_QP_STATE_RTR, 0, vhca_qp_to_rtr);
}

u8 vhca_rtr2rts_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return vhca_qp_modify(vhca, cmd, MLX5_QP_STATE_RTR,
			      MLX5_QP_STATE_RTS, 0, vhca_qp_to_rts);
}

u8 vhca_rts2rts_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return vhca_qp_modify(vhca, cmd, MLX5_QP_STATE_RTS,
			      MLX5_QP_STATE_RTS, 0, NULL);
}

u8 vhca_2err_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_qp *qp = xa_load(&vhca->qps,
				     MLX5_GET(qp_2err_in, cmd->in, qpn));

	if (!qp)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	vhca_qp_error(vhca, qp);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_2rst_qp(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_qp *qp = xa_load(&vhca->qps,
				     MLX5_GET(qp_2rst_in, cmd->in, qpn));

	if (!qp)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	qp->state = MLX5_QP_STATE_RST;
	qp->sq_consumer = 0;
	qp->rq_consumer = 0;
	qp->give_up = 0;
	vhca_fault_end(vhca, &qp->fault);
	return MLX5_CMD_STAT_OK;
}
