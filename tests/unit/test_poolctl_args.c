/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Words as virsh's users type them, bound to the arguments of a verb: what "-" stands for.
 */
#include "poolctl/parts.h"

#include "base/util.h"
#include "check.h"

static struct command c;

static bool take(const char *verb, char **words)
{
	struct err e = { 0 };

	c = (struct command){ .verb = verb_find(verb) };
	return c.verb && command_take(&c, words, &e) == 0;
}
#define TAKE(verb, ...) take(verb, (char *[]){ __VA_ARGS__, NULL })

static void check_value(const char *name, const char *want)
{
	const char *got = command_value(&c, name);

	CHECK(got && want ? streq(got, want) : got == want);
}

static char name[] = "all", type[] = "dir", none[] = "-", path[] = "/srv/all", host[] = "nas",
	    print[] = "--print-xml", given[] = "--source-host", key[] = "source-host=-", end[] = "--",
	    file[] = "/tmp/x", pool[] = "images";

static void a_dash_takes_the_place_of_what_is_not_given(void)
{
	CHECK(TAKE("pool-define-as", name, type, none, none, none, none, path));
	check_value("source-host", NULL);
	check_value("source-path", NULL);
	check_value("source-dev", NULL);
	check_value("source-name", NULL);
	check_value("target", path);
	CHECK(TAKE("pool-create-as", name, type, host, none, end, none, none, path));
	check_value("source-host", host);
	check_value("source-path", NULL);
	check_value("target", path);
	CHECK(TAKE("vol-info", name, none));
	check_value("pool", NULL);
}

/* Byte for byte what virsh prints. */
static void a_document_that_is_only_shown_has_it(void)
{
	CHECK(TAKE("pool-define-as", name, type, none, none, none, none, path, print));
	check_value("source-host", "-");
	check_value("target", path);
}

static void what_is_needed_or_named_is_what_was_typed(void)
{
	CHECK(TAKE("pool-info", none));
	check_value("pool", "-");
	CHECK(TAKE("pool-define-as", name, type, given, none));
	check_value("source-host", "-");
	CHECK(TAKE("pool-define-as", name, type, key));
	check_value("source-host", "-");
	CHECK(!TAKE("pool-define-as", name, type, none, given, host));
}

static void a_file_of_that_name_is_standard_input(void)
{
	CHECK(TAKE("pool-define", none));
	CHECK_STR(c.file, "-");
	CHECK(TAKE("vol-upload", name, none, pool));
	CHECK_STR(c.file, "-");
	check_value("pool", pool);
	CHECK(TAKE("vol-upload", name, file, none));
	CHECK_STR(c.file, file);
	check_value("pool", NULL);
}

int main(void)
{
	RUN(a_dash_takes_the_place_of_what_is_not_given);
	RUN(a_document_that_is_only_shown_has_it);
	RUN(what_is_needed_or_named_is_what_was_typed);
	RUN(a_file_of_that_name_is_standard_input);
	return check_done();
}
