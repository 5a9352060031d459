/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What requests to the FRMR pools carry, and what the kernel tells of a pool.
 */
#ifndef FRMR_NETLINK_H
#define FRMR_NETLINK_H

#include <linux/types.h>
#include <libmnl/libmnl.h>

struct frmr_key {
	__u64 kernel_vendor_key;	/* shown only */
	__u64 vendor_key;
	__u32 access_flags;
	__u8 ats;
	__u64 num_dma_blocks;
};

struct frmr_pool {
	struct frmr_key key;
	__u32 idle;
	__u32 pinned;
	__u64 in_use;
	__u64 created;
	__u64 destroyed;
	__u64 dropped;
};

/* These add the attributes of a request to device @index. */
void frmr_put_aging(struct nlmsghdr *nlh, __u32 index, __u32 seconds);
void frmr_put_pinned(struct nlmsghdr *nlh, __u32 index,
		     const struct frmr_key *key, __u32 count);

void frmr_put_reclaim(struct nlmsghdr *nlh, __u32 index, __u32 idle);

/* Reads an RDMA_NLDEV_ATTR_DRIVER, of a pool or of the device. */
void frmr_read_counters(const struct nlattr *nest, struct frmr_pool *pool);

/* Reads an RDMA_NLDEV_ATTR_FRMR_POOL_ENTRY; what it lacks is 0. */
void frmr_read_pool(const struct nlattr *nest, struct frmr_pool *pool);

#endif /* FRMR_NETLINK_H */
