// SPDX-License-Identifier: GPL-2.0
/*
 * Registers and deregisters memory as fast as it can, from several threads,
 * proves by RDMA that what was registered is what was asked for, and tells
 * how long ibv_reg_mr() and ibv_dereg_mr() took.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "mr_churn.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BOUNCE_BYTES	(256 * 1024)

struct slot {
	struct ibv_mr *mr;
	char *addr;
	size_t length;
	int access;
};

struct worker {
	const struct options *opt;
	struct ibv_pd *pd;
	pthread_t thread;
	struct rdma_pair pair;
	struct slot *slots;
	unsigned long held;
	char *arena;
	size_t arena_bytes;
	__u64 *bounce;
	struct ibv_mr *bounce_mr;
	__u64 random;
	__u64 busy_ns;
	__u64 registered;
	__u64 verified;
	__u64 verified_bytes;
	struct histogram reg;
	struct histogram dereg;
};

static const int access_mix[] = {
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		IBV_ACCESS_REMOTE_READ,
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ,
	IBV_ACCESS_REMOTE_READ,
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC,
};

/* Held until all threads are there, so that they begin at one time. */
static pthread_mutex_t start_gate = PTHREAD_MUTEX_INITIALIZER;
static __u64 begin_ns;
static __u64 deadline_ns;
static atomic_bool stopping;
static atomic_bool any_failed;

static void give_up(void)
{
	atomic_store(&any_failed, true);
	atomic_store(&stopping, true);
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err));
	give_up();
}

static void on_signal(int sig)
{
	(void)sig;
	atomic_store(&stopping, true);
}

/*
 * What a registration must contain: it depends on the number of the transfer,
 * so that what an earlier one left behind is not taken for the new.
 */
static __u64 pattern(__u64 start, size_t word)
{
	return (start + word) * 0x9e3779b97f4a7c15ull;
}

static void fill(__u64 *words, size_t length, __u64 start, size_t first)
{
	size_t i;

	for (i = 0; i < length / sizeof(*words); i++)
		words[i] = pattern(start, first + i);
}

static bool compare(const __u64 *words, size_t length, __u64 start,
		    size_t first, const char *what)
{
	size_t i;

	for (i = 0; i < length / sizeof(*words); i++) {
		if (words[i] == pattern(start, first + i))
			continue;
		fprintf(stderr,
			"RDMA %s: byte %zu is 0x%016llx, not 0x%016llx\n",
			what, (first + i) * sizeof(*words), words[i],
			pattern(start, first + i));
		return false;
	}
	return true;
}

static bool transfer_ok(int status, const char *what)
{
	if (status)
		fprintf(stderr, "RDMA %s: %s\n", what, rdma_strstatus(status));
	return !status;
}

static struct ibv_sge bounce_sge(const struct worker *w, size_t length)
{
	return (struct ibv_sge) {
		.addr = (uintptr_t)w->bounce,
		.length = length,
		.lkey = w->bounce_mr->lkey,
	};
}

static size_t chunk(const struct slot *slot, size_t offset)
{
	size_t rest = slot->length - offset;

	return rest < BOUNCE_BYTES ? rest : BOUNCE_BYTES;
}

static bool verify_write(struct worker *w, const struct slot *slot)
{
	__u64 start = next_random(&w->random);
	size_t offset, length;
	struct ibv_sge sge;

	for (offset = 0; offset < slot->length; offset += length) {
		length = chunk(slot, offset);
		fill(w->bounce, length, start, offset / sizeof(*w->bounce));
		sge = bounce_sge(w, length);
		if (!transfer_ok(rdma_write(&w->pair, &sge,
					    (uintptr_t)slot->addr + offset,
					    slot->mr->rkey), "WRITE"))
			return false;
	}
	return compare((__u64 *)slot->addr, slot->length, start, 0, "WRITE");
}

static bool verify_read(struct worker *w, const struct slot *slot)
{
	__u64 start = next_random(&w->random);
	size_t offset, length;
	struct ibv_sge sge;

	fill((__u64 *)slot->addr, slot->length, start, 0);
	for (offset = 0; offset < slot->length; offset += length) {
		length = chunk(slot, offset);
		sge = bounce_sge(w, length);
		if (!transfer_ok(rdma_read(&w->pair, &sge,
					   (uintptr_t)slot->addr + offset,
					   slot->mr->rkey), "READ") ||
		    !compare(w->bounce, length, start,
			     offset / sizeof(*w->bounce), "READ"))
			return false;
	}
	return true;
}

static bool verify(struct worker *w, const struct slot *slot)
{
	bool ok = true;

	if (slot->access & IBV_ACCESS_REMOTE_WRITE)
		ok = verify_write(w, slot);
	if (ok && slot->access & IBV_ACCESS_REMOTE_READ)
		ok = verify_read(w, slot);
	if (ok) {
		w->verified++;
		w->verified_bytes += slot->length;
		return true;
	}
	fprintf(stderr,
		"in registration %llu: %zu bytes at %p, access 0x%x, rkey 0x%x\n",
		w->registered, slot->length, slot->addr, slot->access,
		slot->mr->rkey);
	return false;
}

static bool register_slot(struct worker *w, struct slot *slot)
{
	__u64 begin = now_ns();

	slot->mr = ibv_reg_mr(w->pd, slot->addr, slot->length, slot->access);
	if (!slot->mr) {
		fail("ibv_reg_mr", errno);
		return false;
	}
	histogram_add(&w->reg, now_ns() - begin);
	w->registered++;
	return true;
}

static bool deregister_slot(struct worker *w, struct slot *slot)
{
	__u64 begin = now_ns();
	int err = ibv_dereg_mr(slot->mr);

	if (err) {
		fail("ibv_dereg_mr", err);
		return false;
	}
	histogram_add(&w->dereg, now_ns() - begin);
	slot->mr = NULL;
	return true;
}

static void pick_slot(struct worker *w, struct slot *slot)
{
	const struct options *opt = w->opt;
	__u64 n = opt->in_turn ? w->registered : next_random(&w->random);

	slot->length = PAGE * nth_size(opt, n % number_of_sizes(opt));
	slot->access = access_mix[next_random(&w->random) %
				  ARRAY_SIZE(access_mix)];
}

static bool register_round(struct worker *w, unsigned long count)
{
	const struct options *opt = w->opt;
	struct slot *slot;

	while (w->held < count) {
		slot = &w->slots[w->held];
		pick_slot(w, slot);
		if (!register_slot(w, slot))
			return false;
		w->held++;
		if (opt->verify_every && !(w->registered % opt->verify_every) &&
		    !verify(w, slot)) {
			give_up();
			return false;
		}
	}
	return true;
}

static bool deregister_round(struct worker *w)
{
	bool ok = true;

	while (w->held)
		ok &= deregister_slot(w, &w->slots[--w->held]);
	return ok;
}

static unsigned long round_size(const struct worker *w)
{
	const struct options *opt = w->opt;
	__u64 left = opt->count - w->registered;

	return opt->seconds || left > opt->mrs ? opt->mrs : left;
}

static bool is_last_round(const struct worker *w)
{
	if (atomic_load(&stopping))
		return true;
	if (w->opt->seconds)
		return now_ns() >= deadline_ns;
	return w->registered >= w->opt->count;
}

/* Returns for how long the regions were held. */
static __u64 hold(const struct worker *w)
{
	__u64 begin = now_ns();
	__u64 end = begin + w->opt->hold * NSEC_PER_SEC;

	while (now_ns() < end && !atomic_load(&stopping))
		usleep(10000);
	return now_ns() - begin;
}

static void *churn(void *arg)
{
	struct worker *w = arg;
	__u64 idle = 0;
	bool last, ok;

	pthread_mutex_lock(&start_gate);
	pthread_mutex_unlock(&start_gate);
	do {
		ok = register_round(w, round_size(w));
		last = !ok || is_last_round(w);
		if (ok && last)
			idle = hold(w);
		ok &= deregister_round(w);
	} while (ok && !last);
	w->busy_ns = now_ns() - begin_ns - idle;
	return NULL;
}

/*
 * No two pages in a row are taken in a row. So a region has as many DMA blocks as
 * pages, and its size is the size that the pools see.
 */
static void take_pages(char *arena, size_t bytes)
{
	size_t i;

	madvise(arena, bytes, MADV_NOHUGEPAGE);
	for (i = PAGE; i < bytes; i += 2 * PAGE)
		arena[i] = 0;
	for (i = 0; i < bytes; i += 2 * PAGE)
		arena[i] = 0;
}

static bool map_arena(struct worker *w)
{
	size_t stride = PAGE * max_pages(w->opt);
	unsigned long i;
	void *arena;

	w->arena_bytes = stride * w->opt->mrs;
	arena = mmap(NULL, w->arena_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		return false;
	take_pages(arena, w->arena_bytes);
	w->arena = arena;
	for (i = 0; i < w->opt->mrs; i++)
		w->slots[i].addr = w->arena + i * stride;
	return true;
}

static bool worker_alloc(struct worker *w)
{
	w->slots = calloc(w->opt->mrs, sizeof(*w->slots));
	w->bounce = aligned_alloc(PAGE, BOUNCE_BYTES);
	return w->slots && w->bounce && map_arena(w);
}

static bool worker_open(struct worker *w, const struct rdma_device *dev)
{
	if (!worker_alloc(w)) {
		fail("memory for a thread", ENOMEM);
		return false;
	}
	if (rdma_pair_open(&w->pair, dev, w->pd, w->pd))
		return false;
	w->bounce_mr = ibv_reg_mr(w->pd, w->bounce, BOUNCE_BYTES,
				  IBV_ACCESS_LOCAL_WRITE);
	if (!w->bounce_mr)
		fail("register the bounce buffer", errno);
	return w->bounce_mr;
}

static void worker_close(struct worker *w)
{
	if (w->bounce_mr && ibv_dereg_mr(w->bounce_mr))
		fail("deregister the bounce buffer", errno);
	rdma_pair_close(&w->pair);
	if (w->arena)
		munmap(w->arena, w->arena_bytes);
	free(w->bounce);
	free(w->slots);
}

static void run_threads(struct worker *workers, const struct options *opt)
{
	unsigned long i, started;
	int err;

	pthread_mutex_lock(&start_gate);
	for (started = 0; started < opt->threads; started++) {
		err = pthread_create(&workers[started].thread, NULL, churn,
				     &workers[started]);
		if (err) {
			fail("pthread_create", err);
			break;
		}
	}
	begin_ns = now_ns();
	deadline_ns = begin_ns + opt->seconds * NSEC_PER_SEC;
	pthread_mutex_unlock(&start_gate);
	for (i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
}

static void print_latency(const char *name, const struct histogram *h)
{
	printf("%-14s %10.1f %10.1f %10.1f\n", name,
	       histogram_percentile(h, 50) / 1e3,
	       histogram_percentile(h, 99) / 1e3, h->max / 1e3);
}

static void print_text(const struct options *opt, const struct worker *sum,
		       double seconds)
{
	printf("%s: threads %lu, MRs at once %lu, seed %lu\n", opt->device,
	       opt->threads, opt->mrs, opt->seed);
	printf("%-14s %10llu in %.2f s\n", "registrations",
	       sum->registered, seconds);
	printf("%-14s %10llu\n", "verified", sum->verified);
	printf("%-14s %10.0f\n\n", "per second", sum->registered / seconds);
	printf("%-14s %10s %10s %10s\n", "microseconds", "p50", "p99", "max");
	print_latency("ibv_reg_mr", &sum->reg);
	print_latency("ibv_dereg_mr", &sum->dereg);
}

static void print_json_latency(const char *name, const struct histogram *h)
{
	printf(", \"%s\": {\"mean\": %llu, \"p50\": %llu, \"p99\": %llu, \"max\": %llu}",
	       name, h->count ? h->sum / h->count : 0,
	       histogram_percentile(h, 50), histogram_percentile(h, 99),
	       h->max);
}

static void print_json(const struct options *opt, const struct worker *sum,
		       double seconds)
{
	printf("{\"device\": \"%s\", \"threads\": %lu, \"mrs\": %lu, \"seed\": %lu",
	       opt->device, opt->threads, opt->mrs, opt->seed);
	printf(", \"registrations\": %llu, \"verified\": %llu, \"verified_bytes\": %llu",
	       sum->registered, sum->verified, sum->verified_bytes);
	printf(", \"seconds\": %.6f, \"per_second\": %.1f", seconds,
	       sum->registered / seconds);
	print_json_latency("reg_ns", &sum->reg);
	print_json_latency("dereg_ns", &sum->dereg);
	printf("}\n");
}

static void report(const struct options *opt, const struct worker *workers)
{
	static struct worker sum;
	unsigned long i;

	for (i = 0; i < opt->threads; i++) {
		sum.registered += workers[i].registered;
		sum.verified += workers[i].verified;
		sum.verified_bytes += workers[i].verified_bytes;
		histogram_merge(&sum.reg, &workers[i].reg);
		histogram_merge(&sum.dereg, &workers[i].dereg);
		if (workers[i].busy_ns > sum.busy_ns)
			sum.busy_ns = workers[i].busy_ns;
	}
	if (opt->json)
		print_json(opt, &sum, sum.busy_ns / 1e9);
	else
		print_text(opt, &sum, sum.busy_ns / 1e9);
}

static void run_workers(const struct options *opt,
			const struct rdma_device *dev, struct ibv_pd *pd)
{
	struct worker *workers = calloc(opt->threads, sizeof(*workers));
	unsigned long opened;

	if (!workers) {
		fail("memory for the threads", ENOMEM);
		return;
	}
	for (opened = 0; opened < opt->threads; opened++) {
		workers[opened].opt = opt;
		workers[opened].pd = pd;
		workers[opened].random = opt->seed + opened;
		if (!worker_open(&workers[opened], dev)) {
			worker_close(&workers[opened]);
			give_up();
			break;
		}
	}
	if (opened == opt->threads) {
		run_threads(workers, opt);
		if (!atomic_load(&any_failed))
			report(opt, workers);
	}
	while (opened)
		worker_close(&workers[--opened]);
	free(workers);
}

static void run(const struct options *opt)
{
	struct rdma_device dev;
	struct ibv_pd *pd;

	if (rdma_open(&dev, opt->device, opt->port, opt->gid_index)) {
		give_up();
		return;
	}
	pd = ibv_alloc_pd(dev.context);
	if (pd) {
		run_workers(opt, &dev, pd);
		if (ibv_dealloc_pd(pd))
			fail("deallocate protection domain", errno);
	} else {
		fail("allocate protection domain", errno);
	}
	rdma_close(&dev);
}

static void stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
	struct options opt;

	parse_options(&opt, argc, argv);
	stop_on_signals();
	run(&opt);
	return atomic_load(&any_failed) ? EXIT_FAILURE : EXIT_SUCCESS;
}
