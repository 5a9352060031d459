#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The benchmarks: numbers in build/bench/results.txt (native) and guest.txt, and
# plots beside them.
#
# BENCH=native	only the core in user space, against mainline's and a baseline
# BENCH=guest	only registration in the guest, with the pools and without
# IMPL=/path	measures the frmr_pools.c in that folder instead of the core's
# SAVE=1	keeps the results in doc/bench, with what they were measured on
# ROUNDS=n	how many times each kernel is booted

# Kernels for tests are too slow to tell anything.
export FLAVOUR=plain

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

DIR=$BUILD/bench
GUEST=$DIR/guest.txt
SAMPLES=$DIR/guest.samples
ROUNDS=${ROUNDS:-3}

# What the guest took last time, for each boot: for the display
LAST=$CACHE/bench-$BASE

[ -z "${IMPL:-}" ] || IMPL=$(cd "$IMPL" && pwd)

# mainline_core: the files of mainline's core alone, in a folder
mainline_core()
{
	local from to=$DIR/mainline

	from=$(LINUX='' BASE=7.3 "$TOP/harness/fetch.sh") || return
	rm -rf "$to"
	mkdir -p "$to"
	(cd "$from" && cp --parents drivers/infiniband/core/frmr_pools.[ch] \
		include/rdma/frmr_pools.h "$to")
	echo "$to"
}

bench_native()
{
	local mainline what="a single-lock baseline"

	if mainline=$(mainline_core); then
		what+=" and mainline's core"
	else
		say "mainline's core is not to be had: going on without it"
	fi
	say "building"
	rm -f "$DIR/bench-mainline"
	make -C "$TREE/tools/testing/frmr_pools" OUTPUT="$DIR" \
		${IMPL:+IMPL="$IMPL"} ${mainline:+MAINLINE="$mainline"} \
		-B bench >"$DIR/build.log" 2>&1 ||
		{ tail -20 "$DIR/build.log" >&2
		  die "the benchmark does not build"; }

	say "native pop and push, ${IMPL:-ours} against $what"
	"$TREE/tools/testing/frmr_pools/bench.sh" "$DIR"
}

# build_kernel FLAVOUR: with the modules that the benchmark needs
build_kernel()
{
	local FLAVOUR=$1

	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	"$TOP/harness/modules.sh" mlx5_sim rxe_delay
}

# boot FLAVOUR: one round of samples
boot()
{
	local FLAVOUR=$1 name=bench-$1

	ICOUNT=y TIMEOUT=1800 "$TOP/harness/guest.sh" "$name" \
		"$TOP/harness/guest/bench" </dev/null ||
		die "the benchmark failed on the $FLAVOUR kernel"
	! reports "$BUILD/guest/$name/console" | grep . >&2 ||
		die "the $FLAVOUR kernel complained"
	sed "s/^/$FLAVOUR /" "$BUILD/guest/$name/samples" >>"$SAMPLES"
}

# "FLAVOUR NAME MEDIAN UNIT" of each number, in the order of measurement
medians()
{
	awk '!($2 in at) { at[$2] = NR } { print at[$2], $0 }' "$SAMPLES" |
		sort -k2,2 -k1,1n -k4,4g | awk '
		function emit() {
			if (n)
				print key, v[int((n + 1) / 2)], unit
			n = 0
		}
		$2 " " $3 != key { emit(); key = $2 " " $3 }
		{ v[++n] = $4; unit = $5 }
		END { emit() }'
}

# The numbers, and a table of what matters; then the plots
report()
{
	local format

	: >"$GUEST"
	medians | awk -v results="$GUEST" -v dir="$DIR" -v peer="$PEER" \
		-f "$TOP/harness/bench.awk"
	for format in svg png; do
		(cd "$DIR" && gnuplot -e "format='$format'" \
			"$TOP/harness/bench.gp")
	done
}

# The kernels take turns. Time is the number of instructions: the machine may
# be busy, and what a kernel does is compared, not how QEMU runs it.
bench_guest()
{
	local i flavour last=

	build_kernel plain
	build_kernel base
	"$TOP/harness/programs.sh"

	[ ! -f "$LAST" ] || last=", last time $(in_time "$(cat "$LAST")") a boot"
	: >"$SAMPLES"
	SECONDS=0
	for ((i = 1; i <= ROUNDS; i++)); do
		for flavour in plain base; do
			say "registration, $flavour kernel, round $i of $ROUNDS:" \
				"$(in_time $SECONDS)$last"
			boot $flavour
		done
	done
	echo $((SECONDS / ROUNDS / 2)) >"$LAST"
	report
}

save()
{
	local to=$TOP/doc/bench${BUILD#"$TOP/build"}

	mkdir -p "$to"
	cp "$DIR"/*.txt "$DIR"/*.svg "$to"
	{
		sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1
		echo "$(nproc) CPUs, gcc $(gcc -dumpversion)"
	} >"$to/machine.txt"
}

need gcc gnuplot-nox liburcu-dev rdma-core ibverbs-utils ibverbs-providers \
	iproute2 jq
"$TOP/harness/tree.sh"
mkdir -p "$DIR"
case ${BENCH:-all} in
native)
	bench_native
	;;
guest)
	bench_guest
	;;
all)
	bench_native
	bench_guest
	;;
*)
	die "BENCH=$BENCH is neither native nor guest"
	;;
esac
[ -z "${SAVE:-}" ] || save
say "results: $DIR/*.txt, plots: $DIR/*.svg and *.png"
