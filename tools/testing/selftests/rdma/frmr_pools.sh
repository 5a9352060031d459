#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink commands of the FRMR pools: what they show, what they set, what
# they refuse and how they say so.

. "$(dirname "$0")/lib.sh"

as_nobody()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

test_each_pool_shows_all_counters()
{
	set_pools pinned 0:4:0:0 3 &&
	equal counters "$(pools | jq -c '.[0] | [.hits, .misses, .created,
		.destroyed, .aged, .reclaimed, .dropped, .failures,
		.ahead, .ahead_used]')" "[0,0,3,0,0,0,0,0,0,0]"
}

test_anybody_may_look()
{
	set_pools pinned 0:4:0:0 1 &&
	equal shown "$(as_nobody rdma-frmr -j resource show frmr_pools |
		jq length)" 1
}

test_only_an_administrator_may_set()
{
	refused "Operation not permitted" as_nobody rdma-frmr \
		resource set frmr_pools dev "$DEV" aging 5 &&
	refused "Operation not permitted" as_nobody rdma-frmr \
		resource set frmr_pools dev "$DEV" pinned 0:4:0:0 5 &&
	refused "Operation not permitted" as_nobody rdma-frmr \
		resource set frmr_pools dev "$DEV" reclaim &&
	no_pools
}

test_the_aging_period_is_what_was_set()
{
	set_pools pinned 0:1:0:0 1 &&
	equal default "$(pools | jq '.[0].aging_period')" 60 &&
	set_pools aging 4294967295 &&
	equal longest "$(pools | jq '.[0].aging_period')" 4294967295 &&
	set_pools aging 7 &&
	equal period "$(pools | jq '.[0].aging_period')" 7
}

test_an_aging_period_of_0_is_refused()
{
	refused "1 second or more" set_pools aging 0
}

test_pinning_fills_the_pool_at_once()
{
	set_pools pinned 0:10:0:0 1000 &&
	equal idle "$(in_pool 16 queue_handles)" 1000 &&
	equal pinned "$(in_pool 16 pinned_handles)" 1000 &&
	equal created "$(in_pool 16 created)" 1000
}

test_pinned_sizes_are_rounded_as_the_driver_does()
{
	set_pools pinned 0:9:0:0 2 &&
	equal idle "$(in_pool 16 queue_handles)" 2
}

test_access_flags_that_can_change_make_no_pool_of_their_own()
{
	set_pools pinned 0:4:7:0 2 &&
	set_pools pinned 0:4:0:0 5 &&
	equal pools "$(pools | jq length)" 1 &&
	equal idle "$(in_pool 4 queue_handles)" 5
}

test_pinned_handles_serve_registrations_and_do_not_age()
{
	set_pools aging 1 &&
	set_pools pinned 0:4:0:0 1000 &&
	mr_churn -d "$DEV" -n 1000 -m 1000 -s 3,4 --json >/dev/null &&
	equal misses "$(in_pool 4 misses)" 0 &&
	equal hits "$(in_pool 4 hits)" 1000 &&
	sleep 3.5 &&
	equal idle "$(in_pool 4 queue_handles)" 1000 &&
	equal created "$(in_pool 4 created)" 1000 &&
	set_pools pinned 0:4:0:0 0 &&
	eventually 4 no_pools
}

# equal_now WANT COMMAND...: what it prints is that
equal_now()
{
	[ "$("${@:2}")" = "$1" ]
}

test_more_than_are_pinned_age()
{
	set_pools aging 1 &&
	set_pools pinned 0:4:0:0 20 &&
	mr_churn -d "$DEV" -n 50 -m 50 -s 4 --json >/dev/null &&
	eventually 6 equal_now 20 in_pool 4 queue_handles &&
	sleep 2 &&
	equal idle "$(in_pool 4 queue_handles)" 20
}

test_totals_outlive_pools()
{
	local before

	churn -n 50 -m 50 -s 1,4 -v 0 >/dev/null &&
	before=$(total hits):$(total misses):$(total created) &&
	equal "while there are pools" "$(device_total hits):$(device_total \
		misses):$(device_total created)" "$before" &&
	set_pools aging 1 &&
	eventually 10 no_pools &&
	equal "without a pool" "$(device_total hits):$(device_total \
		misses):$(device_total created)" "$before" &&
	equal destroyed "$(device_total destroyed)" "$(device_total created)" &&
	equal aged "$(device_total aged)" "$(device_total created)"
}

# They go on when a pool of the same key is made.
test_totals_never_go_down()
{
	set_pools aging 1 &&
	set_pools pinned 0:4:0:0 7 &&
	set_pools pinned 0:4:0:0 0 &&
	eventually 10 no_pools &&
	set_pools pinned 0:4:0:0 5 &&
	equal "of the pool" "$(in_pool 4 created)" 5 &&
	equal "of all" "$(device_total created)" 12
}

test_totals_are_shown_with_details_and_without_a_filter()
{
	set_pools pinned 0:4:0:0 1 || return
	rdma-frmr -d resource show frmr_pools | grep -q "all pools so far" &&
	! rdma-frmr resource show frmr_pools | grep -q "all pools so far" &&
	! rdma-frmr -d resource show frmr_pools ats 0 |
		grep -q "all pools so far" &&
	rdma-frmr resource show frmr_totals | grep -q "created  *1 " &&
	refused "totals are those of all" \
		rdma-frmr resource show frmr_totals ats 0
}

# metric NAME: its value
metric()
{
	rdma-frmr metrics dev "$DEV" |
		sed -n "s/^rdma_frmr_$1{device=\"$DEV\"} //p"
}

test_metrics_are_sums_over_the_pools()
{
	set_pools pinned 0:4:0:0 3 && set_pools pinned 0:8:0:0 5 &&
	churn -n 20 -m 1 -s 4 -v 0 >/dev/null &&
	equal pools "$(metric pools)" "$(pools | jq length)" &&
	equal idle "$(metric idle_handles)" "$(total queue_handles)" &&
	equal pinned "$(metric pinned_handles)" 8 &&
	equal aging "$(metric aging_seconds)" 60 &&
	[ "$(metric hits_total)" -ge 20 ] &&
	equal hits "$(metric hits_total)" "$(device_total hits)" &&
	equal created "$(metric created_total)" "$(device_total created)" &&
	refused "no RDMA device" rdma-frmr metrics dev nix &&
	refused "expected: metrics" rdma-frmr metrics foo
}

test_prometheus_reads_the_metrics()
{
	command -v promtool >/dev/null || skip "no promtool" || return
	set_pools pinned 0:4:0:0 3 &&
	rdma-frmr metrics | promtool check metrics >&2
}

reclaim_json()
{
	rdma-frmr -j resource set frmr_pools dev "$DEV" reclaim
}

test_reclaim_gives_back_all_but_pinned()
{
	set_pools pinned 0:4:0:0 20 &&
	set_pools pinned 0:8:0:0 30 && set_pools pinned 0:8:0:0 0 &&
	set_pools pinned 0:10:0:0 5 && set_pools pinned 0:10:0:0 2 &&
	equal said "$(set_pools reclaim)" "handles given back: 33" &&
	equal idle "$(total queue_handles)" 22 &&
	equal "pinned and idle" "$(in_pool 4 queue_handles)" 20 &&
	equal "partly pinned" "$(in_pool 16 queue_handles)" 2 &&
	equal reclaimed "$(device_total reclaimed)" 33 &&
	equal "said again" "$(reclaim_json)" \
		"{\"dev\":\"$DEV\",\"reclaimed\":0}"
}

in_use_is()
{
	[ "$(in_pool 4 in_use)" = "$1" ]
}

test_reclaim_leaves_what_is_in_use()
{
	mr_churn -d "$DEV" -n 10 -m 10 -s 4 -v 0 --hold 60 >/dev/null &
	eventually 30 in_use_is 10 &&
	set_pools pinned 0:8:0:0 3 && set_pools pinned 0:8:0:0 0 &&
	set_pools reclaim >/dev/null &&
	equal idle "$(total queue_handles)" 0 &&
	equal "in use" "$(in_pool 4 in_use)" 10
	local status=$?

	# Ends the holding.
	kill -TERM $!
	wait
	[ $status -eq 0 ] && equal "idle afterwards" \
		"$(in_pool 4 queue_handles)" 10
}

test_reclaim_during_registrations_fails_none()
{
	local pid status=0

	churn -t 2 -S 4 -m 8 -s 1,4 -v 0 >/dev/null & pid=$!
	while kill -0 $pid 2>/dev/null; do
		set_pools reclaim >/dev/null || status=1
	done
	wait $pid && [ $status -eq 0 ] && [ "$(device_total reclaimed)" -gt 0 ]
}

test_unpinning_what_is_not_pinned_changes_nothing()
{
	set_pools pinned 0:4:0:0 0 &&
	no_pools
}

test_more_than_the_device_holds_is_refused_at_once()
{
	refused "MRs at most" set_pools pinned 0:4:0:0 4294967295 &&
	no_pools
}

test_a_key_without_blocks_is_refused()
{
	refused "number of DMA blocks" set_pools pinned 0:0:0:0 1
}

test_a_key_beyond_the_device_is_refused()
{
	refused "can have this key" set_pools pinned 0:ffffffffffff:0:0 1
}

test_unknown_vendor_bits_are_refused()
{
	refused "can have this key" set_pools pinned 1:4:0:0 1
}

test_ats_is_refused_by_a_device_without()
{
	refused "can have this key" set_pools pinned 0:4:0:1 1
}

test_impossible_access_flags_are_refused()
{
	# Remote write without local write.
	refused "access flags" set_pools pinned 0:4:2:0 1 &&
	refused "access flags" set_pools pinned 0:4:80000000:0 1
}

test_a_device_that_does_not_exist_is_refused()
{
	refused "no RDMA device" rdma-frmr resource show frmr_pools dev nix &&
	refused "no RDMA device" rdma-frmr resource set frmr_pools dev nix \
		aging 5
}

test_the_tool_refuses_what_makes_no_sense()
{
	refused "unknown object" rdma-frmr foo &&
	refused "unknown command" rdma-frmr resource foo frmr_pools &&
	refused "unknown filter" rdma-frmr resource show frmr_pools foo 1 &&
	refused "takes a value" rdma-frmr resource show frmr_pools ats &&
	refused "no value for" rdma-frmr resource show frmr_pools ats x &&
	refused "number of seconds" set_pools aging -1 &&
	refused "number of seconds" set_pools aging 4294967296 &&
	refused "no key of" set_pools pinned 0:4:0 1 &&
	refused "no key of" set_pools pinned 0:4:0:0:0 1 &&
	refused "no key of" set_pools pinned 0:4:0:2 1 &&
	refused "no number of" set_pools pinned 0:4:0:0 many &&
	refused "takes no value" set_pools reclaim 5 &&
	refused "frmr_pools or" rdma-frmr resource show foo &&
	refused "unknown command" rdma-frmr resource set frmr_totals &&
	refused "unknown setting" set_pools foo 1 &&
	refused "no number from" rdma-frmr resource watch frmr_pools count 0 &&
	refused "unknown option" rdma-frmr -x
}

has_hits()
{
	[ "$(total hits)" -gt 0 ]
}

test_watch_shows_rates()
{
	local row

	set_pools pinned 0:4:0:0 3
	mr_churn -d "$DEV" -S 600 -s 4 -v 0 --json >/dev/null &
	eventually 30 has_hits
	row=$(rdma-frmr resource watch frmr_pools count 1 dev "$DEV" \
		num_dma_blocks 4 | tail -n +2)
	kill -TERM $!
	wait
	# dev key idle in_use pinned pops/s hit% made/s gone/s
	read -ra row <<<"$row"
	equal device "${row[0]}" "$DEV" &&
	equal key "${row[1]}" 0:4:0:0 &&
	equal pinned "${row[4]}" 3 &&
	[ "${row[5]}" -gt 0 ] &&
	equal "hit rate" "${row[6]}" 100.0 &&
	equal "made" "${row[7]}" 0
}

test_a_table_fits_80_columns()
{
	set_pools pinned 0:100000:0:0 1 &&
	[ "$(rdma-frmr -d resource show frmr_pools | wc -L)" -le 80 ] &&
	[ "$(rdma-frmr resource watch frmr_pools count 1 | wc -L)" -le 80 ]
}

test_ynl_and_the_tool_show_the_same()
{
	set_pools pinned 0:4:0:0 3 && set_pools pinned 0:8:0:0 5 || return
	equal totals "$(ynl --dump frmr-pools-get \
		--json "{\"dev-index\": $(dev_index)}" |
		jq -c '[.[].driver."driver-u64"]')" "[$(rdma-frmr -j \
			resource show frmr_totals dev "$DEV" |
		jq -c '.[0] | [.hits, .misses, .created, .destroyed, .aged,
			.reclaimed, .dropped, .failures, .ahead,
			.ahead_used]')]" &&
	equal ynl "$(ynl --dump frmr-pools-get \
		--json "{\"dev-index\": $(dev_index)}" |
		jq -c '[.[]."frmr-pools"."frmr-pool-entry"[] |
			[."frmr-pool-key"."frmr-pool-key-num-dma-blocks",
			 ."frmr-pool-queue-handles", ."frmr-pool-in-use",
			 ."frmr-pool-max-in-use", ."frmr-pool-pinned-handles",
			 .driver."driver-u64"[2]]]')" \
		"$(pools | jq -c 'map([.num_dma_blocks, .queue_handles,
			.in_use, .max_in_use, .pinned_handles, .created])')"
}

test_ynl_sets_what_the_tool_shows()
{
	local dev key none

	dev="\"dev-index\": $(dev_index)"
	none='"frmr-pool-queue-handles": 0'
	key='"frmr-pool-key": {"frmr-pool-key-num-dma-blocks": 32}'

	ynl --do frmr-pools-set >/dev/null \
		--json "{$dev, \"frmr-pools-aging-period\": 9}" &&
	ynl --do frmr-pools-set >/dev/null \
		--json "{$dev, \"frmr-pool-pinned-handles\": 7, $key}" &&
	equal period "$(pools | jq '.[0].aging_period')" 9 &&
	equal pinned "$(in_pool 32 pinned_handles)" 7 &&
	set_pools pinned 0:4:0:0 3 && set_pools pinned 0:4:0:0 0 &&
	ynl --do frmr-pools-set --json "{$dev, $none}" >/dev/null &&
	equal idle "$(total queue_handles)" 7 &&
	refused "takes no key" ynl --do frmr-pools-set \
		--json "{$dev, $none, $key}" &&
	refused "to 0 only" ynl --do frmr-pools-set \
		--json "{$dev, \"frmr-pool-queue-handles\": 1}" &&
	refused "either" ynl --do frmr-pools-set \
		--json "{$dev, $none, \"frmr-pools-aging-period\": 9}" &&
	refused "either" ynl --do frmr-pools-set \
		--json "{$dev, $none, \"frmr-pool-pinned-handles\": 7, $key}" &&
	refused "takes no key" ynl --do frmr-pools-set \
		--json "{$dev, \"frmr-pools-aging-period\": 9, $key}" &&
	refused "either" ynl --do frmr-pools-set --json "{$dev}" &&
	refused "need the key" ynl --do frmr-pools-set \
		--json "{$dev, \"frmr-pool-pinned-handles\": 7}" &&
	refused "kernel's own" ynl --do frmr-pools-set --json \
		"{$dev, \"frmr-pool-pinned-handles\": 7, \"frmr-pool-key\": {
		\"frmr-pool-key-num-dma-blocks\": 32,
		\"frmr-pool-key-kernel-vendor-key\": 1}}" &&
	refused "ATS is either" ynl --do frmr-pools-set --json \
		"{$dev, \"frmr-pool-pinned-handles\": 7, \"frmr-pool-key\": {
		\"frmr-pool-key-num-dma-blocks\": 32,
		\"frmr-pool-key-ats\": 2}}" &&
	refused "index is missing" ynl --do frmr-pools-set --json "{}" &&
	refused "no device with" ynl --do frmr-pools-set \
		--json '{"dev-index": 12345, "frmr-pools-aging-period": 9}'
}

test_a_device_without_pools_tells_its_aging_period_and_totals()
{
	equal answer "$(ynl --dump frmr-pools-get \
		--json "{\"dev-index\": $(dev_index)}" |
		jq -c 'map([."frmr-pools-aging-period", ."frmr-pools",
			.driver."driver-u64"])')" \
		"[[60,{},[0,0,0,0,0,0,0,0,0,0]]]"
}

# shown FILTER...: how many pools of the test device it leaves
shown()
{
	rdma-frmr -j resource show frmr_pools dev frmr_filter "$@" | jq length
}

each_filter_picks_its_pools()
{
	local key

	for key in 0:4:0:0 5:4:0:0 0:20:1:0 0:20:0:1 0:40:100000:0; do
		rdma-frmr resource set frmr_pools dev frmr_filter \
			pinned $key 1 || return
	done
	rdma-frmr resource set frmr_pools dev frmr_filter pinned 0:20:0:1 3 &&
	echo 4 >/sys/kernel/debug/frmr_test/frmr_filter/pop &&
	equal "no filter" "$(shown)" 5 &&
	equal vendor_key "$(shown vendor_key 5)" 1 &&
	equal num_dma_blocks "$(shown num_dma_blocks 32)" 2 &&
	equal "a range" "$(shown num_dma_blocks 1-32)" 4 &&
	equal "a range and a number" "$(shown num_dma_blocks 64,1-4)" 3 &&
	equal "outside of ranges" "$(shown num_dma_blocks 5-31,33-63)" 0 &&
	equal access_flags "$(shown access_flags 1)" 1 &&
	equal "decimal flags" "$(shown access_flags 1048576)" 1 &&
	equal "hex flags" "$(shown access_flags 0x100000)" 1 &&
	equal ats "$(shown ats 1)" 1 &&
	equal queue "$(shown queue 0)" 1 &&
	equal "queue, a range" "$(shown queue 1-2)" 3 &&
	equal in_use "$(shown in_use 1)" 1 &&
	equal max_in_use "$(shown max_in_use 0)" 4 &&
	equal pinned "$(shown pinned 3)" 1 &&
	equal both "$(shown num_dma_blocks 32 ats 0)" 1 &&
	equal neither "$(shown vendor_key 5 ats 1)" 0 &&
	equal "another device" "$(rdma-frmr -j resource show frmr_pools \
		dev "$DEV" | jq length)" 0 &&
	equal "all devices" "$(rdma-frmr -j resource show frmr_pools |
		jq length)" 5
}

# On a device on which any key is possible.
test_each_filter_picks_its_pools()
{
	local status=0

	rdma link add frmr_filter type frmr_test netdev lo ||
		skip "no CONFIG_INFINIBAND_FRMR_TEST_DEVICE" || return
	each_filter_picks_its_pools || status=1
	rdma link delete frmr_filter
	return $status
}

test_filters_refuse_what_is_no_number()
{
	local value

	for value in "" x -4 4- 4-1 1,,2 "1," 0x 18446744073709551616 "1 2"; do
		refused "no value for this filter" rdma-frmr \
			resource show frmr_pools num_dma_blocks "$value" ||
			return
	done
}

test_json_has_the_names_of_the_rdma_tool()
{
	set_pools pinned 0:4:0:0 3 &&
	equal pool "$(rdma-frmr -j resource show frmr_pools | jq -c \
		'map([.ifname, .key, .queue, .in_use, .max_in_use, .pinned])')" \
		"[[\"$DEV\",\"0:4:0:0\",3,0,0,3]]" &&
	equal ifindex "$(rdma-frmr -j resource show frmr_pools |
		jq '.[0].ifindex')" "$(dev_index)"
}

# Each thing that the rdma tool shows, where it knows the pools.
test_the_rdma_tool_shows_nothing_else()
{
	rdma resource help 2>&1 | grep -q frmr_pools ||
		skip "this iproute2 knows no pools" || return
	set_pools pinned 0:4:0:0 3 && set_pools pinned 0:100:0:0 2 &&
	equal "what differs" "$(jq -c -n \
		--argjson rdma "$(rdma -j -d resource show frmr_pools)" \
		--argjson ours "$(rdma-frmr -j -d resource show frmr_pools)" \
		'[range(2) as $i | $rdma[$i] | to_entries[] |
		  select($ours[$i][.key] != .value)]')" "[]" &&
	equal filtered "$(rdma -j resource show frmr_pools dev "$DEV" queue 1-2 |
		jq -r '.[].key')" 0:100:0:0
}

any_in_use()
{
	[ "$(total in_use)" -gt 0 ]
}

# The names differ in one letter, so no event can have another, even if a rename
# is under way while it is written.
test_events_name_the_device_while_it_is_renamed()
{
	local t=/sys/kernel/tracing other=${DEV%?}x pid

	[ -d $t/events/frmr ] || skip "no trace events" || return
	echo >$t/trace && echo 1 >$t/events/frmr/enable
	churn -S 8 -m 4 -s 4 -v 0 >/dev/null & pid=$!
	# Programs find the device by its name when they begin.
	eventually 10 any_in_use
	while kill -0 $pid 2>/dev/null; do
		rdma dev set "$DEV" name "$other"
		rdma dev set "$other" name "$DEV"
	done
	wait $pid
	local status=$?

	echo 0 >$t/events/frmr/enable
	[ $status -eq 0 ] && equal names "$(sed -n \
		's/.* frmr_[a-z]*: dev=\([^ ]*\) .*/\1/p' $t/trace |
		sort -u | xargs)" "$(printf '%s\n' "$DEV" "$other" |
		sort | xargs)"
}

test_flags_change_how_it_looks_not_what_it_says()
{
	set_pools pinned 0:4:0:0 3 || return
	equal pretty "$(rdma-frmr -j -p -d resource show frmr_pools |
		jq -c .)" "$(rdma-frmr -j -d resource show frmr_pools |
		jq -c .)" &&
	[ "$(rdma-frmr -j -p resource show frmr_pools | wc -l)" -gt 1 ] &&
	rdma-frmr -d resource show frmr_pools | grep -q "hit rate" &&
	rdma-frmr help | grep -q "show frmr_pools"
}

run_tests
