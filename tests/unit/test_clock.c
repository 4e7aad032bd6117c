/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Durations as people write them, and what is left until a deadline.
 */
#include <limits.h>

#include "base/clock.h"
#include "check.h"

static void reads_durations(void)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
		{ "30s", 30000 },
		{ "500ms", 500 },
		{ "2m", 120000 },
		{ "1h", 3600000 },
		{ "90", 90000 },
		{ "0", 0 },
		{ "0ms", 0 },
		{ "007s", 7000 },
		{ "24h", 86400000 },
		{ "576h", 2073600000 },
		{ "2073600000ms", 2073600000 },
	};
	uint64_t ms;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err e = { 0 };

		ms = 1;
		CHECK_INT(clock_parse(good[i].text, &ms, &e), 0);
		CHECK_INT(ms, good[i].ms);
	}
}

static void refuses_what_is_no_duration(void)
{
	static const char *const bad[] = {
		"",
		"s",
		"ms",
		"-1s",
		"+1s",
		" 1s",
		"1s ",
		"1 s",
		"1.5s",
		"1d",
		"1S",
		"1sm",
		"0x10",
		"1m30s",
		"forever",
		"s1",
		"577h",
		"2073600001ms",
		"99999999999999999999",
		"18446744073709551616",
		"184467440737095516s",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };
		uint64_t ms = 42;

		CHECK_INT(clock_parse(bad[i], &ms, &e), -1);
		CHECK(err_is(&e, ERR_INVALID));
		CHECK_INT(ms, 42);
		CHECK(strstr(e.message, bad[i]) != NULL);
	}
}

static void until_is_what_poll_takes(void)
{
	uint64_t now = clock_ms();

	CHECK_INT(clock_until(NEVER), -1);
	CHECK_INT(clock_until(0), 0);
	CHECK_INT(clock_until(now), 0);
	CHECK(clock_until(now + 10000) > 5000 && clock_until(now + 10000) <= 10000);
	CHECK_INT(clock_until(NEVER - 1), INT_MAX);
}

static void both_clocks_agree(void)
{
	uint64_t us = clock_us(), ms = clock_ms();

	CHECK(ms >= us / 1000 && ms < us / 1000 + 5000);
	CHECK(clock_us() >= us);
}

int main(void)
{
	RUN(reads_durations);
	RUN(refuses_what_is_no_duration);
	RUN(until_is_what_poll_takes);
	RUN(both_clocks_agree);
	return check_done();
}
