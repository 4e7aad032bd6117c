/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What poolctl says when something is done: virsh's sentence where it has one.
 *
 * Most verbs that change something answer OK and nothing else. The table has their sentences; what is not in
 * it is said by a function of its own, or not at all.
 */
#include "poolctl/parts.h"

#include "base/util.h"

/* What stands around the name of what it is about. */
struct sentence {
	const char *verb;
	const char *before, *key, *after; /* the name comes from the OK line; … */
	const char *given;                /* … or, as with virsh, is what this argument was given */
	const char *from, *argument; /* then, if the command had it: " from FILE", " from input vol VOLUME" */
};

/* clang-format off */
static const struct sentence sentences[] = {
	{ "pool-define",     "Pool ", "pool", " defined", NULL, " from ", "file" },
	{ "pool-define-as",  "Pool ", "pool", " defined", NULL, NULL, NULL },
	{ "pool-create",     "Pool ", "pool", " created", NULL, " from ", "file" },
	{ "pool-create-as",  "Pool ", "pool", " created", NULL, NULL, NULL },
	{ "pool-build",      "Pool ", "pool", " built", "pool", NULL, NULL },
	{ "pool-start",      "Pool ", "pool", " started", "pool", NULL, NULL },
	{ "pool-destroy",    "Pool ", "pool", " destroyed", "pool", NULL, NULL },
	{ "pool-delete",     "Pool ", "pool", " deleted", "pool", NULL, NULL },
	{ "pool-undefine",   "Pool ", "pool", " has been undefined", "pool", NULL, NULL },
	{ "pool-refresh",    "Pool ", "pool", " refreshed", "pool", NULL, NULL },
	{ "vol-create",      "Vol ", "volume", " created", NULL, " from ", "file" },
	{ "vol-create-as",   "Vol ", "volume", " created", NULL, NULL, NULL },
	{ "vol-create-from", "Vol ", "volume", " created", NULL, " from input vol ", "vol" },
	{ "vol-clone",       "Vol ", "volume", " cloned", NULL, " from ", "vol" },
	{ "vol-delete",      "Vol ", "volume", " deleted", "vol", NULL, NULL },
	{ "vol-wipe",        "Vol ", "volume", " wiped", "vol", NULL, NULL },
	{ "secret-define",   "Secret ", "secret", " created", NULL, NULL, NULL },
	{ "secret-undefine", "Secret ", "secret", " deleted", NULL, NULL, NULL },
	{ "job-cancel",      "Job ", "job", " cancelled", NULL, NULL, NULL },
};
/* clang-format on */

/* A volume that was copied from is called by its name, even if it was given by its path. */
static const char *argument(const struct command *c, const char *name)
{
	const char *value = command_value(c, name),
		   *slash = value && streq(name, "vol") ? strrchr(value, '/') : NULL;

	return slash && slash[1] ? slash + 1 : value;
}

/* What somebody who asked for more must hear. */
static void say_kept(const struct page *p)
{
	const char *verb = p->command->verb->name;

	if (!streq(record_get(&p->reply->final, "kept"), "run"))
		return;
	if (streq(verb, "pool-undefine"))
		buf_adds(p->out, "It comes back at the next boot: another file defines it, or its own cannot "
		                 "be removed.\n");
	else if (streq(verb, "pool-autostart"))
		buf_adds(p->out, "This is not kept: at the next boot it is as its definition's directory "
		                 "says, which cannot be written.\n");
	else
		buf_adds(p->out,
		         "It is kept for this boot only: the configuration directory cannot be written.\n");
}

/* "Pool x defined from x.xml": names are made safe, as a pool may be called anything. */
static void say_sentence(const struct page *p, struct arena *a, const struct sentence *s)
{
	const struct line *l = &p->reply->final;
	const char *name = s->given ? command_value(p->command, s->given) : record_get(l, s->key);
	const char *from = s->from ? argument(p->command, s->argument) : NULL;

	buf_printf(p->out, "%s%s%s%s%s\n", s->before, table_safe(a, name), s->after, from ? s->from : "",
	           from ? table_safe(a, from) : "");
	say_kept(p);
}

/* virsh repeats the words of the command: "by" for a difference, "to" for a size. */
static void say_resized(const struct page *p, struct arena *a)
{
	const char *capacity = command_value(p->command, "capacity");
	bool less = *capacity == '-';

	buf_printf(p->out, "%s of volume '%s' successfully changed %s %s\n",
	           line_has(&p->reply->final, "changed") ? "Allocation" : "Size",
	           table_safe(a, record_get(&p->reply->final, "volume")),
	           less || command_flag(p->command, "delta") ? "by" : "to", table_safe(a, capacity + less));
}

/* `wait` answers about a pool or about boot, and says which. */
static void say_waited(const struct page *p, struct arena *a)
{
	const struct line *l = &p->reply->final;

	if (line_has(l, "pool"))
		buf_printf(p->out, "Pool %s is %s\n", table_safe(a, record_get(l, "pool")),
		           record_get(l, "phase"));
	else
		buf_printf(p->out, "Boot is done: %s\n", record_get(l, "state"));
}

/* The sentence of the verb. Verbs that have none here say nothing. */
static void say_what(const struct page *p, struct arena *a)
{
	const struct line *l = &p->reply->final;
	const char *verb = p->command->verb->name;

	if (verb_arg(p->command->verb, "detach") && command_flag(p->command, "detach")) {
		buf_printf(p->out, "Job %s is under way (job-list shows it, job-cancel ends it)\n",
		           record_get(l, "job"));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
		if (streq(verb, sentences[i].verb))
			say_sentence(p, a, &sentences[i]);
	if (streq(verb, "pool-autostart")) {
		buf_printf(p->out, "Pool %s %s as autostarted\n",
		           table_safe(a, command_value(p->command, "pool")),
		           streq(record_get(l, "autostart"), "yes") ? "marked" : "unmarked");
		say_kept(p);
	}
	if (streq(verb, "vol-resize"))
		say_resized(p, a);
	if (streq(verb, "secret-set-value"))
		buf_adds(p->out, "Secret value set\n");
	if (streq(verb, "reload"))
		buf_printf(p->out, "Definitions read again, %s problem%s (poolctl status)\n",
		           record_get(l, "problems"), streq_null(record_get(l, "problems"), "1") ? "" : "s");
	if (streq(verb, "wait"))
		say_waited(p, a);
}

int print_sentence(const struct page *p)
{
	bool to_output = p->command->verb->data && p->command->file && streq(p->command->file, "-");
	struct arena a = { 0 };

	if (p->command->quiet || to_output) /* nothing among the bytes of a volume */
		return 0;
	say_what(p, &a);
	buf_addc(p->out, '\n');
	arena_free(&a);
	return 0;
}
