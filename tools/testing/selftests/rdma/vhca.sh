#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mlx5 on the virtual ConnectX (tools/testing/mlx5_vhca): what it registers is
# what the adapter accesses, and nothing is lost when the adapter fails. Loads
# VHCA_MODULE, a path, or else the module that is installed.
#
# vhca.sh [TEST...]: all tests, or those that are named
# VHCA_REGISTRATIONS	how many to verify, of each byte (1000)

. "$(dirname "$0")/lib.sh"

DEV=mlx5_0
VHCA=/sys/kernel/debug/mlx5_vhca
PCI_DEVICE=20000:00:00.0
DRIVER=/sys/bus/pci/drivers/mlx5_core
CREATE_MKEY=0x200
DESTROY_MKEY=0x202
LIMITS_EXCEEDED=8
INTERNAL_ERROR=1
NEVER_ENDS=0xff
LOG=${OUT:-/tmp}/vhca.log
VHCA_REGISTRATIONS=${VHCA_REGISTRATIONS:-1000}
# In pages: more than any other test uses.
NEW_SIZE=2000
# So many at once keep the adapter busy.
PROCESSES=8

# What the kernel says once in its life: of a UMR that failed, and of a PD that
# can't be deallocated.
UMR_WARNED=
PD_WARNED=

# insert MODULE [PARAMETER...]: from where the device's module is
insert()
{
	if [ -n "${VHCA_MODULE:-}" ]; then
		insmod "$(dirname "$VHCA_MODULE")/$1.ko" "${@:2}"
	else
		modprobe "$@"
	fi
}

unload()
{
	! [ -d $VHCA ] || rmmod mlx5_vhca
}

device_up()
{
	ibv_devinfo -d $DEV 2>/dev/null | grep -q PORT_ACTIVE
}

# Each test gets a device of its own, that works.
fresh_device()
{
	LOST_MKEYS=0
	LOST_OBJECTS=0
	unload && insert mlx5_vhca "$@" && works || return
	! has_pools || MKEYS_IN_NO_POOL=$(other_mkeys)
}

unbind()
{
	echo $PCI_DEVICE >$DRIVER/unbind
}

# What the device counts is what the pools count, and nothing when the driver has
# given back all that it had.
accounting_holds()
{
	if [ -e $DRIVER/$PCI_DEVICE ]; then
		! has_pools || no_mkey_lost || return
		unbind
	fi
	equal "mkeys after unload" "$(cat $VHCA/mkeys)" 0 &&
	equal "mkeys lost" "$(cat $VHCA/leaked_mkeys)" "$LOST_MKEYS" &&
	equal "other objects lost" "$(cat $VHCA/leaked_objects)" \
		"$LOST_OBJECTS" &&
	equal "pages after unload" "$(cat $VHCA/pages)" 0
}

# The kernel may have none.
has_pools()
{
	grep -qw ib_frmr_pool_pop /proc/kallsyms
}

# The mkeys of which the pools don't know.
other_mkeys()
{
	echo $(($(cat $VHCA/mkeys) - $(total queue_handles) - $(total in_use)))
}

# Others may be those that could not be destroyed.
mkeys_add_up()
{
	[ "$(other_mkeys)" -eq $((MKEYS_IN_NO_POOL + LOST_MKEYS)) ]
}

# The pools may be aging, and so be smaller when they are looked at.
no_mkey_lost()
{
	equal "in use" "$(total in_use)" 0 || return
	eventually 10 mkeys_add_up && return
	ktap_print_msg "mkeys in no pool: $(other_mkeys), should be" \
		"$((MKEYS_IN_NO_POOL + LOST_MKEYS))"
	return 1
}

# passes PROGRAM...: as a test; says what failed, or could not be done
passes()
{
	if RDMA_DEVICE=$DEV "$@" >"$LOG" 2>&1; then
		sed -n 's/^ok [0-9]* \(.*\) # SKIP/\1 skipped:/p' "$LOG" |
			while read -r line; do
				ktap_print_msg "$line"
			done
		return 0
	fi
	grep -E '^not ok|^#.*(Expected|FAIL)' "$LOG" | head -20 |
		while read -r line; do
			ktap_print_msg "${line#\# }"
		done
	return 1
}

umrs()
{
	cat $VHCA/umrs
}

more_umrs_than()
{
	[ "$(umrs)" -gt "$1" ]
}

# start_load [OPTION...]: goes on until the device goes away, and ends then
start_load()
{
	# Not a function, whose shell would be what is killed.
	mr_churn -d $DEV --json -t 2 -S 600 -m 20 --verify 50 "$@" \
		>"$LOG" 2>&1 &
	LOAD=$!
	# Until it has all the mkeys that it is going to need.
	eventually 30 more_umrs_than $(($(umrs) + 300)) &&
		kill -0 "$LOAD" 2>/dev/null && return
	ktap_print_msg "no load: $(tail -1 "$LOG")"
	return 1
}

load_ended()
{
	! kill -0 "$LOAD" 2>/dev/null
}

await_load_end()
{
	eventually 60 load_ended && return
	ktap_print_msg "the load does not end"
	return 1
}

# Who is stuck in the kernel can't be ended.
stop_load()
{
	disown "$LOAD" 2>/dev/null
	kill -KILL "$LOAD" 2>/dev/null
	await_load_end
}

works()
{
	eventually 30 device_up &&
	churn -n 50 >"$LOG" 2>&1 && return
	ktap_print_msg "does not work: $(tail -1 "$LOG")"
	return 1
}

# fail_command OPCODE COUNT STATUS
fail_command()
{
	echo "$*" >$VHCA/fail_command
}

all_failed()
{
	[ -z "$(cat $VHCA/fail_command)" ]
}

await_failures()
{
	eventually "$1" all_failed && return
	ktap_print_msg "still to fail: $(cat $VHCA/fail_command)"
	return 1
}

expect_warnings()
{
	echo "frmr_test: expect $1 warnings" >/dev/kmsg
}

expect_umr_warning()
{
	[ -n "$UMR_WARNED" ] || expect_warnings 1
	UMR_WARNED=y
}

# expect_lost MKEYS: as they can't be destroyed, neither can their PD be, which the
# kernel warns of, each time in another place, too, and which it then leaks.
expect_lost()
{
	echo "frmr_test: expect a leak" >/dev/kmsg
	LOST_MKEYS=$1
	LOST_OBJECTS=1
	expect_warnings $((PD_WARNED ? 1 : 2))
	PD_WARNED=1
}

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

	insert vhca_dmabuf || return
	passes mr_adapter "$@"
	status=$?
	rmmod vhca_dmabuf && return $status
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

	if ! insert vhca_fastreg; then
		ktap_print_msg "$(dmesg | grep vhca_fastreg | tail -1)"
		return 1
	fi
	reused=$(cat /sys/module/vhca_fastreg/parameters/reused)
	rmmod vhca_fastreg || return
	! has_pools || [ "$reused" -gt 0 ] && return
	ktap_print_msg "no MR got an mkey that another one had before"
	return 1
}

test_users_can_rely_on_their_regions()
{
	# Without what only Soft-RoCE refuses.
	passes mr_verbs -T survives_a_rereg_that_the_driver_refuses \
		-T cannot_go_while_a_type_1_window_is_bound \
		-T cannot_go_while_a_type_2_window_is_bound \
		-T can_go_after_its_window_was_deallocated
}

# Each process makes its own ones, and the adapter accesses every byte of them.
verify_many()
{
	local i pids=() failed=0

	for ((i = 0; i < PROCESSES; i++)); do
		SEED=$i REGISTRATIONS=$((VHCA_REGISTRATIONS / PROCESSES)) \
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
	ktap_print_msg "$VHCA_REGISTRATIONS in $((SECONDS - begin)) s"
	! has_pools ||
		equal "registrations" \
			$(($(total hits) + $(total misses) - made)) \
			$((VHCA_REGISTRATIONS / PROCESSES * PROCESSES))
}

test_all_that_churns_is_verified()
{
	churn -t 2 -n 500 -m 50 --hold 3 >"$LOG" &&
	equal "verified" "$(jq .verified "$LOG")" 1000
}

test_slow_firmware_only_takes_longer()
{
	local begin commands

	echo 20000 >$VHCA/command_time_us
	begin=$(date +%s%3N)
	commands=$(cat $VHCA/commands)
	churn -m 20 -n 20 -s 900 >"$LOG" 2>&1 || return
	commands=$(($(cat $VHCA/commands) - commands))
	# The first one may have been on its way.
	[ $commands -gt 1 ] &&
	[ $(($(date +%s%3N) - begin)) -ge $((20 * (commands - 1))) ] && return
	ktap_print_msg "$commands commands in $(($(date +%s%3N) - begin)) ms"
	return 1
}

test_driver_comes_back_after_it_was_unbound()
{
	works && unbind && echo $PCI_DEVICE >$DRIVER/bind && works
}

test_unbind_takes_regions_that_are_in_use()
{
	start_load && unbind && await_load_end &&
	equal "mkeys" "$(cat $VHCA/mkeys)" 0
}

test_driver_recovers_from_a_fatal_error()
{
	start_load && echo 1 >$VHCA/fatal && await_load_end && works
}

test_device_may_go_and_come_back()
{
	start_load && echo 0 >$VHCA/present && await_load_end &&
	echo 1 >$VHCA/present && works
}

# As often as it takes to get to the one who asked.
test_failed_creation_fails_only_the_registration()
{
	fail_command $CREATE_MKEY 1000 $LIMITS_EXCEEDED
	if churn -n 1 -s $NEW_SIZE >"$LOG" 2>&1; then
		ktap_print_msg "registered without an mkey"
		return 1
	fi
	fail_command $CREATE_MKEY 0 $LIMITS_EXCEEDED
	works
}

age_fast()
{
	set_pools aging 1
}

test_failed_destruction_hangs_nobody()
{
	has_pools || return "$KSFT_SKIP"
	fail_command $DESTROY_MKEY 2 $INTERNAL_ERROR
	expect_lost 2
	age_fast && await_failures 30 && works
}

# The driver waits in vain for one command; who does not need it goes on.
lose_command()
{
	start_load -m 1 -s 1 || return
	fail_command "$1" 1 $NEVER_ENDS
	"${@:2}"
	await_failures 30 || return
	eventually 2 more_umrs_than $(($(umrs) + 50)) && return
	ktap_print_msg "a lost command $1 stops the others"
	return 1
}

# mlx5_core can't go on for good, nor be unloaded, without that slot.
end_lost()
{
	echo 1 >$VHCA/end_lost && stop_load && works
}

new_load_ended()
{
	! kill -0 "$NEW_LOAD" 2>/dev/null
}

register_new_size()
{
	churn -n 1 -s $NEW_SIZE >"$LOG.new" 2>&1 &
	NEW_LOAD=$!
}

# Who needed it may fail, or get an mkey in another way, but later.
test_lost_creation_hangs_nobody()
{
	fresh_device command_timeout_ms=3000 &&
	lose_command $CREATE_MKEY register_new_size || return
	if ! eventually 30 new_load_ended; then
		ktap_print_msg "waits without end"
		return 1
	fi
	churn -n 1 -s $NEW_SIZE >"$LOG.new" 2>&1 && end_lost
}

fewer_mkeys_than()
{
	[ "$(cat $VHCA/mkeys)" -lt "$1" ]
}

# The others of its pool go when the driver has lost patience with the one.
test_lost_destruction_hangs_nobody()
{
	has_pools || return "$KSFT_SKIP"
	fresh_device command_timeout_ms=3000 &&
	churn -m 50 -n 50 -s 512 >"$LOG" 2>&1 &&
	lose_command $DESTROY_MKEY age_fast || return
	if ! eventually 30 fewer_mkeys_than 50; then
		ktap_print_msg "idle mkeys stay: $(cat $VHCA/mkeys)"
		return 1
	fi
	expect_lost 1
	end_lost
}

test_failed_revocation_makes_no_zombie()
{
	expect_umr_warning
	passes mr_adapter -t is_dead_even_if_it_could_not_be_revoked
}

# Each failure stops the queue, and the driver starts it again.
test_failed_umrs_are_recovered_from()
{
	expect_umr_warning
	for _ in {1..5}; do
		echo 1 >$VHCA/fail_umrs
		churn -t 2 -n 10 >"$LOG" 2>&1
		equal "UMRs that are still to fail" "$(cat $VHCA/fail_umrs)" 0 ||
			return
	done
	works
}

# Whoever meets a failure ends, and another one begins.
restless_load()
{
	while :; do
		churn -t 2 -m 20 -n 100 >"$LOG" 2>&1
	done
}

# The last of its programs goes on for a while.
stop_restless_load()
{
	stop_load && eventually 60 no_churn
}

no_umrs_to_fail()
{
	[ "$(cat $VHCA/fail_umrs)" -eq 0 ]
}

# Pools come and go, so that mkeys are created and destroyed all the time. One
# that can neither be revoked nor destroyed stays with its memory, so that is not
# asked for.
test_failures_under_load_lose_nothing()
{
	has_pools || return "$KSFT_SKIP"
	expect_umr_warning
	age_fast
	restless_load &
	LOAD=$!
	fail_command $CREATE_MKEY 20 $LIMITS_EXCEEDED
	echo 20 >$VHCA/fail_umrs
	await_failures 120 && eventually 60 no_umrs_to_fail &&
	stop_restless_load || return
	restless_load &
	LOAD=$!
	fail_command $DESTROY_MKEY 3 $INTERNAL_ERROR
	expect_lost 3
	await_failures 60 && stop_restless_load && works
}

no_churn()
{
	! pgrep -x mr_churn >/dev/null
}

test_device_counts_what_the_pools_count()
{
	has_pools || return "$KSFT_SKIP"
	churn -t 2 -m 20 -n 100 >"$LOG" 2>&1 && no_mkey_lost
}

# More idle mkeys of one size than leave room for another.
test_registration_succeeds_while_idle_mkeys_can_be_reclaimed()
{
	has_pools || return "$KSFT_SKIP"
	echo $(($(cat $VHCA/mkeys) + 40)) >$VHCA/max_mkeys
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
	echo $(($(other_mkeys) + 26)) >$VHCA/max_mkeys
	all_at_once
}

run_vhca_tests()
{
	local tests t status

	tests=("$@")
	[ $# -gt 0 ] ||
		mapfile -t tests < <(declare -F | sed -n 's/^declare -f test_//p')
	ktap_print_header
	if ! modinfo "${VHCA_MODULE:-mlx5_vhca}" >/dev/null 2>&1; then
		ktap_skip_all "no module mlx5_vhca"
		exit "$KSFT_SKIP"
	fi
	ktap_set_plan ${#tests[@]}
	for t in "${tests[@]}"; do
		LOAD=
		fresh_device && "test_$t" && accounting_holds
		status=$?
		[ $status -eq 0 ] || echo 1 >$VHCA/end_lost
		[ -z "$LOAD" ] || stop_load
		case $status in
		0) ktap_test_pass "$t" ;;
		"$KSFT_SKIP") ktap_test_skip "$t" ;;
		*) ktap_test_fail "$t" ;;
		esac
	done
	unload
	ktap_finished
}

run_vhca_tests "$@"
