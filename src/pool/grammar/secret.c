/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammar of a secret's document.
 */
#include "pool/grammar/table.h"

#include <stddef.h>

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct element_rule uuid = { .name = "uuid", .text = &text_uuid };
static const struct element_rule description = { .name = "description", .text = &text_any };
static const struct element_rule usage_volume = { .name = "volume", .text = &text_absolute_path };
static const struct element_rule usage_name = { .name = "name", .text = &text_object_name };
static const struct element_rule usage_target = { .name = "target", .text = &text_object_name };

static const struct text_rule usage_type = { .words = WORDS("volume", "ceph", "iscsi", "tls", "vtpm") };
static const struct attribute_rule usage_attributes[] = { { "type", true, &usage_type }, { 0 } };
static const struct child_rule usage_volume_children[] = { { &usage_volume, ONCE, ANY_PLACE }, { 0 } };
static const struct child_rule usage_target_children[] = { { &usage_target, ONCE, ANY_PLACE }, { 0 } };
static const struct child_rule usage_name_children[] = { { &usage_name, ONCE, ANY_PLACE }, { 0 } };
static const struct shape_rule usage_shapes[] = {
	{ .words = WORDS("volume"), .children = usage_volume_children },
	{ .words = WORDS("iscsi"), .children = usage_target_children },
	{ .children = usage_name_children },
};
static const struct element_rule usage = {
	.name = "usage", .attributes = usage_attributes, .shaped_by = "type", .shapes = usage_shapes
};

static const struct attribute_rule secret_attributes[] = { { "ephemeral", false, &text_yes_no },
	                                                   { "private", false, &text_yes_no },
	                                                   { 0 } };
static const struct child_rule secret_children[] = {
	{ &uuid, AT_MOST_ONCE, ANY_PLACE },
	{ &description, AT_MOST_ONCE, ANY_PLACE },
	{ &usage, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
const struct element_rule grammar_secret = { .name = "secret",
	                                     .attributes = secret_attributes,
	                                     .children = secret_children };
