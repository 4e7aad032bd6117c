/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Readers of documents. A reader is forked before there is anything to read, closes itself in, and waits for
 * one word. The document lies by then in a piece of memory that only it and the supervisor have: other
 * workers are forked without, and the supervisor lets go of it when it has given the word.
 *
 * Whoever has parsed foreign bytes may be theirs. So a reader reads one document and ends, and has no part in
 * what is done about it; the next is forked when the supervisor has a moment.
 */
#include "supervisor/requests/documents.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "pool/grammar/grammar.h"
#include "pool/source.h"
#include "pool/xml.h"
#include "supervisor/config/registry.h"

#define MOMENT 2   /* ms: the next reader is not forked while this request is answered */
#define PAUSE  200 /* ms: and so much later if several operations are under way then */
#define ROOM   ((size_t)VOLUME_XML_LIMIT + POOL_XML_LIMIT) /* a volume's, and its pool's definition */

/* In the memory that both have. d's texts follow it, each with a NUL. */
struct letter {
	struct sent_document d;
	char text[ROOM + 2];
};

struct document_reader {
	struct supervisor *sup;
	struct worker *worker; /* who waits; or NULL */
	struct letter *letter;
	struct timer timer; /* then one is forked, */
	bool put_off;       /* unless much is under way, once */
};

/* ---- in the reader ---- */

static const char origin[] = "(socket)";

/* A definition: told as definitions from files are. */
static int read_pool_document(struct worker_io *io, const struct sent_document *d, struct err *e)
{
	struct pool_def def;
	struct config_item item = { .def = &def, .origin = origin };

	if (pool_read(&def, d->text, d->len, origin, e) < 0)
		return -1;
	/* one that lies in a directory like this is taken: it may have run for years, or its start says it */
	const char *twice = pool_device_twice(&def);
	int rc = twice ? err_set(e, ERR_INVALID, "pool \"%s\" names device %s twice", def.name, twice)
	               : backend_accept(&def, e);
	if (rc == 0)
		rc = config_print(&item, e);
	if (rc == 0)
		operation_send_definition(io, &item);
	config_item_free(&item);
	pool_def_free(&def);
	return rc;
}

/* What pools are looked for in. */
static int read_source_document(struct worker_io *io, const struct sent_document *d, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_pool_def struct pool_def def = { 0 };

	if (pool_source_read(&def, d->type, d->text, d->len, "(source)", e) < 0)
		return -1;
	if ((pool_type_info(d->type)->required & FIELD_HOST) && def.source.nhosts != 1)
		return err_set(e, ERR_INVALID,
		               "looking for %s pools needs exactly one host, the server to ask",
		               pool_type_word(d->type));
	pool_source_print(&def, &text);
	return worker_send_text(io, &text, e);
}

/* A volume, as one of its pool: the type decides what its document may say. */
static int read_volume_document(struct worker_io *io, const struct sent_document *d, struct err *e)
{
	cleanup_buf struct buf xml = BUF_INIT;
	cleanup_pool_def struct pool_def pool = { 0 };
	cleanup_volume_def struct volume_def v = { 0 };
	struct buf b = BUF_INIT;

	if (pool_read(&pool, d->pool, d->pool_len, "(pool)", e) < 0 ||
	    volume_def_read(&v, d->text, d->len, origin, &pool,
	                    d->is_copy ? VOLUME_FOR_CREATE_FROM : VOLUME_FOR_CREATE, e) < 0)
		return -1;
	line_begin(&b, "-");
	line_str(&b, "volume", v.name);
	line_str(&b, "capacity", v.has_capacity ? "yes" : "no");
	line_str(&b, "allocation", v.has_allocation ? "yes" : "no");
	volume_def_print_as_given(&v, &xml);
	/* without it the volume is not made, for want of memory: the supervisor says so */
	worker_send_record_with(io, &b, &xml);
	return 0;
}

/* A secret's definition; the value is not part of it. */
static int read_secret_document(struct worker_io *io, const struct sent_document *d, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct secret_def s;

	if (secret_read(&s, d->text, d->len, origin, e) < 0)
		return -1;
	secret_print(&s, &text);
	secret_def_free(&s);
	return worker_send_text(io, &text, e);
}

/* clang-format off */
static const struct {
	int (*read)(struct worker_io *io, const struct sent_document *d, struct err *e);
	enum grammar grammar;
} kinds[] = {
	[DOCUMENT_POOL]   = { read_pool_document,   GRAMMAR_POOL },
	[DOCUMENT_SOURCE] = { read_source_document, GRAMMAR_POOL },
	[DOCUMENT_VOLUME] = { read_volume_document, GRAMMAR_VOLUME },
	[DOCUMENT_SECRET] = { read_secret_document, GRAMMAR_SECRET },
};
/* clang-format on */

/* A volume is read once before it counts: what that needs of the program and of memory is there then. Nothing
 * of it is sent. */
static void read_beforehand(struct worker_io *io)
{
	static const char pool[] = "<pool type='dir'><name>a</name><target><path>/a</path></target></pool>",
			  volume[] = "<volume><name>a</name><capacity>0</capacity></volume>";

	xml_prepare();
	worker_hold(io); /* the answer, too: nothing here can hang, and the supervisor is woken once */
	read_volume_document(io,
	                     &(struct sent_document){ .text = volume,
	                                              .len = sizeof(volume) - 1,
	                                              .pool = pool,
	                                              .pool_len = sizeof(pool) - 1 },
	                     NULL);
	io->nheld = 0;
}

/* The reader's whole life: close itself in, wait for the word, read, answer. */
static int run_reader(struct worker_io *io, void *arg, struct err *e)
{
	const struct letter *letter = arg;
	const struct sent_document *d = &letter->d;
	ssize_t n;
	char word;

	if (sandbox_enter(e) < 0)
		return -1;
	read_beforehand(io);
	while ((n = read(io->fd, &word, 1)) < 0 && errno == EINTR)
		;
	if (n <= 0)
		_exit(0); /* the supervisor has gone, or wants none */
	if (d->validate && grammar_check(kinds[d->kind].grammar, d->text, d->len, origin, e) < 0)
		return -1;
	return kinds[d->kind].read(io, d, e);
}

/* ---- one that waits ---- */

/* The supervisor's own view of the memory: the reader keeps its own. */
static void letter_drop(struct document_reader *r)
{
	if (r->letter)
		munmap(r->letter, sizeof(*r->letter));
	r->letter = NULL;
}

/* It has ended with nothing to read. The next is forked when there is something. */
static void on_waited(struct worker *w, const struct err *e, bool left)
{
	struct document_reader *r = w->task.owner;

	(void)left;
	log_debug(LF_WORKER, "a reader of documents has ended: %s", e ? e->message : "it waited no longer");
	r->worker = NULL;
	letter_drop(r);
}

/* The memory is mapped before the fork, and kept from all later ones: other workers do not see what people
 * send. */
static int reader_fork(struct document_reader *r, struct err *e)
{
	struct task task = {
		.what = "parse", .timeout = NEVER, .run = run_reader, .on_done = on_waited, .owner = r
	};

	r->letter = mmap(NULL, sizeof(*r->letter), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->letter == MAP_FAILED) {
		r->letter = NULL;
		return err_sys(e, errno, "cannot start a reader of documents");
	}
	task.arg = r->letter;
	r->worker = worker_ahead(r->sup, &task, e);
	if (r->worker && madvise(r->letter, sizeof(*r->letter), MADV_DONTFORK) == 0)
		return 0;
	if (r->worker) {
		err_sys(e, errno, "cannot keep a document from other workers");
		worker_dismiss(r->worker);
		r->worker = NULL;
	}
	letter_drop(r);
	return -1;
}

/* Nothing is answered now: time to fork the next reader. Without memory for one the next document forks its
 * own. */
static void on_moment(struct timer *t)
{
	struct document_reader *r = t->owner;

	if (r->worker || r->sup->shutdown.on)
		return;
	if (!r->put_off && workers_busy(r->sup) > 1) {
		r->put_off = true;
		loop_arm(r->sup->loop, t, clock_ms() + PAUSE);
		return;
	}
	reader_fork(r, NULL);
}

/* Made for the first document. NULL: no memory. */
static struct document_reader *reader_of(struct supervisor *s)
{
	struct document_reader *r = s->reader ? s->reader : calloc(1, sizeof(*r));

	if (r && !s->reader) {
		r->sup = s;
		r->timer = (struct timer){ .on_expiry = on_moment, .owner = r };
		s->reader = r;
	}
	return r;
}

void documents_expect(struct supervisor *s)
{
	struct document_reader *r = reader_of(s);

	if (!r || r->worker || r->timer.armed || s->shutdown.on)
		return;
	r->put_off = false;
	loop_arm(s->loop, &r->timer, clock_ms() + MOMENT);
}

bool documents_own(const struct supervisor *s, pid_t pid)
{
	return s->reader && s->reader->worker && s->reader->worker->pid == pid;
}

void documents_renew(struct supervisor *s)
{
	struct document_reader *r = s->reader;

	if (!r || !r->worker)
		return;
	worker_dismiss(r->worker);
	r->worker = NULL;
	letter_drop(r);
	documents_expect(s);
}

void documents_free(struct supervisor *s)
{
	struct document_reader *r = s->reader;

	if (!r)
		return;
	loop_disarm(s->loop, &r->timer);
	if (r->worker)
		worker_drop(r->worker);
	letter_drop(r);
	free(r);
	s->reader = NULL;
}

/* ---- a document ---- */

/* Append it, with a NUL that the zeroed memory has already. */
static const char *copy_text(char **to, const char *text, size_t len)
{
	char *at = *to;

	if (len)
		memcpy(at, text, len);
	*to = at + len + 1;
	return at;
}

/* The texts go along; the pointers are right in both processes, because the mapping is at the same place. */
static void letter_write(struct letter *letter, const struct sent_document *d)
{
	char *to = letter->text;

	letter->d = *d;
	letter->d.text = copy_text(&to, d->text, d->len);
	letter->d.pool = copy_text(&to, d->pool, d->pool_len);
}

/* Give the document to the reader that waits. False: it has just died. It reads while the supervisor lets go
 * of the memory. */
static bool reader_takes(struct document_reader *r, const struct sent_document *d, const struct task *task)
{
	struct worker *w = r->worker;
	ssize_t given;

	letter_write(r->letter, d);
	r->worker = NULL;
	worker_assign(w, task);
	given = send(w->output.fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	letter_drop(r);
	if (given == 1)
		return true;
	worker_disown(w);
	return false;
}

struct worker *document_read(struct supervisor *s, const struct sent_document *d, const struct task *task,
                             struct err *e)
{
	demand_or(d && (d->text || d->len == 0) && (d->pool || d->pool_len == 0) && task && task->on_done &&
	                  !task->then,
	          NULL);

	struct document_reader *r = reader_of(s);

	if (!r || d->len > ROOM || d->pool_len > ROOM - d->len) {
		err_set(e, r ? ERR_TOO_LONG : ERR_NO_MEMORY, "cannot read the document: %s",
		        r ? "it is too long" : "out of memory");
		return NULL;
	}
	for (int tries = 0; tries < 2; tries++) {
		if (!r->worker && reader_fork(r, e) < 0)
			return NULL;
		struct worker *w = r->worker;
		if (reader_takes(r, d, task)) {
			documents_expect(s);
			return w;
		}
	}
	err_set(e, ERR_INTERNAL, "cannot read the document: its reader does not take it");
	documents_expect(s);
	return NULL;
}
