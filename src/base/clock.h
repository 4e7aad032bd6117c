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

uint64_t clock_ms(void);            /* milliseconds since boot */
uint64_t clock_us(void);            /* microseconds since boot */
int clock_until(uint64_t deadline); /* milliseconds left, 0 if past, -1 for NEVER: as poll(2) takes them */
/* "30s", "500ms", "2m", "1h", "90" (seconds). ERR_INVALID otherwise, and for more than 24 days. */
int clock_parse(const char *text, uint64_t *ms, struct err *e);

#endif
