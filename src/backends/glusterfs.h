/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gluster volumes that are mounted by gluster's own client program, one process a pool, for the types that do
 * so: gluster mounts a volume for itself alone, netfs mounts one, or a directory of one, at its target.
 * glusterfs.c is about the program, glusterd.c about what a server is asked without it.
 */
#ifndef POOLINIT_BACKENDS_GLUSTERFS_H
#define POOLINIT_BACKENDS_GLUSTERFS_H

#include "backends/backend.h"
#include "backends/mounted.h"
#include "backends/rpc.h"
#include "backends/servers.h"
#include "base/mountinfo.h"

enum { GLUSTER_PORT = 24007 };

/* ---- glusterfs.c ---- */

/* What a pool mounts. The strings are the caller's. */
struct gluster_mount {
	char volume[256];
	const char *dir; /* "/images", which is mounted in place of the volume's root; "": that itself */
	const char *at;  /* the mount point */
	int port;        /* of hosts that have none; 0: the usual one */
	mount_ours_fn *is_ours;
};
/* Is that a mount of this volume and directory? */
bool gluster_is_mount_of(const struct gluster_mount *g, const struct mount_entry *m);

/* What a companion's functions do (struct service). prepare: 0; 1: a client of an earlier supervisor's has it
 * mounted; the mount point is the caller's to make. ERR_NO_TOOL: the program is not on this machine. command:
 * the words of the client, to which the caller appends its own options, and then the mount point. */
int gluster_client_prepare(const struct pool_def *d, const struct gluster_mount *g, struct op *op,
                           struct err *e);
int gluster_client_command(const struct pool_def *d, const struct gluster_mount *g, struct op *op,
                           struct buf *words, struct err *e);
int gluster_client_ready(const struct pool_def *d, const struct gluster_mount *g, struct op *op,
                         struct err *e);
/* Does what is mounted there answer? The client mounts first, and asks the bricks when somebody looks. */
int gluster_answers(const struct gluster_mount *g, const char *place, struct err *e);
/* One more word of the command: NAME, and VALUE behind it. */
void gluster_client_word(struct buf *words, const char *name, const char *value);

/* Of a mount that answers: the client may have lost bricks that are mirrored by others. Then the state is
 * STATE_DEGRADED, and op->why says which. */
void gluster_bricks_check(const struct gluster_mount *g, struct op *op, enum pool_state *state);

/* What an image needs for the client, for IMAGE(): the program, and what that opens by name: its transport,
 * the translators that a client's side of a volume may be made of (glusterd's and the bricks' own are ten
 * times as large), and what the C library needs to end a thread. */
#define GLUSTER_TRANSLATOR(name) "+glusterfs/*/xlator/" name
/* clang-format off */
#define GLUSTER_PROGRAMS "@glusterfs+glusterfs/*/rpc-transport/*+libgcc_s.so.1" \
	GLUSTER_TRANSLATOR("cluster/*") GLUSTER_TRANSLATOR("debug/*") GLUSTER_TRANSLATOR("performance/*") \
	GLUSTER_TRANSLATOR("mount/fuse.so") GLUSTER_TRANSLATOR("meta.so") \
	GLUSTER_TRANSLATOR("protocol/client.so") GLUSTER_TRANSLATOR("system/posix-acl.so") \
	GLUSTER_TRANSLATOR("features/utime.so") GLUSTER_TRANSLATOR("features/shard.so") \
	GLUSTER_TRANSLATOR("features/read-only.so") GLUSTER_TRANSLATOR("features/gfid-access.so") \
	GLUSTER_TRANSLATOR("features/snapview-client.so") GLUSTER_TRANSLATOR("features/cloudsync.so")
/* clang-format on */

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
