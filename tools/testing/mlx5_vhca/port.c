// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The port: InfiniBand, always active, with nobody at the other end. The
 * driver asks its virtual port, as ib_virt says, so there are no MADs.
 */

#include <rdma/ib_mad.h>
#include <rdma/ib_verbs.h>
#include "vhca.h"

#define VHCA_PKEY		0xffff
#define VHCA_PHYS_LINK_UP	5
#define VHCA_GID_PREFIX		0xfe80000000000000ULL
#define VHCA_NODE_DESC		"virtual ConnectX"

u8 vhca_query_vport_context(struct vhca *vhca, struct vhca_cmd *cmd)
{
	void *ctx = MLX5_ADDR_OF(query_hca_vport_context_out, cmd->out,
				 hca_vport_context);

#define SET(field, value) MLX5_SET(hca_vport_context, ctx, field, value)
	SET(has_smi, 0);
	SET(has_raw, 0);
	SET(port_physical_state, VHCA_PHYS_LINK_UP);
	SET(port_state, IB_PORT_ACTIVE);
	SET(vport_state, IB_PORT_ACTIVE);
	SET(lid, VHCA_LID);
	SET(cap_mask1, IB_PORT_CM_SUP | IB_PORT_SYS_IMAGE_GUID_SUP);
	SET(cap_mask1_field_select, IB_PORT_CM_SUP);
#undef SET
	MLX5_SET64(hca_vport_context, ctx, system_image_guid, VHCA_GUID);
	MLX5_SET64(hca_vport_context, ctx, port_guid, VHCA_GUID + 1);
	MLX5_SET64(hca_vport_context, ctx, node_guid, VHCA_GUID);
	return MLX5_CMD_STAT_OK;
}

/* The first GID is the port's own, the others are not set. */
u8 vhca_query_vport_gid(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u16 index = MLX5_GET(query_hca_vport_gid_in, cmd->in, gid_index);
	__be64 *gid = MLX5_ADDR_OF(query_hca_vport_gid_out, cmd->out, gid);

	MLX5_SET(query_hca_vport_gid_out, cmd->out, gids_num, 1);
	if (cmd->out_size < MLX5_ST_SZ_BYTES(query_hca_vport_gid_out) +
			    2 * sizeof(*gid))
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	gid[0] = cpu_to_be64(VHCA_GID_PREFIX);
	gid[1] = index ? 0 : cpu_to_be64(VHCA_GUID + 1);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_vport_pkey(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u16 index = MLX5_GET(query_hca_vport_pkey_in, cmd->in, pkey_index);
	void *pkey = MLX5_ADDR_OF(query_hca_vport_pkey_out, cmd->out, pkey);

	if (cmd->out_size < MLX5_ST_SZ_BYTES(query_hca_vport_pkey_out) +
			    MLX5_ST_SZ_BYTES(pkey))
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	/* The driver may ask for the whole table, or for one of it. */
	if (index == 0 || index == U16_MAX)
		MLX5_SET(pkey, pkey, pkey, VHCA_PKEY);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_vport_state(struct vhca *vhca, struct vhca_cmd *cmd)
{
	MLX5_SET(query_vport_state_out, cmd->out, admin_state, 1);
	MLX5_SET(query_vport_state_out, cmd->out, state, 1);
	return MLX5_CMD_STAT_OK;
}

/* All counters are 0. */
u8 vhca_query_vport_counter(struct vhca *vhca, struct vhca_cmd *cmd)
{
	return MLX5_CMD_STAT_OK;
}

static void vhca_ptys(void *reg)
{
	/* 4 lanes of EDR. */
	const u8 width = BIT(2), speed = BIT(5);

	MLX5_SET(ptys_reg, reg, ib_link_width_capability, width);
	MLX5_SET(ptys_reg, reg, ib_proto_capability, speed);
	MLX5_SET(ptys_reg, reg, ib_link_width_admin, width);
	MLX5_SET(ptys_reg, reg, ib_proto_admin, speed);
	MLX5_SET(ptys_reg, reg, ib_link_width_oper, width);
	MLX5_SET(ptys_reg, reg, ib_proto_oper, speed);
}

static void vhca_pmtu(void *reg)
{
	MLX5_SET(pmtu_reg, reg, max_mtu, 4096);
	MLX5_SET(pmtu_reg, reg, admin_mtu, 4096);
	MLX5_SET(pmtu_reg, reg, oper_mtu, 4096);
}

static void vhca_pvlc(void *reg)
{
	MLX5_SET(pvlc_reg, reg, vl_hw_cap, 1);
	MLX5_SET(pvlc_reg, reg, vl_admin, 1);
	MLX5_SET(pvlc_reg, reg, vl_operational, 1);
}

u8 vhca_access_reg(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u32 size = cmd->out_size - MLX5_ST_SZ_BYTES(access_register_out);
	void *reg = MLX5_ADDR_OF(access_register_out, cmd->out, register_data);
	u8 buf[256] = {};

	switch (MLX5_GET(access_register_in, cmd->in, register_id)) {
	case MLX5_REG_PTYS:
		vhca_ptys(buf);
		break;
	case MLX5_REG_PMTU:
		vhca_pmtu(buf);
		break;
	case MLX5_REG_PVLC:
		vhca_pvlc(buf);
		break;
	case MLX5_REG_NODE_DESC:
		strscpy(buf, VHCA_NODE_DESC);
		break;
	case MLX5_REG_HOST_ENDIANNESS:
		break;
	case MLX5_REG_DTOR:
		/* The driver's own timeouts for all but commands. */
		break;
	default:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	memcpy(reg, buf, min_t(u32, size, sizeof(buf)));
	return MLX5_CMD_STAT_OK;
}
