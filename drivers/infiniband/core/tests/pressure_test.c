// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: memory that runs short
 */
#include <kunit/static_stub.h>
#include <linux/shrinker.h>

#include "frmr_test.h"

static unsigned long frmr_count(struct frmr_mock *mock)
{
	struct shrinker shrinker = { .private_data = mock->ibdev.frmr_pools };
	struct shrink_control sc = {};

	return frmr_shrinker_count(&shrinker, &sc);
}

static void frmr_scan(struct frmr_mock *mock, unsigned long count)
{
	struct shrinker shrinker = { .private_data = mock->ibdev.frmr_pools };
	struct shrink_control sc = { .nr_to_scan = count };

	KUNIT_EXPECT_EQ(mock->test, frmr_shrinker_scan(&shrinker, &sc),
			SHRINK_STOP);
}

static void frmr_what_idles_above_the_pins_counts(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 3);

	KUNIT_EXPECT_EQ(test, frmr_count(test->priv), SHRINK_EMPTY);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	KUNIT_EXPECT_EQ(test, frmr_count(test->priv), SHRINK_EMPTY);
	frmr_stock(test, 100, 10);
	KUNIT_EXPECT_EQ(test, frmr_count(test->priv), 10);
	frmr_pop(test, mrs, 3, 100);
	KUNIT_EXPECT_EQ(test, frmr_count(test->priv), 7);
	frmr_push(test, mrs, 3);
}

static void frmr_pressure_sends_no_command_itself(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 100);
	frmr_scan(mock, 30);
	KUNIT_EXPECT_EQ(test, mock->live, 100);
	frmr_mock_run_queued(mock);
	FRMR_EXPECT_POOL(test, 8, 70, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_RECLAIMED, 30);
	/* And that was all. */
	frmr_mock_run_queued(mock);
	FRMR_EXPECT_POOL(test, 8, 70, 0);
}

static void frmr_pressure_takes_the_coldest_first(struct kunit *test)
{
	frmr_stock(test, 8, 20);
	frmr_tick(test);
	frmr_stock(test, 100, 200);
	frmr_scan(test->priv, 15);
	frmr_mock_run_queued(test->priv);
	FRMR_EXPECT_POOL(test, 8, 5, 0);
	FRMR_EXPECT_POOL(test, 100, 200, 0);
}

static void frmr_pressure_leaves_the_pins(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_stock(test, 100, 10);
	frmr_scan(test->priv, ULONG_MAX - 10);
	frmr_mock_run_queued(test->priv);
	FRMR_EXPECT_POOL(test, 8, 5, 0);
	FRMR_EXPECT_POOL(test, 100, 0, 0);
}

/* While @fn destroys handles, cleanup does not go on. */
static void frmr_expect_cleanup_to_wait(struct kunit *test,
					int (*fn)(struct frmr_mock *mock))
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *busy, *cleanup;

	busy = frmr_start_slow_destroy(test, fn);
	cleanup = frmr_start_cleanup(test);
	KUNIT_EXPECT_FALSE(test, frmr_ended(cleanup));
	frmr_let_call_end(mock);
	frmr_join(busy);
	frmr_join(cleanup);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

static void frmr_cleanup_waits_for_pressure(struct kunit *test)
{
	frmr_stock(test, 8, 1000);
	frmr_scan(test->priv, 1000);
	frmr_expect_cleanup_to_wait(test, frmr_mock_run_queued);
}

/* The work item may end before the shrinker goes on. */
static bool frmr_run_at_once(struct work_struct *work)
{
	work->func(work);
	return true;
}

static void frmr_cleanup_waits_after_quick_pressure(struct kunit *test)
{
	frmr_stock(test, 8, 100);
	kunit_activate_static_stub(test, frmr_queue, frmr_run_at_once);
	frmr_scan(test->priv, 10);
	FRMR_EXPECT_POOL(test, 8, 90, 0);
	frmr_expect_cleanup_to_wait(test, frmr_reclaim_all);
}

static struct kunit_case frmr_pressure_cases[] = {
	KUNIT_CASE(frmr_what_idles_above_the_pins_counts),
	KUNIT_CASE(frmr_pressure_sends_no_command_itself),
	KUNIT_CASE(frmr_pressure_takes_the_coldest_first),
	KUNIT_CASE(frmr_pressure_leaves_the_pins),
	KUNIT_CASE(frmr_cleanup_waits_for_pressure),
	KUNIT_CASE(frmr_cleanup_waits_after_quick_pressure),
	{}
};

FRMR_TEST_SUITE_INIT("frmr_pressure", frmr_mock_init_queues, frmr_pressure_cases);
