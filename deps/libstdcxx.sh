# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
# The C++ standard library on musl, for Ceph's libraries alone. Debian's own is glibc's; the sources are those of its compiler, g++ 12, whose
# version both have to share.
version=12.2.0
needs=''
provides=''
on_request=1

sources() {
	fetch gcc-12-source_12.2.0-14+deb12u1_all.deb 8f2a5411028dfe216aeb6346b926df0cc7471f375c6a375bf180fbf279af02a1 g/gcc-12 \
		"$SNAPSHOT/g/gcc-12/gcc-12-source_12.2.0-14%2Bdeb12u1_all.deb"
}

build() {
	local all=gcc-12.2.0 part parts=()
	for part in libstdc++-v3 libgcc config include libiberty config.rpath config.sub config.guess config-ml.in install-sh \
		missing ltmain.sh mkinstalldirs move-if-change depcomp gcc/BASE-VER gcc/DATESTAMP gcc/DEV-PHASE; do
		parts+=("$all/$part")
	done
	"$AR" p "$SRC/gcc-12-source_12.2.0-14+deb12u1_all.deb" data.tar.xz | tar -xJO "./usr/src/gcc-12/$all-dfsg.tar.xz" |
		tar -xJ --no-same-owner --exclude='*/testsuite/[0-9a-z]*' --exclude='*/doc/html/*' --exclude='*/doc/xml/*' "${parts[@]}"
	# Where the compiler itself is built, libgcc makes this link; without it there are no threads.
	ln -s gthr-posix.h "$all/libgcc/gthr-default.h"
	find . -exec touch -h -d @1700000000 {} +
	mkdir -p "$OUT/bin"
	cxx_wrapper >"$OUT/bin/musl-g++"
	chmod +x "$OUT/bin/musl-g++"

	mkdir made
	cd made
	# Weak references to pthread functions would be null in a static program.
	local flags="${CFLAGS%% -fno-asynchronous-unwind-tables*} -w -DGTHREAD_USE_WEAK=0 -D_GLIBCXX_GTHREAD_USE_WEAK=0"
	CFLAGS=$flags CXXFLAGS=$flags CXX="$OUT/bin/musl-g++" CPP="$CC -E" "../$all/libstdc++-v3/configure" \
		--build="$ARCH-linux-musl" --host="$ARCH-linux-musl" --prefix=/ --with-gxx-include-dir=/include/c++ \
		--disable-shared --enable-static --disable-multilib --enable-threads=posix --enable-clocale=generic \
		--disable-libstdcxx-pch --disable-nls --disable-libstdcxx-backtrace
	grep -q 'define _GLIBCXX_HAS_GTHREADS 1' config.h
	make -j"$JOBS"
	make install DESTDIR="$OUT"
	cd ..
	find "$OUT/include" "$OUT/lib" "$OUT/share" -name '*.py' -delete -o -name '*.la' -delete
	rm -rf "$OUT/share"
	[ ! -d "$OUT/lib64" ] || { mkdir -p "$OUT/lib"; mv "$OUT/lib64"/* "$OUT/lib"; rmdir "$OUT/lib64"; }
	[ -e "$OUT/lib/libstdc++.a" ]
}

# g++, with the C library that the C compiler has, and with this standard library once it is there.
cxx_wrapper() {
	local specs
	specs=$(sed -n 's/.*-specs[= ]*"\{0,1\}\([^" ]*\).*/\1/p' "$(command -v "$CC")")
	[ -e "$specs" ]
	cat <<-WRAPPER
		#!/bin/sh
		here=\$(dirname "\$0")/..
		exec ${CROSS}g++-12 -specs $specs -nostdinc++ -DGTHREAD_USE_WEAK=0 -D_GLIBCXX_GTHREAD_USE_WEAK=0 \\
			-isystem "\$here/include/c++" -isystem "\$here/include/c++/$ARCH-linux-musl" -isystem "\$here/include/c++/backward" "\$@"
	WRAPPER
}
