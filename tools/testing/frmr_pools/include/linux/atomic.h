/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Atomics and barriers through the compiler's built-ins, which sanitizers
 * understand. An operation that the kernel orders fully is seq_cst here.
 */
#ifndef _SHIM_LINUX_ATOMIC_H
#define _SHIM_LINUX_ATOMIC_H

#include <linux/compiler.h>
#include <linux/types.h>

#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define mb() smp_mb()
#define rmb() smp_rmb()
#define wmb() smp_wmb()
#define smp_mb__before_atomic() smp_mb()
#define smp_mb__after_atomic() smp_mb()
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define smp_store_mb(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)

#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() barrier()
#endif

#define xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define xchg_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define xchg_release(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define xchg_relaxed(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELAXED)

#define shim_cmpxchg(p, old, new, order) ({				\
	typeof(*(p)) __old = (old);					\
	__atomic_compare_exchange_n((p), &__old, (new), false, (order),	\
				    __ATOMIC_RELAXED);			\
	__old; })
#define cmpxchg(p, old, new) ({						\
	typeof(*(p)) __old = (old);					\
	__atomic_compare_exchange_n((p), &__old, (new), false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	__old; })
#define cmpxchg_acquire(p, o, n) shim_cmpxchg(p, o, n, __ATOMIC_ACQUIRE)
#define cmpxchg_release(p, o, n) shim_cmpxchg(p, o, n, __ATOMIC_RELEASE)
#define cmpxchg_relaxed(p, o, n) shim_cmpxchg(p, o, n, __ATOMIC_RELAXED)

#define shim_try_cmpxchg(p, old, new, order)				\
	__atomic_compare_exchange_n((p), (old), (new), false, (order),	\
				    __ATOMIC_RELAXED)
#define try_cmpxchg(p, o, n) shim_try_cmpxchg(p, o, n, __ATOMIC_SEQ_CST)
#define try_cmpxchg_acquire(p, o, n) shim_try_cmpxchg(p, o, n, __ATOMIC_ACQUIRE)
#define try_cmpxchg_release(p, o, n) shim_try_cmpxchg(p, o, n, __ATOMIC_RELEASE)
#define try_cmpxchg_relaxed(p, o, n) shim_try_cmpxchg(p, o, n, __ATOMIC_RELAXED)

#define ATOMIC_INIT(i) { (i) }
#define ATOMIC64_INIT(i) { (i) }
#define ATOMIC_LONG_INIT(i) { (i) }

/* One set of functions for each of atomic_t, atomic64_t and atomic_long_t. */
#define SHIM_ATOMIC(name, type)						\
static inline type name##_read(const name##_t *v)			\
{									\
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);		\
}									\
static inline type name##_read_acquire(const name##_t *v)		\
{									\
	return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);		\
}									\
static inline void name##_set(name##_t *v, type i)			\
{									\
	__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);		\
}									\
static inline void name##_set_release(name##_t *v, type i)		\
{									\
	__atomic_store_n(&v->counter, i, __ATOMIC_RELEASE);		\
}									\
static inline void name##_add(type i, name##_t *v)			\
{									\
	__atomic_fetch_add(&v->counter, i, __ATOMIC_RELAXED);		\
}									\
static inline void name##_sub(type i, name##_t *v)			\
{									\
	__atomic_fetch_sub(&v->counter, i, __ATOMIC_RELAXED);		\
}									\
static inline void name##_inc(name##_t *v) { name##_add(1, v); }	\
static inline void name##_dec(name##_t *v) { name##_sub(1, v); }	\
static inline type name##_add_return(type i, name##_t *v)		\
{									\
	return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);	\
}									\
static inline type name##_sub_return(type i, name##_t *v)		\
{									\
	return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST);	\
}									\
static inline type name##_fetch_add(type i, name##_t *v)		\
{									\
	return __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST);	\
}									\
static inline type name##_fetch_sub(type i, name##_t *v)		\
{									\
	return __atomic_fetch_sub(&v->counter, i, __ATOMIC_SEQ_CST);	\
}									\
static inline type name##_inc_return(name##_t *v)			\
{									\
	return name##_add_return(1, v);					\
}									\
static inline type name##_dec_return(name##_t *v)			\
{									\
	return name##_sub_return(1, v);					\
}									\
static inline bool name##_dec_and_test(name##_t *v)			\
{									\
	return !name##_sub_return(1, v);				\
}									\
static inline type name##_xchg(name##_t *v, type i)			\
{									\
	return xchg(&v->counter, i);					\
}									\
static inline type name##_cmpxchg(name##_t *v, type old, type new)	\
{									\
	return cmpxchg(&v->counter, old, new);				\
}									\
static inline bool name##_try_cmpxchg(name##_t *v, type *old, type new)	\
{									\
	return try_cmpxchg(&v->counter, old, new);			\
}									\
static inline bool name##_add_unless(name##_t *v, type i, type unless)	\
{									\
	type old = name##_read(v);					\
									\
	while (old != unless)						\
		if (try_cmpxchg(&v->counter, &old, old + i))		\
			return true;					\
	return false;							\
}									\
static inline bool name##_inc_not_zero(name##_t *v)			\
{									\
	return name##_add_unless(v, 1, 0);				\
}

SHIM_ATOMIC(atomic, int)
SHIM_ATOMIC(atomic64, s64)
SHIM_ATOMIC(atomic_long, long)

#endif /* _SHIM_LINUX_ATOMIC_H */
