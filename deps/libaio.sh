# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# libaio: LVM reads its devices with it. Five system calls in wrappers.
version=0.3.113
needs=''
provides='LIBS_aio = -laio'

sources() {
	fetch libaio_0.3.113.orig.tar.gz 2c44d1c5fd0d43752287c9ae1eb9c023f04ef848ea8d4aafa46e9aedb678200b liba/libaio \
		"$SNAPSHOT/liba/libaio/libaio_0.3.113.orig.tar.gz"
}

build() {
	unpack libaio_0.3.113.orig.tar.gz
	make -C src -j"$JOBS" libaio.a CFLAGS="$CFLAGS -I."
	mkdir -p "$OUT/include" "$OUT/lib"
	cp src/libaio.h "$OUT/include"
	cp src/libaio.a "$OUT/lib"
}
