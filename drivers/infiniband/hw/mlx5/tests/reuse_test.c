// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The way of an mkey back to its pool, and its next owner.
 */
#include "helpers.h"

/*
 * Variants
 */

static void reused_mkey_has_another_key(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);
	u32 old = mr->lkey;

	hca_release(hca, mr);
	mr = hca_reg_page(hca);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, mlx5_base_mkey(mr->lkey), mlx5_base_mkey(old));
	KUNIT_EXPECT_NE(test, mr->lkey, old);
	KUNIT_EXPECT_EQ(test, mr->rkey, mr->lkey);
}

static void variants_wrap_after_256_reuses(struct kunit *test)
{
	DECLARE_BITMAP(seen, 256) = {};
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_alloc_mtt(hca, 0, 1);
	u32 first = mr->lkey;
	int i;

	for (i = 0; i < 256; i++) {
		KUNIT_EXPECT_EQ(test, mlx5_base_mkey(mr->lkey),
				mlx5_base_mkey(first));
		__set_bit(mlx5_mkey_variant(mr->lkey), seen);
		hca_release(hca, mr);
		mr = hca_alloc_mtt(hca, 0, 1);
	}
	KUNIT_EXPECT_TRUE(test, bitmap_full(seen, 256));
	KUNIT_EXPECT_EQ(test, mr->lkey, first);
}

static void enabling_umr_sets_the_new_variant(struct kunit *test)
{
	const u64 must = MLX5_MKEY_MASK_KEY | MLX5_MKEY_MASK_FREE;
	struct fake_hca *hca = test->priv;
	struct mlx5r_umr_wqe *umr = &hca->last_umr;
	struct ib_mr *mr;
	int i;

	for (i = 0; i < 3; i++) {
		mr = hca_reg_page(hca);
		KUNIT_EXPECT_EQ(test, must &
				be64_to_cpu(umr->ctrl_seg.mkey_mask), must);
		KUNIT_EXPECT_EQ(test,
				MLX5_GET(mkc, &umr->mkey_seg, mkey_7_0),
				mlx5_mkey_variant(mr->lkey));
		KUNIT_EXPECT_EQ(test,
				MLX5_GET(mkc, hca_context_of(hca, mr),
					 mkey_7_0),
				mlx5_mkey_variant(mr->lkey));
		hca_release(hca, mr);
	}
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

/* Its work requests set no PD, and a stale key of the last owner must fail. */
static void ulp_gets_a_free_mkey_in_its_pd(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_alloc_mem_reg(hca);
	u32 old = mr->rkey;
	void *mkc;

	hca_release(hca, mr);
	mr = hca_alloc_mem_reg(hca);
	mkc = hca_context_of(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_NE(test, mr->rkey, old);
	KUNIT_EXPECT_EQ(test, mr->lkey, mr->rkey);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, free), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, pd), FAKE_HCA_PDN);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, mkey_7_0),
			mlx5_mkey_variant(mr->rkey));
}

static void variant_follows_the_one_of_the_ulp(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_alloc_mem_reg(hca);

	ib_update_fast_reg_key(mr, 0x77);
	fake_hca_enable_by_ulp(hca, mr, &hca->pd);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, mlx5_mkey_variant(hca_alloc_mem_reg(hca)->rkey),
			0x78);
}

static struct kunit_case variant_cases[] = {
	KUNIT_CASE(reused_mkey_has_another_key),
	KUNIT_CASE(variants_wrap_after_256_reuses),
	KUNIT_CASE(enabling_umr_sets_the_new_variant),
	KUNIT_CASE(ulp_gets_a_free_mkey_in_its_pd),
	KUNIT_CASE(variant_follows_the_one_of_the_ulp),
	{}
};

static struct kunit_suite variant_suite = {
	.name = "mlx5_frmr_variant",
	.init = hca_test_init,
	.test_cases = variant_cases,
};

/*
 * The way back
 */

/* All kinds that come from pools. */
static const struct hca_mr_case pooled_cases[] = {
	{ "user", NULL, hca_reg_page },
	{ "ODP", NULL, hca_make_odp_mr },
	{ "implicit ODP", NULL, hca_make_implicit_mr },
	{ "MEM_REG", NULL, hca_alloc_mem_reg },
	{ "SG_GAPS", NULL, hca_alloc_sg_gaps },
};

KUNIT_ARRAY_PARAM_DESC(pooled, pooled_cases, name);

static void dereg_returns_the_mkey(struct kunit *test)
{
	const struct hca_mr_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	u32 key;
	int i;

	for (i = 0; i < 3; i++) {
		struct ib_mr *mr = param->make(hca);

		KUNIT_EXPECT_NOT_NULL(test, mr->frmr.pool);
		key = mr->lkey;
		hca_release(hca, mr);
		KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 1);
		KUNIT_EXPECT_EQ(test, MLX5_GET(mkc,
					       fake_hca_mkey(hca, key)->mkc,
					       free), 1);
		KUNIT_EXPECT_EQ(test, MLX5_GET(mkc,
					       fake_hca_mkey(hca, key)->mkc,
					       pd), FAKE_HCA_UMR_PDN);
	}
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, hca->destroys, 0);
}

/* Its owner should have invalidated it; the driver must not rely on that. */
static void mkey_that_a_ulp_left_valid_is_revoked(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_alloc_mem_reg(hca);
	u32 key = mr->lkey;

	fake_hca_enable_by_ulp(hca, mr, &hca->pd);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 1);
	KUNIT_EXPECT_EQ(test,
			MLX5_GET(mkc, fake_hca_mkey(hca, key)->mkc, free), 1);
}

/* REG_MR of the next owner sets that right, but does not take it away. */
static void remote_atomics_of_a_ulp_end_with_it(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_alloc_mem_reg(hca);

	MLX5_SET(mkc, hca_context_of(hca, mr), a, 1);
	hca_release(hca, mr);
	mr = hca_alloc_mem_reg(hca);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, mr), a), 0);
}

static void mkey_that_can_not_be_revoked_is_dropped(struct kunit *test)
{
	const struct hca_mr_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = param->make(hca);
	struct ib_frmr_pool_info info;

	hca->bad_umrs = 1;
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	info = hca_only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.idle, 0);
	KUNIT_EXPECT_EQ(test, info.in_use, 0);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_DROPPED], 1);
}

static void failed_dereg_leaves_the_mkey_with_its_mr(struct kunit *test)
{
	const struct hca_mr_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = param->make(hca);

	hca->bad_umrs = 1;
	hca->bad_destroys = 1;
	KUNIT_EXPECT_EQ(test, hca_try_release(hca, mr), -EIO);
	KUNIT_EXPECT_NOT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).in_use, 1);
	KUNIT_EXPECT_EQ(test, hca->live, 1);

	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).in_use, 0);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 1);
}

static void mkey_of_a_dead_device_is_not_pooled(struct kunit *test)
{
	const struct hca_mr_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = param->make(hca);
	u32 umrs = hca->umrs;

	hca->mdev->state = MLX5_DEVICE_STATE_INTERNAL_ERROR;
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->umrs, umrs);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 0);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).in_use, 0);
}

static void mkey_of_a_device_that_is_gone_needs_no_umr(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_alloc_mem_reg(hca);
	u32 umrs = hca->umrs;

	hca->pdev->error_state = pci_channel_io_perm_failure;
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->umrs, umrs);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 0);
}

static void pools_of_a_dead_device_can_be_cleaned_up(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca_stock_idle(hca, 100);
	hca->mdev->state = MLX5_DEVICE_STATE_INTERNAL_ERROR;
	mlx5r_frmr_pools_cleanup(&hca->dev->ib_dev);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void mkey_that_can_not_be_enabled_goes_back(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca->bad_umrs = 1;
	KUNIT_EXPECT_PTR_EQ(test, hca_try_user_mr(hca), ERR_PTR(-EFAULT));
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 1);

	hca_reg_page(hca);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

static void mkey_that_no_umr_reaches_is_destroyed(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca->bad_umrs = 2; /* the one to enable it, the one to revoke it */
	KUNIT_EXPECT_PTR_EQ(test, hca_try_user_mr(hca), ERR_PTR(-EFAULT));
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).in_use, 0);
}

/* An implicit MR is set up by several UMRs: whichever fails, all goes back. */
static void failed_implicit_mr_returns_its_mkeys(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	FAKE_HCA_SET_ODP_CAP(hca, mem_page_fault, 1);
	hca_map_pages(hca, 1);
	hca->good_umrs = 1;
	hca->bad_umrs = 1;
	mr = ib_reg_user_mr(&hca->pd.ibpd, 0, U64_MAX, 0, IB_ACCESS_ON_DEMAND);
	KUNIT_EXPECT_PTR_EQ(test, mr, ERR_PTR(-EFAULT));
	KUNIT_EXPECT_EQ(test, hca->live, 1);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 1);
}

static struct kunit_case return_cases[] = {
	KUNIT_CASE_PARAM(dereg_returns_the_mkey, pooled_gen_params),
	KUNIT_CASE(mkey_that_a_ulp_left_valid_is_revoked),
	KUNIT_CASE(remote_atomics_of_a_ulp_end_with_it),
	KUNIT_CASE_PARAM(mkey_that_can_not_be_revoked_is_dropped,
			 pooled_gen_params),
	KUNIT_CASE_PARAM(failed_dereg_leaves_the_mkey_with_its_mr,
			 pooled_gen_params),
	KUNIT_CASE_PARAM(mkey_of_a_dead_device_is_not_pooled,
			 pooled_gen_params),
	KUNIT_CASE(mkey_of_a_device_that_is_gone_needs_no_umr),
	KUNIT_CASE(pools_of_a_dead_device_can_be_cleaned_up),
	KUNIT_CASE(mkey_that_can_not_be_enabled_goes_back),
	KUNIT_CASE(mkey_that_no_umr_reaches_is_destroyed),
	KUNIT_CASE(failed_implicit_mr_returns_its_mkeys),
	{}
};

static struct kunit_suite return_suite = {
	.name = "mlx5_frmr_return",
	.init = hca_test_init,
	.test_cases = return_cases,
};

kunit_test_suites(&variant_suite, &return_suite);
