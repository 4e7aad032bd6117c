/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs a fuzz target over its corpus, as an ordinary test: what was once found stays found, without
 * libFuzzer.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *dir, const char *name)
{
	char path[PATH_MAX];
	static uint8_t data[1 << 20];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return 0;
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	size_t n = fread(data, 1, sizeof(data), f);
	fclose(f);
	uint8_t *exact = malloc(n ? n : 1); /* so that one byte beyond the end is seen */
	if (!exact)
		return 0;
	memcpy(exact, data, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 1;
}

int main(int argc, char **argv)
{
	const char *base = strstr(argv[0], "fuzz_");
	char dir[PATH_MAX];
	struct dirent **names;
	int count = 0;

	if (argc > 1)
		snprintf(dir, sizeof(dir), "%s", argv[1]);
	else
		snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", base ? base + 5 : argv[0]);
	int n = scandir(dir, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			count += replay(dir, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("%s - corpus %s: %d inputs\n", count > 0 ? "ok" : "not ok", dir, count);
	return count > 0 ? 0 : 1;
}
