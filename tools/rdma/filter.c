// SPDX-License-Identifier: GPL-2.0
/*
 * Picks pools: those of one device or of all, with some properties or any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_frmr.h"

enum { VENDOR_KEY, NUM_DMA_BLOCKS, ACCESS_FLAGS, ATS };

static const struct {
	const char *name;
	int base;
} fields[NUM_FILTERS] = {
	[VENDOR_KEY] = { "vendor_key", 16 },
	[NUM_DMA_BLOCKS] = { "num_dma_blocks", 10 },
	[ACCESS_FLAGS] = { "access_flags", 16 },
	[ATS] = { "ats", 10 },
};

static int find_field(const char *name)
{
	int i;

	for (i = 0; i < NUM_FILTERS; i++)
		if (!strcmp(name, fields[i].name))
			return i;
	return -1;
}

int filter_parse(struct filter *filter, int argc, char **argv)
{
	int i;

	for (; argc; argc -= 2, argv += 2) {
		if (argc < 2)
			return usage_error("takes a value", argv[0]);
		if (!strcmp(argv[0], "dev")) {
			filter->dev = argv[1];
			continue;
		}
		i = find_field(argv[0]);
		if (i < 0)
			return usage_error("unknown filter", argv[0]);
		if (!parse_number(argv[1], fields[i].base, UINT64_MAX,
				  &filter->value[i]))
			return usage_error("no value for this filter", argv[1]);
		filter->set[i] = true;
	}
	return 0;
}

static bool matches(const struct filter *filter, const struct frmr_key *key)
{
	__u64 values[NUM_FILTERS] = {
		[VENDOR_KEY] = key->vendor_key,
		[NUM_DMA_BLOCKS] = key->num_dma_blocks,
		[ACCESS_FLAGS] = key->access_flags,
		[ATS] = key->ats,
	};
	int i;

	for (i = 0; i < NUM_FILTERS; i++)
		if (filter->set[i] && filter->value[i] != values[i])
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

static void pass_matching(const char *dev, __u32 aging_period,
			  const struct frmr_pool *pool, void *arg)
{
	const struct walk *walk = arg;

	if (matches(walk->filter, &pool->key))
		walk->fn(dev, aging_period, pool, walk->arg);
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
