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
 *
 * Of a big pool a change of a few volumes is written as an overlay, in the same form: the new records, and
 * which ones of the base they hide. An overlay of k entries has been written k times, a base of n entries is
 * written once; so it is folded into a new base when k is about the square root of n, and a change costs
 * nearly the same however many volumes there are. All functions that read see both as one index.
 *
 * The bytes of either, in the order in which they lie, in the byte order of the machine, since they never
 * leave its memory:
 *
 *     records   records_len bytes, then zeros up to a multiple of 8
 *     entries   n × struct volindex_entry; the i-th is that of the i-th record
 *     slots     nslots × 32 bits, a power of two; 0: free, else the number of an entry, from 1; zeros up to 8
 *     tail      48 bytes: records_len, n, nslots, seed, id, magic
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
	VOLINDEX_FACTS = VOLINDEX_FILE | VOLINDEX_RAW,
	/* of an overlay's entry: it hides the base's entry at `place`, which has the same name, */
	VOLINDEX_REPLACES = 1 << 2, /* and is what the volume is now */
	VOLINDEX_GONE = 1 << 3,     /* because the volume is no more; it has no record of its own */
};

/* What is known of one volume without reading its record. Times and inode are what the next refresh compares
 * with the file: if all are equal, the record stands, and the file need not be opened. */
struct volindex_entry {
	uint64_t offset; /* of the record */
	uint32_t len;    /* with its LF */
	uint32_t flags;
	uint64_t name, path, key;  /* hashes; key 0: it is the path */
	uint64_t inode;            /* 0: look at it again, whatever the others say */
	uint64_t size, allocation; /* bytes */
	int64_t atime, mtime, ctime;
	uint32_t atime_nsec, mtime_nsec, ctime_nsec;
	uint32_t place; /* of an overlay's entry: the base's entry that it hides, or comes before */
};
_Static_assert(sizeof(struct volindex_entry) % 8 == 0, "entries and what follows them stay aligned");

/* ---- reading ---- */

/* What one file holds, the base or the overlay. */
struct volindex_part {
	const char *records;
	size_t records_len;
	const struct volindex_entry *entries;
	size_t n;
	const uint32_t *slots;
	size_t nslots; /* a power of two */
};

/* An index that has been taken apart. It points into the bytes and owns nothing; they stay mapped as long as
 * it is used. A volume has a number: the base's entries are counted first, then the overlay's. */
struct volindex {
	struct volindex_part base, over;
	size_t n; /* volumes, of both together */
	uint64_t seed;
	uint64_t id; /* of the base, drawn by lot: an overlay says whose it is */
};

/* Take apart the bytes of an index, which are aligned to 8 (a mapping is), without an overlay. None at all is
 * an empty index. False: this is none. What lies in entries and slots is not looked at here: each function
 * below checks the numbers that it uses, so that a wrong one finds nothing instead of something outside. */
bool volindex_open(struct volindex *x, const void *data, size_t len);
/* Lay an overlay's bytes, aligned to 8, over the base in x, instead of the one that is there. Where its
 * changes belong is checked here, once: nobody may be able to change the bytes any more. False: it is none of
 * this base, or larger than any that is made, and x is what it was. */
bool volindex_lay(struct volindex *x, const void *data, size_t len);
/* The i-th entry; NULL: it is none, or is hidden by another. */
const struct volindex_entry *volindex_entry(const struct volindex *x, size_t i);
/* Its record, with its LF; NULL: it has none, or it lies outside. */
const char *volindex_record(const struct volindex *x, size_t i, size_t *len);
/* Numbers of volumes whose name, path or key has that hash (of hash_text() with the index's seed); other
 * texts may have it too, so that the caller compares. Begin with *at = 0; -1: no more. Ends after as many
 * steps as there are slots, at the latest. */
long volindex_next(const struct volindex *x, uint64_t hash, size_t *at);
/* The number of the volume with that name; -1: there is none. */
long volindex_by_name(const struct volindex *x, const char *name);
/* The name at the front of a record, without the protocol's quotes and escapes; false: no record, or one
 * whose name needs more than `size` bytes with its NUL. */
bool volindex_name(const char *record, size_t len, char *out, size_t size);

/* How far somebody has come who goes through an index; begins with zeroes. */
struct volindex_walk {
	size_t base, over;
};
/* The number of the next volume, in the order of names; -1: no more. */
long volindex_walk(const struct volindex *x, struct volindex_walk *w);
/* The next records that lie together, for who sends them in the order of names. False: no more. Of an overlay
 * of k entries there are 2 k + 1 at most. */
struct volindex_run {
	bool over; /* they are the overlay's */
	size_t offset, len;
};
bool volindex_run(const struct volindex *x, struct volindex_walk *w, struct volindex_run *run);

/* So many changes make an overlay that is folded when there is time for it; with twice as many it is folded
 * at once. 0: so small an index is always written whole. */
size_t volindex_overlay_limit(const struct volindex *x);
/* Is it time to fold it? */
bool volindex_is_worn(const struct volindex *x);

/* ---- making ---- */

/* text NULL: in the builder's own buffer, at e.offset */
struct volindex_item {
	struct volindex_entry e;
	const char *text;
};

/* An index in the making. All zeros is an empty one; volindex_builder_free() takes what it has gathered. */
struct volindex_builder {
	struct volindex_item *items;
	size_t n, size;
	struct buf own;
	bool failed; /* out of memory */
	bool unsorted;
	const struct volindex *over; /* not NULL: what it holds is an overlay of this one's base; */
	size_t next, mark;           /* how far that one's own is taken over, and what came since, */
	size_t place;                /* which belongs here in the base, */
	bool there;                  /* that has this name, too */
};

/* A random seed, never 0. What the hashes of an index depend on, so that nobody can choose names that
 * collide. What is kept from another index has that one's seed. */
uint64_t volindex_seed(void);
/* Append a volume; v and its strings are the caller's again afterwards. Its record is sorted in at the end,
 * unless everything comes `in_order` (of strcmp(3) of the names). False: it was left out, because no line
 * can hold it. Memory that runs out is said by volindex_write(). */
bool volindex_add(struct volindex_builder *b, const struct volume *v, uint64_t seed, bool in_order);
/* Append a record that is there already, in order; the text stays the caller's until volindex_write(). NULL:
 * it is in the builder's own buffer, at e->offset. */
void volindex_keep(struct volindex_builder *b, const struct volindex_entry *e, const char *text);
/* An overlay is made by a builder whose `over` is set: that one's own changes, and others, which come in the
 * order of names. Take over those before that name, and none of that name: what is added or kept now is. */
void volindex_overlay_until(struct volindex_builder *b, const char *name);
/* It was: that record is the volume of that name; or none, and there is no such volume. Not called: what the
 * base says of it stands. */
void volindex_overlay_set(struct volindex_builder *b);
/* Take over the rest. Too many are folded. */
void volindex_overlay_end(struct volindex_builder *b);
/* Make a whole index of the changes and their base; of a whole one, nothing. */
void volindex_fold(struct volindex_builder *b);
/* Write the index, or the overlay, into fd, an empty file that can be mapped (memfd_create(2)). The builder
 * is not freed. ERR_NO_MEMORY, or the error of the file. */
int volindex_write(struct volindex_builder *b, uint64_t seed, int fd, struct err *e);
/* Free what was gathered, whether or not it was written. */
void volindex_builder_free(struct volindex_builder *b);

#endif
