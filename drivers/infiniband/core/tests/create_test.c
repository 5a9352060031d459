// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: creations that fail, and memory that is not to be had
 */
#include "frmr_test.h"

KUNIT_ARRAY_PARAM(frmr_full_error, frmr_full_errors, frmr_error_desc);
KUNIT_ARRAY_PARAM(frmr_final_error, frmr_final_errors, frmr_error_desc);

/* One call, and no other object is given up. */
static void frmr_final_error_is_passed_on_at_once(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	const int *error = test->param_value;

	frmr_stock(test, 100, 5);
	frmr_fail_creations(test, U32_MAX, *error);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[0], 8), *error);

	KUNIT_EXPECT_EQ(test, mock->create_calls, 1);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	KUNIT_EXPECT_NULL(test, mrs[0].frmr.pool);
	FRMR_EXPECT_POOL(test, 100, 5, 0);
	FRMR_EXPECT_POOL(test, 8, 0, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 1);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).max_in_use, 0);

	mock->bad_calls = 0;
	frmr_pop(test, &mrs[1], 1, 8);
	frmr_push(test, &mrs[1], 1);
}

static void frmr_full_error_is_passed_on_in_the_end(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	const int *error = test->param_value;

	frmr_fail_creations(test, U32_MAX, *error);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[0], 8), *error);

	/* Nothing was idle anywhere, so a third try would be in vain. */
	KUNIT_EXPECT_EQ(test, mock->create_calls, 2);
	KUNIT_EXPECT_NULL(test, mrs[0].frmr.pool);
	FRMR_EXPECT_POOL(test, 8, 0, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 2);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).max_in_use, 0);

	mock->bad_calls = 0;
	frmr_pop(test, &mrs[1], 1, 8);
	frmr_push(test, &mrs[1], 1);
}

/* Even if all that is idle is what nobody needs. */
static void frmr_transient_full_error_costs_nothing(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	const int *error = test->param_value;

	frmr_stock(test, 100, 300);
	frmr_tick(test);
	frmr_fail_creations(test, 1, *error);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);

	KUNIT_EXPECT_EQ(test, mock->create_calls, 2);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_FAILURES, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_MISSES, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_CREATED, 1);
	frmr_push(test, mr, 1);
}

/* For want of room at first, and then for another reason. */
static void frmr_final_error_ends_the_making_of_room(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	mock->max_blocks = 512;
	frmr_stock(test, 100, 50);
	frmr_fail_creations(test, 3, -ENOSPC);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 513), -EINVAL);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 4);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 3);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 2), 2);
}

static void frmr_pools_without_memory_are_not_made(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	ib_frmr_pools_cleanup(&mock->ibdev);
	frmr_limit_allocs(test, 0);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&mock->ibdev, &frmr_mock_ops),
			-ENOMEM);
	KUNIT_EXPECT_NULL(test, mock->ibdev.frmr_pools);
}

static void frmr_pop_without_memory_for_a_pool_fails(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_limit_allocs(test, 0);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), -ENOMEM);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

/* The first array, and some later ones. */
static const u32 frmr_good_allocs[] = { 0, 1, 2, 3 };

static void frmr_good_allocs_desc(const u32 *good, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "after %u more arrays", *good);
}

KUNIT_ARRAY_PARAM(frmr_good_allocs, frmr_good_allocs, frmr_good_allocs_desc);

/* Room comes first: the device never creates what can't be stored. */
static void frmr_pop_without_memory_for_an_array_fails(struct kunit *test)
{
	const u32 *good_allocs = test->param_value;
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5000);
	u32 count = 0;
	int ret;

	frmr_empty_pool(test, 8);
	mock->create_calls = 0;
	frmr_limit_allocs(test, *good_allocs);
	do {
		ret = frmr_try_pop(test, &mrs[count], 8);
	} while (!ret && ++count < 5000);

	KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	KUNIT_EXPECT_GT(test, count, *good_allocs);
	KUNIT_EXPECT_EQ(test, mock->created, count);
	KUNIT_EXPECT_EQ(test, mock->create_calls, count);
	FRMR_EXPECT_POOL(test, 8, 0, count);
	frmr_push(test, mrs, count);

	/* With memory it goes on. */
	frmr_limit_allocs(test, U32_MAX);
	frmr_pop(test, mrs, count + 1, 8);
	frmr_push(test, mrs, count + 1);
}

static void frmr_push_never_allocates(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5000);

	frmr_pop(test, mrs, 5000, 8);
	frmr_limit_allocs(test, 0);
	frmr_push(test, mrs, 5000);

	FRMR_EXPECT_POOL(test, 8, 5000, 0);
	KUNIT_EXPECT_EQ(test, mock->allocs, 0);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);

	/* None is lost, and each comes back once. */
	frmr_pop(test, mrs, 5000, 8);
	KUNIT_EXPECT_EQ(test, mock->created, 5000);
	frmr_push(test, mrs, 5000);
}

/* At each fill level. */
static void frmr_pop_and_push_in_a_loop_never_allocates(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
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
	KUNIT_EXPECT_EQ(test, mock->allocs, 0);
	KUNIT_EXPECT_EQ(test, mock->created, 1500);
}

/* Not even if the handle is destroyed and created anew each time. */
static void frmr_shrinking_and_growing_by_one_never_allocates(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
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
		KUNIT_EXPECT_EQ_MSG(test, mock->allocs, 0, "at %u", i);
	}
	frmr_push(test, mrs, 600);
}

static void frmr_memory_of_many_handles_is_given_back(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5000);
	u32 first;

	frmr_limit_allocs(test, U32_MAX);
	frmr_pop(test, mrs, 5000, 8);
	first = mock->allocs;
	frmr_push(test, mrs, 4999);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, U32_MAX), 4999);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 0, 1);

	/* So it has to grow once more. */
	frmr_limit_allocs(test, U32_MAX);
	frmr_pop(test, mrs, 4999, 8);
	KUNIT_EXPECT_GT(test, first, 8);
	KUNIT_EXPECT_GE(test, mock->allocs, first / 2);
	frmr_push(test, mrs, 5000);
}

/* If there is no memory for the smaller array, the larger one stays. */
static void frmr_giving_memory_back_may_fail(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 3000);

	frmr_pop(test, mrs, 3000, 8);
	frmr_push(test, mrs, 2990);
	frmr_reclaim(test, 2980);
	frmr_limit_allocs(test, 0);
	frmr_tick(test);
	frmr_push(test, &mrs[2990], 10);
	FRMR_EXPECT_POOL(test, 8, 20, 0);
}

static void frmr_failed_creation_gives_its_place_back(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	u32 i;

	frmr_empty_pool(test, 8);
	frmr_limit_allocs(test, U32_MAX);
	frmr_fail_creations(test, U32_MAX, -ENOMEM);
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_EQ(test, frmr_try_pop(test, mr, 8), -ENOMEM);
	KUNIT_EXPECT_EQ(test, mock->allocs, 0);
}

static struct kunit_case frmr_create_cases[] = {
	KUNIT_CASE_PARAM(frmr_final_error_is_passed_on_at_once,
			 frmr_final_error_gen_params),
	KUNIT_CASE_PARAM(frmr_full_error_is_passed_on_in_the_end,
			 frmr_full_error_gen_params),
	KUNIT_CASE_PARAM(frmr_transient_full_error_costs_nothing,
			 frmr_full_error_gen_params),
	KUNIT_CASE(frmr_final_error_ends_the_making_of_room),
	KUNIT_CASE(frmr_pools_without_memory_are_not_made),
	KUNIT_CASE(frmr_pop_without_memory_for_a_pool_fails),
	KUNIT_CASE_PARAM(frmr_pop_without_memory_for_an_array_fails,
			 frmr_good_allocs_gen_params),
	KUNIT_CASE(frmr_push_never_allocates),
	KUNIT_CASE(frmr_pop_and_push_in_a_loop_never_allocates),
	KUNIT_CASE(frmr_shrinking_and_growing_by_one_never_allocates),
	KUNIT_CASE(frmr_memory_of_many_handles_is_given_back),
	KUNIT_CASE(frmr_giving_memory_back_may_fail),
	KUNIT_CASE(frmr_failed_creation_gives_its_place_back),
	{}
};

FRMR_TEST_SUITE("frmr_create", frmr_create_cases);
