# SPDX-License-Identifier: GPL-2.0
# The modules of the series out of the kernel's tree, for Debian's own kernel.
# Sourced after lib.sh and when there is a tree.
# shellcheck shell=bash disable=SC2034

# The tree's version, as 6.12.117, and Debian's kernel of it
UPSTREAM=$(sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL) = //p' "$TREE/Makefile" |
	paste -sd.)
STOCK_VERSION=$(cat "$TREE/.frmr/origin")
STOCK_VERSION=${STOCK_VERSION##*/linux-}
RELEASE=$UPSTREAM$SUFFIX
KIND=${KIND:-amd64}
ABI=$RELEASE-$KIND

# Folders of the kernel that are built, or whose headers are needed. The kernel's
# own headers have the rest.
FOLDERS="drivers/infiniband include/rdma include/uapi/rdma net/smc
net/sunrpc/xprtrdma"
PARTS="drivers/nvme/host/rdma.c drivers/nvme/target/rdma.c net/9p/trans_rdma.c
net/rds/ib*.c net/rds/rdma_transport.c net/sunrpc/netns.h
include/trace/events/frmr.h"
HEADERS="drivers/nvme/host drivers/nvme/target net/rds
drivers/net/ethernet/broadcom/bnxt drivers/net/ethernet/chelsio/cxgb4
drivers/net/ethernet/chelsio/libcxgb drivers/net/ethernet/cisco/enic
drivers/net/ethernet/emulex/benet drivers/net/ethernet/hisilicon/hns3
drivers/net/ethernet/intel/ice"

# list_sources: in the tree with the series, one a line. What other modules of
# the kernel were built with stays as it is: no other header.
list_sources()
{
	# shellcheck disable=SC2086
	{
		find -L $FOLDERS -type f
		find $HEADERS -name '*.h'
		printf '%s\n' $PARTS
	} | grep -v /tests/ | LC_ALL=C sort -u
}

# place_modules DIR: the sources. Makefiles that look for headers of other
# drivers in the kernel's tree find them here.
place_modules()
{
	mkdir -p "$1"
	(cd "$TREE" && list_sources | tar -ch -T -) | tar -x -C "$1"
	# shellcheck disable=SC2016
	grep -rl 'srctree)/drivers' "$1" --include=Makefile |
		xargs sed -i 's,\$(srctree)/drivers,$(KBUILD_EXTMOD)/drivers,'
	cp -p "$TOP"/packaging/{Kbuild,modules,layout,initrd} "$1"
}
