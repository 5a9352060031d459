/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What nl_fuzz sends.
 */
#ifndef NL_FUZZ_H
#define NL_FUZZ_H

#include <stdbool.h>
#include <rdma/rdma_netlink.h>
#include "frmr_netlink.h"

#define GET		RDMA_NLDEV_CMD_FRMR_POOLS_GET
#define SET		RDMA_NLDEV_CMD_FRMR_POOLS_SET

/*
 * What a request may ask for, lest it take all memory: a few handles of a
 * moderate size, or so large a table that the kernel has none at all.
 */
#define MAX_PINNED	15
#define MAX_BLOCKS	0x8000ull
#define HUGE_BLOCKS	0x10000000ull

#define MAX_REQUESTS	3	/* in a datagram */
#define REQUEST_BYTES	512

struct datagram {
	size_t size;
	union {
		struct nlmsghdr nlh;
		char bytes[MAX_REQUESTS * REQUEST_BYTES];
	};
};

/* The device, and how many MRs it has at most */
extern __u32 dev_index;
extern __u32 max_mr;

/* Where all choices come from */
extern __u64 random_state;
__u64 below(__u64 limit);
bool once_in(unsigned int n);

/* Requests of which most are mutated, and none can hurt */
void build_datagram(struct datagram *d);

#endif /* NL_FUZZ_H */
