/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ZFS without a zpool: names, and what zpool and zfs print.
 */
#include "backends/zfs/zfs.h"

#include <stdio.h>
#include "base/util.h"
#include "check.h"

static struct zfs_state state;

static void read_state(const char *text)
{
	char *copy = strdup(text);

	zfs_state_parse(copy, &state);
	free(copy);
}

/* As OpenZFS 2.1.11 prints it with -P, a mirror's second disk taken out. */
static const char degraded[] =
	"  pool: tank\n"
	" state: DEGRADED\n"
	"status: One or more devices could not be used because the label is missing or\n"
	"\tinvalid.  Sufficient replicas exist for the pool to continue\n"
	"\tfunctioning in a degraded state.\n"
	"action: Replace the device using 'zpool replace'.\n"
	"   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-4J\n"
	"  scan: resilvered 90K in 00:00:00 with 0 errors on Sun Nov 29 12:00:00 2026\n"
	"config:\n"
	"\n"
	"\tNAME                     STATE     READ WRITE CKSUM\n"
	"\ttank                     DEGRADED     0     0     0\n"
	"\t  mirror-0               DEGRADED     0     0     0\n"
	"\t    /dev/null            ONLINE       0     0     0\n"
	"\t    1234567890123456789  UNAVAIL      0     0     0  was /dev/vdb1\n"
	"\tlogs\t\n"
	"\t  /dev/vdd1              FAULTED      3     1     0  too many errors\n"
	"\n"
	"errors: No known data errors\n";

static void a_state_is_read_with_its_disks(void)
{
	char text[120];

	read_state(degraded);
	CHECK_STR(state.state, "DEGRADED");
	CHECK(starts_with(state.status,
	                  "One or more devices could not be used because the label is missing or invalid."));
	CHECK_STR(state.errors, "");
	CHECK_INT(state.n, 3);
	CHECK_STR(state.disks[0].path, "/dev/null");
	CHECK_STR(state.disks[0].state, "ONLINE");
	CHECK_STR(state.disks[1].state, "UNAVAIL");
	CHECK_STR(state.disks[1].was, "/dev/vdb1");
	CHECK(zfs_disk_is_away(&state.disks[2]) && !zfs_disk_is_away(&state.disks[0]));
	snprintf(state.disks[0].node, sizeof(state.disks[0].node), "vda1");
	CHECK(zfs_state_sick(&state, text, sizeof(text)));
	CHECK_STR(text, "/dev/vdb1 UNAVAIL, /dev/vdd1 FAULTED");
}

static void a_disk_whose_node_is_gone_is_sick_though_zpool_says_online(void)
{
	char text[120];

	read_state(" state: ONLINE\nconfig:\n\n\ttank ONLINE 0 0 0\n\t  /dev/vdz1  ONLINE  0 0 0\n\nerrors: "
	           "3 data errors\n");
	CHECK_STR(state.errors, "3 data errors");
	CHECK(zfs_state_sick(&state, text, sizeof(text)));
	CHECK_STR(text, "/dev/vdz1 was taken out");
	snprintf(state.disks[0].node, sizeof(state.disks[0].node), "vdz1");
	CHECK(!zfs_state_sick(&state, text, sizeof(text)));
}

static void what_is_no_status_has_no_disks(void)
{
	static const char *const texts[] = { "",
		                             "\n\n\n",
		                             "config:",
		                             "config:\n\t",
		                             "\t/dev/vda1 ONLINE",
		                             "state:",
		                             " state: \nconfig:\n\tmirror-0 ONLINE\n",
		                             "errors: " };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		read_state(texts[i]);
		CHECK_INT(state.n, 0);
		CHECK_STR(state.state, "");
	}
}

static void more_disks_than_there_is_room_for_are_left_out(void)
{
	struct buf text = BUF_INIT;
	char few[40];

	buf_adds(&text, "config:\n");
	for (int i = 0; i < ZFS_DISKS + 10; i++)
		buf_printf(&text, "\t/dev/disk/by-id/%0200d  FAULTED\n", i);
	read_state(buf_str(&text));
	CHECK_INT(state.n, ZFS_DISKS);
	CHECK(zfs_state_sick(&state, few, sizeof(few)) && strlen(few) == sizeof(few) - 1);
	buf_free(&text);
}

static bool offered(const char *text, const char *guid, char state_of[16], char status[80])
{
	char *copy = strdup(text);
	bool found = zfs_offer_parse(copy, guid, state_of, 16, status, 80);

	free(copy);
	return found;
}

static void one_zpool_of_an_offer_is_found_by_its_guid(void)
{
	static const char text[] =
		"   pool: tank\n     id: 111\n  state: ONLINE\n action: The pool can be imported.\n"
		" config:\n\n\ttank ONLINE\n\n   pool: tank\n     id: 222\n  state: UNAVAIL\n"
		"status: One or more devices are missing from the system.\n";
	char state_of[16], status[80];

	CHECK(offered(text, "111", state_of, status));
	CHECK_STR(state_of, "ONLINE");
	CHECK_STR(status, "");
	CHECK(offered(text, "222", state_of, status));
	CHECK_STR(state_of, "UNAVAIL");
	CHECK(starts_with(status, "One or more devices are missing"));
	CHECK(!offered(text, "11", state_of, status) && !offered("", "111", state_of, status));
	CHECK(!offered("id:\nstate: ONLINE", "", state_of, status));
}

static void a_row_has_its_fields_and_a_number_may_be_missing(void)
{
	char text[] = "tank/a\t8388608\t-\n\nlast\t", *at = text, *f[3];

	CHECK_INT(zfs_row(&at, f, 3), 3);
	CHECK_INT(zfs_number(f[1]), 8388608);
	CHECK_INT(zfs_number(f[2]), 0);
	CHECK_INT(zfs_row(&at, f, 3), 1);
	CHECK_INT(zfs_row(&at, f, 3), 2);
	CHECK_INT(zfs_row(&at, f, 3), 0);
	CHECK_INT(zfs_number("none"), 0);
}

static void names_are_those_of_datasets(void)
{
	static const char *const good[] = { "tank", "tank/vm", "T/a b/c:d", "t-1.x_y/z" };
	static const char *const bad[] = { "1tank",  "-o",      "tank/",    "tank//a", "tank/a@b",
		                           "tank/%", "tank/..", "tank/a#b", "" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(zfs_validate(&(struct pool_def){ .type = POOL_ZFS,
		                                       .name = "x",
		                                       .source = { .name = good[i] } },
		                   NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(zfs_validate(&(struct pool_def){ .type = POOL_ZFS,
		                                       .name = "x",
		                                       .source = { .name = bad[i] } },
		                   NULL) < 0);
}

/* Rows that a property's newlines have made name what is elsewhere, or lead out of /dev/zvol as a path. */
static void only_what_is_below_the_dataset_is_a_volume_of_it(void)
{
	static const char *const others[] = {
		"",          "t",  "tank",       "tanks/a", "other/a",    "tank/",         "tank//a",
		"tank/../a", "-r", "tank/vm/..", "tank/.",  "tank/a@now", "tank/../../sda"
	};

	CHECK(zfs_is_inside("tank/a", "tank") && zfs_is_inside("tank/vm/a b", "tank"));
	CHECK(zfs_is_inside("tank/vm/a", "tank/vm") && !zfs_is_inside("tank/vmx", "tank/vm"));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		CHECK(!zfs_is_inside(others[i], "tank"));
}

/* As udev's zvol_id has it. */
static void a_blank_in_a_name_is_a_plus_in_the_path(void)
{
	char path[PATH_MAX], name[ZFS_NAME];

	zvol_path("my tank/a b-part1", path);
	CHECK_STR(path, "/dev/zvol/my+tank/a+b-part1");
	zvol_dataset(path, name);
	CHECK_STR(name, "my tank/a b-part1");
	zvol_path("", path);
	CHECK_STR(path, "/dev/zvol");
}

int main(void)
{
	RUN(a_state_is_read_with_its_disks);
	RUN(a_disk_whose_node_is_gone_is_sick_though_zpool_says_online);
	RUN(what_is_no_status_has_no_disks);
	RUN(more_disks_than_there_is_room_for_are_left_out);
	RUN(one_zpool_of_an_offer_is_found_by_its_guid);
	RUN(a_row_has_its_fields_and_a_number_may_be_missing);
	RUN(names_are_those_of_datasets);
	RUN(only_what_is_below_the_dataset_is_a_volume_of_it);
	RUN(a_blank_in_a_name_is_a_plus_in_the_path);
	return check_done();
}
