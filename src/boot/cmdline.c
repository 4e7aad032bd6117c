/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernel command line: words, quotes, names and values.
 *
 * The kernel counts the Latin-1 no-break space (0xA0) as white space as well; it is a byte of many UTF-8
 * letters, so here it is none.
 *
 * Boot loaders add their own words, so that nothing here may fail on what it does not know. The rules are
 * the kernel's, bug for bug: a quote that it takes away is taken away, one that it leaves is left.
 */
#include <stdbool.h>
#include <stddef.h>
#include "base/contract.h"
#include "base/util.h"
#include "boot/cmdline.h"

/* The end of the word that begins at text; *equals is the '=' that ends its name, or NULL. *open: the text
 * ends inside quotes. */
static char *word_end(char *text, bool quoted, char **equals, bool *open)
{
	char *p = text;

	*equals = NULL;
	for (; *p && (quoted || !is_space(*p)); p++) {
		if (*p == '=' && !*equals && p != text)
			*equals = p;
		if (*p == '"')
			quoted = !quoted;
	}
	*open = quoted;
	return p;
}

/* The value's own quotes go; a closing one that is not the word's last byte stays, as it does in the
 * kernel. */
static char *unquote_value(char *value, char *end)
{
	if (*value != '"')
		return value;
	value++;
	if (end > value && end[-1] == '"')
		end[-1] = '\0';
	return value;
}

bool cmdline_split(char *text, cmdline_fn *fn, void *arg)
{
	demand_or(text && fn, true);
	for (bool open = false;;) {
		char *equals, *end, *value = NULL;

		while (is_space(*text))
			text++;
		if (!*text)
			return !open;
		bool quoted = *text == '"';
		if (quoted)
			text++;
		end = word_end(text, quoted, &equals, &open);
		char *next = *end ? end + 1 : end;
		*end = '\0';
		if (quoted && end > text && end[-1] == '"')
			*--end = '\0';
		if (equals && equals < end) {
			*equals = '\0';
			value = unquote_value(equals + 1, end);
		}
		if (!value && streq(text, "--"))
			return true;
		fn(text, value, arg);
		text = next;
	}
}
