/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A <source> by itself.
 *
 * It is a part of a pool's document that stands alone, and is read and printed by the same functions as that
 * part.
 */
#include "pool/source.h"

#include "base/contract.h"
#include "base/util.h"
#include "pool/printing.h"
#include "pool/reading.h"

int pool_source_read(struct pool_def *d, enum pool_type type, const char *xml, size_t len, const char *source,
                     struct err *e)
{
	demand((unsigned)type < POOL_TYPES, e);
	demand(xml || len == 0, e);

	struct reading r = { .d = d, .a = &d->arena, .source = source, .e = e };
	cleanup_xml xmlDoc *doc = xml_open(xml, len, POOL_XML_LIMIT, source, "source", e);

	*d = (struct pool_def){ .type = type };
	if (!doc)
		return -1;

	int rc = read_pool_source(&r, xmlDocGetRootElement(doc));

	if (rc == 0 && d->arena.failed)
		rc = err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", source);
	if (rc < 0)
		pool_def_free(d);
	return rc;
}

static void print_source_list(const struct pool_def *d, struct buf *out)
{
	print_hosts(out, d);
	for (size_t i = 0; i < d->source.ndevices; i++)
		print_empty(out, "    ", "device", "path", d->source.devices[i].path);
}

void pool_source_print(const struct pool_def *d, struct buf *out)
{
	buf_adds(out, "  <source>\n");
	print_source_list(d, out);
	print_empty(out, "    ", "dir", "path", d->source.dir);
	print_text(out, "    ", "name", d->source.name);
	if (d->source.initiator) {
		buf_adds(out, "    <initiator>\n");
		print_empty(out, "      ", "iqn", "name", d->source.initiator);
		buf_adds(out, "    </initiator>\n");
	}
	print_empty(out, "    ", "format", "type", d->source.format);
	buf_adds(out, "  </source>\n");
}
