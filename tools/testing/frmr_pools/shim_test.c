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
static DEFINE_MUTEX(mutex);
static u64 under_spin, under_rw, under_trylock, under_mutex;
static u64 *percpu;
static u64 *published;
static struct completion all_done;

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

static void count_on_cpu(void)
{
	u64 *counter = raw_cpu_ptr(percpu), old = READ_ONCE(*counter);

	while (!try_cmpxchg(counter, &old, old + 1))
		;
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

		mutex_lock(&mutex);
		lockdep_assert_held(&mutex);
		under_mutex++;
		mutex_unlock(&mutex);
		if (!mutex_lock_killable(&mutex)) {
			under_mutex++;
			mutex_unlock(&mutex);
		}

		count_on_cpu();

		if (i % 100 == 0)
			replace(i);
		rcu_read_lock();
		sum += *rcu_dereference(published);
		rcu_read_unlock();
	}
	rcu_unregister_thread();
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
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	SHIM_ASSERT(under_spin == THREADS * ROUNDS);
	SHIM_ASSERT(under_rw == THREADS * ROUNDS);
	SHIM_ASSERT(under_trylock == THREADS * ROUNDS);
	SHIM_ASSERT(under_mutex == 2 * THREADS * ROUNDS);
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
	SHIM_ASSERT(queue_delayed_work(system_dfl_wq, &dwork, 10));
	SHIM_ASSERT(!queue_delayed_work(system_dfl_wq, &dwork, 1));
	SHIM_ASSERT(delayed_work_pending(&dwork));
	SHIM_ASSERT(shim_advance(9) == 0 && shim_advance(1) == 1 && runs == 1);
	SHIM_ASSERT(!delayed_work_pending(&dwork));
	SHIM_ASSERT(!mod_delayed_work(system_dfl_wq, &dwork, 10));
	SHIM_ASSERT(mod_delayed_work(system_dfl_wq, &dwork, 20));
	SHIM_ASSERT(shim_advance(19) == 0 && flush_work(&dwork.work));
	SHIM_ASSERT(runs == 2);
	queue_delayed_work(system_dfl_wq, &dwork, 1);
	SHIM_ASSERT(cancel_delayed_work_sync(&dwork));
	SHIM_ASSERT(queue_work(system_dfl_wq, &dwork.work));
	SHIM_ASSERT(!queue_work(system_dfl_wq, &dwork.work));
	SHIM_ASSERT(shim_advance(0) == 1 && runs == 3);
	queue_delayed_work(system_dfl_wq, &dwork, 1);
	SHIM_ASSERT(disable_delayed_work_sync(&dwork));
	SHIM_ASSERT(!queue_delayed_work(system_dfl_wq, &dwork, 1));
	SHIM_ASSERT(!shim_advance(10));
}

static bool always_fail(void)
{
	return true;
}

static void *killed_main(void *arg)
{
	shim_killed = true;
	SHIM_ASSERT(mutex_lock_killable(&mutex) == -EINTR);
	SHIM_ASSERT(fatal_signal_pending(current));
	return NULL;
}

/* A killed task does not wait, but takes a mutex that is free. */
static void test_kill(void)
{
	pthread_t thread;

	mutex_lock(&mutex);
	pthread_create(&thread, NULL, killed_main, NULL);
	pthread_join(thread, NULL);
	mutex_unlock(&mutex);
	SHIM_ASSERT(!fatal_signal_pending(current));
	shim_killed = true;
	SHIM_ASSERT(!mutex_lock_killable(&mutex));
	mutex_unlock(&mutex);
	shim_killed = false;
}

static void test_noio(void)
{
	unsigned int outer = memalloc_noio_save();
	unsigned int inner = memalloc_noio_save();

	memalloc_noio_restore(inner);
	SHIM_ASSERT(shim_noio);
	memalloc_noio_restore(outer);
	SHIM_ASSERT(!shim_noio);
}

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
	u64 *object;

	SHIM_ASSERT(a && b && a != b && shim_percpu_bytes() >= 2 * 4 * 8);
	*per_cpu_ptr(a, 3) = 1;
	SHIM_ASSERT(!*per_cpu_ptr(b, 3));
	free_percpu(a);
	a = alloc_percpu(u64);
	SHIM_ASSERT(!*per_cpu_ptr(a, 3));
	free_percpu(a);
	free_percpu(b);
	SHIM_ASSERT(!shim_percpu_bytes());

	object = kzalloc_obj(*object, GFP_ATOMIC);
	SHIM_ASSERT(!*object);
	kfree(object);
	shim_should_fail = always_fail;
	SHIM_ASSERT(!kzalloc_obj(*object) && !alloc_percpu(u64));
	shim_should_fail = NULL;
}

int main(void)
{
	shim_set_cpus(4);
	rcu_register_thread();
	test_threads();
	test_work();
	test_kill();
	test_noio();
	test_contention();
	test_memory();
	rcu_barrier();
	SHIM_ASSERT(!shim_live_allocations());
	puts("ok");
	return 0;
}
