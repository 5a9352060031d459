#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The unit tests: a boot that runs them and switches off.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

run_kunit()
{
	local name=kunit-$FLAVOUR options

	options="kunit.enable=1 kunit.autorun=1 kunit.filter_glob=*frmr*"
	APPEND="$options kunit_shutdown=poweroff" \
		"$TOP/harness/guest.sh" "$name" </dev/null ||
		say "the guest did not end well"
	count_ktap "$name" "$BUILD/guest/$name/console"
	check_console "$name console" "$BUILD/guest/$name/console"
}

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	need python3
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	run_kunit
	finish
fi
