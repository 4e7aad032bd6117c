/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A place of its own for a tool that reads what others wrote: what it may open does not depend on what it
 * reads.
 *
 * A root directory with the system's programs and libraries, read-only, and nothing else; a /proc that shows
 * the tool alone; no network; no descriptor but those that it is given. The kernel's landlock and seccomp are
 * put on top where it has them, and are not needed.
 */
#ifndef POOLINIT_BASE_JAIL_H
#define POOLINIT_BASE_JAIL_H

#include <sched.h>
#include "base/err.h"

/* The namespaces that process 1 of a jail is made with. */
#define JAIL_NAMESPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)

/* Give process 1 of the tool's namespace its root directory: it has been made with JAIL_NAMESPACES.
 * `program` is the tool's path, which is shown there whatever directory it is in. ERR_UNSUPPORTED: this
 * system has no way to do it, and the tool must not be run. */
int jail_build(const char *program, struct err *e);
/* Give up capabilities and close in by landlock and seccomp, in the tool before exec. It may open its n
 * descriptors from `first` on again, by /proc/self/fd. There is no way back. ERR_UNSUPPORTED as above. */
int jail_enter(int first, unsigned n, struct err *e);

#endif
