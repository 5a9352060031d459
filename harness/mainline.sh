#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fetches the FRMR pools of mainline, to measure against: the core's own files,
# as they are, into the cache. Prints the folder, laid out like a kernel tree.
#
# Exactly this version or none: numbers of another one would say something else.

. "$(dirname "$0")/lib.sh"

PACKAGE=linux-source-7.3
VERSION=7.3.4-1~bpo13+1
SHA256=703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3
ARCHIVE="http://deb.debian.org/debian trixie-backports main"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

FILES=(
	drivers/infiniband/core/frmr_pools.c
	drivers/infiniband/core/frmr_pools.h
	include/rdma/frmr_pools.h
)

to=$CACHE/mainline-$VERSION

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

update()
{
	mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial"
	echo "deb [signed-by=$KEYRING] $ARCHIVE" >"$tmp/sources.list"
	private apt-get update -q >"$tmp/log" 2>&1 ||
		{ cat "$tmp/log" >&2
		  die "can't reach the archive $ARCHIVE"; }
	private apt-cache madison $PACKAGE | grep -qF " $VERSION " ||
		die "$ARCHIVE does not have $PACKAGE $VERSION any more"
}

download()
{
	(cd "$tmp" && private apt-get download -q "$PACKAGE=$VERSION") \
		>"$tmp/log" 2>&1 ||
		{ cat "$tmp/log" >&2
		  die "can't download $PACKAGE $VERSION"; }
	echo "$SHA256 $(ls "$tmp"/*.deb)" | sha256sum --check --status ||
		die "$PACKAGE $VERSION is not what it was: wrong SHA256"
}

unpack()
{
	dpkg-deb --fsys-tarfile "$tmp"/*.deb |
		tar xO ./usr/src/$PACKAGE.tar.xz |
		tar xJ -C "$tmp" "${FILES[@]/#/$PACKAGE/}"
}

if [ ! -d "$to" ]; then
	need xz-utils debian-archive-keyring
	say "fetching the FRMR pools of $PACKAGE $VERSION"
	tmp=$(mktemp -d "$CACHE/fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	update
	download
	unpack
	mv -T "$tmp/$PACKAGE" "$to"
fi
echo "$to"
