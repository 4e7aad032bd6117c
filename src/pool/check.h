/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammars of names that come from XML or the network and become parts of paths or arguments.
 *
 * Every function takes a NUL-terminated text that is not NULL, has no side effect and says yes or no: the
 * sentence for the operator is the caller's. The rules are stricter than libvirt's where the value is used
 * by root.
 */
#ifndef POOLINIT_POOL_CHECK_H
#define POOLINIT_POOL_CHECK_H

#include <stdbool.h>

/* Is it well-formed UTF-8 without control characters (C0, DEL, C1), U+FFFE and U+FFFF? An empty text is.
 * Such a text can stand in a line of the log and in XML as it is. */
bool check_text(const char *s);
/* Is it a path component (no '/', no control characters, no '.' at the beginning) of at most 200 bytes of
 * UTF-8? A pool's name becomes the names of files, with a suffix: 200 leaves room for that in the 255 bytes
 * that a file name may have. */
bool check_pool_name(const char *s);
/* Is it an iSCSI node name (RFC 3720 3.2.6: iqn., eui., naa.), or a plain name, which libvirt takes too?
 * [A-Za-z0-9._:-]+, at most 223 bytes (the RFC's limit), not starting with '-' or '.', without "..": it
 * becomes an argument of iscsiadm and the name of a directory. */
bool check_iqn(const char *s);
/* Is it a name that lvm(8) gives to volume groups: [A-Za-z0-9+_.-], at most 127 bytes, not starting with
 * '-', not "." or ".."? */
bool check_lvm_name(const char *s);
/* Is it a world wide name as sysfs and libvirt write it: 16 hexadecimal digits, with or without "0x"? */
bool check_wwn(const char *s);
/* Is it a host name, an IPv4 address, or an IPv6 address without brackets: [A-Za-z0-9._:%-]+, at most 255
 * bytes, not starting with '-' or '.', without ".."? '%' is there for the scope of a link-local address (RFC
 * 4007). Nothing is resolved. */
bool check_host(const char *s);
/* Is it an IPv6 address in brackets? libvirt puts a host in front of a path as it stands, so that its
 * documents for NFS have the brackets in them. */
bool check_bracketed(const char *s);
/* Is it an absolute path without "..", or LABEL=, UUID=, PARTLABEL= or PARTUUID= with a value without '/' or
 * control characters? The tags are those of fstab(5). The root directory itself is no device. */
bool check_device(const char *s);
/* Is it NAME or NAME/NAME…, at most 255 bytes: a zpool's data set, a directory of a gluster volume? It does
 * not start with '-' (it would be an option of zfs) and has no ".." and no empty part. */
bool check_relative_path(const char *s);
/* Would zpool take it for a device: a relative path, which it looks for in /dev, or whatever begins with
 * '/'? */
bool check_zpool_part(const char *s);
/* Is it one of the words that stand between these devices: "mirror", "raidz2", "draid1:4d", "log"? zpool(8),
 * zpoolconcepts(7). */
bool check_zpool_word(const char *s);

#endif
