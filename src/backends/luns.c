/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A SCSI host's LUNs as volumes. First the bus is asked (luns_rescan), then what it has reported is waited
 * for, then each disk is described from sysfs: size, name on the bus, serial number, stable link as path.
 */
#include "backends/luns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/module.h"
#include "system/scsi.h"
#include "system/uevent.h"

#define LUNS_LIMIT     16384       /* the kernel's own limit for one target is 16383 */
#define WAIT_BLOCK     SECONDS(10) /* for a disk's block device after the bus reported it */
#define WAIT_LINK      SECONDS(5)  /* for udev's link after that */
#define INQUIRY_WITHIN SECONDS(5)
#define SCAN_WITHIN    SECONDS(20)
#define LOOK_WITHIN    SECONDS(6) /* with each; less where many are silent */

enum { SCSI_DISK = 0, SCSI_ROM = 5 };

struct lun {
	unsigned host, bus, target;
	unsigned long long lun;
	char block[64]; /* "sda"; empty: no block device (yet) */
	bool gone;      /* the target no longer has it */
	char format[16];
	char sick[160]; /* why it is not well, or "" */
};

struct lun_list {
	struct lun *item;
	size_t n, size, without_block;
};

/* ---- what the bus has reported ---- */

static int lun_compare(const void *a, const void *b)
{
	const struct lun *x = a, *y = b;

	if (x->bus != y->bus)
		return x->bus < y->bus ? -1 : 1;
	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	return (x->lun > y->lun) - (x->lun < y->lun);
}

static void lun_block_device(const char *sys, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *d;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/bus/scsi/devices/%.64s/block", sys, name);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			snprintf(out, size, "%.63s", entry->d_name);
	if (d)
		closedir(d);
}

static int lun_add(struct lun_list *l, const struct lun *lun)
{
	if (l->n == LUNS_LIMIT)
		return -1;
	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 16;
		struct lun *more = realloc(l->item, size * sizeof(*more));

		if (!more)
			return -1;
		l->item = more;
		l->size = size;
	}
	l->item[l->n++] = *lun;
	l->without_block += !lun->block[0];
	return 0;
}

/* A target may have a LUN that it connects nothing to (SPC-4, 6.6.2: the peripheral qualifier). The kernel
 * gives such a one no driver, ever. */
static bool lun_is_connected(const char *sys, const char *name)
{
	enum { QUALIFIER = 0xe0 };
	char path[PATH_MAX];
	unsigned char inquiry = 0;
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "%s/bus/scsi/devices/%.64s/inquiry", sys, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || read(fd, &inquiry, 1) < 1 || !(inquiry & QUALIFIER);
}

/* All disks and roms of the host, sorted; other devices (enclosures, tapes, controllers) are no storage for
 * volumes. */
static int luns_list(const char *sys, int host, struct lun_list *l, struct err *e)
{
	char path[PATH_MAX], text[16];
	struct dirent *entry;
	int result = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/bus/scsi/devices", sys);
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot list SCSI devices in %s", path);
	l->n = l->without_block = 0;
	while (result == 0 && (entry = readdir(d))) {
		struct lun lun = { 0 };
		int used = 0;

		if (sscanf(entry->d_name, "%u:%u:%u:%llu%n", &lun.host, &lun.bus, &lun.target, &lun.lun,
		           &used) != 4 ||
		    entry->d_name[used] || (int)lun.host != host)
			continue;
		snprintf(path, sizeof(path), "%s/bus/scsi/devices/%.64s/type", sys, entry->d_name);
		if (file_read_line(AT_FDCWD, path, text, sizeof(text)) < 1 ||
		    (atoi(text) != SCSI_DISK && atoi(text) != SCSI_ROM) ||
		    !lun_is_connected(sys, entry->d_name))
			continue;
		lun_block_device(sys, entry->d_name, lun.block, sizeof(lun.block));
		if (lun_add(l, &lun) < 0)
			result = err_set(e, ERR_LIMIT,
			                 "cannot list the LUNs of host %d: more than %d, or out of memory",
			                 host, LUNS_LIMIT);
	}
	closedir(d);
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), lun_compare);
	return result;
}

/* Throw away what is queued; what matters is only that something happened. */
static void uevents_drain(int fd)
{
	char bytes[UEVENT_MAX];

	ssize_t n;

	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* List, and list again at each uevent, until every disk has its block device. Those whose driver does not
 * come are not well. */
static int luns_await(int host, struct op *op, struct lun_list *l, struct err *e)
{
	uint64_t deadline = sooner(op->deadline, clock_ms() + WAIT_BLOCK);
	/* Opened before the first look, or the event could pass between the two. */
	cleanup_close int events = uevent_open(e);

	if (events < 0)
		return -1;
	for (;;) {
		struct pollfd p = { .fd = events, .events = POLLIN };

		uevents_drain(events);
		if (luns_list("/sys", host, l, e) < 0)
			return -1;
		if (!l->without_block || !clock_until(deadline))
			return 0;
		if (poll(&p, 1, clock_until(deadline)) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for the disks of host %d", host);
	}
}

/* ---- stable links ---- */

struct lun_link {
	dev_t dev;
	char *path;
};

struct link_list {
	struct lun_link *item;
	size_t n, size;
};

static int link_compare(const void *a, const void *b)
{
	const struct lun_link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return strcmp(x->path, y->path);
}

static void links_free(struct link_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i].path);
	free(l->item);
	*l = (struct link_list){ 0 };
}

static int link_add(struct link_list *l, dev_t dev, const char *dir, const char *name)
{
	size_t len = strlen(dir) + strlen(name) + 2;
	char *path;

	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 64;
		struct lun_link *more = realloc(l->item, size * sizeof(*more));

		if (!more)
			return -1;
		l->item = more;
		l->size = size;
	}
	path = malloc(len);
	if (!path)
		return -1;
	snprintf(path, len, "%s/%s", dir, name);
	l->item[l->n++] = (struct lun_link){ dev, path };
	return 0;
}

/* The directory once, all its links to block devices, sorted by device and name. A directory that is not
 * there has none. */
static int links_read(const char *dir, struct link_list *l, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int result = 0;

	links_free(l);
	if (!d)
		return errno == ENOENT ? 0
		                       : err_sys(e, errno, "cannot look for stable device names in %s", dir);
	while (result == 0 && (entry = readdir(d))) {
		struct stat st;

		if (entry->d_name[0] == '.' || entry->d_type != DT_LNK ||
		    fstatat(dirfd(d), entry->d_name, &st, 0) < 0 || !S_ISBLK(st.st_mode))
			continue;
		if (link_add(l, st.st_rdev, dir, entry->d_name) < 0)
			result = err_set(e, ERR_NO_MEMORY, "cannot list %s: out of memory", dir);
	}
	closedir(d);
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), link_compare);
	return result;
}

/* The device's link in the directory that was read: the name that path_id would give if it is among them,
 * else the first. */
static const char *link_of(const struct link_list *l, dev_t dev, const char *preferred)
{
	const char *first = NULL;

	for (size_t i = 0; i < l->n; i++) {
		if (l->item[i].dev != dev)
			continue;
		if (streq(path_base(l->item[i].path), preferred))
			return l->item[i].path;
		if (!first)
			first = l->item[i].path;
	}
	return first;
}

/* Has every LUN its link? */
static bool links_complete(const struct link_list *links, const struct lun_list *luns)
{
	for (size_t i = 0; i < luns->n; i++) {
		char node[sizeof("/dev/") + sizeof(luns->item[i].block)];
		struct stat st;

		snprintf(node, sizeof(node), "/dev/%s", luns->item[i].block);
		if (luns->item[i].block[0] && stat(node, &st) == 0 && !link_of(links, st.st_rdev, ""))
			return false;
	}
	return true;
}

/* Our own links are made here and now; udev's are waited for: inotify on the directory, or on the nearest one
 * above it that exists. */
static int links_await(const char *dir, const struct lun_list *luns, struct op *op, struct link_list *links,
                       struct err *e)
{
	uint64_t deadline = sooner(op->deadline, clock_ms() + WAIT_LINK);
	cleanup_close int watch = -1;

	for (size_t i = 0; op->own_devices && i < luns->n; i++) {
		const struct lun *l = &luns->item[i];

		if (l->block[0] &&
		    (l->sick[0] ? device_links_unread : device_links)(l->block, op->run_dir, e) < 0)
			return -1;
	}
	if (op->own_devices || !device_udevd_runs())
		return links_read(dir, links, e);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0)
		return err_sys(e, errno, "cannot wait for links in %s", dir);
	for (;;) {
		struct pollfd p = { .fd = watch, .events = POLLIN };

		if (inotify_add_watch(watch, dir, IN_CREATE | IN_MOVED_TO) < 0)
			inotify_add_watch(watch, "/dev/disk", IN_CREATE | IN_MOVED_TO);
		uevents_drain(watch);
		if (links_read(dir, links, e) < 0)
			return -1;
		if (links_complete(links, luns) || !clock_until(deadline))
			return 0;
		if (poll(&p, 1, clock_until(deadline)) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for links in %s", dir);
	}
}

/* ---- volumes ---- */

/* libvirt's words for what begins a disk; of filesystems it knows nothing here. */
static const char *lun_format(const struct device_content *content)
{
	static const struct {
		const char *table, *format;
	} tables[] = { { "dos", "dos" }, { "gpt", "gpt" }, { "sgi", "dvh" },
		       { "mac", "mac" }, { "bsd", "bsd" }, { "sun", "sun" } };

	if (streq(content->type, "LVM2_member"))
		return "lvm2";
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (streq(content->table, tables[i].table))
			return tables[i].format;
	return "unknown";
}

/* Sectors of 512 bytes, whatever the device's own are. */
static uint64_t block_size(const char *block)
{
	char path[PATH_MAX], text[32];

	snprintf(path, sizeof(path), "/sys/class/block/%s/size", block);
	return file_read_line(AT_FDCWD, path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) * 512 : 0;
}

/* Has the target taken it away? The kernel keeps the disk until somebody removes it by hand. Asked with
 * INQUIRY, which any LUN answers, also one that is not there: by its peripheral qualifier (SPC-4, 6.6.2).
 * Only that answer counts; silence and errors are what they were before. */
static bool lun_is_gone(const char *node)
{
	enum { QUALIFIER = 0xe0, NO_SUCH_LUN = 0x60 };
	unsigned char inquiry[6] = { 0x12, 0, 0, 0, 36, 0 }, answer[36] = { 0 }, sense[32];
	struct sg_io_hdr h = { .interface_id = 'S',
		               .dxfer_direction = SG_DXFER_FROM_DEV,
		               .cmdp = inquiry,
		               .cmd_len = sizeof(inquiry),
		               .dxferp = answer,
		               .dxfer_len = sizeof(answer),
		               .sbp = sense,
		               .mx_sb_len = sizeof(sense),
		               .timeout = INQUIRY_WITHIN };
	cleanup_close int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && ioctl(fd, (ioctl_request)SG_IO, &h) == 0 && h.status == 0 && h.host_status == 0 &&
	       (answer[0] & QUALIFIER) == NO_SUCH_LUN;
}

/* What a process of its own asks a LUN. */
struct lun_look {
	bool gone;
	char format[16], sick[160];
};

static void look_at_lun(const char *node, void *arg)
{
	struct device_content content;
	struct lun_look *l = arg;
	struct err why = { 0 };

	l->gone = lun_is_gone(node);
	if (l->gone)
		return;
	scsi_disk_resize(node);
	if (device_content(node, &content, &why) == 0)
		snprintf(l->format, sizeof(l->format), "%s", lun_format(&content));
	else if (err_is(&why, ERR_STORAGE))
		snprintf(l->sick, sizeof(l->sick), "%.159s", why.message);
}

/* What the kernel says of the way to a LUN: "" if nothing is wrong with it. */
static void lun_state(const char *block, char *out, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/block/%s/device/state", block);
	if (file_read_line(AT_FDCWD, path, out, size) < 1 || streq(out, "running"))
		out[0] = '\0';
}

/* Who is not asked now, because the answer is known, or nobody would wait for it in vain. */
static bool lun_stands_still(struct lun *l)
{
	static const struct {
		const char *state, *text;
	} known[] = { { "offline", "the kernel has set it offline after errors" },
		      { "transport-offline", "the connection with it is lost" },
		      { "blocked", "it waits for its connection" } };
	char state[32];

	lun_state(l->block, state, sizeof(state));
	if (!state[0])
		return false;
	snprintf(l->sick, sizeof(l->sick), "the kernel calls it %s", state);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (streq(state, known[i].state))
			snprintf(l->sick, sizeof(l->sick), "%s", known[i].text);
	return true;
}

static void luns_heard(struct lun_list *l, const size_t *which, const struct lun_look *looks,
                       const struct err *whys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct lun *lun = &l->item[which[i]];

		lun->gone = looks[i].gone;
		if (looks[i].format[0])
			snprintf(lun->format, sizeof(lun->format), "%s", looks[i].format);
		snprintf(lun->sick, sizeof(lun->sick), "%.159s",
		         whys[i].class == ERR_NONE ? looks[i].sick : whys[i].message);
	}
}

/* Read them all, those that answer. */
static int luns_look(struct lun_list *l, struct op *op, struct err *e)
{
	size_t size = l->n ? l->n : 1, n = 0;
	char(*nodes)[80] = calloc(size, sizeof(*nodes));
	const char **names = calloc(size, sizeof(*names));
	size_t *which = calloc(size, sizeof(*which));
	struct lun_look *looks = calloc(size, sizeof(*looks));
	struct err *whys = calloc(size, sizeof(*whys));
	int rc = -1;

	for (size_t i = 0; nodes && names && which && i < l->n; i++) {
		struct lun *lun = &l->item[i];

		snprintf(lun->format, sizeof(lun->format), "unknown");
		if (!lun->block[0] || lun_stands_still(lun))
			continue;
		snprintf(nodes[n], sizeof(*nodes), "/dev/%s", lun->block);
		names[n] = nodes[n];
		which[n++] = i;
	}
	uint64_t patience = sooner(LOOK_WITHIN, (uint64_t)clock_until(op->deadline) / 2 / size + 1);
	if (!nodes || !names || !which || !looks || !whys)
		err_set(e, ERR_NO_MEMORY, "out of memory");
	else
		rc = device_ask_all(&(struct device_questions){ .nodes = names,
		                                                .n = n,
		                                                .fn = look_at_lun,
		                                                .args = looks,
		                                                .size = sizeof(*looks),
		                                                .whys = whys,
		                                                .patience = patience },
		                    e);
	if (rc == 0)
		luns_heard(l, which, looks, whys, n);
	free(nodes);
	free(names);
	free(which);
	free(looks);
	free(whys);
	return rc;
}

/* The path under which a volume is known: below the pool's target, unless that is /dev itself. NULL: it has
 * no stable one. */
static const char *lun_path(const char *target, const struct link_list *links, const struct lun *lun,
                            dev_t dev, const char *node)
{
	char by_path[600];

	if (streq(target, "/dev"))
		return node;
	if (link_by_path("/sys", lun->block, by_path, sizeof(by_path)) < 0)
		by_path[0] = '\0';
	return link_of(links, dev, by_path);
}

static void lun_unwell(const struct lun *lun, const char *why, struct luns_health *health)
{
	bool named = lun->block[0];

	if (health->sick++)
		return;
	snprintf(health->first, sizeof(health->first), "LUN %llu%s%.20s%s", lun->lun, named ? " (" : "",
	         lun->block, named ? ")" : "");
	snprintf(health->why, sizeof(health->why), "%s", why);
}

static void lun_report(const char *target, const struct link_list *links, const struct lun *lun,
                       struct op *op, struct pool_sizes *sizes, struct luns_health *health)
{
	char name[80], node[80], serial[512], problem[320];
	struct volume v = { .name = name, .type = "block" };
	const char *path;
	struct stat st;

	snprintf(name, sizeof(name), "unit:%u:%u:%llu", lun->bus, lun->target, lun->lun);
	snprintf(node, sizeof(node), "/dev/%s", lun->block);
	if (!lun->block[0] || stat(node, &st) < 0 || !S_ISBLK(st.st_mode)) {
		health->n++;
		lun_unwell(lun,
		           "there is no block device for it: it does not answer what the kernel asks it "
		           "first, or has no driver",
		           health);
		return;
	}
	if (lun->gone) {
		op_note(op, "%s: the target no longer has it; the kernel keeps %s until somebody removes it",
		        name, node);
		return;
	}
	path = lun_path(target, links, lun, st.st_rdev, node);
	if (!path) {
		snprintf(problem, sizeof(problem), "no stable name for %s below %.200s", node, target);
		v.problem = problem;
	}
	health->n++;
	if (lun->sick[0]) {
		v.problem = lun->sick;
		lun_unwell(lun, lun->sick, health);
	}
	v.path = path ? path : node;
	v.key = link_scsi_serial("/sys", lun->block, serial, sizeof(serial), NULL) == 0 ? serial : v.path;
	v.format = lun->format;
	v.capacity = v.allocation = v.physical = block_size(lun->block);
	volume_from_stat(&v, &st);
	sizes->capacity += v.capacity;
	sizes->allocation += v.allocation;
	op->on_volume(op, &v);
}

int luns_refresh(const struct pool_def *d, int host, struct op *op, struct pool_sizes *sizes,
                 struct luns_health *health, struct err *e)
{
	const char *target = d->target.path ? d->target.path : "/dev/disk/by-path";
	struct lun_list luns = { 0 };
	struct link_list links = { 0 };
	int result;

	*sizes = (struct pool_sizes){ 0 };
	*health = (struct luns_health){ 0 };
	if (op->own_devices)
		module_load_wanted("sd_mod");
	result = luns_await(host, op, &luns, e);
	if (result == 0)
		result = luns_look(&luns, op, e);
	if (result == 0)
		result = links_await(target, &luns, op, &links, e);
	for (size_t i = 0; result == 0 && i < luns.n; i++)
		lun_report(target, &links, &luns.item[i], op, sizes, health);
	links_free(&links);
	free(luns.item);
	return result < 0 ? err_wrap(e, ERR_KEEP, "cannot list the LUNs of pool \"%s\"", d->name) : 0;
}

int luns_settle(int host, struct op *op, struct err *e)
{
	struct lun_list luns = { 0 };
	int result = luns_await(host, op, &luns, e);

	for (size_t i = 0; result == 0 && op->own_devices && i < luns.n; i++)
		if (luns.item[i].block[0])
			result = device_links_unread(luns.item[i].block, op->run_dir, e);
	free(luns.item);
	return result;
}

int luns_ground(int host, struct buf *words, struct err *e)
{
	struct lun_list luns = { 0 };
	int result = luns_list("/sys", host, &luns, e);

	for (size_t i = 0; result == 0 && i < luns.n; i++) {
		const struct lun *l = &luns.item[i];
		char state[32];

		if (!l->block[0])
			continue;
		lun_state(l->block, state, sizeof(state));
		buf_printf(words, " %s=%u:%u:%llu:%llx%s", l->block, l->bus, l->target, l->lun,
		           (unsigned long long)block_size(l->block), state);
	}
	free(luns.item);
	return result;
}

struct wake {
	char path[128];
};

/* The kernel looks at the disk before the write returns. */
static void wake(const char *node, void *arg)
{
	const struct wake *w = arg;

	(void)node;
	file_poke(AT_FDCWD, w->path, "running", NULL);
}

void luns_wake(int host)
{
	struct lun_list luns = { 0 };
	int result = luns_list("/sys", host, &luns, NULL);

	for (size_t i = 0; result == 0 && i < luns.n; i++) {
		char node[80], state[32];
		struct wake w;

		lun_state(luns.item[i].block, state, sizeof(state));
		if (!luns.item[i].block[0] || !streq(state, "offline"))
			continue;
		snprintf(node, sizeof(node), "/dev/%s", luns.item[i].block);
		snprintf(w.path, sizeof(w.path), "/sys/class/block/%s/device/state", luns.item[i].block);
		device_ask(node, wake, &w, sizeof(w), NULL);
	}
	free(luns.item);
}

bool luns_in_use(int host, struct err *e)
{
	cleanup_buf struct buf who = BUF_INIT;
	struct lun_list luns = { 0 };
	bool used = false;

	if (luns_list("/sys", host, &luns, e) < 0)
		return true;
	for (size_t i = 0; !used && i < luns.n; i++) {
		used = luns.item[i].block[0] && device_users(luns.item[i].block, &who);
		if (used)
			err_set(e, ERR_BUSY, "LUN %llu (%s) is %s", luns.item[i].lun, luns.item[i].block,
			        buf_str(&who));
	}
	free(luns.item);
	return used;
}

struct scan {
	int rc;
	struct err why;
};

static void scan(const char *path, void *arg)
{
	struct scan *s = arg;

	s->rc = file_poke(AT_FDCWD, path, "- - -", &s->why);
}

/* The kernel comes back late, or never, where a target does not answer, or while one of its disks is still
 * being read for the first time. */
int luns_rescan(int host, struct op *op, struct err *e)
{
	struct scan s = { .rc = -1 };
	struct err why = { 0 };
	char path[64];
	const char *node = path;
	struct device_questions q = {
		.nodes = &node, .n = 1, .fn = scan, .args = &s, .size = sizeof(s), .whys = &why
	};

	snprintf(path, sizeof(path), "/sys/class/scsi_host/host%d/scan", host);
	q.patience = sooner(SCAN_WITHIN, (uint64_t)clock_until(op->deadline) / 2 + 1);
	if (device_ask_all(&q, e) < 0)
		return -1;
	if (why.class != ERR_NONE)
		return err_set(e, ERR_WAIT_SERVER, "the question for its LUNs is not answered");
	if (s.rc < 0 && e)
		*e = s.why;
	return s.rc;
}
