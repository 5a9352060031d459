# SPDX-License-Identifier: GPL-2.0
# The series of the base. A mail is a file in patches/: its message, below "---"
# the new files that it brings, and after an empty line its diff. quilt takes it
# as it is. patches/series-BASE says which mails there are, in which order.
# Sourced after lib.sh.
# shellcheck shell=bash

# The folders that may hold new files
SERIES_DIRS="drivers include Documentation tools"

# stack: the mails. FLAVOUR=compat leaves mlx5 as mainline has it.
stack()
{
	local mail

	while read -r mail; do
		case $FLAVOUR$mail in
		compat"# compat:"*) break ;;
		*"#"*) continue ;;
		compat*) ! grep -q '^+++ b/.*/mlx5/' "$TOP/patches/$mail" ||
			continue ;;
		esac
		echo "$mail"
	done <"$TOP/patches/series-$BASE"
}

# diffs: the mails that change files of the kernel
diffs()
{
	(cd "$TOP/patches" && stack | xargs grep -l '^+++ b/')
}

# changed_files: those of the kernel that the series changes
changed_files()
{
	(cd "$TOP/patches" && diffs | xargs sed -n 's,^+++ b/,,p'
	 echo MAINTAINERS) | LC_ALL=C sort -u
}

# candidates: the files that may be new
candidates()
{
	# shellcheck disable=SC2086
	(cd "$TOP" && find $SERIES_DIRS -type f ! -name '*~') | LC_ALL=C sort
}

# place_files: a line "MAIL FILE" for each new file of the series. A folder in a
# mail's list stands for all in it that is not listed more precisely, nor changed
# by a diff.
place_files()
{
	local mails

	mapfile -t mails < <(stack)
	{ changed_files | sed 's/^/diff /'; candidates; } |
		(cd "$TOP/patches" && LC_ALL=C awk '
		function fail(why) { print "error: patches/" why; failed = 1 }
		function above(path) { sub("[^/]+/?$", "", path); return path }

		FILENAME != "-" {
			if (FNR == 1)
				part = 0
			if (part == 1 && $0 == "")
				part = 2
			if (part == 1 && $0 in mail)
				fail(FILENAME " brings " $0 ", as " mail[$0])
			if (part == 1)
				mail[$0] = FILENAME
			if (part == 0 && $0 == "---")
				part = 1
			next
		}
		$1 == "diff" {
			changed[$2]
			next
		}
		!($0 in mail) && $0 in changed {
			next
		}
		{
			for (e = $0; e != "" && !(e in mail); e = above(e))
				;
			used[e]
			if (e != "")
				print mail[e], $0
		}
		END {
			for (e in mail)
				if (!(e in used))
					fail(mail[e] " brings " e \
					     ", where nothing is")
			exit failed
		}' "${mails[@]}" -)
}

# files_of: of lines as place_files prints them, the files
files_of()
{
	sed 's/^[^ ]* //' | LC_ALL=C sort
}

# new_files: the files of the series that are whole files here
new_files()
{
	place_files | files_of
}

# maintainers_entry DIR: ours, with those files that are in DIR
maintainers_entry()
{
	local key value found

	while IFS=$'\t' read -r key value; do
		mapfile -t found < <(cd "$1" && compgen -G "$value")
		[[ $key == F: && ! -e $1/${found[0]:-none} ]] ||
			printf '%s\n' "$key${value:+$'\t'$value}"
	done <"$TOP/MAINTAINERS"
}
