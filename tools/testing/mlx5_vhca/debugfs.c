// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The tests' side of the device: see README.rst for the files. */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include "vhca.h"
#include "vhca_access.h"

/* What the next command of this opcode ends with: 0 is not failed. */
u8 vhca_fault_status(struct vhca *vhca, u16 opcode)
{
	int i;

	for (i = 0; i < VHCA_MAX_FAULTS; i++) {
		struct vhca_fault *f = &vhca->faults[i];

		if (f->opcode == opcode && f->count) {
			f->count--;
			return f->status;
		}
	}
	return 0;
}

static int vhca_set_fault(struct vhca *vhca, u16 opcode, u32 count, u8 status)
{
	struct vhca_fault *unused = NULL, *f;
	int i;

	for (i = 0; i < VHCA_MAX_FAULTS; i++) {
		f = &vhca->faults[i];
		if (f->opcode == opcode)
			break;
		if (!f->count)
			unused = f;
	}
	if (i == VHCA_MAX_FAULTS)
		f = unused;
	if (!f)
		return -ENOSPC;
	*f = (struct vhca_fault){
		.opcode = opcode,
		.count = count,
		.status = status,
	};
	return 0;
}

/* OPCODE COUNT STATUS */
static ssize_t vhca_fail_command_write(struct file *file,
				       const char __user *user, size_t size,
				       loff_t *pos)
{
	struct vhca *vhca = file_inode(file)->i_private;
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
	mutex_lock(&vhca->lock);
	err = vhca_set_fault(vhca, opcode, count, status);
	mutex_unlock(&vhca->lock);
	return err ?: size;
}

/* Those that are still to come. */
static int vhca_fail_command_show(struct seq_file *s, void *unused)
{
	struct vhca *vhca = s->private;
	int i;

	mutex_lock(&vhca->lock);
	for (i = 0; i < VHCA_MAX_FAULTS; i++)
		if (vhca->faults[i].count)
			seq_printf(s, "0x%x %u 0x%x\n",
				   vhca->faults[i].opcode,
				   vhca->faults[i].count,
				   vhca->faults[i].status);
	mutex_unlock(&vhca->lock);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(vhca_fail_command);

/* What a reader of the file has read last. */
struct vhca_reader {
	struct vhca *vhca;
	void *data;
	u32 length;
};

static int vhca_access_open(struct inode *inode, struct file *file)
{
	struct vhca_reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL);

	if (!reader)
		return -ENOMEM;
	reader->vhca = inode->i_private;
	file->private_data = reader;
	return 0;
}

static int vhca_access_release(struct inode *inode, struct file *file)
{
	struct vhca_reader *reader = file->private_data;

	kvfree(reader->data);
	kfree(reader);
	return 0;
}

/* One attempt: -EAGAIN while a page is missing. */
static int vhca_try_access(struct vhca *vhca,
			   const struct vhca_access_request *r, void *data,
			   struct vhca_page_fault *fault)
{
	static const enum vhca_rights rights[] = {
		[0] = VHCA_LOCAL_READ,
		[VHCA_ACCESS_WRITE] = VHCA_LOCAL_WRITE,
		[VHCA_ACCESS_REMOTE] = VHCA_REMOTE_READ,
		[VHCA_ACCESS_REMOTE | VHCA_ACCESS_WRITE] = VHCA_REMOTE_WRITE,
	};
	int err;

	if (vhca_fault_pending(vhca, fault))
		return -EAGAIN;
	vhca->may_fault = fault->state != VHCA_FAULT_FAILED;
	err = vhca_mkey_access(vhca, r->key, r->pd, r->addr, data, r->length,
			       rights[r->flags & (VHCA_ACCESS_WRITE |
						  VHCA_ACCESS_REMOTE)]);
	vhca->may_fault = false;
	if (err == -EAGAIN)
		vhca_fault_raise(vhca, fault);
	return err;
}

static int vhca_access(struct vhca *vhca, const struct vhca_access_request *r,
		       void *data)
{
	struct vhca_page_fault fault = {};
	int err;

	for (;;) {
		mutex_lock(&vhca->lock);
		if (fatal_signal_pending(current)) {
			vhca_fault_end(vhca, &fault);
			err = -EINTR;
		} else {
			err = vhca_try_access(vhca, r, data, &fault);
		}
		mutex_unlock(&vhca->lock);
		if (err != -EAGAIN)
			return err;
		/* The driver needs the device for its answer. */
		usleep_range(50, 100);
	}
}

/* A request with, if it writes, the data behind it. */
static ssize_t vhca_access_write(struct file *file, const char __user *user,
				 size_t size, loff_t *pos)
{
	struct vhca_reader *reader = file->private_data;
	struct vhca_access_request request;
	void *data;
	bool write;
	int err;

	if (size < sizeof(request))
		return -EINVAL;
	if (copy_from_user(&request, user, sizeof(request)))
		return -EFAULT;
	write = request.flags & VHCA_ACCESS_WRITE;
	if (request.flags & ~VHCA_ACCESS_FLAGS ||
	    request.length > VHCA_ACCESS_MAX ||
	    size != sizeof(request) + (write ? request.length : 0))
		return -EINVAL;
	data = write ? vmemdup_user(user + sizeof(request), request.length) :
		       kvzalloc(max(request.length, 1), GFP_KERNEL);
	if (IS_ERR_OR_NULL(data))
		return data ? PTR_ERR(data) : -ENOMEM;
	err = vhca_access(reader->vhca, &request, data);
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
static ssize_t vhca_access_read(struct file *file, char __user *user,
				size_t size, loff_t *pos)
{
	struct vhca_reader *reader = file->private_data;

	size = min_t(size_t, size, reader->length);
	if (copy_to_user(user, reader->data, size))
		return -EFAULT;
	return size;
}

static const struct file_operations vhca_access_fops = {
	.owner = THIS_MODULE,
	.open = vhca_access_open,
	.release = vhca_access_release,
	.read = vhca_access_read,
	.write = vhca_access_write,
};

static int vhca_end_lost_set(void *data, u64 val)
{
	struct vhca *vhca = data;

	mutex_lock(&vhca->lock);
	vhca_cmd_end_lost(vhca);
	mutex_unlock(&vhca->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vhca_end_lost_fops, NULL, vhca_end_lost_set, "%llu\n");

static int vhca_fatal_set(void *data, u64 val)
{
	struct vhca *vhca = data;

	mutex_lock(&vhca->lock);
	vhca_seg_fatal(vhca);
	mutex_unlock(&vhca->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vhca_fatal_fops, NULL, vhca_fatal_set, "%llu\n");

/* What a port does that notices the loss (DPC): tell the driver first. */
static void vhca_report_loss(struct pci_dev *pdev)
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
static void vhca_unplug(struct vhca *vhca)
{
	struct pci_dev *pdev = pci_get_slot(vhca->bridge->bus, 0);

	mutex_lock(&vhca->lock);
	WRITE_ONCE(vhca->absent, true);
	memset_io(vhca->iseg, 0xff, sizeof(*vhca->iseg));
	vhca_reset(vhca);
	mutex_unlock(&vhca->lock);
	if (pdev)
		vhca_report_loss(pdev);
	pci_dev_put(pdev);
	vhca_pci_remove_device(vhca);
}

static void vhca_plug(struct vhca *vhca)
{
	mutex_lock(&vhca->lock);
	vhca_seg_init(vhca);
	WRITE_ONCE(vhca->absent, false);
	mutex_unlock(&vhca->lock);
	vhca_pci_insert_device(vhca);
}

static int vhca_present_get(void *data, u64 *val)
{
	struct vhca *vhca = data;

	*val = !READ_ONCE(vhca->absent);
	return 0;
}

static int vhca_present_set(void *data, u64 val)
{
	struct vhca *vhca = data;

	if (!!val == !READ_ONCE(vhca->absent))
		return 0;
	if (val)
		vhca_plug(vhca);
	else
		vhca_unplug(vhca);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vhca_present_fops, vhca_present_get, vhca_present_set,
			 "%llu\n");

static int vhca_at_once_get(void *data, u64 *val)
{
	struct vhca *vhca = data;

	*val = READ_ONCE(vhca->commands_at_once);
	return 0;
}

static int vhca_at_once_set(void *data, u64 val)
{
	struct vhca *vhca = data;

	if (!val || val > VHCA_NUM_SLOTS)
		return -EINVAL;
	WRITE_ONCE(vhca->commands_at_once, val);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vhca_at_once_fops, vhca_at_once_get, vhca_at_once_set,
			 "%llu\n");

void vhca_debugfs_init(struct vhca *vhca)
{
	struct dentry *dir = debugfs_create_dir("mlx5_vhca", NULL);

	vhca->debugfs = dir;
	debugfs_create_file("access", 0600, dir, vhca, &vhca_access_fops);
	debugfs_create_file("fail_command", 0600, dir, vhca,
			    &vhca_fail_command_fops);
	debugfs_create_file_unsafe("end_lost", 0200, dir, vhca,
				   &vhca_end_lost_fops);
	debugfs_create_file_unsafe("fatal", 0200, dir, vhca, &vhca_fatal_fops);
	debugfs_create_file_unsafe("present", 0600, dir, vhca,
				   &vhca_present_fops);
	debugfs_create_u32("fail_umrs", 0600, dir, &vhca->fail_umrs);
	debugfs_create_u32("command_time_us", 0600, dir,
			   &vhca->command_time_us);
	debugfs_create_u32("create_time_us", 0600, dir,
			   &vhca->create_time_us);
	debugfs_create_u32("destroy_time_us", 0600, dir,
			   &vhca->destroy_time_us);
	debugfs_create_file_unsafe("commands_at_once", 0600, dir, vhca,
				   &vhca_at_once_fops);
	debugfs_create_u32("max_mkeys", 0600, dir, &vhca->max_mkeys);
	debugfs_create_u32("mkeys", 0400, dir, &vhca->num_mkeys);
	debugfs_create_u32("peak_mkeys", 0600, dir, &vhca->peak_mkeys);
	debugfs_create_u32("leaked_mkeys", 0400, dir, &vhca->leaked_mkeys);
	debugfs_create_u32("leaked_objects", 0400, dir, &vhca->leaked_objects);
	debugfs_create_u32("pages", 0400, dir, &vhca->num_pages);
	debugfs_create_u64("commands", 0400, dir, &vhca->num_commands);
	debugfs_create_u32("peak_commands", 0600, dir, &vhca->peak_commands);
	debugfs_create_u64("umrs", 0400, dir, &vhca->num_umrs);
	debugfs_create_u64("page_faults", 0400, dir, &vhca->num_page_faults);
}

void vhca_debugfs_cleanup(struct vhca *vhca)
{
	debugfs_remove_recursive(vhca->debugfs);
}
