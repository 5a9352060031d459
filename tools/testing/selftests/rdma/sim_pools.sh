#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mlx5 on the simulated ConnectX: what the first FRMR pools, of Linux 7.1, got
# wrong as far as an administrator or an application sees it.
#
# sim_pools.sh [TEST...]: all tests, or those that are named

# shellcheck source-path=SCRIPTDIR source=sim_lib.sh
. "$(dirname "$0")/sim_lib.sh"

# Not set_pools(), whose shell would be what is killed.
start_pin()
{
	echo "$1" >>"$PINS"
	rdma-frmr resource set frmr_pools dev $DEV pinned $IDLE_KEY "$1" \
		>"$LOG" 2>&1 &
	LOAD=$!
}

idle()
{
	in_pool 16 queue_handles
}

idle_is()
{
	[ "$(idle)" = "$1" ]
}

idle_below()
{
	[ "$(idle)" -lt "$1" ]
}

# The smaller ones fit into the table of a pinned mkey, the larger ones do only
# into one of 64 blocks, whose pool serves them all.
test_pin_of_one_size_does_no_harm_to_larger_ones()
{
	local pages

	make mr 1 64 && set_pools pinned 0:21:0:0 20 || return
	for pages in 33 34 35 48 63 64; do
		make mr 10 $pages || return
	done
}

# In jiffies these periods are a bit more than 2^32, with one HZ or another.
test_long_aging_periods_are_long()
{
	local hz

	make_idle 10 || return
	for hz in 100 250 300 1000; do
		set_pools aging $((0x100000000 / hz + 1)) && sleep 3 &&
		equal "idle, HZ=$hz" "$(idle)" 10 || return
	done
}

test_pin_of_more_than_there_can_be_is_refused()
{
	local warnings

	warnings=$(dmesg | grep -c WARNING)
	refused "" set_pools pinned $IDLE_KEY 2000000000 &&
	equal "warnings" "$(dmesg | grep -c WARNING)" "$warnings" &&
	between "mkeys" "$(cat $SIM/mkeys)" 0 1000
}

test_kill_ends_a_pin()
{
	echo 50000 >$SIM/create_time_us
	start_pin 2000
	sleep 1
	kill -KILL "$LOAD"
	eventually 10 gone "$LOAD" && return
	ktap_print_msg "a kill is not heard"
	return 1
}

test_pin_that_fails_leaves_the_one_before()
{
	set_pools pinned $IDLE_KEY 5 && fill_device &&
	refused "" set_pools pinned $IDLE_KEY 2000 &&
	equal "pinned" "$(in_pool 16 pinned_handles)" 5
}

test_pins_at_once_create_what_is_asked_for_once()
{
	local first status

	echo 5000 >$SIM/create_time_us
	start_pin 100
	first=$LOAD
	start_pin 100
	wait "$first" && wait "$LOAD"
	status=$?
	echo 0 >$SIM/create_time_us
	[ $status -eq 0 ] && equal "idle" "$(idle)" 100
}

# More than are destroyed at once, so that some still idle when they are pinned.
test_pin_keeps_what_ages_meanwhile()
{
	make_idle 2000 || return
	echo 3000 >$SIM/destroy_time_us
	age_fast && eventually 20 idle_below 2000 &&
	set_pools pinned $IDLE_KEY 500 && sleep 6 || return
	echo 0 >$SIM/destroy_time_us
	eventually 20 idle_below 501 && sleep 3 &&
	equal "idle" "$(idle)" 500
}

# An mkey whose owner could not be shut out is lost to the pool.
test_pinned_mkeys_that_are_lost_are_replaced()
{
	expect_umr_warning
	set_pools pinned $IDLE_KEY 5 &&
	start_making mr 1 16 && eventually 20 tried 1 || return
	echo 1 >$SIM/fail_umrs
	release && await_load_end && age_fast &&
	equal "UMRs that are still to fail" "$(cat $SIM/fail_umrs)" 0 &&
	eventually 10 idle_is 5 && return
	ktap_print_msg "idle: $(idle), should be 5"
	return 1
}

# Others that would do, each a bit larger, lie around it in whatever order.
test_mkeys_of_the_very_size_are_found()
{
	local before pages

	set_pools pinned 0:12c:0:0 16 && set_pools pinned 0:12c:0:0 0 || return
	for pages in {301..315}; do
		make mr 1 "$pages" || return
	done
	before=$(cat $SIM/mkeys)
	make mr 10 300 &&
	equal "mkeys" "$(cat $SIM/mkeys)" "$before"
}

test_no_registration_fails_while_mkeys_of_another_size_idle()
{
	make_idle 100 && fill_device && make mr 10
}

test_pools_end_when_nobody_needs_them()
{
	make mr 1 100 && make mr 1 300 && age_fast &&
	eventually 20 no_pools && return
	ktap_print_msg "pools: $(pools | jq length), should be 0"
	return 1
}

test_many_sizes_make_few_pools()
{
	local pages

	! is_mainline || return "$KSFT_SKIP"
	for pages in {1..200}; do
		echo "1 $pages"
	done | mr_kinds $DEV mr >"$LOG" 2>&1 &&
	between "pools" "$(pools | jq length)" 1 40
}

test_request_asks_for_one_thing()
{
	local dev

	ynl --list-ops >/dev/null 2>&1 || return "$KSFT_SKIP"
	dev="\"dev-index\": $(dev_index)"
	refused "" ynl --do frmr-pools-set --json "{$dev}" &&
	refused "" ynl --do frmr-pools-set --json "{$dev,
		\"frmr-pools-aging-period\": 60,
		\"frmr-pool-pinned-handles\": 7, \"frmr-pool-key\": {
		\"frmr-pool-key-num-dma-blocks\": 16}}"
}

test_pin_of_no_blocks_is_refused()
{
	refused "" set_pools pinned 0:0:0:0 5
}

# An mkey counts them in 32 bits.
test_pin_of_too_many_blocks_is_refused()
{
	! is_mainline || return "$KSFT_SKIP"
	refused "" set_pools pinned 0:100000001:0:0 1
}

test_stale_key_is_of_no_use_to_the_next_owner_of_its_mkey()
{
	! is_mainline || return "$KSFT_SKIP"
	passes mr_adapter -t stays_dead_when_its_object_serves_the_next_one
}

test_stale_keys_are_refused_until_they_come_again()
{
	! is_mainline || return "$KSFT_SKIP"
	stale_keys_are_refused
}

if ! has_pools; then
	ktap_print_header
	ktap_skip_all "the kernel has no FRMR pools"
	exit "$KSFT_SKIP"
fi
run_sim_tests "$@"
