// SPDX-License-Identifier: GPL-2.0
/*
 * Shows that a dump of the FRMR pools is right while pools come and go, on a
 * device of the type frmr_test (CONFIG_INFINIBAND_FRMR_TEST_DEVICE) that has
 * thousands of them.
 *
 * The stable pools fill a grid of keys; the transient ones have the sizes in
 * between, and what comes before and after the grid.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../kselftest.h"
#include "frmr_dump.h"

#define DUMP_SECONDS	2
#define DUMP_THREADS	3
#define NUM_STABLE	((NUM_VENDORS - 2) * NUM_ACCESS * NUM_ATS * STABLE_SIZES)
#define NUM_KERNEL	200
#define NUM_TRANSIENT	150	/* pinned at once */

static const __u64 vendor_keys[NUM_VENDORS] = {
	0, 1, 2, 0x100, 1ull << 31, 1ull << 63, ~0ull
};

static const __u32 access_flags[NUM_ACCESS] = { 0, 1, 3, 7 };

/* The device that has the grid */
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
static bool right_dump(struct frmr_client *c, bool details, struct dump *dump)
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

static void make_grid(struct frmr_client *c)
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
	struct frmr_client *c = calloc(1, sizeof(*c));
	unsigned int i = 0;
	__u64 random = 1;

	frmr_open(c, FRMR_SMALL_BUFFER);
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
	frmr_close(c);
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
	static struct frmr_client client;
	unsigned int n = 0, came = 0, went = 0;
	__u64 begin = now_ns(), spent;
	bool right;

	frmr_open(&client, buffer);
	memset(dumps, 0, sizeof(dumps));
	do {
		right = right_dump(&client, details, &dumps[n % 2]);
		if (n++)
			count_changes(&dumps[n % 2], &dumps[(n - 1) % 2],
				      &came, &went);
		spent = (now_ns() - begin) / NSEC_PER_SEC;
	} while (right && (spent < DUMP_SECONDS || !came || !went) &&
		 spent < TIMEOUT);
	frmr_close(&client);
	ksft_print_msg("%u dumps of %u messages, %u pools came, %u went\n", n,
		       dumps[(n - 1) % 2].messages, came, went);
	return right && came && went;
}

static bool test_dumps_of_many_messages(void)
{
	return dumps_are_right(FRMR_SMALL_BUFFER, false);
}

static bool test_dumps_of_large_messages(void)
{
	return dumps_are_right(FRMR_LARGE_BUFFER, false);
}

static bool test_dumps_of_many_messages_with_details(void)
{
	return dumps_are_right(FRMR_SMALL_BUFFER, true);
}

static bool test_dumps_of_large_messages_with_details(void)
{
	return dumps_are_right(FRMR_LARGE_BUFFER, true);
}

static void *dump_main(void *arg)
{
	struct frmr_client *c = calloc(1, sizeof(*c));
	struct dump *dump = calloc(1, sizeof(*dump));
	atomic_uint *failures = arg;
	__u64 end = now_ns() + DUMP_SECONDS * NSEC_PER_SEC;
	bool details = false;

	frmr_open(c, FRMR_SMALL_BUFFER);
	do {
		if (!right_dump(c, details, dump))
			atomic_fetch_add(failures, 1);
		details = !details;
	} while (!atomic_load(failures) && now_ns() < end);
	frmr_close(c);
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
	static struct frmr_client client;
	static struct dump dump;
	int i, n;

	for (i = 0; i < 20; i++) {
		memset(&dump, 0, sizeof(dump));
		dump.check = check_grid;
		frmr_open(&client, FRMR_SMALL_BUFFER);
		dump_begin(&client, dev, true);
		for (n = 0; n < i; n++)
			if (frmr_receive(&client, on_pools, &dump) != 1)
				return false;
		frmr_close(&client);
		if (dump.wrong)
			return false;
	}
	frmr_open(&client, FRMR_LARGE_BUFFER);
	dump.wrong = !right_dump(&client, false, &dump);
	frmr_close(&client);
	return !dump.wrong;
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
	static struct frmr_client client;
	struct churn churn;

	ksft_print_header();
	frmr_open(&client, FRMR_SMALL_BUFFER);
	if (access(TEST_DEVICES, W_OK))
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
	frmr_close(&client);
	ksft_finished();
}
