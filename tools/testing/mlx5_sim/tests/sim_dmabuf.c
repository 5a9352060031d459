// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory as a GPU has it: a dma-buf that moves while it is in use. It has
 * two places, and is at one of them; the other one is filled with POISON, which
 * is what is read, or destroyed, through a translation that was not revoked.
 * The dma-buf's reservation lock protects all of it.
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include "sim_dmabuf.h"

#define MAX_PAGES	4096
#define POISON		0xd7

struct sim_dmabuf {
	struct page **places[2];
	unsigned int at;
	unsigned int num_pages;
	unsigned int pins;
};

static void place_free(struct page **pages, unsigned int n)
{
	unsigned int i;

	for (i = 0; pages && i < n && pages[i]; i++)
		__free_page(pages[i]);
	kvfree(pages);
}

static struct page **place_alloc(unsigned int n)
{
	struct page **pages = kvcalloc(n, sizeof(*pages), GFP_KERNEL);
	unsigned int i;

	for (i = 0; pages && i < n; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[i]) {
			place_free(pages, n);
			return NULL;
		}
	}
	return pages;
}

static void place_poison(struct page **pages, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		memset(page_address(pages[i]), POISON, PAGE_SIZE);
}

static bool place_is_poisoned(struct page **pages, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (memchr_inv(page_address(pages[i]), POISON, PAGE_SIZE))
			return false;
	return true;
}

static struct sg_table *sim_dmabuf_map(struct dma_buf_attachment *attach,
				       enum dma_data_direction direction)
{
	struct sim_dmabuf *b = attach->dmabuf->priv;
	struct sg_table *sgt;
	int err;

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table_from_pages(sgt, b->places[b->at], b->num_pages, 0,
					(size_t)b->num_pages << PAGE_SHIFT,
					GFP_KERNEL);
	if (err)
		goto err_free;
	err = dma_map_sgtable(attach->dev, sgt, direction, 0);
	if (err)
		goto err_table;
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(err);
}

static void sim_dmabuf_unmap(struct dma_buf_attachment *attach,
			     struct sg_table *sgt,
			     enum dma_data_direction direction)
{
	dma_unmap_sgtable(attach->dev, sgt, direction, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static int sim_dmabuf_pin(struct dma_buf_attachment *attach)
{
	struct sim_dmabuf *b = attach->dmabuf->priv;

	b->pins++;
	return 0;
}

static void sim_dmabuf_unpin(struct dma_buf_attachment *attach)
{
	struct sim_dmabuf *b = attach->dmabuf->priv;

	b->pins--;
}

/* A program's access, for the first time or after a move. */
static vm_fault_t sim_dmabuf_fault(struct vm_fault *vmf)
{
	struct dma_buf *buf = vmf->vma->vm_private_data;
	struct sim_dmabuf *b = buf->priv;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	dma_resv_lock(buf->resv, NULL);
	if (vmf->pgoff < b->num_pages)
		ret = vmf_insert_pfn(vmf->vma, vmf->address,
				     page_to_pfn(b->places[b->at][vmf->pgoff]));
	dma_resv_unlock(buf->resv);
	return ret;
}

static const struct vm_operations_struct sim_dmabuf_vm_ops = {
	.fault = sim_dmabuf_fault,
};

static int sim_dmabuf_mmap(struct dma_buf *buf, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vma->vm_ops = &sim_dmabuf_vm_ops;
	vma->vm_private_data = buf;
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static void sim_dmabuf_free(struct sim_dmabuf *b)
{
	place_free(b->places[0], b->num_pages);
	place_free(b->places[1], b->num_pages);
	kfree(b);
}

static void sim_dmabuf_release(struct dma_buf *buf)
{
	sim_dmabuf_free(buf->priv);
}

static const struct dma_buf_ops sim_dmabuf_ops = {
	.map_dma_buf = sim_dmabuf_map,
	.unmap_dma_buf = sim_dmabuf_unmap,
	.pin = sim_dmabuf_pin,
	.unpin = sim_dmabuf_unpin,
	.mmap = sim_dmabuf_mmap,
	.release = sim_dmabuf_release,
};

static int sim_dmabuf_create(unsigned long num_pages)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct sim_dmabuf *b;
	struct dma_buf *buf;
	int fd;

	if (!num_pages || num_pages > MAX_PAGES)
		return -EINVAL;
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->num_pages = num_pages;
	b->places[0] = place_alloc(num_pages);
	b->places[1] = place_alloc(num_pages);
	if (!b->places[0] || !b->places[1]) {
		sim_dmabuf_free(b);
		return -ENOMEM;
	}
	place_poison(b->places[1], num_pages);

	info.ops = &sim_dmabuf_ops;
	info.size = num_pages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = b;
	buf = dma_buf_export(&info);
	if (IS_ERR(buf)) {
		sim_dmabuf_free(b);
		return PTR_ERR(buf);
	}
	fd = dma_buf_fd(buf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(buf);
	return fd;
}

static void sim_dmabuf_exchange(struct sim_dmabuf *b)
{
	struct page **from = b->places[b->at], **to = b->places[!b->at];
	unsigned int i;

	for (i = 0; i < b->num_pages; i++)
		copy_page(page_address(to[i]), page_address(from[i]));
	place_poison(from, b->num_pages);
	b->at = !b->at;
}

static int sim_dmabuf_move_locked(struct dma_buf *buf)
{
	struct sim_dmabuf *b = buf->priv;

	if (b->pins)
		return -EBUSY;
	if (!place_is_poisoned(b->places[!b->at], b->num_pages))
		return -EBADMSG;
	dma_buf_invalidate_mappings(buf);
	unmap_mapping_range(buf->file->f_mapping, 0, 0, 1);
	sim_dmabuf_exchange(b);
	return 0;
}

static int sim_dmabuf_move(int fd)
{
	struct dma_buf *buf = dma_buf_get(fd);
	int err = -EINVAL;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	dma_resv_lock(buf->resv, NULL);
	if (buf->ops == &sim_dmabuf_ops)
		err = sim_dmabuf_move_locked(buf);
	dma_resv_unlock(buf->resv);
	dma_buf_put(buf);
	return err;
}

static long sim_dmabuf_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	switch (cmd) {
	case SIM_DMABUF_CREATE:
		return sim_dmabuf_create(arg);
	case SIM_DMABUF_MOVE:
		return sim_dmabuf_move(arg);
	}
	return -ENOTTY;
}

static const struct file_operations sim_dmabuf_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = sim_dmabuf_ioctl,
};

static struct miscdevice sim_dmabuf_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sim_dmabuf",
	.fops = &sim_dmabuf_fops,
};

module_misc_device(sim_dmabuf_device);
MODULE_DESCRIPTION("dma-bufs that move");
/* MODULE_IMPORT_NS() of some kernels takes a string, of others a name. */
MODULE_INFO(import_ns, "DMA_BUF");
MODULE_LICENSE("Dual BSD/GPL");
