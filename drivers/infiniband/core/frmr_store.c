// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The idle handles of one FRMR pool: a stack in a list of blocks.
 *
 * Blocks are added when room is reserved and given back when room is
 * unreserved. Handles that come and go only move through them, so a program
 * that takes and returns one handle in a loop never allocates, not even at the
 * border of two blocks.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "frmr_store.h"

/* Most pools are small; the first block takes one cache line. */
#define FRMR_CHUNK_MIN_BYTES 64
#define FRMR_CHUNK_MAX_BYTES PAGE_SIZE

/* Free slots to keep, so that a pool that shrinks and grows keeps its block. */
#define FRMR_STORE_SLACK 64

struct frmr_chunk {
	struct list_head entry;
	u32 size;
	u32 handles[] __counted_by(size);
};

VISIBLE_IF_KUNIT struct frmr_chunk *frmr_chunk_alloc(size_t bytes)
{
	struct frmr_chunk *chunk;

	KUNIT_STATIC_STUB_REDIRECT(frmr_chunk_alloc, bytes);

	chunk = kmalloc(bytes, GFP_KERNEL);
	if (chunk)
		chunk->size = (bytes - sizeof(*chunk)) / sizeof(u32);
	return chunk;
}
EXPORT_SYMBOL_IF_KUNIT(frmr_chunk_alloc);

/**
 * frmr_store_init - make an empty store
 * @store: the store
 */
void frmr_store_init(struct frmr_store *store)
{
	*store = (struct frmr_store) {};
	spin_lock_init(&store->lock);
	INIT_LIST_HEAD(&store->chunks);
}

/**
 * frmr_store_free - give back the memory of a store that nobody uses any more
 * @store: the store; it holds no handle
 */
void frmr_store_free(struct frmr_store *store)
{
	struct frmr_chunk *chunk, *next;

	WARN_ON_ONCE(store->reserved);
	list_for_each_entry_safe(chunk, next, &store->chunks, entry)
		kfree(chunk);
}

static size_t frmr_store_next_bytes(struct frmr_store *store)
{
	struct frmr_chunk *last;

	lockdep_assert_held(&store->lock);

	if (list_empty(&store->chunks))
		return FRMR_CHUNK_MIN_BYTES;
	last = list_last_entry(&store->chunks, struct frmr_chunk, entry);
	return min(2 * struct_size(last, handles, last->size),
		   FRMR_CHUNK_MAX_BYTES);
}

static void frmr_store_link(struct frmr_store *store, struct frmr_chunk *chunk)
{
	spin_lock(&store->lock);
	list_add_tail(&chunk->entry, &store->chunks);
	store->capacity += chunk->size;
	if (!store->top)
		store->top = chunk;
	spin_unlock(&store->lock);
}

/**
 * frmr_store_reserve - make sure that new handles will always find room
 * @store: the store
 * @count: how many handles are about to be created
 * @limit: how many the store shall have room for in all
 *
 * Context: may sleep.
 * Return: the number of slots that were reserved, @count or as many as @limit
 * leaves, or -ENOMEM with nothing reserved.
 */
int frmr_store_reserve(struct frmr_store *store, u32 count, u32 limit)
{
	struct frmr_chunk *chunk;
	size_t bytes;

	for (;;) {
		spin_lock(&store->lock);
		count = min(count, limit - min(limit, store->reserved));
		if (store->capacity - store->reserved >= count) {
			store->reserved += count;
			spin_unlock(&store->lock);
			return count;
		}
		bytes = frmr_store_next_bytes(store);
		spin_unlock(&store->lock);

		chunk = frmr_chunk_alloc(bytes);
		if (!chunk)
			return -ENOMEM;
		frmr_store_link(store, chunk);
	}
}

/* The last block, off the list, if the store can do without; else NULL. */
static struct frmr_chunk *frmr_store_unlink_spare(struct frmr_store *store)
{
	struct frmr_chunk *last;

	lockdep_assert_held(&store->lock);

	if (list_empty(&store->chunks))
		return NULL;
	last = list_last_entry(&store->chunks, struct frmr_chunk, entry);
	if (last == store->top ||
	    store->capacity - store->reserved < last->size + FRMR_STORE_SLACK)
		return NULL;
	list_del(&last->entry);
	store->capacity -= last->size;
	return last;
}

/**
 * frmr_store_unreserve - tell that handles are gone, or were never created
 * @store: the store
 * @count: how many; none of them idle or in use
 */
void frmr_store_unreserve(struct frmr_store *store, u32 count)
{
	struct frmr_chunk *spare;

	do {
		spin_lock(&store->lock);
		store->reserved -= count;
		count = 0;
		spare = frmr_store_unlink_spare(store);
		spin_unlock(&store->lock);
		kfree(spare);
	} while (spare);
}

static void frmr_store_put(struct frmr_store *store, u32 handle)
{
	lockdep_assert_held(&store->lock);

	if (store->fill == store->top->size) {
		store->top = list_next_entry(store->top, entry);
		store->fill = 0;
	}
	store->top->handles[store->fill++] = handle;
	store->idle++;
}

static u32 frmr_store_get(struct frmr_store *store)
{
	lockdep_assert_held(&store->lock);

	if (!store->fill) {
		store->top = list_prev_entry(store->top, entry);
		store->fill = store->top->size;
	}
	store->idle--;
	store->low = min(store->low, store->idle);
	return store->top->handles[--store->fill];
}

static void frmr_store_count_out(struct frmr_store *store)
{
	lockdep_assert_held(&store->lock);

	store->in_use++;
	store->max_in_use = max(store->max_in_use, store->in_use);
}

/**
 * frmr_store_lend - tell that a new handle is in use
 * @store: the store; room for the handle is reserved
 */
void frmr_store_lend(struct frmr_store *store)
{
	spin_lock(&store->lock);
	frmr_store_count_out(store);
	spin_unlock(&store->lock);
}

/**
 * frmr_store_add - put new handles in
 * @store: the store; room for the handles is reserved
 * @handles: the handles
 * @count: how many
 */
void frmr_store_add(struct frmr_store *store, const u32 *handles, u32 count)
{
	u32 i;

	spin_lock(&store->lock);
	for (i = 0; i < count; i++)
		frmr_store_put(store, handles[i]);
	spin_unlock(&store->lock);
}

/**
 * frmr_store_pop - take a handle into use
 * @store: the store
 * @handle: out: the handle, the one that came in last
 *
 * Return: true with a handle, false if none is idle.
 */
bool frmr_store_pop(struct frmr_store *store, u32 *handle)
{
	bool found;

	spin_lock(&store->lock);
	found = store->idle;
	if (found) {
		*handle = frmr_store_get(store);
		frmr_store_count_out(store);
		store->hits++;
	}
	spin_unlock(&store->lock);
	return found;
}

/**
 * frmr_store_push - return a handle that was in use
 * @store: the store
 * @handle: the handle
 *
 * Never allocates and never sleeps.
 *
 * Return: true, or false if the store is closed; then the handle is still in
 * use, and the caller destroys it and calls frmr_store_drop().
 */
bool frmr_store_push(struct frmr_store *store, u32 handle)
{
	bool open;

	spin_lock(&store->lock);
	open = !store->closed;
	if (open) {
		frmr_store_put(store, handle);
		store->in_use--;
	}
	spin_unlock(&store->lock);
	return open;
}

/**
 * frmr_store_drop - tell that a handle that was in use won't come back
 * @store: the store
 *
 * Return: true if this was the last one out and the store is closed.
 */
bool frmr_store_drop(struct frmr_store *store)
{
	bool last;

	spin_lock(&store->lock);
	store->in_use--;
	store->reserved--;
	last = store->closed && !store->in_use;
	spin_unlock(&store->lock);
	return last;
}

/**
 * frmr_store_take - take idle handles out, to be destroyed
 * @store: the store
 * @handles: out: the handles
 * @count: the most to take
 * @keep: how many to leave, idle ones and those in use together
 *
 * The room of the handles stays reserved until frmr_store_unreserve().
 *
 * Return: how many were taken.
 */
u32 frmr_store_take(struct frmr_store *store, u32 *handles, u32 count, u32 keep)
{
	u32 total, i;

	spin_lock(&store->lock);
	total = store->idle + store->in_use;
	count = min3(count, store->idle, total - min(total, keep));
	for (i = 0; i < count; i++)
		handles[i] = frmr_store_get(store);
	spin_unlock(&store->lock);
	return count;
}

/**
 * frmr_store_mark - end a period and start the next
 * @store: the store
 *
 * Return: how many idle handles nobody needed throughout the period.
 */
u32 frmr_store_mark(struct frmr_store *store)
{
	u32 low;

	spin_lock(&store->lock);
	low = store->low;
	store->low = store->idle;
	spin_unlock(&store->lock);
	return low;
}

/**
 * frmr_store_close - let no handle in any more
 * @store: the store
 *
 * Return: how many handles are in use; frmr_store_drop() tells of the last.
 */
u32 frmr_store_close(struct frmr_store *store)
{
	u32 in_use;

	spin_lock(&store->lock);
	store->closed = true;
	in_use = store->in_use;
	spin_unlock(&store->lock);
	return in_use;
}

/**
 * frmr_store_read - look at all numbers at one moment
 * @store: the store
 * @state: out: the numbers
 */
void frmr_store_read(struct frmr_store *store, struct frmr_store_state *state)
{
	spin_lock(&store->lock);
	state->reserved = store->reserved;
	state->idle = store->idle;
	state->in_use = store->in_use;
	state->max_in_use = store->max_in_use;
	state->hits = store->hits;
	spin_unlock(&store->lock);
}
