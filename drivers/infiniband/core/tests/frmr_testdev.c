// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An RDMA device that has FRMR pools and nothing else, for the selftests.
 *
 *   rdma link add NAME type frmr_test netdev lo
 *
 * It takes each key as it is, and its objects are mere numbers. It knows all of
 * them, and complains when the core breaks the contract. The folder
 * frmr_test/NAME of debugfs has what a test looks at and what it steers:
 *
 *   create_us	 microseconds that it takes to create one object
 *   capacity	 the most objects that there can be at once
 *   live	 objects that there are
 *   mistakes	 breaches of the contract so far
 *   pop	 pops an object for an MR of the size that is written, in blocks
 *   pop_kernel	 the same for an MR that only the kernel uses
 *   push	 pushes as many objects as is written, the oldest MR's first
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_netlink.h>

#define FRMR_TEST_MAX_MR 1000000

/**
 * struct frmr_test_device - a device that is made up
 * @ibdev: what the core sees of it
 * @dir: its folder in debugfs
 * @create_us: microseconds that it takes to create one object
 * @capacity: the most objects that there can be at once
 * @lock: protects all that follows
 * @objects: the objects that there are; the value tells whether an MR has it
 * @next: where the search for a free handle begins, so that none comes back soon
 * @live: objects that there are
 * @mistakes: breaches of the contract so far
 * @mrs: struct frmr_test_mr, the oldest first
 */
struct frmr_test_device {
	struct ib_device ibdev;
	struct dentry *dir;
	u32 create_us;
	u32 capacity;
	struct mutex lock; /* see above */
	struct xarray objects;
	u32 next;
	u32 live;
	u32 mistakes;
	struct list_head mrs;
};

struct frmr_test_mr {
	struct ib_mr ibmr;
	struct list_head entry;
};

static struct dentry *frmr_test_root;

static struct frmr_test_device *to_test_device(struct ib_device *ibdev)
{
	return container_of(ibdev, struct frmr_test_device, ibdev);
}

/*
 * Objects
 */

static void *frmr_test_state(bool in_use)
{
	return xa_mk_value(in_use);
}

/* @was is what the device had in @objects; objects exist and are idle or not. */
static void frmr_test_check(struct frmr_test_device *dev, u32 handle,
			    const void *was, bool in_use, const char *what)
{
	lockdep_assert_held(&dev->lock);

	if (was == frmr_test_state(in_use))
		return;
	dev->mistakes++;
	dev_WARN(&dev->ibdev.dev, "object %u, which %s, is %s\n", handle,
		 !was ? "does not exist" : in_use ? "is idle" : "is in use",
		 what);
}

static int frmr_test_create_one(struct frmr_test_device *dev, u32 *handle)
{
	int ret;

	lockdep_assert_held(&dev->lock);

	if (dev->live >= READ_ONCE(dev->capacity))
		return -ENOMEM;
	ret = xa_alloc_cyclic(&dev->objects, handle, frmr_test_state(false),
			      xa_limit_32b, &dev->next, GFP_KERNEL);
	if (ret < 0)
		return ret;
	dev->live++;
	return 0;
}

static void frmr_test_destroy_one(struct frmr_test_device *dev, u32 handle)
{
	void *was = xa_erase(&dev->objects, handle);

	frmr_test_check(dev, handle, was, false, "destroyed");
	if (was)
		dev->live--;
}

static void frmr_test_set_in_use(struct frmr_test_device *dev, u32 handle,
				 bool in_use, const char *what)
{
	void *was;

	mutex_lock(&dev->lock);
	was = xa_load(&dev->objects, handle);
	frmr_test_check(dev, handle, was, !in_use, what);
	/* There is something to replace, so no memory is needed. */
	if (was)
		xa_store(&dev->objects, handle, frmr_test_state(in_use),
			 GFP_KERNEL);
	mutex_unlock(&dev->lock);
}

static int frmr_test_create_frmrs(struct ib_device *ibdev,
				  struct ib_frmr_key *key, u32 *handles,
				  u32 count)
{
	struct frmr_test_device *dev = to_test_device(ibdev);
	int ret = 0;
	u32 i;

	fsleep((unsigned long)READ_ONCE(dev->create_us) * count);

	mutex_lock(&dev->lock);
	for (i = 0; i < count; i++) {
		ret = frmr_test_create_one(dev, &handles[i]);
		if (ret)
			break;
	}
	while (ret && i--)
		frmr_test_destroy_one(dev, handles[i]);
	mutex_unlock(&dev->lock);
	return ret;
}

static void frmr_test_destroy_frmrs(struct ib_device *ibdev, u32 *handles,
				    u32 count)
{
	struct frmr_test_device *dev = to_test_device(ibdev);
	u32 i;

	mutex_lock(&dev->lock);
	for (i = 0; i < count; i++)
		frmr_test_destroy_one(dev, handles[i]);
	mutex_unlock(&dev->lock);
}

static const struct ib_frmr_pool_ops frmr_test_pool_ops = {
	.create_frmrs = frmr_test_create_frmrs,
	.destroy_frmrs = frmr_test_destroy_frmrs,
};

/*
 * MRs
 */

static int frmr_test_pop_key(struct frmr_test_device *dev,
			     const struct ib_frmr_key *key)
{
	struct frmr_test_mr *mr;
	int ret;

	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return -ENOMEM;
	mr->ibmr.device = &dev->ibdev;
	mr->ibmr.frmr.key = *key;
	ret = ib_frmr_pool_pop(&dev->ibdev, &mr->ibmr);
	if (ret) {
		kfree(mr);
		return ret;
	}
	frmr_test_set_in_use(dev, mr->ibmr.frmr.handle, true, "popped");

	mutex_lock(&dev->lock);
	list_add_tail(&mr->entry, &dev->mrs);
	mutex_unlock(&dev->lock);
	return 0;
}

static struct frmr_test_mr *frmr_test_oldest_mr(struct frmr_test_device *dev)
{
	struct frmr_test_mr *mr;

	mutex_lock(&dev->lock);
	mr = list_first_entry_or_null(&dev->mrs, struct frmr_test_mr, entry);
	if (mr)
		list_del(&mr->entry);
	mutex_unlock(&dev->lock);
	return mr;
}

static void frmr_test_push_mrs(struct frmr_test_device *dev, u64 count)
{
	struct frmr_test_mr *mr;

	while (count-- && (mr = frmr_test_oldest_mr(dev))) {
		frmr_test_set_in_use(dev, mr->ibmr.frmr.handle, false,
				     "pushed");
		ib_frmr_pool_push(&dev->ibdev, &mr->ibmr);
		kfree(mr);
	}
}

static int frmr_test_pop(void *data, u64 num_blocks)
{
	struct ib_frmr_key key = { .num_dma_blocks = num_blocks };

	return frmr_test_pop_key(data, &key);
}
DEFINE_SIMPLE_ATTRIBUTE(frmr_test_pop_fops, NULL, frmr_test_pop, "%llu\n");

static int frmr_test_pop_kernel(void *data, u64 num_blocks)
{
	struct ib_frmr_key key = {
		.kernel_vendor_key = 1,
		.num_dma_blocks = num_blocks,
	};

	return frmr_test_pop_key(data, &key);
}
DEFINE_SIMPLE_ATTRIBUTE(frmr_test_pop_kernel_fops, NULL, frmr_test_pop_kernel,
			"%llu\n");

static int frmr_test_push(void *data, u64 count)
{
	frmr_test_push_mrs(data, count);
	return 0;
}
DEFINE_SIMPLE_ATTRIBUTE(frmr_test_push_fops, NULL, frmr_test_push, "%llu\n");

static void frmr_test_add_files(struct frmr_test_device *dev, const char *name)
{
	struct dentry *dir = debugfs_create_dir(name, frmr_test_root);

	debugfs_create_u32("create_us", 0600, dir, &dev->create_us);
	debugfs_create_u32("capacity", 0600, dir, &dev->capacity);
	debugfs_create_u32("live", 0400, dir, &dev->live);
	debugfs_create_u32("mistakes", 0400, dir, &dev->mistakes);
	debugfs_create_file("pop", 0200, dir, dev, &frmr_test_pop_fops);
	debugfs_create_file("pop_kernel", 0200, dir, dev,
			    &frmr_test_pop_kernel_fops);
	debugfs_create_file("push", 0200, dir, dev, &frmr_test_push_fops);
	dev->dir = dir;
}

/*
 * The device
 */

static int frmr_test_query_device(struct ib_device *ibdev,
				  struct ib_device_attr *attr,
				  struct ib_udata *udata)
{
	attr->max_mr = FRMR_TEST_MAX_MR;
	/* What "rdma link delete" asks for. */
	attr->kernel_cap_flags = IBK_ALLOW_USER_UNREG;
	return 0;
}

/* A port that can do nothing, as the core insists on one. */
static int frmr_test_query_port(struct ib_device *ibdev, u32 port,
				struct ib_port_attr *attr)
{
	attr->state = IB_PORT_DOWN;
	return 0;
}

static int frmr_test_get_port_immutable(struct ib_device *ibdev, u32 port,
					struct ib_port_immutable *immutable)
{
	return 0;
}

static void frmr_test_dealloc_driver(struct ib_device *ibdev)
{
	struct frmr_test_device *dev = to_test_device(ibdev);

	/* Waits for writers of the files. */
	debugfs_remove(dev->dir);
	frmr_test_push_mrs(dev, U64_MAX);
	ib_frmr_pools_cleanup(ibdev);
	if (dev->live)
		dev_WARN(&ibdev->dev, "%u objects are left\n", dev->live);
	xa_destroy(&dev->objects);
	mutex_destroy(&dev->lock);
}

static const struct ib_device_ops frmr_test_device_ops = {
	.owner = THIS_MODULE,
	.query_device = frmr_test_query_device,
	.query_port = frmr_test_query_port,
	.get_port_immutable = frmr_test_get_port_immutable,
	.dealloc_driver = frmr_test_dealloc_driver,
};

static struct frmr_test_device *frmr_test_alloc(void)
{
	struct frmr_test_device *dev;

	dev = ib_alloc_device(frmr_test_device, ibdev);
	if (!dev)
		return NULL;
	dev->ibdev.node_type = RDMA_NODE_UNSPECIFIED;
	dev->ibdev.phys_port_cnt = 1;
	dev->capacity = FRMR_TEST_MAX_MR;
	mutex_init(&dev->lock);
	xa_init_flags(&dev->objects, XA_FLAGS_ALLOC);
	INIT_LIST_HEAD(&dev->mrs);
	ib_set_device_ops(&dev->ibdev, &frmr_test_device_ops);
	ib_mark_name_assigned_by_user(&dev->ibdev);
	return dev;
}

/* "rdma link add" wants a network device; this one has no use for it. */
static int frmr_test_newlink(const char *name, struct net_device *netdev)
{
	struct frmr_test_device *dev;
	int ret;

	dev = frmr_test_alloc();
	if (!dev)
		return -ENOMEM;
	ret = ib_frmr_pools_init(&dev->ibdev, &frmr_test_pool_ops);
	if (ret)
		goto err;
	frmr_test_add_files(dev, name);
	ret = ib_register_device(&dev->ibdev, name, NULL);
	if (ret)
		goto err;
	return 0;

err:
	ib_dealloc_device(&dev->ibdev);
	return ret;
}

static struct rdma_link_ops frmr_test_link_ops = {
	.type = "frmr_test",
	.newlink = frmr_test_newlink,
};

static int __init frmr_test_init(void)
{
	frmr_test_root = debugfs_create_dir("frmr_test", NULL);
	rdma_link_register(&frmr_test_link_ops);
	return 0;
}

static void __exit frmr_test_exit(void)
{
	rdma_link_unregister(&frmr_test_link_ops);
	/* No other driver goes without a number of its own. */
	ib_unregister_driver(RDMA_DRIVER_UNKNOWN);
	debugfs_remove(frmr_test_root);
}

module_init(frmr_test_init);
module_exit(frmr_test_exit);

MODULE_ALIAS_RDMA_LINK("frmr_test");
MODULE_DESCRIPTION("Made-up RDMA device for the selftests of the FRMR pools");
MODULE_LICENSE("Dual BSD/GPL");
