// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: which idle handles are given up for a creation on a full device,
 * and how many
 */
#include <linux/sched/mm.h>

#include "frmr_test.h"

KUNIT_ARRAY_PARAM(frmr_full_error, frmr_full_errors, frmr_error_desc);
KUNIT_ARRAY_PARAM(frmr_final_error, frmr_final_errors, frmr_error_desc);

/* How many creations fail in a row, and what is destroyed by then. */
struct frmr_steps {
	u32 failures;
	u32 destroyed;
};

static const struct frmr_steps frmr_steps[] = {
	{ 0, 0 },
	{ 1, 0 },
	{ 2, 1 },
	{ 3, 3 },
	{ 4, 7 },
	{ 5, 15 },
	{ 8, 127 },
	{ 10, 511 },
};

static void frmr_steps_desc(const struct frmr_steps *steps, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u failures cost %u",
		 steps->failures, steps->destroyed);
}

KUNIT_ARRAY_PARAM(frmr_steps, frmr_steps, frmr_steps_desc);

static void frmr_pop_gives_up_in_steps(struct kunit *test)
{
	const struct frmr_steps *steps = test->param_value;
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 1000);
	frmr_fail_creations(test, steps->failures, -EAGAIN);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);

	KUNIT_EXPECT_EQ(test, mock->create_calls, steps->failures + 1);
	KUNIT_EXPECT_EQ(test, mock->destroyed, steps->destroyed);
	FRMR_EXPECT_STAT(test, 100, IB_FRMR_RECLAIMED, steps->destroyed);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, steps->failures);
	frmr_push(test, mr, 1);
}

static void frmr_pop_fails_when_nothing_is_left_to_give_up(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 10);
	frmr_fail_creations(test, U32_MAX, -ENOSPC);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), -ENOSPC);

	/* With nothing destroyed twice, then after 1, 2, 4, and the last 3. */
	KUNIT_EXPECT_EQ(test, mock->create_calls, 6);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 10);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	FRMR_EXPECT_POOL(test, 8, 0, 0);
}

static void frmr_full_device_serves_another_size(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 21);

	mock->capacity = 20;
	frmr_stock(test, 100, 20);
	frmr_pop(test, mrs, 1, 8);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 1);
	frmr_pop(test, &mrs[1], 19, 8);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 20);

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[20], 8), -ENOMEM);
	frmr_push(test, mrs, 20);
}

static void frmr_pinned_and_used_handles_are_not_given_up(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 4);

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 100, 5), 0);
	frmr_pop(test, mrs, 3, 300);
	mock->capacity = mock->live;

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[3], 8), -ENOMEM);
	FRMR_EXPECT_POOL(test, 100, 5, 0);
	FRMR_EXPECT_POOL(test, 300, 0, 3);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, U32_MAX), 0);
	frmr_push(test, mrs, 3);
}

/*
 * What goes first
 */

static void frmr_cold_handles_go_first(struct kunit *test)
{
	frmr_stock(test, 100, 3);
	frmr_stock(test, 300, 5);
	frmr_tick(test);
	frmr_stock(test, 200, 50);

	/* The largest stock of them first. */
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 2), 2);
	FRMR_EXPECT_POOL(test, 300, 3, 0);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 5), 5);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 100).idle +
			      frmr_info(test, 300).idle, 1);
	FRMR_EXPECT_POOL(test, 200, 50, 0);

	/* Only then what is in demand. */
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 2), 2);
	FRMR_EXPECT_POOL(test, 200, 49, 0);
}

static void frmr_pop_gives_up_cold_handles_first(struct kunit *test)
{
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 3);
	frmr_tick(test);
	frmr_stock(test, 200, 50);
	frmr_fail_creations(test, 3, -EBUSY);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);
	FRMR_EXPECT_POOL(test, 100, 0, 0);
	FRMR_EXPECT_POOL(test, 200, 50, 0);
	frmr_push(test, mr, 1);
}

/* What was needed since the tick is not cold, though it is idle again. */
static void frmr_used_part_of_a_pool_is_not_cold(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 4);

	frmr_stock(test, 8, 10);
	frmr_tick(test);
	frmr_pop(test, mrs, 4, 8);
	frmr_push(test, mrs, 4);
	frmr_stock(test, 100, 50);

	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 6), 6);
	FRMR_EXPECT_POOL(test, 8, 4, 0);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 10), 10);
	FRMR_EXPECT_POOL(test, 8, 4, 0);
	FRMR_EXPECT_POOL(test, 100, 40, 0);
}

static void frmr_largest_stock_gives_up_half_at_a_time(struct kunit *test)
{
	frmr_stock(test, 8, 40);
	frmr_stock(test, 80, 30);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 20), 20);
	FRMR_EXPECT_POOL(test, 8, 20, 0);
	FRMR_EXPECT_POOL(test, 80, 30, 0);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 15), 15);
	FRMR_EXPECT_POOL(test, 8, 20, 0);
	FRMR_EXPECT_POOL(test, 80, 15, 0);
}

static void frmr_pinned_handles_do_not_make_a_stock_large(struct kunit *test)
{
	frmr_stock(test, 80, 10);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 36), 0);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 35), 0);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 5), 5);
	FRMR_EXPECT_POOL(test, 8, 36, 0);
	FRMR_EXPECT_POOL(test, 80, 5, 0);
}

/*
 * Reclaim, as a driver or a user calls it
 */

static void frmr_reclaim_destroys_no_more_than_asked(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 100);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 0), 0);
	KUNIT_EXPECT_EQ(test, mock->destroy_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 70), 70);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 70);
	FRMR_EXPECT_POOL(test, 8, 30, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_RECLAIMED, 70);
}

static void frmr_reclaim_goes_across_pools(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 3);
	frmr_stock(test, 80, 3);
	frmr_stock(test, 800, 3);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 7), 7);
	KUNIT_EXPECT_EQ(test, mock->live, 2);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 7), 2);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 7), 0);
}

static void frmr_reclaim_without_pools_does_nothing(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 1), 0);
	ib_frmr_pools_cleanup(&mock->ibdev);
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

/*
 * Room for objects that are none of the pools'
 */

static int frmr_create_other(struct frmr_mock *mock)
{
	struct ib_frmr_room room = {};
	int ret;

	do
		ret = frmr_mock_create_other(mock);
	while (ib_frmr_pools_make_room(&mock->ibdev, ret, &room));
	return ret;
}

/* Somebody else gets the mutex, and NOIO is over. */
static void frmr_expect_room_given_back(struct kunit *test)
{
	struct frmr_thread *thread = frmr_start(test, frmr_reclaim_all);

	frmr_wait_until(test, frmr_ended(thread));
	frmr_join(thread);
	KUNIT_EXPECT_FALSE(test, current->flags & PF_MEMALLOC_NOIO);
}

static void frmr_others_give_up_in_steps(struct kunit *test)
{
	const struct frmr_steps *steps = test->param_value;
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 100, 1000);
	frmr_fail_creations(test, steps->failures, -EBUSY);
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), 0);

	KUNIT_EXPECT_EQ(test, mock->create_calls, steps->failures + 1);
	KUNIT_EXPECT_EQ(test, mock->destroyed, steps->destroyed);
	FRMR_EXPECT_STAT(test, 100, IB_FRMR_RECLAIMED, steps->destroyed);
	frmr_expect_room_given_back(test);
}

static void frmr_others_get_room_for_full_error(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	const int *error = test->param_value;

	frmr_stock(test, 100, 10);
	frmr_fail_creations(test, 2, *error);
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), 0);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 3);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 1);

	frmr_fail_creations(test, U32_MAX, *error);
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), *error);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 10);
	frmr_expect_room_given_back(test);
}

static void frmr_others_get_no_room_for_final_error(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	const int *error = test->param_value;

	frmr_stock(test, 100, 10);
	frmr_fail_creations(test, U32_MAX, *error);
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), *error);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 1);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	frmr_expect_room_given_back(test);
}

static void frmr_final_error_ends_the_room_of_others(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_room room = {};

	frmr_stock(test, 100, 10);
	KUNIT_EXPECT_TRUE(test, ib_frmr_pools_make_room(&mock->ibdev, -ENOMEM,
							&room));
	KUNIT_EXPECT_TRUE(test, ib_frmr_pools_make_room(&mock->ibdev, -ENOMEM,
							&room));
	KUNIT_EXPECT_FALSE(test, ib_frmr_pools_make_room(&mock->ibdev, -EIO,
							 &room));
	KUNIT_EXPECT_EQ(test, mock->destroyed, 1);
	frmr_expect_room_given_back(test);
}

static void frmr_others_without_pools_get_no_room(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	ib_frmr_pools_cleanup(&mock->ibdev);
	frmr_fail_creations(test, U32_MAX, -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), -ENOMEM);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 1);
}

static void frmr_others_share_a_full_device(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	int i;

	mock->capacity = 20;
	frmr_stock(test, 100, 20);
	for (i = 0; i < 20; i++)
		KUNIT_ASSERT_EQ(test, frmr_create_other(mock), 0);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 20);
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), -ENOMEM);
	frmr_mock_destroy_others(mock);
	frmr_pop(test, mr, 1, 8);
	frmr_push(test, mr, 1);
}

/*
 * Memory reclaim may wait for a caller that makes room
 */

static void frmr_room_is_made_without_io(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock(test, 100, 10);
	frmr_fail_creations(test, 3, -ENOMEM);
	mock->io_creates = 0;
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);

	/* The first try is before that. */
	KUNIT_EXPECT_EQ(test, mock->create_calls, 4);
	KUNIT_EXPECT_EQ(test, mock->io_creates, 1);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 3);
	KUNIT_EXPECT_EQ(test, mock->io_destroys, 0);
	frmr_push(test, mr, 1);
	frmr_expect_room_given_back(test);
}

static void frmr_others_get_room_without_io(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 100, 10);
	frmr_fail_creations(test, 3, -ENOMEM);
	mock->io_creates = 0;
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), 0);
	KUNIT_EXPECT_EQ(test, mock->io_creates, 1);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 3);
	KUNIT_EXPECT_EQ(test, mock->io_destroys, 0);
	frmr_expect_room_given_back(test);
}

static void frmr_pin_aging_and_reclaim_do_no_io(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 100), 0);
	KUNIT_EXPECT_EQ(test, mock->io_creates, 0);
	frmr_pop(test, mr, 1, 8);
	frmr_mock_drop(mock, mr);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 100, 0);
	KUNIT_EXPECT_EQ(test, mock->io_creates, 0);

	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 0), 0);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 10), 10);
	/* The one that the first tick created was not there all the period. */
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 99);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 100);
	KUNIT_EXPECT_EQ(test, mock->io_destroys, 0);
	KUNIT_EXPECT_FALSE(test, current->flags & PF_MEMALLOC_NOIO);
}

static void frmr_scope_of_the_caller_outlasts_the_room(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	unsigned int noio = memalloc_noio_save();
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_fail_creations(test, 1, -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);
	KUNIT_EXPECT_TRUE(test, current->flags & PF_MEMALLOC_NOIO);
	frmr_push(test, mr, 1);
	frmr_fail_creations(test, 1, -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_create_other(mock), 0);
	KUNIT_EXPECT_TRUE(test, current->flags & PF_MEMALLOC_NOIO);
	memalloc_noio_restore(noio);
}

/*
 * A driver that sends pages to disk registers memory while the kernel is out of
 * it. Here, lockdep complains if the mock's commands could wait for that again.
 */
static void frmr_pop_works_during_memory_reclaim(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	unsigned int noreclaim;

	frmr_stock(test, 100, 10);
	frmr_tick(test);
	frmr_fail_creations(test, 3, -ENOMEM);
	frmr_pop(test, mrs, 1, 8);

	frmr_fail_creations(test, 3, -ENOMEM);
	fs_reclaim_acquire(GFP_KERNEL);
	noreclaim = memalloc_noreclaim_save();
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[1], 40), 0);
	memalloc_noreclaim_restore(noreclaim);
	fs_reclaim_release(GFP_KERNEL);

	KUNIT_EXPECT_EQ(test, mock->destroyed, 6);
	frmr_push(test, mrs, 2);
}

static struct kunit_case frmr_room_cases[] = {
	KUNIT_CASE_PARAM(frmr_pop_gives_up_in_steps, frmr_steps_gen_params),
	KUNIT_CASE(frmr_pop_fails_when_nothing_is_left_to_give_up),
	KUNIT_CASE(frmr_full_device_serves_another_size),
	KUNIT_CASE(frmr_pinned_and_used_handles_are_not_given_up),
	KUNIT_CASE(frmr_cold_handles_go_first),
	KUNIT_CASE(frmr_pop_gives_up_cold_handles_first),
	KUNIT_CASE(frmr_used_part_of_a_pool_is_not_cold),
	KUNIT_CASE(frmr_largest_stock_gives_up_half_at_a_time),
	KUNIT_CASE(frmr_pinned_handles_do_not_make_a_stock_large),
	KUNIT_CASE(frmr_reclaim_destroys_no_more_than_asked),
	KUNIT_CASE(frmr_reclaim_goes_across_pools),
	KUNIT_CASE(frmr_reclaim_without_pools_does_nothing),
	KUNIT_CASE(frmr_reclaim_leaves_pinned_and_used_handles),
	KUNIT_CASE_PARAM(frmr_others_give_up_in_steps, frmr_steps_gen_params),
	KUNIT_CASE_PARAM(frmr_others_get_room_for_full_error,
			 frmr_full_error_gen_params),
	KUNIT_CASE_PARAM(frmr_others_get_no_room_for_final_error,
			 frmr_final_error_gen_params),
	KUNIT_CASE(frmr_final_error_ends_the_room_of_others),
	KUNIT_CASE(frmr_others_without_pools_get_no_room),
	KUNIT_CASE(frmr_others_share_a_full_device),
	KUNIT_CASE(frmr_room_is_made_without_io),
	KUNIT_CASE(frmr_others_get_room_without_io),
	KUNIT_CASE(frmr_pin_aging_and_reclaim_do_no_io),
	KUNIT_CASE(frmr_scope_of_the_caller_outlasts_the_room),
	KUNIT_CASE(frmr_pop_works_during_memory_reclaim),
	{}
};

FRMR_TEST_SUITE("frmr_room", frmr_room_cases);
