/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One reply on its way to people: its records taken apart, its tables with what stands below them.
 */
#include "poolctl/parts.h"

#include "base/contract.h"
#include "base/util.h"

const char *record_get(const struct line *l, const char *key)
{
	demand_or(l && key, "-");

	const char *value = line_get(l, key);

	return value ? value : "-";
}

const char *pool_state_word(const char *phase, const char *active)
{
	demand_or(phase && active, "-");
	return streq(phase, "active") ? active : phase;
}

void page_end(const struct page *p)
{
	if (!p->command->quiet)
		buf_addc(p->out, '\n');
}

int page_record(const struct page *p, struct line *l)
{
	if (p->reply->nrecords == 0)
		return err_set(p->e, ERR_SYNTAX, "the reply holds no record");
	return reply_record(p->reply, 0, l, p->e);
}

const char **page_row(const struct page *p, struct table *t, size_t i, struct line *l)
{
	demand_or(t && l, NULL);

	const char **row = table_row(t);

	if (row && reply_record(p->reply, i, l, p->e) == 0)
		return row;
	t->failed = true;
	return NULL;
}

int page_table(const struct page *p, struct table *t, struct buf *notes)
{
	int rc = table_print(t, !p->command->quiet, p->out, p->e);

	page_end(p);
	if (notes->len) {
		buf_adds(p->out, buf_str(notes));
		page_end(p);
	}
	buf_free(notes);
	table_free(t);
	return rc;
}
