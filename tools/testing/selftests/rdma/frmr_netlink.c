// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <rdma/rdma_netlink.h>
#include "../kselftest.h"
#include "frmr_netlink.h"

/* Longer than the kernel takes for any answer */
static const struct timeval patience = { .tv_sec = 60 };

void frmr_open(struct frmr_client *c, size_t size)
{
	int one = 1;

	c->size = size;
	c->seq = 0;
	c->sock = mnl_socket_open(NETLINK_RDMA);
	if (!c->sock || mnl_socket_bind(c->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		ksft_exit_fail_perror("rdma netlink");
	mnl_socket_setsockopt(c->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(c->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(mnl_socket_get_fd(c->sock), SOL_SOCKET, SO_RCVTIMEO,
		   &patience, sizeof(patience));
}

void frmr_close(struct frmr_client *c)
{
	mnl_socket_close(c->sock);
}

void frmr_put_header(struct nlmsghdr *nlh, unsigned int command,
		     unsigned int flags, __u32 seq)
{
	mnl_nlmsg_put_header(nlh);
	nlh->nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
}

struct nlmsghdr *frmr_request(struct frmr_client *c, unsigned int command,
			      unsigned int flags)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)c->buffer;

	frmr_put_header(nlh, command, flags, ++c->seq);
	return nlh;
}

void frmr_send(struct frmr_client *c, const struct nlmsghdr *nlh)
{
	if (mnl_socket_sendto(c->sock, nlh, nlh->nlmsg_len) < 0)
		ksft_exit_fail_perror("send");
}

/* The end of a dump has an errno in it, as an error has. */
static int on_done(const struct nlmsghdr *nlh, void *arg)
{
	const int *err = mnl_nlmsg_get_payload(nlh);

	errno = -*err;
	return *err ? MNL_CB_ERROR : MNL_CB_STOP;
}

int frmr_receive(struct frmr_client *c, mnl_cb_t fn, void *arg)
{
	static mnl_cb_t control[NLMSG_MIN_TYPE] = {
		[NLMSG_ERROR] = on_done,
		[NLMSG_DONE] = on_done,
	};
	ssize_t len = mnl_socket_recvfrom(c->sock, c->buffer, c->size);
	int ret;

	if (len < 0)
		return -errno;
	ret = mnl_cb_run2(c->buffer, len, c->seq,
			  mnl_socket_get_portid(c->sock), fn, arg, control,
			  NLMSG_MIN_TYPE);
	return ret < 0 ? -errno : ret;
}

int frmr_talk(struct frmr_client *c, const struct nlmsghdr *nlh, mnl_cb_t fn,
	      void *arg)
{
	int ret;

	frmr_send(c, nlh);
	do {
		ret = frmr_receive(c, fn, arg);
	} while (ret > 0);
	return ret;
}

struct search {
	const char *name;
	__u32 index;
	bool found;
};

static int on_device(const struct nlmsghdr *nlh, void *arg)
{
	struct search *search = arg;
	const char *name = "";
	struct nlattr *attr;
	__u32 index = 0;

	mnl_attr_for_each(attr, nlh, 0) {
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_DEV_INDEX)
			index = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_DEV_NAME)
			name = mnl_attr_get_str(attr);
	}
	if (!strcmp(name, search->name)) {
		search->index = index;
		search->found = true;
	}
	return MNL_CB_OK;
}

int frmr_find_device(struct frmr_client *c, const char *name, __u32 *index)
{
	struct search search = { .name = name };
	int err;

	err = frmr_talk(c, frmr_request(c, RDMA_NLDEV_CMD_GET, NLM_F_DUMP),
			on_device, &search);
	*index = search.index;
	return err ?: search.found ? 0 : -ENODEV;
}

int frmr_set_aging(struct frmr_client *c, __u32 index, __u32 seconds)
{
	struct nlmsghdr *nlh;

	nlh = frmr_request(c, RDMA_NLDEV_CMD_FRMR_POOLS_SET, NLM_F_ACK);
	frmr_put_aging(nlh, index, seconds);
	return frmr_talk(c, nlh, NULL, NULL);
}

int frmr_set_pinned(struct frmr_client *c, __u32 index,
		    const struct frmr_key *key, __u32 count)
{
	struct nlmsghdr *nlh;

	nlh = frmr_request(c, RDMA_NLDEV_CMD_FRMR_POOLS_SET, NLM_F_ACK);
	frmr_put_pinned(nlh, index, key, count);
	return frmr_talk(c, nlh, NULL, NULL);
}

void frmr_put_dump(struct nlmsghdr *nlh, __u32 index, bool details)
{
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	if (details)
		mnl_attr_put_u8(nlh, RDMA_NLDEV_ATTR_DRIVER_DETAILS, 1);
}

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
