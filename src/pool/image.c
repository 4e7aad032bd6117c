/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Recognising disk images: a table of formats, each with its magic bytes and one small function that reads the rest of its
 * header. Every read is checked against what there is; what is missing or makes no sense becomes `problem`, and the
 * format and the facts found so far stand.
 *
 * Sources: QEMU docs/interop (qcow2.txt, qed_spec.txt, parallels.txt, vhdx), Microsoft's VHD specification, the VMDK 1.1
 * technical note, the LUKS on-disk formats 1 and 2, ECMA-119.
 */
#include "pool/image.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/util.h"

#define SECTOR 512

/* The bytes that there are. */
struct head {
	const unsigned char *data;
	size_t len;
	uint64_t file_size;
};

__attribute__((format(printf, 2, 3)))
static void problem(struct image *i, const char *fmt, ...)
{
	va_list ap;

	if (i->problem[0])
		return;                 /* the first one counts */
	va_start(ap, fmt);
	vsnprintf(i->problem, sizeof(i->problem), fmt, ap);
	va_end(ap);
}

/* ---- reading ---- */

static bool has(const struct head *h, uint64_t offset, uint64_t n)
{
	return offset <= h->len && n <= h->len - offset;
}

/* Is the header all there? If not, that is the problem. */
static bool need(const struct head *h, struct image *i, size_t n)
{
	if (has(h, 0, n))
		return true;
	problem(i, "header truncated at %zu bytes", h->len);
	return false;
}

static bool at(const struct head *h, uint64_t offset, const char *bytes, size_t n)
{
	return has(h, offset, n) && memcmp(h->data + offset, bytes, n) == 0;
}

/* n bytes as a number; the caller has made sure that they are there. */
static uint64_t big(const struct head *h, size_t offset, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | h->data[offset + i];
	return v;
}

static uint64_t little(const struct head *h, size_t offset, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | h->data[offset + n];
	return v;
}

/* count × unit bytes, if such a size exists. */
static void set_capacity(struct image *i, uint64_t count, uint64_t unit)
{
	if (unit && count > INT64_MAX / unit)
		problem(i, "virtual size is impossibly large");
	else
		i->capacity = count * unit;
}

static void set_cluster_bits(struct image *i, uint64_t bits)
{
	if (bits < 9 || bits > 21)
		problem(i, "cluster size of 2^%" PRIu64 " bytes is not possible", bits);
	else
		i->cluster_size = 1ULL << bits;
}

/* The name of the backing file: not to be trusted, not even to end. */
static void set_backing(const struct head *h, struct image *i, uint64_t offset, uint64_t len)
{
	if (len == 0)
		return;
	if (len >= sizeof(i->backing)) {
		problem(i, "backing file name of %" PRIu64 " bytes", len);
		return;
	}
	if (!has(h, offset, len)) {
		problem(i, "backing file name lies outside the header");
		return;
	}
	memcpy(i->backing, h->data + offset, len);
	i->backing[len] = '\0';
}

/* ---- the formats ---- */

static void read_luks(const struct head *h, struct image *i)
{
	uint64_t version, payload;

	i->encryption = "luks";
	if (!need(h, i, 8))
		return;
	version = big(h, 6, 2);
	if (version == 2)
		return;                 /* where its data begin is in JSON; the size stays that of the file */
	if (version != 1) {
		problem(i, "LUKS version %" PRIu64 " is not known", version);
		return;
	}
	if (!need(h, i, 108))
		return;
	payload = big(h, 104, 4) * SECTOR;
	if (payload > h->file_size)
		problem(i, "LUKS payload begins beyond the end of the file");
	else
		i->capacity = h->file_size - payload;
}

static void read_qcow1(const struct head *h, struct image *i)
{
	if (!need(h, i, 48))
		return;
	set_capacity(i, big(h, 24, 8), 1);
	if (big(h, 36, 4) == 1)
		i->encryption = "qcow";
	set_cluster_bits(i, h->data[32]);
	if (big(h, 8, 8))
		set_backing(h, i, big(h, 8, 8), big(h, 16, 4));
}

#define QCOW2_EXT_BACKING_FORMAT 0xe2792aca

/* The word for a format is kept if it is one; anything else, such as the name of a protocol ("file", "nbd"), means raw. */
static void set_backing_format(const struct head *h, struct image *i, size_t offset, uint64_t len)
{
	static const char *const known[] = {
		"bochs", "cloop", "cow", "dir", "dmg", "fat", "iso", "ploop", "qcow", "qcow2", "qed", "vdi", "vhd", "vhdx", "vmdk", "vpc",
	};
	const char *word = len > 0 ? "raw" : "";

	for (size_t k = 0; k < ARRAY_LEN(known); k++)
		if (strlen(known[k]) == len && memcmp(h->data + offset, known[k], len) == 0)
			word = known[k];
	snprintf(i->backing_format, sizeof(i->backing_format), "%s", word);
}

/* Header extensions: type, length, data padded to 8 bytes; until type 0, or the backing file name. */
static void read_qcow2_extensions(const struct head *h, struct image *i, uint64_t offset, uint64_t end)
{
	while (offset < end && has(h, offset, 8)) {
		uint64_t type = big(h, (size_t)offset, 4), len = big(h, (size_t)offset + 4, 4);

		offset += 8;
		if (type == 0)
			return;
		if (len > end - offset || !has(h, offset, len)) {
			problem(i, "header extension of %" PRIu64 " bytes does not fit", len);
			return;
		}
		if (type == QCOW2_EXT_BACKING_FORMAT)
			set_backing_format(h, i, (size_t)offset, len);
		offset += (len + 7) & ~7ULL;
	}
}

static void read_qcow2_features(const struct head *h, struct image *i)
{
	uint64_t incompatible = big(h, 72, 8), compatible = big(h, 80, 8);

	i->extended_l2 = incompatible & 1 << 4;
	i->lazy_refcounts = compatible & 1 << 0;
	if (incompatible & 1 << 1)
		problem(i, "image is marked corrupt");
	if (incompatible >> 5)          /* dirty, corrupt, data file, compression type, extended L2 are bits 0 to 4 */
		problem(i, "needs features that are not known (0x%" PRIx64 ")", incompatible >> 5 << 5);
}

static void read_qcow2(const struct head *h, struct image *i, uint64_t version)
{
	uint64_t backing, extensions = 72, crypt;
	bool whole;

	i->compat = version == 2 ? "0.10" : "1.1";
	if (!need(h, i, 72))
		return;
	whole = version == 2 || need(h, i, 104);
	set_capacity(i, big(h, 24, 8), 1);
	set_cluster_bits(i, big(h, 20, 4));
	crypt = big(h, 32, 4);
	i->encryption = crypt == 1 ? "qcow" : crypt == 2 ? "luks" : NULL;
	backing = big(h, 8, 8);
	if (backing)
		set_backing(h, i, backing, big(h, 16, 4));
	if (!whole)
		return;
	if (version == 3) {
		read_qcow2_features(h, i);
		extensions = big(h, 100, 4);
		if (extensions < 104 || extensions > h->len) {
			problem(i, "header length %" PRIu64 " is not possible", extensions);
			return;
		}
	}
	read_qcow2_extensions(h, i, extensions, backing && backing < h->len ? backing : h->len);
}

/* "QFI\xfb" and a version. */
static void read_qcow(const struct head *h, struct image *i)
{
	uint64_t version;

	if (!need(h, i, 8))
		return;
	version = big(h, 4, 4);
	if (version == 2 || version == 3) {
		read_qcow2(h, i, version);
	} else if (version == 1) {
		i->format = "qcow";
		read_qcow1(h, i);
	} else {
		problem(i, "qcow version %" PRIu64 " is not known", version);
	}
}

static void read_qed(const struct head *h, struct image *i)
{
	uint64_t features;

	if (!need(h, i, 64))
		return;
	set_capacity(i, little(h, 48, 8), 1);
	i->cluster_size = little(h, 4, 4);
	features = little(h, 16, 8);
	if (!(features & 1))
		return;
	set_backing(h, i, little(h, 56, 4), little(h, 60, 4));
	if (features & 4)
		memcpy(i->backing_format, "raw", 4);
}

/* The value of key="…" in a VMDK descriptor. */
static void read_vmdk_parent(const char *text, size_t len, struct image *i)
{
	static const char key[] = "parentFileNameHint=\"";
	const char *from = memmem(text, len, key, sizeof(key) - 1), *to;

	if (!from)
		return;
	from += sizeof(key) - 1;
	to = memchr(from, '"', len - (size_t)(from - text));
	if (!to || memchr(from, '\0', (size_t)(to - from)))
		problem(i, "name of the parent does not end");
	else if ((size_t)(to - from) >= sizeof(i->backing))
		problem(i, "name of the parent has %zu bytes", (size_t)(to - from));
	else
		memcpy(i->backing, from, (size_t)(to - from));
}

static void read_vmdk(const struct head *h, struct image *i)
{
	uint64_t version, offset, size;

	if (!need(h, i, 44))
		return;
	version = little(h, 4, 4);
	if (version < 1 || version > 3) {
		problem(i, "VMDK version %" PRIu64 " is not known", version);
		return;
	}
	set_capacity(i, little(h, 12, 8), SECTOR);
	offset = little(h, 28, 8);
	size = little(h, 36, 8);
	if (offset == 0 || offset > h->len / SECTOR)
		return;                 /* no embedded descriptor, or one that is not among these bytes */
	offset *= SECTOR;
	size = size > (h->len - offset) / SECTOR ? h->len - offset : size * SECTOR;
	read_vmdk_parent((const char *)h->data + offset, (size_t)size, i);
}

/* Sectors of one line "RW 4192256 SPARSE "disk.vmdk""; 0 for any other line. */
static uint64_t vmdk_extent(const char *line, const char *end)
{
	static const char *const access[] = { "RW ", "RDONLY ", "NOACCESS " };
	uint64_t sectors = 0;

	for (size_t a = 0; a < ARRAY_LEN(access); a++) {
		size_t n = strlen(access[a]);

		if ((size_t)(end - line) <= n || memcmp(line, access[a], n) != 0)
			continue;
		for (line += n; line < end && *line >= '0' && *line <= '9' && sectors < UINT64_MAX / 16; line++)
			sectors = sectors * 10 + (uint64_t)(*line - '0');
		return sectors;
	}
	return 0;
}

static void read_vmdk_text(const struct head *h, struct image *i)
{
	const char *line = (const char *)h->data, *end = line + h->len, *next;
	uint64_t total = 0;

	for (; line < end; line = next) {
		uint64_t sectors;

		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next + 1 : end;
		sectors = vmdk_extent(line, next);
		if (sectors > UINT64_MAX - total) {
			problem(i, "virtual size is impossibly large");
			return;
		}
		total += sectors;
	}
	set_capacity(i, total, SECTOR);
	read_vmdk_parent((const char *)h->data, h->len, i);
}

static void read_vpc(const struct head *h, struct image *i)
{
	if (!need(h, i, 64))
		return;
	if (big(h, 12, 4) != 0x10000)
		problem(i, "VHD version 0x%" PRIx64 " is not known", big(h, 12, 4));
	else
		set_capacity(i, big(h, 48, 8), 1);      /* current size; the original one, before it, is wrong after a resize */
}

static void read_vdi(const struct head *h, struct image *i)
{
	if (!need(h, i, 376))
		return;
	if (little(h, 68, 4) != 0x00010001)
		problem(i, "VDI version 0x%" PRIx64 " is not known", little(h, 68, 4));
	else
		set_capacity(i, little(h, 368, 8), 1);
}

static void read_vhdx(const struct head *h, struct image *i)
{
	(void)h;
	problem(i, "virtual size is not known: it lies beyond the header");
}

static void read_bochs(const struct head *h, struct image *i)
{
	uint64_t version;

	if (!need(h, i, 96))
		return;
	version = little(h, 64, 4);
	if (version == 0x10000)
		set_capacity(i, little(h, 84, 8), 1);
	else if (version == 0x20000)
		set_capacity(i, little(h, 88, 8), 1);
	else
		problem(i, "Bochs version 0x%" PRIx64 " is not known", version);
}

static void read_cloop(const struct head *h, struct image *i)
{
	if (need(h, i, 136))
		set_capacity(i, big(h, 132, 4), big(h, 128, 4));
}

static void read_cow(const struct head *h, struct image *i)
{
	if (!need(h, i, 1048))
		return;
	if (big(h, 4, 4) != 2) {
		problem(i, "COW version %" PRIu64 " is not known", big(h, 4, 4));
		return;
	}
	set_capacity(i, big(h, 1036, 8), 1);
	if (memchr(h->data + 8, '\0', 1024))
		snprintf(i->backing, sizeof(i->backing), "%s", (const char *)h->data + 8);
	else
		problem(i, "backing file name does not end");
}

static void read_parallels(const struct head *h, struct image *i)
{
	if (need(h, i, 44))             /* the older of the two forms has only 32 bits here, and sometimes rubbish above */
		set_capacity(i, little(h, 36, at(h, 0, "WithoutFreeSpace", 16) ? 4 : 8), SECTOR);
}

static void read_nothing(const struct head *h, struct image *i)
{
	(void)h;
	(void)i;
}

/* The first that matches. A fixed VHD and an Apple disk image have only a trailer: they are raw here, as for libvirt. */
static const struct format {
	const char *format;
	size_t offset;
	const char *magic;
	size_t magic_len;
	void (*read)(const struct head *h, struct image *i);
} formats[] = {
#define MAGIC(text) text, sizeof(text) - 1
	{ "raw",   0,     MAGIC("LUKS\xba\xbe"),                read_luks },
	{ "qcow2", 0,     MAGIC("QFI\xfb"),                     read_qcow },
	{ "qed",   0,     MAGIC("QED\0"),                       read_qed },
	{ "vmdk",  0,     MAGIC("KDMV"),                        read_vmdk },
	{ "vmdk",  0,     MAGIC("# Disk DescriptorFile"),       read_vmdk_text },
	{ "vpc",   0,     MAGIC("conectix"),                    read_vpc },
	{ "vdi",   64,    MAGIC("\x7f\x10\xda\xbe"),            read_vdi },
	{ "vhdx",  0,     MAGIC("vhdxfile"),                    read_vhdx },
	{ "bochs", 0,     MAGIC("Bochs Virtual HD Image\0"),    read_bochs },
	{ "cloop", 0,     MAGIC("#!/bin/sh\n#V2.0 Format\nmodprobe cloop "), read_cloop },
	{ "cow",   0,     MAGIC("OOOM"),                        read_cow },
	{ "ploop", 0,     MAGIC("WithouFreSpacExt"),            read_parallels },
	{ "ploop", 0,     MAGIC("WithoutFreeSpace"),            read_parallels },
	{ "iso",   32769, MAGIC("CD001"),                       read_nothing },
#undef MAGIC
};

void image_probe(const unsigned char *head, size_t len, uint64_t file_size, struct image *out)
{
	const struct head h = { head, len, file_size };

	*out = (struct image){ .format = "raw", .capacity = file_size };
	for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
		if (!at(&h, formats[f].offset, formats[f].magic, formats[f].magic_len))
			continue;
		out->format = formats[f].format;
		formats[f].read(&h, out);
		return;
	}
}
