/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What others write for us: mac and pc98 labels by parted(8), where it is installed, and a physical volume of
 * LVM on the whole disk, where this program has pools of type logical.
 */
#include <inttypes.h>
#include <stdio.h>
#include "backends/disk/disk.h"
#include "backends/logical/lvm.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "base/util.h"
#include "system/format.h"

/* A program of chosen types may have no LVM: then it is not there. */
#pragma weak lvm_run

/* ---- mac, pc98 ---- */

int parted_can(enum label l, struct err *e)
{
	if (l != LABEL_MAC && l != LABEL_PC98)
		return err_set(e, ERR_UNSUPPORTED,
		               "a %s label of this kind is listed, but nothing here changes it",
		               label_info(l)->word);
	if (!spawn_find("parted"))
		return err_set(e, ERR_NO_TOOL,
		               "%s labels are written by the program parted, which is not installed",
		               label_info(l)->word);
	return 0;
}

/* The third line of what it prints for programs is "CYLINDERS:HEADS:SECTORS:SIZE;". */
bool parted_geometry(const char *path, unsigned *heads, unsigned *track)
{
	const char *const argv[] = { "parted", "-s", "-m", path, "unit", "chs", "print", NULL };
	struct tool t = { .argv = argv, .deadline = clock_ms() + SECONDS(5) };
	const char *line = NULL;
	unsigned h, s;
	bool found = false;

	if (spawn_find("parted") && spawn_ok(&t, NULL) == 0)
		line = strchr(buf_str(&t.out), '\n');
	line = line ? strchr(line + 1, '\n') : NULL;
	if (line && sscanf(line, " %*u:%u:%u:", &h, &s) == 2 && h && s && h < 1024 && s < 1024) {
		*heads = h;
		*track = s;
		found = true;
	}
	tool_free(&t);
	return found;
}

/* Without questions, in bytes. */
static int parted(const struct disk *disk, const char *const *words, struct op *op, struct err *e)
{
	const char *argv[16] = { "parted", "-s", "-a", "none", disk->path, "unit", "B" };
	size_t n = 7;

	while (*words && n < ARRAY_LEN(argv) - 1)
		argv[n++] = *words++;
	argv[n] = NULL;

	struct tool t = { .argv = argv, .deadline = op->deadline };
	int rc = spawn_ok(&t, e);

	tool_free(&t);
	return rc < 0 ? rc : format_flush(disk->path, e);
}

int parted_label(const struct disk *disk, enum label l, struct op *op, struct err *e)
{
	const char *const words[] = { "mklabel", label_info(l)->word, NULL };

	return parted(disk, words, op, e);
}

/* parted's word for what a partition is for. */
static const char *file_system(const char *format)
{
	return streq(format, "none") || streq(format, "linux") ? "ext2" : format;
}

int parted_add(const struct disk *disk, const struct partition *p, const char *format, struct op *op,
               struct err *e)
{
	char start[24], end[24], name[NAME_MAX + 1];
	const char *const mac[] = { "mkpart", name, file_system(format), start, end, NULL };
	const char *const pc98[] = { "mkpart", file_system(format), start, end, NULL };

	disk_volume_name(disk, p->number, name, sizeof(name));
	snprintf(start, sizeof(start), "%" PRIu64 "B", p->start);
	snprintf(end, sizeof(end), "%" PRIu64 "B", p->start + p->size - 1);
	return parted(disk, disk->table.label == LABEL_MAC ? mac : pc98, op, e);
}

int parted_delete(const struct disk *disk, const struct partition *p, struct op *op, struct err *e)
{
	char number[12];
	const char *const words[] = { "rm", number, NULL };

	snprintf(number, sizeof(number), "%u", p->number);
	return parted(disk, words, op, e);
}

int parted_resize(const struct disk *disk, const struct partition *p, uint64_t size, struct op *op,
                  struct err *e)
{
	char number[12], end[24];
	const char *const words[] = { "resizepart", number, end, NULL };

	snprintf(number, sizeof(number), "%u", p->number);
	snprintf(end, sizeof(end), "%" PRIu64 "B", p->start + size - 1);
	return parted(disk, words, op, e);
}

/* ---- lvm2 ---- */

int whole_can(struct err *e)
{
	return lvm_run ? 0
	               : err_set(e, ERR_UNSUPPORTED,
	                         "a disk of format lvm2 is a physical volume, and this build has no LVM");
}

int whole_make(const char *path, struct op *op, struct err *e)
{
	const char *const words[] = { "pvcreate", "-y", "-ff", path, NULL }, *const only[] = { path, NULL };

	if (whole_can(e) < 0 || lvm_run(words, only, op, NULL, e) < 0)
		return -1;
	return format_flush(path, e);
}

/* LVM refuses one that belongs to a volume group. */
int whole_unmake(const char *path, struct op *op, struct err *e)
{
	const char *const words[] = { "pvremove", "-y", path, NULL }, *const only[] = { path, NULL };

	if (whole_can(e) < 0 || lvm_run(words, only, op, NULL, e) < 0)
		return -1;
	return format_wipe_head(path, e);
}
