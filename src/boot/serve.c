/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * `poolinit serve`: the supervisor on a running system, under a service manager or by hand. It ends by
 * SIGTERM, SIGINT or the verb `shutdown exit` and leaves the storage as it is: the next one takes it over.
 *
 * A service of a running system owns less than PID 1 does: devices are udevd's, the network is somebody
 * else's, and orphans are the real init's. Boot is over by the same policy, and the service manager is told
 * then.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/core.h"
#include "boot/options.h"
#include "boot/roles.h"
#include "control/handed.h"

/* of the loop after the end has come, at most: a client that goes on asking does not keep the service. */
#define LAST_ROUNDS 128

/* The role's own state, beside what it has in common with the others. ready_fd: -1 without. */
struct serve {
	struct core core;
	struct parameters parameters;
	int ready_fd;
	bool stands_by;
};

/* Both signals mean "end"; the storage stays as it is. */
static void serve_stop(void *arg, int sig)
{
	struct serve *s = arg;

	if (sig != SIGTERM && sig != SIGINT)
		return;
	notify_send("STOPPING=1");
	server_stop(s->core.server);
	libvirt_stop(&s->core.virt);
	loop_stop(&s->core.loop);
}

/* The verb `shutdown` ends this service alone: the machine is its init's. */
static int serve_shut_down(void *arg, const char *how, struct err *e)
{
	if (!streq(how, "exit"))
		return err_set(e, ERR_UNSUPPORTED,
		               "this poolinit is a service of a running system: it can \"shutdown exit\", "
		               "but not %s the machine",
		               streq(how, "poweroff") ? "power off" : how);
	serve_stop(arg, SIGTERM);
	return 0;
}

/* Boot is over: whoever has started us may go on. With what outcome does not matter to a service manager. */
static void notify_ready(void *arg, const struct verdict *v)
{
	struct serve *s = arg;

	(void)v;
	notify_send("READY=1");
	notify_fd(s->ready_fd);
	s->ready_fd = -1;
}

/* Beside another one, until nobody answers at the socket. Whoever has started us may go on: it has what it
 * wants. TERM ends us as it ends any process that has nothing to put in order. */
static void await_other(struct serve *s)
{
	struct pollfd end = { .events = POLLIN };
	pid_t pid;

	signal(SIGHUP, SIG_IGN); /* no definitions have been read yet */
	while ((end.fd = server_other(s->core.socket, &pid)) >= 0) {
		log_info(LF_BOOT, "standing by: poolinit %d goes on", (int)pid);
		notify_ready(s, NULL);
		while (poll(&end, 1, -1) < 0)
			;
		close(end.fd);
	}
}

/* From the first descriptor to the last. What a start that fails has opened is closed by core_open(). */
static int serve_run(struct serve *s)
{
	struct core *c = &s->core;
	struct err e = { 0 };

	/* First: as long as nothing else is open. Who is given sockets is the service manager's next, and
	 * does not stand by: where it has not got the control socket, it is the manager itself that seems to
	 * answer there, and that never ends. */
	int given = handed_begin(s->ready_fd, &e);

	if (given == 0 && s->stands_by)
		await_other(s);
	c->progress.policy.began = clock_ms();
	if (given < 0 || core_open(c, &e) < 0) {
		log_error(LF_BOOT, "cannot start: %s", e.message);
		return 1;
	}
	/* The service manager's patience should not be shorter than boot's. */
	notify_send("EXTEND_TIMEOUT_USEC=120000000");
	core_add_parameters(c, c->options.config_dir, &s->parameters);
	loop_run(&c->loop);
	/* What clients had asked before is answered, where that can be done at once. */
	for (int n = 0; n < LAST_ROUNDS && loop_round(&c->loop, 0);)
		n++;
	core_close(c);
	return 0;
}

/* RUN/control, unless told otherwise. */
static const char *default_socket(const char *run_dir)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/control", run_dir);
	return path;
}

int serve_main(int argc, char **argv)
{
	static struct serve s; /* without a value, as in boot.c */
	struct supervisor_options *o = &s.core.options;
	const char *log = NULL;
	struct err e = { 0 };
	const struct option_row rows[] = {
		{ "config", "DIR", OPTION_TEXT, &o->config_dir,
		  "definitions, laid out as in /etc/libvirt (the default)" },
		{ "run", "DIR", OPTION_TEXT, &o->run_dir, "state (default: " DEFAULT_RUN_DIR ")" },
		{ "socket", "PATH", OPTION_TEXT, &s.core.socket,
		  "the control socket (default: control in the --run directory)" },
		{ "libvirt", NULL, OPTION_FLAG, &s.core.libvirt,
		  "also answer at the sockets of libvirt's daemons" },
		{ "autostart", "all|none|NAME,…", OPTION_TEXT, &o->autostart,
		  "which pools to start (default: those marked autostart)" },
		{ "log", "SPEC", OPTION_TEXT, &log,
		  "LEVEL[,FACILITY=LEVEL…], to standard error (default: info)" },
		{ "start-timeout", "TIME", OPTION_DURATION, &o->start_deadline,
		  "for each start of a pool (default: its type's)" },
		{ "stop-timeout", "TIME", OPTION_DURATION, &o->stop_deadline, "for each stop" },
		{ "refresh-timeout", "TIME", OPTION_DURATION, &o->refresh_deadline, "for each refresh" },
		{ "ready-fd", "N", OPTION_NUMBER, &s.ready_fd,
		  "write a newline to this descriptor when boot is over" },
		{ "stand-by", NULL, OPTION_FLAG, &s.stands_by,
		  "while another poolinit answers at the socket, wait for its end, and take over then" },
	};
	static const struct role_help help = {
		"serve",
		"Supervise storage pools on a running system: start those marked autostart, answer on a "
		"socket.",
		"0 ended by a signal or \"shutdown exit\", 1 could not start, 64 wrong usage",
	};

	s.ready_fd = -1;
	o->run_dir = DEFAULT_RUN_DIR;
	int status = options_take(argc, argv, &help, rows, ARRAY_LEN(rows));
	if (status >= 0)
		return status;
	o->config_named = o->config_dir != NULL;
	if (!o->config_named)
		o->config_dir = "/etc/libvirt";
	log_to_stderr();
	if (log && log_set(log, &e) < 0) {
		fprintf(stderr, "poolinit serve: --log: %s\n", e.message);
		return EXIT_USAGE;
	}
	if (s.ready_fd >= 0 && fcntl(s.ready_fd, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "poolinit serve: --ready-fd: %s\n", strerror(errno));
		return EXIT_USAGE;
	}
	if (!s.core.socket)
		s.core.socket = default_socket(o->run_dir);
	parameters_init(&s.parameters);
	s.core.progress.policy = (struct policy){ .timeout = DEFAULT_BOOT_TIMEOUT };
	s.core.progress.autostart = "--autostart";
	s.core.progress.on_over = notify_ready;
	s.core.progress.arg = s.core.arg = &s;
	s.core.on_shutdown = serve_shut_down;
	s.core.on_signal = serve_stop;
	s.core.began = "exec";
	return serve_run(&s);
}
