/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Operations on volumes, in their workers: the backend does its part, telling how far it is.
 *
 * The volume is the one that the index had when the job was let in; what is there now the backend finds out,
 * and refuses what it does not know. A descriptor that a client has passed is opened and looked at here and
 * nowhere else, for even that may block.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/util.h"
#include "supervisor/index/index.h"
#include "supervisor/work/work.h"
#include "system/target.h"
#include "volumes/directory/list.h"
#include "volumes/transfer.h"

#define PROGRESS_PAUSE 100 /* ms between two reports */

/* One operation as the backend sees it. */
struct volume_context {
	struct op op;
	struct worker_io *io;
	const struct volume_work *work;
	struct pool_def def;
	const struct backend *backend;
	struct volume volume; /* its strings point into line */
	struct line line;
	uint64_t told; /* clock_ms() of the last report */
};

static void send_volume_note(struct op *op, const char *text)
{
	const struct volume_context *c = op->arg;

	worker_send_note(c->io, text);
}

/* op->on_progress. Told now and then, and at the end: who reads it need not be woken for each block. */
static void send_progress(struct op *op, uint64_t done, uint64_t total)
{
	struct volume_context *c = op->arg;
	uint64_t now = clock_ms();
	struct buf b = BUF_INIT;

	if (c->told && now - c->told < PROGRESS_PAUSE && done < total)
		return;
	c->told = now;
	line_begin(&b, "-");
	line_num(&b, "progress", done);
	line_num(&b, "total", total);
	worker_send_record(c->io, &b);
}

/* What was made, and the definition, are for the look that this worker may go on to. */
static void volume_work_close(struct volume_context *c)
{
	worker_made = c->op.made;
	worker_definition_back(c->backend ? c->work->pool : NULL, &c->def);
}
#define cleanup_context __attribute__((cleanup(volume_work_close)))

/* Everything that a backend is given, and the volume that the order names, if it names one. */
static int volume_work_open(struct volume_context *c, struct worker_io *io, struct volume_work *work,
                            struct err *e)
{
	demand(work->pool && work->pool->xml && work->sup, e);

	const struct pool_view *p = work->pool;
	const struct supervisor *s = work->sup;

	*c = (struct volume_context){ .io = io, .work = work };
	c->op = (struct op){
		.deadline = io->deadline,
		.run_dir = s->options.run_dir,
		.secret_dirs = s->secret_dirs,
		.own_devices = s->options.own_devices,
		.index = view_index(p),
		.arg = c,
		.on_note = send_volume_note,
		.on_progress = send_progress,
		.operate = work->operate,
	};
	if (worker_definition(s, p, &c->def, e) < 0)
		return -1;
	c->backend = backend_find(p->type);
	if (!c->backend)
		return err_set(e, ERR_UNSUPPORTED, "this build has no pools of type \"%s\"",
		               pool_type_word(p->type));
	if (!work->record)
		return 0;
	if (line_parse_reply(work->record, strlen(work->record), &c->line, e) < 0)
		return -1;
	return volume_from_record(&c->line, &c->volume, e);
}

/* And what it holds is to be lost: nothing that another pool stands on. */
static int open_to_write(struct volume_context *c, struct worker_io *io, struct volume_work *work,
                         struct err *e)
{
	return volume_work_open(c, io, work, e) < 0
	               ? -1
	               : volume_check_ground(c->backend, work, &c->volume, &c->op, e);
}

/* The backend has no such operation. */
static int cannot(const struct volume_context *c, const char *what, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "volumes of %s pools cannot be %s", pool_type_word(c->def.type),
	               what);
}

/* What is made must be listed afterwards: a record is one line, and what is in it beside name and path has
 * its place. */
static int check_length(const struct volume_def *v, const struct pool_def *pool, struct err *e)
{
	const char *const texts[] = { v->name, v->name, pool->target.path };
	cleanup_buf struct buf quoted = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i])
			line_quote(&quoted, texts[i], strlen(texts[i]));
	if (!quoted.failed && quoted.len <= LINE_MAX_BYTES - VOLUME_RECORD_REST)
		return 0;
	return err_set(e, ERR_TOO_LONG,
	               "name and path of volume \"%.100s\" are too long together: it could not be listed",
	               v->name);
}

/* ---- create, delete, resize, wipe ---- */

/* A file is made, changed or removed, and as far as its maker knows no foreign bytes and no secret are read
 * for that: this worker may wait for more. */
static void work_leaves_nothing(const struct volume_context *c, bool known)
{
	worker_stays(known && c->backend->refresh == files_refresh);
}

/* What the document left out is the other volume's; a copy is never smaller than what is copied. */
static void complete(struct volume_def *v, const struct volume_context *c)
{
	const struct volume_work *work = c->work;

	v->has_capacity = work->has_capacity;
	v->has_allocation = work->has_allocation;
	if (work->record && v->capacity < c->volume.capacity) {
		v->capacity = c->volume.capacity;
		v->has_capacity = true;
	}
	if (!v->has_allocation)
		v->allocation = v->capacity;
}

/* Whether a path exists is not told to who may not look: a backing file is a volume that the lists show, or
 * it takes the level admin. */
static int check_backing(const struct volume_context *c, const struct volume_def *v, struct err *e)
{
	struct pool *found;
	size_t len;

	if (!v->backing.given || !v->backing.path || !c->work->operate)
		return 0;
	if (!strchr(v->backing.path, '/') && c->op.index &&
	    volindex_by_name(c->op.index, v->backing.path) >= 0)
		return 0;
	if (*v->backing.path == '/' && volume_lookup(c->work->sup, NULL, v->backing.path, &found, &len, NULL))
		return 0;
	return err_set(e, ERR_DENIED,
	               "the backing file %.200s is not known as a volume of an active pool (pool-refresh "
	               "looks again): to name any other file needs the level \"admin\"",
	               v->backing.path);
}

/* The document is our own canonical form by now (documents.c), so that it may be parsed here, where storage
 * can be reached. from: what is copied; or NULL. */
static int create_volume(struct volume_context *c, const struct vol_input *from, struct err *e)
{
	const struct volume_work *work = c->work;
	cleanup_volume_def struct volume_def v = { 0 };

	if (volume_def_read(&v, work->xml, work->xml_len, work->origin, &c->def,
	                    from ? VOLUME_FOR_CREATE_FROM : VOLUME_FOR_CREATE, e) < 0 ||
	    check_length(&v, &c->def, e) < 0)
		return -1;
	if (!from && check_backing(c, &v, e) < 0)
		return -1;
	complete(&v, c);
	work_leaves_nothing(c, !from && !v.encryption.format);
	return c->backend->vol_create(&c->def, &c->op, &v, from, work->flags, e);
}

int volume_work_create(struct worker_io *io, void *arg, struct err *e)
{
	demand(((struct volume_work *)arg)->xml, e);

	struct volume_work *work = arg;
	cleanup_context struct volume_context c = { 0 };
	cleanup_pool_def struct pool_def input = { 0 };
	const struct backend *from;

	if (volume_work_open(&c, io, work, e) < 0)
		return -1;
	if (!c.backend->vol_create)
		return cannot(&c, "created", e);
	if (!work->record)
		return create_volume(&c, NULL, e);
	if (worker_definition(work->sup, work->input, &input, e) < 0)
		return -1;
	from = backend_find(input.type);
	return create_volume(&c, &(struct vol_input){ &input, from ? from->vol_open : NULL, &c.volume }, e);
}

int volume_work_delete(struct worker_io *io, void *arg, struct err *e)
{
	demand(((const struct volume_work *)arg)->record, e);

	cleanup_context struct volume_context c = { 0 };

	if (open_to_write(&c, io, arg, e) < 0)
		return -1;
	if (!c.backend->vol_delete)
		return cannot(&c, "deleted", e);
	c.op.snapshots_too = ((const struct volume_work *)arg)->flags & VOL_SNAPSHOTS_TOO;
	if (c.op.snapshots_too && !c.backend->deletes_snapshots)
		return err_set(
			e, ERR_UNSUPPORTED,
			"delete-snapshots: the snapshots of volumes like \"%.300s\" do not go with them",
			c.volume.name);
	work_leaves_nothing(&c, true);
	return c.backend->vol_delete(&c.def, &c.op, &c.volume, e);
}

int volume_work_resize(struct worker_io *io, void *arg, struct err *e)
{
	demand(((const struct volume_work *)arg)->record, e);

	struct volume_work *work = arg;
	cleanup_context struct volume_context c = { 0 };

	if ((work->flags & VOL_SHRINK ? open_to_write : volume_work_open)(&c, io, work, e) < 0)
		return -1;
	work_leaves_nothing(&c, streq_null(c.volume.format, "raw"));
	return c.backend->vol_resize
	               ? c.backend->vol_resize(&c.def, &c.op, &c.volume, work->capacity, work->flags, e)
	               : cannot(&c, "resized", e);
}

int volume_work_wipe(struct worker_io *io, void *arg, struct err *e)
{
	demand(((const struct volume_work *)arg)->record, e);

	const struct volume_work *work = arg;
	cleanup_context struct volume_context c = { 0 };

	if (open_to_write(&c, io, arg, e) < 0)
		return -1;
	return c.backend->vol_wipe ? c.backend->vol_wipe(&c.def, &c.op, &c.volume, work->algorithm, e)
	                           : cannot(&c, "wiped", e);
}

/* ---- upload, download ---- */

/* The filesystems of real files that may say that they have no blocks. Others that say so have files that the
 * kernel makes up for whoever reads them, and judges whoever writes. */
static bool is_made_up(int fd)
{
	static const unsigned real[] = { 0x01021994 /* tmpfs */,     0x858458f6 /* ramfs */,
		                         0x958458f6 /* hugetlbfs */, 0x65735546 /* fuse */,
		                         0x6969 /* nfs */,           0xff534d42 /* cifs */,
		                         0xfe534d42 /* smb2 */,      0x01021997 /* 9p */ };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	if ((unsigned)fs.f_type == 0xde5e81e4U) /* efivarfs */
		return true;
	for (size_t i = 0; i < ARRAY_LEN(real); i++)
		if ((unsigned)fs.f_type == real[i])
			return false;
	return fs.f_blocks == 0;
}

/* A listening or datagram socket has no bytes to give. */
static bool is_connected_stream(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer), size = sizeof(int);
	int type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
	       getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

/* Is it of a kind whose bytes are a client's to give or to take? */
static bool can_be_used(int fd, mode_t mode)
{
	if (S_ISREG(mode))
		return !is_made_up(fd);
	return S_ISSOCK(mode) ? is_connected_stream(fd) : S_ISBLK(mode) || S_ISFIFO(mode);
}

/* A client's descriptor: looked at here, for even that may block. 1: it is to be used; 0: it is nothing that
 * is. */
static int check_passed(int fd, bool write, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot use the descriptor that was passed");
	if (!can_be_used(fd, st.st_mode))
		return 0;
	if ((flags & O_PATH) || (flags & O_ACCMODE) == (write ? O_RDONLY : O_WRONLY))
		return err_set(e, ERR_INVALID, "the descriptor that was passed cannot be %s",
		               write ? "written" : "read");
	return 1;
}

/* The bytes of the request are read here, and its descriptor with them; what else came along is dropped. */
static int take_passed(const struct volume_work *work, struct err *e)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	cleanup_free char *bytes = malloc(work->passed);
	struct iovec room = { bytes, work->passed };
	struct msghdr m = { .msg_iov = &room,
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = CMSG_LEN(sizeof(int)) };
	int fd = -1;

	if (!bytes)
		return err_set(e, ERR_NO_MEMORY, "cannot take the descriptor that was passed: out of memory");
	ssize_t n = recvmsg(work->stream, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	if (fd < 0 || (size_t)n != work->passed)
		return err_set(e, ERR_STATE, "the descriptor that was passed is gone");
	close(work->stream);
	return fd;
}

/* Where the bytes come from or go to: what was passed, or as if nothing had been. Then a download has the
 * connection; an upload would need a payload, which has not been announced. What is not used stays open until
 * this process ends. 1: what was passed is used. 0: the connection is. -1: nothing was there to take, or it
 * may not be used at all: *e says why. */
static int choose_stream(struct worker_io *io, const struct volume_work *work, bool upload,
                         struct transfer *t, struct err *e)
{
	int fd = take_passed(work, e), usable = fd < 0 ? -1 : check_passed(fd, !upload, e);
	struct buf b = BUF_INIT;

	if (fd < 0)
		return -1;
	t->passed = usable > 0;
	t->stream = t->passed ? fd : work->connection;
	line_begin(&b, "-");
	line_str(&b, "taken", t->passed ? "yes" : "unused");
	worker_send_record(io, &b);
	if (usable != 0 && work->connection >= 0)
		close(work->connection); /* nothing comes that way */
	if (usable == 0 && t->stream < 0)
		return err_set(e, ERR_INVALID,
		               "the descriptor that was passed is neither a file of a disk or memory, a "
		               "block device, a pipe nor a connected stream socket: send the bytes through a "
		               "pipe, or over the connection");
	return usable;
}

static int transfer_by(struct volume_context *c, struct transfer *t, bool upload, struct err *e)
{
	const struct backend *b = c->backend;

	if (b->vol_transfer)
		return b->vol_transfer(&c->def, &c->op, &c->volume, upload, t, e);
	return (upload ? transfer_upload : transfer_download)(b->vol_open, &c->def, &c->op, &c->volume, t, e);
}

/* Both directions are the same but for the last step. */
static int transfer_volume(struct worker_io *io, void *arg, bool upload, struct err *e)
{
	const struct volume_work *work = arg;
	struct transfer t = { .stream = work->stream,
		              .offset = work->offset,
		              .length = work->length,
		              .sparse = work->sparse,
		              .framed = work->flags & VOL_FRAMED,
		              .up_to_end = work->flags & VOL_UP_TO_END,
		              .passed = work->passed > 0,
		              .uid = work->uid,
		              .gid = work->gid };
	cleanup_context struct volume_context c = { 0 };
	struct buf b = BUF_INIT;

	if (t.passed && choose_stream(io, work, upload, &t, e) < 0)
		return -1;
	if ((upload ? open_to_write : volume_work_open)(&c, io, arg, e) < 0)
		return -1;
	if (!c.backend->vol_open)
		return cannot(&c, upload ? "uploaded" : "downloaded", e);
	if (transfer_by(&c, &t, upload, e) < 0)
		return -1;
	line_begin(&b, "-");
	line_num(&b, "bytes", t.done);
	worker_send_record(io, &b);
	return 0;
}

int volume_work_upload(struct worker_io *io, void *arg, struct err *e)
{
	return transfer_volume(io, arg, true, e);
}

int volume_work_download(struct worker_io *io, void *arg, struct err *e)
{
	return transfer_volume(io, arg, false, e);
}
