/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Entries of a directory that appear whole: built without a name or under a temporary one, synced, then named
 * without replacing anything.
 */
#include "volumes/file/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"

#define CIFS_MAGIC 0xFF534D42u
#define SMB2_MAGIC 0xFE534D42u

enum { ATTEMPTS = 16, LOCK_BYTES = 100 };

bool publish_is_temporary(const char *name)
{
	return starts_with(name, PUBLISH_PREFIX);
}

/* ---- a temporary name, taken away again even by SIGTERM ---- */

/* The entry that the signal handler removes: a worker makes one at a time. */
static struct publish *volatile unfinished;

/* The handler of SIGTERM: unlinkat(2) is all that it does, which a handler may. Then the signal has its
 * usual effect. */
static void remove_unfinished(int sig)
{
	const struct publish *p = unfinished;

	if (p)
		unlinkat(p->dir, p->temp, p->directory ? AT_REMOVEDIR : 0);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void watch_termination(struct publish *p)
{
	struct sigaction action = { .sa_handler = remove_unfinished, .sa_flags = (int)SA_RESETHAND };

	unfinished = p;
	sigaction(SIGTERM, &action, NULL);
}

/* The signal's own effect comes back first: between the two steps it finds either its handler's entry or
 * none. */
static void unwatch_termination(void)
{
	signal(SIGTERM, SIG_DFL);
	unfinished = NULL;
}

/* Eight characters nobody else has chosen; O_EXCL decides. */
static void temporary_name(char *out, size_t size)
{
	char suffix[9];

	file_random_suffix(suffix, sizeof(suffix) - 1);
	snprintf(out, size, "%s%s", PUBLISH_PREFIX, suffix);
}

/* The network filesystems on which flock(2) and fcntl(2) locks are one kind, at the server: the kernel makes
 * them one, or, behind FUSE, gluster does. Elsewhere (9P, CephFS, this machine's own) the two do not see each
 * other, so that builder and sweep must use the same call: both ask publish_lock(). */
static bool locks_are_one(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 &&
	       ((unsigned)s.f_type == NFS_SUPER_MAGIC || (unsigned)s.f_type == CIFS_MAGIC ||
	        (unsigned)s.f_type == SMB2_MAGIC || (unsigned)s.f_type == FUSE_SUPER_MAGIC);
}

/* Alive, says the lock. On network filesystems flock(2) is a lock of all bytes at the server, and qemu-img,
 * which locks bytes from 100 on, would be kept out by it: there the first bytes alone are locked, which keeps
 * a flock(2) of others out just the same. A filesystem without locks has none to sweep by either. */
bool publish_lock(int fd)
{
	demand_or(fd >= 0, false);

	struct flock first = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = LOCK_BYTES };

	return locks_are_one(fd) ? fcntl(fd, F_OFD_SETLK, &first) == 0 : flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* The entry itself, which nobody else can have made: O_EXCL, or mkdirat(2). */
static int open_temporary(struct publish *p)
{
	if (!p->directory)
		return openat(p->dir, p->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (mkdirat(p->dir, p->temp, 0700) < 0)
		return -1;
	return openat(p->dir, p->temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The handler is set before there is an entry, since a TERM in between would leave one. */
static int begin_named(struct publish *p)
{
	watch_termination(p);
	for (int i = 0; i < ATTEMPTS && p->fd < 0; i++) {
		temporary_name(p->temp, sizeof(p->temp));
		p->fd = open_temporary(p);
		if (p->fd < 0 && errno != EEXIST)
			break;
	}
	if (p->fd < 0) {
		unwatch_termination();
		p->temp[0] = '\0';
		return -1;
	}
	publish_lock(p->fd);
	return 0;
}

/* Nothing stays open, and a second call does nothing. */
static void close_all(struct publish *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->dir >= 0)
		close(p->dir);
	p->fd = p->dir = -1;
}

/* May an entry of that name be made? Asked before the work, though somebody may still be faster: the naming
 * decides. */
static int name_check(const struct publish *p, struct err *e)
{
	struct stat st;

	if (!name_is_component(p->name))
		return err_set(e, ERR_INVALID,
		               "\"%.100s\" cannot be the name of a file: it is empty, \".\", \"..\", longer "
		               "than 255 bytes, or has a '/' or control characters in it",
		               p->name);
	if (publish_is_temporary(p->name))
		return err_set(e, ERR_INVALID, "names that begin with \"%s\" are for unfinished volumes",
		               PUBLISH_PREFIX);
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_EXISTS, "%s/%s exists already", p->target, p->name);
	return 0;
}

int publish_begin(struct publish *p, int dir, const char *target, const char *name, bool directory,
                  struct err *e)
{
	demand(dir >= 0 && target && name, e);
	*p = (struct publish){ .target = target, .name = name, .dir = dir, .fd = -1, .directory = directory };
	if (name_check(p, e) < 0) {
		close_all(p);
		return -1;
	}
	if (!directory)
		p->fd = openat(p->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (p->fd < 0 && begin_named(p) < 0) {
		err_sys(e, errno, "cannot make a %s in %s", directory ? "directory" : "file", target);
		close_all(p);
		return -1;
	}
	return 0;
}

/* ---- naming it ---- */

/* A file without a name gets one. Where /proc is not mounted the descriptor itself will do, for root. */
static int link_unnamed(const struct publish *p)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fd);
	if (linkat(AT_FDCWD, path, p->dir, p->name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	return errno == ENOENT ? linkat(p->fd, "", p->dir, p->name, AT_EMPTY_PATH) : -1;
}

/* The filesystem cannot rename without replacing (NFS): a second name, then the first is taken away. A crash
 * between the two leaves the whole volume and a leftover. Directories can have no second name: the final one
 * is made anew, empty as they are. */
static int rename_otherwise(const struct publish *p)
{
	struct stat st;
	int saved;

	if (!p->directory) {
		if (linkat(p->dir, p->temp, p->dir, p->name, 0) < 0)
			return -1;
		if (unlinkat(p->dir, p->temp, 0) == 0)
			return 0;
		saved = errno; /* both or none */
		unlinkat(p->dir, p->name, 0);
		errno = saved;
		return -1;
	}
	if (fstat(p->fd, &st) < 0 || mkdirat(p->dir, p->name, 0700) < 0)
		return -1;
	return unlinkat(p->dir, p->name, AT_REMOVEDIR) < 0 ? -1 : renameat(p->dir, p->temp, p->dir, p->name);
}

static int give_name(const struct publish *p)
{
	if (!p->temp[0])
		return link_unnamed(p);
	if (syscall(SYS_renameat2, p->dir, p->temp, p->dir, p->name, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EINVAL || errno == ENOSYS ? rename_otherwise(p) : -1;
}

/* Some filesystems cannot sync a directory: those have nothing to lose by it. */
static int sync_one(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : -1;
}

static int publish_failed(struct publish *p, const char *what, struct err *e)
{
	int saved = errno;

	if (saved == EEXIST)
		err_set(e, ERR_EXISTS, "%s/%s exists already: it was made by somebody else meanwhile",
		        p->target, p->name);
	else
		err_sys(e, saved, "cannot %s %s/%s", what, p->target, p->name);
	publish_abandon(p);
	return -1;
}

int publish_finish(struct publish *p, struct err *e)
{
	require(p->fd >= 0, e);
	if (sync_one(p->fd) < 0)
		return publish_failed(p, "write", e);
	if (give_name(p) < 0)
		return publish_failed(p, "make", e);
	if (p->temp[0])
		unwatch_termination();
	p->temp[0] = '\0';
	/* the file once more: some filesystems write down the name of what had none only with the file
	 * itself */
	if (sync_one(p->dir) < 0 || sync_one(p->fd) < 0) {
		int saved = errno;

		unlinkat(p->dir, p->name, p->directory ? AT_REMOVEDIR : 0);
		errno = saved;
		return publish_failed(p, "write the directory entry of", e);
	}
	close_all(p);
	return 0;
}

void publish_abandon(struct publish *p)
{
	if (p->temp[0]) {
		unlinkat(p->dir, p->temp, p->directory ? AT_REMOVEDIR : 0);
		unwatch_termination();
		p->temp[0] = '\0';
	}
	close_all(p);
}
