/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the tests of mlx5's memory regions share.
 */
#ifndef _MLX5_TEST_HELPERS_H
#define _MLX5_TEST_HELPERS_H

#include <linux/mm.h>
#include <rdma/ib_umem_odp.h>

#include "fake_hca.h"

#define TEST_ALL_ACCESS (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |     \
			 IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |    \
			 IB_ACCESS_RELAXED_ORDERING)

#define MTT MLX5_MKC_ACCESS_MODE_MTT
#define KSM MLX5_MKC_ACCESS_MODE_KSM

/**
 * struct hca_mr_case - a way to an MR with a pooled mkey
 * @name: what it is
 * @setup: what is special about the device, or NULL
 * @make: makes the MR
 */
struct hca_mr_case {
	const char *name;
	void (*setup)(struct fake_hca *hca);
	struct ib_mr *(*make)(struct fake_hca *hca);
};

/* For suites: a device with pools that age only after the last test */
int hca_test_init(struct kunit *test);

/* What is special about a device */
void hca_enable_ats(struct fake_hca *hca);
void hca_fix_atomic(struct fake_hca *hca);
void hca_fix_read_of_pcie(struct fake_hca *hca);
void hca_fix_relaxed_read(struct fake_hca *hca);
void hca_fix_relaxed_write(struct fake_hca *hca);
void hca_forbid_entity_size(struct fake_hca *hca);
void hca_forbid_indirect_umrs(struct fake_hca *hca);
void hca_lose_umr_qp(struct fake_hca *hca);
void hca_fail_creates(struct fake_hca *hca, u32 good, u32 bad, int err);

/* MRs that go at the end of the test, if not before; a failure ends it */
struct ib_mr *hca_adopt(struct fake_hca *hca, struct ib_mr *mr,
			struct mlx5_ib_pd *pd, enum ib_mr_type type);
struct ib_mr *hca_alloc_mem_reg(struct fake_hca *hca);
struct ib_mr *hca_alloc_mtt(struct fake_hca *hca, int access, size_t blocks);
struct ib_mr *hca_alloc_sg_gaps(struct fake_hca *hca);
struct ib_mr *hca_alloc_ulp(struct fake_hca *hca, enum ib_mr_type type,
			    u32 max_num_sg);
struct ib_mr *hca_alloc_user(struct fake_hca *hca, int access,
			     unsigned int mode, size_t blocks, bool ats);
struct ib_mr *hca_make_16_ksms(struct fake_hca *hca);
struct ib_mr *hca_make_all_access(struct fake_hca *hca);
struct ib_mr *hca_make_ats(struct fake_hca *hca);
struct ib_mr *hca_make_implicit_mr(struct fake_hca *hca);
struct ib_mr *hca_make_odp_mr(struct fake_hca *hca);
struct ib_mr *hca_reg_page(struct fake_hca *hca);
struct ib_mr *hca_reg_user(struct fake_hca *hca, u32 npages, int access);
void hca_release(struct fake_hca *hca, struct ib_mr *mr);
int hca_try_release(struct fake_hca *hca, struct ib_mr *mr);

/* What the driver answers, which may be an error */
struct ib_mr *hca_try_dm_mr(struct fake_hca *hca, u32 type);
struct ib_mr *hca_try_dma_mr(struct fake_hca *hca);
struct ib_mr *hca_try_implicit_mr(struct fake_hca *hca);
struct ib_mr *hca_try_integrity_mr(struct fake_hca *hca);
struct ib_mr *hca_try_mem_reg_mr(struct fake_hca *hca);
struct ib_mr *hca_try_memic_mr(struct fake_hca *hca);
struct ib_mr *hca_try_sg_gaps_mr(struct fake_hca *hca);
struct ib_mr *hca_try_user_mr(struct fake_hca *hca);

struct mlx5_ib_mw *hca_make_mw(struct fake_hca *hca, enum ib_mw_type type);
int hca_try_alloc_mw(struct mlx5_ib_mw *mw);

unsigned long hca_map_pages(struct fake_hca *hca, u32 npages);
u64 hca_iova_of_small_pages(struct fake_hca *hca, unsigned long addr);
u32 *hca_context_of(struct fake_hca *hca, const struct ib_mr *mr);

/* The pools */
struct ib_frmr_pool_info hca_only_pool(struct fake_hca *hca);
int hca_pin(struct fake_hca *hca, const struct ib_frmr_key *key, u32 count);
u32 hca_pool_count(struct fake_hca *hca);
u64 hca_reclaimed(struct fake_hca *hca);
void hca_stock_idle(struct fake_hca *hca, u32 count);

#endif /* _MLX5_TEST_HELPERS_H */
