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

# faults_in FOLDER: those of the core in it, a line each
faults_in()
{
	local out=$BUILD/faults

	rm -rf "$out"
	mkdir -p "$out"
	make -C "$TREE/tools/testing/frmr_pools" OUTPUT="$out" IMPL="$1" \
		faults >"$out/build.log" 2>&1 ||
		{ tail -20 "$out/build.log" >&2; return 1; }
	"$out/faults" >"$out/ktap" || true
	grep -q '^1\.\.' "$out/ktap" && sed -n 's/^not ok [0-9]* //p' "$out/ktap"
}

# The core that the series replaces has each of the faults before the fixes, and
# no more than those in harness/expect after them.
run_faults()
{
	local replaced=$TREE/.frmr/replaced before=$BUILD/replaced f fixed
	local open=$TOP/harness/expect/$BASE/faults

	# 6.12 has no core to replace.
	[ -f "$open" ] || return 0
	rm -rf "$before"
	mkdir -p "$before"
	(cd "$replaced" && find . -type f) | while read -r f; do
		install -D "$(cat "$TREE/.frmr/origin")/$f" "$before/$f"
	done
	if faults_in "$before" >"$before/faults" &&
	   ! grep -q '^ok' "$BUILD/faults/ktap"; then
		add_results "faults of the unmodified core" 1 0 0
	else
		add_results "faults of the unmodified core" 0 1 0
		grep '^ok' "$BUILD/faults/ktap" >&2 || true
	fi
	if fixed=$(faults_in "$replaced") &&
	   ! grep -qvxF -f "$open" <<<"$fixed"; then
		add_results "faults of the core with the fixes" 1 0 0
	else
		add_results "faults of the core with the fixes" 0 1 0
		printf '%s\n' "$fixed" >&2
	fi
}

USERSPACE_PACKAGES="gcc clang libclang-rt-dev liburcu-dev"

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	# shellcheck disable=SC2086
	need python3 $USERSPACE_PACKAGES
	"$TOP/harness/tree.sh"
	run_userspace
	run_faults
	finish
fi
