/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /proc/bootconfig, in texts as a kernel with CONFIG_BOOT_CONFIG prints them.
 */
#include "check.h"
#include "base/util.h"
#include "boot/bootconfig.h"
#include "boot/parameters.h"

static char joined[4096];
static struct err e;

static void join(const char *key, const char *value, void *arg)
{
	size_t len = strlen(joined);

	(void)arg;
	snprintf(joined + len, sizeof(joined) - len, "%s%s=[%s]", len ? "|" : "", key, value);
}

static int split(const char *text)
{
	char *copy = strdup(text);
	int r;

	joined[0] = '\0';
	e = (struct err){ 0 };
	r = bootconfig_split(copy, join, NULL, &e);
	free(copy);
	return r;
}

static void keys_and_values(void)
{
	CHECK_INT(split("poolinit.timeout = \"30s\"\nkernel.quiet = \"\"\n"), 0);
	CHECK_STR(joined, "poolinit.timeout=[30s]|kernel.quiet=[]");
	CHECK_INT(split(""), 0);
	CHECK_STR(joined, "");
}

static void arrays_are_told_one_by_one(void)
{
	CHECK_INT(split("poolinit.config = \"/etc/a\", \"LABEL=CFG:/b\", 'x\"y'\n"), 0);
	CHECK_STR(joined, "poolinit.config=[/etc/a]|poolinit.config=[LABEL=CFG:/b]|poolinit.config=[x\"y]");
}

static void a_value_with_double_quotes_stands_in_single_ones(void)
{
	CHECK_INT(split("poolinit.pool.vm = '<pool type=\"dir\"><name>vm</name></pool>'\n"), 0);
	CHECK_STR(joined, "poolinit.pool.vm=[<pool type=\"dir\"><name>vm</name></pool>]");
	CHECK_INT(split("a = \"it's\"\n"), 0);
	CHECK_STR(joined, "a=[it's]");
}

static void values_may_span_lines(void)
{
	CHECK_INT(split("poolinit.pool.a = \"<pool type='dir'>\n  <name>a</name>\n</pool>\"\npoolinit.exec = "
	                "\"/bin/x\"\n"),
	          0);
	CHECK_STR(joined,
	          "poolinit.pool.a=[<pool type='dir'>\n  <name>a</name>\n</pool>]|poolinit.exec=[/bin/x]");
}

static void separators_inside_values_are_text(void)
{
	CHECK_INT(split("a = \"b, c = d\"\n"), 0);
	CHECK_STR(joined, "a=[b, c = d]");
}

static void the_boot_loaders_own_line_is_skipped(void)
{
	CHECK_INT(split("a = \"b\"\n# Parameters from bootloader:\n# root=/dev/sda1 quiet \"x\n"), 0);
	CHECK_STR(joined, "a=[b]");
	CHECK_INT(split("# x"), 0);
	CHECK_INT(split("\n\na = \"b\"\n\n"), 0);
	CHECK_STR(joined, "a=[b]");
}

static void a_last_line_without_newline_counts(void)
{
	CHECK_INT(split("a = \"b\""), 0);
	CHECK_STR(joined, "a=[b]");
}

static void what_is_not_of_this_form_is_refused_with_its_line(void)
{
	CHECK(split("a = b\n") < 0);
	CHECK_STR(e.message, "line 1: a value does not begin with a quote");
	CHECK(split("a=\"b\"\n") < 0);
	CHECK_STR(e.message, "line 1: the key is not followed by \" = \"");
	CHECK(split("ok = \"1\"\n = \"b\"\n") < 0);
	CHECK_STR(e.message, "line 2: a key is missing");
	CHECK_STR(joined, "ok=[1]");
	CHECK(split("a = \"b\nc\"\nd = \"e") < 0);
	CHECK_STR(e.message, "line 3: a value's closing quote is missing");
	CHECK(split("a = \"b\" c\n") < 0);
	CHECK_STR(e.message, "line 1: text after a value's closing quote");
	CHECK(split("a = \"b\", \n") < 0);
	CHECK(split("a = \"b\",\"c\"\n") < 0);
	CHECK(split("a = \n") < 0);
	CHECK(split("a") < 0);
	CHECK(split("a = ") < 0);
	CHECK(split("a = '") < 0);
	CHECK(split("{a = \"b\"}\n") < 0);
	CHECK(split("a.b[0] = \"b\"\n") < 0);
}

/* ---- what becomes of it ---- */

static struct parameters p;

static void take(const char *text)
{
	char *copy = strdup(text);

	parameters_free(&p);
	parameters_init(&p);
	parameters_from_bootconfig(&p, copy);
	free(copy);
}

static void pools_have_their_key_as_origin(void)
{
	take("kernel.console = \"ttyS0\"\npoolinit.pool.vmstore = '<pool type=\"dir\"/>'\npoolinit.pool.iso "
	     "= \"<pool type='dir'/>\"\n"
	     "poolinit.require = \"vmstore\", \"iso\"\n");
	CHECK_INT(p.nproblems, 0);
	CHECK_INT(p.npools, 2);
	CHECK_STR(p.pools[0].origin, "(bootconfig: poolinit.pool.vmstore)");
	CHECK_STR(p.pools[0].xml, "<pool type=\"dir\"/>");
	CHECK_INT(p.require.n, 2);
}

static void standard_parameters_are_the_command_lines(void)
{
	take("ip = \"dhcp\"\nroot = \"/dev/sda\"\ninit = \"/bin/sh\"\nro = \"\"\n");
	CHECK_INT(p.nproblems, 0);
	CHECK_INT(p.ip.n, 0);
	CHECK(!p.root_given && !p.init);
	CHECK(!p.root_writable);
}

static void unknown_keys_of_ours_are_problems(void)
{
	take("poolinit.pols.a = \"<pool/>\"\n");
	CHECK_INT(p.nproblems, 1);
	CHECK_STR(p.problems[0].err.message, "poolinit.pols.a: unknown parameter");
	CHECK_STR(p.problems[0].origin, "(bootconfig)");
	take("poolinit.pool.a = \"\"\n");
	CHECK_INT(p.nproblems, 1);
	CHECK_INT(p.npools, 0);
}

static void a_broken_text_keeps_what_came_before(void)
{
	take("poolinit.timeout = \"7s\"\npoolinit.onfail = reboot\n");
	CHECK_INT(p.timeout, 7000);
	CHECK_INT(p.onfail, ONFAIL_UNSET);
	CHECK_INT(p.nproblems, 1);
	CHECK_STR(p.problems[0].origin, "/proc/bootconfig");
	CHECK_STR(p.problems[0].err.message, "line 2: a value does not begin with a quote");
}

int main(void)
{
	RUN(keys_and_values);
	RUN(arrays_are_told_one_by_one);
	RUN(a_value_with_double_quotes_stands_in_single_ones);
	RUN(values_may_span_lines);
	RUN(separators_inside_values_are_text);
	RUN(the_boot_loaders_own_line_is_skipped);
	RUN(a_last_line_without_newline_counts);
	RUN(what_is_not_of_this_form_is_refused_with_its_line);
	RUN(pools_have_their_key_as_origin);
	RUN(standard_parameters_are_the_command_lines);
	RUN(unknown_keys_of_ours_are_problems);
	RUN(a_broken_text_keeps_what_came_before);
	parameters_free(&p);
	return check_done();
}
