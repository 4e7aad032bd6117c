/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a verb's function says (verb.h): typed fields in, the codec's bytes out.
 *
 * A verb says its answer in any order of fields, but one after the other: what is written of records cannot
 * be taken back, except by failing. Files come last, because they do not go through a buffer.
 */
#include <stdlib.h>

#include "base/contract.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/peer.h"

/* ---- records ---- */

void record_begin(struct call *c)
{
	demand_or(!sending_is_on(&c->files), ); /* it would come before the files */
	peer_codec(c->peer)->begin(&c->records);
}

void record_str(struct call *c, const char *key, const char *value)
{
	demand_or(key, );
	if (value)
		peer_codec(c->peer)->str(&c->records, key, value);
}

void record_num(struct call *c, const char *key, uint64_t value)
{
	peer_codec(c->peer)->num(&c->records, key, value);
}

void record_flag(struct call *c, const char *key, bool value)
{
	peer_codec(c->peer)->flag(&c->records, key, value);
}

void record_end(struct call *c)
{
	peer_codec(c->peer)->end(&c->records);
}

void call_records(struct call *c, const char *data, size_t len)
{
	demand_or((data || len == 0) && !sending_is_on(&c->files), );
	peer_codec(c->peer)->records(&c->records, data, len);
}

void call_index(struct call *c, const struct pool *p)
{
	demand_or(pool_has_index(p) && !sending_is_on(&c->files), );

	const int fds[] = { p->volumes.base.fd, p->volumes.over.fd };
	size_t most = 2 * p->volumes.index.over.n +
	              1; /* each change ends a run of the base, and may be one itself */
	cleanup_free struct file_part *parts = malloc(most * sizeof(*parts));
	struct volindex_walk walk = { 0 };
	struct volindex_run run;
	size_t n = 0;

	c->records.failed |= !parts;
	while (parts && n < most && volindex_run(&p->volumes.index, &walk, &run))
		parts[n++] = (struct file_part){ run.over, run.offset, run.len };
	if (n)
		peer_codec(c->peer)->records_files(c, fds, parts, n);
}

/* ---- bytes ---- */

void call_bytes(struct call *c, const char *data, size_t len)
{
	demand_or((data || len == 0) && !sending_is_on(&c->files), );
	peer_codec(c->peer)->bytes(&c->records, data, len);
}

void call_file(struct call *c, int fd, size_t len)
{
	demand_or(fd >= 0, );
	if (len)
		peer_codec(c->peer)->bytes_file(c, fd, len);
	else
		call_bytes(c, "", 0);
}

void call_send_parts(struct call *c, const int fds[2], const struct file_part *parts, size_t n)
{
	require_or(!sending_is_on(&c->files), ); /* the first ones would never be closed */
	/* no descriptor left, or no memory: this client is dropped, nothing else */
	if (!sending_begin(&c->files, fds, parts, n))
		c->records.failed = true;
}

void call_send_file(struct call *c, int fd, size_t len)
{
	call_send_parts(c, (const int[]){ fd, -1 }, &(struct file_part){ 0, 0, len }, 1);
}

void call_progress(struct waiter *w, uint64_t job, uint64_t done, uint64_t total)
{
	struct call *c = call_of(w);
	cleanup_buf struct buf b = BUF_INIT;

	peer_codec(c->peer)->progress(c, &b, job, done, total);
	peer_say(c->peer, &b);
}

void codec_event_fields(const struct codec *codec, struct buf *b, const struct event *ev)
{
	for (const struct event_field *f = ev->fields; f < ev->fields + ev->nfields; f++)
		switch (f->kind) {
		case EVENT_TEXT:
			codec->str(b, f->key, f->text);
			break;
		case EVENT_NUMBER:
			codec->num(b, f->key, f->number);
			break;
		case EVENT_FLAG:
			codec->flag(b, f->key, f->number);
			break;
		}
}

/* ---- the end ---- */

void final_str(struct call *c, const char *key, const char *value)
{
	if (value)
		peer_codec(c->peer)->str(&c->finals, key, value);
}

void final_num(struct call *c, const char *key, uint64_t value)
{
	peer_codec(c->peer)->num(&c->finals, key, value);
}

void final_flag(struct call *c, const char *key, bool value)
{
	peer_codec(c->peer)->flag(&c->finals, key, value);
}

/* The answer is complete. Of a call that was parked the client has to get a turn; one that is still in its
 * verb's function has it. */
static void finish(struct call *c)
{
	bool parked = c->stage == CALL_PARKED;

	loop_disarm(c->peer->server->loop, &c->deadline);
	c->stage = CALL_FINISHED;
	if (parked)
		peer_wake(c->peer);
}

void call_ok(struct call *c)
{
	require_or(c->stage == CALL_RUNNING || c->stage == CALL_PARKED, ); /* it is answered once */
	finish(c);
}

void call_fail(struct call *c, const struct err *e)
{
	require_or(e && (c->stage == CALL_RUNNING || c->stage == CALL_PARKED), );
	buf_free(&c->records);
	sending_end(&c->files);
	c->err = *e;
	c->failed = true;
	finish(c);
}
