/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an operation says on its way.
 */
#include "pool/operation.h"

#include <stdarg.h>
#include <stdio.h>

void op_note(struct op *op, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!op || !op->on_note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	op->on_note(op, text);
}
