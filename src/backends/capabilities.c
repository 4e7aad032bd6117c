/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What this build can do, as libvirt's <storagepoolCapabilities>: every pool type, whether there is a backend
 * for it, and its formats.
 *
 * The document is libvirt's, so that management programs find in it what they look for. Types that are
 * defined only are listed with supported='no'.
 */
#include "backends/backend.h"
#include "base/contract.h"
#include "base/util.h"

/* libvirt lists these before the default, which our lists have first. */
static bool comes_first(const char *format)
{
	return streq(format, "none") || streq(format, "unknown");
}

static void print_values(const char *const *formats, struct buf *out)
{
	for (int first = 1; first >= 0; first--)
		for (size_t i = 0; formats[i]; i++)
			if (comes_first(formats[i]) == (first == 1))
				buf_printf(out, "        <value>%s</value>\n", formats[i]);
}

/* A list of formats and the default among them; nothing for a type without formats, as libvirt has it. */
static void print_format_options(const char *element, const char *name, const char *const *formats,
                                 struct buf *out)
{
	if (!formats)
		return;
	buf_printf(out, "    <%s>\n      <defaultFormat type='%s'/>\n      <enum name='%s'>\n", element,
	           formats[0], name);
	if (formats[1]) /* where there is but one there is nothing to choose: libvirt prints an empty list */
		print_values(formats, out);
	buf_printf(out, "      </enum>\n    </%s>\n", element);
}

void capabilities_print(struct buf *out)
{
	demand_or(out, );
	buf_adds(out, "<storagepoolCapabilities>\n");
	for (int t = 0; t < POOL_TYPES; t++) {
		const struct pool_type_info *info = pool_type_info((enum pool_type)t);

		buf_printf(out, "  <pool type='%s' supported='%s'>\n", info->word,
		           backend_find((enum pool_type)t) ? "yes" : "no");
		print_format_options("poolOptions", "sourceFormatType", info->formats, out);
		print_format_options("volOptions", "targetFormatType", info->volume_formats, out);
		buf_adds(out, "  </pool>\n");
	}
	buf_adds(out, "</storagepoolCapabilities>\n");
}
