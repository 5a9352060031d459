/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_KERNEL_H
#define _SHIM_LINUX_KERNEL_H

#include <linux/container_of.h>

#include_next <linux/kernel.h>

/* These do more here. */
#undef BUG
#undef BUG_ON
#undef synchronize_rcu

/* As newer kernels have it: any two types of the same sign. */
#undef min
#undef max
#define min(a, b) ({ __auto_type __a = (a); __auto_type __b = (b); \
	__a < __b ? __a : __b; })
#define max(a, b) ({ __auto_type __a = (a); __auto_type __b = (b); \
	__a > __b ? __a : __b; })
#define min3(a, b, c) min(min(a, b), c)
#define max3(a, b, c) max(max(a, b), c)
#define umin(a, b) min((u64)(a), (u64)(b))
#define umax(a, b) max((u64)(a), (u64)(b))
#define lower_32_bits(n) ((u32)(n))
#define cmp_int(a, b) (((a) > (b)) - ((a) < (b)))
#define swap(a, b) ({ typeof(a) __c = (a); (a) = (b); (b) = __c; })

#endif /* _SHIM_LINUX_KERNEL_H */
