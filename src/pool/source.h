/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A <source> by itself: what find-storage-pool-sources is asked with, and what it answers.
 */
#ifndef POOLINIT_POOL_SOURCE_H
#define POOLINIT_POOL_SOURCE_H

#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"
#include "pool/def.h"

/* Read one <source> document for a pool type into d, which is filled from nothing: d->type and d->source
 * alone have a meaning. What a whole pool would have to have may be missing: the question "what is there"
 * may leave things open. Bytes are foreign; limits and errors as pool_read(). On failure d needs no free;
 * else pool_def_free(). */
int pool_source_read(struct pool_def *d, enum pool_type type, const char *xml, size_t len, const char *source,
                     struct err *e);
/* Append the document again, as libvirt prints it within <sources>: indented by two spaces. Only d->type and
 * d->source are looked at. */
void pool_source_print(const struct pool_def *d, struct buf *out);

#endif
