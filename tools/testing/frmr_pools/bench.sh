#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Measures the core and the baseline in turn, several times; prints medians,
# and plots them if there is gnuplot.
#
# usage: bench.sh [DIR]	where the programs are, and where the results go
#
# results.txt has a line "BENCH NAME VALUE UNIT" for each number:
#   NAME		of the core, or of what IMPL named when it was built
#   baseline_NAME	of the baseline
#   ratio_NAME		how many times more the baseline takes

here=$(cd "$(dirname "$0")" && pwd) || exit 1
cd "${1:-.}" || exit 1

ROUNDS=${ROUNDS:-7}
GROWTH_ROUNDS=${GROWTH_ROUNDS:-3}
IMPLS="core baseline"

export LC_ALL=C

median()
{
	sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# measure ROUNDS NAME [N]: a line "IMPL MEDIAN" for each implementation
measure()
{
	local rounds=$1 impl i

	shift
	rm -f samples.*
	for ((i = 0; i < rounds; i++)); do
		for impl in $IMPLS; do
			"./bench-$impl" "$@" >>"samples.$impl" || return 1
		done
	done
	for impl in $IMPLS; do
		echo "$impl $(median <"samples.$impl")"
	done
	rm -f samples.*
}

# One after the other: what is measured, and what came out
bench_fixed()
{
	local name unit what impl value
	local -A got

	./bench-core list | grep -v ^growth | while read -r name unit what; do
		while read -r impl value; do
			got[$impl]=$value
		done < <(measure "$ROUNDS" "$name")
		if [ -z "${got[core]}" ] || [ -z "${got[baseline]}" ]; then
			echo "bench: $name failed" >&2
			return 1
		fi
		awk -v name="$name" -v unit="$unit" -v core="${got[core]}" \
			-v base="${got[baseline]}" 'BEGIN {
			printf "BENCH %s %s %s\n", name, core, unit
			printf "BENCH baseline_%s %s %s\n", name, base, unit
			printf "BENCH ratio_%s %.2f x\n", name, base / core
		}' >>results.txt
		printf '%-13s %9s %9s %-6s %s\n' "$name" "${got[core]}" \
			"${got[baseline]}" "$unit" "$what"
		unset 'got[core]' 'got[baseline]'
	done
}

# grow NAME N...: a file of "N CORE BASELINE" lines
grow()
{
	local name=$1 n values

	shift
	printf '%-13s' "$name"
	: >"growth_$name.dat"
	for n; do
		values=$(measure "$GROWTH_ROUNDS" "growth_$name" "$n") ||
			return 1
		awk -v n="$n" '{ n = n " " $2 } END { print n }' \
			<<<"$values" >>"growth_$name.dat"
	done
	awk -v name="$name" '{ n = $1; v = $2
		printf " %s:%s", n, v }
		END { print ""; unit = name == "lookup" ? "ns" : "us"
		printf "BENCH %s_%d %s %s\n", name, n, v, unit \
			>>"results.txt" }' "growth_$name.dat"
}

plot()
{
	local t

	awk '/^BENCH baseline_.* ns$/ {
		name = substr($2, 10)
		print name, v[name], $3
	} { v[$2] = $3 }' results.txt >fixed.dat
	for t in svg png; do
		gnuplot -e "format='$t'" "$here/plot.gp" || return 1
	done
}

: >results.txt
printf '%-13s %9s %9s\n' "" "core" "baseline"
bench_fixed || exit 1
echo
echo "how it grows, of the core only: N:ns for lookup, else N:us"
pools="1 4 16 64 256 1024 4096 16384"
handles="16 64 256 1024 4096 16384 65536 262144 1048576"
# shellcheck disable=SC2086
{
	grow lookup $pools &&
	grow dump $pools &&
	grow tick_idle $handles &&
	grow tick_aged $handles &&
	grow pinned $handles
} || exit 1
[ -z "$(command -v gnuplot)" ] || plot
