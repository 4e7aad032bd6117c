/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The server's two halves: server.c listens and lets in, peer.c talks with one connected client.
 */
#ifndef POOLINIT_CONTROL_PEER_H
#define POOLINIT_CONTROL_PEER_H

#include <string.h>
#include <sys/types.h>
#include <sys/un.h>
#include "base/buf.h"
#include "base/loop.h"
#include "control/call.h"
#include "control/server.h"

/* bytes of a stream at once: no more of one is in our memory (its pipe may hold more), and as much in the
 * input buffer */
#define STREAM_CHUNK (64 * 1024)
#define INPUT_SIZE   (CONTROL_IN_LIMIT + STREAM_CHUNK + 1)

/* A listening socket and its clients. */
struct server {
	struct supervisor *sup;
	struct loop *loop;
	struct server_options options;
	/* of the socket we made: only that one is removed at the end; 0: it was handed over (handed.h) */
	dev_t dev;
	ino_t ino;
	struct watch listening;
	int spare; /* a descriptor to give up when there are no others left */
	struct listener listener;
	bool has_group;
	gid_t group; /* `poolinit` */
	char boot_id[40];
	struct peer *peers;
	unsigned npeers;
	char *input; /* INPUT_SIZE bytes of memory_unforked(): an input buffer, wiped, for the client that has
	                the next turn; or NULL */
	struct shelf *shelves; /* sockets of those who have gone, with descriptors left in them: passed.c */
	struct peer *leaving;  /* those that could not be put there */
	unsigned nleaving;
	struct timer empty;  /* the next worker that empties them */
	uint64_t emptied;    /* when the last one began */
	struct timer resume; /* let clients in again */
	bool open, paused;
	struct sockaddr_un address; /* options.path is in it */
};

/* A connected client. */
struct peer {
	struct server *server;
	struct peer *next;
	struct watch watch;
	int fd;
	enum verb_level level;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int unread; /* bytes that it had not read when its time began (stall) */

	struct buf in;      /* not run yet */
	size_t in_used;     /* bytes at the beginning of in's memory that were ever written */
	uint64_t skip;      /* bytes of a refused payload still to be thrown away */
	struct call *calls; /* the requests under way, in the order in which they came */
	unsigned ncalls;
	/* the next bytes of in are its payload, or its stream; NULL: they are the next request */
	struct call *feeding;
	struct buf out;
	size_t out_done;      /* of out: sent */
	struct sending files; /* a volume index, or a value, that follows out */
	struct buf held;      /* what follows the files */
	size_t event_bytes;   /* of events, since everything was sent last */
	uint64_t events_lost;
	struct timer stall;
	bool eof;     /* the client sends no more */
	bool closing; /* close when everything is sent */
	bool dead;    /* gone, or out of memory: freed at the next look */
	bool subscribed;
	bool busy; /* there is more to run at the next turn */
	/* the first part of an answer is in out, and nothing may come between: events wait in held */
	bool replying;
	/* the last bytes of in, that are in the socket's queue still, with a descriptor: only a worker takes
	 * them */
	size_t borrowed;
	uint64_t active; /* clock_ms() of its last request */
	void *own;       /* the codec's, of the connection; NULL: nothing */
	/* With p->feeding: its codec takes the next bytes from the socket itself; but not before the worker
	 * has read something. */
	bool spliced, held_up;
	bool streamed; /* the last step was one of a stream */
	bool sealed;   /* no descriptor can be in its socket: bytes are taken without a look at them */
	bool trusted;  /* it has shown that it may see private secrets */
};

static inline const struct codec *peer_codec(const struct peer *p)
{
	return p->server->options.codec;
}

/* access.c */
/* Who is it? Fills p's level, uid, gid and pid from what the kernel knows of p->fd. */
void access_look(const struct server *srv, struct peer *p);
/* The gid of the group `poolinit`, from /etc/group. False: there is none. */
bool access_group(gid_t *group);
/* Is there a place for p, who is not in yet? Another client may be told to go for it. ERR_LIMIT: no. */
int access_place(struct server *srv, const struct peer *p, struct err *e);
/* Let those go who have hung up, before their own turns notice it. False: nobody has. */
bool access_drop_hung_up(struct server *srv);
/* Tell a client of a lower level than p's to go. False: there is none that may be told so. */
bool access_dismiss_for(struct server *srv, const struct peer *p);

/* passed.c */
/* As recv(2) with MSG_PEEK. *bears: descriptors are in the queue, with these bytes or behind them. */
ssize_t passed_peek(int fd, void *data, size_t size, bool *bears);
/* Close a socket that others may have filled. With a descriptor in it it stays open until this process ends,
 * when nobody waits for its close. */
bool passed_close(int fd);
/* The client goes: close its socket and free p, at once or when a worker has got rid of the descriptors in
 * it. p is in no list. */
void passed_leave(struct peer *p);
/* Sockets that the user has left behind, and that no worker has yet. */
unsigned passed_waiting(const struct server *srv, uid_t uid);
/* Of srv->empty: puts sockets away, and has them emptied. */
void passed_on_timer(struct timer *t);
/* The server goes. */
void passed_end(struct server *srv);

/* calls.c: the requests that a client has under way */
/* One more, the last. The client owns it from now on. */
void calls_add(struct peer *p, struct call *c);
/* Is one of them over, and not answered yet? */
bool calls_any_finished(const struct peer *p);
/* Has one of them bytes to move? */
bool calls_any_streams(const struct peer *p);
/* How many there are with a stream in messages, or without. */
unsigned calls_count(const struct peer *p, bool messages);
/* One that is over, and can be answered: nothing of it is still to come, and no file is being sent. Or
 * NULL. */
struct call *calls_answerable(const struct peer *p);

/* output.c: what goes to a client */
/* Bytes that wait for the socket, besides files. */
static inline size_t peer_unsent(const struct peer *p)
{
	return p->out.len - p->out_done;
}
static inline bool peer_all_sent(const struct peer *p)
{
	return !peer_unsent(p) && !sending_is_on(&p->files);
}
/* Is there room for more of what it sends? */
bool peer_wants_input(const struct peer *p);
/* Something has changed for it: a call is finished, bytes were left for it. What is to be done is done at the
 * next turn of the loop. May be called from anywhere. */
void peer_wake(struct peer *p);
/* Send until all is sent, the socket is full, or this turn has sent its share of a file. */
void peer_flush(struct peer *p);
/* Its time to read something begins, or begins anew. */
void peer_begin_stall(struct peer *p);
/* text: the event as the codec says it; empty where nobody has subscribed. */
void peer_event(struct peer *p, const struct buf *text);
/* How many events it has missed, if that can be said now. */
void peer_say_lost(struct peer *p);
/* After an OK of subscribe: the events since then, and from now on all of them. */
void peer_begin_events(struct peer *p, const struct call *c);
/* A part of an answer, before its end. A client that does not read misses it. */
void peer_say(struct peer *p, const struct buf *part);
/* A part of an answer is in out: with a codec that says in each message what it belongs to, others may
 * follow. */
void peer_began_answer(struct peer *p);
/* An error as an answer. tag NULL: it answers no request in particular. */
void peer_error(struct peer *p, const char *tag, const struct err *e);

/* stream.c: bytes between a client and the worker of its job */
#define STREAM_COST 16 /* of a turn's share */
static inline bool stream_is_open(const struct call *c)
{
	return c->stream.fd >= 0;
}
/* For codecs: one step of a stream that is nothing but bytes, those of a payload or of chunks. False: nothing
 * can be done before the client, or the worker, has moved. */
bool stream_plain(struct call *c);
/* The worker's turn: go on when it has read (EPOLLOUT), or written (EPOLLIN), something. False. */
bool stream_await(struct call *c, uint32_t events);

/* peer.c */
/* Of zeroes, without a client. NULL: no memory. */
struct peer *peer_new(struct server *srv);
/* Begin with the client at p->fd. On failure too p is the server's. */
int peer_begin(struct peer *p, struct err *e);
/* Its last words are e, and then it goes. */
void peer_dismiss(struct peer *p, const struct err *e);
/* Last words before the server goes: what is parked is answered with e, what can be sent at once is sent. */
void peer_farewell(struct peer *p, const struct err *e);
/* Drop the client with all that it has under way: p is gone. */
void peer_free(struct peer *p);
/* For codecs: what they do with a request that they have taken out of p->in. Each of them takes over the
 * call. */
/* It was checked, and begins when its payload is there. passes: a descriptor came with it. */
void peer_take(struct peer *p, struct call *c, bool passes);
/* The request is refused before it began. Its payload is skipped. */
void peer_refuse(struct peer *p, struct call *c, const struct err *e);
/* The answer to what cannot be followed any further: one error, and the end. */
void peer_give_up(struct peer *p, enum err_class class, const char *why);
/* What the client sends is no longer understood: the connection ends when what is to be sent has gone. */
void peer_hang_up(struct peer *p);

/* Free it, and leave none of its bytes behind: there may be a secret among them. */
static inline void buf_forget(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buf_free(b);
}

#endif
