/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What would be done with these definitions and this command line, without doing any of it.
 */
#ifndef POOLINIT_TOOLS_PLAN_H
#define POOLINIT_TOOLS_PLAN_H

#include <stddef.h>
#include "base/buf.h"
#include "boot/parameters.h"

/* Append the plan to out. Reads the directory (NULL: /config if it is there, else /etc/libvirt) and those
 * that poolinit.config= names; devices are only listed. Only files are read; nothing is started, made or
 * waited for. Returns the number of problems, which are in the plan too: bad definitions, bad parameters,
 * required pools that nobody defines. Documents are parsed in this process: a tool that an operator runs
 * ends with them, if it must. */
size_t plan_print(const char *config_dir, struct parameters *p, struct buf *out);

#endif
