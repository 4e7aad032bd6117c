/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a command to one request, from its reply to text or JSON and an exit status.
 *
 * Exit statuses are decided here, in two functions: refused() for an answer that was no, unanswered() for no
 * answer. A document that is sent may hold a secret; its memory, and that of the answer, is wiped before it
 * is given back.
 */
#include "poolctl/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/contract.h"
#include "base/util.h"

/* ---- errors ---- */

/* For programs on standard output, where they read the answer; for people on standard error. */
static void tell_error(const struct command *c, const struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;

	if (c->json) {
		json_error(e, &out);
		fputs(buf_str(&out), stdout);
	} else {
		fprintf(stderr, "error: %s\n", e->message);
	}
}

void name_document(const char *file, struct err *e)
{
	static const char *const places[] = { "(socket):", "(source):" };
	char said[sizeof(e->message)];

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const char *line = e->message + strlen(places[i]), *rest = line + strspn(line, "0123456789");

		if (!starts_with(e->message, places[i]))
			continue;
		snprintf(said, sizeof(said), "%.200s%s%s", file ? file : "", file ? ":" : "",
		         file || !starts_with(rest, ": ") ? line : rest + 2);
		memcpy(e->message, said, sizeof(said));
		return;
	}
}

int refused(const struct command *c, const struct err *e)
{
	tell_error(c, e);
	return err_is(e, ERR_TIMEOUT) ? EXIT_TIMED_OUT : EXIT_REFUSED;
}

int unanswered(const struct command *c, const struct err *e)
{
	tell_error(c, e);
	return err_is(e, ERR_WAIT_SERVER) || err_is(e, ERR_DENIED) ? EXIT_NO_SERVER : EXIT_REFUSED;
}

/* ---- payloads ---- */

void payload_free(struct request_payload *p)
{
	if (p->data)
		explicit_bzero(p->data, p->room);
	free(p->data);
	*p = (struct request_payload){ 0 };
}

/* In one piece from the beginning: a buffer that grew would leave copies behind. */
int payload_read(struct request_payload *p, const char *path, size_t limit, struct err *e)
{
	demand(p && path && limit < SIZE_MAX, e);

	bool standard = streq(path, "-");
	cleanup_close int opened = standard ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	int fd = standard ? STDIN_FILENO : opened;

	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", path);
	*p = (struct request_payload){ .data = malloc(limit + 1), .room = limit + 1 };
	if (!p->data)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	while (p->len < p->room) {
		ssize_t n = read(fd, p->data + p->len, p->room - p->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read %s", standard ? "standard input" : path);
		if (n == 0)
			return 0;
		p->len += (size_t)n;
	}
	return err_set(e, ERR_TOO_LONG, "%s is longer than %zu bytes", standard ? "standard input" : path,
	               limit);
}

/* ---- the command ---- */

/* Arguments that only change what poolctl does are accepted by the server too, but need not travel. */
static void command_line(const struct command *c, struct buf *line)
{
	buf_adds(line, c->verb->name);
	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		if (a->kind != ARG_FILE && a->kind != ARG_DATA)
			line_str(line, a->name, c->values[a - c->verb->args]);
	if (job_wanted(c) && !command_value(c, "progress"))
		line_str(line, "progress", "yes"); /* so that we learn the job's number, for Ctrl-C */
}

/* What goes along: a document or a value, from a file or from standard input. */
static const char *payload_path(const struct command *c)
{
	if (!c->verb->payload_max)
		return NULL;
	if (c->file)
		return c->file;
	return c->verb->payload_required ? "-" : NULL;
}

/* Read what goes along, if anything does. 1: it is in p; 0: the verb has none; -1. */
static int take_payload(const struct command *c, struct request_payload *p, struct err *e)
{
	const char *path = payload_path(c);

	if (!path)
		return 0;
	return payload_read(p, path, c->verb->payload_max, e) < 0 ? -1 : 1;
}

/* Text or JSON, then to standard output in one piece. It may be a secret, so that its memory is wiped. */
static int print_answer(const struct command *c, struct reply *r, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	int rc;

	if (r->has_text && command_value(c, "xpath") && xpath_select(c, &r->text, e) < 0)
		return -1;
	rc = c->json ? json_reply(c, r, &out, e) : print_reply(c, r, &out, e);
	if (rc < 0)
		return -1;
	if (out.failed)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	rc = fwrite(buf_str(&out), 1, out.len, stdout) == out.len && fflush(stdout) == 0
	             ? 0
	             : err_sys(e, errno, "cannot write to standard output");
	if (out.data)
		explicit_bzero(out.data, out.size);
	return rc;
}

/* Over an open connection; the exit status. */
static int converse(const struct command *c, struct link *l, const struct request_payload *p, int fd)
{
	cleanup_buf struct buf line = BUF_INIT;
	struct job_wait progress;
	struct reply r = { 0 };
	struct err e = { 0 };
	int rc, status = EXIT_DONE;

	command_line(c, &line);
	job_begin(&progress, c, l);
	rc = link_request(l, &line, p, fd, &e);
	if (rc == 0)
		rc = reply_read(l, &r, job_wanted(c) ? job_line : NULL, &progress, &e);
	job_end(&progress);
	if (rc < 0)
		status = unanswered(c, &e);
	else if (r.failed) {
		const char *path = payload_path(c);

		name_document(path && streq(path, "-") ? "standard input" : path, &r.err);
		status = refused(c, &r.err);
	} else if (print_answer(c, &r, &e) < 0)
		status = refused(c, &e);
	reply_free(&r);
	return status;
}

/* Before a file is emptied for what is to come: is there such a volume? */
static int check_volume(const struct command *c, struct link *l, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT;
	struct reply r = { 0 };
	int rc;

	if (!streq(c->verb->name, "vol-download"))
		return 0;
	buf_adds(&line, "vol-path");
	line_str(&line, "vol", command_value(c, "vol"));
	line_str(&line, "pool", command_value(c, "pool"));
	rc = link_ask(l, buf_str(&line), NULL, &r, NULL, NULL, e);
	reply_free(&r);
	return rc;
}

int exchange(const struct command *c)
{
	demand_or(c->verb, EXIT_USAGE);

	struct request_payload payload = { 0 };
	struct data data = { .fd = -1 };
	struct err e = { 0 };
	struct link l;
	int has_payload = take_payload(c, &payload, &e), status;

	/* Everything that can fail here comes before the connection: a server is not bothered with half a
	 * request. */
	if (has_payload < 0) {
		payload_free(&payload);
		return refused(c, &e);
	}
	if (link_open(&l, c->socket, &e) < 0) {
		status = unanswered(c, &e);
	} else {
		if (check_volume(c, &l, &e) < 0 || data_open(c, &data, &e) < 0)
			status = refused(c, &e);
		else
			status = converse(c, &l, has_payload ? &payload : NULL, data.fd);
		if (data_close(&data, status == EXIT_DONE, &e) < 0 && status == EXIT_DONE)
			status = refused(c, &e);
		link_close(&l);
	}
	payload_free(&payload);
	return status;
}
