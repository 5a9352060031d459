// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: which pool a handle comes from, and where it goes
 */
#include "frmr_test.h"

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
				    frmr_mock_key_cmp(&info.key,
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
	struct frmr_mock *mock = test->priv;
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
	KUNIT_EXPECT_EQ(test, mock->live, FRMR_NUM_SIZES);
}

static void frmr_choice_does_not_depend_on_history(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	size_t sizes[FRMR_NUM_SIZES];
	u32 number, i;

	for (number = 0; number < 120; number++) {
		frmr_permute(number, sizes);
		for (i = 0; i < FRMR_NUM_SIZES; i++)
			frmr_stock(test, sizes[i], 1);
		KUNIT_ASSERT_EQ(test, frmr_pool_count(test), FRMR_NUM_SIZES);
		frmr_check_choices(test);

		ib_frmr_pools_cleanup(&mock->ibdev);
		KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&mock->ibdev,
							 &frmr_mock_ops), 0);
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
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);
	int i;

	for (i = 0; i < 2; i++) {
		frmr_pop_key(test, &mrs[0], &pair->keys[i]);
		frmr_push(test, &mrs[0], 1);
		frmr_pop_key(test, &mrs[1], &pair->keys[!i]);
		KUNIT_EXPECT_EQ(test, mock->created, 2 * i + 2);
		frmr_push(test, &mrs[1], 1);
		KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 2);

		frmr_reclaim(test, U32_MAX);
	}
}

static void
frmr_pop_takes_smallest_fitting_pool_with_idle_handle(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
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
	KUNIT_EXPECT_EQ(test, mock->created, 4);
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
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 41);
	u32 blocks;

	for (blocks = 20; blocks < 40; blocks++)
		frmr_stock(test, blocks, 2);
	frmr_pop(test, mrs, 40, 20);
	KUNIT_EXPECT_EQ(test, mock->created, 40);

	frmr_pop(test, &mrs[40], 1, 20);
	KUNIT_EXPECT_EQ(test, mock->created, 41);
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
	KUNIT_EXPECT_EQ(test, frmr_mock_key_cmp(&mr->frmr.key, &key), 0);

	frmr_push(test, mr, 1);
	KUNIT_EXPECT_EQ(test, frmr_mock_key_cmp(&mr->frmr.key, &key), 0);
}

static void frmr_driver_can_not_alter_a_pools_key(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);

	mock->scribbles = true;
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
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, mock->create_calls, 0);
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

FRMR_TEST_SUITE("frmr_lookup", frmr_lookup_cases);
