/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Records of an answer, read. Lists of ten thousand are why there is a second way, for records whose first
 * values are plain words: most are so, and to take a whole line apart costs ten times as much.
 */
#include "control/rpc/records.h"

#include <string.h>

#include "base/util.h"

bool record_next(struct record_reader *r)
{
	const char *lf = r->at < r->end ? memchr(r->at, '\n', (size_t)(r->end - r->at)) : NULL;
	size_t len = lf ? (size_t)(lf - r->at) : 0;

	if (!lf)
		return false;
	buf_reset(&r->text);
	buf_add(&r->text, r->at, len);
	r->at = lf + 1;
	r->broken = r->text.failed || line_parse_reply(r->text.data, len, &r->l, NULL) < 0;
	return !r->broken;
}

/* Is it one of those that are looked for? 1: it is found now. */
static size_t take_plain(struct plain_field *fields, size_t n, const char *key, size_t len, const char *value,
                         size_t value_len)
{
	for (size_t i = 0; i < n; i++)
		if (!fields[i].at && strncmp(fields[i].key, key, len) == 0 && !fields[i].key[len]) {
			fields[i].at = value;
			fields[i].len = value_len;
			return 1;
		}
	return 0;
}

bool record_plain(const char *record, size_t len, struct plain_field *fields, size_t n)
{
	const char *end = record + len - 1; /* its LF, where the last value ends */
	size_t found = 0;

	if (len < 3 || record[0] != '-' || *end != '\n')
		return false;
	for (const char *key = record + 2, *value, *stop; found < n && key < end; key = stop + 1) {
		for (value = key; value < end && *value != '=' && *value != ' ';)
			value++;
		if (value == end || *value != '=' || *++value == '"')
			return false;
		stop = memchr(value, ' ', (size_t)(end - value));
		stop = stop ? stop : end;
		found += take_plain(fields, n, key, (size_t)(value - 1 - key), value, (size_t)(stop - value));
	}
	return found == n;
}
