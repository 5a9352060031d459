/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_HCA_H
#define SIM_HCA_H

/* The life of the HCA: how it comes up, what it is and needs, how it ends. */

#include "object.h"

/* The command queue: 32 slots of 64 bytes */
#define SIM_LOG_SLOTS		5
#define SIM_LOG_SLOT_SIZE	6
#define SIM_NUM_SLOTS		BIT(SIM_LOG_SLOTS)

/* What it can do, now and at most; frozen from INIT_HCA on */
struct sim_caps {
	u8 (*values)[2][MLX5_UN_SZ_BYTES(hca_cap_union)];
	bool frozen;
};

/* Pages that the driver has lent; @bytes is what they are needed for. */
struct sim_pages {
	u64 *addrs;
	u32 count;
	u32 room;
	u64 bytes;
	bool asked;
};

/* What was left when the driver was unloaded */
struct sim_leaks {
	u32 mkeys;
	u32 objects;
};

/* seg.c */
void sim_seg_init(struct sim *sim);
bool sim_seg_poll(struct sim *sim, u64 *queue, bool *up);
void sim_seg_answer(struct sim *sim, u64 queue, bool up);
void sim_seg_fatal(struct sim *sim);
void sim_seg_vanish(struct sim *sim);

/* caps.c */
int sim_caps_init(struct sim *sim);
void sim_caps_cleanup(struct sim *sim);
void sim_caps_reset(struct sim *sim);
sim_cmd_fn sim_init_hca, sim_query_hca_cap, sim_set_hca_cap;

/* port.c */
sim_cmd_fn sim_query_vport_context, sim_query_vport_gid;
sim_cmd_fn sim_query_vport_pkey, sim_query_vport_state, sim_access_reg;

/* pages.c */
void sim_pages_update(struct sim *sim);
void sim_pages_reset(struct sim *sim);
sim_cmd_fn sim_query_pages, sim_manage_pages;

/* hca.c */
int sim_hca_init(struct sim *sim);
void sim_hca_cleanup(struct sim *sim);
void sim_hca_reset(struct sim *sim);
sim_cmd_fn sim_teardown_hca, sim_query_issi, sim_set_issi, sim_query_adapter;
sim_cmd_fn sim_query_special_contexts;

#endif /* SIM_HCA_H */
