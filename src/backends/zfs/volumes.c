/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zvols listed, made, removed, given another size. Each change is one command of zfs's, which is done whole
 * or not at all. What takes more than one bears a property of ours until it is done: a volume that is being
 * made, which nobody sees meanwhile, and one that is being cloned.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/zfs/zfs.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/sysfs.h"
#include "system/uevent.h"
#include "volumes/block.h"

#define UNFINISHED "poolinit:unfinished" /* its own name: it is being made, or that was broken off */
#define CLONING    "poolinit:cloning"    /* the clone of it that is being made */
#define BLOCK      (16 * 1024)           /* volblocksize of a new volume, or a multiple of that */

/* ---- listing ---- */

/* A row of zfs list. */
enum column {
	C_TYPE,
	C_NAME,
	C_USED,
	C_AVAILABLE,
	C_SIZE,
	C_ORIGIN,
	C_KEY,
	C_UNFINISHED,
	C_CLONING,
	COLUMNS
};
static const char column_words[] = "type,name,used,available,volsize,origin,keystatus," UNFINISHED
				   "," CLONING;

static int list_zvols(const char *dataset, struct buf *out, struct op *op, struct err *e)
{
	const char *const argv[] = { "zfs", "list",       "-H",    "-p", "-r", "-t", "filesystem,volume",
		                     "-o",  column_words, dataset, NULL };

	return zfs_run(argv, op, out, e);
}

/* A volume of a dataset further down has its way there in its name: "db/a". So no two have the same. */
static void zvol_report(const char *dataset, char *const *f, struct op *op)
{
	char path[PATH_MAX], backing[PATH_MAX], origin[ZFS_NAME];
	struct volume v = { .name = f[C_NAME] + strlen(dataset) + 1,
		            .type = "block",
		            .key = f[C_NAME],
		            .path = path,
		            .capacity = zfs_number(f[C_SIZE]),
		            .allocation = zfs_number(f[C_USED]) };
	struct stat st;

	v.physical = v.capacity;
	zvol_path(f[C_NAME], path);
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
		v.has_perms = true;
		v.mode = st.st_mode & 07777;
		v.owner = st.st_uid;
		v.group = st.st_gid;
	} else if (streq(f[C_KEY], "unavailable")) {
		v.problem = "it is encrypted, and its key is not loaded";
	} else {
		v.problem = "the kernel has no device for it";
	}
	snprintf(origin, sizeof(origin), "%.*s", (int)strcspn(f[C_ORIGIN], "@"), f[C_ORIGIN]);
	if (strchr(f[C_ORIGIN], '@')) {
		zvol_path(origin, backing);
		v.backing = backing;
	}
	op->on_volume(op, &v);
}

/* Was the volume of that name being made by this pool, or by one that is not active now? A dataset further
 * down may be another pool's, which is at work there. What a property says need not be a name. */
static bool is_left_over(const struct pool_def *d, const struct op *op, const char *name)
{
	char zpool[ZFS_NAME], parent[ZFS_NAME];

	zfs_zpool(d, zpool);
	if (!zfs_is_inside(name, zpool))
		return false;
	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(name, '/') - name), name);
	return streq(parent, zfs_dataset(d)) || !zfs_is_shared(d, op, parent);
}

/* Properties are inherited, and go with a volume that is sent elsewhere: so the mark has a name in it. */
static bool zvol_is_unfinished(char *const *f)
{
	return streq(f[C_UNFINISHED], f[C_NAME]);
}

/* The same, asked again before it is removed: a property of another volume that has newlines and tabs in it
 * looks like rows of the list. */
static bool zvol_says_unfinished(const char *name, struct op *op)
{
	char mark[ZFS_NAME];

	return zfs_get(name, UNFINISHED, mark, sizeof(mark), op, NULL) == 0 && streq(mark, name);
}

/* What a worker that was killed has left. */
static void sweep_zvol(const struct pool_def *d, char *const *f, struct op *op)
{
	const char *const remove[] = { "zfs", "destroy", f[C_NAME], NULL };
	const char *const done[] = { "zfs", "inherit", CLONING, f[C_NAME], NULL };
	char snapshot[2 * ZFS_NAME];
	const char *const release[] = { "zfs", "destroy", "-d", snapshot, NULL };
	struct err why = { 0 };

	if (zvol_is_unfinished(f) && is_left_over(d, op, f[C_NAME])) {
		if (!zvol_says_unfinished(f[C_NAME], op))
			return;
		if (zfs_run(remove, op, NULL, &why) < 0)
			op_note(op, "\"%s\" should be removed, and cannot be: %s", f[C_NAME], why.message);
		else
			op_note(op, "volume \"%s\" was removed: its making had been broken off", f[C_NAME]);
	} else if (!zvol_is_unfinished(f) && is_left_over(d, op, f[C_CLONING])) {
		snprintf(snapshot, sizeof(snapshot), "%s@poolinit-%s", f[C_NAME], path_base(f[C_CLONING]));
		zfs_run(release, op, NULL, NULL); /* a clone may have been made, and removed with it */
		zfs_run(done, op, NULL, NULL);
	}
}

/* Of the dataset: what its volumes take, and what there is still to be had. */
int zfs_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	const char *dataset = zfs_dataset(d);
	cleanup_buf struct buf said = BUF_INIT;
	char zpool[ZFS_NAME], state[16], *text, *f[COLUMNS];
	size_t n;

	zfs_zpool(d, zpool);
	if (zfs_kernel_state(zpool, state, sizeof(state)) && streq(state, "SUSPENDED"))
		return err_set(e, ERR_STORAGE, "zpool \"%s\" is suspended: it waits for its disks", zpool);
	zvols_link(zpool, op);
	if (list_zvols(dataset, &said, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot list the volumes of \"%s\"", dataset);
	text = said.data;
	while ((n = zfs_row(&text, f, COLUMNS)) > 0) {
		if (n != COLUMNS) /* a piece of a property that has newlines in it */
			continue;
		if (streq(f[C_NAME], dataset)) {
			sizes->allocation = zfs_number(f[C_USED]);
			sizes->available = zfs_number(f[C_AVAILABLE]);
			sizes->capacity = sizes->allocation + sizes->available;
		}
		if (!streq(f[C_TYPE], "volume") || !zfs_is_inside(f[C_NAME], dataset))
			continue;
		if (op->sweep)
			sweep_zvol(d, f, op);
		if (!zvol_is_unfinished(f))
			zvol_report(dataset, f, op);
	}
	return 0;
}

/* ---- create ---- */

struct new_zvol {
	const struct pool_def *d;
	const struct volume_def *v;
	const struct vol_input *from;
	unsigned flags;
	struct op *op;
	char zpool[ZFS_NAME], name[ZFS_NAME], path[PATH_MAX];
	char origin[ZFS_NAME]; /* what it is a clone of; or "" */
	uint64_t size;
};

/* How many bytes a volume has now, and how many its size is a multiple of: what the index has may be older.
 * Of what is no volume the first is 0. */
static int measure_zvol(const char *name, uint64_t *size, uint64_t *unit, struct op *op, struct err *e)
{
	char text[24];

	if (zfs_get(name, "volsize", text, sizeof(text), op, e) < 0)
		return -1;
	*size = zfs_number(text);
	if (zfs_get(name, "volblocksize", text, sizeof(text), op, e) < 0)
		return -1;
	*unit = larger(zfs_number(text), 512);
	return 0;
}

static uint64_t round_up(uint64_t size, uint64_t unit)
{
	return (least(size, UINT64_MAX - unit) + unit - 1) / unit * unit;
}

/* The dataset of this zpool that a path or a name means; "": none. */
static void own_dataset(const struct new_zvol *m, const char *what, char out[ZFS_NAME])
{
	size_t n;

	if (starts_with(what, ZVOL_DIR "/")) {
		n = strlen(what) - strlen(ZVOL_DIR "/");
		zvol_dataset(what, out);
	} else {
		n = (size_t)snprintf(out, ZFS_NAME, "%s/%s", zfs_dataset(m->d), what);
	}
	if (n >= ZFS_NAME || !zfs_is_inside(out, m->zpool))
		out[0] = '\0';
}

/* With a backing store it is a clone of that. One that is to share the blocks of its input is one, too. */
static int settle_clone(struct new_zvol *m, struct err *e)
{
	const char *what = m->v->backing.given && !m->from ? m->v->backing.path : NULL;
	uint64_t size = 0, unit = 0;

	if ((m->flags & VOL_REFLINK) && m->from) {
		what = m->from->volume->path;
		m->from = NULL;
	}
	if (!what)
		return 0;
	own_dataset(m, what, m->origin);
	if (!m->origin[0] || measure_zvol(m->origin, &size, &unit, m->op, NULL) < 0 || !size)
		return err_set(e, ERR_INVALID,
		               "%.200s is no volume of zpool \"%.100s\": only a volume of the same zpool "
		               "can be cloned",
		               what, m->zpool);
	if (m->size < size && m->v->has_capacity && !(m->flags & VOL_REFLINK))
		return err_set(e, ERR_INVALID,
		               "its capacity would be smaller than the %" PRIu64
		               " bytes of %s, of which it is a clone",
		               size, m->origin);
	m->size = round_up(larger(m->size, size), unit);
	return 0;
}

/* Everything that can be refused before anything is made. */
static int check_new(struct new_zvol *m, struct err *e)
{
	const struct volume_def *v = m->v;

	if (!zfs_check_part(v->name) ||
	    snprintf(m->name, sizeof(m->name), "%s/%s", zfs_dataset(m->d), v->name) >= (int)sizeof(m->name))
		return err_set(e, ERR_INVALID,
		               "\"%.200s\" is no name of a volume: letters, digits and _ - : . make one, of "
		               "255 bytes "
		               "with the dataset's at most",
		               v->name);
	if (v->encryption.format)
		return err_set(e, ERR_UNSUPPORTED,
		               "an encrypted volume is one of a dataset that is encrypted: make "
		               "that with zfs, and a pool of it");
	if (v->other_format && !streq(v->other_format, "raw"))
		return err_set(e, ERR_UNSUPPORTED,
		               "a zvol is raw: an image of format \"%.40s\" can be uploaded into one",
		               v->other_format);
	if (m->flags & VOL_PREALLOC_METADATA)
		return err_set(e, ERR_UNSUPPORTED, "a zvol has no tables to be made in advance");
	if (v->perms.label)
		op_note(m->op, "the label of volume \"%s\" is not set: a device's is set by its host",
		        v->name);
	m->size = round_up(v->capacity, BLOCK);
	zvol_path(m->name, m->path);
	if (settle_clone(m, e) < 0)
		return -1;
	return m->size ? 0 : err_set(e, ERR_INVALID, "the capacity must be given, and not be 0");
}

/* Less allocation than capacity makes it sparse, as in libvirt. */
static int make_plain(struct new_zvol *m, struct err *e)
{
	const struct volume_def *v = m->v;
	char size[24], reserved[48], mark[ZFS_NAME + 32];
	const char *argv[16] = { "zfs", "create", "-o", "volmode=dev" };
	size_t n = 4;

	if (v->has_allocation && v->allocation < v->capacity) {
		argv[n++] = "-s";
		if (v->allocation) {
			snprintf(reserved, sizeof(reserved), "refreservation=%" PRIu64, v->allocation);
			argv[n++] = "-o";
			argv[n++] = reserved;
		}
	}
	argv[n++] = "-o";
	argv[n++] = mark;
	snprintf(mark, sizeof(mark), UNFINISHED "=%s", m->name);
	snprintf(size, sizeof(size), "%" PRIu64, m->size);
	argv[n++] = "-V";
	argv[n++] = size;
	argv[n++] = m->name;
	argv[n] = NULL;
	return zfs_run(argv, m->op, NULL, e);
}

/* A snapshot that goes with its last clone. */
static int make_clone(struct new_zvol *m, struct err *e)
{
	char mark[ZFS_NAME + 32], unfinished[ZFS_NAME + 32], snapshot[2 * ZFS_NAME + 16], size[40];
	const char *const marked[] = { "zfs", "set", mark, m->origin, NULL };
	const char *const frozen[] = { "zfs", "snapshot", snapshot, NULL };
	const char *const cloned[] = { "zfs",      "clone",  "-o",    "volmode=dev", "-o",
		                       unfinished, snapshot, m->name, NULL };
	const char *const released[] = { "zfs", "destroy", "-d", snapshot, NULL };
	const char *const unmarked[] = { "zfs", "inherit", CLONING, m->origin, NULL };
	const char *const grown[] = { "zfs", "set", size, m->name, NULL };
	const char *const unmade[] = { "zfs", "destroy", m->name, NULL };
	bool frozen_now;
	int rc;

	snprintf(mark, sizeof(mark), CLONING "=%s", m->name);
	snprintf(unfinished, sizeof(unfinished), UNFINISHED "=%s", m->name);
	snprintf(snapshot, sizeof(snapshot), "%s@poolinit-%s", m->origin, m->v->name);
	snprintf(size, sizeof(size), "volsize=%" PRIu64, m->size);
	rc = zfs_run(marked, m->op, NULL, e);
	frozen_now = rc == 0 && zfs_run(frozen, m->op, NULL, e) == 0;
	rc = frozen_now ? zfs_run(cloned, m->op, NULL, e) : -1;
	if (frozen_now)
		zfs_run(released, m->op, NULL, NULL);
	zfs_run(unmarked, m->op, NULL, NULL);
	if (rc == 0 && zfs_run(grown, m->op, NULL, e) < 0) {
		zfs_run(unmade, m->op, NULL, NULL);
		rc = -1;
	}
	return rc;
}

static int fill_zvol(struct new_zvol *m, struct err *e)
{
	return zvol_is_at(m->path, e) == 0 ? block_vol_fill(m->path, m->d, m->v, m->from, m->op, e) : -1;
}

/* One whose command had no time to say that it has made it keeps its mark, and the next sweep removes it. */
static int make_zvol(struct new_zvol *m, struct err *e)
{
	const char *const whole[] = { "zfs", "inherit", UNFINISHED, m->name, NULL };
	const char *const unmade[] = { "zfs", "destroy", m->name, NULL };
	cleanup_close int events = uevent_open(e);
	char type[16];

	if (events < 0)
		return -1;
	if (zfs_get(m->name, "type", type, sizeof(type), m->op, NULL) == 0)
		return err_set(e, ERR_EXISTS, "there is a dataset \"%s\" already", m->name);
	if ((m->origin[0] ? make_clone(m, e) : make_plain(m, e)) < 0)
		return -1;
	if (zvols_await(m->zpool, m->path, events, m->op, e) == 0 && block_vol_perms(m->path, m->v, e) == 0 &&
	    (!m->from || fill_zvol(m, e) == 0) && zfs_run(whole, m->op, NULL, e) == 0)
		return 0;
	zfs_run(unmade, m->op, NULL, NULL);
	return -1;
}

int zfs_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                   const struct vol_input *from, unsigned flags, struct err *e)
{
	demand(op && v->name, e);

	struct new_zvol m = { .d = d, .v = v, .from = from, .flags = flags, .op = op };

	zfs_zpool(d, m.zpool);
	if (check_new(&m, e) == 0 && make_zvol(&m, e) == 0)
		return 0;
	return err_wrap(e, ERR_KEEP, "cannot make volume \"%s\" in pool \"%s\"", v->name, d->name);
}

/* ---- delete, resize ---- */

static int change_zvol(const char *const *argv, struct op *op, struct err *e)
{
	struct err why = { 0 };

	if (zfs_run(argv, op, NULL, &why) == 0)
		return 0;
	if (e) {
		*e = why;
		if (strstr(why.message, "does not exist"))
			e->class = ERR_NO_VOLUME;
	}
	return -1;
}

/* Whoever has just looked at the device (udev does, when it was written to) may have it open for a moment
 * more. */
int zfs_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e)
{
	demand(v->name && v->path, e);

	char name[ZFS_NAME], zpool[ZFS_NAME];
	const char *const argv[] = { "zfs", "destroy", name, NULL };
	struct err why = { .message = "is busy" };
	uint64_t size = 0, unit;

	zfs_zpool(d, zpool);
	snprintf(name, sizeof(name), "%s/%s", zfs_dataset(d), v->name);
	if (measure_zvol(name, &size, &unit, op, NULL) == 0 && !size)
		return err_set(e, ERR_NO_VOLUME, "cannot remove volume \"%s\": \"%s\" is no volume now",
		               v->name, name);
	for (int tries = 0; tries < 5 && strstr(why.message, "is busy"); tries++) {
		err_clear(&why);
		if (zvol_is_free(v->path, &why) < 0)
			break;
		if (change_zvol(argv, op, &why) == 0) {
			zvols_unlink(zpool, v->path, op);
			return 0;
		}
	}
	if (e)
		*e = why;
	return err_wrap(e, ERR_KEEP, "cannot remove volume \"%s\"", v->name);
}

static int resize_zvol(const char *name, const struct volume *v, uint64_t capacity, unsigned flags,
                       struct op *op, struct err *e)
{
	char size[40];
	const char *const argv[] = { "zfs", "set", size, name, NULL };
	const char *const whole[] = { "zfs", "set", "refreservation=auto", name, NULL };
	uint64_t now, unit;

	if (measure_zvol(name, &now, &unit, op, e) < 0)
		return -1;
	if (capacity > UINT64_MAX - unit)
		return err_set(e, ERR_INVALID, "no volume can be so large");
	capacity = round_up(capacity, unit);
	if (capacity < now && !(flags & VOL_SHRINK))
		return err_set(e, ERR_INVALID,
		               "it has %" PRIu64
		               " bytes: to make it smaller has to be said (--shrink), for what is "
		               "behind its new end is lost",
		               now);
	if (capacity < now && zvol_is_free(v->path, e) < 0)
		return -1;
	snprintf(size, sizeof(size), "volsize=%" PRIu64, capacity);
	if (change_zvol(argv, op, e) < 0)
		return -1;
	return flags & VOL_ALLOCATE ? change_zvol(whole, op, e) : 0;
}

int zfs_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                   unsigned flags, struct err *e)
{
	demand(v->name && v->path && !(flags & ~(unsigned)(VOL_ALLOCATE | VOL_SHRINK)), e);

	char name[ZFS_NAME];

	snprintf(name, sizeof(name), "%s/%s", zfs_dataset(d), v->name);
	return resize_zvol(name, v, capacity, flags, op, e) < 0
	               ? err_wrap(e, ERR_KEEP, "cannot resize volume \"%s\"", v->name)
	               : 0;
}

/* ---- content ---- */

int zfs_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                 struct err *e)
{
	return zvol_is_at(v->path, e) < 0 ? -1 : block_vol_wipe(d, op, v, algorithm, e);
}

int zfs_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                 struct err *e)
{
	return zvol_is_at(v->path, e) < 0 ? -1 : block_vol_open(d, op, v, write, size, e);
}
