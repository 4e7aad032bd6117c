# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# musl, the C library, for an architecture that is not this machine's: Debian has compilers for others, but no musl to
# go with them. It brings bin/musl-gcc, which all other libraries and poolinit are built with then.
version=1.2.5
needs=''
provides=''

sources() {
	fetch musl_1.2.5.orig.tar.gz a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4 m/musl \
		"$SNAPSHOT/m/musl/musl_1.2.5.orig.tar.gz" https://musl.libc.org/releases/musl-1.2.5.tar.gz
}

build() {
	unpack musl_1.2.5.orig.tar.gz
	local prefix
	prefix=$(result musl) # where all this will lie: the compiler's specs name it
	CFLAGS=$(sed "s/ -std=[^ ]*//" <<<"$CFLAGS") # it says itself what language it is written in
	./configure --prefix="$prefix" --target="$ARCH-linux-musl" --disable-shared --enable-wrapper=gcc
	make -j"$JOBS"
	make install DESTDIR="$PWD/installed"
	mv "$PWD/installed$prefix"/* "$OUT"
}
