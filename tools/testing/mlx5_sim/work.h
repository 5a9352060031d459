/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_WORK_H
#define SIM_WORK_H

/* Work requests: how they are carried out, and completed. */

#include <linux/mlx5/cq.h>
#include "object.h"

/* The LID of the port, which all that is received comes from. */
#define SIM_LID			1

/* No syndromes: the peer is not ready, or a page is missing; try again later. */
#define SIM_LATER		0xff
#define SIM_FAULT		0xfe

/* A list of memory, out of the data segments of a WQE. */
struct sim_sge {
	u64 addr;
	u32 key;
	u32 length;
	/* The data itself, if it is in the WQE. */
	const void *data;
};

struct sim_sgl {
	struct sim_sge sge[SIM_MAX_WQE / sizeof(struct mlx5_wqe_data_seg)];
	u32 count;
	u64 length;
};

/* The WQEs in work, their lists, and where a message passes through */
struct sim_work {
	u8 wqe[SIM_MAX_WQE];
	u8 recv_wqe[SIM_MAX_WQE];
	struct sim_sgl local;
	struct sim_sgl remote;
	u8 bounce[SZ_4K];
};

/* How many UMRs were carried out, and how many of the next ones are to fail, or
 * not to end
 */
struct sim_umrs {
	u64 done;
	u32 fail;
	u32 lose;
};

/* A work request of @qp, for @peer; @segs follow the control segment. */
struct sim_request {
	struct sim_qp *qp;
	struct sim_qp *peer;
	const struct mlx5_wqe_ctrl_seg *ctrl;
	u8 opcode;
	const void *segs;
	u32 size;
};

/* What the receiver gets to know */
struct sim_recv {
	u16 index;
	u32 byte_count;
	__be32 immediate;
	u8 opcode;
};

/* cqe.c */
void sim_complete_error(struct sim *sim, struct sim_qp *qp, bool requester,
			u16 index, u8 opcode, u8 syndrome);
void sim_complete_send(struct sim *sim, struct sim_qp *qp, u16 index,
		       u8 opcode, u32 byte_count);
void sim_complete_recv(struct sim *sim, struct sim_qp *qp,
		       const struct sim_recv *recv, u32 from, bool solicited);

/* sgl.c */
bool sim_sgl_parse(struct sim_sgl *sgl, const void *segs, u32 size,
		   bool receive);
int sim_sgl_copy(struct sim *sim, u32 pd, const struct sim_sgl *sgl,
		 u64 offset, void *data, u32 length, enum sim_rights rights);

/* recv.c */
bool sim_recv_pop(struct sim *sim, struct sim_qp *qp, u32 *size, u16 *index);
void sim_recv_unpop(struct sim *sim, struct sim_qp *qp, u16 index);
u8 sim_recv_missed(struct sim *sim, const struct sim_qp *qp, u16 index);
bool sim_recv_flush(struct sim *sim, struct sim_qp *qp);

/* umr.c */
u8 sim_umr(struct sim *sim, struct sim_qp *qp, const void *wqe, u32 size);

/* transport.c */
u8 sim_rc(struct sim *sim, struct sim_request *r);
u8 sim_ud(struct sim *sim, struct sim_request *r);

/* work.c */
bool sim_work_poll(struct sim *sim);

#endif /* SIM_WORK_H */
