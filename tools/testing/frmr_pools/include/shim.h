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
#include <linux/slab.h>
#include <linux/shrinker.h>
#include <linux/rcupdate.h>
#include <linux/rbtree.h>
#include <linux/percpu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define THIS_MODULE NULL
#define EXPORT_SYMBOL_NS_GPL(symbol, ns)

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

/* Whether the test has the current task killed. */
extern __thread bool shim_killed;
#define current NULL
#define fatal_signal_pending(task) ({ (void)(task); READ_ONCE(shim_killed); })

/* Whether what the current task allocates must not wait for memory reclaim. */
extern __thread bool shim_noio;

static inline unsigned int memalloc_noio_save(void)
{
	bool old = shim_noio;

	shim_noio = true;
	return old;
}

static inline void memalloc_noio_restore(unsigned int old)
{
	shim_noio = old;
}

#endif /* _SHIM_H */
