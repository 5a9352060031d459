// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Event queues.
 *
 * The driver tells through a register how far it has read and arms a queue
 * with it. It is one register for all queues and memory here, so that most of
 * what is written to it is overwritten before it can be seen. So the device
 * does without: it raises an interrupt for each event, and relies on the driver
 * to read them before there are more than fit. Most are few at a time: one for
 * each slot of the command queue, for pages, for each completion queue, which is
 * armed again only when the event was read, and one page fault for each queue
 * pair. Thousands of queue pairs that fail at once could overflow a queue unseen.
 */

#include "sim.h"

void sim_eq_event(struct sim *sim, struct sim_eq *eq, u8 type, u8 subtype,
		  const union ev_data *data)
{
	u32 size = BIT(eq->log_size);
	struct mlx5_eqe *eqe;

	eqe = sim_buf_at(&eq->buf, (eq->producer & (size - 1)) * sizeof(*eqe),
			 sizeof(*eqe));
	if (!eqe)
		return;
	eqe->type = type;
	eqe->sub_type = subtype;
	eqe->data = *data;
	/* The driver's as soon as the owner bit changes. */
	smp_store_release(&eqe->owner, !!(eq->producer & size));
	eq->producer++;
	sim_raise_irq(&sim->pci, eq->vector);
}

/* The queue that wants events of a type, or NULL. */
struct sim_eq *sim_eq_for(struct sim *sim, u8 type)
{
	struct sim_eq *eq;
	unsigned long i;

	sim_for_each(sim, SIM_EQ, i, eq)
		if (eq->events[type / 64] & BIT_ULL(type % 64))
			return eq;
	return NULL;
}

void sim_async_event(struct sim *sim, u8 type, const union ev_data *data)
{
	struct sim_eq *eq = sim_eq_for(sim, type);

	if (eq)
		sim_eq_event(sim, eq, type, 0, data);
}

void sim_eq_free(struct sim *sim, void *object)
{
	struct sim_eq *eq = object;

	sim_buf_free(&eq->buf);
	kfree(eq);
}

u8 sim_create_eq(struct sim *sim, struct sim_cmd *cmd)
{
	const void *eqc = MLX5_ADDR_OF(create_eq_in, cmd->in, eq_context_entry);
	struct sim_eq *eq;
	u8 status;
	int i;

	eq = kzalloc(sizeof(*eq), GFP_KERNEL);
	if (!eq)
		return MLX5_CMD_STAT_INT_ERR;
	eq->log_size = MLX5_GET(eqc, eqc, log_eq_size);
	eq->uar = MLX5_GET(eqc, eqc, uar_page);
	eq->vector = MLX5_GET(eqc, eqc, intr);
	for (i = 0; i < ARRAY_SIZE(eq->events); i++)
		eq->events[i] = MLX5_GET64(create_eq_in, cmd->in,
					   event_bitmask[i]);
	if (eq->vector >= SIM_NUM_VECTORS ||
	    !sim_object_get(sim, SIM_UAR, eq->uar) ||
	    sim_buf_init(&eq->buf, MLX5_ADDR_OF(create_eq_in, cmd->in, pas),
			 cmd->in_size - MLX5_ST_SZ_BYTES(create_eq_in),
			 sizeof(struct mlx5_eqe) << eq->log_size,
			 MLX5_GET(eqc, eqc, log_page_size) + 12,
			 MLX5_GET(eqc, eqc, page_offset))) {
		kfree(eq);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	status = sim_object_add(sim, SIM_EQ, eq, &eq->eqn);
	if (status) {
		sim_eq_free(sim, eq);
		return status;
	}
	MLX5_SET(create_eq_out, cmd->out, eq_number, eq->eqn);
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_eq(struct sim *sim, struct sim_cmd *cmd)
{
	void *eqc = MLX5_ADDR_OF(query_eq_out, cmd->out, eq_context_entry);
	const struct sim_eq *eq = cmd->object;

	MLX5_SET(eqc, eqc, log_eq_size, eq->log_size);
	MLX5_SET(eqc, eqc, uar_page, eq->uar);
	MLX5_SET(eqc, eqc, intr, eq->vector);
	MLX5_SET(eqc, eqc, producer_counter, eq->producer);
	return MLX5_CMD_STAT_OK;
}
