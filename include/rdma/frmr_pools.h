/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Copyright (c) 2025, NVIDIA CORPORATION & AFFILIATES. All rights reserved.
 *
 * FRMR (fast registration memory region) pools: idle hardware MRs, kept for the
 * next registration.
 *
 * Creating an MR object in hardware is slow and the supply is limited;
 * changing an existing one is fast. A driver that uses these pools creates
 * hardware objects only when no fitting one is idle, and returns an object to
 * its pool instead of destroying it.
 *
 * The contract between the core and a driver:
 *
 * - Before ib_frmr_pool_push() the object no longer translates anything, and
 *   no work that was started through it is still under way.
 * - Before an object that ib_frmr_pool_pop() returned is exposed, the driver
 *   sets each property that is not part of the key: PD, access rights, address
 *   range, translation.
 * - A reused object is exposed under another lkey/rkey than last time, so that
 *   a stale lkey/rkey of its last owner fails.
 * - If the driver can't be sure that an object is revoked, it calls
 *   ib_frmr_pool_drop(), never ib_frmr_pool_push().
 *
 * A handle is whatever names the object to its driver. While an MR has it, the
 * driver may write another name of the same object to mr->frmr.handle, say with
 * the low byte of the lkey that the object had; the pool keeps that one.
 */
#ifndef FRMR_POOLS_H
#define FRMR_POOLS_H

#include <linux/types.h>

struct ib_device;
struct ib_frmr_pools;
struct ib_mr;

/**
 * struct ib_frmr_key - the properties of an MR object that hardware can't change
 * @vendor_key: what else is immutable on this vendor's hardware; opaque to the
 *	core and, through netlink, to users
 * @kernel_vendor_key: not 0: a pool for objects that only the kernel uses.
 *	Users can't set up such a pool and don't see it by default.
 * @num_dma_blocks: size of the object's translation table, in entries; not 0
 * @access_flags: the IB_ACCESS_* flags that can't be changed on this hardware
 * @ats: the object uses PCI address translation services
 *
 * An object serves a registration of n blocks if num_dma_blocks / 2 < n <=
 * num_dma_blocks and all else is equal. The core never rounds or alters a key.
 * The driver rounds @num_dma_blocks, before it pops and in its build_key
 * operation, so that the number of pools is bounded.
 */
struct ib_frmr_key {
	u64 vendor_key;
	u64 kernel_vendor_key;
	size_t num_dma_blocks;
	int access_flags;
	u8 ats:1;
};

/**
 * struct ib_frmr_pool_ops - what a driver does for its pools
 *
 * All are called in process context and may sleep. Different threads may call
 * them at the same time. The core may hold a mutex that ib_frmr_pool_pop(),
 * ib_frmr_pools_make_room() and ib_frmr_pools_reclaim() take, so none of them
 * may be called from here.
 *
 * @create_frmrs: creates @count objects with the properties of @key and writes
 *	their handles to @handles. All or nothing. Returns 0 or a negative
 *	errno. -ENOMEM, -ENOSPC, -EAGAIN and -EBUSY say that the device is full:
 *	the core gives up idle objects, 1, 2, 4 and so on, and tries again, until
 *	none but pinned ones are left. After any other errno it does not.
 * @destroy_frmrs: destroys the @count objects in @handles. Can't fail: an
 *	object that the device does not give up is for the driver to deal with.
 * @build_key: optional. Turns @in, a key that a user asked for, into @out, the
 *	key with which the driver pops for such a registration. Returns 0 or a
 *	negative errno if no registration can have that key. Without it users'
 *	keys are taken as they are.
 */
struct ib_frmr_pool_ops {
	int (*create_frmrs)(struct ib_device *device, struct ib_frmr_key *key,
			    u32 *handles, u32 count);
	void (*destroy_frmrs)(struct ib_device *device, u32 *handles,
			      u32 count);
	int (*build_key)(struct ib_device *device,
			 const struct ib_frmr_key *in, struct ib_frmr_key *out);
};

/**
 * struct ib_frmr_room - state of a creation that is tried again on a full device
 *
 * Zeroed before the first ib_frmr_pools_make_room(), and private to it.
 *
 * @pools: the pools whose mutex it holds, or NULL
 * @moved: what had moved in and out of the pools before the last try
 * @step: how many idle objects to give up next
 * @tries: tries in a row for which there was nothing to give up
 * @noio: the allocation scope to return to
 */
struct ib_frmr_room {
	struct ib_frmr_pools *pools;
	u64 moved;
	u32 step;
	u32 tries;
	unsigned int noio;
};

int ib_frmr_pools_init(struct ib_device *device,
		       const struct ib_frmr_pool_ops *pool_ops);
void ib_frmr_pools_cleanup(struct ib_device *device);
int ib_frmr_pool_pop(struct ib_device *device, struct ib_mr *mr);
void ib_frmr_pool_push(struct ib_device *device, struct ib_mr *mr);
void ib_frmr_pool_drop(struct ib_mr *mr);
bool ib_frmr_pools_make_room(struct ib_device *device, int error,
			     struct ib_frmr_room *room);
u32 ib_frmr_pools_reclaim(struct ib_device *device, u32 count);

#endif /* FRMR_POOLS_H */
