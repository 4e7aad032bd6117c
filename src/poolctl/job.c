/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Operations that take long: how far they are (--progress), and Ctrl-C, which ends the job in the server and
 * not just the waiting for it.
 *
 * While the reply is waited for, signals are read from a descriptor (signalfd(2)) beside the connection. The
 * first Ctrl-C cancels the job by a second connection, and the answer of the first one says what has become
 * of it; the second Ctrl-C gives up waiting.
 */
#include "poolctl/parts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/size.h"

bool job_wanted(const struct command *c)
{
	return verb_arg(c->verb, "progress") && !command_flag(c, "detach") && !command_flag(c, "print-xml");
}

/* ---- how far ---- */

/* Take the progress away before something else is written. */
static void erase(struct job_wait *p)
{
	if (p->shown && p->terminal)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

/* On a terminal one line that is written over; elsewhere a line for each change that can be seen. */
static void show_progress(struct job_wait *p, uint64_t done, uint64_t total)
{
	const char *unit, *total_unit;
	double value, total_value;
	char text[sizeof(p->text)];

	size_human(done, &value, &unit);
	size_human(total, &total_value, &total_unit);
	if (total && done <= total)
		snprintf(text, sizeof(text), "%s: %3u %%, %.2f %s of %.2f %s", p->command->verb->name,
		         (unsigned)((double)done * 100 / (double)total), value, unit, total_value,
		         total_unit);
	else
		snprintf(text, sizeof(text), "%s: %.2f %s", p->command->verb->name, value, unit);
	if (streq(text, p->text))
		return;
	memcpy(p->text, text, sizeof(text));
	erase(p);
	fprintf(stderr, "%s%s", text, p->terminal ? "" : "\n");
	fflush(stderr);
	p->shown = true;
}

bool job_line(void *arg, char *line, size_t len)
{
	demand_or(arg && line, false);

	struct job_wait *p = arg;
	struct err e = { 0 };
	struct line l;

	if (line[0] != '-')
		return false;
	if (line_parse_reply(line, len, &l, &e) < 0)
		return true;
	/* The first record has the number; later ones how far it is. */
	p->job = line_u64(&l, "job", p->job);
	if (command_flag(p->command, "progress") && line_has(&l, "progress"))
		show_progress(p, line_u64(&l, "progress", 0), line_u64(&l, "total", 0));
	return true;
}

/* ---- Ctrl-C ---- */

/* Is the job that of this command? The volume is not always known here: a document has its name. */
static bool is_commands_job(const struct command *c, const struct line *l)
{
	static const char *const names[] = { "newname", "name", "vol" };
	const char *volume = line_get(l, "volume");

	if (!streq(record_get(l, "operation"), c->verb->name))
		return false;
	if (c->file && !c->verb->data)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *given = command_value(c, names[i]);

		if (given && volume)
			return streq(strrchr(given, '/') ? strrchr(given, '/') + 1 : given, volume);
	}
	return true;
}

/* As long as no record has told the number: the only job that can be meant. */
static int find_job(struct job_wait *p, struct link *l, struct err *e)
{
	struct reply r = { 0 };
	struct line record;
	unsigned found = 0;
	int rc = link_ask(l, "job-list", NULL, &r, NULL, NULL, e);

	for (size_t i = 0; rc == 0 && i < r.nrecords; i++) {
		rc = reply_record(&r, i, &record, e);
		if (rc == 0 && is_commands_job(p->command, &record)) {
			p->job = line_u64(&record, "job", 0);
			found++;
		}
	}
	reply_free(&r);
	if (rc == 0 && found != 1) {
		p->job = 0;
		return err_set(e, ERR_STATE,
		               "which job this is cannot be told: job-list shows them, job-cancel ends one");
	}
	return rc;
}

/* By a connection of its own: the one that waits can carry no second request. */
static int cancel_job(struct job_wait *p, struct err *e)
{
	cleanup_buf struct buf request = BUF_INIT;
	struct reply r = { 0 };
	struct link l;
	int rc;

	if (link_open(&l, p->command->socket, e) < 0)
		return -1;
	rc = p->job ? 0 : find_job(p, &l, e);
	if (rc == 0) {
		buf_adds(&request, "job-cancel");
		line_num(&request, "job", p->job);
		rc = link_ask(&l, buf_str(&request), NULL, &r, NULL, NULL, e);
	}
	reply_free(&r);
	link_close(&l);
	return rc;
}

/* The first time the job is cancelled, and its answer awaited: that says what has become of it. The second
 * time we go. */
static int on_wait_signal(void *arg, struct err *e)
{
	struct job_wait *p = arg;
	struct signalfd_siginfo info;
	struct err why = { 0 };

	if (read(p->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	erase(p);
	if (p->cancelled)
		return err_set(e, ERR_STATE, "interrupted; the operation may still be going on (job-list)");
	p->cancelled = true;
	if (cancel_job(p, &why) == 0)
		return 0;
	if (err_is(&why, ERR_WAIT_SERVER))
		return err_wrap(e, ERR_KEEP, "%s", why.message);
	fprintf(stderr, "error: cannot cancel it: %s\n", why.message);
	return 0;
}

void job_begin(struct job_wait *p, const struct command *c, struct link *l)
{
	demand_or(c && l, );

	sigset_t set;

	*p = (struct job_wait){ .command = c, .terminal = isatty(STDERR_FILENO), .signals = -1 };
	if (!job_wanted(c))
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC);
	l->signals = p->signals;
	l->on_signal = on_wait_signal;
	l->arg = p;
}

void job_end(struct job_wait *p)
{
	erase(p);
	if (p->signals >= 0)
		close(p->signals);
	p->signals = -1;
}
