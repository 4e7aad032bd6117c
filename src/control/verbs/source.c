/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pools from options instead of documents, and finding sources. The options become the document that virsh
 * makes of them, with every value escaped, and that goes the way of all documents: what a value says is never
 * more than text.
 */
#include "control/verbs/verbs.h"

#include "backends/backend.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/printing.h"
#include "pool/xml.h"

/* ---- options to a document ---- */

/* What was given for an option as an attribute; nothing if it was not given. */
static void attribute_of(struct call *c, struct buf *xml, const char *name, const char *option)
{
	print_attribute(xml, name, call_arg(c, option));
}

/* NULL: none. */
static void add_initiator(struct buf *xml, const char *iqn)
{
	if (!iqn)
		return;
	buf_adds(xml, "    <initiator>\n");
	print_empty(xml, "      ", "iqn", "name", iqn);
	buf_adds(xml, "    </initiator>\n");
}

/* Both names, or it is no fc_host. */
static bool has_fc_host(struct call *c)
{
	return call_arg(c, "adapter-wwnn") && call_arg(c, "adapter-wwpn");
}

/* Of the ways to name the parent the first that is given counts. */
static void add_adapter_option(struct call *c, struct buf *xml)
{
	if (!has_fc_host(c)) {
		if (!call_arg(c, "adapter-name"))
			return;
		buf_adds(xml, "    <adapter type='scsi_host'");
		attribute_of(c, xml, "name", "adapter-name");
		buf_adds(xml, "/>\n");
		return;
	}
	buf_adds(xml, "    <adapter type='fc_host'");
	if (call_arg(c, "adapter-parent")) {
		attribute_of(c, xml, "parent", "adapter-parent");
	} else if (call_arg(c, "adapter-parent-wwnn") && call_arg(c, "adapter-parent-wwpn")) {
		attribute_of(c, xml, "parent_wwnn", "adapter-parent-wwnn");
		attribute_of(c, xml, "parent_wwpn", "adapter-parent-wwpn");
	} else {
		attribute_of(c, xml, "parent_fabric_wwn", "adapter-parent-fabric-wwn");
	}
	attribute_of(c, xml, "wwnn", "adapter-wwnn");
	attribute_of(c, xml, "wwpn", "adapter-wwpn");
	buf_adds(xml, "/>\n");
}

static bool has_auth(struct call *c)
{
	return call_arg(c, "auth-type") && call_arg(c, "auth-username") &&
	       (call_arg(c, "secret-usage") || call_arg(c, "secret-uuid"));
}

static void add_auth(struct call *c, struct buf *xml)
{
	if (!has_auth(c))
		return;
	buf_adds(xml, "    <auth");
	attribute_of(c, xml, "type", "auth-type");
	attribute_of(c, xml, "username", "auth-username");
	buf_adds(xml, ">\n      <secret");
	attribute_of(c, xml, "usage", "secret-usage");
	attribute_of(c, xml, "uuid", "secret-uuid");
	buf_adds(xml, "/>\n    </auth>\n");
}

/* virsh makes a <source> if one of these is given, and of a protocol version only where there is one. */
static bool has_source(struct call *c)
{
	static const char *const options[] = { "source-host", "source-path",   "source-dev",
		                               "source-name", "source-format", "source-initiator",
		                               "adapter-name" };

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (call_arg(c, options[i]))
			return true;
	return has_auth(c) || has_fc_host(c);
}

/* The order is virsh's. */
static void add_source(struct call *c, struct buf *xml)
{
	if (!has_source(c))
		return;
	buf_adds(xml, "  <source>\n");
	print_empty(xml, "    ", "host", "name", call_arg(c, "source-host"));
	print_empty(xml, "    ", "dir", "path", call_arg(c, "source-path"));
	print_empty(xml, "    ", "device", "path", call_arg(c, "source-dev"));
	add_initiator(xml, call_arg(c, "source-initiator"));
	add_adapter_option(c, xml);
	add_auth(c, xml);
	print_empty(xml, "    ", "format", "type", call_arg(c, "source-format"));
	print_text(xml, "    ", "name", call_arg(c, "source-name"));
	print_empty(xml, "    ", "protocol", "ver", call_arg(c, "source-protocol-ver"));
	buf_adds(xml, "  </source>\n");
}

/* Options that belong together and of which one is missing are a mistake: virsh leaves them out without a
 * word. */
static int check_options(struct call *c, struct err *e)
{
	static const struct {
		const char *option, *needs;
	} pairs[] = {
		{ "auth-username", "auth-type" },
		{ "auth-type", "auth-username" },
		{ "adapter-wwnn", "adapter-wwpn" },
		{ "adapter-wwpn", "adapter-wwnn" },
		{ "adapter-parent-wwnn", "adapter-parent-wwpn" },
		{ "adapter-parent-wwpn", "adapter-parent-wwnn" },
	};

	/* XML has no way to say most control characters: the document would say something else. */
	for (const struct verb_arg *a = call_args(c); a->name; a++)
		if (call_arg(c, a->name) && !check_text(call_arg(c, a->name)))
			return err_set(
				e, ERR_INVALID,
				"\"%s\" contains control characters (or U+FFFE, U+FFFF), or is not UTF-8",
				a->name);
	if (call_arg(c, "secret-usage") && call_arg(c, "secret-uuid"))
		return err_set(e, ERR_INVALID,
		               "the secret is given by usage and by uuid: only one can count");
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (call_arg(c, pairs[i].option) && !call_arg(c, pairs[i].needs))
			return err_set(e, ERR_INVALID, "\"%s\" says nothing without \"%s\"", pairs[i].option,
			               pairs[i].needs);
	if (call_arg(c, "auth-type") && !has_auth(c))
		return err_set(e, ERR_INVALID,
		               "\"auth-type\" says nothing without \"secret-usage\" or \"secret-uuid\"");
	if ((call_arg(c, "secret-usage") || call_arg(c, "secret-uuid")) && !has_auth(c))
		return err_set(e, ERR_INVALID,
		               "a secret says nothing without \"auth-type\" and \"auth-username\"");
	if (call_arg(c, "source-protocol-ver") && !has_source(c))
		return err_set(e, ERR_INVALID, "\"source-protocol-ver\" says nothing without a source");
	return 0;
}

/* The whole document, in the order in which virsh writes it. */
static int document(struct call *c, struct buf *xml, struct err *e)
{
	if (check_options(c, e) < 0)
		return -1;
	buf_adds(xml, "<pool");
	attribute_of(c, xml, "type", "type");
	buf_adds(xml, ">\n");
	print_text(xml, "  ", "name", call_arg(c, "name"));
	add_source(c, xml);
	if (call_arg(c, "target")) {
		buf_adds(xml, "  <target>\n");
		print_text(xml, "    ", "path", call_arg(c, "target"));
		buf_adds(xml, "  </target>\n");
	}
	buf_adds(xml, "</pool>\n");
	return xml->failed ? err_set(e, ERR_NO_MEMORY, "cannot make the document: out of memory") : 0;
}

/* ---- the verbs ---- */

/* The document goes the way of one that was sent, or is only shown. */
static void define_as(struct call *c, enum define_mode mode)
{
	cleanup_buf struct buf xml = BUF_INIT;
	struct err e = { 0 };

	if (document(c, &xml, &e) < 0) {
		call_fail(c, &e);
	} else if (call_flag(c, "print-xml")) {
		call_bytes(c, buf_str(&xml), xml.len);
		call_ok(c);
	} else {
		define_from(c, buf_str(&xml), xml.len, mode);
	}
}

void verb_pool_define_as(struct call *c)
{
	define_as(c, DEFINE_PERSISTENT);
}

void verb_pool_create_as(struct call *c)
{
	define_as(c, DEFINE_TRANSIENT);
}

static void found(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (r->err) {
		call_fail(c, r->err);
		return;
	}
	call_bytes(c, r->text, r->text_len);
	call_ok(c);
}

/* xml NULL: look for all that can be found without being told where. */
static void find(struct call *c, const char *xml, size_t len)
{
	const char *word = call_arg(c, "type");
	int type = pool_type_from_word(word);
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	w->done = found;
	if (type < 0)
		err_set(&e, ERR_INVALID, "\"%.80s\" is not a pool type", word);
	if (type < 0 || pool_find_sources(call_supervisor(c), (enum pool_type)type, xml, len,
	                                  call_duration(c, "timeout", 0), w, &e) < 0)
		call_fail(c, &e);
}

void verb_find_sources(struct call *c)
{
	size_t len;
	const char *xml = call_payload(c, &len);

	find(c, xml && len ? xml : NULL, len);
}

/* What libvirt's reader takes as one. */
static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	long port = digits > 0 && digits < 6 && !text[digits] ? strtol(text, NULL, 10) : 0;

	return port > 0 && port <= 65535;
}

void verb_find_sources_as(struct call *c)
{
	cleanup_buf struct buf xml = BUF_INIT;
	struct err e = { 0 };

	if (call_arg(c, "port") && !call_arg(c, "host"))
		err_set(&e, ERR_INVALID, "a port says nothing without a host");
	else if (call_arg(c, "port") && !is_port(call_arg(c, "port")))
		err_set(&e, ERR_INVALID, "\"%.80s\" is not a port: 1 to 65535", call_arg(c, "port"));
	buf_adds(&xml, "<source>\n");
	if (call_arg(c, "host")) {
		buf_adds(&xml, "    <host");
		attribute_of(c, &xml, "name", "host");
		attribute_of(c, &xml, "port", "port");
		buf_adds(&xml, "/>\n");
	}
	add_initiator(&xml, call_arg(c, "initiator"));
	buf_adds(&xml, "</source>\n");
	if (xml.failed)
		err_set(&e, ERR_NO_MEMORY, "cannot make the document: out of memory");
	if (e.class)
		call_fail(c, &e);
	else
		find(c, buf_str(&xml), xml.len);
}
