// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The HCA, with all its objects: how it is brought up and torn down. */

#include "sim.h"

#define SIM_PSID		"SIM0000000001"
#define SIM_DUMP_MKEY		0x00000300

/* The first QPs are for QP0 and QP1, the first mkeys for keys of the device. */
static const struct sim_kind_desc sim_kinds[] = {
	[SIM_PD] = { XA_LIMIT(1, U16_MAX) },
	[SIM_TD] = { XA_LIMIT(1, U16_MAX) },
	[SIM_XRCD] = { XA_LIMIT(1, U16_MAX) },
	[SIM_UAR] = { XA_LIMIT(SIM_FIRST_UAR, SIM_NUM_UARS - 1) },
	[SIM_Q_COUNTER] = { XA_LIMIT(1, SIM_NUM_Q_COUNTERS - 1) },
	[SIM_UCTX] = { XA_LIMIT(1, BIT(SIM_LOG_MAX_UCTX) - 1) },
	[SIM_EQ] = { XA_LIMIT(1, BIT(SIM_LOG_MAX_EQ) - 1), sim_eq_free },
	[SIM_CQ] = { XA_LIMIT(1, BIT(SIM_LOG_MAX_CQ) - 1), sim_cq_free },
	[SIM_SRQ] = { XA_LIMIT(1, BIT(SIM_LOG_MAX_SRQ) - 1), sim_srq_free },
	[SIM_QP] = { XA_LIMIT(2, BIT(SIM_LOG_MAX_QP) - 1), sim_qp_free },
	[SIM_MKEY] = {
		XA_LIMIT(0x100, BIT(SIM_LOG_MAX_MKEY) - 1), sim_mkey_free
	},
};

int sim_hca_init(struct sim *sim)
{
	sim_objects_init(sim, sim_kinds);
	INIT_LIST_HEAD(&sim->qps);
	sim_fault_init(sim);
	return sim_caps_init(sim);
}

void sim_hca_cleanup(struct sim *sim)
{
	sim_caps_cleanup(sim);
}

/* All but the pages goes. */
static void sim_hca_end(struct sim *sim)
{
	sim_objects_reset(sim);
	sim_fault_reset(sim);
	sim_caps_reset(sim);
}

void sim_hca_reset(struct sim *sim)
{
	sim_hca_end(sim);
	sim_pages_reset(sim);
}

/* A driver that unloads has destroyed everything before. */
u8 sim_teardown_hca(struct sim *sim, struct sim_cmd *cmd)
{
	static const enum sim_kind kinds[] = {
		SIM_PD, SIM_EQ, SIM_CQ, SIM_SRQ, SIM_QP
	};
	int i;

	sim->leaks.mkeys += sim->tables[SIM_MKEY].count;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		sim->leaks.objects += sim->tables[kinds[i]].count;
	sim_hca_end(sim);
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_issi(struct sim *sim, struct sim_cmd *cmd)
{
	MLX5_SET(query_issi_out, cmd->out, supported_issi_dw0, BIT(1));
	return MLX5_CMD_STAT_OK;
}

u8 sim_set_issi(struct sim *sim, struct sim_cmd *cmd)
{
	return MLX5_GET(set_issi_in, cmd->in, current_issi) == 1 ?
		MLX5_CMD_STAT_OK : MLX5_CMD_STAT_BAD_PARAM_ERR;
}

u8 sim_query_adapter(struct sim *sim, struct sim_cmd *cmd)
{
	void *psid = MLX5_ADDR_OF(query_adapter_out, cmd->out,
				  query_adapter_struct.vsd_contd_psid);

	MLX5_SET(query_adapter_out, cmd->out,
		 query_adapter_struct.ieee_vendor_id, 0x0002c9);
	memcpy(psid, SIM_PSID, sizeof(SIM_PSID));
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_special_contexts(struct sim *sim, struct sim_cmd *cmd)
{
#define SET(field, value) \
	MLX5_SET(query_special_contexts_out, cmd->out, field, value)
	SET(null_mkey, SIM_NULL_MKEY);
	SET(dump_fill_mkey, SIM_DUMP_MKEY);
#undef SET
	return MLX5_CMD_STAT_OK;
}
