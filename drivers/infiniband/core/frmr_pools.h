/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Copyright (c) 2025, NVIDIA CORPORATION & AFFILIATES. All rights reserved.
 *
 * FRMR pools: what the rest of ib_core sees.
 */
#ifndef _FRMR_POOLS_INTERNAL_H
#define _FRMR_POOLS_INTERNAL_H

#include <linux/shrinker.h>
#include <rdma/frmr_pools.h>

struct ib_frmr_pool;

/**
 * enum ib_frmr_stat - what a pool counts from its first handle on
 * @IB_FRMR_HITS: pops that found an idle handle
 * @IB_FRMR_MISSES: pops that did not
 * @IB_FRMR_CREATED: handles that the driver created
 * @IB_FRMR_DESTROYED: handles that the driver destroyed
 * @IB_FRMR_AGED: of these, because a whole period had not needed them
 * @IB_FRMR_RECLAIMED: of these, because the device was full, memory was short or
 *	an administrator asked
 * @IB_FRMR_DROPPED: handles that the driver kept from coming back
 * @IB_FRMR_FAILURES: creations that failed, whatever the number of handles
 * @IB_FRMR_AHEAD: of those created, before anybody asked for them
 * @IB_FRMR_AHEAD_USED: of these, needed since: each spared a pop a miss
 * @IB_FRMR_NUM_STATS: how many numbers there are
 */
enum ib_frmr_stat {
	IB_FRMR_HITS,
	IB_FRMR_MISSES,
	IB_FRMR_CREATED,
	IB_FRMR_DESTROYED,
	IB_FRMR_AGED,
	IB_FRMR_RECLAIMED,
	IB_FRMR_DROPPED,
	IB_FRMR_FAILURES,
	IB_FRMR_AHEAD,
	IB_FRMR_AHEAD_USED,
	IB_FRMR_NUM_STATS
};

/**
 * struct ib_frmr_pool_info - one pool at one moment
 * @key: the pool's key
 * @idle: handles that wait in the pool
 * @in_use: handles that MRs use
 * @max_in_use: the most that were ever in use at once; on a pool that CPUs share
 *	up to one per CPU too many, as handles in slots count
 * @pinned: handles that the pool keeps, idle and in use together
 * @stats: numbers since the pool was made
 *
 * At rest, created = destroyed + dropped + idle + in use.
 */
struct ib_frmr_pool_info {
	struct ib_frmr_key key;
	u32 idle;
	u32 in_use;
	u32 max_in_use;
	u32 pinned;
	u64 stats[IB_FRMR_NUM_STATS];
};

/* Pools of a device for callers that ib_frmr_pools_cleanup() must wait for. */
struct ib_frmr_pools *ib_frmr_pools_get(struct ib_device *device);
void ib_frmr_pools_put(struct ib_frmr_pools *pools);

bool ib_frmr_pools_next_info(struct ib_frmr_pools *pools,
			     const struct ib_frmr_key *after,
			     struct ib_frmr_pool_info *info);
void ib_frmr_pools_totals(struct ib_frmr_pools *pools,
			  u64 totals[IB_FRMR_NUM_STATS]);
u32 ib_frmr_pools_aging_period(struct ib_frmr_pools *pools);

int ib_frmr_pools_set_pinned(struct ib_device *device,
			     struct ib_frmr_key *key, u32 count);
int ib_frmr_pools_set_aging_period(struct ib_device *device, u32 seconds);

#if IS_ENABLED(CONFIG_KUNIT)
void *frmr_alloc(size_t bytes);
bool frmr_queue(struct work_struct *work);
u64 frmr_clock(void);
unsigned long frmr_shrinker_count(struct shrinker *shrinker,
				  struct shrink_control *sc);
unsigned long frmr_shrinker_scan(struct shrinker *shrinker,
				 struct shrink_control *sc);
void frmr_pools_age(struct ib_frmr_pools *pools);
#endif

#endif /* _FRMR_POOLS_INTERNAL_H */
