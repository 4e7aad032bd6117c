/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The supervisor keeps pools the way they are wanted. One thread, one loop; it never touches storage:
 * whatever may block, crash or parse foreign bytes is done by workers (work/worker.h). This header is what
 * the floors above (control, boot) see.
 *
 * Rules that hold for all of it. Everything is called from the loop's thread, and nothing here blocks. Times
 * without a unit are milliseconds: a deadline is a clock_ms(), a timeout counts from now. Texts and orders
 * that are given are copied; texts that are returned belong to the supervisor, and stay at most until the
 * loop's next round. A pool that is pointed to may be gone after any call that moves pools: who needs it
 * later keeps its name. A contract that is broken is logged, and the call refused (base/contract.h).
 */
#ifndef POOLINIT_SUPERVISOR_SUPERVISOR_H
#define POOLINIT_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include "backends/backend.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "pool/def.h"
#include "pool/volindex.h"
#include "system/uevent.h"

/* Where a pool is on its way to what is wanted of it. */
enum phase {
	PHASE_INACTIVE,
	PHASE_CHECKING, /* taken over from an earlier supervisor: looking whether it is active */
	PHASE_WAITING,  /* for reason.waits_for: a device, the network, a service */
	PHASE_STARTING,
	PHASE_ACTIVE,
	PHASE_DEGRADED,
	PHASE_HUNG,     /* active, but the storage below does not answer */
	PHASE_RETRYING, /* a temporary failure; tried again at tries.retry.deadline or at an event */
	PHASE_FAILED,   /* a permanent failure; pool-start tries again */
	PHASE_STOPPING,
	PHASES
};
/* Its word in the protocol, static: "inactive", "degraded". */
const char *phase_word(enum phase p);
/* The reverse. -1: no phase has that word. */
int phase_from_word(const char *word);

struct supervisor;
struct worker;
struct pool;

/* A parked question: somebody who wants to hear when something is done. Lives in its owner's struct. Each
 * time that it is parked, done is called once, unless it is withdrawn before. */
struct result {
	const struct err *err; /* NULL: it went well */
	struct pool *pool;     /* NULL if it is gone */
	const char *text;      /* printed XML, or NULL */
	size_t text_len;
	const char *kept;   /* pool-define: where, a word of supervisor_kept() */
	uint64_t job;       /* an operation on a volume: its number, */
	const char *volume; /* its volume, or NULL, */
	uint64_t bytes;     /* and how much was transferred */
	/* a descriptor that was passed is its worker's: nothing of it is left in the client's socket */
	bool taken;
	const char *secret; /* a secret's uuid, or NULL; and what it is for: a word, and a name or NULL */
	const char *usage, *usage_id;
	int value; /* secret-get-value: a memfd with the value; whoever wants it copies the descriptor */
};
struct waiter {
	void (*done)(struct waiter *w, const struct result *r);
	/* NULL: only the end is of interest */
	void (*progress)(struct waiter *w, uint64_t job, uint64_t done, uint64_t total);
	/* NULL, or: a descriptor was passed that is of no use, and the bytes go over the connection */
	void (*unused)(struct waiter *w, uint64_t job);
	void *owner;
	struct waiter *next, **link; /* of the list in which it is parked; link NULL: it is not */
	struct pool *pool;           /* pool_wait(), and so is */
	unsigned phases;             /* this */
	/* of pool_wait(); who waits for the end of boot has only its deadline noted here */
	struct timer timer;
};
/* Take a waiter back: its done is not called any more. Harmless if it is not parked. What was begun for it
 * goes on. */
void waiter_withdraw(struct waiter *w);

/* A stretch of a pool's way: the phase that it entered, and when (clock_ms()). */
struct pool_stage {
	uint64_t since;
	enum phase phase;
	char *waits; /* for what (reason.waits_for), or NULL */
};

/* Of a longer way the beginning and the end are kept. */
#define POOL_STAGES 8

/* Moments of a pool's life, clock_ms(), 0: not yet; and its way since it was last started, for the timeline.
 * Attempts in vain to reach what the pool waits for are no stages of their own. */
struct pool_times {
	uint64_t defined, wanted, active;
	struct pool_stage stages[POOL_STAGES];
	size_t nstages;
};

/* What a pool is to be: its definition, as far as the supervisor knows its inside, and where it came from.
 * Changed by config/ (registry.c, sources.c); what says how it is kept and marked also by requests/, and by
 * the check of a pool that was taken over. */
struct pool_definition {
	char *target;               /* or NULL */
	char *source_key;           /* pool_source_key(); "" where it never conflicts */
	char *xml;                  /* canonical form of the definition in use */
	char *next_xml;             /* a definition given while active: in use after the next stop; or NULL */
	struct summary *next_facts; /* of next_xml */
	int priority;               /* of the source it came from: a later one replaces an earlier one's */
	char *origin;    /* where the definition came from: file name, "(command line)", "(socket)" */
	bool persistent; /* else transient: forgotten when it stops */
	bool autostart;
	bool kept_in_config; /* its file is in the writable config directory */
	/* autostart was changed over the socket, and its mark could not be: what the directory says does not
	 * hold until the next boot */
	bool marked_here;
	/* xml was given by pool-create over the definition that is kept, which is next_xml until the stop */
	bool live;
	/* so it seems until an earlier supervisor's pool has been looked at: xml is what it was started with,
	 * before it was defined anew */
	bool outdated;
	struct pool_boot boot;
};

/* What is wanted of a pool, and has been asked for and not begun. Changed by requests/, boot's policy, and
 * the steps that answer. */
struct pool_wishes {
	bool judged;          /* autostart has been applied to it */
	bool recalled;        /* what was wanted of it is known from an earlier supervisor */
	bool active;          /* it is to be up */
	bool build;           /* the next start builds first, */
	unsigned build_flags; /* with these enum build_flags */
	bool refresh;
	bool revive;              /* the next refresh stops it if only a new start can bring it back */
	uint64_t timeout;         /* asked for with the start or stop to come; 0: the usual one */
	uint64_t refresh_timeout; /* the same for the refresh to come */
};

/* What there is to say of the phase. Changed by steps/phases.c and those who have something to say. */
struct pool_reason {
	enum err_class class;
	char *text;      /* why it is not active, one sentence; or NULL */
	char *said;      /* the one that was logged last: one that is only repeated is not news */
	char *warning;   /* what is wrong with it though it is active, one sentence; or NULL */
	char *fill;      /* how full they are that fill up unseen (struct op); or NULL */
	char *waits_for; /* "device=…", "network", "server=…", "service=iscsid"; or NULL */
};

/* What is known of its present life, from the start to the stop: its workers have told it. Changed by
 * steps/; another definition has another place and address (registry.c). */
struct pool_life {
	char *detail; /* what identifies the active instance: "mount=35"; or NULL */
	/* the devices that carry it now (backend.h), or NULL: events of the kernel's do not concern it */
	char *ground;
	char *identity; /* what it stands on since it was started (backends/identity.h), or NULL */
	char *place;    /* which directory its target was when it was started (backends/target.h), or NULL */
	char *address;  /* of the several that its server has, the one that the last start used; or NULL */
	bool address_answered; /* and it did */
	char *avoid;           /* what its backend had better not try again (backend.h); or NULL */
	/* the number of the mount through which its target was seen at the last look (mounts.c), or 0 */
	int seen;
	/* a start that failed, or was cut off, may have left parts of it behind: they go when it is given
	 * up */
	bool begun;
	bool fresh; /* started, and not refreshed yet: those who asked for the start are answered after it */
};

/* The operation under way, and what it has found so far. Changed by steps/, and by requests/: building.c
 * begins operations, too, and the jobs are theirs. */
struct pool_work {
	struct worker *worker; /* the one operation under way, or NULL */
	unsigned jobs;         /* operations on its volumes under way */
	unsigned stuck;        /* abandoned workers that are still there */
	enum phase was;        /* when the stop began */
	char *lost; /* the stop under way: what was written last is not all on the disk, and why; or NULL */
	bool updating;         /* the refresh looks at some names only */
	bool unchanged;        /* it found the index right as it is */
	bool reviving;         /* it stops the pool if only a new start can bring it back, */
	bool revived;          /* and has done so: the new start follows at once */
	enum pool_state found; /* by the check or refresh under way, */
	char *found_why;       /* and why it is not active, or not wholly; or NULL */
	int fresh_index;       /* what the refresh under way writes, or -1 */
};

/* When it is looked at again, and what has been tried. Changed by steps/, by those who give it its turn
 * (news/kick.c, index/touch.c, supervisor.c), and by a request, which forgets what was tried. */
struct pool_tries {
	bool due;          /* its step comes when it is its turn */
	unsigned attempts; /* failed starts in a row */
	struct timer retry;
	bool again; /* something changed: look again */
	/* " vda vdb ": all that has happened since it last looked for its device are events of these; "*":
	 * something else */
	char *news;
	unsigned came; /* events that came while it was being started: bits of the table in news/kick.c */
	bool doubted;  /* storage has refused something: looked at once more, when tries.retry expires */
	/* looked at again on a slow clock: the last refresh failed, or it is degraded and nothing will tell
	 * that it is well */
	bool stale;
	uint64_t look_pause; /* ms to the next look at one that is degraded; 0: it is not */
	uint64_t revive_at;  /* a refresh from this clock_ms() on may revive it */
	uint64_t stop_tried; /* clock_ms() of a stop that has failed since it was started, or 0 */
	bool stop_failed;    /* the last stop did; at shutdown: again when another pool has stopped */
	unsigned losses;     /* how often it has ended in a row, though nobody stopped it here */
};

/* Its volumes, as the last refresh found them, and what tells that they have changed. Changed by index/; its
 * sizes by the refresh itself. */
struct pool_volumes {
	struct pool_sizes sizes;
	char *free_extents; /* what is free on a disk (operation.h), or NULL */
	/* pool/volindex.h: a memfd, or -1, mapped read-only; and the one that is laid over it */
	struct index_file {
		int fd;
		const char *map;
		size_t size;
	} base, over;
	struct volindex index; /* of both */
	uint64_t number;       /* another one whenever the index is, and no other pool's */
	uint64_t count;
	uint64_t refreshed;      /* clock_ms() of the index */
	struct touches *touches; /* names to look at again (touch.c), or NULL */
	struct waiter *lookers;  /* who asked for names that the refresh under way looks at */
	int watch;               /* inotify's number for its directory (watch.c), or 0 */
	uint64_t errors;         /* the number of its filesystem, whose errors are heard of, or 0 */
};

/* A pool, and all that the supervisor knows of it. The floors above read its fields; only the supervisor
 * writes them. */
struct pool {
	struct supervisor *sup;
	struct pool *next; /* by name */
	char *name;
	struct uuid uuid;
	enum pool_type type;
	struct pool_definition def;
	struct pool_wishes want;
	enum phase phase; /* changed by pool_enter() alone */
	struct pool_reason reason;
	bool unsaved; /* its state could not be noted in run_dir */
	struct pool_life life;
	struct pool_work work;
	struct pool_tries tries;
	struct pool_volumes volumes;
	struct pool_times times;
	struct waiter *waiters; /* start, stop, refresh: told at the end of the operation, */
	/* and these at the end of the refresh that is under way: those who ask meanwhile want the next one */
	struct waiter *served;
};

/* ---- set-up (main, boot) ---- */

/* Deadlines of operations, where the backend's table and the options say nothing. */
#define DEADLINE_START   SECONDS(60)
#define DEADLINE_STOP    SECONDS(60)
#define DEADLINE_REFRESH SECONDS(60)

/* How a supervisor is set up. The texts must outlive it; they are not copied. */
struct supervisor_options {
	/* "/config", "/etc/libvirt", …; definitions made over the socket are kept there if it is writable */
	const char *config_dir;
	bool config_named; /* somebody has named it: that it is not there is a problem */
	bool in_memory;    /* set by core_open(): / is, and what is kept in config_dir is gone at power-off */
	/* of the root that follows an initramfs: what takes config_dir's place there (NULL: nothing), and
	 * whether what is written to it is gone at power-off */
	const char *root_config_dir;
	bool root_in_memory;
	const char *run_dir;   /* "/run/poolinit" */
	const char *autostart; /* "all", "none", "NAME,…", or NULL: those marked autostart */
	const char *needed;    /* "NAME,…", or NULL: they are started in any case (root=) */
	bool own_devices;      /* init: device nodes, links and modules are ours */
	bool lives_on; /* this process outlives an initramfs: companions are called "@NAME", as it is */
	uint64_t start_deadline, stop_deadline, refresh_deadline; /* ms; 0: the backend's own */
};

/* Make a supervisor, and its directories below run_dir; what an earlier one has left there begins to be read.
 * NULL: e says why. */
struct supervisor *supervisor_new(struct loop *l, const struct supervisor_options *o, struct err *e);
/* Give everything back. Pools stay as they are, waiters are not told, and workers that still run end with
 * this process. NULL is allowed. */
void supervisor_free(struct supervisor *s);
/* The loop that it was made with. */
struct loop *supervisor_loop(struct supervisor *s);
/* What it was made with. */
const struct supervisor_options *supervisor_options(const struct supervisor *s);

/* Add a place where definitions come from, and read it (in a worker; a DEVICE is awaited). A later source
 * replaces an earlier one's pool of the same name. `where` is a path, for a DEVICE "DEVICE[:/path]", for the
 * PLACE, of which there is one, and which changes are written to, that or "pool:NAME/path", and for
 * SOURCE_XML what messages call it; `text` for SOURCE_XML is one pool document, whose pool is an autostart
 * pool. ERR_NO_MEMORY; what is wrong with the source itself becomes a problem later. */
enum source_kind { SOURCE_DIRECTORY, SOURCE_DEVICE, SOURCE_PLACE, SOURCE_XML };
int supervisor_add_source(struct supervisor *s, enum source_kind kind, const char *where, const char *text,
                          struct err *e);
/* Read all directories of definitions again, when no definition is being changed: w (or NULL) is done when
 * that has happened, however it went. What is new in them is defined, and started if it is to be; what has
 * changed is in use at the next start; what has gone from them stays defined. What was wrong with them is
 * forgotten before. */
int supervisor_reload(struct supervisor *s, struct waiter *w, struct err *e);
/* In a worker: this root is about to be booted, for the n-th time since supervisor_boot_good(). ERR_STATE: it
 * was `most` times already. Where nothing can be counted (no place that lasts, or not now) it is not, and the
 * log says why. */
struct worker_io;
int tries_count(struct supervisor *s, struct worker_io *io, const char *root, unsigned most, struct err *e);
/* The value of root=: which roots may be said to be good. The text is the caller's, and lives on. */
void supervisor_roots(struct supervisor *s, const char *roots);
/* This root was mounted, and is booted; the text is the caller's, and lives on. */
void supervisor_booted(struct supervisor *s, const char *root);
/* Its system is good: it is counted anew. root: NULL: the one that was booted. w is done when that is kept.
 * ERR_INVALID: root= has none that is written so; ERR_STATE: none was booted, or there is no place that
 * lasts. */
int supervisor_boot_good(struct supervisor *s, const char *root, struct waiter *w, struct err *e);
/* Copy the secrets of the directories that go with the initramfs to where those of this boot are: they are
 * read at each start of a pool. Of the definitions the supervisor has what it needs. Blocking. e tells of the
 * first that cannot be copied. */
int supervisor_take_secrets(const struct supervisor *s, struct err *e);
/* Where a definition or a mark is kept: "disk" or "memory" (in the configuration directory, which lasts or is
 * gone at power-off), "run" (in run_dir, for this boot only). */
const char *supervisor_kept(const struct supervisor *s, bool in_config);
/* Have all sources been read? One on a device that never appears never is: whoever waits for this has a
 * deadline. */
bool supervisor_sources_read(const struct supervisor *s);
/* fn is called once, when every source that does not wait for a device has been read, or cannot be for so
 * long that people should see why: from then on the list of pools can be shown. */
void supervisor_when_settled(struct supervisor *s, void (*fn)(void *arg), void *arg);
/* From now on pools are moved. Before it they are only defined. State of an earlier supervisor in run_dir is
 * taken over: what is active stays as it is. */
void supervisor_go(struct supervisor *s);
/* A device has come or changed: whoever waits for one looks again. sysname: the kernel's name for it ("sda");
 * NULL: it may be any. */
void supervisor_device_event(struct supervisor *s, const char *sysname);
/* The network may be usable now: whoever waits for it looks again. */
void supervisor_network_event(struct supervisor *s);
/* The kernel has an event: active pools that stand on this device are looked at, soon, and many events
 * together. NULL: some were lost. */
void supervisor_uevent(struct supervisor *s, const struct uevent *u);

/* Is this pool to be started by itself? For plan as well. */
bool supervisor_autostarts(const struct supervisor_options *o, const char *name, bool marked);

/* Problems with definitions: which source, what line, why. For `status`, plan and the exit code of `poolinit
 * boot`. */
struct problem {
	struct problem *next, *same_hash;
	char *origin;
	enum err_class class;
	char *text;
	bool lent; /* its memory is a chore's */
};
/* The first problem, in the order in which they were found; follow ->next. NULL: there is none. */
const struct problem *supervisor_problems(const struct supervisor *s);
/* Note a problem and log it: once, however often it is found. */
void supervisor_add_problem(struct supervisor *s, const char *origin, const struct err *e);
/* Note a problem without a word. False: it is there already. One that there is no memory for is counted, and
 * counts as new. */
bool supervisor_note_problem(struct supervisor *s, const char *origin, const struct err *e);
/* Those of this origin are over; NULL: those of all. Chores' problems stay until the chore is done. */
void supervisor_forget_problems(struct supervisor *s, const char *origin);
/* Those of a directory, and of the files in it, are over. */
void supervisor_forget_problems_below(struct supervisor *s, const char *dir);
/* How many problems there was no memory to note. */
unsigned supervisor_lost_problems(const struct supervisor *s);

/* Something that must be done once. It lives with its owner, and is zeroed but for the first five. */
struct chore {
	const char *origin;    /* whose problem it is, as `status` has it */
	const char *meanwhile; /* what that means, a clause; or NULL */
	int (*attempt)(void *owner, struct err *e);
	void *owner;
	struct supervisor *sup;
	struct timer retry;
	unsigned failures; /* in a row */
	struct problem problem;
	char text[600];
};
/* Try it now. True: it is done. If it fails it is tried again until it succeeds, and is a problem meanwhile.
 * May be called again at any time. */
bool chore_try(struct supervisor *s, struct chore *c);
/* Its owner goes, or nobody wants it any more: it is not tried again, and is no problem. Harmless if it was
 * never tried. */
void chore_end(struct chore *c);

/* Tell of each device that searches and scans leave out: its path (origin), and who leaves it out and why
 * (text), both valid during the call only. */
void left_out_each(const struct supervisor *s, void (*tell)(void *arg, const char *origin, const char *text),
                   void *arg);

/* Stop all pools, dependents first, within the deadline; then done(), once, which may be before this returns.
 * What does not stop is left and named in the log. A second call changes nothing. */
void supervisor_shutdown(struct supervisor *s, uint64_t deadline, void (*done)(void *arg), void *arg);
/* Has the shutdown begun? From then on nothing is started. */
bool supervisor_shutting_down(const struct supervisor *s);

/* Begin no step of any pool until supervisor_resume(). done() is called once, from the loop, when no worker
 * is under way, or at the deadline; requests that come meanwhile are answered, and those for which there is
 * something to do wait as for any pool that is busy. For the change of root, which takes paths away from
 * whoever works with them. */
void supervisor_pause(struct supervisor *s, uint64_t deadline, void (*done)(void *arg), void *arg);
/* In a worker, during a pause, in an initramfs whose root is about to be `root`: keep the programs of our
 * companions in KEPT_PROGRAMS, and, where that root's init is systemd, have its own services for the same
 * storage do nothing. False: there are none. What fails is logged. */
bool supervisor_pack(const struct supervisor *s, const char *root, bool systemd);
/* During a pause: the new root lies over the initramfs's, where companions still are. Those that were packed
 * enter it, or are ended and started anew there. */
void supervisor_followed(struct supervisor *s);
/* Where systemd is the real root's init it holds these open until a shutdown of that kind begins, and the
 * other one for as long as it runs. supervisor_pack() makes them. */
#define POWEROFF_FIFO "/run/initramfs/poolinit-poweroff"
#define REBOOT_FIFO   "/run/initramfs/poolinit-reboot"
/* Units that count before those of the real root and its generators. systemd.unit(5), "Unit File Load
 * Path". */
#define SYSTEMD_UNITS "/run/systemd/system"
/* Does the device lie on a session that there is? sysfs is asked, and nothing is read of the device. In
 * leaving.c. */
bool supervisor_on_session(dev_t dev);
/* Storage on a network is not awaited for ever by a machine that ends. */
struct letting_go {
	uint64_t patience, within;  /* ms: that a server may not answer; that they are watched */
	void (*on_gone)(void *arg); /* once for each, from the loop; it has been logged; or NULL */
	void *arg;
};
/* From now on what companions care for (sessions) is let go of when it has not answered for so long, whether
 * it is of our pools or not (companions/letting_go.c). Where there is none, or no worker, nothing happens. */
void supervisor_let_go(struct supervisor *s, const struct letting_go *l);
/* The end of the pause: each pool is looked at again. */
void supervisor_resume(struct supervisor *s);
/* During a pause: the root is another one, and this process is in it. Device nodes, links and modules are
 * somebody else's from now on (own_devices). Definitions are read in that root's directory, and kept there.
 */
void supervisor_changed_root(struct supervisor *s);

/* ---- pools (control) ---- */

/* The first pool, in the order of names; follow ->next. NULL: none is defined. */
struct pool *pool_first(struct supervisor *s);
/* NULL: no pool has that name. */
struct pool *pool_by_name(struct supervisor *s, const char *name);
/* NULL: no pool has that uuid. */
struct pool *pool_by_uuid(struct supervisor *s, const struct uuid *u);
/* A pool as people name it; a name goes before a uuid. NULL: ERR_NO_POOL. */
struct pool *pool_lookup(struct supervisor *s, const char *name_or_uuid, struct err *e);
/* Is a pool's storage in use: active, degraded, hung, stopping? */
bool phase_is_active(enum phase phase);
bool pool_is_active(const struct pool *p);

/* What people ask of pools. Each returns 0: w->done will be called (never before the return); or negative:
 * refused at once, e says why, w is not used. w->done is set before, and w stays its owner's until it is
 * told or withdrawn. A timeout of 0 is the usual one. */
enum define_mode { DEFINE_PERSISTENT, DEFINE_TRANSIENT };
#define START_BUILD (1u << 8) /* beside enum build_flags: build, with them */
/* A definition: pool-define, or pool-create, which starts it at once. Everything is copied. */
struct define_order {
	const char *xml;
	size_t xml_len;
	enum define_mode mode;
	bool validate;    /* it is checked against the grammar */
	unsigned build;   /* START_BUILD | enum build_flags, or 0 */
	uint64_t timeout; /* of the start; 0: the usual one */
};
/* Somebody has come who may send a document: who is to read it is made ready. */
void documents_expect(struct supervisor *s);
/* Define a pool, or create one. Told when the definition is kept (result.kept), or when the pool that is
 * created is up, or its start has failed: then nothing is left of it. ERR_EXISTS, ERR_CONFLICT, ERR_INVALID,
 * ERR_STATE (a pool of that name is in use). */
int pool_define(struct supervisor *s, const struct define_order *o, struct waiter *w, struct err *e);
/* Start a pool. build: 0, or START_BUILD with enum build_flags. Told of the first attempt's outcome; one that
 * failed for a reason that may pass is tried again. A degraded pool that only a new start can help is stopped
 * and started. ERR_STATE (it is active, or stopping), ERR_HUNG, ERR_DENIED (build). */
int pool_start(struct pool *p, uint64_t timeout, unsigned build, struct waiter *w, struct err *e);
/* Make what an inactive pool lives on. flags: enum build_flags, without START_BUILD. ERR_STATE. */
int pool_build(struct pool *p, uint64_t timeout, unsigned flags, struct waiter *w, struct err *e);
/* Unmake what an inactive pool lives on; its definition stays. ERR_STATE. */
int pool_delete(struct pool *p, uint64_t timeout, struct waiter *w, struct err *e);
/* Which pools of a type are there? xml: a <source>, or NULL. The answer's text is libvirt's <sources>.
 * ERR_UNSUPPORTED: the type cannot be looked for. */
int pool_find_sources(struct supervisor *s, enum pool_type type, const char *xml, size_t len,
                      uint64_t timeout, struct waiter *w, struct err *e);
/* Stop a pool; it is not wanted any more. What is under way in it is ended first, except jobs on volumes:
 * ERR_BUSY. A transient pool is forgotten. ERR_STATE (not active), ERR_HUNG. A stop that fails leaves the
 * pool active, and wanted. */
int pool_stop(struct pool *p, uint64_t timeout, struct waiter *w, struct err *e);
/* Read its volumes again. Told of a refresh that begins after this call. ERR_STATE, ERR_HUNG. */
int pool_refresh(struct pool *p, uint64_t timeout, struct waiter *w, struct err *e);
/* Look again, soon, at the volume of this name, which may have come, changed or gone. 0: w (may be NULL) is
 * told when the index shows it, or why it does not; negative: the pool is not active. Names are collected;
 * one update at a time takes them all. */
int pool_touch(struct pool *p, const char *name, struct waiter *w);
/* Its document, as result.text; with the sizes of now if it is active. inactive: the definition that holds
 * from the next start on. */
int pool_dumpxml(struct pool *p, bool inactive, struct waiter *w, struct err *e);
/* Forget a pool's definition, and its file. result.kept: "run", if something defines it again at the next
 * boot. One that waits for something, or has failed, is given up with it. ERR_STATE: it is active, or about
 * to be. */
int pool_undefine(struct pool *p, struct waiter *w, struct err *e);
/* Mark it to be started at boot, or not. result.kept says where the mark is. ERR_STATE: it is transient. */
int pool_set_autostart(struct pool *p, bool on, struct waiter *w, struct err *e);
/* Answer when the pool is in one of the phases (bits 1 << PHASE_…); at once if it is. ERR_TIMEOUT names where
 * it is and why. */
int pool_wait(struct pool *p, unsigned phases, uint64_t deadline, struct waiter *w, struct err *e);

/* ---- volumes ---- */

/* Have its volumes been read since it became active? */
bool pool_has_index(const struct pool *p);
/* Not yet, but that is only a matter of time: pool_wait() for any phase tells when. */
bool pool_awaits_index(const struct pool *p);
/* Fails while they are being read, or could not be: ERR_BUSY; ERR_STATE (pool not active). */
int pool_need_index(const struct pool *p, struct err *e);
/* The record line of the volume of that name, *len bytes with its LF, inside the pool's index; NULL: there is
 * no such volume. It is good until the index changes: at the latest when the loop goes on. */
const char *volume_find(const struct pool *p, const char *name, size_t *len);
/* Somebody has gone through the index: what was read of it is not kept in memory (memory_keep()) any longer.
 */
void volumes_were_read(const struct pool *p);
/* The same by name, path or key, in one pool (p) or in all (p NULL); *found is the pool that has it. What has
 * a '/' in it is no name. NULL: ERR_NO_VOLUME, ERR_STATE (pool not active), ERR_BUSY (not read yet). */
const char *volume_lookup(const struct supervisor *s, struct pool *p, const char *what, struct pool **found,
                          size_t *len, struct err *e);

/* ---- operations on volumes: jobs (volume_jobs.c) ---- */

enum volume_operation {
	VOLUME_CREATE,
	VOLUME_DELETE,
	VOLUME_RESIZE,
	VOLUME_WIPE,
	VOLUME_UPLOAD,
	VOLUME_DOWNLOAD
};

/* What is asked. Everything is copied, except the stream: it is the caller's, who may close it afterwards. */
struct volume_order {
	enum volume_operation operation;
	const char *verb; /* "vol-clone": static; for job-list, status and messages */
	struct pool *pool;
	/* the volume, as volume_find() returns it; create: the one that is copied, or NULL */
	const char *record;
	size_t record_len;
	struct pool *input_pool; /* create: where that one is */
	const char *xml;
	size_t xml_len; /* create: the document, */
	/* which is of our own making, gives a capacity, and is of a volume of this name; NULL: it is read
	 * first */
	const char *name;
	bool has_allocation; /* and so much of it is given, too */
	bool validate;       /* it is checked against the grammar */
	unsigned flags;    /* enum vol_create_flags, vol_resize_flags, vol_delete_flags, vol_transfer_flags */
	uint64_t capacity; /* resize: bytes */
	const char *algorithm; /* wipe */
	int stream;            /* upload, download: where from, where to */
	/* likewise; not 0: stream is a client's socket, where that many bytes, with a descriptor, wait to be
	 * read by the worker */
	size_t passed;
	uid_t uid;
	gid_t gid;      /* and this is whose descriptor it is */
	int connection; /* and download: where to instead, if that is nothing to write to; -1: nowhere */
	uint64_t offset, length;
	bool sparse;      /* likewise; length 0: to the end */
	uint64_t timeout; /* ms; 0: the operation's own */
	bool detach;      /* w->done is called as soon as it has been let in */
	bool operate;     /* asked for at the level "operate", see struct op */
};
/* A job's `done` is called at most this long (ms) after its timeout, whether or not its worker and its
 * leftovers are gone, which takes no longer where nothing hangs. */
#define JOB_END 500
/* 0: w->done will be called; *job (may be NULL) is its number. Or refused: ERR_STATE (pool not active),
 * ERR_BUSY (another job has the volume), ERR_LIMIT … */
int volume_start(struct supervisor *s, const struct volume_order *o, struct waiter *w, uint64_t *job,
                 struct err *e);
/* End it. w (may be NULL) is told when it is over and what was left is removed. ERR_INVALID: no such job. */
int volume_cancel(struct supervisor *s, uint64_t job, struct waiter *w, struct err *e);

/* A job for job-list. Its texts are the supervisor's, and good until the loop goes on. Bytes done of total; 0
 * of 0: not known. */
struct job_view {
	uint64_t number, started, done, total;
	const char *verb, *pool, *volume;
	bool ending;
};
/* i-th job, oldest first; false: no more. */
bool job_at(const struct supervisor *s, size_t i, struct job_view *v);

/* ---- secrets (secrets.c) ---- */

enum secret_action {
	SECRET_ACT_DEFINE,
	SECRET_ACT_SET,
	SECRET_ACT_GET,
	SECRET_ACT_LIST,
	SECRET_ACT_PRINT,
	SECRET_ACT_FORGET
};

/* What is asked. Everything is copied; a value is wiped here as soon as its worker has it. */
struct secret_order {
	enum secret_action action;
	const char *which; /* uuid or usage; NULL: define, list */
	const char *data;
	size_t len;    /* define: the document; set: the value */
	bool validate; /* define: it is checked against the grammar */
	bool plain;    /* set, get: the value's own bytes instead of base64 */
	bool ephemeral, no_ephemeral, private, no_private; /* list: only these */
	bool trusted;                                      /* get: also of a private one */
};
/* 0: w->done will be called, with result.secret, .kept (define, set), .value (get), .text (list: records;
 * print). One after the other. */
int secret_request(struct supervisor *s, const struct secret_order *o, struct waiter *w, struct err *e);
/* A secret's value, or a part of it, was in our memory: processes that wait and may have a copy of that go,
 * and others are forked after them. */
void secret_was_here(struct supervisor *s);

/* ---- events, workers, services: what status, subscribe and boot policy read ---- */

/* What happened. Who makes one fills in its name and fields, which only have to live as long as it;
 * events_emit() does the rest. */
#define EVENT_FIELDS 8
struct event_field {
	const char *key;
	enum event_kind { EVENT_TEXT, EVENT_NUMBER, EVENT_FLAG } kind;
	const char *text;
	uint64_t number;
};
struct event {
	const char *name;
	uint64_t seq, ts; /* seq 0: it is one client's alone, and without a time */
	struct event_field fields[EVENT_FIELDS];
	size_t nfields;
};
/* Add a field; there is room for EVENT_FIELDS. A text that is NULL is no field. */
void event_str(struct event *ev, const char *key, const char *text);
void event_num(struct event *ev, const char *key, uint64_t number);
void event_flag(struct event *ev, const char *key, bool flag);

/* Told of each event as it happens. */
struct listener {
	void (*on_event)(struct listener *l, const struct event *ev);
	void (*on_phase)(struct listener *l, struct pool *p, enum phase from); /* may be NULL */
	void (*on_device)(struct listener *l); /* a device has come, gone or changed; may be NULL */
	void *owner;
	struct listener *next;
};
/* From now on l is told. It is the caller's, and stays where it is until it is removed. */
void listener_add(struct supervisor *s, struct listener *l);
/* l is told nothing more. Harmless if it was not added; a listener may remove itself. */
void listener_remove(struct supervisor *s, struct listener *l);
/* Number the event, remember it and tell all listeners, before this returns. */
void events_emit(struct supervisor *s, struct event *ev);
/* Events with a sequence number above `since` that are remembered, oldest first, and how many are no
 * longer. */
void events_replay(const struct supervisor *s, uint64_t since,
                   void (*tell)(void *arg, const struct event *ev), void *arg);
/* How many events since that number cannot be told any more. */
uint64_t events_forgotten(const struct supervisor *s, uint64_t since);
/* Moments that are not a pool's: "kernel", "definitions", "socket", "network", "ready". Kept for the
 * timeline. */
void milestone(struct supervisor *s, const char *name);
struct milestone {
	const char *name; /* static */
	uint64_t ms;      /* clock_ms() */
};
/* The *n milestones so far, in their order. */
const struct milestone *milestones(const struct supervisor *s, size_t *n);

/* Is this child a worker or a companion, and so reaped by its owner? PID 1 must leave it alone. */
bool supervisor_owns(const struct supervisor *s, pid_t pid);

/* A worker for `status`: its operation, its pool (or NULL), clock_ms() of its start; abandoned: it does not
 * even die by SIGKILL. */
struct worker_view {
	pid_t pid;
	const char *what;
	const char *pool;
	uint64_t started;
	bool abandoned;
};
/* i-th worker that is there now; false: no more. */
bool worker_at(const struct supervisor *s, size_t i, struct worker_view *v);
/* A source of definitions: whether it has been read, or what it waits for (or NULL). */
struct source_view {
	const char *where;
	bool done;
	const char *waits_for;
};
/* i-th source, in the order in which they were added; false: no more. */
bool source_at(const struct supervisor *s, size_t i, struct source_view *v);
/* A companion. name: "iscsid"; of one that a pool has for its own "NAME:POOL". pid 0: none of ours runs. */
struct service_view {
	const struct service *service;
	const char *name;
	const char *state;
	pid_t pid;
	unsigned restarts;
};
/* i-th companion that was ever needed; false: no more. */
bool service_at(const struct supervisor *s, size_t i, struct service_view *v);

#endif
