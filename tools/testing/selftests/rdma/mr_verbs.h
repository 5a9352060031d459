/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mr_verbs do with memory regions.
 */
#ifndef MR_VERBS_H
#define MR_VERBS_H

#include <stdbool.h>
#include "rdma_util.h"

#define ACCESS_LOCAL	IBV_ACCESS_LOCAL_WRITE
#define BOUNCE_BYTES	(16 * PAGE)

/* Each test is a process, so that this is the state of one test. */
extern struct rdma_device dev;
extern struct ibv_pd *pd;
extern struct rdma_pair pair;
extern char *bounce;		/* the other end of each transfer */
extern struct ibv_mr *bounce_mr;
extern __u64 seed;

/*
 * mr_transfer.c: transfers give a completion status or a negative errno, and
 * after an error new queue pairs to the next one. The first one has any lkey at
 * its end, the others have the bounce buffer.
 */
int use_lkey(enum ibv_wr_opcode opcode, struct ibv_sge *sge, void *addr,
	     __u32 rkey);
int read_by(struct rdma_pair *via, __u64 addr, __u32 rkey, size_t bytes);
int write_to(void *addr, __u32 rkey, size_t bytes);
int read_from(void *addr, __u32 rkey, size_t bytes);
struct ibv_sge bounce_sge(size_t bytes);

/*
 * True if RDMA WRITE to @iova gets to @addr, and RDMA READ brings back what is
 * there.
 */
bool moves_data(struct rdma_pair *via, char *addr, __u64 iova, __u32 rkey,
		size_t bytes);

/* True if the first and the last bytes of @mr can be written and read. */
bool works_by(struct rdma_pair *via, struct ibv_mr *mr);
bool works(struct ibv_mr *mr);

/* Windows on the first @bytes of @mr: as a transfer. */
int bind_type_1(struct ibv_mw *mw, struct ibv_mr *mr, size_t bytes);
int bind_type_2(struct ibv_mw *mw, struct ibv_mr *mr, size_t bytes);
int invalidate_type_2(struct ibv_mw *mw);

/*
 * mr_command.c: the commands themselves, where the provider of rdma-core is
 * older than the driver. They give 0 or errno.
 */
int prefetch(__u32 flags, struct ibv_sge *sge);
int rereg(struct ibv_mr *mr, __u32 flags, struct ibv_pd *new_pd, void *addr,
	  int access);

#endif /* MR_VERBS_H */
