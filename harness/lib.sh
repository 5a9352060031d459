# SPDX-License-Identifier: GPL-2.0
# What all scripts of the harness share: places, packages, messages.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
TREE=$BUILD/linux
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/frmr-pools
FLAVOUR=${FLAVOUR:-plain}
KBUILD=$TREE/$FLAVOUR
JOBS=${JOBS:-$(nproc)}

# The folders of the series: what is in them is new to the kernel.
SERIES_DIRS="drivers include Documentation tools"

mkdir -p "$BUILD" "$CACHE"

say()
{
	printf '%s\n' "== $*" >&2
}

die()
{
	printf '%s\n' "error: $*" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# need PACKAGE...: installs those that are missing
need()
{
	local missing=() p

	for p; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
			grep -q ' installed$' || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	{
		as_root apt-get update -q &&
		as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends \
			"${missing[@]}"
	} >"$BUILD/apt.log" 2>&1 ||
		die "apt-get install failed, see $BUILD/apt.log"
}

# in_time SECONDS: 1:05
in_time()
{
	printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}
