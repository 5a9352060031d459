/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RCU through liburcu. With SHIM_QSBR readers cost nothing, as in the kernel, and
 * each registered thread says now and then that it is in no read section, or
 * that it is offline; without it there is no need to. With SHIM_ONE_THREAD a
 * grace period is over as soon as the thread is in no read section, so that a
 * use of memory that comes too late is found at once.
 */
#ifndef _SHIM_LINUX_RCUPDATE_H
#define _SHIM_LINUX_RCUPDATE_H

#include <linux/spinlock.h>

#ifdef SHIM_ONE_THREAD

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));

static inline void synchronize_rcu(void) { might_sleep(); }
static inline void rcu_barrier(void) { might_sleep(); }
static inline void rcu_register_thread(void) {}
static inline void rcu_unregister_thread(void) {}
static inline void rcu_thread_offline(void) {}
static inline void rcu_thread_online(void) {}

#else

/* ThreadSanitizer had better not see what is inside. */
#ifndef SHIM_TSAN
#define _LGPL_SOURCE
#endif
#ifdef SHIM_QSBR
#include <urcu-qsbr.h>
#else
#include <urcu.h>
#endif
#undef rcu_dereference
#undef rcu_assign_pointer
#undef rcu_xchg_pointer
#undef rcu_cmpxchg_pointer

/*
 * ThreadSanitizer does not see how liburcu orders things, so tell it: what a
 * read section did comes before the end of a grace period that waited for it.
 */
#ifdef SHIM_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char shim_rcu_order;
#define shim_rcu_done() __tsan_acquire(&shim_rcu_order)
#define shim_rcu_reader_done() __tsan_release(&shim_rcu_order)
#else
#define shim_rcu_done() do { } while (0)
#define shim_rcu_reader_done() do { } while (0)
#endif

static inline void shim_rcu_read_lock(void)
{
	shim_atomic_enter();
	rcu_read_lock();
}

static inline void shim_rcu_read_unlock(void)
{
	shim_mix();
	shim_rcu_reader_done();
	rcu_read_unlock();
	shim_atomic_exit();
}

static inline void shim_synchronize_rcu(void)
{
	might_sleep();
	synchronize_rcu();
	shim_rcu_done();
}

#undef rcu_read_lock
#undef rcu_read_unlock
#undef synchronize_rcu
#define rcu_read_lock() shim_rcu_read_lock()
#define rcu_read_unlock() shim_rcu_read_unlock()
#define synchronize_rcu() shim_synchronize_rcu()

#ifdef SHIM_TSAN
void shim_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
#undef call_rcu
#define call_rcu(head, func) shim_call_rcu(head, func)
#endif

#endif /* SHIM_ONE_THREAD */

/* Consume is acquire to every compiler, and to every sanitizer. */
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_dereference_raw(p) rcu_dereference(p)
#define rcu_dereference_protected(p, condition) READ_ONCE(p)
#define rcu_assign_pointer(p, v) smp_store_release(&(p), (v))
#define RCU_INIT_POINTER(p, v) WRITE_ONCE(p, v)

void shim_kfree_rcu(void *p);

#define kfree_rcu(p, head) ({				\
	(void)sizeof((p)->head);			\
	shim_kfree_rcu(p); })
#define kvfree_rcu(p, head) kfree_rcu(p, head)
#define kfree_rcu_mightsleep(p) shim_kfree_rcu(p)

#endif /* _SHIM_LINUX_RCUPDATE_H */
