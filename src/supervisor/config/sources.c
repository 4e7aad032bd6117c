/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where definitions come from: directories, devices that have to appear first, and texts. Each is read by a
 * worker of its own; a later source replaces an earlier one's pool of the same name, whichever is read first.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/line.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "pool/secret/store.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"

#define RETRY_MAX SECONDS(60)
/* to read what is here: a definition that kills its reader must not keep the others back for ever */
#define ATTEMPTS 3

/* ---- in the worker ---- */

/* config_item_fn: what was read goes to the supervisor as it is found. */
static void send_item(const struct config_item *item, void *arg)
{
	operation_send_definition(arg, item);
}

/* The files are in memory: from here on this process can open nothing, whatever a document does to its
 * parser. */
static int parse_files(struct worker_io *io, struct config_files *files, struct err *e)
{
	if (sandbox_enter(e) < 0)
		return -1;
	config_parse(files, send_item, io);
	config_files_free(files);
	return 0;
}

/* A supervisor that was killed may have left definitions and secrets half-written where they are kept. */
static void sweep(const struct source *src)
{
	const struct supervisor *s = src->sup;
	char config[PATH_MAX];
	struct secret_store st = { .dirs = s->secret_dirs, .run = s->secret_dirs[0] };

	if (s->changing[SUBJECT_DEFINITIONS] ||
	    s->changing[SUBJECT_SECRETS]) /* what is half-written there now is theirs */
		return;
	if (s->options.config_dir && streq(src->where, s->options.config_dir) &&
	    (size_t)snprintf(config, sizeof(config), "%s/secrets", src->where) < sizeof(config))
		st.config = config;
	if (st.config || streq(src->where, s->run_config)) {
		config_sweep(src->where);
		secret_store_sweep(&st);
	}
}

/* What is kept for this boot may mark pools of a directory that cannot be written. */
static int read_directory(struct worker_io *io, struct source *src, struct err *e)
{
	struct config_files files;
	struct err problem = { 0 };

	if (src->device && place_open(src, e) < 0)
		return -1;
	/* the pools that need none are read all the same */
	if (src->device && place_copy_secrets(src, &problem) < 0)
		send_item(&(struct config_item){ .origin = src->where, .problem = &problem }, io);
	sweep(src);
	if (src->has_copies)
		config_drop_copies(src->where, src->sup->secret_dirs[0]);
	if (config_load(src->where, NULL, &files, e) < 0)
		return -1;
	files.may_mark_others = streq(src->where, src->sup->run_config);
	files.may_be_absent = files.may_mark_others || src->may_be_absent;
	return parse_files(io, &files, e);
}

/* The worker of a source: where it is decides how it is read, and what is read is the same. */
static int read_source(struct worker_io *io, void *arg, struct err *e)
{
	struct source *src = arg;

	if (src->state)
		return state_load(src->sup->options.run_dir, io, e);
	if (src->kind != SOURCE_XML)
		return read_directory(io, src, e);
	if (sandbox_enter(e) < 0)
		return -1;
	config_read_text(src->text, strlen(src->text), src->where, true, send_item, io);
	return 0;
}

/* ---- in the supervisor ---- */

/* A problem, what was wanted of a pool, or the summary of a definition, whose text follows. */
static void on_source_record(struct worker *w, const struct line *l)
{
	struct source *src = w->task.owner;
	const char *problem = line_get(l, "problem"), *origin = line_get(l, "origin");
	struct err e = { 0 };

	if (problem) {
		err_set(&e, err_class_from_word(line_get(l, "class") ? line_get(l, "class") : ""), "%s",
		        problem);
		/* What was left out is always said: it comes last. */
		if (supervisor_note_problem(src->sup, origin ? origin : src->where, &e) &&
		    (err_is(&e, ERR_LIMIT) || worker_may_log(w)))
			log_error(LF_CONFIG, "%s", e.message);
		return;
	}
	if (line_has(l, "state")) {
		src->missed |= state_early(src->sup, l) < 0;
		return;
	}
	summary_free(src->pending);
	src->pending = calloc(1, sizeof(*src->pending));
	if (!src->pending || summary_from_line(src->pending, l, &e) < 0) {
		src->missed = true;
		summary_free(src->pending);
		src->pending = NULL;
	}
}

/* Was the definition read from the directory in which definitions made over the socket are kept? Another
 * source may lie below that. */
static bool in_config_dir(const struct supervisor *s, const char *origin)
{
	size_t len = s->options.config_dir ? strlen(s->options.config_dir) : 0;
	const char *rest = origin + len;

	if (!len || !starts_with(origin, s->options.config_dir) || *rest != '/')
		return false;
	rest += starts_with(rest, "/storage/") ? strlen("/storage/") : 1;
	return !strchr(rest, '/');
}

/* A file that was changed over the socket is read again: it is what is defined there, and speaks for
 * itself. */
static bool is_its_file(const struct pool *p, const char *origin)
{
	return p->def.kept_in_config && (streq(p->def.origin, origin) ||
	                                 (p->def.next_facts && streq(p->def.next_facts->origin, origin)));
}

/* Read once more, and as before: only its mark may have changed. */
static bool source_is_as_before(const struct pool *p, const char *xml, size_t len)
{
	const char *newest = p->def.next_xml ? p->def.next_xml : p->def.xml;

	return strlen(newest) == len && memcmp(newest, xml, len) == 0;
}

/* The pool that a file defines which is read once more, if there is nothing more to do about it. */
static struct pool *apply_again(struct source *src, const char *xml, size_t len, int *priority)
{
	struct pool *p = src->reloading ? pool_by_name(src->sup, src->pending->name) : NULL;

	if (!p || (p->def.priority != src->priority && !is_its_file(p, src->pending->origin)))
		return NULL;
	*priority = p->def.priority;
	if (p->def.marked_here)
		src->pending->autostart = p->def.autostart;
	if (source_is_as_before(p, xml, len)) {
		p->def.autostart = src->pending->autostart;
		pool_note_origin(p, src->pending->origin); /* a file may have got another name */
		p->def.kept_in_config |= in_config_dir(src->sup, src->pending->origin);
		return p;
	}
	log_info(LF_CONFIG, "%s: pool \"%s\" has changed%s", src->pending->origin, p->name,
	         pool_is_active(p) ? ", which counts when it has stopped" : "");
	/* what it has failed for may be mended: one that is wanted is started again */
	p->reason.class = ERR_NONE;
	return NULL;
}

/* The text of the definition that was announced: it becomes a pool, or a problem. */
static void on_definition(struct worker *w, const char *xml, size_t len)
{
	struct source *src = w->task.owner;
	int priority = src->priority;
	struct err e = { 0 };

	if (!src->pending || apply_again(src, xml, len, &priority))
		return;
	struct pool *p = registry_apply(src->sup, src->pending, xml, len, priority, &e);
	if (p) {
		if (p->def.priority == priority) {
			p->def.kept_in_config = in_config_dir(src->sup, src->pending->origin);
			p->def.persistent = !src->state;
			p->def.live |= src->state && state_is_live(src->sup, p->name);
			pool_look_again(p); /* it may be a better one */
			if (src->reloading) {
				state_save(p);
				failed_kick(src->sup, ERR_NONE);
			}
		} else if (src->state && !p->want.judged && state_is_live(src->sup, p->name)) {
			src->missed |= registry_lend(p, src->pending, xml, len, NULL) < 0;
		}
	} else if (err_is(&e, ERR_NO_MEMORY)) {
		src->missed = true;
	} else {
		char *text = strdup(e.message);

		err_set(&e, e.class, "%s: %s", src->pending->origin, text ? text : "");
		supervisor_add_problem(src->sup, src->pending->origin, &e);
		free(text);
	}
	summary_free(src->pending);
	src->pending = NULL;
}

static bool source_start(struct source *src, struct err *e);
static void source_read(struct source *src);

static void on_source_retry(struct timer *t)
{
	source_read(t->owner);
}

/* A device may come; a worker that was killed, or for which there was no room, was an accident. The rest is
 * reported and done with. */
static bool passes(const struct source *src, const struct err *e)
{
	if (src->device && !src->reloading)
		return err_remedy(e->class) != REMEDY_NONE;
	return src->attempts + 1 < ATTEMPTS && (err_is(e, ERR_INTERNAL) || err_is(e, ERR_NO_MEMORY) ||
	                                        err_is(e, ERR_LIMIT) || err_is(e, ERR_TIMEOUT));
}

/* What people know it by. */
static const char *source_name(const struct source *src)
{
	return src->device ? src->device : src->where;
}

/* Pools are moved meanwhile with what there is; only for the state, which is here and small, they wait. */
static void try_later(struct source *src, const struct err *e)
{
	uint64_t pause = SECONDS(1) << (src->attempts < 6 ? src->attempts : 6);

	if (src->attempts++ == 0)
		log_msg(LF_CONFIG, src->device ? LOG_INFO : LOG_ERR_, "definitions in %s: %s",
		        source_name(src), e->message);
	if (!src->state)
		src->waits_for = strdup(e->message);
	if (src->again) /* something appeared while it was looked for */
		pause = 0;
	loop_arm(src->sup->loop, &src->retry, clock_ms() + (pause < RETRY_MAX ? pause : RETRY_MAX));
	src->sup->up->advance(src->sup);
}

/* Nobody waits for it any more. What lacked room is looked at now and then all the same: there may be room
 * again, and nothing tells. */
static void give_up(struct source *src, const struct err *e)
{
	struct err said = *e;

	src->late = err_is(e, ERR_NO_MEMORY) || err_is(e, ERR_LIMIT);
	err_wrap(&said, ERR_KEEP, "cannot read the definitions in %s%s", source_name(src),
	         src->late ? " (it is tried again)" : "");
	if (supervisor_note_problem(src->sup, src->where, &said) && (!src->done || src->reloading))
		log_error(LF_CONFIG, "%s", said.message);
	if (src->late)
		loop_arm(src->sup->loop, &src->retry, clock_ms() + RETRY_MAX);
}

/* A source whose worker is there, in a place where we write ourselves. */
bool sources_sweep(const struct supervisor *s)
{
	for (const struct source *src = s->sources; src; src = src->next)
		if ((src->worker || src->left) &&
		    (streq(src->where, s->run_config) || streq_null(s->options.config_dir, src->where)))
			return true;
	return false;
}

/* ---- once more ---- */

/* One that has been read; what it finds comes later. False: no worker can be had. */
static bool read_again(struct source *src, struct err *e)
{
	src->attempts = 0;
	src->reloading = true;
	src->reloading = source_start(src, e);
	if (src->reloading)
		supervisor_forget_problems_below(src->sup, src->where);
	else if (src->late)
		loop_arm(src->sup->loop, &src->retry, clock_ms() + RETRY_MAX);
	return src->reloading;
}

bool sources_reload(struct supervisor *s, struct err *e)
{
	for (struct source *src = s->sources; src; src = src->next)
		if (src->kind != SOURCE_XML && !src->state && !src->behind && src->done && !src->worker &&
		    !src->left)
			read_again(src, e);
	return !e->class;
}

bool sources_reloading(const struct supervisor *s)
{
	for (const struct source *src = s->sources; src; src = src->next)
		if (src->reloading)
			return true;
	return false;
}

/* ---- its end ---- */

/* The reader has ended: the source is read, tried later, or given up. Each of them may be what others wait
 * for. */
static void on_source_read(struct worker *w, const struct err *e, bool left)
{
	struct source *src = w->task.owner;
	struct supervisor *s = src->sup;
	struct err missed = { 0 };

	src->worker = NULL;
	src->left = left;
	s->up->on_source_over(s);
	free(src->waits_for);
	src->waits_for = NULL;
	if (!e && src->missed) {
		err_set(&missed, ERR_NO_MEMORY, "out of memory");
		e = &missed;
	}
	if (e && passes(src, e)) {
		try_later(src, e);
		return;
	}
	if (src->late)
		supervisor_forget_problems(s, src->where);
	src->late = src->has_copies = false;
	if (e)
		give_up(src, e);
	if (src->reloading) {
		src->reloading = false;
		s->up->on_source_over(s);
	} else {
		src->done = true;
		if (supervisor_sources_read(s))
			milestone(s, "definitions");
	}
	events_emit(s, &(struct event){ .name = "definitions-read" });
	s->up->advance(s);
}

/* A worker that was left behind in the device is gone: another one may look. */
static void on_source_gone(struct worker *w)
{
	struct source *src = w->task.owner;

	src->left = false;
	src->sup->up->on_source_over(src->sup);
	source_read(src);
}

/* No process is left for it: the others go on meanwhile, as where a device is missing. */
static void no_room(struct source *src, const struct err *e)
{
	if (!src->waits_for)
		log_error(LF_CONFIG, "definitions in %s: %s", source_name(src), e->message);
	if (!src->waits_for && !src->state)
		src->waits_for = strdup(e->message);
	loop_arm(src->sup->loop, &src->retry, clock_ms() + SECONDS(1));
	if (src->sup->going)
		src->sup->up->advance(src->sup);
}

/* False: no worker can be had; e says why. */
static bool source_start(struct source *src, struct err *e)
{
	struct task task = {
		.what = "read-config",
		.timeout = src->device ? DEADLINE_START : DEADLINE_PARSE,
		/* thousands of definitions take a slow machine longer; a device is somebody else's */
		.renewed_for = src->device ? 0 : SECONDS(120),
		.run = read_source,
		.arg = src,
		.on_record = on_source_record,
		.on_payload = on_definition,
		.on_done = on_source_read,
		.on_gone = on_source_gone,
		.owner = src,
	};

	loop_disarm(src->sup->loop, &src->retry);
	src->again = src->missed = false;
	src->worker = worker_start(src->sup, &task, e);
	return src->worker != NULL;
}

/* Read it, unless it has been read, or somebody is at it. */
static void source_read(struct source *src)
{
	struct err e = { 0 };

	if ((src->done && !src->late && !src->reloading) || src->worker || src->left)
		return;
	if (!source_start(src, &e))
		no_room(src, &e);
}

/* Workers look for secrets in these places, in this order. */
static bool add_secrets(struct supervisor *s, const char *dir)
{
	size_t n = 0;
	char *path;

	while (s->secret_dirs[n])
		n++;
	const char **more = realloc(s->secret_dirs, (n + 2) * sizeof(*more));
	if (!more)
		return false;
	s->secret_dirs = more;
	if (asprintf(&path, "%s/secrets", dir) < 0)
		return false;
	more[n] = path;
	more[n + 1] = NULL;
	return true;
}

/* Where it is mounted, and what that makes of the directory's path. */
static bool take_place(struct source *src, const char *where)
{
	char device[PATH_MAX];
	const char *path;

	place_split(where, device, sizeof(device), &path);
	if (asprintf(&src->at, "%s/on/%s", src->sup->options.run_dir, device) < 0 ||
	    asprintf(&src->where, "%s%s", src->at, path) < 0)
		return false;
	src->device = src->at + strlen(src->at) - strlen(device);
	path_tidy(src->where);
	return true;
}

static void source_free(struct source *src)
{
	free(src->where);
	free(src->text);
	free(src->at);
	free(src);
}

/* In no list yet. A directory is one where secrets are looked for, too. */
static struct source *source_new(struct supervisor *s, enum source_kind kind, const char *where,
                                 const char *text, struct err *e)
{
	struct source *src = calloc(1, sizeof(*src));

	if (src) {
		*src = (struct source){ .sup = s,
			                .kind = kind,
			                .retry = { .on_expiry = on_source_retry, .owner = src } };
		src->text = text ? strdup(text) : NULL;
		bool whole = kind == SOURCE_DEVICE || kind == SOURCE_PLACE
		                     ? take_place(src, where)
		                     : (src->where = strdup(where)) && (!text || src->text);
		if (whole && (kind == SOURCE_XML || add_secrets(s, src->where)))
			return src;
		source_free(src);
	}
	err_set(e, ERR_NO_MEMORY, "cannot add %s as a source of definitions: out of memory", where);
	return NULL;
}

int supervisor_add_source(struct supervisor *s, enum source_kind kind, const char *where, const char *text,
                          struct err *e)
{
	demand(where && (kind == SOURCE_XML) == (text != NULL), e);

	struct source **at = &s->sources, *src = source_new(s, kind, where, text, e);

	if (!src)
		return -1;
	for (src->priority = 1; *at; at = &(*at)->next)
		src->priority++;
	*at = src;
	if (kind == SOURCE_PLACE) {
		s->place = src;
		s->options.config_dir = src->where;
	}
	src->may_be_absent = streq_null(s->options.config_dir, where) ? !s->options.config_named
	                                                              : src == s->place;
	source_read(src);
	return 0;
}

/* What an earlier supervisor left in run_dir: read like a source, before any other. Secrets are not looked
 * for beside it. */
int sources_add_state(struct supervisor *s, struct err *e)
{
	struct source *src = source_new(s, SOURCE_XML, s->options.run_dir, NULL, e);

	if (!src)
		return -1;
	src->kind = SOURCE_DIRECTORY;
	src->state = true;
	src->next = s->sources;
	s->sources = src;
	source_read(src);
	return 0;
}

/* Sources on devices count as read only when they are: `wait boot` has a deadline of its own. */
bool supervisor_sources_read(const struct supervisor *s)
{
	for (const struct source *src = s->sources; src; src = src->next)
		if (!src->done)
			return false;
	return s->going; /* else some are still to be named */
}

void sources_kick(struct supervisor *s, const char *pool)
{
	for (struct source *src = s->sources; src; src = src->next) {
		if (pool && !(src->device && starts_with(src->device, POOL_PREFIX) &&
		              streq(src->device + strlen(POOL_PREFIX), pool)))
			continue;
		src->again = true; /* if one is looking now, it may have looked just before */
		if (src->waits_for)
			source_read(src);
	}
}

int supervisor_take_secrets(const struct supervisor *s, struct err *e)
{
	char to[PATH_MAX];
	int rc = 0;

	snprintf(to, sizeof(to), "%s/secrets", s->options.run_dir);
	for (const struct source *src = s->sources; src; src = src->next)
		if (src->kind != SOURCE_XML && !src->state &&
		    config_copy_secrets(src->where, to, rc == 0 ? e : NULL) < 0)
			rc = -1;
	return rc;
}

void sources_change_root(struct supervisor *s)
{
	const char *before = s->options.config_dir;
	struct source *home = NULL;
	struct err e = { 0 };
	char *path;

	for (struct source *src = s->sources; src; src = src->next) {
		src->behind = !starts_with(src->where, s->options.run_dir);
		if (src->behind && streq_null(before, src->where))
			home = src;
	}
	if (!home) /* it is a place that is found here as well */
		return;
	drop_config_dir(s);
	supervisor_forget_problems_below(s, home->where);
	if (!s->options.root_config_dir || home->worker || home->left) /* or somebody is still at it */
		return;
	path = strdup(s->options.root_config_dir);
	if (!path || !add_secrets(s, path)) {
		free(path);
		log_error(LF_CONFIG, "cannot read the definitions of the real root: out of memory");
		return;
	}
	free(home->where);
	s->options.config_dir = home->where = path;
	s->options.in_memory = s->options.root_in_memory;
	home->behind = false;
	home->may_be_absent = home->late = home->has_copies = true;
	if (home->done)
		read_again(home, &e);
	else
		source_read(home);
}

const char *supervisor_kept(const struct supervisor *s, bool in_config)
{
	if (!in_config)
		return "run";
	return s->options.in_memory && !s->place ? "memory" : "disk";
}

bool source_at(const struct supervisor *s, size_t i, struct source_view *v)
{
	const struct source *src = s->sources;

	while (src && i--)
		src = src->next;
	if (!src)
		return false;
	*v = (struct source_view){ source_name(src), src->done, src->waits_for };
	return true;
}

void sources_free(struct supervisor *s)
{
	while (s->sources) {
		struct source *src = s->sources;

		s->sources = src->next;
		loop_disarm(s->loop, &src->retry);
		summary_free(src->pending);
		free(src->waits_for);
		source_free(src);
	}
}
