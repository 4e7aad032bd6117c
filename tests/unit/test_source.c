/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * <source> documents by themselves.
 */
#include "pool/source.h"
#include "base/util.h"
#include "check.h"

/* Read and printed again, or the error. Static storage. */
static const char *again(enum pool_type type, const char *xml)
{
	static char out[4096];
	struct buf text = BUF_INIT;
	struct err e = { 0 };
	struct pool_def d;

	if (pool_source_read(&d, type, xml, strlen(xml), "s", &e) < 0) {
		snprintf(out, sizeof(out), "%s: %s", err_word(e.class), e.message);
		return out;
	}
	pool_source_print(&d, &text);
	snprintf(out, sizeof(out), "%s", buf_str(&text));
	buf_free(&text);
	pool_def_free(&d);
	return out;
}

static void what_was_printed_is_read_as_the_same(void)
{
	static const struct {
		enum pool_type type;
		const char *xml;
	} sources[] = {
		{ POOL_NETFS, "<source><host name='h'/></source>" },
		{ POOL_NETFS, "<source><host name='h' port='1'/><dir path='/a&amp;&apos;b'/><format "
		              "type='nfs'/></source>" },
		{ POOL_ISCSI, "<source><host name='::1' port='3260'/><initiator><iqn "
		              "name='iqn.x:y'/></initiator></source>" },
		{ POOL_LOGICAL,
		  "<source><device path='/dev/sda'/><device path='/dev/sdb'/><name>vg</name></source>" },
		{ POOL_LOGICAL, "<source/>" },
	};

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		char once[4096];

		snprintf(once, sizeof(once), "%s", again(sources[i].type, sources[i].xml));
		CHECK(starts_with(once, "  <source>\n"));
		CHECK_STR(again(sources[i].type, once), once);
	}
	CHECK_STR(again(POOL_ISCSI,
	                "<source><host name='h'/><initiator><iqn name='iqn.x'/></initiator></source>"),
	          "  <source>\n    <host name='h'/>\n    <initiator>\n      <iqn name='iqn.x'/>\n    "
	          "</initiator>\n  </source>\n");
}

static void what_is_no_source_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"x",
		"<source>",
		"<pool/>",
		"<sources/>",
		"<source/><source/>",
		"<!DOCTYPE source><source/>",
		"<source><host/></source>",
		"<source><host name='-x'/></source>",
		"<source><host name='a b'/></source>",
		"<source><host name='a' port='x'/></source>",
		"<source><device path=''/></source>",
		"<source><format type='nonsense'/></source>",
		"<source><host name='a&#10;b'/></source>",
		"<source><initiator><iqn name='../x'/></initiator></source>",
		"<source><dir path='a&#1;'/></source>",
		"<source><auth/></source>",
		"<source><adapter type='x'/></source>",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *said = again(POOL_NETFS, bad[i]);

		if (!starts_with(said, "xml: s:") && !starts_with(said, "invalid: s:"))
			printf("# %s: %s\n", bad[i], said);
		CHECK(starts_with(said, "xml: s:") || starts_with(said, "invalid: s:"));
	}
}

int main(void)
{
	RUN(what_was_printed_is_read_as_the_same);
	RUN(what_is_no_source_is_refused);
	return check_done();
}
