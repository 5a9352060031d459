// SPDX-License-Identifier: GPL-2.0
#include "mr_churn.h"

static unsigned int bucket_of(__u64 ns)
{
	unsigned int octave;

	if (ns < STEPS)
		return ns;
	octave = 63 - __builtin_clzll(ns) - STEP_BITS;
	return octave * STEPS + (ns >> octave);
}

static __u64 bucket_value(unsigned int bucket)
{
	unsigned int octave = bucket / STEPS;

	if (octave < 2)
		return bucket;
	octave--;
	return (__u64)(bucket - octave * STEPS) << octave;
}

void histogram_add(struct histogram *h, __u64 ns)
{
	h->bucket[bucket_of(ns)]++;
	h->count++;
	h->sum += ns;
	if (ns > h->max)
		h->max = ns;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
}

__u64 histogram_percentile(const struct histogram *h, unsigned int percent)
{
	__u64 rank = (h->count * percent + 99) / 100;
	__u64 seen = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && seen >= rank)
			return bucket_value(i);
	}
	return 0;
}
