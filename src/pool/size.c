/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sizes in text: "10", "10 KiB", "2T"; and back, for people.
 */
#include "pool/size.h"

#include <strings.h>

#include "base/contract.h"
#include "base/util.h"

/* libvirt's list of units (scaledInteger in its basictypes.rng, and virScaleInteger). A bare letter is
 * binary, which is not what SI says and is what virsh does. */
static const struct {
	const char *word;
	uint64_t factor;
} units[] = {
	{ "b", 1 },
	{ "byte", 1 },
	{ "bytes", 1 },
	{ "k", 1ULL << 10 },
	{ "m", 1ULL << 20 },
	{ "g", 1ULL << 30 },
	{ "t", 1ULL << 40 },
	{ "p", 1ULL << 50 },
	{ "e", 1ULL << 60 },
	{ "kib", 1ULL << 10 },
	{ "mib", 1ULL << 20 },
	{ "gib", 1ULL << 30 },
	{ "tib", 1ULL << 40 },
	{ "pib", 1ULL << 50 },
	{ "eib", 1ULL << 60 },
	{ "kb", 1000ULL },
	{ "mb", 1000000ULL },
	{ "gb", 1000000000ULL },
	{ "tb", 1000000000000ULL },
	{ "pb", 1000000000000000ULL },
	{ "eb", 1000000000000000000ULL },
};

/* 0 for a unit that does not exist. */
static uint64_t unit_factor(const char *unit)
{
	if (!unit || !*unit)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcasecmp(units[i].word, unit) == 0)
			return units[i].factor;
	return 0;
}

/* digits points at n characters, which need not be all of the text: messages quote from there to its end.
 * Each step is checked before it is done, since unsigned numbers wrap silently. */
static int scale(const char *digits, size_t n, const char *unit, uint64_t *out, struct err *e)
{
	uint64_t factor = unit_factor(unit), value = 0;

	if (n == 0)
		return err_set(e, ERR_INVALID, "\"%.40s\" is not a size: a whole number is expected", digits);
	for (size_t i = 0; i < n; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return err_set(e, ERR_INVALID, "\"%.40s\" is not a size: a whole number is expected",
			               digits);
		if (value > (INT64_MAX - (uint64_t)(digits[i] - '0')) / 10)
			return err_set(e, ERR_INVALID, "size \"%.40s\" is too large", digits);
		value = value * 10 + (uint64_t)(digits[i] - '0');
	}
	if (factor == 0)
		return err_set(e, ERR_INVALID,
		               "unknown unit \"%.20s\": b, k, M, G, T, P, E, KiB, MB … are known", unit);
	if (value > INT64_MAX / factor)
		return err_set(e, ERR_INVALID, "size \"%.40s\" is too large", digits);
	*out = value * factor;
	return 0;
}

int size_parse(const char *number, const char *unit, uint64_t *out, struct err *e)
{
	demand(number && out, e);
	return scale(number, strlen(number), unit, out, e);
}

int size_parse_word(const char *text, uint64_t *out, struct err *e)
{
	demand(text && out, e);

	size_t digits = strspn(text, "0123456789");

	return scale(text, digits, text + digits, out, e);
}

void size_human(uint64_t bytes, double *value, const char **unit)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t i = 0;

	for (uint64_t rest = bytes; rest >= 1024 && i + 1 < ARRAY_LEN(names); rest /= 1024)
		i++;
	*value = (double)bytes / (double)(1ULL << (10 * i));
	*unit = names[i];
}
