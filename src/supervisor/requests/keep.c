/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Definitions kept, forgotten and marked for autostart, in the worker of a request about one: in the
 * configuration directory, or for this boot only where that cannot be written.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/requests/requests.h"

/* Where it is kept now, and in which file; NULL: that is not said. */
static void send_kept(struct worker_io *io, const char *where, const char *file)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "kept", where);
	line_str(&b, "file", file);
	worker_send_record(io, &b);
}

/* A configuration directory that cannot be written is no failure: the definition then lives in run_dir, for
 * this boot. */
static bool only_for_this_boot(const struct err *e)
{
	return e->class == ERR_READ_ONLY || e->class == ERR_DENIED;
}

/* Where the definition that is kept came from: with pool-create another one may be in use. */
static const char *kept_origin(const struct pool *p)
{
	return p->def.live && p->def.next_facts ? p->def.next_facts->origin : p->def.origin;
}

/* The file in the configuration directory that has the definition already. NULL: none there has. */
static const char *file_in_config(const struct request *r)
{
	const struct pool *p = pool_by_name(r->sup, r->pool);

	return p && p->def.kept_in_config ? kept_origin(p) : NULL;
}

/* The file of a new definition may hold another pool's: a file may bear any name, and some media do not tell
 * case. */
static int check_file(const struct request *r, const char *path, struct err *e)
{
	struct stat mine, st;

	if (stat(path, &mine) < 0)
		return 0;
	for (const struct pool *p = r->sup->pools; p; p = p->next)
		if (!streq(p->name, r->pool) && stat(kept_origin(p), &st) == 0 && st.st_dev == mine.st_dev &&
		    st.st_ino == mine.st_ino)
			return err_set(e, ERR_EXISTS,
			               "cannot keep pool \"%s\": %s is there already and defines pool \"%s\"",
			               r->pool, path, p->name);
	return 0;
}

/* An older one that is kept for this boot would win at the next start. Its mark goes with it, to where the
 * definition is now. */
static int forget_in_run(const struct request *r, const char *file, struct err *e)
{
	const struct supervisor *s = r->sup;
	const struct pool *p = pool_by_name(r->sup, r->pool);

	if (p && !p->def.kept_in_config && p->def.autostart &&
	    config_mark_autostart(s->options.config_dir, r->pool, file, true, e) < 0)
		return -1;
	return access(s->run_config, F_OK) < 0 ? 0 : config_forget(s->run_config, r->pool, NULL, e);
}

int work_keep(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const char *dir = place_enter(r->sup, io), *file = file_in_config(r);
	char path[PATH_MAX];
	struct err why = { 0 };

	if (dir)
		config_definition_path(dir, r->pool, path, sizeof(path));
	if (dir && !file && check_file(r, path, e) < 0)
		return -1;
	if (dir && config_keep(dir, r->pool, file, r->xml, &why) == 0) {
		/* again: it may have made the directory */
		config_definition_path(dir, r->pool, path, sizeof(path));
		if (forget_in_run(r, file, &why) < 0) /* it is kept all the same, and read at the next boot */
			log_warn(LF_CONFIG, "%s: the older definition that is kept for this boot: %s",
			         r->pool, why.message);
		send_kept(io, "config", file ? file : path);
		return 0;
	}
	if (dir && !only_for_this_boot(&why)) {
		*e = why;
		return -1;
	}
	if (config_keep(r->sup->run_config, r->pool, NULL, r->xml, e) < 0)
		return -1;
	send_kept(io, "run", NULL);
	return 0;
}

/* What is left defines it again at the next boot: another source, its own file that could not be removed, a
 * copy of it. */
static bool comes_back(const struct request *r, const struct pool *p)
{
	const char *dir = r->sup->options.config_dir, *from = kept_origin(p);

	if (!p->def.kept_in_config && !streq(from, "(socket)") && !starts_with(from, r->sup->run_config))
		return true;
	return dir && config_defines(dir, r->pool);
}

int work_forget(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const char *dir = place_enter(r->sup, io);
	const struct pool *p = pool_by_name(r->sup, r->pool);
	struct err why = { 0 };

	if (p && p->def.kept_in_config && config_forget(dir, r->pool, kept_origin(p), &why) < 0 &&
	    !only_for_this_boot(&why)) {
		*e = why;
		return -1;
	}
	if (config_forget(r->sup->run_config, r->pool, NULL, &why) < 0 && why.sys != ENOENT) {
		*e = why;
		return -1;
	}
	send_kept(io, p && comes_back(r, p) ? "run" : "config", NULL);
	return 0;
}

int work_mark(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const char *dir = place_enter(r->sup, io);
	const struct pool *p = pool_by_name(r->sup, r->pool);
	struct err why = { 0 };

	if (p && p->def.kept_in_config &&
	    config_mark_autostart(dir, r->pool, kept_origin(p), r->on, &why) == 0) {
		send_kept(io, "config", NULL);
		return 0;
	}
	if (p && p->def.kept_in_config && !only_for_this_boot(&why)) {
		*e = why;
		return -1;
	}
	if (config_mark_autostart(r->sup->run_config, r->pool, NULL, r->on, e) < 0)
		return -1;
	send_kept(io, "run", NULL);
	return 0;
}
