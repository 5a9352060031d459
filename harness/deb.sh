#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Debian packages of the kernel with the series, in build/deb.
#
# CONFIG=/path	the configuration, say /boot/config-$(uname -r); without it,
#		Debian's own for this architecture

. "$(dirname "$0")/lib.sh"

DEB=${DEB:-$BUILD/deb}
SOURCE=$DEB/linux
ARCH=$(dpkg --print-architecture)

DEB_PACKAGES="gcc libc6-dev flex bison bc libelf-dev libssl-dev ccache cpio kmod
debhelper dpkg-dev rsync xz-utils python3 git"

debian_config()
{
	local config=/usr/src/linux-config-6.12/config.${ARCH}_none_$ARCH.xz

	need linux-config-6.12
	[ -f "$config" ] || die "Debian has no configuration for $ARCH"
	xz -dc "$config"
}

# place_source: the base with the series, as git am leaves it; no repository, so
# that the kernel's version is what Debian calls it
place_source()
{
	rm -rf "$SOURCE"
	mkdir -p "$DEB"
	clone_tree "$(cat "$TREE/.frmr/origin")" "$SOURCE"
	"$TOP/harness/apply.sh" "$DEB/series" "$SOURCE"
	rm -rf "$SOURCE/.git"
}

build()
{
	make -j"$JOBS" -C "$SOURCE" O="$SOURCE/build" CC="ccache gcc" \
		LOCALVERSION=-frmr "$@"
}

# configure: Debian's keys are not ours, and nobody waits for debugging symbols.
configure()
{
	mkdir -p "$SOURCE/build"
	if [ -n "${CONFIG:-}" ]; then
		cat "$CONFIG"
	else
		debian_config
	fi >"$SOURCE/build/.config"
	"$SOURCE/scripts/config" --file "$SOURCE/build/.config" \
		--set-str SYSTEM_TRUSTED_KEYS "" \
		--enable DEBUG_INFO_NONE --disable DEBUG_INFO_DWARF4 \
		--disable DEBUG_INFO_DWARF5 \
		--disable DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT
	build -s olddefconfig
	grep -q ^CONFIG_INFINIBAND= "$SOURCE/build/.config" ||
		die "no CONFIG_INFINIBAND in this configuration"
}

[ -z "${CONFIG:-}" ] || [ -f "$CONFIG" ] || die "CONFIG=$CONFIG is no file"
# shellcheck disable=SC2086
need $DEB_PACKAGES
"$TOP/harness/series.sh" "$DEB/series"
place_source
configure
say "building the packages; with Debian's configuration that takes hours"
build bindeb-pkg >"$DEB/log" 2>&1 ||
	{ grep -E 'error|\*\*\*' -A5 "$DEB/log" | head -30 >&2
	  die "the packages do not build, see $DEB/log"; }
rm -f "$DEB"/*.deb
mv "$SOURCE"/*.deb "$DEB"
say "apt install" "$DEB"/linux-image-*.deb
