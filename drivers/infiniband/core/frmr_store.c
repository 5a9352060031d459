// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The handles of one FRMR pool: a stack of idle ones in a list of blocks.
 *
 * Most pools never see two CPUs at once, and are this stack and a lock. Where
 * CPUs wait for the lock, each gets some handles of its own; the stack then
 * takes what is too much for one CPU, and serves those that have none left.
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

#include "frmr_cpu.h"
#include "frmr_store.h"

/* Most pools are small; the first block takes one cache line. */
#define FRMR_CHUNK_MIN_BYTES 64
#define FRMR_CHUNK_MAX_BYTES PAGE_SIZE

/* Waiting so often in one aging period is reason to give CPUs their own. */
#define FRMR_STORE_CONTENDED 64

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
	frmr_cpus_free(store->cpus);
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

/* Whether there is room for @count more handles, which is theirs then. */
static bool frmr_store_try_reserve(struct frmr_store *store, u32 count)
{
	lockdep_assert_held(&store->lock);

	if (store->capacity - store->reserved < count)
		return false;
	store->reserved += count;
	return true;
}

/* Called and returns with the lock, but gives it up to allocate. */
static int frmr_store_grow(struct frmr_store *store)
{
	size_t bytes = frmr_store_next_bytes(store);
	struct frmr_chunk *chunk;

	spin_unlock(&store->lock);
	chunk = frmr_chunk_alloc(bytes);
	spin_lock(&store->lock);
	if (!chunk)
		return -ENOMEM;
	list_add_tail(&chunk->entry, &store->chunks);
	store->capacity += chunk->size;
	if (!store->top)
		store->top = chunk;
	return 0;
}

/**
 * frmr_store_reserve - make sure that a new handle will always find room
 * @store: the store
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM with nothing reserved.
 */
int frmr_store_reserve(struct frmr_store *store)
{
	int ret = 0;

	spin_lock(&store->lock);
	while (!ret && !frmr_store_try_reserve(store, 1))
		ret = frmr_store_grow(store);
	spin_unlock(&store->lock);
	return ret;
}

/**
 * frmr_store_reserve_pinned - reserve room for pinned handles that are missing
 * @store: the store
 * @max: the most to reserve
 *
 * Context: may sleep.
 * Return: for how many; 0 if none is missing; -ENOMEM with nothing reserved.
 */
int frmr_store_reserve_pinned(struct frmr_store *store, u32 max)
{
	u32 count;
	int ret = 0;

	spin_lock(&store->lock);
	do {
		count = store->pinned - min(store->pinned, store->reserved);
		count = min(count, max);
		if (frmr_store_try_reserve(store, count))
			break;
		ret = frmr_store_grow(store);
	} while (!ret);
	spin_unlock(&store->lock);
	return ret ?: count;
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
 * frmr_store_trim - give back memory of handles that are gone
 * @store: the store
 */
void frmr_store_trim(struct frmr_store *store)
{
	struct frmr_chunk *spare;

	do {
		spin_lock(&store->lock);
		spare = frmr_store_unlink_spare(store);
		spin_unlock(&store->lock);
		kfree(spare);
	} while (spare);
}

/**
 * frmr_store_unreserve - tell that handles could not be created
 * @store: the store
 * @count: for how many room was reserved
 */
void frmr_store_unreserve(struct frmr_store *store, u32 count)
{
	spin_lock(&store->lock);
	store->reserved -= count;
	spin_unlock(&store->lock);
	frmr_store_trim(store);
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

static void frmr_store_put_all(struct frmr_store *store, const u32 *handles,
			       u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		frmr_store_put(store, handles[i]);
}

/* Handles that CPUs have at hand; not 0 if there are any. */
static u32 frmr_store_collect(struct frmr_store *store, u32 *handles, u32 max)
{
	lockdep_assert_held(&store->lock);

	return store->cpus ? frmr_cpus_collect(store->cpus, handles, max) : 0;
}

/* Whether there is an idle handle in the stack, if need be from some CPU. */
static bool frmr_store_has_idle(struct frmr_store *store)
{
	u32 handles[FRMR_CPU_BATCH];
	u32 count;

	if (!store->idle) {
		count = frmr_store_collect(store, handles, FRMR_CPU_BATCH);
		frmr_store_put_all(store, handles, count);
	}
	return store->idle;
}

/* Leaves as many in the stack, for the other CPUs. */
static void frmr_store_refill_cpu(struct frmr_store *store)
{
	u32 count = min(store->idle / 2, FRMR_CPU_BATCH);
	u32 handles[FRMR_CPU_BATCH];
	u32 i, done;

	for (i = 0; i < count; i++)
		handles[i] = frmr_store_get(store);
	done = frmr_cpus_refill(store->cpus, handles, count);
	frmr_store_put_all(store, handles + done, count - done);
}

static void frmr_store_spill_cpu(struct frmr_store *store)
{
	u32 handles[FRMR_CPU_BATCH];

	frmr_store_put_all(store, handles,
			   frmr_cpus_spill(store->cpus, handles));
}

/* Called after handles have left the stack to be used. */
static void frmr_store_count_out(struct frmr_store *store)
{
	lockdep_assert_held(&store->lock);

	store->max_in_use = max(store->max_in_use, store->live - store->idle);
}

/**
 * frmr_store_lend - tell that a new handle is in use
 * @store: the store; room for the handle is reserved
 */
void frmr_store_lend(struct frmr_store *store)
{
	spin_lock(&store->lock);
	store->live++;
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
	spin_lock(&store->lock);
	store->live += count;
	frmr_store_put_all(store, handles, count);
	spin_unlock(&store->lock);
}

/* For those who come often: counts when they wait. */
static void frmr_store_lock(struct frmr_store *store)
	__acquires(&store->lock)
{
	if (spin_trylock(&store->lock))
		return;
	spin_lock(&store->lock);
	WRITE_ONCE(store->contended, store->contended + 1);
}

/**
 * frmr_store_wants_cpus - whether CPUs have been waiting for each other
 * @store: the store
 *
 * Return: true if frmr_store_add_cpus() should be called.
 */
bool frmr_store_wants_cpus(struct frmr_store *store)
{
	KUNIT_STATIC_STUB_REDIRECT(frmr_store_wants_cpus, store);

	return READ_ONCE(store->contended) >= FRMR_STORE_CONTENDED &&
	       !READ_ONCE(store->cpus);
}
EXPORT_SYMBOL_IF_KUNIT(frmr_store_wants_cpus);

/**
 * frmr_store_add_cpus - let each CPU have some handles of its own
 * @store: the store
 *
 * If there is no memory, everything stays as it is, and works.
 *
 * Context: may sleep.
 */
void frmr_store_add_cpus(struct frmr_store *store)
{
	struct frmr_cpu __percpu *cpus = frmr_cpus_alloc();

	spin_lock(&store->lock);
	WRITE_ONCE(store->contended, 0);
	if (cpus && !store->cpus && !store->closed) {
		/* Those who read it without the lock find the arrays ready. */
		smp_store_release(&store->cpus, cpus);
		cpus = NULL;
	}
	spin_unlock(&store->lock);
	frmr_cpus_free(cpus);
}

/**
 * frmr_store_pop - take a handle into use
 * @store: the store
 * @handle: out: the handle; of those at hand the one that came in last
 *
 * Return: true with a handle, false if none is idle.
 */
bool frmr_store_pop(struct frmr_store *store, u32 *handle)
{
	struct frmr_cpu __percpu *cpus = READ_ONCE(store->cpus);
	bool found;

	if (cpus && frmr_cpus_pop(cpus, handle))
		return true;

	frmr_store_lock(store);
	found = frmr_store_has_idle(store);
	if (found) {
		*handle = frmr_store_get(store);
		if (store->cpus)
			frmr_store_refill_cpu(store);
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
	struct frmr_cpu __percpu *cpus = READ_ONCE(store->cpus);
	bool open;

	if (cpus && frmr_cpus_push(cpus, handle))
		return true;

	frmr_store_lock(store);
	open = !store->closed;
	if (open) {
		if (store->cpus)
			frmr_store_spill_cpu(store);
		frmr_store_put(store, handle);
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
	store->live--;
	store->reserved--;
	last = store->closed && store->live == store->idle;
	spin_unlock(&store->lock);
	return last;
}

/**
 * frmr_store_take - take idle handles out, to be destroyed
 * @store: the store
 * @handles: out: the handles
 * @count: the most to take
 *
 * Leaves what is pinned. The room of the handles is free at once; once they are
 * destroyed, frmr_store_trim() gives it back.
 *
 * Return: how many were taken.
 */
u32 frmr_store_take(struct frmr_store *store, u32 *handles, u32 count)
{
	u32 taken = 0, n;

	spin_lock(&store->lock);
	count = min(count, store->live - min(store->live, store->pinned));
	while (taken < count && store->idle)
		handles[taken++] = frmr_store_get(store);
	/* No more than are needed: what is moved would count as needed. */
	while (taken < count &&
	       (n = frmr_store_collect(store, handles + taken, count - taken)))
		taken += n;
	store->live -= taken;
	store->reserved -= taken;
	spin_unlock(&store->lock);
	return taken;
}

/**
 * frmr_store_set_pinned - set how many handles are not to be taken
 * @store: the store
 * @count: idle ones and those in use together
 * @old: out: the number that it was before
 *
 * Return: a number for this change.
 */
u32 frmr_store_set_pinned(struct frmr_store *store, u32 count, u32 *old)
{
	u32 change;

	spin_lock(&store->lock);
	*old = store->pinned;
	store->pinned = count;
	change = ++store->pin_changes;
	spin_unlock(&store->lock);
	return change;
}

/**
 * frmr_store_restore_pinned - take a frmr_store_set_pinned() back
 * @store: the store
 * @change: what that returned; nothing happens if there was a change since
 * @old: what the number was before
 */
void frmr_store_restore_pinned(struct frmr_store *store, u32 change, u32 old)
{
	spin_lock(&store->lock);
	if (store->pin_changes == change)
		store->pinned = old;
	spin_unlock(&store->lock);
}

/**
 * frmr_store_mark - end a period and start the next
 * @store: the store
 *
 * Return: how many idle handles nobody needed throughout the period. Those that
 * moved between a CPU and the stack are not among them.
 */
u32 frmr_store_mark(struct frmr_store *store)
{
	u32 low;

	spin_lock(&store->lock);
	low = store->low;
	store->low = store->idle;
	if (store->cpus)
		low += frmr_cpus_mark(store->cpus);
	WRITE_ONCE(store->contended, 0);
	spin_unlock(&store->lock);
	return low;
}

/* How many handles are out. */
static u32 frmr_store_in_use(struct frmr_store *store, u64 *hits)
{
	u32 idle = store->idle;

	lockdep_assert_held(&store->lock);

	if (store->cpus)
		idle += frmr_cpus_read(store->cpus, hits);
	/* They may take and return while the CPUs are counted. */
	return store->live - min(store->live, idle);
}

/**
 * frmr_store_close - let no handle in any more, and all out
 * @store: the store
 *
 * Return: how many handles are in use; frmr_store_drop() tells of the last.
 */
u32 frmr_store_close(struct frmr_store *store)
{
	u32 handles[FRMR_CPU_BATCH];
	u32 count;

	spin_lock(&store->lock);
	store->closed = true;
	store->pinned = 0;
	if (store->cpus)
		frmr_cpus_close(store->cpus);
	while ((count = frmr_store_collect(store, handles, FRMR_CPU_BATCH)))
		frmr_store_put_all(store, handles, count);
	count = store->live - store->idle;
	spin_unlock(&store->lock);
	return count;
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
	state->pinned = store->pinned;
	state->max_in_use = store->max_in_use;
	state->hits = store->hits;
	state->in_use = frmr_store_in_use(store, &state->hits);
	state->idle = store->live - state->in_use;
	spin_unlock(&store->lock);
}
