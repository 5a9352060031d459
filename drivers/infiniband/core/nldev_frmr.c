// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMA device netlink: the FRMR pools.
 */
#include <linux/sched/signal.h>
#include <net/netlink.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_netlink.h>
#include <rdma/restrack.h>

#include "core_priv.h"
#include "frmr_pools.h"
#include "nldev.h"

/* What a dump remembers from one message to the next. */
struct frmr_dump_ctx {
	struct ib_frmr_key last; /* zeros: none yet */
	bool answered;
};

static int fill_key(struct sk_buff *msg, const struct ib_frmr_key *key)
{
	struct nlattr *nest;

	nest = nla_nest_start_noflag(msg, RDMA_NLDEV_ATTR_FRMR_POOL_KEY);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u8(msg, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ATS, key->ats) ||
	    nla_put_u32(msg, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ACCESS_FLAGS,
			key->access_flags) ||
	    nla_put_u64_64bit(msg, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_VENDOR_KEY,
			      key->vendor_key, RDMA_NLDEV_ATTR_PAD) ||
	    nla_put_u64_64bit(msg, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_NUM_DMA_BLOCKS,
			      key->num_dma_blocks, RDMA_NLDEV_ATTR_PAD))
		return -EMSGSIZE;
	if (key->kernel_vendor_key &&
	    nla_put_u64_64bit(msg,
			      RDMA_NLDEV_ATTR_FRMR_POOL_KEY_KERNEL_VENDOR_KEY,
			      key->kernel_vendor_key, RDMA_NLDEV_ATTR_PAD))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* Numbers without an attribute of their own: tools print them by name. */
static int fill_stats(struct sk_buff *msg, const u64 stats[IB_FRMR_NUM_STATS])
{
	static const char * const names[IB_FRMR_NUM_STATS] = {
		[IB_FRMR_HITS] = "hits",
		[IB_FRMR_MISSES] = "misses",
		[IB_FRMR_CREATED] = "created",
		[IB_FRMR_DESTROYED] = "destroyed",
		[IB_FRMR_AGED] = "aged",
		[IB_FRMR_RECLAIMED] = "reclaimed",
		[IB_FRMR_DROPPED] = "dropped",
		[IB_FRMR_FAILURES] = "failures",
		[IB_FRMR_AHEAD] = "ahead",
		[IB_FRMR_AHEAD_USED] = "ahead_used",
	};
	struct nlattr *nest;
	int i;

	nest = nla_nest_start_noflag(msg, RDMA_NLDEV_ATTR_DRIVER);
	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < IB_FRMR_NUM_STATS; i++)
		if (rdma_nl_put_driver_u64(msg, names[i], stats[i]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* Adds one pool, or leaves the message as it was. */
static int fill_pool(struct sk_buff *msg, const struct ib_frmr_pool_info *info)
{
	struct nlattr *nest;

	nest = nla_nest_start_noflag(msg, RDMA_NLDEV_ATTR_FRMR_POOL_ENTRY);
	if (!nest)
		return -EMSGSIZE;
	if (fill_key(msg, &info->key) ||
	    nla_put_u32(msg, RDMA_NLDEV_ATTR_FRMR_POOL_QUEUE_HANDLES,
			info->idle) ||
	    nla_put_u64_64bit(msg, RDMA_NLDEV_ATTR_FRMR_POOL_MAX_IN_USE,
			      info->max_in_use, RDMA_NLDEV_ATTR_PAD) ||
	    nla_put_u64_64bit(msg, RDMA_NLDEV_ATTR_FRMR_POOL_IN_USE,
			      info->in_use, RDMA_NLDEV_ATTR_PAD) ||
	    nla_put_u32(msg, RDMA_NLDEV_ATTR_FRMR_POOL_PINNED_HANDLES,
			info->pinned) ||
	    fill_stats(msg, info->stats)) {
		nla_nest_cancel(msg, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}

/* What all pools counted that the device ever had, also those that are gone. */
static int fill_totals(struct sk_buff *msg, struct ib_frmr_pools *pools)
{
	u64 totals[IB_FRMR_NUM_STATS];

	ib_frmr_pools_totals(pools, totals);
	return fill_stats(msg, totals);
}

/* Adds the next pools; returns how many, or -EMSGSIZE if not one fits. */
static int fill_pools(struct sk_buff *msg, struct ib_frmr_pools *pools,
		      struct frmr_dump_ctx *ctx, bool kernel_pools)
{
	struct ib_frmr_pool_info info;
	int added = 0;

	while (ib_frmr_pools_next_info(pools, &ctx->last, &info)) {
		if (kernel_pools || !info.key.kernel_vendor_key) {
			if (fill_pool(msg, &info))
				return added ?: -EMSGSIZE;
			added++;
		}
		ctx->last = info.key;
	}
	return added;
}

/*
 * One message of a dump: the device, the aging period, and pools; the first has
 * the totals, too, and no pool if there is none. Returns its length, 0 if there
 * is nothing left to show, or -EMSGSIZE if not one pool fits.
 */
static int fill_message(struct sk_buff *skb, struct netlink_callback *cb,
			struct ib_device *device, struct ib_frmr_pools *pools,
			bool kernel_pools)
{
	struct frmr_dump_ctx *ctx = (struct frmr_dump_ctx *)cb->ctx;
	struct nlattr *table = NULL;
	struct nlmsghdr *nlh;
	int ret = -EMSGSIZE;

	nlh = nlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			RDMA_NL_GET_TYPE(RDMA_NL_NLDEV,
					 RDMA_NLDEV_CMD_FRMR_POOLS_GET),
			0, NLM_F_MULTI);
	if (!nlh)
		return -EMSGSIZE;
	if (!fill_nldev_handle(skb, device) &&
	    !nla_put_u32(skb, RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD,
			 ib_frmr_pools_aging_period(pools)) &&
	    (ctx->answered || !fill_totals(skb, pools)))
		table = nla_nest_start_noflag(skb, RDMA_NLDEV_ATTR_FRMR_POOLS);
	if (table)
		ret = fill_pools(skb, pools, ctx, kernel_pools);
	if (ret < 0 || (!ret && ctx->answered)) {
		nlmsg_cancel(skb, nlh);
		return ret;
	}
	ctx->answered = true;
	nla_nest_end(skb, table);
	nlmsg_end(skb, nlh);
	return skb->len;
}

/*
 * Parses a request and finds the device that it is about. On success the caller
 * puts *@device and frees *@tb, a table too large for the stack.
 */
static int parse_request(struct net *net, const struct nlmsghdr *nlh,
			 struct nlattr ***tb, struct ib_device **device,
			 struct netlink_ext_ack *extack)
{
	u32 index;
	int ret;

	*tb = kcalloc(RDMA_NLDEV_ATTR_MAX, sizeof(**tb), GFP_KERNEL);
	if (!*tb)
		return -ENOMEM;
	ret = __nlmsg_parse(nlh, 0, *tb, RDMA_NLDEV_ATTR_MAX - 1, nldev_policy,
			    NL_VALIDATE_LIBERAL, extack);
	if (ret)
		goto err;

	ret = -EINVAL;
	if (!(*tb)[RDMA_NLDEV_ATTR_DEV_INDEX]) {
		NL_SET_ERR_MSG(extack, "The device index is missing");
		goto err;
	}
	index = nla_get_u32((*tb)[RDMA_NLDEV_ATTR_DEV_INDEX]);
	*device = ib_device_get_by_index(net, index);
	if (!*device) {
		NL_SET_ERR_MSG(extack, "There is no device with this index");
		goto err;
	}
	return 0;

err:
	kfree(*tb);
	return ret;
}

/**
 * nldev_frmr_pools_get_dumpit - show the pools of a device
 * @skb: the message to fill
 * @cb: the request and the state of the dump
 *
 * The kernel's own pools are shown only if driver details are asked for.
 *
 * A dump goes on after the last key that it has shown, not at a position, so it
 * shows each pool that exists throughout exactly once, whatever others come and
 * go. Hence it never sets NLM_F_DUMP_INTR, which makes tools start anew.
 *
 * Return: the length of the message; 0 at the end of the dump; -EINVAL if there
 * is no such device; -EMSGSIZE if not even one pool fits the message; -ENOMEM.
 */
int nldev_frmr_pools_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	struct ib_frmr_pools *pools;
	struct ib_device *device;
	bool kernel_pools = false;
	struct nlattr **tb;
	int ret;

	BUILD_BUG_ON(sizeof(struct frmr_dump_ctx) >
		     sizeof_field(struct netlink_callback, ctx));

	ret = parse_request(sock_net(skb->sk), cb->nlh, &tb, &device,
			    cb->extack);
	if (ret)
		return ret;
	if (tb[RDMA_NLDEV_ATTR_DRIVER_DETAILS])
		kernel_pools = nla_get_u8(tb[RDMA_NLDEV_ATTR_DRIVER_DETAILS]);

	/* A device without pools is no error: tools ask each device. */
	pools = ib_frmr_pools_get(device);
	if (pools) {
		ret = fill_message(skb, cb, device, pools, kernel_pools);
		ib_frmr_pools_put(pools);
	}
	ib_device_put(device);
	kfree(tb);
	return ret;
}

static int parse_key(const struct nlattr *nest, struct ib_frmr_key *key,
		     struct netlink_ext_ack *extack)
{
	struct nlattr **tb, *attr;
	int ret;

	tb = kcalloc(RDMA_NLDEV_ATTR_MAX, sizeof(*tb), GFP_KERNEL);
	if (!tb)
		return -ENOMEM;
	ret = nla_parse_nested(tb, RDMA_NLDEV_ATTR_MAX - 1, nest, nldev_policy,
			       extack);
	if (ret)
		goto out;

	ret = -EINVAL;
	*key = (struct ib_frmr_key) {};
	attr = tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY_KERNEL_VENDOR_KEY];
	if (attr) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "Pools with a kernel vendor key are the kernel's own");
		goto out;
	}
	attr = tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY_NUM_DMA_BLOCKS];
	if (!attr || !nla_get_u64(attr) || nla_get_u64(attr) > SIZE_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, attr ?: nest,
				    "The key needs a number of DMA blocks, 1 or more");
		goto out;
	}
	key->num_dma_blocks = nla_get_u64(attr);
	attr = tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ATS];
	if (attr && nla_get_u8(attr) > 1) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "ATS is either 0 or 1");
		goto out;
	}
	key->ats = attr && nla_get_u8(attr);
	attr = tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY_VENDOR_KEY];
	if (attr)
		key->vendor_key = nla_get_u64(attr);
	attr = tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ACCESS_FLAGS];
	if (attr)
		key->access_flags = nla_get_u32(attr);
	ret = 0;
out:
	kfree(tb);
	return ret;
}

/* The driver's own errors are many; they all say that it is not to be had. */
static void explain_errno(int error, struct netlink_ext_ack *extack)
{
	switch (error) {
	case -ENOMEM:
	case -ENOSPC:
	case -EAGAIN:
	case -EBUSY:
		NL_SET_ERR_MSG(extack,
			       "The device did not create as many handles");
		break;
	case -ETIMEDOUT:
		NL_SET_ERR_MSG(extack, "The device did not answer in time");
		break;
	case -EINTR:
		NL_SET_ERR_MSG(extack, "A signal ended it");
		break;
	case -ENODEV:
		NL_SET_ERR_MSG(extack, "The device goes away");
		break;
	default:
		NL_SET_ERR_MSG(extack, "The device failed to create a handle");
	}
}

/* Why ib_frmr_pools_set_pinned() did not do what it was asked for. */
static void explain_pinned(struct ib_device *device,
			   const struct ib_frmr_key *key, u32 count,
			   const struct nlattr *nest, int error,
			   struct netlink_ext_ack *extack)
{
	if (ib_check_mr_access(device, key->access_flags))
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "No MR of this device can have these access flags");
	else if (count > device->attrs.max_mr)
		NL_SET_ERR_MSG_FMT(extack, "The device holds %d MRs at most",
				   device->attrs.max_mr);
	else if (error == -EINVAL || error == -EOPNOTSUPP)
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "No MR of this device can have this key");
	else
		explain_errno(error, extack);
}

static int set_pinned(struct ib_device *device, struct nlattr **tb,
		      struct netlink_ext_ack *extack)
{
	struct nlattr *nest = tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY];
	struct ib_frmr_key key;
	u32 count;
	int ret;

	if (!nest) {
		NL_SET_ERR_MSG(extack, "Pinned handles need the key of a pool");
		return -EINVAL;
	}
	ret = parse_key(nest, &key, extack);
	if (ret)
		return ret;
	count = nla_get_u32(tb[RDMA_NLDEV_ATTR_FRMR_POOL_PINNED_HANDLES]);
	ret = ib_frmr_pools_set_pinned(device, &key, count);
	if (ret)
		explain_pinned(device, &key, count, nest, ret, extack);
	return ret;
}

static int set_aging_period(struct ib_device *device, struct nlattr **tb,
			    struct netlink_ext_ack *extack)
{
	struct nlattr *attr = tb[RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD];
	int ret;

	if (tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY]) {
		NL_SET_ERR_MSG(extack,
			       "The aging period is that of all pools: it takes no key");
		return -EINVAL;
	}
	ret = ib_frmr_pools_set_aging_period(device, nla_get_u32(attr));
	if (ret == -EINVAL)
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "The aging period is 1 second or more");
	return ret;
}

/*
 * Gives back what idles now. What comes back meanwhile is for the next request,
 * or this one might never end.
 */
static void reclaim_idle(struct ib_device *device, struct ib_frmr_pools *pools)
{
	struct ib_frmr_key last = {};
	struct ib_frmr_pool_info info;
	u32 idle = 0;

	while (ib_frmr_pools_next_info(pools, &last, &info)) {
		idle += info.idle;
		last = info.key;
	}
	ib_frmr_pools_reclaim(device, idle);
}

/* No idle handle at all: the one number that can be asked for. */
static int set_idle(struct ib_device *device, struct ib_frmr_pools *pools,
		    struct nlattr **tb, struct netlink_ext_ack *extack)
{
	struct nlattr *attr = tb[RDMA_NLDEV_ATTR_FRMR_POOL_QUEUE_HANDLES];

	if (tb[RDMA_NLDEV_ATTR_FRMR_POOL_KEY]) {
		NL_SET_ERR_MSG(extack,
			       "All pools give idle handles back: it takes no key");
		return -EINVAL;
	}
	if (nla_get_u32(attr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "The number of idle handles can be set to 0 only");
		return -EINVAL;
	}
	reclaim_idle(device, pools);
	if (fatal_signal_pending(current)) {
		explain_errno(-EINTR, extack);
		return -EINTR;
	}
	return 0;
}

static int set_pools(struct ib_device *device, struct ib_frmr_pools *pools,
		     struct nlattr **tb, struct netlink_ext_ack *extack)
{
	bool period = tb[RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD];
	bool pinned = tb[RDMA_NLDEV_ATTR_FRMR_POOL_PINNED_HANDLES];
	bool idle = tb[RDMA_NLDEV_ATTR_FRMR_POOL_QUEUE_HANDLES];

	if (period + pinned + idle != 1) {
		NL_SET_ERR_MSG(extack,
			       "Set either an aging period, pinned or idle handles");
		return -EINVAL;
	}
	if (period)
		return set_aging_period(device, tb, extack);
	return pinned ? set_pinned(device, tb, extack) :
			set_idle(device, pools, tb, extack);
}

/**
 * nldev_frmr_pools_set_doit - steer the pools of a device
 * @skb: the request
 * @nlh: its header
 * @extack: out: what is wrong with it
 *
 * Sets the aging period, or the number of handles that a pool keeps, or has all
 * pools give back now what is idle and not pinned.
 *
 * To fill or to empty a pool may take long. Meanwhile only the pools are held: a
 * reference on the device would have its unregistration wait, while the pools'
 * cleanup ends either. The device stays until they are put.
 *
 * Return: 0; -EINVAL if the request makes no sense or names no device;
 * -EOPNOTSUPP if the device has no pools; -ENODEV if it goes away; -EINTR after
 * a fatal signal; -ENOMEM; or what ib_frmr_pools_set_pinned() returns.
 */
int nldev_frmr_pools_set_doit(struct sk_buff *skb, struct nlmsghdr *nlh,
			      struct netlink_ext_ack *extack)
{
	struct ib_frmr_pools *pools;
	struct ib_device *device;
	struct nlattr **tb;
	int ret;

	ret = parse_request(sock_net(skb->sk), nlh, &tb, &device, extack);
	if (ret)
		return ret;
	pools = ib_frmr_pools_get(device);
	ib_device_put(device);
	if (!pools) {
		NL_SET_ERR_MSG(extack, "The device has no FRMR pools");
		ret = -EOPNOTSUPP;
		goto out;
	}

	ret = set_pools(device, pools, tb, extack);
	if (ret && READ_ONCE(device->frmr_pools) != pools) {
		ret = -ENODEV;
		explain_errno(ret, extack);
	}
	ib_frmr_pools_put(pools);
out:
	kfree(tb);
	return ret;
}
