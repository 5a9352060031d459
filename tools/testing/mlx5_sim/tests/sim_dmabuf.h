/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_DMABUF_H
#define SIM_DMABUF_H

#include <linux/ioctl.h>

/* Of /dev/sim_dmabuf: a dma-buf of so many pages, as a file descriptor. */
#define SIM_DMABUF_CREATE	_IO('V', 0xe0)

/*
 * Moves the dma-buf with that file descriptor. EBUSY while it is pinned, EBADMSG
 * if somebody has written to where it is not any more.
 */
#define SIM_DMABUF_MOVE	_IO('V', 0xe1)

#endif /* SIM_DMABUF_H */
