/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What texts of the grammar must look like: small recognisers for numbers, names, paths and addresses, and
 * the table that gives each its words for the operator. Strings are taken as they stand; numbers of the XML
 * Schema types without a pattern of their own may have white space around them.
 */
#include "pool/grammar/table.h"

#include <ctype.h>
#include <libxml/uri.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/contract.h"
#include "base/util.h"

#define BLANKS  " \t\r\n"
#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HEX     "0123456789abcdefABCDEF"

/* ---- words and alphabets ---- */

bool grammar_word_is(const char *text, const char *word)
{
	demand_or(text && word, false);
	text += strspn(text, BLANKS);
	while (*text && *word) {
		size_t blanks = strspn(text, BLANKS);

		if (blanks && text[blanks] == '\0')
			break;
		if (blanks ? *word != ' ' : *text != *word)
			return false;
		text += blanks ? blanks : 1;
		word++;
	}
	return *word == '\0' && text[strspn(text, BLANKS)] == '\0';
}

/* One or more characters of that alphabet and nothing else. */
static bool made_of(const char *text, const char *alphabet)
{
	return *text && text[strspn(text, alphabet)] == '\0';
}

/* The next `count` characters are of that alphabet: steps over them. */
static bool take_chars(const char **text, const char *alphabet, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!(*text)[i] || !strchr(alphabet, (*text)[i]))
			return false;
	*text += count;
	return true;
}

/* Some text without the end of a line in it. */
static bool one_line(const char *text)
{
	return *text && !strpbrk(text, "\r\n");
}

/* ---- numbers ---- */

/* Digits as a number, as long as it is not above max. */
static bool digits_to(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(text[i] - '0');

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return len > 0;
}

/* A decimal integer within bounds, with an optional sign and white space around. */
static bool integer_within(const char *text, int64_t min, int64_t max)
{
	bool negative;
	size_t len;
	uint64_t value;

	text += strspn(text, BLANKS);
	negative = *text == '-';
	text += *text == '-' || *text == '+';
	len = strspn(text, DIGITS);
	if (text[len + strspn(text + len, BLANKS)] != '\0' || !digits_to(text, len, INT64_MAX, &value))
		return false;
	return negative ? -(int64_t)value >= min : (int64_t)value <= max && (int64_t)value >= min;
}

static bool plain_number(const char *text, uint64_t max)
{
	uint64_t value;

	return digits_to(text, strlen(text), max, &value);
}

static bool fits_unsigned_int(const char *text)
{
	return plain_number(text, UINT32_MAX);
}

static bool fits_unsigned_long(const char *text)
{
	return plain_number(text, UINT64_MAX);
}

/* Above 0, and of any size up to the 24 digits that libxml2 can hold: what does not fit an integer here is
 * still one for the schema. */
static bool fits_positive_integer(const char *text)
{
	size_t zeros = strspn(text, "0");

	return made_of(text, DIGITS) && text[zeros] && strlen(text + zeros) <= 24;
}

/* The schema asks for octal digits and has no limit of 0777: that one is the reader's. */
static bool fits_octal_mode(const char *text)
{
	return made_of(text, "01234567") && fits_unsigned_int(text);
}

static bool fits_port(const char *text)
{
	return integer_within(text, -1, UINT16_MAX);
}

/* At most `digits` hexadecimal digits; "0x" in front is allowed, or demanded. */
static bool hex_number(const char *text, bool prefix_needed, size_t digits)
{
	bool prefix = text[0] == '0' && text[1] == 'x';

	text += prefix ? 2 : 0;
	return (prefix || !prefix_needed) && made_of(text, HEX) && strlen(text) <= digits;
}

/* The schema's own choice: hexadecimal with or without "0x", or a decimal number with white space around it.
 */
static bool fits_pci_domain(const char *text)
{
	const char *digits = text + strspn(text, BLANKS);

	return hex_number(text, false, 8) ||
	       (isdigit((unsigned char)*digits) && integer_within(text, 0, UINT32_MAX));
}

static bool fits_pci_bus(const char *text)
{
	return hex_number(text, true, 2) || integer_within(text, 0, UINT8_MAX);
}

/* A slot has five bits: two hexadecimal digits of which the first is 0 or 1. */
static bool fits_pci_slot(const char *text)
{
	const char *digits = text[0] == '0' && text[1] == 'x' ? text + 2 : text;

	return (hex_number(text, false, 2) && (digits[1] == '\0' || digits[0] <= '1')) ||
	       integer_within(text, 0, 31);
}

static bool fits_pci_function(const char *text)
{
	const char *digit = text[0] == '0' && text[1] == 'x' ? text + 2 : text;

	return (strchr("01234567", *digit) && *digit && digit[1] == '\0') || integer_within(text, 0, 7);
}

/* ---- names ---- */

static bool fits_object_name(const char *text)
{
	return *text && !strpbrk(text, "/\n");
}

/* White space around "." does not make it a name: whoever trims it would get the directory itself. */
static bool fits_volume_name(const char *text)
{
	return *text && !strchr(text, '/') && !grammar_word_is(text, ".") && !grammar_word_is(text, "..");
}

/* Thirty-two hexadecimal digits, or the five groups of RFC 4122. */
static bool fits_uuid(const char *text)
{
	const char *p = text;

	if (take_chars(&p, HEX, 32) && *p == '\0')
		return true;
	p = text;
	return take_chars(&p, HEX, 8) && take_chars(&p, "-", 1) && take_chars(&p, HEX, 4) &&
	       take_chars(&p, "-", 1) && take_chars(&p, HEX, 4) && take_chars(&p, "-", 1) &&
	       take_chars(&p, HEX, 4) && take_chars(&p, "-", 1) && take_chars(&p, HEX, 12) && *p == '\0';
}

/* Sixteen hexadecimal digits, "0x" before them or not: only the small x, as the schema has it. */
static bool fits_wwn(const char *text)
{
	text += text[0] == '0' && text[1] == 'x' ? 2 : 0;
	return take_chars(&text, HEX, 16) && *text == '\0';
}

/* "iqn." year "-" month "." reversed domain [ ":" whatever the authority likes ]. */
static bool fits_iqn(const char *text)
{
	int month;

	if (strncmp(text, "iqn.", 4) != 0)
		return false;
	text += 4;
	if (!take_chars(&text, DIGITS, 4) || !take_chars(&text, "-", 1) || !take_chars(&text, DIGITS, 2))
		return false;
	month = (text[-2] - '0') * 10 + text[-1] - '0';
	if (month < 1 || month > 12 || !take_chars(&text, ".", 1))
		return false;
	if (!take_chars(&text, LETTERS DIGITS ".-", 1))
		return false;
	text += strspn(text, LETTERS DIGITS ".-");
	return *text == '\0' || (*text == ':' && one_line(text + 1));
}

/* b, byte, bytes; or k, m, g, t, p, e, alone or with B or iB behind it; in any case. */
static bool fits_unit(const char *text)
{
	static const char *const bytes[] = { "b", "byte", "bytes" };

	for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
		if (strcasecmp(text, bytes[i]) == 0)
			return true;
	return *text && strchr("kmgtpeKMGTPE", *text) &&
	       (text[1] == '\0' || strcasecmp(text + 1, "b") == 0 || strcasecmp(text + 1, "ib") == 0);
}

/* Seconds, and up to nine digits behind a point. */
static bool fits_timestamp(const char *text)
{
	size_t whole = strspn(text, DIGITS);
	const char *fraction = text + whole + 1;

	if (whole == 0 || text[whole] == '\0')
		return whole > 0;
	return text[whole] == '.' && strspn(fraction, DIGITS) <= 9 &&
	       fraction[strspn(fraction, DIGITS)] == '\0';
}

/* "1.1": two numbers and a point. */
static bool fits_compat(const char *text)
{
	size_t whole = strspn(text, DIGITS);

	return whole > 0 && text[whole] == '.' && made_of(text + whole + 1, DIGITS);
}

/* ---- paths ---- */

/* A path from the root, or one of Windows with its drive: the schema knows both, since a client may be
 * there. */
static bool fits_absolute_path(const char *text)
{
	if (text[0] == '/')
		return one_line(text + 1);
	return text[0] && strchr(LETTERS, text[0]) && text[1] == ':' && text[2] == '\\' && one_line(text + 3);
}

static bool fits_absolute_directory(const char *text)
{
	return text[0] == '/' && !strpbrk(text, "\r\n");
}

/* What XML Schema calls anyURI: nearly everything, white space around it aside and once the characters that a
 * URI cannot hold are thought to be escaped. */
static bool fits_uri(const char *text)
{
	cleanup_free char *escaped = strdup(text + strspn(text, BLANKS));
	size_t len = escaped ? strlen(escaped) : 0;
	xmlURI *uri;

	while (len > 0 && strchr(BLANKS, escaped[len - 1]))
		escaped[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)escaped[i] <= ' ' || (unsigned char)escaped[i] >= 127 ||
		    strchr("<>\"{}|\\^`", escaped[i]))
			escaped[i] = '_';
	uri = escaped ? xmlParseURI(escaped) : NULL;
	xmlFreeURI(uri);
	return uri || *text == '\0';
}

static bool fits_uri_or_path(const char *text)
{
	return fits_absolute_path(text) || fits_uri(text);
}

/* Three kinds of source devices share one element: block devices, names of zpools' parts, iSCSI targets. */
static bool fits_device_source(const char *text)
{
	return fits_absolute_path(text) || made_of(text, LETTERS DIGITS "_+-") || fits_iqn(text);
}

/* ---- hosts ---- */

/* Four numbers up to 255 without leading zeros. */
static bool is_ipv4(const char *text)
{
	for (int i = 0; i < 4; i++) {
		size_t len = strspn(text, DIGITS);
		uint64_t value;

		if (len > 3 || (len > 1 && *text == '0') || !digits_to(text, len, 255, &value))
			return false;
		text += len;
		if (i < 3 && *text++ != '.')
			return false;
	}
	return *text == '\0';
}

/* Groups of up to four hexadecimal digits with ':' between, up to `end`; the last may be an IPv4 address. -1:
 * it is something else. */
static int ipv6_groups(const char *text, const char *end, bool *ipv4)
{
	int groups = 0;

	*ipv4 = false;
	while (text < end) {
		size_t len = strspn(text, HEX);

		if (*end == '\0' && is_ipv4(text)) {
			*ipv4 = true;
			return groups;
		}
		if (len == 0 || len > 4)
			return -1;
		groups++;
		text += len;
		if (text < end && (*text++ != ':' || text == end))
			return -1;
	}
	return groups;
}

/* RFC 4291 section 2.2: eight groups, or fewer with one "::", the last two of which may be an IPv4 address.
 */
static bool is_ipv6(const char *text)
{
	const char *gap = strstr(text, "::"), *end = text + strlen(text);
	bool ipv4, ipv4_before;
	int before, after;

	if (!gap) {
		int groups = ipv6_groups(text, end, &ipv4);

		return (groups == 8 && !ipv4) || (groups == 6 && ipv4) || (*text == ':' && is_ipv4(text + 1));
	}
	before = ipv6_groups(text, gap, &ipv4_before);
	after = ipv6_groups(gap + 2, end, &ipv4);
	if (before < 0 || after < 0)
		return false;
	if (ipv4)
		return before == 0 ? after <= 5 : before <= 5 && after == 0;
	return before + after <= 7;
}

/* The schema takes a name by its alphabet alone; "999.1.1.1" is a name there. */
static bool fits_host(const char *text)
{
	return made_of(text, LETTERS DIGITS ".-") || is_ipv6(text);
}

/* ---- the table ---- */

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct text_rule text_any = { .what = "a text" };
const struct text_rule text_yes_no = { .what = "yes or no", .words = WORDS("yes", "no") };
const struct text_rule text_on_off = { .what = "on or off", .words = WORDS("on", "off") };
const struct text_rule text_object_name = { .what = "a name (no '/', no line end)",
	                                    .fits = fits_object_name };
const struct text_rule text_volume_name = { .what = "a volume's name (no '/', not \".\" or \"..\")",
	                                    .fits = fits_volume_name };
const struct text_rule text_uuid = { .what = "a uuid (32 hexadecimal digits, alone or as 8-4-4-4-12)",
	                             .fits = fits_uuid };
const struct text_rule text_unsigned_int = { .what = "a whole number up to 4294967295",
	                                     .fits = fits_unsigned_int };
const struct text_rule text_unsigned_long = { .what = "a whole number up to 18446744073709551615",
	                                      .fits = fits_unsigned_long };
const struct text_rule text_positive_integer = { .what = "a whole number above 0",
	                                         .fits = fits_positive_integer };
const struct text_rule text_octal_mode = { .what = "a mode in octal digits", .fits = fits_octal_mode };
const struct text_rule text_user_id = { .what = "a numeric id or -1",
	                                .words = WORDS("-1"),
	                                .fits = fits_unsigned_int };
const struct text_rule text_unit = { .what = "a unit (bytes, K, KiB, KB, M, …, EB)", .fits = fits_unit };
const struct text_rule text_port = { .what = "a port (-1 to 65535)", .fits = fits_port };
const struct text_rule text_host_name = { .what = "a host name, IPv4 or IPv6 address", .fits = fits_host };
const struct text_rule text_absolute_path = { .what = "an absolute path", .fits = fits_absolute_path };
const struct text_rule text_absolute_directory = { .what = "an absolute path",
	                                           .fits = fits_absolute_directory };
const struct text_rule text_some_path = { .what = "a path", .fits = one_line };
const struct text_rule text_uri_or_path = { .what = "a path or URI", .fits = fits_uri_or_path };
const struct text_rule text_device_source = { .what = "an absolute path, a plain name or an IQN",
	                                      .fits = fits_device_source };
const struct text_rule text_iqn = { .what = "an IQN (iqn.YYYY-MM.domain[:name])", .fits = fits_iqn };
const struct text_rule text_world_wide_name = { .what = "a WWN (16 hexadecimal digits)", .fits = fits_wwn };
const struct text_rule text_pci_domain = { .what = "a PCI domain", .fits = fits_pci_domain };
const struct text_rule text_pci_bus = { .what = "a PCI bus (0 to 255)", .fits = fits_pci_bus };
const struct text_rule text_pci_slot = { .what = "a PCI slot (0 to 31)", .fits = fits_pci_slot };
const struct text_rule text_pci_function = { .what = "a PCI function (0 to 7)", .fits = fits_pci_function };
const struct text_rule text_timestamp = {
	.what = "a time in seconds, with at most nine digits behind the point", .fits = fits_timestamp
};
const struct text_rule text_compat_version = { .what = "a version such as 1.1", .fits = fits_compat };

const struct attribute_rule grammar_unit[] = { { "unit", false, &text_unit }, { 0 } };
