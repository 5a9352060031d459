#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The series as mails, in build/series: what git format-patch makes of the files
# and patches here. series/ says which of them belong together, in which order,
# and what the message is.
#
# Author and sign-off are from git's configuration. The date is that of the
# last commit here, or SOURCE_DATE_EPOCH, so that the same tree gives the same
# mails.

. "$(dirname "$0")/lib.sh"

MAP=$TOP/series

# Nothing of a user's configuration changes what git does here.
g()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 LC_ALL=C git "$@"
}

# members: the new files and the patches of the quilt stack
members()
{
	new_files
	sed 's,^,patches/,' "$TOP/patches/series"
}

# place_members: a line "STEP MEMBER" for each. A folder in series/ stands for
# all in it that is not listed more precisely.
place_members()
{
	members | (cd "$MAP" && LC_ALL=C awk '
		function fail(why) { print "error: series: " why; failed = 1 }
		function above(path) { sub("[^/]+/?$", "", path); return path }

		FILENAME != "-" {
			if (FNR == 1)
				listed = 0
			if (listed && $0 in step)
				fail($0 " is in " step[$0] " and " FILENAME)
			if (listed)
				step[$0] = FILENAME
			listed = listed || $0 == "---"
			next
		}
		{
			for (e = $0; e != "" && !(e in step); e = above(e))
				;
			used[e]
			if (e != "")
				print step[e], $0
			else
				fail($0 " is in no patch of series/")
		}
		END {
			for (e in step)
				if (!(e in used))
					fail(step[e] " has " e \
					     ", where nothing is")
			exit failed
		}' [0-9]* -)
}

# read_map: STEPS, and in build/series.map which member is of which step
read_map()
{
	place_members >"$BUILD/series.map" ||
		{ grep ^error: "$BUILD/series.map" >&2; return 1; }
	mapfile -t STEPS < <(cd "$MAP" && LC_ALL=C ls -d [0-9]*)
}

# changed_files: those of the kernel that the series changes
changed_files()
{
	{ sed -n 's,^+++ b/,,p' "$TOP"/patches/*.patch; echo MAINTAINERS; } |
		LC_ALL=C sort -u
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

# init_base DIR: a repository of those files of the base that the series changes.
# What else is in DIR is none of its business.
init_base()
{
	local base f

	base=$(cat "$TREE/.frmr/origin")
	mkdir -p "$1"
	while read -r f; do
		mkdir -p "$1/$(dirname "$f")"
		[ -e "$1/$f" ] || cp "$base/$f" "$1/$f"
	done < <(changed_files)
	g init -q --template= --initial-branch=base "$1"
	(cd "$1" && changed_files | g update-index --add --stdin)
	g -C "$1" -c core.abbrev=12 commit -q -m "The kernel without the series"
}

# update_maintainers: adds our entry, with those files that are there by now
update_maintainers()
{
	local key value found

	while IFS=$'\t' read -r key value; do
		mapfile -t found < <(compgen -G "$value")
		[[ $key == F: && ! -e ${found[0]:-} ]] ||
			printf '%s\n' "$key${value:+$'\t'$value}"
	done <"$TOP/MAINTAINERS" >.git/entry
	grep -q ^F: .git/entry || return 0
	insert_entry .git/entry "$(cat "$TREE/.frmr/origin")/MAINTAINERS" \
		>MAINTAINERS
}

# commit_step STEP: in a repository, the next patch of the series
commit_step()
{
	local step=$1 member

	while read -r member; do
		case $member in
		patches/*)
			g apply --index "$TOP/$member" ||
				die "series/$step: $member does not apply" ;;
		*)
			mkdir -p "$(dirname "$member")"
			cp -p "$TOP/$member" "$member" ;;
		esac
	done < <(sed -n "s,^$step ,,p" "$BUILD/series.map")
	update_maintainers
	g add -A
	sed '/^---$/,$d' "$MAP/$step" | g commit -q -s -F -
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
	sed -e "/^@bench@$/{r $table" -e 'd}' "$MAP/cover"
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
	read_map
	identify
	format_series "$out"
	say "$((${#STEPS[@]} + 1)) mails: git am --empty=drop $out/*.patch"
fi
