// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <rdma/rdma_netlink.h>
#include "frmr_netlink.h"

void frmr_put_aging(struct nlmsghdr *nlh, __u32 index, __u32 seconds)
{
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD, seconds);
}

void frmr_put_pinned(struct nlmsghdr *nlh, __u32 index,
		     const struct frmr_key *key, __u32 count)
{
	struct nlattr *nest;

	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_PINNED_HANDLES, count);
	nest = mnl_attr_nest_start(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_KEY);
	mnl_attr_put_u8(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ATS, key->ats);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ACCESS_FLAGS,
			 key->access_flags);
	mnl_attr_put_u64(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_VENDOR_KEY,
			 key->vendor_key);
	mnl_attr_put_u64(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_NUM_DMA_BLOCKS,
			 key->num_dma_blocks);
	mnl_attr_nest_end(nlh, nest);
}

void frmr_put_reclaim(struct nlmsghdr *nlh, __u32 index, __u32 idle)
{
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_QUEUE_HANDLES, idle);
}

static void read_key(const struct nlattr *nest, struct frmr_key *key)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ATS:
			key->ats = mnl_attr_get_u8(attr);
			break;
		case RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ACCESS_FLAGS:
			key->access_flags = mnl_attr_get_u32(attr);
			break;
		case RDMA_NLDEV_ATTR_FRMR_POOL_KEY_VENDOR_KEY:
			key->vendor_key = mnl_attr_get_u64(attr);
			break;
		case RDMA_NLDEV_ATTR_FRMR_POOL_KEY_KERNEL_VENDOR_KEY:
			key->kernel_vendor_key = mnl_attr_get_u64(attr);
			break;
		case RDMA_NLDEV_ATTR_FRMR_POOL_KEY_NUM_DMA_BLOCKS:
			key->num_dma_blocks = mnl_attr_get_u64(attr);
			break;
		}
	}
}

/* A sequence: a name, then its value. */
void frmr_read_counters(const struct nlattr *nest, struct frmr_pool *pool)
{
	const struct nlattr *a;
	const char *name = "";

	mnl_attr_for_each_nested(a, nest) {
		if (mnl_attr_get_type(a) == RDMA_NLDEV_ATTR_DRIVER_STRING)
			name = mnl_attr_get_str(a);
		if (mnl_attr_get_type(a) != RDMA_NLDEV_ATTR_DRIVER_U64)
			continue;
		if (!strcmp(name, "created"))
			pool->created = mnl_attr_get_u64(a);
		else if (!strcmp(name, "destroyed"))
			pool->destroyed = mnl_attr_get_u64(a);
		else if (!strcmp(name, "dropped"))
			pool->dropped = mnl_attr_get_u64(a);
	}
}

void frmr_read_pool(const struct nlattr *nest, struct frmr_pool *pool)
{
	const struct nlattr *a;

	memset(pool, 0, sizeof(*pool));
	mnl_attr_for_each_nested(a, nest) {
		switch (mnl_attr_get_type(a)) {
		case RDMA_NLDEV_ATTR_FRMR_POOL_KEY:
			read_key(a, &pool->key);
			break;
		case RDMA_NLDEV_ATTR_FRMR_POOL_QUEUE_HANDLES:
			pool->idle = mnl_attr_get_u32(a);
			break;
		case RDMA_NLDEV_ATTR_FRMR_POOL_IN_USE:
			pool->in_use = mnl_attr_get_u64(a);
			break;
		case RDMA_NLDEV_ATTR_FRMR_POOL_PINNED_HANDLES:
			pool->pinned = mnl_attr_get_u32(a);
			break;
		case RDMA_NLDEV_ATTR_DRIVER:
			frmr_read_counters(a, pool);
			break;
		}
	}
}
