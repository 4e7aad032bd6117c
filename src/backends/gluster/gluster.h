/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The parts of the gluster type: gluster.c (the story and the table), client.c (the program that mounts),
 * glusterd.c (what a server is asked without it).
 */
#ifndef POOLINIT_BACKENDS_GLUSTER_GLUSTER_H
#define POOLINIT_BACKENDS_GLUSTER_GLUSTER_H

#include "backends/backend.h"
#include "backends/rpc.h"
#include "backends/servers.h"
#include "base/mountinfo.h"

enum { GLUSTER_PORT = 24007 };

/* ---- client.c: one client process a pool, which the supervisor keeps ---- */
extern const struct service gluster_client;
/* The validate operation: is its name one of a volume, and its directory in there? ERR_INVALID. Also looked
 * at before the program is given a word of the definition. */
int gluster_validate(const struct pool_def *d, struct err *e);
/* Is that a mount of the volume? A mount_ours_fn (mounted.h). */
bool gluster_is_mount(const struct pool_def *d, const struct mount_entry *m);

/* ---- glusterd.c ---- */
/* Does the management daemon (glusterd) at that address know the volume? 0; ERR_WAIT_SERVER: it does not
 * answer by `deadline` (clock_ms()), or says that it has no such volume (e->sys is ENOENT then). */
int gluster_ask(const struct address *a, const char *volume, uint64_t deadline, struct err *e);
/* Its volumes, one call of `take` each: how many, or -1. A name is good for the call, and foreign text. */
typedef void gluster_volume_fn(void *arg, const char *name);
int gluster_list(const struct address *a, uint64_t deadline, gluster_volume_fn *take, void *arg,
                 struct err *e);
/* What is in the results of an answer: 0, or the daemon's errno; -1: it is no such answer. For the two above
 * and the fuzzer. */
int gluster_read_answer(struct xdr *x);
/* The volumes in there: how many, or -1: it is no such answer, or says that there is an error. */
int gluster_read_list(struct xdr *x, gluster_volume_fn *take, void *arg);

#endif
