/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The images of a Ceph pool as volumes. Their names come with one call; what each is takes several answers of
 * the cluster, so that many images are opened side by side.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include "backends/rbd/rbd.h"
#include "backends/rbd/room.h"
#include "base/util.h"

#define SIDE_BY_SIDE 64

/* ---- names ---- */

struct image_names {
	rbd_image_spec_t *list;
	size_t n;
};

static void image_names_free(struct image_names *names)
{
	if (names->list)
		rbd_image_spec_list_cleanup(names->list, names->n);
	free(names->list);
}

/* Asked with room for many, and again with the room that is said to be needed: others make images meanwhile.
 */
static int image_names_get(const struct rbd_pool *p, struct image_names *names, struct err *e)
{
	size_t room = 1024;
	int answer;

	do {
		free(names->list);
		names->list = calloc(room, sizeof(*names->list));
		if (!names->list)
			return err_set(e, ERR_NO_MEMORY, "cannot list the images: out of memory");
		names->n = room;
		answer = rbd_list2(p->io, names->list, &names->n);
		room = names->n + 64;
	} while (answer == -ERANGE);
	if (answer >= 0)
		return 0;
	names->n = 0;
	return rbd_error(e, answer, "cannot list the images of Ceph pool \"%s\"", p->ceph_pool);
}

/* ---- what each is ---- */

/* One image that is being looked at. A completion is NULL where nothing is under way. */
struct inspection {
	const char *name;
	rbd_image_t image;
	rbd_completion_t opened, closed;
	long known; /* its number in the index: it is not asked about; -1: it is */
	char problem[160];
};

/* After an operation on one image only that one is asked about. */
static long known_number(const struct op *op, const char *name)
{
	if (!op->only || !op->index)
		return -1;
	for (const char *const *one = op->only; *one; one++)
		if (streq(*one, name))
			return -1;
	return volindex_by_name(op->index, name);
}

/* As it was when the index was made. */
static int report_known(long number, struct op *op, struct err *e)
{
	size_t len;
	const char *record = volindex_record(op->index, (size_t)number, &len);
	cleanup_free char *copy = record && len ? copy_bytes(record, len - 1) : NULL;
	struct line line;
	struct volume v;

	if (!copy || line_parse_reply(copy, len - 1, &line, e) < 0 || volume_from_record(&line, &v, e) < 0)
		return err_wrap(e, ERR_KEEP, "the index of the pool is damaged");
	op->on_volume(op, &v);
	return 0;
}

/* Wait for what was begun, and have its answer. */
static int look_await(rbd_completion_t *c)
{
	int answer = 0;

	if (*c) {
		rbd_aio_wait_for_complete(*c);
		answer = (int)rbd_aio_get_return_value(*c);
		rbd_aio_release(*c);
		*c = NULL;
	}
	return answer;
}

static void look_begin(const struct rbd_pool *p, struct inspection *l, const rbd_image_spec_t *spec,
                       const struct op *op)
{
	l->name = spec->name;
	l->known = known_number(op, spec->name);
	if (l->known >= 0)
		return;

	int answer = rbd_aio_create_completion(NULL, NULL, &l->opened);

	if (answer < 0) {
		l->opened = NULL;
	} else if ((answer = rbd_aio_open_read_only(p->io, spec->name, &l->image, NULL, l->opened)) < 0) {
		rbd_aio_release(l->opened);
		l->opened = NULL;
	}
	if (answer < 0)
		snprintf(l->problem, sizeof(l->problem), "cannot be opened: %s", strerror(-answer));
}

/* The image that this one is a clone of, as "POOL/IMAGE@SNAPSHOT"; false: of none. */
static bool parent_text(rbd_image_t image, char *out, size_t size)
{
	rbd_linked_image_spec_t parent;
	rbd_snap_spec_t snapshot;

	if (rbd_get_parent(image, &parent, &snapshot) < 0)
		return false;
	snprintf(out, size, "%s%s%s/%s@%s", parent.pool_name, parent.pool_namespace[0] ? "/" : "",
	         parent.pool_namespace, parent.image_name, snapshot.name);
	rbd_linked_image_spec_cleanup(&parent);
	rbd_snap_spec_cleanup(&snapshot);
	return true;
}

static int add_extent(uint64_t offset, size_t len, int exists, void *arg)
{
	uint64_t *sum = arg;

	(void)offset;
	if (exists)
		*sum += len;
	return 0;
}

/* What the image takes in the pool. Without its map of objects each object would have to be asked for: then,
 * and where nobody wants to know (<refresh>), it is all that it may take, as in libvirt. */
static uint64_t image_allocation(const struct pool_def *d, rbd_image_t image, uint64_t size)
{
	uint64_t features = 0, flags = 0, sum = 0;

	if (!d->refresh_allocation || !streq(d->refresh_allocation, "default") ||
	    rbd_get_features(image, &features) < 0 || !(features & RBD_FEATURE_FAST_DIFF) ||
	    rbd_get_flags(image, &flags) < 0 || (flags & RBD_FLAG_FAST_DIFF_INVALID) ||
	    rbd_diff_iterate2(image, NULL, 0, size, 0, 1, add_extent, &sum) < 0)
		return size;
	return least(sum, size);
}

static void report_image(const struct pool_def *d, const struct rbd_pool *p, struct inspection *l,
                         struct op *op)
{
	char key[600], path[620], parent[600];
	struct volume v = { .name = l->name, .type = "network", .key = key, .path = path, .format = "raw" };
	rbd_image_info_t info;
	int answer;

	snprintf(key, sizeof(key), "%s%s%s/%s", p->ceph_pool, p->namespace[0] ? "/" : "", p->namespace,
	         l->name);
	snprintf(path, sizeof(path), "rbd:%s", key);
	if (!l->problem[0]) {
		answer = rbd_stat(l->image, &info, sizeof(info));
		if (answer < 0)
			snprintf(l->problem, sizeof(l->problem), "%s", strerror(-answer));
	}
	if (l->problem[0]) {
		v.problem = l->problem;
	} else {
		v.capacity = v.physical = info.size;
		v.allocation = image_allocation(d, l->image, info.size);
		if (parent_text(l->image, parent, sizeof(parent))) {
			v.backing = parent;
			v.backing_format = "raw";
		}
	}
	op->on_volume(op, &v);
}

/* One that is gone by now was never listed. Nobody waits for its closing but who needs its place. */
static void look_end(const struct pool_def *d, const struct rbd_pool *p, struct inspection *l, struct op *op)
{
	bool asked = l->opened;
	int answer = look_await(&l->opened);

	if (answer < 0)
		snprintf(l->problem, sizeof(l->problem), "cannot be opened: %s", strerror(-answer));
	if (answer != -ENOENT)
		report_image(d, p, l, op);
	if (!asked || answer < 0)
		return;
	if (rbd_aio_create_completion(NULL, NULL, &l->closed) < 0)
		l->closed = NULL;
	if (!l->closed || rbd_aio_close(l->image, l->closed) < 0)
		rbd_close(l->image);
}

/* A window of images moves over the list: the oldest is waited for, and a new one begun. */
static int report_all(const struct pool_def *d, const struct rbd_pool *p, const struct image_names *names,
                      struct op *op, struct err *e)
{
	struct inspection window[SIDE_BY_SIDE] = { { .name = NULL } };
	size_t begun = 0, ended = 0;

	for (; ended < names->n && clock_until(op->deadline); ended++) {
		for (; begun < names->n && begun < ended + SIDE_BY_SIDE; begun++) {
			struct inspection *next = &window[begun % SIDE_BY_SIDE];

			look_await(&next->closed);
			*next = (struct inspection){ .name = NULL };
			look_begin(p, next, &names->list[begun], op);
		}
		struct inspection *oldest = &window[ended % SIDE_BY_SIDE];

		if (oldest->known < 0)
			look_end(d, p, oldest, op);
		else if (report_known(oldest->known, op, e) < 0)
			return -1;
	}
	if (ended < names->n)
		return err_set(e, ERR_TIMEOUT, "%zu of %zu images were looked at in the time", ended,
		               names->n);
	for (size_t i = 0; i < SIDE_BY_SIDE; i++)
		look_await(&window[i].closed);
	return 0;
}

/* ---- how much there is ---- */

static int pool_room(const struct rbd_pool *p, struct pool_sizes *sizes, struct err *e)
{
	static const char command[] = "{\"prefix\":\"df\",\"format\":\"json\"}";
	const char *commands[] = { command };
	char *out = NULL, *status = NULL;
	size_t out_len = 0, status_len = 0;
	cleanup_free char *json = NULL;
	struct rados_cluster_stat_t all;
	int answer = rados_mon_command(p->cluster, commands, 1, "", 0, &out, &out_len, &status, &status_len);

	if (answer >= 0 && out)
		json = copy_bytes(out, out_len);
	rados_buffer_free(out);
	rados_buffer_free(status);
	if (json && rbd_room_read(json, p->ceph_pool, sizes))
		return 0;
	/* A user who may not ask for that, or a cluster without a manager, which counts. */
	answer = rados_cluster_stat(p->cluster, &all);
	if (answer < 0)
		return rbd_error(e, answer, "cannot ask the cluster for its room");
	sizes->capacity = all.kb * 1024;
	sizes->allocation = all.kb_used * 1024;
	sizes->available = all.kb_avail * 1024;
	return 0;
}

int rbd_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct image_names names = { 0 };
	struct rbd_pool *pool;
	int rc = rbd_pool_open(d, op, &pool, e);

	if (rc == 0)
		rc = pool_room(pool, sizes, e);
	if (rc == 0)
		rc = image_names_get(pool, &names, e);
	if (rc == 0)
		rc = report_all(d, pool, &names, op, e);
	image_names_free(&names);
	return rc;
}
