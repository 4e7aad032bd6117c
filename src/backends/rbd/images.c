/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The images of a Ceph pool as volumes. Their names and ids come with one call; what each is, look.c asks.
 */
#include <errno.h>
#include <stdio.h>
#include "backends/rbd/look.h"
#include "backends/rbd/room.h"
#include "base/util.h"
#include "pool/check.h"

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

/* After an operation on one image only that one is asked about: the number of another in the index; -1: it is
 * asked about. */
static long known_number(const struct op *op, const char *name)
{
	if (!op->only || !op->index)
		return -1;
	for (const char *const *one = op->only; *one; one++)
		if (streq(*one, name))
			return -1;
	return volindex_by_name(op->index, name);
}

/* One that is not whole, or has no name that can be shown. What a broken making has left is removed; who
 * still makes it has it open, and the cluster refuses that. */
static bool passed_over(const struct rbd_pool *p, const char *name, struct op *op)
{
	const bool unfinished = strncmp(name, RBD_UNFINISHED, strlen(RBD_UNFINISHED)) == 0;

	if (unfinished && op->sweep && rbd_remove(p->io, name) == 0)
		op_note(op, "image \"%s\", which was never finished, is removed", name);
	if (!unfinished && !check_text(name))
		op_note(op, "an image of Ceph pool \"%s\" is left out: its name is not text", p->ceph_pool);
	return unfinished || !check_text(name);
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

/* An image of the format that Ceph had before version 2 has its header elsewhere: librbd knows where. */
static void look_by_opening(const struct rbd_pool *p, struct rbd_image *image)
{
	rbd_image_t open;

	image->answer = rbd_open_read_only(p->io, image->name, &open, NULL);
	if (image->answer < 0)
		return;
	image->answer = rbd_get_size(open, &image->size);
	image->allocation = image->size;
	rbd_close(open);
}

/* One that is gone by now was never listed. */
static void report_image(const struct rbd_pool *p, const struct rbd_image *image, struct op *op)
{
	char key[600], path[620], problem[160];
	struct volume v = {
		.name = image->name,
		.type = "network",
		.key = key,
		.path = path,
		.format = "unknown", /* as libvirt's documents have it; whose bytes are a guest's */
		.has_perms = true,   /* 00, 0, 0: there are none */
		.capacity = image->size,
		.allocation = image->allocation,
		.physical = image->size,
		.backing = image->parent,
		.backing_format = image->parent ? "raw" : NULL,
		.snapshots = image->snapshots
	};

	if (image->answer == -ENOENT)
		return;
	snprintf(key, sizeof(key), "%s%s%s/%s", p->ceph_pool, p->namespace[0] ? "/" : "", p->namespace,
	         image->name);
	snprintf(path, sizeof(path), "rbd:%s", key);
	if (image->answer < 0) {
		snprintf(problem, sizeof(problem), "its header cannot be read: %s", strerror(-image->answer));
		v.problem = problem;
	}
	op->on_volume(op, &v);
}

static int report_all(const struct pool_def *d, const struct rbd_pool *p, const struct image_names *names,
                      struct arena *a, struct op *op, struct err *e)
{
	struct rbd_image *images = arena_alloc(a, (names->n + 1) * sizeof(*images));
	const bool by_map = d->refresh_allocation && streq(d->refresh_allocation, "default");
	size_t n = 0;

	if (!images)
		return err_set(e, ERR_NO_MEMORY, "cannot look at the images: out of memory");
	for (size_t i = 0; i < names->n; i++) {
		const long known = known_number(op, names->list[i].name);

		if (passed_over(p, names->list[i].name, op))
			continue;
		if (known < 0)
			images[n++] = (struct rbd_image){ .name = names->list[i].name,
				                          .id = names->list[i].id ? names->list[i].id : "" };
		else if (report_known(known, op, e) < 0)
			return -1;
	}
	if (rbd_look(p, images, n, by_map, a, op, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!*images[i].id)
			look_by_opening(p, &images[i]);
		report_image(p, &images[i], op);
	}
	return 0;
}

/* ---- how much there is ---- */

static int pool_room(const struct rbd_pool *p, struct op *op, struct pool_sizes *sizes, struct err *e)
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
	if (json)
		rbd_room_read_cluster(json, op->fill, sizeof(op->fill));
	if (json && rbd_room_read(json, p->ceph_pool, sizes))
		return 0;
	/* A user who may not ask for that, or a cluster without a manager, which counts. */
	answer = rados_cluster_stat(p->cluster, &all);
	if (answer < 0)
		return rbd_error(e, answer, "cannot ask the cluster for its room");
	sizes->capacity = all.kb * 1024;
	sizes->allocation = all.kb_used * 1024;
	sizes->available = all.kb_avail * 1024;
	rbd_room_cluster(all.kb_used, all.kb, op->fill, sizeof(op->fill));
	return 0;
}

int rbd_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct image_names names = { 0 };
	struct arena arena = { 0 };
	struct rbd_pool *pool;
	int rc = rbd_pool_open(d, op, &pool, e);

	if (rc == 0)
		rc = pool_room(pool, op, sizes, e);
	if (rc == 0)
		rc = image_names_get(pool, &names, e);
	if (rc == 0)
		rc = report_all(d, pool, &names, &arena, op, e);
	arena_free(&arena);
	image_names_free(&names);
	return rc;
}
