/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: /proc/bootconfig. Every key and value lies inside the text, keys are made of their own
 * characters, and no value holds its quote.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "boot/bootconfig.h"
#include "boot/parameters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	char *begin;
	size_t size;
};

static void check_inside(const char *key, const char *value, void *arg)
{
	const struct text *t = arg;

	if (key < t->begin || value <= key || value + strlen(value) >= t->begin + t->size)
		abort();
	if (!*key || strpbrk(key, " =\"'\n"))
		abort();
	if (strchr(value, value[-1]))
		abort();
}

static char *copy(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = { copy(data, size), size };
	char *again = copy(data, size);
	struct parameters p;
	struct err e = { 0 };

	if (bootconfig_split(t.begin, check_inside, &t, &e) < 0 && e.class != ERR_SYNTAX)
		abort();
	parameters_init(&p);
	parameters_from_bootconfig(&p, again);
	parameters_free(&p);
	free(again);
	free(t.begin);
	return 0;
}
