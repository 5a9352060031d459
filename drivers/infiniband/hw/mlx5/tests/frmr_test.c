// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * KUnit tests of mlx5's memory regions and of the pools that their mkeys come
 * from, against an adapter that is made up.
 *
 * After each test the pools and the adapter must agree on what exists, idle
 * mkeys must be free, and nothing may be left after cleanup.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <rdma/ib_umem_odp.h>

#include "../dm.h"
#include "../frmr.h"
#include "fake_hca.h"

/* Of TASK_SIZE, in steps of 1 GB, and of the MTTs of one such step */
#define TEST_IMPLICIT_KSMS BIT_ULL(get_order(TASK_SIZE) - (30 - PAGE_SHIFT))
#define TEST_CHILD_MTTS BIT_ULL(30 - PAGE_SHIFT)

#define TEST_ALL_ACCESS (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |     \
			 IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |    \
			 IB_ACCESS_RELAXED_ORDERING)

/*
 * Helpers
 */

static int dereg(struct ib_mr *mr)
{
	return mlx5_ib_dereg_mr(mr, NULL);
}

static void dereg_left_over(void *mr)
{
	dereg(mr);
}

/* Sets what ib_core sets. The MR goes at the end of the test, if not before. */
static struct ib_mr *adopt(struct fake_hca *hca, struct ib_mr *mr,
			   struct mlx5_ib_pd *pd, enum ib_mr_type type)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(hca->test, mr);
	mr->device = pd->ibpd.device;
	mr->pd = &pd->ibpd;
	mr->type = type;
	KUNIT_ASSERT_EQ(hca->test,
			kunit_add_action_or_reset(hca->test, dereg_left_over,
						  mr), 0);
	return mr;
}

static int try_release(struct fake_hca *hca, struct ib_mr *mr)
{
	int err = dereg(mr);

	if (!err)
		kunit_remove_action(hca->test, dereg_left_over, mr);
	return err;
}

static void release(struct fake_hca *hca, struct ib_mr *mr)
{
	KUNIT_ASSERT_EQ(hca->test, try_release(hca, mr), 0);
}

static unsigned long map_pages(struct fake_hca *hca, u32 npages)
{
	unsigned long addr;

	addr = kunit_vm_mmap(hca->test, NULL, 0, npages * PAGE_SIZE,
			     PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(hca->test, addr, 0);
	KUNIT_ASSERT_FALSE(hca->test, IS_ERR_VALUE(addr));
	return addr;
}

/* An IOVA with which no translation can cover more than one page at @addr. */
static u64 iova_of_small_pages(struct fake_hca *hca, unsigned long addr)
{
	struct page *page;
	u64 iova;

	KUNIT_ASSERT_EQ(hca->test,
			get_user_pages_fast(addr, 1, FOLL_WRITE, &page), 1);
	iova = page_to_phys(page) ^ PAGE_SIZE;
	put_page(page);
	return iova;
}

static struct ib_mr *try_reg_user(struct fake_hca *hca, u32 npages, int access)
{
	unsigned long addr = map_pages(hca, npages);

	return mlx5_ib_reg_user_mr(&hca->pd.ibpd, addr, npages * PAGE_SIZE,
				   iova_of_small_pages(hca, addr), access,
				   NULL);
}

static struct ib_mr *reg_user(struct fake_hca *hca, u32 npages, int access)
{
	return adopt(hca, try_reg_user(hca, npages, access), &hca->pd,
		     IB_MR_TYPE_USER);
}

static struct ib_mr *reg_page(struct fake_hca *hca)
{
	return reg_user(hca, 1, IB_ACCESS_LOCAL_WRITE);
}

/* As a registration does, without its memory, so that any size is possible. */
static struct ib_mr *alloc_user(struct fake_hca *hca, int access,
				unsigned int mode, size_t blocks, bool ats)
{
	struct mlx5_ib_mr *mr = mlx5_frmr_alloc(hca->dev, access, mode, blocks,
						ats);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(hca->test, mr);
	return adopt(hca, &mr->ibmr, &hca->pd, IB_MR_TYPE_USER);
}

static struct ib_mr *alloc_mtt(struct fake_hca *hca, int access, size_t blocks)
{
	return alloc_user(hca, access, MLX5_MKC_ACCESS_MODE_MTT, blocks, false);
}

static struct ib_mr *alloc_ulp(struct fake_hca *hca, enum ib_mr_type type,
			       u32 max_num_sg)
{
	return adopt(hca, mlx5_ib_alloc_mr(&hca->pd.ibpd, type, max_num_sg),
		     &hca->pd, type);
}

static struct ib_mr *alloc_mem_reg(struct fake_hca *hca)
{
	return alloc_ulp(hca, IB_MR_TYPE_MEM_REG, 16);
}

static struct ib_mr *alloc_sg_gaps(struct fake_hca *hca)
{
	return alloc_ulp(hca, IB_MR_TYPE_SG_GAPS, 16);
}

static struct ib_mr *try_dma_mr(struct fake_hca *hca)
{
	return mlx5_ib_get_dma_mr(&hca->pd.ibpd, IB_ACCESS_LOCAL_WRITE);
}

static struct ib_mr *try_dm_mr(struct fake_hca *hca, u32 type)
{
	struct ib_dm_mr_attr attr = {
		.length = 0x2000,
		.offset = 0x100,
		.access_flags = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ |
				IB_ZERO_BASED,
	};
	struct mlx5_ib_dm dm = {
		.ibdm.device = &hca->dev->ib_dev,
		.type = type,
		.dev_addr = 0x77000,
	};

	return mlx5_ib_reg_dm_mr(&hca->pd.ibpd, &dm.ibdm, &attr, NULL);
}

static struct ib_mr *try_memic_mr(struct fake_hca *hca)
{
	return try_dm_mr(hca, MLX5_IB_UAPI_DM_TYPE_MEMIC);
}

static struct ib_mr *try_integrity_mr(struct fake_hca *hca)
{
	return mlx5_ib_alloc_mr_integrity(&hca->pd.ibpd, 8, 6);
}

static struct ib_mr *try_mem_reg_mr(struct fake_hca *hca)
{
	return mlx5_ib_alloc_mr(&hca->pd.ibpd, IB_MR_TYPE_MEM_REG, 16);
}

static struct ib_mr *try_sg_gaps_mr(struct fake_hca *hca)
{
	return mlx5_ib_alloc_mr(&hca->pd.ibpd, IB_MR_TYPE_SG_GAPS, 16);
}

static struct ib_mr *try_user_mr(struct fake_hca *hca)
{
	return try_reg_user(hca, 1, IB_ACCESS_LOCAL_WRITE);
}

static struct ib_mr *make_dma_mr(struct fake_hca *hca)
{
	return adopt(hca, try_dma_mr(hca), &hca->pd, IB_MR_TYPE_DMA);
}

static struct ib_mr *make_memic_mr(struct fake_hca *hca)
{
	return adopt(hca, try_memic_mr(hca), &hca->pd, IB_MR_TYPE_DM);
}

static struct ib_mr *make_sw_icm_mr(struct fake_hca *hca)
{
	return adopt(hca, try_dm_mr(hca,
				    MLX5_IB_UAPI_DM_TYPE_STEERING_SW_ICM),
		     &hca->pd, IB_MR_TYPE_DM);
}

static struct ib_mr *make_integrity_mr(struct fake_hca *hca)
{
	return adopt(hca, try_integrity_mr(hca), &hca->pd,
		     IB_MR_TYPE_INTEGRITY);
}

static struct ib_mr *make_odp_mr(struct fake_hca *hca)
{
	return reg_user(hca, 9, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_ON_DEMAND);
}

static struct ib_mr *make_implicit_mr(struct fake_hca *hca)
{
	map_pages(hca, 1); /* for the address space */
	return adopt(hca,
		     mlx5_ib_reg_user_mr(&hca->pd.ibpd, 0, U64_MAX, 0,
					 IB_ACCESS_LOCAL_WRITE |
					 IB_ACCESS_ON_DEMAND, NULL),
		     &hca->pd, IB_MR_TYPE_USER);
}

static struct mlx5_ib_mw *make_mw(struct fake_hca *hca, enum ib_mw_type type)
{
	struct mlx5_ib_mw *mw = kunit_kzalloc(hca->test, sizeof(*mw),
					      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(hca->test, mw);
	mw->ibmw.device = &hca->dev->ib_dev;
	mw->ibmw.pd = &hca->pd.ibpd;
	mw->ibmw.type = type;
	return mw;
}

static int try_alloc_mw(struct mlx5_ib_mw *mw)
{
	struct ib_udata udata = {};

	return mlx5_ib_alloc_mw(&mw->ibmw, &udata);
}

/* The pool with the key after @after. */
static bool next_pool(struct fake_hca *hca, const struct ib_frmr_key *after,
		      struct ib_frmr_pool_info *info)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&hca->dev->ib_dev);
	const struct ib_frmr_key last = *after;
	bool found;

	KUNIT_ASSERT_NOT_NULL(hca->test, pools);
	found = ib_frmr_pools_next_info(pools, &last, info);
	ib_frmr_pools_put(pools);
	return found;
}

static u32 pool_count(struct fake_hca *hca)
{
	struct ib_frmr_pool_info info = {};
	u32 count = 0;

	while (next_pool(hca, &info.key, &info))
		count++;
	return count;
}

static struct ib_frmr_pool_info only_pool(struct fake_hca *hca)
{
	static const struct ib_frmr_key start;
	struct ib_frmr_pool_info info = {};

	KUNIT_ASSERT_EQ(hca->test, pool_count(hca), 1);
	next_pool(hca, &start, &info);
	return info;
}

static int pin(struct fake_hca *hca, const struct ib_frmr_key *key, u32 count)
{
	struct ib_frmr_key asked = *key;

	return ib_frmr_pools_set_pinned(&hca->dev->ib_dev, &asked, count);
}

/* Idle mkeys that no registration of these tests asks for. */
static void stock_idle(struct fake_hca *hca, u32 count)
{
	static const struct ib_frmr_key key = { .num_dma_blocks = 0x8000 };

	KUNIT_ASSERT_EQ(hca->test, pin(hca, &key, count), 0);
	KUNIT_ASSERT_EQ(hca->test, pin(hca, &key, 0), 0);
	KUNIT_ASSERT_EQ(hca->test, hca->live, count);
}

static void fail_creates(struct fake_hca *hca, u32 good, u32 bad, int err)
{
	hca->creates = 0;
	hca->good_creates = good;
	hca->bad_creates = bad;
	hca->create_err = err;
}

/* The mkey's context as it is now. */
static u32 *context_of(struct fake_hca *hca, const struct ib_mr *mr)
{
	return fake_hca_mkey(hca, mr->lkey)->mkc;
}

/* A device with pools that age only after the last test. */
static int frmr_test_init(struct kunit *test)
{
	struct fake_hca *hca;
	int ret;

	ret = fake_hca_init(test);
	if (ret)
		return ret;
	hca = test->priv;
	ret = mlx5_frmr_init(hca->dev);
	return ret ?: ib_frmr_pools_set_aging_period(&hca->dev->ib_dev,
						     24 * 3600);
}

/* A device that is still without pools. */
static int frmr_test_init_bare(struct kunit *test)
{
	return fake_hca_init(test);
}

/*
 * What CREATE_MKEY carries
 */

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

static struct ib_mr *make_all_access(struct fake_hca *hca)
{
	return alloc_mtt(hca, TEST_ALL_ACCESS, 1);
}

static struct ib_mr *make_100_blocks(struct fake_hca *hca)
{
	return alloc_mtt(hca, 0, 100);
}

static void want_128_mtts(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_MTT, 64);
}

static struct ib_mr *make_16_ksms(struct fake_hca *hca)
{
	return alloc_user(hca, 0, MLX5_MKC_ACCESS_MODE_KSM, 16, false);
}

static void want_16_ksms(struct ib_mr *mr, void *in, void *mkc)
{
	want_pooled(mkc, MLX5_MKC_ACCESS_MODE_KSM, 16);
}

static struct ib_mr *make_ats(struct fake_hca *hca)
{
	return alloc_user(hca, IB_ACCESS_RELAXED_ORDERING,
			  MLX5_MKC_ACCESS_MODE_MTT, 1, true);
}

static void want_ats(struct ib_mr *mr, void *in, void *mkc)
{
	want_small_mtt(mr, in, mkc);
	WANT(ma_translation_mode, 1);
}

static void fix_relaxed_write(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_write_umr, 0);
}

static void fix_relaxed_read(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read_umr, 0);
}

static void fix_write_without_read(struct fake_hca *hca)
{
	fix_relaxed_write(hca);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read, 0);
}

/* Relaxed reads only if PCIe has them on, and here it has not. */
static void fix_read_of_pcie(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read, 0);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read_pci_enabled, 1);
	fix_relaxed_read(hca);
}

static void fix_atomic(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, umr_modify_atomic_disabled, 1);
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

static void enable_ats(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, ats, 1);
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
	mlx5_frmr_cleanup(hca->dev);
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
	enable_ats(hca);
}

static void forbid_entity_size(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, umr_modify_entity_size_disabled, 1);
}

static void fail_one_create(struct fake_hca *hca)
{
	fail_creates(hca, 0, 1, -EIO);
}

static struct ib_mr *make_user_all(struct fake_hca *hca)
{
	return reg_user(hca, 1, TEST_ALL_ACCESS);
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
	{ "user MTTs", NULL, reg_page, want_small_mtt },
	{ "user MTTs, all access", NULL, make_all_access, want_small_mtt },
	{ "user MTTs, rounded", NULL, make_100_blocks, want_128_mtts },
	{ "user KSMs", NULL, make_16_ksms, want_16_ksms },
	{ "user MTTs, ATS", enable_ats, make_ats, want_ats },
	{ "relaxed ordering, fixed for writes", fix_relaxed_write,
	  make_all_access, want_relaxed_mtt },
	{ "relaxed ordering, fixed for reads", fix_relaxed_read,
	  make_all_access, want_relaxed_mtt },
	{ "relaxed ordering, not for reads", fix_write_without_read,
	  make_all_access, want_relaxed_write_mtt },
	{ "relaxed ordering, off in PCIe for reads", fix_read_of_pcie,
	  make_all_access, want_relaxed_write_mtt },
	{ "atomics, fixed", fix_atomic, make_all_access, want_atomic_mtt },
	{ "ODP", NULL, make_odp_mr, want_odp },
	{ "implicit ODP", NULL, make_implicit_mr, want_implicit },
	{ "MEM_REG", NULL, alloc_mem_reg, want_mem_reg },
	{ "MEM_REG, ATS", enable_ats, alloc_mem_reg, want_mem_reg_ats },
	{ "SG_GAPS", NULL, alloc_sg_gaps, want_sg_gaps },
	{ "SG_GAPS has no ATS", enable_ats, alloc_sg_gaps, want_sg_gaps },
	{ "MEM_REG, unpooled", remove_pools, alloc_mem_reg, want_own_mem_reg },
	{ "MEM_REG, unpooled, ATS", remove_pools_enable_ats, alloc_mem_reg,
	  want_own_mem_reg_ats },
	{ "SG_GAPS, unpooled", remove_pools, alloc_sg_gaps, want_own_sg_gaps },
	{ "user MTTs, populated", forbid_entity_size, make_user_all,
	  want_populated },
	{ "user MTTs, unpooled", fail_one_create, make_user_all,
	  want_unpooled },
	{ "DMA", NULL, make_dma_mr, want_dma },
	{ "DMA, ATS", enable_ats, make_dma_mr, want_dma_ats },
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
		struct mlx5_ib_mw *mw = make_mw(hca, types[i]);

		KUNIT_ASSERT_EQ(test, try_alloc_mw(mw), 0);
		want_free(mkc, FAKE_HCA_PDN, MLX5_MKC_ACCESS_MODE_KLMS, 4);
		WANT(en_rinval, types[i] == IB_MW_TYPE_2);
		expect_inbox(hca, mw->ibmw.rkey, want);
		KUNIT_EXPECT_EQ(test, mlx5_ib_dealloc_mw(&mw->ibmw), 0);
	}
	KUNIT_EXPECT_EQ(test, pool_count(hca), 0);
}

static void populated_mkey_translates_to_the_page(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct scatterlist *sgl;
	struct ib_mr *mr;

	forbid_entity_size(hca);
	mr = reg_page(hca);
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
	mr = make_implicit_mr(hca);

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

	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
}

/* The mkey of a pool and its MR need not have the same size: UMRs say which. */
static void umr_sets_what_the_pool_leaves_open(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_user(hca, 3, TEST_ALL_ACCESS);
	void *mkc = context_of(hca, mr);

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

	release(hca, reg_user(hca, 1, TEST_ALL_ACCESS));
	mr = reg_user(hca, 1, 0);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);

	mkc = context_of(hca, mr);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, a), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, rw), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, rr), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, lw), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, lr), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, relaxed_ordering_write), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, mkc, relaxed_ordering_read), 0);
}

static struct kunit_case inbox_test_cases[] = {
	KUNIT_CASE_PARAM(create_mkey_carries, inbox_gen_params),
	KUNIT_CASE(mw_mkey_is_made_for_its_type),
	KUNIT_CASE(populated_mkey_translates_to_the_page),
	KUNIT_CASE(fault_mkey_of_implicit_mr_is_not_pooled),
	KUNIT_CASE(umr_sets_what_the_pool_leaves_open),
	KUNIT_CASE(umr_clears_what_the_last_owner_had),
	{}
};

static struct kunit_suite inbox_suite = {
	.name = "mlx5_frmr_inbox",
	.init = frmr_test_init,
	.test_cases = inbox_test_cases,
};

/*
 * Keys
 */

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

#define MTT MLX5_MKC_ACCESS_MODE_MTT
#define KSM MLX5_MKC_ACCESS_MODE_KSM

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
	{ "just above 2^20", MTT, BIT(20) + 1, BIT(20) + 8 },
	{ "2^20 + 8", MTT, BIT(20) + 8, BIT(20) + 8 },
	{ "3 * 2^20 - 1", MTT, 3 * BIT(20) - 1, 3 * BIT(20) },
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
		KUNIT_EXPECT_EQ(test, pool_count(hca), 0);
		return;
	}
	alloc_user(hca, 0, param->mode, param->blocks, false);
	KUNIT_EXPECT_EQ(test, only_pool(hca).key.num_dma_blocks, param->want);
}

static void sg_gaps_above_the_klm_limit_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	FAKE_HCA_SET_CAP(hca, log_max_klm_list_size, 4);
	KUNIT_EXPECT_NOT_NULL(test,
			      alloc_ulp(hca, IB_MR_TYPE_SG_GAPS,
					16)->frmr.pool);
	KUNIT_EXPECT_NULL(test,
			  alloc_ulp(hca, IB_MR_TYPE_SG_GAPS, 17)->frmr.pool);
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
	fix_atomic(hca);
	fix_relaxed_write(hca);
	fix_relaxed_read(hca);
}

static void fix_atomic_of_none(struct fake_hca *hca)
{
	fix_atomic(hca);
	FAKE_HCA_SET_CAP(hca, atomic, 0);
}

static void fix_relaxed_of_none(struct fake_hca *hca)
{
	fix_relaxed_write(hca);
	fix_relaxed_read(hca);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_write, 0);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read, 0);
}

static const struct flag_case flag_cases[] = {
	{ "atomics, UMR can", NULL, IB_ACCESS_REMOTE_ATOMIC, false },
	{ "atomics, UMR can't", fix_atomic, IB_ACCESS_REMOTE_ATOMIC, true },
	{ "atomics, there are none", fix_atomic_of_none,
	  IB_ACCESS_REMOTE_ATOMIC, false },
	{ "relaxed ordering, UMR can", NULL, IB_ACCESS_RELAXED_ORDERING,
	  false },
	{ "relaxed ordering, UMR can't for writes", fix_relaxed_write,
	  IB_ACCESS_RELAXED_ORDERING, true },
	{ "relaxed ordering, UMR can't for reads", fix_relaxed_read,
	  IB_ACCESS_RELAXED_ORDERING, true },
	{ "relaxed ordering, UMR can't for reads of PCIe", fix_read_of_pcie,
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
	mr = alloc_mtt(hca, 0, 1);
	KUNIT_EXPECT_EQ(test, mr->frmr.key.access_flags, 0);
	mr = alloc_mtt(hca, param->flag, 1);
	KUNIT_EXPECT_EQ(test, mr->frmr.key.access_flags,
			param->splits ? param->flag : 0);
	KUNIT_EXPECT_EQ(test, pool_count(hca), param->splits ? 2 : 1);
}

static void access_mode_and_ats_split_pools(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	alloc_user(hca, 0, MTT, 4, false);
	alloc_user(hca, 0, KSM, 4, false);
	alloc_user(hca, 0, MTT, 4, true);
	KUNIT_EXPECT_EQ(test, pool_count(hca), 3);
}

static void users_and_ulps_do_not_share_pools(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	alloc_mtt(hca, IB_ACCESS_RELAXED_ORDERING, 16);
	KUNIT_EXPECT_NE(test, alloc_mem_reg(hca)->frmr.key.kernel_vendor_key,
			0);
	KUNIT_EXPECT_NE(test, alloc_sg_gaps(hca)->frmr.key.kernel_vendor_key,
			0);
	KUNIT_EXPECT_EQ(test, pool_count(hca), 3);
}

/**
 * struct shown_case - an MR of a user, whose pool is shown to the user
 * @name: what it is
 * @setup: what is special about the device, or NULL
 * @make: makes the MR
 */
struct shown_case {
	const char *name;
	void (*setup)(struct fake_hca *hca);
	struct ib_mr *(*make)(struct fake_hca *hca);
};

static struct ib_mr *make_large(struct fake_hca *hca)
{
	return alloc_mtt(hca, 0, BIT(20) + 9);
}

static void enable_ats_fix_relaxed(struct fake_hca *hca)
{
	enable_ats(hca);
	fix_relaxed_read(hca);
}

static const struct shown_case shown_cases[] = {
	{ "MTTs", NULL, reg_page },
	{ "MTTs, large", NULL, make_large },
	{ "KSMs", NULL, make_16_ksms },
	{ "ODP", NULL, make_odp_mr },
	{ "implicit ODP", NULL, make_implicit_mr },
	{ "ATS", enable_ats, make_ats },
	{ "ATS, relaxed ordering fixed", enable_ats_fix_relaxed, make_ats },
	{ "relaxed ordering fixed", fix_relaxed_write, make_all_access },
};

KUNIT_ARRAY_PARAM_DESC(shown, shown_cases, name);

/* Who pins what he was shown gets an mkey that the next such MR takes. */
static void shown_key_names_the_pool(struct kunit *test)
{
	const struct shown_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_frmr_pool_info info;

	if (param->setup)
		param->setup(hca);
	param->make(hca);
	info = only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.key.kernel_vendor_key, 0);

	KUNIT_ASSERT_EQ(test, pin(hca, &info.key, 2), 0);
	info = only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.pinned, 2);
	KUNIT_EXPECT_EQ(test, info.idle, 1);

	param->make(hca);
	KUNIT_EXPECT_EQ(test, only_pool(hca).in_use, 2);
	KUNIT_EXPECT_EQ(test, hca->live, 2);
}

/* A user need not know what the driver makes of his wish. */
static void pinned_mkey_serves_a_registration(struct kunit *test)
{
	static const struct ib_frmr_key key = {
		.num_dma_blocks = 3,
		.access_flags = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ |
				IB_ACCESS_RELAXED_ORDERING,
	};
	struct fake_hca *hca = test->priv;

	fix_relaxed_write(hca);
	KUNIT_ASSERT_EQ(test, pin(hca, &key, 1), 0);
	alloc_mtt(hca, key.access_flags, 3);
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
	  { .vendor_key = 2, .num_dma_blocks = 4 }, -EINVAL },
	{ "unknown vendor key besides KSM", NULL,
	  { .vendor_key = 3, .num_dma_blocks = 4 }, -EINVAL },
	{ "a high bit of the vendor key", NULL,
	  { .vendor_key = BIT_ULL(63), .num_dma_blocks = 4 }, -EINVAL },
	{ "MEM_REG of the kernel", NULL,
	  { .kernel_vendor_key = 1, .num_dma_blocks = 4 }, -EINVAL },
	{ "SG_GAPS of the kernel", NULL,
	  { .kernel_vendor_key = 2, .num_dma_blocks = 4 }, -EINVAL },
	{ "KSMs, device has no use for them", forget_implicit,
	  { .vendor_key = 1, .num_dma_blocks = 4 }, -EOPNOTSUPP },
	{ "KSMs with ATS", enable_ats,
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
	KUNIT_EXPECT_EQ(test, pin(hca, &param->key, 1), param->err);
	KUNIT_EXPECT_EQ(test, pool_count(hca), 0);
	KUNIT_EXPECT_EQ(test, hca->creates, 0);
}

static void ksms_of_data_direct_can_be_pinned(struct kunit *test)
{
	static const struct ib_frmr_key key = {
		.vendor_key = 1,
		.num_dma_blocks = 16,
	};
	struct fake_hca *hca = test->priv;

	forget_implicit(hca);
	FAKE_HCA_SET_CAP(hca, data_direct, 1);
	KUNIT_EXPECT_EQ(test, pin(hca, &key, 1), 0);
}

static struct kunit_case key_cases[] = {
	KUNIT_CASE_PARAM(pool_size_is_rounded, size_gen_params),
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
	.init = frmr_test_init,
	.test_cases = key_cases,
};

/*
 * Variants
 */

static void reused_mkey_has_another_key(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_page(hca);
	u32 old = mr->lkey;

	release(hca, mr);
	mr = reg_page(hca);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, mlx5_base_mkey(mr->lkey), mlx5_base_mkey(old));
	KUNIT_EXPECT_NE(test, mr->lkey, old);
	KUNIT_EXPECT_EQ(test, mr->rkey, mr->lkey);
}

static void variants_wrap_after_256_reuses(struct kunit *test)
{
	DECLARE_BITMAP(seen, 256) = {};
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = alloc_mtt(hca, 0, 1);
	u32 first = mr->lkey;
	int i;

	for (i = 0; i < 256; i++) {
		KUNIT_EXPECT_EQ(test, mlx5_base_mkey(mr->lkey),
				mlx5_base_mkey(first));
		__set_bit(mlx5_mkey_variant(mr->lkey), seen);
		release(hca, mr);
		mr = alloc_mtt(hca, 0, 1);
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
		mr = reg_page(hca);
		KUNIT_EXPECT_EQ(test, must &
				be64_to_cpu(umr->ctrl_seg.mkey_mask), must);
		KUNIT_EXPECT_EQ(test,
				MLX5_GET(mkc, &umr->mkey_seg, mkey_7_0),
				mlx5_mkey_variant(mr->lkey));
		KUNIT_EXPECT_EQ(test,
				MLX5_GET(mkc, context_of(hca, mr), mkey_7_0),
				mlx5_mkey_variant(mr->lkey));
		release(hca, mr);
	}
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

/* Its work requests set no PD, and a stale key of the last owner must fail. */
static void ulp_gets_a_free_mkey_in_its_pd(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = alloc_mem_reg(hca);
	u32 old = mr->rkey;
	void *mkc;

	release(hca, mr);
	mr = alloc_mem_reg(hca);
	mkc = context_of(hca, mr);
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
	struct ib_mr *mr = alloc_mem_reg(hca);

	ib_update_fast_reg_key(mr, 0x77);
	fake_hca_enable_by_ulp(hca, mr, &hca->pd);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, mlx5_mkey_variant(alloc_mem_reg(hca)->rkey),
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
	.init = frmr_test_init,
	.test_cases = variant_cases,
};

/*
 * Errors of CREATE_MKEY
 */

static const struct ib_frmr_key pinned_key = { .num_dma_blocks = 64 };

static const u32 batch_cases[] = { 0, 1, 5, 9 };

static void batch_desc(const u32 *good, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "after %u of 10", *good);
}

KUNIT_ARRAY_PARAM(batch, batch_cases, batch_desc);

static void failed_batch_destroys_what_it_created(struct kunit *test)
{
	const u32 good = *(const u32 *)test->param_value;
	struct fake_hca *hca = test->priv;

	fail_creates(hca, good, 1, -EINVAL);
	KUNIT_EXPECT_EQ(test, pin(hca, &pinned_key, 10), -EINVAL);
	KUNIT_EXPECT_EQ(test, hca->creates, good + 1);
	KUNIT_EXPECT_EQ(test, hca->destroys, good);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void batch_gives_each_mkey_a_variant_of_its_own(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *a, *b;

	KUNIT_ASSERT_EQ(test, pin(hca, &pinned_key, 2), 0);
	a = alloc_mtt(hca, 0, 64);
	b = alloc_mtt(hca, 0, 64);
	KUNIT_EXPECT_EQ(test, hca->creates, 2);
	KUNIT_EXPECT_NE(test, mlx5_base_mkey(a->lkey),
			mlx5_base_mkey(b->lkey));
	KUNIT_EXPECT_NE(test, mlx5_mkey_variant(a->lkey),
			mlx5_mkey_variant(b->lkey));
}

static void pop_at_the_limit_takes_idle_mkeys_of_others(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	stock_idle(hca, 3);
	hca->limit = 3;
	mr = reg_page(hca);
	KUNIT_EXPECT_NOT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
}

static void failed_pop_leaves_an_unpooled_mr(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	fail_creates(hca, 0, 1, -EIO);
	mr = reg_page(hca);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, context_of(hca, mr), free), 0);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
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

/* The pools stay, and so do their idle mkeys. */
static void lose_umr_qp(struct fake_hca *hca)
{
	hca->resource_err = -ENOMEM;
}

static void forbid_indirect_umrs(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, umr_indirect_mkey_disabled, 1);
}

static const struct unpooled_case unpooled_cases[] = {
	{ "DMA", NULL, try_dma_mr, IB_MR_TYPE_DMA },
	{ "device memory", NULL, try_memic_mr, IB_MR_TYPE_DM },
	{ "integrity", NULL, try_integrity_mr, IB_MR_TYPE_INTEGRITY },
	{ "MEM_REG without UMR QP", lose_umr_qp, try_mem_reg_mr,
	  IB_MR_TYPE_MEM_REG },
	{ "SG_GAPS without UMRs of KLMs", forbid_indirect_umrs, try_sg_gaps_mr,
	  IB_MR_TYPE_SG_GAPS },
	{ "user, populated", forbid_entity_size, try_user_mr,
	  IB_MR_TYPE_USER },
};

KUNIT_ARRAY_PARAM_DESC(unpooled, unpooled_cases, name);

static void unpooled_mr_at_the_limit_reclaims(struct kunit *test)
{
	const struct unpooled_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	stock_idle(hca, 3);
	hca->limit = 3;
	if (param->setup)
		param->setup(hca);
	mr = adopt(hca, param->make(hca), &hca->pd, param->type);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 0);
}

static void unpooled_mr_tries_only_once_more(struct kunit *test)
{
	const struct unpooled_case *param = test->param_value;
	struct fake_hca *hca = test->priv;

	stock_idle(hca, 3);
	if (param->setup)
		param->setup(hca);
	fail_creates(hca, 0, U32_MAX, -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, param->make(hca), ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_EQ(test, hca->creates, 2);
}

static void unpooled_mr_reclaims_for_no_other_error(struct kunit *test)
{
	const struct unpooled_case *param = test->param_value;
	struct fake_hca *hca = test->priv;

	stock_idle(hca, 3);
	if (param->setup)
		param->setup(hca);
	fail_creates(hca, 0, U32_MAX, -EIO);
	KUNIT_EXPECT_PTR_EQ(test, param->make(hca), ERR_PTR(-EIO));
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 3);
}

static void nothing_to_reclaim_is_no_reason_to_try_again(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	fail_creates(hca, 0, U32_MAX, -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, try_dma_mr(hca), ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

static void mw_at_the_limit_reclaims(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct mlx5_ib_mw *mw = make_mw(hca, IB_MW_TYPE_1);

	stock_idle(hca, 3);
	hca->limit = 3;
	KUNIT_ASSERT_EQ(test, try_alloc_mw(mw), 0);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 0);
	KUNIT_EXPECT_EQ(test, mlx5_ib_dealloc_mw(&mw->ibmw), 0);
}

static void fault_mkey_at_the_limit_reclaims(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	FAKE_HCA_SET_ODP_CAP(hca, mem_page_fault, 1);
	stock_idle(hca, 3);
	release(hca, make_implicit_mr(hca)); /* the next one finds its mkey */
	hca->limit = hca->live;
	make_implicit_mr(hca);
	KUNIT_EXPECT_EQ(test, hca->live, 2);
}

/* Of three mkeys of an integrity MR each may be the one that fails. */
static void failed_integrity_mr_leaves_nothing(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	u32 good;

	for (good = 0; good < 3; good++) {
		fail_creates(hca, good, 1, -EIO);
		KUNIT_EXPECT_PTR_EQ(test, try_integrity_mr(hca),
				    ERR_PTR(-EIO));
		KUNIT_EXPECT_EQ(test, hca->live, 0);
		KUNIT_EXPECT_EQ(test, hca->psvs, 0);
	}
}

static struct kunit_case create_cases[] = {
	KUNIT_CASE_PARAM(failed_batch_destroys_what_it_created,
			 batch_gen_params),
	KUNIT_CASE(batch_gives_each_mkey_a_variant_of_its_own),
	KUNIT_CASE(pop_at_the_limit_takes_idle_mkeys_of_others),
	KUNIT_CASE(failed_pop_leaves_an_unpooled_mr),
	KUNIT_CASE_PARAM(unpooled_mr_at_the_limit_reclaims,
			 unpooled_gen_params),
	KUNIT_CASE_PARAM(unpooled_mr_tries_only_once_more,
			 unpooled_gen_params),
	KUNIT_CASE_PARAM(unpooled_mr_reclaims_for_no_other_error,
			 unpooled_gen_params),
	KUNIT_CASE(nothing_to_reclaim_is_no_reason_to_try_again),
	KUNIT_CASE(mw_at_the_limit_reclaims),
	KUNIT_CASE(fault_mkey_at_the_limit_reclaims),
	KUNIT_CASE(failed_integrity_mr_leaves_nothing),
	{}
};

static struct kunit_suite create_suite = {
	.name = "mlx5_frmr_create",
	.init = frmr_test_init,
	.test_cases = create_cases,
};

/*
 * The way back
 */

/* All kinds that come from pools. */
static const struct shown_case pooled_cases[] = {
	{ "user", NULL, reg_page },
	{ "ODP", NULL, make_odp_mr },
	{ "implicit ODP", NULL, make_implicit_mr },
	{ "MEM_REG", NULL, alloc_mem_reg },
	{ "SG_GAPS", NULL, alloc_sg_gaps },
};

KUNIT_ARRAY_PARAM_DESC(pooled, pooled_cases, name);

static void dereg_returns_the_mkey(struct kunit *test)
{
	const struct shown_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	u32 key;
	int i;

	for (i = 0; i < 3; i++) {
		struct ib_mr *mr = param->make(hca);

		KUNIT_EXPECT_NOT_NULL(test, mr->frmr.pool);
		key = mr->lkey;
		release(hca, mr);
		KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 1);
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

/* Its owner should have invalidated it, but who relies on that? */
static void mkey_that_a_ulp_left_valid_is_revoked(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = alloc_mem_reg(hca);
	u32 key = mr->lkey;

	fake_hca_enable_by_ulp(hca, mr, &hca->pd);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 1);
	KUNIT_EXPECT_EQ(test,
			MLX5_GET(mkc, fake_hca_mkey(hca, key)->mkc, free), 1);
}

static void mkey_that_can_not_be_revoked_is_dropped(struct kunit *test)
{
	const struct shown_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = param->make(hca);
	struct ib_frmr_pool_info info;

	hca->bad_umrs = 1;
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	info = only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.idle, 0);
	KUNIT_EXPECT_EQ(test, info.in_use, 0);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_DROPPED], 1);
}

static void failed_dereg_leaves_the_mkey_with_its_mr(struct kunit *test)
{
	const struct shown_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = param->make(hca);

	hca->bad_umrs = 1;
	hca->bad_destroys = 1;
	KUNIT_EXPECT_EQ(test, try_release(hca, mr), -EIO);
	KUNIT_EXPECT_NOT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, only_pool(hca).in_use, 1);
	KUNIT_EXPECT_EQ(test, hca->live, 1);

	release(hca, mr);
	KUNIT_EXPECT_EQ(test, only_pool(hca).in_use, 0);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 1);
}

static void unpooled_mkey_is_destroyed(struct kunit *test)
{
	const struct unpooled_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	if (param->setup)
		param->setup(hca);
	mr = adopt(hca, param->make(hca), &hca->pd, param->type);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, hca->umrs, 0);
	KUNIT_EXPECT_EQ(test, pool_count(hca), 0);
}

static void mkey_of_a_dead_device_is_not_pooled(struct kunit *test)
{
	const struct shown_case *param = test->param_value;
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = param->make(hca);
	u32 umrs = hca->umrs;

	hca->mdev->state = MLX5_DEVICE_STATE_INTERNAL_ERROR;
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->umrs, umrs);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 0);
	KUNIT_EXPECT_EQ(test, only_pool(hca).in_use, 0);
}

static void mkey_of_a_device_that_is_gone_needs_no_umr(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = try_mem_reg_mr(hca);
	u32 umrs = hca->umrs;

	hca->pdev->error_state = pci_channel_io_perm_failure;
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->umrs, umrs);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 0);
}

static void pools_of_a_dead_device_can_be_cleaned_up(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	stock_idle(hca, 100);
	hca->mdev->state = MLX5_DEVICE_STATE_INTERNAL_ERROR;
	mlx5_frmr_cleanup(hca->dev);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void mkey_that_can_not_be_enabled_goes_back(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca->bad_umrs = 1;
	KUNIT_EXPECT_PTR_EQ(test, try_user_mr(hca), ERR_PTR(-EFAULT));
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 1);

	reg_page(hca);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

static void mkey_that_no_umr_reaches_is_destroyed(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	hca->bad_umrs = 2; /* the one to enable it, the one to revoke it */
	KUNIT_EXPECT_PTR_EQ(test, try_user_mr(hca), ERR_PTR(-EFAULT));
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_EQ(test, only_pool(hca).in_use, 0);
}

/* An implicit MR is set up by several UMRs: whichever fails, all goes back. */
static void failed_implicit_mr_returns_its_mkeys(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	FAKE_HCA_SET_ODP_CAP(hca, mem_page_fault, 1);
	map_pages(hca, 1);
	hca->good_umrs = 1;
	hca->bad_umrs = 1;
	mr = mlx5_ib_reg_user_mr(&hca->pd.ibpd, 0, U64_MAX, 0,
				 IB_ACCESS_ON_DEMAND, NULL);
	KUNIT_EXPECT_PTR_EQ(test, mr, ERR_PTR(-EFAULT));
	KUNIT_EXPECT_EQ(test, hca->live, 1);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 1);
}

static void ulp_mr_without_pd_change_gets_its_own_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_frmr_pool_info info;
	struct ib_mr *mr;

	hca->bad_umrs = 1;
	mr = alloc_mem_reg(hca);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
	info = only_pool(hca);
	KUNIT_EXPECT_EQ(test, info.idle + info.in_use, 0);
	KUNIT_EXPECT_EQ(test, info.stats[IB_FRMR_DROPPED], 1);
	fake_hca_enable_by_ulp(hca, mr, &hca->pd);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void ulp_mr_without_umr_qp_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	lose_umr_qp(hca);
	KUNIT_EXPECT_NULL(test, alloc_mem_reg(hca)->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca->resource_inits, 1);
	KUNIT_EXPECT_EQ(test, pool_count(hca), 0);
}

static struct kunit_case return_cases[] = {
	KUNIT_CASE_PARAM(dereg_returns_the_mkey, pooled_gen_params),
	KUNIT_CASE(mkey_that_a_ulp_left_valid_is_revoked),
	KUNIT_CASE_PARAM(mkey_that_can_not_be_revoked_is_dropped,
			 pooled_gen_params),
	KUNIT_CASE_PARAM(failed_dereg_leaves_the_mkey_with_its_mr,
			 pooled_gen_params),
	KUNIT_CASE_PARAM(unpooled_mkey_is_destroyed, unpooled_gen_params),
	KUNIT_CASE_PARAM(mkey_of_a_dead_device_is_not_pooled,
			 pooled_gen_params),
	KUNIT_CASE(mkey_of_a_device_that_is_gone_needs_no_umr),
	KUNIT_CASE(pools_of_a_dead_device_can_be_cleaned_up),
	KUNIT_CASE(mkey_that_can_not_be_enabled_goes_back),
	KUNIT_CASE(mkey_that_no_umr_reaches_is_destroyed),
	KUNIT_CASE(failed_implicit_mr_returns_its_mkeys),
	KUNIT_CASE(ulp_mr_without_pd_change_gets_its_own_mkey),
	KUNIT_CASE(ulp_mr_without_umr_qp_is_not_pooled),
	{}
};

static struct kunit_suite return_suite = {
	.name = "mlx5_frmr_return",
	.init = frmr_test_init,
	.test_cases = return_cases,
};

/*
 * Reregistration and ODP
 */

static struct ib_mr *rereg_pages(struct fake_hca *hca, struct ib_mr *mr,
				 u32 npages)
{
	unsigned long addr = map_pages(hca, npages);

	return mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_TRANS, addr,
				     npages * PAGE_SIZE,
				     iova_of_small_pages(hca, addr), 0,
				     &hca->pd.ibpd, NULL);
}

static struct ib_mr *rereg_access(struct ib_mr *mr, int access)
{
	return mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_ACCESS, 0, 0, 0, access,
				     mr->pd, NULL);
}

static void rereg_that_fits_keeps_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_user(hca, 3, IB_ACCESS_LOCAL_WRITE);
	struct ib_frmr_pool *pool = mr->frmr.pool;
	u32 key = mr->lkey;

	KUNIT_EXPECT_NULL(test, rereg_pages(hca, mr, 4));
	KUNIT_EXPECT_EQ(test, mr->lkey, key);
	KUNIT_EXPECT_PTR_EQ(test, mr->frmr.pool, pool);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, context_of(hca, mr), free), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, context_of(hca, mr), len),
			4 * PAGE_SIZE);
}

static void rereg_that_does_not_fit_takes_another_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_user(hca, 3, IB_ACCESS_LOCAL_WRITE);
	struct ib_mr *new;

	new = adopt(hca, rereg_pages(hca, mr, 5), &hca->pd, IB_MR_TYPE_USER);
	KUNIT_EXPECT_NE(test, mlx5_base_mkey(new->lkey),
			mlx5_base_mkey(mr->lkey));
	KUNIT_EXPECT_EQ(test, new->frmr.key.num_dma_blocks, 8);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, pool_count(hca), 2);
	KUNIT_EXPECT_EQ(test, hca->live, 2);
}

static void rereg_of_an_unpooled_mr_takes_another_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr, *new;

	fail_creates(hca, 0, 1, -EIO);
	mr = reg_page(hca);
	new = adopt(hca, rereg_pages(hca, mr, 1), &hca->pd, IB_MR_TYPE_USER);
	KUNIT_EXPECT_NOT_NULL(test, new->frmr.pool);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
}

static void rereg_of_access_keeps_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_page(hca);
	u32 key = mr->lkey;

	KUNIT_EXPECT_NULL(test, rereg_access(mr, TEST_ALL_ACCESS));
	KUNIT_EXPECT_EQ(test, mr->lkey, key);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, context_of(hca, mr), rw), 1);
	release(hca, mr);
	reg_page(hca);
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

static void rereg_of_pd_keeps_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_page(hca);
	u32 key = mr->lkey;
	struct ib_mr *new;

	new = mlx5_ib_rereg_user_mr(mr, IB_MR_REREG_PD, 0, 0, 0, 0,
				    &hca->other_pd.ibpd, NULL);
	KUNIT_EXPECT_NULL(test, new);
	KUNIT_EXPECT_EQ(test, mr->lkey, key);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, context_of(hca, mr), pd),
			FAKE_HCA_OTHER_PDN);
}

/* The new MR takes the umem, and the old one goes without. */
static void rereg_of_fixed_access_moves_to_another_pool(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr, *new;
	u32 old_key;

	fix_relaxed_write(hca);
	fix_relaxed_read(hca);
	mr = reg_page(hca);
	old_key = mr->lkey;
	new = rereg_access(mr, IB_ACCESS_LOCAL_WRITE |
			       IB_ACCESS_RELAXED_ORDERING);
	adopt(hca, new, &hca->pd, IB_MR_TYPE_USER);

	KUNIT_EXPECT_NULL(test, to_mmr(mr)->umem);
	KUNIT_EXPECT_EQ(test, new->frmr.key.access_flags,
			IB_ACCESS_RELAXED_ORDERING);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, context_of(hca, new),
				       relaxed_ordering_write), 1);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, fake_hca_mkey(hca, old_key)->mkc,
				       free), 1);
	release(hca, mr);
	release(hca, new);
	KUNIT_EXPECT_EQ(test, pool_count(hca), 2);
	KUNIT_EXPECT_EQ(test, hca->live, 2);
}

static void failed_rereg_in_place_still_returns_the_mkey(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_page(hca);

	hca->good_umrs = 1; /* the one to revoke it */
	hca->bad_umrs = 1;
	KUNIT_EXPECT_PTR_EQ(test, rereg_pages(hca, mr, 1), ERR_PTR(-EFAULT));
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, only_pool(hca).idle, 1);
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
	struct ib_mr *mr = make_implicit_mr(hca);
	unsigned long addr = map_pages(hca, 1);
	u32 want[MLX5_ST_SZ_DW(create_mkey_in)] = {};
	int i;

	for (i = 0; i < 2; i++) {
		prefetch_page(hca, mr, addr);
		KUNIT_EXPECT_EQ(test, hca->live, 2);
		release(hca, mr);
		KUNIT_EXPECT_EQ(test, pool_count(hca), 2);
		mr = make_implicit_mr(hca);
	}
	KUNIT_EXPECT_EQ(test, hca->creates, 2);
	want_pooled(MLX5_ADDR_OF(create_mkey_in, want, memory_key_mkey_entry),
		    MTT, TEST_CHILD_MTTS / 2);
	expect_inbox(hca, hca->last_key, want);
}

static struct kunit_case user_cases[] = {
	KUNIT_CASE(rereg_that_fits_keeps_the_mkey),
	KUNIT_CASE(rereg_that_does_not_fit_takes_another_mkey),
	KUNIT_CASE(rereg_of_an_unpooled_mr_takes_another_mkey),
	KUNIT_CASE(rereg_of_access_keeps_the_mkey),
	KUNIT_CASE(rereg_of_pd_keeps_the_mkey),
	KUNIT_CASE(rereg_of_fixed_access_moves_to_another_pool),
	KUNIT_CASE(failed_rereg_in_place_still_returns_the_mkey),
	KUNIT_CASE(children_of_an_implicit_mr_are_pooled),
	{}
};

static struct kunit_suite user_suite = {
	.name = "mlx5_frmr_user",
	.init = frmr_test_init,
	.test_cases = user_cases,
};

/*
 * The pools come late and go early
 */

/* ULPs see the device before there are pools, or a PD for a UMR QP. */
static void ulp_mr_before_the_pools_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr;

	hca->dev->umrc.pd = NULL;
	mr = alloc_mem_reg(hca);
	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, hca->resource_inits, 0);
	KUNIT_EXPECT_EQ(test, hca->umrs, 0);

	hca->dev->umrc.pd = &hca->umr_pd.ibpd;
	KUNIT_ASSERT_EQ(test, mlx5_frmr_init(hca->dev), 0);
	release(hca, mr);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
}

static void user_mr_before_the_pools_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;
	struct ib_mr *mr = reg_page(hca);

	KUNIT_EXPECT_NULL(test, mr->frmr.pool);
	KUNIT_EXPECT_EQ(test, MLX5_GET(mkc, context_of(hca, mr), free), 0);
}

static void mr_after_the_pools_is_not_pooled(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	KUNIT_ASSERT_EQ(test, mlx5_frmr_init(hca->dev), 0);
	mlx5_frmr_cleanup(hca->dev);
	KUNIT_EXPECT_NULL(test, alloc_mem_reg(hca)->frmr.pool);
	KUNIT_EXPECT_NULL(test, reg_page(hca)->frmr.pool);
}

static void unpooled_mr_without_pools_tries_once(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	fail_creates(hca, 0, U32_MAX, -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, try_dma_mr(hca), ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_EQ(test, hca->creates, 1);
}

static void device_that_umrs_can_not_resize_has_no_pools(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	forbid_entity_size(hca);
	KUNIT_ASSERT_EQ(test, mlx5_frmr_init(hca->dev), 0);
	KUNIT_EXPECT_NULL(test, hca->dev->ib_dev.frmr_pools);
	KUNIT_EXPECT_NULL(test, reg_page(hca)->frmr.pool);
	KUNIT_EXPECT_NULL(test, alloc_mem_reg(hca)->frmr.pool);
	mlx5_frmr_cleanup(hca->dev);
}

static void cleanup_destroys_what_is_idle(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	KUNIT_ASSERT_EQ(test, mlx5_frmr_init(hca->dev), 0);
	release(hca, alloc_mem_reg(hca));
	release(hca, reg_page(hca));
	release(hca, make_implicit_mr(hca));
	KUNIT_ASSERT_EQ(test, pin(hca, &pinned_key, 70), 0);
	KUNIT_EXPECT_EQ(test, hca->live, 73);
	mlx5_frmr_cleanup(hca->dev);
	KUNIT_EXPECT_EQ(test, hca->live, 0);
	KUNIT_EXPECT_NULL(test, hca->dev->ib_dev.frmr_pools);
}

/* What firmware does not give back must not keep the rest. */
static void cleanup_goes_on_when_an_mkey_is_lost(struct kunit *test)
{
	struct fake_hca *hca = test->priv;

	KUNIT_ASSERT_EQ(test, mlx5_frmr_init(hca->dev), 0);
	KUNIT_ASSERT_EQ(test, pin(hca, &pinned_key, 10), 0);
	hca->bad_destroys = 1;
	mlx5_frmr_cleanup(hca->dev);
	KUNIT_EXPECT_EQ(test, hca->destroys, 10);
	KUNIT_EXPECT_EQ(test, hca->live, 1);
	fake_hca_forget_all(hca);
}

static struct kunit_case life_cases[] = {
	KUNIT_CASE(ulp_mr_before_the_pools_is_not_pooled),
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
	.init = frmr_test_init_bare,
	.test_cases = life_cases,
};

kunit_test_suites(&inbox_suite, &key_suite, &variant_suite, &create_suite,
		  &return_suite, &user_suite, &life_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
