/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * `poolinit xml`: reads one document as the supervisor would, and prints its canonical form or what is wrong
 * with it. A linter for people, a door for tests. The files are read first; then the process closes itself
 * in, as every worker that parses foreign bytes, and only then looks at them.
 *
 * Output goes out in one piece at the end: a document that is refused in its last line has printed nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include "backends/backend.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "boot/options.h"
#include "boot/roles.h"
#include "pool/def.h"
#include "pool/grammar/grammar.h"
#include "pool/secret/secret.h"
#include "pool/voldef.h"

/* One document, or two: a volume is read as one of a pool. Names are for messages; the texts are the files'
 * bytes. */
struct xml_input {
	const char *name; /* of the file, for messages */
	struct buf text;
	const char *pool_name; /* NULL: a pool of type dir is assumed */
	struct buf pool;
	enum volume_read_for what;
};

/* ---- in ---- */

/* All of it, up to the limit. Read before the process is closed in, which could read it but open nothing. */
static int read_standard_input(size_t limit, struct buf *out, struct err *e)
{
	char chunk[16384];
	ssize_t n;

	do {
		n = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot read standard input");
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
		if (out->len > limit)
			return err_set(e, ERR_TOO_LONG, "standard input has more than %zu bytes", limit);
	} while (n != 0);
	return out->failed ? err_set(e, ERR_NO_MEMORY, "cannot read standard input: out of memory") : 0;
}

/* One byte more than the reader takes: it is the reader who says that there is a limit. */
static int read_argument(const char **name, size_t limit, struct buf *out, struct err *e)
{
	if (!streq(*name, "-"))
		return file_read(AT_FDCWD, *name, limit + 1, out, e);
	*name = "(standard input)";
	return read_standard_input(limit, out, e);
}

/* ---- the documents ---- */

/* Each kind is read by the same function as in the supervisor's workers, and printed by the same as dumpxml.
 */
static int print_pool_document(const struct xml_input *d, struct buf *out, struct err *e)
{
	cleanup_pool_def struct pool_def def = { 0 };

	if (pool_read(&def, buf_str(&d->text), d->text.len, d->name, e) < 0)
		return -1;
	pool_print(&def, out);
	return 0;
}

/* A volume's document means something only in a pool: the type decides which formats there are. */
static int print_volume_document(const struct xml_input *d, struct buf *out, struct err *e)
{
	static const char assumed[] =
		"<pool type='dir'><name>default</name><target><path>/</path></target></pool>";
	cleanup_pool_def struct pool_def pool = { 0 };
	cleanup_volume_def struct volume_def def = { 0 };
	const char *xml = d->pool_name ? buf_str(&d->pool) : assumed;

	if (pool_read(&pool, xml, d->pool_name ? d->pool.len : strlen(assumed),
	              d->pool_name ? d->pool_name : "(assumed pool)", e) < 0)
		return -1;
	if (volume_def_read(&def, buf_str(&d->text), d->text.len, d->name, &pool, d->what, e) < 0)
		return -1;
	volume_def_print(&def, out);
	return 0;
}

static int print_secret_document(const struct xml_input *d, struct buf *out, struct err *e)
{
	struct secret_def def = { 0 };

	if (secret_read(&def, buf_str(&d->text), d->text.len, d->name, e) < 0)
		return -1;
	secret_print(&def, out);
	secret_def_free(&def);
	return 0;
}

/* A kind of document: its word, the strict grammar, how long it may be, and who prints it. */
struct document_kind {
	const char *word;
	enum grammar grammar;
	size_t limit;
	int (*print)(const struct xml_input *d, struct buf *out, struct err *e);
};

static const struct document_kind kinds[] = {
	{ "pool", GRAMMAR_POOL, POOL_XML_LIMIT, print_pool_document },
	{ "volume", GRAMMAR_VOLUME, VOLUME_XML_LIMIT, print_volume_document },
	{ "secret", GRAMMAR_SECRET, SECRET_XML_LIMIT, print_secret_document },
};

/* ---- out ---- */

/* Straight to the descriptor: stdio asks the terminal for things that a closed-in process may not ask. */
static bool put(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* One line to standard error, by write(2) alone. Returns the exit status. */
static int complain(const char *message)
{
	put(STDERR_FILENO, message, strlen(message));
	put(STDERR_FILENO, "\n", 1);
	return 1;
}

/* The canonical form, or the reason why there is none. Returns the exit status. */
static int print_document(const struct buf *out)
{
	if (out->failed)
		return complain("poolinit xml: out of memory");
	return put(STDOUT_FILENO, buf_str(out), out->len)
	               ? 0
	               : complain("poolinit xml: the document cannot be written");
}

/* Never returns to a caller with descriptors or memory to care for: the process ends as it is. */
static _Noreturn void read_closed_in(const struct document_kind *kind, const struct xml_input *d,
                                     bool validate)
{
	struct buf out = BUF_INIT;
	struct err e = { 0 };

	/* From here on nothing can be opened or started: a document that breaks the parser has a process that
	 * can only write to what is open already. The strict grammar comes first, if it is wanted: what it
	 * refuses need not be printed. */
	if (sandbox_enter(&e) < 0 ||
	    (validate && grammar_check(kind->grammar, buf_str(&d->text), d->text.len, d->name, &e) < 0) ||
	    kind->print(d, &out, &e) < 0)
		_exit(complain(e.message));
	_exit(print_document(&out));
}

/* ---- the role ---- */

/* What is wrong with the words, and where help is. Returns the exit status. */
static int wrong_usage(const char *why, const char *word)
{
	fprintf(stderr, "poolinit xml: %s%.80s: see poolinit xml --help\n", why, word);
	return EXIT_USAGE;
}

/* No document is read for this, so that nothing has to be closed in. */
static int print_capabilities(void)
{
	cleanup_buf struct buf out = BUF_INIT;

	capabilities_print(&out);
	return print_document(&out);
}

/* The kind of document that the words name, if they make sense together. NULL: *status is the exit status,
 * and what is wrong has been said. */
static const struct document_kind *choose_kind(const char *const *words, const char *what,
                                               struct xml_input *d, int *status)
{
	const struct document_kind *kind = NULL;

	for (size_t i = 0; words[0] && i < ARRAY_LEN(kinds); i++)
		if (streq(kinds[i].word, words[0]))
			kind = &kinds[i];
	if (!words[0])
		*status = wrong_usage("pool, volume, secret or capabilities?", "");
	else if (!kind)
		*status = wrong_usage("there is no document of kind ", words[0]);
	else if (!words[1])
		*status = wrong_usage("which file? - is standard input", "");
	else if ((d->pool_name || what) && kind->grammar != GRAMMAR_VOLUME)
		*status = wrong_usage("--pool and --for are for volumes, not for a ", words[0]);
	else if (what && !streq(what, "create") && !streq(what, "create-from"))
		*status = wrong_usage("--for is create or create-from, not ", what);
	else if (d->pool_name && streq(d->pool_name, "-") && streq(words[1], "-"))
		*status = wrong_usage("standard input can be one of the two documents, not both", "");
	else
		return kind;
	return NULL;
}

int xml_main(int argc, char **argv)
{
	const char *words[2] = { NULL, NULL }, *what = NULL;
	struct xml_input d = { .text = BUF_INIT };
	struct err e = { 0 };
	bool validate = false;
	const struct option_row rows[] = {
		{ "KIND", NULL, OPTION_WORD, &words[0],
		  "pool, volume or secret; or capabilities: print the pool types and their formats" },
		{ "FILE", NULL, OPTION_WORD, &words[1], "the document; -: standard input" },
		{ "validate", NULL, OPTION_FLAG, &validate, "refuse what libvirt's grammar does not know" },
		{ "pool", "POOL.xml", OPTION_TEXT, &d.pool_name,
		  "the pool that a volume is for (default: one of type dir)" },
		{ "for", "VERB", OPTION_TEXT, &what,
		  "create (the default), or create-from: a volume that needs no capacity of its own" },
	};
	const struct role_help help = {
		"xml",
		"Read one document as the supervisor would (libvirt's pool, volume or secret) and print its "
		"canonical form, or what is\n"
		"wrong with it and where.",
		"0 the document is good, 1 it is not, 64 wrong usage",
	};
	int status = options_take(argc, argv, &help, rows, ARRAY_LEN(rows));

	if (status >= 0)
		return status;
	if (words[0] && streq(words[0], "capabilities") && !words[1])
		return print_capabilities();
	/* Usage is checked before a file is opened: a mistake in the words is not told as one in a file. */
	const struct document_kind *kind = choose_kind(words, what, &d, &status);
	if (!kind)
		return status;
	d.name = words[1];
	d.what = what && streq(what, "create-from") ? VOLUME_FOR_CREATE_FROM : VOLUME_FOR_CREATE;
	if (read_argument(&d.name, kind->limit, &d.text, &e) < 0 ||
	    (d.pool_name && read_argument(&d.pool_name, POOL_XML_LIMIT, &d.pool, &e) < 0))
		return complain(e.message);
	read_closed_in(kind, &d, validate);
}
