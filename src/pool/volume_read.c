/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading a volume document, in the order of the specification: type, name, key, sizes, target, backing
 * store. As lenient as libvirt: unknown elements and attributes are ignored, of two equal elements the first
 * counts, empty counts as absent, <source> and <physical> are not looked at. Stricter than libvirt, because a
 * name becomes a path:
 *   - a DOCTYPE is refused, with all entities;
 *   - the name is one component of a path, as libvirt finds out only when it creates the volume;
 *   - no value holds control characters.
 */
#include "pool/voldef.h"

#include <ctype.h>
#include <limits.h>

#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/reading.h"
#include "pool/size.h"

/* The member of the list that equals the word; NULL: none does. */
static const char *one_of(const char *const *list, const char *word)
{
	for (; list && *list; list++)
		if (streq(*list, word))
			return *list;
	return NULL;
}

/* ---- what it is called ---- */

/* The type is the document's own wish, and is read because libvirt refuses one that it does not know; what
 * kind of volume is made is the pool's affair. */
static int read_volume_type(struct reading *r, struct volume_def *d, const xmlNode *root)
{
	static const char *const types[] = { "file", "block", "dir", "network", "netdir", "ploop", NULL };
	const char *word = xml_attr(r->a, root, "type");

	d->type = one_of(types, word ? word : types[0]);
	if (!d->type)
		return refuse(r, root,
		              "unknown volume type \"%.40s\": file, block, dir, network, netdir and ploop "
		              "are known",
		              word);
	return 0;
}

/* The name becomes a path component, or the name of a logical volume. */
static int read_volume_name(struct reading *r, struct volume_def *d, const xmlNode *root)
{
	const xmlNode *node = xml_child(root, "name");

	d->name = xml_text(r->a, node);
	if (!d->name)
		return refuse(r, root, "the volume has no name");
	if (!name_is_component(d->name) || !check_text(d->name))
		return refuse(r, node,
		              "the volume's name \"%.100s\" cannot be a file name (one component of a path, "
		              "at most 255 bytes, no '/', no control characters, not \".\" or \"..\")",
		              d->name);
	return 0;
}

/* ---- sizes ---- */

/* 1: read; 0: the element is absent or empty. Leading white space and a '+' are let through, as libvirt does;
 * nothing may follow. */
static int read_size(struct reading *r, const xmlNode *parent, const char *name, uint64_t *out)
{
	const xmlNode *node = xml_child(parent, name);
	const char *text = xml_text(r->a, node), *unit = xml_attr(r->a, node, "unit");
	struct err why = { 0 };

	if (!text)
		return 0;
	while (isspace((unsigned char)*text))
		text++;
	text += *text == '+';
	if (size_parse(text, unit, out, &why) < 0)
		return refuse(r, node, "<%s>: %s", name, why.message);
	return 1;
}

/* Capacity is what a guest sees, allocation what is reserved on the storage. An allocation that is not given
 * is all of the capacity (no sparse file), as libvirt has it. */
static int read_sizes(struct reading *r, struct volume_def *d, const xmlNode *root, enum volume_read_for what)
{
	int capacity = read_size(r, root, "capacity", &d->capacity), allocation;

	if (capacity < 0)
		return -1;
	if (!capacity && what == VOLUME_FOR_CREATE && !d->backing.given)
		return refuse(
			r, root,
			"the volume has no <capacity>, and no <backingStore> that it could be taken from");
	d->has_capacity = capacity > 0;
	d->allocation = d->capacity;
	allocation = read_size(r, root, "allocation", &d->allocation);
	d->has_allocation = allocation > 0;
	return allocation < 0 ? -1 : 0;
}

/* ---- <format> ---- */

static const char *default_format(const struct pool_def *pool)
{
	const char *const *formats = pool_type_info(pool->type)->volume_formats;

	return formats ? formats[0] : NULL;
}

/* NULL where none is given, and where the pool's type has no volume formats: then it is not looked at. */
static int read_volume_format(struct reading *r, const xmlNode *parent, const struct pool_def *pool,
                              const char **out)
{
	const char *const *formats = pool_type_info(pool->type)->volume_formats;
	const xmlNode *node = xml_child(parent, "format");
	const char *word = xml_attr(r->a, node, "type");

	*out = NULL;
	if (!formats || !word)
		return 0;
	/* where there is but one, documents of volumes call it unknown, as libvirt's do */
	*out = !formats[1] && streq(word, "unknown") ? formats[0] : one_of(formats, word);
	if (!*out || (streq(word, "none") && *out != formats[0])) /* see type.c */
		return refuse(r, node, "unknown volume format \"%.40s\" for a pool of type %s", word,
		              pool_type_word(pool->type));
	return 0;
}

/* ---- <encryption> ---- */

/* libvirt knows one kind of secret for volumes, a passphrase. */
static int read_secrets(struct reading *r, struct volume_encryption *c, const xmlNode *encryption)
{
	for (const xmlNode *n = xml_child(encryption, "secret"); n; n = xml_next(n, "secret")) {
		struct volume_secret secret;

		if (read_secret_reference(r, n, &secret) < 0)
			return -1;
		if (!secret.type || !streq(secret.type, "passphrase"))
			return refuse(r, n, "the secret of <encryption> is of type \"%.40s\", not passphrase",
			              secret.type ? secret.type : "");
		if (read_append(r, &c->secrets, &c->nsecrets, &secret, sizeof(secret)) < 0)
			return -1;
	}
	return 0;
}

/* <cipher> and <ivgen>, whose words are qemu-img's own, and are handed on to it. A size is in bits. */
static int read_cipher(struct reading *r, struct volume_encryption *c, const xmlNode *encryption)
{
	const xmlNode *cipher = xml_child(encryption, "cipher"), *ivgen = xml_child(encryption, "ivgen");
	const char *size = xml_attr(r->a, cipher, "size");
	long long bits = 0;

	if (read_attr(r, cipher, "name", &c->cipher.name) < 0 ||
	    read_attr(r, cipher, "mode", &c->cipher.mode) < 0 ||
	    read_attr(r, cipher, "hash", &c->cipher.hash) < 0 ||
	    read_attr(r, ivgen, "name", &c->ivgen.name) < 0 ||
	    read_attr(r, ivgen, "hash", &c->ivgen.hash) < 0)
		return -1;
	if (cipher && !c->cipher.name)
		return refuse(r, cipher, "<cipher> has no name");
	if (cipher && (!size || !read_number(size, 10, 0, UINT_MAX, &bits)))
		return refuse(r, cipher, "<cipher> needs a size, a number of bits, not \"%.40s\"",
		              size ? size : "");
	if (ivgen && !cipher)
		return refuse(r, ivgen, "<ivgen> needs a <cipher>, which is missing");
	if (ivgen && !c->ivgen.name)
		return refuse(r, ivgen, "<ivgen> has no name");
	c->cipher.size = (unsigned)bits;
	return 0;
}

/* libvirt looks at <cipher> and <ivgen> only where the format is luks. */
static int read_encryption(struct reading *r, struct volume_encryption *c, const xmlNode *target)
{
	static const char *const formats[] = { "default", "qcow", "luks", "luks2", "luks-any", NULL };
	static const char *const engines[] = { "qemu", "librbd", NULL };
	const xmlNode *node = xml_child(target, "encryption");
	const char *format = xml_attr(r->a, node, "format"), *engine = xml_attr(r->a, node, "engine");

	if (!node)
		return 0;
	c->format = format ? one_of(formats, format) : NULL;
	if (!c->format)
		return refuse(r, node,
		              "unknown volume encryption format \"%.40s\": default, qcow, luks, luks2 and "
		              "luks-any are known",
		              format ? format : "");
	c->engine = engine ? one_of(engines, engine) : NULL;
	if (engine && !c->engine)
		return refuse(r, node, "unknown encryption engine \"%.40s\": qemu and librbd are known",
		              engine);
	if (read_secrets(r, c, node) < 0)
		return -1;
	return streq(c->format, "luks") ? read_cipher(r, c, node) : 0;
}

/* ---- <compat>, <features> ---- */

/* Behind a number of at most nine digits; "" where there is none, so that whatever is looked for next is not
 * found. */
static const char *past_number(const char *text)
{
	const char *end = text + strspn(text, "0123456789");

	return end > text && end - text < 10 ? end : "";
}

/* The version of a qcow2 image: "0.10" is 2, "1.1" is 3. Other versions are read here, and refused by
 * whoever makes the image. */
static int read_compat(struct reading *r, struct volume_def *d, const xmlNode *target)
{
	const xmlNode *node = xml_child(target, "compat");
	const char *dot;

	d->compat = xml_text(r->a, node);
	if (!d->compat)
		return 0;
	dot = past_number(d->compat);
	if (*dot != '.' || past_number(dot + 1) != d->compat + strlen(d->compat))
		return refuse(r, node, "compat \"%.40s\" is not a version, NUMBER.NUMBER", d->compat);
	return 0;
}

/* libvirt's rule: features are those of version 3 of qcow2, so that <features> alone means compat 1.1. */
static int read_volume_features(struct reading *r, struct volume_def *d, const xmlNode *target)
{
	const struct {
		const char *name;
		bool *to;
	} features[] = {
		{ "lazy_refcounts", &d->lazy_refcounts },
		{ "extended_l2", &d->extended_l2 },
		{ "data_file", &d->data_file },
	};
	const xmlNode *node = xml_child(target, "features");

	if (!node)
		return 0;
	d->features_given = true;
	if (!d->compat)
		d->compat = "1.1";
	for (const xmlNode *n = node->children; n; n = n->next) {
		size_t i = 0;

		if (n->type != XML_ELEMENT_NODE)
			continue;
		while (i < ARRAY_LEN(features) && !streq(features[i].name, (const char *)n->name))
			i++;
		if (i == ARRAY_LEN(features))
			return refuse(r, n,
			              "unsupported feature <%.40s>: lazy_refcounts, extended_l2 and "
			              "data_file are known",
			              (const char *)n->name);
		*features[i].to = true;
	}
	return 0;
}

/* ---- the whole ---- */

/* <layout xmlns="urn:poolinit:layout:1">: how it lies on the storage. Where a volume has a format that says
 * it all. */
static int read_layout(struct reading *r, struct volume_def *d, const xmlNode *target,
                       const struct pool_def *pool)
{
	const xmlNode *node = xml_child_ns(target, "layout", VOLUME_LAYOUT_NS);

	d->layout = xml_text(r->a, node);
	if (d->layout && !check_text(d->layout))
		return refuse(r, node, "<layout> holds control characters");
	if (d->layout && pool_type_info(pool->type)->volume_formats &&
	    !pool_type_info(pool->type)->has_layout)
		return refuse(r, node, "a volume of a pool of type %s has no <layout>",
		              pool_type_word(pool->type));
	return 0;
}

/* <target>: where the volume is, how it is stored, and who may use it. */
static int read_volume_target(struct reading *r, struct volume_def *d, const xmlNode *target,
                              const struct pool_def *pool)
{
	if (read_child(r, target, "path", &d->path) < 0 ||
	    read_volume_format(r, target, pool, &d->format) < 0 ||
	    read_permissions(r, target, &d->perms) < 0 || read_encryption(r, &d->encryption, target) < 0 ||
	    read_compat(r, d, target) < 0 || read_layout(r, d, target, pool) < 0)
		return -1;
	if (!d->format)
		d->format = default_format(pool);
	if (!d->format && read_attr(r, xml_child(target, "format"), "type", &d->other_format) < 0)
		return -1;
	d->nocow = xml_child(target, "nocow") != NULL;
	if (read_size(r, target, "clusterSize", &d->cluster_size) < 0)
		return -1;
	return read_volume_features(r, d, target);
}

/* A <backingStore> without a path counts for nothing. A format that is not given stays open here: the
 * document's author may not know it, and guessing it from the file's content would let a guest choose what
 * its own backing file is taken for (CVE-2010-2237). */
static int read_backing(struct reading *r, struct volume_def *d, const xmlNode *root,
                        const struct pool_def *pool)
{
	const xmlNode *node = xml_child(root, "backingStore");

	d->backing.perms = (struct pool_perms){ .mode = -1, .owner = -1, .group = -1 };
	if (read_child(r, node, "path", &d->backing.path) < 0)
		return -1;
	d->backing.given = d->backing.path != NULL;
	if (!d->backing.given)
		return 0;
	d->backing.otherwise = default_format(pool);
	if (read_volume_format(r, node, pool, &d->backing.format) < 0)
		return -1;
	return read_permissions(r, node, &d->backing.perms);
}

static int read_volume(struct reading *r, struct volume_def *d, const xmlNode *root,
                       const struct pool_def *pool, enum volume_read_for what)
{
	/* The backing store comes before the sizes: with one, the capacity may be left out. */
	if (read_volume_type(r, d, root) < 0 || read_volume_name(r, d, root) < 0 ||
	    read_child(r, root, "key", &d->key) < 0 || read_backing(r, d, root, pool) < 0 ||
	    read_sizes(r, d, root, what) < 0 || read_volume_target(r, d, xml_child(root, "target"), pool) < 0)
		return -1;
	return r->a->failed ? err_set(r->e, ERR_NO_MEMORY, "cannot read %s: out of memory", r->source) : 0;
}

int volume_def_read(struct volume_def *d, const char *xml, size_t len, const char *source,
                    const struct pool_def *pool, enum volume_read_for what, struct err *e)
{
	demand(d && source && pool, e);
	demand((xml || len == 0) && what <= VOLUME_FOR_CREATE_FROM, e);

	struct reading r = { .a = &d->arena, .source = source, .e = e };
	cleanup_xml xmlDoc *doc = NULL;

	memset(d, 0, sizeof(*d));
	doc = xml_open(xml, len, VOLUME_XML_LIMIT, source, "volume", e);
	if (!doc)
		return -1;
	if (read_volume(&r, d, xmlDocGetRootElement(doc), pool, what) < 0) {
		volume_def_free(d);
		return -1;
	}
	return 0;
}

void volume_def_free(struct volume_def *d)
{
	arena_free(&d->arena);
	memset(d, 0, sizeof(*d));
}
