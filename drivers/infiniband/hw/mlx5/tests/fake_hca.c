// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An adapter that is made up, for the tests of mlx5's memory regions. It keeps
 * a table of mkeys, carries out what commands and UMRs ask for, and tells the
 * test when a real one would refuse.
 */
#include <kunit/static_stub.h>
#include <kunit/test-bug.h>
#include <linux/slab.h>

#include "fake_hca.h"

static struct fake_hca *current_hca(void)
{
	return kunit_get_current_test()->priv;
}

/* One of the next failures that the test has ordered? */
static bool fails_now(u32 *good, u32 *bad)
{
	if (*good) {
		(*good)--;
		return false;
	}
	if (!*bad)
		return false;
	(*bad)--;
	return true;
}

/*
 * Commands
 */

static int fake_create_mkey(struct mlx5_core_dev *mdev, u32 *key, u32 *in,
			    int inlen)
{
	struct fake_hca *hca = current_hca();
	struct fake_mkey *mkey;
	void *mkc;

	hca->creates++;
	if (fails_now(&hca->good_creates, &hca->bad_creates))
		return hca->create_err;
	if (hca->live >= hca->limit)
		return hca->full_err;
	if (mdev->state == MLX5_DEVICE_STATE_INTERNAL_ERROR)
		return -EIO;

	mkey = kzalloc(sizeof(*mkey), GFP_KERNEL);
	if (!mkey)
		return -ENOMEM;
	memcpy(mkey->in, in, sizeof(mkey->in));
	if (inlen > sizeof(mkey->in))
		mkey->translation = be64_to_cpup(MLX5_ADDR_OF(create_mkey_in, in,
							      klm_pas_mtt));
	mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	memcpy(mkey->mkc, mkc, sizeof(mkey->mkc));
	mkey->octwords = MLX5_GET(mkc, mkc, translations_octword_size);
	if (xa_err(xa_store(&hca->mkeys, hca->next_index, mkey, GFP_KERNEL))) {
		kfree(mkey);
		return -ENOMEM;
	}
	hca->live++;
	*key = mlx5_idx_to_mkey(hca->next_index++) |
	       MLX5_GET(mkc, mkc, mkey_7_0);
	hca->last_key = *key;
	return 0;
}

/* What the firmware says where mlx5_core says @err; or 0 if it can't say so. */
static u8 status_of(int err)
{
	switch (err) {
	case -ENOMEM:
		return MLX5_CMD_STAT_LIM_ERR;
	case -EAGAIN:
		return MLX5_CMD_STAT_NO_RES_ERR;
	case -EBUSY:
		return MLX5_CMD_STAT_RES_BUSY;
	case -EINVAL:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	case -EIO:
		return MLX5_CMD_STAT_INT_ERR;
	default:
		return 0;
	}
}

static int fake_destroy_mkey(struct mlx5_core_dev *mdev, u32 key)
{
	struct fake_hca *hca = current_hca();
	struct fake_mkey *mkey;

	hca->destroys++;
	if (hca->bad_destroys) {
		hca->bad_destroys--;
		return -EIO;
	}
	mkey = xa_erase(&hca->mkeys, mlx5_mkey_to_idx(key));
	if (!mkey) {
		KUNIT_FAIL(hca->test, "mkey 0x%x does not exist", key);
		return -EINVAL;
	}
	kfree(mkey);
	hca->live--;
	return 0;
}

static int fake_cmd_do(struct mlx5_core_dev *mdev, void *in, int in_size,
		       void *out, int out_size)
{
	struct fake_hca *hca = current_hca();
	u32 key = 0;
	int err;

	switch (MLX5_GET(create_mkey_in, in, opcode)) {
	case MLX5_CMD_OP_CREATE_MKEY:
		err = fake_create_mkey(mdev, &key, in, in_size);
		break;
	case MLX5_CMD_OP_DESTROY_MKEY:
		key = mlx5_idx_to_mkey(MLX5_GET(destroy_mkey_in, in,
						mkey_index));
		err = fake_destroy_mkey(mdev, key);
		break;
	default:
		KUNIT_FAIL(hca->test, "a command that is none for mkeys");
		return -EINVAL;
	}
	memset(out, 0, out_size);
	if (!status_of(err)) {
		MLX5_SET(create_mkey_out, out, mkey_index,
			 mlx5_mkey_to_idx(key));
		return err;
	}
	MLX5_SET(create_mkey_out, out, status, status_of(err));
	MLX5_SET(create_mkey_out, out, syndrome,
		 FAKE_HCA_SYNDROME + hca->creates);
	return -EREMOTEIO;
}

/* Commands that nobody waits for one by one */
static int fake_cmd_exec_cb(struct mlx5_async_ctx *ctx, void *in, int in_size,
			    void *out, int out_size,
			    mlx5_async_cbk_t callback,
			    struct mlx5_async_work *work)
{
	struct fake_hca *hca = current_hca();

	if (fails_now(&hca->good_sends, &hca->bad_sends))
		return -ENOMEM;
	hca->sends++;
	callback(fake_cmd_do(ctx->dev, in, in_size, out, out_size), work);
	return 0;
}

static int fake_create_psv(struct mlx5_core_dev *mdev, u32 pdn, int npsvs,
			   u32 *sig_index)
{
	struct fake_hca *hca = current_hca();
	int i;

	for (i = 0; i < npsvs; i++)
		sig_index[i] = FAKE_HCA_PSV + i;
	hca->psvs += npsvs;
	return 0;
}

static int fake_destroy_psv(struct mlx5_core_dev *mdev, int psv_num)
{
	struct fake_hca *hca = current_hca();

	KUNIT_EXPECT_GE(hca->test, psv_num, FAKE_HCA_PSV);
	hca->psvs--;
	return 0;
}

/*
 * UMRs
 */

static int fake_umr_resource_init(struct mlx5_ib_dev *dev)
{
	struct fake_hca *hca = current_hca();

	hca->resource_inits++;
	/* What the driver would do next needs it. */
	if (!dev->umrc.pd)
		KUNIT_FAIL(hca->test, "no PD for a UMR QP yet");
	return hca->resource_err;
}

static bool umr_may_change(struct fake_hca *hca, u64 mask)
{
	struct mlx5_core_dev *mdev = hca->mdev;

	return !((mask & MLX5_MKEY_MASK_PAGE_SIZE &&
		  MLX5_CAP_GEN(mdev, umr_modify_entity_size_disabled)) ||
		 (mask & MLX5_MKEY_MASK_A &&
		  MLX5_CAP_GEN(mdev, umr_modify_atomic_disabled)) ||
		 (mask & MLX5_MKEY_MASK_RELAXED_ORDERING_WRITE &&
		  !MLX5_CAP_GEN(mdev, relaxed_ordering_write_umr)) ||
		 (mask & MLX5_MKEY_MASK_RELAXED_ORDERING_READ &&
		  !MLX5_CAP_GEN(mdev, relaxed_ordering_read_umr)));
}

static u64 umr_first_octword(const struct mlx5_wqe_umr_ctrl_seg *ctrl)
{
	if (!(ctrl->flags & MLX5_UMR_TRANSLATION_OFFSET_EN))
		return 0;
	return (u64)be32_to_cpu(ctrl->xlt_offset_47_16) << 16 |
	       be16_to_cpu(ctrl->xlt_offset);
}

/*
 * Whether the table of translations has room for those of the UMR. It has no
 * part that is smaller than the least that a UMR writes.
 */
static bool umr_fits(const struct fake_mkey *mkey,
		     const struct mlx5_wqe_umr_ctrl_seg *ctrl)
{
	u64 room = mlx5r_umr_get_xlt_octo((u64)mkey->octwords *
					  MLX5_IB_UMR_OCTOWORD);

	return umr_first_octword(ctrl) + be16_to_cpu(ctrl->xlt_octowords) <=
	       room;
}

/* The state that the UMR demands of the mkey. */
static bool umr_finds_state(const struct fake_mkey *mkey, u8 flags)
{
	bool free = MLX5_GET(mkc, mkey->mkc, free);

	return !(flags & MLX5_UMR_CHECK_NOT_FREE && !free) &&
	       !(flags & MLX5_UMR_CHECK_FREE && free);
}

/* The bits of an mkey's context that a UMR with this mask changes. */
static void umr_changed_bits(u32 *bits, u64 mask)
{
	if (mask & MLX5_MKEY_MASK_FREE)
		MLX5_SET(mkc, bits, free, 1);
	if (mask & MLX5_MKEY_MASK_KEY)
		MLX5_SET(mkc, bits, mkey_7_0, 0xff);
	if (mask & MLX5_MKEY_MASK_PD)
		MLX5_SET(mkc, bits, pd, 0xffffff);
	if (mask & MLX5_MKEY_MASK_LEN) {
		MLX5_SET(mkc, bits, length64, 1);
		MLX5_SET64(mkc, bits, len, U64_MAX);
	}
	if (mask & MLX5_MKEY_MASK_START_ADDR)
		MLX5_SET64(mkc, bits, start_addr, U64_MAX);
	if (mask & MLX5_MKEY_MASK_PAGE_SIZE)
		MLX5_SET(mkc, bits, log_page_size, 0x3f);
	if (mask & MLX5_MKEY_MASK_A)
		MLX5_SET(mkc, bits, a, 1);
	if (mask & MLX5_MKEY_MASK_RW)
		MLX5_SET(mkc, bits, rw, 1);
	if (mask & MLX5_MKEY_MASK_RR)
		MLX5_SET(mkc, bits, rr, 1);
	if (mask & MLX5_MKEY_MASK_LW)
		MLX5_SET(mkc, bits, lw, 1);
	if (mask & MLX5_MKEY_MASK_LR)
		MLX5_SET(mkc, bits, lr, 1);
	if (mask & MLX5_MKEY_MASK_RELAXED_ORDERING_WRITE)
		MLX5_SET(mkc, bits, relaxed_ordering_write, 1);
	if (mask & MLX5_MKEY_MASK_RELAXED_ORDERING_READ)
		MLX5_SET(mkc, bits, relaxed_ordering_read, 1);
}

static void umr_apply(struct fake_mkey *mkey, const struct mlx5_mkey_seg *seg,
		      u64 mask)
{
	u32 bits[MLX5_ST_SZ_DW(mkc)] = {};
	const u32 *new = (const u32 *)seg;
	int i;

	umr_changed_bits(bits, mask);
	for (i = 0; i < ARRAY_SIZE(bits); i++)
		mkey->mkc[i] = (mkey->mkc[i] & ~bits[i]) | (new[i] & bits[i]);
}

/* Under another variant than it has, the mkey is found only to get that one. */
static bool umr_finds_variant(const struct fake_mkey *mkey, u32 key, u64 mask)
{
	return mask & MLX5_MKEY_MASK_KEY ||
	       MLX5_GET(mkc, mkey->mkc, mkey_7_0) == mlx5_mkey_variant(key);
}

static int fake_umr_post_send_wait(struct mlx5_ib_dev *dev, u32 key,
				   struct mlx5r_umr_wqe *wqe, bool with_data)
{
	struct fake_hca *hca = current_hca();
	struct fake_mkey *mkey = xa_load(&hca->mkeys, mlx5_mkey_to_idx(key));
	u64 mask = be64_to_cpu(wqe->ctrl_seg.mkey_mask);

	hca->umrs++;
	hca->last_umr = *wqe;
	if (fails_now(&hca->good_umrs, &hca->bad_umrs))
		return -EFAULT;
	if (!mkey || !MLX5_GET(mkc, mkey->mkc, umr_en) ||
	    !umr_may_change(hca, mask) ||
	    !umr_finds_variant(mkey, key, mask) ||
	    !umr_finds_state(mkey, wqe->ctrl_seg.flags) ||
	    (with_data && !umr_fits(mkey, &wqe->ctrl_seg))) {
		KUNIT_FAIL(hca->test,
			   "bad UMR of mkey 0x%x, mask 0x%llx, flags 0x%x", key,
			   mask, wqe->ctrl_seg.flags);
		return -EFAULT;
	}
	umr_apply(mkey, &wqe->mkey_seg, mask);
	return 0;
}

/**
 * fake_hca_enable_by_ulp - what a ULP's work request of type REG_MR does
 * @hca: the adapter
 * @mr: from ib_alloc_mr()
 * @pd: PD of the ULP's QP
 */
void fake_hca_enable_by_ulp(struct fake_hca *hca, struct ib_mr *mr,
			    struct mlx5_ib_pd *pd)
{
	struct fake_mkey *mkey = fake_hca_mkey(hca, mr->rkey);

	KUNIT_EXPECT_EQ(hca->test, MLX5_GET(mkc, mkey->mkc, free), 1);
	KUNIT_EXPECT_EQ(hca->test, MLX5_GET(mkc, mkey->mkc, pd), pd->pdn);
	MLX5_SET(mkc, mkey->mkc, free, 0);
	MLX5_SET(mkc, mkey->mkc, mkey_7_0, mlx5_mkey_variant(mr->rkey));
}

/* The mkey with this index. One that does not exist ends the test. */
struct fake_mkey *fake_hca_mkey(struct fake_hca *hca, u32 key)
{
	struct fake_mkey *mkey = xa_load(&hca->mkeys, mlx5_mkey_to_idx(key));

	KUNIT_ASSERT_NOT_NULL_MSG(hca->test, mkey, "no mkey 0x%x", key);
	return mkey;
}

/*
 * The device
 */

static void *zalloc(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static void init_caps(struct fake_hca *hca)
{
	static const int types[] = { MLX5_CAP_GENERAL, MLX5_CAP_GENERAL_2,
				     MLX5_CAP_ODP };
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		hca->mdev->caps.hca[types[i]] =
			zalloc(hca->test, sizeof(struct mlx5_hca_cap));

	/* UMRs can change everything. */
	FAKE_HCA_SET_CAP(hca, atomic, 1);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_write, 1);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_write_umr, 1);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read, 1);
	FAKE_HCA_SET_CAP(hca, relaxed_ordering_read_umr, 1);
	FAKE_HCA_SET_CAP(hca, umr_extended_translation_offset, 1);
	FAKE_HCA_SET_CAP(hca, log_max_klm_list_size, 16);
	FAKE_HCA_SET_CAP(hca, pg, 1);
}

/* A device that maps DMA, is plugged in, and that nobody looks for. */
static void init_pdev(struct fake_hca *hca)
{
	struct device *dev = &hca->pdev->dev;

	/* Needs no sync, so that ODP is supported. */
	KUNIT_ASSERT_EQ(hca->test,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	hca->pdev->error_state = pci_channel_io_normal;
}

/* Tests register users' MRs, and deregister all, as ib_core does. */
static const struct ib_device_ops fake_hca_ops = {
	.dereg_mr = mlx5_ib_dereg_mr,
	.reg_user_mr = mlx5_ib_reg_user_mr,
};

static void init_pd(struct mlx5_ib_pd *pd, struct mlx5_ib_dev *dev, u32 pdn)
{
	pd->ibpd.device = &dev->ib_dev;
	pd->pdn = pdn;
}

static void init_dev(struct fake_hca *hca)
{
	struct mlx5_ib_dev *dev = hca->dev;

	dev->mdev = hca->mdev;
	dev->ib_dev.dma_device = &hca->pdev->dev;
	dev->ib_dev.attrs.max_mr = 1000;
	dev->ib_dev.attrs.kernel_cap_flags = IBK_ON_DEMAND_PAGING;
	ib_set_device_ops(&dev->ib_dev, &fake_hca_ops);
	dev->odp_caps.general_caps = IB_ODP_SUPPORT | IB_ODP_SUPPORT_IMPLICIT;
	/* Nobody faults, so no event queue needs to be made. */
	dev->odp_pf_eq.core = (void *)hca;
	mutex_init(&dev->odp_eq_mutex);
	mutex_init(&dev->slow_path_mutex);
	mutex_init(&dev->data_direct_lock);
	INIT_LIST_HEAD(&dev->data_direct_mr_list);
	xa_init(&dev->odp_mkeys);
	xa_init(&dev->sig_mrs);

	init_pd(&hca->umr_pd, dev, FAKE_HCA_UMR_PDN);
	init_pd(&hca->pd, dev, FAKE_HCA_PDN);
	init_pd(&hca->other_pd, dev, FAKE_HCA_OTHER_PDN);
	dev->umrc.pd = &hca->umr_pd.ibpd;
}

/* Nothing is created ahead: another thread would ask a device that is real. */
static bool fake_queue(struct work_struct *work)
{
	return false;
}

static void activate_stubs(struct kunit *test)
{
	kunit_activate_static_stub(test, frmr_queue, fake_queue);
	kunit_activate_static_stub(test, mlx5_core_create_mkey,
				   fake_create_mkey);
	kunit_activate_static_stub(test, mlx5_core_destroy_mkey,
				   fake_destroy_mkey);
	kunit_activate_static_stub(test, mlx5_cmd_do, fake_cmd_do);
	kunit_activate_static_stub(test, mlx5_cmd_exec_cb, fake_cmd_exec_cb);
	kunit_activate_static_stub(test, mlx5_core_create_psv,
				   fake_create_psv);
	kunit_activate_static_stub(test, mlx5_core_destroy_psv,
				   fake_destroy_psv);
	kunit_activate_static_stub(test, mlx5r_umr_resource_init,
				   fake_umr_resource_init);
	kunit_activate_static_stub(test, mlx5r_umr_post_send_wait,
				   fake_umr_post_send_wait);
}

static u32 check_pools(struct fake_hca *hca)
{
	struct ib_frmr_pools *pools = ib_frmr_pools_get(&hca->dev->ib_dev);
	struct ib_frmr_pool_info info;
	struct ib_frmr_key last = {};
	u32 idle = 0;

	if (!pools)
		return 0;
	while (ib_frmr_pools_next_info(pools, &last, &info)) {
		KUNIT_EXPECT_EQ(hca->test, info.in_use, 0);
		KUNIT_EXPECT_EQ(hca->test, info.stats[IB_FRMR_CREATED],
				info.stats[IB_FRMR_DESTROYED] +
				info.stats[IB_FRMR_DROPPED] + info.idle);
		idle += info.idle;
		last = info.key;
	}
	ib_frmr_pools_put(pools);
	return idle;
}

/* No MR is left: what is live is idle, and idle means free. */
static void check_idle(struct fake_hca *hca)
{
	struct fake_mkey *mkey;
	unsigned long index;

	KUNIT_EXPECT_EQ(hca->test, check_pools(hca), hca->live);
	xa_for_each(&hca->mkeys, index, mkey) {
		KUNIT_EXPECT_EQ(hca->test, MLX5_GET(mkc, mkey->mkc, free), 1);
		KUNIT_EXPECT_EQ(hca->test, MLX5_GET(mkc, mkey->mkc, pd),
				FAKE_HCA_UMR_PDN);
	}
}

/* As a reset does. */
void fake_hca_forget_all(struct fake_hca *hca)
{
	struct fake_mkey *mkey;
	unsigned long index;

	xa_for_each(&hca->mkeys, index, mkey)
		kfree(mkey);
	xa_destroy(&hca->mkeys);
	hca->live = 0;
}

static void fake_hca_free(void *data)
{
	struct fake_hca *hca = data;
	struct mlx5_ib_dev *dev = hca->dev;

	check_idle(hca);
	mlx5r_frmr_pools_cleanup(&dev->ib_dev);
	KUNIT_EXPECT_EQ(hca->test, hca->live, 0);
	KUNIT_EXPECT_EQ(hca->test, hca->psvs, 0);
	KUNIT_EXPECT_EQ(hca->test, atomic_read(&hca->mdev->priv.reg_pages), 0);
	KUNIT_EXPECT_TRUE(hca->test, xa_empty(&dev->odp_mkeys));
	KUNIT_EXPECT_TRUE(hca->test, xa_empty(&dev->sig_mrs));

	fake_hca_forget_all(hca);
	xa_destroy(&dev->odp_mkeys);
	xa_destroy(&dev->sig_mrs);
	ib_dealloc_device(&dev->ib_dev);
}

/**
 * fake_hca_init - before each test: a device, as yet without pools
 * @test: the test; its priv becomes the struct fake_hca
 *
 * After the test everything must have been given back.
 *
 * Return: 0 or a negative errno.
 */
int fake_hca_init(struct kunit *test)
{
	struct fake_hca *hca = zalloc(test, sizeof(*hca));
	int ret;

	test->priv = hca;
	hca->test = test;
	hca->mdev = zalloc(test, sizeof(*hca->mdev));
	hca->pdev = zalloc(test, sizeof(*hca->pdev));
	hca->mdev->pdev = hca->pdev;
	hca->next_index = 0x1000;
	hca->limit = U32_MAX;
	hca->full_err = -ENOMEM;
	hca->create_err = -ENOMEM;
	xa_init(&hca->mkeys);
	init_caps(hca);
	init_pdev(hca);
	activate_stubs(test);

	hca->dev = ib_alloc_device(mlx5_ib_dev, ib_dev);
	KUNIT_ASSERT_NOT_NULL(test, hca->dev);
	init_dev(hca);
	ret = kunit_add_action_or_reset(test, fake_hca_free, hca);
	return ret ?: dev_set_name(&hca->dev->ib_dev.dev, "fake_hca");
}

/* MODULE_IMPORT_NS() takes a name in some kernels, and a string in others. */
MODULE_INFO(import_ns, "EXPORTED_FOR_KUNIT_TESTING");
