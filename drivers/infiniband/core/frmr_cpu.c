// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A few idle handles for each CPU, so that CPUs that share a pool do not wait
 * for each other.
 *
 * A CPU takes from and returns to its own array. Its lock is its own as long as
 * nobody is short of handles: aging, reclaim and a CPU that finds nothing else
 * reach into the arrays of all CPUs, also of those that are offline.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cpumask.h>
#include <linux/lockdep.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include "frmr_cpu.h"

/**
 * frmr_cpus_alloc - make empty arrays for all CPUs
 *
 * Context: may sleep.
 * Return: the arrays, or NULL if out of memory.
 */
struct frmr_cpu __percpu *frmr_cpus_alloc(void)
{
	struct frmr_cpu __percpu *cpus;
	int i;

	KUNIT_STATIC_STUB_REDIRECT(frmr_cpus_alloc);

	cpus = alloc_percpu(struct frmr_cpu);
	if (cpus)
		for_each_possible_cpu(i)
			spin_lock_init(&per_cpu_ptr(cpus, i)->lock);
	return cpus;
}
EXPORT_SYMBOL_IF_KUNIT(frmr_cpus_alloc);

/**
 * frmr_cpus_free - give the memory back
 * @cpus: the arrays, empty and not used any more, or NULL
 */
void frmr_cpus_free(struct frmr_cpu __percpu *cpus)
{
	free_percpu(cpus);
}

/**
 * frmr_cpus_pop - take a handle of this CPU into use
 * @cpus: the arrays
 * @handle: out: the handle, the one that came in last
 *
 * Return: true with a handle, false if this CPU has none.
 */
bool frmr_cpus_pop(struct frmr_cpu __percpu *cpus, u32 *handle)
{
	/* Whoever moves to another CPU now just uses this one's once more. */
	struct frmr_cpu *cpu = raw_cpu_ptr(cpus);
	bool found;

	spin_lock(&cpu->lock);
	found = cpu->idle;
	if (found) {
		WRITE_ONCE(cpu->idle, cpu->idle - 1);
		*handle = cpu->handles[cpu->idle];
		cpu->low = min(cpu->low, cpu->idle);
		cpu->hits++;
	}
	spin_unlock(&cpu->lock);
	return found;
}

/**
 * frmr_cpus_push - return a handle to this CPU
 * @cpus: the arrays
 * @handle: the handle
 *
 * Return: true, or false if the array is full or closed.
 */
bool frmr_cpus_push(struct frmr_cpu __percpu *cpus, u32 handle)
{
	struct frmr_cpu *cpu = raw_cpu_ptr(cpus);
	bool room;

	spin_lock(&cpu->lock);
	room = cpu->idle < FRMR_CPU_HANDLES && !cpu->closed;
	if (room) {
		cpu->handles[cpu->idle] = handle;
		WRITE_ONCE(cpu->idle, cpu->idle + 1);
	}
	spin_unlock(&cpu->lock);
	return room;
}

/**
 * frmr_cpus_refill - give this CPU handles to be at hand
 * @cpus: the arrays
 * @handles: the handles
 * @count: how many
 *
 * Return: how many found room; the first of @handles.
 */
u32 frmr_cpus_refill(struct frmr_cpu __percpu *cpus, const u32 *handles,
		     u32 count)
{
	struct frmr_cpu *cpu = raw_cpu_ptr(cpus);

	spin_lock(&cpu->lock);
	count = min(count, FRMR_CPU_HANDLES - cpu->idle);
	if (cpu->closed)
		count = 0;
	memcpy(cpu->handles + cpu->idle, handles, count * sizeof(*handles));
	WRITE_ONCE(cpu->idle, cpu->idle + count);
	spin_unlock(&cpu->lock);
	return count;
}

static void frmr_cpu_remove(struct frmr_cpu *cpu, u32 *handles, u32 count)
{
	lockdep_assert_held(&cpu->lock);

	WRITE_ONCE(cpu->idle, cpu->idle - count);
	cpu->low = min(cpu->low, cpu->idle);
	memcpy(handles, cpu->handles + cpu->idle, count * sizeof(*handles));
}

/**
 * frmr_cpus_spill - make room on this CPU, if its array is full
 * @cpus: the arrays
 * @handles: out: at most FRMR_CPU_BATCH handles
 *
 * Return: how many handles were taken out.
 */
u32 frmr_cpus_spill(struct frmr_cpu __percpu *cpus, u32 *handles)
{
	struct frmr_cpu *cpu = raw_cpu_ptr(cpus);
	u32 count = 0;

	spin_lock(&cpu->lock);
	if (cpu->idle == FRMR_CPU_HANDLES) {
		count = FRMR_CPU_BATCH;
		frmr_cpu_remove(cpu, handles, count);
	}
	spin_unlock(&cpu->lock);
	return count;
}

/**
 * frmr_cpus_collect - take handles of any CPU out
 * @cpus: the arrays
 * @handles: out: the handles
 * @max: the most to take
 *
 * Takes no more than half of what the first CPU has that has any, so at most
 * FRMR_CPU_BATCH.
 *
 * Return: how many handles were taken; not 0 if there is a handle that no CPU
 * takes meanwhile.
 */
u32 frmr_cpus_collect(struct frmr_cpu __percpu *cpus, u32 *handles, u32 max)
{
	struct frmr_cpu *cpu;
	u32 count = 0;
	int i;

	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(cpus, i);
		if (!READ_ONCE(cpu->idle))
			continue;
		spin_lock(&cpu->lock);
		count = min(max, DIV_ROUND_UP(cpu->idle, 2U));
		frmr_cpu_remove(cpu, handles, count);
		spin_unlock(&cpu->lock);
		if (count)
			break;
	}
	return count;
}

/**
 * frmr_cpus_mark - end a period and start the next
 * @cpus: the arrays
 *
 * Return: how many handles lay in their arrays throughout the period.
 */
u32 frmr_cpus_mark(struct frmr_cpu __percpu *cpus)
{
	struct frmr_cpu *cpu;
	u32 low = 0;
	int i;

	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(cpus, i);
		spin_lock(&cpu->lock);
		low += cpu->low;
		cpu->low = cpu->idle;
		spin_unlock(&cpu->lock);
	}
	return low;
}

/**
 * frmr_cpus_close - let no handle in any more
 * @cpus: the arrays
 */
void frmr_cpus_close(struct frmr_cpu __percpu *cpus)
{
	struct frmr_cpu *cpu;
	int i;

	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(cpus, i);
		spin_lock(&cpu->lock);
		cpu->closed = true;
		spin_unlock(&cpu->lock);
	}
}

/**
 * frmr_cpus_read - count the handles of all CPUs
 * @cpus: the arrays
 * @hits: in and out: the hits of all CPUs are added
 *
 * Exact if nobody takes or returns a handle meanwhile.
 *
 * Return: how many handles all CPUs have.
 */
u32 frmr_cpus_read(struct frmr_cpu __percpu *cpus, u64 *hits)
{
	struct frmr_cpu *cpu;
	u32 idle = 0;
	int i;

	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(cpus, i);
		spin_lock(&cpu->lock);
		idle += cpu->idle;
		*hits += cpu->hits;
		spin_unlock(&cpu->lock);
	}
	return idle;
}
