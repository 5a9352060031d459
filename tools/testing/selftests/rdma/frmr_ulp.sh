#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A ULP on the pools: NVMe over RDMA allocates its MRs in the kernel, with
# ib_alloc_mr(). A host that connects again finds them in the pools.

. "$(dirname "$0")/lib.sh"
. "$HERE/nvme_lib.sh"

RECONNECTS=49

# kernel_total FIELD: over the pools that only the kernel uses
kernel_total()
{
	pools | jq "map(select(has(\"kernel_vendor_key\")) | .$1) | add // 0"
}

connect_and_disconnect()
{
	local status=0

	host_connect || return
	verified_io || status=1
	host_disconnect && return $status
}

with_target()
{
	local status=0

	target_up && "$@" || status=1
	target_down
	return $status
}

connections_take_their_mrs_from_pools()
{
	connect_and_disconnect &&
	[ "$(kernel_total created)" -gt 0 ] &&
	equal in_use "$(kernel_total in_use)" 0
}

test_connections_take_their_mrs_from_pools()
{
	with_target connections_take_their_mrs_from_pools
}

median()
{
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# connect_times COUNT COMMAND...: of connections, with COMMAND before each
connect_times()
{
	local i

	for ((i = 0; i < $1; i++)); do
		"${@:2}" && connect_and_disconnect || return
		echo "$CONNECT_TIME"
	done
}

empty_pools()
{
	set_pools aging 1 && eventually 10 no_pools && set_pools aging 600
}

reconnects_create_nothing()
{
	local created misses hits warm

	# The very first connection also pays for other things.
	connect_and_disconnect || return
	created=$(kernel_total created)
	misses=$(kernel_total misses)
	hits=$(kernel_total hits)
	warm=$(connect_times $RECONNECTS true) &&
	ktap_print_msg "$(kernel_total hits) hits," \
		"$(kernel_total misses) misses," \
		"connected in $(median <<<"$warm") us" &&
	equal created "$(kernel_total created)" "$created" &&
	equal misses "$(kernel_total misses)" "$misses" &&
	equal hits "$(kernel_total hits)" \
		$((hits + RECONNECTS * (hits + misses))) &&
	equal in_use "$(kernel_total in_use)" 0 &&
	ktap_print_msg "with empty pools connected in" \
		"$(connect_times 5 empty_pools | median) us"
}

test_reconnects_create_nothing()
{
	with_target reconnects_create_nothing
}

kernel_pools_are_shown_only_with_details()
{
	connect_and_disconnect &&
	equal shown "$(rdma-frmr -j resource show frmr_pools |
		jq 'map(select(has("kernel_vendor_key"))) | length')" 0
}

test_kernel_pools_are_shown_only_with_details()
{
	with_target kernel_pools_are_shown_only_with_details
}

kernel_objects_age()
{
	connect_and_disconnect &&
	set_pools aging 1 &&
	eventually 10 no_pools
}

test_kernel_objects_age()
{
	with_target kernel_objects_age
}

run_tests
