#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prepares build/linux: the base kernel, the patches, and links to the files
# that are new; or, with FLAVOUR=base, build/base: only the base kernel. Cheap
# when there is nothing to do.

. "$(dirname "$0")/lib.sh"
. "$TOP/harness/stack.sh"

# The user's own tree is copied: nothing here writes to it.
copy_user_tree()
{
	mkdir -p "$TREE"
	tar -C "$LINUX" -c --exclude=./.git --exclude='*.o' . |
		tar -C "$TREE" -x
	make -s -C "$TREE" mrproper
}

# Starts anew if the tree came from somewhere else.
place_base()
{
	local origin=${LINUX:-}

	[ -n "$origin" ] || origin=$("$TOP/harness/fetch.sh")
	[ "$(cat "$TREE/.frmr/origin" 2>/dev/null)" != "$origin" ] || return 0

	say "preparing $TREE from $origin"
	rm -rf "$TREE"
	if [ -n "${LINUX:-}" ]; then
		copy_user_tree
	else
		clone_tree "$origin" "$TREE"
	fi
	mkdir -p "$TREE/.frmr/patches"
	echo "$origin" >"$TREE/.frmr/origin"
}

# quilt would rather look where it found the patches last time.
q()
{
	(cd "$TREE" && rm -f .pc/.quilt_patches .pc/.quilt_series &&
		QUILT_PATCHES=$1 QUILT_SERIES=$TREE/.frmr/stack \
			quilt --quiltrc - "${@:2}")
}

# Takes the applied patches off: the stack as it was applied or, if somebody
# has refreshed a patch in the tree since, as it is now.
pop_patches()
{
	[ -s "$TREE/.pc/applied-patches" ] || return 0
	unlink_files "$TREE/.frmr/files"
	q "$TREE/.frmr/patches" pop -aq >/dev/null 2>&1 ||
		q "$TOP/patches" pop -aq >/dev/null 2>&1 ||
		die "$TREE has edits that are in no patch: \
quilt refresh them, or remove the folder"
}

push_patches()
{
	diff -rq "$TOP/patches" "$TREE/.frmr/patches" >/dev/null && return
	say "applying patches"
	pop_patches
	diffs >"$TREE/.frmr/stack"
	q "$TOP/patches" push -aq >"$BUILD/quilt.log" 2>&1 ||
		{ cat "$BUILD/quilt.log" >&2; die "patches do not apply"; }
	rm -rf "$TREE/.frmr/patches"
	cp -r "$TOP/patches" "$TREE/.frmr/patches"
}

# unlink_files LIST: takes links away; what they replaced comes back
unlink_files()
{
	local f

	[ -f "$1" ] || return 0
	while read -r f; do
		[ -L "$TREE/$f" ] || continue
		rm "$TREE/$f"
		[ ! -e "$TREE/.frmr/replaced/$f" ] ||
			mv "$TREE/.frmr/replaced/$f" "$TREE/$f"
	done <"$1"
}

# link_file FILE: a file of the kernel that it replaces is kept
link_file()
{
	local f=$1

	[ "$(readlink "$TREE/$f")" != "$TOP/$f" ] || return 0
	mkdir -p "$(dirname "$TREE/$f")"
	if [ -e "$TREE/$f" ] && [ ! -L "$TREE/$f" ]; then
		mkdir -p "$(dirname "$TREE/.frmr/replaced/$f")"
		mv "$TREE/$f" "$TREE/.frmr/replaced/$f"
	fi
	ln -sfn "$TOP/$f" "$TREE/$f"
}

# Links each file of the series into the tree, and unlinks those that are gone.
link_files()
{
	local list=$TREE/.frmr/files f

	place_files >"$list.placed" || { grep ^error: "$list.placed" >&2; exit 1; }
	files_of <"$list.placed" >"$list.new"
	touch "$list"
	LC_ALL=C comm -23 "$list" "$list.new" >"$list.gone"
	unlink_files "$list.gone"
	while read -r f; do
		link_file "$f"
	done <"$list.new"
	mv "$list.new" "$list"
}

# Puts our entry at its place in the alphabet, whenever something changes there.
add_maintainers()
{
	local base=$TREE/.frmr/maintainers.base entry=$TREE/.frmr/maintainers

	[ -f "$base" ] || cp "$TREE/MAINTAINERS" "$base"
	maintainers_entry "$TREE" >"$entry.new"
	! cmp -s "$entry.new" "$entry" || return 0
	mv "$entry.new" "$entry"
	insert_entry "$entry" "$base" >"$TREE/MAINTAINERS.new"
	mv "$TREE/MAINTAINERS.new" "$TREE/MAINTAINERS"
}

need quilt patch make
# One at a time: two would take a patch off that the other has just applied.
exec {lock}>"$BUILD/tree.lock"
flock "$lock"
place_base
[ "$FLAVOUR" != base ] || exit 0
push_patches
link_files
add_maintainers
