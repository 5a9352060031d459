#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a cluster does to the pools, for hours: tools/testing/selftests/rdma/
# frmr_soak.sh in the guest. HOURS says how long, 0.1 is possible; SEED repeats
# the choices of an earlier soak.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

SEED=${SEED:-$RANDOM}
SECONDS_OF_SOAK=$(bc <<<"(${HOURS:-1} * 3600) / 1")

# An emulated CPU that looks for mistakes is slow.
case $FLAVOUR in
plain) round=60 patience=60 answer_ms=3000 ;;
*) round=120 patience=240 answer_ms=10000 ;;
esac

soak()
{
	local name=soak-$FLAVOUR out=$BUILD/guest/soak-$FLAVOUR

	# The last round, and what it may wait for, come on top.
	TIMEOUT=$((SECONDS_OF_SOAK + 20 * patience)) \
	APPEND="printk.devkmsg=on ${APPEND:-}" \
		"$TOP/harness/guest.sh" "$name" \
		env ROUND=$round PATIENCE=$patience ANSWER_MS=$answer_ms \
		"$TOP/harness/guest/soak" "$SECONDS_OF_SOAK" "$SEED" \
		</dev/null >&2 || {
		say "the guest did not end well"
		add_results "$name guest" 0 1 0
	}
	count_ktap "$name" "$out/soak.ktap"
	check_guest "$name" "$out"
	say "the record is $out; again with SEED=$SEED"
}

need rdma-core ibverbs-utils ibverbs-providers perftest ucx-utils iproute2 \
	jq python3 procps bc
"$TOP/harness/tree.sh"
"$TOP/harness/kernel.sh"
"$TOP/harness/programs.sh"
"$TOP/harness/modules.sh" mlx5_sim
soak
finish
