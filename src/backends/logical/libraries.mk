# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a program with this type is linked with, besides what all are: see "libraries" in the Makefile.
LIBS_WANTED += lvm2cmd devmapper aio
DEPS_WANTED += libaio lvm2
PC          += devmapper
PC_LIBS     += -llvm2cmd
# LVM's configuration has numbers with a fraction (src/base/fractions.c).
FRACTIONS := 1
