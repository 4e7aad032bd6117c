// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What Ceph's configuration would have found out: Linux, musl, and nothing that is not compiled in.
#ifndef CONFIG_H
#define CONFIG_H

#define PROJECT_VERSION "18.2.7"
#define CEPH_LITTLE_ENDIAN
#define CEPH_HAVE_FALLOCATE
#define CEPH_HAVE_SPLICE
#define HAVE_ARPA_NAMESER_COMPAT_H 1
#define HAVE_EVENTFD
#define HAVE_FDATASYNC 1
#define HAVE_FUNC
#define HAVE_GETENTROPY
#define HAVE_GETGROUPLIST 1
#define HAVE_IN_ADDR_T
#define HAVE_LINUX_TYPES_H 1
#define HAVE_LINUX_VERSION_H 1
#define HAVE_NAME_TO_HANDLE_AT
#define HAVE_PIPE2 1
#define HAVE_POSIX_FADVISE 1
#define HAVE_POSIX_FALLOCATE 1
#define HAVE_PRETTY_FUNC
#define HAVE_PTHREAD_GETNAME_NP 1
#define HAVE_PTHREAD_SETNAME_NP 1
#define HAVE_PTHREAD_SPINLOCK
#define HAVE_PWRITEV 1
#define HAVE_SCHED 1
#define HAVE_STATIC_CAST
#define HAVE_STAT_ST_MTIM_TV_NSEC
#define HAVE_STDLIB_MAP_SPLICING
#define HAVE_SUSECONDS_T
#define HAVE_SYNC_FILE_RANGE
#define HAVE_SYS_MOUNT_H 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_PRCTL_H 1
#define HAVE_SYS_SYNCFS 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_VFS_H 1
#define HAVE___S8 1
#define HAVE___S16 1
#define HAVE___S32 1
#define HAVE___S64 1
#define HAVE___U8 1
#define HAVE___U16 1
#define HAVE___U32 1
#define HAVE___U64 1
#define WITH_RBD
// Where plug-ins would be: a static program loads none.
#define CMAKE_SHARED_LIBRARY_SUFFIX ".so"
#define CMAKE_INSTALL_LIBEXECDIR "/nonexistent"

#endif
