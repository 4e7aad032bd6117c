/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Time. All deadlines in the house are milliseconds on CLOCK_BOOTTIME (counted from kernel boot, running on
 * through suspend, never set back).
 */
#ifndef POOLINIT_BASE_CLOCK_H
#define POOLINIT_BASE_CLOCK_H

#include <stdint.h>
#include "base/err.h"

#define SECONDS(n) (1000 * (uint64_t)(n))
#define NEVER      UINT64_MAX

/* Milliseconds, or microseconds, since the kernel began. */
uint64_t clock_ms(void);
uint64_t clock_us(void);
/* Milliseconds left until a deadline of clock_ms()'s, as poll(2) takes them: 0 if it is past, -1 for NEVER,
 * INT_MAX where there are more. */
int clock_until(uint64_t deadline);
/* Read "30s", "500ms", "2m", "1h", "90" (seconds) into milliseconds. ERR_INVALID otherwise, and for more
 * than 24 days, which is what poll(2) can wait for; *ms is untouched then. */
int clock_parse(const char *text, uint64_t *ms, struct err *e);

#endif
