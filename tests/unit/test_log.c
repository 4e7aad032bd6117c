/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The log: levels, the ring, what reaches standard error, and that it never makes anybody wait.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "log_text.h"

/* Sequence number of the newest message in the ring. */
static uint64_t newest(void)
{
	struct buf b = BUF_INIT;
	uint64_t seq = 0;

	log_text(&b, 0);
	for (char *line = b.data, *end; line && *line; line = end + 1) {
		struct line l;

		end = strchr(line, '\n');
		CHECK_INT(line_parse_reply(line, (size_t)(end - line), &l, NULL), 0);
		seq = line_u64(&l, "seq", 0);
	}
	buf_free(&b);
	return seq;
}

static void levels_hold_per_facility(void)
{
	struct err e = { 0 };

	CHECK(log_wanted(LF_NET, LOG_INFO) && !log_wanted(LF_NET, LOG_DEBUG));
	CHECK_INT(log_set("warn,net=debug,pool=info", &e), 0);
	CHECK(log_wanted(LF_NET, LOG_DEBUG));
	CHECK(log_wanted(LF_POOL, LOG_INFO) && !log_wanted(LF_POOL, LOG_DEBUG));
	CHECK(log_wanted(LF_BOOT, LOG_WARN) && !log_wanted(LF_BOOT, LOG_INFO));
	CHECK_INT(log_set("error", &e), 0);
	CHECK(!log_wanted(LF_NET, LOG_WARN) && log_wanted(LF_NET, LOG_ERR_));
	CHECK_INT(log_set("info", &e), 0);
}

static void bad_specifications_change_nothing(void)
{
	static const char *const bad[] = {
		"",          ",",     "loud",           "net",  "net=",  "=info", "net=loud",
		"nets=info", "info,", "debug,net=loud", "INFO", " info", "info ", "net=info=debug",
		"inf",       "infos",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		CHECK_INT(log_set(bad[i], &e), -1);
		CHECK(err_is(&e, ERR_INVALID));
		CHECK(log_wanted(LF_NET, LOG_INFO) && !log_wanted(LF_NET, LOG_DEBUG));
	}
}

static void unwanted_messages_are_not_kept(void)
{
	uint64_t before;

	log_info(LF_POOL, "one");
	before = newest();
	log_debug(LF_POOL, "unwanted");
	CHECK_INT(newest(), before);
}

static void dumps_records_since(void)
{
	struct buf b = BUF_INIT;
	uint64_t seq = newest();
	struct line l;
	char *second;

	log_warn(LF_ISCSI, "login to \"%s\" failed", "a b");
	log_error(LF_LVM, "x");
	log_text(&b, seq);
	second = strchr(b.data, '\n') + 1;
	CHECK_INT(line_parse_reply(b.data, (size_t)(second - 1 - b.data), &l, NULL), 0);
	CHECK(line_u64(&l, "seq", 0) == seq + 1);
	CHECK(line_u64(&l, "ts", 0) > 0 && line_u64(&l, "ts", 0) <= clock_ms());
	CHECK_STR(line_get(&l, "level"), "warn");
	CHECK_STR(line_get(&l, "facility"), "iscsi");
	CHECK_STR(line_get(&l, "text"), "login to \"a b\" failed");
	CHECK(strstr(second, "level=error facility=lvm text=x\n") != NULL);
	buf_reset(&b);
	log_text(&b, seq + 2);
	CHECK_INT(b.len, 0);
	buf_free(&b);
}

static void foreign_bytes_are_escaped_and_cut(void)
{
	struct buf b = BUF_INIT;
	uint64_t seq = newest();
	char text[3000];
	struct line l;

	memset(text, '\x1b', sizeof(text));
	text[0] = 'a';
	text[1] = '\n';
	text[2] = '\xff';
	memcpy(text + 3, "\xc3\xa4\xc2\x9b", 4);
	text[sizeof(text) - 1] = '\0';
	log_info(LF_POOL, "%s", text);
	log_text(&b, seq);
	CHECK_INT(line_parse_reply(b.data, b.len - 1, &l, NULL), 0);
	CHECK(starts_with(line_get(&l, "text"), "a\\x0a\\xff\xc3\xa4\\xc2\\x9b\\x1b\\x1b"));
	CHECK(strlen(line_get(&l, "text")) < 1000);
	buf_free(&b);
}

static void the_ring_keeps_the_last_and_is_bounded(void)
{
	struct buf b = BUF_INIT;
	uint64_t first = 0, last = 0, seq = newest();
	size_t n = 0;

	for (int i = 0; i < 20000; i++)
		log_info(LF_POOL, "message %d %.*s", i, i % 200,
		         "                                                                                   "
		         "                                                                                   "
		         "        ");
	log_text(&b, 0);
	CHECK(b.len < 256 * 1024);
	for (char *line = b.data, *end; *line; line = end + 1, n++) {
		struct line l;

		end = strchr(line, '\n');
		CHECK_INT(line_parse_reply(line, (size_t)(end - line), &l, NULL), 0);
		CHECK(!last || line_u64(&l, "seq", 0) == last + 1);
		CHECK(starts_with(line_get(&l, "text"), "message "));
		last = line_u64(&l, "seq", 0);
		if (!first)
			first = last;
	}
	CHECK(last == seq + 20000 && n > 200 && n < 4000);
	buf_free(&b);
}

/* ---- standard error ---- */

/* What f logs to a standard error that is a pipe of this size. */
static void read_stderr(void (*f)(void), char *out, size_t size)
{
	int p[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 2);
		alarm(20);
		log_to_stderr();
		f();
		_exit(0);
	}
	close(p[1]);
	CHECK(waitpid(pid, &status, 0) == pid); /* it ends although nobody has read a byte yet */
	CHECK_INT(status, 0);
	while (len < size - 1 && (n = read(p[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(p[0]);
}

static void say_two_things(void)
{
	log_info(LF_POOL, "first");
	log_debug(LF_POOL, "unwanted");
	log_error(LF_BOOT, "second\nline");
}

static void lines_on_standard_error(void)
{
	char text[1000];

	read_stderr(say_two_things, text, sizeof(text));
	CHECK_STR(text, "poolinit: pool: first\npoolinit: boot: second\\x0aline\n");
}

static void say_a_lot(void)
{
	for (int i = 0; i < 5000; i++)
		log_info(LF_POOL, "message %d with some more text so that the pipe is full before the end",
		         i);
}

static void a_reader_that_does_not_read_delays_nobody(void)
{
	static char text[1 << 20];
	size_t len;

	read_stderr(say_a_lot, text, sizeof(text));
	len = strlen(text);
	CHECK(len > 4096 && len < sizeof(text) / 2);
	CHECK(starts_with(text, "poolinit: pool: message 0 "));
	CHECK(text[len - 1] == '\n'); /* whole lines only */
}

static void say_into_a_closed_one(void)
{
	close(2);
	log_info(LF_POOL, "nobody hears this");
}

static void a_closed_standard_error_is_survived(void)
{
	char text[100];

	read_stderr(say_into_a_closed_one, text, sizeof(text));
	CHECK_STR(text, "");
}

/* In a child, so that the rest of the test does not write to the machine's log. */
static int kmsg_gets_a_line(void)
{
	int reader = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[2048], want[64];
	uint64_t deadline = clock_ms() + 2000;

	if (reader < 0 || lseek(reader, 0, SEEK_END) < 0 || log_to_kmsg(NULL) < 0)
		return 77;
	snprintf(want, sizeof(want), ";poolinit: pool: test %d\n", (int)getpid());
	log_warn(LF_POOL, "test %d", (int)getpid());
	while (clock_ms() < deadline) {
		ssize_t n = read(reader, record, sizeof(record) - 1);

		if (n <= 0)
			return 1;
		record[n] = '\0';
		if (strstr(record, want)) /* "priority,seq,…;text": facility times 8, plus 4 for a warning */
			return atoi(record) % 8 == 4 ? 0 : 2;
	}
	return 3;
}

static void lines_in_the_kernel_log(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(kmsg_gets_a_line());
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("skip - kmsg_gets_a_line: there is no /dev/kmsg to read and write\n");
	else
		CHECK_INT(status, 0);
}

/* A worker closes all descriptors and opens others: the kernel log's number then means something else. */
static void write_where_kmsg_was(void)
{
	char path[] = "/tmp/test_log.XXXXXX";
	struct err e = { 0 };
	int status = 0, made;
	pid_t pid;

	if (log_to_kmsg(&e) < 0) {
		fprintf(stderr, "no kmsg");
		return;
	}
	pid = fork();
	if (pid == 0) {
		off_t end;

		for (int fd = 3; fd < 256; fd++)
			close(fd);
		made = mkstemp(path);
		for (int fd = made + 1; fd < 64; fd++)
			dup2(made, fd);
		log_error(LF_POOL, "this must not land in the worker's file");
		end = lseek(made, 0, SEEK_END);
		unlink(path);
		_exit(end == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	fprintf(stderr, "status %d", status);
}

static void a_worker_does_not_write_to_a_stale_descriptor(void)
{
	char text[1000];

	read_stderr(write_where_kmsg_was, text, sizeof(text));
	if (strstr(text, "no kmsg"))
		printf("skip - kmsg_in_workers: there is no /dev/kmsg to write to\n");
	else
		CHECK(strstr(text, "status 0") != NULL);
}

int main(void)
{
	RUN(levels_hold_per_facility);
	RUN(bad_specifications_change_nothing);
	RUN(unwanted_messages_are_not_kept);
	RUN(dumps_records_since);
	RUN(foreign_bytes_are_escaped_and_cut);
	RUN(the_ring_keeps_the_last_and_is_bounded);
	RUN(lines_on_standard_error);
	RUN(a_reader_that_does_not_read_delays_nobody);
	RUN(a_closed_standard_error_is_survived);
	RUN(lines_in_the_kernel_log);
	RUN(a_worker_does_not_write_to_a_stale_descriptor);
	return check_done();
}
