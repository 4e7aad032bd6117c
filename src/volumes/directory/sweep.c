/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Leftovers: entries that were being built when their builder died (publish.h). Who builds one holds a lock
 * on it; one that can be locked is nobody's.
 */
#include "volumes/directory/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "volumes/file/publish.h"

/* Is it still there under this name? */
static bool is_same_file(int dir, const char *name, const struct stat *seen)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == seen->st_ino &&
	       st.st_dev == seen->st_dev;
}

/* What is mounted there is left alone: it may not answer, and cannot be removed. */
bool sweep_leftover(int dir, const char *name)
{
	demand_or(dir >= 0 && publish_is_temporary(name), false);

	cleanup_close int seen = file_seek(dir, name, RESOLVE_NO_XDEV);
	cleanup_close int descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = -1;
	struct stat st;

	if (seen < 0 || fstat(seen, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return false;
	/* Opened by what was seen, locked, and looked at again: a builder that has finished meanwhile has
	 * given it another name, and one that has begun holds the lock. */
	fd = look_reopen(descriptors, seen, S_ISDIR(st.st_mode) ? O_RDONLY : O_RDWR);
	if (fd < 0 || !publish_lock(fd) || !is_same_file(dir, name, &st))
		return false;
	return unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0;
}
