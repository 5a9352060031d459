/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef VHCA_H
#define VHCA_H

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
#define VHCA_BAR_SIZE		SZ_16M
#define VHCA_MSIX_TABLE		SZ_16K
#define VHCA_MSIX_PBA		(SZ_16K + SZ_4K)
#define VHCA_FIRST_UAR		16
#define VHCA_NUM_UARS		(VHCA_BAR_SIZE / SZ_4K)
#define VHCA_NUM_VECTORS	8

/* The command queue: 32 slots of 64 bytes. */
#define VHCA_LOG_SLOTS		5
#define VHCA_LOG_SLOT_SIZE	6
#define VHCA_NUM_SLOTS		BIT(VHCA_LOG_SLOTS)

#define VHCA_LOG_MAX_MKEY	20
#define VHCA_LOG_MAX_QP		16
#define VHCA_LOG_MAX_CQ		16
#define VHCA_LOG_MAX_SRQ	16
#define VHCA_LOG_MAX_EQ		6
#define VHCA_LOG_MAX_UCTX	8
#define VHCA_LOG_MAX_QUEUE	15
#define VHCA_LOG_MAX_CQE	22
#define VHCA_LOG_MAX_MSG	30
#define VHCA_MAX_WQE		1024
#define VHCA_NUM_Q_COUNTERS	64
#define VHCA_GUID		0x00d0ca0000000001ULL
#define VHCA_LID		1

/* Stands for pages that are not there, and is no mkey. */
#define VHCA_NULL_MKEY		0x00000200
/* The mkey is for any queue pair. */
#define VHCA_ANY_QP		0xffffff

/* Any PD: a UMR QP may change mkeys of all. */
#define VHCA_ANY_PD		U32_MAX

/* Objects of which the device knows no more than that they exist. */
enum vhca_resource {
	VHCA_PD,
	VHCA_TD,
	VHCA_XRCD,
	VHCA_UAR,
	VHCA_Q_COUNTER,
	VHCA_UCTX,
	VHCA_NUM_RESOURCES,
};

struct vhca;

struct vhca_irq {
	struct irq_work work;
	unsigned int virq;
};

/* A ring or queue in the driver's memory: the pages that a command listed. */
struct vhca_buf {
	u64 *pages;
	u32 num_pages;
	u8 page_shift;
	u32 offset;
};

struct vhca_eq {
	u32 eqn;
	u64 events[4];
	struct vhca_buf buf;
	u8 log_size;
	u32 uar;
	u32 vector;
	u32 producer;
};

struct vhca_cq_ring {
	struct vhca_buf buf;
	u8 log_size;
	u8 cqe_size;
	/* For 128-byte entries the 64 bytes that count are the last ones. */
	u8 cqe_offset;
};

struct vhca_cq {
	u32 cqn;
	u32 eqn;
	struct vhca_cq_ring ring;
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
struct vhca_srq {
	u32 srqn;
	u32 pd;
	struct vhca_buf buf;
	u8 log_size;
	u8 log_stride;
	u16 head;
	u16 consumer;
	__be32 *doorbell;
};

enum vhca_fault_state {
	VHCA_FAULT_NONE,
	VHCA_FAULT_RAISED,
	VHCA_FAULT_FAILED,
};

/* Of a queue that needs a page that is not there. */
struct vhca_page_fault {
	enum vhca_fault_state state;
	u32 token;
	unsigned long give_up;
	unsigned int num_raised;
};

/* What an access has met no page at, and how much it needs from there on. */
struct vhca_missing {
	u64 addr;
	u32 key;
	u32 length;
	/* The work request in whose list it is, if it is in one. */
	bool in_wqe;
	u8 wq_type;
	u16 wqe_index;
	u32 wqn;
};

struct vhca_qp {
	u32 qpn;
	u8 state;
	u8 type;
	u8 context[MLX5_ST_SZ_BYTES(qpc)];
	struct vhca_buf buf;
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
	struct vhca_page_fault fault;
	struct list_head list;
};

struct vhca_mkey {
	u32 index;
	/* Entries say whether they are present and writable. */
	bool pg_access;
	u8 context[MLX5_ST_SZ_BYTES(mkc)];
	u32 octowords;
	__be64 *xlt;
};

/* A list of memory, out of the data segments of a WQE. */
struct vhca_sge {
	u64 addr;
	u32 key;
	u32 length;
	/* The data itself, if it is in the WQE. */
	const void *data;
};

struct vhca_sgl {
	struct vhca_sge sge[VHCA_MAX_WQE / sizeof(struct mlx5_wqe_data_seg)];
	u32 count;
	u64 length;
};

/* Commands to be failed: @count of @opcode, with @status. */
struct vhca_fault {
	u16 opcode;
	u32 count;
	u8 status;
};

#define VHCA_MAX_FAULTS		16
/* Instead of a status: the command never completes. */
#define VHCA_STATUS_LOST	0xff

struct vhca {
	/* pci.c */
	struct platform_device *parent;
	struct pci_host_bridge *bridge;
	struct pci_sysdata sysdata;
	struct irq_domain *irq_domain;
	struct vhca_irq irqs[VHCA_NUM_VECTORS];
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
	u64 due[VHCA_NUM_SLOTS];
	u64 num_commands;
	u32 peak_commands;
	struct vhca_fault faults[VHCA_MAX_FAULTS];

	/* caps.c */
	u8 (*caps)[2][MLX5_UN_SZ_BYTES(hca_cap_union)];
	struct xarray resources[VHCA_NUM_RESOURCES];
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
	struct vhca_missing missing;
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
	u8 wqe[VHCA_MAX_WQE];
	u8 recv_wqe[VHCA_MAX_WQE];
	struct vhca_sgl local;
	struct vhca_sgl remote;
	u8 bounce[SZ_4K];
};

/**
 * struct vhca_cmd - a command as its handler sees it
 * @in:		 what the driver wrote
 * @in_size:	 how much
 * @out:	 zeroed, to be filled; status and syndrome are not the handler's
 * @out_size:	 how much the driver expects
 */
struct vhca_cmd {
	const void *in;
	u32 in_size;
	void *out;
	u32 out_size;
};

/* Handlers return MLX5_CMD_STAT_*, run under the lock and may sleep. */
typedef u8 (vhca_cmd_fn)(struct vhca *vhca, struct vhca_cmd *cmd);

/* pci.c */
int vhca_pci_init(struct vhca *vhca);
int vhca_pci_add(struct vhca *vhca);
void vhca_pci_cleanup(struct vhca *vhca);
void vhca_pci_remove_device(struct vhca *vhca);
void vhca_pci_insert_device(struct vhca *vhca);
void vhca_raise_irq(struct vhca *vhca, u32 vector);

/* main.c */
void vhca_reset(struct vhca *vhca);
void vhca_reset_objects(struct vhca *vhca);

/* seg.c */
void vhca_seg_init(struct vhca *vhca);
bool vhca_seg_poll(struct vhca *vhca);
void vhca_seg_fatal(struct vhca *vhca);

/* cmd.c */
int vhca_cmd_init(struct vhca *vhca);
void vhca_cmd_cleanup(struct vhca *vhca);
u32 vhca_cmd_rung(struct vhca *vhca);
bool vhca_cmd_poll(struct vhca *vhca, u32 rung);
u64 vhca_cmd_next(struct vhca *vhca);
void vhca_cmd_reset(struct vhca *vhca);
void vhca_cmd_end_lost(struct vhca *vhca);

/* caps.c */
int vhca_caps_init(struct vhca *vhca);
void vhca_caps_cleanup(struct vhca *vhca);
void vhca_caps_reset(struct vhca *vhca);
bool vhca_resource_exists(struct vhca *vhca, enum vhca_resource kind, u32 id);
vhca_cmd_fn vhca_enable_hca, vhca_disable_hca, vhca_init_hca, vhca_teardown_hca;
vhca_cmd_fn vhca_query_issi, vhca_set_issi, vhca_query_adapter;
vhca_cmd_fn vhca_query_hca_cap, vhca_set_hca_cap, vhca_accept;
vhca_cmd_fn vhca_query_special_contexts, vhca_query_q_counter;
vhca_cmd_fn vhca_alloc_resource, vhca_dealloc_resource;

/* port.c */
vhca_cmd_fn vhca_query_vport_context, vhca_query_vport_gid;
vhca_cmd_fn vhca_query_vport_pkey, vhca_query_vport_state;
vhca_cmd_fn vhca_query_vport_counter, vhca_access_reg;

/* pages.c */
void vhca_pages_use(struct vhca *vhca, s64 bytes);
void vhca_pages_reset(struct vhca *vhca);
vhca_cmd_fn vhca_query_pages, vhca_manage_pages;

/* eq.c */
void vhca_eq_event(struct vhca *vhca, struct vhca_eq *eq, u8 type, u8 subtype,
		   const union ev_data *data);
void vhca_async_event(struct vhca *vhca, u8 type, const union ev_data *data);
struct vhca_eq *vhca_eq_for(struct vhca *vhca, u8 type);
void vhca_eq_reset(struct vhca *vhca);
vhca_cmd_fn vhca_create_eq, vhca_destroy_eq, vhca_query_eq;

/* cq.c */
void vhca_cq_push(struct vhca *vhca, u32 cqn, struct mlx5_cqe64 *cqe,
		  bool solicited);
bool vhca_cq_poll(struct vhca *vhca);
void vhca_cq_reset(struct vhca *vhca);
vhca_cmd_fn vhca_create_cq, vhca_destroy_cq, vhca_query_cq, vhca_modify_cq;

/* qp.c */
void vhca_qp_error(struct vhca *vhca, struct vhca_qp *qp);
void vhca_qp_event(struct vhca *vhca, struct vhca_qp *qp, u8 type);
bool vhca_qp_uses_pd(struct vhca *vhca, u32 pd);
void vhca_qp_reset(struct vhca *vhca);
vhca_cmd_fn vhca_create_qp, vhca_destroy_qp, vhca_query_qp;
vhca_cmd_fn vhca_rst2init_qp, vhca_init2init_qp, vhca_init2rtr_qp;
vhca_cmd_fn vhca_rtr2rts_qp, vhca_rts2rts_qp;
vhca_cmd_fn vhca_2err_qp, vhca_2rst_qp;

static inline u32 vhca_qp_pd(const struct vhca_qp *qp)
{
	/* The driver's own UMR queue belongs to no PD and may use any. */
	return qp->type == MLX5_QP_ST_REG_UMR ? VHCA_ANY_PD :
		MLX5_GET(qpc, qp->context, pd);
}

/* srq.c */
struct vhca_srq *vhca_srq_get(struct vhca *vhca, u32 srqn);
bool vhca_srq_pop(struct vhca_srq *srq, void *wqe, u32 *size, u16 *index);
void vhca_srq_unpop(struct vhca_srq *srq, u16 index);
bool vhca_srq_uses_pd(struct vhca *vhca, u32 pd);
void vhca_srq_reset(struct vhca *vhca);
vhca_cmd_fn vhca_create_rmp, vhca_destroy_rmp, vhca_query_rmp, vhca_modify_rmp;
vhca_cmd_fn vhca_create_xrc_srq, vhca_destroy_xrc_srq, vhca_query_xrc_srq;
vhca_cmd_fn vhca_arm_xrc_srq;

/* wqe.c */
bool vhca_qp_poll(struct vhca *vhca);

/* umr.c */
u8 vhca_umr(struct vhca *vhca, struct vhca_qp *qp, const void *wqe, u32 size);

/* mkey.c */
enum vhca_rights {
	VHCA_LOCAL_READ = BIT(0),
	VHCA_LOCAL_WRITE = BIT(1),
	VHCA_REMOTE_READ = BIT(2),
	VHCA_REMOTE_WRITE = BIT(3),
	VHCA_REMOTE_ATOMIC = BIT(4),
};

struct vhca_mkey *vhca_mkey_get(struct vhca *vhca, u32 key);
int vhca_mkey_access(struct vhca *vhca, u32 key, u32 pd, u64 addr, void *data,
		     u32 length, enum vhca_rights rights);
int vhca_mkey_atomic(struct vhca *vhca, u32 key, u32 pd, u64 addr,
		     u64 (*op)(u64 old, const u64 *operands),
		     const u64 *operands, u64 *old);
int vhca_mkey_invalidate(struct vhca *vhca, u32 key, u32 pd);
bool vhca_mkey_uses_pd(struct vhca *vhca, u32 pd);
void vhca_mkey_reset(struct vhca *vhca);
vhca_cmd_fn vhca_create_mkey, vhca_destroy_mkey, vhca_query_mkey;

/* odp.c */
void vhca_fault_raise(struct vhca *vhca, struct vhca_page_fault *fault);
void vhca_fault_end(struct vhca *vhca, struct vhca_page_fault *fault);
bool vhca_fault_pending(struct vhca *vhca, struct vhca_page_fault *fault);
void vhca_fault_reset(struct vhca *vhca);
vhca_cmd_fn vhca_page_fault_resume;

/* dma.c */
void *vhca_dma(u64 addr, u32 length);
int vhca_dma_copy(u64 addr, void *data, u32 length, bool write);
int vhca_buf_init(struct vhca_buf *buf, const __be64 *pages, u32 room,
		  u32 size, u8 page_shift, u32 page_offset);
void vhca_buf_free(struct vhca_buf *buf);
void *vhca_buf_at(const struct vhca_buf *buf, u32 offset, u32 length);

/* debugfs.c */
void vhca_debugfs_init(struct vhca *vhca);
void vhca_debugfs_cleanup(struct vhca *vhca);
u8 vhca_fault_status(struct vhca *vhca, u16 opcode);

#endif /* VHCA_H */
