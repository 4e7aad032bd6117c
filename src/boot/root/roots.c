/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammar of root=, as a table of forms. The first form whose beginning fits decides: it takes the item,
 * or says what to write instead. What nobody would write on purpose is refused when the command line is read,
 * and not awaited at boot.
 */
#include <string.h>
#include "base/contract.h"
#include "base/util.h"
#include "boot/root/roots.h"
#include "pool/check.h"

/* ---- what each form takes ---- */

static int take_root_device(struct root *r, char *item, struct err *e)
{
	(void)e;
	r->name = item;
	return check_device(item) ? 0 : -1;
}

/* "pool:NAME" or "pool:NAME/VOLUME": a pool's name has no slash, a volume's may. */
static int take_pool(struct root *r, char *item, struct err *e)
{
	char *slash;

	item += strlen("pool:");
	slash = strchr(item, '/');
	r->kind = slash ? ROOT_VOLUME : ROOT_POOL;
	r->name = item;
	if (slash) {
		*slash = '\0';
		r->volume = slash + 1;
	}
	if (!check_pool_name(item))
		return err_set(e, ERR_INVALID, "\"%s\" cannot be the name of a pool", item);
	return !slash || check_relative_path(r->volume) ? 0 : -1;
}

/* ---- the table ---- */

/* The beginning of an item, and what takes it; without that, what to write instead. */
/* clang-format off */
static const struct form {
	const char *begins;
	int (*take)(struct root *r, char *item, struct err *e);
	const char *instead;
} forms[] = {
	{ "pool:",      take_pool,   "pool:NAME or pool:NAME/VOLUME" },
	{ "/dev/nfs",   NULL,        "define a netfs pool, and write pool:NAME" },
	{ "/dev/ram",   NULL,        "the initramfs is no root to hand over to" },
	{ "/dev/",      take_root_device, "/dev/… without \"..\"" },
	{ "UUID=",      take_root_device, "UUID=… with the filesystem's UUID" },
	{ "LABEL=",     take_root_device, "LABEL=… with the filesystem's label" },
	{ "PARTUUID=",  take_root_device, "PARTUUID=… with the partition's own UUID" },
	{ "PARTLABEL=", take_root_device, "PARTLABEL=… with the partition's name" },
	{ "nfs",        NULL,        "define a netfs pool, and write pool:NAME" },
	{ "iscsi:",     NULL,        "define an iscsi pool, and write pool:NAME/VOLUME or the device" },
	{ "",           NULL,
	  "/dev/…, UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=…, pool:NAME or pool:NAME/VOLUME" },
};
/* clang-format on */

/* Take one item. A form that refuses it without a word of its own is quoted. */
static int take_root_item(struct root *r, const char *item, struct arena *a, struct err *e)
{
	const struct form *f = forms;
	struct err own = { 0 };
	char *copy = arena_strdup(a, item);

	*r = (struct root){ .text = item };
	if (!copy)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	while (!starts_with(item, f->begins))
		f++;
	if (f->take && f->take(r, copy, &own) == 0)
		return 0;
	return err_set(e, ERR_INVALID, "\"%s\" is no root: %s", item, own.class ? own.message : f->instead);
}

int roots_parse(const char *value, struct arena *a, struct root_list *list, struct err *e)
{
	demand(value && a && list, e);

	struct root_list all = { .n = 0 };
	char *rest = arena_strdup(a, value), *item;

	if (!rest)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	while ((item = strsep(&rest, ","))) {
		if (all.n == ROOTS_LIMIT)
			return err_set(e, ERR_TOO_LONG, "more than %d roots", ROOTS_LIMIT);
		if (take_root_item(&all.items[all.n], item, a, e) < 0)
			return -1;
		all.n++;
	}
	*list = all;
	return 0;
}

const char *roots_pools(const struct root_list *list, const struct root *overlay, struct arena *a)
{
	const char *names = overlay->name;

	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].kind != ROOT_DEVICE)
			names = arena_printf(a, "%s%s%s", names ? names : "", names ? "," : "",
			                     list->items[i].name);
	return names;
}

bool roots_is_fstype(const char *s)
{
	return *s >= 'a' && *s <= 'z' && strlen(s) < 32 &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0';
}
