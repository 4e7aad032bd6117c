/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where foreign bytes are parsed: no new privileges, a seccomp list of what a parser needs (memory, read,
 * write, exit on descriptors that are already open), landlock with no path at all. For forked workers.
 *
 * Facts: seccomp(2), landlock(7), kernel Documentation/userspace-api/landlock.rst and seccomp_filter.rst.
 */
#ifndef POOLINIT_BASE_SANDBOX_H
#define POOLINIT_BASE_SANDBOX_H

#include <stdbool.h>
#include "base/err.h"

/* Close this process in. What the kernel lacks (no seccomp, no landlock) is skipped; only an unexpected
 * failure is an error. After it: no open, no socket, no exec, no fork; a forbidden call ends the process by
 * SIGSYS. Builds with AddressSanitizer have landlock but no seccomp: the sanitizer makes calls of its own. */
int sandbox_enter(struct err *e);

/* The same for who parses what it has to open itself: any file can be opened, for reading only, directories
 * can be listed, nothing can be changed. */
int sandbox_enter_reading(struct err *e);

/* Has this process closed itself in? */
bool sandbox_entered(void);

/* For a tool that is going to be run on foreign bytes, before exec: everything but sockets, keys, namespaces,
 * mounts, other processes and the kernel itself. What is forbidden fails with EPERM. */
int sandbox_enter_tool(struct err *e);

#endif
