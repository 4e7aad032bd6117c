/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The walk of a document along the tables of the grammar: at each element its attributes, its children, what
 * ties them together, and its text. The first thing that is wrong is said; what an element may have comes
 * from its own rules and from those of the shape that one of its words chooses.
 */
#include "pool/grammar/grammar.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/contract.h"
#include "base/utf8.h"
#include "base/util.h"
#include "pool/def.h"
#include "pool/grammar/table.h"
#include "pool/secret/secret.h"
#include "pool/voldef.h"
#include "pool/xml.h"

#define RULE_CHILDREN 16 /* of one element, shape included */

/* One document under the eye. */
struct check {
	struct arena arena;
	const char *source; /* for messages */
	struct err *e;
};

/* An element with the rules that hold for it: its own and its shape's. */
struct visit {
	struct check *c;
	const xmlNode *node;
	const struct element_rule *rule;
	const struct shape_rule *shape; /* never NULL */
};

static const struct shape_rule no_shape = { 0 };

static int check_element(struct check *c, const xmlNode *node, const struct element_rule *rule);

__attribute__((format(printf, 2, 3))) static int broken(const struct visit *v, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return xml_refuse(v->c->e, v->c->source, v->node, "<%.60s>: %s", (const char *)v->node->name, text);
}

/* ---- lists of rules, the element's own first ---- */

/* The i-th attribute of the element's own rules and then of its shape's; NULL: there are no more. */
static const struct attribute_rule *attribute_at(const struct visit *v, size_t i)
{
	const struct attribute_rule *own = v->rule->attributes, *more = v->shape->attributes;

	for (; own && own->name; own++)
		if (i-- == 0)
			return own;
	for (; more && more->name; more++)
		if (i-- == 0)
			return more;
	return NULL;
}

static const struct child_rule *child_at(const struct visit *v, size_t i)
{
	const struct child_rule *own = v->rule->children, *more = v->shape->children;

	for (; own && own->element; own++)
		if (i-- == 0)
			return own;
	for (; more && more->element; more++)
		if (i-- == 0)
			return more;
	return NULL;
}

/* ---- texts ---- */

/* A rule without words and without a function takes any text. */
static bool text_fits(const struct text_rule *rule, const char *text)
{
	for (size_t i = 0; rule->words && rule->words[i]; i++)
		if (grammar_word_is(text, rule->words[i]))
			return true;
	return rule->fits ? rule->fits(text) : rule->words == NULL;
}

/* What is wanted, for a message: the rule's own words, or the list of what it may be. */
static void text_wanted(const struct text_rule *rule, char *out, size_t size)
{
	size_t used = 0;

	if (rule->what) {
		snprintf(out, size, "%s", rule->what);
		return;
	}
	for (size_t i = 0; rule->words[i] && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "one of ",
		                         rule->words[i]);
}

/* The beginning of a text for a message: whole characters, and nothing that would break the line. */
static const char *shorten(const char *text, char *out, size_t size)
{
	size_t left = strlen(text), used = 0, len;

	for (; left > 0; text += len, left -= len) {
		len = utf8_len(text, left);
		bool shown = len > 0 && !utf8_is_hidden(text, len);

		len = len ? len : 1;
		if (used + len + sizeof("…") > size)
			break;
		memcpy(out + used, shown ? text : "?", shown ? len : 1);
		used += shown ? len : 1;
	}
	snprintf(out + used, size - used, "%s", left ? "…" : "");
	return out;
}

/* Does a text fit its rule? If not, the sentence says what was found and what would be right. */
static int check_rule_text(const struct visit *v, const struct text_rule *rule, const char *attribute,
                           const char *text)
{
	char wanted[200], begin[64];

	if (text_fits(rule, text))
		return 0;
	text_wanted(rule, wanted, sizeof(wanted));
	shorten(text, begin, sizeof(begin));
	if (attribute)
		return broken(v, "%.60s=\"%s\" is not %s", attribute, begin, wanted);
	return broken(v, "\"%s\" is not %s", begin, wanted);
}

/* ---- attributes ---- */

static bool has_attribute(const xmlNode *node, const char *name)
{
	for (const xmlAttr *a = node->properties; a; a = a->next)
		if (!a->ns && streq((const char *)a->name, name))
			return true;
	return false;
}

/* NULL: it is not there. */
static const char *attribute_value(struct check *c, const xmlNode *node, const char *name)
{
	const char *text = has_attribute(node, name) ? xml_attr(&c->arena, node, name) : NULL;

	return text || !has_attribute(node, name) ? text : "";
}

static int check_attribute(const struct visit *v, const xmlAttr *a)
{
	const char *name = (const char *)a->name;
	const struct attribute_rule *rule;

	for (size_t i = 0; (rule = attribute_at(v, i)); i++)
		if (!a->ns && streq(rule->name, name))
			return check_rule_text(v, rule->text, name, attribute_value(v->c, v->node, name));
	return broken(v, "it has no attribute %s%s%.60s",
	              a->ns && a->ns->prefix ? (const char *)a->ns->prefix : "",
	              a->ns && a->ns->prefix ? ":" : "", name);
}

/* Each attribute that is there, then those that are missing. */
static int check_attributes(const struct visit *v)
{
	const struct attribute_rule *rule;

	for (const xmlAttr *a = v->node->properties; a; a = a->next)
		if (check_attribute(v, a) < 0)
			return -1;
	for (size_t i = 0; (rule = attribute_at(v, i)); i++)
		if (rule->required && !has_attribute(v->node, rule->name))
			return broken(v, "the attribute %s is missing", rule->name);
	return 0;
}

/* ---- children ---- */

static bool is_element_of(const xmlNode *node, const struct element_rule *rule)
{
	const char *ns = node->ns ? (const char *)node->ns->href : NULL;

	return streq((const char *)node->name, rule->name) && streq_null(ns, rule->ns);
}

/* Its place in the list of what the parent may have; -1: it is not in it. */
static int child_index(const struct visit *v, const xmlNode *node)
{
	const struct child_rule *rule;

	for (size_t i = 0; (rule = child_at(v, i)); i++)
		if (is_element_of(node, rule->element))
			return (int)i;
	return -1;
}

/* Say why an element cannot be here: because no element can, or because none of that name can. */
static int refuse_child(const struct visit *v, const xmlNode *node)
{
	const struct visit at = { v->c, node, v->rule, v->shape };
	const char *ns = node->ns ? (const char *)node->ns->href : NULL;

	if (v->rule->text)
		return broken(&at, "<%.60s> holds a text, not elements", (const char *)v->node->name);
	return broken(&at, "<%.60s> has no such element here%s%.80s", (const char *)v->node->name,
	              ns ? ", in the namespace " : "", ns ? ns : "");
}

/* What stands beside the elements: nothing, where the element does not hold a text. */
static int check_loose_text(const struct visit *v, const xmlNode *node)
{
	char begin[48];

	if ((node->type != XML_TEXT_NODE && node->type != XML_CDATA_SECTION_NODE) || v->rule->text ||
	    xmlIsBlankNode(node))
		return 0;
	return broken(v, "it holds elements only, not the text \"%s\"",
	              shorten((const char *)node->content, begin, sizeof(begin)));
}

/* Count the children by their place in the list of rules, which says how often each may come; then see which
 * are missing. */
static int check_children(const struct visit *v)
{
	unsigned count[RULE_CHILDREN] = { 0 };
	const struct child_rule *rule, *last = NULL;

	for (const xmlNode *n = v->node->children; n; n = n->next) {
		const struct visit at = { v->c, n, v->rule, v->shape };
		int i = n->type == XML_ELEMENT_NODE ? child_index(v, n) : -1;

		if (n->type != XML_ELEMENT_NODE) {
			if (check_loose_text(v, n) < 0)
				return -1;
			continue;
		}
		if (i < 0 || i >= RULE_CHILDREN)
			return refuse_child(v, n);
		rule = child_at(v, (size_t)i);
		if (++count[i] > 1 && rule->often <= AT_MOST_ONCE)
			return broken(&at, "<%.60s> has one of them at most", v->rule->name);
		if (last && rule->place != EVEN_BEHIND_LAST)
			return broken(&at, "it must not come after <%s>, which is the last of <%s>",
			              last->element->name, v->rule->name);
		last = rule->place == LAST_PLACE ? rule : last;
		if (check_element(v->c, n, rule->element) < 0)
			return -1;
	}
	for (size_t i = 0; (rule = child_at(v, i)); i++)
		if (count[i] == 0 && (rule->often == ONCE || rule->often == ONCE_OR_MORE))
			return broken(v, "the element <%s> is missing", rule->element->name);
	return 0;
}

/* ---- what ties them together ---- */

/* Is it there: an attribute where the word begins with '@', else a child element? */
static bool has(const struct visit *v, const char *what)
{
	return *what == '@' ? has_attribute(v->node, what + 1) : xml_child(v->node, what) != NULL;
}

/* As the operator knows it. */
static const char *without_at(const char *what)
{
	return what + (*what == '@');
}

/* Rules about two things at once: one of them, both, or one only with the other. */
static int check_ties(const struct visit *v, const struct tie_rule *tie)
{
	for (; tie && tie->first; tie++) {
		bool first = has(v, tie->first), second = has(v, tie->second);

		if (tie->kind == EXACTLY_ONE_OF && first == second)
			return broken(v, "%s of %s and %s must be given", first ? "only one" : "one",
			              without_at(tie->first), without_at(tie->second));
		if (tie->kind == BOTH_OR_NEITHER && first != second)
			return broken(v, "%s and %s come together or not at all", without_at(tie->first),
			              without_at(tie->second));
		if (tie->kind == FIRST_NEEDS_SECOND && first && !second)
			return broken(v, "%s needs %s beside it", without_at(tie->first),
			              without_at(tie->second));
	}
	return 0;
}

/* ---- the whole ---- */

/* The shape that the element's own type, or its format's, chooses. */
static const struct shape_rule *choose_shape(struct check *c, const xmlNode *node,
                                             const struct element_rule *rule)
{
	const struct shape_rule *shape = rule->shapes ? rule->shapes : &no_shape;
	const xmlNode *chooser = rule->shaped_by_child ? xml_child(node, rule->shaped_by_child) : node;
	const char *word = rule->shaped_by && chooser ? attribute_value(c, chooser, rule->shaped_by) : NULL;

	for (; shape->words; shape++)
		for (size_t i = 0; word && shape->words[i]; i++)
			if (grammar_word_is(word, shape->words[i]))
				return shape;
	return shape;
}

/* What is inside is looked at before what ties it together: a tie that is broken because of a misspelt child
 * would be the less helpful sentence. */
static int check_element(struct check *c, const xmlNode *node, const struct element_rule *rule)
{
	const struct visit v = { c, node, rule, choose_shape(c, node, rule) };
	const char *text;

	if (check_attributes(&v) < 0 || check_children(&v) < 0 || check_ties(&v, rule->ties) < 0 ||
	    check_ties(&v, v.shape->ties) < 0)
		return -1;
	if (!rule->text)
		return 0;
	text = xml_text_as_it_is(&c->arena, node);
	return check_rule_text(&v, rule->text, NULL, text ? text : "");
}

static const struct {
	const struct element_rule *rule;
	size_t limit;
} grammars[] = {
	[GRAMMAR_POOL] = { &grammar_pool, POOL_XML_LIMIT },
	[GRAMMAR_VOLUME] = { &grammar_volume, VOLUME_XML_LIMIT },
	[GRAMMAR_SECRET] = { &grammar_secret, SECRET_XML_LIMIT },
};

int grammar_check(enum grammar g, const char *xml, size_t len, const char *source, struct err *e)
{
	demand((unsigned)g < ARRAY_LEN(grammars) && source, e);

	struct check c = { .source = source, .e = e };
	const struct element_rule *rule = grammars[g].rule;
	cleanup_xml xmlDoc *doc = xml_open(xml, len, grammars[g].limit, source, rule->name, e);
	const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	int r;

	if (!doc)
		return -1;
	if (!is_element_of(root, rule))
		return xml_refuse(e, source, root,
		                  "<%s>: it must not be in a namespace, as it is in \"%.80s\"", rule->name,
		                  (const char *)root->ns->href);
	r = check_element(&c, root, rule);
	if (c.arena.failed)
		r = err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", source);
	arena_free(&c.arena);
	return r;
}
