/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The safe door to libxml2: every document of the house is opened here and nowhere else.
 */
#ifndef POOLINIT_POOL_XML_H
#define POOLINIT_POOL_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <libxml/tree.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define XML_DEPTH_LIMIT 64
#define XML_NODES_LIMIT 20000

/* Parse len bytes; the root must be called `root`. The document is the caller's, freed by xml_close(); NULL
 * with e filled. Refused with ERR_XML, "SOURCE:LINE: reason": not well-formed, another encoding than UTF-8,
 * UTF-16, US-ASCII or ISO-8859-1, a DOCTYPE of any kind, deeper or more numerous than the limits above,
 * longer than `limit` bytes, another root. ERR_NO_MEMORY.
 *
 * Nothing is fetched and no file is opened, whatever the document names. */
xmlDoc *xml_open(const char *xml, size_t len, size_t limit, const char *source, const char *root,
                 struct err *e);
#define cleanup_xml __attribute__((cleanup(xml_close)))
/* Free a document and set it to NULL. Texts that were copied into an arena stay. */
void xml_close(xmlDoc **doc);
/* In a worker, before it reads its first document: what the parser needs is mapped at once, and kept. */
void xml_prepare(void);

/* For who opens many documents in a row: while this lingers, the memory of one document serves the next. Else
 * the allocator gives it back to the kernel after each and asks for it again, which takes longer than the
 * reading. */
struct xml_linger {
	struct _xmlParserCtxt *parser;
	struct arena arena;
};
/* Begin to linger. Memory that runs out is no error: then documents are merely read more slowly. */
void xml_linger(struct xml_linger *l);
/* Give the memory back. */
void xml_linger_over(struct xml_linger *l);

/* First child element of that name without a namespace, or NULL. libvirt's rule: the first one wins, others
 * are ignored. parent may be NULL: it has no children. Nodes live as long as their document. */
xmlNode *xml_child(const xmlNode *parent, const char *name);
/* Next sibling element of that name, in the namespace of the node itself; NULL: no more. */
xmlNode *xml_next(const xmlNode *node, const char *name);
/* First child element of that name in the namespace `ns` (the name itself, not its prefix), or NULL. */
xmlNode *xml_child_ns(const xmlNode *parent, const char *name, const char *ns);
/* Text of an element (comments dropped; of white space around it only what has a line break goes), in the
 * arena; NULL when the element is NULL or empty. A copy that memory is too short for is NULL as well:
 * arena.failed tells the two apart. */
const char *xml_text(struct arena *a, const xmlNode *node);
/* The same with all of its white space, as the strict grammar looks at it. */
const char *xml_text_as_it_is(struct arena *a, const xmlNode *node);
/* xml_text() of the first child element of that name. */
const char *xml_child_text(struct arena *a, const xmlNode *parent, const char *name);
/* Value of an attribute without a namespace, in the arena; NULL when absent or empty, or the node is NULL. */
const char *xml_attr(struct arena *a, const xmlNode *node, const char *name);
/* The line in which the node begins, from 1; 1 for NULL. */
int xml_line(const xmlNode *node);
/* ERR_INVALID "SOURCE:LINE: <reason>", with the line of the node (1 when it is NULL), at most 599 bytes of
 * reason. Returns -1. */
int xml_refuse(struct err *e, const char *source, const xmlNode *node, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Printing: append text with the five characters escaped as libvirt does; control characters that XML cannot
 * hold become '?', and characters that nobody sees on a screen become a number. */
void xml_escape(struct buf *out, const char *text);

#endif
