// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: handles that are created before an MR needs them
 */
#include <kunit/static_stub.h>

#include "frmr_test.h"

/* What a pool has to miss in a period, and the most that it creates ahead */
#define FRMR_TEST_MISSES 2
#define FRMR_TEST_MAX_AHEAD 128

/* Whether anything is to be created ahead. */
static bool frmr_is_queued(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	return mock->work;
}

static u64 frmr_stat(struct kunit *test, enum ib_frmr_stat stat)
{
	return frmr_info(test, 8).stats[stat];
}

/* Pops that all miss; the last of them starts prefill. */
static void frmr_miss(struct kunit *test, struct ib_mr *mrs, u32 count)
{
	const u64 before = frmr_has_pool(test, 8) ?
			   frmr_stat(test, IB_FRMR_MISSES) : 0;

	frmr_pop(test, mrs, count, 8);
	KUNIT_ASSERT_EQ(test, frmr_stat(test, IB_FRMR_MISSES), before + count);
}

static void frmr_pool_that_misses_creates_ahead(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_TEST_MISSES);

	frmr_miss(test, mrs, FRMR_TEST_MISSES - 1);
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	frmr_miss(test, mrs + FRMR_TEST_MISSES - 1, 1);
	KUNIT_EXPECT_TRUE(test, frmr_is_queued(test));

	frmr_mock_run_queued(test->priv);
	FRMR_EXPECT_POOL(test, 8, 1, 2);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_CREATED, 3);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AHEAD, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AHEAD_USED, 0);
	frmr_push(test, mrs, FRMR_TEST_MISSES);
}

static void frmr_what_is_created_quickly_is_not_created_ahead(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 40);

	mock->quick = true;
	frmr_miss(test, mrs, 20);
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	/* What it took last time counts. */
	mock->quick = false;
	frmr_miss(test, mrs + 20, 1);
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	frmr_miss(test, mrs + 21, 1);
	KUNIT_EXPECT_TRUE(test, frmr_is_queued(test));
	frmr_push(test, mrs, 22);
}

static void frmr_seldom_misses_create_nothing(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 20);
	u32 i;

	for (i = 0; i < 20; i++) {
		frmr_miss(test, mrs + i, 1);
		if (i % (FRMR_TEST_MISSES - 1) == 0)
			frmr_tick(test);
	}
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	frmr_push(test, mrs, 20);
}

/* As an application starts: the work always runs when it is queued. */
static void frmr_no_more_idle_than_in_use(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 500);
	struct ib_frmr_pool_info info;
	u32 i;

	for (i = 0; i < 500; i++) {
		frmr_pop(test, mrs + i, 1, 8);
		frmr_mock_run_queued(test->priv);
		info = frmr_info(test, 8);
		KUNIT_EXPECT_LE(test, info.idle, info.in_use);
		KUNIT_EXPECT_LE(test, info.idle, FRMR_TEST_MAX_AHEAD);
	}
	KUNIT_EXPECT_LE(test, info.stats[IB_FRMR_MISSES], 10);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_AHEAD_USED],
			info.stats[IB_FRMR_HITS]);
	frmr_push(test, mrs, 500);
}

/* The pool is always late, so it always asks for more. */
static void frmr_late_pool_creates_no_more_than_the_bound(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 2000);
	struct ib_frmr_pool_info info;
	u32 done = 0, most = 0;

	while (done < 1500) {
		frmr_miss(test, mrs + done++, 1);
		frmr_mock_run_queued(test->priv);
		info = frmr_info(test, 8);
		KUNIT_EXPECT_LE(test, info.idle, info.in_use);
		most = max(most, info.idle);
		frmr_pop(test, mrs + done, info.idle, 8);
		done += info.idle;
	}
	KUNIT_EXPECT_EQ(test, most, FRMR_TEST_MAX_AHEAD);
	frmr_push(test, mrs, done);
	frmr_mock_run_queued(test->priv);
}

static void frmr_more_is_created_when_half_is_used(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 100);

	frmr_stock(test, 8, 40);
	frmr_pop(test, mrs, 40, 8);
	frmr_miss(test, mrs + 40, 4);
	frmr_mock_run_queued(test->priv);
	FRMR_EXPECT_POOL(test, 8, 8, 44);
	frmr_pop(test, mrs + 44, 4, 8);
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	frmr_pop(test, mrs + 48, 1, 8);
	KUNIT_EXPECT_TRUE(test, frmr_is_queued(test));
	frmr_mock_run_queued(test->priv);
	FRMR_EXPECT_POOL(test, 8, 8, 49);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AHEAD_USED, 5);
	frmr_push(test, mrs, 49);
}

static void frmr_misses_double_what_is_created(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 500);
	u32 done = 300, ahead;

	frmr_stock(test, 8, 300);
	frmr_pop(test, mrs, 300, 8);
	frmr_miss(test, mrs + done, FRMR_TEST_MISSES);
	done += FRMR_TEST_MISSES;
	for (ahead = 2; ahead <= 32; ahead *= 2) {
		frmr_mock_run_queued(test->priv);
		KUNIT_EXPECT_EQ(test, frmr_info(test, 8).idle, ahead);
		frmr_pop(test, mrs + done, ahead, 8);
		done += ahead;
		frmr_miss(test, mrs + done, 1);
		done++;
	}
	frmr_push(test, mrs, done);
	frmr_mock_run_queued(test->priv);
}

/* The returned ones are on top: what was created ahead is needed after them. */
static void frmr_only_what_is_needed_counts_as_used(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 10);

	frmr_miss(test, mrs, 4);
	frmr_mock_run_queued(test->priv);
	frmr_push(test, mrs, 4);
	frmr_pop(test, mrs, 4, 8);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AHEAD_USED, 0);
	frmr_pop(test, mrs + 4, 1, 8);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AHEAD_USED, 1);
	frmr_push(test, mrs, 5);

	/* What is destroyed will not be used. */
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, U32_MAX), 7);
	frmr_stock(test, 8, 7);
	frmr_pop(test, mrs, 7, 8);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AHEAD_USED, 1);
	frmr_push(test, mrs, 7);
}

static void frmr_others_give_up_nothing(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, FRMR_TEST_MISSES);

	frmr_stock(test, 100, 10);
	frmr_miss(test, mrs, FRMR_TEST_MISSES);
	mock->capacity = mock->live;
	mock->create_calls = 0;
	frmr_mock_run_queued(mock);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 1);
	FRMR_EXPECT_POOL(test, 100, 10, 0);
	FRMR_EXPECT_POOL(test, 8, 0, FRMR_TEST_MISSES);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 1);
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	frmr_push(test, mrs, FRMR_TEST_MISSES);
}

static const int frmr_some_errors[] = { -ENOMEM, -EIO, -ETIMEDOUT };

KUNIT_ARRAY_PARAM(frmr_error, frmr_some_errors, frmr_error_desc);

/* Not at the next miss, but when the pool has missed as often again. */
static void frmr_failure_ends_it(struct kunit *test)
{
	const int error = *(const int *)test->param_value;
	struct ib_mr *mrs = frmr_mrs(test, 3 * FRMR_TEST_MISSES);

	frmr_miss(test, mrs, FRMR_TEST_MISSES);
	frmr_fail_creations(test, 1, error);
	frmr_mock_run_queued(test->priv);
	FRMR_EXPECT_POOL(test, 8, 0, FRMR_TEST_MISSES);

	mrs += FRMR_TEST_MISSES;
	frmr_miss(test, mrs, FRMR_TEST_MISSES - 1);
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	frmr_miss(test, mrs + FRMR_TEST_MISSES - 1, 1);
	KUNIT_EXPECT_TRUE(test, frmr_is_queued(test));
	frmr_mock_run_queued(test->priv);
	KUNIT_EXPECT_GT(test, frmr_info(test, 8).idle, 0);
	frmr_push(test, mrs - FRMR_TEST_MISSES, 2 * FRMR_TEST_MISSES);
}

static void frmr_allocation_that_fails_ends_it(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 200);

	frmr_pop(test, mrs, 100, 8);
	KUNIT_ASSERT_TRUE(test, frmr_is_queued(test));
	frmr_limit_allocs(test, 0);
	frmr_mock_run_queued(test->priv);
	/* What there was room for, on its way back */
	KUNIT_EXPECT_LT(test, frmr_info(test, 8).idle, 50);
	kunit_deactivate_static_stub(test, frmr_alloc);
	frmr_push(test, mrs, 100);
}

/* What a period had no use for: half of it next time, and so on. */
static void frmr_unneeded_read_ahead_fades(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 200);
	u32 i;

	for (i = 0; i < 100; i++) {
		frmr_pop(test, mrs + i, 1, 8);
		frmr_mock_run_queued(test->priv);
	}
	for (i = 0; i < 10; i++)
		frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 0, 100);
	frmr_miss(test, mrs + 100, FRMR_TEST_MISSES - 1);
	KUNIT_EXPECT_FALSE(test, frmr_is_queued(test));
	frmr_push(test, mrs, 100 + FRMR_TEST_MISSES - 1);
}

static void frmr_nothing_is_created_for_who_has_left(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_TEST_MISSES);

	frmr_miss(test, mrs, FRMR_TEST_MISSES);
	frmr_push(test, mrs, FRMR_TEST_MISSES);
	frmr_mock_run_queued(test->priv);
	FRMR_EXPECT_POOL(test, 8, FRMR_TEST_MISSES, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AHEAD, 0);
}

/* Reclaim of memory may wait for the device, and a batch is small. */
static void frmr_ahead_is_gentle(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 100);
	u32 calls;

	frmr_pop(test, mrs, 100, 8);
	KUNIT_ASSERT_TRUE(test, frmr_is_queued(test));
	calls = mock->create_calls;
	mock->io_creates = 0;
	frmr_mock_run_queued(mock);
	KUNIT_EXPECT_EQ(test, mock->io_creates, 0);
	KUNIT_EXPECT_GE(test, mock->create_calls - calls,
			DIV_ROUND_UP(frmr_info(test, 8).idle, 16));
	frmr_push(test, mrs, 100);
}

static void frmr_cleanup_waits_for_read_ahead(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *ahead, *cleanup;
	struct ib_mr *mrs = frmr_mrs(test, 100);

	frmr_pop(test, mrs, 100, 8);
	ahead = frmr_start_slow_create(test, frmr_mock_run_queued);
	frmr_push(test, mrs, 100);
	cleanup = frmr_start_cleanup(test);
	KUNIT_EXPECT_FALSE(test, frmr_ended(cleanup));
	mock->create_calls = 0;
	frmr_let_call_end(mock);
	frmr_join(ahead);
	frmr_join(cleanup);
	/* The batch that was under way was the last one. */
	KUNIT_EXPECT_EQ(test, mock->create_calls, 0);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

/* The pool must not end while its work is queued. */
static void frmr_pool_outlives_its_read_ahead(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_TEST_MISSES);
	int i;

	frmr_miss(test, mrs, FRMR_TEST_MISSES);
	frmr_push(test, mrs, FRMR_TEST_MISSES);
	for (i = 0; i < 4; i++)
		frmr_tick(test);
	KUNIT_EXPECT_TRUE(test, frmr_has_pool(test, 8));
	frmr_mock_run_queued(test->priv);
	for (i = 0; i < 2; i++)
		frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_work_item_runs_by_itself(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 50);

	kunit_deactivate_static_stub(test, frmr_queue);
	frmr_pop(test, mrs, 50, 8);
	frmr_wait_until(test, frmr_stat(test, IB_FRMR_AHEAD));
	frmr_push(test, mrs, 50);
	frmr_wait_until(test, frmr_info(test, 8).idle ==
			      frmr_mock_live(test->priv));
}

static struct kunit_case frmr_ahead_cases[] = {
	KUNIT_CASE(frmr_pool_that_misses_creates_ahead),
	KUNIT_CASE(frmr_what_is_created_quickly_is_not_created_ahead),
	KUNIT_CASE(frmr_seldom_misses_create_nothing),
	KUNIT_CASE(frmr_no_more_idle_than_in_use),
	KUNIT_CASE(frmr_late_pool_creates_no_more_than_the_bound),
	KUNIT_CASE(frmr_more_is_created_when_half_is_used),
	KUNIT_CASE(frmr_misses_double_what_is_created),
	KUNIT_CASE(frmr_only_what_is_needed_counts_as_used),
	KUNIT_CASE(frmr_others_give_up_nothing),
	KUNIT_CASE_PARAM(frmr_failure_ends_it, frmr_error_gen_params),
	KUNIT_CASE(frmr_allocation_that_fails_ends_it),
	KUNIT_CASE(frmr_unneeded_read_ahead_fades),
	KUNIT_CASE(frmr_nothing_is_created_for_who_has_left),
	KUNIT_CASE(frmr_ahead_is_gentle),
	KUNIT_CASE(frmr_cleanup_waits_for_read_ahead),
	KUNIT_CASE(frmr_pool_outlives_its_read_ahead),
	KUNIT_CASE(frmr_work_item_runs_by_itself),
	{}
};

FRMR_TEST_SUITE_INIT("frmr_ahead", frmr_mock_init_queues, frmr_ahead_cases);
