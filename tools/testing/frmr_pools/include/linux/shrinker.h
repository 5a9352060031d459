/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory pressure: a test applies it to the one shrinker there is.
 */
#ifndef _SHIM_LINUX_SHRINKER_H
#define _SHIM_LINUX_SHRINKER_H

#include <linux/slab.h>

#define SHRINK_STOP (~0UL)
#define SHRINK_EMPTY (~0UL - 1)

struct shrink_control {
	unsigned long nr_to_scan;
};

struct shrinker {
	unsigned long (*count_objects)(struct shrinker *shrinker,
				       struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *shrinker,
				      struct shrink_control *sc);
	void *private_data;
};

extern struct shrinker *shim_shrinker;

#define shrinker_alloc(flags, ...) \
	((struct shrinker *)kzalloc(sizeof(struct shrinker), GFP_KERNEL))

static inline void shrinker_register(struct shrinker *shrinker)
{
	WRITE_ONCE(shim_shrinker, shrinker);
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	if (shim_shrinker == shrinker)
		WRITE_ONCE(shim_shrinker, NULL);
	kfree(shrinker);
}

#endif /* _SHIM_LINUX_SHRINKER_H */
