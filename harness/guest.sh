#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs a script in the guest: harness/guest.sh NAME [SCRIPT [ARGUMENT...]]
#
# The guest sees this machine's files read-only, and the folder build/guest/NAME
# as $OUT, which it may write. The script's output comes out here; the kernel's
# goes to build/guest/NAME/console. Ends with the script's exit status.
# Without SCRIPT it boots for what the kernel does by itself, as the KUnit tests.
#
# IMAGE=kernel and INITRD=file boot another one than ours; DISK=image has its root.
# ACCEL=kvm for speed where that works, TIMEOUT=seconds, APPEND=kernel options.
# ICOUNT=y: the guest's time is the number of its instructions, one each ns, and
# stands still while the machine does something else.

. "$(dirname "$0")/lib.sh"

NAME=$1
shift
OUT=$BUILD/guest/$NAME
ACCEL=${ACCEL:-tcg,thread=multi}
CLOCK=() DISKS=()
if [ -n "${ICOUNT:-}" ]; then
	ACCEL=tcg,thread=single
	CLOCK=(-icount "shift=0,sleep=off")
fi
TIMEOUT=${TIMEOUT:-900}
case $FLAVOUR in
plain|base|compat) MEMORY=2G ;;
*) MEMORY=6G ;;
esac

# Races are found if other CPUs do much while one waits, and an emulated one is
# slow.
[ "$FLAVOUR" != kcsan ] ||
	APPEND="kcsan.early_enable=1 kcsan.udelay_task=500 ${APPEND:-}"

IMAGE=${IMAGE:-$KBUILD/arch/x86/boot/bzImage}
ROOT="rootfstype=9p root=root ro \
rootflags=trans=virtio,version=9p2000.L,msize=262144,cache=loose"
[ -z "${INITRD:-}" ] || DISKS=(-initrd "$INITRD")
if [ -n "${DISK:-}" ]; then
	DISKS+=(-drive "file=$DISK,format=raw,if=virtio")
	ROOT="root=/dev/vda rw DISK=y"
fi
# An emulated CPU may have to wait long for a real one: no stall before 2 minutes.
# The memory at 1 GiB is for the simulated ConnectX.
APPEND="console=ttyS0 loglevel=7 panic=-1 oops=panic \
rcupdate.rcu_cpu_stall_timeout=120 memmap=16M\$1G \
$ROOT init=$TOP/harness/guest/init TOP=$TOP BUILD=$BUILD TREE=$TREE OUT=$OUT \
FLAVOUR=$FLAVOUR $BOOT ${APPEND:-}"

need qemu-system-x86
[ -f "$IMAGE" ] || die "no kernel at $IMAGE"
rm -rf "$OUT"
mkdir -p "$OUT"
# What the guest's init runs: the script's words, each quoted.
[ $# -eq 0 ] || printf '%q ' "$@" >"$OUT/job"

status=0
timeout --foreground "$TIMEOUT" qemu-system-x86_64 \
	-accel "$ACCEL" "${CLOCK[@]}" -cpu max -smp 2 -m $MEMORY \
	-nodefaults -no-user-config -display none -no-reboot \
	-kernel "$IMAGE" "${DISKS[@]}" -append "$APPEND" \
	-device virtio-rng-pci \
	-virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
	-virtfs local,path="$OUT",mount_tag=out,security_model=none,multidevs=remap \
	-serial file:"$OUT/console" \
	-chardev stdio,id=job,signal=off -serial chardev:job ||
	status=$?

[ $status -ne 124 ] || die "$NAME: no end after $TIMEOUT s, see $OUT/console"
[ $status -eq 0 ] || die "$NAME: QEMU failed ($status)"
[ $# -gt 0 ] || exit 0
[ -f "$OUT/status" ] || {
	tail -25 "$OUT/console" >&2
	die "$NAME: the guest died, see $OUT/console"
}
exit "$(cat "$OUT/status")"
