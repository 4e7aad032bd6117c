/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The command line's words, and the table of parameters.
 */
#include "check.h"
#include "base/clock.h"
#include "base/util.h"
#include "boot/cmdline.h"
#include "boot/parameters.h"

/* ---- words: each parameter as NAME=[VALUE] or NAME, joined by '|' ---- */

static char joined[4096];

static void join(const char *name, const char *value, void *arg)
{
	size_t len = strlen(joined);

	(void)arg;
	snprintf(joined + len, sizeof(joined) - len, "%s%s%s%s%s", len ? "|" : "", name, value ? "=[" : "",
	         value ? value : "", value ? "]" : "");
}

static const char *split(const char *text)
{
	char *copy = strdup(text);

	joined[0] = '\0';
	cmdline_split(copy, join, NULL);
	free(copy);
	return joined;
}

static void words_are_separated_by_white_space(void)
{
	CHECK_STR(split("quiet ro  root=/dev/sda1\tx=1\n"), "quiet|ro|root=[/dev/sda1]|x=[1]");
	CHECK_STR(split("  \t a"), "a");
	CHECK_STR(split(""), "");
	CHECK_STR(split(" \n"), "");
}

static void quotes_group_and_go_away_around_values(void)
{
	CHECK_STR(split("a=\"b c\" d"), "a=[b c]|d");
	CHECK_STR(split("\"a=b c\" d"), "a=[b c]|d");
	CHECK_STR(split("\"a b\" c"), "a b|c");
	CHECK_STR(split("a=\"\" b"), "a=[]|b");
	CHECK_STR(split("p=\"<pool type='dir'><name>x y</name></pool>\""),
	          "p=[<pool type='dir'><name>x y</name></pool>]");
}

static void inner_quotes_group_but_stay(void)
{
	CHECK_STR(split("a=b\"c d\"e f"), "a=[b\"c d\"e]|f");
	CHECK_STR(split("a\"b c\"=d"), "a\"b c\"=[d]");
	CHECK_STR(split("a=\"b\"c"), "a=[b\"c]");
}

static void a_missing_closing_quote_takes_the_rest(void)
{
	CHECK_STR(split("a=\"b c d"), "a=[b c d]");
	CHECK_STR(split("\"a b c"), "a b c");
	CHECK_STR(split("a=\""), "a=[]");
	CHECK_STR(split("\""), "");
}

static void a_text_that_ends_inside_quotes_is_known(void)
{
	static const struct {
		const char *text;
		bool whole;
	} cases[] = {
		{ "a=\"b c\" d", true }, { "", true },           { "a=\"b c", false },
		{ "\"a", false },        { "a=\"", false },      { "a=b\"c\n", false },
		{ "a=\"\"", true },      { "a -- b=\"c", true }, { "a=\"b\" ", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *copy = strdup(cases[i].text);

		joined[0] = '\0';
		CHECK(cmdline_split(copy, join, NULL) == cases[i].whole);
		free(copy);
	}
}

static void the_first_equals_sign_ends_the_name(void)
{
	CHECK_STR(split("a=b=c"), "a=[b=c]");
	CHECK_STR(split("a="), "a=[]");
	CHECK_STR(split("=a b"), "=a|b"); /* not one that comes first */
	CHECK_STR(split("=a=b"), "=a=[b]");
}

static void two_hyphens_end_the_kernels_part(void)
{
	CHECK_STR(split("a -- b c=d"), "a");
	CHECK_STR(split("a --b --"), "a|--b");
	CHECK_STR(split("--=x a"), "--=[x]|a");
	CHECK_STR(split("-- poolinit.onfail=poweroff"), "");
}

static void other_bytes_are_left_alone(void)
{
	CHECK_STR(split("a='b c'"), "a=['b]|c'");
	CHECK_STR(split("a=b\\ c"), "a=[b\\]|c");
	CHECK_STR(split("name=voil\xc3\xa0 b"), "name=[voil\xc3\xa0]|b");
}

/* ---- parameters ---- */

static struct parameters p;

static void take(const char *text)
{
	char *copy = strdup(text);

	parameters_free(&p);
	parameters_init(&p);
	parameters_from_cmdline(&p, copy);
	free(copy);
}

static const char *only_problem(void)
{
	return p.nproblems == 1 ? p.problems[0].err.message : p.nproblems ? "(several)" : "(none)";
}

static void a_root_of_somebody_elses_is_not_read(void)
{
	char text[] = "root=iscsi:nobody rootfstype=a,b overlay=/dev/sda1 init=x rw poolinit.timeout=3s";

	parameters_free(&p);
	parameters_init(&p);
	p.root_elsewhere = true;
	parameters_from_cmdline(&p, text);
	CHECK_INT(p.nproblems, 0);
	CHECK(!p.root_given && !p.root_overlay && !p.init);
	CHECK_INT(p.timeout, 3000);
}

/* Nor is anything written to the root itself, as if it had not been given. */
static void a_bad_overlay_is_a_problem_and_lays_nothing(void)
{
	take("root=LABEL=A rw overlay=tmpfs");
	CHECK_INT(p.nproblems, 1);
	CHECK(p.root_overlay && p.overlay.kind == ROOT_DEVICE);
	take("root=LABEL=A rw overlay=memory");
	CHECK(p.root_overlay && p.overlay.kind == ROOT_POOL && !p.overlay.name);
}

static void known_parameters_are_taken(void)
{
	take("quiet poolinit.autostart=a,b poolinit.require=vm,iso poolinit.timeout=30s "
	     "poolinit.onfail=reboot poolinit.exec=/sbin/app poolinit.config=/etc/x "
	     "poolinit.config=LABEL=CFG:/libvirt ip=dhcp nameserver=192.0.2.1 nameserver=192.0.2.2 "
	     "BOOTIF=01-52-54-00-12-34-56 ro");
	CHECK_INT(p.nproblems, 0);
	CHECK_STR(p.autostart, "a,b");
	CHECK_INT(p.require.n, 2);
	CHECK_STR(p.require.items[1], "iso");
	CHECK_INT(p.timeout, SECONDS(30));
	CHECK_INT(p.onfail, ONFAIL_REBOOT);
	CHECK_STR(p.exec, "/sbin/app");
	CHECK_INT(p.config.n, 2);
	CHECK_STR(p.config.items[1], "LABEL=CFG:/libvirt");
	CHECK_INT(p.ip.n, 1);
	CHECK_INT(p.nameserver.n, 2);
	CHECK_STR(p.bootif, "01-52-54-00-12-34-56");
	CHECK(!p.root_writable);
}

static void defaults_hold_where_nothing_is_given(void)
{
	take("");
	CHECK_INT(p.nproblems, 0);
	CHECK(!p.autostart && !p.exec && !p.root_given && !p.roots.n && !p.log);
	CHECK_INT(p.timeout, SECONDS(90));
	CHECK_INT(p.onfail, ONFAIL_UNSET);
	CHECK(!p.root_writable);
}

static void others_parameters_are_none_of_our_business(void)
{
	take("quiet splash console=ttyS0 rd.break systemd.unit=x poolinitx.foo=1 xpoolinit.exec=/bin/sh "
	     "printk.devkmsg=on ro=1");
	CHECK_INT(p.nproblems, 0);
	CHECK(!p.exec);
	CHECK(!p.root_writable);
}

static void unknown_ones_of_ours_are_problems_that_name_them(void)
{
	take("poolinit.requires=a poolinit.timeout=5s");
	CHECK_STR(only_problem(), "poolinit.requires: unknown parameter");
	CHECK_STR(p.problems[0].origin, "(command line)");
	CHECK_INT(p.timeout, SECONDS(5));
	take("poolinit.=x");
	CHECK_STR(only_problem(), "poolinit.: unknown parameter");
	take("poolinit.debug");
	CHECK_STR(only_problem(), "poolinit.debug: unknown parameter");
	take("poolinit.x poolinit.y");
	CHECK_INT(p.nproblems, 2);
}

static void bad_values_change_nothing(void)
{
	take("poolinit.onfail=explode");
	CHECK_STR(only_problem(),
	          "poolinit.onfail: \"explode\" is none of continue, reboot, poweroff, shell");
	CHECK_INT(p.onfail, ONFAIL_UNSET);
	take("poolinit.timeout=soon");
	CHECK_INT(p.nproblems, 1);
	CHECK_INT(p.timeout, SECONDS(90));
	take("poolinit.timeout=-1");
	CHECK_INT(p.nproblems, 1);
	take("poolinit.timeout");
	CHECK_STR(only_problem(), "poolinit.timeout: a value is missing");
	take("poolinit.exec=bin/sh");
	CHECK_STR(only_problem(), "poolinit.exec: \"bin/sh\" is not an absolute path");
	CHECK(!p.exec);
	take("poolinit.exec=");
	CHECK_INT(p.nproblems, 1);
	take("poolinit.require=good,../bad");
	CHECK_INT(p.nproblems, 1);
	CHECK_INT(p.require.n, 0);
	take("poolinit.require=,");
	CHECK_STR(only_problem(), "poolinit.require: \",\" names no pool");
	take("poolinit.require=");
	CHECK_STR(only_problem(), "poolinit.require: \"\" names no pool");
	take("poolinit.autostart=a/b");
	CHECK_INT(p.nproblems, 1);
	CHECK(!p.autostart);
	take("poolinit.autostart=,,");
	CHECK_STR(only_problem(), "poolinit.autostart: \",,\" names no pool");
	CHECK(!p.autostart);
	take("poolinit.log=loud");
	CHECK_INT(p.nproblems, 1);
	CHECK(!p.log);
	take("root");
	CHECK_STR(only_problem(), "root: a value is missing");
	static const char *const nowhere[] = {
		"LABEL=", "LABEL=:/libvirt", "UUID=",           "PARTLABEL=:/", "sda1", "NAME=x", "label=x",
		":/x",    "/dev/../sda1",    "LABEL=X:/../etc", "LABEL=X:/a/.."
	};

	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
		char text[64];

		snprintf(text, sizeof(text), "poolinit.config=%s", nowhere[i]);
		take(text);
		CHECK_INT(p.config.n, 0);
		CHECK(strstr(only_problem(), "is neither an absolute path nor a device by LABEL="));
	}
	take("poolinit.config=/config poolinit.config=/dev/vdb:/a poolinit.config=PARTUUID=1-2:/b");
	CHECK_INT(p.nproblems, 0);
	CHECK_INT(p.config.n, 3);
	CHECK(!p.place);
	take("poolinit.config=");
	CHECK_INT(p.nproblems, 1);
	CHECK_INT(p.config.n, 0);
}

static void one_place_is_written_to(void)
{
	static const char *const none[] = {
		"/etc/x:rw", "pool:", "pool:/x",   "pool:a/../b", "LABEL=C:/../x:rw", "LABEL=C/x:rw",
		":rw",       "rw",    "pool:a//b", "pool:data",   "pool:data/",       "/dev/../etc:rw"
	};

	take("poolinit.config=LABEL=CONF:rw poolinit.config=/dev/vdb:/a");
	CHECK_INT(p.nproblems, 0);
	CHECK_INT(p.config.n, 2);
	CHECK_STR(p.place, "LABEL=CONF");
	take("poolinit.config=LABEL=CONF:/a/b:rw");
	CHECK_STR(p.place, "LABEL=CONF:/a/b");
	take("poolinit.config=LABEL=CONF:rw poolinit.config=pool:data/kept");
	CHECK_INT(p.config.n, 2);
	CHECK_STR(p.place, "pool:data/kept"); /* the last one */
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		char text[64];

		snprintf(text, sizeof(text), "poolinit.config=%s", none[i]);
		take(text);
		CHECK_INT(p.config.n, 0);
		CHECK(strstr(only_problem(), "which :rw may follow, nor pool:NAME/DIRECTORY"));
		CHECK(!p.place);
	}
}

static void tries_are_one_digit(void)
{
	static const char *const none[] = { "0", "10", "-1", "x", "" };

	take("poolinit.tries=3");
	CHECK_INT(p.tries, 3);
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		char text[64];

		snprintf(text, sizeof(text), "poolinit.tries=%s", none[i]);
		take(text);
		CHECK_INT(p.tries, 0);
		CHECK(strstr(only_problem(), "is none of 1 to 9"));
	}
}

/* A value that is none must not be as if nothing had been given. */
static void a_bad_roothash_is_there(void)
{
	take("root=/dev/vda roothash");
	CHECK_INT(p.nproblems, 0);
	CHECK_STR(p.roothash, "");
	take("root=/dev/vda roothash=");
	CHECK_STR(p.roothash, "");
	take("root=/dev/vda roothash=xyz verityhash=4096,/dev/vdb");
	CHECK_STR(p.roothash, "xyz");
	CHECK_STR(p.verityhash, "4096,/dev/vdb");
	take("root=/dev/vda");
	CHECK(!p.roothash && !p.verityhash);
}

static void the_last_one_wins_where_one_counts(void)
{
	take("poolinit.onfail=reboot poolinit.onfail=shell ro rw poolinit.timeout=1s poolinit.timeout=2s");
	CHECK_INT(p.onfail, ONFAIL_SHELL);
	CHECK(p.root_writable);
	CHECK_INT(p.timeout, SECONDS(2));
}

static void inline_pools_arrive_whole(void)
{
	take("poolinit.pool=\"<pool type='dir'><name>a b</name></pool>\" poolinit.pool.second=<pool/>");
	CHECK_INT(p.nproblems, 0);
	CHECK_INT(p.npools, 2);
	CHECK_STR(p.pools[0].xml, "<pool type='dir'><name>a b</name></pool>");
	CHECK_STR(p.pools[0].origin, "(command line: poolinit.pool)");
	CHECK_STR(p.pools[1].origin, "(command line: poolinit.pool.second)");
}

static void base64_pools_are_decoded(void)
{
	take("poolinit.pool64=PHBvb2wvPg==");
	CHECK_INT(p.npools, 1);
	CHECK_STR(p.pools[0].xml, "<pool/>");
	take("poolinit.pool64=PHBvb2w*Pg==");
	CHECK_STR(only_problem(), "poolinit.pool64: the value is not base64");
	CHECK_INT(p.npools, 0);
	take("poolinit.pool64=");
	CHECK_INT(p.nproblems, 1);
	take("poolinit.pool64=PABwb29sLz4="); /* a NUL inside */
	CHECK_STR(only_problem(), "poolinit.pool64: the decoded value holds a NUL byte");
	take("poolinit.pool");
	CHECK_STR(only_problem(), "poolinit.pool: a value is missing");
}

static void after_two_hyphens_nothing_is_ours(void)
{
	take("poolinit.timeout=5s -- poolinit.onfail=poweroff");
	CHECK_INT(p.onfail, ONFAIL_UNSET);
	CHECK_INT(p.timeout, SECONDS(5));
}

static void a_flood_is_bounded(void)
{
	char *text = calloc(1, 64 * 1024);

	for (int i = 0; i < 1000; i++)
		strcat(text, "poolinit.x ip=1.2.3.4 nameserver=a poolinit.pool=x ");
	take(text);
	free(text);
	CHECK(p.nproblems <= 256);
	CHECK_INT(p.ip.n, 256);
	CHECK_INT(p.npools, 256);
}

int main(void)
{
	RUN(words_are_separated_by_white_space);
	RUN(quotes_group_and_go_away_around_values);
	RUN(inner_quotes_group_but_stay);
	RUN(a_missing_closing_quote_takes_the_rest);
	RUN(a_text_that_ends_inside_quotes_is_known);
	RUN(the_first_equals_sign_ends_the_name);
	RUN(two_hyphens_end_the_kernels_part);
	RUN(other_bytes_are_left_alone);
	RUN(known_parameters_are_taken);
	RUN(a_root_of_somebody_elses_is_not_read);
	RUN(a_bad_overlay_is_a_problem_and_lays_nothing);
	RUN(defaults_hold_where_nothing_is_given);
	RUN(others_parameters_are_none_of_our_business);
	RUN(unknown_ones_of_ours_are_problems_that_name_them);
	RUN(bad_values_change_nothing);
	RUN(one_place_is_written_to);
	RUN(tries_are_one_digit);
	RUN(a_bad_roothash_is_there);
	RUN(the_last_one_wins_where_one_counts);
	RUN(inline_pools_arrive_whole);
	RUN(base64_pools_are_decoded);
	RUN(after_two_hyphens_nothing_is_ours);
	RUN(a_flood_is_bounded);
	parameters_free(&p);
	return check_done();
}
