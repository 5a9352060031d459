/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A device that is made up, for the tests of the FRMR pools.
 */
#ifndef _FRMR_FAKE_H
#define _FRMR_FAKE_H

#include <kunit/test.h>
#include <linux/mutex.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>

/* The most objects that the core may create or destroy in one call. */
#define FRMR_FAKE_MAX_BATCH 64

/**
 * struct frmr_fake - a device whose objects exist in memory only
 * @ibdev: what the core sees of it
 * @test: the test that hears of each breach of the contract
 * @lock: protects @objects and the numbers
 * @objects: what each live handle was made for, and whether an MR has it
 * @next_handle: handles are never used twice, so a stale one is noticed
 * @live: objects that exist
 * @created: objects that were ever created
 * @destroyed: objects that the core had destroyed
 * @create_calls: calls of create_frmrs, failed ones too
 * @destroy_calls: calls of destroy_frmrs
 * @allocs: calls of a test's stub for frmr_alloc()
 * @good_allocs: how many of these may succeed
 * @capacity: the most objects that can be live; above it comes -ENOMEM
 * @max_blocks: the largest object that there can be; above it comes -EINVAL
 * @good_calls: calls of create_frmrs to let pass before @bad_calls fail
 * @bad_calls: calls of create_frmrs that fail with @error
 * @bad_odds: fail one call of create_frmrs in so many with @error; 0 for none
 * @error: negative errno
 * @scribbles: create_frmrs overwrites its key argument
 * @create_hook: called at the start of create_frmrs, without @lock
 * @destroy_hook: called at the start of destroy_frmrs, without @lock
 * @build_key: what build_key does, if the ops have it
 */
struct frmr_fake {
	struct ib_device ibdev;
	struct kunit *test;
	struct mutex lock; /* see above */
	struct xarray objects;
	u32 next_handle;
	u32 live;
	u32 created;
	u32 destroyed;
	u32 create_calls;
	u32 destroy_calls;
	u32 allocs;
	u32 good_allocs;

	u32 capacity;
	size_t max_blocks;
	u32 good_calls;
	u32 bad_calls;
	u32 bad_odds;
	int error;
	bool scribbles;
	void (*create_hook)(struct frmr_fake *fake);
	void (*destroy_hook)(struct frmr_fake *fake);
	int (*build_key)(const struct ib_frmr_key *in, struct ib_frmr_key *out);
};

extern const struct ib_frmr_pool_ops frmr_fake_ops;
extern const struct ib_frmr_pool_ops frmr_fake_building_ops;

struct frmr_fake *frmr_fake_new(struct kunit *test);
int frmr_fake_init(struct kunit *test);
void frmr_fake_exit(struct kunit *test);

int frmr_fake_pop(struct frmr_fake *fake, struct ib_mr *mr);
void frmr_fake_push(struct frmr_fake *fake, struct ib_mr *mr);
void frmr_fake_drop(struct frmr_fake *fake, struct ib_mr *mr);

int frmr_fake_key_cmp(const struct ib_frmr_key *a, const struct ib_frmr_key *b);
void frmr_fake_check_accounts(struct frmr_fake *fake);

#endif /* _FRMR_FAKE_H */
