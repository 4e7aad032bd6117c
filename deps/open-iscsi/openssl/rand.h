/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POOLINIT_RAND_H
#define POOLINIT_RAND_H

/* Fills buf from the kernel's generator, waiting for it to be seeded. Returns 1, or 0 on failure. */
int RAND_bytes(unsigned char *buf, int size);

#endif
