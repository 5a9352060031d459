// SPDX-License-Identifier: GPL-2.0
/*
 * Talks RDMA netlink through libmnl.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/netlink.h>

#include "rdma_frmr.h"

static struct mnl_socket *sock;
static char buffer[64 * 1024];

int nl_open(void)
{
	int one = 1;

	sock = mnl_socket_open(NETLINK_RDMA);
	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		perror("rdma netlink");
		return -errno;
	}
	/* What is wrong with a request, in words. */
	mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &one, sizeof(one));
	return 0;
}

void nl_close(void)
{
	mnl_socket_close(sock);
}

static struct nlmsghdr *new_request(unsigned int command, unsigned int flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);

	nlh->nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = time(NULL);
	return nlh;
}

/* Says what the kernel says, or at least what the errno means. */
static int on_error(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*err);
	const char *text = NULL;
	struct nlattr *attr;

	if (!err->error)
		return MNL_CB_STOP;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += mnl_nlmsg_get_payload_len(&err->msg);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_for_each(attr, nlh, skip)
			if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
				text = mnl_attr_get_str(attr);
	if (text)
		fprintf(stderr, "kernel answers: %s: %s\n",
			strerror(-err->error), text);
	else
		fprintf(stderr, "kernel answers: %s\n", strerror(-err->error));
	errno = -err->error;
	return MNL_CB_ERROR;
}

/* A dump that went wrong ends with an errno in place of the 0. */
static int on_done(const struct nlmsghdr *nlh, void *arg)
{
	const int *err = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err) || *err >= 0)
		return MNL_CB_STOP;
	fprintf(stderr, "kernel answers: %s\n", strerror(-*err));
	errno = -*err;
	return MNL_CB_ERROR;
}

static int talk(struct nlmsghdr *request, mnl_cb_t fn, void *arg)
{
	static mnl_cb_t control[NLMSG_MIN_TYPE] = {
		[NLMSG_ERROR] = on_error,
		[NLMSG_DONE] = on_done,
	};
	unsigned int portid = mnl_socket_get_portid(sock);
	unsigned int seq = request->nlmsg_seq;
	ssize_t len;
	int ret;

	if (mnl_socket_sendto(sock, request, request->nlmsg_len) < 0) {
		perror("rdma netlink");
		return -errno;
	}
	do {
		len = mnl_socket_recvfrom(sock, buffer, sizeof(buffer));
		if (len < 0) {
			perror("rdma netlink");
			return -errno;
		}
		ret = mnl_cb_run2(buffer, len, seq, portid, fn, arg, control,
				  NLMSG_MIN_TYPE);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

struct table {
	const struct nlattr *attr[RDMA_NLDEV_ATTR_MAX];
};

static int to_table(const struct nlattr *attr, void *arg)
{
	struct table *table = arg;
	unsigned int type = mnl_attr_get_type(attr);

	if (type < RDMA_NLDEV_ATTR_MAX)
		table->attr[type] = attr;
	return MNL_CB_OK;
}

static __u64 get_u64(const struct table *t, unsigned int type)
{
	return t->attr[type] ? mnl_attr_get_u64(t->attr[type]) : 0;
}

static __u32 get_u32(const struct table *t, unsigned int type)
{
	return t->attr[type] ? mnl_attr_get_u32(t->attr[type]) : 0;
}

static const char *get_name(const struct table *t)
{
	return t->attr[RDMA_NLDEV_ATTR_DEV_NAME] ?
	       mnl_attr_get_str(t->attr[RDMA_NLDEV_ATTR_DEV_NAME]) : "?";
}

struct walk {
	device_fn device;
	pool_fn pool;
	void *arg;
	struct frmr_device frmr;
};

static int on_device(const struct nlmsghdr *nlh, void *arg)
{
	const struct walk *walk = arg;
	struct table t = {};

	mnl_attr_parse(nlh, 0, to_table, &t);
	walk->device(get_u32(&t, RDMA_NLDEV_ATTR_DEV_INDEX), get_name(&t),
		     walk->arg);
	return MNL_CB_OK;
}

int nl_devices(device_fn fn, void *arg)
{
	struct walk walk = { .device = fn, .arg = arg };

	return talk(new_request(RDMA_NLDEV_CMD_GET, NLM_F_ACK | NLM_F_DUMP),
		    on_device, &walk);
}

struct search {
	const char *name;
	__u32 index;
	bool found;
};

static void match_name(__u32 index, const char *name, void *arg)
{
	struct search *search = arg;

	if (strcmp(name, search->name))
		return;
	search->index = index;
	search->found = true;
}

int nl_find_device(const char *name, __u32 *index)
{
	struct search search = { .name = name };
	int ret = nl_devices(match_name, &search);

	if (ret)
		return ret;
	if (!search.found) {
		fprintf(stderr, "There is no RDMA device \"%s\"\n", name);
		return -ENODEV;
	}
	*index = search.index;
	return 0;
}

static void read_key(const struct nlattr *nest, struct frmr_key *key)
{
	const struct nlattr *ats;
	struct table t = {};

	mnl_attr_parse_nested(nest, to_table, &t);
	key->vendor_key = get_u64(&t, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_VENDOR_KEY);
	key->kernel_vendor_key =
		get_u64(&t, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_KERNEL_VENDOR_KEY);
	key->num_dma_blocks =
		get_u64(&t, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_NUM_DMA_BLOCKS);
	key->access_flags =
		get_u32(&t, RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ACCESS_FLAGS);
	ats = t.attr[RDMA_NLDEV_ATTR_FRMR_POOL_KEY_ATS];
	key->ats = ats ? mnl_attr_get_u8(ats) : 0;
}

/* The table of driver values is a sequence: a name, then its value. */
static void read_counters(const struct nlattr *nest,
			  struct frmr_counters *counters)
{
	const struct nlattr *attr;
	const char *name = NULL;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case RDMA_NLDEV_ATTR_DRIVER_STRING:
			name = mnl_attr_get_str(attr);
			break;
		case RDMA_NLDEV_ATTR_DRIVER_U64:
			if (!name || counters->num == MAX_COUNTERS)
				break;
			snprintf(counters->list[counters->num].name,
				 sizeof(counters->list[0].name), "%s", name);
			counters->list[counters->num++].value =
				mnl_attr_get_u64(attr);
			break;
		}
	}
}

static void read_pool(const struct nlattr *nest, struct frmr_pool *pool)
{
	struct table t = {};

	mnl_attr_parse_nested(nest, to_table, &t);
	if (t.attr[RDMA_NLDEV_ATTR_FRMR_POOL_KEY])
		read_key(t.attr[RDMA_NLDEV_ATTR_FRMR_POOL_KEY], &pool->key);
	pool->queue_handles =
		get_u32(&t, RDMA_NLDEV_ATTR_FRMR_POOL_QUEUE_HANDLES);
	pool->pinned_handles =
		get_u32(&t, RDMA_NLDEV_ATTR_FRMR_POOL_PINNED_HANDLES);
	pool->in_use = get_u64(&t, RDMA_NLDEV_ATTR_FRMR_POOL_IN_USE);
	pool->max_in_use = get_u64(&t, RDMA_NLDEV_ATTR_FRMR_POOL_MAX_IN_USE);
	if (t.attr[RDMA_NLDEV_ATTR_DRIVER])
		read_counters(t.attr[RDMA_NLDEV_ATTR_DRIVER], &pool->counters);
}

/* Each message names the device; only the first of a dump has the totals. */
static void read_pools_device(const struct table *t, struct frmr_device *dev)
{
	dev->index = get_u32(t, RDMA_NLDEV_ATTR_DEV_INDEX);
	snprintf(dev->name, sizeof(dev->name), "%s", get_name(t));
	dev->aging_period =
		get_u32(t, RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD);
	if (t->attr[RDMA_NLDEV_ATTR_DRIVER])
		read_counters(t->attr[RDMA_NLDEV_ATTR_DRIVER], &dev->totals);
}

static int on_pools(const struct nlmsghdr *nlh, void *arg)
{
	struct walk *walk = arg;
	const struct nlattr *entry;
	struct frmr_pool pool;
	struct table t = {};

	mnl_attr_parse(nlh, 0, to_table, &t);
	if (!t.attr[RDMA_NLDEV_ATTR_FRMR_POOLS])
		return MNL_CB_OK;
	read_pools_device(&t, &walk->frmr);
	mnl_attr_for_each_nested(entry, t.attr[RDMA_NLDEV_ATTR_FRMR_POOLS]) {
		memset(&pool, 0, sizeof(pool));
		read_pool(entry, &pool);
		walk->pool(&walk->frmr, &pool, walk->arg);
	}
	return MNL_CB_OK;
}

int nl_pools(__u32 index, bool details, pool_fn fn, void *arg)
{
	struct walk walk = { .pool = fn, .arg = arg };
	struct nlmsghdr *nlh;
	int ret;

	nlh = new_request(RDMA_NLDEV_CMD_FRMR_POOLS_GET,
			  NLM_F_ACK | NLM_F_DUMP);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	if (details)
		mnl_attr_put_u8(nlh, RDMA_NLDEV_ATTR_DRIVER_DETAILS, 1);
	ret = talk(nlh, on_pools, &walk);
	/* A device without pools sends no message. */
	if (!ret && walk.frmr.name[0])
		fn(&walk.frmr, NULL, arg);
	return ret;
}

static struct nlmsghdr *new_set(__u32 index)
{
	struct nlmsghdr *nlh;

	nlh = new_request(RDMA_NLDEV_CMD_FRMR_POOLS_SET, NLM_F_ACK);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	return nlh;
}

int nl_set_aging(__u32 index, __u32 seconds)
{
	struct nlmsghdr *nlh = new_set(index);

	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD, seconds);
	return talk(nlh, NULL, NULL);
}

/* The one number of idle handles that can be set. */
int nl_reclaim(__u32 index)
{
	struct nlmsghdr *nlh = new_set(index);

	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_FRMR_POOL_QUEUE_HANDLES, 0);
	return talk(nlh, NULL, NULL);
}

int nl_set_pinned(__u32 index, const struct frmr_key *key, __u32 count)
{
	struct nlmsghdr *nlh = new_set(index);
	struct nlattr *nest;

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
	return talk(nlh, NULL, NULL);
}
