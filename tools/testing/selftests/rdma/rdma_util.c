// SPDX-License-Identifier: GPL-2.0
/*
 * What programs that move data over RDMA need before they can begin: a
 * device, a GID, connected queue pairs, and completed work requests.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include "rdma_util.h"

#define COMPLETION_TIMEOUT	(20 * NSEC_PER_SEC)
#define MAX_GIDS		256
#define QUEUE_DEPTH		16
#define CHUNK_STRIDE		23
#define LEAP			7919

static int failed(const char *what)
{
	int err = errno ?: EIO;

	fprintf(stderr, "%s: %s\n", what, strerror(err));
	return -err;
}

/* Most verbs return the errno instead of setting it. */
static int failed_with(const char *what, int err)
{
	errno = err;
	return failed(what);
}

__u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

__u64 next_random(__u64 *state)
{
	__u64 x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

void fill_random(void *to, size_t n, __u64 *state)
{
	__u64 word;
	size_t i;

	for (i = 0; i < n; i += sizeof(word)) {
		word = next_random(state);
		memcpy(to + i, &word,
		       n - i < sizeof(word) ? n - i : sizeof(word));
	}
}

const char *rdma_strstatus(int status)
{
	return status < 0 ? strerror(-status) : ibv_wc_status_str(status);
}

static int open_by_name(struct rdma_device *dev, const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_device **d;

	if (!list)
		return failed("list of RDMA devices");

	errno = ENODEV;
	for (d = list; *d; d++) {
		if (strcmp(ibv_get_device_name(*d), name))
			continue;
		dev->context = ibv_open_device(*d);
		break;
	}
	ibv_free_device_list(list);
	return dev->context ? 0 : failed(name);
}

static int is_roce_v2_ipv4(const struct ibv_gid_entry *entry)
{
	static const __u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

	return entry->gid_type == IBV_GID_TYPE_ROCE_V2 &&
	       !memcmp(entry->gid.raw, mapped, sizeof(mapped));
}

static int pick_gid(const struct rdma_device *dev)
{
	struct ibv_gid_entry entries[MAX_GIDS];
	ssize_t count, i;

	count = ibv_query_gid_table(dev->context, entries, MAX_GIDS, 0);
	for (i = 0; i < count; i++)
		if (entries[i].port_num == dev->port &&
		    is_roce_v2_ipv4(&entries[i]))
			return entries[i].gid_index;
	return 0;
}

static int query_address(struct rdma_device *dev)
{
	int err = ibv_query_port(dev->context, dev->port, &dev->attr);

	if (err)
		return failed_with("query port", err);
	if (dev->gid_index == RDMA_GID_AUTO)
		dev->gid_index = pick_gid(dev);
	if (ibv_query_gid(dev->context, dev->port, dev->gid_index, &dev->gid))
		return failed("query GID");
	return 0;
}

int rdma_open(struct rdma_device *dev, const char *name, __u8 port,
	      int gid_index)
{
	int err;

	memset(dev, 0, sizeof(*dev));
	dev->port = port;
	dev->gid_index = gid_index;

	err = open_by_name(dev, name);
	if (err)
		return err;
	err = query_address(dev);
	if (err)
		rdma_close(dev);
	return err;
}

void rdma_close(struct rdma_device *dev)
{
	if (dev->context && ibv_close_device(dev->context))
		failed("close device");
	dev->context = NULL;
}

static struct ibv_qp *create_qp(struct rdma_pair *pair, struct ibv_pd *pd)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = pair->cq,
		.recv_cq = pair->cq,
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = QUEUE_DEPTH,
			.max_recv_wr = 1,
			.max_send_sge = 1,
			.max_recv_sge = 1,
		},
	};

	return ibv_create_qp(pd, &attr);
}

static int to_init(struct ibv_qp *qp, const struct rdma_device *dev)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = dev->port,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ |
				   IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_ATOMIC,
	};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX |
			     IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

static int to_rtr(struct ibv_qp *qp, const struct rdma_device *dev,
		  __u32 dest_qp_num)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = dev->attr.active_mtu,
		.dest_qp_num = dest_qp_num,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = {
			.dlid = dev->attr.lid,
			.port_num = dev->port,
			.is_global = 1,
			.grh = {
				.dgid = dev->gid,
				.sgid_index = dev->gid_index,
				.hop_limit = 1,
			},
		},
	};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_AV |
			     IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			     IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			     IBV_QP_MIN_RNR_TIMER);
}

static int to_rts(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTS,
		.timeout = 14,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 1,
	};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT |
			     IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			     IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

static int connect_qp(struct ibv_qp *qp, const struct rdma_device *dev,
		      __u32 dest_qp_num)
{
	int err = to_init(qp, dev);

	if (err)
		return failed_with("queue pair to INIT", err);
	err = to_rtr(qp, dev, dest_qp_num);
	if (err)
		return failed_with("queue pair to RTR", err);
	err = to_rts(qp);
	if (err)
		return failed_with("queue pair to RTS", err);
	return 0;
}

static void destroy_qps(struct rdma_pair *pair)
{
	if (pair->peer && ibv_destroy_qp(pair->peer))
		failed("destroy queue pair");
	if (pair->qp && ibv_destroy_qp(pair->qp))
		failed("destroy queue pair");
	pair->peer = NULL;
	pair->qp = NULL;
}

static int create_qps(struct rdma_pair *pair)
{
	int err;

	pair->qp = create_qp(pair, pair->pd);
	if (!pair->qp)
		return failed("create queue pair");
	pair->peer = create_qp(pair, pair->peer_pd);
	if (!pair->peer)
		return failed("create queue pair");

	err = connect_qp(pair->peer, pair->dev, pair->qp->qp_num);
	if (err)
		return err;
	return connect_qp(pair->qp, pair->dev, pair->peer->qp_num);
}

int rdma_pair_open(struct rdma_pair *pair, const struct rdma_device *dev,
		   struct ibv_pd *pd, struct ibv_pd *peer_pd)
{
	int err;

	memset(pair, 0, sizeof(*pair));
	pair->dev = dev;
	pair->pd = pd;
	pair->peer_pd = peer_pd;

	pair->cq = ibv_create_cq(dev->context, 2 * QUEUE_DEPTH, NULL, NULL, 0);
	if (!pair->cq)
		return failed("create completion queue");
	err = create_qps(pair);
	if (err)
		rdma_pair_close(pair);
	return err;
}

void rdma_pair_close(struct rdma_pair *pair)
{
	destroy_qps(pair);
	if (pair->cq && ibv_destroy_cq(pair->cq))
		failed("destroy completion queue");
	pair->cq = NULL;
}

int rdma_pair_reconnect(struct rdma_pair *pair)
{
	destroy_qps(pair);
	return create_qps(pair);
}

int rdma_wait(struct rdma_pair *pair, __u64 wr_id)
{
	__u64 deadline = now_ns() + COMPLETION_TIMEOUT;
	struct ibv_wc wc;
	int count;

	while (now_ns() < deadline) {
		count = ibv_poll_cq(pair->cq, 1, &wc);
		if (count < 0)
			return failed_with("poll completion queue", EIO);
		/* Queue pairs that are gone may have left completions. */
		if (count && wc.wr_id == wr_id)
			return wc.status;
		if (!count)
			sched_yield();
	}
	return failed_with("wait for completion", ETIMEDOUT);
}

int rdma_execute(struct rdma_pair *pair, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;
	int err;

	wr->wr_id = pair->next_wr_id++;
	wr->send_flags |= IBV_SEND_SIGNALED;
	err = ibv_post_send(pair->qp, wr, &bad);
	if (err)
		return failed_with("post send", err);
	return rdma_wait(pair, wr->wr_id);
}

static int transfer(struct rdma_pair *pair, enum ibv_wr_opcode opcode,
		    struct ibv_sge *sge, __u64 addr, __u32 rkey)
{
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.sg_list = sge,
		.num_sge = 1,
		.wr.rdma = {
			.remote_addr = addr,
			.rkey = rkey,
		},
	};

	return rdma_execute(pair, &wr);
}

int rdma_write(struct rdma_pair *pair, struct ibv_sge *from, __u64 addr,
	       __u32 rkey)
{
	return transfer(pair, IBV_WR_RDMA_WRITE, from, addr, rkey);
}

int rdma_read(struct rdma_pair *pair, struct ibv_sge *to, __u64 addr,
	      __u32 rkey)
{
	return transfer(pair, IBV_WR_RDMA_READ, to, addr, rkey);
}

char *rdma_map(size_t n)
{
	return mmap(NULL, n, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

char *rdma_map_scattered(size_t pages)
{
	char *p = rdma_map(pages * PAGE);
	size_t i;

	if (p == MAP_FAILED)
		return p;
	/* Fails where the kernel has none anyway. */
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < pages; i++)
		p[i * LEAP % pages * PAGE] = 1;
	return p;
}

char *rdma_map_repeated(size_t n, size_t chunk_pages)
{
	size_t chunk = chunk_pages * PAGE, i;
	char *p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("rdma", 0);

	if (p == MAP_FAILED || fd < 0 || ftruncate(fd, chunk))
		return MAP_FAILED;
	for (i = 0; i < n; i += chunk)
		if (mmap(p + i, chunk, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return MAP_FAILED;
	/* Pages come in the order in which they are touched. */
	for (i = 0; i < chunk_pages; i++)
		p[i * CHUNK_STRIDE % chunk_pages * PAGE] = 1;
	close(fd);
	return p;
}
