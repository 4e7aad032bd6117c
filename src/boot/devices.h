/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Devices as they come and go: uevents, the one walk through /sys (coldplug), modules by modalias, and the
 * stable links.
 *
 * Where devices are ours (supervisor_options.own_devices) each block device gets its links, made by workers
 * since a device may hang, before the supervisor hears of it. Where a udevd runs, the supervisor hears of the
 * kernel's event, and again when udevd has finished with the device.
 *
 * A worker is never waited for. One that hangs keeps its batch of devices until the kernel lets go of it,
 * and all other devices get their links meanwhile.
 */
#ifndef POOLINIT_BOOT_DEVICES_H
#define POOLINIT_BOOT_DEVICES_H

#include "base/err.h"
#include "supervisor/supervisor.h"

struct devices;

/* Listen to devices for the supervisor. Subscribe first, then walk through those that are there
 * (own_devices), so that none is missed in between. NULL with e: the socket cannot be had. Free with
 * devices_free(). */
struct devices *devices_watch(struct supervisor *s, struct err *e);
/* Workers that still run are the supervisor's: call it before supervisor_free(). */
void devices_free(struct devices *d);

#endif
