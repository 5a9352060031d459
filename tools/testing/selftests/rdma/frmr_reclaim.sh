#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the netlink commands of the FRMR pools do on an adapter that takes long
# for each command, or fails it: mlx5 on the simulated ConnectX
# (tools/testing/mlx5_sim).
#
# frmr_reclaim.sh [TEST...]: all tests, or those that are named

# shellcheck source-path=SCRIPTDIR source=sim_lib.sh
. "$(dirname "$0")/sim_lib.sh"

KEY=0:4:0:0
SAID=/run/frmr-reclaim

# So many take some seconds to destroy, even if the adapter destroys 16 at once.
MANY=2000
SLOW_US=10000

take_us()
{
	echo "$1" >$SIM/command_time_us
}

has_reclaimed()
{
	[ "$(in_pool 4 queue_handles)" -lt $MANY ]
}

# What the device was tried with goes, so that each test begins with no pool.
nothing_idles()
{
	set_pools reclaim >/dev/null
}

# In the background, of all but 10 of MANY.
begin_slow_reclaim()
{
	nothing_idles &&
	set_pools pinned $KEY $MANY && set_pools pinned $KEY 10 &&
	take_us $SLOW_US || return
	rdma-frmr resource set frmr_pools dev $DEV reclaim >$SAID 2>&1 &
	eventually 10 has_reclaimed
}

# What idles then stays, and is accounted.
signal_ends_a_reclaim()
{
	local status=0

	begin_slow_reclaim || return
	kill -s "$1" $!
	eventually 5 gone $! || status=1
	take_us 0
	wait $! 2>/dev/null
	[ $status -eq 0 ] || ktap_print_msg "SIG$1 does not end it"
	[ "$(in_pool 4 queue_handles)" -gt 10 ] &&
	[ "$(in_pool 4 queue_handles)" -lt $MANY ] &&
	set_pools reclaim >/dev/null &&
	equal idle "$(total queue_handles)" 10 &&
	return $status
}

test_sigkill_ends_a_reclaim()
{
	signal_ends_a_reclaim KILL
}

test_sigterm_ends_a_reclaim()
{
	signal_ends_a_reclaim TERM
}

# The driver, not the command, then destroys what is left.
test_a_device_that_goes_ends_a_reclaim()
{
	local reclaim unbind status=0

	begin_slow_reclaim || return
	reclaim=$!
	echo $PCI_DEVICE >$DRIVER/unbind & unbind=$!
	eventually 5 gone $reclaim || status=1
	[ "$(cat $SIM/mkeys)" -gt 0 ] || status=1
	[ $status -eq 0 ] ||
		ktap_print_msg "the device, with $(cat $SIM/mkeys) mkeys," \
			"waits for the command"
	take_us 0
	wait $reclaim $unbind
	equal "mkeys left" "$(cat $SIM/mkeys)" 0 && return $status
}

test_registrations_go_on_during_a_slow_reclaim()
{
	local status

	begin_slow_reclaim &&
	timeout 10 mr_churn -d $DEV -n 20 -m 1 -s 4 -v 0 >/dev/null
	status=$?
	kill -KILL $! && wait $! 2>/dev/null
	take_us 0
	return $status
}

gave_to_others()
{
	[ "$(total reclaimed)" -ge 100 ]
}

# Shrinkers are asked for a part of what they have: here it is at least 128. The
# application's regions are verified.
test_memory_pressure_takes_what_idles()
{
	nothing_idles && set_pools pinned $KEY 1000 &&
	set_pools pinned $KEY 10 && start_load -m 5 -s 4 || return
	hog_memory
	echo 2 >/proc/sys/vm/drop_caches
	eventually 10 gave_to_others ||
		{ ktap_print_msg "given back: $(total reclaimed)"; return 1; }
	! gone "$LOAD" && stop_load && LOAD= &&
	equal pinned "$(total pinned_handles)" 10 &&
	[ "$(total queue_handles)" -ge 10 ]
}

# pin_fails STATUS TEXT: how the firmware fails, and what the kernel says then
pin_fails()
{
	fail_command $CREATE_MKEY 1000 "$1" &&
	refused "$2" set_pools pinned $KEY 5 &&
	equal pinned "$(total pinned_handles)" 0
}

# Limits exceeded, no resources, resource busy; internal error, bad parameter.
test_a_pin_that_fails_says_why()
{
	nothing_idles &&
	pin_fails 0x8 "did not create as many" &&
	pin_fails 0xf "did not create as many" &&
	pin_fails 0x6 "did not create as many" &&
	pin_fails 0x1 "failed to create a handle" &&
	pin_fails 0x3 "can have this key"
}

test_a_pin_that_is_not_answered_says_so()
{
	fresh_device command_timeout_ms=1000 && nothing_idles &&
	fail_command $CREATE_MKEY 1 $NEVER_ENDS &&
	refused "did not answer in time" set_pools pinned $KEY 1 &&
	equal pinned "$(total pinned_handles)" 0
	local status=$?

	# mlx5_core can't go without that slot.
	heal
	return $status
}

run_sim_tests "$@"
