/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poolctl: from the command line to one request, from its reply to text or JSON and an exit status.
 */
#include "control/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/util.h"
#include "control/client_parts.h"
#include "control/verbs.h"

#define DEFAULT_SOCKET "/run/poolinit/control"

static const char usage_head[] =
	"poolctl [--socket PATH] [--json] [--quiet] VERB [ARGUMENTS]\n"
	"poolctl help VERB, poolctl --version\n\n";

static const char usage_tail[] =
	"  watch            the pools, live; ends with q or Ctrl-C\n\n"
	"The socket is --socket, else $POOLINIT_SOCKET, else " DEFAULT_SOCKET ".\n"
	"Exit status: 0 done, 1 refused or failed, 2 usage, 3 no server, 4 timed out.\n";

/* ---- errors ---- */

/* The server said ERR. */
static int refused(const struct err *e)
{
	return err_is(e, ERR_TIMEOUT) ? EXIT_TIMED_OUT : EXIT_REFUSED;
}

/* There was no answer at all. */
static int unanswered(const struct err *e)
{
	return err_is(e, ERR_WAIT_SERVER) || err_is(e, ERR_DENIED) ? EXIT_NO_SERVER : EXIT_REFUSED;
}

static void tell(const struct command *c, const struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;

	if (c->json) {
		json_error(e, &out);
		fputs(buf_str(&out), stdout);
	} else {
		fprintf(stderr, "error: %s\n", e->message);
	}
}

static int misused(const struct err *e)
{
	fprintf(stderr, "error: %s\n", e->message);
	return EXIT_USAGE;
}

/* ---- help, from the table this program has itself ---- */

static int print_help(const struct command *c)
{
	const char *name = command_value(c, "verb"), *format = command_value(c, "format");
	const struct verb *v = name ? verb_find(name) : NULL;
	cleanup_buf struct buf out = BUF_INIT;

	if (name && !v) {
		fprintf(stderr, "error: unknown verb \"%s\" (poolctl help lists them)\n", name);
		return EXIT_USAGE;
	}
	if (v)
		help_verb(v, &out);
	else if (format && streq(format, "list"))
		help_names(&out);
	else if (format && streq(format, "markdown"))
		help_markdown(&out);
	else if (format && streq(format, "man"))
		help_man(&out);
	else if (format) {
		fprintf(stderr, "error: unknown format \"%s\" (list, markdown, man)\n", format);
		return EXIT_USAGE;
	} else {
		buf_adds(&out, usage_head);
		for (size_t i = 0; verb_at(i); i++)
			buf_printf(&out, "  %-16s %s\n", verb_at(i)->name, verb_at(i)->help);
		buf_adds(&out, usage_tail);
	}
	fputs(buf_str(&out), stdout);
	return EXIT_DONE;
}

/* ---- the command line ---- */

const char *command_value(const struct command *c, const char *name)
{
	for (size_t i = 0; c->verb->args[i].name; i++)
		if (streq(c->verb->args[i].name, name))
			return c->values[i];
	return NULL;
}

bool command_flag(const struct command *c, const char *name)
{
	const char *value = command_value(c, name);

	return value && streq(value, "yes");
}

static int set_value(struct command *c, const struct verb_arg *a, const char *value, struct err *e)
{
	const char **slot = &c->values[a - c->verb->args];

	if (*slot)
		return err_set(e, ERR_INVALID, "%s: \"%s\" is given twice", c->verb->name, a->name);
	*slot = value;
	return 0;
}

static bool asks_for(const char *word, const char *name, const char *letter)
{
	return word && (streq(word, name) || streq(word, letter));
}

/* How to answer: may stand before the verb or after it. */
static bool take_manner(struct command *c, const char *word)
{
	if (asks_for(word, "--json", "-j"))
		c->json = true;
	else if (asks_for(word, "--quiet", "-q"))
		c->quiet = true;
	else
		return false;
	return true;
}

/* `--key value`, `--key=value`, `--flag`. Returns how many words it took, or -1. */
static int take_option(struct command *c, char **words, struct err *e)
{
	char *key = words[0] + 2, *equals = strchr(key, '=');

	if (equals)
		*equals = '\0';
	const struct verb_arg *a = verb_arg(c->verb, key);
	if (!a && c->verb->payload_max && streq(key, "file") && (equals || words[1])) {
		c->file = equals ? equals + 1 : words[1];
		return equals ? 1 : 2;
	}
	if (!a && take_manner(c, words[0]))
		return 1;
	if (!a)
		return err_set(e, ERR_UNKNOWN_KEY, "%s has no option --%s (poolctl help %s)", c->verb->name, key, c->verb->name);
	if (a->kind == ARG_FLAG || equals)
		return set_value(c, a, equals ? equals + 1 : "yes", e) < 0 ? -1 : 1;
	if (!words[1])
		return err_set(e, ERR_MISSING, "--%s needs a value", key);
	return set_value(c, a, words[1], e) < 0 ? -1 : 2;
}

/* `key=value` if the verb has that key; else a bare word for the first place that is free. */
static int take_word(struct command *c, char *word, struct err *e)
{
	char *equals = strchr(word, '=');

	if (equals) {
		*equals = '\0';
		const struct verb_arg *a = verb_arg(c->verb, word);
		if (a)
			return set_value(c, a, equals + 1, e);
		*equals = '=';
	}
	if (c->verb->payload_max && !c->file) {
		c->file = word;
		return 0;
	}
	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		if (a->positional && !c->values[a - c->verb->args])
			return set_value(c, a, word, e);
	return err_set(e, ERR_UNKNOWN_KEY, "%s: unexpected \"%s\" (poolctl help %s)", c->verb->name, word, c->verb->name);
}

static int take_arguments(struct command *c, char **words, struct err *e)
{
	bool options = true;

	while (*words) {
		int taken = 1;

		if (options && streq(*words, "--"))
			options = false;
		else if (options && starts_with(*words, "--"))
			taken = take_option(c, words, e);
		else if (take_word(c, *words, e) < 0)
			taken = -1;
		if (taken < 0)
			return -1;
		words += taken;
	}
	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		if (a->required && !c->values[a - c->verb->args])
			return err_set(e, ERR_MISSING, "%s needs %s: %s", c->verb->name, a->name, a->help);
	if (c->verb->payload_required && !c->file)
		return err_set(e, ERR_MISSING, "%s needs FILE: the XML document, or - for standard input", c->verb->name);
	return 0;
}

/* ---- the request ---- */

static int read_file(const char *path, size_t limit, struct buf *out, struct err *e)
{
	bool standard = streq(path, "-");
	cleanup_close int opened = standard ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	int fd = standard ? 0 : opened;
	char chunk[4096];

	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", path);
	while (out->len <= limit && !out->failed) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read %s", standard ? "standard input" : path);
		if (n == 0)
			return 0;
		buf_add(out, chunk, (size_t)n);
	}
	return err_set(e, ERR_TOO_LONG, "%s is longer than %zu bytes", standard ? "standard input" : path, limit);
}

static int make_request(const struct command *c, struct buf *out, struct err *e)
{
	cleanup_buf struct buf file = BUF_INIT;

	buf_adds(out, c->verb->name);
	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		line_str(out, a->name, c->values[a - c->verb->args]);
	if (c->file && read_file(c->file, c->verb->payload_max, &file, e) < 0)
		return -1;
	if (c->file)
		buf_printf(out, " = %zu", file.len);
	buf_addc(out, '\n');
	if (out->len > LINE_MAX_BYTES)
		return err_set(e, ERR_TOO_LONG, "the arguments are too long: a request has at most %d bytes", LINE_MAX_BYTES);
	if (file.len)
		buf_add(out, file.data, file.len);
	return out->failed || file.failed ? err_set(e, ERR_NO_MEMORY, "out of memory") : 0;
}

static int show(const struct command *c, struct reply *r, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	int rc = c->json ? json_reply(c, r, &out, e) : print_reply(c, r, &out, e);

	if (rc < 0)
		return -1;
	if (out.failed)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (fwrite(buf_str(&out), 1, out.len, stdout) != out.len || fflush(stdout) != 0)
		return err_sys(e, errno, "cannot write to standard output");
	return 0;
}

static int exchange(const struct command *c)
{
	cleanup_buf struct buf request = BUF_INIT;
	struct reply r = { 0 };
	struct err e = { 0 };
	struct link l;
	int status;

	if (make_request(c, &request, &e) < 0) {
		tell(c, &e);
		return EXIT_REFUSED;
	}
	if (link_open(&l, c->socket, &e) < 0) {
		tell(c, &e);
		return unanswered(&e);
	}
	if (link_send(&l, &request, &e) < 0 || reply_read(&l, &r, NULL, NULL, &e) < 0) {
		tell(c, &e);
		status = unanswered(&e);
	} else if (r.failed) {
		tell(c, &r.err);
		status = refused(&r.err);
	} else if (show(c, &r, &e) < 0) {
		tell(c, &e);
		status = EXIT_REFUSED;
	} else {
		status = EXIT_DONE;
	}
	reply_free(&r);
	link_close(&l);
	return status;
}

/* ---- poolctl ---- */

/* Options before the verb. Returns the words left over, or NULL. */
static char **take_globals(struct command *c, char **words, struct err *e)
{
	for (; *words && (*words)[0] == '-'; words++) {
		if (asks_for(*words, "--help", "-h") || asks_for(*words, "--version", "-V"))
			break;
		if (take_manner(c, *words))
			continue;
		if (starts_with(*words, "--socket="))
			c->socket = *words + strlen("--socket=");
		else if (asks_for(*words, "--socket", "-s") && words[1])
			c->socket = *++words;
		else {
			err_set(e, ERR_INVALID, "unknown option %s, or its value is missing (poolctl help)", *words);
			return NULL;
		}
	}
	return words;
}

static int run_verb(struct command *c, char **words)
{
	char *about[] = { (char *)(uintptr_t)c->verb->name, NULL };
	struct err e = { 0 };

	for (char **w = words; *w; w++)
		if (asks_for(*w, "--help", "-h")) {
			c->verb = verb_find("help");
			words = about;
			break;
		}
	if (take_arguments(c, words, &e) < 0)
		return misused(&e);
	if (streq(c->verb->name, "help"))
		return print_help(c);
	if (streq(c->verb->name, "subscribe"))
		return events_main(c);
	return exchange(c);
}

int client_main(int argc, char **argv)
{
	static char help[] = "help";
	const char *preset = getenv("POOLINIT_SOCKET");
	struct command c = { .socket = preset && *preset ? preset : DEFAULT_SOCKET };
	struct err e = { 0 };

	char **words = argc > 0 ? take_globals(&c, argv + 1, &e) : NULL;
	if (!words)
		return misused(&e);
	if (asks_for(*words, "--version", "-V")) {
		printf("poolctl %s\n", POOLINIT_VERSION);
		return EXIT_DONE;
	}
	if (asks_for(*words, "--help", "-h"))
		*words = help;
	if (!*words) {
		err_set(&e, ERR_MISSING, "no verb given (poolctl help lists them)");
		return misused(&e);
	}
	if (streq(*words, "watch") && !words[1]) {
		c.verb = verb_find("pool-list");
		return watch_main(&c);
	}
	c.verb = verb_find(*words);
	if (!c.verb) {
		err_set(&e, ERR_UNKNOWN_VERB, "unknown verb \"%s\" (poolctl help lists them)", *words);
		return misused(&e);
	}
	return run_verb(&c, words + 1);
}
