/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef VHCA_ACCESS_H
#define VHCA_ACCESS_H

#include <linux/types.h>

/**
 * struct vhca_access_request - what to write to debugfs' mlx5_vhca/access
 * @key:	lkey or rkey
 * @pd:		PD that the access is made from, or VHCA_ACCESS_ANY_PD
 * @addr:	address, as a work request would name it
 * @length:	in bytes, at most VHCA_ACCESS_MAX
 * @flags:	VHCA_ACCESS_*: a local read if 0
 *
 * What is to be written follows; what was read is then read from the file.
 */
struct vhca_access_request {
	__u32 key;
	__u32 pd;
	__u64 addr;
	__u32 length;
	__u32 flags;
};

#define VHCA_ACCESS_WRITE	0x1
#define VHCA_ACCESS_REMOTE	0x2
#define VHCA_ACCESS_FLAGS	(VHCA_ACCESS_WRITE | VHCA_ACCESS_REMOTE)
#define VHCA_ACCESS_ANY_PD	((__u32)-1)
#define VHCA_ACCESS_MAX		0x1000000

#endif /* VHCA_ACCESS_H */
