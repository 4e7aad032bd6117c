/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How an imported zpool is. Whether it is there, and in which state, the kernel says without asking a disk;
 * which of its disks are not well only zpool status tells, whose text is the same for people and programs up
 * to version 2.2.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/zfs/zfs.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/sysfs.h"

bool zfs_kernel_state(const char *zpool, char *out, size_t size)
{
	char path[PATH_MAX];

	return sysfs_path(path, sizeof(path), "/proc/spl/kstat/zfs/%s/state", zpool) &&
	       file_read_line(AT_FDCWD, path, out, size) > 0;
}

/* ---- zpool status ---- */

/* Copy a word, and go behind it and the blanks after it. */
static char *status_word(char *p, char *out, size_t size)
{
	size_t n = strcspn(p, " \t");

	snprintf(out, size, "%.*s", (int)n, p);
	return p + n + strspn(p + n, " \t");
}

/* "/dev/vdb1  ONLINE  0  0  0" or "1234567  UNAVAIL  0  0  0  was /dev/vdb1". Rows for mirrors and the zpool
 * itself have a name that is no path and no number. */
static void take_disk(char *line, struct zfs_state *s)
{
	struct zfs_disk *k = &s->disks[s->n];
	char *was = strstr(line, "  was "), *rest;

	if (s->n == ZFS_DISKS)
		return;
	*k = (struct zfs_disk){ 0 };
	rest = status_word(line, k->path, sizeof(k->path));
	status_word(rest, k->state, sizeof(k->state));
	if (was)
		status_word(was + strlen("  was "), k->was, sizeof(k->was));
	s->n += k->path[0] == '/' || (k->path[0] && !k->path[strspn(k->path, "0123456789")]);
}

/* "  state: ONLINE", "status: One or more …", which goes on in lines that begin with a tab. */
void zfs_state_parse(char *text, struct zfs_state *s)
{
	bool config = false, status = false;

	*s = (struct zfs_state){ 0 };
	for (char *line = text, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		end += *end ? (*end = '\0', 1) : 0;

		char *word = line + strspn(line, " \t");

		if (starts_with(word, "state: ")) {
			status_word(word + strlen("state: "), s->state, sizeof(s->state));
		} else if (starts_with(word, "status: ")) {
			snprintf(s->status, sizeof(s->status), "%s", word + strlen("status: "));
			status = true;
			continue;
		} else if (starts_with(word, "errors: ")) {
			if (!strstr(word, "No known data errors"))
				snprintf(s->errors, sizeof(s->errors), "%s", word + strlen("errors: "));
			config = false;
		} else if (starts_with(word, "config:")) {
			config = true;
		} else if (config && *line == '\t') {
			take_disk(word, s);
		} else if (status && *line == '\t') {
			size_t n = strlen(s->status);

			snprintf(s->status + n, sizeof(s->status) - n, " %s", word);
			continue;
		}
		status = false;
	}
}

/* The kernel's name of a disk whose node is there. */
static void name_node(struct zfs_disk *k)
{
	struct stat st;

	if (k->path[0] != '/' || stat(k->path, &st) < 0 || !S_ISBLK(st.st_mode) ||
	    !device_sysname(st.st_rdev, k->node, sizeof(k->node)))
		k->node[0] = '\0';
}

int zfs_state_read(const char *zpool, struct zfs_state *s, struct op *op, struct err *e)
{
	const char *const argv[] = { "zpool", "status", "-P", zpool, NULL };
	cleanup_buf struct buf said = BUF_INIT;

	*s = (struct zfs_state){ 0 };
	if (zfs_run(argv, op, &said, e) < 0)
		return -1;
	if (said.data)
		zfs_state_parse(said.data, s);
	for (size_t i = 0; i < s->n; i++)
		name_node(&s->disks[i]);
	return 0;
}

/* ---- what is wrong ---- */

bool zfs_disk_is_away(const struct zfs_disk *k)
{
	return streq(k->state, "UNAVAIL") || streq(k->state, "FAULTED") || streq(k->state, "REMOVED") ||
	       streq(k->state, "OFFLINE");
}

/* One whose node is gone is away, even where the zpool has not written to it since, and does not know. */
bool zfs_state_sick(const struct zfs_state *s, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->n; i++) {
		const struct zfs_disk *k = &s->disks[i];
		bool gone = k->path[0] == '/' && !k->node[0] && !zfs_disk_is_away(k);

		if (n < size && (gone || zfs_disk_is_away(k) || streq(k->state, "DEGRADED")))
			n += (size_t)snprintf(out + n, size - n, "%s%s %s", n ? ", " : "",
			                      k->was[0] ? k->was : k->path,
			                      gone ? "was taken out" : k->state);
	}
	return n > 0;
}
