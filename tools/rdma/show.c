// SPDX-License-Identifier: GPL-2.0
/*
 * resource show frmr_pools
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "rdma_frmr.h"

struct show {
	const struct options *opt;
	struct json_object *json;
	bool header;
};

/* Four to a line. */
static void print_details(const struct frmr_pool *pool)
{
	__u64 hits = pool_counter(pool, "hits");
	__u64 misses = pool_counter(pool, "misses");
	unsigned int i;

	for (i = 0; i < pool->num_counters; i++)
		printf("%s %-9s %7llu", i % 4 ? " " : "\n  ",
		       pool->counters[i].name, pool->counters[i].value);
	printf("\n   hit rate  %5.1f %%\n", hit_rate(hits, misses));
}

static void print_pool(struct show *show, const char *dev,
		       const struct frmr_pool *pool)
{
	char text[64];

	if (!show->header)
		printf("%-10s %-28s %8s %8s %10s %8s\n", "dev", "key", "idle",
		       "in_use", "max_in_use", "pinned");
	show->header = true;
	format_key(text, sizeof(text), &pool->key);
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

	if (show->opt->json)
		add_pool(show, dev, aging_period, pool);
	else
		print_pool(show, dev, pool);
}

int cmd_show(const struct options *opt, int argc, char **argv)
{
	struct show show = { .opt = opt };
	struct filter filter = {};
	int flags, ret;

	if (filter_parse(&filter, argc, argv))
		return EXIT_FAILURE;
	if (opt->json)
		show.json = json_object_new_array();
	ret = filter_pools(&filter, opt->details, show_pool, &show);
	if (opt->json) {
		flags = opt->pretty ? JSON_C_TO_STRING_PRETTY :
				      JSON_C_TO_STRING_PLAIN;
		puts(json_object_to_json_string_ext(show.json, flags));
		json_object_put(show.json);
	}
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
