/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The mount table. One line a mount:
 *
 *     36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *     id parent dev root target options (tags …) - fstype source super-options
 */
#include "base/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/util.h"

#define TABLE_MAX (16 * 1024 * 1024)

/* ---- one line ---- */

/* Undo \040 and the like, in place. */
static void undo_escapes(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Cut the next field off *rest; NULL if there is none. */
static char *field(char **rest)
{
	char *start = *rest;

	if (!start || !*start)
		return NULL;
	*rest = strchr(start, ' ');
	if (*rest)
		*(*rest)++ = '\0';
	return start;
}

static bool parse_id(const char *s, unsigned *n)
{
	*n = 0;
	if (!s || !*s)
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (*n > (INT32_MAX - 9) / 10)
			return false;
		*n = *n * 10 + (unsigned)(*s - '0');
	}
	return *s == '\0';
}

static bool device(char *s, dev_t *dev)
{
	char *colon = s ? strchr(s, ':') : NULL;
	unsigned maj, min;

	if (!colon)
		return false;
	*colon = '\0';
	if (!parse_id(s, &maj) || !parse_id(colon + 1, &min))
		return false;
	*dev = makedev(maj, min);
	return true;
}

static bool parse_line(char *line, struct mount_entry *m)
{
	char *rest = line, *tag;
	unsigned id, parent;

	if (!parse_id(field(&rest), &id) || !parse_id(field(&rest), &parent) ||
	    !device(field(&rest), &m->dev))
		return false;
	m->id = (int)id;
	m->parent = (int)parent;
	m->root = field(&rest);
	m->target = field(&rest);
	m->options = field(&rest);
	while ((tag = field(&rest)) && !streq(tag, "-"))
		;
	m->fstype = tag ? field(&rest) : NULL;
	m->source = field(&rest);
	m->super_options = field(&rest);
	if (!m->fstype)
		return false;
	if (!m->super_options) /* an empty source leaves two spaces, an empty list nothing */
		m->super_options = line + strlen(line);
	if (!m->source)
		m->source = m->super_options;
	undo_escapes(m->root);
	undo_escapes(m->target);
	undo_escapes(m->fstype);
	undo_escapes(m->source);
	undo_escapes(m->super_options);
	return true;
}

/* ---- the table ---- */

int mountinfo_parse(char *text, mount_fn *fn, void *arg)
{
	char *line = text;

	while (line && *line) {
		char *next = strchr(line, '\n');
		struct mount_entry m;
		int rc;

		if (next)
			*next++ = '\0';
		rc = parse_line(line, &m) ? fn(&m, arg) : 0;
		if (rc)
			return rc;
		line = next;
	}
	return 0;
}

/* What mountinfo_keep() keeps. The descriptor is the one that was read: it becomes readable out of band when
 * its namespace has changed since it was opened (proc_pid_mounts(5)). */
static struct {
	pid_t keeper; /* a child has our memory, and shares the descriptor's state, or has it closed */
	int fd;
	unsigned reading;
	struct buf text;
} kept = { .fd = -1 };

static const char table_path[] = "/proc/self/mountinfo";

static bool keeps(void)
{
	return kept.keeper && kept.keeper == getpid();
}

void mountinfo_keep(void)
{
	kept.keeper = getpid();
	kept.fd = -1;
}

void mountinfo_forget(void)
{
	if (!keeps() || kept.fd < 0)
		return;
	close(kept.fd);
	kept.fd = -1;
	buf_free(&kept.text);
}

int mountinfo_kept(void)
{
	return keeps() ? kept.fd : -1;
}

static bool is_as_before(void)
{
	struct pollfd p = { .fd = kept.fd, .events = POLLPRI };

	return kept.fd >= 0 && poll(&p, 1, 0) == 0;
}

static int read_kept(struct err *e)
{
	if (is_as_before())
		return 0;
	mountinfo_forget();
	buf_free(&kept.text);
	kept.fd = open(table_path, O_RDONLY | O_CLOEXEC);
	if (kept.fd < 0)
		return err_sys(e, errno, "cannot open %s", table_path);
	kept.reading++;
	if (file_read_open(kept.fd, table_path, TABLE_MAX, &kept.text, e) == 0)
		return 0;
	mountinfo_forget();
	return -1;
}

unsigned mountinfo_reading(void)
{
	return keeps() && read_kept(NULL) == 0 ? kept.reading : 0;
}

/* A copy, because the parser changes it. */
static int table_text(struct buf *text, struct err *e)
{
	int rc = keeps() ? read_kept(e) : file_read(AT_FDCWD, table_path, TABLE_MAX, text, e);

	if (rc == 0 && keeps())
		buf_add(text, buf_str(&kept.text), kept.text.len);
	if (rc == 0 && text->failed)
		rc = err_set(e, ERR_NO_MEMORY, "not enough memory");
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot read the mount table") : 0;
}

int mountinfo_each(mount_fn *fn, void *arg, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (table_text(&text, e) < 0)
		return -1;
	return mountinfo_parse(text.data, fn, arg);
}

/* ---- what is visible at a path ---- */

struct mount_list {
	struct mount_entry *items;
	size_t n, size;
};

static int add_mount(const struct mount_entry *m, void *arg)
{
	struct mount_list *l = arg;

	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 64;
		void *items = realloc(l->items, size * sizeof(*l->items));

		if (!items)
			return -1;
		l->items = items;
		l->size = size;
	}
	l->items[l->n++] = *m;
	return 0;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t len = streq(dir, "/") ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Is there another mount on top of it, at the same path? */
static bool is_covered(const struct mount_list *l, const struct mount_entry *m)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].parent == m->id && l->items[i].id != m->id &&
		    streq(l->items[i].target, m->target))
			return true;
	return false;
}

/* Does the way to it lead somewhere else? Either another mount on the same parent was put over a directory
 * above it later, or its parent cannot be reached. A parent at the same path is covered by the very mounts
 * that are looked at; only the way to it counts. */
static bool is_cut_off(const struct mount_list *l, const struct mount_entry *m, int depth)
{
	const struct mount_entry *parent = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct mount_entry *other = &l->items[i];

		if (other->id == m->id)
			continue;
		if (other->id == m->parent)
			parent = other;
		else if (other->parent == m->parent && !streq(other->target, m->target) &&
		         path_is_below(m->target, other->target))
			return true;
	}
	if (!parent || depth == 0)
		return false;
	if (!streq(parent->target, m->target) && is_covered(l, parent))
		return true;
	return is_cut_off(l, parent, depth - 1);
}

static char *copy(const char *s, bool *failed)
{
	char *p = strdup(s);

	*failed |= !p;
	return p;
}

static int entry_copy(struct mount_entry *to, const struct mount_entry *m, struct err *e)
{
	bool failed = false;

	*to = *m;
	to->root = copy(m->root, &failed);
	to->target = copy(m->target, &failed);
	to->options = copy(m->options, &failed);
	to->fstype = copy(m->fstype, &failed);
	to->source = copy(m->source, &failed);
	to->super_options = copy(m->super_options, &failed);
	if (!failed)
		return 1;
	mount_entry_free(to);
	return err_set(e, ERR_NO_MEMORY, "cannot look up a mount: not enough memory");
}

int mountinfo_find(const char *target, struct mount_entry *out, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct mount_list l = { 0 };
	int rc = 0;

	if (table_text(&text, e) < 0)
		return -1;
	if (mountinfo_parse(text.data, add_mount, &l) < 0)
		rc = err_set(e, ERR_NO_MEMORY, "cannot read the mount table: not enough memory");
	for (size_t i = l.n; rc == 0 && i-- > 0;)
		if (streq(l.items[i].target, target) && !is_covered(&l, &l.items[i]) &&
		    !is_cut_off(&l, &l.items[i], 64))
			rc = entry_copy(out, &l.items[i], e);
	free(l.items);
	return rc;
}

void mount_entry_free(struct mount_entry *m)
{
	char **const strings[] = { &m->root,   &m->target, &m->options,
		                   &m->fstype, &m->source, &m->super_options };

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		free(*strings[i]);
		*strings[i] = NULL;
	}
}
