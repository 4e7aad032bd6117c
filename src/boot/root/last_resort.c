/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * When the root lies on a network, and its server is dead, whatever process 1 does next may wait: it runs
 * programs from the root, and has itself not all of its memory. We have all of ours. So process 1 tells us by
 * what it does without waiting for anything, the closing of a file: a FIFO in memory that it holds for a unit
 * of its own (supervisor_pack()). Then storage that does not answer is let go of. With a root that fails
 * instead of waiting most shutdowns come to their end; of those that do not the machine's end is done here.
 */
#include "boot/root/last_resort.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/root/root.h"

#define GRACE      SECONDS(7)   /* for process 1, once something was given up */
#define END_TIME   SECONDS(18)  /* for our own end of the machine */
#define STOP_TIME  SECONDS(5)   /* for the pools, when what they wait for fails */
#define WATCH_TIME SECONDS(300) /* a shutdown that was cancelled is no danger for longer */
_Static_assert(SERVER_PATIENCE + GRACE + END_TIME <= SHUTDOWN_BOUND,
               "a dead root is not worth more time than another");

static void on_grace_over(struct timer *t)
{
	struct last_resort *r = t->owner;
	struct err e = { 0 };

	if (supervisor_on_session(r->root)) /* it was another one that is gone */
		return;
	log_error(LF_BOOT,
	          "process 1 does not end the machine, whose storage has gone: it is ended without it");
	r->watchdog.fd = -1; /* it is process 1's */
	r->shutdown = (struct shutdown){
		.sup = r->sup, .payload = &r->payload, .watchdog = &r->watchdog, .beside = true
	};
	if (shutdown_begin(&r->shutdown, r->verb, &e) < 0)
		log_error(LF_BOOT, "%s", e.message);
	r->shutdown.bound = clock_ms() + END_TIME;
}

static void on_given_up(void *arg)
{
	struct last_resort *r = arg;

	if (!r->gone && !supervisor_shutting_down(r->sup))
		loop_arm(supervisor_loop(r->sup), &r->limit, clock_ms() + GRACE);
	r->gone = true;
}

static void unwatch(struct last_resort *r, struct watch *w)
{
	int fd = w->fd;

	if (!w->watched)
		return;
	loop_unwatch(supervisor_loop(r->sup), w);
	close(fd);
}

static void on_fifo_end(struct watch *w, uint32_t events)
{
	struct last_resort *r = w->owner;

	struct pollfd other = { .fd = w == &r->reboot ? r->poweroff.fd : r->reboot.fd };

	(void)events;
	if (poll(&other, 1, 0) > 0 && (other.revents & POLLHUP)) {
		log_info(LF_BOOT,
		         "process 1 has closed all that it had: it ends the machine itself, or has failed");
		unwatch(r, &r->poweroff);
		unwatch(r, &r->reboot);
		return;
	}
	r->verb = w == &r->reboot ? "reboot" : "poweroff";
	unwatch(r, &r->poweroff);
	unwatch(r, &r->reboot);
	log_info(LF_BOOT, "the %s begins: storage that does not answer is no longer awaited", r->verb);
	supervisor_let_go(r->sup, &(struct letting_go){ SERVER_PATIENCE, WATCH_TIME, on_given_up, r });
}

/* A FIFO tells its reader of the end of its last writer, and of none before there was one. EPOLLRDHUP, which
 * no FIFO has, stands for a hang-up alone: what might be written to it is of no interest. */
static void listen_at(struct last_resort *r, struct watch *w, const char *fifo)
{
	struct err e = { 0 };
	int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	*w = (struct watch){ .fd = -1, .on_event = on_fifo_end, .owner = r };
	if (fd >= 0 && loop_watch(supervisor_loop(r->sup), w, fd, EPOLLRDHUP, &e) < 0) {
		log_warn(LF_BOOT, "%s: %s", fifo, e.message);
		close(fd);
	}
}

void last_resort_begin(struct last_resort *r, struct supervisor *sup)
{
	struct stat st;

	r->sup = sup;
	r->root = stat("/", &st) == 0 ? st.st_dev : 0;
	r->limit = (struct timer){ .on_expiry = on_grace_over, .owner = r };
	listen_at(r, &r->poweroff, POWEROFF_FIFO);
	listen_at(r, &r->reboot, REBOOT_FIFO);
}

uint64_t last_resort_stop_time(struct last_resort *r)
{
	if (r->sup)
		loop_disarm(supervisor_loop(r->sup), &r->limit);
	return r->gone && !supervisor_on_session(r->root) ? STOP_TIME : ROOT_STOP_TIME;
}

void last_resort_end(struct last_resort *r)
{
	if (!r->sup)
		return;
	loop_disarm(supervisor_loop(r->sup), &r->limit);
	unwatch(r, &r->poweroff);
	unwatch(r, &r->reboot);
}
