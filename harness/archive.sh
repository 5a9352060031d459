# SPDX-License-Identifier: GPL-2.0
# Takes packages from Debian's archive, with lists and a cache of its own: the
# machine's do not change. Sourced after lib.sh.
# shellcheck shell=bash

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# private COMMAND...: apt-get or apt-cache
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

# open_archive: goes to a folder that ends with the script, with fresh lists
open_archive()
{
	need xz-utils debian-archive-keyring
	tmp=$(mktemp -d "$CACHE/fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp"
	cd "$tmp" || exit
	mkdir -p lists/partial cache/archives/partial
	echo "deb [signed-by=$KEYRING] $ARCHIVE" >sources.list
	quietly "can't reach the archive $ARCHIVE" private apt-get update -q
}
