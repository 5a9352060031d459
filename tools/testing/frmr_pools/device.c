// SPDX-License-Identifier: GPL-2.0
/*
 * A device that is made up, and knows each object that it made.
 */
#include "device.h"

/* More than can be live; handles are used again as late as possible. */
#define OBJECTS 0x400000U

#define OBJECT_IDLE 0x100U
#define OBJECT_BUSY 0x200U
#define OBJECT_STATE (OBJECT_IDLE | OBJECT_BUSY)

/* 0 for no object, or its state, its class and its blocks. */
static u32 objects[OBJECTS];
static u32 next_handle;

struct device_fake device = {
	.ibdev = {
		.dev.name = "fake",
		.attrs.max_mr = 1 << 20,
	},
	.capacity = OBJECTS / 2,
};

static const struct ib_frmr_key classes[DEVICE_CLASSES] = {
	{ .vendor_key = 0, .access_flags = 0 },
	{ .vendor_key = 0, .access_flags = IB_ACCESS_LOCAL_WRITE },
	{ .vendor_key = 0, .access_flags = IB_ACCESS_LOCAL_WRITE, .ats = 1 },
	{ .vendor_key = 1, .access_flags = 0 },
	{ .vendor_key = U64_MAX, .access_flags = IB_ACCESS_RELAXED_ORDERING },
	{ .kernel_vendor_key = 1ULL << 40 },
};

void device_key(u32 class, u32 blocks, struct ib_frmr_key *key)
{
	*key = classes[class];
	key->num_dma_blocks = blocks;
}

u32 device_key_class(const struct ib_frmr_key *key)
{
	const struct ib_frmr_key *c;
	u32 class;

	for (class = 0; class < DEVICE_CLASSES; class++) {
		c = &classes[class];
		if (c->vendor_key == key->vendor_key &&
		    c->kernel_vendor_key == key->kernel_vendor_key &&
		    c->access_flags == key->access_flags && c->ats == key->ats)
			break;
	}
	SHIM_ASSERT(class < DEVICE_CLASSES);
	return class;
}

/* Handles count down from ~0: any number may be one. */
static u32 *device_slot(u32 handle)
{
	SHIM_ASSERT(~handle < OBJECTS);
	return &objects[~handle];
}

static u32 device_object(u32 handle)
{
	return READ_ONCE(*device_slot(handle));
}

u32 device_object_class(u32 handle)
{
	return device_object(handle) >> 16;
}

u32 device_object_blocks(u32 handle)
{
	return device_object(handle) & 0xff;
}

/* Not ordered: it is the core that must order what is done to an object. */
static void device_change(u32 handle, u32 old, u32 new)
{
	SHIM_ASSERT(old != new);
	SHIM_ASSERT(try_cmpxchg_relaxed(device_slot(handle), &old, new));
}

static void device_set_state(u32 handle, u32 from, u32 to)
{
	u32 object = device_object(handle);

	SHIM_ASSERT((object & OBJECT_STATE) == from);
	device_change(handle, object, (object & ~OBJECT_STATE) | to);
}

static u32 device_make(u32 object)
{
	u32 handle, none;

	do {
		none = 0;
		handle = ~(__atomic_fetch_add(&next_handle, 1,
					      __ATOMIC_RELAXED) % OBJECTS);
	} while (!try_cmpxchg_relaxed(device_slot(handle), &none, object));
	return handle;
}

static bool device_refuses(void)
{
	if (device.should_fail && device.should_fail())
		return true;
	return atomic_read(&device.bad_calls) > 0 &&
	       atomic_dec_return(&device.bad_calls) >= 0;
}

/* Exact, whatever many threads ask for at once. */
static bool device_has_room(u32 count)
{
	int live = atomic_read(&device.live);

	do {
		if (live + count > READ_ONCE(device.capacity))
			return false;
	} while (!atomic_try_cmpxchg(&device.live, &live, live + count));
	return true;
}

static int device_create_frmrs(struct ib_device *ibdev, struct ib_frmr_key *key,
			       u32 *handles, u32 count)
{
	u32 object = device_key_class(key) << 16 | key->num_dma_blocks;
	u32 i;

	might_sleep();
	SHIM_ASSERT(ibdev == &device.ibdev);
	SHIM_ASSERT(count && count <= DEVICE_MAX_BATCH);
	SHIM_ASSERT(key->num_dma_blocks <= DEVICE_MAX_BLOCKS);
	if (device_refuses() || !device_has_room(count)) {
		atomic_inc(&device.failed);
		memset(handles, 0, count * sizeof(*handles));
		return device.error ?: -ENOMEM;
	}
	for (i = 0; i < count; i++)
		handles[i] = device_make(object | OBJECT_IDLE);
	/* Creating an object takes a while. */
	__atomic_fetch_add(&shim_ns, count * 100000ULL, __ATOMIC_RELAXED);
	/* The core must not rely on its key afterwards. */
	memset(key, 0x5a, sizeof(*key));
	return 0;
}

static void device_destroy_frmrs(struct ib_device *ibdev, u32 *handles,
				 u32 count)
{
	u32 i;

	might_sleep();
	SHIM_ASSERT(ibdev == &device.ibdev);
	SHIM_ASSERT(count && count <= DEVICE_MAX_BATCH);
	/* Others may wait, in memory reclaim, for what is done here. */
	SHIM_ASSERT(shim_noio || !ibdev->frmr_pools);
	if (device.on_destroy)
		device.on_destroy();
	for (i = 0; i < count; i++) {
		SHIM_ASSERT(device_object(handles[i]) & OBJECT_IDLE);
		device_destroy(handles[i]);
		handles[i] = 0;
	}
}

static int device_build_key(struct ib_device *ibdev,
			    const struct ib_frmr_key *in,
			    struct ib_frmr_key *out)
{
	*out = *in;
	return in->num_dma_blocks <= DEVICE_MAX_BLOCKS ? 0 : -EINVAL;
}

const struct ib_frmr_pool_ops device_ops = {
	.create_frmrs = device_create_frmrs,
	.destroy_frmrs = device_destroy_frmrs,
	.build_key = device_build_key,
};

void device_claim(const struct ib_mr *mr)
{
	const struct ib_frmr_key *key = &mr->frmr.key;
	u32 blocks = device_object_blocks(mr->frmr.handle);

	device_set_state(mr->frmr.handle, OBJECT_IDLE, OBJECT_BUSY);
	SHIM_ASSERT(device_object_class(mr->frmr.handle) ==
		    device_key_class(key));
	SHIM_ASSERT(blocks >= key->num_dma_blocks &&
		    blocks < 2 * key->num_dma_blocks);
}

void device_release(const struct ib_mr *mr)
{
	device_set_state(mr->frmr.handle, OBJECT_BUSY, OBJECT_IDLE);
}

void device_destroy(u32 handle)
{
	device_change(handle, device_object(handle), 0);
	atomic_dec(&device.live);
}
