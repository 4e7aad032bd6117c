/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which SCSI host a definition means, and virtual Fibre Channel ports: on trees made for the case, on
 * libvirt's own (fchostdata), and, for start and stop, on a /sys of our own in which the test plays the
 * kernel.
 */
#include "backends/scsi/scsi.h"

#include <errno.h>
#include "base/file.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"

/* The kernel: a port that is written to vport_create is a host afterwards, one written to vport_delete is
 * none. */
static int kernel_makes(const char *sys, int parent, const struct pool_adapter *a, struct err *e);
static int kernel_removes(const char *sys, int parent, const struct pool_adapter *a, struct err *e);
#define fc_vport_make   kernel_makes
#define fc_vport_remove kernel_removes
#include "backends/scsi/scsi.c"
#undef fc_vport_make
#undef fc_vport_remove

#define WWNN "20000000c9831b4b"
#define WWPN "10000000c9831b4b"

static char root[PATH_MAX];

/* ---- hosts ---- */

static void host(const char *sys, int number, const char *parent, const char *id)
{
	char dir[PATH_MAX], link[PATH_MAX];

	fixture_path(dir, "devices/%s/host%d/scsi_host/host%d", parent, number, number);
	fixture(sys, id, "%s/unique_id", dir);
	fixture(sys, "", "%s/scan", dir);
	fixture_path(link, "class/scsi_host/host%d", number);
	fixture_link(sys, dir, link);
}

static void a_hosts_name_is_one_of_three(void)
{
	static const char *const wrong[] = {
		"host", "host-1",   "hosts3", "scsi_hostX",        "xhost3", "host3 ", "fc_host",
		"",     "host3/..", "3",      "host99999999999999"
	};

	CHECK_INT(scsi_host_number("host3"), 3);
	CHECK_INT(scsi_host_number("scsi_host12"), 12);
	CHECK_INT(scsi_host_number("fc_host0"), 0);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK_INT(scsi_host_number(wrong[i]), -1);
}

static void a_host_is_found_by_its_pci_device_and_unique_id(void)
{
	struct pool_adapter a = {
		.kind = ADAPTER_SCSI_HOST, .has_parentaddr = true, .bus = 0x05, .unique_id = 1
	};

	fixture_make(root);
	host(root, 1, "pci0000:00/0000:00:1f.2/ata1", "1\n");
	host(root, 2, "pci0000:00/0000:00:04.0/0000:05:00.0", "2\n");
	host(root, 3, "pci0000:00/0000:00:04.0/0000:05:00.0", "1\n");
	CHECK_INT(scsi_adapter_host(root, &a), 3);
	a.unique_id = 2;
	CHECK_INT(scsi_adapter_host(root, &a), 2);
	a.unique_id = 7;
	CHECK_INT(scsi_adapter_host(root, &a), -1);
	/* the bridge above it is another device */
	a = (struct pool_adapter){
		.kind = ADAPTER_SCSI_HOST, .has_parentaddr = true, .slot = 4, .unique_id = 1
	};
	CHECK_INT(scsi_adapter_host(root, &a), -1);
	a = (struct pool_adapter){
		.kind = ADAPTER_SCSI_HOST, .has_parentaddr = true, .slot = 0x1f, .function = 2, .unique_id = 1
	};
	CHECK_INT(scsi_adapter_host(root, &a), 1);
	a = (struct pool_adapter){ .kind = ADAPTER_SCSI_HOST, .name = "scsi_host2" };
	CHECK_INT(scsi_adapter_host(root, &a), 2);
	a.name = "scsi_host9";
	CHECK_INT(scsi_adapter_host(root, &a), -1);
	fixture_remove(root);
}

/* ---- libvirt's tree: host4 has no link, host5 is online, host6 can have no virtual ports ---- */

static char sys[PATH_MAX];

static bool libvirts_tree(void)
{
	const char *shared = getenv("POOLINIT_SHARED");
	char data[PATH_MAX], path[PATH_MAX];

	fixture_path(data, "%s/conformance/fchostdata", shared ? shared : "../shared");
	if (!realpath(data, path))
		return false;
	fixture_make(sys);
	fixture_path(data, "%s/class", sys);
	CHECK_INT(symlink(path, data), 0);
	return true;
}

static void libvirts_hosts_are_found_by_their_names(void)
{
	static const struct {
		const char *wwnn, *wwpn;
		int host;
	} cases[] = { { "2001001b32a9da4e", "2101001b32a9da4e", 5 },
		      { "0x2001001B32A9DA4E", "0x2101001B32A9DA4E", 5 },
		      { "2002001b32a9da4e", "2102001b32a9da4e", 6 },
		      { "2000001b3289da4e", "2100001b3289da4e", 4 },
		      { "2001001b32a9da4e", "2102001b32a9da4e", -1 },
		      { "2101001b32a9da4e", "2001001b32a9da4e", -1 } };
	char state[32];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct pool_adapter a = { .kind = ADAPTER_FC_HOST,
			                        .wwnn = cases[i].wwnn,
			                        .wwpn = cases[i].wwpn };

		CHECK_INT(scsi_adapter_host(sys, &a), cases[i].host);
	}
	fc_port_state(sys, 4, state, sizeof(state));
	CHECK_STR(state, "Linkdown");
	fc_port_state(sys, 5, state, sizeof(state));
	CHECK_STR(state, "Online");
	fc_port_state(sys, 9, state, sizeof(state));
	CHECK_STR(state, "");
	CHECK_INT(fc_vport_parent(sys, 5), -1);
}

/* The parent of a new port, by each way there is. */
static void libvirts_hosts_as_parents(void)
{
	static const struct {
		struct pool_adapter a;
		int host;
		enum err_class class;
	} cases[] = {
		{ { .parent = NULL }, 5, ERR_NONE }, /* the first that will do */
		{ { .parent = "scsi_host5" }, 5, ERR_NONE },
		{ { .parent = "host5" }, 5, ERR_NONE },
		{ { .parent = "scsi_host4" }, -1, ERR_WAIT_SERVER },
		{ { .parent = "scsi_host6" }, -1, ERR_UNSUPPORTED },
		{ { .parent = "scsi_host7" }, -1, ERR_WAIT_DEVICE },
		{ { .parent = "pci_0000_04_00_0" }, -1, ERR_INVALID },
		{ { .parent_wwnn = "2001001b32a9da4e", .parent_wwpn = "2101001b32a9da4e" }, 5, ERR_NONE },
		{ { .parent_wwnn = "2000001b3289da4e", .parent_wwpn = "2100001b3289da4e" },
		  -1,
		  ERR_WAIT_SERVER },
		{ { .parent_wwnn = "2002001b32a9da4e", .parent_wwpn = "2102001b32a9da4e" },
		  -1,
		  ERR_UNSUPPORTED },
		{ { .parent_wwnn = "2002001b32a9da4e", .parent_wwpn = "2102001b32a9da4f" },
		  -1,
		  ERR_WAIT_DEVICE },
		{ { .parent_fabric_wwn = "2001000dec9877c1" }, 5, ERR_NONE },
		{ { .parent_fabric_wwn = "0x2001000DEC9877C1" }, 5, ERR_NONE },
		{ { .parent_fabric_wwn = "ffffffffffffffff" }, -1, ERR_WAIT_DEVICE },
		{ { .parent_fabric_wwn = "2001000dec9877c2" }, -1, ERR_WAIT_DEVICE },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };

		CHECK_INT(fc_parent_choose(sys, &cases[i].a, &e), cases[i].host);
		CHECK_INT((int)e.class, (int)cases[i].class);
	}
}

/* ---- a /sys in which the test plays the kernel ---- */

static int made, removed;

static void port(int number, const char *dir, const char *wwnn, const char *wwpn, bool capable)
{
	char path[PATH_MAX], link[PATH_MAX];

	fixture_path(path, "devices/pci0000:00/0000:00:03.0/%s/fc_host/host%d", dir, number);
	fixture("/sys", "Online\n", "%s/port_state", path);
	fixture("/sys", wwnn, "%s/node_name", path);
	fixture("/sys", wwpn, "%s/port_name", path);
	fixture("/sys", "0x2001000dec9877c1\n", "%s/fabric_name", path);
	if (capable) {
		fixture("/sys", "2\n", "%s/max_npiv_vports", path);
		fixture("/sys", "0\n", "%s/npiv_vports_inuse", path);
		fixture("/sys", "", "%s/vport_create", path);
		fixture("/sys", "", "%s/vport_delete", path);
	}
	fixture_path(link, "class/fc_host/host%d", number);
	fixture_link("/sys", path, link);
	fixture_path(path, "devices/pci0000:00/0000:00:03.0/%s/scsi_host/host%d", dir, number);
	fixture("/sys", "", "%s/scan", path);
	fixture_path(link, "class/scsi_host/host%d", number);
	fixture_link("/sys", path, link);
}

static void sys_begin(void)
{
	if (!fixture_cover("/sys") || !fixture_cover("/run")) {
		perror("tmpfs");
		exit(1);
	}
	mkdir("/run/poolinit", 0755);
	port(5, "host5", "0x2001001b32a9da4e\n", "0x2101001b32a9da4e\n", true);
	fixture("/sys", "", "bus/scsi/devices/.keep");
	made = removed = 0;
}

static void sys_end(void)
{
	umount2("/run", MNT_DETACH);
	umount2("/sys", MNT_DETACH);
}

/* What is in an attribute that was written to. */
static const char *attribute(const char *name)
{
	static char text[128];
	char path[PATH_MAX];

	fixture_path(path, "/sys/class/fc_host/host5/%s", name);
	if (file_read_line(AT_FDCWD, path, text, sizeof(text)) <= 0)
		text[0] = '\0';
	return text;
}

static int kernel_makes(const char *at, int parent, const struct pool_adapter *a, struct err *e)
{
	int rc = fc_vport_make(at, parent, a, e);

	if (rc == 0) {
		CHECK_STR(attribute("vport_create"), WWPN ":" WWNN);
		port(7, "host5/vport-5:0-0/host7", "0x" WWNN "\n", "0x" WWPN "\n", false);
		made++;
	}
	return rc;
}

static int kernel_removes(const char *at, int parent, const struct pool_adapter *a, struct err *e)
{
	int rc = fc_vport_remove(at, parent, a, e);

	if (rc == 0) {
		CHECK_STR(attribute("vport_delete"), WWPN ":" WWNN);
		unlink("/sys/class/fc_host/host7");
		unlink("/sys/class/scsi_host/host7");
		removed++;
	}
	return rc;
}

static struct pool_def definition(int managed, const char *parent)
{
	return (struct pool_def){ .type = POOL_SCSI,
		                  .name = "vhba",
		                  .source.adapter = { .kind = ADAPTER_FC_HOST,
		                                      .wwnn = WWNN,
		                                      .wwpn = WWPN,
		                                      .parent = parent,
		                                      .managed = managed },
		                  .target.path = "/dev/disk/by-path" };
}

static int start(const struct pool_def *d, struct err *e)
{
	struct op op = { .deadline = clock_ms() + 5000, .run_dir = "/run/poolinit" };

	return scsi_start(d, &op, e);
}

static int stop(const struct pool_def *d, struct err *e)
{
	struct op op = { .deadline = clock_ms() + 5000, .run_dir = "/run/poolinit" };

	return scsi_stop(d, &op, e);
}

static enum pool_state state_of(const struct pool_def *d)
{
	struct op op = { .deadline = clock_ms() + 5000, .run_dir = "/run/poolinit" };
	enum pool_state state = STATE_ACTIVE;

	CHECK_INT(scsi_check(d, &op, &state, NULL, NULL), 0);
	return state;
}

/* Made by start, found by a second start, taken away by stop: as libvirt does without managed, too. */
static void a_port_is_made_and_taken_away(void)
{
	static const int managed[] = { -1, 1 };

	for (size_t i = 0; i < ARRAY_LEN(managed); i++) {
		const struct pool_def d = definition(managed[i], NULL);
		struct err e = { 0 };

		sys_begin();
		CHECK_INT((int)state_of(&d), STATE_INACTIVE);
		CHECK_INT(start(&d, &e), 0);
		CHECK_STR(e.message, "");
		CHECK_INT((int)state_of(&d), STATE_ACTIVE);
		CHECK_INT(fc_vport_parent("/sys", 7), 5);
		CHECK_INT(start(&d, &e), 0);
		CHECK_INT(made, 1);
		CHECK_INT(stop(&d, &e), 0);
		CHECK_INT(removed, 1);
		CHECK_INT((int)state_of(&d), STATE_INACTIVE);
		CHECK_INT(stop(&d, &e), 0);
		CHECK_INT(removed, 1);
		sys_end();
	}
}

static void a_port_that_is_not_managed_stays(void)
{
	const struct pool_def d = definition(0, NULL);
	struct err e = { 0 };

	sys_begin();
	CHECK_INT(start(&d, &e), 0);
	CHECK_INT(stop(&d, &e), 0);
	CHECK_INT(removed, 0);
	sys_end();
}

/* It was there before: who does not call it managed has no right to it. */
static void a_port_that_was_found_stays(void)
{
	const struct pool_def d = definition(-1, NULL), ours = definition(1, NULL);
	struct err e = { 0 };

	sys_begin();
	port(7, "host5/vport-5:0-0/host7", "0x" WWNN "\n", "0x" WWPN "\n", false);
	CHECK_INT(start(&d, &e), 0);
	CHECK_INT(made, 0);
	CHECK_INT(stop(&d, &e), 0);
	CHECK_INT(removed, 0);
	CHECK_INT(stop(&ours, &e), 0);
	CHECK_INT(removed, 1);
	sys_end();
}

/* Ours went without us (its adapter was reset), and somebody else has made it anew. */
static void a_port_that_went_is_ours_no_more(void)
{
	const struct pool_def d = definition(-1, NULL);
	struct err e = { 0 };

	sys_begin();
	CHECK_INT(start(&d, &e), 0);
	unlink("/sys/class/fc_host/host7");
	unlink("/sys/class/scsi_host/host7");
	fixture_remove("/sys/devices/pci0000:00/0000:00:03.0/host5/vport-5:0-0");
	CHECK_INT(stop(&d, &e), 0);
	port(7, "host5/vport-5:0-0/host7", "0x" WWNN "\n", "0x" WWPN "\n", false);
	CHECK_INT(start(&d, &e), 0);
	CHECK_INT(stop(&d, &e), 0);
	CHECK_INT(removed, 0);
	sys_end();
}

static void a_port_on_another_adapter_is_not_taken(void)
{
	const struct pool_def d = definition(-1, "scsi_host6");
	struct err e = { 0 };

	sys_begin();
	port(6, "host6", "0x2002001b32a9da4e\n", "0x2102001b32a9da4e\n", true);
	port(7, "host5/vport-5:0-0/host7", "0x" WWNN "\n", "0x" WWPN "\n", false);
	CHECK_INT(start(&d, &e), -1);
	CHECK_INT((int)e.class, ERR_INVALID);
	CHECK(strstr(e.message, "is on host5") != NULL);
	sys_end();
}

/* A physical port is used as it is, and never taken away. */
static void a_physical_port_is_no_virtual_one(void)
{
	struct pool_def d = definition(-1, NULL);
	struct err e = { 0 };

	d.source.adapter.wwnn = "2001001b32a9da4e";
	d.source.adapter.wwpn = "2101001b32a9da4e";
	sys_begin();
	CHECK_INT(start(&d, &e), 0);
	CHECK_INT(made, 0);
	d.source.adapter.managed = 1;
	CHECK_INT(stop(&d, &e), 0);
	CHECK_INT(removed, 0);
	CHECK_INT(start(&d, &e), -1);
	CHECK(strstr(e.message, "physical port") != NULL);
	sys_end();
}

static void an_adapter_without_room_is_not_asked(void)
{
	const struct pool_def d = definition(-1, NULL);
	struct err e = { 0 };

	sys_begin();
	fixture("/sys", "2\n", "class/fc_host/host5/npiv_vports_inuse");
	CHECK_INT(start(&d, &e), -1);
	CHECK_INT((int)e.class, ERR_LIMIT);
	CHECK_STR(attribute("vport_create"), "");
	/* "10" is more than "9", which is longer than it */
	fixture("/sys", "10\n", "class/fc_host/host5/max_npiv_vports");
	fixture("/sys", "9\n", "class/fc_host/host5/npiv_vports_inuse");
	CHECK_INT(start(&d, &e), 0);
	sys_end();
}

static void a_port_whose_link_is_down_is_degraded(void)
{
	const struct pool_def d = definition(-1, NULL);
	struct err e = { 0 };

	sys_begin();
	CHECK_INT(start(&d, &e), 0);
	fixture("/sys", "Linkdown\n", "class/fc_host/host7/port_state");
	CHECK_INT((int)state_of(&d), STATE_DEGRADED);
	sys_end();
}

int main(void)
{
	RUN(a_hosts_name_is_one_of_three);
	RUN(a_host_is_found_by_its_pci_device_and_unique_id);
	if (libvirts_tree()) {
		RUN(libvirts_hosts_are_found_by_their_names);
		RUN(libvirts_hosts_as_parents);
	} else {
		printf("skip libvirts_hosts: conformance/fchostdata is not beside the checkout\n");
	}
	if (!fixture_namespace(0)) {
		printf("skip vports: no mount namespace of our own (not root)\n");
		return check_done();
	}
	RUN(a_port_is_made_and_taken_away);
	RUN(a_port_that_is_not_managed_stays);
	RUN(a_port_that_was_found_stays);
	RUN(a_port_that_went_is_ours_no_more);
	RUN(a_port_on_another_adapter_is_not_taken);
	RUN(a_physical_port_is_no_virtual_one);
	RUN(an_adapter_without_room_is_not_asked);
	RUN(a_port_whose_link_is_down_is_degraded);
	return check_done();
}
