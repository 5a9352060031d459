// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pages that the driver lends to the firmware. This one stores nothing in
 * them, but asks for as many as its objects would fill, and gives them back.
 */

#include "sim.h"

#define SIM_BOOT_PAGES		4
#define SIM_INIT_PAGES		60
/* What MANAGE_PAGES is about, in its op_mod. */
enum {
	SIM_PAGES_NOT_GIVEN	= 0,
	SIM_PAGES_GIVEN	= 1,
	SIM_PAGES_TAKEN	= 2,
};

/* Asked for and given back so many at a time. */
#define SIM_PAGE_BATCH		32

static s32 sim_pages_missing(const struct sim *sim)
{
	return SIM_BOOT_PAGES + SIM_INIT_PAGES +
	       (s32)(sim->bytes_used / SZ_4K) - (s32)sim->num_pages;
}

static void sim_pages_balance(struct sim *sim)
{
	s32 missing = sim_pages_missing(sim);
	union ev_data data = {};

	if (!sim->initialized || sim->pages_asked ||
	    (missing <= 0 && missing > -2 * SIM_PAGE_BATCH))
		return;
	missing = missing > 0 ? ALIGN(missing, SIM_PAGE_BATCH) :
				missing + SIM_PAGE_BATCH;
	/* A reply has to fit a command. */
	missing = clamp_t(s32, missing, -512, 512);
	data.req_pages.num_pages = cpu_to_be32(missing);
	sim->pages_asked = true;
	sim_async_event(sim, MLX5_EVENT_TYPE_PAGE_REQUEST, &data);
}

/* Objects of @bytes come, or go if it is negative. */
void sim_pages_use(struct sim *sim, s64 bytes)
{
	sim->bytes_used += bytes;
	sim_pages_balance(sim);
}

void sim_pages_reset(struct sim *sim)
{
	kvfree(sim->pages);
	sim->pages = NULL;
	sim->num_pages = 0;
	sim->max_pages = 0;
	sim->bytes_used = 0;
	sim->pages_asked = false;
}

u8 sim_query_pages(struct sim *sim, struct sim_cmd *cmd)
{
	u32 n;

	switch (MLX5_GET(query_pages_in, cmd->in, op_mod)) {
	case MLX5_QUERY_PAGES_IN_OP_MOD_BOOT_PAGES:
		n = SIM_BOOT_PAGES;
		break;
	case MLX5_QUERY_PAGES_IN_OP_MOD_INIT_PAGES:
		n = SIM_INIT_PAGES;
		break;
	default:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	MLX5_SET(query_pages_out, cmd->out, num_pages, n);
	return MLX5_CMD_STAT_OK;
}

static u8 sim_take_pages(struct sim *sim, struct sim_cmd *cmd, u32 n)
{
	u64 *pages;
	u32 i;

	if ((cmd->in_size - MLX5_ST_SZ_BYTES(manage_pages_in)) /
	    sizeof(u64) < n)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	if (sim->num_pages + n > sim->max_pages) {
		u32 max = roundup_pow_of_two(sim->num_pages + n);

		pages = kvrealloc(sim->pages, max * sizeof(*pages),
				  GFP_KERNEL);
		if (!pages)
			return MLX5_CMD_STAT_INT_ERR;
		sim->pages = pages;
		sim->max_pages = max;
	}
	for (i = 0; i < n; i++)
		sim->pages[sim->num_pages++] =
			MLX5_GET64(manage_pages_in, cmd->in, pas[i]);
	return MLX5_CMD_STAT_OK;
}

static u8 sim_return_pages(struct sim *sim, struct sim_cmd *cmd, u32 n)
{
	u32 i;

	n = min3(n, sim->num_pages,
		 (u32)((cmd->out_size - MLX5_ST_SZ_BYTES(manage_pages_out)) /
		       sizeof(u64)));
	for (i = 0; i < n; i++)
		MLX5_ARRAY_SET64(manage_pages_out, cmd->out, pas, i,
				 sim->pages[--sim->num_pages]);
	MLX5_SET(manage_pages_out, cmd->out, output_num_entries, n);
	return MLX5_CMD_STAT_OK;
}

u8 sim_manage_pages(struct sim *sim, struct sim_cmd *cmd)
{
	u32 n = MLX5_GET(manage_pages_in, cmd->in, input_num_entries);
	u8 status;

	switch (MLX5_GET(manage_pages_in, cmd->in, op_mod)) {
	case SIM_PAGES_NOT_GIVEN:
		status = MLX5_CMD_STAT_OK;
		break;
	case SIM_PAGES_GIVEN:
		status = sim_take_pages(sim, cmd, n);
		break;
	case SIM_PAGES_TAKEN:
		status = sim_return_pages(sim, cmd, n);
		break;
	default:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	sim->pages_asked = false;
	return status;
}
