/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A directory's files as volumes: what is listed, what is not, what is opened again, and what cannot take the pool down.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "volumes/directory/list.h"
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

#define SEED 77

/* What an earlier refresh has left, by the records that it would have found. Lines that are none do not come into an index. */
static void index_of(struct volindex *x, const char *records)
{
	cleanup_free char *copy = strdup(records);
	struct volindex_builder b = { 0 };
	int fd = memfd_create("index", MFD_CLOEXEC);
	struct err e = { 0 };
	struct stat st;

	for (char *at = copy, *lf; (lf = strchr(at, '\n')); at = lf + 1) {
		struct volume v;
		struct line l;

		if (line_parse_reply(at, (size_t)(lf - at), &l, NULL) == 0 && volume_from_record(&l, &v, NULL) == 0)
			volindex_add(&b, &v, SEED, false);
	}
	CHECK(volindex_write(&b, SEED, fd, &e) == 0 && fstat(fd, &st) == 0);
	volindex_builder_free(&b);
	CHECK(volindex_open(x, mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), (size_t)st.st_size));
	close(fd);
}

static void refresh_with(struct result *r, struct op *op)
{
	struct pool_def d = { .type = POOL_DIR, .target.path = root };

	*r = (struct result){ 0 };
	op->deadline = NEVER;
	op->arg = r;
	op->on_volume = on_volume;
	op->on_note = on_note;
	op->seed = SEED;
	r->rc = files_refresh(&d, op, &r->sizes, &r->e);
}

static void refresh(struct result *r, const char *target, const char *cache)
{
	struct pool_def d = { .type = POOL_DIR, .target.path = target };
	struct volindex x;
	struct op op = { .deadline = NEVER, .arg = r, .on_volume = on_volume, .on_note = on_note, .seed = SEED, .index = cache ? &x : NULL };

	if (cache)
		index_of(&x, cache);
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

/* An index that is not what it says: entries that lead elsewhere, records of other names, numbers beyond everything. */
static void a_hostile_index_does_no_harm(void)
{
	struct result r, again;

	setup();
	for (char name[2] = "a"; name[0] <= 'h'; name[0]++)
		write_file(name, qcow2, sizeof(qcow2));
	refresh_settled(&r, "h");
	for (unsigned kind = 0; kind < 8; kind++) {
		struct volindex x;
		struct op op = { .index = &x };

		index_of(&x, buf_str(&r.records));
		CHECK_INT(x.n, 8);
		for (size_t i = 0; i < x.n; i++) {
			struct volindex_entry *e = (struct volindex_entry *)(uintptr_t)&x.base.entries[i];

			if (kind == 0)
				e->offset = UINT64_MAX - 10;
			else if (kind == 1)
				e->len = UINT32_MAX;
			else if (kind == 2)
				e->len = 1;
			else if (kind == 3)
				e->offset = x.base.entries[7 - i].offset;
			else if (kind == 4)
				e->len = x.base.entries[0].len / 2;
			else if (kind == 5)
				memset((char *)(uintptr_t)x.base.records + e->offset, '"', e->len - 1);
			else if (kind == 6)
				e->name = x.base.entries[0].name;
			else
				((uint32_t *)(uintptr_t)x.base.slots)[i] = 0x80000000u + (uint32_t)i;
		}
		refresh_with(&again, &op);
		CHECK(again.rc == 0 || again.e.message[0]);
		if (again.rc == 0)
			CHECK_INT(again.volumes, 8);
		result_free(&again);
	}
	result_free(&r);
	remove_tree(root);
}

/* ---- some names only ---- */

static void only_some_names_are_looked_at(void)
{
	const char *const only[] = { "changed", "gone", "new", "never", "..", "a/b", "same", NULL };
	struct result r, again;
	struct volindex x;
	struct op op = { .index = &x, .only = only };

	setup();
	write_file("alone", qcow2, sizeof(qcow2));
	write_file("changed", qcow2, sizeof(qcow2));
	write_file("gone", qcow2, sizeof(qcow2));
	write_file("same", qcow2, sizeof(qcow2));
	write_file("zz", qcow2, sizeof(qcow2));
	refresh_settled(&r, "zz");
	cleanup_free char *cache = doctored(&r);
	index_of(&x, cache);
	CHECK(unlink(at("gone")) == 0 && unlink(at("zz")) == 0 && truncate(at("changed"), 2048) == 0);
	write_file("new", qcow2, sizeof(qcow2));
	refresh_with(&again, &op);
	CHECK_INT(again.rc, 0);
	CHECK_INT(again.volumes, 5);
	CHECK_STR(value(&again, "alone", "format"), "qcowX");
	CHECK_STR(value(&again, "same", "format"), "qcowX");
	CHECK_STR(value(&again, "zz", "format"), "qcowX");      /* nobody asked to look */
	CHECK_STR(value(&again, "changed", "physical"), "2048");
	CHECK_STR(value(&again, "new", "format"), "qcow2");
	CHECK(value(&again, "gone", "type") == NULL);
	/* in order, as before */
	const char *last = "";
	for (const char *p = buf_str(&again.records), *lf; (lf = strchr(p, '\n')); p = lf + 1) {
		CHECK(strcmp(last, p) < 0);
		last = p;
	}
	result_free(&again);
	result_free(&r);
	remove_tree(root);
}

struct verdict { bool told, unchanged; size_t n; };

static int on_index(struct op *op, struct volindex_builder *b, struct err *e)
{
	struct verdict *v = op->arg;

	(void)e;
	*v = (struct verdict){ true, !b, b ? b->n : 0 };
	return 0;
}

static struct verdict verdict_of(const struct volindex *x, const char *const *only)
{
	struct pool_def d = { .type = POOL_DIR, .target.path = root };
	struct verdict v = { 0 };
	struct op op = { .deadline = NEVER, .arg = &v, .on_index = on_index, .seed = SEED, .index = x, .only = only };
	struct pool_sizes sizes;
	struct err e;

	CHECK(files_refresh(&d, &op, &sizes, &e) == 0 && v.told);
	return v;
}

static void what_is_unchanged_is_said_to_be(void)
{
	struct result r;
	struct volindex x;

	setup();
	write_file("one", qcow2, sizeof(qcow2));
	write_file("two", qcow2, sizeof(qcow2));
	CHECK(mkdir(at("sub"), 0700) == 0);
	refresh_settled(&r, "two");
	index_of(&x, buf_str(&r.records));
	CHECK(verdict_of(&x, NULL).unchanged);
	CHECK(verdict_of(&x, (const char *const []){ "one", "never", NULL }).unchanged);
	CHECK(verdict_of(&x, (const char *const []){ NULL }).unchanged);
	CHECK(!verdict_of(NULL, NULL).unchanged);
	CHECK(chmod(at("sub"), 0755) == 0);
	CHECK(!verdict_of(&x, NULL).unchanged);
	CHECK(verdict_of(&x, (const char *const []){ "one", NULL }).unchanged);
	CHECK(chmod(at("sub"), 0700) == 0);
	CHECK(unlink(at("one")) == 0);
	CHECK_INT(verdict_of(&x, NULL).n, 2);
	CHECK_INT(verdict_of(&x, (const char *const []){ "one", NULL }).n, 2);
	CHECK(verdict_of(&x, (const char *const []){ "two", NULL }).unchanged);
	result_free(&r);
	remove_tree(root);
}

/* Only when it was read is not worth reading it again, nor losing what is known. */
static void a_file_that_was_only_read_keeps_its_facts(void)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_nsec = UTIME_OMIT } };
	struct result r, again;

	setup();
	write_file("read", qcow2, sizeof(qcow2));
	write_file("other", qcow2, sizeof(qcow2));
	CHECK(utimensat(AT_FDCWD, at("read"), times, 0) == 0);
	refresh_settled(&r, "other");
	cleanup_free char *cache = doctored(&r);
	char *atime = strstr(cache, "atime=1.000000000");
	CHECK(atime != NULL);
	if (atime)
		memcpy(atime, "atime=2", 7);
	refresh(&again, root, cache);
	CHECK_STR(value(&again, "read", "atime"), "1.000000000");
	CHECK_STR(value(&again, "read", "format"), "qcowX");
	CHECK_STR(value(&again, "read", "capacity"), "1073741824");
	result_free(&again);
	result_free(&r);
	remove_tree(root);
}

/* ---- what is not finished ---- */

static void what_is_not_finished_is_no_volume(void)
{
	struct result r;
	struct op op = { 0 };
	int fd;

	setup();
	write_file(".poolinit-dead0001", "x", 1);
	write_file(".poolinit-alive001", "x", 1);
	write_file("volume", "x", 1);
	CHECK(mkdir(at(".poolinit-deaddir1"), 0700) == 0 && mkdir(at(".poolinit-fulldir1"), 0700) == 0);
	CHECK(symlink("volume", at(".poolinit-link0001")) == 0 && mkfifo(at(".poolinit-fifo0001"), 0600) == 0);
	write_file(".poolinit-fulldir1/file", "x", 1);
	fd = open(at(".poolinit-alive001"), O_RDWR | O_CLOEXEC);
	CHECK(flock(fd, LOCK_EX) == 0);
	refresh_with(&r, &op);                  /* an operation is under way here: nothing is touched */
	CHECK_INT(r.volumes, 1);
	CHECK(access(at(".poolinit-dead0001"), F_OK) == 0);
	result_free(&r);
	op = (struct op){ .sweep = true };
	refresh_with(&r, &op);
	CHECK_INT(r.volumes, 1);
	CHECK(access(at(".poolinit-dead0001"), F_OK) < 0 && access(at(".poolinit-deaddir1"), F_OK) < 0);
	CHECK(access(at(".poolinit-alive001"), F_OK) == 0 && access(at(".poolinit-fulldir1/file"), F_OK) == 0);
	CHECK(access(at(".poolinit-fifo0001"), F_OK) == 0 && access(at(".poolinit-link0001"), F_OK) == 0);
	CHECK(access(at("volume"), F_OK) == 0);
	CHECK(strstr(buf_str(&r.notes), "removed 2 unfinished volumes") != NULL);
	result_free(&r);
	close(fd);
	op = (struct op){ .sweep = true };
	refresh_with(&r, &op);
	CHECK(access(at(".poolinit-alive001"), F_OK) < 0);
	result_free(&r);
	op = (struct op){ .only = (const char *const []){ ".poolinit-fifo0001", NULL } };
	refresh_with(&r, &op);
	CHECK_INT(r.volumes, 0);
	result_free(&r);
	remove_tree(at(".poolinit-fulldir1"));
	remove_tree(root);
}

/* ---- readers ---- */

/* What is read of a file with this in it is the end of whoever reads it. */
static const char deadly[] = "the reader of this dies";

ssize_t pread(int fd, void *out, size_t n, off_t offset)
{
	ssize_t len = syscall(SYS_pread64, fd, out, n, offset);

	if (len >= (ssize_t)sizeof(deadly) - 1 && memcmp(out, deadly, sizeof(deadly) - 1) == 0)
		kill(getpid(), SIGKILL);
	return len;
}

static void a_reader_that_dies_costs_one_volume(void)
{
	struct result r;
	char name[32];

	setup();
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "volume%03d", i);
		if (i % 200 == 7)
			write_file(name, deadly, sizeof(deadly) - 1);
		else
			write_file(name, qcow2, sizeof(qcow2));
	}
	refresh(&r, root, NULL);
	CHECK_INT(r.rc, 0);
	CHECK_INT(r.volumes, 600);
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "volume%03d", i);
		CHECK_STR(value(&r, name, "format"), i % 200 == 7 ? "raw" : "qcow2");
		CHECK_STR(value(&r, name, "problem"), i % 200 == 7 ? "its header brings down whoever reads it" : NULL);
	}
	CHECK_STR(value(&r, "volume007", "physical"), "23");
	CHECK(value(&r, "volume007", "inode") == NULL);         /* next time it is tried again */
	result_free(&r);
	remove_tree(root);
}

/* However many they are, it ends. */
static void a_directory_of_deadly_files_is_listed(void)
{
	struct result r;
	char name[32];

	setup();
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "volume%03d", i);
		write_file(name, deadly, sizeof(deadly) - 1);
	}
	refresh(&r, root, NULL);
	CHECK_INT(r.rc, 0);
	CHECK_INT(r.volumes, 400);
	CHECK(value(&r, "volume000", "problem") && value(&r, "volume399", "problem"));
	result_free(&r);
	remove_tree(root);
}

static void many_files_are_as_one(void)
{
	struct result r, again;
	char name[32];

	setup();
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "%s%04d", i % 3 ? "volume" : "a \"b", 9999 - 3 * i);
		write_file(name, qcow2, i % 2 ? sizeof(qcow2) : 5);
	}
	refresh_settled(&r, "volume1002");       /* the last one made */
	CHECK_INT(r.volumes, 3000);
	const char *last = "";
	for (const char *p = buf_str(&r.records), *lf; (lf = strchr(p, '\n')); p = lf + 1) {
		CHECK(strncmp(last, p, 20) < 0);
		last = p;
	}
	refresh(&again, root, buf_str(&r.records));
	CHECK(streq(buf_str(&again.records), buf_str(&r.records)));
	result_free(&again);
	result_free(&r);
	remove_tree(root);
}

/* Finding 6: what was raw and is something else now has perhaps been written by a guest, who would like the host to believe it. */
static void a_raw_volume_in_disguise_is_told(void)
{
	struct result r, again;

	setup();
	write_file("disk", "raw data", 8);
	write_file("later", "", 0);
	write_file("other", "raw data", 8);
	refresh_settled(&r, "other");
	cleanup_free char *cache = strdup(buf_str(&r.records));
	CHECK_STR(buf_str(&r.notes), "");
	write_file("disk", qcow2, sizeof(qcow2));
	write_file("later", qcow2, sizeof(qcow2));
	refresh(&again, root, cache);
	CHECK_STR(value(&again, "disk", "format"), "qcow2");
	CHECK(strstr(buf_str(&again.notes), "1 entries that were raw have another format now") != NULL);
	CHECK(strstr(buf_str(&again.notes), "the first: disk") != NULL);
	result_free(&again);
	result_free(&r);
	remove_tree(root);
}

/* Data behind holes is found, holes are zeroes, whatever was read before. */
static void headers_behind_holes_are_read(void)
{
	static const unsigned char noise[65536] = { [0 ... 65535] = 0xa5 };
	struct result r;
	char name[32];
	int fd;

	setup();
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "volume%02d", i);
		if (i % 4 == 0) {
			write_file(name, noise, sizeof(noise));
			continue;
		}
		fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		CHECK(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
		if (i % 4 == 1)
			CHECK(pwrite(fd, "CD001", 5, 32769) == 5);
		if (i % 4 == 2)
			CHECK(pwrite(fd, noise, 4096, 0) == 4096);
		close(fd);
	}
	refresh(&r, root, NULL);
	CHECK_INT(r.volumes, 40);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "volume%02d", i);
		CHECK_STR(value(&r, name, "format"), i % 4 == 1 ? "iso" : "raw");
	}
	result_free(&r);
	remove_tree(root);
}

/* ---- building ---- */

static int build(const char *target, struct pool_perms perms, int cow, struct err *e)
{
	struct pool_def d = { .type = POOL_DIR, .target = { .path = target, .perms = perms }, .cow = cow };
	struct op op = { .deadline = NEVER };

	*e = (struct err){ 0 };
	return files_build(&d, &op, 0, e);
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
	RUN(a_hostile_index_does_no_harm);
	RUN(only_some_names_are_looked_at);
	RUN(what_is_unchanged_is_said_to_be);
	RUN(a_file_that_was_only_read_keeps_its_facts);
	RUN(what_is_not_finished_is_no_volume);
	RUN(a_reader_that_dies_costs_one_volume);
	RUN(a_directory_of_deadly_files_is_listed);
	RUN(many_files_are_as_one);
	RUN(a_raw_volume_in_disguise_is_told);
	RUN(headers_behind_holes_are_read);
	RUN(builds_the_directory_and_its_parents);
	RUN(leaves_an_existing_directory_as_it_is);
	RUN(building_fails_where_a_file_is_in_the_way);
	RUN(copy_on_write_can_only_be_set_on_btrfs);
	return check_done();
}
