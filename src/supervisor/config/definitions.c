/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A definition on its way from the worker that has read it to the supervisor: a record that sums it up, and
 * its canonical form.
 */
#include <limits.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/line.h"
#include "base/util.h"
#include "pool/xml.h"
#include "supervisor/config/registry.h"

/* Boot policy: fields that were not given are not said, so that the reader knows it too. */
static void line_boot(struct buf *b, const struct pool_boot *boot)
{
	if (!boot->given)
		return;
	if (boot->require >= 0)
		line_str(b, "require", boot->require ? "yes" : "no");
	if (boot->timeout_ms)
		line_num(b, "timeout", boot->timeout_ms);
	if (boot->order != INT_MIN)
		line_fmt(b, "order", "%d", boot->order);
	line_str(b, "onfail", pool_onfail_word(boot->onfail));
}

/* What is wrong with a definition, in place of it. */
static void send_problem(struct worker_io *io, const char *origin, const struct err *problem)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "problem", problem->message);
	line_str(&b, "class", err_word(problem->class));
	line_str(&b, "origin", origin);
	worker_send_record(io, &b);
}

void operation_send_definition(struct worker_io *io, const struct config_item *item)
{
	demand_or(item && (item->def || item->problem), );

	struct buf b = BUF_INIT;
	char uuid[UUID_TEXT];

	if (!item->def) {
		send_problem(io, item->origin, item->problem);
		return;
	}
	line_begin(&b, "-");
	line_str(&b, "pool", item->def->name);
	line_str(&b, "uuid", uuid_print(&item->def->uuid, uuid));
	line_str(&b, "type", pool_type_word(item->def->type));
	line_str(&b, "target", item->def->target.path);
	line_str(&b, "source", buf_str(&item->key));
	line_str(&b, "autostart", item->autostart ? "yes" : "no");
	line_str(&b, "origin", item->origin);
	line_boot(&b, &item->def->boot);
	if (worker_send_record_with(io, &b, &item->xml) < 0) {
		struct err e = { 0 };

		err_set(&e, ERR_NO_MEMORY, "%s: out of memory", item->origin);
		send_problem(io, item->origin, &e);
	}
}

/* What was not said is what pool_boot has for "not given". */
static void boot_from_line(struct pool_boot *boot, const struct line *l)
{
	const char *require = line_get(l, "require"), *order = line_get(l, "order"),
		   *word = line_get(l, "onfail");

	*boot = (struct pool_boot){ .require = -1, .order = INT_MIN };
	boot->given = require || order || word || line_has(l, "timeout");
	if (require)
		boot->require = streq(require, "yes");
	if (order)
		boot->order = atoi(order);
	boot->timeout_ms = line_u64(l, "timeout", 0);
	if (word)
		boot->onfail = pool_onfail_from_word(word);
}

/* The reverse, in the supervisor. A worker's word is checked like any other: it has seen foreign bytes. */
int summary_from_line(struct summary *m, const struct line *l, struct err *e)
{
	const char *name = line_get(l, "pool"), *uuid = line_get(l, "uuid"), *type = line_get(l, "type");
	const char *target = line_get(l, "target"), *source = line_get(l, "source"),
		   *origin = line_get(l, "origin");
	int t = type ? pool_type_from_word(type) : -1;

	if (!name || !name_is_component(name) || *name == '.' || !uuid || !uuid_read(uuid, &m->uuid) || t < 0)
		return err_set(e, ERR_INTERNAL, "a worker described a pool without name, uuid or type");
	m->type = (enum pool_type)t;
	m->name = strdup(name);
	m->target = target ? strdup(target) : NULL;
	m->source_key = strdup(source ? source : "");
	m->origin = strdup(origin ? origin : "(unknown)");
	m->autostart = streq_null(line_get(l, "autostart"), "yes");
	boot_from_line(&m->boot, l);
	if (!m->name || !m->source_key || !m->origin || (target && !m->target))
		return err_set(e, ERR_NO_MEMORY,
		               "cannot take over the definition of pool \"%s\": out of memory", name);
	return 0;
}
