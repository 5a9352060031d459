// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pages that the driver lends to the firmware. This one stores nothing in
 * them, but asks for as many as its objects would fill, and gives them back.
 */

#include "vhca.h"

#define VHCA_BOOT_PAGES		4
#define VHCA_INIT_PAGES		60
/* What MANAGE_PAGES is about, in its op_mod. */
enum {
	VHCA_PAGES_NOT_GIVEN	= 0,
	VHCA_PAGES_GIVEN	= 1,
	VHCA_PAGES_TAKEN	= 2,
};

/* Asked for and given back so many at a time. */
#define VHCA_PAGE_BATCH		32

static s32 vhca_pages_missing(const struct vhca *vhca)
{
	return VHCA_BOOT_PAGES + VHCA_INIT_PAGES +
	       (s32)(vhca->bytes_used / SZ_4K) - (s32)vhca->num_pages;
}

static void vhca_pages_balance(struct vhca *vhca)
{
	s32 missing = vhca_pages_missing(vhca);
	union ev_data data = {};

	if (!vhca->initialized || vhca->pages_asked ||
	    (missing <= 0 && missing > -2 * VHCA_PAGE_BATCH))
		return;
	missing = missing > 0 ? ALIGN(missing, VHCA_PAGE_BATCH) :
				missing + VHCA_PAGE_BATCH;
	/* A reply has to fit a command. */
	missing = clamp_t(s32, missing, -512, 512);
	data.req_pages.num_pages = cpu_to_be32(missing);
	vhca->pages_asked = true;
	vhca_async_event(vhca, MLX5_EVENT_TYPE_PAGE_REQUEST, &data);
}

/* Objects of @bytes come, or go if it is negative. */
void vhca_pages_use(struct vhca *vhca, s64 bytes)
{
	vhca->bytes_used += bytes;
	vhca_pages_balance(vhca);
}

void vhca_pages_reset(struct vhca *vhca)
{
	kvfree(vhca->pages);
	vhca->pages = NULL;
	vhca->num_pages = 0;
	vhca->max_pages = 0;
	vhca->bytes_used = 0;
	vhca->pages_asked = false;
}

u8 vhca_query_pages(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u32 n;

	switch (MLX5_GET(query_pages_in, cmd->in, op_mod)) {
	case MLX5_QUERY_PAGES_IN_OP_MOD_BOOT_PAGES:
		n = VHCA_BOOT_PAGES;
		break;
	case MLX5_QUERY_PAGES_IN_OP_MOD_INIT_PAGES:
		n = VHCA_INIT_PAGES;
		break;
	default:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	MLX5_SET(query_pages_out, cmd->out, num_pages, n);
	return MLX5_CMD_STAT_OK;
}

static u8 vhca_take_pages(struct vhca *vhca, struct vhca_cmd *cmd, u32 n)
{
	u64 *pages;
	u32 i;

	if ((cmd->in_size - MLX5_ST_SZ_BYTES(manage_pages_in)) /
	    sizeof(u64) < n)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	if (vhca->num_pages + n > vhca->max_pages) {
		u32 max = roundup_pow_of_two(vhca->num_pages + n);

		pages = kvrealloc(vhca->pages, max * sizeof(*pages),
				  GFP_KERNEL);
		if (!pages)
			return MLX5_CMD_STAT_INT_ERR;
		vhca->pages = pages;
		vhca->max_pages = max;
	}
	for (i = 0; i < n; i++)
		vhca->pages[vhca->num_pages++] =
			MLX5_GET64(manage_pages_in, cmd->in, pas[i]);
	return MLX5_CMD_STAT_OK;
}

static u8 vhca_return_pages(struct vhca *vhca, struct vhca_cmd *cmd, u32 n)
{
	u32 i;

	n = min3(n, vhca->num_pages,
		 (u32)((cmd->out_size - MLX5_ST_SZ_BYTES(manage_pages_out)) /
		       sizeof(u64)));
	for (i = 0; i < n; i++)
		MLX5_ARRAY_SET64(manage_pages_out, cmd->out, pas, i,
				 vhca->pages[--vhca->num_pages]);
	MLX5_SET(manage_pages_out, cmd->out, output_num_entries, n);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_manage_pages(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u32 n = MLX5_GET(manage_pages_in, cmd->in, input_num_entries);
	u8 status;

	switch (MLX5_GET(manage_pages_in, cmd->in, op_mod)) {
	case VHCA_PAGES_NOT_GIVEN:
		status = MLX5_CMD_STAT_OK;
		break;
	case VHCA_PAGES_GIVEN:
		status = vhca_take_pages(vhca, cmd, n);
		break;
	case VHCA_PAGES_TAKEN:
		status = vhca_return_pages(vhca, cmd, n);
		break;
	default:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	vhca->pages_asked = false;
	return status;
}
