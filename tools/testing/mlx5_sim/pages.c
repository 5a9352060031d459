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

static s32 sim_pages_missing(const struct sim_pages *pages)
{
	return SIM_BOOT_PAGES + SIM_INIT_PAGES +
	       (s32)(pages->bytes / SZ_4K) - (s32)pages->count;
}

static void sim_pages_balance(struct sim *sim)
{
	s32 missing = sim_pages_missing(&sim->pages);
	union ev_data data = {};

	if (sim->pages.asked ||
	    (missing <= 0 && missing > -2 * SIM_PAGE_BATCH))
		return;
	missing = missing > 0 ? ALIGN(missing, SIM_PAGE_BATCH) :
				missing + SIM_PAGE_BATCH;
	/* A reply has to fit a command. */
	missing = clamp_t(s32, missing, -512, 512);
	data.req_pages.num_pages = cpu_to_be32(missing);
	sim->pages.asked = true;
	sim_async_event(sim, MLX5_EVENT_TYPE_PAGE_REQUEST, &data);
}

/* After a command: do its objects need other pages than those before? */
void sim_pages_update(struct sim *sim)
{
	if (sim->pages.bytes == sim->mkeys.bytes)
		return;
	sim->pages.bytes = sim->mkeys.bytes;
	sim_pages_balance(sim);
}

void sim_pages_reset(struct sim *sim)
{
	kvfree(sim->pages.addrs);
	sim->pages = (struct sim_pages){};
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

static u8 sim_take_pages(struct sim_pages *pages, struct sim_cmd *cmd, u32 n)
{
	u64 *addrs;
	u32 i;

	if ((cmd->in_size - MLX5_ST_SZ_BYTES(manage_pages_in)) /
	    sizeof(u64) < n)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	if (pages->count + n > pages->room) {
		u32 room = roundup_pow_of_two(pages->count + n);

		addrs = kvrealloc(pages->addrs, room * sizeof(*addrs),
				  GFP_KERNEL);
		if (!addrs)
			return MLX5_CMD_STAT_INT_ERR;
		pages->addrs = addrs;
		pages->room = room;
	}
	for (i = 0; i < n; i++)
		pages->addrs[pages->count++] =
			MLX5_GET64(manage_pages_in, cmd->in, pas[i]);
	return MLX5_CMD_STAT_OK;
}

static u8 sim_return_pages(struct sim_pages *pages, struct sim_cmd *cmd, u32 n)
{
	u32 i;

	n = min3(n, pages->count,
		 (u32)((cmd->out_size - MLX5_ST_SZ_BYTES(manage_pages_out)) /
		       sizeof(u64)));
	for (i = 0; i < n; i++)
		MLX5_ARRAY_SET64(manage_pages_out, cmd->out, pas, i,
				 pages->addrs[--pages->count]);
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
		status = sim_take_pages(&sim->pages, cmd, n);
		break;
	case SIM_PAGES_TAKEN:
		status = sim_return_pages(&sim->pages, cmd, n);
		break;
	default:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	sim->pages.asked = false;
	return status;
}
