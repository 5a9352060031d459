#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The series as mails, in build/series: what git format-patch makes of the files
# and patches here, see harness/stack.sh.
#
# Author and sign-off are from git's configuration. The date is that of the
# last commit here, or SOURCE_DATE_EPOCH, so that the same tree gives the same
# mails.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/stack.sh"

# Nothing of a user's configuration changes what git does here.
g()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 LC_ALL=C git "$@"
}

# read_stack: STEPS, the mails; and in build/series.map which files are new in
# which of them
read_stack()
{
	place_files >"$BUILD/series.map" ||
		{ grep ^error: "$BUILD/series.map" >&2; return 1; }
	mapfile -t STEPS < <(stack)
}

# identify: sets who commits, and when, for git
identify()
{
	local who

	who=$(git -C "$TOP" -c user.useConfigOnly=true var GIT_AUTHOR_IDENT) ||
		die "git does not know who you are: set user.name and user.email"
	GIT_AUTHOR_NAME=${who%% <*}
	GIT_AUTHOR_EMAIL=${who#*<}
	GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL%%>*}
	GIT_AUTHOR_DATE="@${SOURCE_DATE_EPOCH:-$(
		git -C "$TOP" log -1 --format=%ct)} +0000"
	export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME
	export GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
	export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
}

# init_base DIR: a repository of those files of the base that the series changes
# or replaces. What else is in DIR is none of its business.
init_base()
{
	local base f

	base=$(cat "$TREE/.frmr/origin")
	mkdir -p "$1"
	g init -q --template= --initial-branch=base "$1"
	{ changed_files; new_files; } | while read -r f; do
		[ -e "$base/$f" ] || continue
		mkdir -p "$1/$(dirname "$f")"
		[ -e "$1/$f" ] || cp "$base/$f" "$1/$f"
		echo "$f"
	done | g -C "$1" update-index --add --stdin
	g -C "$1" -c core.abbrev=12 commit -q -m "The kernel without the series"
}

# update_maintainers: adds our entry, with those files that are there by now
update_maintainers()
{
	maintainers_entry . >.git/entry
	grep -q ^F: .git/entry || return 0
	insert_entry .git/entry "$(cat "$TREE/.frmr/origin")/MAINTAINERS" \
		>MAINTAINERS
}

# commit_step MAIL: in a repository, the next mail of the series
commit_step()
{
	local mail=$TOP/patches/$1 f

	g apply --index --allow-empty "$mail" ||
		die "patches/$1 does not apply"
	while read -r f; do
		mkdir -p "$(dirname "$f")"
		cp -p "$TOP/$f" "$f"
	done < <(sed -n "s,^$1 ,,p" "$BUILD/series.map")
	update_maintainers
	g add -A
	sed '/^---$/,$d' "$mail" | g commit -q -s -F -
}

# cover_letter: with the numbers of "make bench", if there are any
cover_letter()
{
	local results=$BUILD/bench/results.txt table=$BUILD/series-bench

	if [ -f "$results" ]; then
		awk 'BEGIN { printf "  %-14s%10s%10s%10s\n", "", "core",
				"baseline", "mainline" }
			$2 ~ /^ratio_/ { next }
			sub(/^baseline_/, "", $2) { base[$2] = $3; next }
			sub(/^mainline_/, "", $2) { main[$2] = $3; next }
			{ name[++n] = $2; core[$2] = $3; unit[$2] = $4 }
			END {
				for (i = 1; i <= n; i++) {
					m = name[i]
					printf "  %-14s%10s%10s%10s %s\n", m,
						core[m], base[m] ? base[m] : "-",
						main[m] ? main[m] : "-", unit[m]
				}
			}' "$results"
		echo
		echo "tools/testing/frmr_pools/README.rst tells what they mean."
	else
		echo "  make -C tools/testing/frmr_pools bench"
		echo "  tools/testing/frmr_pools/bench.sh tools/testing/frmr_pools"
	fi >"$table"
	sed -e "/^@bench@$/{r $table" -e 'd}' "$TOP/patches/cover-$BASE"
}

# format_series DIR: writes the mails
format_series()
{
	local out=$1 repo=$BUILD/series.work step

	rm -rf "$repo" "$out"
	init_base "$repo"
	for step in "${STEPS[@]}"; do
		(cd "$repo" && commit_step "$step") || exit 1
	done
	g -C "$repo" config branch.base.description "$(cover_letter)"
	g -C "$repo" -c core.abbrev=12 format-patch -q -o "$out" --cover-letter \
		--cover-from-description=subject --zero-commit --no-signature \
		--stat=75 "$(g -C "$repo" rev-list --max-parents=0 HEAD)"
	rm -rf "$repo"
}

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	out=${1:-$BUILD/series}
	need git
	"$TOP/harness/tree.sh"
	read_stack
	identify
	format_series "$out"
	say "$((${#STEPS[@]} + 1)) mails: git am --empty=drop $out/*.patch"
fi
