// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What the device can do. */

#include "sim.h"

/* Completions name the queue pair by the number that its user gave it. */
#define SIM_CQE_VERSION	1

#define SIM_LOG_MAX_MSG		30

#define SIM_CAP(sim, type, max) ((sim)->caps.values[type][max])

enum {
	SIM_CUR,
	SIM_MAX,
};

static void sim_general_caps(struct sim *sim, void *cap)
{
#define SET(field, value) MLX5_SET(cmd_hca_cap, cap, field, value)
	SET(port_type, MLX5_CAP_PORT_TYPE_IB);
	SET(num_ports, 1);
	SET(native_port_num, 1);
	SET(ib_virt, 1);
	SET(vport_counters, 1);
	SET(log_max_msg, SIM_LOG_MAX_MSG);
	SET(gid_table_size, 0);
	SET(pkey_table_size, 0);

	SET(cmdif_checksum, 3);
	SET(log_pg_sz, 12);
	SET(uar_sz, 4);
	SET(log_uar_page_sz, 0);
	SET(log_bf_reg_size, 9);
	SET(num_of_uars_per_page, 1);
	SET(device_frequency_khz, 1000000);
	SET(device_frequency_mhz, 1000);

	SET(log_max_eq, SIM_LOG_MAX_EQ);
	SET(log_max_eq_sz, SIM_LOG_MAX_CQE);
	SET(log_max_cq, SIM_LOG_MAX_CQ);
	SET(log_max_cq_sz, SIM_LOG_MAX_CQE);
	SET(log_max_qp, SIM_LOG_MAX_QP);
	SET(log_max_qp_sz, SIM_LOG_MAX_QUEUE);
	SET(log_max_srq, SIM_LOG_MAX_SRQ);
	SET(log_max_srq_sz, SIM_LOG_MAX_QUEUE);
	SET(log_max_rmp, SIM_LOG_MAX_SRQ);
	SET(log_max_pd, 16);
	SET(log_max_xrcd, 16);
	SET(log_max_transport_domain, 16);
	SET(log_max_mkey, SIM_LOG_MAX_MKEY);
	SET(log_max_mrw_sz, 62);
	SET(log_max_klm_list_size, 16);
	SET(max_qp_cnt, SIM_NUM_Q_COUNTERS);
	SET(max_wqe_sz_sq, SIM_MAX_WQE);
	SET(max_wqe_sz_rq, 512);
	SET(max_wqe_sz_sq_dc, SIM_MAX_WQE);
	SET(max_indirection, 4);
	SET(fixed_buffer_size, 1);
	SET(log_max_ra_req_qp, 4);
	SET(log_max_ra_res_qp, 4);

	SET(cqe_version, SIM_CQE_VERSION);
	SET(cq_oi, 1);
	SET(cq_moderation, 1);
	SET(cq_resize, 1);
	SET(compact_address_vector, 1);
	SET(rc, 1);
	SET(ud, 1);
	SET(xrc, 1);
	SET(atomic, 1);
	SET(imaicl, 1);
	SET(null_mkey, 1);
	SET(dump_fill_mkey, 1);
	SET(umr_fence, MLX5_CAP_UMR_FENCE_NONE);
	SET(umr_extended_translation_offset, !sim->options.short_umrs);
	SET(umr_modify_entity_size_disabled, sim->options.fixed_pages);
	SET(relaxed_ordering_write, 1);
	SET(relaxed_ordering_read, 1);
	SET(relaxed_ordering_write_umr, 1);
	SET(relaxed_ordering_read_umr, 1);
	SET(pg, 1);
	SET(log_max_uctx, sim->options.devx ? SIM_LOG_MAX_UCTX : 0);
#undef SET
}

static void sim_atomic_caps(void *cap)
{
	/* A bit for each size that is a power of two: 8 bytes only. */
	MLX5_SET(atomic_caps, cap, atomic_size_qp, BIT(3));
	MLX5_SET(atomic_caps, cap, atomic_operations,
		 MLX5_ATOMIC_OPS_CMP_SWAP | MLX5_ATOMIC_OPS_FETCH_ADD);
	/* Operands and results may be in the host's byte order. */
	MLX5_SET(atomic_caps, cap, supported_atomic_req_8B_endianness_mode_1,
		 1);
}

/* The driver takes the memory scheme only together with prefetching. */
static void sim_odp_caps(void *cap, bool transport)
{
	void *scheme = transport ?
		MLX5_ADDR_OF(odp_cap, cap, transport_page_fault_scheme_cap) :
		MLX5_ADDR_OF(odp_cap, cap, memory_page_fault_scheme_cap);

#define SET(field) MLX5_SET(odp_scheme_cap, scheme, field, 1)
	MLX5_SET(odp_cap, cap, mem_page_fault, !transport);
	SET(page_prefetch);
	SET(rc_odp_caps.send);
	SET(rc_odp_caps.receive);
	SET(rc_odp_caps.srq_receive);
	SET(rc_odp_caps.write);
	SET(rc_odp_caps.read);
	SET(rc_odp_caps.atomic);
#undef SET
}

/* As after power-on; the driver sets some of them. */
static void sim_caps_fill(struct sim *sim)
{
	int type;

	memset(sim->caps.values, 0, MLX5_CAP_NUM * sizeof(*sim->caps.values));
	sim_general_caps(sim, SIM_CAP(sim, MLX5_CAP_GENERAL, SIM_MAX));
	sim_atomic_caps(SIM_CAP(sim, MLX5_CAP_ATOMIC, SIM_MAX));
	sim_odp_caps(SIM_CAP(sim, MLX5_CAP_ODP, SIM_MAX),
		     sim->options.transport_faults);
	for (type = 0; type < MLX5_CAP_NUM; type++)
		memcpy(SIM_CAP(sim, type, SIM_CUR),
		       SIM_CAP(sim, type, SIM_MAX),
		       sizeof(sim->caps.values[0][0]));
	/* Faults stop queue pairs, unless the driver wants it otherwise. */
	MLX5_SET(odp_cap, SIM_CAP(sim, MLX5_CAP_ODP, SIM_CUR),
		 mem_page_fault, 0);
}

int sim_caps_init(struct sim *sim)
{
	sim->caps.values = kvcalloc(MLX5_CAP_NUM, sizeof(*sim->caps.values),
				    GFP_KERNEL);
	if (!sim->caps.values)
		return -ENOMEM;
	sim_caps_fill(sim);
	return 0;
}

void sim_caps_cleanup(struct sim *sim)
{
	kvfree(sim->caps.values);
}

void sim_caps_reset(struct sim *sim)
{
	sim->caps.frozen = false;
	sim_caps_fill(sim);
}

u8 sim_init_hca(struct sim *sim, struct sim_cmd *cmd)
{
	sim->caps.frozen = true;
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_hca_cap(struct sim *sim, struct sim_cmd *cmd)
{
	u16 op_mod = MLX5_GET(query_hca_cap_in, cmd->in, op_mod);
	u16 type = op_mod >> 1;
	/* HCA_CAP_OPMOD_GET_MAX is 0. */
	int which = op_mod & HCA_CAP_OPMOD_GET_CUR ? SIM_CUR : SIM_MAX;

	if (type >= MLX5_CAP_NUM)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	memcpy(MLX5_ADDR_OF(query_hca_cap_out, cmd->out, capability),
	       SIM_CAP(sim, type, which), sizeof(sim->caps.values[0][0]));
	return MLX5_CMD_STAT_OK;
}

u8 sim_set_hca_cap(struct sim *sim, struct sim_cmd *cmd)
{
	u16 type = MLX5_GET(set_hca_cap_in, cmd->in, op_mod) >> 1;
	const void *from;
	void *to;

	if (sim->caps.frozen)
		return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
	if (type >= MLX5_CAP_NUM)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	from = MLX5_ADDR_OF(set_hca_cap_in, cmd->in, capability);
	to = SIM_CAP(sim, type, SIM_CUR);
	/* The driver leaves out what it can't change, of this kind. */
	if (type == MLX5_CAP_ATOMIC)
		MLX5_SET(atomic_caps, to, atomic_req_8B_endianness_mode,
			 MLX5_GET(atomic_caps, from,
				  atomic_req_8B_endianness_mode));
	else
		memcpy(to, from, sizeof(sim->caps.values[0][0]));
	return MLX5_CMD_STAT_OK;
}
