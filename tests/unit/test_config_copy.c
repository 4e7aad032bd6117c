/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Copying the secrets of a configuration directory: all that can be, as root's alone, and the first that
 * cannot is named.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/util.h"
#include "check.h"
#include "supervisor/config/config.h"

#define A "00000000-0000-0000-0000-00000000000a"
#define B "00000000-0000-0000-0000-00000000000b"

static char dir[] = "/tmp/poolinit-test-XXXXXX";
static char from[200], to[200];

static void put(const char *name, const char *text, size_t len)
{
	char path[400];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/secrets/%s", from, name);
	CHECK(file_replace(AT_FDCWD, path, text, len, 0644, &e) == 0);
}

/* Its text in the copy, or NULL. */
static const char *copied(const char *name, struct buf *text)
{
	char path[400];

	buf_reset(text);
	snprintf(path, sizeof(path), "%s/%s", to, name);
	return file_read(AT_FDCWD, path, 1 << 20, text, NULL) == 0 ? buf_str(text) : NULL;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

static void no_directory_of_secrets_is_none(void)
{
	struct err e = { 0 };

	CHECK_INT(config_copy_secrets("/nonexistent", to, &e), 0);
	CHECK(access(to, F_OK) < 0);
}

static void what_is_copied_is_for_its_owner_alone(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = { 0 };
	char path[400];

	put(A ".xml", "definition", 10);
	put(A ".base64", "dmFsdWU=\n", 9);
	put(".hidden.xml", "x", 1);
	put("notes.txt", "x", 1);
	CHECK_INT(config_copy_secrets(from, to, &e), 0);
	CHECK_STR(copied(A ".xml", &text), "definition");
	CHECK_STR(copied(A ".base64", &text), "dmFsdWU=\n");
	CHECK(!copied(".hidden.xml", &text) && !copied("notes.txt", &text));
	CHECK_INT(mode_of(to), 0700);
	snprintf(path, sizeof(path), "%s/" A ".base64", to);
	CHECK_INT(mode_of(path), 0600);
}

/* The largest value there may be, in base64 with line ends, is not too large a file. */
static void a_value_of_64_kib_is_copied(void)
{
	cleanup_buf struct buf text = BUF_INIT, value = BUF_INIT;
	struct err e = { 0 };

	for (int i = 0; i < 64 * 1024 / 57 + 1; i++) {
		for (int k = 0; k < 76; k++)
			buf_addc(&value, 'A');
		buf_addc(&value, '\n');
	}
	put(A ".base64", value.data, value.len);
	CHECK_INT(config_copy_secrets(from, to, &e), 0);
	CHECK(copied(A ".base64", &text) && text.len == value.len);
}

static void one_that_cannot_be_copied_keeps_no_other_back_and_is_named(void)
{
	cleanup_buf struct buf text = BUF_INIT, huge = BUF_INIT;
	struct err e = { 0 };
	char path[400];

	for (int i = 0; i < 200 * 1024; i++)
		buf_addc(&huge, 'A');
	put(A ".base64", huge.data, huge.len);
	put(A ".xml", "newer", 5);
	put(B ".xml", "other", 5);
	snprintf(path, sizeof(path), "%s/secrets/" B ".base64", from);
	CHECK(mkdir(path, 0700) == 0);
	CHECK_INT(config_copy_secrets(from, to, &e), -1);
	CHECK(strstr(e.message, A ".base64") && strstr(e.message, from)); /* the first by name */
	CHECK(!strstr(e.message, B));
	CHECK_STR(copied(A ".xml", &text), "newer");
	CHECK_STR(copied(B ".xml", &text), "other");
	CHECK(rmdir(path) == 0);
}

static void a_link_is_not_replaced_through(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = { 0 };
	char path[400], victim[400];
	struct stat st;

	snprintf(victim, sizeof(victim), "%s/victim", dir);
	snprintf(path, sizeof(path), "%s/" B ".xml", to);
	CHECK(file_replace(AT_FDCWD, victim, "untouched", 9, 0644, &e) == 0);
	CHECK(unlink(path) == 0 && symlink(victim, path) == 0);
	put(A ".base64", "dmFsdWU=\n", 9);
	CHECK_INT(config_copy_secrets(from, to, &e), 0);
	CHECK(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
	CHECK(file_read(AT_FDCWD, victim, 100, &text, &e) == 0);
	CHECK_STR(buf_str(&text), "untouched");
}

static void remove_all(void)
{
	char path[300];
	const char *const places[] = { to, from };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		static const char *const names[] = { A ".xml", A ".base64", B ".xml", ".hidden.xml",
			                             "notes.txt" };

		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			snprintf(path, sizeof(path), "%s/%s%s", places[i], i ? "secrets/" : "", names[k]);
			unlink(path);
		}
	}
	snprintf(path, sizeof(path), "%s/secrets", from);
	rmdir(path);
	rmdir(from);
	rmdir(to);
	snprintf(path, sizeof(path), "%s/victim", dir);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	char path[300];
	struct err e = { 0 };

	if (!mkdtemp(dir))
		return 1;
	snprintf(from, sizeof(from), "%s/from", dir);
	snprintf(to, sizeof(to), "%s/to", dir);
	snprintf(path, sizeof(path), "%s/secrets", from);
	if (file_mkdirs(path, 0755, &e) < 0)
		return 1;
	RUN(no_directory_of_secrets_is_none);
	RUN(what_is_copied_is_for_its_owner_alone);
	RUN(a_value_of_64_kib_is_copied);
	RUN(one_that_cannot_be_copied_keeps_no_other_back_and_is_named);
	RUN(a_link_is_not_replaced_through);
	remove_all();
	return check_done();
}
