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
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>
#include "../kselftest.h"
#include "frmr_netlink.h"
#include "rdma_util.h"

#define NSEC_PER_SEC	1000000000ull
#define MESSAGES	200000
#define SECONDS		240

#define GET		RDMA_NLDEV_CMD_FRMR_POOLS_GET
#define SET		RDMA_NLDEV_CMD_FRMR_POOLS_SET

/*
 * What a request may ask for, lest it take all memory: a few handles of a
 * moderate size, or so large a table that the kernel has none at all.
 */
#define MAX_PINNED	15
#define MAX_BLOCKS	0x8000ull
#define HUGE_BLOCKS	0x10000000ull

#define MAX_REQUESTS	3	/* in a datagram */
#define MAX_MUTATIONS	3	/* of a request */
#define REQUEST_BYTES	512
#define REQUEST_ROOM	(REQUEST_BYTES - 128)	/* grows no more beyond */
#define MAX_ATTRS	(sizeof(struct datagram) / sizeof(struct nlattr))

/* Small, for a dump of some pools to take several messages. */
#define ANSWER_BYTES	4096
#define MAX_PARTS	1000	/* a dump that goes on is endless */

#define CHURN_MRS	8
#define CHURN_PAGES	16

#define TEXT_BYTES	80
#define MAX_OUTCOMES	256
#define MAX_POOLS	256
#define MIN_PERCENT	5	/* of the answers, for each depth */
#define GONE_SECONDS	10
#define AGING_DEFAULT	60

/* @size can differ from what the header says. */
struct request {
	size_t size;
	union {
		struct nlmsghdr nlh;
		char bytes[REQUEST_BYTES];
	};
};

struct datagram {
	size_t size;
	union {
		struct nlmsghdr nlh;
		char bytes[MAX_REQUESTS * REQUEST_BYTES];
	};
};

/* An attribute of a request, and the nest that it is in, if any. */
struct place {
	struct nlattr *attr;
	struct nlattr *nest;
};

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
	unsigned int messages;
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
static __u32 dev_index;
static __u32 max_mr;
static struct ibv_pd *pd;
static __u64 seed = 1;
static __u64 state;
static __u32 sequence;

static struct outcome outcomes[MAX_OUTCOMES];
static unsigned int nr_outcomes;
static unsigned long parts, abandoned, silent, unknown;
static bool endless;

static atomic_bool churn_stops;
static unsigned long registrations;
static int churn_error;

static __u64 below(__u64 limit)
{
	return next_random(&state) % limit;
}

static bool once_in(unsigned int n)
{
	return !below(n);
}

/* Requests */

static void put_header(struct nlmsghdr *nlh, unsigned int command,
		       unsigned int flags)
{
	mnl_nlmsg_put_header(nlh);
	nlh->nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++sequence;
}

static void put_get(struct nlmsghdr *nlh, bool details)
{
	put_header(nlh, GET, NLM_F_DUMP);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, dev_index);
	if (details)
		mnl_attr_put_u8(nlh, RDMA_NLDEV_ATTR_DRIVER_DETAILS, 1);
}

static void put_aging(struct nlmsghdr *nlh, __u32 seconds)
{
	put_header(nlh, SET, 0);
	frmr_put_aging(nlh, dev_index, seconds);
}

static void put_pinned(struct nlmsghdr *nlh, const struct frmr_key *key,
		       __u32 count)
{
	put_header(nlh, SET, 0);
	frmr_put_pinned(nlh, dev_index, key, count);
}

static void put_reclaim(struct nlmsghdr *nlh)
{
	put_header(nlh, SET, 0);
	frmr_put_reclaim(nlh, dev_index, 0);
}

static void build_valid(struct request *r)
{
	struct frmr_key key = {};

	memset(r, 0, sizeof(*r));
	switch (below(8)) {
	case 0:
		put_get(&r->nlh, false);
		break;
	case 1:
		put_get(&r->nlh, true);
		break;
	case 2 ... 3:
		put_aging(&r->nlh, 1 + below(100000));
		break;
	case 4:
		put_reclaim(&r->nlh);
		break;
	default:
		key.num_dma_blocks = 1 + below(MAX_BLOCKS >> below(16));
		put_pinned(&r->nlh, &key, below(MAX_PINNED + 1));
		break;
	}
	r->size = r->nlh.nlmsg_len;
}

/* Attributes of a request */

static struct nlattr *next_attr(struct nlattr *attr)
{
	return (void *)attr + MNL_ALIGN(attr->nla_len);
}

static unsigned int find_attrs(struct place *places, unsigned int n,
			       void *from, void *end, struct nlattr *nest)
{
	struct nlattr *a;

	for (a = from; n < MAX_ATTRS && mnl_attr_ok(a, end - (void *)a);
	     a = next_attr(a)) {
		places[n++] = (struct place){ .attr = a, .nest = nest };
		if (!nest &&
		    mnl_attr_get_type(a) == RDMA_NLDEV_ATTR_FRMR_POOL_KEY)
			n = find_attrs(places, n, mnl_attr_get_payload(a),
				       (void *)a + a->nla_len, a);
	}
	return n;
}

static bool pick_attr(struct request *r, struct place *place)
{
	struct place places[MAX_ATTRS];
	unsigned int n;

	n = find_attrs(places, 0, r->bytes + MNL_NLMSG_HDRLEN,
		       r->bytes + r->size, NULL);
	if (n)
		*place = places[below(n)];
	return n;
}

/* Makes room for @delta bytes, or closes such a gap; lengths stay right. */
static void resize(struct request *r, struct nlattr *nest, void *at, int delta)
{
	void *end = r->bytes + r->size;
	void *from = delta < 0 ? at - delta : at;

	if (from < end)
		memmove(from + delta, from, end - from);
	if (delta > 0)
		memset(at, 0, delta);
	r->size += delta;
	r->nlh.nlmsg_len += delta;
	if (nest)
		nest->nla_len += delta;
}

/* Takes all bytes up to the next attribute, if they are there. */
static size_t space_of(const struct request *r, const struct nlattr *attr)
{
	size_t left = r->bytes + r->size - (char *)attr;
	size_t space = MNL_ALIGN(attr->nla_len);

	return space < left ? space : left;
}

/* Mutations */

static __u64 extreme(void)
{
	static const __u64 values[] = {
		0, 1, 2, MAX_PINNED, 0x7f, 0x80, 0xff,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		1ull << 30, (1ull << 30) + 1,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
	};

	return once_in(4) ? next_random(&state) :
			    values[below(ARRAY_SIZE(values))];
}

static __u16 any_type(void)
{
	return once_in(4) ? below(RDMA_NLDEV_ATTR_MAX + 8) :
	       RDMA_NLDEV_ATTR_FRMR_POOLS +
	       below(RDMA_NLDEV_ATTR_MAX - RDMA_NLDEV_ATTR_FRMR_POOLS);
}

static void drop_attr(struct request *r)
{
	struct place p;

	if (pick_attr(r, &p))
		resize(r, p.nest, p.attr, -(int)space_of(r, p.attr));
}

static void repeat_attr(struct request *r)
{
	size_t space;
	struct place p;

	if (!pick_attr(r, &p) || r->size > REQUEST_ROOM)
		return;
	space = space_of(r, p.attr);
	if (space > REQUEST_BYTES - r->size)
		return;
	resize(r, p.nest, (void *)p.attr + space, space);
	memcpy((void *)p.attr + space, p.attr, space);
}

static void insert_attr(struct request *r)
{
	size_t payload = once_in(2) ? 1ul << below(4) : below(40);
	size_t i, space = MNL_ATTR_HDRLEN + MNL_ALIGN(payload);
	struct place p;

	if (!pick_attr(r, &p) || r->size > REQUEST_ROOM)
		return;
	resize(r, p.nest, p.attr, space);
	p.attr->nla_len = MNL_ATTR_HDRLEN + payload;
	p.attr->nla_type = any_type();
	for (i = 0; i < payload; i++)
		((char *)mnl_attr_get_payload(p.attr))[i] =
			once_in(2) ? 0 : below(256);
}

static void change_type(struct request *r)
{
	struct place p;

	if (pick_attr(r, &p))
		p.attr->nla_type = any_type();
}

static void change_type_flags(struct request *r)
{
	struct place p;

	if (pick_attr(r, &p))
		p.attr->nla_type ^= (1 + below(3)) << 14;
}

static void change_attr_len(struct request *r)
{
	static const __u16 lens[] = { 0, 1, 3, 4, 5, 8, 12, 0x7fff, 0xffff };
	struct place p;

	if (!pick_attr(r, &p))
		return;
	if (once_in(2))
		p.attr->nla_len = lens[below(ARRAY_SIZE(lens))];
	else
		p.attr->nla_len += (int)below(17) - 8;
}

static void change_value(struct request *r)
{
	__u64 value = extreme();
	struct place p;
	size_t len;

	if (!pick_attr(r, &p))
		return;
	len = mnl_attr_get_payload_len(p.attr);
	memcpy(mnl_attr_get_payload(p.attr), &value,
	       len < sizeof(value) ? len : sizeof(value));
}

/* The rest of a nest then follows it, as if it belonged to the request. */
static void cut_nest(struct request *r)
{
	struct place p;

	if (pick_attr(r, &p) && p.nest)
		p.nest->nla_len = MNL_ATTR_HDRLEN +
				  below(mnl_attr_get_payload_len(p.nest));
}

static void flip_bits(struct request *r)
{
	unsigned int n = 1 + below(4);
	char *byte;

	while (n--) {
		byte = r->bytes + below(r->size);
		*byte ^= 1 << below(8);
	}
}

static void change_flags(struct request *r)
{
	static const __u16 flags[] = {
		NLM_F_DUMP, NLM_F_ROOT, NLM_F_MATCH, NLM_F_ATOMIC, NLM_F_ACK,
		NLM_F_ECHO, NLM_F_REQUEST, NLM_F_MULTI, NLM_F_DUMP_INTR,
	};

	if (once_in(4))
		r->nlh.nlmsg_flags = NLM_F_REQUEST | below(0x10000);
	else
		r->nlh.nlmsg_flags ^= flags[below(ARRAY_SIZE(flags))];
}

static void change_nlmsg_len(struct request *r)
{
	static const __u32 lens[] = { 0, 1, 15, 16, 17, 20, 0x7fffffff, ~0u };

	if (once_in(2))
		r->nlh.nlmsg_len = lens[below(ARRAY_SIZE(lens))];
	else
		r->nlh.nlmsg_len += (int)below(33) - 16;
}

static void cut_end(struct request *r)
{
	r->size = 1 + below(r->size);
	if (!once_in(4))
		r->nlh.nlmsg_len = r->size;
}

static void swap_command(struct request *r)
{
	r->nlh.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV,
					     once_in(2) ? GET : SET);
}

static void (* const mutations[])(struct request *) = {
	drop_attr, repeat_attr, insert_attr, change_type, change_type_flags,
	change_attr_len, change_value, change_value, change_value, cut_nest,
	flip_bits, change_flags, change_nlmsg_len, cut_end, swap_command,
};

static void mutate(struct request *r)
{
	unsigned int n = below(MAX_MUTATIONS + 1);

	while (n--)
		mutations[below(ARRAY_SIZE(mutations))](r);
}

/*
 * What is left of a request after all that must not hurt: no other command,
 * no other device, no more memory than there is.
 */

static void tame_value(struct nlattr *attr)
{
	unsigned int type = mnl_attr_get_type(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	void *payload = mnl_attr_get_payload(attr);
	__u64 value = 0;

	memcpy(&value, payload, len < sizeof(value) ? len : sizeof(value));
	if (type == RDMA_NLDEV_ATTR_FRMR_POOL_KEY_NUM_DMA_BLOCKS) {
		if (len < sizeof(__u64) || value <= MAX_BLOCKS ||
		    value > HUGE_BLOCKS)
			return;
		value = value % MAX_BLOCKS + 1;
		memcpy(payload, &value, sizeof(__u64));
		return;
	}

	if (len < sizeof(__u32))
		return;
	value &= 0xffffffff;
	if (type == RDMA_NLDEV_ATTR_DEV_INDEX && value != dev_index)
		value |= 0x80000000;
	if (type == RDMA_NLDEV_ATTR_FRMR_POOL_PINNED_HANDLES &&
	    value > MAX_PINNED && value <= max_mr)
		value %= MAX_PINNED + 1;
	memcpy(payload, &value, sizeof(__u32));
}

static void tame_request(struct nlmsghdr *nlh)
{
	unsigned int type = nlh->nlmsg_type;
	struct place places[MAX_ATTRS];
	unsigned int n;

	if (type >= NLMSG_MIN_TYPE &&
	    type != RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, GET))
		nlh->nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, SET);
	n = find_attrs(places, 0, mnl_nlmsg_get_payload(nlh),
		       (void *)nlh + nlh->nlmsg_len, NULL);
	while (n--)
		if (mnl_attr_get_type(places[n].attr) !=
		    RDMA_NLDEV_ATTR_FRMR_POOL_KEY)
			tame_value(places[n].attr);
}

/* Finds the requests as the kernel does, whatever they were meant to be. */
static void tame(struct datagram *d)
{
	struct nlmsghdr *nlh = &d->nlh;
	int left = d->size;

	/* libmnl takes a length beyond INT_MAX for a negative one. */
	for (; mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= INT_MAX;
	     nlh = mnl_nlmsg_next(nlh, &left))
		tame_request(nlh);
}

static void build_datagram(struct datagram *d)
{
	unsigned int n = once_in(8) ? 1 + below(MAX_REQUESTS) : 1;
	struct request r;

	memset(d, 0, sizeof(*d));
	while (n--) {
		build_valid(&r);
		mutate(&r);
		d->size = MNL_ALIGN(d->size);
		memcpy(d->bytes + d->size, r.bytes, r.size);
		d->size += r.size;
	}
	tame(d);
}

/* Answers */

static struct mnl_socket *open_socket(void)
{
	struct timeval timeout = { .tv_sec = 60 };
	struct mnl_socket *sock;
	int one = 1;

	sock = mnl_socket_open(NETLINK_RDMA);
	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0)
		ksft_exit_fail_perror("rdma netlink");
	mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		   sizeof(timeout));
	return sock;
}

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
static bool take_answer(struct mnl_socket *sock, bool *more)
{
	static union {
		struct nlmsghdr nlh;
		char bytes[ANSWER_BYTES];
	} answer;
	struct nlmsghdr *nlh = &answer.nlh;
	int len;

	*more = false;
	len = recv(mnl_socket_get_fd(sock), &answer, sizeof(answer),
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
static void take_answers(struct mnl_socket *sock)
{
	unsigned int n = 0;
	bool more;

	while (n < MAX_PARTS && take_answer(sock, &more))
		n++;
	silent += !n;
	endless |= n == MAX_PARTS;
}

static struct mnl_socket *abandon(struct mnl_socket *sock)
{
	bool more;

	take_answer(sock, &more);
	abandoned += more;
	mnl_socket_close(sock);
	return open_socket();
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
	struct mnl_socket *sock = open_socket();
	__u64 hash = 0xcbf29ce484222325ull;
	struct datagram d;
	unsigned long i;

	for (i = 0; i < messages && now_ns() < end; i++) {
		build_datagram(&d);
		hash = add_to_hash(hash, &d);
		if (mnl_socket_sendto(sock, d.bytes, d.size) < 0)
			ksft_exit_fail_perror("send");
		if (once_in(16))
			continue;
		if (once_in(32))
			sock = abandon(sock);
		else
			take_answers(sock);
	}
	mnl_socket_close(sock);
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

static int talk(struct nlmsghdr *nlh, mnl_cb_t fn, void *arg)
{
	struct mnl_socket *sock = open_socket();
	char answer[ANSWER_BYTES];
	int ret = -1;
	ssize_t len;

	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		goto out;
	do {
		len = mnl_socket_recvfrom(sock, answer, sizeof(answer));
		ret = len < 0 ? -1 :
		      mnl_cb_run(answer, len, nlh->nlmsg_seq,
				 mnl_socket_get_portid(sock), fn, arg);
	} while (ret > MNL_CB_STOP);
out:
	ret = ret < 0 ? -errno : 0;
	mnl_socket_close(sock);
	if (ret)
		ksft_print_msg("well-formed request: %s\n", strerror(-ret));
	return ret;
}

static int set_aging(__u32 seconds)
{
	struct request r = {};

	put_aging(&r.nlh, seconds);
	return talk(&r.nlh, NULL, NULL);
}

static int set_pinned(const struct frmr_key *key, __u32 count)
{
	struct request r = {};

	put_pinned(&r.nlh, key, count);
	return talk(&r.nlh, NULL, NULL);
}

static int on_pools(const struct nlmsghdr *nlh, void *arg)
{
	struct listing *l = arg;
	const struct nlattr *a, *entry;

	l->messages++;
	mnl_attr_for_each(a, nlh, 0) {
		if (mnl_attr_get_type(a) ==
		    RDMA_NLDEV_ATTR_FRMR_POOLS_AGING_PERIOD)
			l->aging_period = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) != RDMA_NLDEV_ATTR_FRMR_POOLS)
			continue;
		mnl_attr_for_each_nested(entry, a) {
			if (l->count == MAX_POOLS)
				return MNL_CB_ERROR;
			frmr_read_pool(entry, &l->pools[l->count++]);
		}
	}
	return MNL_CB_OK;
}

static int list_pools(struct listing *l)
{
	struct request r = {};

	memset(l, 0, sizeof(*l));
	put_get(&r.nlh, true);
	/* libmnl makes no difference between a dump that failed and its end. */
	return talk(&r.nlh, on_pools, l) ?: l->messages ? 0 : -ENODATA;
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
		mrs[i] = ibv_reg_mr(pd, mem, pages * sysconf(_SC_PAGESIZE),
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

	mem = mmap(NULL, CHURN_PAGES * sysconf(_SC_PAGESIZE),
		   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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

static int on_device(const struct nlmsghdr *nlh, void *arg)
{
	const char *name = "";
	struct nlattr *a;
	__u32 index = 0;

	mnl_attr_for_each(a, nlh, 0) {
		if (mnl_attr_get_type(a) == RDMA_NLDEV_ATTR_DEV_INDEX)
			index = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == RDMA_NLDEV_ATTR_DEV_NAME)
			name = mnl_attr_get_str(a);
	}
	if (!strcmp(name, ibv_get_device_name(dev.context->device)))
		*(__s64 *)arg = index;
	return MNL_CB_OK;
}

static void open_device(void)
{
	const char *name = getenv("RDMA_DEVICE") ?: "rxe0";
	struct ibv_device_attr attr;
	struct request r = {};
	__s64 index = -1;

	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (rdma_open(&dev, name, 1, RDMA_GID_AUTO))
		ksft_exit_skip("no RDMA device %s\n", name);
	pd = ibv_alloc_pd(dev.context);
	if (!pd || ibv_query_device(dev.context, &attr))
		ksft_exit_fail_msg("cannot set up %s\n", name);
	max_mr = attr.max_mr;

	put_header(&r.nlh, RDMA_NLDEV_CMD_GET, NLM_F_DUMP);
	if (talk(&r.nlh, on_device, &index) || index < 0)
		ksft_exit_fail_msg("no index of %s\n", name);
	dev_index = index;
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

	state = seed;
	fill_pools();
	fuzz_during_churn(messages, seconds);
	test_depth_of_set();
	test_refusals();
	test_dumps();
	test_explanations();
	test_well_formed();
	test_pools_afterwards();
	ibv_dealloc_pd(pd);
	rdma_close(&dev);
	ksft_finished();
}
