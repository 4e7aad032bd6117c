/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What would be done with these definitions and this command line, without doing any of it.
 */
#ifndef POOLINIT_TOOLS_PLAN_H
#define POOLINIT_TOOLS_PLAN_H

#include <stddef.h>
#include "base/buf.h"
#include "boot/parameters.h"

/* Reads the directory (NULL: /config if it is there, else /etc/libvirt) and those that poolinit.config= names
 * (devices are only listed); writes the plan. Returns the number of problems: bad definitions, bad
 * parameters, required pools that nobody defines. */
size_t plan_print(const char *config_dir, struct parameters *p, struct buf *out);

#endif
