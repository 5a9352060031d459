#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mlx5 on the simulated ConnectX: whose mkeys go when the device is full, when it
# only says so, and when it fails in another way.
#
# sim_room.sh [TEST...]: all tests, or those that are named

# shellcheck source-path=SCRIPTDIR source=sim_lib.sh
. "$(dirname "$0")/sim_lib.sh"

# What a full device may say; what has nothing to do with that
FULL=("$LIMITS_EXCEEDED" 0xf 0x6)
BROKEN=("$INTERNAL_ERROR" 0x3 0x5)

# The core destroys no more at once.
BATCH=64

given_up()
{
	total reclaimed
}

# Says that they can't be made.
refuses()
{
	! echo "$2" | mr_kinds $DEV "$1" >"$LOG" 2>&1 &&
		grep -qx "$2 failed" "$LOG" && return
	ktap_print_msg "$1: $(tail -1 "$LOG"), should be $2"
	return 1
}

gives_up()
{
	[ "$(given_up)" -gt 0 ]
}

ages()
{
	[ "$(total aged)" -gt 0 ]
}

# Each time it needs more than twice as many, so one that does not idle yet.
survives_errors_that_come_once()
{
	local kind=$1 count=0 status

	for status in "${FULL[@]}"; do
		count=$((2 * count + 1))
		fail_command $CREATE_MKEY 1 "$status"
		make "$kind" $count && all_failed &&
		equal "given up for $kind, $status" "$(given_up)" 0 || return
	done
}

# for_each_kind COMMAND...: with the name of the kind. With short UMRs a region may
# be too large for the pools, but none can be implicit.
for_each_kind()
{
	local kind

	fresh_device devx=1 short_umrs=1 && make_idle 50 || return
	for kind in mr large mw1 mw2 devx; do
		"$@" $kind || return
	done
	fresh_device && make_idle 50 && "$@" implicit
}

test_errors_that_come_once_cost_no_idle_mkey()
{
	has_pools && ! is_mainline || return "$KSFT_SKIP"
	for_each_kind survives_errors_that_come_once
}

fails_at_no_cost()
{
	local kind=$1 status result

	for status in "${BROKEN[@]}"; do
		fail_command $CREATE_MKEY 1000 "$status"
		refuses "$kind" 1
		result=$?
		fail_command $CREATE_MKEY 0 "$status"
		[ $result -eq 0 ] &&
		equal "given up for $kind, $status" "$(given_up)" 0 || return
	done
}

test_other_errors_cost_no_idle_mkey()
{
	has_pools || return "$KSFT_SKIP"
	for_each_kind fails_at_no_cost
}

gets_room()
{
	local kind=$1 before

	make_idle 100
	before=$(given_up)
	fill_device
	make "$kind" 1 || return
	echo $NO_LIMIT >$SIM/max_mkeys
	between "given up for one $kind" $(($(given_up) - before)) 1 16
}

test_one_object_on_a_full_device_costs_few_idle_mkeys()
{
	has_pools && ! is_mainline || return "$KSFT_SKIP"
	for_each_kind gets_room
}

test_many_objects_on_a_full_device_cost_about_as_many()
{
	has_pools || return "$KSFT_SKIP"
	make_idle 500 && fill_device &&
	make mr 100 &&
	between "given up for 100" "$(given_up)" 100 200
}

# More idle mkeys of one size than leave room for another.
test_registration_succeeds_while_idle_mkeys_can_be_reclaimed()
{
	has_pools || return "$KSFT_SKIP"
	echo $(($(cat $SIM/mkeys) + 40)) >$SIM/max_mkeys
	churn -m 30 -n 60 -s 1 >"$LOG" 2>&1 &&
	churn -m 30 -n 60 -s 64 >>"$LOG" 2>&1 &&
	churn -m 30 -n 60 -s 1024 >>"$LOG" 2>&1 && return
	ktap_print_msg "$(tail -1 "$LOG")"
	return 1
}

# What is in use and pinned fits; the rest has to give way all the time.
test_all_at_once_with_few_mkeys()
{
	has_pools || return "$KSFT_SKIP"
	echo $(($(other_mkeys) + 26)) >$SIM/max_mkeys
	all_at_once
}

# Each of 6 threads has one beside that of its buffer.
test_as_many_mkeys_as_regions_are_enough()
{
	has_pools || return "$KSFT_SKIP"
	echo $(($(other_mkeys) + 12)) >$SIM/max_mkeys
	churn -t 6 -m 1 -s 1,16,64,300 -v 0 -n 300 >"$LOG" 2>&1 && return
	ktap_print_msg "$(tail -1 "$LOG")"
	return 1
}

# There is never room, and each mkey takes long to go.
begin_endless_room()
{
	make_idle 600 &&
	echo 1 >$SIM/max_mkeys &&
	echo 50000 >$SIM/command_time_us &&
	start_making "$1" 1 && release &&
	eventually 30 gives_up
}

end_endless_room()
{
	echo 0 >$SIM/command_time_us
	echo $NO_LIMIT >$SIM/max_mkeys
}

kill_ends_room_for()
{
	local status

	fresh_device devx=1 &&
	begin_endless_room "$1" &&
	kill -KILL "$LOAD" &&
	eventually 10 gone "$LOAD"
	status=$?
	end_endless_room
	[ $status -eq 0 ] || ktap_print_msg "$1: a kill is not heard"
	[ $status -eq 0 ] &&
	between "given up for $1" "$(given_up)" 1 $((2 * BATCH))
}

test_kill_ends_the_making_of_room()
{
	has_pools && ! is_mainline || return "$KSFT_SKIP"
	kill_ends_room_for mr && kill_ends_room_for mw1 &&
	kill_ends_room_for devx && works
}

# What would be destroyed to make room would be lost as well. mlx5_core waits for 5
# seconds more than the timeout.
test_lost_command_costs_one_timeout_and_no_idle_mkey()
{
	local begin status

	has_pools && ! is_mainline || return "$KSFT_SKIP"
	fresh_device command_timeout_ms=1000 && make_idle 20 || return
	fail_command $CREATE_MKEY 1 $NEVER_ENDS
	fail_command $DESTROY_MKEY 100 $NEVER_ENDS
	begin=${EPOCHREALTIME/./}
	refuses mr 1 &&
	between "milliseconds" $(((${EPOCHREALTIME/./} - begin) / 1000)) \
		1000 4900 &&
	equal "still to fail" "$(cat $SIM/fail_command)" \
		"$DESTROY_MKEY 100 $NEVER_ENDS" &&
	equal "given up" "$(given_up)" 0
	status=$?
	heal
	[ $status -eq 0 ] && works
}

# lines_since MARK: of the kernel's log
lines_since()
{
	dmesg | awk -v mark="$1" '{ n++ } index($0, mark) { n = 0 } END { print n + 0 }'
}

# A place that may log may do so 10 times in 5 s.
logs_little_for()
{
	local kind=$1 mark="sim_room: failures of $1" begin=$SECONDS

	echo "$mark" >/dev/kmsg
	refuses "$kind" 500 || return
	between "lines for 500 failures of $kind" "$(lines_since "$mark")" 0 \
		$((60 * (1 + (SECONDS - begin) / 5)))
}

test_failures_do_not_flood_the_log()
{
	local kind

	fresh_device devx=1 || return
	fail_command $CREATE_MKEY 1000000 $LIMITS_EXCEEDED
	for kind in mr implicit mw1 devx; do
		logs_little_for $kind || return
	done
	heal
}

# The application has opened the device before, so that nothing but mkeys can be
# slow.
test_application_that_comes_back_while_mkeys_age_finds_the_rest()
{
	local count=500 before lost

	has_pools || return "$KSFT_SKIP"
	make mr $count && start_making mr 0 && eventually 20 tried 1 || return
	echo 20000 >$SIM/command_time_us
	age_fast && eventually 20 ages || return
	before=$(total aged)
	echo $count >&"$HOLD"
	eventually 60 tried 2
	lost=$(($(total aged) - before))
	echo 0 >$SIM/command_time_us
	release && await_load_end &&
	# A batch takes a second: one may end before the application is there.
	between "lost since it came back" $lost 0 $((2 * BATCH))
}

# leave_by WAY: the device goes
leave_by()
{
	case $1 in
	unbind) unbind ;;
	pull) echo 0 >$SIM/present ;;
	esac
}

# goes_during WAY COMMAND...: ends what the command began
goes_during()
{
	local way=$1

	fresh_device &&
	"${@:2}" &&
	leave_by "$way" && release && await_load_end &&
	equal "mkeys" "$(cat $SIM/mkeys)" 0 || return
	end_endless_room
	[ "$way" != pull ] || { echo 1 >$SIM/present && works; }
}

begin_pin()
{
	echo 20000 >$SIM/command_time_us
	set_pools pinned $IDLE_KEY 10000 >"$LOG" 2>&1 &
	LOAD=$!
	eventually 20 idle_mkeys
}

idle_mkeys()
{
	[ "$(in_pool 16 queue_handles)" -gt 0 ]
}

begin_aging()
{
	make_idle 600 && start_making mr 1 &&
	echo 20000 >$SIM/command_time_us &&
	age_fast && eventually 20 ages
}

test_device_goes_while_room_is_made()
{
	has_pools || return "$KSFT_SKIP"
	goes_during unbind begin_endless_room mr &&
	goes_during pull begin_endless_room mr
}

test_device_goes_while_a_pool_is_filled()
{
	has_pools || return "$KSFT_SKIP"
	goes_during unbind begin_pin && goes_during pull begin_pin
}

test_device_goes_while_mkeys_age()
{
	has_pools || return "$KSFT_SKIP"
	goes_during unbind begin_aging && goes_during pull begin_aging
}

run_sim_tests "$@"
