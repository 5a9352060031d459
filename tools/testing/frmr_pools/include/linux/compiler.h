/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marked accesses are atomic ones, so that ThreadSanitizer can tell them from
 * plain ones; the machine code is the same.
 */
#ifndef _SHIM_LINUX_COMPILER_H
#define _SHIM_LINUX_COMPILER_H

#include_next <linux/compiler.h>

#if defined(__SANITIZE_THREAD__)
#define SHIM_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHIM_TSAN
#endif
#endif

#ifdef SHIM_TSAN
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#define data_race(expr) ({				\
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);	\
	typeof(expr) __value = (expr);			\
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);	\
	__value; })
#else
#define data_race(expr) (expr)
#endif

/*
 * What is read through a pointer comes after the pointer was read, as far as the
 * kernel is concerned; and a pointer that is written under a lock comes after
 * what an earlier holder of the lock had written. ThreadSanitizer wants to hear
 * it. Nothing else is ordered.
 */
#ifdef SHIM_TSAN
#define SHIM_POINTER_CLASS 5
#define SHIM_ORDER(x, order)						\
	(__builtin_classify_type(x) == SHIM_POINTER_CLASS ?		\
	 (order) : __ATOMIC_RELAXED)
#else
#define SHIM_ORDER(x, order) __ATOMIC_RELAXED
#endif

#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x) __atomic_load_n(&(x), SHIM_ORDER(x, __ATOMIC_ACQUIRE))
#define WRITE_ONCE(x, val) \
	__atomic_store_n(&(x), (val), SHIM_ORDER(x, __ATOMIC_RELEASE))

#ifndef __UNIQUE_ID
#define __UNIQUE_ID(prefix) __PASTE(__PASTE(__shim_id_, prefix), __COUNTER__)
#endif
#ifndef __counted_by
#define __counted_by(member)
#endif
#ifndef __cleanup
#define __cleanup(func) __attribute__((__cleanup__(func)))
#endif
#define __percpu
#undef __acquires
#define __acquires(x)
#undef __releases
#define __releases(x)
#undef __must_hold
#define __must_hold(x)

#endif /* _SHIM_LINUX_COMPILER_H */
