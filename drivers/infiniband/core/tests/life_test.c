// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: how they begin and end, misuse, and what they tell
 */
#include "frmr_test.h"

static void frmr_second_init_is_refused(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_pools *pools = mock->ibdev.frmr_pools;

	frmr_stock(test, 8, 2);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&mock->ibdev, &frmr_mock_ops),
			-EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, mock->ibdev.frmr_pools, pools);
	FRMR_EXPECT_POOL(test, 8, 2, 0);
}

static void frmr_init_without_an_operation_is_refused(struct kunit *test)
{
	const struct ib_frmr_pool_ops no_create = {
		.destroy_frmrs = frmr_mock_ops.destroy_frmrs,
	};
	const struct ib_frmr_pool_ops no_destroy = {
		.create_frmrs = frmr_mock_ops.create_frmrs,
	};
	struct frmr_mock *mock = test->priv;

	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&mock->ibdev, &no_create),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_init(&mock->ibdev, &no_destroy),
			-EINVAL);
	KUNIT_EXPECT_NULL(test, mock->ibdev.frmr_pools);
}

/* The console's reader takes one warning for each such line. */
static void frmr_announce_warning(bool *announced)
{
	if (!*announced)
		pr_warn("frmr_test: expect 1 warning\n");
	*announced = true;
}

/* One warning for all handles that can't come back. */
static bool frmr_return_announced;

static void frmr_misused_pop_warns_and_fails(struct kunit *test)
{
	static bool announced;
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, &mrs[0], 1, 8);
	frmr_announce_warning(&announced);
	/* Into an MR that has an object already. */
	KUNIT_EXPECT_EQ(test, ib_frmr_pool_pop(&mock->ibdev, &mrs[0]),
			-EINVAL);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	frmr_push(test, &mrs[0], 1);

	/* From a device without pools. */
	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, frmr_try_pop(test, &mrs[1], 8), -EINVAL);
}

/* So can a driver tell what else belongs to the MR. */
static void frmr_mr_stays_one_from_a_pool(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 2, 8);
	frmr_push(test, &mrs[0], 1);
	frmr_mock_drop(test->priv, &mrs[1]);
	KUNIT_EXPECT_NOT_NULL(test, mrs[0].frmr.pool);
	KUNIT_EXPECT_NOT_NULL(test, mrs[1].frmr.pool);
}

static void frmr_mr_may_pop_again(struct kunit *test)
{
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 2, 8);
	frmr_push(test, &mrs[0], 1);
	frmr_mock_drop(test->priv, &mrs[1]);
	frmr_pop(test, mrs, 2, 8);
	FRMR_EXPECT_POOL(test, 8, 0, 2);
	frmr_push(test, mrs, 2);
	FRMR_EXPECT_POOL(test, 8, 2, 0);
}

static void frmr_misused_push_warns_and_does_nothing(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 2, 8);
	frmr_push(test, &mrs[0], 1);
	frmr_announce_warning(&frmr_return_announced);
	/* A second time. */
	ib_frmr_pool_push(&mock->ibdev, &mrs[0]);
	FRMR_EXPECT_POOL(test, 8, 1, 1);
	/* Without pop. */
	ib_frmr_pool_push(&mock->ibdev, frmr_mrs(test, 1));
	FRMR_EXPECT_POOL(test, 8, 1, 1);
	frmr_push(test, &mrs[1], 1);
}

static void frmr_misused_drop_warns_and_does_nothing(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 2);

	frmr_pop(test, mrs, 2, 8);
	frmr_mock_drop(mock, &mrs[0]);
	frmr_push(test, &mrs[1], 1);
	frmr_announce_warning(&frmr_return_announced);
	/* A second time, after push, and without pop. */
	ib_frmr_pool_drop(&mrs[0]);
	ib_frmr_pool_drop(&mrs[1]);
	ib_frmr_pool_drop(frmr_mrs(test, 1));
	FRMR_EXPECT_POOL(test, 8, 1, 0);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DROPPED, 1);
}

/* The pool is leaked with its handles. */
static void frmr_handles_that_cleanup_missed_come_back_in_vain(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 5);

	pr_warn("frmr_test: expect a leak\n");
	frmr_pop(test, mrs, 4, 8);
	frmr_push(test, &mrs[2], 2);
	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 2);
	KUNIT_EXPECT_NULL(test, mock->ibdev.frmr_pools);

	frmr_announce_warning(&frmr_return_announced);
	ib_frmr_pool_push(&mock->ibdev, &mrs[0]);
	ib_frmr_pool_drop(&mrs[1]);
	frmr_mock_lose(mock, &mrs[0]);
	frmr_mock_lose(mock, &mrs[1]);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 2);

	/* New pools know nothing of that. */
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&mock->ibdev, &frmr_mock_ops),
			0);
	ib_frmr_pool_push(&mock->ibdev, &mrs[0]);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
	frmr_pop(test, &mrs[4], 1, 8);
	FRMR_EXPECT_POOL(test, 8, 0, 1);
	frmr_push(test, &mrs[4], 1);
}

static void frmr_dropped_handles_are_accounted(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 6);
	int i;

	frmr_pop(test, mrs, 6, 8);
	for (i = 0; i < 4; i++)
		frmr_mock_drop(mock, &mrs[i]);
	FRMR_EXPECT_POOL(test, 8, 0, 2);
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DROPPED, 4);
	/* The driver destroyed them, not the core. */
	FRMR_EXPECT_STAT(test, 8, IB_FRMR_DESTROYED, 0);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 0);
	frmr_push(test, &mrs[4], 2);
}

static void frmr_cleanup_destroys_idle_handles_of_all_pools(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 100);
	frmr_stock(test, 80, 3);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, 800, 200), 0);
	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 303);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
	KUNIT_EXPECT_NULL(test, mock->ibdev.frmr_pools);
}

static void frmr_second_cleanup_does_nothing(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 1);
	ib_frmr_pools_cleanup(&mock->ibdev);
	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, mock->destroyed, 1);
}

static void frmr_pools_can_be_had_again_after_cleanup(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 1);
	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_ASSERT_EQ(test, ib_frmr_pools_init(&mock->ibdev, &frmr_mock_ops),
			0);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
	frmr_stock(test, 8, 1);
}

static void frmr_cleanup_stops_the_aging(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	frmr_stock(test, 8, 3);
	mock->destroy_hook = frmr_dawdle;
	ib_frmr_pools_set_aging_period(&mock->ibdev, 1);

	/* In the midst of the work. */
	frmr_await_call(mock);
	frmr_let_call_end(mock);
	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

static void frmr_walk_without_pools_is_empty(struct kunit *test)
{
	static const struct ib_frmr_key start;
	struct ib_frmr_pool_info info;
	struct ib_frmr_key key = frmr_key(8);

	KUNIT_EXPECT_FALSE(test, frmr_next(test, &start, &info));
	KUNIT_EXPECT_FALSE(test, frmr_next(test, &key, &info));
}

/* Even sizes are in use and stay, odd ones are about to end. */
static void frmr_make_mortal_pools(struct kunit *test, struct ib_mr *mrs,
				   u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		frmr_empty_pool(test, 1000 + 2 * i + 1);
		frmr_pop_key(test, &mrs[i],
			     &(struct ib_frmr_key) {
				.num_dma_blocks = 1000 + 2 * i,
				.ats = 1,
			     });
	}
	frmr_tick(test);
}

static void frmr_walk_survives_pools_that_end(struct kunit *test)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;
	struct ib_mr *mrs = frmr_mrs(test, 20);
	struct ib_frmr_key last = {};
	struct ib_frmr_pool_info info;
	u32 seen = 0, in_use = 0;

	frmr_make_mortal_pools(test, mrs, 20);
	while (frmr_next(test, after, &info)) {
		KUNIT_EXPECT_GT(test, frmr_mock_key_cmp(&info.key, &last), 0);
		in_use += info.in_use;
		last = info.key;
		after = &last;
		/* Takes away the pool that was just seen, among others. */
		if (++seen == 30)
			frmr_tick(test);
	}
	KUNIT_EXPECT_EQ(test, in_use, 20);
	KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 20);
	frmr_push(test, mrs, 20);
}

static void frmr_get_totals(struct kunit *test, u64 *totals)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&mock->ibdev);

	KUNIT_ASSERT_NOT_NULL(test, pools);
	ib_frmr_pools_totals(pools, totals);
	ib_frmr_pools_put(pools);
}

/* What happens to a device in which each counter moves */
static void frmr_live_through_all(struct kunit *test, u64 *want)
{
	struct frmr_mock *mock = test->priv;
	struct ib_mr *mrs = frmr_mrs(test, 3);

	frmr_stock(test, 100, 10);
	frmr_empty_pool(test, 300);
	frmr_pop(test, mrs, 3, 8);
	frmr_mock_drop(mock, &mrs[2]);
	frmr_push(test, mrs, 2);
	frmr_pop(test, mrs, 1, 8);
	frmr_push(test, mrs, 1);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 4), 4);
	want[IB_FRMR_CREATED] += 13;
	want[IB_FRMR_MISSES] += 4;
	want[IB_FRMR_HITS] += 1;
	want[IB_FRMR_FAILURES] += 1;
	want[IB_FRMR_DROPPED] += 1;
	want[IB_FRMR_RECLAIMED] += 4;
	want[IB_FRMR_DESTROYED] += 4;
}

static void frmr_totals_add_all_pools_up(struct kunit *test)
{
	u64 want[IB_FRMR_NUM_STATS] = {}, totals[IB_FRMR_NUM_STATS];
	int i;

	frmr_live_through_all(test, want);
	frmr_get_totals(test, totals);
	for (i = 0; i < IB_FRMR_NUM_STATS; i++)
		KUNIT_EXPECT_EQ_MSG(test, totals[i], want[i], "counter %d", i);
}

/* Twice, with pools of the same keys. */
static void frmr_totals_outlive_pools(struct kunit *test)
{
	u64 want[IB_FRMR_NUM_STATS] = {}, totals[IB_FRMR_NUM_STATS];
	int i, round;

	for (round = 0; round < 2; round++) {
		frmr_live_through_all(test, want);
		for (i = 0; i < 4; i++)
			frmr_tick(test);
		KUNIT_EXPECT_EQ(test, frmr_pool_count(test), 0);
		want[IB_FRMR_AGED] += 8;
		want[IB_FRMR_DESTROYED] += 8;
	}
	frmr_get_totals(test, totals);
	for (i = 0; i < IB_FRMR_NUM_STATS; i++)
		KUNIT_EXPECT_EQ_MSG(test, totals[i], want[i], "counter %d", i);
}

/* What the trace points told about the device. */
struct frmr_trace {
	struct ib_device *ibdev;
	u32 hits;
	u32 misses;
	u32 pushed;
	u32 created;
	u32 failed;
	u32 destroyed;
	u32 aged;
	u32 reclaimed;
};

static void frmr_trace_pop(void *data, struct ib_device *ibdev,
			   const struct ib_frmr_key *key, u32 handle, bool hit)
{
	struct frmr_trace *trace = data;

	if (ibdev != trace->ibdev)
		return;
	if (hit)
		trace->hits++;
	else
		trace->misses++;
}

static void frmr_trace_push(void *data, struct ib_device *ibdev,
			    const struct ib_frmr_key *key, u32 handle)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->pushed++;
}

static void frmr_trace_create(void *data, struct ib_device *ibdev,
			      const struct ib_frmr_key *key, u32 count, int ret)
{
	struct frmr_trace *trace = data;

	if (ibdev != trace->ibdev)
		return;
	if (ret)
		trace->failed += count;
	else
		trace->created += count;
}

static void frmr_trace_destroy(void *data, struct ib_device *ibdev,
			       const struct ib_frmr_key *key, u32 count)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->destroyed += count;
}

static void frmr_trace_age(void *data, struct ib_device *ibdev,
			   const struct ib_frmr_key *key, u32 count)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->aged += count;
}

static void frmr_trace_reclaim(void *data, struct ib_device *ibdev,
			       const struct ib_frmr_key *key, u32 count)
{
	struct frmr_trace *trace = data;

	if (ibdev == trace->ibdev)
		trace->reclaimed += count;
}

static const struct {
	const char *name;
	void *probe;
} frmr_probes[] = {
	{ "frmr_pop", frmr_trace_pop },
	{ "frmr_push", frmr_trace_push },
	{ "frmr_create", frmr_trace_create },
	{ "frmr_destroy", frmr_trace_destroy },
	{ "frmr_age", frmr_trace_age },
	{ "frmr_reclaim", frmr_trace_reclaim },
};

static void frmr_trace_stop(void *data)
{
	struct tracepoint *tp;
	int i;

	for (i = 0; i < ARRAY_SIZE(frmr_probes); i++) {
		tp = frmr_tracepoint(frmr_probes[i].name);
		tracepoint_probe_unregister(tp, frmr_probes[i].probe, data);
	}
	tracepoint_synchronize_unregister();
}

static struct frmr_trace *frmr_trace_start(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;
	struct frmr_trace *trace;
	struct tracepoint *tp;
	int i, ret;

	trace = kunit_kzalloc(test, sizeof(*trace), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, trace);
	trace->ibdev = &mock->ibdev;
	if (!frmr_tracepoint("frmr_pop"))
		kunit_skip(test, "no trace points, or they are in a module");
	for (i = 0; i < ARRAY_SIZE(frmr_probes); i++) {
		tp = frmr_tracepoint(frmr_probes[i].name);
		KUNIT_ASSERT_NOT_NULL(test, tp);
		ret = tracepoint_probe_register(tp, frmr_probes[i].probe,
						trace);
		KUNIT_ASSERT_EQ(test, ret, 0);
	}
	ret = kunit_add_action_or_reset(test, frmr_trace_stop, trace);
	KUNIT_ASSERT_EQ(test, ret, 0);
	return trace;
}

static void frmr_trace_tells_hits_from_misses(struct kunit *test)
{
	struct frmr_trace *trace = frmr_trace_start(test);
	struct ib_mr *mrs = frmr_mrs(test, 3);

	frmr_pop(test, mrs, 1, 8);
	KUNIT_EXPECT_EQ_MSG(test, trace->misses, 1, "without a pool");
	frmr_pop(test, &mrs[1], 1, 8);
	KUNIT_EXPECT_EQ_MSG(test, trace->misses, 2, "in an empty pool");
	frmr_push(test, mrs, 2);
	frmr_pop(test, mrs, 2, 8);
	KUNIT_EXPECT_EQ(test, trace->misses, 2);
	KUNIT_EXPECT_EQ(test, trace->hits, 2);
	frmr_push(test, mrs, 2);
	KUNIT_EXPECT_EQ(test, trace->pushed, 4);
}

static void frmr_trace_follows_the_handles(struct kunit *test)
{
	struct frmr_trace *trace = frmr_trace_start(test);

	frmr_stock(test, 8, 10);
	KUNIT_EXPECT_EQ(test, trace->created, 10);
	KUNIT_EXPECT_EQ(test, frmr_reclaim(test, 4), 4);
	KUNIT_EXPECT_EQ(test, trace->reclaimed, 4);
	KUNIT_EXPECT_EQ(test, trace->destroyed, 4);
	frmr_tick(test);
	frmr_tick(test);
	KUNIT_EXPECT_EQ(test, trace->aged, 6);
	KUNIT_EXPECT_EQ(test, trace->destroyed, 10);

	frmr_fail_creations(test, U32_MAX, -EIO);
	KUNIT_EXPECT_EQ(test, frmr_pin(test, 8, 1), -EIO);
	KUNIT_EXPECT_EQ(test, trace->failed, 1);
}

static struct kunit_case frmr_life_cases[] = {
	KUNIT_CASE(frmr_second_init_is_refused),
	KUNIT_CASE(frmr_init_without_an_operation_is_refused),
	KUNIT_CASE(frmr_misused_pop_warns_and_fails),
	KUNIT_CASE(frmr_mr_stays_one_from_a_pool),
	KUNIT_CASE(frmr_mr_may_pop_again),
	KUNIT_CASE(frmr_misused_push_warns_and_does_nothing),
	KUNIT_CASE(frmr_misused_drop_warns_and_does_nothing),
	KUNIT_CASE(frmr_handles_that_cleanup_missed_come_back_in_vain),
	KUNIT_CASE(frmr_dropped_handles_are_accounted),
	KUNIT_CASE(frmr_totals_outlive_pools),
	KUNIT_CASE(frmr_totals_add_all_pools_up),
	KUNIT_CASE(frmr_cleanup_destroys_idle_handles_of_all_pools),
	KUNIT_CASE(frmr_second_cleanup_does_nothing),
	KUNIT_CASE(frmr_pools_can_be_had_again_after_cleanup),
	KUNIT_CASE_SLOW(frmr_cleanup_stops_the_aging),
	KUNIT_CASE(frmr_walk_without_pools_is_empty),
	KUNIT_CASE(frmr_walk_survives_pools_that_end),
	KUNIT_CASE(frmr_trace_tells_hits_from_misses),
	KUNIT_CASE(frmr_trace_follows_the_handles),
	{}
};

FRMR_TEST_SUITE("frmr_life", frmr_life_cases);
