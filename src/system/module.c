/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Kernel modules: by name, by the aliases of the devices that are there, and as modprobe(8) for whoever calls
 * that. libkmod finds and inserts; nothing is executed: an "install" line in modprobe.d counts as "not this
 * module".
 *
 * A compressed module is unpacked by the kernel (finit_module(2), MODULE_INIT_COMPRESSED_FILE;
 * deps/libkmod/compressed.patch), where it was built with CONFIG_MODULE_DECOMPRESS. /sys/module/compression
 * then has the one method that it knows: "gzip", "xz" or "zstd" (kernel/module/decompress.c).
 *
 * Most loads are for a filesystem or a transport that may as well be built in, which is success. When a load
 * fails, what counts is the sentence: an image that lacks a module, or has it compressed in a way that its
 * kernel does not know, is the most common mistake there is.
 */
#include "system/module.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include "base/buf.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"

#define COLDPLUG_ROUNDS 8 /* a bus driver brings devices, whose drivers may bring further ones */
#define SYSFS_DEPTH     32

/* ---- one module ---- */

enum { LOADED, ALREADY, BLACKLISTED };

#define MODULE_NAME 80

static void kmod_close(struct kmod_ctx **ctx)
{
	kmod_unref(*ctx);
}
#define cleanup_kmod __attribute__((cleanup(kmod_close)))

/* libkmod writes to standard error of its own accord, which in PID 1 is the console. */
static void discard_message(void *data, int priority, const char *file, int line, const char *fn,
                            const char *format, va_list args)
{
	(void)data, (void)priority, (void)file, (void)line, (void)fn, (void)format, (void)args;
}

/* libkmod would hand "install" commands to a shell. */
static int refuse_install_command(struct kmod_module *m, const char *command, void *data)
{
	(void)m, (void)command, (void)data;
	return -EACCES;
}

/* NULL: e says that there are no modules for this kernel. */
static struct kmod_ctx *modules_open(struct err *e)
{
	char dir[sizeof("/lib/modules/") + sizeof(((struct utsname *)0)->release)];
	struct utsname u;
	struct kmod_ctx *ctx;

	if (uname(&u) < 0) {
		err_sys(e, errno, "cannot load kernel modules: uname");
		return NULL;
	}
	snprintf(dir, sizeof(dir), "/lib/modules/%s", u.release);
	if (access(dir, F_OK) < 0) {
		err_set(e, ERR_UNSUPPORTED, "no kernel modules at %s", dir);
		return NULL;
	}
	ctx = kmod_new(dir, NULL);
	if (!ctx) {
		err_set(e, ERR_NO_MEMORY, "cannot load kernel modules: out of memory");
		return NULL;
	}
	kmod_set_log_fn(ctx, discard_message, NULL);
	return ctx;
}

/* A module that is loaded, or built in with parameters, shows itself without any index. */
static bool module_present(const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "/sys/module/%s", name);

	if (!name_is_component(name) || n < 0 || (size_t)n >= sizeof(path))
		return false;
	for (char *p = path + strlen("/sys/module/"); *p; p++)
		if (*p == '-')
			*p = '_';
	return access(path, F_OK) == 0;
}

/* The file that the kernel was given last: the module's, or one of those that it needs. */
static char given[PATH_MAX];

/* libkmod's hook: called for each module before the kernel is given its file. */
static void remember_module(struct kmod_module *m, bool install, const char *options)
{
	const char *path = kmod_module_get_path(m);

	(void)install, (void)options;
	snprintf(given, sizeof(given), "%s", path ? path : "");
}

/* Insert one module and what it needs. LOADED, ALREADY or BLACKLISTED; or -errno. */
static int insert_module(struct kmod_module *m, unsigned flags, const char *options)
{
	int state = kmod_module_get_initstate(m);
	int r;

	given[0] = '\0';
	if (state == KMOD_MODULE_BUILTIN || state == KMOD_MODULE_LIVE)
		return ALREADY;
	r = kmod_module_probe_insert_module(m, flags, options, refuse_install_command, NULL, remember_module);
	if (r == KMOD_PROBE_APPLY_BLACKLIST || r == KMOD_PROBE_APPLY_BLACKLIST_ALL ||
	    r == KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY)
		return BLACKLISTED;
	return r == -EEXIST ? ALREADY : r;
}

/* What it means that the kernel refuses a file. Any other errno is the module's own: its hardware is not
 * there, for example. */
/* clang-format off */
static const struct refusal {
	int sys;
	const char *text;
} refusals[] = {
	{ ENOEXEC,      "is damaged, or of another kernel" },
	{ EBADMSG,      "is damaged" },
	{ ENOENT,       "needs what this kernel does not have" },
	{ ENOKEY,       "is not signed by whom this kernel trusts" },
	{ EKEYREJECTED, "is not signed by whom this kernel trusts" },
	{ EPERM,        "is refused: this kernel loads no modules any more" },
	{ EOPNOTSUPP,   "is compressed" },
};
/* clang-format on */

/* NULL: the errno says nothing of the file. */
static const char *refusal_text(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].sys == error)
			return refusals[i].text;
	return NULL;
}

/* Is it compressed in a way that this kernel does not unpack? *known: the one that it does, or "". */
static bool is_packed(const char *path, char *known, size_t size)
{
	static const char *const methods[][2] = { { ".gz", "gzip" }, { ".xz", "xz" }, { ".zst", "zstd" } };
	const char *ending = strrchr(path, '.');

	if (file_read_line(AT_FDCWD, "/sys/module/compression", known, size) < 0)
		known[0] = '\0';
	for (size_t i = 0; ending && i < ARRAY_LEN(methods); i++)
		if (streq(ending, methods[i][0]))
			return !strstr(known, methods[i][1]);
	return false;
}

/* Say why a module could not be inserted, as exactly as can be known: from the errno, and from the file that
 * the kernel was given last. */
static int insert_failed(const char *name, int error, struct err *e)
{
	const char *text = refusal_text(error);
	char known[32];

	if (error == EACCES)
		return err_set(e, ERR_UNSUPPORTED,
		               "module %s is switched off by an install line in modprobe.d", name);
	if (is_packed(given, known, sizeof(known)))
		err_set(e, ERR_UNSUPPORTED,
		        "cannot load module %s: %s is compressed, and this kernel %s%s: put it there "
		        "unpacked, and run depmod",
		        name, given,
		        known[0] ? "unpacks no modules but those of " : "does not unpack modules", known);
	else if (given[0] && access(given, F_OK) < 0)
		err_set(e, ERR_UNSUPPORTED,
		        "cannot load module %s: there is no %s, which the index names: add it, or run depmod",
		        name, given);
	else if (text && given[0])
		err_set(e, ERR_UNSUPPORTED, "cannot load module %s: %s %s (the kernel's log says more)", name,
		        given, text);
	else
		err_sys(e, error, "cannot load module %s", name);
	if (e)
		e->sys = error;
	return -1;
}

/* All modules that a name or alias stands for: how many were loaded now, or negative. *found: it was known at
 * all. */
static int insert_all(struct kmod_ctx *ctx, const char *name, unsigned flags, const char *options,
                      bool *found, struct err *e)
{
	struct kmod_list *list = NULL, *item;
	int loaded = 0, failed = 0;

	*found = false;
	if (kmod_module_new_from_lookup(ctx, name, &list) < 0)
		return 0;
	kmod_list_foreach(item, list)
	{
		struct kmod_module *m = kmod_module_get_module(item);
		int r = insert_module(m, flags, options);

		*found = true;
		if (r == LOADED) {
			loaded++;
			log_debug(LF_MODULE, "loaded %s", kmod_module_get_name(m));
		} else if (r < 0 && !failed) {
			failed = insert_failed(kmod_module_get_name(m), -r, e);
		}
		kmod_module_unref(m);
	}
	kmod_module_unref_list(list);
	return failed && !loaded ? -1 : loaded;
}

/* One module by its name. *found: false if no module of this kernel has it. */
static int load(const char *name, bool *found, struct err *e)
{
	cleanup_kmod struct kmod_ctx *ctx = NULL;
	int r;

	*found = true;
	if (module_present(name))
		return 0;
	ctx = modules_open(e);
	if (!ctx)
		return err_wrap(e, ERR_KEEP, "cannot load module %s", name);
	r = insert_all(ctx, name, KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY, NULL, found, e);
	if (!*found)
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no module %s", name);
	return r < 0 ? -1 : 0;
}

int module_load(const char *name, struct err *e)
{
	demand(name, e);

	bool found;

	return load(name, &found, e);
}

bool module_is_refused(const struct err *e)
{
	demand_or(e, false);
	/* An image may lack files that its index of modules still has. */
	return e->class == ERR_UNSUPPORTED && e->sys != ENOENT && refusal_text(e->sys);
}

/* The next of some names, or false. One that is too long is no module's. */
static bool next_name(const char **at, char name[MODULE_NAME])
{
	*at += strspn(*at, " ");
	size_t len = strcspn(*at, " ");

	snprintf(name, MODULE_NAME, "%.*s", (int)len, *at);
	*at += len;
	return len > 0;
}

int module_explain(const char *names, struct err *e)
{
	demand(names && e, e);

	char name[MODULE_NAME];

	while (next_name(&names, name)) {
		struct err why = { 0 };
		bool found;
		size_t len = strlen(e->message);

		if (load(name, &found, &why) == 0 || !found || (!why.sys && e->sys != ENODEV))
			continue;
		snprintf(e->message + len, sizeof(e->message) - len, ": %s", why.message);
		break;
	}
	return -1;
}

void module_load_wanted(const char *names)
{
	demand_or(names, );

	char name[MODULE_NAME];

	while (next_name(&names, name)) {
		struct err e = { 0 };

		if (module_load(name, &e) < 0)
			log_debug(LF_MODULE, "%s", e.message);
	}
}

/* ---- coldplug ---- */

struct aliases {
	char **text;
	size_t n, size;
};

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int alias_add(struct aliases *a, const char *text)
{
	if (a->n == a->size) {
		size_t size = a->size ? 2 * a->size : 128;
		char **more = realloc(a->text, size * sizeof(*more));

		if (!more)
			return -1;
		a->text = more;
		a->size = size;
	}
	a->text[a->n] = strdup(text);
	if (!a->text[a->n])
		return -1;
	a->n++;
	return 0;
}

/* Collect the modalias of each device at or below dir (consumed). Links are not followed: sysfs links back to
 * itself. */
static int alias_walk(int dir, int depth, struct aliases *a)
{
	DIR *d = fdopendir(dir);
	struct dirent *entry;
	char alias[4096];
	int r = 0;

	if (!d) {
		close(dir);
		return 0;
	}
	if (file_read_line(dirfd(d), "modalias", alias, sizeof(alias)) > 0)
		r = alias_add(a, alias);
	while (r == 0 && depth < SYSFS_DEPTH && (entry = readdir(d))) {
		int sub;

		if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		sub = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = alias_walk(sub, depth + 1, a);
	}
	closedir(d);
	return r;
}

/* Sorted, and each once: a machine has hundreds of devices of a few kinds. */
static void alias_sort_unique(struct aliases *a)
{
	size_t kept = 0;

	if (a->n)
		qsort(a->text, a->n, sizeof(*a->text), compare_text);
	for (size_t i = 0; i < a->n; i++) {
		if (kept && streq(a->text[kept - 1], a->text[i]))
			free(a->text[i]);
		else
			a->text[kept++] = a->text[i];
	}
	a->n = kept;
}

static bool alias_known(const struct aliases *a, const char *text)
{
	return a->n && bsearch(&text, a->text, a->n, sizeof(*a->text), compare_text);
}

static void alias_free(struct aliases *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->text[i]);
	free(a->text);
	*a = (struct aliases){ 0 };
}

/* Load for each alias of `now` that is not in `before`. *refused: the first module that should be there and
 * cannot be. */
static int coldplug_round(struct kmod_ctx *ctx, const struct aliases *now, const struct aliases *before,
                          struct err *refused)
{
	int loaded = 0;

	for (size_t i = 0; i < now->n; i++) {
		struct err e = { 0 };
		bool found;
		int r;

		if (alias_known(before, now->text[i]))
			continue;
		r = insert_all(ctx, now->text[i], KMOD_PROBE_APPLY_BLACKLIST, NULL, &found, &e);
		if (r > 0)
			loaded += r;
		else if (r < 0 && module_is_refused(&e) && !refused->class)
			*refused = e;
		else if (r < 0)
			log_debug(LF_MODULE, "%s", e.message);
	}
	return loaded;
}

int module_coldplug(struct err *e)
{
	cleanup_kmod struct kmod_ctx *ctx = modules_open(e);
	struct aliases before = { 0 };
	struct err refused = { 0 };
	int total = 0;

	if (!ctx)
		return -1;
	kmod_load_resources(ctx);
	for (int round = 0; round < COLDPLUG_ROUNDS; round++) {
		struct aliases now = { 0 };
		int dir = open("/sys/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int loaded = 0;

		if (dir >= 0 && alias_walk(dir, 0, &now) == 0) {
			alias_sort_unique(&now);
			loaded = coldplug_round(ctx, &now, &before, &refused);
		}
		/* What was there in the round before has been tried: only new devices can want something. */
		alias_free(&before);
		before = now;
		total += loaded;
		if (!loaded)
			break;
	}
	alias_free(&before);
	if (refused.class && e)
		*e = refused;
	return refused.class ? -1 : total;
}

/* ---- modprobe ---- */

struct modprobe_options {
	bool quiet, all, blacklist;
};

/* Index of the first argument that is no option, or -1. */
static int modprobe_options(int argc, char **argv, struct modprobe_options *o)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (streq(argv[i], "--"))
			return i + 1;
		if (streq(argv[i], "--quiet"))
			o->quiet = true;
		else if (streq(argv[i], "--all"))
			o->all = true;
		else if (streq(argv[i], "--use-blacklist"))
			o->blacklist = true;
		else if (argv[i][1] && strspn(argv[i] + 1, "qabsv") == strlen(argv[i] + 1)) {
			o->quiet |= strchr(argv[i], 'q') != NULL;
			o->all |= strchr(argv[i], 'a') != NULL;
			o->blacklist |= strchr(argv[i], 'b') != NULL;
		} else {
			return -1;
		}
	}
	return i;
}

/* One NAME of the command line. Its parameters are for the module itself, not for those it needs. */
static int modprobe_one(struct kmod_ctx *ctx, const char *name, const struct modprobe_options *o,
                        const char *options, struct err *e)
{
	unsigned flags = o->blacklist ? KMOD_PROBE_APPLY_BLACKLIST : KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY;
	bool found;

	if (insert_all(ctx, name, flags, options, &found, e) < 0)
		return -1;
	return found ? 0 : err_set(e, ERR_UNSUPPORTED, "module %s not found", name);
}

/* Say what has failed. The kernel asks quietly, and nobody sees it fail: a module's file that was refused
 * goes to its log. */
static void modprobe_failed(const struct modprobe_options *o, const struct err *e)
{
	cleanup_close int log = o->quiet && module_is_refused(e) ? open("/dev/kmsg", O_WRONLY | O_CLOEXEC)
	                                                         : -1;

	if (log >= 0 || !o->quiet)
		dprintf(log >= 0 ? log : STDERR_FILENO, "%smodprobe: %s\n", log >= 0 ? "<3>" : "",
		        e->message);
}

int module_modprobe_main(int argc, char **argv)
{
	struct modprobe_options o = { 0 };
	int first = modprobe_options(argc, argv, &o), status = 0;
	cleanup_buf struct buf options = BUF_INIT;
	cleanup_kmod struct kmod_ctx *ctx = NULL;
	struct err e = { 0 };

	if (first < 0 || first >= argc) {
		fprintf(stderr, "usage: modprobe [-q] [-b] [-a] [--] NAME [PARAMETER=VALUE]...\n");
		return 1;
	}
	/* Without -a there is one name, and the rest are its parameters. */
	for (int i = first + 1; !o.all && i < argc; i++)
		buf_printf(&options, "%s%s", options.len ? " " : "", argv[i]);
	ctx = modules_open(&e);
	for (int i = first; ctx && i < (o.all ? argc : first + 1); i++) {
		if (modprobe_one(ctx, argv[i], &o, options.len ? buf_str(&options) : NULL, &e) == 0)
			continue;
		status = 1;
		modprobe_failed(&o, &e);
	}
	if (!ctx)
		modprobe_failed(&o, &e);
	return ctx ? status : 1;
}
