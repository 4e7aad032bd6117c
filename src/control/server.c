/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The listening socket: made with the right owner and mode, never taken from a server that still answers, and
 * never closed because descriptors or memory ran out.
 */
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/handed.h"
#include "control/peer.h"

#define BACKLOG      SOMAXCONN
#define TURN_CLIENTS 64 /* let in, or refused, in one turn: then it is the others' */
/* sockets that cannot even be put away (passed.c), for want of memory; while there are more nobody is let
 * in */
#define LEAVING_LIMIT 128
#define MEMORY_PAUSE  50         /* ms until somebody may be let in again, when there was no memory for it */
#define PAUSE         SECONDS(1) /* until somebody may be let in again, if nothing is heard before */

/* ---- the socket file ---- */

/* A path that is too long is an error, and not cut off. */
static int socket_address(const char *path, struct sockaddr_un *a, struct err *e)
{
	size_t len = strlen(path);

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len == 0 || len >= sizeof(a->sun_path))
		return err_set(e, ERR_INVALID, "cannot listen at \"%s\": a socket's path has 1 to %zu bytes",
		               path, sizeof(a->sun_path) - 1);
	memcpy(a->sun_path, path, len + 1);
	return 0;
}

/* Its directory: made when it is missing, for root and the group; one that exists is left as it is. */
static int make_directory(const struct server *srv, struct err *e)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *base = path_base(srv->options.path);
	size_t len = (size_t)(base - srv->options.path);
	struct stat st;

	if (len <= 1)
		return 0;
	memcpy(dir, srv->options.path, len - 1);
	dir[len - 1] = '\0';
	if (stat(dir, &st) < 0 &&
	    (file_mkdirs(dir, srv->options.public ? 0755 : 0750, e) < 0 || stat(dir, &st) < 0))
		return e && e->class != ERR_NONE ? -1 : err_sys(e, errno, "cannot look at %s", dir);
	/* Only one that is as we make it (the run directory often is): one made by somebody else has its
	 * owner's rights. */
	bool ours = st.st_uid == geteuid() && st.st_gid == getegid() && (st.st_mode & 07777) == 0750;
	if (ours && srv->has_group && chown(dir, (uid_t)-1, srv->group) < 0 && geteuid() == 0)
		return err_sys(e, errno, "cannot give %s to the group poolinit", dir);
	return 0;
}

/* The process that listens, as a descriptor; -1 with errno, ESRCH: it has gone. One that was killed may leave
 * its descriptors behind for a moment, or for as long as something hangs in the kernel, with those that it
 * forked (workers). */
static int listener_of(int connected, pid_t *pid)
{
	struct ucred listener = { 0 };
	socklen_t len = sizeof(listener);
	struct pollfd end = { .events = POLLIN };

	errno = 0;
	if (getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &listener, &len) < 0 || listener.pid <= 0)
		return -1;
	end.fd = (int)syscall(SYS_pidfd_open, listener.pid, 0);
	if (end.fd >= 0 && poll(&end, 1, 0) == 1) {
		close(end.fd);
		errno = ESRCH;
		return -1;
	}
	*pid = listener.pid;
	return end.fd;
}

/* Only who has gone for certain counts. */
static bool listener_is_gone(int connected)
{
	pid_t pid;
	int process = listener_of(connected, &pid);

	if (process < 0)
		return errno == ESRCH;
	close(process);
	return false;
}

int server_other(const char *path, pid_t *pid)
{
	struct sockaddr_un a;
	int other = -1;

	if (socket_address(path, &a, NULL) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		other = listener_of(fd, pid);
	passed_close(fd);
	return other;
}

/* Somebody's socket is at the path. Is it alive? Only a refused connection, or a listener that has gone, says
 * that it is not. */
static int remove_stale(const struct server *srv, struct err *e)
{
	struct stat st;

	if (lstat(srv->options.path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot look at %s", srv->options.path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_EXISTS, "cannot listen at %s: there is something that is not a socket",
		               srv->options.path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	int why = connect(fd, (const struct sockaddr *)&srv->address, sizeof(srv->address)) == 0 ? 0 : errno;
	bool stale = why ? why == ECONNREFUSED : listener_is_gone(fd);
	passed_close(fd); /* whoever listens there is not to be trusted */
	if (!stale && (!why || why == EAGAIN))
		return err_set(e, ERR_BUSY, "cannot listen at %s: another poolinit answers there",
		               srv->options.path);
	if (!stale)
		return err_sys(e, why, "cannot tell whether anybody answers at %s", srv->options.path);
	if (unlink(srv->options.path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot remove the stale socket %s", srv->options.path);
	return 0;
}

/* Two that start at the same time must not take each other's fresh socket for a stale one: they hold this
 * lock from the look to listen(2). */
static int lock_directory(const struct server *srv, struct err *e)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	size_t len = (size_t)(path_base(srv->options.path) - srv->options.path);

	memcpy(dir, srv->options.path, len);
	memcpy(dir + len, ".", 2);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open the directory of %s", srv->options.path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return err_set(e, ERR_BUSY, "cannot listen at %s: another program has the directory locked",
		               srv->options.path);
	}
	return fd;
}

/* The file appears with no rights at all, and gets its group before its mode. */
static int bind_and_listen(struct server *srv, int fd, struct err *e)
{
	mode_t before = umask(0777);
	int rc = bind(fd, (const struct sockaddr *)&srv->address, sizeof(srv->address));
	struct stat st;

	umask(before);
	if (rc < 0)
		return err_sys(e, errno, "cannot make the socket %s", srv->options.path);
	bool shared = srv->has_group && chown(srv->options.path, (uid_t)-1, srv->group) == 0;
	mode_t mode = shared ? 0660 : 0600;
	if (srv->options.read_only)
		mode = 0666;
	if (lstat(srv->options.path, &st) < 0 || chmod(srv->options.path, mode) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		err_sys(e, errno, "cannot listen at %s", srv->options.path);
		unlink(srv->options.path);
		return -1;
	}
	srv->dev = st.st_dev;
	srv->ino = st.st_ino;
	return 0;
}

/* The lock is held until somebody listens: closing it lets the next one look. */
static int open_socket(struct server *srv, struct err *e)
{
	if (make_directory(srv, e) < 0)
		return -1;
	int handed = handed_take(srv->options.path);
	if (handed >= 0)
		return handed;
	cleanup_close int lock = lock_directory(srv, e);
	if (lock < 0 || remove_stale(srv, e) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	if (bind_and_listen(srv, fd, e) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- letting in ---- */

/* Keep the server closed to new clients until `when`, or until there is room: there is none even to refuse
 * them. */
static void server_pause(struct server *srv, uint64_t when)
{
	srv->paused = true;
	loop_change(srv->loop, &srv->listening, 0);
	loop_arm(srv->loop, &srv->resume, when);
}

/* There may be room again. */
static void server_resume(struct server *srv)
{
	if (!srv->paused)
		return;
	srv->paused = false;
	loop_disarm(srv->loop, &srv->resume);
	loop_change(srv->loop, &srv->listening, srv->open ? EPOLLIN : 0);
}

static void on_resume(struct timer *t)
{
	server_resume(t->owner);
}

/* Too many: one line that says so. The socket is new, its buffer has room for it. */
static void turn_away(struct peer *p, const struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT;

	peer_codec(p)->error(&line, NULL, e);
	if (!line.failed && send(p->fd, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug(LF_CONTROL, "a client beyond the limit was gone before it could be told");
	passed_leave(p);
}

/* The next of those who connect, or NULL with errno. A byte out of band stays in its place: skipping it would
 * drop what comes with it. */
static struct peer *accept_one(struct server *srv)
{
	struct peer *p = peer_new(srv);

	if (!p) {
		errno = ENOMEM;
		return NULL;
	}
	p->fd = accept4(srv->listening.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (p->fd < 0) {
		int why = errno;

		free(p);
		errno = why;
		return NULL;
	}
	setsockopt(p->fd, SOL_SOCKET, SO_OOBINLINE, &(int){ 1 }, sizeof(int));
	access_look(srv, p);
	return p;
}

/* p is the server's, or is gone. */
static void let_in_or_refuse(struct server *srv, struct peer *p)
{
	struct err e = { 0 };

	if (access_place(srv, p, &e) < 0)
		turn_away(p, &e);
	else if (peer_begin(p, &e) < 0)
		log_warn(LF_CONTROL, "a client was refused: %s", e.message);
	else if (p->level > LEVEL_READ)
		documents_expect(srv->sup);
}

/* The descriptor that is given up when there is no other. */
static bool open_spare(struct server *srv)
{
	if (srv->spare < 0)
		srv->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return srv->spare >= 0;
}

/* No descriptor is left: give up the spare one, so that a client is at least not left hanging. It is back
 * when that client has gone, or when one of a lower level has gone for it: then the client stays. */
static void squeeze_in_one(struct server *srv)
{
	struct err e = { 0 };
	struct peer *p;

	if (!open_spare(srv)) {
		server_pause(srv, clock_ms() + PAUSE);
		return;
	}
	close(srv->spare);
	srv->spare = -1;
	p = accept_one(srv);
	if (p && access_dismiss_for(srv, p) && open_spare(srv)) {
		let_in_or_refuse(srv, p);
		return;
	}
	if (p) {
		err_set(&e, ERR_LIMIT, "poolinit has no descriptor left for another client");
		turn_away(p, &e);
		log_warn(LF_CONTROL, "a client was refused: no descriptors left");
	}
	open_spare(srv);
}

/* True: there may be another one. What is to be done where nothing is left depends on what it is. */
static bool let_in_one(struct server *srv)
{
	bool full = srv->nleaving >= LEAVING_LIMIT;
	struct peer *p = full ? NULL : accept_one(srv);
	bool one = p;

	if (p) {
		let_in_or_refuse(srv, p);
	} else if (!full && (errno == EMFILE || errno == ENFILE)) {
		one = access_drop_hung_up(srv); /* it finds their descriptors free */
		if (!one)
			squeeze_in_one(srv);
	} else if (errno == ENOMEM && !full) {
		server_pause(srv, clock_ms() + MEMORY_PAUSE);
	} else if (full || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)) {
		server_pause(srv, clock_ms() + PAUSE);
	}
	return one;
}

/* Some in one turn; those that are left wake the loop again. */
static void on_connection(struct watch *w, uint32_t events)
{
	(void)events;
	for (int n = 0; n < TURN_CLIENTS; n++)
		if (!let_in_one(w->owner))
			return;
}

/* Said once for all who hear of it. */
static void on_event(struct listener *l, const struct event *ev)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct server *srv = l->owner;

	for (struct peer *p = srv->peers; p; p = p->next) {
		if (p->subscribed && srv->options.codec->tell) {
			srv->options.codec->tell(p, ev);
			continue;
		}
		if (p->subscribed && !text.len && !text.failed)
			srv->options.codec->event(&text, ev);
		peer_event(p, &text);
	}
}

/* ---- beginning and end ---- */

struct server *server_new(struct supervisor *s, const struct server_options *o, struct err *e)
{
	demand_or(s && o && o->path, NULL);

	struct server *srv = calloc(1, sizeof(*srv));

	if (!srv) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	srv->sup = s;
	srv->loop = supervisor_loop(s);
	srv->options = *o;
	srv->options.path = srv->address.sun_path;
	srv->options.codec = o->codec ? o->codec : &line_codec;
	srv->options.verbs = o->verbs ? o->verbs : verb_table;
	srv->options.clients = o->clients ? o->clients : CONTROL_CLIENTS;
	srv->has_group = access_group(&srv->group);
	srv->listener = (struct listener){ .on_event = on_event, .owner = srv };
	if (file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", srv->boot_id, sizeof(srv->boot_id)) <
	    0)
		snprintf(srv->boot_id, sizeof(srv->boot_id), "unknown");
	signal(SIGPIPE, SIG_IGN); /* sendfile(2) knows no MSG_NOSIGNAL */
	srv->spare = -1;
	int fd = socket_address(o->path, &srv->address, e) < 0 ? -1 : open_socket(srv, e);
	srv->listening = (struct watch){ .fd = -1, .on_event = on_connection, .owner = srv };
	srv->empty = (struct timer){ .on_expiry = passed_on_timer, .owner = srv };
	srv->resume = (struct timer){ .on_expiry = on_resume, .owner = srv };
	if (fd < 0 || loop_watch(srv->loop, &srv->listening, fd, 0, e) < 0) {
		srv->listening.fd = fd;
		server_free(srv);
		return NULL;
	}
	open_spare(srv);
	listener_add(s, &srv->listener);
	return srv;
}

void server_seal(struct server *srv)
{
	setsockopt(srv->listening.fd, SOL_SOCKET, SO_PASSRIGHTS, &(int){ 0 }, sizeof(int));
}

void server_accept(struct server *srv)
{
	srv->open = true;
	loop_change(srv->loop, &srv->listening, srv->paused ? 0 : EPOLLIN);
}

void server_stop(struct server *srv)
{
	srv->open = false;
	server_pause(srv, NEVER);
}

/* Nobody comes any more. Those who wait to be let in may have sent something already: each is told, and goes
 * as the others do. A socket that was handed over stays open elsewhere, and they wait for whoever gets it
 * next. */
static void end_listening(struct server *srv, const struct err *e)
{
	int fd = srv->listening.fd;
	struct peer *p;

	if (srv->ino) {
		shutdown(fd, SHUT_RDWR);
		while ((p = accept_one(srv)))
			turn_away(p, e);
	}
	loop_disarm(srv->loop, &srv->resume);
	loop_unwatch(srv->loop, &srv->listening);
	close(fd);
}

void server_free(struct server *srv)
{
	struct err e = { 0 };
	struct stat st;

	if (!srv)
		return;
	err_set(&e, ERR_STATE, "poolinit is ending");
	listener_remove(srv->sup, &srv->listener);
	while (srv->peers) {
		peer_farewell(srv->peers, &e);
		peer_free(srv->peers);
	}
	end_listening(srv, &e);
	passed_end(srv);
	if (srv->spare >= 0)
		close(srv->spare);
	if (lstat(srv->options.path, &st) == 0 && st.st_dev == srv->dev && st.st_ino == srv->ino)
		unlink(srv->options.path);
	if (srv->input)
		munmap(srv->input, INPUT_SIZE);
	free(srv);
}
