/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Some numbers out of the monitors' `df`:
 * {"stats":{"total_bytes":…},"pools":[{"name":"rbd","id":1,"stats":{"stored":…}},…]}.
 * Facts: the rows that Ceph's PGMap prints, without white space.
 */
#include "backends/rbd/room.h"

#include <stdio.h>
#include "base/contract.h"
#include "base/util.h"

/* The number behind `"name":` before `end`; 0: it is not there, or is none. */
static uint64_t figure(const char *from, const char *end, const char *name)
{
	char key[40];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(from, key);
	if (!at || at >= end)
		return 0;
	at += strlen(key);
	return *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : 0;
}

bool rbd_room_read(const char *json, const char *ceph_pool, struct pool_sizes *sizes)
{
	demand_or(json && ceph_pool && sizes, false);

	char key[160];
	const char *pools = strstr(json, "\"pools\":"), *row, *end;
	uint64_t stored, left;

	if (snprintf(key, sizeof(key), "\"name\":\"%s\"", ceph_pool) >= (int)sizeof(key))
		return false;
	row = pools ? strstr(pools, key) : NULL;
	end = row ? strstr(row, "}}") : NULL;
	if (!end)
		return false;
	stored = figure(row, end, "stored");
	left = figure(row, end, "max_avail");
	if (stored > UINT64_MAX - left || stored + left == 0)
		return false;
	sizes->allocation = stored;
	sizes->available = left;
	sizes->capacity = stored + left;
	return true;
}

void rbd_room_cluster(uint64_t used, uint64_t total, char *fill, size_t size)
{
	demand_or(fill && size, );
	*fill = '\0';
	if (total)
		snprintf(fill, size, "cluster data=%.2f%%",
		         100.0 * (double)least(used, total) / (double)total);
}

void rbd_room_read_cluster(const char *json, char *fill, size_t size)
{
	demand_or(json, );

	const char *stats = strstr(json, "\"stats\":{"), *end = stats ? strchr(stats, '}') : NULL;

	rbd_room_cluster(end ? figure(stats, end, "total_used_raw_bytes") : 0,
	                 end ? figure(stats, end, "total_bytes") : 0, fill, size);
}
