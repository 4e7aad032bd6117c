/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams in which holes are told: what comes is written where it belongs, and nothing behind the room that
 * there is, whatever a frame announces.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "check.h"
#include "volumes/frames.h"

static struct err e;

/* One frame, and the bytes that follow it unless it is a hole. */
struct part {
	uint64_t length;
	const char *data; /* NULL: a hole */
};

static int stream_of(const struct part *parts, size_t n)
{
	int ends[2];

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	for (size_t i = 0; i < n; i++) {
		struct stream_frame f = { .length = parts[i].length, .hole = !parts[i].data };
		size_t len = parts[i].data ? strlen(parts[i].data) : 0;

		CHECK(write(ends[1], &f, sizeof(f)) == sizeof(f));
		CHECK(!len || write(ends[1], parts[i].data, len) == (ssize_t)len);
	}
	close(ends[1]);
	return ends[0];
}

/* Upload into a file of 16 times 'o', from its offset 2 on, with so much room; returns the file. */
static int upload_into(const struct part *parts, size_t n, uint64_t room, int *rc)
{
	struct op op = { .deadline = clock_ms() + SECONDS(30) };
	struct copy c = { .pace = { .op = &op, .doing = "upload" }, .in_memory = true };
	int from = stream_of(parts, n), to = memfd_create("volume", MFD_CLOEXEC);

	err_clear(&e);
	CHECK(write(to, "oooooooooooooooo", 16) == 16);
	CHECK(copy_end_set(&c.from, from, "stream", &e) == 0 && copy_end_set(&c.to, to, "v", &e) == 0);
	c.to.at = 2;
	c.length = room;
	*rc = frames_upload(&c, &e);
	close(from);
	return to;
}

static void holds(int fd, const char *want, size_t len)
{
	char got[64] = "";

	CHECK_INT(pread(fd, got, sizeof(got), 0), len);
	CHECK(memcmp(got, want, len) == 0);
	close(fd);
}

static void data_and_holes_lie_where_they_were(void)
{
	static const struct part parts[] = { { 3, "abc" }, { 4, NULL }, { 2, "de" } };
	int rc, fd = upload_into(parts, ARRAY_LEN(parts), COPY_TO_END, &rc);

	CHECK_INT(rc, 0);
	holds(fd, "ooabc\0\0\0\0deooooo", 16);
}

static void a_file_grows(void)
{
	static const struct part parts[] = { { 12, NULL }, { 4, "abcd" }, { 2, NULL } };
	int rc, fd = upload_into(parts, ARRAY_LEN(parts), COPY_TO_END, &rc);

	CHECK_INT(rc, 0);
	holds(fd, "oo\0\0\0\0\0\0\0\0\0\0\0\0abcd\0\0", 20);
}

static void nothing_is_written_behind_the_room(void)
{
	static const struct part data[] = { { 5, "abcde" }, { 6, "fghijk" } },
				 hole[] = { { 5, "abcde" }, { 6, NULL } },
				 huge[] = { { 5, "abcde" }, { INT64_MAX, NULL } };
	const struct part *const kinds[] = { data, hole, huge };
	int rc, fd;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		fd = upload_into(kinds[i], 2, 10, &rc);
		CHECK_INT(rc, -1);
		CHECK_INT(e.class, ERR_INVALID);
		CHECK(strstr(e.message, "room for 5 bytes"));
		holds(fd, "ooabcdeooooooooo", 16);
	}
	fd = upload_into(data, 2, 11, &rc);
	CHECK_INT(rc, 0);
	holds(fd, "ooabcdefghijkooo", 16);
}

static void sizes_that_no_file_has(void)
{
	static const struct part parts[] = { { INT64_MAX, NULL }, { INT64_MAX, NULL } };
	int rc, fd = upload_into(parts, ARRAY_LEN(parts), COPY_TO_END, &rc);

	CHECK_INT(rc, -1);
	holds(fd, "oooooooooooooooo", 16);
}

static void a_stream_that_ends_too_soon_is_over(void)
{
	static const struct part parts[] = { { 5, "ab" } };
	int rc, fd = upload_into(parts, 1, COPY_TO_END, &rc);

	CHECK_INT(rc, 0);
	holds(fd, "ooaboooooooooooo", 16);
}

int main(void)
{
	RUN(data_and_holes_lie_where_they_were);
	RUN(a_file_grows);
	RUN(nothing_is_written_behind_the_room);
	RUN(sizes_that_no_file_has);
	RUN(a_stream_that_ends_too_soon_is_over);
	return check_done();
}
