/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What file volumes are made of: entries that appear whole, copies by every pair of ends, raw images,
 * deadlines, children with other privileges, qemu-img's words. The operations as a whole are
 * tests/host/file-volumes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "volumes/file/aside.h"
#include "volumes/block.h"
#include "volumes/copy.h"
#include "volumes/file/volume.h"
#include "volumes/pace.h"
#include "volumes/transfer.h"
#include "volumes/file/publish.h"
#include "volumes/image/qemu_img.h"
#include "volumes/image/raw.h"
#include "volumes/wipe.h"
#include "base/util.h"
#include "check.h"

#define MIB (1024 * 1024)

/* As file_vol_create() does. */
static int begin(struct publish *p, const char *target, const char *name, bool directory, struct err *e)
{
	int dir = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? err_sys(e, errno, "cannot open %s", target)
	               : publish_begin(p, dir, target, name, directory, e);
}

static char dir[] = "/tmp/poolinit-test-XXXXXX";
static struct err e;
static uint64_t last_done, last_total, progress_calls;

static void on_progress(struct op *op, uint64_t done, uint64_t total)
{
	(void)op;
	CHECK(done >= last_done && done <= total);
	last_done = done;
	last_total = total;
	progress_calls++;
}

static struct op make_op(void)
{
	last_done = last_total = progress_calls = 0;
	return (struct op){ .deadline = clock_ms() + SECONDS(20), .on_progress = on_progress };
}

static char *at(const char *name)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Entries of the directory, hidden ones too; all are taken away. */
static int entries(bool hidden)
{
	DIR *d = opendir(dir);
	int n = 0;

	for (const struct dirent *x; (x = readdir(d));) {
		if (streq(x->d_name, ".") || streq(x->d_name, ".."))
			continue;
		n += !hidden || x->d_name[0] == '.';
	}
	closedir(d);
	return n;
}

static void clean(void)
{
	DIR *d = opendir(dir);

	for (const struct dirent *x; (x = readdir(d));)
		if (!streq(x->d_name, ".") && !streq(x->d_name, "..") && unlinkat(dirfd(d), x->d_name, 0) < 0)
			unlinkat(dirfd(d), x->d_name, AT_REMOVEDIR);
	closedir(d);
}

static void write_file(const char *name, size_t size, char with)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char *data = malloc(size + 1);

	memset(data, with, size);
	CHECK_INT(write(fd, data, size), size);
	free(data);
	close(fd);
}

static long long size_of(const char *name)
{
	struct stat st;

	return stat(at(name), &st) < 0 ? -1 : (long long)st.st_size;
}

/* ---- publish ---- */

static void a_file_is_unseen_until_it_is_finished(void)
{
	struct publish p;

	CHECK_INT(begin(&p, dir, "new", false, &e), 0);
	CHECK_INT(write(p.fd, "content", 7), 7);
	CHECK_INT(size_of("new"), -1);
	CHECK_INT(publish_finish(&p, &e), 0);
	CHECK_INT(size_of("new"), 7);
	CHECK_INT(entries(false), 1);
	clean();
}

static void what_is_abandoned_leaves_nothing(void)
{
	struct publish p;

	for (int directory = 0; directory < 2; directory++) {
		CHECK_INT(begin(&p, dir, "new", directory, &e), 0);
		publish_abandon(&p);
		CHECK_INT(entries(false), 0);
	}
}

static void a_directory_is_built_under_a_locked_temporary_name(void)
{
	struct publish p;
	int fd;

	CHECK_INT(begin(&p, dir, "sub", true, &e), 0);
	CHECK(publish_is_temporary(p.temp));
	CHECK_INT(entries(true), 1);
	fd = open(at(p.temp), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	close(fd);
	CHECK_INT(publish_finish(&p, &e), 0);
	CHECK_INT(entries(true), 0);
	CHECK_INT(entries(false), 1);
	clean();
}

static void nothing_is_replaced(void)
{
	struct publish p;

	write_file("taken", 3, 'x');
	CHECK(begin(&p, dir, "taken", false, &e) < 0 && e.class == ERR_EXISTS &&
	      strstr(e.message, "/taken exists already"));
	for (int directory = 0; directory < 2; directory++) {
		/* made by somebody else meanwhile */
		CHECK_INT(begin(&p, dir, "late", directory, &e), 0);
		write_file("late", 5, 'y');
		CHECK(publish_finish(&p, &e) < 0 && e.class == ERR_EXISTS);
		CHECK_INT(size_of("late"), 5);
		CHECK_INT(entries(true), 0);
		unlink(at("late"));
	}
	CHECK_INT(symlink("nowhere", at("link")), 0);
	CHECK(begin(&p, dir, "link", false, &e) < 0 && e.class == ERR_EXISTS);
	clean();
}

static void names_that_are_none_are_refused(void)
{
	static const char *const names[] = { "", ".", "..", "a/b", "a\nb", "\x7f", ".poolinit-12345678" };
	struct publish p;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CHECK(begin(&p, dir, names[i], false, &e) < 0 && e.class == ERR_INVALID);
	CHECK(begin(&p, "/nonexistent", "a", false, &e) < 0);
	CHECK_INT(entries(false), 0);
}

static void a_terminated_builder_leaves_nothing(void)
{
	int ready[2], status = 0;
	char byte;
	pid_t pid;

	CHECK_INT(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct publish p;

		begin(&p, dir, "sub", true, &e);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	CHECK_INT(read(ready[0], &byte, 1), 1);
	CHECK_INT(entries(true), 1);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK_INT(entries(false), 0);
	close(ready[0]);
	close(ready[1]);
}

/* ---- copying ---- */

enum end { FILE_END, PIPE_END, SOCKET_END };

/* What comes out at the other end, compared with "abab…" of that length, in a child. */
static pid_t reader(int fd, int other, size_t expected)
{
	pid_t pid = fork();

	if (pid == 0) {
		size_t got = 0;
		char c[4096];
		ssize_t n;

		if (other >= 0)
			close(other); /* or there would never be an end */
		while ((n = read(fd, c, sizeof(c))) > 0)
			for (ssize_t i = 0; i < n; i++, got++)
				if (c[i] != (got % 2 ? 'b' : 'a'))
					_exit(1);
		_exit(got == expected ? 0 : 2);
	}
	return pid;
}

/* In pieces of an even length. */
static bool write_pattern(int fd, size_t size)
{
	static char piece[5554];

	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = i % 2 ? 'b' : 'a';
	for (size_t n; size > 0; size -= n) {
		n = size < sizeof(piece) ? size : sizeof(piece);
		if (write(fd, piece, n) != (ssize_t)n)
			return false;
	}
	return true;
}

static pid_t writer(int fd, size_t size)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(write_pattern(fd, size) ? 0 : 1);
	return pid;
}

static void ends_make(enum end kind, int fds[2])
{
	CHECK_INT(kind == PIPE_END ? pipe(fds) : socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

static void reap(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
}

static void try_pair(enum end from, enum end to, bool sparse)
{
	const size_t size = 300 * 1000;
	struct op op = make_op();
	struct copy c = { .length = COPY_TO_END, .sparse = sparse, .pace = { .op = &op, .doing = "copy" } };
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	pid_t feed = 0, drain = 0;

	if (from == FILE_END) {
		in[0] = open(at("from"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		CHECK(write_pattern(in[0], size));
	} else {
		ends_make(from, in);
		feed = writer(in[1], size);
		close(in[1]);
	}
	if (to == FILE_END) {
		out[1] = open(at("to"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	} else {
		ends_make(to, out);
		fcntl(out[1], F_SETFL, O_NONBLOCK);
		drain = reader(out[0], out[1], size);
		close(out[0]);
	}
	CHECK_INT(copy_end_set(&c.from, in[0], "from", &e), 0);
	CHECK_INT(copy_end_set(&c.to, out[1], "to", &e), 0);
	CHECK_INT(copy_run(&c, &e), 0);
	CHECK_INT(c.done, size);
	CHECK_INT(last_done, size);
	close(in[0]);
	if (to == FILE_END) {
		lseek(out[1], 0, SEEK_SET);
		reap(reader(out[1], -1, size));
	}
	close(out[1]);
	if (feed)
		reap(feed);
	if (drain)
		reap(drain);
	clean();
}

static void bytes_go_between_all_kinds_of_ends(void)
{
	for (int from = FILE_END; from <= SOCKET_END; from++)
		for (int to = FILE_END; to <= SOCKET_END; to++)
			for (int sparse = 0; sparse < 2; sparse++)
				try_pair((enum end)from, (enum end)to, sparse);
}

static void an_end_that_is_a_directory_is_refused(void)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	struct copy_end end;

	CHECK(copy_end_set(&end, fd, "it", &e) < 0 && e.class == ERR_INVALID);
	close(fd);
}

/* Holes from a pipe: blocks of zeros become holes, and overwrite what was there. */
static void zeros_from_a_pipe_become_holes(void)
{
	struct op op = make_op();
	struct copy c = { .length = COPY_TO_END, .sparse = true, .pace = { .op = &op, .doing = "copy" } };
	static char data[4 * MIB], back[4 * MIB];
	int in[2], fd;
	struct stat st;
	pid_t pid;

	write_file("to", sizeof(data), 'x');
	memset(data, 0, sizeof(data));
	memcpy(data + MIB, "data", 4);
	CHECK_INT(pipe(in), 0);
	pid = fork();
	if (pid == 0)
		_exit(write(in[1], data, sizeof(data)) != (ssize_t)sizeof(data));
	close(in[1]);
	fd = open(at("to"), O_RDWR);
	CHECK_INT(copy_end_set(&c.from, in[0], "from", &e), 0);
	CHECK_INT(copy_end_set(&c.to, fd, "to", &e), 0);
	CHECK_INT(copy_run(&c, &e), 0);
	reap(pid);
	CHECK_INT(pread(fd, back, sizeof(back), 0), sizeof(back));
	CHECK(memcmp(data, back, sizeof(data)) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof(data) && st.st_blocks * 512 < MIB);
	close(fd);
	close(in[0]);
	clean();
}

static void a_copy_ends_at_its_deadline(void)
{
	struct op op = make_op();
	struct copy c = { .length = COPY_TO_END, .pace = { .op = &op, .doing = "copy it" } };
	int in, out;

	write_file("from", 4096, 'x');
	op.deadline = clock_ms();
	in = open(at("from"), O_RDONLY);
	out = open(at("to"), O_RDWR | O_CREAT, 0600);
	CHECK_INT(copy_end_set(&c.from, in, "from", &e), 0);
	CHECK_INT(copy_end_set(&c.to, out, "to", &e), 0);
	CHECK(copy_run(&c, &e) < 0 && e.class == ERR_TIMEOUT &&
	      strstr(e.message, "cannot copy it: not done in time"));
	close(in);
	close(out);
	clean();
}

/* ---- raw images ---- */

static void a_raw_image_that_cannot_be_grown_is_as_before(void)
{
	struct op op = make_op();
	int fd;

	write_file("raw", 8192, 'x');
	fd = open(at("raw"), O_RDWR);
	CHECK(raw_resize(fd, (uint64_t)INT64_MAX + 1, 0, &op, "raw", &e) < 0 && e.class == ERR_INVALID);
	CHECK(raw_resize(fd, (uint64_t)1 << 62, VOL_ALLOCATE, &op, "raw", &e) < 0);
	op = make_op();
	op.deadline = clock_ms();
	CHECK(raw_resize(fd, 4 * MIB, VOL_ALLOCATE, &op, "raw", &e) < 0 && e.class == ERR_TIMEOUT);
	CHECK_INT(size_of("raw"), 8192);
	op = make_op();
	CHECK_INT(raw_resize(fd, 4 * MIB, VOL_ALLOCATE, &op, "raw", &e), 0);
	CHECK_INT(size_of("raw"), 4 * MIB);
	CHECK(progress_calls > 0);
	CHECK_INT(raw_resize(fd, 100, 0, &op, "raw", &e), 0);
	CHECK_INT(size_of("raw"), 100);
	close(fd);
	clean();
}

static void wiping_knows_its_words(void)
{
	struct op op = make_op();
	int fd;

	for (size_t i = 0; wipe_algorithms[i]; i++)
		CHECK_INT(wipe_check(wipe_algorithms[i], &e), 0);
	CHECK(wipe_check("", &e) < 0 && wipe_check("ZERO", &e) < 0 && e.class == ERR_INVALID);
	write_file("full", 300000, 'x');
	fd = open(at("full"), O_RDWR);
	CHECK(wipe(fd, "zeroes", &op, "full", &e) < 0);
	CHECK_INT(wipe(fd, "zero", &op, "full", &e), 0);
	for (char c = 1; c && pread(fd, &c, 1, 299999) == 1;)
		CHECK_INT(c, 0);
	CHECK_INT(size_of("full"), 300000);
	close(fd);
	clean();
}

static void only_block_devices_are_opened_as_such(void)
{
	const struct pool_def d = { .type = POOL_LOGICAL };
	struct op op = make_op();
	struct volume v = { .name = "v", .type = "block" };
	uint64_t size;

	write_file("file", 100, 'x');
	v.path = at("file");
	CHECK(block_vol_open(&d, &op, &v, false, &size, &e) < 0 && e.class == ERR_WRONG_FORMAT);
	CHECK(block_vol_wipe(&d, &op, &v, "zero", &e) < 0 && e.class == ERR_WRONG_FORMAT);
	CHECK(block_vol_wipe(&d, &op, &v, "sulphur", &e) < 0 && e.class == ERR_INVALID);
	v.path = "/dev/null";
	CHECK(block_vol_open(&d, &op, &v, true, &size, &e) < 0 && e.class == ERR_WRONG_FORMAT);
	v.path = "/nonexistent";
	CHECK(block_vol_open(&d, &op, &v, true, &size, &e) < 0 && e.class == ERR_NO_VOLUME);
	CHECK_INT(size_of("file"), 100);
	clean();
}

static uint64_t to_be_written;

static int open_refused(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                        uint64_t *size, struct err *err)
{
	(void)d, (void)v, (void)size;
	to_be_written = write ? op->writes : 0;
	return err_set(err, ERR_BUSY, "no");
}

/* Whoever opens a volume is told before how much may be written to it, and can refuse that. */
static void an_upload_tells_how_much_comes(void)
{
	static const struct {
		uint64_t at, length, writes;
		bool pipe;
	} cases[] = { { 0, 0, 3000, false },     { 1000, 0, 2000, false }, { 0, 500, 500, false },
		      { 0, 5000, 3000, false },  { 4000, 0, 0, false },    { 0, 700, 700, true },
		      { 0, 0, UINT64_MAX, true } };
	const struct pool_def d = { .type = POOL_DIR };
	const struct volume v = { .name = "v", .type = "file", .path = "/v" };
	int fds[2];

	write_file("client", 3000, 'x');
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct op op = make_op();
		struct transfer t = { .length = cases[i].length };

		CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
		CHECK_INT(write(fds[1], "some", 4), 4);
		close(fds[1]);
		t.stream = cases[i].pipe ? fds[0] : open(at("client"), O_RDONLY | O_CLOEXEC);
		if (!cases[i].pipe)
			lseek(t.stream, (off_t)cases[i].at, SEEK_SET);
		e = (struct err){ 0 };
		CHECK(transfer_upload(open_refused, &d, &op, &v, &t, &e) < 0 && e.class == ERR_BUSY);
		CHECK(to_be_written == cases[i].writes);
		if (!cases[i].pipe)
			close(t.stream);
		close(fds[0]);
	}
	clean();
}

/* ---- what is known ---- */

static void index_of(struct volindex *x, const char *records)
{
	static uint64_t data[512];
	struct volindex_builder b = { 0 };
	int fd = memfd_create("index", MFD_CLOEXEC);
	struct err err = { 0 };

	for (const char *at = records, *lf; (lf = strchr(at, '\n')); at = lf + 1) {
		char text[LINE_MAX_BYTES + 1];
		struct volume v;
		struct line l;

		memcpy(text, at, (size_t)(lf - at) + 1);
		CHECK(line_parse_reply(text, (size_t)(lf - at), &l, NULL) == 0 &&
		      volume_from_record(&l, &v, NULL) == 0 && volindex_add(&b, &v, 1, false));
	}
	CHECK(volindex_write(&b, 1, fd, &err) == 0);
	volindex_builder_free(&b);
	CHECK(volindex_open(x, data, (size_t)pread(fd, data, sizeof(data), 0)));
	close(fd);
}

static void a_volume_is_found_by_its_whole_name(void)
{
	static const char records[] =
		"- name=a type=file path=/p/a key=/p/a capacity=1 allocation=0\n- name=\"a b\" type=file "
		"path=\"/p/a b\" key=\"/p/a b\" capacity=2 allocation=0\n"
		"- name=ab type=file path=/p/ab key=/p/ab capacity=3 allocation=0\n";
	struct volindex index;
	const struct op op = { .index = &index }, none = { .index = NULL };
	struct buf text = BUF_INIT;
	struct line l;
	struct volume v;

	index_of(&index, records);
	CHECK(file_volume_known(&op, "a", &text, &l, &v) && v.capacity == 1);
	CHECK(file_volume_known(&op, "a b", &text, &l, &v) && v.capacity == 2);
	CHECK(file_volume_known(&op, "ab", &text, &l, &v) && v.capacity == 3);
	CHECK(!file_volume_known(&op, "b", &text, &l, &v));
	CHECK(!file_volume_known(&op, "", &text, &l, &v));
	CHECK(!file_volume_known(&none, "a", &text, &l, &v));
	buf_free(&text);
}

/* ---- children ---- */

static int say_who(void *arg, struct err *err)
{
	const uid_t *uid = arg;

	return geteuid() == *uid ? 0 : err_set(err, ERR_INTERNAL, "it is %u", geteuid());
}

static int fail(void *arg, struct err *err)
{
	(void)arg;
	return err_set(err, ERR_NO_SPACE, "as told");
}

static int die(void *arg, struct err *err)
{
	(void)arg, (void)err;
	return raise(SIGKILL);
}

static int open_it(void *arg, struct err *err)
{
	int fd = open(arg, O_RDONLY);

	return fd < 0 ? err_sys(err, errno, "cannot open") : close(fd);
}

static void errors_come_back_from_children(void)
{
	uid_t other = 1007, self = geteuid();

	if (self == 0) {
		CHECK(aside_as(-1, -1, fail, NULL, &e) < 0 && e.class == ERR_NO_SPACE &&
		      streq(e.message, "as told"));
		CHECK(aside_as(-1, -1, die, NULL, &e) < 0 && e.class == ERR_INTERNAL);
		CHECK_INT(aside_as(other, 1007, say_who, &other, &e), 0);
		CHECK_INT(geteuid(), self);
		write_file("private", 1, 'x');
		CHECK(aside_as(other, -1, open_it, at("private"), &e) < 0 && e.class == ERR_DENIED);
	}
	clean();
}

/* ---- qemu-img's words ---- */

static void words_cannot_break_out_of_their_place(void)
{
	struct volume_def v = { .name = "v", .format = "qcow2", .capacity = 1025 };
	const struct qemu_img_file to = { .path = "/pool/a,b=c", .secret = "/s,ecret" };
	struct qemu_img_words w;

	v.backing.given = true;
	v.backing.path = "base,x";
	v.backing.format = "raw,data_file=/etc/shadow";
	CHECK_INT(qemu_img_create_words(&w, &v, 0, &to, &e), 0);
	CHECK_STR(w.argv[7], "-o");
	CHECK_STR(w.argv[8], "backing_fmt=raw,,data_file=/etc/shadow,compat=1.1");
	CHECK_STR(w.argv[9], "/pool/a,b=c");
	CHECK_STR(w.argv[10], "2K");
	CHECK(w.argv[11] == NULL);
	qemu_img_words_free(&w);
}

static void options_cannot_break_out_of_their_place(void)
{
	const struct volume_secret secret = { .type = "passphrase" };
	struct volume_def v = { .name = "v", .format = "qcow2", .capacity = 1025 };
	const struct qemu_img_file to = { .path = "/pool/a,b=c", .secret = "/s,ecret" };
	const struct qemu_img_file from = { .path = "/x,y", .format = "raw" };
	struct qemu_img_words w;

	v.encryption.format = "luks";
	v.encryption.secrets = &secret;
	v.encryption.nsecrets = 1;
	CHECK_INT(qemu_img_convert_words(&w, &v, 0, &from, &to, &e), 0);
	CHECK_STR(w.argv[4], "secret,id=new-image,file=/s,,ecret");
	CHECK_STR(w.argv[7],
	          "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/x,y\"}}");
	CHECK_STR(w.argv[8], "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/pool/"
	                     "a,b=c\"},\"encrypt.key-secret\":\"new-image\",\"backing\":null}");
	qemu_img_words_free(&w);
}

static void images_are_said_to_have_no_backing_file(void)
{
	struct qemu_img_words w;

	CHECK(qemu_img_resize_words(&w, &(struct qemu_img_file){ .path = "/a\",\"x\":\"", .format = "qed" },
	                            1, false, &e) < 0);
	CHECK_INT(qemu_img_resize_words(&w, &(struct qemu_img_file){ .path = "/a", .format = "qed" }, 513,
	                                true, &e),
	          0);
	CHECK_STR(w.argv[2], "--shrink");
	CHECK_STR(w.argv[3], "json:{\"driver\":\"qed\",\"file\":{\"driver\":\"file\",\"filename\":\"/"
	                     "a\"},\"backing\":null}");
	CHECK_STR(w.argv[4], "1024");
	qemu_img_words_free(&w);
}

static void run_publishing(void)
{
	RUN(a_file_is_unseen_until_it_is_finished);
	RUN(what_is_abandoned_leaves_nothing);
	RUN(a_directory_is_built_under_a_locked_temporary_name);
	RUN(nothing_is_replaced);
	RUN(names_that_are_none_are_refused);
	RUN(a_terminated_builder_leaves_nothing);
}

static void run_content(void)
{
	RUN(bytes_go_between_all_kinds_of_ends);
	RUN(an_end_that_is_a_directory_is_refused);
	RUN(zeros_from_a_pipe_become_holes);
	RUN(a_copy_ends_at_its_deadline);
	RUN(a_raw_image_that_cannot_be_grown_is_as_before);
	RUN(wiping_knows_its_words);
}

static void run_others(void)
{
	RUN(only_block_devices_are_opened_as_such);
	RUN(an_upload_tells_how_much_comes);
	RUN(a_volume_is_found_by_its_whole_name);
	RUN(errors_come_back_from_children);
	RUN(words_cannot_break_out_of_their_place);
	RUN(options_cannot_break_out_of_their_place);
	RUN(images_are_said_to_have_no_backing_file);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	run_publishing();
	run_content();
	run_others();
	rmdir(dir);
	return check_done();
}
