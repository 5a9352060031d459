#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The checks of the source, over all that the series adds.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"
. "$TOP/harness/series.sh"

# files PATTERN...: files of the series whose names match
files()
{
	local f p

	for f in $(new_files); do
		for p; do
			# shellcheck disable=SC2053
			[[ ${f##*/} != $p ]] || echo "$f"
		done
	done
}

# check NAME COMMAND...: passed if it succeeds and prints nothing
check()
{
	local name=$1 out=$BUILD/lint-${1// /-}.log

	if "${@:2}" >"$out" 2>&1 && [ ! -s "$out" ]; then
		add_results "lint: $name" 1 0 0
	else
		add_results "lint: $name" 0 1 0
		head -30 "$out" >&2
	fi
}

# The tree without get_maintainer.pl, which checkpatch would start for each file
# to see if it is obsolete: check_maintainers asks for all at once.
CHECKPATCH_ROOT=$BUILD/lint-root

make_checkpatch_root()
{
	local f

	rm -rf "$CHECKPATCH_ROOT"
	mkdir -p "$CHECKPATCH_ROOT/scripts"
	for f in "$TREE"/* "$TREE"/scripts/*; do
		case ${f#"$TREE"/} in
		scripts|scripts/get_maintainer.pl) ;;
		*) ln -s "$f" "$CHECKPATCH_ROOT/${f#"$TREE"/}" ;;
		esac
	done
}

checkpatch()
{
	(cd "$TREE" && scripts/checkpatch.pl --root="$CHECKPATCH_ROOT" \
		--strict --quiet --no-summary --terse --show-types "$@")
}

# Headers of trace points are written in a language of macros of its own, to
# which these rules don't apply.
TRACE_TYPES=COMPLEX_MACRO,MULTISTATEMENT_MACRO_USE_DO_WHILE
TRACE_TYPES+=,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT

# Shims imitate what the kernel has: types, barriers, macros without a body of
# their own. libFuzzer and ThreadSanitizer have names of their own.
SHIM_TYPES=MACRO_ARG_UNUSED,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE,COMPLEX_MACRO
SHIM_TYPES+=,MEMORY_BARRIER,DATA_RACE,NEW_TYPEDEFS,SPACING,UNNECESSARY_CASTS
SHIM_TYPES+=,PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO,AVOID_BUG,USE_LOCKDEP
SHIM_TYPES+=,EXPORT_SYMBOL,SUSPECT_CODE_INDENT,UNCOMMENTED_DEFINITION
SHIM_TYPES+=,ARCH_DEFINES,CAMELCASE

# Not every 6.12 has kmalloc_obj().
OLD_TYPES=ALLOC_WITH_SIZEOF

# What is beside the shims: the mail that brings both is excused from more.
check_users_of_shims()
{
	local f status=0

	for f in $(files '*.[ch]' Makefile); do
		case $f in
		tools/testing/frmr_pools/include/*) ;;
		tools/testing/frmr_pools/fuzz.c)
			checkpatch --ignore "$OLD_TYPES,CAMELCASE" -f "$f" ||
				status=1 ;;
		tools/testing/frmr_pools/*)
			checkpatch --ignore $OLD_TYPES -f "$f" || status=1 ;;
		esac
	done
	return $status
}

# The series, made by nobody in particular, to be looked at and not to be sent
LINT_SERIES=$BUILD/lint-series

make_series()
{
	GIT_AUTHOR_NAME=Nobody GIT_AUTHOR_EMAIL=nobody@localhost \
		SOURCE_DATE_EPOCH=0 "$TOP/harness/series.sh" "$1"
}

# Nothing but files, patches and messages goes into it: it is the same in another
# place of the world, and for a user with other habits.
check_same_series()
{
	local log=$BUILD/lint-series.log

	if ! make_series "$LINT_SERIES" >"$log" 2>&1 ||
	   ! (umask 077 && GIT_CONFIG_GLOBAL=$TOP/harness/config/git TZ=Asia/Tokyo \
		make_series "$LINT_SERIES.again") >>"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	diff -r "$LINT_SERIES" "$LINT_SERIES.again"
}

# check_applied DIR: each file of the series in DIR, and no other, is as "make
# tree" has it
check_applied()
{
	local f

	diff <(git -C "$1" ls-files) \
		<({ new_files; changed_files; } | LC_ALL=C sort -u) || return 1
	while read -r f; do
		cmp "$1/$f" "$TREE/$f"
		[ -x "$1/$f" ] || [ ! -x "$TREE/$f" ] ||
			echo "$f can't be executed"
	done < <(git -C "$1" ls-files)
}

# Each file that could be of the series is of one base's at least.
check_placed()
{
	local base

	candidates | LC_ALL=C comm -23 - <(
			for base in $BASES; do
				BASE=$base new_files
				BASE=$base changed_files
			done | LC_ALL=C sort -u) |
		sed 's/$/ is in no mail/'
}

check_git_am()
{
	local dir=$BUILD/lint-am

	rm -rf "$dir"
	"$TOP/harness/apply.sh" "$LINT_SERIES" "$dir" &&
		check_applied "$dir"
}

# is_shared MAIL: the first base has it, too
is_shared()
{
	grep -qxF -- "$1" "$TOP/patches/series-${BASES%% *}"
}

# A mail that another base has, too, is looked at there. Commits of mainline are
# not at hand. What is said of files that
# come and go is not for us: check_maintainers asks for more.
check_mails()
{
	local i ignore mails status=0

	mapfile -t mails < <(ls "$LINT_SERIES"/*.patch)
	read_stack && make_checkpatch_root || return
	for i in "${!mails[@]}"; do
		ignore=FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID,$OLD_TYPES
		case ${STEPS[i - 1]} in
		rdma-core-frmr-trace.patch) ignore+=,$TRACE_TYPES ;;
		tools-testing-frmr-pools.patch) ignore+=,$SHIM_TYPES ;;
		esac
		[ -n "${DIFFERENCES:-}" ] && is_shared "${STEPS[i - 1]}" ||
			checkpatch --ignore "$ignore" "${mails[i]}" || status=1
	done
	[ -n "${DIFFERENCES:-}" ] || check_users_of_shims || status=1
	return $status
}

# status FILE...: what MAINTAINERS says of them
status()
{
	(cd "$TREE" && scripts/get_maintainer.pl --status --nom --nol --no-git \
		--no-git-fallback -f "$@")
}

# Nothing that the series is about is obsolete.
check_maintained()
{
	local f all

	mapfile -t all < <(new_files; changed_files)
	status "${all[@]}" | grep -qi obsolete || return 0
	for f in "${all[@]}"; do
		! status "$f" | grep -qi obsolete || echo "$f is obsolete"
	done
}

# Each new file is in our entry of MAINTAINERS, and each line of it names one.
check_maintainers()
{
	local f pattern patterns

	check_maintained
	cd "$TOP" || return
	mapfile -t patterns < <(sed -n 's/^F:\t//p' MAINTAINERS)
	for f in $(new_files); do
		for pattern in "${patterns[@]}"; do
			# shellcheck disable=SC2053
			[[ $f != ${pattern/%\//\/*} ]] || continue 2
		done
		echo "$f is not in MAINTAINERS"
	done
	for pattern in "${patterns[@]}"; do
		compgen -G "${pattern%/}" >/dev/null || echo "there is no $pattern"
	done
}

check_spelling()
{
	cd "$TOP" && codespell --skip=./build,./.git \
		--ignore-words=harness/spelling
}

check_kernel_doc()
{
	cd "$TREE" || return
	# shellcheck disable=SC2046
	scripts/kernel-doc -none -Wall \
		$(files '*.[ch]' | grep -E '^(drivers|include)') 2>&1 |
		grep -v '^Processing' || true
}

# The files of the kernel that the series adds. Those that it changes are
# changed_files.
added()
{
	files '*.[ch]' | grep -v '^tools/'
}

# build_objects NAME ARGUMENT...: builds what comes from the .c files on standard
# input anew, in a folder for that purpose
build_objects()
{
	local dir=$TREE/lint-$1 list

	mapfile -t list < <(sed -n 's,\.c$,.o,p' | sort -u)
	set -- -C "$TREE" O="$dir" "${@:2}"
	if [ ! -f "$dir/.config" ]; then
		mkdir -p "$dir"
		plain_config >"$dir/plain.config"
		make "$@" allnoconfig KCONFIG_ALLCONFIG="$dir/plain.config"
	fi
	(cd "$dir" && rm -f "${list[@]}")
	make -j"$JOBS" "$@" "${list[@]}"
}

# All warnings of the compiler, and of sparse if the arguments say so. What is
# said of files that the series does not touch is not ours to mend.
compile_objects()
{
	local log=$BUILD/lint-build-$1.log

	{ added; changed_files; } | build_objects "$@" W=1 >"$log" 2>&1 ||
		{ tail -20 "$log"; return 1; }
	grep -E '(warning|error):' "$log" | grep -F "$(added; changed_files)" || true
}

# A kernel may refuse a sparse that does not know its C, with no more than a
# warning: then nothing was checked.
check_gcc()
{
	local valid=$TREE/scripts/checker-valid.sh

	if [ ! -f "$valid" ] || [ "$(sh "$valid" sparse)" = 1 ]; then
		check "gcc W=1 and sparse" compile_objects gcc \
			CC="ccache gcc" C=1
	else
		check "gcc W=1" compile_objects gcc CC="ccache gcc"
		add_results "lint: sparse" 0 0 1
	fi
}

# What sphinx says of our texts, of the comments that they include, and of the
# index that lists them. Other texts are not ours to mend.
build_documentation()
{
	local out=$BUILD/documentation log=$BUILD/documentation.log

	rm -rf "$out"
	(cd "$TREE" && PYTHONDONTWRITEBYTECODE=1 srctree=. BUILDDIR=$out \
		sphinx-build -q -b html -c Documentation -d "$out/doctrees" \
		-D version="$BASE" -D release="$BASE" -D kerneldoc_srctree=. \
		-D kerneldoc_bin=scripts/kernel-doc \
		Documentation/infiniband "$out/html") >"$log" 2>&1 ||
		{ tail -20 "$log"; return 1; }
	grep -F -e "kernel-doc '" -e "$(files '*.rst'; added; changed_files)" "$log" ||
		true
}

# named REGEX FILE: each word of the file that matches, without a final stop
named()
{
	grep -oE "\b$1" "$2" | sed 's/\.$//' | sort -u
}

# Sphinx takes a file or function that does not exist for plain text.
check_references()
{
	local f word

	cd "$TREE" || return
	for f in $(files '*.rst'); do
		for word in $(named '(Documentation|drivers|include|tools)/[A-Za-z0-9_./-]+' \
				"$f"); do
			[ -e "$word" ] || echo "$f: there is no $word"
		done
		for word in $(named 'ib_frmr_[a-z_]+' "$f"); do
			grep -qw "$word" include/rdma/frmr_pools.h \
				drivers/infiniband/core/frmr_pools.[ch] ||
				echo "$f: there is no $word"
		done
	done
}

check_documentation()
{
	build_documentation && check_references
}

# A copy of what the series adds, as a module: coccicheck takes all files at once
# and a semantic patch only to those that have the words that it needs. git, which
# would find them faster, does not look into folders that it ignores.
check_coccinelle()
{
	local dir=$BUILD/cocci log=$BUILD/coccicheck.log list

	mapfile -t list < <(added)
	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$TOP" && cp --parents "${list[@]}" "$dir")
	make -C "$TREE" O="$TREE/lint-gcc" M="$dir" MODE=report J="$JOBS" \
		SPFLAGS=--use-coccigrep coccicheck >"$log" 2>&1 ||
		{ tail -20 "$log"; return 1; }
	sed -nE "s,^$dir/(.*\.[ch]:[0-9]+),\1,p" "$log"
}

check_shell()
{
	cd "$TOP" || return
	# shellcheck disable=SC2046
	shellcheck -x -P harness -e SC1091 harness/*.sh .ci/run \
		harness/guest/* packaging/{initrd,layout} \
		$(files '*.sh' '*.bash-completion')
}

check_programs()
{
	! grep -E 'warning:|error:' "$BUILD/programs.log"
}

# Anew: what is not compiled does not warn.
build_programs()
{
	rm -rf "$BUILD/tools" "$BUILD/selftests"
	"$TOP/harness/programs.sh"
}

# What is different on each base
lint_base()
{
	check "series: the same each time" check_same_series
	check "series: applied by git am" check_git_am
	check "series: checkpatch" check_mails
	check "series: maintainers" check_maintainers
	check "programs without a warning" check_programs
	check_gcc
	check "clang W=1" compile_objects clang CC="ccache clang$CLANG"
}

run_lint()
{
	lint_base
	check "series: nothing left out" check_placed
	check "spelling" check_spelling
	check "kernel-doc" check_kernel_doc
	check "documentation" check_documentation
	check "shellcheck" check_shell
	check "coccicheck" check_coccinelle
}

LINT_PACKAGES="clang$CLANG sparse coccinelle ocaml-nox ocaml-findlib shellcheck
codespell git python3 python3-sphinx perl"

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	# shellcheck disable=SC2086
	need $LINT_PACKAGES
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	build_programs
	run_lint
	finish
fi
