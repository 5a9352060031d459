/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The idle handles of one FRMR pool.
 */
#ifndef _FRMR_STORE_H
#define _FRMR_STORE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct frmr_chunk;

/**
 * struct frmr_store - a stack of idle handles with room for all that are out
 * @lock: protects everything below; taken in process
 *	context only, and no other lock is taken under it
 * @chunks: blocks of slots: full ones, then @top, then empty ones
 * @top: the block that the next handle is taken from or put into
 * @fill: used slots in @top
 * @capacity: slots in all blocks, never less than @reserved
 * @reserved: handles that have a slot: idle, in use, and being created
 * @pinned: as many handles are never taken to be destroyed
 * @pin_changes: how often @pinned was set
 * @idle: handles in the slots
 * @in_use: handles that are out and will come back, or be dropped
 * @max_in_use: the most that @in_use has ever been
 * @low: the least that @idle has been since the last frmr_store_mark()
 * @hits: how often frmr_store_pop() found a handle
 * @closed: no handle comes in any more
 *
 * Room is reserved before a handle is created, by the one who creates it, so
 * that its way back needs no memory.
 */
struct frmr_store {
	spinlock_t lock; /* protects all that follows */
	struct list_head chunks;
	struct frmr_chunk *top;
	u32 fill;
	u32 capacity;
	u32 reserved;
	u32 pinned;
	u32 pin_changes;
	u32 idle;
	u32 in_use;
	u32 max_in_use;
	u32 low;
	u64 hits;
	bool closed;
};

/**
 * struct frmr_store_state - what a store held at one moment
 * @reserved: all handles, those being created too
 * @pinned: handles to keep, idle and in use together
 * @idle: handles that wait in the store
 * @in_use: handles that are out
 * @max_in_use: the most that were ever out
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
