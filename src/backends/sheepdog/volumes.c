/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Operations on volumes: a volume is a VDI that is no snapshot. Its snapshots are VDIs of the same name, keep
 * what they share with it whatever is done to it, and are not listed.
 *
 * A VDI is made in one step. One that is filled from another volume bears a mark until it is whole, in the
 * tag, which means something for snapshots only: should its making be broken off, everybody sees that.
 */
#include <stdio.h>
#include "backends/sheepdog/sheepdog.h"
#include "base/contract.h"
#include "base/util.h"
#include "pool/check.h"
#include "volumes/pace.h"
#include "volumes/store.h"
#include "volumes/wipe.h"

#define UNFINISHED "poolinit: not filled yet"
enum { SECTOR = 512 };

/* ---- list ---- */

struct vdi_listing {
	const struct pool_def *d;
	struct op *op;
};

/* Objects that snapshots have, too, are theirs: so it does not count them, as sheepdog's own tool does not.
 */
static uint64_t allocation(const struct sheep_vdi *v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v->nmap; i++)
		n += v->map[i] == v->id;
	return n << v->shift;
}

static int list_vdi(const struct sheep_vdi *v, void *arg, struct err *e)
{
	const struct vdi_listing *l = arg;
	char key[2 * SHEEP_NAME + 64], path[SHEEP_NAME + 16];
	/* permissions as libvirt prints them: there are none */
	struct volume volume = { .name = v->name,
		                 .type = "network",
		                 .key = key,
		                 .path = path,
		                 .format = "unknown",
		                 .capacity = v->size,
		                 .allocation = allocation(v),
		                 .has_perms = true };

	(void)e;
	if (v->snapshot)
		return 0;
	if (!check_text(v->name)) {
		op_note(l->op, "VDI %06x is left out: its name is not text", v->id);
		return 0;
	}
	snprintf(key, sizeof(key), "%.300s/%s", l->d->source.name, v->name);
	snprintf(path, sizeof(path), "sheepdog:%s", v->name);
	if (v->hyper)
		volume.problem = "it is a hyper volume, whose content is not understood here";
	if (streq(v->tag, UNFINISHED))
		volume.problem = "it is just being filled, or that was broken off: then delete it";
	l->op->on_volume(l->op, &volume);
	return 0;
}

int sheep_vol_list(struct sheep *s, const struct pool_def *d, struct op *op, struct err *e)
{
	demand(d->source.name && op->on_volume, e);

	struct vdi_listing l = { d, op };

	return sheep_each(s, op, true, list_vdi, &l, e);
}

/* ---- delete ---- */

static int vdi_ask_delete(struct sheep_content *c, struct err *e)
{
	char words[2 * SHEEP_NAME] = "";
	struct sheep_call call = { .opcode = SHEEP_DELETE_VDI, .out = words, .out_len = sizeof(words) };

	memcpy(words, c->vdi.name, sizeof(c->vdi.name));
	return sheep_do(&c->sheep, &call, e, "cannot delete VDI \"%s\"", c->vdi.name);
}

/* Servers that count references want the list empty before, older ones remove what it lists. One that keeps
 * the VDI without a word is of a version between the two. */
static int vdi_delete(struct sheep_content *c, struct op *op, struct err *e)
{
	cleanup_vdi struct sheep_vdi still = { 0 };
	struct err why = { 0 };

	if (sheep_counts(&c->sheep, e) && sheep_discard(c, 0, c->vdi.nmap, op, e) < 0)
		return -1;
	if (vdi_ask_delete(c, e) < 0)
		return -1;
	if (sheep_find(&c->sheep, c->vdi.name, &still, &why) < 0 && err_is(&why, ERR_NO_VOLUME))
		return 0;
	if (why.class != ERR_NONE) {
		if (e)
			*e = why;
		return -1;
	}
	return sheep_discard(c, 0, c->vdi.nmap, op, e) < 0 ? -1 : vdi_ask_delete(c, e);
}

int sheep_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e)
{
	demand(v->name && op, e);

	cleanup_content struct sheep_content c = { .sheep.fd = -1 };

	if (sheep_open(&c.sheep, d, op, e) < 0 || sheep_find(&c.sheep, v->name, &c.vdi, e) < 0)
		return -1;
	return vdi_delete(&c, op, e);
}

/* ---- create ---- */

/* What a VDI cannot be. */
static int check_vdi_wish(const struct volume_def *v, const struct vol_input *from, struct err *e)
{
	const char *format = from ? from->volume->format : NULL;
	const bool raw = !format || streq(format, "raw") || streq(format, "iso") ||
	                 streq(format, "unknown") || streq(from->volume->type, "block");

	if (strlen(v->name) >= SHEEP_NAME)
		return err_set(e, ERR_INVALID, "the name of a VDI has at most %d bytes", SHEEP_NAME - 1);
	if (v->encryption.format)
		return err_set(e, ERR_UNSUPPORTED, "a VDI is not encrypted");
	if (v->backing.given)
		return err_set(e, ERR_UNSUPPORTED, "a VDI has no backing file");
	if (!raw || (from && from->volume->encryption))
		return err_set(
			e, ERR_UNSUPPORTED,
			"volume \"%.200s\" is of format %.40s%s and cannot be copied into a VDI, which "
			"is raw: convert it into a pool of files first",
			from->volume->name, format, from->volume->encryption ? ", encrypted," : "");
	if (from && !from->open)
		return err_set(e, ERR_UNSUPPORTED, "volumes of %s pools cannot be read",
		               pool_type_word(from->pool->type));
	return 0;
}

/* What an inode can list depends on how large the cluster's objects are. */
static int check_capacity(struct sheep *s, uint64_t size, struct err *e)
{
	struct sheep_call c = { .opcode = SHEEP_CLUSTER_DEFAULT };
	uint64_t most;

	if (sheep_ask(s, &c, e) < 0)
		return -1;
	if (c.result != SHEEP_SUCCESS || c.shift < SHEEP_SHIFT_MIN || c.shift > SHEEP_SHIFT_MAX)
		c.shift = SHEEP_SHIFT; /* an older server does not say: it has no other */
	most = (uint64_t)SHEEP_OBJECTS << c.shift;
	if (size == 0 || size > most)
		return err_set(e, ERR_INVALID, "a VDI of this cluster has 1 to %llu bytes, not %llu",
		               (unsigned long long)most, (unsigned long long)size);
	return 0;
}

static int vdi_new(struct sheep *s, const char *name, uint64_t size, struct err *e)
{
	char words[SHEEP_NAME] = "";
	struct sheep_call c = {
		.opcode = SHEEP_NEW_VDI, .size = size, .out = words, .out_len = sizeof(words)
	};

	snprintf(words, sizeof(words), "%s", name);
	return sheep_do(s, &c, e, "cannot make VDI \"%.200s\"", name);
}

static int vdi_mark(struct sheep_content *c, const char *mark, struct err *e)
{
	char tag[SHEEP_NAME] = "";

	snprintf(tag, sizeof(tag), "%s", mark);
	return sheep_head_write(&c->sheep, &c->vdi, SHEEP_AT_TAG, tag, sizeof(tag), e);
}

/* A VDI that is new: marked, filled, and no longer marked. */
static int vdi_fill(struct sheep_content *c, const struct vol_input *from, struct op *op, struct err *e)
{
	struct store s;
	uint64_t size = 0;

	if (vdi_mark(c, UNFINISHED, e) < 0)
		return -1;

	cleanup_close int fd = from->open(from->pool, op, from->volume, false, &size, e);

	if (fd < 0)
		return -1;
	if (size > c->vdi.size)
		return err_set(e, ERR_INVALID,
		               "a capacity of %llu bytes is less than the %llu of volume \"%.200s\"",
		               (unsigned long long)c->vdi.size, (unsigned long long)size, from->volume->name);
	sheep_content_store(c, &s);
	return store_fill(&s, fd, size, from->volume->name, op, e) < 0 ? -1 : vdi_mark(c, "", e);
}

int sheep_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                     const struct vol_input *from, unsigned flags, struct err *e)
{
	demand(v->name && op, e);

	const uint64_t size = (v->capacity + SECTOR - 1) / SECTOR * SECTOR;
	cleanup_content struct sheep_content c = { .sheep.fd = -1 };
	int rc;

	if (flags)
		return err_set(e, ERR_UNSUPPORTED, "%s",
		               flags & VOL_REFLINK ? "a VDI shares no storage with another volume"
		                                   : "a VDI has no metadata of its own to be written before");
	if (check_vdi_wish(v, from, e) < 0 || sheep_open(&c.sheep, d, op, e) < 0 ||
	    check_capacity(&c.sheep, size, e) < 0 || vdi_new(&c.sheep, v->name, size, e) < 0)
		return -1;
	if (!from)
		return 0;
	rc = sheep_find(&c.sheep, v->name, &c.vdi, e);
	if (rc == 0)
		rc = vdi_fill(&c, from, op, e);
	if (rc < 0 && c.vdi.map && vdi_delete(&c, op, NULL) < 0)
		op_note(op, "VDI \"%s\", which could not be filled, could not be deleted either", v->name);
	return rc;
}

/* ---- resize ---- */

/* What is behind the new end goes first: an object that is not in the size any more would never be given
 * back. */
static int vdi_cut(struct sheep_content *c, uint64_t size, struct err *e)
{
	struct store s;

	sheep_content_store(c, &s);
	return s.zero(s.arg, size, c->vdi.size - size, e);
}

int sheep_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                     unsigned flags, struct err *e)
{
	demand(v->name && op && !(flags & ~(unsigned)(VOL_ALLOCATE | VOL_SHRINK)), e);

	cleanup_content struct sheep_content c = { .sheep.fd = -1 };
	uint64_t size = (capacity + SECTOR - 1) / SECTOR * SECTOR, most;
	uint8_t bytes[sizeof(size)];

	if (flags & VOL_ALLOCATE)
		return err_set(e, ERR_UNSUPPORTED, "a VDI gets its objects when they are written");
	if (sheep_content_open(&c, d, op, v->name, e) < 0)
		return -1;
	most = (uint64_t)SHEEP_OBJECTS << c.vdi.shift;
	if (size == 0 || size > most)
		return err_set(e, ERR_INVALID, "VDI \"%s\" can have 1 to %llu bytes, not %llu", v->name,
		               (unsigned long long)most, (unsigned long long)capacity);
	if (size < c.vdi.size && !(flags & VOL_SHRINK))
		return err_set(e, ERR_INVALID,
		               "VDI \"%s\" is larger than that: what is behind the new end would be lost "
		               "(--shrink)",
		               v->name);
	if (size < c.vdi.size && vdi_cut(&c, size, e) < 0)
		return -1;
	sheep_put64(bytes, size);
	return sheep_head_write(&c.sheep, &c.vdi, SHEEP_AT_SIZE, bytes, sizeof(bytes), e);
}

/* ---- wipe ---- */

/* Zeros over what is its own alone; what a snapshot shares is only let go. */
static int vdi_zero(struct sheep_content *c, struct op *op, struct err *e)
{
	static char zeros[1024 * 1024];
	struct pace pace = { .op = op, .doing = "wipe the volume", .total = c->vdi.size };
	struct store s;

	sheep_content_store(c, &s);
	for (uint64_t at = 0, n; at < s.size; at += n) {
		const size_t index = (size_t)(at >> c->vdi.shift);
		const uint64_t end = least((index + 1) << c->vdi.shift, s.size);

		n = s.hole(s.arg, at);
		if (n == 0 && c->vdi.map[index] == c->vdi.id) {
			n = least(sizeof(zeros), end - at);
			if (s.write(s.arg, zeros, (size_t)n, at, e) < 0)
				return -1;
		} else if (n == 0) {
			n = end - at;
			if (sheep_discard(c, index, index + 1, NULL, e) < 0)
				return -1;
		}
		if (pace_step(&pace, n, e) < 0)
			return -1;
	}
	pace_end(&pace);
	return 0;
}

int sheep_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                   struct err *e)
{
	demand(v->name && algorithm && op, e);

	cleanup_content struct sheep_content c = { .sheep.fd = -1 };
	const bool trim = streq(algorithm, "trim");

	if (wipe_check(algorithm, e) < 0)
		return -1;
	if (!trim && !streq(algorithm, "zero"))
		return err_set(e, ERR_UNSUPPORTED,
		               "a VDI can be wiped with \"zero\" and \"trim\", not with \"%s\"", algorithm);
	if (sheep_content_open(&c, d, op, v->name, e) < 0)
		return -1;
	return trim ? sheep_discard(&c, 0, c.vdi.nmap, op, e) : vdi_zero(&c, op, e);
}

/* ---- content ---- */

int sheep_vol_transfer(const struct pool_def *d, struct op *op, const struct volume *v, bool upload,
                       struct transfer *t, struct err *e)
{
	demand(v->name && op && t, e);

	cleanup_content struct sheep_content c = { .sheep.fd = -1 };
	struct store s;

	if (sheep_content_open(&c, d, op, v->name, e) < 0)
		return -1;
	sheep_content_store(&c, &s);
	return upload ? store_upload(&s, op, v, t, e) : store_download(&s, op, v, t, e);
}

int sheep_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                   uint64_t *size, struct err *e)
{
	demand(v->name && op && size, e);

	cleanup_content struct sheep_content c = { .sheep.fd = -1 };
	struct store s;

	if (write)
		return err_set(e, ERR_UNSUPPORTED, "VDI \"%s\" cannot be written as a file", v->name);
	if (sheep_content_open(&c, d, op, v->name, e) < 0)
		return -1;
	sheep_content_store(&c, &s);
	*size = s.size;
	return store_pipe(&s, e);
}
