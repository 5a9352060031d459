#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The selftests on Soft-RoCE and on the simulated ConnectX: one boot, a TAP file
# for each test program. TESTS names some of them, SIM_REGISTRATIONS says how
# many registrations are verified on the latter, TIMEOUT how long all may take:
# a third of it is for each.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

SELFTEST_PACKAGES="rdma-core ibverbs-utils ibverbs-providers perftest iproute2
jq python3 python3-yaml python3-jsonschema procps trace-cmd"

# Those of the adapter
ADAPTER_TESTS="sim.sh sim_pools.sh sim_faults.sh sim_room.sh"

run_selftests()
{
	local name=selftest-$FLAVOUR out=$BUILD/guest/selftest-$FLAVOUR f
	local limit=7200

	[ "$FLAVOUR" != plain ] || limit=3600
	limit=${TIMEOUT:-$limit}
	if [ "$FLAVOUR" = compat ]; then
		local MLX5=mainline TESTS=${TESTS:-$ADAPTER_TESTS}
	fi
	# shellcheck disable=SC2086
	TIMEOUT=$limit "$TOP/harness/guest.sh" "$name" \
		env SIM_REGISTRATIONS="${SIM_REGISTRATIONS:-}" \
		LIMIT=$((limit / 3)) MLX5="${MLX5:-}" \
		"$TOP/harness/guest/selftest" ${TESTS:-} </dev/null >&2 || {
		say "the guest did not end well"
		add_results "$name guest" 0 1 0
	}
	for f in "$out"/*.tap; do
		# Their results, as comments of those of run_kselftest.sh
		sed -n 's/^# //p' "$f" >"${f%.tap}.ktap"
		count_ktap "$name/$(basename "$f" .tap)" "${f%.tap}.ktap"
	done
	check_guest "$name" "$out"
}

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	# shellcheck disable=SC2086
	need $SELFTEST_PACKAGES
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	"$TOP/harness/programs.sh"
	"$TOP/harness/modules.sh" mlx5_sim
	run_selftests
	finish
fi
