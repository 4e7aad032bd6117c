/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Multipath without device-mapper: the target's status and table, which disks are ways to one LUN, and what
 * SCSI says of port groups.
 */
#include "backends/mpath/mpath.h"

#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "system/multipath.h"
#include "system/scsi.h"

static char root[PATH_MAX];

/* ---- status and table ---- */

static void paths_are_read_from_a_status(void)
{
	struct mpath_map m;

	CHECK(mpath_status("2 0 0 0 2 1 A 0 2 2 8:16 A 0 0 1 8:32 F 3 0 1 E 0 1 2 65:0 A 0 1 1 ", &m));
	CHECK_INT(m.npaths, 3);
	CHECK_INT(m.paths[0].major, 8);
	CHECK_INT(m.paths[0].minor, 16);
	CHECK(m.paths[0].active && !m.paths[1].active && m.paths[2].active);
	CHECK_INT(m.paths[1].group, 0);
	CHECK_INT(m.paths[2].group, 1);
	CHECK_INT(m.paths[2].major, 65);
	/* round-robin says a word of each group, and none of a path */
	CHECK(mpath_status("2 0 0 1 alua 1 1 D 1 0 1 0 8:16 A 0", &m));
	CHECK_INT(m.npaths, 1);
}

static void what_is_no_status_is_refused(void)
{
	static const char *const texts[] = {
		"",
		"2 0",
		"x",
		"2 0 0 0 1 1",
		"2 0 0 0 1 1 A 0 1 0",
		"2 0 0 0 1 1 A 0 1 0 8:16",
		"2 0 0 0 1 1 A 0 1 0 sda A 0",
		"2 0 0 0 1 1 A 0 1 0 8:16 X 0",
		"2 0 0 0 1 1 Q 0 1 0 8:16 A 0",
		"2 0 0 0 1 1 A 0 1 2 8:16 A 0 0",
		"2 0 0 0 99999999 1 A 0 1 0 8:16 A 0",
		"65535 0 0",
	};
	struct mpath_map m;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		CHECK(!mpath_status(texts[i], &m));
}

static void more_paths_than_there_is_room_for_are_left_out(void)
{
	char text[4096] = "2 0 0 0 1 1 A 0 100 0";
	struct mpath_map m;

	for (int i = 0; i < 100; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " 8:%d A 0", i);
	CHECK(mpath_status(text, &m));
	CHECK_INT(m.npaths, MPATH_PATHS);
}

static void a_table_has_its_paths_by_group(void)
{
	struct mpath_path paths[] = { { 8, 48, 1, true }, { 8, 16, 0, true }, { 8, 32, 0, true } };
	cleanup_buf struct buf table = BUF_INIT, single = BUF_INIT;

	mpath_sort(paths, ARRAY_LEN(paths));
	mpath_table(paths, ARRAY_LEN(paths), true, true, &table);
	CHECK_STR(buf_str(&table),
	          "1 queue_if_no_path 1 alua 2 1 service-time 0 2 1 8:16 1 8:32 1 service-time 0 1 1 8:48 1");
	mpath_table(paths, 1, false, false, &single);
	CHECK_STR(buf_str(&single), "0 0 1 1 service-time 0 1 1 8:16 1");
	CHECK(mpath_same(paths, 3, paths, 3) && !mpath_same(paths, 3, paths, 2));
}

/* ---- disks ---- */

static void disk(const char *block, const char *minor, const char *address, const char *parent,
                 const char *wwid)
{
	char dir[PATH_MAX], link[PATH_MAX], node[PATH_MAX];

	fixture_path(dir, "devices/%s/%s", parent, address);
	fixture_device(root, dir, "scsi");
	fixture(root, wwid, "%s/wwid", dir);
	fixture(root, "running\n", "%s/state", dir);
	fixture(root, minor, "%s/block/%s/dev", dir, block);
	fixture(root, "2048\n", "%s/block/%s/size", dir, block);
	fixture_path(link, "bus/scsi/devices/%s", address);
	fixture_link(root, dir, link);
	fixture_path(link, "%s/block/%s/device", dir, block);
	fixture_link(root, dir, link);
	fixture_path(node, "%s/block/%s", dir, block);
	fixture_path(link, "class/block/%s", block);
	fixture_link(root, node, link);
}

static void session(int number, const char *target)
{
	fixture(root, target, "class/iscsi_session/session%d/targetname", number);
	fixture(root, "LOGGED_IN\n", "class/iscsi_session/session%d/state", number);
}

#define SESSION(n) "platform/host" #n "/session" #n "/target" #n ":0:0"

static void disks_of_one_name_are_ways_to_one_lun(void)
{
	struct mpath_disks d;
	struct err e = { 0 };

	fixture_make(root);
	session(3, "iqn.2026-01.example:a\n");
	session(4, "iqn.2026-01.example:b\n");
	disk("sdb", "8:16\n", "3:0:0:1", SESSION(3), "naa.6001405f00000001\n");
	disk("sda", "8:0\n", "4:0:0:9", SESSION(4), "naa.6001405f00000001\n");
	disk("sdc", "8:32\n", "0:0:0:0", "pci0000:00/0000:00:01.0/host0/target0:0:0",
	     "naa.5000c50000000001\n");
	CHECK_INT(mpath_disks_read(root, &d, &e), 0);
	CHECK_INT(d.n, 3);
	CHECK_STR(d.item[0].id, "35000c50000000001");
	CHECK(!d.item[0].shared && d.item[1].shared);
	CHECK_STR(d.item[1].id, "36001405f00000001");
	CHECK_STR(d.item[2].id, "36001405f00000001");
	CHECK_STR(d.item[1].block, "sda");
	CHECK_STR(d.item[1].session, "session4");
	CHECK(d.item[1].session_in);
	CHECK_INT(d.item[1].size, 1 << 20);
	free(d.item);
	fixture_remove(root);
}

/* Whoever makes up an identifier may have come to another's. Each of these is that of two disks at one
 * target, of one at another, and of one at none. */
static void a_made_up_name_counts_within_its_target(void)
{
	static const struct {
		const char *wwid, *begins;
	} cases[] = {
		{ "t10.IET     00010001\n", "1IET_00010001-" },
		{ "naa.60000000000000000e00000000010001\n", "360000000000000000e00000000010001-" },
		{ "naa.33333330000007d0\n", "333333330000007d0-" },
	};

	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		const char *wwid = cases[c].wwid;
		struct mpath_disks d;
		struct err e = { 0 };
		int same = 0;

		fixture_make(root);
		session(3, "iqn.2026-01.example:a\n");
		session(4, "iqn.2026-01.example:a\n");
		session(5, "iqn.2026-01.example:b\n");
		disk("sda", "8:0\n", "3:0:0:1", SESSION(3), wwid);
		disk("sdb", "8:16\n", "4:0:0:1", SESSION(4), wwid);
		disk("sdc", "8:32\n", "5:0:0:1", SESSION(5), wwid);
		disk("sdd", "8:48\n", "0:0:0:0", "pci0000:00/0000:00:01.0/host0/target0:0:0", wwid);
		CHECK_INT(mpath_disks_read(root, &d, &e), 0);
		CHECK_INT(d.n, 3);
		for (size_t i = 0; i + 1 < d.n; i++)
			same += streq(d.item[i].id, d.item[i + 1].id);
		CHECK_INT(same, 1);
		for (size_t i = 0; i < d.n; i++)
			CHECK(starts_with(d.item[i].id, cases[c].begins));
		free(d.item);
		fixture_remove(root);
	}
}

/* Device-mapper has names of a certain length, and what differs behind it is no one LUN. */
static void long_names_are_not_cut(void)
{
	for (int len = 100; len < 130; len++) {
		char wwid[2][160];
		struct mpath_disks d;
		struct err e = { 0 };

		for (int i = 0; i < 2; i++) {
			memset(wwid[i], '0', (size_t)len + 3);
			memcpy(wwid[i], "t10.", 4);
			snprintf(wwid[i] + len + 3, 16, "%d\n", i);
		}
		fixture_make(root);
		session(3, "iqn.2026-01.example:a\n");
		disk("sda", "8:0\n", "3:0:0:1", SESSION(3), wwid[0]);
		disk("sdb", "8:16\n", "3:0:0:2", SESSION(3), wwid[1]);
		CHECK_INT(mpath_disks_read(root, &d, &e), 0);
		CHECK_INT(d.n, len < 113 ? 2 : 0);
		CHECK(d.n < 2 || !streq(d.item[0].id, d.item[1].id));
		for (size_t i = 0; i < d.n; i++)
			CHECK(strlen(MPATH_PREFIX) + strlen(d.item[i].id) <= 128);
		free(d.item);
		fixture_remove(root);
	}
}

static bool always(void)
{
	return true;
}

static void a_path_is_known_by_its_map(void)
{
	fixture_make(root);
	session(3, "iqn.2026-01.example:a\n");
	disk("sda", "8:0\n", "3:0:0:1", SESSION(3), "naa.6001405f00000001\n");
	disk("sdb", "8:16\n", "0:0:0:0", "pci0000:00/0000:00:01.0/host0/target0:0:0",
	     "naa.5000c50000000001\n");
	CHECK(!multipath_is_path(root, "sda"));
	multipath_hold(always);
	CHECK(multipath_is_path(root, "sda"));
	CHECK(!multipath_is_path(root, "sdb"));
	multipath_hold(NULL);
	CHECK(!multipath_is_path(root, "sda"));
	fixture(root, "mpath-36001405f00000001\n", "class/block/sda/holders/dm-0/dm/uuid");
	fixture(root, "LVM-abc\n", "class/block/sdb/holders/dm-1/dm/uuid");
	CHECK(multipath_is_path(root, "sda"));
	CHECK(!multipath_is_path(root, "sdb"));
	CHECK(!multipath_is_path(root, "sdz"));
	fixture_remove(root);
}

/* ---- port groups ---- */

static void the_state_of_a_port_group_is_found(void)
{
	static const unsigned char answer[] = {
		0,    0, 0, 28,                         /* length */
		0x00, 0, 0, 1,  0, 0, 0, 1, 0, 0, 0, 1, /* group 1: optimized, one port */
		0x81, 0, 0, 2,  0, 0, 0, 2, 0, 0, 0, 2,
		0,    0, 0, 3 /* group 2: preferred, not optimized, two */
	};

	CHECK_INT(scsi_alua_of(answer, sizeof(answer), 1), ALUA_OPTIMIZED);
	CHECK_INT(scsi_alua_of(answer, sizeof(answer), 2), ALUA_NON_OPTIMIZED);
	CHECK_INT(scsi_alua_of(answer, sizeof(answer), 3), ALUA_UNKNOWN);
	CHECK_INT(scsi_alua_of(answer, 12, 1), ALUA_OPTIMIZED);
	CHECK_INT(scsi_alua_of(answer, 16, 2), ALUA_UNKNOWN);
	for (size_t len = 0; len < 12; len++)
		CHECK_INT(scsi_alua_of(answer, len, 1), ALUA_UNKNOWN);
}

int main(void)
{
	RUN(paths_are_read_from_a_status);
	RUN(what_is_no_status_is_refused);
	RUN(more_paths_than_there_is_room_for_are_left_out);
	RUN(a_table_has_its_paths_by_group);
	RUN(disks_of_one_name_are_ways_to_one_lun);
	RUN(a_made_up_name_counts_within_its_target);
	RUN(long_names_are_not_cut);
	RUN(a_path_is_known_by_its_map);
	RUN(the_state_of_a_port_group_is_found);
	return check_done();
}
