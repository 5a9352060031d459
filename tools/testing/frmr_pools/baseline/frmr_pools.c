// SPDX-License-Identifier: GPL-2.0
/*
 * What the benchmark compares the core with: the pools as one would write them
 * first. A tree under a reader-writer lock; in each pool one lock, and a stack
 * in pages, allocated and cleared when the last one is full and freed when it is
 * empty. So does the cache of mkeys that mlx5 has without this series.
 *
 * Keeps the interface and the rules that the benchmark needs, but neither
 * reclaims nor ends pools.
 */
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>

#include "../../../../drivers/infiniband/core/frmr_pools.h"

#define BATCH 64

struct page_of_handles {
	struct list_head entry;
	u32 handles[(PAGE_SIZE - sizeof(struct list_head)) / sizeof(u32)];
};

#define PER_PAGE ARRAY_SIZE(((struct page_of_handles *)NULL)->handles)

struct ib_frmr_pool {
	struct rb_node node;
	struct ib_frmr_key key;
	spinlock_t lock; /* protects all that follows */
	struct list_head pages;
	u32 idle;
	u32 in_use;
	u32 max_in_use;
	u32 pinned;
	u32 low;
};

struct ib_frmr_pools {
	struct ib_device *device;
	const struct ib_frmr_pool_ops *ops;
	rwlock_t lock; /* protects the tree */
	struct rb_root tree;
	struct delayed_work aging;
	u32 aging_period;
};

static int key_cmp(const struct ib_frmr_key *a, const struct ib_frmr_key *b)
{
	return cmp_int(a->kernel_vendor_key, b->kernel_vendor_key) ?:
	       cmp_int(a->vendor_key, b->vendor_key) ?:
	       cmp_int(a->access_flags, b->access_flags) ?:
	       cmp_int(a->ats, b->ats) ?:
	       cmp_int(a->num_dma_blocks, b->num_dma_blocks);
}

static struct ib_frmr_pool *to_pool(struct rb_node *node)
{
	return rb_entry_safe(node, struct ib_frmr_pool, node);
}

static int node_cmp(struct rb_node *a, const struct rb_node *b)
{
	return key_cmp(&to_pool(a)->key,
		       &rb_entry(b, struct ib_frmr_pool, node)->key);
}

static struct ib_frmr_pool *lower_bound(struct ib_frmr_pools *pools,
					const struct ib_frmr_key *key)
{
	struct rb_node *node = pools->tree.rb_node;
	struct ib_frmr_pool *found = NULL;

	while (node) {
		if (key_cmp(key, &to_pool(node)->key) <= 0) {
			found = to_pool(node);
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static bool fits(const struct ib_frmr_pool *pool, const struct ib_frmr_key *key)
{
	struct ib_frmr_key same;

	if (!pool)
		return false;
	same = pool->key;
	same.num_dma_blocks = key->num_dma_blocks;
	return !key_cmp(&same, key) &&
	       pool->key.num_dma_blocks < 2 * key->num_dma_blocks;
}

static struct page_of_handles *last_page(struct ib_frmr_pool *pool)
{
	return list_last_entry(&pool->pages, struct page_of_handles, entry);
}

static bool stack_put(struct ib_frmr_pool *pool, u32 handle)
{
	struct page_of_handles *page;

	if (pool->idle % PER_PAGE == 0) {
		page = kzalloc(sizeof(*page), GFP_ATOMIC);
		if (!page)
			return false;
		list_add_tail(&page->entry, &pool->pages);
	}
	last_page(pool)->handles[pool->idle++ % PER_PAGE] = handle;
	return true;
}

static u32 stack_get(struct ib_frmr_pool *pool)
{
	struct page_of_handles *page = last_page(pool);
	u32 handle = page->handles[--pool->idle % PER_PAGE];

	if (pool->idle % PER_PAGE == 0) {
		list_del(&page->entry);
		kfree(page);
	}
	pool->low = min(pool->low, pool->idle);
	return handle;
}

static void lend(struct ib_frmr_pool *pool)
{
	pool->in_use++;
	pool->max_in_use = max(pool->max_in_use, pool->in_use);
}

static void shrink(struct ib_frmr_pools *pools, struct ib_frmr_pool *pool,
		   u32 count)
{
	u32 handles[BATCH];
	u32 total, n, i;

	do {
		spin_lock(&pool->lock);
		total = pool->idle + pool->in_use;
		n = min3(min_t(u32, count, BATCH), pool->idle,
			 total - min(total, pool->pinned));
		for (i = 0; i < n; i++)
			handles[i] = stack_get(pool);
		spin_unlock(&pool->lock);
		if (n)
			pools->ops->destroy_frmrs(pools->device, handles, n);
		count -= n;
	} while (n);
}

static int fill(struct ib_frmr_pools *pools, struct ib_frmr_pool *pool,
		u32 count)
{
	struct ib_frmr_key key;
	u32 handles[BATCH];
	u32 n, i;
	int ret;

	while (READ_ONCE(pool->idle) + READ_ONCE(pool->in_use) < count) {
		key = pool->key;
		n = min_t(u32, count - pool->idle - pool->in_use, BATCH);
		ret = pools->ops->create_frmrs(pools->device, &key, handles, n);
		if (ret)
			return ret;
		spin_lock(&pool->lock);
		for (i = 0; i < n; i++)
			stack_put(pool, handles[i]);
		spin_unlock(&pool->lock);
	}
	return 0;
}

static void arm(struct ib_frmr_pools *pools)
{
	if (!delayed_work_pending(&pools->aging))
		queue_delayed_work(system_dfl_wq, &pools->aging,
				   secs_to_jiffies(pools->aging_period));
}

static void aging_work(struct work_struct *work)
{
	struct ib_frmr_pools *pools = container_of(to_delayed_work(work),
						   struct ib_frmr_pools, aging);
	struct ib_frmr_pool *pool;
	struct rb_node *node;
	bool again = false;
	u32 low;

	for (node = rb_first(&pools->tree); node; node = rb_next(node)) {
		pool = to_pool(node);
		spin_lock(&pool->lock);
		low = pool->low;
		pool->low = pool->idle;
		spin_unlock(&pool->lock);
		shrink(pools, pool, low);
		again |= READ_ONCE(pool->idle);
	}
	if (again)
		arm(pools);
}

static struct ib_frmr_pool *find_or_make(struct ib_frmr_pools *pools,
					 const struct ib_frmr_key *key)
{
	struct ib_frmr_pool *pool;
	struct rb_node *twin;

	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return NULL;
	pool->key = *key;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->pages);
	write_lock(&pools->lock);
	twin = rb_find_add(&pool->node, &pools->tree, node_cmp);
	write_unlock(&pools->lock);
	if (!twin)
		return pool;
	kfree(pool);
	return to_pool(twin);
}

int ib_frmr_pools_init(struct ib_device *device,
		       const struct ib_frmr_pool_ops *pool_ops)
{
	struct ib_frmr_pools *pools = kzalloc(sizeof(*pools), GFP_KERNEL);

	if (!pools)
		return -ENOMEM;
	pools->device = device;
	pools->ops = pool_ops;
	pools->tree = RB_ROOT;
	pools->aging_period = 60;
	rwlock_init(&pools->lock);
	INIT_DELAYED_WORK(&pools->aging, aging_work);
	device->frmr_pools = pools;
	return 0;
}

void ib_frmr_pools_cleanup(struct ib_device *device)
{
	struct ib_frmr_pools *pools = device->frmr_pools;
	struct ib_frmr_pool *pool, *next;

	device->frmr_pools = NULL;
	cancel_delayed_work_sync(&pools->aging);
	rbtree_postorder_for_each_entry_safe(pool, next, &pools->tree, node) {
		pool->pinned = 0;
		shrink(pools, pool, U32_MAX);
		kfree(pool);
	}
	kfree(pools);
}

int ib_frmr_pool_pop(struct ib_device *device, struct ib_mr *mr)
{
	struct ib_frmr_pools *pools = device->frmr_pools;
	struct ib_frmr_key *key = &mr->frmr.key;
	struct ib_frmr_pool *pool, *first;
	struct ib_frmr_key copy;
	bool found = false;
	int ret;

	read_lock(&pools->lock);
	first = lower_bound(pools, key);
	for (pool = first; fits(pool, key);
	     pool = to_pool(rb_next(&pool->node))) {
		spin_lock(&pool->lock);
		found = pool->idle;
		if (found) {
			mr->frmr.handle = stack_get(pool);
			lend(pool);
		}
		spin_unlock(&pool->lock);
		if (found)
			break;
	}
	read_unlock(&pools->lock);

	if (!found) {
		pool = fits(first, key) ? first : find_or_make(pools, key);
		if (!pool)
			return -ENOMEM;
		copy = pool->key;
		ret = pools->ops->create_frmrs(device, &copy, &mr->frmr.handle,
					       1);
		if (ret)
			return ret;
		spin_lock(&pool->lock);
		lend(pool);
		spin_unlock(&pool->lock);
	}
	mr->frmr.pool = pool;
	return 0;
}

void ib_frmr_pool_push(struct ib_device *device, struct ib_mr *mr)
{
	struct ib_frmr_pool *pool = mr->frmr.pool;
	bool kept;

	mr->frmr.pool = NULL;
	spin_lock(&pool->lock);
	pool->in_use--;
	kept = stack_put(pool, mr->frmr.handle);
	spin_unlock(&pool->lock);
	if (kept)
		arm(device->frmr_pools);
	else
		device->frmr_pools->ops->destroy_frmrs(device,
						       &mr->frmr.handle, 1);
}

void ib_frmr_pool_drop(struct ib_mr *mr)
{
	struct ib_frmr_pool *pool = mr->frmr.pool;

	mr->frmr.pool = NULL;
	spin_lock(&pool->lock);
	pool->in_use--;
	spin_unlock(&pool->lock);
}

int ib_frmr_pools_set_pinned(struct ib_device *device, struct ib_frmr_key *key,
			     u32 count)
{
	struct ib_frmr_pools *pools = device->frmr_pools;
	struct ib_frmr_pool *pool = find_or_make(pools, key);

	if (!pool)
		return -ENOMEM;
	spin_lock(&pool->lock);
	pool->pinned = count;
	spin_unlock(&pool->lock);
	arm(pools);
	return fill(pools, pool, count);
}

int ib_frmr_pools_set_aging_period(struct ib_device *device, u32 seconds)
{
	struct ib_frmr_pools *pools = device->frmr_pools;

	pools->aging_period = seconds;
	mod_delayed_work(system_dfl_wq, &pools->aging,
			 secs_to_jiffies(seconds));
	return 0;
}

struct ib_frmr_pools *ib_frmr_pools_get(struct ib_device *device)
{
	return device->frmr_pools;
}

void ib_frmr_pools_put(struct ib_frmr_pools *pools)
{
}

bool ib_frmr_pools_next_info(struct ib_frmr_pools *pools,
			     const struct ib_frmr_key *after,
			     struct ib_frmr_pool_info *info)
{
	struct ib_frmr_pool *pool;

	read_lock(&pools->lock);
	pool = lower_bound(pools, after);
	if (pool && !key_cmp(&pool->key, after))
		pool = to_pool(rb_next(&pool->node));
	read_unlock(&pools->lock);
	if (!pool)
		return false;

	spin_lock(&pool->lock);
	memset(info, 0, sizeof(*info));
	info->key = pool->key;
	info->idle = pool->idle;
	info->in_use = pool->in_use;
	info->max_in_use = pool->max_in_use;
	info->pinned = pool->pinned;
	spin_unlock(&pool->lock);
	return true;
}
