// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A mock of a device, for the tests of the FRMR pools. It knows each object that
 * it made, and tells the test when the core breaks the contract.
 */
#include <kunit/static_stub.h>
#include <kunit/test-bug.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../frmr_pools.h"
#include "frmr_mock.h"

struct frmr_mock_object {
	struct ib_frmr_key key;
	bool out;
};

static struct frmr_mock *to_mock(struct ib_device *ibdev)
{
	return container_of(ibdev, struct frmr_mock, ibdev);
}

/*
 * The order that the design asks for. On purpose not written like the one in
 * the core, so that both hardly have the same mistake.
 */
int frmr_mock_key_cmp(const struct ib_frmr_key *a, const struct ib_frmr_key *b)
{
	u64 fields[][2] = {
		{ a->kernel_vendor_key, b->kernel_vendor_key },
		{ a->vendor_key, b->vendor_key },
		{ a->access_flags, b->access_flags },
		{ a->ats, b->ats },
		{ a->num_dma_blocks, b->num_dma_blocks },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i][0] < fields[i][1])
			return -1;
		if (fields[i][0] > fields[i][1])
			return 1;
	}
	return 0;
}

static bool frmr_mock_fits(const struct ib_frmr_key *has,
			   const struct ib_frmr_key *wants)
{
	struct ib_frmr_key resized = *has;

	resized.num_dma_blocks = wants->num_dma_blocks;
	return !frmr_mock_key_cmp(&resized, wants) &&
	       has->num_dma_blocks >= wants->num_dma_blocks &&
	       has->num_dma_blocks / 2 < wants->num_dma_blocks;
}

/* What the device says to a wish for @count objects. */
static int frmr_mock_admit(struct frmr_mock *mock, size_t blocks, u32 count)
{
	lockdep_assert_held(&mock->lock);

	mock->create_calls++;
	if (!(current->flags & PF_MEMALLOC_NOIO))
		mock->io_creates++;
	if (mock->good_calls) {
		mock->good_calls--;
	} else if (mock->bad_calls) {
		mock->bad_calls--;
		return mock->error;
	}
	if (mock->bad_odds && !get_random_u32_below(mock->bad_odds))
		return mock->error;
	if (blocks > mock->max_blocks)
		return -EINVAL;
	if (mock->live + mock->others + count > mock->capacity)
		return -ENOMEM;
	return 0;
}

/* NOIO: memory reclaim takes the lock, too. */
static u32 frmr_mock_make(struct frmr_mock *mock, const struct ib_frmr_key *key)
{
	struct frmr_mock_object *object = kzalloc(sizeof(*object), GFP_NOIO);
	u32 handle = mock->next_handle++;

	lockdep_assert_held(&mock->lock);

	if (!object || xa_err(xa_store(&mock->objects, handle, object,
				       GFP_NOIO))) {
		KUNIT_FAIL(mock->test, "no memory for an object");
		kfree(object);
		return handle;
	}
	object->key = *key;
	mock->live++;
	mock->created++;
	return handle;
}

static void frmr_mock_unmake(struct frmr_mock *mock, u32 handle)
{
	struct frmr_mock_object *object = xa_erase(&mock->objects, handle);

	lockdep_assert_held(&mock->lock);

	if (!object) {
		KUNIT_FAIL(mock->test, "handle %u does not exist", handle);
		return;
	}
	if (object->out)
		KUNIT_FAIL(mock->test, "handle %u destroyed in use", handle);
	kfree(object);
	mock->live--;
}

/* As the commands of a real device do, these allocate: lockdep looks where. */
static void frmr_mock_begin_batch(struct frmr_mock *mock, u32 count)
{
	might_sleep();
	if (!count || count > FRMR_MOCK_MAX_BATCH)
		KUNIT_FAIL(mock->test, "a batch of %u", count);
	kfree(kmalloc(64, GFP_KERNEL));
}

/* A hook may take itself away. */
static void frmr_mock_run_hook(struct frmr_mock *mock,
			       void (**hook)(struct frmr_mock *mock))
{
	void (*fn)(struct frmr_mock *mock) = READ_ONCE(*hook);

	if (fn)
		fn(mock);
}

static int frmr_mock_create_frmrs(struct ib_device *ibdev,
				  struct ib_frmr_key *key, u32 *handles,
				  u32 count)
{
	struct frmr_mock *mock = to_mock(ibdev);
	int ret, i;

	frmr_mock_begin_batch(mock, count);
	mutex_lock(&mock->lock);
	ret = frmr_mock_admit(mock, key->num_dma_blocks, count);
	/* Handles that were not created are garbage. */
	for (i = 0; i < count; i++)
		handles[i] = ret ? U32_MAX : frmr_mock_make(mock, key);
	if (!mock->quick)
		WRITE_ONCE(mock->clock, mock->clock +
					count * 100 * NSEC_PER_USEC);
	mutex_unlock(&mock->lock);
	frmr_mock_run_hook(mock, &mock->create_hook);

	if (mock->scribbles)
		memset(key, 0x5a, sizeof(*key));
	return ret;
}

static void frmr_mock_destroy_frmrs(struct ib_device *ibdev, u32 *handles,
				    u32 count)
{
	struct frmr_mock *mock = to_mock(ibdev);
	int i;

	frmr_mock_begin_batch(mock, count);
	frmr_mock_run_hook(mock, &mock->destroy_hook);

	mutex_lock(&mock->lock);
	mock->destroy_calls++;
	if (!(current->flags & PF_MEMALLOC_NOIO))
		mock->io_destroys++;
	for (i = 0; i < count; i++) {
		frmr_mock_unmake(mock, handles[i]);
		handles[i] = U32_MAX;
	}
	mock->destroyed += count;
	mutex_unlock(&mock->lock);
}

static int frmr_mock_build_key(struct ib_device *ibdev,
			       const struct ib_frmr_key *in,
			       struct ib_frmr_key *out)
{
	return to_mock(ibdev)->build_key(in, out);
}

const struct ib_frmr_pool_ops frmr_mock_ops = {
	.create_frmrs = frmr_mock_create_frmrs,
	.destroy_frmrs = frmr_mock_destroy_frmrs,
};

const struct ib_frmr_pool_ops frmr_mock_building_ops = {
	.create_frmrs = frmr_mock_create_frmrs,
	.destroy_frmrs = frmr_mock_destroy_frmrs,
	.build_key = frmr_mock_build_key,
};

static void frmr_mock_free(void *data)
{
	struct frmr_mock *mock = data;
	struct frmr_mock_object *object;
	unsigned long handle;

	xa_for_each(&mock->objects, handle, object)
		kfree(object);
	xa_destroy(&mock->objects);
	ib_dealloc_device(&mock->ibdev);
}

/* A device without pools; gone at the end of the test. */
struct frmr_mock *frmr_mock_new(struct kunit *test)
{
	struct frmr_mock *mock = ib_alloc_device(frmr_mock, ibdev);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, mock);
	mock->test = test;
	mutex_init(&mock->lock);
	xa_init(&mock->objects);
	init_completion(&mock->entered);
	init_completion(&mock->may_end);
	mock->next_handle = 1000;
	mock->good_allocs = U32_MAX;
	mock->capacity = U32_MAX;
	mock->max_blocks = SIZE_MAX;
	mock->error = -ENOMEM;
	mock->ibdev.attrs.max_mr = 10000;

	ret = kunit_add_action_or_reset(test, frmr_mock_free, mock);
	KUNIT_ASSERT_EQ(test, ret, 0);
	ret = dev_set_name(&mock->ibdev.dev, "frmr_mock");
	KUNIT_ASSERT_EQ(test, ret, 0);
	return mock;
}

/* One work at a time is enough for tests. */
static bool frmr_mock_queue(struct work_struct *work)
{
	struct frmr_mock *mock = kunit_get_current_test()->priv;

	if (!mock->queues || mock->work)
		return false;
	mock->work = work;
	return true;
}

static u64 frmr_mock_clock(void)
{
	struct frmr_mock *mock = kunit_get_current_test()->priv;

	return READ_ONCE(mock->clock);
}

int frmr_mock_run_queued(struct frmr_mock *mock)
{
	struct work_struct *work = mock->work;

	mock->work = NULL;
	if (work)
		work->func(work);
	return 0;
}

/*
 * Before each test: a device with pools that age, and create ahead, only when
 * they are told to.
 */
int frmr_mock_init(struct kunit *test)
{
	struct frmr_mock *mock = frmr_mock_new(test);
	int ret;

	test->priv = mock;
	kunit_activate_static_stub(test, frmr_queue, frmr_mock_queue);
	kunit_activate_static_stub(test, frmr_clock, frmr_mock_clock);
	ret = ib_frmr_pools_init(&mock->ibdev, &frmr_mock_ops);
	return ret ?: ib_frmr_pools_set_aging_period(&mock->ibdev, 24 * 3600);
}

/* The same, but work is queued, for the test to run. */
int frmr_mock_init_queues(struct kunit *test)
{
	int ret = frmr_mock_init(test);
	struct frmr_mock *mock = test->priv;

	mock->queues = true;
	return ret;
}

static u32 frmr_mock_check_pool(struct frmr_mock *mock,
				const struct ib_frmr_pool_info *info)
{
	const u64 *stats = info->stats;

	KUNIT_EXPECT_EQ_MSG(mock->test, stats[IB_FRMR_CREATED],
			    stats[IB_FRMR_DESTROYED] +
			    stats[IB_FRMR_DROPPED] + info->idle + info->in_use,
			    "pool of %zu blocks", info->key.num_dma_blocks);
	KUNIT_EXPECT_LE(mock->test,
			stats[IB_FRMR_AGED] + stats[IB_FRMR_RECLAIMED],
			stats[IB_FRMR_DESTROYED]);
	KUNIT_EXPECT_LE(mock->test, info->in_use, info->max_in_use);
	return info->idle + info->in_use;
}

/* At rest, the pools and the device agree on what there is. */
void frmr_mock_check_accounts(struct frmr_mock *mock)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&mock->ibdev);
	struct ib_frmr_pool_info info;
	struct ib_frmr_key last = {};
	u32 handles = 0;

	if (!pools)
		return;
	while (ib_frmr_pools_next_info(pools, &last, &info)) {
		if (frmr_mock_key_cmp(&info.key, &last) <= 0) {
			KUNIT_FAIL(mock->test, "the walk goes astray");
			break;
		}
		handles += frmr_mock_check_pool(mock, &info);
		last = info.key;
	}
	KUNIT_EXPECT_EQ(mock->test, handles, mock->live);
	ib_frmr_pools_put(pools);
}

/* After each test: nothing may be left. */
void frmr_mock_exit(struct kunit *test)
{
	struct frmr_mock *mock = test->priv;

	if (!mock)
		return;
	mock->create_hook = NULL;
	mock->destroy_hook = NULL;
	frmr_mock_run_queued(mock);
	frmr_mock_check_accounts(mock);
	ib_frmr_pools_cleanup(&mock->ibdev);
	KUNIT_EXPECT_EQ(test, mock->live, 0);
}

/* The MR's object is live, fits, and belongs to nobody else. */
static void frmr_mock_claim(struct frmr_mock *mock, struct ib_mr *mr)
{
	struct frmr_mock_object *object;
	u32 handle = mr->frmr.handle;

	mutex_lock(&mock->lock);
	object = xa_load(&mock->objects, handle);
	if (!object) {
		KUNIT_FAIL(mock->test, "popped handle %u, not live", handle);
	} else {
		if (object->out)
			KUNIT_FAIL(mock->test, "popped handle %u, in use",
				   handle);
		if (!frmr_mock_fits(&object->key, &mr->frmr.key))
			KUNIT_FAIL(mock->test, "%zu blocks for %zu",
				   object->key.num_dma_blocks,
				   mr->frmr.key.num_dma_blocks);
		object->out = true;
	}
	mutex_unlock(&mock->lock);
}

static void frmr_mock_release(struct frmr_mock *mock, u32 handle)
{
	struct frmr_mock_object *object;

	mutex_lock(&mock->lock);
	object = xa_load(&mock->objects, handle);
	if (object)
		object->out = false;
	mutex_unlock(&mock->lock);
}

/* As the driver would, but checks what comes back. */
int frmr_mock_pop(struct frmr_mock *mock, struct ib_mr *mr)
{
	struct ib_mr before = *mr;
	int ret;

	ret = ib_frmr_pool_pop(&mock->ibdev, mr);
	if (frmr_mock_key_cmp(&before.frmr.key, &mr->frmr.key))
		KUNIT_FAIL(mock->test, "pop altered the key");
	if (!ret)
		frmr_mock_claim(mock, mr);
	else if (before.frmr.pool != mr->frmr.pool ||
		 before.frmr.handle != mr->frmr.handle)
		KUNIT_FAIL(mock->test, "pop failed, but altered the MR");
	return ret;
}

void frmr_mock_push(struct frmr_mock *mock, struct ib_mr *mr)
{
	frmr_mock_release(mock, mr->frmr.handle);
	ib_frmr_pool_push(&mock->ibdev, mr);
}

/* The driver destroys the object itself. */
void frmr_mock_drop(struct frmr_mock *mock, struct ib_mr *mr)
{
	ib_frmr_pool_drop(mr);
	frmr_mock_lose(mock, mr);
}

/* It does so without a word to the core. */
void frmr_mock_lose(struct frmr_mock *mock, struct ib_mr *mr)
{
	frmr_mock_release(mock, mr->frmr.handle);
	mutex_lock(&mock->lock);
	frmr_mock_unmake(mock, mr->frmr.handle);
	mutex_unlock(&mock->lock);
}

/* An object that is none of the pools' business, but needs room. */
int frmr_mock_create_other(struct frmr_mock *mock)
{
	int ret;

	mutex_lock(&mock->lock);
	ret = frmr_mock_admit(mock, 1, 1);
	if (!ret)
		mock->others++;
	mutex_unlock(&mock->lock);
	return ret;
}

void frmr_mock_destroy_others(struct frmr_mock *mock)
{
	mutex_lock(&mock->lock);
	mock->others = 0;
	mutex_unlock(&mock->lock);
}

u32 frmr_mock_live(struct frmr_mock *mock)
{
	u32 live;

	mutex_lock(&mock->lock);
	live = mock->live;
	mutex_unlock(&mock->lock);
	return live;
}
