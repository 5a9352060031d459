/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Completions. All threads that wait do so at one place.
 */
#ifndef _SHIM_LINUX_WAIT_H
#define _SHIM_LINUX_WAIT_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

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
	bool done;

	might_sleep();
	do {
		/* It may be for work that nobody else is going to run. */
		shim_advance(0);
		shim_wait_begin();
		done = try_wait_for_completion(x);
		if (!done)
			shim_wait();
		shim_wait_end();
	} while (!done);
}

#endif /* _SHIM_LINUX_WAIT_H */
