// SPDX-License-Identifier: GPL-2.0
/*
 * resource watch frmr_pools
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rdma_frmr.h"

#define DEV_NAME_SIZE 64

/* A pool, as it was seen last. */
struct seen {
	char dev[DEV_NAME_SIZE];
	struct frmr_pool pool;
};

/* All pools at one moment. */
struct snapshot {
	struct seen *pools;
	size_t count;
	bool failed;
};

struct watch {
	struct filter filter;
	bool details;
	__u64 interval;
	__u64 count;
};

static void remember(const struct frmr_device *dev,
		     const struct frmr_pool *pool, void *arg)
{
	struct snapshot *snap = arg;
	struct seen *more;

	if (!pool)
		return;
	more = realloc(snap->pools, (snap->count + 1) * sizeof(*more));
	if (!more) {
		snap->failed = true;
		return;
	}
	snap->pools = more;
	more += snap->count++;
	snprintf(more->dev, sizeof(more->dev), "%s", dev->name);
	more->pool = *pool;
}

/* What the pool counted before; nothing if it is new, or a later one. */
static __u64 counted_before(const struct snapshot *before,
			    const struct seen *now, const char *name)
{
	const struct seen *old;
	size_t i;

	for (i = 0; i < before->count; i++) {
		old = &before->pools[i];
		if (strcmp(old->dev, now->dev) ||
		    memcmp(&old->pool.key, &now->pool.key,
			   sizeof(now->pool.key)))
			continue;
		if (counter(&old->pool.counters, "created") >
		    counter(&now->pool.counters, "created"))
			return 0;
		return counter(&old->pool.counters, name);
	}
	return 0;
}

static __u64 change(const struct snapshot *before, const struct seen *now,
		    const char *name)
{
	return counter(&now->pool.counters, name) -
	       counted_before(before, now, name);
}

static void print_row(const struct snapshot *before, const struct seen *now,
		      double seconds)
{
	const struct frmr_pool *pool = &now->pool;
	__u64 hits = change(before, now, "hits");
	__u64 misses = change(before, now, "misses");
	char key[64];

	format_key(key, sizeof(key), &pool->key);
	printf("%-8s %-16s %7u %7llu %7u %8.0f %5.1f %7.0f %6.0f\n", now->dev,
	       key, pool->queue_handles, pool->in_use, pool->pinned_handles,
	       (hits + misses) / seconds, hit_rate(hits, misses),
	       change(before, now, "created") / seconds,
	       change(before, now, "destroyed") / seconds);
}

static void print_rates(const struct snapshot *before,
			const struct snapshot *now, double seconds)
{
	size_t i;

	/* Home, and clear what is below: a screen is redrawn in place. */
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	printf("%-8s %-16s %7s %7s %7s %8s %5s %7s %6s\n", "dev", "key", "idle",
	       "in_use", "pinned", "pops/s", "hit%", "made/s", "gone/s");
	for (i = 0; i < now->count; i++)
		print_row(before, &now->pools[i], seconds);
	fflush(stdout);
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec +
	       (now.tv_nsec - begin->tv_nsec) / 1e9;
}

static int take_snapshot(const struct watch *watch, struct snapshot *snap)
{
	int ret;

	*snap = (struct snapshot) {};
	ret = filter_pools(&watch->filter, watch->details, remember, snap);
	if (!ret && snap->failed) {
		fprintf(stderr, "Out of memory\n");
		ret = -1;
	}
	return ret;
}

/* Until it is interrupted, or has shown as much as it was asked for. */
static int run(const struct watch *watch)
{
	struct snapshot before, now;
	struct timespec begin;
	__u64 shown;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	ret = take_snapshot(watch, &before);
	for (shown = 0; !ret && (!watch->count || shown < watch->count);
	     shown++) {
		sleep(watch->interval);
		ret = take_snapshot(watch, &now);
		if (!ret)
			print_rates(&before, &now, seconds_since(&begin));
		clock_gettime(CLOCK_MONOTONIC, &begin);
		free(before.pools);
		before = now;
	}
	free(before.pools);
	return ret;
}

int cmd_watch(const struct options *opt, int argc, char **argv)
{
	struct watch watch = { .details = opt->details, .interval = 1 };
	__u64 *number;

	if (opt->json)
		return usage_error("watch prints no JSON", NULL);
	for (; argc; argc -= 2, argv += 2) {
		if (!strcmp(argv[0], "interval"))
			number = &watch.interval;
		else if (!strcmp(argv[0], "count"))
			number = &watch.count;
		else
			break;
		if (argc < 2)
			return usage_error("takes a value", argv[0]);
		if (!parse_number(argv[1], 10, 86400, number) || !*number)
			return usage_error("no number from 1 to 86400", argv[1]);
	}
	if (filter_parse(&watch.filter, argc, argv))
		return EXIT_FAILURE;
	return run(&watch) ? EXIT_FAILURE : EXIT_SUCCESS;
}
