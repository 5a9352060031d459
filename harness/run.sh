#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The main job: shows what the pools do for real programs, in the guest.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"
. "$TOP/harness/progress.sh"

# use_stock STOCK: Debian's own kernel, with the modules of the series
use_stock()
{
	local dir

	need gcc libc6-dev make ccache cpio kmod libelf1 xz-utils binutils
	command -v busybox >/dev/null || need busybox
	. "$TOP/harness/outside.sh"
	. "$TOP/harness/initrd.sh"
	dir=$BUILD/$ABI
	build_shown "$1" "$dir/modules"
	make_root "$1" "$dir/modules" "$dir/root"
	make_initrd "$dir/root" "$dir/initrd"
	export IMAGE=$1/boot/vmlinuz-$ABI INITRD=$dir/initrd
}

need rdma-core ibverbs-utils ibverbs-providers perftest iproute2 jq
"$TOP/harness/tree.sh"
# That is a matter of minutes. Another kernel, or this one if the archive does not
# have it any more, takes longer.
if [[ -z ${LINUX:-} && $FLAVOUR = plain && -n $SUFFIX ]] &&
   stock=$("$TOP/harness/stock.sh")
then
	use_stock "$stock"
else
	"$TOP/harness/kernel.sh"
fi
"$TOP/harness/programs.sh"

say "booting the kernel"
status=0
"$TOP/harness/guest.sh" run "$TOP/harness/guest/show" </dev/null || status=$?
if grep -aE "$REPORTS" "$BUILD/guest/run/console" >&2; then
	die "the kernel complained, see $BUILD/guest/run/console"
fi
exit $status
