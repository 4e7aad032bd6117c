/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The line protocol (docs/PROTOCOL.md). Its grammar is base/line.c's; here are only its places: which line
 * says what of a request or an answer.
 */
#include <string.h>

#include "base/contract.h"
#include "base/line.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/peer.h"

/* ---- the connection ---- */

/* "* poolinit 1 VERSION boot=ID state=WORD": the 1 is the protocol's version. */
static void lines_greet(struct buf *out, const char *boot_id, const char *state)
{
	buf_printf(out, "* poolinit 1 %s boot=%s state=%s\n", POOLINIT_VERSION, boot_id, state);
}

/* What the client calls its request, before the answer to it. */
static void tag(struct buf *out, const char *name)
{
	if (name)
		buf_printf(out, "@%s ", name);
}

static void lines_error(struct buf *out, const char *name, const struct err *e)
{
	tag(out, name);
	line_error(out, e);
}

/* One that has no number is this client's alone, and has no time. */
static void lines_event(struct buf *out, const struct event *ev)
{
	line_begin(out, "!");
	if (ev->seq) {
		line_num(out, "seq", ev->seq);
		line_num(out, "ts", ev->ts);
	}
	line_str(out, "event", ev->name);
	codec_event_fields(&line_codec, out, ev);
	line_end(out);
}

/* Might the line be the head of a payload? Then its bytes cannot be told from requests, when the line itself
 * is not understood. */
static bool announces_payload(const char *line, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (line[i] == '=' && line[i - 1] == ' ')
			return true;
	return false;
}

int lines_bind(struct call *c, const struct line *l, struct err *e)
{
	demand(l && l->head, e);
	c->tag = l->tag;
	c->has_payload = l->has_payload;
	c->announced = l->payload_len;
	if (call_name(c, l->head, e) < 0)
		return -1;
	for (size_t i = 0; i < l->nargs; i++)
		if (call_give(c, l->args[i].key, l->args[i].value, e) < 0)
			return -1;
	return call_check(c, e);
}

/* passes: the line came with a descriptor, or with others of which one has it. */
static void take_line(struct peer *p, const char *text, size_t len, bool passes)
{
	struct line l = { 0 };
	struct err e = { 0 };

	if (memchr(text, '\0', len)) {
		peer_give_up(p, ERR_SYNTAX, "a NUL byte in a line");
		return;
	}
	struct call *c = call_new(p, text, len);
	if (!c) {
		p->dead = true;
	} else if (line_parse(c->text, len, &l, &e) < 0) {
		peer_error(p, l.tag, &e);
		if (announces_payload(text, len))
			peer_hang_up(p);
		call_free(c);
	} else if (l.kind == LINE_EMPTY) {
		call_free(c);
	} else if (lines_bind(c, &l, &e) < 0) {
		peer_refuse(p, c, &e);
	} else {
		peer_take(p, c, passes);
	}
}

/* A line that is whole is cut out of the input, so that what follows it lies at the front; one that is longer
 * than a line may be ends the connection. */
static bool lines_take(struct peer *p)
{
	size_t most = p->in.len < LINE_MAX_BYTES ? p->in.len : LINE_MAX_BYTES;
	const char *lf = p->in.len ? memchr(p->in.data, '\n', most) : NULL;
	char line[LINE_MAX_BYTES];

	if (lf) {
		size_t len = (size_t)(lf - p->in.data);
		bool passes = p->borrowed && p->in.len <= p->borrowed;

		memcpy(line, p->in.data, len);
		buf_consume(&p->in, len + 1);
		take_line(p, line, len, passes);
	} else if (!p->borrowed && p->in.len >= LINE_MAX_BYTES) {
		peer_give_up(p, ERR_TOO_LONG, "a line of more than 4096 bytes");
	}
	return lf;
}

/* ---- answers ---- */

void lines_begin(struct buf *b)
{
	line_begin(b, "-");
}

void lines_flag(struct buf *b, const char *key, bool value)
{
	line_str(b, key, value ? "yes" : "no");
}

void lines_records(struct buf *b, const char *data, size_t len)
{
	buf_add(b, data, len);
}

/* Before len bytes. */
static void lines_head(struct buf *b, size_t len)
{
	buf_printf(b, "= %zu\n", len);
}

static void lines_bytes(struct buf *b, const char *data, size_t len)
{
	lines_head(b, len);
	buf_add(b, data, len);
}

static void lines_bytes_file(struct call *c, int fd, size_t len)
{
	lines_head(&c->records, len);
	call_send_file(c, fd, len);
}

/* A part of a stream: each has its own head, since nobody knows how much will come. */
static void lines_chunk(const struct call *c, struct buf *out, const char *data, size_t len)
{
	(void)c;
	lines_bytes(out, data, len);
}

static void lines_progress(const struct call *c, struct buf *out, uint64_t job, uint64_t done, uint64_t total)
{
	(void)c;
	line_begin(out, "-");
	line_num(out, "job", job);
	line_num(out, "progress", done);
	line_num(out, "total", total);
	line_end(out);
}

/* Records as they were filled in; behind them, or behind the file, the final line. */
static void lines_answer(struct call *c, struct buf *out, struct buf *last)
{
	buf_add(out, buf_str(&c->records), c->records.len);
	tag(last, c->tag);
	if (c->failed) {
		line_error(last, &c->err);
		return;
	}
	buf_adds(last, "OK");
	buf_add(last, buf_str(&c->finals), c->finals.len);
	line_end(last);
}

const struct codec line_codec = {
	.calls = 1,
	.payload_hint = "\"= N\" at the end of the line, and N bytes after it",
	.greet = lines_greet,
	.take = lines_take,
	.event = lines_event,
	.error = lines_error,
	.begin = lines_begin,
	.str = line_str,
	.num = line_num,
	.flag = lines_flag,
	.end = line_end,
	.records = lines_records,
	.bytes = lines_bytes,
	.records_files = call_send_parts,
	.bytes_file = lines_bytes_file,
	.stream = stream_plain,
	.chunk = lines_chunk,
	.progress = lines_progress,
	.answer = lines_answer,
};
