/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The mount table: recorded texts, hostile texts, and real mounts in a namespace of the test's own.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mountinfo.h"
#include "base/util.h"
#include "check.h"

static int count;
static struct mount_entry last; /* points into the text */

static int note(const struct mount_entry *m, void *arg)
{
	(void)arg;
	count++;
	last = *m;
	return 0;
}

static int parse(char *text)
{
	count = 0;
	memset(&last, 0, sizeof(last));
	return mountinfo_parse(text, note, NULL);
}

static void takes_a_line_apart(void)
{
	char text[] = "36 35 98:1048575 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root "
		      "rw,errors=continue\n";

	CHECK_INT(parse(text), 0);
	CHECK_INT(count, 1);
	CHECK_INT(last.id, 36);
	CHECK_INT(last.parent, 35);
	CHECK(major(last.dev) == 98 && minor(last.dev) == 1048575);
	CHECK_STR(last.root, "/mnt1");
	CHECK_STR(last.target, "/mnt2");
	CHECK_STR(last.options, "rw,noatime");
	CHECK_STR(last.fstype, "ext3");
	CHECK_STR(last.source, "/dev/root");
	CHECK_STR(last.super_options, "rw,errors=continue");
}

static void undoes_escapes(void)
{
	char text[] = "1 1 0:1 / /a\\040b\\011c\\012d\\134e\\\\9 rw - nfs 10.0.0.1:/x\\040y rw\n";

	CHECK_INT(parse(text), 0);
	CHECK_STR(last.target, "/a b\tc\nd\\e\\\\9");
	CHECK_STR(last.source, "10.0.0.1:/x y");
}

static void no_tags_and_empty_source(void)
{
	char text[] = "1 0 0:1 / / rw - tmpfs  rw\n2 1 0:2 / /x rw - proc proc";

	CHECK_INT(parse(text), 0);
	CHECK_INT(count, 2);
	CHECK_STR(last.target, "/x");
	CHECK_STR(last.source, "proc");
	CHECK_STR(last.super_options, "");
}

static void broken_lines_are_passed_over(void)
{
	char text[] = "\n"
		      "x 1 0:1 / /a rw - t s o\n"
		      "1 x 0:1 / /a rw - t s o\n"
		      "1 1 0 / /a rw - t s o\n"
		      "1 1 :1 / /a rw - t s o\n"
		      "1 1 0: / /a rw - t s o\n"
		      "-1 1 0:1 / /a rw - t s o\n"
		      "99999999999 1 0:1 / /a rw - t s o\n"
		      "1 1 0:1 / /a rw\n"
		      "1 1 0:1 / /a rw -\n"
		      "1 1 0:1\n"
		      "1\n"
		      "1 1 0:1 / /good rw - t s o\n";

	CHECK_INT(parse(text), 0);
	CHECK_INT(count, 1);
	CHECK_STR(last.target, "/good");
}

static int stop_at_second(const struct mount_entry *m, void *arg)
{
	(void)m;
	return ++*(int *)arg == 2 ? 17 : 0;
}

static void an_answer_ends_the_walk(void)
{
	char text[] = "1 1 0:1 / /a rw - t s o\n2 1 0:1 / /b rw - t s o\n3 1 0:1 / /c rw - t s o\n";
	int n = 0;

	CHECK_INT(mountinfo_parse(text, stop_at_second, &n), 17);
	CHECK_INT(n, 2);
}

static void this_machine_has_a_proc(void)
{
	struct mount_entry m;
	struct err e = { 0 };

	CHECK_INT(mountinfo_find("/proc", &m, &e), 1);
	CHECK_STR(m.fstype, "proc");
	CHECK_STR(m.target, "/proc");
	mount_entry_free(&m);
	CHECK(m.target == NULL);
	CHECK_INT(mountinfo_find("/proc/", &m, &e), 0);
	CHECK_INT(mountinfo_find("/proc/self", &m, &e), 0);
	CHECK_INT(mountinfo_find("", &m, &e), 0);
	count = 0;
	CHECK_INT(mountinfo_each(note, NULL, &e), 0);
	CHECK(count > 0);
}

/* ---- real mounts ---- */

static char dir[] = "/tmp/test_mountinfo.XXXXXX";

static bool mounted(const char *name, const char *source)
{
	struct mount_entry m;
	char path[200];
	bool right;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	if (mountinfo_find(path, &m, NULL) != 1)
		return source == NULL;
	right = source && streq(m.source, source);
	mount_entry_free(&m);
	return right;
}

static int put(const char *name, const char *source)
{
	char path[200];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	mkdir(path, 0700);
	return mount(source, path, "tmpfs", 0, "size=64k");
}

/* Each step's number is the answer when it goes wrong. */
static int in_a_namespace(void)
{
	char from[200], to[200];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    put("", "base") < 0)
		return 77;
	if (put("/a", "one") < 0 || !mounted("/a", "one"))
		return 1;
	if (put("/a", "two") < 0 || !mounted("/a", "two")) /* stacked: the topmost counts */
		return 2;
	if (put("/a/with space", "three") < 0 || !mounted("/a/with space", "three"))
		return 3;
	if (put("/a", "four") < 0 || !mounted("/a", "four"))
		return 4;
	if (!mounted("/a/with space", NULL)) /* still in the table, but below the fourth */
		return 5;
	if (put("/p", "p") < 0 || put("/p/q", "q") < 0 || !mounted("/p/q", "q"))
		return 6;
	if (put("", "cover") < 0 || !mounted("/p/q", NULL) || !mounted("/a", NULL) || !mounted("", "cover"))
		return 7;
	if (put("/a", "five") < 0 || !mounted("/a", "five") || !mounted("/b", NULL))
		return 8;
	if (put("/b", "older") < 0 || put("/c", "newer") < 0)
		return 77;
	snprintf(from, sizeof(from), "%s/b", dir);
	snprintf(to, sizeof(to), "%s/c", dir);
	if (mount(from, to, NULL, MS_MOVE, NULL) < 0 || !mounted("/c", "older") || !mounted("/b", NULL))
		return 9; /* the table's order need not be the order of mounting */
	return 0;
}

static void only_what_can_be_reached_is_found(void)
{
	int status = -1;
	pid_t pid;

	CHECK(mkdtemp(dir) != NULL);
	pid = fork();
	if (pid == 0)
		_exit(in_a_namespace());
	CHECK(waitpid(pid, &status, 0) == pid);
	rmdir(dir);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("skip - real_mounts_in_a_namespace: needs root and mount namespaces\n");
	else
		CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

/* ---- a table that is kept ---- */

static int tables_kept(void)
{
	struct mount_entry m;
	unsigned first;
	int status;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	if (mountinfo_reading())
		return 1; /* nobody has asked for it */
	mountinfo_keep();
	first = mountinfo_reading();
	if (!first || !mounted("", NULL) || mountinfo_reading() != first)
		return 2;
	if (put("", "one") < 0)
		return 77;
	if (!mounted("", "one") || mountinfo_reading() != first + 1 || !mounted("", "one"))
		return 3;
	if (mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0 ||
	    mountinfo_find(dir, &m, NULL) != 1)
		return 4;
	bool read_only = starts_with(m.options, "ro");

	mount_entry_free(&m);
	if (!read_only || mountinfo_reading() != first + 2)
		return 5;
	mountinfo_forget();
	if (!mounted("", "one") || mountinfo_reading() != first + 3)
		return 6;
	if (umount(dir) < 0 || !mounted("", NULL))
		return 7;
	first = mountinfo_reading();
	pid_t child = fork();
	if (child == 0) { /* does not take what the parent is to be told */
		bool ok = !mountinfo_reading() && put("", "two") == 0 && mounted("", "two");

		mountinfo_forget();
		_exit(!ok);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return 8;
	return mounted("", "two") && mountinfo_reading() == first + 1 ? 0 : 9;
}

static void a_table_is_kept_until_something_is_mounted(void)
{
	int status = -1;
	pid_t pid;

	snprintf(dir, sizeof(dir), "/tmp/test_mountinfo.XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	pid = fork();
	if (pid == 0)
		_exit(tables_kept());
	CHECK(waitpid(pid, &status, 0) == pid);
	rmdir(dir);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("skip - a_table_is_kept: needs root and mount namespaces\n");
	else
		CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

int main(void)
{
	RUN(takes_a_line_apart);
	RUN(undoes_escapes);
	RUN(no_tags_and_empty_source);
	RUN(broken_lines_are_passed_over);
	RUN(an_answer_ends_the_walk);
	RUN(this_machine_has_a_proc);
	RUN(only_what_can_be_reached_is_found);
	RUN(a_table_is_kept_until_something_is_mounted);
	return check_done();
}
