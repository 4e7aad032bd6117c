/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /etc/resolv.conf from its parts. The supervisor and the DHCP scripts may come at the same time: a lock on
 * the directory keeps them apart.
 *
 * Parts are files in the run directory, which is memory: after a crash of the supervisor they are still
 * there, and the next one puts the same file together.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "boot/net/resolv.h"

#define PART_LIMIT 4096

static int is_part(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 4 && streq(d->d_name + len - 4, ".dns");
}

/* All parts in the order of their names. The command line's sorts first, and a resolver asks the first
 * server first. */
static int gather_parts(int dirfd, const char *dir, struct buf *out, struct err *e)
{
	struct dirent **parts;
	int n = scandir(dir, &parts, is_part, alphasort);

	if (n < 0)
		return err_sys(e, errno, "cannot read %s", dir);
	for (int i = 0; i < n; i++) {
		/* A part that cannot be read leaves the others useful. */
		file_read(dirfd, parts[i]->d_name, PART_LIMIT, out, NULL);
		free(parts[i]);
	}
	free(parts);
	return 0;
}

int resolv_set(const char *run_dir, const char *origin, const char *text, struct err *e)
{
	demand(run_dir && origin && text, e);

	cleanup_buf struct buf all = BUF_INIT;
	cleanup_close int dirfd = -1;
	char dir[512], name[64];

	snprintf(dir, sizeof(dir), "%s/network", run_dir);
	snprintf(name, sizeof(name), "%s.dns", origin);
	if (file_mkdirs(dir, 0755, e) < 0 || file_mkdirs("/etc", 0755, e) < 0)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || flock(dirfd, LOCK_EX) < 0)
		return err_sys(e, errno, "cannot lock %s", dir);
	if (*text ? file_replace(dirfd, name, text, strlen(text), 0644, e) < 0
	          : file_remove(dirfd, name, e) < 0)
		return -1;
	if (gather_parts(dirfd, dir, &all, e) < 0)
		return -1;
	return file_replace(AT_FDCWD, "/etc/resolv.conf", buf_str(&all), all.len, 0644, e);
}
