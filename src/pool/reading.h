/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files that read documents share (reading.c): read.c (the pool), read_source.c (where its storage
 * comes from), volume_read.c.
 */
#ifndef POOLINIT_POOL_READING_H
#define POOLINIT_POOL_READING_H

#include "pool/def.h"
#include "pool/voldef.h"
#include "pool/xml.h"

/* One document being read. */
struct reading {
	struct pool_def *d; /* NULL: the document is not a pool's */
	struct arena *a;    /* the definition's */
	const char *source; /* for messages */
	struct err *e;
};

/* "SOURCE:LINE: reason", returns -1. */
#define refuse(r, node, ...) xml_refuse((r)->e, (r)->source, (node), __VA_ARGS__)

/* Value of an attribute, NULL when absent. Refused when it holds control characters. */
int read_attr(struct reading *r, const xmlNode *node, const char *name, const char **out);
/* Text of the first child element of that name, likewise. */
int read_child(struct reading *r, const xmlNode *parent, const char *name, const char **out);
/* "yes", "no"; -1 when absent. */
int read_yes_no(struct reading *r, const xmlNode *node, const char *name, int *out);
/* A whole number in that base (0: as C has it), leading white space allowed; false for anything else. */
bool read_number(const char *text, int base, long long min, long long max, long long *out);
/* Append one item to a list in the arena. -1 when memory is short. */
int read_append(struct reading *r, const void *list, size_t *n, const void *item, size_t size);
/* <permissions> below parent; all of it "not given" where there is none. */
int read_permissions(struct reading *r, const xmlNode *parent, struct pool_perms *p);
/* <secret type=… uuid=…|usage=…/>: one of the two, not both. */
int read_secret_reference(struct reading *r, const xmlNode *node, struct volume_secret *out);

/* <source>; node is NULL when the document has none. */
int read_pool_source(struct reading *r, const xmlNode *node);
/* The rules that need more of the definition than its <source>: what the type must have, defaults taken from
 * the name. */
int complete_source(struct reading *r, const xmlNode *root);

#endif
