/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A volume that another pool stands on is not written to: LUNs, in a mount namespace where /sys and /dev are
 * trees made for the case. No driver has the devices' number, so that none of them can be opened.
 */
#include <fcntl.h>
#include <sys/sysmacros.h>
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/work/work.h"

#define MAJOR 3999

static struct pool luns = { .name = "luns",
	                    .type = POOL_SCSI,
	                    .phase = PHASE_ACTIVE,
	                    .def = { .origin = "test",
	                             .xml = "<pool type='scsi'><name>luns</name><source><adapter "
	                                    "name='host0'/></source><target><path>/dev/disk/by-id</path>"
	                                    "</target></pool>" } },
		   other = { .name = "other", .type = POOL_DISK, .next = &luns };
static struct supervisor sup = { .pools = &other };

static void disk(const char *name, unsigned number)
{
	char path[PATH_MAX], to[PATH_MAX];

	fixture_path(path, "devices/%s/dev", name);
	fixture_path(to, "%u:%u\n", MAJOR, number);
	fixture("/sys", to, "%s", path);
	fixture_path(path, "devices/%s", name);
	fixture_path(to, "class/block/%s", name);
	fixture_link("/sys", path, to);
	fixture_path(to, "dev/block/%u:%u", MAJOR, number);
	fixture_link("/sys", path, to);
	fixture_path(path, "/dev/%s", name);
	CHECK_INT(mknod(path, S_IFBLK | 0600, makedev(MAJOR, number)), 0);
}

static void begin(void)
{
	if (!fixture_cover("/sys") || !fixture_cover("/dev")) {
		perror("tmpfs");
		exit(1);
	}
	disk("sda", 0);
	disk("sdb", 16);
	fixture("/sys", "1\n", "devices/sda/sda1/partition");
	fixture("/sys", "3999:1\n", "devices/sda/sda1/dev");
	fixture_link("/dev", "sda", "disk/by-id/lun");
	luns.sup = other.sup = &sup;
	other.phase = PHASE_ACTIVE;
	other.life.identity = NULL;
}

static void end(void)
{
	umount2("/dev", MNT_DETACH);
	umount2("/sys", MNT_DETACH);
}

typedef int work_fn(struct worker_io *io, void *arg, struct err *e);

/* What is said of the work on that volume. */
static enum err_class said_of(work_fn *run, const char *path, unsigned flags, struct err *e)
{
	char record[512];
	struct pool_view view;
	struct worker_io io = { .fd = -1, .deadline = NEVER };
	struct volume_work work = { .record = record,
		                    .algorithm = "zero",
		                    .flags = flags,
		                    .stream = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		                    .connection = -1,
		                    .sup = &sup,
		                    .pool = &view };

	snprintf(record, sizeof(record),
	         "- name=unit:0:0:0 key=k type=block format=raw capacity=512 allocation=512 path=%s", path);
	view_fill(&view, &luns);
	*e = (struct err){ 0 };
	CHECK_INT(run(&io, &work, e), -1);
	close(work.stream);
	return e->class;
}

static void is_refused(work_fn *run, const char *path, unsigned flags, const char *words)
{
	struct err e;

	CHECK_STR(err_word(said_of(run, path, flags, &e)), "busy");
	CHECK(strstr(e.message, "volume \"unit:0:0:0\" is what pool \"other\" stands on ("));
	CHECK(strstr(e.message, words));
}

static void all_that_writes_is_refused(void)
{
	begin();
	other.life.identity = "dev=3999:0 /dev/sda\n";
	is_refused(volume_work_wipe, "/dev/sda", 0, "(both are on device /dev/sda)");
	is_refused(volume_work_upload, "/dev/sda", 0, "both are on device /dev/sda");
	is_refused(volume_work_delete, "/dev/sda", 0, "both are on device /dev/sda");
	is_refused(volume_work_resize, "/dev/sda", VOL_SHRINK, "both are on device /dev/sda");
	end();
}

static void a_link_leads_to_the_same_disk(void)
{
	begin();
	other.life.identity = "dev=3999:0 LABEL=data\n";
	is_refused(volume_work_wipe, "/dev/disk/by-id/lun", 0,
	           "/dev/disk/by-id/lun and LABEL=data are the same device");
	end();
}

static void a_disk_is_written_to_with_its_partitions(void)
{
	begin();
	other.life.identity = "vg=aaaa group\ndev=3999:1 volume group group\n";
	is_refused(volume_work_wipe, "/dev/sda", 0, "sda1 and volume group group are the same device");
	end();
}

static void what_is_degraded_hung_or_being_stopped_stands_there(void)
{
	static const enum phase phases[] = { PHASE_DEGRADED, PHASE_HUNG, PHASE_STOPPING };

	begin();
	other.life.identity = "dev=3999:0 /dev/sda\n";
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		other.phase = phases[i];
		is_refused(volume_work_wipe, "/dev/sda", 0, "/dev/sda");
	}
	end();
}

static void one_that_is_being_started_is_known_by_its_definition(void)
{
	begin();
	other.phase = PHASE_STARTING;
	other.life.identity = "dev=3999:16 of an earlier life\n";
	other.def.origin = "test";
	other.def.xml =
		"<pool type='disk'><name>other</name><source><device path='/dev/disk/by-id/lun'/></source>"
		"<target><path>/dev</path></target></pool>";
	is_refused(volume_work_wipe, "/dev/sda", 0, "/dev/disk/by-id/lun");
	end();
}

/* What comes then is the backend's own answer. */
static void is_let_through(work_fn *run, const char *path, unsigned flags)
{
	struct err e;

	said_of(run, path, flags, &e);
	CHECK(!strstr(e.message, "stands on"));
}

static void what_no_pool_stands_on_is_let_through(void)
{
	begin();
	other.life.identity = "dev=3999:0 /dev/sda\n";
	is_let_through(volume_work_wipe, "/dev/sdb", 0);
	is_let_through(volume_work_wipe, "/dev/there-is-none", 0);
	is_let_through(volume_work_wipe, "/dev/disk", 0);
	is_let_through(volume_work_resize, "/dev/sda", 0); /* it only becomes larger */
	is_let_through(volume_work_download, "/dev/sda", 0);
	other.phase = PHASE_INACTIVE;
	is_let_through(volume_work_wipe, "/dev/sda", 0);
	other.phase = PHASE_FAILED;
	is_let_through(volume_work_wipe, "/dev/sda", 0);
	luns.life.identity = "dev=3999:0 its own\n";
	is_let_through(volume_work_wipe, "/dev/sda", 0);
	luns.life.identity = NULL;
	end();
}

int main(void)
{
	if (!fixture_namespace(0)) {
		printf("skip - volume_ground: no mount namespace of our own (not root)\n");
		return 0;
	}
	RUN(all_that_writes_is_refused);
	RUN(a_link_leads_to_the_same_disk);
	RUN(a_disk_is_written_to_with_its_partitions);
	RUN(what_is_degraded_hung_or_being_stopped_stands_there);
	RUN(one_that_is_being_started_is_known_by_its_definition);
	RUN(what_no_pool_stands_on_is_let_through);
	return check_done();
}
