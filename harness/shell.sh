#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A shell in the booted kernel. SIM=1: with the simulated ConnectX.

. "$(dirname "$0")/lib.sh"

"$TOP/harness/tree.sh"
"$TOP/harness/kernel.sh"
"$TOP/harness/programs.sh"
need rdma-core ibverbs-utils ibverbs-providers perftest iproute2
if [ -n "${SIM:-}" ]; then
	"$TOP/harness/modules.sh" mlx5_sim
	say "mlx5_0 is the simulated ConnectX; see /sys/kernel/debug/mlx5_sim"
fi
say "rxe0 is up; rdma-frmr shows the pools; Ctrl-D ends it"
[ ! -t 0 ] || { saved=$(stty -g); trap 'stty "$saved"' EXIT; stty raw -echo; }
TIMEOUT=0 "$TOP/harness/guest.sh" shell "$TOP/harness/guest/shell" \
	${SIM:+sim} || true
