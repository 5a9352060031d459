// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, in many threads, for the sanitizers to look at: pop,
 * push and drop; other objects of the device; pins, aging, reclaim and dumps;
 * creations and allocations that fail, threads that are killed; and again and
 * again a cleanup under all that.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../../drivers/infiniband/core/frmr_pools.h"
#include "control.h"
#include "device.h"

#define USERS 4 /* drivers' threads: pop, push, drop */
#define ADMINS 2 /* threads that set and show */
#define CPUS 4
#define MAX_MRS 300
#define CLASSES 2
#define MAX_BLOCKS 5
#define MAX_STEPS 2000 /* of each user between two cleanups */

static pthread_barrier_t barrier;
static bool stop;
static __thread u64 state;

static u32 choose(u32 limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (u64)(u32)(state >> 32) * limit >> 32;
}

static bool fail_now_and_then(void)
{
	return !choose(200);
}

/* CPUs share a pool most of the time. */
static bool wait_often(void)
{
	return choose(4);
}

static void choose_key(struct ib_frmr_key *key)
{
	device_key(choose(CLASSES), 1 + choose(MAX_BLOCKS), key);
}

/* A user's thread, with the MRs that it has. */
struct user {
	pthread_t thread;
	u64 seed;
	u32 num_mrs;
	struct ib_mr mrs[MAX_MRS];
};

static void user_pop(struct user *user)
{
	struct ib_mr *mr = &user->mrs[user->num_mrs];

	if (user->num_mrs == MAX_MRS)
		return;
	memset(mr, 0, sizeof(*mr));
	choose_key(&mr->frmr.key);
	shim_killed = fail_now_and_then();
	if (!ib_frmr_pool_pop(&device.ibdev, mr)) {
		device_claim(mr);
		user->num_mrs++;
	}
	shim_killed = false;
}

/* An object that is in no pool, for a moment. */
static void user_create(void)
{
	struct ib_frmr_room room = {};
	struct ib_frmr_key key;
	u32 handle;
	int ret;

	shim_killed = fail_now_and_then();
	do {
		choose_key(&key);
		ret = device_ops.create_frmrs(&device.ibdev, &key, &handle, 1);
	} while (ib_frmr_pools_make_room(&device.ibdev, ret, &room));
	shim_killed = false;
	SHIM_ASSERT(!shim_noio);
	if (!ret)
		device_destroy(handle);
}

static struct ib_mr user_take_mr(struct user *user)
{
	u32 i = choose(user->num_mrs);
	struct ib_mr mr = user->mrs[i];

	user->mrs[i] = user->mrs[--user->num_mrs];
	return mr;
}

static void user_push(struct user *user)
{
	struct ib_mr mr;

	if (!user->num_mrs)
		return;
	mr = user_take_mr(user);
	device_release(&mr);
	ib_frmr_pool_push(&device.ibdev, &mr);
}

static void user_drop(struct user *user)
{
	struct ib_mr mr;

	if (!user->num_mrs)
		return;
	mr = user_take_mr(user);
	ib_frmr_pool_drop(&mr);
	device_destroy(mr.frmr.handle);
}

static void user_work(struct user *user)
{
	u32 pops = 50, steps = choose(4) ? 100 : MAX_STEPS, i, n;

	for (i = 0; i < steps; i++) {
		if (i % 512 == 0)
			pops = 30 + choose(41);
		n = choose(100);
		if (!choose(50))
			shim_cpu = choose(CPUS);
		if (!choose(100))
			user_drop(user);
		else if (!choose(100))
			user_create();
		else if (n < pops)
			user_pop(user);
		else
			user_push(user);
	}
}

/* All that was popped comes back, as a driver must see to, before the end. */
static void *user_main(void *arg)
{
	struct user *user = arg;

	state = user->seed;
	rcu_register_thread();
	while (true) {
		pthread_barrier_wait(&barrier); /* there are pools */
		if (READ_ONCE(stop))
			break;
		user_work(user);
		pthread_barrier_wait(&barrier); /* all is at rest */
		pthread_barrier_wait(&barrier); /* the accounts are checked */
		while (user->num_mrs)
			user_push(user);
		pthread_barrier_wait(&barrier); /* they may go */
	}
	rcu_unregister_thread();
	return NULL;
}

static void dump(void)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&device.ibdev);
	struct ib_frmr_pool_info info = {};
	struct ib_frmr_key last = {};

	if (!pools)
		return;
	while (ib_frmr_pools_next_info(pools, &last, &info)) {
		SHIM_ASSERT(info.in_use <= info.max_in_use);
		last = info.key;
	}
	ib_frmr_pools_put(pools);
}

static void admin_step(void)
{
	struct ib_frmr_key key;
	int ret;

	switch (choose(7)) {
	case 0:
		choose_key(&key);
		shim_killed = fail_now_and_then();
		ret = ib_frmr_pools_set_pinned(&device.ibdev, &key,
					       choose(2) * choose(100));
		shim_killed = false;
		SHIM_ASSERT(ret <= 0);
		break;
	case 1:
		shim_killed = fail_now_and_then();
		ib_frmr_pools_reclaim(&device.ibdev, choose(100));
		shim_killed = false;
		break;
	case 2:
		ib_frmr_pools_set_aging_period(&device.ibdev, 1 + choose(3));
		break;
	case 3:
		dump();
		break;
	default:
		shim_advance(HZ / 2);
	}
}

static pthread_barrier_t rest;
static bool resting;

/* Comes at any time, except when the accounts are being checked. */
static void *admin_main(void *arg)
{
	state = (unsigned long)arg;
	rcu_register_thread();
	while (!READ_ONCE(stop)) {
		if (READ_ONCE(resting)) {
			pthread_barrier_wait(&rest);
			pthread_barrier_wait(&rest);
		}
		admin_step();
	}
	rcu_unregister_thread();
	return NULL;
}

/* With nobody at work, all accounts are exact. */
static void check_accounts(const struct user *users)
{
	struct ib_frmr_pools *pools;
	struct ib_frmr_pool_info info = {};
	u32 idle = 0, in_use = 0, i;

	WRITE_ONCE(resting, true);
	pthread_barrier_wait(&rest);
	WRITE_ONCE(resting, false);
	pools = ib_frmr_pools_get(&device.ibdev);
	while (ib_frmr_pools_next_info(pools, &info.key, &info)) {
		idle += info.idle;
		in_use += info.in_use;
		SHIM_ASSERT(info.stats[IB_FRMR_CREATED] ==
			    info.stats[IB_FRMR_DESTROYED] +
			    info.stats[IB_FRMR_DROPPED] +
			    info.idle + info.in_use);
	}
	ib_frmr_pools_put(pools);
	SHIM_ASSERT(idle + in_use == atomic_read(&device.live));
	for (i = 0; i < USERS; i++)
		in_use -= users[i].num_mrs;
	SHIM_ASSERT(!in_use);
	pthread_barrier_wait(&rest);
}

static void one_life(const struct user *users)
{
	int ret;

	device.capacity = choose(2) ? 1 << 20 : 400;
	do {
		ret = ib_frmr_pools_init(&device.ibdev, &device_ops);
		SHIM_ASSERT(!ret || ret == -ENOMEM);
	} while (ret);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	check_accounts(users);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	ib_frmr_pools_cleanup(&device.ibdev);
	SHIM_ASSERT(!atomic_read(&shim_dev_warnings));
	SHIM_ASSERT(!atomic_read(&device.live));
}

static struct user users[USERS];

int main(int argc, char **argv)
{
	pthread_t admins[ADMINS];
	u64 seed = 1, lives = 0;
	u32 seconds = 10, i;
	time_t end;
	int c;

	while ((c = getopt(argc, argv, "s:t:")) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 't')
			seconds = atoi(optarg);
		else
			exit(1);
	}
	state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	shim_quiet = true;
	shim_set_cpus(CPUS);
	shim_should_fail = fail_now_and_then;
	shim_is_contended = wait_often;
	device.should_fail = fail_now_and_then;
	rcu_register_thread();

	pthread_barrier_init(&barrier, NULL, USERS + 1);
	pthread_barrier_init(&rest, NULL, ADMINS + 1);
	for (i = 0; i < USERS; i++) {
		users[i].seed = choose(U32_MAX) + 1;
		pthread_create(&users[i].thread, NULL, user_main, &users[i]);
	}
	for (i = 0; i < ADMINS; i++)
		pthread_create(&admins[i], NULL, admin_main,
			       (void *)(choose(U32_MAX) + 1UL));

	for (end = time(NULL) + seconds; time(NULL) < end; lives++)
		one_life(users);

	WRITE_ONCE(stop, true);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < USERS; i++)
		pthread_join(users[i].thread, NULL);
	for (i = 0; i < ADMINS; i++)
		pthread_join(admins[i], NULL);
	rcu_barrier();
	SHIM_ASSERT(!shim_live_allocations());
	printf("%llu lives of %u threads, seed %llu\n", lives, USERS + ADMINS,
	       seed);
	return 0;
}
