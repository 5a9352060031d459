// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The device's way to the driver's memory: DMA addresses are physical. */

#include <linux/io.h>
#include <linux/mm.h>
#include "bus.h"

/**
 * sim_dma - where the device finds what the driver mapped for it
 * @addr:	DMA address
 * @length:	in bytes; must not cross a page
 *
 * Return: an address to use, or NULL if there is no memory.
 */
void *sim_dma(u64 addr, u32 length)
{
	if (!addr || offset_in_page(addr) + length > PAGE_SIZE ||
	    !pfn_valid(PHYS_PFN(addr)) || !page_is_ram(PHYS_PFN(addr)))
		return NULL;
	return phys_to_virt(addr);
}

/* Copies to (@write) or from physically contiguous memory. */
int sim_dma_copy(u64 addr, void *data, u32 length, bool write)
{
	u32 n;
	void *p;

	for (; length; length -= n, addr += n, data += n) {
		n = min_t(u32, length, PAGE_SIZE - offset_in_page(addr));
		p = sim_dma(addr, n);
		if (!p)
			return -EFAULT;
		if (write)
			memcpy(p, data, n);
		else
			memcpy(data, p, n);
	}
	return 0;
}

/**
 * sim_buf_init - remember the pages of a ring or queue
 * @buf:	 what to fill
 * @pages:	 the list at the end of a command
 * @room:	 how many bytes of the command are left for it
 * @size:	 bytes that the ring needs
 * @page_shift:	 of each page in the list
 * @page_offset: of the ring in the first page, in 64ths of a page
 *
 * Return: 0, -EINVAL if the list is too short, -ENOMEM.
 */
int sim_buf_init(struct sim_buf *buf, const __be64 *pages, u32 room,
		 u32 size, u8 page_shift, u32 page_offset)
{
	u32 i;

	buf->page_shift = page_shift;
	buf->offset = page_offset << (page_shift - 6);
	buf->num_pages = DIV_ROUND_UP_ULL((u64)size + buf->offset,
					  BIT_ULL(page_shift));
	if (room < buf->num_pages * sizeof(*pages))
		return -EINVAL;
	buf->pages = kvmalloc_array(max(buf->num_pages, 1),
				    sizeof(*buf->pages), GFP_KERNEL);
	if (!buf->pages)
		return -ENOMEM;
	for (i = 0; i < buf->num_pages; i++)
		buf->pages[i] = be64_to_cpu(pages[i]) & PAGE_MASK;
	return 0;
}

void sim_buf_free(struct sim_buf *buf)
{
	kvfree(buf->pages);
	buf->pages = NULL;
}

/* What is at @offset of the ring: entries don't cross pages. */
void *sim_buf_at(const struct sim_buf *buf, u32 offset, u32 length)
{
	u32 page;

	offset += buf->offset;
	page = offset >> buf->page_shift;
	if (page >= buf->num_pages)
		return NULL;
	return sim_dma(buf->pages[page] +
		       (offset & (BIT(buf->page_shift) - 1)), length);
}
