/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that concern pools. What only tells is answered at once, from what the supervisor knows; what
 * changes something is parked until its outcome is known, and the answer says what became of it.
 */
#include "control/verbs/verbs.h"

#include "backends/backend.h"
#include "base/clock.h"
#include "base/line.h"
#include "base/util.h"
#include "supervisor/work/worker.h"

struct pool *call_pool(struct call *c)
{
	struct err e = { 0 };
	struct pool *p = pool_lookup(call_supervisor(c), call_arg(c, "pool"), &e);

	if (!p)
		call_fail(c, &e);
	return p;
}

/* ---- pool-list, pool-info ---- */

/* The part of a pool's record that both have. */
static void pool_record(struct call *c, const struct pool *p)
{
	char uuid[UUID_TEXT];

	record_begin(c);
	record_str(c, "name", p->name);
	record_str(c, "uuid", uuid_print(&p->uuid, uuid));
	record_str(c, "type", pool_type_word(p->type));
	record_str(c, "phase", phase_word(p->phase));
	record_str(c, "want", p->want.active ? "active" : "inactive");
	record_flag(c, "autostart", p->def.autostart);
	record_flag(c, "persistent", p->def.persistent);
	if (pool_is_active(p)) {
		record_num(c, "capacity", p->volumes.sizes.capacity);
		record_num(c, "allocation", p->volumes.sizes.allocation);
		record_num(c, "available", p->volumes.sizes.available);
		record_num(c, "volumes", p->volumes.count);
	}
	record_str(c, "reason", p->reason.text);
	record_str(c, "waits", p->reason.waits_for);
	record_str(c, "warning", p->reason.warning);
	record_str(c, "fill", p->reason.fill);
}

/* For scripts that ask for names or uuids alone. */
static void short_record(struct call *c, const struct pool *p, bool uuid, bool name)
{
	char text[UUID_TEXT];

	record_begin(c);
	if (uuid)
		record_str(c, "uuid", uuid_print(&p->uuid, text));
	if (name)
		record_str(c, "name", p->name);
	record_end(c);
}

/* "dir,netfs" as bits of enum pool_type. */
static int parse_types(const char *list, unsigned *types, struct err *e)
{
	char word[32];

	*types = 0;
	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		size_t len = strcspn(at, ",");
		int type = -1;

		if (len < sizeof(word)) {
			memcpy(word, at, len);
			word[len] = '\0';
			type = pool_type_from_word(word);
		}
		if (type < 0)
			return err_set(e, ERR_INVALID, "pool-list: \"%.*s\" is not a pool type",
			               (int)(len < 80 ? len : 80), at);
		*types |= 1u << type;
	}
	return 0;
}

/* As virsh selects: within a pair of opposites, none or both of them means either. */
static bool either(struct call *c, const char *flag, const char *opposite, bool is)
{
	bool want = call_flag(c, flag), want_not = call_flag(c, opposite);

	return want == want_not || want == is;
}

/* Is it one of those that pool-list was asked for? */
static bool selected(struct call *c, const struct pool *p, unsigned types)
{
	bool active = pool_is_active(p);

	if (!call_flag(c, "all") && active == call_flag(c, "inactive"))
		return false;
	return (types & 1u << p->type) && either(c, "persistent", "transient", p->def.persistent) &&
	       either(c, "autostart", "no-autostart", p->def.autostart);
}

void verb_pool_list(struct call *c)
{
	bool uuid = call_flag(c, "uuid"), name = call_flag(c, "name");
	const char *list = call_arg(c, "type");
	unsigned types = ~0u;
	struct err e = { 0 };
	uint64_t n = 0;

	if (list && parse_types(list, &types, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	for (const struct pool *p = pool_first(call_supervisor(c)); p; p = p->next) {
		if (!selected(c, p, types))
			continue;
		n++;
		if (uuid || name) {
			short_record(c, p, uuid, name);
			continue;
		}
		pool_record(c, p);
		record_end(c);
	}
	final_num(c, "pools", n);
	call_ok(c);
}

void verb_pool_info(struct call *c)
{
	const struct pool *p = call_pool(c);
	uint64_t now = clock_ms();

	if (!p)
		return;
	pool_record(c, p);
	record_str(c, "target", p->def.target);
	record_str(c, "origin", p->def.origin);
	record_str(c, "kept", supervisor_kept(p->sup, p->def.kept_in_config));
	record_str(c, "detail", p->life.detail);
	if (p->tries.attempts)
		record_num(c, "attempts", p->tries.attempts);
	if (p->tries.retry.armed)
		record_num(c, "retry_ms", p->tries.retry.deadline > now ? p->tries.retry.deadline - now : 0);
	if (p->work.stuck)
		record_num(c, "stuck", p->work.stuck);
	if (pool_has_index(p))
		record_num(c, "refreshed_ms", now - p->volumes.refreshed);
	if (p->work.worker)
		record_str(c, "worker", p->work.worker->task.what);
	record_end(c);
	call_ok(c);
}

/* ---- those that park ---- */

/* Failed: the call is over. Else OK, which names the pool first. */
static bool went_well(struct call *c, const struct result *r)
{
	if (r->err) {
		call_fail(c, r->err);
		return false;
	}
	final_str(c, "pool", r->pool ? r->pool->name : call_arg(c, "pool"));
	return true;
}

void pool_done(struct waiter *w, const struct result *r)
{
	if (went_well(call_of(w), r))
		call_ok(call_of(w));
}

/* A document, and OK. */
static void pool_text_done(struct waiter *w, const struct result *r)
{
	if (!r->err && r->text)
		call_bytes(call_of(w), r->text, r->text_len);
	pool_done(w, r);
}

void pool_phase_done(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (!went_well(c, r))
		return;
	if (r->pool)
		final_str(c, "phase", phase_word(r->pool->phase));
	call_ok(c);
}

/* With how many volumes there are now. */
static void refresh_done(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (!went_well(c, r))
		return;
	if (r->pool)
		final_num(c, "volumes", r->pool->volumes.count);
	call_ok(c);
}

static void autostart_done(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (!went_well(c, r))
		return;
	final_flag(c, "autostart", !call_flag(c, "disable"));
	final_str(c, "kept", r->kept);
	call_ok(c);
}

/* With where it may come back from. */
static void undefined(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (!went_well(c, r))
		return;
	final_str(c, "kept", r->kept);
	call_ok(c);
}

/* The call waits from here on, and `done` ends it. */
static struct waiter *park(struct call *c, void (*done)(struct waiter *w, const struct result *r))
{
	struct waiter *w = call_waiter(c);

	w->done = done;
	return w;
}

void verb_pool_dumpxml(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (p && pool_dumpxml(p, call_flag(c, "inactive"), park(c, pool_text_done), &e) < 0)
		call_fail(c, &e);
}

/* START_BUILD and enum build_flags, as --build, --overwrite and --no-overwrite say. */
static int build_wanted(struct call *c, unsigned *build, struct err *e)
{
	bool overwrite = call_flag(c, "overwrite"), keep = call_flag(c, "no-overwrite");

	*build = overwrite || keep || call_flag(c, "build") ? START_BUILD : 0;
	if (overwrite && keep)
		return err_set(e, ERR_INVALID,
		               "\"overwrite\" and \"no-overwrite\" are opposites: only one can be meant");
	*build |= overwrite ? BUILD_OVERWRITE : 0;
	*build |= keep ? BUILD_NO_OVERWRITE : 0;
	if (*build && call_level(c) < LEVEL_ADMIN)
		*build |= BUILD_ABSENT;
	return 0;
}

void verb_pool_start(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	unsigned build;

	if (p && (build_wanted(c, &build, &e) < 0 ||
	          pool_start(p, call_duration(c, "timeout", 0), build, park(c, pool_done), &e) < 0))
		call_fail(c, &e);
}

void verb_pool_build(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };
	unsigned build;

	if (p &&
	    (build_wanted(c, &build, &e) < 0 ||
	     pool_build(p, call_duration(c, "timeout", 0), build & ~START_BUILD, park(c, pool_done), &e) < 0))
		call_fail(c, &e);
}

void verb_pool_delete(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (p && pool_delete(p, call_duration(c, "timeout", 0), park(c, pool_done), &e) < 0)
		call_fail(c, &e);
}

void verb_pool_destroy(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (p && pool_stop(p, call_duration(c, "timeout", 0), park(c, pool_done), &e) < 0)
		call_fail(c, &e);
}

void verb_pool_refresh(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (p && pool_refresh(p, call_duration(c, "timeout", 0), park(c, refresh_done), &e) < 0)
		call_fail(c, &e);
}

void verb_pool_undefine(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (p && pool_undefine(p, park(c, undefined), &e) < 0)
		call_fail(c, &e);
}

void verb_pool_autostart(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (p && pool_set_autostart(p, !call_flag(c, "disable"), park(c, autostart_done), &e) < 0)
		call_fail(c, &e);
}

/* ---- pool-define, pool-create ---- */

/* The document need not have a uuid: the answer says which was made up. */
static bool say_defined(struct call *c, const struct result *r)
{
	char uuid[UUID_TEXT];

	if (!went_well(c, r))
		return false;
	if (r->pool)
		final_str(c, "uuid", uuid_print(&r->pool->uuid, uuid));
	return true;
}

static void created(struct waiter *w, const struct result *r)
{
	if (say_defined(call_of(w), r))
		call_ok(call_of(w));
}

static void defined(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (!say_defined(c, r))
		return;
	final_str(c, "kept", r->kept);
	call_ok(c);
}

/* Answered when it is kept; pool-create: when it is up, and what could not be started is forgotten. */
void define_from(struct call *c, const char *xml, size_t len, enum define_mode mode)
{
	struct define_order o = {
		.xml = xml,
		.xml_len = len,
		.mode = mode,
		.validate = call_flag(c, "validate"),
		.timeout = call_duration(c, "timeout", 0),
	};
	struct err e = { 0 };

	if (build_wanted(c, &o.build, &e) < 0 ||
	    pool_define(call_supervisor(c), &o, park(c, mode == DEFINE_PERSISTENT ? defined : created), &e) <
	            0)
		call_fail(c, &e);
}

/* The payload is there: its verb's row requires one. */
static void define_payload(struct call *c, enum define_mode mode)
{
	size_t len;
	const char *xml = call_payload(c, &len);

	define_from(c, xml, len, mode);
}

void verb_pool_define(struct call *c)
{
	define_payload(c, DEFINE_PERSISTENT);
}

void verb_pool_create(struct call *c)
{
	define_payload(c, DEFINE_TRANSIENT);
}

/* ---- pool-name, pool-uuid, pool-capabilities ---- */

void verb_pool_name(struct call *c)
{
	const struct pool *p = call_pool(c);

	if (!p)
		return;
	record_begin(c);
	record_str(c, "name", p->name);
	record_end(c);
	call_ok(c);
}

void verb_pool_uuid(struct call *c)
{
	const struct pool *p = call_pool(c);
	char uuid[UUID_TEXT];

	if (!p)
		return;
	record_begin(c);
	record_str(c, "uuid", uuid_print(&p->uuid, uuid));
	record_end(c);
	call_ok(c);
}

void verb_pool_capabilities(struct call *c)
{
	cleanup_buf struct buf text = BUF_INIT;

	capabilities_print(&text);
	call_bytes(c, buf_str(&text), text.len);
	call_ok(c);
}
