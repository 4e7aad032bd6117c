/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of the command line, bound to the arguments of the verb in the table: as virsh takes them
 * (positional words, --key value, --key=value), and as the socket does (key=value).
 *
 * Three ways lead to the same slot: a word by its place, an option by its name, a key as on the socket. Each
 * may be filled once. What virsh's users type by habit is taken; what could be meant in two ways is refused
 * with the name of the argument.
 *
 * A secret's value is the one thing that is never taken from here: every process of the machine can read the
 * words of another (/proc/PID/cmdline).
 */
#include "poolctl/parts.h"

#include <stdio.h>
#include "base/contract.h"
#include "base/util.h"
#include "base/word.h"

const char *command_value(const struct command *c, const char *name)
{
	demand_or(c->verb && name, NULL);
	for (size_t i = 0; c->verb->args[i].name; i++)
		if (streq(c->verb->args[i].name, name))
			return c->values[i];
	return NULL;
}

bool command_flag(const struct command *c, const char *name)
{
	const char *value = command_value(c, name);

	return value && streq(value, "yes");
}

bool command_asks(const char *word, const char *name, const char *letter)
{
	return word && (streq(word, name) || streq(word, letter));
}

bool command_manner(struct command *c, const char *word)
{
	if (command_asks(word, "--json", "-j"))
		c->json = true;
	else if (command_asks(word, "--quiet", "-q"))
		c->quiet = true;
	else
		return false;
	return true;
}

/* Fill the argument's slot. Twice is refused: which of the two was meant cannot be told. */
static int set_arg_value(struct command *c, const struct verb_arg *a, const char *value, struct err *e)
{
	require(a >= c->verb->args && a < c->verb->args + VERB_ARGS, e);

	const char **slot = &c->values[a - c->verb->args];

	if (*slot)
		return err_set(e, ERR_INVALID, "%s: \"%s\" is given twice", c->verb->name, a->name);
	*slot = value;
	if (a->kind == ARG_FILE || a->kind == ARG_DATA)
		c->file = value;
	return 0;
}

/* virsh takes a secret's value as a word, and warns. Here it is not even repeated in the error. */
static bool is_secret_value(const struct command *c, const char *key)
{
	return streq(c->verb->name, "secret-set-value") && (!key || streq(key, "base64"));
}

/* The sentence does not repeat the value: it would be in the terminal's history and in logs. */
static int refuse_secret(struct err *e)
{
	return err_set(e, ERR_INVALID,
	               "secret-set-value: a value on the command line can be seen by everybody on this "
	               "machine: use --file FILE, or standard input");
}

/* An option that the verb has not, with the one that was probably meant. */
static int unknown_option(const struct command *c, const char *key, struct err *e)
{
	struct word_guess guess = { .given = key, .best = WORD_NEAR };

	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		word_offer(&guess, a->name);
	return err_set(e, ERR_UNKNOWN_KEY, "%s has no option --%s%s%s%s (poolctl help %s)", c->verb->name,
	               key, guess.near ? ": did you mean --" : "", guess.near ? guess.near : "",
	               guess.near ? "?" : "", c->verb->name);
}

/* `--key value`, `--key=value`, `--flag`. Returns how many words it took, or -1. */
static int take_command_option(struct command *c, char **words, struct err *e)
{
	const char *equals = strchr(words[0], '=');
	char key[64]; /* not cut out of the words: they are what ps shows */

	snprintf(key, sizeof(key), "%.*s", (int)strcspn(words[0] + 2, "="), words[0] + 2);
	const struct verb_arg *a = verb_arg(c->verb, key);
	if (!a && command_manner(c, words[0]))
		return 1;
	if (!a && is_secret_value(c, key))
		return refuse_secret(e);
	if (!a)
		return unknown_option(c, key, e);
	if (a->kind == ARG_FLAG || equals)
		return set_arg_value(c, a, equals ? equals + 1 : "yes", e) < 0 ? -1 : 1;
	if (!words[1])
		return err_set(e, ERR_MISSING, "--%s needs a value", key);
	return set_arg_value(c, a, words[1], e) < 0 ? -1 : 2;
}

/* The place of a bare word: the first that is free among those that the table calls positional, then among
 * the other options in their order, because virsh's fingers do it so (vol-clone VOL NEWNAME POOL). Only
 * timeout is ours, and needs its name. */
static const struct verb_arg *next_place(const struct command *c)
{
	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		if (a->positional && !c->values[a - c->verb->args])
			return a;
	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		if (a->kind != ARG_FLAG && !streq(a->name, "timeout") && !c->values[a - c->verb->args])
			return a;
	return NULL;
}

/* What virsh's fingers type in the place of an argument that is not given. A file of that name is standard
 * input or output. */
static const char not_given[] = "-";

static bool is_not_given(const struct verb_arg *a, const char *word)
{
	return streq(word, not_given) && !a->required && a->kind != ARG_FILE && a->kind != ARG_DATA;
}

/* Its place is taken, and that is all; only the document that virsh would show has it as it was typed. */
static void drop_not_given(struct command *c)
{
	for (size_t i = 0; !command_flag(c, "print-xml") && c->verb->args[i].name; i++)
		if (c->values[i] == not_given)
			c->values[i] = NULL;
}

/* `key=value` if the verb has that key; else a bare word. */
static int take_word(struct command *c, char *word, struct err *e)
{
	char *equals = strchr(word, '=');
	const struct verb_arg *a;

	if (equals) {
		*equals = '\0';
		a = verb_arg(c->verb, word);
		*equals = '=';
		if (a)
			return set_arg_value(c, a, equals + 1, e);
	}
	a = next_place(c);
	if (is_secret_value(c, NULL) && (!a || !a->positional))
		return refuse_secret(e);
	if (!a)
		return err_set(e, ERR_UNKNOWN_KEY, "%s: unexpected \"%s\" (poolctl help %s)", c->verb->name,
		               word, c->verb->name);
	return set_arg_value(c, a, is_not_given(a, word) ? not_given : word, e);
}

int command_take(struct command *c, char **words, struct err *e)
{
	demand(c->verb && words, e);

	static const char here[] = "poolctl: ";
	bool options = true;

	while (*words) {
		int taken = 1;

		if (options && streq(*words, "--"))
			options = false;
		else if (options && starts_with(*words, "--"))
			taken = take_command_option(c, words, e);
		else if (!(options && (*words)[0] == '-' && command_manner(c, *words)) &&
		         take_word(c, *words, e) < 0)
			taken = -1;
		if (taken < 0)
			return -1;
		words += taken;
	}
	drop_not_given(c);
	for (const struct verb_arg *a = c->verb->args; a->name; a++)
		if (a->required && !c->values[a - c->verb->args])
			return err_set(e, ERR_MISSING, "%s needs %s: %s", c->verb->name, a->name,
			               a->help + (starts_with(a->help, here) ? strlen(here) : 0));
	return 0;
}
