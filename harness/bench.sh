#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The benchmarks: numbers in build/bench/results.txt, and plots beside them.
#
# IMPL=/path	measures the frmr_pools.c in that folder instead of the core's

. "$(dirname "$0")/lib.sh"

BENCH=$BUILD/bench

[ -z "${IMPL:-}" ] || IMPL=$(cd "$IMPL" && pwd)

need gcc gnuplot-nox liburcu-dev
"$TOP/harness/tree.sh"
mkdir -p "$BENCH"

say "building"
make -C "$TREE/tools/testing/frmr_pools" OUTPUT="$BENCH" \
	${IMPL:+IMPL="$IMPL"} -B bench >"$BENCH/build.log" 2>&1 ||
	{ tail -20 "$BENCH/build.log" >&2; die "the benchmark does not build"; }

say "native pop and push, ${IMPL:-ours} against a single-lock baseline"
"$TREE/tools/testing/frmr_pools/bench.sh" "$BENCH"
say "results: $BENCH/results.txt, plots: $BENCH/*.svg and *.png"
