/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The error idiom: classes, context, and messages that stay one line of text.
 */
#include <errno.h>

#include "base/err.h"
#include "base/utf8.h"
#include "check.h"

static void set_fills_class_and_message(void)
{
	struct err e = { .sys = 5, .waits_for = "network" };

	CHECK_INT(err_set(&e, ERR_EXISTS, "pool \"%s\" exists", "a"), -1);
	CHECK(err_is(&e, ERR_EXISTS));
	CHECK_INT(e.sys, 0);
	CHECK_STR(e.waits_for, "");
	CHECK_STR(e.message, "pool \"a\" exists");
}

static void nobody_listening_is_allowed(void)
{
	CHECK_INT(err_set(NULL, ERR_STATE, "x"), -1);
	CHECK_INT(err_sys(NULL, EIO, "x"), -1);
	CHECK_INT(err_wrap(NULL, ERR_KEEP, "x"), -1);
	CHECK_INT(err_wait(NULL, ERR_WAIT_NETWORK, "network", "x"), -1);
	CHECK(!err_is(NULL, ERR_STATE));
}

static void sys_names_the_cause(void)
{
	struct err e = { 0 };

	CHECK_INT(err_sys(&e, EROFS, "cannot write %s", "/a"), -1);
	CHECK(strncmp(e.message, "cannot write /a: ", 17) == 0 && strlen(e.message) > 17);
	CHECK_INT(e.sys, EROFS);
	CHECK(err_is(&e, ERR_READ_ONLY));
}

static void sys_knows_classes(void)
{
	static const struct {
		int sys;
		enum err_class c;
	} want[] = {
		{ EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },
		{ ENOSPC, ERR_NO_SPACE },
		{ EBUSY, ERR_BUSY },
		{ EROFS, ERR_READ_ONLY },
		{ ETIMEDOUT, ERR_TIMEOUT },
		{ ENOMEM, ERR_NO_MEMORY },
		{ ENETUNREACH, ERR_WAIT_NETWORK },
		{ ECONNREFUSED, ERR_WAIT_SERVER },
		{ EIO, ERR_STORAGE },
		{ ENOENT, ERR_STORAGE },
		{ 9999, ERR_STORAGE },
	};
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		err_sys(&e, want[i].sys, "x");
		CHECK_INT(e.class, want[i].c);
	}
}

static void wrap_puts_context_in_front(void)
{
	struct err e = { 0 };

	err_wait(&e, ERR_WAIT_DEVICE, "device=/dev/sdb", "there is no /dev/sdb");
	CHECK_INT(err_wrap(&e, ERR_KEEP, "cannot start pool \"%s\"", "p"), -1);
	CHECK_STR(e.message, "cannot start pool \"p\": there is no /dev/sdb");
	CHECK_STR(e.waits_for, "device=/dev/sdb");
	CHECK(err_is(&e, ERR_WAIT_DEVICE));
	err_wrap(&e, ERR_WRONG_FORMAT, "outer");
	CHECK(err_is(&e, ERR_WRONG_FORMAT));
}

static void wrapping_nothing_is_internal(void)
{
	struct err e = { 0 };

	err_wrap(&e, ERR_KEEP, "cannot do it");
	CHECK_STR(e.message, "cannot do it");
	CHECK(err_is(&e, ERR_INTERNAL));
}

static void arguments_may_be_its_own_fields(void)
{
	struct err e = { 0 };

	err_wait(&e, ERR_WAIT_SERVER, "server=a:1", "first");
	err_wait(&e, ERR_WAIT_SERVER, e.waits_for, "again %s", e.message);
	CHECK_STR(e.message, "again first");
	CHECK_STR(e.waits_for, "server=a:1");
	err_wrap(&e, ERR_KEEP, "%s", e.message);
	CHECK_STR(e.message, "again first: again first");
}

static void foreign_bytes_stay_one_line(void)
{
	struct err e = { 0 };

	err_set(&e, ERR_INVALID, "name \"%s\"", "a\nb\x1b[31m\xff\xc2\x9b\xc3\xa4");
	CHECK_STR(e.message, "name \"a b [31m?  \xc3\xa4\"");
}

static void too_long_is_cut_between_characters(void)
{
	struct err e = { 0 };
	char text[2000];
	size_t len;

	for (size_t shift = 0; shift < 3; shift++) {
		memset(text, 'x', sizeof(text));
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof(text) - 1] = '\0';
		err_set(&e, ERR_INVALID, "%s", text);
		len = strlen(e.message);
		CHECK(len >= sizeof(e.message) - 4 && len < sizeof(e.message));
		CHECK(memchr(e.message, '?', len) == NULL);
		err_wrap(&e, ERR_KEEP, "in front");
		CHECK(strncmp(e.message, "in front: ", 10) == 0);
		CHECK(memchr(e.message, '?', strlen(e.message)) == NULL);
	}
}

static void words_are_unique_and_go_both_ways(void)
{
	for (int a = ERR_NONE + 1; a < ERR_CLASSES; a++) {
		CHECK_INT(err_class_from_word(err_word((enum err_class)a)), a);
		CHECK(err_code((enum err_class)a) >= 100 && err_code((enum err_class)a) <= 999);
		for (int b = ERR_NONE + 1; b < a; b++)
			CHECK(err_code((enum err_class)a) != err_code((enum err_class)b));
	}
	CHECK_INT(err_class_from_word("no-such-word"), ERR_INTERNAL);
	CHECK_INT(err_class_from_word(""), ERR_INTERNAL);
}

static void codes_keep_their_hundreds(void)
{
	CHECK_INT(err_code(ERR_UNKNOWN_VERB), 101);
	CHECK_INT(err_code(ERR_XML) / 100, 1);
	CHECK_INT(err_code(ERR_LIMIT) / 100, 2);
	CHECK_INT(err_code(ERR_NO_SECRET) / 100, 3);
	CHECK_INT(err_code(ERR_TIMEOUT) / 100, 4);
	CHECK_INT(err_code(ERR_READ_ONLY) / 100, 5);
	CHECK_INT(err_code(ERR_DENIED) / 100, 6);
	CHECK_INT(err_code(ERR_NO_MEMORY) / 100, 9);
	CHECK_INT(err_code((enum err_class)1000), err_code(ERR_INTERNAL));
}

static void remedies(void)
{
	CHECK_INT(err_remedy(ERR_AUTH), REMEDY_NONE);
	CHECK_INT(err_remedy(ERR_WRONG_FORMAT), REMEDY_NONE);
	CHECK_INT(err_remedy(ERR_INVALID), REMEDY_NONE);
	CHECK_INT(err_remedy(ERR_WAIT_DEVICE), REMEDY_EVENT);
	CHECK_INT(err_remedy(ERR_WAIT_NETWORK), REMEDY_EVENT);
	CHECK_INT(err_remedy(ERR_WAIT_SERVER), REMEDY_RETRY);
	CHECK_INT(err_remedy(ERR_TIMEOUT), REMEDY_RETRY);
	CHECK_INT(err_remedy(ERR_STORAGE), REMEDY_RETRY);
}

static void utf8_is_strict(void)
{
	static const struct {
		const char *bytes;
		size_t n, want;
	} cases[] = {
		{ "a", 1, 1 },
		{ "\xc3\xa4", 2, 2 },
		{ "\xe2\x82\xac", 3, 3 },
		{ "\xf0\x9f\x90\xa7", 4, 4 },
		{ "\xf4\x8f\xbf\xbf", 4, 4 },
		{ "", 0, 0 },
		{ "\x80", 1, 0 },
		{ "\xc3", 1, 0 },
		{ "\xc3(", 2, 0 },
		{ "\xc0\x80", 2, 0 },
		{ "\xc1\xbf", 2, 0 },
		{ "\xe0\x9f\xbf", 3, 0 },
		{ "\xed\xa0\x80", 3, 0 },
		{ "\xe2\x82", 2, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 },
		{ "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xff", 1, 0 },
		{ "\xf0\x9f\x90", 3, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(utf8_len(cases[i].bytes, cases[i].n), cases[i].want);
	CHECK_INT(utf8_cut("a\xe2\x82", 3), 1);
	CHECK_INT(utf8_cut("a\xe2\x82\xac", 4), 4);
	CHECK_INT(utf8_cut("abc", 3), 3);
	CHECK_INT(utf8_cut("", 0), 0);
}

static void clear_forgets_everything(void)
{
	struct err e = { 0 };

	err_wait(&e, ERR_WAIT_DEVICE, "device=x", "text");
	err_clear(&e);
	CHECK(err_is(&e, ERR_NONE));
	CHECK_STR(e.message, "");
	CHECK_STR(e.waits_for, "");
}

int main(void)
{
	RUN(set_fills_class_and_message);
	RUN(nobody_listening_is_allowed);
	RUN(sys_names_the_cause);
	RUN(sys_knows_classes);
	RUN(wrap_puts_context_in_front);
	RUN(wrapping_nothing_is_internal);
	RUN(arguments_may_be_its_own_fields);
	RUN(foreign_bytes_stay_one_line);
	RUN(too_long_is_cut_between_characters);
	RUN(words_are_unique_and_go_both_ways);
	RUN(codes_keep_their_hundreds);
	RUN(remedies);
	RUN(utf8_is_strict);
	RUN(clear_forgets_everything);
	return check_done();
}
