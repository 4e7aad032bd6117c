/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What LVM says of a volume group: its sizes, and its volumes with their segments, in one report. Each report
 * reads all metadata anew, so that one is kept as long as nothing has changed the group; what is active is
 * the kernel's to tell.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backends/logical/lockd.h"
#include "backends/logical/logical.h"
#include "backends/logical/lvm.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"

/* The last report, if the group was in it. */
static struct {
	bool valid;
	char uuid[39];
	unsigned pvs, missing;
	uint64_t size, available, extent;
	struct group_volume *volumes;
	size_t n, room;
} kept;

uint64_t group_number(const char *text)
{
	return strtoull(text, NULL, 10);
}

void group_report_forget(void)
{
	for (size_t i = 0; i < kept.n; i++)
		buf_free(&kept.volumes[i].devices);
	kept.n = 0;
	kept.valid = false;
}

/* ---- asking LVM, which may not survive it ---- */

/* `how` LVM's code has died. */
static void say_deadly(struct group *g, const char *how)
{
	g->deadly = true;
	g->found = false;
	snprintf(g->why, sizeof(g->why),
	         "LVM's own code %.80s of its metadata, which must be damaged: restore it (vgcfgrestore), or "
	         "look at it with pvck --dump metadata %.60s",
	         how, g->nodes[0]);
}

/* What a group is, and how LVM has died of it, as op->avoid has it. */
static void avoid(struct group *g, struct op *op, const char *how)
{
	say_deadly(g, how);
	snprintf(op->avoid, sizeof(op->avoid), "%s %.80s", g->mark, how);
}

bool group_is_avoided(struct group *g, const struct op *op)
{
	size_t n = strlen(g->mark);

	if (!n || strncmp(op->avoid, g->mark, n) != 0 || op->avoid[n] != ' ')
		return false;
	say_deadly(g, op->avoid + n + 1);
	return true;
}

int group_run(const char *const *words, const char *vg, struct group *g, struct op *op, struct buf *out,
              struct err *e)
{
	char wait[200];

	if (g->shared && lockd_is_not_stuck(e) < 0)
		return -1;
	if ((g->shared ? lvm_run_locked : lvm_run)(words, g->nodes, op, out, e) == 0) {
		op->avoid[0] = '\0';
		return 0;
	}
	if (!lvm_death())
		return g->shared ? lockd_explain(e) : -1;
	avoid(g, op, lvm_death());
	snprintf(wait, sizeof(wait), "vg=%s", vg);
	return err_wait(e, ERR_WAIT_DEVICE, wait, "%s", g->why);
}

/* ---- letters of lv_attr, lvs(8) ---- */

enum { ATTR_TYPE = 0, ATTR_STATE = 4, ATTR_HEALTH = 8, ATTR_SKIP = 9, ATTR_LEN = 10 };

static char letter(const struct group_volume *v, int at)
{
	return strlen(v->attr) >= ATTR_LEN ? v->attr[at] : '-';
}

/* `vgchange -ay` activates all but those marked "skip activation". A snapshot that is lost is active, and has
 * a warning of its own. A VDO pool is active by its volumes, and LVM does not show that. */
static bool should_be_active(const struct group_volume *v)
{
	return letter(v, ATTR_SKIP) != 'k' && letter(v, ATTR_TYPE) != 'd' && !v->lost &&
	       !strchr("as", letter(v, ATTR_STATE));
}

bool group_lists(const struct group_volume *v)
{
	return (letter(v, ATTR_STATE) == 'a' || v->lost) && !strchr("td", letter(v, ATTR_TYPE)) &&
	       !v->unfinished && check_lvm_name(v->name);
}

const struct group_volume *group_volume(const struct group *g, const char *name)
{
	for (size_t i = 0; i < g->nvolumes; i++)
		if (streq(g->volumes[i].name, name))
			return &g->volumes[i];
	return NULL;
}

/* A pool takes its volumes with it: one that has some is left alone, whatever its tags. */
const struct group_volume *group_leftover(const struct group *g, const char *of_pool)
{
	for (size_t i = 0; i < g->nvolumes; i++) {
		const struct group_volume *v = &g->volumes[i];
		bool is_pool = letter(v, ATTR_TYPE) == 't';

		if (is_pool && v->unused && (!of_pool || streq(v->name, of_pool)))
			return v;
		if (!is_pool && (v->unfinished || v->unmade) && !of_pool)
			return v;
	}
	return NULL;
}

bool group_needs_refresh(const struct group_volume *v)
{
	return letter(v, ATTR_HEALTH) == 'r';
}

/* ---- asking ---- */

/* "/dev/sda(0),/dev/sdb(100)", "[pool_tdata](0)": the devices among them, each once. */
static void devices_add(struct buf *b, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "(,");
		bool there = false;

		for (const char *p = buf_str(b); *p && !there; p += strcspn(p, " "), p += *p == ' ')
			there = strncmp(p, text, n) == 0 && (p[n] == ' ' || !p[n]);
		if (text[0] == '/' && !there) {
			if (b->len)
				buf_addc(b, ' ');
			buf_add(b, text, n);
		}
		text += strcspn(text, ",");
		text += *text == ',';
	}
}

static void take_group(const struct lvm_field *f, int n)
{
	kept.valid = true;
	kept.pvs = (unsigned)group_number(lvm_get(f, n, "PV_COUNT"));
	kept.missing = (unsigned)group_number(lvm_get(f, n, "VG_MISSING_PV_COUNT"));
	kept.size = group_number(lvm_get(f, n, "VG_SIZE"));
	kept.available = group_number(lvm_get(f, n, "VG_FREE"));
	kept.extent = group_number(lvm_get(f, n, "VG_EXTENT_SIZE"));
}

/* "41.27" is 4127; "" is -1. */
static int hundredths(const char *text)
{
	const char *dot = strchr(text, '.');
	int n = atoi(text) * 100;

	if (!*text)
		return -1;
	if (dot && dot[1])
		n += (dot[1] - '0') * 10 + (dot[2] ? dot[2] - '0' : 0);
	return n;
}

/* Is it in a list with commas? */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

static struct group_volume *volume_add(const struct lvm_field *f, int n)
{
	struct group_volume *v;

	if (!kept.volumes || kept.n == kept.room) {
		size_t room = kept.room ? 2 * kept.room : 16;
		void *grown = realloc(kept.volumes, room * sizeof(*kept.volumes));

		if (!grown)
			return NULL;
		kept.volumes = grown;
		kept.room = room;
	}
	v = &kept.volumes[kept.n++];
	*v = (struct group_volume){ .size = group_number(lvm_get(f, n, "LV_SIZE")) };
	snprintf(v->name, sizeof(v->name), "%s", lvm_get(f, n, "LV_NAME"));
	snprintf(v->uuid, sizeof(v->uuid), "%s", lvm_get(f, n, "LV_UUID"));
	snprintf(v->attr, sizeof(v->attr), "%s", lvm_get(f, n, "LV_ATTR"));
	snprintf(v->origin, sizeof(v->origin), "%s", lvm_get(f, n, "ORIGIN"));
	v->origin_size = group_number(lvm_get(f, n, "ORIGIN_SIZE"));
	v->chunk = group_number(lvm_get(f, n, "CHUNK_SIZE"));
	v->thin = streq(lvm_get(f, n, "SEGTYPE"), "thin");
	snprintf(v->pool, sizeof(v->pool), "%s", lvm_get(f, n, "POOL_LV"));
	v->transaction = group_number(lvm_get(f, n, "TRANSACTION_ID"));
	v->lost = strchr("IS", letter(v, ATTR_STATE)) != NULL;
	v->out = strchr("DMF", letter(v, ATTR_HEALTH)) != NULL;
	v->data = hundredths(lvm_get(f, n, "DATA_PERCENT"));
	v->metadata = hundredths(lvm_get(f, n, "METADATA_PERCENT"));
	v->unfinished = has_word(lvm_get(f, n, "LV_TAGS"), GROUP_UNFINISHED);
	v->unused = has_word(lvm_get(f, n, "LV_TAGS"), GROUP_OWN_POOL) &&
	            streq(lvm_get(f, n, "THIN_COUNT"), "0"); /* hidden ones among them */
	return v;
}

/* A row is a segment of a volume; those of one volume come one after the other. */
static int take_segment(const struct lvm_field *f, int n, struct err *e)
{
	struct group_volume *v = kept.n ? &kept.volumes[kept.n - 1] : NULL;

	if (!v || !streq(v->uuid, lvm_get(f, n, "LV_UUID")))
		v = volume_add(f, n);
	if (!v)
		return err_set(e, ERR_NO_MEMORY, "no memory for what LVM reports");
	devices_add(&v->devices, lvm_get(f, n, "DEVICES"));
	return 0;
}

static int take_rows(char *text, const char *uuid, struct err *e)
{
	struct lvm_field f[LVM_FIELDS];
	int n;

	snprintf(kept.uuid, sizeof(kept.uuid), "%s", uuid);
	while ((n = lvm_next(&text, f, e)) > 0) {
		if (!streq(lvm_get(f, n, "VG_UUID"), uuid) || *lvm_get(f, n, "LV_NAME") == '[')
			continue; /* another group's, or hidden: a part of another volume */
		if (!lvm_get(f, n, "LV_UUID")[0])
			take_group(f, n);
		else if (take_segment(f, n, e) < 0)
			return -1;
	}
	return n;
}

/* fullreport is several reports in one, of which two are wanted: a volume group without volumes has no row in
 * one that names volumes. By selection and not by argument: then a group that LVM does not show is an empty
 * report and not an error to be told from others by its text. */
static int report_ask(const char *vg, struct group *g, struct op *op, struct err *e)
{
	static const char none[] = "lv_name=-", no_disk[] = "pv_name=-"; /* nothing is called so */
	static const char segments[] =
		"vg_uuid,lv_name,lv_uuid,segtype,lv_attr,lv_size,origin,origin_size,chunk_size,"
		"pool_lv,transaction_id,lv_tags,thin_count,data_percent,metadata_percent,devices";
	char select[160];
	/* clang-format off */
	const char *const words[] = {
		"fullreport", LVM_REPORT,
		"--configreport", "vg", "-o",
		"vg_uuid,pv_count,vg_missing_pv_count,vg_size,vg_free,vg_extent_size",
		"-S", select,
		"--configreport", "seg", "-o", segments,
		"-O", "vg_name,lv_name,seg_start", "-S", select,
		"--configreport", "lv", "-o", "lv_name", "-S", none,
		"--configreport", "pv", "-o", "pv_name", "-S", no_disk,
		"--configreport", "pvseg", "-o", "pvseg_start", "-S", no_disk,
		NULL,
	};
	/* clang-format on */
	cleanup_buf struct buf out = BUF_INIT;

	/* The name has passed check_lvm_name(): nothing in it means anything in a selection. */
	if (!check_lvm_name(vg) ||
	    (size_t)snprintf(select, sizeof(select), "vg_name=%s", vg) >= sizeof(select))
		return err_set(e, ERR_INVALID, "\"%s\" is no name of a volume group: " LVM_NAME_RULE, vg);
	if (group_run(words, vg, g, op, &out, e) < 0)
		return -1;
	return take_rows(out.data, g->uuid, e);
}

/* A volume that was made has its pool's transaction go beyond that in which it was made. */
static bool is_unmade(const struct group *g, const struct group_volume *v)
{
	const struct group_volume *pool = v->thin && !g->shared ? group_volume(g, v->pool) : NULL;

	return pool && letter(v, ATTR_STATE) == '-' && pool->transaction == v->transaction + 1 &&
	       group_pool_transaction(g->uuid, pool->uuid) == (int64_t)v->transaction;
}

/* What the kernel knows of pools, and LVM does not say. */
static void ask_kernel(const struct group *g)
{
	for (size_t i = 0; i < kept.n; i++) {
		struct group_volume *v = &kept.volumes[i];

		v->unmade = is_unmade(g, v);
		if (letter(v, ATTR_TYPE) == 'd' && v->data < 0)
			v->data = group_vdo_level(g->uuid, v->uuid);
	}
}

static void count_inactive(struct group *g)
{
	size_t n = 0;

	g->inactive = 0;
	g->idle[0] = '\0';
	for (size_t i = 0; i < g->nvolumes; i++) {
		if (!should_be_active(&g->volumes[i]))
			continue;
		if (n < sizeof(g->idle))
			n += (size_t)snprintf(g->idle + n, sizeof(g->idle) - n, "%s%s",
			                      g->inactive ? ", " : "", g->volumes[i].name);
		g->inactive++;
	}
}

int group_report(const char *vg, struct group *g, struct op *op, struct err *e)
{
	if (!kept.valid || !streq(kept.uuid, g->uuid)) {
		group_report_forget();
		if (report_ask(vg, g, op, e) < 0) {
			group_report_forget();
			return -1;
		}
	}
	g->found = kept.valid;
	g->pvs = kept.pvs;
	g->missing = kept.missing;
	g->size = kept.size;
	g->available = kept.available;
	g->extent = kept.extent;
	g->volumes = kept.volumes;
	g->nvolumes = kept.valid ? kept.n : 0;
	ask_kernel(g);
	count_inactive(g);
	return 0;
}

/* ---- after activation ---- */

/* "LVM-" and the uuids of group and volume, without dashes. */
static bool is_volume(const char *dm_uuid, const struct group_volume *v)
{
	const char *p = dm_uuid + strlen("LVM-") + LVM_ID;

	for (const char *q = v->uuid; *q; q++)
		if (*q != '-' && *q != *p++)
			return false;
	return *p == '\0';
}

static int mark_active(const char *sysname, const char *lv, const char *dm_uuid, void *arg)
{
	char path[300], suspended[8] = "";

	(void)lv, (void)arg;
	snprintf(path, sizeof(path), "/sys/class/block/%.64s/dm/suspended", sysname);
	file_read_line(AT_FDCWD, path, suspended, sizeof(suspended));
	for (size_t i = 0; i < kept.n; i++)
		if (is_volume(dm_uuid, &kept.volumes[i]) && strlen(kept.volumes[i].attr) >= ATTR_LEN)
			kept.volumes[i].attr[ATTR_STATE] = streq(suspended, "1") ? 's' : 'a';
	return 0;
}

/* Linear, striped, mirrored and RAID volumes are active or not. Snapshots may have become invalid or be
 * merged, pools of thin volumes may have to be checked: activation finds that out. */
static bool is_on_or_off(const struct group_volume *v)
{
	return strchr("-mMrR", letter(v, ATTR_TYPE)) != NULL;
}

void group_activated(const char *vg, const struct group *g)
{
	for (size_t i = 0; i < g->nvolumes; i++)
		if (!is_on_or_off(&g->volumes[i])) {
			group_report_forget();
			return;
		}
	group_devices(vg, kept.uuid, mark_active, NULL);
}
