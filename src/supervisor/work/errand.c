/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How a worker that was forked ahead is told what to do. Its copy of our memory is an old one, so it is told
 * everything that its tasks read: what an operation sees of pools is in struct pool_view, struct operation
 * and struct volume_work. Each is texts, then bytes without a pointer, and is told whole, so that a field
 * that is added is told, too. The descriptors that its tasks keep go along, and get the numbers that they
 * have here.
 */
#include "supervisor/work/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "backends/identity.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "pool/xml.h"

#define INDEX_FILES 2 /* base and overlay */
#define TOLD_FILES  6
#define NO_TEXT     UINT32_MAX

/* ---- what is told ---- */

/* Where in a struct its texts end and its bytes begin, and where those end. */
struct shape {
	size_t bytes, end;
};
#define SHAPE(type, first, end)                                                                              \
	{                                                                                                    \
		offsetof(type, first), end                                                                   \
	}
static const struct shape view_shape = SHAPE(struct pool_view, type, offsetof(struct pool_view, index)),
			  operation_shape = SHAPE(struct operation, build, offsetof(struct operation, only)),
			  work_shape = SHAPE(struct volume_work, xml_len, offsetof(struct volume_work, sup));
_Static_assert(offsetof(struct pool_view, type) % sizeof(char *) == 0 &&
                       offsetof(struct operation, build) % sizeof(char *) == 0 &&
                       offsetof(struct volume_work, xml_len) % sizeof(char *) == 0,
               "texts come first");
_Static_assert(offsetof(struct operation, only) - offsetof(struct operation, build) ==
                               4 * sizeof(bool) + sizeof(unsigned) + 4 * sizeof(int) &&
                       offsetof(struct volume_work, sup) - offsetof(struct volume_work, xml_len) ==
                               4 * sizeof(bool) + sizeof(unsigned) + 2 * sizeof(size_t) +
                                       3 * sizeof(uint64_t) + 2 * sizeof(int) + sizeof(uid_t) + sizeof(gid_t),
               "a byte that is told and that nobody has written");

/* The rest comes behind it, in this order: the pool, the other pool of a copy, the work, the operations,
 * the names of `only`, the other pools. */
struct told {
	uint32_t size; /* of all, with this */
	struct told_task {
		int (*run)(struct worker_io *io, void *arg, struct err *e);
		const char *what; /* static, as in every task */
		uint64_t timeout;
		bool prompt;
	} task, then;
	bool has_input, has_work, has_operation, has_next, has_only, has_others;
	uint32_t only, others; /* how many; no names at all are not the same as none that were given */
	int files[TOLD_FILES]; /* their numbers here */
	uint32_t nfiles;
	uint32_t nindex; /* behind them, those of the pool's index */
	uint32_t log;    /* of log_levels() */
	uint64_t kills;  /* of memory_watch() */
};

static void tell_text(struct buf *b, const char *text)
{
	uint32_t len = text ? (uint32_t)strlen(text) : NO_TEXT;

	buf_add(b, &len, sizeof(len));
	if (text)
		buf_add(b, text, len + (size_t)1);
}

static void tell_struct(struct buf *b, const struct shape *shape, const void *of)
{
	const char *const *texts = of;

	for (size_t i = 0; i < shape->bytes / sizeof(*texts); i++)
		tell_text(b, texts[i]);
	buf_add(b, (const char *)of + shape->bytes, shape->end - shape->bytes);
}

/* The names that the operation is to look at. */
static uint32_t tell_only(struct buf *b, const struct operation *o)
{
	uint32_t n = 0;

	for (; o && o->only && o->only[n]; n++)
		tell_text(b, o->only[n]);
	return n;
}

static void tell_task(struct told_task *told, const struct task *task)
{
	told->run = task->run;
	told->what = task->what;
	told->timeout = task->timeout;
	told->prompt = task->prompt;
}

bool errand_tell(struct buf *b, const struct task *task, const struct errand *errand,
                 const struct pool_views *others)
{
	demand_or(b && task && (errand->work || errand->operation) && others, false);

	const struct volume_work *work = errand->work;
	const struct pool_view *pool = work ? work->pool : errand->operation->pool;
	const struct operation *next = errand->next, *last = next ? next : errand->operation;
	struct told told;

	memset(&told, 0, sizeof(told)); /* between the members, too */
	tell_task(&told.task, task);
	if (task->then)
		tell_task(&told.then, task->then);
	told.has_input = work && work->input;
	told.has_work = work != NULL;
	told.has_operation = errand->operation != NULL;
	told.has_next = next != NULL;
	told.has_only = last && last->only;
	told.has_others = others->list != NULL;
	told.others = (uint32_t)others->n;
	told.log = log_levels();
	told.kills = memory_watch();
	for (const int *fd = task->keep; fd && *fd >= 0; fd++) {
		if (told.nfiles == TOLD_FILES - INDEX_FILES)
			return false;
		told.files[told.nfiles++] = *fd;
	}
	while (told.nindex < INDEX_FILES && view_index(pool) && pool->index_files[told.nindex] >= 0) {
		told.files[told.nfiles + told.nindex] = pool->index_files[told.nindex];
		told.nindex++;
	}
	buf_add(b, &told, sizeof(told));
	tell_struct(b, &view_shape, pool);
	if (told.has_input)
		tell_struct(b, &view_shape, work->input);
	if (told.has_work)
		tell_struct(b, &work_shape, work);
	if (told.has_operation)
		tell_struct(b, &operation_shape, errand->operation);
	if (told.has_next)
		tell_struct(b, &operation_shape, next);
	told.only = tell_only(b, last);
	for (size_t i = 0; i < others->n; i++)
		tell_struct(b, &view_shape, &others->list[i]);
	if (b->failed || b->len > ERRAND_LIMIT)
		return false;
	told.size = (uint32_t)b->len;
	memcpy(b->data, &told, sizeof(told));
	return true;
}

/* ---- in the worker ---- */

/* What it is told, and what has been read of it. It stays until the next is told. */
struct told_rest {
	const char *at, *end;
};

/* Only the supervisor writes there: that something is missing is a fault of ours. */
static const void *hear_bytes(struct told_rest *r, size_t n)
{
	const void *at = r->at;

	if ((size_t)(r->end - r->at) < n)
		_exit(1);
	r->at += n;
	return at;
}

static const char *hear_text(struct told_rest *r)
{
	uint32_t len;

	memcpy(&len, hear_bytes(r, sizeof(len)), sizeof(len));
	return len == NO_TEXT ? NULL : hear_bytes(r, len + (size_t)1);
}

static void hear_struct(struct told_rest *r, const struct shape *shape, void *into)
{
	const char **texts = into;

	for (size_t i = 0; i < shape->bytes / sizeof(*texts); i++)
		texts[i] = hear_text(r);
	memcpy((char *)into + shape->bytes, hear_bytes(r, shape->end - shape->bytes),
	       shape->end - shape->bytes);
}

/* Memory that is there as long as the worker is. */
static void *room_for(size_t n, size_t size)
{
	void *room = calloc(n, size);

	if (!room)
		_exit(1);
	return room;
}

/* All that the tasks read; nothing of it is in memory that the supervisor had before. */
struct given {
	char *rest; /* as it came */
	struct index_file index[INDEX_FILES];
	struct pool_view pool, input;
	struct volume_work work;
	struct operation operation, next;
	struct pool_views others;
	const char **only;
	/* the supervisor's pools when it forked. Nobody looks at them: their memory is not lost, for who
	 * counts what is */
	struct pool *past;
};

static void hear_operation(struct told_rest *r, struct operation *o, struct given *g, struct supervisor *s)
{
	hear_struct(r, &operation_shape, o);
	o->sup = s;
	o->pool = &g->pool;
}

/* task and then are the worker's own, and are filled in. Returns the type of their pool. */
static enum pool_type hear_all(struct told_rest *r, const struct told *told, struct given *g,
                               struct task *task, struct task *then)
{
	struct supervisor *s = task->arg;

	log_set_levels(told->log);
	memory_watched(told->kills);
	hear_struct(r, &view_shape, &g->pool);
	if (told->has_input)
		hear_struct(r, &view_shape, &g->input);
	if (told->has_work)
		hear_struct(r, &work_shape, &g->work);
	g->work.sup = s;
	g->work.pool = &g->pool;
	g->work.input = told->has_input ? &g->input : NULL;
	if (told->has_operation)
		hear_operation(r, &g->operation, g, s);
	if (told->has_next)
		hear_operation(r, &g->next, g, s);
	if (told->has_only) {
		g->only = room_for(told->only + (size_t)1, sizeof(*g->only));
		for (uint32_t i = 0; i < told->only; i++)
			g->only[i] = hear_text(r);
		*(told->has_next ? &g->next.only : &g->operation.only) = g->only;
	}
	if (told->has_others)
		g->others.list = room_for(told->others + (size_t)1, sizeof(*g->others.list));
	for (; g->others.n < told->others; g->others.n++)
		hear_struct(r, &view_shape, &g->others.list[g->others.n]);
	g->operation.others = g->others;
	*task = (struct task){ .what = told->task.what,
		               .run = told->task.run,
		               .timeout = told->task.timeout,
		               .prompt = told->task.prompt,
		               .arg = told->has_work ? (void *)&g->work : (void *)&g->operation };
	*then = (struct task){ .what = told->then.what,
		               .run = told->then.run,
		               .timeout = told->then.timeout,
		               .prompt = told->then.prompt,
		               .arg = &g->next };
	return g->pool.type;
}

/* The head, with the descriptors, which are numbered as they come. False: the supervisor has gone, or wants
 * no worker. */
static bool receive_head(int fd, struct told *told, int *files)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(TOLD_FILES * sizeof(int))];
	} control;
	struct iovec room = { told, sizeof(*told) };
	struct msghdr m = {
		.msg_iov = &room, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n;

	while ((n = recvmsg(fd, &m, MSG_WAITALL | MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(*told))
		return false;
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	size_t came = head ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

	if (came != told->nfiles + told->nindex)
		return false;
	if (came)
		memcpy(files, CMSG_DATA(head), came * sizeof(int));
	return true;
}

/* The descriptors get the numbers that they have in the supervisor. Its socket makes way if it has one of
 * them; so do they for each other. Returns the socket's number, or -1. */
static int renumber(int fd, const struct told *told, int *files)
{
	int above = fd;

	for (uint32_t i = 0; i < told->nfiles; i++) {
		if (mountinfo_kept() == told->files[i])
			mountinfo_forget();
		above = told->files[i] > above ? told->files[i] : above;
		above = files[i] > above ? files[i] : above;
	}
	if (told->nfiles && (fd = fcntl(fd, F_DUPFD_CLOEXEC, above + 1)) < 0)
		return -1;
	for (uint32_t i = 0; i < told->nfiles; i++)
		if ((files[i] = fcntl(files[i], F_DUPFD_CLOEXEC, above + 1)) < 0)
			return -1;
	for (uint32_t i = 0; i < told->nfiles; i++)
		if (dup3(files[i], told->files[i], O_CLOEXEC) < 0)
			return -1;
	return fd;
}

/* What every operation does, once before it counts: what it needs of the program and of its memory is there
 * then. */
static void rehearse(void)
{
	static const char text[] = "<pool type='dir'><name>a</name><uuid>8f6c0d1e-7f6b-4c1d-9f0e-0a1b2c3d4e5f"
				   "</uuid><source/><target><path>/a</path></target></pool>";
	cleanup_pool_def struct pool_def def = { 0 };

	places_now(NULL); /* which holds until something is mounted */
	xml_prepare();
	pool_read(&def, text, sizeof(text) - 1, "", NULL);
}

/* The list of volumes. The supervisor has looked at it. */
static void hear_index(struct given *g, const struct told *told, const int *files)
{
	for (uint32_t i = 0; i < told->nindex; i++) {
		struct index_file *f = &g->index[i];
		struct stat st;

		if (fstat(files[told->nfiles + i], &st) < 0)
			_exit(1);
		f->size = (size_t)st.st_size;
		f->map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, files[told->nfiles + i], 0);
		close(files[told->nfiles + i]);
		if (!(i ? volindex_lay : volindex_open)(&g->pool.index, f->map, f->size))
			_exit(1);
	}
}

static void unmap_index(struct index_file *f)
{
	if (f->map)
		munmap((void *)(uintptr_t)f->map, f->size);
}

/* Nothing is left of what the last operation was given. */
static void forget(struct given *g)
{
	struct pool *past = g->past;

	for (size_t i = 0; i < INDEX_FILES; i++)
		unmap_index(&g->index[i]);
	free(g->rest);
	free(g->only);
	free(g->others.list);
	*g = (struct given){ .past = past };
	worker_forget();
}

/* Once: of what the supervisor had when it forked nothing is kept busy, and no list of volumes is kept in
 * memory. */
static void leave_past(struct given *g, struct supervisor *s)
{
	for (struct pool *p = s->pools; p; p = p->next) {
		unmap_index(&p->volumes.base);
		unmap_index(&p->volumes.over);
	}
	g->past = s->pools;
	s->pools = NULL;
	s->jobs = NULL;
	s->requests = NULL;
	rehearse();
}

int errand_await(int fd, struct task *task, struct task *then)
{
	static struct given given;
	static bool again;
	struct supervisor *s = task->arg;
	int files[TOLD_FILES] = { 0 };
	struct told told;

	prctl(PR_SET_NAME, task->what);
	if (again)
		forget(&given);
	else
		leave_past(&given, s);
	again = true;
	if (!receive_head(fd, &told, files))
		_exit(0);
	size_t size = told.size - sizeof(told), done = 0;
	char *rest = given.rest = room_for(1, size);

	while (done < size) {
		ssize_t n = recv(fd, rest + done, size - done, MSG_WAITALL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		done += (size_t)n;
	}
	enum pool_type type = hear_all(&(struct told_rest){ rest, rest + size }, &told, &given, task, then);
	hear_index(&given, &told, files);
	/* what it says of filesystems that pools have mounted (read-only after an error) may be long past */
	if (pool_type_info(type)->mounts)
		mountinfo_forget();
	return renumber(fd, &told, files);
}

/* ---- on the way ---- */

bool errand_send(int fd, const struct buf *b)
{
	const struct told *told = (const void *)b->data;
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(TOLD_FILES * sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { b->data, b->len };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1 };
	size_t n = told->nfiles + told->nindex;

	if (n) {
		m.msg_control = &control;
		m.msg_controllen = (socklen_t)CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&m);
		*head = (struct cmsghdr){ .cmsg_len = (socklen_t)CMSG_LEN(n * sizeof(int)),
			                  .cmsg_level = SOL_SOCKET,
			                  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(head), told->files, n * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)b->len;
}
