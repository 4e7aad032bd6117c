/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A function run aside, in a forked child that is another user.
 */
#ifndef POOLINIT_VOLUMES_FILE_ASIDE_H
#define POOLINIT_VOLUMES_FILE_ASIDE_H

#include <stdint.h>
#include "base/err.h"

/* The function is called in the child. It may report through its op as in the worker. */
typedef int aside_fn(void *arg, struct err *e);

/* Run a function as another user and group (-1: stays), without supplementary groups and with one capability
 * alone, by which tools are confined. On a network filesystem a file's owner may do what root may not
 * (root_squash). Waits for it. Returns what it returned, with its error; ERR_INTERNAL if it ended without an
 * answer. What it changes in memory is lost with the child. */
int aside_as(int64_t uid, int64_t gid, aside_fn *run, void *arg, struct err *e);

#endif
