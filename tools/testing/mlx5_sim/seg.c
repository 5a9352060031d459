// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The initialization segment: what the driver sees first, and last. */

#include <linux/io.h>
#include <linux/ktime.h>
#include "sim.h"

#define SIM_FW_MAJOR		22
#define SIM_FW_MINOR		99
#define SIM_FW_SUBMINOR	1
#define SIM_CMDIF_REV		5

#define SIM_INIT_TIMEOUT_MS	2000
/* 20 bits; those above them would make it seconds. */
#define SIM_MAX_TIMEOUT_MS	0xfffffU

#define SIM_NIC_STATE_SHIFT	8
#define SIM_NIC_STATE_MASK	0x7

static struct mlx5_init_seg __iomem *sim_seg(struct sim *sim)
{
	return sim->pci.bar;
}

static void sim_seg_write(__be32 __iomem *reg, u32 val)
{
	/* Not the function that is trapped */
	__raw_writel((__force u32)cpu_to_be32(val), reg);
}

/*
 * The register holds the address of the command queue and, in the bits that an
 * aligned address leaves free, the size of the queue and the state of the
 * interface. The driver overwrites all of it: put back what is the device's.
 */
static void sim_seg_set_cmdq(struct sim *sim, u32 addr_l, u8 nic_state)
{
	sim_seg_write(&sim_seg(sim)->cmdq_addr_l_sz,
		      (addr_l & PAGE_MASK) |
		      nic_state << SIM_NIC_STATE_SHIFT |
		      SIM_LOG_SLOTS << 4 | SIM_LOG_SLOT_SIZE);
}

/* How long the driver is to wait; it has its own ideas if nothing is said. */
static void sim_seg_timeouts(struct sim *sim)
{
	if (!sim->options.command_timeout_ms)
		return;
	sim_seg_write(&sim_seg(sim)->cmd_q_init_to, SIM_INIT_TIMEOUT_MS);
	sim_seg_write(&sim_seg(sim)->cmd_exec_to,
		      min(sim->options.command_timeout_ms, SIM_MAX_TIMEOUT_MS));
}

void sim_seg_init(struct sim *sim)
{
	struct mlx5_init_seg __iomem *seg = sim_seg(sim);

	memset_io(seg, 0, sizeof(*seg));
	sim_seg_write(&seg->fw_rev, SIM_FW_MINOR << 16 | SIM_FW_MAJOR);
	sim_seg_write(&seg->cmdif_rev_fw_sub,
		      SIM_CMDIF_REV << 16 | SIM_FW_SUBMINOR);
	sim_seg_write(&seg->health.fw_ver, SIM_FW_MAJOR << 24);
	sim_seg_timeouts(sim);
	sim_seg_set_cmdq(sim, 0, MLX5_INITIAL_SEG_NIC_INTERFACE_FULL_DRIVER);
}

static void sim_seg_tick(struct sim *sim)
{
	u64 now = ktime_get_ns();

	sim_seg_write(&sim_seg(sim)->internal_timer_h, upper_32_bits(now));
	sim_seg_write(&sim_seg(sim)->internal_timer_l, lower_32_bits(now));
	sim_seg_write(&sim_seg(sim)->health_counter, now >> 20);
}

/**
 * sim_seg_poll - has the driver written where its command queue is?
 * @sim:	the device
 * @queue:	the address, if it has
 * @up:		if it is to be used; else the driver takes the interface down
 *
 * Return: true if it has. It waits for sim_seg_answer(), then.
 */
bool sim_seg_poll(struct sim *sim, u64 *queue, bool *up)
{
	u32 val = ioread32be(&sim_seg(sim)->cmdq_addr_l_sz);

	sim_seg_tick(sim);
	/* As the device wrote it? */
	if (val & 0xff)
		return false;
	*queue = (u64)ioread32be(&sim_seg(sim)->cmdq_addr_h) << 32 |
		 (val & PAGE_MASK);
	*up = (val >> SIM_NIC_STATE_SHIFT & SIM_NIC_STATE_MASK) ==
	      MLX5_INITIAL_SEG_NIC_INTERFACE_FULL_DRIVER;
	return true;
}

void sim_seg_answer(struct sim *sim, u64 queue, bool up)
{
	if (up)
		iowrite8(0, &sim_seg(sim)->health.synd);
	sim_seg_set_cmdq(sim, lower_32_bits(queue),
			 up ? MLX5_INITIAL_SEG_NIC_INTERFACE_FULL_DRIVER :
			      MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED);
}

/* The firmware dies: it leaves a syndrome, and disables the interface. */
void sim_seg_fatal(struct sim *sim)
{
	u32 val = ioread32be(&sim_seg(sim)->cmdq_addr_l_sz);

	iowrite8(MLX5_INITIAL_SEG_HEALTH_SYNDROME_FW_INTERNAL_ERR,
		 &sim_seg(sim)->health.synd);
	sim_seg_set_cmdq(sim, val, MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED);
}

/* Whatever is read of it is all ones. */
void sim_seg_vanish(struct sim *sim)
{
	memset_io(sim_seg(sim), 0xff, sizeof(*sim_seg(sim)));
}
