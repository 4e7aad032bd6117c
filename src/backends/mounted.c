/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pools that are mounts. Whose mount is at the target is told by the mount table alone; only the probe asks
 * the filesystem itself.
 *
 * A server or a disk that is dead hangs whoever touches its mount, and unmounting may hang as well. So
 * checks read the mount table first; and what does touch the mount runs in a worker that can be left behind.
 */
#include "backends/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include "base/contract.h"
#include "base/util.h"
#include "system/target.h"
#include "volumes/pool_dir.h"

void mount_options(const struct pool_def *d, struct buf *b)
{
	for (size_t i = 0; i < d->nmount_options; i++) {
		const struct pool_option *o = &d->mount_options[i];

		if (b->len)
			buf_addc(b, ',');
		buf_adds(b, o->name);
		if (o->value)
			buf_printf(b, "=%s", o->value);
	}
}

/* The mount that the pool made, or found, when it was started: no look at what it stands on is needed, which
 * may be sick or gone. The kernel gives the numbers of mounts again; btrfs shows a filesystem's number in one
 * place and a subvolume's in the other. */
static bool is_known_mount(const struct pool_def *d, const struct mount_entry *m)
{
	const struct dir_place *place = &d->target.place;

	return place->mount && m->id == place->mount &&
	       (m->dev == place->dev || (major(m->dev) == 0 && major(place->dev) == 0));
}

/* A mount of ours that is still there, though its path does not lead to it: what hides it may go. */
struct hidden {
	const struct pool_def *d;
	bool found;
};

static int is_hidden(const struct mount_entry *m, void *arg)
{
	struct hidden *h = arg;

	h->found = is_known_mount(h->d, m);
	return h->found;
}

/* Nothing is seen at the path. A mount of ours may be there all the same. */
static int check_hidden(const struct pool_def *d, struct err *e)
{
	struct hidden h = { d, false };
	char waits_for[sizeof(e->waits_for)];

	if (!d->target.place.mount || (mountinfo_each(is_hidden, &h, NULL), !h.found))
		return 0;
	snprintf(waits_for, sizeof(waits_for), "path=%s", d->target.path);
	return err_wait(e, ERR_WAIT_DEVICE, waits_for,
	                "what pool \"%s\" has mounted at %s is there, but the path does not lead to it: "
	                "something is mounted over it, or a directory above it was moved",
	                d->name, d->target.path);
}

/* Most types mount what they show; some show only a directory in it. */
static const char *mount_point(const struct pool_def *d)
{
	return d->target.mount ? d->target.mount : d->target.path;
}

int mount_of_pool(const struct pool_def *d, struct mount_entry *m, struct err *e)
{
	demand(d->target.path && m, e);

	char path[PATH_MAX];
	int rc = mount_path(mount_point(d), path, e);

	return rc > 0 ? mountinfo_find(path, m, e) : rc;
}

int mount_check(const struct pool_def *d, mount_ours_fn *is_ours, enum pool_state *state, struct buf *detail,
                struct err *e)
{
	demand(d->target.path && is_ours && state, e);

	struct mount_entry m;
	int rc = mount_of_pool(d, &m, e);

	*state = STATE_INACTIVE;
	if (rc < 0)
		return -1;
	if (rc == 0)
		return check_hidden(d, e);
	if (is_known_mount(d, &m) || is_ours(d, &m)) {
		*state = STATE_ACTIVE;
		if (detail)
			buf_printf(detail, "mount=%d", m.id);
		rc = 0;
	} else {
		rc = err_set(e, ERR_BUSY, "something else is mounted at %s: %s (%s)", d->target.path,
		             m.source, m.fstype);
	}
	mount_entry_free(&m);
	return rc;
}

/* What is seen at the path, for whoever asks whether the pool is there: neither what is somebody else's, nor
 * what hides it, nor a link that is not followed is an error, but why it is not there. */
static int check_seen(const struct pool_def *d, mount_ours_fn *is_ours, struct op *op, enum pool_state *state,
                      struct buf *detail, struct err *e)
{
	struct err why = { 0 };

	if (mount_check(d, is_ours, state, detail, &why) == 0)
		return 0;
	if (!err_is(&why, ERR_BUSY) && !err_is(&why, ERR_WAIT_DEVICE) && !err_is(&why, ERR_DENIED)) {
		if (e)
			*e = why;
		return -1;
	}
	if (d->target.place.known)
		op_note(op, "%s", why.message);
	return 0;
}

/* Why a directory does not answer: it could be opened and said `said`, or it could not. */
static int reason_of(int fd, int said, const struct err *why)
{
	if (fd >= 0)
		return said;
	return why->sys ? why->sys : EIO;
}

int mount_pool_check(const struct pool_def *d, mount_ours_fn *is_ours, struct op *op, enum pool_state *state,
                     struct buf *detail, struct err *e)
{
	demand(op && state, e);

	cleanup_close int fd = -1;
	struct statfs sizes;
	struct err why = { 0 };

	if (check_seen(d, is_ours, op, state, detail, e) < 0)
		return -1;
	if (*state != STATE_ACTIVE)
		return 0;
	fd = pool_dir_open(d, O_PATH, &why);
	if (fd < 0 && err_is(&why, ERR_STATE)) {
		op_note(op, "%s", why.message);
		*state = STATE_INACTIVE;
	} else if (fd < 0 || fstatfs(fd, &sizes) < 0) {
		snprintf(op->why, sizeof(op->why), "%.120s is mounted but does not answer: %.60s",
		         d->target.path, strerror(reason_of(fd, errno, &why)));
		*state = STATE_DEGRADED;
	}
	return 0;
}

/* An unmount does not tell that the disk refused what others had written; this does. A filesystem that has
 * shut down cannot even be opened. */
static void flush_filesystem(const struct pool_def *d, struct op *op)
{
	struct err why = { 0 };
	cleanup_close int fd = target_open_path(mount_point(d), O_RDONLY, &why);

	if (fd >= 0 && syncfs(fd) == 0)
		return;
	snprintf(op->lost, sizeof(op->lost), "%.120s could not be flushed: %.60s", d->target.path,
	         strerror(reason_of(fd, errno, &why)));
}

int mount_pool_stop(const struct pool_def *d, mount_ours_fn *is_ours, struct op *op, struct err *e)
{
	demand(op, e);

	enum pool_state state;

	if (mount_check(d, is_ours, &state, NULL, e) < 0)
		return err_wrap(e, ERR_KEEP, "nothing to unmount");
	if (state == STATE_INACTIVE)
		return 0;
	if (!op->force)
		flush_filesystem(d, op);
	else /* it would be waited for */
		op_note(op,
		        "%s does not answer and is detached as it is: what was written to it last may be "
		        "lost",
		        d->target.path);
	if ((op->force ? mount_detach : mount_remove)(mount_point(d), op->deadline, e) == 0)
		return 0;
	if (op->lost[0])
		op_note(op, "what was written last is not all on the disk: %s", op->lost);
	return -1;
}
