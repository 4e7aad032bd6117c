/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pool's volumes as bytes that can be sent, searched and compared without being parsed:
 *
 *     records   protocol lines, sorted by name: what vol-list sends
 *     entries   one a record: where it is, and what tells whether its file has changed
 *     slots     a hash table of names, paths and keys
 *     tail      how many of each
 *
 * Made by a worker, read by everybody: by the supervisor, which finds a volume in constant time and owns no
 * memory for any of them, and by the next refresh. Whoever reads trusts no number in it.
 */
#ifndef POOLINIT_POOL_VOLINDEX_H
#define POOLINIT_POOL_VOLINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "pool/volume.h"

enum volindex_flags {
	VOLINDEX_FILE = 1 << 0, /* a regular file: the facts below are of use */
	VOLINDEX_RAW = 1 << 1,  /* raw, and not empty, for all that its content says */
};

struct volindex_entry {
	uint64_t offset; /* of the record */
	uint32_t len;    /* with its LF */
	uint32_t flags;
	uint64_t name, path, key;  /* hashes; key 0: it is the path */
	uint64_t inode;            /* 0: look at it again, whatever the others say */
	uint64_t size, allocation; /* bytes */
	int64_t atime, mtime, ctime;
	uint32_t atime_nsec, mtime_nsec, ctime_nsec;
	uint32_t spare;
};
_Static_assert(sizeof(struct volindex_entry) % 8 == 0, "entries and what follows them stay aligned");

/* ---- reading ---- */

struct volindex {
	const char *records;
	size_t records_len;
	const struct volindex_entry *entries;
	size_t n;
	const uint32_t *slots;
	size_t nslots; /* a power of two */
	uint64_t seed;
};

/* Take apart the bytes of an index, which are aligned to 8. None at all is an empty index. False: this is
 * none. */
bool volindex_open(struct volindex *x, const void *data, size_t len);
/* The i-th record, with its LF; NULL: it lies outside. */
const char *volindex_record(const struct volindex *x, size_t i, size_t *len);
/* Indices of entries whose name, path or key has that hash; other texts may have it too. Begin with *at = 0;
 * -1: no more. */
long volindex_next(const struct volindex *x, uint64_t hash, size_t *at);
/* The entry of the volume with that name; -1: there is none. */
long volindex_by_name(const struct volindex *x, const char *name);
/* Where that name is, or would be, among the sorted records. */
size_t volindex_place(const struct volindex *x, const char *name);
/* The name at the front of a record, as it is; false: no record, or too long a name. */
bool volindex_name(const char *record, size_t len, char *out, size_t size);

/* ---- making ---- */

/* text NULL: in the builder's own buffer, at e.offset */
struct volindex_item {
	struct volindex_entry e;
	const char *text;
};

struct volindex_builder {
	struct volindex_item *items;
	size_t n, size;
	struct buf own;
	bool failed; /* out of memory */
	bool unsorted;
};

/* What the hashes of an index depend on, so that nobody can choose names that collide. What is kept from
 * another index has that one's seed. */
uint64_t volindex_seed(void);
/* Append a volume. Its record is sorted in at the end, unless everything comes `in_order`. False: it was left
 * out, because no line can hold it. */
bool volindex_add(struct volindex_builder *b, const struct volume *v, uint64_t seed, bool in_order);
/* Append a record that is there already, in order; the text stays the caller's until volindex_write(). */
void volindex_keep(struct volindex_builder *b, const struct volindex_entry *e, const char *text);
/* Write the index into an empty file that can be mapped. */
int volindex_write(struct volindex_builder *b, uint64_t seed, int fd, struct err *e);
/* Free what was gathered, whether or not it was written. */
void volindex_builder_free(struct volindex_builder *b);

#endif
