/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Unmounting, and, where that is not possible, saying who is in the way.
 *
 * umount2(2) on a mount of a dead server can block, and MNT_FORCE does not always help. So detaching is done
 * by a child that may be left behind, while the mount table tells when it has had its effect.
 */
#include "base/contract.h"
#include "system/mount.h"
#include "system/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"

/* ---- who is in the way ---- */

/* Who keeps a mount busy: up to three, in words. */
struct mount_users {
	const char *target;
	uint64_t deadline;
	struct buf text;
	unsigned n;
};

enum { USERS_MAX = 3 };

static void users_add(struct mount_users *u, const char *who, const char *pid, const char *what)
{
	buf_printf(&u->text, "%s%s%s%s (%s)", u->n ? ", " : "", who, pid ? " pid " : "", pid ? pid : "",
	           what);
	u->n++;
}

static bool link_below(int dirfd, const char *name, const struct mount_users *u, char path[PATH_MAX])
{
	ssize_t n = readlinkat(dirfd, name, path, PATH_MAX - 1);

	if (n <= 0)
		return false;
	path[n] = '\0';
	return path_is_below(path, u->target);
}

/* Does it have a file of the mount open? By the text of its links in /proc. */
static bool fd_below(int process, const struct mount_users *u, char path[PATH_MAX])
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool found = false;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir)))
		found = link_below(fd, entry->d_name, u, path);
	closedir(dir);
	return found;
}

/* Does the process have a file of the mount in its memory? Programs and libraries run from there are mapped,
 * and not open. */
static bool map_below(int process, const struct mount_users *u, char path[PATH_MAX])
{
	cleanup_buf struct buf b = BUF_INIT;
	char *save = NULL;

	if (file_read(process, "maps", 4 * 1024 * 1024, &b, NULL) < 0 || !b.data)
		return false;
	for (char *line = strtok_r(b.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *file = strchr(line, '/');

		if (file && path_is_below(file, u->target)) {
			snprintf(path, PATH_MAX, "%s", file);
			return true;
		}
	}
	return false;
}

/* Has this process anything of the mount: its directories, its program, an open file, a mapped one? Reads
 * links of /proc only: their text is made by the kernel without asking the filesystem, which may be dead. */
static void process_look(struct mount_users *u, int proc, const char *pid)
{
	cleanup_close int process = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX], name[32] = "";

	if (process < 0)
		return;
	if (!link_below(process, "cwd", u, path) && !link_below(process, "root", u, path) &&
	    !link_below(process, "exe", u, path) && !fd_below(process, u, path) &&
	    !map_below(process, u, path))
		return;
	if (file_read_line(process, "comm", name, sizeof(name)) <= 0)
		snprintf(name, sizeof(name), "process");
	users_add(u, name, pid, path);
}

/* All processes, up to the deadline: on a machine with thousands of them this takes longest. */
static void processes_look(struct mount_users *u)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	while (proc && u->n < USERS_MAX && clock_ms() < u->deadline && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			process_look(u, dirfd(proc), entry->d_name);
	if (proc)
		closedir(proc);
}

/* Loop devices hold their files without a process. */
static void loops_look(struct mount_users *u)
{
	DIR *block = opendir("/sys/block");
	const struct dirent *entry;
	char attribute[300], file[PATH_MAX];

	while (block && u->n < USERS_MAX && (entry = readdir(block))) {
		if (!starts_with(entry->d_name, "loop"))
			continue;
		snprintf(attribute, sizeof(attribute), "%s/loop/backing_file", entry->d_name);
		if (file_read_line(dirfd(block), attribute, file, sizeof(file)) > 0 &&
		    path_is_below(file, u->target))
			users_add(u, entry->d_name, NULL, file);
	}
	if (block)
		closedir(block);
}

/* Another mount below this one keeps it busy. The table is read to its end, or until enough are known. */
static int nested_look(const struct mount_entry *m, void *arg)
{
	struct mount_users *u = arg;

	if (!streq(m->target, u->target) && path_is_below(m->target, u->target))
		users_add(u, "mount of", NULL, m->target);
	return u->n >= USERS_MAX;
}

/* The order is that of what it costs to find out: the mount table, loop devices, all processes. */
static int still_busy(const char *target, const char *path, uint64_t deadline, struct err *e)
{
	uint64_t now = clock_ms();
	/* leave half of the time that is left for the answer */
	struct mount_users u = { .target = path,
		                 .deadline = deadline > now ? now + (deadline - now) / 2 : now };

	mountinfo_each(nested_look, &u, NULL);
	if (u.n < USERS_MAX)
		loops_look(&u);
	if (u.n < USERS_MAX)
		processes_look(&u);
	err_set(e, ERR_BUSY, "cannot unmount %s: in use by %s", target,
	        u.n ? buf_str(&u.text) : "something in the kernel (swap, an export, a bind mount)");
	if (e)
		e->sys = EBUSY;
	buf_free(&u.text);
	return -1;
}

/* ---- taking away ---- */

/* Is something mounted at that path of the table? 1, 0, -1 with e. */
static int is_mounted(const char *path, struct err *e)
{
	struct mount_entry m;
	int rc = mountinfo_find(path, &m, e);

	if (rc > 0)
		mount_entry_free(&m);
	return rc;
}

/* Detach what is in use or dead. The mount is gone from the table at once, but the call returns only when the
 * kernel has given up on the server: a child makes it, holding nothing of ours, and is left behind if need
 * be. */
static int detach_mount(const char *path, uint64_t deadline, struct err *e)
{
	cleanup_close int table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	struct pollfd p = { .fd = table, .events = POLLPRI };
	pid_t child = fork();
	int status;

	if (child < 0)
		return err_sys(e, errno, "cannot unmount %s", path);
	if (child == 0) {
		syscall(SYS_close_range, 3u, ~0u, 0u);
		_exit(umount2(path, UMOUNT_NOFOLLOW | MNT_FORCE | MNT_DETACH) < 0 ? errno : 0);
	}
	for (;;) {
		int rc = is_mounted(path, e);

		if (rc <= 0)
			return rc;
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) && WEXITSTATUS(status)
			               ? err_sys(e, WEXITSTATUS(status), "cannot detach %s", path)
			               : 0;
		if (clock_ms() >= deadline)
			return err_set(e, ERR_TIMEOUT, "cannot detach %s in time", path);
		poll(&p, 1, 50); /* the table tells of its changes; the child's end only shows by looking */
	}
}

/* Where a target is: the directory that it is in, and the path under which the mount table knows it. 1:
 * something is mounted there; 0: nothing. */
static int find_mount_path(const char *target, struct target_end *end, char path[PATH_MAX], struct err *e)
{
	struct err why = { 0 };

	if (target_walk(target, false, end, &why) < 0) {
		end->dir = -1;
		if (why.sys == ENOENT || why.sys == ENOTDIR)
			return 0;
		if (e)
			*e = why;
		return -1;
	}
	return target_end_path(end, path, e) < 0 ? -1 : is_mounted(path, e);
}

int mount_remove(const char *target, uint64_t deadline, struct err *e)
{
	demand(target, e);

	struct target_end end;
	char path[PATH_MAX], place[PATH_MAX];
	int rc = find_mount_path(target, &end, path, e);
	cleanup_close int dir = end.dir;

	if (rc <= 0)
		return rc;
	/* by the directory that is open: another one may be under its path by now */
	snprintf(place, sizeof(place), "/proc/self/fd/%d/%s", dir, end.name);
	if (umount2(place, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return err_sys(e, errno, "cannot unmount %s", target);
	/* who was there for a moment only, as a look at the pool is, has gone when all have been looked at */
	rc = still_busy(target, path, deadline, e);
	return umount2(place, UMOUNT_NOFOLLOW) == 0 ? 0 : rc;
}

int mount_detach(const char *target, uint64_t deadline, struct err *e)
{
	demand(target, e);

	struct target_end end;
	char path[PATH_MAX];
	int rc = find_mount_path(target, &end, path, e);

	if (rc > 0)
		rc = detach_mount(path, deadline, e);
	util_close(&end.dir);
	return rc;
}
