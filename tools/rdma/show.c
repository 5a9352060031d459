// SPDX-License-Identifier: GPL-2.0
/*
 * resource show frmr_pools, frmr_totals
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
	bool totals;
};

/* Four to a line. */
static void print_counters(const struct frmr_counters *counters)
{
	__u64 hits = counter(counters, "hits");
	__u64 misses = counter(counters, "misses");
	unsigned int i;

	for (i = 0; i < counters->num; i++)
		printf("%s%-10s%8llu", i % 4 ? "  " : "\n  ",
		       counters->list[i].name, counters->list[i].value);
	printf("\n  hit rate    %5.1f %%\n", hit_rate(hits, misses));
}

static void print_pool(struct show *show, const struct frmr_device *dev,
		       const struct frmr_pool *pool)
{
	char text[64];

	if (!show->header)
		printf("%-10s %-28s %8s %8s %10s %8s\n", "dev", "key", "idle",
		       "in_use", "max_in_use", "pinned");
	show->header = true;
	format_key(text, sizeof(text), &pool->key);
	printf("%-10s %-28s %8u %8llu %10llu %8u", dev->name, text,
	       pool->queue_handles, pool->in_use, pool->max_in_use,
	       pool->pinned_handles);
	if (show->opt->details)
		print_counters(&pool->counters);
	else
		putchar('\n');
}

static void print_totals(const struct frmr_device *dev)
{
	printf("%-10s all pools so far, aging period %u s", dev->name,
	       dev->aging_period);
	print_counters(&dev->totals);
}

static void add_number(struct json_object *to, const char *name, __u64 value)
{
	json_object_object_add(to, name, json_object_new_uint64(value));
}

static void add_string(struct json_object *to, const char *name,
		       const char *value)
{
	json_object_object_add(to, name, json_object_new_string(value));
}

static void add_counters(struct json_object *to,
			 const struct frmr_counters *counters)
{
	unsigned int i;

	for (i = 0; i < counters->num; i++)
		add_number(to, counters->list[i].name, counters->list[i].value);
}

/* ifindex and ifname are the rdma tool's names for it. */
static struct json_object *new_entry(const struct frmr_device *dev)
{
	struct json_object *entry = json_object_new_object();

	add_number(entry, "ifindex", dev->index);
	add_string(entry, "ifname", dev->name);
	add_string(entry, "dev", dev->name);
	return entry;
}

static void add_key(struct json_object *entry, const struct frmr_key *key)
{
	struct frmr_key users = *key;
	char text[64];

	/* The rdma tool names it without the kernel's part. */
	users.kernel_vendor_key = 0;
	format_key(text, sizeof(text), &users);
	add_string(entry, "key", text);
	add_number(entry, "vendor_key", key->vendor_key);
	if (key->kernel_vendor_key)
		add_number(entry, "kernel_vendor_key", key->kernel_vendor_key);
	add_number(entry, "num_dma_blocks", key->num_dma_blocks);
	add_number(entry, "access_flags", key->access_flags);
	add_number(entry, "ats", key->ats);
}

static void add_pool(struct show *show, const struct frmr_device *dev,
		     const struct frmr_pool *pool)
{
	struct json_object *entry = new_entry(dev);

	add_key(entry, &pool->key);
	/* queue and pinned are the rdma tool's names, which came later. */
	add_number(entry, "queue", pool->queue_handles);
	add_number(entry, "queue_handles", pool->queue_handles);
	add_number(entry, "in_use", pool->in_use);
	add_number(entry, "max_in_use", pool->max_in_use);
	add_number(entry, "pinned", pool->pinned_handles);
	add_number(entry, "pinned_handles", pool->pinned_handles);
	if (show->opt->details) {
		add_number(entry, "aging_period", dev->aging_period);
		add_counters(entry, &pool->counters);
	}
	json_object_array_add(show->json, entry);
}

/* A kernel that tells no totals has nothing to show. */
static void show_totals(const struct frmr_device *dev,
			const struct frmr_pool *pool, void *arg)
{
	struct json_object *entry;
	struct show *show = arg;

	if (pool || !dev->totals.num)
		return;
	if (!show->opt->json) {
		print_totals(dev);
		return;
	}
	entry = new_entry(dev);
	add_number(entry, "aging_period", dev->aging_period);
	add_counters(entry, &dev->totals);
	json_object_array_add(show->json, entry);
}

static void show_pool(const struct frmr_device *dev,
		      const struct frmr_pool *pool, void *arg)
{
	struct show *show = arg;

	if (!pool && show->totals)
		show_totals(dev, pool, arg);
	else if (pool && show->opt->json)
		add_pool(show, dev, pool);
	else if (pool)
		print_pool(show, dev, pool);
}

static int show_all(struct show *show, const struct filter *filter, pool_fn fn)
{
	const struct options *opt = show->opt;
	int ret;

	if (opt->json)
		show->json = json_object_new_array();
	ret = filter_pools(filter, opt->details, fn, show);
	if (opt->json)
		print_json(opt, show->json);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_show(const struct options *opt, int argc, char **argv)
{
	struct show show = { .opt = opt };
	struct filter filter = {};

	if (filter_parse(&filter, argc, argv))
		return EXIT_FAILURE;
	/* Each element of the JSON is a pool. */
	show.totals = opt->details && !opt->json && filter_is_empty(&filter);
	return show_all(&show, &filter, show_pool);
}

int cmd_show_totals(const struct options *opt, int argc, char **argv)
{
	struct show show = { .opt = opt };
	struct filter filter = {};

	if (filter_parse(&filter, argc, argv))
		return EXIT_FAILURE;
	if (!filter_is_empty(&filter))
		return usage_error("totals are those of all pools: only dev picks some", NULL);
	return show_all(&show, &filter, show_totals);
}
