// SPDX-License-Identifier: GPL-2.0
/*
 * Sends mutated requests to the netlink commands of the FRMR pools, while a
 * thread registers memory from the same pools. Counts what the kernel answers,
 * proves that the requests came through to each check that there is, and that
 * afterwards the pools work, lost no handle, and can all be emptied.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../kselftest.h"
#include "nl_fuzz.h"
#include "rdma_util.h"

#define MESSAGES	200000
#define SECONDS		240

#define MAX_PARTS	1000	/* a dump that goes on is endless */

#define CHURN_MRS	8
#define CHURN_PAGES	16

#define TEXT_BYTES	80
#define MAX_OUTCOMES	256
#define MAX_POOLS	256
#define MIN_PERCENT	5	/* of the answers, for each depth */
#define GONE_SECONDS	10
#define AGING_DEFAULT	60

/* What the kernel answered, and how often. */
struct outcome {
	unsigned int command;
	int error;
	char text[TEXT_BYTES];
	unsigned long count;
};

struct listing {
	struct frmr_pool pools[MAX_POOLS];
	unsigned int count;
	__u32 aging_period;
};

/*
 * Each reason for which SET itself refuses, once the parser is content. Whether
 * the device refuses, too, depends on the memory of the machine.
 */
static const char * const refusals[] = {
	"The device index is missing",
	"There is no device with this index",
	"Set either an aging period, pinned or idle handles",
	"All pools give idle handles back: it takes no key",
	"The number of idle handles can be set to 0 only",
	"The aging period is that of all pools: it takes no key",
	"The aging period is 1 second or more",
	"Pinned handles need the key of a pool",
	"Pools with a kernel vendor key are the kernel's own",
	"The key needs a number of DMA blocks, 1 or more",
	"ATS is either 0 or 1",
	"No MR of this device can have these access flags",
	"No MR of this device can have this key",
	"The device holds ",
};

static struct rdma_device dev;
static struct ibv_pd *pd;
static __u64 seed = 1;

/* For well-formed requests */
static struct frmr_client client;

static struct outcome outcomes[MAX_OUTCOMES];
static unsigned int nr_outcomes;
static unsigned long parts, abandoned, silent, unknown;
static bool endless;

static atomic_bool churn_stops;
static unsigned long registrations;
static int churn_error;

/* Answers */

/* What the kernel says in words; they follow the first @skip bytes. */
static const char *explanation(const struct nlmsghdr *nlh, size_t skip)
{
	struct nlattr *attr;

	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_for_each(attr, nlh, skip)
			if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
				return mnl_attr_get_str(attr);
	return "";
}

static void count_outcome(unsigned int command, int error, const char *text)
{
	struct outcome *o;

	if (!error)
		text = "";
	for (o = outcomes; o < outcomes + nr_outcomes; o++)
		if (o->command == command && o->error == error &&
		    !strncmp(o->text, text, TEXT_BYTES - 1))
			break;
	if (o == outcomes + nr_outcomes) {
		if (nr_outcomes == MAX_OUTCOMES)
			ksft_exit_fail_msg("too many kinds of answers\n");
		nr_outcomes++;
		o->command = command;
		o->error = error;
		snprintf(o->text, sizeof(o->text), "%s", text);
	}
	o->count++;
}

static void count_answer(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err;
	const int *done;

	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		err = mnl_nlmsg_get_payload(nlh);
		count_outcome(RDMA_NL_GET_OP(err->msg.nlmsg_type), -err->error,
			      explanation(nlh, sizeof(*err)));
		break;
	case NLMSG_DONE:
		done = mnl_nlmsg_get_payload(nlh);
		count_outcome(GET, *done < 0 ? -*done : 0,
			      explanation(nlh, sizeof(*done)));
		break;
	case RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, GET):
		parts++;
		break;
	default:
		unknown++;
	}
}

/* Whether there was one; @more tells if a dump goes on after it. */
static bool take_answer(struct frmr_client *c, bool *more)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)c->buffer;
	int len;

	*more = false;
	len = recv(mnl_socket_get_fd(c->sock), c->buffer, c->size,
		   MSG_DONTWAIT);
	if (len < 0 && errno != EAGAIN)
		ksft_exit_fail_perror("recv");
	if (len <= 0)
		return false;
	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		count_answer(nlh);
		*more = nlh->nlmsg_flags & NLM_F_MULTI &&
			nlh->nlmsg_type != NLMSG_DONE;
	}
	return true;
}

/* The kernel answers before send() returns: what is not there never comes. */
static void take_answers(struct frmr_client *c)
{
	unsigned int n = 0;
	bool more;

	while (n < MAX_PARTS && take_answer(c, &more))
		n++;
	silent += !n;
	endless |= n == MAX_PARTS;
}

static void abandon(struct frmr_client *c)
{
	bool more;

	take_answer(c, &more);
	abandoned += more;
	frmr_close(c);
	frmr_open(c, FRMR_SMALL_BUFFER);
}

/*
 * FNV-1a, to tell whether two runs sent the same, as they do for the same seed
 * and device: its index and its limit are in the requests.
 */
static __u64 add_to_hash(__u64 hash, const struct datagram *d)
{
	size_t i;

	for (i = 0; i < d->size; i++)
		hash = (hash ^ (unsigned char)d->bytes[i]) * 0x100000001b3ull;
	return hash;
}

static void fuzz(unsigned long messages, unsigned long seconds)
{
	__u64 begin = now_ns(), end = begin + seconds * NSEC_PER_SEC;
	static struct frmr_client c;
	__u64 hash = 0xcbf29ce484222325ull;
	struct datagram d;
	unsigned long i;

	/* Small, for a dump of some pools to take several messages. */
	frmr_open(&c, FRMR_SMALL_BUFFER);
	for (i = 0; i < messages && now_ns() < end; i++) {
		build_datagram(&d);
		hash = add_to_hash(hash, &d);
		if (mnl_socket_sendto(c.sock, d.bytes, d.size) < 0)
			ksft_exit_fail_perror("send");
		if (once_in(16))
			continue;
		if (once_in(32))
			abandon(&c);
		else
			take_answers(&c);
	}
	frmr_close(&c);
	ksft_print_msg("seed %llu, device %u of %u MRs: %lu messages in %llu s, hash %016llx\n",
		       seed, dev_index, max_mr, i,
		       (now_ns() - begin) / NSEC_PER_SEC, hash);
}

/* What the answers prove */

static int by_command_and_count(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	if (x->command != y->command)
		return x->command < y->command ? -1 : 1;
	return (x->count < y->count) - (x->count > y->count);
}

static bool is_refusal(const struct outcome *o, const char *refusal)
{
	return o->command == SET && o->error &&
	       !strncmp(o->text, refusal, strlen(refusal));
}

static bool is_own(const struct outcome *o)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++)
		if (is_refusal(o, refusals[i]))
			return true;
	return false;
}

static const char *name_of(unsigned int command)
{
	return command == GET ? "GET" : command == SET ? "SET" : "---";
}

static void print_outcomes(void)
{
	struct outcome *o;

	qsort(outcomes, nr_outcomes, sizeof(*outcomes), by_command_and_count);
	for (o = outcomes; o < outcomes + nr_outcomes; o++)
		ksft_print_msg("%s %7lu %s%s%s\n", name_of(o->command),
			       o->count,
			       o->error ? strerrorname_np(o->error) : "accepted",
			       o->text[0] ? ": " : "", o->text);
	ksft_print_msg("without an answer: %lu\n", silent);
}

static void test_depth_of_set(void)
{
	unsigned long all = 0, accepted = 0, parser = 0, own = 0;
	const struct outcome *o;

	for (o = outcomes; o < outcomes + nr_outcomes; o++) {
		if (o->command != SET)
			continue;
		all += o->count;
		if (!o->error)
			accepted += o->count;
		else if (is_own(o))
			own += o->count;
		else if (o->text[0])
			parser += o->count;
	}
	all = all ?: 1;
	ksft_test_result(accepted * 100 / all >= MIN_PERCENT,
			 "SET accepts %lu of %lu\n", accepted, all);
	ksft_test_result(parser * 100 / all >= MIN_PERCENT,
			 "the parser refuses %lu of them\n", parser);
	ksft_test_result(own * 100 / all >= MIN_PERCENT,
			 "SET refuses %lu of them\n", own);
}

static void test_refusals(void)
{
	const struct outcome *o;
	unsigned int i, seen = 0;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		for (o = outcomes; o < outcomes + nr_outcomes; o++)
			if (is_refusal(o, refusals[i]))
				break;
		if (o == outcomes + nr_outcomes)
			ksft_print_msg("never: %s\n", refusals[i]);
		else
			seen++;
	}
	ksft_test_result(seen == ARRAY_SIZE(refusals),
			 "SET gives each reason that it has\n");
}

static unsigned long count_of(unsigned int command, int error)
{
	const struct outcome *o;
	unsigned long count = 0;

	for (o = outcomes; o < outcomes + nr_outcomes; o++)
		if (o->command == command && o->error == error)
			count += o->count;
	return count;
}

static void test_dumps(void)
{
	unsigned long ended = count_of(GET, 0);

	ksft_test_result(ended && parts > ended && !endless && !unknown,
			 "%lu dumps come to an end, in %lu parts\n", ended,
			 parts);
	ksft_test_result(abandoned && count_of(GET, EBUSY),
			 "%lu dumps abandoned, %lu asked for during another\n",
			 abandoned, count_of(GET, EBUSY));
}

/*
 * A dump during another is refused before anybody looks into the request: if
 * that is explained, then with what was wrong with another of the datagram.
 */
static void test_explanations(void)
{
	const struct outcome *o;
	bool wrong = false;

	for (o = outcomes; o < outcomes + nr_outcomes; o++)
		wrong |= o->command == GET && o->error == EBUSY && o->text[0];
	ksft_test_result(!wrong, "no answer explains another request\n");
}

/* Well-formed requests */

static int on_pools(const struct nlmsghdr *nlh, void *arg)
{
	struct listing *l = arg;
	const struct nlattr *a, *entry;

	mnl_attr_for_each(a, nlh, 0) {
		if (mnl_attr_get_type(a) ==
		    RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD)
			l->aging_period = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) != RDMA_NLDEV_ATTR_FRMR_POOLS)
			continue;
		mnl_attr_for_each_nested(entry, a) {
			if (l->count == MAX_POOLS) {
				errno = ENOSPC;
				return MNL_CB_ERROR;
			}
			frmr_read_pool(entry, &l->pools[l->count++]);
		}
	}
	return MNL_CB_OK;
}

/* 0 or a negative errno */
static int complain(int err)
{
	if (err)
		ksft_print_msg("well-formed request: %s\n", strerror(-err));
	return err;
}

static int set_aging(__u32 seconds)
{
	return complain(frmr_set_aging(&client, dev_index, seconds));
}

static int set_pinned(const struct frmr_key *key, __u32 count)
{
	return complain(frmr_set_pinned(&client, dev_index, key, count));
}

static int list_pools(struct listing *l)
{
	struct nlmsghdr *nlh = frmr_request(&client, GET, NLM_F_DUMP);

	memset(l, 0, sizeof(*l));
	frmr_put_dump(nlh, dev_index, true);
	return complain(frmr_talk(&client, nlh, on_pools, l));
}

static bool is_balanced(const struct frmr_pool *p)
{
	return p->created == p->destroyed + p->dropped + p->idle + p->in_use;
}

/* Not at once: counters of a pool that changes are read one by one. */
static bool all_balanced(void)
{
	struct listing l;
	struct frmr_pool *p;
	bool ok = !list_pools(&l);

	for (p = l.pools; p < l.pools + l.count; p++)
		ok &= is_balanced(p);
	return ok;
}

static void print_unbalanced(void)
{
	struct listing l;
	struct frmr_pool *p;

	list_pools(&l);
	for (p = l.pools; p < l.pools + l.count; p++)
		if (!is_balanced(p))
			ksft_print_msg("pool of %llu blocks: %llu != %llu + %llu + %u + %llu\n",
				       p->key.num_dma_blocks, p->created,
				       p->destroyed, p->dropped, p->idle,
				       p->in_use);
}

static bool no_pools(void)
{
	struct listing l;

	return !list_pools(&l) && !l.count;
}

static bool eventually(unsigned int seconds, bool (*condition)(void))
{
	__u64 end = now_ns() + seconds * NSEC_PER_SEC;

	while (!condition()) {
		if (now_ns() > end)
			return false;
		usleep(200000);
	}
	return true;
}

static bool unpin_all(void)
{
	struct listing l;
	struct frmr_pool *p;
	bool ok = !list_pools(&l);

	for (p = l.pools; p < l.pools + l.count; p++)
		if (p->pinned && set_pinned(&p->key, 0))
			ok = false;
	return ok;
}

/* A pool of each size, for dumps to have something to show. */
static void fill_pools(void)
{
	struct frmr_key key = { .num_dma_blocks = 1 };

	for (; key.num_dma_blocks <= MAX_BLOCKS; key.num_dma_blocks *= 2)
		if (set_pinned(&key, 1))
			ksft_exit_fail_msg("cannot fill the pools\n");
}

static void test_well_formed(void)
{
	struct frmr_key key = { .num_dma_blocks = 1 };
	struct listing l;

	ksft_test_result(!set_aging(AGING_DEFAULT) && !list_pools(&l) &&
			 l.aging_period == AGING_DEFAULT,
			 "a well-formed request sets the aging period\n");
	ksft_test_result(!set_pinned(&key, MAX_PINNED + 1) &&
			 !list_pools(&l) && l.count &&
			 l.pools[0].key.num_dma_blocks == 1 &&
			 l.pools[0].pinned == MAX_PINNED + 1,
			 "a well-formed request pins handles\n");
}

static void test_pools_afterwards(void)
{
	bool balanced = eventually(GONE_SECONDS, all_balanced);

	if (!balanced)
		print_unbalanced();
	ksft_test_result(balanced,
			 "created = destroyed + dropped + idle + in use\n");
	ksft_test_result(unpin_all() && !set_aging(1) &&
			 eventually(GONE_SECONDS, no_pools),
			 "all pools can be emptied\n");
	set_aging(AGING_DEFAULT);
}

/* Registrations meanwhile */

static void *churn(void *arg)
{
	struct ibv_mr *mrs[CHURN_MRS] = {};
	char *mem = arg;
	__u64 random = seed;
	unsigned int i;
	size_t pages;

	while (!atomic_load(&churn_stops) && !churn_error) {
		i = next_random(&random) % CHURN_MRS;
		pages = 1 + next_random(&random) % CHURN_PAGES;
		if (mrs[i]) {
			churn_error = ibv_dereg_mr(mrs[i]);
			mrs[i] = NULL;
			continue;
		}
		mrs[i] = ibv_reg_mr(pd, mem, pages * PAGE,
				    IBV_ACCESS_LOCAL_WRITE);
		if (!mrs[i])
			churn_error = errno;
		registrations++;
	}
	for (i = 0; i < CHURN_MRS; i++)
		if (mrs[i] && !churn_error)
			churn_error = ibv_dereg_mr(mrs[i]);
	return NULL;
}

static void fuzz_during_churn(unsigned long messages, unsigned long seconds)
{
	pthread_t thread;
	void *mem;

	mem = rdma_map(CHURN_PAGES * PAGE);
	if (mem == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	if (pthread_create(&thread, NULL, churn, mem))
		ksft_exit_fail_msg("no thread\n");
	fuzz(messages, seconds);
	atomic_store(&churn_stops, true);
	pthread_join(thread, NULL);
	print_outcomes();
	ksft_test_result(registrations && !churn_error,
			 "%lu registrations meanwhile: %s\n", registrations,
			 strerror(churn_error));
}

static void open_device(void)
{
	const char *name = getenv("RDMA_DEVICE") ?: "rxe0";
	struct ibv_device_attr attr;

	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (rdma_open(&dev, name, 1, RDMA_GID_AUTO))
		ksft_exit_skip("no RDMA device %s\n", name);
	pd = ibv_alloc_pd(dev.context);
	if (!pd || ibv_query_device(dev.context, &attr))
		ksft_exit_fail_msg("cannot set up %s\n", name);
	max_mr = attr.max_mr;

	frmr_open(&client, FRMR_LARGE_BUFFER);
	if (frmr_find_device(&client, name, &dev_index))
		ksft_exit_fail_msg("no index of %s\n", name);
}

static unsigned long number(const char *text)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		ksft_exit_fail_msg("not a count: %s\n", text);
	return value;
}

int main(int argc, char **argv)
{
	unsigned long messages = MESSAGES, seconds = SECONDS;
	int c;

	ksft_print_header();
	while ((c = getopt(argc, argv, "n:r:t:")) != -1) {
		switch (c) {
		case 'n':
			messages = number(optarg);
			break;
		case 'r':
			seed = number(optarg);
			break;
		case 't':
			seconds = number(optarg);
			break;
		default:
			ksft_exit_fail_msg("usage: nl_fuzz [-n MESSAGES] [-r SEED] [-t SECONDS]\n");
		}
	}
	open_device();
	ksft_set_plan(12);

	random_state = seed;
	fill_pools();
	fuzz_during_churn(messages, seconds);
	test_depth_of_set();
	test_refusals();
	test_dumps();
	test_explanations();
	test_well_formed();
	test_pools_afterwards();
	frmr_close(&client);
	ibv_dealloc_pd(pd);
	rdma_close(&dev);
	ksft_finished();
}
