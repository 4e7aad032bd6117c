/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poolctl pool-edit: the definition into a private file, an editor on it, and what comes out of it back to
 * the server. What somebody has typed is never lost: when it cannot be defined, the file stays and the error
 * names it.
 *
 * The order is what makes it safe. The text is read, edited, and compared with what was read; nothing is
 * sent if it is the same. Before it is defined the server is asked once more: if its definition is another
 * one by now, somebody else was faster, and the operator is told instead of overwriting it.
 */
#include "poolctl/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/util.h"

#define EDITOR_WORDS 32

extern char **environ;

struct edit {
	const struct command *command;
	char name[256];              /* of the pool, whatever it was called by */
	char path[512];              /* the private file; empty: there is none */
	struct request_payload text; /* what the server had */
	struct request_payload edited;
	struct err e;
};

/* ---- the server's side ---- */

/* The definition as it is kept, and the pool's name. The copy is wiped like any payload. */
static int read_definition(struct edit *d, struct request_payload *out)
{
	cleanup_buf struct buf request = BUF_INIT;
	struct reply r = { 0 };
	int rc;

	buf_adds(&request, "pool-dumpxml");
	line_str(&request, "pool", command_value(d->command, "pool"));
	line_str(&request, "inactive", "yes");
	rc = ask_once(d->command->socket, buf_str(&request), NULL, &r, &d->e);
	if (rc == 0) {
		snprintf(d->name, sizeof(d->name), "%s", record_get(&r.final, "pool"));
		*out = (struct request_payload){ .data = malloc(r.text.len + 1),
			                         .len = r.text.len,
			                         .room = r.text.len + 1 };
		rc = out->data ? 0 : err_set(&d->e, ERR_NO_MEMORY, "out of memory");
		if (rc == 0)
			memcpy(out->data, buf_str(&r.text), r.text.len);
	}
	reply_free(&r);
	return rc;
}

/* Is it byte for byte what the server has? */
static bool same(const struct request_payload *a, const struct request_payload *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Define what was typed, unless somebody else has changed the definition since the editor was given it: that
 * change would be lost without a word. */
static int define_edited(struct edit *d)
{
	struct request_payload now = { 0 };
	struct reply r = { 0 };
	int rc = read_definition(d, &now);

	if (rc == 0 && !same(&now, &d->text))
		rc = err_set(&d->e, ERR_CONFLICT, "the definition was changed by somebody else meanwhile");
	if (rc == 0 && (rc = ask_once(d->command->socket, "pool-define", &d->edited, &r, &d->e)) < 0)
		name_document(d->path, &d->e);
	reply_free(&r);
	payload_free(&now);
	return rc;
}

/* ---- the file ---- */

/* All of it, or -1 with errno. */
static int write_all(int fd, const struct request_payload *p)
{
	for (size_t done = 0; done < p->len;) {
		ssize_t n = write(fd, p->data + done, p->len - done);

		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* mkstemps(3) makes it for us alone (0600). */
static int make_file(struct edit *d)
{
	const char *directory = getenv("TMPDIR");
	int n = snprintf(d->path, sizeof(d->path), "%s/poolctl-XXXXXX.xml",
	                 directory && *directory == '/' ? directory : "/tmp");
	cleanup_close int fd = n > 0 && (size_t)n < sizeof(d->path) ? mkostemps(d->path, 4, O_CLOEXEC) : -1;

	if (fd < 0) {
		int why = errno;
		char wanted[sizeof(d->path)];

		snprintf(wanted, sizeof(wanted), "%s", d->path);
		d->path[0] = '\0';
		return err_sys(&d->e, why, "cannot make a file like %s", wanted);
	}
	return write_all(fd, &d->text) < 0 ? err_sys(&d->e, errno, "cannot write %s", d->path) : 0;
}

/* ---- the editor ---- */

/* As virsh chooses it: $VISUAL, $EDITOR, vi. */
static const char *editor(void)
{
	static const char *const names[] = { "VISUAL", "EDITOR" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (value && value[strspn(value, " \t")])
			return value;
	}
	return "vi";
}

/* Words at blanks, no shell: whoever needs quotes writes a script. */
static int split_editor(char *text, char **argv, char *file, struct err *e)
{
	size_t n = 0;
	char *state, *word;

	for (word = strtok_r(text, " \t", &state); word && n < EDITOR_WORDS;
	     word = strtok_r(NULL, " \t", &state))
		argv[n++] = word;
	if (word || n == 0)
		return err_set(e, ERR_INVALID, "the editor has more than %d words", EDITOR_WORDS);
	argv[n++] = file;
	argv[n] = NULL;
	return 0;
}

/* Ctrl-C is the editor's while it runs. */
static int spawn_editor(char **argv, pid_t *pid)
{
	posix_spawnattr_t attributes;
	sigset_t usual;
	int rc;

	sigemptyset(&usual);
	sigaddset(&usual, SIGINT);
	sigaddset(&usual, SIGQUIT);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(pid, argv[0], NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* Run the editor on the file and wait. It has the terminal, so that signals of the keyboard are its own. */
static int run_editor(struct edit *d)
{
	cleanup_free char *words = strdup(editor());
	char *argv[EDITOR_WORDS + 2];
	int status = 0, rc;
	pid_t pid;

	if (!words)
		return err_set(&d->e, ERR_NO_MEMORY, "out of memory");
	if (split_editor(words, argv, d->path, &d->e) < 0)
		return -1;
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	rc = spawn_editor(argv, &pid);
	while (rc == 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (rc != 0)
		return err_sys(&d->e, rc, "cannot run the editor \"%s\" (VISUAL or EDITOR names one)",
		               argv[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(&d->e, ERR_STATE, "the editor \"%s\" ended with %s %d", argv[0],
		               WIFEXITED(status) ? "status" : "signal",
		               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return 0;
}

/* ---- the whole ---- */

/* Ask whether the editor is to be run once more, on what was typed. Without a terminal nobody can answer. */
static bool wants_again(const struct edit *d)
{
	char answer[16];

	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(stderr, "error: %s\n", d->e.message);
	do
		fputs("Failed. Try again? [y,n]: ", stderr);
	while (fgets(answer, sizeof(answer), stdin) && *answer != 'y' && *answer != 'Y' && *answer != 'n' &&
	       *answer != 'N');
	return *answer == 'y' || *answer == 'Y';
}

/* 1: changed and defined; 0: not changed; -1. */
static int edit(struct edit *d)
{
	if (read_definition(d, &d->text) < 0 || make_file(d) < 0)
		return -1;
	for (;;) {
		int rc = run_editor(d);

		payload_free(&d->edited);
		if (rc == 0)
			rc = payload_read(&d->edited, d->path, POOL_XML_LIMIT, &d->e);
		if (rc == 0 && same(&d->edited, &d->text))
			return 0;
		if (rc == 0 && define_edited(d) == 0)
			return 1;
		if (!wants_again(d))
			return -1;
		err_clear(&d->e);
	}
}

/* What was typed is worth something only if it differs from what the server has. */
static bool is_worth_keeping(struct edit *d)
{
	struct err e = { 0 };

	payload_free(&d->edited);
	return d->path[0] &&
	       (payload_read(&d->edited, d->path, POOL_XML_LIMIT, &e) < 0 || !same(&d->edited, &d->text));
}

/* The error names the file. The message has its limit, so that it is cut off before the name is. */
static void keep_edited_text(struct edit *d)
{
	char why[sizeof(d->e.message)];

	snprintf(why, sizeof(why), "%s", d->e.message);
	err_set(&d->e, d->e.class, "%.*s (your text is kept in %s)",
	        (int)(sizeof(why) - sizeof(d->path) - 32), why, d->path);
}

int edit_main(const struct command *c)
{
	struct edit d = { .command = c };
	int rc = edit(&d), status = EXIT_DONE;

	/* The file goes, unless somebody's work is in it that the server has not got. */
	if (rc >= 0 && !c->quiet)
		printf("Pool %s XML configuration %s.\n\n", d.name, rc ? "edited" : "not changed");
	if (rc < 0 && is_worth_keeping(&d))
		keep_edited_text(&d);
	else if (d.path[0])
		unlink(d.path);
	if (rc < 0)
		status = err_is(&d.e, ERR_WAIT_SERVER) ? unanswered(c, &d.e) : refused(c, &d.e);
	payload_free(&d.text);
	payload_free(&d.edited);
	return status;
}
