// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The tables of objects: by kind and number. */

#include "sim.h"

void sim_objects_init(struct sim *sim, const struct sim_kind_desc *descs)
{
	enum sim_kind kind;

	for (kind = 0; kind < SIM_NUM_KINDS; kind++) {
		sim->tables[kind].desc = &descs[kind];
		xa_init_flags(&sim->tables[kind].objects, XA_FLAGS_ALLOC1);
	}
}

/* Gives it a number. */
u8 sim_object_add(struct sim *sim, enum sim_kind kind, void *object,
		  u32 *number)
{
	struct sim_table *table = &sim->tables[kind];

	if (xa_alloc_cyclic(&table->objects, number, object,
			    table->desc->numbers, &table->next,
			    GFP_KERNEL) < 0)
		return MLX5_CMD_STAT_LIM_ERR;
	table->count++;
	return MLX5_CMD_STAT_OK;
}

/* Or NULL */
void *sim_object_get(struct sim *sim, enum sim_kind kind, u32 number)
{
	return xa_load(&sim->tables[kind].objects, number);
}

static void sim_object_remove(struct sim *sim, enum sim_kind kind, u32 number)
{
	struct sim_table *table = &sim->tables[kind];
	void *object = xa_erase(&table->objects, number);

	table->count--;
	if (table->desc->free)
		table->desc->free(sim, object);
}

void sim_objects_reset(struct sim *sim)
{
	enum sim_kind kind;
	unsigned long i;
	void *object;

	for (kind = 0; kind < SIM_NUM_KINDS; kind++)
		sim_for_each(sim, kind, i, object)
			sim_object_remove(sim, kind, i);
}

/* All commands for what is but a number have it at the same place. */
u8 sim_alloc_resource(struct sim *sim, struct sim_cmd *cmd)
{
	u32 number;
	u8 status = sim_object_add(sim, cmd->kind, xa_mk_value(1), &number);

	if (!status)
		MLX5_SET(alloc_pd_out, cmd->out, pd, number);
	return status;
}

u8 sim_destroy_object(struct sim *sim, struct sim_cmd *cmd)
{
	sim_object_remove(sim, cmd->kind, sim_cmd_number(cmd));
	return MLX5_CMD_STAT_OK;
}
