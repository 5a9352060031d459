#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All tests of one flavour. The debug kernel is too slow, and made for another
# purpose, than to run rdma-core's tests on it.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"
. "$TOP/harness/kunit.sh"
. "$TOP/harness/selftest.sh"
. "$TOP/harness/pyverbs.sh"
. "$TOP/harness/userspace.sh"
. "$TOP/harness/lint.sh"

# shellcheck disable=SC2086
need $SELFTEST_PACKAGES $LINT_PACKAGES $USERSPACE_PACKAGES python3-pyverbs
"$TOP/harness/tree.sh"
"$TOP/harness/kernel.sh"
build_programs
"$TOP/harness/modules.sh" mlx5_vhca

# Guests wait most of the time, and these checks need a CPU.
check_source()
{
	say "the core in user space"
	run_userspace
	say "checks of the source"
	run_lint
}

[ "$FLAVOUR" != plain ] || begin source check_source
say "unit tests"
run_kunit
say "selftests"
run_selftests
if [ "$FLAVOUR" = plain ]; then
	say "rdma-core's tests"
	run_pyverbs
	join source
fi
finish
