/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whom an event may help: pools that wait, or try again by the clock, look again at once when what they lack
 * may be there. And that clock.
 *
 * An event never says that a start will succeed, only that it is worth a try: so it is allowed to be wrong,
 * and it costs a worker when it is. What is known of an event is kept with the pool (its news) until it
 * looks, so that the worker asks only the devices that have changed.
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/random.h"
#include "base/util.h"
#include "supervisor/news/news.h"
#include "system/device.h"

#define BACKOFF_MAX SECONDS(60)

/* What it waits for, as a text in any case. */
static const char *waits_word(const struct pool *p)
{
	return p->reason.waits_for ? p->reason.waits_for : "";
}

/* What an event may help. Devices appear as devices, as volume groups, and as paths below a mount. */
/* clang-format off */
static const struct { const char *event; const char *prefixes[4]; } events[] = {
	{ "device",  { "device=", "vg=", "path=" } },
	{ "network", { "network", "server=" } },
	{ "service", { "service=" } },
	{ "pool",    { "device=", "vg=", "path=", "pool=" } },
};
/* clang-format on */
#define ANY_EVENT (~0U)
#define FREED     "+" /* among a pool's news: what another pool has stood on may be seen now */

/* The bits of an event in the table; all of them for NULL. A word that is not in the table has none. */
static unsigned event_bits(const char *what)
{
	unsigned bits = what ? 0 : ANY_EVENT;

	for (size_t i = 0; what && i < ARRAY_LEN(events); i++)
		bits |= streq(what, events[i].event) ? 1U << i : 0;
	return bits;
}

/* A device that failed is not well because another pool's step has ended: it would be read at each, beside
 * its clock. And what most events of devices are about, volumes of other pools that come and go, helps nobody
 * who lacks a disk. */
static bool is_vain(const struct pool *p, unsigned bits, const char *news)
{
	char name[80];
	int n = 0;

	if (bits == ANY_EVENT ||
	    (!starts_with(waits_word(p), "device=") && !starts_with(waits_word(p), "vg=")))
		return false;
	if (bits == event_bits("pool"))
		return p->phase == PHASE_RETRYING;
	for (; news && sscanf(news, "%79s%n", name, &n) == 1; news += n)
		if (*name == '*' || device_news_may_help(p->reason.waits_for, name))
			return false;
	return news != NULL;
}

bool events_help(const struct pool *p, unsigned bits, const char *news)
{
	if ((p->phase != PHASE_WAITING && p->phase != PHASE_RETRYING) || is_vain(p, bits, news))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		for (size_t k = 0;
		     bits & 1U << i && k < ARRAY_LEN(events[i].prefixes) && events[i].prefixes[k]; k++)
			if (starts_with(waits_word(p), events[i].prefixes[k]))
				return true;
	return bits == ANY_EVENT;
}

/* Whoever waits for a label need not ask again all the disks that have been asked. NULL: it may be any; "":
 * none. */
static void add_news(struct pool *p, const char *sysname)
{
	const char *old = p->tries.news ? p->tries.news : " ";
	char news[200];

	if (!sysname || *old == '*' ||
	    snprintf(news, sizeof(news), "%s%s ", old, sysname) >= (int)sizeof(news))
		snprintf(news, sizeof(news), "*");
	pool_set_text(&p->tries.news, news);
}

void pool_look_at_news(struct pool *p)
{
	if (p->phase != PHASE_WAITING && p->phase != PHASE_RETRYING)
		return;
	p->tries.again = p->tries.due = true;
	loop_arm(p->sup->loop, &p->sup->starter, 0);
}

/* It may be any device: all are asked. */
void pool_look_again(struct pool *p)
{
	add_news(p, NULL);
	pool_look_at_news(p);
}

void pool_kick(struct pool *p)
{
	p->tries.attempts = 0;
	if (p->phase == PHASE_STARTING)
		p->tries.came = ANY_EVENT;
	add_news(p, ""); /* mounts are no devices */
	pool_look_at_news(p);
}

/* The pool's own step looks whether the reason has passed: here it only gets its turn. */
void failed_kick(struct supervisor *s, enum err_class class)
{
	for (struct pool *p = s->pools; p; p = p->next)
		if (p->phase == PHASE_FAILED && p->reason.class == class && p->want.active) {
			p->tries.again = p->tries.due = true;
			loop_arm(s->loop, &s->starter, 0);
		}
}

/* Only those whose disks have gone, all or one of them, are helped by another disk, or by a process that lets
 * go of the old one. */
void degraded_kick(struct supervisor *s)
{
	for (struct pool *p = s->pools; p; p = p->next) {
		const struct backend *b = backend_find(p->type);
		bool is_gone = p->life.ground && (!*p->life.ground || strstr(p->life.ground, "=gone"));

		if (p->want.active && p->phase == PHASE_DEGRADED && p->tries.stale && b && b->revive &&
		    is_gone) {
			p->tries.again = p->tries.due = true;
			p->tries.revive_at = 0;
			loop_arm(s->loop, &s->starter, 0);
		}
	}
}

void pools_kick(struct supervisor *s, const char *what, const char *sysname)
{
	unsigned bits = event_bits(what);

	demand_or(bits, ); /* a word that is not in the table helps nobody */
	for (struct pool *p = s->pools; p; p = p->next) {
		if (p->phase == PHASE_STARTING)
			p->tries.came |= bits; /* it may have looked just before */
		else if (!events_help(p, bits, sysname))
			continue;
		else
			p->tries.attempts = 0;
		add_news(p, !sysname && bits == event_bits("pool") ? FREED : sysname);
		pool_look_at_news(p);
	}
	s->up->on_kick(s);
}

/* 1 s, 2 s, 4 s … up to a minute. */
uint64_t retry_pause(unsigned failures)
{
	unsigned doublings = failures < 7 ? failures : 7;
	uint64_t pause = BACKOFF_FIRST << (doublings ? doublings - 1 : 0);
	uint16_t jitter;

	if (pause > BACKOFF_MAX)
		pause = BACKOFF_MAX;
	random_fill(&jitter, sizeof(jitter));
	/* ± 1/8, so that a fleet does not knock at once */
	return pause - pause / 8 + pause * jitter / UINT16_MAX / 4;
}
