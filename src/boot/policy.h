/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * When is boot over, and did it succeed? Judged from the pools as they are now; nothing here acts or waits.
 */
#ifndef POOLINIT_BOOT_POLICY_H
#define POOLINIT_BOOT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/clock.h"
#include "boot/parameters.h"
#include "supervisor/supervisor.h"

/* Pools that nobody requires hold boot up only while things still move: while one is being started, and until
 * this long after the last one became active or was tried. */
#define POLICY_SETTLE SECONDS(5)

/* What was asked for, as policy_judge() takes it. */
struct policy {
	const char *const *require;
	size_t nrequire;    /* names, besides those whose definition says so */
	uint64_t began;     /* clock_ms() */
	uint64_t timeout;   /* ms from then; a definition may have its own */
	enum onfail onfail; /* ONFAIL_UNSET: continue; a definition may have its own */
	/* root=: why the machine has no root to go on with now, or NULL: it has one, or needs none; text is
	 * the caller's */
	const char *no_root;
	bool needs_root;  /* root= was given: then boot does not wait for pools that nobody requires */
	bool root_failed; /* and none of its roots came in time: boot has failed, whatever the pools do */
};

/* What policy_judge() says. */
struct verdict {
	bool done;
	uint64_t look_again;   /* clock_ms() at which time alone may change the verdict, or NEVER */
	size_t wanted, active; /* pools */
	/* required ones that are not active, though nothing is left to wait for, and the root likewise */
	size_t missing;
	/* what to do about those: the most drastic of their policies; ONFAIL_CONTINUE when there are none */
	enum onfail action;
};

/* Judge: is boot over, how many of the pools that are wanted are there, and what is missing? `pools` is the
 * list that begins with pool_first(); `read` is supervisor_sources_read(); now: clock_ms(). Nothing is kept:
 * the same pools at the same time give the same verdict. */
void policy_judge(const struct policy *p, const struct pool *pools, bool read, uint64_t now,
                  struct verdict *v);
/* Append "pools 5/6 active in 412 ms, waiting: vmstore (portal 192.0.2.7:3260: no route)". No newline. What
 * is quoted of each reason is cut off after 160 bytes. */
void policy_line(const struct policy *p, const struct pool *pools, uint64_t now, struct buf *out);
/* The word of the greeting: "starting" until boot is over, then "ready", "degraded" (a wanted pool is not
 * active, or a definition is bad), "failed". */
const char *policy_state(const struct policy *p, const struct pool *pools, bool over, bool problems,
                         uint64_t now);

#define POLICY_NAME 256 /* bytes for a name, with its NUL */
_Static_assert(POLICY_NAME > 200, "pool names have 200 bytes at most");
/* Take the next name out of a list with commas; *list goes on behind it. False: there is none left, or one
 * that is too long for a pool's. */
bool policy_next_name(const char **list, char out[POLICY_NAME]);
/* Is there a pool of that name? */
bool policy_is_defined(const struct pool *pools, const char *name);

#endif
