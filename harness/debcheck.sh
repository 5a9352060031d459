#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds packages of a small kernel with modules, unpacks them as an
# administrator's machine would, and boots what is in them.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

export DEB=$BUILD/debcheck
ROOT=$DEB/root

need rdma-core ibverbs-utils ibverbs-providers perftest iproute2 jq
"$TOP/harness/tree.sh"
"$TOP/harness/programs.sh"
modular_config >"$BUILD/debcheck.config"
make -s -C "$TREE" O="$BUILD/debcheck.kernel" allnoconfig \
	KCONFIG_ALLCONFIG="$BUILD/debcheck.config" >/dev/null
CONFIG=$BUILD/debcheck.kernel/.config "$TOP/harness/deb.sh"

rm -rf "$ROOT"
dpkg -x "$(ls "$DEB"/linux-image-*.deb)" "$ROOT"
IMAGE=$(ls "$ROOT"/boot/vmlinuz-*)
export IMAGE
if "$TOP/harness/guest.sh" debcheck "$TOP/harness/guest/debcheck" "$ROOT" \
		</dev/null; then
	add_results "packages: the pools at work" 1 0 0
else
	add_results "packages: the pools at work" 0 1 0
fi
check_console "packages: console" "$BUILD/guest/debcheck/console"
finish
