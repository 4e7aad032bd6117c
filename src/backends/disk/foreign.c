/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Labels that libfdisk does not know. mac is read by libblkid; pc98 nobody reads but us.
 *
 * NEC's PC-98 has its table in sector 1: 16 entries of 32 bytes. An entry says where it begins and ends by
 * cylinder, head and sector, so that it means something only together with the geometry that the disk had for
 * whoever wrote it. That is asked of parted, where it
 * is installed (device.c); else the kernel's is taken (HDIO_GETGEO).
 */
#include "backends/disk/table.h"

#include <blkid/blkid.h>
#include <string.h>
#include <strings.h>
#include "base/util.h"

/* ---- mac ---- */

/* The map itself, free space and drivers are entries of their own. */
static bool mac_is_hidden(const char *type)
{
	return !type || starts_with(type, "Apple_partition_map") || starts_with(type, "Apple_Free") ||
	       starts_with(type, "Apple_Void") || starts_with(type, "Apple_Driver") ||
	       starts_with(type, "Apple_Patches");
}

static bool mac_read(const struct table_image *i, struct partition_table *t)
{
	blkid_probe p = blkid_new_probe();
	blkid_partlist list;
	bool found = false;

	if (!p || blkid_probe_set_device(p, i->copy, 0, 0) != 0) {
		blkid_free_probe(p);
		return false;
	}
	blkid_probe_enable_partitions(p, 1);
	blkid_probe_filter_partitions_type(p, BLKID_FLTR_ONLYIN,
	                                   (char *[]){ (char *)(uintptr_t) "mac", NULL });
	list = blkid_probe_get_partitions(p);
	for (int n = 0; list && n < blkid_partlist_numof_partitions(list); n++) {
		blkid_partition entry = blkid_partlist_get_partition(list, n);
		const char *type = blkid_partition_get_type_string(entry);

		found = true;
		if (t->n == PARTITIONS_MAX) {
			t->cut = true;
			break;
		}
		if (type && starts_with(type, "Apple_Free")) /* or it would count as taken */
			continue;
		t->list[t->n++] = (struct partition){
			.number = (unsigned)blkid_partition_get_partno(entry),
			.hidden = mac_is_hidden(type),
			.start = (uint64_t)blkid_partition_get_start(entry) * 512,
			.size = (uint64_t)blkid_partition_get_size(entry) * 512,
			.format = "none",
		};
	}
	blkid_free_probe(p);
	t->label = LABEL_MAC;
	return found;
}

/* ---- pc98 ---- */

#define PC98_ENTRIES 16
#define PC98_ENTRY   32

/* One end of an entry: sector, head, cylinder. */
struct chs {
	unsigned sector, head, cylinder;
};

static struct chs chs_at(const unsigned char *b)
{
	return (struct chs){ b[0], b[1], (unsigned)b[2] | (unsigned)b[3] << 8 };
}

static uint64_t chs_sector(const struct table_image *i, struct chs c)
{
	return ((uint64_t)c.cylinder * i->heads + c.head) * i->track + c.sector;
}

/* Most tools write the cylinder alone: all of it belongs to the partition. */
static uint64_t chs_end(const struct table_image *i, struct chs c)
{
	if (c.head == 0 && c.sector == 0)
		return chs_sector(i, (struct chs){ i->track - 1, i->heads - 1, c.cylinder });
	return chs_sector(i, c);
}

static bool pc98_read(const struct table_image *i, struct partition_table *t)
{
	unsigned char head[512], table[PC98_ENTRIES * PC98_ENTRY];

	if (table_image_get(i, 0, head, sizeof(head)) < 0 ||
	    table_image_get(i, t->sector, table, sizeof(table)) < 0 || head[510] != 0x55 ||
	    head[511] != 0xaa || memcmp(head + 4, "IPL1", 4) != 0)
		return false;

	for (unsigned n = 0; n < PC98_ENTRIES; n++) {
		const unsigned char *b = table + n * PC98_ENTRY;
		uint64_t from = chs_sector(i, chs_at(b + 8)), last = chs_end(i, chs_at(b + 12));

		if ((b[0] == 0 && b[1] == 0) || last < from || (last + 1) * t->sector > t->size)
			continue;
		t->list[t->n++] = (struct partition){
			.number = n + 1,
			.start = from * t->sector,
			.size = (last + 1 - from) * t->sector,
			.format = "none",
		};
	}
	t->label = LABEL_PC98;
	t->grain = (uint64_t)i->heads * i->track * t->sector;
	return true;
}

bool foreign_read(const struct table_image *i, enum label found, struct partition_table *t)
{
	t->n = 0;
	if ((found == LABEL_NONE || found == LABEL_DOS) && pc98_read(i, t))
		return true;
	t->n = 0;
	return (found == LABEL_NONE || found == LABEL_MAC) && mac_read(i, t);
}
