/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Numbers with a fraction, for scanf(3), in the place of musl's: none are read.
 *
 * Nobody in the program asks for one, but scanf, which reads device numbers, brings what could: 6 kB. Only
 * LVM's code reads fractions, by strtod(3), so that a program with it has musl's own (FRACTIONS in the
 * Makefile, which looks that nobody else uses strtod).
 */
#include <stdio.h>

#ifndef __GLIBC__

/* musl's src/internal/floatscan.h */
long double __floatscan(FILE *f, int precision, int pushes_back);

/* No character is taken, so that scanf finds no number there. */
long double __floatscan(FILE *f, int precision, int pushes_back)
{
	(void)f;
	(void)precision;
	(void)pushes_back;
	return 0;
}

#endif
