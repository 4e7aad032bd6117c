/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a supervisor that was killed must find again: run_dir/state/NAME says what was wanted of each pool and
 * whether it was up; a transient pool's definition follows. Small files in a directory of this boot: written
 * beside (as ".new": no pool's name begins with a dot) and renamed, not synced, since they end with the
 * machine.
 *
 *     - state=NAME want=active|inactive active=yes|no [transient=yes] [live=yes [outdated=yes]] [place=…]
 *       [address=…] <pool …                    (transient: the definition; live: the one in use, while
 *       another is kept; outdated: which was defined meanwhile)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/line.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"

#define SAVE_AGAIN SECONDS(5)
#define NOTES      "state" /* whose problem it is, in status */

/* ---- writing ---- */

/* -1: the name of the run directory is too long. */
static int state_path(const struct supervisor *s, const char *name, char *out, size_t size)
{
	return (size_t)snprintf(out, size, "%s/state/%s", s->options.run_dir, name) < size ? 0 : -1;
}

/* Write it beside and rename it: a supervisor that is killed in between has the old note or the new one. */
static int write_state(const struct supervisor *s, const char *name, const struct buf *text, struct err *e)
{
	char path[PATH_MAX], fresh[PATH_MAX];

	if (text->failed)
		return err_set(e, ERR_NO_MEMORY, "cannot note the state of pool \"%s\": out of memory", name);
	if (state_path(s, name, path, sizeof(path)) < 0 || state_path(s, ".new", fresh, sizeof(fresh)) < 0)
		return err_set(
			e, ERR_INVALID,
			"cannot note the state of pool \"%s\": the name of the run directory is too long",
			name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, errno, "cannot note the state of pool \"%s\" in %s", name, path);
	errno = ENOSPC; /* what a short write means */
	bool whole = write(fd, text->data, text->len) == (ssize_t)text->len && rename(fresh, path) == 0;
	if (!whole) {
		err_sys(e, errno, "cannot note the state of pool \"%s\" in %s", name, path);
		unlink(fresh);
	}
	close(fd);
	return whole ? 0 : -1;
}

/* A full disk passes: what could not be noted is noted later. */
void state_save(struct pool *p)
{
	bool outdated = p->def.outdated || (!p->def.live && p->def.next_xml && pool_is_active(p)),
	     live = p->def.live || outdated;
	struct buf text = BUF_INIT;
	struct err e = { 0 };

	line_begin(&text, "-");
	line_str(&text, "state", p->name);
	line_str(&text, "want", p->want.active ? "active" : "inactive");
	line_str(&text, "active", pool_is_active(p) || p->phase == PHASE_CHECKING ? "yes" : "no");
	line_str(&text, "transient", p->def.persistent && !live ? NULL : "yes");
	line_str(&text, "live", live ? "yes" : NULL);
	line_str(&text, "outdated", outdated ? "yes" : NULL);
	line_str(&text, "place", p->life.place);
	line_str(&text, "address", p->life.address_answered ? p->life.address : NULL);
	line_end(&text);
	if (!p->def.persistent || live)
		buf_adds(&text, p->def.xml);
	bool failed = write_state(p->sup, p->name, &text, &e) < 0;
	if (failed && !p->unsaved)
		log_warn(LF_POOL, "%s (tried again)", e.message);
	if (failed)
		supervisor_note_problem(p->sup, NOTES, &e);
	p->unsaved = failed;
	if (failed && !p->sup->saver.armed)
		loop_arm(p->sup->loop, &p->sup->saver, clock_ms() + SAVE_AGAIN);
	buf_free(&text);
}

void state_on_saver(struct timer *t)
{
	struct supervisor *s = t->owner;

	supervisor_forget_problems(s, NOTES);
	for (struct pool *p = s->pools; p; p = p->next)
		if (p->unsaved)
			state_save(p);
}

void state_forget(const struct pool *p, bool remember)
{
	char path[PATH_MAX];
	struct buf text = BUF_INIT;
	struct err e = { 0 };

	if (remember) {
		line_begin(&text, "-");
		line_str(&text, "state", p->name);
		line_str(&text, "gone", "yes");
		line_end(&text);
		if (write_state(p->sup, p->name, &text, &e) < 0) {
			err_wrap(&e, ERR_KEEP, "it may come back with the next supervisor");
			supervisor_add_problem(p->sup, p->name, &e);
		}
		buf_free(&text);
	} else if (state_path(p->sup, p->name, path, sizeof(path)) == 0) {
		unlink(path);
	}
}

/* An orderly end: the next supervisor begins anew. What was undefined for this boot stays so. */
void state_clear(const struct supervisor *s)
{
	char path[PATH_MAX];

	for (const struct pool *p = s->pools; p; p = p->next)
		if (!pool_is_active(p) && state_path(s, p->name, path, sizeof(path)) == 0)
			unlink(path);
}

/* ---- reading, in a worker ---- */

/* Of a transient pool: its definition is nowhere else. */
static void send_kept_definition(const struct config_item *item, void *arg)
{
	operation_send_definition(arg, item);
}

/* A note that cannot be taken over: the pool is as if nothing had been noted. */
static void send_state_problem(struct worker_io *io, const char *origin, const struct err *problem)
{
	operation_send_definition(io, &(struct config_item){ .origin = origin, .problem = problem });
}

/* The line is passed on only if it is one of ours about the pool that the file is named after: another would
 * be taken for a worker's word. */
static int send_kept_state(struct worker_io *io, const char *name, struct buf *text, struct err *e)
{
	char *lf = text->len ? memchr(text->data, '\n', text->len) : NULL;
	struct buf b = BUF_INIT;
	struct line l;

	if (!lf)
		return err_set(e, ERR_SYNTAX, "there is no whole line in it");
	size_t len = (size_t)(lf - text->data);
	buf_add(&b, text->data, len + 1);
	if (b.failed || line_parse_reply(text->data, len, &l, e) < 0) {
		buf_free(&b);
		return -1;
	}
	if (l.kind != LINE_RECORD || line_has(&l, "problem") || !streq_null(line_get(&l, "state"), name)) {
		buf_free(&b);
		return err_set(e, ERR_SYNTAX, "its first line does not say the state of pool \"%s\"", name);
	}
	worker_send(io, &b);
	buf_free(&b);
	if (line_has(&l, "transient"))
		config_read_text(lf + 1, text->len - len - 1, "(transient)", false, send_kept_definition, io);
	return 0;
}

/* For scandir(3): ".new" is a note that was not finished. */
static int is_state(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int state_load(const char *run_dir, struct worker_io *io, struct err *e)
{
	char path[PATH_MAX];
	struct dirent **names;
	struct err *problems;
	struct buf *texts;

	snprintf(path, sizeof(path), "%s/state", run_dir);
	cleanup_close int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = dirfd < 0 ? 0 : scandir(path, &names, is_state, alphasort);
	if (n <= 0)
		return n < 0 ? err_sys(e, errno, "cannot read the state in %s", path) : 0;
	texts = calloc((size_t)n, sizeof(*texts));
	problems = calloc((size_t)n, sizeof(*problems));
	if (!texts || !problems)
		return err_set(e, ERR_NO_MEMORY, "cannot read the state in %s: out of memory", path);
	for (int i = 0; i < n; i++)
		file_read(dirfd, names[i]->d_name, POOL_XML_LIMIT + LINE_MAX_BYTES, &texts[i], &problems[i]);
	if (sandbox_enter(e) < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		char origin[PATH_MAX + NAME_MAX + 2];

		if (problems[i].class == ERR_NONE &&
		    send_kept_state(io, names[i]->d_name, &texts[i], &problems[i]) == 0)
			continue;
		snprintf(origin, sizeof(origin), "%s/%s", path, names[i]->d_name);
		err_wrap(&problems[i], ERR_KEEP, "cannot take over what is noted in %s", origin);
		send_state_problem(io, origin, &problems[i]);
	}
	for (int i = 0; i < n; i++) {
		buf_free(&texts[i]);
		free(names[i]);
	}
	free(texts);
	free(problems);
	free(names);
	return 0;
}

/* ---- taking over, in the supervisor ---- */

void state_early_free(struct early_state *st)
{
	free(st->name);
	free(st->place);
	free(st->address);
	free(st);
}

int state_early(struct supervisor *s, const struct line *l)
{
	demand_or(line_has(l, "state"), -1);

	struct early_state *st = calloc(1, sizeof(*st));

	if (!st)
		return -1;
	st->name = strdup(line_get(l, "state"));
	st->want = streq_null(line_get(l, "want"), "active");
	st->active = streq_null(line_get(l, "active"), "yes");
	st->gone = streq_null(line_get(l, "gone"), "yes");
	st->live = streq_null(line_get(l, "live"), "yes");
	st->outdated = streq_null(line_get(l, "outdated"), "yes");
	pool_set_text(&st->place, line_get(l, "place"));
	pool_set_text(&st->address, line_get(l, "address"));
	if (!st->name) {
		state_early_free(st);
		return -1;
	}
	st->next = s->early;
	s->early = st;
	return 0;
}

/* The definition that is kept comes from its own source, and waits for the stop. */
bool state_is_live(const struct supervisor *s, const char *name)
{
	for (const struct early_state *st = s->early; st; st = st->next)
		if (streq(st->name, name))
			return st->live;
	return false;
}

void state_free(struct supervisor *s)
{
	while (s->early) {
		struct early_state *st = s->early;

		s->early = st->next;
		state_early_free(st);
	}
}
