#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mlx5 on the simulated ConnectX: nothing is lost when the adapter fails, or goes.
#
# sim_faults.sh [TEST...]: all tests, or those that are named

# shellcheck source-path=SCRIPTDIR source=sim_lib.sh
. "$(dirname "$0")/sim_lib.sh"

test_driver_comes_back_after_it_was_unbound()
{
	works && unbind && echo $PCI_DEVICE >$DRIVER/bind && works
}

test_unbind_takes_regions_that_are_in_use()
{
	start_load && unbind && await_load_end &&
	equal "mkeys" "$(cat $SIM/mkeys)" 0
}

test_driver_recovers_from_a_fatal_error()
{
	start_load && echo 1 >$SIM/fatal && await_load_end && works
}

test_device_may_go_and_come_back()
{
	start_load && echo 0 >$SIM/present && await_load_end &&
	echo 1 >$SIM/present && works
}

# As often as it takes until the caller sees the error.
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

test_failed_destruction_hangs_nobody()
{
	has_pools || return "$KSFT_SKIP"
	fail_command $DESTROY_MKEY 2 $INTERNAL_ERROR
	expect_lost 2
	age_fast && await_failures 30 && works
}

# The driver waits in vain for one command; others go on.
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
	echo 1 >$SIM/end_lost && stop_load && works
}

register_new_size()
{
	churn -n 1 -s $NEW_SIZE >"$LOG.new" 2>&1 &
	NEW_LOAD=$!
}

# The registration that needed it may fail, or be served later.
test_lost_creation_hangs_nobody()
{
	fresh_device command_timeout_ms=3000 &&
	lose_command $CREATE_MKEY register_new_size || return
	if ! eventually 30 gone "$NEW_LOAD"; then
		ktap_print_msg "waits without end"
		return 1
	fi
	churn -n 1 -s $NEW_SIZE >"$LOG.new" 2>&1 && end_lost
}

fewer_mkeys_than()
{
	[ "$(cat $SIM/mkeys)" -lt "$1" ]
}

# The others of its pool go when the driver has lost patience with the one.
test_lost_destruction_hangs_nobody()
{
	has_pools || return "$KSFT_SKIP"
	fresh_device command_timeout_ms=3000 &&
	churn -m 50 -n 50 -s 512 >"$LOG" 2>&1 &&
	lose_command $DESTROY_MKEY age_fast || return
	if ! eventually 30 fewer_mkeys_than 50; then
		ktap_print_msg "idle mkeys stay: $(cat $SIM/mkeys)"
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
		echo 1 >$SIM/fail_umrs
		churn -t 2 -n 10 >"$LOG" 2>&1
		equal "UMRs that are still to fail" "$(cat $SIM/fail_umrs)" 0 ||
			return
	done
	works
}

# Kernel ULPs wait for UMRs, too. All go on when the queue was reset.
test_lost_umr_hangs_nobody()
{
	! is_mainline || return "$KSFT_SKIP"
	start_load && echo 1 >$SIM/lose_umrs || return
	insert tests/sim_alloc_mr && rmmod sim_alloc_mr || return
	if ! eventually 40 more_umrs_than $(($(umrs) + 300)); then
		ktap_print_msg "a lost UMR stops the others"
		return 1
	fi
	stop_load && works
}

# Users get an error, ULPs an mkey by a command, until the driver starts anew.
test_umrs_that_always_get_lost_fail()
{
	! is_mainline || return "$KSFT_SKIP"
	start_load && echo $NO_LIMIT >$SIM/lose_umrs && await_load_end || return
	if churn -n 1 >"$LOG" 2>&1; then
		ktap_print_msg "registered without a UMR"
		return 1
	fi
	insert tests/sim_alloc_mr && rmmod sim_alloc_mr &&
	unbind && echo 0 >$SIM/lose_umrs && echo $PCI_DEVICE >$DRIVER/bind &&
	works
}

# A program that meets a failure ends, and another one begins.
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
	[ "$(cat $SIM/fail_umrs)" -eq 0 ]
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
	echo 20 >$SIM/fail_umrs
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

run_sim_tests "$@"
