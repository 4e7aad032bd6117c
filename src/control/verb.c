/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What can be told of a verb by looking at its row in the table.
 */
#include "control/verb.h"

#include "base/contract.h"
#include "base/util.h"

const struct verb *verb_among(const struct verb *table, const char *name)
{
	demand_or(table && name, NULL);
	while (table->name && !streq(table->name, name))
		table++;
	return table->name ? table : NULL;
}

size_t verb_arg_index(const struct verb *v, const char *name)
{
	size_t i = 0;

	while (v->args[i].name && !streq(v->args[i].name, name))
		i++;
	return i;
}

const struct verb_arg *verb_arg(const struct verb *v, const char *name)
{
	const struct verb_arg *a = &v->args[verb_arg_index(v, name)];

	return a->name ? a : NULL;
}

const char *verb_level_word(enum verb_level l)
{
	static const char *const words[] = { "read", "operate", "admin" };

	demand_or((size_t)l < ARRAY_LEN(words), "unknown");
	return words[l];
}
