/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The secrets of a configuration directory, looked at when its definitions are read: nobody else says that
 * one of them is none before a pool needs it. Values are looked at where they are read, and forgotten;
 * definitions are parsed later, closed in.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include "base/file.h"
#include "base/util.h"
#include "pool/secret/secret.h"
#include "supervisor/config/config.h"

/* A file in secrets/ that is looked at, or of which something is wrong. */
struct config_secret {
	struct config_secret *next;
	struct err *problem; /* what is wrong already; or the definition's text: */
	char *text;
	size_t len;
	char name[UUID_TEXT]; /* of the file, without .xml; empty: it is no uuid */
	char origin[];
};

int config_is_secret(const struct dirent *d)
{
	return d->d_name[0] != '.' && (ends_with(d->d_name, ".xml") || ends_with(d->d_name, ".base64"));
}

/* In the order in which they come, which is that of their names. NULL: no memory. */
static struct config_secret *add_secret_file(struct config_files *files, const char *dir, const char *name)
{
	struct config_secret **at = files->last_secret ? files->last_secret : &files->secrets;
	size_t len = strlen(dir) + strlen(name) + 2;
	struct config_secret *s = calloc(1, sizeof(*s) + len);

	if (!s)
		return NULL;
	snprintf(s->origin, len, *name ? "%s/%s" : "%s", dir, name);
	*at = s;
	files->last_secret = &s->next;
	return s;
}

/* A message that begins with a path in `dir` says where that is for people: `as`. */
static int add_problem(struct config_files *files, const char *dir, const char *as, const char *name,
                       const struct err *why)
{
	struct config_secret *s = add_secret_file(files, as, name);
	const char *rest = starts_with(why->message, dir) ? why->message + strlen(dir) : NULL;

	if (s)
		s->problem = calloc(1, sizeof(*s->problem));
	if (!s || !s->problem)
		return -1;
	err_set(s->problem, why->class, rest ? "%s%s" : "%s: %s", rest ? as : s->origin,
	        rest ? rest : why->message);
	return 0;
}

/* A secret may be without a value, which is set later; a value without a secret is nobody's. */
static int look_at_value(struct config_files *files, const char *dir, const char *as, const char *name)
{
	cleanup_secret_value struct secret_value value = { 0 };
	char id[UUID_TEXT] = "", path[PATH_MAX];
	struct uuid uuid;
	struct err why = { 0 };

	if (strlen(name) == sizeof(id) - 1 + strlen(".base64"))
		memcpy(id, name, sizeof(id) - 1);
	if (!uuid_read(id, &uuid))
		err_set(&why, ERR_INVALID, "%s/%s is not named after the uuid of a secret", dir, name);
	else if ((size_t)snprintf(path, sizeof(path), "%s/%s.xml", dir, id) < sizeof(path) &&
	         access(path, F_OK) < 0 && errno == ENOENT)
		err_set(&why, ERR_INVALID, "%s/%s is the value of a secret that is not defined", dir, name);
	else if (secret_load_value(dir, &uuid, &value, &why) == 0 || err_is(&why, ERR_NO_SECRET))
		return 0;
	return add_problem(files, dir, as, name, &why);
}

/* The text is kept for the parser; what cannot be read is a problem already. */
static int look_at_definition(struct config_files *files, int dirfd, const char *dir, const char *as,
                              const char *name)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct config_secret *s;
	struct err why = { 0 };

	if (files->bytes > CONFIG_BYTES_LIMIT)
		return 0; /* it is not read twice what is already too much */
	if (file_read(dirfd, name, SECRET_XML_LIMIT, &text, &why) < 0)
		return add_problem(files, dir, as, name, &why);
	s = add_secret_file(files, as, name);
	if (!s)
		return -1;
	if (strlen(name) == sizeof(s->name) - 1 + strlen(".xml"))
		memcpy(s->name, name, sizeof(s->name) - 1);
	s->len = text.len;
	s->text = buf_steal(&text);
	return 0;
}

/* Values and definitions, as they come. Of definitions there is a limit; values are not kept. */
static int look_at_secrets(struct config_files *files, const char *dir, const char *as, struct dirent **names,
                           int n)
{
	cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err cut = { 0 };
	int rc = 0, read = 0, definitions = 0;

	for (int i = 0; i < n; i++)
		definitions += ends_with(names[i]->d_name, ".xml");
	for (int i = 0; i < n && rc == 0; i++) {
		if (ends_with(names[i]->d_name, ".base64"))
			rc = look_at_value(files, dir, as, names[i]->d_name);
		else if (read++ < SECRET_FILES_LIMIT)
			rc = look_at_definition(files, dirfd, dir, as, names[i]->d_name);
	}
	if (rc == 0 && definitions > SECRET_FILES_LIMIT) {
		err_set(&cut, ERR_LIMIT, "%.200s holds %d secrets: only the first %d by name are read", dir,
		        definitions, SECRET_FILES_LIMIT);
		rc = add_problem(files, dir, as, "", &cut);
	}
	return rc;
}

int config_secrets_load(const char *dir, const char *as, struct config_files *out, struct err *e)
{
	char path[PATH_MAX], shown[PATH_MAX];
	struct dirent **names;
	int rc, n;

	snprintf(path, sizeof(path), "%s/secrets", dir);
	snprintf(shown, sizeof(shown), "%s/secrets", as);
	n = scandir(path, &names, config_is_secret, alphasort);
	if (n < 0)
		return 0; /* whoever looks for one says that it cannot be read */
	rc = look_at_secrets(out, path, shown, names, n);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return rc < 0 ? err_set(e, ERR_NO_MEMORY, "cannot look at the secrets in %s: out of memory", shown)
	              : 0;
}

/* ---- closed in ---- */

/* What secrets were for so far in this directory. */
struct use {
	struct use *next;
	enum secret_usage usage;
	const char *origin;
	char id[];
};

/* Two secrets for one use: the first is used, the second is a problem. */
static int keep_use(struct use **uses, const struct secret_def *s, const char *origin, struct err *e)
{
	size_t len = s->usage_id ? strlen(s->usage_id) + 1 : 0;
	struct use *u;

	if (s->usage == SECRET_NONE || !len)
		return 0;
	for (u = *uses; u; u = u->next)
		if (u->usage == s->usage && streq(u->id, s->usage_id))
			return err_set(
				e, ERR_EXISTS,
				"%s is for %s %.100s, and so is %s: the first one by its file's name is used",
				origin, secret_usage_word(s->usage), s->usage_id, u->origin);
	u = calloc(1, sizeof(*u) + len);
	if (!u)
		return err_set(e, ERR_NO_MEMORY, "cannot look at %s: out of memory", origin);
	u->usage = s->usage;
	u->origin = origin;
	memcpy(u->id, s->usage_id, len);
	u->next = *uses;
	*uses = u;
	return 0;
}

/* Parse one definition: is it a secret, is it in the file of its name, and is it the first for its use? */
static int check(const struct config_secret *it, struct use **uses, struct err *e)
{
	struct secret_def s;
	char uuid[UUID_TEXT];
	int rc = 0;

	if (secret_read(&s, it->text ? it->text : "", it->len, it->origin, e) < 0)
		return -1;
	if (!s.uuid_given)
		rc = err_set(e, ERR_INVALID, "%s: the secret has no <uuid>, and is not used", it->origin);
	else if (!secret_is_named(it->name, &s.uuid))
		rc = err_set(e, ERR_INVALID,
		             "%s: the file is not named after its secret (%s.xml), which is not used",
		             it->origin, uuid_print(&s.uuid, uuid));
	else
		rc = keep_use(uses, &s, it->origin, e);
	secret_def_free(&s);
	return rc;
}

void config_secrets_parse(const struct config_files *files, config_item_fn *fn, void *arg)
{
	struct use *uses = NULL;

	for (const struct config_secret *s = files->secrets; s; s = s->next) {
		struct err e = { 0 };

		if (s->problem || check(s, &uses, &e) < 0)
			fn(&(struct config_item){ .origin = s->origin,
			                          .problem = s->problem ? s->problem : &e },
			   arg);
	}
	while (uses) {
		struct use *u = uses;

		uses = u->next;
		free(u);
	}
}

void config_secrets_free(struct config_files *files)
{
	while (files->secrets) {
		struct config_secret *s = files->secrets;

		files->secrets = s->next;
		free(s->problem);
		free(s->text);
		free(s);
	}
	files->last_secret = NULL;
}
