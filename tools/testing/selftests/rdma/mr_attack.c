// SPDX-License-Identifier: GPL-2.0
/*
 * mr_attack DEVICE stale COUNT: keeps a key whose region is gone, and tries it
 * after each of COUNT further registrations of the same kind. Tells after how
 * many the key was given out again; fails if it opened anything before.
 *
 * mr_attack DEVICE flags: registers a page with each combination of access flags,
 * and tells how many of these the device takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include "rdma_util.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		((size_t)sysconf(_SC_PAGESIZE))

#define ACCESS		(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
			 IBV_ACCESS_REMOTE_READ)

static const int flags[] = {
	IBV_ACCESS_LOCAL_WRITE,
	IBV_ACCESS_REMOTE_WRITE,
	IBV_ACCESS_REMOTE_READ,
	IBV_ACCESS_REMOTE_ATOMIC,
	IBV_ACCESS_MW_BIND,
	IBV_ACCESS_ZERO_BASED,
	IBV_ACCESS_ON_DEMAND,
	IBV_ACCESS_RELAXED_ORDERING,
};

#define NR_FLAGS	ARRAY_SIZE(flags)

static char *mem;	/* a page to register, and one for what is read */

static int combine(unsigned int chosen)
{
	unsigned int i;
	int access = 0;

	for (i = 0; i < NR_FLAGS; i++)
		if (chosen & 1 << i)
			access |= flags[i];
	return access;
}

static int attack_flags(struct ibv_pd *pd)
{
	unsigned int chosen, taken = 0;
	struct ibv_mr *mr;

	for (chosen = 0; chosen < 1 << NR_FLAGS; chosen++) {
		mr = ibv_reg_mr(pd, mem, PAGE, combine(chosen));
		if (!mr)
			continue;
		taken++;
		if (ibv_dereg_mr(mr))
			return EXIT_FAILURE;
	}
	printf("%u of %u combinations\n", taken, chosen);
	return EXIT_SUCCESS;
}

/* The status of an access by @rkey; an error ends the queue pairs. */
static int access_by(struct rdma_pair *pair, struct ibv_mr *bounce, __u32 rkey)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)bounce->addr,
		.length = PAGE,
		.lkey = bounce->lkey,
	};
	int status = rdma_read(pair, &sge, (uintptr_t)mem, rkey);

	if (status && rdma_pair_reconnect(pair))
		return -1;
	return status;
}

/* A new owner of the page: 1 if it got @stale, 0 if that opens nothing, or -1. */
static int reuse(struct rdma_pair *pair, struct ibv_mr *bounce, __u32 stale)
{
	struct ibv_mr *mr = ibv_reg_mr(pair->pd, mem, PAGE, ACCESS);
	int status, same;

	if (!mr)
		return -1;
	same = mr->rkey == stale;
	status = same ? 0 : access_by(pair, bounce, stale);
	if (ibv_dereg_mr(mr))
		return -1;
	return same || status == IBV_WC_REM_ACCESS_ERR ? same : -1;
}

static int try_stale(struct rdma_pair *pair, struct ibv_mr *bounce, int count)
{
	struct ibv_mr *mr = ibv_reg_mr(pair->pd, mem, PAGE, ACCESS);
	int i, got, first = 0, times = 0;
	__u32 stale;

	if (!mr)
		return EXIT_FAILURE;
	stale = mr->rkey;
	if (ibv_dereg_mr(mr))
		return EXIT_FAILURE;
	for (i = 1; i <= count; i++) {
		got = reuse(pair, bounce, stale);
		if (got < 0) {
			fprintf(stderr, "not refused: reuse %d\n", i);
			return EXIT_FAILURE;
		}
		times += got;
		if (got && !first)
			first = i;
	}
	printf("{\"reuses\":%d,\"again\":%d,\"first\":%d}\n", count, times,
	       first);
	return EXIT_SUCCESS;
}

static int attack_stale(struct rdma_device *dev, struct ibv_pd *pd, int count)
{
	struct ibv_mr *bounce = ibv_reg_mr(pd, mem + PAGE, PAGE, ACCESS);
	struct rdma_pair pair;
	int status;

	if (!bounce || rdma_pair_open(&pair, dev, pd, pd))
		return EXIT_FAILURE;
	status = try_stale(&pair, bounce, count);
	rdma_pair_close(&pair);
	return ibv_dereg_mr(bounce) ? EXIT_FAILURE : status;
}

int main(int argc, char **argv)
{
	int stale = argc == 4 && !strcmp(argv[2], "stale");
	struct rdma_device dev;
	struct ibv_pd *pd;
	int status;

	if (!stale && (argc != 3 || strcmp(argv[2], "flags"))) {
		fprintf(stderr, "usage: mr_attack DEVICE stale COUNT | flags\n");
		return EXIT_FAILURE;
	}
	mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || rdma_open(&dev, argv[1], 1, RDMA_GID_AUTO))
		return EXIT_FAILURE;
	pd = ibv_alloc_pd(dev.context);
	if (!pd)
		return EXIT_FAILURE;
	status = stale ? attack_stale(&dev, pd, atoi(argv[3])) :
			 attack_flags(pd);
	if (ibv_dealloc_pd(pd))
		status = EXIT_FAILURE;
	rdma_close(&dev);
	return status;
}
