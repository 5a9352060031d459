#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the guest's kernel. It ends up in the folder FLAVOUR of its tree,
# objects and all.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/progress.sh"

LOG=$BUILD/kernel-$FLAVOUR.log
FRAGMENT=$BUILD/$FLAVOUR.config

merge_fragments()
{
	case $FLAVOUR in
	plain) plain_config ;;
	base) plain_config | grep -vE '^CONFIG_(INFINIBAND_FRMR|MLX5_.*KUNIT)_' ;;
	compat) plain_config | grep -v '^CONFIG_MLX5_.*KUNIT' ;;
	*) plain_config | cat - "$TOP/harness/config/$FLAVOUR.config" ;;
	esac
}

configure()
{
	merge_fragments >"$FRAGMENT.new"
	if [ -f "$KBUILD/.config" ] && cmp -s "$FRAGMENT" "$FRAGMENT.new"; then
		rm "$FRAGMENT.new"
		return
	fi
	mv "$FRAGMENT.new" "$FRAGMENT"
	mkdir -p "$KBUILD"
	(cd "$TREE" && scripts/kconfig/merge_config.sh -n -O "$KBUILD" \
		"$FRAGMENT") >"$BUILD/config.log" 2>&1 ||
		{ cat "$BUILD/config.log" >&2; die "the configuration failed"; }
	# It goes on without what kconfig would not have.
	! grep '^Value requested' "$BUILD/config.log" >&2 ||
		die "kconfig dropped what it can't have"
}

need gcc libc6-dev flex bison bc libelf-dev libssl-dev ccache cpio kmod
exec {lock}>"$BUILD/kernel-$FLAVOUR.lock"
flock "$lock"
say "building the $FLAVOUR kernel"
configure
make -j"$JOBS" -C "$TREE" O="$KBUILD" CC="ccache gcc" bzImage 2>&1 |
	tee "$LOG" | show_progress "$FLAVOUR kernel" 2000 ||
	{ grep -E 'error|warning|\*\*\*' -A5 "$LOG" | head -40 >&2
	  die "the kernel does not build, see $LOG"; }
