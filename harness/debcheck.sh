#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tries the packages as an administrator would, on a Debian of its own with
# Debian's own kernel: they are installed, DKMS builds the modules, the system
# boots in QEMU and is put to work; another kernel comes, with PREEMPT_RT, for
# which DKMS builds them again; then they are removed, and what boots must be as
# it was before.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

DIR=$BUILD/debcheck
ROOT=$DIR/root
LOG=$DIR/log
MIRROR=http://deb.debian.org/debian
SYSTEM_PACKAGES="dkms openssl ccache initramfs-tools rdma-core ibverbs-utils
ibverbs-providers perftest iproute2 jq perl procps nfs-kernel-server"

# in_root COMMAND...: in the system, as root; what it mounts ends with it
in_root()
{
	# shellcheck disable=SC2016
	as_root unshare --mount sh -c 'mount -t proc proc "$0/proc" &&
		mount --bind "$1" "$0/var/cache/ccache" && shift &&
		exec chroot "$0" "$@"' "$ROOT" "$CCACHE_DIR" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/ \
		DEBIAN_FRONTEND=noninteractive DEBIAN_KERNEL_USE_CCACHE=1 \
		CCACHE_NOHASHDIR=1 CCACHE_DIR=/var/cache/ccache "$@"
}

# must WHAT COMMAND...: all that it says goes to the log
must()
{
	"${@:2}" >>"$LOG" 2>&1 || { tail -30 "$LOG" >&2; die "$1, see $LOG"; }
}

# install_kernel: the one that ABI says
install_kernel()
{
	must "can't install the kernel $ABI" in_root apt-get install -q -y \
		--no-install-recommends \
		{linux-image,linux-headers}-"$ABI=$STOCK_VERSION"
}

# make_system ARCHIVE: a Debian with its own kernel
make_system()
{
	say "installing a Debian with the kernel $ABI"
	must "debootstrap failed" as_root debootstrap --variant=minbase \
		bookworm "$ROOT" $MIRROR
	echo "deb $ARCHIVE" |
		as_root tee -a "$ROOT/etc/apt/sources.list" >/dev/null
	as_root mkdir -p "$ROOT/var/cache/ccache"
	must "can't reach the archive" in_root apt-get update -q
	# shellcheck disable=SC2086
	must "can't install programs" in_root apt-get install -q -y \
		--no-install-recommends $SYSTEM_PACKAGES
	install_kernel
	must "can't tidy up" in_root apt-get clean
	as_root tar -C "$ROOT" -c . | zstd -q -1 >"$1.new"
	mv "$1.new" "$1"
}

place_system()
{
	local system=$CACHE/debian-$ABI.tar.zst

	as_root rm -rf "$DIR"
	mkdir -p "$ROOT" "$CCACHE_DIR"
	if [ -f "$system" ]; then
		zstd -dc "$system" | as_root tar -C "$ROOT" -x
	else
		make_system "$system"
	fi
}

install_packages()
{
	local debs

	say "installing the packages: DKMS builds the modules"
	as_root mkdir "$ROOT/packages"
	as_root cp "$BUILD/deb"/*.deb "$ROOT/packages"
	debs=$(cd "$ROOT" && ls ./packages/{frmr-pools-dkms,rdma-frmr}_*.deb)
	# shellcheck disable=SC2086
	must "the packages can't be installed" in_root apt-get install -q -y $debs
	in_root dkms status >&2 2>/dev/null
}

remove_packages()
{
	say "removing the packages"
	must "the packages can't be removed" in_root apt-get purge -q -y \
		frmr-pools-dkms rdma-frmr
}

# The simulated ConnectX, as anybody would build a module for this kernel
build_adapter()
{
	local dir=/usr/src/mlx5_sim

	as_root rm -rf "$ROOT$dir"
	as_root cp -rL "$TREE/tools/testing/mlx5_sim" "$ROOT$dir"
	must "the simulated ConnectX does not build" in_root make \
		-C "/lib/modules/$ABI/build" M=$dir mlx5_sim.ko
}

# modules REGEX: of the lines that say what each module needs
modules()
{
	grep -E "$1" "$ROOT/lib/modules/$ABI/modules.dep"
}

# Each module that this kernel has is replaced, and none stays that needs one of
# them.
all_are_replaced()
{
	local option module

	while read -r option module; do
		! grep -q "^CONFIG_$option=m" "$ROOT/boot/config-$ABI" ||
			modules "^updates/dkms/${module##*/}\.ko" >/dev/null ||
			{ echo "$module is not replaced" >&2; return 1; }
	done < <(grep -v '^#' "$TOP/packaging/modules")
	! modules '^kernel/.*: .*updates/dkms' >&2
}

# By the key that DKMS has made, for the firmware to learn
all_are_signed()
{
	local module

	[ -s "$ROOT/var/lib/dkms/mok.pub" ] || return
	for module in "$ROOT/lib/modules/$ABI"/updates/dkms/*.ko*; do
		modinfo -F signer "$module" | grep -q 'DKMS' ||
			{ echo "${module##*/} is not signed" >&2; return 1; }
	done
}

none_is_replaced()
{
	! modules updates/dkms >&2
}

# in_initrd REGEX: of the RAM disk, from which modules are loaded first
in_initrd()
{
	in_root lsinitramfs "/boot/initrd.img-$ABI" | grep -E "$1"
}

initrd_has_ours()
{
	in_initrd /updates/dkms/ib_core >/dev/null &&
		! in_initrd '/kernel/.*/(ib_core|rdma_cm|mlx5_ib)\.ko' >&2
}

initrd_has_none_of_ours()
{
	! in_initrd /updates/dkms >&2
}

# check NAME COMMAND...: one result
check()
{
	if "${@:2}"; then
		add_results "packages: $1" 1 0 0
	else
		add_results "packages: $1" 0 1 0
	fi
}

# boot TESTS [NAME]: the system as it is now, for these tests of the guest
boot()
{
	local tests=$1 name=${2:-$1}

	say "booting it: $name"
	as_root rm -f "$DIR/disk"
	must "can't make a disk" as_root mke2fs -q -t ext4 -d "$ROOT" \
		"$DIR/disk" 6G
	as_root chown "$(id -u)" "$DIR/disk"
	IMAGE=$ROOT/boot/vmlinuz-$ABI INITRD=$ROOT/boot/initrd.img-$ABI \
		DISK=$DIR/disk TIMEOUT=1800 \
		"$TOP/harness/guest.sh" "debcheck-$name" \
		"$TOP/harness/guest/debcheck" "$tests" \
		</dev/null >"$DIR/$name.ktap" ||
		say "the guest did not end well"
	count_ktap "packages: $name" "$DIR/$name.ktap"
	check_console "packages: $name, console" \
		"$BUILD/guest/debcheck-$name/console"
}

[ "$BASE" = 6.12 ] || die "there is a Debian to try it on for Linux 6.12 only"
need debootstrap e2fsprogs zstd util-linux bc python3
"$TOP/harness/deb.sh"
"$TOP/harness/programs.sh"
. "$TOP/harness/outside.sh"
place_system
as_root install -D -t "$ROOT$TOP/harness/guest" "$TOP/harness/guest/init"
install_packages
check "all modules are replaced" all_are_replaced
check "all modules are signed" all_are_signed
check "the RAM disk has ours" initrd_has_ours
build_adapter
boot pools

ABI=$RELEASE-rt-amd64
say "installing another kernel, $ABI: DKMS builds the modules for it"
install_kernel
in_root dkms status >&2 2>/dev/null
check "they are replaced in the new kernel" all_are_replaced
build_adapter
boot pools rt
ABI=$RELEASE-$KIND

remove_packages
check "no module is replaced" none_is_replaced
check "the RAM disk has none of ours" initrd_has_none_of_ours
boot stock
as_root rm -rf "$ROOT" "$DIR/disk"
finish
