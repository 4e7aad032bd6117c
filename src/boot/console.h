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

/* The terminal behind /dev/console (the last one of /sys/class/tty/console/active), else /dev/console; -1:
 * there is none. */
int console_open(int flags);

/* poolinit.exec: started, and started again whenever it ends, 1 s later, up to 60 s later when it does not
 * stay up. */
struct payload {
	struct loop *loop;
	const char *path; /* NULL: there is none */
	pid_t pid;
	struct watch exit;
	struct timer timer; /* when to start it again; or, while it is being stopped, when to kill it */
	uint64_t started;
	unsigned failures;
	bool stopping;
	void (*on_gone)(void *arg);
	void *arg;
};

/* Start the program and keep it running: whenever it ends it is started again, later each time that it fails.
 * `path` is the caller's and must last. */
void payload_start(struct payload *p, struct loop *l, const char *path);
/* TERM to its session's group, KILL at the deadline; on_gone when it is gone (from the loop or at once). */
void payload_stop(struct payload *p, uint64_t deadline, void (*on_gone)(void *arg), void *arg);

/* The emergency shell: a question on the console; Enter brings a shell, five minutes without it bring
 * SHELL_TIMEOUT. */
enum shell_outcome { SHELL_LEFT, SHELL_TIMEOUT };
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

/* Offer a shell on the console, saying why. on_over is called once: it was left, nobody wanted it, or there
 * can be none. */
void shell_offer(struct shell *s, struct loop *l, const char *why,
                 void (*on_over)(void *arg, enum shell_outcome o), void *arg);
void shell_end(struct shell *s); /* at shutdown: on_over is not called */

#endif
