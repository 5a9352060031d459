// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What ULPs do with the MRs of ib_alloc_mr(): register memory by a work
 * request, let it be written by RDMA, invalidate it, free the MR and take
 * another one. Runs when it is loaded, on the first mlx5 device; loading fails
 * if the test does.
 */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <rdma/ib_verbs.h>
#include "sim_client.h"

#define MAX_PAGES	16
#define ROUNDS		20
#define CONNECTIONS	3
#define TIMEOUT_MS	10000

static uint reused;
module_param(reused, uint, 0444);
MODULE_PARM_DESC(reused, "Result: how many MRs got the mkey of the one before");

/* Lists of few pages are in the work request itself. */
static const int num_pages[] = { 1, 4, 8, 9, MAX_PAGES };

struct fastreg {
	struct ib_device *dev;
	struct ib_pd *pd;
	struct ib_pd *other_pd;
	struct ib_cq *cq;
	struct ib_qp *qp;
	struct ib_cqe cqe;
	enum ib_wc_status status;
	bool done;
	/* What is registered, and where the data comes from. */
	int n;
	void *pages[MAX_PAGES];
	struct scatterlist sg[MAX_PAGES];
	void *source;
	u64 source_dma;
};

static void fastreg_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct fastreg *t = container_of(wc->wr_cqe, struct fastreg, cqe);

	t->status = wc->status;
	t->done = true;
}

/* Carries out one work request: its status, or a negative errno. */
static int fastreg_execute(struct fastreg *t, struct ib_send_wr *wr)
{
	unsigned long end = jiffies + msecs_to_jiffies(TIMEOUT_MS);
	int err;

	t->done = false;
	wr->wr_cqe = &t->cqe;
	wr->send_flags = IB_SEND_SIGNALED;
	err = ib_post_send(t->qp, wr, NULL);
	if (err)
		return err;
	while (!t->done) {
		ib_process_cq_direct(t->cq, -1);
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		usleep_range(10, 20);
	}
	return t->status;
}

static int fastreg_register(struct fastreg *t, struct ib_mr *mr)
{
	struct ib_reg_wr wr = {
		.wr.opcode = IB_WR_REG_MR,
		.mr = mr,
		.access = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE,
	};
	int n;

	ib_update_fast_reg_key(mr, ib_inc_rkey(mr->rkey));
	n = ib_map_mr_sg(mr, t->sg, t->n, NULL, PAGE_SIZE);
	if (n != t->n)
		return -EINVAL;
	wr.key = mr->rkey;
	return fastreg_execute(t, &wr.wr);
}

static int fastreg_write(struct fastreg *t, struct ib_mr *mr, u32 rkey)
{
	struct ib_sge sge = {
		.addr = t->source_dma,
		.length = mr->length,
		.lkey = t->pd->local_dma_lkey,
	};
	struct ib_rdma_wr wr = {
		.wr.opcode = IB_WR_RDMA_WRITE,
		.wr.sg_list = &sge,
		.wr.num_sge = 1,
		.remote_addr = mr->iova,
		.rkey = rkey,
	};

	get_random_bytes(t->source, MAX_PAGES * PAGE_SIZE);
	return fastreg_execute(t, &wr.wr);
}

static int fastreg_invalidate(struct fastreg *t, struct ib_mr *mr)
{
	struct ib_send_wr wr = {
		.opcode = IB_WR_LOCAL_INV,
		.ex.invalidate_rkey = mr->rkey,
	};

	return fastreg_execute(t, &wr);
}

/* Is what was written in the pieces that are registered? */
static bool fastreg_same(struct fastreg *t)
{
	const void *from = t->source;
	int i;

	for (i = 0; i < t->n; from += t->sg[i].length, i++)
		if (memcmp(from, t->pages[i] + t->sg[i].offset,
			   t->sg[i].length))
			return false;
	return true;
}

static int fastreg_round(struct fastreg *t, struct ib_mr *mr)
{
	int err;

	err = fastreg_register(t, mr);
	if (!err)
		err = fastreg_write(t, mr, mr->rkey);
	if (!err && !fastreg_same(t))
		err = -EBADMSG;
	return err ?: fastreg_invalidate(t, mr);
}

/* The queue pair talks to itself. */
static int fastreg_connect(struct fastreg *t)
{
	struct ib_qp_attr attr = { .qp_state = IB_QPS_RESET };
	struct ib_port_attr port;
	int err;

	err = ib_query_port(t->dev, 1, &port) ?:
	      ib_modify_qp(t->qp, &attr, IB_QP_STATE);
	if (err)
		return err;

	attr.qp_state = IB_QPS_INIT;
	attr.port_num = 1;
	attr.qp_access_flags = IB_ACCESS_REMOTE_WRITE;
	err = ib_modify_qp(t->qp, &attr, IB_QP_STATE | IB_QP_PKEY_INDEX |
			   IB_QP_PORT | IB_QP_ACCESS_FLAGS);
	if (err)
		return err;

	attr.qp_state = IB_QPS_RTR;
	attr.path_mtu = port.active_mtu;
	attr.dest_qp_num = t->qp->qp_num;
	attr.max_dest_rd_atomic = 1;
	attr.ah_attr.type = RDMA_AH_ATTR_TYPE_IB;
	rdma_ah_set_port_num(&attr.ah_attr, 1);
	rdma_ah_set_dlid(&attr.ah_attr, port.lid);
	err = ib_modify_qp(t->qp, &attr, IB_QP_STATE | IB_QP_AV |
			   IB_QP_PATH_MTU | IB_QP_DEST_QPN | IB_QP_RQ_PSN |
			   IB_QP_MAX_DEST_RD_ATOMIC | IB_QP_MIN_RNR_TIMER);
	if (err)
		return err;

	attr.qp_state = IB_QPS_RTS;
	attr.max_rd_atomic = 1;
	return ib_modify_qp(t->qp, &attr, IB_QP_STATE | IB_QP_TIMEOUT |
			    IB_QP_RETRY_CNT | IB_QP_RNR_RETRY | IB_QP_SQ_PSN |
			    IB_QP_MAX_QP_RD_ATOMIC);
}

/* Pages with gaps in between, if the type allows that. */
static int fastreg_map(struct fastreg *t, bool gaps)
{
	int i;

	sg_init_table(t->sg, t->n);
	for (i = 0; i < t->n; i++)
		sg_set_buf(&t->sg[i], t->pages[i] + (gaps ? 64 * i : 0),
			   gaps ? PAGE_SIZE / 2 : PAGE_SIZE);
	return ib_dma_map_sg(t->dev, t->sg, t->n, DMA_FROM_DEVICE) == t->n ?
		0 : -EIO;
}

/* @what must have failed; it has ended the queue pair, too. */
static int fastreg_refused(struct fastreg *t, const char *what, int result)
{
	if (result > 0)
		return fastreg_connect(t);
	pr_err("sim_fastreg: %s: %d\n", what, result);
	return result ?: -EKEYREVOKED;
}

/* Rounds with an MR; then not even its last key is good for anything. */
static int fastreg_use(struct fastreg *t, struct ib_mr *mr)
{
	int err = 0, i;

	for (i = 0; i < ROUNDS && !err; i++)
		err = fastreg_round(t, mr);
	if (err) {
		pr_err("sim_fastreg: %d pages, round %d: %d\n", t->n, i, err);
		return err;
	}
	return fastreg_refused(t, "write to an invalid MR",
			       fastreg_write(t, mr, mr->rkey));
}

/* While the mkey is in use again, a key that it had before is no good. */
static int fastreg_stale(struct fastreg *t, struct ib_mr *mr, u32 stale)
{
	return fastreg_register(t, mr) ?:
	       fastreg_refused(t, "write by a stale key",
			       fastreg_write(t, mr, stale)) ?:
	       fastreg_invalidate(t, mr);
}

/* The MR of one connection after the other, and one that is for others. */
static int fastreg_connections(struct fastreg *t, enum ib_mr_type type)
{
	u32 stale = 0;
	int err = 0, i;

	for (i = 0; i < CONNECTIONS && !err; i++) {
		bool other = i == CONNECTIONS - 1;
		struct ib_mr *mr;

		mr = ib_alloc_mr(other ? t->other_pd : t->pd, type, t->n);
		if (IS_ERR(mr))
			return PTR_ERR(mr);
		reused += i && mr->rkey >> 8 == stale >> 8;
		if (other)
			err = fastreg_refused(t, "MR of another PD",
					      fastreg_register(t, mr));
		else
			err = (i ? fastreg_stale(t, mr, stale) : 0) ?:
			      fastreg_use(t, mr);
		stale = mr->rkey;
		ib_dereg_mr(mr);
	}
	return err;
}

static int fastreg_type(struct fastreg *t, enum ib_mr_type type)
{
	int err = 0, i;

	for (i = 0; i < ARRAY_SIZE(num_pages) && !err; i++) {
		t->n = num_pages[i];
		err = fastreg_map(t, type == IB_MR_TYPE_SG_GAPS);
		if (err)
			return err;
		err = fastreg_connections(t, type);
		ib_dma_unmap_sg(t->dev, t->sg, t->n, DMA_FROM_DEVICE);
	}
	return err;
}

static void fastreg_close(struct fastreg *t)
{
	int i;

	if (!IS_ERR_OR_NULL(t->qp))
		ib_destroy_qp(t->qp);
	if (!IS_ERR_OR_NULL(t->cq))
		ib_free_cq(t->cq);
	if (!IS_ERR_OR_NULL(t->other_pd))
		ib_dealloc_pd(t->other_pd);
	if (!IS_ERR_OR_NULL(t->pd))
		ib_dealloc_pd(t->pd);
	if (t->source_dma)
		ib_dma_unmap_single(t->dev, t->source_dma,
				    MAX_PAGES * PAGE_SIZE, DMA_TO_DEVICE);
	for (i = 0; i < MAX_PAGES; i++)
		free_page((unsigned long)t->pages[i]);
	kfree(t->source);
}

static int fastreg_open(struct fastreg *t)
{
	struct ib_qp_init_attr attr = {
		.qp_type = IB_QPT_RC,
		.sq_sig_type = IB_SIGNAL_ALL_WR,
		.cap = {
			.max_send_wr = 16,
			.max_send_sge = 1,
			.max_recv_wr = 1,
			.max_recv_sge = 1,
		},
	};
	int i;

	t->cqe.done = fastreg_done;
	t->source = kmalloc(MAX_PAGES * PAGE_SIZE, GFP_KERNEL);
	if (!t->source)
		return -ENOMEM;
	for (i = 0; i < MAX_PAGES; i++) {
		t->pages[i] = (void *)__get_free_page(GFP_KERNEL);
		if (!t->pages[i])
			return -ENOMEM;
	}
	t->source_dma = ib_dma_map_single(t->dev, t->source,
					  MAX_PAGES * PAGE_SIZE, DMA_TO_DEVICE);
	t->pd = ib_alloc_pd(t->dev, 0);
	if (IS_ERR(t->pd))
		return PTR_ERR(t->pd);
	t->other_pd = ib_alloc_pd(t->dev, 0);
	if (IS_ERR(t->other_pd))
		return PTR_ERR(t->other_pd);
	t->cq = ib_alloc_cq(t->dev, NULL, 32, 0, IB_POLL_DIRECT);
	if (IS_ERR(t->cq))
		return PTR_ERR(t->cq);
	attr.send_cq = t->cq;
	attr.recv_cq = t->cq;
	t->qp = ib_create_qp(t->pd, &attr);
	return PTR_ERR_OR_ZERO(t->qp) ?: fastreg_connect(t);
}

static int __init fastreg_init(void)
{
	struct fastreg *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int err = -ENODEV;

	if (!t)
		return -ENOMEM;
	t->dev = sim_get_device();
	if (!t->dev)
		goto out;
	err = fastreg_open(t) ?:
	      fastreg_type(t, IB_MR_TYPE_MEM_REG) ?:
	      fastreg_type(t, IB_MR_TYPE_SG_GAPS);
	fastreg_close(t);
	ib_device_put(t->dev);
out:
	kfree(t);
	/* A status of a work completion is a failure, too. */
	return err > 0 ? -EIO : err;
}

static void __exit fastreg_exit(void)
{
}

module_init(fastreg_init);
module_exit(fastreg_exit);
MODULE_DESCRIPTION("Test of ib_alloc_mr() on mlx5");
MODULE_LICENSE("Dual BSD/GPL");
