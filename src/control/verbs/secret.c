/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that concern secrets. What is asked goes to a worker as it came; of an answer's value this
 * process sees only the descriptor.
 */
#include "control/verbs/verbs.h"

#include <sys/stat.h>

#include "base/line.h"
#include "base/util.h"

/* The end of all that concern one secret; of one that was changed with what it is for, which who sent its
 * document need not read. */
static void secret_answer(struct call *c, const struct result *r, bool kept)
{
	if (r->err) {
		call_fail(c, r->err);
		return;
	}
	final_str(c, "secret", r->secret);
	if (kept) {
		final_str(c, "kept", r->kept);
		final_str(c, "usage", r->usage);
		final_str(c, "id", r->usage_id);
	}
	call_ok(c);
}

static void forgotten(struct waiter *w, const struct result *r)
{
	secret_answer(call_of(w), r, false);
}

static void changed(struct waiter *w, const struct result *r)
{
	secret_answer(call_of(w), r, true);
}

/* The document, as the worker has printed it. */
static void printed(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (!r->err && r->text)
		call_bytes(c, r->text, r->text_len);
	secret_answer(c, r, false);
}

/* The value goes from the worker's memfd into the socket: it is never in this process' memory. */
static void shown(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);
	struct stat st;

	if (!r->err && fstat(r->value, &st) == 0)
		call_file(c, r->value, (size_t)st.st_size);
	secret_answer(c, r, false);
}

/* The records come as lines; how many there are is counted here. */
static void listed(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);
	uint64_t n = 0;

	if (r->err) {
		call_fail(c, r->err);
		return;
	}
	for (size_t i = 0; i < r->text_len; i++)
		n += r->text[i] == '\n';
	call_records(c, r->text ? r->text : "", r->text_len);
	final_num(c, "secrets", n);
	call_ok(c);
}

/* All secret verbs are one question with different options. */
static void ask(struct call *c, enum secret_action action,
                void (*done)(struct waiter *, const struct result *))
{
	struct secret_order o = {
		.action = action,
		.which = call_arg(c, "secret"),
		.validate = call_flag(c, "validate"),
		.plain = call_flag(c, "plain"),
		.ephemeral = call_flag(c, "ephemeral"),
		.no_ephemeral = call_flag(c, "no-ephemeral"),
		.private = call_flag(c, "private"),
		.no_private = call_flag(c, "no-private"),
		.trusted = call_is_trusted(c),
	};
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	if (action == SECRET_ACT_DEFINE || action == SECRET_ACT_SET) {
		o.data = call_payload(c, &o.len);
		if (!o.data)
			o.data = "";
	}
	w->done = done;
	if (secret_request(call_supervisor(c), &o, w, &e) < 0)
		call_fail(c, &e);
}

void verb_secret_define(struct call *c)
{
	ask(c, SECRET_ACT_DEFINE, changed);
}

void verb_secret_set_value(struct call *c)
{
	ask(c, SECRET_ACT_SET, changed);
}

void verb_secret_get_value(struct call *c)
{
	ask(c, SECRET_ACT_GET, shown);
}

void verb_secret_list(struct call *c)
{
	ask(c, SECRET_ACT_LIST, listed);
}

void verb_secret_dumpxml(struct call *c)
{
	ask(c, SECRET_ACT_PRINT, printed);
}

void verb_secret_undefine(struct call *c)
{
	ask(c, SECRET_ACT_FORGET, forgotten);
}
