/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the images of a Ceph pool are. librbd would open each, which is a dozen answers of the cluster and
 * milliseconds of this machine's time. All that a list of volumes has is in the image's header, an object
 * that tells it in one answer; hundreds are asked side by side.
 */
#include "backends/rbd/look.h"

#include <errno.h>
#include <stdio.h>
#include "backends/rbd/header.h"
#include "base/contract.h"
#include "base/util.h"

enum { SIDE_BY_SIDE = 128, SNAPSHOTS_SHOWN = 64, MAP_MAX = 16 * 1024 * 1024 };

static const unsigned char head[8] = { 0xfe, 255, 255, 255, 255, 255, 255, 255 }; /* of no snapshot */

/* What some images are clones of. */
struct rbd_origin {
	struct rbd_origin *next;
	struct rbd_parent parent;
	rados_ioctx_t io;
	bool own_io;
	char name[RBD_TEXT]; /* the image's; its id where it has none */
	struct rbd_snapshot snapshot;
	const char *text;
};

struct looking {
	const struct rbd_pool *pool;
	struct rbd_image *images;
	size_t n;
	struct rbd_origin *origins;
	bool by_map;
	struct arena *arena;
};

/* ---- questions ---- */

/* A method of Ceph's object class "rbd", with what it is given. */
struct method {
	const char *name;
	const void *in;
	size_t in_len;
	bool may_fail; /* the others are answered all the same */
};

/* What is asked of one object at once. */
struct query {
	rados_completion_t done; /* NULL: nothing */
	rados_read_op_t op;
	struct {
		char *data;
		size_t len;
		int value;
	} answer[SNAPSHOTS_SHOWN];
	size_t n;
	char *map; /* instead: the object's bytes */
};

static void query_send(struct query *q, rados_ioctx_t io, const char *object)
{
	if (rados_aio_create_completion2(NULL, NULL, &q->done) < 0) {
		q->done = NULL;
	} else if (rados_aio_read_op_operate(q->op, io, q->done, object, 0) < 0) {
		rados_aio_release(q->done);
		q->done = NULL;
	}
}

static void query_begin(struct query *q, rados_ioctx_t io, const char *object, const struct method *methods,
                        size_t n)
{
	q->op = rados_create_read_op();
	q->n = n;
	for (size_t i = 0; i < n; i++) {
		rados_read_op_exec(q->op, "rbd", methods[i].name, methods[i].in, methods[i].in_len,
		                   &q->answer[i].data, &q->answer[i].len, &q->answer[i].value);
		if (methods[i].may_fail)
			rados_read_op_set_flags(q->op, LIBRADOS_OP_FLAG_FAILOK);
	}
	query_send(q, io, object);
}

/* Wait for the answer, and have its value. */
static int query_await(struct query *q)
{
	if (!q->op)
		return 0;
	if (!q->done)
		return -ENOMEM;
	rados_aio_wait_for_complete(q->done);
	return rados_aio_get_return_value(q->done);
}

static void query_end(struct query *q)
{
	if (q->done)
		rados_aio_release(q->done);
	if (q->op)
		rados_release_read_op(q->op);
	for (size_t i = 0; i < q->n; i++)
		rados_buffer_free(q->answer[i].data);
	free(q->map);
	*q = (struct query){ .done = NULL };
}

/* A round of questions, one a thing: ask() asks, or does not; hear() takes the answer. */
struct round {
	void (*ask)(struct looking *l, void *thing, struct query *q);
	void (*hear)(struct looking *l, void *thing, struct query *q, int answer);
};

/* A window moves over the things: the oldest question is waited for, and a new one begun. What is under way
 * when it fails is waited for as well: the answers are written to this memory. */
static int go_round(struct looking *l, const struct round *r, void *const *things, size_t n, struct op *op,
                    struct err *e)
{
	struct query *window = calloc(SIDE_BY_SIDE, sizeof(*window));
	size_t asked = 0, heard = 0;
	int rc = 0;

	if (!window)
		return err_set(e, ERR_NO_MEMORY, "cannot look at the images: out of memory");
	for (; heard < n && (rc == 0 || heard < asked); heard++) {
		for (; rc == 0 && asked < n && asked < heard + SIDE_BY_SIDE; asked++)
			r->ask(l, things[asked], &window[asked % SIDE_BY_SIDE]);

		struct query *q = &window[heard % SIDE_BY_SIDE];
		const bool was_asked = q->op;
		const int answer = query_await(q);

		if (rc == 0 && (answer == -ETIMEDOUT || !clock_until(op->deadline)))
			rc = err_set(e, ERR_TIMEOUT, "%zu of %zu images were looked at in the time", heard,
			             n);
		if (rc == 0 && was_asked)
			r->hear(l, things[heard], q, answer);
		query_end(q);
	}
	free(window);
	return rc;
}

/* ---- headers ---- */

static void ask_header(struct looking *l, void *thing, struct query *q)
{
	static const unsigned char head_read_only[9] = { 0xfe, 255, 255, 255, 255, 255, 255, 255, 1 };
	static const struct method methods[] = {
		{ "get_size", head, sizeof(head), false },
		{ "get_features", head_read_only, sizeof(head_read_only), false },
		{ "get_flags", head, sizeof(head), false },
		{ "get_snapcontext", NULL, 0, false },
		{ "parent_get", NULL, 0, true },
	};
	const struct rbd_image *image = thing;
	char object[RBD_TEXT];

	if (!*image->id)
		return;
	snprintf(object, sizeof(object), "rbd_header.%.200s", image->id);
	query_begin(q, l->pool->io, object, methods, ARRAY_LEN(methods));
}

/* The origin that a parent is, known already or new; NULL: without memory. */
static struct rbd_origin *origin_of(struct looking *l, const struct rbd_parent *p)
{
	struct rbd_origin *o = l->origins;

	while (o && (o->parent.pool != p->pool || o->parent.snapshot != p->snapshot ||
	             !streq(o->parent.image, p->image) || !streq(o->parent.namespace, p->namespace)))
		o = o->next;
	if (o)
		return o;
	o = arena_alloc(l->arena, sizeof(*o));
	if (!o)
		return NULL;
	o->parent = *p;
	o->next = l->origins;
	l->origins = o;
	o->io = l->pool->io;
	snprintf(o->name, sizeof(o->name), "%s", p->image);
	if (p->pool == rados_ioctx_get_id(l->pool->io) && streq(p->namespace, l->pool->namespace))
		return o;
	o->own_io = rados_ioctx_create2(l->pool->cluster, p->pool, &o->io) >= 0;
	if (o->own_io)
		rados_ioctx_set_namespace(o->io, p->namespace);
	else
		o->io = NULL;
	return o;
}

static void hear_header(struct looking *l, void *thing, struct query *q, int answer)
{
	struct rbd_image *image = thing;
	struct rbd_parent parent = { .pool = -1 };
	uint64_t ids[SNAPSHOTS_SHOWN];

	image->answer = answer;
	if (answer < 0)
		return;
	if (!rbd_read_size(q->answer[0].data, q->answer[0].len, &image->size, &image->order) ||
	    !rbd_read_number(q->answer[1].data, q->answer[1].len, &image->features) ||
	    !rbd_read_number(q->answer[2].data, q->answer[2].len, &image->flags) ||
	    !rbd_read_snapshot_ids(q->answer[3].data, q->answer[3].len, ids, ARRAY_LEN(ids),
	                           &image->nsnapshots) ||
	    (q->answer[4].value >= 0 && !rbd_read_parent(q->answer[4].data, q->answer[4].len, &parent))) {
		image->answer = -EBADMSG;
		return;
	}
	image->allocation = image->size;
	if (parent.pool >= 0 && parent.image[0])
		image->origin = origin_of(l, &parent);
	if (image->nsnapshots) {
		uint64_t *copy = arena_alloc(l->arena, sizeof(ids));

		if (copy)
			memcpy(copy, ids, sizeof(ids));
		image->snapshot_ids = copy;
	}
}

/* ---- snapshots ---- */

static void ask_snapshots(struct looking *l, void *thing, struct query *q)
{
	const struct rbd_image *image = thing;
	struct method methods[SNAPSHOTS_SHOWN];
	const size_t n = (size_t)least(image->nsnapshots, ARRAY_LEN(methods));
	char object[RBD_TEXT];

	if (!image->snapshot_ids)
		return;
	for (size_t i = 0; i < n; i++)
		methods[i] = (struct method){ "snapshot_get", &image->snapshot_ids[i], 8, true };
	snprintf(object, sizeof(object), "rbd_header.%.200s", image->id);
	query_begin(q, l->pool->io, object, methods, n);
}

/* The oldest first. One that went meanwhile has no answer. */
static void hear_snapshots(struct looking *l, void *thing, struct query *q, int answer)
{
	struct rbd_image *image = thing;
	cleanup_buf struct buf names = BUF_INIT;
	struct rbd_snapshot s;

	if (answer < 0)
		return;
	if (image->nsnapshots > q->n)
		buf_adds(&names, "…");
	for (size_t i = q->n; i-- > 0;)
		if (q->answer[i].value >= 0 && rbd_read_snapshot(q->answer[i].data, q->answer[i].len, &s) &&
		    s.of_a_user)
			buf_printf(&names, "%s%s", names.len ? " " : "", s.name);
	if (names.len)
		image->snapshots = arena_strdup(l->arena, buf_str(&names));
}

/* ---- what clones are of ---- */

static void ask_origin_name(struct looking *l, void *thing, struct query *q)
{
	const struct rbd_origin *o = thing;
	const size_t len = strlen(o->parent.image);
	unsigned char id[4 + RBD_TEXT] = { (unsigned char)len, (unsigned char)(len >> 8) };
	const struct method method = { "dir_get_name", id, 4 + len, false };

	(void)l;
	memcpy(id + 4, o->parent.image, len);
	if (o->io)
		query_begin(q, o->io, "rbd_directory", &method, 1);
}

static void hear_origin_name(struct looking *l, void *thing, struct query *q, int answer)
{
	struct rbd_origin *o = thing;
	char name[RBD_TEXT];

	(void)l;
	if (answer >= 0 && rbd_read_text(q->answer[0].data, q->answer[0].len, name, sizeof(name)))
		snprintf(o->name, sizeof(o->name), "%s", name);
}

static void ask_origin_snapshot(struct looking *l, void *thing, struct query *q)
{
	const struct rbd_origin *o = thing;
	const struct method method = { "snapshot_get", &o->parent.snapshot, 8, false };
	char object[RBD_TEXT + 16];

	(void)l;
	snprintf(object, sizeof(object), "rbd_header.%s", o->parent.image);
	if (o->io)
		query_begin(q, o->io, object, &method, 1);
}

static void hear_origin_snapshot(struct looking *l, void *thing, struct query *q, int answer)
{
	struct rbd_origin *o = thing;

	(void)l;
	if (answer < 0 || !rbd_read_snapshot(q->answer[0].data, q->answer[0].len, &o->snapshot))
		snprintf(o->snapshot.name, sizeof(o->snapshot.name), "%llu",
		         (unsigned long long)o->parent.snapshot);
}

static const char *origin_text(struct looking *l, const struct rbd_origin *o)
{
	char ceph_pool[128];

	if (rados_pool_reverse_lookup(l->pool->cluster, o->parent.pool, ceph_pool, sizeof(ceph_pool)) < 0)
		snprintf(ceph_pool, sizeof(ceph_pool), "%lld", (long long)o->parent.pool);
	return arena_printf(l->arena, "%s%s%s/%s@%s", ceph_pool, o->parent.namespace[0] ? "/" : "",
	                    o->parent.namespace, o->name, o->snapshot.name);
}

static int look_at_origins(struct looking *l, struct op *op, struct err *e)
{
	static const struct round by_name = { ask_origin_name, hear_origin_name },
				  by_snapshot = { ask_origin_snapshot, hear_origin_snapshot };
	void **all;
	size_t n = 0;

	for (struct rbd_origin *o = l->origins; o; o = o->next)
		n++;
	all = arena_alloc(l->arena, (n + 1) * sizeof(*all));
	if (!all)
		return err_set(e, ERR_NO_MEMORY, "cannot look at the images: out of memory");
	n = 0;
	for (struct rbd_origin *o = l->origins; o; o = o->next)
		all[n++] = o;
	if (go_round(l, &by_name, all, n, op, e) < 0 || go_round(l, &by_snapshot, all, n, op, e) < 0)
		return -1;
	for (struct rbd_origin *o = l->origins; o; o = o->next)
		o->text = origin_text(l, o);
	for (size_t i = 0; i < l->n; i++)
		if (l->images[i].origin)
			l->images[i].parent = l->images[i].origin->text;
	return 0;
}

/* ---- maps of objects ---- */

static void ask_map(struct looking *l, void *thing, struct query *q)
{
	const struct rbd_image *image = thing;
	const uint64_t objects = image->size >> image->order;
	const size_t room = (size_t)least(objects / 4 + objects / 4096 + 4096, MAP_MAX);
	char object[RBD_TEXT];

	if (image->answer < 0 || !(image->features & RBD_FEATURE_OBJECT_MAP) ||
	    (image->flags & RBD_FLAG_OBJECT_MAP_INVALID) || !(q->map = malloc(room)))
		return;
	snprintf(object, sizeof(object), "rbd_object_map.%.200s", image->id);
	q->op = rados_create_read_op();
	rados_read_op_read(q->op, 0, room, q->map, &q->answer[0].len, &q->answer[0].value);
	query_send(q, l->pool->io, object);
}

/* A map that cannot be understood is none. */
static void hear_map(struct looking *l, void *thing, struct query *q, int answer)
{
	struct rbd_image *image = thing;
	uint64_t allocated;

	(void)l;
	if (answer >= 0 && rbd_read_object_map(q->map, q->answer[0].len, image->size,
	                                       (uint64_t)1 << image->order, &allocated))
		image->allocation = allocated;
}

/* ---- all of it ---- */

static int look_in_rounds(struct looking *l, struct op *op, struct err *e)
{
	static const struct round rounds[] = { { ask_header, hear_header },
		                               { ask_snapshots, hear_snapshots },
		                               { ask_map, hear_map } };
	const size_t n = ARRAY_LEN(rounds) - !l->by_map;
	void **all = arena_alloc(l->arena, (l->n + 1) * sizeof(*all));

	if (!all)
		return err_set(e, ERR_NO_MEMORY, "cannot look at the images: out of memory");
	for (size_t i = 0; i < l->n; i++)
		all[i] = &l->images[i];
	for (size_t i = 0; i < n; i++)
		if (go_round(l, &rounds[i], all, l->n, op, e) < 0)
			return -1;
	return look_at_origins(l, op, e);
}

int rbd_look(const struct rbd_pool *p, struct rbd_image *images, size_t n, bool by_map, struct arena *a,
             struct op *op, struct err *e)
{
	demand(p && (images || !n) && a && op, e);

	struct looking l = { .pool = p, .images = images, .n = n, .by_map = by_map, .arena = a };
	int rc = look_in_rounds(&l, op, e);

	for (const struct rbd_origin *o = l.origins; o; o = o->next)
		if (o->own_io)
			rados_ioctx_destroy(o->io);
	return rc;
}
