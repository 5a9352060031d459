// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The table of commands, and how one is carried out, or failed. */

#include "sim.h"

/* What needs no answer, or has one that is all 0, and has no effect */
static u8 sim_accept(struct sim *sim, struct sim_cmd *cmd)
{
	return MLX5_CMD_STAT_OK;
}

/* @of: it names an object of @kind, which has to exist. */
static const struct sim_command {
	u16 opcode;
	sim_cmd_fn *exec;
	enum sim_kind kind;
	bool of;
	u16 in_size;
	u16 out_size;
} sim_commands[] = {
#define COMMAND(_opcode, _layout, _exec, _kind, _of) {		\
	.opcode = MLX5_CMD_OP_##_opcode,			\
	.exec = _exec,						\
	.kind = _kind,						\
	.of = _of,						\
	.in_size = MLX5_ST_SZ_BYTES(_layout##_in),		\
	.out_size = MLX5_ST_SZ_BYTES(_layout##_out),		\
}

#define CMD(_opcode, _layout, _exec) \
	COMMAND(_opcode, _layout, _exec, SIM_NUM_KINDS, false)
#define ALLOC(_kind, _opcode, _layout) \
	COMMAND(_opcode, _layout, sim_alloc_resource, _kind, false)
#define OF(_kind, _opcode, _layout, _exec) \
	COMMAND(_opcode, _layout, _exec, _kind, true)

	CMD(ENABLE_HCA, enable_hca, sim_accept),
	CMD(DISABLE_HCA, disable_hca, sim_accept),
	CMD(INIT_HCA, init_hca, sim_init_hca),
	CMD(TEARDOWN_HCA, teardown_hca, sim_teardown_hca),
	CMD(QUERY_ISSI, query_issi, sim_query_issi),
	CMD(SET_ISSI, set_issi, sim_set_issi),
	CMD(QUERY_HCA_CAP, query_hca_cap, sim_query_hca_cap),
	CMD(SET_HCA_CAP, set_hca_cap, sim_set_hca_cap),
	CMD(QUERY_ADAPTER, query_adapter, sim_query_adapter),
	CMD(SET_DRIVER_VERSION, set_driver_version, sim_accept),
	CMD(QUERY_SPECIAL_CONTEXTS, query_special_contexts,
	    sim_query_special_contexts),

	CMD(QUERY_PAGES, query_pages, sim_query_pages),
	CMD(MANAGE_PAGES, manage_pages, sim_manage_pages),

	ALLOC(SIM_UAR, ALLOC_UAR, alloc_uar),
	OF(SIM_UAR, DEALLOC_UAR, dealloc_uar, sim_destroy_object),
	ALLOC(SIM_PD, ALLOC_PD, alloc_pd),
	OF(SIM_PD, DEALLOC_PD, dealloc_pd, sim_dealloc_pd),
	ALLOC(SIM_UCTX, CREATE_UCTX, create_uctx),
	OF(SIM_UCTX, DESTROY_UCTX, destroy_uctx, sim_destroy_object),
	ALLOC(SIM_XRCD, ALLOC_XRCD, alloc_xrcd),
	OF(SIM_XRCD, DEALLOC_XRCD, dealloc_xrcd, sim_destroy_object),
	ALLOC(SIM_TD, ALLOC_TRANSPORT_DOMAIN, alloc_transport_domain),
	OF(SIM_TD, DEALLOC_TRANSPORT_DOMAIN, dealloc_transport_domain,
	   sim_destroy_object),
	ALLOC(SIM_Q_COUNTER, ALLOC_Q_COUNTER, alloc_q_counter),
	OF(SIM_Q_COUNTER, DEALLOC_Q_COUNTER, dealloc_q_counter,
	   sim_destroy_object),
	CMD(QUERY_Q_COUNTER, query_q_counter, sim_accept),

	CMD(CREATE_MKEY, create_mkey, sim_create_mkey),
	OF(SIM_MKEY, DESTROY_MKEY, destroy_mkey, sim_destroy_object),
	OF(SIM_MKEY, QUERY_MKEY, query_mkey, sim_query_mkey),
	CMD(PAGE_FAULT_RESUME, page_fault_resume, sim_page_fault_resume),

	CMD(CREATE_EQ, create_eq, sim_create_eq),
	OF(SIM_EQ, DESTROY_EQ, destroy_eq, sim_destroy_object),
	OF(SIM_EQ, QUERY_EQ, query_eq, sim_query_eq),

	CMD(CREATE_CQ, create_cq, sim_create_cq),
	OF(SIM_CQ, DESTROY_CQ, destroy_cq, sim_destroy_object),
	OF(SIM_CQ, QUERY_CQ, query_cq, sim_query_cq),
	OF(SIM_CQ, MODIFY_CQ, modify_cq, sim_modify_cq),

	CMD(CREATE_QP, create_qp, sim_create_qp),
	OF(SIM_QP, DESTROY_QP, destroy_qp, sim_destroy_object),
	OF(SIM_QP, QUERY_QP, query_qp, sim_query_qp),
	OF(SIM_QP, RST2INIT_QP, rst2init_qp, sim_rst2init_qp),
	OF(SIM_QP, INIT2INIT_QP, init2init_qp, sim_init2init_qp),
	OF(SIM_QP, INIT2RTR_QP, init2rtr_qp, sim_init2rtr_qp),
	OF(SIM_QP, RTR2RTS_QP, rtr2rts_qp, sim_rtr2rts_qp),
	OF(SIM_QP, RTS2RTS_QP, rts2rts_qp, sim_rts2rts_qp),
	OF(SIM_QP, 2ERR_QP, qp_2err, sim_2err_qp),
	OF(SIM_QP, 2RST_QP, qp_2rst, sim_2rst_qp),

	CMD(CREATE_RMP, create_rmp, sim_create_rmp),
	OF(SIM_SRQ, DESTROY_RMP, destroy_rmp, sim_destroy_object),
	OF(SIM_SRQ, QUERY_RMP, query_rmp, sim_query_rmp),
	OF(SIM_SRQ, MODIFY_RMP, modify_rmp, sim_accept),
	CMD(CREATE_XRC_SRQ, create_xrc_srq, sim_create_xrc_srq),
	OF(SIM_SRQ, DESTROY_XRC_SRQ, destroy_xrc_srq, sim_destroy_object),
	OF(SIM_SRQ, QUERY_XRC_SRQ, query_xrc_srq, sim_query_xrc_srq),
	OF(SIM_SRQ, ARM_XRC_SRQ, arm_xrc_srq, sim_accept),

	CMD(QUERY_HCA_VPORT_CONTEXT, query_hca_vport_context,
	    sim_query_vport_context),
	CMD(MODIFY_HCA_VPORT_CONTEXT, modify_hca_vport_context, sim_accept),
	CMD(QUERY_HCA_VPORT_GID, query_hca_vport_gid, sim_query_vport_gid),
	CMD(QUERY_HCA_VPORT_PKEY, query_hca_vport_pkey, sim_query_vport_pkey),
	CMD(QUERY_VPORT_STATE, query_vport_state, sim_query_vport_state),
	CMD(QUERY_VPORT_COUNTER, query_vport_counter, sim_accept),
	CMD(ACCESS_REG, access_register, sim_access_reg),
#undef OF
#undef ALLOC
#undef CMD
#undef COMMAND
};

static const struct sim_command *sim_command_of(u16 opcode)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(sim_commands); i++)
		if (sim_commands[i].opcode == opcode)
			return &sim_commands[i];
	return NULL;
}

static u8 sim_dispatch(struct sim *sim, struct sim_cmd *cmd, u16 opcode)
{
	const struct sim_command *command = sim_command_of(opcode);

	if (!command) {
		pr_warn_ratelimited("mlx5_sim: command 0x%x is not implemented\n",
				    opcode);
		return MLX5_CMD_STAT_BAD_OP_ERR;
	}
	if (cmd->in_size < command->in_size)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	if (cmd->out_size < command->out_size)
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	cmd->kind = command->kind;
	if (command->of) {
		cmd->object = sim_object_get(sim, cmd->kind,
					     sim_cmd_number(cmd));
		if (!cmd->object)
			return MLX5_CMD_STAT_BAD_RES_ERR;
	}
	return command->exec(sim, cmd);
}

/* What the next command of this opcode ends with: 0 is not failed. */
static u8 sim_failure_status(struct sim *sim, u16 opcode)
{
	int i;

	for (i = 0; i < SIM_MAX_FAILURES; i++) {
		struct sim_failure *f = &sim->failures[i];

		if (f->opcode == opcode && f->count) {
			f->count--;
			return f->status;
		}
	}
	return 0;
}

/* The failure of this opcode, or one that is free, or NULL */
static struct sim_failure *sim_failure_of(struct sim *sim, u16 opcode)
{
	struct sim_failure *unused = NULL, *f;
	int i;

	for (i = 0; i < SIM_MAX_FAILURES; i++) {
		f = &sim->failures[i];
		if (f->opcode == opcode)
			return f;
		if (!f->count)
			unused = f;
	}
	return unused;
}

/* The next @count commands are to end with @status. */
int sim_fail_command(struct sim *sim, u16 opcode, u32 count, u8 status)
{
	struct sim_failure *f;

	mutex_lock(&sim->lock);
	f = sim_failure_of(sim, opcode);
	if (f)
		*f = (struct sim_failure){
			.opcode = opcode,
			.count = count,
			.status = status,
		};
	mutex_unlock(&sim->lock);
	return f ? 0 : -ENOSPC;
}

/* Carries out what is in the buffers; false if the command got lost. */
bool sim_cmd_exec(struct sim *sim, struct sim_cmd *cmd)
{
	u16 opcode = MLX5_GET(enable_hca_in, cmd->in, opcode);
	u8 status = sim_failure_status(sim, opcode);

	if (status == SIM_STATUS_LOST)
		return false;
	if (!status)
		status = sim_dispatch(sim, cmd, opcode);
	sim_pages_update(sim);
	if (status)
		memset(cmd->out, 0, cmd->out_size);
	MLX5_SET(enable_hca_out, cmd->out, status, status);
	return true;
}
