// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * KUnit tests of the FRMR pools, against a device that is made up.
 *
 * Time passes only when a test says so, by frmr_tick(); the few tests that need
 * the real timer are at the end of the aging suite. After each test the device
 * and the pools must agree on what exists, and cleanup must leave nothing.
 *
 * frmr_percpu_test.c includes this file, so that all is tested once more with
 * pools where CPUs have handles at hand. Left out is what is about the order of
 * the handles, a low mark that handles at hand make lower, or a warning that
 * comes only once.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "../frmr_pools.h"
#include "frmr_fake.h"

#define FRMR_SUITE(name) name
#define FRMR_INIT frmr_fake_init

/* What a wait may take on a slow machine; only a failing test waits so long. */
#define FRMR_TEST_PATIENCE (30 * HZ)

/*
 * Helpers
 */

static struct ib_frmr_key frmr_key(size_t blocks)
{
	return (struct ib_frmr_key) {
		.num_dma_blocks = blocks,
		.access_flags = IB_ACCESS_LOCAL_WRITE,
	};
}

static struct ib_mr *frmr_mrs(struct kunit *test, u32 count)
{
	struct ib_mr *mrs = kunit_kcalloc(test, count, sizeof(*mrs),
					  GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mrs);
	return mrs;
}

static int frmr_try_pop(struct kunit *test, struct ib_mr *mr, size_t blocks)
{
	mr->frmr.key = frmr_key(blocks);
	return frmr_fake_pop(test->priv, mr);
}

static void frmr_pop_key(struct kunit *test, struct ib_mr *mr,
			 const struct ib_frmr_key *key)
{
	mr->frmr.key = *key;
	KUNIT_ASSERT_EQ(test, frmr_fake_pop(test->priv, mr), 0);
}

static void frmr_pop(struct kunit *test, struct ib_mr *mrs, u32 count,
		     size_t blocks)
{
	u32 i;

	for (i = 0; i < count; i++)
		KUNIT_ASSERT_EQ(test, frmr_try_pop(test, &mrs[i], blocks), 0);
}

static void frmr_push(struct kunit *test, struct ib_mr *mrs, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		frmr_fake_push(test->priv, &mrs[i]);
}

static int frmr_pin(struct kunit *test, size_t blocks, u32 count)
{
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_key key = frmr_key(blocks);

	return ib_frmr_pools_set_pinned(&fake->ibdev, &key, count);
}

/* Unpinned idle handles in the pool of exactly so many blocks. */
static void frmr_stock(struct kunit *test, size_t blocks, u32 count)
{
	KUNIT_ASSERT_EQ(test, frmr_pin(test, blocks, count), 0);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, blocks, 0), 0);
}

/* An empty pool, as a failed creation leaves it. */
static void frmr_empty_pool(struct kunit *test, size_t blocks)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	fake->bad_calls = 1;
	fake->error = -EINVAL;
	KUNIT_ASSERT_EQ(test, frmr_try_pop(test, mr, blocks), -EINVAL);
}

static u32 frmr_reclaim(struct kunit *test, u32 count)
{
	struct frmr_fake *fake = test->priv;

	return ib_frmr_pools_reclaim(&fake->ibdev, count);
}

static void frmr_fake_tick(struct frmr_fake *fake)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&fake->ibdev);

	KUNIT_ASSERT_NOT_NULL(fake->test, pools);
	frmr_pools_age(pools);
	ib_frmr_pools_put(pools);
}

/* One aging period ends. */
static void frmr_tick(struct kunit *test)
{
	frmr_fake_tick(test->priv);
}

/* @after may be the key in @info. A walk that goes astray might never end. */
static bool frmr_next(struct kunit *test, const struct ib_frmr_key *after,
		      struct ib_frmr_pool_info *info)
{
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&fake->ibdev);
	const struct ib_frmr_key last = *after;
	bool found;

	KUNIT_ASSERT_NOT_NULL(test, pools);
	found = ib_frmr_pools_next_info(pools, after, info);
	ib_frmr_pools_put(pools);
	if (found)
		KUNIT_ASSERT_GT(test, frmr_fake_key_cmp(&info->key, &last), 0);
	return found;
}

static u32 frmr_pool_count(struct kunit *test)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;
	struct ib_frmr_pool_info info;
	u32 count = 0;

	while (frmr_next(test, after, &info)) {
		after = &info.key;
		count++;
	}
	return count;
}

static bool frmr_find(struct kunit *test, const struct ib_frmr_key *key,
		      struct ib_frmr_pool_info *info)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;

	while (frmr_next(test, after, info)) {
		if (!frmr_fake_key_cmp(&info->key, key))
			return true;
		after = &info->key;
	}
	return false;
}

static bool frmr_has_pool(struct kunit *test, size_t blocks)
{
	struct ib_frmr_key key = frmr_key(blocks);
	struct ib_frmr_pool_info info;

	return frmr_find(test, &key, &info);
}

static struct ib_frmr_pool_info frmr_info(struct kunit *test, size_t blocks)
{
	struct ib_frmr_key key = frmr_key(blocks);
	struct ib_frmr_pool_info info;

	KUNIT_ASSERT_TRUE_MSG(test, frmr_find(test, &key, &info),
			      "no pool of %zu blocks", blocks);
	return info;
}

/* Macros, so that a failure names the line of the test. */
#define FRMR_EXPECT_POOL(test, blocks, want_idle, want_in_use) do {	\
	struct kunit *_test = test;					\
	struct ib_frmr_pool_info _info = frmr_info(_test, blocks);	\
									\
	KUNIT_EXPECT_EQ(_test, _info.idle, want_idle);			\
	KUNIT_EXPECT_EQ(_test, _info.in_use, want_in_use);		\
} while (0)

#define FRMR_EXPECT_STAT(test, blocks, stat, want) do {			\
	struct kunit *_test = test;					\
	struct ib_frmr_pool_info _info = frmr_info(_test, blocks);	\
									\
	KUNIT_EXPECT_EQ(_test, _info.stats[stat], want);		\
} while (0)

/* Something that goes on in another thread. */
struct frmr_thread {
	struct frmr_fake *fake;
	void (*fn)(struct frmr_fake *fake);
	struct completion done;
};

static int frmr_thread_main(void *data)
{
	struct frmr_thread *thread = data;

	/* What the test has replaced is replaced here, too. */
	current->kunit_test = thread->fake->test;
	thread->fn(thread->fake);
	kthread_complete_and_exit(&thread->done, 0);
}

static struct frmr_thread *frmr_start(struct kunit *test,
				      void (*fn)(struct frmr_fake *fake))
{
	struct frmr_thread *thread = kunit_kzalloc(test, sizeof(*thread),
						   GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, thread);
	thread->fake = test->priv;
	thread->fn = fn;
	init_completion(&thread->done);
	task = kthread_run(frmr_thread_main, thread, "frmr_test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	return thread;
}

static void frmr_join(struct frmr_thread *thread)
{
	wait_for_completion(&thread->done);
}

/* Polls, as timers and other threads take their time. */
#define frmr_wait_until(test, condition) do {				\
	unsigned long _end = jiffies + FRMR_TEST_PATIENCE;		\
	bool _late = false;						\
									\
	while (!_late && !(condition)) {				\
		msleep(20);						\
		_late = time_after(jiffies, _end);			\
	}								\
	KUNIT_ASSERT_FALSE_MSG(test, _late, "waited for " #condition);	\
} while (0)

/* The console's reader takes one warning for each such line. */
static void frmr_announce_warning(bool *announced)
{
	if (!*announced)
		pr_warn("frmr_test: expect 1 warning\n");
	*announced = true;
}

/*
 * Allocations that fail, or are counted
 */

static void *frmr_counting_alloc(size_t bytes)
{
	struct kunit *test = kunit_get_current_test();
	struct frmr_fake *fake = test->priv;
	void *memory;

	if (fake->allocs++ >= fake->good_allocs)
		return NULL;
	kunit_deactivate_static_stub(test, frmr_alloc);
	memory = frmr_alloc(bytes);
	kunit_activate_static_stub(test, frmr_alloc, frmr_counting_alloc);
	return memory;
}

/* From here on so many allocations succeed. */
static void frmr_limit_allocs(struct kunit *test, u32 good_allocs)
{
	struct frmr_fake *fake = test->priv;

	fake->allocs = 0;
	fake->good_allocs = good_allocs;
	kunit_activate_static_stub(test, frmr_alloc, frmr_counting_alloc);
}

/*
 * Lookup: which pool a handle comes from, and where it goes
 */

/* In order. Wide values, so that an order by truncated differences shows. */
static const struct ib_frmr_key frmr_ordered_keys[] = {
	{ .num_dma_blocks = 1 },
	{ .num_dma_blocks = 2 },
	{ .num_dma_blocks = SIZE_MAX },
	{ .num_dma_blocks = 1, .ats = 1 },
	{ .num_dma_blocks = 9, .ats = 1 },
	{ .num_dma_blocks = 4, .access_flags = IB_ACCESS_LOCAL_WRITE },
	{ .num_dma_blocks = 7, .access_flags = IB_ACCESS_LOCAL_WRITE },
	{ .num_dma_blocks = 1, .access_flags = IB_ACCESS_LOCAL_WRITE,
	  .ats = 1 },
	{ .num_dma_blocks = 1, .access_flags = IB_ACCESS_RELAXED_ORDERING },
	{ .num_dma_blocks = 1, .vendor_key = 1 },
	{ .num_dma_blocks = 5, .vendor_key = 1ULL << 32 },
	{ .num_dma_blocks = 1, .vendor_key = 1ULL << 32, .ats = 1 },
	{ .num_dma_blocks = 1, .vendor_key = U64_MAX },
	{ .num_dma_blocks = 3, .kernel_vendor_key = 1 },
	{ .num_dma_blocks = 1, .kernel_vendor_key = 1, .vendor_key = 1 },
	{ .num_dma_blocks = 1, .kernel_vendor_key = 1ULL << 32 },
	{ .num_dma_blocks = 1, .kernel_vendor_key = U64_MAX },
};

static void frmr_walk_is_in_key_order(struct kunit *test)
{
	const u32 count = ARRAY_SIZE(frmr_ordered_keys);
	struct ib_mr *mrs = frmr_mrs(test, count);
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;
	struct ib_frmr_pool_info info;
	u32 i;

	/* 7 and the count are coprime, so each key comes once. */
	for (i = 0; i < count; i++)
		frmr_pop_key(test, &mrs[i], &frmr_ordered_keys[i * 7 % count]);

	for (i = 0; i < count; i++) {
		KUNIT_ASSERT_TRUE(test, frmr_next(test, after, &info));
		KUNIT_EXPECT_EQ_MSG(test,
				    frmr_fake_key_cmp(&info.key,
						      &frmr_ordered_keys[i]),
				    0, "place %u", i);
		after = &info.key;
	}
	KUNIT_EXPECT_FALSE(test, frmr_next(test, after, &info));
	frmr_push(test, mrs, count);
}

static const size_t frmr_sizes[] = { 8, 9, 11, 15, 16 };

#define FRMR_NUM_SIZES ARRAY_SIZE(frmr_sizes)

/* The order that belongs to @number, of all there are. */
static void frmr_permute(u32 number, size_t *sizes)
{
	u32 i;

	memcpy(sizes, frmr_sizes, sizeof(frmr_sizes));
	for (i = FRMR_NUM_SIZES; i > 1; i--) {
		swap(sizes[i - 1], sizes[number % i]);
		number /= i;
	}
}

static size_t frmr_smallest_fitting(size_t blocks)
{
	u32 i;

	for (i = 0; i < FRMR_NUM_SIZES; i++) {
		if (frmr_sizes[i] >= blocks && frmr_sizes[i] < 2 * blocks)
			return frmr_sizes[i];
	}
	return 0;
}

static void frmr_check_choices(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	size_t blocks, fitting;

	for (blocks = 4; blocks <= 16; blocks++) {
		fitting = frmr_smallest_fitting(blocks);
		if (!fitting)
			continue;
		frmr_pop(test, mr, 1, blocks);
		FRMR_EXPECT_POOL(test, fitting, 0, 1);
		frmr_push(test, mr, 1);
	}
	KUNIT_EXPECT_EQ(test, fake->live, FRMR_NUM_SIZES);
}

static void frmr_choice_does_not_depend_on_history(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	size_t sizes[FRMR_NUM_SIZES];
	u32 number, i;

	for (number = 0; number < 120; number++) {
		frmr_permute(number, sizes);
		for (i = 0; i < FRMR_NUM_SIZES; i++)
			frmr_stock(test, sizes[i], 1);
		KUNIT_ASSERT_EQ(test, frmr_pool_count(test), FRMR_NUM_SIZES);
		frmr_check_choices(test);

		ib_frmr_pools_cleanup(&fake->ibdev);
		KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&fake->ibdev,
							 &frmr_fake_ops), 0);
	}
}

static void frmr_sizes_within_a_factor_of_two_are_not_equal(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 15, 1), 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 2), 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 9, 3), 0);

	FRMR_EXPECT_POOL(test, 8, 2, 0);
	FRMR_EXPECT_POOL(test, 9, 3, 0);
	FRMR_EXPECT_POOL(test, 15, 1, 0);
}

struct frmr_window {
	size_t has;
	size_t wants;
	bool fits;
};

static const struct frmr_window frmr_windows[] = {
	{ 8, 8, true },
	{ 15, 8, true },
	{ 16, 8, false },
	{ 7, 8, false },
	{ 1, 1, true },
	{ 2, 1, false },
	{ 3, 2, true },
	{ 4, 2, false },
	{ SIZE_MAX, SIZE_MAX, true },
	{ SIZE_MAX, SIZE_MAX / 2 + 1, true },
	{ SIZE_MAX, SIZE_MAX / 2, false },
	{ SIZE_MAX - 1, SIZE_MAX / 2, false },
	{ SIZE_MAX - 2, SIZE_MAX / 2, true },
	{ 1, SIZE_MAX, false },
};

static void frmr_window_desc(const struct frmr_window *window, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "a pool of %zx %s for %zx",
		 window->has, window->fits ? "serves" : "is not",
		 window->wants);
}

KUNIT_ARRAY_PARAM(frmr_window, frmr_windows, frmr_window_desc);

static void frmr_window_is_from_n_to_below_2n(struct kunit *test)
{
	const struct frmr_window *window = test->param_value;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, window->has, 1);
	frmr_pop(test, mr, 1, window->wants);

	FRMR_EXPECT_POOL(test, window->has, !window->fits, window->fits);
	if (!window->fits)
		FRMR_EXPECT_POOL(test, window->wants, 0, 1);
	frmr_push(test, mr, 1);
}

struct frmr_key_pair {
	const char *field;
	struct ib_frmr_key keys[2];
};

static const struct frmr_key_pair frmr_key_pairs[] = {
	{ "vendor_key",
	  { { .num_dma_blocks = 8, .vendor_key = 1 },
	    { .num_dma_blocks = 8, .vendor_key = 2 } } },
	{ "vendor_key's upper half",
	  { { .num_dma_blocks = 8 },
	    { .num_dma_blocks = 8, .vendor_key = 1ULL << 32 } } },
	{ "kernel_vendor_key",
	  { { .num_dma_blocks = 8 },
	    { .num_dma_blocks = 8, .kernel_vendor_key = 1 } } },
	{ "kernel_vendor_key's upper half",
	  { { .num_dma_blocks = 8, .kernel_vendor_key = 1 },
	    { .num_dma_blocks = 8, .kernel_vendor_key = 1ULL << 40 | 1 } } },
	{ "access_flags",
	  { { .num_dma_blocks = 8 },
	    { .num_dma_blocks = 8,
	      .access_flags = IB_ACCESS_REMOTE_READ } } },
	{ "ats",
	  { { .num_dma_blocks = 8 },
	    { .num_dma_blocks = 8, .ats = 1 } } },
};

static void frmr_key_pair_desc(const struct frmr_key_pair *pair, char *desc)
{
	strscpy(desc, pair->field, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(frmr_key_pair, frmr_key_pairs, frmr_key_pair_desc);

/* Both ways, as the tree is searched upwards only. */
static void frmr_key_field_splits_pools(struct kunit *test)
{
	const struct frmr_key_pair *pair = test->param_value;
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	int i;

	for (i = 0; i < 2; i++) {
		frmr_pop_key(test, &mrs[0], &pair->keys[i]);
		frmr_push(test, &mrs[0], 1);
		frmr_pop_key(test, &mrs[1], &pair->keys[!i]);
		KUNIT_EXPECT_EQ(test, fake->created, 2 * i + 2);
		frmr_push(test, &mrs[1], 1);
		KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 2);

		frmr_reclaim(test, U32_MAX);
	}
}

static void
frmr_pop_takes_smallest_fitting_pool_with_idle_handle(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 4);

	frmr_stock(test, 14, 1);
	frmr_stock(test, 12, 1);
	frmr_stock(test, 10, 1);
	frmr_stock(test, 9, 1);

	frmr_pop(test, &mrs[0], 1, 9);
	frmr_pop(test, &mrs[1], 1, 8);
	FRMR_EXPECT_POOL(test, 10, 0, 1);
	frmr_pop(test, &mrs[2], 1, 8);
	FRMR_EXPECT_POOL(test, 12, 0, 1);
	frmr_pop(test, &mrs[3], 1, 8);
	FRMR_EXPECT_POOL(test, 14, 0, 1);
	KUNIT_EXPECT_EQ(test, fake->created, 4);
	frmr_push(test, mrs, 4);
}

static void frmr_miss_creates_in_smallest_fitting_pool(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 4);

	frmr_stock(test, 12, 1);
	frmr_stock(test, 10, 1);
	frmr_pop(test, mrs, 4, 8);

	FRMR_EXPECT_POOL(test, 10, 0, 3);
	FRMR_EXPECT_POOL(test, 12, 0, 1);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 2);
	frmr_push(test, mrs, 4);
}

static void frmr_miss_without_fitting_pool_makes_exact_one(struct kunit *test)
{
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 1);
	frmr_stock(test, 48, 1);
	frmr_pop(test, mr, 1, 49);

	FRMR_EXPECT_POOL(test, 49, 0, 1);
	FRMR_EXPECT_POOL(test, 48, 1, 0);
	FRMR_EXPECT_POOL(test, 100, 1, 0);
	frmr_push(test, mr, 1);
}

static void frmr_nothing_is_created_while_a_fitting_one_is_idle(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 41);
	u32 blocks;

	for (blocks = 20; blocks < 40; blocks++)
		frmr_stock(test, blocks, 2);
	frmr_pop(test, mrs, 40, 20);
	KUNIT_EXPECT_EQ(test, fake->created, 40);

	frmr_pop(test, &mrs[40], 1, 20);
	KUNIT_EXPECT_EQ(test, fake->created, 41);
	frmr_push(test, mrs, 41);
}

static void frmr_handle_goes_home_to_its_pool(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_stock(test, 12, 1);
	frmr_pop(test, &mrs[0], 1, 8);
	/* A pool of just the size that was asked for must not get it. */
	frmr_pop(test, &mrs[1], 1, 7);
	frmr_stock(test, 8, 1);
	frmr_push(test, mrs, 2);

	FRMR_EXPECT_POOL(test, 12, 2, 0);
	FRMR_EXPECT_POOL(test, 8, 1, 0);
}

static void frmr_pop_leaves_the_key_alone(struct kunit *test)
{
	struct ib_mr *mr = frmr_mrs(test, 1);
	struct ib_frmr_key key = frmr_key(9);

	frmr_stock(test, 12, 1);
	frmr_pop_key(test, mr, &key);
	KUNIT_EXPECT_EQ(test, frmr_fake_key_cmp(&mr->frmr.key, &key), 0);

	frmr_push(test, mr, 1);
	KUNIT_EXPECT_EQ(test, frmr_fake_key_cmp(&mr->frmr.key, &key), 0);
}

static void frmr_driver_can_not_alter_a_pools_key(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);

	fake->scribbles = true;
	frmr_pop(test, &mrs[0], 1, 20);
	frmr_pop(test, &mrs[1], 1, 5);
	frmr_pop(test, &mrs[2], 1, 80);
	frmr_push(test, mrs, 3);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 50, 2), 0);

	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 4);
	FRMR_EXPECT_POOL(test, 5, 1, 0);
	FRMR_EXPECT_POOL(test, 20, 1, 0);
	FRMR_EXPECT_POOL(test, 50, 2, 0);
	FRMR_EXPECT_POOL(test, 80, 1, 0);
}

static void frmr_last_in_is_first_out(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 100);
	u32 handles[100], i;

	frmr_pop(test, mrs, 100, 8);
	for (i = 0; i < 100; i++)
		handles[i] = mrs[i].frmr.handle;
	frmr_push(test, mrs, 100);

	frmr_pop(test, mrs, 100, 8);
	for (i = 0; i < 100; i++)
		KUNIT_EXPECT_EQ(test, mrs[i].frmr.handle, handles[99 - i]);
	frmr_push(test, mrs, 100);
}

static void frmr_hits_and_misses_are_counted(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 5);

	frmr_pop(test, mrs, 3, 8);
	frmr_push(test, mrs, 3);
	frmr_pop(test, mrs, 5, 8);
	frmr_push(test, mrs, 5);

	FRMR_EXPECT_STAT(test, 8, IB_FRMR_HITS, 3);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_MISSES, 5);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_CREATED, 5);
}

static void frmr_max_in_use_is_the_high_water_mark(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 7);

	frmr_pop(test, mrs, 7, 8);
	frmr_push(test, mrs, 7);
	frmr_pop(test, mrs, 2, 8);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).in_use, 2);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).max_in_use, 7);
	frmr_push(test, mrs, 2);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).max_in_use, 7);
}

static void frmr_pop_of_no_blocks_is_refused(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

static struct kunit_case frmr_lookup_cases[] = {
	KUNIT_CASE(frmr_walk_is_in_key_order),
	KUNIT_CASE(frmr_choice_does_not_depend_on_history),
	KUNIT_CASE(frmr_sizes_within_a_factor_of_two_are_not_equal),
	KUNIT_CASE_PARAM(frmr_window_is_from_n_to_below_2n,
			 frmr_window_gen_params),
	KUNIT_CASE_PARAM(frmr_key_field_splits_pools,
			 frmr_key_pair_gen_params),
	KUNIT_CASE(frmr_pop_takes_smallest_fitting_pool_with_idle_handle),
	KUNIT_CASE(frmr_miss_creates_in_smallest_fitting_pool),
	KUNIT_CASE(frmr_miss_without_fitting_pool_makes_exact_one),
	KUNIT_CASE(frmr_nothing_is_created_while_a_fitting_one_is_idle),
	KUNIT_CASE(frmr_handle_goes_home_to_its_pool),
	KUNIT_CASE(frmr_pop_leaves_the_key_alone),
	KUNIT_CASE(frmr_driver_can_not_alter_a_pools_key),
	KUNIT_CASE(frmr_last_in_is_first_out),
	KUNIT_CASE(frmr_hits_and_misses_are_counted),
	KUNIT_CASE(frmr_max_in_use_is_the_high_water_mark),
	KUNIT_CASE(frmr_pop_of_no_blocks_is_refused),
	{}
};

static struct kunit_suite frmr_lookup_suite = {
	.name = FRMR_SUITE("frmr_lookup"),
	.init = FRMR_INIT,
	.exit = frmr_fake_exit,
	.test_cases = frmr_lookup_cases,
};

/*
 * Creation that fails, and what a pool does about it
 */

static const int frmr_errors[] = {
	-ENOMEM, -EAGAIN, -ENOSPC, -EIO, -EINVAL, -EOPNOTSUPP
};

static void frmr_error_desc(const int *error, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%pe", ERR_PTR(*error));
}

KUNIT_ARRAY_PARAM(frmr_error, frmr_errors, frmr_error_desc);

static void frmr_create_error_is_passed_on(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	const int *error = test->param_value;

	fake->bad_calls = 1;
	fake->error = *error;
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[0], 8), *error);

	/* Nothing was idle anywhere, so a second try would be in vain. */
	KUNIT_EXPECT_EQ(test, fake->create_calls, 1);
	KUNIT_EXPECT_NULL(test, mrs[0].frmr.pool);
	FRMR_EXPECT_POOL(test, 8, 0, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 1);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).max_in_use, 0);

	frmr_pop(test, &mrs[1], 1, 8);
	frmr_push(test, &mrs[1], 1);
}

static const int frmr_final_errors[] = { -EINVAL, -EOPNOTSUPP };

KUNIT_ARRAY_PARAM(frmr_final_error, frmr_final_errors, frmr_error_desc);

static void frmr_impossible_object_costs_no_idle_handle(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	const int *error = test->param_value;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 5);
	fake->create_calls = 0;
	fake->bad_calls = 1;
	fake->error = *error;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), *error);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 1);
	KUNIT_EXPECT_EQ(test, fake->destroy_calls, 0);
	FRMR_EXPECT_POOL(test, 100, 5, 0);
}

static void frmr_too_large_object_costs_no_idle_handle(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	fake->max_blocks = 512;
	frmr_stock(test, 512, 5);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 513), -EINVAL);
	FRMR_EXPECT_POOL(test, 512, 5, 0);
}

static void frmr_create_failure_reclaims_everything_and_retries(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 70);
	frmr_stock(test, 300, 5);
	fake->create_calls = 0;
	fake->bad_calls = 1;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 2);
	KUNIT_EXPECT_EQ(test, fake->destroyed, 75);
	FRMR_EXPECT_STAT(test, 100, IB_FRMR_RECLAIMED, 70);
	FRMR_EXPECT_STAT(test, 300, IB_FRMR_RECLAIMED, 5);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_CREATED, 1);
	frmr_push(test, mr, 1);
}

static void frmr_create_is_retried_once_only(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 5);
	fake->create_calls = 0;
	fake->bad_calls = 2;
	fake->error = -ENOSPC;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 2);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 2);
	FRMR_EXPECT_POOL(test, 8, 0, 0);
}

static void frmr_full_device_serves_another_size(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 20);

	fake->capacity = 20;
	frmr_pop(test, mrs, 20, 100);
	frmr_push(test, mrs, 20);

	frmr_pop(test, mrs, 20, 8);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, frmr_mrs(test, 1), 8),
			-ENOMEM);
	frmr_push(test, mrs, 20);
}

static void frmr_create_failure_spares_pinned_and_used_handles(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 100, 5), 0);
	frmr_pop(test, &mrs[0], 3, 300);
	fake->capacity = fake->live;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[4], 8), -ENOMEM);
	FRMR_EXPECT_POOL(test, 100, 5, 0);
	FRMR_EXPECT_POOL(test, 300, 0, 3);
	frmr_push(test, mrs, 3);
}

/*
 * One call of the driver that takes its time. It ends by itself as well, in
 * case that the core has the test wait for it.
 */
static DECLARE_COMPLETION(frmr_call_entered);
static DECLARE_COMPLETION(frmr_call_may_end);

static void frmr_dawdle(struct frmr_fake *fake)
{
	WRITE_ONCE(fake->create_hook, NULL);
	WRITE_ONCE(fake->destroy_hook, NULL);
	complete(&frmr_call_entered);
	wait_for_completion_timeout(&frmr_call_may_end, 5 * HZ);
	/* Time for a core that does not wait to give up. */
	msleep(100);
}

static void frmr_dawdle_in(void (**hook)(struct frmr_fake *fake))
{
	reinit_completion(&frmr_call_entered);
	reinit_completion(&frmr_call_may_end);
	*hook = frmr_dawdle;
}

static void frmr_await_call(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, wait_for_completion_timeout(&frmr_call_entered,
							    FRMR_TEST_PATIENCE));
}

static void frmr_let_call_end(struct frmr_fake *fake)
{
	complete(&frmr_call_may_end);
}

static void frmr_cleanup_of_device(struct frmr_fake *fake)
{
	ib_frmr_pools_cleanup(&fake->ibdev);
}

static void frmr_reclaim_all(struct frmr_fake *fake)
{
	ib_frmr_pools_reclaim(&fake->ibdev, U32_MAX);
}

/* Ends up in the midst of the first batch. */
static struct frmr_thread *frmr_start_slow_reclaim(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct frmr_thread *thread;

	frmr_dawdle_in(&fake->destroy_hook);
	thread = frmr_start(test, frmr_reclaim_all);
	frmr_await_call(test);
	return thread;
}

static void frmr_pop_waits_for_what_others_destroy(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	struct frmr_thread *thread;

	frmr_stock(test, 100, 5);
	fake->capacity = 5;
	thread = frmr_start_slow_reclaim(test);

	/* Nothing is idle, but the device is still full. */
	FRMR_EXPECT_POOL(test, 100, 0, 0);
	fake->create_hook = frmr_let_call_end;
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);
	frmr_join(thread);
	frmr_push(test, mr, 1);
}

/* What a thread that deregisters meanwhile would do. */
static struct ib_mr *frmr_mr_to_return;

static void frmr_return_one(struct frmr_fake *fake)
{
	fake->create_hook = NULL;
	frmr_fake_push(fake, frmr_mr_to_return);
}

static void frmr_pop_takes_what_comes_back_while_it_fails_to_create(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 1), 0);
	frmr_pop(test, mrs, 1, 8);
	fake->capacity = 1;
	frmr_mr_to_return = mrs;
	fake->create_hook = frmr_return_one;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[1], 8), 0);
	KUNIT_EXPECT_EQ(test, fake->destroyed, 0);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).stats[IB_FRMR_HITS], 2);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).stats[IB_FRMR_MISSES], 0);
	frmr_push(test, &mrs[1], 1);
}

static struct ib_mr *frmr_returning_mr, *frmr_coming_mr;

/* At the second try somebody else returns one handle and takes another. */
static void frmr_swap_handles(struct frmr_fake *fake)
{
	if (!fake->create_calls)
		return;
	fake->create_hook = NULL;
	frmr_fake_push(fake, frmr_returning_mr);
	frmr_pop(fake->test, frmr_coming_mr, 1, 300);
}

/* Without pools the returned handle would have made room as well. */
static void frmr_handle_returned_before_the_retry_is_reclaimed_too(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);

	frmr_pop(test, &mrs[0], 1, 8);
	frmr_stock(test, 100, 1);
	frmr_returning_mr = &mrs[0];
	frmr_coming_mr = &mrs[1];
	fake->capacity = 2;
	fake->create_calls = 0;
	fake->create_hook = frmr_swap_handles;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[2], 50), 0);
	frmr_push(test, &mrs[1], 1);
	if (mrs[2].frmr.pool)
		frmr_push(test, &mrs[2], 1);
}

static void frmr_pop_when_killed(struct frmr_fake *fake)
{
	struct ib_mr mr = { .frmr.key = frmr_key(8) };

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	KUNIT_EXPECT_EQ(fake->test, frmr_fake_pop(fake, &mr), -EINTR);
}

static void frmr_killed_pop_costs_no_idle_handle(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 100, 5);
	fake->error = -EINTR;
	fake->bad_calls = 1;
	frmr_join(frmr_start(test, frmr_pop_when_killed));
	FRMR_EXPECT_POOL(test, 100, 5, 0);
}

static void frmr_pools_without_memory_are_not_made(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	ib_frmr_pools_cleanup(&fake->ibdev);
	frmr_limit_allocs(test, 0);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&fake->ibdev, &frmr_fake_ops),
			-ENOMEM);
	KUNIT_EXPECT_NULL(test, fake->ibdev.frmr_pools);
}

static void frmr_pop_without_memory_for_a_pool_fails(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_limit_allocs(test, 0);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

/* The first chunk, and some later ones. */
static const u32 frmr_good_allocs[] = { 0, 1, 2, 3 };

static void frmr_good_allocs_desc(const u32 *good, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "after %u chunks", *good);
}

KUNIT_ARRAY_PARAM(frmr_good_allocs, frmr_good_allocs, frmr_good_allocs_desc);

/* Room comes first: the device never creates what can't be stored. */
static void frmr_pop_without_memory_for_a_chunk_fails(struct kunit *test)
{
	const u32 *good_allocs = test->param_value;
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5000);
	u32 count = 0;
	int ret;

	frmr_limit_allocs(test, *good_allocs);
	do {
		ret = frmr_try_pop(test, &mrs[count], 8);
	} while (!ret && ++count < 5000);

	KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	KUNIT_EXPECT_GE(test, count, *good_allocs);
	KUNIT_EXPECT_EQ(test, fake->created, count);
	KUNIT_EXPECT_EQ(test, fake->create_calls, count);
	FRMR_EXPECT_POOL(test, 8, 0, count);
	frmr_push(test, mrs, count);

	/* With memory it goes on. */
	frmr_limit_allocs(test, U32_MAX);
	frmr_pop(test, mrs, count + 1, 8);
	frmr_push(test, mrs, count + 1);
}

static void frmr_push_never_allocates(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5000);

	frmr_pop(test, mrs, 5000, 8);
	frmr_limit_allocs(test, 0);
	frmr_limit_allocs(test, 0);
	frmr_push(test, mrs, 5000);

	FRMR_EXPECT_POOL(test, 8, 5000, 0);
	KUNIT_EXPECT_EQ(test, fake->allocs, 0);
	KUNIT_EXPECT_EQ(test, fake->destroyed, 0);

	/* None is lost, and each comes back once. */
	frmr_pop(test, mrs, 5000, 8);
	KUNIT_EXPECT_EQ(test, fake->created, 5000);
	frmr_push(test, mrs, 5000);
}

/* At each fill level, so at each border of two chunks. */
static void frmr_pop_and_push_in_a_loop_never_allocates(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 1500);
	u32 i, round;

	frmr_pop(test, mrs, 1500, 8);
	frmr_limit_allocs(test, 0);
	for (i = 0; i < 1500; i++) {
		for (round = 0; round < 3; round++) {
			frmr_push(test, &mrs[i], 1);
			frmr_pop(test, &mrs[i], 1, 8);
		}
		frmr_push(test, &mrs[i], 1);
	}
	KUNIT_EXPECT_EQ(test, fake->allocs, 0);
	KUNIT_EXPECT_EQ(test, fake->created, 1500);
}

/* Not even if the handle is destroyed and created anew each time. */
static void frmr_shrinking_and_growing_by_one_never_allocates(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 600);
	u32 i, round;

	for (i = 0; i < 600; i++) {
		frmr_pop(test, &mrs[i], 1, 8);
		frmr_limit_allocs(test, U32_MAX);
		for (round = 0; round < 4; round++) {
			frmr_push(test, &mrs[i], 1);
			frmr_reclaim(test, 1);
			frmr_pop(test, &mrs[i], 1, 8);
		}
		KUNIT_EXPECT_EQ_MSG(test, fake->allocs, 0, "at %u", i);
	}
	frmr_push(test, mrs, 600);
}

static void frmr_room_is_given_back_with_the_handles(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5000);
	u32 first;

	frmr_limit_allocs(test, U32_MAX);
	frmr_pop(test, mrs, 5000, 8);
	frmr_push(test, mrs, 5000);
	first = fake->allocs;

	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, U32_MAX), 5000);
	frmr_limit_allocs(test, U32_MAX);
	frmr_pop(test, mrs, 5000, 8);
	frmr_push(test, mrs, 5000);

	/* All but a few small chunks had been freed. */
	KUNIT_EXPECT_GT(test, first, 4);
	KUNIT_EXPECT_GE(test, fake->allocs, first / 2);
}

static void frmr_failed_creation_gives_its_room_back(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	u32 i;

	frmr_limit_allocs(test, U32_MAX);
	fake->bad_calls = 1000;
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_EQ(test, frmr_try_pop(test, mr, 8), -ENOMEM);
	KUNIT_EXPECT_LE(test, fake->allocs, 1);
}

static struct kunit_case frmr_create_cases[] = {
	KUNIT_CASE_PARAM(frmr_create_error_is_passed_on,
			 frmr_error_gen_params),
	KUNIT_CASE_PARAM(frmr_impossible_object_costs_no_idle_handle,
			 frmr_final_error_gen_params),
	KUNIT_CASE(frmr_too_large_object_costs_no_idle_handle),
	KUNIT_CASE(frmr_create_failure_reclaims_everything_and_retries),
	KUNIT_CASE(frmr_create_is_retried_once_only),
	KUNIT_CASE(frmr_full_device_serves_another_size),
	KUNIT_CASE(frmr_create_failure_spares_pinned_and_used_handles),
	KUNIT_CASE(frmr_pop_takes_what_comes_back_while_it_fails_to_create),
	KUNIT_CASE(frmr_pop_waits_for_what_others_destroy),
	KUNIT_CASE(frmr_handle_returned_before_the_retry_is_reclaimed_too),
	KUNIT_CASE(frmr_killed_pop_costs_no_idle_handle),
	KUNIT_CASE(frmr_pools_without_memory_are_not_made),
	KUNIT_CASE(frmr_pop_without_memory_for_a_pool_fails),
	KUNIT_CASE_PARAM(frmr_pop_without_memory_for_a_chunk_fails,
			 frmr_good_allocs_gen_params),
	KUNIT_CASE(frmr_push_never_allocates),
	KUNIT_CASE(frmr_pop_and_push_in_a_loop_never_allocates),
	KUNIT_CASE(frmr_shrinking_and_growing_by_one_never_allocates),
	KUNIT_CASE(frmr_room_is_given_back_with_the_handles),
	KUNIT_CASE(frmr_failed_creation_gives_its_room_back),
	{}
};

static struct kunit_suite frmr_create_suite = {
	.name = FRMR_SUITE("frmr_create"),
	.init = FRMR_INIT,
	.exit = frmr_fake_exit,
	.test_cases = frmr_create_cases,
};

/*
 * Reclaim, as a driver calls it
 */

static void frmr_reclaim_destroys_no_more_than_asked(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 100);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 70), 70);
	KUNIT_EXPECT_EQ(test, fake->destroyed, 70);
	FRMR_EXPECT_POOL(test, 8, 30, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_RECLAIMED, 70);
}

static void frmr_reclaim_goes_across_pools(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 3);
	frmr_stock(test, 80, 3);
	frmr_stock(test, 800, 3);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 7), 7);
	KUNIT_EXPECT_EQ(test, fake->live, 2);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 7), 2);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 7), 0);
}

static void frmr_reclaim_of_none_does_nothing(struct kunit *test)
{
	frmr_stock(test, 8, 3);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 0), 0);
	FRMR_EXPECT_POOL(test, 8, 3, 0);
}

static void frmr_reclaim_without_pools_does_nothing(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 1), 0);
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 1), 0);
}

static void frmr_reclaim_leaves_pinned_and_used_handles(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 9);

	frmr_pop(test, mrs, 9, 8);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_push(test, mrs, 7);

	/* 2 in use and 3 idle ones make the 5. */
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, U32_MAX), 4);
	FRMR_EXPECT_POOL(test, 8, 3, 2);
	frmr_push(test, &mrs[7], 2);
}

static struct kunit_case frmr_reclaim_cases[] = {
	KUNIT_CASE(frmr_reclaim_destroys_no_more_than_asked),
	KUNIT_CASE(frmr_reclaim_goes_across_pools),
	KUNIT_CASE(frmr_reclaim_of_none_does_nothing),
	KUNIT_CASE(frmr_reclaim_without_pools_does_nothing),
	KUNIT_CASE(frmr_reclaim_leaves_pinned_and_used_handles),
	{}
};

static struct kunit_suite frmr_reclaim_suite = {
	.name = FRMR_SUITE("frmr_reclaim"),
	.init = FRMR_INIT,
	.exit = frmr_fake_exit,
	.test_cases = frmr_reclaim_cases,
};

/*
 * Aging
 */

static void frmr_unneeded_handles_age(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 11);

	frmr_pop(test, mrs, 11, 8);
	frmr_push(test, mrs, 10);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 10, 1);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AGED, 10);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DESTROYED, 10);
	frmr_push(test, mrs + 10, 1);
}

static void frmr_handles_needed_in_between_stay(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 4);

	frmr_stock(test, 8, 10);
	frmr_tick(test);
	frmr_pop(test, mrs, 4, 8);
	frmr_push(test, mrs, 4);
	frmr_pop(test, mrs, 3, 8);
	frmr_push(test, mrs, 3);

	/* At the low-water mark there were 6. */
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 4, 0);
	/* In the next period nobody needed the others either. */
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_each_period_has_its_own_low_water_mark(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 10);
	u32 period;

	frmr_stock(test, 8, 10);
	frmr_tick(test);
	/* All are needed once a period, so all stay. */
	for (period = 0; period < 5; period++) {
		frmr_pop(test, mrs, 10, 8);
		frmr_push(test, mrs, 10);
		frmr_tick(test);
		FRMR_EXPECT_POOL(test, 8, 10, 0);
	}
}

static void frmr_new_handles_stay_for_a_whole_period(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 5);

	frmr_stock(test, 8, 10);
	frmr_tick(test);
	/* These come half-way: 10 are unneeded, 15 are idle. */
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 15), 0);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 0), 0);
	frmr_pop(test, mrs, 5, 100);
	frmr_push(test, mrs, 5);

	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 5, 0);
	FRMR_EXPECT_POOL(test, 100, 5, 0);
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 100));
}

/* The fake device complains of larger batches. */
static void frmr_aging_destroys_in_batches(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 1000);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
	KUNIT_EXPECT_GE(test, fake->destroy_calls,
			DIV_ROUND_UP(1000, FRMR_FAKE_MAX_BATCH));
	/* A driver call for each would be the other extreme. */
	KUNIT_EXPECT_LE(test, fake->destroy_calls, 100);
}

static void frmr_aging_leaves_as_many_as_pinned(struct kunit *test)
{
	frmr_stock(test, 8, 20);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 12), 0);
	frmr_tick(test);
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 12, 0);
}

static void frmr_handles_in_use_count_as_pinned_ones(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 14);

	frmr_pop(test, mrs, 14, 8);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 10), 0);
	frmr_push(test, mrs, 10);
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 6, 4);

	frmr_push(test, &mrs[10], 4);
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 10, 0);
}

static void frmr_pinned_pool_is_refilled_after_drop(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	int i;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_pop(test, mrs, 2, 8);
	for (i = 0; i < 2; i++)
		frmr_fake_drop(fake, &mrs[i]);
	FRMR_EXPECT_POOL(test, 8, 3, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DROPPED, 2);

	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 5, 0);
}

static void frmr_refill_takes_nothing_from_other_pools(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 4);
	struct ib_mr *other = frmr_mrs(test, 1);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 4), 0);
	frmr_pop(test, mrs, 4, 8);
	frmr_fake_drop(fake, &mrs[0]);
	frmr_fake_drop(fake, &mrs[1]);
	frmr_pop(test, other, 1, 100);
	frmr_push(test, other, 1);
	/* Room for one of the two. */
	fake->capacity = fake->live + 1;
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 1, 2);
	FRMR_EXPECT_POOL(test, 100, 1, 0);
	frmr_push(test, &mrs[2], 2);
}

static void frmr_failed_refill_is_tried_again(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_pop(test, mr, 1, 8);
	frmr_fake_drop(fake, mr);
	fake->bad_calls = 2;
	fake->error = -EIO;

	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 4, 0);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 4, 0);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 5, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 2);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 5);
}

static void frmr_pool_ends_after_a_whole_empty_period(struct kunit *test)
{
	frmr_empty_pool(test, 8);
	frmr_tick(test);
	KUNIT_EXPECT_TRUE(test, frmr_has_pool(test, 8));
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_pool_ends_with_its_last_unneeded_handles(struct kunit *test)
{
	frmr_stock(test, 8, 3);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 3, 0);
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_pool_ends_after_its_last_handle_was_dropped(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_pop(test, mr, 1, 8);
	frmr_fake_drop(fake, mr);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_pinned_pool_does_not_end(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	int i;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 1), 0);
	frmr_pop(test, mr, 1, 8);
	frmr_fake_drop(fake, mr);
	/* Now it is empty, and stays so. */
	fake->bad_calls = U32_MAX;
	for (i = 0; i < 4; i++)
		frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 0, 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 1);
}

static void frmr_pool_in_use_does_not_end(struct kunit *test)
{
	struct ib_mr *mr = frmr_mrs(test, 1);
	int i;

	frmr_pop(test, mr, 1, 8);
	for (i = 0; i < 4; i++)
		frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	frmr_push(test, mr, 1);
}

static void frmr_pool_that_had_a_handle_meanwhile_does_not_end(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	int i;

	frmr_empty_pool(test, 8);
	for (i = 0; i < 3; i++) {
		frmr_tick(test);
		KUNIT_ASSERT_TRUE(test, frmr_has_pool(test, 8));
		frmr_pop(test, mr, 1, 8);
		frmr_fake_drop(fake, mr);
	}
	frmr_tick(test);
	KUNIT_EXPECT_TRUE(test, frmr_has_pool(test, 8));
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_thousand_sizes_leave_no_pool(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 1000);
	u32 i;

	/* Upwards: no smaller pool serves a larger size. */
	for (i = 0; i < 1000; i++)
		frmr_pop(test, &mrs[i], 1, i + 1);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 1000);
	frmr_push(test, mrs, 1000);

	/* A period to age, another to end, after the one that is under way. */
	for (i = 0; i < 3; i++)
		frmr_tick(test);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

static void frmr_ended_pool_comes_back(struct kunit *test)
{
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_empty_pool(test, 8);
	frmr_tick(test);
	frmr_tick(test);
	frmr_pop(test, mr, 1, 8);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	/* It counts from its own first handle on. */
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 0);
	frmr_push(test, mr, 1);
}

static u32 frmr_period(struct frmr_fake *fake)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&fake->ibdev);
	u32 seconds;

	KUNIT_ASSERT_NOT_NULL(fake->test, pools);
	seconds = ib_frmr_pools_aging_period(pools);
	ib_frmr_pools_put(pools);
	return seconds;
}

static void frmr_aging_period_is_a_minute_at_first(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&fake->ibdev, &frmr_fake_ops),
			0);
	KUNIT_EXPECT_EQ(test, frmr_period(fake), 60);
}

static void frmr_aging_period_can_be_set(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_device *ibdev = &fake->ibdev;

	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, 7), 0);
	KUNIT_EXPECT_EQ(test, frmr_period(fake), 7);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, frmr_period(fake), 7);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, U32_MAX),
			0);
	KUNIT_EXPECT_EQ(test, frmr_period(fake), U32_MAX);
	/* In jiffies, the low half of this is 0. */
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, 1U << 31),
			0);
	frmr_stock(test, 8, 1);
	msleep(100);
	FRMR_EXPECT_POOL(test, 8, 1, 0);
}

static u32 frmr_live(struct frmr_fake *fake)
{
	u32 live;

	mutex_lock(&fake->lock);
	live = fake->live;
	mutex_unlock(&fake->lock);
	return live;
}

static void frmr_timer_ages_and_ends_pools(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	unsigned long start;

	/* The timer runs for a day; the new period must not wait for it. */
	frmr_stock(test, 8, 3);
	start = jiffies;
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_set_aging_period(&fake->ibdev, 1),
			0);
	frmr_wait_until(test, !frmr_live(fake));
	KUNIT_EXPECT_TRUE(test, time_after_eq(jiffies, start + HZ));
	frmr_wait_until(test, !frmr_pool_count(test));
}

/* Counts how often the workqueues run a work item in a range of memory. */
struct frmr_work_counter {
	struct tracepoint *tp;
	void *start;
	size_t size;
	atomic_t runs;
};

static void frmr_count_work(void *data, struct work_struct *work)
{
	struct frmr_work_counter *counter = data;

	if ((void *)work >= counter->start &&
	    (void *)work < counter->start + counter->size)
		atomic_inc(&counter->runs);
}

struct frmr_tp_search {
	const char *name;
	struct tracepoint *tp;
};

static void frmr_match_tracepoint(struct tracepoint *tp, void *data)
{
	struct frmr_tp_search *search = data;

	if (!strcmp(tp->name, search->name))
		search->tp = tp;
}

/* NULL without trace points, and for those in a module. */
static struct tracepoint *frmr_tracepoint(const char *name)
{
	struct frmr_tp_search search = { .name = name };

	for_each_kernel_tracepoint(frmr_match_tracepoint, &search);
	return search.tp;
}

static void frmr_stop_counting_work(void *data)
{
	struct frmr_work_counter *counter = data;

	tracepoint_probe_unregister(counter->tp, frmr_count_work, counter);
	tracepoint_synchronize_unregister();
}

static struct frmr_work_counter *frmr_start_counting_work(struct kunit *test)
{
	struct frmr_work_counter *counter;
	struct frmr_fake *fake = test->priv;
	int ret;

	counter = kunit_kzalloc(test, sizeof(*counter), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, counter);
	counter->tp = frmr_tracepoint("workqueue_execute_start");
	if (!counter->tp)
		kunit_skip(test, "no trace point to see the timer with");
	counter->start = fake->ibdev.frmr_pools;
	counter->size = ksize(counter->start);
	ret = tracepoint_probe_register(counter->tp, frmr_count_work, counter);
	KUNIT_ASSERT_EQ(test, ret, 0);
	ret = kunit_add_action_or_reset(test, frmr_stop_counting_work, counter);
	KUNIT_ASSERT_EQ(test, ret, 0);
	return counter;
}

static void frmr_expect_rest(struct kunit *test,
			     struct frmr_work_counter *counter)
{
	int runs = atomic_read(&counter->runs);

	msleep(2500);
	KUNIT_EXPECT_EQ(test, atomic_read(&counter->runs), runs);
}

static void frmr_timer_rests_while_nothing_can_age(struct kunit *test)
{
	struct frmr_work_counter *counter = frmr_start_counting_work(test);
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);
	int runs;

	frmr_expect_rest(test, counter);
	KUNIT_EXPECT_EQ(test, atomic_read(&counter->runs), 0);

	/* A new period has the timer look once. */
	ib_frmr_pools_set_aging_period(&fake->ibdev, 1);
	frmr_wait_until(test, atomic_read(&counter->runs));
	frmr_expect_rest(test, counter);

	/* What is pinned does not age, nor does what is in use. */
	runs = atomic_read(&counter->runs);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 100, 2), 0);
	frmr_pop(test, mrs, 3, 8);
	frmr_wait_until(test, atomic_read(&counter->runs) > runs);
	frmr_expect_rest(test, counter);

	/* This does, and then rests again. */
	runs = atomic_read(&counter->runs);
	frmr_push(test, mrs, 3);
	frmr_wait_until(test, frmr_live(fake) == 2);
	frmr_wait_until(test, frmr_pool_count(test) == 1);
	KUNIT_EXPECT_GT(test, atomic_read(&counter->runs), runs);
	frmr_expect_rest(test, counter);
}

/*
 * The period is a second from here on, and the timer has found nothing to do,
 * so what the test does next must arm it.
 */
static void frmr_wait_for_rest(struct kunit *test)
{
	struct frmr_work_counter *counter = frmr_start_counting_work(test);
	struct frmr_fake *fake = test->priv;

	ib_frmr_pools_set_aging_period(&fake->ibdev, 1);
	frmr_wait_until(test, atomic_read(&counter->runs));
	msleep(100);
}

static void frmr_timer_tries_a_failed_refill_again(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_wait_for_rest(test);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_pop(test, mr, 1, 8);
	fake->bad_calls = 1;
	frmr_fake_drop(fake, mr);
	frmr_wait_until(test, frmr_live(fake) == 5);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 1);
}

static void frmr_timer_ends_a_pool_that_never_had_a_handle(struct kunit *test)
{
	frmr_wait_for_rest(test);
	frmr_empty_pool(test, 8);
	frmr_wait_until(test, !frmr_pool_count(test));
}

static void frmr_timer_ends_a_pool_that_lost_its_handle(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_wait_for_rest(test);
	frmr_pop(test, mr, 1, 8);
	frmr_fake_drop(fake, mr);
	frmr_wait_until(test, !frmr_pool_count(test));
}

/* Neither the reclaim nor the tick may leave the empty pool to the other. */
static void frmr_pool_emptied_during_a_tick_ends(struct kunit *test)
{
	struct frmr_work_counter *counter = frmr_start_counting_work(test);
	struct frmr_fake *fake = test->priv;
	struct frmr_thread *thread;
	int runs;

	ib_frmr_pools_set_aging_period(&fake->ibdev, 1);
	frmr_stock(test, 8, 3);
	thread = frmr_start_slow_reclaim(test);
	runs = atomic_read(&counter->runs);
	frmr_wait_until(test, atomic_read(&counter->runs) > runs);
	msleep(100);
	frmr_let_call_end(fake);
	frmr_join(thread);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
	frmr_wait_until(test, !frmr_pool_count(test));
}

static struct kunit_case frmr_aging_cases[] = {
	KUNIT_CASE(frmr_unneeded_handles_age),
	KUNIT_CASE(frmr_handles_needed_in_between_stay),
	KUNIT_CASE(frmr_each_period_has_its_own_low_water_mark),
	KUNIT_CASE(frmr_new_handles_stay_for_a_whole_period),
	KUNIT_CASE(frmr_aging_destroys_in_batches),
	KUNIT_CASE(frmr_aging_leaves_as_many_as_pinned),
	KUNIT_CASE(frmr_handles_in_use_count_as_pinned_ones),
	KUNIT_CASE(frmr_pinned_pool_is_refilled_after_drop),
	KUNIT_CASE(frmr_refill_takes_nothing_from_other_pools),
	KUNIT_CASE(frmr_failed_refill_is_tried_again),
	KUNIT_CASE(frmr_pool_ends_after_a_whole_empty_period),
	KUNIT_CASE(frmr_pool_ends_with_its_last_unneeded_handles),
	KUNIT_CASE(frmr_pool_ends_after_its_last_handle_was_dropped),
	KUNIT_CASE(frmr_pinned_pool_does_not_end),
	KUNIT_CASE(frmr_pool_in_use_does_not_end),
	KUNIT_CASE(frmr_pool_that_had_a_handle_meanwhile_does_not_end),
	KUNIT_CASE(frmr_thousand_sizes_leave_no_pool),
	KUNIT_CASE(frmr_ended_pool_comes_back),
	KUNIT_CASE(frmr_aging_period_is_a_minute_at_first),
	KUNIT_CASE(frmr_aging_period_can_be_set),
	KUNIT_CASE_SLOW(frmr_timer_ages_and_ends_pools),
	KUNIT_CASE_SLOW(frmr_timer_rests_while_nothing_can_age),
	KUNIT_CASE_SLOW(frmr_timer_tries_a_failed_refill_again),
	KUNIT_CASE_SLOW(frmr_timer_ends_a_pool_that_never_had_a_handle),
	KUNIT_CASE_SLOW(frmr_timer_ends_a_pool_that_lost_its_handle),
	KUNIT_CASE_SLOW(frmr_pool_emptied_during_a_tick_ends),
	{}
};

static struct kunit_suite frmr_aging_suite = {
	.name = FRMR_SUITE("frmr_aging"),
	.init = FRMR_INIT,
	.exit = frmr_fake_exit,
	.test_cases = frmr_aging_cases,
};

/*
 * Pinned handles
 */

static void frmr_pin_fills_the_pool_at_once(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 150), 0);
	FRMR_EXPECT_POOL(test, 8, 150, 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 150);
	/* In batches; the fake device complains of those above the bound. */
	KUNIT_EXPECT_LE(test, fake->create_calls, 10);

	frmr_pop(test, mr, 1, 8);
	KUNIT_EXPECT_EQ(test, fake->created, 150);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_HITS, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_MISSES, 0);
	frmr_push(test, mr, 1);
}

static void frmr_pin_counts_handles_in_use(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);

	frmr_pop(test, mrs, 3, 8);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 5), 0);
	FRMR_EXPECT_POOL(test, 8, 2, 3);
	KUNIT_EXPECT_EQ(test, fake->created, 5);
	frmr_push(test, mrs, 3);
}

static void frmr_pin_below_what_there_is_creates_nothing(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 10);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 7), 0);
	KUNIT_EXPECT_EQ(test, fake->created, 10);
	FRMR_EXPECT_POOL(test, 8, 10, 0);
}

static void frmr_raised_pin_adds_the_difference(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 10), 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 25), 0);
	KUNIT_EXPECT_EQ(test, fake->created, 25);
	FRMR_EXPECT_POOL(test, 8, 25, 0);
}

static void frmr_lowered_pin_lets_the_difference_age(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 25), 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 10), 0);
	FRMR_EXPECT_POOL(test, 8, 25, 0);
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 10, 0);
}

static void frmr_unpinned_pool_ages_and_ends(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 5, 0);

	/* They have been idle all the time. */
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 0), 0);
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_unpin_of_unknown_key_changes_nothing(struct kunit *test)
{
	frmr_stock(test, 9, 1);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 0), 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 1);
}

static void frmr_pin_above_max_mr_is_refused(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	fake->ibdev.attrs.max_mr = 10;
	fake->capacity = 100; /* so that a mistake costs no memory */
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 11), -EINVAL);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, U32_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 10), 0);
}

struct frmr_bad_pin {
	const char *what;
	struct ib_frmr_key key;
	int error;
};

static const struct frmr_bad_pin frmr_bad_pins[] = {
	{ "kernel_vendor_key",
	  { .num_dma_blocks = 8, .kernel_vendor_key = 1 }, -EINVAL },
	{ "no blocks", { .num_dma_blocks = 0 }, -EINVAL },
	{ "REMOTE_WRITE without LOCAL_WRITE",
	  { .num_dma_blocks = 8, .access_flags = IB_ACCESS_REMOTE_WRITE },
	  -EINVAL },
	{ "access flag that does not exist",
	  { .num_dma_blocks = 8, .access_flags = 1 << 30 }, -EINVAL },
	{ "sign bit in access flags",
	  { .num_dma_blocks = 8, .access_flags = INT_MIN }, -EINVAL },
	{ "ODP on a device without it",
	  { .num_dma_blocks = 8, .access_flags = IB_ACCESS_ON_DEMAND },
	  -EOPNOTSUPP },
};

static void frmr_bad_pin_desc(const struct frmr_bad_pin *bad, char *desc)
{
	strscpy(desc, bad->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(frmr_bad_pin, frmr_bad_pins, frmr_bad_pin_desc);

static void frmr_pin_of_bad_key_is_refused(struct kunit *test)
{
	const struct frmr_bad_pin *bad = test->param_value;
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_key key = bad->key;

	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_pinned(&fake->ibdev, &key, 1),
			bad->error);
	KUNIT_EXPECT_EQ(test, frmr_fake_key_cmp(&key, &bad->key), 0);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

/* The driver's pools have a kernel_vendor_key that users can't name. */
static void frmr_kernel_pool_can_not_be_unpinned(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	struct ib_frmr_key key = frmr_key(8);

	key.kernel_vendor_key = 1;
	frmr_pop_key(test, mr, &key);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_pinned(&fake->ibdev, &key, 0),
			-EINVAL);
	frmr_push(test, mr, 1);
}

static int frmr_round_key(const struct ib_frmr_key *in, struct ib_frmr_key *out)
{
	out->num_dma_blocks = roundup_pow_of_two(in->num_dma_blocks);
	return 0;
}

static int frmr_refuse_key(const struct ib_frmr_key *in,
			   struct ib_frmr_key *out)
{
	return -ERANGE;
}

static int frmr_kernel_key(const struct ib_frmr_key *in,
			   struct ib_frmr_key *out)
{
	out->kernel_vendor_key = 1;
	return 0;
}

static int frmr_zero_key(const struct ib_frmr_key *in, struct ib_frmr_key *out)
{
	out->num_dma_blocks = 0;
	return 0;
}

static void frmr_with_build_key(struct kunit *test,
				int (*build_key)(const struct ib_frmr_key *in,
						 struct ib_frmr_key *out))
{
	struct frmr_fake *fake = test->priv;

	ib_frmr_pools_cleanup(&fake->ibdev);
	fake->build_key = build_key;
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&fake->ibdev,
						 &frmr_fake_building_ops), 0);
}

static void frmr_pin_asks_the_driver_for_the_key(struct kunit *test)
{
	frmr_with_build_key(test, frmr_round_key);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 9, 3), 0);
	FRMR_EXPECT_POOL(test, 16, 3, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 1);

	/* The same pool under another of its names. */
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 13, 0), 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 16).pinned, 0);
}

static void frmr_pop_does_not_ask_the_driver_for_the_key(struct kunit *test)
{
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_with_build_key(test, frmr_round_key);
	frmr_pop(test, mr, 1, 9);
	FRMR_EXPECT_POOL(test, 9, 0, 1);
	frmr_push(test, mr, 1);
}

struct frmr_bad_build {
	const char *what;
	int (*build_key)(const struct ib_frmr_key *in, struct ib_frmr_key *out);
	int error;
};

static const struct frmr_bad_build frmr_bad_builds[] = {
	{ "an errno", frmr_refuse_key, -ERANGE },
	{ "a key of the kernel's", frmr_kernel_key, -EINVAL },
	{ "a key without blocks", frmr_zero_key, -EINVAL },
};

static void frmr_bad_build_desc(const struct frmr_bad_build *bad, char *desc)
{
	strscpy(desc, bad->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(frmr_bad_build, frmr_bad_builds, frmr_bad_build_desc);

static void frmr_pin_fails_if_build_key_gives(struct kunit *test)
{
	const struct frmr_bad_build *bad = test->param_value;
	struct frmr_fake *fake = test->priv;

	frmr_with_build_key(test, bad->build_key);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1), bad->error);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

static void frmr_failed_pin_keeps_what_was_created(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_pool_info info;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 3), 0);
	fake->good_calls = 2;
	fake->bad_calls = U32_MAX;
	fake->error = -EIO;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1000), -EIO);

	info = frmr_info(test, 8);
	KUNIT_EXPECT_EQ(test, info.pinned, 3);
	KUNIT_EXPECT_GT(test, info.idle, 3);
	KUNIT_EXPECT_EQ(test, info.idle, fake->live);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_CREATED], fake->created);
	/* A batch of 64, and its halves down to 1. */
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_FAILURES], 7);

	/* What is above the former number ages. */
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 3, 0);
}

static void frmr_pin_makes_do_with_smaller_batches(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	/* Room for less than one more batch, though for all that is needed. */
	frmr_stock(test, 100, 10);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 100, 10), 0);
	fake->capacity = 110;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 100), 0);
	FRMR_EXPECT_POOL(test, 8, 100, 0);

	fake->capacity = 120;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 200), -ENOMEM);
	FRMR_EXPECT_POOL(test, 8, 110, 0);
}

/* Pins what is about to be destroyed. */
static void frmr_pin_meanwhile(struct frmr_fake *fake)
{
	fake->destroy_hook = NULL;
	KUNIT_EXPECT_EQ(fake->test, frmr_pin(fake->test, 8, 100), 0);
}

static void frmr_pin_holds_against_a_reclaim_that_is_under_way(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 100);
	fake->destroy_hook = frmr_pin_meanwhile;
	ib_frmr_pools_reclaim(&fake->ibdev, U32_MAX);
	FRMR_EXPECT_POOL(test, 8, 100, 0);
}

static void frmr_failed_first_pin_leaves_a_pool_that_ends(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	fake->bad_calls = U32_MAX;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 3), -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_pin_reclaims_other_pools_if_need_be(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 100, 20);
	fake->capacity = 20;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 20), 0);
	FRMR_EXPECT_POOL(test, 8, 20, 0);
	FRMR_EXPECT_POOL(test, 100, 0, 0);
}

static void frmr_pin_until_gone(struct frmr_fake *fake)
{
	struct ib_frmr_key key = frmr_key(8);

	KUNIT_EXPECT_EQ(fake->test,
			ib_frmr_pools_set_pinned(&fake->ibdev, &key, 1000),
			-ENODEV);
}

static void frmr_cleanup_ends_the_pinning(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct frmr_thread *pin, *cleanup;

	frmr_dawdle_in(&fake->create_hook);
	pin = frmr_start(test, frmr_pin_until_gone);
	frmr_await_call(test);
	cleanup = frmr_start(test, frmr_cleanup_of_device);
	frmr_wait_until(test, !READ_ONCE(fake->ibdev.frmr_pools));
	frmr_let_call_end(fake);
	frmr_join(pin);
	frmr_join(cleanup);
	KUNIT_EXPECT_LE(test, fake->created, FRMR_FAKE_MAX_BATCH);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

static void frmr_pin_without_memory_fails(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_limit_allocs(test, 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 5), -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
	frmr_limit_allocs(test, 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 9, 5), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fake->create_calls, 0);
}

static void frmr_kill_at_third_batch(struct frmr_fake *fake)
{
	if (fake->create_calls == 2)
		send_sig(SIGKILL, current, 1);
}

static void frmr_pin_until_killed(struct frmr_fake *fake)
{
	struct ib_frmr_key key = frmr_key(8);

	allow_signal(SIGKILL);
	KUNIT_EXPECT_EQ(fake->test,
			ib_frmr_pools_set_pinned(&fake->ibdev, &key, 1000),
			-EINTR);
	KUNIT_EXPECT_TRUE(fake->test, fatal_signal_pending(current));
}

static void frmr_fatal_signal_ends_the_pinning(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	fake->create_hook = frmr_kill_at_third_batch;
	frmr_join(frmr_start(test, frmr_pin_until_killed));
	KUNIT_EXPECT_EQ(test, fake->create_calls, 3);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).idle, fake->created);
}

/* With an error that leaves nothing to try. */
static void frmr_dawdle_and_fail(struct frmr_fake *fake)
{
	frmr_dawdle(fake);
	fake->error = -EINVAL;
	fake->bad_calls = 1;
}

static void frmr_pin_in_vain(struct frmr_fake *fake)
{
	struct ib_frmr_key key = frmr_key(8);

	KUNIT_EXPECT_EQ(fake->test,
			ib_frmr_pools_set_pinned(&fake->ibdev, &key, 10),
			-EINVAL);
}

/* The one that fails must not take back what the other one has achieved. */
static void frmr_failed_pin_does_not_undo_an_equal_one(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct frmr_thread *thread;

	frmr_dawdle_in(&fake->create_hook);
	fake->create_hook = frmr_dawdle_and_fail;
	thread = frmr_start(test, frmr_pin_in_vain);
	frmr_await_call(test);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 10), 0);
	frmr_let_call_end(fake);
	frmr_join(thread);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 10);
	/* What the one had begun to create is made up for. */
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 10, 0);
}

static void frmr_device_without_pools_can_not_be_set_up(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(&fake->ibdev, 1),
			-EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, ib_frmr_pools_get(&fake->ibdev));
}

static struct kunit_case frmr_pinned_cases[] = {
	KUNIT_CASE(frmr_pin_fills_the_pool_at_once),
	KUNIT_CASE(frmr_pin_counts_handles_in_use),
	KUNIT_CASE(frmr_pin_below_what_there_is_creates_nothing),
	KUNIT_CASE(frmr_raised_pin_adds_the_difference),
	KUNIT_CASE(frmr_lowered_pin_lets_the_difference_age),
	KUNIT_CASE(frmr_unpinned_pool_ages_and_ends),
	KUNIT_CASE(frmr_unpin_of_unknown_key_changes_nothing),
	KUNIT_CASE(frmr_pin_above_max_mr_is_refused),
	KUNIT_CASE_PARAM(frmr_pin_of_bad_key_is_refused,
			 frmr_bad_pin_gen_params),
	KUNIT_CASE(frmr_kernel_pool_can_not_be_unpinned),
	KUNIT_CASE(frmr_pin_asks_the_driver_for_the_key),
	KUNIT_CASE(frmr_pop_does_not_ask_the_driver_for_the_key),
	KUNIT_CASE_PARAM(frmr_pin_fails_if_build_key_gives,
			 frmr_bad_build_gen_params),
	KUNIT_CASE(frmr_failed_pin_keeps_what_was_created),
	KUNIT_CASE(frmr_pin_makes_do_with_smaller_batches),
	KUNIT_CASE(frmr_pin_holds_against_a_reclaim_that_is_under_way),
	KUNIT_CASE(frmr_failed_first_pin_leaves_a_pool_that_ends),
	KUNIT_CASE(frmr_pin_reclaims_other_pools_if_need_be),
	KUNIT_CASE(frmr_cleanup_ends_the_pinning),
	KUNIT_CASE(frmr_pin_without_memory_fails),
	KUNIT_CASE(frmr_fatal_signal_ends_the_pinning),
	KUNIT_CASE_SLOW(frmr_failed_pin_does_not_undo_an_equal_one),
	KUNIT_CASE(frmr_device_without_pools_can_not_be_set_up),
	{}
};

static struct kunit_suite frmr_pinned_suite = {
	.name = FRMR_SUITE("frmr_pinned"),
	.init = FRMR_INIT,
	.exit = frmr_fake_exit,
	.test_cases = frmr_pinned_cases,
};

/*
 * The life of the pools, and misuse
 */

static void frmr_second_init_is_refused(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_pools *pools = fake->ibdev.frmr_pools;

	frmr_stock(test, 8, 2);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&fake->ibdev, &frmr_fake_ops),
			-EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, fake->ibdev.frmr_pools, pools);
	FRMR_EXPECT_POOL(test, 8, 2, 0);
}

static void frmr_init_without_an_operation_is_refused(struct kunit *test)
{
	const struct ib_frmr_pool_ops no_create = {
		.destroy_frmrs = frmr_fake_ops.destroy_frmrs,
	};
	const struct ib_frmr_pool_ops no_destroy = {
		.create_frmrs = frmr_fake_ops.create_frmrs,
	};
	struct frmr_fake *fake = test->priv;

	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&fake->ibdev, &no_create),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&fake->ibdev, &no_destroy),
			-EINVAL);
	KUNIT_EXPECT_NULL(test, fake->ibdev.frmr_pools);
}

static void frmr_misused_pop_warns_and_fails(struct kunit *test)
{
	static bool announced;
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, &mrs[0], 1, 8);
	frmr_announce_warning(&announced);
	/* Into an MR that has an object already. */
	KUNIT_EXPECT_EQ(test, ib_frmr_pool_pop(&fake->ibdev, &mrs[0]),
			-EINVAL);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	frmr_push(test, &mrs[0], 1);

	/* From a device without pools. */
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[1], 8), -EINVAL);
}

static void frmr_misused_push_warns_and_does_nothing(struct kunit *test)
{
	static bool announced;
	struct frmr_fake *fake = test->priv;
	struct frmr_fake *other = frmr_fake_new(test);
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 2, 8);
	frmr_push(test, &mrs[0], 1);
	frmr_announce_warning(&announced);
	/* A second time. */
	ib_frmr_pool_push(&fake->ibdev, &mrs[0]);
	FRMR_EXPECT_POOL(test, 8, 1, 1);
	/* Without pop. */
	ib_frmr_pool_push(&fake->ibdev, frmr_mrs(test, 1));
	FRMR_EXPECT_POOL(test, 8, 1, 1);
	/* To another device. */
	ib_frmr_pool_push(&other->ibdev, &mrs[1]);
	FRMR_EXPECT_POOL(test, 8, 1, 1);
	frmr_push(test, &mrs[1], 1);
}

static void frmr_misused_drop_warns_and_does_nothing(struct kunit *test)
{
	static bool announced;
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 2, 8);
	frmr_fake_drop(fake, &mrs[0]);
	frmr_push(test, &mrs[1], 1);
	frmr_announce_warning(&announced);
	/* A second time, after push, and without pop. */
	ib_frmr_pool_drop(&mrs[0]);
	ib_frmr_pool_drop(&mrs[1]);
	ib_frmr_pool_drop(frmr_mrs(test, 1));
	FRMR_EXPECT_POOL(test, 8, 1, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DROPPED, 1);
}

static void frmr_dropped_handles_are_accounted(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 6);
	int i;

	frmr_pop(test, mrs, 6, 8);
	for (i = 0; i < 4; i++)
		frmr_fake_drop(fake, &mrs[i]);
	FRMR_EXPECT_POOL(test, 8, 0, 2);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DROPPED, 4);
	/* The driver destroyed them, not the core. */
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DESTROYED, 0);
	KUNIT_EXPECT_EQ(test, fake->destroyed, 0);
	frmr_push(test, &mrs[4], 2);
}

static void frmr_cleanup_destroys_idle_handles_of_all_pools(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 100);
	frmr_stock(test, 80, 3);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 800, 200), 0);
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, fake->destroyed, 303);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
	KUNIT_EXPECT_NULL(test, fake->ibdev.frmr_pools);
}

static void frmr_second_cleanup_does_nothing(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 1);
	ib_frmr_pools_cleanup(&fake->ibdev);
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, fake->destroyed, 1);
}

static void frmr_pools_can_be_had_again_after_cleanup(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 1);
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&fake->ibdev, &frmr_fake_ops),
			0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
	frmr_stock(test, 8, 1);
}

static void frmr_cleanup_stops_the_aging(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 3);
	frmr_dawdle_in(&fake->destroy_hook);
	ib_frmr_pools_set_aging_period(&fake->ibdev, 1);

	/* In the midst of the work. */
	frmr_await_call(test);
	frmr_let_call_end(fake);
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

static void frmr_cleanup_waits_for_users(struct kunit *test)
{
	static const struct ib_frmr_key start;
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_pools *pools;
	struct frmr_thread *thread;
	struct ib_frmr_pool_info info;

	frmr_stock(test, 8, 1);
	pools = ib_frmr_pools_get(&fake->ibdev);
	thread = frmr_start(test, frmr_cleanup_of_device);
	frmr_wait_until(test, !READ_ONCE(fake->ibdev.frmr_pools));
	msleep(100);

	KUNIT_EXPECT_FALSE(test, completion_done(&thread->done));
	KUNIT_EXPECT_TRUE(test, ib_frmr_pools_next_info(pools, &start, &info));
	KUNIT_EXPECT_EQ(test, info.idle, 1);
	KUNIT_EXPECT_NULL(test, ib_frmr_pools_get(&fake->ibdev));
	ib_frmr_pools_put(pools);
	frmr_join(thread);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

static void frmr_walk_without_pools_is_empty(struct kunit *test)
{
	static const struct ib_frmr_key start;
	struct ib_frmr_pool_info info;
	struct ib_frmr_key key = frmr_key(8);

	KUNIT_EXPECT_FALSE(test, frmr_next(test, &start, &info));
	KUNIT_EXPECT_FALSE(test, frmr_next(test, &key, &info));
}

/* Even sizes are in use and stay, odd ones are about to end. */
static void frmr_make_mortal_pools(struct kunit *test, struct ib_mr *mrs,
				   u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		frmr_empty_pool(test, 1000 + 2 * i + 1);
		frmr_pop_key(test, &mrs[i],
			     &(struct ib_frmr_key) {
				.num_dma_blocks = 1000 + 2 * i,
				.ats = 1,
			     });
	}
	frmr_tick(test);
}

static void frmr_walk_survives_pools_that_end(struct kunit *test)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;
	struct ib_mr *mrs = frmr_mrs(test, 20);
	struct ib_frmr_key last = {};
	struct ib_frmr_pool_info info;
	u32 seen = 0, in_use = 0;

	frmr_make_mortal_pools(test, mrs, 20);
	while (frmr_next(test, after, &info)) {
		KUNIT_EXPECT_GT(test, frmr_fake_key_cmp(&info.key, &last), 0);
		in_use += info.in_use;
		last = info.key;
		after = &last;
		/* Takes away the pool that was just seen, among others. */
		if (++seen == 30)
			frmr_tick(test);
	}
	KUNIT_EXPECT_EQ(test, in_use, 20);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 20);
	frmr_push(test, mrs, 20);
}

/* What the trace points told about the fake device. */
struct frmr_trace {
	struct ib_device *ibdev;
	u32 hits;
	u32 misses;
	u32 pushed;
	u32 created;
	u32 failed;
	u32 destroyed;
	u32 aged;
	u32 reclaimed;
};

static void frmr_trace_pop(void *data, struct ib_device *ibdev,
			   const struct ib_frmr_key *key, u32 handle, bool hit)
{
	struct frmr_trace *trace = data;

	if (ibdev != trace->ibdev)
		return;
	if (hit)
		trace->hits++;
	else
		trace->misses++;
}

static void frmr_trace_push(void *data, struct ib_device *ibdev,
			    const struct ib_frmr_key *key, u32 handle)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->pushed++;
}

static void frmr_trace_create(void *data, struct ib_device *ibdev,
			      const struct ib_frmr_key *key, u32 count, int ret)
{
	struct frmr_trace *trace = data;

	if (ibdev != trace->ibdev)
		return;
	if (ret)
		trace->failed += count;
	else
		trace->created += count;
}

static void frmr_trace_destroy(void *data, struct ib_device *ibdev,
			       const struct ib_frmr_key *key, u32 count)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->destroyed += count;
}

static void frmr_trace_age(void *data, struct ib_device *ibdev,
			   const struct ib_frmr_key *key, u32 count)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->aged += count;
}

static void frmr_trace_reclaim(void *data, struct ib_device *ibdev,
			       const struct ib_frmr_key *key, u32 count)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->reclaimed += count;
}

static const struct {
	const char *name;
	void *probe;
} frmr_probes[] = {
	{ "frmr_pop", frmr_trace_pop },
	{ "frmr_push", frmr_trace_push },
	{ "frmr_create", frmr_trace_create },
	{ "frmr_destroy", frmr_trace_destroy },
	{ "frmr_age", frmr_trace_age },
	{ "frmr_reclaim", frmr_trace_reclaim },
};

static void frmr_trace_stop(void *data)
{
	struct tracepoint *tp;
	int i;

	for (i = 0; i < ARRAY_SIZE(frmr_probes); i++) {
		tp = frmr_tracepoint(frmr_probes[i].name);
		tracepoint_probe_unregister(tp, frmr_probes[i].probe, data);
	}
	tracepoint_synchronize_unregister();
}

static struct frmr_trace *frmr_trace_start(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct frmr_trace *trace;
	struct tracepoint *tp;
	int i, ret;

	trace = kunit_kzalloc(test, sizeof(*trace), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, trace);
	trace->ibdev = &fake->ibdev;
	if (!frmr_tracepoint("frmr_pop"))
		kunit_skip(test, "no trace points, or they are in a module");
	for (i = 0; i < ARRAY_SIZE(frmr_probes); i++) {
		tp = frmr_tracepoint(frmr_probes[i].name);
		KUNIT_ASSERT_NOT_NULL(test, tp);
		ret = tracepoint_probe_register(tp, frmr_probes[i].probe,
						trace);
		KUNIT_ASSERT_EQ(test, ret, 0);
	}
	ret = kunit_add_action_or_reset(test, frmr_trace_stop, trace);
	KUNIT_ASSERT_EQ(test, ret, 0);
	return trace;
}

static void frmr_trace_tells_hits_from_misses(struct kunit *test)
{
	struct frmr_trace *trace = frmr_trace_start(test);
	struct ib_mr *mrs = frmr_mrs(test, 3);

	frmr_pop(test, mrs, 1, 8);
	KUNIT_EXPECT_EQ_MSG(test, trace->misses, 1, "without a pool");
	frmr_pop(test, &mrs[1], 1, 8);
	KUNIT_EXPECT_EQ_MSG(test, trace->misses, 2, "in an empty pool");
	frmr_push(test, mrs, 2);
	frmr_pop(test, mrs, 2, 8);
	KUNIT_EXPECT_EQ(test, trace->misses, 2);
	KUNIT_EXPECT_EQ(test, trace->hits, 2);
	frmr_push(test, mrs, 2);
	KUNIT_EXPECT_EQ(test, trace->pushed, 4);
}

static void frmr_trace_follows_the_handles(struct kunit *test)
{
	struct frmr_trace *trace = frmr_trace_start(test);
	struct frmr_fake *fake = test->priv;

	frmr_stock(test, 8, 10);
	KUNIT_EXPECT_EQ(test, trace->created, 10);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 4), 4);
	KUNIT_EXPECT_EQ(test, trace->reclaimed, 4);
	KUNIT_EXPECT_EQ(test, trace->destroyed, 4);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, trace->aged, 6);
	KUNIT_EXPECT_EQ(test, trace->destroyed, 10);

	fake->bad_calls = U32_MAX;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1), -ENOMEM);
	KUNIT_EXPECT_EQ(test, trace->failed, 1);
}

static struct kunit_case frmr_life_cases[] = {
	KUNIT_CASE(frmr_second_init_is_refused),
	KUNIT_CASE(frmr_init_without_an_operation_is_refused),
	KUNIT_CASE(frmr_misused_pop_warns_and_fails),
	KUNIT_CASE(frmr_misused_push_warns_and_does_nothing),
	KUNIT_CASE(frmr_misused_drop_warns_and_does_nothing),
	KUNIT_CASE(frmr_dropped_handles_are_accounted),
	KUNIT_CASE(frmr_cleanup_destroys_idle_handles_of_all_pools),
	KUNIT_CASE(frmr_second_cleanup_does_nothing),
	KUNIT_CASE(frmr_pools_can_be_had_again_after_cleanup),
	KUNIT_CASE_SLOW(frmr_cleanup_stops_the_aging),
	KUNIT_CASE(frmr_cleanup_waits_for_users),
	KUNIT_CASE(frmr_walk_without_pools_is_empty),
	KUNIT_CASE(frmr_walk_survives_pools_that_end),
	KUNIT_CASE(frmr_trace_tells_hits_from_misses),
	KUNIT_CASE(frmr_trace_follows_the_handles),
	{}
};

static struct kunit_suite frmr_life_suite = {
	.name = FRMR_SUITE("frmr_life"),
	.init = FRMR_INIT,
	.exit = frmr_fake_exit,
	.test_cases = frmr_life_cases,
};

/*
 * Everything at once
 */

#define FRMR_STRESS_USERS 4
#define FRMR_STRESS_MRS 64

static bool frmr_stress_over;

static bool frmr_stress_goes_on(void)
{
	cond_resched();
	return !READ_ONCE(frmr_stress_over);
}

static struct ib_frmr_key frmr_random_key(void)
{
	struct ib_frmr_key key = frmr_key(get_random_u32_inclusive(1, 20));

	key.ats = get_random_u32_below(2);
	return key;
}

static void frmr_stress_step(struct frmr_fake *fake, struct ib_mr *mr)
{
	int ret;

	if (!mr->frmr.pool) {
		mr->frmr.key = frmr_random_key();
		ret = frmr_fake_pop(fake, mr);
		if (ret && ret != -ENOMEM)
			KUNIT_FAIL(fake->test, "pop gave %d", ret);
	} else if (get_random_u32_below(16)) {
		frmr_fake_push(fake, mr);
	} else {
		frmr_fake_drop(fake, mr);
	}
}

static void frmr_stress_user(struct frmr_fake *fake)
{
	struct ib_mr *mrs = kcalloc(FRMR_STRESS_MRS, sizeof(*mrs), GFP_KERNEL);
	u32 i;

	if (!mrs) {
		KUNIT_FAIL(fake->test, "no memory for MRs");
		return;
	}
	while (frmr_stress_goes_on())
		frmr_stress_step(fake,
				 &mrs[get_random_u32_below(FRMR_STRESS_MRS)]);
	for (i = 0; i < FRMR_STRESS_MRS; i++) {
		if (mrs[i].frmr.pool)
			frmr_fake_push(fake, &mrs[i]);
	}
	kfree(mrs);
}

static void frmr_stress_ager(struct frmr_fake *fake)
{
	while (frmr_stress_goes_on()) {
		frmr_fake_tick(fake);
		usleep_range(500, 1000);
	}
}

static void frmr_stress_reclaimer(struct frmr_fake *fake)
{
	while (frmr_stress_goes_on()) {
		ib_frmr_pools_reclaim(&fake->ibdev, get_random_u32_below(50));
		usleep_range(500, 1000);
	}
}

/* May fail for many reasons; what counts is what is left in the end. */
static void frmr_stress_pinner(struct frmr_fake *fake)
{
	struct ib_frmr_key key;

	while (frmr_stress_goes_on()) {
		key = frmr_random_key();
		ib_frmr_pools_set_pinned(&fake->ibdev, &key,
					 get_random_u32_below(8));
		usleep_range(500, 1000);
	}
}

static void frmr_stress_walker(struct frmr_fake *fake)
{
	static const struct ib_frmr_key start;
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&fake->ibdev);
	const struct ib_frmr_key *after;
	struct ib_frmr_pool_info info;
	struct ib_frmr_key last;

	while (frmr_stress_goes_on()) {
		after = &start;
		while (ib_frmr_pools_next_info(pools, after, &info)) {
			if (frmr_fake_key_cmp(&info.key, after) <= 0)
				KUNIT_FAIL(fake->test, "walk went backwards");
			last = info.key;
			after = &last;
		}
		usleep_range(500, 1000);
	}
	ib_frmr_pools_put(pools);
}

static void frmr_stress_run(struct kunit *test)
{
	void (*others[])(struct frmr_fake *fake) = {
		frmr_stress_ager, frmr_stress_reclaimer, frmr_stress_pinner,
		frmr_stress_walker,
	};
	struct frmr_thread *threads[FRMR_STRESS_USERS + ARRAY_SIZE(others)];
	u32 i;

	WRITE_ONCE(frmr_stress_over, false);
	for (i = 0; i < FRMR_STRESS_USERS; i++)
		threads[i] = frmr_start(test, frmr_stress_user);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		threads[FRMR_STRESS_USERS + i] = frmr_start(test, others[i]);
	msleep(2000);
	WRITE_ONCE(frmr_stress_over, true);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		frmr_join(threads[i]);
}

/* With a healthy device each pool gets what was promised. */
static void frmr_expect_pins_kept(struct kunit *test)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;
	struct ib_frmr_pool_info info;

	frmr_tick(test);
	while (frmr_next(test, after, &info)) {
		KUNIT_EXPECT_EQ(test, info.in_use, 0);
		KUNIT_EXPECT_GE(test, info.idle, info.pinned);
		after = &info.key;
	}
}

static void frmr_unpin_all(struct kunit *test)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_pool_info info;

	while (frmr_next(test, after, &info)) {
		KUNIT_EXPECT_EQ(test,
				ib_frmr_pools_set_pinned(&fake->ibdev,
							 &info.key, 0), 0);
		after = &info.key;
	}
}

static void frmr_accounts_hold_after_stress(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	int i;

	fake->capacity = 150;
	fake->bad_odds = 20;
	frmr_stress_run(test);
	frmr_fake_check_accounts(fake);

	fake->capacity = U32_MAX;
	fake->bad_odds = 0;
	frmr_expect_pins_kept(test);
	frmr_unpin_all(test);
	for (i = 0; i < 4; i++)
		frmr_tick(test);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

static struct kunit_case frmr_stress_cases[] = {
	KUNIT_CASE_SLOW(frmr_accounts_hold_after_stress),
	{}
};

static struct kunit_suite frmr_stress_suite = {
	.name = FRMR_SUITE("frmr_stress"),
	.init = FRMR_INIT,
	.exit = frmr_fake_exit,
	.test_cases = frmr_stress_cases,
};

kunit_test_suites(&frmr_lookup_suite, &frmr_create_suite, &frmr_reclaim_suite,
		  &frmr_aging_suite, &frmr_pinned_suite, &frmr_life_suite,
		  &frmr_stress_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit tests of the FRMR pools");
MODULE_LICENSE("Dual BSD/GPL");
