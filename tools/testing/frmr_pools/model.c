// SPDX-License-Identifier: GPL-2.0
/*
 * Takes the pools and the model through the same steps.
 */
#include "../../../drivers/infiniband/core/frmr_pools.h"
#include "control.h"
#include "device.h"
#include "model.h"
#include "model_rules.h"

#define MAX_MRS 2048
#define MAX_PINNED 300
#define CPUS 4

u32 (*model_choose)(u32 limit);

static struct ib_mr mrs[MAX_MRS];
static u32 num_mrs;

/*
 * Memory that runs out
 */

static u32 allocations_to_fail;
static bool allocation_failed;

static bool model_should_fail(void)
{
	if (!allocations_to_fail || --allocations_to_fail)
		return false;
	allocation_failed = true;
	return true;
}

/* Sometimes lets an allocation fail that the next call makes. */
static void maybe_fail_allocation(u32 odds)
{
	allocation_failed = false;
	allocations_to_fail = model_choose(odds) ? 0 : 1 + model_choose(3);
}

static bool end_allocation_failure(void)
{
	allocations_to_fail = 0;
	return allocation_failed;
}

static int choose_error(void)
{
	static const int errors[] = {
		-ENOMEM, -ENOSPC, -EAGAIN, -EBUSY, -EIO, -EINVAL, -ETIMEDOUT
	};

	return errors[model_choose(ARRAY_SIZE(errors))];
}

/* Sometimes lets creations fail though the device has room. */
static void maybe_fail_creation(u32 odds)
{
	if (model_choose(odds))
		return;
	atomic_set(&device.bad_calls, 1 + model_choose(8));
	device.error = choose_error();
}

static void end_creation_failure(void)
{
	atomic_set(&device.bad_calls, 0);
	device.error = 0;
}

static struct model_pool *choose_pool(void)
{
	/* Small pools, and a few of all others. */
	u32 limit = model_choose(8) ? 8 : DEVICE_MAX_BLOCKS;
	u32 class = model_choose(DEVICE_CLASSES);

	return pool_at(class, 1 + model_choose(limit));
}

static void pop(struct model_pool *exact)
{
	struct model_pool *pool = first_fit(exact, true);
	struct ib_mr mr = {};
	u32 failed;
	int ret, error;

	if (num_mrs == MAX_MRS)
		return;
	pool_key(exact, &mr.frmr.key);
	if (!pool) {
		maybe_fail_allocation(64);
		maybe_fail_creation(64);
	}
	shim_killed = !model_choose(64);
	failed = atomic_read(&device.failed);
	ret = ib_frmr_pool_pop(&device.ibdev, &mr);
	failed = atomic_read(&device.failed) - failed;
	error = device.error ?: -ENOMEM;
	end_creation_failure();

	if (!pool && end_allocation_failure()) {
		SHIM_ASSERT(ret == -ENOMEM && !failed);
		adopt_all();
	} else if (pool) {
		check_hit(pool, &mr, ret);
	} else {
		check_miss(model_home(exact), &mr, ret, failed, error);
	}
	shim_killed = false;
	if (ret) {
		SHIM_ASSERT(!mr.frmr.pool);
		return;
	}
	device_claim(&mr);
	mrs[num_mrs++] = mr;
}

static void step_pop(void)
{
	pop(choose_pool());
}

static struct ib_mr take_mr(void)
{
	u32 i = model_choose(num_mrs);
	struct ib_mr mr = mrs[i];

	mrs[i] = mrs[--num_mrs];
	return mr;
}

static void push(struct ib_mr mr)
{
	struct model_pool *pool = mr_pool(&mr);

	device_release(&mr);
	ib_frmr_pool_push(&device.ibdev, &mr);
	SHIM_ASSERT(mr.frmr.pool); /* some pool, not which */
	pool->in_use--;
	pool->idle++;
}

static void step_push(void)
{
	if (num_mrs)
		push(take_mr());
}

/* To another CPU: nobody must notice. */
static void step_move(void)
{
	shim_cpu = model_choose(CPUS);
}

static void step_drop(void)
{
	struct model_pool *pool;
	struct ib_mr mr;

	if (!num_mrs)
		return;
	mr = take_mr();
	pool = mr_pool(&mr);
	ib_frmr_pool_drop(&mr);
	device_destroy(mr.frmr.handle);
	pool->in_use--;
	pool->stats[IB_FRMR_DROPPED]++;
}

static void step_time(void)
{
	unsigned long ticks = model_choose(model_period * HZ * 3 / 2);
	u32 live = atomic_read(&device.live);
	u32 failed = atomic_read(&device.failed);
	unsigned long due;
	bool queued = shim_next_work(&due);
	u32 ran = shim_advance(ticks);

	SHIM_ASSERT(ran == (queued && due <= ticks));
	if (!ran)
		return;
	model_tick(live);
	if (atomic_read(&device.failed) != failed)
		adopt_all_failures();
	check_all();
}

static int pin(struct model_pool *pool, u32 count)
{
	struct ib_frmr_key key;

	pool_key(pool, &key);
	return ib_frmr_pools_set_pinned(&device.ibdev, &key, count);
}

/*
 * A pin that met a failure and may have got over it: how it went depends on
 * the batches. The pool has its new number yet.
 */
static void pin_failed(struct model_pool *pool, u32 old, u32 failed, int error,
		       int ret)
{
	u32 gave = model_gave();

	if (shim_killed)
		SHIM_ASSERT(ret < 0 || (!pool->exists && !pool->pinned));
	shim_killed = false;
	if (!failed)
		SHIM_ASSERT(!gave);
	else if (!is_full(error))
		SHIM_ASSERT(!gave && ret == error);
	else if (ret && !allocation_failed)
		SHIM_ASSERT(ret == error && !all_spare());
	if (ret)
		pool->pinned = old;
	adopt_all();
	SHIM_ASSERT(ret || pool_total(pool) >= pool->pinned);
}

static void step_pin(void)
{
	struct model_pool *pool = choose_pool();
	u32 old = pool->pinned, failed, missing;
	u32 count = model_choose(2) ? model_choose(MAX_PINNED) : 0;
	int ret, error;

	/* Users have no name for the last class. */
	if (pool_class(pool) == DEVICE_CLASSES - 1) {
		SHIM_ASSERT(pin(pool, count) == -EINVAL);
		return;
	}
	maybe_fail_allocation(8);
	maybe_fail_creation(8);
	shim_killed = !model_choose(32);
	failed = atomic_read(&device.failed);
	ret = pin(pool, count);
	failed = atomic_read(&device.failed) - failed;
	error = device.error ?: -ENOMEM;
	end_creation_failure();
	end_allocation_failure();

	pool->pinned = count;
	if (failed || allocation_failed || shim_killed) {
		pin_failed(pool, old, failed, error, ret);
		return;
	}
	SHIM_ASSERT(!ret);
	pool->exists |= count;
	missing = count - min(count, pool_total(pool));
	pool->idle += missing;
	pool->stats[IB_FRMR_CREATED] += missing;
}

/* Gives back at once what a user or the driver asks for. */
static void step_reclaim(void)
{
	u32 count = model_choose(2) ? model_choose(200) : U32_MAX;
	u32 expected = min(count, all_spare());

	shim_killed = !model_choose(16);
	if (shim_killed)
		expected = 0;
	SHIM_ASSERT(ib_frmr_pools_reclaim(&device.ibdev, count) == expected);
	SHIM_ASSERT(model_gave() == expected);
	shim_killed = false;
}

/* Memory is short: what idles is given back, but not by the caller. */
static void step_pressure(void)
{
	u32 count = model_choose(200), spare = all_spare();
	struct shrink_control sc = { .nr_to_scan = count };
	struct shrinker *shrinker = shim_shrinker;
	unsigned long idle = spare ?: SHRINK_EMPTY;

	SHIM_ASSERT(shrinker->count_objects(shrinker, &sc) == idle);
	SHIM_ASSERT(shrinker->scan_objects(shrinker, &sc) == SHRINK_STOP);
	SHIM_ASSERT(!model_gave());
	SHIM_ASSERT(shim_advance(0) == 1);
	SHIM_ASSERT(model_gave() == min(count, spare));
}

/* Others create objects on the device, for which there may be no room. */
static void step_room(void)
{
	u32 failures = model_choose(2) ? model_choose(3) : model_choose(16);
	struct ib_frmr_room room = {};
	int error = choose_error(), ret;
	u32 failed = 0;

	shim_killed = !model_choose(16);
	do {
		ret = failed < failures ? error : 0;
		failed += !!ret;
	} while (ib_frmr_pools_make_room(&device.ibdev, ret, &room));
	model_room(failed, error, ret);
	shim_killed = false;
}

static void step_period(void)
{
	model_period = 1 + model_choose(4);
	SHIM_ASSERT(!ib_frmr_pools_set_aging_period(&device.ibdev,
						    model_period));
}

/* The device shrinks, but not below what it has, or has plenty again. */
static void step_capacity(void)
{
	device.capacity = model_choose(4) ?
		1 << 20 : atomic_read(&device.live) + model_choose(100);
}

static void step_misuse(void)
{
	struct model_pool *pool = choose_pool();
	struct ib_frmr_key key;
	struct ib_mr mr = {};

	SHIM_ASSERT(ib_frmr_pools_init(&device.ibdev, &device_ops) == -EEXIST);
	SHIM_ASSERT(ib_frmr_pools_set_aging_period(&device.ibdev, 0) ==
		    -EINVAL);
	SHIM_ASSERT(ib_frmr_pool_pop(&device.ibdev, &mr) == -EINVAL);

	pool_key(pool, &key);
	SHIM_ASSERT(ib_frmr_pools_set_pinned(&device.ibdev, &key,
					     device.ibdev.attrs.max_mr + 1) ==
		    -EINVAL);
	key.num_dma_blocks = DEVICE_MAX_BLOCKS + 1;
	SHIM_ASSERT(ib_frmr_pools_set_pinned(&device.ibdev, &key, 1) ==
		    -EINVAL);
	key.num_dma_blocks = 1;
	key.access_flags = 1 << 30;
	SHIM_ASSERT(ib_frmr_pools_set_pinned(&device.ibdev, &key, 1) ==
		    -EINVAL);

	atomic_set(&shim_expected_warnings, 2);
	ib_frmr_pool_push(&device.ibdev, &mr);
	ib_frmr_pool_drop(&mr);
	SHIM_ASSERT(!atomic_read(&shim_expected_warnings));
	if (!num_mrs)
		return;
	atomic_set(&shim_expected_warnings, 1);
	mr = mrs[model_choose(num_mrs)];
	SHIM_ASSERT(ib_frmr_pool_pop(&device.ibdev, &mr) == -EINVAL);
	SHIM_ASSERT(!atomic_read(&shim_expected_warnings));
}

/*
 * Start and end
 */

/* Pools that leaked: kept in view, or AddressSanitizer would complain. */
static void *leaked[4096];
static u32 num_leaked;

/* A pool and its stack of handles */
#define PER_LEAK 2

void model_start(void)
{
	struct ib_frmr_room room = {};

	model_reset();
	shim_set_cpus(CPUS);
	shim_cpu = 0;
	shim_quiet = true;
	device.capacity = 1 << 20;
	shim_should_fail = model_should_fail;

	SHIM_ASSERT(!ib_frmr_pools_reclaim(&device.ibdev, 1));
	SHIM_ASSERT(!ib_frmr_pools_make_room(&device.ibdev, -ENOMEM, &room));
	SHIM_ASSERT(pin(pool_at(0, 1), 1) == -EOPNOTSUPP);
	SHIM_ASSERT(!ib_frmr_pools_init(&device.ibdev, &device_ops));
	model_period = 60;
}

/* Before the pools go, all MRs but those that leak come back. */
static void end(u32 leaks)
{
	run_read_ahead();
	check_all();
	while (num_mrs) {
		if (model_choose(4))
			step_push();
		else
			step_drop();
	}
	check_all();

	atomic_set(&shim_dev_warnings, 0);
	ib_frmr_pools_cleanup(&device.ibdev);
	SHIM_ASSERT(atomic_read(&shim_dev_warnings) == leaks);
	SHIM_ASSERT(atomic_read(&device.live) == leaks);
	SHIM_ASSERT(shim_live_allocations() == num_leaked * PER_LEAK);
	ib_frmr_pools_cleanup(&device.ibdev);
}

void model_end(void)
{
	end(0);
}

static void step_cleanup(void)
{
	model_end();
	model_start();
}

/* A handle is lost, and with it its pool; should it come, it is not heard. */
static void step_leak(void)
{
	struct ib_mr mr;

	if (!num_mrs || num_leaked == ARRAY_SIZE(leaked))
		return;
	mr = take_mr();
	leaked[num_leaked++] = mr.frmr.pool;
	end(1);
	atomic_set(&shim_expected_warnings, 1);
	if (model_choose(2))
		ib_frmr_pool_push(&device.ibdev, &mr);
	else
		ib_frmr_pool_drop(&mr);
	SHIM_ASSERT(!atomic_read(&shim_expected_warnings));
	device_destroy(mr.frmr.handle);
	model_start();
}

void model_step(enum model_op op)
{
	static void (*const steps[MODEL_NUM_OPS])(void) = {
		[MODEL_POP] = step_pop,
		[MODEL_PUSH] = step_push,
		[MODEL_MOVE] = step_move,
		[MODEL_DROP] = step_drop,
		[MODEL_TIME] = step_time,
		[MODEL_PIN] = step_pin,
		[MODEL_RECLAIM] = step_reclaim,
		[MODEL_PRESSURE] = step_pressure,
		[MODEL_ROOM] = step_room,
		[MODEL_PERIOD] = step_period,
		[MODEL_CAPACITY] = step_capacity,
		[MODEL_MISUSE] = step_misuse,
		[MODEL_LEAK] = step_leak,
		[MODEL_CLEANUP] = step_cleanup,
		[MODEL_CHECK] = check_all,
	};

	/* Later, perhaps, but before time passes or the pools go. */
	if (op != MODEL_POP || model_choose(2))
		run_read_ahead();
	steps[op]();
	SHIM_ASSERT(!shim_noio && !shim_atomic_depth);
}
