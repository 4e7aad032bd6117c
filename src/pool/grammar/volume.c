/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammar of a volume's document, and of the permissions that a pool's target has too. From the leaves to
 * the root.
 */
#include "pool/grammar/table.h"

#include <stddef.h>
#include "pool/voldef.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- permissions ---- */

static const struct element_rule mode = { .name = "mode", .text = &text_octal_mode };
static const struct element_rule owner = { .name = "owner", .text = &text_user_id };
static const struct element_rule group = { .name = "group", .text = &text_user_id };
static const struct element_rule label = { .name = "label", .text = &text_any };
static const struct child_rule permissions_children[] = {
	{ &mode, AT_MOST_ONCE, ANY_PLACE },
	{ &owner, AT_MOST_ONCE, ANY_PLACE },
	{ &group, AT_MOST_ONCE, ANY_PLACE },
	{ &label, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
const struct element_rule grammar_permissions = { .name = "permissions", .children = permissions_children };

/* ---- timestamps ---- */

static const struct element_rule atime = { .name = "atime", .text = &text_timestamp };
static const struct element_rule btime = { .name = "btime", .text = &text_timestamp };
static const struct element_rule ctime_ = { .name = "ctime", .text = &text_timestamp };
static const struct element_rule mtime = { .name = "mtime", .text = &text_timestamp };
static const struct child_rule timestamps_children[] = {
	{ &atime, AT_MOST_ONCE, ANY_PLACE },
	{ &btime, AT_MOST_ONCE, ANY_PLACE },
	{ &ctime_, AT_MOST_ONCE, ANY_PLACE },
	{ &mtime, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct element_rule timestamps = { .name = "timestamps", .children = timestamps_children };

/* ---- format and features ---- */

/* Of files, of file systems, of partitions: whatever the pool's type. */
static const struct text_rule format_type = {
	.what = "a volume format",
	.words = WORDS("unknown", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd",
	               "ploop", "luks", "cow", "qcow", "qcow2", "qed", "vmdk", "none", "auto", "ext2", "ext3",
	               "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+", "xfs", "ocfs2", "vmfs",
	               "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended")
};
static const struct attribute_rule format_attributes[] = { { "type", true, &format_type }, { 0 } };
static const struct element_rule format = { .name = "format", .attributes = format_attributes };

static const struct element_rule lazy_refcounts = { .name = "lazy_refcounts" };
static const struct element_rule extended_l2 = { .name = "extended_l2" };
static const struct child_rule features_children[] = { { &lazy_refcounts, AT_MOST_ONCE, ANY_PLACE },
	                                               { &extended_l2, AT_MOST_ONCE, ANY_PLACE },
	                                               { 0 } };
static const struct element_rule features = { .name = "features", .children = features_children };

static const struct element_rule compat = { .name = "compat", .text = &text_compat_version };
static const struct element_rule nocow = { .name = "nocow" };
static const struct element_rule cluster_size = { .name = "clusterSize",
	                                          .text = &text_unsigned_long,
	                                          .attributes = grammar_unit };

/* ---- encryption ---- */

static const struct text_rule secret_type = { .what = "passphrase", .words = WORDS("passphrase") };
static const struct attribute_rule secret_attributes[] = {
	{ "type", true, &secret_type },
	{ "uuid", false, &text_uuid },
	{ "usage", false, &text_any },
	{ 0 },
};
static const struct tie_rule secret_ties[] = { { EXACTLY_ONE_OF, "@uuid", "@usage" }, { 0 } };
static const struct element_rule secret = { .name = "secret",
	                                    .attributes = secret_attributes,
	                                    .ties = secret_ties };

static const struct attribute_rule cipher_attributes[] = {
	{ "name", true, &text_any },
	{ "size", true, &text_unsigned_int },
	{ "mode", false, &text_any },
	{ "hash", false, &text_any },
	{ 0 },
};
static const struct tie_rule cipher_ties[] = { { BOTH_OR_NEITHER, "@mode", "@hash" }, { 0 } };
static const struct element_rule cipher = { .name = "cipher",
	                                    .attributes = cipher_attributes,
	                                    .ties = cipher_ties };

static const struct attribute_rule ivgen_attributes[] = { { "name", true, &text_any },
	                                                  { "hash", false, &text_any },
	                                                  { 0 } };
static const struct element_rule ivgen = { .name = "ivgen", .attributes = ivgen_attributes };

static const struct text_rule encryption_format = { .words = WORDS("default", "qcow", "luks", "luks2",
	                                                           "luks-any") };
static const struct text_rule encryption_engine = { .words = WORDS("qemu", "librbd") };
static const struct attribute_rule encryption_attributes[] = {
	{ "format", true, &encryption_format },
	{ "engine", false, &encryption_engine },
	{ 0 },
};
static const struct child_rule encryption_children[] = {
	{ &secret, ANY_NUMBER, ANY_PLACE },
	{ &cipher, AT_MOST_ONCE, ANY_PLACE },
	{ &ivgen, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct tie_rule encryption_ties[] = {
	{ BOTH_OR_NEITHER, "cipher", "ivgen" },
	{ FIRST_NEEDS_SECOND, "cipher", "secret" },
	{ 0 },
};
static const struct element_rule encryption = {
	.name = "encryption",
	.attributes = encryption_attributes,
	.children = encryption_children,
	.ties = encryption_ties,
};

/* ---- target and backing store ---- */

static const struct element_rule layout = { .name = "layout", .ns = VOLUME_LAYOUT_NS, .text = &text_any };
static const struct element_rule target_path = { .name = "path", .text = &text_uri_or_path };
static const struct child_rule target_children[] = {
	{ &target_path, AT_MOST_ONCE, ANY_PLACE },
	{ &format, AT_MOST_ONCE, ANY_PLACE },
	{ &grammar_permissions, AT_MOST_ONCE, ANY_PLACE },
	{ &timestamps, AT_MOST_ONCE, ANY_PLACE },
	{ &encryption, AT_MOST_ONCE, ANY_PLACE },
	{ &compat, AT_MOST_ONCE, ANY_PLACE },
	{ &nocow, AT_MOST_ONCE, ANY_PLACE },
	{ &cluster_size, AT_MOST_ONCE, ANY_PLACE },
	{ &features, AT_MOST_ONCE, ANY_PLACE },
	{ &layout, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct element_rule target = { .name = "target", .children = target_children };

static const struct element_rule backing_path = { .name = "path", .text = &text_absolute_path };
static const struct child_rule backing_children[] = {
	{ &backing_path, ONCE, ANY_PLACE },
	{ &format, AT_MOST_ONCE, ANY_PLACE },
	{ &grammar_permissions, AT_MOST_ONCE, ANY_PLACE },
	{ &timestamps, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct element_rule backing_store = { .name = "backingStore", .children = backing_children };

/* ---- source: which parts of which devices ---- */

static const struct attribute_rule extent_attributes[] = { { "start", true, &text_unsigned_long },
	                                                   { "end", true, &text_unsigned_long },
	                                                   { 0 } };
static const struct element_rule extent = { .name = "extent", .attributes = extent_attributes };
static const struct attribute_rule device_attributes[] = { { "path", true, &text_absolute_path }, { 0 } };
static const struct child_rule device_children[] = { { &extent, ANY_NUMBER, ANY_PLACE }, { 0 } };
static const struct element_rule device = { .name = "device",
	                                    .attributes = device_attributes,
	                                    .children = device_children };
static const struct child_rule source_children[] = { { &device, ANY_NUMBER, ANY_PLACE }, { 0 } };
static const struct element_rule source = { .name = "source", .children = source_children };

/* ---- the volume ---- */

static const struct element_rule name = { .name = "name", .text = &text_volume_name };
static const struct element_rule key = { .name = "key", .text = &text_any };
static const struct element_rule capacity = { .name = "capacity",
	                                      .text = &text_unsigned_long,
	                                      .attributes = grammar_unit };
static const struct element_rule allocation = { .name = "allocation",
	                                        .text = &text_unsigned_long,
	                                        .attributes = grammar_unit };
static const struct element_rule physical = { .name = "physical",
	                                      .text = &text_unsigned_long,
	                                      .attributes = grammar_unit };

static const struct text_rule volume_type = { .words = WORDS("file", "block", "dir", "network", "netdir") };
static const struct attribute_rule volume_attributes[] = { { "type", false, &volume_type }, { 0 } };
static const struct child_rule volume_children[] = {
	{ &name, ONCE, ANY_PLACE },
	{ &key, AT_MOST_ONCE, ANY_PLACE },
	{ &source, AT_MOST_ONCE, ANY_PLACE },
	{ &capacity, AT_MOST_ONCE, ANY_PLACE },
	{ &allocation, AT_MOST_ONCE, ANY_PLACE },
	{ &physical, AT_MOST_ONCE, ANY_PLACE },
	{ &target, ONCE, ANY_PLACE },
	{ &backing_store, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
const struct element_rule grammar_volume = { .name = "volume",
	                                     .attributes = volume_attributes,
	                                     .children = volume_children };
