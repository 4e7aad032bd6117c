/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an operation says on its way. Reporting is optional for whoever makes a struct op: tests and readers
 * leave the functions out, so that each caller of one looks whether it is there, here or by itself. */
#include "pool/operation.h"

#include <stdarg.h>
#include <stdio.h>

void op_note(struct op *op, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!op || !op->on_note)
		return;
	/* A note is one line of the log: what is longer than this is cut off there as well. */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	op->on_note(op, text);
}
