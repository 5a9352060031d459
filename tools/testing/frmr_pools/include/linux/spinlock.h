/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Locks that cost what the kernel's cost: one locked instruction to take, a
 * store to give back, and first come, first served. With SHIM_CHECK they know
 * their owner, so that lockdep_assert_held() and might_sleep() are real.
 */
#ifndef _SHIM_LINUX_SPINLOCK_H
#define _SHIM_LINUX_SPINLOCK_H

#include <sched.h>

#include <linux/atomic.h>
#include <linux/bug.h>

/*
 * Lets another thread run now and then, at places where that may do harm.
 */
#if defined(SHIM_CHECK) && !defined(SHIM_ONE_THREAD)
extern __thread u32 shim_dice;

static inline void shim_mix(void)
{
	shim_dice = shim_dice * 1664525 + 1013904223;
	if (shim_dice >> 27 == 0)
		sched_yield();
}
#else
static inline void shim_mix(void) {}
#endif

/* How many locks, RCU read sections and the like this thread is in. */
extern __thread unsigned int shim_atomic_depth;

#ifdef SHIM_CHECK
static inline void shim_atomic_enter(void)
{
	shim_atomic_depth++;
}

static inline void shim_atomic_exit(void)
{
	SHIM_ASSERT(shim_atomic_depth);
	shim_atomic_depth--;
}

#define might_sleep() SHIM_ASSERT(!shim_atomic_depth)

struct shim_owner {
	const void *thread;
};

static inline bool shim_owns(const struct shim_owner *owner)
{
	return READ_ONCE(owner->thread) == &shim_atomic_depth;
}

static inline void shim_own(struct shim_owner *owner)
{
	WRITE_ONCE(owner->thread, &shim_atomic_depth);
}

static inline void shim_disown(struct shim_owner *owner)
{
	SHIM_ASSERT(shim_owns(owner));
	WRITE_ONCE(owner->thread, NULL);
}

#define lockdep_assert_held(lock) SHIM_ASSERT(shim_owns(&(lock)->owner))
#define lockdep_assert_not_held(lock) SHIM_ASSERT(!shim_owns(&(lock)->owner))
#else
static inline void shim_atomic_enter(void) {}
static inline void shim_atomic_exit(void) {}

struct shim_owner {};

static inline bool shim_owns(const struct shim_owner *owner) { return false; }
static inline void shim_own(struct shim_owner *owner) {}
static inline void shim_disown(struct shim_owner *owner) {}

#define might_sleep() do { } while (0)
#define lockdep_assert_held(lock) do { } while (0)
#define lockdep_assert_not_held(lock) do { } while (0)
#endif

#define cond_resched() might_sleep()

/* A waiter that spins for long is in the way of the holder. */
#ifdef SHIM_CHECK
#define SHIM_SPINS 32
#else
#define SHIM_SPINS 4096
#endif

static inline void shim_spin(unsigned int *spins)
{
	if (++*spins % SHIM_SPINS)
		cpu_relax();
	else
		sched_yield();
}

/* Has the test decide whether a lock that is free is taken just now. */
#ifdef SHIM_CHECK
extern bool (*shim_is_contended)(void);

static inline bool shim_contended(void)
{
	return shim_is_contended && shim_is_contended();
}
#else
static inline bool shim_contended(void) { return false; }
#endif

typedef struct {
	u16 served;
	u16 next;
	struct shim_owner owner;
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) {}
#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)

static inline void spin_lock_init(spinlock_t *lock)
{
	*lock = (spinlock_t) {};
}

static inline void spin_lock(spinlock_t *lock)
{
	u16 ticket;
	unsigned int spins = 0;

	lockdep_assert_not_held(lock);
	ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
	while (unlikely(smp_load_acquire(&lock->served) != ticket))
		shim_spin(&spins);
	shim_own(&lock->owner);
	shim_atomic_enter();
}

static inline bool spin_trylock(spinlock_t *lock)
{
	u16 ticket = smp_load_acquire(&lock->served);

	if (shim_contended())
		return false;
	if (!try_cmpxchg_acquire(&lock->next, &ticket, ticket + 1))
		return false;
	shim_own(&lock->owner);
	shim_atomic_enter();
	return true;
}

static inline void spin_unlock(spinlock_t *lock)
{
	shim_disown(&lock->owner);
	shim_atomic_exit();
	smp_store_release(&lock->served, lock->served + 1);
	shim_mix();
}

#define SHIM_RW_LOCKED 1U /* by a writer */
#define SHIM_RW_WAITING 2U /* a writer waits for the readers to leave */
#define SHIM_RW_WRITER (SHIM_RW_LOCKED | SHIM_RW_WAITING)
#define SHIM_RW_READER 4U /* one reader */

typedef struct {
	u32 count;
	spinlock_t queue; /* threads that did not get in at once */
	struct shim_owner owner; /* if it is a writer */
} rwlock_t;

#define DEFINE_RWLOCK(name) rwlock_t name = {}

static inline void rwlock_init(rwlock_t *lock)
{
	*lock = (rwlock_t) {};
}

void shim_read_lock_slow(rwlock_t *lock);
void shim_write_lock_slow(rwlock_t *lock);

static inline void read_lock(rwlock_t *lock)
{
	u32 old;

	lockdep_assert_not_held(lock);
	old = __atomic_fetch_add(&lock->count, SHIM_RW_READER,
				 __ATOMIC_ACQUIRE);
	if (unlikely(old & SHIM_RW_WRITER))
		shim_read_lock_slow(lock);
	shim_atomic_enter();
}

static inline void read_unlock(rwlock_t *lock)
{
	shim_atomic_exit();
	__atomic_fetch_sub(&lock->count, SHIM_RW_READER, __ATOMIC_RELEASE);
	shim_mix();
}

static inline void write_lock(rwlock_t *lock)
{
	u32 old = 0;

	lockdep_assert_not_held(lock);
	if (unlikely(!try_cmpxchg_acquire(&lock->count, &old, SHIM_RW_LOCKED)))
		shim_write_lock_slow(lock);
	shim_own(&lock->owner);
	shim_atomic_enter();
}

static inline void write_unlock(rwlock_t *lock)
{
	shim_disown(&lock->owner);
	shim_atomic_exit();
	__atomic_fetch_sub(&lock->count, SHIM_RW_LOCKED, __ATOMIC_RELEASE);
	shim_mix();
}

#endif /* _SHIM_LINUX_SPINLOCK_H */
