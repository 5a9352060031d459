// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How long ib_alloc_mr() and ib_dereg_mr() take: a ULP connects, for which it
 * allocates MRs, and disconnects. Measures when it is loaded, on the first mlx5
 * device; the results are parameters that can be read.
 */

#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>
#include "sim_client.h"

#define NUM_PAGES	16

static uint mrs = 128;
module_param(mrs, uint, 0444);
MODULE_PARM_DESC(mrs, "MRs of a connection");

static uint connections = 10;
module_param(connections, uint, 0444);
MODULE_PARM_DESC(connections, "Connections, one after the other");

static uint first_ns;
module_param(first_ns, uint, 0444);
MODULE_PARM_DESC(first_ns, "Result: time for an MR of the first connection");

static uint next_ns;
module_param(next_ns, uint, 0444);
MODULE_PARM_DESC(next_ns, "Result: time for an MR of the other connections");

/* Allocates and frees them; returns 0 or a negative errno. */
static int connect_once(struct ib_pd *pd, struct ib_mr **mr)
{
	int err = 0;
	uint i;

	for (i = 0; i < mrs; i++) {
		mr[i] = ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, NUM_PAGES);
		if (IS_ERR(mr[i])) {
			err = PTR_ERR(mr[i]);
			break;
		}
	}
	while (i--)
		ib_dereg_mr(mr[i]);
	return err;
}

/* Time for each MR of so many connections, in nanoseconds */
static int measure(struct ib_pd *pd, struct ib_mr **mr, uint count, uint *ns)
{
	u64 begin = ktime_get_ns();
	int err = 0;
	uint i;

	for (i = 0; i < count && !err; i++)
		err = connect_once(pd, mr);
	*ns = div_u64(ktime_get_ns() - begin, count * mrs);
	return err;
}

static int measure_all(struct ib_pd *pd)
{
	struct ib_mr **mr = kcalloc(mrs, sizeof(*mr), GFP_KERNEL);
	int err;

	if (!mr)
		return -ENOMEM;
	err = measure(pd, mr, 1, &first_ns) ?:
	      measure(pd, mr, connections - 1, &next_ns);
	kfree(mr);
	return err;
}

static int __init sim_alloc_mr_init(void)
{
	struct ib_device *dev;
	struct ib_pd *pd;
	int err;

	if (!mrs || connections < 2)
		return -EINVAL;
	dev = sim_get_device();
	if (!dev)
		return -ENODEV;
	pd = ib_alloc_pd(dev, 0);
	err = PTR_ERR_OR_ZERO(pd);
	if (!err) {
		err = measure_all(pd);
		ib_dealloc_pd(pd);
	}
	ib_device_put(dev);
	return err;
}

static void __exit sim_alloc_mr_exit(void)
{
}

module_init(sim_alloc_mr_init);
module_exit(sim_alloc_mr_exit);
MODULE_DESCRIPTION("Benchmark of ib_alloc_mr() on mlx5");
MODULE_LICENSE("Dual BSD/GPL");
