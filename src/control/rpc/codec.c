/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's protocol as a codec: packets in, calls of verbs, packets out. What a packet means is in the table
 * of procedures; here is what all of them have in common.
 *
 * The bytes are anybody's. A length is believed only as far as there is room for what it announces: calls
 * have a limit each, and what is longer is passed over and refused; data of a stream is never kept at all.
 */
#include "control/codec.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "control/rpc/rpc.h"
#include "pool/voldef.h"

/* What a call's packet may have beside a document: it is read into the client's input. */
#define CALL_MOST CONTROL_IN_LIMIT
/* How long the lookup of a pool that is on its way may take: a guest that needs it starts then instead of
 * failing. Less than a client's patience for an answer to a ping, though that is answered meanwhile. */
#define COMING SECONDS(5)

static struct virt_session *session_of(struct peer *p)
{
	struct virt_session *s = p->own;
	int passes = 1; /* a client has that of the socket at which it came, from the beginning */

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (s)
		s->most = p->level;
	p->sealed = getsockopt(p->fd, SOL_SOCKET, SO_PASSRIGHTS, &passes, &(socklen_t){ sizeof(passes) }) ==
	                    0 &&
	            !passes;
	p->own = s;
	return s;
}

static void drop_packet(struct virt_session *s)
{
	if (s->packet)
		munmap(s->packet, s->packet_len + 1);
	s->packet = NULL;
}

static void virt_leave(struct peer *p)
{
	struct virt_session *s = p->own;

	if (!s)
		return;
	if (s->packet) /* half a secret, it may be */
		secret_was_here(p->server->sup);
	drop_packet(s);
	free(s->uri);
	free(s);
	p->own = NULL;
}

/* ---- refusing ---- */

static void refuse_packet(struct peer *p, const struct packet_header *h, enum packet_domain domain,
                          const struct packet_code *codes, const struct err *e)
{
	packet_error(&p->out, h, PACKET_REPLY, domain, codes, e);
	p->dead = p->dead || p->out.failed;
}

/* What a header alone tells. Clients know the first words of the first sentence. */
static int check_header(const struct peer *p, const struct packet_header *h, const struct virt_procedure *row,
                        struct err *e)
{
	const struct virt_session *s = p->own;

	if (h->program != PROGRAM_REMOTE || h->version != 1)
		return err_set(e, ERR_SYNTAX, "there is no program 0x%x of version %u here", h->program,
		               h->version);
	if (h->status != PACKET_OK)
		return err_set(e, ERR_SYNTAX, "a call with the status %u", h->status);
	if (!row)
		return err_set(e, ERR_SYNTAX, "unknown procedure: %d", (int)h->procedure);
	if (!row->early && !s->open)
		return err_set(e, ERR_INTERNAL, "this connection is not open");
	if (row->stream && calls_count(p, true) >= VIRT_STREAMS)
		return err_set(e, ERR_LIMIT, "a client can have %d streams at once", VIRT_STREAMS);
	return 0;
}

/* ---- calls ---- */

/* The pool has come, or it takes too long: the verb tells how it is. */
static void on_pool_came(struct waiter *w, const struct result *r)
{
	(void)r;
	call_again(call_of(w));
}

/* Run the verb when the pool has come up or failed, or after a moment. */
static void await_pool(struct virt_binding *b)
{
	unsigned settled = 1u << PHASE_ACTIVE | 1u << PHASE_DEGRADED | 1u << PHASE_FAILED | 1u << PHASE_HUNG;
	struct call *c = b->c;
	struct err e = { 0 };

	if (b->awaited->phase != PHASE_INACTIVE) /* or its first step is still to come */
		settled |= 1u << PHASE_INACTIVE;
	calls_add(b->p, c);

	struct waiter *w = call_waiter(c);

	w->done = on_pool_came;
	if (pool_wait(b->awaited, settled, clock_ms() + COMING, w, &e) < 0)
		call_fail(c, &e);
}

/* A procedure with a verb becomes a call. */
static void begin_call(struct virt_binding *b, const char *packet, const struct packet_header *h,
                       const struct virt_procedure *row)
{
	struct call *c = call_new(b->p, packet, h->length);
	struct virt_request *q = calloc(1, sizeof(*q));
	struct err e = { 0 };

	if (!c || !q) {
		free(q);
		if (c)
			call_free(c);
		b->p->dead = true;
		return;
	}
	*q = (struct virt_request){ .row = row, .head = *h };
	c->own = q;
	b->c = c;
	b->q = q;
	b->x = (struct xdr){ .at = (const unsigned char *)c->text + PACKET_HEAD,
		             .left = h->length - PACKET_HEAD };
	if (virt_bind(b, &e) < 0) {
		refuse_packet(b->p, h, virt_domain(row), NULL, &e);
		call_free(c);
	} else if (b->awaited) {
		await_pool(b);
	} else {
		peer_take(b->p, c, false);
	}
}

/* One that needs none is answered at once, if it takes no more than there is. */
static void answer_here(struct virt_binding *b, char *packet, const struct packet_header *h,
                        const struct virt_procedure *row)
{
	struct buf *out = &b->p->out;
	size_t before = out->len, start = packet_begin(out, h, PACKET_REPLY, PACKET_OK);
	struct err e = { 0 };

	b->x = (struct xdr){ .at = (const unsigned char *)packet + PACKET_HEAD,
		             .left = h->length - PACKET_HEAD };
	if (row->local(b, out, &e) < 0) {
		if (!out->failed)
			out->len = before;
		refuse_packet(b->p, h, DOMAIN_RPC, row->codes, &e);
		return;
	}
	packet_end(out, start, 0);
	b->p->dead = b->p->dead || out->failed;
}

/* A whole call. The packet is good until the input is read on. */
static void take_call(struct peer *p, char *packet, const struct packet_header *h)
{
	const struct virt_procedure *row = h->program == PROGRAM_REMOTE ? virt_procedure(h->procedure) : NULL;
	struct virt_binding b = { .p = p, .session = p->own };
	struct err e = { 0 };

	if (check_header(p, h, row, &e) < 0)
		refuse_packet(p, h, DOMAIN_RPC, NULL, &e);
	else if (row->local)
		answer_here(&b, packet, h, row);
	else
		begin_call(&b, packet, h, row);
}

/* May a call's packet be as long as that? A document has the limit of its verb, and is not taken in from a
 * client that may not ask for it. */
static int check_packet_length(const struct peer *p, const struct packet_header *h,
                               const struct virt_procedure *row, struct err *e)
{
	const struct verb *v = row && row->verb ? verb_among(p->server->options.verbs, row->verb) : NULL;
	size_t most = CALL_MOST + (v ? v->payload_max : 0);

	if (v && p->level < v->level)
		return err_set(e, ERR_DENIED, "%s is not for clients of the level \"%s\"", v->name,
		               verb_level_word(p->level));
	if (h->length > most)
		return err_set(e, ERR_TOO_LONG, "a call of %u bytes: it takes %zu at most", h->length, most);
	return 0;
}

/* One that has no room in the input is collected. */
static bool begin_packet(struct peer *p, const struct packet_header *h)
{
	const struct virt_procedure *row = h->program == PROGRAM_REMOTE ? virt_procedure(h->procedure) : NULL;
	struct virt_session *s = p->own;
	struct err e = { 0 };

	if (check_header(p, h, row, &e) < 0 || check_packet_length(p, h, row, &e) < 0) {
		refuse_packet(p, h, e.class == ERR_DENIED ? virt_domain(row) : DOMAIN_RPC, NULL, &e);
		buf_consume(&p->in, PACKET_HEAD);
		p->skip = h->length - PACKET_HEAD;
		return true;
	}
	s->packet = memory_unforked((size_t)h->length + 1);
	s->packet_len = h->length;
	s->packet_got = 0;
	p->dead = p->dead || !s->packet;
	return true;
}

/* More of it; when it is whole it is taken. */
static bool collect_packet(struct peer *p)
{
	struct virt_session *s = p->own;
	size_t n = s->packet_len - s->packet_got;
	struct packet_header h;

	if (n > p->in.len)
		n = p->in.len;
	if (n == 0)
		return false;
	memcpy(s->packet + s->packet_got, p->in.data, n);
	s->packet_got += n;
	buf_consume(&p->in, n);
	explicit_bzero(p->in.data + p->in.len, n);
	if (s->packet_got < s->packet_len)
		return true;
	packet_read(s->packet, &h);
	take_call(p, s->packet, &h);
	drop_packet(s);
	return true;
}

/* ---- everything that comes ---- */

/* A ping is answered at any time; nothing else of that program means anything. */
static void take_message(struct peer *p, const struct packet_header *h)
{
	struct packet_header pong = *h;

	pong.procedure = KEEPALIVE_PONG;
	pong.serial = 0;
	if (h->program == PROGRAM_KEEPALIVE && h->procedure == KEEPALIVE_PING)
		packet_empty(&p->out, &pong, PACKET_MESSAGE, PACKET_OK);
	p->dead = p->dead || p->out.failed;
	buf_consume(&p->in, PACKET_HEAD);
	p->skip = h->length - PACKET_HEAD;
}

/* A call that is all in the input, or for which there is room there. False: wait for more of it. */
static bool take_whole_call(struct peer *p, const struct packet_header *h)
{
	if (calls_count(p, false) >= VIRT_CALLS)
		return false;
	if (h->length > CALL_MOST)
		return begin_packet(p, h);
	if (p->in.len < h->length)
		return false;
	take_call(p, p->in.data, h);
	explicit_bzero(p->in.data, h->length);
	buf_consume(&p->in, h->length);
	return true;
}

/* A length that no packet has: what follows cannot be told apart. */
static bool is_nonsense(const char *packet)
{
	uint32_t length = packet_length(packet);

	return length < PACKET_HEAD || length > PACKET_MOST;
}

static bool virt_take(struct peer *p)
{
	struct virt_session *s = session_of(p);
	struct packet_header h;

	if (!s) {
		p->dead = true;
		return false;
	}
	if (s->packet)
		return collect_packet(p);
	if (p->borrowed) { /* descriptors, which no procedure takes */
		peer_hang_up(p);
		return true;
	}
	if (p->in.len >= PACKET_LENGTH && is_nonsense(p->in.data)) {
		peer_hang_up(p);
		return true;
	}
	if (p->in.len < PACKET_HEAD)
		return false;
	packet_read(p->in.data, &h);
	switch (h.type) {
	case PACKET_CALL_WITH_FDS:
		peer_hang_up(p);
		return true;
	case PACKET_CALL:
		return take_whole_call(p, &h);
	case PACKET_STREAM:
	case PACKET_HOLE:
		return streams_take(p, &h);
	default:
		take_message(p, &h);
		return true;
	}
}

/* ---- answers ---- */

/* There is no greeting: the client speaks first. */
static void virt_greet(struct buf *out, const char *boot_id, const char *state)
{
	(void)out;
	(void)boot_id;
	(void)state;
}

/* What answers no packet cannot be said: the connection just ends. */
static void virt_error(struct buf *out, const char *tag, const struct err *e)
{
	(void)out;
	(void)tag;
	(void)e;
}

/* Only for the whole of events that a client has missed, which this protocol has no word for. */
static void virt_event(struct buf *out, const struct event *ev)
{
	(void)out;
	(void)ev;
}

/* Nobody can be told how far a job is. */
static void virt_progress(const struct call *c, struct buf *out, uint64_t job, uint64_t done, uint64_t total)
{
	(void)c;
	(void)out;
	(void)job;
	(void)done;
	(void)total;
}

/* What comes of the call. False: e says why nothing does. */
static bool make_reply(struct virt_reply *r, struct err *e)
{
	size_t start = packet_begin(r->out, &r->q->head, PACKET_REPLY, PACKET_OK);
	bool made = !r->q->row->reply || r->q->row->reply(r, e) == 0;

	reader_end(&r->record);
	reader_end(&r->end);
	if (made)
		packet_end(r->out, start, r->more);
	else if (!r->out->failed)
		r->out->len = start;
	return made;
}

static void virt_answer(struct call *c, struct buf *out, struct buf *last)
{
	const struct virt_request *q = c->own;
	struct virt_reply r = { .c = c, .q = q, .out = out, .start = out->len };
	struct err e = { 0 };

	if (q->row->stream)
		streams_answer(c, out);
	else if (c->failed)
		packet_error(out, &q->head, PACKET_REPLY, virt_domain(q->row), q->row->codes, &c->err);
	else if (!make_reply(&r, &e))
		packet_error(out, &q->head, PACKET_REPLY, virt_domain(q->row), q->row->codes, &e);
	else if (r.more)
		xdr_pad(last, c->files.parts[0].len);
}

const struct codec virt_codec = {
	.calls = UINT32_MAX, /* take() counts */
	.payload_hint = "its packet has it",
	.greet = virt_greet,
	.take = virt_take,
	.event = virt_event,
	.tell = virt_tell,
	.error = virt_error,
	/* records are kept as lines until the reply is made of them */
	.begin = lines_begin,
	.str = line_str,
	.num = line_num,
	.flag = lines_flag,
	.end = line_end,
	.records = lines_records,
	.bytes = lines_records,
	.records_files = reply_take_index,
	.bytes_file = call_send_file,
	.stream = virt_stream_step,
	.chunk = virt_stream_chunk,
	.progress = virt_progress,
	.answer = virt_answer,
	.leave = virt_leave,
};
