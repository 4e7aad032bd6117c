/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Companion programs that pools need (iscsid), one for all pools of a type or one for each: started when
 * first needed, asked whether they answer, restarted with back-off when they end.
 *
 *     down → preparing (worker) → starting (READY=1 awaited) → asking (worker, the same if it can) → ready
 *              └→ foreign: somebody else's answers already
 *
 * When a pool that needs it cannot be started, it is asked again: another's may have gone, and ours may hang.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/spawn.h"
#include "base/util.h"
#include "supervisor/companions/companions.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"

#define READY_WITHIN  SECONDS(30)
#define BACKOFF_FIRST SECONDS(1)
#define BACKOFF_MAX   SECONDS(30)
#define STEADY        SECONDS(60) /* ready for so long: the next restart is the first again */
#define STOP_WITHIN   SECONDS(3)
#define WORDS_MAX     64 /* of a command */

enum service_state {
	SERVICE_DOWN,
	SERVICE_PREPARING,
	SERVICE_STARTING,
	SERVICE_ASKING,
	SERVICE_READY,
	SERVICE_FOREIGN,
	SERVICE_STOPPING
};

static const char *const state_words[] = { "down",  "preparing", "starting", "asking",
	                                   "ready", "foreign",   "stopping" };

/* One companion: what it is, how far it is, and its process. */
struct service_run {
	struct service_run *next;
	struct supervisor *sup;
	const struct service *service;
	char *label;      /* "iscsid"; "NAME:POOL" */
	const char *pool; /* whose it is: the end of the label; NULL: it is for all of the type */
	bool released;    /* its pool needs it no more */
	char *words;      /* its pool's command: words, each with its NUL */
	size_t words_len;
	enum service_state state;
	enum service_state doubted; /* what it is, and is being asked again for; DOWN: it is not in doubt */
	pid_t pid;                  /* 0: none of ours runs */
	struct watch exit, notify;
	struct timer timer;    /* start-up deadline, back-off, kill */
	struct worker *worker; /* preparing or asking */
	unsigned restarts;     /* ever, for status */
	unsigned failures;     /* in a row */
	uint64_t ready_since;  /* clock_ms() */
	bool ending;           /* it was sent SIGTERM because it failed: SIGKILL comes next */
	char why[256];
	enum err_class hopeless; /* what it was, if no later attempt can do better: ERR_NONE else */
};

static void service_bring_up(struct service_run *r);
static void service_ask(struct service_run *r);

/* Harmless if there is nothing to watch. */
static void drop_watch(struct service_run *r, struct watch *w)
{
	int fd = w->fd;

	loop_unwatch(r->sup->loop, w);
	if (fd >= 0)
		close(fd);
	w->fd = -1;
}

/* It is down, and comes up again after a pause that grows with each failure in a row. */
static void back_off(struct service_run *r)
{
	uint64_t pause = BACKOFF_FIRST << (r->failures < 5 ? r->failures : 5);

	r->state = r->doubted = SERVICE_DOWN;
	r->restarts++;
	r->failures++;
	drop_watch(r, &r->notify);
	loop_arm(r->sup->loop, &r->timer, clock_ms() + (pause < BACKOFF_MAX ? pause : BACKOFF_MAX));
}

/* One failure, whatever it was. A process of ours is ended first: two of them would be in each other's way.
 */
static void failed(struct service_run *r, const char *why)
{
	r->doubted = SERVICE_DOWN;
	snprintf(r->why, sizeof(r->why), "%s", why);
	log_error(LF_POOL, "%s: %s", r->label, why);
	if (r->hopeless) {
		r->state = SERVICE_DOWN; /* its pool hears of it, and that is its end */
	} else if (r->pid) {             /* its end leads to the next attempt */
		r->ending = true;
		kill(r->pid, SIGTERM);
		loop_arm(r->sup->loop, &r->timer, clock_ms() + STOP_WITHIN);
	} else {
		back_off(r);
	}
	pools_kick(r->sup, "service", ""); /* those who wait for it hear why */
}

/* It answers, ours or another one's. Pools that wait for it are told, unless it had only been in doubt. */
static void answers(struct service_run *r, enum service_state state)
{
	loop_disarm(r->sup->loop, &r->timer);
	r->state = state;
	r->why[0] = '\0';
	bool as_before = r->doubted == state;
	r->doubted = SERVICE_DOWN;
	if (as_before)
		return;
	r->ready_since = clock_ms();
	struct pool *p = r->pool ? pool_by_name(r->sup, r->pool) : NULL;
	if (p && pool_is_active(p)) /* it may be well again */
		touch_later(p, NULL);
	log_info(LF_POOL, "%s: %s", r->label,
	         state == SERVICE_READY ? "ready" : "another one is running and answers: it is used");
	pools_kick(r->sup, "service", "");
}

/* Out of the list. Its process has ended, or is nobody's from now on. */
static void run_free(struct service_run *r)
{
	struct service_run **at = &r->sup->services;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	loop_disarm(r->sup->loop, &r->timer);
	drop_watch(r, &r->exit);
	drop_watch(r, &r->notify);
	free(r->label);
	free(r->words);
	free(r);
}

/* ---- its process ---- */

/* It was told to end, or its pool is being stopped, which ends it as well. Its pool may need one again
 * meanwhile. */
static void service_ended(struct service_run *r)
{
	struct supervisor *s = r->sup;

	r->state = r->doubted = SERVICE_DOWN;
	r->ending = false;
	loop_disarm(s->loop, &r->timer);
	if (r->released)
		run_free(r);
	else if (!s->shutdown.on)
		service_bring_up(r);
	s->up->step_shutdown(s);
}

/* Its process has ended. That was wanted, or it is a failure; the pool that it was for may be the worse for
 * it, and is looked at. */
static void on_service_exit(struct watch *w, uint32_t events)
{
	struct service_run *r = w->owner;
	pid_t pid = r->pid;
	char why[128];
	int status;

	(void)events;
	if (waitpid(pid, &status, WNOHANG) != pid)
		return;
	drop_watch(r, w);
	r->pid = 0;
	if (r->worker) /* what it asked for is no longer there */
		worker_disown(r->worker);
	r->worker = NULL;
	struct pool *p = r->pool ? pool_by_name(r->sup, r->pool) : NULL;
	r->released |= r->pool && !(p && p->want.active);
	if (r->state == SERVICE_STOPPING || r->released ||
	    (WIFSIGNALED(status) && WTERMSIG(status) == FOLLOW_SIGNAL)) {
		service_ended(r);
		return;
	}
	if (p && pool_is_active(p))
		touch_later(p, NULL);
	if (r->ready_since && clock_ms() - r->ready_since > STEADY)
		r->failures = 0;
	r->ready_since = 0;
	if (r->ending) { /* why is known */
		r->ending = false;
		back_off(r);
		return;
	}
	snprintf(why, sizeof(why), "it %s", memory_ending(pid, NULL, status, 0));
	failed(r, why);
}

/* A companion program says that something has happened: to which pool, a worker sees. */
void supervisor_service_tells(struct supervisor *s, const struct service *svc)
{
	demand_or(svc, );
	for (struct pool *p = s->pools; p && !s->shutdown.on; p = p->next) {
		const struct backend *b = backend_find(p->type);

		if (p->life.ground && b && (b->service == svc || b->hears_services) &&
		    (p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED))
			touch_look(p);
	}
}

/* sd_notify(3)'s protocol, of which READY=1 is all that counts; and, of those that say so, a sign that
 * something has happened. What else is said is not believed, since anybody in the companion's place could say
 * it. */
static void on_notify(struct watch *w, uint32_t events)
{
	struct service_run *r = w->owner;
	char text[512];
	ssize_t n = recv(w->fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	(void)events;
	if (n <= 0)
		return;
	text[n] = '\0';
	if (r->service->tells)
		supervisor_service_tells(r->sup, r->service);
	if (r->service->notifies && strstr(text, "READY=1") && r->state == SERVICE_STARTING && !r->ending)
		service_ask(r);
}

/* Has it something to say on the socket that it is told of? */
static bool is_heard(const struct service *s)
{
	return s->notifies || s->tells;
}

/* The socket on which it says that it is ready, and the variable that tells it where. The socket stays for
 * the next process. */
static int notify_open(struct service_run *r, char *env, size_t size, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/notify-%s", r->sup->options.run_dir,
	                 r->service->name);

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return err_set(e, ERR_INVALID, "the run directory's name is too long for a socket: %s",
		               r->sup->options.run_dir);
	snprintf(env, size, "NOTIFY_SOCKET=%s", sa.sun_path);
	if (r->notify.watched)
		return 0;
	unlink(sa.sun_path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    loop_watch(r->sup->loop, &r->notify, fd, EPOLLIN, e) < 0) {
		err_sys(e, errno, "cannot listen for %s's readiness", r->service->name);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return 0;
}

/* The words of its command, or false: there are none, or too many. */
static bool command_words(const struct service_run *r, const char *argv[WORDS_MAX + 1])
{
	const char *at = r->words, *end = at + r->words_len;
	size_t n = 0;

	if (!r->pool) {
		while (n < WORDS_MAX && r->service->argv[n])
			n++;
		memcpy(argv, r->service->argv, (n + 1) * sizeof(*argv));
		return !argv[n];
	}
	if (r->words_len == 0 || end[-1])
		return false;
	for (; at < end && n < WORDS_MAX; at += strlen(at) + 1)
		argv[n++] = at;
	argv[n] = NULL;
	return at == end;
}

/* Start the process, and listen to its end. Its start-up has a deadline from here on. */
static void service_launch(struct service_run *r)
{
	char env[160] = "";
	const char *const envs[] = { env, NULL };
	const char *words[WORDS_MAX + 1];
	char name[256];
	struct err e = { 0 };

	if (!command_words(r, words)) {
		failed(r, "it has no command, or one of too many words");
		return;
	}
	/* By this name systemd knows that it is not to be ended with the initramfs, nor with the host. */
	if (r->sup->options.lives_on) {
		snprintf(name, sizeof(name), "@%.254s", words[0]);
		words[0] = name;
	}

	if (is_heard(r->service) && notify_open(r, env, sizeof(env), &e) < 0) {
		failed(r, e.message);
		return;
	}
	int pidfd = spawn_service(words, is_heard(r->service) ? envs : NULL, -1, &r->pid, &e);
	if (pidfd < 0 || loop_watch(r->sup->loop, &r->exit, pidfd, EPOLLIN, &e) < 0) {
		if (pidfd >= 0) {
			spawn_forget(r->sup->loop, r->pid);
			close(pidfd);
		}
		r->pid = 0;
		failed(r, e.message);
		return;
	}
	r->state = SERVICE_STARTING;
	r->doubted = SERVICE_DOWN;
	loop_arm(r->sup->loop, &r->timer, clock_ms() + READY_WITHIN);
	if (!r->service->notifies)
		service_ask(r);
}

/* ---- the workers that prepare and ask ---- */

/* What a backend's functions for its companion are given. */
static struct op worker_op(const struct service_run *r, const struct worker_io *io)
{
	const struct supervisor *s = r->sup;

	return (struct op){ .deadline = io->deadline,
		            .run_dir = s->options.run_dir,
		            .secret_dirs = s->secret_dirs,
		            .own_devices = s->options.own_devices };
}

/* *d: its pool's definition, which def holds; NULL: it is for all. */
static int read_companion_definition(const struct service_run *r, struct pool_def *def,
                                     const struct pool_def **d, struct err *e)
{
	const struct pool *p = r->pool ? pool_by_name(r->sup, r->pool) : NULL;

	*d = p ? def : NULL;
	if (p && pool_read(def, p->def.xml, strlen(p->def.xml), p->def.origin, e) < 0)
		return -1;
	return p ? backend_locate(def, r->sup->options.run_dir, e) : 0;
}

/* In the worker: is another one there already? If not, make what ours needs; and for one of a pool's own, the
 * words of its command. */
static int run_prepare(struct worker_io *io, void *arg, struct err *e)
{
	const struct service_run *r = arg;
	struct op op = worker_op(r, io);
	cleanup_buf struct buf words = BUF_INIT;
	cleanup_pool_def struct pool_def def = { 0 };
	const struct pool_def *d;
	struct buf b = BUF_INIT;
	int rc = read_companion_definition(r, &def, &d, e);

	if (rc == 0 && r->service->prepare)
		rc = r->service->prepare(d, &op, e);
	if (rc == 1) {
		line_begin(&b, "-");
		line_str(&b, "foreign", "yes");
		worker_send_record(io, &b);
	} else if (rc == 0 && d) {
		rc = r->service->command(d, &op, &words, e) < 0 ? -1 : worker_send_text(io, &words, e);
	}
	return rc;
}

/* In the worker: does it answer? */
static int run_ready(struct worker_io *io, void *arg, struct err *e)
{
	const struct service_run *r = arg;
	struct op op = worker_op(r, io);
	cleanup_pool_def struct pool_def def = { 0 };
	const struct pool_def *d;

	return read_companion_definition(r, &def, &d, e) < 0 ? -1 : r->service->ready(d, &op, e);
}

/* The words, as the worker has put them together. Without memory for them the launch fails, and is tried
 * again. */
static void on_command(struct worker *w, const char *data, size_t len)
{
	struct service_run *r = w->task.owner;

	free(r->words);
	r->words = malloc(len);
	r->words_len = r->words ? len : 0;
	if (r->words)
		memcpy(r->words, data, len);
}

static void on_prepare_record(struct worker *w, const struct line *l)
{
	struct service_run *r = w->task.owner;

	if (line_has(l, "foreign"))
		r->state = SERVICE_FOREIGN;
}

/* There is another one, which is used; or ours is started. */
static void take_prepared(struct service_run *r)
{
	char env[160];

	if (r->state == SERVICE_PREPARING)
		service_launch(r);
	if (r->state != SERVICE_FOREIGN)
		return;
	/* it may be that of an earlier supervisor, and still tells where it was told to */
	if (r->service->tells)
		notify_open(r, env, sizeof(env), NULL);
	answers(r, SERVICE_FOREIGN);
}

static void on_prepared(struct worker *w, const struct err *e, bool left)
{
	struct service_run *r = w->task.owner;

	(void)left;
	r->worker = NULL;
	if (e) {
		/* the definition is the pool's alone; what is wrong with one for all may be mended */
		if (r->pool && !r->pid && err_remedy(e->class) == REMEDY_NONE)
			r->hopeless = e->class;
		failed(r, e->message);
	} else
		take_prepared(r);
}

/* Our own answers, or is ended as one that failed. */
static void on_asked(struct worker *w, const struct err *e, bool left)
{
	struct service_run *r = w->task.owner;

	(void)left;
	r->worker = NULL;
	if (r->state != SERVICE_ASKING)
		return;
	if (e)
		failed(r, e->message);
	else
		answers(r, SERVICE_READY);
}

/* That there is no room for a worker now says nothing about the service. */
static void run_worker(struct service_run *r, const struct task *task)
{
	struct err e = { 0 };

	loop_disarm(r->sup->loop, &r->timer); /* the worker has a deadline of its own */
	r->worker = worker_start(r->sup, task, &e);
	if (r->worker)
		return;
	snprintf(r->why, sizeof(r->why), "%.255s", e.message);
	loop_arm(r->sup->loop, &r->timer, clock_ms() + BACKOFF_FIRST);
}

/* The worker has gone on to ask: in vain if what is to be started now cannot be, or another one runs. */
static void on_prepared_here(struct worker *w)
{
	struct service_run *r = w->task.owner;

	take_prepared(r);
	if (r->state == SERVICE_ASKING)
		return;
	r->worker = NULL;
	worker_disown(w);
}

static struct task asking(struct service_run *r)
{
	return (struct task){ .what = "ask-service",
		              .timeout = READY_WITHIN,
		              .run = run_ready,
		              .arg = r,
		              .on_done = on_asked,
		              .owner = r };
}

static void service_ask(struct service_run *r)
{
	struct task task = asking(r);

	r->state = SERVICE_ASKING;
	if (r->worker) /* who has prepared it asks already */
		loop_disarm(r->sup->loop, &r->timer);
	else
		run_worker(r, &task);
}

/* One for all that does not say when it is ready is asked by who has prepared it, who waits for it. */
static void service_bring_up(struct service_run *r)
{
	struct task then = asking(r);
	bool asks = !r->pool && !r->service->notifies;

	r->state = SERVICE_PREPARING;
	run_worker(r, &(struct task){ .what = "prepare-service",
	                              .timeout = READY_WITHIN,
	                              .run = run_prepare,
	                              .arg = r,
	                              .on_record = on_prepare_record,
	                              .on_payload = on_command,
	                              .on_done = on_prepared,
	                              .on_next = asks ? on_prepared_here : NULL,
	                              .then = asks ? &then : NULL,
	                              .owner = r });
}

/* One timer for all that a companion may be late with; which it is, its state tells. */
static void on_service_timer(struct timer *t)
{
	struct service_run *r = t->owner;

	if (r->ending) {
		kill(r->pid, SIGKILL);
		return;
	}
	switch (r->state) {
	case SERVICE_DOWN:
	case SERVICE_PREPARING: /* there was no room for the worker */
		if (!r->sup->shutdown.on)
			service_bring_up(r);
		break;
	case SERVICE_ASKING:
		service_ask(r);
		break;
	case SERVICE_STARTING:
		failed(r, "it did not say that it is ready");
		break;
	case SERVICE_STOPPING:
		kill(r->pid, SIGKILL);
		break;
	default:
		break;
	}
}

/* ---- who needs it ---- */

/* The companion of the type, or of this pool. NULL: it was never needed. */
static struct service_run *find_run(const struct supervisor *s, const struct service *svc,
                                    const struct pool *p)
{
	for (struct service_run *r = s->services; r; r = r->next)
		if (r->service == svc && (!r->pool || (p && streq(r->pool, p->name))))
			return r;
	return NULL;
}

/* Make it known, and begin to bring it up. p: whose own it is; NULL: everybody's. */
static struct service_run *run_new(struct supervisor *s, const struct service *svc, const struct pool *p)
{
	struct service_run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct service_run){ .sup = s, .service = svc, .next = s->services };
	if (asprintf(&r->label, "%s%s%s", svc->name, p ? ":" : "", p ? p->name : "") < 0) {
		free(r);
		return NULL;
	}
	r->pool = p ? r->label + strlen(svc->name) + 1 : NULL;
	r->exit = (struct watch){ .fd = -1, .on_event = on_service_exit, .owner = r };
	r->notify = (struct watch){ .fd = -1, .on_event = on_notify, .owner = r };
	r->timer = (struct timer){ .on_expiry = on_service_timer, .owner = r };
	s->services = r;
	service_bring_up(r);
	return r;
}

int service_need(struct supervisor *s, const struct service *svc, const struct pool *p, struct err *e)
{
	demand(svc && svc->name && (!p || p->sup == s), e);

	char waits[sizeof(((struct err *)0)->waits_for)];

	if (svc->command && !p)
		return 0;
	struct service_run *r = find_run(s, svc, p);
	if (svc->on_call && (!r || r->released))
		return 0;
	if (!r)
		r = run_new(s, svc, svc->command ? p : NULL);
	if (!r)
		return err_set(e, ERR_NO_MEMORY, "cannot start %s: out of memory", svc->name);
	r->released = false;
	if (r->state == SERVICE_READY || r->state == SERVICE_FOREIGN || r->doubted)
		return 0;
	if (r->hopeless) {
		err_set(e, r->hopeless, "%s cannot be started: %s", r->label, r->why);
		run_free(r);
		return -2;
	}
	snprintf(waits, sizeof(waits), "service=%s", r->label);
	err_wait(e, ERR_WAIT_SERVER, waits, "%s is not ready%s%s", r->label, r->why[0] ? ": " : "", r->why);
	return r->why[0] ? -2 : -1;
}

void service_doubt(struct supervisor *s, const struct service *svc, const struct pool *p)
{
	struct service_run *r = find_run(s, svc, p);

	if (!r || (r->state != SERVICE_READY && r->state != SERVICE_FOREIGN))
		return;
	r->doubted = r->state;
	if (r->state == SERVICE_READY)
		service_ask(r);
	else
		service_bring_up(r);
}

bool service_called(struct pool *p, const struct err *e)
{
	const struct backend *b = backend_find(p->type);

	if (!b || !b->service)
		return false;
	if (b->service->on_call && !find_run(p->sup, b->service, p))
		return starts_with(e->waits_for, "service=") && run_new(p->sup, b->service, p);
	service_doubt(p->sup, b->service, p);
	return false;
}

/* SIGTERM, and after a while SIGKILL. */
static void run_end(struct service_run *r)
{
	if (r->state == SERVICE_STOPPING)
		return;
	loop_disarm(r->sup->loop, &r->timer);
	if (r->worker)
		worker_disown(r->worker);
	r->worker = NULL;
	r->ending = false;
	r->doubted = SERVICE_DOWN;
	r->state = r->pid ? SERVICE_STOPPING : SERVICE_DOWN;
	if (!r->pid)
		return;
	kill(r->pid, SIGTERM);
	loop_arm(r->sup->loop, &r->timer, clock_ms() + STOP_WITHIN);
}

void service_release(const struct pool *p)
{
	const struct backend *b = backend_find(p->type);
	struct service_run *r = b && b->service ? find_run(p->sup, b->service, p) : NULL;

	if (!r || !r->pool)
		return;
	r->released = true;
	run_end(r);
	if (!r->pid)
		run_free(r);
}

bool service_at(const struct supervisor *s, size_t i, struct service_view *v)
{
	const struct service_run *r = s->services;

	while (r && i--)
		r = r->next;
	if (!r)
		return false;
	*v = (struct service_view){ r->service, r->label, state_words[r->state], r->pid, r->restarts };
	return true;
}

/* At shutdown, when no pool needs them any more. */
void services_stop(struct supervisor *s)
{
	for (struct service_run *r = s->services; r; r = r->next)
		run_end(r);
}

bool services_gone(const struct supervisor *s)
{
	for (const struct service_run *r = s->services; r; r = r->next)
		if (r->pid)
			return false;
	return true;
}

void services_free(struct supervisor *s)
{
	while (s->services)
		run_free(s->services);
}
