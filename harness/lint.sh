#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The checks of the source, over all that the series adds.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/report.sh"

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

# Shims imitate what the kernel has: types, barriers, macros without a body of
# their own. libFuzzer and ThreadSanitizer have names of their own.
SHIM_TYPES=MACRO_ARG_UNUSED,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE,COMPLEX_MACRO
SHIM_TYPES+=,MEMORY_BARRIER,DATA_RACE,NEW_TYPEDEFS,SPACING,UNNECESSARY_CASTS
SHIM_TYPES+=,PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO,AVOID_BUG,USE_LOCKDEP
SHIM_TYPES+=,EXPORT_SYMBOL,SUSPECT_CODE_INDENT,UNCOMMENTED_DEFINITION
SHIM_TYPES+=,ARCH_DEFINES,CAMELCASE

check_files()
{
	local f status=0

	for f in $(files '*.[ch]' Makefile Kconfig); do
		case $f in
		include/trace/*)
			checkpatch --ignore $TRACE_TYPES -f "$f" || status=1 ;;
		tools/testing/frmr_pools/include/*)
			checkpatch --ignore $SHIM_TYPES -f "$f" || status=1 ;;
		tools/testing/frmr_pools/fuzz.c)
			checkpatch --ignore CAMELCASE -f "$f" || status=1 ;;
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

# The files of the kernel that the series adds, and those that it changes.
added()
{
	files '*.[ch]' | grep -v '^tools/'
}

changed()
{
	sed -n 's,^+++ b/,,p' "$TOP"/patches/*.patch
}

# build_objects NAME ARGUMENT...: builds what comes from the .c files on standard
# input anew, in a folder for that purpose
build_objects()
{
	local dir=$TREE/lint-$1 list

	mapfile -t list < <(sed -n 's,\.c$,.o,p' | sort -u)
	set -- -C "$TREE" O="$dir" "${@:2}"
	export CCACHE_DIR=$CACHE/ccache CCACHE_NOHASHDIR=1
	if [ ! -f "$dir/.config" ]; then
		make "$@" allnoconfig \
			KCONFIG_ALLCONFIG="$TOP/harness/config/plain.config"
	fi
	(cd "$dir" && rm -f "${list[@]}")
	make -j"$JOBS" "$@" "${list[@]}"
}

# All warnings of the compiler, and of sparse if the arguments say so. What is
# said of files that the series does not touch is not ours to mend.
compile_objects()
{
	local log=$BUILD/lint-build-$1.log

	{ added; changed; } | build_objects "$@" W=1 >"$log" 2>&1 ||
		{ tail -20 "$log"; return 1; }
	grep -E '(warning|error):' "$log" | grep -F "$(added; changed)" || true
}

# What sphinx says of our texts, of the comments that they include, and of the
# index that lists them. Other texts are not ours to mend.
build_documentation()
{
	local out=$BUILD/documentation log=$BUILD/documentation.log

	rm -rf "$out"
	(cd "$TREE" && PYTHONDONTWRITEBYTECODE=1 srctree=. BUILDDIR=$out \
		sphinx-build -q -b html -c Documentation -d "$out/doctrees" \
		-D version=6.12 -D release=6.12 -D kerneldoc_srctree=. \
		-D kerneldoc_bin=scripts/kernel-doc \
		Documentation/infiniband "$out/html") >"$log" 2>&1 ||
		{ tail -20 "$log"; return 1; }
	grep -F -e "kernel-doc '" -e "$(files '*.rst'; added; changed)" "$log" ||
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

check_coccinelle()
{
	local log=$BUILD/coccicheck.log

	added | build_objects gcc CC="ccache gcc" MODE=report C=1 \
		CHECK="$TREE/scripts/coccicheck" >"$log" 2>&1 ||
		{ tail -20 "$log"; return 1; }
	grep -E '^[^ ]+\.[ch]:[0-9]+' "$log" || true
}

check_shell()
{
	cd "$TOP" || return
	# shellcheck disable=SC2046
	shellcheck -x -P harness -e SC1091 harness/*.sh .ci/run \
		harness/guest/* $(files '*.sh' '*.bash-completion')
}

check_programs()
{
	! grep -E 'warning:|error:' "$BUILD/programs.log"
}

run_lint()
{
	# Anew: what is not compiled does not warn.
	rm -rf "$BUILD/tools" "$BUILD/selftests"
	"$TOP/harness/programs.sh"
	check "checkpatch of new files" check_files
	check "checkpatch of patches" check_patches
	check "kernel-doc" check_kernel_doc
	check "documentation" check_documentation
	check "programs without a warning" check_programs
	check "shellcheck" check_shell
	check "gcc W=1 and sparse" compile_objects gcc CC="ccache gcc" C=1

	# Coccinelle spends most of its time on one file.
	local clang=$BUILD/lint-clang.out
	compile_objects clang CC="ccache clang" >"$clang" 2>&1 &
	check "coccicheck" check_coccinelle
	wait $! || echo "clang failed" >>"$clang"
	check "clang W=1" cat "$clang"
}

LINT_PACKAGES="clang sparse coccinelle ocaml-nox ocaml-findlib shellcheck
python3 python3-sphinx perl"

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	# shellcheck disable=SC2086
	need $LINT_PACKAGES
	"$TOP/harness/tree.sh"
	"$TOP/harness/kernel.sh"
	run_lint
	finish
fi
