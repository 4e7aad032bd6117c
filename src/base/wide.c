/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Classes and cases of wide characters, for ASCII alone, in the place of musl's.
 *
 * Only fnmatch(3) asks for them, when libkmod compares a device with the patterns of modules' aliases, which
 * are ASCII (Linux, scripts/mod/file2alias.c). musl's own know all of Unicode: 13 kB of tables in each
 * program.
 */
#include <ctype.h>
#include <string.h>
#include <wctype.h>

#include "base/util.h"

#ifndef __GLIBC__

/* clang-format off */
static const struct {
	const char *name;
	int (*has)(int c);
} classes[] = {
	{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl },
	{ "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint },
	{ "punct", ispunct }, { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
};
/* clang-format on */

wctype_t wctype(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (strcmp(classes[i].name, name) == 0)
			return i + 1;
	return 0;
}

int iswctype(wint_t c, wctype_t class)
{
	return class > 0 && class <= ARRAY_LEN(classes) && c < 128 && classes[class - 1].has((int)c);
}

wint_t towlower(wint_t c)
{
	return c < 128 ? (wint_t)tolower((int)c) : c;
}

wint_t towupper(wint_t c)
{
	return c < 128 ? (wint_t)toupper((int)c) : c;
}

#endif
