/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Boot as it goes on: judged again at every event, told to whoever waits when it is over.
 */
#ifndef POOLINIT_BOOT_PROGRESS_H
#define POOLINIT_BOOT_PROGRESS_H

#include <stdbool.h>
#include "boot/policy.h"
#include "supervisor/supervisor.h"

struct progress {
	struct supervisor *sup;
	struct policy policy;
	struct listener listener;
	struct timer look;
	struct waiter *waiters; /* `wait boot` */
	const char *autostart;  /* what the list of pools to start is called; NULL: "poolinit.autostart" */
	bool over, complete, checked;
	struct verdict verdict;                              /* the one with which boot was over */
	void (*on_over)(void *arg, const struct verdict *v); /* once, from the loop; may be NULL */
	void *arg;
};

/* Begin to watch. p->policy, on_over and arg are the caller's; sup is set here. Judged for the first time
 * from the loop. */
void progress_begin(struct progress *p, struct supervisor *s);
/* Whoever still waits for boot is answered; nothing is judged any more. */
void progress_end(struct progress *p);
/* The policy has changed: judge again, from the loop. */
void progress_look(struct progress *p);
/* The word for `status`: how far boot is. Static storage. */
const char *progress_state(const struct progress *p);
/* server_options.on_wait_boot: w->done is called when boot is over, which may be at once, but from the loop;
 * ERR_TIMEOUT at the deadline (clock_ms()), with the line of what is still missing. Always 0. */
int progress_wait(struct progress *p, uint64_t deadline, struct waiter *w, struct err *e);

/* ---- readiness, told to whoever started us ---- */

/* sd_notify(3): send lines such as "READY=1\nSTATUS=…" to $NOTIFY_SOCKET; nothing where there is none.
 * Nothing waits: a service manager that does not read loses the message. */
void notify_send(const char *text);
/* s6's way: a newline on the descriptor, which is closed then. */
void notify_fd(int fd);

#endif
