/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CPUs are what the test makes of them: each thread says on which it runs. As
 * in the kernel, the copies of a per-CPU variable are a constant apart.
 */
#ifndef _SHIM_LINUX_PERCPU_H
#define _SHIM_LINUX_PERCPU_H

#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define SHIM_MAX_CPUS 64
#define NR_CPUS SHIM_MAX_CPUS
#define SHIM_PERCPU_UNIT (64UL << 20)

extern __thread int shim_cpu;
extern unsigned int nr_cpu_ids;
extern u64 shim_online_cpus;

#define raw_smp_processor_id() shim_cpu
#define smp_processor_id() shim_cpu

/* Threads on one CPU exclude each other while one of them is not preemptible. */
#ifdef SHIM_CHECK
void preempt_disable(void);
void preempt_enable(void);
#else
#define preempt_disable() barrier()
#define preempt_enable() barrier()
#endif
#define migrate_disable() preempt_disable()
#define migrate_enable() preempt_enable()
#define get_cpu() ({ preempt_disable(); shim_cpu; })
#define put_cpu() preempt_enable()

void *shim_alloc_percpu(size_t size, size_t align, gfp_t gfp);
void free_percpu(void *p);

#define alloc_percpu_gfp(type, gfp) \
	((type *)shim_alloc_percpu(sizeof(type), __alignof__(type), gfp))
#define alloc_percpu(type) alloc_percpu_gfp(type, GFP_KERNEL)
#define __alloc_percpu(size, align) shim_alloc_percpu(size, align, GFP_KERNEL)
#define __alloc_percpu_gfp(size, align, gfp) shim_alloc_percpu(size, align, gfp)

#define per_cpu_ptr(p, cpu) \
	((typeof(p))((char *)(p) + (cpu) * SHIM_PERCPU_UNIT))
#define this_cpu_ptr(p) per_cpu_ptr(p, shim_cpu)
#define raw_cpu_ptr(p) this_cpu_ptr(p)
#define get_cpu_ptr(p) ({ preempt_disable(); this_cpu_ptr(p); })
#define put_cpu_ptr(p) ({ (void)(p); preempt_enable(); })

#define this_cpu_read(v) READ_ONCE(*this_cpu_ptr(&(v)))
#define this_cpu_write(v, x) WRITE_ONCE(*this_cpu_ptr(&(v)), x)
#ifdef SHIM_CHECK
#define this_cpu_add(v, x) \
	((void)__atomic_fetch_add(this_cpu_ptr(&(v)), x, __ATOMIC_RELAXED))
#else
#define this_cpu_add(v, x) ((void)(*this_cpu_ptr(&(v)) += (x)))
#endif
#define this_cpu_sub(v, x) this_cpu_add(v, -(x))
#define this_cpu_inc(v) this_cpu_add(v, 1)
#define this_cpu_dec(v) this_cpu_add(v, -1)

#define num_possible_cpus() nr_cpu_ids
#define num_online_cpus() __builtin_popcountll(READ_ONCE(shim_online_cpus))
#define cpu_possible(cpu) ((unsigned int)(cpu) < nr_cpu_ids)
#define cpu_online(cpu) (READ_ONCE(shim_online_cpus) >> (cpu) & 1)
#define cpu_to_node(cpu) 0
#define NUMA_NO_NODE (-1)

/* Masks are sets of possible or of online CPUs, nothing else. */
#define cpu_possible_mask (~0ULL)
#define cpu_online_mask READ_ONCE(shim_online_cpus)
#define for_each_cpu(cpu, mask)					\
	for ((cpu) = 0; (cpu) < nr_cpu_ids; (cpu)++)		\
		if ((mask) >> (cpu) & 1)
#define for_each_possible_cpu(cpu) for_each_cpu(cpu, cpu_possible_mask)
#define for_each_online_cpu(cpu) for_each_cpu(cpu, cpu_online_mask)
#define for_each_cpu_wrap(cpu, mask, start)				\
	for (unsigned int __n = 0;					\
	     (cpu) = ((start) + __n) % nr_cpu_ids, __n < nr_cpu_ids; __n++)\
		if ((mask) >> (cpu) & 1)

/*
 * CPU hotplug: the callbacks run when the test takes a CPU away or brings it
 * back.
 */
enum cpuhp_state {
	CPUHP_OFFLINE,
	CPUHP_BP_PREPARE_DYN,
	CPUHP_AP_ONLINE_DYN,
};

int shim_cpuhp_add(bool multi, void *startup, void *teardown, bool call);
void shim_cpuhp_remove(int state, bool call);
int shim_cpuhp_add_instance(int state, struct hlist_node *node, bool call);
void shim_cpuhp_remove_instance(int state, struct hlist_node *node, bool call);

typedef int (*shim_cpuhp_fn)(unsigned int cpu);
typedef int (*shim_cpuhp_multi_fn)(unsigned int cpu, struct hlist_node *node);

static inline int cpuhp_setup_state(enum cpuhp_state state, const char *name,
				    shim_cpuhp_fn startup,
				    shim_cpuhp_fn teardown)
{
	return shim_cpuhp_add(false, startup, teardown, true);
}

static inline int cpuhp_setup_state_nocalls(enum cpuhp_state state,
					    const char *name,
					    shim_cpuhp_fn startup,
					    shim_cpuhp_fn teardown)
{
	return shim_cpuhp_add(false, startup, teardown, false);
}

static inline int cpuhp_setup_state_multi(enum cpuhp_state state,
					  const char *name,
					  shim_cpuhp_multi_fn startup,
					  shim_cpuhp_multi_fn teardown)
{
	return shim_cpuhp_add(true, startup, teardown, false);
}

#define cpuhp_remove_state(state) shim_cpuhp_remove(state, true)
#define cpuhp_remove_state_nocalls(state) shim_cpuhp_remove(state, false)
#define cpuhp_remove_multi_state(state) shim_cpuhp_remove(state, false)
#define cpuhp_state_add_instance(state, node) \
	shim_cpuhp_add_instance(state, node, true)
#define cpuhp_state_add_instance_nocalls(state, node) \
	shim_cpuhp_add_instance(state, node, false)
#define cpuhp_state_remove_instance(state, node) \
	shim_cpuhp_remove_instance(state, node, true)
#define cpuhp_state_remove_instance_nocalls(state, node) \
	shim_cpuhp_remove_instance(state, node, false)

void cpus_read_lock(void);
void cpus_read_unlock(void);

#endif /* _SHIM_LINUX_PERCPU_H */
