#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds what runs in the guest: the tool and the selftests' programs, against
# the interface of the kernel with the series, whichever it runs on.

export FLAVOUR=plain

. "$(dirname "$0")/lib.sh"

need gcc pkg-config libmnl-dev libjson-c-dev libibverbs-dev librdmacm-dev rsync

selftests()
{
	make --no-print-directory -C "$TREE/tools/testing/selftests/rdma" \
		OUTPUT="$BUILD/selftests" \
		KHDR_INCLUDES="-isystem $KBUILD/usr/include" "$@"
}

# promtool alone, as its package would start a server. One test needs it.
fetch_promtool()
{
	local tmp

	tmp=$(mktemp -d "$CACHE/promtool.XXXXXX")
	(cd "$tmp" && apt-get download -q prometheus &&
		dpkg-deb -x ./*.deb . && mv usr/bin/promtool "$CACHE/promtool") \
		>"$BUILD/promtool.log" 2>&1 ||
		say "promtool is not to be had: a test is skipped"
	rm -rf "$tmp"
}

"$TOP/harness/tree.sh"
[ -f "$CACHE/promtool" ] || fetch_promtool
# Those that the kernel has without the series are named rxe_*.
# Joined, as a failure inside of a condition does not end the script.
{
	make -C "$TREE" O="$KBUILD" headers &&
	make -C "$TREE/tools/rdma" OUTPUT="$BUILD/tools" \
		KHDR_INCLUDES="-isystem $KBUILD/usr/include" &&
	{ [ ! -f "$CACHE/promtool" ] ||
		ln -sf "$CACHE/promtool" "$BUILD/tools"; } &&
	mkdir -p "$BUILD/selftests" &&
	selftests all &&
	rm -rf "$BUILD/selftests/install" &&
	selftests install INSTALL_PATH="$BUILD/selftests/install/rdma" &&
	install -D -t "$BUILD/selftests/install/kselftest" \
		"$TREE"/tools/testing/selftests/kselftest/*.{sh,pl} &&
	install -t "$BUILD/selftests/install" \
		"$TREE/tools/testing/selftests/run_kselftest.sh" &&
	selftests -s emit_tests COLLECTION=rdma | grep -v ':rxe_' \
		>"$BUILD/selftests/install/kselftest-list.txt"
} >"$BUILD/programs.log" 2>&1 ||
	{ tail -20 "$BUILD/programs.log" >&2; die "the programs do not build"; }
