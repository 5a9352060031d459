/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Trace points of the FRMR pools in ib_core.
 *
 * Keys are shown as vendor_key:num_dma_blocks:access_flags:ats, in hex, the
 * way in which the rdma tool takes them; pools for the kernel's own use have
 * their kernel_vendor_key in brackets.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM frmr

#if !defined(_TRACE_FRMR_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_FRMR_H

#include <linux/tracepoint.h>
#include <rdma/ib_verbs.h>

/*
 * A rename frees what dev_name() returns. device->name changes in place: in the
 * worst case the event has half of the old name and half of the new.
 */
#define FRMR_TRACE_KEY_FIELDS				\
	__array(char, device, IB_DEVICE_NAME_MAX)	\
	__field(u64, vendor_key)			\
	__field(u64, kernel_vendor_key)			\
	__field(u64, num_dma_blocks)			\
	__field(u32, access_flags)			\
	__field(u8, ats)

#define FRMR_TRACE_KEY_ASSIGN					\
	/* a rename may be under way */				\
	data_race(memcpy(__entry->device, device->name,		\
			 IB_DEVICE_NAME_MAX));			\
	__entry->vendor_key = key->vendor_key;			\
	__entry->kernel_vendor_key = key->kernel_vendor_key;	\
	__entry->num_dma_blocks = key->num_dma_blocks;		\
	__entry->access_flags = key->access_flags;		\
	__entry->ats = key->ats

#define FRMR_TRACE_KEY_FMT "dev=%s key=%llx:%llx:%x:%x[%llx] "

#define FRMR_TRACE_KEY_ARGS						\
	__entry->device, __entry->vendor_key,				\
	__entry->num_dma_blocks, __entry->access_flags, __entry->ats,	\
	__entry->kernel_vendor_key

TRACE_EVENT(frmr_pop,
	TP_PROTO(struct ib_device *device, const struct ib_frmr_key *key,
		 u32 handle, bool hit),
	TP_ARGS(device, key, handle, hit),
	TP_STRUCT__entry(
		FRMR_TRACE_KEY_FIELDS
		__field(u32, handle)
		__field(bool, hit)
	),
	TP_fast_assign(
		FRMR_TRACE_KEY_ASSIGN;
		__entry->handle = handle;
		__entry->hit = hit;
	),
	TP_printk(FRMR_TRACE_KEY_FMT "handle=%u %s", FRMR_TRACE_KEY_ARGS,
		  __entry->handle, __entry->hit ? "hit" : "miss")
);

TRACE_EVENT(frmr_push,
	TP_PROTO(struct ib_device *device, const struct ib_frmr_key *key,
		 u32 handle),
	TP_ARGS(device, key, handle),
	TP_STRUCT__entry(
		FRMR_TRACE_KEY_FIELDS
		__field(u32, handle)
	),
	TP_fast_assign(
		FRMR_TRACE_KEY_ASSIGN;
		__entry->handle = handle;
	),
	TP_printk(FRMR_TRACE_KEY_FMT "handle=%u", FRMR_TRACE_KEY_ARGS,
		  __entry->handle)
);

TRACE_EVENT(frmr_create,
	TP_PROTO(struct ib_device *device, const struct ib_frmr_key *key,
		 u32 count, int ret),
	TP_ARGS(device, key, count, ret),
	TP_STRUCT__entry(
		FRMR_TRACE_KEY_FIELDS
		__field(u32, count)
		__field(int, ret)
	),
	TP_fast_assign(
		FRMR_TRACE_KEY_ASSIGN;
		__entry->count = count;
		__entry->ret = ret;
	),
	TP_printk(FRMR_TRACE_KEY_FMT "count=%u ret=%d", FRMR_TRACE_KEY_ARGS,
		  __entry->count, __entry->ret)
);

DECLARE_EVENT_CLASS(frmr_count,
	TP_PROTO(struct ib_device *device, const struct ib_frmr_key *key,
		 u32 count),
	TP_ARGS(device, key, count),
	TP_STRUCT__entry(
		FRMR_TRACE_KEY_FIELDS
		__field(u32, count)
	),
	TP_fast_assign(
		FRMR_TRACE_KEY_ASSIGN;
		__entry->count = count;
	),
	TP_printk(FRMR_TRACE_KEY_FMT "count=%u", FRMR_TRACE_KEY_ARGS,
		  __entry->count)
);

DEFINE_EVENT(frmr_count, frmr_destroy,
	TP_PROTO(struct ib_device *device, const struct ib_frmr_key *key,
		 u32 count),
	TP_ARGS(device, key, count)
);

DEFINE_EVENT(frmr_count, frmr_age,
	TP_PROTO(struct ib_device *device, const struct ib_frmr_key *key,
		 u32 count),
	TP_ARGS(device, key, count)
);

DEFINE_EVENT(frmr_count, frmr_reclaim,
	TP_PROTO(struct ib_device *device, const struct ib_frmr_key *key,
		 u32 count),
	TP_ARGS(device, key, count)
);

#endif /* _TRACE_FRMR_H */

#include <trace/define_trace.h>
