/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Time stands still until a test moves it, and work that is due waits for the
 * test to run it.
 */
#ifndef _SHIM_LINUX_WORKQUEUE_H
#define _SHIM_LINUX_WORKQUEUE_H

#include <limits.h>

#include <linux/list.h>
#include <linux/atomic.h>

#define HZ 1000
#define MAX_JIFFY_OFFSET ((LONG_MAX >> 1) - 1)
extern unsigned long shim_jiffies;
#define jiffies READ_ONCE(shim_jiffies)
#define secs_to_jiffies(secs) ((unsigned long)((secs) * HZ))
#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_before_eq(a, b) (!time_after(a, b))

/* A clock of its own, which stands still as well */
#define NSEC_PER_USEC 1000L
extern unsigned long shim_ns;
#define ktime_get_ns() READ_ONCE(shim_ns)

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	work_func_t func;
	struct list_head entry;
	unsigned long expires;
	bool disabled;
	bool pending;
};

struct delayed_work {
	struct work_struct work;
};

struct workqueue_struct;

#define system_dfl_wq ((struct workqueue_struct *)NULL)

struct workqueue_struct *shim_workqueue(void);
void destroy_workqueue(struct workqueue_struct *wq);
#define create_singlethread_workqueue(name) shim_workqueue()

#define INIT_WORK(w, f) (*(w) = (struct work_struct) { .func = (f) })
#define INIT_DELAYED_WORK(d, f) INIT_WORK(&(d)->work, f)
#define to_delayed_work(w) container_of(w, struct delayed_work, work)

#define work_pending(w) READ_ONCE((w)->pending)
#define delayed_work_pending(d) work_pending(&(d)->work)

bool shim_queue_work(struct work_struct *work, unsigned long delay);
bool shim_mod_work(struct work_struct *work, unsigned long delay);
bool cancel_work_sync(struct work_struct *work);
bool disable_work_sync(struct work_struct *work);
bool flush_work(struct work_struct *work);

/* Moves the time on, and returns how many works ran that are due by then. */
unsigned int shim_advance(unsigned long ticks);

#define queue_work(wq, w) ({ (void)(wq); shim_queue_work(w, 0); })
#define queue_delayed_work(wq, d, delay) \
	({ (void)(wq); shim_queue_work(&(d)->work, delay); })
#define mod_delayed_work(wq, d, delay) \
	({ (void)(wq); shim_mod_work(&(d)->work, delay); })
#define cancel_delayed_work_sync(d) cancel_work_sync(&(d)->work)
#define disable_delayed_work_sync(d) disable_work_sync(&(d)->work)

#endif /* _SHIM_LINUX_WORKQUEUE_H */
