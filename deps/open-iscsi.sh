# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# open-iscsi: iscsid and iscsiadm, two static programs that go into an image beside poolinit. They are not linked into
# it. Without iSNS and OpenSSL: CHAP's digests are
# open-iscsi/digest.c; sd_notify(3), by which iscsid says that it listens, is open-iscsi/notify.c. README.md lists the paths below.
version=2.1.11
needs='util-linux libkmod'
provides='
ISCSID = @out@/sbin/iscsid
ISCSIADM = @out@/sbin/iscsiadm'

sources() {
	fetch open-iscsi_2.1.11.orig.tar.gz 2630a2eb737f6f0ab81339ddabcf19b1d2aeec4dbab314d82a0700ddd50bb8e2 o/open-iscsi \
		"$SNAPSHOT/o/open-iscsi/open-iscsi_2.1.11.orig.tar.gz"
}

# Compiled by hand, because meson.build insists on a shared library, OpenSSL and documentation tools.
build() {
	unpack open-iscsi_2.1.11.orig.tar.gz
	digests

	# The database lies in /run: it has to be writable at boot, and what is in it comes from poolinit's pools anyway.
	# Locks as well: open-iscsi makes only the last directory of its lock path, and /run/lock may not exist yet.
	local flags="-std=gnu99 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DISCSI_VERSION_STR=\"$version\""
	flags+=' -DISCSI_CONFIG_ROOT="/etc/iscsi" -DISCSI_DB_ROOT="/run/iscsi" -DLOCK_DIR="/run/iscsi" -DSBINDIR="/sbin"'
	flags+=' -DISCSI_NAME_PREFIX="iqn.2016-04.com.open-iscsi"'
	compile_archive openiscsiusr.a "$flags -Ilibopeniscsiusr" libopeniscsiusr/*.c
	mkdir programs
	mv usr/iscsi{d,adm,start}.c programs # what has a main()
	flags+=" -Idigests -Iusr -Iinclude -Ilibopeniscsiusr"
	compile_archive usr.a "$flags" \
		usr/*.c sysdeps/*.c usr/fwparam_ibft/{fw_entry,fwparam_ppc,fwparam_sysfs,prom_lex,prom_parse.tab}.c

	compile_archive programs.a "$flags" programs/iscsi{d,adm}.c

	local program
	mkdir -p "$OUT/sbin"
	for program in iscsid iscsiadm; do
		# shellcheck disable=SC2086  # lists of flags
		$CC $CFLAGS $LDFLAGS -s -o "$OUT/sbin/$program" "programs_$program.c.o" usr.a openiscsiusr.a digests.a \
			-lkmod -lmount -lblkid
		try "$OUT/sbin/$program" --version
	done
}

# The digests have to pass the RFCs' test vectors before anything is linked with them.
digests() {
	mkdir digests
	cp "$RECIPES/open-iscsi/"*.[ch] digests
	cp -r "$RECIPES/open-iscsi/openssl" "$RECIPES/open-iscsi/systemd" digests
	compile_archive digests.a "-std=c11 -D_GNU_SOURCE -Idigests" digests/digest.c digests/evp.c digests/notify.c
	# shellcheck disable=SC2086  # lists of flags
	$CC $CFLAGS $LDFLAGS -std=c11 -Idigests -o digest-test digests/digest-test.c digests.a
	try ./digest-test
}
