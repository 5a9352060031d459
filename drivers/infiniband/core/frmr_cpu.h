/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A few idle handles for each CPU, in front of the stack of a FRMR pool.
 */
#ifndef _FRMR_CPU_H
#define _FRMR_CPU_H

#include <linux/cache.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* What fits two cache lines beside the rest. */
#define FRMR_CPU_HANDLES 28U

/* How many move at once: leaves room both for those that come and that go. */
#define FRMR_CPU_BATCH (FRMR_CPU_HANDLES / 2)

/**
 * struct frmr_cpu - the handles that one CPU has at hand
 * @lock: protects everything below; others take it to get at the handles
 * @idle: used entries of @handles
 * @low: the least that @idle has been since the last frmr_cpus_mark()
 * @closed: no handle comes in any more
 * @hits: how often frmr_cpus_pop() found a handle
 * @handles: a stack
 */
struct frmr_cpu {
	spinlock_t lock; /* protects all that follows */
	u8 idle;
	u8 low;
	bool closed;
	u64 hits;
	u32 handles[FRMR_CPU_HANDLES];
} ____cacheline_aligned_in_smp;

struct frmr_cpu __percpu *frmr_cpus_alloc(void);
void frmr_cpus_free(struct frmr_cpu __percpu *cpus);

bool frmr_cpus_pop(struct frmr_cpu __percpu *cpus, u32 *handle);
bool frmr_cpus_push(struct frmr_cpu __percpu *cpus, u32 handle);

u32 frmr_cpus_refill(struct frmr_cpu __percpu *cpus, const u32 *handles,
		     u32 count);
u32 frmr_cpus_spill(struct frmr_cpu __percpu *cpus, u32 *handles);
u32 frmr_cpus_collect(struct frmr_cpu __percpu *cpus, u32 *handles, u32 max);

u32 frmr_cpus_mark(struct frmr_cpu __percpu *cpus);
void frmr_cpus_close(struct frmr_cpu __percpu *cpus);
u32 frmr_cpus_read(struct frmr_cpu __percpu *cpus, u64 *hits);

#endif /* _FRMR_CPU_H */
