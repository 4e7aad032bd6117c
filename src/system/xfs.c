/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A snapshot or a clone has the UUID of its origin. The kernel refuses to mount both, and says why only in
 * its log: the error is that of an option that is wrong. The mounted ones tell their UUID without a look at
 * their devices.
 *
 * Only mounted filesystems are asked, by an ioctl that needs no device to answer.
 */
#include "system/xfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include "base/contract.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "base/uuid.h"

/* xfs_fs.h: struct xfs_fsop_geom_v1. */
struct geometry {
	char sizes[64];
	struct uuid uuid;
	char more[32];
};
#define GEOMETRY _IOR('X', 100, struct geometry)

struct twin {
	const char *device, *uuid;
	struct err *e;
};

/* Is this mount an xfs with the same UUID? Opened without blocking; a filesystem of the kernel's own does
 * not hang. */
static int is_twin(const struct mount_entry *m, void *arg)
{
	const struct twin *t = arg;
	cleanup_close int fd = streq(m->fstype, "xfs")
	                               ? open(m->target, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)
	                               : -1;
	struct geometry g;
	char text[UUID_TEXT];

	if (fd < 0 || ioctl(fd, (ioctl_request)GEOMETRY, &g) < 0 ||
	    !streq(uuid_print(&g.uuid, text), t->uuid))
		return 0;
	err_set(t->e, ERR_BUSY,
	        "cannot mount %s (xfs): a filesystem with the same UUID is mounted at %s (is one a snapshot "
	        "or a clone of the other? then add the mount option nouuid)",
	        t->device, m->target);
	return 1;
}

void xfs_explain(const char *device, const char *uuid, struct err *e)
{
	demand_or(device && uuid, );

	struct twin t = { device, uuid, e };

	if (e && e->sys == EINVAL)
		mountinfo_each(is_twin, &t, NULL);
}
