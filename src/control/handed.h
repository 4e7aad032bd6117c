/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sockets that a service manager has made, listens at, and handed over to this process (sd_listen_fds(3)). A
 * socket is known by the path that it is bound to. It stays the service manager's: clients that come between
 * two of us wait in it. A build without libvirt's protocol takes none.
 */
#ifndef POOLINIT_CONTROL_HANDED_H
#define POOLINIT_CONTROL_HANDED_H

#include <stdbool.h>
#include "base/err.h"

/* Before this process opens anything: read the variables (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES), and take
 * them out of the environment. What cannot be used is closed, with a sentence in the log. 1: some were
 * announced, be they of use or not. -1: other, a descriptor that the caller was told to use, is one of
 * them; or another process has one of them, which would answer some of the clients (ERR_BUSY). */
int handed_begin(int other, struct err *e);
/* Is there one at this path that nobody has taken yet? */
bool handed_holds(const char *path);
/* It is the caller's from now on: non-blocking, and closed by exec(3). -1: there is none. */
int handed_take(const char *path);
/* Nobody will ask any more: those that are left are closed, with a sentence for each in the log. */
void handed_end(void);

#endif
