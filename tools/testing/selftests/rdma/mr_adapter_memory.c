// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of other kinds than what malloc() gives.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "../../mlx5_sim/tests/sim_dmabuf.h"
#include "mr_adapter.h"

#define MOVE_EVERY_US	2000

int moving_open(struct moving *m, size_t pages)
{
	m->n = pages * PAGE;
	m->mover = open(MOVER_FILE, O_RDWR);
	if (m->mover < 0)
		return -errno;
	m->fd = ioctl(m->mover, SIM_DMABUF_CREATE, pages);
	if (m->fd < 0)
		return -errno;
	m->p = mmap(NULL, m->n, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	return m->p == MAP_FAILED ? -errno : 0;
}

void moving_close(struct moving *m)
{
	munmap(m->p, m->n);
	close(m->fd);
	close(m->mover);
}

int moving_move(struct moving *m)
{
	return ioctl(m->mover, SIM_DMABUF_MOVE, m->fd) ? -errno : 0;
}

struct ibv_mr *moving_register(struct moving *m)
{
	return ibv_reg_dmabuf_mr(pd, 0, m->n, (uintptr_t)m->p, m->fd,
				 ACCESS_ALL);
}

/* A thread; gives 0 or a negative errno. */
static void *keep_moving(void *arg)
{
	struct moving *m = arg;
	long err = 0;

	while (!err && !__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		err = moving_move(m);
		usleep(MOVE_EVERY_US);
	}
	return (void *)err;
}

bool start_moving(struct moving *m)
{
	m->stop = false;
	return !pthread_create(&m->thread, NULL, keep_moving, m);
}

bool stop_moving(struct moving *m)
{
	void *err;

	__atomic_store_n(&m->stop, true, __ATOMIC_RELAXED);
	return !pthread_join(m->thread, &err) && !err;
}

size_t huge_kbytes(void)
{
	char line[256];
	size_t kbytes = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "AnonHugePages: %zu kB", &kbytes);
	if (f)
		fclose(f);
	return kbytes;
}
