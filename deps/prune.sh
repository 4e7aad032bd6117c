# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Old results of the cache go when a new one has come. Read by deps/build; no part of any key.
#
# What is kept: whatever the makefile fragment of a checkout names, for each `--mk FILE` is noted in .users and looked into here; whatever
# was used in the last days, for a fragment may lie where this machine does not see it, and a run that has not written its own yet uses
# what it has just found or made; and the newest few of each library.

KEEP_NEWEST=3
KEEP_DAYS=3

# note_use FRAGMENT DIR...: this fragment (none: '') names these results, and they are in use today.
note_use() {
	local fragment=$1; shift
	touch -c "$@" 2>/dev/null || true
	[ -n "$fragment" ] || return 0
	fragment=$(realpath "$fragment")
	mkdir -p "$RESULTS/.users"
	ln -sfn "$fragment" "$RESULTS/.users/$(sha256sum <<<"$fragment" | cut -c 1-16)"
}

# What the fragments name, and what the links in the directories that they name lead to.
named() {
	local fragment prefix
	for fragment in "$RESULTS"/.users/*; do
		if [ -e "$fragment" ]; then cat "$fragment"; elif [ -L "$fragment" ]; then rm -f "$fragment"; fi
	done
	for prefix in "$RESULTS"/prefix-*; do
		[ ! -d "$prefix" ] || ! is_kept "$prefix" || find "$prefix" -type l -printf '%l\n'
	done
}

is_kept() {
	[ -n "$(find "$1" -maxdepth 0 -mtime "-$KEEP_DAYS")" ] || grep -qsF "$1" "$RESULTS"/.users/*
}

prune() {
	local lock names dir lib
	local -A seen=()
	exec {lock}>"$RESULTS/.lock-prune"
	flock -n "$lock" || return 0
	names=$(named)
	while IFS= read -r dir; do
		[[ ${dir##*/} =~ ^([a-z0-9-]+)-[0-9a-f]{16}$ ]] || continue
		lib=${BASH_REMATCH[1]}
		seen[$lib]=$((${seen[$lib]:-0} + 1))
		if [ "${seen[$lib]}" -gt $KEEP_NEWEST ] && ! is_kept "$dir" && ! grep -qF "$dir" <<<"$names"; then
			rm -rf "$dir" "$dir.log"
		fi
	done < <(find "$RESULTS" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | cut -d ' ' -f 2-)
	exec {lock}>&-
}
