// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Queue pairs: their states. What they do is in wqe.c. */

#include "sim.h"

/* opt_param_mask: which of the rights and keys the driver wants to change. */
#define SIM_OPT_RRE	BIT(1)
#define SIM_OPT_RAE	BIT(2)
#define SIM_OPT_RWE	BIT(3)
#define SIM_OPT_QKEY	BIT(5)
#define SIM_OPT_RIGHTS	(SIM_OPT_RRE | SIM_OPT_RAE | SIM_OPT_RWE)

void sim_qp_event(struct sim *sim, struct sim_qp *qp, u8 type)
{
	union ev_data data = {};

	data.qp_srq.type = MLX5_EVENT_QUEUE_TYPE_QP;
	data.qp_srq.qp_srq_n = cpu_to_be32(qp->qpn);
	sim_async_event(sim, type, &data);
}

/* No new work is done from here on; what is posted is flushed. */
void sim_qp_error(struct sim *sim, struct sim_qp *qp)
{
	bool shared = MLX5_GET(qpc, qp->context, rq_type) == MLX5_SRQ_RQ;

	/* It takes no more from what it shares with others. */
	if (shared && qp->state != MLX5_QP_STATE_ERR)
		sim_qp_event(sim, qp, MLX5_EVENT_TYPE_SRQ_LAST_WQE);
	qp->state = MLX5_QP_STATE_ERR;
	qp->give_up = 0;
	sim_fault_end(sim, &qp->fault);
}

bool sim_qp_uses_pd(struct sim *sim, u32 pd)
{
	struct sim_qp *qp;

	list_for_each_entry(qp, &sim->qps, list)
		if (sim_qp_pd(qp) == pd)
			return true;
	return false;
}

void sim_qp_free(struct sim *sim, void *object)
{
	struct sim_qp *qp = object;

	list_del(&qp->list);
	sim_fault_end(sim, &qp->fault);
	sim_buf_free(&qp->buf);
	kfree(qp);
}

static bool sim_qp_valid(const struct sim_qp *qp)
{
	switch (qp->type) {
	case MLX5_QP_ST_RC:
	case MLX5_QP_ST_UD:
	case MLX5_QP_ST_XRC:
	case MLX5_QP_ST_QP0:
	case MLX5_QP_ST_QP1:
	case MLX5_QP_ST_REG_UMR:
		return qp->doorbell && qp->log_rq_size <= SIM_LOG_MAX_QUEUE &&
		       qp->log_sq_size <= SIM_LOG_MAX_QUEUE &&
		       qp->log_rq_stride <= ilog2(SIM_MAX_WQE);
	}
	return false;
}

static u32 sim_qp_layout(struct sim_qp *qp)
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

u8 sim_create_qp(struct sim *sim, struct sim_cmd *cmd)
{
	struct sim_qp *qp = kzalloc(sizeof(*qp), GFP_KERNEL);
	u8 status;
	u32 size;

	if (!qp)
		return MLX5_CMD_STAT_INT_ERR;
	memcpy(qp->context, MLX5_ADDR_OF(create_qp_in, cmd->in, qpc),
	       sizeof(qp->context));
	qp->state = MLX5_QP_STATE_RST;
	qp->type = MLX5_GET(qpc, qp->context, st);
	qp->doorbell = sim_dma(MLX5_GET64(qpc, qp->context, dbr_addr),
			       2 * sizeof(*qp->doorbell));
	size = sim_qp_layout(qp);
	if (!sim_qp_valid(qp) ||
	    sim_buf_init(&qp->buf, MLX5_ADDR_OF(create_qp_in, cmd->in, pas),
			 cmd->in_size - MLX5_ST_SZ_BYTES(create_qp_in), size,
			 MLX5_GET(qpc, qp->context, log_page_size) + 12,
			 MLX5_GET(qpc, qp->context, page_offset))) {
		kfree(qp);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	list_add_tail(&qp->list, &sim->qps);
	status = sim_object_add(sim, SIM_QP, qp, &qp->qpn);
	if (status) {
		sim_qp_free(sim, qp);
		return status;
	}
	MLX5_SET(create_qp_out, cmd->out, qpn, qp->qpn);
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_qp(struct sim *sim, struct sim_cmd *cmd)
{
	void *qpc = MLX5_ADDR_OF(query_qp_out, cmd->out, qpc);
	const struct sim_qp *qp = cmd->object;

	memcpy(qpc, qp->context, sizeof(qp->context));
	MLX5_SET(qpc, qpc, state, qp->state);
	MLX5_SET(qpc, qpc, hw_sq_wqebb_counter, qp->sq_consumer);
	MLX5_SET(qpc, qpc, hw_rq_counter, qp->rq_consumer);
	return MLX5_CMD_STAT_OK;
}

static void sim_qp_options(struct sim_qp *qp, const void *from, u32 opt)
{
	if (opt & SIM_OPT_RRE)
		MLX5_SET(qpc, qp->context, rre, MLX5_GET(qpc, from, rre));
	if (opt & SIM_OPT_RWE)
		MLX5_SET(qpc, qp->context, rwe, MLX5_GET(qpc, from, rwe));
	if (opt & SIM_OPT_RAE)
		MLX5_SET(qpc, qp->context, rae, MLX5_GET(qpc, from, rae));
	if (opt & SIM_OPT_QKEY)
		MLX5_SET(qpc, qp->context, q_key, MLX5_GET(qpc, from, q_key));
}

static void sim_qp_to_init(void *to, const void *from)
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

static void sim_qp_to_rtr(void *to, const void *from)
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

static void sim_qp_to_rts(void *to, const void *from)
{
	MLX5_SET(qpc, to, next_send_psn, MLX5_GET(qpc, from, next_send_psn));
	MLX5_SET(qpc, to, log_sra_max, MLX5_GET(qpc, from, log_sra_max));
	MLX5_SET(qpc, to, retry_count, MLX5_GET(qpc, from, retry_count));
	MLX5_SET(qpc, to, rnr_retry, MLX5_GET(qpc, from, rnr_retry));
	MLX5_SET(qpc, to, primary_address_path.ack_timeout,
		 MLX5_GET(qpc, from, primary_address_path.ack_timeout));
}

/* All transitions but those to reset and error have this layout. */
static u8 sim_qp_modify(struct sim_cmd *cmd, u8 from, u8 to, u32 opt,
			void (*copy)(void *to, const void *from))
{
	const void *qpc = MLX5_ADDR_OF(rst2init_qp_in, cmd->in, qpc);
	struct sim_qp *qp = cmd->object;

	if (qp->state != from)
		return MLX5_CMD_STAT_BAD_QP_STATE_ERR;
	opt |= MLX5_GET(rst2init_qp_in, cmd->in, opt_param_mask);
	sim_qp_options(qp, qpc, opt);
	if (copy)
		copy(qp->context, qpc);
	qp->state = to;
	return MLX5_CMD_STAT_OK;
}

u8 sim_rst2init_qp(struct sim *sim, struct sim_cmd *cmd)
{
	return sim_qp_modify(cmd, MLX5_QP_STATE_RST, MLX5_QP_STATE_INIT,
			     SIM_OPT_RIGHTS, sim_qp_to_init);
}

u8 sim_init2init_qp(struct sim *sim, struct sim_cmd *cmd)
{
	return sim_qp_modify(cmd, MLX5_QP_STATE_INIT, MLX5_QP_STATE_INIT,
			     0, NULL);
}

u8 sim_init2rtr_qp(struct sim *sim, struct sim_cmd *cmd)
{
	return sim_qp_modify(cmd, MLX5_QP_STATE_INIT, MLX5_QP_STATE_RTR,
			     0, sim_qp_to_rtr);
}

u8 sim_rtr2rts_qp(struct sim *sim, struct sim_cmd *cmd)
{
	return sim_qp_modify(cmd, MLX5_QP_STATE_RTR, MLX5_QP_STATE_RTS,
			     0, sim_qp_to_rts);
}

u8 sim_rts2rts_qp(struct sim *sim, struct sim_cmd *cmd)
{
	return sim_qp_modify(cmd, MLX5_QP_STATE_RTS, MLX5_QP_STATE_RTS,
			     0, NULL);
}

u8 sim_2err_qp(struct sim *sim, struct sim_cmd *cmd)
{
	sim_qp_error(sim, cmd->object);
	return MLX5_CMD_STAT_OK;
}

u8 sim_2rst_qp(struct sim *sim, struct sim_cmd *cmd)
{
	struct sim_qp *qp = cmd->object;

	qp->state = MLX5_QP_STATE_RST;
	qp->sq_consumer = 0;
	qp->rq_consumer = 0;
	qp->give_up = 0;
	qp->stuck = false;
	sim_fault_end(sim, &qp->fault);
	return MLX5_CMD_STAT_OK;
}
