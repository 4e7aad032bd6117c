/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Replies for programs: the records as they are, as JSON (RFC 8259). What a key holds decides how its value
 * is written, never what it looks like: a pool that is called "123" stays a string.
 *
 * A key is a number or a boolean because it stands in one of the lists below; every other is a string. A
 * value that does not look like what its key says stays a string, so that a newer server cannot make invalid
 * JSON.
 *
 * Every field of a record is passed on, so that a new one appears here without a change.
 */
#include "poolctl/parts.h"

#include "base/contract.h"
#include "base/utf8.h"
#include "base/util.h"

static const char *const numbers[] = {
	"capacity",
	"allocation",
	"available",
	"physical",
	"volumes",
	"attempts",
	"retry_ms",
	"stuck",
	"refreshed_ms",
	"pid",
	"pools",
	"wanted",
	"active",
	"clients",
	"running_ms",
	"restarts",
	"ms",
	"seq",
	"ts",
	"now",
	"protocol",
	"owner",
	"group",
	"inode",
	"cluster-size",
	"extent-start",
	"extent-end",
	"lost",
	"payload",
	"job",
	"jobs",
	"progress",
	"total",
	"bytes",
	"secrets",
	"problems",
	"limit",
	/* how many pools are */
	"checking",
	"waiting",
	"starting",
	"degraded",
	"hung",
	"retrying",
	"failed",
	"stopping",
};

static const char *const booleans[] = { "autostart", "persistent",     "abandoned",   "positional",
	                                "required",  "lazy-refcounts", "extended-l2", "ephemeral",
	                                "private",   "value",          "ending" };

static bool among(const char *key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(key, list[i]))
			return true;
	return false;
}

/* Beyond U+FFFF in two halves, as JSON has it. */
static void json_escape(struct buf *out, unsigned c)
{
	if (c > 0xffff)
		buf_printf(out, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 | (c & 0x3ff));
	else
		buf_printf(out, "\\u%04x", c);
}

/* Bytes that are not UTF-8 (file names may hold them) become the Latin-1 characters of the same number: JSON
 * has no bytes. Control characters and those that nobody sees are escaped, though JSON would allow some. */
static void json_string(struct buf *out, const char *text, size_t len)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

	buf_addc(out, '"');
	while (len) {
		size_t n = utf8_len(text, len);
		const char *special = n == 1 && *text ? strchr(plain, *text) : NULL;

		if (special)
			buf_printf(out, "\\%c", letters[special - plain]);
		else if (n == 0 || utf8_is_hidden(text, n))
			json_escape(out, n ? utf8_number(text, n) : (unsigned char)*text);
		else
			buf_add(out, text, n);
		text += n ? n : 1;
		len -= n ? n : 1;
	}
	buf_addc(out, '"');
}

/* A number as JSON writes it: no leading zeros. */
static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0' && (s[0] != '0' || !s[1]);
}

/* One field. Numbers and booleans are written without quotes if their key says so and they look like it. */
static void json_pair(struct buf *out, const char *key, const char *value)
{
	json_string(out, key, strlen(key));
	buf_adds(out, ": ");
	if (among(key, numbers, ARRAY_LEN(numbers)) && is_number(value))
		buf_adds(out, value);
	else if (among(key, booleans, ARRAY_LEN(booleans)) && (streq(value, "yes") || streq(value, "no")))
		buf_adds(out, streq(value, "yes") ? "true" : "false");
	else
		json_string(out, value, strlen(value));
}

/* One record. Words without a key are none of its fields. */
static void json_object(struct buf *out, const struct line *l)
{
	bool first = true;

	buf_addc(out, '{');
	for (size_t i = 0; i < l->nargs; i++) {
		if (!l->args[i].key)
			continue;
		if (!first)
			buf_adds(out, ", ");
		json_pair(out, l->args[i].key, l->args[i].value ? l->args[i].value : "");
		first = false;
	}
	buf_addc(out, '}');
}

/* Verbs that answer about one thing give an object; lists stay arrays even with one element, or none. */
static bool is_single(const char *verb)
{
	static const char *const single[] = {
		"pool-info", "pool-name", "pool-uuid", "vol-info",   "vol-path",
		"vol-name",  "vol-key",   "vol-pool",  "vol-lookup", "version"
	};

	return among(verb, single, ARRAY_LEN(single));
}

/* Verbs whose answer is a list, which stays an array with one element, or none. */
static bool is_list(const char *verb)
{
	static const char *const lists[] = { "pool-list", "vol-list", "secret-list", "job-list", "status",
		                             "timeline",  "blame",    "log",         "help" };

	return among(verb, lists, ARRAY_LEN(lists));
}

/* A list with a record a line, which diff(1) and people can read as well. */
static int json_records(struct reply *r, struct buf *out, struct err *e)
{
	struct line l;

	buf_addc(out, '[');
	for (size_t i = 0; i < r->nrecords; i++) {
		if (reply_record(r, i, &l, e) < 0)
			return -1;
		buf_adds(out, i ? ",\n " : "");
		json_object(out, &l);
	}
	buf_adds(out, "]\n");
	return 0;
}

int json_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e)
{
	demand(c->verb && r, e);

	struct line l;

	if (r->has_text) {
		buf_adds(out, "{\"text\": ");
		json_string(out, buf_str(&r->text), r->text.len);
		buf_adds(out, "}\n");
	} else if (is_single(c->verb->name) && r->nrecords == 1) {
		if (reply_record(r, 0, &l, e) < 0)
			return -1;
		json_object(out, &l);
		buf_addc(out, '\n');
	} else if (is_list(c->verb->name)) {
		return json_records(r, out, e);
	} else {
		json_object(out, &r->final);
		buf_addc(out, '\n');
	}
	return 0;
}

void json_error(const struct err *e, struct buf *out)
{
	demand_or(e && out, );
	buf_printf(out, "{\"error\": {\"code\": %d, \"class\": \"%s\", \"message\": ", err_code(e->class),
	           err_word(e->class));
	json_string(out, e->message, strlen(e->message));
	if (e->waits_for[0]) {
		buf_adds(out, ", \"waits\": ");
		json_string(out, e->waits_for, strlen(e->waits_for));
	}
	buf_adds(out, "}}\n");
}
