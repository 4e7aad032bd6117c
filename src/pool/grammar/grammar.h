/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The strict look at a document, for --validate: libvirt's grammar as tables of elements, attributes and what
 * their text may be. The readers (read.c, volume_read.c, secret.c) are lenient; this refuses unknown elements
 * and attributes, relative paths, ports that do not exist.
 */
#ifndef POOLINIT_POOL_GRAMMAR_GRAMMAR_H
#define POOLINIT_POOL_GRAMMAR_GRAMMAR_H

#include <stddef.h>
#include "base/err.h"

enum grammar { GRAMMAR_POOL, GRAMMAR_VOLUME, GRAMMAR_SECRET };

/* 0, or ERR_INVALID "SOURCE:LINE: <element> …: the rule that it breaks"; ERR_XML as xml_open(). Only the
 * first mistake is told. The rules are those of libvirt's schemas (storagepool.rng, storagevol.rng,
 * secret.rng), which `virsh --validate` applies. Bytes are foreign: call it where they are parsed. */
int grammar_check(enum grammar g, const char *xml, size_t len, const char *source, struct err *e);

#endif
