/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A function run aside, in a forked child that is another user.
 */
#ifndef POOLINIT_VOLUMES_FILE_ASIDE_H
#define POOLINIT_VOLUMES_FILE_ASIDE_H

#include <stdint.h>
#include "base/err.h"

/* What is done in the child; may report through its op as in the worker. */
typedef int aside_fn(void *arg, struct err *e);

/* As another user and group (-1: stays), without supplementary groups and with one capability alone, by which
 * tools are confined: what root may not do on a network filesystem its owner may. */
int aside_as(int64_t uid, int64_t gid, aside_fn *run, void *arg, struct err *e);

#endif
