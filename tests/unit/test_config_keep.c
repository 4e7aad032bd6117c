/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is written in front of a definition that is kept: how to change it, in words that a shell takes as
 * they are, and nothing that the reader sees.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/util.h"
#include "check.h"
#include "pool/def.h"
#include "supervisor/config/config.h"

#define UUID_OF "c7a5fdb2-edaf-9455-926a-d65c16db1809"

static char dir[] = "/tmp/poolinit-test-XXXXXX";

/* The file that config_keep() made of a pool of that name, in its canonical form. */
static bool kept(const char *name, struct buf *file, struct pool_def *d)
{
	cleanup_buf struct buf given = BUF_INIT, xml = BUF_INIT;
	struct err e = { 0 };
	char path[600];

	buf_adds(&given, "<pool type='dir'><name><![CDATA[");
	buf_adds(&given, name);
	buf_adds(&given, "]]></name><uuid>" UUID_OF "</uuid><target><path>/x</path></target></pool>");
	if (pool_read(d, buf_str(&given), given.len, "given", &e) < 0)
		return false;
	pool_print(d, &xml);
	pool_def_free(d);
	if (config_keep(dir, name, NULL, buf_str(&xml), &e) < 0) {
		printf("# %s\n", e.message);
		return false;
	}
	snprintf(path, sizeof(path), "%s/storage/%s.xml", dir, name);
	return file_read(AT_FDCWD, path, 1 << 20, file, &e) == 0 &&
	       pool_read(d, buf_str(file), file->len, "kept", &e) == 0 &&
	       strstr(buf_str(file), buf_str(&xml)) && file_remove(AT_FDCWD, path, &e) == 0;
}

/* The word behind "poolctl pool-edit ". */
static void named(const char *name, const char *word)
{
	cleanup_buf struct buf file = BUF_INIT;
	struct pool_def d = { 0 };
	char got[300] = "";
	const char *at;

	CHECK(kept(name, &file, &d));
	CHECK_STR(d.name, name);
	at = strstr(buf_str(&file), "  poolctl pool-edit ");
	if (at)
		snprintf(got, sizeof(got), "%.*s", (int)strcspn(at + 20, "\n"), at + 20);
	CHECK_STR(got, word);
	pool_def_free(&d);
}

static void a_plain_name_is_named(void)
{
	named("default", "default");
	named("vm-store_2.x", "vm-store_2.x");
	named("nähe", "nähe");
}

static void what_a_shell_or_a_comment_would_not_bear_is_named_by_uuid(void)
{
	static const char *const names[] = { "two words", "a$(reboot)", "a;b", "a'b",  "a\"b", "a`b",
		                             "a&b",       "a|b",        "*",   "a--b", "--",   "-n",
		                             "~root",     "a>b",        "a#b", "a\\b" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		named(names[i], UUID_OF);
}

int main(void)
{
	char path[100];

	if (!mkdtemp(dir))
		return 1;
	RUN(a_plain_name_is_named);
	RUN(what_a_shell_or_a_comment_would_not_bear_is_named_by_uuid);
	snprintf(path, sizeof(path), "%s/storage/autostart", dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/storage", dir);
	rmdir(path);
	rmdir(dir);
	return check_done();
}
