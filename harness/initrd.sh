# SPDX-License-Identifier: GPL-2.0
# The modules with which Soft-RoCE runs on Debian's own kernel, and the initial RAM
# disk that loads them and goes on in the guest's root. Sourced after outside.sh.
# shellcheck shell=bash

# What the guest needs to see this machine's files, and Soft-RoCE to be of use
GUEST_MODULES="virtio_pci virtio_rng 9pnet_virtio 9p configfs veth crc32_generic
ib_uverbs rdma_ucm rdma_rxe"

# The modules of the series that are needed for Soft-RoCE, without ULPs
SHOWN="drivers/infiniband/core/ib_core drivers/infiniband/core/ib_cm
drivers/infiniband/core/iw_cm drivers/infiniband/core/rdma_cm
drivers/infiniband/core/ib_uverbs drivers/infiniband/core/rdma_ucm
drivers/infiniband/sw/rxe/rdma_rxe"

# build_shown STOCK DIR: these, for the kernel unpacked in STOCK
build_shown()
{
	local log=$BUILD/modules-$ABI.log targets

	# shellcheck disable=SC2086
	mapfile -t targets < <(printf '%s.ko\n' $SHOWN)
	place_modules "$2"
	say "building the modules for Debian's kernel $ABI"
	make -j"$JOBS" -C "$1/usr/src/linux-headers-$ABI" M="$2" \
		CC="ccache gcc" CONFIG_DEBUG_INFO= \
		CONFIG_DEBUG_INFO_BTF_MODULES= "${targets[@]}" 2>&1 |
		tee "$log" | show_progress "modules for $ABI" 100 ||
		{ grep -E 'error|\*\*\*' -A5 "$log" | head -30 >&2
		  die "the modules do not build, see $log"; }
}

# make_root STOCK DIR ROOT: the stock modules, and ours before them
make_root()
{
	local to=$3/lib/modules/$ABI module

	rm -rf "$3"
	mkdir -p "$to/updates"
	ln -s "$1/lib/modules/$ABI"/{kernel,modules.{builtin{,.modinfo},order}} "$to"
	for module in $SHOWN; do
		objcopy --strip-debug "$2/$module.ko" \
			"$to/updates/${module##*/}.ko"
	done
	PATH=$PATH:/sbin depmod -b "$3" "$ABI"
}

# add_modules ROOT DIR: what the guest loads, numbered in the order to do so
add_modules()
{
	local file name n=100

	# shellcheck disable=SC2086
	PATH=$PATH:/sbin modprobe -d "$1" -S "$ABI" -D -a $GUEST_MODULES |
		awk '/^insmod/ && !seen[$2]++ { print $2 }' |
		while read -r file; do
			n=$((n + 1))
			name=${file##*/}
			case $file in
			*.xz) xz -dc "$file" ;;
			*) cat "$file" ;;
			esac >"$2/$n-${name%.xz}"
		done
}

# make_initrd ROOT FILE
make_initrd()
{
	local dir=$1/initrd lib

	rm -rf "$dir"
	mkdir -p "$dir"/{bin,modules,root,dev}
	add_modules "$1" "$dir/modules"
	cp "$TOP/harness/guest/initrd" "$dir/init"
	cp "$(command -v busybox)" "$dir/bin"
	# busybox may be linked with libraries, or not.
	for lib in $(ldd "$dir/bin/busybox" | grep -o '/[^ ]*'); do
		cp -L --parents "$lib" "$dir"
	done
	(cd "$dir" && find . | cpio -o -H newc --quiet) >"$2"
}
