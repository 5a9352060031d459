#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mlx5 on the simulated ConnectX: what it registers is what the adapter accesses.
#
# sim.sh [TEST...]: all tests, or those that are named
# SIM_REGISTRATIONS	how many to verify, of each byte (1000)

# shellcheck source-path=SCRIPTDIR source=sim_lib.sh
. "$(dirname "$0")/sim_lib.sh"

SIM_REGISTRATIONS=${SIM_REGISTRATIONS:-1000}
# So many at once keep the adapter busy.
PROCESSES=8

test_libmlx5_opens_the_device()
{
	ibv_devinfo -d $DEV >"$LOG" &&
	grep -q 'vendor_part_id:.*4125' "$LOG" &&
	grep -q 'link_layer:.*InfiniBand' "$LOG"
}

# The port of the programs that come in pairs
listening()
{
	ss -Hltn 'sport = :18515' | grep -q .
}

# both_ends PROGRAM...: one of them listens, the other one connects to it
both_ends()
{
	local listener

	timeout 60 "$@" -d $DEV -n 100 >"$LOG.listener" 2>&1 &
	listener=$!
	eventually 20 listening &&
	timeout 60 "$@" -d $DEV -n 100 localhost >"$LOG" 2>&1 &&
	wait $listener && return
	kill $listener 2>/dev/null
	wait $listener
	ktap_print_msg "$1: $(tail -1 "$LOG"), $(tail -1 "$LOG.listener")"
	return 1
}

test_queue_pairs_move_data()
{
	command -v ss ib_write_bw >/dev/null || return "$KSFT_SKIP"
	both_ends ibv_rc_pingpong -c &&
	both_ends ibv_rc_pingpong -c -e &&
	both_ends ibv_srq_pingpong -c -q 4 &&
	both_ends ibv_ud_pingpong -c &&
	both_ends ib_write_bw -s 65536 &&
	both_ends ib_read_bw &&
	both_ends ib_send_lat -c UD &&
	both_ends ib_atomic_lat
}

# sees [OPTION...]: what the adapter sees, whatever moves
sees()
{
	local status

	insert tests/sim_dmabuf || return
	! is_mainline || set -- "$@" \
		-T stays_dead_when_its_object_serves_the_next_one
	passes mr_adapter "$@"
	status=$?
	rmmod sim_dmabuf && return $status
}

test_adapter_accesses_what_was_registered()
{
	echo 8 >/proc/sys/vm/nr_hugepages
	sees -T is_dead_even_if_it_could_not_be_revoked
}

# As older adapters do, which name work requests and what peers asked for.
test_adapter_raises_faults_by_the_transport_scheme()
{
	fresh_device transport_faults=1 &&
	sees -f paging
}

test_ulps_register_by_work_requests()
{
	local reused

	if ! insert tests/sim_fastreg; then
		ktap_print_msg "$(dmesg | grep sim_fastreg | tail -1)"
		return 1
	fi
	reused=$(cat /sys/module/sim_fastreg/parameters/reused)
	rmmod sim_fastreg || return
	! has_pools || is_mainline || [ "$reused" -gt 0 ] && return
	ktap_print_msg "no MR got an mkey that another one had before"
	return 1
}

test_users_can_rely_on_their_regions()
{
	# Without what only Soft-RoCE refuses.
	set -- -T survives_a_rereg_that_the_driver_refuses \
		-T cannot_go_while_a_type_1_window_is_bound \
		-T cannot_go_while_a_type_2_window_is_bound \
		-T can_go_after_its_window_was_deallocated
	! is_mainline || set -- "$@" \
		-T stale_rkey_cannot_read_the_next_owner \
		-T stale_rkey_cannot_write_the_next_owner \
		-T stale_rkeys_stay_dead_over_many_registrations \
		-T stale_lkey_fails_locally
	passes mr_verbs "$@"
}

# Each process makes its own ones, and the adapter accesses every byte of them.
verify_many()
{
	local i pids=() failed=0

	! is_mainline || export SAME_KEYS=1

	for ((i = 0; i < PROCESSES; i++)); do
		SEED=$i REGISTRATIONS=$((SIM_REGISTRATIONS / PROCESSES)) \
			RDMA_DEVICE=$DEV mr_adapter \
			-t is_right_each_of_many_times >"$LOG.$i" 2>&1 &
		pids+=($!)
	done
	for ((i = 0; i < PROCESSES; i++)); do
		wait "${pids[i]}" &&
			grep -q "registrations are right" "$LOG.$i" && continue
		ktap_print_msg "$(grep -v '^ok' "$LOG.$i" | tail -3)"
		failed=1
	done
	return $failed
}

test_many_registrations_are_verified()
{
	local begin=$SECONDS made=0

	if has_pools; then
		# A pool that ends takes its counters along.
		set_pools aging 1000000 || return
		made=$(($(total hits) + $(total misses)))
	fi
	verify_many || return
	ktap_print_msg "$SIM_REGISTRATIONS in $((SECONDS - begin)) s"
	! has_pools ||
		equal "registrations" \
			$(($(total hits) + $(total misses) - made)) \
			$((SIM_REGISTRATIONS / PROCESSES * PROCESSES))
}

test_all_that_churns_is_verified()
{
	churn -t 2 -n 500 -m 50 --hold 3 >"$LOG" &&
	equal "verified" "$(jq .verified "$LOG")" 1000
}

test_slow_firmware_only_takes_longer()
{
	local begin commands

	echo 20000 >$SIM/command_time_us
	begin=$(date +%s%3N)
	commands=$(cat $SIM/commands)
	churn -m 20 -n 20 -s 900 >"$LOG" 2>&1 || return
	commands=$(($(cat $SIM/commands) - commands))
	# The first one may have been on its way.
	[ $commands -gt 1 ] &&
	[ $(($(date +%s%3N) - begin)) -ge $((20 * (commands - 1))) ] && return
	ktap_print_msg "$commands commands in $(($(date +%s%3N) - begin)) ms"
	return 1
}

# at_once LEAST MOST COMMAND...: how many commands that brings the firmware at once
at_once()
{
	echo 0 >$SIM/peak_commands && "${@:3}" >"$LOG" 2>&1 &&
	between "commands at once" "$(cat $SIM/peak_commands)" "$1" "$2"
}

# pin_and_reclaim TAKES LEAST MOST: the firmware takes so many commands at once
pin_and_reclaim()
{
	echo "$1" >$SIM/commands_at_once &&
	at_once "$2" "$3" set_pools pinned 0:1000:0:0 40 &&
	equal idle "$(in_pool 4096 queue_handles)" 40 &&
	set_pools pinned 0:1000:0:0 0 &&
	at_once "$2" "$3" \
		rdma-frmr resource set frmr_pools dev $DEV reclaim &&
	equal idle "$(total queue_handles)" 0
}

test_firmware_gets_several_commands_at_once()
{
	has_pools && ! is_mainline || return "$KSFT_SKIP"
	fresh_device create_time_us=100000 destroy_time_us=100000 &&
	pin_and_reclaim 1 1 1 && pin_and_reclaim 8 8 8 &&
	# The driver looks after its device meanwhile.
	pin_and_reclaim 32 16 18
}

test_device_counts_what_the_pools_count()
{
	has_pools || return "$KSFT_SKIP"
	churn -t 2 -m 20 -n 100 >"$LOG" 2>&1 && no_mkey_lost
}

run_sim_tests "$@"
