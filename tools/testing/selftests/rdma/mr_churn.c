// SPDX-License-Identifier: GPL-2.0
/*
 * Registers and deregisters memory as fast as it can, from several threads,
 * proves by RDMA that what was registered is what was asked for, and tells
 * how long ibv_reg_mr() and ibv_dereg_mr() took.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "rdma_util.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC	1000000000ull
#define MAX_RANGES	64
#define MAX_PAGES	0x1000000ul
#define BOUNCE_BYTES	(256 * 1024)

/*
 * Latencies are counted in a log-linear histogram, so that memory does not
 * grow with the run: 64 buckets for each power of two tell a latency to 1.6%.
 */
#define STEPS		64
#define STEP_BITS	6
#define BUCKETS		((64 - STEP_BITS + 1) * STEPS)

struct histogram {
	__u64 bucket[BUCKETS];
	__u64 count;
	__u64 sum;
	__u64 max;
};

struct range {
	unsigned long first;
	unsigned long last;
};

struct options {
	const char *device;
	int port;
	int gid_index;
	unsigned long threads;
	unsigned long count;
	unsigned long seconds;
	unsigned long mrs;
	unsigned long verify_every;
	unsigned long hold;
	unsigned long seed;
	struct range ranges[MAX_RANGES];
	unsigned int nr_ranges;
	bool in_turn;
	bool json;
};

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

static unsigned int bucket_of(__u64 ns)
{
	unsigned int octave;

	if (ns < STEPS)
		return ns;
	octave = 63 - __builtin_clzll(ns) - STEP_BITS;
	return octave * STEPS + (ns >> octave);
}

static __u64 bucket_value(unsigned int bucket)
{
	unsigned int octave = bucket / STEPS;

	if (octave < 2)
		return bucket;
	octave--;
	return (__u64)(bucket - octave * STEPS) << octave;
}

static void histogram_add(struct histogram *h, __u64 ns)
{
	h->bucket[bucket_of(ns)]++;
	h->count++;
	h->sum += ns;
	if (ns > h->max)
		h->max = ns;
}

static void histogram_merge(struct histogram *to, const struct histogram *from)
{
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
}

static __u64 histogram_percentile(const struct histogram *h,
				  unsigned int percent)
{
	__u64 rank = (h->count * percent + 99) / 100;
	__u64 seen = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && seen >= rank)
			return bucket_value(i);
	}
	return 0;
}

static size_t page_bytes(unsigned long pages)
{
	return pages * sysconf(_SC_PAGESIZE);
}

static unsigned long max_pages(const struct options *opt)
{
	unsigned long max = 0;
	unsigned int i;

	for (i = 0; i < opt->nr_ranges; i++)
		if (opt->ranges[i].last > max)
			max = opt->ranges[i].last;
	return max;
}

static unsigned long range_sizes(const struct range *range)
{
	return range->last - range->first + 1;
}

static unsigned long number_of_sizes(const struct options *opt)
{
	unsigned long count = 0;
	unsigned int i;

	for (i = 0; i < opt->nr_ranges; i++)
		count += range_sizes(&opt->ranges[i]);
	return count;
}

static unsigned long nth_size(const struct options *opt, unsigned long n)
{
	const struct range *range = opt->ranges;

	while (n >= range_sizes(range))
		n -= range_sizes(range++);
	return range->first + n;
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

	slot->length = page_bytes(nth_size(opt, n % number_of_sizes(opt)));
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

static bool map_arena(struct worker *w)
{
	size_t stride = page_bytes(max_pages(w->opt));
	unsigned long i;
	void *arena;

	w->arena_bytes = stride * w->opt->mrs;
	arena = mmap(NULL, w->arena_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (arena == MAP_FAILED)
		return false;
	w->arena = arena;
	for (i = 0; i < w->opt->mrs; i++)
		w->slots[i].addr = w->arena + i * stride;
	return true;
}

static bool worker_alloc(struct worker *w)
{
	w->slots = calloc(w->opt->mrs, sizeof(*w->slots));
	w->bounce = aligned_alloc(page_bytes(1), BOUNCE_BYTES);
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

static const struct option long_options[] = {
	{ "device",	required_argument, NULL, 'd' },
	{ "port",	required_argument, NULL, 'p' },
	{ "gid-index",	required_argument, NULL, 'g' },
	{ "threads",	required_argument, NULL, 't' },
	{ "count",	required_argument, NULL, 'n' },
	{ "seconds",	required_argument, NULL, 'S' },
	{ "mrs",	required_argument, NULL, 'm' },
	{ "sizes",	required_argument, NULL, 's' },
	{ "in-turn",	no_argument,	   NULL, 'i' },
	{ "verify",	required_argument, NULL, 'v' },
	{ "hold",	required_argument, NULL, 'H' },
	{ "seed",	required_argument, NULL, 'r' },
	{ "json",	no_argument,	   NULL, 'j' },
	{ "help",	no_argument,	   NULL, 'h' },
	{}
};

static const char usage[] =
"Usage: mr_churn [OPTION]...\n"
"Registers and deregisters memory, verifies it by RDMA, and tells how fast.\n"
"\n"
"  -d, --device NAME      RDMA device (rxe0)\n"
"  -p, --port NUMBER      its port (1)\n"
"  -g, --gid-index INDEX  its GID (the first RoCE v2 IPv4 one, else 0)\n"
"  -t, --threads COUNT    threads (1)\n"
"  -n, --count COUNT      registrations of each thread (1000)\n"
"  -S, --seconds SECONDS  go on for so long, instead of --count\n"
"  -m, --mrs COUNT        memory regions that a thread has at once (1)\n"
"  -s, --sizes LIST       sizes to choose from, in pages (1,2,3,7,16,64,200);\n"
"                         FIRST-LAST in the list is a range\n"
"  -i, --in-turn          take one size after the other, not at random\n"
"  -v, --verify EVERY     verify each EVERY-th registration, 0: none (1)\n"
"  -H, --hold SECONDS     keep the regions of the last round for so long (0)\n"
"  -r, --seed NUMBER      start of the pseudo-random choices (1)\n"
"  -j, --json             print one JSON object, times in nanoseconds\n"
"  -h, --help             print this text\n"
"\n"
"The rate includes the time that verification takes: use -v 0 to measure.\n";

static void usage_error(const char *what, const char *value)
{
	fprintf(stderr, "mr_churn: %s: %s\n%s", what, value, usage);
	exit(EXIT_FAILURE);
}

static unsigned long number(const char *text, unsigned long min,
			    unsigned long max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-' ||
	    value < min || value > max)
		usage_error("not in range", text);
	return value;
}

static void parse_range(struct range *range, char *item)
{
	char *first = strsep(&item, "-");

	range->first = number(first, 1, MAX_PAGES);
	range->last = item ? number(item, range->first, MAX_PAGES) :
			     range->first;
}

static void parse_sizes(struct options *opt, char *list)
{
	char *item;

	opt->nr_ranges = 0;
	while ((item = strsep(&list, ","))) {
		if (opt->nr_ranges == MAX_RANGES)
			usage_error("too many sizes", item);
		parse_range(&opt->ranges[opt->nr_ranges++], item);
	}
}

static void parse_option(struct options *opt, int c)
{
	switch (c) {
	case 'd':
		opt->device = optarg;
		break;
	case 'p':
		opt->port = number(optarg, 1, 255);
		break;
	case 'g':
		opt->gid_index = number(optarg, 0, 65535);
		break;
	case 't':
		opt->threads = number(optarg, 1, 1024);
		break;
	case 'n':
		opt->count = number(optarg, 1, 1ul << 40);
		break;
	case 'S':
		opt->seconds = number(optarg, 1, 1 << 20);
		break;
	case 'm':
		opt->mrs = number(optarg, 1, 1 << 20);
		break;
	case 's':
		parse_sizes(opt, optarg);
		break;
	case 'i':
		opt->in_turn = true;
		break;
	case 'v':
		opt->verify_every = number(optarg, 0, 1ul << 40);
		break;
	case 'H':
		opt->hold = number(optarg, 0, 1 << 20);
		break;
	case 'r':
		opt->seed = number(optarg, 0, ~0ul);
		break;
	case 'j':
		opt->json = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	default:
		fputs(usage, stderr);
		exit(EXIT_FAILURE);
	}
}

static void stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
	struct options opt = {
		.device = "rxe0",
		.port = 1,
		.gid_index = RDMA_GID_AUTO,
		.threads = 1,
		.count = 1000,
		.mrs = 1,
		.verify_every = 1,
		.seed = 1,
		.ranges = {
			{ 1, 1 }, { 2, 2 }, { 3, 3 }, { 7, 7 }, { 16, 16 },
			{ 64, 64 }, { 200, 200 },
		},
		.nr_ranges = 7,
	};
	int c;

	while ((c = getopt_long(argc, argv, "d:p:g:t:n:S:m:s:iv:H:r:jh",
				long_options, NULL)) != -1)
		parse_option(&opt, c);
	if (optind < argc)
		usage_error("unexpected argument", argv[optind]);

	stop_on_signals();
	run(&opt);
	return atomic_load(&any_failed) ? EXIT_FAILURE : EXIT_SUCCESS;
}
