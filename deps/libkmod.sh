# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# libkmod: loads kernel modules with what they need, without a modprobe program. Without decompressors: the
# kernel unpacks (compressed.patch). Its configure refuses static libraries, so the dozen files are compiled here, with our own config.h.
version=30
needs=''
provides='LIBS_kmod = -lkmod'

sources() {
	fetch kmod_30+20221128.orig.tar.xz 00bc9ae4f1f9e1bbc1266d838452865bc7c24271d0853939edbe3029ad22af4e k/kmod \
		"$SNAPSHOT/k/kmod/kmod_30%2B20221128.orig.tar.xz"
}

build() {
	unpack kmod_30+20221128.orig.tar.xz
	cp "$RECIPES/libkmod/config.h" .
	mkdir -p "$OUT/include" "$OUT/lib"
	compile_archive "$OUT/lib/libkmod.a" \
		"-std=gnu99 -include config.h -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DSYSCONFDIR=\"/etc\"" \
		libkmod/libkmod*.c shared/*.c
	cp libkmod/libkmod.h "$OUT/include"
}
