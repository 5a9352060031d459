// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * mlx5: mkeys from FRMR pools.
 *
 * A pooled mkey is free and in the PD of the UMR QP while it is idle. A UMR
 * gives it to its next owner, with everything that UMRs can change; what they
 * can't is in the pool's key.
 *
 * The handle is the mkey itself: its low byte is the variant under which it was
 * known last.
 */
#include <kunit/visibility.h>
#include <linux/pci.h>
#include <rdma/frmr_pools.h>

#include "mlx5_ib.h"
#include "umr.h"

/* vendor_key, which users may name: 0 for MTTs */
#define MLX5_FRMR_KSM BIT_ULL(0)

/*
 * kernel_vendor_key: mkeys of ib_alloc_mr(). They keep to themselves, as their
 * owners' work requests change other properties than the driver's UMRs do. The
 * lower half is for properties that a device may have one day, such as the
 * steering tag of a user's MR.
 */
#define MLX5_FRMR_MEM_REG BIT_ULL(32)
#define MLX5_FRMR_SG_GAPS BIT_ULL(33)

#define MLX5_FRMR_MIN_BLOCKS 4

/* Up to here sizes are powers of two: 8 MB of MTTs, 4 GB of pages */
#define MLX5_FRMR_MAX_POWER_OF_TWO BIT(20)

/* Above it, so many sizes from one power of two to the next */
#define MLX5_FRMR_SIZES_PER_DOUBLING 8

/* The mkey context counts translations in 32 bits; so may size_t. */
#define MLX5_FRMR_MAX_BLOCKS BIT(31)

/*
 * Commands of a batch that are under way at once: what the firmware can do at
 * the same time, and some in the queue behind. Half of the slots for commands
 * stay free for others.
 */
#define MLX5_FRMR_IN_FLIGHT 16U

/* A command that creates or destroys an mkey */
struct mlx5_frmr_cmd {
	struct mlx5_async_work work;
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)];
	int status;	/* as of mlx5_cmd_do() */
};

static_assert(MLX5_ST_SZ_DW(destroy_mkey_out) ==
	      MLX5_ST_SZ_DW(create_mkey_out));

static unsigned int mlx5_frmr_access_mode(const struct ib_frmr_key *key)
{
	if (key->kernel_vendor_key == MLX5_FRMR_SG_GAPS)
		return MLX5_MKC_ACCESS_MODE_KLMS;
	return key->vendor_key & MLX5_FRMR_KSM ? MLX5_MKC_ACCESS_MODE_KSM :
						 MLX5_MKC_ACCESS_MODE_MTT;
}

/* The flags that an mkey keeps for life on this device. */
static int mlx5_frmr_fixed_access(struct mlx5_ib_dev *dev, int access_flags)
{
	int fixed = 0;

	if (!mlx5r_umr_can_reconfig(dev, 0, IB_ACCESS_REMOTE_ATOMIC))
		fixed |= IB_ACCESS_REMOTE_ATOMIC;
	if (!mlx5r_umr_can_reconfig(dev, 0, IB_ACCESS_RELAXED_ORDERING))
		fixed |= IB_ACCESS_RELAXED_ORDERING;
	return access_flags & fixed;
}

static size_t mlx5_frmr_max_blocks(struct mlx5_ib_dev *dev,
				   unsigned int access_mode)
{
	if (access_mode == MLX5_MKC_ACCESS_MODE_KLMS)
		return BIT(MLX5_CAP_GEN(dev->mdev, log_max_klm_list_size));
	if (!MLX5_CAP_GEN(dev->mdev, umr_extended_translation_offset))
		return MLX5_MAX_UMR_PAGES;
	return MLX5_FRMR_MAX_BLOCKS;
}

/*
 * Whatever users ask for, there are 19 sizes up to 2^20 blocks and 88 above.
 *
 * MRs of up to 2^20 blocks are many and of many sizes. Finer sizes would have
 * a registration miss while the mkeys of the last one idle in the next smaller
 * pool. The price is a quarter of each table on average, and most tables are
 * small. Above, MRs are few and that quarter would be megabytes, so there no
 * more than an eighth is left unused.
 */
VISIBLE_IF_KUNIT size_t mlx5_frmr_round(size_t num_blocks)
{
	size_t doubled;

	if (num_blocks <= MLX5_FRMR_MIN_BLOCKS)
		return MLX5_FRMR_MIN_BLOCKS;
	doubled = roundup_pow_of_two(num_blocks);
	if (num_blocks <= MLX5_FRMR_MAX_POWER_OF_TWO)
		return doubled;
	return ALIGN(num_blocks, doubled / 2 / MLX5_FRMR_SIZES_PER_DOUBLING);
}

/* Sets the size; everything else of @key is there. */
static int mlx5_frmr_set_blocks(struct mlx5_ib_dev *dev,
				struct ib_frmr_key *key, size_t num_blocks)
{
	if (!num_blocks ||
	    num_blocks > mlx5_frmr_max_blocks(dev, mlx5_frmr_access_mode(key)))
		return -EINVAL;
	key->num_dma_blocks = mlx5_frmr_round(num_blocks);
	return 0;
}

static int mlx5_frmr_user_key(struct mlx5_ib_dev *dev, struct ib_frmr_key *key,
			      int access_flags, unsigned int access_mode,
			      size_t num_blocks, bool ats)
{
	*key = (struct ib_frmr_key) {
		.vendor_key = access_mode == MLX5_MKC_ACCESS_MODE_KSM ?
			      MLX5_FRMR_KSM : 0,
		.access_flags = mlx5_frmr_fixed_access(dev, access_flags),
		.ats = ats,
	};
	return mlx5_frmr_set_blocks(dev, key, num_blocks);
}

static int mlx5_frmr_ulp_key(struct mlx5_ib_dev *dev, struct ib_frmr_key *key,
			     unsigned int access_mode, size_t num_blocks)
{
	bool gaps = access_mode == MLX5_MKC_ACCESS_MODE_KLMS;

	/* The driver's UMRs could not give the mkey to a PD. */
	if (gaps && MLX5_CAP_GEN(dev->mdev, umr_indirect_mkey_disabled))
		return -EOPNOTSUPP;

	*key = (struct ib_frmr_key) {
		.kernel_vendor_key = gaps ? MLX5_FRMR_SG_GAPS :
					    MLX5_FRMR_MEM_REG,
		/* A work request that registers memory can't turn it on. */
		.access_flags = IB_ACCESS_RELAXED_ORDERING,
		.ats = !gaps && MLX5_CAP_GEN(dev->mdev, ats),
	};
	return mlx5_frmr_set_blocks(dev, key, num_blocks);
}

/* Translations in octwords, in the steps in which UMRs write them. */
static u32 mlx5_frmr_octwords(const struct ib_frmr_key *key)
{
	size_t entry = mlx5_frmr_access_mode(key) == MLX5_MKC_ACCESS_MODE_MTT ?
		       sizeof(struct mlx5_mtt) : sizeof(struct mlx5_klm);

	return mlx5r_umr_get_xlt_octo((u64)key->num_dma_blocks * entry);
}

static void mlx5_frmr_fill_mkc(struct mlx5_ib_dev *dev, void *mkc,
			       const struct ib_frmr_key *key)
{
	unsigned int mode = mlx5_frmr_access_mode(key);

	mlx5_ib_set_mkc_access(mkc, key->access_flags, 0, dev->umrc.pd);
	MLX5_SET(mkc, mkc, free, 1);
	MLX5_SET(mkc, mkc, umr_en, 1);
	MLX5_SET(mkc, mkc, access_mode_1_0, mode & 0x3);
	MLX5_SET(mkc, mkc, access_mode_4_2, (mode >> 2) & 0x7);
	MLX5_SET(mkc, mkc, ma_translation_mode, key->ats);
	MLX5_SET(mkc, mkc, translations_octword_size, mlx5_frmr_octwords(key));
	if (mode != MLX5_MKC_ACCESS_MODE_KLMS)
		MLX5_SET(mkc, mkc, log_page_size, PAGE_SHIFT);
}

static void mlx5_frmr_done(int status, struct mlx5_async_work *work)
{
	container_of(work, struct mlx5_frmr_cmd, work)->status = status;
}

/*
 * Sends a command. If there is no memory but by waiting, it has ended when this
 * returns.
 */
static void mlx5_frmr_send(struct mlx5_async_ctx *ctx,
			   struct mlx5_frmr_cmd *cmd, void *in, int in_size)
{
	void *out = cmd->out;
	int size = sizeof(cmd->out);

	memset(out, 0, size);
	if (mlx5_cmd_exec_cb(ctx, in, in_size, out, size, mlx5_frmr_done,
			     &cmd->work))
		cmd->status = mlx5_cmd_do(ctx->dev, in, in_size, out, size);
}

static void mlx5_frmr_destroy_some(struct mlx5_ib_dev *dev, u32 *handles,
				   u32 count)
{
	u32 in[MLX5_ST_SZ_DW(destroy_mkey_in)] = {};
	struct mlx5_frmr_cmd cmds[MLX5_FRMR_IN_FLIGHT];
	struct mlx5_async_ctx ctx;
	u32 i;
	int err;

	MLX5_SET(destroy_mkey_in, in, opcode, MLX5_CMD_OP_DESTROY_MKEY);
	mlx5_cmd_init_async_ctx(dev->mdev, &ctx);
	for (i = 0; i < count; i++) {
		MLX5_SET(destroy_mkey_in, in, mkey_index,
			 mlx5_mkey_to_idx(handles[i]));
		mlx5_frmr_send(&ctx, &cmds[i], in, sizeof(in));
	}
	mlx5_cmd_cleanup_async_ctx(&ctx);

	for (i = 0; i < count; i++) {
		err = mlx5_cmd_check(dev->mdev, cmds[i].status, in,
				     cmds[i].out);
		if (err)
			mlx5_ib_warn_rl(dev, "mkey 0x%x is lost, err %d\n",
					handles[i], err);
	}
}

static void mlx5_frmr_destroy(struct ib_device *device, u32 *handles, u32 count)
{
	u32 n;

	for (; count; count -= n, handles += n) {
		n = min(count, MLX5_FRMR_IN_FLIGHT);
		mlx5_frmr_destroy_some(to_mdev(device), handles, n);
	}
}

/* Writes the handles of those that it could create, and how many these are. */
static int mlx5_frmr_create_some(struct mlx5_ib_dev *dev, u32 *in, int in_size,
				 u32 *handles, u32 count, u32 *created)
{
	struct mlx5_frmr_cmd cmds[MLX5_FRMR_IN_FLIGHT];
	struct mlx5_async_ctx ctx;
	int err, ret = 0;
	u32 i, index;

	mlx5_cmd_init_async_ctx(dev->mdev, &ctx);
	for (i = 0; i < count; i++) {
		mlx5_ib_assign_mkey_variant(dev, in);
		handles[i] = MLX5_GET(create_mkey_in, in,
				      memory_key_mkey_entry.mkey_7_0);
		mlx5_frmr_send(&ctx, &cmds[i], in, in_size);
	}
	mlx5_cmd_cleanup_async_ctx(&ctx);

	*created = 0;
	for (i = 0; i < count; i++) {
		err = mlx5_cmd_check(dev->mdev, cmds[i].status, in,
				     cmds[i].out);
		ret = ret ?: err;
		index = MLX5_GET(create_mkey_out, cmds[i].out, mkey_index);
		if (!err)
			handles[(*created)++] = handles[i] |
						mlx5_idx_to_mkey(index);
	}
	return ret;
}

static int mlx5_frmr_create(struct ib_device *device, struct ib_frmr_key *key,
			    u32 *handles, u32 count)
{
	u32 in[MLX5_ST_SZ_DW(create_mkey_in)] = {};
	struct mlx5_ib_dev *dev = to_mdev(device);
	u32 done = 0, n;
	int err = 0;

	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	mlx5_frmr_fill_mkc(dev, MLX5_ADDR_OF(create_mkey_in, in,
					     memory_key_mkey_entry), key);
	while (done < count && !err) {
		n = min(count - done, MLX5_FRMR_IN_FLIGHT);
		err = mlx5_frmr_create_some(dev, in, sizeof(in), handles + done,
					    n, &n);
		done += n;
	}
	if (err)
		mlx5_frmr_destroy(device, handles, done);
	return err;
}

/* Whether any registration of this device uses KSMs. */
static bool mlx5_frmr_has_ksm(struct mlx5_ib_dev *dev, bool ats)
{
	/* Only DMA-bufs use ATS, and an implicit MR has none. */
	return MLX5_CAP_GEN(dev->mdev, data_direct) ||
	       (!ats && dev->odp_caps.general_caps & IB_ODP_SUPPORT_IMPLICIT);
}

static int mlx5_frmr_build_key(struct ib_device *device,
			       const struct ib_frmr_key *in,
			       struct ib_frmr_key *out)
{
	struct mlx5_ib_dev *dev = to_mdev(device);
	bool ksm = in->vendor_key & MLX5_FRMR_KSM;

	if (in->vendor_key & ~MLX5_FRMR_KSM)
		return -EOPNOTSUPP;
	if (ksm && !mlx5_frmr_has_ksm(dev, in->ats))
		return -EOPNOTSUPP;
	if (in->ats && !MLX5_CAP_GEN(dev->mdev, ats))
		return -EOPNOTSUPP;
	/* Only with relaxed ordering is ATS used. */
	if (in->ats && mlx5_frmr_fixed_access(dev, IB_ACCESS_RELAXED_ORDERING &
					      ~in->access_flags))
		return -EINVAL;
	return mlx5_frmr_user_key(dev, out, in->access_flags,
				  ksm ? MLX5_MKC_ACCESS_MODE_KSM :
					MLX5_MKC_ACCESS_MODE_MTT,
				  in->num_dma_blocks, in->ats);
}

static const struct ib_frmr_pool_ops mlx5_frmr_ops = {
	.create_frmrs = mlx5_frmr_create,
	.destroy_frmrs = mlx5_frmr_destroy,
	.build_key = mlx5_frmr_build_key,
};

/**
 * mlx5r_frmr_pools_init - give a device pools, if it can reuse mkeys
 * @device: the device; its UMR PD exists
 *
 * Return: 0, also for a device that can't; or -ENOMEM.
 */
int mlx5r_frmr_pools_init(struct ib_device *device)
{
	if (!mlx5r_umr_can_load_pas(to_mdev(device), 0))
		return 0;
	return ib_frmr_pools_init(device, &mlx5_frmr_ops);
}

/**
 * mlx5r_frmr_pools_cleanup - take the pools away
 * @device: the device; no MR is left; nothing happens if it has no pools
 */
void mlx5r_frmr_pools_cleanup(struct ib_device *device)
{
	ib_frmr_pools_cleanup(device);
}

/* They come after the UMR QP's PD, and ULPs may come before both. */
static bool mlx5_frmr_has_pools(struct mlx5_ib_dev *dev)
{
	/* Pairs with the cmpxchg() that publishes them after the PD. */
	return smp_load_acquire(&dev->ib_dev.frmr_pools);
}

/**
 * mlx5_frmr_is_final - whether an error of a pool ends the registration
 * @err: a negative errno
 *
 * A process that is killed has no use for an mkey of its own, and firmware that
 * does not answer would let it wait a second time.
 *
 * Return: true if no mkey is to be created for that MR alone.
 */
bool mlx5_frmr_is_final(int err)
{
	return err == -EINTR || err == -ETIMEDOUT;
}

/*
 * Gets an mkey for the key that is in @mr. It comes under its next variant, so
 * that a stale key of its last owner fails.
 */
static int mlx5_frmr_pop(struct mlx5_ib_dev *dev, struct mlx5_ib_mr *mr)
{
	u32 handle;
	int err;

	err = ib_frmr_pool_pop(&dev->ib_dev, &mr->ibmr);
	if (err)
		return err;

	handle = mr->ibmr.frmr.handle;
	mr->mmkey.key = mlx5_base_mkey(handle) |
			(u8)(mlx5_mkey_variant(handle) + 1);
	mr->mmkey.type = MLX5_MKEY_MR;
	init_waitqueue_head(&mr->mmkey.wait);
	mr->ibmr.device = &dev->ib_dev;
	mr->ibmr.lkey = mr->mmkey.key;
	mr->ibmr.rkey = mr->mmkey.key;
	return 0;
}

/**
 * mlx5_frmr_alloc - make an MR of a user, with a pooled mkey
 * @dev: the device
 * @access_flags: IB_ACCESS_* flags that the MR is going to have
 * @access_mode: MLX5_MKC_ACCESS_MODE_MTT or MLX5_MKC_ACCESS_MODE_KSM
 * @num_blocks: entries of the translation table
 * @ats: use address translation services
 *
 * The mkey is free: a UMR has to set everything and to enable it.
 *
 * Return: the MR; ERR_PTR() of -EOPNOTSUPP if the device has no pools, -EINVAL
 * if it has none for that size, -ENOMEM, or what creating the mkey returned.
 */
struct mlx5_ib_mr *mlx5_frmr_alloc(struct mlx5_ib_dev *dev, int access_flags,
				   unsigned int access_mode, size_t num_blocks,
				   bool ats)
{
	struct mlx5_ib_mr *mr;
	int err;

	if (!mlx5_frmr_has_pools(dev))
		return ERR_PTR(-EOPNOTSUPP);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	err = mlx5_frmr_user_key(dev, &mr->ibmr.frmr.key, access_flags,
				 access_mode, num_blocks, ats);
	if (!err)
		err = mlx5_frmr_pop(dev, mr);
	if (err) {
		kfree(mr);
		return ERR_PTR(err);
	}
	return mr;
}

/* Returns an mkey of which nobody knows what state it is in. */
static void mlx5_frmr_discard(struct mlx5_ib_mr *mr)
{
	u32 handle = mr->ibmr.frmr.handle;

	ib_frmr_pool_drop(&mr->ibmr);
	mr->ibmr.frmr.pool = NULL; /* the MR gets an mkey of its own */
	mlx5_frmr_destroy(mr->ibmr.device, &handle, 1);
}

/**
 * mlx5_frmr_attach_ulp - get a pooled mkey for an ib_alloc_mr() MR
 * @mr: the MR; access_mode and max_descs are set
 * @pd: its PD
 *
 * The mkey is free, as the owner's work requests expect it to be.
 *
 * Return: 0, or a negative errno if it has to be created for this MR alone.
 */
int mlx5_frmr_attach_ulp(struct mlx5_ib_mr *mr, struct ib_pd *pd)
{
	struct mlx5_ib_dev *dev = to_mdev(pd->device);
	int err;

	/* The UMR QP can't be made without its PD. */
	if (!mlx5_frmr_has_pools(dev))
		return -EOPNOTSUPP;
	err = mlx5_frmr_ulp_key(dev, &mr->ibmr.frmr.key, mr->access_mode,
				mr->max_descs);
	if (err)
		return err;
	err = mlx5r_umr_resource_init(dev);
	if (err)
		return err;
	err = mlx5_frmr_pop(dev, mr);
	if (err)
		return err;
	err = mlx5r_umr_assign_pd(mr, pd);
	if (err)
		mlx5_frmr_discard(mr);
	return err;
}

/**
 * mlx5_frmr_revoke - make the mkey of an MR translate nothing, for reuse
 * @mr: the MR, in use or already revoked
 *
 * Return: 0 if mlx5_frmr_push() may follow; -EOPNOTSUPP if the mkey is not from
 * a pool; -EIO if the device is gone; or what the UMR returned.
 */
int mlx5_frmr_revoke(struct mlx5_ib_mr *mr)
{
	struct mlx5_core_dev *mdev = mr_to_mdev(mr)->mdev;
	int err;

	if (!mr->ibmr.frmr.pool)
		return -EOPNOTSUPP;
	if (pci_channel_offline(mdev->pdev))
		return -EIO;
	err = mlx5r_umr_revoke_mr(mr);
	if (err)
		return err;
	/* A dead device accesses nothing, but has not changed the mkey. */
	if (mdev->state == MLX5_DEVICE_STATE_INTERNAL_ERROR)
		return -EIO;
	return 0;
}

/**
 * mlx5_frmr_push - return the mkey of an MR
 * @mr: the MR; mlx5_frmr_revoke() succeeded
 */
void mlx5_frmr_push(struct mlx5_ib_mr *mr)
{
	/* The owner of an ib_alloc_mr() MR may have chosen another variant. */
	mr->ibmr.frmr.handle = mlx5_base_mkey(mr->mmkey.key) |
			       mlx5_mkey_variant(mr->ibmr.rkey);
	ib_frmr_pool_push(mr->ibmr.device, &mr->ibmr);
}
