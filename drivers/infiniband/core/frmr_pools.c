// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Copyright (c) 2025, NVIDIA CORPORATION & AFFILIATES. All rights reserved.
 *
 * FRMR pools: handles of idle hardware MRs, kept for the next registration.
 *
 * A device has a tree of pools, one per key. A pool lends its handles to MRs
 * and gets them back; what was idle for a whole aging period is destroyed.
 *
 * Locks, in the order in which they are taken:
 *
 *   ib_frmr_pool::pin		setting a pin, so that one that fails can
 *				restore the number that was there
 *   ib_frmr_pools::room	creating and destroying handles that no MR asks
 *				for: so a caller for which the device is full
 *				waits for those in flight
 *   ib_frmr_pools::lock	the tree
 *   ib_frmr_pool::lock		the handles and numbers of a pool
 *
 * Memory reclaim may wait for @room, so its holder allocates with NOIO. No
 * spinlock is held while the driver creates or destroys objects. The fast path
 * finds the pool under RCU: one that has left the tree has no handle to give.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>

#include "frmr_pools.h"

#define CREATE_TRACE_POINTS
#include <trace/events/frmr.h>

#define FRMR_DEFAULT_AGING_PERIOD_SECS 60

/* Handles per driver call: bounds the stack, and what others may wait for. */
#define FRMR_BATCH 64U

/* How often to try again only because handles move from MR to MR. */
#define FRMR_MAX_TRIES 64

/* Handles that a pool has room for at first: two cache lines */
#define FRMR_MIN_SIZE 32

/* CPUs that wait so often in a period for the lock of a pool get slots. */
#define FRMR_CONTENDED 64

/* A pool that has room for so many handles too many gives the memory back. */
#define FRMR_SLACK 1024

/* What takes no longer than this is not worth being created ahead. */
#define FRMR_SLOW_NS (10 * NSEC_PER_USEC)

/* A pool that misses so often in a period has handles created ahead, */
#define FRMR_MISSES 2U

/* so many at a time, so that the first are there soon, */
#define FRMR_AHEAD_BATCH 16U

/* and no more idle than these: the MRs of one queue of NVMe over RDMA. */
#define FRMR_MAX_AHEAD 128U

struct ib_frmr_pools {
	struct ib_device *device;
	const struct ib_frmr_pool_ops *ops;
	spinlock_t lock;		/* protects @tree and @totals */
	struct rb_root tree;		/* in the order of frmr_key_cmp() */
	u64 totals[IB_FRMR_NUM_STATS];	/* of the pools that have ended */
	struct mutex room;		/* a turn to make room */
	struct delayed_work aging;
	u32 aging_period;		/* in seconds */
	struct shrinker *shrinker;
	atomic_t wanted;		/* idle handles, by memory pressure */
	struct work_struct pressure;	/* gives them back */
	refcount_t users;		/* cleanup waits for these */
	struct completion unused;	/* when there is none left */
	struct rcu_head rcu;
};

/* One idle handle of a CPU, for any to take; to the pool it is in use. */
struct frmr_slot {
	u64 value;		/* the handle and FRMR_SLOT_FULL, or 0 */
	u64 hits;
	u64 counted;		/* of @hits, in the pool's counter */
};

#define FRMR_SLOT_FULL BIT_ULL(32)

/*
 * All handles with one key. Room is made when a handle is created, by the caller
 * that creates it, so that its way back needs no memory. A pool ends when
 * nothing counts.
 */
struct ib_frmr_pool {
	struct rb_node node;
	struct ib_frmr_pools *pools;
	struct ib_frmr_key key;
	struct mutex pin;	/* a turn to set @pinned */
	spinlock_t lock;	/* protects all that follows */
	u32 *handles;		/* a stack of those that are idle */
	u32 size;		/* room in @handles for all that exist */
	u32 refs;		/* handles, also while they are created or
				 * destroyed; callers without a lock
				 */
	u32 idle;
	u32 low;		/* the least @idle since the last aging tick */
	u32 in_use;
	u32 max_in_use;
	u32 pinned;		/* handles to keep, idle and in use together */
	u32 misses;		/* since the last tick */
	u32 ahead;		/* how many to keep idle, for it misses much */
	u32 fresh;		/* of the idle, created ahead and never needed */
	struct work_struct read_ahead;
	bool slow;		/* it takes long to create one */
	bool used;		/* an MR asked for one since the last tick */
	bool dead;		/* cleanup found handles in use */
	u32 contended;		/* how often CPUs waited since the last tick */
	struct frmr_slot __percpu *slots;	/* once CPUs contended */
	int giver;		/* the last CPU that found its slot full */
	u64 stats[IB_FRMR_NUM_STATS];
	struct rcu_head rcu;
};

/*
 * The pool of an MR whose handle went back: its driver may still ask whether it
 * had one, and may pop again, but can't return it twice.
 */
static struct ib_frmr_pool frmr_returned = { .dead = true };

/* Keys and the tree */

static int frmr_cmp(u64 a, u64 b)
{
	if (likely(a == b))
		return 0;
	return a < b ? -1 : 1;
}

/* Orders everything but the size. */
static int frmr_class_cmp(const struct ib_frmr_key *a,
			  const struct ib_frmr_key *b)
{
	return frmr_cmp(a->kernel_vendor_key, b->kernel_vendor_key) ?:
	       frmr_cmp(a->vendor_key, b->vendor_key) ?:
	       frmr_cmp(a->access_flags, b->access_flags) ?:
	       frmr_cmp(a->ats, b->ats);
}

/* A strict total order: the sizes of one class are neighbours in the tree. */
static int frmr_key_cmp(const struct ib_frmr_key *a,
			const struct ib_frmr_key *b)
{
	return frmr_class_cmp(a, b) ?:
	       frmr_cmp(a->num_dma_blocks, b->num_dma_blocks);
}

static struct ib_frmr_pool *frmr_node_pool(struct rb_node *node)
{
	return rb_entry_safe(node, struct ib_frmr_pool, node);
}

static int frmr_node_cmp(struct rb_node *a, const struct rb_node *b)
{
	return frmr_key_cmp(&rb_entry(a, struct ib_frmr_pool, node)->key,
			    &rb_entry(b, struct ib_frmr_pool, node)->key);
}

static struct ib_frmr_pool *frmr_next_pool(struct ib_frmr_pool *pool)
{
	return frmr_node_pool(rb_next(&pool->node));
}

static struct ib_frmr_pool *frmr_first_pool(struct ib_frmr_pools *pools)
{
	return frmr_node_pool(rb_first(&pools->tree));
}

/*
 * The first pool whose key is not less than @key, or NULL. Called with the lock,
 * or under RCU: then a pool may be overlooked while the tree is being changed.
 */
static struct ib_frmr_pool *frmr_lower_bound(struct ib_frmr_pools *pools,
					     const struct ib_frmr_key *key)
{
	struct rb_node *node = rcu_dereference_raw(pools->tree.rb_node);
	struct ib_frmr_pool *pool, *found = NULL;
	int cmp;

	while (node) {
		pool = frmr_node_pool(node);
		cmp = frmr_key_cmp(key, &pool->key);
		if (cmp <= 0)
			found = pool;
		if (!cmp)
			break;
		node = rcu_dereference_raw(*(cmp < 0 ? &node->rb_left :
						       &node->rb_right));
	}
	return found;
}

/*
 * The pool after the one with @key, which may have left the tree. A key of
 * zeros comes before all.
 */
static struct ib_frmr_pool *frmr_pool_after(struct ib_frmr_pools *pools,
					    const struct ib_frmr_key *key)
{
	struct ib_frmr_pool *pool = frmr_lower_bound(pools, key);

	if (pool && !frmr_key_cmp(&pool->key, key))
		pool = frmr_next_pool(pool);
	return pool;
}

/* Whether a handle of @pool may serve @key, which is not above @pool's. */
static bool frmr_pool_fits(const struct ib_frmr_pool *pool,
			   const struct ib_frmr_key *key)
{
	return pool && !frmr_class_cmp(&pool->key, key) &&
	       pool->key.num_dma_blocks - key->num_dma_blocks <
	       key->num_dma_blocks;
}

VISIBLE_IF_KUNIT void *frmr_alloc(size_t bytes)
{
	KUNIT_STATIC_STUB_REDIRECT(frmr_alloc, bytes);

	return kvzalloc(bytes, GFP_KERNEL);
}
EXPORT_SYMBOL_IF_KUNIT(frmr_alloc);

VISIBLE_IF_KUNIT bool frmr_queue(struct work_struct *work)
{
	KUNIT_STATIC_STUB_REDIRECT(frmr_queue, work);

	return queue_work(system_dfl_wq, work);
}
EXPORT_SYMBOL_IF_KUNIT(frmr_queue);

VISIBLE_IF_KUNIT u64 frmr_clock(void)
{
	KUNIT_STATIC_STUB_REDIRECT(frmr_clock);

	return ktime_get_ns();
}
EXPORT_SYMBOL_IF_KUNIT(frmr_clock);

static struct ib_frmr_pool *frmr_get(struct ib_frmr_pool *pool)
{
	spin_lock(&pool->lock);
	pool->refs++;
	spin_unlock(&pool->lock);
	return pool;
}

/* Nothing ends here: that is for the aging work, which the caller arms. */
static void frmr_put(struct ib_frmr_pool *pool)
{
	spin_lock(&pool->lock);
	pool->refs--;
	spin_unlock(&pool->lock);
}

/* The pool with exactly @key, with a reference for the caller, or NULL. */
static struct ib_frmr_pool *frmr_pool_find(struct ib_frmr_pools *pools,
					   const struct ib_frmr_key *key)
{
	struct ib_frmr_pool *pool;

	spin_lock(&pools->lock);
	pool = frmr_lower_bound(pools, key);
	if (pool)
		pool = frmr_key_cmp(&pool->key, key) ? NULL : frmr_get(pool);
	spin_unlock(&pools->lock);
	return pool;
}

static void frmr_read_ahead_work(struct work_struct *work);

/* As frmr_pool_find(), but makes the pool if need be; NULL if out of memory. */
static struct ib_frmr_pool *frmr_pool_make(struct ib_frmr_pools *pools,
					   const struct ib_frmr_key *key)
{
	struct ib_frmr_pool *pool = frmr_alloc(sizeof(*pool));
	struct rb_node *twin;

	if (!pool)
		return NULL;
	pool->pools = pools;
	pool->key = *key;
	mutex_init(&pool->pin);
	spin_lock_init(&pool->lock);
	INIT_WORK(&pool->read_ahead, frmr_read_ahead_work);
	pool->refs = 1;
	smp_wmb(); /* rotations publish the pool by plain stores, too */

	spin_lock(&pools->lock);
	twin = rb_find_add_rcu(&pool->node, &pools->tree, frmr_node_cmp);
	if (twin) {
		kvfree(pool);
		pool = frmr_get(frmr_node_pool(twin));
	}
	spin_unlock(&pools->lock);
	return pool;
}

static void frmr_pool_free(struct ib_frmr_pool *pool)
{
	if (pool->slots)
		synchronize_rcu(); /* a pop may look into one */
	free_percpu(pool->slots);
	kvfree(pool->handles);
	kvfree_rcu(pool, rcu);
}

/* Fits the array to @need handles, if there are no more by now. */
static int frmr_resize(struct ib_frmr_pool *pool, u32 need)
{
	u32 size = need + max(need / 4, FRMR_MIN_SIZE);
	u32 *handles = frmr_alloc(array_size(size, sizeof(*handles)));

	if (!handles)
		return -ENOMEM;
	spin_lock(&pool->lock);
	if (size >= pool->refs) {
		if (pool->idle)
			memcpy(handles, pool->handles,
			       pool->idle * sizeof(*handles));
		swap(pool->handles, handles);
		pool->size = size;
	}
	spin_unlock(&pool->lock);
	kvfree(handles);
	return 0;
}

/* Counts handles that are about to be created, with room for their return. */
static int frmr_reserve(struct ib_frmr_pool *pool, u32 count)
{
	u32 need;
	bool fits;

	do {
		spin_lock(&pool->lock);
		need = pool->refs + count;
		fits = need <= pool->size;
		if (fits)
			pool->refs = need;
		spin_unlock(&pool->lock);
		if (!fits && frmr_resize(pool, need))
			return -ENOMEM;
	} while (!fits);
	return 0;
}

/*
 * CPUs that share a pool: each keeps the handle that it returned last
 */

/* Counts contention, for which the next aging tick gives the pool slots. */
static void frmr_lock(struct ib_frmr_pool *pool) __acquires(&pool->lock)
{
	if (spin_trylock(&pool->lock))
		return;
	spin_lock(&pool->lock);
	pool->contended++;
}

static struct frmr_slot __percpu *frmr_slots(struct ib_frmr_pool *pool)
{
	/* Pairs with frmr_pool_adapt(): slots are zeroed before they are seen. */
	return smp_load_acquire(&pool->slots);
}

static u64 frmr_slot_empty(struct frmr_slot *slot)
{
	return READ_ONCE(slot->value) ? xchg(&slot->value, 0) : 0;
}

static bool frmr_slot_take(struct ib_frmr_pool *pool, struct ib_mr *mr)
{
	struct frmr_slot __percpu *slots = frmr_slots(pool);
	u64 value;

	if (!slots)
		return false;
	value = frmr_slot_empty(raw_cpu_ptr(slots)) ?:
		frmr_slot_empty(per_cpu_ptr(slots, READ_ONCE(pool->giver)));
	if (!value)
		return false;
	this_cpu_inc(slots->hits);
	mr->frmr.pool = pool;
	mr->frmr.handle = lower_32_bits(value);
	return true;
}

static bool frmr_slot_put(struct ib_frmr_pool *pool, u32 handle)
{
	struct frmr_slot __percpu *slots = frmr_slots(pool);
	struct frmr_slot *slot;

	if (!slots)
		return false;
	slot = raw_cpu_ptr(slots);
	if (!READ_ONCE(slot->value) &&
	    !cmpxchg(&slot->value, 0, FRMR_SLOT_FULL | handle))
		return true;
	if (READ_ONCE(pool->giver) != raw_smp_processor_id())
		WRITE_ONCE(pool->giver, raw_smp_processor_id());
	return false;
}

/* Takes back what CPUs have: then the numbers are exact if nobody moves. */
static void frmr_gather(struct ib_frmr_pool *pool)
{
	struct frmr_slot *slot;
	u64 value, hits;
	int cpu;

	lockdep_assert_held(&pool->lock);

	if (!pool->slots)
		return;
	for_each_possible_cpu(cpu) {
		slot = per_cpu_ptr(pool->slots, cpu);
		value = frmr_slot_empty(slot);
		if (value) {
			pool->handles[pool->idle++] = lower_32_bits(value);
			pool->in_use--;
		}
		hits = READ_ONCE(slot->hits);
		pool->stats[IB_FRMR_HITS] += hits - slot->counted;
		pool->used |= hits != slot->counted;
		slot->counted = hits;
	}
}

/* Idle handles that no pin keeps. */
static u32 frmr_spare(struct ib_frmr_pool *pool)
{
	u32 total = pool->idle + pool->in_use;

	frmr_gather(pool);
	return min(pool->idle, total - min(total, pool->pinned));
}

/* A handle, idle or new, goes to an MR. */
static void frmr_lend(struct ib_frmr_pool *pool, struct ib_mr *mr, u32 handle)
{
	lockdep_assert_held(&pool->lock);

	pool->in_use++;
	pool->max_in_use = max(pool->max_in_use, pool->in_use);
	pool->used = true;
	mr->frmr.pool = pool;
	mr->frmr.handle = handle;
}

/* The work item ends by itself, and ib_frmr_pools_cleanup() waits for it. */
static void frmr_queue_read_ahead(struct ib_frmr_pool *pool)
{
	lockdep_assert_held(&pool->lock);

	if (pool->ahead && frmr_queue(&pool->read_ahead)) {
		pool->refs++;
		refcount_inc(&pool->pools->users);
	}
}

/* One that was created ahead is needed: half of them, and more have to come. */
static void frmr_used_fresh(struct ib_frmr_pool *pool)
{
	pool->fresh--;
	pool->stats[IB_FRMR_AHEAD_USED]++;
	if (pool->fresh < pool->ahead / 2)
		frmr_queue_read_ahead(pool);
}

/* There was not enough in time: so next time twice as many. */
static void frmr_missed(struct ib_frmr_pool *pool)
{
	spin_lock(&pool->lock);
	pool->misses++;
	if (pool->slow && (pool->misses >= FRMR_MISSES || pool->ahead)) {
		pool->ahead = min3(max(2 * pool->ahead, FRMR_MISSES),
				   pool->in_use, FRMR_MAX_AHEAD);
		frmr_queue_read_ahead(pool);
	}
	spin_unlock(&pool->lock);
}

static bool frmr_take(struct ib_frmr_pool *pool, struct ib_mr *mr)
{
	bool found;

	frmr_lock(pool);
	if (!pool->idle)
		frmr_gather(pool);
	found = pool->idle;
	if (found) {
		frmr_lend(pool, mr, pool->handles[--pool->idle]);
		pool->low = min(pool->low, pool->idle);
		pool->stats[IB_FRMR_HITS]++;
		if (unlikely(pool->idle < pool->fresh))
			frmr_used_fresh(pool);
	}
	spin_unlock(&pool->lock);
	return found;
}

static int frmr_create(struct ib_frmr_pool *pool, u32 *handles, u32 count)
{
	struct ib_device *device = pool->pools->device;
	/* The driver gets a copy: nothing may alter a key that is in the tree. */
	struct ib_frmr_key key = pool->key;
	u64 begin = frmr_clock(), time;
	int ret;

	ret = pool->pools->ops->create_frmrs(device, &key, handles, count);
	time = frmr_clock() - begin;
	trace_frmr_create(device, &pool->key, count, ret);
	spin_lock(&pool->lock);
	if (ret) {
		pool->stats[IB_FRMR_FAILURES]++;
	} else {
		pool->stats[IB_FRMR_CREATED] += count;
		pool->slow = time > count * FRMR_SLOW_NS;
	}
	spin_unlock(&pool->lock);
	return ret;
}

/*
 * Destroys a batch of idle handles, @count at most. Aging takes none if one of
 * those that a period had no use for is needed after all.
 */
static u32 frmr_destroy(struct ib_frmr_pool *pool, u32 count,
			enum ib_frmr_stat why)
{
	struct ib_device *device = pool->pools->device;
	u32 handles[FRMR_BATCH];

	spin_lock(&pool->lock);
	if (why == IB_FRMR_AGED && pool->low < count)
		count = 0;
	count = min3(count, frmr_spare(pool), FRMR_BATCH);
	pool->idle -= count;
	pool->low -= min(pool->low, count);
	pool->fresh = min(pool->fresh, pool->idle);
	memcpy(handles, pool->handles + pool->idle, count * sizeof(*handles));
	spin_unlock(&pool->lock);
	if (!count)
		return 0;

	if (why == IB_FRMR_AGED)
		trace_frmr_age(device, &pool->key, count);
	else if (why == IB_FRMR_RECLAIMED)
		trace_frmr_reclaim(device, &pool->key, count);
	trace_frmr_destroy(device, &pool->key, count);
	pool->pools->ops->destroy_frmrs(device, handles, count);

	spin_lock(&pool->lock);
	pool->refs -= count;
	pool->stats[IB_FRMR_DESTROYED] += count;
	if (why != IB_FRMR_DESTROYED)
		pool->stats[why] += count;
	spin_unlock(&pool->lock);
	return count;
}

/* Room on the device */

/* The errors of a creation that may succeed once other objects are gone. */
static bool frmr_is_full(int error)
{
	return error == -ENOMEM || error == -ENOSPC || error == -EAGAIN ||
	       error == -EBUSY;
}

/* Whether something that may take long must end early. */
static int frmr_interrupted(struct ib_frmr_pools *pools)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	/* ib_frmr_pools_cleanup() waits for the caller. */
	return READ_ONCE(pools->device->frmr_pools) == pools ? 0 : -ENODEV;
}

static bool frmr_room_begin(struct ib_frmr_pools *pools,
			    struct ib_frmr_room *room)
{
	if (mutex_lock_killable(&pools->room))
		return false;
	*room = (struct ib_frmr_room) {
		.pools = pools,
		.noio = memalloc_noio_save(),
	};
	return true;
}

static void frmr_room_end(struct ib_frmr_room *room)
{
	memalloc_noio_restore(room->noio);
	mutex_unlock(&room->pools->room);
}

/*
 * The pool to take idle handles from, with a reference, and how many at most:
 * first what nobody needed since the last tick, then of the largest stock.
 * @moved differs from another time if a handle came or went meanwhile.
 */
static struct ib_frmr_pool *frmr_coldest(struct ib_frmr_pools *pools,
					 u32 *count, u64 *moved)
{
	struct ib_frmr_pool *pool, *found = NULL;
	u64 rank, best = 0;
	u32 spare, cold;

	*moved = 0;
	spin_lock(&pools->lock);
	for (pool = frmr_first_pool(pools); pool; pool = frmr_next_pool(pool)) {
		spin_lock(&pool->lock);
		spare = frmr_spare(pool);
		*moved += pool->idle + 2 * pool->stats[IB_FRMR_HITS];
		cold = min(spare, pool->low);
		spin_unlock(&pool->lock);
		rank = cold ? BIT_ULL(32) | cold : DIV_ROUND_UP(spare, 2);
		if (rank > best) {
			best = rank;
			found = pool;
		}
	}
	if (found)
		frmr_get(found);
	spin_unlock(&pools->lock);
	*count = lower_32_bits(best);
	return found;
}

/* Destroys a batch of idle handles, @count at most; 0: interrupted, or no more. */
static u32 frmr_shrink_batch(struct ib_frmr_pools *pools, u32 count, u64 *moved)
{
	struct ib_frmr_pool *pool;
	u32 n = 0;

	lockdep_assert_held(&pools->room);

	/* Those that were found may have been needed meanwhile: look again. */
	while (!n && !frmr_interrupted(pools)) {
		pool = frmr_coldest(pools, &n, moved);
		if (!pool)
			break;
		n = frmr_destroy(pool, min(n, count), IB_FRMR_RECLAIMED);
		frmr_put(pool);
		*moved -= n;
		if (!count)
			break;
		cond_resched();
	}
	return n;
}

/*
 * Destroys @count idle handles; fewer if interrupted, or if there are no more:
 * then @moved is from that moment.
 */
static u32 frmr_shrink(struct ib_frmr_pools *pools, u32 count, u64 *moved)
{
	u32 done = 0, n;

	do {
		n = frmr_shrink_batch(pools, count - done, moved);
		done += n;
	} while (n && done < count);
	return done;
}

/* Prepares the next try; false if there is no point in it. */
static bool frmr_room_next(struct ib_frmr_room *room, int error)
{
	struct ib_frmr_pools *pools = room->pools;
	u64 moved = 0;
	u32 done;

	if (!frmr_is_full(error))
		return false;
	/* At first only what others destroyed or gave back makes room. */
	done = frmr_shrink(pools, room->step, &moved);
	if (frmr_interrupted(pools))
		return false;
	if (room->step && !done &&
	    (moved == room->moved || room->tries++ == FRMR_MAX_TRIES))
		return false;
	if (done || !room->step) {
		room->step = max(2 * room->step, 1);
		room->tries = 0;
	}
	room->moved = moved;
	return true;
}

/* Aging, and pressure */

static unsigned long frmr_period(struct ib_frmr_pools *pools)
{
	u64 period = (u64)READ_ONCE(pools->aging_period) * HZ;

	return min_t(u64, period, MAX_JIFFY_OFFSET);
}

/*
 * Called after anything that gives the aging work something to do. The work is
 * not pending any more when it looks at the pools. If it has looked at a pool
 * before the caller changed it, the pool's lock makes the caller see that.
 */
static void frmr_arm(struct ib_frmr_pools *pools)
{
	if (!delayed_work_pending(&pools->aging))
		queue_delayed_work(system_dfl_wq, &pools->aging,
				   frmr_period(pools));
}

/* Gives back @count idle handles; a creation on a full device waits for a batch. */
static u32 frmr_reclaim(struct ib_frmr_pools *pools, u32 count)
{
	struct ib_frmr_room room;
	u32 done = 0, n;
	u64 moved;

	do {
		n = 0;
		if (frmr_room_begin(pools, &room)) {
			n = frmr_shrink_batch(pools, count - done, &moved);
			frmr_room_end(&room);
		}
		done += n;
	} while (n && done < count);
	frmr_arm(pools);
	return done;
}

VISIBLE_IF_KUNIT unsigned long frmr_shrinker_count(struct shrinker *shrinker,
						   struct shrink_control *sc)
{
	struct ib_frmr_pools *pools = shrinker->private_data;
	struct ib_frmr_pool *pool;
	unsigned long count = 0;

	spin_lock(&pools->lock);
	for (pool = frmr_first_pool(pools); pool; pool = frmr_next_pool(pool)) {
		spin_lock(&pool->lock);
		count += frmr_spare(pool);
		spin_unlock(&pool->lock);
	}
	spin_unlock(&pools->lock);
	return count ?: SHRINK_EMPTY;
}
EXPORT_SYMBOL_IF_KUNIT(frmr_shrinker_count);

/* The caller may be anywhere: it sends no command, but has the work item do so. */
VISIBLE_IF_KUNIT unsigned long frmr_shrinker_scan(struct shrinker *shrinker,
						  struct shrink_control *sc)
{
	struct ib_frmr_pools *pools = shrinker->private_data;

	atomic_set(&pools->wanted, min_t(unsigned long, sc->nr_to_scan, INT_MAX));
	if (frmr_queue(&pools->pressure))
		refcount_inc(&pools->users);
	return SHRINK_STOP;
}
EXPORT_SYMBOL_IF_KUNIT(frmr_shrinker_scan);

static void frmr_pressure_work(struct work_struct *work)
{
	struct ib_frmr_pools *pools = container_of(work, struct ib_frmr_pools,
						   pressure);

	frmr_reclaim(pools, atomic_xchg(&pools->wanted, 0));
	ib_frmr_pools_put(pools);
}

/* Handles that no MR asks for: pinned ones, and those that are created ahead */
enum frmr_fill {
	FRMR_PINS,
	FRMR_PINS_MAKE_ROOM,
	FRMR_AHEAD,
};

static u32 frmr_missing(struct ib_frmr_pool *pool, enum frmr_fill why)
{
	u32 want, have;

	frmr_gather(pool);
	want = min(pool->ahead, pool->in_use);
	have = pool->idle;
	if (why != FRMR_AHEAD) {
		want = pool->pinned;
		have += pool->in_use;
	}
	return want - min(want, have);
}

static void frmr_filled(struct ib_frmr_pool *pool, enum frmr_fill why,
			const u32 *handles, u32 count)
{
	memcpy(pool->handles + pool->idle, handles, count * sizeof(*handles));
	pool->idle += count;
	if (why == FRMR_AHEAD) {
		pool->fresh += count;
		pool->stats[IB_FRMR_AHEAD] += count;
	}
}

static int frmr_fill_batch(struct ib_frmr_pool *pool, enum frmr_fill why,
			   u32 count)
{
	struct ib_frmr_room room;
	u32 handles[FRMR_BATCH];
	int ret;

	if (!frmr_room_begin(pool->pools, &room))
		return -EINTR;
	spin_lock(&pool->lock);
	count = min(count, frmr_missing(pool, why));
	spin_unlock(&pool->lock);
	ret = frmr_reserve(pool, count);
	if (!count || ret)
		goto out;
	do
		ret = frmr_create(pool, handles, count);
	while (why == FRMR_PINS_MAKE_ROOM && frmr_room_next(&room, ret));

	spin_lock(&pool->lock);
	if (ret)
		pool->refs -= count;
	else
		frmr_filled(pool, why, handles, count);
	spin_unlock(&pool->lock);
out:
	frmr_room_end(&room);
	return ret ?: count;
}

/*
 * Creates the pinned handles that are missing. Where the device has no room for
 * a batch, smaller ones fill it up.
 */
static int frmr_fill(struct ib_frmr_pool *pool, enum frmr_fill why)
{
	u32 batch = FRMR_BATCH;
	int ret;

	do {
		cond_resched();
		ret = frmr_interrupted(pool->pools) ?:
		      frmr_fill_batch(pool, why, batch);
		if (frmr_is_full(ret))
			batch /= 2;
	} while (ret > 0 || (frmr_is_full(ret) && batch));
	return ret;
}

/*
 * Creates what the pool will miss soon. That is no reason to take what others
 * have: the first failure ends it, until the pool has missed again.
 */
static void frmr_read_ahead_work(struct work_struct *work)
{
	struct ib_frmr_pool *pool = container_of(work, struct ib_frmr_pool,
						 read_ahead);
	struct ib_frmr_pools *pools = pool->pools;
	int ret;

	do
		ret = frmr_interrupted(pools) ?:
		      frmr_fill_batch(pool, FRMR_AHEAD, FRMR_AHEAD_BATCH);
	while (ret > 0);

	spin_lock(&pool->lock);
	if (ret) {
		pool->ahead = 0;
		pool->misses = 0;
	}
	pool->refs--;
	spin_unlock(&pool->lock);
	frmr_arm(pools);
	ib_frmr_pools_put(pools);
}

/* What a pool needs for the next period: memory, and slots if CPUs waited. */
static void frmr_pool_adapt(struct ib_frmr_pool *pool)
{
	struct frmr_slot __percpu *slots = NULL;
	bool contended;
	u32 refs, size;

	spin_lock(&pool->lock);
	refs = pool->refs;
	size = pool->size;
	contended = pool->contended >= FRMR_CONTENDED && !pool->slots;
	pool->contended = 0;
	spin_unlock(&pool->lock);

	if (size > refs + refs / 4 + FRMR_SLACK)
		frmr_resize(pool, refs); /* or it stays as it is */
	if (contended)
		slots = alloc_percpu(struct frmr_slot);
	if (!slots)
		return;
	spin_lock(&pool->lock);
	smp_store_release(&pool->slots, slots); /* pairs with frmr_slots() */
	spin_unlock(&pool->lock);
}

/* Destroys what the last period had no use for, unless it is needed now. */
static void frmr_pool_age(struct ib_frmr_pool *pool)
{
	struct ib_frmr_pools *pools = pool->pools;
	struct ib_frmr_room room;
	u32 cold, n;

	spin_lock(&pool->lock);
	frmr_gather(pool);
	cold = pool->low;
	pool->low = pool->idle;
	if (cold || !pool->misses)
		pool->ahead /= 2;
	pool->misses = 0;
	spin_unlock(&pool->lock);

	while (cold && !frmr_interrupted(pools) &&
	       frmr_room_begin(pools, &room)) {
		n = frmr_destroy(pool, cold, IB_FRMR_AGED);
		frmr_room_end(&room);
		cold = n ? cold - n : 0;
		cond_resched();
	}
}

static void frmr_add_stats(u64 *sum, const struct ib_frmr_pool *pool)
{
	int i;

	for (i = 0; i < IB_FRMR_NUM_STATS; i++)
		sum[i] += pool->stats[i];
}

/*
 * Puts the pool, and takes it out of the tree if nothing counts and nobody asked
 * for a handle since the last tick. Returns whether the next has work to do.
 */
static bool frmr_pool_end(struct ib_frmr_pool *pool)
{
	struct ib_frmr_pools *pools = pool->pools;
	bool again, end;

	spin_lock(&pools->lock);
	spin_lock(&pool->lock);
	pool->refs--;
	again = !pool->refs || frmr_spare(pool) ||
		pool->idle + pool->in_use < pool->pinned;
	end = !pool->refs && !pool->pinned && !pool->used;
	pool->used = false;
	if (end) {
		rb_erase(&pool->node, &pools->tree);
		frmr_add_stats(pools->totals, pool);
	}
	spin_unlock(&pool->lock);
	spin_unlock(&pools->lock);
	if (end)
		frmr_pool_free(pool);
	return again && !end;
}

VISIBLE_IF_KUNIT void frmr_pools_age(struct ib_frmr_pools *pools)
{
	struct ib_frmr_key last = {};
	struct ib_frmr_pool *pool;
	bool again = false;

	while (true) {
		spin_lock(&pools->lock);
		pool = frmr_pool_after(pools, &last);
		if (pool)
			last = frmr_get(pool)->key;
		spin_unlock(&pools->lock);
		if (!pool)
			break;
		frmr_pool_age(pool);
		frmr_pool_adapt(pool);
		/*
		 * Handles may have been dropped. That is no reason to take what
		 * other pools have; what fails now is tried next time.
		 */
		frmr_fill(pool, FRMR_PINS);
		again |= frmr_pool_end(pool);
	}
	if (again)
		frmr_arm(pools);
}
EXPORT_SYMBOL_IF_KUNIT(frmr_pools_age);

static void frmr_aging_work(struct work_struct *work)
{
	frmr_pools_age(container_of(to_delayed_work(work),
				    struct ib_frmr_pools, aging));
}

/* For drivers */

/**
 * ib_frmr_pools_init - give a device pools
 * @device: the device; its driver pops nothing before this returns 0
 * @pool_ops: what the driver does for the pools
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL if an operation is missing; -EEXIST if the device has
 * pools already; -ENOMEM.
 */
int ib_frmr_pools_init(struct ib_device *device,
		       const struct ib_frmr_pool_ops *pool_ops)
{
	struct ib_frmr_pools *pools;

	if (!pool_ops->create_frmrs || !pool_ops->destroy_frmrs)
		return -EINVAL;

	pools = frmr_alloc(sizeof(*pools));
	if (!pools)
		return -ENOMEM;
	pools->device = device;
	pools->ops = pool_ops;
	pools->tree = RB_ROOT;
	spin_lock_init(&pools->lock);
	mutex_init(&pools->room);
	INIT_DELAYED_WORK(&pools->aging, frmr_aging_work);
	INIT_WORK(&pools->pressure, frmr_pressure_work);
	pools->aging_period = FRMR_DEFAULT_AGING_PERIOD_SECS;
	refcount_set(&pools->users, 1);
	init_completion(&pools->unused);

	pools->shrinker = shrinker_alloc(0, "frmr-pools:%s",
					 dev_name(&device->dev));
	if (!pools->shrinker) {
		kvfree(pools);
		return -ENOMEM;
	}
	pools->shrinker->count_objects = frmr_shrinker_count;
	pools->shrinker->scan_objects = frmr_shrinker_scan;
	pools->shrinker->private_data = pools;

	if (cmpxchg(&device->frmr_pools, NULL, pools)) {
		shrinker_free(pools->shrinker);
		kvfree(pools);
		return -EEXIST;
	}
	shrinker_register(pools->shrinker);
	return 0;
}
EXPORT_SYMBOL(ib_frmr_pools_init);

static u32 frmr_swap_pinned(struct ib_frmr_pool *pool, u32 count)
{
	spin_lock(&pool->lock);
	swap(pool->pinned, count);
	spin_unlock(&pool->lock);
	return count;
}

static void frmr_pool_close(struct ib_frmr_pool *pool)
{
	const struct ib_frmr_key *key = &pool->key;

	frmr_swap_pinned(pool, 0);
	while (frmr_destroy(pool, U32_MAX, IB_FRMR_DESTROYED))
		cond_resched();
	if (!pool->refs) {
		frmr_pool_free(pool);
		return;
	}
	/* MRs still point to the pool. */
	WRITE_ONCE(pool->dead, true);
	dev_warn(&pool->pools->device->dev,
		 "FRMR pool %llx:%zx:%x:%x[%llx] still has %u handles in use\n",
		 key->vendor_key, key->num_dma_blocks, key->access_flags,
		 key->ats, key->kernel_vendor_key, pool->in_use);
}

/**
 * ib_frmr_pools_cleanup - take a device's pools away
 * @device: the device; nothing happens if it has none
 *
 * The driver has returned or dropped each handle and pops no more. Handles that
 * are still in use are a leak of the driver's: each pool that misses some is
 * named in the log, and leaked as well.
 *
 * Context: process context, may sleep. Waits for requests from user space that
 * use the pools, and for the aging work; both end after the driver call that is
 * under way.
 */
void ib_frmr_pools_cleanup(struct ib_device *device)
{
	struct ib_frmr_pools *pools;
	struct ib_frmr_pool *pool;
	struct rb_node *node;

	might_sleep();

	pools = xchg(&device->frmr_pools, NULL);
	if (!pools)
		return;

	shrinker_free(pools->shrinker);
	ib_frmr_pools_put(pools);
	wait_for_completion(&pools->unused);
	disable_delayed_work_sync(&pools->aging);

	/* Nothing else uses the tree any more. */
	while ((node = rb_first(&pools->tree))) {
		pool = frmr_node_pool(node);
		rb_erase(node, &pools->tree);
		frmr_pool_close(pool);
	}
	kvfree_rcu(pools, rcu);
}
EXPORT_SYMBOL(ib_frmr_pools_cleanup);

/* The usual case: the smallest fitting pool has an idle handle. */
static bool frmr_pop_fast(struct ib_frmr_pools *pools, struct ib_mr *mr)
{
	struct ib_frmr_pool *pool;
	bool found;

	rcu_read_lock();
	pool = frmr_lower_bound(pools, &mr->frmr.key);
	found = frmr_pool_fits(pool, &mr->frmr.key) &&
		(frmr_slot_take(pool, mr) || frmr_take(pool, mr));
	rcu_read_unlock();
	return found;
}

/*
 * Best fit: the smallest fitting pool that has an idle handle. If none has,
 * *@miss is the smallest fitting pool, with a reference.
 */
static bool frmr_pop_fit(struct ib_frmr_pools *pools, struct ib_mr *mr,
			 struct ib_frmr_pool **miss)
{
	struct ib_frmr_key *key = &mr->frmr.key;
	struct ib_frmr_pool *pool, *first;
	bool found = false;

	spin_lock(&pools->lock);
	first = frmr_lower_bound(pools, key);
	for (pool = first; frmr_pool_fits(pool, key) && !found;
	     pool = frmr_next_pool(pool))
		found = frmr_take(pool, mr);
	if (miss && !found && frmr_pool_fits(first, key))
		*miss = frmr_get(first);
	spin_unlock(&pools->lock);
	return found;
}

/* While the device is full, a handle that others return will do as well. */
static int frmr_pop_new(struct ib_frmr_pool *pool, struct ib_mr *mr)
{
	struct ib_frmr_pools *pools = pool->pools;
	struct ib_frmr_room room = {};
	bool found = false;
	u32 handle;
	int ret;

	ret = frmr_reserve(pool, 1);
	if (ret)
		return ret;
	frmr_missed(pool);
	do {
		ret = frmr_create(pool, &handle, 1);
		found = frmr_is_full(ret) && frmr_pop_fit(pools, mr, NULL);
		if (found)
			ret = 0;
	} while (ib_frmr_pools_make_room(pools->device, ret, &room));

	spin_lock(&pool->lock);
	pool->used = true;
	if (!found)
		pool->stats[IB_FRMR_MISSES]++;
	if (!found && !ret)
		frmr_lend(pool, mr, handle);
	else
		pool->refs--;
	spin_unlock(&pool->lock);
	return ret;
}

static int frmr_pop_miss(struct ib_frmr_pools *pools, struct ib_mr *mr,
			 struct ib_frmr_pool *pool)
{
	int ret;

	pool = pool ?: frmr_pool_make(pools, &mr->frmr.key);
	if (!pool)
		return -ENOMEM;
	ret = frmr_pop_new(pool, mr);
	frmr_put(pool);
	frmr_arm(pools); /* an unused pool must end */
	return ret;
}

static bool frmr_has_handle(const struct ib_mr *mr)
{
	return mr->frmr.pool && mr->frmr.pool != &frmr_returned;
}

/**
 * ib_frmr_pool_pop - get an object for an MR
 * @device: the device
 * @mr: the MR; the driver has filled in mr->frmr.key
 *
 * Takes an idle object that fits, else has the driver create one. On success
 * mr->frmr.handle and mr->frmr.pool are set. mr->frmr.key stays as it is: the
 * object may be larger, by less than a factor of two.
 *
 * A pool that has to have objects created again and again, FRMR_MISSES times in
 * an aging period, has a work item create some ahead, unless that is quick:
 * never more idle than in use, nor than FRMR_MAX_AHEAD, none that others would
 * have to give up, and twice as many each time that they were too few.
 *
 * If the device is full, idle objects of other keys are destroyed: none at first,
 * then 1, 2, 4 and so on, with a try after each step. So a pop does not fail for
 * want of an object that lies idle, unpinned, on the device, or that is returned
 * while it waits; the exception is FRMR_MAX_TRIES tries in a row that find all
 * objects in use, though others return and take some meanwhile.
 *
 * Context: process context, may sleep; called with no lock that the driver's
 * create_frmrs or destroy_frmrs takes. Allocates within the caller's scope, and
 * with NOIO once it makes room.
 * Return: 0; -EINVAL if the key has no DMA blocks, the device has no pools or
 * the MR has an object already; -ENOMEM; or what the driver's create_frmrs
 * returned, also if a fatal signal ends the making of room. On failure @mr is
 * unchanged.
 */
int ib_frmr_pool_pop(struct ib_device *device, struct ib_mr *mr)
{
	struct ib_frmr_pools *pools = READ_ONCE(device->frmr_pools);
	struct ib_frmr_pool *miss = NULL;
	bool hit;
	int ret;

	might_sleep();
	if (WARN_ON_ONCE(!pools || frmr_has_handle(mr)) ||
	    !mr->frmr.key.num_dma_blocks)
		return -EINVAL;

	hit = frmr_pop_fast(pools, mr) || frmr_pop_fit(pools, mr, &miss);
	ret = hit ? 0 : frmr_pop_miss(pools, mr, miss);
	if (!ret)
		trace_frmr_pop(device, &mr->frmr.pool->key, mr->frmr.handle,
			       hit);
	return ret;
}
EXPORT_SYMBOL(ib_frmr_pool_pop);

/* The handle of an MR comes back, or is lost. */
static void frmr_return(struct ib_mr *mr, bool idle)
{
	struct ib_frmr_pool *pool = mr->frmr.pool;

	/* No handle, or one that went back or that cleanup gave up for lost */
	if (WARN_ON_ONCE(!pool || READ_ONCE(pool->dead)))
		return;
	mr->frmr.pool = &frmr_returned;
	if (idle)
		trace_frmr_push(pool->pools->device, &pool->key,
				mr->frmr.handle);

	/* From then on only RCU keeps what is touched here. */
	rcu_read_lock();
	if (!idle || !frmr_slot_put(pool, mr->frmr.handle)) {
		frmr_lock(pool);
		pool->in_use--;
		if (idle) {
			pool->handles[pool->idle++] = mr->frmr.handle;
		} else {
			pool->stats[IB_FRMR_DROPPED]++;
			pool->refs--;
		}
		spin_unlock(&pool->lock);
	}
	frmr_arm(pool->pools);
	rcu_read_unlock();
}

/**
 * ib_frmr_pool_push - return the object of an MR
 * @device: the device
 * @mr: the MR; see the contract above on what its object must be like
 *
 * Can't fail, and needs no memory. mr->frmr.pool stays set, though not to that
 * pool, so the driver can still tell where the object was from. Does nothing but
 * warn if @mr has no object, or one that ib_frmr_pools_cleanup() missed.
 *
 * Context: process context, does not sleep.
 */
void ib_frmr_pool_push(struct ib_device *device, struct ib_mr *mr)
{
	frmr_return(mr, true);
}
EXPORT_SYMBOL(ib_frmr_pool_push);

/**
 * ib_frmr_pool_drop - keep the object of an MR from ever coming back
 * @mr: the MR
 *
 * The driver destroys the object itself, or has to give it up for lost. A pool
 * in which pinned objects are missing then is filled up again. mr->frmr.pool
 * stays set, as by ib_frmr_pool_push(): the driver clears it if @mr goes on with
 * an object that is from no pool. Does nothing but warn if @mr has no object.
 *
 * Context: process context, does not sleep.
 */
void ib_frmr_pool_drop(struct ib_mr *mr)
{
	frmr_return(mr, false);
}
EXPORT_SYMBOL(ib_frmr_pool_drop);

/**
 * ib_frmr_pools_make_room - try a creation again, with more room on the device
 * @device: the device; without pools nothing can be done
 * @error: what the creation returned, 0 included
 * @room: zeroed before the first try
 *
 * For objects that a driver creates outside its pools, out of the same supply::
 *
 *	struct ib_frmr_room room = {};
 *
 *	do
 *		err = create();
 *	while (ib_frmr_pools_make_room(device, err, &room));
 *
 * Gives up idle objects as ib_frmr_pool_pop() does, with the same guarantee.
 * Once it has returned true it holds a mutex, and allocations are NOIO, until it
 * returns false: so call it until then.
 *
 * Context: process context, may sleep; called with no lock that the driver's
 * create_frmrs or destroy_frmrs takes, and not from these.
 * Return: true to try again. False if there was no error, or one that is not
 * for want of room; if nothing is left to give up; or on a fatal signal.
 */
bool ib_frmr_pools_make_room(struct ib_device *device, int error,
			     struct ib_frmr_room *room)
{
	struct ib_frmr_pools *pools = room->pools;

	if (!pools) {
		if (!frmr_is_full(error))
			return false;
		pools = ib_frmr_pools_get(device);
		if (!pools)
			return false;
		if (!frmr_room_begin(pools, room))
			goto out;
	}
	if (frmr_room_next(room, error))
		return true;
	frmr_room_end(room);
	frmr_arm(pools); /* pools may be empty now */
out:
	ib_frmr_pools_put(pools);
	return false;
}
EXPORT_SYMBOL(ib_frmr_pools_make_room);

/**
 * ib_frmr_pools_reclaim - give idle objects back to the hardware
 * @device: the device; nothing happens if it has no pools
 * @count: the most to give back
 *
 * What was not needed for longest goes first. Objects that users have pinned
 * stay. A registration on a full device waits for one batch, not for all. Ends
 * early on a fatal signal, or if the device goes away.
 *
 * Context: process context, may sleep; called with no lock that the driver's
 * create_frmrs or destroy_frmrs takes, and not from these.
 * Return: how many objects were destroyed.
 */
u32 ib_frmr_pools_reclaim(struct ib_device *device, u32 count)
{
	struct ib_frmr_pools *pools;

	might_sleep();
	pools = ib_frmr_pools_get(device);
	if (!pools)
		return 0;
	count = frmr_reclaim(pools, count);
	ib_frmr_pools_put(pools);
	return count;
}
EXPORT_SYMBOL(ib_frmr_pools_reclaim);

/* For the rest of ib_core */

/* For callers outside of the driver. Returns the pools, or NULL. */
struct ib_frmr_pools *ib_frmr_pools_get(struct ib_device *device)
{
	struct ib_frmr_pools *pools;

	rcu_read_lock();
	pools = READ_ONCE(device->frmr_pools);
	if (pools && !refcount_inc_not_zero(&pools->users))
		pools = NULL;
	rcu_read_unlock();
	return pools;
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_get);

void ib_frmr_pools_put(struct ib_frmr_pools *pools)
{
	if (refcount_dec_and_test(&pools->users))
		complete(&pools->unused);
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_put);

/*
 * The first pool after the key @after; zeros come before all. A walk sees each
 * pool that exists throughout once, and none twice, while others come and go.
 */
bool ib_frmr_pools_next_info(struct ib_frmr_pools *pools,
			     const struct ib_frmr_key *after,
			     struct ib_frmr_pool_info *info)
{
	struct ib_frmr_pool *pool;

	spin_lock(&pools->lock);
	pool = frmr_pool_after(pools, after);
	if (pool) {
		spin_lock(&pool->lock);
		frmr_gather(pool);
		info->key = pool->key;
		info->idle = pool->idle;
		info->in_use = pool->in_use;
		info->max_in_use = pool->max_in_use;
		info->pinned = pool->pinned;
		memcpy(info->stats, pool->stats, sizeof(info->stats));
		spin_unlock(&pool->lock);
	}
	spin_unlock(&pools->lock);
	return pool;
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_next_info);

/* The counters of all pools that the device has ever had. */
void ib_frmr_pools_totals(struct ib_frmr_pools *pools,
			  u64 totals[IB_FRMR_NUM_STATS])
{
	struct ib_frmr_pool *pool;

	spin_lock(&pools->lock);
	memcpy(totals, pools->totals, sizeof(pools->totals));
	for (pool = frmr_first_pool(pools); pool; pool = frmr_next_pool(pool)) {
		spin_lock(&pool->lock);
		frmr_gather(pool);
		frmr_add_stats(totals, pool);
		spin_unlock(&pool->lock);
	}
	spin_unlock(&pools->lock);
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_totals);

u32 ib_frmr_pools_aging_period(struct ib_frmr_pools *pools)
{
	return READ_ONCE(pools->aging_period);
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_aging_period);

/* The key with which the driver would pop for what the user asks for. */
static int frmr_build_key(struct ib_frmr_pools *pools,
			  const struct ib_frmr_key *in,
			  struct ib_frmr_key *out)
{
	int ret;

	if (!in->num_dma_blocks || in->kernel_vendor_key)
		return -EINVAL;
	ret = ib_check_mr_access(pools->device, in->access_flags);
	if (ret)
		return ret;
	*out = *in;
	if (pools->ops->build_key)
		ret = pools->ops->build_key(pools->device, in, out);
	if (ret)
		return ret;
	return out->num_dma_blocks && !out->kernel_vendor_key ? 0 : -EINVAL;
}

static int frmr_set_pinned(struct ib_frmr_pools *pools,
			   const struct ib_frmr_key *key, u32 count)
{
	struct ib_frmr_pool *pool;
	u32 old;
	int ret;

	pool = frmr_pool_find(pools, key);
	if (!pool && count)
		pool = frmr_pool_make(pools, key);
	if (!pool)
		return count ? -ENOMEM : 0;
	ret = mutex_lock_killable(&pool->pin);
	if (ret)
		goto out;
	old = frmr_swap_pinned(pool, count);
	ret = frmr_fill(pool, FRMR_PINS_MAKE_ROOM);
	if (ret)
		frmr_swap_pinned(pool, old);
	mutex_unlock(&pool->pin);
out:
	frmr_put(pool);
	frmr_arm(pools);
	return ret;
}

/**
 * ib_frmr_pools_set_pinned - have a pool keep a number of handles
 * @device: the device
 * @key: the key as the user knows it
 * @count: handles to keep, idle and in use together; 0 to keep none
 *
 * Fills the pool before it returns. If that fails, or a fatal signal ends it,
 * the number is what it was before; handles created by then stay and age.
 *
 * Context: process context, may sleep; for long, so the caller holds no more
 * of the device than its pools, or unregistering it would have to wait.
 * Return: 0; -EOPNOTSUPP if the device has no pools; -EINVAL or -EOPNOTSUPP if
 * no MR of a user can have that key; -EINVAL if the device can't hold @count
 * MRs; -EINTR; -ENODEV if the device goes away; -ENOMEM; or what the driver's
 * build_key or create_frmrs returned.
 */
int ib_frmr_pools_set_pinned(struct ib_device *device, struct ib_frmr_key *key,
			     u32 count)
{
	struct ib_frmr_pools *pools;
	struct ib_frmr_key driver_key;
	int ret;

	might_sleep();
	pools = ib_frmr_pools_get(device);
	if (!pools)
		return -EOPNOTSUPP;

	ret = frmr_build_key(pools, key, &driver_key);
	if (!ret && count > device->attrs.max_mr)
		ret = -EINVAL;
	if (!ret)
		ret = frmr_set_pinned(pools, &driver_key, count);
	ib_frmr_pools_put(pools);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_set_pinned);

/**
 * ib_frmr_pools_set_aging_period - choose how long idle handles are kept
 * @device: the device
 * @seconds: the period; a handle that is not needed is destroyed after one to
 *	two of them
 *
 * The period that is under way starts anew.
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL if @seconds is 0; -EOPNOTSUPP if the device has no pools.
 */
int ib_frmr_pools_set_aging_period(struct ib_device *device, u32 seconds)
{
	struct ib_frmr_pools *pools;

	might_sleep();
	if (!seconds)
		return -EINVAL;
	pools = ib_frmr_pools_get(device);
	if (!pools)
		return -EOPNOTSUPP;
	WRITE_ONCE(pools->aging_period, seconds);
	mod_delayed_work(system_dfl_wq, &pools->aging, frmr_period(pools));
	ib_frmr_pools_put(pools);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_set_aging_period);
