/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Partition tables on a file: made, changed at random, cut off in the middle of being written, put back.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include "backends/disk/table.h"
#include "base/util.h"
#include "check.h"

#define SIZE  (64 * MIB)
#define STEPS 40

static const enum label written[] = { LABEL_DOS, LABEL_GPT, LABEL_SUN, LABEL_DVH, LABEL_BSD };

static char dir[] = "/tmp/test_disk_table.XXXXXX", keep[80], disk_path[80];
static struct err why;
static struct partition_table t; /* as it was read last */
static uint64_t disk_size = SIZE;

/* An empty disk. */
static int blank(void)
{
	int fd = open(disk_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
	return fd;
}

static bool begin(struct table_image *i, int fd)
{
	if (table_image_open(i, fd, "the disk", disk_size, 512, &why) == 0)
		return true;
	printf("# %s\n", why.message);
	return false;
}

static int commit(struct table_image *i, const struct partition_table *old)
{
	const struct table_image_commit how = {
		.rank = table_rank, .arg = old, .keep_dir = keep, .keep_name = "disk"
	};

	return table_image_commit(i, &how, &why);
}

static bool look(int fd)
{
	struct table_image i;
	bool ok = begin(&i, fd) && table_read(&i, LABEL_NONE, &t, &why) == 0;

	table_image_close(&i);
	if (!ok)
		printf("# %s\n", why.message);
	return ok;
}

static int labelled(enum label l)
{
	int fd = blank();
	struct table_image i;

	CHECK(begin(&i, fd) && table_create(&i, l, &why) == 0 && commit(&i, NULL) > 0);
	table_image_close(&i);
	CHECK(look(fd));
	CHECK_STR(label_info(t.label)->word, label_info(l)->word);
	return fd;
}

/* Make a partition where there is room; 0: it was made. */
static int add(int fd, uint64_t size, const char *format)
{
	bool logical = table_extended(&t) && t.n >= 3;
	struct partition p = { .kind = logical ? PARTITION_LOGICAL : PARTITION_PRIMARY, .size = size };
	struct free_span at;
	struct table_image i;
	uint64_t largest;
	int rc;

	if (streq(format, "extended"))
		p.kind = PARTITION_EXTENDED;
	for (p.number = logical ? 5 : 1; table_find(&t, p.number) || (p.number == 9 && !logical);)
		p.number++;
	if (p.number > (logical ? 99 : label_info(t.label)->entries) ||
	    !space_place(&t, logical, size, &at, &largest))
		return 1;
	p.start = at.start;
	rc = begin(&i, fd) && table_read(&i, LABEL_NONE, &t, &why) == 0 &&
	                     table_add(&i, &t, &p, format, NULL, &why) == 0 && commit(&i, &t) > 0
	             ? 0
	             : -1;
	table_image_close(&i);
	if (rc < 0)
		printf("# add %s %u: %s\n", label_info(t.label)->word, p.number, why.message);
	const struct partition *made = look(fd) ? table_find(&t, p.number) : NULL;

	CHECK(rc == 0 && made && made->start == p.start && made->size == p.size && made->kind == p.kind);
	if (made)
		CHECK_STR(made->format, format);
	return rc;
}

static int change(int fd, const struct partition *p, uint64_t size /* 0: delete */)
{
	const struct partition was = *p;
	struct table_image i;
	int rc;

	rc = begin(&i, fd) && table_read(&i, LABEL_NONE, &t, &why) == 0 &&
	                     (size ? table_resize(&i, &t, &was, size, &why)
	                           : table_delete(&i, &t, &was, &why)) == 0 &&
	                     commit(&i, &t) > 0
	             ? 0
	             : -1;
	table_image_close(&i);
	if (rc < 0)
		printf("# change %s %u to %llu: %s\n", label_info(t.label)->word, was.number,
		       (unsigned long long)size, why.message);
	return rc;
}

static bool overlap(const struct partition *a, const struct partition *b)
{
	return a != b && !a->whole && !b->whole && a->kind != PARTITION_EXTENDED &&
	       b->kind != PARTITION_EXTENDED && a->start < b->start + b->size &&
	       b->start < a->start + a->size;
}

static bool is_sound(void)
{
	for (size_t a = 0; a < t.n; a++)
		for (size_t b = 0; b < t.n; b++)
			if (overlap(&t.list[a], &t.list[b]) || t.list[a].start + t.list[a].size > SIZE)
				return false;
	return true;
}

/* One of those that may be changed, or NULL. */
static const struct partition *any(void)
{
	const struct partition *p = t.n ? &t.list[(size_t)rand() % t.n] : NULL;

	return p && !p->hidden && p->kind != PARTITION_EXTENDED ? p : NULL;
}

static void random_step(int fd)
{
	const struct partition *p = any();
	struct partition was;
	size_t n = t.n;

	if (rand() % 2 || !p) {
		add(fd, (uint64_t)(1 + rand() % 9) * MIB - (uint64_t)(rand() % 3) * 512, "linux");
		return;
	}
	was = *p;
	if (rand() % 2) {
		CHECK_INT(change(fd, p, 0), 0);
		CHECK(look(fd) && t.n == n - 1);
		return;
	}
	uint64_t size = 512 * (1 + (uint64_t)rand() % (space_room(&t, p) / 512));

	if (size != was.size)
		CHECK_INT(change(fd, p, size), 0);
	CHECK(look(fd));
	p = table_find(&t, was.number);
	CHECK(p && p->start == was.start && p->size == size && p->format == was.format);
}

static void random_steps_keep_every_label_sound(void)
{
	for (size_t l = 0; l < ARRAY_LEN(written); l++) {
		int fd = labelled(written[l]);

		srand(7);
		if (written[l] == LABEL_DOS)
			CHECK_INT(add(fd, 40 * MIB, "extended"), 0);
		for (int step = 0; step < STEPS && !check_case_failed; step++) {
			random_step(fd);
			CHECK(is_sound());
		}
		close(fd);
	}
}

static void each_format_is_read_as_it_was_written(void)
{
	static const char *const formats[] = { "linux",      "fat16",     "fat32",
		                               "linux-swap", "linux-lvm", "linux-raid" };

	for (size_t l = 0; l < ARRAY_LEN(written); l++)
		for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
			if (!format_is_known(written[l], formats[f]) ||
			    ((written[l] == LABEL_GPT || written[l] == LABEL_BSD) &&
			     streq(formats[f], "fat32")))
				continue; /* those have one word for both */
			int fd = labelled(written[l]);

			CHECK_INT(add(fd, 4 * MIB, formats[f]), 0);
			close(fd);
		}
}

/* What parted writes for two partitions, and a disk of 4 heads and 32 sectors a track. */
static void pc98_is_read_by_its_geometry(void)
{
	static const unsigned char head[] = { 0xcb, 0, 0, 0, 'I', 'P', 'L', '1' }, entries[] = {
		0x20, 0xe2, 0,   0,   0,   0,   0xa0, 0,   0,   0,   0xa0, 0,   0,   0,   0xff, 2,
		'e',  'x',  't', '2', ' ', ' ', ' ',  ' ', ' ', ' ', ' ',  ' ', ' ', ' ', ' ',  ' ',
		0x20, 0xe2, 0,   0,   0,   0,   0x90, 3,   0,   0,   0x90, 3,   31,  3,   0xef, 5
	};
	struct table_image i;
	int fd = blank();

	CHECK(pwrite(fd, head, sizeof(head), 0) > 0 && pwrite(fd, "\x55\xaa", 2, 510) == 2 &&
	      pwrite(fd, entries, sizeof(entries), 512) > 0 && ftruncate(fd, 200 * MIB) == 0);
	CHECK(table_image_open(&i, fd, "the disk", 200 * MIB, 512, &why) == 0);
	i.heads = 4;
	i.track = 32;
	CHECK(table_read(&i, LABEL_DOS, &t, &why) == 0 && t.label == LABEL_PC98 && t.foreign);
	CHECK_INT(t.n, 2);
	CHECK_INT(t.list[0].start, 20480 * 512);
	CHECK_INT(t.list[0].size, 77824 * 512);
	CHECK_INT(t.list[1].start, 116736 * 512);
	CHECK_INT(t.list[1].size, 77824 * 512);
	table_image_close(&i);
	/* by another geometry it ends behind the disk's end */
	CHECK(table_image_open(&i, fd, "the disk", 200 * MIB, 512, &why) == 0);
	CHECK(table_read(&i, LABEL_DOS, &t, &why) == 0 && t.n == 0);
	table_image_close(&i);
	close(fd);
}

/* ---- logical partitions ---- */

#define SECTORS(mib) ((mib) * (MIB / 512))

static void put_entry(unsigned char *sector, unsigned n, unsigned char type, uint32_t start, uint32_t size)
{
	unsigned char *p = sector + 446 + 16 * n;

	p[4] = type;
	for (unsigned i = 0; i < 4; i++) {
		p[8 + i] = (unsigned char)(start >> 8 * i);
		p[12 + i] = (unsigned char)(size >> 8 * i);
	}
	memcpy(sector + 510, "\x55\xaa", 2);
}

/* An extended partition from 1 MiB to 63 MiB. */
static int extended_disk(void)
{
	unsigned char b[512] = { 0 };
	int fd = blank();

	put_entry(b, 0, 0x0f, SECTORS(1), SECTORS(62));
	CHECK(pwrite(fd, b, sizeof(b), 0) == sizeof(b));
	return fd;
}

/* The sector at `at` describes a partition at `start`, and leads to another sector, or (0) to none. All in
 * sectors of the disk. */
static void put_link(int fd, uint32_t at, uint32_t start, uint32_t size, uint32_t next)
{
	unsigned char b[512] = { 0 };

	put_entry(b, 0, 0x83, start - at, size);
	if (next)
		put_entry(b, 1, 0x05, next - SECTORS(1), SECTORS(1));
	CHECK(pwrite(fd, b, sizeof(b), (off_t)at * 512) == sizeof(b));
}

/* libfdisk would cut off what is behind the sixtieth. */
static void more_partitions_than_libfdisk_reads_are_not_lost(void)
{
	enum { LOGICAL = 59, READ = 56 };
	int fd = extended_disk();
	struct table_image i;
	struct partition p = { .number = 2, .start = 63 * MIB, .size = MIB / 2 };

	for (uint32_t n = 1; n <= LOGICAL; n++)
		put_link(fd, SECTORS(n), SECTORS(n) + 1024, 512, n < LOGICAL ? SECTORS(n + 1) : 0);
	CHECK(look(fd) && t.cut);
	CHECK_INT(t.n, READ + 1);
	CHECK(begin(&i, fd) && table_read(&i, LABEL_DOS, &t, &why) == 0);
	CHECK(table_delete(&i, &t, table_find(&t, 5), &why) < 0 && why.class == ERR_UNSUPPORTED);
	CHECK(table_resize(&i, &t, table_find(&t, 5), MIB / 8, &why) < 0 && why.class == ERR_UNSUPPORTED);
	CHECK(table_add(&i, &t, &p, "linux", NULL, &why) < 0 && why.class == ERR_UNSUPPORTED);
	table_image_close(&i);
	/* one that leads back to itself has no end */
	put_link(fd, SECTORS(2), SECTORS(2) + 1024, 512, SECTORS(2));
	CHECK(look(fd) && t.cut);
	close(fd);
}

/* Other programs put the sector that describes a partition far before it. */
static void a_sector_that_describes_a_partition_is_not_grown_over(void)
{
	int fd = extended_disk();
	const struct partition *first;

	put_link(fd, SECTORS(1), SECTORS(2), SECTORS(1), SECTORS(5));
	put_link(fd, SECTORS(5), SECTORS(21), SECTORS(1), SECTORS(11));
	put_link(fd, SECTORS(11), SECTORS(12), SECTORS(1), 0);
	CHECK(look(fd) && t.n == 4 && !t.cut);
	first = table_find(&t, 5);
	CHECK(first && first->start == 2 * MIB);
	CHECK_INT(first->start + space_room(&t, first), 5 * MIB);
	close(fd);
}

/* When the first one goes libfdisk has its sector describe the second; a new one gets the sector beside it.
 */
static void a_sector_of_the_chain_is_written_after_what_it_leads_to(void)
{
	int fd = labelled(LABEL_DOS);
	const struct partition *extended;

	CHECK_INT(add(fd, 40 * MIB, "extended"), 0);
	for (int n = 0; n < 4; n++) /* two primary, two logical */
		CHECK_INT(add(fd, 2 * MIB, "linux"), 0);
	CHECK_INT(change(fd, table_find(&t, 5), 0), 0);
	CHECK(look(fd));
	CHECK_INT(add(fd, MIB, "linux"), 0);
	extended = table_extended(&t);
	CHECK(extended != NULL);
	CHECK_INT(table_rank(extended->start, &t), 1);
	CHECK_INT(table_rank(extended->start + 512, &t), 1);
	CHECK_INT(table_rank(extended->start + 1024, &t), 0);
	close(fd);
}

/* ---- sizes ---- */

static void sizes_are_rounded_up_and_do_not_wrap(void)
{
	struct partition_table gpt = { .label = LABEL_GPT, .sector = 512, .grain = MIB };
	struct partition_table pc98 = { .label = LABEL_PC98, .sector = 512, .grain = 65536 };

	CHECK_INT(space_round_up(&gpt, 1), 512);
	CHECK_INT(space_round_up(&gpt, 512), 512);
	CHECK_INT(space_round_up(&pc98, 512), 65536);
	CHECK(space_round_up(&gpt, UINT64_MAX) > UINT64_MAX / 2);
	CHECK(space_round_up(&gpt, UINT64_MAX - 511) > UINT64_MAX / 2);
	CHECK(space_round_up(&pc98, UINT64_MAX - 1) > UINT64_MAX / 2);
}

/* The last sectors of a disk may be missing behind another controller: the second copy of its gpt then
 * belongs where a partition is. */
static void a_gpt_is_not_written_over_a_partitions_end(void)
{
	int fd = labelled(LABEL_GPT);
	struct partition p = { .number = 1, .start = MIB, .size = t.end - MIB };
	static const unsigned lost[] = { 32, 8, 1 };
	struct table_image i;

	CHECK(begin(&i, fd) && table_read(&i, LABEL_GPT, &t, &why) == 0 &&
	      table_add(&i, &t, &p, "linux", NULL, &why) == 0 && commit(&i, &t) > 0);
	table_image_close(&i);
	for (size_t n = 0; n < ARRAY_LEN(lost); n++) {
		disk_size = SIZE - lost[n] * 512;
		CHECK(begin(&i, fd) && table_read(&i, LABEL_GPT, &t, &why) == 0 && t.backup_bad);
		CHECK(table_mend(&i, &t, &why) < 0 && why.class == ERR_NO_SPACE);
		CHECK(table_resize(&i, &t, &p, p.size, &why) < 0 && why.class == ERR_NO_SPACE);
		table_image_close(&i);
	}
	/* made smaller, it is out of the way */
	CHECK(look(fd));
	CHECK_INT(change(fd, &p, 8 * MIB), 0);
	CHECK(look(fd) && !t.backup_bad && !t.primary_bad);
	disk_size = SIZE;
	close(fd);
}

/* ---- writing ---- */

/* Where the old sector of that byte is kept. */
static const char *kept_at(unsigned at)
{
	static char path[120];

	snprintf(path, sizeof(path), "%s/disk-0x%08x.bak", keep, at);
	return path;
}

/* What was kept when a table could not be put back is kept until somebody removes it. */
static void what_is_kept_is_not_written_over(void)
{
	int fd = labelled(LABEL_DOS);
	struct partition p = { .number = 1, .start = MIB, .size = 4 * MIB };
	struct table_image i;
	char said[8] = "", path[140];
	int kept = open(kept_at(0), O_CREAT | O_WRONLY, 0600);

	CHECK(kept >= 0 && write(kept, "before", 6) == 6);
	close(kept);
	CHECK_INT(change(fd, &p, 6 * MIB), 0);
	CHECK(look(fd) && t.n == 1);
	kept = open(kept_at(0), O_RDONLY);
	CHECK(kept >= 0 && read(kept, said, 7) == 6);
	CHECK_STR(said, "before");
	close(kept);
	for (int n = 1; n < 10; n++) {
		snprintf(path, sizeof(path), "%s.%d", kept_at(0), n);
		CHECK(access(path, F_OK) < 0); /* what this change kept is gone with its success */
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	CHECK(begin(&i, fd) && table_read(&i, LABEL_DOS, &t, &why) == 0);
	p.number = 2;
	p.start = 20 * MIB;
	CHECK_INT(table_add(&i, &t, &p, "linux", NULL, &why), 0);
	CHECK(commit(&i, &t) < 0 && why.class == ERR_STATE);
	CHECK(strstr(why.message, "nothing was written") && strstr(why.message, keep));
	table_image_close(&i);
	CHECK(look(fd) && t.n == 1);
	unlink(kept_at(0));
	for (int n = 1; n < 10; n++) {
		snprintf(path, sizeof(path), "%s.%d", kept_at(0), n);
		unlink(path);
	}
	close(fd);
}

/* A first copy that is damaged is written first: when the second one, at the disk's end, cannot be written,
 * the disk is as it was, and the old sectors are kept in files all the same. */
static void what_cannot_be_written_is_put_back(void)
{
	int fd = labelled(LABEL_GPT);
	static char before[SIZE], after[SIZE];
	struct partition p = { .number = 1, .start = MIB, .size = 4 * MIB };
	struct rlimit all, half;
	struct table_image i;

	CHECK(pwrite(fd, "\0", 1, 512) == 1 && pread(fd, before, SIZE, 0) == SIZE);
	CHECK(begin(&i, fd) && table_read(&i, LABEL_GPT, &t, &why) == 0 && t.primary_bad &&
	      table_add(&i, &t, &p, "linux", NULL, &why) == 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &all);
	half = (struct rlimit){ SIZE / 2, all.rlim_max };
	setrlimit(RLIMIT_FSIZE, &half);
	CHECK(commit(&i, &t) < 0);
	setrlimit(RLIMIT_FSIZE, &all);
	CHECK(strstr(why.message, "cannot write the partition table") && strstr(why.message, keep));
	CHECK(pread(fd, after, SIZE, 0) == SIZE && memcmp(before, after, SIZE) == 0);
	CHECK(access(kept_at(512), F_OK) == 0 && access(kept_at(SIZE - 512), F_OK) == 0);
	CHECK_INT(commit(&i, &t) > 0, 1);
	CHECK(access(kept_at(512), F_OK) == 0); /* that attempt's */
	CHECK(unlink(kept_at(512)) == 0 && unlink(kept_at(SIZE - 512)) == 0);
	CHECK(look(fd) && t.n == 1 && !t.primary_bad);
	table_image_close(&i);
	close(fd);
}

/* libfdisk may write only where a table was read. */
static void a_change_where_nothing_was_read_is_refused(void)
{
	int fd = labelled(LABEL_DOS);
	struct table_image i;

	CHECK(begin(&i, fd) && table_read(&i, LABEL_DOS, &t, &why) == 0);
	CHECK(pwrite(i.copy, "\0", 1, 20 * MIB) == 1); /* as where the kernel's pages are larger */
	CHECK_INT(commit(&i, &t), 0);
	CHECK(pwrite(i.copy, "x", 1, 10 * MIB) == 1);
	CHECK(commit(&i, &t) < 0 && why.class == ERR_INTERNAL);
	table_image_close(&i);
	close(fd);
}

static void nothing_is_no_table(void)
{
	int fd = blank();
	struct table_image i;

	CHECK(begin(&i, fd) && table_read(&i, LABEL_NONE, &t, &why) < 0 && why.class == ERR_WRONG_FORMAT);
	table_image_close(&i);
	close(fd);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(keep, sizeof(keep), "%s/tables", dir);
	snprintf(disk_path, sizeof(disk_path), "%s/disk", dir);
	RUN(random_steps_keep_every_label_sound);
	RUN(each_format_is_read_as_it_was_written);
	RUN(pc98_is_read_by_its_geometry);
	RUN(more_partitions_than_libfdisk_reads_are_not_lost);
	RUN(a_sector_that_describes_a_partition_is_not_grown_over);
	RUN(a_sector_of_the_chain_is_written_after_what_it_leads_to);
	RUN(sizes_are_rounded_up_and_do_not_wrap);
	RUN(a_gpt_is_not_written_over_a_partitions_end);
	RUN(what_is_kept_is_not_written_over);
	RUN(what_cannot_be_written_is_put_back);
	RUN(a_change_where_nothing_was_read_is_refused);
	RUN(nothing_is_no_table);
	return check_done();
}
