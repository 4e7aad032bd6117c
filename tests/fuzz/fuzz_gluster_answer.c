/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: what gluster's management daemon answers, to the one question and to the other (the results:
 * rpc_answer has what is before them). Whatever it says is an errno, nothing, or no answer; and a volume's
 * name is a text that ends in what was given.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gluster/gluster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the answer lies, and how many names it had. */
struct seen {
	const char *from, *end;
	int names;
};

static void take(void *arg, const char *name)
{
	struct seen *s = arg;

	if (name < s->from || name + strlen(name) >= s->end)
		abort();
	s->names++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a copy of its own size, so that reading behind the end is seen */
	unsigned char *copy = malloc(size ? size : 1);
	struct seen s = { (const char *)copy, (const char *)copy + size, 0 };
	struct xdr answer = { copy, size, false }, list = answer;
	int said, found;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	said = gluster_read_answer(&answer);
	found = gluster_read_list(&list, take, &s);
	if (said < -1 || said >= 4096 || found < -1 || found > s.names || (found >= 0 && said != 0))
		abort();
	free(copy);
	return 0;
}
