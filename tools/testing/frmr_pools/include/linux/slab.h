/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that a test can refuse, and of which it can tell whether any is left.
 */
#ifndef _SHIM_LINUX_SLAB_H
#define _SHIM_LINUX_SLAB_H

#include <string.h>

#include <linux/overflow.h>
#include <linux/spinlock.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

#define __GFP_ZERO 1U
#define __GFP_DIRECT_RECLAIM 2U
#define GFP_KERNEL __GFP_DIRECT_RECLAIM
#define GFP_ATOMIC 0U

/* The most that is contiguous, as with pages of 4 kB */
#define KMALLOC_MAX_SIZE (1UL << (PAGE_SHIFT + 10))

void *kvmalloc(size_t size, gfp_t gfp);
void kfree(const void *p);

static inline void *kmalloc(size_t size, gfp_t gfp)
{
	return size <= KMALLOC_MAX_SIZE ? kvmalloc(size, gfp) : NULL;
}

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}

static inline void *kvzalloc(size_t size, gfp_t gfp)
{
	return kvmalloc(size, gfp | __GFP_ZERO);
}

static inline size_t shim_array_size(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? SIZE_MAX : bytes;
}

static inline void *kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return kmalloc(shim_array_size(n, size), gfp);
}

static inline void *kvmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return kvmalloc(shim_array_size(n, size), gfp);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kmalloc_array(n, size, gfp | __GFP_ZERO);
}

#define kvcalloc(n, size, gfp) kvmalloc_array(n, size, (gfp) | __GFP_ZERO)
#define kvfree(p) kfree(p)

/* As of Linux 7.0: by type, with GFP_KERNEL if nothing else is said. */
#define shim_first(first, ...) first
#define default_gfp(...) \
	shim_first(__VA_ARGS__ __VA_OPT__(,) GFP_KERNEL)
#define kzalloc_obj(obj, ...) \
	((typeof(obj) *)kzalloc(sizeof(obj), default_gfp(__VA_ARGS__)))

#endif /* _SHIM_LINUX_SLAB_H */
