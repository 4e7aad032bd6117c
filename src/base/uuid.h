/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UUIDs as libvirt reads and writes them (virUUIDParse, virUUIDFormat).
 */
#ifndef POOLINIT_BASE_UUID_H
#define POOLINIT_BASE_UUID_H

#include <stdbool.h>

#define UUID_TEXT 37 /* with the final NUL */

struct uuid {
	unsigned char b[16];
};
_Static_assert(UUID_TEXT == 2 * sizeof(struct uuid) + 4 + 1, "two digits a byte, four dashes, a NUL");

/* Read a UUID, in either case. Leading and trailing white space, and '-' or ' ' between byte pairs, are
 * allowed; 32 hex digits exactly. False: it is none, and *u is untouched. (libuuid has a function uuid_parse
 * of its own, which libfdisk calls.) */
bool uuid_read(const char *text, struct uuid *u);
/* "8-4-4-4-12", lower case. Returns out. */
char *uuid_print(const struct uuid *u, char out[UUID_TEXT]);
/* Make a random one, version 4 (RFC 4122 section 4.4). Never waits: early in a boot it is unique rather than
 * unpredictable. */
void uuid_make(struct uuid *u);
/* Always the same one for the same text: version 8 (RFC 9562 section 5.8), two FNV-1a hashes. An identity
 * that lasts, not a secret. */
void uuid_from_text(const char *text, struct uuid *u);
/* Are all sixteen bytes the same? */
bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
