#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Measures the core, the baseline and, if it was built, mainline's core in turn,
# several times; prints medians, and plots them if there is gnuplot.
#
# usage: bench.sh [DIR]	where the programs are, and where the results go
#
# results.txt has a line "BENCH NAME VALUE UNIT" for each number:
#   NAME		of the core, or of what IMPL named when it was built
#   baseline_NAME	of the baseline
#   mainline_NAME	of mainline's core
#   ratio_NAME		how many times more the baseline takes
#   ratio_mainline_NAME	how many times more mainline's core takes

here=$(cd "$(dirname "$0")" && pwd) || exit 1
cd "${1:-.}" || exit 1

ROUNDS=${ROUNDS:-7}
GROWTH_ROUNDS=${GROWTH_ROUNDS:-3}
IMPLS="core baseline"
[ ! -x bench-mainline ] || IMPLS+=" mainline"

export LC_ALL=C

# measure ROUNDS NAME [N]: the median of each implementation, in one line
measure()
{
	local rounds=$1 impl i medians=

	shift
	rm -f samples.*
	for ((i = 0; i < rounds; i++)); do
		for impl in $IMPLS; do
			"./bench-$impl" "$@" >>"samples.$impl" ||
				{ echo "bench: $impl: $* failed" >&2
				  return 1; }
		done
	done
	for impl in $IMPLS; do
		medians+=" $(sort -g "samples.$impl" |
			sed -n "$(((rounds + 1) / 2))p")"
	done
	rm -f samples.*
	echo "$medians"
}

# record NAME UNIT VALUE...: lines of results.txt; not what does not exist
record()
{
	awk -v impls="$IMPLS" -v name="$1" -v unit="$2" -v values="${*:3}" '
		function bench(prefix, value, unit) {
			print "BENCH", prefix name, value, unit
		}
		BEGIN {
			count = split(impls, impl)
			split(values, value)
			bench("", value[1], unit)
			for (i = 2; i <= count; i++) {
				if (value[i] == "NaN")
					continue
				bench(impl[i] "_", value[i], unit)
				if (value[1] > 0)
					bench(i == 2 ? "ratio_" : \
					      "ratio_" impl[i] "_", sprintf( \
					      "%.2f", value[i] / value[1]), "x")
			}
		}' >>results.txt
}

# One after the other: what comes out, and what it is
bench_fixed()
{
	local name unit what values

	# shellcheck disable=SC2086
	{
		printf '%-13s' ""
		printf '%9s' $IMPLS
		echo
	}
	./bench-core list | grep -v ^growth | while read -r name unit what; do
		values=$(measure "$ROUNDS" "$name") || return 1
		# shellcheck disable=SC2086
		{
			record "$name" "$unit" $values
			printf '%-13s' "$name"
			printf '%9s' $values
		}
		printf ' %-5s %s\n' "$unit" "$what"
	done
}

# grow NAME UNIT N...: growth_NAME.dat with lines "N CORE BASELINE [MAINLINE]"
grow()
{
	local name=$1 unit=$2 n values

	shift 2
	: >"growth_$name.dat"
	for n; do
		values=$(measure "$GROWTH_ROUNDS" "growth_$name" "$n") ||
			return 1
		echo "$n$values" >>"growth_$name.dat"
	done
	# shellcheck disable=SC2086
	{
		record "${name}_$n" "$unit" $values
		printf '%-13s' "$name"
		printf '%9s' $values
	}
	echo " $unit    N = $n"
}

plot()
{
	local t mainline=0

	[ "$IMPLS" = "core baseline" ] || mainline=1
	awk '$3 > 0 && $4 == "ns" {
		name = $2
		if (!sub(/^(baseline|mainline)_/, "", name))
			names[++count] = name
		v[$2] = $3
	} END {
		for (i = 1; i <= count; i++) {
			name = names[i]
			print name, v[name], v["baseline_" name],
				"mainline_" name in v ? v["mainline_" name] : "NaN"
		}
	}' results.txt | grep -v '^lookup' >fixed.dat
	for t in svg png; do
		gnuplot -e "format='$t'; mainline=$mainline" \
			"$here/plot.gp" || return 1
	done
}

: >results.txt
bench_fixed || exit 1
echo
echo "How it grows with N: the growth_*.dat files; their last lines are"
pools="1 4 16 64 256 1024 4096 16384"
handles="16 64 256 1024 4096 16384 65536 262144 1048576"
# shellcheck disable=SC2086
{
	grow lookup ns $pools &&
	grow dump us $pools &&
	grow tick_idle us $handles &&
	grow tick_aged us $handles &&
	grow pinned us $handles
} || exit 1
[ -z "$(command -v gnuplot)" ] || plot
