# SPDX-License-Identifier: GPL-2.0
# What all scripts of the harness share: places, packages, messages.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/frmr-pools

# plain, debug, kcsan; or base: plain without the series, to measure against
FLAVOUR=${FLAVOUR:-plain}
TREE=$BUILD/linux
[ "$FLAVOUR" != base ] || TREE=$BUILD/base
KBUILD=$TREE/$FLAVOUR
JOBS=${JOBS:-$(nproc)}

export CCACHE_DIR=$CACHE/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G

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

# clone_tree FROM TO: links, if the file system has them. Who changes a file of TO
# has to make it anew, as quilt and git do.
clone_tree()
{
	cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2"; cp -a "$1" "$2"; }
}

# new_files: the files of the series that the kernel does not have yet
new_files()
{
	# shellcheck disable=SC2086
	(cd "$TOP" && find $SERIES_DIRS -type f ! -name '*~' | LC_ALL=C sort)
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

# modular_config: the guest's options, with RDMA and what is tested with it as
# modules
modular_config()
{
	local modules='INFINIBAND|INFINIBAND_USER_(MAD|ACCESS)|RDMA_RXE'

	modules+='|INFINIBAND_FRMR_(KUNIT_TEST|TEST_DEVICE)|KUNIT'
	modules+='|MLX5_(CORE|INFINIBAND)|NVME_(RDMA|TARGET(_RDMA)?)'
	sed -E "s/^(CONFIG_($modules))=y/\1=m/" \
		"$TOP/harness/config/plain.config"
}
