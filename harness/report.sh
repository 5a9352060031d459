# SPDX-License-Identifier: GPL-2.0
# Sums up test results. Sourced after lib.sh.
# shellcheck shell=bash

PASSED=0 FAILED=0 SKIPPED=0

# count_ktap NAME FILE: adds the results in FILE; shows those that are not ok
count_ktap()
{
	local name=$1 file=$2 out=$BUILD/parsed-${1//\//-}.log summary

	if grep -q '^1\.\.0 # SKIP' "$file"; then
		add_results "$name" 0 0 1
		return
	fi
	"$TREE/tools/testing/kunit/kunit.py" parse "$file" >"$out" 2>&1 || true
	summary=$(sed 's/\x1b\[[0-9;]*m//g' "$out" |
		grep -a 'Testing complete. Ran' | tail -1)
	add_results "$name" "$(number passed "$summary")" \
		$(($(number failed "$summary") + $(number crashed "$summary") +
		   $(number errors "$summary"))) \
		"$(number skipped "$summary")"
	if [ -n "$LAST_FAILED" ]; then
		sed 's/\x1b\[[0-9;]*m//g' "$out" |
			grep -aE 'FAILED|CRASHED|ERROR|not ok|\[TIMED OUT\]' |
			head -20 >&2
		say "all of it: $file"
	fi
}

# number WORD SUMMARY: the number after "WORD: ", or 0
number()
{
	local n

	n=$(grep -oE "$1: [0-9]+" <<<"$2" | grep -oE '[0-9]+' | head -1) || true
	echo "${n:-0}"
}

# add_results NAME PASSED FAILED SKIPPED: no result at all is a failure
add_results()
{
	local name=$1 passed=$2 failed=$3 skipped=$4

	[ $((passed + failed + skipped)) -gt 0 ] || failed=1
	LAST_FAILED=
	[ "$failed" -eq 0 ] || LAST_FAILED=$failed
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	SKIPPED=$((SKIPPED + skipped))
	printf '   %-34s %4d passed %4d failed %4d skipped\n' \
		"$name" "$passed" "$failed" "$skipped" >&2
}

# begin NAME COMMAND...: in the background, in what time the others leave; its
# results come with "join NAME"
begin()
{
	local name=$1

	rm -f "$BUILD/$name.results"
	(
		renice -n 19 $BASHPID >/dev/null
		"${@:2}"
		echo "$PASSED $FAILED $SKIPPED" >"$BUILD/$name.results"
	) >"$BUILD/$name.out" 2>&1 &
	BEGUN=$!
	# What is in the background does not hear it.
	trap 'kill 0' INT
}

# join NAME: waits for what was begun, and shows what it said
join()
{
	local name=$1 passed=0 failed=1 skipped=0

	wait "$BEGUN" || true
	cat "$BUILD/$name.out" >&2
	[ ! -f "$BUILD/$name.results" ] ||
		read -r passed failed skipped <"$BUILD/$name.results"
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	SKIPPED=$((SKIPPED + skipped))
}

# check_console NAME FILE: a kernel that complained has failed a test, unless
# the test announced that it would
check_console()
{
	local name=$1 file=$2 found expected

	found=$(reports "$file" | grep -c .) || true
	expected=$(sed -nE 's/.*frmr_test: expect ([0-9]+) warning.*/\1/p' \
		"$file" | paste -sd+ | bc)
	if [ "$found" -eq "${expected:-0}" ]; then
		add_results "$name" 1 0 0
	else
		add_results "$name" 0 1 0
		reports "$file" | head -10 >&2
		say "$found reports, ${expected:-0} expected: $file"
	fi
}

# check_leaks NAME FILE CONSOLE: what kmemleak found; a test may have announced
# that what it did makes the kernel leak, which need not be found
check_leaks()
{
	local name=$1 file=$2 console=$3 found announced

	found=$(grep -c '^unreferenced object' "$file") || true
	announced=$(grep -c 'frmr_test: expect a leak' "$console") || true
	if [ "$found" -le "$announced" ]; then
		add_results "$name" 1 0 0
	else
		add_results "$name" 0 1 0
		head -40 "$file" >&2
		say "$found leaks, $announced announced: $file"
	fi
}

# check_guest NAME DIR: its console and, where the kernel can tell, what leaked
check_guest()
{
	check_console "$1 console" "$2/console"
	[ ! -f "$2/leaks" ] || check_leaks "$1 leaks" "$2/leaks" "$2/console"
}

# reports FILE: each line of a console that begins a report, with its number.
# Reports of data races are only ours if one of their stacks leads through RDMA.
reports()
{
	awk -v all="$REPORTS" -v ours="$RDMA_FUNCTIONS" -v known="$RACES" '
		$0 ~ known	{ next }
		/BUG: KCSAN/	{ race = FNR ":" $0; next }
		race && /==========/	{ race = "" }
		race && $0 ~ ours { print race; race = "" }
		!race && $0 ~ all { print FNR ":" $0 }' "$1"
}

# One line each of what the kernel says when something is wrong.
REPORTS='WARNING: |BUG: |UBSAN: |Oops|general protection|Kernel panic'
REPORTS+='|INFO: (task|rcu|possible)|unreferenced object|ODEBUG: '
REPORTS+='|refcount_t: |detected stall|DEBUG_LOCKS_WARN'

# The unmodified kernel: Soft-RoCE reads and writes need_req_skb of a queue pair
# on two CPUs, mlx5 guesses from the tail of a work queue if there is room, the
# tick looks at the flags of a worker that begins to allocate without I/O, and
# timers have no lock for each other.
RACES='data-race in (rxe_requester / rxe_skb_tx_dtor'
RACES+='|mlx5_ib_poll_cq / mlx5r_begin_wqe'
RACES+='|[a-z_]* / kthread_data'
RACES+='|hrtimer_wakeup / schedule_hrtimeout_range_clock'
RACES+='|__hrtimer_run_queues / hrtimer_active'
RACES+='|ktime_get_mono_fast_ns / timekeeping_update)'

RDMA_FUNCTIONS=' (frmr|ib_|nldev|rdma_|rxe_|mlx5|umem|uverbs)[a-z0-9_]*\\+0x'

# finish: the last line, and a truthful status
finish()
{
	echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	[ "$FAILED" -eq 0 ]
}
