/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volume documents, for pools of each type and for both verbs. What is read must print, be read again, and
 * print the same; what is refused must say where.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "pool/grammar/grammar.h"
#include "pool/voldef.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_again(const struct volume_def *d, const struct pool_def *pool, enum volume_read_for what)
{
	void (*const print[])(const struct volume_def *, struct buf *) = { volume_def_print,
		                                                           volume_def_print_as_given };
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct volume_def again;
	struct err e = { 0 };

	for (int i = 0; i < 2; i++) {
		buf_reset(&first);
		buf_reset(&second);
		print[i](d, &first);
		if (first.len >= VOLUME_XML_LIMIT)
			break;
		if (volume_def_read(&again, buf_str(&first), first.len, "fuzz", pool, what, &e) < 0)
			abort();
		print[i](&again, &second);
		if (strcmp(buf_str(&first), buf_str(&second)) != 0 ||
		    (i == 1 && (again.nocow != d->nocow || again.has_capacity != d->has_capacity)))
			abort();
		volume_def_free(&again);
	}
	buf_free(&first);
	buf_free(&second);
}

static void read_one(const char *xml, size_t len, enum pool_type type, enum volume_read_for what)
{
	const struct pool_def pool = { .type = type, .name = "p" };
	struct err e = { 0 };
	struct volume_def d;

	if (volume_def_read(&d, xml, len, "fuzz", &pool, what, &e) < 0) {
		if (e.class == ERR_NONE || strncmp(e.message, "fuzz:", 5) != 0)
			abort();
		return;
	}
	if (!name_is_component(d.name) || (!d.has_capacity && d.capacity) ||
	    (what == VOLUME_FOR_CREATE && !d.has_capacity && !d.backing.given))
		abort();
	print_again(&d, &pool, what);
	volume_def_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum pool_type types[] = { POOL_DIR, POOL_DISK, POOL_LOGICAL, POOL_RBD };
	const char *xml = (const char *)data;
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		read_one(xml, size, types[i], VOLUME_FOR_CREATE);
		read_one(xml, size, types[i], VOLUME_FOR_CREATE_FROM);
	}
	if (grammar_check(GRAMMAR_VOLUME, xml, size, "fuzz", &e) < 0 && strncmp(e.message, "fuzz:", 5) != 0)
		abort();
	return 0;
}
