/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs on the console: the appliance's payload, kept running; and the emergency shell, after somebody has
 * confirmed it.
 */
#ifndef POOLINIT_BOOT_CONSOLE_H
#define POOLINIT_BOOT_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/loop.h"

/* Open the terminal behind /dev/console (the last one of /sys/class/tty/console/active), else /dev/console,
 * for reading and writing, with these flags of open(2) besides; -1: there is none. /dev/console itself can
 * be nobody's controlling terminal, so that a shell there has no Ctrl-C. The descriptor is the caller's. */
int console_open(int flags);

/* poolinit.exec: the appliance's own program. It is started when boot is over, and started again whenever it
 * ends, 1 s later, up to 60 s later when it does not stay up. It is the leader of a session that has the
 * console as its terminal. */
struct payload {
	struct loop *loop;
	const char *path;   /* NULL: there is none */
	pid_t pid;          /* 0: it does not run now */
	struct watch exit;  /* its pidfd */
	struct timer timer; /* when to start it again; or, while it is being stopped, when to kill it */
	uint64_t started;
	unsigned failures;
	bool stopping;
	void (*on_gone)(void *arg);
	void *arg;
};

/* Start the program and keep it running: whenever it ends it is started again, later each time that it fails
 * (1 s, 2 s, … 60 s; after ten seconds of running the count begins anew). `path` is the caller's and must
 * last, as must the loop. A program that cannot be started is tried again the same way. */
void payload_start(struct payload *p, struct loop *l, const char *path);
/* End it: TERM and HUP to its session's group, KILL at the deadline (clock_ms()); on_gone is called once,
 * when it is gone, from the loop or at once. It is not started again. */
void payload_stop(struct payload *p, uint64_t deadline, void (*on_gone)(void *arg), void *arg);

/* How the offer of an emergency shell ends: a question on the console; Enter brings a shell, which is then
 * left some time; five minutes without Enter bring SHELL_TIMEOUT. */
enum shell_outcome { SHELL_LEFT, SHELL_TIMEOUT };
/* One offer. The terminal is open while the question stands; a shell opens its own. */
struct shell {
	struct loop *loop;
	int tty;
	struct watch answer, exit;
	struct timer timer;
	pid_t pid;
	void (*on_over)(void *arg, enum shell_outcome o);
	void *arg;
};
#define SHELL_PATIENCE SECONDS(300)

/* Offer a shell on the console, saying why. on_over is called once, from the loop or at once: the shell was
 * left (or there can be none), or nobody wanted it for SHELL_PATIENCE. Only one is offered at a time; s must
 * last until then. */
void shell_offer(struct shell *s, struct loop *l, const char *why,
                 void (*on_over)(void *arg, enum shell_outcome o), void *arg);
void shell_end(struct shell *s); /* at shutdown: on_over is not called */

#endif
