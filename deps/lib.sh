# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What every recipe shares: compiler, flags, and four helpers. Read by deps/build.
# Every byte of this file is part of every library's cache key: what does not change results belongs elsewhere.
#
# A recipe (deps/LIB.sh) sets
#   version=      what is built, for people
#   needs=        other libraries it is built against
#   provides=     lines for the makefile fragment; @out@ stands for the library's own directory
# and defines
#   sources       calls `fetch` (deps/fetch.sh) once per tarball
#   build         runs in an empty directory; installs into $OUT/{include,lib,sbin}; finds what it needs below $NEEDS

ARCH=${DEPS_ARCH:-$(uname -m)}
CROSS= # what the names of this machine's tools for that architecture begin with
[ "$ARCH" = "$(uname -m)" ] || CROSS=$ARCH-linux-gnu-
CC=${DEPS_CC:-${CROSS:-musl-}gcc}
JOBS=${DEPS_JOBS:-$(nproc)}

# Small first: each function in its own section, so that the final link can drop what is not called, and no
# unwind tables, since nobody unwinds. No PIE: it costs relocations in every table of pointers. Stack protection
# is worth its 2 %: these libraries read what others wrote on disks and into files.
OPTIMIZE="-Oz -g0 -fno-pie -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables"
# The language is named, because compilers' default moves on: from C23 on, () means (void), and bool is a keyword.
OPTIMIZE="$OPTIMIZE -fstack-protector-strong -fno-ident -w -std=gnu17"

# compiler_flags: sets CFLAGS, CPPFLAGS, LDFLAGS for a build below the current directory.
# The source directory must not show up in __FILE__, or the same sources would give different bytes each time.
compiler_flags() {
	CPPFLAGS="$KERNEL_HEADERS${NEEDS:+ -I$NEEDS/include}"
	CFLAGS="$OPTIMIZE -ffile-prefix-map=$PWD=. $CPPFLAGS"
	LDFLAGS="-static -no-pie -Wl,--gc-sections -Wl,--build-id=none${NEEDS:+ -L$NEEDS/lib}"
	AR=${CROSS}ar RANLIB=${CROSS}ranlib NM=${CROSS}nm LD=${CROSS}ld OBJCOPY=${CROSS}objcopy STRIP=${CROSS}strip
	export CC CFLAGS CPPFLAGS LDFLAGS AR RANLIB NM LD OBJCOPY STRIP
	FOR=${CROSS:+--host=$ARCH-linux-musl} # for configure
	# No library of the build machine may be found by accident: they are glibc's.
	export PKG_CONFIG=false PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR=/nonexistent
}

# unpack TARBALL: into the current directory, without its top directory; then apply our patches in name order.
unpack() {
	tar -xf "$SRC/$1" --strip-components=1 --no-same-owner
	local patch
	for patch in "$RECIPES/$LIB"/*.patch; do
		[ ! -e "$patch" ] || patch -p1 -s -i "$patch"
	done
	# Tarballs and patches carry times in any order; equal times keep make from regenerating configure.
	find . -exec touch -h -d @1700000000 {} +
}

# compile_archive ARCHIVE "FLAGS" FILE.c...: for sources whose own build system is more trouble than it is worth.
compile_archive() {
	local archive=$1 flags=$2 file; shift 2
	local objects=()
	for file; do objects+=("${file//\//_}.o"); done
	echo "$CC $CFLAGS $flags"
	# shellcheck disable=SC2016,SC2086  # expanded by the inner shell; flags are words
	printf '%s\n' "$@" | xargs -P "$JOBS" -I{} sh -c \
		'f=$1; shift; o=$(echo "$f" | tr / _).o; echo "$f"; exec "$@" -c -o "$o" "$f"' sh {} $CC $CFLAGS $flags
	rm -f "$archive"
	"$AR" rcsD "$archive" "${objects[@]}"
}

# try PROGRAM ARGUMENT...: run what has just been built; another architecture's where this machine has an emulator of it.
try() {
	if [ -z "$CROSS" ]; then
		"$@"
	elif command -v "qemu-$ARCH" >/dev/null; then
		"qemu-$ARCH" "$@"
	else
		echo "$1: not tried: no qemu-$ARCH here"
	fi
}
