/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keeping secrets, as libvirt lays them out: DIR/UUID.xml and DIR/UUID.base64. Every file is replaced as a
 * whole. Where a secret moves from one directory to the other it is complete in the new one before it leaves
 * the old one, and at each moment one of the two is what counts.
 */
#include "pool/secret/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"

/* One secret that counts. */
struct secret_entry {
	struct secret_def def;
	const char *dir;
};

struct entries {
	struct secret_entry *items;
	size_t n, room;
};

static void entries_free(struct entries *l)
{
	for (size_t i = 0; i < l->n; i++)
		secret_def_free(&l->items[i].def);
	free(l->items);
}

/* ---- names ---- */

static int path_of(char path[PATH_MAX], const char *dir, const struct uuid *uuid, const char *suffix,
                   struct err *e)
{
	char text[UUID_TEXT];

	if ((size_t)snprintf(path, PATH_MAX, "%s/%s%s", dir, uuid_print(uuid, text), suffix) < PATH_MAX)
		return 0;
	return err_set(e, ERR_TOO_LONG, "the name of the directory of secrets %.100s… is too long", dir);
}

/* Not followed: a link in the place of a secret's file is a file of that name, too. */
static bool secret_file_exists(const char *dir, const struct uuid *uuid, const char *suffix)
{
	char path[PATH_MAX];

	return path_of(path, dir, uuid, suffix, NULL) == 0 &&
	       faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* "UUID" and this suffix, and nothing else. */
static bool is_secret_file(const char *name, const char *suffix)
{
	char text[UUID_TEXT];
	struct uuid uuid;

	if (strlen(name) != UUID_TEXT - 1 + strlen(suffix) || !streq(name + UUID_TEXT - 1, suffix))
		return false;
	memcpy(text, name, UUID_TEXT - 1);
	text[UUID_TEXT - 1] = '\0';
	return uuid_read(text, &uuid);
}

static int is_secret_xml(const struct dirent *d)
{
	return is_secret_file(d->d_name, ".xml");
}

static bool is_store_file(const char *name)
{
	return is_secret_file(name, ".xml") || is_secret_file(name, ".base64");
}

/* ---- what there is ---- */

static void sweep_store(const char *dir)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		file_sweep(fd, is_store_file);
}

void secret_store_sweep(const struct secret_store *st)
{
	sweep_store(st->run);
	if (st->config)
		sweep_store(st->config);
}

static const struct secret_entry *entry_by_uuid(const struct entries *l, const struct uuid *uuid)
{
	for (size_t i = 0; i < l->n; i++)
		if (uuid_equal(&l->items[i].def.uuid, uuid))
			return &l->items[i];
	return NULL;
}

/* The definition is the list's from now on. */
static int add_entry(struct entries *l, struct secret_def *def, const char *dir, struct err *e)
{
	if (l->n == l->room) {
		struct secret_entry *more = realloc(l->items, (l->room + 64) * sizeof(*more));

		if (!more)
			return err_set(e, ERR_NO_MEMORY, "cannot read the secrets in %s: out of memory", dir);
		l->items = more;
		l->room += 64;
	}
	l->items[l->n++] = (struct secret_entry){ *def, dir };
	return 0;
}

/* A directory that is not there has none; one that cannot be read is an error: what is in it may be what is
 * asked for. The limit is each directory's own, as it is for a pool that looks for its secret. */
static int read_store_dir(const char *dir, struct entries *l, struct err *e)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_secret_xml, alphasort), result = 0;

	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : err_sys(e, errno, "cannot read the secrets in %s", dir);
	for (int i = 0, read = 0; i < n; i++) {
		struct secret_def s;

		if (result == 0 && read < SECRET_FILES_LIMIT &&
		    secret_load(dir, names[i]->d_name, &s, NULL) == 0) {
			read++;
			result = entry_by_uuid(l, &s.uuid) ? 1 : add_entry(l, &s, dir, e);
			if (result)
				secret_def_free(&s);
			result = result < 0 ? -1 : 0;
		}
		free(names[i]);
	}
	free(names);
	return result;
}

static int by_uuid(const void *a, const void *b)
{
	char x[UUID_TEXT], y[UUID_TEXT];

	return strcmp(uuid_print(&((const struct secret_entry *)a)->def.uuid, x),
	              uuid_print(&((const struct secret_entry *)b)->def.uuid, y));
}

/* The directories come in their order and the first that has a UUID counts, so that those of the later ones
 * are passed over. */
static int read_all(const struct secret_store *st, struct entries *l, struct err *e)
{
	*l = (struct entries){ 0 };
	for (const char *const *dir = st->dirs; *dir; dir++)
		if (read_store_dir(*dir, l, e) < 0) {
			entries_free(l);
			return -1;
		}
	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), by_uuid);
	return 0;
}

int secret_store_each(const struct secret_store *st,
                      int (*fn)(const struct secret_def *s, bool has_value, void *arg), void *arg,
                      struct err *e)
{
	demand(st->dirs && fn, e);

	struct entries l;
	int result = 0;

	if (read_all(st, &l, e) < 0)
		return -1;
	for (size_t i = 0; l.items && i < l.n && result >= 0; i++)
		result = fn(&l.items[i].def,
		            secret_file_exists(l.items[i].dir, &l.items[i].def.uuid, ".base64"), arg);
	entries_free(&l);
	return result;
}

/* The first secret for that object, and how many there are: with more than one the question is ambiguous,
 * and picking one could change the wrong secret. */
static struct secret_entry *entry_by_usage(const struct entries *l, const char *id, int *found)
{
	struct secret_entry *first = NULL;

	*found = 0;
	for (size_t i = 0; l->items && i < l->n; i++)
		if (l->items[i].def.usage_id && streq(l->items[i].def.usage_id, id) && !(*found)++)
			first = &l->items[i];
	return first;
}

int secret_store_find(const struct secret_store *st, const char *which, struct secret_def *s,
                      const char **dir, struct err *e)
{
	demand(which && s && dir, e);

	struct entries l;
	struct secret_entry *it;
	struct uuid uuid;
	int found = 1, result = 0;

	if (read_all(st, &l, e) < 0)
		return -1;
	it = uuid_read(which, &uuid) ? (struct secret_entry *)(uintptr_t)entry_by_uuid(&l, &uuid) : NULL;
	if (!it)
		it = entry_by_usage(&l, which, &found);
	if (!it)
		result = err_set(e, ERR_NO_SECRET, "there is no secret with uuid or usage \"%.100s\"", which);
	else if (found > 1)
		result = err_set(e, ERR_INVALID,
		                 "%d secrets are for \"%.100s\": name it by its uuid (secret-list)", found,
		                 which);
	if (result == 0) {
		*s = it->def;
		*dir = it->dir;
		it->def = (struct secret_def){ 0 }; /* the caller's now */
	}
	entries_free(&l);
	return result;
}

/* ---- writing ---- */

/* Write a definition, with libvirt's warning for whoever opens the file. The directory is root's alone. */
static int write_def(const char *dir, const struct secret_def *s, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[PATH_MAX], uuid[UUID_TEXT];

	if (file_mkdirs_kept(dir, 0700, e) < 0 || path_of(path, dir, &s->uuid, ".xml", e) < 0)
		return -1;
	buf_printf(&text,
	           "<!--\nWritten by poolinit. Changes made to this file by hand may be overwritten and "
	           "lost. Secret\n  %s\nis changed with poolctl secret-define and secret-set-value.\n-->\n\n",
	           uuid_print(&s->uuid, uuid));
	secret_print(s, &text);
	if (text.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot keep the secret: out of memory");
	if (text.len > SECRET_XML_LIMIT) /* it would not be read again */
		return err_set(e, ERR_TOO_LONG,
		               "written out, the definition has %zu bytes; at most %d are accepted", text.len,
		               SECRET_XML_LIMIT);
	return file_replace(AT_FDCWD, path, text.data, text.len, 0600, e);
}

/* Through one buffer of known size, so that no copy stays behind. */
static int write_value(const char *dir, const struct uuid *uuid, const void *value, size_t len, struct err *e)
{
	struct buf text = { .size = (len + 2) / 3 * 4 + 1 };
	char path[PATH_MAX];
	int result;

	if (file_mkdirs_kept(dir, 0700, e) < 0 || path_of(path, dir, uuid, ".base64", e) < 0)
		return -1;
	text.data = malloc(text.size);
	if (!text.data)
		return err_set(e, ERR_NO_MEMORY, "cannot keep the secret's value: out of memory");
	base64_encode(value, len, &text);
	result = text.failed ? err_set(e, ERR_NO_MEMORY, "cannot keep the secret's value: out of memory")
	                     : file_replace(AT_FDCWD, path, text.data, text.len, 0600, e);
	explicit_bzero(text.data, text.size);
	free(text.data);
	return result;
}

/* Remove a file of the secret. Looked for first, so that a read-only directory without it is no failure. */
static int remove_secret_file(const char *dir, const struct uuid *uuid, const char *suffix, struct err *e)
{
	char path[PATH_MAX];

	if (!secret_file_exists(dir, uuid, suffix))
		return 0;
	return path_of(path, dir, uuid, suffix, e) < 0 ? -1 : file_remove(AT_FDCWD, path, e);
}

/* A configuration that cannot be written is no failure: the secret then lives in run_dir, for this boot. */
static bool is_not_writable(const struct err *e)
{
	return e->class == ERR_READ_ONLY || e->class == ERR_DENIED;
}

/* Where a directory stands in the order of the search; the number of directories, if it is not among them. */
static size_t place_of(const struct secret_store *st, const char *dir)
{
	size_t i = 0;

	while (st->dirs[i] && !streq(st->dirs[i], dir))
		i++;
	return i;
}

/* Would the secret count if it were in the configuration, as long as it is in dir too (NULL: it is nowhere)?
 * What is in run_dir is taken away. */
static bool config_counts(const struct secret_store *st, const char *dir)
{
	return st->config && (!dir || streq(dir, st->run) || place_of(st, st->config) <= place_of(st, dir));
}

/* The value first: until the definition follows nobody looks at it. One that is there already stays. */
static int keep_in(const char *dir, const struct secret_def *s, const char *from,
                   const struct secret_value *value, struct err *e)
{
	if (value->len && (!from || !streq(from, dir)) &&
	    write_value(dir, &s->uuid, value->data, value->len, e) < 0)
		return -1;
	return write_def(dir, s, e);
}

/* Keep the secret in the configuration, if that can be written and the secret is not ephemeral; else in
 * run_dir. `from`: where it is now, or NULL. value.len 0: it has no value. */
static int keep_secret(const struct secret_store *st, const struct secret_def *s, const char *from,
                       const struct secret_value *value, enum secret_kept *kept, struct err *e)
{
	struct err why = { 0 };

	*kept = KEPT_CONFIG;
	if (!s->ephemeral && config_counts(st, from)) {
		if (keep_in(st->config, s, from, value, &why) == 0) {
			/* The one in run_dir counts until its definition goes. */
			return remove_secret_file(st->run, &s->uuid, ".xml", e) < 0
			               ? -1
			               : remove_secret_file(st->run, &s->uuid, ".base64", e);
		}
		if (!is_not_writable(&why)) {
			*e = why;
			return -1;
		}
	}
	*kept = KEPT_RUN;
	if (keep_in(st->run, s, from, value, e) < 0)
		return -1;
	if (!s->ephemeral || !st->config)
		return 0;
	/* If the configuration cannot be written, an older copy stays there as well, and does not count. */
	if (remove_secret_file(st->config, &s->uuid, ".base64", &why) < 0 ||
	    remove_secret_file(st->config, &s->uuid, ".xml", &why) < 0)
		return is_not_writable(&why) ? 0 : (*e = why, -1);
	return 0;
}

/* ---- define ---- */

static const char *usage_text(const struct secret_def *s, char *out, size_t size)
{
	snprintf(out, size, "%s%s%.100s", secret_usage_word(s->usage), s->usage_id ? " " : "",
	         s->usage_id ? s->usage_id : "");
	return out;
}

static bool same_usage(const struct secret_def *a, const struct secret_def *b)
{
	return a->usage == b->usage && streq_null(a->usage_id, b->usage_id);
}

/* libvirt's rules. */
static int check_redefinition(const struct entries *l, const struct secret_def *s,
                              const struct secret_entry *old, struct err *e)
{
	char uuid[UUID_TEXT], usage[160];

	if (old && !same_usage(&old->def, s))
		return err_set(e, ERR_EXISTS,
		               "secret %s is already defined for use with %s: that cannot be changed",
		               uuid_print(&s->uuid, uuid), usage_text(&old->def, usage, sizeof(usage)));
	for (size_t i = 0; i < l->n; i++)
		if (&l->items[i] != old && s->usage != SECRET_NONE && same_usage(&l->items[i].def, s))
			return err_set(e, ERR_EXISTS, "secret %s is already defined for use with %s",
			               uuid_print(&l->items[i].def.uuid, uuid),
			               usage_text(s, usage, sizeof(usage)));
	if (old && old->def.private && !s->private)
		return err_set(e, ERR_DENIED, "secret %s is private and stays so: it can only be undefined",
		               uuid_print(&s->uuid, uuid));
	if (!old && l->n >= SECRET_FILES_LIMIT)
		return err_set(e, ERR_LIMIT, "there are %d secrets already", SECRET_FILES_LIMIT);
	return 0;
}

static int define_secret(const struct secret_store *st, const struct secret_def *s,
                         const struct secret_entry *old, enum secret_kept *kept, struct err *e)
{
	cleanup_secret_value struct secret_value value = { 0 };
	struct err why = { 0 };

	/* The value moves with its definition. A value that nobody can use is left where it is. */
	if (old && secret_file_exists(old->dir, &s->uuid, ".base64") &&
	    secret_load_value(old->dir, &s->uuid, &value, &why) < 0 && why.class != ERR_INVALID) {
		*e = why;
		return -1;
	}
	return keep_secret(st, s, old ? old->dir : NULL, &value, kept, e);
}

int secret_store_define(const struct secret_store *st, const struct secret_def *s, enum secret_kept *kept,
                        struct err *e)
{
	demand(kept, e);

	char uuid[UUID_TEXT];
	const struct secret_entry *old;
	struct entries l;
	int result;

	if (read_all(st, &l, e) < 0)
		return -1;
	old = entry_by_uuid(&l, &s->uuid);
	result = check_redefinition(&l, s, old, e);
	if (result == 0 && define_secret(st, s, old, kept, e) < 0)
		result = err_wrap(e, ERR_KEEP, "cannot keep secret %s", uuid_print(&s->uuid, uuid));
	entries_free(&l);
	return result;
}

/* ---- the value ---- */

int secret_store_set(const struct secret_store *st, const struct secret_def *s, const char *dir,
                     const void *value, size_t len, enum secret_kept *kept, struct err *e)
{
	demand(dir && value && len > 0 && kept, e);

	struct secret_value given = { .data = (unsigned char *)(uintptr_t)value, .len = len };
	char uuid[UUID_TEXT];
	struct err why = { 0 };
	bool in_config = st->config && streq(dir, st->config);
	int result;

	*kept = in_config ? KEPT_CONFIG : KEPT_RUN;
	if (!in_config && !streq(dir, st->run))
		/* not ours to write: with its definition to where it is */
		result = keep_secret(st, s, dir, &given, kept, e);
	else
		result = write_value(dir, &s->uuid, value, len, &why);
	if (result < 0 && in_config && is_not_writable(&why)) {
		*kept = KEPT_RUN;
		result = keep_in(st->run, s, dir, &given, e);
	} else if (result < 0 && why.class) {
		*e = why;
	}
	return result < 0 ? err_wrap(e, ERR_KEEP, "cannot keep the value of secret %s",
	                             uuid_print(&s->uuid, uuid))
	                  : 0;
}

/* ---- undefine ---- */

int secret_store_forget(const struct secret_store *st, const struct secret_def *s, struct err *e)
{
	const char *const ours[] = { st->config, st->run };
	char uuid[UUID_TEXT];

	for (const char *const *dir = st->dirs; *dir; dir++)
		if (!streq(*dir, st->run) && (!st->config || !streq(*dir, st->config)) &&
		    secret_file_exists(*dir, &s->uuid, ".xml"))
			return err_set(e, ERR_STATE,
			               "secret %s comes from %s, which is only read: remove it there",
			               uuid_print(&s->uuid, uuid), *dir);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (ours[i] && (remove_secret_file(ours[i], &s->uuid, ".base64", e) < 0 ||
		                remove_secret_file(ours[i], &s->uuid, ".xml", e) < 0))
			return err_wrap(e, ERR_KEEP, "cannot forget secret %s", uuid_print(&s->uuid, uuid));
	return 0;
}
