/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mr_adapter do with the simulated ConnectX.
 */
#ifndef MR_ADAPTER_H
#define MR_ADAPTER_H

#include <pthread.h>
#include <stdbool.h>
#include "../../mlx5_sim/sim_access.h"
#include "rdma_util.h"

#define DEBUGFS		"/sys/kernel/debug/mlx5_sim/"
#define ACCESS_FILE	DEBUGFS "access"
#define MOVER_FILE	"/dev/sim_dmabuf"

/* Each test is a process, so that this is the state of one test. */
extern struct ibv_pd *pd;
extern int adapter;
extern __u64 seed;

/*
 * mr_adapter_access.c: the adapter accesses memory; 0, or the negative errno
 * that says why it can't.
 */
int request(struct sim_access_request r, void *data);
int adapter_reads(__u32 key, const void *addr, void *data, size_t n);
int adapter_writes(__u32 key, const void *addr, void *data, size_t n);
__u32 pdn(struct ibv_pd *of);

/* A stale key must fail, and not by luck. */
bool refused_as_stale(int err);

/* The adapter reads what is there, and what it writes gets there. */
bool reads_memory(__u32 key, char *addr, size_t n);
bool writes_memory(__u32 key, char *addr, size_t n);
bool same_memory(__u32 key, char *addr, size_t n);
bool reads_zeros(__u32 key, char *addr, size_t n);

unsigned long device_counter(const char *name);
bool fail_next_umr(void);

/*
 * mr_adapter_memory.c
 */

/* Memory as a GPU has it, which it may move at any time. */
struct moving {
	int mover;
	int fd;
	char *p;
	size_t n;
	pthread_t thread;
	bool stop;
};

/* 0 or a negative errno; -ENOENT if there is nothing that could move. */
int moving_open(struct moving *m, size_t pages);
void moving_close(struct moving *m);
int moving_move(struct moving *m);
struct ibv_mr *moving_register(struct moving *m);

/* Moves it again and again; stop_moving() tells if that went well. */
bool start_moving(struct moving *m);
bool stop_moving(struct moving *m);

/* How much of this process is in transparent huge pages. */
size_t huge_kbytes(void);

#endif /* MR_ADAPTER_H */
