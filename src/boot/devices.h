/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Devices as they come and go: uevents, the one walk through /sys (coldplug), modules by modalias, and the
 * stable links.
 *
 * Where devices are ours (supervisor_options.own_devices) each block device gets its links, made by workers
 * since a device may hang, before the supervisor hears of it. Where a udevd runs, the supervisor hears of the
 * kernel's event, and again when udevd has finished with the device.
 */
#ifndef POOLINIT_BOOT_DEVICES_H
#define POOLINIT_BOOT_DEVICES_H

#include "base/err.h"
#include "supervisor/supervisor.h"

struct devices;

/* Subscribe first, then walk (own_devices). NULL: cannot. */
struct devices *devices_watch(struct supervisor *s, struct err *e);
/* Workers that still run are the supervisor's: call it before supervisor_free(). */
void devices_free(struct devices *d);

#endif
