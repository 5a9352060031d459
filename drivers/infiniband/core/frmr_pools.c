// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FRMR pools: handles of idle hardware MRs, kept for the next registration.
 *
 * A device has a tree of pools, one per key. A pool lends its handles to MRs
 * and gets them back; what was idle for a whole aging period is destroyed.
 *
 * Locks, in the order in which they are taken:
 *
 *   ib_frmr_pools::lock	the tree; no pool leaves it under a reader
 *   frmr_store::lock	the handles of one pool
 *   frmr_cpu::lock	those of them that one CPU has at hand
 *
 * No lock is held while the driver creates or destroys objects. Who finds an
 * idle handle in the pool with his very key does so under RCU, without the lock
 * of the tree: a pool that has left it has no handle to give.
 *
 * Lifetime: the tree holds a reference on each of its pools. A pool leaves the
 * tree when it has no handle and the tree's reference is the only one besides
 * that of the aging work. When cleanup finds handles in use, the tree's
 * reference is left to them, and the last to come back puts it. Each pool holds
 * a reference on the pools it belongs to.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>

#include "frmr_pools.h"
#include "frmr_store.h"

#define CREATE_TRACE_POINTS
#include <trace/events/frmr.h>

#define FRMR_DEFAULT_AGING_PERIOD_SECS 60

/* Handles per driver call: bounds the stack and the time to notice a signal. */
#define FRMR_BATCH 64

/* How often to make room for one handle before the device is taken as full. */
#define FRMR_MAX_TRIES 8

/**
 * struct ib_frmr_pools - the pools of one device
 * @device: the device
 * @ops: what its driver does for them
 * @lock: protects @tree; a search for one key may do with RCU
 * @tree: struct ib_frmr_pool, in the order of frmr_key_cmp()
 * @aging: runs once a period
 * @aging_period: in seconds
 * @destroying: batches of handles that may be neither in a pool nor gone
 * @destroyed: handles destroyed so far, of all pools
 * @users: those for whom ib_frmr_pools_cleanup() waits
 * @unused: completed when there is none left
 * @refs: the device, and each pool
 * @rcu: keeps the memory for those who come without a reference
 */
struct ib_frmr_pools {
	struct ib_device *device;
	const struct ib_frmr_pool_ops *ops;
	rwlock_t lock;
	struct rb_root tree;
	struct delayed_work aging;
	u32 aging_period;
	atomic_t destroying;
	atomic64_t destroyed;
	refcount_t users;
	struct completion unused;
	refcount_t refs;
	struct rcu_head rcu;
};

/**
 * struct ib_frmr_pool - all handles with one key
 * @node: in ib_frmr_pools::tree
 * @pools: where the pool belongs
 * @key: what the handles have in common; never changes
 * @store: the handles
 * @used: handles taken and created by the last aging tick; only the aging work
 *	looks at it
 * @refs: the tree, and everybody who uses the pool for longer than he holds
 *	ib_frmr_pools::lock or one of its handles
 * @stats: enum ib_frmr_stat; the hits are in @store
 * @rcu: keeps the memory for those who have found the pool without the lock, or
 *	have just given back their handle
 */
struct ib_frmr_pool {
	struct rb_node node;
	struct ib_frmr_pools *pools;
	struct ib_frmr_key key;
	struct frmr_store store;
	u64 used;
	refcount_t refs;
	atomic64_t stats[IB_FRMR_NUM_STATS];
	struct rcu_head rcu;
};

/*
 * Keys and the tree
 */

static int frmr_cmp(u64 a, u64 b)
{
	return (a > b) - (a < b);
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

/* The first pool whose key is not less than @key, or NULL. */
static struct ib_frmr_pool *frmr_lower_bound(struct ib_frmr_pools *pools,
					     const struct ib_frmr_key *key)
{
	struct rb_node *node = pools->tree.rb_node;
	struct ib_frmr_pool *pool, *found = NULL;

	while (node) {
		pool = frmr_node_pool(node);
		if (frmr_key_cmp(key, &pool->key) <= 0) {
			found = pool;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/*
 * The pool with exactly @key, or NULL. Called under RCU: while the tree is being
 * changed, a pool may be overlooked. rb_find_rcu() would do if it did not read
 * the root plainly.
 */
static struct ib_frmr_pool *frmr_find_rcu(struct ib_frmr_pools *pools,
					  const struct ib_frmr_key *key)
{
	struct rb_node *node = rcu_dereference_raw(pools->tree.rb_node);
	struct ib_frmr_pool *pool;
	int cmp;

	while (node) {
		pool = frmr_node_pool(node);
		cmp = frmr_key_cmp(key, &pool->key);
		if (!cmp)
			return pool;
		node = rcu_dereference_raw(*(cmp < 0 ? &node->rb_left :
						       &node->rb_right));
	}
	return NULL;
}

/* Whether a handle of @pool may serve @key, which is not above @pool's. */
static bool frmr_pool_fits(const struct ib_frmr_pool *pool,
			   const struct ib_frmr_key *key)
{
	return pool && !frmr_class_cmp(&pool->key, key) &&
	       pool->key.num_dma_blocks - key->num_dma_blocks <
	       key->num_dma_blocks;
}

/*
 * Lifetime
 */

VISIBLE_IF_KUNIT struct ib_frmr_pools *
frmr_pools_alloc(struct ib_device *device)
{
	KUNIT_STATIC_STUB_REDIRECT(frmr_pools_alloc, device);

	return kzalloc(sizeof(struct ib_frmr_pools), GFP_KERNEL);
}
EXPORT_SYMBOL_IF_KUNIT(frmr_pools_alloc);

VISIBLE_IF_KUNIT struct ib_frmr_pool *
frmr_pool_alloc(struct ib_frmr_pools *pools, const struct ib_frmr_key *key)
{
	KUNIT_STATIC_STUB_REDIRECT(frmr_pool_alloc, pools, key);

	return kzalloc(sizeof(struct ib_frmr_pool), GFP_KERNEL);
}
EXPORT_SYMBOL_IF_KUNIT(frmr_pool_alloc);

static void frmr_pools_free_ref(struct ib_frmr_pools *pools)
{
	if (refcount_dec_and_test(&pools->refs))
		kfree_rcu(pools, rcu);
}

static void frmr_pool_free(struct rcu_head *rcu)
{
	struct ib_frmr_pool *pool = container_of(rcu, struct ib_frmr_pool, rcu);

	frmr_store_free(&pool->store);
	kfree(pool);
}

static void frmr_pool_put(struct ib_frmr_pool *pool)
{
	struct ib_frmr_pools *pools = pool->pools;

	if (!refcount_dec_and_test(&pool->refs))
		return;
	call_rcu(&pool->rcu, frmr_pool_free);
	frmr_pools_free_ref(pools);
}

static struct ib_frmr_pool *frmr_pool_new(struct ib_frmr_pools *pools,
					  const struct ib_frmr_key *key)
{
	struct ib_frmr_pool *pool = frmr_pool_alloc(pools, key);

	if (!pool)
		return NULL;
	pool->pools = pools;
	pool->key = *key;
	frmr_store_init(&pool->store);
	refcount_set(&pool->refs, 1);
	refcount_inc(&pools->refs);
	return pool;
}

/* The pool with exactly @key, with a reference for the caller, or NULL. */
static struct ib_frmr_pool *frmr_pool_find(struct ib_frmr_pools *pools,
					   const struct ib_frmr_key *key)
{
	struct ib_frmr_pool *pool;

	read_lock(&pools->lock);
	pool = frmr_lower_bound(pools, key);
	if (pool && !frmr_key_cmp(&pool->key, key))
		refcount_inc(&pool->refs);
	else
		pool = NULL;
	read_unlock(&pools->lock);
	return pool;
}

/* As frmr_pool_find(), but makes the pool if need be; NULL if out of memory. */
static struct ib_frmr_pool *frmr_pool_get(struct ib_frmr_pools *pools,
					  const struct ib_frmr_key *key)
{
	struct ib_frmr_pool *pool = frmr_pool_find(pools, key);
	struct rb_node *twin;

	if (pool)
		return pool;
	pool = frmr_pool_new(pools, key);
	if (!pool)
		return NULL;

	write_lock(&pools->lock);
	twin = rb_find_add_rcu(&pool->node, &pools->tree, frmr_node_cmp);
	if (twin)
		refcount_inc(&frmr_node_pool(twin)->refs);
	else
		refcount_inc(&pool->refs);
	write_unlock(&pools->lock);

	if (twin) {
		frmr_pool_put(pool);
		pool = frmr_node_pool(twin);
	}
	return pool;
}

/*
 * The pool after @after, with a reference for the caller. Finds its place by
 * key: @after's pool may have left the tree. A key of zeros comes before all.
 */
static struct ib_frmr_pool *frmr_pool_after(struct ib_frmr_pools *pools,
					    const struct ib_frmr_key *after)
{
	struct ib_frmr_pool *pool;

	read_lock(&pools->lock);
	pool = frmr_lower_bound(pools, after);
	if (pool && !frmr_key_cmp(&pool->key, after))
		pool = frmr_next_pool(pool);
	if (pool)
		refcount_inc(&pool->refs);
	read_unlock(&pools->lock);
	return pool;
}

/*
 * Moves the caller's reference from @pool, or none, to the pool after it. For
 * walks while pools come and go; who leaves one early puts the last pool.
 */
static struct ib_frmr_pool *frmr_pool_step(struct ib_frmr_pools *pools,
					   struct ib_frmr_pool *pool)
{
	static const struct ib_frmr_key start;
	struct ib_frmr_pool *next;

	next = frmr_pool_after(pools, pool ? &pool->key : &start);
	if (pool)
		frmr_pool_put(pool);
	return next;
}

/* Takes the pool out of the tree unless it got a handle or a user meanwhile. */
static bool frmr_pool_end(struct ib_frmr_pool *pool)
{
	struct ib_frmr_pools *pools = pool->pools;
	struct frmr_store_state state;
	bool end;

	write_lock(&pools->lock);
	/* The tree and the caller: nobody else is about to use the pool. */
	end = refcount_read(&pool->refs) == 2;
	/* Only then look at what those did who have put their reference. */
	smp_rmb();
	frmr_store_read(&pool->store, &state);
	end = end && !state.reserved && !state.pinned;
	if (end)
		rb_erase(&pool->node, &pools->tree);
	write_unlock(&pools->lock);
	if (end)
		frmr_pool_put(pool);
	return end;
}

/*
 * Destroying handles
 */

static void frmr_destroy(struct ib_frmr_pool *pool, u32 *handles, u32 count)
{
	struct ib_frmr_pools *pools = pool->pools;

	trace_frmr_destroy(pools->device, &pool->key, count);
	pools->ops->destroy_frmrs(pools->device, handles, count);
	atomic64_add(count, &pool->stats[IB_FRMR_DESTROYED]);
	atomic64_add(count, &pools->destroyed);
}

/* Destroys up to @count idle handles that are not pinned. */
static u32 frmr_pool_shrink(struct ib_frmr_pool *pool, u32 count)
{
	struct ib_frmr_pools *pools = pool->pools;
	u32 handles[FRMR_BATCH];
	u32 done = 0, n;

	do {
		atomic_inc(&pools->destroying);
		n = frmr_store_take(&pool->store, handles,
				    min_t(u32, count - done, FRMR_BATCH));
		if (n)
			frmr_destroy(pool, handles, n);
		/* Fully ordered: who waits sees that they are destroyed. */
		atomic_dec_return(&pools->destroying);
		wake_up_var(&pools->destroying);
		done += n;
		cond_resched();
	} while (n && done < count);
	if (done)
		frmr_store_trim(&pool->store);
	return done;
}

static u32 frmr_pools_shrink(struct ib_frmr_pools *pools, u32 count)
{
	struct ib_frmr_pool *pool = NULL;
	u32 done = 0, n;

	while ((pool = frmr_pool_step(pools, pool))) {
		n = frmr_pool_shrink(pool, count - done);
		if (n) {
			atomic64_add(n, &pool->stats[IB_FRMR_RECLAIMED]);
			trace_frmr_reclaim(pools->device, &pool->key, n);
		}
		done += n;
		if (done == count) {
			frmr_pool_put(pool);
			break;
		}
	}
	return done;
}

/*
 * Makes the device give up to @count handles that nobody uses. What others are
 * about to destroy is room as well, so waits for one of their batches, if any.
 * Returns how many were destroyed since @destroyed was read.
 */
static u64 frmr_pools_make_room(struct ib_frmr_pools *pools, u32 count,
				s64 destroyed)
{
	s64 before;

	frmr_pools_shrink(pools, count);
	before = atomic64_read(&pools->destroyed);
	wait_var_event(&pools->destroying,
		       !atomic_read_acquire(&pools->destroying) ||
		       atomic64_read(&pools->destroyed) != before);
	return atomic64_read(&pools->destroyed) - destroyed;
}

/*
 * Creating handles. Room for them is reserved.
 */

static int frmr_create(struct ib_frmr_pool *pool, u32 *handles, u32 count)
{
	struct ib_device *device = pool->pools->device;
	/* The driver gets a copy: nothing may alter a key that is in the tree. */
	struct ib_frmr_key key = pool->key;
	int ret;

	ret = pool->pools->ops->create_frmrs(device, &key, handles, count);
	trace_frmr_create(device, &pool->key, count, ret);
	if (ret)
		atomic64_inc(&pool->stats[IB_FRMR_FAILURES]);
	else
		atomic64_add(count, &pool->stats[IB_FRMR_CREATED]);
	return ret;
}

/* Whether a creation that failed may succeed once there is room. */
static bool frmr_wants_room(int error)
{
	return error != -EINVAL && error != -EOPNOTSUPP &&
	       !fatal_signal_pending(current);
}

/* Makes room and tries once more if the device can't create the handles. */
static int frmr_create_or_make_room(struct ib_frmr_pool *pool, u32 *handles,
				    u32 count)
{
	struct ib_frmr_pools *pools = pool->pools;
	s64 destroyed = atomic64_read(&pools->destroyed);
	int ret;

	ret = frmr_create(pool, handles, count);
	if (ret && frmr_wants_room(ret) &&
	    frmr_pools_make_room(pools, U32_MAX, destroyed))
		ret = frmr_create(pool, handles, count);
	return ret;
}

/* Whether filling a pool must end early. */
static int frmr_fill_interrupted(struct ib_frmr_pools *pools)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	/* ib_frmr_pools_cleanup() waits for us. */
	return READ_ONCE(pools->device->frmr_pools) == pools ? 0 : -ENODEV;
}

/*
 * Creates idle handles until the pool has as many as are pinned. Where the
 * device can't create a batch, it gets smaller ones, so that it is filled up.
 */
static int frmr_pool_fill(struct ib_frmr_pool *pool,
			  int (*create)(struct ib_frmr_pool *pool,
					u32 *handles, u32 count))
{
	u32 handles[FRMR_BATCH];
	u32 batch = FRMR_BATCH;
	int count, ret;

	while (!(ret = frmr_fill_interrupted(pool->pools))) {
		count = frmr_store_reserve_pinned(&pool->store, batch);
		if (count <= 0)
			return count;
		ret = create(pool, handles, count);
		if (!ret) {
			frmr_store_add(&pool->store, handles, count);
		} else {
			frmr_store_unreserve(&pool->store, count);
			if (count == 1 || !frmr_wants_room(ret))
				return ret;
			batch = count / 2;
		}
		cond_resched();
	}
	return ret;
}

/*
 * Aging
 */

static unsigned long frmr_pools_period(struct ib_frmr_pools *pools)
{
	u64 period = (u64)READ_ONCE(pools->aging_period) * HZ;

	return min_t(u64, period, MAX_JIFFY_OFFSET);
}

/*
 * Called after anything that gives the aging work something to do. The work is
 * not pending any more when it looks at the pools. If it has looked at a store
 * before the caller changed it, the store's lock makes the caller see that.
 */
static void frmr_pools_arm(struct ib_frmr_pools *pools)
{
	if (!delayed_work_pending(&pools->aging))
		queue_delayed_work(system_unbound_wq, &pools->aging,
				   frmr_pools_period(pools));
}

/* Whether the pool is empty, and nobody has taken a handle since the last tick. */
static bool frmr_pool_is_idle(struct ib_frmr_pool *pool)
{
	struct frmr_store_state state;
	u64 used = pool->used;

	frmr_store_read(&pool->store, &state);
	pool->used = state.hits + atomic64_read(&pool->stats[IB_FRMR_MISSES]) +
		     atomic64_read(&pool->stats[IB_FRMR_CREATED]);
	return !state.reserved && !state.pinned && pool->used == used;
}

static bool frmr_pool_ages(struct ib_frmr_pool *pool)
{
	struct frmr_store_state state;
	u32 total;

	frmr_store_read(&pool->store, &state);
	total = state.idle + state.in_use;
	return !state.reserved || total < state.pinned ||
	       (state.idle && total > state.pinned);
}

/* Returns whether the next tick has something to do for the pool. */
static bool frmr_pool_tick(struct ib_frmr_pool *pool)
{
	u32 unneeded = frmr_store_mark(&pool->store);
	u32 n;

	n = frmr_pool_shrink(pool, unneeded);
	if (n) {
		atomic64_add(n, &pool->stats[IB_FRMR_AGED]);
		trace_frmr_age(pool->pools->device, &pool->key, n);
	}
	/*
	 * Handles may have been dropped. That is no reason to take what other
	 * pools have; what fails now is tried next time.
	 */
	frmr_pool_fill(pool, frmr_create);
	if (frmr_pool_is_idle(pool) && frmr_pool_end(pool))
		return false;
	return frmr_pool_ages(pool);
}

VISIBLE_IF_KUNIT void frmr_pools_age(struct ib_frmr_pools *pools)
{
	struct ib_frmr_pool *pool = NULL;
	bool again = false;

	while ((pool = frmr_pool_step(pools, pool)))
		again |= frmr_pool_tick(pool);
	if (again)
		frmr_pools_arm(pools);
}
EXPORT_SYMBOL_IF_KUNIT(frmr_pools_age);

static void frmr_aging_work(struct work_struct *work)
{
	frmr_pools_age(container_of(to_delayed_work(work),
				    struct ib_frmr_pools, aging));
}

/*
 * For drivers
 */

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

	pools = frmr_pools_alloc(device);
	if (!pools)
		return -ENOMEM;
	pools->device = device;
	pools->ops = pool_ops;
	pools->tree = RB_ROOT;
	rwlock_init(&pools->lock);
	INIT_DELAYED_WORK(&pools->aging, frmr_aging_work);
	pools->aging_period = FRMR_DEFAULT_AGING_PERIOD_SECS;
	refcount_set(&pools->users, 1);
	init_completion(&pools->unused);
	refcount_set(&pools->refs, 1);

	if (cmpxchg(&device->frmr_pools, NULL, pools)) {
		kfree(pools);
		return -EEXIST;
	}
	return 0;
}
EXPORT_SYMBOL(ib_frmr_pools_init);

/* Takes the pool's idle handles; those in use keep the pool and its memory. */
static void frmr_pool_close(struct ib_frmr_pool *pool)
{
	const struct ib_frmr_key *key = &pool->key;
	u32 in_use;

	refcount_inc(&pool->refs);
	in_use = frmr_store_close(&pool->store);
	frmr_pool_shrink(pool, U32_MAX);
	if (!in_use)
		frmr_pool_put(pool); /* the tree's; else the last handle's */
	else
		dev_warn(&pool->pools->device->dev,
			 "FRMR pool %llx:%zx:%x:%x[%llx] still has %u handles in use\n",
			 key->vendor_key, key->num_dma_blocks,
			 key->access_flags, key->ats, key->kernel_vendor_key,
			 in_use);
	frmr_pool_put(pool);
}

/**
 * ib_frmr_pools_cleanup - take a device's pools away
 * @device: the device; nothing happens if it has none
 *
 * The driver has returned or dropped each handle and pops no more. Handles that
 * are still in use are a leak of the driver's: each pool that misses some is
 * named in the log. If they are pushed later after all, the object is destroyed
 * at once; for that, the operations must still work.
 *
 * Context: process context, may sleep. Waits for requests from user space that
 * use the pools, and for the aging work.
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

	ib_frmr_pools_put(pools);
	wait_for_completion(&pools->unused);
	disable_delayed_work_sync(&pools->aging);

	/* Nobody is left who would walk the tree. */
	while ((node = rb_first(&pools->tree))) {
		pool = frmr_node_pool(node);
		rb_erase(node, &pools->tree);
		frmr_pool_close(pool);
	}
	frmr_pools_free_ref(pools);
	/* The code that frees the pools must not go before they are freed. */
	rcu_barrier();
}
EXPORT_SYMBOL(ib_frmr_pools_cleanup);

/*
 * The usual case, where drivers round sizes: an idle handle with exactly the
 * key. Returns NULL if another way has to be tried.
 */
static struct ib_frmr_pool *frmr_pop_exact(struct ib_frmr_pools *pools,
					   const struct ib_frmr_key *key,
					   u32 *handle)
{
	struct ib_frmr_pool *pool;

	rcu_read_lock();
	pool = frmr_find_rcu(pools, key);
	if (pool && frmr_store_pop(&pool->store, handle))
		trace_frmr_pop(pools->device, &pool->key, *handle, true);
	else
		pool = NULL;
	rcu_read_unlock();
	return pool;
}

/*
 * The fullest use of what is idle: the smallest of the fitting pools that has
 * a handle. If none has, *@miss is the smallest of them, with a reference.
 */
static struct ib_frmr_pool *frmr_pop_idle(struct ib_frmr_pools *pools,
					  const struct ib_frmr_key *key,
					  u32 *handle,
					  struct ib_frmr_pool **miss)
{
	struct ib_frmr_pool *pool, *first;

	read_lock(&pools->lock);
	first = frmr_lower_bound(pools, key);
	for (pool = first; frmr_pool_fits(pool, key);
	     pool = frmr_next_pool(pool)) {
		if (frmr_store_pop(&pool->store, handle)) {
			trace_frmr_pop(pools->device, &pool->key, *handle,
				       true);
			goto out;
		}
	}
	pool = NULL;
	if (miss && frmr_pool_fits(first, key)) {
		refcount_inc(&first->refs);
		*miss = first;
	}
out:
	read_unlock(&pools->lock);
	return pool;
}

/*
 * Creates a handle, and makes room for it if need be. What others return while
 * that goes on is taken as well: without pools their objects would be gone and
 * leave room for ours. As others may also take the room that was made, tries
 * again as long as there is some, within reason.
 *
 * Returns NULL with a new handle, the pool of a handle that was returned, or an
 * error.
 */
static struct ib_frmr_pool *frmr_create_or_find(struct ib_frmr_pool *pool,
						const struct ib_frmr_key *key,
						u32 *handle)
{
	struct ib_frmr_pools *pools = pool->pools;
	struct ib_frmr_pool *found;
	int ret, tries = 0;
	s64 destroyed;

	do {
		destroyed = atomic64_read(&pools->destroyed);
		ret = frmr_create(pool, handle, 1);
		if (!ret)
			return NULL;
		if (!frmr_wants_room(ret))
			return ERR_PTR(ret);
		found = frmr_pop_idle(pools, key, handle, NULL);
		if (found)
			return found;
	} while (frmr_pools_make_room(pools, U32_MAX, destroyed) &&
		 ++tries < FRMR_MAX_TRIES);

	return frmr_pop_idle(pools, key, handle, NULL) ?: ERR_PTR(ret);
}

/* A handle that was not idle when it was asked for; its pool, or an error. */
static struct ib_frmr_pool *frmr_pop_new(struct ib_frmr_pool *pool,
					 const struct ib_frmr_key *key,
					 u32 *handle)
{
	struct ib_frmr_pool *found;
	int ret;

	ret = frmr_store_reserve(&pool->store);
	if (ret) {
		found = ERR_PTR(ret);
	} else {
		found = frmr_create_or_find(pool, key, handle);
		if (found)
			frmr_store_unreserve(&pool->store, 1);
	}

	if (IS_ERR_OR_NULL(found))
		atomic64_inc(&pool->stats[IB_FRMR_MISSES]);
	if (found) {
		frmr_pools_arm(pool->pools); /* an unused pool must end */
		return found;
	}
	frmr_store_lend(&pool->store);
	trace_frmr_pop(pool->pools->device, &pool->key, *handle, false);
	return pool;
}

static struct ib_frmr_pool *frmr_pop(struct ib_frmr_pools *pools,
				     const struct ib_frmr_key *key, u32 *handle)
{
	struct ib_frmr_pool *pool, *from, *miss = NULL;

	pool = frmr_pop_exact(pools, key, handle) ?:
	       frmr_pop_idle(pools, key, handle, &miss);
	if (pool)
		return pool;
	pool = miss ?: frmr_pool_get(pools, key);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	from = frmr_pop_new(pool, key, handle);
	frmr_pool_put(pool);
	return from;
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
 * Context: process context, may sleep; called with no lock that the driver's
 * create_frmrs or destroy_frmrs takes.
 * Return: 0; -EINVAL if the key has no DMA blocks, the device has no pools or
 * the MR has an object already; -ENOMEM; or what the driver's create_frmrs
 * returned. On failure @mr is unchanged.
 */
int ib_frmr_pool_pop(struct ib_device *device, struct ib_mr *mr)
{
	struct ib_frmr_pools *pools = READ_ONCE(device->frmr_pools);
	struct ib_frmr_pool *pool;
	u32 handle;

	might_sleep();
	if (WARN_ON_ONCE(!pools || mr->frmr.pool))
		return -EINVAL;
	if (!mr->frmr.key.num_dma_blocks)
		return -EINVAL;

	pool = frmr_pop(pools, &mr->frmr.key, &handle);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	/* From here on the handle keeps the pool. */
	mr->frmr.pool = pool;
	mr->frmr.handle = handle;
	if (unlikely(frmr_store_wants_cpus(&pool->store)))
		frmr_store_add_cpus(&pool->store);
	return 0;
}
EXPORT_SYMBOL(ib_frmr_pool_pop);

/* The handle is not in use any more, and not idle either. */
static void frmr_pool_forget(struct ib_frmr_pool *pool)
{
	if (frmr_store_drop(&pool->store))
		frmr_pool_put(pool);
}

/**
 * ib_frmr_pool_push - return the object of an MR
 * @device: the device
 * @mr: the MR; see the contract above on what its object must be like
 *
 * Can't fail, and needs no memory. Does nothing but warn if @mr has no object.
 *
 * Context: process context. Sleeps only if the pools have been cleaned up
 * meanwhile, as the object is destroyed then.
 */
void ib_frmr_pool_push(struct ib_device *device, struct ib_mr *mr)
{
	struct ib_frmr_pool *pool = mr->frmr.pool;
	u32 handle = mr->frmr.handle;

	might_sleep();
	if (WARN_ON_ONCE(!pool || pool->pools->device != device))
		return;
	mr->frmr.pool = NULL;
	trace_frmr_push(device, &pool->key, handle);

	/* Once the handle is in, only RCU keeps what is touched here. */
	rcu_read_lock();
	if (frmr_store_push(&pool->store, handle)) {
		frmr_pools_arm(pool->pools);
		rcu_read_unlock();
		return;
	}
	rcu_read_unlock();

	frmr_destroy(pool, &handle, 1);
	frmr_pool_forget(pool);
}
EXPORT_SYMBOL(ib_frmr_pool_push);

/**
 * ib_frmr_pool_drop - keep the object of an MR from ever coming back
 * @mr: the MR
 *
 * The driver destroys the object itself, or has to give it up for lost. Does
 * nothing but warn if @mr has no object.
 *
 * Context: process context, does not sleep.
 */
void ib_frmr_pool_drop(struct ib_mr *mr)
{
	struct ib_frmr_pool *pool = mr->frmr.pool;

	if (WARN_ON_ONCE(!pool))
		return;
	mr->frmr.pool = NULL;
	atomic64_inc(&pool->stats[IB_FRMR_DROPPED]);

	rcu_read_lock();
	/* A pinned pool is filled up again, an empty one ends. */
	frmr_pool_forget(pool);
	frmr_pools_arm(pool->pools);
	rcu_read_unlock();
}
EXPORT_SYMBOL(ib_frmr_pool_drop);

/**
 * ib_frmr_pools_reclaim - give idle objects back to the hardware
 * @device: the device; nothing happens if it has no pools
 * @count: the most to give back
 *
 * For a driver that creates objects of its own and has none left. Objects that
 * users have pinned stay.
 *
 * Context: process context, may sleep; called with no lock that the driver's
 * destroy_frmrs takes.
 * Return: how many objects were destroyed, those included that others
 * destroyed meanwhile. Not 0: trying again makes sense.
 */
u32 ib_frmr_pools_reclaim(struct ib_device *device, u32 count)
{
	struct ib_frmr_pools *pools;
	u64 done;

	might_sleep();
	pools = ib_frmr_pools_get(device);
	if (!pools)
		return 0;
	done = frmr_pools_make_room(pools, count,
				    atomic64_read(&pools->destroyed));
	ib_frmr_pools_put(pools);
	return min_t(u64, done, count);
}
EXPORT_SYMBOL(ib_frmr_pools_reclaim);

/*
 * For the rest of ib_core
 */

/**
 * ib_frmr_pools_get - use the pools of a device from outside of its driver
 * @device: the device
 *
 * Return: the pools, which stay until ib_frmr_pools_put(), or NULL.
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

/**
 * ib_frmr_pools_put - the counterpart of ib_frmr_pools_get()
 * @pools: the pools
 */
void ib_frmr_pools_put(struct ib_frmr_pools *pools)
{
	if (refcount_dec_and_test(&pools->users))
		complete(&pools->unused);
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_put);

static void frmr_pool_read(struct ib_frmr_pool *pool,
			   struct ib_frmr_pool_info *info)
{
	struct frmr_store_state state;
	int i;

	frmr_store_read(&pool->store, &state);
	info->key = pool->key;
	info->idle = state.idle;
	info->in_use = state.in_use;
	info->max_in_use = state.max_in_use;
	info->pinned = state.pinned;
	for (i = 0; i < IB_FRMR_NUM_STATS; i++)
		info->stats[i] = atomic64_read(&pool->stats[i]);
	info->stats[IB_FRMR_HITS] = state.hits;
}

/**
 * ib_frmr_pools_next_info - look at one pool after the other
 * @pools: the pools
 * @after: key of the last pool seen, or zeros for the first pool
 * @info: out: the pool
 *
 * A walk sees each pool that exists throughout once, and no pool twice, while
 * other pools come and go.
 *
 * Return: true, or false if there is no further pool.
 */
bool ib_frmr_pools_next_info(struct ib_frmr_pools *pools,
			     const struct ib_frmr_key *after,
			     struct ib_frmr_pool_info *info)
{
	struct ib_frmr_pool *pool = frmr_pool_after(pools, after);

	if (!pool)
		return false;
	frmr_pool_read(pool, info);
	frmr_pool_put(pool);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_next_info);

/**
 * ib_frmr_pools_aging_period - how long an idle handle is kept
 * @pools: the pools
 *
 * Return: the aging period in seconds.
 */
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
	u32 old, change;
	int ret;

	pool = count ? frmr_pool_get(pools, key) : frmr_pool_find(pools, key);
	if (!pool)
		return count ? -ENOMEM : 0;

	change = frmr_store_set_pinned(&pool->store, count, &old);
	ret = frmr_pool_fill(pool, frmr_create_or_make_room);
	if (ret)
		frmr_store_restore_pinned(&pool->store, change, old);
	frmr_pools_arm(pools);
	frmr_pool_put(pool);
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
	mod_delayed_work(system_unbound_wq, &pools->aging,
			 frmr_pools_period(pools));
	ib_frmr_pools_put(pools);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ib_frmr_pools_set_aging_period);
