/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * grammar-verdict: what the grammar says of many documents, for tests/host/grammar-differential.
 *
 *     grammar-verdict pool|volume|secret <LIST-OF-FILES
 *
 * One line a file: its name, VALID or INVALID, and the reason, with tabs between.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "pool/grammar/grammar.h"

int main(int argc, char **argv)
{
	static const char *const kinds[] = {
		[GRAMMAR_POOL] = "pool", [GRAMMAR_VOLUME] = "volume", [GRAMMAR_SECRET] = "secret"
	};
	char path[4096];
	size_t kind = 0;

	while (argc == 2 && kind < ARRAY_LEN(kinds) && !streq(argv[1], kinds[kind]))
		kind++;
	if (argc != 2 || kind == ARRAY_LEN(kinds)) {
		fputs("usage: grammar-verdict pool|volume|secret <LIST-OF-FILES\n", stderr);
		return 2;
	}
	while (fgets(path, sizeof(path), stdin)) {
		cleanup_buf struct buf text = { 0 };
		struct err e = { 0 };
		int r;

		path[strcspn(path, "\n")] = '\0';
		if (file_read(AT_FDCWD, path, 1 << 20, &text, &e) < 0) {
			fprintf(stderr, "%s\n", e.message);
			return 2;
		}
		r = grammar_check((enum grammar)kind, text.data, text.len, path, &e);
		printf("%s\t%s\t%s\n", path, r == 0 ? "VALID" : "INVALID", r == 0 ? "" : e.message);
	}
	return 0;
}
