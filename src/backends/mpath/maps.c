/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Multipath maps through libdevmapper. It makes and takes away the nodes in /dev/mapper as well, where no
 * udevd does.
 */
#include <errno.h>
#include <libdevmapper.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>
#include "backends/mpath/mpath.h"
#include "base/contract.h"
#include "base/util.h"

#define TARGET "multipath"
#define MAPS   4096

/* ---- its messages ---- */

static char last_message[256];

/* What it would print becomes the reason of our own error. */
__attribute__((format(printf, 5, 6))) static void keep_message(int level, const char *file, int line,
                                                               int dm_errno, const char *format, ...)
{
	va_list ap;

	(void)file, (void)line, (void)dm_errno;
	if ((level & 7) > LOG_ERR)
		return;
	va_start(ap, format);
	vsnprintf(last_message, sizeof(last_message), format, ap);
	va_end(ap);
}

/* A task for the map of that name (NULL: for none); NULL: out of memory, or it is no name. */
static struct dm_task *dm_begin(int type, const char *name)
{
	struct dm_task *t;

	dm_log_with_errno_init(keep_message);
	dm_udev_set_sync_support(0);
	last_message[0] = '\0';
	t = dm_task_create(type);
	if (t && name && !dm_task_set_name(t, name)) {
		dm_task_destroy(t);
		t = NULL;
	}
	return t;
}

static void dm_end(struct dm_task **t)
{
	if (*t)
		dm_task_destroy(*t);
}
#define cleanup_dm __attribute__((cleanup(dm_end)))

static int dm_failed(struct dm_task *t, const char *doing, const char *name, struct err *e)
{
	int sys = t ? dm_task_get_errno(t) : ENOMEM;

	if (sys == EBUSY)
		return err_set(e, ERR_BUSY, "cannot %s multipath map %s: it or a path of it is in use", doing,
		               name);
	return err_set(e, sys == ENOMEM ? ERR_NO_MEMORY : ERR_STORAGE, "cannot %s multipath map %s: %s",
	               doing, name, last_message[0] ? last_message : "device-mapper refuses it");
}

/* ---- what there is ---- */

/* One map's status. 1: it is a multipath map; 0: it is another device, or has gone. */
static int map_read(const char *name, struct mpath_map *m)
{
	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_STATUS, name);
	uint64_t start, length;
	struct dm_info info;
	char *type = NULL, *params = NULL;
	const char *uuid;

	if (!t || !dm_task_no_flush(t) || !dm_task_run(t) || !dm_task_get_info(t, &info) || !info.exists)
		return 0;
	dm_get_next_target(t, NULL, &start, &length, &type, &params);
	if (!type || !streq(type, TARGET) || !params || !mpath_status(params, m))
		return 0;
	uuid = dm_task_get_uuid(t);
	m->is_lun = uuid && starts_with(uuid, MPATH_PREFIX);
	if (m->is_lun)
		uuid += strlen(MPATH_PREFIX);
	snprintf(m->name, sizeof(m->name), "%s", name);
	snprintf(m->id, sizeof(m->id), "%s", uuid && *uuid ? uuid : name);
	m->major = info.major;
	m->minor = info.minor;
	m->size = (start + length) * 512;
	m->open = info.open_count > 0;
	return 1;
}

static int map_compare(const void *a, const void *b)
{
	const struct mpath_map *x = a, *y = b;

	return (x->minor > y->minor) - (x->minor < y->minor);
}

static int map_add(struct mpath_maps *m, const char *name)
{
	struct mpath_map one = { .npaths = 0 };
	struct mpath_map *more;

	if (map_read(name, &one) == 0 || m->n == MAPS)
		return 0;
	more = realloc(m->item, (m->n + 1) * sizeof(*more));
	if (!more)
		return -1;
	m->item = more;
	more[m->n++] = one;
	return 0;
}

int mpath_maps_read(struct mpath_maps *m, struct err *e)
{
	demand(m, e);
	*m = (struct mpath_maps){ 0 };
	if (access("/dev/mapper/control", F_OK) < 0)
		return 0;

	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_LIST, NULL);
	const struct dm_names *names = t && dm_task_run(t) ? dm_task_get_names(t) : NULL;
	int rc = 0;

	if (!names)
		return err_set(e, ERR_STORAGE, "cannot list the devices of device-mapper: %s",
		               last_message[0] ? last_message : "it refuses that");
	for (; names->dev && rc == 0; names = (const void *)((const char *)names + names->next)) {
		rc = map_add(m, names->name);
		if (!names->next)
			break;
	}
	if (m->n)
		qsort(m->item, m->n, sizeof(*m->item), map_compare);
	return rc < 0 ? err_set(e, ERR_NO_MEMORY, "cannot list multipath maps: out of memory") : 0;
}

/* ---- changing them ---- */

void mpath_node(const char *name)
{
	demand_or(name, );

	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_MKNODES, name);

	if (t && dm_task_run(t))
		dm_task_update_nodes();
}

int mpath_create(const char *name, const char *id, uint64_t size, const char *table, struct err *e)
{
	demand(name && id && table, e);

	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_CREATE, name);
	char uuid[MPATH_NAME + sizeof(MPATH_PREFIX)];

	snprintf(uuid, sizeof(uuid), MPATH_PREFIX "%s", id);
	if (!t || !dm_task_set_uuid(t, uuid) || !dm_task_add_target(t, 0, size / 512, TARGET, table) ||
	    !dm_task_run(t))
		return dm_failed(t, "make", name, e);
	dm_task_update_nodes();
	return 0;
}

/* What is under way stays so: nothing is flushed, and no filesystem on it is frozen. */
static int map_resume(const char *name, struct err *e)
{
	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_RESUME, name);

	if (!t || !dm_task_no_flush(t) || !dm_task_skip_lockfs(t) || !dm_task_run(t))
		return dm_failed(t, "resume", name, e);
	dm_task_update_nodes();
	return 0;
}

int mpath_reload(const char *name, uint64_t size, const char *table, struct err *e)
{
	demand(name && table, e);

	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_RELOAD, name);

	if (!t || !dm_task_add_target(t, 0, size / 512, TARGET, table) || !dm_task_run(t))
		return dm_failed(t, "change", name, e);
	return map_resume(name, e);
}

int mpath_remove(const char *name, struct err *e)
{
	demand(name, e);

	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_REMOVE, name);

	if (!t || !dm_task_run(t))
		return dm_failed(t, "take away", name, e);
	dm_task_update_nodes();
	return 0;
}

int mpath_message(const char *name, const char *text, struct err *e)
{
	demand(name && text, e);

	cleanup_dm struct dm_task *t = dm_begin(DM_DEVICE_TARGET_MSG, name);

	if (!t || !dm_task_set_sector(t, 0) || !dm_task_set_message(t, text) || !dm_task_run(t))
		return dm_failed(t, "send a message to", name, e);
	return 0;
}
