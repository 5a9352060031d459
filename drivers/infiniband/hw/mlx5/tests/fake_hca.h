/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * An adapter that is made up, for the tests of mlx5's memory regions.
 */
#ifndef _FAKE_HCA_H
#define _FAKE_HCA_H

#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/xarray.h>

#include "../../../core/frmr_pools.h"
#include "../mlx5_ib.h"
#include "../umr.h"

/* The protection domains that there are. */
#define FAKE_HCA_UMR_PDN 0x11
#define FAKE_HCA_PDN 0x22
#define FAKE_HCA_OTHER_PDN 0x33

/* PSVs are handed out from here on, and taken back only from here on. */
#define FAKE_HCA_PSV 0x50

/* To which failed commands of DEVX users add the number of CREATE_MKEYs. */
#define FAKE_HCA_SYNDROME 0x1000

/**
 * struct fake_mkey - an mkey that exists
 * @in: the command that created it, without the translations
 * @translation: the first translation in that command, or 0
 * @mkc: its context as UMRs have left it
 * @octwords: size of its translation table
 */
struct fake_mkey {
	u32 in[MLX5_ST_SZ_DW(create_mkey_in)];
	u64 translation;
	u32 mkc[MLX5_ST_SZ_DW(mkc)];
	u32 octwords;
};

/**
 * struct fake_hca - the adapter, and the driver's view of it
 * @test: the test that hears of what an adapter would not put up with
 * @dev: the driver's device
 * @mdev: what mlx5_core would provide
 * @pdev: nothing but an address mask and a state
 * @umr_pd: PD of the UMR QP
 * @pd: PD of users and ULPs
 * @other_pd: another one
 * @mkeys: struct fake_mkey, by index
 * @next_index: an index is used once, so that a stale one is noticed
 * @live: mkeys that exist
 * @creates: CREATE_MKEY commands, failed ones too
 * @destroys: DESTROY_MKEY commands, failed ones too
 * @sends: commands that nobody waited for one by one
 * @umrs: UMRs, failed ones too
 * @psvs: PSVs that exist
 * @resource_inits: how often the driver asked for its UMR QP
 * @last_key: key of the last mkey that was created
 * @last_umr: the last UMR
 * @limit: the most mkeys that can be live; above it comes @full_err
 * @full_err: negative errno
 * @good_creates: commands to let pass before @bad_creates fail
 * @bad_creates: commands that fail with @create_err
 * @create_err: negative errno
 * @bad_destroys: how many of the next DESTROY_MKEY fail with -EIO
 * @good_sends: commands to let pass before @bad_sends can't be sent
 * @bad_sends: commands for which there is no memory but by waiting
 * @good_umrs: UMRs to let pass before @bad_umrs fail
 * @bad_umrs: UMRs that fail with -EFAULT
 * @resource_err: what the driver gets instead of a UMR QP, or 0
 */
struct fake_hca {
	struct kunit *test;
	struct mlx5_ib_dev *dev;
	struct mlx5_core_dev *mdev;
	struct pci_dev *pdev;
	struct mlx5_ib_pd umr_pd;
	struct mlx5_ib_pd pd;
	struct mlx5_ib_pd other_pd;

	struct xarray mkeys;
	u32 next_index;
	u32 live;
	u32 creates;
	u32 destroys;
	u32 sends;
	u32 umrs;
	u32 psvs;
	u32 resource_inits;
	u32 last_key;
	struct mlx5r_umr_wqe last_umr;

	u32 limit;
	int full_err;
	u32 good_creates;
	u32 bad_creates;
	int create_err;
	u32 bad_destroys;
	u32 good_sends;
	u32 bad_sends;
	u32 good_umrs;
	u32 bad_umrs;
	int resource_err;
};

static inline u32 *fake_hca_caps(struct fake_hca *hca,
				 enum mlx5_cap_type type)
{
	return hca->mdev->caps.hca[type]->cur;
}

#define FAKE_HCA_SET_CAP(hca, cap, value)				\
	MLX5_SET(cmd_hca_cap, fake_hca_caps(hca, MLX5_CAP_GENERAL), cap, value)

#define FAKE_HCA_SET_ODP_CAP(hca, cap, value)				\
	MLX5_SET(odp_cap, fake_hca_caps(hca, MLX5_CAP_ODP), cap, value)

int fake_hca_init(struct kunit *test);

struct fake_mkey *fake_hca_mkey(struct fake_hca *hca, u32 key);
void fake_hca_enable_by_ulp(struct fake_hca *hca, struct ib_mr *mr,
			    struct mlx5_ib_pd *pd);
void fake_hca_forget_all(struct fake_hca *hca);

#endif /* _FAKE_HCA_H */
