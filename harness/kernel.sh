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

# kconfig drops what it can't have without a word, so look for each symbol.
check_config()
{
	local line lost=()

	while read -r line; do
		grep -qxF -- "${line/%=n/ is not set}" <(
			sed 's/^# \(CONFIG_.* is not set\)$/\1/' \
				"$KBUILD/.config") || lost+=("$line")
	done < <(grep '^CONFIG_' "$FRAGMENT")
	[ ${#lost[@]} -eq 0 ] || die "kconfig dropped: ${lost[*]}"
}

configure()
{
	merge_fragments >"$FRAGMENT.new"
	if [ -f "$KBUILD/.config" ] && cmp -s "$FRAGMENT" "$FRAGMENT.new"; then
		rm "$FRAGMENT.new"
		return
	fi
	mv "$FRAGMENT.new" "$FRAGMENT"
	make -C "$TREE" O="$KBUILD" KCONFIG_ALLCONFIG="$FRAGMENT" \
		allnoconfig >"$BUILD/config.log" 2>&1 ||
		{ cat "$BUILD/config.log" >&2; die "the configuration failed"; }
	check_config
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
