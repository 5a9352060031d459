/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_H
#define SIM_H

#include <linux/mutex.h>
#include "cmd.h"

/* What the parameters of the module say for good */
struct sim_options {
	u32 command_timeout_ms;
	bool transport_faults;
	bool devx;
	bool short_umrs;
	bool fixed_pages;
};

/*
 * The device, from its lowest floor to the highest. Each file calls only what
 * is below it, and changes only what is its own.
 */
struct sim {
	/* For all that does not say otherwise */
	struct mutex lock;
	struct sim_options options;

	/* bus.h */
	struct sim_pci pci;

	/* object.h */
	struct sim_table tables[SIM_NUM_KINDS];
	struct list_head qps;
	struct sim_odp odp;
	struct sim_mkeys mkeys;

	/* work.h */
	struct sim_work work;
	struct sim_umrs umrs;

	/* hca.h */
	struct sim_caps caps;
	struct sim_pages pages;
	struct sim_leaks leaks;

	/* cmd.h */
	struct sim_failure failures[SIM_MAX_FAILURES];
	struct sim_cmdq cmdq;
	struct task_struct *adapter;

	/* debugfs.c */
	struct dentry *debugfs;
};

/* access.c */
extern const struct file_operations sim_access_fops;

/* debugfs.c */
void sim_debugfs_init(struct sim *sim);
void sim_debugfs_cleanup(struct sim *sim);

#endif /* SIM_H */
