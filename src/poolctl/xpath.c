/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * --xpath and --wrap of the dumpxml verbs: evaluated here, on a document that the server has printed. Nowhere
 * else is XPath used.
 *
 * The document comes from the server, which has printed it, but it is opened by the same safe door as any
 * other: poolctl runs with the rights of whoever calls it.
 */
#include "poolctl/parts.h"

#ifdef WITH_xpath
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/voldef.h"
#include "pool/xml.h"

/* Where libxml2 stopped to understand the expression; else it would print that itself. */
static void keep_error(void *arg, xmlError *error)
{
	struct err *e = arg;

	if (e->class == ERR_NONE && error)
		err_set(e, ERR_INVALID, "the XPath expression is wrong at character %d", error->int1 + 1);
}

/* White space between elements is the printer's, who is to lay out the selection anew; in an element that has
 * no others it stays, as virsh leaves it. */
static void drop_blanks(xmlNode *parent)
{
	bool elements = false;

	for (xmlNode *n = parent->children; n; n = n->next)
		elements = elements || n->type == XML_ELEMENT_NODE;
	for (xmlNode *n = parent->children, *next; n; n = next) {
		next = n->next;
		if (n->type == XML_ELEMENT_NODE) {
			drop_blanks(n);
		} else if (elements && n->type == XML_TEXT_NODE && xmlIsBlankNode(n)) {
			xmlUnlinkNode(n);
			xmlFreeNode(n);
		}
	}
}

/* One node as libxml2 writes it, on lines of its own. */
static int print_node(xmlNode *node, int format, struct buf *out)
{
	xmlBuffer *text = xmlBufferCreate();
	int rc = text ? xmlNodeDump(text, node->doc, node, 0, format) : -1;

	if (rc >= 0)
		buf_add(out, xmlBufferContent(text), (size_t)xmlBufferLength(text));
	xmlBufferFree(text);
	buf_addc(out, '\n');
	return rc < 0 ? -1 : 0;
}

static int print_each(const xmlNodeSet *nodes, struct buf *out)
{
	for (int i = 0; nodes && i < nodes->nodeNr; i++)
		if (print_node(nodes->nodeTab[i], 1, out) < 0)
			return -1;
	return 0;
}

/* Copies of all of them in <nodes>; attributes become its own. */
static int print_wrapped(const xmlNodeSet *nodes, struct buf *out)
{
	xmlDoc *doc = xmlNewDoc(BAD_CAST "1.0");
	xmlNode *root = doc ? xmlNewNode(NULL, BAD_CAST "nodes") : NULL;
	int rc = root ? 0 : -1;

	if (root)
		xmlDocSetRootElement(doc, root);
	for (int i = 0; rc == 0 && nodes && i < nodes->nodeNr; i++) {
		xmlNode *copy = xmlDocCopyNode(nodes->nodeTab[i], doc, 1);

		if (!copy || !xmlAddChild(root, copy)) {
			xmlFreeNode(copy);
			rc = -1;
		}
	}
	if (rc == 0)
		rc = print_node(root, 1, out);
	if (doc)
		xmlFreeDoc(doc);
	return rc;
}

/* Only nodes can be printed: an expression that computes a number or a text is refused, as virsh does. */
static int print_selection(const struct command *c, const xmlXPathObject *found, struct buf *out,
                           struct err *e)
{
	if (found->type != XPATH_NODESET)
		return err_set(e, ERR_INVALID, "the XPath expression selects no nodes: it computes a value");
	if ((command_flag(c, "wrap") ? print_wrapped : print_each)(found->nodesetval, out) < 0)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	return 0;
}

int xpath_select(const struct command *c, struct buf *text, struct err *e)
{
	demand(c->verb && text && command_value(c, "xpath"), e);

	bool pool = streq(c->verb->name, "pool-dumpxml");
	cleanup_xml xmlDoc *doc = xml_open(buf_str(text), text->len, VOLUME_XML_LIMIT, "(reply)",
	                                   pool ? "pool" : "volume", e);
	xmlXPathContext *context = doc ? xmlXPathNewContext(doc) : NULL;
	xmlXPathObject *found;
	struct buf out = BUF_INIT;
	int rc = -1;

	if (!doc)
		return -1;
	if (!context)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	context->userData = e;
	context->error = keep_error;
	drop_blanks(xmlDocGetRootElement(doc));
	found = xmlXPathEval(BAD_CAST command_value(c, "xpath"), context);
	if (found)
		rc = print_selection(c, found, &out, e);
	else if (e->class == ERR_NONE)
		err_set(e, ERR_INVALID, "the XPath expression is wrong");
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	if (rc == 0) {
		buf_free(text);
		*text = out;
	} else {
		buf_free(&out);
	}
	return rc;
}

#else

int xpath_select(const struct command *c, struct buf *text, struct err *e)
{
	(void)c;
	(void)text;
	return err_set(e, ERR_UNSUPPORTED, "this build has no XPath (make XPATH=1)");
}

#endif
