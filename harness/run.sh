#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The main job: shows what the pools do for real programs, in the guest.

. "$(dirname "$0")/lib.sh"

need rdma-core ibverbs-utils ibverbs-providers perftest iproute2 jq
"$TOP/harness/tree.sh"
"$TOP/harness/kernel.sh"
"$TOP/harness/programs.sh"
. "$TOP/harness/report.sh"

say "booting the kernel"
status=0
"$TOP/harness/guest.sh" run "$TOP/harness/guest/show" </dev/null || status=$?
if grep -aE "$REPORTS" "$BUILD/guest/run/console" >&2; then
	die "the kernel complained, see $BUILD/guest/run/console"
fi
exit $status
