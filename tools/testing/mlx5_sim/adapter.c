// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The adapter as a whole: the thread that looks for work; how it is reset,
 * dies, and is pulled out.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include "sim.h"

static uint spin_us = 200;
module_param(spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "How long the device looks out for work without a pause, in microseconds");

/* The state after power-on */
static void sim_reset(struct sim *sim)
{
	lockdep_assert_held(&sim->lock);
	sim_hca_reset(sim);
	sim_cmdq_reset(sim);
}

/* Does the driver start anew, or take the interface down? */
static bool sim_poll_seg(struct sim *sim)
{
	u64 queue;
	bool up;

	if (!sim_seg_poll(sim, &queue, &up))
		return false;
	sim_reset(sim);
	if (up)
		sim_cmdq_start(sim, queue);
	sim_seg_answer(sim, queue, up);
	return true;
}

static bool sim_poll_all(struct sim *sim)
{
	/* The queue was named before the doorbell rings for the first time. */
	u32 rung = sim_cmdq_rung(sim);
	bool busy = sim_poll_seg(sim);

	busy |= sim_cmdq_poll(sim, rung);
	busy |= sim_work_poll(sim);
	busy |= sim_cq_poll(sim);
	return busy;
}

/* True if there was work; else *@next says in how many ns there may be some. */
static bool sim_poll(struct sim *sim, u64 *next)
{
	bool busy;

	mutex_lock(&sim->lock);
	busy = !sim->pci.absent && sim_poll_all(sim);
	*next = sim_cmdq_next(sim);
	mutex_unlock(&sim->lock);
	return busy;
}

/*
 * Memory can't tell when it is written to, so look: all the time while there
 * is work, ever less often when there was none for a while.
 */
static int sim_adapter(void *data)
{
	struct sim *sim = data;
	u64 last_work = ktime_get_ns(), idle, next;

	/* The driver may spin, too, while it waits for the device. */
	sched_set_fifo_low(current);
	while (!kthread_should_stop()) {
		if (sim_poll(sim, &next)) {
			last_work = ktime_get_ns();
			cond_resched();
			continue;
		}
		idle = ktime_get_ns() - last_work;
		if (idle < spin_us * NSEC_PER_USEC)
			cond_resched();
		else if (next < 20 * NSEC_PER_USEC)
			usleep_range(next / NSEC_PER_USEC, 20);
		else if (next < U64_MAX || idle < 20 * NSEC_PER_MSEC)
			usleep_range(10, 20);
		else
			usleep_range(200, 400);
	}
	return 0;
}

int sim_start(struct sim *sim)
{
	sim->adapter = kthread_run(sim_adapter, sim, "sim_adapter");
	return PTR_ERR_OR_ZERO(sim->adapter);
}

void sim_stop(struct sim *sim)
{
	kthread_stop(sim->adapter);
	mutex_lock(&sim->lock);
	sim_reset(sim);
	mutex_unlock(&sim->lock);
}

/* The firmware dies. */
void sim_fatal(struct sim *sim)
{
	mutex_lock(&sim->lock);
	sim_reset(sim);
	sim_seg_fatal(sim);
	mutex_unlock(&sim->lock);
}

void sim_unplug(struct sim *sim)
{
	mutex_lock(&sim->lock);
	WRITE_ONCE(sim->pci.absent, true);
	sim_seg_vanish(sim);
	sim_reset(sim);
	mutex_unlock(&sim->lock);
	sim_pci_report_loss(&sim->pci);
	sim_pci_remove_device(&sim->pci);
}

void sim_plug(struct sim *sim)
{
	mutex_lock(&sim->lock);
	sim_seg_init(sim);
	WRITE_ONCE(sim->pci.absent, false);
	mutex_unlock(&sim->lock);
	sim_pci_insert_device(&sim->pci);
}
