/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CPUs are what the test makes of them: each thread says on which it runs. As
 * in the kernel, the copies of a per-CPU variable are a constant apart.
 */
#ifndef _SHIM_LINUX_PERCPU_H
#define _SHIM_LINUX_PERCPU_H

#include <linux/slab.h>
#include <linux/spinlock.h>

#define SHIM_MAX_CPUS 64
#define SHIM_PERCPU_UNIT (64UL << 20)

extern __thread int shim_cpu;
extern unsigned int nr_cpu_ids;

#define raw_smp_processor_id() shim_cpu
#define smp_processor_id() shim_cpu

void *shim_alloc_percpu(size_t size, size_t align, gfp_t gfp);
void free_percpu(void *p);

#define alloc_percpu_gfp(type, gfp) \
	((type *)shim_alloc_percpu(sizeof(type), __alignof__(type), gfp))
#define alloc_percpu(type) alloc_percpu_gfp(type, GFP_KERNEL)
#define per_cpu_ptr(p, cpu) \
	((typeof(p))((char *)(p) + (cpu) * SHIM_PERCPU_UNIT))
#define this_cpu_ptr(p) per_cpu_ptr(p, shim_cpu)
#define raw_cpu_ptr(p) this_cpu_ptr(p)

/* One instruction in the kernel; here threads may share a CPU. */
#define this_cpu_inc(variable) \
	((void)__atomic_fetch_add(this_cpu_ptr(&(variable)), 1, \
				  __ATOMIC_RELAXED))

#define for_each_possible_cpu(cpu) \
	for ((cpu) = 0; (cpu) < nr_cpu_ids; (cpu)++)

#endif /* _SHIM_LINUX_PERCPU_H */
