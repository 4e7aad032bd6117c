/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poolctl pool-event: what happens to pools, in virsh's words.
 *
 * poolinit's events are steps of a pool's phase, of which there are more than virsh has words for. A step is
 * told as virsh's event only if it is one: a pool that goes from active to degraded is still running for
 * virsh.
 */
#include "poolctl/parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"

/* One run of pool-event: what is listened for, until when, and how much was heard. */
struct hearing {
	const struct command *command;
	struct arena arena;
	const char *pool; /* of this one only; NULL: of all */
	uint64_t deadline;
	int signals;
	unsigned received;
	struct link link;
};

enum ending { HEARD, TIMED_OUT, INTERRUPTED };

/* ---- from our events to virsh's ---- */

/* Phases in which virsh would call the pool running: it is there until it has stopped. */
static bool phase_is_up(const char *phase)
{
	return streq(phase, "active") || streq(phase, "degraded") || streq(phase, "hung") ||
	       streq(phase, "stopping");
}

/* virsh's word for a step from one phase to another; NULL: it has none. */
static const char *phase_change(const struct line *l)
{
	bool was = phase_is_up(record_get(l, "from")), is = phase_is_up(record_get(l, "to"));

	if (was == is)
		return NULL;
	return is ? "Started" : "Stopped";
}

/* virsh's word for an event of ours; NULL: virsh has none, and nothing is printed. */
static const char *lifecycle(const struct line *l)
{
	static const struct {
		const char *event, *word;
	} words[] = {
		{ "pool-defined", "Defined" },
		{ "pool-undefined", "Undefined" },
		{ "pool-built", "Created" },
		{ "pool-deleted", "Deleted" },
	};
	const char *event = record_get(l, "event");

	if (streq(event, "pool-phase"))
		return phase_change(l);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (streq(event, words[i].event))
			return words[i].word;
	return NULL;
}

/* --event chooses one of the two kinds; without it both are wanted. */
static bool wants_event(const struct hearing *h, const char *kind)
{
	const char *only = command_value(h->command, "event");

	return !only || streq(only, kind);
}

/* virsh's form of a time, in UTC. */
static void print_time(void)
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	printf("%04d-%02d-%02d %02d:%02d:%02d.%03ld+0000: ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
	       utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000);
}

/* Print the event if it is one that was asked for. */
static int hear(struct hearing *h, char *text, size_t len, struct err *e)
{
	struct line l;

	if (text[0] != '!')
		return 0;
	if (line_parse_reply(text, len, &l, e) < 0)
		return -1;
	const char *pool = line_get(&l, "pool"), *word = lifecycle(&l);
	bool refreshed = streq(record_get(&l, "event"), "pool-refreshed");

	if (!pool || (h->pool && !streq(pool, h->pool)))
		return 0;
	if (!(word && wants_event(h, "lifecycle")) && !(refreshed && wants_event(h, "refresh")))
		return 0;
	if (command_flag(h->command, "timestamp"))
		print_time();
	if (refreshed)
		printf("event 'refresh' for storage pool %s\n", table_safe(&h->arena, pool));
	else
		printf("event 'lifecycle' for storage pool %s: %s\n", table_safe(&h->arena, pool), word);
	h->received++;
	return fflush(stdout) == 0 ? 0 : err_sys(e, errno, "cannot write to standard output");
}

/* ---- listening ---- */

/* Without --loop the first event that was asked for ends it. */
static bool enough(const struct hearing *h)
{
	return h->received > 0 && !command_flag(h->command, "loop");
}

/* HEARD, TIMED_OUT, INTERRUPTED, or -1. */
static int listen_on(struct hearing *h, struct err *e)
{
	struct pollfd fds[] = { { h->link.fd, POLLIN, 0 }, { h->signals, POLLIN, 0 } };
	char *text;
	size_t len;

	while (!enough(h)) {
		if (!link_has_line(&h->link)) {
			int n = poll(fds, ARRAY_LEN(fds), clock_until(h->deadline));

			if (n < 0 && errno != EINTR)
				return err_sys(e, errno, "cannot wait for events");
			if (n == 0)
				return TIMED_OUT;
			if (fds[1].revents)
				return INTERRUPTED;
			if (!fds[0].revents)
				continue;
		}
		int rc = link_line(&h->link, &text, &len, e);
		if (rc == 0)
			return err_set(e, ERR_WAIT_SERVER, "the server closed the connection");
		if (rc < 0 || hear(h, text, len, e) < 0)
			return -1;
	}
	return HEARD;
}

/* A uuid becomes the name that events have. */
static int find_pool(struct hearing *h, struct err *e)
{
	const char *given = command_value(h->command, "pool");
	cleanup_buf struct buf request = BUF_INIT;
	struct reply r = { 0 };
	struct line l;
	int rc;

	if (!given)
		return 0;
	buf_adds(&request, "pool-name");
	line_str(&request, "pool", given);
	rc = link_ask(&h->link, buf_str(&request), NULL, &r, NULL, NULL, e);
	if (rc == 0)
		rc = r.nrecords == 1 ? reply_record(&r, 0, &l, e)
		                     : err_set(e, ERR_SYNTAX, "the reply holds no record");
	if (rc == 0)
		h->pool = arena_strdup(&h->arena, record_get(&l, "name"));
	reply_free(&r);
	return rc;
}

/* Subscribe on the connection that asked for the pool's name, so that no event falls in between. */
static int follow_events(struct hearing *h, struct err *e)
{
	struct reply r = { 0 };
	int rc = find_pool(h, e);

	if (rc == 0)
		rc = link_ask(&h->link, "subscribe", NULL, &r, NULL, NULL, e);
	reply_free(&r);
	return rc < 0 ? -1 : listen_on(h, e);
}

/* Signals that end the listening are read as events: what was heard is counted and told all the same. */
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int pool_event_main(const struct command *c)
{
	static const char *const endings[] = { [HEARD] = "",
		                               [TIMED_OUT] = "event loop timed out\n",
		                               [INTERRUPTED] = "event loop interrupted\n" };
	const char *timeout = command_value(c, "timeout"), *kind = command_value(c, "event");
	struct hearing h = { .command = c, .deadline = NEVER };
	struct err e = { 0 };
	uint64_t ms;

	if (command_flag(c, "list")) {
		fputs("lifecycle\nrefresh\n\n", stdout);
		return EXIT_DONE;
	}
	if (kind && !streq(kind, "lifecycle") && !streq(kind, "refresh")) {
		err_set(&e, ERR_INVALID, "unknown event type %s (--list names them)", kind);
		return refused(c, &e);
	}
	if (timeout && clock_parse(timeout, &ms, &e) < 0)
		return refused(c, &e);
	if (timeout)
		h.deadline = clock_ms() + ms;
	h.signals = catch_signals();
	if (link_open(&h.link, c->socket, &e) < 0)
		return unanswered(c, &e);
	int how = follow_events(&h, &e);
	link_close(&h.link);
	if (h.signals >= 0)
		close(h.signals);
	arena_free(&h.arena);
	if (how < 0)
		return unanswered(c, &e);
	printf("%sevents received: %u\n\n", endings[how], h.received);
	return h.received ? EXIT_DONE : EXIT_REFUSED;
}
