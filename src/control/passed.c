/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Descriptors that clients pass (SCM_RIGHTS). The last close of somebody else's file may wait for ever: for a socket's peer, for a server, for
 * a device. So no such file ever comes into this process. It stays in the queue of the client's socket until a worker takes it out, for a
 * transfer or to throw it away; here the queue is only looked at. A socket is closed here when nothing is left in it.
 */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "control/peer.h"
#include "supervisor/worker.h"

#define CHUNK         4096
#define EMPTY_BATCH   16                /* sockets of one user that one worker empties */
#define EMPTY_WORKERS 8                 /* at once */
#define EMPTY_OTHERS  6                 /* of these for those who are not admin */
#define EMPTY_OWN     2                 /* and for one user */
#define EMPTY_PAUSE   100               /* ms between two of them: who passes descriptors makes us fork no faster */
#define EMPTY_AGAIN   SECONDS(1)        /* when none could be started */
#define EMPTY_WITHIN  SECONDS(5)        /* then it is ended, and the next one goes on with what is left */
#define EMPTY_TICK    1000              /* µs */

/* One worker that empties sockets. */
struct emptying {
	struct emptying *next;
	struct server *server;
	struct worker *worker;
	uid_t uid;
	int fds[EMPTY_BATCH + 1];       /* ends with -1 */
};

/* ---- looking at the queue ---- */

ssize_t passed_peek(int fd, void *data, size_t size, bool *bears)
{
	struct iovec room = { data, size };
	struct msghdr m = { .msg_iov = &room, .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &m, MSG_PEEK | MSG_DONTWAIT);

	*bears = n > 0 && (m.msg_flags & MSG_CTRUNC);
	return n;
}

/* Is nothing left of what a client has sent? Bytes without descriptors are read away. Its socket is shut down: no more can come. */
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

/* ---- emptying, in a worker ---- */

static void on_tick(int sig)
{
	(void)sig;
}

/* What is read without room for descriptors is dropped. A drop that waits for a socket's peer ends at the next tick. */
static int empty_sockets(struct worker_io *io, void *arg, struct err *e)
{
	const struct itimerval tick = { { 0, EMPTY_TICK }, { 0, EMPTY_TICK } };
	char chunk[CHUNK];

	(void)io, (void)e;
	errno = 0;
	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &tick, NULL);
	for (const int *fd = arg; *fd >= 0; fd++)
		while (recv(*fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0 || errno == EINTR)
			errno = 0;
	return 0;
}

/* ---- sockets that cannot be closed yet ---- */

static void let_go(struct peer *p)
{
	struct server *srv = p->server;

	for (struct peer **at = &srv->leaving; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			srv->nleaving--;
			break;
		}
	close(p->fd);
	free(p);
	server_resume(srv);
}

static void try_again(struct server *srv, uint64_t when)
{
	if (srv->leaving && (!srv->empty.armed || when < srv->empty.deadline))
		loop_arm(srv->loop, &srv->empty, when);
}

static void emptying_end(struct emptying *m)
{
	struct server *srv = m->server;
	struct emptying **at = &srv->emptying;

	for (struct peer *p = srv->leaving, *next; p; p = next) {
		next = p->next;
		if (p->emptying != m)
			continue;
		p->emptying = NULL;
		if (is_empty(p->fd))
			let_go(p);
	}
	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
	free(m);
	try_again(srv, srv->emptied + EMPTY_PAUSE);
}

/* One that is still there has the sockets still: they are looked at when it has gone. */
static void on_done(struct worker *w, const struct err *e, bool left)
{
	(void)e;
	if (!left)
		emptying_end(w->job.owner);
}

static void on_gone(struct worker *w)
{
	emptying_end(w->job.owner);
}

static bool may_begin(const struct server *srv, const struct peer *p)
{
	unsigned all = 0, own = 0;

	for (const struct emptying *m = srv->emptying; m; m = m->next) {
		all++;
		own += m->uid == p->uid;
	}
	return all < (p->level == LEVEL_ADMIN ? EMPTY_WORKERS : EMPTY_OTHERS) && own < EMPTY_OWN;
}

/* A worker for the sockets of p's user that have none yet. False: there can be none now. */
static bool begin(struct server *srv, const struct peer *p)
{
	struct emptying *m = calloc(1, sizeof(*m));
	struct err e = { 0 };
	size_t n = 0;

	if (!m)
		return false;
	*m = (struct emptying){ .server = srv, .uid = p->uid, .next = srv->emptying };
	for (const struct peer *q = p; q && n < EMPTY_BATCH; q = q->next)
		if (!q->emptying && q->uid == p->uid)
			m->fds[n++] = q->fd;
	m->fds[n] = -1;
	m->worker = worker_start(srv->sup, &(struct job){ .what = "discard", .timeout = EMPTY_WITHIN, .run = empty_sockets, .arg = m->fds,
							  .keep = m->fds, .on_done = on_done, .on_gone = on_gone, .owner = m }, &e);
	if (!m->worker) {
		log_debug(LF_CONTROL, "descriptors of clients that have gone are kept: %s", e.message);
		free(m);
		return false;
	}
	for (struct peer *q = srv->leaving; q; q = q->next)
		for (size_t i = 0; i < n; i++)
			if (q->fd == m->fds[i])
				q->emptying = m;
	srv->emptying = m;
	srv->emptied = clock_ms();
	return true;
}

void passed_on_timer(struct timer *t)
{
	struct server *srv = t->owner;

	for (const struct peer *p = srv->leaving; p; p = p->next)
		if (!p->emptying && may_begin(srv, p) && !begin(srv, p)) {
			try_again(srv, clock_ms() + EMPTY_AGAIN);
			return;
		}
}

void passed_leave(struct peer *p)
{
	struct server *srv = p->server;
	struct peer **at = &srv->leaving;

	shutdown(p->fd, SHUT_RDWR);
	if (!p->borrowed && is_empty(p->fd)) {
		close(p->fd);
		free(p);
		return;
	}
	while (*at)
		at = &(*at)->next;
	*at = p;
	p->next = NULL;
	srv->nleaving++;
	try_again(srv, srv->emptied + EMPTY_PAUSE);
}

/* The sockets stay open until the process ends: then nobody waits any more. */
void passed_end(struct server *srv)
{
	loop_disarm(srv->loop, &srv->empty);
	while (srv->emptying) {
		struct emptying *m = srv->emptying;

		srv->emptying = m->next;
		worker_disown(m->worker);
		free(m);
	}
	while (srv->leaving) {
		struct peer *p = srv->leaving;

		srv->leaving = p->next;
		free(p);
	}
}
