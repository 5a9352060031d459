// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Makes Soft-RoCE take its time to create an MR, as the firmware of an adapter
 * does. The driver is not changed, and may be one with FRMR pools or without,
 * so that both can be compared.
 */

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include "rxe.h"

static uint delay_us;
module_param(delay_us, uint, 0444);
MODULE_PARM_DESC(delay_us, "How long the creation of an MR takes longer, in microseconds");

static int rxe_delay(struct kprobe *probe, struct pt_regs *regs)
{
	const struct rxe_pool *pool =
		(const void *)regs_get_kernel_argument(regs, 0);

	if (pool->type == RXE_TYPE_MR)
		udelay(delay_us);
	return 0;
}

/* They give an object its index; both have the table as first argument. */
static struct kprobe probe_object = {
	.symbol_name = "__rxe_add_to_pool",
	.pre_handler = rxe_delay,
};

static struct kprobe probe_pooled = {
	.symbol_name = "rxe_pool_reserve",
	.pre_handler = rxe_delay,
};

static int __init rxe_delay_init(void)
{
	int err;

	err = register_kprobe(&probe_object);
	if (err)
		return err;
	err = register_kprobe(&probe_pooled);
	/* Not to be found: a driver without pools */
	if (err && err != -ENOENT)
		unregister_kprobe(&probe_object);
	return err == -ENOENT ? 0 : err;
}

static void __exit rxe_delay_exit(void)
{
	unregister_kprobe(&probe_pooled);
	unregister_kprobe(&probe_object);
}

module_init(rxe_delay_init);
module_exit(rxe_delay_exit);
MODULE_DESCRIPTION("Delays the creation of MRs by Soft-RoCE");
MODULE_LICENSE("Dual BSD/GPL");
