// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Lists of memory, which work requests have as data segments. */

#include "sim.h"

#define SIM_INLINE		BIT(31)
/* The key that ends the list of a receive WQE. */
#define SIM_END_OF_LIST	0x100

static bool sim_sgl_add(struct sim_sgl *sgl, struct sim_sge sge)
{
	if (sgl->count == ARRAY_SIZE(sgl->sge))
		return false;
	sgl->sge[sgl->count++] = sge;
	sgl->length += sge.length;
	return true;
}

/* Out of the data segments in @size bytes; false if they make no sense. */
bool sim_sgl_parse(struct sim_sgl *sgl, const void *segs, u32 size,
		   bool receive)
{
	const struct mlx5_wqe_data_seg *seg;
	struct sim_sge sge;
	u32 n;

	sgl->count = 0;
	sgl->length = 0;
	for (; size >= sizeof(*seg); segs += n, size -= n) {
		seg = segs;
		n = sizeof(*seg);
		sge = (struct sim_sge){
			.length = be32_to_cpu(seg->byte_count),
			.key = be32_to_cpu(seg->lkey),
			.addr = be64_to_cpu(seg->addr),
		};
		if (receive && sge.key == SIM_END_OF_LIST)
			break;
		if (sge.length & SIM_INLINE) {
			sge.length &= ~SIM_INLINE;
			sge.data = segs + sizeof(seg->byte_count);
			n = ALIGN(sge.length + sizeof(seg->byte_count), n);
			if (receive || n > size)
				return false;
		}
		if (sge.length && !sim_sgl_add(sgl, sge))
			return false;
	}
	return true;
}

static int sim_sge_copy(struct sim *sim, u32 pd, const struct sim_sge *sge,
			u32 offset, void *data, u32 length,
			enum sim_rights rights)
{
	if (!sge->data)
		return sim_mkey_access(sim, sge->key, pd, sge->addr + offset,
				       data, length, rights);
	memcpy(data, sge->data + offset, length);
	return 0;
}

/* Between @data and what is at @offset of the list. */
int sim_sgl_copy(struct sim *sim, u32 pd, const struct sim_sgl *sgl,
		 u64 offset, void *data, u32 length, enum sim_rights rights)
{
	const struct sim_sge *sge;
	u32 n;
	int err;

	for (sge = sgl->sge; length; sge++) {
		if (offset >= sge->length) {
			offset -= sge->length;
			continue;
		}
		n = min_t(u32, length, sge->length - offset);
		err = sim_sge_copy(sim, pd, sge, offset, data, n, rights);
		if (err)
			return err;
		data += n;
		length -= n;
		offset = 0;
	}
	return 0;
}
