// SPDX-License-Identifier: GPL-2.0
/*
 * Dumps of devices with one row of pools, of which the middle may go.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../kselftest.h"
#include "frmr_dump.h"

#define ROW		600
#define MIDDLE_BEGIN	150
#define MIDDLE_END	450

static struct frmr_key row_key(unsigned int size)
{
	return (struct frmr_key) { .vendor_key = 1, .num_dma_blocks = size };
}

static void pin_row(struct frmr_client *c, __u32 index, unsigned int from,
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
static bool stop_in_the_middle(struct frmr_client *c, __u32 index,
			       struct dump *dump)
{
	memset(dump, 0, sizeof(*dump));
	dump->check = check_row;
	dump_begin(c, index, false);
	while (dump->last.num_dma_blocks <= (MIDDLE_BEGIN + MIDDLE_END) / 2)
		if (frmr_receive(c, on_pools, dump) != 1)
			return false;
	return !dump->wrong;
}

/* The kernel is a few messages ahead of us, but not by the rest of the middle. */
static bool goes_on_after_the_middle(struct frmr_client *c, __u32 index,
				     struct dump *dump)
{
	struct frmr_client *other = calloc(1, sizeof(*other));
	bool gone;

	frmr_open(other, FRMR_LARGE_BUFFER);
	pin_row(other, index, MIDDLE_BEGIN + 1, MIDDLE_END, 0);
	gone = await_pools(index, ROW - (MIDDLE_END - MIDDLE_BEGIN));
	frmr_close(other);
	free(other);

	if (!gone || dump_finish(c, dump))
		return false;
	ksft_print_msg("%u pools shown, %u of them stay\n", dump->pools,
		       dump->stable);
	return !dump->wrong && dump->pools < ROW &&
	       dump->stable == ROW - (MIDDLE_END - MIDDLE_BEGIN);
}

bool test_a_dump_goes_on_where_pools_have_ended(void)
{
	static struct frmr_client c;
	static struct dump dump;
	__u32 index;
	bool ok;

	frmr_open(&c, FRMR_SMALL_BUFFER);
	index = device_new(&c, "frmr_dump1");
	set_aging(&c, index, 1);
	pin_row(&c, index, 1, ROW, 1);
	ok = stop_in_the_middle(&c, index, &dump) &&
	     goes_on_after_the_middle(&c, index, &dump) &&
	     device_is_content("frmr_dump1");
	link_delete(&c, index);
	frmr_close(&c);
	return ok;
}

bool test_a_dump_of_a_deleted_device_fails(void)
{
	static struct frmr_client c, other;
	static struct dump dump;
	__u32 index;
	bool ok;
	int err;

	frmr_open(&c, FRMR_SMALL_BUFFER);
	frmr_open(&other, FRMR_SMALL_BUFFER);
	index = device_new(&c, "frmr_dump1");
	pin_row(&c, index, 1, ROW, 1);
	ok = stop_in_the_middle(&c, index, &dump);
	link_delete(&other, index);
	err = dump_finish(&c, &dump);
	ksft_print_msg("%u pools shown, then: %s\n", dump.pools,
		       strerror(-err));
	frmr_close(&other);
	frmr_close(&c);
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
	struct frmr_client *c = calloc(1, sizeof(*c));
	struct dump *dump = calloc(1, sizeof(*dump));
	struct watcher *w = arg;
	int err;

	frmr_open(c, FRMR_SMALL_BUFFER);
	while (!atomic_load(&w->stop)) {
		memset(dump, 0, sizeof(*dump));
		dump->check = check_growing_row;
		err = dump_all(c, atomic_load(&w->index), false, dump);
		if (dump->wrong || (err && err != -EINVAL))
			atomic_store(&w->wrong, true);
		w->whole += !err;
		w->cut += err && dump->pools;
	}
	frmr_close(c);
	free(dump);
	free(c);
	return NULL;
}

bool test_devices_are_deleted_under_dumps(void)
{
	static struct watcher w = { .index = ~0u };
	static struct frmr_client c;
	__u32 index;
	int i;

	frmr_open(&c, FRMR_SMALL_BUFFER);
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
	frmr_close(&c);
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

bool test_thousands_of_sizes_leave_no_pool(void)
{
	static struct frmr_client c;
	unsigned int pools;
	double t;
	__u32 index;
	bool ok;

	frmr_open(&c, FRMR_SMALL_BUFFER);
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
	frmr_close(&c);
	return ok;
}
