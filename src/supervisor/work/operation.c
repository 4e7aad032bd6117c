/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What workers run: the definition is read again from its canonical XML, the backend does its part, the
 * outcome is sent as records. Everything here happens in the forked child.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include "backends/identity.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/line.h"
#include "base/mountinfo.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "pool/xml.h"
#include "supervisor/index/index.h"
#include "supervisor/work/work.h"
#include "system/device.h"
#include "system/multipath.h"
#include "system/target.h"
#include "volumes/directory/list.h"
#include "volumes/pool_dir.h"

/* A record is one line, and this is not all of it: a disk in more pieces than that is told without them. */
#define FREE_EXTENTS_MAX (LINE_MAX_BYTES - 512)
#define ALIVE_PAUSE      SECONDS(1)

/* One operation as a backend sees it, with the way back to the supervisor. */
struct context {
	struct op op;
	/* our copy of it: what is told of it is noted here too, for what this worker does next */
	struct pool_view *pool;
	const struct supervisor *sup;
	struct pool_def def;
	const struct backend *backend;
	struct worker_io *io;
	struct volindex_builder volumes;
	int fd;         /* where the new one goes */
	uint64_t alive; /* clock_ms() of the last sign of life, or of the beginning */
	bool written, unchanged;
	bool at_end; /* what is asked now is asked last: nothing after it can hang */
};

static void send_note(struct op *op, const char *text)
{
	const struct context *c = op->arg;

	worker_send_note(c->io, text);
}

/* op->on_left_out. */
static void send_left_out(struct op *op, const char *by, const char *lines)
{
	struct context *c = op->arg;
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "left-out", by);
	line_str(&b, "devices", lines);
	worker_send_record(c->io, &b);
}

/* op->on_address: the one of several that answered. The next task of this worker begins with it. */
static void send_address(struct op *op, const char *address, bool answered)
{
	struct context *c = op->arg;
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "address", address);
	line_str(&b, "answered", answered ? "yes" : "no");
	worker_send_record(c->io, &b);
	view_note(&c->pool->address, address);
	c->op.address = c->pool->address;
	c->op.address_answered = c->pool->address_answered = answered;
}

/* op->on_volume, for backends that tell of volumes one by one, in any order. */
static void collect_volume(struct op *op, const struct volume *v)
{
	struct context *c = op->arg;

	if (!volindex_add(&c->volumes, v, op->seed, false))
		send_note(op, "a volume whose facts do not fit in one line is not listed");
}

/* op->on_index: the whole of a listing, or NULL: nothing has changed. Sealed afterwards, for the supervisor
 * maps only what cannot change any more. */
static int write_index(struct op *op, struct volindex_builder *volumes, struct err *e)
{
	struct context *c = op->arg;

	c->written = true;
	c->unchanged = volumes == NULL;
	if (volumes && volindex_write(volumes, op->seed, c->fd, e) < 0)
		return -1;
	fcntl(c->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return 0;
}

/* The supervisor keeps it for the next operation. */
static void send_avoid(struct context *c)
{
	struct buf b = BUF_INIT;

	if (!c->pool || streq(c->op.avoid, c->pool->avoid ? c->pool->avoid : ""))
		return;
	line_begin(&b, "-");
	line_fmt(&b, "avoid", "%s", c->op.avoid);
	worker_send_record(c->io, &b);
	view_note(&c->pool->avoid, c->op.avoid);
}

struct made_file worker_made;

/* The definition of the pool of the last task, and its text, by which it is known. */
static struct {
	char *xml;
	bool there; /* else it is in use */
	struct pool_def def;
} kept;

static void drop_kept(void)
{
	if (kept.there)
		pool_def_free(&kept.def);
	kept.there = false;
}

int worker_definition(const struct supervisor *s, const struct pool_view *p, struct pool_def *def,
                      struct err *e)
{
	demand(p->xml && def, e);
	if (kept.there && streq(kept.xml, p->xml)) {
		*def = kept.def;
		kept.there = false;
	} else {
		drop_kept();
		xml_prepare();
		if (pool_read(def, p->xml, strlen(p->xml), p->origin, e) < 0)
			return -1;
	}
	def->target.place = target_place_parse(p->place);
	return backend_locate(def, s->options.run_dir, e);
}

void worker_definition_back(const struct pool_view *p, struct pool_def *def)
{
	drop_kept();
	if (p && !(kept.xml && streq(kept.xml, p->xml))) {
		free(kept.xml);
		kept.xml = strdup(p->xml);
	}
	kept.def = *def;
	kept.there = true;
	if (!p || !kept.xml)
		drop_kept();
	*def = (struct pool_def){ 0 };
}

void worker_forget(void)
{
	worker_made = (struct made_file){ 0 };
}

/* What the next task of this worker needs is given back; the rest is freed. */
static void operation_close(struct context *c)
{
	send_avoid(c);
	worker_definition_back(c->backend ? c->pool : NULL, &c->def);
	volindex_builder_free(&c->volumes);
	buf_free(&c->op.free_extents);
}
#define cleanup_context __attribute__((cleanup(operation_close)))

/* Whose volume is it? Only who was forked for its operation may ask: one that has waited has old lists. */
static const char *volume_owner(struct op *op, const char *path)
{
	const struct context *c = op->arg;
	struct pool *found;
	size_t len;

	return volume_lookup(c->sup, NULL, path, &found, &len, NULL) ? found->name : NULL;
}

/* Everything that a backend is given for an operation, and the definition. ERR_UNSUPPORTED: this build has no
 * such backend. operation_close() follows in every case. */
static int operation_open(struct context *c, struct worker_io *io, const struct operation *o, struct err *e)
{
	demand(o->pool && o->sup, e);

	const struct pool_view *p = o->pool;
	const struct supervisor *s = o->sup;

	*c = (struct context){ .io = io, .pool = o->pool, .sup = s };
	c->op = (struct op){
		.deadline = io->deadline,
		.run_dir = s->options.run_dir,
		.secret_dirs = s->secret_dirs,
		.own_devices = s->options.own_devices,
		.force = o->force,
		.index = view_index(p),
		.detail = p->detail,
		.made = worker_made,
		.address = p->address,
		.address_answered = p->address_answered,
		.on_address = send_address,
		.arg = c,
		.on_volume = collect_volume,
		.on_note = send_note,
		.on_left_out = send_left_out,
		.volume_owner = volume_owner,
	};
	if (p->avoid)
		snprintf(c->op.avoid, sizeof(c->op.avoid), "%s", p->avoid);
	if (worker_definition(s, p, &c->def, e) < 0)
		return -1;
	if (p->phase == PHASE_CHECKING) /* another mount namespace has other numbers */
		c->def.target.place.mount = 0;
	multipath_hold(p->maker ? p->maker->holds_paths : NULL);
	c->backend = backend_find(p->type);
	if (!c->backend)
		return err_set(
			e, ERR_UNSUPPORTED,
			"pools of type \"%s\" can be defined and listed, but this build cannot start them",
			pool_type_word(p->type));
	return 0;
}

/* "- state=active detail=…": what check found, or refresh on its way. `why`: for a pool that is not there,
 * unless that is known better; or NULL. */
static int send_state(struct context *c, const char *why, struct err *e)
{
	static const char *const words[] = { "inactive", "active", "degraded" };
	enum pool_state state = c->op.state_known ? c->op.state : STATE_ACTIVE;
	cleanup_buf struct buf detail = BUF_INIT;
	struct buf b = BUF_INIT;

	if (!c->op.state_known && c->backend->check &&
	    c->backend->check(&c->def, &c->op, &state, &detail, e) < 0)
		return -1;
	line_begin(&b, "-");
	line_str(&b, "state", words[state]);
	line_str(&b, "reason", c->op.why[0] ? c->op.why : why);
	if (detail.len)
		line_str(&b, "detail", buf_str(&detail));
	line_str(&b, "warning", c->op.warning);
	if (c->op.fill[0] || c->pool->fill)
		line_str(&b, "fill", c->op.fill);
	if (c->at_end)
		worker_hold(c->io);
	worker_send_record(c->io, &b);
	if (detail.len)
		view_note(&c->pool->detail, buf_str(&detail));
	return (int)state;
}

/* Which directory its files are in, now that it stands: later openings of the target are compared with it. */
static void send_place(struct context *c)
{
	struct dir_place place;
	struct buf b = BUF_INIT;
	char text[80];

	if (c->backend->refresh != files_refresh)
		return;
	cleanup_close int fd = target_open_path(c->def.target.path, O_PATH, NULL);
	if (fd < 0 || target_place(fd, &place, NULL) < 0)
		return;
	target_place_print(&place, text, sizeof(text));
	line_begin(&b, "-");
	line_str(&b, "place", text);
	worker_send_record(c->io, &b);
	view_note(&c->pool->place, text);
}

/* What carries it now: a payload, for there may be thousands of devices. Without it the pool hears of no
 * events. */
static bool read_ground(struct context *c, struct buf *words)
{
	return c->backend->ground && c->backend->ground(&c->def, &c->op, words, NULL) == 0 && !words->failed;
}

/* For a start and a check: refresh sends it itself (same_ground()). */
static void send_ground(struct context *c)
{
	cleanup_buf struct buf words = BUF_INIT;

	if (read_ground(c, &words))
		worker_send_text(c->io, &words, NULL);
}

/* What it stands on, now that it stands: later starts and definitions are compared with it, and nobody has to
 * ask its storage for that. */
static void send_identity(struct context *c)
{
	struct buf facts = BUF_INIT, b = BUF_INIT;

	if (backend_identify(&c->def, &c->op, &facts, NULL) == 0 && facts.len) {
		line_begin(&b, "-");
		line_str(&b, "identity", buf_str(&facts));
		worker_send_record(c->io, &b);
	}
	buf_free(&facts);
}

/* A device could not be read. Nothing was written to it, and it may be well again. */
static bool is_unread(const struct err *e)
{
	return err_is(e, ERR_STORAGE) && e->waits_for[0];
}

int build_admit(enum pool_type type, const char *name, unsigned flags, struct err *e)
{
	const struct backend *b = backend_find(type);

	if (!(flags & BUILD_ABSENT) || !b || !b->build || b->builds_directory)
		return 0;
	return err_set(e, ERR_DENIED,
	               "cannot build pool \"%s\": what a pool of type %s lives on is formatted, which needs "
	               "the level \"admin\"",
	               name, pool_type_word(type));
}

/* A pool that is started with building. What was to be formatted and was not is not tried again by itself:
 * later it might be something else. One whose device cannot be read is only started when it can be. */
static int build_first(struct context *c, const struct operation *o, struct err *e)
{
	if (!c->backend->build)
		return 0;
	/* it may have got another type since it was asked for */
	if (build_admit(o->pool->type, o->pool->name, o->build_flags, e) < 0)
		return -1;
	if (c->backend->build(&c->def, &c->op, o->build_flags, e) == 0)
		return 0;
	if (e && is_unread(e))
		err_wrap(e, ERR_KEEP, "cannot build pool \"%s\" (later it is only started, not built)",
		         c->def.name);
	else if (e && o->build_flags && err_remedy(e->class) != REMEDY_NONE)
		err_wrap(e, ERR_STATE, "cannot build pool \"%s\"", c->def.name);
	else
		err_wrap(e, ERR_KEEP, "cannot build pool \"%s\"", c->def.name);
	return -1;
}

/* The failed start has left something there. */
static void send_begun(struct context *c)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "begun", "yes");
	worker_send_record(c->io, &b);
}

/* Who was forked for this operation finds the other pools in its copy of our memory. */
static int look_around(struct operation *o, struct err *e)
{
	if (o->others.list || views_of(o->sup, POOLS_RUNNING, &o->others) == 0)
		return 0;
	return err_set(e, ERR_NO_MEMORY, "cannot compare pool \"%s\" with the others: out of memory",
	               o->pool->name);
}

int operation_start(struct worker_io *io, void *arg, struct err *e)
{
	struct operation *o = arg;
	cleanup_context struct context c = { 0 };
	int rc;

	device_search_only(o->missing, o->news);
	device_search_once();
	if (operation_open(&c, io, o, e) < 0 || backend_validate(&c.def, e) < 0 ||
	    protected_check(o->sup, &c.def, e) < 0 || look_around(o, e) < 0)
		return -1;
	if (conflict_check(&o->others, &c.def, &c.op, CONFLICT_RUNNING, e) < 0)
		return -1;
	if (outer_check(o->pool, &o->others, e) < 0)
		return -1;
	if (o->build && build_first(&c, o, e) < 0)
		return -1;
	c.op.detail = NULL; /* it is of an earlier life */
	rc = c.backend->start ? c.backend->start(&c.def, &c.op, e) : 0;
	if (device_left_out())
		send_left_out(&c.op, "the search by label", device_left_out());
	if (rc < 0) {
		if (c.op.begun)
			send_begun(&c);
		return -1;
	}
	/* nobody is asked any more who might not answer */
	if (!c.def.source.ndevices && !c.def.source.nhosts)
		worker_hold(io);
	if (send_state(&c, NULL, e) < 0)
		return -1;
	send_place(&c);
	send_ground(&c);
	send_identity(&c);
	return 0;
}

int operation_build(struct worker_io *io, void *arg, struct err *e)
{
	struct operation *o = arg;
	cleanup_context struct context c = { 0 };

	if (operation_open(&c, io, o, e) < 0 || backend_validate(&c.def, e) < 0 ||
	    protected_check(o->sup, &c.def, e) < 0 || look_around(o, e) < 0)
		return -1;
	if (!c.backend->build)
		return err_set(e, ERR_UNSUPPORTED,
		               "pools of type %s are not built: what they live on is made elsewhere",
		               pool_type_word(c.def.type));
	if (conflict_check(&o->others, &c.def, &c.op, CONFLICT_RUNNING, e) < 0 ||
	    c.backend->build(&c.def, &c.op, o->build_flags, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot build pool \"%s\"", c.def.name);
	return 0;
}

int operation_delete(struct worker_io *io, void *arg, struct err *e)
{
	cleanup_context struct context c = { 0 };

	if (operation_open(&c, io, arg, e) < 0 || backend_validate(&c.def, e) < 0)
		return -1;
	if (!c.backend->delete)
		return err_set(e, ERR_UNSUPPORTED,
		               "pools of type %s are not deleted: what they live on is not ours",
		               pool_type_word(c.def.type));
	return c.backend->delete (&c.def, &c.op, e) < 0
	               ? err_wrap(e, ERR_KEEP, "cannot delete pool \"%s\"", c.def.name)
	               : 0;
}

int operation_stop(struct worker_io *io, void *arg, struct err *e)
{
	cleanup_context struct context c = { 0 };

	struct buf b = BUF_INIT;
	int rc;

	if (operation_open(&c, io, arg, e) < 0)
		return -1;
	rc = c.backend->stop ? c.backend->stop(&c.def, &c.op, e) : 0;
	if (rc == 0 && c.op.lost[0]) {
		line_begin(&b, "-");
		line_str(&b, "lost", c.op.lost);
		worker_send_record(io, &b);
	}
	return rc;
}

int operation_check(struct worker_io *io, void *arg, struct err *e)
{
	cleanup_context struct context c = { 0 };

	if (operation_open(&c, io, arg, e) < 0)
		return -1;
	int state = send_state(&c, NULL, e);
	if (state < 0)
		return -1;
	if (state != STATE_INACTIVE)
		send_place(&c);
	send_ground(&c);
	send_identity(&c);
	return 0;
}

/* "- watch=N": before anything is looked at, so that what comes later is heard of. */
static void watch_target(struct context *c, const struct operation *o)
{
	struct buf b = BUF_INIT;
	cleanup_close int dir = o->inotify < 0 ? -1 : pool_dir_open(&c->def, O_PATH, NULL);
	int number = dir < 0 ? -1 : watch_directory(o->inotify, dir);

	if (number <= 0)
		return;
	line_begin(&b, "-");
	line_num(&b, "watch", (uint64_t)number);
	if (c->backend->ground)
		line_num(&b, "errors", watch_errors(o->errors, dir));
	worker_send_record(c->io, &b);
}

/* An event has asked for a look, and the pool stands on the same devices as before: its index is right. True:
 * said so. What is sent of the ground is from before the refresh: what changes meanwhile differs at the next
 * look. */
static bool same_ground(struct context *c, const struct pool_view *p)
{
	cleanup_buf struct buf words = BUF_INIT;
	bool look = c->op.only && !c->op.only[0] && c->op.index && !volindex_is_worn(c->op.index) &&
	            p->phase == PHASE_ACTIVE;
	struct buf b = BUF_INIT;

	if (!read_ground(c, &words))
		return false;
	if (!look || !p->ground || !streq(p->ground, buf_str(&words))) {
		worker_send_text(c->io, &words, NULL);
		return false;
	}
	line_begin(&b, "-");
	line_str(&b, "state", "active");
	line_str(&b, "unchanged", "yes");
	worker_send_record(c->io, &b);
	return true;
}

/* It is degraded: if it can be started anew, it is stopped for that here, and found inactive. 1: so it is. */
static int revive(struct context *c, const struct operation *o, struct err *e)
{
	struct err ignored = { 0 };
	struct buf b = BUF_INIT;
	int rc = 0;

	if (o->revive != REVIVE_NO && c->backend->revive)
		rc = c->backend->revive(&c->def, &c->op, o->revive == REVIVE_ASKED, e ? e : &ignored);
	if (rc < 0 && o->revive == REVIVE_ASKED)
		return err_wrap(e, ERR_KEEP, "cannot start pool \"%s\" anew (%s)", c->def.name, c->op.why);
	if (rc < 0 && e)
		err_clear(e);
	if (rc <= 0)
		return 0;
	line_begin(&b, "-");
	line_str(&b, "state", "inactive");
	if (c->op.lost[0])
		line_fmt(&b, "reason", "%s; what was written last is not all on the disk (%s)", c->op.why,
		         c->op.lost);
	else
		line_str(&b, "reason", c->op.why);
	line_str(&b, "revived", "yes");
	worker_send_record(c->io, &b);
	return 1;
}

/* A refresh that fails because the pool is not there has found out just that. The error says why it is
 * not. */
static int refresh_fails(struct context *c, struct err *e)
{
	struct err ignored = { 0 };

	if (err_is(e, ERR_TIMEOUT) || !c->backend->check)
		return -1;
	mountinfo_forget(); /* its filesystem may have come to harm meanwhile */
	int state = send_state(c, e->message, &ignored);
	struct buf b = BUF_INIT;

	if (state == STATE_ACTIVE && (e->sys == EIO || e->sys == EUCLEAN || e->sys == ESHUTDOWN)) {
		line_begin(&b, "-");
		line_str(&b, "state", "degraded");
		line_str(&b, "reason", e->message);
		worker_send_record(c->io, &b);
	}
	return state == STATE_INACTIVE ? 0 : -1;
}

/* A sign of life, now and then, from which on the time counts again. */
static void send_alive(struct op *op, uint64_t done, uint64_t total)
{
	struct context *c = op->arg;
	uint64_t now = clock_ms();
	struct buf b = BUF_INIT;

	if (op->deadline == NEVER || now - c->alive < ALIVE_PAUSE)
		return;
	op->deadline += now - c->alive;
	c->alive = now;
	line_begin(&b, "-");
	line_num(&b, "progress", done);
	line_num(&b, "total", total);
	worker_send_record(c->io, &b);
}

int operation_refresh(struct worker_io *io, void *arg, struct err *e)
{
	const struct operation *o = arg;
	struct pool_sizes sizes = { 0 };
	struct buf b = BUF_INIT;
	cleanup_context struct context c = { 0 };

	if (operation_open(&c, io, o, e) < 0)
		return -1;
	c.fd = o->index;
	c.op.only = o->only;
	c.op.sweep = o->sweep;
	c.op.seed = c.op.index ? c.op.index->seed : volindex_seed();
	c.op.on_index = write_index;
	c.op.on_progress = send_alive;
	c.alive = clock_ms();
	int revived = revive(&c, o, e);
	if (revived)
		return revived < 0 ? -1 : 0;
	watch_target(&c, o);
	if (same_ground(&c, o->pool))
		return 0;
	if (c.backend->refresh && c.backend->refresh(&c.def, &c.op, &sizes, e) < 0)
		return refresh_fails(&c, e);
	if (!c.written && write_index(&c.op, &c.volumes, e) < 0)
		return -1;
	c.at_end = true;
	if (send_state(&c, NULL, e) < 0)
		return -1;
	line_begin(&b, "-");
	line_num(&b, "capacity", sizes.capacity);
	line_num(&b, "allocation", sizes.allocation);
	line_num(&b, "available", sizes.available);
	if (sizes.has_perms) {
		line_num(&b, "mode", sizes.mode);
		line_num(&b, "owner", sizes.owner);
		line_num(&b, "group", sizes.group);
	}
	if (c.op.free_extents.len && c.op.free_extents.len < FREE_EXTENTS_MAX)
		line_str(&b, "free-extents", buf_str(&c.op.free_extents));
	line_str(&b, "unchanged", c.unchanged ? "yes" : NULL);
	worker_send_record(io, &b);
	return 0;
}

/* Those of the directory as it is, as libvirt shows them. */
static void live_permissions(struct pool_perms *perms, const struct pool_sizes *now)
{
	if (!now->has_perms)
		return;
	perms->seen = true;
	perms->mode = (int)now->mode;
	perms->owner = now->owner;
	perms->group = now->group;
}

/* pool-dumpxml: the canonical form, with the sizes of the moment if the pool is active. */
int operation_print(struct worker_io *io, void *arg, struct err *e)
{
	const struct operation *o = arg;
	const struct pool_view *p = o->pool;
	const char *xml = !o->live && p->next_xml ? p->next_xml : p->xml;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_pool_def struct pool_def def = { 0 };

	if (pool_read(&def, xml, strlen(xml), p->origin, e) < 0)
		return -1;
	if (o->live) {
		def.capacity = p->sizes.capacity;
		def.allocation = p->sizes.allocation;
		def.available = p->sizes.available;
		def.source.free_extents = p->free_extents;
		live_permissions(&def.target.perms, &p->sizes);
	}
	pool_print(&def, &text);
	return worker_send_text(io, &text, e);
}
