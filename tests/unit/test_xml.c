/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The door to libxml2: what hostile documents meet there.
 */
#include <time.h>

#include "base/util.h"
#include "check.h"
#include "pool/xml.h"

#define LIMIT (1024 * 1024)

static struct err e;

/* Is the document refused, with this class, and with a message that begins "doc:LINE: "? */
static bool refused_in(const char *xml, size_t len, enum err_class class, int line, const char *word)
{
	xmlDoc *doc;
	char place[40];

	err_clear(&e);
	doc = xml_open(xml, len, LIMIT, "doc", "pool", &e);
	xml_close(&doc);
	snprintf(place, sizeof(place), "doc:%d: ", line);
	if (e.class == class && starts_with(e.message, place) && strstr(e.message, word))
		return true;
	printf("# got: %s %s\n", err_word(e.class), e.message);
	return false;
}

static bool refused(const char *xml, int line, const char *word)
{
	return refused_in(xml, strlen(xml), ERR_XML, line, word);
}

static xmlDoc *open_text(const char *xml)
{
	err_clear(&e);
	return xml_open(xml, strlen(xml), LIMIT, "doc", "pool", &e);
}

/* `times` copies of text, in a buffer. */
static void repeat(struct buf *b, const char *text, size_t times)
{
	while (times-- > 0)
		buf_adds(b, text);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void entity_bomb_is_refused_at_its_doctype(void)
{
	CHECK(refused("<?xml version='1.0'?>\n<!DOCTYPE lolz [\n<!ENTITY a 'aaaaaaaaaa'>\n<!ENTITY b "
	              "'&a;&a;&a;&a;&a;&a;&a;&a;'>\n"
	              "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>\n<pool><name>&c;</name></pool>",
	              2, ""));
	CHECK(strstr(e.message, "DOCTYPE") || strstr(e.message, "document type"));
}

static void external_entities_and_subsets_are_refused(void)
{
	CHECK(refused(
		"<!DOCTYPE pool [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<pool><name>&x;</name></pool>", 1,
		""));
	CHECK(!strstr(e.message, "root:"));
	CHECK(refused("\n\n<!DOCTYPE pool SYSTEM 'http://192.0.2.1/evil.dtd'>\n<pool/>", 3, ""));
	CHECK(refused("<!DOCTYPE pool [<!ENTITY % p SYSTEM 'file:///dev/zero'> %p;]><pool/>", 1, ""));
	CHECK(refused("<!DOCTYPE pool>\n<pool/>", 1, ""));
}

static void entity_that_nobody_declared_is_refused(void)
{
	CHECK(refused("<pool>\n<name>&a;</name></pool>", 2, "ntity"));
}

static void ten_megabytes_are_refused_by_their_size(void)
{
	struct buf b = BUF_INIT;
	double start = seconds();

	buf_adds(&b, "<pool>");
	repeat(&b, "          ", 1024 * 1024);
	buf_adds(&b, "</pool>");
	CHECK(refused_in(b.data, b.len, ERR_XML, 1, "10485773 bytes"));
	CHECK(seconds() - start < 2);
	buf_free(&b);
}

static void ten_thousand_nested_elements_are_refused(void)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "<pool>");
	repeat(&b, "\n<a>", 10000);
	repeat(&b, "</a>", 10000);
	buf_adds(&b, "</pool>");
	CHECK(refused_in(b.data, b.len, ERR_XML, XML_DEPTH_LIMIT + 1, "deeper than 64"));
	buf_free(&b);
}

static void depth_at_the_limit_is_read(void)
{
	struct buf b = BUF_INIT;
	xmlDoc *doc;

	buf_adds(&b, "<pool>");
	repeat(&b, "<a>", XML_DEPTH_LIMIT - 1);
	repeat(&b, "</a>", XML_DEPTH_LIMIT - 1);
	buf_adds(&b, "</pool>");
	doc = open_text(b.data);
	CHECK(doc != NULL);
	xml_close(&doc);
	buf_free(&b);
}

static void too_many_nodes_are_refused_whatever_they_are(void)
{
	static const char *const kinds[] = { "<a/>", "<a b='c'/>", "<!---->", "<?p?>", "<![CDATA[x]]>" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct buf b = BUF_INIT;

		buf_adds(&b, "<pool>");
		repeat(&b, kinds[i], XML_NODES_LIMIT + 1);
		buf_adds(&b, "</pool>");
		CHECK(refused_in(b.data, b.len, ERR_XML, 1, "more than 20000"));
		buf_free(&b);
	}
}

/* The parser compares the attributes of one tag pairwise before it says a word. */
static void too_many_attributes_are_refused_before_they_cost_time(void)
{
	struct buf b = BUF_INIT;
	double start = seconds();

	buf_adds(&b, "<pool>\n<a");
	for (int i = 0; b.len < LIMIT - 100; i++)
		buf_printf(&b, " a%d='>'", i);
	buf_adds(&b, "/></pool>");
	CHECK(refused_in(b.data, b.len, ERR_XML, 2, "attributes in one element"));
	CHECK(seconds() - start < 1);
	buf_free(&b);
}

static void quotes_and_tags_in_comments_are_no_attributes(void)
{
	struct buf b = BUF_INIT;
	xmlDoc *doc;

	buf_adds(&b, "<pool><!-- <a ");
	repeat(&b, "b='c' don't ", 1000);
	buf_adds(&b, "--><name><![CDATA[<x ");
	repeat(&b, "b=\"c\" ", 1000);
	buf_adds(&b, "]]></name><?p <x ");
	repeat(&b, "b=\"c\" ", 1000);
	buf_adds(&b, "?>it's \"text\"</pool>");
	doc = open_text(b.data);
	CHECK(doc != NULL);
	xml_close(&doc);
	buf_free(&b);
}

/* What counts the attributes reads bytes: it must read the same characters as the parser. */
static void encodings_that_are_not_like_ascii_are_refused(void)
{
	static const char *const good[] = { "\xef\xbb\xbf<pool/>",
		                            "<?xml version='1.0' encoding='utf-8'?><pool/>",
		                            "<?xml version='1.0'\n encoding = \"US-ASCII\" ?><pool/>",
		                            "<?xml version='1.0' encoding='ISO-8859-1'?><pool a='\xe4'/>",
		                            "<?xml version='1.0'?><pool encoding='UTF-16'/>" };
	static const char nul[] = "<pool>\n\0</pool>";

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		xmlDoc *doc = open_text(good[i]);

		CHECK(doc != NULL);
		xml_close(&doc);
	}
	CHECK(refused("<?xml version='1.0' encoding='UTF-16'?><pool/>", 1, "\"UTF-16\" is not accepted"));
	CHECK(refused("<?xml version='1.0' encoding='UTF-7'?>+ADw-pool/>", 1, "\"UTF-7\""));
	CHECK(refused("<?xml version='1.0' encoding='EBCDIC-CP-US'?><pool/>", 1, "EBCDIC"));
	CHECK(refused("\xff\xfe<pool/>", 1, "not UTF-16"));
	CHECK(refused("\x4c\x6f\xa7\x94", 1, "UTF-8")); /* "<?xm" in EBCDIC */
	CHECK(refused_in(nul, sizeof(nul) - 1, ERR_XML, 2, "a NUL byte"));
}

static size_t as_utf16(const char *text, bool big, char *out)
{
	size_t n = 0;

	out[n++] = (char)(big ? 0xfe : 0xff);
	out[n++] = (char)(big ? 0xff : 0xfe);
	for (; *text; text++) {
		out[n + !big] = 0;
		out[n + big] = *text;
		n += 2;
	}
	return n;
}

/* The two encodings that every reader of XML has to know. */
static void utf16_is_read_as_well(void)
{
	static const char *const texts[] = {
		"<pool a='x'>y</pool>", "<?xml version='1.0' encoding='UTF-16'?>\n<pool a='x'>y</pool>"
	};
	static const char letters[] =
		"\xff\xfe<\0p\0o\0o\0l\0>\0\xe4\0\x3d\xd8\x00\xde\xac\x20<\0/\0p\0o\0o\0l\0>\0";
	struct arena a = { 0 };
	char bytes[300];
	xmlDoc *doc;

	for (size_t i = 0; i < 2 * ARRAY_LEN(texts); i++) {
		doc = xml_open(bytes, as_utf16(texts[i / 2], i % 2, bytes), LIMIT, "doc", "pool", &e);
		CHECK(doc != NULL);
		CHECK_STR(doc ? xml_text(&a, xmlDocGetRootElement(doc)) : NULL, "y");
		xml_close(&doc);
	}
	doc = xml_open(letters, sizeof(letters) - 1, LIMIT, "doc", "pool", &e);
	CHECK_STR(doc ? xml_text(&a, xmlDocGetRootElement(doc)) : NULL,
	          "\xc3\xa4\xf0\x9f\x98\x80\xe2\x82\xac");
	xml_close(&doc);
	arena_free(&a);
	CHECK(refused_in("\xff\xfe<\0p\0\x3d\xd8>\0", 10, ERR_XML, 1, "not UTF-16"));
	CHECK(refused_in("\xff\xfe<\0p\0\0\0>\0", 10, ERR_XML, 1, "NUL"));
	CHECK(refused_in("\xff\xfe", 2, ERR_XML, 1, "empty"));
}

/* What the parser says later comes of what it has said first. */
static void the_first_mistake_is_named(void)
{
	CHECK(refused(
		"<pool type='iscsi'>\n<source>\n<host name='x'>\n<device path='y'/>\n</source>\n</pool>\n", 5,
		"mismatch: host line 3 and source"));
	CHECK(refused("<pool type=dir>\n<name>a</name>\n</pool>\n", 1, "AttValue"));
	CHECK(refused("<pool a='1' a='2'>\n<name>\n</pool>", 1, "redefined"));
	CHECK(refused("<pool>\n<name>a & b</name>\n<x>\n</pool>", 2, "xmlParseEntityRef"));
}

static void malformed_documents_name_line_and_reason(void)
{
	CHECK(refused("<pool>\n<name>x</name>\n", 3, "tag pool"));
	CHECK(refused("<pool>\n\n<name>x</nam></pool>", 3, "mismatch"));
	CHECK(refused("no xml at all", 1, "begin with '<'"));
	CHECK(refused("   ", 1, ""));
	CHECK(refused("<pool><!-- </pool>", 1, ""));
	CHECK(refused("<pool a='1' a='2'/>", 1, "redefined"));
	CHECK(refused("<pool><name>\x01</name></pool>", 1, ""));
	CHECK(refused("<pool><name>&#0;</name></pool>", 1, ""));
	CHECK(refused("<pool><name>\xff\xfe</name></pool>", 1, ""));
	CHECK(refused("<pool/><pool/>", 1, "Extra content"));
	CHECK(!strchr(e.message, '\n'));
}

static void empty_and_nul_are_refused(void)
{
	CHECK(refused_in("", 0, ERR_XML, 1, "empty"));
	CHECK(refused_in("<pool>\0</pool>", 14, ERR_XML, 1, ""));
}

static void another_root_is_refused(void)
{
	CHECK(refused("\n<domain type='kvm'/>", 2, "<domain>, not <pool>"));
}

static void lines_beyond_65535_are_counted(void)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "<pool>");
	repeat(&b, "\n", 70000);
	buf_adds(&b, "<oops></pool>");
	CHECK(refused_in(b.data, b.len, ERR_XML, 70001, ""));
	buf_free(&b);
}

static void tree_is_walked_by_name_and_namespace(void)
{
	xmlDoc *doc = open_text("<pool xmlns:x='urn:x'><x:a>no</x:a><a>one</a><!-- c --><a>two<b>3</b></a><c "
	                        "k='v' x:k='w'/><c/></pool>");
	struct arena a = { 0 };
	xmlNode *root, *first;

	CHECK(doc != NULL);
	root = xmlDocGetRootElement(doc);
	first = xml_child(root, "a");
	CHECK_STR(xml_text(&a, first), "one");
	CHECK_STR(xml_text(&a, xml_next(first, "a")), "two3");
	CHECK(xml_next(xml_next(first, "a"), "a") == NULL);
	CHECK_STR(xml_text(&a, xml_child_ns(root, "a", "urn:x")), "no");
	CHECK(xml_child_ns(root, "a", "urn:y") == NULL);
	CHECK_STR(xml_attr(&a, xml_child(root, "c"), "k"), "v");
	CHECK(xml_attr(&a, xml_child(root, "c"), "none") == NULL);
	CHECK(xml_attr(&a, NULL, "k") == NULL);
	CHECK(xml_child(NULL, "a") == NULL);
	CHECK(xml_child_text(&a, root, "c") == NULL);
	arena_free(&a);
	xml_close(&doc);
}

static void escape_leaves_text_that_parses_back(void)
{
	struct buf b = BUF_INIT;

	xml_escape(&b, "<a & 'b' \"c\">\tä€😀");
	CHECK_STR(buf_str(&b), "&lt;a &amp; &apos;b&apos; &quot;c&quot;&gt;\tä€😀");
	buf_reset(&b);
	xml_escape(&b, "a\x01"
	               "b\x1b[2Jc\xff"
	               "d\xc0\x80"
	               "e\xed\xa0\x80");
	CHECK_STR(buf_str(&b), "a?b?[2Jc?d??e???");
	buf_free(&b);
}

int main(void)
{
	RUN(entity_bomb_is_refused_at_its_doctype);
	RUN(external_entities_and_subsets_are_refused);
	RUN(entity_that_nobody_declared_is_refused);
	RUN(ten_megabytes_are_refused_by_their_size);
	RUN(ten_thousand_nested_elements_are_refused);
	RUN(depth_at_the_limit_is_read);
	RUN(too_many_nodes_are_refused_whatever_they_are);
	RUN(too_many_attributes_are_refused_before_they_cost_time);
	RUN(quotes_and_tags_in_comments_are_no_attributes);
	RUN(encodings_that_are_not_like_ascii_are_refused);
	RUN(utf16_is_read_as_well);
	RUN(the_first_mistake_is_named);
	RUN(malformed_documents_name_line_and_reason);
	RUN(empty_and_nul_are_refused);
	RUN(another_root_is_refused);
	RUN(lines_beyond_65535_are_counted);
	RUN(tree_is_walked_by_name_and_namespace);
	RUN(escape_leaves_text_that_parses_back);
	return check_done();
}
