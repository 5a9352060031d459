// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A device that is full: idle mkeys make room, a few for each that is created,
 * and none after an error that says something else.
 */
#include "../devx.h"
#include "helpers.h"

#define TEST_UID 1

static const int full_errors[] = { -ENOMEM, -ENOSPC, -EAGAIN, -EBUSY };

static const int other_errors[] = { -EIO, -EINVAL, -EPERM, -ENODEV };

/**
 * struct creator - a way to an mkey that comes from no pool
 * @name: what it is
 * @setup: what is special about the device, or NULL
 * @create: creates it, and gives it back at once; returns 0 or a negative errno
 * @mkeys: so many of them
 */
struct creator {
	const char *name;
	void (*setup)(struct fake_hca *hca);
	int (*create)(struct fake_hca *hca);
	u32 mkeys;
};

static int give_back_mr(struct fake_hca *hca, struct ib_mr *mr,
			enum ib_mr_type type)
{
	if (IS_ERR(mr))
		return PTR_ERR(mr);
	hca_release(hca, hca_adopt(hca, mr, &hca->pd, type));
	return 0;
}

static int create_dma_mr(struct fake_hca *hca)
{
	return give_back_mr(hca, hca_try_dma_mr(hca), IB_MR_TYPE_DMA);
}

static int create_dm_mr(struct fake_hca *hca)
{
	return give_back_mr(hca, hca_try_memic_mr(hca), IB_MR_TYPE_DM);
}

static int create_integrity_mr(struct fake_hca *hca)
{
	return give_back_mr(hca, hca_try_integrity_mr(hca),
			    IB_MR_TYPE_INTEGRITY);
}

static int create_mem_reg_mr(struct fake_hca *hca)
{
	return give_back_mr(hca, hca_try_mem_reg_mr(hca), IB_MR_TYPE_MEM_REG);
}

static int create_sg_gaps_mr(struct fake_hca *hca)
{
	return give_back_mr(hca, hca_try_sg_gaps_mr(hca), IB_MR_TYPE_SG_GAPS);
}

static int create_user_mr(struct fake_hca *hca)
{
	return give_back_mr(hca, hca_try_user_mr(hca), IB_MR_TYPE_USER);
}

/* Its root is pooled; the mkey to which it points before any fault is not. */
static int create_implicit_mr(struct fake_hca *hca)
{
	return give_back_mr(hca, hca_try_implicit_mr(hca), IB_MR_TYPE_USER);
}

static void enable_page_faults(struct fake_hca *hca)
{
	FAKE_HCA_SET_ODP_CAP(hca, mem_page_fault, 1);
}

static int create_mw(struct fake_hca *hca)
{
	struct mlx5_ib_mw *mw = hca_make_mw(hca, IB_MW_TYPE_1);

	return hca_try_alloc_mw(mw) ?: mlx5_ib_dealloc_mw(&mw->ibmw);
}

static int try_devx(struct fake_hca *hca, u32 *out, int out_len)
{
	u32 in[MLX5_ST_SZ_DW(create_mkey_in)] = {};

	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, uid, TEST_UID);
	return devx_create_mkey(hca->dev, in, sizeof(in), out, out_len);
}

static int create_devx(struct fake_hca *hca)
{
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};
	u32 in[MLX5_ST_SZ_DW(create_mkey_in)] = {};
	int err;

	err = try_devx(hca, out, sizeof(out));
	if (err == -EREMOTEIO) {
		MLX5_SET(create_mkey_in, in, uid, TEST_UID);
		return mlx5_cmd_check(hca->mdev, err, in, out);
	}
	if (err)
		return err;
	return mlx5_core_destroy_mkey(hca->mdev,
				      mlx5_idx_to_mkey(MLX5_GET(create_mkey_out,
								out,
								mkey_index)));
}

static const struct creator creators[] = {
	{ "DMA", NULL, create_dma_mr, 1 },
	{ "device memory", NULL, create_dm_mr, 1 },
	{ "integrity", NULL, create_integrity_mr, 3 },
	{ "MEM_REG without UMR QP", hca_lose_umr_qp, create_mem_reg_mr, 1 },
	{ "SG_GAPS without UMRs of KLMs", hca_forbid_indirect_umrs,
	  create_sg_gaps_mr, 1 },
	{ "user, populated", hca_forbid_entity_size, create_user_mr, 1 },
	{ "implicit ODP, fault mkey", enable_page_faults, create_implicit_mr,
	  1 },
	{ "memory window", NULL, create_mw, 1 },
	{ "DEVX", NULL, create_devx, 1 },
};

KUNIT_ARRAY_PARAM_DESC(creator, creators, name);

/* A device with idle mkeys. What the creator has from a pool is there, too. */
static const struct creator *prepare(struct kunit *test, u32 idle)
{
	const struct creator *creator = test->param_value;
	struct fake_hca *hca = test->priv;

	hca_stock_idle(hca, idle);
	if (creator->setup)
		creator->setup(hca);
	KUNIT_ASSERT_EQ(test, creator->create(hca), 0);
	return creator;
}

static void few_idle_mkeys_make_room(struct kunit *test)
{
	const struct creator *creator = prepare(test, 100);
	struct fake_hca *hca = test->priv;
	u64 before, given;
	int i;

	for (i = 0; i < ARRAY_SIZE(full_errors); i++) {
		before = hca_reclaimed(hca);
		hca->full_err = full_errors[i];
		hca->limit = hca->live;
		KUNIT_EXPECT_EQ(test, creator->create(hca), 0);
		given = hca_reclaimed(hca) - before;
		KUNIT_EXPECT_GE(test, given, 1);
		KUNIT_EXPECT_LE(test, given, 2 * creator->mkeys);
	}
}

static void passing_shortage_costs_no_idle_mkey(struct kunit *test)
{
	const struct creator *creator = prepare(test, 10);
	struct fake_hca *hca = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(full_errors); i++) {
		hca_fail_creates(hca, 0, 1, full_errors[i]);
		KUNIT_EXPECT_EQ(test, creator->create(hca), 0);
		KUNIT_EXPECT_EQ(test, hca->creates, 1 + creator->mkeys);
	}
	KUNIT_EXPECT_EQ(test, hca_reclaimed(hca), 0);
}

static void other_error_costs_no_idle_mkey(struct kunit *test)
{
	const struct creator *creator = prepare(test, 10);
	struct fake_hca *hca = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(other_errors); i++) {
		hca_fail_creates(hca, 0, U32_MAX, other_errors[i]);
		KUNIT_EXPECT_EQ(test, creator->create(hca), other_errors[i]);
		KUNIT_EXPECT_EQ(test, hca->creates, 1);
	}
	KUNIT_EXPECT_EQ(test, hca_reclaimed(hca), 0);
}

/* All that is idle goes, in 1 + 2 + 4 + 3, and then the error is the answer. */
static void shortage_that_stays_is_the_answer(struct kunit *test)
{
	const struct creator *creator = prepare(test, 10);
	struct fake_hca *hca = test->priv;

	hca_fail_creates(hca, 0, U32_MAX, -EAGAIN);
	KUNIT_EXPECT_EQ(test, creator->create(hca), -EAGAIN);
	KUNIT_EXPECT_GE(test, hca_reclaimed(hca), 10);
	KUNIT_EXPECT_GE(test, hca->creates, 6);
	KUNIT_EXPECT_LE(test, hca->creates, 10);
}

static void users_of_devx_see_the_last_answer(struct kunit *test)
{
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};
	struct fake_hca *hca = test->priv;

	hca_stock_idle(hca, 3);
	hca_fail_creates(hca, 0, U32_MAX, -ENOMEM);
	KUNIT_EXPECT_EQ(test, try_devx(hca, out, sizeof(out)), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, MLX5_GET(create_mkey_out, out, status),
			MLX5_CMD_STAT_LIM_ERR);
	KUNIT_EXPECT_EQ(test, MLX5_GET(create_mkey_out, out, syndrome),
			FAKE_HCA_SYNDROME + hca->creates);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void full_desc(const int *err, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%pe", ERR_PTR(*err));
}

KUNIT_ARRAY_PARAM(full, full_errors, full_desc);

static void pop_on_a_full_device_takes_few_mkeys_of_others(struct kunit *test)
{
	const int *err = test->param_value;
	struct fake_hca *hca = test->priv;

	hca_stock_idle(hca, 100);
	hca->full_err = *err;
	hca->limit = hca->live;
	KUNIT_EXPECT_NOT_NULL(test, hca_reg_page(hca)->frmr.pool);
	KUNIT_EXPECT_GE(test, hca_reclaimed(hca), 1);
	KUNIT_EXPECT_LE(test, hca_reclaimed(hca), 2);
}

static void passing_shortage_costs_a_pop_no_idle_mkey(struct kunit *test)
{
	const int *err = test->param_value;
	struct fake_hca *hca = test->priv;

	hca_stock_idle(hca, 10);
	hca_fail_creates(hca, 0, 1, *err);
	KUNIT_EXPECT_NOT_NULL(test, hca_reg_page(hca)->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca_reclaimed(hca), 0);
}

static void shortage_with_nothing_idle_is_the_answer(struct kunit *test)
{
	const int *err = test->param_value;
	struct fake_hca *hca = test->priv;

	hca_fail_creates(hca, 0, U32_MAX, *err);
	KUNIT_EXPECT_PTR_EQ(test, hca_try_dma_mr(hca), ERR_PTR(*err));
	KUNIT_EXPECT_LE(test, hca->creates, 4);
}

static struct kunit_case room_cases[] = {
	KUNIT_CASE_PARAM(few_idle_mkeys_make_room, creator_gen_params),
	KUNIT_CASE_PARAM(passing_shortage_costs_no_idle_mkey,
			 creator_gen_params),
	KUNIT_CASE_PARAM(other_error_costs_no_idle_mkey, creator_gen_params),
	KUNIT_CASE_PARAM(shortage_that_stays_is_the_answer,
			 creator_gen_params),
	KUNIT_CASE(users_of_devx_see_the_last_answer),
	KUNIT_CASE_PARAM(pop_on_a_full_device_takes_few_mkeys_of_others,
			 full_gen_params),
	KUNIT_CASE_PARAM(passing_shortage_costs_a_pop_no_idle_mkey,
			 full_gen_params),
	KUNIT_CASE_PARAM(shortage_with_nothing_idle_is_the_answer,
			 full_gen_params),
	{}
};

static struct kunit_suite room_suite = {
	.name = "mlx5_frmr_room",
	.init = hca_test_init,
	.test_cases = room_cases,
};

kunit_test_suite(room_suite);
