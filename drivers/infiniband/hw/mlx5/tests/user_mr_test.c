// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Reregistration of users' memory regions.
 */
#include "helpers.h"

static struct ib_mr *rereg_pages(struct fake_hca *hca, struct ib_mr *mr,
				 u32 npages)
{
	unsigned long addr = hca_map_pages(hca, npages);

	return mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_TRANS, addr,
				     npages * PAGE_SIZE,
				     hca_iova_of_small_pages(hca, addr), 0,
				     &hca->pd.ibpd, NULL);
}

/* Other pages, another PD and more access, all at once */
static struct ib_mr *rereg_all(struct fake_hca *hca, struct ib_mr *mr)
{
	unsigned long addr = hca_map_pages(hca, 2);

	return mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_TRANS | IB_MR_REREG_PD |
					 IB_MR_REREG_ACCESS,
				     addr, 2 * PAGE_SIZE,
				     hca_iova_of_small_pages(hca, addr),
				     TEST_ALL_ACCESS, &hca->other_pd.ibpd,
				     NULL);
}

static struct ib_mr *rereg_access(struct ib_mr *mr, int access)
{
	return mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_ACCESS, 0, 0, 0, access,
				     mr->pd, NULL);
}

static void rereg_that_fits_keeps_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_user(hca, 3, IB_ACCESS_LOCAL_WRITE);
	struct ib_frmr_pool *pool = mr->frmr.pool;
	u32 key = mr->lkey;

	KUNIT_EXPECT_NULL(test, rereg_pages(hca, mr, 4));
	KUNIT_EXPECT_EQ(test, mr->lkey, key);
	KUNIT_EXPECT_PTR_EQ(test, mr->frmr.pool, pool);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, mr), free), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, hca_context_of(hca, mr), len),
			4 * PAGE_SIZE);
}

static void rereg_that_does_not_fit_takes_another_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_user(hca, 3, IB_ACCESS_LOCAL_WRITE);
	struct ib_mr *new;

	new = hca_adopt(hca, rereg_pages(hca, mr, 5), &hca->pd,
			IB_MR_TYPE_USER);
	KUNIT_EXPECT_NE(test, mlx5_base_mkey(new->lkey),
			mlx5_base_mkey(mr->lkey));
	KUNIT_EXPECT_EQ(test, new->frmr.key.num_dma_blocks, 8);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 2);
	KUNIT_EXPECT_EQ(test, hca->live, 2);
}

static void rereg_of_an_unpooled_mr_takes_another_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr, *new;

	hca_fail_creates(hca, 0, 1, -EIO);
	mr = hca_reg_page(hca);
	new = hca_adopt(hca, rereg_pages(hca, mr, 1), &hca->pd,
			IB_MR_TYPE_USER);
	KUNIT_EXPECT_NOT_NULL(test, new->frmr.pool);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
}

static void rereg_of_access_keeps_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);
	u32 key = mr->lkey;

	KUNIT_EXPECT_NULL(test, rereg_access(mr, TEST_ALL_ACCESS));
	KUNIT_EXPECT_EQ(test, mr->lkey, key);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, mr), rw), 1);
	hca_release(hca, mr);
	hca_reg_page(hca);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

static void rereg_of_pd_keeps_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);
	u32 key = mr->lkey;
	struct ib_mr *new;

	new = mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_PD, 0, 0, 0, 0,
				    &hca->other_pd.ibpd, NULL);
	KUNIT_EXPECT_NULL(test, new);
	KUNIT_EXPECT_EQ(test, mr->lkey, key);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, mr), pd),
			FAKE_HCA_OTHER_PDN);
}

/* The new MR takes the umem, and the old one goes without. */
static void rereg_of_fixed_access_moves_to_another_pool(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr, *new;
	u32 old_key;

	hca_fix_relaxed_write(hca);
	hca_fix_relaxed_read(hca);
	mr = hca_reg_page(hca);
	old_key = mr->lkey;
	new = rereg_access(mr, IB_ACCESS_LOCAL_WRITE |
			       IB_ACCESS_RELAXED_ORDERING);
	hca_adopt(hca, new, &hca->pd, IB_MR_TYPE_USER);

	KUNIT_EXPECT_NULL(test, to_mmr(mr)->umem);
	KUNIT_EXPECT_EQ(test, new->frmr.key.access_flags,
			IB_ACCESS_RELAXED_ORDERING);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, new),
				       relaxed_ordering_write), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, fake_hca_mkey(hca, old_key)->mkc,
				       free), 1);
	hca_release(hca, mr);
	hca_release(hca, new);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 2);
	KUNIT_EXPECT_EQ(test, hca->live, 2);
}

static void failed_rereg_in_place_still_returns_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);

	hca->good_umrs = 1; /* the one to revoke it */
	hca->bad_umrs = 1;
	KUNIT_EXPECT_PTR_EQ(test, rereg_pages(hca, mr, 1), ERR_PTR(-EFAULT));
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 1);
}

/* A UMR that changes an mkey in use fails on one that is free. */
static void rereg_of_access_after_a_failed_one_takes_another_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);
	struct ib_mr *new;

	hca->good_umrs = 1;
	hca->bad_umrs = 1;
	KUNIT_EXPECT_PTR_EQ(test, rereg_pages(hca, mr, 1), ERR_PTR(-EFAULT));
	new = hca_adopt(hca, rereg_access(mr, TEST_ALL_ACCESS), &hca->pd,
			IB_MR_TYPE_USER);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, new), free), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, new), rw), 1);
	hca_release(hca, mr);
	hca_release(hca, new);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).idle, 2);
}

static void rereg_that_failed_can_be_repeated(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);

	hca->good_umrs = 1;
	hca->bad_umrs = 1;
	KUNIT_EXPECT_PTR_EQ(test, rereg_pages(hca, mr, 1), ERR_PTR(-EFAULT));
	KUNIT_EXPECT_NULL(test, rereg_pages(hca, mr, 1));
	KUNIT_EXPECT_NULL(test, rereg_access(mr, TEST_ALL_ACCESS));
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, mr), free), 0);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

/* The mkey is in the new PD; of the PD of the MR, ib_core keeps the books. */
static void rereg_of_all_leaves_the_pd_to_ib_core(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);
	void *mkc = hca_context_of(hca, mr);

	KUNIT_EXPECT_NULL(test, rereg_all(hca, mr));
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, pd), FAKE_HCA_OTHER_PDN);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, rw), 1);
	KUNIT_EXPECT_PTR_EQ(test, mr->pd, &hca->pd.ibpd);
	KUNIT_EXPECT_EQ(test, mr->length, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, to_mmr(mr)->access_flags, TEST_ALL_ACCESS);
}

static const u32 rereg_umr_cases[] = { 0, 1 };

static void rereg_umr_desc(const u32 *good, char *desc)
{
	strscpy(desc, *good ? "UMR that loads" : "UMR that revokes",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(rereg_umr, rereg_umr_cases, rereg_umr_desc);

/* So that the counts of both PDs are right, whatever comes next. */
static void failed_rereg_of_all_changes_nothing(struct kunit *test)
{
	const u32 *good = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);
	struct mlx5_ib_mr old = *to_mmr(mr);

	hca->good_umrs = *good;
	hca->bad_umrs = 1;
	KUNIT_EXPECT_PTR_EQ(test, rereg_all(hca, mr), ERR_PTR(-EFAULT));
	KUNIT_EXPECT_PTR_EQ(test, mr->pd, &hca->pd.ibpd);
	KUNIT_EXPECT_EQ(test, mr->iova, old.ibmr.iova);
	KUNIT_EXPECT_EQ(test, mr->length, old.ibmr.length);
	KUNIT_EXPECT_EQ(test, to_mmr(mr)->page_shift, old.page_shift);
	KUNIT_EXPECT_EQ(test, to_mmr(mr)->access_flags, old.access_flags);
	KUNIT_EXPECT_PTR_EQ(test, to_mmr(mr)->umem, old.umem);
}

static struct kunit_case user_mr_cases[] = {
	KUNIT_CASE(rereg_that_fits_keeps_the_mkey),
	KUNIT_CASE(rereg_that_does_not_fit_takes_another_mkey),
	KUNIT_CASE(rereg_of_an_unpooled_mr_takes_another_mkey),
	KUNIT_CASE(rereg_of_access_keeps_the_mkey),
	KUNIT_CASE(rereg_of_pd_keeps_the_mkey),
	KUNIT_CASE(rereg_of_fixed_access_moves_to_another_pool),
	KUNIT_CASE(failed_rereg_in_place_still_returns_the_mkey),
	KUNIT_CASE(rereg_of_access_after_a_failed_one_takes_another_mkey),
	KUNIT_CASE(rereg_that_failed_can_be_repeated),
	KUNIT_CASE(rereg_of_all_leaves_the_pd_to_ib_core),
	KUNIT_CASE_PARAM(failed_rereg_of_all_changes_nothing,
			 rereg_umr_gen_params),
	{}
};

static struct kunit_suite user_mr_suite = {
	.name = "mlx5_frmr_user_mr",
	.init = hca_test_init,
	.test_cases = user_mr_cases,
};

kunit_test_suite(user_mr_suite);
