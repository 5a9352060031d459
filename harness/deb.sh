#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Debian packages, in build/deb: frmr-pools-dkms, the modules as source for DKMS,
# and rdma-frmr, the tool.

. "$(dirname "$0")/lib.sh"

DEB=$BUILD/deb

DEB_PACKAGES="gcc libc6-dev dpkg-dev debhelper dh-dkms lintian pkg-config
libmnl-dev libjson-c-dev rsync"

# The fields @NAME@ of the packaging
fill_in()
{
	local maintainer date files

	mapfile -t files < <(find "$SOURCE/debian" -type f)

	maintainer=$(git -C "$TOP" log -1 --format='%an <%ae>')
	date=$(git -C "$TOP" log -1 --format=%cD)
	sed -i -e "s/@BASE@/$BASE/g" -e "s/@VERSION@/$PACKAGED/g" \
		-e "s/@MAINTAINER@/$maintainer/g" -e "s/@DATE@/$date/g" "${files[@]}"
}

place_source()
{
	rm -rf "$DEB"
	mkdir -p "$SOURCE"
	place_modules "$SOURCE/src"
	# The kernel's modules have no version. DKMS would take ours for the same.
	mkdir "$SOURCE/force"
	echo frmr-pools_version-override >"$SOURCE/force/frmr-pools"
	cp -rL "$TREE/tools/rdma" "$SOURCE/tool"
	make -s -C "$TREE" O="$DEB/headers" headers
	cp -r "$DEB/headers/usr/include" "$SOURCE/uapi"
	cp -r "$TOP/packaging/debian" "$SOURCE"
	fill_in
}

[ "$BASE" = 6.12 ] ||
	die "packages are for Linux 6.12: others of Debian have no MODVERSIONS"
# shellcheck disable=SC2086
need $DEB_PACKAGES
"$TOP/harness/tree.sh"
. "$TOP/harness/outside.sh"
PACKAGED=$UPSTREAM+frmr1
SOURCE=$DEB/frmr-pools-$PACKAGED
say "packages for Linux $UPSTREAM"
place_source
(cd "$SOURCE" && dpkg-buildpackage -b -us -uc) >"$DEB/log" 2>&1 ||
	{ tail -30 "$DEB/log" >&2; die "the packages do not build, see $DEB/log"; }
lintian --fail-on error "$DEB"/frmr-pools_*.changes >"$DEB/lintian" 2>&1 ||
	{ cat "$DEB/lintian" >&2; die "lintian has found errors"; }
say "sudo apt install" "$DEB"/*.deb
