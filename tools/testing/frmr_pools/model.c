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
 * Nor does it know which CPU has how many handles at hand. So two numbers of a
 * pool where CPUs have some are only compared with what they may be: how many
 * age, unless nobody has touched the pool for a whole period; and max_in_use.
 */
#include <stdio.h>

#include "../../../drivers/infiniband/core/frmr_cpu.h"
#include "../../../drivers/infiniband/core/frmr_pools.h"
#include "control.h"
#include "device.h"
#include "model.h"

#define CLASSES DEVICE_CLASSES
#define BLOCKS (DEVICE_MAX_BLOCKS + 1)
#define MAX_MRS 2048
#define MAX_PINNED 300
#define CPUS 4

/* So often must CPUs wait for a pool's lock to get handles of their own. */
#define CONTENDED 64

/**
 * struct model_pool - what a pool is like
 * @exists: the pool is in the tree
 * @idle: as struct ib_frmr_pool_info has it
 * @in_use: likewise
 * @max_in_use: likewise
 * @pinned: likewise
 * @stats: likewise
 * @low: the least @idle has been since the last tick
 * @used: handles taken and created by the last tick
 * @touched: a handle was taken or returned since the last tick
 * @at_hand: CPUs have handles of their own
 * @waits: how often a CPU waited for the lock since the last tick, until then
 */
struct model_pool {
	bool exists;
	bool touched;
	bool at_hand;
	u32 waits;
	u32 idle;
	u32 in_use;
	u32 max_in_use;
	u32 pinned;
	u32 low;
	u64 used;
	u64 stats[IB_FRMR_NUM_STATS];
};

u32 (*model_choose)(u32 limit);

static struct model_pool pools[CLASSES * BLOCKS];
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

static u64 pool_used(const struct model_pool *pool)
{
	return pool->stats[IB_FRMR_HITS] + pool->stats[IB_FRMR_MISSES] +
	       pool->stats[IB_FRMR_CREATED];
}

/* Idle handles that may be destroyed. */
static u32 pool_spare(const struct model_pool *pool)
{
	u32 total = pool_total(pool);

	return min(pool->idle, total - min(total, pool->pinned));
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

/* Sometimes lets creations fail though the device has room. */
static void maybe_fail_creation(u32 odds)
{
	static const int errors[] = { -ENOMEM, -EAGAIN, -EIO, -EINVAL };

	if (model_choose(odds))
		return;
	atomic_set(&device.bad_calls, 1 + model_choose(2));
	device.error = errors[model_choose(ARRAY_SIZE(errors))];
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
	SHIM_ASSERT(info->max_in_use >= pool->max_in_use);
	SHIM_ASSERT(info->max_in_use <= pool->max_in_use +
		    pool->at_hand * CPUS * FRMR_CPU_HANDLES);
	SHIM_ASSERT(pool->pinned == info->pinned);
	SHIM_ASSERT(!memcmp(pool->stats, info->stats, sizeof(pool->stats)));
}

/* Takes over what memory or objects that ran out may have changed. */
static void adopt_pool(struct model_pool *pool,
		       const struct ib_frmr_pool_info *info)
{
	SHIM_ASSERT(pool->in_use == info->in_use);
	SHIM_ASSERT(info->idle >= pool->idle - pool_spare(pool));
	pool->exists = true;
	pool->idle = info->idle;
	pool->low = min(pool->low, pool->idle);
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

static void check_all(void)
{
	const struct model_pool *pool;
	u32 existing = 0, at_hand = 0;

	walked = 0;
	walk(check_pool);
	for (pool = pools; pool < POOLS_END; pool++) {
		existing += pool->exists;
		at_hand += pool->at_hand;
	}
	SHIM_ASSERT(walked == existing);
	/* Where no CPU had to wait there is no memory for handles at hand. */
	SHIM_ASSERT(shim_percpu_bytes() == at_hand * CPUS *
		    roundup_pow_of_two(sizeof(struct frmr_cpu)));
	check_timer();
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
	pool->low = min(pool->low, pool->idle);
	pool->stats[IB_FRMR_DESTROYED] += count;
	pool->stats[why] += count;
}

static void model_reclaim(u32 count)
{
	struct model_pool *pool;
	u32 n;

	for (pool = pools; pool < POOLS_END; pool++) {
		n = min(count, pool_spare(pool));
		model_shrink(pool, n, IB_FRMR_RECLAIMED);
		count -= n;
	}
}

static void model_lend(struct model_pool *pool)
{
	pool->in_use++;
	pool->max_in_use = max(pool->max_in_use, pool->in_use);
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

static bool contended;

/* CPUs that waited for each other get handles, if there is memory for them. */
static void model_spread(struct model_pool *pool)
{
	if (pool->at_hand || pool->waits < CONTENDED)
		return;
	pool->at_hand = !allocation_failed;
	pool->waits = 0;
	allocation_failed = false;
}

static void check_hit(struct model_pool *pool, const struct ib_mr *mr, int ret)
{
	SHIM_ASSERT(!ret && mr_pool(mr) == pool);
	pool->idle--;
	pool->low = min(pool->low, pool->idle);
	pool->stats[IB_FRMR_HITS]++;
	pool->touched = true;
	pool->waits += contended;
	model_lend(pool);
	model_spread(pool);
}

/*
 * A pop that had to create. If that failed @failed times, all that could be
 * destroyed was, for another try, if @error is one that room may cure.
 */
static void check_miss(struct model_pool *pool, const struct ib_mr *mr, int ret,
		       u32 failed, int error)
{
	u32 spare = all_spare();

	pool->exists = true;
	pool->stats[IB_FRMR_MISSES]++;
	pool->stats[IB_FRMR_FAILURES] += failed;
	if (failed && error != -EINVAL)
		model_reclaim(U32_MAX);
	if (failed > 1)
		SHIM_ASSERT(spare);
	if (ret) {
		SHIM_ASSERT(failed && ret == error);
		SHIM_ASSERT(error == -EINVAL || failed > 1 || !spare);
		return;
	}
	SHIM_ASSERT(mr_pool(mr) == pool);
	pool->stats[IB_FRMR_CREATED]++;
	model_lend(pool);
	model_spread(pool);
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
	bool no_memory;
	u32 failed;
	int ret, error;

	if (num_mrs == MAX_MRS)
		return;
	pool_key(exact, &mr.frmr.key);
	if (!pool) {
		maybe_fail_allocation(64);
		maybe_fail_creation(64);
	}
	failed = atomic_read(&device.failed);
	ret = ib_frmr_pool_pop(&device.ibdev, &mr);
	failed = atomic_read(&device.failed) - failed;
	error = device.error ?: -ENOMEM;
	end_creation_failure();

	no_memory = !pool && end_allocation_failure();
	if (no_memory && ret) {
		SHIM_ASSERT(ret == -ENOMEM);
		adopt_all();
		SHIM_ASSERT(!mr.frmr.pool);
		return;
	}
	allocation_failed |= no_memory;
	if (pool)
		check_hit(pool, &mr, ret);
	else
		check_miss(model_home(exact), &mr, ret, failed, error);
	if (no_memory)
		allocation_failed = false;
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
	SHIM_ASSERT(!mr.frmr.pool);
	pool->in_use--;
	pool->idle++;
	pool->touched = true;
	pool->waits += contended;
}

static void step_push(void)
{
	if (num_mrs)
		push(take_mr());
}

static void step_move(void)
{
	shim_cpu = model_choose(CPUS);
	if (!cpu_online(shim_cpu))
		shim_cpu = 0;
}

static u32 locks;

/* Now and then the thread moves between a look at its CPU and the lock. */
static bool model_is_contended(void)
{
	if (++locks % 8 == 0)
		step_move();
	return contended;
}

/* Another CPU has the lock each time: often enough for handles at hand, or not. */
static void step_contend(void)
{
	u32 pairs = model_choose(2) ? CONTENDED / 2 + 1 :
				      model_choose(CONTENDED / 2);
	u32 before = num_mrs;
	struct model_pool *pool;

	/* A pool with an idle handle, the only one that is looked at then. */
	pop(choose_pool());
	if (num_mrs == before)
		return;
	pool = mr_pool(&mrs[num_mrs - 1]);
	push(mrs[--num_mrs]);

	allocation_failed = false;
	allocations_to_fail = !model_choose(4);
	contended = true;
	for (; pairs; pairs--) {
		pop(pool);
		push(mrs[--num_mrs]);
	}
	contended = false;
	end_allocation_failure();
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

static void step_hotplug(void)
{
	u32 cpu = 1 + model_choose(CPUS - 1);

	if (!cpu_online(cpu))
		shim_cpu_up(cpu);
	else if (cpu != shim_cpu)
		shim_cpu_down(cpu);
}

/* Pins that are not met are filled up as far as the device has room. */
static void model_tick_fill(struct model_pool *pool, u32 room)
{
	u32 missing = pool->pinned - min(pool->pinned, pool_total(pool));
	u32 count = min(missing, room);

	pool->idle += count;
	pool->stats[IB_FRMR_CREATED] += count;
}

/* Handles of each pool that aged in the last tick, or all that might have. */
static u32 aged[ARRAY_SIZE(pools)];

static void read_aged(struct model_pool *pool,
		      const struct ib_frmr_pool_info *info)
{
	aged[pool - pools] = info->stats[IB_FRMR_AGED] -
			     pool->stats[IB_FRMR_AGED];
}

/* What moved between CPUs may age one period later. */
static void model_age(struct model_pool *pool)
{
	u32 count = min(pool->low, pool_spare(pool));

	if (pool->at_hand && pool->touched)
		count = min(count, aged[pool - pools]);
	pool->low = pool->idle;
	pool->touched = false;
	pool->waits = 0;
	model_shrink(pool, count, IB_FRMR_AGED);
}

static void model_tick(u32 live)
{
	struct model_pool *pool;
	u32 total;
	u64 used;

	memset(aged, 0xff, sizeof(aged));
	walk(read_aged);
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
		used = pool_used(pool);
		if (pool_is_empty(pool) && used == pool->used)
			*pool = (struct model_pool) {};
		else
			pool->used = used;
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

static void step_pin(void)
{
	struct model_pool *pool = choose_pool();
	u32 old = pool->pinned, failed, missing;
	u32 count = model_choose(2) ? model_choose(MAX_PINNED) : 0;
	int ret;

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
	end_creation_failure();
	end_allocation_failure();

	pool->exists |= !ret && count;
	if (!ret)
		pool->pinned = count;
	if (failed || allocation_failed || shim_killed) {
		shim_killed = false;
		adopt_all();
		SHIM_ASSERT(pool->pinned == (ret ? old : count));
		SHIM_ASSERT(ret || pool_total(pool) >= count);
		return;
	}
	SHIM_ASSERT(!ret);
	missing = count - min(count, pool_total(pool));
	pool->idle += missing;
	pool->stats[IB_FRMR_CREATED] += missing;
}

static void step_reclaim(void)
{
	u32 count = model_choose(2) ? model_choose(200) : U32_MAX;
	u32 spare = all_spare();

	SHIM_ASSERT(ib_frmr_pools_reclaim(&device.ibdev, count) ==
		    min(count, spare));
	model_reclaim(count);
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

void model_start(void)
{
	memset(pools, 0, sizeof(pools));
	shim_set_cpus(CPUS);
	shim_cpu = 0;
	locks = 0;
	shim_quiet = true;
	device.capacity = 1 << 20;
	shim_should_fail = model_should_fail;
	shim_is_contended = model_is_contended;

	SHIM_ASSERT(!ib_frmr_pools_reclaim(&device.ibdev, 1));
	SHIM_ASSERT(pin(pool_at(0, 1), 1) == -EOPNOTSUPP);
	SHIM_ASSERT(!ib_frmr_pools_init(&device.ibdev, &device_ops));
	period = 60;
}

/* Takes the pools away; MRs that come late find their way. */
void model_end(void)
{
	struct model_pool *pool;
	u32 lending = 0;

	check_all();
	for (pool = pools; pool < POOLS_END; pool++)
		lending += !!pool->in_use;
	atomic_set(&shim_dev_warnings, 0);
	ib_frmr_pools_cleanup(&device.ibdev);
	SHIM_ASSERT(atomic_read(&shim_dev_warnings) == lending);
	SHIM_ASSERT(atomic_read(&device.live) == num_mrs);
	while (num_mrs) {
		if (model_choose(4))
			step_push();
		else
			step_drop();
	}
	SHIM_ASSERT(!atomic_read(&device.live));
	SHIM_ASSERT(!shim_live_allocations());
	ib_frmr_pools_cleanup(&device.ibdev);
}

static void step_cleanup(void)
{
	model_end();
	model_start();
}

void model_step(enum model_op op)
{
	static void (*const steps[MODEL_NUM_OPS])(void) = {
		[MODEL_POP] = step_pop,
		[MODEL_PUSH] = step_push,
		[MODEL_MOVE] = step_move,
		[MODEL_CONTEND] = step_contend,
		[MODEL_DROP] = step_drop,
		[MODEL_TIME] = step_time,
		[MODEL_PIN] = step_pin,
		[MODEL_RECLAIM] = step_reclaim,
		[MODEL_PERIOD] = step_period,
		[MODEL_CAPACITY] = step_capacity,
		[MODEL_HOTPLUG] = step_hotplug,
		[MODEL_MISUSE] = step_misuse,
		[MODEL_CLEANUP] = step_cleanup,
		[MODEL_CHECK] = check_all,
	};

	steps[op]();
}
