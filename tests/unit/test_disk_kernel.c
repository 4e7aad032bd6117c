/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernel's partitions are made to follow a table: on a /sys of our own in which the test plays the
 * kernel. What it is told is kept as words: "-3" a partition that goes, "+2" one that comes, "=1" one of
 * another size.
 */
#include <linux/blkpg.h>
#include <sys/ioctl.h>
#include "backends/disk/disk.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"

static int kernel_told(int fd, unsigned long what, const struct blkpg_ioctl_arg *arg);
#define ioctl(fd, what, arg) kernel_told(fd, (unsigned long)(what), arg)
#include "backends/disk/kernel.c"
#undef ioctl

static char said[200];
static struct disk disk;
static struct op op;
static struct err why;

static void has(unsigned number, uint64_t start, uint64_t size)
{
	char text[32], dir[PATH_MAX];

	fixture_path(dir, "class/block/vda/vda%u", number);
	snprintf(text, sizeof(text), "%u\n", number);
	fixture("/sys", text, "%s/partition", dir);
	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)start / 512);
	fixture("/sys", text, "%s/start", dir);
	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)size / 512);
	fixture("/sys", text, "%s/size", dir);
	snprintf(text, sizeof(text), "254:%u\n", number);
	fixture("/sys", text, "%s/dev", dir);
}

static int kernel_told(int fd, unsigned long what, const struct blkpg_ioctl_arg *arg)
{
	const struct blkpg_partition *p = arg->data;
	char path[PATH_MAX];
	size_t n = strlen(said);

	(void)fd;
	CHECK(what == BLKPG);
	snprintf(said + n, sizeof(said) - n, "%s%c%d", n ? " " : "",
	         arg->op == BLKPG_ADD_PARTITION   ? '+'
	         : arg->op == BLKPG_DEL_PARTITION ? '-'
	                                          : '=',
	         p->pno);
	fixture_path(path, "/sys/class/block/vda/vda%d", p->pno);
	if (arg->op == BLKPG_DEL_PARTITION)
		fixture_remove(path);
	else
		has((unsigned)p->pno, (uint64_t)p->start, (uint64_t)p->length);
	return 0;
}

static void in_table(unsigned number, uint64_t start, uint64_t size)
{
	disk.table.list[disk.table.n++] = (struct partition){ .number = number,
		                                              .start = start * MIB,
		                                              .size = size * MIB };
}

static void in_kernel(unsigned number, uint64_t start, uint64_t size)
{
	has(number, start * MIB, size * MIB);
}

/* A device stands on it. */
static void in_use(unsigned number)
{
	char dir[PATH_MAX], link[PATH_MAX];

	fixture_path(dir, "class/block/vda/vda%u", number);
	fixture("/sys", "", "%s/holders/dm-0", dir);
	fixture_path(link, "class/block/vda%u", number);
	fixture_link("/sys", dir, link);
}

static void begin(void)
{
	if (!fixture_cover("/sys")) {
		perror("tmpfs");
		exit(1);
	}
	disk = (struct disk){ .spec = "/dev/vda", .sysname = "vda", .name = "vda", .fd = -1 };
	disk.image.sector = 512;
	disk.table = (struct partition_table){ .label = LABEL_DOS, .sector = 512 };
	why = (struct err){ 0 };
	said[0] = '\0';
	fixture("/sys", "", "class/block/vda/.keep");
}

static void end(void)
{
	umount2("/sys", MNT_DETACH);
}

static void follows(int rc, const char *words)
{
	CHECK_INT(kernel_follow(&disk, &op, &why), rc);
	CHECK_STR(said, words);
	end();
}

static void what_is_right_is_left_alone(void)
{
	begin();
	in_table(1, 1, 4);
	in_table(2, 8, 4);
	in_kernel(1, 1, 4);
	in_kernel(2, 8, 4);
	follows(0, "");
}

static void what_is_missing_comes(void)
{
	begin();
	in_table(1, 1, 4);
	in_table(2, 8, 4);
	in_kernel(2, 8, 4);
	follows(0, "+1");
}

/* The kernel finds partitions that are in no table of ours: slices in a partition of another system, or more
 * of them than libfdisk reads. */
static void what_the_table_does_not_have_stays(void)
{
	begin();
	in_table(1, 1, 20);
	in_table(2, 30, 4);
	in_kernel(1, 1, 20);
	in_kernel(2, 30, 4);
	in_kernel(5, 2, 4);
	in_kernel(6, 8, 4);
	in_kernel(61, 50, 4);
	follows(0, "");
}

static void what_is_in_the_way_goes(void)
{
	begin();
	in_table(1, 1, 4);
	in_table(2, 8, 4);
	in_kernel(1, 1, 4);
	in_kernel(7, 10, 4);
	in_kernel(8, 20, 4);
	follows(0, "-7 +2");

	/* one grows into it */
	begin();
	in_table(1, 1, 12);
	in_kernel(1, 1, 4);
	in_kernel(7, 10, 4);
	in_kernel(8, 20, 4);
	follows(0, "-7 =1");

	/* one has moved */
	begin();
	in_table(1, 1, 4);
	in_table(2, 10, 4);
	in_kernel(1, 1, 4);
	in_kernel(2, 8, 4);
	follows(0, "-2 +2");
}

/* The kernel has the whole disk as a partition where a label says so, and takes none beside it. */
static void the_whole_disk_goes_where_a_partition_comes(void)
{
	for (unsigned there = 0; there < 2; there++) {
		begin();
		in_table(1, 1, 4);
		in_table(3, 0, 64);
		disk.table.list[1].whole = disk.table.list[1].hidden = true;
		in_kernel(3, 0, 64);
		if (there)
			in_kernel(1, 1, 4);
		follows(0, there ? "" : "-3 +1");
	}
}

static void one_shrinks_before_another_grows(void)
{
	begin();
	in_table(1, 1, 8);
	in_table(2, 9, 2);
	in_kernel(1, 1, 4);
	in_kernel(2, 9, 4);
	follows(0, "=2 =1");
}

static void what_is_in_use_and_in_the_way_is_named(void)
{
	begin();
	in_table(2, 8, 4);
	in_kernel(7, 10, 4);
	in_use(7);
	follows(-1, "");
	CHECK_INT(why.class, ERR_BUSY);
	CHECK(strstr(why.message, "vda7 is in use (held by dm-0)") != NULL);
}

static void all_go_or_none(void)
{
	begin();
	in_kernel(1, 1, 4);
	in_kernel(2, 8, 4);
	in_kernel(3, 12, 4);
	in_use(2);
	CHECK_INT(kernel_forget_all(&disk, &op, &why), -1);
	CHECK_INT(why.class, ERR_BUSY);
	CHECK_STR(said, "");
	CHECK_INT(kernel_forget(&disk, 2, &op, &why), -1);
	CHECK(starts_with(why.message, "the table of /dev/vda is as it was: vda2 is in use"));
	CHECK_INT(kernel_forget(&disk, 9, &op, &why), 0);
	end();
}

static void it_is_told_whether_the_kernel_agrees(void)
{
	begin();
	in_table(1, 1, 4);
	in_table(2, 8, 4);
	in_kernel(1, 1, 4);
	in_kernel(2, 8, 5);
	in_kernel(7, 30, 4);
	CHECK(kernel_agrees(&disk, 1));
	CHECK(!kernel_agrees(&disk, 2));
	CHECK(kernel_agrees(&disk, 3));
	CHECK(!kernel_agrees(&disk, 7));
	end();
}

int main(void)
{
	if (!fixture_namespace(0)) {
		printf("skip - the kernel's partitions: no namespace of our own (not root)\n");
		return check_done();
	}
	RUN(what_is_right_is_left_alone);
	RUN(what_is_missing_comes);
	RUN(what_the_table_does_not_have_stays);
	RUN(what_is_in_the_way_goes);
	RUN(the_whole_disk_goes_where_a_partition_comes);
	RUN(one_shrinks_before_another_grows);
	RUN(what_is_in_use_and_in_the_way_is_named);
	RUN(all_go_or_none);
	RUN(it_is_told_whether_the_kernel_agrees);
	return check_done();
}
