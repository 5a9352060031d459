// SPDX-License-Identifier: GPL-2.0
/*
 * Makes each memory allocation that the kernel does for ibv_reg_mr() and
 * ibv_dereg_mr() fail, one at a time, and proves that a failure is reported,
 * leaves nothing behind, and breaks nothing.
 * See Documentation/fault-injection/fault-injection.rst about fail-nth.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../kselftest.h"
#include "rdma_util.h"

#define MAX_PAGES	20000
#define MAX_KEPT	1000
#define BOUNCE_BYTES	PAGE
#define DEBUGFS		"/sys/kernel/debug/"
#define KMEMLEAK	DEBUGFS "kmemleak"
#define KMEMLEAK_MIN_AGE	6	/* seconds until it reports an object */

static const size_t sizes[] = { 1, 3, 1000, MAX_PAGES };

/*
 * fail-nth needs no probability, but each kind of fault has exceptions that
 * would spare the allocations that registration does.
 */
static struct setting {
	const char *path;
	const char *value;
	char saved[16];
} settings[] = {
	{ .path = DEBUGFS "failslab/ignore-gfp-wait", .value = "N" },
	{ .path = DEBUGFS "failslab/cache-filter", .value = "N" },
	{ .path = DEBUGFS "failslab/verbose", .value = "0" },
	{ .path = DEBUGFS "fail_page_alloc/ignore-gfp-wait", .value = "N" },
	{ .path = DEBUGFS "fail_page_alloc/ignore-gfp-highmem", .value = "N" },
	{ .path = DEBUGFS "fail_page_alloc/min-order", .value = "0" },
	{ .path = DEBUGFS "fail_page_alloc/verbose", .value = "0" },
	{ .path = DEBUGFS "fail_usercopy/verbose", .value = "0" },
};

static struct rdma_device dev;
static struct ibv_pd *pd;
static struct rdma_pair pair;
static char *mem;
static char *bounce;
static struct ibv_mr *bounce_mr;
static int fail_nth_fd;

struct tally {
	unsigned int failed;	/* the fault made the verb fail */
	unsigned int endured;	/* the verb succeeded in spite of it */
	bool wrong;
};

static bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return false;
	buf[len] = '\0';
	return true;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

static void restore_settings(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (settings[i].saved[0])
			write_file(settings[i].path, settings[i].saved);
}

/* Kinds of fault that this kernel does not have are no loss. */
static void change_settings(void)
{
	struct setting *s;

	atexit(restore_settings);
	for (s = settings; s < settings + ARRAY_SIZE(settings); s++)
		if (read_file(s->path, s->saved, sizeof(s->saved)))
			write_file(s->path, s->value);
}

/* Writing the number is itself subject to an earlier number. */
static void set_fail_nth(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	while (pwrite(fail_nth_fd, text, len, 0) < 0)
		if (errno != EFAULT)
			ksft_exit_fail_perror("write fail-nth");
}

/*
 * Ends the injection and tells whether there was a fault. A number that is
 * left means none; that it hits its own reading means none either.
 */
static bool was_injected(void)
{
	char text[16] = "";
	ssize_t len = pread(fail_nth_fd, text, sizeof(text) - 1, 0);

	set_fail_nth(0);
	return len > 0 && !strtoul(text, NULL, 10);
}

static unsigned long pinned_kb(void)
{
	unsigned long kb = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	if (!f)
		ksft_exit_fail_perror("/proc/self/status");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmPin: %lu", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static bool write_reaches(struct ibv_mr *mr, char *addr)
{
	static char value;
	struct ibv_sge sge = {
		.addr = (uintptr_t)bounce,
		.length = BOUNCE_BYTES,
		.lkey = bounce_mr->lkey,
	};
	int status;

	memset(bounce, ++value, BOUNCE_BYTES);
	status = rdma_write(&pair, &sge, (uintptr_t)addr, mr->rkey);
	if (!status)
		return !memcmp(bounce, addr, BOUNCE_BYTES);

	ksft_print_msg("RDMA WRITE: %s\n", rdma_strstatus(status));
	if (rdma_pair_reconnect(&pair))
		ksft_exit_fail_msg("no queue pairs to go on with\n");
	return false;
}

static bool works(struct ibv_mr *mr)
{
	return write_reaches(mr, mem) &&
	       write_reaches(mr, mem + mr->length - BOUNCE_BYTES);
}

/* EFAULT comes from fail_usercopy, where the kernel has that. */
static bool is_expected(int err)
{
	return err == ENOMEM || err == EFAULT;
}

static void count(struct tally *t, unsigned int nth, bool injected, int err)
{
	if (err && !(injected && is_expected(err))) {
		ksft_print_msg("fault %u%s: %s\n", nth,
			       injected ? "" : " (not injected)",
			       strerror(err));
		t->wrong = true;
	}
	if (injected && err)
		t->failed++;
	else if (injected)
		t->endured++;
}

static void demand(struct tally *t, bool ok, unsigned int nth,
		   const char *what)
{
	if (ok)
		return;
	ksft_print_msg("fault %u: %s\n", nth, what);
	t->wrong = true;
}

static struct ibv_mr *reg(size_t pages)
{
	return ibv_reg_mr(pd, mem, pages * PAGE, ACCESS_ALL);
}

static struct ibv_mr *reg_with_fault(size_t pages, unsigned int nth,
				     struct tally *t, bool *injected)
{
	struct ibv_mr *mr;
	int err;

	set_fail_nth(nth);
	mr = reg(pages);
	err = mr ? 0 : errno;
	*injected = was_injected();
	count(t, nth, *injected, err);
	if (mr)
		demand(t, works(mr), nth, "registered, but does not work");
	return mr;
}

/* @faults: whether there must be something that can fail. */
static void report(const struct tally *t, const char *what, size_t pages,
		   unsigned long pinned_before, bool faults)
{
	unsigned long pinned = pinned_kb();

	if (pinned != pinned_before)
		ksft_print_msg("%lu kB pinned before, %lu kB after\n",
			       pinned_before, pinned);
	ksft_test_result(!t->wrong && pinned == pinned_before &&
			 (!faults || t->failed + t->endured),
			 "%s of %zu pages: %u faults failed it, %u did not\n",
			 what, pages, t->failed, t->endured);
}

/* Each registration finds the object that the one before gave back. */
static void test_reg_reused(size_t pages)
{
	unsigned long pinned = pinned_kb();
	struct tally t = {};
	bool injected = true;
	struct ibv_mr *mr;
	unsigned int nth;

	for (nth = 1; injected && !t.wrong; nth++) {
		mr = reg_with_fault(pages, nth, &t, &injected);
		if (mr)
			demand(&t, !ibv_dereg_mr(mr), nth, "not deregistered");
	}
	report(&t, "registration (object reused)", pages, pinned, true);
}

/*
 * Each registration finds no idle object: the one that a failed registration
 * gave back is taken and kept before the next.
 */
static void reg_new_once(size_t pages, struct tally *t)
{
	static struct ibv_mr *kept[MAX_KEPT];
	unsigned int nth, nr_kept = 0;
	bool injected = true;
	struct ibv_mr *mr;

	for (nth = 1; injected && !t->wrong && nr_kept < MAX_KEPT; nth++) {
		mr = reg_with_fault(pages, nth, t, &injected);
		if (!mr)
			mr = reg(pages);
		demand(t, mr, nth, "no registration afterwards");
		if (mr)
			kept[nr_kept++] = mr;
	}
	demand(t, nr_kept < MAX_KEPT, nth, "too many faults");
	while (nr_kept)
		demand(t, !ibv_dereg_mr(kept[--nr_kept]), nth,
		       "not deregistered");
}

/*
 * Twice, as what the kernel sets up for the first region of a size is there
 * for the next: a number then means a later fault, and one may be skipped.
 */
static void test_reg_new(size_t pages)
{
	unsigned long pinned = pinned_kb();
	struct tally t = {};

	reg_new_once(pages, &t);
	reg_new_once(pages, &t);
	report(&t, "registration (new object)", pages, pinned, true);
}

/* A deregistration that fails leaves a region that works and can go later. */
static bool dereg_with_fault(struct ibv_mr *mr, unsigned int nth,
			     struct tally *t)
{
	bool injected;
	int err;

	set_fail_nth(nth);
	err = ibv_dereg_mr(mr);
	injected = was_injected();
	count(t, nth, injected, err);
	if (err) {
		demand(t, works(mr), nth, "not deregistered, but gone");
		demand(t, !ibv_dereg_mr(mr), nth, "not deregistered later");
	}
	return injected;
}

static void test_dereg(size_t pages)
{
	unsigned long pinned = pinned_kb();
	struct tally t = {};
	bool injected = true;
	struct ibv_mr *mr;
	unsigned int nth;

	for (nth = 1; injected && !t.wrong; nth++) {
		mr = reg(pages);
		demand(&t, mr, nth, "no registration afterwards");
		if (mr)
			injected = dereg_with_fault(mr, nth, &t);
	}
	/* Nothing to fail is fine: a pool takes objects back without memory. */
	report(&t, "deregistration", pages, pinned, false);
}

static void test_kmemleak(void)
{
	char found[2048] = "";

	if (access(KMEMLEAK, W_OK)) {
		ksft_test_result_skip("no leak: this kernel has no kmemleak\n");
		return;
	}
	sleep(KMEMLEAK_MIN_AGE);
	/* An object can hide from one scan in a register or on a stack. */
	write_file(KMEMLEAK, "scan");
	write_file(KMEMLEAK, "scan");
	if (!read_file(KMEMLEAK, found, sizeof(found)))
		ksft_perror(KMEMLEAK);
	if (found[0])
		ksft_print_msg("%s\n", found);
	ksft_test_result(!found[0], "no leak: kmemleak found none\n");
}

static void open_fail_nth(void)
{
	fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fail_nth_fd < 0)
		ksft_exit_skip("no fail-nth: needs CONFIG_FAULT_INJECTION and root\n");
}

/* Neighbours would be one entry of the scatterlist, and need less memory. */
static char *map_pages(size_t pages)
{
	char *p = rdma_map_scattered(pages);

	if (p == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return p;
}

static void open_rdma(void)
{
	const char *name = getenv("RDMA_DEVICE") ?: "rxe0";

	if (rdma_open(&dev, name, 1, RDMA_GID_AUTO))
		ksft_exit_skip("no RDMA device %s\n", name);
	pd = ibv_alloc_pd(dev.context);
	if (!pd || rdma_pair_open(&pair, &dev, pd, pd))
		ksft_exit_fail_msg("cannot set up %s\n", name);
	bounce_mr = ibv_reg_mr(pd, bounce, BOUNCE_BYTES,
			       IBV_ACCESS_LOCAL_WRITE);
	if (!bounce_mr)
		ksft_exit_fail_perror("ibv_reg_mr");
}

static void close_rdma(void)
{
	ibv_dereg_mr(bounce_mr);
	rdma_pair_close(&pair);
	ibv_dealloc_pd(pd);
	rdma_close(&dev);
}

int main(void)
{
	size_t i;

	ksft_print_header();
	open_fail_nth();
	mem = map_pages(MAX_PAGES);
	bounce = map_pages(1);
	open_rdma();
	change_settings();
	write_file(KMEMLEAK, "clear");
	ksft_set_plan(3 * ARRAY_SIZE(sizes) + 1);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		test_reg_new(sizes[i]);
		test_reg_reused(sizes[i]);
		test_dereg(sizes[i]);
	}
	close_rdma();
	test_kmemleak();
	ksft_finished();
}
