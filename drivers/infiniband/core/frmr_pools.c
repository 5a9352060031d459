// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Copyright (c) 2025, NVIDIA CORPORATION & AFFILIATES. All rights reserved.
 *
 * FRMR (fast registration memory region) pools: handles of idle hardware MRs,
 * kept for the next registration.
 *
 * A device has a tree of pools, one per key. A pool lends its handles to MRs
 * and gets them back. A user may pin a number of handles: so many the pool
 * keeps. Once a period, a tick of the aging work destroys what was idle since
 * the last tick, above the pin.
 *
 * Locks, in the order in which they are taken:
 *
 *   ib_frmr_pool::pin_lock	setting a pin, so that one that fails can
 *				restore the number that was there
 *   ib_frmr_pools::room_lock	creating and destroying what no pop waits for:
 *				aging, prefill and reclaim hold it for a batch;
 *				and making room on a full device: a pop or a
 *				batch of a pin holds it for all its tries
 *   ib_frmr_pools::lock	the tree
 *   ib_frmr_pool::lock		the handles and numbers of a pool
 *
 * Writeback through a ULP registers MRs, and so may wait for room_lock: its
 * holder allocates with NOIO. No spinlock is held while the driver creates or
 * destroys objects. The fast path finds the pool under RCU: one that has left
 * the tree has no handle to give.
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

/* Handles per driver call: bounds the stack frame, and how long others wait. */
#define FRMR_BATCH 64U

/* How often to try again only because handles move from MR to MR. */
#define FRMR_MAX_TRIES 64

/* The least that the array of a pool grows by */
#define FRMR_MIN_GROWTH 32

/* A pool whose lock was contended so often in a period gets per-CPU slots. */
#define FRMR_CONTENDED 64

/* An array that is larger than needed by a quarter and so many is shrunk. */
#define FRMR_SLACK 1024

/* Prefill is for devices on which the creation of a handle takes longer. */
#define FRMR_SLOW_NS (10 * NSEC_PER_USEC)

/* Misses in a period that start prefill, and how many handles it keeps first */
#define FRMR_MISSES 2U

/* Handles per driver call of prefill: small, so that the first are there soon */
#define FRMR_PREFILL_BATCH 16U

/* The most that prefill keeps idle: the MRs of one queue of NVMe over RDMA */
#define FRMR_MAX_PREFILL 128U

struct ib_frmr_pools {
	struct ib_device *device;
	const struct ib_frmr_pool_ops *ops;
	spinlock_t lock;		/* protects @tree and @totals */
	struct rb_root tree;		/* in the order of frmr_key_cmp() */
	u64 totals[IB_FRMR_NUM_STATS];	/* of the pools that have ended */
	struct mutex room_lock;		/* see above */
	struct delayed_work aging;
	u32 aging_period;		/* in seconds */
	struct shrinker *shrinker;
	atomic_t wanted;		/* handles that the shrinker asks for */
	struct work_struct pressure;	/* destroys so many */
	refcount_t users;		/* cleanup waits for these */
	struct completion unused;	/* when there is none left */
	struct rcu_head rcu;
};

/*
 * A CPU's own idle handle. Other CPUs may steal it. The pool counts it as in use.
 * Handle ~0 stays in the pool's array.
 */
struct frmr_slot {
	u32 value;			/* complement of the handle, or 0 */
	unsigned long hits;
	unsigned long counted;		/* of @hits, in the pool's counter */
};

/*
 * All handles with one key. The array grows before a handle is created, so that
 * a push needs no memory. A tick frees the pool once @refs and @pinned are 0 and
 * no MR asked for a handle since the last tick.
 */
struct ib_frmr_pool {
	struct rb_node node;
	struct ib_frmr_pools *pools;
	struct ib_frmr_key key;
	struct mutex pin_lock;	/* serializes setting @pinned */
	spinlock_t lock;	/* protects what follows, where not said */
	u32 *handles;		/* a stack of the idle ones */
	u32 size;		/* of @handles: enough for all that exist */
	u32 refs;		/* handles, also while they are created or
				 * destroyed; callers without a lock
				 */
	u32 idle;
	u32 low;		/* low watermark of @idle since the last tick */
	u32 in_use;
	u32 max_in_use;		/* those in slots included */
	u32 pinned;		/* handles to keep, idle and in use together */
	u32 misses;		/* since the last tick */
	u32 ahead;		/* how many idle ones prefill keeps */
	u32 fresh;		/* prefilled handles at the bottom of the stack
				 * that no pop has reached
				 */
	struct work_struct prefill;	/* needs no lock */
	bool slow;		/* the last creation took longer than
				 * FRMR_SLOW_NS for each handle
				 */
	bool used;		/* an MR asked for one since the last tick */
	bool dead;		/* cleanup found handles in use; no lock */
	u32 contended;		/* waits for @lock since the last tick */
	struct frmr_slot __percpu *slots;	/* once CPUs contended; see
						 * frmr_slots()
						 */
	int giver;		/* whose slot to steal from: the last CPU that
				 * found its slot full; a hint, no lock
				 */
	u64 stats[IB_FRMR_NUM_STATS];
	struct rcu_head rcu;
};

/*
 * mr->frmr.pool after a push or drop: not NULL, so that the driver can tell that
 * the MR was pooled. A second push or drop is caught by @dead.
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
 * The first pool whose key is not less than @key, or NULL. Called with pools->lock,
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

/*
 * Whether a handle of @pool, whose key is not less than @key, may serve @key. Less
 * than half of the translation table is wasted. Drivers round more finely than
 * that: a registration takes an idle handle of the next sizes up before it has
 * one created.
 */
static bool frmr_pool_fits(const struct ib_frmr_pool *pool,
			   const struct ib_frmr_key *key)
{
	return pool && !frmr_class_cmp(&pool->key, key) &&
	       pool->key.num_dma_blocks - key->num_dma_blocks <
	       key->num_dma_blocks;
}

/* Replaced by tests */

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

/* References, and memory for handles */

static struct ib_frmr_pool *frmr_get(struct ib_frmr_pool *pool)
{
	spin_lock(&pool->lock);
	pool->refs++;
	spin_unlock(&pool->lock);
	return pool;
}

/* Never frees the pool: a tick does, and the caller arms the aging work. */
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

static void frmr_prefill_work(struct work_struct *work);

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
	mutex_init(&pool->pin_lock);
	spin_lock_init(&pool->lock);
	INIT_WORK(&pool->prefill, frmr_prefill_work);
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

/*
 * Fits the array to @need handles, unless there are more by now. Copies under the
 * lock, but seldom: an array grows by a quarter.
 */
static int frmr_resize(struct ib_frmr_pool *pool, u32 need)
{
	u32 size = need + max(need / 4, FRMR_MIN_GROWTH);
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

/* Counts handles that are about to be created, with space for their push. */
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

/* Per-CPU slots */

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

static u32 frmr_slot_fetch(struct frmr_slot *slot)
{
	return READ_ONCE(slot->value) ? xchg(&slot->value, 0) : 0;
}

static bool frmr_slot_take(struct ib_frmr_pool *pool, struct ib_mr *mr)
{
	struct frmr_slot __percpu *slots = frmr_slots(pool);
	u32 value;

	if (!slots)
		return false;
	value = frmr_slot_fetch(raw_cpu_ptr(slots)) ?:
		frmr_slot_fetch(per_cpu_ptr(slots, READ_ONCE(pool->giver)));
	if (!value)
		return false;
	this_cpu_inc(slots->hits);
	mr->frmr.pool = pool;
	mr->frmr.handle = ~value;
	return true;
}

static bool frmr_slot_put(struct ib_frmr_pool *pool, u32 handle)
{
	struct frmr_slot __percpu *slots = frmr_slots(pool);
	struct frmr_slot *slot;
	u32 value = ~handle;

	if (!slots || !value)
		return false;
	slot = raw_cpu_ptr(slots);
	if (!READ_ONCE(slot->value) && !cmpxchg(&slot->value, 0, value))
		return true;
	if (READ_ONCE(pool->giver) != raw_smp_processor_id())
		WRITE_ONCE(pool->giver, raw_smp_processor_id());
	return false;
}

/*
 * Moves the slots' handles to the stack and their hits to the counter. The
 * numbers are exact then, if no MR pops or pushes meanwhile. A pop does it only
 * before it would miss: walking the CPUs costs less than creating a handle.
 */
static void frmr_gather(struct ib_frmr_pool *pool)
{
	struct frmr_slot *slot;
	unsigned long hits;
	u32 value;
	int cpu;

	lockdep_assert_held(&pool->lock);

	if (!pool->slots)
		return;
	for_each_possible_cpu(cpu) {
		slot = per_cpu_ptr(pool->slots, cpu);
		value = frmr_slot_fetch(slot);
		if (value) {
			pool->handles[pool->idle++] = ~value;
			pool->in_use--;
		}
		hits = READ_ONCE(slot->hits);
		pool->stats[IB_FRMR_HITS] += hits - slot->counted;
		pool->used |= hits != slot->counted;
		slot->counted = hits;
	}
}

/* Handles: taken, created, destroyed */

/* Idle handles that no pin keeps; those in slots count as in use. */
static u32 frmr_unpinned(const struct ib_frmr_pool *pool)
{
	u32 total = pool->idle + pool->in_use;

	return min(pool->idle, total - min(total, pool->pinned));
}

/* The same, after those in slots were gathered. */
static u32 frmr_spare(struct ib_frmr_pool *pool)
{
	frmr_gather(pool);
	return frmr_unpinned(pool);
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
static void frmr_queue_prefill(struct ib_frmr_pool *pool)
{
	lockdep_assert_held(&pool->lock);

	if (pool->ahead && frmr_queue(&pool->prefill)) {
		pool->refs++;
		refcount_inc(&pool->pools->users);
	}
}

/*
 * The stack is lower than its prefilled part: a pop took one of these. Once half
 * of them are used, create more.
 */
static void frmr_used_fresh(struct ib_frmr_pool *pool)
{
	pool->fresh--;
	pool->stats[IB_FRMR_AHEAD_USED]++;
	if (pool->fresh < pool->ahead / 2)
		frmr_queue_prefill(pool);
}

/* Each miss doubles what prefill keeps, up to what is in use. */
static void frmr_missed(struct ib_frmr_pool *pool)
{
	spin_lock(&pool->lock);
	pool->misses++;
	if (pool->slow && (pool->misses >= FRMR_MISSES || pool->ahead)) {
		pool->ahead = min3(max(2 * pool->ahead, FRMR_MISSES),
				   pool->in_use, FRMR_MAX_PREFILL);
		frmr_queue_prefill(pool);
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
 * Destroys a batch of idle handles, @count at most. Aging, for which @count is
 * what the last period did not need, stops once a pop has needed one of these.
 * @why counts them; IB_FRMR_DESTROYED counts all.
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
	if (mutex_lock_killable(&pools->room_lock))
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
	mutex_unlock(&room->pools->room_lock);
}

/*
 * The pool to take idle handles from, with a reference, and how many at most:
 * first what no MR needed since the last tick, then half of the largest stock,
 * so that pools are drained evenly. @moved grows by 1 with each hit (idle - 1,
 * hits + 1) and each push (idle + 1): if it is the same, nothing changed hands.
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
		/* Bit 32: cold handles go before any others. */
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

/*
 * Destroys a batch of idle handles, @count at most; 0: interrupted, or no more.
 * With @count 0 it only reads @moved.
 */
static u32 frmr_shrink_batch(struct ib_frmr_pools *pools, u32 count, u64 *moved)
{
	struct ib_frmr_pool *pool;
	u32 n = 0;

	lockdep_assert_held(&pools->room_lock);

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
	/* Step 0 destroys nothing: others may have made room meanwhile. */
	done = frmr_shrink(pools, room->step, &moved);
	if (frmr_interrupted(pools))
		return false;
	/* Nothing idles: go on while handles change hands, but not forever. */
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
 * Called after anything that gives the aging work something to do. The work
 * clears its pending bit before it reads a pool. If it read the pool before the
 * caller's change, then the pool's lock, or the cmpxchg() of a slot, orders the
 * test here after that: it sees the bit clear, and queues the work again.
 */
static void frmr_arm(struct ib_frmr_pools *pools)
{
	if (!delayed_work_pending(&pools->aging))
		queue_delayed_work(system_dfl_wq, &pools->aging,
				   frmr_period(pools));
}

/* Gives back @count idle handles; others get room_lock after each batch. */
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
		count += frmr_unpinned(pool);
		spin_unlock(&pool->lock);
	}
	spin_unlock(&pools->lock);
	return count ?: SHRINK_EMPTY;
}
EXPORT_SYMBOL_IF_KUNIT(frmr_shrinker_count);

/*
 * The caller may hold any lock: a work item sends the commands. Its workqueue is
 * not WQ_MEM_RECLAIM, as memory reclaim does not wait for it. Callers at the same
 * time ask for the same memory, so the last one's number is taken, not the sum.
 */
VISIBLE_IF_KUNIT unsigned long frmr_shrinker_scan(struct shrinker *shrinker,
						  struct shrink_control *sc)
{
	struct ib_frmr_pools *pools = shrinker->private_data;

	atomic_set(&pools->wanted, min_t(unsigned long, sc->nr_to_scan, INT_MAX));
	/* Before the work item can put it; the shrinker ends before the pools. */
	refcount_inc(&pools->users);
	if (!frmr_queue(&pools->pressure))
		ib_frmr_pools_put(pools);
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

/* Pins and prefill */

enum frmr_fill {
	FRMR_FILL_PINS,
	FRMR_FILL_PINS_MAKE_ROOM,	/* destroys idle handles for it */
	FRMR_FILL_AHEAD,
};

static u32 frmr_shortfall(struct ib_frmr_pool *pool, enum frmr_fill why)
{
	u32 want, have;

	spin_lock(&pool->lock);
	frmr_gather(pool);
	want = min(pool->ahead, pool->in_use);
	have = pool->idle;
	if (why != FRMR_FILL_AHEAD) {
		want = pool->pinned;
		have += pool->in_use;
	}
	spin_unlock(&pool->lock);
	return want - min(want, have);
}

static void frmr_filled(struct ib_frmr_pool *pool, enum frmr_fill why,
			const u32 *handles, u32 count)
{
	memcpy(pool->handles + pool->idle, handles, count * sizeof(*handles));
	pool->idle += count;
	if (why == FRMR_FILL_AHEAD) {
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

	/* Nothing to do: wait for nobody, and need no memory. */
	if (!frmr_shortfall(pool, why))
		return 0;
	if (!frmr_room_begin(pool->pools, &room))
		return -EINTR;
	count = min(count, frmr_shortfall(pool, why));
	ret = count ? frmr_reserve(pool, count) : 0;
	if (!count || ret)
		goto out;
	do
		ret = frmr_create(pool, handles, count);
	while (why == FRMR_FILL_PINS_MAKE_ROOM && frmr_room_next(&room, ret));

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
 * Creates the pinned handles that the pool is short of. If the device has no room
 * for a batch, half of it is tried.
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
 * Prefill destroys nothing for others. The first error ends it, until the pool
 * has missed FRMR_MISSES times again.
 */
static void frmr_prefill_work(struct work_struct *work)
{
	struct ib_frmr_pool *pool = container_of(work, struct ib_frmr_pool,
						 prefill);
	struct ib_frmr_pools *pools = pool->pools;
	int ret;

	do
		ret = frmr_interrupted(pools) ?:
		      frmr_fill_batch(pool, FRMR_FILL_AHEAD, FRMR_PREFILL_BATCH);
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

/* Shrinks an array that is too large, and gives a contended pool its slots. */
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
		frmr_resize(pool, refs); /* or the array stays as it is */
	if (contended)
		slots = alloc_percpu(struct frmr_slot);
	if (!slots)
		return;
	spin_lock(&pool->lock);
	smp_store_release(&pool->slots, slots); /* pairs with frmr_slots() */
	spin_unlock(&pool->lock);
}

/* Destroys what the last period did not need. */
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
 * Drops the caller's reference, and frees the pool if it has no handle and no pin,
 * and no MR asked for a handle since the last tick. Returns whether the next tick
 * has work to do here.
 */
static bool frmr_pool_put_aged(struct ib_frmr_pool *pool)
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
		 * Replaces handles that were dropped. Destroys nothing for it;
		 * what fails is tried again by the next tick.
		 */
		frmr_fill(pool, FRMR_FILL_PINS);
		again |= frmr_pool_put_aged(pool);
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
	mutex_init(&pools->room_lock);
	INIT_DELAYED_WORK(&pools->aging, frmr_aging_work);
	INIT_WORK(&pools->pressure, frmr_pressure_work);
	pools->aging_period = FRMR_DEFAULT_AGING_PERIOD_SECS;
	refcount_set(&pools->users, 1);
	init_completion(&pools->unused);

	/* Not by the device's name, which may come later, and change. */
	pools->shrinker = shrinker_alloc(0, "frmr-pools");
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
 * are still in use are a leak of the driver's: their pools are named in the log,
 * and leaked as well.
 *
 * Context: process context, may sleep; called with no lock that the driver's
 * create_frmrs or destroy_frmrs takes. Waits for requests from user space that
 * use the pools, and for the work items; these end after the driver call that is
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

/*
 * Creates a handle. While the device is full, takes one that is pushed, too: that
 * is a hit.
 */
static int frmr_pop_new(struct ib_frmr_pool *pool, struct ib_mr *mr, bool *hit)
{
	struct ib_frmr_pools *pools = pool->pools;
	struct ib_frmr_room room = {};
	u32 handle;
	int ret;

	ret = frmr_reserve(pool, 1);
	if (ret)
		return ret;
	frmr_missed(pool);
	do {
		ret = frmr_create(pool, &handle, 1);
		*hit = frmr_is_full(ret) && frmr_pop_fit(pools, mr, NULL);
		if (*hit)
			ret = 0;
	} while (ib_frmr_pools_make_room(pools->device, ret, &room));
	if (frmr_is_full(ret) && fatal_signal_pending(current))
		ret = -EINTR;

	spin_lock(&pool->lock);
	pool->used = true;
	if (!*hit)
		pool->stats[IB_FRMR_MISSES]++;
	if (!*hit && !ret)
		frmr_lend(pool, mr, handle);
	else
		pool->refs--;
	spin_unlock(&pool->lock);
	return ret;
}

static int frmr_pop_miss(struct ib_frmr_pools *pools, struct ib_mr *mr,
			 struct ib_frmr_pool *pool, bool *hit)
{
	int ret;

	pool = pool ?: frmr_pool_make(pools, &mr->frmr.key);
	if (!pool)
		return -ENOMEM;
	ret = frmr_pop_new(pool, mr, hit);
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
 * After two misses in an aging period, a work item prefills the pool if the
 * creation of an object takes longer than 10 us. Each further miss doubles the
 * number of objects, up to the number in use and 128. It destroys no idle object
 * for that.
 *
 * If the device is full, idle objects of other keys are destroyed: none at first,
 * then 1, 2, 4 and so on, with a try after each step. So a pop does not fail for
 * want of an object that lies idle, unpinned, on the device, or that is returned
 * while it waits; the exception is 64 tries in a row that find all objects in
 * use, though others return and take some meanwhile.
 *
 * Context: process context, may sleep; called with no lock that the driver's
 * create_frmrs or destroy_frmrs takes. Allocates within the caller's scope, and
 * with NOIO once it makes room.
 * Return: 0; -EINVAL if the key has no DMA blocks, the device has no pools or
 * the MR has an object already; -ENOMEM; -EINTR if a fatal signal ends the making
 * of room; or what the driver's create_frmrs returned. On failure @mr is
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
	ret = hit ? 0 : frmr_pop_miss(pools, mr, miss, &hit);
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

	/*
	 * No handle, or one that went back, or that cleanup gave up for lost: then
	 * the pool is leaked, and may be looked at.
	 */
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
 * @device: the device; not used, as the MR knows its pool
 * @mr: the MR; see the contract above on what its object must be like
 *
 * Can't fail, and needs no memory. mr->frmr.pool stays not NULL, so that the
 * driver can tell that the object was from a pool. Only warns if @mr has no
 * object, or one that was in use in ib_frmr_pools_cleanup().
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
 * an object that is from no pool. Only warns if @mr has no object.
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
 * stay. A registration on a full device waits for a batch of 64, not for all.
 * Ends early on a fatal signal, or if the device goes away.
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

/*
 * For netlink and work items, for which ib_frmr_pools_cleanup() has to wait. Pop
 * and push need it not: the driver ends them before. Returns NULL if the device
 * has no pools.
 */
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
	ret = mutex_lock_killable(&pool->pin_lock);
	if (ret)
		goto out;
	old = frmr_swap_pinned(pool, count);
	ret = frmr_fill(pool, FRMR_FILL_PINS_MAKE_ROOM);
	if (ret)
		frmr_swap_pinned(pool, old);
	mutex_unlock(&pool->pin_lock);
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
 * Context: process context, may sleep, for long: the caller holds the pools by
 * ib_frmr_pools_get(), but no reference on the device, for which unregistration
 * would have to wait.
 * Return: 0; -EOPNOTSUPP if the device has no pools, or no MR of a user can have
 * that key; -EINVAL for that key, too, or if the device can't hold @count
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
