/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool stands on: paths against a mount table, and facts against facts.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include "backends/identity.h"
#include "backends/servers.h"
#include "base/mountinfo.h"
#include "check.h"
#include "fixture.h"

/* A root, a disk mounted twice (the second time only /a of it), a share, and mounts on top of each other. */
static const char table[] = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
			    "30 20 8:16 / /srv rw - ext4 /dev/sdb rw\n"
			    "31 20 8:16 /a /bound rw - ext4 /dev/sdb rw\n"
			    "32 20 0:40 / /net rw - nfs4 server:/x rw\n"
			    "33 30 0:50 / /srv/tmp rw - tmpfs none rw\n"
			    "34 33 0:51 / /srv/tmp rw - tmpfs none rw\n"
			    "35 20 0:52 / /with\\040space rw - tmpfs none rw\n";

static struct places *places(void)
{
	static char text[sizeof(table)];
	struct places *t;

	memcpy(text, table, sizeof(table));
	t = places_parse(text);
	if (!t)
		exit(1);
	return t;
}

/* The fact's value, without key and spelling. */
static const char *value(unsigned which, const char *path)
{
	static char out[4096];
	struct places *t = places();
	struct buf facts = BUF_INIT;
	const char *equals;

	identity_path(t, path, which, &facts);
	equals = strchr(buf_str(&facts), '=');
	snprintf(out, sizeof(out), "%.*s", equals ? (int)strcspn(equals + 1, " \n") : 0,
	         equals ? equals + 1 : "");
	buf_free(&facts);
	places_free(t);
	return out;
}

static void a_place_is_a_filesystem_and_a_path_in_it(void)
{
	CHECK_STR(value(IDENTITY_PLACE, "/"), "8:1:/");
	CHECK_STR(value(IDENTITY_PLACE, "/nowhere/x"), "8:1:/nowhere/x");
	CHECK_STR(value(IDENTITY_PLACE, "//nowhere/./x//"), "8:1:/nowhere/x");
	CHECK_STR(value(IDENTITY_PLACE, "/nowhere/../x"), "8:1:/x");
	CHECK_STR(value(IDENTITY_PLACE, "/../../x"), "8:1:/x");
	CHECK_STR(value(IDENTITY_PLACE, "/srv/a/b"), "8:16:/a/b");
	CHECK_STR(value(IDENTITY_PLACE, "/bound/b"), "8:16:/a/b");
	CHECK_STR(value(IDENTITY_PLACE, "/boundary"), "8:1:/boundary");
	CHECK_STR(value(IDENTITY_PLACE, "/with space/x"), "0:52:/x");
	CHECK_STR(value(IDENTITY_PLACE, "/with space/x y"), "0:52:/x\\040y");
}

static void what_is_mounted_on_it_counts_for_files_only(void)
{
	CHECK_STR(value(IDENTITY_PLACE, "/srv"), "8:1:/srv");
	CHECK_STR(value(IDENTITY_FILES, "/srv"), "8:16:/");
	CHECK_STR(value(IDENTITY_FILES, "/bound"), "8:16:/a");
	CHECK_STR(value(IDENTITY_FILES, "/srv/a"), "8:16:/a");
	CHECK_STR(value(IDENTITY_PLACE, "/srv/tmp"), "8:16:/tmp");
	CHECK_STR(value(IDENTITY_FILES, "/srv/tmp"), "0:51:/");
	CHECK_STR(value(IDENTITY_FILES, "/srv/tmp/x"), "0:51:/x");
	CHECK_STR(value(IDENTITY_FILES, "/net/pool"), "0:40:/pool");
	CHECK_STR(value(IDENTITY_FILES, "/"), "8:1:/");
}

static void a_path_that_is_too_long_has_no_place(void)
{
	static char path[6000];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	CHECK_STR(value(IDENTITY_PLACE, path), "");
	for (size_t i = 0; i + 1 < sizeof(path); i += 2)
		path[i] = '/';
	CHECK_STR(value(IDENTITY_PLACE, path), "");
}

static char root[PATH_MAX];

static const char *resolved(const char *path)
{
	static char out[PATH_MAX];
	char whole[PATH_MAX];
	const struct places *t = places_now(NULL);

	fixture_path(whole, "%s/%s", root, path);
	if (!t || !places_resolve(t, whole, out, sizeof(out)))
		out[0] = '\0';
	return strncmp(out, root, strlen(root)) == 0 ? out + strlen(root) : out;
}

static void links_are_followed(void)
{
	fixture_make(root);
	fixture(root, "", "a/real/file");
	fixture_link(root, "a", "to-a");
	fixture_link(root, "to-a/real", "to-real");
	fixture_link(root, "circle", "circle");
	CHECK_STR(resolved("to-a"), "/a");
	CHECK_STR(resolved("to-a/real"), "/a/real");
	CHECK_STR(resolved("to-real/.."), "/a");
	CHECK_STR(resolved("to-real/../../a/./real//"), "/a/real");
	CHECK_STR(resolved("to-real/none/none"), "/a/real/none/none");
	CHECK_STR(resolved("to-real/none/../none"), "/a/real/none");
	CHECK_STR(resolved("circle"), "");
	CHECK_STR(resolved("circle/x"), "");
	fixture_remove(root);
}

/* Below a share nothing is looked at: a link there stays a name. The table says that /tmp/… is one. */
static void nothing_is_looked_at_below_a_share(void)
{
	char text[PATH_MAX * 2], path[PATH_MAX], out[PATH_MAX], want[PATH_MAX];
	struct places *t;

	fixture_make(root);
	fixture(root, "", "share/real/file");
	fixture_link(root, "share/real", "share/link");
	fixture_link(root, "share", "to-share");
	snprintf(text, sizeof(text),
	         "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:60 / %s/share rw - fuse.sshfs none rw\n",
	         root);
	t = places_parse(text);
	fixture_path(path, "%s/to-share/link/../x", root);
	fixture_path(want, "%s/share/x", root);
	CHECK(t && places_resolve(t, path, out, sizeof(out)));
	CHECK_STR(out, want);
	fixture_path(path, "%s/to-share/link", root);
	fixture_path(want, "%s/share/link", root);
	CHECK(t && places_resolve(t, path, out, sizeof(out)));
	CHECK_STR(out, want);
	places_free(t);
	fixture_remove(root);
}

/* In a child, which has a mount namespace of its own from its beginning. */
static void the_table_is_kept_until_something_is_mounted(void)
{
	pid_t child;
	int status = -1;

	fixture_make(root);
	child = fork();
	if (child == 0) {
		bool ok = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
		mountinfo_keep();
		const struct places *t = places_now(NULL);
		int before = places_mount(t, root), with;

		ok &= before > 0 && places_now(NULL) == t;
		ok &= mount("tmpfs", root, "tmpfs", 0, NULL) == 0;
		with = places_mount(places_now(NULL), root);
		ok &= with > 0 && with != before && umount(root) == 0;
		ok &= places_mount(places_now(NULL), root) == before;
		_exit(ok ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
	fixture_remove(root);
}

static const char *shared(const char *a, const char *b)
{
	static char words[512];

	return identity_shared(a, b, words, sizeof(words)) ? words : NULL;
}

static void a_fact_in_common_is_told_in_words(void)
{
	CHECK_STR(shared("dev=8:1 /dev/x\n", "dev=8:1 /dev/y\n"), "/dev/x and /dev/y are the same device");
	CHECK_STR(shared("dev=8:1 /dev/x\n", "dev=8:1 /dev/x\n"), "both are on device /dev/x");
	CHECK_STR(shared("dev=8:1 /dev/x\ndev=8:2 /dev/z\n", "dev=8:3 /dev/w\ndev=8:2 /dev/y\n"),
	          "/dev/z and /dev/y are the same device");
	CHECK_STR(shared("vg=u vg0\ndev=8:1 /dev/x\n", "dev=8:1 /dev/y\nvg=u vg0\n"),
	          "/dev/x and /dev/y are the same device");
	CHECK_STR(shared("vg=u vg0\n", "vg=u vg0\n"), "both are volume group vg0");
	CHECK_STR(shared("place=8:1:/a /a\n", "place=8:1:/a /to a\n"), "/a and /to a are the same directory");
	CHECK_STR(shared("files=8:1:/ /a\n", "files=8:1:/ /dev/x\n"), "/a and /dev/x hold the same files");
	CHECK_STR(shared("fsuuid=1 UUID=1\n", "fsuuid=1 /dev/x\n"),
	          "UUID=1 and /dev/x are disks of the same filesystem");
	CHECK_STR(shared("dev=8:1 /dev/x\nlun=3600a::1 /dev/x\n", "dev=8:17 /dev/y\nlun=3600a::1 /dev/y\n"),
	          "/dev/x and /dev/y are two paths to the same disk");
}

static void what_only_begins_alike_is_not_shared(void)
{
	CHECK_STR(shared("dev=8:1 /dev/x\n", "dev=8:16 /dev/y\n"), NULL);
	CHECK_STR(shared("lun=3600a::1 /dev/x\n", "lun=3600a::2 /dev/y\n"), NULL);
	CHECK_STR(shared("dev=8:16 /dev/x\n", "dev=8:1 /dev/y\n"), NULL);
	CHECK_STR(shared("dev=8:1 /dev/x\n", "files=8:1 /dev/x\n"), NULL);
	CHECK_STR(shared("place=8:1:/a /a\n", "files=8:1:/a /a\n"), NULL);
	CHECK_STR(shared("", ""), NULL);
	CHECK_STR(shared("dev=8:1 /dev/x\n", ""), NULL);
	CHECK_STR(shared("other=1 x\n", "other=1 x\n"), NULL);
}

static void netfs(struct pool_def *d, struct pool_host *h, const char *host, int port, const char *dir)
{
	*h = (struct pool_host){ host, port };
	*d = (struct pool_def){ .type = POOL_NETFS, .source = { .hosts = h, .nhosts = 1, .dir = dir } };
}

static bool same_server(const char *a, int pa, const char *da, const char *b, int pb, const char *db)
{
	struct pool_def x, y;
	struct pool_host h, g;
	char words[512];

	netfs(&x, &h, a, pa, da);
	netfs(&y, &g, b, pb, db);
	return net_same_server(&x, &y, words, sizeof(words));
}

static void servers_are_compared_by_address(void)
{
	CHECK(same_server("192.0.2.1", 0, "/x", "192.0.2.1", 2049, "/x"));
	CHECK(same_server("2001:db8::1", 0, "/x", "2001:0db8::0001", 0, "/x"));
	CHECK(same_server("Server.Example", 0, "/x", "server.example", 2049, "/x"));
	CHECK(!same_server("192.0.2.1", 0, "/x", "192.0.2.2", 0, "/x"));
	CHECK(!same_server("192.0.2.1", 0, "/x", "192.0.2.1", 0, "/y"));
	CHECK(!same_server("192.0.2.1", 0, "/x", "192.0.2.1", 2050, "/x"));
}

int main(void)
{
	RUN(a_place_is_a_filesystem_and_a_path_in_it);
	RUN(what_is_mounted_on_it_counts_for_files_only);
	RUN(a_path_that_is_too_long_has_no_place);
	RUN(links_are_followed);
	RUN(nothing_is_looked_at_below_a_share);
	RUN(the_table_is_kept_until_something_is_mounted);
	RUN(a_fact_in_common_is_told_in_words);
	RUN(what_only_begins_alike_is_not_shared);
	RUN(servers_are_compared_by_address);
	return check_done();
}
