/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * mlx5: mkeys from FRMR pools.
 */
#ifndef _MLX5_IB_FRMR_H
#define _MLX5_IB_FRMR_H

#include "mlx5_ib.h"

int mlx5_frmr_init(struct mlx5_ib_dev *dev);
void mlx5_frmr_cleanup(struct mlx5_ib_dev *dev);

struct mlx5_ib_mr *mlx5_frmr_alloc(struct mlx5_ib_dev *dev, int access_flags,
				   unsigned int access_mode, size_t num_blocks,
				   bool ats);
int mlx5_frmr_attach_ulp(struct mlx5_ib_mr *mr, struct ib_pd *pd);
int mlx5_frmr_revoke(struct mlx5_ib_mr *mr);
void mlx5_frmr_push(struct mlx5_ib_mr *mr);

/*
 * Whether an error of a pool ends the registration: a process that is killed
 * has no use for an mkey of its own, and firmware that does not answer would
 * let it wait a second time.
 */
static inline bool mlx5_frmr_is_final(int err)
{
	return err == -EINTR || err == -ETIMEDOUT;
}

#if IS_ENABLED(CONFIG_KUNIT)
size_t mlx5_frmr_round(size_t num_blocks);
#endif

#endif /* _MLX5_IB_FRMR_H */
