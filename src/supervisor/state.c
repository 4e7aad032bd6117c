/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a supervisor that was killed must find again: run_dir/state/NAME says what was wanted of each pool and whether it was up; a transient
 * pool's definition follows. Small files in a directory of this boot: written beside and renamed, not synced, since they end with the machine.
 *
 *     - state=NAME want=active|inactive active=yes|no [transient=yes]
 *     = N                                         (transient pools: the definition)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/line.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "supervisor/internal.h"

struct early_state { struct early_state *next; char *name; bool want, active, gone; };

/* ---- writing ---- */

static int state_path(const struct supervisor *s, const char *name, const char *suffix, char *out, size_t size)
{
	return (size_t)snprintf(out, size, "%s/state/%s%s", s->options.run_dir, name, suffix) < size ? 0 : -1;
}

static void write_state(const struct supervisor *s, const char *name, const struct buf *text)
{
	char path[PATH_MAX], fresh[PATH_MAX];

	if (text->failed || state_path(s, name, "", path, sizeof(path)) < 0 || state_path(s, name, ".new", fresh, sizeof(fresh)) < 0)
		return;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		log_warn(LF_POOL, "cannot note the state of pool \"%s\" in %s: %s", name, path, strerror(errno));
		return;
	}
	bool whole = write(fd, text->data, text->len) == (ssize_t)text->len;
	close(fd);
	if (!whole || rename(fresh, path) < 0) {
		log_warn(LF_POOL, "cannot note the state of pool \"%s\" in %s: %s", name, path, strerror(errno));
		unlink(fresh);
	}
}

void state_save(const struct pool *p)
{
	struct buf text = BUF_INIT;

	line_begin(&text, "-");
	line_str(&text, "state", p->name);
	line_str(&text, "want", p->want_active ? "active" : "inactive");
	line_str(&text, "active", pool_is_active(p) ? "yes" : "no");
	line_str(&text, "transient", p->persistent ? NULL : "yes");
	line_end(&text);
	if (!p->persistent)
		buf_adds(&text, p->xml);
	write_state(p->sup, p->name, &text);
	buf_free(&text);
}

void state_forget(const struct pool *p, bool remember)
{
	char path[PATH_MAX];
	struct buf text = BUF_INIT;

	if (remember) {
		line_begin(&text, "-");
		line_str(&text, "state", p->name);
		line_str(&text, "gone", "yes");
		line_end(&text);
		write_state(p->sup, p->name, &text);
		buf_free(&text);
	} else if (state_path(p->sup, p->name, "", path, sizeof(path)) == 0) {
		unlink(path);
	}
}

/* An orderly end: the next supervisor begins anew. What was undefined for this boot stays so. */
void state_clear(const struct supervisor *s)
{
	char path[PATH_MAX];

	for (const struct pool *p = s->pools; p; p = p->next)
		if (!pool_is_active(p) && state_path(s, p->name, "", path, sizeof(path)) == 0)
			unlink(path);
}

/* ---- reading, in a worker ---- */

static void send_definition(const struct config_item *item, void *arg)
{
	operation_send_definition(arg, item);
}

static void send_state(struct worker_io *io, struct buf *text)
{
	char *lf = memchr(text->data, '\n', text->len);
	struct buf b = BUF_INIT;

	if (!lf)
		return;
	size_t len = (size_t)(lf + 1 - text->data);
	buf_add(&b, text->data, len);
	worker_send(io, &b);
	buf_free(&b);
	if (text->len > len)
		config_read_text(text->data + len, text->len - len, "(transient)", false, send_definition, io);
}

static int is_state(const struct dirent *d)
{
	return d->d_name[0] != '.' && !(strlen(d->d_name) > 4 && streq(d->d_name + strlen(d->d_name) - 4, ".new"));
}

int state_load(const char *run_dir, struct worker_io *io, struct err *e)
{
	char path[PATH_MAX];
	struct dirent **names;
	struct buf *texts;

	snprintf(path, sizeof(path), "%s/state", run_dir);
	cleanup_close int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = dirfd < 0 ? 0 : scandir(path, &names, is_state, alphasort);
	if (n <= 0)
		return n < 0 ? err_sys(e, errno, "cannot read the state in %s", path) : 0;
	texts = calloc((size_t)n, sizeof(*texts));
	if (!texts)
		return err_set(e, ERR_NO_MEMORY, "cannot read the state in %s: out of memory", path);
	for (int i = 0; i < n; i++)
		if (file_read(dirfd, names[i]->d_name, POOL_XML_LIMIT + LINE_MAX_BYTES, &texts[i], e) < 0)
			buf_free(&texts[i]);
	if (sandbox_enter(e) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		if (texts[i].len)
			send_state(io, &texts[i]);
	return 0;               /* the worker ends here: what it allocated goes with it */
}

/* ---- taking over, in the supervisor ---- */

void state_early(struct supervisor *s, const struct line *l)
{
	struct early_state *st = calloc(1, sizeof(*st));

	if (!st)
		return;
	st->name = strdup(line_get(l, "state"));
	st->want = streq_null(line_get(l, "want"), "active");
	st->active = streq_null(line_get(l, "active"), "yes");
	st->gone = streq_null(line_get(l, "gone"), "yes");
	if (!st->name) {
		free(st);
		return;
	}
	st->next = s->early;
	s->early = st;
}

/* What we know of this pool is used once. One that was up is looked at before it is touched: what is active is taken over as it is. */
static void recall(struct pool *p, const struct early_state *st)
{
	p->recalled = true;
	p->want_active = st->want;
	if (st->active && p->phase == PHASE_INACTIVE)
		p->phase = PHASE_CHECKING;
	if (st->gone && !p->worker)
		registry_remove(p);
}

void state_recall(struct supervisor *s)
{
	struct early_state **at = &s->early, *st;

	while ((st = *at)) {
		struct pool *p = pool_by_name(s, st->name);

		if (!p) {
			at = &st->next;
			continue;
		}
		*at = st->next;
		recall(p, st);
		free(st->name);
		free(st);
	}
}

void state_free(struct supervisor *s)
{
	while (s->early) {
		struct early_state *st = s->early;

		s->early = st->next;
		free(st->name);
		free(st);
	}
}
