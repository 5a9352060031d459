// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Which registrations share a pool, and which keys users can name.
 */
#include "helpers.h"

/**
 * struct size_case - a size, and the size of its pool
 * @name: what it is about
 * @mode: access mode
 * @blocks: size that is asked for
 * @want: size of the pool, or 0 if there is none
 * @short_offsets: the device has no umr_extended_translation_offset
 */
struct size_case {
	const char *name;
	unsigned int mode;
	size_t blocks;
	size_t want;
	bool short_offsets;
};

static const struct size_case size_cases[] = {
	{ "none", MTT, 0, 0 },
	{ "smallest", MTT, 1, 4 },
	{ "4", MTT, 4, 4 },
	{ "5", MTT, 5, 8 },
	{ "1000", MTT, 1000, 1024 },
	{ "1025", MTT, 1025, 2048 },
	{ "1000 KSMs", KSM, 1000, 1024 },
	{ "just below 2^20", MTT, BIT(20) - 1, BIT(20) },
	{ "2^20", MTT, BIT(20), BIT(20) },
	{ "just above 2^20", MTT, BIT(20) + 1, BIT(20) + BIT(17) },
	{ "9/8 * 2^20", MTT, BIT(20) + BIT(17), BIT(20) + BIT(17) },
	{ "just above 9/8 * 2^20", MTT, BIT(20) + BIT(17) + 1,
	  BIT(20) + BIT(18) },
	{ "3 * 2^20 - 1", MTT, 3 * BIT(20) - 1, 3 * BIT(20) },
	{ "just below 2^31", MTT, BIT(31) - 1, BIT(31) },
	{ "largest", MTT, BIT(31), BIT(31) },
	{ "too large", MTT, BIT(31) + 1, 0 },
	{ "too large by far", MTT, SIZE_MAX, 0 },
	{ "too large for KSMs", KSM, BIT(31) + 1, 0 },
	{ "largest with short offsets", MTT, BIT(16), BIT(16), true },
	{ "too large with short offsets", MTT, BIT(16) + 1, 0, true },
};

KUNIT_ARRAY_PARAM_DESC(size, size_cases, name);

static void pool_size_is_rounded(struct kunit *test)
{
	const struct size_case *param = test->param_value;
	struct fake_hca *hca = test->priv;

	if (param->short_offsets)
		FAKE_HCA_SET_CAP(hca, umr_extended_translation_offset, 0);
	if (!param->want) {
		KUNIT_EXPECT_PTR_EQ(test,
				    mlx5_frmr_alloc(hca->dev, 0, param->mode,
						    param->blocks, false),
				    ERR_PTR(-EINVAL));
		KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 0);
		return;
	}
	hca_alloc_user(hca, 0, param->mode, param->blocks, false);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).key.num_dma_blocks,
			param->want);
}

/*
 * A walk over all sizes that there are: each is a fixed point, and what lies
 * between two of them is rounded to the larger. A pool serves less than twice
 * what is asked for, but for the smallest.
 */
static void sizes_are_few_whatever_is_asked_for(struct kunit *test)
{
	u32 sizes[32] = {}, total = 0;
	size_t blocks, size;
	int i;

	for (blocks = 1; blocks <= BIT(31); blocks = size + 1) {
		size = mlx5_frmr_round(blocks);
		KUNIT_ASSERT_GE(test, size, blocks);
		KUNIT_ASSERT_TRUE(test, size < 2 * blocks || size == 4);
		KUNIT_ASSERT_EQ(test, mlx5_frmr_round(size), size);
		KUNIT_ASSERT_EQ(test, mlx5_frmr_round(blocks / 2 + size / 2),
				size);
		KUNIT_ASSERT_LE(test, size, BIT(31));
		sizes[order_base_2(size)]++;
		total++;
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		KUNIT_EXPECT_LE(test, sizes[i], 8);
	KUNIT_EXPECT_EQ(test, total, 19 + 88);
}

static void sg_gaps_above_the_klm_limit_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	FAKE_HCA_SET_CAP(hca, log_max_klm_list_size, 4);
	mr = hca_alloc_ulp(hca, IB_MR_TYPE_SG_GAPS, 16);
	KUNIT_EXPECT_NOT_NULL(test, mr->frmr.pool);
	mr = hca_alloc_ulp(hca, IB_MR_TYPE_SG_GAPS, 17);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
}

/**
 * struct flag_case - whether an access flag splits pools
 * @name: what it is about
 * @setup: what is special about the device, or NULL
 * @flag: the flag
 * @splits: MRs with and without it use different pools
 */
struct flag_case {
	const char *name;
	void (*setup)(struct fake_hca *hca);
	int flag;
	bool splits;
};

static void fix_all(struct fake_hca *hca)
{
	hca_fix_atomic(hca);
	hca_fix_relaxed_write(hca);
	hca_fix_relaxed_read(hca);
}

static void fix_atomic_of_none(struct fake_hca *hca)
{
	hca_fix_atomic(hca);
	FAKE_HCA_SET_CAP(hca, atomic, 0);
}

static void fix_relaxed_of_none(struct fake_hca *hca)
{
	hca_fix_relaxed_write(hca);
	hca_fix_relaxed_read(hca);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_write, 0);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read, 0);
}

static const struct flag_case flag_cases[] = {
	{ "atomics, UMR can", NULL, IB_ACCESS_REMOTE_ATOMIC, false },
	{ "atomics, UMR can't", hca_fix_atomic, IB_ACCESS_REMOTE_ATOMIC, true },
	{ "atomics, there are none", fix_atomic_of_none,
	  IB_ACCESS_REMOTE_ATOMIC, false },
	{ "relaxed ordering, UMR can", NULL, IB_ACCESS_RELAXED_ORDERING,
	  false },
	{ "relaxed ordering, UMR can't for writes", hca_fix_relaxed_write,
	  IB_ACCESS_RELAXED_ORDERING, true },
	{ "relaxed ordering, UMR can't for reads", hca_fix_relaxed_read,
	  IB_ACCESS_RELAXED_ORDERING, true },
	{ "relaxed ordering, UMR can't for reads of PCIe", hca_fix_read_of_pcie,
	  IB_ACCESS_RELAXED_ORDERING, true },
	{ "relaxed ordering, there is none", fix_relaxed_of_none,
	  IB_ACCESS_RELAXED_ORDERING, false },
	{ "local writes", fix_all, IB_ACCESS_LOCAL_WRITE, false },
	{ "remote writes", fix_all, IB_ACCESS_REMOTE_WRITE, false },
	{ "remote reads", fix_all, IB_ACCESS_REMOTE_READ, false },
	{ "on demand", fix_all, IB_ACCESS_ON_DEMAND, false },
};

KUNIT_ARRAY_PARAM_DESC(flag, flag_cases, name);

static void only_fixed_flags_split_pools(struct kunit *test)
{
	const struct flag_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	if (param->setup)
		param->setup(hca);
	mr = hca_alloc_mtt(hca, 0, 1);
	KUNIT_EXPECT_EQ(test, mr->frmr.key.access_flags, 0);
	mr = hca_alloc_mtt(hca, param->flag, 1);
	KUNIT_EXPECT_EQ(test, mr->frmr.key.access_flags,
			param->splits ? param->flag : 0);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), param->splits ? 2 : 1);
}

static void access_mode_and_ats_split_pools(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca_alloc_user(hca, 0, MTT, 4, false);
	hca_alloc_user(hca, 0, KSM, 4, false);
	hca_alloc_user(hca, 0, MTT, 4, true);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 3);
}

/* Bits below 24 stand for properties of users' MRs in other kernels. */
static void expect_kernel_key(struct kunit *test, const struct ib_mr *mr)
{
	u64 key = mr->frmr.key.kernel_vendor_key;

	KUNIT_EXPECT_NE(test, key, 0);
	KUNIT_EXPECT_EQ(test, key & GENMASK_ULL(23, 0), 0);
}

static void users_and_ulps_do_not_share_pools(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca_alloc_mtt(hca, IB_ACCESS_RELAXED_ORDERING, 16);
	expect_kernel_key(test, hca_alloc_mem_reg(hca));
	expect_kernel_key(test, hca_alloc_sg_gaps(hca));
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 3);
}

static struct ib_mr *make_large(struct fake_hca *hca)
{
	return hca_alloc_mtt(hca, 0, BIT(20) + 9);
}

static void enable_ats_fix_relaxed(struct fake_hca *hca)
{
	hca_enable_ats(hca);
	hca_fix_relaxed_read(hca);
}

static const struct hca_mr_case shown_cases[] = {
	{ "MTTs", NULL, hca_reg_page },
	{ "MTTs, large", NULL, make_large },
	{ "KSMs", NULL, hca_make_16_ksms },
	{ "ODP", NULL, hca_make_odp_mr },
	{ "implicit ODP", NULL, hca_make_implicit_mr },
	{ "ATS", hca_enable_ats, hca_make_ats },
	{ "ATS, relaxed ordering fixed", enable_ats_fix_relaxed, hca_make_ats },
	{ "relaxed ordering fixed", hca_fix_relaxed_write,
	  hca_make_all_access },
};

KUNIT_ARRAY_PARAM_DESC(shown, shown_cases, name);

/* A pin of a key as shown creates an mkey that the next such MR takes. */
static void shown_key_names_the_pool(struct kunit *test)
{
	const struct hca_mr_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_frmr_pool_info info;

	if (param->setup)
		param->setup(hca);
	param->make(hca);
	info = hca_only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.key.kernel_vendor_key, 0);

	KUNIT_ASSERT_EQ(test, hca_pin(hca, &info.key, 2), 0);
	info = hca_only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.pinned, 2);
	KUNIT_EXPECT_EQ(test, info.idle, 1);

	param->make(hca);
	KUNIT_EXPECT_EQ(test, hca_only_pool(hca).in_use, 2);
	KUNIT_EXPECT_EQ(test, hca->live, 2);
}

/* A user need not know how the driver rounds a key. */
static void pinned_mkey_serves_a_registration(struct kunit *test)
{
	static const struct ib_frmr_key key = {
		.num_dma_blocks = 3,
		.access_flags = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ |
				IB_ACCESS_RELAXED_ORDERING,
	};
	struct fake_hca *hca = test->priv;

	hca_fix_relaxed_write(hca);
	KUNIT_ASSERT_EQ(test, hca_pin(hca, &key, 1), 0);
	hca_alloc_mtt(hca, key.access_flags, 3);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

/**
 * struct refused_case - a key that no registration can have
 * @name: what is wrong
 * @setup: what is special about the device, or NULL
 * @key: the key
 * @err: the answer
 */
struct refused_case {
	const char *name;
	void (*setup)(struct fake_hca *hca);
	struct ib_frmr_key key;
	int err;
};

static void forget_implicit(struct fake_hca *hca)
{
	hca->dev->odp_caps.general_caps = IB_ODP_SUPPORT;
}

static void shorten_offsets(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, umr_extended_translation_offset, 0);
}

static const struct refused_case refused_cases[] = {
	{ "unknown vendor key", NULL,
	  { .vendor_key = 2, .num_dma_blocks = 4 }, -EOPNOTSUPP },
	{ "unknown vendor key besides KSM", NULL,
	  { .vendor_key = 3, .num_dma_blocks = 4 }, -EOPNOTSUPP },
	{ "a high bit of the vendor key", NULL,
	  { .vendor_key = BIT_ULL(63), .num_dma_blocks = 4 }, -EOPNOTSUPP },
	{ "MEM_REG of the kernel", NULL,
	  { .kernel_vendor_key = BIT_ULL(32), .num_dma_blocks = 4 }, -EINVAL },
	{ "SG_GAPS of the kernel", NULL,
	  { .kernel_vendor_key = BIT_ULL(33), .num_dma_blocks = 4 }, -EINVAL },
	{ "steering tag", NULL,
	  { .kernel_vendor_key = 1, .num_dma_blocks = 4 }, -EINVAL },
	{ "KSMs, device has no use for them", forget_implicit,
	  { .vendor_key = 1, .num_dma_blocks = 4 }, -EOPNOTSUPP },
	{ "KSMs with ATS, device has only implicit MRs", hca_enable_ats,
	  { .vendor_key = 1, .num_dma_blocks = 4, .ats = 1 }, -EOPNOTSUPP },
	{ "ATS, device has none", NULL,
	  { .num_dma_blocks = 4, .ats = 1 }, -EOPNOTSUPP },
	{ "ATS without relaxed ordering, fixed", enable_ats_fix_relaxed,
	  { .num_dma_blocks = 4, .ats = 1 }, -EINVAL },
	{ "no blocks", NULL, { .num_dma_blocks = 0 }, -EINVAL },
	{ "too large", NULL, { .num_dma_blocks = BIT(31) + 1 }, -EINVAL },
	{ "too large with short offsets", shorten_offsets,
	  { .num_dma_blocks = BIT(16) + 1 }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(refused, refused_cases, name);

static void impossible_key_is_refused(struct kunit *test)
{
	const struct refused_case *param = test->param_value;
	struct fake_hca *hca = test->priv;

	if (param->setup)
		param->setup(hca);
	KUNIT_EXPECT_EQ(test, hca_pin(hca, &param->key, 1), param->err);
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 0);
	KUNIT_EXPECT_EQ(test, hca->creates, 0);
}

static void ksms_of_data_direct_can_be_pinned(struct kunit *test)
{
	struct ib_frmr_key key = { .vendor_key = 1, .num_dma_blocks = 16 };
	struct fake_hca *hca = test->priv;

	forget_implicit(hca);
	FAKE_HCA_SET_CAP(hca, data_direct, 1);
	KUNIT_EXPECT_EQ(test, hca_pin(hca, &key, 1), 0);

	hca_enable_ats(hca);
	key.ats = 1;
	KUNIT_EXPECT_EQ(test, hca_pin(hca, &key, 1), 0);
}

static struct kunit_case key_cases[] = {
	KUNIT_CASE_PARAM(pool_size_is_rounded, size_gen_params),
	KUNIT_CASE(sizes_are_few_whatever_is_asked_for),
	KUNIT_CASE(sg_gaps_above_the_klm_limit_is_not_pooled),
	KUNIT_CASE_PARAM(only_fixed_flags_split_pools, flag_gen_params),
	KUNIT_CASE(access_mode_and_ats_split_pools),
	KUNIT_CASE(users_and_ulps_do_not_share_pools),
	KUNIT_CASE_PARAM(shown_key_names_the_pool, shown_gen_params),
	KUNIT_CASE(pinned_mkey_serves_a_registration),
	KUNIT_CASE_PARAM(impossible_key_is_refused, refused_gen_params),
	KUNIT_CASE(ksms_of_data_direct_can_be_pinned),
	{}
};

static struct kunit_suite key_suite = {
	.name = "mlx5_frmr_key",
	.init = hca_test_init,
	.test_cases = key_cases,
};

kunit_test_suite(key_suite);
