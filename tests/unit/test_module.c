/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Modules, on the index of whatever kernel has its modules installed here, shown as the running kernel's in a
 * mount namespace. Inserting one fails, for it is another kernel's; what is found, what is refused and what
 * is reported is all the same. (Real insertion is tested in the virtual machine.)
 */
#include "system/module.h"

#include <dirent.h>
#include <errno.h>
#include <sys/utsname.h>
#include "base/util.h"
#include "check.h"
#include "fixture.h"

static char installed[PATH_MAX]; /* /lib/modules/VERSION of some kernel with an index */
static char running[PATH_MAX];   /* of this one */

static int load(const char *name, struct err *e)
{
	*e = (struct err){ 0 };
	return module_load(name, e);
}

#define MODPROBE(...)                                                                                        \
	module_modprobe_main((int)ARRAY_LEN(((const char *[]){ "modprobe", __VA_ARGS__ })),                  \
	                     (char *[]){ "modprobe", __VA_ARGS__, NULL })

static void what_is_there_is_success(void)
{
	struct err e;

	CHECK(fixture_cover("/sys"));
	fixture("/sys", "", "module/iscsi_tcp/refcnt");
	CHECK_INT(load("iscsi-tcp", &e), 0);
	CHECK_INT(load("iscsi_tcp", &e), 0);
	CHECK_STR(e.message, "");
	umount2("/sys", MNT_DETACH);
}

static void without_modules_the_directory_is_named(void)
{
	char want[PATH_MAX];
	struct err e;

	CHECK(fixture_cover("/lib/modules"));
	CHECK_INT(load("no-such-module", &e), -1);
	CHECK_INT(e.class, ERR_UNSUPPORTED);
	fixture_path(want, "cannot load module no-such-module: no kernel modules at %s", running);
	CHECK_STR(e.message, want);
	e = (struct err){ 0 };
	CHECK_INT(module_coldplug(&e), -1);
	CHECK_INT(e.class, ERR_UNSUPPORTED);
	umount2("/lib/modules", MNT_DETACH);
}

static void wanted_modules_are_no_condition(void)
{
	module_load_wanted("");
	module_load_wanted(" no-such-module ../../etc/passwd  ");
	CHECK(1);
}

static void modprobe_wants_a_name(void)
{
	CHECK_INT(MODPROBE("-q"), 1);
	CHECK_INT(MODPROBE("--"), 1);
	CHECK_INT(MODPROBE("-r", "loop"), 1);
	CHECK_INT(MODPROBE("--remove", "loop"), 1);
	CHECK_INT(MODPROBE("-"), 1);
}

/* ---- with an index ---- */

static void an_unknown_module_is_said_to_be_unknown(void)
{
	static const char *const names[] = {
		"no-such-module", "",         "*",
		"../dm-mod",      "dm-mod/x", "pci:v0000FFFFd0000FFFFsv00000000sd00000000bcFFscFFiFF"
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK_INT(load(names[i], &e), -1);
		CHECK_INT(e.class, ERR_UNSUPPORTED);
		CHECK(strstr(e.message, "this kernel has no module") != NULL);
	}
	CHECK_INT(MODPROBE("-q", "--", "no-such-module"), 1);
	CHECK_INT(MODPROBE("-q", "-a", "no-such-module", "neither"), 1);
}

static void a_module_that_does_not_fit_is_named(void)
{
	struct err e;

	CHECK_INT(load("nbd", &e), -1);
	CHECK(starts_with(e.message, "cannot load module nbd"));
	CHECK_INT(MODPROBE("-q", "nbd", "max_part=8"), 1);
}

/* A failure that a missing driver explains gets the reason behind it; what is there, what nobody has, and
 * other failures say nothing. */
static void a_missing_driver_is_explained(void)
{
	static const char names[] = "no-such-module nbd";
	struct err e = { .class = ERR_UNSUPPORTED, .sys = ENODEV };

	snprintf(e.message, sizeof(e.message), "cannot mount x");
	CHECK_INT(module_explain("no-such-module", &e), -1);
	CHECK_STR(e.message, "cannot mount x");
	CHECK_INT(module_explain(names, &e), -1);
	CHECK(starts_with(e.message, "cannot mount x: cannot load module nbd"));
	CHECK_INT(e.class, ERR_UNSUPPORTED);
	CHECK_INT(e.sys, ENODEV);
	CHECK(fixture_cover("/sys"));
	fixture("/sys", "", "module/nbd/refcnt");
	snprintf(e.message, sizeof(e.message), "cannot mount x");
	module_explain(names, &e);
	CHECK_STR(e.message, "cannot mount x");
	umount2("/sys", MNT_DETACH);
}

static void a_refusal_is_told_from_a_module_that_nobody_has(void)
{
	CHECK(module_is_refused(&(struct err){ .class = ERR_UNSUPPORTED, .sys = ENOEXEC }));
	CHECK(module_is_refused(&(struct err){ .class = ERR_UNSUPPORTED, .sys = EOPNOTSUPP }));
	CHECK(!module_is_refused(&(struct err){ .class = ERR_UNSUPPORTED }));
	/* left out of an image */
	CHECK(!module_is_refused(&(struct err){ .class = ERR_UNSUPPORTED, .sys = ENOENT }));
	/* it has looked for its hardware */
	CHECK(!module_is_refused(&(struct err){ .class = ERR_STORAGE, .sys = ENODEV }));
}

static void an_install_line_is_never_executed(void)
{
	struct err e;

	fixture("/etc/modprobe.d", "install nbd /bin/touch /run/executed\n", "test.conf");
	CHECK_INT(load("nbd", &e), -1);
	CHECK_INT(e.class, ERR_UNSUPPORTED);
	CHECK(strstr(e.message, "install line in modprobe.d") != NULL);
	CHECK(access("/run/executed", F_OK) < 0);
}

/* modprobe -b, as for devices, honours the blacklist; by its own name a module may still be asked for. */
static void the_blacklist_is_for_devices(void)
{
	struct err e;

	fixture("/etc/modprobe.d", "blacklist nbd\n", "test.conf");
	CHECK_INT(MODPROBE("-q", "-b", "nbd"), 0);
	CHECK_INT(load("nbd", &e), -1);
}

static void coldplug_survives_modules_that_do_not_fit(void)
{
	struct err e = { 0 };

	fixture("/etc/modprobe.d", "", "test.conf");
	CHECK(fixture_cover("/sys"));
	fixture("/sys", "virtio:d00000002v00001AF4\n", "devices/pci0000:00/0000:00:05.0/virtio0/modalias");
	fixture("/sys", "virtio:d00000002v00001AF4\n", "devices/pci0000:00/0000:00:06.0/virtio1/modalias");
	fixture("/sys", "\n", "devices/empty/modalias");
	fixture_link("/sys", "devices", "devices/loop-back");
	CHECK_INT(module_coldplug(&e), 0);
	CHECK_STR(e.message, "");
	umount2("/sys", MNT_DETACH);
}

static bool find_installed(void)
{
	DIR *d = opendir("/lib/modules");
	const struct dirent *entry;
	char path[PATH_MAX];

	while (d && !installed[0] && (entry = readdir(d))) {
		fixture_path(path, "/lib/modules/%s/modules.dep.bin", entry->d_name);
		if (access(path, F_OK) == 0)
			fixture_path(installed, "/lib/modules/%s", entry->d_name);
	}
	if (d)
		closedir(d);
	return installed[0] != '\0';
}

/* The index shown at the running kernel's place, with an /etc/modprobe.d of our own. */
static bool show_installed(void)
{
	char keep[] = "/run/modules";

	return fixture_cover("/run") && mkdir(keep, 0755) == 0 &&
	       mount(installed, keep, NULL, MS_BIND, NULL) == 0 && fixture_cover("/lib/modules") &&
	       mkdir(running, 0755) == 0 && mount(keep, running, NULL, MS_BIND, NULL) == 0 &&
	       fixture_cover("/etc") && mkdir("/etc/modprobe.d", 0755) == 0;
}

int main(void)
{
	struct utsname u;

	uname(&u);
	fixture_path(running, "/lib/modules/%s", u.release);
	if (!freopen("/dev/null", "w", stderr) || !fixture_namespace(0)) {
		printf("skip - modules: no mount namespace of our own (not root)\n");
		return 0;
	}
	RUN(what_is_there_is_success);
	RUN(without_modules_the_directory_is_named);
	RUN(wanted_modules_are_no_condition);
	RUN(modprobe_wants_a_name);
	if (!find_installed() || !show_installed()) {
		printf("skip - modules by index: no kernel has its modules here\n");
		return check_done();
	}
	RUN(an_unknown_module_is_said_to_be_unknown);
	RUN(a_module_that_does_not_fit_is_named);
	RUN(a_missing_driver_is_explained);
	RUN(a_refusal_is_told_from_a_module_that_nobody_has);
	RUN(an_install_line_is_never_executed);
	RUN(the_blacklist_is_for_devices);
	RUN(coldplug_survives_modules_that_do_not_fit);
	return check_done();
}
