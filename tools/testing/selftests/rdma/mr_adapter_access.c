// SPDX-License-Identifier: GPL-2.0
/*
 * Has the simulated ConnectX access memory, and asks it what it counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <infiniband/mlx5dv.h>
#include "../kselftest.h"
#include "mr_adapter.h"

struct ibv_pd *pd;
int adapter = -1;
__u64 seed = 1;

__u32 pdn(struct ibv_pd *of)
{
	struct mlx5dv_pd out;
	struct mlx5dv_obj obj = { .pd = { .in = of, .out = &out } };

	return mlx5dv_init_obj(&obj, MLX5DV_OBJ_PD) ? 0 : out.pdn;
}

int request(struct sim_access_request r, void *data)
{
	static char buf[sizeof(r) + SIM_ACCESS_MAX];
	size_t size = sizeof(r);

	memcpy(buf, &r, sizeof(r));
	if (r.flags & SIM_ACCESS_WRITE) {
		memcpy(buf + size, data, r.length);
		size += r.length;
	}
	if (write(adapter, buf, size) < 0)
		return -errno;
	if (!(r.flags & SIM_ACCESS_WRITE) &&
	    read(adapter, data, r.length) != r.length)
		return -EIO;
	return 0;
}

int adapter_reads(__u32 key, const void *addr, void *data, size_t n)
{
	return request((struct sim_access_request) {
		.key = key,
		.pd = pdn(pd),
		.addr = (uintptr_t)addr,
		.length = n,
		.flags = SIM_ACCESS_REMOTE,
	}, data);
}

int adapter_writes(__u32 key, const void *addr, void *data, size_t n)
{
	return request((struct sim_access_request) {
		.key = key,
		.pd = pdn(pd),
		.addr = (uintptr_t)addr,
		.length = n,
		.flags = SIM_ACCESS_REMOTE | SIM_ACCESS_WRITE,
	}, data);
}

bool reads_memory(__u32 key, char *addr, size_t n)
{
	static char data[SIM_ACCESS_MAX];
	size_t done, part;

	fill_random(addr, n, &seed);
	for (done = 0; done < n; done += part) {
		part = n - done < sizeof(data) ? n - done : sizeof(data);
		if (adapter_reads(key, addr + done, data, part) ||
		    memcmp(addr + done, data, part))
			return false;
	}
	return true;
}

bool writes_memory(__u32 key, char *addr, size_t n)
{
	static char data[SIM_ACCESS_MAX];
	size_t done, part;

	for (done = 0; done < n; done += part) {
		part = n - done < sizeof(data) ? n - done : sizeof(data);
		fill_random(data, part, &seed);
		if (adapter_writes(key, addr + done, data, part) ||
		    memcmp(addr + done, data, part))
			return false;
	}
	return true;
}

bool same_memory(__u32 key, char *addr, size_t n)
{
	return reads_memory(key, addr, n) && writes_memory(key, addr, n);
}

bool refused_as_stale(int err)
{
	return err == -ENOKEY || err == -EKEYREVOKED || err == -EKEYREJECTED;
}

bool reads_zeros(__u32 key, char *addr, size_t n)
{
	char data[4096] = { 1 };

	return !adapter_reads(key, addr, data, n) && !data[0] &&
	       !memcmp(data, data + 1, n - 1);
}

unsigned long device_counter(const char *name)
{
	unsigned long value = 0;
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), DEBUGFS "%s", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu", &value) != 1)
		ksft_exit_fail_msg("no number in %s\n", path);
	fclose(f);
	return value;
}

bool fail_next_umr(void)
{
	int fd = open(DEBUGFS "fail_umrs", O_WRONLY);
	bool done = fd >= 0 && write(fd, "1", 1) == 1;

	if (fd >= 0)
		close(fd);
	return done;
}
