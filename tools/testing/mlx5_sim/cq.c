// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Completion queues. */

#include <linux/mlx5/cq.h>
#include "sim.h"

/* The doorbell record: how far the driver has read; when to send an event. */
enum {
	SIM_CQ_DB_CONSUMER,
	SIM_CQ_DB_ARM,
};

#define SIM_CQ_DB_COUNTER	0xffffff
#define SIM_CQ_DB_SOLICITED	BIT(24)
#define SIM_CQ_DB_SN_SHIFT	28

static void sim_cq_overrun(struct sim *sim, struct sim_cq *cq)
{
	union ev_data data = {};

	cq->error = true;
	data.cq_err.cqn = cpu_to_be32(cq->cqn);
	data.cq_err.syndrome = 1;
	sim_async_event(sim, MLX5_EVENT_TYPE_CQ_ERROR, &data);
}

static u32 sim_cq_unread(struct sim_cq *cq)
{
	u32 consumer = be32_to_cpu(READ_ONCE(cq->doorbell[SIM_CQ_DB_CONSUMER]));

	return (cq->producer - consumer) & SIM_CQ_DB_COUNTER;
}

/* All of the entry but the owner bit is given. */
static void sim_cq_write(struct sim_cq *cq, const struct mlx5_cqe64 *cqe)
{
	const struct sim_cq_ring *ring = &cq->ring;
	u32 size = BIT(ring->log_size);
	struct mlx5_cqe64 *entry;
	u8 owner;

	entry = sim_buf_at(&ring->buf, (cq->producer & (size - 1)) *
			   ring->cqe_size + ring->cqe_offset, sizeof(*cqe));
	if (!entry)
		return;
	memcpy(entry, cqe, offsetof(struct mlx5_cqe64, op_own));
	owner = cq->producer & size ? MLX5_CQE_OWNER_MASK : 0;
	/* The driver's as soon as the owner bit changes. */
	smp_store_release(&entry->op_own, cqe->op_own | owner);
	cq->producer++;
}

/**
 * sim_cq_push - write a completion
 * @sim:	the device
 * @cqn:	which queue
 * @cqe:	all of it but the owner bit
 * @solicited:	the event that waits for such a completion is due
 */
void sim_cq_push(struct sim *sim, u32 cqn, struct mlx5_cqe64 *cqe,
		 bool solicited)
{
	struct sim_cq *cq = sim_object_get(sim, SIM_CQ, cqn);

	if (!cq || cq->error)
		return;
	if (!cq->overrun_ignored &&
	    sim_cq_unread(cq) >= BIT(cq->ring.log_size)) {
		sim_cq_overrun(sim, cq);
		return;
	}
	sim_cq_write(cq, cqe);
	if (solicited)
		cq->solicited = cq->producer;
}

/*
 * Armed means that the record holds the serial number that is due: the driver
 * counts it up with each event.
 */
static bool sim_cq_due(struct sim_cq *cq)
{
	u32 arm = be32_to_cpu(READ_ONCE(cq->doorbell[SIM_CQ_DB_ARM]));
	u32 until = arm & SIM_CQ_DB_SOLICITED ? cq->solicited : cq->producer;
	u32 ahead = (until - arm) & SIM_CQ_DB_COUNTER;

	return arm >> SIM_CQ_DB_SN_SHIFT == (cq->arm_sn & 3) && ahead &&
	       ahead <= SIM_CQ_DB_COUNTER / 2;
}

bool sim_cq_poll(struct sim *sim)
{
	union ev_data data = {};
	struct sim_cq *cq;
	struct sim_eq *eq;
	unsigned long i;
	bool busy = false;

	sim_for_each(sim, SIM_CQ, i, cq) {
		if (!sim_cq_due(cq))
			continue;
		eq = sim_object_get(sim, SIM_EQ, cq->eqn);
		if (!eq)
			continue;
		cq->arm_sn++;
		data.comp.cqn = cpu_to_be32(cq->cqn);
		sim_eq_event(sim, eq, MLX5_EVENT_TYPE_COMP, 0, &data);
		busy = true;
	}
	return busy;
}

void sim_cq_free(struct sim *sim, void *object)
{
	struct sim_cq *cq = object;

	sim_buf_free(&cq->ring.buf);
	kfree(cq);
}

/* As a command says, @room bytes of which are the list of pages. */
static u8 sim_cq_ring_init(struct sim_cq_ring *ring, const void *cqc,
			   const __be64 *pages, u32 room)
{
	ring->log_size = MLX5_GET(cqc, cqc, log_cq_size);
	ring->cqe_size = sizeof(struct mlx5_cqe64);
	ring->cqe_offset = 0;
	if (MLX5_GET(cqc, cqc, cqe_sz) != CQE_STRIDE_64) {
		ring->cqe_offset = ring->cqe_size;
		ring->cqe_size *= 2;
	}
	if (ring->log_size > SIM_LOG_MAX_CQE ||
	    sim_buf_init(&ring->buf, pages, room,
			 ring->cqe_size << ring->log_size,
			 MLX5_GET(cqc, cqc, log_page_size) + 12,
			 MLX5_GET(cqc, cqc, page_offset)))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	return MLX5_CMD_STAT_OK;
}

u8 sim_create_cq(struct sim *sim, struct sim_cmd *cmd)
{
	const void *cqc = MLX5_ADDR_OF(create_cq_in, cmd->in, cq_context);
	struct sim_cq *cq;
	u8 status;

	cq = kzalloc(sizeof(*cq), GFP_KERNEL);
	if (!cq)
		return MLX5_CMD_STAT_INT_ERR;
	cq->eqn = MLX5_GET(cqc, cqc, c_eqn_or_apu_element);
	cq->overrun_ignored = MLX5_GET(cqc, cqc, oi);
	cq->doorbell = sim_dma(MLX5_GET64(cqc, cqc, dbr_addr),
			       2 * sizeof(*cq->doorbell));
	if (!cq->doorbell || !sim_object_get(sim, SIM_EQ, cq->eqn) ||
	    sim_cq_ring_init(&cq->ring, cqc,
			     MLX5_ADDR_OF(create_cq_in, cmd->in, pas),
			     cmd->in_size - MLX5_ST_SZ_BYTES(create_cq_in))) {
		kfree(cq);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	status = sim_object_add(sim, SIM_CQ, cq, &cq->cqn);
	if (status) {
		sim_cq_free(sim, cq);
		return status;
	}
	MLX5_SET(create_cq_out, cmd->out, cqn, cq->cqn);
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_cq(struct sim *sim, struct sim_cmd *cmd)
{
	void *cqc = MLX5_ADDR_OF(query_cq_out, cmd->out, cq_context);
	const struct sim_cq *cq = cmd->object;

	MLX5_SET(cqc, cqc, status, cq->error ? 0xa : 0);
	MLX5_SET(cqc, cqc, log_cq_size, cq->ring.log_size);
	MLX5_SET(cqc, cqc, c_eqn_or_apu_element, cq->eqn);
	MLX5_SET(cqc, cqc, producer_counter, cq->producer);
	return MLX5_CMD_STAT_OK;
}

/*
 * The last entry of the old ring tells the driver to go on in the new one, into
 * which it moves what it has not read yet.
 */
static u8 sim_cq_resize(struct sim_cq *cq, struct sim_cmd *cmd)
{
	struct mlx5_cqe64 last = { .op_own = MLX5_CQE_RESIZE_CQ << 4 };
	u32 unread = sim_cq_unread(cq);
	struct sim_cq_ring ring;
	u8 status;

	if (cq->error || unread >= BIT(cq->ring.log_size))
		return MLX5_CMD_STAT_BAD_RES_STATE_ERR;
	status = sim_cq_ring_init(&ring,
				  MLX5_ADDR_OF(modify_cq_in, cmd->in,
					       cq_context),
				  MLX5_ADDR_OF(modify_cq_in, cmd->in, pas),
				  cmd->in_size -
				  MLX5_ST_SZ_BYTES(modify_cq_in));
	if (status)
		return status;
	if (unread >= BIT(ring.log_size)) {
		sim_buf_free(&ring.buf);
		return MLX5_CMD_STAT_BAD_SIZE_OUTS_CQES_ERR;
	}
	sim_cq_write(cq, &last);
	sim_buf_free(&cq->ring.buf);
	cq->ring = ring;
	return MLX5_CMD_STAT_OK;
}

/* Moderation is a matter of speed only. */
u8 sim_modify_cq(struct sim *sim, struct sim_cmd *cmd)
{
	return MLX5_GET(modify_cq_in, cmd->in, op_mod) == MLX5_CQ_OPMOD_RESIZE ?
		sim_cq_resize(cmd->object, cmd) : MLX5_CMD_STAT_OK;
}
