/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /dev/watchdog (Documentation/watchdog/watchdog-api.rst).
 *
 * It is fed from the loop, so that it measures what matters: whether the loop still turns. Half of its
 * timeout between two feedings leaves room for one that comes late.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/watchdog.h"

#define DEVICE "/dev/watchdog"

/* Any byte feeds it, but for 'V', which would disarm it. */
static void on_feed_timer(struct timer *t)
{
	struct watchdog *w = t->owner;

	if (write(w->fd, "", 1) != 1)
		log_warn(LF_BOOT, "cannot write to " DEVICE ": %s", strerror(errno));
	loop_arm(w->loop, t, clock_ms() + w->interval);
}

void watchdog_look(struct watchdog *w)
{
	int seconds = 0;

	if (w->fd >= 0)
		return;
	w->fd = open(DEVICE, O_WRONLY | O_CLOEXEC);
	if (w->fd < 0)
		return;
	/* A driver that does not say its timeout mostly has 60 s; half of 30 is on the safe side. */
	if (ioctl(w->fd, (ioctl_request)WDIOC_GETTIMEOUT, &seconds) < 0 || seconds <= 0)
		seconds = 30;
	w->interval = (uint64_t)seconds * 1000 / 2;
	log_info(LF_BOOT, "watchdog: the machine is reset when nothing is heard from here for %d s", seconds);
	on_feed_timer(&w->timer);
}

void watchdog_start(struct watchdog *w, struct loop *l)
{
	demand_or(w && l, );
	*w = (struct watchdog){ .loop = l, .fd = -1, .timer = { .on_expiry = on_feed_timer, .owner = w } };
	watchdog_look(w);
}

void watchdog_stop(struct watchdog *w)
{
	if (w->fd < 0)
		return;
	loop_disarm(w->loop, &w->timer);
	/* Closed without it, the watchdog goes on, as it would after a crash. */
	if (write(w->fd, "V", 1) != 1)
		log_warn(LF_BOOT, "cannot disarm the watchdog: %s", strerror(errno));
	close(w->fd);
	w->fd = -1;
}
