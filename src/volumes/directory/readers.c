/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Readers: processes that look at a directory's names and read image headers, closed in, some at once. Guests
 * wrote those headers: should one bring its reader down, it costs that volume's facts and nothing else. So
 * nothing that a reader says is believed beyond what the worker can check: a record is that of the name it
 * was asked for, and lies in that pool's directory.
 *
 * Names are given out in portions by a counter in shared memory; what has become of each comes back there.
 * Records go to a memfd, one a reader, portion by portion: entries, then their text.
 */
#include "volumes/directory/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/mountinfo.h"
#include "base/sandbox.h"
#include "base/util.h"

enum {
	LOCAL_READERS = 4,    /* at most, and no more than processors */
	REMOTE_READERS = 16,  /* they wait for another host, not for each other */
	WORTH_A_READER = 128, /* names, on a local disk */
	PORTION = 64,         /* names */
	OUTPUTS = 200,        /* readers in all: those that die are followed by others */
	MOMENT = 50,          /* ms */
	/* ms, with what is no part of the pool's filesystem; or an eighth of what is left */
	PATIENCE_ELSEWHERE = 3000,
	KNOWN_SILENT = 4,     /* what had no answer last time gets that part of it */
	PATIENCE_OWN = 10000, /* ms; or a quarter */
	NO_GROUP = 65534,
};

/* What readers and worker share. A reader may write anything into it: the worker uses each number only after
 * it has been compared with what it knows itself. */
struct readers_shared {
	_Atomic uint32_t next; /* the first name that nobody has been given */
	uint32_t portion;
	uint32_t busy[REMOTE_READERS]; /* which name each is at, and one more; 0: none */
	struct look_outcome outcomes[];
};

/* What one reader has written: first a file that both have open, later its content, mapped. */
struct output {
	int fd;
	const char *map;
	size_t len;
};

/* A reader, from outside. pid -1: none. */
struct seat {
	pid_t pid;
	int pidfd;
	int file;       /* for who is left behind, see stuck.h; or -1 */
	uint32_t at;    /* shared->busy, as it was seen */
	uint64_t since; /* clock_ms() */
};

struct readers {
	struct look *k;
	const struct name *names;
	size_t n, size; /* size: of the shared memory */
	struct readers_shared *shared;
	struct output outputs[OUTPUTS + 1]; /* from 1 */
	unsigned noutputs, crew;
	struct seat seats[REMOTE_READERS];
	bool following;      /* links that lead out, with the eyes of k */
	struct buf expected; /* what a record has to begin with */
};

/* ---- in a reader ---- */

/* A reader closes all descriptors but the few that it needs, above all the way to the supervisor. */
static void keep_only(const int *keep, size_t n)
{
	for (unsigned from = 3, next; from; from = next + 1) {
		next = ~0U;
		for (size_t i = 0; i < n; i++)
			if (keep[i] >= (int)from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > from)
			syscall(SYS_close_range, from, next - 1, 0);
	}
}

/* Whoever put a link there sees what is behind it: the rights of that user alone, of no group. */
static bool take_eyes(uint32_t uid)
{
	if (geteuid() != 0 || uid == 0)
		return true;
	if (setgroups(0, NULL) < 0 && getgroups(0, NULL) != 0)
		return false;
	setfsgid(NO_GROUP);
	setfsuid(uid);
	return (uint32_t)setfsuid((uid_t)-1) == uid && (uint32_t)setfsgid((gid_t)-1) == NO_GROUP;
}

/* A portion's records: their entries, which say where in the file the text is, then the text. `at` is where
 * the file ends, in bytes. */
static bool write_portion(struct look *k, int fd, uint64_t *at, struct look_outcome *mine, size_t n)
{
	static const char zeroes[8];
	struct volindex_entry entries[PORTION];
	struct volindex_builder *b = &k->made;
	uint64_t text = *at + b->n * sizeof(entries[0]);

	buf_add(&b->own, zeroes, (8 - b->own.len % 8) % 8);
	for (size_t i = 0; i < n; i++)
		if (mine[i].verdict == VERDICT_NEW)
			mine[i].at = (uint32_t)((*at + mine[i].at * sizeof(entries[0])) / 8);
	for (size_t i = 0; i < b->n; i++) {
		entries[i] = b->items[i].e;
		entries[i].offset += text;
	}
	if (b->own.failed || file_write(fd, entries, b->n * sizeof(entries[0])) < 0 ||
	    file_write(fd, b->own.data, b->own.len) < 0)
		return false;
	*at = text + b->own.len;
	b->n = 0;
	buf_reset(&b->own);
	return true;
}

static bool is_undecided(const struct look_outcome *o)
{
	return o->verdict == VERDICT_NONE || o->verdict == VERDICT_READ;
}

/* One portion, in a reader. Outcomes are written to shared memory only after the records that they point to,
 * so that a reader that dies in between has said nothing. */
static bool take_portion(struct readers *r, unsigned number, uint32_t first, int fd, uint64_t *at)
{
	struct look_outcome mine[PORTION];
	uint32_t n = r->n - first < r->shared->portion ? (uint32_t)(r->n - first) : r->shared->portion;

	for (uint32_t i = 0; i < n; i++) {
		mine[i] = r->shared->outcomes[first + i];
		if (!is_undecided(&mine[i])) {
			mine[i].verdict = VERDICT_GONE; /* not ours to tell again */
			continue;
		}
		r->shared->busy[number] = first + i + 1;
		look_at(r->k, &r->names[first + i], true, &mine[i]);
		r->shared->busy[number] = 0;
		mine[i].output = (uint8_t)r->noutputs;
	}
	if (r->k->made.failed || !write_portion(r->k, fd, at, mine, n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (is_undecided(&r->shared->outcomes[first + i]))
			r->shared->outcomes[first + i] = mine[i];
	return true;
}

/* ---- links that lead out ---- */

static bool is_followed(const struct readers *r, size_t i)
{
	return r->shared->outcomes[i].verdict == VERDICT_FOLLOW && r->shared->outcomes[i].at == r->k->eyes;
}

static void follow_one(struct readers *r, unsigned number, size_t i, const char *text, int fd, uint64_t *at)
{
	struct look_outcome mine = { .output = (uint8_t)r->noutputs };

	r->shared->busy[number] = (uint32_t)i + 1;
	look_behind(r->k, r->names[i].text, text, &mine);
	r->shared->busy[number] = 0;
	mine.output = (uint8_t)r->noutputs;
	if (r->k->made.failed || !write_portion(r->k, fd, at, &mine, 1))
		_exit(1);
	r->shared->outcomes[i] = mine;
}

/* Links that begin elsewhere come last, when the directory is closed again: a reader that is left behind then
 * does not keep it mounted. */
static void follow_links(struct readers *r, unsigned number, bool sees, int fd, uint64_t *at)
{
	char **texts = calloc(r->n + 1, sizeof(*texts)), text[PATH_MAX];

	for (size_t i = 0; i < r->n && texts; i++) {
		if (!is_followed(r, i))
			continue;
		r->shared->busy[number] = (uint32_t)i + 1;
		if (!look_link(r->k, r->names[i].text, r->k->eyes, text, sizeof(text)))
			r->shared->outcomes[i].verdict = VERDICT_GONE;
		else if (*text != '/' || !sees)
			follow_one(r, number, i, sees ? text : NULL, fd, at);
		else if (!(texts[i] = strdup(text)))
			_exit(1);
		r->shared->busy[number] = 0;
	}
	close(r->k->dir);
	if (!texts)
		_exit(1);
	for (size_t i = 0; i < r->n; i++) {
		if (texts[i])
			follow_one(r, number, i, texts[i], fd, at);
		free(texts[i]);
	}
	free(texts);
	_exit(0);
}

/* A reader's whole life: keep the descriptors that it needs, take the rights that it is to have, close
 * itself in, and take portions until there are none. Rights come before the closing in, which would forbid
 * changing them. */
static _Noreturn void read_until_done(struct readers *r, unsigned number, int fd, pid_t parent)
{
	struct err e = { 0 };
	uint64_t at = 0;
	uint32_t first;
	bool sees;

	keep_only((const int[]){ r->k->dir, fd, r->seats[number].file }, 3);
	r->k->descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	sees = take_eyes(r->k->eyes);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after it: a change of user takes the signal away */
	if (getppid() != parent)
		_exit(1);
	volindex_builder_free(&r->k->made);
	if (sandbox_enter_reading(&e) < 0)
		_exit(1);
	/* One reader for all links of a user; names in portions otherwise. */
	if (r->following)
		follow_links(r, number, sees, fd, &at);
	while ((first = atomic_fetch_add(&r->shared->next, r->shared->portion)) < r->n)
		if (!take_portion(r, number, first, fd, &at))
			_exit(1);
	_exit(0);
}

/* ---- in the worker ---- */

/* How many readers are worth their while: on a local disk as many as processors and names, on a server as
 * many as it answers at once. */
static unsigned crew_for(const struct look *k, size_t n)
{
	cpu_set_t set;
	size_t most = LOCAL_READERS, useful = k->remote ? n : n / WORTH_A_READER + 1;

	if (k->remote)
		most = REMOTE_READERS;
	else if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) < LOCAL_READERS)
		most = (size_t)CPU_COUNT(&set);
	return (unsigned)(useful < most ? useful : most);
}

/* A reader that nobody waits for any more goes as soon as the kernel lets it. */
static void leave(struct seat *s)
{
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
	if (s->pidfd >= 0)
		close(s->pidfd);
	if (s->file >= 0)
		close(s->file);
	s->pid = s->pidfd = s->file = -1;
}

/* Start a reader in a seat, with an output file of its own. The number of outputs is the limit of how many
 * there ever are. */
static int start_one(struct readers *r, unsigned number, struct err *e)
{
	pid_t self = getpid();
	int fd = memfd_create("records", MFD_CLOEXEC);
	struct seat *s = &r->seats[number];

	if (fd < 0)
		return err_sys(e, errno, "cannot make room for a reader of image headers");
	r->outputs[++r->noutputs] = (struct output){ .fd = fd };
	r->shared->busy[number] = 0;
	*s = (struct seat){ .pidfd = -1, .file = stuck_file(&r->k->stuck) };
	s->pid = fork();
	if (s->pid == 0)
		read_until_done(r, number, fd, self);
	if (s->pid > 0)
		s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	if (s->pidfd >= 0)
		return 0;
	err_sys(e, errno, "cannot start a reader of image headers");
	leave(s);
	return -1;
}

/* As many as can be; one must be. */
static int start_crew(struct readers *r, struct err *e)
{
	atomic_store(&r->shared->next, 0);
	for (unsigned i = 0; i < REMOTE_READERS; i++)
		r->seats[i] = (struct seat){ -1, -1, -1, 0, 0 };
	for (unsigned i = 0; i < r->crew && r->noutputs < OUTPUTS; i++)
		if (start_one(r, i, e) < 0)
			return i > 0 ? 0 : -1;
	return 0;
}

/* Every name has a verdict; those that follow links come later. */
static bool is_finished(const struct readers *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_undecided(&r->shared->outcomes[i]))
			return false;
	return true;
}

struct readers *readers_start(struct look *k, const struct name *names, size_t n,
                              const struct look_outcome *known, struct err *e)
{
	demand_or(k && n < UINT32_MAX, NULL);

	struct readers *r = calloc(1, sizeof(*r));

	if (!r) {
		err_set(e, ERR_NO_MEMORY, "cannot read image headers: out of memory");
		return NULL;
	}
	*r = (struct readers){ .k = k,
		               .names = names,
		               .n = n,
		               .size = sizeof(*r->shared) + n * sizeof(struct look_outcome),
		               .crew = crew_for(k, n) };
	r->shared = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED) {
		err_sys(e, errno, "cannot share memory with readers of image headers");
		free(r);
		return NULL;
	}
	/* About four portions for each, so that one with large images does not keep the others waiting. */
	r->shared->portion = (uint32_t)(n / r->crew / 4 < PORTION ? n / r->crew / 4 + 1 : PORTION);
	if (known)
		memcpy(r->shared->outcomes, known, n * sizeof(*known));
	for (unsigned i = 0; i < REMOTE_READERS; i++)
		r->seats[i] = (struct seat){ -1, -1, -1, 0, 0 };
	if (!is_finished(r) && start_crew(r, e) < 0) {
		readers_free(r);
		return NULL;
	}
	return r;
}

/* The file that a dead reader was at is at fault. If there was none there is no reason to try again. */
static int blame_name(struct readers *r, unsigned number, int status, struct err *e)
{
	uint32_t at = r->shared->busy[number];

	if (memory_took(0, NULL, status, 0)) /* it was no header's fault */
		return err_set(e, ERR_NO_MEMORY, "a reader of image headers %s",
		               memory_ending(0, NULL, status, 0));
	if (at > 0 && at <= r->n &&
	    (r->following ? is_followed(r, at - 1) : is_undecided(&r->shared->outcomes[at - 1]))) {
		r->shared->outcomes[at - 1].verdict = VERDICT_BROKEN;
		return 0;
	}
	return err_set(e, ERR_INTERNAL, "a reader of image headers %s", memory_ending(0, NULL, status, 0));
}

/* ---- one that gets no answer ---- */

/* Is the reader stuck in the storage? It is if it neither waits for the processor nor was stopped by
 * somebody. */
static bool sleeps(pid_t pid)
{
	char path[32], text[1024], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read_line(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	state = strrchr(text, ')');
	return state && state[1] == ' ' && (state[2] == 'D' || state[2] == 'S');
}

/* How long one entry may take: so long, but no more than its share of the time that is left. */
static uint64_t patience(const struct readers *r, unsigned most, unsigned share)
{
	uint64_t now = clock_ms(), deadline = r->k->op->deadline;
	uint64_t left = deadline > now ? (deadline - now) / share : 0;

	return left < MOMENT ? MOMENT : least(left, most);
}

static int is_at(const struct mount_entry *m, void *path)
{
	return streq(m->target, path);
}

/* Does the pool's directory itself answer? If not, the pool hangs, and so do we: whoever has started us says
 * so. */
static bool directory_answers(const struct readers *r)
{
	uint64_t began = clock_ms();
	struct statvfs s;

	fstatvfs(r->k->dir, &s);
	return clock_ms() - began < MOMENT;
}

/* What is behind a link, or mounted there, is somewhere else: the pool is well without it. A file of the
 * pool's own gets more time, and is given up only while the directory answers. */
static bool is_given_up(struct readers *r, struct seat *s, uint64_t now)
{
	const char *name = r->names[s->at - 1].text;
	uint64_t waited = (now - s->since) * (cache_is_silent(r->k, name) ? KNOWN_SILENT : 1);
	bool elsewhere;

	if (waited < patience(r, PATIENCE_ELSEWHERE, 8) || !sleeps(s->pid))
		return false;
	elsewhere = r->following || mountinfo_each(is_at, (void *)(uintptr_t)look_path(r->k, name), NULL) > 0;
	if (!elsewhere && waited < patience(r, PATIENCE_OWN, 4))
		return false;
	if (elsewhere || directory_answers(r))
		return true;
	s->since = clock_ms();
	return false;
}

/* See how long a reader has been at one name, and give up the name if that is too long. The reader is left
 * behind, because nothing ends a process that waits for storage. */
static void look_after(struct readers *r, unsigned number)
{
	struct seat *s = &r->seats[number];
	uint32_t at = r->shared->busy[number];
	uint64_t now = clock_ms();

	if (at == 0 || at > r->n || at != s->at) {
		if (at != s->at)
			look_goes_on(r->k, at, r->n);
		s->at = at;
		s->since = now;
		return;
	}
	if (!is_given_up(r, s, now) || r->shared->busy[number] != at ||
	    !stuck_hold(&r->k->stuck, s->file, look_path(r->k, r->names[at - 1].text)))
		return;
	r->shared->outcomes[at - 1] = (struct look_outcome){ .verdict = VERDICT_STUCK,
		                                             .behind = r->following };
	leave(s);
}

/* A reader has ended. Status 0: it found no more names. */
static int reap_reader(struct readers *r, unsigned number, struct err *e)
{
	struct seat *s = &r->seats[number];
	int status = 0;

	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	s->pid = -1;
	leave(s);
	return status != 0 ? blame_name(r, number, status, e) : 0;
}

/* Until all seats are empty. It wakes at the end of a reader, and from time to time to see whether one is
 * stuck: the kernel tells nobody of that. */
static int wait_for_crew(struct readers *r, struct err *e)
{
	struct pollfd fds[REMOTE_READERS];
	int rc = 0;

	for (;;) {
		unsigned n = 0;

		for (unsigned i = 0; i < REMOTE_READERS; i++) {
			fds[i] = (struct pollfd){ .fd = r->seats[i].pid > 0 ? r->seats[i].pidfd : -1,
				                  .events = POLLIN };
			n += fds[i].fd >= 0;
		}
		if (n == 0)
			return rc;
		if (poll(fds, REMOTE_READERS,
		         (int)(patience(r, PATIENCE_ELSEWHERE, 8) / (2 * KNOWN_SILENT))) < 0)
			continue;
		for (unsigned i = 0; i < REMOTE_READERS; i++) {
			if (fds[i].fd >= 0 && fds[i].revents && reap_reader(r, i, e) < 0)
				rc = -1;
			else if (r->seats[i].pid > 0)
				look_after(r, i);
		}
	}
}

/* Records are read where they lie. Readers that have ended cannot change them any more; one that is left
 * behind has closed its file, or is not believed anyway. */
static int map_outputs(struct readers *r, struct err *e)
{
	for (unsigned i = 1; i <= r->noutputs; i++) {
		struct output *o = &r->outputs[i];
		off_t len = o->fd >= 0 ? lseek(o->fd, 0, SEEK_END) : 0;
		void *map = len > 0 ? mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED | MAP_POPULATE, o->fd, 0)
		                    : NULL;

		if (map == MAP_FAILED)
			return err_sys(e, errno, "cannot take over what was read of image headers");
		if (o->fd >= 0)
			close(o->fd);
		o->fd = -1;
		if (map)
			*o = (struct output){ -1, map, (size_t)len };
	}
	return 0;
}

/* One process looks at the links of a user, user after user. A process that is left behind is followed by
 * another one. */
static int follow_all(struct readers *r, struct err *e)
{
	size_t i = 0;

	r->following = true;
	while (i < r->n) {
		struct look_outcome *o = &r->shared->outcomes[i];

		if (o->verdict != VERDICT_FOLLOW) {
			i++;
		} else if (r->noutputs >= OUTPUTS || !stuck_has_room(&r->k->stuck)) {
			*o = (struct look_outcome){ .verdict = VERDICT_LEFT, .behind = true };
		} else {
			r->k->eyes = o->at;
			if (start_one(r, 0, e) < 0 || wait_for_crew(r, e) < 0 || map_outputs(r, e) < 0)
				return -1;
		}
	}
	r->k->eyes = 0;
	return 0;
}

/* Their records are ours to make. After too many deaths it goes on without reading. */
static void tell_rest(struct readers *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct look_outcome *o = &r->shared->outcomes[i];

		if (is_undecided(o))
			look_at(r->k, &r->names[i], false, o);
		if (o->verdict == VERDICT_STUCK || o->verdict == VERDICT_LEFT)
			look_silent(r->k, &r->names[i], o->behind || !r->k->remote, o);
		else if (o->verdict == VERDICT_BROKEN || o->verdict == VERDICT_FOLLOW || is_undecided(o))
			look_broken(r->k, r->names[i].text, o);
	}
}

int readers_finish(struct readers *r, struct err *e)
{
	bool finished = false;

	while (!finished) {
		if (wait_for_crew(r, e) < 0 || map_outputs(r, e) < 0)
			return -1;
		finished = is_finished(r) || r->noutputs >= OUTPUTS;
		if (!finished && start_crew(r, e) < 0)
			return -1;
	}
	if (follow_all(r, e) < 0)
		return -1;
	tell_rest(r);
	return 0;
}

const struct look_outcome *readers_outcome(const struct readers *r, size_t i)
{
	require_or(i < r->n, NULL);
	return &r->shared->outcomes[i];
}

/* ---- what a reader says ---- */

/* What must stand in the record at this place, as line_str() would write it. */
static void expect(struct readers *r, const char *key, const char *value)
{
	buf_reset(&r->expected);
	buf_addc(&r->expected, ' ');
	line_str(&r->expected, key, value);
	buf_addc(&r->expected, ' ');
}

/* Is this next? Moves on to the space behind it. */
static bool begins_with(struct readers *r, const char **at, const char *end, const char *key,
                        const char *value)
{
	expect(r, key, value);
	if (r->expected.failed || (size_t)(end - *at) <= r->expected.len ||
	    memcmp(*at, r->expected.data, r->expected.len) != 0)
		return false;
	*at += r->expected.len - 1;
	return true;
}

/* A record is taken only if it is one line, of that name and that type of path: nothing that would make
 * somebody work on another file. */
static bool is_record_of(struct readers *r, const char *name, const char *record, size_t len)
{
	static const char *const types[] = { "file", "dir", "block", "network", "netdir" };
	const char *at = record + 1, *end = record + len;
	bool typed = false;

	if (len < 3 || len > LINE_MAX_BYTES || record[0] != '-' || memchr(record, '\n', len) != end - 1 ||
	    !begins_with(r, &at, end, "name", name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types) && !typed; i++)
		typed = begins_with(r, &at, end, "type", types[i]);
	return typed && begins_with(r, &at, end, "path", buf_str(&r->k->path)) &&
	       (begins_with(r, &at, end, "key", buf_str(&r->k->path)) || (size_t)(end - at) < 5 ||
	        memcmp(at, " key=", 5) != 0);
}

const char *readers_record(struct readers *r, size_t i, struct volindex_entry *e)
{
	require_or(i < r->n, NULL);
	demand_or(e, NULL);

	const struct look_outcome *o = &r->shared->outcomes[i];
	const struct output *out = &r->outputs[o->output];
	struct look *k = r->k;

	if (o->output == 0 || o->output > r->noutputs || (uint64_t)o->at * 8 + sizeof(*e) > out->len)
		return NULL;
	memcpy(e, out->map + (size_t)o->at * 8, sizeof(*e));
	if (e->offset > out->len || e->len > out->len - e->offset)
		return NULL;
	look_path(k, r->names[i].text);
	if (k->path.failed || !is_record_of(r, r->names[i].text, out->map + e->offset, e->len))
		return NULL;
	e->name = hash_text(k->seed, r->names[i].text);
	e->path = hash_text(k->seed, k->path.data);
	e->key = 0;
	return out->map + e->offset;
}

void readers_free(struct readers *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < REMOTE_READERS; i++)
		leave(&r->seats[i]);
	for (unsigned i = 1; i <= r->noutputs; i++) {
		if (r->outputs[i].fd >= 0)
			close(r->outputs[i].fd);
		if (r->outputs[i].map)
			munmap((void *)(uintptr_t)r->outputs[i].map, r->outputs[i].len);
	}
	munmap(r->shared, r->size);
	buf_free(&r->expected);
	free(r);
}
