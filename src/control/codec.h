/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A codec says requests, answers and events in bytes: a table of functions, of which a server has one for all
 * its clients. Verbs do not know it. A new protocol is another such table (HACKING, "A new codec").
 */
#ifndef POOLINIT_CONTROL_CODEC_H
#define POOLINIT_CONTROL_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "control/sending.h"

struct call;
struct event;
struct line;
struct peer;

/* All functions are there, but where NULL is said to mean something; none of them fails: what has no memory
 * shows in the buffer (buf.failed). */
struct codec {
	/* Requests under way at once on one connection. 1: they are answered in their order, and nothing
	 * comes between the parts of an answer. */
	unsigned calls;
	const char *payload_hint; /* how a request brings its payload along, as an error tells it */

	/* ---- the connection ---- */

	/* The first bytes of a connection. */
	void (*greet)(struct buf *out, const char *boot_id, const char *state);
	/* Take the next request out of p->in: peer_take(), peer_refuse(), peer_error() or peer_give_up().
	 * False: there is none, as a whole. */
	bool (*take)(struct peer *p);
	void (*event)(struct buf *out, const struct event *ev);
	/* For each client, where what it hears depends on what it has asked for: peer_event(). NULL: all hear
	 * the same. */
	void (*tell)(struct peer *p, const struct event *ev);
	/* tag NULL: it answers no request in particular */
	void (*error)(struct buf *out, const char *tag, const struct err *e);

	/* ---- an answer: b is the call's `records`, or its `finals` (str, num and flag only). The value of
	 * str is never NULL. ---- */
	void (*begin)(struct buf *b);
	void (*str)(struct buf *b, const char *key, const char *value);
	void (*num)(struct buf *b, const char *key, uint64_t value);
	void (*flag)(struct buf *b, const char *key, bool value);
	void (*end)(struct buf *b);
	/* lines "- key=value …": copied, or parsed and said anew */
	void (*records)(struct buf *b, const char *data, size_t len);
	void (*bytes)(struct buf *b, const char *data, size_t len);
	/* The same, in parts of two files that are the caller's, or the first len bytes of one; never nothing
	 * at all. call_send_parts() and call_send_file() send them as they are; else they are to be
	 * read. */
	void (*records_files)(struct call *c, const int fds[2], const struct file_part *parts, size_t n);
	void (*bytes_file)(struct call *c, int fd, size_t len);
	/* One step of a call's open stream: stream_plain(), or what the codec makes of it. */
	bool (*stream)(struct call *c);
	/* Before the end of an answer: bytes of a stream, and how far a job is. */
	void (*chunk)(const struct call *c, struct buf *out, const char *data, size_t len);
	void (*progress)(const struct call *c, struct buf *out, uint64_t job, uint64_t done, uint64_t total);
	/* What was filled in (unless c->failed), and the end. With a file to be sent, what follows the file
	 * goes to last; else last is out. */
	void (*answer)(struct call *c, struct buf *out, struct buf *last);
	/* The client goes: free what p->own has. NULL: nothing. */
	void (*leave)(struct peer *p);
};

/* An event's own fields, one after the other. */
void codec_event_fields(const struct codec *codec, struct buf *b, const struct event *ev);

extern const struct codec line_codec; /* lines.c: docs/PROTOCOL.md */
/* Its records, also for a codec that keeps them as lines until the answer is made of them. */
void lines_begin(struct buf *b);
void lines_flag(struct buf *b, const char *key, bool value);
void lines_records(struct buf *b, const char *data, size_t len);
extern const struct codec virt_codec; /* rpc/codec.c: libvirt's */
/* What the line, of c->text, says to a new call, which is named, filled and checked by it. */
int lines_bind(struct call *c, const struct line *l, struct err *e);

#endif
