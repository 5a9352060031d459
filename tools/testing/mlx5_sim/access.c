// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Access to memory through a key, on demand: the file access of debugfs. */

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "sim.h"
#include "sim_access.h"

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
	sim_fault_permit(sim, fault);
	err = sim_mkey_access(sim, r->key, r->pd, r->addr, data, r->length,
			      rights[r->flags & (SIM_ACCESS_WRITE |
						 SIM_ACCESS_REMOTE)]);
	sim_fault_settle(sim, fault, err == -EAGAIN);
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

const struct file_operations sim_access_fops = {
	.owner = THIS_MODULE,
	.open = sim_access_open,
	.release = sim_access_release,
	.read = sim_access_read,
	.write = sim_access_write,
};
