#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prepares build/linux: the base kernel, the patches, and links to the files
# that are new; or, with FLAVOUR=base, build/base: only the base kernel. Cheap
# when there is nothing to do.

. "$(dirname "$0")/lib.sh"

PACKAGE=linux-source-6.12
VERSION=6.12.117-1~deb12u1

# The version to use: the pinned one, or with a warning the newest there is.
pick_version()
{
	local newest

	if apt-cache madison $PACKAGE | grep -qF " $VERSION "; then
		echo "$VERSION"
		return
	fi
	newest=$(apt-cache madison $PACKAGE | awk '{ print $3; exit }')
	[ -n "$newest" ] || die "no package $PACKAGE; is this Debian 12?"
	say "warning: $PACKAGE $VERSION is not to be had, using $newest"
	echo "$newest"
}

# Unpacks the base kernel into the cache, once. Prints where it is.
fetch_base()
{
	local base=$CACHE/linux-$VERSION tmp version

	if [ -d "$base" ]; then
		echo "$base"
		return
	fi
	need xz-utils
	apt-cache madison $PACKAGE | grep -q . || as_root apt-get update -q >&2
	version=$(pick_version)
	base=$CACHE/linux-$version
	if [ ! -d "$base" ]; then
		say "fetching $PACKAGE $version"
		tmp=$(mktemp -d "$CACHE/fetch.XXXXXX")
		chmod 755 "$tmp"
		(cd "$tmp" && apt-get -o APT::Sandbox::User=root download -q \
			"$PACKAGE=$version" >&2 &&
		 dpkg-deb --fsys-tarfile ./*.deb |
			tar xO ./usr/src/$PACKAGE.tar.xz | tar xJ)
		mv "$tmp/$PACKAGE" "$base"
		rm -rf "$tmp"
	fi
	echo "$base"
}

# The user's own tree is copied: nothing here writes to it.
copy_user_tree()
{
	local version

	[ -f "$LINUX/Kbuild" ] || die "LINUX=$LINUX is no kernel tree"
	version=$(make -s -C "$LINUX" kernelversion)
	case $version in
	6.12|6.12.*|6.12-*) ;;
	*) die "LINUX=$LINUX is $version; the series is for 6.12" ;;
	esac
	mkdir -p "$TREE"
	tar -C "$LINUX" -c --exclude=./.git --exclude='*.o' . |
		tar -C "$TREE" -x
	make -s -C "$TREE" mrproper
}

# Starts anew if the tree came from somewhere else.
place_base()
{
	local origin=${LINUX:-}

	[ -n "$origin" ] || origin=$(fetch_base)
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
	(cd "$TREE" && rm -f .pc/.quilt_patches &&
		QUILT_PATCHES=$1 quilt --quiltrc - "${@:2}")
}

# Takes the applied patches off: the stack as it was applied or, if somebody
# has refreshed a patch in the tree since, as it is now.
pop_patches()
{
	[ -s "$TREE/.pc/applied-patches" ] || return 0
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
	if [ -s "$TOP/patches/series" ]; then
		q "$TOP/patches" push -aq >"$BUILD/quilt.log" 2>&1 ||
			{ cat "$BUILD/quilt.log" >&2
			  die "patches do not apply"; }
	fi
	rm -rf "$TREE/.frmr/patches"
	cp -r "$TOP/patches" "$TREE/.frmr/patches"
}

# Links each file of the series into the tree, and unlinks those that are gone.
link_files()
{
	local list=$TREE/.frmr/files f

	new_files >"$list.new"
	if [ -f "$list" ]; then
		LC_ALL=C comm -23 <(LC_ALL=C sort "$list") "$list.new" |
			while read -r f; do
				rm -f "$TREE/$f"
			done
	fi
	while read -r f; do
		[ "$(readlink "$TREE/$f")" != "$TOP/$f" ] || continue
		[ ! -e "$TREE/$f" ] || [ -L "$TREE/$f" ] ||
			die "$f is in the kernel already: make it a patch"
		mkdir -p "$(dirname "$TREE/$f")"
		ln -sfn "$TOP/$f" "$TREE/$f"
	done <"$list.new"
	mv "$list.new" "$list"
}

# Puts our entry at its place in the alphabet, whenever either file changes.
add_maintainers()
{
	local entry=$TOP/MAINTAINERS out=$TREE/MAINTAINERS

	[ ! "$entry" -nt "$TREE/.frmr/maintainers" ] && return
	[ -f "$TREE/.frmr/maintainers.base" ] ||
		cp "$out" "$TREE/.frmr/maintainers.base"
	rm -f "$out"
	insert_entry "$entry" "$TREE/.frmr/maintainers.base" >"$out"
	touch "$TREE/.frmr/maintainers"
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
