#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The series step by step: applies one mail after the other to the kernel, and
# compiles after each of them with W=1, in these ways:
#
#   gcc	all modules of RDMA, all options on; each must find what it needs
#
# and, of the files that the series touches, those that are there by then:
#
#   clang	the same modules
#   off	built in, with the new options off, no debugfs and no tracing
#   i386	a 32-bit kernel
#   arm64	modules, by clang
#
# In the end the tree must be that of "make tree", and what the series touches
# must compile in SEEDS (20) random configurations, which need the first way.
# WAYS="clang off" takes some of the ways only.

. "$(dirname "$0")/series.sh"
. "$TOP/harness/report.sh"

OUT=$BUILD/steps
SOURCE=$OUT/linux
WAYS=${WAYS:-gcc clang off i386 arm64}
SEEDS=${SEEDS:-20}

# What differs between random configurations, by the names of the options
RANDOM_OPTIONS='INFINIBAND|RDMA|MLX5|NVME|KUNIT|DEBUG_FS|FTRACE|TRAC|KPROBES|SMP'
RANDOM_OPTIONS+='|IPV6|HUGE|MMU_NOTIFIER'

# build WAY ARGUMENT...: make, as this way wants it
build()
{
	local args=()

	case $1 in
	clang) args=(CC="ccache clang$CLANG") ;;
	i386) args=(ARCH=i386 CC="ccache gcc") ;;
	arm64) args=(ARCH=arm64 "LLVM=${CLANG:-1}" CC="ccache clang$CLANG") ;;
	*) args=(CC="ccache gcc") ;;
	esac
	make -s -j"$JOBS" -C "$SOURCE" O="$SOURCE/$1" W=1 "${args[@]}" "${@:2}"
}

# fragment WAY: the options to set
fragment()
{
	case $1 in
	gcc|clang|arm64)
		modular_config ;;
	off)
		plain_config |
			grep -vE 'KUNIT|FRMR|DEBUG_FS|FTRACE|TRACE|HIST|KPROBES' ;;
	i386)
		plain_config | grep -v 64BIT ;;
	esac
}

configure()
{
	local way=$1

	fragment "$way" >"$OUT/$way.config"
	build "$way" KCONFIG_ALLCONFIG="$OUT/$way.config" allnoconfig
}

# The base, as a repository of what the series is about
place_source()
{
	local base

	base=$(cat "$TREE/.frmr/origin")
	if [ "$(cat "$OUT/origin" 2>/dev/null)" != "$base" ]; then
		rm -rf "$SOURCE"
		clone_tree "$base" "$SOURCE"
		echo "$base" >"$OUT/origin"
	fi
	if [ -d "$SOURCE/.git" ]; then
		g -C "$SOURCE" checkout -q -f \
			"$(g -C "$SOURCE" rev-list --max-parents=0 HEAD)"
		rm -rf "$SOURCE/.git"
	fi
	init_base "$SOURCE"
}

# enabled WAY OPTION+OPTION...: all of them are
enabled()
{
	local option

	for option in ${2//+/ }; do
		grep -q "^CONFIG_$option=[ym]" "$SOURCE/$1/.config" || return
	done
}

# enabled_objects WAY: those of the files that the series touches that are there,
# and have a place in this configuration
enabled_objects()
{
	local options files f

	while read -r options files; do
		enabled "$1" "$options" || continue
		for f in $({ new_files; changed_files; } |
				grep -P "^drivers/$files\.c$"); do
			[ ! -f "$SOURCE/$f" ] || echo "${f%.c}.o"
		done
	done <<-'END'
		INFINIBAND infiniband/core/(?!uverbs)[a-z_]*
		INFINIBAND_USER_ACCESS infiniband/core/uverbs[a-z_]*
		INFINIBAND_FRMR_KUNIT_TEST infiniband/core/tests/(?!frmr_testdev).*
		INFINIBAND_FRMR_TEST_DEVICE infiniband/core/tests/frmr_testdev
		RDMA_RXE infiniband/sw/rxe/.*
		MLX5_INFINIBAND infiniband/hw/mlx5/(?!odp)[a-z_]*
		MLX5_INFINIBAND+INFINIBAND_ON_DEMAND_PAGING infiniband/hw/mlx5/odp
		MLX5_INFINIBAND_KUNIT_TEST infiniband/hw/mlx5/tests/.*
		MLX5_CORE net/ethernet/mellanox/mlx5/core/.*
	END
}

# build_way WAY: after the last commit
build_way()
{
	local objects

	g -C "$SOURCE" diff --quiet HEAD^ HEAD -- '*Kconfig' ||
		configure "$1" || return
	mapfile -t objects < <(enabled_objects "$1")
	[ "$1" != gcc ] || objects=(modules)
	build "$1" "${objects[@]}"
}

# warnings LOG: what the compilers say of our files
warnings()
{
	grep -iE '(warning|error):' "$1" |
		grep -F -e "$(new_files; changed_files)" -e unmet \
			-e 'symbol value' || true
}

# judge LOG COMMAND...: the command succeeds, and says nothing of our files
judge()
{
	local log=$1

	if "${@:2}" >"$log" 2>&1 && [ -z "$(warnings "$log")" ]; then
		ok=$((ok + 1))
		return
	fi
	failed=$((failed + 1))
	{ warnings "$log"; tail -5 "$log"; } | head -20 >&2
	say "all of it: $log"
	return 1
}

# build_step STEP: all ways, if what the mail touches is compiled at all
build_step()
{
	local step=$1 way ok=0 failed=0

	if g -C "$SOURCE" diff --quiet HEAD^ HEAD -- drivers include; then
		add_results "steps: $step" 1 0 0
		return
	fi
	for way in $WAYS; do
		judge "$OUT/log/$step.$way" build_way "$way" || true
	done
	add_results "steps: $step" $ok $failed 0
}

walk_series()
{
	local i=0 mails

	mapfile -t mails < <(ls "$OUT/series"/*.patch)
	for i in "${!STEPS[@]}"; do
		g -C "$SOURCE" am -q "${mails[i + 1]}" ||
			die "git am fails: ${mails[i + 1]}"
		build_step "$(basename "${STEPS[i]}" .patch)"
	done
}

# Every file of the kernel. Folders of objects are not in the base.
compare_to_tree()
{
	local name status=0

	while read -r name; do
		diff -r "$SOURCE/$name" "$TREE/$name" || status=1
	done < <(ls -A "$(cat "$TREE/.frmr/origin")")
	return $status
}

compare_trees()
{
	local ok=0 failed=0

	judge "$OUT/log/compare" compare_to_tree || true
	add_results "steps: the tree in the end" $ok $failed 0
}

# build_random SEED: what is not about RDMA is as in the first way
build_random()
{
	local seed=$1 all=$OUT/random.config infiniband=my objects

	grep -vE "CONFIG_[A-Z0-9_]*($RANDOM_OPTIONS)" "$SOURCE/gcc/.config" >"$all"
	# Without it there is nothing to build.
	echo "CONFIG_INFINIBAND=${infiniband:seed % 2:1}" >>"$all"
	build random KCONFIG_ALLCONFIG="$all" KCONFIG_SEED="$seed" \
		randconfig || return
	mapfile -t objects < <(enabled_objects random)
	build random "${objects[@]}"
}

try_random()
{
	local seed ok=0 failed=0

	say "$SEEDS random configurations"
	for ((seed = 1; seed <= SEEDS; seed++)); do
		judge "$OUT/log/random.$seed" build_random "$seed" || true
		cp "$SOURCE/random/.config" "$OUT/log/random.$seed.config"
	done
	add_results "steps: random configurations" $ok $failed 0
}

if [ "$0" = "${BASH_SOURCE[0]}" ]; then
	need git gcc "clang$CLANG" "lld$CLANG" "llvm$CLANG" flex bison bc \
		libelf-dev libssl-dev ccache kmod
	"$TOP/harness/series.sh" "$OUT/series"
	read_stack
	identify
	mkdir -p "$OUT/log"
	say "preparing the kernel without the series"
	place_source
	ok=0 failed=0
	for way in $WAYS; do
		judge "$OUT/log/base.$way" configure "$way" ||
			die "no configuration, see $OUT/log/base.$way"
	done
	# What modules are going to need of the kernel
	[[ $WAYS != *gcc* ]] ||
		build gcc W= vmlinux >"$OUT/log/base.gcc" 2>&1 ||
		die "the base does not build, see $OUT/log/base.gcc"
	say "step by step: $WAYS"
	walk_series
	compare_trees
	[ "$SEEDS" -eq 0 ] || try_random
	finish
fi
