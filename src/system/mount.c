/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Mounting, from options to errors: options are sorted into those of the mount and those of the filesystem; a
 * filesystem context is made, configured and attached (fsopen, fsconfig, fsmount, move_mount); what the
 * kernel wrote on the context goes into the error. Taking it away: unmount.c.
 *
 * With the mount API each option is given by itself, so that a refusal names the option, and a password
 * passes as a value of its own that no table of mounts shows. The target is an open descriptor from
 * beginning to end: nobody can put another directory in its place.
 */
#include "system/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/target.h"

/* The kernel's mount API (include/uapi/linux/mount.h). C libraries disagree about who declares it, so it is
 * spelt out here. */
enum {
	CONTEXT_CLOEXEC = 1,
	MOUNT_FD_CLOEXEC = 1,
	CONFIG_FLAG = 0,
	CONFIG_STRING = 1,
	CONFIG_CREATE = 6,
	FROM_EMPTY = 0x04,
	TO_EMPTY = 0x40
};
enum {
	A_RDONLY = 0x1,
	A_NOSUID = 0x2,
	A_NODEV = 0x4,
	A_NOEXEC = 0x8,
	A_ATIME = 0x70,
	A_NOATIME = 0x10,
	A_STRICTATIME = 0x20,
	A_NODIRATIME = 0x80,
	A_NOSYMFOLLOW = 0x200000
};
#define KERNELS_OWN 512 /* where its errors begin that no program should see (include/linux/errno.h) */
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

/* ---- options ---- */

/* Options that are the mount's own, as mount(8) names them. `super`: the filesystem is told as well, under
 * the same name. "silent" and "iversion" are flags of mount(2) alone: the new API has neither
 * (common_set_sb_flag in fs/fs_context.c). */
/* clang-format off */
static const struct flag {
	const char *name;
	unsigned set, clear;            /* of the new API's attributes */
	unsigned long ms_set, ms_clear; /* of mount(2)'s flags */
	bool super;
} flags[] = {
	{ "ro",          A_RDONLY,      0,            MS_RDONLY,      0,               true },
	{ "rw",          0,             A_RDONLY,     0,              MS_RDONLY,       true },
	{ "nosuid",      A_NOSUID,      0,            MS_NOSUID,      0,               false },
	{ "suid",        0,             A_NOSUID,     0,              MS_NOSUID,       false },
	{ "nodev",       A_NODEV,       0,            MS_NODEV,       0,               false },
	{ "dev",         0,             A_NODEV,      0,              MS_NODEV,        false },
	{ "noexec",      A_NOEXEC,      0,            MS_NOEXEC,      0,               false },
	{ "exec",        0,             A_NOEXEC,     0,              MS_NOEXEC,       false },
	{ "noatime",     A_NOATIME,     A_ATIME,      MS_NOATIME,     MS_STRICTATIME,  false },
	{ "strictatime", A_STRICTATIME, A_ATIME,      MS_STRICTATIME, MS_NOATIME,      false },
	{ "relatime",    0,             A_ATIME,      MS_RELATIME,    MS_NOATIME | MS_STRICTATIME, false },
	{ "norelatime",  0,             0,            0,              MS_RELATIME,     false },
	{ "nostrictatime", 0,           A_STRICTATIME, 0,             MS_STRICTATIME,  false },
	{ "atime",       0,             A_ATIME,      0,              MS_NOATIME,      false },
	{ "nodiratime",  A_NODIRATIME,  0,            MS_NODIRATIME,  0,               false },
	{ "diratime",    0,             A_NODIRATIME, 0,              MS_NODIRATIME,   false },
	{ "nosymfollow", A_NOSYMFOLLOW, 0,            MS_NOSYMFOLLOW, 0,               false },
	{ "sync",        0, 0, MS_SYNCHRONOUS, 0,              true },
	{ "async",       0, 0, 0,              MS_SYNCHRONOUS, true },
	{ "dirsync",     0, 0, MS_DIRSYNC,     0,              true },
	{ "lazytime",    0, 0, MS_LAZYTIME,    0,              true },
	{ "nolazytime",  0, 0, 0,              MS_LAZYTIME,    true },
	{ "mand",        0, 0, MS_MANDLOCK,    0,              true },
	{ "nomand",      0, 0, 0,              MS_MANDLOCK,    true },
	{ "silent",      0, 0, MS_SILENT,      0,              false },
	{ "loud",        0, 0, 0,              MS_SILENT,      false },
	{ "iversion",    0, 0, MS_I_VERSION,   0,              false },
	{ "noiversion",  0, 0, 0,              MS_I_VERSION,   false },
};
/* clang-format on */

/* Options that only mean something to mount(8) and service managers. */
static const char *const ignored[] = { "defaults", "auto",   "noauto",  "nofail",  "_netdev",
	                               "user",     "nouser", "users",   "nousers", "owner",
	                               "noowner",  "group",  "nogroup", "seclabel" };

/* Those that go on behind these words. */
static const char *const ignored_prefixes[] = { "x-", "X-", "comment=", "uhelper=", "helper=" };

/* They change what is seen at the target, and are not done here: the kernel refuses them by name, and a pool
 * does not show another directory than the one that was meant. */
static const char *const meaningful[] = { "X-mount.subdir=", "X-mount.idmap=" };

/* Options of a security module, and the filesystem that the kernel has where that module is on. A definition
 * may come from a host that has it: elsewhere they mean nothing, and no filesystem takes them. */
static const struct {
	const char *prefix, *fstype;
} secure[] = {
	{ "context=", "selinuxfs" },     { "fscontext=", "selinuxfs" }, { "defcontext=", "selinuxfs" },
	{ "rootcontext=", "selinuxfs" }, { "smackfs", "smackfs" },
};

struct options {
	unsigned attributes;
	unsigned long ms;
	struct buf list; /* the filesystem's: "key\0" or "key=value\0", one after the other */
};

/* The next option of a comma-separated list. Double quotes keep commas together and are dropped. False at the
 * end. */
static bool option_next(const char **p, struct buf *out)
{
	bool quoted = false;

	buf_reset(out);
	while (**p == ',')
		++*p;
	if (!**p)
		return false;
	for (; **p && (quoted || **p != ','); ++*p) {
		if (**p == '"')
			quoted = !quoted;
		else
			buf_addc(out, **p);
	}
	return true;
}

/* NULL: it is the filesystem's own option. */
static const struct flag *flag_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (streq(flags[i].name, name))
			return &flags[i];
	return NULL;
}

/* An option that nobody below us understands, and that means nothing to us. */
static bool is_ignored(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(meaningful); i++)
		if (starts_with(name, meaningful[i]))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(ignored_prefixes); i++)
		if (starts_with(name, ignored_prefixes[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		if (streq(ignored[i], name))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(secure); i++)
		if (starts_with(name, secure[i].prefix))
			return !mount_type_known(secure[i].fstype);
	return false;
}

/* Sort the options. The three that protect are set first, so that the definition's own can take them back. */
static int options_read(const char *text, struct options *o, struct err *e)
{
	cleanup_buf struct buf one = BUF_INIT;

	o->attributes = A_NODEV | A_NOSUID | A_NOEXEC;
	o->ms = MS_NODEV | MS_NOSUID | MS_NOEXEC;
	while (text && option_next(&text, &one)) {
		const struct flag *f = flag_find(buf_str(&one));

		if (f) {
			o->attributes = (o->attributes & ~f->clear) | f->set;
			o->ms = (o->ms & ~f->ms_clear) | f->ms_set;
		}
		if (f ? f->super : one.len && !is_ignored(buf_str(&one)))
			buf_add(&o->list, buf_str(&one), one.len + 1);
	}
	if (o->list.failed || one.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot read mount options: out of memory");
	return 0;
}

const char *mount_option_value(const char *options, const char *name, char *out, size_t size)
{
	demand_or(name && out && size > 0, NULL);

	cleanup_buf struct buf one = BUF_INIT;
	const char *found = NULL;
	size_t len = strlen(name);

	while (options && option_next(&options, &one)) {
		const char *text = buf_str(&one);

		if (strncmp(text, name, len) != 0 || (text[len] && text[len] != '='))
			continue;
		snprintf(out, size, "%s", text[len] ? text + len + 1 : "");
		found = out; /* the last one counts, as it does in the kernel */
	}
	return found;
}

/* ---- errors ---- */

/* What an errno of a mount means: it depends on whether a device or a server gave it. */
static const struct cause {
	int sys;
	enum err_class device, server;
	const char *device_text, *server_text; /* NULL: strerror() says it */
} causes[] = {
	{ EINVAL, ERR_WRONG_FORMAT, ERR_INVALID,
	  "no such filesystem on it, it is damaged, or an option is wrong", "an option is wrong" },
	{ ENOENT, ERR_WAIT_DEVICE, ERR_STORAGE, NULL, "the server has no such export or share" },
	{ ENXIO, ERR_WAIT_DEVICE, ERR_STORAGE, "the device is not ready", NULL },
	{ ENOMEDIUM, ERR_WAIT_DEVICE, ERR_STORAGE, NULL, NULL },
	{ ENOTBLK, ERR_WRONG_FORMAT, ERR_STORAGE, "it is not a block device", NULL },
	{ ENODEV, ERR_UNSUPPORTED, ERR_UNSUPPORTED, "this kernel has no such filesystem",
	  "this kernel has no such filesystem" },
	{ EBUSY, ERR_BUSY, ERR_BUSY, "the device is in use", NULL },
	/* btrfs */
	{ EEXIST, ERR_BUSY, ERR_STORAGE, "a filesystem with the same UUID is mounted already", NULL },
	{ EACCES, ERR_READ_ONLY, ERR_AUTH, "the device is write-protected (add the mount option ro)",
	  "the server refused" },
	{ EPERM, ERR_DENIED, ERR_AUTH, NULL, "the server refused" },
	{ EROFS, ERR_READ_ONLY, ERR_READ_ONLY, "the device is write-protected (add the mount option ro)",
	  NULL },
	{ EUCLEAN, ERR_STORAGE, ERR_STORAGE, "the filesystem is damaged: have it checked", NULL },
	{ EBADMSG, ERR_STORAGE, ERR_STORAGE, "the filesystem is damaged: have it checked", NULL },
	{ EKEYREJECTED, ERR_STORAGE, ERR_AUTH, NULL, "the server refused" },
	{ ENOKEY, ERR_STORAGE, ERR_AUTH, NULL, NULL },
	{ ETIMEDOUT, ERR_STORAGE, ERR_WAIT_SERVER, NULL, "the server does not answer" },
	{ ECONNREFUSED, ERR_STORAGE, ERR_WAIT_SERVER, NULL, NULL },
	{ ECONNRESET, ERR_STORAGE, ERR_WAIT_SERVER, NULL, NULL },
	{ ECONNABORTED, ERR_STORAGE, ERR_WAIT_SERVER, NULL, NULL },
	{ EHOSTDOWN, ERR_STORAGE, ERR_WAIT_SERVER, NULL, "the server does not answer as it should" },
	{ EHOSTUNREACH, ERR_STORAGE, ERR_WAIT_SERVER, NULL, NULL },
	{ EAGAIN, ERR_STORAGE, ERR_WAIT_SERVER, NULL, NULL },
	{ ENETUNREACH, ERR_STORAGE, ERR_WAIT_NETWORK, NULL, NULL },
	{ ENETDOWN, ERR_STORAGE, ERR_WAIT_NETWORK, NULL, NULL },
	{ EPROTONOSUPPORT, ERR_UNSUPPORTED, ERR_UNSUPPORTED, NULL, "the server does not speak this version" },
	{ EOPNOTSUPP, ERR_UNSUPPORTED, ERR_UNSUPPORTED, NULL, NULL },
	{ ENOMEM, ERR_NO_MEMORY, ERR_NO_MEMORY, NULL, NULL },
};

/* Is the source a device, and no server's path ("host:/export", "//host/share")? */
static bool has_device(const char *source)
{
	return source[0] == '/' && source[1] != '/';
}

/* What the kernel wrote on a filesystem context, "e NAME: text" a read(2): its errors, or else its
 * warnings. */
static void context_messages(int context, struct buf *out)
{
	char line[512];
	ssize_t n;

	while (context >= 0 && (n = read(context, line, sizeof(line) - 1)) > 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '.'))
			n--;
		line[n] = '\0';
		if (n > 2 && line[1] == ' ' && (line[0] == 'e' || line[0] == 'w'))
			buf_printf(out, "%s%s", out->len ? "; " : "", line + 2);
	}
}

/* Fill e from an errno and, where there is a context, from the kernel's own words. */
static int mount_failed(const struct mount_request *r, int context, int error, struct err *e)
{
	cleanup_buf struct buf words = BUF_INIT;
	const struct cause *c = NULL;
	bool device = has_device(r->source);
	char waits_for[sizeof(e->waits_for)];

	context_messages(context, &words);
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (causes[i].sys == error)
			c = &causes[i];

	enum err_class class = ERR_STORAGE;
	const char *text = NULL;

	if (c) {
		class = device ? c->device : c->server;
		text = device ? c->device_text : c->server_text;
	}

	/* The options were taken one by one before. What is refused now, and without a word from the kernel,
	 * is what the server has answered. For some of that the kernel has numbers of its own, which have no
	 * text. */
	if (!device && (error == EINVAL || error >= KERNELS_OWN) && context >= 0 && !words.len) {
		class = ERR_STORAGE;
		text = "the server's answer is not understood, or options contradict each other";
	}
	snprintf(waits_for, sizeof(waits_for), "%s=%s", device ? "device" : "server", r->source);
	err_wait(e, class, class == ERR_WAIT_NETWORK ? "network" : waits_for,
	         "cannot mount %s (%s) at %s: %s%s%s%s", r->source, r->fstype, r->target,
	         text ? text : strerror(error), words.len ? " (kernel: " : "", buf_str(&words),
	         words.len ? ")" : "");
	if (e) {
		e->sys = error;
		if (class != ERR_WAIT_DEVICE && class != ERR_WAIT_SERVER && class != ERR_WAIT_NETWORK)
			e->waits_for[0] = '\0';
	}
	return -1;
}

/* ---- mounting ---- */

/* fsconfig(2). No C library has it yet that we are built with. */
static int config(int context, unsigned command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, context, command, key, value, 0);
}

/* Give the context one option. Only its name may be told: the value may be a secret. */
static int config_option(const struct mount_request *r, int context, const char *key, const char *value,
                         struct err *e)
{
	cleanup_buf struct buf words = BUF_INIT;
	int error;

	if (config(context, value ? CONFIG_STRING : CONFIG_FLAG, key, value) == 0)
		return 0;
	error = errno;
	context_messages(context, &words);
	err_set(e, ERR_INVALID, "cannot mount %s (%s) at %s: the kernel does not take the option \"%s\": %s",
	        r->source, r->fstype, r->target, key, words.len ? buf_str(&words) : strerror(error));
	if (e)
		e->sys = error;
	return -1;
}

/* The options one by one, so that the kernel's refusal has a name. */
static int config_options(const struct mount_request *r, int context, struct options *o, struct err *e)
{
	for (size_t at = 0; at < o->list.len;) {
		char *key = o->list.data + at;
		char *equals = strchr(key, '=');

		at += strlen(key) + 1;
		if (equals)
			*equals = '\0';

		int rc = config_option(r, context, key, equals ? equals + 1 : NULL, e);

		if (equals)
			*equals = '=';
		if (rc < 0)
			return -1;
	}
	return r->password ? config_option(r, context, "pass", r->password, e) : 0;
}

/* mount(2) for kernels without the new calls. The data string is the options again; commas within a value are
 * doubled for a password, as cifs reads it, and quoted elsewhere. */
static int mount_old(const struct mount_request *r, const struct options *o, int where, struct err *e)
{
	char place[40];
	cleanup_buf struct buf data = BUF_INIT;

	for (size_t at = 0; at < o->list.len; at += strlen(o->list.data + at) + 1) {
		const char *one = o->list.data + at, *value = strchr(one, '=');
		const struct flag *f = flag_find(one);

		if (f && f->super)
			continue;
		if (data.len)
			buf_addc(&data, ',');
		if (value && strchr(value, ','))
			buf_printf(&data, "%.*s=\"%s\"", (int)(value - one), one, value + 1);
		else
			buf_adds(&data, one);
	}
	if (r->password) {
		buf_adds(&data, data.len ? ",pass=" : "pass=");
		for (const char *c = r->password; *c; c++)
			buf_adds(&data, *c == ',' ? ",," : (char[]){ *c, '\0' });
	}
	if (data.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot mount %s: out of memory", r->source);

	snprintf(place, sizeof(place), "/proc/self/fd/%d", where);
	int rc = mount(r->source, place, r->fstype, o->ms, buf_str(&data)) < 0 ? mount_failed(r, -1, errno, e)
	                                                                       : 0;

	if (r->password)
		explicit_bzero(data.data, data.len);
	return rc;
}

/* `where`: the directory that is mounted on, open, so that nobody can put another one in its place. */
static int mount_new(const struct mount_request *r, struct options *o, int where, struct err *e)
{
	cleanup_close int context = (int)syscall(SYS_fsopen, r->fstype, CONTEXT_CLOEXEC);
	cleanup_close int mounted = -1;

	if (context < 0)
		return errno == ENOSYS ? mount_old(r, o, where, e) : mount_failed(r, -1, errno, e);
	if (config(context, CONFIG_STRING, "source", r->source) < 0)
		return mount_failed(r, context, errno, e);
	if (config_options(r, context, o, e) < 0)
		return -1;
	if (config(context, CONFIG_CREATE, NULL, NULL) < 0)
		return mount_failed(r, context, errno, e);
	mounted = (int)syscall(SYS_fsmount, context, MOUNT_FD_CLOEXEC, o->attributes);
	if (mounted < 0)
		return mount_failed(r, context, errno, e);
	if (syscall(SYS_move_mount, mounted, "", where, "", FROM_EMPTY | TO_EMPTY) < 0)
		return err_sys(e, errno, "cannot attach %s at %s", r->source, r->target);
	return 0;
}

int mount_path(const char *target, char out[PATH_MAX], struct err *e)
{
	demand(target, e);

	struct target_end end;
	struct err why = { 0 };
	int rc;

	if (target_walk(target, false, &end, &why) < 0) {
		if (why.sys == ENOENT || why.sys == ENOTDIR)
			return 0;
		if (e)
			*e = why;
		return -1;
	}
	rc = target_end_path(&end, out, e);
	close(end.dir);
	return rc < 0 ? -1 : 1;
}

int mount_make(const struct mount_request *r, struct err *e)
{
	demand(r->fstype && r->source && r->target, e);

	struct mount_entry there;
	struct options o = { 0 };
	cleanup_close int at = -1;
	char path[PATH_MAX];
	int rc;

	at = target_make(r->target, O_PATH, NULL, e);
	if (at < 0)
		return err_wrap(e, ERR_KEEP, "cannot mount %s", r->source);
	/* The path is not walked again, because a second walk might end elsewhere: it is taken from the
	 * directory that will be mounted on. */
	if (target_end_path(&(struct target_end){ at, "." }, path, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot mount %s at %s", r->source, r->target);
	rc = mountinfo_find(path, &there, e);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		err_set(e, ERR_BUSY, "cannot mount %s at %s: %s (%s) is mounted there", r->source, r->target,
		        there.source, there.fstype);
		mount_entry_free(&there);
		return -1;
	}
	rc = options_read(r->options, &o, e);
	if (rc == 0)
		rc = mount_new(r, &o, at, e);
	buf_free(&o.list);
	return rc;
}

int mount_protect(const char *target)
{
	demand_or(target, -1);

	/* struct mount_attr: what is set, what is cleared, propagation, user namespace */
	const uint64_t attr[4] = { A_RDONLY };

	return (int)syscall(SYS_mount_setattr, AT_FDCWD, target, 0, attr, sizeof(attr));
}

bool mount_type_known(const char *fstype)
{
	demand_or(fstype, false);

	cleanup_buf struct buf b = BUF_INIT;
	char *save = NULL;

	if (file_read(AT_FDCWD, "/proc/filesystems", 64 * 1024, &b, NULL) < 0 || !b.data)
		return false;
	for (char *line = strtok_r(b.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *tab = strchr(line, '\t');

		if (tab && streq(tab + 1, fstype))
			return true;
	}
	return false;
}

dev_t mount_device(const struct mount_entry *m)
{
	struct stat st;

	if (major(m->dev) == 0 && has_device(m->source) && stat(m->source, &st) == 0 && S_ISBLK(st.st_mode))
		return st.st_rdev;
	return m->dev;
}
