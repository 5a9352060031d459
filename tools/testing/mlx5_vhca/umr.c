// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* User-mode memory registration: work requests that change an mkey. */

#include <linux/mlx5/cq.h>
#include "vhca.h"

#define VHCA_OCTOWORD		16
#define VHCA_UMR_STATE_MASK	(MLX5_UMR_CHECK_NOT_FREE | MLX5_UMR_CHECK_FREE)

struct vhca_umr_wqe {
	struct mlx5_wqe_ctrl_seg ctrl;
	struct mlx5_wqe_umr_ctrl_seg umr;
	u8 mkc[MLX5_ST_SZ_BYTES(mkc)];
	u8 data[];
};

/* Which bit of the mask stands for which fields of the context. */
#define VHCA_MKC_FIELDS(FIELD)						\
	FIELD(MLX5_MKEY_MASK_PAGE_SIZE, log_page_size)			\
	FIELD(MLX5_MKEY_MASK_PD, pd)					\
	FIELD(MLX5_MKEY_MASK_EN_RINVAL, en_rinval)			\
	FIELD(MLX5_MKEY_MASK_KEY, mkey_7_0)				\
	FIELD(MLX5_MKEY_MASK_QPN, qpn)					\
	FIELD(MLX5_MKEY_MASK_LR, lr)					\
	FIELD(MLX5_MKEY_MASK_LW, lw)					\
	FIELD(MLX5_MKEY_MASK_RR, rr)					\
	FIELD(MLX5_MKEY_MASK_RW, rw)					\
	FIELD(MLX5_MKEY_MASK_A, a)					\
	FIELD(MLX5_MKEY_MASK_SMALL_FENCE, small_fence_on_rdma_read_response) \
	FIELD(MLX5_MKEY_MASK_RELAXED_ORDERING_WRITE, relaxed_ordering_write) \
	FIELD(MLX5_MKEY_MASK_RELAXED_ORDERING_READ, relaxed_ordering_read) \
	FIELD(MLX5_MKEY_MASK_FREE, free)				\
	FIELD(MLX5_MKEY_MASK_LEN, length64)

#define VHCA_MASK_BIT(bit, field)	| (bit)
#define VHCA_MKC_MASK	(MLX5_MKEY_MASK_START_ADDR \
			 VHCA_MKC_FIELDS(VHCA_MASK_BIT))

static void vhca_umr_context(void *to, const void *from, u64 mask)
{
#define COPY(bit, field)						\
	if (mask & (bit))						\
		MLX5_SET(mkc, to, field, MLX5_GET(mkc, from, field));
	VHCA_MKC_FIELDS(COPY)
#undef COPY
	if (mask & MLX5_MKEY_MASK_LEN)
		MLX5_SET64(mkc, to, len, MLX5_GET64(mkc, from, len));
	if (mask & MLX5_MKEY_MASK_START_ADDR)
		MLX5_SET64(mkc, to, start_addr,
			   MLX5_GET64(mkc, from, start_addr));
}

/* The list of translations: in the WQE itself or where its data segment says. */
static u8 vhca_umr_xlt(struct vhca *vhca, struct vhca_qp *qp,
		       struct vhca_mkey *mkey, const struct vhca_umr_wqe *wqe,
		       u32 room)
{
	const struct mlx5_wqe_data_seg *seg = (void *)wqe->data;
	u64 count = be16_to_cpu(wqe->umr.xlt_octowords), offset = 0;
	u32 bytes = count * VHCA_OCTOWORD;
	void *to;

	if (wqe->umr.flags & MLX5_UMR_TRANSLATION_OFFSET_EN)
		offset = be16_to_cpu(wqe->umr.xlt_offset) |
			 (u64)be32_to_cpu(wqe->umr.xlt_offset_47_16) << 16;
	if (offset + count > mkey->octowords)
		return MLX5_CQE_SYNDROME_MW_BIND_ERR;
	to = (void *)mkey->xlt + offset * VHCA_OCTOWORD;

	if (wqe->umr.flags & MLX5_UMR_INLINE) {
		if (bytes > room)
			return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
		memcpy(to, wqe->data, bytes);
		return 0;
	}
	if (room < sizeof(*seg) || be32_to_cpu(seg->byte_count) < bytes)
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (vhca_mkey_access(vhca, be32_to_cpu(seg->lkey), vhca_qp_pd(qp),
			     be64_to_cpu(seg->addr), to, bytes,
			     VHCA_LOCAL_READ))
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	return 0;
}

/* May this queue change that mkey, in the state in which it is? */
static bool vhca_umr_allowed(struct vhca_qp *qp, const struct vhca_mkey *mkey,
			     const struct vhca_umr_wqe *wqe, u64 mask)
{
	bool free = MLX5_GET(mkc, mkey->context, free);
	u32 key = be32_to_cpu(wqe->ctrl.umr_mkey);
	u32 pd = vhca_qp_pd(qp);

	if (!MLX5_GET(mkc, mkey->context, umr_en))
		return false;
	if (pd != VHCA_ANY_PD && MLX5_GET(mkc, mkey->context, pd) != pd)
		return false;
	switch (wqe->umr.flags & VHCA_UMR_STATE_MASK) {
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
 * vhca_umr - carry out a UMR work request
 * @vhca:	the device
 * @qp:		where it was posted
 * @data:	the WQE, from its control segment on
 * @size:	of all its segments
 *
 * Nothing of the mkey changes if it fails.
 *
 * Return: 0 or the syndrome for the completion.
 */
u8 vhca_umr(struct vhca *vhca, struct vhca_qp *qp, const void *data, u32 size)
{
	const struct vhca_umr_wqe *wqe = data;
	u64 mask = be64_to_cpu(wqe->umr.mkey_mask);
	struct vhca_mkey *mkey;
	u8 syndrome = 0;

	if (size < sizeof(*wqe))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (vhca->fail_umrs) {
		vhca->fail_umrs--;
		return MLX5_CQE_SYNDROME_MW_BIND_ERR;
	}
	mkey = vhca_mkey_get(vhca, be32_to_cpu(wqe->ctrl.umr_mkey));
	if (!mkey || !vhca_umr_allowed(qp, mkey, wqe, mask))
		return MLX5_CQE_SYNDROME_MW_BIND_ERR;
	if (mask & ~VHCA_MKC_MASK) {
		pr_warn_ratelimited("mlx5_vhca: UMR with unknown mask 0x%llx\n",
				    mask & ~VHCA_MKC_MASK);
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	}
	if (wqe->umr.xlt_octowords)
		syndrome = vhca_umr_xlt(vhca, qp, mkey, wqe,
					size - sizeof(*wqe));
	if (syndrome)
		return syndrome;
	vhca_umr_context(mkey->context, wqe->mkc, mask);
	vhca->num_umrs++;
	return 0;
}
