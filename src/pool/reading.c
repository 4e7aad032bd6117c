/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What all documents are read with: values, lists, permissions, references to secrets. As libvirt reads them:
 * empty counts as absent, text is trimmed of line breaks only, numbers are whole. Stricter in one point: no
 * value holds control characters.
 */
#include "pool/reading.h"

#include <errno.h>
#include <string.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/check.h"

/* ---- values ---- */

/* One value, refused if it could break a line of the log or of the protocol. *out is set in either case. */
static int checked(struct reading *r, const xmlNode *node, const char *name, const char *text,
                   const char **out)
{
	*out = text;
	if (text && !check_text(text))
		return refuse(r, node, "\"%s\" contains control characters", name);
	return 0;
}

int read_attr(struct reading *r, const xmlNode *node, const char *name, const char **out)
{
	return checked(r, node, name, xml_attr(r->a, node, name), out);
}

int read_child(struct reading *r, const xmlNode *parent, const char *name, const char **out)
{
	const xmlNode *node = xml_child(parent, name);

	return checked(r, node, name, xml_text(r->a, node), out);
}

int read_yes_no(struct reading *r, const xmlNode *node, const char *name, int *out)
{
	const char *text = xml_attr(r->a, node, name);

	*out = -1;
	if (!text)
		return 0;
	if (!streq(text, "yes") && !streq(text, "no"))
		return refuse(r, node, "%s=\"%.40s\" of <%s> is neither yes nor no", name, text,
		              (const char *)node->name);
	*out = streq(text, "yes");
	return 0;
}

bool read_number(const char *text, int base, long long min, long long max, long long *out)
{
	demand_or(text && min <= max, false);

	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, base);
	if (errno || end == text || *end || value < min || value > max)
		return false;
	*out = value;
	return true;
}

int read_append(struct reading *r, const void *list, size_t *n, const void *item, size_t size)
{
	demand(item && size > 0, r->e);

	void **items = (void **)list;
	char *grown = arena_grow(r->a, *items, *n, size);

	if (!grown)
		return err_set(r->e, ERR_NO_MEMORY, "cannot read %s: out of memory", r->source);
	memcpy(grown + *n * size, item, size);
	*items = grown;
	(*n)++;
	return 0;
}

/* ---- <permissions> ---- */

/* libvirt reads these as XPath does: white space around the number does not count. */
static bool read_id_number(struct arena *a, const char *text, long long *out)
{
	static const char space[] = " \t\r\n";
	size_t len = strlen(text);

	while (len > 0 && strchr(space, text[len - 1]))
		len--;
	text = arena_strndup(a, text, len);
	return text && !strchr(text, '+') && read_number(text, 10, -1, UINT32_MAX, out);
}

/* An owner or group: a number, -1 for "leave it"; an empty element is none. */
static int read_id(struct reading *r, const xmlNode *perms, const char *name, int64_t *out)
{
	const xmlNode *node = xml_child(perms, name);
	const char *text = xml_text(r->a, node);
	long long id;

	*out = -1;
	if (!node)
		return 0;
	if (!text || !read_id_number(r->a, text, &id))
		return refuse(r, node, "\"%.40s\" is not a numeric %s", text ? text : "", name);
	*out = id == UINT32_MAX ? -1 : id; /* the two mean the same to chown(2) */
	return 0;
}

int read_permissions(struct reading *r, const xmlNode *parent, struct pool_perms *p)
{
	demand(p, r->e);

	const xmlNode *perms = xml_child(parent, "permissions");
	const char *text = xml_child_text(r->a, perms, "mode");
	long long mode;

	*p = (struct pool_perms){ .given = perms != NULL, .mode = -1, .owner = -1, .group = -1 };
	if (text && !read_number(text, 8, 0, 0777, &mode))
		return refuse(r, xml_child(perms, "mode"),
		              "\"%.40s\" is not an octal mode between 0 and 0777", text);
	if (text)
		p->mode = (int)mode;
	if (read_id(r, perms, "owner", &p->owner) < 0 || read_id(r, perms, "group", &p->group) < 0)
		return -1;
	return read_child(r, perms, "label", &p->label);
}

/* ---- <secret> ---- */

int read_secret_reference(struct reading *r, const xmlNode *node, struct volume_secret *out)
{
	demand(node, r->e);

	const char *of = (const char *)node->parent->name, *uuid = xml_attr(r->a, node, "uuid");

	*out = (struct volume_secret){ .by_uuid = uuid != NULL };
	if (read_attr(r, node, "type", &out->type) < 0 || read_attr(r, node, "usage", &out->usage) < 0)
		return -1;
	if (!uuid && !out->usage)
		return refuse(r, node, "the secret of <%s> has neither uuid nor usage", of);
	if (uuid && out->usage)
		return refuse(r, node, "the secret of <%s> has both uuid and usage; only one can count", of);
	if (uuid && !uuid_read(uuid, &out->uuid))
		return refuse(r, node, "the secret's uuid \"%.60s\" is not a UUID", uuid);
	return 0;
}
