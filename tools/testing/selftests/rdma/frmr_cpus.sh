#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# CPUs that share a pool, of which one comes and goes: no handle stays with it.
# Needs two CPUs, of which the second can go offline.

. "$(dirname "$0")/lib.sh"

CPU=1
CPUS=$(nproc)
ONLINE=/sys/devices/system/cpu/cpu$CPU/online
KEY=0:1:0:0
HANDLES=64
THREADS=4

trap bring_cpu_back EXIT

bring_cpu_back()
{
	[ ! -w "$ONLINE" ] || echo 1 >"$ONLINE"
}

take_cpu_away()
{
	[ -w "$ONLINE" ] || skip "CPU $CPU can't go offline" || return
	echo 0 >"$ONLINE"
}

# Threads wait for each other.
share_pool()
{
	churn -t $THREADS -s 1 -v 0 -S "$1" >/dev/null
}

# A pool of HANDLES, which CPUs have shared; the CPU was the last to use some.
cpu_goes_from_shared_pool()
{
	set_pools pinned $KEY $HANDLES &&
	share_pool 3 &&
	taskset -c $CPU mr_churn -d "$DEV" -s 1 -v 0 -m 20 -n 20 >/dev/null &&
	take_cpu_away &&
	equal "idle handles" "$(in_pool 1 queue_handles)" $HANDLES
}

test_handles_of_offline_cpu_are_found()
{
	cpu_goes_from_shared_pool &&
	churn -s 1 -v 0 -m $HANDLES -n $HANDLES >/dev/null &&
	bring_cpu_back &&
	equal created "$(in_pool 1 created)" $HANDLES
}

test_handles_of_offline_cpu_age()
{
	cpu_goes_from_shared_pool &&
	set_pools pinned $KEY 0 &&
	set_pools aging 1 &&
	eventually 20 no_pools &&
	bring_cpu_back
}

test_accounts_add_up_while_cpu_comes_and_goes()
{
	local max

	share_pool 6 &
	while kill -0 $! 2>/dev/null; do
		take_cpu_away || break
		sleep 0.3
		bring_cpu_back
		sleep 0.3
	done
	wait $! && [ -z "$SKIP" ] || return
	max=$(in_pool 1 max_in_use)
	equal "in use" "$(in_pool 1 in_use)" 0 &&
	[ "$max" -le $((THREADS + CPUS)) ] && return
	ktap_print_msg "at most $THREADS MRs at once, max_in_use $max"
	return 1
}

run_tests
