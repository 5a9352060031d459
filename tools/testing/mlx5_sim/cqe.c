// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Completions of work requests. */

#include "sim.h"

static u32 sim_user_index(struct sim_qp *qp)
{
	return MLX5_GET(qpc, qp->context, user_index);
}

void sim_complete_error(struct sim *sim, struct sim_qp *qp, bool requester,
			u16 index, u8 opcode, u8 syndrome)
{
	union {
		struct mlx5_err_cqe error;
		struct mlx5_cqe64 cqe;
	} u = {};

	u.error.srqn = cpu_to_be32(sim_user_index(qp));
	u.error.syndrome = syndrome;
	u.error.s_wqe_opcode_qpn = cpu_to_be32(opcode << 24 | qp->qpn);
	u.error.wqe_counter = cpu_to_be16(index);
	u.error.op_own = (requester ? MLX5_CQE_REQ_ERR :
				      MLX5_CQE_RESP_ERR) << 4;
	sim_cq_push(sim, requester ? MLX5_GET(qpc, qp->context, cqn_snd) :
				       MLX5_GET(qpc, qp->context, cqn_rcv),
		    &u.cqe, true);
}

void sim_complete_send(struct sim *sim, struct sim_qp *qp, u16 index,
		       u8 opcode, u32 byte_count)
{
	struct mlx5_cqe64 cqe = {};

	cqe.srqn = cpu_to_be32(sim_user_index(qp));
	cqe.byte_cnt = cpu_to_be32(byte_count);
	cqe.sop_drop_qpn = cpu_to_be32(opcode << 24 | qp->qpn);
	cqe.wqe_counter = cpu_to_be16(index);
	cqe.op_own = MLX5_CQE_REQ << 4;
	sim_cq_push(sim, MLX5_GET(qpc, qp->context, cqn_snd), &cqe, false);
}

void sim_complete_recv(struct sim *sim, struct sim_qp *qp,
		       const struct sim_recv *recv, u32 from, bool solicited)
{
	struct mlx5_cqe64 cqe = {};

	cqe.srqn = cpu_to_be32(sim_user_index(qp));
	cqe.slid = cpu_to_be16(SIM_LID);
	cqe.flags_rqpn = cpu_to_be32(from);
	cqe.immediate = recv->immediate;
	cqe.byte_cnt = cpu_to_be32(recv->byte_count);
	cqe.sop_drop_qpn = cpu_to_be32(qp->qpn);
	cqe.wqe_counter = cpu_to_be16(recv->index);
	cqe.op_own = recv->opcode << 4;
	sim_cq_push(sim, MLX5_GET(qpc, qp->context, cqn_rcv), &cqe,
		    solicited);
}
