/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The safe door to libxml2. Five guards, in the order in which a document meets them: its size; its encoding,
 * so that every reader of its bytes sees the same characters; the number of attributes of one tag (libxml2
 * 2.9 compares them pairwise before it calls anybody); the SAX hooks below, which stop the parser at a
 * DOCTYPE, at too much depth and at too many nodes while it still reads; and well-formedness itself. Without
 * a DOCTYPE there are no entities beyond the five of XML, so nothing can expand and nothing can be fetched.
 */
#include "pool/xml.h"

#include <stddef.h>
#include <sys/mman.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/contract.h"
#include "base/utf8.h"
#include "base/util.h"

#define XML_ATTRIBUTES_LIMIT 256 /* of one element */

/* What the hooks know while one document is read. */
struct door {
	unsigned depth, nodes;
	int line; /* where it was stopped; 0: it was not */
	char reason[96];
	int wrong; /* the line of the parser's first complaint: the later ones come of it; 0: none */
	char complaint[200];
};

static struct door *door_of(void *ctx)
{
	return ((xmlParserCtxt *)ctx)->_private;
}

/* Remember the first reason and stop reading. */
__attribute__((format(printf, 2, 3))) static void stop_parser(void *ctx, const char *fmt, ...)
{
	struct door *d = door_of(ctx);
	int line = xmlSAX2GetLineNumber(ctx);
	va_list ap;

	if (d->line == 0) {
		d->line = line > 0 ? line : 1;
		va_start(ap, fmt);
		vsnprintf(d->reason, sizeof(d->reason), fmt, ap);
		va_end(ap);
	}
	xmlStopParser(ctx);
}

/* Count what takes memory of the tree, and stop at the limit: a document of a megabyte can have a tree of a
 * hundred. */
static void count_nodes(void *ctx, unsigned n)
{
	struct door *d = door_of(ctx);

	d->nodes += n;
	if (d->nodes > XML_NODES_LIMIT)
		stop_parser(ctx, "more than %d elements and attributes", XML_NODES_LIMIT);
}

/* A tag is counted with its namespaces and attributes: each of them takes memory of the tree. */
static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int nb_namespaces, const xmlChar **namespaces, int nb_attributes, int nb_defaulted,
                     const xmlChar **attributes)
{
	struct door *d = door_of(ctx);

	if (++d->depth > XML_DEPTH_LIMIT)
		stop_parser(ctx, "elements nested deeper than %d", XML_DEPTH_LIMIT);
	count_nodes(ctx, 1 + (unsigned)nb_namespaces + (unsigned)nb_attributes);
	if (d->line == 0)
		xmlSAX2StartElementNs(ctx, name, prefix, uri, nb_namespaces, namespaces, nb_attributes,
		                      nb_defaulted, attributes);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct door *d = door_of(ctx);

	if (d->depth > 0)
		d->depth--;
	if (d->line == 0)
		xmlSAX2EndElementNs(ctx, name, prefix, uri);
}

/* No DOCTYPE at all: with it come entities, and with those expansion, files and addresses. */
static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	(void)name;
	(void)external;
	(void)system;
	stop_parser(ctx, "document type declarations (DOCTYPE), and with them entities, are not accepted");
}

static void on_entity(void *ctx, const xmlChar *name, int type, const xmlChar *public_id,
                      const xmlChar *system, xmlChar *content)
{
	(void)name;
	(void)type;
	(void)public_id;
	(void)system;
	(void)content;
	stop_parser(ctx, "an entity declaration is not accepted");
}

/* Comments and processing instructions become no part of the tree: nobody reads them. They count all the
 * same. */
static void on_comment(void *ctx, const xmlChar *text)
{
	(void)text;
	count_nodes(ctx, 1);
}

static void on_instruction(void *ctx, const xmlChar *target, const xmlChar *data)
{
	(void)target;
	(void)data;
	count_nodes(ctx, 1);
}

/* A CDATA section is a text like any other; it counts as a node. */
static void on_cdata(void *ctx, const xmlChar *text, int len)
{
	count_nodes(ctx, 1);
	if (door_of(ctx)->line == 0)
		xmlSAX2CDataBlock(ctx, text, len);
}

/* The parser's own complaints. Only the first fatal one is kept: after it the parser's idea of the document
 * is wrong, and what it says later comes of that. */
static void on_error(void *ctx, xmlErrorPtr x)
{
	struct door *d = door_of(ctx);

	if (d->wrong || x->level != XML_ERR_FATAL || !x->message)
		return;
	d->wrong = x->line > 0 ? x->line : 1;
	snprintf(d->complaint, sizeof(d->complaint), "%.*s", (int)strcspn(x->message, "\n"), x->message);
}

/* What is not set here stays libxml2's own. resolveEntity must be empty: it is what would open a file or an
 * address. */
static void set_hooks(xmlSAXHandler *sax)
{
	sax->serror = on_error;
	sax->startElementNs = on_start;
	sax->endElementNs = on_end;
	sax->internalSubset = on_doctype;
	sax->externalSubset = on_doctype;
	sax->entityDecl = on_entity;
	sax->resolveEntity = NULL;
	sax->comment = on_comment;
	sax->processingInstruction = on_instruction;
	sax->cdataBlock = on_cdata;
}

/* ---- before the parser ---- */

/* Lines are counted from 1, as editors do. */
static int line_at(const char *xml, const char *at)
{
	int line = 1;

	for (const char *p = xml; p < at; p++)
		line += *p == '\n';
	return line;
}

/* One unit of UTF-16 (RFC 2781); p has two bytes. */
static unsigned unit_at(const unsigned char *p, bool big)
{
	return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

/* UTF-16, the other encoding that XML demands of everybody. Editors of another system write it. *out stays
 * NULL where the document is not in it. */
static int from_utf16(const char *xml, size_t *len, const char *source, char **out, struct err *e)
{
	const unsigned char *p = (const unsigned char *)xml, *end = p + *len;
	bool big = *len >= 2 && memcmp(xml, "\xfe\xff", 2) == 0;
	int line = 1;
	char *to;

	if (*len < 2 || (!big && memcmp(xml, "\xff\xfe", 2) != 0))
		return 0;
	/* Two bytes of UTF-16 become three of UTF-8 at most, and four become four. */
	to = *out = calloc(1, *len / 2 * 3 + 1);
	if (!to)
		return err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", source);
	for (p += 2; end - p >= 2; p += 2) {
		unsigned c = unit_at(p, big), next = end - p >= 4 ? unit_at(p + 2, big) : 0;

		if (c >= 0xd800 && c < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (next - 0xdc00);
			p += 2;
		} else if (c >= 0xd800 && c < 0xe000) {
			break;
		}
		to += utf8_put(to, c);
		line += c == '\n';
	}
	*len = (size_t)(to - *out);
	return p == end ? 0 : err_set(e, ERR_XML, "%s:%d: bytes that are not UTF-16", source, line);
}

/* The value of encoding='…' in the XML declaration, cut short where it is long; false: there is none. */
static bool declared_encoding(const char *xml, const char *end, char *out, size_t size)
{
	const char *close = memmem(xml, (size_t)(end - xml), "?>", 2), *p;
	size_t len = 0;

	if (!close || close - xml < 6 || memcmp(xml, "<?xml", 5) != 0 || !strchr(" \t\r\n", xml[5]))
		return false;
	p = memmem(xml, (size_t)(close - xml), "encoding", 8);
	p = p ? memchr(p, '=', (size_t)(close - p)) : NULL;
	for (p = p ? p + 1 : close; p < close && strchr(" \t\r\n", *p); p++)
		;
	if (p == close || (*p != '\'' && *p != '"'))
		return false; /* the parser knows what to say of that */
	for (const char *v = p + 1; v < close && *v != *p && len + 1 < size; v++)
		out[len++] = *v;
	out[len] = '\0';
	return true;
}

/* Only encodings whose bytes below 128 are ASCII, and which every build of libxml2 has: what is counted below
 * is what the parser will read. */
static int check_encoding(const char *xml, size_t len, bool as_declared, const char *source, struct err *e)
{
	static const char *const accepted[] = { "UTF-8", "UTF8", "US-ASCII", "ASCII", "ISO-8859-1" };
	const char *end = xml + len, *start = len >= 3 && memcmp(xml, "\xef\xbb\xbf", 3) == 0 ? xml + 3 : xml;
	const char *nul = memchr(xml, '\0', len);
	char name[48];

	if (nul)
		return err_set(e, ERR_XML, "%s:%d: a NUL byte: the document is no text in UTF-8", source,
		               line_at(xml, nul));
	if (start == end || !strchr("< \t\r\n", *start))
		return err_set(e, ERR_XML,
		               "%s:1: not an XML document in UTF-8 or UTF-16: it does not begin with '<'",
		               source);
	if (!as_declared || !declared_encoding(start, end, name, sizeof(name)))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
		if (strcasecmp(name, accepted[i]) == 0)
			return 0;
	return err_set(e, ERR_XML,
	               "%s:1: encoding \"%s\" is not accepted: UTF-8, UTF-16, US-ASCII and ISO-8859-1 are",
	               source, name);
}

/* Past a comment, a CDATA section or a processing instruction that begins at p; NULL: none does. */
static const char *skip_opaque(const char *p, const char *end)
{
	static const struct {
		const char *open, *close;
	} kinds[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t open = strlen(kinds[i].open), close = strlen(kinds[i].close);
		const char *found;

		if ((size_t)(end - p) < open || memcmp(p, kinds[i].open, open) != 0)
			continue;
		found = memmem(p + open, (size_t)(end - p) - open, kinds[i].close, close);
		return found ? found + close : end;
	}
	return NULL;
}

/* Line of the first tag with too many attributes, or 0. Each attribute is one quoted string inside a tag. */
/* Line of the first tag with too many attributes, or 0. Each attribute is one quoted string inside a tag;
 * comments, CDATA and instructions are passed over, since quotes in them mean nothing. Whatever is wrong
 * with the document otherwise is left to the parser. */
static int attribute_flood(const char *xml, size_t len)
{
	const char *end = xml + len;
	unsigned attributes = 0;
	bool in_tag = false;
	char quote = 0;
	int line = 1;

	for (const char *p = xml; p < end; p++) {
		const char *after = in_tag || *p != '<' ? NULL : skip_opaque(p, end);

		for (; after && p < after - 1; p++)
			line += *p == '\n';
		line += *p == '\n';
		if (after)
			continue;
		if (quote) {
			quote = *p == quote ? 0 : quote;
		} else if (!in_tag) {
			in_tag = *p == '<';
			attributes = 0;
		} else if (*p == '>') {
			in_tag = false;
		} else if (*p == '"' || *p == '\'') {
			quote = *p;
			if (++attributes > XML_ATTRIBUTES_LIMIT)
				return line;
		}
	}
	return 0;
}

/* ---- the parser's memory ---- */

/* A worker reads a few small documents, mostly. What the parser takes for one comes from one piece, mapped at
 * once: page by page it costs more than the reading. It is used again when all of it has been given back,
 * which is when the document is closed. */
#define PIECE (48u * 1024)

static struct {
	char *data;
	size_t used, blocks;
} piece;

/* Each block knows its size, because take_more() has to copy that much and libxml2 does not say it. */
struct block {
	size_t size;
	max_align_t bytes[];
};

/* The parser gives back what it has from either place, and does not know from which. */
static bool is_of_piece(const void *p)
{
	return piece.data && (const char *)p >= piece.data && (const char *)p < piece.data + PIECE;
}

/* malloc(3) for the parser: out of the piece, as long as it lasts. */
static void *piece_take(size_t size)
{
	size_t whole = sizeof(struct block) + ((size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1));
	struct block *b;

	if (!piece.data || whole > PIECE - piece.used || size > PIECE)
		return malloc(size);
	b = (void *)(piece.data + piece.used);
	piece.used += whole;
	piece.blocks++;
	b->size = size;
	return b->bytes;
}

static void give_back(void *p)
{
	if (!is_of_piece(p))
		free(p);
	else if (--piece.blocks == 0)
		piece.used = 0;
}

/* realloc(3) for the parser. What is of the piece is copied. */
static void *take_more(void *p, size_t size)
{
	if (!p)
		return piece_take(size);
	if (!is_of_piece(p))
		return realloc(p, size);

	size_t before = ((struct block *)((char *)p - offsetof(struct block, bytes)))->size;
	void *more = piece_take(size);

	if (!more)
		return NULL;
	memcpy(more, p, before < size ? before : size);
	give_back(p);
	return more;
}

static char *take_copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = piece_take(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void xml_prepare(void)
{
	void *data;

	if (piece.data)
		return;
	xmlInitParser(); /* what it keeps for ever is in no piece */
	data = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (data != MAP_FAILED && xmlMemSetup(give_back, piece_take, take_more, take_copy) == 0)
		piece.data = data;
}

/* ---- the door ---- */

/* A document that was not taken out of the parser belongs to it still, but is not freed with it. */
static void cleanup_parser(xmlParserCtxt **ctxt)
{
	if (!*ctxt)
		return;
	if ((*ctxt)->myDoc)
		xmlFreeDoc((*ctxt)->myDoc);
	xmlFreeParserCtxt(*ctxt);
}

/* Why the parser ended without a good document. */
static int parse_failed(const xmlParserCtxt *ctxt, const struct door *d, const char *source, struct err *e)
{
	if (d->line > 0)
		return err_set(e, ERR_XML, "%s:%d: %s", source, d->line, d->reason);
	if (ctxt->lastError.code == XML_ERR_NO_MEMORY)
		return err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", source);
	return err_set(e, ERR_XML, "%s:%d: %s", source, d->wrong ? d->wrong : 1,
	               d->wrong ? d->complaint : "not a well-formed XML document");
}

static void cleanup_text(char **text)
{
	if (*text)
		free(*text);
}

/* Well-formed, and no more than is to be read; ctxt->myDoc is the tree. */
static int parse(xmlParserCtxt *ctxt, struct door *d, int options, const char *source, struct err *e)
{
	xmlCtxtUseOptions(ctxt, XML_PARSE_NONET | XML_PARSE_NOWARNING | XML_PARSE_NOERROR |
	                                XML_PARSE_BIG_LINES | options);
	ctxt->_private = d;
	set_hooks(ctxt->sax);
	if (xmlParseDocument(ctxt) != 0 || !ctxt->wellFormed || d->line > 0 || !ctxt->myDoc)
		return parse_failed(ctxt, d, source, e);
	return 0;
}

/* What can be said before the parser has it. */
static int check_xml_bytes(const char *xml, size_t len, bool utf8, const char *source, struct err *e)
{
	int line;

	if (len == 0)
		return err_set(e, ERR_XML, "%s:1: the document is empty", source);
	if (check_encoding(xml, len, utf8, source, e) < 0)
		return -1;
	line = attribute_flood(xml, len);
	return line > 0 ? err_set(e, ERR_XML, "%s:%d: more than %d attributes in one element", source, line,
	                          XML_ATTRIBUTES_LIMIT)
	                : 0;
}

xmlDoc *xml_open(const char *xml, size_t len, size_t limit, const char *source, const char *root,
                 struct err *e)
{
	__attribute__((cleanup(cleanup_parser))) xmlParserCtxt *ctxt = NULL;
	__attribute__((cleanup(cleanup_text))) char *converted = NULL;
	struct door d = { 0 };
	const xmlNode *top;
	xmlDoc *doc;

	if (len > limit || len > INT_MAX) {
		err_set(e, ERR_XML, "%s:1: document of %zu bytes; at most %zu are accepted", source, len,
		        limit);
		return NULL;
	}
	if (from_utf16(xml, &len, source, &converted, e) < 0 ||
	    check_xml_bytes(converted ? converted : xml, len, !converted, source, e) < 0)
		return NULL;
	ctxt = xmlCreateMemoryParserCtxt(converted ? converted : xml, (int)len);
	if (!ctxt) {
		err_set(e, ERR_NO_MEMORY, "cannot read %s: out of memory", source);
		return NULL;
	}
	if (parse(ctxt, &d, converted ? XML_PARSE_IGNORE_ENC : 0, source, e) < 0)
		return NULL;
	top = xmlDocGetRootElement(ctxt->myDoc);
	if (!top || !streq((const char *)top->name, root)) {
		err_set(e, ERR_XML, "%s:%d: the document is <%.60s>, not <%s>", source,
		        top ? xml_line(top) : 1, top ? (const char *)top->name : "", root);
		return NULL;
	}
	doc = ctxt->myDoc;
	ctxt->myDoc = NULL;
	return doc;
}

void xml_close(xmlDoc **doc)
{
	if (*doc)
		xmlFreeDoc(*doc);
	*doc = NULL;
}

void xml_linger(struct xml_linger *l)
{
	static const char little[] = "<a/>";

	*l = (struct xml_linger){ .parser = xmlCreateMemoryParserCtxt(little, sizeof(little) - 1) };
	arena_alloc(&l->arena, 1);
}

void xml_linger_over(struct xml_linger *l)
{
	if (l->parser)
		xmlFreeParserCtxt(l->parser);
	arena_free(&l->arena);
}

int xml_refuse(struct err *e, const char *source, const xmlNode *node, const char *fmt, ...)
{
	demand(source, e);

	char reason[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_INVALID, "%s:%d: %s", source, xml_line(node), reason);
}

/* ---- walking the tree ---- */

/* ns NULL: an element in no namespace at all. Prefixes mean nothing. */
static bool is_element(const xmlNode *n, const char *name, const char *ns)
{
	if (n->type != XML_ELEMENT_NODE || !streq((const char *)n->name, name))
		return false;
	if (!ns)
		return n->ns == NULL;
	return n->ns && n->ns->href && streq((const char *)n->ns->href, ns);
}

/* The first of these siblings that fits; NULL: none does. */
static xmlNode *find_from(xmlNode *n, const char *name, const char *ns)
{
	while (n && !is_element(n, name, ns))
		n = n->next;
	return n;
}

xmlNode *xml_child(const xmlNode *parent, const char *name)
{
	return parent ? find_from(parent->children, name, NULL) : NULL;
}

xmlNode *xml_next(const xmlNode *node, const char *name)
{
	if (!node)
		return NULL;
	return find_from(node->next, name, node->ns ? (const char *)node->ns->href : NULL);
}

xmlNode *xml_child_ns(const xmlNode *parent, const char *name, const char *ns)
{
	demand_or(name && ns, NULL); /* without a namespace: xml_child() */
	return parent ? find_from(parent->children, name, ns) : NULL;
}

/* A copy in the arena of what libxml2 gives away; NULL when there is nothing in it. */
static const char *keep_xml_text(struct arena *a, xmlChar *text)
{
	const char *kept = NULL;

	if (text && *text)
		kept = arena_strdup(a, (const char *)text);
	xmlFree(text);
	return kept;
}

/* A pretty printer puts line breaks and indentation around a text that is none of it. Blanks alone are
 * somebody's own. */
static void trim_lines(xmlChar *text)
{
	static const char white[] = " \t\r\n";
	char *t = (char *)text;
	size_t before = strspn(t, white), end = strlen(t);

	while (end > before && strchr(white, t[end - 1]))
		end--;
	if (strpbrk(t + end, "\r\n"))
		t[end] = '\0';
	if (memchr(t, '\n', before))
		memmove(t, t + before, strlen(t + before) + 1);
}

const char *xml_text_as_it_is(struct arena *a, const xmlNode *node)
{
	return node ? keep_xml_text(a, xmlNodeGetContent(node)) : NULL;
}

const char *xml_text(struct arena *a, const xmlNode *node)
{
	xmlChar *text = node ? xmlNodeGetContent(node) : NULL;

	if (text)
		trim_lines(text);
	return text ? keep_xml_text(a, text) : NULL;
}

const char *xml_child_text(struct arena *a, const xmlNode *parent, const char *name)
{
	return xml_text(a, xml_child(parent, name));
}

const char *xml_attr(struct arena *a, const xmlNode *node, const char *name)
{
	return node ? keep_xml_text(a, xmlGetNoNsProp(node, (const xmlChar *)name)) : NULL;
}

int xml_line(const xmlNode *node)
{
	long line = node ? xmlGetLineNo(node) : 1;

	return line > 0 && line < INT_MAX ? (int)line : 1;
}

/* ---- printing ---- */

void xml_escape(struct buf *out, const char *text)
{
	demand_or(text, );

	static const struct {
		char c;
		const char *as;
	} special[] = {
		{ '<', "&lt;" }, { '>', "&gt;" }, { '&', "&amp;" }, { '\'', "&apos;" }, { '"', "&quot;" },
	};
	size_t left = strlen(text), len;

	for (; left > 0; text += len, left -= len) {
		const char *as = NULL;

		len = utf8_len(text, left);
		for (size_t i = 0; i < ARRAY_LEN(special); i++)
			if (*text == special[i].c)
				as = special[i].as;
		if (len == 0 || (len == 1 && (unsigned char)*text < 0x20 && !strchr("\t\n\r", *text)) ||
		    utf8_is_no_character(text, len))
			as = "?";
		if (as)
			buf_adds(out, as);
		else if (len > 0 && *text != '\n' && *text != '\t' && utf8_is_hidden(text, len))
			buf_printf(out, "&#x%x;", utf8_number(text, len));
		else
			buf_add(out, text, len);
		len += len == 0;
	}
}
