// SPDX-License-Identifier: GPL-2.0
/*
 * resource set frmr_pools
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "rdma_frmr.h"

static int set_aging(const char *dev, int argc, char **argv)
{
	__u64 seconds;
	__u32 index;

	if (argc != 1 || !parse_number(argv[0], 10, UINT32_MAX, &seconds))
		return usage_error("aging takes a number of seconds", NULL);
	if (nl_find_device(dev, &index) || nl_set_aging(index, seconds))
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

static int set_pinned(const char *dev, int argc, char **argv)
{
	struct frmr_key key;
	__u64 count;
	__u32 index;

	if (argc != 2)
		return usage_error("pinned takes a key and a number", NULL);
	if (!parse_key(argv[0], &key))
		return usage_error("no key of vendor_key:num_dma_blocks:access_flags:ats",
				   argv[0]);
	if (!parse_number(argv[1], 10, UINT32_MAX, &count))
		return usage_error("no number of handles", argv[1]);
	if (nl_find_device(dev, &index) || nl_set_pinned(index, &key, count))
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

static void note_reclaimed(const struct frmr_device *dev,
			   const struct frmr_pool *pool, void *arg)
{
	if (!pool)
		*(__u64 *)arg = counter(&dev->totals, "reclaimed");
}

static void print_reclaimed(const struct options *opt, const char *dev,
			    __u64 count)
{
	struct json_object *json;

	if (!opt->json) {
		printf("handles given back: %llu\n", count);
		return;
	}
	json = json_object_new_object();
	json_object_object_add(json, "dev", json_object_new_string(dev));
	json_object_object_add(json, "reclaimed",
			       json_object_new_uint64(count));
	print_json(opt, json);
}

/* Counts what others had the device give back meanwhile, too. */
static int set_reclaim(const struct options *opt, const char *dev, int argc)
{
	__u64 before = 0, after = 0;
	__u32 index;

	if (argc)
		return usage_error("reclaim takes no value", NULL);
	if (nl_find_device(dev, &index) ||
	    nl_pools(index, false, note_reclaimed, &before) ||
	    nl_reclaim(index) ||
	    nl_pools(index, false, note_reclaimed, &after))
		return EXIT_FAILURE;
	print_reclaimed(opt, dev, after - before);
	return EXIT_SUCCESS;
}

int cmd_set(const struct options *opt, int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[0], "dev"))
		return usage_error("expected: dev DEV aging|pinned|reclaim ...", NULL);
	if (!strcmp(argv[2], "aging"))
		return set_aging(argv[1], argc - 3, argv + 3);
	if (!strcmp(argv[2], "pinned"))
		return set_pinned(argv[1], argc - 3, argv + 3);
	if (!strcmp(argv[2], "reclaim"))
		return set_reclaim(opt, argv[1], argc - 3);
	return usage_error("unknown setting", argv[2]);
}
