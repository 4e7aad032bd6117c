/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading partition tables, and changing them, through libfdisk on a copy in memory.
 *
 * libfdisk is meant for a person at a terminal: what it has to say and to ask goes to a callback. Nothing is
 * asked here that has not been decided before, and what it says becomes the error.
 */
#include "backends/disk/table.h"

#include <errno.h>
#include <libfdisk/libfdisk.h>
#include <stdio.h>
#include "backends/disk/gpt.h"
#include "base/contract.h"
#include "base/util.h"

#define HEAD_BYTES (64 * 1024) /* at each end of a disk: larger than any table but a gpt of many entries */

/* in the first sector of a dos label, and in each that describes a logical partition */
enum { MBR_ENTRIES = 446, MBR_MAGIC = 510 };

/* clang-format off */
static const struct label_info labels[] = {
	[LABEL_NONE] = { .word = "unknown" },
	[LABEL_DOS]  = { .word = "dos",  .fdisk = "dos", .blkid = "dos",  .entries = 4 },
	[LABEL_GPT]  = { .word = "gpt",  .fdisk = "gpt", .blkid = "gpt",  .entries = 128 },
	[LABEL_SUN]  = { .word = "sun",  .fdisk = "sun", .blkid = "sun",  .entries = 8,  .small_only = true },
	[LABEL_DVH]  = { .word = "dvh",  .fdisk = "sgi", .blkid = "sgi",  .entries = 16, .small_only = true },
	[LABEL_BSD]  = { .word = "bsd",  .fdisk = "bsd", .blkid = "bsd",  .entries = 8,  .small_only = true },
	[LABEL_MAC]  = { .word = "mac",  .blkid = "mac",  .entries = 32 },
	[LABEL_PC98] = { .word = "pc98", .entries = 16 },
	[LABEL_LVM2] = { .word = "lvm2" },
};

/* How each label says what a partition is for. 0, NULL: it has no word for it. fat16 has several in dos, the
 * first of which is written. */
static const struct format_code {
	const char *format;
	unsigned dos, sun, dvh, bsd;
	const char *gpt;
} codes[] = {
	{ "linux",      0x83, 0x83, 0x83, 10, "0FC63DAF-8483-4772-8E79-3D69D8477DE4" },
	{ "fat16",      0x0e, 0,    0,    8,  "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" },
	{ "fat16",      0x06, 0,    0,    8,  "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" },
	{ "fat16",      0x04, 0,    0,    8,  "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" },
	{ "fat32",      0x0c, 0,    0,    8,  "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" },
	{ "fat32",      0x0b, 0,    0,    8,  "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" },
	{ "linux-swap", 0x82, 0x82, 0x82, 1,  "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F" },
	{ "linux-lvm",  0x8e, 0x8e, 0x8e, 0,  "E6D6D379-F507-44C2-A23C-238F2A3DF928" },
	{ "linux-raid", 0xfd, 0xfd, 0xfd, 0,  "A19D880F-05FC-4D3B-A006-743F0F84911E" },
	{ "extended",   0x0f, 0,    0,    0,  NULL },
	{ "extended",   0x05, 0,    0,    0,  NULL },
	{ "extended",   0x85, 0,    0,    0,  NULL },
};
/* clang-format on */

const struct label_info *label_info(enum label l)
{
	return &labels[l];
}

enum label label_from_word(const char *word)
{
	for (size_t i = 1; word && i < ARRAY_LEN(labels); i++)
		if (streq(labels[i].word, word))
			return (enum label)i;
	return LABEL_NONE;
}

enum label label_from_blkid(const char *word)
{
	for (size_t i = 1; word && i < ARRAY_LEN(labels); i++)
		if (labels[i].blkid && streq(labels[i].blkid, word))
			return (enum label)i;
	return LABEL_NONE;
}

/* ---- formats ---- */

static unsigned code_in(const struct format_code *c, enum label l)
{
	switch (l) {
	case LABEL_DOS:
		return c->dos;
	case LABEL_SUN:
		return c->sun;
	case LABEL_DVH:
		return c->dvh;
	case LABEL_BSD:
		return c->bsd;
	default:
		return 0;
	}
}

/* The row to write. A volume without a format is one for Linux, as parted has it. */
static const struct format_code *format_code(enum label l, const char *format)
{
	if (streq(format, "none"))
		format = "linux";
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (streq(codes[i].format, format) &&
		    (l == LABEL_GPT ? codes[i].gpt != NULL : code_in(&codes[i], l) != 0))
			return &codes[i];
	return NULL;
}

bool format_is_known(enum label l, const char *format)
{
	if (l == LABEL_MAC || l == LABEL_PC98) /* what parted has a word for */
		return streq(format, "none") || format_code(LABEL_BSD, format);
	return format_code(l, format) != NULL;
}

/* The format that a partition's type is the type of. */
static const char *format_of(enum label l, struct fdisk_partition *pa)
{
	struct fdisk_parttype *type = fdisk_partition_get_type(pa);
	const char *text = type ? fdisk_parttype_get_string(type) : NULL;
	unsigned code = type ? fdisk_parttype_get_code(type) : 0;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (l == LABEL_GPT && text && codes[i].gpt && streq(codes[i].gpt, text))
			return codes[i].format;
		if (l != LABEL_GPT && code && code_in(&codes[i], l) == code)
			return codes[i].format;
	}
	return "none";
}

/* ---- libfdisk ---- */

/* What it says last is why it failed. */
struct voice {
	char text[300];
};

static int on_ask(struct fdisk_context *c, struct fdisk_ask *ask, void *arg)
{
	struct voice *v = arg;

	(void)c;
	switch (fdisk_ask_get_type(ask)) {
	case FDISK_ASKTYPE_YESNO: /* a bsd label: "Do you want to create one?" */
		return fdisk_ask_yesno_set_result(ask, 1);
	case FDISK_ASKTYPE_WARN:
	case FDISK_ASKTYPE_WARNX:
		snprintf(v->text, sizeof(v->text), "%s", fdisk_ask_print_get_mesg(ask));
		return 0;
	case FDISK_ASKTYPE_INFO:
		return 0;
	default:
		snprintf(v->text, sizeof(v->text), "it asks for more than it was told");
		return -EINVAL;
	}
}

/* One sentence, without a full stop at its end. */
static int fdisk_failed(const struct table_image *i, const struct voice *v, int rc, const char *what,
                        struct err *e)
{
	int len = (int)strcspn(v->text, "\n");

	while (len > 0 && v->text[len - 1] == '.')
		len--;
	return err_set(e, ERR_STORAGE, "cannot %s of %s: libfdisk: %.*s", what, i->name,
	               len ? len : (int)strlen(strerror(-rc)), len ? v->text : strerror(-rc));
}

/* A sun or dvh label has the geometry in it by which its partitions are aligned. That of a new one makes a
 * cylinder of 1 MiB, or, as sun counts cylinders in 16 bits, of 8 MiB for a large disk. */
static void give_geometry(struct fdisk_context *c, const struct table_image *i, enum label making)
{
	unsigned char b[40];
	bool large = i->size / MIB > 0xffff;

	if (making != LABEL_NONE) {
		fdisk_save_user_geometry(c, 0, large ? 255 : 64, large ? 63 : 32);
	} else if (table_image_get(i, 0, b, sizeof(b)) == 0 && memcmp(b, "\x0b\xe5\xa9\x41", 4) == 0) {
		unsigned heads = (unsigned)b[32] << 8 | b[33], track = (unsigned)b[38] << 8 | b[39];

		fdisk_save_user_geometry(c, 0, heads, track);
	}
}

static struct fdisk_context *fdisk_begin(const struct table_image *i, enum label making, struct voice *v,
                                         struct err *e)
{
	struct fdisk_context *c = fdisk_new_context();
	int rc;

	*v = (struct voice){ "" };
	if (!c) {
		err_set(e, ERR_NO_MEMORY, "cannot read the partition table of %s: out of memory", i->name);
		return NULL;
	}
	fdisk_set_ask(c, on_ask, v);
	fdisk_enable_listonly(c, 1);
	fdisk_save_user_sector_size(c, i->sector, i->sector);
	fdisk_save_user_grain(c, MIB);
	give_geometry(c, i, making);
	rc = fdisk_assign_device_by_fd(c, i->copy, i->name, 0);
	if (rc == 0)
		return c;
	fdisk_failed(i, v, rc, "read the partition table", e);
	fdisk_unref_context(c);
	return NULL;
}

/* ---- reading ---- */

static uint64_t get_le32(const unsigned char *b)
{
	return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24;
}

static bool has_magic(const unsigned char *b)
{
	return b[MBR_MAGIC] == 0x55 && b[MBR_MAGIC + 1] == 0xaa;
}

static bool is_extended(unsigned char type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* Of the four entries of a sector: where its partition begins, and the next sector of the chain, in bytes
 * from where each is counted; 0: it has none. */
static void read_link(const unsigned char *b, unsigned sector, uint64_t *partition, uint64_t *next)
{
	*partition = *next = 0;
	for (const unsigned char *p = b + MBR_ENTRIES; p < b + MBR_MAGIC; p += 16) {
		uint64_t *which = is_extended(p[4]) ? next : partition;

		if (p[4] && get_le32(p + 12) && !*which)
			*which = get_le32(p + 8) * sector;
	}
}

/* Follow the chain of sectors that describe logical partitions, so that they are in the copy. Returns how
 * many partitions they describe, or -1. */
static int load_chain(struct table_image *i, uint64_t extended, struct partition_table *t, struct err *e)
{
	uint64_t at = extended, partition, next;
	int n = 0;

	while (t->nlinks < ARRAY_LEN(t->links) && at < i->size) {
		unsigned char b[512];

		if (table_image_load(i, at, i->sector, e) < 0)
			return -1;
		if (table_image_get(i, at, b, sizeof(b)) < 0 || !has_magic(b))
			break;
		t->links[t->nlinks++] = at;
		read_link(b, i->sector, &partition, &next);
		n += partition != 0;
		if (!next)
			break;
		at = extended + next;
	}
	return n;
}

/* How many logical partitions there are, or -1. */
static int load_dos(struct table_image *i, struct partition_table *t, struct err *e)
{
	unsigned char b[512];
	uint64_t partition, extended;

	if (table_image_get(i, 0, b, sizeof(b)) < 0 || !has_magic(b))
		return 0;
	read_link(b, i->sector, &partition, &extended);
	return extended ? load_chain(i, extended, t, e) : 0;
}

/* What a label has beside partitions. bsd's third is the whole disk, by custom; dvh keeps programs in the
 * ninth. */
static void mark_hidden(enum label l, struct fdisk_partition *pa, struct partition *p)
{
	p->whole = fdisk_partition_is_wholedisk(pa) || (l == LABEL_BSD && p->number == 3 && p->start == 0);
	p->hidden = p->whole || (l == LABEL_DVH && p->number == 9);
}

static void take_partition(struct partition_table *t, struct fdisk_partition *pa)
{
	struct partition *p = &t->list[t->n];

	if (t->n == PARTITIONS_MAX) {
		t->cut = true;
		return;
	}
	*p = (struct partition){
		.number = (unsigned)fdisk_partition_get_partno(pa) + 1,
		.start = fdisk_partition_get_start(pa) * t->sector,
		.size = fdisk_partition_get_size(pa) * t->sector,
		.format = format_of(t->label, pa),
	};
	if (fdisk_partition_is_container(pa))
		p->kind = PARTITION_EXTENDED;
	else if (fdisk_partition_is_nested(pa))
		p->kind = PARTITION_LOGICAL;
	mark_hidden(t->label, pa, p);
	t->n++;
}

/* Where partitions may lie, and how they are aligned. */
static void take_limits(struct fdisk_context *c, struct partition_table *t)
{
	t->grain = MIB;
	t->end = (fdisk_get_last_lba(c) + 1) * t->sector;
	if (t->label == LABEL_DOS) /* it counts sectors in 32 bits */
		t->end = least(t->end, (uint64_t)UINT32_MAX * t->sector);
	if (t->label == LABEL_SUN || t->label == LABEL_DVH)
		t->grain = (uint64_t)fdisk_get_geom_heads(c) * fdisk_get_geom_sectors(c) * t->sector;
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].whole)
			t->end = least(t->end, t->list[i].start + t->list[i].size);
	if (t->label == LABEL_BSD && t->end > t->sector) /* libfdisk leaves the last one alone */
		t->end -= t->sector;
	if (t->grain == 0)
		t->grain = MIB;
	t->first = larger(fdisk_get_first_lba(c) * t->sector, t->grain);
}

static int take_partitions(struct fdisk_context *c, struct partition_table *t, const struct table_image *i,
                           struct err *e)
{
	struct fdisk_label *l = fdisk_get_label(c, NULL);
	enum label found = LABEL_NONE;

	for (size_t n = 1; l && n < ARRAY_LEN(labels); n++)
		if (labels[n].fdisk && streq(labels[n].fdisk, fdisk_label_get_name(l)))
			found = (enum label)n;
	if (found == LABEL_NONE)
		return err_set(e, ERR_WRONG_FORMAT, "%s has no partition table that can be read", i->name);
	t->label = found;
	for (size_t n = 0; n < fdisk_get_npartitions(c); n++) {
		struct fdisk_partition *pa = NULL;

		if (fdisk_get_partition(c, n, &pa) == 0 && fdisk_partition_is_used(pa) &&
		    fdisk_partition_has_start(pa) && fdisk_partition_has_size(pa))
			take_partition(t, pa);
		fdisk_unref_partition(pa);
	}
	take_limits(c, t);
	return 0;
}

/* libfdisk reads sixty partitions of a dos label, and would cut the others off when it writes. */
static void mark_cut(struct partition_table *t, int described)
{
	int listed = 0;

	for (size_t k = 0; k < t->n; k++)
		listed += t->list[k].kind == PARTITION_LOGICAL;
	t->cut |= t->label == LABEL_DOS && listed < described;
}

int table_read(struct table_image *i, enum label found, struct partition_table *t, struct err *e)
{
	struct fdisk_context *c;
	struct voice v;
	int rc, logical;

	*t = (struct partition_table){
		.sector = i->sector, .size = i->size, .end = i->size, .grain = MIB, .first = MIB
	};
	if (table_image_load(i, 0, HEAD_BYTES, e) < 0 ||
	    table_image_load(i, i->size > HEAD_BYTES ? i->size - HEAD_BYTES : 0, HEAD_BYTES, e) < 0)
		return -1;
	t->foreign = foreign_read(i, found, t);
	if (t->foreign)
		return 0;
	if (gpt_load(i, e) < 0 || (logical = load_dos(i, t, e)) < 0)
		return -1;
	c = fdisk_begin(i, LABEL_NONE, &v, e);
	if (!c)
		return -1;
	rc = take_partitions(c, t, i, e);
	fdisk_unref_context(c);
	mark_cut(t, logical);
	if (t->label == LABEL_GPT) {
		gpt_copies(i, &t->primary_bad, &t->backup_bad);
		t->end = least(t->end, gpt_end(i));
	}
	return rc;
}

const struct partition *table_find(const struct partition_table *t, unsigned number)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].number == number)
			return &t->list[i];
	return NULL;
}

const struct partition *table_extended(const struct partition_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].kind == PARTITION_EXTENDED)
			return &t->list[i];
	return NULL;
}

/* ---- changing ---- */

/* libfdisk fills a new sun label with partitions. */
static int drop_made_up(struct fdisk_context *c, enum label l)
{
	for (size_t n = 0; l == LABEL_SUN && n < 2; n++)
		if (fdisk_delete_partition(c, n) < 0)
			return -1;
	return 0;
}

int table_create(struct table_image *i, enum label l, struct err *e)
{
	const struct label_info *info = label_info(l);
	struct fdisk_context *c;
	struct voice v;
	int rc;

	demand(info->fdisk, e);
	if (info->small_only && i->sector != 512)
		return err_set(e, ERR_UNSUPPORTED,
		               "a %s label counts sectors of 512 bytes, and those of %s have %u", info->word,
		               i->name, i->sector);
	if (table_image_load(i, 0, HEAD_BYTES, e) < 0 ||
	    table_image_load(i, i->size > HEAD_BYTES ? i->size - HEAD_BYTES : 0, HEAD_BYTES, e) < 0)
		return -1;
	c = fdisk_begin(i, l, &v, e);
	if (!c)
		return -1;
	rc = fdisk_create_disklabel(c, info->fdisk);
	if (rc == 0)
		rc = drop_made_up(c, l);
	if (rc == 0)
		rc = fdisk_write_disklabel(c);
	if (rc)
		fdisk_failed(i, &v, rc, "make the partition table", e);
	fdisk_unref_context(c);
	return rc ? -1 : 0;
}

/* A template of libfdisk's for a partition. Its type is the label's word for the format. In a dvh label
 * libfdisk makes partitions one sector shorter than it is told. */
static struct fdisk_partition *template_of(struct fdisk_context *c, const struct partition_table *t,
                                           const struct partition *p, const char *format)
{
	const struct format_code *code = format ? format_code(t->label, format) : NULL;
	struct fdisk_label *l = fdisk_get_label(c, NULL);
	struct fdisk_partition *pa = fdisk_new_partition();
	struct fdisk_parttype *type = NULL;

	if (!pa)
		return NULL;
	fdisk_partition_set_start(pa, p->start / t->sector);
	fdisk_partition_set_size(pa, p->size / t->sector + (t->label == LABEL_DVH));
	fdisk_partition_size_explicit(pa, 1);
	if (code && t->label == LABEL_GPT)
		type = fdisk_label_get_parttype_from_string(l, code->gpt);
	else if (code)
		type = fdisk_label_get_parttype_from_code(l, code_in(code, t->label));
	if (type)
		fdisk_partition_set_type(pa, type);
	fdisk_unref_parttype(type);
	return pa;
}

static int write_and_end(struct fdisk_context *c, const struct table_image *i, const struct voice *v, int rc,
                         const char *what, struct err *e)
{
	if (rc == 0)
		rc = fdisk_write_disklabel(c);
	if (rc)
		fdisk_failed(i, v, rc, what, e);
	fdisk_unref_context(c);
	return rc ? -1 : 0;
}

/* The second copy of a gpt goes to the end of the disk, which may have become smaller since a partition was
 * put there. */
int table_may_change(const struct table_image *i, const struct partition_table *t,
                     const struct partition *changed, uint64_t size, struct err *e)
{
	if (t->cut)
		return err_set(e, ERR_UNSUPPORTED,
		               "the table of %s has more partitions than the %zu that are listed, and those "
		               "would be lost: nothing was written (parted can change it)",
		               i->name, t->n);
	for (size_t k = 0; t->label == LABEL_GPT && k < t->n; k++) {
		const struct partition *p = &t->list[k];
		uint64_t then = changed && p->number == changed->number ? size : p->size;

		if (then && p->start + then > t->end)
			return err_set(
				e, ERR_NO_SPACE,
				"%s has become smaller: partition %u reaches to where the second copy of its "
				"gpt has to be, so nothing was written (make that partition smaller, or "
				"the disk larger)",
				i->name, p->number);
	}
	return 0;
}

/* Begin a change, where there may be one. */
static struct fdisk_context *change_begin(const struct table_image *i, const struct partition_table *t,
                                          const struct partition *changed, uint64_t size, struct voice *v,
                                          struct err *e)
{
	return table_may_change(i, t, changed, size, e) < 0 ? NULL : fdisk_begin(i, LABEL_NONE, v, e);
}

int table_add(struct table_image *i, const struct partition_table *t, const struct partition *p,
              const char *format, const char *name, struct err *e)
{
	uint64_t link = p->kind == PARTITION_LOGICAL ? p->start - t->grain : p->start;
	struct fdisk_partition *pa;
	struct fdisk_context *c;
	struct voice v;
	int rc;

	/* where libfdisk puts the sector that describes a logical partition, or begins a chain of them */
	if (p->kind != PARTITION_PRIMARY && table_image_load(i, link, 2 * TABLE_PAGE, e) < 0)
		return -1;
	c = change_begin(i, t, NULL, 0, &v, e);
	if (!c)
		return -1;
	pa = template_of(c, t, p, format);
	if (pa && p->kind != PARTITION_LOGICAL)
		fdisk_partition_set_partno(pa, p->number - 1);
	if (pa && name)
		fdisk_partition_set_name(pa, name);
	rc = pa ? fdisk_add_partition(c, pa, NULL) : -ENOMEM;
	fdisk_unref_partition(pa);
	return write_and_end(c, i, &v, rc, "add a partition to the table", e);
}

int table_delete(struct table_image *i, const struct partition_table *t, const struct partition *p,
                 struct err *e)
{
	struct voice v;
	struct fdisk_context *c = change_begin(i, t, p, 0, &v, e);

	if (!c)
		return -1;
	return write_and_end(c, i, &v, fdisk_delete_partition(c, p->number - 1),
	                     "delete a partition from the table", e);
}

/* libfdisk resizes by looking for free space, which it does not find behind the entries for a whole disk that
 * some labels have: in those a partition is made anew under its number. */
static int resize_anew(struct fdisk_context *c, const struct partition_table *t, const struct partition *p)
{
	struct fdisk_partition *was = NULL, *pa = template_of(c, t, p, NULL);
	int rc = pa ? fdisk_get_partition(c, p->number - 1, &was) : -ENOMEM;

	if (rc == 0) {
		fdisk_partition_set_type(pa, fdisk_partition_get_type(was));
		fdisk_partition_set_partno(pa, p->number - 1);
		rc = fdisk_delete_partition(c, p->number - 1);
	}
	if (rc == 0)
		rc = fdisk_add_partition(c, pa, NULL);
	fdisk_unref_partition(was);
	fdisk_unref_partition(pa);
	return rc;
}

static int resize_in_place(struct fdisk_context *c, const struct partition_table *t,
                           const struct partition *p)
{
	struct fdisk_partition *pa = template_of(c, t, p, NULL);
	int rc = pa ? fdisk_set_partition(c, p->number - 1, pa) : -ENOMEM;

	fdisk_unref_partition(pa);
	return rc;
}

int table_resize(struct table_image *i, const struct partition_table *t, const struct partition *p,
                 uint64_t size, struct err *e)
{
	struct voice v;
	struct fdisk_context *c = change_begin(i, t, p, size, &v, e);
	struct partition now = *p;
	bool in_place = t->label == LABEL_DOS || t->label == LABEL_GPT;

	if (!c)
		return -1;
	now.size = size;
	return write_and_end(c, i, &v, (in_place ? resize_in_place : resize_anew)(c, t, &now),
	                     "resize a partition in the table", e);
}

int table_mend(struct table_image *i, const struct partition_table *t, struct err *e)
{
	struct voice v;
	struct fdisk_context *c = change_begin(i, t, NULL, 0, &v, e);

	return c ? write_and_end(c, i, &v, 0, "mend the partition table", e) : -1;
}

/* ---- the order of writing ---- */

/* gpt: one of the two copies is whole at any time, and the one that is not trusted is written first. Within
 * one, the header with its checksum comes last. All others: what nothing leads to yet comes first, and then
 * the one sector that makes it count. */
unsigned table_rank(uint64_t at, const void *arg)
{
	const struct partition_table *t = arg;

	if (!t)
		return at < TABLE_PAGE ? 2 : 1;
	if (t->label == LABEL_GPT) {
		bool primary = at < t->size / 2, header = at == t->sector || at + t->sector == t->size;

		return (primary == t->primary_bad ? 0u : 2u) + (at == 0 || header ? 1u : 0u);
	}
	if (t->label != LABEL_DOS)
		return at == (t->label == LABEL_BSD ? t->sector : 0);
	for (size_t i = 0; i < t->nlinks; i++)
		if (t->links[i] == at)
			return 1;
	return at == 0 ? 2 : 0;
}
