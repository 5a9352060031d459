// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The table of mkeys, and access to memory through them. */

#include "vhca.h"

#define VHCA_OCTOWORD		16
#define VHCA_MTT_READ		BIT_ULL(0)
#define VHCA_MTT_WRITE		BIT_ULL(1)
#define VHCA_MTT_ADDRESS	GENMASK_ULL(63, 3)

/* How many keys may lead to each other. */
#define VHCA_MAX_DEPTH		4

#define VHCA_WRITES	(VHCA_LOCAL_WRITE | VHCA_REMOTE_WRITE | VHCA_REMOTE_ATOMIC)

/* Whether or not the low 8 bits of the key are right. */
struct vhca_mkey *vhca_mkey_get(struct vhca *vhca, u32 key)
{
	return xa_load(&vhca->mkeys, key >> 8);
}

static u64 vhca_mkey_size(const struct vhca_mkey *mkey)
{
	return sizeof(mkey->context) + (u64)mkey->octowords * VHCA_OCTOWORD;
}

static u8 vhca_mkey_mode(const struct vhca_mkey *mkey)
{
	return MLX5_GET(mkc, mkey->context, access_mode_1_0) |
	       MLX5_GET(mkc, mkey->context, access_mode_4_2) << 2;
}

static u32 vhca_mkey_rights(const struct vhca_mkey *mkey)
{
	const void *mkc = mkey->context;

	return (MLX5_GET(mkc, mkc, lr) ? VHCA_LOCAL_READ : 0) |
	       (MLX5_GET(mkc, mkc, lw) ? VHCA_LOCAL_WRITE : 0) |
	       (MLX5_GET(mkc, mkc, rr) ? VHCA_REMOTE_READ : 0) |
	       (MLX5_GET(mkc, mkc, rw) ? VHCA_REMOTE_WRITE : 0) |
	       (MLX5_GET(mkc, mkc, a) ? VHCA_REMOTE_ATOMIC : 0);
}

/* Bound to a queue pair, as memory windows are, or to none */
static bool vhca_mkey_has_qp(struct vhca *vhca, const struct vhca_mkey *mkey)
{
	u32 qpn = MLX5_GET(mkc, mkey->context, qpn);

	return qpn == VHCA_ANY_QP || xa_load(&vhca->qps, qpn);
}

/* All that does not depend on where the memory is. */
static int vhca_mkey_check(struct vhca *vhca, const struct vhca_mkey *mkey,
			   u32 key, u32 pd, u64 addr, u32 length,
			   enum vhca_rights rights)
{
	const void *mkc = mkey->context;
	u64 start, len;

	if (MLX5_GET(mkc, mkc, free))
		return -EKEYREVOKED;
	if (MLX5_GET(mkc, mkc, mkey_7_0) != (key & 0xff))
		return -EKEYREJECTED;
	if (pd != VHCA_ANY_PD && MLX5_GET(mkc, mkc, pd) != pd)
		return -EPERM;
	if (!vhca_mkey_has_qp(vhca, mkey))
		return -EPERM;
	if ((vhca_mkey_rights(mkey) & rights) != rights)
		return -EACCES;
	if (MLX5_GET(mkc, mkc, length64))
		return 0;
	start = MLX5_GET64(mkc, mkc, start_addr);
	len = MLX5_GET64(mkc, mkc, len);
	if (addr < start || addr - start > len || len - (addr - start) < length)
		return -ERANGE;
	return 0;
}

/* Where an address leads to: to memory, or through another key. */
struct vhca_target {
	u64 addr;
	u32 key;
	bool indirect;
	u64 length;
};

/* Entries without any rights are those of mkeys that know of none. */
static bool vhca_mtt_present(const struct vhca_mkey *mkey, u64 entry,
			     bool write)
{
	if (!mkey->pg_access && !(entry & (VHCA_MTT_READ | VHCA_MTT_WRITE)))
		return entry;
	return entry & (write ? VHCA_MTT_WRITE : VHCA_MTT_READ);
}

/* No page there: -EAGAIN if the caller can ask the driver for it. */
static int vhca_mtt(const struct vhca_mkey *mkey, u64 addr, bool write,
		    struct vhca_target *target)
{
	u8 shift = MLX5_GET(mkc, mkey->context, log_page_size);
	u64 start = MLX5_GET64(mkc, mkey->context, start_addr);
	u64 offset = addr & (BIT_ULL(shift) - 1);
	u64 i = (addr >> shift) - (start >> shift), entry;

	if (i >= (u64)mkey->octowords * (VHCA_OCTOWORD / sizeof(entry)))
		return -EFAULT;
	entry = be64_to_cpu(mkey->xlt[i]);
	if (!vhca_mtt_present(mkey, entry, write))
		return -EAGAIN;
	target->addr = (entry & VHCA_MTT_ADDRESS) + offset;
	target->length = BIT_ULL(shift) - offset;
	return 0;
}

static int vhca_klm(const struct vhca_mkey *mkey, u64 addr,
		    struct vhca_target *target)
{
	const struct mlx5_klm *klm = (void *)mkey->xlt;
	u64 offset = addr - MLX5_GET64(mkc, mkey->context, start_addr);
	u32 i, bytes;

	for (i = 0; i < mkey->octowords; i++, klm++, offset -= bytes) {
		bytes = be32_to_cpu(klm->bcount);
		if (offset >= bytes)
			continue;
		target->addr = be64_to_cpu(klm->va) + offset;
		target->key = be32_to_cpu(klm->key);
		target->indirect = true;
		target->length = bytes - offset;
		return 0;
	}
	return -EFAULT;
}

static int vhca_ksm(const struct vhca_mkey *mkey, u64 addr,
		    struct vhca_target *target)
{
	u8 shift = MLX5_GET(mkc, mkey->context, log_page_size);
	u64 start = MLX5_GET64(mkc, mkey->context, start_addr);
	u64 offset = addr & (BIT_ULL(shift) - 1);
	u64 i = (addr >> shift) - (start >> shift);
	const struct mlx5_ksm *ksm = (void *)mkey->xlt;

	if (i >= mkey->octowords)
		return -EFAULT;
	target->addr = be64_to_cpu(ksm[i].va) + offset;
	target->key = be32_to_cpu(ksm[i].key);
	target->indirect = true;
	target->length = BIT_ULL(shift) - offset;
	return 0;
}

static int vhca_mkey_lookup(const struct vhca_mkey *mkey, u64 addr, bool write,
			    struct vhca_target *target)
{
	*target = (struct vhca_target){};
	switch (vhca_mkey_mode(mkey)) {
	case MLX5_MKC_ACCESS_MODE_PA:
		target->addr = addr;
		target->length = PAGE_SIZE - offset_in_page(addr);
		return 0;
	case MLX5_MKC_ACCESS_MODE_MTT:
		return vhca_mtt(mkey, addr, write, target);
	case MLX5_MKC_ACCESS_MODE_KLMS:
		return vhca_klm(mkey, addr, target);
	case MLX5_MKC_ACCESS_MODE_KSM:
		return vhca_ksm(mkey, addr, target);
	}
	return -EFAULT;
}

/* Remembers what is missing for the next @length bytes. */
static int vhca_mkey_translate(struct vhca *vhca, const struct vhca_mkey *mkey,
			       u32 key, u64 addr, u32 length, bool write,
			       struct vhca_target *target)
{
	int err = vhca_mkey_lookup(mkey, addr, write, target);

	if (err != -EAGAIN)
		return err;
	vhca->missing = (struct vhca_missing){
		.addr = addr,
		.key = key,
		.length = length,
	};
	return vhca->may_fault ? -EAGAIN : -EFAULT;
}

/* By the transport scheme, the null mkey stands for what is to come. */
static int vhca_mkey_none(const struct vhca *vhca, u32 key)
{
	if (key != VHCA_NULL_MKEY || !vhca->transport_faults)
		return -ENOKEY;
	return vhca->may_fault ? -EAGAIN : -EFAULT;
}

/* A key that another key leads to is used as a local one. */
static enum vhca_rights vhca_as_local(enum vhca_rights rights)
{
	return rights & VHCA_WRITES ? VHCA_LOCAL_WRITE : VHCA_LOCAL_READ;
}

static int vhca_mkey_walk(struct vhca *vhca, u32 key, u32 pd, u64 addr,
			  void *data, u32 length, enum vhca_rights rights,
			  int depth)
{
	struct vhca_mkey *mkey = vhca_mkey_get(vhca, key);
	struct vhca_target target;
	u32 n;
	int err;

	if (!mkey)
		return vhca_mkey_none(vhca, key);
	if (!depth)
		return -ELOOP;
	err = vhca_mkey_check(vhca, mkey, key, pd, addr, length, rights);
	for (; !err && length; length -= n, addr += n, data += n) {
		err = vhca_mkey_translate(vhca, mkey, key, addr, length,
					  rights & VHCA_WRITES, &target);
		if (err)
			return err;
		n = min_t(u64, length, target.length);
		if (target.indirect)
			err = vhca_mkey_walk(vhca, target.key, pd, target.addr,
					     data, n, vhca_as_local(rights),
					     depth - 1);
		else
			err = vhca_dma_copy(target.addr, data, n,
					    rights & VHCA_WRITES);
	}
	return err;
}

/* By the transport scheme, the driver follows the keys by itself. */
static void vhca_mkey_missed(struct vhca *vhca, u32 key, u64 addr, u32 length)
{
	if (!vhca->transport_faults)
		return;
	vhca->missing = (struct vhca_missing){
		.addr = addr,
		.key = key,
		.length = length,
	};
}

/**
 * vhca_mkey_access - read or write memory as the adapter does
 * @vhca:	the device
 * @key:	lkey or rkey
 * @pd:		of the queue pair that is at it, or VHCA_ANY_PD
 * @addr:	in the address space of the key
 * @data:	to be written, or what was read
 * @length:	in bytes
 * @rights:	the one right that is used, which tells if this is a write
 *
 * Return: 0; -ENOKEY if there is no such mkey, -EKEYREVOKED if it is free,
 * -EKEYREJECTED if the low 8 bits of the key are another's, -EPERM for the
 * wrong PD, -EACCES without the right, -ERANGE outside of the region, -EFAULT
 * where nothing is translated to or no memory is, or -EAGAIN instead of it if
 * the access may fault.
 */
int vhca_mkey_access(struct vhca *vhca, u32 key, u32 pd, u64 addr, void *data,
		     u32 length, enum vhca_rights rights)
{
	int err;

	lockdep_assert_held(&vhca->lock);
	err = vhca_mkey_walk(vhca, key, pd, addr, data, length, rights,
			     VHCA_MAX_DEPTH);
	if (err == -EAGAIN)
		vhca_mkey_missed(vhca, key, addr, length);
	return err;
}

/* Through all keys to the 8 bytes that an atomic operation is for. */
static int vhca_mkey_find_word(struct vhca *vhca, u32 key, u32 pd, u64 addr,
			       u64 **word)
{
	struct vhca_target target = { .addr = addr, .key = key };
	enum vhca_rights rights = VHCA_REMOTE_ATOMIC;
	int depth, err;

	for (depth = 0; depth < VHCA_MAX_DEPTH; depth++) {
		struct vhca_mkey *mkey;

		key = target.key;
		addr = target.addr;
		mkey = vhca_mkey_get(vhca, key);
		if (!mkey)
			return vhca_mkey_none(vhca, key);
		err = vhca_mkey_check(vhca, mkey, key, pd, addr,
				      sizeof(**word), rights);
		if (!err)
			err = vhca_mkey_translate(vhca, mkey, key, addr,
						  sizeof(**word), true,
						  &target);
		if (err)
			return err;
		if (!target.indirect) {
			*word = vhca_dma(target.addr, sizeof(**word));
			return *word ? 0 : -EFAULT;
		}
		rights = VHCA_LOCAL_WRITE;
	}
	return -ELOOP;
}

/* The same for 8 bytes that @op changes; what was there goes to @old. */
int vhca_mkey_atomic(struct vhca *vhca, u32 key, u32 pd, u64 addr,
		     u64 (*op)(u64 old, const u64 *operands),
		     const u64 *operands, u64 *old)
{
	u64 *word;
	int err;

	if (!IS_ALIGNED(addr, sizeof(*word)))
		return -EFAULT;
	err = vhca_mkey_find_word(vhca, key, pd, addr, &word);
	if (err == -EAGAIN)
		vhca_mkey_missed(vhca, key, addr, sizeof(*word));
	if (err)
		return err;
	*old = READ_ONCE(*word);
	while (!try_cmpxchg64(word, old, op(*old, operands)))
		;
	return 0;
}

/* A peer's send, or a local work request, ends the use of a key. */
int vhca_mkey_invalidate(struct vhca *vhca, u32 key, u32 pd)
{
	struct vhca_mkey *mkey = vhca_mkey_get(vhca, key);

	if (!mkey)
		return -ENOKEY;
	if (MLX5_GET(mkc, mkey->context, mkey_7_0) != (key & 0xff))
		return -EKEYREJECTED;
	if (MLX5_GET(mkc, mkey->context, pd) != pd)
		return -EPERM;
	if (!MLX5_GET(mkc, mkey->context, en_rinval))
		return -EACCES;
	MLX5_SET(mkc, mkey->context, free, 1);
	return 0;
}

static void vhca_mkey_free(struct vhca *vhca, struct vhca_mkey *mkey)
{
	xa_erase(&vhca->mkeys, mkey->index);
	vhca->num_mkeys--;
	vhca_pages_use(vhca, -(s64)vhca_mkey_size(mkey));
	kvfree(mkey->xlt);
	kfree(mkey);
}

/* Whatever it is that they are for */
bool vhca_mkey_uses_pd(struct vhca *vhca, u32 pd)
{
	struct vhca_mkey *mkey;
	unsigned long i;

	xa_for_each(&vhca->mkeys, i, mkey)
		if (MLX5_GET(mkc, mkey->context, pd) == pd)
			return true;
	return false;
}

void vhca_mkey_reset(struct vhca *vhca)
{
	struct vhca_mkey *mkey;
	unsigned long i;

	xa_for_each(&vhca->mkeys, i, mkey)
		vhca_mkey_free(vhca, mkey);
}

static int vhca_mkey_insert(struct vhca *vhca, struct vhca_mkey *mkey)
{
	if (vhca->num_mkeys >= READ_ONCE(vhca->max_mkeys))
		return -ENOSPC;
	if (xa_alloc_cyclic(&vhca->mkeys, &mkey->index, mkey,
			    XA_LIMIT(0x100, BIT(VHCA_LOG_MAX_MKEY) - 1),
			    &vhca->next_mkey, GFP_KERNEL) < 0)
		return -ENOSPC;
	vhca->num_mkeys++;
	vhca->peak_mkeys = max(vhca->peak_mkeys, vhca->num_mkeys);
	return 0;
}

u8 vhca_create_mkey(struct vhca *vhca, struct vhca_cmd *cmd)
{
	u32 room = cmd->in_size - MLX5_ST_SZ_BYTES(create_mkey_in);
	u32 octowords = MLX5_GET(create_mkey_in, cmd->in,
				 translations_octword_actual_size);
	struct vhca_mkey *mkey;

	mkey = kzalloc(sizeof(*mkey), GFP_KERNEL);
	if (!mkey)
		return MLX5_CMD_STAT_INT_ERR;
	memcpy(mkey->context, MLX5_ADDR_OF(create_mkey_in, cmd->in,
					   memory_key_mkey_entry),
	       sizeof(mkey->context));
	mkey->pg_access = MLX5_GET(create_mkey_in, cmd->in, pg_access);
	/* The driver writes whole units of 64 bytes, whatever it asked for. */
	mkey->octowords = ALIGN(MLX5_GET(mkc, mkey->context,
					 translations_octword_size),
				MLX5_UMR_FLEX_ALIGNMENT / VHCA_OCTOWORD);
	if (octowords > mkey->octowords || octowords > room / VHCA_OCTOWORD) {
		kfree(mkey);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	mkey->xlt = kvcalloc(max(mkey->octowords, 1), VHCA_OCTOWORD,
			     GFP_KERNEL);
	if (!mkey->xlt || vhca_mkey_insert(vhca, mkey)) {
		kvfree(mkey->xlt);
		kfree(mkey);
		return MLX5_CMD_STAT_LIM_ERR;
	}
	memcpy(mkey->xlt, MLX5_ADDR_OF(create_mkey_in, cmd->in, klm_pas_mtt),
	       (size_t)octowords * VHCA_OCTOWORD);
	vhca_pages_use(vhca, vhca_mkey_size(mkey));
	MLX5_SET(create_mkey_out, cmd->out, mkey_index, mkey->index);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_destroy_mkey(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_mkey *mkey = xa_load(&vhca->mkeys,
					 MLX5_GET(destroy_mkey_in, cmd->in,
						  mkey_index));

	if (!mkey)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	vhca_mkey_free(vhca, mkey);
	return MLX5_CMD_STAT_OK;
}

u8 vhca_query_mkey(struct vhca *vhca, struct vhca_cmd *cmd)
{
	struct vhca_mkey *mkey = xa_load(&vhca->mkeys,
					 MLX5_GET(query_mkey_in, cmd->in,
						  mkey_index));
	void *xlt;

	if (!mkey)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	memcpy(MLX5_ADDR_OF(query_mkey_out, cmd->out, memory_key_mkey_entry),
	       mkey->context, sizeof(mkey->context));
	/* As many of the translations as the driver has room for */
	xlt = MLX5_ADDR_OF(query_mkey_out, cmd->out, bsf0_klm0_pas_mtt0_1);
	memcpy(xlt, mkey->xlt,
	       min_t(size_t, cmd->out + cmd->out_size - xlt,
		     (size_t)mkey->octowords * VHCA_OCTOWORD));
	return MLX5_CMD_STAT_OK;
}
