#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the virtual ConnectX for the kernel that was built, into
# build/FLAVOUR-vhca: links to the sources, so that no object is among them.

. "$(dirname "$0")/lib.sh"

VHCA=$BUILD/$FLAVOUR-vhca
SOURCE=$TOP/tools/testing/mlx5_vhca

need gcc libc6-dev ccache kmod
export CCACHE_DIR=$CACHE/ccache CCACHE_NOHASHDIR=1
mkdir -p "$VHCA"
find "$VHCA" -type l -delete
ln -s "$SOURCE"/*.[ch] "$SOURCE/Makefile" "$VHCA"
{
	# What the kernel exports; it has no modules of its own.
	make -j"$JOBS" -C "$TREE" O="$KBUILD" CC="ccache gcc" modules &&
	make -j"$JOBS" -C "$TREE" O="$KBUILD" CC="ccache gcc" M="$VHCA" modules
} >"$BUILD/vhca.log" 2>&1 ||
	{ tail -20 "$BUILD/vhca.log" >&2; die "the virtual ConnectX does not build"; }
