/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of parameters, and what each kind of value must look like.
 *
 * The command line of a boot cannot be corrected while it runs: a parameter that is misspelt, or has a bad
 * value, is a problem that is shown, and never a reason to stop. Two texts are read by the same table, in
 * the order in which the later wins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/bootconfig.h"
#include "boot/cmdline.h"
#include "boot/parameters.h"
#include "pool/check.h"
#include "pool/secret/secret.h"
#include "supervisor/config/config.h"

#define WORDS_LIMIT 256 /* items of one list: far more than 32 KiB of text would sensibly hold */

const char *onfail_word(enum onfail o)
{
	return o == ONFAIL_UNSET ? "continue" : pool_onfail_word(o);
}

void parameters_init(struct parameters *p)
{
	*p = (struct parameters){ .timeout = DEFAULT_BOOT_TIMEOUT };
}

void parameters_free(struct parameters *p)
{
	arena_free(&p->arena);
}

void parameters_problem(struct parameters *p, const char *origin, const struct err *e)
{
	demand_or(origin && e, );

	struct parameter_problem *grown;

	if (p->nproblems >= WORDS_LIMIT)
		return;
	grown = arena_grow(&p->arena, p->problems, p->nproblems, sizeof(*grown));
	if (!grown)
		return;
	grown[p->nproblems] = (struct parameter_problem){ arena_strdup(&p->arena, origin), *e };
	if (!grown[p->nproblems].origin)
		return;
	p->problems = grown;
	p->nproblems++;
}

/* ---- kinds of values: each takes the value into its field, or says what is wrong with it ---- */

/* Lists have a limit each, so that a command line made by mistake (or by an attacker) stays cheap. */
static int word_list_add(struct parameters *p, struct word_list *list, const char *item, struct err *e)
{
	const char **grown;

	if (list->n >= WORDS_LIMIT)
		return err_set(e, ERR_TOO_LONG, "given more than %d times", WORDS_LIMIT);
	grown = arena_grow(&p->arena, list->items, list->n, sizeof(*grown));
	if (!grown || !(grown[list->n] = arena_strdup(&p->arena, item)))
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	list->items = grown;
	list->n++;
	return 0;
}

static int take_text(struct parameters *p, void *field, const char *value, struct err *e)
{
	const char **text = field, *copy;

	if (!*value)
		return err_set(e, ERR_INVALID, "the value is empty");
	copy = arena_strdup(&p->arena, value);
	if (!copy)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	*text = copy;
	return 0;
}

/* Paths are absolute: PID 1 has no working directory that anybody knows of. */
static int take_path(struct parameters *p, void *field, const char *value, struct err *e)
{
	if (*value != '/')
		return err_set(e, ERR_INVALID, "\"%s\" is not an absolute path", value);
	return take_text(p, field, value, e);
}

/* Taken at once: messages of what follows are already written so. */
static int take_log(struct parameters *p, void *field, const char *value, struct err *e)
{
	return log_set(value, e) < 0 ? -1 : take_text(p, field, value, e);
}

/* A directory, or "DEVICE[:/path]", or that with ":rw" behind it or "pool:NAME/path", which changes are
 * written to; of several the last. What cannot be one is told here, and not awaited at boot. */
static int take_config_source(struct parameters *p, void *field, const char *value, struct err *e)
{
	size_t rw = ends_with(value, ":rw") ? strlen(":rw") : 0;
	const char *where = arena_printf(&p->arena, "%.*s", (int)(strlen(value) - rw), value), *path;
	struct word_list *list = field;
	char device[512]; /* longer than any that is accepted */
	bool directory = *value == '/' && !starts_with(value, "/dev/"), pool, fits;

	if (!where)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	place_split(where, device, sizeof(device), &path);
	pool = starts_with(device, POOL_PREFIX);
	fits = directory || (pool ? check_pool_name(device + strlen(POOL_PREFIX)) : check_device(device));
	/* A pool's own directory is whoever's may make volumes there: definitions are not read from it. */
	if (pool || rw)
		fits &= (!pool || path[1]) && !directory && (!path[1] || check_relative_path(path + 1));
	/* Above the device's own filesystem is the initramfs. */
	fits &= directory || !path[1] || check_device(path);
	if (!fits)
		return err_set(e, ERR_INVALID,
		               "\"%s\" is neither an absolute path nor a device by LABEL=, UUID=, PARTLABEL= "
		               "or PARTUUID= and a name, which :rw may follow, nor pool:NAME/DIRECTORY",
		               value);
	if (word_list_add(p, list, where, e) < 0)
		return -1;
	if (pool || rw)
		p->place = list->items[list->n - 1];
	return 0;
}

static int take_root(struct parameters *p, void *field, const char *value, struct err *e)
{
	p->root_given = arena_strdup(&p->arena, value);
	return roots_parse(value, &p->arena, field, e);
}

static int take_fsck(struct parameters *p, void *field, const char *value, struct err *e)
{
	static const char *const modes[] = { "skip", "auto", "force" };

	(void)p;
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++)
		if (streq(value, modes[i])) {
			*(unsigned *)field = i;
			return 0;
		}
	return err_set(e, ERR_INVALID, "\"%s\" is none of skip, auto, force", value);
}

static int take_tries(struct parameters *p, void *field, const char *value, struct err *e)
{
	(void)p;
	if (*value < '1' || *value > '9' || value[1])
		return err_set(e, ERR_INVALID, "\"%s\" is none of 1 to 9", value);
	*(unsigned *)field = (unsigned)(*value - '0');
	return 0;
}

/* What is no hash is found when it is used, and no root fits it: it must not be as if nothing was given. */
static int take_roothash(struct parameters *p, void *field, const char *value, struct err *e)
{
	if (take_text(p, field, value, e) < 0)
		*(const char **)field = "";
	return 0;
}

/* "memory", or a pool as root= has it. Mount options are a list, which a comma would end. */
static int take_overlay(struct parameters *p, void *field, const char *value, struct err *e)
{
	struct root_list list = { .n = 0 };
	struct root *in = &list.items[0];
	bool memory = streq(value, "memory");

	/* A bad one is no reason to write to the root itself: nothing is laid over it. */
	*(bool *)field = true;
	p->overlay = (struct root){ .kind = ROOT_DEVICE };
	if (!memory &&
	    (strchr(value, ',') || roots_parse(value, &p->arena, &list, NULL) < 0 || in->kind == ROOT_DEVICE))
		return err_set(e, ERR_INVALID,
		               "\"%s\" is no place to write to: there is memory, and pool:NAME/DIRECTORY",
		               value);
	p->overlay = *in;
	p->overlay.kind = ROOT_POOL;
	return 0;
}

static int take_fstype(struct parameters *p, void *field, const char *value, struct err *e)
{
	if (!roots_is_fstype(value))
		return err_set(e, ERR_INVALID, "\"%s\" is not the name of a filesystem", value);
	return take_text(p, field, value, e);
}

static int take_repeated(struct parameters *p, void *field, const char *value, struct err *e)
{
	if (!*value)
		return err_set(e, ERR_INVALID, "the value is empty");
	return word_list_add(p, field, value, e);
}

/* Names separated by commas, one at least; each must be one that a pool can have. */
static int check_pool_names(const char *value,
                            int (*each)(struct parameters *p, void *field, const char *name, struct err *e),
                            struct parameters *p, void *field, struct err *e)
{
	const char *list = value;
	bool any = false;

	while (*value) {
		size_t len = strcspn(value, ",");
		char name[256];

		if (len > 0) {
			if (len >= sizeof(name))
				return err_set(e, ERR_TOO_LONG, "a pool name of %zu bytes", len);
			memcpy(name, value, len);
			name[len] = '\0';
			if (!check_pool_name(name))
				return err_set(e, ERR_INVALID, "\"%s\" cannot be the name of a pool", name);
			if (each && each(p, field, name, e) < 0)
				return -1;
			any = true;
		}
		value += len + (value[len] == ',');
	}
	return any ? 0 : err_set(e, ERR_INVALID, "\"%s\" names no pool", list);
}

/* All names are checked before one is taken: a list with a bad one changes nothing. */
static int take_pool_names(struct parameters *p, void *field, const char *value, struct err *e)
{
	if (check_pool_names(value, NULL, p, field, e) < 0)
		return -1;
	return check_pool_names(value, take_repeated, p, field, e);
}

/* "all", "none" or names: the words look like names, and are told apart when pools are chosen. */
static int take_autostart(struct parameters *p, void *field, const char *value, struct err *e)
{
	return check_pool_names(value, NULL, p, field, e) < 0 ? -1 : take_text(p, field, value, e);
}

static int take_duration(struct parameters *p, void *field, const char *value, struct err *e)
{
	(void)p;
	return clock_parse(value, field, e);
}

static int take_switch(struct parameters *p, void *field, const char *value, struct err *e)
{
	bool on = streq(value, "yes");

	(void)p;
	if (!on && !streq(value, "no"))
		return err_set(e, ERR_INVALID, "\"%s\" is neither yes nor no", value);
	*(bool *)field = on;
	return 0;
}

static int take_onfail(struct parameters *p, void *field, const char *value, struct err *e)
{
	enum onfail word = pool_onfail_from_word(value);

	(void)p;
	if (word != ONFAIL_UNSET) {
		*(enum onfail *)field = word;
		return 0;
	}
	return err_set(e, ERR_INVALID, "\"%s\" is none of continue, reboot, poweroff, shell", value);
}

/* A definition that came as a parameter. It is read later, by a worker: it is as foreign as one from a file.
 */
static int add_pool(struct parameters *p, const char *origin, const char *xml, struct err *e)
{
	struct inline_pool *grown;

	if (p->npools >= WORDS_LIMIT)
		return err_set(e, ERR_TOO_LONG, "more than %d pools", WORDS_LIMIT);
	grown = arena_grow(&p->arena, p->pools, p->npools, sizeof(*grown));
	if (!grown)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	grown[p->npools] = (struct inline_pool){ arena_strdup(&p->arena, origin),
		                                 arena_strdup(&p->arena, xml) };
	if (!grown[p->npools].origin || !grown[p->npools].xml)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	p->pools = grown;
	p->npools++;
	return 0;
}

/* poolinit.pool64=: a definition without the quotes and blanks that a boot loader would spoil. A NUL in it
 * would hide what follows. */
static int decode_pool(struct parameters *p, const char *origin, const char *value, struct err *e)
{
	size_t len = strlen(value);
	unsigned char *xml = arena_alloc(&p->arena, len + 1);
	long n;

	if (!xml)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	n = base64_decode(value, len, xml, len);
	if (n <= 0)
		return err_set(e, ERR_INVALID, "the value is not base64");
	if (memchr(xml, '\0', (size_t)n))
		return err_set(e, ERR_INVALID, "the decoded value holds a NUL byte");
	xml[n] = '\0';
	return add_pool(p, origin, (const char *)xml, e);
}

/* ---- the table ---- */

typedef int take_fn(struct parameters *p, void *field, const char *value, struct err *e);

/* One parameter: its name, how its value is taken, and the field it goes to. */
struct parameter {
	const char *name;
	take_fn *take;
	size_t field;
	bool of_root;
};

#define FIELD(f)      offsetof(struct parameters, f), false
#define ROOT_FIELD(f) offsetof(struct parameters, f), true

/* clang-format off */
static const struct parameter table[] = {
	{ "poolinit.config",    take_config_source, FIELD(config) },
	{ "poolinit.autostart", take_autostart, FIELD(autostart) },
	{ "poolinit.require",   take_pool_names,     FIELD(require) },
	{ "poolinit.timeout",   take_duration,  FIELD(timeout) },
	{ "poolinit.onfail",    take_onfail,    FIELD(onfail) },
	{ "poolinit.exec",      take_path,      FIELD(exec) },
	{ "poolinit.log",       take_log,       FIELD(log) },
	{ "poolinit.libvirt",   take_switch,    FIELD(libvirt) },
	{ "poolinit.tries",     take_tries,     FIELD(tries) },
	{ "ip",                 take_repeated,  FIELD(ip) },
	{ "nameserver",         take_repeated,  FIELD(nameserver) },
	{ "BOOTIF",             take_text,      FIELD(bootif) },
	{ "root",               take_root,      ROOT_FIELD(roots) },
	{ "rootfstype",         take_fstype,    ROOT_FIELD(rootfstype) },
	{ "rootflags",          take_text,      ROOT_FIELD(rootflags) },
	{ "fsck.mode",          take_fsck,      ROOT_FIELD(fsck) },
	{ "roothash",           take_roothash,  ROOT_FIELD(roothash) },
	{ "verityhash",         take_text,      ROOT_FIELD(verityhash) },
	{ "overlay",            take_overlay,   ROOT_FIELD(root_overlay) },
	{ "init",               take_path,      ROOT_FIELD(init) },
};
/* clang-format on */

static int take_parameter_value(struct parameters *p, const struct parameter *known, const char *value,
                                struct err *e)
{
	if (!value && known->take != take_roothash)
		return err_set(e, ERR_MISSING, "a value is missing");
	return known->take(p, (char *)p + known->field, value ? value : "", e);
}

/* NULL: no parameter of ours, nor one of the kernel's that is read here. */
static const struct parameter *find_parameter(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (streq(name, table[i].name))
			return &table[i];
	return NULL;
}

/* Where a text comes from, and the name by which each of its pools is known in messages. */
struct intake {
	struct parameters *p;
	const char *from; /* "command line", "bootconfig" */
	bool standard;    /* ip=, root= … are read here */
};

/* One parameter, from wherever it came. Whatever is wrong with it is noted, and the others are taken. */
static void take_one(const char *name, const char *value, void *arg)
{
	struct intake *in = arg;
	struct parameters *p = in->p;
	const struct parameter *known = find_parameter(name);
	bool ours = starts_with(name, "poolinit.");
	char whole[32];
	const char *origin;
	struct err e = { 0 };
	int r;

	if (streq(name, "ro") || streq(name, "rw")) {
		if (in->standard && !value)
			p->root_writable = name[1] == 'w';
		return;
	}
	/* ip= and root= of a boot configuration are not the kernel's parameters: only "kernel.…" keys become
	 * such, and those are on the command line. */
	if (!ours && (!in->standard || !known || (known->of_root && p->root_elsewhere)))
		return;
	origin = arena_printf(&p->arena, "(%s: %.200s)", in->from, name);
	if (!origin)
		return;
	if (streq(name, "poolinit.pool") || starts_with(name, "poolinit.pool.") ||
	    streq(name, "poolinit.pool64")) {
		if (!value || !*value)
			r = err_set(&e, ERR_MISSING, "a value is missing");
		else if (streq(name, "poolinit.pool64"))
			r = decode_pool(p, origin, value, &e);
		else
			r = add_pool(p, origin, value, &e);
	} else if (known) {
		r = take_parameter_value(p, known, value, &e);
	} else {
		r = err_set(&e, ERR_UNKNOWN_KEY, "unknown parameter");
	}
	if (r < 0) {
		err_wrap(&e, ERR_KEEP, "%.200s", name);
		snprintf(whole, sizeof(whole), "(%s)", in->from);
		parameters_problem(p, whole, &e);
	}
}

void parameters_from_cmdline(struct parameters *p, char *text)
{
	demand_or(text, );

	size_t len = strcspn(text, "\n");
	struct err e = { 0 };

	/* The kernel keeps as many bytes as its architecture has room for, and says nothing of the rest. */
	bool full = len + 1 >= 1024 && ((len + 1) & len) == 0;

	if (!cmdline_split(text, take_one, &(struct intake){ p, "command line", true }))
		err_set(&e, ERR_SYNTAX,
		        "the command line ends inside quotes: one is missing, or the rest was cut off (it "
		        "has %zu bytes; most kernels keep 2048 with their end; bootconfig has room for more)",
		        len);
	else if (full)
		err_set(&e, ERR_SYNTAX,
		        "the command line has %zu bytes, which is all that this kernel keeps: what came "
		        "behind them was cut off (bootconfig has room for more)",
		        len);
	if (e.class != ERR_NONE)
		parameters_problem(p, "(command line)", &e);
}

void parameters_from_bootconfig(struct parameters *p, char *text)
{
	demand_or(text, );

	struct err e = { 0 };

	if (bootconfig_split(text, take_one, &(struct intake){ p, "bootconfig", false }, &e) < 0)
		parameters_problem(p, "/proc/bootconfig", &e);
}

/* Take a file of /proc, if the kernel has it. A file that is too long is a problem of its own: half of it is
 * not taken. */
static void from_file(struct parameters *p, const char *path, size_t limit,
                      void (*take)(struct parameters *p, char *text))
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = { 0 };

	if (access(path, F_OK) < 0)
		return;
	if (file_read(AT_FDCWD, path, limit, &text, &e) < 0)
		parameters_problem(p, path, &e);
	else if (text.data)
		take(p, text.data);
}

void parameters_from_proc(struct parameters *p)
{
	from_file(p, "/config/cmdline", CMDLINE_LIMIT, parameters_from_cmdline);
	from_file(p, "/proc/bootconfig", BOOTCONFIG_LIMIT, parameters_from_bootconfig);
	from_file(p, "/proc/cmdline", CMDLINE_LIMIT, parameters_from_cmdline);
}
