/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files that print documents share (printing.c): print.c (pools), volume_print.c. `indent` is what
 * stands before '<'.
 */
#ifndef POOLINIT_POOL_PRINTING_H
#define POOLINIT_POOL_PRINTING_H

#include "base/buf.h"
#include "base/uuid.h"
#include "pool/def.h"

/* Append " name='value'", the value escaped; nothing for NULL. Names are ours, and are not escaped. */
void print_attribute(struct buf *out, const char *name, const char *value);
/* Append one element with text, or one with one attribute, on a line of its own; nothing for NULL. */
void print_text(struct buf *out, const char *indent, const char *name, const char *text);
void print_empty(struct buf *out, const char *indent, const char *name, const char *attribute,
                 const char *value);
/* Append <permissions>, with what is given of it; nothing if that is nothing. Its indentation is that of a
 * child of <target> or <backingStore>. */
void print_permissions(struct buf *out, const struct pool_perms *p);
/* Append " uuid='…'" or " usage='…'", the two ways in which a <secret> names one. */
void print_secret_reference(struct buf *out, bool by_uuid, const struct uuid *uuid, const char *usage);
/* Append <host name=… port=…/> of a source, one a line, in the document's order. A port that is not given is
 * not printed, also where the type has a usual one. */
void print_hosts(struct buf *out, const struct pool_def *d);

#endif
