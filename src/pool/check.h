/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammars of names that come from XML or the network and become parts of paths or arguments.
 */
#ifndef POOLINIT_POOL_CHECK_H
#define POOLINIT_POOL_CHECK_H

#include <stdbool.h>

/* well-formed UTF-8 without control characters (C0, DEL, C1), U+FFFE and U+FFFF */
bool check_text(const char *s);
/* a path component (no '/', no control characters, not "." or ".."), at most 200 bytes, UTF-8 */
bool check_pool_name(const char *s);
/* iSCSI node names (RFC 3720 3.2.6: iqn., eui., naa.) and the plain names that libvirt takes too:
 * [A-Za-z0-9._:-]+, at most 223 bytes, not starting with '-' or '.', without "..". */
bool check_iqn(const char *s);
/* lvm(8): [A-Za-z0-9+_.-], not starting with '-', not "." or ".."; 127 bytes */
bool check_lvm_name(const char *s);
bool check_wwn(const char *s); /* (0x)?16 hex digits */
/* host name, IPv4, IPv6 (no brackets): [A-Za-z0-9._:%-]+, not starting with '-' or '.' */
bool check_host(const char *s);
/* an IPv6 address in brackets, as libvirt needs it where it is put in front of a path */
bool check_bracketed(const char *s);
/* absolute path without "..", or LABEL= UUID= PARTLABEL= PARTUUID= and a value without '/' or control
 * characters */
bool check_device(const char *s);
/* NAME or NAME/NAME…: a zpool's data set, a directory of a gluster volume; not starting with '-', no ".." */
bool check_relative_path(const char *s);
/* what zpool takes for a device: a relative path, or whatever begins with '/' */
bool check_zpool_part(const char *s);

#endif
