#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rdma-core's own tests on Soft-RoCE and on the simulated ConnectX. Each has to end
# as on the unmodified kernel, see harness/expect.

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

run_pyverbs_on()
{
	local device=$1 name=pyverbs-$1 out=$BUILD/guest/pyverbs-$1

	"$TOP/harness/guest.sh" "$name" "$TOP/harness/guest/pyverbs" \
		"$BUILD/pyverbs" "$device" </dev/null >"$BUILD/$name.log" ||
		say "the guest did not end well"
	python3 "$TOP/harness/pyverbs.py" "$TOP/harness/expect/$BASE/$name" \
		"$BUILD/$name.log" >"$out/pyverbs.ktap"
	count_ktap "$name" "$out/pyverbs.ktap"
	check_console "$name console" "$out/console"
}

run_pyverbs()
{
	unpack_pyverbs
	[ "$FLAVOUR" = compat ] || run_pyverbs_on rxe0
	run_pyverbs_on mlx5_0
}

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	need python3 python3-pyverbs rdma-core ibverbs-utils ibverbs-providers \
		iproute2
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	"$TOP/harness/modules.sh" mlx5_sim
	run_pyverbs
	finish
fi
