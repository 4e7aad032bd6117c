/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Recognising disk images: a table of formats, each with its magic bytes and one small function that reads
 * the rest of its header (image_*.c, a family a file). Every read is checked against what there is; what is
 * missing or makes no sense becomes `problem`, and the format and the facts found so far stand.
 */
#include "pool/image/image.h"

#include "base/contract.h"
#include "base/util.h"
#include "pool/image/parts.h"

/* The formats, by their magic bytes. The first that matches counts: what is right at the beginning counts
 * for more than what comes later. */
static const struct image_format {
	const char *format;
	size_t offset;
	const char *magic;
	size_t magic_len;
	image_reader *read;
} formats[] = {
#define MAGIC(text) text, sizeof(text) - 1
	{ "raw", 0, MAGIC("LUKS\xba\xbe\0\1"), image_read_luks1 },
	{ "raw", 0, MAGIC("LUKS\xba\xbe"), image_read_luks2 },
	{ "qcow2", 0, MAGIC("QFI\xfb"), image_read_qcow },
	{ "qed", 0, MAGIC("QED\0"), image_read_qed },
	{ "vmdk", 0, MAGIC("KDMV"), image_read_vmdk },
	{ "vmdk", 0, MAGIC("# Disk DescriptorFile"), image_read_vmdk_text },
	{ "vmdk", 0, MAGIC("COWD"), image_read_cowd },
	{ "vmdk", 0, MAGIC("\xbe\xba\xfe\xca\0\0\0\0\1\0\0\0\2\0\0\0"), image_read_sesparse },
	{ "vpc", 0, MAGIC("conectix"), image_read_vpc },
	{ "vhdx", 0, MAGIC("vhdxfile"), image_read_vhdx },
	{ "bochs", 0, MAGIC("Bochs Virtual HD Image\0"), image_read_bochs },
	{ "cow", 0, MAGIC("OOOM"), image_read_cow },
	{ "parallels", 0, MAGIC("WithouFreSpacExt"), image_read_parallels },
	{ "parallels", 0, MAGIC("WithoutFreeSpace"), image_read_parallels },
	{ "cloop", 0, MAGIC("#!/bin/sh\n#V2.0 Format\nmodprobe cloop "), image_read_cloop },
	{ "raw", 0, MAGIC("hsqs"), image_read_squashfs },
	{ "vdi", 64, MAGIC("\x7f\x10\xda\xbe"), image_read_vdi },
	{ "raw", 1024, MAGIC("\xe2\xe1\xf5\xe0"), image_read_erofs },
	{ "iso", 32769, MAGIC("CD001"), image_read_iso },
#undef MAGIC
};

/* ---- recognising ---- */

/* A format without a magic at its head may have one in its last sector. */
static void probe_trailer(const struct head *h, struct image *i)
{
	unsigned char trailer[SECTOR];

	if (h->file->size < sizeof(trailer) ||
	    !image_fetch(h, h->file->size - sizeof(trailer), trailer, sizeof(trailer)))
		return;
	if (image_read_vpc_fixed(trailer, h->file->size, i))
		i->format = "vpc";
	else if (image_read_dmg(trailer, h->file->size, i))
		i->format = "dmg";
}

void image_probe_file(const unsigned char *head, size_t len, const struct image_file *f, struct image *out)
{
	demand_or(head && f && out, );

	const struct head h = { head, len, f };

	*out = (struct image){ .format = "raw", .capacity = f->size };
	for (size_t k = 0; k < ARRAY_LEN(formats); k++) {
		if (!head_at(&h, formats[k].offset, formats[k].magic, formats[k].magic_len))
			continue;
		out->format = formats[k].format;
		formats[k].read(&h, out);
		return;
	}
	probe_trailer(&h, out);
}

void image_probe(const unsigned char *head, size_t len, uint64_t file_size, struct image *out)
{
	const struct image_file f = { .size = file_size };

	image_probe_file(head, len, &f, out);
}

/* ---- in libvirt's words ---- */

const char *image_format_in_xml(const char *format)
{
	static const struct {
		const char *ours, *theirs;
	} words[] = { { "parallels", "ploop" }, { "vhdx", "raw" }, { "luks", "raw" } };

	for (size_t w = 0; format && w < ARRAY_LEN(words); w++)
		if (streq(format, words[w].ours))
			return words[w].theirs;
	return format;
}

/* QEMU's rule: a colon before the first slash ends the name of a protocol. */
static bool has_protocol(const char *name)
{
	return name[strcspn(name, ":/")] == ':';
}

void image_backing_path(const char *image_path, const char *backing, struct buf *out)
{
	demand_or(image_path && backing, );

	const char *slash = strrchr(image_path, '/');

	if (backing[0] != '/' && !has_protocol(backing) && slash)
		buf_add(out, image_path, (size_t)(slash + 1 - image_path));
	buf_adds(out, backing);
}
