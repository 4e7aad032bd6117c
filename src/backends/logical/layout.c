/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of <layout>. The first is the kind; the others are KEY=VALUE, and each kind has its own. What is
 * left out is what lvcreate(8) has for granted.
 */
#include "backends/logical/layout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/util.h"
#include "pool/check.h"
#include "pool/size.h"

/* ---- reading ---- */

enum {
	KEY_STRIPES = 1 << 0,
	KEY_STRIPE_SIZE = 1 << 1,
	KEY_MIRRORS = 1 << 2,
	KEY_POOL = 1 << 3,
	KEY_SIZE = 1 << 4,
	KEY_CACHE = 1 << 5,
	KEY_ON = 1 << 6,
};

#define STRIPES (KEY_STRIPES | KEY_STRIPE_SIZE | KEY_ON)

/* lvcreate's --type, and the keys that a kind may have and must have. */
/* clang-format off */
static const struct kind_row {
	const char *word, *type;
	unsigned may, must;
} kinds[LAYOUTS] = {
	[LAYOUT_LINEAR]   = { "linear",   "linear",   KEY_ON, 0 },
	[LAYOUT_STRIPED]  = { "striped",  "striped",  STRIPES, 0 },
	[LAYOUT_THIN]     = { "thin",     "thin",     KEY_POOL | KEY_SIZE | KEY_ON, KEY_POOL },
	[LAYOUT_SNAPSHOT] = { "snapshot", "snapshot", KEY_SIZE | KEY_ON, 0 },
	[LAYOUT_SPARSE]   = { "sparse",   "snapshot", KEY_SIZE | KEY_ON, KEY_SIZE },
	[LAYOUT_CACHE]    = { "cache",    "cache",    KEY_CACHE | KEY_SIZE | KEY_ON, KEY_CACHE | KEY_SIZE },
	[LAYOUT_RAID1]    = { "raid1",    "raid1",    KEY_MIRRORS | KEY_ON, 0 },
	[LAYOUT_RAID5]    = { "raid5",    "raid5",    STRIPES, 0 },
	[LAYOUT_RAID6]    = { "raid6",    "raid6",    STRIPES, 0 },
	[LAYOUT_RAID10]   = { "raid10",   "raid10",   STRIPES | KEY_MIRRORS, 0 },
	[LAYOUT_VDO]      = { "vdo",      "vdo",      KEY_POOL | KEY_SIZE | KEY_ON, 0 },
};
/* clang-format on */

static const char *const key_words[] = { "stripes", "stripe-size", "mirrors", "pool", "size", "cache", "on" };

static int take_count(const char *word, const char *value, unsigned *out, struct err *e)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*end || end == value || *value == '-' || n < 1 || n > 128)
		return err_set(e, ERR_INVALID, "layout: %s=%.40s is not a number from 1 to 128", word, value);
	*out = (unsigned)n;
	return 0;
}

static int take_name(const char *word, const char *value, char *out, size_t size, struct err *e)
{
	if (!*value || strlen(value) >= size)
		return err_set(e, ERR_INVALID, "layout: %s=%.40s is empty, or too long", word, value);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

/* They become lvcreate's words: one that is no path would be an option, or a tag. */
static int take_devices(const char *value, struct volume_layout *l, struct err *e)
{
	bool begins = true; /* one of them */

	for (const char *p = value; begins || *p; p++) {
		if (begins && *p != '/')
			return err_set(e, ERR_INVALID,
			               "layout: on=%.60s is no list of devices (/dev/A,/dev/B)", value);
		begins = *p == ',';
	}
	return take_name("on", value, l->on, sizeof(l->on), e);
}

static int take_key(struct volume_layout *l, unsigned key, const char *word, const char *value, struct err *e)
{
	switch (key) {
	case KEY_STRIPES:
		return take_count(word, value, &l->stripes, e);
	case KEY_MIRRORS:
		return take_count(word, value, &l->mirrors, e);
	case KEY_STRIPE_SIZE:
		return size_parse_word(value, &l->stripe_size, e);
	case KEY_SIZE:
		return size_parse_word(value, &l->size, e);
	case KEY_CACHE:
		return take_name(word, value, l->cache, sizeof(l->cache), e);
	case KEY_ON:
		return take_devices(value, l, e);
	default:
		if (!check_lvm_name(value))
			return err_set(e, ERR_INVALID,
			               "layout: \"%.100s\" is no name of a thin pool: " LVM_NAME_RULE, value);
		return take_name(word, value, l->pool, sizeof(l->pool), e);
	}
}

/* "stripes=, stripe-size=, on=" */
static void say_keys(unsigned may, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(key_words); i++)
		if (may & 1U << i)
			buf_printf(out, "%s%s=", out->len ? ", " : "", key_words[i]);
}

/* One word behind the first. */
static int take_layout_word(struct volume_layout *l, char *word, unsigned *seen, struct err *e)
{
	cleanup_buf struct buf keys = BUF_INIT;
	char *value = strchr(word, '=');

	for (size_t i = 0; value && i < ARRAY_LEN(key_words); i++)
		if (strncmp(word, key_words[i], (size_t)(value - word)) == 0 && !key_words[i][value - word] &&
		    (kinds[l->kind].may & 1U << i)) {
			*seen |= 1U << i;
			return take_key(l, 1U << i, key_words[i], value + 1, e);
		}
	say_keys(kinds[l->kind].may, &keys);
	return err_set(e, ERR_INVALID, "layout: \"%.60s\" is no word of a %s volume: it has %s", word,
	               kinds[l->kind].word, buf_str(&keys));
}

static int take_kind(struct volume_layout *l, const char *word, struct err *e)
{
	for (size_t i = 0; i < LAYOUTS; i++)
		if (streq(kinds[i].word, word)) {
			l->kind = (enum layout_kind)i;
			return i != LAYOUT_VDO ? 0
			                       : err_set(e, ERR_UNSUPPORTED,
			                                 "VDO volumes are not made here: that takes "
			                                 "vdoformat, a kernel with dm-vdo, and LVM's own "
			                                 "program; one that is there is used");
		}
	return err_set(
		e, ERR_INVALID,
		"unknown layout \"%.40s\": linear, striped, thin, snapshot, sparse, cache, raid1, raid5, "
		"raid6 and raid10 are known",
		word);
}

int layout_read(const char *text, struct volume_layout *out, struct err *e)
{
	cleanup_free char *copy = strdup(text ? text : "");
	char *rest = copy, *word;
	unsigned seen = 0;
	bool first = true;

	*out = (struct volume_layout){ .kind = LAYOUT_LINEAR };
	while (copy && (word = strsep(&rest, " \t\r\n"))) {
		if (!*word)
			continue;
		if ((first ? take_kind(out, word, e) : take_layout_word(out, word, &seen, e)) < 0)
			return -1;
		first = false;
	}
	for (size_t i = 0; i < ARRAY_LEN(key_words); i++)
		if (kinds[out->kind].must & ~seen & 1U << i)
			return err_set(e, ERR_INVALID, "layout: a %s volume needs %s=", kinds[out->kind].word,
			               key_words[i]);
	return copy ? 0 : err_set(e, ERR_NO_MEMORY, "cannot read the layout: out of memory");
}

/* ---- lvcreate's words ---- */

static void add_layout_word(struct layout_words *w, const char *word)
{
	w->argv[w->n++] = word;
}

/* An option and its value. */
static void add_option(struct layout_words *w, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void add_option(struct layout_words *w, const char *name, const char *fmt, ...)
{
	char *text = w->text[w->ntext++];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(w->text[0]), fmt, ap);
	va_end(ap);
	if (name)
		add_layout_word(w, name);
	add_layout_word(w, text);
}

/* LVM takes whole sectors, and rounds up to its extents itself. */
static void size_option(struct layout_words *w, const char *name, uint64_t bytes)
{
	add_option(w, name, "%" PRIu64 "b", (bytes + 511) / 512 * 512);
}

static int thin_words(const struct volume_layout *l, const char *vg, const struct group *g, uint64_t capacity,
                      struct layout_words *w, struct err *e)
{
	const struct group_volume *pool = group_volume(g, l->pool);

	if (pool && pool->attr[0] != 't')
		return err_set(e, ERR_INVALID, "\"%s\" is a volume of group \"%s\", and no thin pool",
		               l->pool, vg);
	if (!pool)
		return err_set(e, ERR_INVALID,
		               "there is no thin pool \"%s\" in group \"%s\": with size= it is made", l->pool,
		               vg);
	size_option(w, "-V", capacity);
	add_option(w, "--thinpool", "%s", l->pool);
	return 0;
}

/* In a thin pool it needs no size. A share of the origin (-l) would be less where the group has not as much.
 */
static void snapshot_words(const struct volume_layout *l, const struct group_volume *origin,
                           struct layout_words *w)
{
	if (l->size || !origin->thin)
		size_option(w, "-L", l->size ? l->size : group_snapshot_room(origin->size, 0));
	add_layout_word(w, "-s");
}

/* The volume's own extents are to lie on other devices than its cache. */
static int cache_words(const struct volume_layout *l, const struct group *g, uint64_t capacity,
                       struct layout_words *w, struct err *e)
{
	size_t others = 0;

	for (size_t i = 0; g->nodes[i]; i++)
		others += !streq(g->nodes[i], l->cache);
	if (others == g->members || !others)
		return err_set(e, ERR_INVALID,
		               "cache=%.100s is not one of several physical volumes of the group", l->cache);
	size_option(w, "-L", capacity);
	add_option(w, "--cachedevice", "%s", l->cache);
	size_option(w, "--cachesize", l->size);
	return 0;
}

/* Those that it may use, behind the group. */
static void device_words(const struct volume_layout *l, const struct group *g, struct layout_words *w)
{
	char *rest = w->on, *word;

	snprintf(w->on, sizeof(w->on), "%s", l->on);
	while (l->on[0] && w->n + 1 < ARRAY_LEN(w->argv) && (word = strsep(&rest, ",")))
		add_layout_word(w, word);
	for (size_t i = 0; l->kind == LAYOUT_CACHE && !l->on[0] && g->nodes[i]; i++)
		if (!streq(g->nodes[i], l->cache))
			add_layout_word(w, g->nodes[i]);
}

int layout_words(const struct volume_layout *l, const char *vg, const struct group *g, const char *name,
                 uint64_t capacity, const struct group_volume *origin, const char *tag,
                 struct layout_words *w, struct err *e)
{
	static const char *const begin[] = { "lvcreate", "-y", "-kn" };
	bool snapshot = l->kind == LAYOUT_SNAPSHOT;

	for (size_t i = 0; i < ARRAY_LEN(begin); i++)
		add_layout_word(w, begin[i]);
	add_option(w, "-n", "%s", name);
	if (!(snapshot && origin->thin && !l->size))
		add_option(w, "--type", "%s", kinds[l->kind].type);
	if (tag)
		add_option(w, "--addtag", "%s", tag);
	if (l->stripes)
		add_option(w, "-i", "%u", l->stripes);
	if (l->stripe_size)
		size_option(w, "-I", l->stripe_size);
	if (l->mirrors)
		add_option(w, "-m", "%u", l->mirrors);
	if (l->kind == LAYOUT_THIN) {
		if (thin_words(l, vg, g, capacity, w, e) < 0)
			return -1;
	} else if (l->kind == LAYOUT_CACHE) {
		if (cache_words(l, g, capacity, w, e) < 0)
			return -1;
	} else if (snapshot) {
		snapshot_words(l, origin, w);
	} else if (l->kind == LAYOUT_SPARSE) {
		size_option(w, "-L", l->size);
		size_option(w, "--virtualsize", capacity);
	} else {
		size_option(w, "-L", capacity);
	}
	if (snapshot)
		add_option(w, NULL, "%s/%s", vg, origin->name);
	else
		add_layout_word(w, vg);
	device_words(l, g, w);
	add_layout_word(w, NULL);
	return 0;
}

void layout_pool_words(const struct volume_layout *l, const char *vg, const struct group *g,
                       struct layout_words *w)
{
	add_layout_word(w, "lvcreate");
	add_layout_word(w, "-y");
	add_option(w, "-n", "%s", l->pool);
	add_option(w, "--type", "thin-pool");
	add_option(w, "--addtag", "%s", GROUP_OWN_POOL);
	size_option(w, "-L", l->size);
	add_layout_word(w, vg);
	device_words(l, g, w);
	add_layout_word(w, NULL);
}
