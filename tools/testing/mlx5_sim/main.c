// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A simulated ConnectX: a PCI function made of memory and a thread, which the
 * real mlx5 drivers bring up and use. See README.rst.
 */

#include <linux/module.h>
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

static struct sim *the_sim;

static struct sim *sim_alloc(void)
{
	struct sim *sim = kvzalloc(sizeof(*sim), GFP_KERNEL);

	if (!sim)
		return NULL;
	mutex_init(&sim->lock);
	sim->options.command_timeout_ms = command_timeout_ms;
	sim->options.transport_faults = transport_faults;
	sim->options.devx = devx;
	sim->options.short_umrs = short_umrs;
	sim->options.fixed_pages = fixed_pages;
	sim->mkeys.max = max_mkeys;
	sim->cmdq.time_us = command_time_us;
	sim->cmdq.create_time_us = create_time_us;
	sim->cmdq.destroy_time_us = destroy_time_us;
	sim->cmdq.at_once = commands_at_once;
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
	err = sim_hca_init(sim);
	if (err)
		goto err_free;
	err = sim_pci_init(&sim->pci, bar);
	if (err)
		goto err_hca;
	sim_seg_init(sim);
	err = sim_cmdq_init(sim);
	if (err)
		goto err_pci;
	err = sim_start(sim);
	if (err)
		goto err_cmd;
	sim_debugfs_init(sim);
	/* The drivers probe in here. */
	err = sim_pci_add(&sim->pci);
	if (err)
		goto err_stop;
	the_sim = sim;
	return 0;

err_stop:
	sim_debugfs_cleanup(sim);
	sim_stop(sim);
err_cmd:
	sim_cmdq_cleanup(sim);
err_pci:
	sim_pci_cleanup(&sim->pci);
err_hca:
	sim_hca_cleanup(sim);
err_free:
	kvfree(sim);
	return err;
}

static void __exit sim_exit(void)
{
	struct sim *sim = the_sim;

	sim_debugfs_cleanup(sim);
	sim_pci_remove_device(&sim->pci);
	sim_stop(sim);
	sim_cmdq_cleanup(sim);
	sim_pci_cleanup(&sim->pci);
	sim_hca_cleanup(sim);
	kvfree(sim);
}

module_init(sim_init);
module_exit(sim_exit);
MODULE_DESCRIPTION("A simulated ConnectX for tests of the mlx5 drivers");
MODULE_LICENSE("Dual BSD/GPL");
