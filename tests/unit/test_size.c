/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sizes with units.
 */
#include "base/util.h"
#include "check.h"
#include "pool/size.h"

static void units_are_those_of_libvirt(void)
{
	static const struct {
		const char *number, *unit;
		uint64_t bytes;
	} good[] = {
		{ "10", NULL, 10 },
		{ "10", "", 10 },
		{ "0", "E", 0 },
		{ "1", "b", 1 },
		{ "1", "byte", 1 },
		{ "1", "bytes", 1 },
		{ "1", "k", 1024 },
		{ "1", "K", 1024 },
		{ "1", "KiB", 1024 },
		{ "1", "kib", 1024 },
		{ "1", "KB", 1000 },
		{ "2", "M", 2 << 20 },
		{ "3", "MB", 3000000 },
		{ "1", "G", 1 << 30 },
		{ "1", "GB", 1000000000 },
		{ "1", "TiB", 1ULL << 40 },
		{ "1", "TB", 1000000000000 },
		{ "1", "P", 1ULL << 50 },
		{ "1", "PB", 1000000000000000 },
		{ "7", "E", 7ULL << 60 },
		{ "9", "EB", 9000000000000000000ULL },
		{ "9223372036854775807", NULL, INT64_MAX },
		{ "007", "B", 7 },
	};
	uint64_t bytes;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_INT(size_parse(good[i].number, good[i].unit, &bytes, NULL), 0);
		CHECK_INT(bytes, good[i].bytes);
	}
}

static void anything_else_is_refused(void)
{
	static const struct {
		const char *number, *unit, *why;
	} bad[] = {
		{ "", NULL, "whole number" },
		{ " 10", NULL, "whole number" },
		{ "10 ", NULL, "whole number" },
		{ "-5", NULL, "whole number" },
		{ "+5", NULL, "whole number" },
		{ "1.5", "G", "whole number" },
		{ "0x10", NULL, "whole number" },
		{ "1e3", NULL, "whole number" },
		{ "8", "E", "too large" },
		{ "10", "EB", "too large" },
		{ "9223372036854775808", NULL, "too large" },
		{ "99999999999999999999999", NULL, "too large" },
		{ "1", "X", "unit" },
		{ "1", "iB", "unit" },
		{ "1", "ki", "unit" },
		{ "1", " K", "unit" },
	};
	uint64_t bytes = 42;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		CHECK(size_parse(bad[i].number, bad[i].unit, &bytes, &e) < 0);
		CHECK_INT(e.class, ERR_INVALID);
		CHECK(strstr(e.message, bad[i].why));
	}
	CHECK_INT(bytes, 42);
}

static void one_word_is_number_and_unit(void)
{
	uint64_t bytes;

	CHECK(size_parse_word("10G", &bytes, NULL) == 0 && bytes == 10ULL << 30);
	CHECK(size_parse_word("512MiB", &bytes, NULL) == 0 && bytes == 512 << 20);
	CHECK(size_parse_word("1000", &bytes, NULL) == 0 && bytes == 1000);
	CHECK(size_parse_word("G", &bytes, NULL) < 0);
	CHECK(size_parse_word("", &bytes, NULL) < 0);
	CHECK(size_parse_word("10 G", &bytes, NULL) < 0);
	CHECK(size_parse_word("-1G", &bytes, NULL) < 0);
	CHECK(size_parse_word("10GG", &bytes, NULL) < 0);
}

static void people_read_two_digits_and_a_unit(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, "0.00 B" },
		{ 1023, "1023.00 B" },
		{ 1024, "1.00 KiB" },
		{ 1536, "1.50 KiB" },
		{ 1048575, "1024.00 KiB" },
		{ 1048576, "1.00 MiB" },
		{ 10ULL << 30, "10.00 GiB" },
		{ UINT64_MAX, "16.00 EiB" },
	};
	const char *unit;
	double value;
	char text[40];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_human(sizes[i].bytes, &value, &unit);
		snprintf(text, sizeof(text), "%.2f %s", value, unit);
		CHECK_STR(text, sizes[i].text);
	}
}

int main(void)
{
	RUN(units_are_those_of_libvirt);
	RUN(anything_else_is_refused);
	RUN(one_word_is_number_and_unit);
	RUN(people_read_two_digits_and_a_unit);
	return check_done();
}
