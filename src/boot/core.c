/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One loop, and everything that hangs on it.
 *
 * A role fills in its options and callbacks, opens the core, hands over definitions and runs the loop.
 * Nothing in here blocks: what may block runs in workers of the supervisor's, and what cannot be had at once
 * (a netlink socket, memory for a source) is a chore that is tried again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include "base/contract.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "boot/core.h"
#include "boot/early.h"

#define REAP_AGAIN 20 /* ms: until an owner has reaped the child that is in the way */

/* ---- signals and orphans ---- */

/* A child that somebody in this process waits for. */
static bool is_owned(const struct core *c, pid_t pid)
{
	return supervisor_owns(c->sup, pid) || network_owns(c->network, pid) ||
	       (c->owns_child && c->owns_child(c->arg, pid));
}

/* Look before reaping: a worker's death is its owner's to collect. One that is in the way is collected as
 * soon as the loop gets to it. */
static void reap_orphans(struct core *c)
{
	for (;;) {
		siginfo_t info = { 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			break;
		if (is_owned(c, info.si_pid)) {
			loop_arm(&c->loop, &c->reap_again, clock_ms() + REAP_AGAIN);
			break;
		}
		waitpid(info.si_pid, NULL, WNOHANG);
	}
	if (c->on_child)
		c->on_child(c->arg);
}

static void on_reap_again(struct timer *t)
{
	reap_orphans(t->owner);
}

/* As daemons do: what it says of it is in the log. */
static void reload(struct core *c)
{
	struct err e = { 0 };

	if (supervisor_reload(c->sup, NULL, &e) < 0)
		log_error(LF_CONFIG, "cannot read the definitions again: %s", e.message);
}

/* All signals that are there. HUP means the same in every role: the definitions are read again. */
static void on_signals(struct watch *w, uint32_t events)
{
	struct core *c = w->owner;
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(c);
		else if (info.ssi_signo != SIGCHLD && c->on_signal)
			c->on_signal(c->arg, (int)info.ssi_signo);
		else if (info.ssi_signo == SIGCHLD && c->reap_all)
			reap_orphans(c);
	}
}

/* Signals are read from a descriptor in the loop: no handler runs anywhere, so none can run at a bad moment.
 */
static int open_signals(struct core *c, struct err *e)
{
	static const int handled[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPWR };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(handled); i++) {
		sigaddset(&set, handled[i]);
		/* whoever started us may have had it ignored, and so would workers */
		signal(handled[i], SIG_DFL);
	}
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "cannot block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "cannot watch for signals");
	if (loop_watch(&c->loop, &c->signals, fd, EPOLLIN, e) == 0)
		return 0;
	close(fd);
	return -1;
}

/* ---- the control socket's questions ---- */

/* The control socket asks these of whoever runs it; here they are passed on to boot's progress and to the
 * role. */
static const char *boot_state(void *arg)
{
	struct core *c = arg;

	return progress_state(&c->progress);
}

static int wait_boot(void *arg, uint64_t deadline, struct waiter *w, struct err *e)
{
	struct core *c = arg;

	return progress_wait(&c->progress, deadline, w, e);
}

static int pass_shutdown_on(void *arg, const char *how, struct err *e)
{
	struct core *c = arg;

	return c->on_shutdown(c->arg, how, e);
}

static int pass_follow_on(void *arg, const char *root, struct waiter *w, struct err *e)
{
	struct core *c = arg;

	return c->on_follow(c->arg, root, w, e);
}

/* ---- from beginning to end ---- */

/* Clients are let in when there is something to show; until then they wait in the socket's queue. */
static void definitions_are_there(void *arg)
{
	struct core *c = arg;

	server_accept(c->server);
	libvirt_accept(&c->virt);
	milestone(c->sup, "socket");
}

static int listen_to_devices(void *core, struct err *e)
{
	struct core *c = core;

	c->devices = devices_watch(c->sup, e);
	return c->devices ? 0 : -1;
}

/* What is wrong with the parameters is shown in `status` beside problems of definitions. */
static void report_problems(struct core *c, const struct parameters *p)
{
	for (size_t i = 0; i < p->nproblems; i++)
		supervisor_add_problem(c->sup, p->problems[i].origin, &p->problems[i].err);
}

/* A chore: the socket may not be had at once. Configuring waits for it, because an event could be missed
 * otherwise. */
static int listen_to_network(void *core, struct err *e)
{
	struct core *c = core;

	c->network = network_listen(c->sup, e);
	if (!c->network)
		return -1;
	if (c->configures) {
		network_configure(c->network, c->parameters);
		report_problems(c, c->parameters);
	}
	return 0;
}

/* The order is that of who needs whom. What can fail for want of memory or rights alone is a chore, and is
 * tried again. */
static int open_parts(struct core *c, struct err *e)
{
	if (open_signals(c, e) < 0)
		return -1;
	memory_keep();
	c->options.in_memory = early_is_initramfs();
	c->options.root_config_dir = "/etc/poolinit";
	c->sup = supervisor_new(&c->loop, &c->options, e);
	if (!c->sup)
		return -1;
	milestone(c->sup, c->began);
	progress_begin(&c->progress, c->sup);
	const struct server_options o = { .path = c->socket,
		                          .state = boot_state,
		                          .on_shutdown = pass_shutdown_on,
		                          .on_wait_boot = wait_boot,
		                          .on_follow = c->on_follow ? pass_follow_on : NULL,
		                          .arg = c };
	c->server = server_new(c->sup, &o, e);
	if (!c->server)
		return -1;
	libvirt_open(&c->virt, c->sup, &o, c->libvirt);
	supervisor_when_settled(c->sup, definitions_are_there, c);
	chore_try(c->sup, &c->listens_devices);
	chore_try(c->sup, &c->listens_network);
	return 0;
}

/* The one that is next; false: there are no more. A later source replaces an earlier one's definitions, so
 * none is left out. */
static bool next_source(const struct core *c, enum source_kind *kind, const char **where, const char **text)
{
	const struct parameters *p = c->parameters;
	size_t i = c->added;

	*text = NULL;
	if (i == 0) {
		*kind = SOURCE_DIRECTORY;
		*where = c->config_dir;
	} else if (--i < p->config.n) {
		*where = p->config.items[i];
		*kind = **where == '/' && !starts_with(*where, "/dev/") ? SOURCE_DIRECTORY : SOURCE_DEVICE;
		if (*where == p->place)
			*kind = SOURCE_PLACE;
	} else if ((i -= p->config.n) < p->npools) {
		*kind = SOURCE_XML;
		*where = p->pools[i].origin;
		*text = p->pools[i].xml;
	} else {
		return false;
	}
	return true;
}

/* A chore: each source that could be handed over stays so, and the next attempt goes on with the one that
 * could not. The pools may move only when all are there, because a later source can replace what an earlier
 * one says. */
static int add_sources(void *core, struct err *e)
{
	struct core *c = core;
	const char *where, *text;
	enum source_kind kind;

	for (; next_source(c, &kind, &where, &text); c->added++)
		if (supervisor_add_source(c->sup, kind, where, text, e) < 0)
			return -1;
	report_problems(c, c->parameters);
	supervisor_go(c->sup);
	return 0;
}

/* For contract_guard(): this process goes on, and the log has the address of the mistake. */
static void log_broken_contract(const void *where)
{
	log_error(LF_BOOT, CONTRACT_TEXT, where);
}

int core_open(struct core *c, struct err *e)
{
	demand(c->socket && c->on_shutdown && c->began, e);
	contract_guard(log_broken_contract);
	if (loop_init(&c->loop, e) < 0)
		return -1;
	c->signals = (struct watch){ .fd = -1, .on_event = on_signals, .owner = c };
	c->reap_again = (struct timer){ .on_expiry = on_reap_again, .owner = c };
	c->listens_devices = (struct chore){ .origin = "devices",
		                             .meanwhile = "devices that appear are noticed late",
		                             .attempt = listen_to_devices,
		                             .owner = c };
	c->listens_network = (struct chore){ .origin = "network",
		                             .meanwhile = "a network that comes up is noticed late",
		                             .attempt = listen_to_network,
		                             .owner = c };
	c->sources = (struct chore){ .origin = "definitions",
		                     .meanwhile = "no pool is started before that",
		                     .attempt = add_sources,
		                     .owner = c };
	if (open_parts(c, e) == 0)
		return 0;
	core_close(c);
	return -1;
}

void core_configure(struct core *c, struct parameters *p)
{
	demand_or(p, );
	c->configures = true;
	c->parameters = p;
	if (c->network)
		network_configure(c->network, p);
}

void core_add_parameters(struct core *c, const char *config_dir, struct parameters *p)
{
	demand_or(c->sup && config_dir && p, );
	c->config_dir = config_dir;
	c->parameters = p;
	chore_try(c->sup, &c->sources);
}

void core_changed_root(struct core *c)
{
	milestone(c->sup, "root");
	last_resort_begin(&c->last_resort, c->sup);
	devices_free(c->devices);
	c->devices = NULL;
	chore_try(c->sup, &c->listens_devices);
}

void core_stop_pools(struct core *c, void (*done)(void *arg), void *arg)
{
	supervisor_shutdown(c->sup, clock_ms() + last_resort_stop_time(&c->last_resort), done, arg);
}

void core_close(struct core *c)
{
	int fd = c->signals.fd;

	/* Who listens goes before what it listens to; workers are the supervisor's, and end with it. */
	progress_end(&c->progress);
	last_resort_end(&c->last_resort);
	libvirt_close(&c->virt);
	server_free(c->server);
	if (c->sup) {
		chore_end(&c->sources);
		chore_end(&c->listens_devices);
		chore_end(&c->listens_network);
	}
	devices_free(c->devices);
	network_free(c->network);
	supervisor_free(c->sup);
	loop_disarm(&c->loop, &c->reap_again);
	loop_unwatch(&c->loop, &c->signals);
	if (fd >= 0)
		close(fd);
	loop_close(&c->loop);
}
