/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /proc/bootconfig: what the boot loader appended to the initramfs, as the kernel prints it
 * (Documentation/admin-guide/bootconfig.rst).
 */
#ifndef POOLINIT_BOOT_BOOTCONFIG_H
#define POOLINIT_BOOT_BOOTCONFIG_H

#include "base/err.h"

#define BOOTCONFIG_LIMIT (256 * 1024) /* 32 KiB of source; keys are printed in full on every line */
_Static_assert(BOOTCONFIG_LIMIT >= 32 * 1024, "the kernel takes 32 KiB of source");

/* Called for each value: a key with several values is called once for each, in order. Both point into the
 * text. */
typedef void bootconfig_fn(const char *key, const char *value, void *arg);

/* Take the text apart, in place: lines `key = "value", "value"`, where a value that contains '"' stands
 * between "'" instead, and may span lines; empty lines and lines beginning with '#' (newer kernels print the
 * boot loader's own parameters so) are skipped. A key without a value has one empty one. The first line that
 * is not of this form ends the reading: ERR_SYNTAX "line N: …"; what came before it has been delivered. */
int bootconfig_split(char *text, bootconfig_fn *fn, void *arg, struct err *e);

#endif
