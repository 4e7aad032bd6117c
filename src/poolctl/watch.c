/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poolctl watch: the table of pools, drawn again whenever the server tells of an event. No clock: between
 * events nothing happens. Without a terminal, and for poolctl subscribe, events are printed as the lines they
 * are.
 *
 * The screen is drawn from a fresh pool-list each time, never from the events themselves: they only say that
 * something has changed, so that one that was lost does no harm.
 */
#include "poolctl/parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "base/util.h"

/* What was drawn last, so that it can be drawn over. */
struct screen {
	struct link link;
	size_t lines;
	struct termios before;
	bool changed; /* keys are read one by one */
	struct buf last_event;
	int signals;
};

/* ---- lines ---- */

/* Flushed line by line: whoever reads from a pipe wants it now. */
static int print_event(char *line, size_t len)
{
	return fwrite(line, 1, len, stdout) == len && putchar('\n') != EOF && fflush(stdout) == 0 ? 0 : -1;
}

int events_main(const struct command *c)
{
	const char *since = command_value(c, "since");
	cleanup_buf struct buf request = BUF_INIT;
	struct reply r = { 0 };
	struct err e = { 0 };
	struct link l;
	char *line;
	size_t len;
	int rc;

	buf_adds(&request, "subscribe");
	if (since)
		line_str(&request, "since", since);
	if (link_open(&l, c->socket, &e) < 0)
		return unanswered(c, &e);
	rc = link_ask(&l, buf_str(&request), NULL, &r, NULL, NULL, &e) < 0 ? -1 : 1;
	reply_free(&r);
	while (rc > 0 && (rc = link_line(&l, &line, &len, &e)) > 0)
		if (line[0] == '!' && print_event(line, len) < 0)
			rc = err_sys(&e, errno, "cannot write to standard output");
	link_close(&l);
	if (rc < 0)
		return unanswered(c, &e);
	fprintf(stderr, "error: the server closed the connection\n");
	return EXIT_NO_SERVER;
}

/* ---- the table ---- */

/* The last event is shown below the table. */
static bool note_event(void *arg, char *line, size_t len)
{
	struct screen *s = arg;

	if (line[0] != '!')
		return false;
	buf_reset(&s->last_event);
	buf_add(&s->last_event, line, len);
	return true;
}

/* A pool's line: name, state, how full, and in its own words why it is not active. */
static void screen_pool_row(struct table *t, const char **row, const struct line *l)
{
	row[0] = line_get(l, "name");
	row[1] = line_get(l, "type");
	row[2] = pool_state_word(line_get(l, "phase") ? line_get(l, "phase") : "-", "active");
	row[3] = table_size(&t->arena, l, "capacity");
	row[4] = table_size(&t->arena, l, "available");
	row[5] = line_get(l, "volumes");
	row[6] = line_has(l, "reason") ? line_get(l, "reason") : "";
}

/* The table of all pools, from the records of pool-list. */
static int table_of(struct reply *r, struct buf *out, struct err *e)
{
	static const char *const titles[] = { "Name",      "Type",    "State", "Capacity",
		                              "Available", "Volumes", "Reason" };
	struct table t;
	struct line l;
	int rc = 0;

	table_begin(&t, titles, ARRAY_LEN(titles));
	for (size_t i = 0; rc == 0 && i < r->nrecords; i++) {
		const char **row = table_row(&t);

		rc = row ? reply_record(r, i, &l, e) : err_set(e, ERR_NO_MEMORY, "out of memory");
		if (rc == 0)
			screen_pool_row(&t, row, &l);
	}
	if (rc == 0)
		rc = table_print(&t, true, out, e);
	table_free(&t);
	return rc;
}

/* Draw the table over the last one. Lines longer than the terminal would wrap and spoil the count: long
 * lines are cut by the terminal itself (auto-wrap off while drawing). The escapes are those of every
 * terminal since the VT100. */
static int draw(struct screen *s, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct arena a = { 0 };
	struct reply r = { 0 };
	int rc = link_ask(&s->link, "pool-list --all", NULL, &r, note_event, s, e);

	if (s->lines)
		buf_printf(&out, "\033[%zuA\r\033[J", s->lines);
	buf_adds(&out, "\033[?7l");
	size_t head = out.len;
	if (rc == 0)
		rc = table_of(&r, &out, e);
	buf_printf(&out, "\n %s\n q ends", s->last_event.len ? table_safe(&a, buf_str(&s->last_event)) : "");
	s->lines = 0;
	for (size_t i = head; i < out.len; i++)
		s->lines += out.data[i] == '\n';
	buf_adds(&out, "\033[?7h");
	if (rc == 0 &&
	    (out.failed || fwrite(buf_str(&out), 1, out.len, stdout) != out.len || fflush(stdout) != 0))
		rc = err_set(e, ERR_STORAGE, "cannot write to the terminal");
	arena_free(&a);
	reply_free(&r);
	return rc;
}

/* ---- the terminal ---- */

/* Keys come without Enter, and are not shown. What the terminal was like before is restored at the end. */
static void keys_one_by_one(struct screen *s)
{
	struct termios now;

	if (!isatty(0) || tcgetattr(0, &s->before) < 0)
		return;
	now = s->before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	s->changed = tcsetattr(0, TCSANOW, &now) == 0;
}

/* SIGWINCH only has the table drawn again; the others end it. */
static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* All events that are there: one drawing for all of them. 1; 0: the server has gone; -1. */
static int take_events(struct screen *s, struct err *e)
{
	char *line;
	size_t len;
	int rc;

	do {
		rc = link_line(&s->link, &line, &len, e);
		if (rc > 0 && line[0] == '!')
			note_event(s, line, len);
	} while (rc > 0 && link_has_line(&s->link));
	return rc;
}

/* Draw, wait for an event, a key, a signal, draw again. 0: the user ended it. */
static int watch_screen(struct screen *s, struct err *e)
{
	struct pollfd fds[3] = { { s->link.fd, POLLIN, 0 },
		                 { s->signals, POLLIN, 0 },
		                 { s->changed ? 0 : -1, POLLIN, 0 } };
	struct signalfd_siginfo info;
	char key;

	for (;;) {
		if (draw(s, e) < 0)
			return -1;
		if (link_has_line(&s->link)) { /* came in while we asked */
			if (take_events(s, e) < 0)
				return -1;
			continue;
		}
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for events");
		if (fds[2].revents && (read(0, &key, 1) <= 0 || key == 'q' || key == 'Q' || key == 4))
			return 0;
		if (fds[1].revents && read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info) &&
		    info.ssi_signo != SIGWINCH)
			return 0;
		if (!fds[0].revents)
			continue;
		int rc = take_events(s, e);
		if (rc <= 0)
			return rc < 0 ? rc : err_set(e, ERR_WAIT_SERVER, "the server closed the connection");
	}
}

int watch_main(const struct command *c)
{
	struct command lines = { .socket = c->socket, .verb = verb_find("subscribe") };
	struct screen s = { 0 };
	struct reply r = { 0 };
	struct err e = { 0 };

	if (!isatty(1))
		return events_main(&lines);
	if (link_open(&s.link, c->socket, &e) < 0)
		return unanswered(c, &e);
	s.signals = watch_signals();
	keys_one_by_one(&s);
	int rc = link_ask(&s.link, "subscribe", NULL, &r, note_event, &s, &e);
	reply_free(&r);
	if (rc == 0)
		rc = watch_screen(&s, &e);
	if (s.changed)
		tcsetattr(0, TCSANOW, &s.before);
	putchar('\n');
	link_close(&s.link);
	buf_free(&s.last_event);
	if (s.signals >= 0)
		close(s.signals);
	return rc < 0 ? unanswered(c, &e) : EXIT_DONE;
}
