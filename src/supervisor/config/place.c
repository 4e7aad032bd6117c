/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A configuration directory on a device, or in a pool. It is mounted only in the workers that read or write
 * there, each in a mount namespace of its own, and goes with the worker. At every other moment the filesystem
 * is whole on its medium: a power cut finds nothing that would have to be repaired, which FAT could not be,
 * and whoever pulls the medium out loses nothing.
 *
 * Secrets are read at each start of a pool. So they have a copy in memory, in the directory that the
 * filesystem is mounted over: whoever has not mounted it finds the copy at the same path.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/work/worker.h"
#include "system/device.h"
#include "system/mount.h"

void place_split(const char *where, char *device, size_t size, const char **path)
{
	demand_or(where && device && path, );

	const char *end = strstr(where, ":/");

	*path = end ? end + 1 : "/";
	if (starts_with(where, POOL_PREFIX)) {
		end = strchr(where, '/');
		*path = end ? end : "/";
	}
	snprintf(device, size, "%.*s", end ? (int)(end - where) : (int)strlen(where), where);
}

/* The filesystem on a device, whatever it is. One that cannot be written is read. */
static int mount_medium(const struct source *src, struct err *e)
{
	struct device_content content;
	struct mount_request r;
	char node[PATH_MAX], text[192];
	dev_t dev;

	if (device_find(src->device, node, sizeof(node), &dev, e) < 0 ||
	    device_content(node, &content, e) < 0)
		return -1;
	if (!content.type[0])
		return err_set(e, ERR_WRONG_FORMAT, "%s (%s) holds %s, not a filesystem", node, src->device,
		               device_content_text(&content, text, sizeof(text)));
	r = (struct mount_request){
		.fstype = content.type, .source = node, .target = src->at, .options = "ro"
	};
	if (src == src->sup->place && !device_is_read_only(dev))
		r.options = "noatime";
	if (mount_make(&r, e) == 0)
		return 0;
	if (!err_is(e, ERR_READ_ONLY)) /* else it is of a kind that nobody can write */
		return -1;
	err_clear(e);
	r.options = "ro";
	return mount_make(&r, e);
}

/* What an active pool has mounted, or its directory. */
static int mount_pool_place(struct supervisor *s, const char *name, const char *at, struct err *e)
{
	const struct pool *p = pool_by_name(s, name);

	if (!p || !pool_is_active(p) || !p->def.target)
		return err_set(e, ERR_BUSY, "pool \"%s\" is not active, or has no directory", name);
	if (file_mkdirs(at, 0700, e) < 0)
		return -1;
	return mount(p->def.target, at, NULL, MS_BIND, NULL) < 0
	               ? err_sys(e, errno, "cannot mount %s at %s", p->def.target, at)
	               : 0;
}

int place_open(struct source *src, struct err *e)
{
	demand(src->device, e);

	if (file_mkdirs(src->where, 0700, e) < 0)
		return -1;
	src->under = open(src->where, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (src->under < 0)
		return err_sys(e, errno, "cannot open %s", src->where);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "cannot mount %s for this process alone", src->device);
	if (starts_with(src->device, POOL_PREFIX))
		return mount_pool_place(src->sup, src->device + strlen(POOL_PREFIX), src->at, e);
	return mount_medium(src, e);
}

const char *place_enter(struct supervisor *s, struct worker_io *io)
{
	demand_or(s && io, NULL);

	struct err why = { 0 };

	if (s->place && place_open(s->place, &why) < 0) {
		worker_send_note(io, why.message);
		drop_config_dir(s);
	}
	return s->options.config_dir;
}

void drop_config_dir(struct supervisor *s)
{
	demand_or(s, );

	s->place = NULL;
	s->options.config_dir = NULL;
	for (struct pool *p = s->pools; p; p = p->next)
		p->def.kept_in_config = false;
}

/* Those of which the filesystem has none any more. */
static void drop_old_copies(const char *secrets, int copies)
{
	char from[64];
	struct dirent **names;
	int n;

	snprintf(from, sizeof(from), "/proc/self/fd/%d", copies);
	n = scandir(from, &names, config_is_secret, NULL);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", secrets, names[i]->d_name) < sizeof(path) &&
		    access(path, F_OK) < 0 && errno == ENOENT)
			unlinkat(copies, names[i]->d_name, 0);
	}
	if (n >= 0)
		config_names_free(names, n);
}

int place_copy_secrets(const struct source *src, struct err *e)
{
	demand(src->device, e);

	char path[PATH_MAX], to[64];
	int rc;

	snprintf(path, sizeof(path), "%s/secrets", src->where);
	snprintf(to, sizeof(to), "/proc/self/fd/%d/secrets", src->under);
	rc = config_copy_secrets(src->where, to, e);
	cleanup_close int copies = openat(src->under, "secrets", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copies >= 0)
		drop_old_copies(path, copies);
	return rc;
}
