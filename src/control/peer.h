/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The server's two halves: server.c listens and lets in, peer.c talks with one connected client.
 */
#ifndef POOLINIT_CONTROL_PEER_H
#define POOLINIT_CONTROL_PEER_H

#include <string.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/loop.h"
#include "control/call.h"
#include "control/server.h"

struct server {
	struct supervisor *sup;
	struct loop *loop;
	struct server_options options;
	char *path;
	dev_t dev;                      /* of the socket we made: only that one is removed at the end */
	ino_t ino;
	struct watch listening;
	int spare;                      /* a descriptor to give up when there are no others left */
	struct listener listener;
	bool has_group;
	gid_t group;                    /* `poolinit` */
	char boot_id[40];
	struct peer *peers;
	unsigned npeers;
};

struct peer {
	struct server *server;
	struct peer *next;
	struct watch watch;
	enum verb_level level;
	uid_t uid;
	pid_t pid;

	struct buf in;                  /* not run yet */
	uint64_t skip;                  /* bytes of a refused payload still to be thrown away */
	struct call *call;              /* the one request under way */
	struct buf out;
	size_t out_done;                /* of out: sent */
	int index;                      /* a volume index that follows out, or -1 */
	off_t index_at;
	size_t index_left;
	struct buf held;                /* what follows the index */
	size_t event_bytes;             /* of events, since everything was sent last */
	uint64_t events_lost;
	struct timer stall;
	bool eof;                       /* the client sends no more */
	bool closing;                   /* close when everything is sent */
	bool dead;                      /* gone, or out of memory: freed at the next look */
	bool subscribed;
	bool busy;                      /* there is more to run at the next turn */
	bool replying;                  /* the first part of an answer is in out: events wait in held */
	int passed;                     /* a descriptor that has arrived, for a request that is still to be run; -1: none */
};

/* server.c */
enum verb_level access_level(const struct server *srv, int fd, uid_t *uid, pid_t *pid);
bool access_group(gid_t *group);

/* peer.c */
int peer_new(struct server *srv, int fd, struct err *e);        /* takes the descriptor over, also when it fails */
void peer_free(struct peer *p);
void peer_event(struct peer *p, const char *line, size_t len);
/* The call is finished: send its answer at the next turn of the loop. May be called from anywhere. */
void peer_wake(struct peer *p);
/* A line of an answer, before its end. A client that does not read misses it. */
void peer_say(struct peer *p, const struct buf *line);
/* Its stream may go on: the pipe's watch has an event. */
void peer_on_stream(struct watch *w, uint32_t events);

/* stream.c: bytes between a client and the worker of its job */
#define STREAM_CHUNK (16 * 1024)        /* at once: no more of a stream is ever in memory, and as much in the input buffer */
#define STREAM_COST  16                 /* of a turn's share */
static inline bool stream_is_open(const struct call *c)
{
	return c->stream.fd >= 0;
}
/* One step: false if nothing can be done before the client, or the worker, has moved. */
bool stream_step(struct peer *p);
/* Last words before the server goes: what is parked is answered with e, what can be sent at once is sent. */
void peer_farewell(struct peer *p, const struct err *e);

/* Free it, and leave none of its bytes behind: there may be a secret among them. */
static inline void buf_forget(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buf_free(b);
}

#endif
