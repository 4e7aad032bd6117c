/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How the tables of the grammar are written: pool.c, volume.c and secret.c hold them, text.c the rules for
 * texts, grammar.c walks a document along them. Nobody else includes this.
 */
#ifndef POOLINIT_POOL_GRAMMAR_TABLE_H
#define POOLINIT_POOL_GRAMMAR_TABLE_H

#include <stdbool.h>

/* What the text of an element or the value of an attribute must look like. */
struct text_rule {
	const char *what;               /* completes "… is not ": "a port (-1 to 65535)" */
	const char *const *words;       /* it is one of these, white space around it aside; */
	bool (*fits)(const char *text); /* or this finds it good; neither: any text */
};

/* One attribute of an element. Those in a namespace are never allowed: libvirt's schemas know none. */
struct attribute_rule {
	const char *name; /* NULL ends the list */
	bool required;
	const struct text_rule *text;
};

/* How often a child may come. */
enum often { ONCE, AT_MOST_ONCE, ONCE_OR_MORE, ANY_NUMBER };

/* Children come in any order, except behind one that must be the last. */
enum place { ANY_PLACE, LAST_PLACE, EVEN_BEHIND_LAST };

struct child_rule {
	const struct element_rule *element; /* NULL ends the list */
	enum often often;
	enum place place;
};

/* What no single attribute or child can say. Names of attributes begin with '@'. */
struct tie_rule {
	enum { EXACTLY_ONE_OF, BOTH_OR_NEITHER, FIRST_NEEDS_SECOND } kind;
	const char *first, *second; /* NULL ends the list */
};

/* Rules that hold in addition where an attribute has one of these words. */
struct shape_rule {
	const char *const *words; /* NULL: in all other cases; the last of the list */
	const struct attribute_rule *attributes;
	const struct child_rule *children;
	const struct tie_rule *ties;
};

/* An element: what it is called, what text, attributes and children it may have, and what ties those
 * together. ns NULL: it is in no namespace. Lists end with an item that is all zeros. */
struct element_rule {
	const char *name, *ns;
	const struct text_rule *text; /* NULL: it holds no text */
	const struct attribute_rule *attributes;
	const struct child_rule *children;
	const struct tie_rule *ties;
	/* The attribute that chooses the shape, its own or that of a child; of the shapes the last has no
	 * words. */
	const char *shaped_by, *shaped_by_child;
	const struct shape_rule *shapes;
};

extern const struct element_rule grammar_pool, grammar_volume, grammar_secret;

/* ---- what several tables share ---- */
extern const struct element_rule grammar_permissions; /* volume.c */
extern const struct attribute_rule grammar_unit[];    /* of a scaled integer */

extern const struct text_rule text_any, text_yes_no, text_on_off, text_object_name, text_volume_name,
	text_uuid, text_unsigned_int, text_unsigned_long, text_positive_integer, text_octal_mode,
	text_user_id, text_unit, text_port, text_host_name, text_absolute_path, text_absolute_directory,
	text_some_path, text_uri_or_path, text_device_source, text_iqn, text_world_wide_name, text_pci_domain,
	text_pci_bus, text_pci_slot, text_pci_function, text_timestamp, text_compat_version;

/* One word, white space around it aside and runs of it inside taken as one blank: how the grammar compares
 * enumerated values. */
bool grammar_word_is(const char *text, const char *word);

#endif
