/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The handles of one FRMR pool.
 */
#ifndef _FRMR_STORE_H
#define _FRMR_STORE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct frmr_chunk;
struct frmr_cpu;

/**
 * struct frmr_store - a stack of idle handles with room for all that are out
 * @lock: protects everything below; taken in process context only
 * @chunks: blocks of slots: full ones, then @top, then empty ones
 * @top: the block that the next handle is taken from or put into
 * @cpus: further idle handles, at hand for each CPU; NULL unless CPUs have been
 *	waiting for @lock. Their locks are taken under @lock.
 * @fill: used slots in @top
 * @capacity: slots in all blocks, never less than @reserved
 * @reserved: handles that have a slot: those of @live and those being created
 * @live: handles that are idle, here or in @cpus, or in use
 * @pinned: as many handles are never taken to be destroyed
 * @pin_changes: how often @pinned was set
 * @idle: handles in the slots
 * @max_in_use: the most handles that have ever been in use; those in @cpus
 *	count as in use here
 * @low: the least that @idle has been since the last frmr_store_mark()
 * @contended: how often a CPU waited for @lock since then
 * @hits: how often frmr_store_pop() found a handle in the slots
 * @closed: no handle comes in any more
 *
 * Room is reserved before a handle is created, by the one who creates it, so
 * that its way back needs no memory.
 */
struct frmr_store {
	spinlock_t lock; /* protects all that follows */
	struct list_head chunks;
	struct frmr_chunk *top;
	struct frmr_cpu __percpu *cpus;
	u32 fill;
	u32 capacity;
	u32 reserved;
	u32 live;
	u32 pinned;
	u32 pin_changes;
	u32 idle;
	u32 max_in_use;
	u32 low;
	u32 contended;
	u64 hits;
	bool closed;
};

/**
 * struct frmr_store_state - what a store held at one moment
 * @reserved: all handles, those being created too
 * @pinned: handles to keep, idle and in use together
 * @idle: handles that wait in the store
 * @in_use: handles that are out
 * @max_in_use: the most that were ever out; once CPUs have handles at hand, it
 *	may be too large, by those at most
 * @hits: how often a handle was found
 */
struct frmr_store_state {
	u32 reserved;
	u32 pinned;
	u32 idle;
	u32 in_use;
	u32 max_in_use;
	u64 hits;
};

void frmr_store_init(struct frmr_store *store);
void frmr_store_free(struct frmr_store *store);

int frmr_store_reserve(struct frmr_store *store);
int frmr_store_reserve_pinned(struct frmr_store *store, u32 max);
void frmr_store_unreserve(struct frmr_store *store, u32 count);
void frmr_store_trim(struct frmr_store *store);

void frmr_store_lend(struct frmr_store *store);
void frmr_store_add(struct frmr_store *store, const u32 *handles, u32 count);

bool frmr_store_wants_cpus(struct frmr_store *store);
void frmr_store_add_cpus(struct frmr_store *store);

bool frmr_store_pop(struct frmr_store *store, u32 *handle);
bool frmr_store_push(struct frmr_store *store, u32 handle);
bool frmr_store_drop(struct frmr_store *store);

u32 frmr_store_take(struct frmr_store *store, u32 *handles, u32 count);
u32 frmr_store_set_pinned(struct frmr_store *store, u32 count, u32 *old);
void frmr_store_restore_pinned(struct frmr_store *store, u32 change, u32 old);
u32 frmr_store_mark(struct frmr_store *store);
u32 frmr_store_close(struct frmr_store *store);
void frmr_store_read(struct frmr_store *store, struct frmr_store_state *state);

#if IS_ENABLED(CONFIG_KUNIT)
struct frmr_chunk *frmr_chunk_alloc(size_t bytes);
#endif

#endif /* _FRMR_STORE_H */
