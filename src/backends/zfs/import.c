/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bringing a zpool in, and giving it up. libvirt leaves both to the host; here a zpool whose disks are there
 * is imported by its guid, on the disks that bear its label and on no others, without a cache file, and
 * without mounting any of its filesystems. What was imported here is exported when the last pool on it stops;
 * what somebody else has imported stays.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include "backends/zfs/zfs.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/util.h"
#include "system/module.h"
#include "system/sysfs.h"
#include "system/uevent.h"

#define MEMBERS_WITHIN  SECONDS(5) /* after the last device that has come */
#define MEMBERS_AT_MOST SECONDS(20)

/* ---- notes in run_dir/zpools: who uses a zpool, and that we have imported it ---- */

/* "tank": imported here; "tank@UUID": the pool of that uuid uses it, and its dataset is what stands in it. */
static bool note_path(const struct pool_def *d, const struct op *op, bool user, char out[PATH_MAX])
{
	char zpool[ZFS_NAME], uuid[UUID_TEXT] = "";

	zfs_zpool(d, zpool);
	if (user)
		uuid_print(&d->uuid, uuid);
	return (size_t)snprintf(out, PATH_MAX, "%s/zpools/%s%s%s", op->run_dir, zpool, user ? "@" : "",
	                        uuid) < PATH_MAX;
}

static int note_add(const struct pool_def *d, const struct op *op, bool user, struct err *e)
{
	char path[PATH_MAX];

	const char *dataset = zfs_dataset(d);

	return note_path(d, op, user, path) ? file_replace(AT_FDCWD, path, dataset, strlen(dataset), 0644, e)
	                                    : 0;
}

static bool note_is_there(const struct pool_def *d, const struct op *op, bool user)
{
	char path[PATH_MAX];

	return note_path(d, op, user, path) && access(path, F_OK) == 0;
}

static void note_drop(const struct pool_def *d, const struct op *op, bool user)
{
	char path[PATH_MAX];

	if (note_path(d, op, user, path))
		unlink(path);
}

/* Two pools in one zpool start at once: one of them imports it. */
int zfs_lock(const struct pool_def *d, const struct op *op, struct err *e)
{
	char path[PATH_MAX], zpool[ZFS_NAME];

	zfs_zpool(d, zpool);
	if (!sysfs_path(path, sizeof(path), "%s/zpools", op->run_dir) || file_mkdirs(path, 0755, e) < 0 ||
	    !sysfs_path(path, sizeof(path), "%s/zpools/.%s", op->run_dir, zpool))
		return -1;

	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(e, errno, "cannot lock %s", path);
	return steal_fd(&fd);
}

/* Is the pool of that note in the dataset? One that does not say where it is may be. */
static bool note_is_inside(DIR *dir, const char *name, const char *dataset)
{
	char theirs[ZFS_NAME] = "";

	return file_read_line(dirfd(dir), name, theirs, sizeof(theirs)) <= 0 || streq(theirs, dataset) ||
	       zfs_is_inside(theirs, dataset);
}

bool zfs_is_shared(const struct pool_def *d, const struct op *op, const char *dataset)
{
	char path[PATH_MAX], own[PATH_MAX], zpool[ZFS_NAME];
	const struct dirent *entry;
	bool shared = false;
	DIR *dir;

	zfs_zpool(d, zpool);
	snprintf(path, sizeof(path), "%s/zpools", op->run_dir);
	dir = opendir(path);
	while (dir && note_path(d, op, true, own) && !shared && (entry = readdir(dir)))
		shared = starts_with(entry->d_name, zpool) && entry->d_name[strlen(zpool)] == '@' &&
		         !streq(entry->d_name, path_base(own)) && note_is_inside(dir, entry->d_name, dataset);
	if (dir)
		closedir(dir);
	return shared;
}

bool zfs_uses(const struct pool_def *d, const struct op *op)
{
	return note_is_there(d, op, true) || !note_is_there(d, op, false);
}

int zfs_claim(const struct pool_def *d, const struct op *op, struct err *e)
{
	return note_add(d, op, false, e);
}

void zfs_forget(const struct pool_def *d, const struct op *op)
{
	note_drop(d, op, true);
	note_drop(d, op, false);
}

/* ---- the driver, and who we are ---- */

#define HOSTID "/sys/module/spl/parameters/spl_hostid"

/* ZFS notes in a zpool which host has it, and refuses it to every other. A machine without /etc/hostid has no
 * number there, or one that changes with its addresses, and would be refused its own zpool after a power cut:
 * where the system is ours, it gets one of its own, made from what its firmware calls it. */
static void settle_hostid(const struct op *op)
{
	char text[80] = "", number[16];
	uint32_t id;

	if (!op->own_devices || access("/etc/hostid", F_OK) == 0 ||
	    file_read_line(AT_FDCWD, HOSTID, text, sizeof(text)) < 0 || !streq(text, "0") ||
	    file_read_line(AT_FDCWD, "/sys/class/dmi/id/product_uuid", text, sizeof(text)) <= 0 ||
	    !text[strspn(text, "0-")])
		return;
	id = (uint32_t)hash_text(0, text);
	snprintf(number, sizeof(number), "%u", id ? id : 1);
	file_poke(AT_FDCWD, HOSTID, number, NULL);
}

int zfs_load_driver(struct op *op, struct err *e)
{
	struct err why = { 0 };

	if (access("/dev/zfs", F_OK) < 0)
		module_load_wanted("zfs");
	if (access("/dev/zfs", F_OK) < 0) {
		err_set(&why, ERR_UNSUPPORTED,
		        "the kernel has no ZFS (no /dev/zfs): it needs the module zfs");
		module_explain("zfs", &why);
		return err_set(e, ERR_UNSUPPORTED, "%s", why.message);
	}
	settle_hostid(op);
	return 0;
}

/* ---- what zpool import would find ---- */

/* "zpool import …" with "-d NODE" for each disk of the zpool, and of those that do not say whose they are. */
struct import_words {
	const char *argv[2 * ZFS_DISKS + 16];
	size_t n;
};

static void import_word(struct import_words *w, const char *word)
{
	if (w->n < ARRAY_LEN(w->argv) - 1)
		w->argv[w->n++] = word;
}

static void import_words_make(struct import_words *w, const char *const *options, const struct zfs_members *m,
                              const char *guid)
{
	*w = (struct import_words){ .n = 0 };
	import_word(w, "zpool");
	import_word(w, "import");
	while (*options)
		import_word(w, *options++);
	for (size_t i = 0; i < m->n && w->n < 2 * ZFS_DISKS; i++)
		if (streq(m->list[i].guid, guid) || !m->list[i].guid[0]) {
			import_word(w, "-d");
			import_word(w, m->list[i].node);
		}
}

/* "   pool: tank", "     id: 123", "  state: ONLINE", " status: …", one block a zpool. */
bool zfs_offer_parse(char *text, const char *guid, char *state, size_t state_size, char *status,
                     size_t status_size)
{
	bool ours = false, found = false;

	state[0] = status[0] = '\0';
	for (char *line = text, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		end += *end ? (*end = '\0', 1) : 0;

		const char *word = line + strspn(line, " ");

		if (starts_with(word, "pool: "))
			ours = false;
		else if (starts_with(word, "id: "))
			found |= ours = streq(word + strlen("id: "), guid);
		else if (ours && starts_with(word, "state: "))
			snprintf(state, state_size, "%.*s", (int)strcspn(word + 7, " "), word + 7);
		else if (ours && starts_with(word, "status: "))
			snprintf(status, status_size, "%s", word + strlen("status: "));
	}
	return found;
}

/* What a look at the disks has told. */
struct zpool_offer {
	struct zfs_members members;
	char guid[ZFS_GUID], state[16], status[200];
};

static int offer_read(const struct pool_def *d, const char *zpool, struct zpool_offer *o, struct op *op,
                      struct err *e)
{
	static const char *const no_options[] = { NULL };
	cleanup_buf struct buf said = BUF_INIT;
	struct err why = { 0 };
	struct import_words w;

	zfs_members_free(&o->members);
	o->state[0] = o->status[0] = '\0';
	if (zfs_members_read(&o->members, op, e) < 0 ||
	    zfs_members_choose(&o->members, d, zpool, o->guid, e) < 0)
		return -1;
	if (!o->guid[0])
		return 0;
	import_words_make(&w, no_options, &o->members, o->guid);
	if (zfs_run(w.argv, op, &said, &why) < 0 && !strstr(why.message, "no pools available")) {
		if (e)
			*e = why;
		return -1;
	}
	if (said.data)
		zfs_offer_parse(said.data, o->guid, o->state, sizeof(o->state), o->status, sizeof(o->status));
	return 0;
}

/* Its last disks may be on their way: it is not used without them before, as long as devices come, and for a
 * moment after. */
static int await_members(const struct pool_def *d, const char *zpool, struct zpool_offer *o, struct op *op,
                         struct err *e)
{
	/* Opened before the first look, or the event could pass between the two. */
	cleanup_close int events = uevent_open(e);
	uint64_t last = least(op->deadline, clock_ms() + MEMBERS_AT_MOST);
	int rc = events < 0 ? -1 : offer_read(d, zpool, o, op, e);

	while (rc == 0 && o->guid[0] && !streq(o->state, "ONLINE") &&
	       uevent_disk_comes(events, least(last, clock_ms() + MEMBERS_WITHIN)))
		rc = offer_read(d, zpool, o, op, e);
	return rc;
}

static int say_zpool_absent(const char *zpool, const struct zpool_offer *o, struct err *e)
{
	char wait[ZFS_NAME + 8], first[160] = "";
	const char *silent = buf_str(&o->members.silent);

	snprintf(wait, sizeof(wait), "zpool=%.200s", zpool);
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(silent, "\n"), silent);
	if (!o->guid[0])
		return err_wait(e, *silent ? ERR_STORAGE : ERR_WAIT_DEVICE, wait,
		                "no disk bears the label of zpool \"%.100s\"%s%s", zpool,
		                *silent ? "; left out: " : "", first);
	return err_wait(e, ERR_WAIT_DEVICE, wait,
	                "zpool \"%.100s\" cannot be used with the disks that are there%s%s%s%s", zpool,
	                o->status[0] ? ": " : "", o->status, *silent ? "; left out: " : "", first);
}

/* ---- import, export ---- */

static int import_zpool(const struct pool_def *d, const char *zpool, struct op *op, struct err *e)
{
	static const char *const options[] = { "-N", "-o", "cachefile=none", NULL };
	struct zpool_offer o = { .guid = "" };
	struct import_words w;
	int rc = await_members(d, zpool, &o, op, e);

	if (rc == 0 && (!o.guid[0] || streq(o.state, "UNAVAIL") || streq(o.state, "FAULTED")))
		rc = say_zpool_absent(zpool, &o, e);
	if (rc == 0)
		rc = note_add(d, op, false, e);
	if (rc == 0) {
		import_words_make(&w, options, &o.members, o.guid);
		import_word(&w, o.guid);
		rc = zfs_run(w.argv, op, NULL, e);
		op->begun = zfs_is_imported(zpool);
		if (rc < 0 && !op->begun)
			note_drop(d, op, false);
	}
	if (rc < 0 && e && strstr(e->message, "another system"))
		err_wrap(e, ERR_BUSY,
		         "it is not taken from another host by force (if that one is gone for good: zpool "
		         "import "
		         "-f %.60s, then zpool export %.60s)",
		         zpool, zpool);
	zfs_members_free(&o.members);
	return rc;
}

/* One that somebody has imported may have the name of ours and be another: the disks of the definition tell.
 */
static int check_imported(const struct pool_def *d, const char *zpool, struct op *op, struct err *e)
{
	const char *const argv[] = { "zpool", "get", "-H", "-p", "-o", "value", "guid", zpool, NULL };
	cleanup_zfs_members struct zfs_members m = { 0 };
	cleanup_buf struct buf said = BUF_INIT;
	char guid[ZFS_GUID];

	if (d->source.ndevices == 0)
		return 0;
	if (zfs_members_read(&m, op, e) < 0 || zfs_members_choose(&m, d, zpool, guid, e) < 0 ||
	    zfs_run(argv, op, &said, e) < 0)
		return -1;
	if (!guid[0] || zfs_number(buf_str(&said)) == zfs_number(guid))
		return 0;
	return err_set(e, ERR_BUSY,
	               "another zpool of that name is imported, which is not on the definition's devices "
	               "(theirs has guid %s): export it, or import it under another name",
	               guid);
}

int zfs_bring_in(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_close int lock = zfs_lock(d, op, e);
	char zpool[ZFS_NAME];

	zfs_zpool(d, zpool);
	if (lock < 0 || zfs_load_driver(op, e) < 0)
		return -1;
	if ((zfs_is_imported(zpool) ? check_imported : import_zpool)(d, zpool, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot import zpool \"%s\"", zpool);
	return note_add(d, op, true, e);
}

/* Where all its disks are gone, export would wait for them for ever. */
static int export_zpool(const char *zpool, struct op *op, struct err *e)
{
	const char *const argv[] = { "zpool", "export", zpool, NULL };
	char state[16];

	if (zfs_kernel_state(zpool, state, sizeof(state)) && streq(state, "SUSPENDED"))
		return err_set(e, ERR_HUNG,
		               "its disks are gone with data that is not written: bring them back, and run "
		               "zpool clear "
		               "%.60s",
		               zpool);
	return zvols_are_free(zpool, e) < 0 ? -1 : zfs_run(argv, op, NULL, e);
}

int zfs_give_up(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_close int lock = zfs_lock(d, op, e);
	char zpool[ZFS_NAME];

	zfs_zpool(d, zpool);
	if (lock < 0)
		return -1;
	if (note_is_there(d, op, false) && !zfs_is_shared(d, op, zpool)) {
		if (zfs_is_imported(zpool) && export_zpool(zpool, op, e) < 0)
			return err_wrap(e, ERR_KEEP, "cannot export zpool \"%s\"", zpool);
		zvols_unlink(zpool, NULL, op);
		note_drop(d, op, false);
	}
	note_drop(d, op, true);
	return 0;
}
