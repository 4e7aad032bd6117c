/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The programs zpool(8) and zfs(8): run by their arguments, with -H and -p wherever they have it, so that
 * what they print is for programs. What they complain of is told by its words alone.
 */
#include <stdio.h>
#include "backends/zfs/zfs.h"
#include "base/contract.h"
#include "base/spawn.h"
#include "base/util.h"
#include "system/device.h"

/* ---- names ---- */

const char *zfs_dataset(const struct pool_def *d)
{
	return d->source.name ? d->source.name : d->name;
}

bool zfs_is_nested(const struct pool_def *d)
{
	return strchr(zfs_dataset(d), '/') != NULL;
}

void zfs_zpool(const struct pool_def *d, char out[ZFS_NAME])
{
	const char *name = zfs_dataset(d);

	snprintf(out, ZFS_NAME, "%.*s", (int)strcspn(name, "/"), name);
}

bool zfs_check_part(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:. ";

	return *name && !name[strspn(name, allowed)] && !streq(name, ".") && !streq(name, "..");
}

static bool is_dataset_name(const char *name)
{
	char part[ZFS_NAME];
	bool good = strlen(name) < ZFS_NAME && ((*name | 0x20) >= 'a' && (*name | 0x20) <= 'z');

	for (const char *p = name; good; p += strcspn(p, "/") + 1) {
		snprintf(part, sizeof(part), "%.*s", (int)strcspn(p, "/"), p);
		good = zfs_check_part(part);
		if (!p[strcspn(p, "/")])
			break;
	}
	return good;
}

bool zfs_is_inside(const char *name, const char *dataset)
{
	size_t n = strlen(dataset);

	return strncmp(name, dataset, n) == 0 && name[n] == '/' && is_dataset_name(name);
}

int zfs_validate(const struct pool_def *d, struct err *e)
{
	const char *name = zfs_dataset(d);

	if (!is_dataset_name(name))
		return err_set(
			e, ERR_INVALID,
			"\"%.100s\" is no name of a zpool or a dataset in one: letters, digits and _ - : . "
			"make one, with a letter first",
			name);
	return 0;
}

/* ---- running them ---- */

/* clang-format off */
static const struct { const char *words; enum err_class class; } complaints[] = {
	{ "is busy",                      ERR_BUSY },
	{ "has dependent clones",         ERR_BUSY },
	{ "has children",                 ERR_BUSY },
	{ "in use from another system",   ERR_BUSY },
	{ "on the other system",          ERR_BUSY }, /* multihost: it is imported there now */
	{ "is part of active pool",       ERR_BUSY },
	{ "contains a filesystem",        ERR_EXISTS },
	{ "is part of potentially",       ERR_EXISTS },
	{ "is part of exported",          ERR_EXISTS },
	{ "already exists",               ERR_EXISTS },
	{ "out of space",                 ERR_NO_SPACE },
	{ "No space left",                ERR_NO_SPACE },
	{ "size is greater than",         ERR_NO_SPACE },
	{ "read-only",                    ERR_READ_ONLY },
	{ "unsupported version",          ERR_UNSUPPORTED },
	{ "unsupported feature",          ERR_UNSUPPORTED },
	{ "Incorrect key",                ERR_AUTH },
};
/* clang-format on */

/* The first line is the complaint; those below it are advice, and name who stands in the way. */
static int say_complaint(struct tool *t, struct err *e)
{
	const char *said = buf_str(&t->err);
	cleanup_buf struct buf text = BUF_INIT;
	enum err_class class = ERR_STORAGE;

	if (!*said)
		said = buf_str(&t->out);
	for (size_t i = 0; i < ARRAY_LEN(complaints) && class == ERR_STORAGE; i++)
		if (strstr(said, complaints[i].words))
			class = complaints[i].class;
	for (const char *p = said; *p && text.len < 400; p += strcspn(p, "\n"), p += *p == '\n') {
		p += strspn(p, " \t");
		if (*p && *p != '\n')
			buf_printf(&text, "%s%.*s", text.len ? "; " : "", (int)strcspn(p, "\n"), p);
	}
	if (!text.len)
		buf_printf(&text, "it ended with status %d and said nothing", t->status);
	return err_set(e, class, "%s: %s", t->argv[0], buf_str(&text));
}

/* Without udev nobody knows the names by which zpool would note a disk; it asks for seconds all the same, for
 * each, if it is not told so. Source: OpenZFS, lib/libzutil/os/linux/zutil_import_os.c. */
static const char *const without_udev[] = { "ZFS_VDEV_DEVID_OPT_OUT=YES", NULL };

static int run_tool(struct tool *t, struct buf *out, struct err *e)
{
	t->env = device_udevd_runs() ? NULL : without_udev;

	int rc = spawn_run(t, e);

	if (rc == 0 && t->status != 0)
		rc = say_complaint(t, e);
	if (rc == 0 && out)
		buf_add(out, buf_str(&t->out), t->out.len);
	tool_free(t);
	return rc == 0 && out && out->failed
	               ? err_set(e, ERR_NO_MEMORY, "cannot run %s: out of memory", t->argv[0])
	               : rc;
}

int zfs_run(const char *const *argv, struct op *op, struct buf *out, struct err *e)
{
	demand(argv && argv[0] && op, e);

	return run_tool(&(struct tool){ .argv = argv, .deadline = op->deadline, .whole = out != NULL }, out,
	                e);
}

int zfs_run_told(const char *const *argv, const void *input, size_t len, struct op *op, struct err *e)
{
	demand(argv && argv[0] && input && op, e);

	return run_tool(&(struct tool){ .argv = argv,
	                                .deadline = op->deadline,
	                                .input = input,
	                                .input_len = len },
	                NULL, e);
}

/* ---- what they print ---- */

size_t zfs_row(char **text, char **fields, size_t most)
{
	char *line = *text, *end;
	size_t n = 0;

	if (!line || !*line)
		return 0;
	end = line + strcspn(line, "\n");
	*text = end + (*end == '\n');
	*end = '\0';
	while (n < most) {
		char *next = line + strcspn(line, "\t");

		fields[n++] = line;
		if (!*next)
			break;
		*next = '\0';
		line = next + 1;
	}
	return n;
}

uint64_t zfs_number(const char *text)
{
	return *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : 0;
}

int zfs_get(const char *dataset, const char *property, char *out, size_t size, struct op *op, struct err *e)
{
	const char *const argv[] = { "zfs", "get", "-H", "-p", "-o", "value", property, dataset, NULL };
	cleanup_buf struct buf said = BUF_INIT;

	if (zfs_run(argv, op, &said, e) < 0)
		return -1;
	snprintf(out, size, "%.*s", (int)strcspn(buf_str(&said), "\n"), buf_str(&said));
	return 0;
}
