// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The tests' side of the device: see README.rst for the files. */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include "sim.h"

/* OPCODE COUNT STATUS */
static ssize_t sim_fail_command_write(struct file *file,
				      const char __user *user, size_t size,
				      loff_t *pos)
{
	struct sim *sim = file_inode(file)->i_private;
	u32 opcode, count, status;
	char text[64] = {};
	int err;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, size))
		return -EFAULT;
	if (sscanf(text, "%i %u %i", &opcode, &count, &status) != 3 ||
	    opcode > U16_MAX || !status || status > U8_MAX)
		return -EINVAL;
	err = sim_fail_command(sim, opcode, count, status);
	return err ?: size;
}

/* Those that are still to come. */
static int sim_fail_command_show(struct seq_file *s, void *unused)
{
	struct sim *sim = s->private;
	int i;

	mutex_lock(&sim->lock);
	for (i = 0; i < SIM_MAX_FAILURES; i++)
		if (sim->failures[i].count)
			seq_printf(s, "0x%x %u 0x%x\n",
				   sim->failures[i].opcode,
				   sim->failures[i].count,
				   sim->failures[i].status);
	mutex_unlock(&sim->lock);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(sim_fail_command);

static int sim_end_lost_set(void *data, u64 val)
{
	sim_cmdq_end_lost(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_end_lost_fops, NULL, sim_end_lost_set, "%llu\n");

static int sim_fatal_set(void *data, u64 val)
{
	sim_fatal(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_fatal_fops, NULL, sim_fatal_set, "%llu\n");

static int sim_present_get(void *data, u64 *val)
{
	struct sim *sim = data;

	*val = !READ_ONCE(sim->pci.absent);
	return 0;
}

static int sim_present_set(void *data, u64 val)
{
	struct sim *sim = data;

	if (!!val == !READ_ONCE(sim->pci.absent))
		return 0;
	if (val)
		sim_plug(sim);
	else
		sim_unplug(sim);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_present_fops, sim_present_get, sim_present_set,
			 "%llu\n");

static int sim_at_once_get(void *data, u64 *val)
{
	struct sim *sim = data;

	*val = READ_ONCE(sim->cmdq.at_once);
	return 0;
}

static int sim_at_once_set(void *data, u64 val)
{
	struct sim *sim = data;

	if (!val || val > SIM_NUM_SLOTS)
		return -EINVAL;
	WRITE_ONCE(sim->cmdq.at_once, val);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_at_once_fops, sim_at_once_get, sim_at_once_set,
			 "%llu\n");

void sim_debugfs_init(struct sim *sim)
{
	struct dentry *dir = debugfs_create_dir("mlx5_sim", NULL);

	sim->debugfs = dir;
	debugfs_create_file("access", 0600, dir, sim, &sim_access_fops);
	debugfs_create_file("fail_command", 0600, dir, sim,
			    &sim_fail_command_fops);
	debugfs_create_file_unsafe("end_lost", 0200, dir, sim,
				   &sim_end_lost_fops);
	debugfs_create_file_unsafe("fatal", 0200, dir, sim, &sim_fatal_fops);
	debugfs_create_file_unsafe("present", 0600, dir, sim,
				   &sim_present_fops);
	debugfs_create_u32("fail_umrs", 0600, dir, &sim->umrs.fail);
	debugfs_create_u32("lose_umrs", 0600, dir, &sim->umrs.lose);
	debugfs_create_u32("command_time_us", 0600, dir,
			   &sim->cmdq.time_us);
	debugfs_create_u32("create_time_us", 0600, dir,
			   &sim->cmdq.create_time_us);
	debugfs_create_u32("destroy_time_us", 0600, dir,
			   &sim->cmdq.destroy_time_us);
	debugfs_create_file_unsafe("commands_at_once", 0600, dir, sim,
				   &sim_at_once_fops);
	debugfs_create_u32("max_mkeys", 0600, dir, &sim->mkeys.max);
	debugfs_create_u32("mkeys", 0400, dir, &sim->tables[SIM_MKEY].count);
	debugfs_create_u32("peak_mkeys", 0600, dir, &sim->mkeys.peak);
	debugfs_create_u32("leaked_mkeys", 0400, dir, &sim->leaks.mkeys);
	debugfs_create_u32("leaked_objects", 0400, dir, &sim->leaks.objects);
	debugfs_create_u32("pages", 0400, dir, &sim->pages.count);
	debugfs_create_u64("commands", 0400, dir, &sim->cmdq.done);
	debugfs_create_u32("peak_commands", 0600, dir, &sim->cmdq.peak);
	debugfs_create_u64("umrs", 0400, dir, &sim->umrs.done);
	debugfs_create_u64("page_faults", 0400, dir, &sim->odp.num_raised);
}

void sim_debugfs_cleanup(struct sim *sim)
{
	debugfs_remove_recursive(sim->debugfs);
}
