/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_CMD_H
#define SIM_CMD_H

/* Dispatch: commands and their queue, and the thread that looks for work. */

#include <linux/kprobes.h>
#include "hca.h"
#include "work.h"

/* Commands to be failed: @count of @opcode, with @status. */
struct sim_failure {
	u16 opcode;
	u32 count;
	u8 status;
};

#define SIM_MAX_FAILURES		16
/* Instead of a status: the command never completes. */
#define SIM_STATUS_LOST	0xff

/* @doorbell is atomic, and the knobs are read without a lock. */
struct sim_cmdq {
	struct mlx5_cmd_layout *slots;
	struct kprobe doorbell_probe;
	phys_addr_t doorbell_addr;
	/* Bits for slots: rung for, seen to be, in work, and not to end. */
	atomic_t doorbell;
	unsigned long rung_slots;
	unsigned long busy_slots;
	unsigned long lost_slots;
	int next_slot;
	/* When those that are in work have taken their time, in ns */
	u64 due[SIM_NUM_SLOTS];
	u64 done;
	u32 peak;
	u32 time_us;
	u32 create_time_us;
	u32 destroy_time_us;
	u32 at_once;
};

/* cmd.c */
bool sim_cmd_exec(struct sim *sim, struct sim_cmd *cmd);
int sim_fail_command(struct sim *sim, u16 opcode, u32 count, u8 status);

/* cmdq.c */
int sim_cmdq_init(struct sim *sim);
void sim_cmdq_cleanup(struct sim *sim);
void sim_cmdq_start(struct sim *sim, u64 addr);
void sim_cmdq_reset(struct sim *sim);
u32 sim_cmdq_rung(struct sim *sim);
bool sim_cmdq_poll(struct sim *sim, u32 rung);
u64 sim_cmdq_next(struct sim *sim);
void sim_cmdq_end_lost(struct sim *sim);

/* adapter.c */
int sim_start(struct sim *sim);
void sim_stop(struct sim *sim);
void sim_fatal(struct sim *sim);
void sim_unplug(struct sim *sim);
void sim_plug(struct sim *sim);

#endif /* SIM_CMD_H */
