/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What zpool and zfs print: names in it are from disks that others have written. The first byte chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "backends/zfs/zfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void status(char *text)
{
	static struct zfs_state s;
	char sick[100];

	zfs_state_parse(text, &s);
	if (s.n > ZFS_DISKS)
		abort();
	zfs_state_sick(&s, sick, sizeof(sick));
	if (strlen(sick) >= sizeof(sick) || strchr(sick, '\n'))
		abort();
}

static void offer(char *text)
{
	char state[16], about[40];

	zfs_offer_parse(text, "1", state, sizeof(state), about, sizeof(about));
	if (strchr(state, '\n') || strchr(about, '\n'))
		abort();
}

static void table(char *text)
{
	char *f[4];

	for (size_t n; (n = zfs_row(&text, f, 4)) > 0;)
		for (size_t i = 0; i < n; i++)
			zfs_number(f[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(char *) = { status, offer, table };
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	readers[data[0] % 3](text);
	free(text);
	return 0;
}
