/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Kernel modules through libkmod, in process. For workers, and for /sbin/modprobe (which is a link to this
 * program in our image).
 */
#ifndef POOLINIT_SYSTEM_MODULE_H
#define POOLINIT_SYSTEM_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

/* Load a module or alias with its dependencies and softdeps; already there or built in is success.
 * ERR_UNSUPPORTED if no such module is known, or it cannot be inserted for a reason that says so; else the
 * errno's class, with e->sys. Blocking: drivers look at their hardware meanwhile. */
int module_load(const char *name, struct err *e);
/* Is e that the kernel has refused a module's file (compressed, of another kernel, not signed), and not that
 * there is none? */
bool module_is_refused(const struct err *e);
/* After a failure that a missing driver would explain: append to e why the first of these cannot be loaded.
 * Those that are there, or that nobody has, say nothing. The names have a space between them. Returns -1. */
int module_explain(const char *names, struct err *e);
/* Try to load each of these names, with a space between them; what cannot be had is left to the operation
 * that needs it, which says it better. */
void module_load_wanted(const char *names);
/* The modules for all devices that are there now (modalias files below /sys/devices). Returns how many were
 * loaded. -1: there are no modules, or, when all others have been loaded, module_is_refused(e). */
int module_coldplug(struct err *e);
/* The role `modprobe [-q] [-a] [--] NAME…`, as the kernel and LVM call it (proc/sys/kernel/modprobe).
 * Returns the exit status. What the kernel asks for and refuses goes to its log, since nobody reads its
 * standard error. */
int module_modprobe_main(int argc, char **argv);

#endif
