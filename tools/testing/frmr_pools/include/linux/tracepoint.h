/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trace points do nothing, but what is passed to them is checked.
 */
#ifndef _SHIM_LINUX_TRACEPOINT_H
#define _SHIM_LINUX_TRACEPOINT_H

#define TP_PROTO(args...) args
#define TP_ARGS(args...) args

#define TRACE_EVENT(name, proto, args, rest...)				\
	static inline void trace_##name(proto) {}			\
	static inline bool trace_##name##_enabled(void) { return false; }
#define DECLARE_EVENT_CLASS(rest...)
#define DEFINE_EVENT(class, name, proto, args) \
	TRACE_EVENT(name, PARAMS(proto), PARAMS(args))
#define PARAMS(args...) args

#endif /* _SHIM_LINUX_TRACEPOINT_H */
