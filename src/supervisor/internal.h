/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the supervisor's own files share.
 */
#ifndef POOLINIT_SUPERVISOR_INTERNAL_H
#define POOLINIT_SUPERVISOR_INTERNAL_H

#include "supervisor/config/config.h"
#include "supervisor/supervisor.h"
#include "supervisor/work/worker.h"

#define DEADLINE_PARSE   SECONDS(10)
#define DEADLINE_KEEP    SECONDS(20)
#define DEADLINE_COMPARE SECONDS(3)
#define DEADLINE_BUILD   SECONDS(600) /* a filesystem of many terabytes is not made in a minute */
#define DEADLINE_FIND    SECONDS(30)
#define PRIORITY_SOCKET  1000 /* definitions made over the socket replace those of every source */

/* A place where definitions come from (sources.c). */
struct source {
	struct source *next;
	struct supervisor *sup;
	enum source_kind kind;
	char *where, *text;
	int priority; /* its number: later ones replace earlier ones */
	bool state;   /* the state of an earlier supervisor in run_dir, read before all others */
	bool done;
	bool late;       /* but not read: for want of room, and tried again now and then */
	char *waits_for; /* a device that is not there yet */
	struct worker *worker;
	bool left;               /* an earlier worker is still there */
	bool again;              /* a device appeared meanwhile */
	bool reloading;          /* it has been read, and is read once more */
	bool missed;             /* something that was read could not be taken over: out of memory */
	struct summary *pending; /* the record that announced the XML now arriving */
	struct timer retry;
	unsigned attempts;
};

/* What a parsing worker says about a definition: all that the supervisor ever knows of its inside. */
struct summary {
	char *name, *target, *source_key, *origin;
	struct uuid uuid;
	enum pool_type type;
	bool autostart, transient;
	struct pool_boot boot;
};

struct problem_list {
	struct problem *first;
};

/* What a look at all devices has left out: whose look ("LVM"), and "/dev/sdb: does not answer" line by
 * line. */
struct left_out {
	struct left_out *next;
	char *by, *lines;
};

/* Past events, in as few bytes as their lines would have (events.c). */
struct event_ring {
	struct past_event {
		struct past_event *next;
		uint64_t seq, ts;
		size_t len;
		char packed[];
	} * first, **last;
	size_t bytes;
	uint64_t seq;
};

#define MILESTONES    12
#define PROBLEM_SLOTS 256 /* heads of lists, by hash: each problem is looked for before it is noted */

struct supervisor {
	struct loop *loop;
	struct supervisor_options options;
	char *run_config;         /* run_dir/config: definitions kept for this boot only */
	const char **secret_dirs; /* NULL-terminated; the first is below run_dir */
	struct pool *pools;       /* by name */
	struct source *sources;
	struct problem *problems, **last_problem, *problem_slots[PROBLEM_SLOTS];
	unsigned lost_problems; /* for want of memory */
	struct left_out *left_out;
	struct worker *workers;
	struct listener *listeners;
	struct waiter *waits; /* pool_wait() */
	struct event_ring ring;
	struct milestone milestones[MILESTONES];
	size_t nmilestones;
	struct service_run *services;
	struct early_state *early;      /* what state/ said of pools whose definition has not been read yet */
	struct timer starter;           /* steps the pools that are due, one a round */
	struct timer saver;             /* notes again what could not be noted */
	struct request *requests;       /* under way */
	struct secret_request *secrets; /* about secrets; the first one is under way */
	struct volume_job *jobs;        /* on volumes, under way, oldest first */
	uint64_t last_job;              /* the number of the newest */
	struct timer changer;           /* begins the next change of definitions */
	void (*on_settled)(void *arg);  /* NULL: nobody asked, or told already */
	void *settled_arg;
	struct timer settle;   /* it is told then, whatever could not be read */
	struct watch inotify;  /* changes in pools' directories */
	struct watch errors;   /* of pools' filesystems: fanotify */
	struct watch late;     /* answers of devices for which nobody waits any more */
	unsigned watching;     /* refreshes under way that may add a watch */
	struct mounts *mounts; /* the watch on the mount table, or NULL */
	struct chore mounts_chore;
	bool strangers; /* and meanwhile something came of a watch that we do not know */
	bool had_state; /* run_dir is an earlier supervisor's */
	bool going;     /* supervisor_go() was called */
	bool moving;    /* and the definitions are there: pools are moved */
	struct {
		bool on;
		uint64_t deadline;
		struct timer timer;
		void (*done)(void *arg);
		void *arg;
	} shutdown;
};

/* registry.c */
void summary_free(struct summary *m);
/* The pool's new definition: made, replaced, or put aside until it stops. Takes over nothing. ERR_EXISTS,
 * ERR_CONFLICT name the other pool and its origin. */
struct pool *registry_apply(struct supervisor *s, const struct summary *m, const char *xml, size_t len,
                            int priority, struct err *e);
/* pool-create over an inactive pool whose definition is kept: the new one is in use until the next stop, then
 * the old one again. */
int registry_lend(struct pool *p, const struct summary *m, const char *xml, size_t len, struct err *e);
/* protected.c: is the target, for types that have a directory, none of the supervisor's or the kernel's, nor
 * in one, nor around one? ERR_INVALID names both. By its text; and in a worker, by what it leads to. */
int protected_admit(const struct supervisor *s, const struct summary *m, struct err *e);
int protected_check(const struct supervisor *s, const struct pool_def *d, struct err *e);
/* Would it be accepted? The rules of registry_apply() without the change. */
int registry_admit(struct supervisor *s, const struct summary *m, struct err *e);
void registry_remove(struct pool *p);
void registry_switch(struct pool *p); /* it has stopped: its next definition is in use from now on */
void registry_free(struct supervisor *s);

/* ---- left_out.c ---- */
/* A worker's record "- left-out=LVM devices=…", if it is one: status shows it until the next look of that
 * kind. */
void left_out_take(struct supervisor *s, const struct line *l);
void left_out_free(struct supervisor *s);

/* supervisor.c: something was read or has ended: is it time to go on? */
void supervisor_advance(struct supervisor *s);

/* phases.c */
void pool_enter(struct pool *p, enum phase phase, const struct err *why); /* change phase, tell everybody */
void pool_want(struct pool *p, bool active);
/* a copy of it; NULL and "" are NULL, and so is one for which there is no memory */
void pool_set_text(char **slot, const char *text);

/* steps.c: the state machine */
void pool_step(struct pool *p);
/* all who wait for an operation of it; NULL: it went well */
void pool_answer(struct pool *p, const struct err *e);
uint64_t pool_refresh_time(const struct pool *p); /* ms that its next refresh may take */
/* kick.c: whom an event may help */
/* its next attempt comes when it is its turn, and not when its time has come */
void pool_look_again(struct pool *p);
void pool_look_at_news(struct pool *p); /* the same; of the devices it need ask none but those in its news */
/* the same, for what concerns this pool alone; also if it is being started: it may have looked just before */
void pool_kick(struct pool *p);
/* of the table in kick.c: as pool->came collects them while a pool is being started */
bool events_help(const struct pool *p, unsigned bits, const char *news);
/* Something happened that may let a start succeed now: `what` is "device", "network", "service", or "pool";
 * NULL: anything. sysname: of the device; "": nothing has happened to one, or that is told; NULL: nobody
 * knows to which. */
void pools_kick(struct supervisor *s, const char *what, const char *sysname);
/* What some pools failed for has passed, though it is no event: the conflict with a pool that has stopped,
 * want of a secret that has a value now. */
void failed_kick(struct supervisor *s, enum err_class class);
/* A disk has come, or a pool has gone: those whose disk was taken away are looked at, for it may be there
 * again and nobody may have it open any more. */
void degraded_kick(struct supervisor *s);
#define SLOW_LOOK     SECONDS(30) /* for what should come as an event, in case the event was lost */
#define BACKOFF_FIRST SECONDS(1)
uint64_t retry_pause(unsigned failures);  /* ms; the pause after so many failures in a row */
void shutdown_step(struct supervisor *s); /* supervisor.c */
void shutdown_retry(struct supervisor *s);

/* mounts.c: the mount table, and pools whose targets lie below each other's */
int mounts_watch(void *supervisor, struct err *e); /* a chore */
void mounts_free(struct supervisor *s);
/* A pool whose target this one's lies below, and that is wanted and not active yet; or NULL. */
const struct pool *mounts_outer(const struct pool *p);
/* ERR_WAIT_DEVICE: until that one is active */
int mounts_wait(const struct pool *outer, const char *why, struct err *e);
/* its target lies below that of a pool that is wanted: what is there is that one's business */
bool mounts_vouched(const struct pool *p);
/* in the worker: are those that are active there now? */
int mounts_check_outer(const struct pool *p, struct err *e);
void mounts_kick_inner(const struct pool *p); /* those that wait for this one need not any more */

/* waiters.c */
void waiters_tell_phase(struct pool *p);
void waiters_finish(struct waiter **list, const struct result *r);
void waiter_park(struct waiter **list, struct waiter *w);
void waiters_move(struct waiter **from, struct waiter **to);

/* operation.c: in the worker */
struct operation {
	struct pool *pool;
	uint64_t timeout;
	/* start: this device was not there, and nothing has happened since but to those; NULL: it may be
	 * any */
	const char *missing, *news;
	bool build;
	unsigned build_flags; /* enum build_flags */
	bool force;
	int index;               /* refresh: where the volume records go */
	const char *const *only; /* refresh: look at these names alone; NULL: at all */
	bool sweep;              /* refresh: leftovers of broken volume operations may be removed */
	int inotify;             /* refresh: watch the directory with it; -1: do not */
	/* refresh: stop it first if only a new start can bring it back */
	enum { REVIVE_NO, REVIVE_IF_WELL, REVIVE_ASKED } revive;
	bool live; /* print: with the live sizes */
};
/* The pool's definition, read from its canonical form once in a worker, however many tasks that does. Given
 * back when the task ends. */
int worker_definition(const struct pool *p, struct pool_def *def, struct err *e);
void worker_definition_back(const struct pool *p, struct pool_def *def);
/* What a task of this worker has made, for the next one. */
extern struct made_file worker_made;
/* may a pool of its type be built with these flags? ERR_DENIED */
int build_admit(const struct pool *p, unsigned flags, struct err *e);
int operation_start(struct worker_io *io, void *arg, struct err *e);
int operation_build(struct worker_io *io, void *arg, struct err *e);
int operation_delete(struct worker_io *io, void *arg, struct err *e);
int operation_stop(struct worker_io *io, void *arg, struct err *e);
int operation_check(struct worker_io *io, void *arg, struct err *e);
int operation_refresh(struct worker_io *io, void *arg, struct err *e);
int operation_print(struct worker_io *io, void *arg, struct err *e);
/* Send a definition's summary record and its canonical XML. */
void operation_send_definition(struct worker_io *io, const struct config_item *item);
int summary_from_line(struct summary *m, const struct line *l, struct err *e);

/* refreshing.c: the update that the worker of a volume operation goes on to, so that nobody has to be forked
 * for it */
struct update {
	int index;
	uint64_t number;
	const char *only[2];
	struct operation operation;
	struct task task;
};
/* Before the fork: what shall be looked at is the name. False: there is none to be had, and pool_touch() does
 * it. */
bool update_prepare(struct update *u, struct pool *p, const char *name);
/* The worker has begun it. False: it does not count, because the pool's index is another one by now,
 * something else is under way in the pool, or a refresh of everything is due. True: it is the pool's
 * operation now, and w is told of its end. */
bool update_begins(struct update *u, struct pool *p, struct worker *worker, struct waiter *w);
void update_drop(struct update *u);

/* conflict.c: in the worker */
enum conflict_with { CONFLICT_DEFINED, CONFLICT_RUNNING };
/* Does the definition stand on what another pool stands on, however it is spelled: any that is defined, or
 * only those that run or are being started? ERR_CONFLICT names both and says what they share. */
int conflict_check(const struct supervisor *s, const struct pool_def *d, struct op *op,
                   enum conflict_with with, struct err *e);

/* index.c */
int index_new(struct err *e); /* an empty memfd, for volindex_write() in the worker */
/* Swap it in, or lay it over the one that is there; takes over fd. */
int index_adopt(struct pool *p, int fd, struct err *e);
/* in the worker: what is known of the volumes; NULL: nothing, or that there are none */
const struct volindex *pool_index(const struct pool *p);
/* the pool is no longer active: nothing is known, watched or to be looked at */
void index_drop(struct pool *p);

/* touch.c: names to look at again (pool_touch()) */
enum touch_due { TOUCH_NONE, TOUCH_NAMES, TOUCH_ALL };
void touch_later(struct pool *p, const char *name); /* something has changed there; NULL: anything may have */
void touch_look(struct pool *p);                    /* what it stands on may have changed */
enum touch_due touch_due(const struct pool *p);     /* is it time? */
/* A refresh begins: which names it is to look at, NULL-terminated (free it; the names live until
 * touch_taken()); NULL: at all. */
const char **touch_take(struct pool *p);
void touch_taken(struct pool *p); /* its worker has them */
/* an update of other names is under way, of whose end w is told */
void touch_asked(struct pool *p, struct waiter *w);
void touch_over(struct pool *p, const struct err *e); /* it has ended */
void touch_drop(struct pool *p);                      /* there is no index any more */

/* ground.c: what carries an active pool */
/* Pools that have this companion are looked at: something has happened. */
void supervisor_service_tells(struct supervisor *s, const struct service *svc);
/* Does an event concern who stands on `ground`, or may it be a new device of theirs (backend.h: ground,
 * grows_by)? */
bool ground_concerns(const char *ground, const char *grows_by, const struct uevent *u);
/* it is not active any more, though nobody stopped it here */
void pool_taken_away(struct pool *p, const struct err *why);
void pool_degraded(struct pool *p); /* for p->found_why, if that is known */
/* degraded pools are looked at when a device that did not answer has done so at last */
void ground_listen(struct supervisor *s);

/* watch.c: inotify */
int watch_begin(struct supervisor *s); /* the descriptor for a refresh, or -1; watch_over() follows its end */
/* in the worker, a directory that is open; the watch's number, or -1 */
int watch_directory(int inotify, int dir);
void watch_number(struct pool *p, int number);   /* what the worker got */
int watch_errors_of(const struct supervisor *s); /* the other descriptor, or -1 */
/* in the worker: hear of errors of the filesystem that this directory is in; its number, or 0 */
uint64_t watch_errors(int fanotify, int dir);
void watch_over(struct supervisor *s);
void watch_drop(struct pool *p);
void watch_free(struct supervisor *s);

/* requests.c */
#define TURN_WITHIN SECONDS(30) /* a change waits so long for those before it, */
/* and who asked so long for a worker that is being ended: TERM, KILL, and then some */
#define GONE_WITHIN SECONDS(6)
void requests_on_changer(struct timer *t);
bool requests_change(const struct supervisor *s); /* is a definition being changed? */
void requests_free(struct supervisor *s);
void requests_kick(struct supervisor *s); /* building.c: a companion is ready, or is not to be had */

/* secrets.c */
void secrets_on_sources(struct supervisor *s); /* those that waited for sources_sweep() */
void secrets_free(struct supervisor *s);

/* volume_jobs.c: operations on volumes under way */
struct volume_job;
/* false, ERR_BUSY: a job works in it */
bool volume_jobs_admit_stop(const struct pool *p, const char *what, struct err *e);
void volume_jobs_orphan(struct pool *p); /* the pool goes */
void volume_jobs_cancel_all(struct supervisor *s);
void volume_jobs_free(struct supervisor *s);

/* volume.c: in the worker. What it reads of the job: it has a copy of our memory. */
struct volume_work {
	const struct pool *pool, *input_pool;
	char *record; /* the volume, or the one that is copied; without LF, or NULL */
	char *xml;
	size_t xml_len;     /* create: as it was given, later in canonical form; */
	const char *origin; /* what messages call it then */
	bool validate, has_capacity, has_allocation;
	unsigned flags;
	uint64_t capacity;
	char *algorithm;
	int stream;
	size_t passed;
	uid_t uid;
	gid_t gid;
	int connection;
	uint64_t offset, length;
	bool sparse;
	bool operate; /* see struct op */
};
int volume_work_parse(struct worker_io *io, void *arg, struct err *e);
int volume_work_create(struct worker_io *io, void *arg, struct err *e);
int volume_work_delete(struct worker_io *io, void *arg, struct err *e);
int volume_work_resize(struct worker_io *io, void *arg, struct err *e);
int volume_work_wipe(struct worker_io *io, void *arg, struct err *e);
int volume_work_upload(struct worker_io *io, void *arg, struct err *e);
int volume_work_download(struct worker_io *io, void *arg, struct err *e);

/* state.c */
void state_save(struct pool *p);
void state_on_saver(struct timer *t);
/* A pool that is no longer defined. `remember`: its file could not be removed, so that it must stay forgotten
 * for this boot. */
void state_forget(const struct pool *p, bool remember);
int state_load(const char *run_dir, struct worker_io *io, struct err *e); /* in the worker */
/* a "- state=…" record arrived; -1: out of memory */
int state_early(struct supervisor *s, const struct line *l);
void state_recall(struct supervisor *s); /* pools were defined: what did we know of them? */
/* its definition in state/ was in use, and is not the one that is kept */
bool state_is_live(const struct supervisor *s, const char *name);
void state_clear(const struct supervisor *s);
void state_free(struct supervisor *s);

/* sources.c */
int sources_add_state(struct supervisor *s, struct err *e);
void sources_kick(struct supervisor *s);
/* does one remove what an earlier supervisor left where definitions and secrets are kept? */
bool sources_sweep(const struct supervisor *s);
void sources_free(struct supervisor *s);

/* service.c */
/* 0: it runs and answers; else ERR_WAIT_SERVER with waits_for "service=NAME": it is being brought up (-1), or
 * that has failed and is tried again (-2). p: the pool that needs it; NULL: a search for pools, which one of
 * a pool's own cannot help: 0. */
int service_need(struct supervisor *s, const struct service *svc, const struct pool *p, struct err *e);
/* A start that needs it has failed: does it still answer? */
void service_doubt(struct supervisor *s, const struct service *svc, const struct pool *p);
/* The pool has stopped: a companion of its own ends. */
void service_release(const struct pool *p);
void services_stop(struct supervisor *s);
bool services_gone(const struct supervisor *s);
void services_free(struct supervisor *s);

/* events.c */
void events_phase(struct pool *p, enum phase from);
void events_free(struct supervisor *s);

#endif
