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

#define HZ 1000UL
#define MAX_JIFFY_OFFSET ((LONG_MAX >> 1) - 1)
extern unsigned long shim_jiffies;
#define jiffies READ_ONCE(shim_jiffies)
#define get_jiffies_64() ((u64)jiffies)
#define msecs_to_jiffies(ms) ((unsigned long)(ms) * HZ / 1000)
#define secs_to_jiffies(secs) ((unsigned long)(secs) * HZ)
#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_before(a, b) time_after(b, a)
#define time_after_eq(a, b) (!time_before(a, b))
#define time_before_eq(a, b) (!time_after(a, b))

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	work_func_t func;
	struct list_head entry;
	unsigned long expires;
	int disabled;
	bool pending;
};

struct delayed_work {
	struct work_struct work;
};

struct workqueue_struct;

#define system_wq ((struct workqueue_struct *)NULL)
#define system_long_wq system_wq
#define system_unbound_wq system_wq
#define system_percpu_wq system_wq
#define system_dfl_wq system_wq
#define system_highpri_wq system_wq
#define system_freezable_wq system_wq
#define WQ_UNBOUND 0
#define WQ_MEM_RECLAIM 0
#define WQ_PERCPU 0
#define WQ_HIGHPRI 0

struct workqueue_struct *shim_workqueue(void);

#define alloc_workqueue(format, flags, max_active, ...) shim_workqueue()
#define alloc_ordered_workqueue(format, flags, ...) shim_workqueue()
#define create_workqueue(name) shim_workqueue()
#define create_singlethread_workqueue(name) shim_workqueue()

void flush_workqueue(struct workqueue_struct *wq);
void destroy_workqueue(struct workqueue_struct *wq);
#define drain_workqueue(wq) flush_workqueue(wq)

#define INIT_WORK(w, f) (*(w) = (struct work_struct) { .func = (f) })
#define INIT_DELAYED_WORK(d, f) INIT_WORK(&(d)->work, f)
#define INIT_DEFERRABLE_WORK(d, f) INIT_DELAYED_WORK(d, f)
#define to_delayed_work(w) container_of(w, struct delayed_work, work)

#define work_pending(w) READ_ONCE((w)->pending)
#define delayed_work_pending(d) work_pending(&(d)->work)

bool shim_queue_work(struct work_struct *work, unsigned long delay);
bool shim_mod_work(struct work_struct *work, unsigned long delay);
bool cancel_work(struct work_struct *work);
bool cancel_work_sync(struct work_struct *work);
bool disable_work_sync(struct work_struct *work);
bool enable_work(struct work_struct *work);
bool flush_work(struct work_struct *work);
bool flush_delayed_work(struct delayed_work *dwork);

#define queue_work(wq, w) ({ (void)(wq); shim_queue_work(w, 0); })
#define schedule_work(w) shim_queue_work(w, 0)
#define queue_delayed_work(wq, d, delay) \
	({ (void)(wq); shim_queue_work(&(d)->work, delay); })
#define schedule_delayed_work(d, delay) shim_queue_work(&(d)->work, delay)
#define mod_delayed_work(wq, d, delay) \
	({ (void)(wq); shim_mod_work(&(d)->work, delay); })
#define cancel_delayed_work(d) cancel_work(&(d)->work)
#define cancel_delayed_work_sync(d) cancel_work_sync(&(d)->work)
#define disable_delayed_work_sync(d) disable_work_sync(&(d)->work)
#define enable_delayed_work(d) enable_work(&(d)->work)

#endif /* _SHIM_LINUX_WORKQUEUE_H */
