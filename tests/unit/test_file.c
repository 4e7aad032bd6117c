/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Files: read with limits, replaced whole or not at all, and names.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "check.h"

static char dir[] = "/tmp/test_file.XXXXXX";
static int dirfd_;

/* How many entries the directory has: what a failed operation must not leave behind. */
static int entries(int fd)
{
	DIR *d = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static void check_content(const char *name, const char *want)
{
	struct buf b = BUF_INIT;
	struct err e = { 0 };

	CHECK_INT(file_read(dirfd_, name, 1000, &b, &e), 0);
	CHECK_STR(buf_str(&b), want);
	buf_free(&b);
}

/* ---- reading ---- */

static void reads_up_to_the_limit(void)
{
	struct buf b = BUF_INIT;
	struct err e = { 0 };
	char *big = calloc(1, 10000);

	CHECK_INT(file_replace(dirfd_, "big", big, 10000, 0600, &e), 0);
	CHECK_INT(file_read(dirfd_, "big", 10000, &b, &e), 0);
	CHECK_INT(b.len, 10000);
	buf_reset(&b);
	CHECK_INT(file_read(dirfd_, "big", 9999, &b, &e), -1);
	CHECK(err_is(&e, ERR_TOO_LONG));
	CHECK(strstr(e.message, "big") != NULL && strstr(e.message, "9999") != NULL);
	buf_free(&b);
	free(big);
	CHECK_INT(file_remove(dirfd_, "big", &e), 0);
}

static void appends_to_what_is_there(void)
{
	struct buf b = BUF_INIT;
	struct err e = { 0 };

	CHECK_INT(file_replace(dirfd_, "a", "xyz", 3, 0600, &e), 0);
	buf_adds(&b, "before ");
	CHECK_INT(file_read(dirfd_, "a", 3, &b, &e), 0);
	CHECK_STR(buf_str(&b), "before xyz");
	buf_free(&b);
	CHECK_INT(file_remove(dirfd_, "a", &e), 0);
}

static void an_empty_file_is_a_string(void)
{
	struct buf b = BUF_INIT;
	struct err e = { 0 };

	CHECK_INT(file_replace(dirfd_, "a", NULL, 0, 0600, &e), 0);
	CHECK_INT(file_read(dirfd_, "a", 0, &b, &e), 0);
	CHECK(b.data != NULL && b.len == 0);
	buf_free(&b);
	CHECK_INT(file_remove(dirfd_, "a", &e), 0);
}

static void reads_proc(void)
{
	struct buf b = BUF_INIT;
	struct err e = { 0 };

	CHECK_INT(file_read(AT_FDCWD, "/proc/self/status", 100000, &b, &e), 0);
	CHECK(strstr(buf_str(&b), "VmRSS") != NULL);
	buf_free(&b);
}

static void refuses_what_is_no_file(void)
{
	static const char *const bad[] = { "fifo", "/dev/null", "/", "/proc/self/fd" };
	struct buf b = BUF_INIT;

	CHECK_INT(mkfifoat(dirfd_, "fifo", 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		CHECK_INT(file_read(dirfd_, bad[i], 1000, &b, &e), -1);
		CHECK(err_is(&e, ERR_INVALID));
		CHECK(strstr(e.message, bad[i]) != NULL);
	}
	CHECK_INT(b.len, 0);
	unlinkat(dirfd_, "fifo", 0);
	buf_free(&b);
}

static void absence_has_its_errno(void)
{
	struct buf b = BUF_INIT;
	struct err e = { 0 };

	CHECK_INT(file_read(dirfd_, "absent", 1000, &b, &e), -1);
	CHECK_INT(e.sys, ENOENT);
	buf_free(&b);
}

static void first_lines(void)
{
	char out[8];
	struct err e = { 0 };

	file_replace(dirfd_, "l", "value\nmore\n", 11, 0600, &e);
	CHECK_INT(file_read_line(dirfd_, "l", out, sizeof(out)), 5);
	CHECK_STR(out, "value");
	file_replace(dirfd_, "l", "1234567", 7, 0600, &e);
	CHECK_INT(file_read_line(dirfd_, "l", out, sizeof(out)), 7);
	CHECK_STR(out, "1234567");
	file_replace(dirfd_, "l", "12345678\n", 9, 0600, &e);
	errno = 0;
	CHECK_INT(file_read_line(dirfd_, "l", out, sizeof(out)), -1);
	CHECK_INT(errno, EOVERFLOW);
	file_replace(dirfd_, "l", "", 0, 0600, &e);
	CHECK_INT(file_read_line(dirfd_, "l", out, sizeof(out)), 0);
	CHECK_STR(out, "");
	CHECK_INT(file_read_line(dirfd_, "absent", out, sizeof(out)), -1);
	CHECK_INT(errno, ENOENT);
	CHECK_INT(file_remove(dirfd_, "l", &e), 0);
}

/* ---- replacing ---- */

static void replaces_and_sets_the_mode(void)
{
	struct err e = { 0 };
	struct stat st;
	mode_t old = umask(077);

	CHECK_INT(file_replace(dirfd_, "f", "one", 3, 0644, &e), 0);
	CHECK_INT(file_replace(dirfd_, "f", "two", 3, 0640, &e), 0);
	umask(old);
	check_content("f", "two");
	CHECK_INT(fstatat(dirfd_, "f", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	CHECK_INT(entries(dirfd_), 1);
	CHECK_INT(file_remove(dirfd_, "f", &e), 0);
}

static void a_link_is_replaced_not_followed(void)
{
	struct err e = { 0 };
	struct stat st;

	CHECK_INT(file_replace(dirfd_, "precious", "old", 3, 0600, &e), 0);
	CHECK_INT(symlinkat("precious", dirfd_, "link"), 0);
	CHECK_INT(file_replace(dirfd_, "link", "new", 3, 0600, &e), 0);
	check_content("precious", "old");
	CHECK_INT(fstatat(dirfd_, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK(S_ISREG(st.st_mode));
	file_remove(dirfd_, "link", &e);
	file_remove(dirfd_, "precious", &e);
}

static void names_of_255_bytes(void)
{
	struct err e = { 0 };
	char name[257];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	CHECK_INT(file_replace(dirfd_, name, "x", 1, 0600, &e), 0);
	CHECK_INT(file_remove(dirfd_, name, &e), 0);
	name[255] = 'n';
	name[256] = '\0';
	CHECK_INT(file_replace(dirfd_, name, "x", 1, 0600, &e), -1);
	CHECK_INT(entries(dirfd_), 0);
}

static void what_cannot_be_replaced_leaves_nothing(void)
{
	static const char *const bad[] = { "sub", "absent/f", "sub/", ".", "sub/..", "", "/proc/self/f" };

	CHECK_INT(mkdirat(dirfd_, "sub", 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		CHECK_INT(file_replace(dirfd_, bad[i], "x", 1, 0600, &e), -1);
		CHECK(e.class != ERR_NONE && e.message[0]);
	}
	CHECK_INT(entries(dirfd_), 1);
	CHECK_INT(unlinkat(dirfd_, "sub", AT_REMOVEDIR), 0);
}

/* A filesystem of one page's worth of room, and one that cannot be written: in a mount namespace of the
 * test's own. */
static int on_a_small_filesystem(void)
{
	struct err e = { 0 };
	char big[3 * 65536] = { 0 };
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("small", dir, "tmpfs", 0, "size=64k") < 0)
		return 77;
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	if (file_replace(fd, "f", "old", 3, 0600, &e) < 0)
		return 1;
	if (file_replace(fd, "f", big, sizeof(big), 0600, &e) == 0 || !err_is(&e, ERR_NO_SPACE))
		return 2;
	if (entries(fd) != 1)
		return 3;
	if (mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, "size=64k") < 0)
		return 77;
	if (file_replace(fd, "f", "new", 3, 0600, &e) == 0 || !err_is(&e, ERR_READ_ONLY))
		return 4;
	if (file_remove(fd, "f", &e) == 0 || !err_is(&e, ERR_READ_ONLY))
		return 5;
	if (file_mkdirs(dir, 0700, &e) < 0)
		return 6;
	struct buf b = BUF_INIT;
	if (file_read(fd, "f", 10, &b, &e) < 0 || !streq(buf_str(&b), "old"))
		return 7;
	buf_free(&b);
	return 0;
}

static void full_and_read_only_keep_the_old_file(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(on_a_small_filesystem());
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("skip - full_and_read_only_in_a_namespace: needs root and mount namespaces\n");
	else
		CHECK_INT(status, 0);
}

/* ---- poking, removing, making ---- */

static void pokes_only_what_exists(void)
{
	struct err e = { 0 };

	CHECK_INT(file_poke(dirfd_, "absent", "1", &e), -1);
	CHECK_INT(e.sys, ENOENT);
	CHECK_INT(entries(dirfd_), 0);
	CHECK_INT(file_replace(dirfd_, "attr", "old text", 8, 0600, &e), 0);
	CHECK_INT(file_poke(dirfd_, "attr", "new", &e), 0);
	check_content("attr", "new text");
	CHECK_INT(file_poke(AT_FDCWD, "/dev/full", "1", &e), -1);
	CHECK(err_is(&e, ERR_NO_SPACE));
	CHECK_INT(file_remove(dirfd_, "attr", &e), 0);
}

static void removing_what_is_absent_is_done(void)
{
	struct err e = { 0 };

	CHECK_INT(file_remove(dirfd_, "absent", &e), 0);
	CHECK_INT(mkdirat(dirfd_, "d", 0700), 0);
	CHECK_INT(file_remove(dirfd_, "d", &e), -1);
	CHECK_INT(unlinkat(dirfd_, "d", AT_REMOVEDIR), 0);
}

static void makes_directories_on_the_way(void)
{
	struct err e = { 0 };
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s//a/b/c/", dir);
	CHECK_INT(file_mkdirs(path, 0711, &e), 0);
	CHECK_INT(file_mkdirs(path, 0700, &e), 0);
	CHECK_INT(fstatat(dirfd_, "a/b/c", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0711);
	CHECK_INT(file_mkdirs("/", 0700, &e), 0);
	unlinkat(dirfd_, "a/b/c", AT_REMOVEDIR);
	unlinkat(dirfd_, "a/b", AT_REMOVEDIR);
	unlinkat(dirfd_, "a", AT_REMOVEDIR);
}

static void a_file_in_the_way_is_named(void)
{
	struct err e = { 0 };
	char path[200];

	file_replace(dirfd_, "f", "", 0, 0600, &e);
	snprintf(path, sizeof(path), "%s/f/below", dir);
	CHECK_INT(file_mkdirs(path, 0700, &e), -1);
	CHECK(strstr(e.message, "/f: ") != NULL);
	CHECK_INT(e.sys, ENOTDIR);
	CHECK_INT(file_mkdirs("", 0700, &e), -1);
	CHECK_INT(file_leave(path, "unit", "text", &e), -1);
	CHECK(strstr(e.message, "/f: ") != NULL);
	file_remove(dirfd_, "f", &e);
}

/* ---- names ---- */

static void tidies_paths(void)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "/a/b", "/a/b" },
		{ "/a//b/", "/a/b" },
		{ "/a///b////", "/a/b" },
		{ "/", "/" },
		{ "//", "//" },
		{ "///", "/" },
		{ "//a//b/", "//a/b" },
		{ "////a", "/a" },
		{ "a/", "a" },
		{ "a//b", "a/b" },
		{ "", "" },
		{ "/../a", "/../a" },
		{ "nfs://host//x/", "nfs://host//x/" },
		{ "/a/x://b/", "/a/x:/b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s", cases[i].path);
		path_tidy(path);
		CHECK_STR(path, cases[i].want);
	}
}

static void last_components(void)
{
	CHECK_STR(path_base("/a/b"), "b");
	CHECK_STR(path_base("b"), "b");
	CHECK_STR(path_base("/a/"), "");
	CHECK_STR(path_base(""), "");
}

static void components(void)
{
	static const char *const good[] = { "a", "...", ".hidden", "a b", "\xc3\xa4", "-", "x:y" };
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "a\nb", "\x01", "a\x7f" };
	char name[257];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(name_is_component(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!name_is_component(bad[i]));
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	CHECK(!name_is_component(name));
	name[255] = '\0';
	CHECK(name_is_component(name));
}

int main(void)
{
	if (!mkdtemp(dir) || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 1;
	RUN(reads_up_to_the_limit);
	RUN(appends_to_what_is_there);
	RUN(an_empty_file_is_a_string);
	RUN(reads_proc);
	RUN(refuses_what_is_no_file);
	RUN(absence_has_its_errno);
	RUN(first_lines);
	RUN(replaces_and_sets_the_mode);
	RUN(a_link_is_replaced_not_followed);
	RUN(names_of_255_bytes);
	RUN(what_cannot_be_replaced_leaves_nothing);
	RUN(full_and_read_only_keep_the_old_file);
	RUN(pokes_only_what_exists);
	RUN(removing_what_is_absent_is_done);
	RUN(makes_directories_on_the_way);
	RUN(a_file_in_the_way_is_named);
	RUN(tidies_paths);
	RUN(last_components);
	RUN(components);
	close(dirfd_);
	rmdir(dir);
	return check_done();
}
