/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the parts of files_refresh() share: list.c (the story), cache.c (the last index), look.c (one name),
 * readers.c (the processes that read headers), sweep.c (leftovers).
 */
#ifndef POOLINIT_VOLUMES_DIRECTORY_PARTS_H
#define POOLINIT_VOLUMES_DIRECTORY_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include "pool/image/image.h"
#include "pool/operation.h"
#include "pool/volindex.h"
#include "system/stuck.h"

/* What has become of a name. */
enum verdict {
	VERDICT_NONE, /* nobody has looked at it yet */
	VERDICT_READ, /* a file whose header is to be read */
	VERDICT_KEPT, /* as in the last index; at: which entry there */
	VERDICT_NEW,  /* at: where its record is, see readers_record() */
	VERDICT_GONE,
	/* no volumes; counted, and told in one sentence a kind */
	VERDICT_NAME,
	VERDICT_LINK,
	VERDICT_SPECIAL,
	VERDICT_LONG,
	VERDICT_BROKEN, /* whoever read its header has died of it */
	VERDICT_FOLLOW, /* a link that leads out; at: whose eyes (uid) see what is there */
	VERDICT_STUCK,  /* whoever looks at it gets no answer */
	VERDICT_LEFT,   /* not looked at, because too many others do not answer */
};

/* What has become of one name. It lies in shared memory while readers work, so that it is small and has no
 * pointers. */
struct look_outcome {
	uint8_t verdict;
	uint8_t output;    /* VERDICT_NEW: whose; 0: ours */
	uint8_t disguised; /* it was raw, and its content now looks like something else */
	uint8_t behind; /* VERDICT_STUCK, VERDICT_LEFT: it is a link, and what is behind it does not answer */
	uint32_t at;
};

/* An entry's name, as the directory has it, and what kind of entry it says it is: a hint, which may be wrong
 * or DT_UNKNOWN. */
struct name {
	const char *text;
	unsigned char type; /* DT_… */
};

/* Looking at names: ours, and each reader's own. */
struct look {
	const struct pool_def *def;
	int dir, descriptors;         /* its directory; /proc/self/fd */
	struct stat target_stat;      /* of the target */
	uint32_t eyes;                /* whose rights we have: 0, or following links, their owner's */
	const struct volindex *cache; /* or NULL */
	uint64_t seed;
	struct timespec now;
	struct op *op;
	struct made_file made_file; /* which this process has made */
	struct stuck stuck;         /* ours alone */
	/* names that somebody has told, not the directory: what cannot be looked at may not be there */
	bool named;
	bool remote;     /* another host's filesystem: asking about holes costs a round trip */
	bool hearsay;    /* who owns an entry is said by somebody who may say anything */
	struct buf path; /* of the volume at hand */
	size_t path_len; /* of "TARGET/" or "URI/" in it */
	struct volindex_builder made;
	size_t stained; /* so much of head may be other than zero */
	unsigned char head[IMAGE_HEADER_BYTES];
};

/* ---- look.c ---- */
/* What looking at that directory takes; dir stays the caller's, and so does op->index. NULL: out of memory.
 */
struct look *look_new(const struct pool_def *d, int dir, struct op *op, bool remote);
/* There are so many names by now, and so many of them were looked at: whoever waits is told that it goes on.
 */
void look_goes_on(struct look *k, size_t done, size_t names);
/* NULL is allowed. */
void look_free(struct look *k);
/* The path of that name; good until the next. Memory that runs out shows in k->path.failed. */
const char *look_path(struct look *k, const char *name);
/* Look at a name; without may_read, what needs its header read becomes VERDICT_READ. A record made is the
 * last of k->made. */
void look_at(struct look *k, const struct name *name, bool may_read, struct look_outcome *o);
/* The record of a file whose header nobody survives. */
void look_broken(struct look *k, const char *name, struct look_outcome *o);
/* The record of an entry that does not answer, or is left because others do not. `ours`: the pool's directory
 * is known to answer. */
void look_silent(struct look *k, const struct name *name, bool ours, struct look_outcome *o);
/* Where a link leads to, NUL-terminated, if it is one and looked at with those eyes. */
bool look_link(struct look *k, const char *name, uint32_t eyes, char *text, size_t size);
/* Look, with those eyes, at what is behind a link that leads out. text NULL: nobody has those eyes here. */
void look_behind(struct look *k, const char *name, const char *text, struct look_outcome *o);
/* Open what `seen` (O_PATH) is, for reading or as flags say. */
int look_reopen(int descriptors, int seen, int flags);

/* A file of several names (hard links), where others than its owner may have made this one: in a directory of
 * somebody else's, or where others than root may make names. What it is was not for them to say, so that its
 * facts are not shown and it is opened for root alone. */
bool files_is_doubtful(const struct stat *dir, const struct stat *st);

/* ---- cache.c ---- */
/* A file's entry in the last index, or -1. */
long cache_find(const struct look *k, const char *name);
/* Has its content stayed the same? Then `*all` says whether everything else has. */
bool cache_holds(const struct look *k, long i, const struct stat *st, bool *all);
/* Was it raw, and not empty, for all that its content said? */
bool cache_is_raw(const struct look *k, long i);
/* Had the entry no answer when the last index was made? */
bool cache_is_silent(const struct look *k, const char *name);
/* The volume as the last index has it, its strings in `copy`. */
bool cache_volume(const struct look *k, long i, char *copy, size_t size, struct line *l, struct volume *v);

/* ---- readers.c ---- */
struct readers;
/* Begin to look at the names that have no final verdict, in processes of their own. NULL: e says why not. */
struct readers *readers_start(struct look *k, const struct name *names, size_t n,
                              const struct look_outcome *known, struct err *e);
/* Wait for them; whatever could not be read by then is told as such. */
int readers_finish(struct readers *r, struct err *e);
/* What has become of the i-th name. Its record, if it is VERDICT_NEW: checked to be that volume's. */
const struct look_outcome *readers_outcome(const struct readers *r, size_t i);
const char *readers_record(struct readers *r, size_t i, struct volindex_entry *e);
void readers_free(struct readers *r);

/* ---- sweep.c ---- */
/* Remove an unfinished entry that nobody builds any more. */
bool sweep_leftover(int dir, const char *name);

#endif
