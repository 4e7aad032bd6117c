/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Printing a volume as libvirt prints it: one that a document describes, or one that is there. The second is
 * looked at as a definition, to which come the facts that only a volume has: where its extents lie, what it
 * takes on disk, when it was touched.
 */
#include "pool/volume.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/image/image.h"
#include "pool/printing.h"
#include "pool/xml.h"
#include "pool/voldef.h"

/* Sizes are always printed in bytes, as libvirt does, whatever unit the document had. */
static void size_element(struct buf *out, const char *name, uint64_t bytes)
{
	buf_printf(out, "  <%s unit='bytes'>%" PRIu64 "</%s>\n", name, bytes, name);
}

/* ---- what only a volume that is there has ---- */

/* <source> of a volume is what libvirt prints for logical and disk pools: the devices on which it lies.
 * Where its extents begin and end is known of partitions only. */
static void print_extent_devices(const struct volume *v, struct buf *out)
{
	const char *devices = v->devices;

	if (!devices)
		return;
	buf_adds(out, "  <source>\n");
	for (const char *p = devices; *p; p += strspn(p, " ")) {
		char path[256];
		size_t n = strcspn(p, " ");

		snprintf(path, sizeof(path), "%.*s", (int)n, p);
		buf_adds(out, "    <device");
		print_attribute(out, "path", path);
		buf_adds(out, ">\n");
		if (v->extent_end)
			buf_printf(out, "      <extent start='%" PRIu64 "' end='%" PRIu64 "'/>\n",
			           v->extent_start, v->extent_end);
		buf_adds(out, "    </device>\n");
		p += n;
	}
	buf_adds(out, "  </source>\n");
}

static void time_element(struct buf *out, const char *name, int64_t sec, uint32_t nsec)
{
	buf_printf(out, "      <%s>%" PRId64, name, sec);
	if (nsec)
		buf_printf(out, ".%09" PRIu32, nsec);
	buf_printf(out, "</%s>\n", name);
}

/* The time of birth is not asked for; libvirt prints it as 0. */
static void print_times(const struct volume *v, struct buf *out)
{
	if (!v->has_times)
		return;
	buf_adds(out, "    <timestamps>\n");
	time_element(out, "atime", v->atime.sec, v->atime.nsec);
	time_element(out, "mtime", v->mtime.sec, v->mtime.nsec);
	time_element(out, "ctime", v->ctime_.sec, v->ctime_.nsec);
	time_element(out, "btime", 0, 0);
	buf_adds(out, "    </timestamps>\n");
}

/* ---- what both have ---- */

/* The cipher, and how initial vectors are made, which means nothing without one. */
static void print_cipher(const struct volume_encryption *c, struct buf *out)
{
	if (!c->cipher.name)
		return;
	buf_adds(out, "      <cipher");
	print_attribute(out, "name", c->cipher.name);
	buf_printf(out, " size='%u'", c->cipher.size);
	print_attribute(out, "mode", c->cipher.mode);
	print_attribute(out, "hash", c->cipher.hash);
	buf_adds(out, "/>\n");
	if (!c->ivgen.name)
		return;
	buf_adds(out, "      <ivgen");
	print_attribute(out, "name", c->ivgen.name);
	print_attribute(out, "hash", c->ivgen.hash);
	buf_adds(out, "/>\n");
}

static void print_encryption(const struct volume_encryption *c, struct buf *out)
{
	if (!c->format)
		return;
	buf_adds(out, "    <encryption");
	print_attribute(out, "format", c->format);
	print_attribute(out, "engine", c->engine);
	buf_adds(out, ">\n");
	for (size_t i = 0; i < c->nsecrets; i++) {
		buf_adds(out, "      <secret");
		print_attribute(out, "type", c->secrets[i].type);
		print_secret_reference(out, c->secrets[i].by_uuid, &c->secrets[i].uuid, c->secrets[i].usage);
		buf_adds(out, "/>\n");
	}
	print_cipher(c, out);
	buf_adds(out, "    </encryption>\n");
}

/* An empty <features/> says that the image is of version 3 and has none. */
static void print_features(const struct volume_def *d, struct buf *out)
{
	const struct {
		bool there;
		const char *element;
	} features[] = {
		{ d->lazy_refcounts, "lazy_refcounts" },
		{ d->extended_l2, "extended_l2" },
		{ d->data_file, "data_file" },
	};
	bool any = d->lazy_refcounts || d->extended_l2 || d->data_file;

	if (!any && d->features_given)
		buf_adds(out, "    <features/>\n");
	if (!any)
		return;
	buf_adds(out, "    <features>\n");
	for (size_t i = 0; i < ARRAY_LEN(features); i++)
		if (features[i].there)
			buf_printf(out, "      <%s/>\n", features[i].element);
	buf_adds(out, "    </features>\n");
}

void volume_layout_print(const char *layout, struct buf *out)
{
	if (!layout)
		return;
	buf_adds(out, "    <layout xmlns='" VOLUME_LAYOUT_NS "'>");
	xml_escape(out, layout);
	buf_adds(out, "</layout>\n");
}

/* How a definition is printed: as libvirt does it, with what it has for granted and without <nocow/>, or so
 * that reading gives the same again. */
enum form { CANONICAL, AS_GIVEN };

/* The order of the elements is libvirt's own. <nocow/> is a wish for the time of making: libvirt's form has
 * it not, but a definition that is handed to a worker needs it. */
static void print_volume_target(const struct volume_def *d, enum form form, const struct volume *live,
                                struct buf *out)
{
	buf_adds(out, "  <target>\n");
	print_text(out, "    ", "path", d->path);
	print_empty(out, "    ", "format", "type",
	            form == AS_GIVEN && d->other_format ? d->other_format : d->format);
	print_permissions(out, &d->perms);
	if (live)
		print_times(live, out);
	print_encryption(&d->encryption, out);
	print_text(out, "    ", "compat", d->compat);
	if (d->nocow && form == AS_GIVEN)
		buf_adds(out, "    <nocow/>\n");
	if (d->cluster_size)
		buf_printf(out, "    <clusterSize unit='B'>%" PRIu64 "</clusterSize>\n", d->cluster_size);
	print_features(d, out);
	if (form == AS_GIVEN)
		volume_layout_print(d->layout, out);
	buf_adds(out, "  </target>\n");
}

/* libvirt prints a format in every <backingStore>, also where the document has none. For handing a
 * definition on that would be a lie: "not given" means that the image's header may say it. */
static void print_backing(const struct volume_def *d, enum form form, struct buf *out)
{
	const char *format = d->backing.format || form == AS_GIVEN ? d->backing.format : d->backing.otherwise;

	if (!d->backing.given)
		return;
	buf_adds(out, "  <backingStore>\n");
	print_text(out, "    ", "path", d->backing.path);
	print_empty(out, "    ", "format", "type", format);
	print_permissions(out, &d->backing.perms);
	buf_adds(out, "  </backingStore>\n");
}

/* live: NULL where there is only a definition. */
static void print_volume(const struct volume_def *d, enum form form, const struct volume *live,
                         struct buf *out)
{
	buf_adds(out, "<volume");
	print_attribute(out, "type", d->type);
	buf_adds(out, ">\n");
	print_text(out, "  ", "name", d->name);
	print_text(out, "  ", "key", d->key);
	if (live)
		print_extent_devices(live, out);
	if (form == CANONICAL || d->has_capacity)
		size_element(out, "capacity", d->capacity);
	if (form == CANONICAL || d->has_allocation)
		size_element(out, "allocation", d->allocation);
	if (live && live->physical)
		size_element(out, "physical", live->physical);
	print_volume_target(d, form, live, out);
	print_backing(d, form, out);
	buf_adds(out, "</volume>\n");
}

void volume_def_print(const struct volume_def *d, struct buf *out)
{
	demand_or(d->name && d->type, );
	print_volume(d, CANONICAL, NULL, out);
}

void volume_def_print_as_given(const struct volume_def *d, struct buf *out)
{
	demand_or(d->name && d->type, );
	print_volume(d, AS_GIVEN, NULL, out);
}

/* A qcow2 image of version 3 has features, if only none. What its header names becomes a path by text
 * alone. */
void volume_print(const struct volume *v, struct buf *out)
{
	demand_or(v->name && v->type, );

	const struct pool_perms none = { .mode = -1, .owner = -1, .group = -1 };
	cleanup_buf struct buf backing = BUF_INIT;

	if (v->backing)
		image_backing_path(v->path ? v->path : "", v->backing, &backing);

	/* The facts of a volume as those of a definition, so that one printer serves both. */
	const struct volume_def d = {
		.type = v->type,
		.name = v->name,
		.key = v->key,
		.capacity = v->capacity,
		.allocation = v->allocation,
		.path = v->path,
		.format = image_format_in_xml(v->format),
		.perms = v->has_perms ? (struct pool_perms){ .given = true,
		                                             .seen = true,
		                                             .mode = (int)v->mode,
		                                             .owner = v->owner,
		                                             .group = v->group }
		                      : none,
		.encryption = { .format = v->encryption },
		.compat = v->compat,
		.cluster_size = v->cluster_size,
		.features_given = v->compat && !streq(v->compat, "0.10"),
		.lazy_refcounts = v->lazy_refcounts,
		.extended_l2 = v->extended_l2,
		.backing = { .given = v->backing != NULL,
		             .path = buf_str(&backing),
		             .format = image_format_in_xml(v->backing_format),
		             .perms = none },
	};

	print_volume(&d, CANONICAL, v, out);
	out->failed |= backing.failed;
}
