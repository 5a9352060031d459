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

#include "vhca.h"

void vhca_eq_event(struct vhca *vhca, struct vhca_eq *eq, u8 type, u8 subtype,
		   const union ev_data *data)
{
	u32 size = BIT(eq->log_size);
	struct mlx5_eqe *eqe;

	eqe = vhca_buf_at(&eq->buf, (eq->producer & (size - 1)) * sizeof(*eqe),
			  sizeof(*eqe));
	if (!eqe)
		return;
	eqe->type = type;
	eqe->sub_type = subtype;
	eqe->data = *data;
	/* The driver's as soon as the owner bit changes. */
	smp_store_release(&eqe->owner, !!(eq->producer & size));
	eq->producer++;
	vhca_raise_irq(vhca, eq->vector);
}

/* The queue that wants events of a type, or NULL. */
struct vhca_eq *vhca_eq_for(struct vhca *vhca, u8 type)
{
	struct vhca_eq *eq;
	unsigned long i;

	xa_for_each(&vhca->eqs, i, eq)
		if (eq->events[type / 64] & BIT_ULL(type % 64))
			return eq;
	return NULL;
}

void vhca_async_event(struct vhca *vhca, u8 type, const union ev_data *data)
{
	struct vhca_eq *eq = vhca_eq_for(vhca, type);

	if (eq)
		vhca_eq_event(vhca, eq, type, 0, data);
}

static void vhca_eq_free(struct vhca *vhca, struct vhca_eq *eq)
{
	xa_erase(&vhca->eqs, eq->eqn);
	vhca_buf_free(&eq->buf);
	kfree(eq);
}

void vhca_eq_reset(struct vhca *vhca)
{
	struct vhca_eq *eq;
	unsigned long i;

	xa_for_each(&vhca->eqs, i, eq)
		vhca_eq_free(vhca, eq);
}

u8 vhca_create_eq(struct vhca *vhca, struct vhca_cmd *cmd)
{
	const void *eqc = MLX5_ADDR_OF(create_eq_in, cmd->in, eq_context_entry);
	struct vhca_eq *eq;
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
	if (eq->vector >= VHCA_NUM_VECTORS ||
	    !vhca_resource_exists(vhca, VHCA_UAR, eq->uar) ||
	    vhca_buf_init(&eq->buf, MLX5_ADDR_OF(create_eq_in, cmd->in, pas),
			  cmd->in_size - MLX5_ST_SZ_BYTES(create_eq_in),
			  sizeof(struct mlx5_eqe) << eq->log_size,
			  MLX5_GET(eqc, eqc, log_page_size) + 12,
			  MLX5_GET(eqc, eqc, page_offset))) {
		kfree(eq);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	if (xa_alloc_cyclic(&vhca->eqs, &eq->eqn, eq,
			    XA_LIMIT(1, BIT(VHCA_LOG_MAX_EQ) - 1),
			    &vhca->next_eqn, GFP_KERNEL) < 0) {
		vhca_buf_free(&eq->buf);
		kfree(eq);
		return MLX5_CMD_STAT_LIM_ERR;
	}
	MLX5_SET(create_eq_out, cmd->out, eq_number, eq->eqn);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_destroy_eq(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_eq *eq = xa_load(&vhca->eqs, MLX5_GET(destroy_eq_in,
							  cmd->in, eq_number));

	if (!eq)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	vhca_eq_free(vhca, eq);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_eq(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_eq *eq = xa_load(&vhca->eqs, MLX5_GET(query_eq_in, cmd->in,
							  eq_number));
	void *eqc = MLX5_ADDR_OF(query_eq_out, cmd->out, eq_context_entry);

	if (!eq)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	MLX5_SET(eqc, eqc, log_eq_size, eq->log_size);
	MLX5_SET(eqc, eqc, uar_page, eq->uar);
	MLX5_SET(eqc, eqc, intr, eq->vector);
	MLX5_SET(eqc, eqc, producer_counter, eq->producer);
	return MLX5_CMD_STAT_OK;
}
