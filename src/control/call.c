/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a verb's function may ask of its call (verb.h), and the checks that every request passes before it.
 */
#include "control/call.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/peer.h"
#include "pool/size.h"

/* ---- from a request to a checked call ---- */

/* Its stream may go on: a turn of its client's. */
static void on_stream(struct watch *w, uint32_t events)
{
	struct peer *p = w->owner;

	(void)events;
	loop_unwatch(p->server->loop, w);
	p->watch.on_event(&p->watch, 0);
}

struct call *call_new(struct peer *p, const char *text, size_t len)
{
	demand_or(text || len == 0, NULL);

	struct call *c = calloc(1, sizeof(*c) + len + 1);

	if (!c)
		return NULL;
	c->peer = p;
	c->stream.fd = -1;
	c->stream.watch = (struct watch){ .fd = -1, .on_event = on_stream, .owner = p };
	c->waiter.owner = c;
	c->text_len = len;
	memcpy(c->text, text, len);
	return c;
}

void call_free(struct call *c)
{
	waiter_withdraw(&c->waiter);
	loop_disarm(c->peer->server->loop, &c->waiter.timer);
	loop_disarm(c->peer->server->loop, &c->deadline);
	if (c->job && c->stage != CALL_FINISHED) /* nobody is there any more to send, or to receive */
		volume_cancel(call_supervisor(c), c->job, NULL, NULL);
	call_end_stream(c);
	sending_end(&c->files);
	buf_forget(&c->records);
	buf_free(&c->finals);
	free(c->own);
	if (c->payload)
		explicit_bzero(c->payload, c->payload_len); /* it may be a secret */
	free(c->payload);
	explicit_bzero(c->text, c->text_len); /* who typed it there should not have */
	if (c->stage == CALL_PAYLOAD && c->payload_got)
		secret_was_here(call_supervisor(c)); /* a part of one, it may be */
	free(c);
}

/* Files are poolctl's affair: what is in them comes as the payload, or as a descriptor. */
static bool is_file(const struct verb_arg *a)
{
	return a->kind == ARG_FILE || a->kind == ARG_DATA;
}

/* With what the verb does take: a slip of the pen is seen at once. */
static int unknown_arg(const struct verb *v, const char *what, const char *word, struct err *e)
{
	struct buf names = BUF_INIT;

	for (size_t i = 0; v->args[i].name; i++)
		if (!is_file(&v->args[i]))
			buf_printf(&names, "%s%s", names.len ? ", " : "", v->args[i].name);
	err_set(e, ERR_UNKNOWN_KEY, "%s has no %s \"%.80s\" (it takes: %s)", v->name, what, word,
	        names.len ? buf_str(&names) : "nothing");
	buf_free(&names);
	return -1;
}

/* 19 digits are less than 2^64. */
static bool is_decimal(const char *s)
{
	return s[0] && strlen(s) <= 19 && s[strspn(s, "0123456789")] == '\0';
}

/* What was given for one argument, as that argument's kind wants it. A flag may be written --build, build=yes
 * or build=no. */
static int take_value(struct call *c, size_t i, const char *value, struct err *e)
{
	const struct verb_arg *a = &c->verb->args[i];
	uint64_t ms, bytes;

	if (c->values[i])
		return err_set(e, ERR_INVALID, "%s: \"%s\" is given twice", c->verb->name, a->name);
	if (a->kind == ARG_FLAG && (!value || !value[0]))
		value = "yes";
	if (!value || !value[0])
		return err_set(e, ERR_MISSING, "%s: \"%s\" needs a value", c->verb->name, a->name);
	if (a->kind == ARG_FLAG && !streq(value, "yes") && !streq(value, "no"))
		return err_set(e, ERR_INVALID, "%s: \"%s\" is yes or no, not \"%.80s\"", c->verb->name,
		               a->name, value);
	if (a->kind == ARG_NUMBER && !is_decimal(value))
		return err_set(e, ERR_INVALID, "%s: \"%s\" is a number, not \"%.80s\"", c->verb->name,
		               a->name, value);
	if (a->kind == ARG_DURATION && clock_parse(value, &ms, e) < 0)
		return err_wrap(e, ERR_KEEP, "%s: %s", c->verb->name, a->name);
	if (a->kind == ARG_SIZE && size_parse_word(value, &bytes, e) < 0)
		return err_wrap(e, ERR_KEEP, "%s: %s", c->verb->name, a->name);
	c->values[i] = value;
	return 0;
}

/* The place of the next bare word: the first positional argument that has no value yet. */
static size_t next_positional(const struct call *c)
{
	size_t i = 0;

	while (c->verb->args[i].name &&
	       (!c->verb->args[i].positional || is_file(&c->verb->args[i]) || c->values[i]))
		i++;
	return i;
}

int call_name(struct call *c, const char *verb, struct err *e)
{
	demand(verb && !c->verb, e);
	c->verb = verb_among(call_verbs(c), verb);
	if (!c->verb || c->verb->local)
		return err_set(e, ERR_UNKNOWN_VERB,
		               c->verb ? "%.80s is done by poolctl with the help of other verbs"
		                       : "unknown verb \"%.80s\" (help lists them)",
		               verb);
	return 0;
}

int call_give(struct call *c, const char *key, const char *value, struct err *e)
{
	demand(c->verb && (key || value), e);

	const struct verb_arg *args = c->verb->args;
	size_t i = key ? verb_arg_index(c->verb, key) : next_positional(c);

	if (key && (!args[i].name || is_file(&args[i])))
		return unknown_arg(c->verb, "argument", key, e);
	if (!args[i].name)
		return unknown_arg(c->verb, "place for the word", value, e);
	return take_value(c, i, value, e);
}

/* A file is never missing here: poolctl has made it the payload, which is checked as that. */
static int check_required(const struct call *c, struct err *e)
{
	const struct verb_arg *args = c->verb->args;

	for (size_t i = 0; args[i].name; i++)
		if (args[i].required && !c->values[i] && !is_file(&args[i]))
			return err_set(e, ERR_MISSING, "%s needs %s=: %s", c->verb->name, args[i].name,
			               args[i].help);
	return 0;
}

/* How one comes to a level; access.c decides by it. */
static const char *who_has(enum verb_level level)
{
	return level == LEVEL_OPERATE ? " (root's, and the group poolinit's)" : " (root's)";
}

/* Of the verb, and of each argument that was given. */
static int check_level(const struct call *c, enum verb_level level, struct err *e)
{
	if (level < c->verb->level)
		return err_set(e, ERR_DENIED, "%s needs the level \"%s\"%s, this client has \"%s\"",
		               c->verb->name, verb_level_word(c->verb->level), who_has(c->verb->level),
		               verb_level_word(level));
	for (size_t i = 0; c->verb->args[i].name; i++)
		if (c->values[i] && level < c->verb->args[i].level)
			return err_set(e, ERR_DENIED,
			               "%s with %s= needs the level \"%s\"%s, this client has \"%s\"",
			               c->verb->name, c->verb->args[i].name,
			               verb_level_word(c->verb->args[i].level),
			               who_has(c->verb->args[i].level), verb_level_word(level));
	return 0;
}

/* Its size is known before its bytes are taken in, so that what is too long costs no memory. */
static int check_payload(struct call *c, struct err *e)
{
	if (!c->has_payload)
		return c->verb->payload_required ? err_set(e, ERR_MISSING, "%s needs a payload: %s",
		                                           c->verb->name, call_payload_hint(c))
		                                 : 0;
	if (c->verb->data) { /* it goes on to the worker as it comes */
		c->stream.left = c->announced;
		return 0;
	}
	if (!c->verb->payload_max)
		return err_set(e, ERR_INVALID, "%s takes no payload", c->verb->name);
	if (c->announced > c->verb->payload_max)
		return err_set(e, ERR_TOO_LONG, "%s takes a payload of at most %u bytes, not %llu",
		               c->verb->name, c->verb->payload_max, (unsigned long long)c->announced);
	c->payload_len = (size_t)c->announced;
	c->payload = calloc(1, c->payload_len + 1);
	return c->payload ? 0
	                  : err_set(e, ERR_NO_MEMORY, "no memory for a payload of %zu bytes", c->payload_len);
}

int call_check(struct call *c, struct err *e)
{
	demand(c->verb, e);
	if (check_required(c, e) < 0 || check_level(c, c->peer->level, e) < 0 || check_payload(c, e) < 0)
		return -1;
	c->stage = c->payload ? CALL_PAYLOAD : CALL_RUNNING;
	return 0;
}

/* ---- its limit ---- */

#define GRACE 250 /* ms: an operation has the same deadline, and says more exactly what was late */

/* A job whose bytes go over this connection does not go on without it. */
static void on_limit(struct timer *t)
{
	struct call *c = t->owner;
	struct err e = { 0 };

	waiter_withdraw(&c->waiter);
	err_set(&e, ERR_TIMEOUT,
	        "%s was not done within %llu s; what was begun %s (pool-info, job-list and status show it)",
	        c->verb->name, (unsigned long long)(c->limit / 1000), c->job ? "is ended" : "goes on");
	if (c->job)
		volume_cancel(call_supervisor(c), c->job, NULL, NULL);
	call_fail(c, &e);
}

/* A job may take that much longer to say that it was late. */
static uint64_t grace(const struct call *c)
{
	return GRACE + (verb_arg(c->verb, "detach") ? JOB_END : 0);
}

uint64_t call_time_left(struct call *c)
{
	uint64_t asked = call_duration(c, "timeout", 0), end = c->deadline.deadline - grace(c),
		 now = clock_ms();

	if (!asked || !c->deadline.armed)
		return asked;
	return end > now ? end - now : 1;
}

/* What the verb's table says, and more where operations were given more; timeout= goes before both. */
static uint64_t limit_of(struct call *c)
{
	const struct supervisor_options *o = supervisor_options(c->peer->server->sup);
	uint64_t asked = call_duration(c, "timeout", 0);

	return asked ? asked : c->verb->limit + o->start_deadline + o->stop_deadline + o->refresh_deadline;
}

/* Whoever waits is answered, whatever becomes of workers. The time counts from the first run: a call that
 * begins anew has no more of it. */
static void limit_call(struct call *c)
{
	if (!c->verb->limit || c->deadline.armed)
		return;
	c->limit = limit_of(c);
	c->deadline = (struct timer){ .on_expiry = on_limit, .owner = c };
	loop_arm(c->peer->server->loop, &c->deadline, clock_ms() + c->limit + grace(c));
}

void call_run(struct call *c)
{
	require_or(c->verb && c->stage != CALL_FINISHED, );
	c->stage = CALL_RUNNING;
	c->verb->run(c);
	if (c->stage == CALL_PARKED)
		limit_call(c);
	if (c->stage == CALL_RUNNING) {
		struct err e = { 0 };

		err_set(&e, ERR_INTERNAL, "%s gave no answer", c->verb->name);
		call_fail(c, &e);
	}
}

/* Finished or not, there may be something to do in the client's turn: an answer to send, or the bytes of a
 * stream that has just been opened. */
void call_again(struct call *c)
{
	call_run(c);
	c->peer->busy = true;
	peer_wake(c->peer);
}

/* ---- what verbs ask ---- */

struct supervisor *call_supervisor(struct call *c)
{
	return c->peer->server->sup;
}

const char *call_verb(struct call *c)
{
	return c->verb->name;
}

const struct verb_arg *call_args(const struct call *c)
{
	return c->verb->args;
}

const struct verb *call_verbs(const struct call *c)
{
	return c->peer->server->options.verbs;
}

const char *call_arg(struct call *c, const char *name)
{
	size_t i = verb_arg_index(c->verb, name);

	return c->verb->args[i].name ? c->values[i] : NULL;
}

enum verb_level call_level(const struct call *c)
{
	return c->peer->level;
}

bool call_is_trusted(const struct call *c)
{
	return c->peer->trusted;
}

bool call_flag(struct call *c, const char *name)
{
	const char *value = call_arg(c, name);

	return value && streq(value, "yes");
}

uint64_t call_duration(struct call *c, const char *name, uint64_t otherwise)
{
	const char *value = call_arg(c, name);
	uint64_t ms;

	return value && clock_parse(value, &ms, NULL) == 0 ? ms : otherwise;
}

uint64_t call_size(struct call *c, const char *name, uint64_t otherwise)
{
	const char *value = call_arg(c, name);
	uint64_t bytes;

	return value && size_parse_word(value, &bytes, NULL) == 0 ? bytes : otherwise;
}

const char *call_payload_hint(const struct call *c)
{
	return peer_codec(c->peer)->payload_hint;
}

const char *call_payload(struct call *c, size_t *len)
{
	demand_or(len, NULL);
	*len = c->payload_len;
	return c->payload;
}

struct waiter *call_waiter(struct call *c)
{
	if (c->stage == CALL_RUNNING)
		c->stage = CALL_PARKED;
	return &c->waiter;
}

void call_subscribe(struct call *c, uint64_t since, bool replay)
{
	c->subscribe = true;
	c->since = since;
	c->replay = replay;
}

void call_unsubscribe(struct call *c)
{
	c->peer->subscribed = false;
}

void call_quit(struct call *c)
{
	c->quit = true;
}

int call_shutdown(struct call *c, const char *how, struct err *e)
{
	demand(how, e);

	const struct server_options *o = &c->peer->server->options;

	if (!o->on_shutdown)
		return err_set(e, ERR_UNSUPPORTED, "this poolinit cannot be shut down over the socket");
	return o->on_shutdown(o->arg, how, e);
}

const char *call_state(struct call *c)
{
	const struct server_options *o = &c->peer->server->options;

	return o->state ? o->state(o->arg) : "ready";
}

unsigned call_clients(struct call *c)
{
	return c->peer->server->npeers;
}

/* ---- descriptors and streams ---- */

bool call_passes(struct call *c, struct volume_order *o)
{
	demand_or(o, false);

	const struct peer *p = c->peer;

	if (!c->passed)
		return false;
	o->stream = p->fd;
	o->passed = c->passed;
	o->uid = p->uid;
	o->gid = p->gid;
	return true;
}

void call_taken(struct call *c)
{
	c->taken = true;
}

bool call_streams(struct call *c, uint64_t *len)
{
	*len = c->announced;
	return c->has_payload;
}

int call_stream(struct call *c, bool in, struct err *e)
{
	demand(c->stream.fd < 0, e);

	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	c->stream.fd = ends[in];
	c->stream.in = in;
	if (fcntl(c->stream.fd, F_SETFL, O_NONBLOCK | (in ? O_WRONLY : O_RDONLY)) < 0) {
		close(ends[!in]);
		return err_sys(e, errno, "cannot use a pipe");
	}
	return ends[!in];
}

unsigned call_transfer_flags(const struct call *c)
{
	return (c->stream.framed ? VOL_FRAMED : 0U) | (c->stream.messages ? VOL_UP_TO_END : 0U);
}

void call_stream_job(struct call *c, uint64_t job)
{
	c->job = job;
}

void call_end_stream(struct call *c)
{
	loop_unwatch(c->peer->server->loop, &c->stream.watch);
	if (c->stream.fd >= 0)
		close(c->stream.fd);
	c->stream.fd = -1;
}

/* ---- wait boot ---- */

static void boot_done(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (r->err) {
		call_fail(c, r->err);
		return;
	}
	final_str(c, "state", call_state(c));
	call_ok(c);
}

void call_wait_boot(struct call *c, uint64_t deadline)
{
	const struct server_options *o = &c->peer->server->options;
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	w->done = boot_done;
	if (!o->on_wait_boot)
		err_set(&e, ERR_UNSUPPORTED, "this poolinit does not boot anything");
	if (!o->on_wait_boot || o->on_wait_boot(o->arg, deadline, w, &e) < 0)
		call_fail(c, &e);
}

static void may_leave(struct waiter *w, const struct result *r)
{
	if (r->err)
		call_fail(call_of(w), r->err);
	else
		call_ok(call_of(w));
}

void call_follow(struct call *c, const char *root)
{
	const struct server_options *o = &c->peer->server->options;
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	w->done = may_leave;
	if (!o->on_follow)
		err_set(&e, ERR_UNSUPPORTED, "this poolinit is not in an initramfs of somebody else's");
	if (!o->on_follow || o->on_follow(o->arg, root, w, &e) < 0)
		call_fail(c, &e);
}
