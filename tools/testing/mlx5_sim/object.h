/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_OBJECT_H
#define SIM_OBJECT_H

/* The objects that commands create, and that work requests use. */

#include <linux/list.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/mlx5_ifc.h>
#include <linux/mlx5/qp.h>
#include <linux/xarray.h>
#include "bus.h"

#define SIM_LOG_MAX_MKEY	20
#define SIM_LOG_MAX_QP		16
#define SIM_LOG_MAX_CQ		16
#define SIM_LOG_MAX_SRQ	16
#define SIM_LOG_MAX_EQ		6
#define SIM_LOG_MAX_UCTX	8
#define SIM_LOG_MAX_QUEUE	15
#define SIM_LOG_MAX_CQE	22
#define SIM_MAX_WQE		1024
#define SIM_NUM_Q_COUNTERS	64

/* Stands for pages that are not there, and is no mkey. */
#define SIM_NULL_MKEY		0x00000200
/* The mkey is for any queue pair. */
#define SIM_ANY_QP		0xffffff
/* Any PD: a UMR QP may change mkeys of all. */
#define SIM_ANY_PD		U32_MAX

struct sim;

/* Of the first ones, the device knows no more than that they exist. */
enum sim_kind {
	SIM_PD,
	SIM_TD,
	SIM_XRCD,
	SIM_UAR,
	SIM_Q_COUNTER,
	SIM_UCTX,
	SIM_EQ,
	SIM_CQ,
	SIM_SRQ,
	SIM_QP,
	SIM_MKEY,
	SIM_NUM_KINDS,
};

/* What is particular of a kind: its numbers, and what to free but the number */
struct sim_kind_desc {
	struct xa_limit numbers;
	void (*free)(struct sim *sim, void *object);
};

/* All objects of a kind, by number */
struct sim_table {
	const struct sim_kind_desc *desc;
	struct xarray objects;
	u32 next;
	u32 count;
};

/**
 * struct sim_cmd - a command as its handler sees it
 * @in:		 what the driver wrote
 * @in_size:	 how much
 * @out:	 zeroed, to be filled; status and syndrome are not the handler's
 * @out_size:	 how much the driver expects
 * @kind:	 of object that it is about, if the table of commands says so
 * @object:	 that it names, if the table says that it names one
 */
struct sim_cmd {
	const void *in;
	u32 in_size;
	void *out;
	u32 out_size;
	enum sim_kind kind;
	void *object;
};

/* Handlers return MLX5_CMD_STAT_*, run under the lock and may sleep. */
typedef u8 (sim_cmd_fn)(struct sim *sim, struct sim_cmd *cmd);

struct sim_eq {
	u32 eqn;
	u64 events[4];
	struct sim_buf buf;
	u8 log_size;
	u32 uar;
	u32 vector;
	u32 producer;
};

struct sim_cq_ring {
	struct sim_buf buf;
	u8 log_size;
	u8 cqe_size;
	/* For 128-byte entries the 64 bytes that count are the last ones. */
	u8 cqe_offset;
};

struct sim_cq {
	u32 cqn;
	u32 eqn;
	struct sim_cq_ring ring;
	bool overrun_ignored;
	bool error;
	u32 producer;
	/* The entry after the last one that was solicited, or was an error. */
	u32 solicited;
	/* How many events were sent; arming for the next one carries it. */
	u32 arm_sn;
	__be32 *doorbell;
};

/* A shared receive queue, whatever kind the driver calls it. */
struct sim_srq {
	u32 srqn;
	u32 pd;
	struct sim_buf buf;
	u8 log_size;
	u8 log_stride;
	u16 head;
	u16 consumer;
	__be32 *doorbell;
};

enum sim_fault_state {
	SIM_FAULT_NONE,
	SIM_FAULT_RAISED,
	SIM_FAULT_FAILED,
};

/* Of a queue that needs a page that is not there. */
struct sim_page_fault {
	enum sim_fault_state state;
	u32 token;
	unsigned long give_up;
	unsigned int num_raised;
};

/* What an access has met no page at, and how much it needs from there on. */
struct sim_missing {
	u64 addr;
	u32 key;
	u32 length;
	/* The work request in whose list it is, if it is in one. */
	bool in_wqe;
	u8 wq_type;
	u16 wqe_index;
	u32 wqn;
};

/* Page faults: those that were raised; may the access in work raise one? */
struct sim_odp {
	struct xarray raised;
	u32 next;
	u64 num_raised;
	struct sim_missing missing;
	bool may_fault;
};

/* The doorbell record of a QP: how far the driver has posted. */
enum {
	SIM_QP_DB_RECEIVE,
	SIM_QP_DB_SEND,
};

struct sim_qp {
	u32 qpn;
	u8 state;
	u8 type;
	u8 context[MLX5_ST_SZ_BYTES(qpc)];
	struct sim_buf buf;
	u32 sq_offset;
	u8 log_sq_size;
	u8 log_rq_size;
	u8 log_rq_stride;
	bool has_sq;
	bool has_rq;
	u16 sq_consumer;
	u16 rq_consumer;
	__be32 *doorbell;
	/* When to stop waiting for a peer that is not ready; 0 is not waiting. */
	unsigned long give_up;
	/* Stuck at a UMR that does not end, until it is reset. */
	bool stuck;
	struct sim_page_fault fault;
	struct list_head list;
};

struct sim_mkey {
	u32 index;
	/* Entries say whether they are present and writable. */
	bool pg_access;
	u8 context[MLX5_ST_SZ_BYTES(mkc)];
	u32 octowords;
	__be64 *xlt;
};

/* How many may be, and were; what all of them take of the firmware's memory */
struct sim_mkeys {
	u32 max;
	u32 peak;
	u64 bytes;
};

enum sim_rights {
	SIM_LOCAL_READ = BIT(0),
	SIM_LOCAL_WRITE = BIT(1),
	SIM_REMOTE_READ = BIT(2),
	SIM_REMOTE_WRITE = BIT(3),
	SIM_REMOTE_ATOMIC = BIT(4),
};

/* All commands that name an object have its number at the same place. */
static inline u32 sim_cmd_number(const struct sim_cmd *cmd)
{
	return MLX5_GET(query_qp_in, cmd->in, qpn);
}

static inline u32 sim_qp_pd(const struct sim_qp *qp)
{
	/* The driver's own UMR queue belongs to no PD and may use any. */
	return qp->type == MLX5_QP_ST_REG_UMR ? SIM_ANY_PD :
		MLX5_GET(qpc, qp->context, pd);
}

/* object.c */
#define sim_for_each(sim, kind, i, object) \
	xa_for_each(&(sim)->tables[kind].objects, i, object)

void sim_objects_init(struct sim *sim, const struct sim_kind_desc *descs);
void sim_objects_reset(struct sim *sim);
u8 sim_object_add(struct sim *sim, enum sim_kind kind, void *object,
		  u32 *number);
void *sim_object_get(struct sim *sim, enum sim_kind kind, u32 number);
sim_cmd_fn sim_alloc_resource, sim_destroy_object;

/* eq.c */
void sim_eq_event(struct sim *sim, struct sim_eq *eq, u8 type, u8 subtype,
		  const union ev_data *data);
void sim_async_event(struct sim *sim, u8 type, const union ev_data *data);
struct sim_eq *sim_eq_for(struct sim *sim, u8 type);
void sim_eq_free(struct sim *sim, void *object);
sim_cmd_fn sim_create_eq, sim_query_eq;

/* cq.c */
void sim_cq_push(struct sim *sim, u32 cqn, struct mlx5_cqe64 *cqe,
		 bool solicited);
bool sim_cq_poll(struct sim *sim);
void sim_cq_free(struct sim *sim, void *object);
sim_cmd_fn sim_create_cq, sim_query_cq, sim_modify_cq;

/* srq.c */
bool sim_srq_pop(struct sim_srq *srq, void *wqe, u32 *size, u16 *index);
void sim_srq_unpop(struct sim_srq *srq, u16 index);
bool sim_srq_uses_pd(struct sim *sim, u32 pd);
void sim_srq_free(struct sim *sim, void *object);
sim_cmd_fn sim_create_rmp, sim_query_rmp, sim_modify_rmp;
sim_cmd_fn sim_create_xrc_srq, sim_query_xrc_srq, sim_arm_xrc_srq;

/* odp.c */
void sim_fault_permit(struct sim *sim, const struct sim_page_fault *fault);
int sim_fault_miss(struct sim *sim, u32 key, u64 addr, u32 length);
void sim_fault_miss_wqe(struct sim *sim, u8 wq_type, u32 wqn, u16 index);
void sim_fault_settle(struct sim *sim, struct sim_page_fault *fault,
		      bool missed);
void sim_fault_end(struct sim *sim, struct sim_page_fault *fault);
bool sim_fault_pending(struct sim *sim, struct sim_page_fault *fault);
void sim_fault_init(struct sim *sim);
void sim_fault_reset(struct sim *sim);
sim_cmd_fn sim_page_fault_resume;

/* qp.c */
void sim_qp_error(struct sim *sim, struct sim_qp *qp);
void sim_qp_event(struct sim *sim, struct sim_qp *qp, u8 type);
bool sim_qp_uses_pd(struct sim *sim, u32 pd);
void sim_qp_free(struct sim *sim, void *object);
sim_cmd_fn sim_create_qp, sim_query_qp;
sim_cmd_fn sim_rst2init_qp, sim_init2init_qp, sim_init2rtr_qp;
sim_cmd_fn sim_rtr2rts_qp, sim_rts2rts_qp;
sim_cmd_fn sim_2err_qp, sim_2rst_qp;

/* mkey.c */
struct sim_mkey *sim_mkey_get(struct sim *sim, u32 key);
int sim_mkey_access(struct sim *sim, u32 key, u32 pd, u64 addr, void *data,
		    u32 length, enum sim_rights rights);
int sim_mkey_atomic(struct sim *sim, u32 key, u32 pd, u64 addr,
		    u64 (*op)(u64 old, const u64 *operands),
		    const u64 *operands, u64 *old);
int sim_mkey_invalidate(struct sim *sim, u32 key, u32 pd);
bool sim_mkey_uses_pd(struct sim *sim, u32 pd);
void sim_mkey_free(struct sim *sim, void *object);
sim_cmd_fn sim_create_mkey, sim_query_mkey;

/* pd.c */
sim_cmd_fn sim_dealloc_pd;

#endif /* SIM_OBJECT_H */
