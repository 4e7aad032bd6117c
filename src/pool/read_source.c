/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading <source>: hosts, devices, directory, SCSI adapter, initiator, authentication, format; then what the
 * type demands of it.
 */
#include <limits.h>
#include <string.h>

#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/reading.h"

/* ---- hosts and devices ---- */

/* May a host of that type be called so? */
static bool is_host(enum pool_type type, const char *name)
{
	const unsigned fields = pool_type_info(type)->fields;

	return check_host(name) || ((fields & FIELD_BRACKETS) && check_bracketed(name)) ||
	       ((fields & FIELD_SOCKET) && *name == '/' && check_device(name));
}

/* A port outside 1 to 65535 is let through, as libvirt does; --validate refuses it, and so does whoever
 * connects. */
static int read_hosts(struct reading *r, const xmlNode *source)
{
	for (const xmlNode *n = xml_child(source, "host"); n; n = xml_next(n, "host")) {
		struct pool_host host = { .name = xml_attr(r->a, n, "name") };
		const char *port = xml_attr(r->a, n, "port");
		long long number = 0;

		if (!host.name)
			return refuse(r, n, "a source host has no name");
		if (!is_host(r->d->type, host.name))
			return refuse(r, n,
			              "\"%.100s\" is neither a host name nor an address (IPv6 addresses are "
			              "written without brackets)",
			              host.name);
		if (port && !read_number(port, 10, INT_MIN, INT_MAX, &number))
			return refuse(r, n, "port \"%.40s\" of host %.100s is not a number", port, host.name);
		host.port = (int)number;
		if (read_append(r, &r->d->source.hosts, &r->d->source.nhosts, &host, sizeof(host)) < 0)
			return -1;
	}
	return 0;
}

/* What a word may be depends on who is going to use it. */
static const struct {
	bool (*fits)(const char *word);
	const char *before, *is;
} words[] = {
	[WORD_BLOCK_DEVICE] = { check_device, "device ",
	                        "neither an absolute path without \"..\" nor LABEL=, UUID=, PARTLABEL= or "
	                        "PARTUUID= with a value" },
	[WORD_ISCSI_TARGET] = { check_iqn, "",
	                        "not the name of an iSCSI target (letters, digits, '.', ':', '-', '_'; no "
	                        "\"..\")" },
	[WORD_ZPOOL_PART] = { check_zpool_part, "", "not a device for a zpool" },
	[WORD_VOLUME_GROUP] = { check_lvm_name, "", "not a name that LVM gives to a volume group" },
	[WORD_CLUSTER] = { name_is_component, "", "not the name of a cluster" },
};

/* Does a word fit what its user takes? Types without a rule take any. */
static int check_word(struct reading *r, const xmlNode *node, unsigned kind, const char *word)
{
	demand(kind < ARRAY_LEN(words), r->e);
	if (kind == WORD_ANY || words[kind].fits(word))
		return 0;
	return refuse(r, node, "%s\"%.130s\" is %s", words[kind].before, word, words[kind].is);
}

/* Devices in the document's order: of a volume group they are its physical volumes, in the order in which it
 * is built. */
static int read_devices(struct reading *r, const xmlNode *source)
{
	for (const xmlNode *n = xml_child(source, "device"); n; n = xml_next(n, "device")) {
		struct pool_device device = { 0 };

		if (read_attr(r, n, "path", &device.path) < 0 ||
		    read_yes_no(r, n, "part_separator", &device.part_separator) < 0)
			return -1;
		if (!device.path)
			return refuse(r, n, "a source device has no path");
		if (check_word(r, n, pool_type_info(r->d->type)->device, device.path) < 0)
			return -1;
		if (read_append(r, &r->d->source.devices, &r->d->source.ndevices, &device, sizeof(device)) <
		    0)
			return -1;
	}
	return 0;
}

/* <dir path=…>, tidied. A type that may have one and need not (gluster) takes the root where none is given.
 */
static int read_source_dir(struct reading *r, const xmlNode *source)
{
	const struct pool_type_info *info = pool_type_info(r->d->type);
	const char *given;
	char *path;

	if (read_attr(r, xml_child(source, "dir"), "path", &given) < 0)
		return -1;
	if (!given && info->fields & ~info->required & FIELD_DIR)
		given = "/";
	path = arena_strdup(r->a, given);
	if (path)
		path_tidy(path);
	r->d->source.dir = path;
	return 0;
}

/* ---- <adapter> ---- */

/* Numbers of a PCI address are C's: decimal, or hexadecimal behind "0x". One that is absent is 0. Their
 * limits are those of the PCI specification: 256 buses of 32 slots of 8 functions in each domain. */
static int read_pci_part(struct reading *r, const xmlNode *address, const char *name, long long max,
                         unsigned *out)
{
	const char *text = xml_attr(r->a, address, name);
	long long value = 0;

	if (text && !read_number(text, 0, 0, max, &value))
		return refuse(r, address, "%s \"%.40s\" of the PCI address is not a number up to 0x%llx",
		              name, text, max);
	*out = (unsigned)value;
	return 0;
}

/* <parentaddr unique_id=…><address …/></parentaddr>: which host of which PCI device. */
static int read_parent_address(struct reading *r, const xmlNode *node)
{
	struct pool_adapter *a = &r->d->source.adapter;
	const xmlNode *address = xml_child(node, "address");
	const char *text = xml_attr(r->a, node, "unique_id");
	long long id;

	a->has_parentaddr = true;
	if (!text || !read_number(text, 10, 0, INT_MAX, &id))
		return refuse(r, node, "<parentaddr> needs a unique_id, a number from 0");
	a->unique_id = (unsigned)id;
	if (!address)
		return refuse(r, node, "<parentaddr> has no PCI <address>");
	if (read_pci_part(r, address, "domain", 0xffff, &a->domain) < 0 ||
	    read_pci_part(r, address, "bus", 0xff, &a->bus) < 0 ||
	    read_pci_part(r, address, "slot", 0x1f, &a->slot) < 0)
		return -1;
	return read_pci_part(r, address, "function", 7, &a->function);
}

/* All attributes, whatever the type: which of them may stand together is checked afterwards. */
static int read_adapter_attributes(struct reading *r, const xmlNode *node)
{
	struct pool_adapter *a = &r->d->source.adapter;
	/* clang-format off */
	const struct { const char *name; const char **to; bool wwn; } attributes[] = {
		{ "name", &a->name, false }, { "parent", &a->parent, false },
		{ "wwnn", &a->wwnn, true }, { "wwpn", &a->wwpn, true },
		{ "parent_wwnn", &a->parent_wwnn, true }, { "parent_wwpn", &a->parent_wwpn, true },
		{ "parent_fabric_wwn", &a->parent_fabric_wwn, true },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		const char *value = xml_attr(r->a, node, attributes[i].name);

		*attributes[i].to = value;
		if (value && attributes[i].wwn && !check_wwn(value))
			return refuse(r, node, "%s \"%.60s\" is not a world wide name: 16 hexadecimal digits",
			              attributes[i].name, value);
		if (value && !attributes[i].wwn && (!name_is_component(value) || !check_text(value)))
			return refuse(r, node, "%s \"%.60s\" is not the name of a SCSI host",
			              attributes[i].name, value);
	}
	return read_yes_no(r, node, "managed", &a->managed);
}

/* An <adapter> without a type is the form of libvirt before 1.0.5, where only a name was meant. */
static int check_untyped_adapter(struct reading *r, const xmlNode *node, bool parentaddr)
{
	struct pool_adapter *a = &r->d->source.adapter;

	if (a->wwnn || a->wwpn || a->parent || parentaddr)
		return refuse(r, node, "an <adapter> with wwnn, wwpn, parent or <parentaddr> needs a type");
	if (a->name)
		a->kind = ADAPTER_SCSI_HOST;
	return 0;
}

static int check_scsi_host(struct reading *r, const xmlNode *node)
{
	const struct pool_adapter *a = &r->d->source.adapter;

	if (!a->name && !a->has_parentaddr)
		return refuse(r, node, "a scsi_host adapter needs a name or a <parentaddr>");
	if (a->name && a->has_parentaddr)
		return refuse(r, node, "a scsi_host adapter has a name or a <parentaddr>, not both");
	return 0;
}

/* A virtual port is made of two names, and found by them. */
static int check_fc_host(struct reading *r, const xmlNode *node)
{
	const struct pool_adapter *a = &r->d->source.adapter;

	if (!a->wwnn || !a->wwpn)
		return refuse(r, node, "an fc_host adapter needs both wwnn and wwpn");
	if (!a->parent_wwnn != !a->parent_wwpn)
		return refuse(r, node, "parent_wwnn and parent_wwpn belong together: one is missing");
	return 0;
}

static int read_adapter(struct reading *r, const xmlNode *source)
{
	struct pool_adapter *a = &r->d->source.adapter;
	const xmlNode *node = xml_child(source, "adapter"), *parent = xml_child(node, "parentaddr");
	const char *type = xml_attr(r->a, node, "type");

	a->managed = -1;
	if (!node)
		return 0;
	if (read_adapter_attributes(r, node) < 0)
		return -1;
	if (!type)
		return check_untyped_adapter(r, node, parent != NULL);
	if (streq(type, "scsi_host")) {
		a->kind = ADAPTER_SCSI_HOST;
		if (parent && read_parent_address(r, parent) < 0)
			return -1;
		return check_scsi_host(r, node);
	}
	if (streq(type, "fc_host")) {
		a->kind = ADAPTER_FC_HOST;
		return check_fc_host(r, node);
	}
	return refuse(r, node, "unknown adapter type \"%.40s\": scsi_host and fc_host are known", type);
}

/* ---- <initiator>, <auth> ---- */

/* The name under which we log in. Without one, the machine's own is used. */
static int read_initiator(struct reading *r, const xmlNode *source)
{
	const xmlNode *iqn = xml_child(xml_child(source, "initiator"), "iqn");
	const char *name = xml_attr(r->a, iqn, "name");

	if (name && !check_iqn(name))
		return refuse(r, iqn, "\"%.100s\" is not the name of an iSCSI initiator", name);
	r->d->source.initiator = name;
	return 0;
}

static int read_auth_secret(struct reading *r, const xmlNode *auth)
{
	struct pool_auth *to = &r->d->source.auth;
	const xmlNode *node = xml_child(auth, "secret");
	struct volume_secret named;

	if (!node)
		return refuse(r, auth, "<auth> has no <secret>");
	if (read_secret_reference(r, node, &named) < 0)
		return -1;
	to->secret_type = named.type;
	to->by_uuid = named.by_uuid;
	to->secret_uuid = named.uuid;
	to->secret_usage = named.usage;
	return 0;
}

/* <auth> is read for every type, as libvirt does; whether a type can use it is known to its backend. */
static int read_auth(struct reading *r, const xmlNode *source)
{
	struct pool_auth *to = &r->d->source.auth;
	const xmlNode *auth = xml_child(source, "auth");
	const char *type = xml_attr(r->a, auth, "type");

	if (!auth)
		return 0;
	if (read_attr(r, auth, "username", &to->username) < 0)
		return -1;
	if (!to->username)
		return refuse(r, auth, "<auth> has no username");
	if (!type)
		return refuse(r, auth, "<auth> has no type: chap or ceph");
	if (streq(type, "chap"))
		to->kind = AUTH_CHAP;
	else if (streq(type, "ceph"))
		to->kind = AUTH_CEPH;
	else
		return refuse(r, auth, "unknown <auth> type \"%.40s\": chap and ceph are known", type);
	return read_auth_secret(r, auth);
}

/* ---- <format>, <protocol> ---- */

/* A type without formats takes any word, and keeps none but its own. The list's own word is kept, which is
 * static: whoever compares formats may compare pointers with it. */
static int read_source_format(struct reading *r, const xmlNode *source)
{
	const struct pool_type_info *info = pool_type_info(r->d->type);
	const xmlNode *node = xml_child(source, "format");
	const char *word = xml_attr(r->a, node, "type");
	const char *const *known = info->formats ? info->formats : info->own_formats;

	if (!word && info->formats)
		r->d->source.format = info->formats[0];
	if (!word || !known)
		return 0;
	for (const char *const *f = known; *f; f++)
		if (streq(*f, word)) {
			r->d->source.format = *f;
			return 0;
		}
	if (!info->formats)
		return 0;
	return refuse(r, node, "unknown format \"%.40s\" for a pool of type %s", word, info->word);
}

/* libvirt compares the format's number in its own type's list with those of netfs' "auto" and "nfs": any
 * type's first two formats, and types without formats, pass. */
static int read_protocol(struct reading *r, const xmlNode *source)
{
	const struct pool_type_info *info = pool_type_info(r->d->type);
	const xmlNode *node = xml_child(source, "protocol");
	const char *format = r->d->source.format;

	if (read_attr(r, node, "ver", &r->d->source.protocol) < 0)
		return -1;
	if (!r->d->source.protocol)
		return 0;
	if (format && info->formats && format != info->formats[0] && format != info->formats[1])
		return refuse(r, node, "a protocol version cannot be given for format %s", format);
	if (strchr(r->d->source.protocol, ','))
		return refuse(r, node, "protocol version \"%.40s\" contains a comma", r->d->source.protocol);
	return 0;
}

/* ---- the whole ---- */

int read_pool_source(struct reading *r, const xmlNode *node)
{
	demand(r->d && (unsigned)r->d->type < POOL_TYPES, r->e);

	struct pool_def *d = r->d;

	d->source.given = node != NULL;
	if (read_child(r, node, "name", &d->source.name) < 0 || read_source_format(r, node) < 0 ||
	    read_hosts(r, node) < 0 || read_devices(r, node) < 0 || read_source_dir(r, node) < 0 ||
	    read_adapter(r, node) < 0 || read_initiator(r, node) < 0 || read_auth(r, node) < 0 ||
	    read_protocol(r, node) < 0)
		return -1;
	if (read_attr(r, xml_child(node, "vendor"), "name", &d->source.vendor) < 0)
		return -1;
	return read_attr(r, xml_child(node, "product"), "name", &d->source.product);
}

/* Every type that has a source name puts it into a path or an argument: the rule of the type's own words,
 * then the one that keeps any of them from being an option or a way out of the directory. */
static int check_source_name(struct reading *r, const xmlNode *node)
{
	const struct pool_type_info *info = pool_type_info(r->d->type);
	const char *name = r->d->source.name;

	if (!(info->fields & FIELD_NAME))
		return 0;
	if (check_word(r, node, info->name, name) < 0)
		return -1;
	if (!check_relative_path(name))
		return refuse(
			r, node,
			"source name \"%.100s\" begins with '-' or '/', or contains \"..\" or an empty part",
			name);
	return 0;
}

int complete_source(struct reading *r, const xmlNode *root)
{
	demand(r->d->name, r->e); /* read_pool_name() comes first */

	struct pool_def *d = r->d;
	const struct pool_type_info *info = pool_type_info(d->type);
	const xmlNode *source = xml_child(root, "source"), *node = source ? source : root;
	const struct {
		unsigned field;
		bool there;
		const char *what;
	} rules[] = {
		{ FIELD_HOST, d->source.nhosts > 0, "host" },
		{ FIELD_DIR, d->source.dir != NULL, "dir" },
		{ FIELD_ADAPTER, d->source.adapter.kind != ADAPTER_NONE, "adapter" },
		{ FIELD_DEVICE, d->source.ndevices > 0, "device" },
		{ FIELD_INITIATOR, d->source.initiator != NULL, "initiator" },
		{ FIELD_NAME, d->source.name != NULL, "name" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if ((info->required & rules[i].field) && !rules[i].there)
			return refuse(r, node, "the source of a pool of type %s needs <%s>", info->word,
			              rules[i].what);
	/* As libvirt: a volume group that the document does not name is called as the pool is. */
	if (!d->source.name && (info->fields & FIELD_NAME))
		d->source.name = d->name;
	return check_source_name(r, node);
}
