// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What CREATE_MKEY carries for each kind of mkey, and what UMRs set later.
 */
#include "helpers.h"

/* Of TASK_SIZE, in steps of 1 GB, and of the MTTs of one such step */
#define TEST_IMPLICIT_KSMS BIT_ULL(get_order(TASK_SIZE) - (30 - PAGE_SHIFT))
#define TEST_CHILD_MTTS BIT_ULL(30 - PAGE_SHIFT)

static struct ib_mr *make_dma_mr(struct fake_hca *hca)
{
	return hca_adopt(hca, hca_try_dma_mr(hca), &hca->pd, IB_MR_TYPE_DMA);
}

static struct ib_mr *make_memic_mr(struct fake_hca *hca)
{
	return hca_adopt(hca, hca_try_memic_mr(hca), &hca->pd, IB_MR_TYPE_DM);
}

static struct ib_mr *make_sw_icm_mr(struct fake_hca *hca)
{
	struct ib_mr *mr;

	mr = hca_try_dm_mr(hca, MLX5_IB_UAPI_DM_TYPE_STEERING_SW_ICM);
	return hca_adopt(hca, mr, &hca->pd, IB_MR_TYPE_DM);
}

static struct ib_mr *make_integrity_mr(struct fake_hca *hca)
{
	return hca_adopt(hca, hca_try_integrity_mr(hca), &hca->pd,
			 IB_MR_TYPE_INTEGRITY);
}

/**
 * struct inbox_case - a way to an mkey, and the command that creates it
 * @name: what it is
 * @setup: what is special about the device, or NULL
 * @make: makes the MR; it may return another one that comes with it
 * @want: fills in the command, but for the variant, which may be any
 */
struct inbox_case {
	const char *name;
	void (*setup)(struct fake_hca *hca);
	struct ib_mr *(*make)(struct fake_hca *hca);
	void (*want)(struct ib_mr *mr, void *in, void *mkc);
};

#define WANT(field, value) MLX5_SET(mkc, mkc, field, value)

static void want_pd(void *mkc, u32 pdn)
{
	WANT(lr, 1);
	WANT(qpn, 0xffffff);
	WANT(pd, pdn);
}

static void want_mode(void *mkc, unsigned int mode)
{
	WANT(access_mode_1_0, mode & 3);
	WANT(access_mode_4_2, mode >> 2);
}

static void want_relaxed(void *mkc)
{
	WANT(relaxed_ordering_write, 1);
	WANT(relaxed_ordering_read, 1);
}

/* Free, to be set up by UMRs or work requests. */
static void want_free(void *mkc, u32 pdn, unsigned int mode, u32 octwords)
{
	want_pd(mkc, pdn);
	want_mode(mkc, mode);
	WANT(free, 1);
	WANT(umr_en, 1);
	WANT(translations_octword_size, octwords);
}

static void want_pooled(void *mkc, unsigned int mode, u32 octwords)
{
	want_free(mkc, FAKE_HCA_UMR_PDN, mode, octwords);
	if (mode != MLX5_MKC_ACCESS_MODE_KLMS)
		WANT(log_page_size, PAGE_SHIFT);
}

/* 4 MTTs make 2 octwords, but UMRs write 4 at a time. */
static void want_small_mtt(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_MTT, 4);
}

static struct ib_mr *make_100_blocks(struct fake_hca *hca)
{
	return hca_alloc_mtt(hca, 0, 100);
}

static void want_128_mtts(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_MTT, 64);
}

static void want_16_ksms(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_KSM, 16);
}

static void want_ats(struct ib_mr *mr, void *in, void *mkc)
{
	want_small_mtt(mr, in, mkc);
	WANT(ma_translation_mode, 1);
}

static void fix_write_without_read(struct fake_hca *hca)
{
	hca_fix_relaxed_write(hca);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read, 0);
}

static void want_relaxed_mtt(struct ib_mr *mr, void *in, void *mkc)
{
	want_small_mtt(mr, in, mkc);
	want_relaxed(mkc);
}

static void want_relaxed_write_mtt(struct ib_mr *mr, void *in, void *mkc)
{
	want_small_mtt(mr, in, mkc);
	WANT(relaxed_ordering_write, 1);
}

static void want_atomic_mtt(struct ib_mr *mr, void *in, void *mkc)
{
	want_small_mtt(mr, in, mkc);
	WANT(a, 1);
}

static void want_mem_reg(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_MTT, 8);
	want_relaxed(mkc);
}

static void want_mem_reg_ats(struct ib_mr *mr, void *in, void *mkc)
{
	want_mem_reg(mr, in, mkc);
	WANT(ma_translation_mode, 1);
}

static void want_sg_gaps(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_KLMS, 16);
	want_relaxed(mkc);
}

static void remove_pools(struct fake_hca *hca)
{
	mlx5r_frmr_pools_cleanup(&hca->dev->ib_dev);
}

/* In the PD of the owner, and of the size that he named. */
static void want_own_mem_reg(struct ib_mr *mr, void *in, void *mkc)
{
	want_free(mkc, FAKE_HCA_PDN, MLX5_MKC_ACCESS_MODE_MTT, 16);
	want_relaxed(mkc);
	WANT(log_page_size, PAGE_SHIFT);
}

static void want_own_mem_reg_ats(struct ib_mr *mr, void *in, void *mkc)
{
	want_own_mem_reg(mr, in, mkc);
	WANT(ma_translation_mode, 1);
}

static void want_own_sg_gaps(struct ib_mr *mr, void *in, void *mkc)
{
	want_free(mkc, FAKE_HCA_PDN, MLX5_MKC_ACCESS_MODE_KLMS, 16);
	want_relaxed(mkc);
}

static void remove_pools_enable_ats(struct fake_hca *hca)
{
	remove_pools(hca);
	hca_enable_ats(hca);
}

static void fail_one_create(struct fake_hca *hca)
{
	hca_fail_creates(hca, 0, 1, -EIO);
}

static struct ib_mr *make_user_all(struct fake_hca *hca)
{
	return hca_reg_user(hca, 1, TEST_ALL_ACCESS);
}

/* One page of the user's, with all that the user allows. */
static void want_user_page(struct ib_mr *mr, void *in, void *mkc)
{
	want_mode(mkc, MLX5_MKC_ACCESS_MODE_MTT);
	want_relaxed(mkc);
	WANT(umr_en, 1);
	WANT(a, 1);
	WANT(rw, 1);
	WANT(rr, 1);
	WANT(lw, 1);
	WANT(log_page_size, PAGE_SHIFT);
	WANT(translations_octword_size, 1);
	MLX5_SET64(mkc, mkc, start_addr, mr->iova);
	MLX5_SET64(mkc, mkc, len, PAGE_SIZE);
	MLX5_SET(create_mkey_in, in, pg_access, 1);
}

static void want_populated(struct ib_mr *mr, void *in, void *mkc)
{
	want_user_page(mr, in, mkc);
	want_pd(mkc, FAKE_HCA_PDN);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size, 1);
}

static void want_unpooled(struct ib_mr *mr, void *in, void *mkc)
{
	want_user_page(mr, in, mkc);
	want_pd(mkc, FAKE_HCA_UMR_PDN);
	WANT(free, 1);
}

static void want_dma(struct ib_mr *mr, void *in, void *mkc)
{
	want_pd(mkc, FAKE_HCA_PDN);
	want_mode(mkc, MLX5_MKC_ACCESS_MODE_PA);
	want_relaxed(mkc);
	WANT(length64, 1);
	WANT(lw, 1);
}

static void want_dma_ats(struct ib_mr *mr, void *in, void *mkc)
{
	want_dma(mr, in, mkc);
	WANT(ma_translation_mode, 1);
}

static void want_dm(void *mkc, unsigned int mode)
{
	want_pd(mkc, FAKE_HCA_PDN);
	want_mode(mkc, mode);
	WANT(lw, 1);
	WANT(rr, 1);
	MLX5_SET64(mkc, mkc, start_addr, 0x77100);
	MLX5_SET64(mkc, mkc, len, 0x2000);
}

static void want_memic(struct ib_mr *mr, void *in, void *mkc)
{
	want_dm(mkc, MLX5_MKC_ACCESS_MODE_MEMIC);
}

static void want_sw_icm(struct ib_mr *mr, void *in, void *mkc)
{
	want_dm(mkc, MLX5_MKC_ACCESS_MODE_SW_ICM);
}

static void want_integrity(struct ib_mr *mr, void *in, void *mkc)
{
	want_free(mkc, FAKE_HCA_PDN, MLX5_MKC_ACCESS_MODE_KLMS, 4);
	want_relaxed(mkc);
	WANT(bsf_en, 1);
	WANT(bsf_octword_size, MLX5_MKEY_BSF_OCTO_SIZE);
}

static struct ib_mr *make_integrity_klm_mr(struct fake_hca *hca)
{
	return &to_mmr(make_integrity_mr(hca))->klm_mr->ibmr;
}

static struct ib_mr *make_integrity_mtt_mr(struct fake_hca *hca)
{
	return &to_mmr(make_integrity_mr(hca))->mtt_mr->ibmr;
}

/* 9 pages, rounded to 16 */
static void want_odp(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_MTT, 8);
}

static void want_implicit(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_KSM, TEST_IMPLICIT_KSMS);
}

static const struct inbox_case inbox_cases[] = {
	{ "user MTTs", NULL, hca_reg_page, want_small_mtt },
	{ "user MTTs, all access", NULL, hca_make_all_access, want_small_mtt },
	{ "user MTTs, rounded", NULL, make_100_blocks, want_128_mtts },
	{ "user KSMs", NULL, hca_make_16_ksms, want_16_ksms },
	{ "user MTTs, ATS", hca_enable_ats, hca_make_ats, want_ats },
	{ "relaxed ordering, fixed for writes", hca_fix_relaxed_write,
	  hca_make_all_access, want_relaxed_mtt },
	{ "relaxed ordering, fixed for reads", hca_fix_relaxed_read,
	  hca_make_all_access, want_relaxed_mtt },
	{ "relaxed ordering, not for reads", fix_write_without_read,
	  hca_make_all_access, want_relaxed_write_mtt },
	{ "relaxed ordering, off in PCIe for reads", hca_fix_read_of_pcie,
	  hca_make_all_access, want_relaxed_write_mtt },
	{ "atomics, fixed", hca_fix_atomic, hca_make_all_access,
	  want_atomic_mtt },
	{ "ODP", NULL, hca_make_odp_mr, want_odp },
	{ "implicit ODP", NULL, hca_make_implicit_mr, want_implicit },
	{ "MEM_REG", NULL, hca_alloc_mem_reg, want_mem_reg },
	{ "MEM_REG, ATS", hca_enable_ats, hca_alloc_mem_reg, want_mem_reg_ats },
	{ "SG_GAPS", NULL, hca_alloc_sg_gaps, want_sg_gaps },
	{ "SG_GAPS has no ATS", hca_enable_ats, hca_alloc_sg_gaps,
	  want_sg_gaps },
	{ "MEM_REG, unpooled", remove_pools, hca_alloc_mem_reg,
	  want_own_mem_reg },
	{ "MEM_REG, unpooled, ATS", remove_pools_enable_ats, hca_alloc_mem_reg,
	  want_own_mem_reg_ats },
	{ "SG_GAPS, unpooled", remove_pools, hca_alloc_sg_gaps,
	  want_own_sg_gaps },
	{ "user MTTs, populated", hca_forbid_entity_size, make_user_all,
	  want_populated },
	{ "user MTTs, unpooled", fail_one_create, make_user_all,
	  want_unpooled },
	{ "DMA", NULL, make_dma_mr, want_dma },
	{ "DMA, ATS", hca_enable_ats, make_dma_mr, want_dma_ats },
	{ "device memory", NULL, make_memic_mr, want_memic },
	{ "steering memory", NULL, make_sw_icm_mr, want_sw_icm },
	{ "integrity", NULL, make_integrity_mr, want_integrity },
	{ "integrity, KLMs", NULL, make_integrity_klm_mr, want_own_sg_gaps },
	{ "integrity, MTTs", NULL, make_integrity_mtt_mr, want_own_mem_reg },
};

KUNIT_ARRAY_PARAM_DESC(inbox, inbox_cases, name);

static void expect_inbox(struct fake_hca *hca, u32 key, void *want)
{
	u32 got[MLX5_ST_SZ_DW(create_mkey_in)];

	memcpy(got, fake_hca_mkey(hca, key)->in, sizeof(got));
	MLX5_SET(create_mkey_in, got, opcode, 0);
	MLX5_SET(create_mkey_in, got, memory_key_mkey_entry.mkey_7_0, 0);
	KUNIT_EXPECT_MEMEQ(hca->test, (u8 *)got, (u8 *)want, sizeof(got));
}

static void create_mkey_carries(struct kunit *test)
{
	u32 want[MLX5_ST_SZ_DW(create_mkey_in)] = {};
	const struct inbox_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	if (param->setup)
		param->setup(hca);
	mr = param->make(hca);
	param->want(mr, want, MLX5_ADDR_OF(create_mkey_in, want,
					   memory_key_mkey_entry));
	expect_inbox(hca, mr->lkey, want);
}

static void mw_mkey_is_made_for_its_type(struct kunit *test)
{
	static const enum ib_mw_type types[] = { IB_MW_TYPE_1, IB_MW_TYPE_2 };
	struct fake_hca *hca = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		u32 want[MLX5_ST_SZ_DW(create_mkey_in)] = {};
		void *mkc = MLX5_ADDR_OF(create_mkey_in, want,
					 memory_key_mkey_entry);
		struct mlx5_ib_mw *mw = hca_make_mw(hca, types[i]);

		KUNIT_ASSERT_EQ(test, hca_try_alloc_mw(mw), 0);
		want_free(mkc, FAKE_HCA_PDN, MLX5_MKC_ACCESS_MODE_KLMS, 4);
		WANT(en_rinval, types[i] == IB_MW_TYPE_2);
		expect_inbox(hca, mw->ibmw.rkey, want);
		KUNIT_EXPECT_EQ(test, mlx5_ib_dealloc_mw(&mw->ibmw), 0);
	}
	KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 0);
}

static void populated_mkey_translates_to_the_page(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct scatterlist *sgl;
	struct ib_mr *mr;

	hca_forbid_entity_size(hca);
	mr = hca_reg_page(hca);
	sgl = to_mmr(mr)->umem->sgt_append.sgt.sgl;
	KUNIT_EXPECT_EQ(test, fake_hca_mkey(hca, mr->lkey)->translation,
			sg_dma_address(sgl) | MLX5_IB_MTT_PRESENT);
	KUNIT_EXPECT_EQ(test, hca->umrs, 0);
}

static void fault_mkey_of_implicit_mr_is_not_pooled(struct kunit *test)
{
	u32 want[MLX5_ST_SZ_DW(create_mkey_in)] = {};
	void *mkc = MLX5_ADDR_OF(create_mkey_in, want, memory_key_mkey_entry);
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	FAKE_HCA_SET_ODP_CAP(hca, mem_page_fault, 1);
	mr = hca_make_implicit_mr(hca);

	want_pd(mkc, FAKE_HCA_PDN);
	want_mode(mkc, MLX5_MKC_ACCESS_MODE_MTT);
	WANT(a, 1);
	WANT(rw, 1);
	WANT(rr, 1);
	WANT(lw, 1);
	WANT(length64, 1);
	WANT(log_page_size, 61);
	WANT(translations_octword_size, 4);
	MLX5_SET(create_mkey_in, want, translations_octword_actual_size, 4);
	MLX5_SET(create_mkey_in, want, pg_access, 1);
	expect_inbox(hca, to_mmr(mr)->null_mmkey.key, want);

	hca_release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
}

/* The mkey of a pool and its MR need not have the same size: UMRs say which. */
static void umr_sets_what_the_pool_leaves_open(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_reg_user(hca, 3, TEST_ALL_ACCESS);
	void *mkc = hca_context_of(hca, mr);

	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, free), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, pd), FAKE_HCA_PDN);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, mkc, start_addr), mr->iova);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, mkc, len), 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, log_page_size), PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, a), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, rw), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, rr), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, lw), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, lr), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, relaxed_ordering_write), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, relaxed_ordering_read), 1);
}

/* What the last owner was allowed, the next one is not. */
static void umr_clears_what_the_last_owner_had(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;
	void *mkc;

	hca_release(hca, hca_reg_user(hca, 1, TEST_ALL_ACCESS));
	mr = hca_reg_user(hca, 1, 0);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);

	mkc = hca_context_of(hca, mr);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, a), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, rw), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, rr), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, lw), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, lr), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, relaxed_ordering_write), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, relaxed_ordering_read), 0);
}

static void prefetch_page(struct fake_hca *hca, struct ib_mr *mr, u64 addr)
{
	struct ib_sge sge = {
		.addr = addr,
		.length = PAGE_SIZE,
		.lkey = mr->lkey,
	};
	int err;

	err = mlx5_ib_advise_mr(mr->pd,
				IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				IB_UVERBS_ADVISE_MR_FLAG_FLUSH, &sge, 1, NULL);
	KUNIT_ASSERT_EQ(hca->test, err, 0);
}

static void children_of_an_implicit_mr_are_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = hca_make_implicit_mr(hca);
	unsigned long addr = hca_map_pages(hca, 1);
	u32 want[MLX5_ST_SZ_DW(create_mkey_in)] = {};
	int i;

	for (i = 0; i < 2; i++) {
		prefetch_page(hca, mr, addr);
		KUNIT_EXPECT_EQ(test, hca->live, 2);
		hca_release(hca, mr);
		KUNIT_EXPECT_EQ(test, hca_pool_count(hca), 2);
		mr = hca_make_implicit_mr(hca);
	}
	KUNIT_EXPECT_EQ(test, hca->creates, 2);
	want_pooled(MLX5_ADDR_OF(create_mkey_in, want, memory_key_mkey_entry),
		    MTT, TEST_CHILD_MTTS / 2);
	expect_inbox(hca, hca->last_key, want);
}

static struct kunit_case inbox_test_cases[] = {
	KUNIT_CASE_PARAM(create_mkey_carries, inbox_gen_params),
	KUNIT_CASE(mw_mkey_is_made_for_its_type),
	KUNIT_CASE(populated_mkey_translates_to_the_page),
	KUNIT_CASE(fault_mkey_of_implicit_mr_is_not_pooled),
	KUNIT_CASE(umr_sets_what_the_pool_leaves_open),
	KUNIT_CASE(umr_clears_what_the_last_owner_had),
	KUNIT_CASE(children_of_an_implicit_mr_are_pooled),
	{}
};

static struct kunit_suite inbox_suite = {
	.name = "mlx5_frmr_inbox",
	.init = hca_test_init,
	.test_cases = inbox_test_cases,
};

kunit_test_suite(inbox_suite);
