/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Workers: a forked child for each operation, heard through a socket pair, watched through a pidfd, ended by
 * a ladder.
 *
 * Whoever asked is told once, as soon as the outcome is known: by the child's final line and its death, or at
 * the deadline, when the child may still be there. What is left of it then only has to go; when it does,
 * on_gone says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/mountinfo.h"
#include "base/sandbox.h"
#include "base/spawn.h"
#include "base/util.h"
#include "supervisor/inside.h"
#include "supervisor/work/worker.h"

#define RUNG_TIME   SECONDS(2)                    /* between TERM, KILL and giving up */
#define INPUT_LIMIT (WORKER_PAYLOAD_LIMIT + 4096) /* "= N" and the rest of what was read with the payload */
#define BRIEF       SECONDS(1)                    /* a worker that takes longer keeps nobody back */
#define LOG_LINES   200         /* of what one worker says: it may repeat what strangers say */
#define TURN_BYTES  (64 * 1024) /* read of a worker's output in one round: then it is the others' turn */

enum { RUNG_NONE, RUNG_TERM, RUNG_KILL, RUNG_ABANDONED };

/* ---- in the child ---- */

/* Close everything but 0, 1, 2 and the few descriptors in keep (-1-terminated, any order). */
static void close_others(int fd, const int *keep)
{
	unsigned from = 3;

	for (;;) {
		unsigned next = ~0U;

		if (fd >= (int)from)
			next = (unsigned)fd;
		for (const int *k = keep; k && *k >= 0; k++)
			if (*k >= (int)from && (unsigned)*k < next)
				next = (unsigned)*k;
		if (next > from)
			syscall(SYS_close_range, from, next - 1, 0);
		if (next == ~0U)
			return;
		from = next + 1;
	}
}

/* Nothing of the supervisor's but its memory and what is kept. */
static void leave_parent(const struct task *task, int fd, pid_t parent)
{
	sigset_t none;

	memory_bound();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0); /* it had gone before the signal was asked for */
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL); /* the one that it ignores */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_others(fd, task->keep);
	mountinfo_keep();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
}

/* Has a library left threads here? They would abort without what they have open. (proc(5): /proc/self/task
 * has a link for each, and two of its own.) */
static bool has_threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) == 0 && st.st_nlink > 3;
}

#define TURNS 64 /* operations of one worker: should it lose memory, then not for ever */

static bool stays;
static unsigned turns; /* that are left; 0: it was forked for its operation */

void worker_stays(bool on)
{
	stays = on && turns > 0;
	turns -= stays;
}

/* 0: it went well. */
static int run(const struct task *task, int fd, bool goes_on)
{
	struct worker_io io = { .fd = fd,
		                .deadline = task->timeout == NEVER ? NEVER : clock_ms() + task->timeout };
	struct buf answer = BUF_INIT;
	struct err e = { 0 };
	bool closes;
	int rc;

	prctl(PR_SET_NAME, task->what);
	rc = task->run(&io, task->arg, &e);
	closes = task->prompt && (rc < 0 || !goes_on) && !sandbox_entered() && !has_threads();
	stays &= rc >= 0 && (goes_on || closes);
	if (rc >= 0) {
		buf_adds(&answer, closes && stays ? "OK stays=yes\n" : "OK\n");
	} else {
		size_t said = strlen(e.message);

		if (err_is(&e, ERR_NO_MEMORY) && memory_limit())
			snprintf(e.message + said, sizeof(e.message) - said, " (a worker may have %zu MiB)",
			         memory_limit() >> 20);
		line_error(&answer, &e);
	}
	if (closes)
		close_others(fd, (int[]){ mountinfo_kept(), -1 });
	worker_send(&io, &answer);
	worker_flush(&io);
	buf_free(&answer);
	return rc < 0 ? -1 : 0;
}

/* The child. It never returns into the supervisor's code. */
static _Noreturn void child_main(struct worker *w, int fd, pid_t parent)
{
	const struct task first = w->task;

	leave_parent(&first, fd, parent);
	turns = first.await ? TURNS : 0;
	do {
		stays = false;
		w->task = first;
		if (first.await && (fd = first.await(fd, &w->task, &w->then)) < 0)
			_exit(1);
		if (run(&w->task, fd, w->then.run) == 0 && w->then.run)
			run(&w->then, fd, false);
	} while (stays);
	_exit(0);
}

/* ---- in the supervisor ---- */

/* Out of the list, if it is in it. */
static void worker_free(struct worker *w)
{
	struct supervisor *s = w->sup;

	for (struct worker **p = &s->workers; *p; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			break;
		}
	buf_free(&w->in);
	free(w);
}

void worker_drop(struct worker *w)
{
	int pidfd = w->exit.fd, fd = w->output.fd;

	loop_unwatch(w->sup->loop, &w->exit);
	loop_unwatch(w->sup->loop, &w->output);
	loop_disarm(w->sup->loop, &w->deadline);
	if (pidfd >= 0)
		close(pidfd);
	if (fd >= 0)
		close(fd);
	worker_free(w);
}

/* For on_done, which is always called. */
static void ignore_done(struct worker *w, const struct err *e, bool left)
{
	(void)w;
	(void)e;
	(void)left;
}

/* What it says is nobody's any more. It stays in the list until it has gone. */
static void forget_owner(struct worker *w)
{
	w->of_a_pool |= w->task.pool != NULL;
	w->task.owner = NULL;
	w->task.pool = NULL;
	w->task.subject = NULL;
	w->task.on_record = NULL;
	w->task.on_payload = NULL;
	w->task.on_done = ignore_done;
	w->task.on_gone = NULL;
}

/* Tell the one who asked, once. */
static void report(struct worker *w, const struct err *e)
{
	if (w->reported)
		return;
	w->reported = true;
	log_debug(LF_WORKER, "%s %s: %s", w->task.what, w->task.pool ? w->task.pool : "",
	          e ? e->message : "done");
	w->task.on_done(w, e, !w->exited && !w->settled);
}

/* Whose work it is or was, for the log: a pool may have gone with its name. */
static const char *whose(const struct worker *w)
{
	if (w->task.pool)
		return w->task.pool;
	return w->of_a_pool ? "a pool" : "the supervisor";
}

/* The outcome is known, and the child has closed all its files: it only ends. Should it not, it is ended. */
static void worker_settle(struct worker *w)
{
	loop_disarm(w->sup->loop, &w->deadline);
	w->settled = true;
	report(w, w->err.class == ERR_NONE ? NULL : &w->err);
	forget_owner(w);
	loop_arm(w->sup->loop, &w->deadline, clock_ms() + RUNG_TIME);
	w->sup->up->on_worker_over(w->sup);
}

bool worker_may_log(struct worker *w)
{
	return w->lines++ < LOG_LINES;
}

/* The child is dead and all that it said is read: the outcome is known. */
static void worker_conclude(struct worker *w)
{
	struct supervisor *s = w->sup;
	struct err e = { 0 };

	loop_disarm(w->sup->loop, &w->deadline);
	if (w->lines > LOG_LINES)
		log_warn(LF_WORKER, "%s: … and %u more", w->task.what, w->lines - LOG_LINES);
	if (w->reported) {
		if (w->abandoned)
			log_info(LF_WORKER, "%s of %s (pid %d), left behind, is gone", w->task.what, whose(w),
			         (int)w->pid);
		if (w->task.on_gone)
			w->task.on_gone(w);
	} else if (!w->final_seen) {
		err_set(&e,
		        memory_took(w->pid, w->task.what, w->status, w->kills) ? ERR_NO_MEMORY : ERR_INTERNAL,
		        "the worker for \"%s\" %s", w->task.what,
		        WIFSIGNALED(w->status) ? memory_ending(w->pid, w->task.what, w->status, w->kills)
		                               : "ended without an answer");
		report(w, &e);
	} else {
		report(w, w->err.class == ERR_NONE ? NULL : &w->err);
	}
	worker_free(w);
	s->up->on_worker_over(s);
}

/* From now on it has the whole time that its task has. */
static void begin_time(struct worker *w)
{
	if (w->task.timeout != NEVER)
		loop_arm(w->sup->loop, &w->deadline, clock_ms() + w->task.timeout);
}

void worker_time(struct worker *w, uint64_t ms)
{
	w->task.timeout = ms;
	begin_time(w);
}

/* The job went well, and the child goes on with the next. One that is being ended has no next. */
static bool go_on(struct worker *w)
{
	void (*on_next)(struct worker *) = w->task.on_next;

	if (!w->then.run || w->reported)
		return false;
	log_debug(LF_WORKER, "%s %s: done, and on to %s", w->task.what, w->task.pool ? w->task.pool : "",
	          w->then.what);
	w->task = w->then;
	w->then = (struct task){ 0 };
	w->started = clock_ms();
	loop_disarm(w->sup->loop, &w->deadline);
	begin_time(w);
	on_next(w);
	return true;
}

/* After whoever asked has been told, nothing more is: the owner may have gone. */
static void got_record(struct worker *w, const struct line *l)
{
	if (w->reported)
		return;
	if (clock_ms() - w->started < w->task.renewed_for)
		begin_time(w);
	if (w->task.on_record)
		w->task.on_record(w, l);
}

/* A line that is not understood is no reason to end the worker: its outcome counts. */
static void got_line(struct worker *w, char *text, size_t len)
{
	struct line l;
	struct err e = { 0 };

	if (line_parse_reply(text, len, &l, &e) < 0) {
		if (worker_may_log(w))
			log_warn(LF_WORKER, "%s: a line that is not understood: %s", w->task.what, e.message);
		return;
	}
	switch (l.kind) {
	case LINE_RECORD:
		got_record(w, &l);
		break;
	case LINE_OK:
		w->final_seen = !go_on(w);
		w->stays = w->final_seen && line_has(&l, "stays");
		break;
	case LINE_ERR:
		w->final_seen = true;
		line_to_err(&l, &w->err);
		break;
	default:
		break;
	}
}

/* `memory`: it is short, and there was no memory for it. What follows is not read any more, so that no byte
 * of a payload is ever taken for a line. */
static void end_overlong(struct worker *w, bool memory)
{
	if (memory)
		err_set(&w->err, ERR_NO_MEMORY, "no memory for the answer of \"%s\"", w->task.what);
	else
		err_set(&w->err, ERR_TOO_LONG, "the answer of \"%s\" is longer than %d bytes", w->task.what,
		        WORKER_PAYLOAD_LIMIT);
	log_error(LF_WORKER, "%s: ended", w->err.message);
	w->final_seen = w->overlong = true;
	kill(w->pid, SIGKILL);
}

/* "= N" at the start of the input: how many bytes line and payload take together; 0: no payload line;
 * SIZE_MAX: not complete yet, or never. */
static size_t payload_span(struct worker *w, size_t line_len, size_t *payload)
{
	if (w->in.data[0] != '=')
		return 0;
	*payload = line_len < 3 ? SIZE_MAX : (size_t)strtoull(w->in.data + 2, NULL, 10);
	if (*payload > WORKER_PAYLOAD_LIMIT) {
		end_overlong(w, false);
		return SIZE_MAX;
	}
	return w->in.len >= line_len + 1 + *payload ? line_len + 1 + *payload : SIZE_MAX;
}

/* All whole lines, and payloads, that have come. What is left waits for the rest. */
static void take_lines(struct worker *w)
{
	for (;;) {
		char *lf = w->in.len ? memchr(w->in.data, '\n', w->in.len) : NULL;
		size_t payload = 0;

		if (!lf)
			return;
		size_t len = (size_t)(lf - w->in.data);
		size_t span = payload_span(w, len, &payload);
		if (span == SIZE_MAX)
			return;
		if (span) {
			if (w->task.on_payload && !w->reported)
				w->task.on_payload(w, lf + 1, payload);
			buf_consume(&w->in, span);
		} else {
			got_line(w, w->in.data, len);
			buf_consume(&w->in, len + 1);
		}
	}
}

/* Read what the child has said so far, `most` bytes or a little more. False: there will be no more. */
static bool output_drain(struct worker *w, size_t most)
{
	char chunk[8192];

	for (size_t done = 0; done < most;) {
		ssize_t n = recv(w->output.fd, chunk, sizeof(chunk), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		done += (size_t)n;
		buf_add(&w->in, chunk, (size_t)n);
		take_lines(w);
		if (w->in.failed && !w->overlong)
			end_overlong(w, w->in.len + sizeof(chunk) < w->in.limit);
		if (w->overlong)
			return false;
	}
	return true;
}

/* Nothing more comes. */
static void end_output(struct worker *w)
{
	int fd = w->output.fd;

	loop_unwatch(w->sup->loop, &w->output);
	if (fd >= 0)
		close(fd);
}

/* The worker has said something. One that is prompt has answered when its last line is there. */
static void on_output(struct watch *watch, uint32_t events)
{
	struct worker *w = watch->owner;

	(void)events;
	if (!output_drain(w, TURN_BYTES))
		end_output(w);
	if (w->final_seen && w->task.prompt && !w->reported && !w->overlong)
		worker_settle(w);
}

/* The child is dead: whatever it said is in the socket by now, even if a descendant of its still holds the
 * other end, and goes on writing. */
static void on_exit_event(struct watch *watch, uint32_t events)
{
	struct worker *w = watch->owner;
	int fd = watch->fd, there = 0;

	(void)events;
	if (waitpid(w->pid, &w->status, WNOHANG) != w->pid)
		return;
	w->exited = true;
	loop_unwatch(w->sup->loop, watch);
	close(fd);
	if (w->output.fd >= 0) {
		if (ioctl(w->output.fd, FIONREAD, &there) == 0 && there > 0)
			output_drain(w, (size_t)there);
		end_output(w);
	}
	worker_conclude(w);
}

/* The next rung of the ladder: TERM, KILL, give up. Children that the worker has spawned are in its group
 * and get the same. */
static void climb(struct worker *w)
{
	static const int signals[] = { [RUNG_TERM] = SIGTERM, [RUNG_KILL] = SIGKILL };

	w->rung++;
	if (w->rung >= RUNG_ABANDONED) {
		w->abandoned = true;
		log_error(LF_WORKER, "%s of %s: pid %d does not even die by SIGKILL: left behind",
		          w->task.what, whose(w), (int)w->pid);
		return;
	}
	kill(w->pid, signals[w->rung]);
	kill(-w->pid, signals[w->rung]);
	loop_arm(w->sup->loop, &w->deadline, clock_ms() + RUNG_TIME);
}

/* Too late: the ladder is climbed, and at its first rung whoever asked is told. */
static void on_deadline(struct timer *t)
{
	struct worker *w = t->owner;
	struct err e = { 0 };

	unsigned long long ms = w->task.timeout;
	bool renewed = clock_ms() - w->started > ms + SECONDS(1); /* by records */

	climb(w);
	err_set(&e, ERR_TIMEOUT, "%s %s %llu %s", w->task.what,
	        renewed ? "came no further for" : "did not end within", ms < 1000 ? ms : (ms + 500) / 1000,
	        ms < 1000 ? "ms" : "s");
	report(w, &e);
}

void worker_cancel(struct worker *w)
{
	struct err e = { 0 };

	if (w->rung == RUNG_NONE && !w->exited)
		climb(w);
	err_set(&e, ERR_STATE, "%s was cancelled", w->task.what);
	report(w, &e);
}

void worker_disown(struct worker *w)
{
	forget_owner(w);
	if (!w->reported)
		worker_cancel(w);
}

unsigned workers_busy(const struct supervisor *s)
{
	uint64_t now = clock_ms();
	unsigned n = s->starter.armed;

	for (const struct worker *w = s->workers; w; w = w->next)
		n += !w->settled && now - w->started < BRIEF;
	return n;
}

bool worker_at(const struct supervisor *s, size_t i, struct worker_view *v)
{
	const struct worker *w = s->workers;

	while (w && (w->settled || i--))
		w = w->next;
	if (!w)
		return false;
	*v = (struct worker_view){ w->pid, w->task.what, w->task.pool, w->started, w->abandoned };
	return true;
}

/* Both of its descriptors. */
static int watch_child(struct worker *w, int pidfd, int fd, struct err *e)
{
	struct loop *l = w->sup->loop;

	if (loop_watch(l, &w->exit, pidfd, EPOLLIN, e) < 0)
		return -1;
	return loop_watch(l, &w->output, fd, EPOLLIN, e);
}

struct worker *worker_ahead(struct supervisor *s, const struct task *task, struct err *e)
{
	demand_or(task && task->what && task->run && task->on_done, NULL);
	demand_or(!task->then || (task->then->run && task->then->on_done && task->on_next), NULL);

	cleanup_close int mine = -1;
	int pair[2];
	struct worker *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(e, ERR_NO_MEMORY, "cannot start the worker for \"%s\": out of memory", task->what);
		return NULL;
	}
	w->sup = s;
	w->task = *task;
	w->started = clock_ms();
	w->in.limit = INPUT_LIMIT;
	if (task->then)
		w->then = *task->then;
	w->exit.fd = w->output.fd = -1;
	w->exit.on_event = on_exit_event;
	w->output.on_event = on_output;
	w->deadline.on_expiry = on_deadline;
	w->exit.owner = w->output.owner = w->deadline.owner = w;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		err_sys(e, errno, "cannot start the worker for \"%s\"", task->what);
		free(w);
		return NULL;
	}
	mine = pair[0];
	w->kills = memory_watch();
	pid_t self = getpid();
	w->pid = fork();
	if (w->pid == 0)
		child_main(w, pair[1], self);
	close(pair[1]);
	int pidfd = w->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, w->pid, 0);
	if (w->pid < 0 || pidfd < 0 || watch_child(w, pidfd, mine, e) < 0) {
		err_sys(e, errno, "cannot start the worker for \"%s\"", task->what);
		if (w->pid > 0)
			spawn_forget(s->loop, w->pid);
		loop_unwatch(s->loop, &w->exit);
		if (pidfd >= 0)
			close(pidfd);
		free(w);
		return NULL;
	}
	steal_fd(&mine);
	return w;
}

/* It is listed, and its time begins. */
static void worker_enlist(struct worker *w)
{
	struct supervisor *s = w->sup;

	w->started = clock_ms();
	w->next = s->workers;
	s->workers = w;
	begin_time(w);
}

struct worker *worker_start(struct supervisor *s, const struct task *task, struct err *e)
{
	struct worker *w = worker_ahead(s, task, e);

	if (w)
		worker_enlist(w);
	return w;
}

void worker_assign(struct worker *w, const struct task *task)
{
	demand_or(w->pid > 0 && task->on_done && (!task->then || task->on_next), );
	w->task = *task;
	if (task->then)
		w->then = *task->then;
	w->kills = memory_watch(); /* it may have waited for days */
	worker_enlist(w);
}

bool worker_again(struct supervisor *s, struct worker *w, const struct task *task)
{
	struct worker **at = &s->workers;

	while (*at && *at != w)
		at = &(*at)->next;
	if (!*at || !w->settled || !w->stays)
		return false;
	*at = w->next;
	loop_disarm(s->loop, &w->deadline);
	w->task = *task;
	w->final_seen = w->reported = w->settled = w->stays = w->of_a_pool = false;
	w->lines = 0;
	return true;
}

void worker_dismiss(struct worker *w)
{
	worker_enlist(w);
	worker_disown(w);
}
