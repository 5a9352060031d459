// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The processing hint of an MR, and its steering tag: no UMR can change them.
 */
#include "../dmah.h"
#include "helpers.h"

#define TEST_ST_INDEX 5

/**
 * struct hint_case - what a user asks for
 * @name: what it is about
 * @ph: the processing hint
 * @st_index: the steering tag, or 0 for none
 */
struct hint_case {
	const char *name;
	u8 ph;
	u16 st_index;
};

static const struct hint_case hint_cases[] = {
	{ "hint 0", 0 },
	{ "hint 3", 3 },
	{ "hint 0 with a tag", 0, TEST_ST_INDEX },
	{ "hint 2 with a tag", 2, TEST_ST_INDEX },
};

KUNIT_ARRAY_PARAM_DESC(hint, hint_cases, name);

static struct ib_mr *reg_with_hint(struct fake_hca *hca,
				   const struct hint_case *hint)
{
	unsigned long addr = hca_map_pages(hca, 1);
	struct mlx5_ib_dmah dmah = {
		.ibdmah.valid_fields = BIT(IB_DMAH_PH_EXISTS),
		.ibdmah.ph = hint->ph,
		.st_index = hint->st_index,
	};
	struct ib_mr *mr;

	if (hint->st_index)
		dmah.ibdmah.valid_fields |= BIT(IB_DMAH_CPU_ID_EXISTS) |
					    BIT(IB_DMAH_MEM_TYPE_EXISTS);
	mr = mlx5_ib_reg_user_mr(&hca->pd.ibpd, addr, PAGE_SIZE, addr,
				 IB_ACCESS_LOCAL_WRITE, &dmah.ibdmah, NULL);
	return hca_adopt(hca, mr, &hca->pd, IB_MR_TYPE_USER);
}

static void expect_hint(struct fake_hca *hca, const struct ib_mr *mr,
			const struct hint_case *hint)
{
	void *mkc = hca_context_of(hca, mr);

	KUNIT_EXPECT_EQ(hca->test, MLX5_GET(mkc, mkc, pcie_tph_en), !!hint);
	KUNIT_EXPECT_EQ(hca->test, MLX5_GET(mkc, mkc, pcie_tph_ph),
			hint ? hint->ph : 0);
	KUNIT_EXPECT_EQ(hca->test,
			MLX5_GET(mkc, mkc, pcie_tph_steering_tag_index),
			hint ? hint->st_index : 0);
}

static void expect_no_rereg(struct fake_hca *hca, struct ib_mr *mr)
{
	struct ib_mr *new;

	new = mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_ACCESS, 0, 0, 0,
				    TEST_ALL_ACCESS, mr->pd, NULL);
	KUNIT_EXPECT_PTR_EQ(hca->test, new, ERR_PTR(-EOPNOTSUPP));
}

static void pooled_mkey_has_the_hint(struct kunit *test)
{
	const struct hint_case *hint = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_with_hint(hca, hint);

	KUNIT_EXPECT_NOT_NULL(test, mr->frmr.pool);
	expect_hint(hca, mr, hint);
	expect_no_rereg(hca, mr);
}

/* An MR with no hint, or another one, gets no mkey that has this one. */
static void only_who_asks_for_the_hint_shares_its_pool(struct kunit *test)
{
	static const struct hint_case other = { .ph = 1 };
	const struct hint_case *hint = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	hca_release(hca, reg_with_hint(hca, hint));
	expect_hint(hca, reg_with_hint(hca, &other), &other);
	expect_hint(hca, hca_reg_page(hca), NULL);
	KUNIT_EXPECT_EQ(test, hca->creates, 3);

	mr = reg_with_hint(hca, hint);
	expect_hint(hca, mr, hint);
	KUNIT_EXPECT_EQ(test, hca->creates, 3);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 3);
}

/* Users can't pin what they can't name. */
static void pool_of_a_hint_is_the_kernels(struct kunit *test)
{
	const struct hint_case *hint = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_with_hint(hca, hint);

	KUNIT_EXPECT_NE(test, mr->frmr.key.kernel_vendor_key, 0);
	KUNIT_EXPECT_EQ(test, mr->frmr.key.kernel_vendor_key &
			      ~GENMASK_ULL(23, 0), 0);
	KUNIT_EXPECT_EQ(test, hca_pin(hca, &mr->frmr.key, 1), -EINVAL);
}

static void populated_mkey_has_the_hint(struct kunit *test)
{
	const struct hint_case *hint = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	hca_forbid_entity_size(hca);
	mr = reg_with_hint(hca, hint);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	expect_hint(hca, mr, hint);
	expect_no_rereg(hca, mr);
}

static void unpooled_mkey_has_the_hint(struct kunit *test)
{
	const struct hint_case *hint = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	hca_fail_creates(hca, 0, 1, -EIO);
	mr = reg_with_hint(hca, hint);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	expect_hint(hca, mr, hint);
	expect_no_rereg(hca, mr);
}

static struct kunit_case tph_cases[] = {
	KUNIT_CASE_PARAM(pooled_mkey_has_the_hint, hint_gen_params),
	KUNIT_CASE_PARAM(only_who_asks_for_the_hint_shares_its_pool,
			 hint_gen_params),
	KUNIT_CASE_PARAM(pool_of_a_hint_is_the_kernels, hint_gen_params),
	KUNIT_CASE_PARAM(populated_mkey_has_the_hint, hint_gen_params),
	KUNIT_CASE_PARAM(unpooled_mkey_has_the_hint, hint_gen_params),
	{}
};

static struct kunit_suite tph_suite = {
	.name = "mlx5_frmr_tph",
	.init = hca_test_init,
	.test_cases = tph_cases,
};

kunit_test_suite(tph_suite);
