/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Printing a pool as libvirt prints it: order of elements, two spaces, single quotes. What a type does not
 * have is left out even when the document had it, as libvirt does.
 *
 * Printing knows no definition that reading does not make: what is printed can be read again, and gives the
 * same. Sizes are the live pool's, which the caller has put into the definition.
 */
#include <inttypes.h>
#include <limits.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/printing.h"
#include "pool/xml.h"

#define FS_NS  "http://libvirt.org/schemas/storagepool/fs/1.0"
#define RBD_NS "http://libvirt.org/schemas/storagepool/rbd/1.0"

/* NULL, and with that no attribute, where the document did not say. */
static const char *yes_no_word(int value)
{
	if (value < 0)
		return NULL;
	return value ? "yes" : "no";
}

/* The pieces of a disk that are free, as the live pool has them. */
static void print_free_extents(const char *extents, struct buf *out)
{
	for (const char *p = extents; *p; p += strspn(p, " ")) {
		int start = (int)strcspn(p, "-"), end = (int)strcspn(p, " ");

		buf_printf(out, "      <freeExtent start='%.*s' end='%.*s'/>\n", start, p, end - start - 1,
		           p + start + 1);
		p += end;
	}
}

static void print_source_devices(const struct pool_def *d, struct buf *out)
{
	for (size_t i = 0; i < d->source.ndevices; i++) {
		buf_adds(out, "    <device");
		print_attribute(out, "path", d->source.devices[i].path);
		print_attribute(out, "part_separator", yes_no_word(d->source.devices[i].part_separator));
		if (i > 0 || !d->source.free_extents) {
			buf_adds(out, "/>\n");
			continue;
		}
		buf_adds(out, ">\n");
		print_free_extents(d->source.free_extents, out);
		buf_adds(out, "    </device>\n");
	}
}

/* The order of attributes is libvirt's, as that of elements is: tests compare bytes. */
static void print_fc_host(const struct pool_adapter *a, struct buf *out)
{
	buf_adds(out, "    <adapter type='fc_host'");
	print_attribute(out, "parent", a->parent);
	print_attribute(out, "parent_wwnn", a->parent_wwnn);
	print_attribute(out, "parent_wwpn", a->parent_wwpn);
	print_attribute(out, "parent_fabric_wwn", a->parent_fabric_wwn);
	print_attribute(out, "managed", yes_no_word(a->managed));
	print_attribute(out, "wwnn", a->wwnn);
	print_attribute(out, "wwpn", a->wwpn);
	buf_adds(out, "/>\n");
}

/* The form in which it was given: by world wide names, by the host's name, or by the PCI address of its
 * parent. */
static void print_adapter(const struct pool_adapter *a, struct buf *out)
{
	if (a->kind == ADAPTER_FC_HOST) {
		print_fc_host(a, out);
	} else if (a->name) {
		buf_adds(out, "    <adapter type='scsi_host'");
		print_attribute(out, "name", a->name);
		buf_adds(out, "/>\n");
	} else {
		buf_adds(out, "    <adapter type='scsi_host'>\n");
		buf_printf(out, "      <parentaddr unique_id='%u'>\n", a->unique_id);
		buf_printf(out,
		           "        <address domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n",
		           a->domain, a->bus, a->slot, a->function);
		buf_adds(out, "      </parentaddr>\n    </adapter>\n");
	}
}

/* Who logs in, and where the secret is. The secret itself is in no document. */
static void print_auth(const struct pool_auth *a, struct buf *out)
{
	if (a->kind == AUTH_NONE)
		return;
	buf_adds(out, "    <auth");
	print_attribute(out, "type", a->kind == AUTH_CHAP ? "chap" : "ceph");
	print_attribute(out, "username", a->username);
	buf_adds(out, ">\n      <secret");
	print_attribute(out, "type", a->secret_type);
	print_secret_reference(out, a->by_uuid, &a->secret_uuid, a->secret_usage);
	buf_adds(out, "/>\n    </auth>\n");
}

/* The children of <source> in the order of libvirt's own writer. A type prints what its
 * document may have; what all may have (<auth>, <protocol>, <vendor>, <product>) is printed wherever it is.
 */
static void print_source(const struct pool_def *d, struct buf *out)
{
	unsigned fields = pool_type_info(d->type)->fields;

	buf_adds(out, "  <source>\n");
	if (fields & FIELD_HOST)
		print_hosts(out, d);
	if (fields & FIELD_DEVICE)
		print_source_devices(d, out);
	if (fields & FIELD_DIR)
		print_empty(out, "    ", "dir", "path", d->source.dir);
	if (fields & FIELD_ADAPTER)
		print_adapter(&d->source.adapter, out);
	if (fields & FIELD_NAME)
		print_text(out, "    ", "name", d->source.name);
	if ((fields & FIELD_INITIATOR) && d->source.initiator) {
		buf_adds(out, "    <initiator>\n");
		print_empty(out, "      ", "iqn", "name", d->source.initiator);
		buf_adds(out, "    </initiator>\n");
	}
	print_empty(out, "    ", "format", "type", d->source.format);
	print_auth(&d->source.auth, out);
	print_empty(out, "    ", "protocol", "ver", d->source.protocol);
	print_empty(out, "    ", "vendor", "name", d->source.vendor);
	print_empty(out, "    ", "product", "name", d->source.product);
	buf_adds(out, "  </source>\n");
}

/* <target> is printed for every type that may have one, with its path and permissions if they are known. */
static void print_pool_target(const struct pool_def *d, struct buf *out)
{
	if (pool_type_info(d->type)->fields & FIELD_NO_TARGET)
		return;
	buf_adds(out, "  <target>\n");
	print_text(out, "    ", "path", d->target.path);
	print_permissions(out, &d->target.perms);
	buf_adds(out, "  </target>\n");
}

/* Options keep the document's order: the later of two that contradict each other wins in mount(8). */
static void print_option_list(const char *prefix, const char *list, const struct pool_option *options,
                              size_t n, struct buf *out)
{
	if (n == 0)
		return;
	buf_printf(out, "  <%s:%s>\n", prefix, list);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "    <%s:option", prefix);
		print_attribute(out, "name", options[i].name);
		print_attribute(out, "value", options[i].value);
		buf_adds(out, "/>\n");
	}
	buf_printf(out, "  </%s:%s>\n", prefix, list);
}

/* A timeout goes back as it is usually written, in whole seconds; only a fraction needs milliseconds. */
static void print_boot(const struct pool_boot *b, struct buf *out)
{
	if (!b->given)
		return;
	buf_adds(out, "  <boot xmlns='" POOL_BOOT_NS "'");
	print_attribute(out, "require", yes_no_word(b->require));
	if (b->timeout_ms > 0 && b->timeout_ms % 1000 == 0)
		buf_printf(out, " timeout='%" PRIu64 "s'", b->timeout_ms / 1000);
	else if (b->timeout_ms > 0)
		buf_printf(out, " timeout='%" PRIu64 "ms'", b->timeout_ms);
	if (b->order != INT_MIN)
		buf_printf(out, " order='%d'", b->order);
	print_attribute(out, "onfail", pool_onfail_word(b->onfail));
	buf_adds(out, "/>\n");
}

void pool_print(const struct pool_def *d, struct buf *out)
{
	demand_or(d->name, );

	char uuid[UUID_TEXT];

	buf_printf(out, "<pool type='%s'%s%s>\n", pool_type_word(d->type),
	           d->nmount_options ? " xmlns:fs='" FS_NS "'" : "",
	           d->nrbd_options ? " xmlns:rbd='" RBD_NS "'" : "");
	print_text(out, "  ", "name", d->name);
	print_text(out, "  ", "uuid", uuid_print(&d->uuid, uuid));
	buf_printf(out, "  <capacity unit='bytes'>%" PRIu64 "</capacity>\n", d->capacity);
	buf_printf(out, "  <allocation unit='bytes'>%" PRIu64 "</allocation>\n", d->allocation);
	buf_printf(out, "  <available unit='bytes'>%" PRIu64 "</available>\n", d->available);
	if (d->cow >= 0) {
		buf_adds(out, "  <features>\n");
		print_empty(out, "    ", "cow", "state", yes_no_word(d->cow));
		buf_adds(out, "  </features>\n");
	}
	print_source(d, out);
	print_pool_target(d, out);
	if (d->refresh_allocation) {
		buf_adds(out, "  <refresh>\n");
		print_empty(out, "    ", "volume", "allocation", d->refresh_allocation);
		buf_adds(out, "  </refresh>\n");
	}
	print_option_list("fs", "mount_opts", d->mount_options, d->nmount_options, out);
	print_option_list("rbd", "config_opts", d->rbd_options, d->nrbd_options, out);
	print_boot(&d->boot, out);
	if (d->fill_marks[0])
		buf_printf(out, "  <fill xmlns='" POOL_FILL_NS "'>%u %u</fill>\n", d->fill_marks[0],
		           d->fill_marks[1]);
	if (d->mount_words) {
		buf_adds(out, "  <mount xmlns='" POOL_MOUNT_NS "'>");
		xml_escape(out, d->mount_words);
		buf_adds(out, "</mount>\n");
	}
	buf_adds(out, "</pool>\n");
}
