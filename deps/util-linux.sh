# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# util-linux: libblkid (what is on a device), libfdisk (partition tables), libuuid; libmount only for open-iscsi.
version=2.38.1
needs=''
provides='
LIBS_uuid = -luuid
LIBS_blkid = -lblkid
LIBS_fdisk = -lfdisk -lblkid -luuid
LIBS_mount = -lmount -lblkid'

sources() {
	fetch util-linux_2.38.1.orig.tar.xz 60492a19b44e6cf9a3ddff68325b333b8b52b6c59ce3ebd6a0ecaa4c5117e84f u/util-linux \
		"$SNAPSHOT/u/util-linux/util-linux_2.38.1.orig.tar.xz" \
		https://www.kernel.org/pub/linux/utils/util-linux/v2.38/util-linux-2.38.1.tar.xz
}

build() {
	unpack util-linux_2.38.1.orig.tar.xz
	local off='' name
	for name in audit btrfs cap-ng cryptsetup econf libmagic libz ncurses ncursesw python readline selinux systemd \
		tinfo udev user util; do
		off+=" --without-$name"
	done
	# shellcheck disable=SC2086  # a list of options
	./configure $FOR --prefix=/usr --sysconfdir=/etc --localstatedir=/var --runstatedir=/run \
		--disable-shared --enable-static --disable-dependency-tracking \
		--disable-nls --disable-all-programs --enable-libuuid --enable-libblkid --enable-libfdisk --enable-libmount \
		--disable-asciidoc --disable-poman --disable-bash-completion $off
	make -j"$JOBS" libuuid.la libblkid.la libmount.la libfdisk.la
	local lib
	mkdir -p "$OUT/lib"
	for lib in uuid blkid mount fdisk; do
		mkdir -p "$OUT/include/lib$lib"
		cp ".libs/lib$lib.a" "$OUT/lib"
		cp "lib$lib/src/"*"$lib.h" "$OUT/include/lib$lib"
	done
	# The directories' names are the ones that programs include.
	mv "$OUT/include/libuuid" "$OUT/include/uuid"
	mv "$OUT/include/libblkid" "$OUT/include/blkid"
}
