// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shared receive queues, which come as RMPs and as XRC SRQs: WQEs in a ring,
 * linked to a list of which the driver says how many it has added.
 */

#include "sim.h"

/* At the begin of each WQE. */
struct sim_srq_next_seg {
	u8 reserved0[2];
	__be16 next_wqe_index;
	u8 signature;
	u8 reserved1[11];
};

/* Takes the next WQE, without its link; false if there is none. */
bool sim_srq_pop(struct sim_srq *srq, void *wqe, u32 *size, u16 *index)
{
	u32 stride = BIT(srq->log_stride);
	struct sim_srq_next_seg *seg;

	if ((u16)be32_to_cpu(READ_ONCE(*srq->doorbell)) == srq->consumer)
		return false;
	seg = sim_buf_at(&srq->buf, srq->head * stride, stride);
	if (!seg)
		return false;
	*index = srq->head;
	*size = stride - sizeof(*seg);
	memcpy(wqe, seg + 1, *size);
	srq->head = be16_to_cpu(seg->next_wqe_index) & (BIT(srq->log_size) - 1);
	srq->consumer++;
	return true;
}

/* What was popped last is to be done later. */
void sim_srq_unpop(struct sim_srq *srq, u16 index)
{
	srq->head = index;
	srq->consumer--;
}

bool sim_srq_uses_pd(struct sim *sim, u32 pd)
{
	struct sim_srq *srq;
	unsigned long i;

	sim_for_each(sim, SIM_SRQ, i, srq)
		if (srq->pd == pd)
			return true;
	return false;
}

void sim_srq_free(struct sim *sim, void *object)
{
	struct sim_srq *srq = object;

	sim_buf_free(&srq->buf);
	kfree(srq);
}

/* Takes over the description in @template. */
static u8 sim_srq_create(struct sim *sim, const struct sim_srq *template,
			 u64 doorbell, const void *pages, u32 room,
			 u8 page_shift, u32 page_offset, u32 *srqn)
{
	struct sim_srq *srq = kmemdup(template, sizeof(*srq), GFP_KERNEL);
	u8 status;

	if (!srq)
		return MLX5_CMD_STAT_INT_ERR;
	srq->doorbell = sim_dma(doorbell, sizeof(*srq->doorbell));
	if (!srq->doorbell || srq->log_size > SIM_LOG_MAX_QUEUE ||
	    srq->log_stride > ilog2(SIM_MAX_WQE) ||
	    sim_buf_init(&srq->buf, pages, room,
			 BIT(srq->log_size + srq->log_stride), page_shift,
			 page_offset)) {
		kfree(srq);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	status = sim_object_add(sim, SIM_SRQ, srq, &srq->srqn);
	if (status) {
		sim_srq_free(sim, srq);
		return status;
	}
	*srqn = srq->srqn;
	return MLX5_CMD_STAT_OK;
}

u8 sim_create_rmp(struct sim *sim, struct sim_cmd *cmd)
{
	const void *wq = MLX5_ADDR_OF(create_rmp_in, cmd->in, ctx.wq);
	struct sim_srq srq = {
		.pd = MLX5_GET(wq, wq, pd),
		.log_size = MLX5_GET(wq, wq, log_wq_sz),
		.log_stride = MLX5_GET(wq, wq, log_wq_stride),
	};
	u32 srqn;
	u8 status;

	status = sim_srq_create(sim, &srq, MLX5_GET64(wq, wq, dbr_addr),
				MLX5_ADDR_OF(create_rmp_in, cmd->in, ctx.wq.pas),
				cmd->in_size - MLX5_ST_SZ_BYTES(create_rmp_in),
				MLX5_GET(wq, wq, log_wq_pg_sz) + 12,
				MLX5_GET(wq, wq, page_offset), &srqn);
	if (!status)
		MLX5_SET(create_rmp_out, cmd->out, rmpn, srqn);
	return status;
}

u8 sim_query_rmp(struct sim *sim, struct sim_cmd *cmd)
{
	void *rmpc = MLX5_ADDR_OF(query_rmp_out, cmd->out, rmp_context);
	const struct sim_srq *srq = cmd->object;

	MLX5_SET(rmpc, rmpc, state, MLX5_RMPC_STATE_RDY);
	MLX5_SET(rmpc, rmpc, wq.log_wq_sz, srq->log_size);
	MLX5_SET(rmpc, rmpc, wq.log_wq_stride, srq->log_stride);
	MLX5_SET(rmpc, rmpc, wq.pd, srq->pd);
	return MLX5_CMD_STAT_OK;
}

u8 sim_create_xrc_srq(struct sim *sim, struct sim_cmd *cmd)
{
	const void *c = MLX5_ADDR_OF(create_xrc_srq_in, cmd->in,
				     xrc_srq_context_entry);
	struct sim_srq srq = {
		.pd = MLX5_GET(xrc_srqc, c, pd),
		.log_size = MLX5_GET(xrc_srqc, c, log_xrc_srq_size),
		.log_stride = MLX5_GET(xrc_srqc, c, log_rq_stride) + 4,
	};
	u64 doorbell = (u64)MLX5_GET(xrc_srqc, c, db_record_addr_h) << 32 |
		       MLX5_GET(xrc_srqc, c, db_record_addr_l) << 2;
	u32 srqn;
	u8 status;

	status = sim_srq_create(sim, &srq, doorbell,
				MLX5_ADDR_OF(create_xrc_srq_in, cmd->in, pas),
				cmd->in_size -
				MLX5_ST_SZ_BYTES(create_xrc_srq_in),
				MLX5_GET(xrc_srqc, c, log_page_size) + 12,
				MLX5_GET(xrc_srqc, c, page_offset),
				&srqn);
	if (!status)
		MLX5_SET(create_xrc_srq_out, cmd->out, xrc_srqn, srqn);
	return status;
}

u8 sim_query_xrc_srq(struct sim *sim, struct sim_cmd *cmd)
{
	void *c = MLX5_ADDR_OF(query_xrc_srq_out, cmd->out,
			       xrc_srq_context_entry);
	const struct sim_srq *srq = cmd->object;

	MLX5_SET(xrc_srqc, c, log_xrc_srq_size, srq->log_size);
	MLX5_SET(xrc_srqc, c, log_rq_stride, srq->log_stride - 4);
	MLX5_SET(xrc_srqc, c, pd, srq->pd);
	return MLX5_CMD_STAT_OK;
}
