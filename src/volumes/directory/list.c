/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A directory's files as volumes. The files belong to guests: names and contents are foreign, anything may be
 * put in the way. Nothing but a regular file is opened, nothing that a file names is opened, and no single
 * file fails the refresh.
 *
 * The names are listed; each is looked at, by this process or, where that takes long or headers are to be
 * read, by some closed-in readers at once; what has become of them is put together, in order, with what the
 * last index said of those that have not changed.
 */
#include "volumes/directory/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/util.h"
#include "system/target.h"
#include "volumes/directory/parts.h"
#include "volumes/file/publish.h"
#include "volumes/file/room.h"
#include "volumes/pool_dir.h"

enum { LIST_BYTES = 256 * 1024 }; /* of a directory, in one call */
enum { BYTES_EACH = 1024 };       /* of memory, about, that an entry costs until it is in the index */
enum { STEPS_MOST = 128, STEPS_TIME = 1000 }; /* over an entry that the kernel cannot give: positions, ms */
enum { ALONE = 256 }; /* so few names are looked at without readers, unless there are headers to be read */

/* getdents64(2)'s own. */
struct dirent64_ {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	unsigned char type;
	char name[];
};

struct dir_listing {
	struct dir_listing *next;
	char bytes[] __attribute__((aligned(8)));
};

/* One refresh of a directory: the names, what has become of each, and the index in the making. */
struct refresh {
	const struct pool_def *def;
	const char *target;
	struct op *op;
	int dir;
	bool remote;
	struct dir_listing *listings; /* where the names are */
	struct name *names;
	size_t n, size;
	uint32_t *order; /* of the names, sorted */
	struct look_outcome *outcomes;
	struct look *look;
	struct readers *readers;
	struct volindex_builder volumes;
	unsigned swept;
	size_t met, mark_at; /* entries; which of them was marked last */
	size_t most;         /* entries; 0: as many as there are */
	uint64_t mark;       /* that one: a hash */
	unsigned nameless;   /* entries whose names are none */
	bool cut;            /* the kernel gives nothing behind such an entry */
};

static int list_no_memory(const struct refresh *r, struct err *e)
{
	return err_set(e, ERR_NO_MEMORY, "cannot list directory %s: out of memory", r->target);
}

/* ---- the names ---- */

/* The text stays where the listing is. */
static bool add_name(struct refresh *r, const char *text, unsigned char type)
{
	if (r->n == r->size) {
		size_t size = r->size ? r->size * 2 : 256;
		struct name *more = realloc(r->names, size * sizeof(*more));

		if (!more)
			return false;
		r->names = more;
		r->size = size;
	}
	r->names[r->n++] = (struct name){ text, type };
	return true;
}

/* A directory is as long as its server says, and some say the same for ever. Of entries that come in a circle
 * one that was marked comes again, if marks are set ever further apart (Brent's way to find a cycle). */
static bool comes_again(struct refresh *r, const struct dirent64_ *d)
{
	uint64_t hash = hash_text(r->look->seed, d->name) ^ (uint64_t)d->off;

	if (r->met && hash == r->mark)
		return true;
	if (++r->met >= 2 * r->mark_at) {
		r->mark_at = r->met;
		r->mark = hash;
	}
	return false;
}

/* May the listing go on? Not in a circle, and not beyond what this machine's memory can hold. */
static int is_endless(struct refresh *r, const struct dirent64_ *d, struct err *e)
{
	if (comes_again(r, d))
		return err_set(e, ERR_STORAGE,
		               "cannot list directory %s: it does not end, its entries come again and again",
		               r->target);
	if (r->most && r->met > r->most)
		return err_set(e, ERR_LIMIT,
		               "cannot list directory %s: it has more than %zu entries, too many for this "
		               "machine's memory",
		               r->target, r->most);
	return 0;
}

/* An entry of the directory. What is not finished is never a volume; if nobody will finish it, it goes. */
static bool take_dir_entry(struct refresh *r, const struct dirent64_ *d)
{
	if (streq(d->name, ".") || streq(d->name, ".."))
		return true;
	/* The last: it goes on behind a NUL. */
	if (!*d->name || strlen(d->name) > NAME_MAX ||
	    d->len > offsetof(struct dirent64_, name) + strlen(d->name) + 8) {
		r->nameless++;
		return true;
	}
	if (!publish_is_temporary(d->name))
		return add_name(r, d->name, d->type);
	r->swept += r->op->sweep && sweep_leftover(r->dir, d->name);
	return true;
}

/* Names that no file can have ("/" in it, too long) come from servers and damaged disks. The kernel gives up
 * there, and has no position behind the entry; often it is the next number. Where the medium fails instead,
 * so do the next numbers; one that takes its time to fail is not asked again. */
static long step_over_names(struct refresh *r, char *bytes, uint64_t until)
{
	int error = errno;
	off_t at = lseek(r->dir, 0, SEEK_CUR);

	for (int i = 1;
	     i <= STEPS_MOST && at >= 0 && (error == ENAMETOOLONG || error == EIO) && clock_ms() < until;
	     i++) {
		long len = lseek(r->dir, at + i, SEEK_SET) < 0
		                   ? -1
		                   : syscall(SYS_getdents64, r->dir, bytes, LIST_BYTES);

		if (len > 0 || (len == 0 && r->remote)) {
			r->nameless++;
			return len;
		}
	}
	errno = error;
	r->cut = error == ENAMETOOLONG;
	return r->cut ? 0 : -1;
}

static struct dir_listing *keep_listing(struct refresh *r, const char *bytes, size_t len)
{
	struct dir_listing *l = malloc(sizeof(*l) + len);

	if (!l)
		return NULL;
	l->next = r->listings;
	r->listings = l;
	memcpy(l->bytes, bytes, len);
	return l;
}

/* A name of the last index may be there although the directory does not list it: each is asked for by its
 * name. */
static int list_known(struct refresh *r, struct err *e)
{
	const struct volindex *x = r->op->index;
	struct volindex_walk walk = { 0 };
	char name[NAME_MAX + 1];

	r->nameless++;
	for (long i; x && (i = volindex_walk(x, &walk)) >= 0;) {
		size_t len;
		const char *record = volindex_record(x, (size_t)i, &len);
		bool named = record && volindex_name(record, len, name, sizeof(name));
		struct dir_listing *l = named ? keep_listing(r, name, strlen(name) + 1) : NULL;

		if (named && (!l || !add_name(r, l->bytes, DT_UNKNOWN)))
			return list_no_memory(r, e);
	}
	return 0;
}

/* List the directory in large pieces, which are kept: the names are not copied out of them. */
static int list_directory(struct refresh *r, struct err *e)
{
	static char bytes[LIST_BYTES] __attribute__((aligned(8)));

	r->most = memory_limit() / BYTES_EACH;
	for (;;) {
		uint64_t until = clock_ms() + STEPS_TIME;
		long len = syscall(SYS_getdents64, r->dir, bytes, LIST_BYTES);
		struct dir_listing *l;

		if (len < 0)
			len = step_over_names(r, bytes, until);
		if (len < 0)
			return err_sys(e, errno, "cannot list directory %s", r->target);
		if (len == 0)
			return r->cut ? list_known(r, e) : 0;
		l = keep_listing(r, bytes, (size_t)len);
		if (!l)
			return list_no_memory(r, e);
		for (long at = 0; at < len;) {
			const struct dirent64_ *d = (const void *)(l->bytes + at);

			if (is_endless(r, d, e) < 0)
				return -1;
			if (!take_dir_entry(r, d))
				return list_no_memory(r, e);
			at += d->len;
		}
		look_goes_on(r->look, 0, r->n);
	}
}

/* The names that were asked for, without listing the directory. Whoever asks may have got them from a
 * client: what is no plain name of an entry is passed over. */
static int list_some(struct refresh *r, struct err *e)
{
	for (const char *const *name = r->op->only; *name; name++)
		if (**name && !streq(*name, ".") && !streq(*name, "..") && !strchr(*name, '/') &&
		    !publish_is_temporary(*name) && !add_name(r, *name, DT_UNKNOWN))
			return list_no_memory(r, e);
	return 0;
}

/* ---- their order ---- */

/* A name, and eight bytes of it as a number: behind what all have in common, they mostly decide. */
struct keyed {
	uint64_t key;
	const char *text;
	uint32_t at;
};

/* How many bytes all names begin with ("vm-0001.qcow2", "vm-0002.qcow2"): those decide nothing. */
static size_t in_common(const struct refresh *r)
{
	size_t common = strlen(r->names[0].text);

	for (size_t i = 1; i < r->n; i++) {
		size_t k = 0;

		while (k < common && r->names[i].text[k] == r->names[0].text[k])
			k++;
		common = k;
	}
	return common;
}

/* The first eight bytes of a name as a number that compares as they do. */
static uint64_t key_of(const char *text)
{
	uint64_t key = 0;

	for (int i = 0; i < 8; i++) {
		key = key << 8 | (unsigned char)*text;
		text += *text != '\0';
	}
	return key;
}

static bool goes_before(const struct keyed *a, const struct keyed *b)
{
	return a->key != b->key ? a->key < b->key : strcmp(a->text, b->text) < 0;
}

/* Merge sort, bottom up, between two arrays. Returns the one that holds the result. */
static struct keyed *merge_sort(struct keyed *from, struct keyed *to, size_t n)
{
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t low = 0; low < n; low += 2 * width) {
			size_t middle = low + width < n ? low + width : n,
			       high = low + 2 * width < n ? low + 2 * width : n;
			size_t a = low, b = middle;

			for (size_t k = low; k < high; k++)
				to[k] = a < middle && (b >= high || !goes_before(&from[b], &from[a]))
				                ? from[a++]
				                : from[b++];
		}
		struct keyed *swap = from;
		from = to;
		to = swap;
	}
	return from;
}

/* Sort by the bytes of the names, as strcmp(3) does. A hundred thousand of them are sorted while readers
 * work; most comparisons are of two numbers that lie side by side. */
static int sort_names(struct refresh *r, struct err *e)
{
	struct keyed *room = calloc(2 * r->n + 1, sizeof(*room)), *sorted;
	size_t common = r->n ? in_common(r) : 0;

	r->order = calloc(r->n + 1, sizeof(*r->order));
	if (!room || !r->order) {
		free(room);
		return list_no_memory(r, e);
	}
	for (size_t i = 0; i < r->n; i++)
		room[i] = (struct keyed){ key_of(r->names[i].text + common), r->names[i].text, (uint32_t)i };
	sorted = merge_sort(room, room + r->n, r->n);
	for (size_t i = 0; i < r->n; i++)
		r->order[i] = sorted[i].at;
	free(room);
	return 0;
}

/* ---- looking at them ---- */

/* Is there something to do for a reader, or about one? */
static bool needs_reader(const struct look_outcome *o)
{
	return o->verdict == VERDICT_NONE || o->verdict == VERDICT_READ || o->verdict == VERDICT_FOLLOW ||
	       o->verdict == VERDICT_STUCK;
}

/* One that somebody still waits for is not looked at again. */
static void mark_stuck(struct refresh *r)
{
	for (size_t i = 0; i < r->n && r->look->stuck.n; i++)
		if (stuck_is(&r->look->stuck, look_path(r->look, r->names[i].text)))
			r->outcomes[i].verdict = VERDICT_STUCK;
}

/* Look at every name: few by ourselves, many by readers, and whatever has a header to be read by readers
 * alone. Names are sorted while they work. */
static int look_at_all(struct refresh *r, struct err *e)
{
	bool open = r->n > ALONE;

	r->outcomes = calloc(r->n + 1, sizeof(*r->outcomes));
	if (!r->outcomes)
		return list_no_memory(r, e);
	mark_stuck(r);
	for (size_t i = 0; i < r->n && r->n <= ALONE; i++) {
		if (r->outcomes[i].verdict == VERDICT_NONE)
			look_at(r->look, &r->names[i], false, &r->outcomes[i]);
		look_goes_on(r->look, i, r->n);
		open |= needs_reader(&r->outcomes[i]);
	}
	if (open)
		r->readers = readers_start(r->look, r->names, r->n, r->outcomes, e);
	if ((open && !r->readers) || sort_names(r, e) < 0 || (open && readers_finish(r->readers, e) < 0))
		return -1;
	for (size_t i = 0; i < r->n && open; i++)
		r->outcomes[i] = *readers_outcome(r->readers, i);
	for (size_t i = 1; i < r->n; i++) /* renamed while it was listed; or the server says it twice */
		if (streq(r->names[r->order[i]].text, r->names[r->order[i - 1]].text))
			r->outcomes[r->order[i - 1]].verdict = VERDICT_GONE;
	return r->look->made.failed ? list_no_memory(r, e) : 0;
}

/* ---- putting the index together ---- */

/* The entry that the index has for the i-th name, which is as it was; NULL: that cannot be right. */
static const struct volindex_entry *kept_entry(const struct refresh *r, size_t i)
{
	const struct volindex_entry *e = r->op->index ? volindex_entry(r->op->index, r->outcomes[i].at)
	                                              : NULL;

	return e && e->name == hash_text(r->look->seed, r->names[i].text) ? e : NULL;
}

/* Add the i-th name's record, if it is a volume. False: what its reader said cannot be right. */
static bool add_outcome(struct refresh *r, size_t i)
{
	const struct look_outcome *o = &r->outcomes[i];
	const struct volindex_builder *made = &r->look->made;
	const struct volindex_entry *kept;
	struct volindex_entry entry;
	const char *record;
	size_t len;

	if (o->verdict == VERDICT_KEPT) {
		kept = kept_entry(r, i);
		record = kept ? volindex_record(r->op->index, o->at, &len) : NULL;
		if (!record)
			return false;
		volindex_keep(&r->volumes, kept, record);
	} else if (o->verdict == VERDICT_NEW && o->output == 0) {
		if (o->at >= made->n)
			return false;
		volindex_keep(&r->volumes, &made->items[o->at].e,
		              made->own.data + made->items[o->at].e.offset);
	} else if (o->verdict == VERDICT_NEW) {
		record = readers_record(r->readers, i, &entry);
		if (!record)
			return false;
		volindex_keep(&r->volumes, &entry, record);
	}
	return true;
}

/* In the order of the names, as an index has them. */
static bool put_together(struct refresh *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!add_outcome(r, r->order[i]))
			return false;
	return true;
}

/* Some names among all those that the index has. What its base says of one, and is right, stands. */
static bool put_in(struct refresh *r)
{
	const struct volindex *x = r->op->index;

	r->volumes.over = x;
	for (size_t k = 0; k < r->n; k++) {
		size_t i = r->order[k];
		const struct look_outcome *o = &r->outcomes[i];

		volindex_overlay_until(&r->volumes, r->names[i].text);
		if (o->verdict == VERDICT_KEPT && o->at < x->base.n && kept_entry(r, i))
			continue;
		if (!add_outcome(r, i))
			return false;
		volindex_overlay_set(&r->volumes);
	}
	volindex_overlay_end(&r->volumes);
	return true;
}

/* Nothing has come, gone or changed. */
static bool is_unchanged(const struct refresh *r)
{
	size_t kept = 0;

	if (!r->op->index)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		if (r->outcomes[i].verdict == VERDICT_NEW ||
		    (r->op->only && r->outcomes[i].verdict != VERDICT_KEPT &&
		     volindex_by_name(r->op->index, r->names[i].text) >= 0))
			return false;
		kept += r->outcomes[i].verdict == VERDICT_KEPT;
	}
	return r->op->only || kept == r->op->index->n;
}

/* Records are taken apart again for an operation without on_index, which takes volumes one by one. */
static int tell_each(struct refresh *r, struct err *e)
{
	for (size_t i = 0; i < r->volumes.n; i++) {
		char copy[LINE_MAX_BYTES + 1];
		const struct volindex_item *item = &r->volumes.items[i];
		struct volume v;
		struct line l;

		memcpy(copy, item->text, item->e.len);
		if (line_parse_reply(copy, item->e.len - 1, &l, e) < 0 || volume_from_record(&l, &v, e) < 0)
			return -1;
		if (r->op->on_volume)
			r->op->on_volume(r->op, &v);
	}
	return 0;
}

/* A look at no names, at a time when nobody waits, is the one that folds. */
static bool is_to_be_folded(const struct op *op)
{
	return op->only && !op->only[0] && op->index && volindex_is_worn(op->index);
}

/* What was found goes to whoever asked: as an index, as "nothing has changed", or volume by volume. */
static int hand_over(struct refresh *r, struct err *e)
{
	if (r->op->on_index && is_unchanged(r) && !is_to_be_folded(r->op))
		return r->op->on_index(r->op, NULL, e);
	if (!(r->op->only && r->op->index ? put_in(r) : put_together(r)))
		return err_set(e, ERR_INTERNAL, "what was read of the files in %s makes no sense", r->target);
	if (!r->op->on_index || is_to_be_folded(r->op))
		volindex_fold(&r->volumes);
	if (r->volumes.failed)
		return list_no_memory(r, e);
	return r->op->on_index ? r->op->on_index(r->op, &r->volumes, e) : tell_each(r, e);
}

/* ---- what is said about them ---- */

/* One sentence for all entries of a kind: a directory with a million sockets does not fill the log. */
static void note(struct refresh *r, unsigned count, const char *what, const char *first)
{
	cleanup_buf struct buf b = BUF_INIT;

	line_quote(&b, first, strlen(first));
	op_note(r->op, "%.300s: %u entries %s, the first: %.64s", r->target, count, what, buf_str(&b));
}

static void tell_of(struct refresh *r, bool (*is_one)(const struct look_outcome *o, int which), int which,
                    const char *what)
{
	unsigned count = 0;
	size_t first = 0;

	for (size_t k = r->n; k-- > 0;)
		if (is_one(&r->outcomes[r->order[k]], which)) {
			first = r->order[k];
			count++;
		}
	if (count)
		note(r, count, what, r->names[first].text);
}

static bool has_verdict(const struct look_outcome *o, int which)
{
	return o->verdict == which;
}

/* A raw disk's first bytes are the guest's own. A header that turns up there may be meant for the host. */
static bool is_disguised(const struct look_outcome *o, int which)
{
	return o->disguised == which;
}

/* What the listing leaves out is said in a sentence for each kind, with the first name of it. */
static void note_skipped(struct refresh *r)
{
	/* clang-format off */
	static const struct { enum verdict verdict; const char *what; } skipped[] = {
		{ VERDICT_NAME,    "with control characters in the name, or not UTF-8, are no volumes" },
		{ VERDICT_LINK,    "that are links to nothing are no volumes" },
		{ VERDICT_SPECIAL, "that are FIFOs, sockets or character devices are no volumes" },
		{ VERDICT_LONG,    "whose facts do not fit in one line are not listed" },
	};
	/* clang-format on */

	if (r->swept)
		op_note(r->op, "%s: removed %u unfinished volumes, leftovers of operations that were cut off",
		        r->target, r->swept);
	if (r->nameless)
		op_note(r->op,
		        "%s: %u entries have names that no file can have (empty, too long, with / or NUL) "
		        "and are no volumes%s",
		        r->target, r->nameless, r->cut ? "; what is listed behind them may be missing" : "");
	for (size_t i = 0; i < ARRAY_LEN(skipped) && !r->op->only; i++)
		tell_of(r, has_verdict, (int)skipped[i].verdict, skipped[i].what);
	tell_of(r, is_disguised, 1,
	        "that were raw have another format now: if nobody here has put it there, a guest has written "
	        "that header");
}

/* ---- the refresh ---- */

/* The pool's sizes are those of the filesystem, and the directory's owner and mode are read with them. */
static int sizes_read(int fd, const char *target, struct pool_sizes *sizes, struct err *e)
{
	struct statvfs s;
	struct stat st;

	if (room_read(fd, &s, &sizes->available) < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot get the size of the filesystem at %s", target);
	sizes->has_perms = true;
	sizes->mode = st.st_mode & 07777;
	sizes->owner = st.st_uid;
	sizes->group = st.st_gid;
	sizes->capacity = (uint64_t)s.f_blocks * s.f_frsize;
	/* as libvirt counts: what is kept for others is not ours */
	sizes->allocation = sizes->capacity - sizes->available;
	return 0;
}

/* NFS, CIFS, and what FUSE, 9P and Ceph bring from elsewhere. */
static const uint32_t remote_kinds[] = {
	NFS_SUPER_MAGIC,
	(uint32_t)CIFS_SUPER_MAGIC,
	(uint32_t)SMB2_SUPER_MAGIC,
	FUSE_SUPER_MAGIC,
	V9FS_MAGIC,
	CEPH_SUPER_MAGIC,
	0,
};

static void refresh_free(struct refresh *r)
{
	readers_free(r->readers);
	look_free(r->look);
	while (r->listings) {
		struct dir_listing *l = r->listings;

		r->listings = l->next;
		free(l);
	}
	free(r->names);
	free(r->order);
	free(r->outcomes);
	volindex_builder_free(&r->volumes);
}

static int refresh(struct refresh *r, struct pool_sizes *sizes, struct err *e)
{
	r->remote = file_is_on(r->dir, remote_kinds);
	r->look = look_new(r->def, r->dir, r->op, r->remote);
	if (!r->look)
		return list_no_memory(r, e);
	if ((r->op->only ? list_some(r, e) : list_directory(r, e)) < 0 || look_at_all(r, e) < 0 ||
	    hand_over(r, e) < 0)
		return -1;
	note_skipped(r);
	return sizes_read(r->dir, r->target, sizes, e);
}

int files_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	require(d->target.path, e);

	struct refresh r = {
		.def = d, .target = d->target.path, .op = op, .dir = pool_dir_open(d, O_RDONLY, e)
	};
	int rc;

	if (r.dir < 0)
		return err_wrap(e, ERR_KEEP, "cannot list directory %s", r.target);
	rc = refresh(&r, sizes, e);
	refresh_free(&r);
	close(r.dir);
	return rc;
}
