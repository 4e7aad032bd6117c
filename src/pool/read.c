/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading a pool document, in the order of the specification: type, source, name, uuid, features, target,
 * refresh, options, boot. As lenient as libvirt: unknown elements and attributes are ignored, of two equal
 * elements the first counts, empty counts as absent, text is not trimmed, capacity, allocation and available
 * are not looked at. Stricter than libvirt, because these values become paths and arguments as root:
 *   - a DOCTYPE is refused, with all entities;
 *   - pool names: no "." at the beginning, no control characters, at most 200 bytes;
 *   - no value holds control characters;
 *   - hosts are host names or addresses; iSCSI names have their alphabet; VG names that of LVM; sheepdog,
 *     gluster, zfs and vstorage names are plain or relative paths without "..";
 *   - devices of fs, disk and logical pools are absolute or LABEL=, UUID=, PARTLABEL=, PARTUUID=;
 *   - SCSI adapter names are one path component.
 */
#include "pool/def.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/reading.h"

#define FS_NS  "http://libvirt.org/schemas/storagepool/fs/1.0"
#define RBD_NS "http://libvirt.org/schemas/storagepool/rbd/1.0"

/* ---- the parts of a pool ---- */

/* The type decides how all the rest is read, so that a document without one cannot be read any further. */
static int read_pool_type(struct reading *r, const xmlNode *root)
{
	const char *word = xml_attr(r->a, root, "type");
	int type = word ? pool_type_from_word(word) : -1;

	if (!word)
		return refuse(r, root, "<pool> has no type");
	if (type < 0)
		return refuse(r, root, "unknown pool type \"%.40s\"", word);
	r->d->type = (enum pool_type)type;
	return 0;
}

/* The pool's name; of types that have a source name, that one where the document gives no other. */
static int read_pool_name(struct reading *r, const xmlNode *root)
{
	struct pool_def *d = r->d;
	const xmlNode *node = xml_child(root, "name");

	d->name = xml_text(r->a, node);
	if (!d->name && (pool_type_info(d->type)->fields & FIELD_NAME))
		d->name = d->source.name;
	if (!d->name)
		return refuse(r, root, "the pool has no name");
	if (strlen(d->name) > 200)
		return refuse(r, node, "the pool's name has %zu bytes; at most 200 are accepted",
		              strlen(d->name));
	if (!check_pool_name(d->name))
		return refuse(r, node ? node : root,
		              "the pool's name \"%.100s\" cannot be used as a file name ('/', control "
		              "characters and a '.' at the beginning are not accepted)",
		              d->name);
	return 0;
}

/* A definition without a UUID gets a random one. Who reads it again gets another: `uuid_given` tells whoever
 * keeps definitions that it has to be written down. */
static int read_uuid(struct reading *r, const xmlNode *root)
{
	const xmlNode *node = xml_child(root, "uuid");
	const char *text = xml_text(r->a, node);

	r->d->uuid_given = text != NULL;
	if (!text)
		uuid_make(&r->d->uuid);
	else if (!uuid_read(text, &r->d->uuid))
		return refuse(r, node, "\"%.60s\" is not a UUID", text);
	return 0;
}

static int read_pool_features(struct reading *r, const xmlNode *root)
{
	const xmlNode *cow = xml_child(xml_child(root, "features"), "cow");

	r->d->cow = -1;
	if (!cow)
		return 0;
	if (!(pool_type_info(r->d->type)->fields & FIELD_COW))
		return refuse(r, cow, "<cow> is for pools of type dir and fs only");
	return read_yes_no(r, cow, "state", &r->d->cow);
}

/* Some pools live where the kernel puts them, whatever the document says: a volume group's devices are in
 * /dev/NAME. libvirt ignores the document's path there as well, and so does this. */
static int read_pool_target(struct reading *r, const xmlNode *root)
{
	struct pool_def *d = r->d;
	const struct pool_type_info *info = pool_type_info(d->type);
	const xmlNode *target = xml_child(root, "target");
	char *path;

	d->target.perms = (struct pool_perms){ .mode = -1, .owner = -1, .group = -1 };
	if (info->fields & FIELD_NO_TARGET)
		return 0;
	if (read_child(r, target, "path", &d->target.path) < 0)
		return -1;
	if (info->target_in)
		path = arena_printf(r->a, "%s/%s", info->target_in, d->source.name);
	else if (d->target.path)
		path = arena_strdup(r->a, d->target.path);
	else
		return refuse(r, target ? target : root, "the pool has no target path");
	if (!path)
		return 0; /* the arena has failed: pool_read() says so */
	path_tidy(path);
	if (strlen(path) >= PATH_MAX)
		return refuse(r, target, "the target path has %zu bytes; at most %d are possible",
		              strlen(path), PATH_MAX - 1);
	d->target.path = path;
	return read_permissions(r, target, &d->target.perms);
}

/* How allocation is counted at a refresh: libvirt's own words, kept for printing. Here it is what the
 * filesystem says in either case. */
static int read_refresh(struct reading *r, const xmlNode *root)
{
	const xmlNode *volume = xml_child(xml_child(root, "refresh"), "volume");
	const char *word = xml_attr(r->a, volume, "allocation");

	if (word && !streq(word, "default") && !streq(word, "capacity"))
		return refuse(r, volume, "refresh allocation \"%.40s\" is neither default nor capacity",
		              word);
	r->d->refresh_allocation = word;
	return 0;
}

/* <fs:mount_opts><fs:option name=…/>, <rbd:config_opts><rbd:option name=… value=…/>. */
static int read_options(struct reading *r, const xmlNode *root, const char *ns, const char *list,
                        bool with_value, const struct pool_option **options, size_t *n)
{
	for (const xmlNode *l = xml_child_ns(root, list, ns); l; l = xml_next(l, list))
		for (const xmlNode *o = xml_child_ns(l, "option", ns); o; o = xml_next(o, "option")) {
			struct pool_option option = { 0 };

			if (read_attr(r, o, "name", &option.name) < 0 ||
			    (with_value && read_attr(r, o, "value", &option.value) < 0))
				return -1;
			if (!option.name)
				return refuse(r, o, "an <option> of <%s> has no name", list);
			if (with_value && !option.value)
				return refuse(r, o, "option \"%.60s\" of <%s> has no value", option.name,
				              list);
			if (read_append(r, options, n, &option, sizeof(option)) < 0)
				return -1;
		}
	return 0;
}

/* Options in a namespace of their own. A type that has none ignores libvirt's, as libvirt does; ours are kept
 * for who says that they are not for it. */
static int read_all_options(struct reading *r, const xmlNode *root)
{
	struct pool_def *d = r->d;
	unsigned fields = pool_type_info(d->type)->fields;

	d->mount_words = xml_text(r->a, xml_child_ns(root, "mount", POOL_MOUNT_NS));
	if (fields & FIELD_MOUNT_OPTIONS)
		return read_options(r, root, FS_NS, "mount_opts", false, &d->mount_options,
		                    &d->nmount_options);
	if (fields & FIELD_RBD_OPTIONS)
		return read_options(r, root, RBD_NS, "config_opts", true, &d->rbd_options, &d->nrbd_options);
	return 0;
}

/* ---- <boot xmlns="urn:poolinit:boot:1">: ours, so a mistake in it is said rather than ignored ---- */

static const char *const onfail_words[] = {
	[ONFAIL_CONTINUE] = "continue",
	[ONFAIL_REBOOT] = "reboot",
	[ONFAIL_POWEROFF] = "poweroff",
	[ONFAIL_SHELL] = "shell",
};

const char *pool_onfail_word(enum onfail o)
{
	return o > ONFAIL_UNSET && o <= ONFAIL_SHELL ? onfail_words[o] : NULL;
}

enum onfail pool_onfail_from_word(const char *word)
{
	for (size_t i = 1; i < ARRAY_LEN(onfail_words); i++)
		if (streq(onfail_words[i], word))
			return (enum onfail)i;
	return ONFAIL_UNSET;
}

/* A timeout of zero would mean that a required pool has failed before it was tried. */
static int read_boot_timeout(struct reading *r, const xmlNode *node, const char *text)
{
	struct err why = { 0 };

	if (clock_parse(text, &r->d->boot.timeout_ms, &why) < 0)
		return refuse(r, node, "timeout of <boot>: %s", why.message);
	if (r->d->boot.timeout_ms == 0)
		return refuse(r, node, "timeout of <boot> is zero");
	return 0;
}

/* An attribute that is not known is refused: a misspelt "require" that nobody notices would be found when a
 * machine does not boot. */
static int read_boot_attribute(struct reading *r, const xmlNode *node, const char *name)
{
	struct pool_boot *b = &r->d->boot;
	const char *text = xml_attr(r->a, node, name);
	long long order;

	if (streq(name, "require"))
		return read_yes_no(r, node, name, &b->require);
	if (streq(name, "timeout"))
		return read_boot_timeout(r, node, text ? text : "");
	if (streq(name, "order")) {
		if (!text || !read_number(text, 10, INT_MIN + 1, INT_MAX, &order))
			return refuse(r, node, "order=\"%.40s\" of <boot> is not a number", text ? text : "");
		b->order = (int)order;
		return 0;
	}
	if (streq(name, "onfail")) {
		b->onfail = pool_onfail_from_word(text ? text : "");
		if (b->onfail == ONFAIL_UNSET)
			return refuse(
				r, node,
				"onfail=\"%.40s\" of <boot> is none of continue, reboot, poweroff, shell",
				text ? text : "");
		return 0;
	}
	return refuse(r, node, "<boot> knows require, timeout, order and onfail, not \"%.40s\"", name);
}

/* Attributes of a namespace are somebody else's, and pass. */
static int read_boot(struct reading *r, const xmlNode *root)
{
	const xmlNode *node = xml_child_ns(root, "boot", POOL_BOOT_NS);

	r->d->boot = (struct pool_boot){ .given = node != NULL, .require = -1, .order = INT_MIN };
	for (const xmlAttr *a = node ? node->properties : NULL; a; a = a->next)
		if (!a->ns && read_boot_attribute(r, node, (const char *)a->name) < 0)
			return -1;
	return 0;
}

/* <fill xmlns="urn:poolinit:fill:1">: ours, too. */
static int read_fill(struct reading *r, const xmlNode *root)
{
	const xmlNode *node = xml_child_ns(root, "fill", POOL_FILL_NS);
	const char *text = xml_text(r->a, node);
	unsigned *marks = r->d->fill_marks;
	char end;

	if (!node)
		return 0;
	if (!text || sscanf(text, "%3u %3u %c", &marks[0], &marks[1], &end) != 2 || !marks[0] ||
	    marks[0] > marks[1] || marks[1] > 100)
		return refuse(r, node, "<fill> is two marks in per cent, the lower first, not \"%.40s\"",
		              text ? text : "");
	return 0;
}

/* ---- the whole ---- */

/* Everything, in the order that the parts need. Memory that ran out shows at the end, in the arena. */
static int read_pool(struct reading *r, const xmlNode *root)
{
	/* The order is not that of the document. The type decides what everything else may be; the source
	 * gives its name to a pool that has none; the target of some types is made of the source's name. */
	if (read_pool_type(r, root) < 0 || read_pool_source(r, xml_child(root, "source")) < 0 ||
	    read_pool_name(r, root) < 0 || read_uuid(r, root) < 0 || read_pool_features(r, root) < 0 ||
	    read_refresh(r, root) < 0 || complete_source(r, root) < 0 || read_pool_target(r, root) < 0 ||
	    read_all_options(r, root) < 0 || read_boot(r, root) < 0 || read_fill(r, root) < 0)
		return -1;
	if (r->a->failed)
		return err_set(r->e, ERR_NO_MEMORY, "cannot read %s: out of memory", r->source);
	return 0;
}

int pool_read(struct pool_def *d, const char *xml, size_t len, const char *source, struct err *e)
{
	demand(d && source, e);
	demand(xml || len == 0, e);

	struct reading r = { .d = d, .a = &d->arena, .source = source, .e = e };
	cleanup_xml xmlDoc *doc = NULL;

	memset(d, 0, sizeof(*d));
	doc = xml_open(xml, len, POOL_XML_LIMIT, source, "pool", e);
	if (!doc)
		return -1;
	if (read_pool(&r, xmlDocGetRootElement(doc)) < 0) {
		pool_def_free(d);
		return -1;
	}
	return 0;
}

void pool_def_free(struct pool_def *d)
{
	arena_free(&d->arena);
	memset(d, 0, sizeof(*d));
}
