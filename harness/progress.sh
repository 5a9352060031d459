# SPDX-License-Identifier: GPL-2.0
# Shows how far make has come. Sourced after lib.sh.
# shellcheck shell=bash

# show_progress WHAT STEPS: counts the steps that make announces, of about so many
# from scratch. On a terminal one line that counts up, else a line now and then.
# What the last build took, of how many steps, is remembered.
show_progress()
{
	local what=$1 from_scratch=$2 last="$CACHE/build-$BASE-${1// /-}"
	local steps=0 start=$SECONDS shown=-30 last_steps=0 last_time=0
	local line now of cr=

	[ ! -f "$last" ] || read -r last_steps last_time <"$last"
	of="of about ${last_steps}, last time it took $(in_time "$last_time")"
	[ "$last_steps" -gt 0 ] || of="of about $from_scratch from scratch"
	[ ! -t 2 ] || cr=$'\r'
	while read -r line; do
		case $line in
		CC*|AS*|LD*|AR*|HOST*|GEN*|UPD*|VDSO*) steps=$((steps + 1)) ;;
		*) continue ;;
		esac
		now=$((SECONDS - start))
		[ $((now - shown)) -ge $((${#cr} ? 1 : 30)) ] || continue
		shown=$now
		printf '%s   %s: %5d steps %s, %s%s' "$cr" "$what" \
			"$steps" "$of" "$(in_time "$now")" \
			"${cr:-$'\n'}" >&2
	done
	now=$((SECONDS - start))
	printf '%s   %s: %5d steps in %s%*s\n' "$cr" "$what" \
		"$steps" "$(in_time "$now")" $((${#cr} * 40)) '' >&2
	# A rebuild of a few files says nothing about a whole one.
	[ "$steps" -lt $((from_scratch / 2)) ] || echo "$steps $now" >"$last"
}
