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

/* Value of an attribute in *out, in the arena; NULL when it is absent or empty. Refused when it holds
 * control characters. node may be NULL, and has no attributes then. */
int read_attr(struct reading *r, const xmlNode *node, const char *name, const char **out);
/* Text of the first child element of that name, likewise. Two equal elements are no error: libvirt looks at
 * the first alone. */
int read_child(struct reading *r, const xmlNode *parent, const char *name, const char **out);
/* *out is 1 for "yes", 0 for "no", -1 when absent. Any other word is refused. */
int read_yes_no(struct reading *r, const xmlNode *node, const char *name, int *out);
/* A whole number in that base (0: as C has it, "0x" and leading 0), between min and max; leading white space
 * and a sign are allowed, as strtoll(3) takes them. False for anything else; *out is untouched then. */
bool read_number(const char *text, int base, long long min, long long max, long long *out);
/* Append one item of `size` bytes to a list in the arena: `list` is the address of the pointer to its items,
 * *n their number. Lists grow in place where they can. -1 (ERR_NO_MEMORY) when memory is short. */
int read_append(struct reading *r, const void *list, size_t *n, const void *item, size_t size);
/* Read <permissions> below parent; all of it "not given" where there is none. Modes are octal, up to 0777. */
int read_permissions(struct reading *r, const xmlNode *parent, struct pool_perms *p);
/* Read <secret type=… uuid=…|usage=…/>: one of the two, not both. Whether there is such a secret is found
 * out when it is needed. */
int read_secret_reference(struct reading *r, const xmlNode *node, struct volume_secret *out);

/* Read <source> into r->d->source; node is NULL when the document has none. r->d->type is set already: what
 * an element may hold depends on it. */
int read_pool_source(struct reading *r, const xmlNode *node);
/* The rules that need more of the definition than its <source>: what the type must have, defaults taken from
 * the name. It comes after the name has been read, because a source without one takes the pool's. */
int complete_source(struct reading *r, const xmlNode *root);

#endif
