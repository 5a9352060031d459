// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand paging: a QP that meets a page that is not there tells the driver,
 * waits until the driver has seen to it, and tries again from the begin. By the
 * memory scheme, the driver is told the mkey and the address. By the transport
 * scheme, it is told the key and the address that a peer has asked for, or which
 * work request has the page in its list.
 */

#include <linux/jiffies.h>
#include "sim.h"

/* How long a driver may take. */
#define SIM_FAULT_PATIENCE	(10 * HZ)

/* How often it may say that it is done, and a page is missing all the same. */
#define SIM_FAULT_MAX_RAISED	10000

/* The transport scheme has 24 bits for it. */
#define SIM_FAULT_MAX_TOKEN	(BIT(24) - 1)

/* The last, and only, event of this fault. */
#define SIM_FAULT_LAST		BIT(7)

/* The device counts in pages of 4 KiB, and has 20 bits for them. */
#define SIM_FAULT_SHIFT	12
#define SIM_FAULT_MAX_PAGES	(BIT(20) - 1)

static void sim_memory_event(struct sim *sim, struct sim_eq *eq, u32 token)
{
	const struct sim_missing *missing = &sim->odp.missing;
	u64 start = round_down(missing->addr, BIT(SIM_FAULT_SHIFT));
	u64 pages = DIV_ROUND_UP_ULL(missing->addr + missing->length - start,
				     BIT(SIM_FAULT_SHIFT));
	union ev_data data = {};

	pages = min_t(u64, pages, SIM_FAULT_MAX_PAGES);
	data.page_fault.memory.flags = SIM_FAULT_LAST;
	data.page_fault.memory.token31_0 = cpu_to_be32(token);
	data.page_fault.memory.mkey = cpu_to_be32(missing->key);
	data.page_fault.memory.va = cpu_to_be64(start);
	data.page_fault.memory.demand_fault_pages =
		cpu_to_be32(pages << SIM_FAULT_SHIFT);
	sim_eq_event(sim, eq, MLX5_EVENT_TYPE_PAGE_FAULT,
		     MLX5_PFAULT_SUBTYPE_MEMORY, &data);
}

static void sim_wqe_event(struct sim *sim, struct sim_eq *eq, u32 token)
{
	const struct sim_missing *missing = &sim->odp.missing;
	union ev_data data = {};

	data.page_fault.wqe.wqe_index = cpu_to_be16(missing->wqe_index);
	data.page_fault.wqe.token = cpu_to_be32(token);
	data.page_fault.wqe.pftype_wq =
		cpu_to_be32(missing->wq_type << 24 | missing->wqn);
	sim_eq_event(sim, eq, MLX5_EVENT_TYPE_PAGE_FAULT,
		     MLX5_PFAULT_SUBTYPE_WQE, &data);
}

static void sim_rdma_event(struct sim *sim, struct sim_eq *eq, u32 token)
{
	const struct sim_missing *missing = &sim->odp.missing;
	union ev_data data = {};

	data.page_fault.rdma.r_key = cpu_to_be32(missing->key);
	data.page_fault.rdma.rdma_op_len = cpu_to_be32(missing->length);
	data.page_fault.rdma.rdma_va = cpu_to_be64(missing->addr);
	data.page_fault.rdma.pftype_token =
		cpu_to_be32(MLX5_PFAULT_RDMA << 24 | token);
	sim_eq_event(sim, eq, MLX5_EVENT_TYPE_PAGE_FAULT,
		     MLX5_PFAULT_SUBTYPE_RDMA, &data);
}

static void sim_fault_event(struct sim *sim, struct sim_eq *eq, u32 token)
{
	if (!sim->options.transport_faults)
		sim_memory_event(sim, eq, token);
	else if (sim->odp.missing.in_wqe)
		sim_wqe_event(sim, eq, token);
	else
		sim_rdma_event(sim, eq, token);
}

/* Before an access: what the driver could not resolve is not raised again. */
void sim_fault_permit(struct sim *sim, const struct sim_page_fault *fault)
{
	sim->odp.may_fault = fault->state != SIM_FAULT_FAILED;
}

/* No page there: -EAGAIN if the driver can be asked for it. */
int sim_fault_miss(struct sim *sim, u32 key, u64 addr, u32 length)
{
	sim->odp.missing = (struct sim_missing){
		.addr = addr,
		.key = key,
		.length = length,
	};
	return sim->odp.may_fault ? -EAGAIN : -EFAULT;
}

/* What is missing is in the list of a work request. */
void sim_fault_miss_wqe(struct sim *sim, u8 wq_type, u32 wqn, u16 index)
{
	sim->odp.missing.in_wqe = true;
	sim->odp.missing.wq_type = wq_type;
	sim->odp.missing.wqn = wqn;
	sim->odp.missing.wqe_index = index;
}

static void sim_fault_raise(struct sim *sim, struct sim_page_fault *fault)
{
	struct sim_eq *eq = sim_eq_for(sim, MLX5_EVENT_TYPE_PAGE_FAULT);

	fault->state = SIM_FAULT_FAILED;
	if (!eq || ++fault->num_raised > SIM_FAULT_MAX_RAISED ||
	    xa_alloc_cyclic(&sim->odp.raised, &fault->token, fault,
			    XA_LIMIT(0, SIM_FAULT_MAX_TOKEN),
			    &sim->odp.next, GFP_ATOMIC) < 0)
		return;
	fault->state = SIM_FAULT_RAISED;
	fault->give_up = jiffies + SIM_FAULT_PATIENCE;
	sim->odp.num_raised++;
	sim_fault_event(sim, eq, fault->token);
}

/**
 * sim_fault_settle - after an access that sim_fault_permit() was called for
 * @sim:	the device
 * @fault:	of the queue, or whatever it was; the driver's until it resumes
 * @missed:	a page was missing: ask the driver for it
 */
void sim_fault_settle(struct sim *sim, struct sim_page_fault *fault,
		      bool missed)
{
	sim->odp.may_fault = false;
	if (missed)
		sim_fault_raise(sim, fault);
}

/* The queue that waited has gone on, or is gone. */
void sim_fault_end(struct sim *sim, struct sim_page_fault *fault)
{
	if (fault->state == SIM_FAULT_RAISED)
		xa_erase(&sim->odp.raised, fault->token);
	fault->state = SIM_FAULT_NONE;
	fault->num_raised = 0;
}

/* Is there an answer of the driver still to be waited for? */
bool sim_fault_pending(struct sim *sim, struct sim_page_fault *fault)
{
	if (fault->state != SIM_FAULT_RAISED)
		return false;
	if (time_before(jiffies, fault->give_up))
		return true;
	sim_fault_end(sim, fault);
	fault->state = SIM_FAULT_FAILED;
	return false;
}

void sim_fault_init(struct sim *sim)
{
	xa_init_flags(&sim->odp.raised, XA_FLAGS_ALLOC);
}

/* Nobody is going to answer any more. */
void sim_fault_reset(struct sim *sim)
{
	struct sim_page_fault *fault;
	unsigned long token;

	xa_for_each(&sim->odp.raised, token, fault) {
		sim_fault_end(sim, fault);
		fault->state = SIM_FAULT_FAILED;
	}
}

u8 sim_page_fault_resume(struct sim *sim, struct sim_cmd *cmd)
{
	const void *info = MLX5_ADDR_OF(page_fault_resume_in, cmd->in,
					page_fault_info);
	struct sim_page_fault *fault;
	u32 token;

	token = sim->options.transport_faults ?
		MLX5_GET(trans_page_fault_info, info, fault_token) :
		MLX5_GET(mem_page_fault_info, info, fault_token_31_0);
	fault = xa_erase(&sim->odp.raised, token);
	/* Or has the queue that waited gone away? The bit is the same in both. */
	if (fault)
		fault->state = MLX5_GET(mem_page_fault_info, info, error) ?
			       SIM_FAULT_FAILED : SIM_FAULT_NONE;
	return MLX5_CMD_STAT_OK;
}
