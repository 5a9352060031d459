#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rdma-core's own tests on Soft-RoCE. Each has to end as on the unmodified
# kernel, see harness/expect/pyverbs.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

# Debian ships the tests as documentation, which some systems don't install.
unpack_pyverbs()
{
	local dir=$BUILD/pyverbs

	[ ! -d "$dir/tests" ] || return 0
	rm -rf "$dir.new"
	mkdir -p "$dir.new"
	chmod 755 "$dir.new"
	(cd "$dir.new" &&
	 apt-get -o APT::Sandbox::User=root download -q python3-pyverbs \
		>/dev/null &&
	 dpkg-deb -x python3-pyverbs_*.deb root &&
	 mv root/usr/share/doc/rdma-core/tests . && gunzip tests/*.gz &&
	 rm -rf root ./*.deb) || die "no tests of rdma-core"
	mv "$dir.new" "$dir"
}

run_pyverbs()
{
	local out=$BUILD/guest/pyverbs

	unpack_pyverbs
	"$TOP/harness/guest.sh" pyverbs "$TOP/harness/guest/pyverbs" \
		"$BUILD/pyverbs" </dev/null >"$BUILD/pyverbs.log" ||
		say "the guest did not end well"
	python3 "$TOP/harness/pyverbs.py" "$TOP/harness/expect/pyverbs" \
		"$BUILD/pyverbs.log" >"$out/pyverbs.ktap"
	count_ktap pyverbs "$out/pyverbs.ktap"
	check_console "pyverbs console" "$out/console"
}

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	need python3 python3-pyverbs rdma-core ibverbs-providers iproute2
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	run_pyverbs
	finish
fi
