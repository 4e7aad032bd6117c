/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Uevents in, links and modules out.
 *
 * Names wait in a list without doubles; up to SLOTS workers take them from there, a batch each. A worker that
 * does not come back (a device that hangs) gives its batch back, and from then on until the list is empty
 * devices are taken one by one, so that the others get their links.
 *
 * Work for which no process can be had stays to be done. One timer tries it again, less and less often, and
 * `status` shows a problem until all of it is done.
 *
 * A process that dies is another matter: what it was sent to read may have killed it. A batch of several is
 * taken one by one. A device whose reader dies alone waits by itself, is tried a few times, and is then named
 * in `status`.
 *
 * Memory is bounded whatever the kernel has to say: lists have fixed sizes, and where one is full a walk
 * through all devices takes the place of what did not fit.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/devices.h"
#include "supervisor/work/worker.h"
#include "system/device.h"
#include "system/module.h"

#define SLOTS          4
#define BATCH          16
#define PENDING        256 /* more than that: walk through all devices instead */
#define NAME_BYTES     64
#define MODALIAS_BYTES (32 * 1024)
#define LINKS_TIMEOUT  SECONDS(10)
#define WALK_TIMEOUT   SECONDS(60)
#define PROBLEM        "devices" /* its origin in `status` */
#define REFUSED        "modules" /* that of drivers which cannot be loaded */
#define AGAIN_FIRST    250       /* ms */
#define AGAIN_MOST     SECONDS(8)
#define WALK_TRIES     5   /* of a walk that fails by itself: what is wrong may be lasting */
#define WALK_FIRST     200 /* ms for a walk to load what new devices ask for: it looks at all of them */
#define DEVICE_TRIES   3   /* more, of a device whose reader has died */
#define DEADLY         16  /* devices for which that is counted: the next are given up at once */
#define UDEV_GROUP     2   /* of NETLINK_KOBJECT_UEVENT: what udevd says when it has finished */
_Static_assert(BATCH <= PENDING && NAME_BYTES <= MODALIAS_BYTES, "a batch is taken out of what is pending");

/* Devices whose links one worker makes. A batch whose worker has timed out stays in the list until that
 * worker has ended: nobody else is sent to its devices. */
struct batch {
	struct devices *devices;
	struct batch *next;
	struct worker *worker; /* whose owner this is */
	char names[BATCH][NAME_BYTES];
	size_t n;
	bool reported;
};

/* A device whose reader has died, and how often. */
struct deadly {
	char name[NAME_BYTES];
	unsigned deaths;
	bool waits;
}; /* deaths 0: a free place */

/* All of it. One instance in a process; memory is bounded, whatever the kernel has to say. */
struct devices {
	struct supervisor *sup;
	const char *run_dir;
	bool own;
	struct watch uevents, udevd;
	char pending[PENDING][NAME_BYTES];
	size_t npending;
	bool one_by_one;
	struct batch *batches; /* workers under way, those that have timed out included */
	struct buf modaliases; /* NUL-terminated, one after the other */
	struct worker *modules, *walk;
	bool walk_again;
	unsigned walk_tries;
	struct timer again; /* armed: nothing is started before it */
	uint64_t pause;     /* the last one; 0: nothing has had to wait */
	bool noted;         /* the problem */
	struct deadly deadly[DEADLY];
	/* then those that wait are taken again, and modules loaded beside a walk; nothing else waits for it
	 */
	struct timer late;
};

static void start_waiting(struct devices *d);

/* Did the worker die before it could answer? */
static bool has_died(const struct err *e)
{
	return err_is(e, ERR_INTERNAL) || err_is(e, ERR_NO_MEMORY);
}

/* There is work that could not be done now. */
static void try_devices_later(struct devices *d, const struct err *e)
{
	struct err problem = { 0 };

	if (d->again.armed)
		return;
	if (!d->pause) {
		err_set(&problem, e->class,
		        "devices may lack their drivers and links until it works again: %s", e->message);
		supervisor_note_problem(d->sup, PROBLEM, &problem);
		d->noted = true;
		log_error(LF_DEVICE, "%s", problem.message);
	}
	d->pause = d->pause ? least(2 * d->pause, AGAIN_MOST) : AGAIN_FIRST;
	loop_arm(supervisor_loop(d->sup), &d->again, clock_ms() + d->pause);
}

static void on_devices_again(struct timer *t)
{
	start_waiting(t->owner);
}

/* ---- walking through everything ---- */

/* In a worker: load the modules of all devices, then make the links of all block devices. Both may read any
 * device of the machine, and so may hang. */
static int run_walk(struct worker_io *io, void *arg, struct err *e)
{
	const struct devices *d = arg;
	struct err modules = { 0 };

	(void)io;
	/* Drivers may be built in, or not there at all: the devices that are there still get their links. */
	int r = module_coldplug(&modules);
	if (device_links_all(d->run_dir, e) < 0)
		return -1;
	if (r < 0 && module_is_refused(&modules))
		return err_set(e, ERR_UNSUPPORTED, "%s", modules.message);
	if (r < 0)
		log_warn(LF_MODULE, "walking through the devices: %s", modules.message);
	return 0;
}

/* A module that is to be there and cannot be loaded: its devices do not work, whatever else says that it
 * misses them. */
static void note_refused(struct devices *d, const struct err *e)
{
	if (supervisor_note_problem(d->sup, REFUSED, e))
		log_error(LF_MODULE, "devices lack their drivers: %s", e->message);
}

/* The outcome of a walk. Whatever it was, the supervisor looks at all its pools again, as any device may be
 * there now. */
static void walk_done(struct worker *w, const struct err *e, bool left)
{
	struct devices *d = w->task.owner;

	if (!d)
		return;
	if (e && !err_is(e, ERR_UNSUPPORTED)) {
		log_warn(LF_DEVICE, "walking through the devices: %s", e->message);
		if (d->walk_tries++ < WALK_TRIES) {
			d->walk_again = true;
			try_devices_later(d, e);
		}
	} else {
		/* Drivers that cannot be loaded will not be loaded at the next walk either. */
		d->walk_tries = 0;
		supervisor_forget_problems(d->sup, REFUSED);
		if (e)
			note_refused(d, e);
	}
	supervisor_device_event(d->sup, NULL);
	if (left) /* the next walk would meet the same device: it waits for this one's end */
		return;
	d->walk = NULL;
	start_waiting(d);
}

/* A worker that was left behind has ended after all: its place is free. */
static void walk_gone(struct worker *w)
{
	struct devices *d = w->task.owner;

	if (!d)
		return;
	d->walk = NULL;
	start_waiting(d);
}

/* What waits is dropped only when a walk is under way that sees it too. */
static void start_walk(struct devices *d)
{
	struct task task = { .what = "coldplug",
		             .timeout = WALK_TIMEOUT,
		             .run = run_walk,
		             .arg = d,
		             .on_done = walk_done,
		             .on_gone = walk_gone,
		             .owner = d };
	struct err e = { 0 };

	if (!d->own) {
		supervisor_device_event(d->sup, NULL);
		return;
	}
	d->walk_again = true;
	if (d->walk || d->again.armed)
		return;
	d->walk = worker_start(d->sup, &task, &e);
	if (!d->walk) {
		try_devices_later(d, &e);
		return;
	}
	d->walk_again = false;
	d->npending = 0;
}

/* ---- links ---- */

static bool is_pending(const struct devices *d, const char *name)
{
	for (size_t i = 0; i < d->npending; i++)
		if (streq(d->pending[i], name))
			return true;
	return false;
}

/* Remember a name, once. Where there is no room, a walk through all devices finds it as well. */
static void add_pending(struct devices *d, const char *name)
{
	if (strlen(name) >= NAME_BYTES || is_pending(d, name))
		return;
	if (d->npending == PENDING) {
		start_walk(d);
		return;
	}
	snprintf(d->pending[d->npending++], NAME_BYTES, "%s", name);
}

/* Two workers on one device would undo each other's links. */
static bool is_under_way(const struct devices *d, const char *name)
{
	for (const struct batch *b = d->batches; b; b = b->next)
		for (size_t i = 0; i < b->n; i++)
			if (streq(b->names[i], name))
				return true;
	return false;
}

/* In a worker: the links of a batch. One device's failure does not keep the others from theirs. */
static int run_links(struct worker_io *io, void *arg, struct err *e)
{
	const struct batch *b = arg;
	int result = 0;

	(void)io;
	for (size_t i = 0; i < b->n; i++)
		if (device_links(b->names[i], b->devices->run_dir, e) < 0)
			result = -1;
	return result;
}

/* Take a batch out of the list and free it. */
static void batch_drop(struct batch *b)
{
	for (struct batch **at = &b->devices->batches; *at; at = &(*at)->next)
		if (*at == b) {
			*at = b->next;
			break;
		}
	free(b);
}

/* Names whose links were not made wait again. */
static void put_back(struct devices *d, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		add_pending(d, b->names[i]);
}

static struct deadly *deadly_find(struct devices *d, const char *name)
{
	for (size_t i = 0; i < DEADLY; i++)
		if (streq(d->deadly[i].name, name))
			return &d->deadly[i];
	return NULL;
}

/* The reader of this device alone has died. */
static void reader_died(struct devices *d, const char *name, const struct err *e)
{
	struct deadly *at = deadly_find(d, name);
	struct err problem = { 0 };

	if (!at)
		at = deadly_find(d, "");
	if (at && at->deaths++ < DEVICE_TRIES) {
		snprintf(at->name, NAME_BYTES, "%s", name);
		at->waits = true;
		if (!d->late.armed)
			loop_arm(supervisor_loop(d->sup), &d->late,
			         clock_ms() + ((uint64_t)AGAIN_FIRST << at->deaths));
		return;
	}
	err_set(&problem, e->class, "%s lacks its links, because whatever reads it dies: %s", name,
	        e->message);
	if (supervisor_note_problem(d->sup, name, &problem))
		log_error(LF_DEVICE, "%s", problem.message);
}

/* A device that was read is nobody's trouble any more. */
static void reader_lived(struct devices *d, const char *name)
{
	struct deadly *at = deadly_find(d, name);

	if (at)
		*at = (struct deadly){ .deaths = 0 };
	supervisor_forget_problems(d->sup, name);
}

/* Devices whose readers have died are tried again: what killed them may have been lack of memory. */
static void on_late(struct timer *t)
{
	struct devices *d = t->owner;

	for (size_t i = 0; i < DEADLY; i++)
		if (d->deadly[i].waits) {
			d->deadly[i].waits = false;
			add_pending(d, d->deadly[i].name);
		}
	start_waiting(d);
}

/* A worker that had been left behind has ended: its batch is free, and its devices may be read again. */
static void links_gone(struct worker *w)
{
	struct batch *b = w->task.owner;

	if (!b)
		return;
	struct devices *d = b->devices;
	batch_drop(b);
	start_waiting(d);
}

/* The outcome of a batch. The supervisor hears of each of its devices, also of those without links: a pool
 * may name one by its node. */
static void links_done(struct worker *w, const struct err *e, bool left)
{
	struct batch *b = w->task.owner;

	if (!b)
		return;
	struct devices *d = b->devices;
	bool lost = has_died(e) || err_is(e, ERR_TIMEOUT);
	b->reported = true;
	if (e)
		log_warn(LF_DEVICE, "links of %s%s: %s", b->names[0], b->n > 1 ? " and others" : "",
		         e->message);
	for (size_t i = 0; i < b->n; i++) {
		supervisor_device_event(d->sup, b->names[i]);
		if (!lost)
			reader_lived(d, b->names[i]);
	}
	if (lost && b->n > 1) {
		d->one_by_one = true;
		put_back(d, b);
	} else if (e && has_died(e)) {
		reader_died(d, b->names[0], e);
	}
	if (left)
		/* alone, it keeps its name: nobody else is sent to the device that hangs */
		b->n = e && b->n > 1 ? 0 : b->n;
	else
		batch_drop(b);
	start_waiting(d);
}

/* Take names that nobody works on. */
static size_t take_batch(struct devices *d, struct batch *b)
{
	size_t kept = 0, limit = d->one_by_one ? 1 : BATCH;

	for (size_t i = 0; i < d->npending; i++) {
		if (b->n < limit && !is_under_way(d, d->pending[i]))
			memcpy(b->names[b->n++], d->pending[i], NAME_BYTES);
		else if (kept++ != i)
			memcpy(d->pending[kept - 1], d->pending[i], NAME_BYTES);
	}
	d->npending = kept;
	return b->n;
}

/* Workers whose outcome is awaited. One that was given up takes no slot: otherwise four dead disks would
 * keep all others from their links. */
static size_t busy_slots(const struct devices *d)
{
	size_t n = 0;

	for (const struct batch *b = d->batches; b; b = b->next)
		n += !b->reported;
	return n;
}

/* As many workers as there are slots, each with what nobody works on. */
static void start_links(struct devices *d)
{
	while (d->npending && busy_slots(d) < SLOTS) {
		struct batch *b = calloc(1, sizeof(*b));
		struct task task = { .what = "device-links",
			             .timeout = LINKS_TIMEOUT,
			             .run = run_links,
			             .arg = b,
			             .on_done = links_done,
			             .on_gone = links_gone,
			             .owner = b };
		struct err e = { 0 };

		if (!b) {
			err_set(&e, ERR_NO_MEMORY, "out of memory");
			try_devices_later(d, &e);
			return;
		}
		b->devices = d;
		if (take_batch(d, b) == 0) {
			free(b);
			return;
		}
		b->next = d->batches;
		d->batches = b;
		b->worker = worker_start(d->sup, &task, &e);
		if (!b->worker) {
			put_back(d, b);
			batch_drop(b);
			try_devices_later(d, &e);
			return;
		}
	}
	if (!d->npending)
		d->one_by_one = false;
}

/* ---- modules ---- */

/* In a worker: load what the modaliases of new devices ask for. A module that is there and cannot be loaded
 * is the outcome; those that nobody has are none. */
static int run_modules(struct worker_io *io, void *arg, struct err *e)
{
	const struct buf *list = arg;
	struct err one = { 0 };
	int result = 0;

	(void)io;
	/* Most modaliases have no module, or one that is there already: nothing to report. */
	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1) {
		if (module_load(list->data + at, &one) < 0 && result == 0 && module_is_refused(&one))
			result = err_set(e, ERR_UNSUPPORTED, "%s", one.message);
		err_clear(&one);
	}
	return result;
}

static void modules_done(struct worker *w, const struct err *e, bool left)
{
	struct devices *d = w->task.owner;

	(void)left;
	if (!d)
		return;
	d->modules = NULL;
	if (e && err_is(e, ERR_UNSUPPORTED)) {
		note_refused(d, e);
	} else if (e) { /* which ones it had come to is not known: a walk finds them all */
		log_warn(LF_MODULE, "loading modules for devices: %s", e->message);
		d->walk_again = true;
		try_devices_later(d, e);
	}
	start_waiting(d);
}

/* One worker at a time loads modules: most of them depend on each other, and the kernel takes them one by
 * one anyway. A walk looks again at all devices after each that it has loaded, so that it goes first. */
static void start_modules(struct devices *d)
{
	struct task task = { .what = "modules",
		             .timeout = WALK_TIMEOUT,
		             .run = run_modules,
		             .arg = &d->modaliases,
		             .on_done = modules_done,
		             .owner = d };
	struct err e = { 0 };

	if (d->modaliases.failed) {
		buf_reset(&d->modaliases);
		d->modaliases.failed = false;
		start_walk(d);
	}
	if (d->modules || !d->modaliases.len)
		return;
	uint64_t until = d->walk ? d->walk->started + WALK_FIRST : 0;
	if (clock_ms() < until) {
		loop_arm(supervisor_loop(d->sup), &d->late, until);
		return;
	}
	d->modules = worker_start(d->sup, &task, &e);
	if (!d->modules) {
		try_devices_later(d, &e);
		return;
	}
	/* The child has its copy. */
	buf_free(&d->modaliases);
	d->modaliases.limit = MODALIAS_BYTES;
}

/* Start whatever waits, as far as there is room. */
static void start_waiting(struct devices *d)
{
	if (supervisor_shutting_down(d->sup) || d->again.armed)
		return;
	if (d->walk_again)
		start_walk(d);
	if (!d->again.armed)
		start_links(d);
	if (!d->again.armed)
		start_modules(d);
	/* Names may be left that wait for a device that hangs. */
	if (d->again.armed || d->late.armed || d->walk_again || d->walk || d->modules || busy_slots(d))
		return;
	d->pause = 0;
	if (d->noted && !d->walk_tries) { /* a walk that was given up is no success */
		d->noted = false;
		supervisor_forget_problems(d->sup, PROBLEM);
	}
}

/* ---- events ---- */

/* One event of the kernel. The supervisor hears of it at once, before there are links: some pools know their
 * devices by what sysfs says. */
static void take_event(struct devices *d, const struct uevent *u)
{
	bool is_added = u->action && streq(u->action, "add");

	supervisor_uevent(d->sup, u);
	if (u->subsystem && u->devpath) {
		const char *name = path_base(u->devpath);
		bool block = streq(u->subsystem, "block");

		/* What device-mapper adds can be used, and has its name, from its first change on. A pool may
		 * wait for a SCSI host that has no disk yet. */
		if (block && d->own) {
			if (!is_added || !starts_with(name, "dm-"))
				add_pending(d, name);
		} else if (block || streq(u->subsystem, "scsi_host")) {
			supervisor_device_event(d->sup, name);
		}
	}
	if (d->own && u->modalias && *u->modalias && is_added)
		buf_add(&d->modaliases, u->modalias, strlen(u->modalias) + 1);
}

/* A turn's worth of events; the loop calls again if there are more. After a loss only a walk can tell what
 * was missed. */
static void on_uevents(struct watch *w, uint32_t events)
{
	struct devices *d = w->owner;
	char buf[UEVENT_MAX];
	bool lost = false;
	struct uevent u;

	(void)events;
	for (int n = 0; n < UEVENT_TURN; n++) {
		int r = uevent_read(w->fd, buf, sizeof(buf), &u);

		if (r == UEVENT_EMPTY)
			break;
		if (r == UEVENT_GOT)
			take_event(d, &u);
		lost |= r == UEVENT_LOST;
	}
	if (lost) {
		supervisor_uevent(d->sup, NULL);
		start_walk(d);
	}
	start_waiting(d);
}

/* What udevd has finished with: its message is a header and then the properties; only whether it is about a
 * block device matters. */
static void on_udevd(struct watch *w, uint32_t events)
{
	static const char block[] = "\0SUBSYSTEM=block";
	struct devices *d = w->owner;
	char buf[UEVENT_MAX];
	bool seen = false;

	(void)events;
	for (int turn = 0; turn < UEVENT_TURN; turn++) {
		ssize_t n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n > 0)
			seen |= memmem(buf, (size_t)n, block, sizeof(block)) != NULL;
		else if (n < 0 && errno == ENOBUFS)
			seen = true;
		else if (n == 0 || errno != EINTR)
			break;
	}
	if (seen)
		supervisor_device_event(d->sup, NULL);
}

/* Messages of udevd are not believed in what they say: any root process can send them. That one came is
 * enough to look. */
static int listen_to_udevd(struct devices *d, struct err *e)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = UDEV_GROUP };
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
	                              NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (void *)&self, sizeof(self)) < 0)
		return err_sys(e, errno, "cannot listen to udevd");
	if (loop_watch(supervisor_loop(d->sup), &d->udevd, fd, EPOLLIN, e) < 0)
		return -1;
	steal_fd(&fd);
	return 0;
}

struct devices *devices_watch(struct supervisor *s, struct err *e)
{
	demand_or(s, NULL);

	struct devices *d = calloc(1, sizeof(*d));
	cleanup_close int fd = -1;

	if (!d) {
		err_set(e, ERR_NO_MEMORY, "cannot listen to device events: out of memory");
		return NULL;
	}
	d->sup = s;
	d->run_dir = supervisor_options(s)->run_dir;
	d->own = supervisor_options(s)->own_devices;
	d->modaliases.limit = MODALIAS_BYTES;
	d->uevents.fd = d->udevd.fd = -1;
	d->uevents.on_event = on_uevents;
	d->udevd.on_event = on_udevd;
	d->again.on_expiry = on_devices_again;
	d->late.on_expiry = on_late;
	d->uevents.owner = d->udevd.owner = d->again.owner = d->late.owner = d;
	fd = uevent_open(e);
	if (fd < 0 || loop_watch(supervisor_loop(s), &d->uevents, fd, EPOLLIN, e) < 0 ||
	    (!d->own && listen_to_udevd(d, e) < 0)) {
		loop_unwatch(supervisor_loop(s), &d->uevents);
		free(d);
		return NULL;
	}
	steal_fd(&fd);
	if (d->own)
		start_walk(d);
	return d;
}

static void stop_watching(struct devices *d, struct watch *w)
{
	int fd = w->fd;

	loop_unwatch(supervisor_loop(d->sup), w);
	if (fd >= 0)
		close(fd);
}

void devices_free(struct devices *d)
{
	if (!d)
		return;
	loop_disarm(supervisor_loop(d->sup), &d->again);
	loop_disarm(supervisor_loop(d->sup), &d->late);
	stop_watching(d, &d->uevents);
	stop_watching(d, &d->udevd);
	if (d->walk)
		d->walk->task.owner = NULL;
	if (d->modules)
		d->modules->task.owner = NULL;
	for (struct batch *b = d->batches, *next; b; b = next) {
		next = b->next;
		b->worker->task.owner = NULL;
		free(b);
	}
	buf_free(&d->modaliases);
	free(d);
}
