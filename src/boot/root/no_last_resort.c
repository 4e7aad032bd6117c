/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In place of last_resort.c in a program none of whose pool types has a companion: nothing of it waits for a
 * network.
 */
#include "boot/root/last_resort.h"
#include "boot/root/root.h"

void last_resort_begin(struct last_resort *r, struct supervisor *sup)
{
	(void)r, (void)sup;
}

uint64_t last_resort_stop_time(struct last_resort *r)
{
	(void)r;
	return ROOT_STOP_TIME;
}

void last_resort_end(struct last_resort *r)
{
	(void)r;
}
