/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A function run aside, in a forked child whose privileges are not the worker's: another user, or shut off from files.
 */
#ifndef POOLINIT_BACKENDS_ASIDE_H
#define POOLINIT_BACKENDS_ASIDE_H

#include <stdint.h>
#include "base/err.h"

/* What is done in the child; may report through its op as in the worker. */
typedef int aside_fn(void *arg, struct err *e);

/* As another user and group (-1: stays), without supplementary groups and capabilities: what root may not do on a network filesystem its owner may. */
int aside_as(int64_t uid, int64_t gid, aside_fn *run, void *arg, struct err *e);
/* Shut off from all files but programs, libraries and the n descriptors' own (landlock): tools that it starts can open those alone, whatever an image says. A
 * kernel without landlock runs it as it is. */
int aside_confined(const int *files, unsigned n, aside_fn *run, void *arg, struct err *e);

#endif
