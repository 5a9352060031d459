#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What an unprivileged user of Soft-RoCE could do to others by the FRMR pools,
# and what stops it. Who may look and set is in frmr_pools.sh and frmr_netns.sh,
# what a region gives access to in mr_verbs.

. "$(dirname "$0")/lib.sh"

CGROUPS=/run/frmr-cgroup

# as_nobody KBYTES COMMAND...: without privileges, and with so much memory to lock
as_nobody()
{
	prlimit --memlock=$(($1 << 10)) setpriv --reuid 65534 --regid 65534 \
		--clear-groups --inh-caps=-all --bounding-set=-all "${@:2}"
}

churn_as_nobody()
{
	as_nobody "$1" mr_churn -d "$DEV" --json -v 0 "${@:2}"
}

# One for each power of two up to 8192
test_all_sizes_make_few_pools()
{
	churn_as_nobody 65536 -n 5000 -s 1-5000 --in-turn >/dev/null &&
	between pools "$(pools | jq length)" 1 14
}

test_all_access_flags_share_pools()
{
	local taken

	taken=$(as_nobody 65536 mr_attack "$DEV" flags) || return
	ktap_print_msg "$taken"
	[ "${taken%% *}" -ge 16 ] &&
	between pools "$(pools | jq length)" 1 2
}

# As many as were in use at once, and as many again, that were created ahead.
test_idle_objects_are_bounded_by_what_was_in_use()
{
	local size

	for size in 1 2 4 8 16; do
		churn_as_nobody 16384 -n 600 -m 100 -s $size >/dev/null ||
			return
	done
	equal "pools with more" "$(pools | jq 'map(select(.queue_handles >
		2 * .max_in_use)) | length')" 0 &&
	between idle "$(total queue_handles)" 1 $((6 * 2 * 101))
}

# A region of 1 MiB and one of mr_churn's own of 256 KiB; an idle object holds no
# memory of a user.
test_idle_objects_hold_no_locked_memory()
{
	churn_as_nobody 1536 -n 50 -m 1 -s 256 >/dev/null &&
	equal hits "$(in_pool 256 hits)" 49
}

test_idle_objects_lift_no_limit_of_locked_memory()
{
	churn -n 10 -m 10 -s 256 -v 0 >/dev/null &&
	refused "Cannot allocate memory" churn_as_nobody 1536 -n 2 -m 2 -s 256 &&
	equal in_use "$(total in_use)" 0
}

# charged: what the RDMA controller counts for the user
charged()
{
	sed -n "s/^$DEV .*hca_object=//p" $CGROUPS/user/rdma.current
}

limited()
{
	echo $BASHPID >$CGROUPS/user/cgroup.procs && "$@"
}

# Objects of a context and of queue pairs are charged, too, so 40 are less than 40
# regions; with 200 there is enough for these.
limits_hold()
{
	churn -n 100 -m 100 -s 1 -v 0 >/dev/null || return
	echo "$DEV hca_handle=2 hca_object=40" >$CGROUPS/user/rdma.max &&
	refused "" limited churn_as_nobody 65536 -n 40 -m 40 -s 1 &&
	equal charged "$(charged)" "" &&
	echo "$DEV hca_handle=2 hca_object=200" >$CGROUPS/user/rdma.max &&
	(limited churn_as_nobody 65536 -n 100 -m 40 -s 1 >/dev/null) &&
	equal "charged afterwards" "$(charged)" ""
}

# Idle objects don't count for the last user, and none gets more by them.
test_the_rdma_controller_counts_regions_not_objects()
{
	local status

	grep -q '^rdma' /proc/cgroups || skip "no CONFIG_CGROUP_RDMA" || return

	mkdir -p $CGROUPS && mount -t cgroup2 none $CGROUPS &&
	echo +rdma >$CGROUPS/cgroup.subtree_control &&
	mkdir $CGROUPS/user && limits_hold
	status=$?
	rmdir $CGROUPS/user
	umount $CGROUPS
	return $status
}

log_lines()
{
	dmesg | grep -v frmr_test | grep -c frmr
}

# rxe logs some of it, as it did before.
test_pools_log_nothing_of_what_fails()
{
	local lines _

	lines=$(log_lines)
	for _ in {1..100}; do
		! churn_as_nobody 64 -n 1 -s 256 >/dev/null 2>&1 || return
	done
	as_nobody 65536 mr_attack "$DEV" flags >/dev/null &&
	as_nobody 65536 mr_attack "$DEV" stale 200 >/dev/null &&
	equal lines "$(log_lines)" "$lines"
}

test_stale_keys_are_refused_until_they_come_again()
{
	stale_keys_are_refused as_nobody 65536
}

# A registration goes on, and hits, while somebody else does what a user can do.
test_a_noisy_neighbour_takes_no_objects()
{
	local misses noise status

	churn -n 20 -m 20 -s 3 -v 0 >/dev/null || return
	churn_as_nobody 65536 -t 2 -m 50 -s 32,64 -S 8 >/dev/null &
	noise=$!
	sleep 2
	misses=$(in_pool 4 misses)
	churn -n 300 -m 20 -s 3 -v 0 >/dev/null &&
	equal misses "$(in_pool 4 misses)" "$misses"
	status=$?
	wait $noise && return $status
}

# Root in a container with a network of its own
contained()
{
	unshare --user --map-root-user --net "$@"
}

container_finds_nothing()
{
	equal "shown there" \
		"$(contained rdma-frmr -j resource show frmr_pools)" "[]" &&
	refused "no RDMA device" contained rdma-frmr resource set frmr_pools \
		dev "$DEV" reclaim &&
	refused "" contained mr_churn -d "$DEV" -n 1 -v 0
}

test_a_container_has_no_part_in_a_device_that_is_not_its_own()
{
	local status

	set_mode exclusive && churn -n 20 -m 20 -s 3 -v 0 >/dev/null &&
	container_finds_nothing
	status=$?
	set_mode shared && return $status
}

run_tests
