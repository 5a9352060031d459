#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a cluster does to the FRMR pools, all at once, on Soft-RoCE and on the
# simulated ConnectX (tools/testing/mlx5_sim), in rounds. Each round chooses by
# the seed what troubles the devices; then all is healed, and nothing may be
# lost, hang, or have been read back wrong.
#
# frmr_soak.sh SECONDS [SEED]
#
# One line a round goes to stderr, KTAP with a result for each check of each round
# to stdout. What is done to the devices is in the kernel's log.
# ROUND=seconds: how long one lasts (60); PATIENCE=seconds: for what has to end
# when it is over (60); ANSWER_MS: how long the driver waits for a command when
# some get lost (3000).

# shellcheck source-path=SCRIPTDIR source=sim_lib.sh
. "$(dirname "$0")/sim_lib.sh"
. "$HERE/nvme_lib.sh"

SOAK=${1:?seconds}
SEED=${2:-$RANDOM}
ROUND=${ROUND:-60}
PATIENCE=${PATIENCE:-60}
ANSWER_MS=${ANSWER_MS:-3000}

NS=frmr-soak
CGROUP=/sys/fs/cgroup/frmr-soak
CPU=/sys/devices/system/cpu/cpu1/online
DIR=/run/frmr-soak
# Where actors write what they have counted, and what is wrong
COUNTS=$DIR/counts WRONG=$DIR/wrong STOP=$DIR/stop
# In pages
SIZES=("1,2,3,7,16,64,200" 1 1-64 "16,512" 1-300 40)

# What may trouble a device in a round: one of the lines, and of that one thing
# after the other. What the adapter can't have at once, or the driver would lose
# memory with an mkey, is in different lines.
RXE_TROUBLES=(
	""
	"delete_link move_netdev"
)
MLX5_TROUBLES=(
	"be_slow"
	"be_slow be_full fail_creations"
	"be_slow fail_creations fail_umrs"
	"be_slow be_full fail_destructions"
	"be_slow lose_creation lose_destruction"
	"be_slow fail_creations rebind die unplug move"
)

# Choices

# seed_choices NAME: of the actor with this name in this round
seed_choices()
{
	RANDOM=$(cksum <<<"$SEED $ROUNDS $1" | cut -d' ' -f1)
}

# choose WORD...: one of them, in CHOICE; not printed, as a subshell has its own
# sequence
choose()
{
	local i=$((RANDOM % $# + 1))

	CHOICE=${!i}
}

# pause MIN MAX: so many tenths of a second
pause()
{
	local tenths=$(($1 + RANDOM % ($2 - $1 + 1)))

	sleep $((tenths / 10)).$((tenths % 10))
}

# What is kept

# count WHAT [NUMBER]
count()
{
	echo "$1 ${2:-1}" >>$COUNTS
}

# wrong KIND TEXT...
wrong()
{
	echo "${*:2}" >>"$WRONG.$1"
}

# In the kernel's log, beside what comes of it
note()
{
	echo "frmr_soak: $*" >/dev/kmsg
}

counted()
{
	awk -v what="$1" '$1 == what { n += $2 } END { print n + 0 }' "$2"
}

# Actors

going()
{
	[ ! -e $STOP ]
}

# act DEVICE TROUBLE COMMAND...: again and again. With TROUBLE, what it does may
# fail.
act()
{
	DEV=$1 TROUBLE=$2 ME=$ACTORS
	seed_choices "$ME"
	while going; do
		"${@:3}"
	done
}

# actor DEVICE TROUBLE COMMAND...: acts in the background
actor()
{
	ACTORS=$((ACTORS + 1))
	act "$@" &
}

# failed TEXT...: which is wrong unless something troubles the device
failed()
{
	count failures
	[ -n "$TROUBLE" ] || wrong failure "$DEV: $*"
	sleep 0.5
}

# application PROGRAM...: starts, and is killed, is asked to end, or ends by itself
application()
{
	local out=$DIR/out.$ME status signal limit

	choose "KILL 0.3" "KILL 3" "TERM 2" "TERM 6" "KILL $PATIENCE" \
		"KILL $PATIENCE"
	read -r signal limit <<<"$CHOICE"
	timeout --foreground -s "$signal" "$limit" \
		"${WITHIN[@]}" "$@" >"$out" 2>"$out.err"
	status=$?
	count starts
	if grep -q 'byte .* is 0x' "$out.err"; then
		wrong data "$DEV: $(head -2 "$out.err")"
	elif [ $status -ge 124 ] && [ "$limit" != "$PATIENCE" ]; then
		count killed
	elif [ $status -ne 0 ]; then
		failed "$*: $status, $(tail -1 "$out.err")"
	fi
}

# What mr_churn says of itself, unless it was killed
count_registrations()
{
	jq -r '"registrations \(.registrations)", "verified \(.verified)",
		"verified_bytes \(.verified_bytes)"' \
		"$DIR/out.$ME" >>$COUNTS 2>/dev/null
}

register()
{
	local args=(--json --seed $RANDOM)

	choose 1 2 3
	args+=(-t "$CHOICE")
	choose 1 5 20 50
	args+=(-m "$CHOICE")
	choose "${SIZES[@]}"
	args+=(-s "$CHOICE")
	choose 1 10 50
	args+=(-v "$CHOICE")
	choose 1 3 6
	args+=(-S "$CHOICE")
	application mr_churn -d "$DEV" "${args[@]}"
	count_registrations
}

# settled PID PORT: it listens, or has failed
settled()
{
	gone "$1" || ss -Hltn "sport = :$2" | grep -q .
}

# choose_pair PORT: a program that is started twice, in PAIR. Soft-RoCE is addressed
# by its GID that is no link-local one, and not by UCX, which fails on it anyway.
choose_pair()
{
	local gid=(-g 1) ucx=

	[ "$DEV" = rxe0 ] || gid=() ucx=ucx_perftest
	choose ibv_rc_pingpong ib_write_bw ib_read_bw ib_send_bw $ucx
	case $CHOICE in
	ibv_rc_pingpong)
		PAIR=("$CHOICE" -d "$DEV" "${gid[@]}") ;;
	ib_*)
		PAIR=("$CHOICE" -d "$DEV" "${gid[@]/-g/-x}" -F) ;;
	ucx_perftest)
		PAIR=(env UCX_TLS=rc_v UCX_NET_DEVICES="$DEV:1" "$CHOICE"
			-t tag_bw -s 65536) ;;
	esac
	PAIR+=(-n 200 -p "$1")
}

traffic()
{
	local port=$((18000 + ME)) server

	choose_pair $port
	timeout --foreground -s KILL "$PATIENCE" "${PAIR[@]}" >/dev/null 2>&1 &
	server=$!
	eventually 20 settled $server $port
	application "${PAIR[@]}" localhost
	kill $server 2>/dev/null
	wait $server 2>/dev/null
}

steer()
{
	local pages

	choose 1 7 16 64 300
	pages=$CHOICE
	choose "set_pools aging $((1 + RANDOM % 5))" \
		"set_pools pinned 0:$pages:0:0 $((RANDOM % 30))" \
		"set_pools pinned 0:$pages:0:0 0" \
		"set_pools reclaim" \
		"pools" \
		"rdma-frmr -j resource show frmr_totals dev $DEV" \
		"rdma-frmr metrics" \
		"rdma resource show mr dev $DEV"
	count settings
	$CHOICE >/dev/null 2>"$DIR/out.$ME" ||
		failed "$CHOICE: $(tail -1 "$DIR/out.$ME")"
	pause 1 8
}

# A disk whose controller went would be written to as a file.
disk_is_right()
{
	if ! write_disk 2>/dev/null || ! read_disk 2>/dev/null; then
		failed "NVMe: I/O error"
		return 1
	fi
	cmp "$WRITTEN" "$READ" || wrong data "NVMe: what was read is not the written"
	count disk_bytes "$(stat -c %s "$READ")"
}

no_controller()
{
	[ ! -e /sys/class/nvme/nvme0 ]
}

disk()
{
	local n=$((RANDOM % 8))

	if host_connect ctrl_loss_tmo=10 reconnect_delay=2 2>/dev/null; then
		count connections
		while [ $((n--)) -ge 0 ] && going && disk_is_right; do :; done
	else
		failed "NVMe: no connection"
	fi
	host_disconnect 2>/dev/null
	eventually "$PATIENCE" no_controller ||
		wrong failure "NVMe: the controller stays"
}

# Namespaces

in_ns()
{
	ip netns exec $NS "$@"
}

namespace()
{
	ip netns add $NS 2>/dev/null || { failed "no namespace"; return; }
	count namespaces
	in_ns rdma-frmr -d resource show frmr_pools >/dev/null ||
		failed "no dump in a namespace"
	if [ "$MODE" = shared ]; then
		local WITHIN=(ip netns exec "$NS")
		register
	fi
	ip netns delete $NS
	pause 5 20
}

# Memory

# The first to be killed when there is none
hog()
{
	(
		echo 1000 >/proc/$BASHPID/oom_score_adj
		hog_memory
	)
}

# Whoever has more than the limit is killed.
register_within_limit()
{
	# shellcheck disable=SC2016
	local WITHIN=(bash -c 'echo $$ >"$0" && exec "$@"'
		"$CGROUP/cgroup.procs") TROUBLE=limit

	choose 8 16 64
	echo "${CHOICE}M" >$CGROUP/memory.max
	register
}

pressure()
{
	choose hog "sysctl -qw vm.drop_caches=3" "sysctl -qw vm.drop_caches=2" \
		"${LIMITED:-hog}"
	count pressures
	$CHOICE
	pause 10 50
}

limit_memory()
{
	grep -qw memory /proc/cgroups 2>/dev/null || return 0
	mount -t cgroup2 none /sys/fs/cgroup &&
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control &&
	mkdir $CGROUP && LIMITED=register_within_limit
}

# CPUs

hotplug()
{
	# Busy while a driver is being bound
	echo 0 2>/dev/null >$CPU && count hotplugs
	pause 2 20
	echo 1 >$CPU
	pause 10 50
}

# Troubles of Soft-RoCE

rxe_up()
{
	ip addr replace "$ADDRESS/24" dev "$NETDEV" &&
	ip link set "$NETDEV" up || return
	rdma link show rxe0/1 >/dev/null 2>&1 ||
		rdma link add rxe0 type rxe netdev "$NETDEV"
}

delete_link()
{
	rdma link delete rxe0
	pause 1 20
	rxe_up
}

# Its device is no more, then.
move_netdev()
{
	ip netns add $NS.net
	ip link set "$NETDEV" netns $NS.net
	pause 1 20
	ip -n $NS.net link set "$NETDEV" netns 1
	ip netns delete $NS.net
	rxe_up
}

# Troubles of the simulated ConnectX

be_slow()
{
	echo $((RANDOM % 1000)) >$SIM/command_time_us
	echo $((RANDOM % 5000)) >$SIM/create_time_us
	echo $((RANDOM % 5000)) >$SIM/destroy_time_us
	choose 1 4 16
	echo "$CHOICE" >$SIM/commands_at_once
	pause 10 50
}

be_full()
{
	fill_device
	pause 10 50
	echo "$MAX_MKEYS" >$SIM/max_mkeys
}

fail_creations()
{
	choose $LIMITS_EXCEEDED $INTERNAL_ERROR
	fail_command $CREATE_MKEY $((1 + RANDOM % 20)) "$CHOICE"
	pause 10 40
}

fail_umrs()
{
	local some=$((1 + RANDOM % 20))

	echo $some >$SIM/fail_umrs
	pause 10 40
	[ "$(cat $SIM/fail_umrs)" -eq $some ] || expect_umr_warning
	echo 0 >$SIM/fail_umrs
}

# destroy_in_vain COUNT STATUS SECONDS: leaves in LOST the mkeys that stayed
destroy_in_vain()
{
	fail_command $DESTROY_MKEY "$1" "$2"
	age_fast 2>/dev/null
	eventually "$3" all_failed
	count lost_mkeys $(($1 - $(cut -d' ' -f2 $SIM/fail_command | grep . ||
		echo 0)))
}

fail_destructions()
{
	destroy_in_vain $((1 + RANDOM % 3)) $INTERNAL_ERROR 10
}

# Until the driver has lost patience. Late answers don't count.
await_loss()
{
	sleep $((ANSWER_MS / 1000 + 2))
}

lose_creation()
{
	fail_command $CREATE_MKEY 1 $NEVER_ENDS
	eventually 5 all_failed
	await_loss
}

lose_destruction()
{
	destroy_in_vain 1 $NEVER_ENDS 5
	await_loss
}

comes_back()
{
	eventually "$PATIENCE" device_up || wrong failure "$DEV does not come back"
}

rebind()
{
	unbind
	pause 1 20
	echo $PCI_DEVICE >$DRIVER/bind
	comes_back
}

has_died()
{
	! device_up
}

die()
{
	echo 1 >$SIM/fatal
	eventually 10 has_died
	comes_back
}

unplug()
{
	echo 0 >$SIM/present
	pause 1 20
	echo 1 >$SIM/present
	comes_back
}

# A namespace that ends leaves its devices to the first one.
move()
{
	[ "$MODE" = exclusive ] || return
	ip netns add $NS.rdma
	rdma dev set $DEV netns $NS.rdma ||
		wrong failure "$DEV does not move"
	ip netns exec $NS.rdma mr_churn -d $DEV -n 20 >/dev/null 2>$DIR/moved ||
		wrong failure "$DEV does not work elsewhere: $(cat $DIR/moved)"
	ip netns delete $NS.rdma
	comes_back
}

# One of those that the round has, and it is over.
trouble()
{
	# shellcheck disable=SC2086
	choose $TROUBLE
	note "$DEV: $CHOICE"
	count faults
	count "$CHOICE"
	"$CHOICE"
	[ "$DEV" = rxe0 ] || heal
	note "$DEV: healed"
	pause 20 80
}

# Rounds

has_second_cpu()
{
	[ -w $CPU ]
}

begin_round()
{
	local options

	ROUNDS=$((ROUNDS + 1)) ACTORS=0 BEGAN=$SECONDS VERDICT=
	rm -rf $DIR && mkdir $DIR && : >$COUNTS
	seed_choices round
	choose "${RXE_TROUBLES[@]}"
	RXE_TROUBLE=$CHOICE
	choose "${MLX5_TROUBLES[@]}"
	MLX5_TROUBLE=$CHOICE
	choose shared exclusive
	MODE=$CHOICE
	options=(commands_at_once=$((1 + RANDOM % 16)))
	[[ $MLX5_TROUBLE != *lose* ]] ||
		options+=("command_timeout_ms=$ANSWER_MS")
	note "round $ROUNDS: $MODE; rxe0: $RXE_TROUBLE; mlx5_0: $MLX5_TROUBLE"
	set_mode "$MODE" && rxe_up && fresh_device "${options[@]}" &&
	MAX_MKEYS=$(cat $SIM/max_mkeys) && target_up
}

start_actors()
{
	local excuse=$MLX5_TROUBLE

	# Slowness is none.
	[ "$excuse" != be_slow ] || excuse=
	actor mlx5_0 "$excuse" register
	actor mlx5_0 "$excuse" register
	actor mlx5_0 "$excuse" traffic
	actor mlx5_0 "$excuse" steer
	actor mlx5_0 "$excuse" namespace
	actor mlx5_0 "$excuse" pressure
	actor mlx5_0 "$MLX5_TROUBLE" trouble
	actor rxe0 "$RXE_TROUBLE" register
	actor rxe0 "$RXE_TROUBLE" traffic
	actor rxe0 "$RXE_TROUBLE" steer
	actor rxe0 "$RXE_TROUBLE" disk
	[ -z "$RXE_TROUBLE" ] || actor rxe0 "$RXE_TROUBLE" trouble
	! has_second_cpu || actor "" "" hotplug
}

# What is left when all should have ended, and where it waits
show_processes()
{
	local pid

	ps -eo pid,ppid,stat,wchan:32,args | awk '$1 > 2 && $2 != 2'
	for pid in $(ps -eo pid,stat | awk '$2 ~ /^D/ { print $1 }'); do
		echo "$pid:"
		cat "/proc/$pid/stack" 2>/dev/null
	done
}

no_actors()
{
	[ -z "$(jobs -pr)" ]
}

everything_ends()
{
	touch $STOP
	eventually $((2 * PATIENCE)) no_actors && return
	show_processes
	return 1
}

# soon COMMAND...: which may hang
soon()
{
	"$@" &
	eventually "$PATIENCE" gone $! && wait $! && return
	gone $! || show_processes
	return 1
}

nothing_wrong()
{
	[ -s "$WRONG.$1" ] || return 0
	sort "$WRONG.$1" | uniq -c | head -20
	return 1
}

target_goes()
{
	soon target_down
}

nothing_in_use()
{
	[ "$(total in_use)" -eq 0 ]
}

rxe_adds_up()
{
	local DEV=rxe0

	eventually 20 nothing_in_use || pools
	equal "rxe0: in use" "$(total in_use)" 0 && pools_add_up
}

rxe_goes()
{
	soon rdma link delete rxe0
}

mlx5_adds_up()
{
	local lost

	lost=$(counted lost_mkeys $COUNTS)
	[ "$lost" -eq 0 ] || expect_lost "$lost"
	soon accounting_holds && soon unload
}

# check NAME COMMAND...
check()
{
	if "${@:2}"; then
		RESULTS+=("pass round $ROUNDS: $1")
		return
	fi
	RESULTS+=("fail round $ROUNDS: $1")
	VERDICT+="${VERDICT:+, }not $1"
	return 1
}

# Whether another round makes sense
end_round()
{
	check "all ends" everything_ends || return
	check "data" nothing_wrong data
	check "working" nothing_wrong failure
	check "target goes" target_goes &&
	check "rxe0 adds up" rxe_adds_up &&
	check "rxe0 goes" rxe_goes &&
	check "mlx5_0 adds up and goes" mlx5_adds_up
}

report_round()
{
	printf 'round %3d %4d s %7d registrations %4d faults %4d killed  %.24s\n' \
		$ROUNDS $((SECONDS - BEGAN)) \
		"$(counted registrations $COUNTS)" "$(counted faults $COUNTS)" \
		"$(counted killed $COUNTS)" "${VERDICT:-ok}"
	cat $COUNTS >>$DIR.total
}

soak_round()
{
	local status

	if check "begins" begin_round; then
		start_actors
		sleep "$ROUND"
		end_round
	else
		false
	fi
	status=$?
	report_round
	return $status
}

report()
{
	echo "rounds $ROUNDS" >>$DIR.total
	awk '{ n[$1] += $2 }
	     END { for (what in n) printf "%-20s %14d\n", what, n[what] }' \
		$DIR.total | sort
}

print_results()
{
	local result

	ktap_print_header
	ktap_set_plan ${#RESULTS[@]}
	for result in "${RESULTS[@]}"; do
		"ktap_test_${result%% *}" "${result#* }"
	done
	ktap_finished
}

exec {KTAP}>&1 1>&2
RESULTS=() ROUNDS=0 WITHIN=() LIMITED=
echo "seed $SEED, $SOAK s, rounds of $ROUND s"
limit_memory
SOAK_END=$((SECONDS + SOAK))
while soak_round && [ $SECONDS -lt $SOAK_END ]; do :; done
report
print_results >&"$KTAP"
