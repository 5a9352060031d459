/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * MRs of Soft-RoCE on the FRMR pools of ib_core.
 */
#ifndef RXE_FRMR_H
#define RXE_FRMR_H

#include <linux/types.h>

struct rxe_dev;
struct rxe_mr;

int rxe_frmr_init(struct rxe_dev *rxe);
void rxe_frmr_cleanup(struct rxe_dev *rxe);

int rxe_frmr_attach(struct rxe_dev *rxe, struct rxe_mr *mr, size_t num_pages,
		    bool kernel);
void rxe_frmr_detach(struct rxe_mr *mr, bool unreferenced);
int rxe_frmr_grow(struct rxe_mr *mr, u32 num_pages);
int rxe_frmr_add_unpooled(struct rxe_dev *rxe, struct rxe_mr *mr);

#endif /* RXE_FRMR_H */
