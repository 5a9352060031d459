#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the guest's kernel. It ends up in the folder FLAVOUR of its tree,
# objects and all.

. "$(dirname "$0")/lib.sh"

LOG=$BUILD/kernel-$FLAVOUR.log
FRAGMENT=$BUILD/$FLAVOUR.config

# What the last build of this flavour took, of how many steps: for the display.
LAST=$CACHE/build-$BASE-$FLAVOUR

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

# Counts the steps that make announces. On a terminal one line that counts up,
# else a line now and then.
show_progress()
{
	local steps=0 start=$SECONDS shown=-30 of last_steps=0 last_time=0
	local line now cr=

	[ ! -f "$LAST" ] || read -r last_steps last_time <"$LAST"
	of="of about ${last_steps}, last time it took $(in_time "$last_time")"
	[ "$last_steps" -gt 0 ] || of="of about 2000 from scratch"
	[ ! -t 2 ] || cr=$'\r'
	while read -r line; do
		case $line in
		CC*|AS*|LD*|AR*|HOST*|GEN*|UPD*|VDSO*) steps=$((steps + 1)) ;;
		*) continue ;;
		esac
		now=$((SECONDS - start))
		[ $((now - shown)) -ge $((${#cr} ? 1 : 30)) ] || continue
		shown=$now
		printf '%s   %s kernel: %5d steps %s, %s%s' "$cr" "$FLAVOUR" \
			"$steps" "$of" "$(in_time "$now")" \
			"${cr:-$'\n'}" >&2
	done
	now=$((SECONDS - start))
	printf '%s   %s kernel: %5d steps in %s%*s\n' "$cr" "$FLAVOUR" \
		"$steps" "$(in_time "$now")" $((${#cr} * 40)) '' >&2
	# A rebuild of a few files says nothing about a whole one.
	[ "$steps" -lt 1000 ] || echo "$steps $now" >"$LAST"
}

need gcc libc6-dev flex bison bc libelf-dev libssl-dev ccache cpio kmod
exec {lock}>"$BUILD/kernel-$FLAVOUR.lock"
flock "$lock"
say "building the $FLAVOUR kernel"
configure
make -j"$JOBS" -C "$TREE" O="$KBUILD" CC="ccache gcc" bzImage 2>&1 |
	tee "$LOG" | show_progress ||
	{ grep -E 'error|warning|\*\*\*' -A5 "$LOG" | head -40 >&2
	  die "the kernel does not build, see $LOG"; }
