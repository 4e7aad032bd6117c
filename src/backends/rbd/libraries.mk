# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a program with this type is linked with, besides what all are: see "libraries" in the Makefile. layout.ld keeps the constructors of the
# C++ libraries from running when the program begins.
LIBS_WANTED += rbd
DEPS_WANTED += ceph
LAYOUTS     += src/backends/rbd/layout.ld
PC_LIBS     += -lrbd -lrados
