/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poolctl's end of the socket: whole lines and whole replies, read with as few system calls as possible.
 *
 * Bytes are read into one buffer as they come, and lines are cut out of it in place. A reply is kept whole
 * before anything of it is printed, so that an error at its end leaves no half of a table on the screen;
 * what may be long without end (events) is shown line by line instead.
 */
#include "poolctl/parts.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/contract.h"
#include "base/util.h"

#define CHUNK       (64 * 1024)
#define REPLY_LIMIT (1024 * 1024 * 1024) /* a payload longer than this is not believed */
_Static_assert(CHUNK >= LINE_MAX_BYTES, "one read holds a line");

/* Nobody at the socket is told apart from all else: it is the most common mistake, and has a remedy. */
int link_connect(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(a.sun_path))
		return err_set(e, ERR_INVALID, "\"%s\" cannot be a socket: the path has 1 to %zu bytes", path,
		               sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, path, len + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		err_sys(e, errno, "cannot connect to poolinit at %s", path);
		if (e->sys == ENOENT || e->sys == ECONNREFUSED)
			err_set(e, ERR_WAIT_SERVER,
			        "no poolinit answers at %s (is it running? --socket says where to look)",
			        path);
		if (e->sys == EACCES)
			err_set(e, ERR_DENIED, "poolinit at %s answers only root and the group poolinit",
			        path);
		close(fd);
		return -1;
	}
	return fd;
}

/* The first line is the greeting, or the reason why there will be none. */
static int read_greeting(struct link *l, struct err *e)
{
	struct line line;
	char *text;
	size_t len;
	int rc = link_line(l, &text, &len, e);

	if (rc == 0)
		return err_set(e, ERR_WAIT_SERVER, "the server closed the connection without a word");
	if (rc < 0 || line_parse_reply(text, len, &line, e) < 0)
		return -1;
	if (line.kind == LINE_ERR) {
		line_to_err(&line, e);
		return -1;
	}
	if (line.kind != LINE_GREETING || line.nargs < 2 || !line.args[0].value ||
	    !streq(line.args[0].value, "poolinit"))
		return err_set(e, ERR_SYNTAX, "what answers at this socket is not poolinit");
	return 0;
}

int link_open(struct link *l, const char *path, struct err *e)
{
	demand(l && path, e);
	*l = (struct link){ .fd = link_connect(path, e), .signals = -1 };
	if (l->fd < 0)
		return -1;
	if (read_greeting(l, e) < 0) {
		link_close(l);
		return -1;
	}
	return 0;
}

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	buf_free(&l->in);
}

/* As send(2), with a descriptor. */
static ssize_t send_with(int socket, const void *data, size_t len, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr m = { .msg_iov = &bytes,
		            .msg_iovlen = 1,
		            .msg_control = control.room,
		            .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(socket, &m, MSG_NOSIGNAL);
}

int link_send(struct link *l, const void *data, size_t len, int fd, struct err *e)
{
	demand(data || len == 0, e);
	for (size_t done = 0; done < len;) {
		const char *from = (const char *)data + done;
		ssize_t n = fd >= 0 && done == 0 ? send_with(l->fd, from, len, fd)
		                                 : send(l->fd, from, len - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EPIPE || errno == ECONNRESET)
			return 0; /* it has closed: perhaps it said why */
		else if (errno != EINTR)
			return err_sys(e, errno, "cannot send the request");
	}
	return 0;
}

/* Until the server has sent something: signals are looked at meanwhile. */
static int link_await(struct link *l, struct err *e)
{
	struct pollfd fds[] = { { l->fd, POLLIN, 0 }, { l->signals, POLLIN, 0 } };

	while (l->signals >= 0) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for the reply");
		if (fds[1].revents && l->on_signal(l->arg, e) < 0)
			return -1;
		if (fds[0].revents)
			return 0;
	}
	return 0;
}

/* More bytes. 1; 0: there will be none; -1. */
static int link_fill(struct link *l, struct err *e)
{
	char chunk[CHUNK];
	ssize_t n;

	buf_consume(&l->in, l->at);
	l->at = 0;
	if (link_await(l, e) < 0)
		return -1;
	do
		n = recv(l->fd, chunk, sizeof(chunk), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	if (n < 0)
		return err_sys(e, errno, "cannot read the reply");
	buf_add(&l->in, chunk, (size_t)n);
	return l->in.failed ? err_set(e, ERR_NO_MEMORY, "out of memory") : n > 0;
}

/* The LF of the line that begins at the front, looked for from `from` on: what was read before has none. */
static char *line_end_at(const struct link *l, size_t from)
{
	return l->in.len > from ? memchr(l->in.data + from, '\n', l->in.len - from) : NULL;
}

bool link_has_line(const struct link *l)
{
	return line_end_at(l, l->at) != NULL;
}

int link_line(struct link *l, char **line, size_t *len, struct err *e)
{
	demand(line && len, e);

	char *lf = line_end_at(l, l->at);

	while (!lf) {
		size_t known = l->in.len - l->at;
		int rc = link_fill(l, e);

		if (rc <= 0)
			return rc;
		lf = line_end_at(l, known);
	}
	*line = l->in.data + l->at;
	*len = (size_t)(lf - *line);
	*lf = '\0';
	l->at += *len + 1;
	return 1;
}

/* The payload: n bytes, which may be any. Part of them may have been read ahead. */
static int link_read_bytes(struct link *l, uint64_t n, struct buf *out, struct err *e)
{
	if (n > REPLY_LIMIT)
		return err_set(e, ERR_TOO_LONG, "the server announces %llu bytes", (unsigned long long)n);
	while (n > 0) {
		size_t there = l->in.len - l->at;

		if (there > n)
			there = (size_t)n;
		buf_add(out, l->in.data ? l->in.data + l->at : "", there);
		l->at += there;
		n -= there;
		int rc = n ? link_fill(l, e) : 1;
		if (rc <= 0)
			return rc < 0 ? rc
			              : err_set(e, ERR_SYNTAX, "the reply ended in the middle of its bytes");
	}
	return out->failed ? err_set(e, ERR_NO_MEMORY, "out of memory") : 0;
}

/* Keep a record's line with its NUL. Offsets are kept, because the bytes move when there are more of them. */
static int keep_record(struct reply *r, const char *line, size_t len, struct err *e)
{
	if (r->nrecords == r->room) {
		size_t room = r->room ? r->room * 2 : 64;
		struct record *more = realloc(r->records, room * sizeof(*more));

		if (!more)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		r->records = more;
		r->room = room;
	}
	r->records[r->nrecords++] = (struct record){ r->raw.len, len };
	buf_add(&r->raw, line, len + 1);
	return r->raw.failed ? err_set(e, ERR_NO_MEMORY, "out of memory") : 0;
}

/* The last line is kept apart from the records, and taken apart at once: an ERR decides what becomes of
 * them. */
static int keep_final(struct reply *r, const char *line, size_t len, struct err *e)
{
	buf_add(&r->final_text, line, len + 1);
	if (r->final_text.failed)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (line_parse_reply(r->final_text.data, len, &r->final, e) < 0)
		return -1;
	r->failed = r->final.kind == LINE_ERR;
	if (r->failed)
		line_to_err(&r->final, &r->err);
	return 0;
}

int reply_read(struct link *l, struct reply *r, bool (*on_line)(void *arg, char *line, size_t len), void *arg,
               struct err *e)
{
	struct line payload;
	char *line;
	size_t len;
	int rc;

	*r = (struct reply){ 0 };
	while ((rc = link_line(l, &line, &len, e)) > 0) {
		if ((line[0] == '-' || line[0] == '!') && on_line && on_line(arg, line, len))
			continue;
		if (line[0] == '-')
			rc = keep_record(r, line, len, e);
		else if (line[0] == '=') {
			r->has_text = true;
			rc = line_parse_reply(line, len, &payload, e) < 0
			             ? -1
			             : link_read_bytes(l, payload.payload_len, &r->text, e);
		} else if (line[0] != '!' && line[0] != '*')
			return keep_final(r, line, len, e);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc
	              : err_set(e, ERR_WAIT_SERVER,
	                        "the server closed the connection in the middle of a reply");
}

int reply_record(struct reply *r, size_t i, struct line *out, struct err *e)
{
	require(i < r->nrecords, e);
	return line_parse_reply(r->raw.data + r->records[i].at, r->records[i].len, out, e);
}

void reply_free(struct reply *r)
{
	buf_free(&r->raw);
	if (r->text.data)
		explicit_bzero(r->text.data, r->text.size); /* it may be a secret */
	buf_free(&r->text);
	buf_free(&r->final_text);
	free(r->records);
}

/* ---- a request and its reply ---- */

int link_request(struct link *l, struct buf *line, const struct request_payload *p, int fd, struct err *e)
{
	if (p)
		buf_printf(line, " = %zu", p->len);
	buf_addc(line, '\n');
	if (line->failed)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (line->len > LINE_MAX_BYTES)
		return err_set(e, ERR_TOO_LONG, "the arguments are too long: a request has at most %d bytes",
		               LINE_MAX_BYTES);
	if (link_send(l, line->data, line->len, fd, e) < 0)
		return -1;
	return p ? link_send(l, p->data, p->len, -1, e) : 0;
}

int link_ask(struct link *l, const char *request, const struct request_payload *p, struct reply *r,
             bool (*on_line)(void *, char *, size_t), void *arg, struct err *e)
{
	demand(request && r, e);

	cleanup_buf struct buf line = BUF_INIT;

	buf_adds(&line, request);
	if (link_request(l, &line, p, -1, e) < 0 || reply_read(l, r, on_line, arg, e) < 0)
		return -1;
	if (!r->failed)
		return 0;
	*e = r->err;
	return -1;
}

int ask_once(const char *socket, const char *request, const struct request_payload *p, struct reply *r,
             struct err *e)
{
	struct link l;
	int rc;

	if (link_open(&l, socket, e) < 0)
		return -1;
	rc = link_ask(&l, request, p, r, NULL, NULL, e);
	link_close(&l);
	return rc;
}
