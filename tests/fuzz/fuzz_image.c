/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disk image headers: every answer is a known format, a size that can be, and strings that end.
 *
 * One program for all probes. As fuzz_image it takes its input for the head of a file; called
 * fuzz_image_FORMAT it puts that format's magic in place, so that nothing is spent on guessing it, and its
 * input is: two bytes, how long the head is; the head; and what further reads give, one after the other,
 * wherever in the file they are.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pool/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct probe {
	const char *name;
	bool trailer; /* the magic is that of the last 512 bytes, the head has none */
	size_t offset, n;
	const char *magic;
	const char *formats[2]; /* what comes of it */
} probes[] = {
#define MAGIC(text) sizeof(text) - 1, text
	{ "qcow", false, 0, MAGIC("QFI\xfb\0\0\0\1"), { "qcow" } },
	{ "qcow2", false, 0, MAGIC("QFI\xfb\0\0\0\3"), { "qcow2" } },
	{ "qcow2v2", false, 0, MAGIC("QFI\xfb\0\0\0\2"), { "qcow2" } },
	{ "qed", false, 0, MAGIC("QED\0"), { "qed" } },
	{ "vmdk", false, 0, MAGIC("KDMV\1\0\0\0"), { "vmdk" } },
	{ "vmdk_text", false, 0, MAGIC("# Disk DescriptorFile\n"), { "vmdk" } },
	{ "cowd", false, 0, MAGIC("COWD\1\0\0\0"), { "vmdk" } },
	{ "sesparse", false, 0, MAGIC("\xbe\xba\xfe\xca\0\0\0\0\1\0\0\0\2\0\0\0"), { "vmdk" } },
	{ "vpc", false, 0, MAGIC("conectix\0\0\0\2\0\1\0\0"), { "vpc" } },
	{ "vpc_fixed", true, 0, MAGIC("conectix\0\0\0\2\0\1\0\0"), { "vpc", "raw" } },
	{ "vhdx", false, 0, MAGIC("vhdxfile"), { "vhdx" } },
	{ "vdi", false, 64, MAGIC("\x7f\x10\xda\xbe\1\0\1\0"), { "vdi" } },
	{ "bochs", false, 0, MAGIC("Bochs Virtual HD Image\0"), { "bochs" } },
	{ "cow", false, 0, MAGIC("OOOM\0\0\0\2"), { "cow" } },
	{ "parallels", false, 0, MAGIC("WithouFreSpacExt"), { "parallels" } },
	{ "luks1", false, 0, MAGIC("LUKS\xba\xbe\0\1"), { "raw" } },
	{ "luks2", false, 0, MAGIC("LUKS\xba\xbe\0\2"), { "raw" } },
	{ "cloop", false, 0, MAGIC("#!/bin/sh\n#V2.0 Format\nmodprobe cloop "), { "cloop" } },
	{ "iso", false, 32769, MAGIC("CD001"), { "iso" } },
	{ "squashfs", false, 0, MAGIC("hsqs"), { "raw" } },
	{ "erofs", false, 1024, MAGIC("\xe2\xe1\xf5\xe0"), { "raw" } },
	{ "dmg", true, 0, MAGIC("koly\0\0\0\4\0\0\2\0"), { "dmg" } },
#undef MAGIC
};

/* The probe that the program is called after. NULL: all of them. */
static const struct probe *chosen(void)
{
	static const char prefix[] = "fuzz_image_";
	const char *name = program_invocation_short_name;

	if (!starts_with(name, prefix))
		return NULL;
	for (size_t k = 0; k < ARRAY_LEN(probes); k++)
		if (streq(name + sizeof(prefix) - 1, probes[k].name))
			return &probes[k];
	abort();
}

static void check(const struct image *i)
{
	if (!i->format || i->capacity > INT64_MAX || i->cluster_size > 256 << 20 ||
	    !memchr(i->backing, 0, sizeof(i->backing)) ||
	    !memchr(i->backing_format, 0, sizeof(i->backing_format)) ||
	    !memchr(i->data_file, 0, sizeof(i->data_file)) || !memchr(i->problem, 0, sizeof(i->problem)))
		abort();
}

/* What is left of the input for further reads. */
struct stream {
	const uint8_t *data;
	size_t size;
	uint64_t file_size;
	const struct probe *probe;
};

static size_t read_on(void *arg, uint64_t offset, unsigned char *out, size_t n)
{
	struct stream *s = arg;
	size_t take = n < s->size ? n : s->size;

	if (offset > s->file_size || n > s->file_size - offset)
		abort(); /* there is nothing, and it knows */
	memcpy(out, s->data, take);
	s->data += take;
	s->size -= take;
	if (s->probe->trailer && take >= s->probe->n)
		memcpy(out, s->probe->magic, s->probe->n);
	return take;
}

static void one_probe(const struct probe *p, const uint8_t *data, size_t size, uint64_t file_size)
{
	size_t len = data[0] | (size_t)data[1] << 8, taken;
	struct stream s = { .file_size = file_size, .probe = p };
	struct image_file f = { file_size, read_on, &s };
	struct image i;
	uint8_t *head;

	taken = len < size - 2 ? len : size - 2;
	len = p->trailer || taken > p->offset + p->n ? taken : p->offset + p->n;
	head = calloc(len ? len : 1, 1); /* its own memory, so that one byte beyond the end is seen */
	if (!head)
		return;
	memcpy(head, data + 2, taken);
	if (!p->trailer)
		memcpy(head + p->offset, p->magic, p->n);
	s.data = data + 2 + taken;
	s.size = size - 2 - taken;
	if (f.size < len)
		f.size = s.file_size = len;
	image_probe_file(head, len, &f, &i);
	check(&i);
	if (!p->trailer && p->offset == 0 && !streq(i.format, p->formats[0]) &&
	    !(p->formats[1] && streq(i.format, p->formats[1])))
		abort();
	free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 0, 1 << 20, INT64_MAX };
	const struct probe *p = chosen();
	size_t len = size < IMAGE_HEADER_BYTES ? size : IMAGE_HEADER_BYTES;
	struct image i;

	if (p) {
		for (size_t k = 0; size >= 2 && k < ARRAY_LEN(sizes); k++)
			one_probe(p, data, size, sizes[k]);
		return 0;
	}
	image_probe(data, len, size, &i);
	check(&i);
	image_probe(data, len, INT64_MAX, &i);
	check(&i);
	return 0;
}
