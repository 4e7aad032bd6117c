/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * PID 1: boot, in order, and then the supervisor for as long as the machine runs.
 *
 * Boot is no special code path of the supervisor: here the sources of definitions are named, want is set by
 * supervisor_go(), and from then on everything happens at events.
 *
 * PID 1 must not end, and must not wait: a panic, or a machine that reaps no processes, would be the result.
 * So every error here is logged and gone on from, and whatever takes time is an event of the loop.
 *
 * With root= all this is done by a child of PID 1 (root/handover.h), which lives on when PID 1 has become the
 * init of the real root. From then on it is like `poolinit boot`: the machine is that init's.
 */
#include <errno.h>
#include <signal.h>
#include <sys/reboot.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/console.h"
#include "boot/core.h"
#include "boot/early.h"
#include "boot/parameters.h"
#include "boot/roles.h"
#include "boot/root/handover.h"
#include "boot/root/root.h"
#include "boot/shutdown.h"
#include "boot/watchdog.h"
#include "system/device.h"

#define CONFIG_DIR "/config"

/* All that PID 1 has. Parts are idle until they are needed: no payload, no shell, no watchdog, no shutdown.
 */
struct init {
	struct core core;
	struct parameters parameters;
	struct listener listener;
	struct payload payload;
	struct shell shell;
	struct watchdog watchdog;
	struct shutdown shutdown;
	struct root_search root;
	struct handover handover;
	bool takes_root; /* root= counts here */
	bool leaving;    /* the change of root has begun, */
	bool left;       /* and is over: the machine is somebody else's */
};

/* ---- the end ---- */

/* In the real root, where the machine is somebody else's. */
static void end_supervisor(void *arg)
{
	struct init *i = arg;

	loop_stop(&i->core.loop);
}

/* The verb `shutdown` and signals end here. A question on the console is withdrawn: its answer could start a
 * shell. */
static int begin_shutdown(void *arg, const char *how, struct err *e)
{
	struct init *i = arg;

	if (i->left && !streq(how, "exit"))
		return err_set(
			e, ERR_UNSUPPORTED,
			"this poolinit runs beside the init of the root: it can \"shutdown exit\", but "
			"not %s the machine",
			how);
	if (i->left) {
		end_supervisor(i);
		return 0;
	}
	if (shutdown_begin(&i->shutdown, how, e) < 0)
		return -1;
	shell_end(&i->shell);
	return 0;
}

/* A signal is nobody's request, so that a refusal is only logged. */
static void shut_down(struct init *i, const char *how)
{
	struct err e = { 0 };

	if (begin_shutdown(i, how, &e) < 0)
		log_info(LF_BOOT, "%s: %s", how, e.message);
}

/* Nothing of ours may start a process from now on. */
static void last_processes(void *arg)
{
	struct init *i = arg;

	chore_end(&i->core.listens_network);
	network_free(i->core.network);
	i->core.network = NULL;
}

/* Signals are how busybox's and sysvinit's tools ask PID 1 for an end (reboot(8), poweroff(8)). */
static void on_init_signal(void *arg, int sig)
{
	const char *how = shutdown_word(sig);
	struct init *i = arg;

	if (i->left && sig == ROOT_STOP_SIGNAL)
		core_stop_pools(&i->core, end_supervisor, i);
	if (i->left && sig != SIGTERM && sig != SIGINT)
		return;
	if (how)
		shut_down(i, i->left ? "exit" : how);
}

static void on_child(void *arg)
{
	struct init *i = arg;

	shutdown_child_gone(&i->shutdown);
}

static bool owns_child(void *arg, pid_t pid)
{
	const struct init *i = arg;

	return pid == i->payload.pid || pid == i->shell.pid;
}

/* ---- when boot is over ---- */

/* Boot is over, and nobody is shutting down: the real root's init may begin, if there is one by now, or the
 * appliance's program. */
static void begin_system(struct init *i)
{
	if (i->shutdown.way || i->leaving)
		return;
	if (i->takes_root) {
		i->leaving = i->root.found;
		if (i->root.found)
			handover_begin(&i->handover, i->root.init);
	} else if (i->parameters.exec) {
		payload_start(&i->payload, &i->core.loop, i->parameters.exec);
	}
}

/* The shell was left, so boot goes on; or nobody came to the console, and the machine is of use only if it
 * tries again. */
static void after_shell(void *arg, enum shell_outcome outcome)
{
	if (outcome == SHELL_LEFT) {
		begin_system(arg);
		return;
	}
	log_error(LF_BOOT, "nobody wanted a shell");
	shut_down(arg, "reboot");
}

/* Boot is over, well or not. What is to be done about a missing pool is the most drastic of the policies
 * concerned. */
static void after_boot(void *arg, const struct verdict *v)
{
	struct init *i = arg;
	bool no_root = i->core.progress.policy.root_failed;

	watchdog_look(&i->watchdog); /* its driver may be there by now */
	if (no_root)
		log_error(LF_BOOT, "boot failed: there is no root: %s", onfail_word(v->action));
	else if (v->missing)
		log_error(LF_BOOT, "boot failed: %zu required pool%s not active: %s", v->missing,
		          v->missing == 1 ? " is" : "s are", onfail_word(v->action));
	switch (v->action) {
	case ONFAIL_REBOOT:
	case ONFAIL_POWEROFF:
		shut_down(i, onfail_word(v->action));
		break;
	case ONFAIL_SHELL:
		shell_offer(&i->shell, &i->core.loop,
		            no_root ? "there is no root" : "a required pool is not active", after_shell, i);
		break;
	default:
		begin_system(i);
		break;
	}
}

/* ---- the real root ---- */

/* Before boot is over it is part of the judgement. A root that comes later is taken all the same, unless
 * somebody sits at the shell. */
static void on_root(void *arg)
{
	struct init *i = arg;
	struct policy *policy = &i->core.progress.policy;

	policy->no_root = i->root.found ? NULL : i->root.why;
	policy->root_failed = i->root.failed && !i->root.found;
	progress_look(&i->core.progress);
	if (!i->root.found || !i->core.progress.over || i->shell.pid > 0)
		return;
	shell_end(&i->shell);
	begin_system(i);
}

/* The watchdog is the real init's. */
static void leave_initramfs(void *arg)
{
	struct init *i = arg;

	watchdog_stop(&i->watchdog);
}

/* Devices are udevd's from now on. Without an init the machine is of no use, but somebody may look at it. */
static void after_handover(void *arg, const struct err *e)
{
	struct init *i = arg;
	struct core *c = &i->core;

	if (!e) {
		i->left = true;
		c->reap_all = false;
		log_info(LF_BOOT, "%s is process 1; pools go on here", i->handover.init);
		core_changed_root(c);
		return;
	}
	log_error(LF_BOOT, "boot failed: %s", e->message);
	if (i->parameters.onfail == ONFAIL_REBOOT || i->parameters.onfail == ONFAIL_POWEROFF)
		shut_down(i, onfail_word(i->parameters.onfail));
	else
		shell_offer(&i->shell, &c->loop, "the real root has no init that runs", after_shell, i);
}

/* ---- boot, in order ---- */

/* A start failed for want of a network, and nobody has said how to get one. */
static void on_phase(struct listener *l, struct pool *p, enum phase from)
{
	struct init *i = l->owner;

	(void)from;
	if (p->phase == PHASE_WAITING && p->reason.class == ERR_WAIT_NETWORK && i->core.network)
		network_needed(i->core.network);
}

static bool takes_root(struct parameters *p)
{
	struct err e = { 0 };

	if (!p->root_given)
		return false;
	if (p->exec) {
		err_set(&e, ERR_INVALID, "poolinit.exec: nothing is started beside the init of root=");
		parameters_problem(p, "(command line)", &e);
	}
	return true;
}

/* What the parameters say, as options of the parts that core_open() makes. */
static void prepare(struct init *i)
{
	struct parameters *p = &i->parameters;

	/* Where / is no initramfs the kernel has mounted it already, and in a container it is the machine's.
	 */
	p->root_elsewhere = !early_is_initramfs() || !early_is_machine();
	parameters_from_proc(p);
	i->takes_root = takes_root(p);
	i->core.options = (struct supervisor_options){
		.config_dir = CONFIG_DIR,
		.run_dir = DEFAULT_RUN_DIR,
		.autostart = p->autostart,
		.needed = i->takes_root ? roots_pools(&p->roots, &p->overlay, &p->arena) : NULL,
		.root_in_memory = p->root_overlay && !p->overlay.name,
		.own_devices = !device_udevd_runs() && early_is_machine(),
		.lives_on = i->takes_root,
	};
	i->core.socket = DEFAULT_SOCKET;
	i->core.libvirt = p->libvirt;
	i->core.began = "kernel";
	i->core.progress.policy = (struct policy){
		.require = p->require.items,
		.nrequire = p->require.n,
		.began = clock_ms(),
		.timeout = p->timeout,
		.onfail = p->onfail,
		.needs_root = i->takes_root,
		.no_root = i->takes_root ? "it is looked for" : NULL,
	};
	i->core.progress.on_over = after_boot;
	i->core.progress.arg = i;
	i->core.on_shutdown = begin_shutdown;
	i->core.on_signal = on_init_signal;
	i->core.on_child = on_child;
	i->core.owns_child = owns_child;
	i->core.reap_all = true;
	i->core.arg = i;
	i->listener = (struct listener){ .on_phase = on_phase, .owner = i };
}

/* Everything is open. The network first, as pools on servers wait for it. */
static void go(struct init *i)
{
	struct core *c = &i->core;

	i->shutdown = (struct shutdown){
		.sup = c->sup,
		.payload = &i->payload,
		.watchdog = &i->watchdog,
		.on_last_processes = last_processes,
		.arg = i,
	};
	if (i->takes_root) {
		i->handover.sup = c->sup;
		i->handover.on_leave = leave_initramfs;
		i->handover.on_over = after_handover;
		i->handover.arg = i;
		i->root = (struct root_search){ .sup = c->sup,
			                        .parameters = &i->parameters,
			                        .began = c->progress.policy.began,
			                        .on_change = on_root,
			                        .arg = i };
		supervisor_roots(c->sup, i->parameters.root_given);
		root_search_begin(&i->root);
	}
	watchdog_start(&i->watchdog, &c->loop);
	listener_add(c->sup, &i->listener);
	core_configure(c, &i->parameters);
	core_add_parameters(c, CONFIG_DIR, &i->parameters);
}

/* Without a supervisor there is nothing to do; but PID 1 does not end. */
static int give_up_start(const struct err *e)
{
	const struct timespec patience = { .tv_sec = (time_t)(SHELL_PATIENCE / 1000) };
	sigset_t wanted;

	log_error(LF_BOOT, "cannot start: %s", e->message);
	if (!early_is_machine())
		return 1;
	log_error(LF_BOOT, "reboot in %d s, or at Ctrl-Alt-Del", (int)(SHELL_PATIENCE / 1000));
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	while (sigtimedwait(&wanted, NULL, &patience) < 0 && errno == EINTR)
		;
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

int init_main(int argc, char **argv)
{
	static struct init i; /* for ever, and not on a stack that must stay small */
	struct err e = { 0 };

	(void)argc;
	early_setup();
	if (early_is_machine())
		reboot(RB_DISABLE_CAD); /* Ctrl-Alt-Del becomes SIGINT */
	log_info(LF_BOOT, "poolinit " POOLINIT_VERSION);
	parameters_init(&i.parameters);
	prepare(&i);
	if (i.takes_root && (i.handover.to_first = handover_fork(argv, &e)) < 0)
		return give_up_start(&e);
	if (core_open(&i.core, &e) < 0)
		return give_up_start(&e);
	go(&i);
	do
		loop_run(&i.core.loop);
	while (!i.left);
	root_search_end(&i.root);
	core_close(&i.core);
	return 0;
}
