#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All tests of one flavour, on the kernel that BASE or LINUX names. If neither is
# given: all of them on the first base, and what is different on the others.
#
# The debug kernels are too slow, and made for another purpose, than to run
# rdma-core's tests on them.

NAMED=${BASE:-}${LINUX:-}

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"
. "$TOP/harness/kunit.sh"
. "$TOP/harness/selftest.sh"
. "$TOP/harness/pyverbs.sh"
. "$TOP/harness/userspace.sh"
. "$TOP/harness/lint.sh"

# Guests wait most of the time, and these checks need a CPU.
check_source()
{
	say "the core in user space"
	run_faults
	if [ -n "${DIFFERENCES:-}" ]; then
		say "checks of the source"
		lint_base
		return
	fi
	run_userspace
	say "checks of the source"
	run_lint
}

MLX5_FOLDER=drivers/infiniband/hw/mlx5

check_base()
{
	# shellcheck disable=SC2086
	need $SELFTEST_PACKAGES $LINT_PACKAGES $USERSPACE_PACKAGES \
		python3-pyverbs
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	build_programs
	"$TOP/harness/modules.sh" mlx5_sim

	[ "$FLAVOUR" != compat ] || check "mlx5: mainline's" diff -r \
		"$(cat "$TREE/.frmr/origin")/$MLX5_FOLDER" "$TREE/$MLX5_FOLDER"
	[ "$FLAVOUR" != plain ] || begin source check_source
	say "unit tests"
	run_kunit
	say "selftests"
	run_selftests
	case $FLAVOUR${DIFFERENCES:-} in
	plain|compat)
		say "rdma-core's tests"
		run_pyverbs ;;
	esac
	[ "$FLAVOUR" != plain ] || join source
}

# What meets the kernel where that is different
DIFFERENT_TESTS="mr_verbs nl_fuzz sim.sh sim_pools.sh sim_faults.sh"

# check_other BASE: what is different there. That Debian's archive may not have
# that kernel any more is no fault of what is tested.
check_other()
{
	local out=$BUILD/check-$1 passed=0 failed=1 skipped=0

	say "Linux $1"
	if ! BASE=$1 "$TOP/harness/fetch.sh" >"$out.fetch"; then
		add_results "Linux $1" 0 0 1
		return
	fi
	BASE=$1 DIFFERENCES=y TESTS=$DIFFERENT_TESTS "$TOP/harness/check.sh" \
		>"$out" || true
	read -r passed _ failed _ skipped _ < <(tail -1 "$out" | tr -d ,) || true
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	SKIPPED=$((SKIPPED + skipped))
}

check_base
if [ -z "$NAMED" ] && [ "$FLAVOUR" = plain ]; then
	for base in ${BASES#* }; do
		check_other "$base"
	done
fi
finish
