/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * `poolinit plan`: for each pool where it comes from, whether it would be started, and what that would wait
 * for; for each bad definition what is wrong with it. Only files are read.
 *
 * The rules are the supervisor's own functions (config_read_directory(), backend_validate(),
 * supervisor_autostarts()), so that the plan cannot differ from what a boot would do. What only a boot can
 * find out (is the device there? does the server answer?) is told as something that a start waits for.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/backend.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/net/ipparam.h"
#include "boot/options.h"
#include "boot/policy.h"
#include "boot/roles.h"
#include "pool/secret/secret.h"
#include "supervisor/config/config.h"
#include "supervisor/supervisor.h"
#include "tools/plan.h"

#define ROOT_COLUMN 20 /* characters: most roots are shorter */

/* A pool that would be there: what the plan says of it, and what later definitions are compared with. It
 * owns its strings. */
struct planned {
	struct planned *next; /* by name */
	char *name, *origin, *text, *source_key;
	char *devices; /* each between two line breaks */
	enum pool_type type;
	struct uuid uuid;
	bool marked, has_backend;
	struct pool_boot boot;
};

/* The plan in the making. */
struct plan {
	struct planned *pools;
	/* where secrets are looked for: NULL-terminated, or NULL: there was no memory */
	const char **secrets;
	size_t nsecrets;
	bool incomplete; /* a device would be read that is not looked at here */
	struct buf problems;
	size_t nproblems;
};

/* A file's name as it can be shown: it may hold anything but '/' and NUL. */
static const char *shown_name(const char *origin, struct err *e)
{
	err_set(e, ERR_NONE, "%s", origin);
	return e->message;
}

/* Note a problem. Where the message names the file already, its name is not put in front again. */
static void problem(struct plan *plan, const char *origin, const char *message)
{
	struct err e = { 0 };
	bool says_it = starts_with(message, shown_name(origin, &e));

	plan->nproblems++;
	buf_printf(&plan->problems, "problem: %s%s%s\n", says_it ? "" : e.message, says_it ? "" : ": ",
	           message);
}

static void planned_free(struct planned *p)
{
	free(p->name);
	free(p->origin);
	free(p->text);
	free(p->source_key);
	free(p->devices);
	free(p);
}

/* ---- what a pool's start would wait for ---- */

/* One more thing that a start waits for; "; " stands between two. */
static void add_need(struct buf *b, const char *word, const char *value)
{
	buf_printf(b, "%s%s%s%s", b->len ? "; " : "", word, *value ? " " : "", value);
}

/* What the start would wait for, in the order in which it would: "network; server nas; service iscsid". */
static void needs(const struct pool_def *d, const struct backend *b, struct buf *out)
{
	char host[300], room[PATH_MAX];

	if (b->waits_for & WAIT_NETWORK)
		add_need(out, "network", "");
	for (size_t i = 0; i < d->source.nhosts; i++) {
		if (d->source.hosts[i].port)
			snprintf(host, sizeof(host), "%.256s port %d", d->source.hosts[i].name,
			         d->source.hosts[i].port);
		else
			snprintf(host, sizeof(host), "%.256s", d->source.hosts[i].name);
		add_need(out, "server", host);
	}
	for (size_t i = 0; (b->waits_for & WAIT_DEVICE) && i < d->source.ndevices; i++)
		if (pool_device(d, i, room))
			add_need(out, "device", pool_device(d, i, room));
	if (b->needs)
		add_need(out, b->needs, d->source.name);
	if (b->service && !b->service->on_call)
		add_need(out, "service", b->service->name);
	if (d->source.auth.kind != AUTH_NONE)
		add_need(out, "a secret", "");
	if (!out->len)
		add_need(out, "nothing", "");
}

/* What the start of a pool takes: what it waits for, kernel modules, the time for each try. */
static void describe_pool(const struct pool_def *d, struct buf *out)
{
	const struct backend *b = backend_find(d->type);
	cleanup_buf struct buf need = BUF_INIT;
	const char *modules;
	size_t len;

	if (!b) {
		buf_printf(out,
		           "    needs     a build with the type \"%s\": this one can define and list it, not "
		           "start it\n",
		           pool_type_word(d->type));
		return;
	}
	needs(d, b, &need);
	modules = backend_modules(b, &len);
	buf_printf(out, "    needs     %s\n", buf_str(&need));
	if (len > 0)
		buf_printf(out, "    modules   %.*s\n", (int)len, modules);
	buf_printf(out, "    deadline  %llu s for each try\n",
	           (unsigned long long)((b->deadline.start ? b->deadline.start : DEADLINE_START) / 1000));
}

/* ---- taking definitions, by the rules of the supervisor ---- */

/* Two pools with one uuid or one source: the second is refused, as it would be at boot. */
static bool clashes(struct plan *plan, const struct pool_def *d, const char *key, const char *origin)
{
	cleanup_buf struct buf why = BUF_INIT;

	for (const struct planned *p = plan->pools; p && !why.len; p = p->next) {
		if (streq(p->name, d->name))
			continue;
		if (uuid_equal(&p->uuid, &d->uuid))
			buf_printf(&why, "pool \"%s\" has the uuid of pool \"%s\" (%s)", d->name, p->name,
			           p->origin);
		else if (*key && streq(p->source_key, key))
			buf_printf(&why, "pool \"%s\" has the same source as pool \"%s\" (%s): %s", d->name,
			           p->name, p->origin, key);
	}
	if (!why.len)
		return false;
	problem(plan, origin, buf_str(&why));
	return true;
}

/* A device of several pools, or twice one's: defined at boot all the same, where one of the pools is started.
 * devices: "\n" each, which is filled in. */
static void check_devices(struct plan *plan, const struct pool_def *d, const char *origin,
                          struct buf *devices)
{
	const char *twice = pool_device_twice(d);
	cleanup_buf struct buf why = BUF_INIT;
	char room[PATH_MAX];

	if (twice)
		buf_printf(&why, "pool \"%s\" names device %s twice", d->name, twice);
	buf_addc(devices, '\n');
	for (size_t i = 0; i < d->source.ndevices && (pool_type_info(d->type)->stands_on & ON_DEVICES); i++) {
		size_t at = devices->len - 1;

		const char *device = pool_device(d, i, room);

		if (!device)
			continue;
		buf_printf(devices, "%s\n", device);
		for (const struct planned *p = plan->pools; p && !why.len; p = p->next)
			if (!streq(p->name, d->name) && strstr(p->devices, buf_str(devices) + at))
				buf_printf(&why, "pool \"%s\" names device %s of pool \"%s\" (%s)", d->name,
				           device, p->name, p->origin);
	}
	if (why.len)
		problem(plan, origin, buf_str(&why));
}

/* What only the backend and the secrets can say of a definition. A secret that cannot be looked for here is
 * not missed. */
static void check_deeper(struct plan *plan, const struct pool_def *d, const char *origin)
{
	struct secret_value value = { 0 };
	struct err e = { 0 };

	if (backend_validate(d, &e) < 0)
		problem(plan, origin, e.message);
	err_clear(&e);
	if (d->source.auth.kind == AUTH_NONE || plan->incomplete || !plan->secrets)
		return;
	if (secret_find(&d->source.auth, plan->secrets, &value, &e) < 0)
		problem(plan, origin, e.message);
	else
		secret_value_free(&value);
}

/* Sorted by name. A later definition of a name takes the place of the earlier one, as it does in the
 * supervisor. */
static void insert_planned(struct plan *plan, struct planned *p)
{
	struct planned **at = &plan->pools;

	while (*at && strcmp((*at)->name, p->name) < 0)
		at = &(*at)->next;
	if (*at && streq((*at)->name, p->name)) {
		struct planned *old = *at;

		p->next = old->next;
		planned_free(old);
	} else {
		p->next = *at;
	}
	*at = p;
}

/* One definition, good or bad, as the reader of sources delivers it. */
static void take_item(const struct config_item *item, void *arg)
{
	struct plan *plan = arg;
	struct buf key = BUF_INIT, text = BUF_INIT, devices = BUF_INIT;
	struct err e = { 0 };
	struct planned *p;

	if (!item->def) {
		problem(plan, item->origin, item->problem->message);
		return;
	}
	const struct pool_def *d = item->def;
	pool_source_key(d, &key);
	if (clashes(plan, d, buf_str(&key), item->origin)) {
		buf_free(&key);
		return;
	}
	check_devices(plan, d, item->origin, &devices);
	check_deeper(plan, d, item->origin);
	describe_pool(d, &text);
	p = calloc(1, sizeof(*p));
	if (p)
		*p = (struct planned){ .name = strdup(d->name),
			               .origin = strdup(shown_name(item->origin, &e)),
			               .text = buf_steal(&text),
			               .source_key = strdup(buf_str(&key)),
			               .devices = buf_steal(&devices),
			               .type = d->type,
			               .uuid = d->uuid,
			               .marked = item->autostart,
			               .boot = d->boot,
			               .has_backend = backend_find(d->type) != NULL };
	buf_free(&key);
	buf_free(&text);
	buf_free(&devices);
	if (p && p->name && p->origin && p->text && p->source_key && p->devices) {
		insert_planned(plan, p);
		return;
	}
	problem(plan, item->origin, "out of memory");
	if (p)
		planned_free(p);
}

/* ---- where definitions come from ---- */

/* One directory of definitions. The default one may be missing; one that was named may not. */
static void plan_directory(struct plan *plan, const char *dir, bool may_be_absent, struct buf *out)
{
	struct err e = { 0 };
	struct stat st;

	buf_printf(out, "source: %s%s\n", dir, stat(dir, &st) < 0 ? " (not there)" : "");
	if (config_read_directory(dir, may_be_absent, take_item, plan, &e) < 0)
		problem(plan, dir, e.message);
}

/* What boot would read in an image, and serve on a running system. The one that is there is meant. */
static const char *default_directory(void)
{
	return access("/config", F_OK) == 0 ? "/config" : "/etc/libvirt";
}

/* In the order of the supervisor: the directory, other places, definitions of the command line. */
static void read_sources(struct plan *plan, const char *config_dir, const struct parameters *p,
                         struct buf *out)
{
	plan_directory(plan, config_dir ? config_dir : default_directory(), !config_dir, out);
	for (size_t i = 0; i < p->config.n; i++) {
		const char *where = p->config.items[i];

		if (*where == '/' && !starts_with(where, "/dev/"))
			plan_directory(plan, where, false, out);
		else
			buf_printf(out, "source: %s (%s: awaited and read at boot, not looked at here)\n",
			           where, where == p->place ? "written to" : "a device");
	}
	for (size_t i = 0; i < p->npools; i++) {
		config_read_text(p->pools[i].xml, strlen(p->pools[i].xml), p->pools[i].origin, true,
		                 take_item, plan);
	}
}

/* Where secrets would be looked for: beside the definitions, in the order of the sources. A device that is
 * not looked at here may have more of them, so that a missing secret is no problem then. */
static void secret_directories(struct plan *plan, const char *config_dir, const struct parameters *p,
                               struct arena *a)
{
	plan->secrets = arena_alloc(a, (p->config.n + 2) * sizeof(*plan->secrets));
	if (!plan->secrets)
		return;
	plan->secrets[plan->nsecrets++] = arena_printf(a, "%s/secrets",
	                                               config_dir ? config_dir : default_directory());
	for (size_t i = 0; i < p->config.n; i++) {
		const char *where = p->config.items[i];

		if (*where != '/' || starts_with(where, "/dev/"))
			plan->incomplete = true;
		else
			plan->secrets[plan->nsecrets++] = arena_printf(a, "%s/secrets", where);
	}
}

/* ---- parameters ---- */

/* The pool of that name among those that were read so far, or NULL. */
static const struct planned *find_planned(const struct plan *plan, const char *name)
{
	const struct planned *p = plan->pools;

	while (p && !streq(p->name, name))
		p = p->next;
	return p;
}

/* A parameter that names a pool which nobody defines: at boot it would be a problem as well. */
static void check_planned(struct plan *plan, const char *parameter, const char *name)
{
	char text[512];

	if (find_planned(plan, name))
		return;
	snprintf(text, sizeof(text), "%s: no pool is called \"%.256s\"", parameter, name);
	problem(plan, "(command line)", text);
}

/* With a device that is not looked at here, any name may be one of its pools. */
static void check_all_planned(struct plan *plan, const struct parameters *p)
{
	const char *autostart = p->autostart && !streq(p->autostart, "all") && !streq(p->autostart, "none")
	                                ? p->autostart
	                                : "";
	char name[POLICY_NAME];

	for (size_t i = 0; !plan->incomplete && i < p->require.n; i++)
		check_planned(plan, "poolinit.require", p->require.items[i]);
	while (!plan->incomplete && policy_next_name(&autostart, name))
		check_planned(plan, "poolinit.autostart", name);
}

/* What ip= and its like ask for, and what is wrong with them. */
static void plan_network(struct plan *plan, const struct parameters *p, struct buf *out)
{
	static const char *const methods[] = {
		[IP_OFF] = "off", [IP_STATIC] = "static", [IP_DHCP] = "by DHCP"
	};
	char address[IP_TEXT], gateway[IP_TEXT];
	unsigned char mac[6];
	struct ip_address server;
	struct err e = { 0 };

	if (p->bootif && bootif_parse(p->bootif, mac, &e) < 0)
		problem(plan, "(command line)", e.message);
	for (size_t i = 0; i < p->nameserver.n; i++)
		if (ip_address_parse(p->nameserver.items[i], &server, &e) < 0) {
			err_wrap(&e, ERR_KEEP, "nameserver=");
			problem(plan, "(command line)", e.message);
		}
	for (size_t i = 0; i < p->ip.n; i++) {
		struct ip_param ip;
		const char *interface = ip.device;

		if (ip_param_parse(p->ip.items[i], &ip, &e) < 0)
			problem(plan, "(command line)", e.message);
		if (!ip.device[0])
			interface = p->bootif ? "the interface of BOOTIF"
			                      : "the first interface with a carrier";
		buf_printf(out, "network: %s %s", interface, methods[ip.method]);
		if (ip.method == IP_STATIC)
			buf_printf(out, " %s/%u, gateway %s", ip_address_print(&ip.client, address),
			           ip.client.prefix, ip_address_print(&ip.gateway, gateway));
		buf_addc(out, '\n');
	}
}

/* ---- printing ---- */

/* Required by the command line, or by its own <boot>. */
static bool plan_requires(const struct planned *p, const struct parameters *params)
{
	for (size_t i = 0; i < params->require.n; i++)
		if (streq(params->require.items[i], p->name))
			return true;
	return p->boot.require == 1;
}

/* One pool: what it is, where it comes from, whether and why it would be started, what that takes; and, for
 * a required one, how long boot waits for it and what happens then. */
static void print_pool(const struct planned *p, const struct parameters *params, bool start, struct buf *out)
{
	uint64_t timeout = p->boot.timeout_ms ? p->boot.timeout_ms : params->timeout;
	enum onfail onfail = p->boot.onfail != ONFAIL_UNSET ? p->boot.onfail : params->onfail;
	const char *marked = p->marked ? "marked autostart" : "not marked autostart";

	buf_printf(out, "\n%s\n    type      %s\n    from      %s\n    start     %s (%s)\n%s", p->name,
	           pool_type_word(p->type), p->origin, start ? "yes" : "no",
	           params->autostart ? "poolinit.autostart" : marked, p->text);
	if (plan_requires(p, params))
		buf_printf(out, "    required  boot waits %llu.%03llu s for it, then: %s\n",
		           (unsigned long long)(timeout / 1000), (unsigned long long)(timeout % 1000),
		           onfail_word(onfail));
}

/* All pools by name, the problems, and how many there are of each. */
static void print_pools(struct plan *plan, struct parameters *p, struct buf *out)
{
	const struct supervisor_options o = { .autostart = p->autostart,
		                              .needed = roots_pools(&p->roots, &p->overlay, &p->arena) };
	size_t pools = 0, started = 0;

	for (const struct planned *pool = plan->pools; pool; pool = pool->next) {
		bool start = supervisor_autostarts(&o, pool->name, pool->marked);

		pools++;
		started += start && pool->has_backend;
		print_pool(pool, p, start, out);
	}
	buf_printf(out, "\n%s%s%zu pools, %zu would be started, %zu problem%s\n", buf_str(&plan->problems),
	           plan->problems.len ? "\n" : "", pools, started, plan->nproblems,
	           plan->nproblems == 1 ? "" : "s");
}

/* Why no root can ever lie on that pool; NULL: one may. */
static const char *never_root(const struct planned *p, const struct root *r)
{
	const struct pool_type_info *type = pool_type_info(p->type);

	if (!p->has_backend)
		return "this build cannot start it";
	if (type->fields & FIELD_NO_TARGET)
		return "its volumes are no devices or files of this machine";
	if (r->kind == ROOT_POOL && !(type->stands_on & ON_DIRECTORY))
		return "it mounts nothing: a root is one of its volumes, pool:NAME/VOLUME";
	return NULL;
}

/* What one of them is, and which pool it needs. */
static void plan_root(struct plan *plan, const struct root *r, struct buf *out)
{
	const struct planned *p = r->kind == ROOT_DEVICE ? NULL : find_planned(plan, r->name);
	const char *never = p ? never_root(p, r) : NULL;
	bool files = p && pool_type_info(p->type)->stands_on & ON_DIRECTORY;
	char text[512];

	buf_printf(out, "    %-*s  ", ROOT_COLUMN, r->text);
	if (r->kind == ROOT_DEVICE)
		buf_adds(out, "the filesystem on that device\n");
	else if (r->kind == ROOT_POOL)
		buf_printf(out, "what pool \"%s\" has mounted", r->name);
	else
		buf_printf(out, "the filesystem %s \"%s\" of pool \"%s\"",
		           files ? "in the image file" : "on the volume", r->volume, r->name);
	if (r->kind == ROOT_DEVICE)
		return;
	if (p)
		buf_printf(out, " (%s), which is started for it\n", pool_type_word(p->type));
	else
		buf_printf(out, ", which %s\n",
		           plan->incomplete ? "is not defined in what is looked at here" : "nobody defines");
	snprintf(text, sizeof(text), "root: %.256s: %s", r->text, never ? never : "no such pool is defined");
	if (never || (!p && !plan->incomplete))
		problem(plan, "(command line)", text);
}

/* The roots of root=, in the order in which an initramfs would try them. */
static void plan_roots(struct plan *plan, const struct parameters *p, struct buf *out)
{
	const char *how = p->root_writable ? "read-write" : "read-only";

	if (p->root_overlay && p->overlay.kind != ROOT_DEVICE)
		how = p->overlay.name ? "written to a pool" : "written to memory";
	for (size_t i = 0; i < p->roots.n; i++)
		buf_printf(out, "%s%s", i ? ", else " : "root: ", p->roots.items[i].text);
	if (p->roots.n)
		buf_printf(out, ", %s, then %s\n", how, p->init ? p->init : "its /sbin/init");
	for (size_t i = 0; i < p->roots.n; i++)
		plan_root(plan, &p->roots.items[i], out);
}

size_t plan_print(const char *config_dir, struct parameters *p, struct buf *out)
{
	demand_or(p && out, 0);

	struct plan plan = { 0 };
	struct arena names = { 0 };

	/* Secrets come first, since each definition is checked for its own as it is read. */
	secret_directories(&plan, config_dir, p, &names);
	read_sources(&plan, config_dir, p, out);
	plan_network(&plan, p, out);
	check_all_planned(&plan, p);
	for (size_t i = 0; i < p->nproblems; i++)
		problem(&plan, p->problems[i].origin, p->problems[i].err.message);
	plan_roots(&plan, p, out);
	print_pools(&plan, p, out);
	while (plan.pools) {
		struct planned *pool = plan.pools;

		plan.pools = pool->next;
		planned_free(pool);
	}
	buf_free(&plan.problems);
	arena_free(&names);
	return plan.nproblems;
}

int plan_main(int argc, char **argv)
{
	cleanup_buf struct buf out = BUF_INIT;
	const char *config_dir = NULL;
	char *cmdline = NULL;
	struct parameters p;
	const struct option_row rows[] = {
		{ "config", "DIR", OPTION_TEXT, &config_dir,
		  "definitions (default: /config if it is there, else /etc/libvirt)" },
		{ "cmdline", "TEXT", OPTION_TEXT, &cmdline,
		  "parameters as on the kernel's command line (default: none)" },
	};
	static const struct role_help help = {
		"plan",
		"Print what would be started and what each pool would wait for, and what is wrong with which "
		"definition.\n"
		"Nothing is touched.",
		"0 all is good, 1 a definition or parameter is bad, 64 wrong usage",
	};
	int status = options_take(argc, argv, &help, rows, ARRAY_LEN(rows));

	if (status >= 0)
		return status;
	log_to_stderr();
	parameters_init(&p);
	if (cmdline)
		parameters_from_cmdline(&p, cmdline);
	size_t problems = plan_print(config_dir, &p, &out);
	parameters_free(&p);
	if (out.failed || fwrite(buf_str(&out), 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
		fprintf(stderr, "poolinit plan: cannot write the plan\n");
		return 1;
	}
	return problems > 0;
}
