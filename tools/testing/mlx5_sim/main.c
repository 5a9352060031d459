// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A simulated ConnectX: a PCI function made of memory and a thread, which the
 * real mlx5 drivers bring up and use. See README.rst.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sched.h>
#include "sim.h"

static unsigned long bar = SZ_1G;
module_param(bar, ulong, 0444);
MODULE_PARM_DESC(bar, "Physical address of 16 MiB kept from the kernel (memmap=16M$1G)");

static uint command_time_us;
module_param(command_time_us, uint, 0444);
MODULE_PARM_DESC(command_time_us, "How long the firmware takes for a command, in microseconds");

static uint create_time_us;
module_param(create_time_us, uint, 0444);
MODULE_PARM_DESC(create_time_us, "How long it takes for CREATE_MKEY; 0: as for the others");

static uint destroy_time_us;
module_param(destroy_time_us, uint, 0444);
MODULE_PARM_DESC(destroy_time_us, "How long it takes for DESTROY_MKEY; 0: as for the others");

static uint commands_at_once = 1;
module_param(commands_at_once, uint, 0444);
MODULE_PARM_DESC(commands_at_once, "How many commands the firmware carries out at once, up to 32");

static uint command_timeout_ms;
module_param(command_timeout_ms, uint, 0444);
MODULE_PARM_DESC(command_timeout_ms, "How long the driver is to wait for a command, in milliseconds; 0: as long as it likes");

static uint max_mkeys = BIT(SIM_LOG_MAX_MKEY);
module_param(max_mkeys, uint, 0444);
MODULE_PARM_DESC(max_mkeys, "How many mkeys the device can hold");

static bool transport_faults;
module_param(transport_faults, bool, 0444);
MODULE_PARM_DESC(transport_faults, "Raise page faults by the transport scheme");

static bool devx;
module_param(devx, bool, 0444);
MODULE_PARM_DESC(devx, "Let users send commands of their own");

static bool short_umrs;
module_param(short_umrs, bool, 0444);
MODULE_PARM_DESC(short_umrs, "Let UMRs change the first 65536 translations of an mkey only");

static bool fixed_pages;
module_param(fixed_pages, bool, 0444);
MODULE_PARM_DESC(fixed_pages, "Let UMRs change no page size, so that no mkey can be reused for a user");

static uint spin_us = 200;
module_param(spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "How long the device looks out for work without a pause, in microseconds");

static struct sim *the_sim;

/* All but the pages and the command queue goes. */
void sim_reset_objects(struct sim *sim)
{
	lockdep_assert_held(&sim->lock);
	sim_qp_reset(sim);
	sim_srq_reset(sim);
	sim_cq_reset(sim);
	sim_eq_reset(sim);
	sim_mkey_reset(sim);
	sim_fault_reset(sim);
	sim_caps_reset(sim);
}

/* The state after power-on */
void sim_reset(struct sim *sim)
{
	sim_reset_objects(sim);
	sim_pages_reset(sim);
	sim_cmd_reset(sim);
}

/* True if there was work; else *@next says in how many ns there may be some. */
static bool sim_poll(struct sim *sim, u64 *next)
{
	bool busy = false;

	mutex_lock(&sim->lock);
	if (!sim->absent) {
		busy |= sim_seg_poll(sim);
		busy |= sim_qp_poll(sim);
		busy |= sim_cq_poll(sim);
	}
	*next = sim_cmd_next(sim);
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

static int sim_start(struct sim *sim)
{
	sim->adapter = kthread_run(sim_adapter, sim, "sim_adapter");
	return PTR_ERR_OR_ZERO(sim->adapter);
}

static void sim_stop(struct sim *sim)
{
	kthread_stop(sim->adapter);
}

static struct sim *sim_alloc(void)
{
	struct sim *sim = kvzalloc(sizeof(*sim), GFP_KERNEL);

	if (!sim)
		return NULL;
	mutex_init(&sim->lock);
	xa_init_flags(&sim->eqs, XA_FLAGS_ALLOC1);
	xa_init_flags(&sim->cqs, XA_FLAGS_ALLOC1);
	xa_init_flags(&sim->srqs, XA_FLAGS_ALLOC1);
	xa_init_flags(&sim->qps, XA_FLAGS_ALLOC1);
	xa_init_flags(&sim->mkeys, XA_FLAGS_ALLOC1);
	xa_init_flags(&sim->page_faults, XA_FLAGS_ALLOC);
	INIT_LIST_HEAD(&sim->qp_list);
	sim->window.name = "mlx5_sim";
	sim->window.start = bar;
	sim->window.end = bar + SIM_BAR_SIZE - 1;
	sim->window.flags = IORESOURCE_MEM;
	sim->command_time_us = command_time_us;
	sim->create_time_us = create_time_us;
	sim->destroy_time_us = destroy_time_us;
	sim->commands_at_once = commands_at_once;
	sim->command_timeout_ms = command_timeout_ms;
	sim->max_mkeys = max_mkeys;
	sim->transport_faults = transport_faults;
	sim->devx = devx;
	sim->short_umrs = short_umrs;
	sim->fixed_pages = fixed_pages;
	return sim;
}

static int __init sim_init(void)
{
	struct sim *sim;
	int err;

	if (!commands_at_once || commands_at_once > SIM_NUM_SLOTS)
		return -EINVAL;
	sim = sim_alloc();
	if (!sim)
		return -ENOMEM;
	err = sim_caps_init(sim);
	if (err)
		goto err_free;
	err = sim_pci_init(sim);
	if (err)
		goto err_caps;
	sim_seg_init(sim);
	err = sim_cmd_init(sim);
	if (err)
		goto err_pci;
	err = sim_start(sim);
	if (err)
		goto err_cmd;
	sim_debugfs_init(sim);
	/* The drivers probe in here. */
	err = sim_pci_add(sim);
	if (err)
		goto err_stop;
	the_sim = sim;
	return 0;

err_stop:
	sim_debugfs_cleanup(sim);
	sim_stop(sim);
err_cmd:
	sim_cmd_cleanup(sim);
err_pci:
	sim_pci_cleanup(sim);
err_caps:
	sim_caps_cleanup(sim);
err_free:
	kvfree(sim);
	return err;
}

static void __exit sim_exit(void)
{
	struct sim *sim = the_sim;

	sim_debugfs_cleanup(sim);
	sim_pci_remove_device(sim);
	sim_stop(sim);
	sim_cmd_cleanup(sim);
	mutex_lock(&sim->lock);
	sim_reset(sim);
	mutex_unlock(&sim->lock);
	sim_pci_cleanup(sim);
	sim_caps_cleanup(sim);
	kvfree(sim);
}

module_init(sim_init);
module_exit(sim_exit);
MODULE_DESCRIPTION("A simulated ConnectX for tests of the mlx5 drivers");
MODULE_LICENSE("Dual BSD/GPL");
