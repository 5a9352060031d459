// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The table of mkeys, and access to memory through them. */

#include "sim.h"

#define SIM_OCTOWORD		16
#define SIM_MTT_READ		BIT_ULL(0)
#define SIM_MTT_WRITE		BIT_ULL(1)
#define SIM_MTT_ADDRESS	GENMASK_ULL(63, 3)

/* How many keys may lead to each other. */
#define SIM_MAX_DEPTH		4

#define SIM_WRITES	(SIM_LOCAL_WRITE | SIM_REMOTE_WRITE | SIM_REMOTE_ATOMIC)

/* Whether or not the low 8 bits of the key are right. */
struct sim_mkey *sim_mkey_get(struct sim *sim, u32 key)
{
	return sim_object_get(sim, SIM_MKEY, key >> 8);
}

static u64 sim_mkey_size(const struct sim_mkey *mkey)
{
	return sizeof(mkey->context) + (u64)mkey->octowords * SIM_OCTOWORD;
}

static u8 sim_mkey_mode(const struct sim_mkey *mkey)
{
	return MLX5_GET(mkc, mkey->context, access_mode_1_0) |
	       MLX5_GET(mkc, mkey->context, access_mode_4_2) << 2;
}

static u32 sim_mkey_rights(const struct sim_mkey *mkey)
{
	const void *mkc = mkey->context;

	return (MLX5_GET(mkc, mkc, lr) ? SIM_LOCAL_READ : 0) |
	       (MLX5_GET(mkc, mkc, lw) ? SIM_LOCAL_WRITE : 0) |
	       (MLX5_GET(mkc, mkc, rr) ? SIM_REMOTE_READ : 0) |
	       (MLX5_GET(mkc, mkc, rw) ? SIM_REMOTE_WRITE : 0) |
	       (MLX5_GET(mkc, mkc, a) ? SIM_REMOTE_ATOMIC : 0);
}

/* Bound to a queue pair, as memory windows are, or to none */
static bool sim_mkey_has_qp(struct sim *sim, const struct sim_mkey *mkey)
{
	u32 qpn = MLX5_GET(mkc, mkey->context, qpn);

	return qpn == SIM_ANY_QP || sim_object_get(sim, SIM_QP, qpn);
}

/* All that does not depend on where the memory is. */
static int sim_mkey_check(struct sim *sim, const struct sim_mkey *mkey,
			  u32 key, u32 pd, u64 addr, u32 length,
			  enum sim_rights rights)
{
	const void *mkc = mkey->context;
	u64 start, len;

	if (MLX5_GET(mkc, mkc, free))
		return -EKEYREVOKED;
	if (MLX5_GET(mkc, mkc, mkey_7_0) != (key & 0xff))
		return -EKEYREJECTED;
	if (pd != SIM_ANY_PD && MLX5_GET(mkc, mkc, pd) != pd)
		return -EPERM;
	if (!sim_mkey_has_qp(sim, mkey))
		return -EPERM;
	if ((sim_mkey_rights(mkey) & rights) != rights)
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
struct sim_target {
	u64 addr;
	u32 key;
	bool indirect;
	u64 length;
};

/* Entries without any rights are those of mkeys that know of none. */
static bool sim_mtt_present(const struct sim_mkey *mkey, u64 entry,
			    bool write)
{
	if (!mkey->pg_access && !(entry & (SIM_MTT_READ | SIM_MTT_WRITE)))
		return entry;
	return entry & (write ? SIM_MTT_WRITE : SIM_MTT_READ);
}

/* No page there: -EAGAIN if the caller can ask the driver for it. */
static int sim_mtt(const struct sim_mkey *mkey, u64 addr, bool write,
		   struct sim_target *target)
{
	u8 shift = MLX5_GET(mkc, mkey->context, log_page_size);
	u64 start = MLX5_GET64(mkc, mkey->context, start_addr);
	u64 offset = addr & (BIT_ULL(shift) - 1);
	u64 i = (addr >> shift) - (start >> shift), entry;

	if (i >= (u64)mkey->octowords * (SIM_OCTOWORD / sizeof(entry)))
		return -EFAULT;
	entry = be64_to_cpu(mkey->xlt[i]);
	if (!sim_mtt_present(mkey, entry, write))
		return -EAGAIN;
	target->addr = (entry & SIM_MTT_ADDRESS) + offset;
	target->length = BIT_ULL(shift) - offset;
	return 0;
}

static int sim_klm(const struct sim_mkey *mkey, u64 addr,
		   struct sim_target *target)
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

static int sim_ksm(const struct sim_mkey *mkey, u64 addr,
		   struct sim_target *target)
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

static int sim_mkey_lookup(const struct sim_mkey *mkey, u64 addr, bool write,
			   struct sim_target *target)
{
	*target = (struct sim_target){};
	switch (sim_mkey_mode(mkey)) {
	case MLX5_MKC_ACCESS_MODE_PA:
		target->addr = addr;
		target->length = PAGE_SIZE - offset_in_page(addr);
		return 0;
	case MLX5_MKC_ACCESS_MODE_MTT:
		return sim_mtt(mkey, addr, write, target);
	case MLX5_MKC_ACCESS_MODE_KLMS:
		return sim_klm(mkey, addr, target);
	case MLX5_MKC_ACCESS_MODE_KSM:
		return sim_ksm(mkey, addr, target);
	}
	return -EFAULT;
}

/* Remembers what is missing for the next @length bytes. */
static int sim_mkey_translate(struct sim *sim, const struct sim_mkey *mkey,
			      u32 key, u64 addr, u32 length, bool write,
			      struct sim_target *target)
{
	int err = sim_mkey_lookup(mkey, addr, write, target);

	return err == -EAGAIN ? sim_fault_miss(sim, key, addr, length) : err;
}

/* By the transport scheme, the null mkey stands for what is to come. */
static int sim_mkey_none(struct sim *sim, u32 key, u64 addr, u32 length)
{
	return key == SIM_NULL_MKEY && sim->options.transport_faults ?
		sim_fault_miss(sim, key, addr, length) : -ENOKEY;
}

/* A key that another key leads to is used as a local one. */
static enum sim_rights sim_as_local(enum sim_rights rights)
{
	return rights & SIM_WRITES ? SIM_LOCAL_WRITE : SIM_LOCAL_READ;
}

static int sim_mkey_walk(struct sim *sim, u32 key, u32 pd, u64 addr,
			 void *data, u32 length, enum sim_rights rights,
			 int depth)
{
	struct sim_mkey *mkey = sim_mkey_get(sim, key);
	struct sim_target target;
	u32 n;
	int err;

	if (!mkey)
		return sim_mkey_none(sim, key, addr, length);
	if (!depth)
		return -ELOOP;
	err = sim_mkey_check(sim, mkey, key, pd, addr, length, rights);
	for (; !err && length; length -= n, addr += n, data += n) {
		err = sim_mkey_translate(sim, mkey, key, addr, length,
					 rights & SIM_WRITES, &target);
		if (err)
			return err;
		n = min_t(u64, length, target.length);
		if (target.indirect)
			err = sim_mkey_walk(sim, target.key, pd, target.addr,
					    data, n, sim_as_local(rights),
					    depth - 1);
		else
			err = sim_dma_copy(target.addr, data, n,
					   rights & SIM_WRITES);
	}
	return err;
}

/* By the transport scheme, the driver follows the keys by itself. */
static int sim_mkey_missed(struct sim *sim, int err, u32 key, u64 addr,
			   u32 length)
{
	return err == -EAGAIN && sim->options.transport_faults ?
		sim_fault_miss(sim, key, addr, length) : err;
}

/**
 * sim_mkey_access - read or write memory as the adapter does
 * @sim:	the device
 * @key:	lkey or rkey
 * @pd:		of the queue pair that is at it, or SIM_ANY_PD
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
int sim_mkey_access(struct sim *sim, u32 key, u32 pd, u64 addr, void *data,
		    u32 length, enum sim_rights rights)
{
	int err;

	lockdep_assert_held(&sim->lock);
	err = sim_mkey_walk(sim, key, pd, addr, data, length, rights,
			    SIM_MAX_DEPTH);
	return sim_mkey_missed(sim, err, key, addr, length);
}

/* Through all keys to the 8 bytes that an atomic operation is for. */
static int sim_mkey_find_word(struct sim *sim, u32 key, u32 pd, u64 addr,
			      u64 **word)
{
	struct sim_target target = { .addr = addr, .key = key };
	enum sim_rights rights = SIM_REMOTE_ATOMIC;
	int depth, err;

	for (depth = 0; depth < SIM_MAX_DEPTH; depth++) {
		struct sim_mkey *mkey;

		key = target.key;
		addr = target.addr;
		mkey = sim_mkey_get(sim, key);
		if (!mkey)
			return sim_mkey_none(sim, key, addr,
					     sizeof(**word));
		err = sim_mkey_check(sim, mkey, key, pd, addr,
				     sizeof(**word), rights);
		if (!err)
			err = sim_mkey_translate(sim, mkey, key, addr,
						 sizeof(**word), true,
						 &target);
		if (err)
			return err;
		if (!target.indirect) {
			*word = sim_dma(target.addr, sizeof(**word));
			return *word ? 0 : -EFAULT;
		}
		rights = SIM_LOCAL_WRITE;
	}
	return -ELOOP;
}

/* The same for 8 bytes that @op changes; what was there goes to @old. */
int sim_mkey_atomic(struct sim *sim, u32 key, u32 pd, u64 addr,
		    u64 (*op)(u64 old, const u64 *operands),
		    const u64 *operands, u64 *old)
{
	u64 *word;
	int err;

	if (!IS_ALIGNED(addr, sizeof(*word)))
		return -EFAULT;
	err = sim_mkey_find_word(sim, key, pd, addr, &word);
	err = sim_mkey_missed(sim, err, key, addr, sizeof(*word));
	if (err)
		return err;
	*old = READ_ONCE(*word);
	while (!try_cmpxchg64(word, old, op(*old, operands)))
		;
	return 0;
}

/* A peer's send, or a local work request, ends the use of a key. */
int sim_mkey_invalidate(struct sim *sim, u32 key, u32 pd)
{
	struct sim_mkey *mkey = sim_mkey_get(sim, key);

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

void sim_mkey_free(struct sim *sim, void *object)
{
	struct sim_mkey *mkey = object;

	sim->mkeys.bytes -= sim_mkey_size(mkey);
	kvfree(mkey->xlt);
	kfree(mkey);
}

/* Whatever it is that they are for */
bool sim_mkey_uses_pd(struct sim *sim, u32 pd)
{
	struct sim_mkey *mkey;
	unsigned long i;

	sim_for_each(sim, SIM_MKEY, i, mkey)
		if (MLX5_GET(mkc, mkey->context, pd) == pd)
			return true;
	return false;
}

static u8 sim_mkey_insert(struct sim *sim, struct sim_mkey *mkey)
{
	const u32 *count = &sim->tables[SIM_MKEY].count;
	u8 status;

	if (*count >= READ_ONCE(sim->mkeys.max))
		return MLX5_CMD_STAT_LIM_ERR;
	status = sim_object_add(sim, SIM_MKEY, mkey, &mkey->index);
	if (status)
		return status;
	sim->mkeys.peak = max(sim->mkeys.peak, *count);
	sim->mkeys.bytes += sim_mkey_size(mkey);
	return MLX5_CMD_STAT_OK;
}

u8 sim_create_mkey(struct sim *sim, struct sim_cmd *cmd)
{
	u32 room = cmd->in_size - MLX5_ST_SZ_BYTES(create_mkey_in);
	u32 octowords = MLX5_GET(create_mkey_in, cmd->in,
				 translations_octword_actual_size);
	struct sim_mkey *mkey;

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
				MLX5_UMR_FLEX_ALIGNMENT / SIM_OCTOWORD);
	if (octowords > mkey->octowords || octowords > room / SIM_OCTOWORD) {
		kfree(mkey);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	mkey->xlt = kvcalloc(max(mkey->octowords, 1), SIM_OCTOWORD,
			     GFP_KERNEL);
	if (!mkey->xlt || sim_mkey_insert(sim, mkey)) {
		kvfree(mkey->xlt);
		kfree(mkey);
		return MLX5_CMD_STAT_LIM_ERR;
	}
	memcpy(mkey->xlt, MLX5_ADDR_OF(create_mkey_in, cmd->in, klm_pas_mtt),
	       (size_t)octowords * SIM_OCTOWORD);
	MLX5_SET(create_mkey_out, cmd->out, mkey_index, mkey->index);
	return MLX5_CMD_STAT_OK;
}

u8 sim_query_mkey(struct sim *sim, struct sim_cmd *cmd)
{
	const struct sim_mkey *mkey = cmd->object;
	void *xlt;

	memcpy(MLX5_ADDR_OF(query_mkey_out, cmd->out, memory_key_mkey_entry),
	       mkey->context, sizeof(mkey->context));
	/* As many of the translations as the driver has room for */
	xlt = MLX5_ADDR_OF(query_mkey_out, cmd->out, bsf0_klm0_pas_mtt0_1);
	memcpy(xlt, mkey->xlt,
	       min_t(size_t, cmd->out + cmd->out_size - xlt,
		     (size_t)mkey->octowords * SIM_OCTOWORD));
	return MLX5_CMD_STAT_OK;
}
