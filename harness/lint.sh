#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The checks of the source, over all that the series adds.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

# The folders of the kernel in which the series adds or changes objects.
KERNEL_DIRS="drivers/infiniband/core/ drivers/infiniband/sw/rxe/"

# files PATTERN...: files of the series whose names match
files()
{
	local args=() p

	for p; do
		args+=(-o -name "$p")
	done
	# shellcheck disable=SC2086
	(cd "$TOP" && find $SERIES_DIRS -type f \( "${args[@]:1}" \) | sort)
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

checkpatch()
{
	(cd "$TREE" && scripts/checkpatch.pl --strict --quiet --no-summary \
		--terse --show-types "$@")
}

# Headers of trace points are written in a language of macros of its own, to
# which these rules don't apply.
TRACE_TYPES=COMPLEX_MACRO,MULTISTATEMENT_MACRO_USE_DO_WHILE
TRACE_TYPES+=,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT

check_files()
{
	local f status=0

	for f in $(files '*.[ch]' Makefile Kconfig); do
		case $f in
		include/trace/*)
			checkpatch --ignore $TRACE_TYPES -f "$f" || status=1 ;;
		*)
			checkpatch -f "$f" || status=1 ;;
		esac
	done
	return $status
}

check_patches()
{
	checkpatch --no-signoff "$TOP"/patches/*.patch
}

check_kernel_doc()
{
	cd "$TREE" || return
	# shellcheck disable=SC2046
	scripts/kernel-doc -none -Wall \
		$(files '*.[ch]' | grep -E '^(drivers|include)') 2>&1 |
		grep -v '^Processing' || true
}

# The objects that the series adds or changes, with all warnings. What is said
# of files that the series does not touch is not ours to mend.
build_with()
{
	local dir=$TREE/lint-$1 log=$BUILD/lint-build-$1.log touched
	local args=(-C "$TREE" O="$dir" "${@:2}")

	touched=$(files '*.[ch]'; sed -n 's,^+++ b/,,p' "$TOP"/patches/*.patch)
	export CCACHE_DIR=$CACHE/ccache CCACHE_NOHASHDIR=1
	# shellcheck disable=SC2086
	if ! {
		make "${args[@]}" allnoconfig \
			KCONFIG_ALLCONFIG="$TOP/harness/config/plain.config" &&
		make -j"$JOBS" "${args[@]}" prepare &&
		make -j"$JOBS" "${args[@]}" W=1 $KERNEL_DIRS
	} >"$log" 2>&1; then
		tail -20 "$log"
		return 1
	fi
	grep -E '(warning|error):' "$log" | grep -F "$touched" || true
}

check_coccinelle()
{
	local dir=$TREE/lint-gcc objects

	objects=$(files '*.c' | sed -n 's,^\(drivers.*\)\.c$,\1.o,p')
	# shellcheck disable=SC2086
	make -C "$TREE" O="$dir" MODE=report C=2 CC="ccache gcc" \
		CHECK="$TREE/scripts/coccicheck" $objects >"$BUILD/coccicheck.log" 2>&1 ||
		{ tail -20 "$BUILD/coccicheck.log"; return 1; }
	grep -E '^[^ ]+\.[ch]:[0-9]+' "$BUILD/coccicheck.log" || true
}

check_shell()
{
	cd "$TOP" || return
	# shellcheck disable=SC2046
	shellcheck -x -P harness -e SC1091 harness/*.sh .ci/run \
		harness/guest/* $(files '*.sh')
}

check_programs()
{
	! grep -E 'warning:|error:' "$BUILD/programs.log"
}

run_lint()
{
	"$TOP/harness/programs.sh"
	check "checkpatch of new files" check_files
	check "checkpatch of patches" check_patches
	check "kernel-doc" check_kernel_doc
	check "programs without a warning" check_programs
	check "shellcheck" check_shell
	check "gcc W=1 and sparse" build_with gcc CC="ccache gcc" C=1
	check "clang W=1" build_with clang CC="ccache clang"
	check "coccicheck" check_coccinelle
}

LINT_PACKAGES="clang sparse coccinelle shellcheck python3 perl"

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	# shellcheck disable=SC2086
	need $LINT_PACKAGES
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	run_lint
	finish
fi
