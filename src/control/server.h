/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The control socket: clients, their bounded buffers, their calls. What their bytes mean is the codec's.
 */
#ifndef POOLINIT_CONTROL_SERVER_H
#define POOLINIT_CONTROL_SERVER_H

#include <sys/types.h>
#include "base/clock.h"
#include "base/err.h"
#include "supervisor/supervisor.h"

#define CONTROL_CLIENTS  32
#define CONTROL_RESERVE  4 /* of these for level admin only */
#define CONTROL_PER_USER 8 /* and at most so many for one user who is not */
/* unsent bytes, above which a client's next request has to wait, and its events are lost */
#define CONTROL_OUT_LIMIT (64 * 1024)
#define CONTROL_IN_LIMIT  (16 * 1024) /* bytes of requests taken in before they can be run */
/* how long a client that has sent requests up to that limit, or for whom a long answer waits, may read
 * nothing (what the kernel counts as read: a whole piece of its queue, of 64 KiB at most) */
#define CONTROL_STALL SECONDS(5)

struct server;
struct codec;
struct verb;

/* How a server is set up: it listens at path (a stale socket is replaced, one that answers is ERR_BUSY, and
 * one that a service manager has handed over is taken as it is, and left there at the end: handed.h); `state`
 * gives the word of the greeting; `on_shutdown` is what the shutdown verb calls. */
struct server_options {
	const char *path;
	const struct codec *codec;       /* NULL: the line protocol (docs/PROTOCOL.md) */
	const struct verb *verbs;        /* NULL: those of verb_table */
	const char *(*state)(void *arg); /* "starting", "ready", "degraded", "failed" */
	/* libvirt's sockets: nobody has more than the level "read", and everybody may connect; it is in a
	 * directory of everybody's; how many clients there may be (0: CONTROL_CLIENTS); the file with the
	 * token by which a daemon of this host shows that it is one, or NULL. */
	bool read_only, public;
	unsigned clients;
	const char *token_file;
	const char *members; /* of the group poolinit, "user,user"; or NULL */
	/* How: "poweroff", "reboot", "halt", "exit". e: refused (for example: poweroff is not ours to do in
	 * `serve`). */
	int (*on_shutdown)(void *arg, const char *how, struct err *e);
	/* Parked by `wait boot`: answer when boot is done. NULL: there is no boot to wait for. */
	int (*on_wait_boot)(void *arg, uint64_t deadline, struct waiter *w, struct err *e);
	/* `follow`: answer when the root may be changed to that directory. NULL: it is not ours to follow. */
	int (*on_follow)(void *arg, const char *root, struct waiter *w, struct err *e);
	void *arg;
};
/* Make the socket and listen; nobody is let in before server_accept(). The supervisor must outlive the
 * server. NULL: ERR_BUSY, or the error of the file. */
struct server *server_new(struct supervisor *s, const struct server_options *o, struct err *e);
/* Who listens at path, if somebody lives who does: its pid, and a descriptor of the process, which can be
 * read when that has ended; the caller closes it. -1: nobody. */
int server_other(const char *path, pid_t *pid);
#ifndef SO_PASSRIGHTS /* Linux 6.16 */
#define SO_PASSRIGHTS 83
#endif
/* No client is to send a descriptor, which the kernel sees to where it can (SO_PASSRIGHTS of a client's
 * socket is 0 then). */
void server_seal(struct server *srv);
/* Let clients in. Until then those who connect wait in the socket's queue. */
void server_accept(struct server *srv);
/* The end has come: let nobody in any more. Those who connect wait in the queue again, at a socket that was
 * handed over for its next server. server_free() follows. */
void server_stop(struct server *srv);
/* Answer what can be answered at once, close all, remove the socket. NULL is allowed. */
void server_free(struct server *srv);

#endif
