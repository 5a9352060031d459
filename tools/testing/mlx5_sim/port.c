// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The port: InfiniBand, always active, with nobody at the other end. The
 * driver asks its virtual port, as ib_virt says, so there are no MADs.
 */

#include <rdma/ib_mad.h>
#include <rdma/ib_verbs.h>
#include "sim.h"

#define SIM_GUID		0x00d0ca0000000001ULL
#define SIM_PKEY		0xffff
#define SIM_PHYS_LINK_UP	5
#define SIM_GID_PREFIX		0xfe80000000000000ULL
#define SIM_NODE_DESC		"simulated ConnectX"

u8 sim_query_vport_context(struct sim *sim, struct sim_cmd *cmd)
{
	void *ctx = MLX5_ADDR_OF(query_hca_vport_context_out, cmd->out,
				 hca_vport_context);

#define SET(field, value) MLX5_SET(hca_vport_context, ctx, field, value)
	SET(has_smi, 0);
	SET(has_raw, 0);
	SET(port_physical_state, SIM_PHYS_LINK_UP);
	SET(port_state, IB_PORT_ACTIVE);
	SET(vport_state, IB_PORT_ACTIVE);
	SET(lid, SIM_LID);
	SET(cap_mask1, IB_PORT_CM_SUP | IB_PORT_SYS_IMAGE_GUID_SUP);
	SET(cap_mask1_field_select, IB_PORT_CM_SUP);
#undef SET
	MLX5_SET64(hca_vport_context, ctx, system_image_guid, SIM_GUID);
	MLX5_SET64(hca_vport_context, ctx, port_guid, SIM_GUID + 1);
	MLX5_SET64(hca_vport_context, ctx, node_guid, SIM_GUID);
	return MLX5_CMD_STAT_OK;
}

/* The first GID is the port's own, the others are not set. */
u8 sim_query_vport_gid(struct sim *sim, struct sim_cmd *cmd)
{
	u16 index = MLX5_GET(query_hca_vport_gid_in, cmd->in, gid_index);
	__be64 *gid = MLX5_ADDR_OF(query_hca_vport_gid_out, cmd->out, gid);

	MLX5_SET(query_hca_vport_gid_out, cmd->out, gids_num, 1);
	if (cmd->out_size < MLX5_ST_SZ_BYTES(query_hca_vport_gid_out) +
			    2 * sizeof(*gid))
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	gid[0] = cpu_to_be64(SIM_GID_PREFIX);
	gid[1] = index ? 0 : cpu_to_be64(SIM_GUID + 1);
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_vport_pkey(struct sim *sim, struct sim_cmd *cmd)
{
	u16 index = MLX5_GET(query_hca_vport_pkey_in, cmd->in, pkey_index);
	void *pkey = MLX5_ADDR_OF(query_hca_vport_pkey_out, cmd->out, pkey);

	if (cmd->out_size < MLX5_ST_SZ_BYTES(query_hca_vport_pkey_out) +
			    MLX5_ST_SZ_BYTES(pkey))
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	/* The driver may ask for the whole table, or for one of it. */
	if (index == 0 || index == U16_MAX)
		MLX5_SET(pkey, pkey, pkey, SIM_PKEY);
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_vport_state(struct sim *sim, struct sim_cmd *cmd)
{
	MLX5_SET(query_vport_state_out, cmd->out, admin_state, 1);
	MLX5_SET(query_vport_state_out, cmd->out, state, 1);
	return MLX5_CMD_STAT_OK;
}

static void sim_ptys(void *reg)
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

static void sim_pmtu(void *reg)
{
	MLX5_SET(pmtu_reg, reg, max_mtu, 4096);
	MLX5_SET(pmtu_reg, reg, admin_mtu, 4096);
	MLX5_SET(pmtu_reg, reg, oper_mtu, 4096);
}

static void sim_pvlc(void *reg)
{
	MLX5_SET(pvlc_reg, reg, vl_hw_cap, 1);
	MLX5_SET(pvlc_reg, reg, vl_admin, 1);
	MLX5_SET(pvlc_reg, reg, vl_operational, 1);
}

u8 sim_access_reg(struct sim *sim, struct sim_cmd *cmd)
{
	u32 size = cmd->out_size - MLX5_ST_SZ_BYTES(access_register_out);
	void *reg = MLX5_ADDR_OF(access_register_out, cmd->out, register_data);
	u8 buf[256] = {};

	switch (MLX5_GET(access_register_in, cmd->in, register_id)) {
	case MLX5_REG_PTYS:
		sim_ptys(buf);
		break;
	case MLX5_REG_PMTU:
		sim_pmtu(buf);
		break;
	case MLX5_REG_PVLC:
		sim_pvlc(buf);
		break;
	case MLX5_REG_NODE_DESC:
		strscpy(buf, SIM_NODE_DESC);
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
