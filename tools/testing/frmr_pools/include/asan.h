/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To tell AddressSanitizer what memory of our own is in use.
 */
#ifndef _SHIM_ASAN_H
#define _SHIM_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define SHIM_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHIM_ASAN
#endif
#endif

#ifdef SHIM_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size) do { } while (0)
#define ASAN_UNPOISON_MEMORY_REGION(p, size) do { } while (0)
#endif

#endif /* _SHIM_ASAN_H */
