/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one clock of the house, and durations as people write them.
 */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

#include "base/contract.h"
#include "base/util.h"

uint64_t clock_us(void)
{
	struct timespec t;

	/* Not CLOCK_MONOTONIC, which stands still while the machine sleeps: a server's patience does not. */
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

int clock_until(uint64_t deadline)
{
	uint64_t now;

	if (deadline == NEVER)
		return -1;
	now = clock_ms();
	if (deadline <= now)
		return 0;
	return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

/* clang-format off */
static const struct { const char *suffix; uint64_t ms; } units[] = {
	{ "",   1000 },
	{ "ms", 1 },
	{ "s",  1000 },
	{ "m",  60 * 1000 },
	{ "h",  60 * 60 * 1000 },
};
/* clang-format on */

/* The longest duration: what poll(2) can wait for in one go, a little over 24 days. */
#define LONGEST ((uint64_t)24 * 24 * 60 * 60 * 1000)

int clock_parse(const char *text, uint64_t *ms, struct err *e)
{
	demand(text && ms, e);

	const char *p = text;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > LONGEST)
			return err_set(e, ERR_INVALID, "duration \"%.40s\" is longer than 24 days", text);
	}
	for (size_t i = 0; p != text && i < ARRAY_LEN(units); i++) {
		if (!streq(p, units[i].suffix))
			continue;
		if (n * units[i].ms > LONGEST)
			return err_set(e, ERR_INVALID, "duration \"%.40s\" is longer than 24 days", text);
		*ms = n * units[i].ms;
		return 0;
	}
	return err_set(e, ERR_INVALID,
	               "\"%.40s\" is not a duration: a number with ms, s, m or h, such as 30s", text);
}
