// SPDX-License-Identifier: GPL-2.0
/*
 * Builds requests to the pools of a device, and changes them at random.
 */
#include <limits.h>
#include <string.h>
#include "../kselftest.h"
#include "nl_fuzz.h"
#include "rdma_util.h"

#define MAX_MUTATIONS	3	/* of a request */
#define REQUEST_ROOM	(REQUEST_BYTES - 128)	/* grows no more beyond */
#define MAX_ATTRS	(sizeof(struct datagram) / sizeof(struct nlattr))

/* @size can differ from what the header says. */
struct request {
	size_t size;
	union {
		struct nlmsghdr nlh;
		char bytes[REQUEST_BYTES];
	};
};

/* An attribute of a request, and the nest that it is in, if any. */
struct place {
	struct nlattr *attr;
	struct nlattr *nest;
};

__u32 dev_index;
__u32 max_mr;
__u64 random_state;

__u64 below(__u64 limit)
{
	return next_random(&random_state) % limit;
}

bool once_in(unsigned int n)
{
	return !below(n);
}

/* Well-formed requests */

static struct nlmsghdr *begin(struct request *r, unsigned int command,
			      unsigned int flags)
{
	static __u32 sequence;

	memset(r, 0, sizeof(*r));
	frmr_put_header(&r->nlh, command, NLM_F_ACK | flags, ++sequence);
	return &r->nlh;
}

static void build_valid(struct request *r)
{
	struct frmr_key key = {};

	switch (below(8)) {
	case 0 ... 1:
		frmr_put_dump(begin(r, GET, NLM_F_DUMP), dev_index, once_in(2));
		break;
	case 2 ... 3:
		frmr_put_aging(begin(r, SET, 0), dev_index, 1 + below(100000));
		break;
	case 4:
		frmr_put_reclaim(begin(r, SET, 0), dev_index, 0);
		break;
	default:
		key.num_dma_blocks = 1 + below(MAX_BLOCKS >> below(16));
		frmr_put_pinned(begin(r, SET, 0), dev_index, &key,
				below(MAX_PINNED + 1));
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

	return once_in(4) ? next_random(&random_state) :
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

void build_datagram(struct datagram *d)
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
