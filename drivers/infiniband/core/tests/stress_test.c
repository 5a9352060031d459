// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: everything at once
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "frmr_test.h"

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

static void frmr_stress_step(struct frmr_mock *mock, struct ib_mr *mr)
{
	int ret;

	if (!mr->frmr.pool) {
		mr->frmr.key = frmr_random_key();
		ret = frmr_mock_pop(mock, mr);
		if (ret && ret != -ENOMEM)
			KUNIT_FAIL(mock->test, "pop gave %d", ret);
		return;
	}
	if (get_random_u32_below(16))
		frmr_mock_push(mock, mr);
	else
		frmr_mock_drop(mock, mr);
	mr->frmr.pool = NULL; /* the next MR */
}

static int frmr_stress_user(struct frmr_mock *mock)
{
	struct ib_mr *mrs = kcalloc(FRMR_STRESS_MRS, sizeof(*mrs), GFP_KERNEL);
	u32 i;

	if (!mrs) {
		KUNIT_FAIL(mock->test, "no memory for MRs");
		return -ENOMEM;
	}
	while (frmr_stress_goes_on())
		frmr_stress_step(mock,
				 &mrs[get_random_u32_below(FRMR_STRESS_MRS)]);
	for (i = 0; i < FRMR_STRESS_MRS; i++) {
		if (mrs[i].frmr.pool)
			frmr_mock_push(mock, &mrs[i]);
	}
	kfree(mrs);
	return 0;
}

static int frmr_stress_ager(struct frmr_mock *mock)
{
	while (frmr_stress_goes_on()) {
		frmr_age_now(mock);
		usleep_range(500, 1000);
	}
	return 0;
}

static int frmr_stress_reclaimer(struct frmr_mock *mock)
{
	while (frmr_stress_goes_on()) {
		ib_frmr_pools_reclaim(&mock->ibdev, get_random_u32_below(50));
		usleep_range(500, 1000);
	}
	return 0;
}

/* May fail for many reasons; what counts is what is left in the end. */
static int frmr_stress_pinner(struct frmr_mock *mock)
{
	struct ib_frmr_key key;

	while (frmr_stress_goes_on()) {
		key = frmr_random_key();
		ib_frmr_pools_set_pinned(&mock->ibdev, &key,
					 get_random_u32_below(8));
		usleep_range(500, 1000);
	}
	return 0;
}

static int frmr_stress_walker(struct frmr_mock *mock)
{
	static const struct ib_frmr_key start;
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&mock->ibdev);
	const struct ib_frmr_key *after;
	struct ib_frmr_pool_info info;
	struct ib_frmr_key last;

	while (frmr_stress_goes_on()) {
		after = &start;
		while (ib_frmr_pools_next_info(pools, after, &info)) {
			if (frmr_mock_key_cmp(&info.key, after) <= 0)
				KUNIT_FAIL(mock->test, "walk went backwards");
			last = info.key;
			after = &last;
		}
		usleep_range(500, 1000);
	}
	ib_frmr_pools_put(pools);
	return 0;
}

static void frmr_stress_run(struct kunit *test)
{
	int (*others[])(struct frmr_mock *mock) = {
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
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_pool_info info;

	while (frmr_next(test, after, &info)) {
		KUNIT_EXPECT_EQ(test,
				ib_frmr_pools_set_pinned(&mock->ibdev,
							 &info.key, 0), 0);
		after = &info.key;
	}
}

static void frmr_accounts_hold_after_stress(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	int i;

	mock->capacity = 150;
	mock->bad_odds = 20;
	frmr_stress_run(test);
	frmr_mock_check_accounts(mock);

	mock->capacity = U32_MAX;
	mock->bad_odds = 0;
	frmr_expect_pins_kept(test);
	frmr_unpin_all(test);
	for (i = 0; i < 4; i++)
		frmr_tick(test);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
}

/*
 * Each thread has one MR at a time at most, and the device an object for each
 */

#define FRMR_CROWD 12

static atomic_t frmr_crowd_rounds, frmr_crowd_failures;

static int frmr_crowd_member(struct frmr_mock *mock)
{
	struct ib_mr mr = {};

	while (frmr_stress_goes_on()) {
		mr.frmr.key = frmr_key(1 << get_random_u32_below(10));
		atomic_inc(&frmr_crowd_rounds);
		if (frmr_mock_pop(mock, &mr)) {
			atomic_inc(&frmr_crowd_failures);
			continue;
		}
		if (!get_random_u32_below(4))
			usleep_range(50, 100);
		frmr_mock_push(mock, &mr);
	}
	return 0;
}

static void frmr_device_with_an_object_per_thread_serves_all(struct kunit *test)
{
	struct frmr_thread *threads[FRMR_CROWD];
	struct frmr_mock *mock = test->priv;
	u32 i;

	mock->capacity = FRMR_CROWD;
	atomic_set(&frmr_crowd_rounds, 0);
	atomic_set(&frmr_crowd_failures, 0);
	WRITE_ONCE(frmr_stress_over, false);
	for (i = 0; i < FRMR_CROWD; i++)
		threads[i] = frmr_start(test, frmr_crowd_member);
	msleep(5000);
	WRITE_ONCE(frmr_stress_over, true);
	for (i = 0; i < FRMR_CROWD; i++)
		frmr_join(threads[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&frmr_crowd_failures), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&frmr_crowd_rounds), 100);
	kunit_info(test, "%d pops, %u objects created",
		   atomic_read(&frmr_crowd_rounds), mock->created);
}

static int frmr_crowd_of_one_size(struct frmr_mock *mock)
{
	struct ib_mr mr = {};

	while (frmr_stress_goes_on()) {
		mr.frmr.key = frmr_key(8);
		if (frmr_mock_pop(mock, &mr))
			continue;
		frmr_mock_push(mock, &mr);
	}
	return 0;
}

static void frmr_max_in_use_is_never_above_the_threads(struct kunit *test)
{
	struct frmr_thread *threads[FRMR_CROWD];
	u32 i;

	WRITE_ONCE(frmr_stress_over, false);
	for (i = 0; i < FRMR_CROWD; i++)
		threads[i] = frmr_start(test, frmr_crowd_of_one_size);
	msleep(1000);
	WRITE_ONCE(frmr_stress_over, true);
	for (i = 0; i < FRMR_CROWD; i++)
		frmr_join(threads[i]);
	KUNIT_EXPECT_LE(test, frmr_info(test, 8).max_in_use, FRMR_CROWD);
	KUNIT_EXPECT_LE(test, frmr_info(test, 8).idle, FRMR_CROWD);
}

static void frmr_large_stock_survives_one_failure(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	mock->ibdev.attrs.max_mr = 20000;
	frmr_stock(test, 100, 20000);
	frmr_tick(test);
	frmr_fail_creations(test, 1, -ENOMEM);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, mr, 8), 0);
	KUNIT_EXPECT_LE(test, mock->destroyed, 2);
	frmr_push(test, mr, 1);
}

static struct kunit_case frmr_stress_cases[] = {
	KUNIT_CASE_SLOW(frmr_device_with_an_object_per_thread_serves_all),
	KUNIT_CASE_SLOW(frmr_max_in_use_is_never_above_the_threads),
	KUNIT_CASE_SLOW(frmr_large_stock_survives_one_failure),
	KUNIT_CASE_SLOW(frmr_accounts_hold_after_stress),
	{}
};

FRMR_TEST_SUITE("frmr_stress", frmr_stress_cases);
