// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Protection domains: numbers that can't go while an object has them. */

#include "sim.h"

static bool sim_pd_in_use(struct sim *sim, u32 pd)
{
	return sim_mkey_uses_pd(sim, pd) || sim_qp_uses_pd(sim, pd) ||
	       sim_srq_uses_pd(sim, pd);
}

u8 sim_dealloc_pd(struct sim *sim, struct sim_cmd *cmd)
{
	return sim_pd_in_use(sim, sim_cmd_number(cmd)) ?
		MLX5_CMD_STAT_RES_BUSY : sim_destroy_object(sim, cmd);
}
