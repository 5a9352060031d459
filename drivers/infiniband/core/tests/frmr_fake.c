// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A device that is made up, for the tests of the FRMR pools. It knows each
 * object that it made, and tells the test when the core breaks the contract.
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "../frmr_pools.h"
#include "frmr_fake.h"

struct frmr_fake_object {
	struct ib_frmr_key key;
	bool out;
};

static struct frmr_fake *to_fake(struct ib_device *ibdev)
{
	return container_of(ibdev, struct frmr_fake, ibdev);
}

/*
 * The order that the design asks for. On purpose not written like the one in
 * the core, so that both hardly have the same mistake.
 */
int frmr_fake_key_cmp(const struct ib_frmr_key *a, const struct ib_frmr_key *b)
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

static bool frmr_fake_fits(const struct ib_frmr_key *has,
			   const struct ib_frmr_key *wants)
{
	struct ib_frmr_key resized = *has;

	resized.num_dma_blocks = wants->num_dma_blocks;
	return !frmr_fake_key_cmp(&resized, wants) &&
	       has->num_dma_blocks >= wants->num_dma_blocks &&
	       has->num_dma_blocks / 2 < wants->num_dma_blocks;
}

/* What the device says to a wish for @count objects. */
static int frmr_fake_admit(struct frmr_fake *fake,
			   const struct ib_frmr_key *key, u32 count)
{
	lockdep_assert_held(&fake->lock);

	if (fake->good_calls) {
		fake->good_calls--;
	} else if (fake->bad_calls) {
		fake->bad_calls--;
		return fake->error;
	}
	if (fake->bad_odds && !get_random_u32_below(fake->bad_odds))
		return fake->error;
	if (key->num_dma_blocks > fake->max_blocks)
		return -EINVAL;
	if (fake->live + count > fake->capacity)
		return -ENOMEM;
	return 0;
}

static u32 frmr_fake_make(struct frmr_fake *fake, const struct ib_frmr_key *key)
{
	struct frmr_fake_object *object = kzalloc(sizeof(*object), GFP_KERNEL);
	u32 handle = fake->next_handle++;

	lockdep_assert_held(&fake->lock);

	if (!object || xa_err(xa_store(&fake->objects, handle, object,
				       GFP_KERNEL))) {
		KUNIT_FAIL(fake->test, "no memory for an object");
		kfree(object);
		return handle;
	}
	object->key = *key;
	fake->live++;
	fake->created++;
	return handle;
}

static void frmr_fake_unmake(struct frmr_fake *fake, u32 handle)
{
	struct frmr_fake_object *object = xa_erase(&fake->objects, handle);

	lockdep_assert_held(&fake->lock);

	if (!object) {
		KUNIT_FAIL(fake->test, "handle %u does not exist", handle);
		return;
	}
	if (object->out)
		KUNIT_FAIL(fake->test, "handle %u destroyed in use", handle);
	kfree(object);
	fake->live--;
}

static void frmr_fake_check_batch(struct frmr_fake *fake, u32 count)
{
	might_sleep();
	if (!count || count > FRMR_FAKE_MAX_BATCH)
		KUNIT_FAIL(fake->test, "a batch of %u", count);
}

/* A hook may take itself away. */
static void frmr_fake_run_hook(struct frmr_fake *fake,
			       void (**hook)(struct frmr_fake *fake))
{
	void (*fn)(struct frmr_fake *fake) = READ_ONCE(*hook);

	if (fn)
		fn(fake);
}

static int frmr_fake_create_frmrs(struct ib_device *ibdev,
				  struct ib_frmr_key *key, u32 *handles,
				  u32 count)
{
	struct frmr_fake *fake = to_fake(ibdev);
	int ret, i;

	frmr_fake_check_batch(fake, count);
	frmr_fake_run_hook(fake, &fake->create_hook);

	mutex_lock(&fake->lock);
	fake->create_calls++;
	ret = frmr_fake_admit(fake, key, count);
	/* Whoever looks at handles that were not created gets garbage. */
	for (i = 0; i < count; i++)
		handles[i] = ret ? U32_MAX : frmr_fake_make(fake, key);
	mutex_unlock(&fake->lock);

	if (fake->scribbles)
		memset(key, 0x5a, sizeof(*key));
	return ret;
}

static void frmr_fake_destroy_frmrs(struct ib_device *ibdev, u32 *handles,
				    u32 count)
{
	struct frmr_fake *fake = to_fake(ibdev);
	int i;

	frmr_fake_check_batch(fake, count);
	frmr_fake_run_hook(fake, &fake->destroy_hook);

	mutex_lock(&fake->lock);
	fake->destroy_calls++;
	for (i = 0; i < count; i++) {
		frmr_fake_unmake(fake, handles[i]);
		handles[i] = U32_MAX;
	}
	fake->destroyed += count;
	mutex_unlock(&fake->lock);
}

static int frmr_fake_build_key(struct ib_device *ibdev,
			       const struct ib_frmr_key *in,
			       struct ib_frmr_key *out)
{
	return to_fake(ibdev)->build_key(in, out);
}

const struct ib_frmr_pool_ops frmr_fake_ops = {
	.create_frmrs = frmr_fake_create_frmrs,
	.destroy_frmrs = frmr_fake_destroy_frmrs,
};

const struct ib_frmr_pool_ops frmr_fake_building_ops = {
	.create_frmrs = frmr_fake_create_frmrs,
	.destroy_frmrs = frmr_fake_destroy_frmrs,
	.build_key = frmr_fake_build_key,
};

static void frmr_fake_free(void *data)
{
	struct frmr_fake *fake = data;
	struct frmr_fake_object *object;
	unsigned long handle;

	xa_for_each(&fake->objects, handle, object)
		kfree(object);
	xa_destroy(&fake->objects);
	ib_dealloc_device(&fake->ibdev);
}

/* A device without pools; gone at the end of the test. */
struct frmr_fake *frmr_fake_new(struct kunit *test)
{
	struct frmr_fake *fake = ib_alloc_device(frmr_fake, ibdev);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	mutex_init(&fake->lock);
	xa_init(&fake->objects);
	fake->next_handle = 1000;
	fake->good_allocs = U32_MAX;
	fake->capacity = U32_MAX;
	fake->max_blocks = SIZE_MAX;
	fake->error = -ENOMEM;
	fake->ibdev.attrs.max_mr = 10000;

	ret = kunit_add_action_or_reset(test, frmr_fake_free, fake);
	KUNIT_ASSERT_EQ(test, ret, 0);
	ret = dev_set_name(&fake->ibdev.dev, "frmr_fake");
	KUNIT_ASSERT_EQ(test, ret, 0);
	return fake;
}

/* Before each test: a device with pools that age only when they are told to. */
int frmr_fake_init(struct kunit *test)
{
	struct frmr_fake *fake = frmr_fake_new(test);
	int ret;

	test->priv = fake;
	ret = ib_frmr_pools_init(&fake->ibdev, &frmr_fake_ops);
	return ret ?: ib_frmr_pools_set_aging_period(&fake->ibdev, 24 * 3600);
}

static u32 frmr_fake_check_pool(struct frmr_fake *fake,
				const struct ib_frmr_pool_info *info)
{
	const u64 *stats = info->stats;

	KUNIT_EXPECT_EQ_MSG(fake->test, stats[IB_FRMR_CREATED],
			    stats[IB_FRMR_DESTROYED] +
			    stats[IB_FRMR_DROPPED] + info->idle + info->in_use,
			    "pool of %zu blocks", info->key.num_dma_blocks);
	KUNIT_EXPECT_LE(fake->test,
			stats[IB_FRMR_AGED] + stats[IB_FRMR_RECLAIMED],
			stats[IB_FRMR_DESTROYED]);
	KUNIT_EXPECT_LE(fake->test, info->in_use, info->max_in_use);
	return info->idle + info->in_use;
}

/* At rest, the pools and the device agree on what there is. */
void frmr_fake_check_accounts(struct frmr_fake *fake)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&fake->ibdev);
	struct ib_frmr_pool_info info;
	struct ib_frmr_key last = {};
	u32 handles = 0;

	if (!pools)
		return;
	while (ib_frmr_pools_next_info(pools, &last, &info)) {
		if (frmr_fake_key_cmp(&info.key, &last) <= 0) {
			KUNIT_FAIL(fake->test, "the walk goes astray");
			break;
		}
		handles += frmr_fake_check_pool(fake, &info);
		last = info.key;
	}
	KUNIT_EXPECT_EQ(fake->test, handles, fake->live);
	ib_frmr_pools_put(pools);
}

/* After each test: nothing may be left. */
void frmr_fake_exit(struct kunit *test)
{
	struct frmr_fake *fake = test->priv;

	if (!fake)
		return;
	fake->create_hook = NULL;
	fake->destroy_hook = NULL;
	frmr_fake_check_accounts(fake);
	ib_frmr_pools_cleanup(&fake->ibdev);
	KUNIT_EXPECT_EQ(test, fake->live, 0);
}

/* The MR's object is live, fits, and belongs to nobody else. */
static void frmr_fake_claim(struct frmr_fake *fake, struct ib_mr *mr)
{
	struct frmr_fake_object *object;
	u32 handle = mr->frmr.handle;

	mutex_lock(&fake->lock);
	object = xa_load(&fake->objects, handle);
	if (!object) {
		KUNIT_FAIL(fake->test, "popped handle %u, not live", handle);
	} else {
		if (object->out)
			KUNIT_FAIL(fake->test, "popped handle %u, in use",
				   handle);
		if (!frmr_fake_fits(&object->key, &mr->frmr.key))
			KUNIT_FAIL(fake->test, "%zu blocks for %zu",
				   object->key.num_dma_blocks,
				   mr->frmr.key.num_dma_blocks);
		object->out = true;
	}
	mutex_unlock(&fake->lock);
}

static void frmr_fake_release(struct frmr_fake *fake, u32 handle)
{
	struct frmr_fake_object *object;

	mutex_lock(&fake->lock);
	object = xa_load(&fake->objects, handle);
	if (object)
		object->out = false;
	mutex_unlock(&fake->lock);
}

/* As the driver would, but checks what comes back. */
int frmr_fake_pop(struct frmr_fake *fake, struct ib_mr *mr)
{
	struct ib_mr before = *mr;
	int ret;

	ret = ib_frmr_pool_pop(&fake->ibdev, mr);
	if (frmr_fake_key_cmp(&before.frmr.key, &mr->frmr.key))
		KUNIT_FAIL(fake->test, "pop altered the key");
	if (!ret)
		frmr_fake_claim(fake, mr);
	else if (before.frmr.pool != mr->frmr.pool ||
		 before.frmr.handle != mr->frmr.handle)
		KUNIT_FAIL(fake->test, "pop failed, but altered the MR");
	return ret;
}

void frmr_fake_push(struct frmr_fake *fake, struct ib_mr *mr)
{
	frmr_fake_release(fake, mr->frmr.handle);
	ib_frmr_pool_push(&fake->ibdev, mr);
}

/* The driver destroys the object itself. */
void frmr_fake_drop(struct frmr_fake *fake, struct ib_mr *mr)
{
	u32 handle = mr->frmr.handle;

	ib_frmr_pool_drop(mr);
	frmr_fake_release(fake, handle);
	mutex_lock(&fake->lock);
	frmr_fake_unmake(fake, handle);
	mutex_unlock(&fake->lock);
}
