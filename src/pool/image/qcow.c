/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU's own formats: qcow, qcow2, qed (QEMU docs/interop/qcow2.txt, qed_spec.txt; the first qcow by its
 * description in "The QCOW Image Format").
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "pool/image/parts.h"

static void set_backing(const struct head *h, struct image *i, uint64_t offset, uint64_t len)
{
	if (offset && len)
		image_set_name(h, i, i->backing, sizeof(i->backing), offset, len, "backing file");
}

/* QEMU's limits: 512 bytes, and 2 MiB. */
static void set_cluster_bits(struct image *i, uint64_t bits)
{
	if (bits < 9 || bits > 21)
		image_problem(i, "cluster size of 2^%" PRIu64 " bytes is not possible", bits);
	else
		i->cluster_size = 1ULL << bits;
}

/* The first version, big-endian: backing file's name at 8 and its length at 16, size at 24, logarithm of the
 * cluster size at 32, encryption at 36. A backing file has no format there. */
static void read_qcow1(const struct head *h, struct image *i)
{
	i->format = "qcow";
	if (!image_need(h, i, 48))
		return;
	image_set_capacity(i, big(h, 24, 8), 1);
	if (big(h, 36, 4) == 1)
		i->encryption = "qcow";
	set_cluster_bits(i, h->data[32]);
	set_backing(h, i, big(h, 8, 8), big(h, 16, 4));
}

/* The word for a format is kept if it is one; anything else, such as the name of a protocol ("file", "nbd"),
 * means raw. */
static void set_backing_format(const struct head *h, struct image *i, size_t offset, uint64_t len)
{
	static const char *const known[] = {
		"bochs", "cloop", "cow",   "dir", "dmg", "fat", "iso",  "luks", "parallels",
		"ploop", "qcow",  "qcow2", "qed", "vdi", "vhd", "vhdx", "vmdk", "vpc",
	};
	const char *word = len > 0 ? "raw" : "";

	for (size_t k = 0; k < ARRAY_LEN(known); k++)
		if (strlen(known[k]) == len && memcmp(h->data + offset, known[k], len) == 0)
			word = known[k];
	snprintf(i->backing_format, sizeof(i->backing_format), "%s", word);
}

enum { EXTENSION_END = 0 };
#define EXTENSION_BACKING_FORMAT 0xe2792acaU
#define EXTENSION_DATA_FILE      0x44415441U

/* Header extensions: type, length, data padded to 8 bytes; until type 0, or the backing file name. */
static void read_extensions(const struct head *h, struct image *i, uint64_t offset, uint64_t end)
{
	while (offset < end && head_has(h, offset, 8)) {
		uint64_t type = big(h, (size_t)offset, 4), len = big(h, (size_t)offset + 4, 4);

		offset += 8;
		if (type == EXTENSION_END)
			return;
		if (offset > end || len > end - offset || !head_has(h, offset, len)) {
			image_problem(i, "header extension of %" PRIu64 " bytes does not fit", len);
			return;
		}
		if (type == EXTENSION_BACKING_FORMAT)
			set_backing_format(h, i, (size_t)offset, len);
		else if (type == EXTENSION_DATA_FILE)
			image_set_name(h, i, i->data_file, sizeof(i->data_file), offset, len, "data file");
		offset += (len + 7) & ~7ULL;
	}
}

/* Incompatible features: what a reader must know. Dirty, external data (which has an extension of its own)
 * and compression type are the others. */
enum { CORRUPT = 1 << 1, EXTENDED_L2 = 1 << 4, KNOWN = (1 << 5) - 1 };
enum { LAZY_REFCOUNTS = 1 << 0 }; /* compatible ones: what a reader may not know */

/* Features of version 3. One that is incompatible and not known makes the image unreadable for whoever does
 * not know it. */
static void read_feature_bits(const struct head *h, struct image *i)
{
	uint64_t incompatible = big(h, 72, 8), compatible = big(h, 80, 8);

	i->extended_l2 = incompatible & EXTENDED_L2;
	i->lazy_refcounts = compatible & LAZY_REFCOUNTS;
	if (incompatible & CORRUPT)
		image_problem(i, "image is marked corrupt");
	if (incompatible & ~(uint64_t)KNOWN)
		image_problem(i, "needs features that are not known (0x%" PRIx64 ")",
		              incompatible & ~(uint64_t)KNOWN);
}

/* Versions 2 and 3, big-endian (docs/interop/qcow2.txt, "Header"): backing file's name at 8 and its length
 * at 16, logarithm of the cluster size at 20, size at 24, encryption at 32. Version 2 ends at 72. Version 3
 * has features at 72 and 80, and at 100 its own length, behind which the extensions begin. */
static void read_qcow2(const struct head *h, struct image *i, uint64_t version)
{
	uint64_t backing, extensions = 72, crypt;
	bool whole;

	i->compat = version == 2 ? "0.10" : "1.1";
	if (!image_need(h, i, 72))
		return;
	whole = version == 2 || image_need(h, i, 104);
	image_set_capacity(i, big(h, 24, 8), 1);
	set_cluster_bits(i, big(h, 20, 4));
	crypt = big(h, 32, 4);
	if (crypt == 1 || crypt == 2)
		i->encryption = crypt == 1 ? "qcow" : "luks";
	backing = big(h, 8, 8);
	set_backing(h, i, backing, big(h, 16, 4));
	if (!whole)
		return;
	if (version == 3) {
		read_feature_bits(h, i);
		extensions = big(h, 100, 4);
		if (extensions < 104 || extensions > h->len) {
			image_problem(i, "header length %" PRIu64 " is not possible", extensions);
			return;
		}
	}
	read_extensions(h, i, extensions, backing && backing < h->len ? backing : h->len);
}

void image_read_qcow(const struct head *h, struct image *i)
{
	uint64_t version;

	if (!image_need(h, i, 8))
		return;
	version = big(h, 4, 4);
	if (version == 1)
		read_qcow1(h, i);
	else if (version == 2 || version == 3)
		read_qcow2(h, i, version);
	else
		image_problem(i, "qcow version %" PRIu64 " is not known", version);
}
enum {
	QED_BACKING = 1 << 0,
	QED_NEEDS_CHECK = 1 << 1,
	QED_BACKING_IS_RAW = 1 << 2,
	QED_KNOWN = (1 << 3) - 1
};

void image_read_qed(const struct head *h, struct image *i)
{
	uint64_t features;

	if (!image_need(h, i, 64))
		return;
	image_set_capacity(i, little(h, 48, 8), 1);
	image_set_cluster(i, little(h, 4, 4), 1);
	features = little(h, 16, 8);
	if (features & ~(uint64_t)QED_KNOWN)
		image_problem(i, "needs features that are not known (0x%" PRIx64 ")",
		              features & ~(uint64_t)QED_KNOWN);
	if (!(features & QED_BACKING))
		return;
	set_backing(h, i, little(h, 56, 4), little(h, 60, 4));
	if (features & QED_BACKING_IS_RAW)
		snprintf(i->backing_format, sizeof(i->backing_format), "raw");
}
