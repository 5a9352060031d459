// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The tests' side of the device: see README.rst for the files. */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include "sim.h"
#include "sim_access.h"

/* What the next command of this opcode ends with: 0 is not failed. */
u8 sim_fault_status(struct sim *sim, u16 opcode)
{
	int i;

	for (i = 0; i < SIM_MAX_FAULTS; i++) {
		struct sim_fault *f = &sim->faults[i];

		if (f->opcode == opcode && f->count) {
			f->count--;
			return f->status;
		}
	}
	return 0;
}

static int sim_set_fault(struct sim *sim, u16 opcode, u32 count, u8 status)
{
	struct sim_fault *unused = NULL, *f;
	int i;

	for (i = 0; i < SIM_MAX_FAULTS; i++) {
		f = &sim->faults[i];
		if (f->opcode == opcode)
			break;
		if (!f->count)
			unused = f;
	}
	if (i == SIM_MAX_FAULTS)
		f = unused;
	if (!f)
		return -ENOSPC;
	*f = (struct sim_fault){
		.opcode = opcode,
		.count = count,
		.status = status,
	};
	return 0;
}

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
	mutex_lock(&sim->lock);
	err = sim_set_fault(sim, opcode, count, status);
	mutex_unlock(&sim->lock);
	return err ?: size;
}

/* Those that are still to come. */
static int sim_fail_command_show(struct seq_file *s, void *unused)
{
	struct sim *sim = s->private;
	int i;

	mutex_lock(&sim->lock);
	for (i = 0; i < SIM_MAX_FAULTS; i++)
		if (sim->faults[i].count)
			seq_printf(s, "0x%x %u 0x%x\n",
				   sim->faults[i].opcode,
				   sim->faults[i].count,
				   sim->faults[i].status);
	mutex_unlock(&sim->lock);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(sim_fail_command);

/* What a reader of the file has read last. */
struct sim_reader {
	struct sim *sim;
	void *data;
	u32 length;
};

static int sim_access_open(struct inode *inode, struct file *file)
{
	struct sim_reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL);

	if (!reader)
		return -ENOMEM;
	reader->sim = inode->i_private;
	file->private_data = reader;
	return 0;
}

static int sim_access_release(struct inode *inode, struct file *file)
{
	struct sim_reader *reader = file->private_data;

	kvfree(reader->data);
	kfree(reader);
	return 0;
}

/* One attempt: -EAGAIN while a page is missing. */
static int sim_try_access(struct sim *sim,
			  const struct sim_access_request *r, void *data,
			  struct sim_page_fault *fault)
{
	static const enum sim_rights rights[] = {
		[0] = SIM_LOCAL_READ,
		[SIM_ACCESS_WRITE] = SIM_LOCAL_WRITE,
		[SIM_ACCESS_REMOTE] = SIM_REMOTE_READ,
		[SIM_ACCESS_REMOTE | SIM_ACCESS_WRITE] = SIM_REMOTE_WRITE,
	};
	int err;

	if (sim_fault_pending(sim, fault))
		return -EAGAIN;
	sim->may_fault = fault->state != SIM_FAULT_FAILED;
	err = sim_mkey_access(sim, r->key, r->pd, r->addr, data, r->length,
			      rights[r->flags & (SIM_ACCESS_WRITE |
						 SIM_ACCESS_REMOTE)]);
	sim->may_fault = false;
	if (err == -EAGAIN)
		sim_fault_raise(sim, fault);
	return err;
}

static int sim_access(struct sim *sim, const struct sim_access_request *r,
		      void *data)
{
	struct sim_page_fault fault = {};
	int err;

	for (;;) {
		mutex_lock(&sim->lock);
		if (fatal_signal_pending(current)) {
			sim_fault_end(sim, &fault);
			err = -EINTR;
		} else {
			err = sim_try_access(sim, r, data, &fault);
		}
		mutex_unlock(&sim->lock);
		if (err != -EAGAIN)
			return err;
		/* The driver needs the device for its answer. */
		usleep_range(50, 100);
	}
}

/* A request with, if it writes, the data behind it. */
static ssize_t sim_access_write(struct file *file, const char __user *user,
				size_t size, loff_t *pos)
{
	struct sim_reader *reader = file->private_data;
	struct sim_access_request request;
	void *data;
	bool write;
	int err;

	if (size < sizeof(request))
		return -EINVAL;
	if (copy_from_user(&request, user, sizeof(request)))
		return -EFAULT;
	write = request.flags & SIM_ACCESS_WRITE;
	if (request.flags & ~SIM_ACCESS_FLAGS ||
	    request.length > SIM_ACCESS_MAX ||
	    size != sizeof(request) + (write ? request.length : 0))
		return -EINVAL;
	data = write ? vmemdup_user(user + sizeof(request), request.length) :
		       kvzalloc(max(request.length, 1), GFP_KERNEL);
	if (IS_ERR_OR_NULL(data))
		return data ? PTR_ERR(data) : -ENOMEM;
	err = sim_access(reader->sim, &request, data);
	kvfree(reader->data);
	reader->data = NULL;
	reader->length = 0;
	if (err || write) {
		kvfree(data);
		return err ?: size;
	}
	reader->data = data;
	reader->length = request.length;
	return size;
}

/* What the last request read: always from its begin. */
static ssize_t sim_access_read(struct file *file, char __user *user,
			       size_t size, loff_t *pos)
{
	struct sim_reader *reader = file->private_data;

	size = min_t(size_t, size, reader->length);
	if (copy_to_user(user, reader->data, size))
		return -EFAULT;
	return size;
}

static const struct file_operations sim_access_fops = {
	.owner = THIS_MODULE,
	.open = sim_access_open,
	.release = sim_access_release,
	.read = sim_access_read,
	.write = sim_access_write,
};

static int sim_end_lost_set(void *data, u64 val)
{
	struct sim *sim = data;

	mutex_lock(&sim->lock);
	sim_cmd_end_lost(sim);
	mutex_unlock(&sim->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_end_lost_fops, NULL, sim_end_lost_set, "%llu\n");

static int sim_fatal_set(void *data, u64 val)
{
	struct sim *sim = data;

	mutex_lock(&sim->lock);
	sim_seg_fatal(sim);
	mutex_unlock(&sim->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_fatal_fops, NULL, sim_fatal_set, "%llu\n");

/* What a port does that notices the loss (DPC): tell the driver first. */
static void sim_report_loss(struct pci_dev *pdev)
{
	const struct pci_error_handlers *handlers;

	pdev->error_state = pci_channel_io_perm_failure;
	device_lock(&pdev->dev);
	handlers = pdev->driver ? pdev->driver->err_handler : NULL;
	if (handlers && handlers->error_detected)
		handlers->error_detected(pdev, pci_channel_io_perm_failure);
	device_unlock(&pdev->dev);
}

/* Whatever is read of it is all ones. */
static void sim_unplug(struct sim *sim)
{
	struct pci_dev *pdev = pci_get_slot(sim->bridge->bus, 0);

	mutex_lock(&sim->lock);
	WRITE_ONCE(sim->absent, true);
	memset_io(sim->iseg, 0xff, sizeof(*sim->iseg));
	sim_reset(sim);
	mutex_unlock(&sim->lock);
	if (pdev)
		sim_report_loss(pdev);
	pci_dev_put(pdev);
	sim_pci_remove_device(sim);
}

static void sim_plug(struct sim *sim)
{
	mutex_lock(&sim->lock);
	sim_seg_init(sim);
	WRITE_ONCE(sim->absent, false);
	mutex_unlock(&sim->lock);
	sim_pci_insert_device(sim);
}

static int sim_present_get(void *data, u64 *val)
{
	struct sim *sim = data;

	*val = !READ_ONCE(sim->absent);
	return 0;
}

static int sim_present_set(void *data, u64 val)
{
	struct sim *sim = data;

	if (!!val == !READ_ONCE(sim->absent))
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

	*val = READ_ONCE(sim->commands_at_once);
	return 0;
}

static int sim_at_once_set(void *data, u64 val)
{
	struct sim *sim = data;

	if (!val || val > SIM_NUM_SLOTS)
		return -EINVAL;
	WRITE_ONCE(sim->commands_at_once, val);
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
	debugfs_create_u32("fail_umrs", 0600, dir, &sim->fail_umrs);
	debugfs_create_u32("command_time_us", 0600, dir,
			   &sim->command_time_us);
	debugfs_create_u32("create_time_us", 0600, dir,
			   &sim->create_time_us);
	debugfs_create_u32("destroy_time_us", 0600, dir,
			   &sim->destroy_time_us);
	debugfs_create_file_unsafe("commands_at_once", 0600, dir, sim,
				   &sim_at_once_fops);
	debugfs_create_u32("max_mkeys", 0600, dir, &sim->max_mkeys);
	debugfs_create_u32("mkeys", 0400, dir, &sim->num_mkeys);
	debugfs_create_u32("peak_mkeys", 0600, dir, &sim->peak_mkeys);
	debugfs_create_u32("leaked_mkeys", 0400, dir, &sim->leaked_mkeys);
	debugfs_create_u32("leaked_objects", 0400, dir, &sim->leaked_objects);
	debugfs_create_u32("pages", 0400, dir, &sim->num_pages);
	debugfs_create_u64("commands", 0400, dir, &sim->num_commands);
	debugfs_create_u32("peak_commands", 0600, dir, &sim->peak_commands);
	debugfs_create_u64("umrs", 0400, dir, &sim->num_umrs);
	debugfs_create_u64("page_faults", 0400, dir, &sim->num_page_faults);
}

void sim_debugfs_cleanup(struct sim *sim)
{
	debugfs_remove_recursive(sim->debugfs);
}
