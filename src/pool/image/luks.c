/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LUKS: a raw image whose content is encrypted, behind a header (LUKS On-Disk Format Specification 1.2.3;
 * LUKS2 On-Disk Format Specification 1.1). What is inside begins where the header says, and that is all of
 * the header that matters here.
 */
#include <inttypes.h>

#include "base/util.h"
#include "pool/image/parts.h"

/* What is inside is as long as the file behind the header. */
static void set_payload(const struct head *h, struct image *i, uint64_t offset)
{
	if (offset > h->file->size)
		image_problem(i, "LUKS payload begins beyond the end of the file");
	else
		i->capacity = h->file->size - offset;
}

/* LUKS1: the payload's offset at 104, in sectors, big-endian. */
void image_read_luks1(const struct head *h, struct image *i)
{
	i->encryption = "luks";
	if (image_need(h, i, 108))
		set_payload(h, i, big(h, 104, 4) * SECTOR);
}

/* ---- LUKS2: where its data begin is in JSON ---- */

/* The JSON text at hand, from `at` to `end`. Walked without recursion and without copying; anything odd ends
 * the walk. */
struct json {
	const char *at, *end;
};

/* Pass white space and the character c; false, and white space passed, if something else is there. */
static bool json_next_is(struct json *j, char c)
{
	while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at)
		j->at++;
	if (j->at == j->end || *j->at != c)
		return false;
	j->at++;
	return true;
}

/* A string; what is between the quotes, with escapes as they are. */
static bool json_take_string(struct json *j, struct json *out)
{
	if (!json_next_is(j, '"'))
		return false;
	for (out->at = j->at; j->at < j->end && *j->at != '"'; j->at++)
		if (*j->at == '\\' && ++j->at == j->end)
			return false;
	if (j->at == j->end)
		return false;
	out->end = j->at++;
	return true;
}

/* Pass any value: up to the comma or bracket that ends it. */
static bool json_skip(struct json *j)
{
	struct json string;

	for (size_t depth = 0; j->at < j->end;) {
		char c = *j->at;

		if (c == '"') {
			if (!json_take_string(j, &string))
				return false;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			return true;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		j->at++;
	}
	return false;
}

/* Go to the value of a key of the object at hand. */
static bool json_enter(struct json *j, const char *key)
{
	struct json name;

	if (!json_next_is(j, '{'))
		return false;
	do {
		if (!json_take_string(j, &name) || !json_next_is(j, ':'))
			return false;
		if ((size_t)(name.end - name.at) == strlen(key) && memcmp(name.at, key, strlen(key)) == 0)
			return true;
	} while (json_skip(j) && json_next_is(j, ','));
	return false;
}

/* A number, which LUKS2 writes as a string of digits. */
static bool json_number(struct json *j, uint64_t *out)
{
	struct json digits;

	if (!json_take_string(j, &digits) || digits.at == digits.end || digits.end - digits.at > 18)
		return false;
	for (*out = 0; digits.at < digits.end; digits.at++) {
		if (*digits.at < '0' || *digits.at > '9')
			return false;
		*out = *out * 10 + (uint64_t)(*digits.at - '0');
	}
	return true;
}

/* LUKS2 begins with a binary header of 4096 bytes, big-endian: version at 6, at 8 the size of it and the
 * JSON together. The JSON follows it, and is padded with zeros. */
enum { BINARY_HEADER = 4096 };

void image_read_luks2(const struct head *h, struct image *i)
{
	struct json segment, j;
	uint64_t version, size, offset;

	i->encryption = "luks";
	if (!image_need(h, i, 8))
		return;
	version = big(h, 6, 2);
	if (version != 2) {
		image_problem(i, "LUKS version %" PRIu64 " is not known", version);
		return;
	}
	i->encryption = "luks2";
	if (!image_need(h, i, BINARY_HEADER))
		return;
	size = big(h, 8, 8);
	if (size <= BINARY_HEADER) {
		image_problem(i, "LUKS header size %" PRIu64 " is not possible", size);
		return;
	}
	segment.at = (const char *)h->data + BINARY_HEADER;
	segment.end = (const char *)h->data + (size < h->len ? (size_t)size : h->len);
	/* {"segments": {"0": {"offset": "16777216", "size": "dynamic", …}}}: the first segment is all there
	 * is, unless the disk is just being re-encrypted. */
	if (json_enter(&segment, "segments") && json_enter(&segment, "0") &&
	    (j = segment, json_enter(&j, "offset")) && json_number(&j, &offset)) {
		set_payload(h, i, offset);
		j = segment;
		if (json_enter(&j, "size") && json_number(&j, &size) && size <= i->capacity)
			i->capacity = size; /* "dynamic", the usual, is no number: up to the end */
	} else {
		image_problem(i, "where the encrypted data begin cannot be read from the LUKS header");
	}
}
