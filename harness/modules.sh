#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds modules of tools/testing for the kernel that was built:
# harness/modules.sh NAME...
# Each ends up in build/modules/FLAVOUR-NAME: links to the sources, so that no
# object is among them.

. "$(dirname "$0")/lib.sh"

LOG=$BUILD/modules-$FLAVOUR.log

need gcc libc6-dev ccache kmod

kernel_make()
{
	make -j"$JOBS" -C "$TREE" O="$KBUILD" CC="ccache gcc" "$@" \
		>>"$LOG" 2>&1 ||
		{ tail -20 "$LOG" >&2; die "a module does not build, see $LOG"; }
}

: >"$LOG"
# What the kernel exports; it has no modules of its own.
kernel_make modules
for name; do
	dir=$BUILD/modules/$FLAVOUR-$name
	mkdir -p "$dir"
	find "$dir" -type l -delete
	cp -rs "$TOP/tools/testing/$name/." "$dir"
	kernel_make M="$dir" modules
done
