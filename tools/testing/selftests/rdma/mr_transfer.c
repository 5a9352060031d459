// SPDX-License-Identifier: GPL-2.0
/*
 * Moves data between memory regions and a bounce buffer, through a pair of
 * queue pairs of one device.
 */
#include <string.h>
#include "mr_verbs.h"

struct rdma_device dev;
struct ibv_pd *pd;
struct rdma_pair pair;
char *bounce;
struct ibv_mr *bounce_mr;
__u64 seed;

/* An error ends the queue pairs, so the next transfer gets new ones. */
static int after(struct rdma_pair *via, int status)
{
	int err;

	if (!status)
		return 0;
	err = rdma_pair_reconnect(via);
	return err ?: status;
}

int use_lkey(enum ibv_wr_opcode opcode, struct ibv_sge *sge, void *addr,
	     __u32 rkey)
{
	return after(&pair, opcode == IBV_WR_RDMA_READ ?
		     rdma_read(&pair, sge, (uintptr_t)addr, rkey) :
		     rdma_write(&pair, sge, (uintptr_t)addr, rkey));
}

struct ibv_sge bounce_sge(size_t bytes)
{
	return (struct ibv_sge) {
		.addr = (uintptr_t)bounce,
		.length = bytes,
		.lkey = bounce_mr->lkey,
	};
}

static int write_by(struct rdma_pair *via, __u64 addr, __u32 rkey, size_t bytes)
{
	struct ibv_sge sge = bounce_sge(bytes);

	return after(via, rdma_write(via, &sge, addr, rkey));
}

int read_by(struct rdma_pair *via, __u64 addr, __u32 rkey, size_t bytes)
{
	struct ibv_sge sge = bounce_sge(bytes);

	return after(via, rdma_read(via, &sge, addr, rkey));
}

int write_to(void *addr, __u32 rkey, size_t bytes)
{
	return write_by(&pair, (uintptr_t)addr, rkey, bytes);
}

int read_from(void *addr, __u32 rkey, size_t bytes)
{
	return read_by(&pair, (uintptr_t)addr, rkey, bytes);
}

bool moves_data(struct rdma_pair *via, char *addr, __u64 iova, __u32 rkey,
		size_t bytes)
{
	fill_random(bounce, bytes, &seed);
	if (write_by(via, iova, rkey, bytes) || memcmp(addr, bounce, bytes))
		return false;

	fill_random(addr, bytes, &seed);
	if (read_by(via, iova, rkey, bytes))
		return false;
	return !memcmp(addr, bounce, bytes);
}

bool works_by(struct rdma_pair *via, struct ibv_mr *mr)
{
	size_t bytes = mr->length < PAGE + 1 ? mr->length : PAGE + 1;
	char *first = mr->addr;
	char *last = first + mr->length - bytes;

	return moves_data(via, first, (uintptr_t)first, mr->rkey, bytes) &&
	       moves_data(via, last, (uintptr_t)last, mr->rkey, bytes);
}

bool works(struct ibv_mr *mr)
{
	return works_by(&pair, mr);
}

/*
 * Windows are bound by the queue pair that owns the memory, which is the one
 * that a window of type 2 can be used through.
 */
static struct rdma_pair reversed(void)
{
	struct rdma_pair owner = pair;

	owner.qp = pair.peer;
	owner.peer = pair.qp;
	return owner;
}

static struct ibv_mw_bind_info window(struct ibv_mr *mr, size_t bytes)
{
	return (struct ibv_mw_bind_info) {
		.mr = mr,
		.addr = (uintptr_t)mr->addr,
		.length = bytes,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_READ,
	};
}

int bind_type_1(struct ibv_mw *mw, struct ibv_mr *mr, size_t bytes)
{
	struct rdma_pair owner = reversed();
	struct ibv_mw_bind bind = {
		.wr_id = owner.next_wr_id,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_info = window(mr, bytes),
	};
	int err = ibv_bind_mw(owner.qp, mw, &bind);

	return err ? -err : rdma_wait(&owner, bind.wr_id);
}

int bind_type_2(struct ibv_mw *mw, struct ibv_mr *mr, size_t bytes)
{
	struct rdma_pair owner = reversed();
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_BIND_MW,
		.bind_mw = {
			.mw = mw,
			.rkey = ibv_inc_rkey(mw->rkey),
			.bind_info = window(mr, bytes),
		},
	};
	int status = rdma_execute(&owner, &wr);

	if (!status)
		mw->rkey = wr.bind_mw.rkey;
	return status;
}

int invalidate_type_2(struct ibv_mw *mw)
{
	struct rdma_pair owner = reversed();
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_LOCAL_INV,
		.invalidate_rkey = mw->rkey,
	};

	return rdma_execute(&owner, &wr);
}
