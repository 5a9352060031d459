/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Of the devices and MRs of ib_core, what the pools use.
 */
#ifndef _SHIM_RDMA_IB_VERBS_H
#define _SHIM_RDMA_IB_VERBS_H

#include <linux/bug.h>
#include <linux/types.h>
#include <rdma/frmr_pools.h>

struct ib_frmr_pool;

struct device {
	const char *name;
};

static inline const char *dev_name(const struct device *dev)
{
	return dev->name;
}

struct ib_device {
	struct device dev;
	struct {
		int max_mr;
	} attrs;
	struct ib_frmr_pools *frmr_pools;
};

struct ib_mr {
	struct ib_device *device;
	u32 lkey;
	u32 rkey;
	struct {
		struct ib_frmr_pool *pool;
		struct ib_frmr_key key;
		u32 handle;
	} frmr;
};

enum ib_access_flags {
	IB_ACCESS_LOCAL_WRITE = 1 << 0,
	IB_ACCESS_REMOTE_WRITE = 1 << 1,
	IB_ACCESS_REMOTE_READ = 1 << 2,
	IB_ACCESS_REMOTE_ATOMIC = 1 << 3,
	IB_ACCESS_MW_BIND = 1 << 4,
	IB_ZERO_BASED = 1 << 5,
	IB_ACCESS_ON_DEMAND = 1 << 6,
	IB_ACCESS_HUGETLB = 1 << 7,
	IB_ACCESS_FLUSH_GLOBAL = 1 << 8,
	IB_ACCESS_FLUSH_PERSISTENT = 1 << 9,
	IB_ACCESS_RELAXED_ORDERING = 1 << 20,
};

static inline int ib_check_mr_access(struct ib_device *device,
				     unsigned int flags)
{
	const unsigned int known = IB_ACCESS_RELAXED_ORDERING | 0x3ff;
	const unsigned int remote_writes =
		IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC;

	if (flags & ~known)
		return -EINVAL;
	if (flags & remote_writes && !(flags & IB_ACCESS_LOCAL_WRITE))
		return -EINVAL;
	return 0;
}

/* Not a bug, but something that a test may want to count. */
void shim_dev_warn(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#define dev_warn(dev, format...) ({ (void)(dev); shim_dev_warn(format); })
#define dev_err(dev, format...) dev_warn(dev, format)
#define dev_info(dev, format...) dev_warn(dev, format)
#define dev_dbg(dev, format...) ({ (void)(dev); pr_debug(format); })
#define ibdev_warn(ibdev, format...) dev_warn(&(ibdev)->dev, format)
#define ibdev_err(ibdev, format...) dev_warn(&(ibdev)->dev, format)
#define ibdev_dbg(ibdev, format...) dev_dbg(&(ibdev)->dev, format)

#endif /* _SHIM_RDMA_IB_VERBS_H */
