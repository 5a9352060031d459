#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Debian packages, in build/dkms: frmr-pools-dkms, the modules as source for DKMS,
# and rdma-frmr, the tool.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/stack.sh"

DEB=$BUILD/dkms
RELEASE=$BASE+frmr1
SOURCE=$DEB/frmr-pools-$RELEASE

DEB_PACKAGES="gcc libc6-dev dpkg-dev debhelper dh-dkms lintian pkg-config
libmnl-dev libjson-c-dev rsync"

# Folders of the kernel that are built, or whose headers are needed
FOLDERS="drivers/infiniband include/rdma include/uapi/rdma net/smc
net/sunrpc/xprtrdma"
PARTS="drivers/nvme/host/rdma.c drivers/nvme/target/rdma.c net/9p/trans_rdma.c
net/rds/ib*.c net/rds/rdma_transport.c net/sunrpc/netns.h"
HEADERS="drivers/nvme/host drivers/nvme/target net/rds
drivers/net/ethernet/broadcom/bnxt drivers/net/ethernet/chelsio/cxgb4
drivers/net/ethernet/chelsio/libcxgb drivers/net/ethernet/cisco/enic
drivers/net/ethernet/emulex/benet drivers/net/ethernet/hisilicon/hns3
drivers/net/ethernet/intel/ice"

# list_sources: in the tree with the series, one a line
list_sources()
{
	# shellcheck disable=SC2086
	{
		find -L $FOLDERS -type f
		find $HEADERS -name '*.h'
		printf '%s\n' $PARTS
		{ new_files; changed_files; } | grep ^include/
	} | grep -v /tests/ | LC_ALL=C sort -u
}

# place_modules DIR: the sources for DKMS. Makefiles that look for headers of
# other drivers in the kernel's tree find them here.
place_modules()
{
	mkdir -p "$1"
	(cd "$TREE" && list_sources | tar -ch -T -) | tar -x -C "$1"
	# shellcheck disable=SC2016
	grep -rl 'srctree)/drivers' "$1" --include=Makefile |
		xargs sed -i 's,\$(srctree)/drivers,$(KBUILD_EXTMOD)/drivers,'
	cp "$TOP/packaging/Kbuild" "$TOP/packaging/modules" "$1"
}

# The fields @NAME@ of the packaging
fill_in()
{
	local maintainer date files

	mapfile -t files < <(find "$SOURCE/debian" -type f)

	maintainer=$(git -C "$TOP" log -1 --format='%an <%ae>')
	date=$(git -C "$TOP" log -1 --format=%cD)
	sed -i -e "s/@BASE@/$BASE/g" -e "s/@RELEASE@/$RELEASE/g" \
		-e "s/@MAINTAINER@/$maintainer/g" -e "s/@DATE@/$date/g" "${files[@]}"
}

place_source()
{
	rm -rf "$SOURCE"
	mkdir -p "$SOURCE"
	place_modules "$SOURCE/src"
	cp -rL "$TREE/tools/rdma" "$SOURCE/tool"
	make -s -C "$TREE" O="$DEB/headers" headers
	cp -r "$DEB/headers/usr/include" "$SOURCE/uapi"
	cp -r "$TOP/packaging/debian" "$SOURCE"
	fill_in
}

# shellcheck disable=SC2086
need $DEB_PACKAGES
"$TOP/harness/tree.sh"
say "packages for Linux $BASE"
place_source
(cd "$SOURCE" && dpkg-buildpackage -b -us -uc) >"$DEB/log" 2>&1 ||
	{ tail -30 "$DEB/log" >&2; die "the packages do not build, see $DEB/log"; }
lintian --fail-on error "$DEB"/frmr-pools_*.changes >"$DEB/lintian" 2>&1 ||
	{ cat "$DEB/lintian" >&2; die "lintian has found errors"; }
say "sudo apt install" "$DEB"/*.deb
