/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the files that make up the RDMA device netlink interface share.
 */
#ifndef _RDMA_CORE_NLDEV_H
#define _RDMA_CORE_NLDEV_H

#include <net/netlink.h>
#include <uapi/rdma/rdma_netlink.h>

struct ib_device;
struct netlink_callback;
struct netlink_ext_ack;
struct nlmsghdr;
struct sk_buff;

extern const struct nla_policy nldev_policy[RDMA_NLDEV_ATTR_MAX];

int fill_nldev_handle(struct sk_buff *msg, struct ib_device *device);

int nldev_frmr_pools_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int nldev_frmr_pools_set_doit(struct sk_buff *skb, struct nlmsghdr *nlh,
			      struct netlink_ext_ack *extack);

#endif /* _RDMA_CORE_NLDEV_H */
