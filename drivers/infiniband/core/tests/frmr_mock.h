/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A mock of a device, for the tests of the FRMR pools.
 */
#ifndef _FRMR_MOCK_H
#define _FRMR_MOCK_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>

/* The most objects that the core may create or destroy in one call. */
#define FRMR_MOCK_MAX_BATCH 64

/**
 * struct frmr_mock - a device whose objects exist in memory only
 * @ibdev: what the core sees of it
 * @test: the test that hears of each breach of the contract
 * @lock: protects @objects and the numbers
 * @objects: what each live handle was made for, and whether an MR has it
 * @next_handle: handles are never used twice, so a stale one is noticed
 * @live: objects that exist
 * @others: objects that exist outside of the pools
 * @created: objects that were ever created for the pools
 * @destroyed: objects that the core had destroyed
 * @create_calls: creations, failed ones and those outside of the pools too
 * @destroy_calls: calls of destroy_frmrs
 * @io_creates: of @create_calls, those in which memory reclaim may do I/O
 * @io_destroys: of @destroy_calls, the same
 * @allocs: calls of a test's stub for frmr_alloc()
 * @good_allocs: how many of these may succeed
 * @capacity: the most objects that can be live; above it comes -ENOMEM
 * @max_blocks: the largest object that there can be; above it comes -EINVAL
 * @good_calls: creations to let pass before @bad_calls fail
 * @bad_calls: creations that fail with @error
 * @bad_odds: fail one creation in so many with @error; 0 for none
 * @error: negative errno
 * @scribbles: create_frmrs overwrites its key argument
 * @create_hook: called without @lock when create_frmrs has created its objects,
 *	or found that it can't
 * @destroy_hook: called without @lock before destroy_frmrs destroys anything
 * @entered: a hook that takes its time has begun
 * @may_end: and may end
 * @build_key: what build_key does, if the ops have it
 * @quick: it takes no time to create an object, otherwise 100 us
 * @clock: the time, in ns
 * @queues: work that the core queues waits in @work for the test to run it;
 *	otherwise nothing is created ahead
 * @work: the work, or NULL
 */
struct frmr_mock {
	struct ib_device ibdev;
	struct kunit *test;
	struct mutex lock; /* see above */
	struct xarray objects;
	u32 next_handle;
	u32 live;
	u32 others;
	u32 created;
	u32 destroyed;
	u32 create_calls;
	u32 destroy_calls;
	u32 io_creates;
	u32 io_destroys;
	u32 allocs;
	u32 good_allocs;

	u32 capacity;
	size_t max_blocks;
	u32 good_calls;
	u32 bad_calls;
	u32 bad_odds;
	int error;
	bool scribbles;
	void (*create_hook)(struct frmr_mock *mock);
	void (*destroy_hook)(struct frmr_mock *mock);
	struct completion entered;
	struct completion may_end;
	int (*build_key)(const struct ib_frmr_key *in, struct ib_frmr_key *out);
	bool quick;
	u64 clock;
	bool queues;
	struct work_struct *work;
};

extern const struct ib_frmr_pool_ops frmr_mock_ops;
extern const struct ib_frmr_pool_ops frmr_mock_building_ops;

struct frmr_mock *frmr_mock_new(struct kunit *test);
int frmr_mock_init(struct kunit *test);
int frmr_mock_init_queues(struct kunit *test);
void frmr_mock_exit(struct kunit *test);

int frmr_mock_pop(struct frmr_mock *mock, struct ib_mr *mr);
void frmr_mock_push(struct frmr_mock *mock, struct ib_mr *mr);
void frmr_mock_drop(struct frmr_mock *mock, struct ib_mr *mr);
void frmr_mock_lose(struct frmr_mock *mock, struct ib_mr *mr);

int frmr_mock_create_other(struct frmr_mock *mock);
void frmr_mock_destroy_others(struct frmr_mock *mock);

u32 frmr_mock_live(struct frmr_mock *mock);
int frmr_mock_run_queued(struct frmr_mock *mock);
int frmr_mock_key_cmp(const struct ib_frmr_key *a, const struct ib_frmr_key *b);
void frmr_mock_check_accounts(struct frmr_mock *mock);

#endif /* _FRMR_MOCK_H */
