/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Secrets in libvirt's layout: DIR/UUID.xml and DIR/UUID.base64. The value passes through one buffer of known
 * size, which is wiped; nothing of it enters an error.
 */
#include "pool/secret/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/voldef.h"
#include "pool/xml.h"

#define FILE_LIMIT (96 * 1024) /* of the base64 file: a value of 64 KiB with line ends */
_Static_assert(FILE_LIMIT > SECRET_VALUE_LIMIT / 3 * 4 + 4, "the largest value, as base64");

/* What <usage type=…> may be, and the element that names its object. */
/* clang-format off */
static const struct { const char *word, *element; } usages[] = {
	[SECRET_NONE] = { "none", NULL },
	[SECRET_VOLUME] = { "volume", "volume" },
	[SECRET_CEPH] = { "ceph", "name" },
	[SECRET_ISCSI] = { "iscsi", "target" },
	[SECRET_TLS] = { "tls", "name" },
	[SECRET_VTPM] = { "vtpm", "name" },
};
/* clang-format on */

const char *secret_usage_word(enum secret_usage u)
{
	demand_or((unsigned)u < ARRAY_LEN(usages), "");
	return usages[u].word;
}

enum secret_usage secret_usage_from_word(const char *word)
{
	demand_or(word, SECRET_NONE);
	for (size_t i = 0; i < ARRAY_LEN(usages); i++)
		if (streq(usages[i].word, word))
			return (enum secret_usage)i;
	return SECRET_NONE;
}

/* ---- definitions ---- */

static int read_flag(struct secret_def *s, const xmlNode *root, const char *name, bool *out,
                     const char *source, struct err *e)
{
	const char *text = xml_attr(&s->arena, root, name);

	if (text && !streq(text, "yes") && !streq(text, "no"))
		return xml_refuse(e, source, root, "%s=\"%.40s\" of <secret> is neither yes nor no", name,
		                  text);
	*out = text && streq(text, "yes");
	return 0;
}

/* What it is for, and for which object: each usage has an element of its own for that. */
static int read_usage(struct secret_def *s, const xmlNode *root, const char *source, struct err *e)
{
	const xmlNode *node = xml_child(root, "usage");
	const char *word = xml_attr(&s->arena, node, "type");

	if (!node)
		return 0;
	if (!word)
		return xml_refuse(e, source, node, "<usage> has no type");
	for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
		if (!streq(usages[i].word, word))
			continue;
		s->usage = (enum secret_usage)i;
		if (!usages[i].element)
			return 0;
		s->usage_id = xml_child_text(&s->arena, node, usages[i].element);
		if (!s->usage_id)
			return xml_refuse(e, source, node, "<usage type='%s'> has no <%s>", word,
			                  usages[i].element);
		return 0;
	}
	return xml_refuse(e, source, node,
	                  "unknown usage type \"%.40s\": volume, ceph, iscsi, tls and vtpm are known", word);
}

/* The document's parts. Unknown elements are ignored, as libvirt does. */
static int read_secret(struct secret_def *s, const xmlNode *root, const char *source, struct err *e)
{
	const xmlNode *uuid = xml_child(root, "uuid");
	const char *text = xml_text(&s->arena, uuid);

	if (read_flag(s, root, "ephemeral", &s->ephemeral, source, e) < 0 ||
	    read_flag(s, root, "private", &s->private, source, e) < 0)
		return -1;
	s->uuid_given = text != NULL;
	if (!text)
		uuid_make(&s->uuid);
	else if (!uuid_read(text, &s->uuid))
		return xml_refuse(e, source, uuid, "\"%.60s\" is not a UUID", text);
	s->description = xml_child_text(&s->arena, root, "description");
	if (read_usage(s, root, source, e) < 0)
		return -1;
	return s->arena.failed ? err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", source) : 0;
}

int secret_read(struct secret_def *s, const char *xml, size_t len, const char *source, struct err *e)
{
	demand(s && source && (xml || len == 0), e);

	cleanup_xml xmlDoc *doc = NULL;

	memset(s, 0, sizeof(*s));
	doc = xml_open(xml, len, SECRET_XML_LIMIT, source, "secret", e);
	if (!doc)
		return -1;
	if (read_secret(s, xmlDocGetRootElement(doc), source, e) < 0) {
		secret_def_free(s);
		return -1;
	}
	return 0;
}

void secret_print(const struct secret_def *s, struct buf *out)
{
	char uuid[UUID_TEXT];

	buf_printf(out, "<secret ephemeral='%s' private='%s'>\n", s->ephemeral ? "yes" : "no",
	           s->private ? "yes" : "no");
	buf_printf(out, "  <uuid>%s</uuid>\n", uuid_print(&s->uuid, uuid));
	if (s->description) {
		buf_adds(out, "  <description>");
		xml_escape(out, s->description);
		buf_adds(out, "</description>\n");
	}
	if (s->usage != SECRET_NONE) {
		const char *element = usages[s->usage].element;

		buf_printf(out, "  <usage type='%s'>\n    <%s>", usages[s->usage].word, element);
		xml_escape(out, s->usage_id);
		buf_printf(out, "</%s>\n  </usage>\n", element);
	}
	buf_adds(out, "</secret>\n");
}

void secret_def_free(struct secret_def *s)
{
	arena_free(&s->arena);
	memset(s, 0, sizeof(*s));
}

/* ---- looking for one ---- */

static int load_def(const char *path, struct secret_def *s, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(AT_FDCWD, path, SECRET_XML_LIMIT, &text, e) < 0)
		return -1;
	return secret_read(s, buf_str(&text), text.len, path, e);
}

bool secret_is_named(const char *name, const struct uuid *uuid)
{
	char text[UUID_TEXT];

	return strcasecmp(name, uuid_print(uuid, text)) == 0;
}

int secret_load(const char *dir, const char *name, struct secret_def *s, struct err *e)
{
	demand(dir && name, e);

	char path[PATH_MAX], text[UUID_TEXT];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return err_set(e, ERR_TOO_LONG,
		               "cannot read secret %s: the name of its directory is too long", name);
	if (load_def(path, s, e) < 0)
		return -1;
	/* libvirt refuses such a file as well: found under one UUID it would be used as another secret. */
	if (s->uuid_given && strlen(name) == UUID_TEXT - 1 + 4 &&
	    strncasecmp(name, uuid_print(&s->uuid, text), UUID_TEXT - 1) == 0)
		return 0;
	secret_def_free(s);
	return err_set(e, ERR_INVALID, "%s does not define the secret that it is named after", path);
}

/* 1: found; 0: this directory has none of that UUID. */
static int find_by_uuid(const char *dir, const struct uuid *uuid, struct secret_def *s, struct err *e)
{
	char text[UUID_TEXT], name[UUID_TEXT + 4], path[PATH_MAX];

	snprintf(name, sizeof(name), "%s.xml", uuid_print(uuid, text));
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path) ||
	    (access(path, F_OK) < 0 && errno == ENOENT))
		return 0;
	return secret_load(dir, name, s, e) < 0 ? -1 : 1;
}

/* Of the directory's entries those that may be definitions: whatever ends in .xml. */
static int is_xml_entry(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 4 && streq(d->d_name + len - 4, ".xml");
}

/* The same by usage. A file that is no secret is passed over. Of several that match, the one with the
 * smallest file name counts. */
static int find_by_usage(const char *dir, enum secret_usage usage, const char *id, struct secret_def *found,
                         struct err *e)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_xml_entry, alphasort), matched = 0;

	if (n < 0)
		return errno == ENOMEM ? err_sys(e, errno, "cannot list %s", dir) : 0;
	for (int i = 0, read = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		struct secret_def s;

		if (!matched && read < SECRET_FILES_LIMIT && secret_load(dir, name, &s, NULL) == 0) {
			read++;
			matched = s.usage == usage && s.usage != SECRET_NONE && streq(s.usage_id, id);
			if (matched)
				*found = s;
			else
				secret_def_free(&s);
		}
		free(names[i]);
	}
	free(names);
	return matched;
}

/* ---- its value ---- */

/* The file's bytes in memory that the caller wipes: not through a growing buffer, which would leave copies
 * behind. */
static int read_base64(const char *path, char *out, size_t size, size_t *len, struct err *e)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT
		               ? err_set(e, ERR_NO_SECRET,
		                         "the secret is defined, but has no value: %s is missing", path)
		               : err_sys(e, errno, "cannot read %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > size)
		return err_set(e, ERR_INVALID, "%s is not a file of at most %zu bytes", path, size);
	for (*len = 0; *len < size;) {
		ssize_t n = read(fd, out + *len, size - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read %s", path);
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

/* base64 is longer than what it means, so that its own length is room enough. */
static int decode_value(const char *path, const char *text, size_t len, struct secret_value *out,
                        struct err *e)
{
	long n;

	out->data = malloc(len + 1);
	out->len = len;
	if (!out->data)
		return err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", path);
	n = base64_decode(text, len, out->data, len);
	if (n <= 0) {
		secret_value_free(out);
		return err_set(e, ERR_INVALID, n == 0 ? "%s holds an empty secret" : "%s is not base64",
		               path);
	}
	out->len = (size_t)n;
	out->data[n] = '\0';
	return 0;
}

int secret_load_value(const char *dir, const struct uuid *uuid, struct secret_value *out, struct err *e)
{
	char path[PATH_MAX], id[UUID_TEXT], *text;
	size_t len = 0;
	int result;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.base64", dir, uuid_print(uuid, id)) >= sizeof(path))
		return err_set(e, ERR_TOO_LONG, "cannot read the secret: the name of %.100s… is too long",
		               dir);
	text = malloc(FILE_LIMIT);
	if (!text)
		return err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", path);
	result = read_base64(path, text, FILE_LIMIT, &len, e);
	if (result == 0)
		result = decode_value(path, text, len, out, e);
	explicit_bzero(text, FILE_LIMIT);
	free(text);
	return result;
}

/* ---- the question that a pool, or a volume, asks ---- */

/* A secret, as a document asks for it: by its UUID or by what it is for. */
struct usage_question {
	bool by_uuid;
	const struct uuid *uuid;
	const char *id;
	enum secret_usage usage; /* what it must be for */
};

/* The sentence names where it was looked for: mostly a directory is the wrong one. */
static int not_found(const struct usage_question *q, const char *const *dirs, struct err *e)
{
	char uuid[UUID_TEXT], where[300] = "";
	size_t used = 0;

	for (; *dirs && used < sizeof(where); dirs++)
		used += (size_t)snprintf(where + used, sizeof(where) - used, "%s%s", used ? ", " : "", *dirs);
	if (q->by_uuid)
		return err_set(e, ERR_NO_SECRET, "no secret with uuid %s in %s", uuid_print(q->uuid, uuid),
		               where);
	return err_set(e, ERR_NO_SECRET, "no secret with usage \"%.100s\" in %s", q->id, where);
}

/* The first directory that has the secret answers, also when its answer is an error: going on to the next
 * would use an older value without a word. */
static int find_value(const struct usage_question *q, const char *const *dirs, struct secret_value *out,
                      struct err *e)
{
	*out = (struct secret_value){ 0 };
	for (const char *const *dir = dirs; *dir; dir++) {
		struct secret_def s;
		char uuid[UUID_TEXT];
		int found, result;

		found = q->by_uuid ? find_by_uuid(*dir, q->uuid, &s, e)
		                   : find_by_usage(*dir, q->usage, q->id, &s, e);
		if (found < 0)
			return -1;
		if (!found)
			continue;
		if (s.usage != q->usage)
			result = err_set(e, ERR_INVALID, "secret %s in %s is for %s, not for %s",
			                 uuid_print(&s.uuid, uuid), *dir, usages[s.usage].word,
			                 usages[q->usage].word);
		else
			result = secret_load_value(*dir, &s.uuid, out, e);
		out->private = result == 0 && s.private;
		secret_def_free(&s);
		return result;
	}
	return not_found(q, dirs, e);
}

int secret_find(const struct pool_auth *auth, const char *const *dirs, struct secret_value *out,
                struct err *e)
{
	demand(auth->kind != AUTH_NONE && dirs, e);

	struct usage_question q = { auth->by_uuid, &auth->secret_uuid, auth->secret_usage,
		                    auth->kind == AUTH_CEPH ? SECRET_CEPH : SECRET_ISCSI };

	return find_value(&q, dirs, out, e);
}

int secret_find_volume(const struct volume_secret *secret, const char *const *dirs, struct secret_value *out,
                       struct err *e)
{
	demand(secret && dirs, e);

	struct usage_question q = { secret->by_uuid, &secret->uuid, secret->usage, SECRET_VOLUME };

	return find_value(&q, dirs, out, e);
}

int secret_find_by_uuid(const struct uuid *uuid, const char *const *dirs, struct secret_value *out,
                        struct err *e)
{
	demand(uuid && dirs, e);

	struct usage_question q = { true, uuid, NULL, SECRET_NONE };

	return find_value(&q, dirs, out, e);
}

void secret_value_free(struct secret_value *v)
{
	if (v->data)
		explicit_bzero(v->data, v->len);
	free(v->data);
	*v = (struct secret_value){ 0 };
}
