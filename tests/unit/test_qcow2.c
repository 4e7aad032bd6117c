/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qcow2 images: what is refused before a byte is written, where things lie in a new image, what growing
 * leaves alone. That QEMU finds them sound is tests/host/qcow2's subject.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "volumes/image/qcow2.h"
#include "volumes/image/qcow2_format.h"
#include "base/util.h"
#include "check.h"

#define GiB (UINT64_C(1) << 30)

static struct err e;
static char long_name[1100];

/* ---- what cannot be ---- */

static const struct {
	struct qcow2_options o;
	const char *word;
} impossible[] = {
	{ { .capacity = 1, .cluster_size = 256 }, "power of two" },
	{ { .capacity = 1, .cluster_size = 1 }, "power of two" },
	{ { .capacity = 1, .cluster_size = 4 << 20 }, "power of two" },
	{ { .capacity = 1, .cluster_size = 65537 }, "power of two" },
	{ { .capacity = 1, .cluster_size = UINT64_MAX }, "power of two" },
	{ { .capacity = 1, .cluster_size = UINT64_C(1) << 63 }, "power of two" },
	{ { .capacity = 1, .compat = "1.0" }, "0.10 and 1.1" },
	{ { .capacity = 1, .compat = "" }, "0.10 and 1.1" },
	{ { .capacity = 1, .compat = "v3" }, "0.10 and 1.1" },
	{ { .capacity = 1, .compat = "0.10", .lazy_refcounts = true }, "lazy_refcounts needs compat 1.1" },
	{ { .capacity = 1, .compat = "0.10", .extended_l2 = true }, "extended_l2 needs compat 1.1" },
	{ { .capacity = 1, .cluster_size = 8192, .extended_l2 = true }, "at least 16 KiB" },
	{ { .capacity = 128 * GiB + 1, .cluster_size = 512 }, "too large" },
	{ { .capacity = (UINT64_C(1) << 51) + 1 }, "too large" },
	{ { .capacity = (UINT64_C(1) << 50) + 1, .extended_l2 = true }, "too large" },
	{ { .capacity = (UINT64_C(1) << 61) + 1, .cluster_size = 2 << 20 }, "too large" },
	{ { .capacity = UINT64_MAX, .cluster_size = 2 << 20 }, "too large" },
	{ { .capacity = INT64_MAX }, "too large" },
	{ { .capacity = 128 * GiB, .cluster_size = 512, .preallocation = QCOW2_PREALLOC_METADATA },
	  "too large" },
	{ { .capacity = 1, .backing_format = "raw" }, "without a backing file" },
	{ { .capacity = 1, .backing = "b" }, "must be given" },
	{ { .capacity = 1, .backing = "b", .backing_format = "" }, "must be given" },
	{ { .capacity = 1, .backing = "", .backing_format = "raw" }, "0 bytes" },
	{ { .capacity = 1, .backing = long_name, .backing_format = "raw" }, "1099 bytes" },
	{ { .capacity = 1, .cluster_size = 512, .backing = long_name + 700, .backing_format = "raw" },
	  "no room" },
	{ { .capacity = 1, .backing = "b", .backing_format = "sixteen-letters-" }, "no format" },
	{ { .capacity = 1,
	    .backing = "b",
	    .backing_format = "raw",
	    .preallocation = QCOW2_PREALLOC_METADATA },
	  "only with extended_l2" },
	{ { .capacity = 1, .backing = "b", .backing_format = "raw", .preallocation = QCOW2_PREALLOC_FALLOC },
	  "only with extended_l2" },
};

static int image(const struct qcow2_options *o)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	err_clear(&e);
	if (qcow2_create(fd, o, &e) < 0)
		printf("# %s\n", e.message);
	return fd;
}

static uint64_t length(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
}

static uint64_t be64_at(int fd, uint64_t offset)
{
	uint64_t v = 0;

	return pread(fd, &v, sizeof(v), (off_t)offset) == sizeof(v) ? be64toh(v) : UINT64_MAX;
}

static void what_cannot_be_is_refused_before_anything_is_written(void)
{
	memset(long_name, 'b', sizeof(long_name) - 1);
	for (size_t i = 0; i < ARRAY_LEN(impossible); i++) {
		int fd = memfd_create("image", MFD_CLOEXEC);

		err_clear(&e);
		CHECK(qcow2_check(&impossible[i].o, &e) < 0 && err_is(&e, ERR_INVALID));
		CHECK(strstr(e.message, impossible[i].word));
		if (!strstr(e.message, impossible[i].word))
			printf("# %zu: \"%s\" lacks \"%s\"\n", i, e.message, impossible[i].word);
		CHECK(qcow2_create(fd, &impossible[i].o, &e) < 0);
		CHECK_INT(length(fd), 0);
		close(fd);
	}
}

static void a_file_with_something_in_it_is_left_alone(void)
{
	struct qcow2_options o = { .capacity = GiB };
	int fd = memfd_create("image", MFD_CLOEXEC), pipes[2];

	CHECK(pwrite(fd, "x", 1, 0) == 1);
	CHECK(qcow2_create(fd, &o, &e) < 0 && err_is(&e, ERR_INVALID));
	CHECK_INT(length(fd), 1);
	close(fd);
	CHECK(pipe(pipes) == 0 && qcow2_create(pipes[1], &o, &e) < 0 && err_is(&e, ERR_INVALID));
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- where things lie ---- */

static void an_empty_image_is_four_clusters(void)
{
	struct qcow2_options o = { .capacity = GiB - 1 };
	int fd = image(&o);

	CHECK_INT(length(fd), 4 * 65536);
	CHECK_INT(be64_at(fd, 0), 0x514649fb00000003);
	CHECK_INT(be64_at(fd, Q_SIZE), GiB);
	CHECK_INT(be64_at(fd, Q_L1_OFFSET), 3 * 65536);
	CHECK_INT(be64_at(fd, 3 * 65536), 0);
	CHECK_INT(be64_at(fd, 65536), 2 * 65536);
	CHECK_INT(be64_at(fd, 2 * 65536), 0x0001000100010001); /* four clusters in use once */
	CHECK_INT(be64_at(fd, 2 * 65536 + 8), 0);
	close(fd);
}

static void refcounts_count_their_own_clusters(void)
{
	/* 512-byte clusters, everything allocated: blocks of 256 counts, so that the counts need counts of
	 * their own. */
	struct qcow2_options o = { .capacity = 10 << 20,
		                   .cluster_size = 512,
		                   .preallocation = QCOW2_PREALLOC_METADATA };
	int fd = image(&o);
	uint64_t clusters = length(fd) / 512, counted = 0, table = be64_at(fd, Q_REFTABLE_OFFSET);

	for (uint64_t at = table; be64_at(fd, at) && at < table + 64 * 512; at += 8) {
		unsigned char block[512];

		CHECK(pread(fd, block, sizeof(block), (off_t)be64_at(fd, at)) == sizeof(block));
		for (size_t i = 0; i < sizeof(block); i += 2) {
			CHECK(block[i] == 0 && block[i + 1] == (counted < clusters));
			counted += block[i + 1];
		}
	}
	CHECK_INT(counted, clusters);
	CHECK(clusters > 20480 + 320 + 81); /* data, L2, refcount blocks */
	close(fd);
}

static void a_backing_file_is_named_in_the_header(void)
{
	static const char *const compats[] = { "0.10", "1.1" };

	for (size_t i = 0; i < 2; i++)
		for (uint64_t cluster = 512; cluster <= 65536; cluster *= 128) {
			struct qcow2_options o = { .capacity = 1,
				                   .cluster_size = cluster,
				                   .compat = compats[i],
				                   .backing = "../base of it",
				                   .backing_format = "qcow2" };
			int fd = image(&o);
			char name[20] = "";

			CHECK_INT(be64_at(fd, Q_BACKING_LEN) >> 32, 13);
			CHECK(pread(fd, name, 13, (off_t)be64_at(fd, Q_BACKING_OFFSET)) == 13);
			CHECK_STR(name, "../base of it");
			CHECK(be64_at(fd, Q_BACKING_OFFSET) + 13 <= cluster);
			CHECK_INT(be64_at(fd, i ? 112 : 72) >> 32, 0xe2792aca);
			close(fd);
		}
}

/* ---- growing ---- */

static void growing_keeps_what_is_in_the_tables(void)
{
	struct qcow2_options o = { .capacity = 1 << 20,
		                   .cluster_size = 512,
		                   .preallocation = QCOW2_PREALLOC_METADATA };
	int fd = image(&o);
	uint64_t old = be64_at(fd, Q_L1_OFFSET), new;

	CHECK_INT(qcow2_grow(fd, (8 << 20) - 5, &e), 0);
	new = be64_at(fd, Q_L1_OFFSET);
	CHECK(new != old);
	CHECK_INT(be64_at(fd, Q_SIZE), 8 << 20);
	for (uint64_t i = 0; i < 32; i++)
		CHECK_INT(be64_at(fd, new + i * 8), be64_at(fd, old + i * 8));
	CHECK_INT(be64_at(fd, new + 32 * 8), 0);
	close(fd);
}

static void growing_within_the_table_changes_nothing_else(void)
{
	struct qcow2_options o = { .capacity = 1 << 20 };
	int fd = image(&o);
	uint64_t table = be64_at(fd, Q_L1_OFFSET);

	/* behind its end: nobody's, and not to be trusted */
	CHECK(pwrite(fd, "garbage", 7, (off_t)table + 8) == 7);
	CHECK_INT(qcow2_grow(fd, 100 * GiB, &e), 0);
	CHECK_INT(be64_at(fd, Q_L1_OFFSET), table);
	CHECK_INT(be64_at(fd, table + 8), 0);
	CHECK_INT(length(fd), 4 * 65536);
	CHECK_INT(qcow2_grow(fd, 100 * GiB, &e), 0);
	CHECK_INT(qcow2_grow(fd, 100 * GiB - 1000, &e), 1);
	CHECK_INT(be64_at(fd, Q_SIZE), 100 * GiB);
	close(fd);
}

static void growing_beyond_the_format_is_refused(void)
{
	static const uint64_t beyond[] = { (UINT64_C(1) << 51) + 1, INT64_MAX, (uint64_t)INT64_MAX + 1,
		                           UINT64_MAX };
	struct qcow2_options o = { .capacity = 1 << 20 };
	int fd = image(&o);

	for (size_t i = 0; i < ARRAY_LEN(beyond); i++) {
		err_clear(&e);
		CHECK(qcow2_grow(fd, beyond[i], &e) < 0 && err_is(&e, ERR_INVALID));
		CHECK_INT(be64_at(fd, Q_SIZE), 1 << 20);
		CHECK_INT(length(fd), 4 * 65536);
	}
	close(fd);
}

static void what_is_no_image_is_not_ours(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	CHECK_INT(qcow2_grow(fd, GiB, &e), 1);
	CHECK(ftruncate(fd, 1 << 20) == 0);
	CHECK_INT(qcow2_grow(fd, GiB, &e), 1);
	CHECK_INT(length(fd), 1 << 20);
	CHECK_INT(qcow2_grow(null, GiB, &e), 1);
	CHECK(qcow2_grow(-1, GiB, &e) < 0);
	close(fd);
	close(null);
}

int main(void)
{
	RUN(what_cannot_be_is_refused_before_anything_is_written);
	RUN(a_file_with_something_in_it_is_left_alone);
	RUN(an_empty_image_is_four_clusters);
	RUN(refcounts_count_their_own_clusters);
	RUN(a_backing_file_is_named_in_the_header);
	RUN(growing_keeps_what_is_in_the_tables);
	RUN(growing_within_the_table_changes_nothing_else);
	RUN(growing_beyond_the_format_is_refused);
	RUN(what_is_no_image_is_not_ours);
	return check_done();
}
