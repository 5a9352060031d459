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
#include "../../../drivers/infiniband/core/frmr_pools.h"
#include "control.h"
#include "device.h"
#include "model_rules.h"

#define CLASSES DEVICE_CLASSES
#define BLOCKS (DEVICE_MAX_BLOCKS + 1)

static struct model_pool pools[CLASSES * BLOCKS];
static u64 ended[IB_FRMR_NUM_STATS]; /* counters of pools that are gone */
u32 model_period;

#define POOLS_END (pools + ARRAY_SIZE(pools))

void model_reset(void)
{
	memset(pools, 0, sizeof(pools));
	memset(ended, 0, sizeof(ended));
}

struct model_pool *pool_at(u32 class, u32 blocks)
{
	return &pools[class * BLOCKS + blocks];
}

u32 pool_class(const struct model_pool *pool)
{
	return (pool - pools) / BLOCKS;
}

static u32 pool_blocks(const struct model_pool *pool)
{
	return (pool - pools) % BLOCKS;
}

void pool_key(const struct model_pool *pool, struct ib_frmr_key *key)
{
	device_key(pool_class(pool), pool_blocks(pool), key);
}

u32 pool_total(const struct model_pool *pool)
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

u32 all_spare(void)
{
	const struct model_pool *pool;
	u32 count = 0;

	for (pool = pools; pool < POOLS_END; pool++)
		count += pool_spare(pool);
	return count;
}

bool is_full(int error)
{
	return error == -ENOMEM || error == -ENOSPC || error == -EAGAIN ||
	       error == -EBUSY;
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
			SHIM_ASSERT(queued && ticks <= model_period * HZ);
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

void check_all(void)
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

void adopt_all(void)
{
	walk(adopt_pool);
}

/* How often creation failed while a pool was filled depends on the batches. */
static void adopt_failures(struct model_pool *pool,
			   const struct ib_frmr_pool_info *info)
{
	SHIM_ASSERT(info->stats[IB_FRMR_FAILURES] >=
		    pool->stats[IB_FRMR_FAILURES]);
	pool->stats[IB_FRMR_FAILURES] = info->stats[IB_FRMR_FAILURES];
}

void adopt_all_failures(void)
{
	walk(adopt_failures);
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

void run_read_ahead(void)
{
	u32 live = atomic_read(&device.live), i;

	SHIM_ASSERT(shim_advance(0) == queued);
	for (i = 0; i < queued; i++)
		model_create_ahead(queue[i], &live);
	queued = 0;
}

/*
 * What happens to a pool
 */

struct model_pool *first_fit(const struct model_pool *exact, bool idle)
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

u32 model_gave(void)
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
void model_room(u32 failed, int error, int ret)
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

struct model_pool *mr_pool(const struct ib_mr *mr)
{
	return pool_at(device_object_class(mr->frmr.handle),
		       device_object_blocks(mr->frmr.handle));
}

struct model_pool *model_home(struct model_pool *exact)
{
	return first_fit(exact, false) ?: exact;
}

void check_hit(struct model_pool *pool, const struct ib_mr *mr, int ret)
{
	SHIM_ASSERT(!ret && mr_pool(mr) == pool);
	pool->idle--;
	pool->low = min(pool->low, pool->idle);
	pool->stats[IB_FRMR_HITS]++;
	model_use_fresh(pool);
	model_lend(pool);
}

void check_miss(struct model_pool *pool, const struct ib_mr *mr, int ret,
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

void model_tick(u32 live)
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
