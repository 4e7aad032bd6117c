/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The formats of other emulators: VirtualBox (VDI), Bochs (redolog), User-mode Linux (COW), Parallels (QEMU
 * docs/interop/parallels.txt). One header each, no chains.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "pool/image/parts.h"

/* VirtualBox (VDI 1.1, little-endian): version at 68, size of the disk in bytes at 368, of a block at 376. */
void image_read_vdi(const struct head *h, struct image *i)
{
	if (!image_need(h, i, 380))
		return;
	if (little(h, 68, 4) != 0x00010001) {
		image_problem(i, "VDI version 0x%" PRIx64 " is not known", little(h, 68, 4));
		return;
	}
	image_set_capacity(i, little(h, 368, 8), 1);
	image_set_cluster(i, little(h, 376, 4), 1);
}

/* Bochs' redolog: version at 64. The disk's size is at 84 in version 1 and, aligned, at 88 in version 2. */
void image_read_bochs(const struct head *h, struct image *i)
{
	uint64_t version;

	if (!image_need(h, i, 96))
		return;
	version = little(h, 64, 4);
	if (version == 0x10000)
		image_set_capacity(i, little(h, 84, 8), 1);
	else if (version == 0x20000)
		image_set_capacity(i, little(h, 88, 8), 1);
	else
		image_problem(i, "Bochs version 0x%" PRIx64 " is not known", version);
}

/* User-mode Linux, COW version 2, big-endian: the backing file's name in 1024 bytes at 8, the size at 1036.
 * Version 3 has another layout, and nobody writes it. */
void image_read_cow(const struct head *h, struct image *i)
{
	const char *backing = (const char *)h->data + 8;

	if (!image_need(h, i, 1048))
		return;
	if (big(h, 4, 4) != 2) {
		image_problem(i, "COW version %" PRIu64 " is not known", big(h, 4, 4));
		return;
	}
	image_set_capacity(i, big(h, 1036, 8), 1);
	if (memchr(backing, '\0', 1024))
		snprintf(i->backing, sizeof(i->backing), "%s", backing);
	else
		image_problem(i, "backing file name does not end");
}

/* Parallels: size of a cluster at 28 and of the disk at 36, in sectors. The older of the two forms
 * ("WithoutFreeSpace" is its magic) has only 32 bits for the size, and sometimes rubbish above. */
void image_read_parallels(const struct head *h, struct image *i)
{
	if (!image_need(h, i, 44))
		return;
	image_set_capacity(i, little(h, 36, head_at(h, 0, "WithoutFreeSpace", 16) ? 4 : 8), SECTOR);
	image_set_cluster(i, little(h, 28, 4), SECTOR);
}
