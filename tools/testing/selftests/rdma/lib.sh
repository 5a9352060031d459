# SPDX-License-Identifier: GPL-2.0
# What the tests of the FRMR pools share. Needs root, jq, rdma (iproute2) and
# rdma-frmr (tools/rdma) in the path.
# shellcheck shell=bash

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$HERE/../kselftest/ktap_helpers.sh"

DEV=${RDMA_DEVICE:-rxe0}
NETDEV=${RDMA_NETDEV:-v0}
PATH=$HERE:$PATH

# The kernel's own client of netlink specifications; YNL_TREE is a kernel tree.
YNL_TREE=${YNL_TREE:-$HERE/../../../..}
YNL_CLI=$(find "$YNL_TREE/tools/net/ynl" -name cli.py 2>/dev/null | head -1)
YNL=(/usr/bin/python3 "$YNL_CLI" --output-json --spec
	"$YNL_TREE/Documentation/netlink/specs/rdma_frmr.yaml")

# pools: each pool with its counters, as a JSON array
pools()
{
	rdma-frmr -d -j resource show frmr_pools dev "$DEV"
}

# total FIELD: its sum over all pools
total()
{
	pools | jq "map(.$1) | add // 0"
}

# device_total COUNTER: of all pools that the device ever had
device_total()
{
	rdma-frmr -j resource show frmr_totals dev "$DEV" | jq ".[0].$1"
}

# in_pool BLOCKS FIELD: of the users' pool of that size, or "none"
in_pool()
{
	pools | jq -r "map(select(.num_dma_blocks == $1 and
		(has(\"kernel_vendor_key\") | not))) | .[0].$2 // \"none\""
}

# PINS: a file for what was pinned, where a subshell can leave it, too
set_pools()
{
	[ "$1" != pinned ] || echo "$3" >>"${PINS:-/dev/null}"
	rdma-frmr resource set frmr_pools dev "$DEV" "$@"
}

ynl()
{
	"${YNL[@]}" "$@"
}

# As the netlink commands name the device.
dev_index()
{
	rdma -j dev show "$DEV" | jq '.[0].ifindex'
}

churn()
{
	mr_churn -d "$DEV" --json "$@"
}

# A device that has never registered anything.
fresh_device()
{
	! rdma link show "$DEV/1" >/dev/null 2>&1 || rdma link delete "$DEV"
	rdma link add "$DEV" type rxe netdev "$NETDEV"
}

# eventually SECONDS COMMAND...: whether it succeeds in that time
eventually()
{
	local end=$((SECONDS + $1))

	until "${@:2}"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# gone PID: that process has ended
gone()
{
	! kill -0 "$1" 2>/dev/null
}

# equal WHAT GOT WANT: says so if they are not
equal()
{
	[ "$2" = "$3" ] && return
	ktap_print_msg "$1: $2, should be $3"
	return 1
}

# between WHAT GOT MIN MAX: says so if it is not
between()
{
	[ "$2" -ge "$3" ] && [ "$2" -le "$4" ] && return
	ktap_print_msg "$1: $2, should be $3 to $4"
	return 1
}

# refused TEXT COMMAND...: the command fails and its message has TEXT in it
refused()
{
	local text=$1 output

	shift
	if output=$("$@" 2>&1); then
		ktap_print_msg "not refused: $*"
		return 1
	fi
	[[ $output = *"$text"* ]] && return
	ktap_print_msg "$*: \"$output\" should be about \"$text\""
	return 1
}

# skip REASON: for a test that can't run here; "skip ... || return" ends it
skip()
{
	SKIP=$1
	return 1
}

# What all pools ever created is gone, or in one of those that there are.
totals_add_up()
{
	[ "$(device_total created)" -eq $(($(device_total destroyed) +
		$(device_total dropped) + $(total queue_handles) +
		$(total in_use))) ]
}

# The pools whose counters don't account for each handle
wrong_pools()
{
	pools | jq -c '.[] | select(.created !=
		.destroyed + .dropped + .queue_handles + .in_use)'
}

no_pool_is_wrong()
{
	[ -z "$(wrong_pools)" ]
}

# Other kernels' pools may not tell what they did.
has_counters()
{
	rdma-frmr -j resource show frmr_totals dev "$DEV" | jq -e '.[0]' \
		>/dev/null
}

# Nothing is lost and nothing counted twice, in any pool. Pools may age: those
# that are being destroyed are counted when they are gone, and totals take some
# reads.
pools_add_up()
{
	has_counters || return 0
	if ! eventually 5 no_pool_is_wrong; then
		ktap_print_msg "accounting: $(wrong_pools)"
		return 1
	fi
	! rdma dev show "$DEV" >/dev/null 2>&1 ||
		eventually 5 totals_add_up && return
	ktap_print_msg "totals do not add up:" \
		"$(rdma-frmr -j resource show frmr_totals dev "$DEV")"
	return 1
}

# Registrations of several threads and programs, which share pools and take from
# each other's, while pools age, are pinned, unpinned and dumped.
# At most 18 are in use and 6 pinned at a time.
# ALL_AT_ONCE=seconds: how long, for detectors that need time.
all_at_once()
{
	local seconds=${ALL_AT_ONCE:-5} end churns=() pid status=0

	set_pools aging 1
	churn -t 2 -m 5 -s 1,2,64 -v 0 -S "$seconds" >/dev/null & churns+=($!)
	churn -m 8 -s 1,64,256 -v 0 -S "$seconds" >/dev/null & churns+=($!)
	end=$((SECONDS + seconds))
	while [ $SECONDS -lt $end ]; do
		set_pools pinned 0:1:0:0 $((RANDOM % 4)) || status=1
		set_pools pinned 0:40:0:0 $((RANDOM % 4)) || status=1
		pools >/dev/null || status=1
	done
	for pid in "${churns[@]}"; do
		wait "$pid" || status=1
	done
	set_pools pinned 0:1:0:0 0 && set_pools pinned 0:40:0:0 0 &&
	return $status
}

# Takes memory until little is available, and gives it back.
hog_memory()
{
	python3 -c '
import time
hogs = []
def available():
    for line in open("/proc/meminfo"):
        if line.startswith("MemAvailable"):
            return int(line.split()[1])
while available() > 200 << 10:
    hogs.append(bytearray(b"x" * (16 << 20)))
time.sleep(1)'
}

# The mode can change only while there is no other namespace, and those that
# were deleted take a moment to go.
set_mode()
{
	eventually 10 rdma system set netns "$1" 2>/dev/null
}

# stale_keys_are_refused [COMMAND...]: also if it is the only object that is reused.
# Of a key, 8 bits are to tell its owners from each other.
stale_keys_are_refused()
{
	local said

	said=$("$@" mr_attack "$DEV" stale 300) || return
	ktap_print_msg "$said"
	jq -e '.reuses == 300 and (.first == 0 or .first >= 256)' <<<"$said" \
		>/dev/null
}

no_pools()
{
	[ "$(pools | jq length)" -eq 0 ]
}

accounting_holds()
{
	pools_add_up
}

# Runs each function whose name begins with test_; the name says what it proves.
run_tests()
{
	local tests t

	mapfile -t tests < <(declare -F | sed -n 's/^declare -f test_//p')
	ktap_print_header
	if [ "$(id -u)" -ne 0 ] || ! command -v rdma-frmr jq rdma >/dev/null
	then
		ktap_skip_all "needs root, rdma-frmr, jq and rdma"
		exit "$KSFT_SKIP"
	fi
	ktap_set_plan ${#tests[@]}
	for t in "${tests[@]}"; do
		fresh_device
		SKIP=
		# Two results: the test's, and what it left in the accounting.
		if "test_$t" && accounting_holds; then
			ktap_test_pass "$t"
		elif [ -n "$SKIP" ]; then
			ktap_print_msg "$SKIP"
			ktap_test_skip "$t"
		else
			ktap_test_fail "$t"
		fi
	done
	ktap_finished
}
