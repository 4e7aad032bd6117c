/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs that run beside pools: iscsid. service.c, or no_service.c in a program none of whose types has
 * one.
 */
#ifndef POOLINIT_SUPERVISOR_COMPANIONS_COMPANIONS_H
#define POOLINIT_SUPERVISOR_COMPANIONS_COMPANIONS_H

#include <signal.h>
#include "supervisor/inside.h"

/* The root has changed. Our iscsid goes along (deps/open-iscsi/roots.patch). One that does not know this ends
 * by it, and is started anew: where it is in our root already. */
#define FOLLOW_SIGNAL SIGUSR1

/* 0: it runs and answers, or has not been called for; else ERR_WAIT_SERVER with waits_for "service=NAME": it
 * is being brought up (-1), or that has failed and is tried again (-2). One of a pool's own that cannot be
 * brought up, whenever that is tried, has failed with that error (-2), and is forgotten. p: the pool that
 * needs it; NULL: a search for pools, which one of a pool's own cannot help: 0. */
int service_need(struct supervisor *s, const struct service *svc, const struct pool *p, struct err *e);
/* A start has failed with that error. The companion that it may need is asked whether it still answers. true:
 * the start calls for one that comes only when it is called for, and that is being brought up. */
bool service_called(struct pool *p, const struct err *e);
/* Does it still answer? */
void service_doubt(struct supervisor *s, const struct service *svc, const struct pool *p);
/* The pool has stopped, or has another definition: a companion of its own ends. One that is for all of a type
 * stays. */
void service_release(const struct pool *p);
/* At shutdown: all of ours are told to end, and killed a few seconds later. May be called again. */
void services_stop(struct supervisor *s);
/* Has every process of ours ended? Its end calls the shutdown's next step. */
bool services_gone(const struct supervisor *s);
/* As supervisor_pack(). In leaving.c. */
bool services_pack(const struct supervisor *s, const char *root, bool systemd);
/* As supervisor_followed(). In leaving.c. */
void services_follow_root(struct supervisor *s);
/* Forget all; those that run are left alone. */
void services_free(struct supervisor *s);

/* Pools that have this companion are looked at: something has happened. */
void supervisor_service_tells(struct supervisor *s, const struct service *svc);

#endif
