/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MR_CHURN_H
#define MR_CHURN_H

#include <stdbool.h>
#include "rdma_util.h"

#define MAX_RANGES	64

struct range {
	unsigned long first;
	unsigned long last;
};

struct options {
	const char *device;
	int port;
	int gid_index;
	unsigned long threads;
	unsigned long count;
	unsigned long seconds;
	unsigned long mrs;
	unsigned long verify_every;
	unsigned long hold;
	unsigned long seed;
	struct range ranges[MAX_RANGES];
	unsigned int nr_ranges;
	bool in_turn;
	bool json;
};

/* Ends the program if it can't be understood. */
void parse_options(struct options *opt, int argc, char **argv);

/* The sizes to choose from, in pages */
unsigned long max_pages(const struct options *opt);
unsigned long number_of_sizes(const struct options *opt);
unsigned long nth_size(const struct options *opt, unsigned long n);

/*
 * Latencies are counted in a log-linear histogram, so that memory does not
 * grow with the run: 64 buckets for each power of two tell a latency to 1.6%.
 */
#define STEPS		64
#define STEP_BITS	6
#define BUCKETS		((64 - STEP_BITS + 1) * STEPS)

struct histogram {
	__u64 bucket[BUCKETS];
	__u64 count;
	__u64 sum;
	__u64 max;
};

void histogram_add(struct histogram *h, __u64 ns);
void histogram_merge(struct histogram *to, const struct histogram *from);
__u64 histogram_percentile(const struct histogram *h, unsigned int percent);

#endif /* MR_CHURN_H */
