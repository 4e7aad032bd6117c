/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu-img run on files that are open here, shut off from all others.
 *
 * Everything that the tool may touch is opened before it starts, and given to it by number; the jail has no
 * other file of ours. An image that is changed meanwhile can name any of them as where its data are. So a
 * passphrase is a pipe: qemu-img has emptied it before it opens an image, and takes no pipe for one.
 */
#include "volumes/image/qemu_img.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/spawn.h"
#include "base/util.h"

_Static_assert(QEMU_IMG_LAYERS + 4 <= SPAWN_FILES, "source, layers, target, two passphrases, one stand-in");

/* What one run works with. */
struct qemu_img_job {
	const struct volume_def *v;
	unsigned flags;
	const struct qemu_img_open *from, *to;
	uint64_t capacity;
	bool shrink;
	struct op *op;
	int (*words)(const struct qemu_img_job *j, struct qemu_img_words *w, const struct qemu_img_file *from,
	             const struct qemu_img_file *to, struct err *e);
	int from_secret, to_secret; /* pipes with a passphrase; -1 without */
	int stand_in;               /* a file in memory, for a backing file; -1 without */
	int files[SPAWN_FILES];     /* what it is given */
	unsigned n;
};

/* The three lines have one shape, so that whatever runs them need not know which it is. */
static int create_line(const struct qemu_img_job *j, struct qemu_img_words *w,
                       const struct qemu_img_file *from, const struct qemu_img_file *to, struct err *e)
{
	(void)from;
	return qemu_img_create_words(w, j->v, j->flags, to, e);
}

static int convert_line(const struct qemu_img_job *j, struct qemu_img_words *w,
                        const struct qemu_img_file *from, const struct qemu_img_file *to, struct err *e)
{
	return qemu_img_convert_words(w, j->v, j->flags, from, to, e);
}

static int resize_line(const struct qemu_img_job *j, struct qemu_img_words *w,
                       const struct qemu_img_file *from, const struct qemu_img_file *to, struct err *e)
{
	(void)from;
	return qemu_img_resize_words(w, to, j->capacity, j->shrink, e);
}

/* ---- the files, as the tool sees them ---- */

#define PATH_SIZE 32

/* Give it to the tool: its path there. */
static const char *give(struct qemu_img_job *j, int fd, char path[PATH_SIZE])
{
	if (fd < 0)
		return NULL;
	snprintf(path, PATH_SIZE, "/proc/self/fd/%d", SPAWN_FILE(j->n));
	j->files[j->n++] = fd;
	return path;
}

static bool is_block(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

/* An image and those under it, as files of the tool. */
struct layers {
	struct qemu_img_file files[QEMU_IMG_LAYERS];
	char paths[QEMU_IMG_LAYERS][PATH_SIZE];
	char secret[PATH_SIZE], stand_in[PATH_SIZE];
	struct qemu_img_file empty;
};

/* secret, stand_in: descriptors of the job; -1 without. */
static const struct qemu_img_file *layers_of(struct qemu_img_job *j, const struct qemu_img_open *o,
                                             int secret, int stand_in, struct layers *l)
{
	size_t n = 0;

	for (; o && n < QEMU_IMG_LAYERS; o = o->backing, n++) {
		l->files[n] = (struct qemu_img_file){ .path = give(j, o->fd, l->paths[n]),
			                              .format = o->format,
			                              .luks = o->luks,
			                              .block = is_block(o->fd) };
		if (n > 0)
			l->files[n - 1].backing = &l->files[n];
	}
	if (n == 0)
		return &l->empty;
	l->files[0].secret = give(j, secret, l->secret);
	l->empty = (struct qemu_img_file){ .path = give(j, stand_in, l->stand_in), .format = "raw" };
	if (stand_in >= 0)
		l->files[0].backing = &l->empty;
	return &l->files[0];
}

/* qemu-img names our descriptors' paths in its messages; they are cut off, because they are of no use to
 * anybody. */
static int qemu_img_failed(struct tool *t, struct err *e)
{
	const char *said = spawn_last_line(&t->err);
	const char *end = strstr(said, "/proc/");

	if (starts_with(said, "qemu-img: "))
		said += strlen("qemu-img: ");
	if (end && strstr(end, ": "))
		said = strstr(end, ": ") + 2;
	/* qemu-img tells why by words alone. */
	if (strstr(said, strerror(ENOSPC)))
		return err_set(e, ERR_NO_SPACE, "qemu-img: %s", said);
	return err_set(e, ERR_STORAGE, "qemu-img: %s", *said ? said : "ended without a word");
}

/* ---- what it is given beside the images ---- */

/* A pipe with the passphrase in it and no writer: whoever reads it comes to its end. It takes the place of
 * *fd, if that is one that has been read. Without a passphrase there is none. */
static int fill_passphrase(const struct secret_value *s, int *fd, struct err *e)
{
	int ends[2], rc;

	if (!s)
		return 0;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, errno, "cannot make a pipe for qemu-img");
	rc = write(ends[1], s->data, s->len) == (ssize_t)s->len ? 0 : -1;
	close(ends[1]);
	if (rc < 0)
		err_set(e, ERR_LIMIT, "a passphrase of %zu bytes does not fit into a pipe for qemu-img",
		        s->len);
	else if (*fd >= 0 && dup3(ends[0], *fd, O_CLOEXEC) < 0)
		rc = err_sys(e, errno, "cannot fill a pipe for qemu-img again");
	if (rc == 0 && *fd < 0)
		*fd = ends[0];
	else
		close(ends[0]);
	return rc;
}

static int fill_passphrases(struct qemu_img_job *j, struct err *e)
{
	if (j->from && fill_passphrase(j->from->secret, &j->from_secret, e) < 0)
		return -1;
	return fill_passphrase(j->to->secret, &j->to_secret, e);
}

/* Zeros, as many as the backing file may have bytes. */
static int make_stand_in(struct qemu_img_job *j, struct err *e)
{
	if (!j->to->covered)
		return 0;
	j->stand_in = memfd_create("image", MFD_CLOEXEC);
	if (j->stand_in < 0 || ftruncate(j->stand_in, (off_t)j->to->covered) < 0)
		return err_sys(e, errno, "cannot make a file in memory for qemu-img");
	return 0;
}

/* ---- the run ---- */

#define LUKS_TRIES 20

/* For LUKS qemu-img measures the CPU, and gives up by chance where the clock is too coarse for it: that says
 * nothing of the image. */
static bool is_chance(const struct tool *t)
{
	return t->status != 0 && strstr(buf_str(&t->err), "Unable to get accurate CPU usage");
}

/* Make the command line for the files as the tool sees them, and run it. It is run again where it has failed
 * by chance only. */
static int run_qemu_img(struct qemu_img_job *j, struct err *e)
{
	struct layers source = { 0 }, target = { 0 };
	const struct qemu_img_file *from = layers_of(j, j->from, j->from_secret, -1, &source),
				   *to = layers_of(j, j->to, j->to_secret, j->stand_in, &target);
	cleanup_words struct qemu_img_words w = { 0 };
	struct tool t = { .deadline = j->op->deadline, .files = j->files, .nfiles = j->n, .confined = true };
	struct tool once;
	int rc;

	if (j->words(j, &w, from, to, e) < 0)
		return -1;
	t.argv = w.argv;
	once = t;
	rc = spawn_run(&t, e);
	for (int i = 1; i < LUKS_TRIES && rc == 0 && is_chance(&t); i++) {
		tool_free(&t);
		t = once;
		rc = fill_passphrases(j, e);
		if (rc == 0)
			rc = spawn_run(&t, e);
	}
	if (rc == 0 && t.status != 0)
		rc = qemu_img_failed(&t, e);
	tool_free(&t);
	return rc;
}

static void close_given(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The tool is run, and what was made for it is closed whatever came of it: that content goes with the last
 * descriptor. */
static int job_run(struct qemu_img_job *j, struct err *e)
{
	int rc = -1;

	if (!spawn_find("qemu-img"))
		return err_set(
			e, ERR_NO_TOOL,
			"this needs qemu-img, which is not installed (package qemu-utils or qemu-img)");
	j->from_secret = j->to_secret = j->stand_in = -1;
	if (fill_passphrases(j, e) == 0 && make_stand_in(j, e) == 0)
		rc = run_qemu_img(j, e);
	close_given(j->from_secret);
	close_given(j->to_secret);
	close_given(j->stand_in);
	return rc;
}

int qemu_img_create(const struct volume_def *v, unsigned flags, const struct qemu_img_open *to, struct op *op,
                    struct err *e)
{
	demand(to->fd >= 0 && op, e);
	return job_run(
		&(struct qemu_img_job){ .v = v, .flags = flags, .to = to, .op = op, .words = create_line },
		e);
}

int qemu_img_convert(const struct volume_def *v, unsigned flags, const struct qemu_img_open *from,
                     const struct qemu_img_open *to, struct op *op, struct err *e)
{
	demand(from->fd >= 0 && to->fd >= 0 && op, e);

	/* convert has no options for the encryption of what it makes: that image is made first, and filled.
	 */
	bool encrypted = from->luks || v->encryption.format;

	if (encrypted && qemu_img_create(v, flags, to, op, e) < 0)
		return -1;
	return job_run(&(struct qemu_img_job){ .v = v,
	                                       .flags = flags,
	                                       .from = from,
	                                       .to = to,
	                                       .op = op,
	                                       .words = convert_line },
	               e);
}

int qemu_img_resize(const struct qemu_img_open *image, uint64_t capacity, bool shrink, struct op *op,
                    struct err *e)
{
	demand(image->fd >= 0 && op, e);
	return job_run(&(struct qemu_img_job){ .to = image,
	                                       .capacity = capacity,
	                                       .shrink = shrink,
	                                       .op = op,
	                                       .words = resize_line },
	               e);
}
