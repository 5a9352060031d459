// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The initialization segment: what the driver sees first, and last. */

#include <linux/io.h>
#include <linux/ktime.h>
#include "vhca.h"

#define VHCA_FW_MAJOR		22
#define VHCA_FW_MINOR		99
#define VHCA_FW_SUBMINOR	1
#define VHCA_CMDIF_REV		5

#define VHCA_INIT_TIMEOUT_MS	2000
/* 20 bits; those above them would make it seconds. */
#define VHCA_MAX_TIMEOUT_MS	0xfffffU

#define VHCA_NIC_STATE_SHIFT	8
#define VHCA_NIC_STATE_MASK	0x7

static void vhca_seg_write(__be32 __iomem *reg, u32 val)
{
	/* Not the function that is trapped */
	__raw_writel((__force u32)cpu_to_be32(val), reg);
}

/*
 * The register holds the address of the command queue and, in the bits that an
 * aligned address leaves free, the size of the queue and the state of the
 * interface. The driver overwrites all of it: put back what is the device's.
 */
static void vhca_seg_set_cmdq(struct vhca *vhca, u32 addr_l, u8 nic_state)
{
	vhca_seg_write(&vhca->iseg->cmdq_addr_l_sz,
		       (addr_l & PAGE_MASK) |
		       nic_state << VHCA_NIC_STATE_SHIFT |
		       VHCA_LOG_SLOTS << 4 | VHCA_LOG_SLOT_SIZE);
}

/* How long the driver is to wait; it has its own ideas if nothing is said. */
static void vhca_seg_timeouts(struct vhca *vhca)
{
	if (!vhca->command_timeout_ms)
		return;
	vhca_seg_write(&vhca->iseg->cmd_q_init_to, VHCA_INIT_TIMEOUT_MS);
	vhca_seg_write(&vhca->iseg->cmd_exec_to,
		       min(vhca->command_timeout_ms, VHCA_MAX_TIMEOUT_MS));
}

void vhca_seg_init(struct vhca *vhca)
{
	struct mlx5_init_seg __iomem *seg = vhca->iseg;

	memset_io(seg, 0, sizeof(*seg));
	vhca_seg_write(&seg->fw_rev, VHCA_FW_MINOR << 16 | VHCA_FW_MAJOR);
	vhca_seg_write(&seg->cmdif_rev_fw_sub,
		       VHCA_CMDIF_REV << 16 | VHCA_FW_SUBMINOR);
	vhca_seg_write(&seg->health.fw_ver, VHCA_FW_MAJOR << 24);
	vhca_seg_timeouts(vhca);
	vhca_seg_set_cmdq(vhca, 0, MLX5_INITIAL_SEG_NIC_INTERFACE_FULL_DRIVER);
}

/* The driver starts anew, if there was a queue before. */
static void vhca_seg_new_cmdq(struct vhca *vhca, u32 addr_l)
{
	u64 addr = (u64)ioread32be(&vhca->iseg->cmdq_addr_h) << 32 |
		   (addr_l & PAGE_MASK);

	iowrite8(0, &vhca->iseg->health.synd);
	vhca_reset(vhca);
	vhca->slots = vhca_dma(addr, PAGE_SIZE);
	if (!vhca->slots)
		pr_err("mlx5_vhca: no memory at 0x%llx for a command queue\n",
		       addr);
}

static bool vhca_seg_poll_cmdq(struct vhca *vhca)
{
	u32 val = ioread32be(&vhca->iseg->cmdq_addr_l_sz);
	u8 nic_state = (val >> VHCA_NIC_STATE_SHIFT) & VHCA_NIC_STATE_MASK;

	/* As the device wrote it? */
	if (val & 0xff)
		return false;
	switch (nic_state) {
	case MLX5_INITIAL_SEG_NIC_INTERFACE_FULL_DRIVER:
		vhca_seg_new_cmdq(vhca, val);
		break;
	case MLX5_INITIAL_SEG_NIC_INTERFACE_SW_RESET:
		nic_state = MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED;
		fallthrough;
	case MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED:
		vhca_reset(vhca);
		break;
	}
	vhca_seg_set_cmdq(vhca, val, nic_state);
	return true;
}

static void vhca_seg_tick(struct vhca *vhca)
{
	u64 now = ktime_get_ns();

	vhca_seg_write(&vhca->iseg->internal_timer_h, upper_32_bits(now));
	vhca_seg_write(&vhca->iseg->internal_timer_l, lower_32_bits(now));
	vhca_seg_write(&vhca->iseg->health_counter, now >> 20);
}

/* Looks for what the driver wrote; true if there was something. */
bool vhca_seg_poll(struct vhca *vhca)
{
	/* The register was written before the doorbell rings for the first time. */
	u32 rung = vhca_cmd_rung(vhca);
	bool busy = vhca_seg_poll_cmdq(vhca);

	vhca_seg_tick(vhca);
	return vhca_cmd_poll(vhca, rung) || busy;
}

/* The firmware dies: it leaves a syndrome, and disables the interface. */
void vhca_seg_fatal(struct vhca *vhca)
{
	u32 val = ioread32be(&vhca->iseg->cmdq_addr_l_sz);

	vhca_reset(vhca);
	iowrite8(MLX5_INITIAL_SEG_HEALTH_SYNDROME_FW_INTERNAL_ERR,
		 &vhca->iseg->health.synd);
	vhca_seg_set_cmdq(vhca, val, MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED);
}
