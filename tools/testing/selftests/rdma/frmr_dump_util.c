// SPDX-License-Identifier: GPL-2.0
/*
 * Devices of the type frmr_test, and dumps of their pools.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rdma/rdma_netlink.h>
#include "../kselftest.h"
#include "frmr_dump.h"

static int link_add(struct frmr_client *c, const char *name)
{
	struct nlmsghdr *nlh;

	nlh = frmr_request(c, RDMA_NLDEV_CMD_NEWLINK, NLM_F_ACK);
	mnl_attr_put_strz(nlh, RDMA_NLDEV_ATTR_DEV_NAME, name);
	mnl_attr_put_strz(nlh, RDMA_NLDEV_ATTR_LINK_TYPE, "frmr_test");
	mnl_attr_put_strz(nlh, RDMA_NLDEV_ATTR_NDEV_NAME, "lo");
	return frmr_talk(c, nlh, NULL, NULL);
}

void link_delete(struct frmr_client *c, __u32 index)
{
	struct nlmsghdr *nlh;
	int err;

	nlh = frmr_request(c, RDMA_NLDEV_CMD_DELLINK, NLM_F_ACK);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	err = frmr_talk(c, nlh, NULL, NULL);
	if (err)
		ksft_exit_fail_msg("delete device: %s\n", strerror(-err));
}

__u32 device_new(struct frmr_client *c, const char *name)
{
	int err = link_add(c, name);
	__u32 index = 0;

	if (!err)
		err = frmr_find_device(c, name, &index);
	if (err)
		ksft_exit_fail_msg("new device: %s\n", strerror(-err));
	return index;
}

void set_aging(struct frmr_client *c, __u32 index, __u32 seconds)
{
	if (frmr_set_aging(c, index, seconds))
		ksft_exit_fail_msg("set aging period\n");
}

void set_pinned(struct frmr_client *c, __u32 index, const struct frmr_key *key,
		__u32 count)
{
	int err = frmr_set_pinned(c, index, key, count);

	if (err)
		ksft_exit_fail_msg("set pinned: %s\n", strerror(-err));
}

static int compare_u64(__u64 a, __u64 b)
{
	return a < b ? -1 : a > b;
}

int compare(const struct frmr_key *a, const struct frmr_key *b)
{
	return compare_u64(a->kernel_vendor_key, b->kernel_vendor_key) ?:
	       compare_u64(a->vendor_key, b->vendor_key) ?:
	       compare_u64(a->access_flags, b->access_flags) ?:
	       compare_u64(a->ats, b->ats) ?:
	       compare_u64(a->num_dma_blocks, b->num_dma_blocks);
}

bool complain(const struct frmr_pool *pool, const char *what)
{
	const struct frmr_key *key = &pool->key;

	ksft_print_msg("%llx:%llx:%x:%x[%llx] %s: %u pinned, %u idle, %llu in use\n",
		       key->vendor_key, key->num_dma_blocks, key->access_flags,
		       key->ats, key->kernel_vendor_key, what, pool->pinned,
		       pool->idle, pool->in_use);
	return false;
}

static bool check_pool(struct dump *dump, const struct frmr_pool *pool)
{
	if (compare(&dump->last, &pool->key) >= 0)
		return complain(pool, "is out of order, or came twice");
	return !dump->check || dump->check(dump, pool);
}

int on_pools(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attr, *entry;
	struct dump *dump = arg;
	struct frmr_pool pool;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) {
		ksft_print_msg("the dump says that it was interrupted\n");
		dump->wrong = true;
	}
	dump->messages++;
	mnl_attr_for_each(attr, nlh, 0) {
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_DRIVER) {
			frmr_read_counters(attr, &dump->total);
			dump->totals++;
			dump->wrong |= dump->messages != 1;
		}
		if (mnl_attr_get_type(attr) != RDMA_NLDEV_ATTR_FRMR_POOLS)
			continue;
		mnl_attr_for_each_nested(entry, attr) {
			frmr_read_pool(entry, &pool);
			if (!dump->wrong && !check_pool(dump, &pool))
				dump->wrong = true;
			dump->last = pool.key;
			dump->pools++;
			dump->handles += pool.idle + pool.in_use;
		}
	}
	return MNL_CB_OK;
}

void dump_begin(struct frmr_client *c, __u32 index, bool details)
{
	struct nlmsghdr *nlh;

	nlh = frmr_request(c, RDMA_NLDEV_CMD_FRMR_POOLS_GET, NLM_F_DUMP);
	frmr_put_dump(nlh, index, details);
	frmr_send(c, nlh);
}

int dump_finish(struct frmr_client *c, struct dump *dump)
{
	int ret;

	do {
		ret = frmr_receive(c, on_pools, dump);
	} while (ret > 0);
	return ret;
}

int dump_all(struct frmr_client *c, __u32 index, bool details,
	     struct dump *dump)
{
	dump_begin(c, index, details);
	return dump_finish(c, dump);
}

struct dump *count_pools(__u32 index)
{
	static struct frmr_client client;
	static struct dump dump;

	frmr_open(&client, FRMR_LARGE_BUFFER);
	dump = (struct dump) {};
	if (dump_all(&client, index, true, &dump))
		ksft_exit_fail_msg("dump\n");
	frmr_close(&client);
	return &dump;
}

static int open_knob(const char *device, const char *knob, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), TEST_DEVICES "/%s/%s", device, knob);
	fd = open(path, flags);
	if (fd < 0)
		ksft_exit_fail_perror(path);
	return fd;
}

unsigned long read_knob(const char *device, const char *knob)
{
	int fd = open_knob(device, knob, O_RDONLY);
	char text[32] = "";

	if (read(fd, text, sizeof(text) - 1) < 0)
		ksft_exit_fail_perror(knob);
	close(fd);
	return strtoul(text, NULL, 10);
}

void write_numbers(const char *device, const char *knob, unsigned int from,
		   unsigned int to)
{
	int fd = open_knob(device, knob, O_WRONLY);
	char text[32];

	for (; from <= to; from++)
		if (write(fd, text, sprintf(text, "%u", from)) < 0)
			ksft_exit_fail_perror(knob);
	close(fd);
}

bool device_is_content(const char *name)
{
	unsigned long mistakes = read_knob(name, "mistakes");

	if (mistakes)
		ksft_print_msg("the device found %lu mistakes\n", mistakes);
	return !mistakes;
}
