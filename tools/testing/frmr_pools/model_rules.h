/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model's pools, and what happens to them.
 */
#ifndef _MODEL_RULES_H
#define _MODEL_RULES_H

#include <rdma/ib_verbs.h>

/**
 * struct model_pool - what a pool is like
 * @exists: the pool is in the tree
 * @idle: as struct ib_frmr_pool_info has it
 * @in_use: likewise
 * @max_in_use: likewise
 * @pinned: likewise
 * @stats: likewise
 * @low: the least @idle has been since the last tick
 * @used: an MR asked for a handle since the last tick
 * @misses: how often there was none, since the last tick
 * @ahead: how many to create ahead
 * @fresh: of the idle, created ahead and not needed yet
 * @queued: some are about to be created ahead
 */
struct model_pool {
	bool exists;
	bool used;
	bool queued;
	u32 misses;
	u32 ahead;
	u32 fresh;
	u32 idle;
	u32 in_use;
	u32 max_in_use;
	u32 pinned;
	u32 low;
	u64 stats[IB_FRMR_NUM_STATS];
};

/* The aging period, in seconds */
extern u32 model_period;

/* There is no pool yet. */
void model_reset(void);

struct model_pool *pool_at(u32 class, u32 blocks);
u32 pool_class(const struct model_pool *pool);
void pool_key(const struct model_pool *pool, struct ib_frmr_key *key);
u32 pool_total(const struct model_pool *pool);

/* Of all pools, the idle handles that may be destroyed */
u32 all_spare(void);

/* Whether an error says that the device is full. */
bool is_full(int error);

/* The pools show what the model has. */
void check_all(void);

/* Takes over what memory or objects that ran out may have changed. */
void adopt_all(void);
void adopt_all_failures(void);

/* The pools that fit, from the smallest on: the first one that is as asked. */
struct model_pool *first_fit(const struct model_pool *exact, bool idle);

/* Where the next handle for @exact would be created, and where @mr's is from. */
struct model_pool *model_home(struct model_pool *exact);
struct model_pool *mr_pool(const struct ib_mr *mr);

/*
 * What the core did is right, and so the model does it, too: a pop that found a
 * handle; one that had to create, and failed to do so @failed times; room made
 * for an attempt.
 */
void check_hit(struct model_pool *pool, const struct ib_mr *mr, int ret);
void check_miss(struct model_pool *pool, const struct ib_mr *mr, int ret,
		u32 failed, int error);
void model_room(u32 failed, int error, int ret);

/* Takes over what gave way, wherever it was; returns how many. */
u32 model_gave(void);

/* The work that is queued gets its turn. */
void run_read_ahead(void);

/* A tick of a device that has @live objects */
void model_tick(u32 live);

#endif /* _MODEL_RULES_H */
