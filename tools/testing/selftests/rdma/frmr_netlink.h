/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What requests to the FRMR pools carry, and what the kernel tells of a pool.
 */
#ifndef FRMR_NETLINK_H
#define FRMR_NETLINK_H

#include <stdbool.h>
#include <linux/types.h>
#include <libmnl/libmnl.h>

#define FRMR_SMALL_BUFFER	4096	/* the least that the kernel fills */
#define FRMR_LARGE_BUFFER	32768	/* the most */

/* A socket, and room for one datagram */
struct frmr_client {
	struct mnl_socket *sock;
	unsigned int seq;
	size_t size;
	char buffer[FRMR_LARGE_BUFFER];
};

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

/* The program ends if this fails. The answers come in parts of @size bytes. */
void frmr_open(struct frmr_client *c, size_t size);
void frmr_close(struct frmr_client *c);

/* Begins a request, in the client's buffer or in one for several of them. */
struct nlmsghdr *frmr_request(struct frmr_client *c, unsigned int command,
			      unsigned int flags);
void frmr_put_header(struct nlmsghdr *nlh, unsigned int command,
		     unsigned int flags, __u32 seq);

void frmr_send(struct frmr_client *c, const struct nlmsghdr *nlh);

/* Takes one datagram; 1 if there is more to come, 0 at the end, or -errno. */
int frmr_receive(struct frmr_client *c, mnl_cb_t fn, void *arg);

/* Sends a request and takes all that comes: 0 or -errno. */
int frmr_talk(struct frmr_client *c, const struct nlmsghdr *nlh, mnl_cb_t fn,
	      void *arg);

int frmr_find_device(struct frmr_client *c, const char *name, __u32 *index);
int frmr_set_aging(struct frmr_client *c, __u32 index, __u32 seconds);
int frmr_set_pinned(struct frmr_client *c, __u32 index,
		    const struct frmr_key *key, __u32 count);

/* These add the attributes of a request to device @index. */
void frmr_put_dump(struct nlmsghdr *nlh, __u32 index, bool details);
void frmr_put_aging(struct nlmsghdr *nlh, __u32 index, __u32 seconds);
void frmr_put_pinned(struct nlmsghdr *nlh, __u32 index,
		     const struct frmr_key *key, __u32 count);
void frmr_put_reclaim(struct nlmsghdr *nlh, __u32 index, __u32 idle);

/* Reads an RDMA_NLDEV_ATTR_DRIVER, of a pool or of the device. */
void frmr_read_counters(const struct nlattr *nest, struct frmr_pool *pool);

/* Reads an RDMA_NLDEV_ATTR_FRMR_POOL_ENTRY; what it lacks is 0. */
void frmr_read_pool(const struct nlattr *nest, struct frmr_pool *pool);

#endif /* FRMR_NETLINK_H */
