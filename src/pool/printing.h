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

/* " name='value'"; nothing for NULL. */
void print_attribute(struct buf *out, const char *name, const char *value);
/* One element with text, one with one attribute; nothing for NULL. */
void print_text(struct buf *out, const char *indent, const char *name, const char *text);
void print_empty(struct buf *out, const char *indent, const char *name, const char *attribute,
                 const char *value);
/* <permissions>, with what is given of it; nothing if that is nothing. */
void print_permissions(struct buf *out, const struct pool_perms *p);
/* " uuid='…'" or " usage='…'". */
void print_secret_reference(struct buf *out, bool by_uuid, const struct uuid *uuid, const char *usage);
/* <host name=… port=…/> of a source, one a line. */
void print_hosts(struct buf *out, const struct pool_def *d);

#endif
