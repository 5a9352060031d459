#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Unpacks Debian's own kernel of the version that the tree has, with its modules
# and headers, into the cache, once. Prints the folder.
#
# KIND=rt-amd64	that one, instead of the usual one

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/archive.sh"
. "$TOP/harness/outside.sh"

# unpack ROOT: the packages that lie here. The headers are used where they are.
unpack()
{
	local deb

	for deb in ./*.deb; do
		dpkg -x "$deb" root
	done
	sed -i "s,/usr/src/,$1&," "root/usr/src/linux-headers-$ABI/Makefile"
	mv -T root "$1"
}

fetch()
{
	local common=linux-headers-$RELEASE-common packages

	[ "$KIND" != rt-amd64 ] || common+=-rt
	packages=("linux-image-$ABI" "linux-headers-$ABI" "$common"
		"linux-kbuild-$RELEASE")
	open_archive
	say "fetching Debian's kernel $ABI"
	quietly "$ARCHIVE does not give ${packages[*]} of $STOCK_VERSION" \
		private apt-get download -q "${packages[@]/%/=$STOCK_VERSION}"
	unpack "$1"
}

[ "$(dpkg --print-architecture)" = amd64 ] || die "this is for amd64 only"
to=$CACHE/stock-$ABI
[ -d "$to" ] || fetch "$to"
echo "$to"
