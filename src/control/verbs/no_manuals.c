/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In place of manuals.c in a program of chosen backends, which is meant to be small: documentation is made by
 * the one that has all.
 */
#include "control/verbs/verbs.h"

#define NONE "A program of chosen backends has no manual in it: see docs/PROTOCOL.md and poolctl(1).\n"

void help_markdown(const struct verb *v, struct buf *out)
{
	(void)v;
	buf_adds(out, NONE);
}

void help_man(const struct verb *v, struct buf *out)
{
	(void)v;
	buf_adds(out, NONE);
}
