/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One call of ONC RPC (RFC 5531) by TCP: a connection, a record, an answer. It is how a server is asked what
 * it has, and whether it is there at all before the kernel, or a client program, is told to mount from it.
 *
 * Whoever is at the other end may say anything, at any length, as slowly as it likes: what it sends is
 * bounded by RPC_ANSWER_LIMIT and the time by the caller's deadline, and every number of it is looked at
 * before it is used.
 */
#include "backends/rpc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"

/* RFC 5531 sections 8.2, 9 and 11. */
enum {
	RPC_VERSION = 2,
	MESSAGE_CALL = 0,
	MESSAGE_REPLY = 1,
	REPLY_ACCEPTED = 0,
	AUTH_SYS = 1,
	AUTH_SYS_BYTES = 20,
	VERIFIER_MOST = 400,
	MARK_BYTES = 4,
	CALL_WORDS = 15, /* of a record, before the arguments */
};
#define LAST_FRAGMENT 0x80000000u

/* ---- the call ---- */

/* One record of one fragment. We are root of no machine in particular (AUTH_SYS): some servers answer nobody
 * without any name. */
static void call_put(struct buf *out, const struct rpc_call *c, uint32_t number)
{
	const size_t arguments = c->arguments ? c->arguments->len : 0;
	const uint32_t words[CALL_WORDS] = { number,     MESSAGE_CALL,   RPC_VERSION,
		                             c->program, c->version,     c->procedure,
		                             AUTH_SYS,   AUTH_SYS_BYTES, 0 /* stamp */ };

	xdr_put(out, LAST_FRAGMENT | (uint32_t)(sizeof(words) + arguments));
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		xdr_put(out, words[i]);
	if (arguments)
		buf_add(out, c->arguments->data, arguments);
}

/* Wait until the socket can do that. */
static int wait_socket(int fd, short what, uint64_t deadline, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = what };
	int n;

	while ((n = poll(&p, 1, clock_until(deadline))) < 0 && errno == EINTR)
		;
	if (n > 0)
		return 0;
	if (n < 0)
		return err_sys(e, errno, "cannot wait for its answer");
	err_set(e, ERR_WAIT_SERVER, "it takes connections, but does not answer");
	if (e)
		e->sys = ETIMEDOUT;
	return -1;
}

static int send_call(int fd, const struct buf *b, uint64_t deadline, struct err *e)
{
	for (size_t done = 0; done < b->len;) {
		ssize_t n = send(fd, b->data + done, b->len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, errno, "it ends the connection");
		else if (wait_socket(fd, POLLOUT, deadline, e) < 0)
			return -1;
	}
	return 0;
}

/* Receive exactly so many bytes. They may come one by one: the deadline is that of all. */
static int receive_all(int fd, unsigned char *out, size_t len, uint64_t deadline, struct err *e)
{
	for (size_t done = 0; done < len;) {
		ssize_t n;

		if (wait_socket(fd, POLLIN, deadline, e) < 0)
			return -1;
		n = recv(fd, out + done, len - done, 0);
		if (n == 0)
			return err_set(e, ERR_STORAGE, "it ends the connection before its answer is whole");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, errno, "it ends the connection");
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

/* The fragments of a record, one after the other. What is no RPC at all mostly shows here: its first bytes
 * are a length that cannot be meant. */
static int receive_record(int fd, uint64_t deadline, struct buf *out, struct err *e)
{
	unsigned char bytes[4096];
	bool last = false;

	while (!last) {
		struct xdr mark = { bytes, MARK_BYTES, false };
		uint32_t number;

		if (receive_all(fd, bytes, MARK_BYTES, deadline, e) < 0)
			return -1;
		number = xdr_number(&mark);
		last = number & LAST_FRAGMENT;
		number &= ~LAST_FRAGMENT;
		if (number == 0 && !last)
			return err_set(e, ERR_STORAGE, "what it answers is not ONC RPC: a fragment is empty");
		if (number > RPC_ANSWER_LIMIT - out->len)
			return err_set(e, ERR_TOO_LONG,
			               "what it answers is not ONC RPC, or longer than %d bytes",
			               RPC_ANSWER_LIMIT);
		while (number > 0) {
			size_t n = (size_t)least(number, sizeof(bytes));

			if (receive_all(fd, bytes, n, deadline, e) < 0)
				return -1;
			buf_add(out, bytes, n);
			number -= (uint32_t)n;
		}
	}
	return out->failed ? err_set(e, ERR_NO_MEMORY, "out of memory for its answer") : 0;
}

/* ---- the answer ---- */

/* accept_stat from 1 (RFC 5531 section 9). */
static const char *const refusals[] = { "it has no such program", "it does not speak this version",
	                                "it has no such procedure", "it does not understand the call",
	                                "it cannot do it now" };

int rpc_answer_read(struct xdr *x, uint32_t number, struct err *e)
{
	uint32_t id = xdr_number(x), kind = xdr_number(x), status = xdr_number(x);
	size_t len;

	if (x->broken || id != number || kind != MESSAGE_REPLY || status > 1)
		return err_set(e, ERR_STORAGE, "what it answers is not an answer of ONC RPC to this call");
	if (status != REPLY_ACCEPTED) {
		bool versions = xdr_number(x) == 0;

		if (x->broken)
			return err_set(e, ERR_STORAGE, "its answer breaks off");
		return versions ? err_set(e, ERR_UNSUPPORTED, "it speaks another version of ONC RPC")
		                : err_set(e, ERR_AUTH, "it refuses the call: it does not take who we are");
	}
	xdr_number(x); /* the verifier, of a kind that we have not asked for */
	xdr_bytes(x, VERIFIER_MOST, &len);
	status = xdr_number(x);
	if (x->broken || status > ARRAY_LEN(refusals))
		return err_set(e, ERR_STORAGE, "its answer breaks off, or is not one of ONC RPC");
	return status ? err_set(e, ERR_UNSUPPORTED, "%s", refusals[status - 1]) : 0;
}

int rpc_call(const struct address *server, const struct rpc_call *c, uint64_t deadline, struct buf *answer,
             struct xdr *results, struct err *e)
{
	demand(server && c && answer && results, e);

	cleanup_close int fd = net_connect(server, deadline, e);
	cleanup_buf struct buf call = BUF_INIT;
	uint32_t number = (uint32_t)clock_us();
	int rc = 0;

	if (fd < 0)
		return -1;
	call_put(&call, c, number);
	if (call.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot call %s: out of memory", server->text);
	if (send_call(fd, &call, deadline, e) < 0 || receive_record(fd, deadline, answer, e) < 0)
		rc = -1;
	*results = (struct xdr){ (const unsigned char *)buf_str(answer), answer->len, false };
	if (rc == 0)
		rc = rpc_answer_read(results, number, e);
	if (rc < 0)
		err_wrap(e, ERR_KEEP, "%s, port %d", server->text, server->port);
	if (rc < 0 && e && e->class == ERR_WAIT_SERVER)
		snprintf(e->waits_for, sizeof(e->waits_for), "server=%s:%d", server->text, server->port);
	return rc;
}
