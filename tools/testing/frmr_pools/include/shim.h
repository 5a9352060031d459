/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before all else in each file. A header that a source of the core
 * names and that is not among the shims is empty: what it has is here.
 */
#ifndef _SHIM_H
#define _SHIM_H

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <linux/kconfig.h>
#include <linux/compiler.h>
#include <linux/cache.h>
#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/log2.h>
#include <linux/list.h>
#include <linux/overflow.h>
#include <linux/spinlock.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/rcupdate.h>
#include <linux/rbtree.h>
#include <linux/percpu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/cleanup.h>

#define THIS_MODULE NULL
#define EXPORT_SYMBOL_NS_GPL(symbol, ns)

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

/* Whether the test has the current task killed. */
extern __thread bool shim_killed;
#define current NULL
#define fatal_signal_pending(task) ({ (void)(task); READ_ONCE(shim_killed); })
#define signal_pending(task) fatal_signal_pending(task)

void sort(void *base, size_t num, size_t size,
	  int (*cmp)(const void *a, const void *b),
	  void (*swap)(void *a, void *b, int size));

DEFINE_FREE(kfree, void *, if (_T) kfree(_T))
DEFINE_FREE(kvfree, void *, if (_T) kvfree(_T))
DEFINE_GUARD(spinlock, spinlock_t *, spin_lock(_T), spin_unlock(_T))
DEFINE_GUARD(read_lock, rwlock_t *, read_lock(_T), read_unlock(_T))
DEFINE_GUARD(write_lock, rwlock_t *, write_lock(_T), write_unlock(_T))
DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))
DEFINE_LOCK_GUARD_0(rcu, rcu_read_lock(), rcu_read_unlock())

#endif /* _SHIM_H */
