/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LVM: its reports from recorded texts; its command line; and the logical backend up to the point where
 * device-mapper is needed, on real physical volumes (loop devices over memory) in a mount namespace whose
 * /dev holds nothing else.
 */
#include "backends/logical/lvm.h"

#include <errno.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include "backends/logical/logical.h"
#include "backends/logical/lvm_scan.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"

/* ---- reports ---- */

static struct lvm_field f[LVM_FIELDS];

static int next(char **text, struct err *e)
{
	*e = (struct err){ 0 };
	return lvm_next(text, f, e);
}

static void a_report_is_taken_apart(void)
{
	/* lvs --noheadings --nameprefixes --units b --nosuffix --segments -o
	 * lv_name,lv_uuid,lv_attr,lv_size,origin,devices */
	char text[] = "  LVM2_LV_NAME='data' LVM2_LV_UUID='zz0W8G-AKb0-2lTq-mjtS-Q0bE-aU6d-Z2T5dW' "
		      "LVM2_LV_ATTR='-wi-a-----' LVM2_LV_SIZE='8388608' LVM2_ORIGIN='' "
		      "LVM2_DEVICES='/dev/vdb(0),/dev/vdc(4)'\n"
		      "  LVM2_LV_NAME='thin one' LVM2_LV_UUID='x' LVM2_LV_ATTR='Vwi-aotz--' LVM2_LV_SIZE='1' "
		      "LVM2_ORIGIN='[hidden]' LVM2_DEVICES=''\n";
	char *at = text;
	struct err e;
	int n = next(&at, &e);

	CHECK_INT(n, 6);
	CHECK_STR(lvm_get(f, n, "LV_NAME"), "data");
	CHECK_STR(lvm_get(f, n, "LV_ATTR"), "-wi-a-----");
	CHECK_STR(lvm_get(f, n, "ORIGIN"), "");
	CHECK_STR(lvm_get(f, n, "DEVICES"), "/dev/vdb(0),/dev/vdc(4)");
	CHECK_STR(lvm_get(f, n, "LV"), "");
	CHECK_STR(lvm_get(f, n, "NO_SUCH"), "");
	n = next(&at, &e);
	CHECK_INT(n, 6);
	CHECK_STR(lvm_get(f, n, "LV_NAME"), "thin one");
	CHECK_INT(next(&at, &e), 0);
	CHECK_INT(next(&at, &e), 0);
}

static void an_empty_report_has_no_line(void)
{
	char blank[] = "  \n\n \n", *at = blank, *none = NULL;
	struct err e;

	CHECK_INT(next(&at, &e), 0);
	CHECK_INT(next(&none, &e), 0);
}

static void a_last_line_without_newline_counts(void)
{
	char text[] = "A='1'\nB='2'", *at = text;
	struct err e;

	CHECK_INT(next(&at, &e), 1);
	CHECK_INT(next(&at, &e), 1);
	CHECK_STR(lvm_get(f, 1, "B"), "2");
	CHECK_INT(next(&at, &e), 0);
}

static void what_is_no_report_is_refused(void)
{
	static const char *const bad[] = {
		"data vg -wi-a-----",
		"A='1",
		"A=1",
		"A",
		"A=",
		"A='",
		"='1'",
		"a='1'",
		"A='1' B",
		"A='1' junk B='2'",
		"A='1''",
		"\x01",
		"A='1'=B",
		"A ='1'",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *copy = strdup(bad[i]), *at = copy;
		struct err e;

		if (next(&at, &e) != -1)
			printf("# accepted: %s\n", bad[i]);
		CHECK(e.class == ERR_STORAGE);
		free(copy);
	}
}

static void too_many_fields_are_refused(void)
{
	char text[LVM_FIELDS * 6 + 16] = "", *at = text;
	struct err e;

	for (int i = 0; i <= LVM_FIELDS; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "A='' ");
	CHECK_INT(next(&at, &e), -1);
}

static void device_mapper_names_are_decoded(void)
{
	static const struct {
		const char *dm, *vg, *lv;
	} good[] = {
		{ "vg-lv", "vg", "lv" },     { "my--vg-my--lv", "my-vg", "my-lv" },
		{ "a----b-c", "a--b", "c" }, { "vg-lv-real", "vg", "lv" },
		{ "vg-a--", "vg", "a-" },
	};
	static const char *const bad[] = { "", "vg", "-lv", "vg-", "--", "my--vg", "a-" };
	char vg[16], lv[16], small[3];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK(lvm_dm_name(good[i].dm, vg, sizeof(vg), lv, sizeof(lv)));
		CHECK_STR(vg, good[i].vg);
		CHECK_STR(lv, good[i].lv);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!lvm_dm_name(bad[i], vg, sizeof(vg), lv, sizeof(lv)));
	CHECK(!lvm_dm_name("abc-d", small, sizeof(small), lv, sizeof(lv)));
	CHECK(!lvm_dm_name("d-abc", vg, sizeof(vg), small, sizeof(small)));
}

static void a_group_uuid_is_read_from_device_mapper(void)
{
	char out[39];

	CHECK(lvm_dm_vg_uuid("LVM-oanUNy57yhkEn2YS6Q7SPxiJn8Lw2mYaABCDEFGHIJKLMNOPQRSTUVWXYZ012345", out));
	CHECK_STR(out, "oanUNy-57yh-kEn2-YS6Q-7SPx-iJn8-Lw2mYa");
	CHECK(!lvm_dm_vg_uuid("LVM-short", out));
	CHECK(!lvm_dm_vg_uuid("mpath-oanUNy57yhkEn2YS6Q7SPxiJn8Lw2mYaABCDEFGHIJKLMNOPQRSTUVWXYZ012345", out));
	CHECK(!lvm_dm_vg_uuid("", out));
}

/* ---- real LVM ---- */

static int notes, volumes;

static void on_note(struct op *op, const char *text)
{
	(void)op, (void)text;
	notes++;
}

static void on_volume(struct op *op, const struct volume *v)
{
	(void)op, (void)v;
	volumes++;
}

static struct op op_make(void)
{
	lvm_scan_forget();
	group_report_forget();
	return (struct op){ .deadline = clock_ms() + SECONDS(60),
		            .run_dir = "/run/poolinit",
		            .own_devices = true,
		            .on_note = on_note,
		            .on_volume = on_volume };
}

/* Newer LVM asks device-mapper at each scan, and on a kernel without it complains of that first. */
#define LVM_ALONE "--driverloaded", "n"

/* Words up to NULL. */
static int lvm(struct buf *out, struct err *e, ...)
{
	const char *words[32];
	struct op op = op_make();
	va_list ap;
	int n = 0;

	va_start(ap, e);
	while ((words[n] = va_arg(ap, const char *)) && n < 31)
		n++;
	va_end(ap);
	*e = (struct err){ 0 };
	return lvm_run(words, NULL, &op, out, e);
}

static void a_report_of_nothing_is_empty(void)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct err e;

	CHECK_INT(lvm(&out, &e, "vgs", LVM_REPORT, "-o", "vg_name", "-S", "vg_name=nosuchgroup", NULL), 0);
	CHECK_INT(out.len, 0);
}

static void complaints_become_errors(void)
{
	struct err e;

	CHECK_INT(lvm(NULL, &e, "vgs", LVM_ALONE, "nosuchgroup", NULL), -1);
	CHECK_INT(e.class, ERR_STORAGE);
	CHECK_STR(e.message, "vgs: Volume group \"nosuchgroup\" not found");
	CHECK_INT(lvm(NULL, &e, "nosuchcommand", NULL), -1);
	CHECK(starts_with(e.message, "nosuchcommand: "));
	CHECK_INT(lvm(NULL, &e, "vgs", "--nosuchoption", NULL), -1);
	CHECK(starts_with(e.message, "vgs: "));
}

static void words_stay_words(void)
{
	struct err e;

	/* Were the quoting wrong, these would be further arguments, or comments, and the error another
	 * one. */
	CHECK_INT(lvm(NULL, &e, "vgs", LVM_ALONE, "a b", NULL), -1);
	CHECK(strstr(e.message, "a b") != NULL);
	CHECK_INT(lvm(NULL, &e, "vgs", LVM_ALONE, "it's", NULL), -1);
	CHECK(strstr(e.message, "it's") != NULL);
	CHECK_INT(lvm(NULL, &e, "vgs", LVM_ALONE, "both'\"", NULL), -1);
	CHECK_INT(e.class, ERR_INVALID);
	CHECK_INT(lvm(NULL, &e, "vgs", LVM_ALONE, "two\nlines", NULL), -1);
	CHECK_INT(e.class, ERR_INVALID);
}

static void only_a_report_is_a_report(void)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct err e;

	CHECK_INT(lvm(&out, &e, "version", NULL), 0);
	CHECK_STR(buf_str(&out), "");
}

/* ---- the logical backend on real physical volumes ---- */

struct disk {
	int fd;
	char node[32], link[32];
};
static struct disk disks[3];

/* A loop device over memory. It goes away by itself when the descriptor does, however this test ends. */
static bool disk_make(struct disk *d, const char *link)
{
	struct loop_config config = { .fd = (unsigned)memfd_create("disk", MFD_CLOEXEC),
		                      .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n;

	snprintf(d->link, sizeof(d->link), "%s", link);
	d->fd = -1;
	for (int attempt = 0; attempt < 20 && d->fd < 0; attempt++) {
		n = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(d->node, sizeof(d->node), "/dev/loop%d", n);
		unlink(d->node);
		if (n < 0 || mknod(d->node, S_IFBLK | 0600, makedev(7, (unsigned)n)) < 0)
			break;
		d->fd = open(d->node, O_RDWR | O_CLOEXEC);
		if (d->fd < 0 || ftruncate((int)config.fd, 64 << 20) < 0)
			break;
		if (ioctl(d->fd, LOOP_CONFIGURE, &config) == 0)
			break;
		close(d->fd); /* somebody else was faster: the next one */
		d->fd = -1;
		if (errno != EBUSY)
			break;
	}
	close(control);
	close((int)config.fd);
	return d->fd >= 0 && symlink(d->node, d->link) == 0;
}

static void disk_free(struct disk *d)
{
	close(d->fd);
	unlink(d->node);
	unlink(d->link);
}

#define PV_UUID "aaaaaa-bbbb-cccc-dddd-eeee-ffff-gggggg"

/* What vgcfgbackup would write for a group with two volumes; vgcfgrestore needs no device-mapper to put it on
 * the disk. */
static const char metadata[] =
	"contents = \"Text Format Volume Group\"\nversion = 1\ndescription = \"\"\ncreation_host = "
	"\"test\"\ncreation_time = 1700000000\n"
	"withvols {\n id = \"hhhhhh-bbbb-cccc-dddd-eeee-ffff-gggggg\"\n seqno = 3\n format = \"lvm2\"\n "
	"status = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\n"
	" flags = []\n extent_size = 8192\n max_lv = 0\n max_pv = 0\n metadata_copies = 0\n"
	" physical_volumes {\n  pv0 {\n   id = \"" PV_UUID
	"\"\n   device = \"/dev/diskc\"\n   status = [\"ALLOCATABLE\"]\n   flags = []\n"
	"   dev_size = 131072\n   pe_start = 2048\n   pe_count = 15\n  }\n }\n"
	" logical_volumes {\n"
	"  one {\n   id = \"iiiiii-bbbb-cccc-dddd-eeee-ffff-gggggg\"\n   status = [\"READ\", \"WRITE\", "
	"\"VISIBLE\"]\n   flags = []\n   segment_count = 1\n"
	"   segment1 {\n    start_extent = 0\n    extent_count = 2\n    type = \"striped\"\n    stripe_count "
	"= 1\n    stripes = [\"pv0\", 0]\n   }\n  }\n"
	" }\n}\n";

static const char *vg;
static const char *device;

static struct pool_def definition(struct pool_device *dev)
{
	struct pool_def d = { .type = POOL_LOGICAL, .name = "p", .source = { .name = vg } };

	*dev = (struct pool_device){ .path = device, .part_separator = -1 };
	if (device) {
		d.source.devices = dev;
		d.source.ndevices = 1;
	}
	return d;
}

static int start(struct err *e)
{
	struct pool_device dev;
	struct pool_def d = definition(&dev);
	struct op op = op_make();

	*e = (struct err){ 0 };
	notes = 0;
	return logical_backend.start(&d, &op, e);
}

static const char *check(enum pool_state *state)
{
	static struct buf detail;
	struct pool_device dev;
	struct pool_def d = definition(&dev);
	struct op op = op_make();
	struct err e = { 0 };

	buf_reset(&detail);
	CHECK_INT(logical_backend.check(&d, &op, state, &detail, &e), 0);
	return buf_str(&detail);
}

static void a_group_that_is_not_there_is_waited_for(void)
{
	enum pool_state state;
	struct err e;

	vg = "nowhere";
	device = NULL;
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WAIT_DEVICE);
	CHECK_STR(e.waits_for, "vg=nowhere");
	CHECK_STR(e.message, "cannot activate volume group \"nowhere\": no device that answers holds it");
	CHECK_STR(check(&state), "");
	CHECK_INT(state, STATE_INACTIVE);
	device = "/dev/absent";
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WAIT_DEVICE);
	CHECK_STR(e.waits_for, "device=/dev/absent");
	vg = "withvols"; /* a group of that name is there, but not on the device that is meant */
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WAIT_DEVICE);
	CHECK_STR(e.waits_for, "device=/dev/absent");
	CHECK_INT(notes, 0);
}

static void an_empty_group_is_active_and_has_its_size(void)
{
	struct pool_sizes sizes = { 0 };
	enum pool_state state;
	struct pool_device dev;
	struct op op = op_make();
	struct err e;

	vg = "whole";
	device = NULL;
	CHECK(starts_with(check(&state), "vg="));
	CHECK_INT(strlen(check(&state)), 3 + 38);
	CHECK_INT(state, STATE_ACTIVE);

	struct pool_def d = definition(&dev);

	volumes = 0;
	CHECK_INT(logical_backend.refresh(&d, &op, &sizes, &e), 0);
	CHECK_INT(volumes, 0);
	CHECK_INT(sizes.capacity, 60 << 20);
	CHECK_INT(sizes.available, 60 << 20);
	CHECK_INT(sizes.allocation, 0);
	CHECK_INT(logical_backend.stop(&d, &op, &e), 0);
}

static void a_group_with_inactive_volumes_is_inactive(void)
{
	struct pool_sizes sizes = { 0 };
	enum pool_state state;
	struct pool_device dev;
	struct op op = op_make();
	struct err e;

	vg = "withvols";
	device = NULL;
	CHECK_STR(check(&state), "");
	CHECK_INT(state, STATE_INACTIVE);

	struct pool_def d = definition(&dev);

	volumes = 0;
	CHECK_INT(logical_backend.refresh(&d, &op, &sizes, &e), 0);
	CHECK_INT(volumes, 0);
	CHECK_INT(sizes.capacity, 60 << 20);
	CHECK_INT(sizes.allocation, 8 << 20);
	CHECK_INT(logical_backend.stop(&d, &op, &e), 0);
}

/* Each command of LVM runs in a child. What is counted is that one is begun: a reader of lvm_scan() that was
 * left behind may end at any time. */
static int children;

static void on_fork(void)
{
	children++;
}

static void a_start_asks_lvm_once(void)
{
	struct pool_sizes sizes = { 0 };
	enum pool_state state;
	struct pool_device dev;
	struct op op = op_make();
	struct err e = { 0 };
	cleanup_buf struct buf facts = BUF_INIT;

	vg = "whole";
	device = NULL;

	struct pool_def d = definition(&dev);

	CHECK(lvm_scan(&op, NULL, &e) != NULL); /* its readers are children as well */
	CHECK_INT(pthread_atfork(NULL, on_fork, NULL), 0);
	children = 0;
	CHECK_INT(logical_backend.start(&d, &op, &e), 0);
	CHECK_INT(logical_backend.check(&d, &op, &state, NULL, &e), 0);
	CHECK_INT(logical_backend.identify(&d, &op, &facts, &e), 0);
	CHECK_INT(logical_backend.refresh(&d, &op, &sizes, &e), 0);
	CHECK_INT(state, STATE_ACTIVE);
	CHECK_INT(sizes.capacity, 60 << 20);
	CHECK_INT(children, 2); /* the report, and vgchange */
	CHECK_INT(logical_backend.check(&d, &op, &state, NULL, &e), 0);
	CHECK_INT(children, 2);
	group_report_forget();
	CHECK_INT(logical_backend.check(&d, &op, &state, NULL, &e), 0);
	CHECK_INT(children, 3);
}

static void a_report_is_of_one_group(void)
{
	struct pool_device dev;
	struct op op = op_make();
	struct pool_def d;
	struct group g;
	struct err e = { 0 };

	device = NULL;
	vg = "withvols";
	d = definition(&dev);
	CHECK_INT(group_look(&d, &g, &op, &e), 0);
	CHECK_INT(g.nvolumes, 1);
	CHECK_INT(g.inactive, 1);
	CHECK_STR(g.volumes[0].name, "one");
	CHECK_STR(buf_str(&g.volumes[0].devices), disks[2].node);
	vg = "whole";
	d = definition(&dev);
	CHECK_INT(group_look(&d, &g, &op, &e), 0);
	CHECK_INT(g.nvolumes, 0);
	CHECK_INT(g.inactive, 0);
	vg = "nowhere";
	d = definition(&dev);
	CHECK_INT(group_look(&d, &g, &op, &e), 0);
	CHECK(!g.found);
	CHECK_INT(g.nvolumes, 0);
}

/* Somebody has made it since we looked: here the look's result is changed. */
static void a_volume_that_somebody_else_has_made_stays_theirs(void)
{
	const struct volume_def v = { .name = "one", .capacity = 4 << 20, .has_capacity = true };
	struct op op = op_make();
	struct pool_device dev;
	struct err e = { 0 };
	struct group g;

	device = NULL;
	vg = "withvols";

	struct pool_def d = definition(&dev);

	CHECK_INT(group_look(&d, &g, &op, &e), 0);
	strcpy(((struct group_volume *)(uintptr_t)g.volumes)[0].name, "not");
	CHECK_INT(logical_vol_create(&d, &op, &v, NULL, 0, &e), -1);
	CHECK_INT(group_look(&d, &g, &op, &e), 0);
	CHECK(group_volume(&g, v.name) != NULL);
}

static void device_make(const char *sysname, const char *attribute, const char *text)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/class/block/%s", sysname);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "/sys/class/block/%s/dm", sysname);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "/sys/class/block/%s/dm/%s", sysname, attribute);
	fixture_bytes(path, text, strlen(text));
}

#define DM_UUID "LVM-hhhhhhbbbbccccddddeeeeffffgggggg"

/* What is active when the report is from before is told by the kernel: made up here, as there is no
 * device-mapper. */
static void activation_needs_no_second_report(void)
{
	static const struct {
		const char *uuid, *suspended;
		bool listed;
		unsigned inactive;
	} cases[] = {
		{ DM_UUID "iiiiiibbbbccccddddeeeeffffgggggg", "0", true, 0 },
		{ DM_UUID "iiiiiibbbbccccddddeeeeffffgggggg", "1", false, 0 },
		{ DM_UUID "jjjjjjbbbbccccddddeeeeffffgggggg", "0", false, 1 },
		{ DM_UUID "iiiiiibbbbccccddddeeeeffffgggggg-real", "0", false, 1 },
		{ "LVM-kkkkkkbbbbccccddddeeeeffffggggggiiiiiibbbbccccddddeeeeffffgggggg", "0", false, 1 },
	};
	struct pool_device dev;
	struct pool_def d;
	struct group g;
	struct err e = { 0 };

	device = NULL;
	vg = "withvols";
	d = definition(&dev);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct op op = op_make();

		CHECK_INT(group_look(&d, &g, &op, &e), 0);
		CHECK_INT(g.inactive, 1);
		CHECK(fixture_cover("/sys/class/block"));
		device_make("dm-0", "name", "withvols-one\n");
		device_make("dm-0", "uuid", cases[i].uuid);
		device_make("dm-0", "suspended", cases[i].suspended);
		group_activated(vg, &g);
		CHECK_INT(umount2("/sys/class/block", MNT_DETACH), 0);
		CHECK_INT(group_look(&d, &g, &op, &e), 0);
		CHECK_INT(g.inactive, cases[i].inactive);
		CHECK_INT(group_lists(&g.volumes[0]), cases[i].listed);
	}
}

/* What has become of a snapshot or a pool of thin volumes LVM alone can say. */
static void some_volumes_need_a_second_report(void)
{
	static const char types[] = "-mMrRsSoOtVC";
	struct op op = op_make();
	struct pool_device dev;
	struct err e = { 0 };
	struct group g;

	device = NULL;
	vg = "withvols";

	struct pool_def d = definition(&dev);

	for (const char *t = types; *t; t++) {
		CHECK_INT(group_look(&d, &g, &op, &e), 0);
		((struct group_volume *)(uintptr_t)g.volumes)[0].attr[0] = *t;
		group_activated(vg, &g);
		CHECK_INT(group_look(&d, &g, &op, &e), 0);
		CHECK_INT(g.volumes[0].attr[0], strchr("-mMrR", *t) ? *t : '-');
	}
}

/* It is active, and that its pool is degraded would be said of what is not. */
static void a_lost_snapshot_is_not_called_inactive(void)
{
	static const struct {
		const char *attr;
		unsigned inactive;
	} cases[] = { { "swi-I-s---", 0 }, { "swi-S-s---", 0 }, { "swi---s---", 1 }, { "swi-a-s---", 0 } };
	struct op op = op_make();
	struct pool_device dev;
	struct err e = { 0 };
	struct group g;

	device = NULL;
	vg = "withvols";

	struct pool_def d = definition(&dev);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_INT(group_look(&d, &g, &op, &e), 0);

		struct group_volume *v = (struct group_volume *)(uintptr_t)g.volumes;

		snprintf(v->attr, sizeof(v->attr), "%s", cases[i].attr);
		v->lost = strchr("IS", cases[i].attr[4]) != NULL;
		CHECK_INT(group_look(&d, &g, &op, &e), 0); /* the report that is kept */
		CHECK_INT(g.inactive, cases[i].inactive);
		group_report_forget();
	}
}

static void a_device_that_holds_something_else_is_refused(void)
{
	char superblock[2] = { 0x53, (char)0xef };
	struct err e;

	vg = "whole";
	device = "/dev/diskc"; /* of the other group */
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WRONG_FORMAT);
	CHECK(strstr(e.message, "/dev/diskc is a physical volume, but not of volume group \"whole\"") !=
	      NULL);
	device = "/dev/diskb";
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WRONG_FORMAT);
	CHECK(strstr(e.message, "it holds nothing that is recognised") != NULL);
	CHECK_INT(pwrite(disks[1].fd, superblock, 2, 1080), 2);
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WRONG_FORMAT);
	vg = "nowhere"; /* a group that is not there, on a device that is and holds another */
	device = "/dev/diskc";
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WRONG_FORMAT);
}

static void names_are_checked_before_they_reach_lvm(void)
{
	static const char *const bad[] = { "a b",  "-x",   "..",   "a/b", "x' --config 'y",
		                           "a\nb", "vg=1", "a||b", "" };
	struct err e;

	device = NULL;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		vg = bad[i];
		CHECK_INT(start(&e), -1);
		CHECK_INT(e.class, ERR_INVALID);
	}
}

/* Last: it takes a disk away. */
static void a_group_that_misses_a_disk_and_has_nothing_complete_waits(void)
{
	enum pool_state state;
	struct err e;

	CHECK_INT(pwrite(disks[1].fd, "\0\0", 2, 1080), 2);
	CHECK_INT(lvm(NULL, &e, "vgextend", "-y", "whole", "/dev/diskb", NULL), 0);
	vg = "whole";
	device = "/dev/diska";
	disk_free(&disks[1]);
	CHECK_INT(start(&e), -1);
	CHECK_INT(e.class, ERR_WAIT_DEVICE);
	CHECK_STR(e.waits_for, "vg=whole");
	CHECK(strstr(e.message, "1 of its 2 physical volumes is missing") != NULL);
	check(&state);
	CHECK_INT(state, STATE_INACTIVE);
}

/* /dev with nothing but what LVM needs and our three disks. */
static bool world_make(void)
{
	if (!fixture_namespace(0) || !fixture_cover("/dev") || !fixture_cover("/run") ||
	    mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) < 0 ||
	    mknod("/dev/urandom", S_IFCHR | 0666, makedev(1, 9)) < 0 ||
	    mknod("/dev/loop-control", S_IFCHR | 0600, makedev(10, 237)) < 0)
		return false;
	return disk_make(&disks[0], "/dev/diska") && disk_make(&disks[1], "/dev/diskb") &&
	       disk_make(&disks[2], "/dev/diskc");
}

static void physical_volumes_are_made(void)
{
	struct err e;

	fixture_bytes("/run/metadata", metadata, strlen(metadata));
	CHECK_INT(lvm(NULL, &e, "pvcreate", "-y", "/dev/diska", NULL), 0);
	CHECK_INT(lvm(NULL, &e, "vgcreate", "whole", "/dev/diska", NULL), 0);
	CHECK_INT(lvm(NULL, &e, "pvcreate", "-y", "--norestorefile", "--uuid", PV_UUID, "/dev/diskc", NULL),
	          0);
	CHECK_INT(lvm(NULL, &e, "vgcfgrestore", "-f", "/run/metadata", "withvols", NULL), 0);
	CHECK_STR(e.message, "");
}

int main(void)
{
	RUN(a_report_is_taken_apart);
	RUN(an_empty_report_has_no_line);
	RUN(a_last_line_without_newline_counts);
	RUN(what_is_no_report_is_refused);
	RUN(too_many_fields_are_refused);
	RUN(device_mapper_names_are_decoded);
	RUN(a_group_uuid_is_read_from_device_mapper);
	if (!world_make()) {
		printf("skip - lvm: no loop devices or no mount namespace of our own\n");
		return check_done();
	}
	RUN(physical_volumes_are_made);
	RUN(a_report_of_nothing_is_empty);
	RUN(complaints_become_errors);
	RUN(words_stay_words);
	RUN(only_a_report_is_a_report);
	RUN(a_group_that_is_not_there_is_waited_for);
	RUN(an_empty_group_is_active_and_has_its_size);
	RUN(a_group_with_inactive_volumes_is_inactive);
	RUN(a_start_asks_lvm_once);
	RUN(a_report_is_of_one_group);
	RUN(a_volume_that_somebody_else_has_made_stays_theirs);
	RUN(activation_needs_no_second_report);
	RUN(some_volumes_need_a_second_report);
	RUN(a_lost_snapshot_is_not_called_inactive);
	RUN(a_device_that_holds_something_else_is_refused);
	RUN(names_are_checked_before_they_reach_lvm);
	RUN(a_group_that_misses_a_disk_and_has_nothing_complete_waits);
	return check_done();
}
