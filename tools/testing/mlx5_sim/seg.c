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
	sim_seg_write(&sim->iseg->cmdq_addr_l_sz,
		      (addr_l & PAGE_MASK) |
		      nic_state << SIM_NIC_STATE_SHIFT |
		      SIM_LOG_SLOTS << 4 | SIM_LOG_SLOT_SIZE);
}

/* How long the driver is to wait; it has its own ideas if nothing is said. */
static void sim_seg_timeouts(struct sim *sim)
{
	if (!sim->command_timeout_ms)
		return;
	sim_seg_write(&sim->iseg->cmd_q_init_to, SIM_INIT_TIMEOUT_MS);
	sim_seg_write(&sim->iseg->cmd_exec_to,
		      min(sim->command_timeout_ms, SIM_MAX_TIMEOUT_MS));
}

void sim_seg_init(struct sim *sim)
{
	struct mlx5_init_seg __iomem *seg = sim->iseg;

	memset_io(seg, 0, sizeof(*seg));
	sim_seg_write(&seg->fw_rev, SIM_FW_MINOR << 16 | SIM_FW_MAJOR);
	sim_seg_write(&seg->cmdif_rev_fw_sub,
		      SIM_CMDIF_REV << 16 | SIM_FW_SUBMINOR);
	sim_seg_write(&seg->health.fw_ver, SIM_FW_MAJOR << 24);
	sim_seg_timeouts(sim);
	sim_seg_set_cmdq(sim, 0, MLX5_INITIAL_SEG_NIC_INTERFACE_FULL_DRIVER);
}

/* The driver starts anew, if there was a queue before. */
static void sim_seg_new_cmdq(struct sim *sim, u32 addr_l)
{
	u64 addr = (u64)ioread32be(&sim->iseg->cmdq_addr_h) << 32 |
		   (addr_l & PAGE_MASK);

	iowrite8(0, &sim->iseg->health.synd);
	sim_reset(sim);
	sim->slots = sim_dma(addr, PAGE_SIZE);
	if (!sim->slots)
		pr_err("mlx5_sim: no memory at 0x%llx for a command queue\n",
		       addr);
}

static bool sim_seg_poll_cmdq(struct sim *sim)
{
	u32 val = ioread32be(&sim->iseg->cmdq_addr_l_sz);
	u8 nic_state = (val >> SIM_NIC_STATE_SHIFT) & SIM_NIC_STATE_MASK;

	/* As the device wrote it? */
	if (val & 0xff)
		return false;
	switch (nic_state) {
	case MLX5_INITIAL_SEG_NIC_INTERFACE_FULL_DRIVER:
		sim_seg_new_cmdq(sim, val);
		break;
	case MLX5_INITIAL_SEG_NIC_INTERFACE_SW_RESET:
		nic_state = MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED;
		fallthrough;
	case MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED:
		sim_reset(sim);
		break;
	}
	sim_seg_set_cmdq(sim, val, nic_state);
	return true;
}

static void sim_seg_tick(struct sim *sim)
{
	u64 now = ktime_get_ns();

	sim_seg_write(&sim->iseg->internal_timer_h, upper_32_bits(now));
	sim_seg_write(&sim->iseg->internal_timer_l, lower_32_bits(now));
	sim_seg_write(&sim->iseg->health_counter, now >> 20);
}

/* Looks for what the driver wrote; true if there was something. */
bool sim_seg_poll(struct sim *sim)
{
	/* The register was written before the doorbell rings for the first time. */
	u32 rung = sim_cmd_rung(sim);
	bool busy = sim_seg_poll_cmdq(sim);

	sim_seg_tick(sim);
	return sim_cmd_poll(sim, rung) || busy;
}

/* The firmware dies: it leaves a syndrome, and disables the interface. */
void sim_seg_fatal(struct sim *sim)
{
	u32 val = ioread32be(&sim->iseg->cmdq_addr_l_sz);

	sim_reset(sim);
	iowrite8(MLX5_INITIAL_SEG_HEALTH_SYNDROME_FW_INTERNAL_ERR,
		 &sim->iseg->health.synd);
	sim_seg_set_cmdq(sim, val, MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED);
}
