// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Read before each file of Ceph's: what its sources take for granted of glibc's headers.
#include <limits.h>
#include <sys/types.h>
#ifndef __WORDSIZE
#define __WORDSIZE (__SIZEOF_LONG__ * 8)
#endif
