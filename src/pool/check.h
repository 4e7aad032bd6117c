/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammars of names that come from XML or the network and become parts of paths or arguments.
 */
#ifndef POOLINIT_POOL_CHECK_H
#define POOLINIT_POOL_CHECK_H

#include <stdbool.h>

bool check_pool_name(const char *s);    /* a path component (no '/', no control characters, not "." or ".."), at most 200 bytes, UTF-8 */
bool check_iqn(const char *s);          /* RFC 3720 3.2.6.3: iqn.YYYY-MM.…, eui.16HEX, naa.16or32HEX; plain names [A-Za-z0-9._:-]+ that libvirt takes too */
bool check_lvm_name(const char *s);     /* lvm(8): [A-Za-z0-9+_.-], not starting with '-', not "." or ".."; 127 bytes */
bool check_wwn(const char *s);          /* (0x)?16 hex digits */
bool check_host(const char *s);         /* host name, IPv4, IPv6 (no brackets): [A-Za-z0-9._:%-]+ */
bool check_device(const char *s);       /* absolute path without "..", or LABEL= UUID= PARTLABEL= PARTUUID= and a value without '/' or control characters */

#endif
