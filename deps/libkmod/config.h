/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kmod's configure would find out about musl. */
#define PACKAGE "kmod"
#define VERSION "30"
#define ENABLE_LOGGING 1
#define HAVE_DECL_BE32TOH 1
#define HAVE_DECL_STRNDUPA 0
#define HAVE_LINUX_MODULE_H 1
#define HAVE_NORETURN 1
#define HAVE_SECURE_GETENV 1
#define HAVE_STATIC_ASSERT 1
#define HAVE_STRUCT_STAT_ST_MTIM 1
#define HAVE___BUILTIN_UADDL_OVERFLOW 1
#define HAVE___BUILTIN_UADDLL_OVERFLOW 1

/* glibc's basename(): the text after the last '/'. musl since 1.2.5 has only the other one, which <libgen.h> declares. */
#include <string.h>
#define basename(path) (strrchr((path), '/') ? strrchr((path), '/') + 1 : (path))
