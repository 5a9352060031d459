/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Costs what the kernel's refcount_t costs, and warns as it does.
 */
#ifndef _SHIM_LINUX_REFCOUNT_H
#define _SHIM_LINUX_REFCOUNT_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/spinlock.h>

typedef struct {
	int refs;
} refcount_t;

#define REFCOUNT_INIT(n) { .refs = (n) }

static inline void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->refs, n, __ATOMIC_RELAXED);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return __atomic_load_n(&r->refs, __ATOMIC_RELAXED);
}

static inline void refcount_add(int n, refcount_t *r)
{
	WARN_ON_ONCE(__atomic_fetch_add(&r->refs, n, __ATOMIC_RELAXED) <= 0);
}

static inline void refcount_inc(refcount_t *r)
{
	refcount_add(1, r);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	int old;

	shim_mix();
	old = refcount_read(r);
	while (old)
		if (try_cmpxchg_acquire(&r->refs, &old, old + 1))
			return true;
	return false;
}

static inline bool refcount_sub_and_test(int n, refcount_t *r)
{
	int old = __atomic_fetch_sub(&r->refs, n, __ATOMIC_ACQ_REL);

	shim_mix();
	WARN_ON_ONCE(old < n);
	return old == n;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	return refcount_sub_and_test(1, r);
}

static inline void refcount_dec(refcount_t *r)
{
	WARN_ON_ONCE(refcount_dec_and_test(r));
}

#endif /* _SHIM_LINUX_REFCOUNT_H */
