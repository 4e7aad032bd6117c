/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keeping secrets: which definitions are let in, which directory they and their values go to, what is left
 * after a change.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "pool/secret/store.h"

#define U1 "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"
#define U2 "10ed4ad4-c7b0-4696-b574-b40e04fea84b"
#define U3 "00000000-0000-4000-8000-000000000003"

static char base[] = "/tmp/test_secret_store.XXXXXX", run_dir[PATH_MAX], config[PATH_MAX], foreign[PATH_MAX];
static const char *dirs[4];
static struct secret_store st;
static struct err e;
static enum secret_kept kept;

static bool there(const char *dir, const char *name)
{
	char path[PATH_MAX];

	fixture_path(path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static bool mode_is(const char *dir, const char *name, unsigned mode)
{
	char path[PATH_MAX];
	struct stat info;

	fixture_path(path, "%s/%s", dir, name);
	return stat(path, &info) == 0 && (info.st_mode & 07777) == mode;
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];

	fixture_path(path, "%s/%s", dir, name);
	CHECK(file_mkdirs(dir, 0700, &e) == 0 &&
	      file_replace(AT_FDCWD, path, text, strlen(text), 0600, &e) == 0);
}

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
}

static void fresh(void)
{
	empty(run_dir);
	empty(config);
	empty(foreign);
	err_clear(&e);
}

static int define(const char *uuid, const char *flags, const char *usage)
{
	struct secret_def s;
	char xml[600];
	int result;

	snprintf(xml, sizeof(xml),
	         "<secret %s><uuid>%s</uuid><description>a &lt;b&gt;</description>%s</secret>", flags, uuid,
	         usage);
	err_clear(&e);
	if (secret_read(&s, xml, strlen(xml), "test", &e) < 0)
		return -1;
	result = secret_store_define(&st, &s, &kept, &e);
	secret_def_free(&s);
	return result;
}

#define ISCSI(t) "<usage type='iscsi'><target>" t "</target></usage>"
#define CEPH(t)  "<usage type='ceph'><name>" t "</name></usage>"

static int set(const char *which, const char *value)
{
	struct secret_def s;
	const char *dir;
	int result;

	err_clear(&e);
	if (secret_store_find(&st, which, &s, &dir, &e) < 0)
		return -1;
	result = secret_store_set(&st, &s, dir, value, strlen(value), &kept, &e);
	secret_def_free(&s);
	return result;
}

static bool value_is(const char *which, const char *want)
{
	struct secret_value v = { 0 };
	struct secret_def s;
	const char *dir;
	bool good;

	err_clear(&e);
	if (secret_store_find(&st, which, &s, &dir, &e) < 0)
		return false;
	good = secret_load_value(dir, &s.uuid, &v, &e) == 0 && v.len == strlen(want) &&
	       memcmp(v.data, want, v.len) == 0;
	secret_value_free(&v);
	secret_def_free(&s);
	return good;
}

static int forget(const char *which)
{
	struct secret_def s;
	const char *dir;
	int result;

	err_clear(&e);
	if (secret_store_find(&st, which, &s, &dir, &e) < 0)
		return -1;
	result = secret_store_forget(&st, &s, &e);
	secret_def_free(&s);
	return result;
}

static int count_one(const struct secret_def *s, bool has_value, void *arg)
{
	(void)s;
	*(int *)arg += has_value ? 100 : 1;
	return 0;
}

static int count(void)
{
	int n = 0;

	return secret_store_each(&st, count_one, &n, &e) < 0 ? -1 : n;
}

/* ---- cases ---- */

static void a_secret_is_kept_with_its_value(void)
{
	fresh();
	CHECK_INT(define(U1, "private='yes'", ISCSI("t1")), 0);
	CHECK_INT(kept, KEPT_CONFIG);
	CHECK(mode_is(config, U1 ".xml", 0600) && mode_is(config, ".", 0700) &&
	      !there(config, U1 ".base64") && !there(run_dir, "."));
	CHECK_INT(count(), 1);
	CHECK_INT(set("t1", "one"), 0);
	CHECK(mode_is(config, U1 ".base64", 0600) && value_is(U1, "one") && value_is("t1", "one"));
	CHECK_INT(set(U1, "two"), 0);
	CHECK(value_is(U1, "two"));
	CHECK_INT(count(), 100);
	CHECK_INT(define(U1, "private='yes'", ISCSI("t1")), 0);
	CHECK(value_is(U1, "two"));
	CHECK_INT(forget("t1"), 0);
	CHECK(!there(config, U1 ".xml") && !there(config, U1 ".base64") && count() == 0);
	CHECK(forget("t1") < 0 && err_is(&e, ERR_NO_SECRET));
}

static void identity_is_libvirts(void)
{
	fresh();
	CHECK_INT(define(U1, "private='yes'", ISCSI("t1")), 0);
	CHECK(define(U2, "", ISCSI("t1")) < 0 && err_is(&e, ERR_EXISTS) && strstr(e.message, U1) &&
	      strstr(e.message, "iscsi t1"));
	CHECK(define(U1, "private='yes'", ISCSI("t2")) < 0 && err_is(&e, ERR_EXISTS));
	CHECK(define(U1, "private='yes'", CEPH("t1")) < 0 && err_is(&e, ERR_EXISTS));
	CHECK(define(U1, "private='yes'", "") < 0 && err_is(&e, ERR_EXISTS));
	CHECK(define(U1, "private='no'", ISCSI("t1")) < 0 && err_is(&e, ERR_DENIED) &&
	      strstr(e.message, "private"));
	CHECK_INT(define(U2, "", CEPH("t1")), 0); /* another kind of use */
	CHECK(set("t1", "x") < 0 && err_is(&e, ERR_INVALID) && strstr(e.message, "2 secrets"));
	CHECK_INT(define(U2, "private='yes'", CEPH("t1")), 0);
	CHECK_INT(define(U3, "", ""), 0);
	/* for nothing: as many as one likes */
	CHECK_INT(define("00000000-0000-4000-8000-000000000004", "", ""), 0);
	CHECK_INT(count(), 4);
}

static void an_ephemeral_one_never_reaches_the_configuration(void)
{
	fresh();
	CHECK_INT(define(U1, "ephemeral='yes'", ISCSI("t1")), 0);
	CHECK_INT(kept, KEPT_RUN);
	CHECK_INT(set(U1, "short lived"), 0);
	CHECK_INT(kept, KEPT_RUN);
	CHECK(!there(config, ".") && mode_is(run_dir, U1 ".base64", 0600) && mode_is(run_dir, ".", 0700) &&
	      value_is("t1", "short lived"));
	CHECK_INT(forget(U1), 0);
	CHECK(!there(run_dir, U1 ".xml") && !there(run_dir, U1 ".base64"));
}

static void the_value_moves_with_the_flag(void)
{
	fresh();
	CHECK(define(U1, "ephemeral='no'", ISCSI("t1")) == 0 && set(U1, "value") == 0);
	CHECK_INT(define(U1, "ephemeral='yes'", ISCSI("t1")), 0);
	CHECK(!there(config, U1 ".xml") && !there(config, U1 ".base64") && value_is(U1, "value"));
	CHECK_INT(define(U1, "ephemeral='no'", ISCSI("t1")), 0);
	CHECK(!there(run_dir, U1 ".xml") && !there(run_dir, U1 ".base64") && value_is(U1, "value") &&
	      kept == KEPT_CONFIG);
	put(config, U1 ".base64", "%%%");
	CHECK_INT(define(U1, "ephemeral='yes'", ISCSI("t1")), 0);
	CHECK(!there(run_dir, U1 ".base64") && !there(config, U1 ".base64") && there(run_dir, U1 ".xml"));
}

static void what_a_crash_left_is_swept_away(void)
{
	fresh();
	CHECK(define(U1, "", ISCSI("t1")) == 0 && set(U1, "value") == 0);
	put(config, "." U1 ".base64.abc123", "aGFsZg==");
	put(config, "." U1 ".xml.abc123", "<secr");
	put(config, ".other.abc123", "");
	put(config, "." U1 ".base64", "");
	put(config, U1 ".base64.abc123", "");
	secret_store_sweep(&st);
	CHECK(!there(config, "." U1 ".base64.abc123") && !there(config, "." U1 ".xml.abc123"));
	CHECK(there(config, ".other.abc123") && there(config, "." U1 ".base64") &&
	      there(config, U1 ".base64.abc123") && value_is(U1, "value"));
}

static void files_that_are_no_secret_are_passed_over(void)
{
	fresh();
	CHECK_INT(define(U1, "", ISCSI("t1")), 0);
	put(config, U2 ".xml", "<secret><uuid>" U3 "</uuid></secret>"); /* another's */
	put(config, U3 ".xml", "<secret");
	put(config, "readme.xml", "<secret/>");
	put(config, "orphan.base64", "eA==");
	CHECK_INT(count(), 1);
	CHECK(set(U2, "x") < 0 && err_is(&e, ERR_NO_SECRET));
	CHECK(set("", "x") < 0 && err_is(&e, ERR_NO_SECRET));
	CHECK_INT(define(U3, "", ISCSI("t3")), 0); /* in its place */
	CHECK_INT(count(), 2);
}

static void a_directory_that_is_only_read_stays_as_it_is(void)
{
	fresh();
	put(foreign, U1 ".xml",
	    "<secret ephemeral='no' private='no'><uuid>" U1 "</uuid>" ISCSI("t1") "</secret>");
	put(foreign, U1 ".base64", "b2xk");
	CHECK(value_is("t1", "old"));
	CHECK_INT(set("t1", "new"), 0);
	CHECK(value_is("t1", "new") && kept == KEPT_CONFIG && there(config, U1 ".xml") &&
	      there(config, U1 ".base64"));
	CHECK(forget("t1") < 0 && err_is(&e, ERR_STATE) && strstr(e.message, foreign));
	CHECK(value_is("t1", "new") && there(foreign, U1 ".xml") && there(foreign, U1 ".base64"));
	empty(config);
	CHECK_INT(define(U1, "private='yes'", ISCSI("t1")), 0);
	CHECK(value_is("t1", "old") && there(config, U1 ".base64"));
}

/* A file where the directory should be: not a matter of rights, so that it fails for root as well. */
static void what_cannot_be_written_changes_nothing(void)
{
	char path[PATH_MAX];

	fresh();
	put(base, "config", "a file");
	CHECK(define(U1, "", ISCSI("t1")) < 0 && strstr(e.message, config));
	CHECK_INT(count(), 0);
	CHECK(!there(run_dir, "."));
	fixture_path(path, "%s/config", base);
	unlink(path);
}

int main(void)
{
	if (!mkdtemp(base))
		return 1;
	fixture_path(run_dir, "%s/run", base);
	fixture_path(config, "%s/config", base);
	fixture_path(foreign, "%s/foreign", base);
	dirs[0] = run_dir;
	dirs[1] = config;
	dirs[2] = foreign;
	st = (struct secret_store){ .dirs = dirs, .config = config, .run = run_dir };
	RUN(a_secret_is_kept_with_its_value);
	RUN(identity_is_libvirts);
	RUN(an_ephemeral_one_never_reaches_the_configuration);
	RUN(the_value_moves_with_the_flag);
	RUN(what_a_crash_left_is_swept_away);
	RUN(files_that_are_no_secret_are_passed_over);
	RUN(a_directory_that_is_only_read_stays_as_it_is);
	RUN(what_cannot_be_written_changes_nothing);
	fresh();
	rmdir(base);
	return check_done();
}
