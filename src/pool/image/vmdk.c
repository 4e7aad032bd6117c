/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * VMware's disks (Virtual Disk Format 1.1 and its 5.0 successor): one sparse file with a descriptor inside, a
 * descriptor alone that names its extents, and the sparse extents of ESX. The extents' names are not even
 * kept.
 *
 * VMware's formats share a word (the descriptor's) and little else. All numbers are little-endian, sizes are
 * in sectors of 512 bytes.
 */
#include <inttypes.h>

#include "base/util.h"
#include "pool/image/parts.h"

#define QEMU_DESCRIPTOR       SECTOR
#define QEMU_DESCRIPTOR_BYTES (20 * SECTOR)
_Static_assert(QEMU_DESCRIPTOR + QEMU_DESCRIPTOR_BYTES <= IMAGE_HEADER_BYTES,
               "the descriptor is in what is read");

/* The parent's name in a line of the descriptor, or in what QEMU takes for the descriptor. */
static const char *find_vmdk_parent(const char *from, const char *end)
{
	static const char key[] = "parentFileNameHint";
	const char *at = memmem(from, (size_t)(end - from), key, sizeof(key) - 1);

	/* behind two more bytes, whatever they are: =" */
	return at && (size_t)(end - at) > sizeof(key) ? at + sizeof(key) + 1 : NULL;
}

/* The first that is found is the parent. */
static void read_vmdk_parent(const char *text, const char *end, struct image *i)
{
	const char *from = i->backing[0] || i->problem[0] ? NULL : find_vmdk_parent(text, end), *to;

	if (!from)
		return;
	to = memchr(from, '"', (size_t)(end - from));
	if (!to || memchr(from, '\0', (size_t)(to - from))) {
		image_problem(i, "name of the parent does not end");
	} else if ((size_t)(to - from) >= sizeof(i->backing)) {
		image_problem(i, "name of the parent has %zu bytes", (size_t)(to - from));
	} else {
		memcpy(i->backing, from, (size_t)(to - from));
		i->backing[to - from] = '\0';
		memcpy(i->backing_format, "vmdk", sizeof("vmdk")); /* nothing else can be one */
	}
}

/* Sectors of one line "RW 4192256 SPARSE "disk.vmdk""; 0 for any other line. */
static uint64_t extent(const char *line, const char *end)
{
	static const char *const access[] = { "RW ", "RDONLY ", "NOACCESS " };
	uint64_t sectors = 0;

	for (size_t a = 0; a < ARRAY_LEN(access); a++) {
		size_t n = strlen(access[a]);

		if ((size_t)(end - line) <= n || memcmp(line, access[a], n) != 0)
			continue;
		for (line += n; line < end && *line >= '0' && *line <= '9' && sectors < UINT64_MAX / 16;
		     line++)
			sectors = sectors * 10 + (uint64_t)(*line - '0');
		return sectors;
	}
	return 0;
}

/* All lines of a descriptor; returns the sectors of its extents together. */
static uint64_t read_descriptor(const char *line, const char *end, struct image *i)
{
	uint64_t total = 0;

	for (const char *next; line < end; line = next) {
		uint64_t sectors;

		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next + 1 : end;
		read_vmdk_parent(line, next, i);
		sectors = extent(line, next);
		total = sectors > UINT64_MAX - total ? UINT64_MAX : total + sectors;
	}
	return total;
}

/* QEMU looks for the parent here, whatever the header says of where the descriptor is, and up to the first
 * NUL. */
static void read_qemu_descriptor(const struct head *h, struct image *i)
{
	const char *from = (const char *)h->data + QEMU_DESCRIPTOR, *end, *nul;

	if (h->len <= QEMU_DESCRIPTOR)
		return;
	end = from + least(h->len - QEMU_DESCRIPTOR, QEMU_DESCRIPTOR_BYTES);
	nul = memchr(from, '\0', (size_t)(end - from));
	read_vmdk_parent(from, nul ? nul : end, i);
}

/* A hosted sparse extent ("KDMV", little-endian): version at 4, capacity at 12, grain at 20, the
 * descriptor's offset at 28 and size at 36; all but the first in sectors. */
void image_read_vmdk(const struct head *h, struct image *i)
{
	uint64_t version, offset, size;

	if (!image_need(h, i, 44))
		return;
	version = little(h, 4, 4);
	if (version < 1 || version > 3) {
		image_problem(i, "VMDK version %" PRIu64 " is not known", version);
		return;
	}
	image_set_capacity(i, little(h, 12, 8), SECTOR);
	image_set_cluster(i, little(h, 20, 8), SECTOR);
	read_qemu_descriptor(h, i);
	offset = little(h, 28, 8);
	size = little(h, 36, 8);
	if (offset == 0 || offset > h->len / SECTOR)
		return; /* no embedded descriptor, or one that is not among these bytes */
	offset *= SECTOR;
	size = size > (h->len - offset) / SECTOR ? h->len - offset : size * SECTOR;
	read_descriptor((const char *)h->data + offset, (const char *)h->data + offset + size, i);
}

/* A descriptor alone: a text with a line for each extent, whose sizes add up. The names in those lines are
 * not kept: nothing that an image names is opened. */
void image_read_vmdk_text(const struct head *h, struct image *i)
{
	const char *text = (const char *)h->data;
	uint64_t sectors = read_descriptor(text, text + h->len, i);

	if (sectors == 0)
		image_problem(i, "the descriptor lists no extents");
	image_set_capacity(i, sectors, SECTOR);
}

/* A sparse extent of ESX (vmfsSparse): a descriptor beside it tells of its parent. */
void image_read_cowd(const struct head *h, struct image *i)
{
	if (!image_need(h, i, 32))
		return;
	if (little(h, 4, 4) != 1) {
		image_problem(i, "COWD version %" PRIu64 " is not known", little(h, 4, 4));
		return;
	}
	image_set_capacity(i, little(h, 12, 4), SECTOR);
	image_set_cluster(i, little(h, 16, 4), SECTOR);
}

/* The newer sparse extent of ESX (SEsparse): capacity at 16, grain at 24, in sectors. */
void image_read_sesparse(const struct head *h, struct image *i)
{
	if (!image_need(h, i, 32))
		return;
	image_set_capacity(i, little(h, 16, 8), SECTOR);
	image_set_cluster(i, little(h, 24, 8), SECTOR);
}
