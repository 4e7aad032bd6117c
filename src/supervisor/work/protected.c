/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Directories that no pool may have as its own: those from which definitions and secrets are read, the one
 * with the control socket, and the kernel's. Whoever may make volumes could make definitions there.
 *
 * The paths are compared as texts when a definition comes, and again in the worker that starts the pool, by
 * what they lead to: links and bind mounts count. A pool in the directory of another is allowed, as with
 * libvirt: a volume's name has no '/', so that neither has the other's volumes.
 */
#include <limits.h>
#include <stdio.h>
#include "backends/identity.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/work/work.h"

/* Only types whose volumes are a directory's files can make files. */
static bool owns_directory(enum pool_type t)
{
	return pool_type_info(t)->stands_on & ON_DIRECTORY;
}

/* The next component of a path; "." and doubled slashes say nothing. */
static const char *component(const char *at, size_t *n)
{
	for (;; at++) {
		at += strspn(at, "/");
		*n = strcspn(at, "/");
		if (*n != 1 || *at != '.')
			return at;
	}
}

/* Is it the directory, or below it? */
static bool lies_in(const char *path, const char *dir)
{
	size_t n, m;

	for (;;) {
		path = component(path, &n);
		dir = component(dir, &m);
		if (m == 0)
			return true;
		if (n != m || memcmp(path, dir, n) != 0)
			return false;
		path += n;
		dir += m;
	}
}

static const char *const kernels[] = { "/proc", "/sys", "/dev" };

/* The i-th of them, or NULL. */
static const char *directory_at(const struct supervisor *s, size_t i)
{
	const char *const own[] = { s->options.run_dir, s->options.config_dir };

	if (i < ARRAY_LEN(kernels))
		return kernels[i];
	i -= ARRAY_LEN(kernels);
	if (i < ARRAY_LEN(own))
		return own[i] ? own[i] : "";
	i -= ARRAY_LEN(own);
	for (const struct source *src = s->sources; src; src = src->next)
		if (i-- == 0)
			return src->kind == SOURCE_XML ? "" : src->where;
	return NULL;
}

/* One sentence for both looks. */
static int refuse(const char *pool, const char *target, bool inside, const char *dir, struct err *e)
{
	return err_set(e, ERR_INVALID,
	               "pool \"%s\" may not have the directory %s: it %s %s, which is not for volumes", pool,
	               target, inside ? "is or lies in" : "contains", dir);
}

int protected_admit(const struct supervisor *s, const struct summary *m, struct err *e)
{
	const char *dir;

	for (size_t i = 0; m->target && owns_directory(m->type) && (dir = directory_at(s, i)); i++)
		if (*dir == '/' && (lies_in(m->target, dir) || lies_in(dir, m->target)))
			return refuse(m->name, m->target, lies_in(m->target, dir), dir, e);
	return 0;
}

/* Two facts, "place=8:1:/a …" and "files=8:1:/a/b …": the same filesystem, and one path in the other? */
static bool fact_lies_in(const char *fact, const char *dir)
{
	char a[PATH_MAX], b[PATH_MAX];
	const char *x = strchr(fact, '=') + 1, *y = strchr(dir, '=') + 1;
	size_t device = strcspn(x, "/");

	if (device != strcspn(y, "/") || memcmp(x, y, device) != 0)
		return false;
	snprintf(a, sizeof(a), "%.*s", (int)strcspn(x, " "), x);
	snprintf(b, sizeof(b), "%.*s", (int)strcspn(y, " "), y);
	return lies_in(a, b);
}

/* 1: inside, 2: contains, 0: neither. Both have a few facts, one a line. */
static int compare(const char *target, const char *dir)
{
	for (const char *a = target; *a; a += strcspn(a, "\n") + 1)
		for (const char *b = dir; *b; b += strcspn(b, "\n") + 1) {
			if (fact_lies_in(a, b))
				return 1;
			if (fact_lies_in(b, a))
				return 2;
		}
	return 0;
}

/* What a path leads to, in the words of identity.h. */
static void add_facts(const struct places *t, const char *path, struct buf *facts)
{
	buf_reset(facts);
	identity_path(t, path, IDENTITY_PLACE | IDENTITY_FILES, facts);
}

int protected_check(const struct supervisor *s, const struct pool_def *d, struct err *e)
{
	demand(d && d->name, e);

	const struct places *t;
	cleanup_buf struct buf mine = BUF_INIT, theirs = BUF_INIT;
	const char *dir;
	int rc = 0;

	if (!d->target.path || !owns_directory(d->type))
		return 0;
	for (size_t i = 0; i < d->source.ndevices; i++)
		if (d->source.devices[i].path[0] == '/' && lies_in(d->source.devices[i].path, d->target.path))
			return err_set(e, ERR_INVALID,
			               "pool \"%s\" may not lie on %s, which is in its own directory %s",
			               d->name, d->source.devices[i].path, d->target.path);
	t = places_now(e);
	if (!t)
		return -1;
	add_facts(t, d->target.path, &mine);
	for (size_t i = 0; rc == 0 && (dir = directory_at(s, i)); i++) {
		if (*dir != '/')
			continue;
		add_facts(t, dir, &theirs);
		rc = compare(buf_str(&mine), buf_str(&theirs));
		if (rc)
			refuse(d->name, d->target.path, rc == 1, dir, e);
	}
	if (mine.failed || theirs.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot compare the directory of pool \"%s\": out of memory",
		               d->name);
	return rc ? -1 : 0;
}
