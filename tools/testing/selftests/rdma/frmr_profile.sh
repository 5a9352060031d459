#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rdma-frmr profile: what was most in use is saved, and pinned again.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

FILE=/run/frmr-profile

save()
{
	rdma-frmr profile save "$FILE"
}

load()
{
	rdma-frmr profile load "$FILE" "$@"
}

# lines TEXT...: become the profile
lines()
{
	printf '%s\n' "$@" >"$FILE"
}

# not_saved [FILE]: the one that is there stays
not_saved()
{
	refused "" rdma-frmr profile save "$1" &&
	equal "left behind" "$(find "$(dirname "$1")" -name '*.??????' | wc -l)" 0
}

test_what_was_most_in_use_is_pinned_again()
{
	churn -n 60 -m 20 -s 1,16 >/dev/null && save || return
	local want

	want=$(pools | jq -c 'map([.num_dma_blocks, .max_in_use])')
	fresh_device && load &&
	equal pinned "$(pools | jq -c 'map([.num_dma_blocks,
		.pinned_handles])')" "$want" &&
	equal idle "$(total queue_handles)" "$(total pinned_handles)"
}

test_a_profile_is_text_that_people_edit()
{
	lines "# mine" "" "$DEV 0:1:0:0 3 # three" "  $DEV	0:10:0:0	5  " &&
	load && equal pinned "$(pools | jq -c 'map(.pinned_handles)')" "[3,5]"
}

test_an_empty_profile_pins_nothing()
{
	lines "# nothing" && load && no_pools
}

test_standard_input_and_output_will_do()
{
	set_pools pinned 0:1:0:0 2 && churn -n 1 -s 1 >/dev/null || return
	rdma-frmr profile save - dev "$DEV" >"$FILE" &&
	fresh_device && rdma-frmr profile load - <"$FILE" &&
	equal pinned "$(in_pool 1 pinned_handles)" 1
}

test_a_line_that_is_not_understood_loads_nothing()
{
	local line

	for line in "$DEV" "$DEV 0:1:0:0" "$DEV 0:1:0 3" "$DEV 0:1:0:0 -3" \
		"$DEV 0:1:0:0 3 4" "$DEV 0:x:0:0 3"; do
		lines "$DEV 0:10:0:0 5" "$line" &&
		refused "$FILE:2: not a device, a key and a number" load &&
		no_pools || return
	done
}

test_one_that_fails_does_not_stop_the_others()
{
	lines "nodev 0:1:0:0 3" "$DEV 0:0:0:0 3" "$DEV 0:4:0:0 5" &&
	refused "$FILE:1: not pinned" load &&
	refused "$FILE:2: not pinned" load &&
	equal pinned "$(in_pool 4 pinned_handles)" 5
}

test_only_the_lines_of_a_device_are_loaded()
{
	lines "nodev 0:1:0:0 3" "$DEV 0:4:0:0 5" && load dev "$DEV" &&
	equal pinned "$(total pinned_handles)" 5
}

test_a_profile_that_can_not_be_saved_leaves_the_old_one()
{
	local dir=/run/frmr-full status

	set_pools pinned 0:1:0:0 1 && churn -n 1 -s 1 >/dev/null || return
	not_saved /run/no-such-folder/profile || return
	mkdir -p $dir && mount -t tmpfs -o size=8k none $dir || return
	echo old >$dir/profile
	cat /dev/zero >$dir/filler 2>/dev/null
	not_saved $dir/profile && equal profile "$(cat $dir/profile)" old
	status=$?
	umount $dir
	return $status
}

test_who_may_not_set_pins_is_told()
{
	lines "$DEV 0:1:0:0 3" &&
	refused "not permitted" setpriv --reuid 65534 --regid 65534 \
		--clear-groups rdma-frmr profile load "$FILE" &&
	no_pools
}

run_tests
