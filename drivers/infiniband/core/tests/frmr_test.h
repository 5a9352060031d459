/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the KUnit tests of the FRMR pools share.
 *
 * Time passes only when a test says so, by frmr_tick(); the few tests that need
 * the real timer are at the end of the aging suite. After each test the mock and
 * the pools must agree on what exists, and cleanup must leave nothing.
 */
#ifndef _FRMR_TEST_H
#define _FRMR_TEST_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/tracepoint.h>

#include "../frmr_pools.h"
#include "frmr_mock.h"

/* What a wait may take on a slow machine; only a failing test waits so long. */
#define FRMR_TEST_PATIENCE (30 * HZ)

#define FRMR_TEST_SUITE(_name, _cases)					\
	FRMR_TEST_SUITE_INIT(_name, frmr_mock_init, _cases)

#define FRMR_TEST_SUITE_INIT(_name, _init, _cases)			\
	static struct kunit_suite frmr_suite = {			\
		.name = _name,						\
		.init = _init,						\
		.exit = frmr_mock_exit,					\
		.test_cases = _cases,					\
	};								\
	kunit_test_suite(frmr_suite)

/**
 * struct frmr_thread - something that goes on in another thread
 * @mock: the device
 * @fn: what to do with it; a fatal signal is let through
 * @task: the thread
 * @done: complete when @fn has returned
 * @ret: what it returned
 */
struct frmr_thread {
	struct frmr_mock *mock;
	int (*fn)(struct frmr_mock *mock);
	struct task_struct *task;
	struct completion done;
	int ret;
};

struct frmr_thread *frmr_start(struct kunit *test,
			       int (*fn)(struct frmr_mock *mock));
int frmr_join(struct frmr_thread *thread);
bool frmr_ended(struct frmr_thread *thread);
void frmr_kill(struct frmr_thread *thread);
void frmr_kill_me(void);
void frmr_elsewhere(struct frmr_mock *mock, int (*fn)(struct frmr_mock *mock));

void frmr_dawdle(struct frmr_mock *mock);
void frmr_await_call(struct frmr_mock *mock);
void frmr_let_call_end(struct frmr_mock *mock);
struct frmr_thread *frmr_start_slow_create(struct kunit *test,
					   int (*fn)(struct frmr_mock *mock));
struct frmr_thread *frmr_start_slow_destroy(struct kunit *test,
					    int (*fn)(struct frmr_mock *mock));

int frmr_age_now(struct frmr_mock *mock);
int frmr_cleanup_now(struct frmr_mock *mock);
int frmr_reclaim_all(struct frmr_mock *mock);
struct frmr_thread *frmr_start_cleanup(struct kunit *test);

/* Polls, as timers and other threads take their time. */
#define frmr_wait_until(test, condition) do {				\
	unsigned long _end = jiffies + FRMR_TEST_PATIENCE;		\
	bool _late = false;						\
									\
	while (!_late && !(condition)) {				\
		msleep(20);						\
		_late = time_after(jiffies, _end);			\
	}								\
	KUNIT_ASSERT_FALSE_MSG(test, _late, "waited for " #condition);	\
} while (0)

struct ib_frmr_key frmr_key(size_t blocks);
struct ib_mr *frmr_mrs(struct kunit *test, u32 count);
int frmr_try_pop(struct kunit *test, struct ib_mr *mr, size_t blocks);
void frmr_pop_key(struct kunit *test, struct ib_mr *mr,
		  const struct ib_frmr_key *key);
void frmr_pop(struct kunit *test, struct ib_mr *mrs, u32 count, size_t blocks);
void frmr_push(struct kunit *test, struct ib_mr *mrs, u32 count);
int frmr_pin(struct kunit *test, size_t blocks, u32 count);
void frmr_stock(struct kunit *test, size_t blocks, u32 count);
void frmr_empty_pool(struct kunit *test, size_t blocks);
u32 frmr_reclaim(struct kunit *test, u32 count);
void frmr_tick(struct kunit *test);
void frmr_fail_creations(struct kunit *test, u32 count, int error);

bool frmr_next(struct kunit *test, const struct ib_frmr_key *after,
	       struct ib_frmr_pool_info *info);
u32 frmr_pool_count(struct kunit *test);
bool frmr_has_pool(struct kunit *test, size_t blocks);
struct ib_frmr_pool_info frmr_info(struct kunit *test, size_t blocks);

/* Macros, so that a failure names the line of the test. */
#define FRMR_EXPECT_POOL(test, blocks, want_idle, want_in_use) do {	\
	struct kunit *_test = test;					\
	struct ib_frmr_pool_info _info = frmr_info(_test, blocks);	\
									\
	KUNIT_EXPECT_EQ(_test, _info.idle, want_idle);			\
	KUNIT_EXPECT_EQ(_test, _info.in_use, want_in_use);		\
} while (0)

#define FRMR_EXPECT_STAT(test, blocks, stat, want) do {			\
	struct kunit *_test = test;					\
	struct ib_frmr_pool_info _info = frmr_info(_test, blocks);	\
									\
	KUNIT_EXPECT_EQ(_test, _info.stats[stat], want);		\
} while (0)

void frmr_limit_allocs(struct kunit *test, u32 good_allocs);
struct tracepoint *frmr_tracepoint(const char *name);

static inline void frmr_error_desc(const int *error, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%pe", ERR_PTR(*error));
}

/* Those that say "full", and those that don't */
extern const int frmr_full_errors[4];
extern const int frmr_final_errors[9];

#endif /* _FRMR_TEST_H */
