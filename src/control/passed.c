/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Descriptors that clients pass (SCM_RIGHTS). The last close of somebody else's file may wait for ever: for a
 * socket's peer, for a server, for a device. So no such file ever comes into this process. It stays in the
 * queue of the client's socket until a worker takes it out, for a transfer or to throw it away; here the
 * queue is only looked at. A socket is closed here when nothing is left in it.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "control/peer.h"
#include "supervisor/work/worker.h"

#define CHUNK         4096
#define SHELVES       31 /* users with one of their own, admins aside; all others share one */
#define OTHERS        ((uid_t)-1)
#define PASSED_MOST   253        /* descriptors that one message can have (SCM_MAX_FD) */
#define TABLE         (1 << 20)  /* descriptors that an emptying worker has room for, where it may */
#define EMPTY_BATCH   1024       /* sockets that one worker empties */
#define EMPTY_WORKERS 8          /* at once */
#define EMPTY_OTHERS  6          /* of these for those who are not admin */
#define EMPTY_OWN     2          /* and for one user */
#define EMPTY_PAUSE   100        /* ms between two of them: who passes descriptors makes us fork no faster */
#define EMPTY_AGAIN   SECONDS(1) /* when none could be started */
#define EMPTY_WITHIN  SECONDS(5) /* then it is ended, and the next one goes on with what is left */
#define EMPTY_TICK    1000       /* µs */

/* The sockets that one user has left behind, in the queue of a socket pair: there they cost no descriptor, so
 * that a user may leave any number, and nobody else is kept out. The kernel limits them: in each is at least
 * one descriptor on its way, which counts for whoever passed it. */
struct shelf {
	struct shelf *next;
	struct server *server;
	uid_t uid;
	bool admin;
	int in, out;
	int count; /* sockets for the next worker */
	/* of the shared one: whose they are, in their order. The last ones are in the queue still */
	uid_t *whose;
	size_t nwhose, room;
	/* takes from it still: one at a time, so that none takes a socket that is still open here */
	struct worker *taking;
	struct worker *workers[EMPTY_OWN];
};

/* ---- looking at the queue ---- */

ssize_t passed_peek(int fd, void *data, size_t size, bool *bears)
{
	demand_or(data && bears, -1);

	struct iovec room = { data, size };
	struct msghdr m = { .msg_iov = &room, .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &m, MSG_PEEK | MSG_DONTWAIT);

	*bears = n > 0 && (m.msg_flags & MSG_CTRUNC);
	return n;
}

/* Is nothing left of what a client has sent? Bytes without descriptors are read away. Its socket is shut
 * down: no more can come. */
static bool is_empty(int fd)
{
	char chunk[CHUNK];
	bool bears;
	ssize_t n;

	for (;;) {
		n = passed_peek(fd, chunk, sizeof(chunk), &bears);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || bears)
			return n <= 0;
		recv(fd, chunk, (size_t)n, MSG_DONTWAIT);
	}
}

bool passed_close(int fd)
{
	bool empty;

	shutdown(fd, SHUT_RDWR);
	empty = is_empty(fd);
	if (empty)
		close(fd);
	return empty;
}

/* ---- emptying, in a worker ---- */

/* Only so that a system call that waits ends. */
static void on_tick(int sig)
{
	(void)sig;
}

/* As recv(2), with what has been passed: it stays open until the process ends, when no close waits for a
 * socket's peer any more. *fd: the first one. What there is no room for is dropped, and a drop that waits
 * ends at the next tick. */
static ssize_t take(int from, void *data, size_t size, int *fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(PASSED_MOST * sizeof(int))];
	} control;
	struct iovec room = { data, size };
	struct msghdr m = {
		.msg_iov = &room, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(from, &m, MSG_DONTWAIT);

	*fd = -1;
	if (n > 0 && CMSG_FIRSTHDR(&m) && control.head.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.head), sizeof(*fd));
	return n;
}

/* In the worker: take sockets from the queue, and from each what was passed in it. All of it is closed by the
 * end of this process. */
static int empty_shelf(struct worker_io *io, void *arg, struct err *e)
{
	const struct itimerval tick = { { 0, EMPTY_TICK }, { 0, EMPTY_TICK } };
	const struct shelf *h = arg;
	struct buf b = BUF_INIT;
	char chunk[CHUNK];
	int fd, other;

	(void)e;
	errno = 0;
	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &tick, NULL);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ TABLE, TABLE }); /* what it has is room enough for most */
	for (int n = 0; n < h->count && (take(h->out, chunk, 1, &fd) > 0 || errno == EINTR); n++)
		while (fd >= 0 && (take(fd, chunk, sizeof(chunk), &other) > 0 || errno == EINTR))
			errno = 0;
	line_begin(&b, "-");
	worker_send_record(io, &b);
	return 0;
}

/* ---- sockets that have been left behind ---- */

/* Sockets in the queue. */
static int waiting(const struct shelf *h)
{
	int n = 0;

	return ioctl(h->out, FIONREAD, &n) == 0 ? n : 0; /* one byte comes with each */
}

/* The next look, at that clock_ms() or earlier. */
static void try_again(struct server *srv, uint64_t when)
{
	if (!srv->empty.armed || when < srv->empty.deadline)
		loop_arm(srv->loop, &srv->empty, when);
}

/* For that user, or for all who have none of their own. NULL: no memory, or no descriptor. */
static struct shelf *new_shelf(struct server *srv, const struct peer *p, uid_t uid)
{
	struct shelf *h = calloc(1, sizeof(*h));
	int ends[2];

	if (!h || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		free(h);
		return NULL;
	}
	/* without that right: what all may have */
	if (setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &(int){ INT_MAX }, sizeof(int)) < 0)
		setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &(int){ INT_MAX }, sizeof(int));
	*h = (struct shelf){ .next = srv->shelves,
		             .server = srv,
		             .uid = uid,
		             .admin = uid != OTHERS && p->level == LEVEL_ADMIN,
		             .in = ends[0],
		             .out = ends[1] };
	srv->shelves = h;
	return h;
}

/* The user's own, if there may be one more; else that of all others. */
static struct shelf *shelf_of(struct server *srv, const struct peer *p)
{
	struct shelf *others = NULL;
	unsigned n = 0;

	for (struct shelf *h = srv->shelves; h; h = h->next) {
		if (h->uid == p->uid)
			return h;
		if (h->uid == OTHERS)
			others = h;
		else
			n += !h->admin;
	}
	if (p->level == LEVEL_ADMIN || n < SHELVES)
		return new_shelf(srv, p, p->uid);
	return others ? others : new_shelf(srv, p, OTHERS);
}

/* Room for one more name, before its socket is in the queue. */
static bool may_note(struct shelf *h)
{
	size_t n = (size_t)waiting(h), room = 2 * n + SHELVES;

	if (h->uid != OTHERS || h->nwhose < h->room)
		return true;
	if (n > h->nwhose)
		n = h->nwhose;
	if (n && h->whose)
		memmove(h->whose, h->whose + h->nwhose - n, n * sizeof(uid_t));
	h->nwhose = n;
	if (room > h->room) {
		uid_t *more = realloc(h->whose, room * sizeof(uid_t));

		if (!more)
			return n < h->room;
		h->whose = more;
		h->room = room;
	}
	return true;
}

/* How many sockets in the queue are the user's. */
static unsigned held_for(const struct shelf *h, uid_t uid)
{
	size_t n = (size_t)waiting(h);
	unsigned held = 0;

	if (h->uid != OTHERS)
		return h->uid == uid ? (unsigned)n : 0;
	for (size_t i = n < h->nwhose ? h->nwhose - n : 0; i < h->nwhose; i++)
		held += h->whose[i] == uid;
	return held;
}

/* The queue has the socket from then on, so that closing it here is not the last close. */
static bool shelve(struct peer *p)
{
	struct shelf *h = shelf_of(p->server, p);
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {
		.head = { .cmsg_len = CMSG_LEN(sizeof(int)),
		          .cmsg_level = SOL_SOCKET,
		          .cmsg_type = SCM_RIGHTS },
	};
	struct msghdr m = { .msg_iov = &(struct iovec){ "", 1 },
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.head), &p->fd, sizeof(int));
	if (!h || !may_note(h) || sendmsg(h->in, &m, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return false;
	if (h->uid == OTHERS && h->whose)
		h->whose[h->nwhose++] = p->uid;
	close(p->fd);
	free(p);
	return true;
}

/* One that cannot be shelved now keeps no other waiting. False: there is such a one. */
static bool shelve_all(struct server *srv)
{
	struct peer **at = &srv->leaving, *p;

	while ((p = *at)) {
		struct peer *next = p->next;

		if (!shelve(p)) {
			at = &p->next;
			continue;
		}
		*at = next;
		srv->nleaving--;
		if (srv->paused) /* there is room for another one */
			loop_arm(srv->loop, &srv->resume, 0);
	}
	return !srv->leaving;
}

unsigned passed_waiting(const struct server *srv, uid_t uid)
{
	unsigned n = 0;

	for (const struct shelf *h = srv->shelves; h; h = h->next)
		n += held_for(h, uid);
	for (const struct peer *p = srv->leaving; p; p = p->next)
		n += p->uid == uid;
	return n;
}

/* Nothing is in it, and nobody takes from it. */
static void shelf_free(struct shelf *h)
{
	struct shelf **at = &h->server->shelves;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	close(h->in);
	close(h->out);
	free(h->whose);
	free(h);
}

/* ---- emptying ---- */

/* The worker has taken its sockets: the next one may take others. */
static void on_record(struct worker *w, const struct line *l)
{
	struct shelf *h = w->task.owner;

	(void)l;
	h->taking = NULL;
	try_again(h->server, h->server->emptied + EMPTY_PAUSE);
}

/* A worker has ended: it makes room for another one. */
static void on_gone(struct worker *w)
{
	struct shelf *h = w->task.owner;

	if (h->taking == w)
		h->taking = NULL;
	for (int i = 0; i < EMPTY_OWN; i++)
		if (h->workers[i] == w)
			h->workers[i] = NULL;
	try_again(h->server, h->server->emptied + EMPTY_PAUSE);
}

static void on_done(struct worker *w, const struct err *e, bool left)
{
	(void)e;
	if (!left)
		on_gone(w);
}

/* How many of the user's are there. */
static unsigned count_workers(const struct shelf *h)
{
	unsigned n = 0;

	for (int i = 0; i < EMPTY_OWN; i++)
		n += h->workers[i] != NULL;
	return n;
}

/* Who passes descriptors without end has few workers, and leaves some for the others. */
static bool may_begin(const struct shelf *h)
{
	unsigned all = 0;

	for (const struct shelf *k = h->server->shelves; k; k = k->next)
		all += count_workers(k);
	return !h->taking && all < (h->admin ? EMPTY_WORKERS : EMPTY_OTHERS) && count_workers(h) < EMPTY_OWN;
}

/* False: there can be none now. */
static bool begin(struct shelf *h)
{
	struct err e = { 0 };
	struct worker *w;

	if (h->count > EMPTY_BATCH)
		h->count = EMPTY_BATCH;
	w = worker_start(h->server->sup,
	                 &(struct task){ .what = "discard",
	                                 .timeout = EMPTY_WITHIN,
	                                 .run = empty_shelf,
	                                 .arg = h,
	                                 .owner = h,
	                                 .keep = (const int[]){ h->out, -1 },
	                                 .on_record = on_record,
	                                 .on_done = on_done,
	                                 .on_gone = on_gone },
	                 &e);
	if (!w) {
		log_debug(LF_CONTROL, "descriptors of clients that have gone are kept: %s", e.message);
		return false;
	}
	h->taking = h->workers[h->workers[0] != NULL] = w;
	h->server->emptied = clock_ms();
	return true;
}

void passed_on_timer(struct timer *t)
{
	struct server *srv = t->owner;

	bool stuck = !shelve_all(srv), failed = false;

	for (struct shelf *h = srv->shelves, *next; h && !failed; h = next) {
		next = h->next;
		h->count = waiting(h);
		if (!h->count && !count_workers(h))
			shelf_free(h);
		else if (h->count && may_begin(h))
			failed = !begin(h);
	}
	if (failed || stuck)
		try_again(srv, clock_ms() + EMPTY_AGAIN);
}

void passed_leave(struct peer *p)
{
	struct server *srv = p->server;

	if (p->borrowed) {
		shutdown(p->fd, SHUT_RDWR);
	} else if (passed_close(p->fd)) {
		free(p);
		return;
	}
	if (!shelve(p)) {
		p->next = srv->leaving;
		srv->leaving = p;
		srv->nleaving++;
	}
	try_again(srv, srv->emptied + EMPTY_PAUSE);
}

/* The sockets stay open until the process ends: then nobody waits any more. */
void passed_end(struct server *srv)
{
	loop_disarm(srv->loop, &srv->empty);
	while (srv->shelves) {
		struct shelf *h = srv->shelves;

		srv->shelves = h->next;
		for (int i = 0; i < EMPTY_OWN; i++)
			if (h->workers[i])
				worker_disown(h->workers[i]);
		free(h->whose);
		free(h);
	}
	while (srv->leaving) {
		struct peer *p = srv->leaving;

		srv->leaving = p->next;
		free(p);
	}
}
