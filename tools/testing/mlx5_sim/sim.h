/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_H
#define SIM_H

#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/driver.h>
#include <linux/mlx5/mlx5_ifc.h>
#include <linux/mlx5/qp.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

/*
 * The BAR, in pages: the initialization segment, the MSI-X table with its
 * pending bits, then the doorbell pages (UARs) up to the end.
 */
#define SIM_BAR_SIZE		SZ_16M
#define SIM_MSIX_TABLE		SZ_16K
#define SIM_MSIX_PBA		(SZ_16K + SZ_4K)
#define SIM_FIRST_UAR		16
#define SIM_NUM_UARS		(SIM_BAR_SIZE / SZ_4K)
#define SIM_NUM_VECTORS	8

/* The command queue: 32 slots of 64 bytes. */
#define SIM_LOG_SLOTS		5
#define SIM_LOG_SLOT_SIZE	6
#define SIM_NUM_SLOTS		BIT(SIM_LOG_SLOTS)

#define SIM_LOG_MAX_MKEY	20
#define SIM_LOG_MAX_QP		16
#define SIM_LOG_MAX_CQ		16
#define SIM_LOG_MAX_SRQ	16
#define SIM_LOG_MAX_EQ		6
#define SIM_LOG_MAX_UCTX	8
#define SIM_LOG_MAX_QUEUE	15
#define SIM_LOG_MAX_CQE	22
#define SIM_LOG_MAX_MSG	30
#define SIM_MAX_WQE		1024
#define SIM_NUM_Q_COUNTERS	64
#define SIM_GUID		0x00d0ca0000000001ULL
#define SIM_LID		1

/* Stands for pages that are not there, and is no mkey. */
#define SIM_NULL_MKEY		0x00000200
/* The mkey is for any queue pair. */
#define SIM_ANY_QP		0xffffff

/* Any PD: a UMR QP may change mkeys of all. */
#define SIM_ANY_PD		U32_MAX

/* Objects of which the device knows no more than that they exist. */
enum sim_resource {
	SIM_PD,
	SIM_TD,
	SIM_XRCD,
	SIM_UAR,
	SIM_Q_COUNTER,
	SIM_UCTX,
	SIM_NUM_RESOURCES,
};

struct sim;

struct sim_irq {
	struct irq_work work;
	unsigned int virq;
};

/* A ring or queue in the driver's memory: the pages that a command listed. */
struct sim_buf {
	u64 *pages;
	u32 num_pages;
	u8 page_shift;
	u32 offset;
};

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

/* Commands to be failed: @count of @opcode, with @status. */
struct sim_fault {
	u16 opcode;
	u32 count;
	u8 status;
};

#define SIM_MAX_FAULTS		16
/* Instead of a status: the command never completes. */
#define SIM_STATUS_LOST	0xff

struct sim {
	/* pci.c */
	struct platform_device *parent;
	struct pci_host_bridge *bridge;
	struct pci_sysdata sysdata;
	struct irq_domain *irq_domain;
	struct sim_irq irqs[SIM_NUM_VECTORS];
	struct resource window;
	struct resource busn;
	u8 config[PCI_CFG_SPACE_SIZE];
	u8 writable[PCI_CFG_SPACE_SIZE];
	bool absent;

	/* BAR 0, as the device sees it. */
	void __iomem *bar;
	struct mlx5_init_seg __iomem *iseg;

	/* Everything below. */
	struct mutex lock;
	struct task_struct *adapter;

	/* cmd.c */
	struct mlx5_cmd_layout *slots;
	struct kprobe doorbell_probe;
	/* Bits for slots: rung for, seen to be, in work, and not to end. */
	atomic_t doorbell;
	unsigned long rung_slots;
	unsigned long busy_slots;
	unsigned long lost_slots;
	int next_slot;
	/* When those that are in work have taken their time, in ns */
	u64 due[SIM_NUM_SLOTS];
	u64 num_commands;
	u32 peak_commands;
	struct sim_fault faults[SIM_MAX_FAULTS];

	/* caps.c */
	u8 (*caps)[2][MLX5_UN_SZ_BYTES(hca_cap_union)];
	struct xarray resources[SIM_NUM_RESOURCES];
	bool initialized;
	bool devx;
	bool short_umrs;
	bool fixed_pages;

	/* pages.c */
	u64 *pages;
	u32 num_pages;
	u32 max_pages;
	u64 bytes_used;
	bool pages_asked;

	struct xarray eqs;
	struct xarray cqs;
	struct xarray srqs;
	struct xarray qps;
	struct list_head qp_list;
	struct xarray mkeys;
	u32 next_eqn;
	u32 next_cqn;
	u32 next_srqn;
	u32 next_qpn;
	u32 next_mkey;
	u32 num_mkeys;
	u32 peak_mkeys;
	u32 leaked_mkeys;
	u32 leaked_objects;
	u64 num_umrs;

	/* odp.c: those that were raised; may the access in work raise one? */
	bool transport_faults;
	struct xarray page_faults;
	u32 next_fault;
	u64 num_page_faults;
	struct sim_missing missing;
	bool may_fault;

	/* debugfs.c */
	struct dentry *debugfs;
	u32 command_time_us;
	u32 create_time_us;
	u32 destroy_time_us;
	u32 commands_at_once;
	u32 command_timeout_ms;
	u32 max_mkeys;
	u32 fail_umrs;

	/* wqe.c: the WQEs in work, and where a message passes through. */
	u8 wqe[SIM_MAX_WQE];
	u8 recv_wqe[SIM_MAX_WQE];
	struct sim_sgl local;
	struct sim_sgl remote;
	u8 bounce[SZ_4K];
};

/**
 * struct sim_cmd - a command as its handler sees it
 * @in:		 what the driver wrote
 * @in_size:	 how much
 * @out:	 zeroed, to be filled; status and syndrome are not the handler's
 * @out_size:	 how much the driver expects
 */
struct sim_cmd {
	const void *in;
	u32 in_size;
	void *out;
	u32 out_size;
};

/* Handlers return MLX5_CMD_STAT_*, run under the lock and may sleep. */
typedef u8 (sim_cmd_fn)(struct sim *sim, struct sim_cmd *cmd);

/* pci.c */
int sim_pci_init(struct sim *sim);
int sim_pci_add(struct sim *sim);
void sim_pci_cleanup(struct sim *sim);
void sim_pci_remove_device(struct sim *sim);
void sim_pci_insert_device(struct sim *sim);
void sim_raise_irq(struct sim *sim, u32 vector);

/* main.c */
void sim_reset(struct sim *sim);
void sim_reset_objects(struct sim *sim);

/* seg.c */
void sim_seg_init(struct sim *sim);
bool sim_seg_poll(struct sim *sim);
void sim_seg_fatal(struct sim *sim);

/* cmd.c */
int sim_cmd_init(struct sim *sim);
void sim_cmd_cleanup(struct sim *sim);
u32 sim_cmd_rung(struct sim *sim);
bool sim_cmd_poll(struct sim *sim, u32 rung);
u64 sim_cmd_next(struct sim *sim);
void sim_cmd_reset(struct sim *sim);
void sim_cmd_end_lost(struct sim *sim);

/* caps.c */
int sim_caps_init(struct sim *sim);
void sim_caps_cleanup(struct sim *sim);
void sim_caps_reset(struct sim *sim);
bool sim_resource_exists(struct sim *sim, enum sim_resource kind, u32 id);
sim_cmd_fn sim_enable_hca, sim_disable_hca, sim_init_hca, sim_teardown_hca;
sim_cmd_fn sim_query_issi, sim_set_issi, sim_query_adapter;
sim_cmd_fn sim_query_hca_cap, sim_set_hca_cap, sim_accept;
sim_cmd_fn sim_query_special_contexts, sim_query_q_counter;
sim_cmd_fn sim_alloc_resource, sim_dealloc_resource;

/* port.c */
sim_cmd_fn sim_query_vport_context, sim_query_vport_gid;
sim_cmd_fn sim_query_vport_pkey, sim_query_vport_state;
sim_cmd_fn sim_query_vport_counter, sim_access_reg;

/* pages.c */
void sim_pages_use(struct sim *sim, s64 bytes);
void sim_pages_reset(struct sim *sim);
sim_cmd_fn sim_query_pages, sim_manage_pages;

/* eq.c */
void sim_eq_event(struct sim *sim, struct sim_eq *eq, u8 type, u8 subtype,
		  const union ev_data *data);
void sim_async_event(struct sim *sim, u8 type, const union ev_data *data);
struct sim_eq *sim_eq_for(struct sim *sim, u8 type);
void sim_eq_reset(struct sim *sim);
sim_cmd_fn sim_create_eq, sim_destroy_eq, sim_query_eq;

/* cq.c */
void sim_cq_push(struct sim *sim, u32 cqn, struct mlx5_cqe64 *cqe,
		 bool solicited);
bool sim_cq_poll(struct sim *sim);
void sim_cq_reset(struct sim *sim);
sim_cmd_fn sim_create_cq, sim_destroy_cq, sim_query_cq, sim_modify_cq;

/* qp.c */
void sim_qp_error(struct sim *sim, struct sim_qp *qp);
void sim_qp_event(struct sim *sim, struct sim_qp *qp, u8 type);
bool sim_qp_uses_pd(struct sim *sim, u32 pd);
void sim_qp_reset(struct sim *sim);
sim_cmd_fn sim_create_qp, sim_destroy_qp, sim_query_qp;
sim_cmd_fn sim_rst2init_qp, sim_init2init_qp, sim_init2rtr_qp;
sim_cmd_fn sim_rtr2rts_qp, sim_rts2rts_qp;
sim_cmd_fn sim_2err_qp, sim_2rst_qp;

static inline u32 sim_qp_pd(const struct sim_qp *qp)
{
	/* The driver's own UMR queue belongs to no PD and may use any. */
	return qp->type == MLX5_QP_ST_REG_UMR ? SIM_ANY_PD :
		MLX5_GET(qpc, qp->context, pd);
}

/* srq.c */
struct sim_srq *sim_srq_get(struct sim *sim, u32 srqn);
bool sim_srq_pop(struct sim_srq *srq, void *wqe, u32 *size, u16 *index);
void sim_srq_unpop(struct sim_srq *srq, u16 index);
bool sim_srq_uses_pd(struct sim *sim, u32 pd);
void sim_srq_reset(struct sim *sim);
sim_cmd_fn sim_create_rmp, sim_destroy_rmp, sim_query_rmp, sim_modify_rmp;
sim_cmd_fn sim_create_xrc_srq, sim_destroy_xrc_srq, sim_query_xrc_srq;
sim_cmd_fn sim_arm_xrc_srq;

/* wqe.c */
bool sim_qp_poll(struct sim *sim);

/* umr.c */
u8 sim_umr(struct sim *sim, struct sim_qp *qp, const void *wqe, u32 size);

/* mkey.c */
enum sim_rights {
	SIM_LOCAL_READ = BIT(0),
	SIM_LOCAL_WRITE = BIT(1),
	SIM_REMOTE_READ = BIT(2),
	SIM_REMOTE_WRITE = BIT(3),
	SIM_REMOTE_ATOMIC = BIT(4),
};

struct sim_mkey *sim_mkey_get(struct sim *sim, u32 key);
int sim_mkey_access(struct sim *sim, u32 key, u32 pd, u64 addr, void *data,
		    u32 length, enum sim_rights rights);
int sim_mkey_atomic(struct sim *sim, u32 key, u32 pd, u64 addr,
		    u64 (*op)(u64 old, const u64 *operands),
		    const u64 *operands, u64 *old);
int sim_mkey_invalidate(struct sim *sim, u32 key, u32 pd);
bool sim_mkey_uses_pd(struct sim *sim, u32 pd);
void sim_mkey_reset(struct sim *sim);
sim_cmd_fn sim_create_mkey, sim_destroy_mkey, sim_query_mkey;

/* odp.c */
void sim_fault_raise(struct sim *sim, struct sim_page_fault *fault);
void sim_fault_end(struct sim *sim, struct sim_page_fault *fault);
bool sim_fault_pending(struct sim *sim, struct sim_page_fault *fault);
void sim_fault_reset(struct sim *sim);
sim_cmd_fn sim_page_fault_resume;

/* dma.c */
void *sim_dma(u64 addr, u32 length);
int sim_dma_copy(u64 addr, void *data, u32 length, bool write);
int sim_buf_init(struct sim_buf *buf, const __be64 *pages, u32 room,
		 u32 size, u8 page_shift, u32 page_offset);
void sim_buf_free(struct sim_buf *buf);
void *sim_buf_at(const struct sim_buf *buf, u32 offset, u32 length);

/* debugfs.c */
void sim_debugfs_init(struct sim *sim);
void sim_debugfs_cleanup(struct sim *sim);
u8 sim_fault_status(struct sim *sim, u16 opcode);

#endif /* SIM_H */
