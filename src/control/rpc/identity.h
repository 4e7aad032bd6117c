/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who the client of a daemon is, for the daemon's sockets.
 */
#ifndef POOLINIT_CONTROL_RPC_IDENTITY_H
#define POOLINIT_CONTROL_RPC_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include "control/verb.h"

struct server;

/* The members of the group `poolinit`, "user,user", from /etc/group; to be freed. NULL: there are none. Reads
 * a file: for the beginning only. */
char *identity_members(void);
/* The level of somebody of whom a daemon speaks. name: or NULL. */
enum verb_level identity_level(const struct server *srv, uint64_t uid, uint64_t gid, const char *name);
/* Is that the token by which root's daemons of this host know each other? Whoever of them needs it first
 * makes its file, so it is read when one is shown: it lies in /run, which is memory. */
bool identity_has_token(const struct server *srv, const char *token);

#endif
