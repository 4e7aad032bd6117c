/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The worker that waits: one is forked ahead, in a quiet moment, and does the next operation of any pool, so
 * that nobody waits for a fork and for pages that are touched for the first time. Like any other it does one
 * operation, and ends; or it waits again, if that was one that leaves nothing behind (worker_stays()).
 */
#ifndef POOLINIT_SUPERVISOR_WORK_WAITING_H
#define POOLINIT_SUPERVISOR_WORK_WAITING_H

#include "supervisor/work/errand.h"

/* As worker_start(), by the worker that waits, if it can do it. What the errand points to is not needed any
 * more afterwards. */
struct worker *waiting_start(struct supervisor *s, const struct task *task, const struct errand *errand,
                             struct err *e);
/* For struct upward: a worker is over. If it is quiet (workers_busy()), the next one that waits is forked in
 * the loop's next round, unless the one that is over waits again. */
void waiting_expect(struct supervisor *s);
/* The one that waits goes, and another is forked after it, when pools move: its copy of our memory has a
 * secret in it, or its root is another one. */
void waiting_renew(struct supervisor *s);
/* Is it the process of the worker that waits? */
bool waiting_own(const struct supervisor *s, pid_t pid);
/* The supervisor goes: the worker that waits ends by itself. */
void waiting_free(struct supervisor *s);

#endif
