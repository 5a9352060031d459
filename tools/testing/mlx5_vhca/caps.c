// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What the device can do, and the objects that are only numbers. */

#include "vhca.h"

/* Completions name the queue pair by the number that its user gave it. */
#define VHCA_CQE_VERSION	1

#define VHCA_PSID		"VHCA0000000001"
#define VHCA_DUMP_MKEY		0x00000300

#define VHCA_CAP(vhca, type, max) ((vhca)->caps[type][max])

enum {
	VHCA_CUR,
	VHCA_MAX,
};

static void vhca_general_caps(struct vhca *vhca, void *cap)
{
#define SET(field, value) MLX5_SET(cmd_hca_cap, cap, field, value)
	SET(port_type, MLX5_CAP_PORT_TYPE_IB);
	SET(num_ports, 1);
	SET(native_port_num, 1);
	SET(ib_virt, 1);
	SET(vport_counters, 1);
	SET(log_max_msg, VHCA_LOG_MAX_MSG);
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

	SET(log_max_eq, VHCA_LOG_MAX_EQ);
	SET(log_max_eq_sz, VHCA_LOG_MAX_CQE);
	SET(log_max_cq, VHCA_LOG_MAX_CQ);
	SET(log_max_cq_sz, VHCA_LOG_MAX_CQE);
	SET(log_max_qp, VHCA_LOG_MAX_QP);
	SET(log_max_qp_sz, VHCA_LOG_MAX_QUEUE);
	SET(log_max_srq, VHCA_LOG_MAX_SRQ);
	SET(log_max_srq_sz, VHCA_LOG_MAX_QUEUE);
	SET(log_max_rmp, VHCA_LOG_MAX_SRQ);
	SET(log_max_pd, 16);
	SET(log_max_xrcd, 16);
	SET(log_max_transport_domain, 16);
	SET(log_max_mkey, VHCA_LOG_MAX_MKEY);
	SET(log_max_mrw_sz, 62);
	SET(log_max_klm_list_size, 16);
	SET(max_qp_cnt, VHCA_NUM_Q_COUNTERS);
	SET(max_wqe_sz_sq, VHCA_MAX_WQE);
	SET(max_wqe_sz_rq, 512);
	SET(max_wqe_sz_sq_dc, VHCA_MAX_WQE);
	SET(max_indirection, 4);
	SET(fixed_buffer_size, 1);
	SET(log_max_ra_req_qp, 4);
	SET(log_max_ra_res_qp, 4);

	SET(cqe_version, VHCA_CQE_VERSION);
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
	SET(umr_extended_translation_offset, !vhca->short_umrs);
	SET(umr_modify_entity_size_disabled, vhca->fixed_pages);
	SET(relaxed_ordering_write, 1);
	SET(relaxed_ordering_read, 1);
	SET(relaxed_ordering_write_umr, 1);
	SET(relaxed_ordering_read_umr, 1);
	SET(pg, 1);
	SET(log_max_uctx, vhca->devx ? VHCA_LOG_MAX_UCTX : 0);
#undef SET
}

static void vhca_atomic_caps(void *cap)
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
static void vhca_odp_caps(void *cap, bool transport)
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
static void vhca_caps_fill(struct vhca *vhca)
{
	int type;

	memset(vhca->caps, 0, MLX5_CAP_NUM * sizeof(*vhca->caps));
	vhca_general_caps(vhca, VHCA_CAP(vhca, MLX5_CAP_GENERAL, VHCA_MAX));
	vhca_atomic_caps(VHCA_CAP(vhca, MLX5_CAP_ATOMIC, VHCA_MAX));
	vhca_odp_caps(VHCA_CAP(vhca, MLX5_CAP_ODP, VHCA_MAX),
		      vhca->transport_faults);
	for (type = 0; type < MLX5_CAP_NUM; type++)
		memcpy(VHCA_CAP(vhca, type, VHCA_CUR),
		       VHCA_CAP(vhca, type, VHCA_MAX),
		       sizeof(vhca->caps[0][0]));
	/* Faults stop queue pairs, unless the driver wants it otherwise. */
	MLX5_SET(odp_cap, VHCA_CAP(vhca, MLX5_CAP_ODP, VHCA_CUR),
		 mem_page_fault, 0);
}

int vhca_caps_init(struct vhca *vhca)
{
	int i;

	vhca->caps = kvcalloc(MLX5_CAP_NUM, sizeof(*vhca->caps), GFP_KERNEL);
	if (!vhca->caps)
		return -ENOMEM;
	for (i = 0; i < VHCA_NUM_RESOURCES; i++)
		xa_init_flags(&vhca->resources[i], XA_FLAGS_ALLOC);
	vhca_caps_fill(vhca);
	return 0;
}

void vhca_caps_cleanup(struct vhca *vhca)
{
	kvfree(vhca->caps);
}

void vhca_caps_reset(struct vhca *vhca)
{
	int i;

	for (i = 0; i < VHCA_NUM_RESOURCES; i++)
		xa_destroy(&vhca->resources[i]);
	vhca->initialized = false;
	vhca_caps_fill(vhca);
}

u8 vhca_enable_hca(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return MLX5_CMD_STAT_OK;
}

u8 vhca_disable_hca(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return MLX5_CMD_STAT_OK;
}

u8 vhca_init_hca(struct vhca *vhca, struct vhca_cmd *cmd)
{
	vhca->initialized = true;
	return MLX5_CMD_STAT_OK;
}

static u32 vhca_count(struct xarray *xa)
{
	unsigned long i;
	void *entry;
	u32 n = 0;

	xa_for_each(xa, i, entry)
		n++;
	return n;
}

/* A driver that unloads has destroyed everything before. */
u8 vhca_teardown_hca(struct vhca *vhca, struct vhca_cmd *cmd)
{
	vhca->leaked_mkeys += vhca->num_mkeys;
	vhca->leaked_objects += vhca_count(&vhca->qps) +
				vhca_count(&vhca->srqs) +
				vhca_count(&vhca->cqs) +
				vhca_count(&vhca->eqs) +
				vhca_count(&vhca->resources[VHCA_PD]);
	vhca_reset_objects(vhca);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_issi(struct vhca *vhca, struct vhca_cmd *cmd)
{
	MLX5_SET(query_issi_out, cmd->out, supported_issi_dw0, BIT(1));
	return MLX5_CMD_STAT_OK;
}

u8 vhca_set_issi(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return MLX5_GET(set_issi_in, cmd->in, current_issi) == 1 ?
		MLX5_CMD_STAT_OK : MLX5_CMD_STAT_BAD_PARAM_ERR;
}

/* What needs no answer and has no effect. */
u8 vhca_accept(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_adapter(struct vhca *vhca, struct vhca_cmd *cmd)
{
	void *psid = MLX5_ADDR_OF(query_adapter_out, cmd->out,
				  query_adapter_struct.vsd_contd_psid);

	MLX5_SET(query_adapter_out, cmd->out,
		 query_adapter_struct.ieee_vendor_id, 0x0002c9);
	memcpy(psid, VHCA_PSID, sizeof(VHCA_PSID));
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_hca_cap(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u16 op_mod = MLX5_GET(query_hca_cap_in, cmd->in, op_mod);
	u16 type = op_mod >> 1;
	/* HCA_CAP_OPMOD_GET_MAX is 0. */
	int which = op_mod & HCA_CAP_OPMOD_GET_CUR ? VHCA_CUR : VHCA_MAX;

	if (type >= MLX5_CAP_NUM)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	memcpy(MLX5_ADDR_OF(query_hca_cap_out, cmd->out, capability),
	       VHCA_CAP(vhca, type, which), sizeof(vhca->caps[0][0]));
	return MLX5_CMD_STAT_OK;
}

u8 vhca_set_hca_cap(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u16 type = MLX5_GET(set_hca_cap_in, cmd->in, op_mod) >> 1;
	const void *from;
	void *to;

	if (vhca->initialized)
		return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
	if (type >= MLX5_CAP_NUM)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	from = MLX5_ADDR_OF(set_hca_cap_in, cmd->in, capability);
	to = VHCA_CAP(vhca, type, VHCA_CUR);
	/* The driver leaves out what it can't change, of this kind. */
	if (type == MLX5_CAP_ATOMIC)
		MLX5_SET(atomic_caps, to, atomic_req_8B_endianness_mode,
			 MLX5_GET(atomic_caps, from,
				  atomic_req_8B_endianness_mode));
	else
		memcpy(to, from, sizeof(vhca->caps[0][0]));
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_special_contexts(struct vhca *vhca, struct vhca_cmd *cmd)
{
#define SET(field, value) \
	MLX5_SET(query_special_contexts_out, cmd->out, field, value)
	SET(null_mkey, VHCA_NULL_MKEY);
	SET(dump_fill_mkey, VHCA_DUMP_MKEY);
#undef SET
	return MLX5_CMD_STAT_OK;
}

/* All these commands have the number at the same place. */
static const struct {
	u16 alloc;
	u16 dealloc;
	struct xa_limit limit;
} vhca_resources[] = {
	[VHCA_PD] = {
		MLX5_CMD_OP_ALLOC_PD, MLX5_CMD_OP_DEALLOC_PD,
		XA_LIMIT(1, U16_MAX),
	},
	[VHCA_TD] = {
		MLX5_CMD_OP_ALLOC_TRANSPORT_DOMAIN,
		MLX5_CMD_OP_DEALLOC_TRANSPORT_DOMAIN,
		XA_LIMIT(1, U16_MAX),
	},
	[VHCA_XRCD] = {
		MLX5_CMD_OP_ALLOC_XRCD, MLX5_CMD_OP_DEALLOC_XRCD,
		XA_LIMIT(1, U16_MAX),
	},
	[VHCA_UAR] = {
		MLX5_CMD_OP_ALLOC_UAR, MLX5_CMD_OP_DEALLOC_UAR,
		XA_LIMIT(VHCA_FIRST_UAR, VHCA_NUM_UARS - 1),
	},
	[VHCA_Q_COUNTER] = {
		MLX5_CMD_OP_ALLOC_Q_COUNTER, MLX5_CMD_OP_DEALLOC_Q_COUNTER,
		XA_LIMIT(1, VHCA_NUM_Q_COUNTERS - 1),
	},
	[VHCA_UCTX] = {
		MLX5_CMD_OP_CREATE_UCTX, MLX5_CMD_OP_DESTROY_UCTX,
		XA_LIMIT(1, BIT(VHCA_LOG_MAX_UCTX) - 1),
	},
};

static enum vhca_resource vhca_resource_of(u16 opcode)
{
	enum vhca_resource kind;

	for (kind = 0; kind < VHCA_NUM_RESOURCES - 1; kind++)
		if (opcode == vhca_resources[kind].alloc ||
		    opcode == vhca_resources[kind].dealloc)
			break;
	return kind;
}

bool vhca_resource_exists(struct vhca *vhca, enum vhca_resource kind, u32 id)
{
	return xa_load(&vhca->resources[kind], id);
}

u8 vhca_alloc_resource(struct vhca *vhca, struct vhca_cmd *cmd)
{
	enum vhca_resource kind =
		vhca_resource_of(MLX5_GET(alloc_pd_in, cmd->in, opcode));
	u32 id;

	if (xa_alloc(&vhca->resources[kind], &id, xa_mk_value(1),
		     vhca_resources[kind].limit, GFP_KERNEL))
		return MLX5_CMD_STAT_LIM_ERR;
	MLX5_SET(alloc_pd_out, cmd->out, pd, id);
	return MLX5_CMD_STAT_OK;
}

static bool vhca_pd_in_use(struct vhca *vhca, u32 pd)
{
	return vhca_mkey_uses_pd(vhca, pd) || vhca_qp_uses_pd(vhca, pd) ||
	       vhca_srq_uses_pd(vhca, pd);
}

u8 vhca_dealloc_resource(struct vhca *vhca, struct vhca_cmd *cmd)
{
	enum vhca_resource kind =
		vhca_resource_of(MLX5_GET(dealloc_pd_in, cmd->in, opcode));
	u32 id = MLX5_GET(dealloc_pd_in, cmd->in, pd);

	if (kind == VHCA_PD && vhca_pd_in_use(vhca, id))
		return MLX5_CMD_STAT_RES_BUSY;
	return xa_erase(&vhca->resources[kind], id) ?
		MLX5_CMD_STAT_OK : MLX5_CMD_STAT_BAD_RES_ERR;
}

/* All counters are 0. */
u8 vhca_query_q_counter(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return MLX5_CMD_STAT_OK;
}
