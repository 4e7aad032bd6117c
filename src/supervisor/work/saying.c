/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a worker says to the supervisor, in the child: lines and payloads, at once or held back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/contract.h"
#include "base/line.h"
#include "base/util.h"
#include "supervisor/inside.h"

/* Blocking: the supervisor reads whenever it has a turn. */
static void send_all(int fd, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(fd, data + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the supervisor is gone: nobody to tell */
		done += (size_t)n;
	}
}

void worker_flush(struct worker_io *io)
{
	send_all(io->fd, io->held, io->nheld);
	io->nheld = 0;
}

void worker_hold(struct worker_io *io)
{
	io->holds = true;
}

void worker_send(struct worker_io *io, const struct buf *b)
{
	if (io->nheld + b->len > sizeof(io->held))
		worker_flush(io);
	if (!io->holds || b->len > sizeof(io->held)) {
		send_all(io->fd, b->data, b->len);
		return;
	}
	if (b->len)
		memcpy(io->held + io->nheld, b->data, b->len);
	io->nheld += b->len;
}

int worker_send_text(struct worker_io *io, const struct buf *text, struct err *e)
{
	demand(text, e);

	cleanup_buf struct buf b = BUF_INIT;

	if (text->len > WORKER_PAYLOAD_LIMIT)
		return err_set(e, ERR_TOO_LONG, "the answer has %zu bytes; at most %d are passed on",
		               text->len, WORKER_PAYLOAD_LIMIT);
	buf_printf(&b, "= %zu\n", text->len);
	buf_add(&b, buf_str(text), text->len);
	if (text->failed || b.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot print it: out of memory");
	worker_send(io, &b);
	return 0;
}

void worker_send_record(struct worker_io *io, struct buf *b)
{
	line_end(b);
	if (!b->failed)
		worker_send(io, b);
	buf_free(b);
}

void worker_send_note(struct worker_io *io, const char *text)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "note", text);
	worker_send_record(io, &b);
}

int worker_send_record_with(struct worker_io *io, struct buf *b, const struct buf *text)
{
	bool whole;

	line_end(b);
	buf_printf(b, "= %zu\n", text->len);
	buf_add(b, buf_str(text), text->len);
	whole = !b->failed && !text->failed;
	if (whole)
		worker_send(io, b);
	buf_free(b);
	return whole ? 0 : -1;
}
