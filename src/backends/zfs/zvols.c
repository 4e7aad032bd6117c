/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes of a zpool as devices. The kernel calls them zd0, zd16, …; the links /dev/zvol/ZPOOL/VOLUME are
 * udev's, and ours where it has not made them yet, or never does. Which volume a device is only the device
 * tells, by an ioctl, and to open one of a zpool whose disks are gone may take for ever. So as few as
 * possible are opened, each for a bounded time. Those of other zpools are known by their links: no volume
 * moves from one zpool to another.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "backends/zfs/zfs.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "system/device.h"
#include "system/links.h"
#include "system/sysfs.h"
#include "system/uevent.h"

/* Source: OpenZFS, include/sys/fs/zfs.h. */
#define BLKZNAME _IOR(0x12, 125, char[ZFS_NAME])

#define APPEARS_WITHIN SECONDS(20)
#define DEPTH          16 /* of datasets in datasets */

/* ---- names ---- */

/* udev's zvol_id has a '+' for a blank; a dataset's name may have blanks, and no '+'. */
void zvol_path(const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, ZVOL_DIR "%s%.4000s", *name ? "/" : "", name);
	for (char *p = out; *p; p++)
		*p = *p == ' ' ? '+' : *p;
}

void zvol_dataset(const char *path, char out[ZFS_NAME])
{
	snprintf(out, ZFS_NAME, "%.255s", path + strlen(ZVOL_DIR "/"));
	for (char *p = out; *p; p++)
		*p = *p == '+' ? ' ' : *p;
}

/* ---- walks ---- */

/* The kernel's name of what a link leads to; "": nothing. */
static void link_sysname(int dir, const char *name, char *out, size_t size)
{
	struct stat st;

	if (fstatat(dir, name, &st, 0) < 0 || !S_ISBLK(st.st_mode) || !device_sysname(st.st_rdev, out, size))
		out[0] = '\0';
}

static int walk_zvols(const char *path, int depth, zvol_fn *fn, void *arg)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int rc = 0;

	while (dir && rc == 0 && (entry = readdir(dir))) {
		char child[PATH_MAX], sysname[NAME_MAX + 1];

		if (streq(entry->d_name, ".") || streq(entry->d_name, "..") ||
		    !sysfs_path(child, sizeof(child), "%s/%s", path, entry->d_name))
			continue;
		if (entry->d_type == DT_DIR && depth > 0) {
			rc = walk_zvols(child, depth - 1, fn, arg);
		} else if (entry->d_type == DT_LNK) {
			link_sysname(dirfd(dir), entry->d_name, sysname, sizeof(sysname));
			rc = fn(child, sysname, arg);
		}
	}
	if (dir)
		closedir(dir);
	return rc;
}

int zvols_each(const char *name, zvol_fn *fn, void *arg)
{
	char path[PATH_MAX];

	demand_or(name && fn, 0);
	zvol_path(name, path);
	return walk_zvols(path, DEPTH, fn, arg);
}

/* ---- which device is which volume ---- */

/* A device, "zd16" and not a partition on it. */
struct zvol {
	char node[32], name[ZFS_NAME]; /* name: what it says that it is; or "" */
	bool known;                    /* a link tells what it is: it is not asked */
	bool answers;                  /* it was asked, and has answered */
};
struct zvols {
	struct zvol *list;
	size_t n;
	const char *zpool; /* whose are asked */
	bool new_only;     /* only those that no link leads to */
};
#define cleanup_zvols __attribute__((cleanup(zvols_free)))

static void zvols_free(struct zvols *z)
{
	free(z->list);
}

/* "zd16" of "zd16p1": how many bytes of it. 0: it is no zvol. */
static size_t zvol_length(const char *sysname)
{
	size_t n = starts_with(sysname, "zd") ? strspn(sysname + 2, "0123456789") : 0;

	return n ? 2 + n : 0;
}

/* The device of that name, or the one that this is a partition of. */
static struct zvol *zvols_find(const struct zvols *z, const char *sysname)
{
	size_t n = zvol_length(sysname);

	for (size_t i = 0; n && i < z->n; i++) {
		const char *own = z->list[i].node + strlen("/dev/");

		if (strncmp(own, sysname, n) == 0 && !own[n])
			return &z->list[i];
	}
	return NULL;
}

static int zvols_list(struct zvols *z, struct err *e)
{
	DIR *dir = opendir("/sys/class/block");
	const struct dirent *entry;
	bool full = false;

	while (dir && !full && (entry = readdir(dir))) {
		size_t n = zvol_length(entry->d_name);

		if (!n || entry->d_name[n])
			continue;
		if ((z->n & (z->n - 1)) == 0) { /* twice as many, from each power of two on */
			struct zvol *grown = realloc(z->list, (z->n ? 2 * z->n : 1) * sizeof(*grown));

			full = !grown;
			z->list = grown ? grown : z->list;
		}
		if (!full) {
			z->list[z->n] = (struct zvol){ .name = "" };
			snprintf(z->list[z->n++].node, sizeof(z->list->node), "/dev/%.24s", entry->d_name);
		}
	}
	if (dir)
		closedir(dir);
	return full ? err_set(e, ERR_NO_MEMORY, "cannot look for zvols: out of memory") : 0;
}

/* What is asked of statx(2), as the kernel has it: musl knows of it only since version 1.2.5. */
struct birth {
	uint32_t mask, before[19];
	int64_t seconds;
	uint32_t nanoseconds, after[41];
};
_Static_assert(sizeof(struct birth) == 256, "struct statx has 256 bytes");
enum { ASK_BIRTH = 0x800 };

/* Is the link younger than the node? An older one was made for a device that had this name before. */
static bool link_is_younger(const char *path, const char *node)
{
	struct birth b;
	struct stat link;

	if (lstat(path, &link) < 0 || syscall(SYS_statx, AT_FDCWD, node, 0, ASK_BIRTH, &b) < 0 ||
	    !(b.mask & ASK_BIRTH))
		return false;
	return link.st_ctim.tv_sec > b.seconds ||
	       (link.st_ctim.tv_sec == b.seconds && link.st_ctim.tv_nsec >= b.nanoseconds);
}

/* A volume may have got another name since, but none in another zpool. */
static int note_claim(const char *path, const char *sysname, void *arg)
{
	struct zvols *z = arg;
	struct zvol *k = zvols_find(z, sysname);
	char own[PATH_MAX];
	size_t n;

	zvol_path(z->zpool, own);
	n = strlen(own);
	if (k && (z->new_only || strncmp(path, own, n) != 0 || path[n] != '/'))
		k->known |= link_is_younger(path, k->node);
	return 0;
}

static void answer_name(const char *node, void *arg)
{
	struct zvol *k = arg;
	char name[ZFS_NAME] = "", path[PATH_MAX];
	cleanup_close int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	/* it is as whoever made the zpool has written it, and becomes a path */
	if (fd >= 0 && ioctl(fd, (ioctl_request)BLKZNAME, name) == 0 && !name[ZFS_NAME - 1] &&
	    check_relative_path(name)) {
		zvol_path(name, path);
		snprintf(k->name, sizeof(k->name), "%.255s", path + strlen(ZVOL_DIR "/"));
	}
	k->answers = true;
}

/* Ask those of the zpool, and those that nothing is known of. */
static int zvols_read(struct zvols *z, struct err *e)
{
	cleanup_free const char **nodes = NULL;
	cleanup_free struct err *silences = NULL;
	size_t kept = 0;

	if (zvols_list(z, e) < 0)
		return -1;
	zvols_each("", note_claim, z);
	for (size_t i = 0; i < z->n; i++)
		if (!z->list[i].known)
			z->list[kept++] = z->list[i];
	z->n = kept;
	nodes = calloc(z->n + 1, sizeof(*nodes));
	silences = calloc(z->n + 1, sizeof(*silences));
	if (!nodes || !silences)
		return err_set(e, ERR_NO_MEMORY, "cannot look for zvols: out of memory");
	for (size_t i = 0; i < z->n; i++)
		nodes[i] = z->list[i].node;
	return device_ask_all(&(struct device_questions){ .nodes = nodes,
	                                                  .n = z->n,
	                                                  .fn = answer_name,
	                                                  .args = z->list,
	                                                  .size = sizeof(*z->list),
	                                                  .whys = silences },
	                      e);
}

/* A link may be older than the volume's name, and a partition of "a" may have the link of a volume "a-part1".
 */
int zvol_is_at(const char *path, struct err *e)
{
	struct zvol k = { .name = "" };
	struct err silence = { 0 };

	if (device_ask_all(&(struct device_questions){ .nodes = &path,
	                                               .n = 1,
	                                               .fn = answer_name,
	                                               .args = &k,
	                                               .size = sizeof(k),
	                                               .whys = &silence },
	                   e) < 0)
		return -1;
	if (silence.class != ERR_NONE)
		return err_set(e, silence.class, "%s: %s", path, silence.message);
	if (streq(k.name, path + strlen(ZVOL_DIR "/")))
		return 0;
	return err_set(e, ERR_NO_VOLUME,
	               k.name[0] ? "%s is the device of volume \"%s\" now: refresh the pool"
	                         : "%s is no device of a volume%s now: refresh the pool",
	               path, k.name);
}

/* What udev's rule would call it: "tank/vm/a", and "tank/vm/a-part1" of a partition. False: it has not said.
 */
static bool zvols_name(const struct zvols *z, const char *sysname, char out[ZFS_NAME + 16])
{
	const struct zvol *k = zvols_find(z, sysname);
	const char *part = sysname + zvol_length(sysname);

	if (!k || !k->name[0] || (*part && *part != 'p'))
		return false;
	snprintf(out, ZFS_NAME + 16, "%.255s%s%.8s", k->name, *part ? "-part" : "", *part ? part + 1 : "");
	return true;
}

/* ---- links ---- */

/* A link that leads elsewhere is out of date. */
static void zvol_link(const char *name, const char *sysname)
{
	char path[PATH_MAX], target[PATH_MAX], old[PATH_MAX], *slash;
	size_t n = 0;
	ssize_t len;

	if (!sysfs_path(path, sizeof(path), ZVOL_DIR "/%s", name))
		return;
	for (const char *p = name; *p; p++)
		n += (size_t)(*p == '/' && snprintf(target + 3 * n, sizeof(target) - 3 * n, "../") > 0);
	/* two for /dev/zvol/ZPOOL, and one for each dataset below */
	snprintf(target + 3 * n, sizeof(target) - 3 * n, "../%s", sysname);
	len = readlink(path, old, sizeof(old) - 1);
	if (len >= 0 && (old[len] = '\0', streq(path_base(old), sysname)))
		return;
	slash = strrchr(path, '/');
	*slash = '\0';
	if (file_mkdirs(path, 0755, NULL) < 0)
		return;
	*slash = '/';
	unlink(path);
	if (symlink(target, path) < 0) /* the volume is listed with its problem then */
		return;
}

static void zvol_links_make(const struct zvols *z)
{
	DIR *dir = z->n ? opendir("/sys/class/block") : NULL;
	const struct dirent *entry;
	char name[ZFS_NAME + 16];

	while (dir && (entry = readdir(dir)))
		if (zvols_name(z, entry->d_name, name))
			zvol_link(name, entry->d_name);
	if (dir)
		closedir(dir);
}

/* Of a device that is gone, or another volume now. One that does not answer keeps its link. */
static int link_drop_stale(const char *path, const char *sysname, void *arg)
{
	const struct zvols *z = arg;
	const struct zvol *k = zvols_find(z, sysname);
	char name[ZFS_NAME + 16];

	if (!sysname[0] ||
	    (k && k->answers && (!zvols_name(z, sysname, name) || !streq(path + strlen(ZVOL_DIR "/"), name))))
		unlink(path);
	return 0;
}

static bool all_answer(const struct zvols *z)
{
	for (size_t i = 0; i < z->n; i++)
		if (!z->list[i].answers)
			return false;
	return true;
}

/* That a volume has got another name the kernel tells by an event. While its count of events is what it was
 * when all were asked, their links are right. */
struct event_count {
	char path[PATH_MAX]; /* where it is noted; the '@' keeps it from being the lock of a zpool, ".tank" */
	char now[24];        /* "": it is not known */
	bool same;
};

static void event_count_read(struct event_count *c, const char *zpool, const struct op *op)
{
	char then[sizeof(c->now)];

	*c = (struct event_count){ .now = "" };
	if (!sysfs_path(c->path, sizeof(c->path), "%s/zpools/.events@%s", op->run_dir, zpool) ||
	    file_read_line(AT_FDCWD, "/sys/kernel/uevent_seqnum", c->now, sizeof(c->now)) <= 0)
		c->now[0] = '\0';
	c->same = c->now[0] && file_read_line(AT_FDCWD, c->path, then, sizeof(then)) > 0 &&
	          streq(c->now, then);
}

/* A look at some names comes after a change of ours, which has seen to its link. */
void zvols_link(const char *zpool, struct op *op)
{
	demand_or(zpool && op, );

	cleanup_zvols struct zvols z = { .zpool = zpool };
	struct err why = { 0 };
	struct event_count count;

	event_count_read(&count, zpool, op);
	z.new_only = !op->own_devices || op->only || count.same;
	if (zvols_read(&z, &why) < 0)
		op_note(op, "volumes of zpool \"%s\" may have no device: %s", zpool, why.message);
	else if (op->own_devices)
		zvols_each(zpool, link_drop_stale, &z);
	zvol_links_make(&z);
	if (!z.new_only && why.class == ERR_NONE && count.now[0] && all_answer(&z))
		file_replace(AT_FDCWD, count.path, count.now, strlen(count.now), 0644, NULL);
}

/* A partition's link has the volume's name and more, and so may another volume's. */
static int link_drop(const char *path, const char *sysname, void *arg)
{
	const char *only = arg;
	size_t n = only ? strlen(only) : 0;
	bool partition = sysname[zvol_length(sysname)];

	if (!sysname[0] || !only ||
	    (strncmp(path, only, n) == 0 && (!path[n] || (partition && starts_with(path + n, "-part")))))
		unlink(path);
	return 0;
}

void zvols_unlink(const char *zpool, const char *path, struct op *op)
{
	demand_or(zpool && op, );

	cleanup_free char *only = path ? strdup(path) : NULL;

	if (op->own_devices && (only || !path))
		zvols_each(zpool, link_drop, only);
}

int zvols_await(const char *zpool, const char *path, int events, struct op *op, struct err *e)
{
	uint64_t until = least(op->deadline, clock_ms() + APPEARS_WITHIN);

	do {
		cleanup_zvols struct zvols z = { .zpool = zpool, .new_only = true };

		if (zvols_read(&z, e) < 0)
			return -1;
		zvol_links_make(&z);
		if (access(path, F_OK) == 0)
			return 0;
	} while (uevent_disk_comes(events, until));
	return err_set(e, ERR_TIMEOUT, "the kernel has made no device %s for it in time", path);
}

/* ---- who uses them ---- */

static int refuse_user(const char *path, const char *sysname, void *arg)
{
	cleanup_buf struct buf who = BUF_INIT;
	struct err *e = arg;

	if (sysname[0] && device_users(sysname, &who))
		return err_set(e, ERR_BUSY, "volume %s is %s", path, buf_str(&who));
	return 0;
}

int zvols_are_free(const char *name, struct err *e)
{
	return zvols_each(name, refuse_user, e);
}

int zvol_is_free(const char *path, struct err *e)
{
	char sysname[NAME_MAX + 1];

	link_sysname(AT_FDCWD, path, sysname, sizeof(sysname));
	return refuse_user(path, sysname, e);
}
