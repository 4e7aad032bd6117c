/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images made: empty ones, clones of others in the cluster, and copies of volumes of this machine.
 */
#include <errno.h>
#include <stdio.h>
#include "backends/rbd/rbd.h"
#include "base/contract.h"
#include "base/util.h"

/* ---- how an image is made ---- */

/* What <layout> may say of a new image, in words "NAME=VALUE" between spaces:
 *
 *     order=22             objects of 2^22 bytes (12 to 25; the cluster's default is 22)
 *     features=61          which features, as the number that `rbd info` has for them
 *     stripe-unit=65536 stripe-count=16
 *     data-pool=NAME       another Ceph pool for the data
 *     flat                 of a clone: nothing of it is shared with what it is of */
struct layout {
	rbd_image_options_t options;
	bool flat;
};

static const struct word {
	const char *name;
	int option;
	bool text;
} words[] = {
	{ "order", RBD_IMAGE_OPTION_ORDER, false },
	{ "features", RBD_IMAGE_OPTION_FEATURES, false },
	{ "stripe-unit", RBD_IMAGE_OPTION_STRIPE_UNIT, false },
	{ "stripe-count", RBD_IMAGE_OPTION_STRIPE_COUNT, false },
	{ "data-pool", RBD_IMAGE_OPTION_DATA_POOL, true },
};

/* One word of the layout, which ends with NUL. */
static int take_word(struct layout *l, char *text, struct err *e)
{
	char *value = strchr(text, '='), *end;
	unsigned long long number = 0;
	int answer = -EINVAL;

	if (streq(text, "flat")) {
		l->flat = true;
		return 0;
	}
	if (value)
		*value++ = '\0';
	for (size_t i = 0; value && i < ARRAY_LEN(words); i++) {
		if (!streq(text, words[i].name))
			continue;
		if (words[i].text) {
			answer = rbd_image_options_set_string(l->options, words[i].option, value);
		} else {
			number = strtoull(value, &end, 0);
			if (*value >= '0' && *value <= '9' && !*end)
				answer = rbd_image_options_set_uint64(l->options, words[i].option, number);
		}
		if (answer == 0 && words[i].option == RBD_IMAGE_OPTION_FEATURES &&
		    (number & RBD_FEATURE_JOURNALING))
			return err_set(e, ERR_UNSUPPORTED,
			               "an image with a journal is not made here: this program has no journals");
		return answer < 0 ? err_set(e, ERR_INVALID, "<layout>: \"%.40s\" cannot be \"%.60s\"", text,
		                            value)
		                  : 0;
	}
	return err_set(e, ERR_INVALID,
	               "<layout> of an rbd volume has no \"%.60s\": order=, features=, stripe-unit=, "
	               "stripe-count=, data-pool=, flat",
	               text);
}

static int layout_read(const char *text, struct layout *l, struct err *e)
{
	cleanup_free char *copy = text ? strdup(text) : NULL;
	char *at = copy, *one;

	rbd_image_options_create(&l->options);
	if (text && !copy)
		return err_set(e, ERR_NO_MEMORY, "cannot read <layout>: out of memory");
	while ((one = strsep(&at, " \t\n")))
		if (*one && take_word(l, one, e) < 0)
			return -1;
	return 0;
}

static int check_new(const struct volume_def *v, bool copied, unsigned flags, struct err *e)
{
	if (strpbrk(v->name, "/@"))
		return err_set(e, ERR_INVALID, "\"%.200s\" is no name of an image: it has a / or an @", v->name);
	if (v->encryption.format)
		return err_set(e, ERR_UNSUPPORTED,
		               "an encrypted image is not made here: encrypt what is put into it");
	if (flags & VOL_PREALLOC_METADATA)
		return err_set(e, ERR_UNSUPPORTED, "an image has no tables to be made in advance");
	if (v->backing.given && !copied)
		return err_set(e, ERR_UNSUPPORTED,
		               "an image has a backing store only as a clone: vol-clone makes one");
	return v->capacity ? 0 : err_set(e, ERR_INVALID, "the capacity must be given, and not be 0");
}

/* ---- an empty one ---- */

static int make_empty(const struct rbd_pool *p, const struct volume_def *v, const struct layout *l,
                      struct err *e)
{
	int answer = rbd_create4(p->io, v->name, v->capacity, l->options);

	if (answer == -EEXIST)
		return err_set(e, ERR_EXISTS, "there is an image \"%s\" in it already", v->name);
	if (answer == -EINVAL)
		return err_set(e, ERR_INVALID, "the cluster takes no image of that <layout>");
	return answer < 0 ? rbd_error(e, answer, "the cluster refuses") : 0;
}

/* It cannot be what was wished for. */
static void unmake(const struct rbd_pool *p, const char *name, struct op *op)
{
	int answer = rbd_remove(p->io, name);

	if (answer < 0 && answer != -ENOENT)
		op_note(op, "image \"%s\" should be removed, and cannot be: %s", name, strerror(-answer));
}

/* ---- a clone ---- */

#define SNAPSHOTS 256

static int any_difference(uint64_t offset, size_t len, int exists, void *arg)
{
	(void)offset, (void)len, (void)exists;
	*(bool *)arg = true;
	return -EINTR; /* one is enough */
}

/* Is the image now what it was at that snapshot? */
static bool is_as_at(rbd_image_t image, const rbd_snap_info_t *snap, uint64_t size)
{
	bool differs = false;

	if (snap->size != size)
		return false;
	int answer = rbd_diff_iterate2(image, snap->name, 0, size, 1, 1, any_difference, &differs);

	return answer >= 0 && !differs;
}

/* The snapshot that a clone is of: one that shows what the image holds now, or a new one, which is protected
 * then. As libvirt does it; our names say who made them. */
static int settle_snapshot(rbd_image_t image, char *name, size_t name_size, struct err *e)
{
	static rbd_snap_info_t snaps[SNAPSHOTS];
	int room = SNAPSHOTS, n = rbd_snap_list(image, snaps, &room), answer = 0, is_protected = 0;
	uint64_t size = 0;
	bool found = false;

	if (n < 0)
		return rbd_error(e, n, "cannot ask for the snapshots of the image that is cloned");
	answer = rbd_get_size(image, &size);
	for (int i = n - 1; answer >= 0 && i >= 0 && !found; i--)
		if ((found = is_as_at(image, &snaps[i], size)))
			snprintf(name, name_size, "%s", snaps[i].name);
	if (n > 0)
		rbd_snap_list_end(snaps);
	for (unsigned i = 1; answer >= 0 && !found; i++) {
		snprintf(name, name_size, "poolinit-%u", i);
		answer = rbd_snap_create(image, name);
		found = answer == 0;
		if (answer == -EEXIST)
			answer = 0;
	}
	if (answer >= 0)
		answer = rbd_snap_is_protected(image, name, &is_protected);
	if (answer >= 0 && !is_protected)
		answer = rbd_snap_protect(image, name);
	return answer < 0 && answer != -EBUSY
	               ? rbd_error(e, answer, "cannot make a protected snapshot of the image that is cloned")
	               : 0;
}

/* What only the new image has: another size, and with `flat` data of its own. */
static int finish_clone(const struct rbd_pool *p, const struct volume_def *v, const struct layout *l,
                        struct op *op, struct err *e)
{
	rbd_image_t image;
	uint64_t size = 0;
	int answer = rbd_open(p->io, v->name, &image, NULL);

	if (answer < 0)
		return rbd_error(e, answer, "cannot open the clone");
	answer = rbd_get_size(image, &size);
	if (answer >= 0 && size < v->capacity)
		answer = rbd_resize(image, v->capacity);
	if (answer >= 0 && l->flat)
		answer = rbd_flatten_with_progress(image, rbd_progress, op);
	rbd_close(image);
	return answer < 0 ? rbd_error(e, answer, "the clone cannot be completed") : 0;
}

static int make_clone(const struct rbd_pool *p, rados_ioctx_t from_io, const struct volume_def *v,
                      const struct vol_input *from, const struct layout *l, struct op *op, struct err *e)
{
	const char *origin = from->volume->name;
	char snapshot[160];
	rbd_image_t image;
	int answer = rbd_open(from_io, origin, &image, NULL), rc;

	if (answer == -ENOENT)
		return err_set(e, ERR_NO_VOLUME, "there is no image \"%s\" now", origin);
	if (answer < 0)
		return rbd_error(e, answer, "cannot open image \"%s\"", origin);
	rc = settle_snapshot(image, snapshot, sizeof(snapshot), e);
	rbd_close(image);
	if (rc < 0)
		return -1;
	answer = rbd_clone3(from_io, origin, snapshot, p->io, v->name, l->options);
	if (answer == -EEXIST)
		return err_set(e, ERR_EXISTS, "there is an image \"%s\" in it already", v->name);
	if (answer < 0)
		return rbd_error(e, answer, "the cluster refuses");
	rc = finish_clone(p, v, l, op, e);
	if (rc < 0)
		unmake(p, v->name, op);
	return rc;
}

/* Of the same cluster: the same monitors, in the same order. */
static bool is_same_cluster(const struct pool_def *a, const struct pool_def *b)
{
	if (a->source.nhosts != b->source.nhosts)
		return false;
	for (size_t i = 0; i < a->source.nhosts; i++)
		if (!streq(a->source.hosts[i].name, b->source.hosts[i].name) ||
		    a->source.hosts[i].port != b->source.hosts[i].port)
			return false;
	return true;
}

static int clone_from(const struct pool_def *d, const struct rbd_pool *p, const struct volume_def *v,
                      const struct vol_input *from, const struct layout *l, struct op *op, struct err *e)
{
	struct rbd_pool other = { .cluster = p->cluster };
	int answer, rc;

	if (!is_same_cluster(d, from->pool))
		return err_set(e, ERR_UNSUPPORTED,
		               "pool \"%s\" names other monitors: an image is cloned within one cluster",
		               from->pool->name);
	if (rbd_source_name(from->pool, other.ceph_pool, other.namespace, sizeof(other.ceph_pool), e) < 0)
		return -1;
	answer = rados_ioctx_create(p->cluster, other.ceph_pool, &other.io);
	if (answer < 0)
		return rbd_error(e, answer, "cannot open Ceph pool \"%s\"", other.ceph_pool);
	if (other.namespace[0])
		rados_ioctx_set_namespace(other.io, other.namespace);
	rc = make_clone(p, other.io, v, from, l, op, e);
	rados_ioctx_destroy(other.io);
	return rc;
}

/* ---- a copy ---- */

static int copy_from(const struct rbd_pool *p, const struct volume_def *v, const struct vol_input *from,
                     const struct layout *l, struct op *op, struct err *e)
{
	uint64_t size = 0;
	cleanup_close int fd = -1;
	rbd_image_t image;
	int answer, rc;

	if (!from->open)
		return err_set(e, ERR_UNSUPPORTED, "volumes of %s pools cannot be copied",
		               pool_type_word(from->pool->type));
	if (from->volume->format && !streq(from->volume->format, "raw"))
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" is of format %.40s, an image is raw: convert it before",
		               from->volume->name, from->volume->format);
	fd = from->open(from->pool, op, from->volume, false, &size, e);
	if (fd < 0 || make_empty(p, v, l, e) < 0)
		return -1;
	answer = rbd_open(p->io, v->name, &image, NULL);
	rc = answer < 0 ? rbd_error(e, answer, "cannot open the new image")
	                : rbd_fill(image, fd, least(size, v->capacity), op, e);
	if (answer >= 0)
		rbd_close(image);
	if (rc < 0)
		unmake(p, v->name, op);
	return rc;
}

int rbd_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                   const struct vol_input *from, unsigned flags, struct err *e)
{
	demand(op && v->name, e);

	struct layout layout = { 0 };
	struct rbd_pool *pool;
	int rc = -1;

	if (layout_read(v->layout, &layout, e) == 0 && check_new(v, from != NULL, flags, e) == 0 &&
	    rbd_pool_open(d, op, &pool, e) == 0) {
		if (!from)
			rc = make_empty(pool, v, &layout, e);
		else if (from->pool->type == POOL_RBD)
			rc = clone_from(d, pool, v, from, &layout, op, e);
		else
			rc = copy_from(pool, v, from, &layout, op, e);
	}
	rbd_image_options_destroy(layout.options);
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot make volume \"%s\" in pool \"%s\"", v->name, d->name)
	              : 0;
}
