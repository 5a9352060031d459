// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A virtual ConnectX: a PCI function made of memory and a thread, which the
 * real mlx5 drivers bring up and use. See README.rst.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sched.h>
#include "vhca.h"

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

static uint max_mkeys = BIT(VHCA_LOG_MAX_MKEY);
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

static struct vhca *the_vhca;

/* All but the pages and the command queue goes. */
void vhca_reset_objects(struct vhca *vhca)
{
	lockdep_assert_held(&vhca->lock);
	vhca_qp_reset(vhca);
	vhca_srq_reset(vhca);
	vhca_cq_reset(vhca);
	vhca_eq_reset(vhca);
	vhca_mkey_reset(vhca);
	vhca_fault_reset(vhca);
	vhca_caps_reset(vhca);
}

/* The state after power-on */
void vhca_reset(struct vhca *vhca)
{
	vhca_reset_objects(vhca);
	vhca_pages_reset(vhca);
	vhca_cmd_reset(vhca);
}

/* True if there was work; else *@next says in how many ns there may be some. */
static bool vhca_poll(struct vhca *vhca, u64 *next)
{
	bool busy = false;

	mutex_lock(&vhca->lock);
	if (!vhca->absent) {
		busy |= vhca_seg_poll(vhca);
		busy |= vhca_qp_poll(vhca);
		busy |= vhca_cq_poll(vhca);
	}
	*next = vhca_cmd_next(vhca);
	mutex_unlock(&vhca->lock);
	return busy;
}

/*
 * Memory can't tell when it is written to, so look: all the time while there
 * is work, ever less often when there was none for a while.
 */
static int vhca_adapter(void *data)
{
	struct vhca *vhca = data;
	u64 last_work = ktime_get_ns(), idle, next;

	/* The driver may spin, too, while it waits for the device. */
	sched_set_fifo_low(current);
	while (!kthread_should_stop()) {
		if (vhca_poll(vhca, &next)) {
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

static int vhca_start(struct vhca *vhca)
{
	vhca->adapter = kthread_run(vhca_adapter, vhca, "vhca_adapter");
	return PTR_ERR_OR_ZERO(vhca->adapter);
}

static void vhca_stop(struct vhca *vhca)
{
	kthread_stop(vhca->adapter);
}

static struct vhca *vhca_alloc(void)
{
	struct vhca *vhca = kvzalloc(sizeof(*vhca), GFP_KERNEL);

	if (!vhca)
		return NULL;
	mutex_init(&vhca->lock);
	xa_init_flags(&vhca->eqs, XA_FLAGS_ALLOC1);
	xa_init_flags(&vhca->cqs, XA_FLAGS_ALLOC1);
	xa_init_flags(&vhca->srqs, XA_FLAGS_ALLOC1);
	xa_init_flags(&vhca->qps, XA_FLAGS_ALLOC1);
	xa_init_flags(&vhca->mkeys, XA_FLAGS_ALLOC1);
	xa_init_flags(&vhca->page_faults, XA_FLAGS_ALLOC);
	INIT_LIST_HEAD(&vhca->qp_list);
	vhca->window.name = "mlx5_vhca";
	vhca->window.start = bar;
	vhca->window.end = bar + VHCA_BAR_SIZE - 1;
	vhca->window.flags = IORESOURCE_MEM;
	vhca->command_time_us = command_time_us;
	vhca->create_time_us = create_time_us;
	vhca->destroy_time_us = destroy_time_us;
	vhca->commands_at_once = commands_at_once;
	vhca->command_timeout_ms = command_timeout_ms;
	vhca->max_mkeys = max_mkeys;
	vhca->transport_faults = transport_faults;
	vhca->devx = devx;
	vhca->short_umrs = short_umrs;
	vhca->fixed_pages = fixed_pages;
	return vhca;
}

static int __init vhca_init(void)
{
	struct vhca *vhca;
	int err;

	if (!commands_at_once || commands_at_once > VHCA_NUM_SLOTS)
		return -EINVAL;
	vhca = vhca_alloc();
	if (!vhca)
		return -ENOMEM;
	err = vhca_caps_init(vhca);
	if (err)
		goto err_free;
	err = vhca_pci_init(vhca);
	if (err)
		goto err_caps;
	vhca_seg_init(vhca);
	err = vhca_cmd_init(vhca);
	if (err)
		goto err_pci;
	err = vhca_start(vhca);
	if (err)
		goto err_cmd;
	vhca_debugfs_init(vhca);
	/* The drivers probe in here. */
	err = vhca_pci_add(vhca);
	if (err)
		goto err_stop;
	the_vhca = vhca;
	return 0;

err_stop:
	vhca_debugfs_cleanup(vhca);
	vhca_stop(vhca);
err_cmd:
	vhca_cmd_cleanup(vhca);
err_pci:
	vhca_pci_cleanup(vhca);
err_caps:
	vhca_caps_cleanup(vhca);
err_free:
	kvfree(vhca);
	return err;
}

static void __exit vhca_exit(void)
{
	struct vhca *vhca = the_vhca;

	vhca_debugfs_cleanup(vhca);
	vhca_pci_remove_device(vhca);
	vhca_stop(vhca);
	vhca_cmd_cleanup(vhca);
	mutex_lock(&vhca->lock);
	vhca_reset(vhca);
	mutex_unlock(&vhca->lock);
	vhca_pci_cleanup(vhca);
	vhca_caps_cleanup(vhca);
	kvfree(vhca);
}

module_init(vhca_init);
module_exit(vhca_exit);
MODULE_DESCRIPTION("A virtual ConnectX for tests of the mlx5 drivers");
MODULE_LICENSE("Dual BSD/GPL");
