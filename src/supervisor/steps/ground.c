/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Active pools hear of what carries them: a session that ended, a LUN that came or went, a volume that was
 * activated by hand. The kernel's events only say that a pool may be concerned; a worker looks (operation.c).
 * An event about anything else wakes nobody.
 */
#include <sys/epoll.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/steps.h"
#include "system/device.h"

#define STEADY SECONDS(600) /* active for so long: what ended it before is forgotten */

/* Is there a word "NAME=…"? */
static bool pool_stands_on(const char *ground, const char *name, size_t len)
{
	for (const char *at = ground; *at; at += strcspn(at, " "), at += *at == ' ')
		if (strncmp(at, name, len) == 0 && at[len] == '=')
			return true;
	return false;
}

/* A device-mapper device is usable, and has its name for good, from its first "change" on. */
static bool may_be_new(const char *name, const char *action, const char *grows_by)
{
	for (const char *word = grows_by; *word; word += strcspn(word, " "), word += *word == ' ')
		if (strncmp(name, word, strcspn(word, " ")) == 0)
			return streq_null(action, starts_with(word, "dm-") ? "change" : "add");
	return false;
}

/* The path of a LUN's disk names its session, and that of a partition its disk: so each part of it counts. */
bool ground_concerns(const char *ground, const char *grows_by, const struct uevent *u)
{
	demand_or(ground && u && u->devpath, false);

	const char *last = u->devpath;

	for (const char *at = u->devpath; *at == '/'; at += 1 + strcspn(at + 1, "/")) {
		last = at + 1;
		if (pool_stands_on(ground, last, strcspn(last, "/")))
			return true;
	}
	return grows_by && streq_null(u->subsystem, "block") && may_be_new(last, u->action, grows_by);
}

/* Thousands of events at a boot are of other kinds. */
static bool tells_of_storage(const struct uevent *u)
{
	return u->devpath && u->subsystem &&
	       (streq(u->subsystem, "block") || streq(u->subsystem, "scsi") ||
	        streq(u->subsystem, "iscsi_session"));
}

/* A target says that it has other LUNs, or that one has another size. The kernel does not know yet which, or
 * how large: they have to be asked. */
static bool asks_for_all(const struct uevent *u)
{
	return u->unit_attention && (starts_with(u->unit_attention, "REPORTED_LUNS") ||
	                             starts_with(u->unit_attention, "CAPACITY_DATA"));
}

void supervisor_uevent(struct supervisor *s, const struct uevent *u)
{
	if (s->shutdown.on || (u && !tells_of_storage(u)))
		return;
	for (struct pool *p = s->pools; p; p = p->next) {
		const struct backend *b = backend_find(p->type);

		if (!p->life.ground || !b || (p->phase != PHASE_ACTIVE && p->phase != PHASE_DEGRADED))
			continue;
		if (u && !ground_concerns(p->life.ground, b->grows_by, u))
			continue;
		if (u && asks_for_all(u))
			touch_later(p, NULL);
		else
			touch_look(p);
	}
}

/* Somebody has been asked in vain, and answers now: which device it was does not matter. */
static void on_late_answer(struct watch *w, uint32_t events)
{
	struct supervisor *s = w->owner;
	char batch[1024];

	(void)events;
	while (read(w->fd, batch, sizeof(batch)) > 0)
		;
	for (struct pool *p = s->pools; p; p = p->next)
		if (p->life.ground && p->phase == PHASE_DEGRADED)
			touch_look(p);
}

/* Without it the clock has them looked at. */
void ground_listen(struct supervisor *s)
{
	int fd = s->late.watched ? -1 : device_ask_listen();

	if (fd < 0)
		return;
	s->late = (struct watch){ .fd = -1, .on_event = on_late_answer, .owner = s };
	if (loop_watch(s->loop, &s->late, fd, EPOLLIN, NULL) < 0)
		close(fd);
}

/* ---- what a look has found ---- */

/* Somebody else has ended it: an unmount by hand, a session that ended, a group that was deactivated. What is
 * wanted still holds, so it is started again; but whoever ends it again and again is not fought without a
 * pause. */
void pool_taken_away(struct pool *p, const struct err *why)
{
	demand_or(why, );

	const struct backend *b = backend_find(p->type);
	uint64_t pause = b && !p->work.revived ? b->pause : 0;

	if (clock_ms() - p->times.active > STEADY)
		p->tries.losses = 0;
	if (p->tries.losses > 0 && pause < retry_pause(p->tries.losses))
		pause = retry_pause(p->tries.losses);
	p->tries.losses++;
	if (pause > 0) /* else those who asked for a refresh hear of the start that follows at once */
		pool_answer(p, why);
	pool_enter(p, PHASE_RETRYING, why);
	loop_arm(p->sup->loop, &p->tries.retry, clock_ms() + pause);
}

void pool_degraded(struct pool *p)
{
	struct err why = { 0 };

	if (p->work.found_why)
		err_set(&why, ERR_STORAGE, "%s", p->work.found_why);
	pool_enter(p, PHASE_DEGRADED, p->work.found_why ? &why : NULL);
}
