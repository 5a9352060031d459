// SPDX-License-Identifier: GPL-2.0
/*
 * What the pools promise about a device that is full, at its limits.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../../drivers/infiniband/core/frmr_pools.h"
#include "control.h"
#include "device.h"

#define MAX_THREADS 64

static u32 pops = 1500000;
static pthread_barrier_t barrier;

struct user {
	pthread_t thread;
	u32 number;
	u32 pops;
	u32 failures;
	void (*key)(const struct user *user, u32 pop, struct ib_frmr_key *key);
};

static void start(u32 capacity)
{
	device.capacity = capacity;
	atomic_set(&device.failed, 0);
	SHIM_ASSERT(!ib_frmr_pools_init(&device.ibdev, &device_ops));
}

static void end(void)
{
	ib_frmr_pools_cleanup(&device.ibdev);
	SHIM_ASSERT(!atomic_read(&device.live));
}

static void pop(struct ib_mr *mr, u32 class)
{
	*mr = (struct ib_mr) {};
	device_key(class, 1, &mr->frmr.key);
	SHIM_ASSERT(!ib_frmr_pool_pop(&device.ibdev, mr));
}

static u64 total(enum ib_frmr_stat stat)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&device.ibdev);
	u64 totals[IB_FRMR_NUM_STATS];

	ib_frmr_pools_totals(pools, totals);
	ib_frmr_pools_put(pools);
	return totals[stat];
}

/* One MR at a time. */
static void *user_main(void *arg)
{
	struct user *user = arg;
	u32 i;

	shim_cpu = user->number;
	rcu_register_thread();
	pthread_barrier_wait(&barrier);
	for (i = 0; i < user->pops; i++) {
		struct ib_mr mr = {};

		user->key(user, i, &mr.frmr.key);
		if (ib_frmr_pool_pop(&device.ibdev, &mr)) {
			user->failures++;
			continue;
		}
		device_claim(&mr);
		device_release(&mr);
		ib_frmr_pool_push(&device.ibdev, &mr);
	}
	rcu_unregister_thread();
	return NULL;
}

static bool over;

/* What the kernel's workers do: here, to create ahead. */
static void *worker_main(void *unused)
{
	rcu_register_thread();
	while (!READ_ONCE(over))
		if (!shim_advance(0))
			usleep(100);
	rcu_unregister_thread();
	return NULL;
}

/* Returns how many pops failed, of so many that all threads do together. */
static u32 run(u32 threads, u32 count,
	       void (*key)(const struct user *user, u32 pop,
			   struct ib_frmr_key *key))
{
	static struct user users[MAX_THREADS];
	u32 failures = 0, i;
	pthread_t worker;

	WRITE_ONCE(over, false);
	pthread_create(&worker, NULL, worker_main, NULL);
	pthread_barrier_init(&barrier, NULL, threads);
	for (i = 0; i < threads; i++) {
		users[i] = (struct user) {
			.number = i,
			.pops = count / threads,
			.key = key,
		};
		pthread_create(&users[i].thread, NULL, user_main, &users[i]);
	}
	for (i = 0; i < threads; i++) {
		pthread_join(users[i].thread, NULL);
		failures += users[i].failures;
	}
	WRITE_ONCE(over, true);
	pthread_join(worker, NULL);
	pthread_barrier_destroy(&barrier);
	return failures;
}

/* Each thread has an order of its own: what is idle seldom fits. */
static void own_key(const struct user *user, u32 pop, struct ib_frmr_key *key)
{
	static const u32 strides[] = {
		1, 5, 7, 11, 13, 17, 19, 23, 25, 29, 31, 35
	};
	u32 n = pop * strides[user->number] + 3 * user->number;

	device_key(n % DEVICE_CLASSES, 1 << n / DEVICE_CLASSES % 6, key);
}

static void same_key(const struct user *user, u32 pop, struct ib_frmr_key *key)
{
	device_key(0, 1, key);
}

/* So many threads that have one MR at most, a device that holds as many */
static void test_full(void)
{
	u32 failures;

	start(12);
	failures = run(12, pops, own_key);
	printf("12 threads on a device for 12: %u of %u pops failed, ",
	       failures, pops / 12 * 12);
	printf("%llu created, %llu of them ahead, %d times full\n",
	       total(IB_FRMR_CREATED), total(IB_FRMR_AHEAD),
	       atomic_read(&device.failed));
	SHIM_ASSERT(!failures);
	SHIM_ASSERT(total(IB_FRMR_CREATED) >= pops / 2);
	end();
}

/* An error of the device costs next to no idle handle. */
static void test_error(u32 errors, u32 most)
{
	struct ib_frmr_key key;
	struct ib_mr mr;

	start(1 << 20);
	same_key(NULL, 0, &key);
	SHIM_ASSERT(!ib_frmr_pools_set_pinned(&device.ibdev, &key, 20000));
	SHIM_ASSERT(!ib_frmr_pools_set_pinned(&device.ibdev, &key, 0));
	atomic_set(&device.bad_calls, errors);
	pop(&mr, 1);
	printf("20000 idle and %u errors: %llu destroyed\n", errors,
	       total(IB_FRMR_DESTROYED));
	SHIM_ASSERT(total(IB_FRMR_DESTROYED) <= most);
	ib_frmr_pool_push(&device.ibdev, &mr);
	end();
}

/* Another thread has the one MR of the device, and is done with it. */
static struct ib_mr other;
static u32 attempts;

static bool push_meanwhile(void)
{
	if (!attempts++)
		ib_frmr_pool_push(&device.ibdev, &other);
	return true;
}

/* A pin keeps it from being destroyed, but not from being used. */
static void test_return(void)
{
	struct ib_frmr_key key;
	struct ib_mr mr;

	start(1);
	pop(&other, 0);
	same_key(NULL, 0, &key);
	SHIM_ASSERT(!ib_frmr_pools_set_pinned(&device.ibdev, &key, 1));
	attempts = 0;
	device.should_fail = push_meanwhile;
	pop(&mr, 0);
	printf("the only one comes back: popped after %u failed creations\n",
	       attempts);
	device.should_fail = NULL;
	ib_frmr_pool_push(&device.ibdev, &mr);
	end();
}

/* It came and went where nobody looked, and is gone when it is looked for. */
static bool move_meanwhile(void)
{
	attempts++;
	if (attempts == 2) {
		ib_frmr_pool_push(&device.ibdev, &other);
		pop(&other, 0);
	}
	if (attempts == 3)
		device.capacity++;
	return attempts < 3;
}

/* As long as handles move, one may turn up. */
static void test_move(void)
{
	struct ib_mr mr;

	start(1);
	pop(&other, 0);
	attempts = 0;
	device.should_fail = move_meanwhile;
	pop(&mr, 1);
	printf("the only one moves: popped after %u failed creations\n",
	       attempts - 1);
	device.should_fail = NULL;
	ib_frmr_pool_push(&device.ibdev, &mr);
	ib_frmr_pool_push(&device.ibdev, &other);
	end();
}

#define BACK 500

/* An application that is back needs what is about to be destroyed. */
static struct ib_mr back[BACK];

static void come_back(void)
{
	u32 i;

	device.on_destroy = NULL;
	for (i = 0; i < BACK; i++)
		pop(&back[i], 0);
}

/* Then aging stops with the batch that it is at. */
static void test_aging(void)
{
	struct ib_frmr_key key;
	u32 i;

	start(1 << 20);
	same_key(NULL, 0, &key);
	SHIM_ASSERT(!ib_frmr_pools_set_pinned(&device.ibdev, &key, 2 * BACK));
	SHIM_ASSERT(!ib_frmr_pools_set_pinned(&device.ibdev, &key, 0));
	SHIM_ASSERT(!ib_frmr_pools_set_aging_period(&device.ibdev, 1));
	shim_advance(HZ);
	device.on_destroy = come_back;
	shim_advance(HZ);
	printf("%u of %u handles popped while others age: %llu destroyed\n",
	       BACK, 2 * BACK, total(IB_FRMR_DESTROYED));
	SHIM_ASSERT(!device.on_destroy);
	SHIM_ASSERT(total(IB_FRMR_DESTROYED) <= DEVICE_MAX_BATCH);
	for (i = 0; i < BACK; i++)
		ib_frmr_pool_push(&device.ibdev, &back[i]);
	end();
}

static u32 allocations;

static bool count_allocation(void)
{
	allocations++;
	return false;
}

/* A tick of a device whose handles are all in use has nothing to do. */
static void test_tick(void)
{
	u32 count, i;

	start(1 << 20);
	shim_should_fail = count_allocation;
	for (count = 0; count < BACK; count++) {
		pop(&back[count], 0);
		allocations = 0;
		SHIM_ASSERT(!ib_frmr_pools_set_aging_period(&device.ibdev, 1));
		shim_advance(HZ);
		SHIM_ASSERT(!allocations);
	}
	shim_should_fail = NULL;
	printf("ticks with 1 to %u handles in use: no allocation\n", BACK);
	for (i = 0; i < BACK; i++)
		ib_frmr_pool_push(&device.ibdev, &back[i]);
	end();
}

/* The most that were in use is what an administrator pins. */
static void test_max_in_use(void)
{
	struct ib_frmr_pool_info info = {};
	struct ib_frmr_pools *pools;

	start(1 << 20);
	SHIM_ASSERT(!run(64, pops / 4, same_key));
	pools = ib_frmr_pools_get(&device.ibdev);
	SHIM_ASSERT(ib_frmr_pools_next_info(pools, &info.key, &info));
	ib_frmr_pools_put(pools);
	printf("one MR at a time on each of 64 CPUs: at most %u in use\n",
	       info.max_in_use);
	SHIM_ASSERT(info.max_in_use && info.max_in_use <= 64);
	end();
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:")) != -1) {
		if (c == 'n')
			pops = strtoul(optarg, NULL, 0);
		else
			exit(1);
	}
	setlinebuf(stdout);
	shim_set_cpus(64);
	rcu_register_thread();
	test_full();
	test_error(1, 2);
	test_error(2, 2);
	test_return();
	test_move();
	test_aging();
	test_tick();
	test_max_in_use();
	rcu_barrier();
	SHIM_ASSERT(!shim_live_allocations());
	return 0;
}
