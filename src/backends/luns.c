/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A SCSI host's LUNs as volumes. First the bus is asked (luns_rescan), then what it has reported is waited
 * for, then each disk and rom is described from sysfs alone: its size, its name on the bus, its serial number
 * as key, and its stable link as path.
 */
#include "backends/luns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "backends/luns_inside.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/module.h"
#include "system/scsi.h"

#define SCAN_WITHIN SECONDS(20)
#define LOOK_WITHIN SECONDS(6) /* with each; less where many are silent */

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

/* What a process of its own asks a LUN. */
struct lun_look {
	bool gone, blank;
	char format[16], sick[160];
};

enum { HEAD = 72 * 1024, TAIL = 64 * 1024 };
_Static_assert(HEAD >= TAIL, "one buffer serves both");

/* Nothing but zeros where everything that names what is on a disk has its place: its beginning, up to what
 * btrfs and UFS write behind the first 64 KiB, and its end, where arrays keep their own. It spares a LUN that
 * nobody has used yet fifty small reads. False too where it cannot be read. */
static bool is_blank(int fd)
{
	static unsigned char bytes[HEAD];
	uint64_t size = 0;

	if (ioctl(fd, (ioctl_request)BLKGETSIZE64, &size) < 0 || size < HEAD)
		return false;
	for (int end = 0; end <= 1; end++) {
		size_t n = end ? TAIL : HEAD;

		if (pread(fd, bytes, n, end ? (off_t)(size - TAIL) : 0) != (ssize_t)n || bytes[0] ||
		    memcmp(bytes, bytes + 1, n - 1) != 0)
			return false;
	}
	return true;
}

/* The kernel keeps the size that it has read, even if the target says that it is another one by now, until
 * somebody has it look again. That of a medium in a drive is the drive's business. False: it does not say. */
static bool lun_measure(const char *node, int fd)
{
	const char *sysname = path_base(node);
	uint64_t known = 0, now = starts_with(sysname, "sd") ? scsi_capacity(fd) : 0;
	char path[PATH_MAX];

	if (now && ioctl(fd, (ioctl_request)BLKGETSIZE64, &known) == 0 && now != known) {
		snprintf(path, sizeof(path), "/sys/class/block/%s/device/rescan", sysname);
		file_poke(AT_FDCWD, path, "1", NULL);
	}
	return now > 0;
}

static void look_at_lun(const char *node, void *arg)
{
	struct device_content content;
	struct lun_look *l = arg;
	struct err why = { 0 };
	cleanup_close int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	l->gone = fd >= 0 && !lun_measure(node, fd) && scsi_is_gone(fd);
	if (l->gone)
		return;
	l->blank = fd >= 0 && is_blank(fd);
	if (l->blank)
		return;
	if (device_content(node, &content, &why) == 0)
		snprintf(l->format, sizeof(l->format), "%s", lun_format(&content));
	else if (err_is(&why, ERR_STORAGE))
		snprintf(l->sick, sizeof(l->sick), "%.159s", why.message);
}

static void lun_name(const struct lun *lun, char *out, size_t size)
{
	snprintf(out, size, "unit:%u:%u:%llu", lun->bus, lun->target, lun->lun);
}

/* What an event has asked for is a look at what has changed: a LUN that the last look found well, and that
 * has the same size, is as it was. No event tells of its content anyway. */
static bool lun_is_known(struct lun *lun, const struct op *op)
{
	char name[80], record[LINE_MAX_BYTES + 1];
	const char *found = NULL;
	struct volume v;
	struct line l;
	size_t len;
	long i;

	lun_name(lun, name, sizeof(name));
	i = op->only && op->index ? volindex_by_name(op->index, name) : -1;
	if (i >= 0)
		found = volindex_record(op->index, (size_t)i, &len);
	if (!found || len > sizeof(record))
		return false;
	memcpy(record, found, len);
	if (line_parse_reply(record, len - 1, &l, NULL) < 0 || volume_from_record(&l, &v, NULL) < 0 ||
	    v.problem || !v.format || v.capacity != lun_size(lun->block))
		return false;
	snprintf(lun->format, sizeof(lun->format), "%s", v.format);
	lun->blank = v.allocation == 0;
	return true;
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
		lun->blank = looks[i].blank;
		if (looks[i].format[0])
			snprintf(lun->format, sizeof(lun->format), "%s", looks[i].format);
		snprintf(lun->sick, sizeof(lun->sick), "%.159s",
		         whys[i].class == ERR_NONE ? looks[i].sick : whys[i].message);
	}
}

/* Read them all, those that answer. */
static int luns_look(struct lun_list *l, struct op *op, struct err *e)
{
	uint64_t patience;
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
		if (!lun->block[0] || lun_stands_still(lun) || lun_is_known(lun, op))
			continue;
		snprintf(nodes[n], sizeof(*nodes), "/dev/%s", lun->block);
		names[n] = nodes[n];
		which[n++] = i;
	}
	patience = sooner(LOOK_WITHIN, (uint64_t)clock_until(op->deadline) / 2 / size + 1);
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
	if (streq(target, "/dev"))
		return node;
	return lun_link_of(links, dev, lun->by_path ? lun->by_path : "");
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
	char name[80], node[80], problem[320];
	struct volume v = { .name = name, .type = "block" };
	const char *path;
	struct stat st;

	lun_name(lun, name, sizeof(name));
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
	v.key = lun->serial ? lun->serial : v.path;
	v.format = lun->format;
	v.capacity = v.physical = lun_size(lun->block);
	v.allocation = lun->blank ? 0 : v.capacity;
	volume_from_stat(&v, &st);
	sizes->capacity += v.capacity;
	sizes->allocation += v.allocation;
	sizes->available += v.capacity - v.allocation;
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
	luns_name(&luns);
	if (result == 0)
		result = lun_links_await(target, &luns, op, &links, e);
	for (size_t i = 0; result == 0 && i < luns.n; i++)
		lun_report(target, &links, &luns.item[i], op, sizes, health);
	lun_links_free(&links);
	luns_free(&luns);
	return result < 0 ? err_wrap(e, ERR_KEEP, "cannot list the LUNs of pool \"%s\"", d->name) : 0;
}

void luns_trouble(const struct luns_health *health, const char *of, char *out, size_t size)
{
	char others[48] = "";

	if (health->sick > 1)
		snprintf(others, sizeof(others), " (%zu of %zu LUNs are not well)", health->sick, health->n);
	if (health->sick)
		snprintf(out, size, "%s of %.120s: %.140s%s", health->first, of, health->why, others);
}

int luns_settle(int host, struct op *op, struct err *e)
{
	struct lun_list luns = { 0 };
	int result = luns_await(host, op, &luns, e);

	for (size_t i = 0; result == 0 && op->own_devices && i < luns.n; i++)
		if (luns.item[i].block[0])
			result = device_links_unread(luns.item[i].block, op->run_dir, e);
	luns_free(&luns);
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
		           (unsigned long long)lun_size(l->block), state);
	}
	luns_free(&luns);
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
	luns_free(&luns);
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
	luns_free(&luns);
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
	static int asked = -1; /* by this process: the first refresh after a start sees what that has found */
	struct scan s = { .rc = -1 };
	struct err why = { 0 };
	char path[64];
	const char *node = path;
	struct device_questions q = {
		.nodes = &node, .n = 1, .fn = scan, .args = &s, .size = sizeof(s), .whys = &why
	};

	if (host >= 0 && host == asked)
		return 0;
	snprintf(path, sizeof(path), "/sys/class/scsi_host/host%d/scan", host);
	q.patience = sooner(SCAN_WITHIN, (uint64_t)clock_until(op->deadline) / 2 + 1);
	if (device_ask_all(&q, e) < 0)
		return -1;
	if (why.class != ERR_NONE)
		return err_set(e, ERR_WAIT_SERVER, "the question for its LUNs is not answered");
	if (s.rc < 0 && e)
		*e = s.why;
	if (s.rc == 0)
		asked = host;
	return s.rc;
}
