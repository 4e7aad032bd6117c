/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What fills up unseen: thin pools, snapshots, VDO pools. Each has a level in pool-info; beyond a mark the
 * pool has a warning, and a pool of thin volumes that is full is degraded, because writes to them fail.
 */
#include <stdio.h>
#include <string.h>
#include "backends/logical/logical.h"
#include "base/util.h"

/* The first two are marks, in per cent, unless the definition has others. */
static const unsigned usual[POOL_FILL_MARKS] = { 80, 95 };

/* Of lv_attr, lvs(8). */
static const struct filling {
	char type;
	const char *what;
} filling[] = {
	{ 't', "thin pool" }, { 's', "snapshot" }, { 'S', "snapshot" },
	{ 'd', "VDO pool" },  { 'D', "VDO pool" },
};

static const char *what_fills(const struct group_volume *v)
{
	for (size_t i = 0; i < ARRAY_LEN(filling); i++)
		if (v->attr[0] == filling[i].type && v->data >= 0)
			return group_is_sparse(v) ? "sparse volume" : filling[i].what;
	return NULL;
}

/* Parts with "; " between them, for a text of some size. What does not fit is counted. */
struct fill_list {
	char *text;
	size_t size;
	unsigned left_out;
};
#define LEFT_OUT_ROOM sizeof("; and 4294967295 more")

static void add_fill(struct fill_list *p, const char *more)
{
	size_t n = strlen(p->text);

	if (n + strlen("; ") + strlen(more) + LEFT_OUT_ROOM > p->size)
		p->left_out++;
	else
		snprintf(p->text + n, p->size - n, "%s%s", n ? "; " : "", more);
}

static void end_fill(const struct fill_list *p)
{
	size_t n = strlen(p->text);

	if (p->left_out)
		snprintf(p->text + n, p->size - n, "%s%u more", n ? "; and " : "", p->left_out);
}

/* Words and no numbers tell the marks apart: a warning whose numbers alone change is no news. */
static const char *how_full(int level, const unsigned *marks)
{
	if (level >= GROUP_WHOLE)
		return "full";
	if (marks[1] && level >= (int)marks[1] * 100)
		return "nearly full";
	return level >= (int)marks[0] * 100 ? "filling up" : NULL;
}

static void warn_full(const struct group_volume *v, const char *what, const unsigned *marks,
                      struct fill_list *to)
{
	const char *how = how_full(v->data, marks), *meta = how_full(v->metadata, marks);
	char text[220];

	if (v->lost)
		snprintf(text, sizeof(text), "%s \"%.127s\" ran out of room and is lost: delete it",
		         group_is_sparse(v) ? "sparse volume" : "snapshot", v->name);
	else if (how)
		snprintf(text, sizeof(text), "%s \"%.127s\" is %s (%d %%)", what, v->name, how,
		         v->data / 100);
	else if (meta)
		snprintf(text, sizeof(text), "the metadata of %s \"%.127s\" are %s (%d %%)", what, v->name,
		         meta, v->metadata / 100);
	if (v->lost || how || meta)
		add_fill(to, text);
}

static void tell_fill(const struct group_volume *v, struct fill_list *to)
{
	char text[200];
	int n = snprintf(text, sizeof(text), "%.127s data=%d.%02d%%", v->name, v->data / 100, v->data % 100);

	if (v->metadata >= 0)
		snprintf(text + n, sizeof(text) - (size_t)n, " metadata=%d.%02d%%", v->metadata / 100,
		         v->metadata % 100);
	add_fill(to, text);
}

const struct group_volume *group_fill(const struct pool_def *d, const struct group *g, struct op *op)
{
	const unsigned *marks = d->fill_marks[0] ? d->fill_marks : usual;
	const struct group_volume *full = NULL;

	struct fill_list levels = { op->fill, sizeof(op->fill), 0 },
			 warnings = { op->warning, sizeof(op->warning), 0 };

	op->fill[0] = op->warning[0] = '\0';
	for (size_t i = 0; i < g->nvolumes; i++) {
		const struct group_volume *v = &g->volumes[i];
		const char *what = what_fills(v);

		if (what)
			tell_fill(v, &levels);
		if (what || v->lost)
			warn_full(v, what, marks, &warnings);
		if (what && !strchr("sS", v->attr[0]) &&
		    (v->data >= GROUP_WHOLE || v->metadata >= GROUP_WHOLE || v->out))
			full = v;
	}
	end_fill(&levels);
	end_fill(&warnings);
	return full;
}
