// SPDX-License-Identifier: LGPL-2.1-or-later
#ifndef CEPH_VERSION_H
#define CEPH_VERSION_H
#define CEPH_GIT_VER 0
#define CEPH_GIT_NICE_VER "18.2.7"
#define CEPH_RELEASE 18
#define CEPH_RELEASE_NAME "reef"
#define CEPH_RELEASE_TYPE "stable"
#endif
