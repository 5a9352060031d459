// SPDX-License-Identifier: GPL-2.0
/*
 * resource show frmr_pools
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "rdma_frmr.h"

/* Which pools to show: each property that was asked for must be equal. */
struct filter {
	const char *dev;
	struct {
		const char *name;
		int base;
		bool set;
		__u64 value;
	} field[4];
};

enum { VENDOR_KEY, NUM_DMA_BLOCKS, ACCESS_FLAGS, ATS };

struct show {
	const struct options *opt;
	struct filter filter;
	struct json_object *json;
	bool header;
};

static bool matches(const struct filter *filter, const struct frmr_key *key)
{
	__u64 values[] = {
		[VENDOR_KEY] = key->vendor_key,
		[NUM_DMA_BLOCKS] = key->num_dma_blocks,
		[ACCESS_FLAGS] = key->access_flags,
		[ATS] = key->ats,
	};
	int i;

	for (i = 0; i < 4; i++)
		if (filter->field[i].set && filter->field[i].value != values[i])
			return false;
	return true;
}

static __u64 counter(const struct frmr_pool *pool, const char *name)
{
	unsigned int i;

	for (i = 0; i < pool->num_counters; i++)
		if (!strcmp(pool->counters[i].name, name))
			return pool->counters[i].value;
	return 0;
}

/* In percent; of a pool that was never asked, 0. */
static double hit_rate(const struct frmr_pool *pool)
{
	__u64 hits = counter(pool, "hits");
	__u64 all = hits + counter(pool, "misses");

	return all ? 100.0 * hits / all : 0;
}

/* Four to a line. */
static void print_details(const struct frmr_pool *pool)
{
	unsigned int i;

	for (i = 0; i < pool->num_counters; i++)
		printf("%s %-9s %7llu", i % 4 ? " " : "\n  ",
		       pool->counters[i].name, pool->counters[i].value);
	printf("\n   hit rate  %5.1f %%\n", hit_rate(pool));
}

static void print_pool(struct show *show, const char *dev,
		       const struct frmr_pool *pool)
{
	const struct frmr_key *key = &pool->key;
	char text[64];

	if (!show->header)
		printf("%-10s %-28s %8s %8s %10s %8s\n", "dev", "key", "idle",
		       "in_use", "max_in_use", "pinned");
	show->header = true;
	snprintf(text, sizeof(text),
		 "%llx:%llx:%x:%x", key->vendor_key,
		 key->num_dma_blocks, key->access_flags, key->ats);
	if (key->kernel_vendor_key)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "[%llx]", key->kernel_vendor_key);
	printf("%-10s %-28s %8u %8llu %10llu %8u", dev, text,
	       pool->queue_handles, pool->in_use, pool->max_in_use,
	       pool->pinned_handles);
	if (show->opt->details)
		print_details(pool);
	else
		putchar('\n');
}

static void add_number(struct json_object *to, const char *name, __u64 value)
{
	json_object_object_add(to, name, json_object_new_uint64(value));
}

static void add_pool(struct show *show, const char *dev, __u32 aging_period,
		     const struct frmr_pool *pool)
{
	struct json_object *entry = json_object_new_object();
	unsigned int i;

	json_object_object_add(entry, "dev", json_object_new_string(dev));
	add_number(entry, "vendor_key", pool->key.vendor_key);
	if (pool->key.kernel_vendor_key)
		add_number(entry, "kernel_vendor_key",
			   pool->key.kernel_vendor_key);
	add_number(entry, "num_dma_blocks", pool->key.num_dma_blocks);
	add_number(entry, "access_flags", pool->key.access_flags);
	add_number(entry, "ats", pool->key.ats);
	add_number(entry, "queue_handles", pool->queue_handles);
	add_number(entry, "in_use", pool->in_use);
	add_number(entry, "max_in_use", pool->max_in_use);
	add_number(entry, "pinned_handles", pool->pinned_handles);
	if (show->opt->details) {
		add_number(entry, "aging_period", aging_period);
		for (i = 0; i < pool->num_counters; i++)
			add_number(entry, pool->counters[i].name,
				   pool->counters[i].value);
	}
	json_object_array_add(show->json, entry);
}

static void show_pool(const char *dev, __u32 aging_period,
		      const struct frmr_pool *pool, void *arg)
{
	struct show *show = arg;

	if (!matches(&show->filter, &pool->key))
		return;
	if (show->opt->json)
		add_pool(show, dev, aging_period, pool);
	else
		print_pool(show, dev, pool);
}

/* One request at a time: devices are collected before their pools are read. */
struct device_list {
	__u32 *index;
	size_t count;
	const char *only;
};

static void collect(__u32 index, const char *name, void *arg)
{
	struct device_list *list = arg;
	__u32 *more;

	if (list->only && strcmp(list->only, name))
		return;
	more = realloc(list->index, (list->count + 1) * sizeof(*more));
	if (!more)
		return;
	list->index = more;
	list->index[list->count++] = index;
}

static int show_all(struct show *show)
{
	struct device_list list = { .only = show->filter.dev };
	int ret = nl_devices(collect, &list);
	size_t i;

	if (!ret && list.only && !list.count) {
		fprintf(stderr, "There is no RDMA device \"%s\"\n", list.only);
		ret = -1;
	}
	for (i = 0; !ret && i < list.count; i++)
		ret = nl_pools(list.index[i], show->opt->details, show_pool,
			       show);
	free(list.index);
	return ret;
}

static int parse_filter(struct filter *filter, int argc, char **argv)
{
	int i;

	for (; argc; argc -= 2, argv += 2) {
		if (argc < 2)
			return usage_error("takes a value", argv[0]);
		if (!strcmp(argv[0], "dev")) {
			filter->dev = argv[1];
			continue;
		}
		for (i = 0; i < 4; i++)
			if (!strcmp(argv[0], filter->field[i].name))
				break;
		if (i == 4)
			return usage_error("unknown filter", argv[0]);
		if (!parse_number(argv[1], filter->field[i].base, UINT64_MAX,
				  &filter->field[i].value))
			return usage_error("no value for this filter", argv[1]);
		filter->field[i].set = true;
	}
	return 0;
}

int cmd_show(const struct options *opt, int argc, char **argv)
{
	struct show show = {
		.opt = opt,
		.filter.field = {
			[VENDOR_KEY] = { .name = "vendor_key", .base = 16 },
			[NUM_DMA_BLOCKS] = {
				.name = "num_dma_blocks", .base = 10,
			},
			[ACCESS_FLAGS] = { .name = "access_flags", .base = 16 },
			[ATS] = { .name = "ats", .base = 10 },
		},
	};
	int flags, ret;

	if (parse_filter(&show.filter, argc, argv))
		return EXIT_FAILURE;
	if (opt->json)
		show.json = json_object_new_array();
	ret = show_all(&show);
	if (opt->json) {
		flags = opt->pretty ? JSON_C_TO_STRING_PRETTY :
				      JSON_C_TO_STRING_PLAIN;
		puts(json_object_to_json_string_ext(show.json, flags));
		json_object_put(show.json);
	}
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
