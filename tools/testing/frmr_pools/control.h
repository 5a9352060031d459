/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test can do to the world in which the core runs.
 */
#ifndef _CONTROL_H
#define _CONTROL_H

#include <linux/types.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>

/* Warnings: how many more are in order, and messages about the device. */
extern atomic_t shim_expected_warnings;
extern atomic_t shim_dev_warnings;
extern bool shim_quiet;

/* Asked at each allocation, if set: whether it shall fail. */
extern bool (*shim_should_fail)(void);

/*
 * Asked by spin_trylock(), if set: whether to fail, as if another CPU had the
 * lock. Not in the benchmarks.
 */
extern bool (*shim_is_contended)(void);

/* Allocations that were neither freed nor handed to kfree_rcu(). */
long shim_live_allocations(void);

/* Bytes that per-CPU allocations take on all possible CPUs together. */
size_t shim_percpu_bytes(void);

/* Whether any work is queued; then, in how many ticks the next is due. */
bool shim_next_work(unsigned long *ticks);

/* How many CPUs there are; before anything else. */
void shim_set_cpus(unsigned int count);

/* A build_key of a driver that rounds nothing: mainline's core asks for one. */
static inline int shim_build_key(struct ib_device *ibdev,
				 const struct ib_frmr_key *in,
				 struct ib_frmr_key *out)
{
	*out = *in;
	return 0;
}

#endif /* _CONTROL_H */
