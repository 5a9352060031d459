// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What the KUnit tests of the FRMR pools share.
 */
#include <kunit/static_stub.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "frmr_test.h"

const int frmr_full_errors[] = { -ENOMEM, -ENOSPC, -EAGAIN, -EBUSY };

const int frmr_final_errors[] = {
	-EIO, -ETIMEDOUT, -EINVAL, -EOPNOTSUPP, -EREMOTEIO, -EINTR, -ENODEV,
	-EFAULT, -ENOENT
};

/*
 * Threads
 */

static int frmr_thread_main(void *data)
{
	struct frmr_thread *thread = data;

	allow_signal(SIGKILL);
	/* What the test has replaced is replaced here, too. */
	current->kunit_test = thread->mock->test;
	thread->ret = thread->fn(thread->mock);
	kthread_complete_and_exit(&thread->done, 0);
}

struct frmr_thread *frmr_start(struct kunit *test,
			       int (*fn)(struct frmr_mock *mock))
{
	struct frmr_thread *thread = kunit_kzalloc(test, sizeof(*thread),
						   GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, thread);
	thread->mock = test->priv;
	thread->fn = fn;
	init_completion(&thread->done);
	task = kthread_create(frmr_thread_main, thread, "frmr_test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	thread->task = get_task_struct(task);
	wake_up_process(task);
	return thread;
}

int frmr_join(struct frmr_thread *thread)
{
	wait_for_completion(&thread->done);
	put_task_struct(thread->task);
	return thread->ret;
}

bool frmr_ended(struct frmr_thread *thread)
{
	return completion_done(&thread->done);
}

void frmr_kill(struct frmr_thread *thread)
{
	send_sig(SIGKILL, thread->task, 1);
}

/* For threads of frmr_start() */
void frmr_kill_me(void)
{
	send_sig(SIGKILL, current, 1);
}

/* What another thread does meanwhile; for hooks, so without the mutexes. */
void frmr_elsewhere(struct frmr_mock *mock, int (*fn)(struct frmr_mock *mock))
{
	frmr_join(frmr_start(mock->test, fn));
}

/*
 * A call of the driver that takes its time. It ends by itself as well, in case
 * that the core has the test wait for it.
 */

void frmr_dawdle(struct frmr_mock *mock)
{
	WRITE_ONCE(mock->create_hook, NULL);
	WRITE_ONCE(mock->destroy_hook, NULL);
	complete(&mock->entered);
	wait_for_completion_timeout(&mock->may_end, 10 * HZ);
	/* Time for a core that does not wait to give up. */
	msleep(100);
}

void frmr_await_call(struct frmr_mock *mock)
{
	KUNIT_ASSERT_TRUE(mock->test,
			  wait_for_completion_timeout(&mock->entered,
						      FRMR_TEST_PATIENCE));
}

void frmr_let_call_end(struct frmr_mock *mock)
{
	complete(&mock->may_end);
}

/* End up in the midst of the first batch. */
struct frmr_thread *frmr_start_slow_create(struct kunit *test,
					   int (*fn)(struct frmr_mock *mock))
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *thread;

	mock->create_hook = frmr_dawdle;
	thread = frmr_start(test, fn);
	frmr_await_call(mock);
	return thread;
}

struct frmr_thread *frmr_start_slow_destroy(struct kunit *test,
					    int (*fn)(struct frmr_mock *mock))
{
	struct frmr_mock *mock = test->priv;
	struct frmr_thread *thread;

	mock->destroy_hook = frmr_dawdle;
	thread = frmr_start(test, fn);
	frmr_await_call(mock);
	return thread;
}

int frmr_age_now(struct frmr_mock *mock)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&mock->ibdev);

	KUNIT_ASSERT_NOT_NULL(mock->test, pools);
	frmr_pools_age(pools);
	ib_frmr_pools_put(pools);
	return 0;
}

int frmr_cleanup_now(struct frmr_mock *mock)
{
	ib_frmr_pools_cleanup(&mock->ibdev);
	return 0;
}

int frmr_reclaim_all(struct frmr_mock *mock)
{
	return ib_frmr_pools_reclaim(&mock->ibdev, U32_MAX);
}

/* Others have noticed by the time that this returns. */
struct frmr_thread *frmr_start_cleanup(struct kunit *test)
{
	struct frmr_thread *thread = frmr_start(test, frmr_cleanup_now);
	struct frmr_mock *mock = test->priv;

	frmr_wait_until(test, !READ_ONCE(mock->ibdev.frmr_pools));
	return thread;
}

/*
 * Handles and pools
 */

struct ib_frmr_key frmr_key(size_t blocks)
{
	return (struct ib_frmr_key) {
		.num_dma_blocks = blocks,
		.access_flags = IB_ACCESS_LOCAL_WRITE,
	};
}

struct ib_mr *frmr_mrs(struct kunit *test, u32 count)
{
	struct ib_mr *mrs = kunit_kcalloc(test, count, sizeof(*mrs),
					  GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mrs);
	return mrs;
}

int frmr_try_pop(struct kunit *test, struct ib_mr *mr, size_t blocks)
{
	mr->frmr.key = frmr_key(blocks);
	return frmr_mock_pop(test->priv, mr);
}

void frmr_pop_key(struct kunit *test, struct ib_mr *mr,
		  const struct ib_frmr_key *key)
{
	mr->frmr.key = *key;
	KUNIT_ASSERT_EQ(test, frmr_mock_pop(test->priv, mr), 0);
}

void frmr_pop(struct kunit *test, struct ib_mr *mrs, u32 count, size_t blocks)
{
	u32 i;

	for (i = 0; i < count; i++)
		KUNIT_ASSERT_EQ(test, frmr_try_pop(test, &mrs[i], blocks), 0);
}

void frmr_push(struct kunit *test, struct ib_mr *mrs, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		frmr_mock_push(test->priv, &mrs[i]);
}

int frmr_pin(struct kunit *test, size_t blocks, u32 count)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_key key = frmr_key(blocks);

	return ib_frmr_pools_set_pinned(&mock->ibdev, &key, count);
}

/* Unpinned idle handles in the pool of exactly so many blocks. */
void frmr_stock(struct kunit *test, size_t blocks, u32 count)
{
	KUNIT_ASSERT_EQ(test, frmr_pin(test, blocks, count), 0);
	KUNIT_ASSERT_EQ(test, frmr_pin(test, blocks, 0), 0);
}

/* From here on so many creations fail. */
void frmr_fail_creations(struct kunit *test, u32 count, int error)
{
	struct frmr_mock *mock = test->priv;

	mock->bad_calls = count;
	mock->error = error;
	mock->create_calls = 0;
}

/* An empty pool, as a failed creation leaves it. */
void frmr_empty_pool(struct kunit *test, size_t blocks)
{
	struct ib_mr *mr = frmr_mrs(test, 1);

	frmr_fail_creations(test, 1, -EINVAL);
	KUNIT_ASSERT_EQ(test, frmr_try_pop(test, mr, blocks), -EINVAL);
}

u32 frmr_reclaim(struct kunit *test, u32 count)
{
	struct frmr_mock *mock = test->priv;

	return ib_frmr_pools_reclaim(&mock->ibdev, count);
}

/* One aging period ends. */
void frmr_tick(struct kunit *test)
{
	frmr_age_now(test->priv);
}

/* @after may be the key in @info. A walk that goes astray might never end. */
bool frmr_next(struct kunit *test, const struct ib_frmr_key *after,
	       struct ib_frmr_pool_info *info)
{
	struct frmr_mock *mock = test->priv;
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&mock->ibdev);
	const struct ib_frmr_key last = *after;
	bool found;

	KUNIT_ASSERT_NOT_NULL(test, pools);
	found = ib_frmr_pools_next_info(pools, after, info);
	ib_frmr_pools_put(pools);
	if (found)
		KUNIT_ASSERT_GT(test, frmr_mock_key_cmp(&info->key, &last), 0);
	return found;
}

u32 frmr_pool_count(struct kunit *test)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;
	struct ib_frmr_pool_info info;
	u32 count = 0;

	while (frmr_next(test, after, &info)) {
		after = &info.key;
		count++;
	}
	return count;
}

static bool frmr_find(struct kunit *test, const struct ib_frmr_key *key,
		      struct ib_frmr_pool_info *info)
{
	static const struct ib_frmr_key start;
	const struct ib_frmr_key *after = &start;

	while (frmr_next(test, after, info)) {
		if (!frmr_mock_key_cmp(&info->key, key))
			return true;
		after = &info->key;
	}
	return false;
}

bool frmr_has_pool(struct kunit *test, size_t blocks)
{
	struct ib_frmr_key key = frmr_key(blocks);
	struct ib_frmr_pool_info info;

	return frmr_find(test, &key, &info);
}

struct ib_frmr_pool_info frmr_info(struct kunit *test, size_t blocks)
{
	struct ib_frmr_key key = frmr_key(blocks);
	struct ib_frmr_pool_info info;

	KUNIT_ASSERT_TRUE_MSG(test, frmr_find(test, &key, &info),
			      "no pool of %zu blocks", blocks);
	return info;
}

/*
 * Allocations that fail, or are counted
 */

static void *frmr_counting_alloc(size_t bytes)
{
	struct kunit *test = kunit_get_current_test();
	struct frmr_mock *mock = test->priv;
	void *memory;

	if (mock->allocs++ >= mock->good_allocs)
		return NULL;
	kunit_deactivate_static_stub(test, frmr_alloc);
	memory = frmr_alloc(bytes);
	kunit_activate_static_stub(test, frmr_alloc, frmr_counting_alloc);
	return memory;
}

/* From here on so many allocations succeed. */
void frmr_limit_allocs(struct kunit *test, u32 good_allocs)
{
	struct frmr_mock *mock = test->priv;

	mock->allocs = 0;
	mock->good_allocs = good_allocs;
	kunit_activate_static_stub(test, frmr_alloc, frmr_counting_alloc);
}

/*
 * Trace points
 */

struct frmr_tp_search {
	const char *name;
	struct tracepoint *tp;
};

static void frmr_match_tracepoint(struct tracepoint *tp, void *data)
{
	struct frmr_tp_search *search = data;

	if (!strcmp(tp->name, search->name))
		search->tp = tp;
}

/* NULL without trace points, and for those in a module. */
struct tracepoint *frmr_tracepoint(const char *name)
{
	struct frmr_tp_search search = { .name = name };

	for_each_kernel_tracepoint(frmr_match_tracepoint, &search);
	return search.tp;
}

MODULE_INFO(import_ns, "EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the FRMR pools");
MODULE_LICENSE("Dual BSD/GPL");
