/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that concern volumes: all of them answer from the pool's index, none touches the storage.
 */
#include "control/verbs.h"

#include "base/line.h"
#include "base/util.h"

void verb_vol_list(struct call *c)
{
	const struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (!p)
		return;
	if (!pool_is_active(p)) {
		err_set(&e, ERR_STATE, "pool \"%s\" is not active: its volumes are not known", p->name);
		call_fail(c, &e);
		return;
	}
	call_index(c, p);
	line_str(call_ok_args(c), "pool", p->name);
	line_num(call_ok_args(c), "volumes", p->nvolumes);
	call_ok(c);
}

/* The record of the volume that the arguments name; NULL: the call has failed already. */
static const char *find_volume(struct call *c, struct pool **pool, size_t *len)
{
	struct pool *in = NULL;
	struct err e = { 0 };

	if (call_arg(c, "pool")) {
		in = call_pool(c);
		if (!in)
			return NULL;
	}
	const char *record = volume_lookup(call_supervisor(c), in, call_arg(c, "vol"), pool, len, &e);
	if (!record)
		call_fail(c, &e);
	return record;
}

void verb_vol_info(struct call *c)
{
	struct pool *p;
	size_t len;
	const char *record = find_volume(c, &p, &len);

	if (!record)
		return;
	buf_add(call_records(c), record, len);
	line_str(call_ok_args(c), "pool", p->name);
	call_ok(c);
}

void verb_vol_path(struct call *c)
{
	char text[LINE_MAX_BYTES + 1];
	struct line l = { 0 };
	struct err e = { 0 };
	struct pool *p;
	size_t len;
	const char *record = find_volume(c, &p, &len);

	if (!record)
		return;
	if (len > 0 && len <= LINE_MAX_BYTES) {         /* with its LF */
		memcpy(text, record, len - 1);
		text[len - 1] = '\0';
	}
	if (len == 0 || len > LINE_MAX_BYTES || line_parse_reply(text, len - 1, &l, &e) < 0 || !line_get(&l, "path")) {
		err_set(&e, ERR_INTERNAL, "the index of pool \"%s\" has no path for volume \"%s\"", p->name, call_arg(c, "vol"));
		call_fail(c, &e);
		return;
	}
	line_begin(call_records(c), "-");
	line_str(call_records(c), "path", line_get(&l, "path"));
	line_end(call_records(c));
	line_str(call_ok_args(c), "pool", p->name);
	call_ok(c);
}

void verb_vol_dumpxml(struct call *c)
{
	struct err e = { 0 };
	struct pool *p;
	size_t len;
	const char *record = find_volume(c, &p, &len);

	if (!record)
		return;
	struct waiter *w = call_waiter(c);
	w->done = pool_text_done;
	if (volume_dumpxml(p, record, len, w, &e) < 0)
		call_fail(c, &e);
}
