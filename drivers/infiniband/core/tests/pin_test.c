// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: pinned handles
 */
#include "frmr_test.h"

static void frmr_pin_fills_the_pool_at_once(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 150), 0);
	FRMR_EXPECT_POOL(test, 8, 150, 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 150);
	/* In batches; the mock complains of those above the bound. */
	KUNIT_EXPECT_LE(test, mock->create_calls, 10);

	frmr_pop(test, mr, 1, 8);
	KUNIT_EXPECT_EQ(test, mock->created, 150);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_HITS, 1);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_MISSES, 0);
	frmr_push(test, mr, 1);
}

static void frmr_pin_counts_handles_in_use(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);

	frmr_pop(test, mrs, 3, 8);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 5), 0);
	FRMR_EXPECT_POOL(test, 8, 2, 3);
	KUNIT_EXPECT_EQ(test, mock->created, 5);
	frmr_push(test, mrs, 3);
}

static void frmr_pin_below_what_there_is_creates_nothing(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 10);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 7), 0);
	KUNIT_EXPECT_EQ(test, mock->created, 10);
	FRMR_EXPECT_POOL(test, 8, 10, 0);
}

static void frmr_raised_pin_adds_the_difference(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 10), 0);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 25), 0);
	KUNIT_EXPECT_EQ(test, mock->created, 25);
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
	struct frmr_mock *mock = test->priv;

	mock->ibdev.attrs.max_mr = 10;
	mock->capacity = 100; /* so that a mistake costs no memory */
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 11), -EINVAL);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, U32_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 0);
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
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_key key = bad->key;

	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_pinned(&mock->ibdev, &key, 1),
			bad->error);
	KUNIT_EXPECT_EQ(test, frmr_mock_key_cmp(&key, &bad->key), 0);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

/* The driver's pools have a kernel_vendor_key that users can't name. */
static void frmr_kernel_pool_can_not_be_unpinned(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);
	struct ib_frmr_key key = frmr_key(8);

	key.kernel_vendor_key = 1;
	frmr_pop_key(test, mr, &key);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_pinned(&mock->ibdev, &key, 0),
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
	struct frmr_mock *mock = test->priv;

	ib_frmr_pools_cleanup(&mock->ibdev);
	mock->build_key = build_key;
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&mock->ibdev,
						 &frmr_mock_building_ops), 0);
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
	struct frmr_mock *mock = test->priv;

	frmr_with_build_key(test, bad->build_key);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1), bad->error);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

KUNIT_ARRAY_PARAM(frmr_final_error, frmr_final_errors, frmr_error_desc);

static void frmr_pin_passes_final_error_on(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	const int *error = test->param_value;

	frmr_stock(test, 100, 5);
	frmr_fail_creations(test, U32_MAX, *error);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 100), *error);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 1);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
}

static void frmr_failed_pin_keeps_what_was_created(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_pool_info info;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 3), 0);
	frmr_fail_creations(test, U32_MAX, -EIO);
	mock->good_calls = 2;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1000), -EIO);

	info = frmr_info(test, 8);
	KUNIT_EXPECT_EQ(test, info.pinned, 3);
	KUNIT_EXPECT_GT(test, info.idle, 3);
	KUNIT_EXPECT_EQ(test, info.idle, mock->live);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_CREATED], mock->created);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_FAILURES], 1);

	/* What is above the former number ages. */
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, 3, 0);
}

static void frmr_pin_makes_do_with_smaller_batches(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	/* Room for less than one more batch, though for all that is needed. */
	frmr_stock(test, 100, 10);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 100, 10), 0);
	mock->capacity = 110;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 100), 0);
	FRMR_EXPECT_POOL(test, 8, 100, 0);

	mock->capacity = 120;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 200), -ENOMEM);
	FRMR_EXPECT_POOL(test, 8, 110, 0);
}

static int frmr_pin_hundred(struct frmr_mock *mock)
{
	return frmr_pin(mock->test, 8, 100);
}

static int frmr_pin_two_hundred(struct frmr_mock *mock)
{
	return frmr_pin(mock->test, 8, 200);
}

/* It pins what is about to be destroyed. */
static void frmr_pin_holds_against_a_reclaim_that_is_under_way(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *reclaim, *pin;

	frmr_stock(test, 8, 100);
	reclaim = frmr_start_slow_destroy(test, frmr_reclaim_all);
	pin = frmr_start(test, frmr_pin_hundred);
	frmr_wait_until(test, frmr_info(test, 8).pinned == 100);
	frmr_let_call_end(mock);
	KUNIT_EXPECT_LE(test, frmr_join(reclaim), FRMR_MOCK_MAX_BATCH);
	KUNIT_EXPECT_EQ(test, frmr_join(pin), 0);
	FRMR_EXPECT_POOL(test, 8, 100, 0);
}

static void frmr_two_failed_pins_restore_the_first_number(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *first, *second;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 3), 0);
	frmr_fail_creations(test, U32_MAX, -EIO);
	first = frmr_start_slow_create(test, frmr_pin_hundred);
	second = frmr_start(test, frmr_pin_two_hundred);
	/* Time for a core that does not wait to set it. */
	msleep(100);
	frmr_let_call_end(mock);
	KUNIT_EXPECT_EQ(test, frmr_join(first), -EIO);
	KUNIT_EXPECT_EQ(test, frmr_join(second), -EIO);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 3);
}

/* One that fails must not take back what the next one achieves. */
static void frmr_failed_pin_does_not_undo_an_equal_one(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *first, *second;

	frmr_fail_creations(test, 1, -EIO);
	first = frmr_start_slow_create(test, frmr_pin_hundred);
	second = frmr_start(test, frmr_pin_hundred);
	msleep(100);
	frmr_let_call_end(mock);
	KUNIT_EXPECT_EQ(test, frmr_join(first), -EIO);
	KUNIT_EXPECT_EQ(test, frmr_join(second), 0);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 100);
	FRMR_EXPECT_POOL(test, 8, 100, 0);
}

static void frmr_failed_first_pin_leaves_a_pool_that_ends(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	mock->bad_calls = U32_MAX;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 3), -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_pin_reclaims_other_pools_if_need_be(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 100, 20);
	mock->capacity = 20;
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 20), 0);
	FRMR_EXPECT_POOL(test, 8, 20, 0);
	FRMR_EXPECT_POOL(test, 100, 0, 0);
}

static void frmr_pin_without_memory_fails(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_limit_allocs(test, 0); /* no pool */
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 5), -ENOMEM);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
	frmr_limit_allocs(test, 1); /* a pool, but no array */
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 5), -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).pinned, 0);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 0);
}

static void frmr_taking_a_pin_back_needs_no_memory(struct kunit *test)
{
	frmr_limit_allocs(test, 1); /* a pool, but no array */
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 5), -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 0), 0);
}

/* Nor does it wait for a device that is busy. */
static void frmr_lowering_a_pin_waits_for_nobody(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *reclaim;

	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 2), 0);
	frmr_stock(test, 100, 5);
	reclaim = frmr_start_slow_destroy(test, frmr_reclaim_all);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1), 0);
	KUNIT_EXPECT_FALSE(test, frmr_ended(reclaim));
	frmr_let_call_end(mock);
	frmr_join(reclaim);
}

static void frmr_device_without_pools_can_not_be_set_up(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_set_aging_period(&mock->ibdev, 1),
			-EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, ib_frmr_pools_get(&mock->ibdev));
}

static struct kunit_case frmr_pin_cases[] = {
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
	KUNIT_CASE_PARAM(frmr_pin_passes_final_error_on,
			 frmr_final_error_gen_params),
	KUNIT_CASE(frmr_failed_pin_keeps_what_was_created),
	KUNIT_CASE(frmr_pin_makes_do_with_smaller_batches),
	KUNIT_CASE(frmr_pin_holds_against_a_reclaim_that_is_under_way),
	KUNIT_CASE(frmr_failed_first_pin_leaves_a_pool_that_ends),
	KUNIT_CASE(frmr_pin_reclaims_other_pools_if_need_be),
	KUNIT_CASE(frmr_pin_without_memory_fails),
	KUNIT_CASE(frmr_taking_a_pin_back_needs_no_memory),
	KUNIT_CASE(frmr_lowering_a_pin_waits_for_nobody),
	KUNIT_CASE(frmr_two_failed_pins_restore_the_first_number),
	KUNIT_CASE(frmr_failed_pin_does_not_undo_an_equal_one),
	KUNIT_CASE(frmr_device_without_pools_can_not_be_set_up),
	{}
};

FRMR_TEST_SUITE("frmr_pin", frmr_pin_cases);
