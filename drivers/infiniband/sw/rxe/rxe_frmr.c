// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of Soft-RoCE on the FRMR pools of ib_core.
 *
 * What an adapter has in hardware is here an index into rxe->mr_pool, the upper
 * part of lkey and rkey, and a page table. Both are kept for the next MR.
 * The rest of an MR, struct rxe_mr with its reference count, is new each time:
 * packets in flight hold a reference on a deregistered MR, and deregistration
 * waits for them before it returns index and table.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <rdma/frmr_pools.h>

#include "rxe.h"
#include "rxe_loc.h"
#include "rxe_frmr.h"

/* The size of a page table is a power of two, and kvzalloc() gives INT_MAX bytes. */
#define RXE_FRMR_MAX_PAGES \
	rounddown_pow_of_two(INT_MAX / sizeof(struct rxe_mr_page))

/*
 * ib_alloc_mr() MRs have pools of their own: a ULP picks the low byte of the rkey
 * itself, and could bring back a stale rkey that a process still knows.
 */
#define RXE_FRMR_KERNEL 1

/**
 * struct rxe_frmr - what is kept of an MR for the next one
 * @num_pages: entries of @pages
 * @variant: low byte of lkey and rkey, as last used
 * @pages: the page table; all zero while the object is idle
 */
struct rxe_frmr {
	u32 num_pages;
	u8 variant;
	struct rxe_mr_page *pages;
};

/*
 * A user chooses the size: fail, and have the core give up idle objects, rather
 * than call the OOM killer. A table that memory can't hold would take all that is
 * free before it fails, so that others call it: compare before.
 */
static struct rxe_mr_page *rxe_frmr_alloc_pages(u32 num_pages)
{
	size_t bytes = array_size(num_pages, sizeof(struct rxe_mr_page));

	if (bytes > PAGE_SIZE && bytes >> PAGE_SHIFT > si_mem_available())
		return NULL;
	return kvzalloc(bytes, GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

static void rxe_frmr_destroy_one(struct rxe_dev *rxe, u32 index)
{
	struct rxe_frmr *frmr = xa_erase(&rxe->frmrs, index);

	rxe_pool_release(&rxe->mr_pool, index);
	kvfree(frmr->pages);
	kfree(frmr);
}

static int rxe_frmr_create_one(struct rxe_dev *rxe, u32 num_pages, u32 *index)
{
	struct rxe_frmr *frmr;
	int err = -ENOMEM;

	frmr = kmalloc(sizeof(*frmr), GFP_KERNEL);
	if (!frmr)
		return err;
	frmr->num_pages = num_pages;
	frmr->variant = get_random_u8();
	frmr->pages = rxe_frmr_alloc_pages(num_pages);
	if (!frmr->pages)
		goto err_frmr;
	err = rxe_pool_reserve(&rxe->mr_pool, index);
	if (err)
		goto err_pages;
	err = xa_insert(&rxe->frmrs, *index, frmr, GFP_KERNEL);
	if (err)
		goto err_index;
	return 0;

err_index:
	rxe_pool_release(&rxe->mr_pool, *index);
err_pages:
	kvfree(frmr->pages);
err_frmr:
	kfree(frmr);
	return err;
}

static void rxe_frmr_destroy(struct ib_device *device, u32 *handles, u32 count)
{
	while (count--)
		rxe_frmr_destroy_one(to_rdev(device), *handles++);
}

static int rxe_frmr_create(struct ib_device *device, struct ib_frmr_key *key,
			   u32 *handles, u32 count)
{
	u32 i;
	int err;

	if (key->num_dma_blocks > RXE_FRMR_MAX_PAGES)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		err = rxe_frmr_create_one(to_rdev(device), key->num_dma_blocks,
					  &handles[i]);
		if (err) {
			rxe_frmr_destroy(device, handles, i);
			return err;
		}
	}
	return 0;
}

/* Only the size of the page table cannot be changed. */
static void rxe_frmr_fill_key(struct ib_frmr_key *key, size_t num_pages,
			      bool kernel)
{
	*key = (struct ib_frmr_key) {
		.num_dma_blocks = roundup_pow_of_two(max(num_pages, 1)),
		.kernel_vendor_key = kernel ? RXE_FRMR_KERNEL : 0,
	};
}

static int rxe_frmr_build_key(struct ib_device *device,
			      const struct ib_frmr_key *in,
			      struct ib_frmr_key *out)
{
	if (in->vendor_key || in->num_dma_blocks > RXE_FRMR_MAX_PAGES)
		return -EINVAL;
	if (in->ats || in->access_flags & ~RXE_ACCESS_SUPPORTED_MR)
		return -EOPNOTSUPP;
	rxe_frmr_fill_key(out, in->num_dma_blocks, false);
	return 0;
}

static const struct ib_frmr_pool_ops rxe_frmr_ops = {
	.create_frmrs = rxe_frmr_create,
	.destroy_frmrs = rxe_frmr_destroy,
	.build_key = rxe_frmr_build_key,
};

/**
 * rxe_frmr_init - give a device FRMR pools, before it is registered
 * @rxe: the device
 *
 * Return: 0 or -ENOMEM.
 */
int rxe_frmr_init(struct rxe_dev *rxe)
{
	xa_init(&rxe->frmrs);
	return ib_frmr_pools_init(&rxe->ib_dev, &rxe_frmr_ops);
}

/**
 * rxe_frmr_cleanup - take the pools away; no MR is left
 * @rxe: the device; nothing happens if rxe_frmr_init() was not called
 */
void rxe_frmr_cleanup(struct rxe_dev *rxe)
{
	struct rxe_frmr *frmr;
	unsigned long index;

	ib_frmr_pools_cleanup(&rxe->ib_dev);

	/* What is left was dropped, see rxe_frmr_detach(). */
	xa_for_each(&rxe->frmrs, index, frmr)
		rxe_frmr_destroy_one(rxe, index);
}

/**
 * rxe_frmr_attach - get index, keys and page table for a new MR
 * @rxe: the device
 * @mr: the MR; packets don't find it before rxe_finalize()
 * @num_pages: entries that the page table must have
 * @kernel: the MR is made by ib_alloc_mr()
 *
 * Return: 0; -EINVAL if there is no page table of that size; -ENOMEM; -EBUSY if
 * the device has no MR left.
 */
int rxe_frmr_attach(struct rxe_dev *rxe, struct rxe_mr *mr, size_t num_pages,
		    bool kernel)
{
	struct rxe_frmr *frmr;
	u32 index, key;
	int err;

	if (num_pages > RXE_FRMR_MAX_PAGES)
		return -EINVAL;
	rxe_frmr_fill_key(&mr->ibmr.frmr.key, num_pages, kernel);
	err = ib_frmr_pool_pop(&rxe->ib_dev, &mr->ibmr);
	if (err)
		return err;
	index = mr->ibmr.frmr.handle;
	frmr = xa_load(&rxe->frmrs, index);
	rxe_pool_init_elem(&rxe->mr_pool, &mr->elem, index);

	/*
	 * Differs from the last 255 keys that the object got here. ULPs change the
	 * low byte of theirs, by ib_update_fast_reg_key().
	 */
	key = index << 8 | ++frmr->variant;
	mr->lkey = key;
	mr->rkey = key;
	mr->ibmr.lkey = key;
	mr->ibmr.rkey = key;

	mr->page_info = frmr->pages;
	mr->num_buf = num_pages;
	mr->max_allowed_buf = num_pages;
	mr->nbuf = 0;
	return 0;
}

/**
 * rxe_frmr_detach - return what rxe_frmr_attach() got
 * @mr: the MR; no packet finds it any more
 * @unreferenced: no packet holds a reference on the MR
 */
void rxe_frmr_detach(struct rxe_mr *mr, bool unreferenced)
{
	struct rxe_dev *rxe = to_rdev(mr->ibmr.device);
	struct rxe_frmr *frmr = xa_load(&rxe->frmrs, mr->elem.index);

	if (!unreferenced) {
		/* A packet may still use the table, until the device goes. */
		ib_frmr_pool_drop(&mr->ibmr);
		return;
	}
	/* No more entries than these were used. */
	memset(frmr->pages, 0, mr->max_allowed_buf * sizeof(*frmr->pages));
	mr->page_info = NULL;
	/* A ULP may have changed the low byte. */
	frmr->variant = mr->rkey;
	ib_frmr_pool_push(&rxe->ib_dev, &mr->ibmr);
}

/**
 * rxe_frmr_grow - have a larger page table for an MR
 * @mr: the MR; it is not valid now
 * @num_pages: entries that the table must have
 *
 * An MR whose pages are larger than the system's has an entry for each of the
 * latter. The object keeps the larger table when it is pushed.
 *
 * Return: 0, or -ENOMEM with nothing changed.
 */
int rxe_frmr_grow(struct rxe_mr *mr, u32 num_pages)
{
	struct rxe_dev *rxe = to_rdev(mr->ibmr.device);
	struct rxe_frmr *frmr = xa_load(&rxe->frmrs, mr->elem.index);
	struct rxe_mr_page *pages;

	if (num_pages > frmr->num_pages) {
		pages = rxe_frmr_alloc_pages(num_pages);
		if (!pages)
			return -ENOMEM;
		kvfree(frmr->pages);
		frmr->pages = pages;
		frmr->num_pages = num_pages;
		mr->page_info = pages;
	}
	mr->max_allowed_buf = num_pages;
	return 0;
}

/**
 * rxe_frmr_add_unpooled - give an MR that is not from a pool its index
 * @rxe: the device
 * @mr: the MR
 *
 * Idle objects count against the number of MRs, so they give way.
 *
 * Return: 0; -ENOMEM; -EBUSY if the device has no MR left.
 */
int rxe_frmr_add_unpooled(struct rxe_dev *rxe, struct rxe_mr *mr)
{
	struct ib_frmr_room room = {};
	u32 index;
	int err;

	do {
		err = rxe_pool_reserve(&rxe->mr_pool, &index);
	} while (ib_frmr_pools_make_room(&rxe->ib_dev, err, &room));
	if (err)
		return err;
	rxe_pool_init_elem(&rxe->mr_pool, &mr->elem, index);
	return 0;
}
