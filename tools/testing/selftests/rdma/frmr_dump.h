/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of frmr_dump share.
 */
#ifndef FRMR_DUMP_H
#define FRMR_DUMP_H

#include "frmr_netlink.h"
#include "rdma_util.h"

#define TEST_DEVICES	"/sys/kernel/debug/frmr_test"
#define TIMEOUT		60	/* seconds; more than a slow kernel needs */

/* The grid of keys */
#define NUM_ACCESS	4
#define NUM_ATS		2
#define NUM_VENDORS	7	/* the first and the last have no stable pool */
#define NUM_CLASSES	(NUM_VENDORS * NUM_ACCESS * NUM_ATS)
#define STABLE_SIZES	125	/* the even ones from 2 on */
#define SIZES		(2 * STABLE_SIZES + 1)

/* What a test demands of each pool is in its check function. */
struct dump {
	bool (*check)(struct dump *dump, const struct frmr_pool *pool);
	struct frmr_key last;
	unsigned int messages;
	unsigned int totals;	/* messages that have them */
	struct frmr_pool total;
	unsigned int pools;
	unsigned int stable;
	unsigned int kernel;
	unsigned int handles;
	bool wrong;
	bool seen[NUM_CLASSES][SIZES + 1];	/* transient ones of the grid */
};

/*
 * frmr_dump_util.c. What is no part of a test ends the program if it fails.
 */
__u32 device_new(struct frmr_client *c, const char *name);
void link_delete(struct frmr_client *c, __u32 index);
void set_aging(struct frmr_client *c, __u32 index, __u32 seconds);
void set_pinned(struct frmr_client *c, __u32 index, const struct frmr_key *key,
		__u32 count);

/* The order of the pools: the size is what counts least. */
int compare(const struct frmr_key *a, const struct frmr_key *b);

/* Gives false. */
bool complain(const struct frmr_pool *pool, const char *what);

/* All of a dump, or its begin and its rest: 0 or a negative errno. */
int dump_all(struct frmr_client *c, __u32 index, bool details,
	     struct dump *dump);
void dump_begin(struct frmr_client *c, __u32 index, bool details);
int dump_finish(struct frmr_client *c, struct dump *dump);
int on_pools(const struct nlmsghdr *nlh, void *arg);

/* How many pools and handles the device has, the kernel's included. */
struct dump *count_pools(__u32 index);

unsigned long read_knob(const char *device, const char *knob);
void write_numbers(const char *device, const char *knob, unsigned int from,
		   unsigned int to);
bool device_is_content(const char *name);

/* frmr_dump_rows.c */
bool test_a_dump_goes_on_where_pools_have_ended(void);
bool test_a_dump_of_a_deleted_device_fails(void);
bool test_devices_are_deleted_under_dumps(void);
bool test_thousands_of_sizes_leave_no_pool(void);

#endif /* FRMR_DUMP_H */
