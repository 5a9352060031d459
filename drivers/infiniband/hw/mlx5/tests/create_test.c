// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Creations that fail, and mkeys that come from no pool.
 */
#include "helpers.h"

static const struct ib_frmr_key pinned_key = { .num_dma_blocks = 64 };

/* More than one batch, and more in each than may be under way at once */
#define MANY 100

/**
 * struct batch_case - a batch of which a creation fails
 * @good: how many creations come before it
 * @sent: how many are sent all the same: those that are under way with it
 */
struct batch_case {
	u32 good;
	u32 sent;
};

static const struct batch_case batch_cases[] = {
	{ 0, 16 }, { 1, 16 }, { 15, 16 }, { 16, 32 }, { 30, 32 }, { 63, 64 },
};

static void batch_desc(const struct batch_case *param, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "after %u", param->good);
}

KUNIT_ARRAY_PARAM(batch, batch_cases, batch_desc);

static void failed_batch_destroys_what_it_created(struct kunit *test)
{
	const struct batch_case *param = test->param_value;
	struct fake_hca *hca = test->priv;

	hca_fail_creates(hca, param->good, 1, -EINVAL);
	KUNIT_EXPECT_EQ(test, hca_pin(hca, &pinned_key, MANY), -EINVAL);
	KUNIT_EXPECT_EQ(test, hca->creates, param->sent);
	KUNIT_EXPECT_EQ(test, hca->destroys, param->sent - 1);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void batch_waits_for_no_command_alone(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	KUNIT_ASSERT_EQ(test, hca_pin(hca, &pinned_key, MANY), 0);
	KUNIT_EXPECT_EQ(test, hca->live, MANY);
	KUNIT_EXPECT_EQ(test, hca->sends, MANY);
	KUNIT_ASSERT_EQ(test, hca_pin(hca, &pinned_key, 0), 0);
	ib_frmr_pools_reclaim(&hca->dev->ib_dev, MANY);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, hca->sends, 2 * MANY);
}

static void command_without_memory_is_waited_for(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca->good_sends = 5;
	hca->bad_sends = 30;
	KUNIT_ASSERT_EQ(test, hca_pin(hca, &pinned_key, MANY), 0);
	KUNIT_EXPECT_EQ(test, hca->live, MANY);
	KUNIT_EXPECT_EQ(test, hca->sends, MANY - 30);

	hca->bad_sends = 30;
	KUNIT_ASSERT_EQ(test, hca_pin(hca, &pinned_key, 0), 0);
	KUNIT_EXPECT_EQ(test, ib_frmr_pools_reclaim(&hca->dev->ib_dev, MANY),
			MANY);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void batch_gives_each_mkey_a_variant_of_its_own(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *a, *b;

	KUNIT_ASSERT_EQ(test, hca_pin(hca, &pinned_key, 2), 0);
	a = hca_alloc_mtt(hca, 0, 64);
	b = hca_alloc_mtt(hca, 0, 64);
	KUNIT_EXPECT_EQ(test, hca->creates, 2);
	KUNIT_EXPECT_NE(test, mlx5_base_mkey(a->lkey),
			mlx5_base_mkey(b->lkey));
	KUNIT_EXPECT_NE(test, mlx5_mkey_variant(a->lkey),
			mlx5_mkey_variant(b->lkey));
}

static void failed_pop_leaves_an_unpooled_mr(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	hca_fail_creates(hca, 0, 1, -EIO);
	mr = hca_reg_page(hca);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, hca_context_of(hca, mr), free), 0);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

/**
 * struct final_case - a registration that has no second try
 * @name: what it is
 * @make: makes the MR
 * @err: what the pool says
 */
struct final_case {
	const char *name;
	struct ib_mr *(*make)(struct fake_hca *hca);
	int err;
};

static const struct final_case final_cases[] = {
	{ "user, timeout", hca_try_user_mr, -ETIMEDOUT },
	{ "user, killed", hca_try_user_mr, -EINTR },
	{ "MEM_REG, timeout", hca_try_mem_reg_mr, -ETIMEDOUT },
	{ "MEM_REG, killed", hca_try_mem_reg_mr, -EINTR },
	{ "SG_GAPS, timeout", hca_try_sg_gaps_mr, -ETIMEDOUT },
	{ "SG_GAPS, killed", hca_try_sg_gaps_mr, -EINTR },
};

KUNIT_ARRAY_PARAM_DESC(final, final_cases, name);

static void final_error_of_a_pop_is_the_answer(struct kunit *test)
{
	const struct final_case *param = test->param_value;
	struct fake_hca *hca = test->priv;

	hca_fail_creates(hca, 0, 1, param->err);
	KUNIT_EXPECT_PTR_EQ(test, param->make(hca), ERR_PTR(param->err));
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

/**
 * struct unpooled_case - an mkey that comes from no pool
 * @name: what it is
 * @setup: what is special about the device, or NULL
 * @make: makes the MR
 * @type: its type
 */
struct unpooled_case {
	const char *name;
	void (*setup)(struct fake_hca *hca);
	struct ib_mr *(*make)(struct fake_hca *hca);
	enum ib_mr_type type;
};

static const struct unpooled_case unpooled_cases[] = {
	{ "DMA", NULL, hca_try_dma_mr, IB_MR_TYPE_DMA },
	{ "device memory", NULL, hca_try_memic_mr, IB_MR_TYPE_DM },
	{ "integrity", NULL, hca_try_integrity_mr, IB_MR_TYPE_INTEGRITY },
	{ "MEM_REG without UMR QP", hca_lose_umr_qp, hca_try_mem_reg_mr,
	  IB_MR_TYPE_MEM_REG },
	{ "SG_GAPS without UMRs of KLMs", hca_forbid_indirect_umrs,
	  hca_try_sg_gaps_mr, IB_MR_TYPE_SG_GAPS },
	{ "user, populated", hca_forbid_entity_size, hca_try_user_mr,
	  IB_MR_TYPE_USER },
};

KUNIT_ARRAY_PARAM_DESC(unpooled, unpooled_cases, name);

static void unpooled_mkey_is_destroyed(struct kunit *test)
{
	const struct unpooled_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	if (param->setup)
		param->setup(hca);
	mr = hca_adopt(hca, param->make(hca), &hca->pd, param->type);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, hca->umrs, 0);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 0);
}

static void ulp_mr_without_pd_change_gets_its_own_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_frmr_pool_info info;
	struct ib_mr *mr;

	hca->bad_umrs = 1;
	mr = hca_alloc_mem_reg(hca);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
	info = hca_only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.idle + info.in_use, 0);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_DROPPED], 1);
	fake_hca_enable_by_ulp(hca, mr, &hca->pd);
	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void ulp_mr_without_umr_qp_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca_lose_umr_qp(hca);
	KUNIT_EXPECT_NULL(test, hca_alloc_mem_reg(hca)->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca->resource_inits, 1);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 0);
}

/* Of three mkeys of an integrity MR each may be the one that fails. */
static void failed_integrity_mr_leaves_nothing(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	u32 good;

	for (good = 0; good < 3; good++) {
		hca_fail_creates(hca, good, 1, -EIO);
		KUNIT_EXPECT_PTR_EQ(test, hca_try_integrity_mr(hca),
				    ERR_PTR(-EIO));
		KUNIT_EXPECT_EQ(test, hca->live, 0);
		KUNIT_EXPECT_EQ(test, hca->psvs, 0);
	}
}

static struct kunit_case create_cases[] = {
	KUNIT_CASE_PARAM(failed_batch_destroys_what_it_created,
			 batch_gen_params),
	KUNIT_CASE(batch_waits_for_no_command_alone),
	KUNIT_CASE(command_without_memory_is_waited_for),
	KUNIT_CASE(batch_gives_each_mkey_a_variant_of_its_own),
	KUNIT_CASE(failed_pop_leaves_an_unpooled_mr),
	KUNIT_CASE_PARAM(final_error_of_a_pop_is_the_answer, final_gen_params),
	KUNIT_CASE_PARAM(unpooled_mkey_is_destroyed, unpooled_gen_params),
	KUNIT_CASE(ulp_mr_without_pd_change_gets_its_own_mkey),
	KUNIT_CASE(ulp_mr_without_umr_qp_is_not_pooled),
	KUNIT_CASE(failed_integrity_mr_leaves_nothing),
	{}
};

static struct kunit_suite create_suite = {
	.name = "mlx5_frmr_create",
	.init = hca_test_init,
	.test_cases = create_cases,
};

kunit_test_suite(create_suite);
