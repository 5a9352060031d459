#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The life of the pools under Soft-RoCE: what applications that register memory,
# end, are killed, or lose their device, do to them.

. "$(dirname "$0")/lib.sh"

# mr_churn registers a buffer of 64 pages for its own use, beside the others.
OWN=64

test_a_new_device_has_no_pools()
{
	no_pools
}

test_a_miss_creates_an_object_of_the_rounded_size()
{
	churn -n 1 -s 3 >/dev/null &&
	equal created "$(in_pool 4 created)" 1 &&
	equal misses "$(in_pool 4 misses)" 1 &&
	equal hits "$(in_pool 4 hits)" 0 &&
	equal idle "$(in_pool 4 queue_handles)" 1 &&
	equal pools "$(pools | jq -c 'map(.num_dma_blocks)')" "[4,$OWN]"
}

test_a_restart_creates_nothing()
{
	local created misses

	churn -n 50 -m 50 -s 1,2,5,16 >/dev/null || return
	created=$(total created)
	misses=$(total misses)
	churn -n 50 -m 50 -s 1,2,5,16 >/dev/null &&
	equal "created again" "$(total created)" "$created" &&
	equal misses "$(total misses)" "$misses"
}

test_sizes_that_round_to_the_same_share_a_pool()
{
	churn -n 20 -s 5,6,7,8 >/dev/null &&
	equal created "$(in_pool 8 created)" 1 &&
	equal hits "$(in_pool 8 hits)" 19
}

in_use_is()
{
	[ "$(total in_use)" -eq "$1" ]
}

test_held_registrations_count_as_in_use()
{
	local status=0

	mr_churn -d "$DEV" -n 30 -m 30 -s 1 --hold 60 >/dev/null &
	eventually 30 in_use_is 31 &&
	equal in_use "$(in_pool 1 in_use)" 30 &&
	between "created ahead" "$(in_pool 1 queue_handles)" 0 30 &&
	accounting_holds || status=1

	# Ends the holding.
	kill -TERM $!
	wait
	[ $status -eq 0 ] &&
	equal "in_use afterwards" "$(in_pool 1 in_use)" 0 &&
	equal "idle afterwards" "$(in_pool 1 queue_handles)" \
		"$(in_pool 1 created)" &&
	equal max_in_use "$(in_pool 1 max_in_use)" 30
}

test_a_killed_application_leaves_nothing_in_use()
{
	mr_churn -d "$DEV" -n 40 -m 40 -s 1,4 --hold 60 >/dev/null &
	eventually 30 in_use_is 41
	kill -KILL $!
	wait $! 2>/dev/null
	eventually 10 in_use_is 0 &&
	between idle "$(total queue_handles)" 41 82
}

test_idle_objects_age_and_pools_end()
{
	churn -n 60 -m 60 -s 1,4,16 >/dev/null &&
	set_pools aging 1 &&
	eventually 10 no_pools
}

test_thousands_of_sizes_leave_no_pool()
{
	churn -n 5000 -s 1-5000 --in-turn -v 0 >/dev/null &&
	[ "$(pools | jq length)" -le 5000 ] &&
	equal pops $(($(total hits) + $(total misses))) 5001 &&
	set_pools aging 2 &&
	sleep 4 &&
	eventually 2 no_pools
}

test_what_is_in_use_does_not_age()
{
	churn -n 10 -m 10 -s 2 --hold 6 >/dev/null &
	set_pools aging 1
	sleep 4
	equal in_use "$(in_pool 2 in_use)" 10
	local status=$?

	wait
	return $status
}

# With several threads nothing is verified by RDMA: on a slow machine, Soft-RoCE
# without pools loses a completion now and then, too.
test_threads_share_pools_without_losing_anything()
{
	churn -t 4 -n 1500 -m 8 --verify 0 >/dev/null &&
	equal in_use "$(total in_use)" 0
}

test_reused_objects_show_the_memory_of_their_owner()
{
	churn -n 500 -m 20 --verify 1 >/dev/null &&
	[ "$(total hits)" -gt "$(total misses)" ]
}

test_registration_goes_on_while_pools_age()
{
	set_pools aging 1 &&
	churn -t 2 -S 5 -m 20 --verify 0 >/dev/null &&
	eventually 30 no_pools
}

test_a_device_is_deleted_once_its_applications_are_gone()
{
	churn -n 50 -m 50 -s 1,4 --hold 3 >/dev/null &
	sleep 1
	rdma link delete "$DEV" &
	wait
	refused "" rdma link show "$DEV/1" &&
	fresh_device &&
	no_pools
}

test_a_device_is_deleted_while_its_pools_age()
{
	local i

	for i in 0 2 4 6 8; do
		fresh_device
		set_pools aging 1
		churn -n 300 -m 300 -s 1,2 --verify 0 >/dev/null || return
		sleep 1.$i
		rdma link delete "$DEV" || return
	done
	fresh_device
}

test_a_device_is_deleted_with_full_pools()
{
	churn -n 1000 -m 1000 -s 1 --verify 0 >/dev/null &&
	rdma link delete "$DEV" &&
	fresh_device && no_pools
}

# What two registrations of 3 pages, one after the other, leave in a trace.
REGISTERED=(
	"frmr_create: *dev=$DEV key=0:4:0:0\[0\] count=1 ret=0"
	"frmr_pop: *dev=$DEV key=0:4:0:0\[0\] handle=[0-9]* miss"
	"frmr_push: *dev=$DEV key=0:4:0:0\[0\] handle="
	"frmr_pop: *dev=$DEV key=0:4:0:0\[0\] handle=[0-9]* hit"
)

# traced FILE PATTERN...: each pattern is in the trace
traced()
{
	local want

	for want in "${@:2}"; do
		grep -q "$want" "$1" && continue
		ktap_print_msg "not in the trace: $want"
		return 1
	done
}

test_registrations_are_traced()
{
	local t=/sys/kernel/tracing

	echo >$t/trace
	echo 1 >$t/events/frmr/enable
	churn -n 2 -s 3 --verify 0 >/dev/null
	set_pools aging 1
	eventually 10 no_pools
	echo 0 >$t/events/frmr/enable
	cp $t/trace "/run/frmr-trace"
	echo >$t/trace

	traced /run/frmr-trace "${REGISTERED[@]}" \
		"frmr_destroy: *dev=$DEV key=0:4:0:0\[0\] count=1" \
		"frmr_age: *dev=$DEV key=0:4:0:0\[0\] count=1"
}

# This and the next test run what frmr_pools_admin.rst tells administrators to.
test_trace_cmd_records_and_reports()
{
	command -v trace-cmd >/dev/null || skip "no trace-cmd" || return

	trace-cmd record -o /run/frmr.dat -e frmr \
		mr_churn -d "$DEV" -n 2 -s 3 -v 0 >/dev/null 2>&1 &&
	trace-cmd report -i /run/frmr.dat >/run/frmr-report 2>/dev/null &&
	traced /run/frmr-report "${REGISTERED[@]}"
}

test_histograms_count_hits_misses_and_what_aged()
{
	local events=/sys/kernel/tracing/events/frmr

	[ -e $events/frmr_pop/hist ] || skip "no CONFIG_HIST_TRIGGERS" || return

	echo 'hist:keys=num_dma_blocks,hit' >$events/frmr_pop/trigger
	echo 'hist:keys=num_dma_blocks:vals=count' >$events/frmr_age/trigger
	churn -n 5 -m 1 -s 3 --verify 0 >/dev/null
	churn -n 5 -m 1 -s 3 --verify 0 >/dev/null
	set_pools aging 1
	eventually 10 no_pools
	cat $events/frmr_{pop,age}/hist >/run/frmr-hist
	echo '!hist:keys=num_dma_blocks,hit' >$events/frmr_pop/trigger
	echo '!hist:keys=num_dma_blocks:vals=count' >$events/frmr_age/trigger

	traced /run/frmr-hist \
		"num_dma_blocks: *4, hit: *0 } hitcount: *1$" \
		"num_dma_blocks: *4, hit: *1 } hitcount: *9$" \
		"num_dma_blocks: *4 } .* count: *1$"
}

# Tables of 2 GiB, of which the kernel has none.
test_impossible_pin_gives_nothing_up()
{
	churn -n 50 -m 50 -s 1 -v 0 >/dev/null &&
	refused "No MR of this device can have this key" \
		set_pools pinned 0:8000000:0:0 1 &&
	equal "given up" "$(total reclaimed)" 0 &&
	equal idle "$(in_pool 1 queue_handles)" "$(in_pool 1 created)" &&
	equal "impossible pools" "$(in_pool $((0x8000000)) created)" none
}

oom_kills()
{
	awk '$1 == "oom_kill" { print $2 }' /proc/vmstat
}

# Tables of 1 GiB, one more than memory can hold
test_pin_that_memory_cannot_hold_kills_nobody()
{
	local kbytes kills

	kbytes=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
	kills=$(oom_kills)
	refused "did not create as many" \
		set_pools pinned 0:4000000:0:0 $(((kbytes >> 20) + 1)) &&
	equal "processes killed" "$(oom_kills)" "$kills" &&
	equal pinned "$(in_pool $((0x4000000)) pinned_handles)" 0 &&
	set_pools aging 1 &&
	eventually 20 no_pools
}

max_mrs()
{
	ibv_devinfo -v -d "$DEV" | awk '$1 == "max_mr:" { print $2 }'
}

# All indexes but a few are those of idle objects.
test_full_device_gives_up_few_idle_objects()
{
	set_pools pinned 0:1:0:0 $(($(max_mrs) - 10)) &&
	set_pools pinned 0:1:0:0 0 &&
	churn -n 50 -m 50 -s 4 -v 0 >/dev/null &&
	equal created "$(in_pool 4 created)" 50 &&
	[ "$(total reclaimed)" -gt 0 ] && [ "$(total reclaimed)" -le 100 ] &&
		return
	ktap_print_msg "given up: $(total reclaimed)"
	return 1
}

test_all_at_once()
{
	all_at_once &&
	equal "in use" "$(total in_use)" 0 &&
	eventually 10 no_pools
}

run_tests
