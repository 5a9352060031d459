/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rdma-frmr: look at and steer the FRMR pools of RDMA devices.
 */
#ifndef RDMA_FRMR_H
#define RDMA_FRMR_H

#include <stdbool.h>
#include <stdint.h>
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
	uint64_t vendor_key;
	uint64_t kernel_vendor_key;
	uint64_t num_dma_blocks;
	uint32_t access_flags;
	uint8_t ats;
};

#define MAX_COUNTERS 16

/* A pool as the kernel shows it. */
struct frmr_pool {
	struct frmr_key key;
	uint32_t queue_handles;
	uint32_t pinned_handles;
	uint64_t in_use;
	uint64_t max_in_use;
	unsigned int num_counters;
	struct {
		char name[32];
		uint64_t value;
	} counters[MAX_COUNTERS];
};

typedef void (*device_fn)(uint32_t index, const char *name, void *arg);
typedef void (*pool_fn)(const char *dev, uint32_t aging_period,
			const struct frmr_pool *pool, void *arg);

/* nl.c: 0, or a negative errno after a message on stderr. */
int nl_open(void);
void nl_close(void);
int nl_devices(device_fn fn, void *arg);
int nl_find_device(const char *name, uint32_t *index);
int nl_pools(uint32_t index, bool details, pool_fn fn, void *arg);
int nl_set_aging(uint32_t index, uint32_t seconds);
int nl_set_pinned(uint32_t index, const struct frmr_key *key, uint32_t count);

/* Commands: an exit status. */
int cmd_show(const struct options *opt, int argc, char **argv);
int cmd_set(int argc, char **argv);

/* main.c */
bool parse_number(const char *word, int base, uint64_t max, uint64_t *value);
int usage_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif /* RDMA_FRMR_H */
