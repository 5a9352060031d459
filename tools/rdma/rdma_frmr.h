/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rdma-frmr: look at and steer the FRMR pools of RDMA devices.
 */
#ifndef RDMA_FRMR_H
#define RDMA_FRMR_H

#include <stdbool.h>
#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>

struct json_object;

/* Global options. */
struct options {
	bool details;	/* -d: counters, and pools for the kernel's own use */
	bool json;	/* -j */
	bool pretty;	/* -p: JSON with line breaks */
};

/* The immutable properties of the handles in a pool. */
struct frmr_key {
	__u64 vendor_key;
	__u64 kernel_vendor_key;
	__u64 num_dma_blocks;
	__u32 access_flags;
	__u8 ats;
};

#define MAX_COUNTERS 16

struct frmr_counters {
	unsigned int num;
	struct {
		char name[32];
		__u64 value;
	} list[MAX_COUNTERS];
};

/* A pool as the kernel shows it. */
struct frmr_pool {
	struct frmr_key key;
	__u32 queue_handles;
	__u32 pinned_handles;
	__u64 in_use;
	__u64 max_in_use;
	struct frmr_counters counters;
};

/* A device that has pools. */
struct frmr_device {
	__u32 index;
	char name[64];
	__u32 aging_period;
	struct frmr_counters totals;	/* of all pools that it ever had */
};

typedef void (*device_fn)(__u32 index, const char *name, void *arg);

/* Called for each pool and, when the device has no more, with NULL. */
typedef void (*pool_fn)(const struct frmr_device *dev,
			const struct frmr_pool *pool, void *arg);

#define NUM_FILTERS 8

/* Which pools: each property that has a list of values is in it. */
struct filter {
	const char *dev;	/* NULL: of all devices */
	const char *lists[NUM_FILTERS];
};

/* key.c */
bool parse_number(const char *word, int base, __u64 max, __u64 *value);
bool parse_key(const char *word, struct frmr_key *key);
void format_key(char *text, size_t size, const struct frmr_key *key);

/* output.c */
int usage_error(const char *what, const char *word);
void print_json(const struct options *opt, struct json_object *json);
__u64 counter(const struct frmr_counters *counters, const char *name);
double hit_rate(__u64 hits, __u64 misses);

/* nl.c: 0, or a negative errno after a message on stderr. */
int nl_open(void);
void nl_close(void);
int nl_devices(device_fn fn, void *arg);
int nl_find_device(const char *name, __u32 *index);
int nl_pools(__u32 index, bool details, pool_fn fn, void *arg);
int nl_set_aging(__u32 index, __u32 seconds);
int nl_set_pinned(__u32 index, const struct frmr_key *key, __u32 count);
int nl_reclaim(__u32 index);

/* filter.c: 0, or not after a message on stderr. */
int filter_parse(struct filter *filter, int argc, char **argv);
bool filter_is_empty(const struct filter *filter);
int filter_pools(const struct filter *filter, bool details, pool_fn fn,
		 void *arg);

/* Commands: an exit status. */
int cmd_show(const struct options *opt, int argc, char **argv);
int cmd_show_totals(const struct options *opt, int argc, char **argv);
int cmd_watch(const struct options *opt, int argc, char **argv);
int cmd_set(const struct options *opt, int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_metrics(int argc, char **argv);

#endif /* RDMA_FRMR_H */
