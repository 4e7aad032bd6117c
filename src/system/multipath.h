/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disks that are paths of a multipath map: the map is the device to use, and not one of its paths.
 */
#ifndef POOLINIT_SYSTEM_MULTIPATH_H
#define POOLINIT_SYSTEM_MULTIPATH_H

#include <stdbool.h>
#include <sys/types.h>

/* Does a multipathd run? It makes the maps then, and decides which disks are paths. Waits two seconds at
 * most; the answer is kept for this process. */
bool multipathd_runs(void);
/* From here on, in this process: where `holds` says so, somebody here makes the maps, and a disk that may be
 * one of several ways to its LUN counts as a path even before its map is there. NULL: nobody does. */
void multipath_hold(bool (*holds)(void));
/* Is it a path, or a partition of one? `sys` is "/sys", or a test's own tree. */
bool multipath_is_path(const char *sys, const char *sysname);
/* The map that stands on this path; false: there is none. */
bool multipath_map_of(dev_t path, dev_t *map);

#endif
