/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A directory's files as volumes: what is listed, what is not, what is opened again, and what cannot take the pool down.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "backends/files.h"
#include "base/file.h"
#include "base/util.h"
#include "check.h"

static char root[64];

static const char *at(const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static void write_file(const char *name, const void *data, size_t len)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

/* ---- one refresh, kept as records ---- */

struct result { struct buf records, notes; unsigned volumes; int rc; struct err e; struct pool_sizes sizes; };

static void on_volume(struct op *op, const struct volume *v)
{
	struct result *r = op->arg;

	volume_record(v, &r->records);
	r->volumes++;
}

static void on_note(struct op *op, const char *text)
{
	struct result *r = op->arg;

	buf_printf(&r->notes, "%s\n", text);
}

static void refresh(struct result *r, const char *target, const char *cache)
{
	struct pool_def d = { .type = POOL_DIR, .target.path = target };
	struct op op = {
		.deadline = NEVER, .arg = r, .on_volume = on_volume, .on_note = on_note, .cache = cache, .cache_len = cache ? strlen(cache) : 0,
	};

	*r = (struct result){ 0 };
	r->rc = files_refresh(&d, &op, &r->sizes, &r->e);
}

static void result_free(struct result *r)
{
	buf_free(&r->records);
	buf_free(&r->notes);
}

/* A volume's value for a key; NULL: no such volume or key. */
static const char *value(struct result *r, const char *name, const char *key)
{
	static char copies[4][8192];
	static unsigned next;
	char *copy = copies[next++ % 4];

	for (const char *p = buf_str(&r->records), *lf; (lf = strchr(p, '\n')); p = lf + 1) {
		struct line l;

		snprintf(copy, sizeof(copies[0]), "%.*s", (int)(lf - p), p);
		if (line_parse_reply(copy, strlen(copy), &l, NULL) == 0 && streq_null(line_get(&l, "name"), name))
			return line_get(&l, key);
	}
	return NULL;
}

static const unsigned char qcow2[512] = {
	'Q', 'F', 'I', 0xfb, 0, 0, 0, 3,                        /* version 3 */
	[20] = 0, 0, 0, 16,                                     /* 64 KiB clusters */
	[24] = 0, 0, 0, 0, 0x40, 0, 0, 0,                       /* 1 GiB */
	[100] = 0, 0, 0, 104,                                   /* header length */
};

/* Remove a directory that setup() or a test made. */
static void remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		char below[512];

		if (streq(d->d_name, ".") || streq(d->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, d->d_name);
		if (unlink(below) < 0)
			remove_tree(below);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void setup(void)
{
	snprintf(root, sizeof(root), "/tmp/test_files.XXXXXX");
	CHECK(mkdtemp(root) != NULL);
}

/* ---- what is a volume ---- */

static void lists_files_directories_and_devices(void)
{
	struct result r;
	char target[128];

	setup();
	write_file("empty", "", 0);
	write_file("with space.img", "hello", 5);
	write_file(".hidden", "x", 1);
	write_file("disk.qcow2", qcow2, sizeof(qcow2));
	CHECK(mkdir(at("lost+found"), 0700) == 0);
	CHECK(symlink("disk.qcow2", at("link")) == 0);
	CHECK(symlink("lost+found", at("dirlink")) == 0);
	refresh(&r, root, NULL);
	CHECK_INT(r.rc, 0);
	CHECK_INT(r.volumes, 7);
	CHECK_STR(value(&r, "empty", "format"), "raw");
	CHECK_STR(value(&r, "with space.img", "capacity"), "5");
	snprintf(target, sizeof(target), "%s/with space.img", root);
	CHECK_STR(value(&r, "with space.img", "path"), target);
	CHECK_STR(value(&r, "with space.img", "key"), target);
	CHECK_STR(value(&r, ".hidden", "type"), "file");
	CHECK_STR(value(&r, "lost+found", "type"), "dir");
	CHECK_STR(value(&r, "lost+found", "format"), "dir");
	CHECK_STR(value(&r, "dirlink", "type"), "dir");
	CHECK_STR(value(&r, "disk.qcow2", "format"), "qcow2");
	CHECK_STR(value(&r, "disk.qcow2", "capacity"), "1073741824");
	CHECK_STR(value(&r, "disk.qcow2", "physical"), "512");
	CHECK_STR(value(&r, "link", "format"), "qcow2");
	CHECK_STR(buf_str(&r.notes), "");
	CHECK(r.sizes.capacity > 0 && r.sizes.capacity == r.sizes.allocation + r.sizes.available);
	result_free(&r);
	remove_tree(root);
}

/* Opening any of these would wait for ever, do something, or fail: the alarm ends a test that tries. */
static void skips_what_is_no_volume_without_opening_it(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct result r;

	setup();
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", root);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	close(fd);
	CHECK(mkfifo(at("fifo"), 0600) == 0);
	CHECK(symlink("fifo", at("fifolink")) == 0);
	CHECK(symlink("/dev/zero", at("zero")) == 0);
	CHECK(symlink("nothing", at("dangling")) == 0);
	CHECK(symlink("loop", at("loop")) == 0);
	write_file("new\nline", "x", 1);
	write_file("escape\033[31m", "x", 1);
	write_file("latin\xe9", "x", 1);
	write_file("c1\xc2\x85", "x", 1);
	write_file("good", "x", 1);
	alarm(10);
	refresh(&r, root, NULL);
	alarm(0);
	CHECK_INT(r.rc, 0);
	CHECK_INT(r.volumes, 1);
	CHECK(value(&r, "good", "path") != NULL);
	CHECK(strstr(buf_str(&r.notes), "4 entries with control characters") != NULL);
	CHECK(strstr(buf_str(&r.notes), "2 entries that are links to nothing") != NULL);
	CHECK(strstr(buf_str(&r.notes), "4 entries that are FIFOs") != NULL);
	CHECK(strchr(buf_str(&r.notes), '\033') == NULL);
	result_free(&r);
	remove_tree(root);
}

static void names_that_need_quoting_come_back(void)
{
	static const char *const names[] = { "a=b", "quote\"d", "back\\slash", "--flag", "- name=x", ("gr\xc3\xbc\xc3\x9f" "e"), " lead", "=" };
	struct result r;

	setup();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		write_file(names[i], "x", 1);
	refresh(&r, root, NULL);
	CHECK_INT(r.volumes, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CHECK_STR(value(&r, names[i], "capacity"), "1");
	result_free(&r);
	remove_tree(root);
}

/* One bad file must not fail the pool: a qcow2 header cut off between 32 and 99 bytes once took whole pools down. */
static void a_broken_header_is_a_volume_with_a_problem(void)
{
	struct result r;
	char name[16];

	setup();
	for (size_t len = 1; len <= 104; len++) {
		snprintf(name, sizeof(name), "cut%zu", len);
		write_file(name, qcow2, len);
	}
	refresh(&r, root, NULL);
	CHECK_INT(r.rc, 0);
	CHECK_INT(r.volumes, 104);
	CHECK(value(&r, "cut40", "problem") != NULL);
	CHECK(value(&r, "cut99", "problem") != NULL);
	CHECK_STR(value(&r, "cut1", "format"), "raw");
	result_free(&r);
	remove_tree(root);
}

static void an_unreadable_file_is_listed_with_its_problem(void)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct result r;

		setup();
		write_file("secret", "x", 1);
		write_file("open", "x", 1);
		CHECK(chmod(root, 0755) == 0 && chmod(at("secret"), 0) == 0 && chmod(at("open"), 0644) == 0);
		if (geteuid() == 0)
			CHECK(seteuid(65534) == 0);
		refresh(&r, root, NULL);
		CHECK_INT(r.rc, 0);
		CHECK_INT(r.volumes, 2);
		CHECK_STR(value(&r, "secret", "problem"), "cannot be read: Permission denied");
		CHECK_STR(value(&r, "secret", "capacity"), "1");
		CHECK(value(&r, "open", "problem") == NULL);    /* not its owner: O_NOATIME is refused, and done without */
		result_free(&r);
		if (getuid() == 0)
			CHECK(seteuid(0) == 0);
		remove_tree(root);
		fflush(stdout);
		_exit(check_case_failed);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_missing_directory_is_an_error(void)
{
	struct result r;

	setup();
	refresh(&r, at("nowhere"), NULL);
	CHECK(r.rc < 0);
	CHECK(strstr(r.e.message, "cannot list directory ") == r.e.message);
	CHECK_INT(r.e.sys, ENOENT);
	result_free(&r);
	write_file("file", "x", 1);
	refresh(&r, at("file"), NULL);
	CHECK(r.rc < 0);
	CHECK_INT(r.e.sys, ENOTDIR);
	result_free(&r);
	remove_tree(root);
}

/* ---- the cache ---- */

/* Refresh until no file was written too recently to be trusted. */
static void refresh_settled(struct result *r, const char *name)
{
	uint64_t deadline = clock_ms() + SECONDS(10);

	for (;;) {
		const char *inode;

		refresh(r, root, NULL);
		inode = value(r, name, "inode");
		if ((inode && !streq(inode, "0")) || clock_ms() > deadline)
			return;
		result_free(r);
	}
}

/* The records of r with every "format=qcow2" made a "format=qcowX": what shows it was not read from the file. */
static char *doctored(struct result *r)
{
	char *text = strdup(buf_str(&r->records));

	for (char *p = text; p && (p = strstr(p, "format=qcow2")); p++)
		memcpy(p, "format=qcowX", 12);
	return text;
}

static void an_unchanged_file_is_not_read_again(void)
{
	static const char *const names[] = { "plain", "a b", "q\"uote", "zz=1" };
	struct result r, again;

	setup();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		write_file(names[i], qcow2, sizeof(qcow2));
	refresh_settled(&r, names[ARRAY_LEN(names) - 1]);
	cleanup_free char *cache = doctored(&r);
	refresh(&again, root, cache);
	CHECK_INT(again.volumes, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK_STR(value(&again, names[i], "format"), "qcowX");
		CHECK_STR(value(&again, names[i], "capacity"), "1073741824");
	}
	result_free(&again);
	result_free(&r);
	remove_tree(root);
}

static void a_changed_file_is_read_again(void)
{
	struct result r, again;

	setup();
	write_file("touched", qcow2, sizeof(qcow2));
	write_file("replaced", qcow2, sizeof(qcow2));
	write_file("grown", qcow2, sizeof(qcow2));
	write_file("renamed", qcow2, sizeof(qcow2));
	write_file("same", qcow2, sizeof(qcow2));
	refresh_settled(&r, "same");
	cleanup_free char *cache = doctored(&r);
	CHECK(utimensat(AT_FDCWD, at("touched"), NULL, 0) == 0);
	write_file("other", qcow2, sizeof(qcow2));
	CHECK(rename(at("other"), at("replaced")) == 0);
	CHECK(truncate(at("grown"), 1024) == 0);
	CHECK(rename(at("renamed"), at("new name")) == 0);
	refresh(&again, root, cache);
	CHECK_INT(again.volumes, 5);
	CHECK_STR(value(&again, "same", "format"), "qcowX");
	CHECK_STR(value(&again, "touched", "format"), "qcow2");
	CHECK_STR(value(&again, "replaced", "format"), "qcow2");
	CHECK_STR(value(&again, "grown", "format"), "qcow2");
	CHECK_STR(value(&again, "new name", "format"), "qcow2");
	CHECK(value(&again, "renamed", "format") == NULL);
	result_free(&again);
	result_free(&r);
	remove_tree(root);
}

/* Written within the clock's grain: its times may stay the same when it is written again. */
static void a_file_written_just_now_is_not_trusted(void)
{
	struct result r, again;

	setup();
	write_file("fresh", qcow2, sizeof(qcow2));
	refresh(&r, root, NULL);
	const char *inode = value(&r, "fresh", "inode");

	if (!inode || streq(inode, "0")) {      /* else this machine was too slow to see it */
		cleanup_free char *cache = doctored(&r);

		refresh(&again, root, cache);
		CHECK_STR(value(&again, "fresh", "format"), "qcow2");
		result_free(&again);
	}
	result_free(&r);
	remove_tree(root);
}

static void a_damaged_cache_does_no_harm(void)
{
	static const char *const caches[] = {
		"", "\n", "\n\n\n", "garbage", "garbage\n", "- name=", "- name=\n", "- name=\"f\n", "- name=\"f\\", "- name=f\n", "- name=f type=file\n",
		"- name=f type=file path=/f key=/f capacity=99999999999999999999 inode=1\n- name=f type=dir\n- name=f\n", "=\n=\n", "- name=f inode=x physical=-1",
	};
	struct result r;

	setup();
	write_file("f", qcow2, sizeof(qcow2));
	for (size_t i = 0; i < ARRAY_LEN(caches); i++) {
		refresh(&r, root, caches[i]);
		CHECK_INT(r.rc, 0);
		CHECK_INT(r.volumes, 1);
		CHECK_STR(value(&r, "f", "format"), "qcow2");
		result_free(&r);
	}
	remove_tree(root);
}

/* ---- building ---- */

static int build(const char *target, struct pool_perms perms, int cow, struct err *e)
{
	struct pool_def d = { .type = POOL_DIR, .target = { .path = target, .perms = perms }, .cow = cow };
	struct op op = { .deadline = NEVER };

	*e = (struct err){ 0 };
	return files_build(&d, &op, e);
}

#define NO_PERMS ((struct pool_perms){ .mode = -1, .owner = -1, .group = -1 })

static unsigned mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void builds_the_directory_and_its_parents(void)
{
	struct err e;
	mode_t mask = umask(077);

	setup();
	CHECK(build(at("a/b/c"), NO_PERMS, -1, &e) == 0);
	CHECK_INT(mode_of(at("a/b/c")), 0711);
	CHECK(build(at("d"), (struct pool_perms){ .given = true, .mode = 02775, .owner = (int64_t)getuid(), .group = (int64_t)getgid() }, -1, &e) == 0);
	CHECK_INT(mode_of(at("d")), 02775);
	umask(mask);
	remove_tree(root);
}

static void leaves_an_existing_directory_as_it_is(void)
{
	struct err e;

	setup();
	CHECK(mkdir(at("there"), 0700) == 0);
	write_file("there/file", "x", 1);
	CHECK(build(at("there"), NO_PERMS, -1, &e) == 0);
	CHECK_INT(mode_of(at("there")), 0700);
	CHECK(access(at("there/file"), F_OK) == 0);
	CHECK(build(at("there"), (struct pool_perms){ .given = true, .mode = 0750, .owner = -1, .group = -1 }, -1, &e) == 0);
	CHECK_INT(mode_of(at("there")), 0750);
	remove_tree(root);
}

static void building_fails_where_a_file_is_in_the_way(void)
{
	struct err e;

	setup();
	write_file("file", "x", 1);
	CHECK(build(at("file"), NO_PERMS, -1, &e) < 0);
	CHECK_INT(e.sys, ENOTDIR);
	CHECK(build(at("file/below"), NO_PERMS, -1, &e) < 0);
	CHECK(build("relative", NO_PERMS, -1, &e) < 0 && err_is(&e, ERR_INVALID));
	CHECK_INT(mode_of(at("file")), 0600);
	remove_tree(root);
}

static void copy_on_write_can_only_be_set_on_btrfs(void)
{
	struct err e;

	setup();                                /* /tmp is not on btrfs where this runs; if it is, nothing is shown */
	if (build(at("cow"), NO_PERMS, 1, &e) < 0) {
		CHECK(err_is(&e, ERR_UNSUPPORTED));
		CHECK(strstr(e.message, "is not on btrfs") != NULL);
	}
	remove_tree(root);
}

int main(void)
{
	RUN(lists_files_directories_and_devices);
	RUN(skips_what_is_no_volume_without_opening_it);
	RUN(names_that_need_quoting_come_back);
	RUN(a_broken_header_is_a_volume_with_a_problem);
	RUN(an_unreadable_file_is_listed_with_its_problem);
	RUN(a_missing_directory_is_an_error);
	RUN(an_unchanged_file_is_not_read_again);
	RUN(a_changed_file_is_read_again);
	RUN(a_file_written_just_now_is_not_trusted);
	RUN(a_damaged_cache_does_no_harm);
	RUN(builds_the_directory_and_its_parents);
	RUN(leaves_an_existing_directory_as_it_is);
	RUN(building_fails_where_a_file_is_in_the_way);
	RUN(copy_on_write_can_only_be_set_on_btrfs);
	return check_done();
}
