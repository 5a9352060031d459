/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that is made up, and knows each object that it made. Breaches of
 * the contract end the program.
 */
#ifndef _DEVICE_H
#define _DEVICE_H

#include <rdma/ib_verbs.h>

/* The most objects that the core may create or destroy in one call. */
#define DEVICE_MAX_BATCH 64

/**
 * struct device_fake - the device
 * @ibdev: what the core sees of it
 * @capacity: the most objects that can be live; above it comes -ENOMEM
 * @live: objects that exist
 * @bad_calls: so many calls of create_frmrs fail with @error
 * @failed: calls of create_frmrs that have failed
 * @error: negative errno
 * @should_fail: asked at each creation, if set: whether it shall fail
 * @on_destroy: called while objects are being destroyed, if set
 */
struct device_fake {
	struct ib_device ibdev;
	u32 capacity;
	atomic_t live;
	atomic_t bad_calls;
	atomic_t failed;
	int error;
	bool (*should_fail)(void);
	void (*on_destroy)(void);
};

extern struct device_fake device;
extern const struct ib_frmr_pool_ops device_ops;

/* Where classes of keys come from; in the order of the core. */
#define DEVICE_CLASSES 6
#define DEVICE_MAX_BLOCKS 63
void device_key(u32 class, u32 blocks, struct ib_frmr_key *key);

/* The key's number, or what was popped was made for. */
u32 device_key_class(const struct ib_frmr_key *key);
u32 device_object_class(u32 handle);
u32 device_object_blocks(u32 handle);

/* To be called after pop, before push and after drop. */
void device_claim(const struct ib_mr *mr);
void device_release(const struct ib_mr *mr);
void device_destroy(u32 handle);

#endif /* _DEVICE_H */
