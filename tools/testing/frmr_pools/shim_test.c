// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the shims that the core does not use yet, or that the tests can't
 * tell to be wrong, do what the kernel does.
 */
#include <pthread.h>
#include <stdio.h>

#include "control.h"

#define THREADS 4
#define ROUNDS 20000

static DEFINE_SPINLOCK(spin);
static DEFINE_RWLOCK(rwlock);
static seqlock_t seq;
static u64 under_spin, under_rw, under_trylock, under_seq[2];
static u64 *percpu;
static u64 *published;
static struct completion all_done;
static atomic_t var;

static void read_both(void)
{
	unsigned int start;
	u64 a, b;

	do {
		start = read_seqbegin(&seq);
		a = READ_ONCE(under_seq[0]);
		b = READ_ONCE(under_seq[1]);
	} while (read_seqretry(&seq, start));
	SHIM_ASSERT(a == b);
}

static void write_both(void)
{
	write_seqlock(&seq);
	WRITE_ONCE(under_seq[0], under_seq[0] + 1);
	WRITE_ONCE(under_seq[1], under_seq[1] + 1);
	write_sequnlock(&seq);
}

static void replace(u64 i)
{
	u64 *new = kmalloc(sizeof(*new), GFP_KERNEL), *old;

	*new = i;
	spin_lock(&spin);
	old = rcu_dereference_protected(published, true);
	rcu_assign_pointer(published, new);
	spin_unlock(&spin);
	if (i % 2000) {
		kfree_rcu_mightsleep(old);
	} else {
		synchronize_rcu();
		kfree(old);
	}
}

static void *thread_main(void *arg)
{
	u64 i, sum = 0;

	shim_cpu = (long)arg % 2;
	rcu_register_thread();
	for (i = 0; i < ROUNDS; i++) {
		spin_lock(&spin);
		lockdep_assert_held(&spin);
		under_spin++;
		spin_unlock(&spin);

		write_lock(&rwlock);
		under_rw++;
		write_unlock(&rwlock);
		read_lock(&rwlock);
		sum += under_rw;
		read_unlock(&rwlock);

		while (!spin_trylock(&spin))
			sched_yield();
		under_trylock++;
		spin_unlock(&spin);

		get_cpu();
		*this_cpu_ptr(percpu) += 1;
		put_cpu();

		if (i % 16 == 0)
			write_both();
		read_both();

		if (i % 100 == 0)
			replace(i);
		rcu_read_lock();
		sum += *rcu_dereference(published);
		rcu_read_unlock();
	}
	rcu_unregister_thread();
	atomic_inc_return(&var);
	wake_up_var(&var);
	complete(&all_done);
	SHIM_ASSERT(sum);
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[THREADS];
	u64 total = 0;
	unsigned int cpu;
	long i;

	published = kzalloc(sizeof(*published), GFP_KERNEL);
	percpu = alloc_percpu(u64);
	init_completion(&all_done);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread_main, (void *)i);
	for (i = 0; i < THREADS; i++)
		wait_for_completion(&all_done);
	wait_var_event(&var, atomic_read_acquire(&var) == THREADS);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	SHIM_ASSERT(under_spin == THREADS * ROUNDS);
	SHIM_ASSERT(under_rw == THREADS * ROUNDS);
	SHIM_ASSERT(under_trylock == THREADS * ROUNDS);
	SHIM_ASSERT(under_seq[0] == THREADS * ROUNDS / 16);
	for_each_possible_cpu(cpu)
		total += *per_cpu_ptr(percpu, cpu);
	SHIM_ASSERT(total == THREADS * ROUNDS);
	kfree(published);
	free_percpu(percpu);
}

static int runs;
static struct delayed_work dwork;

static void work_fn(struct work_struct *work)
{
	SHIM_ASSERT(to_delayed_work(work) == &dwork);
	runs++;
}

static void test_work(void)
{
	INIT_DELAYED_WORK(&dwork, work_fn);
	SHIM_ASSERT(queue_delayed_work(system_wq, &dwork, 10));
	SHIM_ASSERT(!queue_delayed_work(system_wq, &dwork, 1));
	SHIM_ASSERT(delayed_work_pending(&dwork));
	SHIM_ASSERT(shim_advance(9) == 0 && shim_advance(1) == 1 && runs == 1);
	SHIM_ASSERT(!delayed_work_pending(&dwork));
	SHIM_ASSERT(!mod_delayed_work(system_wq, &dwork, 10));
	SHIM_ASSERT(mod_delayed_work(system_wq, &dwork, 20));
	SHIM_ASSERT(shim_advance(19) == 0 && flush_delayed_work(&dwork));
	SHIM_ASSERT(runs == 2);
	schedule_delayed_work(&dwork, 1);
	SHIM_ASSERT(cancel_delayed_work_sync(&dwork));
	schedule_delayed_work(&dwork, 1);
	SHIM_ASSERT(disable_delayed_work_sync(&dwork));
	SHIM_ASSERT(!schedule_delayed_work(&dwork, 1) && !shim_advance(10));
	SHIM_ASSERT(enable_delayed_work(&dwork));
	SHIM_ASSERT(schedule_delayed_work(&dwork, 1) && shim_advance(1) == 1);
}

static unsigned int downs, ups;

static int cpu_up(unsigned int cpu, struct hlist_node *node)
{
	SHIM_ASSERT(!cpu_online(cpu));
	ups |= 1 << cpu;
	return 0;
}

static int cpu_down(unsigned int cpu, struct hlist_node *node)
{
	SHIM_ASSERT(!cpu_online(cpu));
	downs |= 1 << cpu;
	return 0;
}

static void test_hotplug(void)
{
	struct hlist_node node;
	unsigned int cpu, seen = 0;
	int state = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "test",
					    cpu_up, cpu_down);

	SHIM_ASSERT(state > 0);
	cpuhp_state_add_instance_nocalls(state, &node);
	shim_cpu_down(1);
	SHIM_ASSERT(downs == 2 && !ups && num_online_cpus() == 3);
	for_each_cpu_wrap(cpu, cpu_online_mask, 2)
		seen = seen * 10 + cpu;
	SHIM_ASSERT(seen == 230);
	shim_cpu_up(1);
	SHIM_ASSERT(ups == 2 && num_online_cpus() == 4);
	cpuhp_state_remove_instance_nocalls(state, &node);
	cpuhp_remove_multi_state(state);
}

static bool always_fail(void)
{
	return true;
}

struct flex {
	u32 size;
	u32 member[];
};

static void test_contention(void)
{
	shim_is_contended = always_fail;
	SHIM_ASSERT(!spin_trylock(&spin));
	shim_is_contended = NULL;
	SHIM_ASSERT(spin_trylock(&spin));
	spin_unlock(&spin);
}

static void test_memory(void)
{
	u64 *a = alloc_percpu(u64), *b = alloc_percpu(u64);
	struct flex *flex;

	SHIM_ASSERT(a && b && a != b && shim_percpu_bytes() >= 2 * 4 * 8);
	*per_cpu_ptr(a, 3) = 1;
	SHIM_ASSERT(!*per_cpu_ptr(b, 3));
	free_percpu(a);
	a = alloc_percpu(u64);
	SHIM_ASSERT(!*per_cpu_ptr(a, 3));
	free_percpu(a);
	free_percpu(b);
	SHIM_ASSERT(!shim_percpu_bytes());

	flex = kzalloc_flex(*flex, member, 5);
	flex->member[4] = 1;
	kfree(flex);
	flex = kmalloc_obj(*flex, GFP_ATOMIC);
	kfree(flex);
	shim_should_fail = always_fail;
	SHIM_ASSERT(!kzalloc_obj(*flex) && !alloc_percpu(u64));
	shim_should_fail = NULL;
}

int main(void)
{
	shim_set_cpus(4);
	rcu_register_thread();
	test_threads();
	test_work();
	test_hotplug();
	test_contention();
	test_memory();
	rcu_barrier();
	SHIM_ASSERT(!shim_live_allocations());
	puts("ok");
	return 0;
}
