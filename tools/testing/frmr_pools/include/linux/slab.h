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
#define __GFP_NOWARN 4U
#define __GFP_NORETRY 4U
#define __GFP_ACCOUNT 4U
#define GFP_KERNEL __GFP_DIRECT_RECLAIM
#define GFP_KERNEL_ACCOUNT GFP_KERNEL
#define GFP_ATOMIC 0U
#define GFP_NOWAIT 0U
#define GFP_NOIO GFP_KERNEL

void *kmalloc(size_t size, gfp_t gfp);
void kfree(const void *p);

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}

static inline void *kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return kmalloc(bytes, gfp);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kmalloc_array(n, size, gfp | __GFP_ZERO);
}

static inline void *kmemdup(const void *src, size_t size, gfp_t gfp)
{
	void *p = kmalloc(size, gfp);

	if (p)
		memcpy(p, src, size);
	return p;
}

#define kmalloc_node(size, gfp, node) kmalloc(size, gfp)
#define kzalloc_node(size, gfp, node) kzalloc(size, gfp)
#define kvmalloc(size, gfp) kmalloc(size, gfp)
#define kvzalloc(size, gfp) kzalloc(size, gfp)
#define kvmalloc_array(n, size, gfp) kmalloc_array(n, size, gfp)
#define kvcalloc(n, size, gfp) kcalloc(n, size, gfp)
#define kvfree(p) kfree(p)
#define vmalloc(size) kmalloc(size, GFP_KERNEL)
#define vzalloc(size) kzalloc(size, GFP_KERNEL)
#define vfree(p) kfree(p)
#define kfree_sensitive(p) kfree(p)
#define __get_free_page(gfp) ((unsigned long)kmalloc(PAGE_SIZE, gfp))
#define get_zeroed_page(gfp) ((unsigned long)kzalloc(PAGE_SIZE, gfp))
#define free_page(addr) kfree((void *)(addr))

/* As of Linux 7.0: by type, with GFP_KERNEL if nothing else is said. */
#define shim_first(first, ...) first
#define default_gfp(...) \
	shim_first(__VA_ARGS__ __VA_OPT__(,) GFP_KERNEL)
#define kmalloc_obj(obj, ...) \
	((typeof(obj) *)kmalloc(sizeof(obj), default_gfp(__VA_ARGS__)))
#define kzalloc_obj(obj, ...) \
	((typeof(obj) *)kzalloc(sizeof(obj), default_gfp(__VA_ARGS__)))
#define kmalloc_objs(obj, n, ...) \
	((typeof(obj) *)kmalloc_array(n, sizeof(obj), default_gfp(__VA_ARGS__)))
#define kzalloc_objs(obj, n, ...) \
	((typeof(obj) *)kcalloc(n, sizeof(obj), default_gfp(__VA_ARGS__)))
#define kmalloc_flex(obj, member, n, ...)				\
	((typeof(obj) *)kmalloc(struct_size((typeof(obj) *)NULL, member, n),\
				default_gfp(__VA_ARGS__)))
#define kzalloc_flex(obj, member, n, ...)				\
	((typeof(obj) *)kzalloc(struct_size((typeof(obj) *)NULL, member, n),\
				default_gfp(__VA_ARGS__)))
#define kvmalloc_obj(obj, ...) kmalloc_obj(obj, ##__VA_ARGS__)
#define kvzalloc_obj(obj, ...) kzalloc_obj(obj, ##__VA_ARGS__)
#define kvmalloc_objs(obj, n, ...) kmalloc_objs(obj, n, ##__VA_ARGS__)
#define kvzalloc_objs(obj, n, ...) kzalloc_objs(obj, n, ##__VA_ARGS__)

#endif /* _SHIM_LINUX_SLAB_H */
