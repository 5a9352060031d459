/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Warnings. One that the test has not announced ends the program.
 */
#ifndef _SHIM_LINUX_BUG_H
#define _SHIM_LINUX_BUG_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>

void shim_warn(const char *file, int line, const char *what);
void shim_bug(const char *file, int line, const char *what)
	__attribute__((noreturn));
void shim_printk(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#define WARN_ON(condition) ({				\
	bool __failed = (condition);			\
							\
	if (unlikely(__failed))				\
		shim_warn(__FILE__, __LINE__, #condition);\
	unlikely(__failed); })
#define WARN(condition, format...) ({			\
	bool __warned = WARN_ON(condition);		\
							\
	if (unlikely(__warned))				\
		shim_printk(format);			\
	unlikely(__warned); })

/* Not only once: a test wants each of them. */
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define WARN_ONCE(condition, format...) WARN(condition, format)

#define SHIM_ASSERT(condition) ({			\
	if (unlikely(!(condition)))			\
		shim_bug(__FILE__, __LINE__, #condition); })
#define BUG_ON(condition) SHIM_ASSERT(!(condition))
#define BUG() shim_bug(__FILE__, __LINE__, "BUG()")

#define pr_err(format...) shim_printk(format)
#define pr_warn(format...) shim_printk(format)
#define pr_info(format...) shim_printk(format)
#define pr_err_once(format...) pr_err(format)
#define pr_warn_once(format...) pr_warn(format)
#define pr_debug(format...) ({ if (0) shim_printk(format); })

#endif /* _SHIM_LINUX_BUG_H */
