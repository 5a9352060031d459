/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RDMA_UTIL_H
#define RDMA_UTIL_H

#include <stdint.h>
#include <unistd.h>
#include <linux/types.h>
#include <infiniband/verbs.h>

#define NSEC_PER_SEC	1000000000ull
#define PAGE		((size_t)sysconf(_SC_PAGESIZE))
#define ACCESS_ALL	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
			 IBV_ACCESS_REMOTE_READ)
#define RDMA_GID_AUTO	(-1)

struct rdma_device {
	struct ibv_context *context;
	struct ibv_port_attr attr;
	union ibv_gid gid;
	int gid_index;
	__u8 port;
};

/*
 * Two RC queue pairs of one device, connected to each other: @qp asks, @peer
 * answers with the memory that belongs to its protection domain.
 */
struct rdma_pair {
	const struct rdma_device *dev;
	struct ibv_pd *pd;
	struct ibv_pd *peer_pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_qp *peer;
	__u64 next_wr_id;
};

/*
 * Functions that return int give 0 or a negative errno, and tell stderr what
 * failed. A close function may be called on what was never opened, if it is
 * zeroed.
 */
int rdma_open(struct rdma_device *dev, const char *name, __u8 port,
	      int gid_index);
void rdma_close(struct rdma_device *dev);

int rdma_pair_open(struct rdma_pair *pair, const struct rdma_device *dev,
		   struct ibv_pd *pd, struct ibv_pd *peer_pd);
void rdma_pair_close(struct rdma_pair *pair);

/* An error ends a queue pair: go on with two new ones. */
int rdma_pair_reconnect(struct rdma_pair *pair);

/*
 * The next three carry out one work request and return the status of its
 * completion (0 is IBV_WC_SUCCESS), or a negative errno if there was none.
 */
int rdma_execute(struct rdma_pair *pair, struct ibv_send_wr *wr);
int rdma_write(struct rdma_pair *pair, struct ibv_sge *from, __u64 addr,
	       __u32 rkey);
int rdma_read(struct rdma_pair *pair, struct ibv_sge *to, __u64 addr,
	      __u32 rkey);

/* The completion of a request that was posted under @wr_id. */
int rdma_wait(struct rdma_pair *pair, __u64 wr_id);

/* What a completion status or a negative errno of the above means. */
const char *rdma_strstatus(int status);

__u64 now_ns(void);

/* A step of the pseudo-random sequence that starts at *@state. */
__u64 next_random(__u64 *state);
void fill_random(void *to, size_t n, __u64 *state);

/* Memory of one's own, that nobody has touched yet; MAP_FAILED if it fails. */
char *rdma_map(size_t n);

/*
 * Memory of which few neighbours are so in physical memory, too: it takes a
 * long list then. The number of pages is no multiple of 7919.
 */
char *rdma_map_scattered(size_t pages);

/*
 * Maps the same @chunk_pages, not a multiple of 23, again and again, up to @n
 * bytes: few neighbours are so in physical memory. MAP_FAILED if it fails.
 */
char *rdma_map_repeated(size_t n, size_t chunk_pages);

#endif /* RDMA_UTIL_H */
