/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Elements and attributes as libvirt writes them.
 */
#include "pool/printing.h"

#include <inttypes.h>

#include "base/contract.h"
#include "pool/xml.h"

void print_attribute(struct buf *out, const char *name, const char *value)
{
	demand_or(name, );
	if (!value)
		return;
	buf_printf(out, " %s='", name);
	xml_escape(out, value);
	buf_addc(out, '\'');
}

void print_text(struct buf *out, const char *indent, const char *name, const char *text)
{
	demand_or(indent && name, );
	if (!text)
		return;
	buf_printf(out, "%s<%s>", indent, name);
	xml_escape(out, text);
	buf_printf(out, "</%s>\n", name);
}

void print_empty(struct buf *out, const char *indent, const char *name, const char *attribute,
                 const char *value)
{
	demand_or(indent && name && attribute, );
	if (!value)
		return;
	buf_printf(out, "%s<%s", indent, name);
	print_attribute(out, attribute, value);
	buf_adds(out, "/>\n");
}

/* libvirt has them as an int: who is nobody over NFS is -2. In a definition that is no owner, there it stays
 * what was given. */
static void print_id(struct buf *out, const char *name, int64_t id, bool seen)
{
	if (id >= 0)
		buf_printf(out, "      <%s>%" PRId64 "</%s>\n", name, seen ? (int64_t)(int32_t)id : id, name);
}

void print_permissions(struct buf *out, const struct pool_perms *p)
{
	if (p->mode < 0 && p->owner < 0 && p->group < 0 && !p->label)
		return;
	buf_adds(out, "    <permissions>\n");
	if (p->mode >= 0)
		buf_printf(out, "      <mode>0%o</mode>\n", (unsigned)p->mode);
	print_id(out, "owner", p->owner, p->seen);
	print_id(out, "group", p->group, p->seen);
	print_text(out, "      ", "label", p->label);
	buf_adds(out, "    </permissions>\n");
}

void print_secret_reference(struct buf *out, bool by_uuid, const struct uuid *uuid, const char *usage)
{
	char text[UUID_TEXT];

	if (by_uuid)
		print_attribute(out, "uuid", uuid_print(uuid, text));
	else
		print_attribute(out, "usage", usage);
}

void print_hosts(struct buf *out, const struct pool_def *d)
{
	for (size_t i = 0; i < d->source.nhosts; i++) {
		buf_adds(out, "    <host");
		print_attribute(out, "name", d->source.hosts[i].name);
		if (d->source.hosts[i].port)
			buf_printf(out, " port='%d'", d->source.hosts[i].port);
		buf_adds(out, "/>\n");
	}
}
