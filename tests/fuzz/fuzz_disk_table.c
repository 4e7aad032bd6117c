/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The beginning of a disk of 4 MiB, read as a partition table, whatever libblkid takes it for: our readers of
 * pc98 and of gpt's headers, the chain of logical partitions, libblkid's mac and libfdisk. What was read is
 * worked with.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include "backends/disk/table.h"
#include "base/util.h"

#define DISK (4 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as(int disk, enum label found)
{
	struct free_span list[2 * PARTITIONS_MAX + 1];
	static struct partition_table t;
	struct err e = { 0 };
	struct table_image i;

	if (table_image_open(&i, disk, "disk", DISK, 512, &e) == 0 && table_read(&i, found, &t, &e) == 0) {
		if (t.n > PARTITIONS_MAX || t.grain == 0)
			abort();
		for (unsigned logical = 0; logical < 2; logical++) {
			size_t n = space_free(&t, logical, list, ARRAY_LEN(list));

			for (size_t k = 0; k < n; k++)
				if (list[k].start >= list[k].end)
					abort();
		}
		for (size_t k = 0; k < t.n; k++)
			if (space_room(&t, &t.list[k]) < t.list[k].size)
				abort();
	}
	table_image_close(&i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int disk = memfd_create("disk", MFD_CLOEXEC);

	if (disk >= 0 && ftruncate(disk, DISK) == 0 &&
	    pwrite(disk, data, least(size, DISK), 0) == (ssize_t)least(size, DISK)) {
		read_as(disk, LABEL_NONE);
		read_as(disk, LABEL_BSD);
	}
	util_close(&disk);
	return 0;
}
