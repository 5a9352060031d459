#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Handles that a CPU has at hand, when the CPU is taken away. Needs two CPUs, of
# which the second can go offline.

. "$(dirname "$0")/lib.sh"

CPU=1
ONLINE=/sys/devices/system/cpu/cpu$CPU/online
KEY=0:1:0:0
HANDLES=64
THREADS=4

trap bring_cpu_back EXIT

bring_cpu_back()
{
	[ ! -w "$ONLINE" ] || echo 1 >"$ONLINE"
}

# Threads wait for each other. What CPUs have at hand counts as in use in the
# maximum: that tells when they have some.
threads_share_pool()
{
	churn -t "$THREADS" -s 1 -v 0 -S 3 >/dev/null &&
	[ "$(in_pool 1 max_in_use)" -gt "$THREADS" ]
}

# A pool of HANDLES, of which the CPU has some at hand when it goes offline.
cpu_goes_with_handles()
{
	[ -w "$ONLINE" ] || skip "CPU $CPU can't go offline" || return
	set_pools pinned "$KEY" "$HANDLES" &&
	eventually 30 threads_share_pool &&
	taskset -c "$CPU" mr_churn -d "$DEV" -s 1 -v 0 -m 20 -n 20 >/dev/null &&
	echo 0 >"$ONLINE" &&
	equal "idle handles" "$(in_pool 1 queue_handles)" "$HANDLES"
}

test_handles_of_offline_cpu_are_found()
{
	cpu_goes_with_handles &&
	churn -s 1 -v 0 -m "$HANDLES" -n "$HANDLES" >/dev/null &&
	bring_cpu_back &&
	equal created "$(in_pool 1 created)" "$HANDLES"
}

test_handles_of_offline_cpu_age()
{
	cpu_goes_with_handles &&
	set_pools pinned "$KEY" 0 &&
	set_pools aging 1 &&
	eventually 20 no_pools &&
	bring_cpu_back
}

run_tests
