#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The FRMR pools and namespaces: who sees and sets the pools of a device that
# all network namespaces share, and of one that belongs to a single one.

. "$(dirname "$0")/lib.sh"

NS=frmr-$$

in_ns()
{
	ip netns exec "$NS" "$@"
}

# Root in a user namespace of its own, with a network of its own.
as_foreign_root()
{
	unshare --user --map-root-user --net "$@"
}

restore()
{
	ip netns delete "$NS" 2>/dev/null
	set_mode shared
}
trap restore EXIT

# with_netns MODE COMMAND...: while there is a second namespace
with_netns()
{
	local status

	set_mode "$1" && ip netns add "$NS" && "${@:2}"
	status=$?
	restore && return $status
}

looks_and_sets()
{
	in_ns rdma-frmr resource set frmr_pools dev "$DEV" pinned 0:4:0:0 3 &&
	in_ns rdma-frmr resource set frmr_pools dev "$DEV" aging 7 &&
	equal "shown there" "$(in_ns rdma-frmr -d -j resource show frmr_pools |
		jq -c 'map([.dev, .queue_handles, .aging_period])')" \
		"[[\"$DEV\",3,7]]" &&
	equal "idle here" "$(in_pool 4 queue_handles)" 3
}

test_a_shared_device_is_shown_and_set_from_each_namespace()
{
	with_netns shared looks_and_sets
}

does_not_find()
{
	local index

	index=$(dev_index) &&
	equal "shown there" \
		"$(in_ns rdma-frmr -j resource show frmr_pools)" "[]" &&
	refused "no RDMA device" in_ns rdma-frmr \
		resource show frmr_pools dev "$DEV" &&
	refused "no RDMA device" in_ns rdma-frmr \
		resource set frmr_pools dev "$DEV" aging 7 &&
	refused "no device with this index" in_ns "${YNL[@]}" \
		--dump frmr-pools-get --json "{\"dev-index\": $index}" &&
	refused "no device with this index" in_ns "${YNL[@]}" \
		--do frmr-pools-set --json "{\"dev-index\": $index,
			\"frmr-pools-aging-period\": 7}" &&
	refused "no device with this index" in_ns "${YNL[@]}" \
		--do frmr-pools-set --json "{\"dev-index\": $index,
			\"frmr-pool-pinned-handles\": 9, \"frmr-pool-key\":
			{\"frmr-pool-key-num-dma-blocks\": 4}}" &&
	equal "still here" "$(pools |
		jq -c 'map([.queue_handles, .aging_period])')" "[[3,60]]"
}

test_an_exclusive_device_does_not_exist_elsewhere()
{
	set_pools pinned 0:4:0:0 3 &&
	with_netns exclusive does_not_find
}

test_pools_stay_when_the_mode_changes()
{
	local before

	set_pools pinned 0:4:0:0 3 &&
	churn -n 10 >/dev/null &&
	before=$(pools) &&
	set_mode exclusive &&
	equal exclusive "$(pools)" "$before" &&
	set_mode shared &&
	equal shared "$(pools)" "$before"
}

# In 6.12 Soft-RoCE itself can't move: it has no way to part from its users.
moves()
{
	local output

	if ! output=$(rdma dev set "$DEV" netns "$NS" 2>&1); then
		[[ $output != *"not supported"* ]] ||
			skip "$DEV does not move: $output" || return
		ktap_print_msg "$DEV does not move: $output"
		return 1
	fi
	refused "no RDMA device" set_pools aging 7 &&
	in_ns rdma-frmr resource set frmr_pools dev "$DEV" pinned 0:4:0:0 5 &&
	equal there "$(in_ns rdma-frmr -d -j resource show frmr_pools |
		jq -c 'map([.queue_handles, .created])')" "[[5,5]]"
}

test_pools_move_with_their_device()
{
	set_pools pinned 0:4:0:0 3 &&
	with_netns exclusive moves || return
	# A namespace that ends leaves its devices to the first one.
	equal "back here" "$(pools |
		jq -c 'map([.queue_handles, .created])')" "[[5,5]]"
}

# Like each command of nldev that changes something, here the one that gives a
# device a name, which is the name that it has.
test_root_of_another_user_namespace_may_look_but_not_set()
{
	local before

	set_pools pinned 0:4:0:0 3 &&
	before=$(pools) &&
	rdma dev set "$DEV" name "$DEV" &&
	refused "Operation not permitted" as_foreign_root \
		rdma dev set "$DEV" name "$DEV" &&
	refused "Operation not permitted" as_foreign_root rdma-frmr \
		resource set frmr_pools dev "$DEV" aging 7 &&
	refused "Operation not permitted" as_foreign_root rdma-frmr \
		resource set frmr_pools dev "$DEV" pinned 0:4:0:0 9 &&
	equal "shown there" "$(as_foreign_root rdma-frmr -d -j \
		resource show frmr_pools dev "$DEV")" "$before"
}

run_tests
