/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Grammars of names. Each function is one rule; what fails it never becomes part of a path or an argument.
 */
#include "pool/check.h"

#include "base/file.h"
#include "base/utf8.h"
#include "base/util.h"

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* Only these characters, between 1 and max of them. */
static bool only(const char *s, const char *allowed, size_t max)
{
	size_t len = strlen(s);

	return len > 0 && len <= max && strspn(s, allowed) == len;
}

bool check_text(const char *s)
{
	size_t left = strlen(s), len;

	for (; left > 0; s += len, left -= len) {
		len = utf8_len(s, left);
		if (len == 0 || utf8_is_control(s, len) || utf8_is_no_character(s, len))
			return false;
	}
	return true;
}

/* Some component of the path is "..". */
static bool climbs(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

bool check_pool_name(const char *s)
{
	return strlen(s) <= 200 && *s != '.' && name_is_component(s) && check_text(s);
}

bool check_iqn(const char *s)
{
	return only(s, ALNUM "._:-", 223) && *s != '-' && *s != '.' && !strstr(s, "..");
}

bool check_lvm_name(const char *s)
{
	return only(s, ALNUM "+_.-", 127) && *s != '-' && !streq(s, ".") && !streq(s, "..");
}

bool check_wwn(const char *s)
{
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	return strlen(s) == 16 && only(s, "0123456789abcdefABCDEF", 16);
}

bool check_host(const char *s)
{
	return only(s, ALNUM "._:%-", 255) && *s != '-' && *s != '.' && !strstr(s, "..");
}

bool check_bracketed(const char *s)
{
	size_t len = strlen(s);

	return len > 4 && *s == '[' && s[len - 1] == ']' && strspn(s + 1, ALNUM "._:%-") == len - 2 &&
	       strchr(s, ':');
}

bool check_device(const char *s)
{
	static const char *const tags[] = { "LABEL=", "UUID=", "PARTLABEL=", "PARTUUID=" };

	if (*s == '/')
		return s[strspn(s, "/")] && strlen(s) < 4096 && !climbs(s) && check_text(s);
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (starts_with(s, tags[i]))
			return name_is_component(s + strlen(tags[i])) && check_text(s);
	return false;
}

bool check_relative_path(const char *s)
{
	if (*s == '\0' || *s == '/' || *s == '-' || strlen(s) > 255 || climbs(s) || !check_text(s))
		return false;
	return !strstr(s, "//") && s[strlen(s) - 1] != '/';
}

bool check_zpool_word(const char *s)
{
	static const char *const words[] = { "mirror", "spare", "log", "cache", "special", "dedup" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (streq(words[i], s))
			return true;
	return starts_with(s, "raidz") || starts_with(s, "draid");
}

bool check_zpool_part(const char *s)
{
	return *s == '/' || check_relative_path(s);
}
