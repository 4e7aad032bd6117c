/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one table of verbs. Names and arguments are virsh's; those that only change how poolctl prints are accepted here too, so that a line
 * typed for one is good for the other.
 */
#include "control/verbs.h"

#include "base/util.h"

#define POOL     { "pool", ARG_WORD, true, true, "name or uuid of the pool", LEVEL_READ }
#define TIMEOUT  { "timeout", ARG_DURATION, false, false, \
		   "how long the operation may take: 30s, 500ms, 2m (default: the pool type's own)", LEVEL_READ }
#define VOLUME   { "vol", ARG_WORD, true, true, "name, path or key of the volume", LEVEL_READ }
#define VOL_POOL { "pool", ARG_WORD, true, false, "name or uuid of the volume's pool (default: look in all active pools)", LEVEL_READ }
#define FLAG(name, help) { name, ARG_FLAG, false, false, help, LEVEL_READ }
#define END { 0 }

static const struct verb_arg no_args[] = { END };

static const struct verb_arg pool_list_args[] = {
	FLAG("inactive", "inactive pools only"),
	FLAG("all", "inactive and active pools"),
	FLAG("transient", "pools that are forgotten when they stop"),
	FLAG("persistent", "pools that stay defined"),
	FLAG("autostart", "pools that are started at boot"),
	FLAG("no-autostart", "pools that are not"),
	{ "type", ARG_WORD, false, false, "pools of these types only: dir,netfs,…", LEVEL_READ },
	FLAG("details", "poolctl: with sizes, and the reason why a pool is not active"),
	FLAG("uuid", "uuids only"),
	FLAG("name", "names only"),
	END
};

static const struct verb_arg pool_info_args[] = { POOL, FLAG("bytes", "poolctl: sizes in bytes"), END };
static const struct verb_arg pool_dumpxml_args[] = { POOL, FLAG("inactive", "the definition that holds from the next start on"), END };
static const struct verb_arg pool_define_args[] = { FLAG("validate", "definitions are always validated: accepted for virsh's sake"), END };
static const struct verb_arg pool_start_args[] = { POOL, FLAG("build", "make what the pool lives on first (directory, filesystem)"), TIMEOUT, END };
static const struct verb_arg pool_timeout_args[] = { POOL, TIMEOUT, END };
static const struct verb_arg pool_args[] = { POOL, END };
static const struct verb_arg pool_autostart_args[] = { POOL, FLAG("disable", "do not start it at boot any more"), END };

static const struct verb_arg vol_list_args[] = { POOL, FLAG("details", "poolctl: with type and sizes"), END };
static const struct verb_arg vol_info_args[] = {
	VOLUME, VOL_POOL,
	FLAG("bytes", "poolctl: sizes in bytes"),
	FLAG("physical", "poolctl: the size on the storage instead of the allocation"),
	END
};
static const struct verb_arg vol_args[] = { VOLUME, VOL_POOL, END };

static const struct verb_arg wait_args[] = {
	{ "for", ARG_WORD, true, false, "boot: until boot is done", LEVEL_READ },
	{ "pool", ARG_WORD, false, false, "name or uuid of the pool to wait for", LEVEL_READ },
	{ "phase", ARG_WORD, false, false, "until it is in one of these phases: active,failed,… (default: active)", LEVEL_READ },
	{ "timeout", ARG_DURATION, false, false, "how long at most (default: for ever)", LEVEL_READ },
	END
};
static const struct verb_arg subscribe_args[] = {
	{ "since", ARG_NUMBER, false, false, "first the events after this sequence number", LEVEL_READ }, END
};
static const struct verb_arg log_args[] = {
	{ "since", ARG_NUMBER, false, false, "only messages after this sequence number", LEVEL_READ },
	{ "level", ARG_WORD, false, false, "change what is logged: warn,net=debug,…", LEVEL_OPERATE },
	END
};
static const struct verb_arg help_args[] = {
	{ "verb", ARG_WORD, true, false, "the verb to explain (default: all, one line each)", LEVEL_READ },
	{ "format", ARG_WORD, false, false, "as a text: list (the names), markdown, man", LEVEL_READ },
	END
};
static const struct verb_arg shutdown_args[] = { { "how", ARG_WORD, true, false, "poweroff (default), reboot, halt, or exit: only this program ends", LEVEL_READ }, END };

static const struct verb verbs[] = {
	{ .name = "pool-list", .level = LEVEL_READ, .args = pool_list_args, .run = verb_pool_list,
	  .help = "list pools: the active ones, if not asked otherwise",
	  .answer = "- name uuid type phase want autostart persistent capacity allocation available volumes reason waits · OK pools" },
	{ .name = "pool-info", .level = LEVEL_READ, .args = pool_info_args, .run = verb_pool_info,
	  .help = "everything that is known of one pool",
	  .answer = "- the keys of pool-list, and target origin kept detail attempts retry_ms stuck refreshed_ms worker · OK" },
	{ .name = "pool-dumpxml", .level = LEVEL_READ, .args = pool_dumpxml_args, .run = verb_pool_dumpxml,
	  .help = "a pool's definition as XML",
	  .answer = "= the document · OK pool" },
	{ .name = "pool-define", .level = LEVEL_ADMIN, .args = pool_define_args, .run = verb_pool_define,
	  .payload_max = POOL_XML_LIMIT, .payload_required = true,
	  .help = "define a pool, or change its definition; it is not started",
	  .answer = "OK pool uuid kept (config: in the configuration directory, run: for this boot only)" },
	{ .name = "pool-create", .level = LEVEL_ADMIN, .args = pool_define_args, .run = verb_pool_create,
	  .payload_max = POOL_XML_LIMIT, .payload_required = true,
	  .help = "start a pool that is forgotten when it stops",
	  .answer = "OK pool uuid" },
	{ .name = "pool-start", .level = LEVEL_OPERATE, .args = pool_start_args, .run = verb_pool_start,
	  .help = "start a pool, and keep trying if what it needs is not there yet",
	  .answer = "OK pool" },
	{ .name = "pool-destroy", .level = LEVEL_OPERATE, .args = pool_timeout_args, .run = verb_pool_destroy,
	  .help = "stop a pool; its data and its definition stay",
	  .answer = "OK pool" },
	{ .name = "pool-undefine", .level = LEVEL_ADMIN, .args = pool_args, .run = verb_pool_undefine,
	  .help = "forget the definition of an inactive pool",
	  .answer = "OK pool kept" },
	{ .name = "pool-refresh", .level = LEVEL_OPERATE, .args = pool_timeout_args, .run = verb_pool_refresh,
	  .help = "look again at a pool's volumes and sizes",
	  .answer = "OK pool volumes" },
	{ .name = "pool-autostart", .level = LEVEL_ADMIN, .args = pool_autostart_args, .run = verb_pool_autostart,
	  .help = "start a pool at boot, or with --disable do not",
	  .answer = "OK pool autostart kept" },
	{ .name = "vol-list", .level = LEVEL_READ, .args = vol_list_args, .run = verb_vol_list,
	  .help = "the volumes of an active pool, by name, as of its last refresh",
	  .answer = "- name type path key format capacity allocation physical mode owner group … backing problem · OK pool volumes" },
	{ .name = "vol-info", .level = LEVEL_READ, .args = vol_info_args, .run = verb_vol_info,
	  .help = "one volume",
	  .answer = "- the keys of vol-list · OK pool" },
	{ .name = "vol-dumpxml", .level = LEVEL_READ, .args = vol_args, .run = verb_vol_dumpxml,
	  .help = "a volume as XML",
	  .answer = "= the document · OK pool" },
	{ .name = "vol-path", .level = LEVEL_READ, .args = vol_args, .run = verb_vol_path,
	  .help = "a volume's path",
	  .answer = "- path · OK pool" },
	{ .name = "status", .level = LEVEL_READ, .args = no_args, .run = verb_status,
	  .help = "the supervisor itself, its workers and services, and what is wrong with which definition",
	  .answer = "- kind=supervisor pid version state pools wanted active clients config run · "
		    "- kind=worker pid operation pool running_ms abandoned · - kind=service name state pid restarts · "
		    "- kind=problem origin class text · OK state" },
	{ .name = "wait", .level = LEVEL_READ, .args = wait_args, .run = verb_wait,
	  .help = "answer when a pool is in a phase, or when boot is done",
	  .answer = "OK pool phase · for boot: OK state" },
	{ .name = "subscribe", .level = LEVEL_READ, .args = subscribe_args, .run = verb_subscribe,
	  .help = "hear of events from now on",
	  .answer = "OK · then ! seq ts event …" },
	{ .name = "unsubscribe", .level = LEVEL_READ, .args = no_args, .run = verb_unsubscribe,
	  .help = "hear no more of them",
	  .answer = "OK" },
	{ .name = "timeline", .level = LEVEL_READ, .args = no_args, .run = verb_timeline,
	  .help = "what happened when, since the kernel began",
	  .answer = "- ms what pool · OK now" },
	{ .name = "log", .level = LEVEL_READ, .args = log_args, .run = verb_log,
	  .help = "the last messages of the log",
	  .answer = "- seq ts level facility text · OK" },
	{ .name = "help", .level = LEVEL_READ, .args = help_args, .run = verb_help,
	  .help = "the verbs, or one of them with its arguments",
	  .answer = "- verb level help · for one verb also - argument kind positional required help · with format=: = a text · OK" },
	{ .name = "version", .level = LEVEL_READ, .args = no_args, .run = verb_version,
	  .help = "the version of the program and of the protocol",
	  .answer = "- program version protocol · OK" },
	{ .name = "shutdown", .level = LEVEL_ADMIN, .args = shutdown_args, .run = verb_shutdown,
	  .help = "stop all pools, dependents first, and end the machine; a service ends alone and leaves its pools as they are",
	  .answer = "OK how" },
	{ .name = "quit", .level = LEVEL_READ, .args = no_args, .run = verb_quit,
	  .help = "close this connection",
	  .answer = "OK" },
};

const struct verb *verb_at(size_t i)
{
	return i < ARRAY_LEN(verbs) ? &verbs[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (streq(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

const char *verb_level_word(enum verb_level l)
{
	static const char *const words[] = { "read", "operate", "admin" };

	return words[l];
}
