/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What all rooms of the supervisor know: the supervisor itself, and where its definitions come from. What a
 * room does for those that lie above it stands in its own header.
 */
#ifndef POOLINIT_SUPERVISOR_INSIDE_H
#define POOLINIT_SUPERVISOR_INSIDE_H

#include "supervisor/supervisor.h"
#include "supervisor/work/worker.h"

/* Deadlines of workers that no backend's table has. */
#define DEADLINE_PARSE   SECONDS(10)
#define DEADLINE_KEEP    SECONDS(20)
#define DEADLINE_COMPARE SECONDS(3)
#define DEADLINE_BUILD   SECONDS(600) /* a filesystem of many terabytes is not made in a minute */
#define DEADLINE_FIND    SECONDS(30)

/* A place where definitions come from (config/sources.c). */
struct source {
	struct source *next;
	struct supervisor *sup;
	enum source_kind kind;
	char *where, *text;
	/* of a device or place: what is mounted, "LABEL=…" or "pool:NAME", and where, with `where` in it */
	char *at;
	const char *device; /* in the text of `at` */
	int under; /* in a worker that has mounted it: the directory that it hides, with the copies of secrets
	            */
	int priority; /* its number: later ones replace earlier ones */
	bool state;   /* the state of an earlier supervisor in run_dir, read before all others */
	bool done;
	bool may_be_absent; /* a directory that nobody has named, or that is made when it is needed */
	bool behind;        /* it was in the initramfs, which is gone: it is not read again */
	bool has_copies; /* the real root's, not read so far: secrets of the initramfs may be copies of it */
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

/* What a look at all devices has left out: whose look ("LVM"), and "/dev/sdb: does not answer" line by
 * line. */
struct left_out {
	struct left_out *next;
	char *by, *lines;
};

/* Past events, in as few bytes as their lines would have (news/events.c). */
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

/* One move of a pool toward what is wanted of it. */
struct step {
	bool want;
	enum phase phase;
	bool on_event; /* only when something happened since the last look (p->tries.again) */
	void (*act)(struct pool *p);
};

/* Whom the rooms call that lie above the caller: a table of supervisor.c's. */
struct upward {
	const struct step *steps; /* the state machine; the last one has no act */
	timer_fn *on_pool_clock;  /* p->tries.retry has expired */
	void (*on_pool_gone)(struct pool *p);
	void (*on_kick)(struct supervisor *s);        /* events may help requests, too */
	void (*on_source_over)(struct supervisor *s); /* the reader of one has ended, or has gone */
	void (*advance)(struct supervisor *s);        /* something was read: is it time to go on? */
	void (*step_shutdown)(struct supervisor *s);  /* something has ended that it may wait for */
	void (*on_worker_over)(struct supervisor *s); /* one has ended, or will at once */
};

#define MILESTONES    12
#define PROBLEM_SLOTS 256 /* heads of lists, by hash: each problem is looked for before it is noted */

/* What requests change, one after the other those of one subject. */
enum subject { SUBJECT_DEFINITIONS, SUBJECT_SECRETS, SUBJECTS };

/* All of it. One in a process, apart from tests. Each list belongs to the room that is named in its type. */
struct supervisor {
	const struct upward *up;
	struct loop *loop;
	struct supervisor_options options;
	char *run_config;         /* run_dir/config: definitions kept for this boot only */
	const char **secret_dirs; /* NULL-terminated; the first is below run_dir */
	struct pool *pools;       /* by name */
	struct source *sources;
	const char *root, *roots; /* that was booted, of these (requests/tries.c); or NULL */
	struct source
		*place; /* where changes are kept, if that has to be mounted; config_dir is its `where` */
	struct problem *problems, **last_problem, *problem_slots[PROBLEM_SLOTS];
	unsigned lost_problems; /* for want of memory */
	struct left_out *left_out;
	struct worker *workers;
	struct document_reader *reader; /* of documents (requests/documents.c); or NULL */
	struct waiting *waiting;        /* the worker that waits (work/waiting.c); or NULL */
	struct listener *listeners;
	struct waiter *waits; /* pool_wait() */
	struct event_ring ring;
	struct milestone milestones[MILESTONES];
	size_t nmilestones;
	struct service_run *services;
	struct early_state *early; /* what state/ said of pools whose definition has not been read yet */
	struct timer starter;      /* steps the pools that are due, one a round */
	struct timer saver;        /* notes again what could not be noted */
	struct request *requests;  /* under way */
	struct request *changing[SUBJECTS]; /* those that change something now, or NULL */
	struct volume_job *jobs;            /* on volumes, under way, oldest first */
	uint64_t last_job;                  /* the number of the newest */
	uint64_t last_index;                /* of all pools: the number of the newest */
	struct timer changer;               /* begins the next change of definitions */
	void (*on_settled)(void *arg);      /* NULL: nobody asked, or told already */
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
	} shutdown, pause;
};

/* ---- pools.c: the list of pools, which is by name (pool_by_name() and its like are in supervisor.h) ---- */

/* Replace a text by a copy of another. NULL and "" become NULL, and so does one for which there is no memory:
 * these texts are for people, or can be found out again. */
void pool_set_text(char **slot, const char *text);
/* Forget the i-th stage of its way, of which it has so many. */
void pool_stage_drop(struct pool *p, size_t i);

#endif
