// SPDX-License-Identifier: GPL-2.0
/*
 * How long pop and push take, and how costs grow. "bench-core NAME" measures
 * one thing, once, and prints it; bench.sh does so for all of them, again and
 * again, with this and with another implementation in turn.
 */
#include <pthread.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../../drivers/infiniband/core/frmr_pools.h"
#include <rdma/ib_verbs.h>
#include "control.h"

/* Not each implementation has these. */
#pragma weak ib_frmr_pools_get
#pragma weak ib_frmr_pools_put
#pragma weak ib_frmr_pools_next_info

/* What can't be measured is not a number. */
#define NONE (0.0 / 0.0)

/* How long one measurement takes: the least and, on a busy machine, the most. */
#define MIN_NS 20000000ULL
#define MAX_NS 2000000000ULL

/* Rounds of each thread that must count. */
#define MIN_SAMPLES 8

/* Pairs, or a few more, between two looks at the clock and the stop sign. */
#define ROUND 1024

#define MAX_THREADS 64
#define MAX_BURST 4096
#define MAX_SAMPLES 8192
#define RING 1024

static struct ib_device device = {
	.dev.name = "bench",
	.attrs.max_mr = 1 << 30,
};

static u32 next_handle;

static int create_frmrs(struct ib_device *ibdev, struct ib_frmr_key *key,
			u32 *handles, u32 count)
{
	u32 handle = __atomic_fetch_add(&next_handle, count, __ATOMIC_RELAXED);
	u32 i;

	for (i = 0; i < count; i++)
		handles[i] = handle + i;
	return 0;
}

static void destroy_frmrs(struct ib_device *ibdev, u32 *handles, u32 count)
{
}

static const struct ib_frmr_pool_ops ops = {
	.create_frmrs = create_frmrs,
	.destroy_frmrs = destroy_frmrs,
	.build_key = shim_build_key,
};

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* How many operations this thread has done: to others the proof that it runs. */
static u64 nobody;
static __thread u64 *done = &nobody;

static void pop(struct ib_mr *mr)
{
	WRITE_ONCE(*done, *done + 1);
	if (unlikely(ib_frmr_pool_pop(&device, mr)))
		die("no handle");
}

static void push(struct ib_mr *mr)
{
	WRITE_ONCE(*done, *done + 1);
	ib_frmr_pool_push(&device, mr);
}

/* Pools are far enough apart not to fit each other's keys. */
static struct ib_frmr_key nth_key(u32 n)
{
	return (struct ib_frmr_key) { .vendor_key = n, .num_dma_blocks = 16 };
}

/* Makes @pools pools with @idle handles each. */
static void fill(u32 pools, u32 idle)
{
	struct ib_mr *mrs = calloc(idle, sizeof(*mrs));
	u32 n, i;

	for (n = 0; n < pools; n++) {
		for (i = 0; i < idle; i++) {
			mrs[i] = (struct ib_mr) { .frmr.key = nth_key(n) };
			pop(&mrs[i]);
		}
		for (i = 0; i < idle; i++)
			push(&mrs[i]);
		rcu_quiescent_state();
	}
	free(mrs);
}

/*
 * Threads
 */

struct worker {
	pthread_t thread;
	int cpu;
	u32 pools;
	u32 burst;
	u32 seed;
	u64 done;
	u64 seen[MAX_THREADS];
	u32 samples;
	double sample[MAX_SAMPLES];
	u32 (*round)(struct worker *worker);
} ____cacheline_aligned;

static struct worker workers[MAX_THREADS];
static pthread_barrier_t barrier;
static u32 threads;
static bool stop;

static u32 next_random(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* One after the other, all in the same pool. */
static u32 round_pairs(struct worker *worker)
{
	struct ib_mr mr = { .frmr.key = nth_key(0) };
	u32 i;

	for (i = 0; i < ROUND; i++) {
		pop(&mr);
		push(&mr);
	}
	return ROUND;
}

/* One after the other, each in any of the pools. */
static u32 round_pools(struct worker *worker)
{
	struct ib_mr mr = {};
	u32 i;

	for (i = 0; i < ROUND; i++) {
		mr.frmr.key = nth_key(next_random(&worker->seed) %
				      worker->pools);
		pop(&mr);
		push(&mr);
	}
	return ROUND;
}

/* A number of pops, then as many pushes. */
static u32 round_bursts(struct worker *worker)
{
	static __thread struct ib_mr mrs[MAX_BURST];
	u32 i, n;

	for (i = 0; i < worker->burst; i++)
		mrs[i].frmr.key = nth_key(0);
	for (n = 0; n < ROUND; n += worker->burst) {
		for (i = 0; i < worker->burst; i++)
			pop(&mrs[i]);
		for (i = 0; i < worker->burst; i++)
			push(&mrs[i]);
	}
	return n;
}

/* The first worker pops what the second one pushes. */
static struct {
	u64 head ____cacheline_aligned;
	u64 tail ____cacheline_aligned;
	struct ib_mr mrs[RING] ____cacheline_aligned;
} ring;

static u32 round_produce(struct worker *worker)
{
	u64 head = ring.head;
	u32 i;

	for (i = 0; i < ROUND; i++, head++) {
		/* Pairs with the release in round_consume(). */
		while (head - smp_load_acquire(&ring.tail) == RING)
			if (READ_ONCE(stop))
				return 0;
		ring.mrs[head % RING].frmr.key = nth_key(0);
		pop(&ring.mrs[head % RING]);
		/* Pairs with the acquire in round_consume(). */
		smp_store_release(&ring.head, head + 1);
	}
	return ROUND;
}

static u32 round_consume(struct worker *worker)
{
	u64 tail = ring.tail;
	u32 i;

	for (i = 0; i < ROUND; i++, tail++) {
		/* Pairs with the release in round_produce(). */
		while (tail == smp_load_acquire(&ring.head))
			if (READ_ONCE(stop))
				return 0;
		push(&ring.mrs[tail % RING]);
		/* Pairs with the acquire in round_produce(). */
		smp_store_release(&ring.tail, tail + 1);
	}
	return ROUND;
}

/* Whether all other threads have done much since this was called last. */
static bool look_at_others(struct worker *worker)
{
	bool all = true;
	u64 done;
	u32 i;

	for (i = 0; i < threads; i++) {
		done = READ_ONCE(workers[i].done);
		if (&workers[i] != worker && done - worker->seen[i] < ROUND / 4)
			all = false;
		worker->seen[i] = done;
	}
	return all;
}

/* A thread on one core, with that CPU's number. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	cpu_set_t cpus;
	u64 start, end;
	u32 pairs;

	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("can't pin a thread");
	shim_cpu = worker->cpu;
	done = &worker->done;
	pthread_barrier_wait(&barrier);
	rcu_register_thread();
	while (!READ_ONCE(stop)) {
		rcu_quiescent_state();
		look_at_others(worker);
		start = now();
		pairs = worker->round(worker);
		end = now();
		if (pairs && worker->samples < MAX_SAMPLES &&
		    look_at_others(worker)) {
			worker->sample[worker->samples] =
				(double)(end - start) / pairs;
			WRITE_ONCE(worker->samples, worker->samples + 1);
		}
	}

	rcu_unregister_thread();
	return NULL;
}

static int cmp_samples(const void *a, const void *b)
{
	return cmp_int(*(const double *)a, *(const double *)b);
}

/* Of the rounds of all threads: one that was interrupted does not count. */
static double median(void)
{
	static double all[MAX_THREADS * MAX_SAMPLES];
	u32 i, count = 0;

	for (i = 0; i < threads; i++) {
		memcpy(&all[count], workers[i].sample,
		       workers[i].samples * sizeof(*all));
		count += workers[i].samples;
	}
	if (!count)
		die("the machine is too busy: the threads never ran together");
	qsort(all, count, sizeof(*all), cmp_samples);
	return all[count / 2];
}

static bool enough_samples(void)
{
	u32 i;

	for (i = 0; i < threads; i++)
		if (READ_ONCE(workers[i].samples) < MIN_SAMPLES)
			return false;
	return true;
}

static void sleep_ns(u32 ns)
{
	struct timespec duration = { .tv_nsec = ns };

	rcu_thread_offline();
	nanosleep(&duration, NULL);
	rcu_thread_online();
}

/* The threads meet, and see an aging tick, before anything counts. */
static void warm_up(void)
{
	u32 i;

	sleep_ns(MIN_NS);
	shim_advance(60 * HZ);
	sleep_ns(MIN_NS / 3);
	for (i = 0; i < threads; i++)
		WRITE_ONCE(workers[i].samples, 0);
}

static void run_for_a_while(void)
{
	u64 start;

	warm_up();
	start = now();
	do
		sleep_ns(MIN_NS);
	while (!enough_samples() && now() - start < MAX_NS);
	WRITE_ONCE(stop, true);
}

/* Nanoseconds that a thread needs for one pair. */
static double run(u32 count)
{
	u32 i;

	threads = count;
	pthread_barrier_init(&barrier, NULL, threads + 1);
	for (i = 0; i < threads; i++) {
		workers[i].cpu = i;
		workers[i].seed = 7919 * (i + 1);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("can't start a thread");
	}
	pthread_barrier_wait(&barrier);
	run_for_a_while();
	rcu_thread_offline();
	for (i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	rcu_thread_online();
	return median();
}

static void set_rounds(u32 threads, u32 (*round)(struct worker *worker))
{
	u32 i;

	for (i = 0; i < threads; i++)
		workers[i].round = round;
}

static double bench_pairs(u32 threads, u32 idle)
{
	fill(1, idle);
	set_rounds(threads, round_pairs);
	return run(threads);
}

static double bench_pools(u32 threads, u32 pools)
{
	u32 i;

	fill(pools, 4);
	set_rounds(threads, round_pools);
	for (i = 0; i < threads; i++)
		workers[i].pools = pools;
	return run(threads);
}

static double bench_bursts(u32 threads, u32 burst)
{
	u32 i;

	fill(1, burst * threads);
	set_rounds(threads, round_bursts);
	for (i = 0; i < threads; i++)
		workers[i].burst = burst;
	return run(threads);
}

static double bench_handover(u32 unused, u32 idle)
{
	fill(1, idle);
	workers[0].round = round_produce;
	workers[1].round = round_consume;
	return run(2);
}

/*
 * A pool that moves up and down by one handle where that costs most: at each
 * depth from 1 to 2100 idle handles, the fastest of a few tries; the slowest
 * of all depths.
 */
static double bench_border(u32 unused, u32 depths)
{
	static struct ib_mr mrs[MAX_BURST];
	double worst = 0, best;
	struct ib_mr mr = { .frmr.key = nth_key(0) };
	u32 depth, try, i;
	u64 start;

	fill(1, depths);
	for (i = 0; i < depths; i++)
		mrs[i].frmr.key = nth_key(0);
	for (depth = depths; depth; depth--) {
		best = 1e9;
		for (try = 0; try < 4; try++) {
			start = now();
			for (i = 0; i < 100; i++) {
				pop(&mr);
				push(&mr);
			}
			best = min(best, (now() - start) / 100.0);
		}
		worst = max(worst, best);
		pop(&mrs[depth - 1]);
	}
	return worst;
}

/*
 * Growth: the time for all of it, in microseconds, but for the lookup
 */

static double microseconds_since(u64 start)
{
	return (now() - start) / 1000.0;
}

static void tick(void)
{
	if (ib_frmr_pools_set_aging_period(&device, 1))
		die("can't set the aging period");
	shim_advance(HZ);
}

/* A tick that finds @idle handles, all of them used since the last one. */
static double bench_tick_idle(u32 unused, u32 idle)
{
	u64 start;

	fill(1, idle);
	start = now();
	tick();
	return microseconds_since(start);
}

/* A tick that finds @idle handles, none of them used since the last one. */
static double bench_tick_aged(u32 unused, u32 idle)
{
	u64 start;

	fill(1, idle);
	tick();
	start = now();
	tick();
	return microseconds_since(start);
}

static double bench_pinned(u32 unused, u32 count)
{
	struct ib_frmr_key key = nth_key(0);
	u64 start = now();

	if (ib_frmr_pools_set_pinned(&device, &key, count))
		die("can't pin");
	return microseconds_since(start);
}

static double bench_dump(u32 unused, u32 count)
{
	struct ib_frmr_pool_info info = {};
	struct ib_frmr_pools *pools;
	u32 seen = 0;
	u64 start;

	if (!ib_frmr_pools_next_info)
		return NONE;
	fill(count, 1);
	start = now();
	pools = ib_frmr_pools_get(&device);
	while (ib_frmr_pools_next_info(pools, &info.key, &info))
		seen++;
	ib_frmr_pools_put(pools);
	if (seen != count)
		die("a dump lost a pool");
	return microseconds_since(start);
}

/*
 * Memory: bytes, as malloc counts them, and per-CPU memory of all CPUs
 */

static double used_bytes(void)
{
	struct mallinfo2 info;

	rcu_barrier();
	info = mallinfo2();
	return info.uordblks + info.hblkhd + shim_percpu_bytes();
}

static double bench_pool_bytes(u32 unused, u32 pools)
{
	double before;

	fill(1, 1);
	before = used_bytes();
	fill(pools, 1);
	return (used_bytes() - before) / (pools - 1);
}

static double bench_at_hand_bytes(u32 threads, u32 idle)
{
	bench_pairs(threads, idle);
	return (double)shim_percpu_bytes() / nr_cpu_ids;
}

static double bench_handle_bytes(u32 unused, u32 handles)
{
	struct ib_frmr_key key = nth_key(0);
	double before;

	fill(1, 1);
	before = used_bytes();
	if (ib_frmr_pools_set_pinned(&device, &key, handles))
		die("can't pin");
	return (used_bytes() - before) / (handles - 1);
}

static const struct bench {
	const char *name;
	const char *unit;
	double (*fn)(u32 threads, u32 n);
	u32 threads;
	u32 n;
	const char *what;
} benches[] = {
	{ "pair_1t", "ns", bench_pairs, 1, 64,
	  "pop and push, 64 are idle" },
	{ "pair_2t", "ns", bench_pairs, 2, 64,
	  "each of 2 threads, one pool" },
	{ "pair_4t", "ns", bench_pairs, 4, 64, "4 threads" },
	{ "pair_8t", "ns", bench_pairs, 8, 64, "8 threads" },
	{ "pair_16t", "ns", bench_pairs, 16, 64, "16 threads" },
	{ "pair_empty", "ns", bench_pairs, 1, 1,
	  "the only handle of a pool" },
	{ "pair_border", "ns", bench_border, 1, 2100,
	  "the worst of 1 to 2100 idle" },
	{ "pools64_1t", "ns", bench_pools, 1, 64,
	  "in one of 64 pools" },
	{ "pools64_2t", "ns", bench_pools, 2, 64, "each of 2 threads" },
	{ "pools4096_1t", "ns", bench_pools, 1, 4096,
	  "in one of 4096 pools" },
	{ "pools4096_2t", "ns", bench_pools, 2, 4096,
	  "each of 2 threads" },
	{ "burst64_1t", "ns", bench_bursts, 1, 64,
	  "64 pops, then 64 pushes" },
	{ "burst64_2t", "ns", bench_bursts, 2, 64,
	  "each of 2 threads" },
	{ "burst1000_1t", "ns", bench_bursts, 1, 1000,
	  "1000 pops, then 1000 pushes" },
	{ "burst1000_2t", "ns", bench_bursts, 2, 1000,
	  "each of 2 threads" },
	{ "handover", "ns", bench_handover, 2, RING,
	  "one thread pops, one pushes" },
	{ "pool_bytes", "bytes", bench_pool_bytes, 1, 10000,
	  "memory of a pool with 1 handle" },
	{ "at_hand_bytes", "bytes", bench_at_hand_bytes, 2, 64,
	  "more for each CPU, once shared" },
	{ "handle_bytes", "bytes", bench_handle_bytes, 1, 1000000,
	  "memory of one more idle handle" },
	{ "growth_lookup", "ns", bench_pools, 1, 0, "a pair in one of N pools" },
	{ "growth_tick_idle", "us", bench_tick_idle, 1, 0,
	  "an aging tick that leaves N idle handles" },
	{ "growth_tick_aged", "us", bench_tick_aged, 1, 0,
	  "an aging tick that destroys N handles" },
	{ "growth_pinned", "us", bench_pinned, 1, 0, "to pin N handles" },
	{ "growth_dump", "us", bench_dump, 1, 0, "a walk over N pools" },
};

static int list(void)
{
	const struct bench *b;

	for (b = benches; b < benches + ARRAY_SIZE(benches); b++)
		if (b->threads <= sysconf(_SC_NPROCESSORS_ONLN))
			printf("%s %s %s\n", b->name, b->unit, b->what);
	return 0;
}

int main(int argc, char **argv)
{
	const struct bench *b;
	double value;

	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	for (b = benches; b < benches + ARRAY_SIZE(benches); b++)
		if (argc > 1 && !strcmp(argv[1], b->name))
			break;
	if (b == benches + ARRAY_SIZE(benches) || argc != (b->n ? 2 : 3))
		die("usage: bench list | bench NAME | bench growth_NAME N");

	shim_set_cpus(sysconf(_SC_NPROCESSORS_CONF));
	rcu_register_thread();
	if (ib_frmr_pools_init(&device, &ops))
		die("init failed");
	value = b->fn(b->threads, argc == 3 ? atoi(argv[2]) : b->n);
	if (value == value)
		printf("%.2f\n", value);
	else
		puts("NaN");
	return 0;
}
