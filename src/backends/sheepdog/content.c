/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bytes of a virtual disk. They lie in data objects of one size. An object that the inode does not list
 * reads as zeros; one that it lists under another number belongs to a snapshot, and is copied by the server
 * before it is written to.
 *
 * An object is written before the inode lists it. Should we end between the two, the object is one that
 * nobody lists, and the next write makes it again.
 */
#include "backends/sheepdog/sheepdog.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "volumes/store.h"

enum {
	PIECE = 1024 * 1024,   /* bytes of one request */
	MAP_PIECE = 16 * 1024, /* entries of the list that are written at once */
	ENTRY = 4,             /* bytes of one */
};

int sheep_content_open(struct sheep_content *c, const struct pool_def *d, struct op *op, const char *name,
                       struct err *e)
{
	*c = (struct sheep_content){ .sheep.fd = -1 };
	if (sheep_open(&c->sheep, d, op, e) < 0 || sheep_find(&c->sheep, name, &c->vdi, e) < 0)
		return -1;
	return c->vdi.hyper
	               ? err_set(e, ERR_UNSUPPORTED,
	                         "VDI \"%s\" is a hyper volume, whose content is not understood here", name)
	               : 0;
}

void sheep_content_close(struct sheep_content *c)
{
	sheep_close(&c->sheep);
	sheep_vdi_free(&c->vdi);
}

/* One request about a data object of the VDI, under the number of `owner`. */
static int object_do(struct sheep_content *c, struct sheep_call *call, uint32_t owner, size_t index,
                     struct err *e)
{
	call->object = sheep_object(owner, index);
	call->copies = c->vdi.copies;
	call->copy_policy = c->vdi.copy_policy;
	return sheep_do(&c->sheep, call, e, "cannot %s object %zu of VDI \"%s\"", call->in ? "read" : "write",
	                index, c->vdi.name);
}

/* Write the list's entries from `first` up to `end` as the map has them. */
static int map_write(struct sheep_content *c, size_t first, size_t end, struct err *e)
{
	cleanup_free uint8_t *bytes = malloc((end - first) * ENTRY);
	struct sheep_call call = { .opcode = SHEEP_WRITE_OBJECT,
		                   .object = sheep_inode(c->vdi.id),
		                   .offset = SHEEP_INODE_HEAD + (uint32_t)(first * ENTRY),
		                   .copies = c->vdi.copies,
		                   .copy_policy = c->vdi.copy_policy,
		                   .out = bytes,
		                   .out_len = (end - first) * ENTRY };

	if (!bytes)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (sheep_vdi_still(&c->sheep, &c->vdi, e) < 0)
		return -1;
	for (size_t i = first; i < end; i++)
		sheep_put32(bytes + (i - first) * ENTRY, c->vdi.map[i]);
	return sheep_do(&c->sheep, &call, e, "cannot write the inode of VDI \"%s\"", c->vdi.name);
}

/* ---- as a store ---- */

/* The part of a range that lies in one object. */
struct part {
	size_t index;
	uint32_t offset, len;
};

static struct part part_of(const struct sheep_content *c, uint64_t at, uint64_t len)
{
	const uint64_t size = sheep_object_size(&c->vdi), offset = at % size;

	return (struct part){ (size_t)(at / size), (uint32_t)offset,
		              (uint32_t)least(least(len, size - offset), PIECE) };
}

static int content_read(void *arg, void *data, size_t len, uint64_t at, struct err *e)
{
	struct sheep_content *c = arg;
	struct part p;

	for (size_t done = 0; done < len; done += p.len) {
		p = part_of(c, at + done, len - done);

		const uint32_t owner = c->vdi.map[p.index];
		struct sheep_call call = { .opcode = SHEEP_READ_OBJECT,
			                   .offset = p.offset,
			                   .in = (char *)data + done,
			                   .in_len = p.len };

		if (!owner)
			memset((char *)data + done, 0, p.len);
		else if (object_do(c, &call, owner, p.index, e) < 0)
			return -1;
		else if (call.got != p.len)
			return err_set(e, ERR_STORAGE, "object %zu of VDI \"%s\" is cut off", p.index,
			               c->vdi.name);
	}
	return 0;
}

static int content_write(void *arg, const void *data, size_t len, uint64_t at, struct err *e)
{
	struct sheep_content *c = arg;
	struct part p;

	for (size_t done = 0; done < len; done += p.len) {
		p = part_of(c, at + done, len - done);

		const uint32_t owner = c->vdi.map[p.index];
		const bool own = owner == c->vdi.id;
		struct sheep_call call = { .opcode = own ? SHEEP_WRITE_OBJECT : SHEEP_CREATE_OBJECT,
			                   .copy_from = own || !owner ? 0 : sheep_object(owner, p.index),
			                   .offset = p.offset,
			                   .out = (const char *)data + done,
			                   .out_len = p.len };

		if (object_do(c, &call, c->vdi.id, p.index, e) < 0)
			return -1;
		c->vdi.map[p.index] = c->vdi.id;
		if (!own && map_write(c, p.index, p.index + 1, e) < 0)
			return -1;
	}
	return 0;
}

/* Objects that are wholly in the range are given back, of the others a part is written. */
static int content_zero(void *arg, uint64_t at, uint64_t len, struct err *e)
{
	static char zeros[64 * 1024]; /* not const: so it takes no room in the program */
	struct sheep_content *c = arg;
	const uint64_t size = sheep_object_size(&c->vdi), end = at + len;

	while (at < end) {
		const size_t index = (size_t)(at / size);
		uint64_t n = least(size - at % size, end - at);

		if (n == size || (at % size == 0 && end == c->vdi.size)) {
			n = end == c->vdi.size ? end - at : (end - at) / size * size;
			if (sheep_discard(c, index, sheep_objects(&c->vdi, at + n), NULL, e) < 0)
				return -1;
		} else if (c->vdi.map[index]) {
			n = least(n, sizeof(zeros));
			if (content_write(c, zeros, (size_t)n, at, e) < 0)
				return -1;
		}
		at += n;
	}
	return 0;
}

static uint64_t content_hole(void *arg, uint64_t at)
{
	const struct sheep_content *c = arg;
	const uint64_t size = sheep_object_size(&c->vdi);
	size_t i = (size_t)(at / size);

	if (i >= c->vdi.nmap || c->vdi.map[i])
		return 0;
	while (i < c->vdi.nmap && !c->vdi.map[i])
		i++;
	return least(i * size, c->vdi.size) - at;
}

void sheep_content_store(struct sheep_content *c, struct store *s)
{
	*s = (struct store){ .arg = c,
		             .name = c->vdi.name,
		             .size = c->vdi.size,
		             .read = content_read,
		             .write = content_write,
		             .zero = content_zero,
		             .hole = content_hole };
}

/* ---- giving back ---- */

/* A server that counts who refers to an object frees it when the inode lists it no more. Older ones free it
 * when they are asked to, one by one. */
static int discard_run(struct sheep_content *c, size_t first, size_t end, struct err *e)
{
	if (sheep_counts(&c->sheep, e)) {
		for (size_t i = first; i < end; i++)
			c->vdi.map[i] = 0;
		return map_write(c, first, end, e);
	}
	for (size_t i = first; i < end && !c->sheep.broken; i++) {
		struct sheep_call call = { .opcode = SHEEP_DISCARD_OBJECT };

		if (sheep_vdi_still(&c->sheep, &c->vdi, e) < 0 || object_do(c, &call, c->vdi.id, i, e) < 0)
			return -1;
		c->vdi.map[i] = 0;
	}
	return c->sheep.broken ? -1 : 0;
}

int sheep_discard(struct sheep_content *c, size_t first, size_t end, struct op *op, struct err *e)
{
	demand(end <= c->vdi.nmap, e);

	for (size_t i = first, n; i < end; i += n) {
		n = 1;
		if (!c->vdi.map[i])
			continue;
		while (n < MAP_PIECE && i + n < end && c->vdi.map[i + n])
			n++;
		if (op && clock_ms() >= op->deadline)
			return err_set(e, ERR_TIMEOUT, "not done in time, after %zu of %zu objects",
			               i - first, end - first);
		if (discard_run(c, i, i + n, e) < 0)
			return -1;
	}
	return 0;
}
