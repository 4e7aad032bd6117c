/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * <layout> of a new image: see layout.h.
 */
#include "backends/rbd/layout.h"

#include <errno.h>
#include <stdio.h>
#include "base/contract.h"
#include "base/util.h"

#define FEATURE_JOURNALING 64 /* of Ceph's include/rbd/features.h */

/* Decimal digits, or hexadecimal ones behind 0x, and nothing else. */
static bool number_word(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, starts_with(text, "0x") ? 16 : 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static int set_word(struct rbd_layout *l, const char *name, const char *value, struct err *e)
{
	const struct {
		const char *name;
		uint64_t *to, least, most;
	} numbers[] = {
		{ "order", &l->order, 12, 25 },
		{ "features", &l->features, 0, UINT64_MAX },
		{ "stripe-unit", &l->stripe_unit, 512, UINT32_MAX },
		{ "stripe-count", &l->stripe_count, 1, UINT32_MAX },
	};
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (!streq(name, numbers[i].name))
			continue;
		if (!number_word(value, &n) || n < numbers[i].least || n > numbers[i].most)
			return err_set(e, ERR_INVALID, "<layout>: %s cannot be \"%.60s\"", name, value);
		*numbers[i].to = n;
		l->has_features |= numbers[i].to == &l->features;
		return 0;
	}
	if (streq(name, "data-pool") && *value && strlen(value) < sizeof(l->data_pool)) {
		snprintf(l->data_pool, sizeof(l->data_pool), "%s", value);
		return 0;
	}
	return err_set(e, ERR_INVALID,
	               "<layout> of an rbd volume has no \"%.60s=%.60s\": order=, features=, stripe-unit=, "
	               "stripe-count=, data-pool=, flat",
	               name, value);
}

int rbd_layout_read(const char *text, struct rbd_layout *l, struct err *e)
{
	demand(l, e);

	cleanup_free char *copy = text ? strdup(text) : NULL;
	char *at = copy, *word;

	*l = (struct rbd_layout){ .flat = false };
	if (text && !copy)
		return err_set(e, ERR_NO_MEMORY, "cannot read <layout>: out of memory");
	while ((word = strsep(&at, " \t\n"))) {
		char *value = strchr(word, '=');

		if (!*word)
			continue;
		if (streq(word, "flat")) {
			l->flat = true;
			continue;
		}
		if (value)
			*value++ = '\0';
		if (set_word(l, word, value ? value : "", e) < 0)
			return -1;
	}
	if (!l->stripe_unit != !l->stripe_count)
		return err_set(e, ERR_INVALID, "<layout>: stripe-unit and stripe-count go together");
	if (l->features & FEATURE_JOURNALING)
		return err_set(e, ERR_UNSUPPORTED,
		               "an image with a journal is not made here: this program has no journals");
	return 0;
}
