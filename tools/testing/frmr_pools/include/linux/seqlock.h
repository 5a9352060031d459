/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_SEQLOCK_H
#define _SHIM_LINUX_SEQLOCK_H

#include <linux/spinlock.h>

typedef struct {
	unsigned int sequence;
} seqcount_t;

typedef seqcount_t seqcount_spinlock_t;
typedef seqcount_t seqcount_rwlock_t;

static inline void seqcount_init(seqcount_t *s)
{
	s->sequence = 0;
}

#define seqcount_spinlock_init(s, lock) seqcount_init(s)
#define seqcount_rwlock_init(s, lock) seqcount_init(s)

static inline unsigned int raw_read_seqcount(const seqcount_t *s)
{
	return smp_load_acquire(&s->sequence);
}

static inline unsigned int read_seqcount_begin(const seqcount_t *s)
{
	unsigned int seq;
	unsigned int spins = 0;

	while ((seq = raw_read_seqcount(s)) & 1)
		shim_spin(&spins);
	return seq;
}

static inline bool read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	smp_rmb();
	return READ_ONCE(s->sequence) != start;
}

static inline void write_seqcount_begin(seqcount_t *s)
{
	WRITE_ONCE(s->sequence, s->sequence + 1);
	smp_wmb();
	shim_atomic_enter();
}

static inline void write_seqcount_end(seqcount_t *s)
{
	shim_atomic_exit();
	smp_store_release(&s->sequence, s->sequence + 1);
}

typedef struct {
	seqcount_t seqcount;
	spinlock_t lock;
} seqlock_t;

static inline void seqlock_init(seqlock_t *sl)
{
	seqcount_init(&sl->seqcount);
	spin_lock_init(&sl->lock);
}

static inline unsigned int read_seqbegin(const seqlock_t *sl)
{
	return read_seqcount_begin(&sl->seqcount);
}

static inline bool read_seqretry(const seqlock_t *sl, unsigned int start)
{
	return read_seqcount_retry(&sl->seqcount, start);
}

static inline void write_seqlock(seqlock_t *sl)
{
	spin_lock(&sl->lock);
	write_seqcount_begin(&sl->seqcount);
}

static inline void write_sequnlock(seqlock_t *sl)
{
	write_seqcount_end(&sl->seqcount);
	spin_unlock(&sl->lock);
}

#endif /* _SHIM_LINUX_SEQLOCK_H */
