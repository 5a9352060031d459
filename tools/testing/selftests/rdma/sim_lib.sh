# SPDX-License-Identifier: GPL-2.0
# What the tests on the simulated ConnectX (tools/testing/mlx5_sim) share. They
# load SIM_MODULE, a path, or else the module that is installed.
# shellcheck shell=bash disable=SC2034,SC2119,SC2120

# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DEV=mlx5_0
SIM=/sys/kernel/debug/mlx5_sim
PCI_DEVICE=20000:00:00.0
DRIVER=/sys/bus/pci/drivers/mlx5_core
CREATE_MKEY=0x200
DESTROY_MKEY=0x202
LIMITS_EXCEEDED=8
INTERNAL_ERROR=1
NEVER_ENDS=0xff
LOG=${OUT:-/tmp}/sim.log
PINS=$(mktemp)
trap 'rm -f "$PINS"' EXIT
# 16 pages
IDLE_KEY=0:10:0:0
NO_LIMIT=1000000
# In pages: more than any other test uses.
NEW_SIZE=2000
# Where start_making() hears how many to make
HOLD=

# What the kernel says once in its life: of a UMR that failed, in whichever script,
# and of a PD that can't be deallocated.
UMR_WARNED=/run/frmr_umr_warned
PD_WARNED=

# insert MODULE [PARAMETER...]: from where the device's module is, or below it
insert()
{
	if [ -n "${SIM_MODULE:-}" ]; then
		insmod "$(dirname "$SIM_MODULE")/$1.ko" "${@:2}"
	else
		modprobe "${1##*/}" "${@:2}"
	fi
}

unload()
{
	! [ -d $SIM ] || rmmod mlx5_sim
}

device_up()
{
	ibv_devinfo -d $DEV 2>/dev/null | grep -q PORT_ACTIVE
}

# Each test gets a device of its own, that works.
fresh_device()
{
	: >"$PINS"
	LOST_MKEYS=0
	LOST_OBJECTS=0
	unload && insert mlx5_sim "$@" && works || return
	! has_pools || MKEYS_IN_NO_POOL=$(other_mkeys)
}

unbind()
{
	echo $PCI_DEVICE >$DRIVER/unbind
}

# No pool holds more than was pinned in any, or twice what it ever had in use:
# what was in use, and as much from prefill. Other kernels may not tell.
no_pool_is_oversized()
{
	local most oversized

	has_counters || return 0
	most=$(sort -n "$PINS" | tail -1)
	oversized=$(pools | jq -c ".[] | select(.queue_handles + .in_use >
		([2 * .max_in_use, ${most:-0}] | max))")
	[ -z "$oversized" ] && return
	ktap_print_msg "more than ${most:-0}, or twice in use: $oversized"
	return 1
}

# What the device counts is what the pools count, and nothing when the driver has
# given back all that it had.
accounting_holds()
{
	if [ -e $DRIVER/$PCI_DEVICE ]; then
		! has_pools || { pools_add_up && no_mkey_lost &&
			no_pool_is_oversized; } || return
		unbind
	fi
	equal "mkeys after unload" "$(cat $SIM/mkeys)" 0 &&
	equal "mkeys lost" "$(cat $SIM/leaked_mkeys)" "$LOST_MKEYS" &&
	equal "other objects lost" "$(cat $SIM/leaked_objects)" \
		"$LOST_OBJECTS" &&
	equal "pages after unload" "$(cat $SIM/pages)" 0
}

# The kernel may have none.
has_pools()
{
	grep -qw ib_frmr_pool_pop /proc/kallsyms
}

# MLX5=mainline: the driver is not of this series. It creates one mkey after the
# other, of whatever size, and a reused one keeps its keys.
is_mainline()
{
	[ "${MLX5:-}" = mainline ]
}

# The mkeys of which the pools don't know.
other_mkeys()
{
	echo $(($(cat $SIM/mkeys) - $(total queue_handles) - $(total in_use)))
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

# make_idle COUNT: so many mkeys of one size
make_idle()
{
	set_pools pinned $IDLE_KEY "$1" && set_pools pinned $IDLE_KEY 0
}

# No mkey can be created unless one goes.
fill_device()
{
	cat $SIM/mkeys >$SIM/max_mkeys
}

# make KIND COUNT [PAGES]: and destroy them
make()
{
	echo "${@:2}" | mr_kinds $DEV "$1" >"$LOG" 2>&1 && return
	ktap_print_msg "$*: $(tail -1 "$LOG")"
	return 1
}

# start_making KIND COUNT [PAGES]: in the background; holds them until release()
start_making()
{
	exec {HOLD}> >(exec mr_kinds $DEV "$1" >"$LOG" 2>&1)
	LOAD=$!
	echo "${@:2}" >&"$HOLD"
}

# Nothing more is to be made.
release()
{
	[ -z "$HOLD" ] || exec {HOLD}>&-
	HOLD=
}

# tried TIMES: to make some
tried()
{
	[ "$(grep -ac failed "$LOG")" -ge "$1" ]
}

umrs()
{
	cat $SIM/umrs
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

await_load_end()
{
	eventually 60 gone "$LOAD" && return
	ktap_print_msg "the load does not end"
	return 1
}

# A process that is stuck in the kernel can't be ended.
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
	echo "$*" >$SIM/fail_command
}

all_failed()
{
	[ -z "$(cat $SIM/fail_command)" ]
}

# What no command has met any more would make the driver hang when it goes.
heal()
{
	local opcode status

	while read -r opcode _ status; do
		fail_command "$opcode" 0 "$status"
	done < <(cat $SIM/fail_command)
	echo 0 | tee $SIM/{command,create,destroy}_time_us >/dev/null
	echo 1 >$SIM/end_lost
	echo 0 >$SIM/lose_umrs
}

await_failures()
{
	eventually "$1" all_failed && return
	ktap_print_msg "still to fail: $(cat $SIM/fail_command)"
	return 1
}

expect_warnings()
{
	echo "frmr_test: expect $1 warnings" >/dev/kmsg
}

expect_umr_warning()
{
	[ -e $UMR_WARNED ] || expect_warnings 1
	touch $UMR_WARNED
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

age_fast()
{
	set_pools aging 1
}

run_sim_tests()
{
	local tests t status

	tests=("$@")
	[ $# -gt 0 ] ||
		mapfile -t tests < <(declare -F | sed -n 's/^declare -f test_//p')
	ktap_print_header
	if ! modinfo "${SIM_MODULE:-mlx5_sim}" >/dev/null 2>&1; then
		ktap_skip_all "no module mlx5_sim"
		exit "$KSFT_SKIP"
	fi
	ktap_set_plan ${#tests[@]}
	for t in "${tests[@]}"; do
		LOAD=
		fresh_device && "test_$t" && accounting_holds
		status=$?
		[ $status -eq 0 ] || heal
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
