// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The pools come late and go early.
 */
#include <kunit/static_stub.h>

#include "helpers.h"

static const struct ib_frmr_key pinned_key = { .num_dma_blocks = 64 };

/* ULPs see the device before there are pools, or a PD for a UMR QP. */
static void ulp_mr_before_the_pools_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	hca->dev->umrc.pd = NULL;
	mr = hca_alloc_mem_reg(hca);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca->resource_inits, 0);
	KUNIT_EXPECT_EQ(test, hca->umrs, 0);

	hca->dev->umrc.pd = &hca->umr_pd.ibpd;
	KUNIT_ASSERT_EQ(test, mlx5r_frmr_pools_init(&hca->dev->ib_dev), 0);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void umrs_need_their_pd(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	kunit_deactivate_static_stub(test, mlx5r_umr_resource_init);
	mutex_init(&hca->dev->umrc.init_lock);
	hca->dev->umrc.pd = NULL;
	KUNIT_EXPECT_EQ(test, mlx5r_umr_resource_init(hca->dev), -EAGAIN);
	hca->dev->umrc.pd = &hca->umr_pd.ibpd;
}

static void user_mr_before_the_pools_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_page(hca);

	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, mr), free), 0);
}

static void mr_after_the_pools_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	KUNIT_ASSERT_EQ(test, mlx5r_frmr_pools_init(&hca->dev->ib_dev), 0);
	mlx5r_frmr_pools_cleanup(&hca->dev->ib_dev);
	KUNIT_EXPECT_NULL(test, hca_alloc_mem_reg(hca)->frmr.pool);
	KUNIT_EXPECT_NULL(test, hca_reg_page(hca)->frmr.pool);
}

static void unpooled_mr_without_pools_tries_once(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca_fail_creates(hca, 0, U32_MAX, -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, hca_try_dma_mr(hca), ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

static void device_that_umrs_can_not_resize_has_no_pools(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca_forbid_entity_size(hca);
	KUNIT_ASSERT_EQ(test, mlx5r_frmr_pools_init(&hca->dev->ib_dev), 0);
	KUNIT_EXPECT_NULL(test, hca->dev->ib_dev.frmr_pools);
	KUNIT_EXPECT_NULL(test, hca_reg_page(hca)->frmr.pool);
	KUNIT_EXPECT_NULL(test, hca_alloc_mem_reg(hca)->frmr.pool);
	mlx5r_frmr_pools_cleanup(&hca->dev->ib_dev);
}

static void cleanup_destroys_what_is_idle(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	KUNIT_ASSERT_EQ(test, mlx5r_frmr_pools_init(&hca->dev->ib_dev), 0);
	hca_release(hca, hca_alloc_mem_reg(hca));
	hca_release(hca, hca_reg_page(hca));
	hca_release(hca, hca_make_implicit_mr(hca));
	KUNIT_ASSERT_EQ(test, hca_pin(hca, &pinned_key, 70), 0);
	KUNIT_EXPECT_EQ(test, hca->live, 73);
	mlx5r_frmr_pools_cleanup(&hca->dev->ib_dev);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_NULL(test, hca->dev->ib_dev.frmr_pools);
}

/* What firmware does not give back must not keep the rest. */
static void cleanup_goes_on_when_an_mkey_is_lost(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	KUNIT_ASSERT_EQ(test, mlx5r_frmr_pools_init(&hca->dev->ib_dev), 0);
	KUNIT_ASSERT_EQ(test, hca_pin(hca, &pinned_key, 10), 0);
	hca->bad_destroys = 1;
	mlx5r_frmr_pools_cleanup(&hca->dev->ib_dev);
	KUNIT_EXPECT_EQ(test, hca->destroys, 10);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
	fake_hca_forget_all(hca);
}

static struct kunit_case life_cases[] = {
	KUNIT_CASE(ulp_mr_before_the_pools_is_not_pooled),
	KUNIT_CASE(umrs_need_their_pd),
	KUNIT_CASE(user_mr_before_the_pools_is_not_pooled),
	KUNIT_CASE(mr_after_the_pools_is_not_pooled),
	KUNIT_CASE(unpooled_mr_without_pools_tries_once),
	KUNIT_CASE(device_that_umrs_can_not_resize_has_no_pools),
	KUNIT_CASE(cleanup_destroys_what_is_idle),
	KUNIT_CASE(cleanup_goes_on_when_an_mkey_is_lost),
	{}
};

static struct kunit_suite life_suite = {
	.name = "mlx5_frmr_life",
	.init = fake_hca_init,
	.test_cases = life_cases,
};

kunit_test_suite(life_suite);
