// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: handles that nobody needs, and pools that end
 */
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "frmr_test.h"

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

/* The mock complains of larger batches. */
static void frmr_aging_destroys_in_batches(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 1000);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
	KUNIT_EXPECT_GE(test, mock->destroy_calls,
			DIV_ROUND_UP(1000, FRMR_MOCK_MAX_BATCH));
	/* A driver call for each would be the other extreme. */
	KUNIT_EXPECT_LE(test, mock->destroy_calls, 100);
}

/* The application has taken one more than it had needed. */
static void frmr_aging_stops_when_handles_are_needed_again(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	struct frmr_thread *tick;

	frmr_stock(test, 8, 3000);
	frmr_tick(test);
	tick = frmr_start_slow_destroy(test, frmr_age_now);
	frmr_pop(test, mr, 1, 8);
	frmr_push(test, mr, 1);
	frmr_let_call_end(mock);
	frmr_join(tick);
	KUNIT_EXPECT_LE(test, mock->destroyed, FRMR_MOCK_MAX_BATCH);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).idle, 3000 - mock->destroyed);

	/* The rest goes when a whole period has not needed it. */
	frmr_tick(test);
	KUNIT_EXPECT_LE(test, mock->live, 1);
}

static struct ib_mr *frmr_steady_mrs;

/* With the test's own asserts, as the test waits for it. */
static int frmr_use_ten(struct frmr_mock *mock)
{
	frmr_pop(mock->test, frmr_steady_mrs, 10, 8);
	frmr_push(mock->test, frmr_steady_mrs, 10);
	return 0;
}

static void frmr_use_ten_meanwhile(struct frmr_mock *mock)
{
	frmr_elsewhere(mock, frmr_use_ten);
}

static void frmr_steady_use_of_some_lets_the_rest_age(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 3000);
	frmr_tick(test);
	frmr_steady_mrs = frmr_mrs(test, 10);
	frmr_use_ten(mock);
	mock->destroy_hook = frmr_use_ten_meanwhile;
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 10, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_AGED, 2990);
	KUNIT_EXPECT_EQ(test, mock->created, 3000);
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
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	int i;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_pop(test, mrs, 2, 8);
	for (i = 0; i < 2; i++)
		frmr_mock_drop(mock, &mrs[i]);
	FRMR_EXPECT_POOL(test, 8, 3, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DROPPED, 2);

	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 5, 0);
}

static void frmr_refill_takes_nothing_from_other_pools(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 4);
	struct ib_mr *other = frmr_mrs(test, 1);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 4), 0);
	frmr_pop(test, mrs, 4, 8);
	frmr_mock_drop(mock, &mrs[0]);
	frmr_mock_drop(mock, &mrs[1]);
	frmr_pop(test, other, 1, 100);
	frmr_push(test, other, 1);
	/* Room for one of the two. */
	mock->capacity = mock->live + 1;
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 1, 2);
	FRMR_EXPECT_POOL(test, 100, 1, 0);
	frmr_push(test, &mrs[2], 2);
}

static void frmr_failed_refill_is_tried_again(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_pop(test, mr, 1, 8);
	frmr_mock_drop(mock, mr);
	mock->bad_calls = 2;
	mock->error = -EIO;

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
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_pop(test, mr, 1, 8);
	frmr_mock_drop(mock, mr);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_pinned_pool_does_not_end(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	int i;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 1), 0);
	frmr_pop(test, mr, 1, 8);
	frmr_mock_drop(mock, mr);
	/* Now it is empty, and stays so. */
	mock->bad_calls = U32_MAX;
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
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	int i;

	frmr_empty_pool(test, 8);
	for (i = 0; i < 3; i++) {
		frmr_tick(test);
		KUNIT_ASSERT_TRUE(test, frmr_has_pool(test, 8));
		frmr_pop(test, mr, 1, 8);
		frmr_mock_drop(mock, mr);
	}
	frmr_tick(test);
	KUNIT_EXPECT_TRUE(test, frmr_has_pool(test, 8));
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_thousand_sizes_leave_no_pool(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
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
	KUNIT_EXPECT_EQ(test, mock->live, 0);
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

static u32 frmr_period(struct frmr_mock *mock)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&mock->ibdev);
	u32 seconds;

	KUNIT_ASSERT_NOT_NULL(mock->test, pools);
	seconds = ib_frmr_pools_aging_period(pools);
	ib_frmr_pools_put(pools);
	return seconds;
}

static void frmr_aging_period_is_a_minute_at_first(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&mock->ibdev, &frmr_mock_ops),
			0);
	KUNIT_EXPECT_EQ(test, frmr_period(mock), 60);
}

static void frmr_aging_period_can_be_set(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_device *ibdev = &mock->ibdev;

	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, 7), 0);
	KUNIT_EXPECT_EQ(test, frmr_period(mock), 7);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, frmr_period(mock), 7);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, U32_MAX),
			0);
	KUNIT_EXPECT_EQ(test, frmr_period(mock), U32_MAX);
	/* In jiffies, the low half of this is 0. */
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(ibdev, 1U << 31),
			0);
	frmr_stock(test, 8, 1);
	msleep(100);
	FRMR_EXPECT_POOL(test, 8, 1, 0);
}

static void frmr_timer_ages_and_ends_pools(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	unsigned long start;

	/* The timer runs for a day; the new period must not wait for it. */
	frmr_stock(test, 8, 3);
	start = jiffies;
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_set_aging_period(&mock->ibdev, 1),
			0);
	frmr_wait_until(test, !frmr_mock_live(mock));
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

static void frmr_stop_counting_work(void *data)
{
	struct frmr_work_counter *counter = data;

	tracepoint_probe_unregister(counter->tp, frmr_count_work, counter);
	tracepoint_synchronize_unregister();
}

static struct frmr_work_counter *frmr_start_counting_work(struct kunit *test)
{
	struct frmr_work_counter *counter;
	struct frmr_mock *mock = test->priv;
	int ret;

	counter = kunit_kzalloc(test, sizeof(*counter), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, counter);
	counter->tp = frmr_tracepoint("workqueue_execute_start");
	if (!counter->tp)
		kunit_skip(test, "no trace point to see the timer with");
	counter->start = mock->ibdev.frmr_pools;
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

	msleep(1500);
	KUNIT_EXPECT_EQ(test, atomic_read(&counter->runs), runs);
}

static void frmr_timer_rests_while_nothing_can_age(struct kunit *test)
{
	struct frmr_work_counter *counter = frmr_start_counting_work(test);
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);
	int runs;

	frmr_expect_rest(test, counter);
	KUNIT_EXPECT_EQ(test, atomic_read(&counter->runs), 0);

	/* A new period has the timer look once. */
	ib_frmr_pools_set_aging_period(&mock->ibdev, 1);
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
	frmr_wait_until(test, frmr_mock_live(mock) == 2);
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
	struct frmr_mock *mock = test->priv;

	ib_frmr_pools_set_aging_period(&mock->ibdev, 1);
	frmr_wait_until(test, atomic_read(&counter->runs));
	msleep(100);
}

static void frmr_timer_tries_a_failed_refill_again(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_wait_for_rest(test);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), 0);
	frmr_pop(test, mr, 1, 8);
	mock->bad_calls = 1;
	frmr_mock_drop(mock, mr);
	frmr_wait_until(test, frmr_mock_live(mock) == 5);
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
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_wait_for_rest(test);
	frmr_pop(test, mr, 1, 8);
	frmr_mock_drop(mock, mr);
	frmr_wait_until(test, !frmr_pool_count(test));
}

/* Neither the reclaim nor the tick may leave the empty pool to the other. */
static void frmr_pool_emptied_during_a_tick_ends(struct kunit *test)
{
	struct frmr_work_counter *counter = frmr_start_counting_work(test);
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *thread;
	int runs;

	ib_frmr_pools_set_aging_period(&mock->ibdev, 1);
	frmr_stock(test, 8, 3);
	thread = frmr_start_slow_destroy(test, frmr_reclaim_all);
	runs = atomic_read(&counter->runs);
	frmr_wait_until(test, atomic_read(&counter->runs) > runs);
	msleep(100);
	frmr_let_call_end(mock);
	frmr_join(thread);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
	frmr_wait_until(test, !frmr_pool_count(test));
}

static struct kunit_case frmr_aging_cases[] = {
	KUNIT_CASE(frmr_unneeded_handles_age),
	KUNIT_CASE(frmr_handles_needed_in_between_stay),
	KUNIT_CASE(frmr_each_period_has_its_own_low_water_mark),
	KUNIT_CASE(frmr_new_handles_stay_for_a_whole_period),
	KUNIT_CASE(frmr_aging_destroys_in_batches),
	KUNIT_CASE(frmr_aging_stops_when_handles_are_needed_again),
	KUNIT_CASE(frmr_steady_use_of_some_lets_the_rest_age),
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

FRMR_TEST_SUITE("frmr_aging", frmr_aging_cases);
