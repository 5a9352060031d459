/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef VHCA_CLIENT_H
#define VHCA_CLIENT_H

#include <linux/string.h>
#include <rdma/ib_verbs.h>

static struct ib_device *vhca_found;

/* Wants to hear no more of any device. */
static int vhca_client_add(struct ib_device *dev)
{
	if (dev->ops.driver_id == RDMA_DRIVER_MLX5 &&
	    !strcmp(dev_name(&dev->dev), "mlx5_0") && ib_device_try_get(dev))
		vhca_found = dev;
	return -EOPNOTSUPP;
}

static struct ib_client vhca_client = {
	.name = KBUILD_MODNAME,
	.add = vhca_client_add,
};

/* The first mlx5 device, or NULL. The caller calls ib_device_put(). */
static inline struct ib_device *vhca_get_device(void)
{
	/* Is told of each device that there is before it comes back. */
	if (!ib_register_client(&vhca_client))
		ib_unregister_client(&vhca_client);
	return vhca_found;
}

#endif /* VHCA_CLIENT_H */
