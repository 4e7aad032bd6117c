/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way to a target: which links are followed, what is made, how a directory is known again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "volumes/pool_dir.h"
#include "system/target.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"

#define USER 1234

static char root[PATH_MAX];

static const char *at(const char *path)
{
	static char full[PATH_MAX];

	fixture_path(full, "%s/%s", root, path);
	return full;
}

static void make(const char *path, mode_t mode, uid_t uid)
{
	CHECK(mkdir(at(path), 0700) == 0 && chown(at(path), uid, uid) == 0 && chmod(at(path), mode) == 0);
}

static void make_link(const char *says, const char *path, uid_t uid)
{
	char target[PATH_MAX];

	fixture_path(target, "%s", says); /* at() has one place for what it says */
	CHECK(symlink(target, at(path)) == 0 && lchown(at(path), uid, uid) == 0);
}

/* The path that a walk ends at; NULL: it is refused. */
static const char *end_of(const char *path, struct err *e)
{
	static char out[PATH_MAX];
	struct target_end end;

	*e = (struct err){ 0 };
	if (target_walk(path, false, &end, e) < 0)
		return NULL;
	bool told = target_end_path(&end, out, e) == 0;
	close(end.dir);
	return told ? out : NULL;
}

static void roots_links_are_followed(void)
{
	char deep[PATH_MAX], want[PATH_MAX];
	struct err e;

	make("data", 0755, 0);
	make("data/images", 0755, 0);
	make_link("data/images", "relative", 0);
	make_link(at("data"), "absolute", 0);
	make_link("../../data/./images/..//images/", "data/images/up", 0);
	fixture_path(want, "%s/data/images", root);
	CHECK_STR(end_of(at("data/images"), &e), want);
	CHECK_STR(end_of(at("data//images///"), &e), want);
	CHECK_STR(end_of(at("relative"), &e), want);
	CHECK_STR(end_of(at("absolute/images"), &e), want);
	CHECK_STR(end_of(at("relative/up/up"), &e), want);
	fixture_path(deep, "%s/data/images/not-there", root);
	CHECK_STR(end_of(at("relative/not-there"), &e), deep);
	CHECK_STR(end_of("/", &e), "/");
	CHECK_STR(end_of("//..//.", &e), "/");
}

static void others_links_are_refused(void)
{
	static const char *const paths[] = { "theirs/link", "theirs/link/images", "open/link",
		                             "group/link",  "sticky/theirs",      "moved/link" };
	struct err e;
	char want[PATH_MAX];

	make("theirs", 0755, USER);
	make("open", 0777, 0);
	make("group", 0775, 0);
	make("sticky", 01777, 0);
	make("moved", 0755, USER);
	make_link(at("data"), "theirs/link", USER);
	make_link(at("data"), "open/link", 0);
	make_link(at("data"), "group/link", 0);
	make_link(at("data"), "sticky/theirs", USER);
	make_link(at("data"), "sticky/ours", 0);
	make_link(at("data"), "moved/link", 0); /* root's, but put there by somebody else */
	make_link("theirs/link", "through", 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		CHECK(!end_of(at(paths[i]), &e) && err_is(&e, ERR_DENIED) &&
		      strstr(e.message, "is a link that others than root may make"));
		CHECK(target_open_path(at(paths[i]), O_RDONLY, &e) < 0 &&
		      target_make(at(paths[i]), O_PATH, NULL, &e) < 0);
		CHECK(target_remove(at(paths[i]), &e) < 0);
	}
	CHECK(!end_of(at("theirs/link"), &e) && strstr(e.message, "\"link\"") &&
	      strstr(e.message, "uid 1234's"));
	CHECK(!end_of(at("through"), &e) && err_is(&e, ERR_DENIED));
	fixture_path(want, "%s/data", root);
	CHECK_STR(end_of(at("sticky/ours"), &e), want);
}

static void what_leads_nowhere_says_so(void)
{
	char name[NAME_MAX + 2], path[PATH_MAX];
	struct err e;

	make_link("circle", "circle", 0);
	make_link("nowhere/at/all", "dangling", 0);
	fixture(root, "", "file");
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	CHECK(!end_of(at("circle"), &e) && e.sys == ELOOP);
	CHECK(!end_of(at("dangling"), &e) && e.sys == ENOENT);
	CHECK(!end_of(at("missing/below"), &e) && e.sys == ENOENT);
	CHECK(!end_of(at("file/below"), &e) && e.sys == ENOTDIR);
	CHECK(!end_of(at("file/.."), &e) && e.sys == ENOTDIR);
	fixture_path(path, "%s/%s", root, name);
	CHECK(!end_of(path, &e) && e.sys == ENAMETOOLONG);
	CHECK(!end_of("relative", &e) && err_is(&e, ERR_INVALID));
	CHECK(target_open_path(at("file"), O_RDONLY, &e) < 0 && e.sys == ENOTDIR);
}

static void directories_are_made_on_the_way(void)
{
	struct err e = { 0 };
	struct stat st;
	bool made = false;
	int fd = target_make(at("new/way/pool"), O_RDONLY, &made, &e);

	CHECK(fd >= 0 && made && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0711);
	close(fd);
	CHECK(stat(at("new/way"), &st) == 0 && (st.st_mode & 07777) == 0755);
	fd = target_make(at("new/way/pool"), O_PATH, &made, &e);
	CHECK(fd >= 0 && !made);
	close(fd);
	CHECK(target_make(at("file/pool"), O_PATH, NULL, &e) < 0 &&
	      target_make(at("file"), O_PATH, NULL, &e) < 0);
	CHECK(target_remove(at("new/way"), &e) < 0 && e.sys == ENOTEMPTY);
	CHECK(target_remove(at("new/way/pool"), &e) == 0 && stat(at("new/way/pool"), &st) < 0);
}

static void a_place_is_a_text_and_back(void)
{
	static const char *const bad[] = { "", "1", "1:2", "1:2:", ":::", "a:1:2", "1:-2:3", " 1:2:3" };
	struct dir_place p, q;
	struct err e = { 0 };
	char text[80];
	int fd = open(root, O_PATH | O_CLOEXEC);

	CHECK(target_place(fd, &p, &e) == 0 && p.known && p.mount > 0);
	close(fd);
	target_place_print(&p, text, sizeof(text));
	q = target_place_parse(text);
	CHECK(q.known && q.dev == p.dev && q.ino == p.ino && q.mount == p.mount);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!target_place_parse(bad[i]).known);
	CHECK(!target_place_parse(NULL).known);
}

static void another_directory_is_told_from_the_same(void)
{
	struct pool_def d = { .type = POOL_DIR, .name = "p", .target.path = at("data/images") };
	char path[PATH_MAX];
	struct err e = { 0 };
	int fd;

	fixture_path(path, "%s", d.target.path);
	d.target.path = path;
	fd = pool_dir_open(&d, O_PATH, &e); /* nothing is known: any will do */
	CHECK(fd >= 0 && target_place(fd, &d.target.place, &e) == 0);
	close(fd);
	CHECK(pool_dir_is_same(&d, &e) == 1);
	CHECK(rename(path, at("kept")) == 0 && pool_dir_is_same(&d, &e) == 0 && err_is(&e, ERR_STATE) &&
	      e.sys == ENOENT);
	CHECK(mkdir(path, 0755) == 0 && pool_dir_is_same(&d, &e) == 0 &&
	      strstr(e.message, "another directory than when pool \"p\" was started"));
	d.target.place.mount++; /* seen through another mount it is the same one, */
	CHECK(rmdir(path) == 0 && rename(at("kept"), path) == 0 && pool_dir_is_same(&d, &e) == 1);
	d.type = POOL_FS; /* unless the mount is the pool */
	CHECK(pool_dir_is_same(&d, &e) == 0 && strstr(e.message, "was mounted or unmounted at"));
	d.target.place.mount = 0;
	CHECK(pool_dir_is_same(&d, &e) == 1);
}

/* From here on the kernel tells of no open file what it is. */
static int forbid_looking(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
	};
	struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
	               ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
	               : -1;
}

static void a_directory_that_cannot_be_looked_at_is_named(void)
{
	struct pool_def d = { .type = POOL_DIR, .name = "p", .target.path = at("data/images") };
	struct err e = { 0 };
	char want[PATH_MAX + 100];
	int status = -1;

	d.target.place.known = true;
	snprintf(want, sizeof(want), "cannot use %s, the directory of pool \"p\": cannot look at it: %s",
	         d.target.path, strerror(EIO));

	pid_t child = fork();

	if (child == 0)
		_exit(forbid_looking() < 0 || pool_dir_open(&d, O_PATH, &e) >= 0 || !streq(e.message, want) ||
		      e.sys != EIO);
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
}

int main(void)
{
	fixture_make(root);
	RUN(roots_links_are_followed);
	RUN(others_links_are_refused);
	RUN(what_leads_nowhere_says_so);
	RUN(directories_are_made_on_the_way);
	RUN(a_place_is_a_text_and_back);
	RUN(another_directory_is_told_from_the_same);
	RUN(a_directory_that_cannot_be_looked_at_is_named);
	fixture_remove(root);
	return check_done();
}
