#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fetches the base kernel from Debian's archive and unpacks it into the cache,
# once. Prints the folder.

. "$(dirname "$0")/lib.sh"

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# apt with lists and a cache of its own: the machine's does not change.
private()
{
	"$1" -o Dir::State::Lists="$tmp/lists" -o Dir::Cache="$tmp/cache" \
		-o Dir::State::status=/dev/null \
		-o Dir::Etc::SourceList="$tmp/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null \
		-o Acquire::Languages=none -o APT::Sandbox::User=root \
		-o APT::Update::Error-Mode=any "${@:2}"
}

# quietly WHY COMMAND...: what it prints is shown if it fails
quietly()
{
	"${@:2}" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; die "$1"; }
}

update()
{
	mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial"
	echo "deb [signed-by=$KEYRING] $ARCHIVE" >"$tmp/sources.list"
	quietly "can't reach the archive $ARCHIVE" private apt-get update -q
}

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

	tmp=$(mktemp -d "$CACHE/fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp"
	cd "$tmp"
	update
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
if [ ! -d "$to" ]; then
	need xz-utils debian-archive-keyring
	fetch
fi
echo "$to"
