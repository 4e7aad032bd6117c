/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Printing a pool as libvirt prints it: order of elements, two spaces, single quotes. What a type does not have is left out
 * even when the document had it, as libvirt does.
 */
#include <inttypes.h>
#include <limits.h>

#include "base/util.h"
#include "pool/def.h"
#include "pool/xml.h"

#define FS_NS  "http://libvirt.org/schemas/storagepool/fs/1.0"
#define RBD_NS "http://libvirt.org/schemas/storagepool/rbd/1.0"

/* " name='value'", nothing for NULL. */
static void attribute(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(out, " %s='", name);
	xml_escape(out, value);
	buf_addc(out, '\'');
}

/* One element with text, one with one attribute; nothing for NULL. `indent` is what stands before '<'. */
static void text_element(struct buf *out, const char *indent, const char *name, const char *text)
{
	if (!text)
		return;
	buf_printf(out, "%s<%s>", indent, name);
	xml_escape(out, text);
	buf_printf(out, "</%s>\n", name);
}

static void attribute_element(struct buf *out, const char *indent, const char *name, const char *attr, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "%s<%s", indent, name);
	attribute(out, attr, value);
	buf_adds(out, "/>\n");
}

static const char *yes_no(int value)
{
	return value < 0 ? NULL : value ? "yes" : "no";
}

static void print_hosts(const struct pool_def *d, struct buf *out)
{
	for (size_t i = 0; i < d->source.nhosts; i++) {
		buf_adds(out, "    <host");
		attribute(out, "name", d->source.hosts[i].name);
		if (d->source.hosts[i].port)
			buf_printf(out, " port='%d'", d->source.hosts[i].port);
		buf_adds(out, "/>\n");
	}
}

static void print_devices(const struct pool_def *d, struct buf *out)
{
	for (size_t i = 0; i < d->source.ndevices; i++) {
		buf_adds(out, "    <device");
		attribute(out, "path", d->source.devices[i].path);
		attribute(out, "part_separator", yes_no(d->source.devices[i].part_separator));
		buf_adds(out, "/>\n");
	}
}

static void print_fc_host(const struct pool_adapter *a, struct buf *out)
{
	buf_adds(out, "    <adapter type='fc_host'");
	attribute(out, "parent", a->parent);
	attribute(out, "parent_wwnn", a->parent_wwnn);
	attribute(out, "parent_wwpn", a->parent_wwpn);
	attribute(out, "parent_fabric_wwn", a->parent_fabric_wwn);
	attribute(out, "managed", yes_no(a->managed));
	attribute(out, "wwnn", a->wwnn);
	attribute(out, "wwpn", a->wwpn);
	buf_adds(out, "/>\n");
}

static void print_adapter(const struct pool_adapter *a, struct buf *out)
{
	if (a->kind == ADAPTER_FC_HOST) {
		print_fc_host(a, out);
	} else if (a->name) {
		buf_adds(out, "    <adapter type='scsi_host'");
		attribute(out, "name", a->name);
		buf_adds(out, "/>\n");
	} else {
		buf_adds(out, "    <adapter type='scsi_host'>\n");
		buf_printf(out, "      <parentaddr unique_id='%u'>\n", a->unique_id);
		buf_printf(out, "        <address domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n", a->domain, a->bus, a->slot,
		           a->function);
		buf_adds(out, "      </parentaddr>\n    </adapter>\n");
	}
}

static void print_auth(const struct pool_auth *a, struct buf *out)
{
	char uuid[UUID_TEXT];

	if (a->kind == AUTH_NONE)
		return;
	buf_adds(out, "    <auth");
	attribute(out, "type", a->kind == AUTH_CHAP ? "chap" : "ceph");
	attribute(out, "username", a->username);
	buf_adds(out, ">\n      <secret");
	attribute(out, "type", a->secret_type);
	if (a->by_uuid)
		attribute(out, "uuid", uuid_print(&a->secret_uuid, uuid));
	else
		attribute(out, "usage", a->secret_usage);
	buf_adds(out, "/>\n    </auth>\n");
}

static void print_source(const struct pool_def *d, struct buf *out)
{
	unsigned fields = pool_type_info(d->type)->fields;

	buf_adds(out, "  <source>\n");
	if (fields & FIELD_HOST)
		print_hosts(d, out);
	if (fields & FIELD_DEVICE)
		print_devices(d, out);
	if (fields & FIELD_DIR)
		attribute_element(out, "    ", "dir", "path", d->source.dir);
	if (fields & FIELD_ADAPTER)
		print_adapter(&d->source.adapter, out);
	if (fields & FIELD_NAME)
		text_element(out, "    ", "name", d->source.name);
	if ((fields & FIELD_INITIATOR) && d->source.initiator) {
		buf_adds(out, "    <initiator>\n");
		attribute_element(out, "      ", "iqn", "name", d->source.initiator);
		buf_adds(out, "    </initiator>\n");
	}
	attribute_element(out, "    ", "format", "type", d->source.format);
	print_auth(&d->source.auth, out);
	attribute_element(out, "    ", "protocol", "ver", d->source.protocol);
	attribute_element(out, "    ", "vendor", "name", d->source.vendor);
	attribute_element(out, "    ", "product", "name", d->source.product);
	buf_adds(out, "  </source>\n");
}

static void print_target(const struct pool_def *d, struct buf *out)
{
	const struct pool_perms *p = &d->target.perms;

	if (pool_type_info(d->type)->fields & FIELD_NO_TARGET)
		return;
	buf_adds(out, "  <target>\n");
	text_element(out, "    ", "path", d->target.path);
	if (p->mode >= 0 || p->owner >= 0 || p->group >= 0 || p->label) {
		buf_adds(out, "    <permissions>\n");
		if (p->mode >= 0)
			buf_printf(out, "      <mode>0%o</mode>\n", (unsigned)p->mode);
		if (p->owner >= 0)
			buf_printf(out, "      <owner>%" PRId64 "</owner>\n", p->owner);
		if (p->group >= 0)
			buf_printf(out, "      <group>%" PRId64 "</group>\n", p->group);
		text_element(out, "      ", "label", p->label);
		buf_adds(out, "    </permissions>\n");
	}
	buf_adds(out, "  </target>\n");
}

static void print_options(const char *prefix, const char *list, const struct pool_option *options, size_t n, struct buf *out)
{
	if (n == 0)
		return;
	buf_printf(out, "  <%s:%s>\n", prefix, list);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "    <%s:option", prefix);
		attribute(out, "name", options[i].name);
		attribute(out, "value", options[i].value);
		buf_adds(out, "/>\n");
	}
	buf_printf(out, "  </%s:%s>\n", prefix, list);
}

static void print_boot(const struct pool_boot *b, struct buf *out)
{
	if (!b->given)
		return;
	buf_adds(out, "  <boot xmlns='" POOL_BOOT_NS "'");
	attribute(out, "require", yes_no(b->require));
	if (b->timeout_ms > 0 && b->timeout_ms % 1000 == 0)
		buf_printf(out, " timeout='%" PRIu64 "s'", b->timeout_ms / 1000);
	else if (b->timeout_ms > 0)
		buf_printf(out, " timeout='%" PRIu64 "ms'", b->timeout_ms);
	if (b->order != INT_MIN)
		buf_printf(out, " order='%d'", b->order);
	attribute(out, "onfail", pool_onfail_word(b->onfail));
	buf_adds(out, "/>\n");
}

void pool_print(const struct pool_def *d, struct buf *out)
{
	char uuid[UUID_TEXT];

	buf_printf(out, "<pool type='%s'%s%s>\n", pool_type_word(d->type), d->nmount_options ? " xmlns:fs='" FS_NS "'" : "",
	           d->nrbd_options ? " xmlns:rbd='" RBD_NS "'" : "");
	text_element(out, "  ", "name", d->name);
	text_element(out, "  ", "uuid", uuid_print(&d->uuid, uuid));
	buf_printf(out, "  <capacity unit='bytes'>%" PRIu64 "</capacity>\n", d->capacity);
	buf_printf(out, "  <allocation unit='bytes'>%" PRIu64 "</allocation>\n", d->allocation);
	buf_printf(out, "  <available unit='bytes'>%" PRIu64 "</available>\n", d->available);
	if (d->cow >= 0) {
		buf_adds(out, "  <features>\n");
		attribute_element(out, "    ", "cow", "state", yes_no(d->cow));
		buf_adds(out, "  </features>\n");
	}
	print_source(d, out);
	print_target(d, out);
	if (d->refresh_allocation) {
		buf_adds(out, "  <refresh>\n");
		attribute_element(out, "    ", "volume", "allocation", d->refresh_allocation);
		buf_adds(out, "  </refresh>\n");
	}
	print_options("fs", "mount_opts", d->mount_options, d->nmount_options, out);
	print_options("rbd", "config_opts", d->rbd_options, d->nrbd_options, out);
	print_boot(&d->boot, out);
	buf_adds(out, "</pool>\n");
}
