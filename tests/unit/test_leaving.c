/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What companions leave behind in /run: with a /run of the test's own, and a service that "runs" in name.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "check.h"
#include "fixture.h"

#define service_at test_service_at
#include "supervisor/companions/leaving.c"

#define ROOT "/run/sysroot"

static const char *const programs[] = { "sh", "no-such-program", NULL };
static const char *const all_there[] = { "sh", NULL };
static const struct service with = { .name = "iscsid", .programs = programs }, without = { .name = "other" };
static const struct service whole = { .name = "iscsid", .programs = all_there };
static struct service_view views[2];
static size_t nviews;

bool test_service_at(const struct supervisor *s, size_t i, struct service_view *v)
{
	(void)s;
	if (i < nviews)
		*v = views[i];
	return i < nviews;
}

static const char *text_of(const char *path)
{
	static struct buf text;

	buf_reset(&text);
	return file_read(AT_FDCWD, path, 1 << 20, &text, NULL) == 0 ? buf_str(&text) : "";
}

static void without_one_that_runs_nothing_is_left(void)
{
	views[0] = (struct service_view){ .service = &without, .name = "other", .pid = 7 };
	views[1] = (struct service_view){ .service = &whole, .name = "iscsid", .state = "foreign" };
	nviews = 2;
	CHECK(!services_pack(NULL, ROOT, true));
	CHECK(access("/run/initramfs", F_OK) < 0 && access("/run/systemd", F_OK) < 0);
}

/* It has ended, and is to be started again when a second is over: in the real root. */
static void one_that_is_about_to_be_started_again_is_packed(void)
{
	views[1] = (struct service_view){ .service = &whole, .name = "iscsid", .state = "down" };
	CHECK(services_pack(NULL, ROOT, true));
	CHECK(access(KEPT_PROGRAMS "/sh", X_OK) == 0);
	CHECK(access(SYSTEMD_UNITS "/iscsid.service.d/poolinit.conf", F_OK) == 0);
}

/* The root's own may mend the sessions then. */
static void one_that_cannot_be_started_leaves_the_roots_own_alone(void)
{
	CHECK(rename("/run/systemd", "/run/packed") == 0);
	views[1] = (struct service_view){ .service = &with, .name = "iscsid", .state = "down" };
	CHECK(!services_pack(NULL, ROOT, true));
	CHECK(access("/run/systemd", F_OK) < 0);
}

static void programs_are_there_and_can_be_run(void)
{
	struct stat st, original;

	views[1].pid = 8;
	fixture_bytes(ROOT "/etc/systemd/network/80-lan.network", "", 0);
	fixture_bytes(ROOT "/etc/systemd/network/10-name.link", "", 0);
	fixture_bytes(ROOT "/usr/lib/systemd/network/90-vendor.network", "", 0);
	CHECK(services_pack(NULL, ROOT, true));
	CHECK(stat(KEPT_PROGRAMS "/sh", &st) == 0 && (st.st_mode & 07777) == 0755);
	CHECK(stat("/bin/sh", &original) == 0 && original.st_size == st.st_size);
	CHECK(access(KEPT_PROGRAMS "/no-such-program", F_OK) < 0);
	CHECK_STR(spawn_find("sh"), KEPT_PROGRAMS "/sh");
}

/* dracut and mkinitcpio unpack a whole initramfs there for the end. */
static void what_others_unpack_beside_them_is_not_run(void)
{
	fixture_bytes("/run/initramfs/usr/sbin/env", "", 0);
	CHECK(chmod("/run/initramfs/usr/sbin/env", 0755) == 0);
	CHECK(spawn_find("env") && !starts_with(spawn_find("env"), "/run/"));
}

/* The second change of root of a machine finds them as they are, and in use. */
static void they_are_not_written_over_themselves(void)
{
	struct stat before, after;

	CHECK(stat(KEPT_PROGRAMS "/sh", &before) == 0 && services_pack(NULL, ROOT, true));
	CHECK(stat(KEPT_PROGRAMS "/sh", &after) == 0 && after.st_size == before.st_size);
}

static void the_service_of_that_name_is_there_in_name(void)
{
	const char *text = text_of(SYSTEMD_UNITS "/iscsid.service.d/poolinit.conf");

	CHECK(strstr(text, "[Service]\n") && strstr(text, "\nExecStart=\nExecStart=/bin/true\n"));
	CHECK(strstr(text, "\nExecStartPre=\n") && strstr(text, "\nRestart=no\n"));
	CHECK(strstr(text_of(SYSTEMD_UNITS "/iscsid.socket.d/poolinit.conf"),
	             "ConditionPathExists=!" KEPT_PROGRAMS));
	CHECK(access(SYSTEMD_UNITS "/other.service.d", F_OK) < 0);
}

static void each_network_of_the_root_keeps_its_addresses(void)
{
	CHECK_STR(text_of(NETWORKS "/80-lan.network.d/poolinit.conf"), "[Network]\nKeepConfiguration=yes\n");
	CHECK_STR(text_of(NETWORKS "/90-vendor.network.d/poolinit.conf"),
	          "[Network]\nKeepConfiguration=yes\n");
	CHECK(access(NETWORKS "/10-name.link.d", F_OK) < 0);
}

static void where_systemd_is_not_init_nothing_looks_as_if_it_were(void)
{
	CHECK(rename("/run/systemd", "/run/before") == 0);
	CHECK(services_pack(NULL, ROOT, false));
	CHECK(access("/run/systemd", F_OK) < 0);
}

static void a_mount_that_does_not_lie_on_a_session_is_not_noted(void)
{
	CHECK(access(UTAB, F_OK) < 0);
	CHECK(!supervisor_on_session(makedev(1, 3)) && !is_session_disk("no-such-disk"));
}

int main(void)
{
	if (!fixture_namespace(0) || !fixture_cover("/run")) {
		printf("skip what is left in /run: namespaces take root\n");
		return 0;
	}
	RUN(without_one_that_runs_nothing_is_left);
	RUN(one_that_is_about_to_be_started_again_is_packed);
	RUN(one_that_cannot_be_started_leaves_the_roots_own_alone);
	RUN(programs_are_there_and_can_be_run);
	RUN(what_others_unpack_beside_them_is_not_run);
	RUN(they_are_not_written_over_themselves);
	RUN(the_service_of_that_name_is_there_in_name);
	RUN(each_network_of_the_root_keeps_its_addresses);
	RUN(a_mount_that_does_not_lie_on_a_session_is_not_noted);
	RUN(where_systemd_is_not_init_nothing_looks_as_if_it_were);
	return check_done();
}
