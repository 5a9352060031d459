// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * KUnit tests of FRMR pools where CPUs have handles at hand: all of
 * frmr_pools_test.c with such pools, and what only they can do wrong.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/sched.h>

#include "../frmr_cpu.h"
#include "../frmr_store.h"
#include "frmr_fake.h"

static bool frmr_wants_cpus_at_once(struct frmr_store *store)
{
	return !READ_ONCE(store->cpus);
}

/* From here on, the first pop from a pool gives all CPUs their arrays. */
static void frmr_share_pools(struct kunit *test)
{
	kunit_activate_static_stub(test, frmr_store_wants_cpus,
				   frmr_wants_cpus_at_once);
}

static int frmr_percpu_init(struct kunit *test)
{
	frmr_share_pools(test);
	return frmr_fake_init(test);
}

#define FRMR_PERCPU
#include "frmr_pools_test.c"

/*
 * On which CPU
 */

static void frmr_move_to_cpu(struct kunit *test, unsigned int cpu)
{
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(cpu)),
			0);
}

static void frmr_bring_cpu_back(void *data)
{
	add_cpu((unsigned long)data);
}

static void frmr_take_cpu_away(struct kunit *test, unsigned int cpu)
{
	int ret;

	ret = kunit_add_action_or_reset(test, frmr_bring_cpu_back,
					(void *)(unsigned long)cpu);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, remove_cpu(cpu), 0);
}

/* As many as a CPU can have, all at hand of another one; that may be gone. */
static void frmr_stock_other_cpu(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_CPU_HANDLES);
	const bool *offline = test->param_value;
	unsigned int here = cpumask_first(cpu_online_mask);
	unsigned int other = cpumask_next(here, cpu_online_mask);

	if (other >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	if (*offline && !IS_ENABLED(CONFIG_HOTPLUG_CPU))
		kunit_skip(test, "needs CPUs that can be taken away");

	frmr_move_to_cpu(test, other);
	frmr_pop(test, mrs, FRMR_CPU_HANDLES, 8);
	frmr_push(test, mrs, FRMR_CPU_HANDLES);
	frmr_move_to_cpu(test, here);
	if (*offline)
		frmr_take_cpu_away(test, other);
	FRMR_EXPECT_POOL(test, 8, FRMR_CPU_HANDLES, 0);
}

static const bool frmr_offline[] = { false, true };

static void frmr_offline_desc(const bool *offline, char *desc)
{
	strscpy(desc, *offline ? "offline" : "online", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(frmr_offline, frmr_offline, frmr_offline_desc);

static void frmr_handles_of_other_cpus_are_popped(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_CPU_HANDLES + 1);
	struct frmr_fake *fake = test->priv;

	frmr_stock_other_cpu(test);
	frmr_pop(test, mrs, FRMR_CPU_HANDLES, 8);
	KUNIT_EXPECT_EQ(test, fake->created, FRMR_CPU_HANDLES);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_HITS, FRMR_CPU_HANDLES);

	frmr_pop(test, mrs + FRMR_CPU_HANDLES, 1, 8);
	KUNIT_EXPECT_EQ(test, fake->created, FRMR_CPU_HANDLES + 1);
	frmr_push(test, mrs, FRMR_CPU_HANDLES + 1);
}

static void frmr_handles_of_other_cpus_serve_smaller_keys(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_stock_other_cpu(test);
	frmr_pop(test, mr, 1, 5);
	KUNIT_EXPECT_EQ(test, fake->created, FRMR_CPU_HANDLES);
	frmr_push(test, mr, 1);
}

static void frmr_handles_of_other_cpus_age(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock_other_cpu(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, FRMR_CPU_HANDLES, 0);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
	KUNIT_EXPECT_FALSE(test, frmr_has_pool(test, 8));
}

static void frmr_handles_of_other_cpus_are_reclaimed(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock_other_cpu(test);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 3), 3);
	FRMR_EXPECT_POOL(test, 8, FRMR_CPU_HANDLES - 3, 0);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, U32_MAX),
			FRMR_CPU_HANDLES - 3);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

static void frmr_handles_of_other_cpus_are_cleaned_up(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock_other_cpu(test);
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

/* What is not destroyed has been idle all the same. */
static void frmr_reclaim_does_not_touch_what_it_leaves(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock_other_cpu(test);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 3), 3);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

static void frmr_aging_does_not_touch_what_it_leaves(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	frmr_stock_other_cpu(test);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, FRMR_CPU_HANDLES - 3), 0);
	frmr_tick(test);
	frmr_tick(test);
	FRMR_EXPECT_POOL(test, 8, FRMR_CPU_HANDLES - 3, 0);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 0), 0);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

/*
 * One form and the other
 */

/* More than CPUs can have, so that the stack has its part as well. */
#define FRMR_MANY (3 * FRMR_CPU_HANDLES)

/* All kinds of calls to new pools; returns what they have come to. */
static struct ib_frmr_pool_info frmr_do_everything(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_MANY);
	struct frmr_fake *fake = test->priv;
	struct ib_frmr_pool_info info;
	u32 n;

	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&fake->ibdev, &frmr_fake_ops),
			0);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 8, 10), 0);
	for (n = 3; n <= FRMR_MANY; n += 3) {
		frmr_pop(test, mrs, n, n % 2 ? 8 : 5);
		frmr_push(test, mrs, n - 1);
		frmr_fake_drop(fake, &mrs[n - 1]);
		if (n % 5 == 0)
			frmr_reclaim(test, 4);
	}
	frmr_pop(test, mrs, 7, 8);
	info = frmr_info(test, 8);
	frmr_push(test, mrs, 7);
	return info;
}

static void frmr_numbers_are_the_same_in_both_forms(struct kunit *test)
{
	const u32 max_at_hand = FRMR_CPU_HANDLES * num_possible_cpus();
	struct ib_frmr_pool_info with, without;

	with = frmr_do_everything(test);
	kunit_deactivate_static_stub(test, frmr_store_wants_cpus);
	without = frmr_do_everything(test);

	KUNIT_EXPECT_MEMEQ(test, with.stats, without.stats, sizeof(with.stats));
	KUNIT_EXPECT_EQ(test, with.idle, without.idle);
	KUNIT_EXPECT_EQ(test, with.in_use, without.in_use);
	KUNIT_EXPECT_EQ(test, without.max_in_use, FRMR_MANY);
	KUNIT_EXPECT_GE(test, with.max_in_use, FRMR_MANY);
	KUNIT_EXPECT_LE(test, with.max_in_use, FRMR_MANY + max_at_hand);
}

/* A CPU gets no more than half, lest others find none and take them back. */
static void frmr_handles_at_hand_leave_as_many_for_others(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_move_to_cpu(test, cpumask_first(cpu_online_mask));
	frmr_stock(test, 8, 10);
	frmr_pop(test, mrs, 2, 8);
	/* 8 of them are idle, and 4 of these at hand count as if in use. */
	FRMR_EXPECT_POOL(test, 8, 8, 2);
	KUNIT_EXPECT_EQ(test, frmr_info(test, 8).max_in_use, 2 + 8 / 2);
	frmr_push(test, mrs, 2);
}

static void frmr_pools_that_become_shared_lose_nothing(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_MANY);
	struct frmr_fake *fake = test->priv;

	kunit_deactivate_static_stub(test, frmr_store_wants_cpus);
	frmr_pop(test, mrs, FRMR_MANY, 8);
	frmr_push(test, mrs, FRMR_MANY / 2);

	frmr_share_pools(test);
	frmr_pop(test, mrs, 2, 8);
	FRMR_EXPECT_POOL(test, 8, FRMR_MANY / 2 - 2, FRMR_MANY / 2 + 2);
	frmr_push(test, mrs, 2);
	frmr_push(test, mrs + FRMR_MANY / 2, FRMR_MANY / 2);
	FRMR_EXPECT_POOL(test, 8, FRMR_MANY, 0);

	frmr_pop(test, mrs, FRMR_MANY, 8);
	KUNIT_EXPECT_EQ(test, fake->created, FRMR_MANY);
	frmr_push(test, mrs, FRMR_MANY);
}

static atomic_t frmr_cpus_allocs;

static struct frmr_cpu __percpu *frmr_failing_cpus_alloc(void)
{
	atomic_inc(&frmr_cpus_allocs);
	return NULL;
}

static void frmr_fail_cpus(struct kunit *test)
{
	atomic_set(&frmr_cpus_allocs, 0);
	kunit_activate_static_stub(test, frmr_cpus_alloc,
				   frmr_failing_cpus_alloc);
}

static void frmr_pools_without_memory_for_cpus_work(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_MANY);
	struct frmr_fake *fake = test->priv;

	frmr_fail_cpus(test);
	frmr_pop(test, mrs, FRMR_MANY, 8);
	frmr_push(test, mrs, FRMR_MANY);
	FRMR_EXPECT_POOL(test, 8, FRMR_MANY, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&frmr_cpus_allocs), FRMR_MANY);

	/* With memory they get what they want. */
	kunit_deactivate_static_stub(test, frmr_cpus_alloc);
	frmr_pop(test, mrs, FRMR_MANY, 8);
	frmr_push(test, mrs, FRMR_MANY);
	KUNIT_EXPECT_EQ(test, fake->created, FRMR_MANY);
}

/*
 * When a pool comes to that
 */

static void frmr_share_one_pool(struct frmr_fake *fake)
{
	struct ib_mr mr = {};

	while (frmr_stress_goes_on()) {
		mr.frmr.key = frmr_key(8);
		if (frmr_fake_pop(fake, &mr))
			break;
		frmr_fake_push(fake, &mr);
	}
}

static void frmr_cpus_that_wait_get_handles(struct kunit *test)
{
	struct frmr_thread *threads[FRMR_STRESS_USERS];
	u32 i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	kunit_deactivate_static_stub(test, frmr_store_wants_cpus);
	frmr_fail_cpus(test);
	frmr_stock(test, 8, FRMR_MANY);

	WRITE_ONCE(frmr_stress_over, false);
	for (i = 0; i < FRMR_STRESS_USERS; i++)
		threads[i] = frmr_start(test, frmr_share_one_pool);
	for (i = 0; i < 1000 && !atomic_read(&frmr_cpus_allocs); i++)
		msleep(20);
	WRITE_ONCE(frmr_stress_over, true);
	for (i = 0; i < FRMR_STRESS_USERS; i++)
		frmr_join(threads[i]);
	KUNIT_EXPECT_GT(test, atomic_read(&frmr_cpus_allocs), 0);
}

static void frmr_one_thread_alone_gets_none(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, FRMR_MANY);
	u32 i;

	kunit_deactivate_static_stub(test, frmr_store_wants_cpus);
	frmr_fail_cpus(test);
	for (i = 0; i < 10; i++) {
		frmr_pop(test, mrs, FRMR_MANY, 8);
		frmr_push(test, mrs, FRMR_MANY);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&frmr_cpus_allocs), 0);
}

static struct kunit_case frmr_at_hand_cases[] = {
	KUNIT_CASE_PARAM(frmr_handles_of_other_cpus_are_popped,
			 frmr_offline_gen_params),
	KUNIT_CASE_PARAM(frmr_handles_of_other_cpus_serve_smaller_keys,
			 frmr_offline_gen_params),
	KUNIT_CASE_PARAM(frmr_handles_of_other_cpus_age,
			 frmr_offline_gen_params),
	KUNIT_CASE_PARAM(frmr_handles_of_other_cpus_are_reclaimed,
			 frmr_offline_gen_params),
	KUNIT_CASE_PARAM(frmr_handles_of_other_cpus_are_cleaned_up,
			 frmr_offline_gen_params),
	KUNIT_CASE_PARAM(frmr_reclaim_does_not_touch_what_it_leaves,
			 frmr_offline_gen_params),
	KUNIT_CASE_PARAM(frmr_aging_does_not_touch_what_it_leaves,
			 frmr_offline_gen_params),
	KUNIT_CASE(frmr_numbers_are_the_same_in_both_forms),
	KUNIT_CASE(frmr_handles_at_hand_leave_as_many_for_others),
	KUNIT_CASE(frmr_pools_that_become_shared_lose_nothing),
	KUNIT_CASE(frmr_pools_without_memory_for_cpus_work),
	KUNIT_CASE_SLOW(frmr_cpus_that_wait_get_handles),
	KUNIT_CASE(frmr_one_thread_alone_gets_none),
	{}
};

static struct kunit_suite frmr_at_hand_suite = {
	.name = "frmr_at_hand",
	.init = frmr_percpu_init,
	.exit = frmr_fake_exit,
	.test_cases = frmr_at_hand_cases,
};

kunit_test_suite(frmr_at_hand_suite);
