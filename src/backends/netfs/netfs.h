/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of netfs have in common: words.c (the words of <mount>), request.c (what a definition asks
 * of the kernel), mount.c (asking it, host after host), gluster.c (what a program mounts in the kernel's
 * place), exports.c (what an NFS server says that it exports), netfs.c (what is done with a pool).
 */
#ifndef POOLINIT_BACKENDS_NETFS_NETFS_H
#define POOLINIT_BACKENDS_NETFS_NETFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backends/backend.h"
#include "backends/glusterfs.h"
#include "backends/rpc.h"
#include "backends/servers.h"
#include "base/buf.h"
#include "base/mountinfo.h"
#include "base/uuid.h"

extern const struct backend netfs_backend;

/* What is spoken with a server, in the order in which they are tried; and sets of them. The kernel mounts all
 * but the last one. */
enum netfs_protocol { NETFS_NFS, NETFS_CIFS, NETFS_GLUSTER, NETFS_PROTOCOLS };
#define NETFS_FOR(protocol) (1u << (protocol))
#define NETFS_ANY           (NETFS_FOR(NETFS_PROTOCOLS) - 1)

/* ---- words.c ---- */

/* The words of <mount>, taken apart. */
struct netfs_words {
	unsigned protocols; /* a set: those that know all of them */
	struct buf options; /* for the kernel, ",nconnect=4,soft" */
	int port;           /* 0: not given */
	bool has_secret;    /* cifs: where the password is */
	struct uuid secret;
};
/* Take the words apart; NULL is none. ERR_INVALID: one is not known, has no such value, is there twice, or
 * does not go with another. netfs_words_free() in every case. */
int netfs_words_read(const char *text, struct netfs_words *out, struct err *e);
void netfs_words_free(struct netfs_words *w);

/* ---- request.c ---- */

/* What one start works with: the definition's own options, as one protocol takes them. */
struct netfs_request {
	const struct pool_def *d;
	enum netfs_protocol protocol;
	struct buf own;     /* the options that the kernel gets as they are: ",NAME=VALUE…"; no password */
	char version[16];   /* the only one to try, or empty */
	int port;           /* 0: the protocol's */
	bool tcp;           /* the server can be tried by a TCP connection first */
	bool guest;         /* cifs: nobody is named who could be locked out */
	int family;         /* of the addresses that proto= leaves */
	char address[64];   /* that the options name, in place of the host's; or empty */
	char password[256]; /* cifs: from a secret, the options or a credentials file, or empty */
};
/* Take the definition apart. What was read is freed, and the password wiped, with netfs_request_free(), after
 * an error too. ERR_NO_SECRET: the password is not there. */
int netfs_request_make(struct netfs_request *q, const struct pool_def *d, enum netfs_protocol protocol,
                       const char *const *secret_dirs, struct err *e);
void netfs_request_free(struct netfs_request *q);

/* The gluster volume that the source names, or the directory in one, at the pool's target; is_ours is the
 * caller's to fill in. ERR_INVALID: it is no name of either. */
int netfs_gluster_mount(const struct pool_def *d, struct gluster_mount *g, struct err *e);

/* ---- mount.c ---- */

/* The set of protocols that the definition leaves to try. ERR_UNSUPPORTED: a format that is not done here;
 * ERR_INVALID: none is left, or words of <mount> are wrong. */
int netfs_protocols(const struct pool_def *d, unsigned *set, struct err *e);
/* Is it a mount of one of the definition's servers? Any of them is the pool's. */
bool netfs_is_mount(const struct pool_def *d, const struct mount_entry *m);
/* Mount it from the first host that will do. The error names all that were tried. ERR_WAIT_SERVER with
 * waits_for "service=…": that host has it as a gluster volume, and netfs_client has to mount it. */
int netfs_mount(const struct pool_def *d, struct op *op, struct err *e);

/* ---- gluster.c ---- */

/* The client program, which is called for where a volume has to be mounted. */
extern const struct service netfs_client;
/* Does the program have the options of a definition without <mount>? ERR_INVALID. */
int netfs_gluster_check(const struct pool_def *d, struct err *e);
/* Is what is mounted at the pool's target such a mount? Looks at the mount table only. */
bool netfs_is_gluster(const struct pool_def *d);

/* ---- exports.c ---- */

typedef void netfs_export_fn(void *arg, const char *dir);
/* Ask the server's MOUNT service, which rpcbind at this address knows, for its list of exports. How many have
 * names that no directory can have, and were not told; -1: errors as rpc_call(). Those that come before an
 * error have been told. */
int exports_ask(const struct address *rpcbind, uint64_t deadline, netfs_export_fn *add, void *arg,
                struct err *e);
/* Take the list of an answer. A directory's name has neither NUL nor control characters, and is absolute;
 * those whose names are none are counted in *nameless. ERR_STORAGE: it is no such list. */
int exports_read(struct xdr *x, netfs_export_fn *add, void *arg, unsigned *nameless, struct err *e);
/* The port of a universal address, "192.0.2.7.8.1" or "::.8.1" (RFC 5665 section 5.2.3); 0: there is none. */
int exports_port_of(const char *address);

#endif
