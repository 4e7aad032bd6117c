/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Unit tests: one program per subject. Each case prints "ok - name" or "not ok - name"; tests/run counts
 * these lines.
 *
 *     static void parses_plain_words(void) { CHECK(…); CHECK_STR(a, "b"); }
 *     int main(void) { RUN(parses_plain_words); return check_done(); }
 */
#ifndef POOLINIT_TESTS_CHECK_H
#define POOLINIT_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int check_failures, check_case_failed;

#define CHECK(cond)                                                                                          \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);                                  \
			check_case_failed = 1;                                                               \
		}                                                                                            \
	} while (0)

#define CHECK_STR(got, want)                                                                                 \
	do {                                                                                                 \
		const char *got_ = (got), *want_ = (want);                                                   \
		if (!got_ || !want_ ? got_ != want_ : strcmp(got_, want_) != 0) {                            \
			printf("# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got,              \
			       got_ ? got_ : "(null)", want_ ? want_ : "(null)");                            \
			check_case_failed = 1;                                                               \
		}                                                                                            \
	} while (0)

#define CHECK_INT(got, want)                                                                                 \
	do {                                                                                                 \
		long long got_ = (long long)(got), want_ = (long long)(want);                                \
		if (got_ != want_) {                                                                         \
			printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, want_);    \
			check_case_failed = 1;                                                               \
		}                                                                                            \
	} while (0)

#define RUN(test)                                                                                            \
	do {                                                                                                 \
		check_case_failed = 0;                                                                       \
		umask(022); /* whoever runs the tests may have another one than a system's first process */  \
		test();                                                                                      \
		printf("%s - %s\n", check_case_failed ? "not ok" : "ok", #test);                             \
		fflush(stdout);                                                                              \
		check_failures += check_case_failed;                                                         \
	} while (0)

static inline int check_done(void)
{
	return check_failures ? 1 : 0;
}

#endif
