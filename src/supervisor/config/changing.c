/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Changing a configuration directory: a definition is kept, forgotten, or marked for autostart. Each file is
 * replaced as a whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "supervisor/config/config.h"

/* Definitions that we write go to DIR/storage, as libvirt has them, unless the directory is flat already. */
static int open_definitions(const char *dir, bool make, struct err *e)
{
	char path[PATH_MAX], marks[PATH_MAX + 16];
	struct stat st;

	config_definitions_dir(dir, path, sizeof(path));
	if (streq(path, dir) && make) {
		struct dirent **names;
		int n = scandir(dir, &names, config_is_definition, NULL);

		if (n >= 0)
			config_names_free(names, n);
		if (n <= 0)
			snprintf(path, sizeof(path), "%s/storage", dir);
	}
	snprintf(marks, sizeof(marks), "%s/autostart", path);
	if (make && stat(marks, &st) < 0 && file_mkdirs_kept(marks, 0700, e) < 0)
		return -1;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, errno, "cannot open the configuration directory %s", path);
}

/* NAME.xml, as config_load() finds it. */
static int definition_file(const char *name, char *file, size_t size, struct err *e)
{
	if (!name_is_component(name) || (size_t)snprintf(file, size, "%s.xml", name) >= size)
		return err_set(e, ERR_INVALID, "\"%s\" cannot be a file name", name);
	return 0;
}

/* What to type instead of changing the file. A name that a shell would take apart, or that cannot be in a
 * comment, gives way to the uuid. */
static void add_warning(const char *name, const char *xml, struct buf *out)
{
	static const char open[] = "\n  <uuid>";
	const char *uuid = strstr(xml, open);

	buf_adds(out, "<!--\nWritten by poolinit. Changes made to this file by hand may be overwritten and "
	              "lost. Make them with\n  poolctl pool-edit ");
	if (uuid && (strpbrk(name, "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~") || strstr(name, "--") || *name == '-'))
		buf_printf(out, "%.36s", uuid + strlen(open));
	else
		buf_adds(out, name);
	buf_adds(out, "\n-->\n\n");
}

/* For file_sweep(): only leftovers of files that are ours to write. */
static bool is_definition_name(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && streq(name + len - 4, ".xml");
}

/* What a directory holds beside one file: what config_load() would count. */
struct others {
	size_t n;
	uint64_t bytes;
};

/* Of definitions, or of marks: all but that file, with the bytes of regular ones. */
static int count_others(int fd, const char *file, struct others *o, struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct stat st;

	*o = (struct others){ 0 };
	if (!dir) {
		err_sys(e, errno, "cannot list the directory");
		if (copy >= 0)
			close(copy);
		return -1;
	}
	for (const struct dirent *d; (d = readdir(dir));) {
		if (!config_is_definition(d) || streq(d->d_name, file))
			continue;
		o->n++;
		if (fstatat(fd, d->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
		    st.st_size <= POOL_XML_LIMIT)
			o->bytes += (uint64_t)st.st_size;
	}
	closedir(dir);
	return 0;
}

/* What would not be read at the next start is not accepted. A file that is there already may become smaller
 * in a directory that is too full. */
static int check_room(int fd, const char *file, size_t len, struct err *e)
{
	struct others o;
	struct stat st;
	bool there = fstatat(fd, file, &st, 0) == 0;

	if (count_others(fd, file, &o, e) < 0)
		return -1;
	if (!there && o.n >= CONFIG_FILES_LIMIT)
		return err_set(e, ERR_LIMIT, "%zu definitions are there already; at most %d are read", o.n,
		               CONFIG_FILES_LIMIT);
	if (o.bytes + len > CONFIG_BYTES_LIMIT && !(there && (uint64_t)st.st_size >= len))
		return err_set(e, ERR_LIMIT,
		               "the definitions would have %llu bytes together; at most %d MiB are read",
		               (unsigned long long)(o.bytes + len), CONFIG_MIB_LIMIT);
	return 0;
}

void config_sweep(const char *dir)
{
	cleanup_close int fd = open_definitions(dir, false, NULL);
	cleanup_close int marks = fd < 0 ? -1 : openat(fd, "autostart", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		file_sweep(fd, is_definition_name);
	if (marks >= 0)
		file_sweep(marks, is_definition_name);
}

int config_keep(const char *dir, const char *name, const char *file, const char *xml, struct err *e)
{
	demand(dir && name && xml, e);

	char own[NAME_MAX + 1];
	struct buf text = BUF_INIT;

	if (definition_file(name, own, sizeof(own), e) < 0)
		return -1;
	cleanup_close int fd = open_definitions(dir, true, e);
	if (fd < 0)
		return -1;
	add_warning(name, xml, &text);
	buf_adds(&text, xml);
	file = file ? path_base(file) : own;
	int rc = text.failed ? err_set(e, ERR_NO_MEMORY, "cannot keep pool \"%s\": out of memory", name)
	                     : check_room(fd, file, text.len, e);
	if (rc == 0)
		rc = file_replace(fd, file, text.data, text.len, 0600, e);
	buf_free(&text);
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot keep pool \"%s\" in %s", name, dir) : 0;
}

/* The mark bears the name of the file, as libvirt's do where that is the pool's name too. */
static int mark(int marks, const char *file, const char *name, struct err *e)
{
	char target[NAME_MAX + 8];
	struct others o;

	if (count_others(marks, file, &o, e) < 0)
		return -1;
	if (o.n >= CONFIG_FILES_LIMIT)
		return err_set(e, ERR_LIMIT,
		               "cannot mark pool \"%s\" for autostart: %zu marks are there already; at most "
		               "%d are read",
		               name, o.n, CONFIG_FILES_LIMIT);
	snprintf(target, sizeof(target), "../%.255s", file);
	if (symlinkat(target, marks, file) == 0 || errno == EEXIST)
		return fsync(marks) < 0 ? err_sys(e, errno, "cannot mark pool \"%s\" for autostart", name)
		                        : 0;
	if (errno != EPERM && errno != EOPNOTSUPP)
		return err_sys(e, errno, "cannot mark pool \"%s\" for autostart", name);
	return file_replace(marks, file, "", 0, 0600, e); /* a medium without links, such as FAT */
}

int config_mark_autostart(const char *dir, const char *name, const char *file, bool on, struct err *e)
{
	demand(dir && name, e);

	char own[NAME_MAX + 1];
	struct stat st;

	if (definition_file(name, own, sizeof(own), e) < 0)
		return -1;
	file = file ? path_base(file) : own;
	if (!on && access(dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	cleanup_close int fd = open_definitions(dir, on, e);
	cleanup_close int marks = fd < 0 ? -1 : openat(fd, "autostart", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && marks < 0 && !on && errno == ENOENT)
		return 0;
	if (fd < 0)
		return -1;
	if (marks < 0)
		return err_sys(e, errno, "cannot open the autostart directory in %s", dir);
	if (on)
		return mark(marks, file, name, e);
	if (file_remove(marks, file, e) < 0)
		return -1;
	/* of a file: that one's, as at reading */
	return fstatat(fd, own, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : file_remove(marks, own, e);
}

int config_forget(const char *dir, const char *name, const char *file, struct err *e)
{
	demand(dir && name, e);

	char own[NAME_MAX + 1];

	if (definition_file(name, own, sizeof(own), e) < 0 ||
	    config_mark_autostart(dir, name, file, false, e) < 0)
		return -1;
	cleanup_close int fd = open_definitions(dir, false, e);
	if (fd < 0)
		return -1;
	return file_remove(fd, file ? path_base(file) : own, e);
}

void config_definition_path(const char *dir, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];

	config_definitions_dir(dir, path, sizeof(path));
	snprintf(out, size, "%s/%s.xml", path, name);
}
