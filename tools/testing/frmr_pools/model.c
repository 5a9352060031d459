// SPDX-License-Identifier: GPL-2.0
/*
 * A model of the pools: for each pool a few numbers, and the rules of
 * Documentation/infiniband/frmr_pools.rst in plain code. Each step does the
 * same to the pools and to the model; both must agree, else the program ends.
 *
 * What happens when memory runs out depends on where the core allocates, which
 * the model does not know: then it checks that nothing is lost, and goes on
 * from the numbers that the pools show.
 *
 * Nor does it choose which idle handles make room for others. It checks how
 * many they are in all, and that the choice is fair: what nobody needed since
 * the last tick before all else, then from the largest stock.
 */
#include <stdio.h>

#include "../../../drivers/infiniband/core/frmr_pools.h"
#include "control.h"
#include "device.h"
#include "model.h"

#define CLASSES DEVICE_CLASSES
#define BLOCKS (DEVICE_MAX_BLOCKS + 1)
#define MAX_MRS 2048
#define MAX_PINNED 300
#define CPUS 4

/**
 * struct model_pool - what a pool is like
 * @exists: the pool is in the tree
 * @idle: as struct ib_frmr_pool_info has it
 * @in_use: likewise
 * @max_in_use: likewise
 * @pinned: likewise
 * @stats: likewise
 * @low: the least @idle has been since the last tick
 * @used: an MR asked for a handle since the last tick
 * @misses: how often there was none, since the last tick
 * @ahead: how many to create ahead
 * @fresh: of the idle, created ahead and not needed yet
 * @queued: some are about to be created ahead
 */
struct model_pool {
	bool exists;
	bool used;
	bool queued;
	u32 misses;
	u32 ahead;
	u32 fresh;
	u32 idle;
	u32 in_use;
	u32 max_in_use;
	u32 pinned;
	u32 low;
	u64 stats[IB_FRMR_NUM_STATS];
};

u32 (*model_choose)(u32 limit);

static struct model_pool pools[CLASSES * BLOCKS];
static u64 ended[IB_FRMR_NUM_STATS]; /* counters of pools that are gone */
static struct ib_mr mrs[MAX_MRS];
static u32 num_mrs;
static u32 period;

#define POOLS_END (pools + ARRAY_SIZE(pools))

static struct model_pool *pool_at(u32 class, u32 blocks)
{
	return &pools[class * BLOCKS + blocks];
}

static u32 pool_class(const struct model_pool *pool)
{
	return (pool - pools) / BLOCKS;
}

static u32 pool_blocks(const struct model_pool *pool)
{
	return (pool - pools) % BLOCKS;
}

static void pool_key(const struct model_pool *pool, struct ib_frmr_key *key)
{
	device_key(pool_class(pool), pool_blocks(pool), key);
}

static u32 pool_total(const struct model_pool *pool)
{
	return pool->idle + pool->in_use;
}

static bool pool_is_empty(const struct model_pool *pool)
{
	return !pool_total(pool) && !pool->pinned;
}

/* Idle handles that may be destroyed. */
static u32 pool_spare(const struct model_pool *pool)
{
	u32 total = pool_total(pool);

	return min(pool->idle, total - min(total, pool->pinned));
}

/* Of these, those that nobody needed since the last tick. */
static u32 pool_cold(const struct model_pool *pool)
{
	return min(pool_spare(pool), pool->low);
}

static u32 all_spare(void)
{
	const struct model_pool *pool;
	u32 count = 0;

	for (pool = pools; pool < POOLS_END; pool++)
		count += pool_spare(pool);
	return count;
}

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

/* Whether an error says that the device is full. */
static bool is_full(int error)
{
	return error == -ENOMEM || error == -ENOSPC || error == -EAGAIN ||
	       error == -EBUSY;
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

/*
 * Comparing
 */

static void check_accounts(const struct ib_frmr_pool_info *info)
{
	SHIM_ASSERT(info->stats[IB_FRMR_CREATED] ==
		    info->stats[IB_FRMR_DESTROYED] +
		    info->stats[IB_FRMR_DROPPED] + info->idle + info->in_use);
	SHIM_ASSERT(info->in_use <= info->max_in_use);
}

static u32 walked;

static void check_pool(struct model_pool *pool,
		       const struct ib_frmr_pool_info *info)
{
	walked++;
	SHIM_ASSERT(pool->exists);
	SHIM_ASSERT(pool->idle == info->idle);
	SHIM_ASSERT(pool->in_use == info->in_use);
	SHIM_ASSERT(pool->max_in_use == info->max_in_use);
	SHIM_ASSERT(pool->pinned == info->pinned);
	SHIM_ASSERT(!memcmp(pool->stats, info->stats, sizeof(pool->stats)));
}

/* Takes over what memory or objects that ran out may have changed. */
static void adopt_pool(struct model_pool *pool,
		       const struct ib_frmr_pool_info *info)
{
	SHIM_ASSERT(pool->in_use == info->in_use);
	SHIM_ASSERT(pool->idle <= info->idle);
	pool->exists = true;
	pool->idle = info->idle;
	memcpy(pool->stats, info->stats, sizeof(pool->stats));
}

/* Calls @fn for each pool; the order of the walk is that of the model. */
static void walk(void (*fn)(struct model_pool *pool,
			    const struct ib_frmr_pool_info *info))
{
	struct ib_frmr_pools *all = ib_frmr_pools_get(&device.ibdev);
	struct model_pool *pool, *last = NULL;
	struct ib_frmr_pool_info info = {};
	u32 handles = 0;

	while (ib_frmr_pools_next_info(all, &info.key, &info)) {
		pool = pool_at(device_key_class(&info.key),
			       info.key.num_dma_blocks);
		SHIM_ASSERT(!last || pool > last);
		check_accounts(&info);
		fn(pool, &info);
		handles += info.idle + info.in_use;
		last = pool;
	}
	ib_frmr_pools_put(all);
	SHIM_ASSERT(handles == atomic_read(&device.live));
}

static bool pool_ages(const struct model_pool *pool)
{
	return pool->exists &&
	       (!pool_total(pool) || pool_total(pool) < pool->pinned ||
		pool_spare(pool));
}

/* The aging work is queued, and in time, if it has something to do. */
static void check_timer(void)
{
	const struct model_pool *pool;
	unsigned long ticks;
	bool queued = shim_next_work(&ticks);

	for (pool = pools; pool < POOLS_END; pool++)
		if (pool_ages(pool))
			SHIM_ASSERT(queued && ticks <= period * HZ);
}

/* The counters of the device, of pools that there are and that there were. */
static void check_totals(void)
{
	struct ib_frmr_pools *all = ib_frmr_pools_get(&device.ibdev);
	u64 totals[IB_FRMR_NUM_STATS], sum[IB_FRMR_NUM_STATS];
	const struct model_pool *pool;
	u32 i;

	ib_frmr_pools_totals(all, totals);
	ib_frmr_pools_put(all);
	memcpy(sum, ended, sizeof(sum));
	for (pool = pools; pool < POOLS_END; pool++)
		for (i = 0; i < IB_FRMR_NUM_STATS; i++)
			sum[i] += pool->stats[i];
	SHIM_ASSERT(!memcmp(sum, totals, sizeof(sum)));
}

static void check_all(void)
{
	const struct model_pool *pool;
	u32 existing = 0;

	walked = 0;
	walk(check_pool);
	for (pool = pools; pool < POOLS_END; pool++)
		existing += pool->exists;
	SHIM_ASSERT(walked == existing);
	check_totals();
	check_timer();
}

/*
 * Prefill: pools in the order in which they asked for it
 */

static struct model_pool *queue[CLASSES * BLOCKS];
static u32 queued;

static void model_read_ahead(struct model_pool *pool)
{
	if (pool->queued || !pool->ahead)
		return;
	pool->queued = true;
	queue[queued++] = pool;
}

static void model_miss(struct model_pool *pool)
{
	u32 twice = max(2 * pool->ahead, 2);

	pool->misses++;
	if (pool->misses < 2 && !pool->ahead)
		return;
	/* It is not known yet that the device takes its time. */
	if (!pool->stats[IB_FRMR_CREATED])
		return;
	pool->ahead = min3(twice, pool->in_use, 128);
	model_read_ahead(pool);
}

static void model_use_fresh(struct model_pool *pool)
{
	if (pool->idle >= pool->fresh)
		return;
	pool->fresh--;
	pool->stats[IB_FRMR_AHEAD_USED]++;
	if (pool->fresh < pool->ahead / 2)
		model_read_ahead(pool);
}

static void model_create_ahead(struct model_pool *pool, u32 *live)
{
	u32 count = min(pool->ahead, pool->in_use);

	pool->queued = false;
	while (pool->idle < count) {
		u32 n = min(count - pool->idle, 16);

		if (*live + n > device.capacity) {
			pool->stats[IB_FRMR_FAILURES]++;
			pool->ahead = 0;
			pool->misses = 0;
			return;
		}
		*live += n;
		pool->idle += n;
		pool->fresh += n;
		pool->stats[IB_FRMR_CREATED] += n;
		pool->stats[IB_FRMR_AHEAD] += n;
	}
}

/* The work that is queued gets its turn. */
static void run_read_ahead(void)
{
	u32 live = atomic_read(&device.live), i;

	SHIM_ASSERT(shim_advance(0) == queued);
	for (i = 0; i < queued; i++)
		model_create_ahead(queue[i], &live);
	queued = 0;
}

/*
 * The rules
 */

/* The pools that fit, from the smallest on: the first one that is as asked. */
static struct model_pool *first_fit(const struct model_pool *exact, bool idle)
{
	u32 blocks = pool_blocks(exact), n;
	struct model_pool *pool;

	for (n = blocks; n < 2 * blocks && n < BLOCKS; n++) {
		pool = pool_at(pool_class(exact), n);
		if (idle ? pool->idle : pool->exists)
			return pool;
	}
	return NULL;
}

static void model_shrink(struct model_pool *pool, u32 count,
			 enum ib_frmr_stat why)
{
	pool->idle -= count;
	pool->low -= min(pool->low, count);
	pool->fresh = min(pool->fresh, pool->idle);
	pool->stats[IB_FRMR_DESTROYED] += count;
	pool->stats[why] += count;
}

/* Handles of each pool that gave way since the model knew last. */
static u32 reclaimed[ARRAY_SIZE(pools)];

static void read_reclaimed(struct model_pool *pool,
			   const struct ib_frmr_pool_info *info)
{
	reclaimed[pool - pools] = info->stats[IB_FRMR_RECLAIMED] -
				  pool->stats[IB_FRMR_RECLAIMED];
	SHIM_ASSERT(reclaimed[pool - pools] <= pool_spare(pool));
}

/*
 * Coldest first; then the largest stock gives half, and so on: one that gave
 * has still about half of what any other has, or more.
 */
static void check_fairness(u32 count)
{
	const struct model_pool *pool;
	u32 cold = 0, most = 0, n;

	for (pool = pools; pool < POOLS_END; pool++) {
		cold += pool_cold(pool);
		most = max(most, pool_spare(pool) - reclaimed[pool - pools]);
	}
	for (pool = pools; pool < POOLS_END; pool++) {
		n = reclaimed[pool - pools];
		if (count <= cold)
			SHIM_ASSERT(n <= pool_cold(pool));
		else
			SHIM_ASSERT(n >= pool_cold(pool));
		if (n > pool_cold(pool))
			SHIM_ASSERT(2 * (pool_spare(pool) - n + 1) >= most);
	}
}

/* Takes over what gave way, wherever it was; returns how many. */
static u32 model_gave(void)
{
	struct model_pool *pool;
	u32 count = 0;

	memset(reclaimed, 0, sizeof(reclaimed));
	walk(read_reclaimed);
	for (pool = pools; pool < POOLS_END; pool++)
		count += reclaimed[pool - pools];
	check_fairness(count);
	for (pool = pools; pool < POOLS_END; pool++)
		model_shrink(pool, reclaimed[pool - pools], IB_FRMR_RECLAIMED);
	return count;
}

/*
 * Room in steps: an attempt failed @failed times with @error, and if @ret is 0
 * succeeded then. After the first time nothing gives way, then 1, 2, 4 and so
 * on, until there is nothing left; and that only if there may be a use in it.
 */
static void model_room(u32 failed, int error, int ret)
{
	u64 spare = all_spare(), had = 0, gave = 0;
	u32 try;

	if (!failed)
		return;
	if (!is_full(error) || shim_killed) {
		SHIM_ASSERT(failed == 1 && ret == error);
		SHIM_ASSERT(!model_gave());
		return;
	}
	for (try = 2; try <= failed; try++) {
		had = gave;
		gave = min(spare, gave + (1ULL << (try - 2)));
	}
	if (ret)
		SHIM_ASSERT(ret == error && failed > 1 && gave == had);
	else
		SHIM_ASSERT(failed == 1 || gave > had);
	SHIM_ASSERT(model_gave() == gave);
}

static void model_lend(struct model_pool *pool)
{
	pool->in_use++;
	pool->max_in_use = max(pool->max_in_use, pool->in_use);
	pool->used = true;
}

static struct model_pool *mr_pool(const struct ib_mr *mr)
{
	return pool_at(device_object_class(mr->frmr.handle),
		       device_object_blocks(mr->frmr.handle));
}

/* Where the next handle for @exact would be created. */
static struct model_pool *model_home(struct model_pool *exact)
{
	return first_fit(exact, false) ?: exact;
}

static void check_hit(struct model_pool *pool, const struct ib_mr *mr, int ret)
{
	SHIM_ASSERT(!ret && mr_pool(mr) == pool);
	pool->idle--;
	pool->low = min(pool->low, pool->idle);
	pool->stats[IB_FRMR_HITS]++;
	model_use_fresh(pool);
	model_lend(pool);
}

/* A pop that had to create, and failed to do so @failed times. */
static void check_miss(struct model_pool *pool, const struct ib_mr *mr, int ret,
		       u32 failed, int error)
{
	pool->exists = true;
	pool->used = true;
	model_miss(pool);
	pool->stats[IB_FRMR_MISSES]++;
	pool->stats[IB_FRMR_FAILURES] += failed;
	if (failed && is_full(error) && shim_killed) {
		SHIM_ASSERT(ret == -EINTR);
		ret = error;
	}
	model_room(failed, error, ret);
	if (ret)
		return;
	SHIM_ASSERT(mr_pool(mr) == pool);
	pool->stats[IB_FRMR_CREATED]++;
	model_lend(pool);
}

static struct model_pool *choose_pool(void)
{
	/* Small pools, and a few of all others. */
	u32 limit = model_choose(8) ? 8 : DEVICE_MAX_BLOCKS;
	u32 class = model_choose(CLASSES);

	return pool_at(class, 1 + model_choose(limit));
}

static void adopt_all(void)
{
	walk(adopt_pool);
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

/* Pins that are not met are filled up as far as the device has room. */
static void model_tick_fill(struct model_pool *pool, u32 room)
{
	u32 missing = pool->pinned - min(pool->pinned, pool_total(pool));
	u32 count = min(missing, room);

	pool->idle += count;
	pool->stats[IB_FRMR_CREATED] += count;
}

static void model_age(struct model_pool *pool)
{
	u32 count = pool_cold(pool);

	if (pool->low || !pool->misses)
		pool->ahead /= 2;
	pool->misses = 0;
	pool->low = pool->idle;
	model_shrink(pool, count, IB_FRMR_AGED);
}

static void model_end_pool(struct model_pool *pool)
{
	u32 i;

	for (i = 0; i < IB_FRMR_NUM_STATS; i++)
		ended[i] += pool->stats[i];
	*pool = (struct model_pool) {};
}

static void model_tick(u32 live)
{
	struct model_pool *pool;
	u32 total;

	for (pool = pools; pool < POOLS_END; pool++) {
		if (!pool->exists)
			continue;
		total = pool_total(pool);
		model_age(pool);
		live -= total - pool_total(pool);
		total = pool_total(pool);
		model_tick_fill(pool, device.capacity -
				      min(device.capacity, live));
		live += pool_total(pool) - total;
		if (pool_is_empty(pool) && !pool->used)
			model_end_pool(pool);
		pool->used = false;
	}
}

/* How often creation failed while a pool was filled depends on the batches. */
static void adopt_failures(struct model_pool *pool,
			   const struct ib_frmr_pool_info *info)
{
	SHIM_ASSERT(info->stats[IB_FRMR_FAILURES] >=
		    pool->stats[IB_FRMR_FAILURES]);
	pool->stats[IB_FRMR_FAILURES] = info->stats[IB_FRMR_FAILURES];
}

static void step_time(void)
{
	unsigned long ticks = model_choose(period * HZ * 3 / 2);
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
		walk(adopt_failures);
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
	if (pool_class(pool) == CLASSES - 1) {
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
	period = 1 + model_choose(4);
	SHIM_ASSERT(!ib_frmr_pools_set_aging_period(&device.ibdev, period));
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

	memset(pools, 0, sizeof(pools));
	memset(ended, 0, sizeof(ended));
	shim_set_cpus(CPUS);
	shim_cpu = 0;
	shim_quiet = true;
	device.capacity = 1 << 20;
	shim_should_fail = model_should_fail;

	SHIM_ASSERT(!ib_frmr_pools_reclaim(&device.ibdev, 1));
	SHIM_ASSERT(!ib_frmr_pools_make_room(&device.ibdev, -ENOMEM, &room));
	SHIM_ASSERT(pin(pool_at(0, 1), 1) == -EOPNOTSUPP);
	SHIM_ASSERT(!ib_frmr_pools_init(&device.ibdev, &device_ops));
	period = 60;
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
