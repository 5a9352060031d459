// SPDX-License-Identifier: GPL-2.0
/*
 * What is wrong with the FRMR pools of Linux 7.1 to 7.3. Each test fails with
 * their frmr_pools.c ("make faults IMPL=/path") and passes once that fault is
 * fixed. So only what each implementation has is used here.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../drivers/infiniband/core/frmr_pools.h"
#include <rdma/ib_verbs.h>
#include "control.h"

#define OBJECTS 0x400000U

/* Each test is a process of its own, and says what it found by its status. */
#define CHECK(condition) ({						\
	if (!(condition)) {						\
		printf("# line %d: %s\n", __LINE__, #condition);	\
		_exit(1);						\
	} })

static struct ib_device device = {
	.dev.name = "faulty",
	.attrs.max_mr = OBJECTS,
};

/* Size of each object's translation table; 0 if there is no such object */
static u32 object_blocks[OBJECTS];
static u32 next_object;

static atomic_t live;
static atomic_t creations;	/* calls of create_frmrs */
static u32 capacity = OBJECTS;
static int create_error;

/* Called once, at the next creation and destruction, if set */
static void (*on_create)(void);
static void (*on_destroy)(void);

static void call_once(void (**hook)(void))
{
	void (*func)(void) = *hook;

	*hook = NULL;
	if (func)
		func();
}

static int create_frmrs(struct ib_device *ibdev, struct ib_frmr_key *key,
			u32 *handles, u32 count)
{
	u32 i;

	might_sleep();
	atomic_inc(&creations);
	call_once(&on_create);
	if (create_error)
		return create_error;
	if (atomic_read(&live) + count > capacity)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		handles[i] = __atomic_fetch_add(&next_object, 1,
						__ATOMIC_RELAXED) % OBJECTS;
		CHECK(!object_blocks[handles[i]]);
		object_blocks[handles[i]] = key->num_dma_blocks;
		atomic_inc(&live);
	}
	return 0;
}

static void destroy_frmrs(struct ib_device *ibdev, u32 *handles, u32 count)
{
	u32 i;

	might_sleep();
	for (i = 0; i < count; i++) {
		CHECK(object_blocks[handles[i]]);
		object_blocks[handles[i]] = 0;
		atomic_dec(&live);
	}
	call_once(&on_destroy);
}

static const struct ib_frmr_pool_ops ops = {
	.create_frmrs = create_frmrs,
	.destroy_frmrs = destroy_frmrs,
	.build_key = shim_build_key,
};

/*
 * Steps
 */

static int try_pop(struct ib_mr *mr, u64 vendor_key, size_t blocks)
{
	*mr = (struct ib_mr) {
		.frmr.key = {
			.vendor_key = vendor_key,
			.num_dma_blocks = blocks,
		},
	};
	return ib_frmr_pool_pop(&device, mr);
}

static void pop(struct ib_mr *mr, u64 vendor_key, size_t blocks)
{
	CHECK(!try_pop(mr, vendor_key, blocks));
}

static void push(struct ib_mr *mr)
{
	ib_frmr_pool_push(&device, mr);
}

/* Leaves one idle handle. */
static void pop_and_push(u64 vendor_key, size_t blocks)
{
	struct ib_mr mr;

	pop(&mr, vendor_key, blocks);
	push(&mr);
}

static int try_pin(size_t blocks, u32 count)
{
	struct ib_frmr_key key = { .num_dma_blocks = blocks };

	return ib_frmr_pools_set_pinned(&device, &key, count);
}

static void pin(size_t blocks, u32 count)
{
	CHECK(!try_pin(blocks, count));
}

/* Time for all that idles to be destroyed. */
static void age(void)
{
	int i;

	CHECK(!ib_frmr_pools_set_aging_period(&device, 1));
	for (i = 0; i < 5; i++)
		shim_advance(HZ);
}

static bool under_lock(void)
{
	return shim_atomic_depth;
}

/*
 * Another thread, which pins handles of 1 block
 */

static u32 other_count;
static pthread_t other_thread;
static bool other_done;

static void *other_main(void *unused)
{
	rcu_register_thread();
	pin(1, other_count);
	rcu_unregister_thread();
	WRITE_ONCE(other_done, true);
	return NULL;
}

/* Gives it time to go on, or to wait for the caller. */
static void start_other(void)
{
	int i;

	pthread_create(&other_thread, NULL, other_main, NULL);
	for (i = 0; i < 200 && !READ_ONCE(other_done); i++)
		usleep(1000);
}

/*
 * Tests
 */

static void test_pin_key(void)
{
	struct ib_mr mrs[11];
	int i;

	pin(64, 1);
	pin(33, 10);
	for (i = 0; i < 11; i++) {
		pop(&mrs[i], 0, 64);
		CHECK(object_blocks[mrs[i].frmr.handle] >= 64);
	}
}

static void test_pin_empty(void)
{
	CHECK(try_pin(0, 1) == -EINVAL);
	CHECK(!atomic_read(&live));
}

static void test_pin_bound(void)
{
	device.attrs.max_mr = 1000;
	CHECK(try_pin(1, 1001) == -EINVAL);
	CHECK(!atomic_read(&creations));
	pin(1, 1000);
}

static void kill_me(void)
{
	shim_killed = true;
}

static void test_pin_killed(void)
{
	on_create = kill_me;
	CHECK(try_pin(1, 100000) == -EINTR);
	CHECK(atomic_read(&live) < 10000);
	shim_killed = false;
}

static void test_pin_large(void)
{
	pin(1, (KMALLOC_MAX_SIZE / sizeof(u32)) + 1);
}

static void test_pin_atomic(void)
{
	shim_should_fail = under_lock;
	pin(1, 10);
	shim_should_fail = NULL;
}

static void test_pin_failed(void)
{
	create_error = -EIO;
	CHECK(try_pin(1, 10) == -EIO);
	create_error = 0;
	pop_and_push(0, 1);
	age();
	CHECK(!atomic_read(&live));
}

static void test_pin_part(void)
{
	struct ib_mr mrs[30];
	int i;

	capacity = 100;
	pin(1, 20);
	CHECK(try_pin(1, 1000) == -ENOMEM);
	for (i = 0; i < 30; i++)
		pop(&mrs[i], 0, 1);
	for (i = 0; i < 30; i++)
		push(&mrs[i]);
	age();
	CHECK(atomic_read(&live) == 20);
}

static void test_pin_twice(void)
{
	other_count = 1000;
	on_create = start_other;
	pin(1, 1000);
	pthread_join(other_thread, NULL);
	CHECK(atomic_read(&live) == 1000);
}

static void test_aging_period(void)
{
	int i;

	pop_and_push(0, 1);
	CHECK(!ib_frmr_pools_set_aging_period(&device, U32_MAX / HZ + 1));
	for (i = 0; i < 5; i++)
		shim_advance(HZ);
	CHECK(atomic_read(&live) == 1);
}

static void test_aging_pin(void)
{
	pin(1, 5000);
	pin(1, 0);
	other_count = 2000;
	on_destroy = start_other;
	age();
	pthread_join(other_thread, NULL);
	CHECK(atomic_read(&live) == 2000);
}

/* More than fit into the largest array of kmalloc() */
static void test_aging_million(void)
{
	pin(1, 1000000);
	pin(1, 1100000);
	pin(1, 1);
	age();
	CHECK(atomic_read(&live) == 1);
}

static void test_drop(void)
{
	struct ib_mr mr;
	u32 handle;

	pin(1, 1);
	pop(&mr, 0, 1);
	handle = mr.frmr.handle;
	ib_frmr_pool_drop(&mr);
	destroy_frmrs(&device, &handle, 1);
	age();
	CHECK(atomic_read(&live) == 1);
}

static void test_push_atomic(void)
{
	struct ib_mr mr;

	pop(&mr, 0, 1);
	shim_should_fail = under_lock;
	push(&mr);
	shim_should_fail = NULL;
	CHECK(atomic_read(&live) == 1);
}

/* As the tree grows, another pool comes to be the first one that is met. */
static void test_best_fit(void)
{
	struct ib_mr mr8, mr5;

	pop_and_push(0, 5);
	pop(&mr8, 0, 8);
	pop_and_push(0, 16);
	pop(&mr5, 0, 5);
	CHECK(object_blocks[mr5.frmr.handle] == 5);
	CHECK(atomic_read(&live) == 3);
}

static void test_room(void)
{
	struct ib_mr mrs[10];
	int i;

	capacity = 10;
	for (i = 0; i < 10; i++)
		pop(&mrs[i], 0, 1);
	for (i = 0; i < 10; i++)
		push(&mrs[i]);
	CHECK(!try_pop(&mrs[0], 1, 1));
}

static void test_end(void)
{
	long before = shim_live_allocations();
	int i;

	for (i = 0; i < 1000; i++)
		pop_and_push(i, 1);
	age();
	CHECK(!atomic_read(&live));
	CHECK(shim_live_allocations() < before + 100);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "pinned handles have the size of their pool", test_pin_key },
	{ "a pin of no blocks is refused", test_pin_empty },
	{ "a pin of more than the device can have is refused", test_pin_bound },
	{ "a pin ends when its process is killed", test_pin_killed },
	{ "a pin of more than a million", test_pin_large },
	{ "a pin needs no memory under a lock", test_pin_atomic },
	{ "a pin that failed leaves nothing pinned", test_pin_failed },
	{ "a pin that failed leaves the one before", test_pin_part },
	{ "two pins at once create what one needs", test_pin_twice },
	{ "a long aging period is long", test_aging_period },
	{ "a pin counts nothing that is being destroyed", test_aging_pin },
	{ "a million handles beside a pin age", test_aging_million },
	{ "a pinned handle that is dropped is replaced", test_drop },
	{ "a push needs no memory", test_push_atomic },
	{ "the smallest pool that fits is used", test_best_fit },
	{ "idle handles of other pools make room", test_room },
	{ "pools that nobody uses end", test_end },
};

/* Returns whether it passed. */
static bool run(int i)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(60);
		rcu_register_thread();
		CHECK(!ib_frmr_pools_init(&device, &ops));
		tests[i].run();
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror("fork");
		exit(1);
	}
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return !status;
}

int main(void)
{
	int failed = 0, i;
	bool ok;

	setlinebuf(stdout);
	printf("KTAP version 1\n1..%zu\n", ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		ok = run(i);
		printf("%sok %d %s\n", ok ? "" : "not ", i + 1, tests[i].name);
		failed += !ok;
	}
	return failed ? 1 : 0;
}
