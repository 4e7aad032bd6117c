/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool stands on: paths, by filesystem and path in it; devices, by number and content; and whether two
 * pools share one.
 *
 * A conflict is found by comparing facts as texts. So each fact is written in one way only: device numbers
 * instead of names, uuids in lower case, paths by filesystem and path within it. Facts are made by workers,
 * since most of them ask a device or a name server.
 */
#include "backends/identity.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "backends/health.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "pool/check.h"
#include "system/device.h"
#include "system/mount.h"

#define LINKS_MAX 40 /* as the kernel has it */

/* ---- the mount table ---- */

struct places {
	struct mount_entry *items;
	size_t n, room;
	bool failed;
};

/* A copy of one mount. The only option that is of interest is whether anything can be written there. */
static int take_entry(const struct mount_entry *m, void *arg)
{
	struct places *t = arg;
	struct mount_entry *copy;

	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		void *items = realloc(t->items, room * sizeof(*t->items));

		if (!items) {
			t->failed = true;
			return 1;
		}
		t->items = items;
		t->room = room;
	}
	copy = &t->items[t->n];
	*copy = (struct mount_entry){ .id = m->id,
		                      .parent = m->parent,
		                      .dev = m->dev,
		                      .root = strdup(m->root),
		                      .target = strdup(m->target),
		                      .fstype = strdup(m->fstype),
		                      .source = strdup(m->source),
		                      .super_options = health_marked(m) ? strdup("ro") : NULL };
	t->n++;
	t->failed |= !copy->root || !copy->target || !copy->fstype || !copy->source;
	return t->failed;
}

void places_free(struct places *t)
{
	for (size_t i = 0; t && i < t->n; i++)
		mount_entry_free(&t->items[i]);
	if (t)
		free(t->items);
	free(t);
}

/* The table from a text, or as it is now. All or nothing: with a part of it, a path would be seen through
 * the wrong mount. */
static struct places *places_new(char *text, struct err *e)
{
	struct places *t = calloc(1, sizeof(*t));

	if (t && text)
		mountinfo_parse(text, take_entry, t);
	else if (t && mountinfo_each(take_entry, t, e) < 0)
		goto failed;
	if (t && !t->failed)
		return t;
	err_set(e, ERR_NO_MEMORY, "cannot read the mount table: out of memory");
failed:
	places_free(t);
	return NULL;
}

/* An open table becomes readable out of band when its namespace has changed since it was last asked
 * (proc_pid_mounts(5)). */
static bool table_is_as_before(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };

	return fd >= 0 && poll(&p, 1, 0) == 0;
}

const struct places *places_now(struct err *e)
{
	static struct places *kept;
	static int fd = -1;
	static pid_t keeper; /* a child has our memory, and not our descriptor */

	/* The descriptor is not closed in a child: it may be another file there by now. */
	if (keeper != getpid()) {
		keeper = getpid();
		fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	} else if (kept && table_is_as_before(fd)) {
		return kept;
	}
	places_free(kept);
	kept = places_new(NULL, e);
	return kept;
}

struct places *places_parse(char *text)
{
	demand_or(text, NULL);
	return places_new(text, NULL);
}

/* Filesystems that may not answer. */
static bool is_remote(const char *fstype)
{
	static const char *const remote[] = { "nfs",  "nfs4",   "cifs",   "smb3",      "9p",    "afs",
		                              "ceph", "autofs", "lustre", "glusterfs", "ncpfs", "coda" };

	for (size_t i = 0; i < ARRAY_LEN(remote); i++)
		if (streq(remote[i], fstype))
			return true;
	return starts_with(fstype, "fuse");
}

/* Is something mounted at exactly this path whose files are not to be touched? We run from what is mounted at
 * "/". */
static bool is_forbidden(const struct places *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (streq(t->items[i].target, path) && !streq(path, "/") && is_remote(t->items[i].fstype))
			return true;
	return false;
}

/* The mount on top of `below` at this path, or `below`. */
static const struct mount_entry *mount_over(const struct places *t, const struct mount_entry *below,
                                            const char *path)
{
	const struct mount_entry *top = below;

	for (size_t i = 0, rounds = 0; rounds <= t->n && i < t->n; i++) {
		const struct mount_entry *m = &t->items[i];

		if (!streq(m->target, path) || m == top || m->parent != top->id || m->id == top->id)
			continue;
		top = m;
		i = (size_t)-1; /* there may be another on top of it, listed anywhere */
		rounds++;
	}
	return top;
}

/* ---- paths ---- */

/* One more name. The path has no '/' at its end, and "" is the root. */
static bool path_append(char *out, size_t size, const char *name, size_t n)
{
	size_t len = strlen(out);

	if (len + n + 2 > size)
		return false;
	out[len] = '/';
	memcpy(out + len + 1, name, n);
	out[len + 1 + n] = '\0';
	return true;
}

/* The way to the directory above. "" is the root. */
static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

/* One link on the way: what it says goes in front of the rest of the way. */
static bool follow(char *done, char *rest, const char *link)
{
	char next[PATH_MAX];

	if (snprintf(next, sizeof(next), "%s/%s", link, rest) >= (int)sizeof(next))
		return false;
	memcpy(rest, next, strlen(next) + 1);
	if (link[0] == '/')
		done[0] = '\0';
	else
		cut_last(done);
	return true;
}

bool places_resolve(const struct places *t, const char *path, char *out, size_t size)
{
	demand_or(path && out && size > 1, false);

	char rest[PATH_MAX], link[PATH_MAX];
	bool blind = false;
	int links = 0;

	if (snprintf(rest, sizeof(rest), "%s", path) >= (int)sizeof(rest) || size < 2)
		return false;
	out[0] = '\0';
	while (rest[strspn(rest, "/")]) {
		const char *name = rest + strspn(rest, "/");
		size_t n = strcspn(name, "/");
		ssize_t got;

		if (n == 2 && memcmp(name, "..", 2) == 0)
			cut_last(out);
		else if ((n != 1 || *name != '.') && !path_append(out, size, name, n))
			return false;
		bool stepped = *name != '.' || (n != 1 && (n != 2 || name[1] != '.'));
		memmove(rest, name + n, strlen(name + n) + 1);
		blind |= is_forbidden(t, out);
		got = stepped && !blind ? readlink(out, link, sizeof(link) - 1) : -1;
		if (got < 0)
			continue;
		link[got] = '\0';
		if (++links > LINKS_MAX || !follow(out, rest, link))
			return false;
	}
	if (!out[0])
		memcpy(out, "/", 2);
	return true;
}

/* The mount through which one sees the path; `itself`: what is mounted right there counts. */
static const struct mount_entry *mount_of(const struct places *t, const char *path, bool itself)
{
	const struct mount_entry *m = NULL;
	char part[PATH_MAX];

	/* The root is the entry whose parent is not in the table. */
	for (size_t i = 0; i < t->n && !m; i++) {
		bool has_parent = false;

		for (size_t k = 0; k < t->n && !has_parent; k++)
			has_parent = k != i && t->items[k].id == t->items[i].parent;
		if (!has_parent && streq(t->items[i].target, "/"))
			m = &t->items[i];
	}
	if (!m)
		return NULL;
	if (!streq(path, "/") || itself)
		m = mount_over(t, m, "/");
	for (const char *at = path; at && *at && !streq(path, "/");) {
		const char *next = strchr(at + 1, '/');
		size_t n = next ? (size_t)(next - path) : strlen(path);

		if (!next && !itself)
			break;
		memcpy(part, path, n);
		part[n] = '\0';
		m = mount_over(t, m, part);
		at = next;
	}
	return m;
}

int places_mount(const struct places *t, const char *path)
{
	char canonical[PATH_MAX];
	const struct mount_entry *m = places_resolve(t, path, canonical, sizeof(canonical))
	                                      ? mount_of(t, canonical, true)
	                                      : NULL;

	if (!m)
		return 0;
	return m->super_options ? -m->id : m->id;
}

static const char place_key[] = "place", files_key[] = "files";

/* A path by its filesystem and by the way to it there: the mount's own root (a bind mount, a subvolume) and
 * what is below the mount's target. Two paths to one directory have the same fact, whatever mounts they lead
 * through. */
static void path_fact(const struct places *t, const char *key, const char *path, const char *canonical,
                      struct buf *facts)
{
	const struct mount_entry *m = mount_of(t, canonical, key == files_key);

	if (!m)
		return;

	const char *below = canonical + (streq(m->target, "/") ? 0 : strlen(m->target));
	const char *root = streq(m->root, "/") ? "" : m->root;
	dev_t dev = mount_device(m);

	below = streq(below, "/") ? "" : below;
	buf_printf(facts, "%s=%u:%u:", key, major(dev), minor(dev));
	/* The value ends at the first space. */
	for (const char *parts[] = { root, below, !*root && !*below ? "/" : "", NULL }, **p = parts; *p; p++)
		for (const char *c = *p; *c; c++) {
			if (*c == ' ' || *c == '\\')
				buf_printf(facts, "\\%03o", (unsigned)*c);
			else
				buf_addc(facts, *c);
		}
	buf_printf(facts, " %s\n", path);
}

void identity_path(const struct places *t, const char *path, unsigned which, struct buf *facts)
{
	demand_or(t && path && facts, );
	demand_or(which && !(which & ~(unsigned)(IDENTITY_PLACE | IDENTITY_FILES)), );

	char canonical[PATH_MAX];

	if (!places_resolve(t, path, canonical, sizeof(canonical)))
		return;
	if (which & IDENTITY_PLACE)
		path_fact(t, place_key, path, canonical, facts);
	if (which & IDENTITY_FILES)
		path_fact(t, files_key, path, canonical, facts);
}

/* ---- devices ---- */

void identity_number(dev_t dev, const char *spelling, struct buf *facts)
{
	buf_printf(facts, "dev=%u:%u %s\n", major(dev), minor(dev), spelling);
}

void identity_filesystem(dev_t dev, const char *spelling, struct buf *facts)
{
	buf_printf(facts, "files=%u:%u:/ %s\n", major(dev), minor(dev), spelling);
}

/* Append a fact whose value means the same in either case. The value ends at a blank, so that none may be in
 * it. */
static void add_lower(const char *key, const char *value, const char *spelling, struct buf *facts)
{
	buf_printf(facts, "%s=", key);
	for (; *value; value++)
		buf_addc(facts, (char)(*value == ' ' ? '_' : tolower((unsigned char)*value)));
	buf_printf(facts, " %s\n", spelling);
}

bool identity_device(const char *spec, dev_t *where, struct buf *facts)
{
	demand_or(spec && facts, false);

	struct device_content content;
	char path[PATH_MAX];
	dev_t dev;

	if (starts_with(spec, "PARTUUID="))
		add_lower("partuuid", spec + strlen("PARTUUID="), spec, facts);
	if (device_find(spec, path, sizeof(path), &dev, NULL) < 0) {
		if (starts_with(spec, "UUID="))
			add_lower("fsuuid", spec + strlen("UUID="), spec, facts);
		return false;
	}
	identity_number(dev, spec, facts);
	if (device_content_bounded(path, &content, NULL) == 0 && streq(content.usage, "filesystem") &&
	    content.uuid[0])
		add_lower("fsuuid", content.uuid, spec, facts);
	if (where)
		*where = dev;
	return true;
}

/* Types without a backend here may be somebody else's on the same machine, and their definitions are kept all
 * the same. */
static void identify_by_fields(const struct pool_def *d, struct buf *facts)
{
	unsigned stands_on = pool_type_info(d->type)->stands_on;

	for (size_t i = 0; i < d->source.ndevices && (stands_on & ON_DEVICES); i++)
		if (check_device(d->source.devices[i].path)) /* zpool has words of its own as well */
			identity_device(d->source.devices[i].path, NULL, facts);
	if (d->target.path && (stands_on & ON_DIRECTORY)) {
		const struct places *t = places_now(NULL);

		if (t)
			identity_path(t, d->target.path, IDENTITY_PLACE, facts);
	}
}

int backend_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	const struct backend *b = backend_find(d->type);

	if (b && b->identify) {
		if (b->identify(d, op, facts, e) < 0)
			return -1;
	} else {
		identify_by_fields(d, facts);
	}
	return facts->failed ? err_set(e, ERR_NO_MEMORY,
	                               "cannot say what pool \"%s\" stands on: out of memory", d->name)
	                     : 0;
}

/* ---- two pools ---- */

/* clang-format off */
static const struct kind { const char *key; const char *differ, *same; } kinds[] = {
	{ "dev=",      "%s and %s are the same device",                "both are on device %s" },
	{ "partuuid=", "%s and %s are the same partition",             "both are on %s" },
	{ "fsuuid=",   "%s and %s hold the same filesystem, by its uuid", "both are on the filesystem %s" },
	{ "vg=",       "%s and %s are the same volume group",          "both are volume group %s" },
	{ "place=",    "%s and %s are the same directory",             "both have the target %s" },
	{ "files=",    "%s and %s hold the same files",                "both have the files at %s" },
};
/* clang-format on */

/* Length of the fact at `line` without its spelling. */
static size_t fact_len(const char *line)
{
	return strcspn(line, " \n");
}

/* What stands behind the fact, for people. */
static void spelling_of(const char *line, char *out, size_t size)
{
	const char *s = line + fact_len(line);

	s += *s == ' ';
	snprintf(out, size, "%.*s", (int)strcspn(s, "\n"), s);
}

/* The same fact among those of another pool; NULL: it has none such. */
static const char *find_fact(const char *facts, const char *fact, size_t n)
{
	for (const char *p = facts; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (fact_len(p) == n && memcmp(p, fact, n) == 0)
			return p;
	return NULL;
}

/* The sentence's format is one of the table's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* In one sentence, and with one name where both pools use the same. */
static void sentence(const struct kind *k, const char *a, const char *b, char *out, size_t size)
{
	char mine[256], yours[256];

	spelling_of(a, mine, sizeof(mine));
	spelling_of(b, yours, sizeof(yours));
	if (streq(mine, yours))
		snprintf(out, size, k->same, mine);
	else
		snprintf(out, size, k->differ, mine, yours);
}
#pragma GCC diagnostic pop

bool identity_shared(const char *a, const char *b, char *out, size_t size)
{
	demand_or(a && b && out && size > 0, false);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (const char *p = a; *p; p += strcspn(p, "\n"), p += *p == '\n') {
			const char *other = starts_with(p, kinds[i].key) ? find_fact(b, p, fact_len(p))
			                                                 : NULL;

			if (!other)
				continue;
			sentence(&kinds[i], p, other, out, size);
			return true;
		}
	return false;
}

/* Is what they want of a server the same, whoever the server is? An empty key wants nothing. */
static bool want_the_same(const struct pool_def *a, const struct pool_def *b)
{
	cleanup_buf struct buf mine = BUF_INIT, theirs = BUF_INIT;

	pool_source_key_of_any_host(a, &mine);
	pool_source_key_of_any_host(b, &theirs);
	return mine.len && streq(buf_str(&mine), buf_str(&theirs));
}

/* Of several hosts, as NFS replicas have them, one in common is enough. */
static bool hosts_meet(const struct pool_def *a, const struct pool_def *b, int port,
                       const struct pool_host **h, const struct pool_host **g)
{
	const struct backend *type = backend_find(a->type);

	for (size_t i = 0; type && type->same_host && i < a->source.nhosts; i++)
		for (size_t k = 0; k < b->source.nhosts; k++) {
			*h = &a->source.hosts[i];
			*g = &b->source.hosts[k];
			if (((*h)->port ? (*h)->port : port) == ((*g)->port ? (*g)->port : port) &&
			    type->same_host((*h)->name, (*g)->name))
				return true;
		}
	return false;
}

bool identity_same_server(const struct pool_def *a, const struct pool_def *b, char *out, size_t size)
{
	demand_or(a && b && out && size > 0, false);

	const struct pool_type_info *info = pool_type_info(a->type);
	const struct pool_host *h, *g;

	if (a->type != b->type || !(info->stands_on & ON_SERVER) || !want_the_same(a, b) ||
	    !hosts_meet(a, b, info->port, &h, &g))
		return false;
	snprintf(out, size, "%.200s and %.200s are the same server, and both want %.200s of it", h->name,
	         g->name, info->fields & FIELD_DEVICE ? a->source.devices[0].path : a->source.dir);
	return true;
}
