// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand paging: a QP that meets a page that is not there tells the driver,
 * waits until the driver has seen to it, and tries again from the begin. By the
 * memory scheme, the driver is told the mkey and the address. By the transport
 * scheme, it is told the key and the address that a peer has asked for, or which
 * work request has the page in its list.
 */

#include <linux/jiffies.h>
#include "vhca.h"

/* How long a driver may take. */
#define VHCA_FAULT_PATIENCE	(10 * HZ)

/* How often it may say that it is done, and a page is missing all the same. */
#define VHCA_FAULT_MAX_RAISED	10000

/* The transport scheme has 24 bits for it. */
#define VHCA_FAULT_MAX_TOKEN	(BIT(24) - 1)

/* The last, and only, event of this fault. */
#define VHCA_FAULT_LAST		BIT(7)

/* The device counts in pages of 4 KiB, and has 20 bits for them. */
#define VHCA_FAULT_SHIFT	12
#define VHCA_FAULT_MAX_PAGES	(BIT(20) - 1)

static void vhca_memory_event(struct vhca *vhca, struct vhca_eq *eq, u32 token)
{
	const struct vhca_missing *missing = &vhca->missing;
	u64 start = round_down(missing->addr, BIT(VHCA_FAULT_SHIFT));
	u64 pages = DIV_ROUND_UP_ULL(missing->addr + missing->length - start,
				     BIT(VHCA_FAULT_SHIFT));
	union ev_data data = {};

	pages = min_t(u64, pages, VHCA_FAULT_MAX_PAGES);
	data.page_fault.memory.flags = VHCA_FAULT_LAST;
	data.page_fault.memory.token31_0 = cpu_to_be32(token);
	data.page_fault.memory.mkey = cpu_to_be32(missing->key);
	data.page_fault.memory.va = cpu_to_be64(start);
	data.page_fault.memory.demand_fault_pages =
		cpu_to_be32(pages << VHCA_FAULT_SHIFT);
	vhca_eq_event(vhca, eq, MLX5_EVENT_TYPE_PAGE_FAULT,
		      MLX5_PFAULT_SUBTYPE_MEMORY, &data);
}

static void vhca_wqe_event(struct vhca *vhca, struct vhca_eq *eq, u32 token)
{
	const struct vhca_missing *missing = &vhca->missing;
	union ev_data data = {};

	data.page_fault.wqe.wqe_index = cpu_to_be16(missing->wqe_index);
	data.page_fault.wqe.token = cpu_to_be32(token);
	data.page_fault.wqe.pftype_wq =
		cpu_to_be32(missing->wq_type << 24 | missing->wqn);
	vhca_eq_event(vhca, eq, MLX5_EVENT_TYPE_PAGE_FAULT,
		      MLX5_PFAULT_SUBTYPE_WQE, &data);
}

static void vhca_rdma_event(struct vhca *vhca, struct vhca_eq *eq, u32 token)
{
	const struct vhca_missing *missing = &vhca->missing;
	union ev_data data = {};

	data.page_fault.rdma.r_key = cpu_to_be32(missing->key);
	data.page_fault.rdma.rdma_op_len = cpu_to_be32(missing->length);
	data.page_fault.rdma.rdma_va = cpu_to_be64(missing->addr);
	data.page_fault.rdma.pftype_token =
		cpu_to_be32(MLX5_PFAULT_RDMA << 24 | token);
	vhca_eq_event(vhca, eq, MLX5_EVENT_TYPE_PAGE_FAULT,
		      MLX5_PFAULT_SUBTYPE_RDMA, &data);
}

static void vhca_fault_event(struct vhca *vhca, struct vhca_eq *eq, u32 token)
{
	if (!vhca->transport_faults)
		vhca_memory_event(vhca, eq, token);
	else if (vhca->missing.in_wqe)
		vhca_wqe_event(vhca, eq, token);
	else
		vhca_rdma_event(vhca, eq, token);
}

/**
 * vhca_fault_raise - ask the driver for the page that the last access missed
 * @vhca:	the device
 * @fault:	of the queue that missed it; the driver's until it resumes
 */
void vhca_fault_raise(struct vhca *vhca, struct vhca_page_fault *fault)
{
	struct vhca_eq *eq = vhca_eq_for(vhca, MLX5_EVENT_TYPE_PAGE_FAULT);

	fault->state = VHCA_FAULT_FAILED;
	if (!eq || ++fault->num_raised > VHCA_FAULT_MAX_RAISED ||
	    xa_alloc_cyclic(&vhca->page_faults, &fault->token, fault,
			    XA_LIMIT(0, VHCA_FAULT_MAX_TOKEN),
			    &vhca->next_fault, GFP_ATOMIC) < 0)
		return;
	fault->state = VHCA_FAULT_RAISED;
	fault->give_up = jiffies + VHCA_FAULT_PATIENCE;
	vhca->num_page_faults++;
	vhca_fault_event(vhca, eq, fault->token);
}

/* The queue that waited has gone on, or is gone. */
void vhca_fault_end(struct vhca *vhca, struct vhca_page_fault *fault)
{
	if (fault->state == VHCA_FAULT_RAISED)
		xa_erase(&vhca->page_faults, fault->token);
	fault->state = VHCA_FAULT_NONE;
	fault->num_raised = 0;
}

/* Is there an answer of the driver still to be waited for? */
bool vhca_fault_pending(struct vhca *vhca, struct vhca_page_fault *fault)
{
	if (fault->state != VHCA_FAULT_RAISED)
		return false;
	if (time_before(jiffies, fault->give_up))
		return true;
	vhca_fault_end(vhca, fault);
	fault->state = VHCA_FAULT_FAILED;
	return false;
}

/* Nobody is going to answer any more. */
void vhca_fault_reset(struct vhca *vhca)
{
	struct vhca_page_fault *fault;
	unsigned long token;

	xa_for_each(&vhca->page_faults, token, fault) {
		vhca_fault_end(vhca, fault);
		fault->state = VHCA_FAULT_FAILED;
	}
}

u8 vhca_page_fault_resume(struct vhca *vhca, struct vhca_cmd *cmd)
{
	const void *info = MLX5_ADDR_OF(page_fault_resume_in, cmd->in,
					page_fault_info);
	struct vhca_page_fault *fault;
	u32 token;

	token = vhca->transport_faults ?
		MLX5_GET(trans_page_fault_info, info, fault_token) :
		MLX5_GET(mem_page_fault_info, info, fault_token_31_0);
	fault = xa_erase(&vhca->page_faults, token);
	/* Or has the queue that waited gone away? The bit is the same in both. */
	if (fault)
		fault->state = MLX5_GET(mem_page_fault_info, info, error) ?
			       VHCA_FAULT_FAILED : VHCA_FAULT_NONE;
	return MLX5_CMD_STAT_OK;
}
