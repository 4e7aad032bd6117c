/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of device-mapper's multipath target: the status that is read, the table that is written.
 */
#include <stdio.h>
#include <stdlib.h>
#include "backends/mpath/mpath.h"
#include "base/contract.h"
#include "base/util.h"

/* ---- status ---- */

/* The next word of a status; empty at its end. */
static const char *next_word(const char **at, char *out, size_t size)
{
	size_t n = strcspn(*at += strspn(*at, " "), " ");

	snprintf(out, size, "%.*s", (int)n, *at);
	*at += n;
	return out;
}

static bool next_number(const char **at, unsigned *out)
{
	char word[16], *end;
	unsigned long value;

	next_word(at, word, sizeof(word));
	value = strtoul(word, &end, 10);
	*out = (unsigned)value;
	return word[0] >= '0' && word[0] <= '9' && !*end && value <= UINT16_MAX;
}

/* Words that come with their number before them: features, arguments of a hardware handler or selector. */
static bool skip_words(const char **at, unsigned n)
{
	char word[64];

	for (; n; n--)
		if (!*next_word(at, word, sizeof(word)))
			return false;
	return true;
}

static bool skip_counted(const char **at)
{
	unsigned n;

	return next_number(at, &n) && skip_words(at, n);
}

/* "8:16 A 0", and the words that the path selector has to say of it. */
static bool status_path(const char **at, unsigned group, unsigned extra, struct mpath_map *m)
{
	struct mpath_path p = { .group = group };
	char dev[32], state[8], fails[16];
	int used = 0;

	next_word(at, dev, sizeof(dev));
	next_word(at, state, sizeof(state));
	next_word(at, fails, sizeof(fails));
	if (sscanf(dev, "%u:%u%n", &p.major, &p.minor, &used) != 2 || dev[used] ||
	    (!streq(state, "A") && !streq(state, "F")) || !fails[0] || !skip_words(at, extra))
		return false;
	p.active = state[0] == 'A';
	if (m->npaths < MPATH_PATHS)
		m->paths[m->npaths++] = p;
	return true;
}

bool mpath_status(const char *params, struct mpath_map *m)
{
	demand_or(params && m, false);

	const char *at = params;
	unsigned groups, current, paths, extra;
	char state[8];

	m->npaths = 0;
	for (int list = 0; list < 2; list++) /* features, and what the hardware handler is told */
		if (!skip_counted(&at))
			return false;
	if (!next_number(&at, &groups) || !next_number(&at, &current))
		return false;
	for (unsigned g = 0; g < groups; g++) {
		next_word(&at, state, sizeof(state));
		if (strlen(state) != 1 || !strchr("ADE", state[0]) || !skip_counted(&at) ||
		    !next_number(&at, &paths) || !next_number(&at, &extra))
			return false;
		for (unsigned i = 0; i < paths; i++)
			if (!status_path(&at, g, extra, m))
				return false;
	}
	mpath_sort(m->paths, m->npaths);
	return true;
}

/* ---- table ---- */

static int path_compare(const void *a, const void *b)
{
	const struct mpath_path *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	return (x->minor > y->minor) - (x->minor < y->minor);
}

void mpath_sort(struct mpath_path *paths, size_t n)
{
	if (n)
		qsort(paths, n, sizeof(*paths), path_compare);
}

bool mpath_same(const struct mpath_path *a, size_t na, const struct mpath_path *b, size_t nb)
{
	if (na != nb)
		return false;
	for (size_t i = 0; i < na; i++)
		if (path_compare(&a[i], &b[i]) != 0)
			return false;
	return true;
}

/* How many paths have the group of the first. */
static size_t group_size(const struct mpath_path *paths, size_t n)
{
	size_t i = 1;

	while (i < n && paths[i].group == paths[0].group)
		i++;
	return i;
}

/* FEATURES HANDLER GROUPS FIRST, then for each group SELECTOR 0 PATHS 1, and for each path DEVICE WEIGHT. */
void mpath_table(const struct mpath_path *paths, size_t n, bool alua, bool queue, struct buf *out)
{
	demand_or(paths && n && out, );

	size_t groups = 0;

	for (size_t i = 0; i < n; i += group_size(paths + i, n - i))
		groups++;
	buf_printf(out, "%s %s %zu 1", queue ? "1 queue_if_no_path" : "0", alua ? "1 alua" : "0", groups);
	for (size_t i = 0; i < n;) {
		size_t in = group_size(paths + i, n - i);

		buf_printf(out, " service-time 0 %zu 1", in);
		for (size_t end = i + in; i < end; i++)
			buf_printf(out, " %u:%u 1", paths[i].major, paths[i].minor);
	}
}
