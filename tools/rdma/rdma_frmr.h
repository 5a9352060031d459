/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rdma-frmr: look at and steer the FRMR pools of RDMA devices.
 */
#ifndef RDMA_FRMR_H
#define RDMA_FRMR_H

#include <stdbool.h>
#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>

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

/* A pool as the kernel shows it. */
struct frmr_pool {
	struct frmr_key key;
	__u32 queue_handles;
	__u32 pinned_handles;
	__u64 in_use;
	__u64 max_in_use;
	unsigned int num_counters;
	struct {
		char name[32];
		__u64 value;
	} counters[MAX_COUNTERS];
};

typedef void (*device_fn)(__u32 index, const char *name, void *arg);
typedef void (*pool_fn)(const char *dev, __u32 aging_period,
			const struct frmr_pool *pool, void *arg);

#define NUM_FILTERS 4

/* Which pools: each property that is set must be equal. */
struct filter {
	const char *dev;	/* NULL: of all devices */
	bool set[NUM_FILTERS];
	__u64 value[NUM_FILTERS];
};

/* nl.c: 0, or a negative errno after a message on stderr. */
int nl_open(void);
void nl_close(void);
int nl_devices(device_fn fn, void *arg);
int nl_find_device(const char *name, __u32 *index);
int nl_pools(__u32 index, bool details, pool_fn fn, void *arg);
int nl_set_aging(__u32 index, __u32 seconds);
int nl_set_pinned(__u32 index, const struct frmr_key *key, __u32 count);

/* filter.c: 0, or not after a message on stderr. */
int filter_parse(struct filter *filter, int argc, char **argv);
int filter_pools(const struct filter *filter, bool details, pool_fn fn,
		 void *arg);

/* Commands: an exit status. */
int cmd_show(const struct options *opt, int argc, char **argv);
int cmd_watch(const struct options *opt, int argc, char **argv);
int cmd_set(int argc, char **argv);

/* main.c */
bool parse_number(const char *word, int base, __u64 max, __u64 *value);
int usage_error(const char *what, const char *word);
void format_key(char *text, size_t size, const struct frmr_key *key);
__u64 pool_counter(const struct frmr_pool *pool, const char *name);
double hit_rate(__u64 hits, __u64 misses);

#endif /* RDMA_FRMR_H */
