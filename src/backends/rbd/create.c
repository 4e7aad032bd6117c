/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images made: empty ones, clones of others in the cluster, and copies of volumes of this machine.
 */
#include <errno.h>
#include <stdio.h>
#include "backends/rbd/layout.h"
#include "backends/rbd/rbd.h"
#include "base/contract.h"
#include "base/util.h"

/* ---- how an image is made ---- */

struct wish {
	struct rbd_layout layout;
	rbd_image_options_t options; /* of librbd's own */
	char snapshot[160];          /* made for it, of the image that is cloned; or "" */
};

/* The layout as librbd takes it. Only the name of a pool may be one that the cluster has not. */
static int image_options(const struct rbd_layout *l, rbd_image_options_t *options, struct err *e)
{
	const struct {
		int option;
		bool said;
		uint64_t value;
	} numbers[] = {
		{ RBD_IMAGE_OPTION_ORDER, l->order, l->order },
		{ RBD_IMAGE_OPTION_FEATURES, l->has_features, l->features },
		{ RBD_IMAGE_OPTION_STRIPE_UNIT, l->stripe_unit, l->stripe_unit },
		{ RBD_IMAGE_OPTION_STRIPE_COUNT, l->stripe_count, l->stripe_count },
	};
	int answer = 0;

	rbd_image_options_create(options);
	for (size_t i = 0; i < ARRAY_LEN(numbers) && answer == 0; i++)
		if (numbers[i].said)
			answer = rbd_image_options_set_uint64(*options, numbers[i].option, numbers[i].value);
	if (answer == 0 && l->data_pool[0])
		answer = rbd_image_options_set_string(*options, RBD_IMAGE_OPTION_DATA_POOL, l->data_pool);
	return answer < 0 ? rbd_error(e, answer, "librbd does not take the <layout>") : 0;
}

static int check_image_wanted(const struct volume_def *v, bool copied, unsigned flags, struct err *e)
{
	if (strlen(v->name) >= RBD_NAME)
		return err_set(e, ERR_INVALID, "the name of an image has at most %d bytes here",
		               RBD_NAME - 1);
	if (strpbrk(v->name, "/@") || strncmp(v->name, RBD_UNFINISHED, strlen(RBD_UNFINISHED)) == 0)
		return err_set(e, ERR_INVALID,
		               "\"%.200s\" is no name of an image: it has a / or an @, or "
		               "begins with " RBD_UNFINISHED,
		               v->name);
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

static int make_empty(const struct rbd_pool *p, const struct volume_def *v, rbd_image_options_t options,
                      struct err *e)
{
	int answer = rbd_create4(p->io, v->name, v->capacity, options);

	if (answer == -EEXIST)
		return err_set(e, ERR_EXISTS, "there is an image \"%s\" in it already", v->name);
	if (answer == -EINVAL)
		return err_set(
			e, ERR_INVALID,
			"the cluster takes no image of that <layout> and %llu bytes (with a map of its "
			"objects it has at most 256,000,000 of them)",
			(unsigned long long)v->capacity);
	return answer < 0 ? rbd_error(e, answer, "the cluster refuses") : 0;
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
static int settle_snapshot(rbd_image_t image, char *name, size_t name_size, struct wish *w, struct err *e)
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
		if (found)
			snprintf(w->snapshot, sizeof(w->snapshot), "%s", name);
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
static int finish_clone(const struct rbd_pool *p, const struct volume_def *v, bool flat, struct op *op,
                        struct err *e)
{
	rbd_image_t image;
	uint64_t size = 0;
	int answer = rbd_open(p->io, v->name, &image, NULL);

	if (answer < 0)
		return rbd_error(e, answer, "cannot open the clone");
	answer = rbd_get_size(image, &size);
	if (answer >= 0 && size < v->capacity)
		answer = rbd_resize(image, v->capacity);
	if (answer >= 0 && flat)
		answer = rbd_flatten_with_progress(image, rbd_progress, op);
	rbd_close(image);
	return answer < 0 ? rbd_error(e, answer, "the clone cannot be completed") : 0;
}

static int make_image_clone(const struct rbd_pool *p, rados_ioctx_t from_io, const struct volume_def *v,
                            const struct vol_input *from, struct wish *w, struct op *op, struct err *e)
{
	const char *origin = from->volume->name;
	char snapshot[160];
	rbd_image_t image;
	int answer = rbd_open(from_io, origin, &image, NULL), rc;

	if (answer == -ENOENT)
		return err_set(e, ERR_NO_VOLUME, "there is no image \"%s\" now", origin);
	if (answer < 0)
		return rbd_error(e, answer, "cannot open image \"%s\"", origin);
	rc = settle_snapshot(image, snapshot, sizeof(snapshot), w, e);
	rbd_close(image);
	if (rc < 0)
		return -1;
	answer = rbd_clone3(from_io, origin, snapshot, p->io, v->name, w->options);
	if (answer == -EEXIST)
		return err_set(e, ERR_EXISTS, "there is an image \"%s\" in it already", v->name);
	if (answer == -EXDEV)
		return err_set(
			e, ERR_STORAGE,
			"the cluster's clients may be too old for clones in another namespace (see ceph osd "
			"set-require-min-compat-client)");
	if (answer < 0)
		return rbd_error(e, answer, "the cluster refuses");
	return finish_clone(p, v, w->layout.flat, op, e);
}

/* Of the same cluster: a monitor of one is a monitor of the other. */
static bool is_same_cluster(const struct pool_def *a, const struct pool_def *b)
{
	for (size_t i = 0; i < a->source.nhosts; i++)
		for (size_t j = 0; j < b->source.nhosts; j++)
			if (streq(a->source.hosts[i].name, b->source.hosts[j].name) &&
			    a->source.hosts[i].port == b->source.hosts[j].port)
				return true;
	return false;
}

/* Another pool of the same cluster. */
static int open_other(const struct pool_def *from, struct rbd_pool *other, struct err *e)
{
	if (rbd_source_name(from, other->ceph_pool, other->namespace, sizeof(other->ceph_pool), e) < 0)
		return -1;
	return rbd_open_ceph_pool(other, e);
}

static int clone_from(const struct pool_def *d, const struct rbd_pool *p, const struct volume_def *v,
                      const struct vol_input *from, struct wish *w, struct op *op, struct err *e)
{
	struct rbd_pool other = { .cluster = p->cluster };
	int rc;

	if (!is_same_cluster(d, from->pool))
		return err_set(e, ERR_UNSUPPORTED,
		               "pool \"%s\" names other monitors: an image is cloned within one cluster",
		               from->pool->name);
	if (open_other(from->pool, &other, e) < 0)
		return -1;
	/* The cluster's own choice may be the older kind of clones, which are within one namespace only. */
	if (!streq(other.namespace, p->namespace))
		rbd_image_options_set_uint64(w->options, RBD_IMAGE_OPTION_CLONE_FORMAT, 2);
	rc = make_image_clone(p, other.io, v, from, w, op, e);
	rados_ioctx_destroy(other.io);
	return rc;
}

/* Somebody else may have made a clone of it meanwhile: then it stays. */
static int remove_unused_snapshot(rbd_image_t image, const char *name)
{
	rbd_linked_image_spec_t clones[8];
	size_t n = ARRAY_LEN(clones);
	int is_protected = 0, answer = rbd_snap_set(image, name);

	if (answer >= 0)
		answer = rbd_list_children3(image, clones, &n);
	if (answer == -ERANGE)
		return 0;
	if (answer >= 0 && n > 0) {
		rbd_linked_image_spec_list_cleanup(clones, n);
		return 0;
	}
	if (answer >= 0 || answer == -EPERM) /* a user may be kept from asking other pools for clones */
		answer = rbd_snap_set(image, NULL);
	if (answer >= 0)
		answer = rbd_snap_is_protected(image, name, &is_protected);
	if (answer >= 0 && is_protected)
		answer = rbd_snap_unprotect(image, name);
	return answer < 0 ? answer : rbd_snap_remove(image, name);
}

/* What was made for a clone that is none. */
static void drop_snapshot(const struct rbd_pool *p, const struct vol_input *from, const struct wish *w,
                          struct op *op)
{
	struct rbd_pool other = { .cluster = p->cluster };
	rbd_image_t image;
	int answer;

	if (!w->snapshot[0] || open_other(from->pool, &other, NULL) < 0)
		return;
	answer = rbd_open(other.io, from->volume->name, &image, NULL);
	if (answer >= 0) {
		answer = remove_unused_snapshot(image, w->snapshot);
		rbd_close(image);
	}
	rados_ioctx_destroy(other.io);
	if (answer < 0)
		op_note(op, "snapshot \"%s\" of image \"%s\" should be removed, and cannot be: %s",
		        w->snapshot, from->volume->name, strerror(-answer));
}

/* ---- a copy ---- */

static int copy_from(const struct pool_def *d, const struct rbd_pool *p, const struct volume_def *v,
                     const struct vol_input *from, struct wish *w, struct op *op, struct err *e)
{
	const char *format = from->volume->format;
	uint64_t size = 0;
	cleanup_close int fd = -1;
	rbd_image_t image;
	int answer, rc;

	(void)d;
	if (!from->open)
		return err_set(e, ERR_UNSUPPORTED, "volumes of %s pools cannot be copied",
		               pool_type_word(from->pool->type));
	if (format && !streq(format, "raw") && !streq(format, "iso") && !streq(format, "unknown") &&
	    !streq(from->volume->type, "block"))
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" is of format %.40s, an image is raw: convert it before",
		               from->volume->name, format);
	fd = from->open(from->pool, op, from->volume, false, &size, e);
	if (fd < 0 || make_empty(p, v, w->options, e) < 0)
		return -1;
	answer = rbd_open(p->io, v->name, &image, NULL);
	rc = answer < 0 ? rbd_error(e, answer, "cannot open the new image")
	                : rbd_fill(image, fd, least(size, v->capacity), from->volume->name, op, e);
	if (answer >= 0)
		rbd_close(image);
	return rc;
}

/* ---- either, in steps ---- */

static void remove_half_made(const struct rbd_pool *p, const char *name, struct op *op)
{
	int answer = rbd_remove(p->io, name);

	if (answer < 0 && answer != -ENOENT)
		op_note(op, "image \"%s\" should be removed, and cannot be: %s", name, strerror(-answer));
}

/* It has another name till it is whole: what is left of a broken making is no volume, and the next look
 * removes it. */
static int make_filled(const struct pool_def *d, const struct rbd_pool *p, const struct volume_def *v,
                       const struct vol_input *from, struct wish *w, struct op *op, struct err *e)
{
	struct volume_def unfinished = *v;
	char name[RBD_NAME + sizeof(RBD_UNFINISHED)];
	int rc, answer;

	snprintf(name, sizeof(name), RBD_UNFINISHED "%s", v->name);
	unfinished.name = name;
	answer = rbd_remove(p->io, name);
	if (answer < 0 && answer != -ENOENT)
		return rbd_error(e, answer, "somebody is just making it, or has broken off and left \"%s\"",
		                 name);
	rc = (from->pool->type == d->type ? clone_from : copy_from)(d, p, &unfinished, from, w, op, e);
	answer = rc < 0 ? 0 : rbd_rename(p->io, name, v->name);
	if (answer == -EEXIST)
		rc = err_set(e, ERR_EXISTS, "there is an image \"%s\" in it already", v->name);
	else if (answer < 0)
		rc = rbd_error(e, answer, "the new image cannot be given its name");
	if (rc < 0) {
		remove_half_made(p, name, op);
		drop_snapshot(p, from, w, op);
	}
	return rc;
}

int rbd_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                   const struct vol_input *from, unsigned flags, struct err *e)
{
	demand(op && v->name, e);

	struct wish wish = { .options = NULL };
	struct rbd_pool *pool;
	int rc = -1;

	if (rbd_layout_read(v->layout, &wish.layout, e) == 0 &&
	    check_image_wanted(v, from != NULL, flags, e) == 0 && rbd_pool_open(d, op, &pool, e) == 0 &&
	    image_options(&wish.layout, &wish.options, e) == 0) {
		rc = from ? make_filled(d, pool, v, from, &wish, op, e)
		          : make_empty(pool, v, wish.options, e);
	}
	if (wish.options)
		rbd_image_options_destroy(wish.options);
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot make volume \"%s\" in pool \"%s\"", v->name, d->name)
	              : 0;
}
