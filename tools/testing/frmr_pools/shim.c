// SPDX-License-Identifier: GPL-2.0
/*
 * What the core needs of the kernel, in user space.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "asan.h"
#include "control.h"

/*
 * Messages
 */

atomic_t shim_expected_warnings;
atomic_t shim_dev_warnings;
bool shim_quiet;
__thread bool shim_killed;
__thread bool shim_noio;

void shim_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "BUG: %s:%d: %s\n", file, line, what);
	abort();
}

void shim_warn(const char *file, int line, const char *what)
{
	if (atomic_dec_return(&shim_expected_warnings) >= 0)
		return;
	shim_bug(file, line, what);
}

void shim_printk(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

void shim_dev_warn(const char *format, ...)
{
	va_list args;

	atomic_inc(&shim_dev_warnings);
	if (shim_quiet)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

/*
 * Memory
 */

bool (*shim_should_fail)(void);

#ifdef SHIM_CHECK
static atomic_long_t live;

static void shim_count(long change)
{
	atomic_long_add(change, &live);
}

long shim_live_allocations(void)
{
	return atomic_long_read(&live);
}
#else
static void shim_count(long change) {}
#endif

void *kvmalloc(size_t size, gfp_t gfp)
{
	void *p;

	if (gfp & __GFP_DIRECT_RECLAIM)
		might_sleep();
	if (unlikely(shim_should_fail) && shim_should_fail())
		return NULL;
	p = gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
	if (p)
		shim_count(1);
	return p;
}

void kfree(const void *p)
{
	if (p)
		shim_count(-1);
	free((void *)p);
}

/*
 * Locks
 */

__thread unsigned int shim_atomic_depth;

#ifdef SHIM_CHECK
bool (*shim_is_contended)(void);
#endif

#if defined(SHIM_CHECK) && !defined(SHIM_ONE_THREAD)
__thread u32 shim_dice;
#endif

void shim_read_lock_slow(rwlock_t *lock)
{
	unsigned int spins = 0;

	__atomic_fetch_sub(&lock->count, SHIM_RW_READER, __ATOMIC_RELAXED);
	spin_lock(&lock->queue);
	__atomic_fetch_add(&lock->count, SHIM_RW_READER, __ATOMIC_RELAXED);
	/* Pairs with the release in write_unlock(). */
	while (smp_load_acquire(&lock->count) & SHIM_RW_LOCKED)
		shim_spin(&spins);
	spin_unlock(&lock->queue);
}

void shim_write_lock_slow(rwlock_t *lock)
{
	unsigned int spins = 0;
	u32 old;

	spin_lock(&lock->queue);
	__atomic_fetch_or(&lock->count, SHIM_RW_WAITING, __ATOMIC_RELAXED);
	do {
		old = SHIM_RW_WAITING;
		if (try_cmpxchg_acquire(&lock->count, &old, SHIM_RW_LOCKED))
			break;
		shim_spin(&spins);
	} while (true);
	spin_unlock(&lock->queue);
}

/*
 * Mutexes: a thread that waits for one does not keep a grace period waiting.
 */

void mutex_lock(struct mutex *mutex)
{
	might_sleep();
	if (mutex_trylock(mutex))
		return;
	rcu_thread_offline();
	pthread_mutex_lock(&mutex->lock);
	rcu_thread_online();
	shim_own(&mutex->owner);
}

int mutex_lock_killable(struct mutex *mutex)
{
	might_sleep();
	if (mutex_trylock(mutex))
		return 0;
	if (fatal_signal_pending(current))
		return -EINTR;
	mutex_lock(mutex);
	return 0;
}

bool mutex_trylock(struct mutex *mutex)
{
	if (pthread_mutex_trylock(&mutex->lock))
		return false;
	shim_own(&mutex->owner);
	return true;
}

void mutex_unlock(struct mutex *mutex)
{
	shim_disown(&mutex->owner);
	pthread_mutex_unlock(&mutex->lock);
}

/*
 * RCU
 */

#ifdef SHIM_ONE_THREAD

static unsigned int readers;
static struct rcu_head *callbacks;

static void shim_rcu_end(void)
{
	struct rcu_head *head;

	while (!readers && callbacks) {
		head = callbacks;
		callbacks = head->next;
		head->func(head);
	}
}

void rcu_read_lock(void)
{
	shim_atomic_enter();
	readers++;
}

void rcu_read_unlock(void)
{
	readers--;
	shim_atomic_exit();
	shim_rcu_end();
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = callbacks;
	callbacks = head;
	shim_rcu_end();
}

#elif defined(SHIM_TSAN)

char shim_rcu_order;

/* liburcu is not compiled for it; its own memory is none of our business. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "ignore_noninstrumented_modules=1";
}

/* A callback that ThreadSanitizer knows to come after all readers. */
struct shim_rcu_call {
	struct rcu_head head;
	struct rcu_head *arg;
	void (*func)(struct rcu_head *head);
};

static void shim_rcu_call(struct rcu_head *head)
{
	struct shim_rcu_call *call =
		container_of(head, struct shim_rcu_call, head);

	shim_rcu_done();
	__tsan_acquire(call);
	call->func(call->arg);
	free(call);
}

#undef call_rcu
void shim_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	struct shim_rcu_call *call = malloc(sizeof(*call));

	call->arg = head;
	call->func = func;
	__tsan_release(call);
	urcu_memb_call_rcu(&call->head, shim_rcu_call);
}

#define call_rcu(head, func) shim_call_rcu(head, func)
#endif

struct shim_garbage {
	struct rcu_head head;
	void *p;
};

static void shim_free_garbage(struct rcu_head *head)
{
	struct shim_garbage *garbage =
		container_of(head, struct shim_garbage, head);

	free(garbage->p);
	free(garbage);
}

void shim_kfree_rcu(void *p)
{
	struct shim_garbage *garbage = malloc(sizeof(*garbage));

	if (!garbage)
		abort();
	garbage->p = p;
	shim_count(-1);
	call_rcu(&garbage->head, shim_free_garbage);
}

struct shrinker *shim_shrinker;

/*
 * Time and work
 */

unsigned long shim_jiffies = 1000;
unsigned long shim_ns;

static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_done = PTHREAD_COND_INITIALIZER;
static LIST_HEAD(works);
static struct work_struct *running;

/* Takes the work from the queue; false if it is not there. */
static bool shim_dequeue(struct work_struct *work)
{
	if (!work->pending)
		return false;
	WRITE_ONCE(work->pending, false);
	list_del(&work->entry);
	return true;
}

static void shim_enqueue(struct work_struct *work, unsigned long delay)
{
	work->expires = jiffies + delay;
	WRITE_ONCE(work->pending, true);
	list_add_tail(&work->entry, &works);
}

bool shim_queue_work(struct work_struct *work, unsigned long delay)
{
	bool queue;

	pthread_mutex_lock(&work_lock);
	queue = !work->pending && !work->disabled;
	if (queue)
		shim_enqueue(work, delay);
	pthread_mutex_unlock(&work_lock);
	return queue;
}

bool shim_mod_work(struct work_struct *work, unsigned long delay)
{
	bool was;

	pthread_mutex_lock(&work_lock);
	was = shim_dequeue(work);
	if (!work->disabled)
		shim_enqueue(work, delay);
	pthread_mutex_unlock(&work_lock);
	return was;
}

static bool shim_cancel(struct work_struct *work)
{
	bool was;

	pthread_mutex_lock(&work_lock);
	was = shim_dequeue(work);
	pthread_mutex_unlock(&work_lock);
	return was;
}

static void shim_wait_for_work(struct work_struct *work)
{
	while (running == work)
		pthread_cond_wait(&work_done, &work_lock);
}

static bool shim_stop_work(struct work_struct *work, bool disable)
{
	bool was;

	might_sleep();
	pthread_mutex_lock(&work_lock);
	work->disabled |= disable;
	was = shim_dequeue(work);
	shim_wait_for_work(work);
	pthread_mutex_unlock(&work_lock);
	return was;
}

bool cancel_work_sync(struct work_struct *work)
{
	bool was = shim_stop_work(work, false);

	/* It may have queued itself again. */
	return shim_cancel(work) || was;
}

bool disable_work_sync(struct work_struct *work)
{
	return shim_stop_work(work, true);
}

/* Called and returns with the lock; the work may be gone afterwards. */
static void shim_run(struct work_struct *work)
{
	while (running)
		pthread_cond_wait(&work_done, &work_lock);
	if (!shim_dequeue(work))
		return;
	running = work;
	pthread_mutex_unlock(&work_lock);
	work->func(work);
	SHIM_ASSERT(!shim_atomic_depth);
	pthread_mutex_lock(&work_lock);
	running = NULL;
	pthread_cond_broadcast(&work_done);
}

static struct work_struct *shim_due_work(void)
{
	struct work_struct *work;

	list_for_each_entry(work, &works, entry)
		if (time_before_eq(work->expires, jiffies))
			return work;
	return NULL;
}

unsigned int shim_advance(unsigned long ticks)
{
	struct work_struct *work;
	unsigned int count = 0;

	pthread_mutex_lock(&work_lock);
	WRITE_ONCE(shim_jiffies, shim_jiffies + ticks);
	do {
		while (running)
			pthread_cond_wait(&work_done, &work_lock);
		work = shim_due_work();
		if (!work)
			break;
		shim_run(work);
		count++;
	} while (true);
	pthread_mutex_unlock(&work_lock);
	return count;
}

bool shim_next_work(unsigned long *ticks)
{
	unsigned long next = ULONG_MAX;
	struct work_struct *work;
	bool found;

	pthread_mutex_lock(&work_lock);
	found = !list_empty(&works);
	list_for_each_entry(work, &works, entry)
		next = min(next, work->expires - jiffies);
	pthread_mutex_unlock(&work_lock);
	*ticks = next;
	return found;
}

bool flush_work(struct work_struct *work)
{
	bool was;

	might_sleep();
	pthread_mutex_lock(&work_lock);
	was = work->pending || running == work;
	shim_wait_for_work(work);
	if (work->pending)
		shim_run(work);
	pthread_mutex_unlock(&work_lock);
	return was;
}

struct workqueue_struct {
	int unused;
};

struct workqueue_struct *shim_workqueue(void)
{
	return kzalloc(sizeof(struct workqueue_struct), GFP_KERNEL);
}

/* Its work has been cancelled. */
void destroy_workqueue(struct workqueue_struct *wq)
{
	kfree(wq);
}

/*
 * Waiting
 */

static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wait_cond = PTHREAD_COND_INITIALIZER;
static atomic_t waiters;

void shim_wait_begin(void)
{
	pthread_mutex_lock(&wait_lock);
	atomic_inc_return(&waiters);
}

void shim_wait(void)
{
	rcu_thread_offline();
	pthread_cond_wait(&wait_cond, &wait_lock);
	rcu_thread_online();
}

void shim_wait_end(void)
{
	atomic_dec(&waiters);
	pthread_mutex_unlock(&wait_lock);
}

/* The caller's change comes before, fully ordered. */
void shim_wake(void)
{
	if (!atomic_read(&waiters))
		return;
	pthread_mutex_lock(&wait_lock);
	pthread_cond_broadcast(&wait_cond);
	pthread_mutex_unlock(&wait_lock);
}

/*
 * CPUs
 */

__thread int shim_cpu;
unsigned int nr_cpu_ids = 1;

void shim_set_cpus(unsigned int count)
{
	nr_cpu_ids = min_t(unsigned int, count, SHIM_MAX_CPUS);
}

/*
 * Per-CPU memory: pieces of a power of two in the unit of CPU 0, and the same
 * in the units of all others.
 */

#define SHIM_PERCPU_CLASSES 24
#define SHIM_PERCPU_MIN_SHIFT 4

struct shim_percpu_piece {
	struct shim_percpu_piece *next;
	size_t offset;
	unsigned int class;
};

static pthread_mutex_t percpu_lock = PTHREAD_MUTEX_INITIALIZER;
static char *percpu_base;
static size_t percpu_end;
static size_t percpu_used;
static struct shim_percpu_piece *percpu_free[SHIM_PERCPU_CLASSES];
static struct shim_percpu_piece *percpu_pieces[SHIM_PERCPU_UNIT >> 12];

static void shim_percpu_map(void)
{
	if (percpu_base)
		return;
	percpu_base = mmap(NULL, SHIM_MAX_CPUS * SHIM_PERCPU_UNIT,
			   PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	SHIM_ASSERT(percpu_base != MAP_FAILED);
}

/* The list of the pieces in use that a piece at @offset is in. */
static struct shim_percpu_piece **shim_percpu_list(size_t offset)
{
	return &percpu_pieces[offset >> 12];
}

static struct shim_percpu_piece *shim_percpu_get(unsigned int class)
{
	size_t size = 1UL << class;
	struct shim_percpu_piece *piece = percpu_free[class];

	if (piece) {
		percpu_free[class] = piece->next;
		return piece;
	}
	percpu_end = (percpu_end + size - 1) & ~(size - 1);
	if (percpu_end + size > SHIM_PERCPU_UNIT)
		return NULL;
	piece = malloc(sizeof(*piece));
	piece->class = class;
	piece->offset = percpu_end;
	percpu_end += size;
	return piece;
}

void *shim_alloc_percpu(size_t size, size_t align, gfp_t gfp)
{
	unsigned int class = SHIM_PERCPU_MIN_SHIFT;
	struct shim_percpu_piece *piece, **list;
	unsigned int cpu;
	void *p;

	if (gfp & __GFP_DIRECT_RECLAIM) {
		might_sleep();
		/* The kernel's takes its time, in which others get here. */
		sched_yield();
	}
	if (shim_should_fail && shim_should_fail())
		return NULL;
	while (1UL << class < max(size, align))
		class++;
	SHIM_ASSERT(class < SHIM_PERCPU_CLASSES);
	pthread_mutex_lock(&percpu_lock);
	shim_percpu_map();
	piece = shim_percpu_get(class);
	if (piece) {
		list = shim_percpu_list(piece->offset);
		piece->next = *list;
		*list = piece;
		WRITE_ONCE(percpu_used, percpu_used + (nr_cpu_ids << class));
	}
	pthread_mutex_unlock(&percpu_lock);
	if (!piece)
		return NULL;
	shim_count(1);
	p = percpu_base + piece->offset;
	for_each_possible_cpu(cpu) {
		ASAN_UNPOISON_MEMORY_REGION(per_cpu_ptr(p, cpu), 1UL << class);
		memset(per_cpu_ptr(p, cpu), 0, 1UL << class);
	}
	return p;
}

void free_percpu(void *p)
{
	struct shim_percpu_piece *piece, **list;
	unsigned int cpu;
	size_t offset;

	if (!p)
		return;
	offset = (char *)p - percpu_base;
	shim_count(-1);
	pthread_mutex_lock(&percpu_lock);
	list = shim_percpu_list(offset);
	while (*list && (*list)->offset != offset)
		list = &(*list)->next;
	piece = *list;
	SHIM_ASSERT(piece);
	for_each_possible_cpu(cpu)
		ASAN_POISON_MEMORY_REGION(per_cpu_ptr(p, cpu),
					  1UL << piece->class);
	*list = piece->next;
	piece->next = percpu_free[piece->class];
	percpu_free[piece->class] = piece;
	WRITE_ONCE(percpu_used, percpu_used - (nr_cpu_ids << piece->class));
	pthread_mutex_unlock(&percpu_lock);
}

size_t shim_percpu_bytes(void)
{
	return READ_ONCE(percpu_used);
}
