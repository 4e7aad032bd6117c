/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Definitions in the supervisor: how they come (sources.c, state.c, definitions.c) and which are let in
 * (registry.c). How they lie on disk is in config.h.
 */
#ifndef POOLINIT_SUPERVISOR_CONFIG_REGISTRY_H
#define POOLINIT_SUPERVISOR_CONFIG_REGISTRY_H

#include "supervisor/config/config.h"
#include "supervisor/inside.h"

#define PRIORITY_SOCKET 1000 /* definitions made over the socket replace those of every source */

/* ---- registry.c ---- */

/* Free it and its texts. NULL is allowed. */
void summary_free(struct summary *m);
/* The pool's new definition: made, replaced, or put aside until it stops; xml is its canonical form. Takes
 * over nothing. The pool, also where a source of a higher priority has defined it already and nothing was
 * changed; NULL: ERR_INVALID (a protected directory), or ERR_EXISTS, ERR_CONFLICT, which name the other pool
 * and its origin. */
struct pool *registry_apply(struct supervisor *s, const struct summary *m, const char *xml, size_t len,
                            int priority, struct err *e);
/* pool-create over an inactive pool whose definition is kept: the new one is in use until the next stop, then
 * the old one again. */
int registry_lend(struct pool *p, const struct summary *m, const char *xml, size_t len, struct err *e);
/* Would it be accepted? The rules of registry_apply() without the change. */
int registry_admit(struct supervisor *s, const struct summary *m, struct err *e);
/* In which file the pool will be found at the next start: the definition in use, or the one that waits for
 * the stop. */
void pool_note_origin(struct pool *p, const char *file);
/* Forget a pool and free it: p is gone. Who waits for it is told ERR_NO_POOL. */
void registry_remove(struct pool *p);
/* It has stopped: its next definition, of which there is one, is in use from now on. Cannot fail. */
void registry_switch(struct pool *p);
/* Forget all pools and problems. */
void registry_free(struct supervisor *s);

/* ---- definitions.c: on their way from a worker to the supervisor ---- */
/* Send a definition's summary record and its canonical XML. */
void operation_send_definition(struct worker_io *io, const struct config_item *item);
/* Take that record apart, in the supervisor. ERR_INTERNAL: it makes no sense; ERR_NO_MEMORY. m is to be freed
 * in every case. */
int summary_from_line(struct summary *m, const struct line *l, struct err *e);

/* ---- state.c ---- */

/* Note what is wanted of the pool and whether it is up. What cannot be noted now is noted later, and is a
 * problem meanwhile. */
void state_save(struct pool *p);
/* Of s->saver: note again what could not be noted. */
void state_on_saver(struct timer *t);
/* A pool that is no longer defined. `remember`: its file could not be removed, so that it must stay forgotten
 * for this boot. */
void state_forget(const struct pool *p, bool remember);
/* In the worker: tell of all that an earlier supervisor has noted. The process is closed in by it. */
int state_load(const char *run_dir, struct worker_io *io, struct err *e);
/* What an earlier supervisor knew of a pool; it is in s->early until the pool is defined. */
struct early_state {
	struct early_state *next;
	char *name, *place, *address;
	bool want, active, gone, live, outdated;
};
/* A "- state=…" record arrived; -1: out of memory. */
int state_early(struct supervisor *s, const struct line *l);
void state_early_free(struct early_state *st);
/* Its definition in state/ was in use, and is not the one that is kept. */
bool state_is_live(const struct supervisor *s, const char *name);
/* An orderly end: what was noted of pools that have stopped is removed. */
void state_clear(const struct supervisor *s);
/* Forget what has been read, and belongs to no pool yet. */
void state_free(struct supervisor *s);

/* ---- place.c: a configuration directory that has to be mounted. In workers ---- */

/* Mount it, for this process alone; the place that changes are kept in to be written, if it can be. Classes:
 * those of device_find() and mount_make(); ERR_BUSY: the pool is not active. */
int place_open(struct source *src, struct err *e);
/* For whoever changes something: returns config_dir, which can be written now as far as its filesystem can.
 * NULL: there is none, or what it lies on cannot be had now, which the log says. The change is kept for this
 * boot then. */
const char *place_enter(struct supervisor *s, struct worker_io *io);
/* Make the copies of secrets what the place has. After place_open() or place_enter(). */
int place_copy_secrets(const struct source *src, struct err *e);
/* From now on there is no config_dir, and nothing is kept in it. */
void drop_config_dir(struct supervisor *s);

/* ---- sources.c ---- */

/* Read what an earlier supervisor has left in run_dir/state, before all that is added later. */
int sources_add_state(struct supervisor *s, struct err *e);
/* Read all directories once more that have been read. False: some cannot be now, and e says why. */
bool sources_reload(struct supervisor *s, struct err *e);
/* The root is another one: directories of definitions have gone with the old one, but for those in run_dir.
 * The first, which is kept in, is the real root's from now on (options.root_config_dir), and read like one
 * that has changed. */
void sources_change_root(struct supervisor *s);
/* Is one of them still being read? */
bool sources_reloading(const struct supervisor *s);
/* A device has come: those that wait for one look again. Or a pool, by its name: those that lie in it do. */
void sources_kick(struct supervisor *s, const char *pool);
/* Does a reader remove now what an earlier supervisor left half-written where definitions and secrets are
 * kept? Nobody writes there meanwhile. */
bool sources_sweep(const struct supervisor *s);
void sources_free(struct supervisor *s);

#endif
