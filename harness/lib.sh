# SPDX-License-Identifier: GPL-2.0
# What all scripts of the harness share: places, packages, messages.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/frmr-pools

say()
{
	printf '%s\n' "== $*" >&2
}

die()
{
	printf '%s\n' "error: $*" >&2
	exit 1
}

# The kernels that there is a series for
BASES=$(cd "$TOP/harness/base" && echo *)

# base_of TREE: 6.12, say, by its Makefile
base_of()
{
	[ -f "$1/Kbuild" ] || die "LINUX=$1 is no kernel tree"
	sed -n 's/^\(VERSION\|PATCHLEVEL\) = //p' "$1/Makefile" | paste -sd.
}

# set_base: BASE is what the caller says, or what LINUX is, or the first
set_base()
{
	local of

	if [ -n "${LINUX:-}" ]; then
		of=$(base_of "$LINUX")
		[ "${BASE:-$of}" = "$of" ] ||
			die "LINUX=$LINUX is Linux $of, not BASE=$BASE"
		BASE=$of
	fi
	BASE=${BASE:-${BASES%% *}}
	[ -f "$TOP/harness/base/$BASE" ] ||
		die "there is no series for Linux $BASE, but for: $BASES"
}

set_base
export BASE
# shellcheck source=harness/base/6.12
. "$TOP/harness/base/$BASE"

BUILD=$TOP/build
[ "$BASE" = "${BASES%% *}" ] || BUILD=$TOP/build/$BASE

# plain, debug, kcsan; or base: plain without the series, to measure against;
# or compat: plain with mainline's mlx5
FLAVOUR=${FLAVOUR:-plain}
case $FLAVOUR in
base|compat) TREE=$BUILD/$FLAVOUR ;;
*) TREE=$BUILD/linux ;;
esac
KBUILD=$TREE/$FLAVOUR
JOBS=${JOBS:-$(nproc)}

export CCACHE_DIR=$CACHE/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G

mkdir -p "$BUILD" "$CACHE"

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

# clone_tree FROM TO: links, if the file system has them. Who changes a file of TO
# has to make it anew, as quilt and git do.
clone_tree()
{
	cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2"; cp -a "$1" "$2"; }
}

# insert_entry ENTRY FILE: the FILE MAINTAINERS, with ENTRY where the alphabet
# wants it
insert_entry()
{
	LC_ALL=C awk '
		FNR == 1 { file++ }
		file == 1 { entry = entry $0 "\n"; ours = ours ? ours : $0 }
		/^Maintainers List/ { list = file }
		{ title = list == file && /^[0-9A-Z]/ && !/^(.:|Maint)/ }
		file == 2 && title && $0 < ours && $0 > last { last = $0 }
		file == 3 && title && found { print entry; found = 0 }
		file == 3 && title && $0 == last { found = 1 }
		file == 3 { print }' "$1" "$2" "$2"
}

# plain_config: the guest's options, as far as the base has them
plain_config()
{
	grep -vE "^CONFIG_(${GONE:-0})=" "$TOP/harness/config/plain.config"
}

# modular_config: the guest's options, with RDMA and what is tested with it as
# modules
modular_config()
{
	local modules='INFINIBAND|INFINIBAND_USER_(MAD|ACCESS)|RDMA_RXE'

	modules+='|INFINIBAND_FRMR_(KUNIT_TEST|TEST_DEVICE)|KUNIT'
	modules+='|MLX5_(CORE|INFINIBAND)|NVME_(RDMA|TARGET(_RDMA)?)'
	plain_config | sed -E "s/^(CONFIG_($modules))=y/\1=m/"
}
