/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LUNs as volumes, in a mount namespace where /sys and /dev are trees made for the case.
 */
#include "backends/luns.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "base/file.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"

#define HOST "devices/platform/host2"

static struct seen {
	int n;
	char text[8][512]; /* "name path key format capacity problem" */
	char notes[512];
} seen;

static void on_volume(struct op *op, const struct volume *v)
{
	(void)op;
	if (seen.n < (int)ARRAY_LEN(seen.text))
		snprintf(seen.text[seen.n++], sizeof(seen.text[0]), "%s %s %s %s %llu %s", v->name, v->path,
		         v->key, v->format, (unsigned long long)v->capacity, v->problem ? v->problem : "-");
}

static void on_note(struct op *op, const char *text)
{
	(void)op;
	snprintf(seen.notes + strlen(seen.notes), sizeof(seen.notes) - strlen(seen.notes), "%s\n", text);
}

static struct luns_health health;

static int refresh(const char *target, bool own, uint64_t timeout, struct pool_sizes *sizes)
{
	struct pool_def d = { .name = "p", .target = { .path = target } };
	struct op op = { .deadline = clock_ms() + timeout,
		         .run_dir = "/run/poolinit",
		         .own_devices = own,
		         .on_volume = on_volume,
		         .on_note = on_note };
	struct err e = { 0 };
	int r;

	seen = (struct seen){ 0 };
	r = luns_refresh(&d, 2, &op, sizes, &health, &e);
	if (r < 0)
		printf("# %s\n", e.message);
	return r;
}

/* One LUN of host 2 in session 3, of SCSI type `type`; block NULL: its driver has not come yet. */
static void lun(const char *number, const char *type, const char *block, const char *sectors)
{
	char dir[PATH_MAX], link[PATH_MAX], node[PATH_MAX];

	fixture_path(dir, HOST "/session3/target2:0:0/2:0:0:%s", number);
	fixture_device("/sys", dir, "scsi");
	fixture_path(link, "bus/scsi/devices/2:0:0:%s", number);
	fixture_link("/sys", dir, link);
	fixture("/sys", type, "%s/type", dir);
	fixture_path(link, "naa.600000000000%s\n", number);
	fixture("/sys", link, "%s/wwid", dir);
	if (!block)
		return;
	fixture("/sys", sectors, "%s/block/%s/size", dir, block);
	fixture_path(node, "/dev/%s", block);
	CHECK_INT(mknod(node, S_IFBLK | 0660, makedev(8, 16U * (unsigned)(block[2] - 'a'))), 0);
	fixture_path(link, "%s/block/%s/dev", dir, block);
	fixture("/sys", "8:0\n", "%s", link);
	fixture_path(link, "%s/block/%s/device", dir, block);
	fixture_link("/sys", dir, link);
	fixture_path(node, "class/block/%s", block);
	fixture_path(link, "%s/block/%s", dir, block);
	fixture_link("/sys", link, node);
}

static void begin(void)
{
	if (!fixture_cover("/sys") || !fixture_cover("/dev") || !fixture_cover("/run")) {
		perror("tmpfs");
		exit(1);
	}
	fixture("/sys", "iqn.2026-01.example:vm\n", "class/iscsi_session/session3/targetname");
	fixture("/sys", "192.0.2.7\n", "class/iscsi_connection/connection3:0/persistent_address");
	fixture("/sys", "3260\n", "class/iscsi_connection/connection3:0/persistent_port");
	fixture("/sys", "", "bus/scsi/devices/.keep");
}

static void end(void)
{
	umount2("/run", MNT_DETACH);
	umount2("/dev", MNT_DETACH);
	umount2("/sys", MNT_DETACH);
}

#define BY_PATH "ip-192.0.2.7:3260-iscsi-iqn.2026-01.example:vm-lun-"

static void disks_and_roms_become_volumes_in_order(void)
{
	struct pool_sizes sizes;

	begin();
	lun("10", "0\n", "sdb", "4096\n");
	lun("2", "5\n", "sdc", "2048\n");
	lun("0", "12\n", NULL, NULL); /* the target's own controller */
	CHECK_INT(refresh("/dev/disk/by-path", true, SECONDS(5), &sizes), 0);
	CHECK_INT(seen.n, 2);
	CHECK_STR(seen.text[0], "unit:0:0:2 /dev/disk/by-path/" BY_PATH "2 36000000000002 unknown 1048576 -");
	CHECK_STR(seen.text[1],
	          "unit:0:0:10 /dev/disk/by-path/" BY_PATH "10 360000000000010 unknown 2097152 -");
	CHECK_INT(sizes.capacity, 3 * 1048576);
	CHECK_INT(sizes.allocation, 3 * 1048576);
	CHECK_INT(sizes.available, 0);
	end();
}

static void the_link_is_there_before_it_is_reported(void)
{
	struct pool_sizes sizes;
	char target[256];
	ssize_t n;

	begin();
	lun("1", "0\n", "sda", "8\n");
	CHECK_INT(refresh("/dev/disk/by-path", true, SECONDS(5), &sizes), 0);
	n = readlink("/dev/disk/by-path/" BY_PATH "1", target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	CHECK_STR(target, "../../sda");
	end();
}

static void other_hosts_are_not_ours(void)
{
	struct pool_sizes sizes;

	begin();
	fixture("/sys", "0\n", "bus/scsi/devices/22:0:0:0/type");
	fixture("/sys", "0\n", "bus/scsi/devices/1:0:0:0/type");
	fixture("/sys", "0\n", "bus/scsi/devices/target2:0:0/type");
	fixture("/sys", "0\n", "bus/scsi/devices/host2/type");
	fixture("/sys", "0\n", "bus/scsi/devices/2:0:0:0x/type");
	CHECK_INT(refresh("/dev/disk/by-path", true, 500, &sizes), 0);
	CHECK_INT(seen.n, 0);
	CHECK_STR(seen.notes, "");
	CHECK_INT(sizes.capacity, 0);
	end();
}

static void by_id_and_dev_are_targets_too(void)
{
	struct pool_sizes sizes;

	begin();
	lun("1", "0\n", "sda", "8\n");
	CHECK_INT(refresh("/dev/disk/by-id", true, SECONDS(5), &sizes), 0);
	CHECK_STR(seen.text[0],
	          "unit:0:0:1 /dev/disk/by-id/scsi-36000000000001 36000000000001 unknown 4096 -");
	CHECK_INT(refresh("/dev", true, SECONDS(5), &sizes), 0);
	CHECK_STR(seen.text[0], "unit:0:0:1 /dev/sda 36000000000001 unknown 4096 -");
	end();
}

static void a_disk_without_stable_name_is_listed_with_its_problem(void)
{
	struct pool_sizes sizes;

	begin();
	lun("1", "0\n", "sda", "8\n");
	/* No udevd and not ours: nobody makes links here. */
	CHECK_INT(refresh("/dev/disk/by-path", false, SECONDS(5), &sizes), 0);
	CHECK_STR(seen.text[0], "unit:0:0:1 /dev/sda 36000000000001 unknown 4096 no stable name for /dev/sda "
	                        "below /dev/disk/by-path");
	end();
}

static void a_disk_that_never_comes_is_not_well_and_the_others_are_listed(void)
{
	struct pool_sizes sizes;
	uint64_t before = clock_ms();

	begin();
	lun("1", "0\n", "sda", "8\n");
	lun("2", "0\n", NULL, NULL);
	CHECK_INT(refresh("/dev/disk/by-path", true, SECONDS(20), &sizes), 0);
	CHECK_INT(seen.n, 1);
	/* it would be the same note twice a minute, and the pool's reason says it */
	CHECK_STR(seen.notes, "");
	CHECK(clock_ms() - before >= SECONDS(10) && clock_ms() - before < SECONDS(20));
	CHECK_INT(health.n, 2);
	CHECK_INT(health.sick, 1);
	CHECK_STR(health.first, "LUN 2");
	CHECK_STR(health.why, "there is no block device for it: it does not answer what the kernel asks it "
	                      "first, or has no driver");
	end();
}

/* LUN 0 of many arrays: a disk's type, and by its peripheral qualifier no disk. */
static void a_lun_without_anything_behind_it_is_not_waited_for(void)
{
	struct pool_sizes sizes;
	uint64_t before = clock_ms();

	begin();
	lun("0", "0\n", NULL, NULL);
	lun("1", "0\n", "sda", "8\n");
	fixture("/sys", "\x20rest", HOST "/session3/target2:0:0/2:0:0:0/inquiry");
	CHECK_INT(refresh("/dev/disk/by-path", true, SECONDS(9), &sizes), 0);
	CHECK(clock_ms() - before < SECONDS(9));
	CHECK_INT(seen.n, 1);
	CHECK_STR(seen.notes, "");
	CHECK_INT(health.n, 1);
	CHECK_INT(health.sick, 0);
	end();
}

/* Neither is asked: both are named, and the one that is well is read. */
static void luns_that_stand_still_are_named(void)
{
	cleanup_buf struct buf words = BUF_INIT;
	struct pool_sizes sizes;
	struct err e = { 0 };

	begin();
	lun("1", "0\n", "sda", "8\n");
	lun("2", "0\n", "sdb", "8\n");
	lun("3", "0\n", "sdc", "8\n");
	fixture("/sys", "running\n", HOST "/session3/target2:0:0/2:0:0:1/state");
	fixture("/sys", "offline\n", HOST "/session3/target2:0:0/2:0:0:2/state");
	fixture("/sys", "transport-offline\n", HOST "/session3/target2:0:0/2:0:0:3/state");
	CHECK_INT(refresh("/dev/disk/by-path", true, SECONDS(5), &sizes), 0);
	CHECK_INT(seen.n, 3);
	CHECK_STR(seen.text[0], "unit:0:0:1 /dev/disk/by-path/" BY_PATH "1 36000000000001 unknown 4096 -");
	CHECK_STR(seen.text[1], "unit:0:0:2 /dev/disk/by-path/" BY_PATH
	                        "2 36000000000002 unknown 4096 the kernel has set it offline after errors");
	CHECK_INT(health.n, 3);
	CHECK_INT(health.sick, 2);
	CHECK_STR(health.first, "LUN 2 (sdb)");
	CHECK_STR(health.why, "the kernel has set it offline after errors");
	CHECK_INT(luns_ground(2, &words, &e), 0);
	CHECK_STR(buf_str(&words), " sda=0:0:1:1000 sdb=0:0:2:1000offline sdc=0:0:3:1000transport-offline");
	end();
}

static void what_is_offline_is_tried_again(void)
{
	char text[16] = "";

	begin();
	lun("1", "0\n", "sda", "8\n");
	lun("2", "0\n", "sdb", "8\n");
	fixture("/sys", "offline\n", HOST "/session3/target2:0:0/2:0:0:1/state");
	fixture("/sys", "blocked\n", HOST "/session3/target2:0:0/2:0:0:2/state");
	luns_wake(2);
	CHECK(file_read_line(AT_FDCWD, "/sys/class/block/sda/device/state", text, sizeof(text)) > 0 &&
	      starts_with(text, "running"));
	CHECK(file_read_line(AT_FDCWD, "/sys/class/block/sdb/device/state", text, sizeof(text)) > 0 &&
	      streq(text, "blocked"));
	end();
}

static void links_of_udev_are_waited_for(void)
{
	struct pool_sizes sizes;
	pid_t child;

	begin();
	lun("1", "0\n", "sda", "8\n");
	fixture("/run", "", "udev/control");
	fixture("/dev", "", "disk/by-path/keep");
	child = fork();
	if (child == 0) {
		poll(NULL, 0, 100); /* udev takes its time */
		_exit(symlink("../../sda", "/dev/disk/by-path/" BY_PATH "1"));
	}
	CHECK_INT(refresh("/dev/disk/by-path", false, SECONDS(10), &sizes), 0);
	CHECK_STR(seen.text[0], "unit:0:0:1 /dev/disk/by-path/" BY_PATH "1 36000000000001 unknown 4096 -");
	waitpid(child, NULL, 0);
	end();
}

static void the_own_name_is_preferred_among_several(void)
{
	struct pool_sizes sizes;

	begin();
	lun("1", "0\n", "sda", "8\n");
	fixture("/dev", "", "disk/by-path/keep");
	CHECK_INT(symlink("../../sda", "/dev/disk/by-path/aaa-other-name"), 0);
	CHECK_INT(refresh("/dev/disk/by-path", true, SECONDS(5), &sizes), 0);
	CHECK_STR(seen.text[0], "unit:0:0:1 /dev/disk/by-path/" BY_PATH "1 36000000000001 unknown 4096 -");
	end();
}

static void no_scsi_at_all_is_an_empty_pool(void)
{
	struct pool_sizes sizes;

	begin();
	CHECK_INT(unlink("/sys/bus/scsi/devices/.keep"), 0);
	CHECK_INT(rmdir("/sys/bus/scsi/devices"), 0);
	CHECK_INT(refresh("/dev/disk/by-path", true, SECONDS(5), &sizes), 0);
	CHECK_INT(seen.n, 0);
	end();
}

static void a_host_is_asked_for_all_its_luns(void)
{
	struct op op = { .deadline = clock_ms() + SECONDS(20), .run_dir = "/run/poolinit" };
	struct err e = { 0 };
	char text[16] = "";
	FILE *f;

	begin();
	CHECK_INT(luns_rescan(2, &op, &e), -1);
	CHECK(e.message[0] != '\0');
	fixture("/sys", "", "class/scsi_host/host2/scan");
	CHECK_INT(luns_rescan(2, &op, &e), 0);
	f = fopen("/sys/class/scsi_host/host2/scan", "re");
	CHECK(f && fgets(text, sizeof(text), f));
	if (f)
		fclose(f);
	CHECK_STR(text, "- - -");
	end();
}

static void a_lun_in_use_is_named_with_its_user(void)
{
	struct err e = { 0 };

	begin();
	lun("1", "0\n", "sda", "8\n");
	lun("7", "0\n", "sdb", "8\n");
	CHECK(!luns_in_use(2, &e));
	fixture("/sys", "vg-lv\n", "class/block/dm-4/dm/name");
	fixture("/sys", "", HOST "/session3/target2:0:0/2:0:0:7/block/sdb/holders/dm-4");
	CHECK(luns_in_use(2, &e));
	CHECK_INT(e.class, ERR_BUSY);
	CHECK_STR(e.message, "LUN 7 (sdb) is held by vg-lv");
	end();
}

static void a_held_partition_counts(void)
{
	struct err e = { 0 };

	begin();
	lun("1", "0\n", "sda", "8\n");
	fixture("/sys", "1\n", HOST "/session3/target2:0:0/2:0:0:1/block/sda/sda1/partition");
	fixture("/sys", "8:1\n", HOST "/session3/target2:0:0/2:0:0:1/block/sda/sda1/dev");
	fixture("/sys", "", HOST "/session3/target2:0:0/2:0:0:1/block/sda/sda1/holders/md0");
	fixture_link("/sys", HOST "/session3/target2:0:0/2:0:0:1/block/sda/sda1", "class/block/sda1");
	CHECK(luns_in_use(2, &e));
	CHECK_STR(e.message, "LUN 1 (sda) is held by md0");
	end();
}

int main(void)
{
	if (!fixture_namespace(0)) {
		printf("skip - luns: no mount namespace of our own (not root)\n");
		return 0;
	}
	RUN(disks_and_roms_become_volumes_in_order);
	RUN(the_link_is_there_before_it_is_reported);
	RUN(other_hosts_are_not_ours);
	RUN(by_id_and_dev_are_targets_too);
	RUN(a_disk_without_stable_name_is_listed_with_its_problem);
	RUN(a_disk_that_never_comes_is_not_well_and_the_others_are_listed);
	RUN(a_lun_without_anything_behind_it_is_not_waited_for);
	RUN(luns_that_stand_still_are_named);
	RUN(what_is_offline_is_tried_again);
	RUN(links_of_udev_are_waited_for);
	RUN(the_own_name_is_preferred_among_several);
	RUN(no_scsi_at_all_is_an_empty_pool);
	RUN(a_host_is_asked_for_all_its_luns);
	RUN(a_lun_in_use_is_named_with_its_user);
	RUN(a_held_partition_counts);
	return check_done();
}
