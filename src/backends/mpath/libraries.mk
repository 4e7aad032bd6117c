# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a program with this type is linked with, besides what all are: see "libraries" in the Makefile.
LIBS_WANTED += devmapper
DEPS_WANTED += lvm2
PC          += devmapper
