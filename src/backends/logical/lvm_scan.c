/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Looking for physical volumes. One reader takes device after device. If it stays at one for a moment, it
 * keeps that one and another reader goes on with the next; if it dies, that device is what it died of. The
 * labels come back in shared memory.
 *
 * A reader that gets no answer at all is left behind. It holds a lock on one byte of a file in the run
 * directory, whose number is the device's: so the next look, by whatever process, knows that device and
 * passes over it until the reader is gone, which it is as soon as the device has answered.
 */
#include "backends/logical/lvm_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/multipath.h"

enum {
	READERS = 256,     /* at once: one for each device that does not answer, and one that goes on */
	MOMENT = 100,      /* ms at one device; after that another reader goes on */
	SHORT_MOMENT = 20, /* when there are many such devices */
	MANY = 8,
	PATIENCE = 5000,      /* ms, with those that are slow, */
	PATIENCE_WHOLE = 500, /* when what is wanted is there without them */
	DEVICES_MOST = 16384,
	LEFT_OUT_TEXT = 2000,
};

enum state { UNREAD, READING, READ, MEMBER, TROUBLE, CRASHED, SILENT, STALLED };

struct shared {
	_Atomic unsigned turn;        /* the reader that goes on with the next device */
	_Atomic unsigned at[READERS]; /* which device each is at; n: none any more */
	struct lvm_result {
		_Atomic int state;
		struct lvm_label label;
	} results[];
};

struct reader {
	pid_t pid;
	int pidfd, lock;
	unsigned at; /* as it was seen */
	uint64_t since;
};

/* The last look at all devices. It is kept until the process ends. */
static struct lvm_look {
	struct lvm_scan scan;
	struct shared *shared;
	size_t size; /* of the shared memory */
	struct reader readers[READERS];
	unsigned nreaders;
	const char *run_dir;
	char crashed[64];
} * last;

/* ---- which devices ---- */

static bool starts_any(const char *name, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (starts_with(name, *prefixes))
			return true;
	return false;
}

static bool read_attribute(const char *sysname, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/block/%.128s/%s", sysname, name);
	return file_read_line(AT_FDCWD, path, out, size) > 0;
}

/* A member of an array: what is to be used stands on top of it. */
static bool is_array_member(const char *sysname, const char *holders)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/block/%.128s/%s", sysname, holders);
	d = opendir(path);
	while (d && !found && (entry = readdir(d)))
		found = starts_with(entry->d_name, "md");
	if (d)
		closedir(d);
	return found;
}

/* Logical volumes are what a group has, not what it is made of; guests keep groups of their own there. */
static bool may_be_volume(const char *sysname, dev_t *dev)
{
	static const char *const without[] = { ".", "fd", "sr", NULL };
	char text[160];
	unsigned a, b;

	if (starts_any(sysname, without) || !read_attribute(sysname, "size", text, sizeof(text)) ||
	    streq(text, "0"))
		return false;
	if (!read_attribute(sysname, "dev", text, sizeof(text)) || sscanf(text, "%u:%u", &a, &b) != 2)
		return false;
	*dev = makedev(a, b);
	if (read_attribute(sysname, "dm/uuid", text, sizeof(text)) && starts_with(text, "LVM-"))
		return false;
	if (multipath_is_path("/sys", sysname))
		return false;
	return !is_array_member(sysname, "holders") &&
	       !(read_attribute(sysname, "partition", text, sizeof(text)) &&
	         is_array_member(sysname, "../holders"));
}

static bool device_add(struct lvm_look *k, const char *sysname)
{
	char node[PATH_MAX];
	struct lvm_device *grown;
	dev_t dev;

	if (!may_be_volume(sysname, &dev) || device_node(dev, node, sizeof(node)) < 0 ||
	    k->scan.n == DEVICES_MOST)
		return true;
	grown = realloc(k->scan.devices, (k->scan.n + 1) * sizeof(*grown));
	if (!grown)
		return false;
	k->scan.devices = grown;
	grown[k->scan.n] = (struct lvm_device){ .node = strdup(node), .dev = dev };
	if (device_stalled("/sys", sysname))
		grown[k->scan.n].problem = "is suspended, blocked or offline";
	return grown[k->scan.n++].node != NULL;
}

static int by_node(const void *a, const void *b)
{
	return strverscmp(((const struct lvm_device *)a)->node, ((const struct lvm_device *)b)->node);
}

/* In the order of their names: what is found in them is told in the same order each time. */
static int devices_list(struct lvm_look *k, struct err *e)
{
	DIR *d = opendir("/sys/class/block");
	const struct dirent *entry;
	bool room = true;

	if (!d)
		return err_sys(e, errno, "cannot list block devices in /sys/class/block");
	while (room && (entry = readdir(d)))
		room = device_add(k, entry->d_name);
	closedir(d);
	if (!room)
		return err_set(e, ERR_NO_MEMORY, "cannot look for volume groups: out of memory");
	if (k->scan.n)
		qsort(k->scan.devices, k->scan.n, sizeof(*k->scan.devices), by_node);
	return 0;
}

/* ---- who was left behind ---- */

static int lock_file(const struct lvm_look *k)
{
	char path[PATH_MAX];

	if (!k->run_dir ||
	    snprintf(path, sizeof(path), "%s/unanswered-devices", k->run_dir) >= (int)sizeof(path))
		return -1;
	return open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Of an open file: it is shared by who was forked from us, and lasts until the last of these is gone. */
static bool lock_byte(int file, int command, dev_t dev)
{
	struct flock l = { .l_type = F_WRLCK,
		           .l_whence = SEEK_SET,
		           .l_start = (off_t)major(dev) << 32 | minor(dev),
		           .l_len = 1 };

	return file >= 0 && fcntl(file, command, &l) == 0 && l.l_type != F_UNLCK;
}

static void known_silent(struct lvm_look *k)
{
	cleanup_close int file = lock_file(k);

	for (size_t i = 0; i < k->scan.n; i++) {
		if (k->scan.devices[i].problem)
			k->shared->results[i].state = STALLED;
		else if (lock_byte(file, F_OFD_GETLK, k->scan.devices[i].dev))
			k->shared->results[i].state = SILENT;
	}
}

/* ---- in a reader ---- */

/* Past the page cache: another host may have written there. A drive that is empty or has just gone is one
 * without bytes. */
static ssize_t read_block(void *arg, void *data, size_t len, uint64_t at)
{
	int *fd = arg;
	ssize_t n = pread(*fd, data, len, (off_t)at);

	if (n < 0 && errno == EINVAL && fcntl(*fd, F_SETFL, 0) == 0)
		n = pread(*fd, data, len, (off_t)at);
	return n < 0 && (errno == ENOMEDIUM || errno == ENXIO || errno == ENODEV) ? 0 : n;
}

/* openat: the sandbox knows no other. */
static void scan_device(const char *node, struct lvm_result *r)
{
	static struct lvm_label label;
	cleanup_close int fd = openat(AT_FDCWD, node, O_RDONLY | O_DIRECT | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		fd = openat(AT_FDCWD, node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		r->state = READ; /* an empty drive, one that has just gone */
		return;
	}
	lvm_label_read(read_block, &fd, &label);
	if (label.member || label.problem[0])
		r->label = label;
	r->state = label.member ? MEMBER : READ;
	if (label.problem[0])
		r->state = TROUBLE;
}

static _Noreturn void reader_main(struct lvm_look *k, unsigned me, unsigned from)
{
	struct err e;

	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_NAME, "lvm-reader");
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd); /* who reads what the worker says must not wait for one that is left behind */
	file_keep_only(k->readers[me].lock);
	if (sandbox_enter_reading(&e) < 0)
		_exit(1);
	for (unsigned i = from; i < k->scan.n && k->shared->turn == me; i++) {
		int unread = UNREAD;

		if (!atomic_compare_exchange_strong(&k->shared->results[i].state, &unread, READING))
			continue; /* somebody else's */
		k->shared->at[me] = i;
		scan_device(k->scan.devices[i].node, &k->shared->results[i]);
	}
	k->shared->at[me] = (unsigned)k->scan.n;
	_exit(0);
}

/* ---- readers, from outside ---- */

static int reader_start(struct lvm_look *k, unsigned from, struct err *e)
{
	unsigned me = k->nreaders;
	struct reader *r = &k->readers[me];

	k->shared->at[me] = from;
	k->shared->turn = me;
	*r = (struct reader){ .at = from, .since = clock_ms(), .lock = lock_file(k), .pidfd = -1 };
	r->pid = fork();
	if (r->pid == 0)
		reader_main(k, me, from);
	if (r->pid > 0)
		r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (r->pid < 0 || r->pidfd < 0)
		return err_sys(e, errno, "cannot start a process that looks at devices");
	k->nreaders++;
	return 0;
}

static void reader_leave(struct reader *r)
{
	if (r->pidfd >= 0)
		close(r->pidfd);
	if (r->lock >= 0)
		close(r->lock);
	r->pidfd = r->lock = -1;
}

static bool is_open(int state)
{
	return state == UNREAD || state == READING;
}

/* It has ended: what it had not done is what it died of. */
static void reader_over(struct lvm_look *k, unsigned i)
{
	struct reader *r = &k->readers[i];
	unsigned at = k->shared->at[i];
	int status = 0;

	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (at < k->scan.n && is_open(k->shared->results[at].state)) {
		k->shared->results[at].state = CRASHED;
		snprintf(k->crashed, sizeof(k->crashed), "its reader died (%s %d)",
		         WIFSIGNALED(status) ? "signal" : "status",
		         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	reader_leave(r);
}

/* The first device that nobody is at. */
static unsigned next_free(const struct lvm_look *k)
{
	unsigned i = 0;

	while (i < k->scan.n && k->shared->results[i].state != UNREAD)
		i++;
	return i;
}

static bool is_done(const struct lvm_look *k)
{
	for (size_t i = 0; i < k->scan.n; i++)
		if (is_open(k->shared->results[i].state))
			return false;
	return true;
}

/* Does the one whose turn it is get on? */
static bool gets_on(struct lvm_look *k, uint64_t now, unsigned moment)
{
	struct reader *r = &k->readers[k->nreaders - 1];
	unsigned at = k->shared->at[k->nreaders - 1];

	if (at != r->at) {
		r->at = at;
		r->since = now;
	}
	return now - r->since < moment;
}

static unsigned wait_a_moment(struct lvm_look *k, unsigned moment)
{
	struct pollfd fds[READERS];
	unsigned open = 0;

	for (unsigned i = 0; i < k->nreaders; i++) {
		fds[i] = (struct pollfd){ .fd = k->readers[i].pidfd, .events = POLLIN };
		open += fds[i].fd >= 0;
	}
	if (!open || poll(fds, k->nreaders, (int)moment) <= 0)
		return open;
	for (unsigned i = 0; i < k->nreaders; i++)
		if (fds[i].fd >= 0 && fds[i].revents) {
			reader_over(k, i);
			open--;
		}
	return open;
}

static bool is_complete(const struct lvm_look *k, const char *name);

/* Until all have answered, or what is wanted is there, or nobody has patience any more. */
static int readers_work(struct lvm_look *k, const char *wanted, uint64_t deadline, struct err *e)
{
	uint64_t since = 0;

	while (!is_done(k)) {
		unsigned moment = k->nreaders < MANY ? MOMENT : SHORT_MOMENT, next = next_free(k);
		uint64_t now = clock_ms();
		bool on = k->nreaders && k->readers[k->nreaders - 1].pidfd >= 0 && gets_on(k, now, moment);

		if (!on && next < k->scan.n && k->nreaders < READERS) {
			if (reader_start(k, next, e) < 0)
				return -1;
			continue;
		}
		if (!since && !on)
			since = now;
		if (!on && (now - since >= PATIENCE || now + PATIENCE >= deadline ||
		            (wanted && now - since >= PATIENCE_WHOLE && is_complete(k, wanted))))
			break;
		wait_a_moment(k, moment);
	}
	return 0;
}

/* Those who are still at one get it for good. */
static void readers_end(struct lvm_look *k)
{
	for (unsigned i = 0; i < k->nreaders; i++) {
		unsigned at = k->shared->at[i];

		if (k->readers[i].pidfd >= 0 && at < k->scan.n && k->shared->results[at].state == READING)
			lock_byte(k->readers[i].lock, F_OFD_SETLK, k->scan.devices[at].dev);
		reader_leave(&k->readers[i]);
	}
}

/* ---- what was found ---- */

static const char *problem_of(const struct lvm_look *k, const struct lvm_device *d,
                              const struct lvm_result *r, int state)
{
	if (state == TROUBLE)
		return r->label.problem;
	if (state == CRASHED)
		return k->crashed;
	return is_open(state) || state == SILENT ? "does not answer" : d->problem;
}

/* A reader that is left behind may still write: what is believed of it is what it has finished by now. */
static void results_take(struct lvm_look *k)
{
	for (size_t i = 0; i < k->scan.n; i++) {
		struct lvm_result *r = &k->shared->results[i];
		struct lvm_device *d = &k->scan.devices[i];
		int state = r->state;

		d->problem = problem_of(k, d, r, state);
		if (state == MEMBER || (state == TROUBLE && r->label.member))
			d->label = &r->label;
	}
}

static void tell_left_out(struct op *op, const struct lvm_scan *s)
{
	cleanup_buf struct buf lines = BUF_INIT;

	if (!op->on_left_out)
		return;
	for (size_t i = 0; i < s->n && lines.len < LEFT_OUT_TEXT; i++)
		if (s->devices[i].problem)
			buf_printf(&lines, "%s: %s\n", s->devices[i].node, s->devices[i].problem);
	op->on_left_out(op, "LVM", buf_str(&lines));
}

static void scan_free(struct lvm_look *k)
{
	for (size_t i = 0; i < k->scan.n; i++)
		free(k->scan.devices[i].node);
	free(k->scan.devices);
	if (k->shared)
		munmap(k->shared, k->size);
	free(k);
}

void lvm_scan_forget(void)
{
	if (last)
		scan_free(last);
	last = NULL;
}

static int look_make(struct lvm_look *k, const char *wanted, uint64_t deadline, struct err *e)
{
	if (devices_list(k, e) < 0)
		return -1;
	k->size = sizeof(*k->shared) + k->scan.n * sizeof(k->shared->results[0]);
	k->shared = mmap(NULL, k->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->shared == MAP_FAILED) {
		k->shared = NULL;
		return err_set(e, ERR_NO_MEMORY, "cannot look for volume groups: out of memory");
	}
	known_silent(k);
	int rc = readers_work(k, wanted, deadline, e);
	readers_end(k);
	results_take(k);
	/* LVM's code runs in a child that has this memory too, and where damaged metadata has it write
	 * anywhere, it writes here. */
	mprotect(k->shared, k->size, PROT_READ);
	return rc;
}

bool lvm_scan_is_made(void)
{
	return last != NULL;
}

const struct lvm_scan *lvm_scan(struct op *op, const char *wanted, struct err *e)
{
	struct lvm_look *k;

	if (last)
		return &last->scan;
	k = calloc(1, sizeof(*k));
	if (!k) {
		err_set(e, ERR_NO_MEMORY, "cannot look for volume groups: out of memory");
		return NULL;
	}
	k->run_dir = op->run_dir;
	if (look_make(k, wanted, op->deadline, e) < 0) {
		scan_free(k);
		return NULL;
	}
	tell_left_out(op, &k->scan);
	last = k;
	return &k->scan;
}

/* ---- groups ---- */

/* Is there metadata of that group before this device's, or newer? */
static bool is_newest(const struct lvm_scan *s, const struct lvm_device *d)
{
	for (const struct lvm_device *o = s->devices; o < s->devices + s->n; o++)
		if (o != d && o->label && streq(o->label->vg, d->label->vg) &&
		    (o->label->seqno > d->label->seqno || (o->label->seqno == d->label->seqno && o < d)))
			return false;
	return true;
}

bool lvm_scan_group(const struct lvm_scan *s, const char *name, size_t i, struct lvm_group *g)
{
	for (const struct lvm_device *d = s->devices; d < s->devices + s->n; d++)
		if (d->label && d->label->vg[0] && (!name || streq(d->label->name, name)) &&
		    is_newest(s, d) && i-- == 0) {
			g->label = d->label;
			return true;
		}
	return false;
}

static bool is_listed(const struct lvm_label *group, const char *pv)
{
	for (unsigned i = 0; i < group->pvs; i++)
		if (memcmp(group->pv_ids[i], pv, LVM_ID) == 0)
			return true;
	return group->more;
}

/* One whose own metadata is lost belongs to the group that lists it, unless another device is that physical
 * volume without doubt. */
bool lvm_scan_member(const struct lvm_scan *s, const struct lvm_group *g, const struct lvm_device *d)
{
	if (!d->label || !d->label->pv[0] || !is_listed(g->label, d->label->pv))
		return false;
	if (d->label->vg[0])
		return streq(d->label->vg, g->label->vg);
	for (const struct lvm_device *o = s->devices; o < s->devices + s->n; o++)
		if (o != d && o->label && streq(o->label->pv, d->label->pv) &&
		    streq(o->label->vg, g->label->vg))
			return false;
	return !g->label->more;
}

static bool device_is_there(const struct lvm_scan *s, const struct lvm_group *g, const char *pv)
{
	for (const struct lvm_device *d = s->devices; d < s->devices + s->n; d++)
		if (d->label && memcmp(d->label->pv, pv, LVM_ID) == 0 && lvm_scan_member(s, g, d))
			return true;
	return false;
}

static bool is_complete(const struct lvm_look *k, const char *name)
{
	struct lvm_scan seen = { calloc(k->scan.n, sizeof(*seen.devices)), k->scan.n };
	struct lvm_group g;
	bool complete = seen.devices != NULL;

	for (size_t i = 0; i < seen.n && seen.devices; i++)
		if (k->shared->results[i].state == MEMBER)
			seen.devices[i].label = &k->shared->results[i].label;
	complete = complete && lvm_scan_group(&seen, name, 0, &g) && !g.label->more;
	for (unsigned i = 0; complete && i < g.label->pvs; i++)
		complete = device_is_there(&seen, &g, g.label->pv_ids[i]);
	free(seen.devices);
	return complete;
}

void lvm_id_print(const char id[LVM_ID], char out[39])
{
	static const int group[] = { 6, 4, 4, 4, 4, 4, 6 };

	for (size_t i = 0; i < ARRAY_LEN(group); i++) {
		if (i)
			*out++ = '-';
		memcpy(out, id, (size_t)group[i]);
		out += group[i];
		id += group[i];
	}
	*out = '\0';
}

void lvm_scan_left_out(const struct lvm_scan *s, lvm_counts_fn *counts, void *arg, char *out, size_t size)
{
	const size_t more_room = sizeof(" and 4294967295 more");
	unsigned more = 0;
	char one[200];
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->n; i++) {
		if (!s->devices[i].problem || !counts(&s->devices[i], arg))
			continue;
		snprintf(one, sizeof(one), "%s%s (%s)", n ? ", " : "; left out: ", s->devices[i].node,
		         s->devices[i].problem);
		if (more || n + strlen(one) + more_room > size)
			more++;
		else
			n += (size_t)snprintf(out + n, size - n, "%s", one);
	}
	if (more)
		snprintf(out + n, size - n, "%s %u more", n ? " and" : "; left out:", more);
}

bool lvm_scan_unsure(const struct lvm_scan *s, lvm_counts_fn *counts, void *arg)
{
	for (const struct lvm_device *d = s->devices; d < s->devices + s->n; d++)
		if (d->problem && (!d->label || starts_with(d->problem, "cannot be read")) && counts(d, arg))
			return true;
	return false;
}

bool lvm_scan_is_other(const struct lvm_scan *s, const struct lvm_device *d, const char *vg)
{
	for (const struct lvm_device *o = s->devices; d->label && d->label->pv[0] && o < s->devices + s->n;
	     o++)
		if (o->label && o->label->vg[0] && !o->label->more && !streq(o->label->vg, vg) &&
		    is_listed(o->label, d->label->pv))
			return true;
	return false;
}
