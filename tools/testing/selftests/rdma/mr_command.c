// SPDX-License-Identifier: GPL-2.0
/*
 * Commands to the kernel that a provider of rdma-core may not know yet.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include "../kselftest.h"
#include "mr_verbs.h"

int prefetch(__u32 flags, struct ibv_sge *sge)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attrs[4];
	} cmd = {
		.hdr = {
			.length = sizeof(cmd),
			.object_id = UVERBS_OBJECT_MR,
			.method_id = UVERBS_METHOD_ADVISE_MR,
			.num_attrs = ARRAY_SIZE(cmd.attrs),
			.driver_id = RDMA_DRIVER_RXE,
		},
		.attrs = {
			{ UVERBS_ATTR_ADVISE_MR_PD_HANDLE,
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = pd->handle },
			{ UVERBS_ATTR_ADVISE_MR_ADVICE, sizeof(__u64),
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = IBV_ADVISE_MR_ADVICE_PREFETCH },
			{ UVERBS_ATTR_ADVISE_MR_FLAGS, sizeof(flags),
			  .flags = UVERBS_ATTR_F_MANDATORY, .data = flags },
			{ UVERBS_ATTR_ADVISE_MR_SGE_LIST, sizeof(*sge),
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = (uintptr_t)sge },
		},
	};
	int err;

	err = ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH, flags, sge, 1);
	if (err != EOPNOTSUPP)
		return err;
	return ioctl(pd->context->cmd_fd, RDMA_VERBS_IOCTL, &cmd) ? errno : 0;
}

/* The provider of rxe has none at all. */
int rereg(struct ibv_mr *mr, __u32 flags, struct ibv_pd *new_pd, void *addr,
	  int access)
{
	struct ib_uverbs_rereg_mr_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_rereg_mr args;
	} cmd = {
		.hdr = {
			.command = IB_USER_VERBS_CMD_REREG_MR,
			.in_words = sizeof(cmd) / 4,
			.out_words = sizeof(resp) / 4,
		},
		.args = {
			.response = (uintptr_t)&resp,
			.mr_handle = mr->handle,
			.flags = flags,
			.start = (uintptr_t)addr,
			.length = mr->length,
			.hca_va = (uintptr_t)addr,
			.pd_handle = new_pd->handle,
			.access_flags = access,
		},
	};

	if (write(mr->context->cmd_fd, &cmd, sizeof(cmd)) != sizeof(cmd))
		return errno;
	mr->lkey = resp.lkey;
	mr->rkey = resp.rkey;
	return 0;
}
