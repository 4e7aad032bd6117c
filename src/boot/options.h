/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Command-line options of the roles: long ones only, from one table each, from which --help is printed too.
 */
#ifndef POOLINIT_BOOT_OPTIONS_H
#define POOLINIT_BOOT_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum option_kind { OPTION_TEXT, OPTION_DURATION, OPTION_NUMBER, OPTION_FLAG, OPTION_WORD };

struct option_row {
	const char *name;  /* without the "--"; of a word: what --help calls it */
	const char *value; /* what --help calls its value; flags and words have none */
	enum option_kind kind;
	void *out; /* const char **, uint64_t * (milliseconds), int *, bool * */
	const char *help;
};

struct role_help {
	const char *name;     /* "serve" */
	const char *does;     /* one sentence */
	const char *statuses; /* of its exit; may be NULL */
};

/* Read --name VALUE or --name=VALUE, and bare words, in the table's order, into where the rows point;
 * argv[0] is skipped. 0: go on; 1: --help was printed; -1: ERR_UNKNOWN_KEY (with the option that was meant,
 * if one is near), ERR_MISSING, ERR_INVALID. Texts point into argv. What came before an error has been
 * taken. */
int options_parse(int argc, char **argv, const struct role_help *role, const struct option_row *rows,
                  size_t n, struct err *e);
/* options_parse(), with the error printed to standard error: -1 go on; else the exit status (0 after --help,
 * EXIT_USAGE). */
int options_take(int argc, char **argv, const struct role_help *role, const struct option_row *rows,
                 size_t n);

#endif
