/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poolctl: which verb is meant, and who does it: the server, or one of the files beside this with the
 * server's help.
 *
 * The table of verbs is in this program as well as in the server: help and unknown words need no connection,
 * and a poolctl of another version says what it does not know.
 */
#include "poolctl/poolctl.h"

#include <stdio.h>

#include "base/util.h"
#include "base/word.h"
#include "control/verbs/verbs.h"
#include "poolctl/parts.h"

static const char usage_head[] = "poolctl [--socket PATH] [--json] [--quiet] VERB [ARGUMENTS]\n"
				 "poolctl help VERB, poolctl --version\n\n";

static const char usage_tail[] =
	"  watch                         the pools, live; ends with q or Ctrl-C\n"
#ifdef WITH_libvirt
	"  uri                           the URI by which libvirt's clients come here: virsh -c\n"
#endif
	"\n"
	"The socket is --socket, else $POOLINIT_SOCKET, else " DEFAULT_CONTROL ".\n"
	"Exit status: 0 done, 1 refused or failed, 2 usage, 3 no server, 4 timed out.\n";

/* Wrong usage is told without asking any server. */
static int misused(const struct err *e)
{
	fprintf(stderr, "error: %s\n", e->message);
	return EXIT_USAGE;
}

/* A verb that does not exist, with the one that was probably meant. */
static int unknown_verb(const char *name)
{
	struct word_guess guess = { .given = name, .best = WORD_NEAR };
	struct err e = { 0 };

	for (size_t i = 0; verb_at(i); i++)
		word_offer(&guess, verb_at(i)->name);
	if (guess.near)
		err_set(&e, ERR_UNKNOWN_VERB,
		        "unknown verb \"%s\": did you mean %s? (poolctl help lists them)", name, guess.near);
	else
		err_set(&e, ERR_UNKNOWN_VERB, "unknown verb \"%s\" (poolctl help lists them)", name);
	return misused(&e);
}

/* ---- help, from the table this program has itself ---- */

/* help, help VERB, and the forms in which docs/generate and the completion want the table. */
static int print_poolctl_help(const struct command *c)
{
	const char *name = command_value(c, "verb"), *format = command_value(c, "format");
	const struct verb *v = name ? verb_find(name) : NULL;
	cleanup_buf struct buf out = BUF_INIT;

	if (name && !v)
		return unknown_verb(name);
	if (v)
		help_verb(v, &out);
	else if (format && streq(format, "list"))
		help_names(verb_table, &out);
	else if (format && streq(format, "markdown"))
		help_markdown(verb_table, &out);
	else if (format && streq(format, "man"))
		help_man(verb_table, &out);
	else if (format) {
		fprintf(stderr, "error: unknown format \"%s\" (list, markdown, man)\n", format);
		return EXIT_USAGE;
	} else {
		buf_adds(&out, usage_head);
		for (size_t i = 0; verb_at(i); i++)
			buf_printf(&out, "  %-29s %s\n", verb_at(i)->name, verb_at(i)->help);
		buf_adds(&out, usage_tail);
	}
	fputs(buf_str(&out), stdout);
	return EXIT_DONE;
}

/* ---- poolctl ---- */

/* Options before the verb. Returns the words left over, or NULL. */
static char **take_globals(struct command *c, char **words, struct err *e)
{
	for (; *words && (*words)[0] == '-'; words++) {
		if (command_asks(*words, "--help", "-h") || command_asks(*words, "--version", "-V"))
			break;
		if (command_manner(c, *words))
			continue;
		if (starts_with(*words, "--socket="))
			c->socket = *words + strlen("--socket=");
		else if (command_asks(*words, "--socket", "-s") && words[1])
			c->socket = *++words;
		else {
			err_set(e, ERR_INVALID, "unknown option %s, or its value is missing (poolctl help)",
			        *words);
			return NULL;
		}
	}
	return words;
}

/* Verbs that are more, or less, than one request. */
/* clang-format off */
static const struct { const char *verb; int (*main)(const struct command *c); } done_here[] = {
	{ "help",       print_poolctl_help },
	{ "subscribe",  events_main },
	{ "pool-edit",  edit_main },
	{ "pool-event", pool_event_main },
};
/* clang-format on */

/* The words behind the verb. --help among them means help about the verb, whatever else is there. */
static int run_verb(struct command *c, char **words)
{
	char *about[] = { (char *)(uintptr_t)c->verb->name, NULL };
	struct err e = { 0 };

	for (char **w = words; *w; w++)
		if (command_asks(*w, "--help", "-h")) {
			c->verb = verb_find("help");
			words = about;
			break;
		}
	if (command_take(c, words, &e) < 0)
		return misused(&e);
	for (size_t i = 0; i < ARRAY_LEN(done_here); i++)
		if (streq(c->verb->name, done_here[i].verb))
			return done_here[i].main(c);
	return exchange(c);
}

int client_main(int argc, char **argv)
{
	static char help[] = "help";
	const char *preset = getenv("POOLINIT_SOCKET");
	struct command c = { .socket = preset && *preset ? preset : DEFAULT_CONTROL };
	struct err e = { 0 };

	char **words = argc > 0 ? take_globals(&c, argv + 1, &e) : NULL;
	if (!words)
		return misused(&e);
	if (command_asks(*words, "--version", "-V")) {
		printf("poolctl %s\n", POOLINIT_VERSION);
		return EXIT_DONE;
	}
	if (command_asks(*words, "--help", "-h"))
		*words = help;
	if (!*words) {
		err_set(&e, ERR_MISSING, "no verb given (poolctl help lists them)");
		return misused(&e);
	}
	if (streq(*words, "watch") && !words[1]) {
		c.verb = verb_find("pool-list");
		return watch_main(&c);
	}
#ifdef WITH_libvirt
	if (streq(*words, "uri") && !words[1])
		return uri_main(c.socket);
#endif
	c.verb = verb_find(*words);
	if (!c.verb)
		return unknown_verb(*words);
	return run_verb(&c, words + 1);
}
