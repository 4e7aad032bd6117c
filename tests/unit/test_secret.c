/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Secrets: libvirt's files in a directory, looked up by uuid and by usage; and base64.
 */
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "pool/secret/secret.h"
#include "pool/voldef.h"

#define U1 "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"
#define U2 "10ed4ad4-c7b0-4696-b574-b40e04fea84b"
#define U3 "00000000-0000-4000-8000-000000000003"

static char dir[] = "/tmp/test_secret.XXXXXX", other[PATH_MAX];
static struct err e;

static void put(const char *where, const char *name, const char *text)
{
	char path[PATH_MAX];

	fixture_path(path, "%s/%s", where, name);
	if (file_replace(AT_FDCWD, path, text, strlen(text), 0600, &e) < 0)
		printf("# %s\n", e.message);
}

static void put_secret(const char *where, const char *uuid, const char *usage, const char *element,
                       const char *id, const char *value)
{
	char name[80], xml[500];

	snprintf(name, sizeof(name), "%s.xml", uuid);
	snprintf(xml, sizeof(xml),
	         "<!--\ncomment\n-->\n<secret ephemeral='no' private='yes'>\n<uuid>%s</uuid>\n<usage "
	         "type='%s'>\n<%s>%s</%s>\n</usage>\n</secret>\n",
	         uuid, usage, element, id, element);
	put(where, name, xml);
	snprintf(name, sizeof(name), "%s.base64", uuid);
	if (value)
		put(where, name, value);
}

static struct pool_auth by_uuid(enum auth_kind kind, const char *uuid)
{
	struct pool_auth a = { .kind = kind, .by_uuid = true, .username = "u" };

	uuid_read(uuid, &a.secret_uuid);
	return a;
}

static struct pool_auth by_usage(enum auth_kind kind, const char *usage)
{
	return (struct pool_auth){ .kind = kind, .username = "u", .secret_usage = usage };
}

static bool gives(struct pool_auth a, const char *want)
{
	const char *const dirs[] = { other, dir, "/does/not/exist", NULL };
	struct secret_value v;
	bool good;

	err_clear(&e);
	if (secret_find(&a, dirs, &v, &e) < 0) {
		printf("# %s\n", e.message);
		return false;
	}
	good = v.len == strlen(want) && memcmp(v.data, want, v.len) == 0 && v.data[v.len] == '\0';
	secret_value_free(&v);
	return good && !v.data && !v.len;
}

/* Refused with that class and that word, and without a word of the value. */
static bool fails(struct pool_auth a, enum err_class class, const char *word)
{
	const char *const dirs[] = { other, dir, "/does/not/exist", NULL };
	struct secret_value v;

	err_clear(&e);
	if (secret_find(&a, dirs, &v, &e) == 0) {
		secret_value_free(&v);
		return false;
	}
	if (e.class != class || !strstr(e.message, word))
		printf("# got: %s %s\n", err_word(e.class), e.message);
	return e.class == class && strstr(e.message, word) && !v.data;
}

static void found_by_uuid(void)
{
	put_secret(dir, U1, "iscsi", "target", "libvirtiscsi", "cGFzc3dvcmQ=\n");
	CHECK(gives(by_uuid(AUTH_CHAP, U1), "password"));
}

static void found_by_usage(void)
{
	put_secret(dir, U2, "ceph", "name", "client.admin secret", "YQ==");
	put(dir, "00-broken.xml", "<secret");
	put(dir, "README", "<secret/>");
	CHECK(gives(by_usage(AUTH_CHAP, "libvirtiscsi"), "password"));
	CHECK(gives(by_usage(AUTH_CEPH, "client.admin secret"), "a"));
}

static void an_earlier_directory_wins(void)
{
	put_secret(other, U1, "iscsi", "target", "x", "b3RoZXI=");
	CHECK(gives(by_uuid(AUTH_CHAP, U1), "other"));
	put_secret(other, U1, "iscsi", "target", "libvirtiscsi", "b3RoZXI=");
	CHECK(gives(by_usage(AUTH_CHAP, "libvirtiscsi"), "other"));
}

static void absence_names_what_was_sought_and_where(void)
{
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_NO_SECRET, U3));
	CHECK(strstr(e.message, dir) && strstr(e.message, "/does/not/exist"));
	CHECK(fails(by_usage(AUTH_CHAP, "nobody"), ERR_NO_SECRET, "\"nobody\""));
	/* the name is right, but of another kind of secret */
	CHECK(fails(by_usage(AUTH_CHAP, "client.admin secret"), ERR_NO_SECRET, "client.admin"));
}

static void secret_for_another_use_is_refused(void)
{
	CHECK(fails(by_uuid(AUTH_CHAP, U2), ERR_INVALID, "is for ceph, not for iscsi"));
	put_secret(dir, U3, "volume", "volume", "/x", "c2VjcmV0LXZhbHVl");
	CHECK(fails(by_uuid(AUTH_CEPH, U3), ERR_INVALID, "is for volume, not for ceph"));
	CHECK(!strstr(e.message, "c2Vj") && !strstr(e.message, "secret-value"));
	put(dir, U3 ".xml", "<secret><uuid>" U3 "</uuid></secret>");
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_INVALID, "is for none"));
}

static bool volume_gives(struct volume_secret q, const char *want)
{
	const char *const dirs[] = { other, dir, NULL };
	struct secret_value v;
	bool good;

	err_clear(&e);
	if (secret_find_volume(&q, dirs, &v, &e) < 0)
		return want == NULL && !v.data;
	good = want && v.len == strlen(want) && memcmp(v.data, want, v.len) == 0;
	secret_value_free(&v);
	return good;
}

static void a_volume_finds_its_passphrase(void)
{
	struct volume_secret q = { .type = "passphrase", .by_uuid = true };

	put_secret(dir, U3, "volume", "volume", "/images/a", "cGFzcw==");
	CHECK(uuid_read(U3, &q.uuid) && volume_gives(q, "pass"));
	q = (struct volume_secret){ .type = "passphrase", .usage = "/images/a" };
	CHECK(volume_gives(q, "pass"));
	q.usage = "/images/b";
	CHECK(volume_gives(q, NULL) && err_is(&e, ERR_NO_SECRET) && strstr(e.message, "/images/b"));
	q.by_uuid = true;
	CHECK(uuid_read(U1, &q.uuid) && volume_gives(q, NULL) && err_is(&e, ERR_INVALID) &&
	      strstr(e.message, "not for volume"));
	put(dir, U3 ".base64", "");
	CHECK(uuid_read(U3, &q.uuid) && volume_gives(q, NULL) && err_is(&e, ERR_INVALID));
}

static void bad_values_are_refused_without_being_shown(void)
{
	char *big = malloc(100000);

	put_secret(dir, U3, "iscsi", "target", "t3", "c2VjcmV0%");
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_INVALID, "not base64"));
	CHECK(!strstr(e.message, "c2Vj"));
	put(dir, U3 ".base64", "\n");
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_INVALID, "empty"));
	memset(big, 'A', 99999);
	big[99999] = '\0';
	put(dir, U3 ".base64", big);
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_INVALID, "at most"));
	free(big);
}

static void value_that_is_missing_or_no_file_is_refused(void)
{
	char path[PATH_MAX];

	fixture_path(path, "%s/" U3 ".base64", dir);
	unlink(path);
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_NO_SECRET, "has no value"));
	CHECK(mkfifo(path, 0600) == 0);
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_INVALID, "not a file"));
	unlink(path);
}

static void definition_that_is_not_its_own_is_refused(void)
{
	put(dir, U3 ".xml", "<secret><uuid>" U1 "</uuid></secret>");
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_INVALID, "named after"));
	put(dir, U3 ".xml", "<secret>");
	CHECK(fails(by_uuid(AUTH_CHAP, U3), ERR_XML, U3 ".xml:1: "));
}

static bool definition_refused(const char *xml, const char *word)
{
	struct secret_def s;

	err_clear(&e);
	if (secret_read(&s, xml, strlen(xml), "s.xml", &e) == 0) {
		secret_def_free(&s);
		return false;
	}
	return starts_with(e.message, "s.xml:") && strstr(e.message, word);
}

static void definitions_that_break_the_rules(void)
{
	CHECK(definition_refused("<pool/>", "<pool>, not <secret>"));
	CHECK(definition_refused("<secret private='maybe'/>", "yes nor no"));
	CHECK(definition_refused("<secret><uuid>x</uuid></secret>", "not a UUID"));
	CHECK(definition_refused("<secret>\n<usage/></secret>", "no type"));
	CHECK(definition_refused("<secret><usage type='x'/></secret>", "unknown usage"));
	CHECK(definition_refused("<secret><usage type='iscsi'><name>x</name></usage></secret>",
	                         "no <target>"));
	CHECK(definition_refused("<!DOCTYPE secret><secret/>", ""));
}

/* RFC 4648 section 10, and what is not base64. */
static void base64_vectors(void)
{
	static const char *const vectors[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	unsigned char out[16];

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const char *plain = vectors[i][0], *coded = vectors[i][1];
		struct buf b = BUF_INIT;

		base64_encode(plain, strlen(plain), &b);
		CHECK_STR(buf_str(&b), coded);
		CHECK_INT(base64_decode(coded, strlen(coded), out, sizeof(out)), (long)strlen(plain));
		CHECK(memcmp(out, plain, strlen(plain)) == 0);
		buf_free(&b);
	}
	CHECK_INT(base64_decode(" Zm9v\n YmFy\r\n", 13, out, sizeof(out)), 6);
	CHECK_INT(base64_decode("/+8=", 4, out, sizeof(out)), 2);
	CHECK(out[0] == 0xff && out[1] == 0xef);
}

static void base64_that_is_none(void)
{
	static const char *const bad[] = { "Z",    "Zg",    "Zg=",  "Zg===",    "=",       "====",
		                           "Z===", "Zh==",  "Zm9=", "Zg==Zg==", "Zg==\nZ", "Zm9-",
		                           "Zm_v", "Zm9v!", "Zm=v", "ä" };
	unsigned char out[16];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (base64_decode(bad[i], strlen(bad[i]), out, sizeof(out)) != -1)
			printf("# accepted: %s\n", bad[i]);
		CHECK_INT(base64_decode(bad[i], strlen(bad[i]), out, sizeof(out)), -1);
	}
	CHECK_INT(base64_decode("Zm9v\0Zm9v", 9, out, sizeof(out)), -1);
	CHECK_INT(base64_decode("Zm9vYmFy", 8, out, 5), -1);
	CHECK_INT(base64_decode("Zm9vYmFy", 8, out, 6), 6);
	CHECK_INT(base64_decode("Zm9vYg==", 8, out, 4), 4);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	fixture_path(other, "%s/other", dir);
	mkdir(other, 0700);
	RUN(found_by_uuid);
	RUN(found_by_usage);
	RUN(an_earlier_directory_wins);
	RUN(absence_names_what_was_sought_and_where);
	RUN(secret_for_another_use_is_refused);
	RUN(a_volume_finds_its_passphrase);
	RUN(bad_values_are_refused_without_being_shown);
	RUN(value_that_is_missing_or_no_file_is_refused);
	RUN(definition_that_is_not_its_own_is_refused);
	RUN(definitions_that_break_the_rules);
	RUN(base64_vectors);
	RUN(base64_that_is_none);
	fixture_remove(dir);
	return check_done();
}
