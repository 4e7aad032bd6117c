# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153
# LVM: liblvm2cmd, the whole command line as a function call, and libdevmapper for what goes below it.
# No daemons, no udev: the device nodes are there when a command returns, made by libdevmapper itself.
version=2.03.16
needs='util-linux libaio'
provides='
LIBS_devmapper = -ldevmapper -lm
LIBS_lvm2cmd = -llvm2cmd -ldevmapper -laio -lblkid -luuid -lm'

sources() {
	fetch lvm2_2.03.16.orig.tar.xz 9eee14d34f7962ade7d4624114ce7b6bd3d868d210afb72b3769f8c6a082646e l/lvm2 \
		"$SNAPSHOT/l/lvm2/lvm2_2.03.16.orig.tar.xz"
}

build() {
	unpack lvm2_2.03.16.orig.tar.xz
	local off='' set=--with-vdo-format= name
	for name in app-machineid blkdeactivate dmeventd fsadm lvmimportvdo nls readline selinux systemd-journal \
		udev_rules udev_sync use-lvmlockd use-lvmpolld; do
		off+=" --disable-$name"
	done
	# thin_check and its like are not in an initramfs; without this, configure looks for them on this machine.
	for name in thin cache; do
		set+=" --with-$name-check= --with-$name-dump= --with-$name-repair= --with-$name-restore="
	done
	# Given here, or this machine's cache directory would be printed by `lvm version`; the variables only have to be set.
	export CFLAGS="$CFLAGS -I$NEEDS/include/blkid"
	# musl's malloc(0) is what LVM wants; for another architecture configure cannot find out, and puts its own in.
	# modprobe is named, because configure would take over where this machine has it, or that it has none.
	# Locks of shared groups are asked for by code of the library's that configure builds in only where it is to build lvmlockd, and that only
	# with lvmpolld and with sanlock's library. None of the three is built, nor needed for it.
	# shellcheck disable=SC2086  # lists of options
	./configure $FOR --prefix=/usr --sbindir=/sbin --with-staticdir=/sbin --with-confdir=/etc \
		--enable-static_link --enable-cmdlib --with-symvers=no --with-optimisation=-Os \
		--with-default-dm-run-dir=/run --with-default-run-dir=/run/lvm --with-default-pid-dir=/run \
		--with-default-locking-dir=/run/lock/lvm $off $set \
		ac_cv_func_malloc_0_nonnull=yes ac_cv_func_realloc_0_nonnull=yes \
		ac_cv_path_MODPROBE_CMD=/sbin/modprobe BLKID_CFLAGS=-I. BLKID_LIBS=-lblkid \
		--enable-lvmpolld --enable-lvmlockd-sanlock LOCKD_SANLOCK_CFLAGS=-I. LOCKD_SANLOCK_LIBS=-lsanlock_client
	# Never plain `make`, nor a directory from above: it would link shared libraries with -static.
	make -j"$JOBS" -C include
	make -j"$JOBS" -C libdm ioctl/libdevmapper.a
	make -j"$JOBS" device_mapper/libdevice-mapper.a base/libbase.a
	make -j"$JOBS" -C libdaemon
	make -j"$JOBS" -C lib
	make -j"$JOBS" -C tools liblvm2cmd-static.a
	one_object
	mkdir -p "$OUT/include" "$OUT/lib"
	"$AR" rcsD "$OUT/lib/liblvm2cmd.a" lvm2cmd.o
	cp libdm/ioctl/libdevmapper.a "$OUT/lib"
	cp libdm/libdevmapper.h tools/lvm2cmd.h "$OUT/include"
}

# liblvm2cmd contains a private, older copy of libdevmapper with the same names: linked side by side, the two would
# be mixed at random. So everything goes into one object that shows nothing but its own interface.
# libaio stays outside: its versioned symbols do not survive this.
one_object() {
	printf 'lvm2_%s\n' init run exit log_fn log_level disable_dmeventd_monitoring >keep
	"$AR" x tools/liblvm2cmd-static.a lvmcmdlib.o lvm2cmd-static.o
	"$LD" -r -o lvm2cmd.o lvmcmdlib.o lvm2cmd-static.o --start-group tools/liblvm2cmd-static.a \
		libdaemon/client/libdaemonclient.a device_mapper/libdevice-mapper.a base/libbase.a --end-group
	"$OBJCOPY" --keep-global-symbols=keep lvm2cmd.o
}
