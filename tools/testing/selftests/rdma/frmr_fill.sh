#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Filling a pool of a device that is slow to create objects, or holds few: how a
# fill is ended, and what else works meanwhile. Needs
# CONFIG_INFINIBAND_FRMR_TEST_DEVICE.

. "$(dirname "$0")/lib.sh"

DEV=frmr_fill
KNOBS=/sys/kernel/debug/frmr_test/$DEV
KEY=0:4:0:0

# A fill of this many takes more than 100 s if an object takes 1 ms.
MANY=100000

no_device()
{
	! rdma dev show "$DEV" >/dev/null 2>&1 || rdma link delete "$DEV"
}

fresh_device()
{
	no_device && rdma link add "$DEV" type frmr_test netdev lo
}

# knob NAME [VALUE]: reads or sets it
knob()
{
	if [ $# -eq 1 ]; then
		cat "$KNOBS/$1"
	else
		echo "$2" >"$KNOBS/$1"
	fi
}

# The device has what the pools say, and was never asked for what is wrong.
device_agrees()
{
	equal "objects in the device" "$(knob live)" \
		$(($(total queue_handles) + $(total in_use))) &&
	equal mistakes "$(knob mistakes)" 0
}

has_handles()
{
	[ "$(total queue_handles)" -gt 0 ]
}

# within SECONDS COMMAND...: it ends in that time, whatever its status
within()
{
	local begin=$SECONDS

	"${@:2}"
	[ $((SECONDS - begin)) -le "$1" ] && return
	ktap_print_msg "$((SECONDS - begin)) s, should be $1: ${*:2}"
	return 1
}

pool_has()
{
	[ "$(in_pool 4 queue_handles)" = "$1" ]
}

# A signal ends the fill; what was created stays, is accounted, and ages.
signal_ends_a_fill()
{
	local sig=$1

	set_pools pinned $KEY 10 &&
	knob create_us 1000 &&
	within 10 timeout --foreground -s "$sig" 1 \
		rdma-frmr resource set frmr_pools dev "$DEV" pinned $KEY $MANY
	knob create_us 0
	equal pinned "$(in_pool 4 pinned_handles)" 10 &&
	[ "$(in_pool 4 queue_handles)" -gt 10 ] &&
	[ "$(in_pool 4 queue_handles)" -lt $MANY ] &&
	accounting_holds && device_agrees &&
	set_pools aging 1 &&
	eventually 10 pool_has 10
}

test_sigkill_ends_a_fill()
{
	signal_ends_a_fill KILL
}

test_sigterm_ends_a_fill()
{
	signal_ends_a_fill TERM
}

test_sigint_ends_a_fill()
{
	signal_ends_a_fill INT
}

test_a_killed_first_fill_ages_away_with_its_pool()
{
	knob create_us 1000 &&
	within 10 timeout --foreground -s KILL 1 \
		rdma-frmr resource set frmr_pools dev "$DEV" pinned $KEY $MANY
	knob create_us 0
	equal pinned "$(in_pool 4 pinned_handles)" 0 &&
	has_handles && device_agrees &&
	set_pools aging 1 &&
	eventually 10 no_pools && device_agrees
}

# In the background a fill that takes long; its output goes to a file.
begin_slow_fill()
{
	knob create_us 1000
	rdma-frmr resource set frmr_pools dev "$DEV" pinned $KEY $MANY \
		>/run/frmr-fill 2>&1 &
	eventually 10 has_handles
}

end_slow_fill()
{
	kill -KILL %% && wait %% 2>/dev/null
	knob create_us 0
}

test_deleting_the_device_ends_a_fill()
{
	begin_slow_fill &&
	within 10 rdma link delete "$DEV"
	local status=$?

	wait %% && status=1
	fresh_device
	[ $status -eq 0 ] && grep -q "device goes away" /run/frmr-fill && return
	ktap_print_msg "the fill said: $(cat /run/frmr-fill)"
	return 1
}

test_another_pool_is_set_up_during_a_slow_fill()
{
	begin_slow_fill &&
	within 5 set_pools pinned 0:8:0:0 10 &&
	equal idle "$(in_pool 8 queue_handles)" 10 &&
	within 5 set_pools aging 5
	local status=$?

	end_slow_fill
	return $status
}

grows_beyond()
{
	[ "$(in_pool 4 queue_handles)" -gt "$1" ]
}

test_pools_are_shown_during_a_slow_fill()
{
	local before

	begin_slow_fill &&
	before=$(in_pool 4 queue_handles) &&
	eventually 5 grows_beyond "$before"
	local status=$?

	end_slow_fill
	return $status
}

test_registrations_go_on_during_a_slow_fill()
{
	begin_slow_fill &&
	within 5 knob pop 100 &&
	equal in_use "$(in_pool 100 in_use)" 1 &&
	within 5 knob push 1
	local status=$?

	end_slow_fill
	return $status
}

test_a_full_device_restores_the_pin_and_keeps_what_was_created()
{
	knob capacity 1000 &&
	set_pools pinned $KEY 10 &&
	refused "did not create as many" set_pools pinned $KEY 2000 &&
	equal pinned "$(in_pool 4 pinned_handles)" 10 &&
	equal idle "$(in_pool 4 queue_handles)" 1000 &&
	device_agrees
}

test_a_fill_takes_what_other_pools_do_not_need()
{
	knob capacity 1000 &&
	set_pools pinned 0:8:0:0 600 &&
	set_pools pinned 0:8:0:0 100 &&
	set_pools pinned $KEY 900 &&
	equal idle "$(in_pool 4 queue_handles)" 900 &&
	equal "of the other" "$(in_pool 8 queue_handles)" 100 &&
	device_agrees
}

if [ "$(id -u)" -eq 0 ] && [ ! -d "${KNOBS%/*}" ]; then
	ktap_print_header
	ktap_skip_all "needs CONFIG_INFINIBAND_FRMR_TEST_DEVICE"
	exit "$KSFT_SKIP"
fi
trap no_device EXIT
run_tests
