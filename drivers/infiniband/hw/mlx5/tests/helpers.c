// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What the tests of mlx5's memory regions share.
 */
#include <linux/mman.h>

#include "../dm.h"
#include "helpers.h"

static void dereg_left_over(void *mr)
{
	ib_dereg_mr(mr);
}

/* Sets what ib_core sets. The MR goes at the end of the test, if not before. */
struct ib_mr *hca_adopt(struct fake_hca *hca, struct ib_mr *mr,
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

int hca_try_release(struct fake_hca *hca, struct ib_mr *mr)
{
	int err = ib_dereg_mr(mr);

	if (!err)
		kunit_remove_action(hca->test, dereg_left_over, mr);
	return err;
}

void hca_release(struct fake_hca *hca, struct ib_mr *mr)
{
	KUNIT_ASSERT_EQ(hca->test, hca_try_release(hca, mr), 0);
}

unsigned long hca_map_pages(struct fake_hca *hca, u32 npages)
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
u64 hca_iova_of_small_pages(struct fake_hca *hca, unsigned long addr)
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
	unsigned long addr = hca_map_pages(hca, npages);

	return ib_reg_user_mr(&hca->pd.ibpd, addr, npages * PAGE_SIZE,
			      hca_iova_of_small_pages(hca, addr), access);
}

struct ib_mr *hca_reg_user(struct fake_hca *hca, u32 npages, int access)
{
	return hca_adopt(hca, try_reg_user(hca, npages, access), &hca->pd,
			 IB_MR_TYPE_USER);
}

struct ib_mr *hca_reg_page(struct fake_hca *hca)
{
	return hca_reg_user(hca, 1, IB_ACCESS_LOCAL_WRITE);
}

/* As a registration does, without its memory, so that any size is possible. */
struct ib_mr *hca_alloc_user(struct fake_hca *hca, int access,
			     unsigned int mode, size_t blocks, bool ats)
{
	struct mlx5_ib_mr *mr = mlx5_frmr_alloc(hca->dev, access, mode, blocks,
						ats);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(hca->test, mr);
	return hca_adopt(hca, &mr->ibmr, &hca->pd, IB_MR_TYPE_USER);
}

struct ib_mr *hca_alloc_mtt(struct fake_hca *hca, int access, size_t blocks)
{
	return hca_alloc_user(hca, access, MTT, blocks, false);
}

struct ib_mr *hca_alloc_ulp(struct fake_hca *hca, enum ib_mr_type type,
			    u32 max_num_sg)
{
	return hca_adopt(hca, mlx5_ib_alloc_mr(&hca->pd.ibpd, type, max_num_sg),
			 &hca->pd, type);
}

struct ib_mr *hca_alloc_mem_reg(struct fake_hca *hca)
{
	return hca_alloc_ulp(hca, IB_MR_TYPE_MEM_REG, 16);
}

struct ib_mr *hca_alloc_sg_gaps(struct fake_hca *hca)
{
	return hca_alloc_ulp(hca, IB_MR_TYPE_SG_GAPS, 16);
}

struct ib_mr *hca_try_dma_mr(struct fake_hca *hca)
{
	return mlx5_ib_get_dma_mr(&hca->pd.ibpd, IB_ACCESS_LOCAL_WRITE);
}

struct ib_mr *hca_try_dm_mr(struct fake_hca *hca, u32 type)
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

struct ib_mr *hca_try_memic_mr(struct fake_hca *hca)
{
	return hca_try_dm_mr(hca, MLX5_IB_UAPI_DM_TYPE_MEMIC);
}

struct ib_mr *hca_try_integrity_mr(struct fake_hca *hca)
{
	return mlx5_ib_alloc_mr_integrity(&hca->pd.ibpd, 8, 6);
}

struct ib_mr *hca_try_mem_reg_mr(struct fake_hca *hca)
{
	return mlx5_ib_alloc_mr(&hca->pd.ibpd, IB_MR_TYPE_MEM_REG, 16);
}

struct ib_mr *hca_try_sg_gaps_mr(struct fake_hca *hca)
{
	return mlx5_ib_alloc_mr(&hca->pd.ibpd, IB_MR_TYPE_SG_GAPS, 16);
}

struct ib_mr *hca_try_user_mr(struct fake_hca *hca)
{
	return try_reg_user(hca, 1, IB_ACCESS_LOCAL_WRITE);
}

struct ib_mr *hca_make_odp_mr(struct fake_hca *hca)
{
	return hca_reg_user(hca, 9,
			    IB_ACCESS_LOCAL_WRITE | IB_ACCESS_ON_DEMAND);
}

struct ib_mr *hca_try_implicit_mr(struct fake_hca *hca)
{
	hca_map_pages(hca, 1); /* for the address space */
	return ib_reg_user_mr(&hca->pd.ibpd, 0, U64_MAX, 0,
			      IB_ACCESS_LOCAL_WRITE | IB_ACCESS_ON_DEMAND);
}

struct ib_mr *hca_make_implicit_mr(struct fake_hca *hca)
{
	return hca_adopt(hca, hca_try_implicit_mr(hca), &hca->pd,
			 IB_MR_TYPE_USER);
}

struct ib_mr *hca_make_all_access(struct fake_hca *hca)
{
	return hca_alloc_mtt(hca, TEST_ALL_ACCESS, 1);
}

struct ib_mr *hca_make_16_ksms(struct fake_hca *hca)
{
	return hca_alloc_user(hca, 0, MLX5_MKC_ACCESS_MODE_KSM, 16, false);
}

struct ib_mr *hca_make_ats(struct fake_hca *hca)
{
	return hca_alloc_user(hca, IB_ACCESS_RELAXED_ORDERING,
			      MLX5_MKC_ACCESS_MODE_MTT, 1, true);
}

struct mlx5_ib_mw *hca_make_mw(struct fake_hca *hca, enum ib_mw_type type)
{
	struct mlx5_ib_mw *mw = kunit_kzalloc(hca->test, sizeof(*mw),
					      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(hca->test, mw);
	mw->ibmw.device = &hca->dev->ib_dev;
	mw->ibmw.pd = &hca->pd.ibpd;
	mw->ibmw.type = type;
	return mw;
}

int hca_try_alloc_mw(struct mlx5_ib_mw *mw)
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

u32 hca_pool_count(struct fake_hca *hca)
{
	struct ib_frmr_pool_info info = {};
	u32 count = 0;

	while (next_pool(hca, &info.key, &info))
		count++;
	return count;
}

struct ib_frmr_pool_info hca_only_pool(struct fake_hca *hca)
{
	static const struct ib_frmr_key start;
	struct ib_frmr_pool_info info = {};

	KUNIT_ASSERT_EQ(hca->test, hca_pool_count(hca), 1);
	next_pool(hca, &start, &info);
	return info;
}

int hca_pin(struct fake_hca *hca, const struct ib_frmr_key *key, u32 count)
{
	struct ib_frmr_key asked = *key;

	return ib_frmr_pools_set_pinned(&hca->dev->ib_dev, &asked, count);
}

/* How many idle mkeys have made room for others. */
u64 hca_reclaimed(struct fake_hca *hca)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&hca->dev->ib_dev);
	u64 totals[IB_FRMR_NUM_STATS];

	KUNIT_ASSERT_NOT_NULL(hca->test, pools);
	ib_frmr_pools_totals(pools, totals);
	ib_frmr_pools_put(pools);
	return totals[IB_FRMR_RECLAIMED];
}

/* Idle mkeys that no registration of these tests asks for. */
void hca_stock_idle(struct fake_hca *hca, u32 count)
{
	static const struct ib_frmr_key key = { .num_dma_blocks = 0x8000 };

	KUNIT_ASSERT_EQ(hca->test, hca_pin(hca, &key, count), 0);
	KUNIT_ASSERT_EQ(hca->test, hca_pin(hca, &key, 0), 0);
	KUNIT_ASSERT_EQ(hca->test, hca->live, count);
}

void hca_fail_creates(struct fake_hca *hca, u32 good, u32 bad, int err)
{
	hca->creates = 0;
	hca->good_creates = good;
	hca->bad_creates = bad;
	hca->create_err = err;
}

/* The mkey's context as it is now. */
u32 *hca_context_of(struct fake_hca *hca, const struct ib_mr *mr)
{
	return fake_hca_mkey(hca, mr->lkey)->mkc;
}

void hca_fix_relaxed_write(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_write_umr, 0);
}

void hca_fix_relaxed_read(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read_umr, 0);
}

/* Relaxed reads only if PCIe has them on, and here it has not. */
void hca_fix_read_of_pcie(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read, 0);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read_pci_enabled, 1);
	hca_fix_relaxed_read(hca);
}

void hca_fix_atomic(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, umr_modify_atomic_disabled, 1);
}

void hca_enable_ats(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, ats, 1);
}

void hca_forbid_entity_size(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, umr_modify_entity_size_disabled, 1);
}

/* The pools stay, and so do their idle mkeys. */
void hca_lose_umr_qp(struct fake_hca *hca)
{
	hca->resource_err = -ENOMEM;
}

void hca_forbid_indirect_umrs(struct fake_hca *hca)
{
	FAKE_HCA_SET_CAP(hca, umr_indirect_mkey_disabled, 1);
}

/* A device with pools that age only after the last test. */
int hca_test_init(struct kunit *test)
{
	struct fake_hca *hca;
	int ret;

	ret = fake_hca_init(test);
	if (ret)
		return ret;
	hca = test->priv;
	ret = mlx5r_frmr_pools_init(&hca->dev->ib_dev);
	return ret ?: ib_frmr_pools_set_aging_period(&hca->dev->ib_dev,
						     24 * 3600);
}
