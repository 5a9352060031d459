// SPDX-License-Identifier: GPL-2.0
/*
 * metrics: the pools of each device in the text format of Prometheus
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_frmr.h"

enum { POOLS, IDLE, IN_USE, PINNED, AGING, NUM_GAUGES };

struct help {
	const char *name;
	const char *text;
};

static const struct help gauges[NUM_GAUGES] = {
	[POOLS] = { "pools", "Pools that the device has." },
	[IDLE] = { "idle_handles", "Handles that wait for a registration." },
	[IN_USE] = { "in_use_handles", "Handles of memory regions." },
	[PINNED] = { "pinned_handles", "Handles that never age." },
	[AGING] = { "aging_seconds", "How long a handle may idle." },
};

/* Other counters, of later kernels, are printed without an explanation. */
static const struct help counter_help[] = {
	{ "hits", "Registrations that found an idle handle." },
	{ "misses", "Registrations that found none." },
	{ "created", "Handles that the driver created." },
	{ "destroyed", "Handles that the driver destroyed." },
	{ "aged", "Of these, as nobody had needed them." },
	{ "reclaimed", "Of these, as the device was full." },
	{ "dropped", "Handles that the driver kept." },
	{ "failures", "Creations that failed." },
	{ "ahead", "Of those created, before somebody asked." },
	{ "ahead_used", "Of these, used since." },
};

/* What is told of a device */
struct sums {
	char dev[64];
	__u64 gauges[NUM_GAUGES];
	struct frmr_counters totals;
};

struct metrics {
	struct sums *devices;
	size_t count;
	struct sums sums;	/* of the device whose pools are read */
	bool failed;
};

static void add_device(struct metrics *metrics, const struct frmr_device *dev)
{
	struct sums *sums = &metrics->sums, *more;

	snprintf(sums->dev, sizeof(sums->dev), "%s", dev->name);
	sums->gauges[AGING] = dev->aging_period;
	sums->totals = dev->totals;
	more = reallocarray(metrics->devices, metrics->count + 1, sizeof(*sums));
	if (more) {
		metrics->devices = more;
		metrics->devices[metrics->count++] = *sums;
	} else {
		metrics->failed = true;
	}
	memset(sums, 0, sizeof(*sums));
}

static void add_pool(const struct frmr_device *dev,
		     const struct frmr_pool *pool, void *arg)
{
	struct metrics *metrics = arg;
	__u64 *sums = metrics->sums.gauges;

	if (!pool) {
		add_device(metrics, dev);
		return;
	}
	sums[POOLS]++;
	sums[IDLE] += pool->queue_handles;
	sums[IN_USE] += pool->in_use;
	sums[PINNED] += pool->pinned_handles;
}

static void print_gauges(const struct metrics *metrics)
{
	size_t d;
	int i;

	for (i = 0; i < NUM_GAUGES; i++) {
		printf("# HELP rdma_frmr_%s %s\n# TYPE rdma_frmr_%s gauge\n",
		       gauges[i].name, gauges[i].text, gauges[i].name);
		for (d = 0; d < metrics->count; d++)
			printf("rdma_frmr_%s{device=\"%s\"} %llu\n",
			       gauges[i].name, metrics->devices[d].dev,
			       metrics->devices[d].gauges[i]);
	}
}

static const char *help_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(counter_help) / sizeof(*counter_help); i++)
		if (!strcmp(counter_help[i].name, name))
			return counter_help[i].text;
	return "A counter of the kernel.";
}

/* All devices have the counters of this kernel. */
static void print_counters(const struct metrics *metrics)
{
	const struct frmr_counters *first = &metrics->devices[0].totals;
	const char *name;
	unsigned int i;
	size_t d;

	for (i = 0; i < first->num; i++) {
		name = first->list[i].name;
		printf("# HELP rdma_frmr_%s_total %s\n"
		       "# TYPE rdma_frmr_%s_total counter\n",
		       name, help_of(name), name);
		for (d = 0; d < metrics->count; d++)
			printf("rdma_frmr_%s_total{device=\"%s\"} %llu\n",
			       name, metrics->devices[d].dev,
			       counter(&metrics->devices[d].totals, name));
	}
}

static int print_metrics(const struct metrics *metrics)
{
	print_gauges(metrics);
	if (metrics->count)
		print_counters(metrics);
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_SUCCESS;
	perror("can't write");
	return EXIT_FAILURE;
}

int cmd_metrics(int argc, char **argv)
{
	struct metrics metrics = {};
	struct filter filter = {};
	int status = EXIT_FAILURE;

	if (argc && (argc != 2 || strcmp(argv[0], "dev")))
		return usage_error("expected: metrics [ dev DEV ]", NULL);
	filter.dev = argc ? argv[1] : NULL;
	if (!filter_pools(&filter, true, add_pool, &metrics)) {
		if (metrics.failed)
			fprintf(stderr, "Out of memory\n");
		else
			status = print_metrics(&metrics);
	}
	free(metrics.devices);
	return status;
}
