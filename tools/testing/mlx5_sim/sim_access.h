/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_ACCESS_H
#define SIM_ACCESS_H

#include <linux/types.h>

/**
 * struct sim_access_request - what to write to debugfs' mlx5_sim/access
 * @key:	lkey or rkey
 * @pd:		PD that the access is made from, or SIM_ACCESS_ANY_PD
 * @addr:	address, as a work request would name it
 * @length:	in bytes, at most SIM_ACCESS_MAX
 * @flags:	SIM_ACCESS_*: a local read if 0
 *
 * What is to be written follows; what was read is then read from the file.
 */
struct sim_access_request {
	__u32 key;
	__u32 pd;
	__u64 addr;
	__u32 length;
	__u32 flags;
};

#define SIM_ACCESS_WRITE	0x1
#define SIM_ACCESS_REMOTE	0x2
#define SIM_ACCESS_FLAGS	(SIM_ACCESS_WRITE | SIM_ACCESS_REMOTE)
#define SIM_ACCESS_ANY_PD	((__u32)-1)
#define SIM_ACCESS_MAX		0x1000000

#endif /* SIM_ACCESS_H */
