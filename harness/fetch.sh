#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fetches the base kernel from Debian's archive and unpacks it into the cache,
# once. Prints the folder.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/archive.sh"

# pick_version: the pinned one; or, where another will do, the newest there is
pick_version()
{
	local there

	there=$(private apt-cache madison "$PACKAGE" | awk '{ print $3 }')
	# shellcheck disable=SC2153
	if grep -qxF -- "$VERSION" <<<"$there"; then
		echo "$VERSION"
		return
	fi
	[[ -z $PINNED && -n $there ]] ||
		die "$ARCHIVE does not have $PACKAGE $VERSION any more, but:" \
			"${there:-none}. Unpack that version from elsewhere" \
			"(snapshot.debian.org keeps all) and say LINUX=/path"
	say "warning: $PACKAGE $VERSION is not to be had, using ${there%%$'\n'*}"
	echo "${there%%$'\n'*}"
}

download()
{
	quietly "can't download $PACKAGE $1" \
		private apt-get download -q "$PACKAGE=$1"
	[ "$1" != "$VERSION" ] ||
		echo "$SHA256 $(ls ./*.deb)" | sha256sum --check --status ||
		die "$PACKAGE $1 is not what it was: wrong SHA256"
}

fetch()
{
	local version

	open_archive
	version=$(pick_version)
	to=$CACHE/linux-$version
	[ ! -d "$to" ] || return 0
	say "fetching $PACKAGE $version"
	download "$version"
	dpkg-deb --fsys-tarfile ./*.deb |
		tar xO "./usr/src/$PACKAGE.tar.xz" | tar xJ
	mv -T "$PACKAGE" "$to"
}

to=$CACHE/linux-$VERSION
[ -d "$to" ] || fetch
echo "$to"
