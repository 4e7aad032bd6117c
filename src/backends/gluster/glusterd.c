/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two questions to gluster's management daemon, glusterd: do you know this volume, and which do you have?
 *
 * The client program asks the first one, too, but it waits for ever for a daemon that has accepted its
 * connection and hangs, and all that it tells of a volume that is not there is an exit status. The second is
 * what `gluster volume list` asks, a program that few clients have.
 *
 * Facts: gluster's rpc/xdr/src/glusterfs3-xdr.x (gf_getspec_req, gf_getspec_rsp), cli1-xdr.x (gf_cli_req,
 * gf_cli_rsp), rpc/rpc-lib/src/protocol-common.h (numbers), libglusterfs/src/dict.c (how a dictionary is
 * written); RFC 5531 for the call around it. The daemon wants to be told which versions of volumes a client
 * can do; we do not say, so that of a volume that is there it may say ENOTSUP, and of one that is not ENOENT.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "backends/gluster/gluster.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"

enum { PROGRAM_VERSION = 2, LAST_FRAGMENT = 0x80000000 };
enum { HANDSHAKE_PROGRAM = 14398633, HANDSHAKE_GETSPEC = 2 };
enum { CLI_PROGRAM = 1238463, CLI_LIST_VOLUME = 33 };
/* words of an answer: the reply's own are followed by what came of it, and errno */
enum { WORD_RESULT = 6, WORD_ERRNO, WORD_TEXT };
enum { ANSWER_MAX = 256 * 1024 };

/* ---- one call ---- */

static void add_word32(struct buf *b, uint32_t word)
{
	const unsigned char bytes[] = { (unsigned char)(word >> 24), (unsigned char)(word >> 16),
		                        (unsigned char)(word >> 8), (unsigned char)word };

	buf_add(b, (const char *)bytes, sizeof(bytes));
}

/* The call as one record: header and no credentials, then what is asked. */
static void call_print(uint32_t program, uint32_t procedure, const struct buf *body, struct buf *out)
{
	const uint32_t head[] = { LAST_FRAGMENT | (uint32_t)(10 * 4 + body->len),
		                  1,
		                  0,
		                  2,
		                  program,
		                  PROGRAM_VERSION,
		                  procedure,
		                  0,
		                  0,
		                  0,
		                  0 };

	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		add_word32(out, head[i]);
	buf_add(out, body->data, body->len);
}

static uint32_t word32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* All later calls on the socket end by the deadline. */
static void limit_socket(int fd, uint64_t deadline)
{
	int ms = clock_until(deadline);
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 + 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* Connected, or -1 with errno. */
static int glusterd_connect(const struct address *a, uint64_t deadline)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char port[12];
	int fd;

	snprintf(port, sizeof(port), "%d", a->port);
	if (getaddrinfo(a->text, port, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		limit_socket(fd, deadline);
		if (connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd;
}

/* Exactly so many bytes, which may come one by one: all of them have one deadline. */
static bool receive_bytes(int fd, unsigned char *to, size_t n, uint64_t deadline)
{
	while (n && clock_ms() < deadline) {
		ssize_t got;

		limit_socket(fd, deadline);
		got = recv(fd, to, n, 0);
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return n == 0;
}

/* The answer's bytes behind its record mark, at most `size` of them; 0: none came. */
static size_t receive_answer(int fd, unsigned char *answer, size_t size, uint64_t deadline)
{
	unsigned char mark[4];
	size_t n;

	if (!receive_bytes(fd, mark, sizeof(mark), deadline))
		return 0;
	n = word32(mark) & ~(uint32_t)LAST_FRAGMENT;
	n = n < size ? n : size;
	return receive_bytes(fd, answer, n, deadline) ? n : 0;
}

/* Ask, and wait for the answer: how many bytes of it there are in `answer`, or -1. */
static ssize_t call_daemon(const struct address *a, const struct buf *call, unsigned char *answer,
                           size_t size, uint64_t deadline, struct err *e)
{
	cleanup_close int fd = glusterd_connect(a, deadline);
	char waits_for[96];
	size_t n = 0;

	snprintf(waits_for, sizeof(waits_for), "server=%s:%d", a->text, a->port);
	if (fd < 0)
		return err_wait(e, ERR_WAIT_SERVER, waits_for, "cannot reach glusterd at %s port %d: %s",
		                a->text, a->port, strerror(errno));
	if (call->failed)
		return err_set(e, ERR_NO_MEMORY, "cannot ask glusterd: out of memory");
	if (send(fd, call->data, call->len, MSG_NOSIGNAL) == (ssize_t)call->len)
		n = receive_answer(fd, answer, size, deadline);
	if (n && gluster_read_answer(answer, n) >= 0)
		return (ssize_t)n;
	return err_wait(e, ERR_WAIT_SERVER, waits_for,
	                "glusterd at %s port %d takes the connection but does not answer: it hangs, or "
	                "something else listens there",
	                a->text, a->port);
}

int gluster_read_answer(const unsigned char *data, size_t len)
{
	uint32_t error;

	/* a reply, accepted, with an empty verifier, done: all other words are zero */
	if (len < 4 * WORD_TEXT || word32(data + 4) != 1 || word32(data + 8) || word32(data + 16) ||
	    word32(data + 20))
		return -1;
	error = word32(data + 4 * WORD_ERRNO);
	if (!(word32(data + 4 * WORD_RESULT) >> 31))
		return 0;
	return error > 0 && error < 4096 ? (int)error : EIO;
}

/* ---- do you know this volume? ---- */

int gluster_ask(const struct address *a, const char *volume, uint64_t deadline, struct err *e)
{
	demand(a && volume, e);

	cleanup_buf struct buf body = BUF_INIT, call = BUF_INIT;
	const size_t len = strlen(volume);
	unsigned char answer[4 * WORD_TEXT];
	char waits_for[96];
	ssize_t n;

	add_word32(&body, 0);
	add_word32(&body, (uint32_t)len);
	buf_add(&body, volume, len);
	buf_add(&body, "\0\0\0", (4 - len % 4) % 4);
	add_word32(&body, 0);
	call_print(HANDSHAKE_PROGRAM, HANDSHAKE_GETSPEC, &body, &call);
	n = call_daemon(a, &call, answer, sizeof(answer), deadline, e);
	if (n < 0)
		return -1;
	if (gluster_read_answer(answer, (size_t)n) != ENOENT)
		return 0;
	snprintf(waits_for, sizeof(waits_for), "server=%s:%d", a->text, a->port);
	err_wait(e, ERR_WAIT_SERVER, waits_for,
	         "the gluster server %s has no volume \"%s\" (gluster volume list shows what it has)",
	         a->text, volume);
	if (e)
		e->sys = ENOENT;
	return -1;
}

/* ---- which volumes do you have? ---- */

/* A dictionary: how many pairs, then of each the lengths of key and value, the key and its NUL, the value. */
static int read_pairs(const unsigned char *at, const unsigned char *end, gluster_volume_fn *take, void *arg)
{
	uint32_t pairs;
	int found = 0;

	if (end - at < 4)
		return -1;
	pairs = word32(at);
	for (at += 4; pairs; pairs--) {
		size_t left = (size_t)(end - at), key, value;

		if (left < 8)
			return -1;
		key = word32(at);
		value = word32(at + 4);
		left -= 8;
		if (key >= left || value > left - key - 1 || at[8 + key])
			return -1;
		at += 8;
		if (key > strlen("volume") && memcmp(at, "volume", strlen("volume")) == 0 && value > 1 &&
		    memchr(at + key + 1, '\0', value) == at + key + value) {
			take(arg, (const char *)at + key + 1);
			found++;
		}
		at += key + 1 + value;
	}
	return found;
}

int gluster_read_list(const unsigned char *data, size_t len, gluster_volume_fn *take, void *arg)
{
	size_t at = 4 * WORD_TEXT, text;

	/* an errno, a text for people, padded, then the dictionary with its length before it */
	if (gluster_read_answer(data, len) != 0 || len - at < 8)
		return -1;
	text = word32(data + at);
	at += 4;
	if (text > len - at - 4)
		return -1;
	at += (text + 3) & ~(size_t)3;
	if (at + 4 > len)
		return -1;
	if (word32(data + at) == 0) /* none */
		return 0;
	return read_pairs(data + at + 4, data + len, take, arg);
}

int gluster_list(const struct address *a, uint64_t deadline, gluster_volume_fn *take, void *arg,
                 struct err *e)
{
	demand(a && take, e);

	static unsigned char answer[ANSWER_MAX];
	cleanup_buf struct buf body = BUF_INIT, call = BUF_INIT;
	ssize_t n;
	int found;

	add_word32(&body, 4); /* an empty dictionary, of so many bytes */
	add_word32(&body, 0);
	call_print(CLI_PROGRAM, CLI_LIST_VOLUME, &body, &call);
	n = call_daemon(a, &call, answer, sizeof(answer), deadline, e);
	if (n < 0)
		return -1;
	found = gluster_read_list(answer, (size_t)n, take, arg);
	if (found < 0)
		return err_set(e, ERR_STORAGE, "the gluster server %s does not tell its volumes: %s", a->text,
		               gluster_read_answer(answer, (size_t)n)
		                       ? strerror(gluster_read_answer(answer, (size_t)n))
		                       : "its answer makes no sense");
	return found;
}
