/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Mounting a root, in a worker: find what root= names, see what is on it, mount it, and look whether a system
 * can live there. A root without an init, or without a place for /proc, is refused here, while the next one
 * of the list can still be tried: after the switch nobody could.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "base/buf.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/spawn.h"
#include "base/util.h"
#include "boot/root/root.h"
#include "boot/root/verity.h"
#include "pool/volume.h"
#include "system/btrfs.h"
#include "system/device.h"
#include "system/module.h"
#include "system/mount.h"

#define LOOP_TRIES 16
#define LAYERS     "/layers"

/* ---- what is mounted ---- */

/* rootfstype=, else what is on the device, which has to be one thing alone. */
static const char *fstype_of(const struct parameters *p, const char *node, struct device_content *content,
                             struct err *e)
{
	char text[192];

	if (device_content(node, content, e) < 0)
		return NULL;
	if (p->rootfstype)
		return p->rootfstype;
	if (streq(content->usage, "filesystem") && !content->all[0])
		return content->type;
	err_set(e, ERR_WRONG_FORMAT, "%s holds %s%s", node, device_content_text(content, text, sizeof(text)),
	        content->all[0] ? ": rootfstype= says which one is meant" : ", not a filesystem");
	return NULL;
}

/* In place of the node: one that is checked by roothash=, if that was given. A bad one is no reason to go on
 * without. */
static int check_root(const struct root_order *o, char *node, size_t size, struct err *e)
{
	const struct parameters *p = o->parameters;
	size_t n = (size_t)(o->root - p->roots.items);
	char hash[256], tree[256], checked[32];

	if (!p->roothash)
		return 0;
	roots_nth_word(p->roothash, n, hash, sizeof(hash));
	roots_nth_word(p->verityhash, n, tree, sizeof(tree));
	if (verity_open(node, hash, tree, checked, sizeof(checked), e) < 0)
		return -1;
	snprintf(node, size, "%s", checked);
	return 0;
}

static void tell_of_root(const struct root_order *o, const char *key, const char *value)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, key, value);
	worker_send_record(o->io, &b);
}

/* Only where it is asked for. Facts: fsck(8): 1 and 2 say that something was repaired. */
static int run_fsck(const struct root_order *o, const char *type, const char *node, struct err *e)
{
	const struct parameters *p = o->parameters;
	char program[80];
	const char *const argv[] = { program, "-a", node, p->fsck > 1 ? "-f" : NULL, NULL };
	struct tool t = { .argv = argv, .deadline = NEVER };
	int rc;

	snprintf(program, sizeof(program), "fsck.%s", type);
	tell_of_root(o, "fsck", "yes");
	rc = spawn_run(&t, e);
	tell_of_root(o, "fsck", "no");
	if (rc == 0 && t.status > 3)
		rc = err_set(e, ERR_WRONG_FORMAT, "%s %s: status %d: %s", program, node, t.status,
		             spawn_last_line(&t.err));
	tool_free(&t);
	return rc;
}

/* Programs, set-id bits and device nodes are meant on a root, unlike on what a pool mounts. */
static int mount_device_root(const struct root_order *o, const char *spec, struct err *e)
{
	const struct parameters *p = o->parameters;
	cleanup_buf struct buf options = BUF_INIT;
	struct device_content content;
	const char *type;
	char node[PATH_MAX];
	dev_t dev;

	if (device_find(spec, node, sizeof(node), &dev, e) < 0 || check_root(o, node, sizeof(node), e) < 0 ||
	    !(type = fstype_of(p, node, &content, e)))
		return -1;
	buf_printf(&options, "dev,suid,exec,%s",
	           p->root_writable && !p->roothash && !device_is_read_only(dev) ? "rw" : "ro");
	if (p->rootflags)
		buf_printf(&options, ",%s", p->rootflags);
	if (options.failed)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	/* What cannot be written cannot be repaired. */
	if (p->fsck && !p->roothash && !device_is_read_only(dev) && run_fsck(o, type, node, e) < 0)
		return -1;
	module_load_wanted(type);
	if (streq(type, "btrfs") && !p->roothash && btrfs_gather(node, content.uuid, e) < 0)
		return -1;
	if (mount_make(&(struct mount_request){ .fstype = type,
	                                        .source = node,
	                                        .target = ROOT_DIR,
	                                        .options = buf_str(&options) },
	               e) == 0)
		return 0;
	return e->sys == ENODEV ? module_explain(type, e) : -1;
}

/* The pool's mount once more, without the flags that keep programs from running. The pool keeps its own. */
static int mount_pool_root(const struct parameters *p, const char *target, struct err *e)
{
	unsigned long flags = MS_REMOUNT | MS_BIND | (p->root_writable ? 0 : MS_RDONLY);
	struct mount_entry m;
	int rc;

	if (p->roothash)
		return err_set(e, ERR_UNSUPPORTED, "roothash= is for a device, or a volume of a pool");
	rc = mountinfo_find(target, &m, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_INVALID, "nothing is mounted at %s: such a pool is no root", target);
	mount_entry_free(&m);
	if (file_mkdirs(ROOT_DIR, 0755, e) < 0)
		return -1;
	if (mount(target, ROOT_DIR, NULL, MS_BIND, NULL) < 0 || mount(NULL, ROOT_DIR, NULL, flags, NULL) < 0)
		return err_sys(e, errno, "cannot mount %s at " ROOT_DIR, target);
	return 0;
}

/* A loop device for an image file, read-only. It goes with its last user, so that it has to be mounted while
 * it is open: *fd. Facts: loop(4). */
static int attach_loop(const char *path, char *node, size_t size, int *fd, struct err *e)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR };
	cleanup_close int image = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int control = -1;

	if (image < 0)
		return err_sys(e, errno, "cannot open %s", path);
	module_load_wanted("loop");
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	config.fd = (uint32_t)image;
	for (int tries = 0; control >= 0 && tries < LOOP_TRIES; tries++) {
		snprintf(node, size, "/dev/loop%d", ioctl(control, (ioctl_request)LOOP_CTL_GET_FREE));
		*fd = open(node, O_RDONLY | O_CLOEXEC);
		if (*fd >= 0 && ioctl(*fd, (ioctl_request)LOOP_CONFIGURE, &config) == 0)
			return 0;
		if (*fd >= 0)
			close(steal_fd(fd));
		if (errno != EBUSY) /* else somebody was faster */
			break;
	}
	err_sys(e, errno, "cannot attach %s to a loop device", path);
	return errno == ENOENT ? module_explain("loop", e) : -1;
}

/* A volume that is a device is mounted as that, an image file through a loop device. Images of other formats
 * than raw are no devices, whatever is in them. */
static int mount_volume_root(struct root_order *o, struct err *e)
{
	cleanup_close int loop = -1;
	struct volume v;
	struct line l;
	char node[32];

	if (line_parse_reply(o->record, strlen(o->record), &l, e) < 0 || volume_from_record(&l, &v, e) < 0)
		return -1;
	if (v.path && streq(v.type, "block"))
		return mount_device_root(o, v.path, e);
	if (!v.path || !streq(v.type, "file") || !v.format || !streq(v.format, "raw"))
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" is neither a block device nor a raw image file",
		               o->root->volume);
	if (attach_loop(v.path, node, sizeof(node), &loop, e) < 0)
		return -1;
	return mount_device_root(o, node, e);
}

/* What is written to a pool that mounts nothing is in the initramfs, and gone at power-off. */
static int check_layers(const char *target, struct err *e)
{
	struct mount_entry m;
	int rc = mountinfo_find(target, &m, e);

	if (rc > 0)
		mount_entry_free(&m);
	if (rc == 0)
		err_set(e, ERR_INVALID, "nothing is mounted at %s: such a pool keeps no layers", target);
	return rc > 0 ? 0 : -1;
}

/* Where what is written goes: in memory, which is the new root's alone afterwards, and goes with it; or in
 * the pool, where it is found again at the next boot. */
static int find_layers(struct root_order *o, char *dir, size_t size, struct err *e)
{
	const struct root *in = &o->parameters->overlay;
	const char *below = in->volume;

	if (in->kind == ROOT_DEVICE)
		return err_set(e, ERR_INVALID, "overlay= names no place that can be written to");
	if (!in->name) {
		snprintf(dir, size, LAYERS);
		return mount("tmpfs", LAYERS, "tmpfs", 0, "mode=0755") < 0
		               ? err_sys(e, errno, "cannot mount memory")
		               : 0;
	}
	/* Its init may come out of the upper layer, which nobody checks. */
	if (o->parameters->roothash)
		return err_set(e, ERR_UNSUPPORTED,
		               "overlay=pool: would undo roothash=: there is overlay=memory");
	if (check_layers(o->layers, e) < 0)
		return -1;
	if ((size_t)snprintf(dir, size, "%s/%s", o->layers, below ? below : "") >= size ||
	    strpbrk(dir, ",:\\"))
		return err_set(e, ERR_INVALID, "%s cannot be a directory of layers", dir);
	return file_mkdirs_kept(dir, 0755, e);
}

/* Facts: the kernel's Documentation/filesystems/overlayfs.rst. */
static int lay_over(struct root_order *o, struct err *e)
{
	char dir[PATH_MAX], options[2 * PATH_MAX + 64], made[PATH_MAX + 8];
	int rc = -1;

	module_load_wanted("overlay");
	if (file_mkdirs(LAYERS, 0755, e) < 0 || find_layers(o, dir, sizeof(dir), e) < 0)
		return -1;
	for (const char *const *name = (const char *const[]){ "upper", "work", NULL }; *name; name++) {
		snprintf(made, sizeof(made), "%s/%s", dir, *name);
		mkdir(made, 0755);
	}
	mkdir(LAYERS "/root", 0755);
	snprintf(options, sizeof(options), "lowerdir=" ROOT_DIR ",upperdir=%s/upper,workdir=%s/work", dir,
	         dir);
	if (mount("overlay", LAYERS "/root", "overlay", 0, options) < 0)
		err_sys(e, errno, "overlay: cannot lay %s over the root", dir);
	else if (umount2(ROOT_DIR, MNT_DETACH) < 0 ||
	         mount(LAYERS "/root", ROOT_DIR, NULL, MS_MOVE, NULL) < 0)
		err_sys(e, errno, "overlay: cannot take the place of the root");
	else
		rc = 0;
	umount2(LAYERS, MNT_DETACH);
	return rc < 0 && e->sys == ENODEV ? module_explain("overlay", e) : rc;
}

/* ---- can a system live there? ---- */

/* A regular file that somebody may execute, by the links of the new root. */
static bool is_executable(int root, const char *path)
{
	cleanup_close int fd = file_open_how(root, path, O_PATH, ROOT_LINKS);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

/* init=, else the first of those that the kernel tries; a shell is not among ours, as nobody would have asked
 * for one. NULL: there is none. */
static const char *find_init(const struct parameters *p, int root, struct err *e)
{
	static const char *const inits[] = { "/sbin/init", "/etc/init", "/bin/init" };

	for (size_t i = 0; i < (p->init ? 1 : ARRAY_LEN(inits)); i++) {
		const char *path = p->init ? p->init : inits[i];

		if (is_executable(root, path))
			return path;
	}
	err_set(e, ERR_WRONG_FORMAT, "there is no program %s on it: %s", p->init ? p->init : inits[0],
	        p->init ? "init= names another one" : "is it a root?");
	return NULL;
}

/* The switch moves the kernel's filesystems there. */
static int make_places(int root, struct err *e)
{
	static const char *const places[] = { "dev", "proc", "sys", "run" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (mkdirat(root, places[i], 0755) < 0 &&
		    (fstatat(root, places[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
			return err_set(e, ERR_WRONG_FORMAT, "there is no directory /%s on it: is it a root?",
			               places[i]);
	return 0;
}

static int tell_init(const struct root_order *o, struct err *e)
{
	cleanup_close int root = open(ROOT_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *init = root < 0 ? NULL : find_init(o->parameters, root, e);

	if (root < 0)
		return err_sys(e, errno, "cannot open " ROOT_DIR);
	if (!init || make_places(root, e) < 0)
		return -1;
	tell_of_root(o, "init", init);
	return 0;
}

int root_mount(struct worker_io *io, void *arg, struct err *e)
{
	struct root_order *o = arg;
	int rc;

	o->io = io;
	umount2(ROOT_DIR, MNT_DETACH); /* of a supervisor that was killed in between */
	if (o->root->kind == ROOT_POOL)
		rc = mount_pool_root(o->parameters, o->target, e);
	else if (o->root->kind == ROOT_VOLUME)
		rc = mount_volume_root(o, e);
	else
		rc = mount_device_root(o, o->root->name, e);
	if (rc == 0 && o->parameters->root_overlay)
		rc = lay_over(o, e);
	if (rc == 0)
		rc = tell_init(o, e);
	if (rc == 0 && o->parameters->tries)
		rc = tries_count(o->sup, io, o->root->text, o->parameters->tries, e);
	if (rc < 0)
		umount2(ROOT_DIR, MNT_DETACH);
	if (o->parameters->roothash)
		verity_over(rc);
	return rc;
}
