/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Records of an answer, or of a pool's index, read one after the other: lines "- key=value …". Private to
 * this room.
 */
#ifndef POOLINIT_CONTROL_RPC_RECORDS_H
#define POOLINIT_CONTROL_RPC_RECORDS_H

#include "base/line.h"

/* Where somebody has come who reads records, and the one that was read last. */
struct record_reader {
	const char *at, *end;
	struct line l;
	struct buf text; /* of that one, into which l points */
	bool broken;     /* there was something that is no record */
};

static inline void reader_end(struct record_reader *r)
{
	buf_free(&r->text);
}
#define cleanup_reader __attribute__((cleanup(reader_end)))

/* The next record in r->l, however long it is. False: there is none, or what comes is none. */
bool record_next(struct record_reader *r);
/* What a field of the last one says; "": there is none. */
static inline const char *answer_field(const struct record_reader *r, const char *key)
{
	const char *value = line_get(&r->l, key);

	return value ? value : "";
}

/* A field that is looked for in a record that is not taken apart, and its value where it stands. */
struct plain_field {
	const char *key;
	const char *at; /* NULL: not found yet */
	size_t len;
};
/* Find all n of them in the record of len bytes, with its LF. False: one is not there, or before the last of
 * them stands a value in quotes, so that the record has to be taken apart. */
bool record_plain(const char *record, size_t len, struct plain_field *fields, size_t n);

#endif
