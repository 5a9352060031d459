// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* User-mode memory registration: work requests that change an mkey. */

#include "sim.h"

#define SIM_OCTOWORD		16
/* In octowords: lists come in units of 64 bytes. */
#define SIM_UMR_UNIT		(MLX5_UMR_FLEX_ALIGNMENT / SIM_OCTOWORD)
#define SIM_UMR_STATE_MASK	(MLX5_UMR_CHECK_NOT_FREE | MLX5_UMR_CHECK_FREE)

struct sim_umr_wqe {
	struct mlx5_wqe_ctrl_seg ctrl;
	struct mlx5_wqe_umr_ctrl_seg umr;
	u8 mkc[MLX5_ST_SZ_BYTES(mkc)];
	u8 data[];
};

/* Which bit of the mask stands for which field of the context. */
static const struct {
	u64 bit;
	u32 dword;
	u32 field;
} sim_umr_fields[] = {
	{ MLX5_MKEY_MASK_PAGE_SIZE,
	  __mlx5_dw_off(mkc, log_page_size), __mlx5_dw_mask(mkc, log_page_size) },
	{ MLX5_MKEY_MASK_PD,
	  __mlx5_dw_off(mkc, pd), __mlx5_dw_mask(mkc, pd) },
	{ MLX5_MKEY_MASK_EN_RINVAL,
	  __mlx5_dw_off(mkc, en_rinval), __mlx5_dw_mask(mkc, en_rinval) },
	{ MLX5_MKEY_MASK_KEY,
	  __mlx5_dw_off(mkc, mkey_7_0), __mlx5_dw_mask(mkc, mkey_7_0) },
	{ MLX5_MKEY_MASK_QPN,
	  __mlx5_dw_off(mkc, qpn), __mlx5_dw_mask(mkc, qpn) },
	{ MLX5_MKEY_MASK_LR,
	  __mlx5_dw_off(mkc, lr), __mlx5_dw_mask(mkc, lr) },
	{ MLX5_MKEY_MASK_LW,
	  __mlx5_dw_off(mkc, lw), __mlx5_dw_mask(mkc, lw) },
	{ MLX5_MKEY_MASK_RR,
	  __mlx5_dw_off(mkc, rr), __mlx5_dw_mask(mkc, rr) },
	{ MLX5_MKEY_MASK_RW,
	  __mlx5_dw_off(mkc, rw), __mlx5_dw_mask(mkc, rw) },
	{ MLX5_MKEY_MASK_A,
	  __mlx5_dw_off(mkc, a), __mlx5_dw_mask(mkc, a) },
	{ MLX5_MKEY_MASK_SMALL_FENCE,
	  __mlx5_dw_off(mkc, small_fence_on_rdma_read_response),
	  __mlx5_dw_mask(mkc, small_fence_on_rdma_read_response) },
	{ MLX5_MKEY_MASK_RELAXED_ORDERING_WRITE,
	  __mlx5_dw_off(mkc, relaxed_ordering_write),
	  __mlx5_dw_mask(mkc, relaxed_ordering_write) },
	{ MLX5_MKEY_MASK_RELAXED_ORDERING_READ,
	  __mlx5_dw_off(mkc, relaxed_ordering_read),
	  __mlx5_dw_mask(mkc, relaxed_ordering_read) },
	{ MLX5_MKEY_MASK_FREE,
	  __mlx5_dw_off(mkc, free), __mlx5_dw_mask(mkc, free) },
	{ MLX5_MKEY_MASK_LEN,
	  __mlx5_dw_off(mkc, length64), __mlx5_dw_mask(mkc, length64) },
};

/* The fields that have 64 bits. */
#define SIM_UMR_WIDE	(MLX5_MKEY_MASK_LEN | MLX5_MKEY_MASK_START_ADDR)

/* Copies what the mask says; returns the bits that it does not know. */
static u64 sim_umr_context(void *to, const void *from, u64 mask)
{
	u64 unknown = mask & ~SIM_UMR_WIDE;
	const __be32 *src = from;
	__be32 *dst = to;
	int i;

	for (i = 0; i < ARRAY_SIZE(sim_umr_fields); i++) {
		__be32 field = cpu_to_be32(sim_umr_fields[i].field);
		u32 dword = sim_umr_fields[i].dword;

		unknown &= ~sim_umr_fields[i].bit;
		if (mask & sim_umr_fields[i].bit)
			dst[dword] = (dst[dword] & ~field) |
				     (src[dword] & field);
	}
	if (mask & MLX5_MKEY_MASK_LEN)
		MLX5_SET64(mkc, to, len, MLX5_GET64(mkc, from, len));
	if (mask & MLX5_MKEY_MASK_START_ADDR)
		MLX5_SET64(mkc, to, start_addr,
			   MLX5_GET64(mkc, from, start_addr));
	return unknown;
}

/* The list of translations: in the WQE, or where its data segment says. */
static u8 sim_umr_xlt(struct sim *sim, struct sim_qp *qp,
		      struct sim_mkey *mkey, const struct sim_umr_wqe *wqe,
		      u32 room)
{
	const struct mlx5_wqe_data_seg *seg = (void *)wqe->data;
	u64 count = be16_to_cpu(wqe->umr.xlt_octowords), offset = 0;
	u32 bytes = count * SIM_OCTOWORD;
	void *to;

	if (wqe->umr.flags & MLX5_UMR_TRANSLATION_OFFSET_EN)
		offset = be16_to_cpu(wqe->umr.xlt_offset) |
			 (u64)be32_to_cpu(wqe->umr.xlt_offset_47_16) << 16;
	if (offset + count > mkey->octowords ||
	    !IS_ALIGNED(offset | count, SIM_UMR_UNIT))
		return MLX5_CQE_SYNDROME_MW_BIND_ERR;
	to = (void *)mkey->xlt + offset * SIM_OCTOWORD;

	if (wqe->umr.flags & MLX5_UMR_INLINE) {
		if (bytes > room)
			return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
		memcpy(to, wqe->data, bytes);
		return 0;
	}
	if (room < sizeof(*seg) || be32_to_cpu(seg->byte_count) < bytes)
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (sim_mkey_access(sim, be32_to_cpu(seg->lkey), sim_qp_pd(qp),
			    be64_to_cpu(seg->addr), to, bytes,
			    SIM_LOCAL_READ))
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	return 0;
}

/* May this queue change that mkey, in the state in which it is? */
static bool sim_umr_allowed(struct sim_qp *qp, const struct sim_mkey *mkey,
			    const struct sim_umr_wqe *wqe, u64 mask)
{
	bool free = MLX5_GET(mkc, mkey->context, free);
	u32 key = be32_to_cpu(wqe->ctrl.umr_mkey);
	u32 pd = sim_qp_pd(qp);

	if (!MLX5_GET(mkc, mkey->context, umr_en))
		return false;
	if (pd != SIM_ANY_PD && MLX5_GET(mkc, mkey->context, pd) != pd)
		return false;
	switch (wqe->umr.flags & SIM_UMR_STATE_MASK) {
	case MLX5_UMR_CHECK_NOT_FREE:
		if (!free)
			return false;
		break;
	case MLX5_UMR_CHECK_FREE:
		if (free)
			return false;
		break;
	}
	/* A mkey in use is known by its full key, unless it gets a new one. */
	return free || mask & MLX5_MKEY_MASK_KEY ||
	       MLX5_GET(mkc, mkey->context, mkey_7_0) == (key & 0xff);
}

/**
 * sim_umr - carry out a UMR work request
 * @sim:	the device
 * @qp:		where it was posted
 * @data:	the WQE, from its control segment on
 * @size:	of all its segments
 *
 * If it fails, nothing of the mkey changes but translations that were fetched
 * before one that can't be.
 *
 * Return: 0, the syndrome for the completion, or SIM_LATER if it does not end.
 */
u8 sim_umr(struct sim *sim, struct sim_qp *qp, const void *data, u32 size)
{
	const struct sim_umr_wqe *wqe = data;
	u64 mask = be64_to_cpu(wqe->umr.mkey_mask), unknown;
	u8 context[sizeof(wqe->mkc)];
	struct sim_mkey *mkey;
	u8 syndrome = 0;

	if (size < sizeof(*wqe))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (sim->umrs.fail) {
		sim->umrs.fail--;
		return MLX5_CQE_SYNDROME_MW_BIND_ERR;
	}
	if (sim->umrs.lose) {
		sim->umrs.lose--;
		qp->stuck = true;
		return SIM_LATER;
	}
	mkey = sim_mkey_get(sim, be32_to_cpu(wqe->ctrl.umr_mkey));
	if (!mkey || !sim_umr_allowed(qp, mkey, wqe, mask))
		return MLX5_CQE_SYNDROME_MW_BIND_ERR;
	if (mask & MLX5_MKEY_MASK_PD &&
	    !sim_object_get(sim, SIM_PD, MLX5_GET(mkc, wqe->mkc, pd)))
		return MLX5_CQE_SYNDROME_MW_BIND_ERR;
	memcpy(context, mkey->context, sizeof(context));
	unknown = sim_umr_context(context, wqe->mkc, mask);
	if (unknown) {
		pr_warn_ratelimited("mlx5_sim: UMR with unknown mask 0x%llx\n",
				    unknown);
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	}
	if (wqe->umr.xlt_octowords)
		syndrome = sim_umr_xlt(sim, qp, mkey, wqe,
				       size - sizeof(*wqe));
	if (syndrome)
		return syndrome;
	memcpy(mkey->context, context, sizeof(context));
	sim->umrs.done++;
	return 0;
}
