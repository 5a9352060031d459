// SPDX-License-Identifier: GPL-2.0
/*
 * Picks pools: those of one device or of all, with some properties or any.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_frmr.h"

enum {
	VENDOR_KEY, NUM_DMA_BLOCKS, ACCESS_FLAGS, ATS,
	QUEUE, IN_USE, MAX_IN_USE, PINNED
};

/* The names that the rdma tool has for them. */
static const char * const names[NUM_FILTERS] = {
	[VENDOR_KEY] = "vendor_key",
	[NUM_DMA_BLOCKS] = "num_dma_blocks",
	[ACCESS_FLAGS] = "access_flags",
	[ATS] = "ats",
	[QUEUE] = "queue",
	[IN_USE] = "in_use",
	[MAX_IN_USE] = "max_in_use",
	[PINNED] = "pinned",
};

static int find_name(const char *name)
{
	int i;

	for (i = 0; i < NUM_FILTERS; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* A decimal number, or one in hex after 0x. */
static bool take_number(const char **text, __u64 *value)
{
	bool hex = !strncmp(*text, "0x", 2);
	char *end;

	if (!isxdigit((*text)[hex ? 2 : 0]))
		return false;
	errno = 0;
	*value = strtoull(*text, &end, hex ? 16 : 10);
	if (errno || end == *text)
		return false;
	*text = end;
	return true;
}

/* @list has numbers and ranges of them, as in 1,4-16. False if it does not. */
static bool look_up(const char *list, __u64 value, bool *found)
{
	__u64 first, last;

	*found = false;
	for (;; list++) {
		if (!take_number(&list, &first))
			return false;
		last = first;
		if (*list == '-') {
			list++;
			if (!take_number(&list, &last) || last < first)
				return false;
		}
		if (first <= value && value <= last)
			*found = true;
		if (*list != ',')
			return !*list;
	}
}

int filter_parse(struct filter *filter, int argc, char **argv)
{
	bool found;
	int i;

	for (; argc; argc -= 2, argv += 2) {
		if (argc < 2)
			return usage_error("takes a value", argv[0]);
		if (!strcmp(argv[0], "dev")) {
			filter->dev = argv[1];
			continue;
		}
		i = find_name(argv[0]);
		if (i < 0)
			return usage_error("unknown filter", argv[0]);
		if (!look_up(argv[1], 0, &found))
			return usage_error("no value for this filter", argv[1]);
		filter->lists[i] = argv[1];
	}
	return 0;
}

/* Whether it lets all pools pass, of one device or of all. */
bool filter_is_empty(const struct filter *filter)
{
	int i;

	for (i = 0; i < NUM_FILTERS; i++)
		if (filter->lists[i])
			return false;
	return true;
}

static bool matches(const struct filter *filter, const struct frmr_pool *pool)
{
	__u64 values[NUM_FILTERS] = {
		[VENDOR_KEY] = pool->key.vendor_key,
		[NUM_DMA_BLOCKS] = pool->key.num_dma_blocks,
		[ACCESS_FLAGS] = pool->key.access_flags,
		[ATS] = pool->key.ats,
		[QUEUE] = pool->queue_handles,
		[IN_USE] = pool->in_use,
		[MAX_IN_USE] = pool->max_in_use,
		[PINNED] = pool->pinned_handles,
	};
	bool found;
	int i;

	for (i = 0; i < NUM_FILTERS; i++)
		if (filter->lists[i] &&
		    (!look_up(filter->lists[i], values[i], &found) || !found))
			return false;
	return true;
}

/* One request at a time: devices are collected before their pools are read. */
struct device_list {
	const char *only;
	__u32 *index;
	size_t count;
	bool failed;
};

static void collect(__u32 index, const char *name, void *arg)
{
	struct device_list *list = arg;
	__u32 *more;

	if (list->only && strcmp(list->only, name))
		return;
	more = realloc(list->index, (list->count + 1) * sizeof(*more));
	if (!more) {
		list->failed = true;
		return;
	}
	list->index = more;
	list->index[list->count++] = index;
}

static int collect_devices(struct device_list *list)
{
	int ret = nl_devices(collect, list);

	if (!ret && list->failed) {
		fprintf(stderr, "Out of memory\n");
		return -1;
	}
	if (!ret && list->only && !list->count) {
		fprintf(stderr, "There is no RDMA device \"%s\"\n",
			list->only);
		return -1;
	}
	return ret;
}

struct walk {
	const struct filter *filter;
	pool_fn fn;
	void *arg;
};

static void pass_matching(const struct frmr_device *dev,
			  const struct frmr_pool *pool, void *arg)
{
	const struct walk *walk = arg;

	if (!pool || matches(walk->filter, pool))
		walk->fn(dev, pool, walk->arg);
}

int filter_pools(const struct filter *filter, bool details, pool_fn fn,
		 void *arg)
{
	struct walk walk = { .filter = filter, .fn = fn, .arg = arg };
	struct device_list list = { .only = filter->dev };
	int ret = collect_devices(&list);
	size_t i;

	for (i = 0; !ret && i < list.count; i++)
		ret = nl_pools(list.index[i], details, pass_matching, &walk);
	free(list.index);
	return ret;
}
