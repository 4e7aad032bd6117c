/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Image headers that are not at the head: the trailers of fixed VHDs and Apple disk images, the regions of
 * VHDX. What is read for them, how little for everything else, and what a short or failing read leaves.
 */
#include "base/util.h"
#include "check.h"
#include "pool/image/image.h"

#define SIZE (4 << 20)

static unsigned char file[SIZE];
static struct image im;
static unsigned reads, most; /* how often more than the head was read; the longest read */
static size_t readable;      /* beyond this the medium is broken */

static size_t read_file(void *arg, uint64_t offset, unsigned char *out, size_t n)
{
	size_t size = *(const size_t *)arg;

	reads++;
	most = n > most ? (unsigned)n : most;
	CHECK(offset < size && n <= size - offset); /* never asked for what is not there */
	if (offset > readable)
		return 0;
	if (n > readable - offset)
		n = readable - (size_t)offset;
	memcpy(out, file + offset, n);
	return n;
}

static void probe(size_t size)
{
	struct image_file f = { size, read_file, &size };
	size_t len = size < IMAGE_HEADER_BYTES ? size : IMAGE_HEADER_BYTES;
	unsigned char *exact = malloc(len ? len : 1);

	memcpy(exact, file, len);
	reads = most = 0;
	image_probe_file(exact, len, &f, &im);
	free(exact);
}

static void blank(void)
{
	memset(file, 0, sizeof(file));
	readable = sizeof(file);
}

static void put(size_t offset, const char *bytes, size_t n)
{
	memcpy(file + offset, bytes, n);
}

static void big(size_t offset, uint64_t value, size_t n)
{
	for (; n-- > 0; value >>= 8)
		file[offset + n] = (unsigned char)value;
}

static void little(size_t offset, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++, value >>= 8)
		file[offset + i] = (unsigned char)value;
}

/* ASCII as UTF-16; returns its length in bytes. */
static size_t utf16(size_t offset, const char *text, bool big_endian)
{
	for (size_t i = 0; text[i]; i++)
		file[offset + 2 * i + big_endian] = (unsigned char)text[i];
	return 2 * strlen(text);
}

static void is(const char *format, uint64_t capacity, const char *problem)
{
	CHECK_STR(im.format, format);
	CHECK_INT(im.capacity, capacity);
	CHECK_STR(im.problem, problem);
}

static void raw_costs_one_small_read(void)
{
	blank();
	probe(SIZE);
	is("raw", SIZE, "");
	CHECK(reads == 1 && most == 512);
	probe(SIZE - 1);
	is("raw", SIZE - 1, "");
	CHECK(reads == 1 && most == 512);
	probe(IMAGE_HEADER_BYTES);
	CHECK(reads == 0); /* the head is all of it */
	probe(511);
	is("raw", 511, "");
	CHECK(reads == 0);
	probe(0);
	is("raw", 0, "");
	CHECK(reads == 0);
	readable = 0;
	probe(SIZE);
	is("raw", SIZE, "");
}

static void what_the_head_tells_costs_no_read(void)
{
	static const struct {
		size_t offset;
		const char *magic;
		size_t n;
	} heads[] = {
		{ 0, "QFI\xfb\0\0\0\3", 8 },  { 0, "QFI\xfb\0\0\0\2", 8 },
		{ 0, "QFI\xfb\0\0\0\1", 8 },  { 0, "QED\0", 4 },
		{ 0, "KDMV\1\0\0\0", 8 },     { 64, "\x7f\x10\xda\xbe", 4 },
		{ 0, "LUKS\xba\xbe\0\1", 8 }, { 0, "LUKS\xba\xbe\0\2", 8 },
		{ 32769, "CD001", 5 },        { 0, "WithouFreSpacExt", 16 },
		{ 0, "COWD\1\0\0\0", 8 },
	};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		blank();
		put(heads[i].offset, heads[i].magic, heads[i].n);
		probe(SIZE);
		CHECK_INT(reads, 0);
	}
}

/* ---- VHD ---- */

static void make_footer(size_t at, uint64_t type, uint64_t size)
{
	uint32_t sum = 0;

	put(at, "conectix", 8);
	big(at + 12, 0x10000, 4);
	big(at + 16, type == 2 ? UINT64_MAX : 512, 8);
	big(at + 40, 77, 8);
	big(at + 48, size, 8);
	big(at + 60, type, 4);
	big(at + 64, 0, 4);
	for (size_t i = 0; i < 512; i++)
		sum += file[at + i];
	big(at + 64, ~sum, 4);
}

static void fixed_vhd(void)
{
	static const struct {
		size_t offset, n;
		uint64_t value;
	} wrong[] = {
		{ 0, 1, 'C' }, { 12, 4, 0x20000 }, { 48, 8, SIZE - 511 }, { 48, 8, UINT64_MAX },
		{ 60, 4, 3 },  { 64, 4, 0 },       { 511, 1, 1 },
	};
	const size_t at = SIZE - 512;

	blank();
	make_footer(at, 2, at);
	probe(SIZE);
	is("vpc", at, "");
	CHECK(reads == 1 && most == 512 && im.cluster_size == 0);
	/* nothing but all of it right makes a raw image something else */
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		make_footer(at, 2, at);
		big(at + wrong[i].offset, wrong[i].value, wrong[i].n);
		probe(SIZE);
		is("raw", SIZE, "");
		blank();
	}
	/* a footer alone is a disk of nothing; by its first bytes that is what it says of itself */
	make_footer(0, 2, 0);
	probe(512);
	is("vpc", 0, "");
	blank();
	make_footer(at - 1, 2, at - 512);
	probe(SIZE);
	is("raw", SIZE, "");
}

static void dynamic_vhd(void)
{
	blank();
	make_footer(0, 3, 1 << 30);
	put(512, "cxsparse", 8);
	big(512 + 32, 2 << 20, 4);
	utf16(512 + 64, "not a parent", true);
	probe(SIZE);
	is("vpc", 1 << 30, "");
	CHECK_INT(im.cluster_size, 2 << 20);
	CHECK_STR(im.backing, "");
	make_footer(0, 4, 1 << 30);
	probe(SIZE);
	is("vpc", 1 << 30, "");
	CHECK_STR(im.backing, "not a parent");
	CHECK_INT(reads, 0);
	/* é, €, an emoji of two halves, a half alone, a control character */
	put(512 + 64, "\x00\xe9\x20\xac\xd8\x3d\xde\x00\xdc\x00\x00\x0a\x00\x00", 14);
	probe(SIZE);
	CHECK_STR(im.backing, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd\n");
	memset(file + 512 + 64, 0xff, 512);
	probe(SIZE);
	CHECK_INT(strlen(im.backing), 256 * 3);
	big(16, UINT64_MAX - 8, 8);
	probe(SIZE);
	is("vpc", 1 << 30, "");
	CHECK_STR(im.backing, "");
	big(16, SIZE - 1023, 8);
	probe(SIZE);
	is("vpc", 1 << 30, "");
}

static void apple_disk_image(void)
{
	const size_t at = SIZE - 512;

	blank();
	put(at, "koly\0\0\0\4\0\0\2\0", 12);
	big(at + 492, 4096, 8);
	probe(SIZE);
	is("dmg", 4096 * 512, "");
	big(at + 492, UINT64_MAX, 8);
	probe(SIZE);
	is("dmg", SIZE, "virtual size is impossibly large");
	file[at + 7] = 5;
	probe(SIZE);
	is("raw", SIZE, "");
	file[at + 7] = 4;
	readable = SIZE - 1;
	probe(SIZE);
	is("raw", SIZE, "");
}

/* ---- VHDX ---- */

#define REGIONS  (192 << 10)
#define METADATA (2 << 20)

static const char metadata_guid[] = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
static const char parameters_guid[] = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
static const char size_guid[] = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";
static const char locator_guid[] = "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";

static void item(size_t entry, const char *guid, size_t offset, size_t n)
{
	put(METADATA + 32 * (entry + 1), guid, 16);
	little(METADATA + 32 * (entry + 1) + 16, offset, 4);
	little(METADATA + 32 * (entry + 1) + 20, n, 4);
}

static void make_vhdx(void)
{
	blank();
	put(0, "vhdxfile", 8);
	put(REGIONS, "regi", 4);
	little(REGIONS + 8, 2, 4);
	put(REGIONS + 48, metadata_guid, 16);
	little(REGIONS + 48 + 16, METADATA, 8);
	put(METADATA, "metadata", 8);
	little(METADATA + 10, 3, 2);
	item(0, parameters_guid, 65536, 8);
	item(2, size_guid, 65544, 8);
	little(METADATA + 65536, 32 << 20, 4);
	little(METADATA + 65544, 10ULL << 30, 8);
}

static void vhdx(void)
{
	make_vhdx();
	probe(SIZE);
	is("vhdx", 10ULL << 30, "");
	CHECK_INT(im.cluster_size, 32 << 20);
	CHECK(reads == 4 && most == 4096);
	little(METADATA + 65544, UINT64_MAX, 8);
	probe(SIZE);
	is("vhdx", SIZE, "virtual size is impossibly large");
	image_probe(file, IMAGE_HEADER_BYTES, SIZE, &im);
	is("vhdx", SIZE, "virtual size is not known: no region table");
}

static void vhdx_that_is_broken(void)
{
	static const struct {
		size_t offset, n;
		uint64_t value;
		const char *problem;
	} broken[] = {
		{ REGIONS, 1, 0, "no region table" },
		{ REGIONS + 8, 4, 0, "no region table" },
		{ REGIONS + 8, 4, 1, "no region table" },
		{ REGIONS + 48 + 16, 8, SIZE, "no metadata at" },
		{ REGIONS + 48 + 16, 8, UINT64_MAX, "no metadata at" },
		{ REGIONS + 48 + 16, 8, SIZE - 4095, "no metadata at" },
		{ REGIONS + 48 + 16, 8, REGIONS, "no metadata at" },
		{ METADATA, 1, 0, "no metadata at" },
		{ METADATA + 10, 2, 2, "no metadata at" },
		{ METADATA + 32 * 3 + 16, 4, SIZE, "no metadata at" },
		{ METADATA + 32 * 3 + 16, 4, UINT32_MAX, "no metadata at" },
		{ METADATA + 32 * 3 + 20, 4, 7, "no metadata at" },
	};

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		make_vhdx();
		little(broken[i].offset, broken[i].value, broken[i].n);
		probe(SIZE);
		CHECK_STR(im.format, "vhdx");
		CHECK_INT(im.capacity, SIZE);
		if (!strstr(im.problem, broken[i].problem))
			printf("# %zu: \"%s\" lacks \"%s\"\n", i, im.problem, broken[i].problem);
		CHECK(strstr(im.problem, broken[i].problem));
	}
	make_vhdx();
	/* more entries than a table can have: those that are there count */
	memset(file + REGIONS + 8, 0xff, 4);
	probe(SIZE);
	is("vhdx", 10ULL << 30, "");
	for (size_t size = 8; size < METADATA; size += 65521) {
		probe(size);
		CHECK_STR(im.format, "vhdx");
		CHECK(im.problem[0]);
	}
	for (readable = 0; readable < METADATA; readable += 65521) {
		probe(SIZE);
		CHECK(im.problem[0] && im.capacity == SIZE);
	}
}

static void locator_pair(size_t n, size_t key, size_t key_len, size_t value, size_t value_len)
{
	const size_t at = METADATA + 70000 + 20 + 12 * n;

	little(at, key, 4);
	little(at + 4, value, 4);
	little(at + 8, key_len, 2);
	little(at + 10, value_len, 2);
}

static void make_differencing(void)
{
	make_vhdx();
	little(METADATA + 65536 + 4, 2, 4);
	item(1, locator_guid, 70000, 600);
	little(METADATA + 70000 + 18, 2, 2);
	locator_pair(0, 100, utf16(METADATA + 70000 + 100, "absolute_win32_path", false), 200,
	             utf16(METADATA + 70000 + 200, "C:\\base.vhdx", false));
	locator_pair(1, 300, utf16(METADATA + 70000 + 300, "relative_path", false), 400,
	             utf16(METADATA + 70000 + 400, "..\\base.vhdx", false));
}

static void vhdx_with_a_parent(void)
{
	make_differencing();
	probe(SIZE);
	is("vhdx", 10ULL << 30, "");
	CHECK_STR(im.backing, "..\\base.vhdx");
	little(METADATA + 70000 + 18, 1, 2);
	probe(SIZE);
	is("vhdx", 10ULL << 30, "");
	CHECK_STR(im.backing, "C:\\base.vhdx");
	little(METADATA + 70000 + 18, 0, 2);
	probe(SIZE);
	is("vhdx", 10ULL << 30, "has a parent, whose name cannot be read");
	CHECK_STR(im.backing, "");
	make_differencing();
	locator_pair(0, 601, 1, 0, 0);
	locator_pair(1, 300, 26, UINT32_MAX, 0xffff);
	probe(SIZE);
	is("vhdx", 10ULL << 30, "has a parent, whose name cannot be read");
	make_differencing();
	item(1, locator_guid, 70000, 0xffffffff);
	probe(SIZE);
	is("vhdx", 10ULL << 30, "has a parent, whose name cannot be read");
	item(1, locator_guid, 70000, 19);
	probe(SIZE);
	is("vhdx", 10ULL << 30, "has a parent, whose name cannot be read");
}

int main(void)
{
	RUN(raw_costs_one_small_read);
	RUN(what_the_head_tells_costs_no_read);
	RUN(fixed_vhd);
	RUN(dynamic_vhd);
	RUN(apple_disk_image);
	RUN(vhdx);
	RUN(vhdx_that_is_broken);
	RUN(vhdx_with_a_parent);
	return check_done();
}
