/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of an index's bytes, and where things are in an index: for the two files that make and read it.
 */
#ifndef POOLINIT_POOL_VOLINDEX_BYTES_H
#define POOLINIT_POOL_VOLINDEX_BYTES_H

#include "pool/volindex.h"

/* The letters as a number of 64 bits of the machine's byte order: an index of another version, or of anything
 * else, has others. */
#define VOLINDEX_MAGIC      0x3278646e696c6f76ULL /* "volindx2" */
#define VOLINDEX_MAGIC_OVER 0x327265766f6c6f76ULL /* "volover2" */
#define VOLINDEX_ALIGN(n)   (((n) + 7) & ~(size_t)7)

/* The tail stands at the end because it is known last; who reads begins with it. */
struct volindex_tail {
	uint64_t records_len, n, nslots, seed, id, magic;
};
_Static_assert(sizeof(struct volindex_tail) == 48, "a tail is read from where the bytes end");

/* The record of an entry of that part, with its LF; NULL: it lies outside. */
const char *volindex_record_in(const struct volindex_part *p, const struct volindex_entry *e, size_t *len);
/* Where that name is, or would be, among the base's entries, or among the changes. `found`: it is there. */
size_t volindex_place(const struct volindex *x, const char *name, bool *found);
size_t volindex_change(const struct volindex *x, const char *name, bool *found);

#endif
