// SPDX-License-Identifier: GPL-2.0
/*
 * mr_kinds DEVICE KIND: makes objects, each of which takes an MR object of the
 * device: as many as each line of standard input says. A second number there is
 * the size of an "mr" in pages. Prints how many of them could not be made.
 * Destroys all when the input ends, and fails if anything did.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <arpa/inet.h>
#include <linux/types.h>
#include <infiniband/mlx5dv.h>
#include <infiniband/verbs.h>
#include "rdma_util.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* A size that no other test registers, and the largest for an "mr" */
#define MR_PAGES	(10 * CHUNK_PAGES)

/* More than the pools of an adapter with short UMRs have, of scattered pages */
#define LARGE_PAGES	(2 * 65536)
#define CHUNK_PAGES	64

#define ACCESS		(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ)

/* As in the manual of the adapter: the command that makes an mkey */
#define CREATE_MKEY	0x200
#define MKEY_IN_DWORDS	68
#define MKEY_OUT_DWORDS	4
#define MKEY_KLMS	(2 << 8)
#define MKEY_ANY_QP	0xffffff00

union object {
	struct ibv_mr *mr;
	struct ibv_mw *mw;
	struct mlx5dv_devx_obj *devx;
	void *any;
};

struct kind {
	const char *name;
	union object (*make)(struct ibv_pd *pd);
	int (*destroy)(union object object);
};

static size_t mr_pages = MR_PAGES;

static union object register_memory(struct ibv_pd *pd, char *mem, size_t n)
{
	if (mem == MAP_FAILED)
		return (union object) {};
	return (union object) { .mr = ibv_reg_mr(pd, mem, n, ACCESS) };
}

static union object make_mr(struct ibv_pd *pd)
{
	static char *mem;

	if (!mem)
		mem = rdma_map_repeated(MR_PAGES * PAGE, CHUNK_PAGES);
	return register_memory(pd, mem, mr_pages * PAGE);
}

static union object make_large(struct ibv_pd *pd)
{
	static char *mem;

	if (!mem)
		mem = rdma_map_repeated(LARGE_PAGES * PAGE, CHUNK_PAGES);
	return register_memory(pd, mem, LARGE_PAGES * PAGE);
}

static union object make_implicit(struct ibv_pd *pd)
{
	return (union object) {
		.mr = ibv_reg_mr(pd, NULL, SIZE_MAX,
				 ACCESS | IBV_ACCESS_ON_DEMAND),
	};
}

static int destroy_mr(union object object)
{
	return ibv_dereg_mr(object.mr);
}

static union object make_mw1(struct ibv_pd *pd)
{
	return (union object) { .mw = ibv_alloc_mw(pd, IBV_MW_TYPE_1) };
}

static union object make_mw2(struct ibv_pd *pd)
{
	return (union object) { .mw = ibv_alloc_mw(pd, IBV_MW_TYPE_2) };
}

static int destroy_mw(union object object)
{
	return ibv_dealloc_mw(object.mw);
}

static __u32 pdn(struct ibv_pd *pd)
{
	struct mlx5dv_pd out;
	struct mlx5dv_obj obj = { .pd = { .in = pd, .out = &out } };

	return mlx5dv_init_obj(&obj, MLX5DV_OBJ_PD) ? 0 : out.pdn;
}

/* A list of no memory */
static union object make_devx(struct ibv_pd *pd)
{
	__u32 in[MKEY_IN_DWORDS] = {
		[0] = htonl(CREATE_MKEY << 16),
		[4] = htonl(MKEY_KLMS),
		[5] = htonl(MKEY_ANY_QP),
		[7] = htonl(pdn(pd)),
	};
	__u32 out[MKEY_OUT_DWORDS] = {};

	return (union object) {
		.devx = mlx5dv_devx_obj_create(pd->context, in, sizeof(in),
					       out, sizeof(out)),
	};
}

static int destroy_devx(union object object)
{
	return mlx5dv_devx_obj_destroy(object.devx);
}

static const struct kind kinds[] = {
	{ "mr", make_mr, destroy_mr },
	{ "large", make_large, destroy_mr },
	{ "implicit", make_implicit, destroy_mr },
	{ "mw1", make_mw1, destroy_mw },
	{ "mw2", make_mw2, destroy_mw },
	{ "devx", make_devx, destroy_devx },
};

static const struct kind *find_kind(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

struct holder {
	const struct kind *kind;
	struct ibv_pd *pd;
	union object *objects;
	size_t count;
};

/* False if it failed */
static bool make_one(struct holder *holder)
{
	union object *objects, object;

	objects = realloc(holder->objects,
			  (holder->count + 1) * sizeof(*objects));
	if (!objects)
		return false;
	holder->objects = objects;
	object = holder->kind->make(holder->pd);
	if (!object.any)
		return false;
	objects[holder->count++] = object;
	return true;
}

/* How many of them could not be made */
static unsigned long make_more(struct holder *holder, unsigned long count)
{
	unsigned long failed = 0;

	while (count--)
		if (!make_one(holder) && !failed++)
			fprintf(stderr, "%s: %s\n", holder->kind->name,
				strerror(errno));
	return failed;
}

static bool destroy_all(struct holder *holder)
{
	bool destroyed = true;

	while (holder->count--)
		if (holder->kind->destroy(holder->objects[holder->count]))
			destroyed = false;
	free(holder->objects);
	return destroyed;
}

/* The size that comes with it, if any, stays until there is another one. */
static unsigned long parse_count(const char *line)
{
	unsigned long count = 0;
	size_t pages;

	if (sscanf(line, "%lu %zu", &count, &pages) == 2 && pages <= MR_PAGES)
		mr_pages = pages;
	return count;
}

static bool serve(const struct kind *kind, struct ibv_pd *pd)
{
	struct holder holder = { .kind = kind, .pd = pd };
	unsigned long failed;
	bool good = true;
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		failed = make_more(&holder, parse_count(line));
		good = good && !failed;
		printf("%lu failed\n", failed);
		fflush(stdout);
	}
	return destroy_all(&holder) && good;
}

static struct ibv_context *open_device(const char *name)
{
	struct mlx5dv_context_attr devx = {
		.flags = MLX5DV_CONTEXT_FLAGS_DEVX,
	};
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;
	unsigned int i;

	for (i = 0; list && list[i]; i++) {
		if (strcmp(ibv_get_device_name(list[i]), name))
			continue;
		if (mlx5dv_is_supported(list[i]))
			context = mlx5dv_open_device(list[i], &devx);
		if (!context)
			context = ibv_open_device(list[i]);
	}
	ibv_free_device_list(list);
	return context;
}

int main(int argc, char **argv)
{
	const struct kind *kind = argc == 3 ? find_kind(argv[2]) : NULL;
	struct ibv_context *context;
	struct ibv_pd *pd;
	bool done;

	if (!kind) {
		fprintf(stderr, "usage: mr_kinds DEVICE mr|large|implicit|mw1|mw2|devx\n");
		return EXIT_FAILURE;
	}
	context = open_device(argv[1]);
	pd = context ? ibv_alloc_pd(context) : NULL;
	if (!pd) {
		perror(argv[1]);
		return EXIT_FAILURE;
	}
	done = serve(kind, pd);
	if (ibv_dealloc_pd(pd))
		done = false;
	ibv_close_device(context);
	return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
