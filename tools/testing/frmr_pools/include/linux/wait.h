/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Completions. All threads that wait do so at one place.
 */
#ifndef _SHIM_LINUX_WAIT_H
#define _SHIM_LINUX_WAIT_H

#include <linux/atomic.h>
#include <linux/spinlock.h>

void shim_wait_begin(void);
void shim_wait(void);
void shim_wait_end(void);
void shim_wake(void);

struct completion {
	unsigned int done;
};

static inline void init_completion(struct completion *x)
{
	WRITE_ONCE(x->done, 0);
}

static inline void complete(struct completion *x)
{
	__atomic_fetch_add(&x->done, 1, __ATOMIC_SEQ_CST);
	shim_wake();
}

static inline bool try_wait_for_completion(struct completion *x)
{
	unsigned int done = READ_ONCE(x->done);

	while (done)
		if (try_cmpxchg(&x->done, &done, done - 1))
			return true;
	return false;
}

static inline void wait_for_completion(struct completion *x)
{
	might_sleep();
	if (try_wait_for_completion(x))
		return;
	shim_wait_begin();
	while (!try_wait_for_completion(x))
		shim_wait();
	shim_wait_end();
}

#endif /* _SHIM_LINUX_WAIT_H */
