/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Virtual disks: which there are, and their inodes.
 *
 * A VDI's number comes from its name (FNV-1a), and its snapshots have the numbers behind it. A snapshot is
 * what the VDI was: it keeps its number and its objects, and the VDI goes on under a new one. So one name may
 * have several inodes, of which one at most is no snapshot.
 */
#include <stdio.h>
#include "backends/sheepdog/sheepdog.h"
#include "base/contract.h"
#include "base/util.h"

enum {
	BITMAP = SHEEP_VDIS / 8,
	VDIS_MOST = 100000, /* that are looked at: a cluster that claims more is not believed */
	/* in an inode, beside those in sheepdog.h */
	AT_MADE = 512,
	AT_SNAPSHOT = 520,
	AT_COPY_POLICY = 552,
	AT_STORE_POLICY = 553,
	AT_COPIES = 554,
	AT_SHIFT = 555,
	AT_ID = 560,
};

uint64_t sheep_object(uint32_t vdi, size_t index)
{
	return (uint64_t)vdi << 32 | index;
}

uint64_t sheep_inode(uint32_t vdi)
{
	return UINT64_C(1) << 63 | (uint64_t)vdi << 32;
}

bool sheep_vdi_parse(const uint8_t head[SHEEP_INODE_HEAD], uint32_t id, struct sheep_vdi *v)
{
	*v = (struct sheep_vdi){ .id = id,
		                 .made = sheep_u64(head + AT_MADE) >> 32,
		                 .snapshot = sheep_u64(head + AT_SNAPSHOT) != 0,
		                 .hyper = head[AT_STORE_POLICY] != 0,
		                 .size = sheep_u64(head + SHEEP_AT_SIZE),
		                 .copies = head[AT_COPIES],
		                 .copy_policy = head[AT_COPY_POLICY],
		                 .shift = head[AT_SHIFT] };
	memcpy(v->name, head, sizeof(v->name));
	memcpy(v->tag, head + SHEEP_AT_TAG, sizeof(v->tag));
	if (memchr(v->name, 0, sizeof(v->name)) == NULL || memchr(v->tag, 0, sizeof(v->tag)) == NULL ||
	    sheep_u32(head + AT_ID) != id || v->shift < SHEEP_SHIFT_MIN || v->shift > SHEEP_SHIFT_MAX)
		return false;
	return v->hyper || v->size <= (uint64_t)SHEEP_OBJECTS << v->shift;
}

void sheep_vdi_free(struct sheep_vdi *v)
{
	free(v->map);
	v->map = NULL;
	v->nmap = 0;
}

/* Read a part of an inode. */
static int inode_read(struct sheep *s, uint32_t id, uint32_t offset, void *data, size_t len, struct err *e)
{
	struct sheep_call c = { .opcode = SHEEP_READ_OBJECT,
		                .object = sheep_inode(id),
		                .offset = offset,
		                .in = data,
		                .in_len = len };

	if (sheep_do(s, &c, e, "cannot read the inode of VDI %06x", id) < 0)
		return -1;
	return c.got == len ? 0
	                    : err_set(e, ERR_STORAGE, "the inode of VDI %06x is cut off after %zu bytes", id,
	                              (size_t)offset + c.got);
}

/* Read the list of its objects, as long as its size makes it. */
static int vdi_map_read(struct sheep *s, struct sheep_vdi *v, struct err *e)
{
	uint8_t *bytes;

	v->nmap = v->hyper ? 0 : sheep_objects(v, v->size);
	v->map = calloc(v->nmap ? v->nmap : 1, sizeof(*v->map));
	if (!v->map)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	bytes = (uint8_t *)v->map;
	if (v->nmap && inode_read(s, v->id, SHEEP_INODE_HEAD, bytes, v->nmap * sizeof(*v->map), e) < 0)
		return -1;
	for (size_t i = 0; i < v->nmap; i++)
		v->map[i] = sheep_u32(bytes + i * sizeof(*v->map));
	return 0;
}

static int vdi_read(struct sheep *s, uint32_t id, struct sheep_vdi *v, struct err *e)
{
	uint8_t head[SHEEP_INODE_HEAD];

	*v = (struct sheep_vdi){ 0 };
	if (inode_read(s, id, 0, head, sizeof(head), e) < 0)
		return -1;
	return sheep_vdi_parse(head, id, v) ? 0
	                                    : err_set(e, ERR_STORAGE, "the inode of VDI %06x is damaged", id);
}

/* ---- all of them ---- */

/* Numbers of VDIs that were deleted, which are not given again. Older servers have no such list. */
static int deleted_read(struct sheep *s, uint8_t *map, size_t *len, struct err *e)
{
	struct sheep_call c = { .opcode = SHEEP_READ_DELETED, .in = map, .in_len = BITMAP };

	if (sheep_ask(s, &c, e) < 0)
		return -1;
	s->counts = c.result == SHEEP_SUCCESS ? SHEEP_COUNTS : SHEEP_COUNTS_NOT;
	*len = s->counts == SHEEP_COUNTS ? c.got : 0;
	return 0;
}

bool sheep_counts(struct sheep *s, struct err *e)
{
	if (s->counts == SHEEP_UNASKED) {
		cleanup_free uint8_t *map = malloc(BITMAP);
		size_t len;

		if (!map) {
			s->broken = true;
			err_set(e, ERR_NO_MEMORY, "out of memory");
		} else {
			deleted_read(s, map, &len, e);
		}
	}
	return s->counts == SHEEP_COUNTS;
}

/* Which numbers are those of a VDI that is there. */
static int bitmap_read(struct sheep *s, uint8_t *used, uint8_t *deleted, struct err *e)
{
	struct sheep_call all = { .opcode = SHEEP_READ_VDIS, .in = used, .in_len = BITMAP };
	size_t len;

	if (sheep_do(s, &all, e, "cannot list the VDIs of the cluster") < 0 ||
	    deleted_read(s, deleted, &len, e) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		used[i] &= (uint8_t)~deleted[i];
	return 0;
}

static size_t bits_in(const uint8_t *map, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (size_t)__builtin_popcount(map[i]);
	return n;
}

/* One number that is in use. What cannot be read of one VDI is no reason to tell nothing of the others; a
 * connection that breaks is. */
static int each_one(struct sheep *s, struct op *op, uint32_t id, bool maps,
                    int (*fn)(const struct sheep_vdi *, void *, struct err *), void *arg, struct err *e)
{
	cleanup_vdi struct sheep_vdi v = { 0 };
	struct err why = { 0 };

	if (vdi_read(s, id, &v, &why) < 0 || (v.name[0] && maps && vdi_map_read(s, &v, &why) < 0)) {
		op_note(op, "a VDI is left out: %s", why.message);
		if (s->broken && e)
			*e = why;
		return s->broken ? -1 : 0;
	}
	return v.name[0] ? fn(&v, arg, e) : 0;
}

int sheep_each(struct sheep *s, struct op *op, bool maps,
               int (*fn)(const struct sheep_vdi *v, void *arg, struct err *e), void *arg, struct err *e)
{
	demand(op && fn, e);

	cleanup_free uint8_t *used = calloc(1, BITMAP), *deleted = malloc(BITMAP);
	size_t n;

	if (!used || !deleted)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (bitmap_read(s, used, deleted, e) < 0)
		return -1;
	n = bits_in(used, BITMAP);
	if (n > VDIS_MOST)
		return err_set(e, ERR_TOO_LONG,
		               "the cluster says that it has %zu VDIs: at most %d are listed", n, VDIS_MOST);
	for (uint32_t id = 1; id < SHEEP_VDIS; id++) {
		if (id % 8 == 0 && !used[id / 8])
			id += 7; /* none of these eight */
		else if ((used[id / 8] >> (id % 8) & 1) && each_one(s, op, id, maps, fn, arg, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- one of them ---- */

int sheep_find(struct sheep *s, const char *name, struct sheep_vdi *v, struct err *e)
{
	char words[2 * SHEEP_NAME] = ""; /* its name, and no tag */
	struct sheep_call c = { .opcode = SHEEP_VDI_INFO, .out = words, .out_len = sizeof(words) };
	int rc;

	*v = (struct sheep_vdi){ 0 };
	if (strlen(name) >= SHEEP_NAME)
		return err_set(e, ERR_NO_VOLUME, "no VDI has a name of %zu bytes", strlen(name));
	snprintf(words, sizeof(words), "%s", name);
	if (sheep_do(s, &c, e, "cannot find VDI \"%.200s\"", name) < 0)
		return -1;
	if (c.vdi == 0 || c.vdi >= SHEEP_VDIS)
		return err_set(e, ERR_STORAGE, "the server says that VDI \"%.200s\" has the number %x", name,
		               c.vdi);
	rc = vdi_read(s, c.vdi, v, e);
	if (rc == 0 && (v->snapshot || !streq(v->name, name)))
		rc = err_set(e, ERR_NO_VOLUME, "there is no VDI \"%.200s\" in the cluster now", name);
	return rc == 0 ? vdi_map_read(s, v, e) : -1;
}

int sheep_vdi_still(struct sheep *s, const struct sheep_vdi *v, struct err *e)
{
	struct sheep_vdi now;

	if (vdi_read(s, v->id, &now, e) < 0)
		return -1;
	return !now.snapshot && streq(now.name, v->name)
	               ? 0
	               : err_set(e, ERR_READ_ONLY,
	                         "VDI \"%s\" has become a snapshot meanwhile, or was deleted: that is not "
	                         "changed, and whoever asks again gets the VDI that is there now",
	                         v->name);
}

int sheep_head_write(struct sheep *s, const struct sheep_vdi *v, uint32_t offset, const void *data,
                     size_t len, struct err *e)
{
	demand(offset + len <= SHEEP_INODE_HEAD, e);

	struct sheep_call c = { .opcode = SHEEP_WRITE_OBJECT,
		                .object = sheep_inode(v->id),
		                .offset = offset,
		                .copies = v->copies,
		                .copy_policy = v->copy_policy,
		                .out = data,
		                .out_len = len };

	return sheep_vdi_still(s, v, e) < 0
	               ? -1
	               : sheep_do(s, &c, e, "cannot write the inode of VDI \"%s\"", v->name);
}
