#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The core compiled for user space: the model, the sanitizers, the fuzzer.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

run_userspace()
{
	local out=$BUILD/userspace

	mkdir -p "$out"
	make -C "$TREE/tools/testing/frmr_pools" -j"$JOBS" OUTPUT="$out" \
		CFLAGS="-O2 -g -Werror" >"$out/build.log" 2>&1 ||
		{ tail -20 "$out/build.log" >&2
		  add_results "userspace: build" 0 1 0
		  return; }
	"$TREE/tools/testing/frmr_pools/run.sh" "$out" >"$out/ktap" || true
	count_ktap userspace "$out/ktap"
}

USERSPACE_PACKAGES="gcc clang libclang-rt-dev liburcu-dev"

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	# shellcheck disable=SC2086
	need python3 $USERSPACE_PACKAGES
	"$TOP/harness/tree.sh"
	run_userspace
	finish
fi
