/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Completions and waiting for a variable. All who wait do so at one place.
 */
#ifndef _SHIM_LINUX_WAIT_H
#define _SHIM_LINUX_WAIT_H

#include <linux/atomic.h>
#include <linux/spinlock.h>

void shim_wait_begin(void);
void shim_wait(void);
void shim_wait_end(void);
void shim_wake(void);

#define wait_var_event(var, condition) ({	\
	might_sleep();				\
	if (!(condition)) {			\
		shim_wait_begin();		\
		while (!(condition))		\
			shim_wait();		\
		shim_wait_end();		\
	} })
#define wake_up_var(var) shim_wake()

struct completion {
	unsigned int done;
};

static inline void init_completion(struct completion *x)
{
	WRITE_ONCE(x->done, 0);
}

#define reinit_completion(x) init_completion(x)

static inline bool completion_done(struct completion *x)
{
	return smp_load_acquire(&x->done);
}

static inline void complete(struct completion *x)
{
	__atomic_fetch_add(&x->done, 1, __ATOMIC_SEQ_CST);
	shim_wake();
}

static inline void complete_all(struct completion *x)
{
	__atomic_store_n(&x->done, UINT_MAX / 2, __ATOMIC_SEQ_CST);
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

#define wait_for_completion(x) wait_var_event(x, try_wait_for_completion(x))

#endif /* _SHIM_LINUX_WAIT_H */
