// SPDX-License-Identifier: GPL-2.0
/*
 * Shows that a dump of the FRMR pools is right while pools come and go, on a
 * device of the type frmr_test (CONFIG_INFINIBAND_FRMR_TEST_DEVICE) that has
 * thousands of them.
 *
 * The stable pools fill a grid of keys; the transient ones have the sizes in
 * between, and what comes before and after the grid.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>
#include "../kselftest.h"
#include "frmr_netlink.h"
#include "rdma_util.h"

#define NSEC_PER_SEC	1000000000ull
#define SMALL_BUFFER	4096	/* the least that the kernel fills */
#define LARGE_BUFFER	32768	/* the most */
#define DUMP_SECONDS	2
#define DUMP_THREADS	3
#define TIMEOUT		60	/* seconds; more than a slow kernel needs */

#define NUM_ACCESS	4
#define NUM_ATS		2
#define NUM_VENDORS	7	/* the first and the last have no stable pool */
#define NUM_CLASSES	(NUM_VENDORS * NUM_ACCESS * NUM_ATS)
#define STABLE_SIZES	125	/* the even ones from 2 on */
#define SIZES		(2 * STABLE_SIZES + 1)
#define NUM_STABLE	((NUM_VENDORS - 2) * NUM_ACCESS * NUM_ATS * STABLE_SIZES)
#define NUM_KERNEL	200
#define NUM_TRANSIENT	150	/* pinned at once */

static const __u64 vendor_keys[NUM_VENDORS] = {
	0, 1, 2, 0x100, 1ull << 31, 1ull << 63, ~0ull
};

static const __u32 access_flags[NUM_ACCESS] = { 0, 1, 3, 7 };

struct client {
	struct mnl_socket *sock;
	unsigned int seq;
	size_t size;
	char buffer[LARGE_BUFFER];
};

/*
 * Netlink
 */

static void client_open(struct client *c, size_t size)
{
	c->size = size;
	c->seq = 0;
	c->sock = mnl_socket_open(NETLINK_RDMA);
	if (!c->sock || mnl_socket_bind(c->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		ksft_exit_fail_perror("rdma netlink");
}

static void client_close(struct client *c)
{
	mnl_socket_close(c->sock);
}

static struct nlmsghdr *new_request(struct client *c, unsigned int command,
				    unsigned int flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(c->buffer);

	nlh->nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++c->seq;
	return nlh;
}

static void send_request(struct client *c, const struct nlmsghdr *nlh)
{
	if (mnl_socket_sendto(c->sock, nlh, nlh->nlmsg_len) < 0)
		ksft_exit_fail_perror("send");
}

/* The end of a dump has an errno in it, as an error has. */
static int on_done(const struct nlmsghdr *nlh, void *arg)
{
	const int *err = mnl_nlmsg_get_payload(nlh);

	errno = -*err;
	return *err ? MNL_CB_ERROR : MNL_CB_STOP;
}

/* Takes one datagram; 1 if there is more to come, 0 at the end, or -errno. */
static int receive(struct client *c, mnl_cb_t fn, void *arg)
{
	static mnl_cb_t control[NLMSG_MIN_TYPE] = {
		[NLMSG_ERROR] = on_done,
		[NLMSG_DONE] = on_done,
	};
	ssize_t len = mnl_socket_recvfrom(c->sock, c->buffer, c->size);
	int ret;

	if (len < 0)
		return -errno;
	ret = mnl_cb_run2(c->buffer, len, c->seq,
			  mnl_socket_get_portid(c->sock), fn, arg, control,
			  NLMSG_MIN_TYPE);
	return ret < 0 ? -errno : ret;
}

static int talk(struct client *c, const struct nlmsghdr *nlh, mnl_cb_t fn,
		void *arg)
{
	int ret;

	send_request(c, nlh);
	do {
		ret = receive(c, fn, arg);
	} while (ret > 0);
	return ret;
}

static int link_add(struct client *c, const char *name)
{
	struct nlmsghdr *nlh;

	nlh = new_request(c, RDMA_NLDEV_CMD_NEWLINK, NLM_F_ACK);
	mnl_attr_put_strz(nlh, RDMA_NLDEV_ATTR_DEV_NAME, name);
	mnl_attr_put_strz(nlh, RDMA_NLDEV_ATTR_LINK_TYPE, "frmr_test");
	mnl_attr_put_strz(nlh, RDMA_NLDEV_ATTR_NDEV_NAME, "lo");
	return talk(c, nlh, NULL, NULL);
}

static void link_delete(struct client *c, __u32 index)
{
	struct nlmsghdr *nlh;
	int err;

	nlh = new_request(c, RDMA_NLDEV_CMD_DELLINK, NLM_F_ACK);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	err = talk(c, nlh, NULL, NULL);
	if (err)
		ksft_exit_fail_msg("delete device: %s\n", strerror(-err));
}

struct search {
	const char *name;
	__u32 index;
};

static int on_device(const struct nlmsghdr *nlh, void *arg)
{
	struct search *search = arg;
	const char *name = "";
	struct nlattr *attr;
	__u32 index = 0;

	mnl_attr_for_each(attr, nlh, 0) {
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_DEV_INDEX)
			index = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_DEV_NAME)
			name = mnl_attr_get_str(attr);
	}
	if (!strcmp(name, search->name))
		search->index = index;
	return MNL_CB_OK;
}

/* A new device; its index. */
static __u32 device_new(struct client *c, const char *name)
{
	struct search search = { .name = name, .index = ~0u };
	int err = link_add(c, name);

	if (!err)
		err = talk(c, new_request(c, RDMA_NLDEV_CMD_GET, NLM_F_DUMP),
			   on_device, &search);
	if (err || search.index == ~0u)
		ksft_exit_fail_msg("new device: %s\n", strerror(-err));
	return search.index;
}

static void set_aging(struct client *c, __u32 index, __u32 seconds)
{
	struct nlmsghdr *nlh;

	nlh = new_request(c, RDMA_NLDEV_CMD_FRMR_POOLS_SET, NLM_F_ACK);
	frmr_put_aging(nlh, index, seconds);
	if (talk(c, nlh, NULL, NULL))
		ksft_exit_fail_msg("set aging period\n");
}

static void set_pinned(struct client *c, __u32 index,
		       const struct frmr_key *key, __u32 count)
{
	struct nlmsghdr *nlh;
	int err;

	nlh = new_request(c, RDMA_NLDEV_CMD_FRMR_POOLS_SET, NLM_F_ACK);
	frmr_put_pinned(nlh, index, key, count);
	err = talk(c, nlh, NULL, NULL);
	if (err)
		ksft_exit_fail_msg("set pinned: %s\n", strerror(-err));
}

/*
 * Dumps. What a test demands of each pool is in its check function.
 */

struct dump {
	bool (*check)(struct dump *dump, const struct frmr_pool *pool);
	struct frmr_key last;
	unsigned int messages;
	unsigned int totals;	/* messages that have them */
	struct frmr_pool total;
	unsigned int pools;
	unsigned int stable;
	unsigned int kernel;
	unsigned int handles;
	bool wrong;
	bool seen[NUM_CLASSES][SIZES + 1];	/* transient ones */
};

static int compare_u64(__u64 a, __u64 b)
{
	return a < b ? -1 : a > b;
}

/* The order of the pools: the size is what counts least. */
static int compare(const struct frmr_key *a, const struct frmr_key *b)
{
	return compare_u64(a->kernel_vendor_key, b->kernel_vendor_key) ?:
	       compare_u64(a->vendor_key, b->vendor_key) ?:
	       compare_u64(a->access_flags, b->access_flags) ?:
	       compare_u64(a->ats, b->ats) ?:
	       compare_u64(a->num_dma_blocks, b->num_dma_blocks);
}

static bool complain(const struct frmr_pool *pool, const char *what)
{
	const struct frmr_key *key = &pool->key;

	ksft_print_msg("%llx:%llx:%x:%x[%llx] %s: %u pinned, %u idle, %llu in use\n",
		       key->vendor_key, key->num_dma_blocks, key->access_flags,
		       key->ats, key->kernel_vendor_key, what, pool->pinned,
		       pool->idle, pool->in_use);
	return false;
}

static bool check_pool(struct dump *dump, const struct frmr_pool *pool)
{
	if (compare(&dump->last, &pool->key) >= 0)
		return complain(pool, "is out of order, or came twice");
	return !dump->check || dump->check(dump, pool);
}

static int on_pools(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attr, *entry;
	struct dump *dump = arg;
	struct frmr_pool pool;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) {
		ksft_print_msg("the dump says that it was interrupted\n");
		dump->wrong = true;
	}
	dump->messages++;
	mnl_attr_for_each(attr, nlh, 0) {
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_DRIVER) {
			frmr_read_counters(attr, &dump->total);
			dump->totals++;
			dump->wrong |= dump->messages != 1;
		}
		if (mnl_attr_get_type(attr) != RDMA_NLDEV_ATTR_FRMR_POOLS)
			continue;
		mnl_attr_for_each_nested(entry, attr) {
			frmr_read_pool(entry, &pool);
			if (!dump->wrong && !check_pool(dump, &pool))
				dump->wrong = true;
			dump->last = pool.key;
			dump->pools++;
			dump->handles += pool.idle + pool.in_use;
		}
	}
	return MNL_CB_OK;
}

static void dump_begin(struct client *c, __u32 index, bool details,
		       struct dump *dump)
{
	struct nlmsghdr *nlh;

	nlh = new_request(c, RDMA_NLDEV_CMD_FRMR_POOLS_GET, NLM_F_DUMP);
	mnl_attr_put_u32(nlh, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	if (details)
		mnl_attr_put_u8(nlh, RDMA_NLDEV_ATTR_DRIVER_DETAILS, 1);
	send_request(c, nlh);
}

static int dump_finish(struct client *c, struct dump *dump)
{
	int ret;

	do {
		ret = receive(c, on_pools, dump);
	} while (ret > 0);
	return ret;
}

static int dump_all(struct client *c, __u32 index, bool details,
		    struct dump *dump)
{
	dump_begin(c, index, details, dump);
	return dump_finish(c, dump);
}

/* How many pools and handles the device has, the kernel's included. */
static struct dump *count_pools(__u32 index)
{
	static struct client client;
	static struct dump dump;

	client_open(&client, LARGE_BUFFER);
	dump = (struct dump) {};
	if (dump_all(&client, index, true, &dump))
		ksft_exit_fail_msg("dump\n");
	client_close(&client);
	return &dump;
}

/*
 * debugfs
 */

static int open_knob(const char *device, const char *knob, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/frmr_test/%s/%s",
		 device, knob);
	fd = open(path, flags);
	if (fd < 0)
		ksft_exit_fail_perror(path);
	return fd;
}

static unsigned long read_knob(const char *device, const char *knob)
{
	int fd = open_knob(device, knob, O_RDONLY);
	char text[32] = "";

	if (read(fd, text, sizeof(text) - 1) < 0)
		ksft_exit_fail_perror(knob);
	close(fd);
	return strtoul(text, NULL, 10);
}

static void write_numbers(const char *device, const char *knob,
			  unsigned int from, unsigned int to)
{
	int fd = open_knob(device, knob, O_WRONLY);
	char text[32];

	for (; from <= to; from++)
		if (write(fd, text, sprintf(text, "%u", from)) < 0)
			ksft_exit_fail_perror(knob);
	close(fd);
}

static bool device_is_content(const char *name)
{
	unsigned long mistakes = read_knob(name, "mistakes");

	if (mistakes)
		ksft_print_msg("the device found %lu mistakes\n", mistakes);
	return !mistakes;
}

/*
 * The device that all dumps of the first tests are of
 */

#define NAME "frmr_dump0"

static __u32 dev;

static struct frmr_key grid_key(unsigned int class, unsigned int size)
{
	return (struct frmr_key) {
		.vendor_key = vendor_keys[class / (NUM_ACCESS * NUM_ATS)],
		.access_flags = access_flags[class / NUM_ATS % NUM_ACCESS],
		.ats = class % NUM_ATS,
		.num_dma_blocks = size,
	};
}

static unsigned int grid_class(const struct frmr_key *key)
{
	unsigned int class;
	struct frmr_key at;

	for (class = 0; class < NUM_CLASSES; class++) {
		at = grid_key(class, key->num_dma_blocks);
		if (!compare(key, &at))
			break;
	}
	return class;
}

static bool is_stable(unsigned int class, unsigned int size)
{
	unsigned int vendor = class / (NUM_ACCESS * NUM_ATS);

	return vendor > 0 && vendor < NUM_VENDORS - 1 && size % 2 == 0;
}

static unsigned int stable_pinned(unsigned int class, unsigned int size)
{
	return 1 + (class + size / 2) % 3;
}

static bool check_kernel_pool(struct dump *dump, const struct frmr_pool *pool)
{
	const struct frmr_key *key = &pool->key;
	struct frmr_key want = {
		.kernel_vendor_key = 1,
		.num_dma_blocks = ++dump->kernel,
	};

	if (compare(key, &want))
		return complain(pool, "is no kernel pool, or not the next");
	if (pool->idle || pool->in_use != 1 || pool->pinned)
		return complain(pool, "is not as it was made");
	return true;
}

static bool check_grid(struct dump *dump, const struct frmr_pool *pool)
{
	unsigned int size = pool->key.num_dma_blocks;
	unsigned int class, pinned;

	if (pool->key.kernel_vendor_key)
		return check_kernel_pool(dump, pool);
	class = grid_class(&pool->key);
	if (class == NUM_CLASSES || size < 1 || size > SIZES)
		return complain(pool, "was never created");
	if (pool->in_use)
		return complain(pool, "is in use");
	if (!is_stable(class, size)) {
		dump->seen[class][size] = true;
		return pool->pinned <= 1 || complain(pool, "is transient");
	}
	dump->stable++;
	pinned = stable_pinned(class, size);
	return (pool->pinned == pinned && pool->idle == pinned) ||
	       complain(pool, "is stable");
}

/* Repeats and strangers are found before, so the number is all that is left. */
static bool right_dump(struct client *c, bool details, struct dump *dump)
{
	unsigned int kernel = details ? NUM_KERNEL : 0;
	int err;

	memset(dump, 0, sizeof(*dump));
	dump->check = check_grid;
	err = dump_all(c, dev, details, dump);
	if (err)
		ksft_print_msg("dump: %s\n", strerror(-err));
	if (dump->stable != NUM_STABLE || dump->kernel != kernel)
		ksft_print_msg("%u stable pools of %u, %u of %u of the kernel\n",
			       dump->stable, NUM_STABLE, dump->kernel, kernel);
	if (dump->totals != 1)
		ksft_print_msg("%u messages have totals\n", dump->totals);
	return !err && !dump->wrong && dump->stable == NUM_STABLE &&
	       dump->kernel == kernel && dump->totals == 1;
}

static void make_grid(struct client *c)
{
	unsigned int class, size;
	struct frmr_key key;

	dev = device_new(c, NAME);
	set_aging(c, dev, 1);
	for (class = 0; class < NUM_CLASSES; class++) {
		for (size = 1; size <= SIZES; size++) {
			if (!is_stable(class, size))
				continue;
			key = grid_key(class, size);
			set_pinned(c, dev, &key, stable_pinned(class, size));
		}
	}
	write_numbers(NAME, "pop_kernel", 1, NUM_KERNEL);
}

/* Makes transient pools, and lets older ones go. */
struct churn {
	pthread_t thread;
	atomic_bool stop;
};

static struct frmr_key transient_key(__u64 *random)
{
	unsigned int class, size;

	do {
		class = next_random(random) % NUM_CLASSES;
		size = 1 + next_random(random) % SIZES;
	} while (is_stable(class, size));
	return grid_key(class, size);
}

static void *churn_main(void *arg)
{
	struct frmr_key pinned[NUM_TRANSIENT] = {};
	struct churn *churn = arg;
	struct client *c = calloc(1, sizeof(*c));
	unsigned int i = 0;
	__u64 random = 1;

	client_open(c, SMALL_BUFFER);
	while (!atomic_load(&churn->stop)) {
		if (pinned[i].num_dma_blocks)
			set_pinned(c, dev, &pinned[i], 0);
		pinned[i] = transient_key(&random);
		set_pinned(c, dev, &pinned[i], 1);
		i = (i + 1) % NUM_TRANSIENT;
		usleep(1000);
	}
	for (i = 0; i < NUM_TRANSIENT; i++)
		if (pinned[i].num_dma_blocks)
			set_pinned(c, dev, &pinned[i], 0);
	client_close(c);
	free(c);
	return NULL;
}

static void churn_begin(struct churn *churn)
{
	atomic_store(&churn->stop, false);
	if (pthread_create(&churn->thread, NULL, churn_main, churn))
		ksft_exit_fail_msg("no thread\n");
}

static void churn_end(struct churn *churn)
{
	atomic_store(&churn->stop, true);
	pthread_join(churn->thread, NULL);
}

static void count_changes(const struct dump *before, const struct dump *after,
			  unsigned int *came, unsigned int *went)
{
	const bool *is = &after->seen[0][0], *was = &before->seen[0][0];
	size_t i;

	for (i = 0; i < sizeof(after->seen); i++) {
		*came += is[i] && !was[i];
		*went += was[i] && !is[i];
	}
}

/* Dumps for some time, and until pools have come and gone meanwhile. */
static bool dumps_are_right(size_t buffer, bool details)
{
	static struct dump dumps[2];
	static struct client client;
	unsigned int n = 0, came = 0, went = 0;
	__u64 begin = now_ns(), spent;
	bool right;

	client_open(&client, buffer);
	memset(dumps, 0, sizeof(dumps));
	do {
		right = right_dump(&client, details, &dumps[n % 2]);
		if (n++)
			count_changes(&dumps[n % 2], &dumps[(n - 1) % 2],
				      &came, &went);
		spent = (now_ns() - begin) / NSEC_PER_SEC;
	} while (right && (spent < DUMP_SECONDS || !came || !went) &&
		 spent < TIMEOUT);
	client_close(&client);
	ksft_print_msg("%u dumps of %u messages, %u pools came, %u went\n", n,
		       dumps[(n - 1) % 2].messages, came, went);
	return right && came && went;
}

static bool test_dumps_of_many_messages(void)
{
	return dumps_are_right(SMALL_BUFFER, false);
}

static bool test_dumps_of_large_messages(void)
{
	return dumps_are_right(LARGE_BUFFER, false);
}

static bool test_dumps_of_many_messages_with_details(void)
{
	return dumps_are_right(SMALL_BUFFER, true);
}

static bool test_dumps_of_large_messages_with_details(void)
{
	return dumps_are_right(LARGE_BUFFER, true);
}

static void *dump_main(void *arg)
{
	struct client *c = calloc(1, sizeof(*c));
	struct dump *dump = calloc(1, sizeof(*dump));
	atomic_uint *failures = arg;
	__u64 end = now_ns() + DUMP_SECONDS * NSEC_PER_SEC;
	bool details = false;

	client_open(c, SMALL_BUFFER);
	do {
		if (!right_dump(c, details, dump))
			atomic_fetch_add(failures, 1);
		details = !details;
	} while (!atomic_load(failures) && now_ns() < end);
	client_close(c);
	free(dump);
	free(c);
	return NULL;
}

static bool test_dumps_on_several_sockets_at_once(void)
{
	pthread_t threads[DUMP_THREADS];
	atomic_uint failures = 0;
	int i;

	for (i = 0; i < DUMP_THREADS; i++)
		if (pthread_create(&threads[i], NULL, dump_main, &failures))
			ksft_exit_fail_msg("no thread\n");
	for (i = 0; i < DUMP_THREADS; i++)
		pthread_join(threads[i], NULL);
	return !atomic_load(&failures);
}

static bool test_a_dump_may_be_abandoned(void)
{
	static struct client client;
	static struct dump dump;
	int i, n;

	for (i = 0; i < 20; i++) {
		memset(&dump, 0, sizeof(dump));
		dump.check = check_grid;
		client_open(&client, SMALL_BUFFER);
		dump_begin(&client, dev, true, &dump);
		for (n = 0; n < i; n++)
			if (receive(&client, on_pools, &dump) != 1)
				return false;
		client_close(&client);
		if (dump.wrong)
			return false;
	}
	client_open(&client, LARGE_BUFFER);
	dump.wrong = !right_dump(&client, false, &dump);
	client_close(&client);
	return !dump.wrong;
}

/*
 * Devices with one row of pools, of which the middle may go
 */

#define ROW		600
#define MIDDLE_BEGIN	150
#define MIDDLE_END	450

static struct frmr_key row_key(unsigned int size)
{
	return (struct frmr_key) { .vendor_key = 1, .num_dma_blocks = size };
}

static void pin_row(struct client *c, __u32 index, unsigned int from,
		    unsigned int to, unsigned int count)
{
	struct frmr_key key;

	for (; from <= to; from++) {
		key = row_key(from);
		set_pinned(c, index, &key, count);
	}
}

static bool await_pools(__u32 index, unsigned int pools)
{
	__u64 end = now_ns() + TIMEOUT * NSEC_PER_SEC;

	while (count_pools(index)->pools != pools) {
		if (now_ns() > end)
			return false;
		usleep(100000);
	}
	return true;
}

/* A pool that is being made may not be pinned yet. */
static bool check_growing_row(struct dump *dump, const struct frmr_pool *pool)
{
	struct frmr_key want = row_key(pool->key.num_dma_blocks);

	dump->stable += want.num_dma_blocks <= MIDDLE_BEGIN ||
			want.num_dma_blocks > MIDDLE_END;
	return (!compare(&pool->key, &want) && pool->pinned <= 1) ||
	       complain(pool, "is not in the row");
}

static bool check_row(struct dump *dump, const struct frmr_pool *pool)
{
	return check_growing_row(dump, pool) &&
	       (pool->pinned == 1 || complain(pool, "is not pinned"));
}

/* Begins a dump, and stops inside of the part that may go. */
static bool stop_in_the_middle(struct client *c, __u32 index, struct dump *dump)
{
	memset(dump, 0, sizeof(*dump));
	dump->check = check_row;
	dump_begin(c, index, false, dump);
	while (dump->last.num_dma_blocks <= (MIDDLE_BEGIN + MIDDLE_END) / 2)
		if (receive(c, on_pools, dump) != 1)
			return false;
	return !dump->wrong;
}

/* The kernel is a few messages ahead of us, but not by the rest of the middle. */
static bool goes_on_after_the_middle(struct client *c, __u32 index,
				     struct dump *dump)
{
	struct client *other = calloc(1, sizeof(*other));
	bool gone;

	client_open(other, LARGE_BUFFER);
	pin_row(other, index, MIDDLE_BEGIN + 1, MIDDLE_END, 0);
	gone = await_pools(index, ROW - (MIDDLE_END - MIDDLE_BEGIN));
	client_close(other);
	free(other);

	if (!gone || dump_finish(c, dump))
		return false;
	ksft_print_msg("%u pools shown, %u of them stay\n", dump->pools,
		       dump->stable);
	return !dump->wrong && dump->pools < ROW &&
	       dump->stable == ROW - (MIDDLE_END - MIDDLE_BEGIN);
}

static bool test_a_dump_goes_on_where_pools_have_ended(void)
{
	static struct client c;
	static struct dump dump;
	__u32 index;
	bool ok;

	client_open(&c, SMALL_BUFFER);
	index = device_new(&c, "frmr_dump1");
	set_aging(&c, index, 1);
	pin_row(&c, index, 1, ROW, 1);
	ok = stop_in_the_middle(&c, index, &dump) &&
	     goes_on_after_the_middle(&c, index, &dump) &&
	     device_is_content("frmr_dump1");
	link_delete(&c, index);
	client_close(&c);
	return ok;
}

static bool test_a_dump_of_a_deleted_device_fails(void)
{
	static struct client c, other;
	static struct dump dump;
	__u32 index;
	bool ok;
	int err;

	client_open(&c, SMALL_BUFFER);
	client_open(&other, SMALL_BUFFER);
	index = device_new(&c, "frmr_dump1");
	pin_row(&c, index, 1, ROW, 1);
	ok = stop_in_the_middle(&c, index, &dump);
	link_delete(&other, index);
	err = dump_finish(&c, &dump);
	ksft_print_msg("%u pools shown, then: %s\n", dump.pools,
		       strerror(-err));
	client_close(&other);
	client_close(&c);
	return ok && !dump.wrong && dump.pools < ROW && err == -EINVAL;
}

struct watcher {
	pthread_t thread;
	atomic_uint index;
	atomic_bool stop;
	atomic_bool wrong;
	unsigned int whole;
	unsigned int cut;
};

static void *watcher_main(void *arg)
{
	struct client *c = calloc(1, sizeof(*c));
	struct dump *dump = calloc(1, sizeof(*dump));
	struct watcher *w = arg;
	int err;

	client_open(c, SMALL_BUFFER);
	while (!atomic_load(&w->stop)) {
		memset(dump, 0, sizeof(*dump));
		dump->check = check_growing_row;
		err = dump_all(c, atomic_load(&w->index), false, dump);
		if (dump->wrong || (err && err != -EINVAL))
			atomic_store(&w->wrong, true);
		w->whole += !err;
		w->cut += err && dump->pools;
	}
	client_close(c);
	free(dump);
	free(c);
	return NULL;
}

static bool test_devices_are_deleted_under_dumps(void)
{
	static struct watcher w = { .index = ~0u };
	static struct client c;
	__u32 index;
	int i;

	client_open(&c, SMALL_BUFFER);
	if (pthread_create(&w.thread, NULL, watcher_main, &w))
		ksft_exit_fail_msg("no thread\n");
	for (i = 0; i < 20; i++) {
		index = device_new(&c, "frmr_dump1");
		atomic_store(&w.index, index);
		pin_row(&c, index, 1, ROW / 2, 1);
		usleep(i * 1000);
		link_delete(&c, index);
	}
	atomic_store(&w.stop, true);
	pthread_join(w.thread, NULL);
	client_close(&c);
	ksft_print_msg("%u whole dumps, %u cut short\n", w.whole, w.cut);
	return !w.wrong && w.whole && w.cut;
}

#define NUM_SIZES 5000

static double await_none(__u32 index, unsigned int (*count)(__u32 index))
{
	__u64 begin = now_ns();

	while (count(index) && now_ns() - begin < TIMEOUT * NSEC_PER_SEC)
		usleep(20000);
	return (now_ns() - begin) / 1e9;
}

static unsigned int count_handles(__u32 index)
{
	return count_pools(index)->handles;
}

static unsigned int count_all(__u32 index)
{
	return count_pools(index)->pools;
}

/* No pool is left, and the device still knows what they all did. */
static bool totals_are_of_the_past(__u32 index)
{
	const struct frmr_pool *total = &count_pools(index)->total;

	ksft_print_msg("%llu created so far, %llu destroyed\n", total->created,
		       total->destroyed);
	return total->created >= NUM_SIZES && !total->dropped &&
	       total->created == total->destroyed;
}

static bool test_thousands_of_sizes_leave_no_pool(void)
{
	static struct client c;
	unsigned int pools;
	double t;
	__u32 index;
	bool ok;

	client_open(&c, SMALL_BUFFER);
	index = device_new(&c, "frmr_dump1");
	write_numbers("frmr_dump1", "pop", 1, NUM_SIZES);
	pools = count_all(index);
	ok = pools && pools <= NUM_SIZES && count_handles(index) == NUM_SIZES;
	write_numbers("frmr_dump1", "push", NUM_SIZES, NUM_SIZES);
	set_aging(&c, index, 1);
	t = await_none(index, count_handles);
	ksft_print_msg("%u pools, no handle after %.1f s, no pool after %.1f s\n",
		       pools, t, t + await_none(index, count_all));
	ok = ok && !count_all(index) && totals_are_of_the_past(index) &&
	     !read_knob("frmr_dump1", "live") &&
	     device_is_content("frmr_dump1");
	link_delete(&c, index);
	client_close(&c);
	return ok;
}

#define TEST(name) { #name, test_ ## name }

struct test {
	const char *name;
	bool (*run)(void);
};

static const struct test tests_under_churn[] = {
	TEST(dumps_of_many_messages),
	TEST(dumps_of_large_messages),
	TEST(dumps_of_many_messages_with_details),
	TEST(dumps_of_large_messages_with_details),
	TEST(dumps_on_several_sockets_at_once),
	TEST(a_dump_may_be_abandoned),
};

static const struct test tests_of_their_own[] = {
	TEST(a_dump_goes_on_where_pools_have_ended),
	TEST(a_dump_of_a_deleted_device_fails),
	TEST(devices_are_deleted_under_dumps),
	TEST(thousands_of_sizes_leave_no_pool),
};

static void run_tests(const struct test *tests, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		ksft_test_result(tests[i].run(), "%s\n", tests[i].name);
}

int main(void)
{
	static struct client client;
	struct churn churn;

	ksft_print_header();
	client_open(&client, SMALL_BUFFER);
	if (access("/sys/kernel/debug/frmr_test", W_OK))
		ksft_exit_skip("needs root and CONFIG_INFINIBAND_FRMR_TEST_DEVICE\n");
	ksft_set_plan(ARRAY_SIZE(tests_under_churn) + 1 +
		      ARRAY_SIZE(tests_of_their_own));

	make_grid(&client);
	churn_begin(&churn);
	run_tests(tests_under_churn, ARRAY_SIZE(tests_under_churn));
	churn_end(&churn);
	ksft_test_result(device_is_content(NAME), "device_is_content\n");
	link_delete(&client, dev);

	run_tests(tests_of_their_own, ARRAY_SIZE(tests_of_their_own));
	client_close(&client);
	ksft_finished();
}
