/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernel command line, split as the kernel splits it.
 */
#ifndef POOLINIT_BOOT_CMDLINE_H
#define POOLINIT_BOOT_CMDLINE_H

#include <stdbool.h>

#define CMDLINE_LIMIT (64 * 1024) /* no architecture allows more than 32 KiB */
_Static_assert(CMDLINE_LIMIT >= 2 * 32 * 1024, "twice what any architecture allows");

/* Called for each parameter in order; value is NULL for a bare word. Both point into the text. */
typedef void cmdline_fn(const char *name, const char *value, void *arg);

/* Take the text apart, in place, by the kernel's own rules (next_arg of lib/cmdline.c and parse_args of
 * kernel/params.c): white space separates, double quotes group wherever they stand (and are taken away
 * around a whole parameter or a whole value only), the first '=' that is not the first byte ends the name,
 * and the word "--" ends the parameters that are the kernel's. False: it ends inside quotes, and the last
 * word goes to its end. */
bool cmdline_split(char *text, cmdline_fn *fn, void *arg);

#endif
