/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Image headers: each format as its maker writes it, cut off at every byte, and with numbers that make no
 * sense.
 */
#include "base/util.h"
#include "check.h"
#include "pool/image/image.h"

#define SIZE (64 * 1024)

static unsigned char head[SIZE];
static struct image im;

static void blank(void)
{
	memset(head, 0, sizeof(head));
}

static void put(size_t offset, const char *bytes, size_t n)
{
	memcpy(head + offset, bytes, n);
}

static void big(size_t offset, uint64_t value, size_t n)
{
	for (; n-- > 0; value >>= 8)
		head[offset + n] = (unsigned char)value;
}

static void little(size_t offset, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++, value >>= 8)
		head[offset + i] = (unsigned char)value;
}

/* Probe exactly len bytes: in memory of their own, so that one read too many is seen. */
static void probe(size_t len, uint64_t file_size)
{
	unsigned char *exact = malloc(len ? len : 1);

	memcpy(exact, head, len);
	image_probe(exact, len, file_size, &im);
	free(exact);
}

static void is(const char *format, uint64_t capacity, const char *problem)
{
	CHECK_STR(im.format, format);
	CHECK_INT(im.capacity, capacity);
	CHECK_STR(im.problem, problem);
}

/* qcow2 of version 3 with a backing file and its format. */
static void make_qcow2(void)
{
	blank();
	put(0, "QFI\xfb\0\0\0\3", 8);
	big(8, 0x200, 8);
	big(16, 9, 4);
	big(20, 16, 4);
	big(24, 1 << 30, 8);
	big(100, 112, 4);
	big(112, 0xe2792aca, 4);
	big(116, 3, 4);
	put(120, "raw", 3);
	big(128, 0x6803f857, 4);
	big(132, 16, 4);
	put(0x200, "/base.img", 9);
}

static void raw_is_what_nothing_else_is(void)
{
	blank();
	probe(0, 0);
	is("raw", 0, "");
	probe(SIZE, 123456789);
	is("raw", 123456789, "");
	put(0, "QFI", 3);
	probe(512, 512);
	is("raw", 512, "");
	put(0, "qcow2", 5);
	probe(512, 512);
	is("raw", 512, "");
}

static void qcow2_version_3(void)
{
	make_qcow2();
	big(72, 1 << 4 | 1 << 0 | 1 << 2 | 1 << 3, 8);
	big(80, 1, 8);
	probe(SIZE, 200000);
	is("qcow2", 1 << 30, "");
	CHECK_STR(im.backing, "/base.img");
	CHECK_STR(im.backing_format, "raw");
	CHECK_STR(im.compat, "1.1");
	CHECK_INT(im.cluster_size, 65536);
	CHECK(im.lazy_refcounts && im.extended_l2 && !im.encryption);
}

static void qcow2_version_2(void)
{
	make_qcow2();
	big(4, 2, 4);
	big(32, 1, 4);
	memset(head + 72, 0, 100);
	big(72, 0xe2792aca, 4);
	big(76, 5, 4);
	put(80, "qcow2", 5);
	probe(SIZE, 200000);
	is("qcow2", 1 << 30, "");
	CHECK_STR(im.backing, "/base.img");
	CHECK_STR(im.backing_format, "qcow2");
	CHECK_STR(im.compat, "0.10");
	CHECK_STR(im.encryption, "qcow");
	CHECK(!im.lazy_refcounts && !im.extended_l2);
}

static void qcow2_encrypted_with_luks(void)
{
	make_qcow2();
	big(32, 2, 4);
	probe(SIZE, 200000);
	CHECK_STR(im.encryption, "luks");
}

static void qcow2_backing_format_that_is_no_format_means_raw(void)
{
	make_qcow2();
	big(116, 8, 4);
	put(120, "nbd\n\x1b[2J", 8);
	probe(SIZE, 200000);
	is("qcow2", 1 << 30, "");
	CHECK_STR(im.backing_format, "raw");
}

/* Whatever is missing: still qcow2, with the reason. A header of 32 to 99 bytes once took a whole pool
 * down. */
static void qcow2_cut_off_anywhere(void)
{
	make_qcow2();
	for (size_t len = 4; len < 0x209; len++) {
		probe(len, len);
		CHECK_STR(im.format, "qcow2");
		if (len < 104)
			CHECK(strstr(im.problem, "header truncated at"));
		else
			CHECK(im.problem[0] && im.capacity == 1 << 30);
	}
	probe(99, 99);
	CHECK_STR(im.problem, "header truncated at 99 bytes");
	probe(3, 3);
	CHECK_STR(im.format, "raw");
	probe(0x209, 0x209);
	CHECK_STR(im.problem, "");
}

static void qcow2_numbers_that_make_no_sense(void)
{
	static const struct {
		size_t offset, n;
		uint64_t value;
		const char *problem;
	} bad[] = {
		{ 4, 4, 0, "version" },
		{ 4, 4, 4, "version" },
		{ 4, 4, 0xffffffff, "version" },
		{ 8, 8, UINT64_MAX, "outside the header" },
		{ 8, 8, SIZE - 8, "outside the header" },
		{ 8, 8, UINT64_MAX - 4, "outside the header" },
		{ 16, 4, 0xffffffff, "backing file name of" },
		{ 16, 4, 1024, "backing file name of 1024" },
		{ 20, 4, 0, "cluster size" },
		{ 20, 4, 8, "cluster size" },
		{ 20, 4, 22, "cluster size" },
		{ 20, 4, 64, "cluster size" },
		{ 20, 4, 0x7fffffff, "cluster size" },
		{ 24, 8, UINT64_MAX, "impossibly large" },
		{ 24, 8, 1ULL << 63, "impossibly large" },
		{ 72, 8, 2, "corrupt" },
		{ 72, 8, 1ULL << 63, "not known" },
		{ 72, 8, 1 << 5, "not known" },
		{ 100, 4, 0, "header length" },
		{ 100, 4, 103, "header length" },
		{ 100, 4, 0xffffffff, "header length" },
		{ 100, 4, SIZE + 1, "header length" },
		{ 116, 4, 0xffffffff, "does not fit" },
		{ 116, 4, 0x200 - 120 + 1, "does not fit" },
		{ 132, 4, 0xfffffff8, "does not fit" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		make_qcow2();
		big(bad[i].offset, bad[i].value, bad[i].n);
		probe(SIZE, 200000);
		CHECK_STR(im.format, "qcow2");
		if (!strstr(im.problem, bad[i].problem))
			printf("# %zu: \"%s\" lacks \"%s\"\n", i, im.problem, bad[i].problem);
		CHECK(strstr(im.problem, bad[i].problem));
	}
}

static void qcow2_longest_backing_name(void)
{
	make_qcow2();
	big(16, 1023, 4);
	memset(head + 0x200, 'n', 2000);
	probe(SIZE, 200000);
	is("qcow2", 1 << 30, "");
	CHECK_INT(strlen(im.backing), 1023);
}

static void qcow_version_1(void)
{
	blank();
	put(0, "QFI\xfb\0\0\0\1", 8);
	big(8, 48, 8);
	big(16, 2, 4);
	big(24, 1048576, 8);
	head[32] = 12;
	big(36, 1, 4);
	put(48, "/b", 2);
	probe(560, 560);
	is("qcow", 1048576, "");
	CHECK_STR(im.backing, "/b");
	CHECK_STR(im.encryption, "qcow");
	CHECK_INT(im.cluster_size, 4096);
	CHECK(im.compat == NULL);
	probe(47, 47);
	is("qcow", 47, "header truncated at 47 bytes");
}

static void qed(void)
{
	blank();
	put(0, "QED\0", 4);
	little(4, 65536, 4);
	little(16, 5, 8);
	little(48, 1 << 20, 8);
	little(56, 64, 4);
	little(60, 4, 4);
	put(64, "base", 4);
	probe(SIZE, SIZE);
	is("qed", 1 << 20, "");
	CHECK_STR(im.backing, "base");
	CHECK_STR(im.backing_format, "raw");
	little(16, 0, 8);
	probe(SIZE, SIZE);
	CHECK_STR(im.backing, "");
	probe(63, 63);
	is("qed", 63, "header truncated at 63 bytes");
	little(16, 1, 8);
	little(56, 0xffffffff, 4);
	probe(SIZE, SIZE);
	is("qed", 1 << 20, "backing file name lies outside the header");
}

static void vmdk_sparse(void)
{
	static const char text[] = "# Disk DescriptorFile\nversion=1\nparentFileNameHint=\"base "
				   "disk.vmdk\"\nRW 2048 SPARSE \"x.vmdk\"\n";

	blank();
	put(0, "KDMV\1\0\0\0", 8);
	little(12, 2048, 8);
	little(28, 1, 8);
	little(36, 20, 8);
	put(512, text, sizeof(text) - 1);
	probe(SIZE, SIZE);
	is("vmdk", 1048576, "");
	CHECK_STR(im.backing, "base disk.vmdk");
	little(28, UINT64_MAX, 8);
	probe(SIZE, SIZE);
	is("vmdk", 1048576, "");
	CHECK_STR(im.backing, "base disk.vmdk"); /* QEMU does not ask where the descriptor is */
	little(28, 0, 8);
	probe(SIZE, SIZE);
	CHECK_STR(im.backing, "base disk.vmdk");
	little(28, 1, 8);
	little(36, UINT64_MAX, 8);
	probe(SIZE, SIZE);
	CHECK_STR(im.backing, "base disk.vmdk");
	little(12, UINT64_MAX / 256, 8);
	probe(SIZE, SIZE);
	is("vmdk", SIZE, "virtual size is impossibly large");
	little(4, 9, 4);
	probe(SIZE, SIZE);
	is("vmdk", SIZE, "VMDK version 9 is not known");
	probe(43, 43);
	is("vmdk", 43, "header truncated at 43 bytes");
}

static void vmdk_name_of_the_parent_does_not_end(void)
{
	blank();
	put(0, "KDMV\1\0\0\0", 8);
	little(12, 1, 8);
	little(28, 1, 8);
	little(36, 20, 8);
	memset(head + 512, 'x', SIZE - 512);
	put(512, "parentFileNameHint=\"", 20);
	probe(SIZE, SIZE);
	is("vmdk", 512, "name of the parent does not end");
	CHECK_STR(im.backing, "");
	head[2048] = '"';
	probe(SIZE, SIZE);
	is("vmdk", 512, "name of the parent has 1516 bytes");
	put(512, "parentFileNameHint=\"a\0b\"", 24);
	probe(SIZE, SIZE);
	is("vmdk", 512, "name of the parent does not end");
}

static void vmdk_text(void)
{
	static const char text[] = "# Disk DescriptorFile\nversion=1\n# Extent description\nRW 4192256 FLAT "
				   "\"a-f001.vmdk\" 0\nRDONLY 2048 ZERO\nNOACCESS 1 X\nRWX 5\n";

	blank();
	put(0, text, sizeof(text) - 1);
	probe(sizeof(text) - 1, sizeof(text) - 1);
	is("vmdk", (4192256ULL + 2048 + 1) * 512, "");
	probe(21, 21);
	is("vmdk", 0, "the descriptor lists no extents");
	put(sizeof(text) - 1, "RW 99999999999999999999999999 X\n", 32);
	probe(sizeof(text) + 31, sizeof(text) + 31);
	CHECK_STR(im.problem, "virtual size is impossibly large");
}

static void the_other_formats(void)
{
	blank();
	put(0, "conectix", 8);
	big(12, 0x10000, 4);
	big(40, 512, 8);
	big(48, 1079296, 8);
	probe(SIZE, SIZE);
	is("vpc", 1079296, "");
	big(12, 7, 4);
	probe(SIZE, SIZE);
	is("vpc", SIZE, "VHD version 0x7 is not known");
	probe(63, 63);
	is("vpc", 63, "header truncated at 63 bytes");

	blank();
	little(64, 0xbeda107f, 4);
	little(68, 0x10001, 4);
	little(368, 4 << 20, 8);
	probe(SIZE, SIZE);
	is("vdi", 4 << 20, "");
	probe(375, 375);
	is("vdi", 375, "header truncated at 375 bytes");
	little(368, UINT64_MAX, 8);
	probe(SIZE, SIZE);
	is("vdi", SIZE, "virtual size is impossibly large");

	blank();
	put(0, "vhdxfile", 8);
	probe(SIZE, SIZE);
	CHECK_STR(im.format, "vhdx");
	CHECK(im.problem[0]);

	blank();
	put(32769, "CD001", 5);
	probe(SIZE, 700 << 20);
	is("iso", 700 << 20, "");
	probe(32773, 32773);
	is("raw", 32773, "");

	blank();
	put(0, "Bochs Virtual HD Image", 23);
	little(64, 0x20000, 4);
	little(88, 10 << 20, 8);
	probe(SIZE, SIZE);
	is("bochs", 10 << 20, "");
	little(64, 3, 4);
	probe(SIZE, SIZE);
	is("bochs", SIZE, "Bochs version 0x3 is not known");

	blank();
	put(0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0", 45);
	big(128, 65536, 4);
	big(132, 0xffffffff, 4);
	probe(SIZE, SIZE);
	is("cloop", 65536ULL * 0xffffffff, "");
	probe(135, 135);
	is("cloop", 135, "header truncated at 135 bytes");

	blank();
	put(0, "OOOM\0\0\0\2/base", 13);
	big(1036, 77 << 20, 8);
	probe(SIZE, SIZE);
	is("cow", 77 << 20, "");
	CHECK_STR(im.backing, "/base");
	memset(head + 8, 'x', 1024);
	probe(SIZE, SIZE);
	is("cow", 77 << 20, "backing file name does not end");

	blank();
	put(0, "WithouFreSpacExt", 16);
	little(36, 20480, 8);
	probe(SIZE, SIZE);
	is("parallels", 10 << 20, "");
	put(0, "WithoutFreeSpace", 16);
	little(40, 0xdeadbeef, 4);
	probe(SIZE, SIZE);
	is("parallels", 10 << 20, "");
	little(28, 63, 4);
	probe(SIZE, SIZE);
	CHECK_INT(im.cluster_size, 63 * 512);
	probe(43, 43);
	is("parallels", 43, "header truncated at 43 bytes");
}

/* A LUKS2 header whose JSON is `json`. */
static void make_luks2(const char *json)
{
	blank();
	put(0, "LUKS\xba\xbe\0\2", 8);
	big(8, 16384, 8);
	put(4096, json, strlen(json));
}

static void luks2_data_begin_where_its_json_says(void)
{
	static const struct {
		const char *json;
		uint64_t capacity;
	} good[] = {
		{ "{\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"16777216\",\"size\":\"dynamic\"}}}",
		  (100 << 20) - 16777216 },
		{ "{\"keyslots\":{\"0\":{\"offset\":\"1\",\"x\":[{},\"}\\\"\"]}},\"segments\" : {\n\"0\" "
		  ":{\"size\":\"4096\", \"offset\" : \"32768\"}}}",
		  4096 },
		{ "{\"segments\":{\"1\":{\"offset\":\"1\"},\"0\":{\"offset\":\"0\",\"size\":\"104857600\"}}}",
		  100 << 20 },
	};
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"[]",
		"null",
		"{\"segments\"",
		"{\"segments\":",
		"{\"segments\":{",
		"{\"segments\":{}}",
		"{\"segments\":[]}",
		"{\"segments\":{\"0\":{}}}",
		"{\"segments\":{\"0\":{\"offset\":16777216}}}",
		"{\"segments\":{\"0\":{\"offset\":\"\"}}}",
		"{\"segments\":{\"0\":{\"offset\":\"-1\"}}}",
		"{\"segments\":{\"0\":{\"offset\":\"9999999999999999999999\"}}}",
		"{\"segments\":{\"0\":{\"offset\":\"16777216",
		"{\"x\":{\"segments\":{\"0\":{\"offset\":\"0\"}}}}",
		"{\"segments\\",
		"{{{{{{",
		"{\"a\":]]]]",
		"{\"config\":\"segments\",\"0\":{\"offset\":\"1\"}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		make_luks2(good[i].json);
		probe(SIZE, 100 << 20);
		is("raw", good[i].capacity, "");
		CHECK_STR(im.encryption, "luks2");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		make_luks2(bad[i]);
		probe(SIZE, 100 << 20);
		is("raw", 100 << 20, "where the encrypted data begin cannot be read from the LUKS header");
		CHECK_STR(im.encryption, "luks2");
	}
	make_luks2(good[0].json);
	probe(SIZE, 16777215);
	is("raw", 16777215, "LUKS payload begins beyond the end of the file");
	for (size_t len = 4096; len < 4096 + strlen(good[0].json) - 3; len++) {
		probe(len, 100 << 20);
		CHECK(im.problem[0] || len >= 4096 + strlen("{\"segments\":{\"0\":{\"type\":\"crypt\","
		                                            "\"offset\":\"16777216\""));
	}
	big(8, 4096, 8);
	probe(SIZE, 100 << 20);
	is("raw", 100 << 20, "LUKS header size 4096 is not possible");
	probe(4095, 4095);
	is("raw", 4095, "header truncated at 4095 bytes");
}

static void luks_is_raw_with_encryption(void)
{
	blank();
	put(0, "LUKS\xba\xbe\0\1", 8);
	big(104, 4096, 4);
	probe(SIZE, 100 << 20);
	is("raw", (100 << 20) - 4096 * 512, "");
	CHECK_STR(im.encryption, "luks");
	big(104, 0xffffffff, 4);
	probe(SIZE, 100 << 20);
	is("raw", 100 << 20, "LUKS payload begins beyond the end of the file");
	probe(107, 107);
	is("raw", 107, "header truncated at 107 bytes");
	head[7] = 3;
	probe(SIZE, 100 << 20);
	is("raw", 100 << 20, "LUKS version 3 is not known");
	probe(7, 7);
	is("raw", 7, "header truncated at 7 bytes");
}

/* The raw file that holds the data of a qcow2 image is named in an extension. */
static void qcow2_names_its_data_file(void)
{
	make_qcow2();
	big(8, 0, 8);
	big(72, 1 << 2, 8);
	big(112, 0x44415441, 4);
	big(116, 4, 4);
	put(120, "d\nta", 4);
	probe(SIZE, 200000);
	is("qcow2", 1 << 30, "");
	CHECK_STR(im.data_file, "d\nta");
	CHECK_STR(im.backing, "");
	big(116, 0, 4);
	probe(SIZE, 200000);
	is("qcow2", 1 << 30, "");
	CHECK_STR(im.data_file, "");
	big(116, 1024, 4);
	probe(SIZE, 200000);
	is("qcow2", 1 << 30, "data file name of 1024 bytes");
	CHECK_STR(im.data_file, "");
}

static void extents_of_esx(void)
{
	blank();
	put(0, "COWD\1\0\0\0", 8);
	little(12, 4096, 4);
	little(16, 1, 4);
	probe(SIZE, SIZE);
	is("vmdk", 4096 * 512, "");
	CHECK_INT(im.cluster_size, 512);
	little(16, 0xffffffff, 4);
	probe(SIZE, SIZE);
	is("vmdk", 4096 * 512, "cluster size of 4294967295 times 512 bytes is not possible");
	little(4, 2, 4);
	probe(SIZE, SIZE);
	is("vmdk", SIZE, "COWD version 2 is not known");
	probe(31, 31);
	is("vmdk", 31, "header truncated at 31 bytes");

	blank();
	little(0, 0xcafebabe, 8);
	little(8, 0x200000001, 8);
	little(16, 2048, 8);
	little(24, 8, 8);
	probe(SIZE, SIZE);
	is("vmdk", 2048 * 512, "");
	CHECK_INT(im.cluster_size, 4096);
	little(16, UINT64_MAX, 8);
	probe(SIZE, SIZE);
	is("vmdk", SIZE, "virtual size is impossibly large");
	little(8, 1, 8);
	probe(SIZE, SIZE);
	is("raw", SIZE, ""); /* the magic alone is also that of a Java class */
}

/* QEMU does not ask where in a line the parent is named either: the first name is it, even within an
 * extent's. */
static void vmdk_parent_anywhere(void)
{
	static const char text[] = "# Disk DescriptorFile\r\nRW 10 FLAT \"parentFileNameHint=\"x\"\" 0\r\n "
				   "parentFileNameHint=\"y\"\r\n";

	blank();
	put(0, text, sizeof(text) - 1);
	probe(sizeof(text) - 1, sizeof(text) - 1);
	is("vmdk", 5120, "");
	CHECK_STR(im.backing, "x");
}

static void vmdk_parent_behind_other_bytes(void)
{
	static const char *const before[] = { " ", "x=\"\" ", "\r", "RW 1 SPARSE \"a\" ", "parentFileName " };

	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		char text[200];
		int n = snprintf(text, sizeof(text), "# Disk DescriptorFile\n%sparentFileNameHint=\"base\"\n",
		                 before[i]);

		blank();
		put(0, "KDMV\1\0\0\0", 8);
		little(12, 2048, 8);
		put(512, text, (size_t)n);
		probe(SIZE, SIZE);
		is("vmdk", 1048576, "");
		CHECK_STR(im.backing, "base");
	}
}

static void read_only_filesystems_are_raw_with_content(void)
{
	blank();
	put(0, "hsqs", 4);
	little(12, 131072, 4);
	little(22, 17, 2);
	little(28, 4, 2);
	little(40, 5000, 8);
	probe(SIZE, SIZE);
	is("raw", SIZE, "");
	CHECK_STR(im.content, "squashfs");
	little(40, SIZE + 1, 8);
	probe(SIZE, SIZE);
	is("raw", SIZE, "squashfs of 65537 bytes is cut off at 65536");
	little(22, 16, 2);
	probe(SIZE, SIZE);
	is("raw", SIZE, "");
	CHECK(!im.content);
	little(22, 255, 2);
	probe(SIZE, SIZE);
	CHECK(!im.content);
	probe(95, 95);
	CHECK(!im.content);

	blank();
	little(1024, 0xe0f5e1e2, 4);
	head[1036] = 12;
	little(1060, 16, 4);
	probe(SIZE, SIZE);
	is("raw", SIZE, "");
	CHECK_STR(im.content, "erofs");
	little(1060, 0xffffffff, 4);
	probe(SIZE, SIZE);
	CHECK(strstr(im.problem, "cut off"));
	head[1036] = 200;
	probe(SIZE, SIZE);
	is("raw", SIZE, "");
	CHECK(!im.content);
}

static const char *backing_path(const char *image, const char *backing)
{
	static char path[256];
	struct buf b = BUF_INIT;

	image_backing_path(image, backing, &b);
	snprintf(path, sizeof(path), "%s", buf_str(&b));
	buf_free(&b);
	return path;
}

/* By text alone: nothing is looked up, ".." and links stay. */
static void backing_paths(void)
{
	CHECK_STR(backing_path("/pool/dir/a.qcow2", "/base"), "/base");
	CHECK_STR(backing_path("/pool/dir/a.qcow2", "base"), "/pool/dir/base");
	CHECK_STR(backing_path("/pool/dir/a.qcow2", "../sub/base"), "/pool/dir/../sub/base");
	CHECK_STR(backing_path("/pool/dir/a.qcow2", "sub/a:b"), "/pool/dir/sub/a:b");
	CHECK_STR(backing_path("/a.qcow2", "base"), "/base");
	CHECK_STR(backing_path("a.qcow2", "base"), "base");
	CHECK_STR(backing_path("/pool/a", "nbd:localhost:10809"), "nbd:localhost:10809");
	CHECK_STR(backing_path("/pool/a", "nbd+unix:///e?socket=/s"), "nbd+unix:///e?socket=/s");
	CHECK_STR(backing_path("/pool/a", "https://example.org/base"), "https://example.org/base");
	CHECK_STR(backing_path("/pool/a", "json:{\"driver\":\"raw\",\"file\":\"/etc/shadow\"}"),
	          "json:{\"driver\":\"raw\",\"file\":\"/etc/shadow\"}");
	CHECK_STR(backing_path("/pool/a", "\n"), "/pool/\n");
}

static void words_for_xml(void)
{
	CHECK_STR(image_format_in_xml("parallels"), "ploop");
	CHECK_STR(image_format_in_xml("vhdx"), "raw");
	CHECK_STR(image_format_in_xml("luks"), "raw");
	CHECK_STR(image_format_in_xml("qcow2"), "qcow2");
	CHECK_STR(image_format_in_xml("linux-swap"), "linux-swap");
	CHECK(image_format_in_xml(NULL) == NULL);
}

int main(void)
{
	RUN(raw_is_what_nothing_else_is);
	RUN(qcow2_version_3);
	RUN(qcow2_version_2);
	RUN(qcow2_encrypted_with_luks);
	RUN(qcow2_backing_format_that_is_no_format_means_raw);
	RUN(qcow2_cut_off_anywhere);
	RUN(qcow2_numbers_that_make_no_sense);
	RUN(qcow2_longest_backing_name);
	RUN(qcow_version_1);
	RUN(qed);
	RUN(vmdk_sparse);
	RUN(vmdk_name_of_the_parent_does_not_end);
	RUN(vmdk_text);
	RUN(the_other_formats);
	RUN(luks_is_raw_with_encryption);
	RUN(luks2_data_begin_where_its_json_says);
	RUN(qcow2_names_its_data_file);
	RUN(extents_of_esx);
	RUN(vmdk_parent_anywhere);
	RUN(vmdk_parent_behind_other_bytes);
	RUN(read_only_filesystems_are_raw_with_content);
	RUN(backing_paths);
	RUN(words_for_xml);
	return check_done();
}
