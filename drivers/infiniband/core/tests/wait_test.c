// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: what waits for what, and what ends a wait
 */
#include "frmr_test.h"

/* Time for another thread to get to its wait */
#define FRMR_TEST_SETTLE_MS 100

/* Threads and hooks find here what the test has given them. */
static struct ib_mr *frmr_thread_mrs;

static int frmr_pop_small(struct frmr_mock *mock)
{
	struct ib_mr *mr = frmr_thread_mrs;

	mr->frmr.key = frmr_key(8);
	return frmr_mock_pop(mock, mr);
}

static int frmr_push_one(struct frmr_mock *mock)
{
	frmr_mock_push(mock, frmr_thread_mrs);
	frmr_thread_mrs->frmr.pool = NULL; /* the next MR */
	return 0;
}

static int frmr_push_and_pop_one(struct frmr_mock *mock)
{
	frmr_push_one(mock);
	if (frmr_mock_pop(mock, frmr_thread_mrs))
		KUNIT_FAIL(mock->test, "the handle is gone");
	return 0;
}

static int frmr_pin_small(struct frmr_mock *mock)
{
	return frmr_pin(mock->test, 8, 1000);
}

static int frmr_pin_ten(struct frmr_mock *mock)
{
	return frmr_pin(mock->test, 8, 10);
}

static int frmr_make_room_once(struct frmr_mock *mock)
{
	struct ib_frmr_room room = {};
	bool again = ib_frmr_pools_make_room(&mock->ibdev, -ENOMEM, &room);

	if (again)
		ib_frmr_pools_make_room(&mock->ibdev, 0, &room);
	return again;
}

static u32 frmr_create_calls(struct frmr_mock *mock)
{
	u32 calls;

	mutex_lock(&mock->lock);
	calls = mock->create_calls;
	mutex_unlock(&mock->lock);
	return calls;
}

/*
 * A full device on which handles are about to be destroyed or created
 */

/* The last of the others' objects go when the pop has failed once. */
static void frmr_check_pop_waits(struct kunit *test,
				 int (*destroy)(struct frmr_mock *mock))
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	struct frmr_thread *thread;

	mock->capacity = 5;
	thread = frmr_start_slow_destroy(test, destroy);
	/* Nothing is idle, but the device is still full. */
	FRMR_EXPECT_POOL(test, 100, 0, 0);
	KUNIT_EXPECT_EQ(test, frmr_mock_live(mock), 5);

	mock->create_hook = frmr_let_call_end;
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);
	frmr_join(thread);
	if (mr->frmr.pool)
		frmr_push(test, mr, 1);
}

static void frmr_pop_waits_for_what_reclaim_destroys(struct kunit *test)
{
	frmr_stock(test, 100, 5);
	frmr_tick(test); /* so that all are cold, and go at once */
	frmr_check_pop_waits(test, frmr_reclaim_all);
}

static void frmr_pop_waits_for_what_aging_destroys(struct kunit *test)
{
	frmr_stock(test, 100, 5);
	frmr_tick(test);
	frmr_check_pop_waits(test, frmr_age_now);
}

static void frmr_pop_waits_for_what_a_pin_creates(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	struct frmr_thread *thread;

	mock->capacity = 10;
	thread = frmr_start_slow_create(test, frmr_pin_ten);
	FRMR_EXPECT_POOL(test, 8, 0, 0);
	KUNIT_EXPECT_EQ(test, frmr_mock_live(mock), 10);

	mock->create_hook = frmr_let_call_end;
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);
	KUNIT_EXPECT_EQ(test, frmr_join(thread), 0);
	FRMR_EXPECT_POOL(test, 8, 9, 1);
	frmr_push(test, mr, 1);
}

static void frmr_room_of_others_keeps_the_rest_waiting(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_room room = {};
	struct frmr_thread *thread;

	frmr_stock(test, 100, 5);
	KUNIT_ASSERT_TRUE(test, ib_frmr_pools_make_room(&mock->ibdev, -ENOMEM,
							&room));
	thread = frmr_start(test, frmr_reclaim_all);
	msleep(FRMR_TEST_SETTLE_MS);
	KUNIT_EXPECT_FALSE(test, frmr_ended(thread));
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	KUNIT_EXPECT_FALSE(test, ib_frmr_pools_make_room(&mock->ibdev, 0,
							 &room));
	KUNIT_EXPECT_EQ(test, frmr_join(thread), 5);
}

/*
 * Handles that come back meanwhile
 */

static void frmr_return_one(struct frmr_mock *mock)
{
	mock->create_hook = NULL;
	frmr_elsewhere(mock, frmr_push_one);
}

static void frmr_pop_takes_what_comes_back_while_it_fails_to_create(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 1), 0);
	frmr_pop(test, mrs, 1, 8);
	mock->capacity = 1;
	frmr_thread_mrs = mrs;
	mock->create_hook = frmr_return_one;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[1], 8), 0);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_HITS, 2);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_MISSES, 0);
	frmr_push(test, &mrs[1], 1);
}

static int frmr_traced_hits;

static void frmr_count_traced_hit(void *data, struct ib_device *device,
				  const struct ib_frmr_key *key, u32 handle,
				  bool hit)
{
	frmr_traced_hits += hit;
}

static void frmr_stop_tracing(void *tp)
{
	tracepoint_probe_unregister(tp, frmr_count_traced_hit, NULL);
	tracepoint_synchronize_unregister();
}

static void frmr_trace_tells_hits_as_the_counter_does(struct kunit *test)
{
	struct tracepoint *tp = frmr_tracepoint("frmr_pop");

	if (!tp)
		kunit_skip(test, "no trace point to see the pops with");
	frmr_traced_hits = 0;
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(tp, frmr_count_traced_hit,
							NULL), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, frmr_stop_tracing,
							tp), 0);
	frmr_pop_takes_what_comes_back_while_it_fails_to_create(test);
	KUNIT_EXPECT_EQ(test, frmr_traced_hits, 2);
}

static void frmr_pop_takes_what_comes_back_while_it_waits(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	struct frmr_thread *reclaim, *pop;
	u32 calls;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 1), 0);
	frmr_pop(test, mrs, 1, 8);
	frmr_stock(test, 100, 5);
	mock->capacity = 1;
	reclaim = frmr_start_slow_destroy(test, frmr_reclaim_all);
	calls = frmr_create_calls(mock);
	frmr_thread_mrs = &mrs[1];
	pop = frmr_start(test, frmr_pop_small);
	frmr_wait_until(test, frmr_create_calls(mock) > calls);
	msleep(FRMR_TEST_SETTLE_MS);
	KUNIT_EXPECT_FALSE(test, frmr_ended(pop));

	frmr_push(test, mrs, 1);
	frmr_let_call_end(mock);
	KUNIT_EXPECT_EQ(test, frmr_join(pop), 0);
	frmr_join(reclaim);
	KUNIT_EXPECT_EQ(test, mock->created, 6);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	frmr_push(test, &mrs[1], 1);
}

/* Ten times a handle of another size is idle, but not when the core looks. */
static void frmr_move_ten_times(struct frmr_mock *mock)
{
	if (mock->create_calls < 10)
		frmr_elsewhere(mock, frmr_push_and_pop_one);
	else if (mock->create_calls == 10)
		frmr_elsewhere(mock, frmr_push_one);
}

static void frmr_pop_goes_on_while_handles_move(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 1, 100);
	frmr_thread_mrs = mrs;
	mock->capacity = 1;
	mock->create_calls = 0;
	mock->create_hook = frmr_move_ten_times;
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[1], 8), 0);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 11);
	if (mrs[0].frmr.pool)
		frmr_push(test, mrs, 1);
	if (mrs[1].frmr.pool)
		frmr_push(test, &mrs[1], 1);
}

static void frmr_move(struct frmr_mock *mock)
{
	frmr_elsewhere(mock, frmr_push_and_pop_one);
}

static void frmr_pop_does_not_go_on_for_ever(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 1, 100);
	frmr_thread_mrs = mrs;
	mock->capacity = 1;
	mock->create_calls = 0;
	mock->create_hook = frmr_move;
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[1], 8), -ENOMEM);
	KUNIT_EXPECT_LT(test, mock->create_calls, 100);
	mock->create_hook = NULL;
	frmr_push(test, mrs, 1);
}

/*
 * Fatal signals
 */

struct frmr_waiter {
	const char *what;
	int (*fn)(struct frmr_mock *mock);
	int ret;
};

static const struct frmr_waiter frmr_waiters[] = {
	{ "pop", frmr_pop_small, -EINTR },
	{ "pin", frmr_pin_small, -EINTR },
	{ "reclaim", frmr_reclaim_all, 0 },
	{ "creation outside of the pools", frmr_make_room_once, false },
};

static void frmr_waiter_desc(const struct frmr_waiter *waiter, char *desc)
{
	strscpy(desc, waiter->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(frmr_waiter, frmr_waiters, frmr_waiter_desc);

/* The mutex is not released before the test is over. */
static void frmr_kill_ends_the_wait_for_room(struct kunit *test)
{
	const struct frmr_waiter *waiter = test->param_value;
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *reclaim, *thread;

	frmr_stock(test, 100, 5);
	mock->capacity = 5;
	frmr_thread_mrs = frmr_mrs(test, 1);
	reclaim = frmr_start_slow_destroy(test, frmr_reclaim_all);
	thread = frmr_start(test, waiter->fn);
	msleep(FRMR_TEST_SETTLE_MS);
	KUNIT_EXPECT_FALSE(test, frmr_ended(thread));
	frmr_kill(thread);
	KUNIT_EXPECT_EQ(test, frmr_join(thread), waiter->ret);
	KUNIT_EXPECT_FALSE(test, frmr_ended(reclaim));
	frmr_let_call_end(mock);
	KUNIT_EXPECT_EQ(test, frmr_join(reclaim), 5);
	if (frmr_has_pool(test, 8))
		KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
}

static void frmr_kill_ends_the_wait_for_another_pin(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *first, *second;

	first = frmr_start_slow_create(test, frmr_pin_ten);
	second = frmr_start(test, frmr_pin_small);
	msleep(FRMR_TEST_SETTLE_MS);
	KUNIT_EXPECT_FALSE(test, frmr_ended(second));
	frmr_kill(second);
	KUNIT_EXPECT_EQ(test, frmr_join(second), -EINTR);
	KUNIT_EXPECT_FALSE(test, frmr_ended(first));
	frmr_let_call_end(mock);
	KUNIT_EXPECT_EQ(test, frmr_join(first), 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 10);
	FRMR_EXPECT_POOL(test, 8, 10, 0);
}

static void frmr_kill_at_third_create(struct frmr_mock *mock)
{
	if (mock->create_calls == 3)
		frmr_kill_me();
}

static void frmr_kill_me_once(struct frmr_mock *mock)
{
	mock->destroy_hook = NULL;
	frmr_kill_me();
}

static void frmr_kill_ends_the_steps_of_a_pop(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 100, 1000);
	frmr_fail_creations(test, U32_MAX, -ENOSPC);
	frmr_thread_mrs = frmr_mrs(test, 1);
	mock->create_hook = frmr_kill_at_third_create;
	KUNIT_EXPECT_EQ(test, frmr_join(frmr_start(test, frmr_pop_small)),
			-EINTR);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 3);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 1);
}

/* A step of 128 takes more than one batch. */
static void frmr_kill_in_a_large_step(struct frmr_mock *mock)
{
	if (mock->destroyed >= 127) {
		mock->destroy_hook = NULL;
		frmr_kill_me();
	}
}

static void frmr_kill_ends_a_step_of_a_pop(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 100, 1000);
	frmr_fail_creations(test, U32_MAX, -ENOSPC);
	frmr_thread_mrs = frmr_mrs(test, 1);
	mock->destroy_hook = frmr_kill_in_a_large_step;
	KUNIT_EXPECT_EQ(test, frmr_join(frmr_start(test, frmr_pop_small)),
			-EINTR);
	KUNIT_EXPECT_LE(test, mock->destroyed, 127 + FRMR_MOCK_MAX_BATCH);
}

static int frmr_create_other_killed(struct frmr_mock *mock)
{
	struct ib_frmr_room room = {};
	int ret;

	do {
		ret = frmr_mock_create_other(mock);
		if (mock->create_calls == 3)
			frmr_kill_me();
	} while (ib_frmr_pools_make_room(&mock->ibdev, ret, &room));
	return ret;
}

static void frmr_kill_ends_the_room_of_others(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 100, 1000);
	frmr_fail_creations(test, U32_MAX, -ENOSPC);
	KUNIT_EXPECT_EQ(test,
			frmr_join(frmr_start(test, frmr_create_other_killed)),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 3);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 1);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 5), 5);
}

static void frmr_kill_ends_reclaim(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	int ret;

	frmr_stock(test, 100, 1000);
	mock->destroy_hook = frmr_kill_me_once;
	ret = frmr_join(frmr_start(test, frmr_reclaim_all));
	KUNIT_EXPECT_GT(test, ret, 0);
	KUNIT_EXPECT_LE(test, ret, FRMR_MOCK_MAX_BATCH);
	KUNIT_EXPECT_EQ(test, mock->destroyed, ret);
}

static void frmr_kill_ends_the_filling_of_a_pin(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	mock->create_hook = frmr_kill_at_third_create;
	KUNIT_EXPECT_EQ(test, frmr_join(frmr_start(test, frmr_pin_small)),
			-EINTR);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 3);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).idle, mock->created);
}

static void frmr_kill_ends_the_steps_of_a_pin(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 100, 1000);
	frmr_fail_creations(test, U32_MAX, -ENOSPC);
	mock->create_hook = frmr_kill_at_third_create;
	KUNIT_EXPECT_EQ(test, frmr_join(frmr_start(test, frmr_pin_small)),
			-EINTR);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 3);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 1);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
}

/*
 * A device that goes away
 */

static void frmr_cleanup_ends_a_pin(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *pin, *cleanup;

	pin = frmr_start_slow_create(test, frmr_pin_small);
	cleanup = frmr_start_cleanup(test);
	frmr_let_call_end(mock);
	KUNIT_EXPECT_EQ(test, frmr_join(pin), -ENODEV);
	frmr_join(cleanup);
	KUNIT_EXPECT_LE(test, mock->created, FRMR_MOCK_MAX_BATCH);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

static void frmr_cleanup_ends_a_reclaim(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *reclaim, *cleanup;

	frmr_stock(test, 100, 1000);
	reclaim = frmr_start_slow_destroy(test, frmr_reclaim_all);
	cleanup = frmr_start_cleanup(test);
	frmr_let_call_end(mock);
	KUNIT_EXPECT_LE(test, frmr_join(reclaim), FRMR_MOCK_MAX_BATCH);
	frmr_join(cleanup);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

/* Cleanup itself destroys without the mutex, so with I/O. */
static void frmr_cleanup_ends_the_aging(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *tick, *cleanup;

	frmr_stock(test, 100, 1000);
	frmr_tick(test);
	tick = frmr_start_slow_destroy(test, frmr_age_now);
	cleanup = frmr_start_cleanup(test);
	frmr_let_call_end(mock);
	frmr_join(tick);
	frmr_join(cleanup);
	KUNIT_EXPECT_EQ(test, mock->destroy_calls - mock->io_destroys, 1);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

static void frmr_cleanup_ends_the_room_of_others(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_room room = {};
	struct frmr_thread *cleanup;

	frmr_stock(test, 100, 1000);
	KUNIT_ASSERT_TRUE(test, ib_frmr_pools_make_room(&mock->ibdev, -ENOMEM,
							&room));
	cleanup = frmr_start_cleanup(test);
	msleep(FRMR_TEST_SETTLE_MS);
	KUNIT_EXPECT_FALSE(test, frmr_ended(cleanup));
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	KUNIT_EXPECT_FALSE(test, ib_frmr_pools_make_room(&mock->ibdev, -ENOMEM,
							 &room));
	frmr_join(cleanup);
	KUNIT_EXPECT_EQ(test, mock->destroy_calls - mock->io_destroys, 0);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

static void frmr_cleanup_waits_for_users(struct kunit *test)
{
	static const struct ib_frmr_key start;
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_pools *pools;
	struct frmr_thread *cleanup;
	struct ib_frmr_pool_info info;

	frmr_stock(test, 8, 1);
	pools = ib_frmr_pools_get(&mock->ibdev);
	cleanup = frmr_start_cleanup(test);
	msleep(FRMR_TEST_SETTLE_MS);

	KUNIT_EXPECT_FALSE(test, frmr_ended(cleanup));
	KUNIT_EXPECT_TRUE(test, ib_frmr_pools_next_info(pools, &start, &info));
	KUNIT_EXPECT_EQ(test, info.idle, 1);
	KUNIT_EXPECT_NULL(test, ib_frmr_pools_get(&mock->ibdev));
	ib_frmr_pools_put(pools);
	frmr_join(cleanup);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

static struct kunit_case frmr_wait_cases[] = {
	KUNIT_CASE(frmr_pop_waits_for_what_reclaim_destroys),
	KUNIT_CASE(frmr_pop_waits_for_what_aging_destroys),
	KUNIT_CASE(frmr_pop_waits_for_what_a_pin_creates),
	KUNIT_CASE(frmr_room_of_others_keeps_the_rest_waiting),
	KUNIT_CASE(frmr_pop_takes_what_comes_back_while_it_fails_to_create),
	KUNIT_CASE(frmr_trace_tells_hits_as_the_counter_does),
	KUNIT_CASE(frmr_pop_takes_what_comes_back_while_it_waits),
	KUNIT_CASE(frmr_pop_goes_on_while_handles_move),
	KUNIT_CASE(frmr_pop_does_not_go_on_for_ever),
	KUNIT_CASE_PARAM(frmr_kill_ends_the_wait_for_room,
			 frmr_waiter_gen_params),
	KUNIT_CASE(frmr_kill_ends_the_wait_for_another_pin),
	KUNIT_CASE(frmr_kill_ends_the_steps_of_a_pop),
	KUNIT_CASE(frmr_kill_ends_a_step_of_a_pop),
	KUNIT_CASE(frmr_kill_ends_the_room_of_others),
	KUNIT_CASE(frmr_kill_ends_reclaim),
	KUNIT_CASE(frmr_kill_ends_the_filling_of_a_pin),
	KUNIT_CASE(frmr_kill_ends_the_steps_of_a_pin),
	KUNIT_CASE(frmr_cleanup_ends_a_pin),
	KUNIT_CASE(frmr_cleanup_ends_a_reclaim),
	KUNIT_CASE(frmr_cleanup_ends_the_aging),
	KUNIT_CASE(frmr_cleanup_ends_the_room_of_others),
	KUNIT_CASE(frmr_cleanup_waits_for_users),
	{}
};

FRMR_TEST_SUITE("frmr_wait", frmr_wait_cases);
