/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the families of formats share: bytes of the head and of the file, and facts that cannot be.
 */
#include "pool/image/parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/contract.h"
#include "base/util.h"

void image_problem(struct image *i, const char *fmt, ...)
{
	va_list ap;

	if (i->problem[0])
		return;
	va_start(ap, fmt);
	vsnprintf(i->problem, sizeof(i->problem), fmt, ap);
	va_end(ap);
}

bool image_need(const struct head *h, struct image *i, size_t n)
{
	if (head_has(h, 0, n))
		return true;
	image_problem(i, "header truncated at %zu bytes", h->len);
	return false;
}

bool image_fetch(const struct head *h, uint64_t offset, unsigned char *out, size_t n)
{
	demand_or(out && n > 0, false);
	if (head_has(h, offset, n)) {
		memcpy(out, h->data + offset, n);
		return true;
	}
	if (!h->file->read || offset > h->file->size || n > h->file->size - offset)
		return false;
	return h->file->read(h->file->arg, offset, out, n) == n;
}

void image_set_capacity(struct image *i, uint64_t count, uint64_t unit)
{
	/* off_t ends there, and so does every file. */
	if (unit && count > INT64_MAX / unit)
		image_problem(i, "virtual size is impossibly large");
	else
		i->capacity = count * unit;
}

void image_set_cluster(struct image *i, uint64_t count, uint64_t unit)
{
	demand_or(unit > 0, );

	const uint64_t most = 256 << 20;

	if (count > most / unit)
		image_problem(i, "cluster size of %" PRIu64 " times %" PRIu64 " bytes is not possible", count,
		              unit);
	else
		i->cluster_size = count * unit;
}

void image_set_name(const struct head *h, struct image *i, char *name, size_t size, uint64_t offset,
                    uint64_t len, const char *what)
{
	demand_or(name && size > 0, );
	if (len >= size) {
		image_problem(i, "%s name of %" PRIu64 " bytes", what, len);
	} else if (!head_has(h, offset, len)) {
		image_problem(i, "%s name lies outside the header", what);
	} else {
		memcpy(name, h->data + offset, len);
		name[len] = '\0';
	}
}
