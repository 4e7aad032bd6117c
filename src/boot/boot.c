/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * `poolinit boot`, for an initramfs that has an init of its own: leave a supervisor behind in the background,
 * wait until boot is over, and say by the exit status how it went. Device nodes are ours only where no udevd
 * runs; the network is only if it is said to be (--network).
 *
 * The process that was started waits for a line through a pipe; its child is the supervisor. So the hook
 * that calls it goes on when boot is over, and the supervisor stays.
 *
 * The supervisor outlives the initramfs: its name begins with '@', by which systemd knows that it is not to
 * be killed at the change of root, it has no file of the initramfs open, and it follows into the new root.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/core.h"
#include "boot/early.h"
#include "boot/options.h"
#include "boot/roles.h"
#include "boot/root/follow.h"
#include "boot/root/root.h"
#include "system/device.h"

/* Exit statuses, as roles.h and --help have them. */
enum { STATUS_GOOD, STATUS_REQUIRED, STATUS_DEFINITION, STATUS_OTHER, STATUS_NOT_STARTED };

/* The role's own state. `report` is closed as soon as boot is over: the process in front goes on then. */
struct boot {
	struct core core;
	struct parameters parameters;
	struct follow follow;
	bool followed; /* into the real root */
	bool network;  /* it is ours to configure */
	int report;    /* the pipe to the one who waits: a digit and a line */
};

/* Tell the process in front how boot went, once: a digit for its exit status, then the line that it prints.
 * Nobody may be there any more. */
static void report_outcome(struct boot *b, int status, const char *text)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "%d%s", status, text);

	if (b->report < 0)
		return;
	if (write(b->report, line, (size_t)(n < (int)sizeof(line) ? n : (int)sizeof(line) - 1)) < 0)
		log_debug(LF_BOOT, "nobody waits for boot any more");
	close(b->report);
	b->report = -1;
}

/* Boot is over: the outcome as a status, and the line that says which pools are missing and why. */
static void report_boot(void *arg, const struct verdict *v)
{
	struct boot *b = arg;
	cleanup_buf struct buf line = BUF_INIT;
	const struct problem *problem = supervisor_problems(b->core.sup);
	int status = v->active < v->wanted ? STATUS_OTHER : STATUS_GOOD;

	if (v->missing)
		status = STATUS_REQUIRED;
	else if (problem)
		status = STATUS_DEFINITION;
	policy_line(&b->core.progress.policy, pool_first(b->core.sup), clock_ms(), &line);
	if (problem)
		buf_printf(&line, "; %s: %s", problem->origin, problem->text);
	report_outcome(b, status, buf_str(&line));
}

static void end_beside_root(void *arg)
{
	struct boot *b = arg;

	loop_stop(&b->core.loop);
}

/* TERM and INT end the supervisor, and leave the pools as they are for the next one. The last program of the
 * machine wants them stopped. */
static void stop_on_signal(void *arg, int sig)
{
	struct boot *b = arg;

	if (b->followed && sig == ROOT_STOP_SIGNAL)
		core_stop_pools(&b->core, end_beside_root, b);
	if (sig == SIGTERM || sig == SIGINT)
		loop_stop(&b->core.loop);
}

/* The machine belongs to the initramfs's own init, so that only this supervisor can be ended. */
static int shut_down_beside_init(void *arg, const char *how, struct err *e)
{
	if (!streq(how, "exit"))
		return err_set(e, ERR_UNSUPPORTED,
		               "this poolinit runs beside another init: it can \"shutdown exit\", but not %s "
		               "the machine",
		               how);
	stop_on_signal(arg, SIGTERM);
	return 0;
}

/* ---- in the background ---- */

static int prepare_to_follow(void *arg, const char *root, struct waiter *w, struct err *e)
{
	struct boot *b = arg;

	return follow_ask(&b->follow, root, w, e);
}

static void on_followed(void *arg)
{
	struct boot *b = arg;

	b->followed = true;
	core_changed_root(&b->core);
	log_info(LF_BOOT, "this is the real root; pools go on here");
}

/* Nothing of the caller's stays in use: neither its session, nor its directory, nor its descriptors. */
static void become_daemon(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0)
		log_warn(LF_BOOT, "cannot change to /: %s", strerror(errno));
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* The child: open everything, let go of the caller's descriptors, hand over the definitions, and run until
 * somebody ends it. Whoever waits in front hears of a start that fails as well. */
static int supervise(struct boot *b)
{
	struct core *c = &b->core;
	struct err e = { 0 };

	if (core_open(c, &e) < 0) {
		report_outcome(b, STATUS_NOT_STARTED, e.message);
		return STATUS_NOT_STARTED;
	}
	/* A hook that reads our output would wait for its end: from here on the log goes to the kernel, or
	 * only to the verb `log`. */
	become_daemon();
	log_to_kmsg(NULL);
	b->follow = (struct follow){ .sup = c->sup, .on_over = on_followed, .arg = b };
	core_add_parameters(c, c->options.config_dir, &b->parameters);
	if (follow_begin(&b->follow, &e) < 0)
		log_error(LF_BOOT, "the change of root: %s", e.message);
	if (b->network)
		core_configure(c, &b->parameters);
	loop_run(&c->loop);
	follow_end(&b->follow);
	core_close(c);
	parameters_free(&b->parameters);
	return 0;
}

/* ---- in front ---- */

/* In front: wait for the line. The pipe ends without one if the supervisor dies. */
static int await_report(int fd)
{
	char line[1024];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(line) - 1) {
		n = read(fd, line + len, sizeof(line) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	line[len] = '\0';
	if (len == 0) {
		fprintf(stderr, "poolinit boot: the supervisor ended before boot was over\n");
		return STATUS_NOT_STARTED;
	}
	fprintf(stderr, "poolinit boot: %s\n", line + 1);
	return line[0] - '0';
}

/* The parent waits for the report and returns its status; the child becomes the supervisor. */
static int fork_and_follow(struct boot *b, char *argv0)
{
	int ends[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "poolinit boot: cannot start the supervisor: %s\n", strerror(errno));
		return STATUS_NOT_STARTED;
	}
	if (pid > 0) {
		close(ends[1]);
		return await_report(ends[0]);
	}
	close(ends[0]);
	b->report = ends[1];
	/* systemd spares processes whose name begins with '@' when the real root takes over. */
	if (argv0)
		argv0[0] = '@';
	return supervise(b);
}

int boot_main(int argc, char **argv)
{
	/* a value here would be in the program's file, with all the zeros around it */
	static struct boot b;
	struct supervisor_options *o = &b.core.options;
	struct parameters *p = &b.parameters;
	char *cmdline = NULL;
	const struct option_row rows[] = {
		{ "config", "DIR", OPTION_TEXT, &o->config_dir, "definitions (default: /config)" },
		{ "run", "DIR", OPTION_TEXT, &o->run_dir, "state (default: " DEFAULT_RUN_DIR ")" },
		{ "socket", "PATH", OPTION_TEXT, &b.core.socket,
		  "the control socket (default: " DEFAULT_SOCKET ")" },
		{ "network", NULL, OPTION_FLAG, &b.network, "configure the network as ip= says" },
		{ "cmdline", "TEXT", OPTION_TEXT, &cmdline,
		  "parameters, instead of the kernel's own command line" },
	};
	static const struct role_help help = {
		"boot",
		"For an initramfs: start pools in the background, wait until the required ones are active.",
		"0 all pools are active, 1 a required one is not, 2 a definition or parameter is bad,\n"
		"3 a pool that nobody requires is not active yet, 4 the supervisor could not start, 64 wrong "
		"usage",
	};

	b.report = -1;
	o->run_dir = DEFAULT_RUN_DIR;
	b.core.socket = DEFAULT_SOCKET;
	int status = options_take(argc, argv, &help, rows, ARRAY_LEN(rows));
	if (status >= 0)
		return status;
	o->config_named = o->config_dir != NULL;
	if (!o->config_named)
		o->config_dir = "/config";
	log_to_stderr();
	parameters_init(p);
	p->root_elsewhere = true;
	if (cmdline)
		parameters_from_cmdline(p, cmdline);
	else
		parameters_from_proc(p);
	o->autostart = p->autostart;
	b.core.libvirt = p->libvirt;
	o->own_devices = !device_udevd_runs() && early_is_machine();
	o->lives_on = early_is_initramfs();
	b.core.progress.policy = (struct policy){
		.require = p->require.items,
		.nrequire = p->require.n,
		.began = clock_ms(),
		.timeout = p->timeout,
		.onfail = p->onfail,
	};
	b.core.progress.on_over = report_boot;
	b.core.progress.arg = b.core.arg = &b;
	b.core.on_shutdown = shut_down_beside_init;
	b.core.on_signal = stop_on_signal;
	b.core.on_follow = prepare_to_follow;
	b.core.began = "exec";
	return fork_and_follow(&b, argv[-1]); /* the program's own name: main.c has moved on by one */
}
