/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading a configuration directory: first all bytes, then, closed in, their meaning.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/line.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "pool/secret/secret.h"
#include "pool/xml.h"
#include "supervisor/config/config.h"

#define NAMES_LIMIT  (LINE_MAX_BYTES - 512) /* the rest is for keys, uuid, boot policy */
#define COMMENT_ROOM 1024 /* what add_warning() puts in front has less: a name has 200 bytes at most */
#define XML_LIMIT    (POOL_XML_LIMIT - COMMENT_ROOM)
#define READ_BACK    (32 * 1024) /* a shorter document cannot have more elements than are accepted */
#define SECRET_LIMIT (96 * 1024) /* of a file: a value of 64 KiB in base64, with line ends */

#define STRING_(x) #x
#define STRING(x)  STRING_(x)
#define TOO_MANY   "at most " STRING(CONFIG_FILES_LIMIT) " are"
#define TOO_BIG    "together they have more than " STRING(CONFIG_MIB_LIMIT) " MiB"

int config_is_definition(const struct dirent *d)
{
	return d->d_name[0] != '.' && ends_with(d->d_name, ".xml");
}

void config_definitions_dir(const char *dir, char *out, size_t size)
{
	struct stat st;

	snprintf(out, size, "%s/storage", dir);
	if (stat(out, &st) < 0 || !S_ISDIR(st.st_mode))
		snprintf(out, size, "%s", dir);
}

/* A mark is a link, dangling or not, or anything else of the definition's name. */
static int add_mark(struct config_files *files, int definitions, const char *name)
{
	struct stat st;
	size_t len = strlen(name) + 1;
	struct config_mark *m = calloc(1, sizeof(*m) + len);

	if (!m)
		return -1;
	memcpy(m->name, name, len);
	m->of_file = fstatat(definitions, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	m->next = files->marks;
	files->marks = m;
	return 0;
}

static int no_memory(const char *what, struct err *e)
{
	return err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", what);
}

/* A file's text, which is taken over, or what is wrong with it. */
static int config_append(struct config_files *files, const char *dir, const char *name, struct buf *text,
                         const struct err *problem, struct err *e)
{
	struct config_file *f = calloc(1, sizeof(*f));

	if (!f)
		return err_set(e, ERR_NO_MEMORY, "cannot read %s/%s: out of memory", dir, name);
	*files->last = f;
	files->last = &f->next;
	if (asprintf(&f->origin, *name ? "%s/%s" : "%s", dir, name) < 0)
		f->origin = NULL;
	f->name = strdup(name);
	if (problem) {
		f->error = malloc(sizeof(*f->error));
		if (f->error)
			*f->error = *problem;
	} else {
		f->len = text->len;
		files->bytes += text->len;
		f->text = buf_steal(text);
	}
	if (!f->origin || !f->name || (!f->text && !f->error))
		return err_set(e, ERR_NO_MEMORY, "cannot read %s/%s: out of memory", dir, name);
	return 0;
}

/* 1: it is too much for what is read together. */
static int add_file(struct config_files *files, int dirfd, const char *dir, const char *name, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err problem = { 0 };

	if (file_read(dirfd, name, POOL_XML_LIMIT, &text, &problem) < 0) {
		err_wrap(&problem, ERR_KEEP, "%s/%s", dir, name);
		return config_append(files, dir, name, NULL, &problem, e);
	}
	if (files->bytes + text.len > CONFIG_BYTES_LIMIT)
		return 1;
	return config_append(files, dir, name, &text, NULL, e);
}

/* Of n names, sorted, those from `from` on are left out: which ones does not depend on anything but the
 * names. */
static int leave_out(struct config_files *files, const char *dir, struct dirent **names, int from, int n,
                     const char *what, const char *limit, struct err *e)
{
	struct err cut = { 0 };

	if (from >= n)
		return 0;
	err_set(&cut, ERR_LIMIT, "%d of %d %s in %.150s are not read, \"%.100s\" to \"%.100s\": %s", n - from,
	        n, what, dir, names[from]->d_name, names[n - 1]->d_name, limit);
	return config_append(files, dir, "", NULL, &cut, e);
}

void config_names_free(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* The names in autostart/, which is allowed to be missing. */
static int load_marks(int dirfd, const char *definitions, const char *shown, struct config_files *out,
                      struct err *e)
{
	char path[PATH_MAX + 16], dir[PATH_MAX + 16];
	struct dirent **names;
	int rc = 0, i = 0;

	snprintf(path, sizeof(path), "%s/autostart", definitions);
	snprintf(dir, sizeof(dir), "%s/autostart", shown);
	int n = scandir(path, &names, config_is_definition, alphasort);
	if (n < 0)
		return 0; /* none are there */
	for (; i < n && i < CONFIG_FILES_LIMIT && rc == 0; i++)
		rc = add_mark(out, dirfd, names[i]->d_name);
	if (rc < 0)
		no_memory(shown, e);
	else
		rc = leave_out(out, dir, names, i, n, "autostart marks", TOO_MANY, e);
	config_names_free(names, n);
	return rc;
}

/* All files, as far as the limits go: what is beyond them is one problem, and not a thousand. */
static int load_definitions(int dirfd, const char *shown, struct dirent **names, int n,
                            struct config_files *out, struct err *e)
{
	int rc = 0, i = 0;

	for (; i < n && i < CONFIG_FILES_LIMIT; i++) {
		rc = add_file(out, dirfd, shown, names[i]->d_name, e);
		if (rc != 0)
			break;
	}
	if (rc >= 0 && i < n && !(out->cut = strdup(names[i]->d_name)))
		rc = no_memory(shown, e);
	if (rc < 0)
		return -1;
	return leave_out(out, shown, names, i, n, "definitions", rc ? TOO_BIG : TOO_MANY, e);
}

int config_load(const char *dir, const char *as, struct config_files *out, struct err *e)
{
	demand(dir && out, e);

	char path[PATH_MAX], shown[PATH_MAX];
	struct dirent **names;
	int rc;

	*out = (struct config_files){ 0 };
	out->last = &out->first;
	config_definitions_dir(dir, path, sizeof(path));
	snprintf(shown, sizeof(shown), "%s%s", as ? as : dir, path + strlen(dir));
	if (!(out->dir = strdup(shown)))
		return no_memory(shown, e);
	cleanup_close int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	out->absent = dirfd < 0 && errno == ENOENT;
	if (out->absent)
		return 0;
	if (dirfd < 0) {
		err_sys(e, errno, "cannot open directory %s", shown);
		config_files_free(out);
		return -1;
	}
	int n = scandir(path, &names, config_is_definition, alphasort);
	rc = n < 0 ? err_sys(e, errno, "cannot list directory %s", shown)
	           : load_definitions(dirfd, shown, names, n, out, e);
	if (n >= 0)
		config_names_free(names, n);
	if (rc == 0)
		rc = load_marks(dirfd, path, shown, out, e);
	if (rc == 0)
		rc = config_secrets_load(dir, as ? as : dir, out, e);
	if (rc < 0)
		config_files_free(out);
	return rc;
}

void config_files_free(struct config_files *files)
{
	while (files->first) {
		struct config_file *f = files->first;

		files->first = f->next;
		free(f->origin);
		free(f->name);
		free(f->text);
		free(f->error);
		free(f);
	}
	files->last = &files->first;
	while (files->marks) {
		struct config_mark *m = files->marks;

		files->marks = m->next;
		free(m);
	}
	config_secrets_free(files);
	free(files->dir);
	free(files->cut);
	files->dir = files->cut = NULL;
}

/* What is written out is read again at each start and by each worker. It has elements and attributes that
 * were not given. */
static int check_again(const struct buf *xml, const char *origin, struct err *e)
{
	struct pool_def again;

	if (xml->len < READ_BACK)
		return 0;
	if (pool_read(&again, xml->data, xml->len, origin, e) < 0)
		return err_wrap(e, ERR_TOO_LONG, "%s: written out, the definition cannot be read again",
		                origin);
	pool_def_free(&again);
	return 0;
}

int config_print(struct config_item *item, struct err *e)
{
	demand(item->def && item->origin, e);

	const char *const texts[] = { item->def->name, item->def->target.path };
	cleanup_buf struct buf names = BUF_INIT;

	pool_source_key(item->def, &item->key);
	pool_print(item->def, &item->xml);
	line_quote(&names, buf_str(&item->key), item->key.len);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i])
			line_quote(&names, texts[i], strlen(texts[i]));
	if (item->key.failed || item->xml.failed || names.failed)
		return no_memory(item->origin, e);
	if (names.len > NAMES_LIMIT)
		return err_set(e, ERR_TOO_LONG,
		               "%s: the names and paths of pool \"%s\" are longer than %d bytes together",
		               item->origin, item->def->name, NAMES_LIMIT);
	if (item->xml.len > XML_LIMIT)
		return err_set(e, ERR_TOO_LONG,
		               "%s: written out, the definition of pool \"%s\" has %zu bytes; at most %d are "
		               "accepted",
		               item->origin, item->def->name, item->xml.len, XML_LIMIT);
	return check_again(&item->xml, item->origin, e);
}

void config_item_free(struct config_item *item)
{
	buf_free(&item->key);
	buf_free(&item->xml);
}

void config_read_text(const char *xml, size_t len, const char *origin, bool autostart, config_item_fn *fn,
                      void *arg)
{
	demand_or(origin && fn, );

	struct config_item item = { .origin = origin, .autostart = autostart };
	struct err e = { 0 };
	struct pool_def def;

	if (pool_read(&def, xml, len, origin, &e) < 0) {
		fn(&(struct config_item){ .origin = origin, .problem = &e }, arg);
		return;
	}
	if (!def.uuid_given)
		uuid_from_text(def.name, &def.uuid);
	item.def = &def;
	if (config_print(&item, &e) < 0)
		fn(&(struct config_item){ .origin = origin, .problem = &e }, arg);
	else
		fn(&item, arg);
	config_item_free(&item);
	pool_def_free(&def);
}

/* Names met so far in one directory, to find two files that define the same pool. */
struct seen {
	struct seen *next;
	const char *origin;
	bool marked;
	char name[256];
};
struct parse {
	config_item_fn *fn;
	void *arg;
	const struct config_files *files;
	struct config_file *file;
	struct seen *seen;
	bool again;
};

/* A mark that bears the name of a file is that file's, whatever pool is in another; unless that file defines
 * nothing, which is known when all have been asked. */
static bool is_of_file(const struct parse *p, const struct config_mark *m)
{
	for (const struct config_file *f = m->of_file && p->again ? p->files->first : NULL; f; f = f->next)
		if (streq(f->name, m->name))
			return f->defines;
	return m->of_file;
}

/* Is there a mark of that name? Then it marks something. is_file: the name is a file's, whose marks nobody
 * else can claim. */
static bool is_marked(const struct parse *p, const char *name, bool is_file)
{
	for (struct config_mark *m = p->files->marks; m; m = m->next)
		if (streq(m->name, name) && (is_file || !is_of_file(p, m)))
			return m->used = true;
	return false;
}

/* By the file's name; or by the pool's, where no file has that. */
static bool is_marked_by_either(const struct parse *p, const char *pool)
{
	bool marked = is_marked(p, p->file->name, true);
	char by_pool[300];

	snprintf(by_pool, sizeof(by_pool), "%s.xml", pool);
	return is_marked(p, by_pool, false) || marked;
}

/* A mark that marks nothing: a name mistyped, or a definition that has gone. */
static void report_marks(const struct config_files *files, config_item_fn *fn, void *arg)
{
	for (const struct config_mark *m = files->may_mark_others ? NULL : files->marks; m; m = m->next) {
		char origin[PATH_MAX + NAME_MAX + 16];
		struct err e = { 0 };

		/* what it marks was left out, which is said already */
		if (m->used || (files->cut && strcmp(m->name, files->cut) >= 0))
			continue;
		snprintf(origin, sizeof(origin), "%s/autostart/%s", files->dir, m->name);
		err_set(&e, ERR_INVALID, "%s: marks a pool for autostart that is not defined in %s", origin,
		        files->dir);
		fn(&(struct config_item){ .origin = origin, .problem = &e }, arg);
	}
}

/* Its own file NAME.xml is there as well, and has yet to be asked: a copy that was left beside it must not
 * win because of its name. */
static bool gives_way(const struct parse *p, const char *pool)
{
	char own[300];

	snprintf(own, sizeof(own), "%s.xml", pool);
	if (p->again || streq(own, p->file->name))
		return false;
	for (const struct config_file *f = p->files->first; f; f = f->next)
		if (streq(own, f->name))
			return true;
	return false;
}

/* The mark of a file that is not used marks nothing, which is said with it. */
static void report_second(const struct parse *p, const struct config_item *item, const struct seen *first)
{
	bool marked = is_marked(p, p->file->name, true) && !first->marked;
	struct err e = { 0 };

	err_set(&e, ERR_EXISTS,
	        "%s: pool \"%s\" is already defined in %s, which is the one that is used%s: remove this "
	        "file, or give it a name that does not end in .xml",
	        item->origin, item->def->name, first->origin,
	        marked ? " (and is not marked for autostart, as this one is)" : "");
	p->fn(&(struct config_item){ .origin = item->origin, .problem = &e }, p->arg);
}

/* A file has been parsed: its pool is told of, unless another file goes before it. */
static void on_item(const struct config_item *item, void *arg)
{
	struct parse *p = arg;
	struct config_item out = *item;

	p->file->defines = item->def != NULL;
	p->file->later = item->def && gives_way(p, item->def->name);
	if (p->file->later)
		return;
	for (const struct seen *s = p->seen; item->def && s; s = s->next)
		if (streq(s->name, item->def->name)) {
			report_second(p, item, s);
			return;
		}
	if (item->def) {
		struct seen *s = calloc(1, sizeof(*s));

		out.autostart = is_marked_by_either(p, item->def->name);
		if (s) {
			snprintf(s->name, sizeof(s->name), "%s", item->def->name);
			s->origin = item->origin;
			s->marked = out.autostart;
			s->next = p->seen;
			p->seen = s;
		}
	}
	p->fn(&out, p->arg);
}

/* A directory that somebody has named and that is not there would be silence where pools are expected. */
static void report_absent(const struct config_files *files, config_item_fn *fn, void *arg)
{
	struct err e = { 0 };

	if (!files->absent || files->may_be_absent)
		return;
	err_set(&e, ERR_INVALID,
	        "no definitions are read from %s: there is no such directory (make it, then \"poolctl "
	        "reload\")",
	        files->dir);
	fn(&(struct config_item){ .origin = files->dir, .problem = &e }, arg);
}

/* One file: told of as a pool, or as a problem. */
static void parse_file(struct parse *p)
{
	is_marked(p, p->file->name, true); /* also a mark of a bad definition marks something */
	if (p->file->error)
		p->fn(&(struct config_item){ .origin = p->file->origin, .problem = p->file->error }, p->arg);
	else
		config_read_text(p->file->text, p->file->len, p->file->origin, false, on_item, p);
}

void config_parse(const struct config_files *files, config_item_fn *fn, void *arg)
{
	struct parse p = { .fn = fn, .arg = arg, .files = files };
	struct xml_linger linger;

	report_absent(files, fn, arg);
	xml_linger(&linger);
	for (p.file = files->first; p.file; p.file = p.file->next)
		parse_file(&p);
	p.again = true;
	for (p.file = files->first; p.file; p.file = p.file->next)
		if (p.file->later)
			parse_file(&p);
	report_marks(files, fn, arg);
	config_secrets_parse(files, fn, arg);
	xml_linger_over(&linger);
	while (p.seen) {
		struct seen *s = p.seen;

		p.seen = s->next;
		free(s);
	}
}

int config_read_directory(const char *dir, bool may_be_absent, config_item_fn *fn, void *arg, struct err *e)
{
	struct config_files files;

	if (config_load(dir, NULL, &files, e) < 0)
		return -1;
	files.may_be_absent = may_be_absent;
	config_parse(&files, fn, arg);
	config_files_free(&files);
	return 0;
}

/* The pool that is looked for, and whether a file defines it. */
struct wanted {
	const char *pool;
	bool found;
};

static void look_for(const struct config_item *item, void *arg)
{
	struct wanted *w = arg;

	w->found |= item->def && streq(item->def->name, w->pool);
}

bool config_defines(const char *dir, const char *pool)
{
	struct wanted w = { pool, false };
	struct config_files files;

	if (config_load(dir, NULL, &files, NULL) < 0)
		return false;
	bool closed_in = sandbox_enter(NULL) == 0;
	for (const struct config_file *f = files.first; closed_in && f; f = f->next)
		/* most do not even have the word */
		if (f->text && memmem(f->text, f->len, pool, strlen(pool)))
			config_read_text(f->text, f->len, f->origin, false, look_for, &w);
	config_files_free(&files);
	return w.found;
}

/* Its bytes are wiped here: only the file has them afterwards. */
static int copy_secret(int from, const char *name, int into, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = file_read(from, name, SECRET_LIMIT, &text, e);

	if (rc >= 0)
		rc = file_replace(into, name, text.data, text.len, 0600, e);
	if (text.data)
		explicit_bzero(text.data, text.size);
	buf_free(&text);
	return rc < 0 ? -1 : 0;
}

int config_copy_secrets(const char *dir, const char *to, struct err *e)
{
	char path[PATH_MAX];
	struct dirent **names;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/secrets", dir);
	cleanup_close int from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot read the secrets in %s", path);
	if (file_mkdirs(to, 0700, e) < 0)
		return -1;
	cleanup_close int into = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = into < 0 ? -1 : scandir(path, &names, config_is_secret, alphasort);
	if (n < 0)
		return err_sys(e, errno, "cannot copy the secrets in %s", path);
	for (int i = 0; i < n; i++)
		if (copy_secret(from, names[i]->d_name, into, rc == 0 ? e : NULL) < 0)
			rc = err_wrap(rc == 0 ? e : NULL, ERR_KEEP, "secret %s of %s", names[i]->d_name,
			              path);
	config_names_free(names, n);
	return rc;
}

void config_drop_copies(const char *dir, const char *copies)
{
	char path[PATH_MAX];
	struct dirent **names;

	snprintf(path, sizeof(path), "%s/secrets", dir);
	int n = scandir(path, &names, config_is_secret, NULL);

	for (int i = 0; i < n; i++) {
		char *dot = strrchr(names[i]->d_name, '.');

		if (!dot || !streq(dot, ".xml"))
			continue;
		/* The definition first: a value without one is nobody's. */
		snprintf(path, sizeof(path), "%s/%s", copies, names[i]->d_name);
		unlink(path);
		*dot = '\0';
		snprintf(path, sizeof(path), "%s/%s.base64", copies, names[i]->d_name);
		unlink(path);
	}
	if (n >= 0)
		config_names_free(names, n);
}
