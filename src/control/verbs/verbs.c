/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one table of verbs. Names and arguments are virsh's; those that only change how poolctl prints are
 * accepted here too, so that a line typed for one is good for the other.
 */
#include "control/verbs/verbs.h"

#include "base/util.h"

/* What comes back stands in manuals, of which a small program has none (no_manuals.c). */
#ifdef CONTRACTS_FEW
#define ANSWER(text) .answer = ""
#else
#define ANSWER(text) .answer = text
#endif

#define POOL                                                                                                 \
	{                                                                                                    \
		"pool", ARG_WORD, true, true, LEVEL_READ, "name or uuid of the pool"                         \
	}
#define TIMEOUT                                                                                              \
	{                                                                                                    \
		"timeout", ARG_DURATION, false, false, LEVEL_READ,                                           \
			"how long the operation may take: 30s, 500ms, 2m (default: the pool type's own)"     \
	}
#define IN_POOL                                                                                              \
	{                                                                                                    \
		"pool", ARG_WORD, false, false, LEVEL_READ,                                                  \
			"name or uuid of the volume's pool (default: look in all active pools)"              \
	}
#define VOLUME                                                                                               \
	{                                                                                                    \
		"vol", ARG_WORD, true, true, LEVEL_READ, "name, path or key of the volume"                   \
	}
#define VOL_POOL                                                                                             \
	{                                                                                                    \
		"pool", ARG_WORD, true, false, LEVEL_READ,                                                   \
			"name or uuid of the volume's pool (default: look in all active pools)"              \
	}
#define OPTION(name, help)                                                                                   \
	{                                                                                                    \
		name, ARG_WORD, false, false, LEVEL_READ, help                                               \
	}
#define SIZE(name, help)                                                                                     \
	{                                                                                                    \
		name, ARG_SIZE, false, false, LEVEL_READ, help                                               \
	}
#define FLAG(name, help)                                                                                     \
	{                                                                                                    \
		name, ARG_FLAG, false, false, LEVEL_READ, help                                               \
	}
#define XML_FILE(what)                                                                                       \
	{                                                                                                    \
		"file", ARG_FILE, true, true, LEVEL_READ,                                                    \
			"poolctl: the file with " what ", or - for standard input"                           \
	}
#define BUILDS                                                                                               \
	FLAG("build", "make what the pool lives on first (directory, volume group); below the level admin "  \
	              "only a directory that is not there"),                                                 \
		{ "no-overwrite", ARG_FLAG,    false,                                                        \
		  false,          LEVEL_ADMIN, "build, and format what holds nothing but zeros" },           \
	{                                                                                                    \
		"overwrite", ARG_FLAG, false, false, LEVEL_ADMIN, "build, and format whatever it holds"      \
	}
/* Operations that may take long: what to hear of them meanwhile. */
#define JOB                                                                                                  \
	TIMEOUT, FLAG("progress", "answer with a record every now and then while it runs"),                  \
		FLAG("detach", "answer at once; job-list shows it, job-cancel ends it")
#define XPATH                                                                                                \
	OPTION("xpath", "poolctl: only the nodes that this XPath expression selects"),                       \
		FLAG("wrap", "poolctl: and wrap them in <nodes>")
/* The options from which virsh makes a pool's XML. */
#define POOL_AS                                                                                              \
	{ "name", ARG_WORD, true, true, LEVEL_READ, "name of the pool" },                                    \
		{ "type", ARG_WORD, true, true, LEVEL_READ, "its type" },                                    \
		{ "source-host", ARG_WORD, true, false, LEVEL_READ, "server" },                              \
		{ "source-path", ARG_WORD, true, false, LEVEL_READ, "directory or path on it" },             \
		{ "source-dev", ARG_WORD, true, false, LEVEL_READ, "device" },                               \
		{ "source-name", ARG_WORD,   true,                                                           \
		  false,         LEVEL_READ, "name of the source: volume group, zpool, …" },                 \
		{ "target", ARG_WORD, true, false, LEVEL_READ, "where it is mounted or found" },             \
		OPTION("source-format", "format of the source"), OPTION("auth-type", "chap or ceph"),        \
		OPTION("auth-username", "user name"), OPTION("secret-usage", "the secret, by usage"),        \
		OPTION("secret-uuid", "the secret, by uuid"), OPTION("adapter-name", "SCSI host"),           \
		OPTION("adapter-wwnn", "node name of the HBA"),                                              \
		OPTION("adapter-wwpn", "port name of the HBA"), OPTION("adapter-parent", "its parent"),      \
		OPTION("adapter-parent-wwnn", "node name of the parent"),                                    \
		OPTION("adapter-parent-wwpn", "port name of the parent"),                                    \
		OPTION("adapter-parent-fabric-wwn", "fabric name of the parent"),                            \
		OPTION("source-protocol-ver", "NFS version"),                                                \
		OPTION("source-initiator", "name of the initiator"),                                         \
		FLAG("print-xml", "print the document instead")
#define END                                                                                                  \
	{                                                                                                    \
		0                                                                                            \
	}

static const struct verb_arg no_args[] = { END };

static const struct verb_arg pool_list_args[] = {
	FLAG("inactive", "inactive pools only"),
	FLAG("all", "inactive and active pools"),
	FLAG("transient", "pools that are forgotten when they stop"),
	FLAG("persistent", "pools that stay defined"),
	FLAG("autostart", "pools that are started at boot"),
	FLAG("no-autostart", "pools that are not"),
	{ "type", ARG_WORD, false, false, LEVEL_READ, "pools of these types only: dir,netfs,…" },
	FLAG("details", "poolctl: with sizes, and the reason why a pool is not active"),
	FLAG("uuid", "uuids only"),
	FLAG("name", "names only"),
	END
};

static const struct verb_arg pool_info_args[] = { POOL, FLAG("bytes", "poolctl: sizes in bytes"), END };
static const struct verb_arg pool_dumpxml_args[] = {
	POOL, FLAG("inactive", "the definition that holds from the next start on"), XPATH, END
};
static const struct verb_arg pool_define_args[] = {
	XML_FILE("the definition"),
	FLAG("validate", "refuse what the grammar does not know: unknown elements"), END
};
static const struct verb_arg pool_create_args[] = { XML_FILE("the definition"),
	                                            FLAG("validate", "refuse what the grammar does not know"),
	                                            BUILDS, TIMEOUT, END };
static const struct verb_arg pool_define_as_args[] = { POOL_AS, END };
static const struct verb_arg pool_create_as_args[] = { POOL_AS, BUILDS, TIMEOUT, END };
static const struct verb_arg pool_start_args[] = { POOL, BUILDS, TIMEOUT, END };
static const struct verb_arg pool_build_args[] = {
	POOL, FLAG("no-overwrite", "format what holds nothing but zeros"),
	FLAG("overwrite", "format whatever it holds"), TIMEOUT, END
};
static const struct verb_arg pool_timeout_args[] = { POOL, TIMEOUT, END };
static const struct verb_arg pool_args[] = { POOL, END };
static const struct verb_arg pool_autostart_args[] = { POOL,
	                                               FLAG("disable", "do not start it at boot any more"),
	                                               END };
static const struct verb_arg pool_event_args[] = {
	OPTION("pool", "of this pool only"),
	OPTION("event", "lifecycle or refresh (default: the first that comes)"),
	FLAG("loop", "go on until interrupted"),
	{ "timeout", ARG_DURATION, false, false, LEVEL_READ, "give up after that time" },
	FLAG("list", "print the kinds of events"),
	FLAG("timestamp", "with the time"),
	END
};
static const struct verb_arg find_args[] = {
	{ "type", ARG_WORD, true, true, LEVEL_READ,
	  "type of pool to look for: netfs, iscsi, logical, gluster, zfs" },
	{ "file", ARG_FILE, true, false, LEVEL_READ,
	  "poolctl: the file with a <source>, or - for standard input" },
	TIMEOUT,
	END
};
static const struct verb_arg find_as_args[] = {
	{ "type", ARG_WORD, true, true, LEVEL_READ,
	  "type of pool to look for: netfs, iscsi, logical, gluster, zfs" },
	{ "host", ARG_WORD, true, false, LEVEL_READ, "server to ask" },
	{ "port", ARG_WORD, true, false, LEVEL_READ, "its port" },
	{ "initiator", ARG_WORD, true, false, LEVEL_READ, "name of the initiator" },
	TIMEOUT,
	END
};

static const struct verb_arg vol_list_args[] = { POOL, FLAG("details", "poolctl: with type and sizes"), END };
static const struct verb_arg vol_info_args[] = {
	VOLUME, VOL_POOL, FLAG("bytes", "poolctl: sizes in bytes"),
	FLAG("physical", "poolctl: the size on the storage instead of the allocation"), END
};
static const struct verb_arg vol_args[] = { VOLUME, VOL_POOL, END };
static const struct verb_arg vol_dumpxml_args[] = { VOLUME, VOL_POOL, XPATH, END };
static const struct verb_arg vol_pool_args[] = { VOLUME, FLAG("uuid", "the pool's uuid instead of its name"),
	                                         END };
static const struct verb_arg vol_lookup_args[] = { { "what", ARG_WORD, true, false, LEVEL_READ,
	                                             "path or key" },
	                                           OPTION("path", "by path only"),
	                                           OPTION("key", "by key only"),
	                                           END };
static const struct verb_arg vol_create_args[] = { POOL,
	                                           XML_FILE("the volume's XML"),
	                                           FLAG("prealloc-metadata", "qcow2: make all tables now"),
	                                           FLAG("validate", "refuse what the grammar does not know"),
	                                           JOB,
	                                           END };
static const struct verb_arg vol_create_as_args[] = {
	POOL,
	{ "name", ARG_WORD, true, true, LEVEL_READ, "name of the volume" },
	{ "capacity", ARG_SIZE, true, true, LEVEL_READ, "its size: 10G" },
	SIZE("allocation", "how much of it is taken at once (default: all of a raw volume)"),
	OPTION("format", "raw, qcow2, …"),
	OPTION("layout",
	       "of a logical volume: linear, striped, thin, raid1 … with KEY=VALUE words behind it"),
	OPTION("backing-vol", "name, path or key of the volume below"),
	OPTION("backing-vol-format", "its format"),
	FLAG("prealloc-metadata", "qcow2: make all tables now"),
	FLAG("print-xml", "print the document instead"),
	JOB,
	END
};
static const struct verb_arg vol_create_from_args[] = {
	POOL,
	XML_FILE("the volume's XML"),
	VOLUME,
	OPTION("inputpool", "name or uuid of the pool of the volume that is copied"),
	FLAG("prealloc-metadata", "qcow2: make all tables now"),
	FLAG("reflink", "share the data, or fail"),
	FLAG("validate", "refuse what the grammar does not know"),
	JOB,
	END
};
static const struct verb_arg vol_clone_args[] = { VOLUME,
	                                          { "newname", ARG_WORD, true, true, LEVEL_READ,
	                                            "name of the copy" },
	                                          IN_POOL,
	                                          FLAG("prealloc-metadata", "qcow2: make all tables now"),
	                                          FLAG("reflink", "share the data, or fail"),
	                                          FLAG("print-xml", "print the document instead"),
	                                          JOB,
	                                          END };
static const struct verb_arg vol_delete_args[] = { VOLUME, VOL_POOL,
	                                           FLAG("delete-snapshots", "with its snapshots (rbd)"), JOB,
	                                           END };
static const struct verb_arg vol_resize_args[] = {
	VOLUME,
	{ "capacity", ARG_WORD, true, true, LEVEL_READ,
	  "new size: 20G; with --delta how much more; -5G how much less" },
	IN_POOL,
	FLAG("allocate", "take the new space at once"),
	FLAG("delta", "the size is a difference"),
	FLAG("shrink", "it may become smaller: what is cut off is lost"),
	JOB,
	END
};
static const struct verb_arg vol_wipe_args[] = { VOLUME, VOL_POOL,
	                                         OPTION("algorithm",
	                                                "zero (default), trim, or with scrub: nnsa dod bsi "
	                                                "gutmann schneier pfitzner7 pfitzner33 random"),
	                                         JOB, END };
static const struct verb_arg vol_transfer_args[] = { VOLUME,
	                                             { "file", ARG_DATA, true, true, LEVEL_READ,
	                                               "poolctl: the file to read or write, or -" },
	                                             VOL_POOL,
	                                             SIZE("offset", "where in the volume to begin"),
	                                             SIZE("length", "how much at most, within the volume"),
	                                             FLAG("sparse", "holes stay holes"),
	                                             JOB,
	                                             END };

static const struct verb_arg job_args[] = { { "job", ARG_NUMBER, true, true, LEVEL_READ, "its number" },
	                                    END };

#define SECRET                                                                                               \
	{                                                                                                    \
		"secret", ARG_WORD, true, true, LEVEL_READ, "uuid of the secret, or its usage"               \
	}
static const struct verb_arg secret_define_args[] = {
	XML_FILE("the secret's XML"), FLAG("validate", "refuse what the grammar does not know"), END
};
static const struct verb_arg secret_args[] = { SECRET, END };
static const struct verb_arg secret_set_args[] = {
	SECRET,
	{ "file", ARG_FILE, false, false, LEVEL_READ,
	  "poolctl: the file with the value (default: standard input)" },
	FLAG("plain", "the value is as it is, not in base64"),
	END
};
static const struct verb_arg secret_get_args[] = { SECRET, FLAG("plain", "as it is, not in base64"), END };
static const struct verb_arg secret_list_args[] = { FLAG("ephemeral", "those that are never written to disk"),
	                                            FLAG("no-ephemeral", "those that are"),
	                                            FLAG("private", "those whose value is never shown"),
	                                            FLAG("no-private", "those whose value may be shown"),
	                                            END };

static const struct verb_arg wait_args[] = {
	{ "for", ARG_WORD, true, false, LEVEL_READ, "boot: until boot is done" },
	{ "pool", ARG_WORD, false, false, LEVEL_READ, "name or uuid of the pool to wait for" },
	{ "phase", ARG_WORD, false, false, LEVEL_READ,
	  "until it is in one of these phases: active,failed,… (default: active)" },
	{ "timeout", ARG_DURATION, false, false, LEVEL_READ, "how long at most (default: for ever)" },
	END
};
static const struct verb_arg timeline_args[] = { FLAG("svg", "poolctl: as a chart (SVG)"), END };
static const struct verb_arg subscribe_args[] = {
	{ "since", ARG_NUMBER, false, false, LEVEL_READ, "first the events after this sequence number" }, END
};
static const struct verb_arg log_args[] = {
	{ "since", ARG_NUMBER, false, false, LEVEL_READ, "only messages after this sequence number" },
	{ "level", ARG_WORD, false, false, LEVEL_OPERATE,
	  "set what is logged from now on, for everybody: warn,net=debug,…" },
	END
};
static const struct verb_arg help_args[] = {
	{ "verb", ARG_WORD, true, false, LEVEL_READ, "the verb to explain (default: all, one line each)" },
	{ "format", ARG_WORD, false, false, LEVEL_READ, "as a text: list (the names), markdown, man" },
	END
};
static const struct verb_arg follow_args[] = {
	{ "root", ARG_WORD, true, true, LEVEL_READ, "where the new root is mounted" }, END
};
static const struct verb_arg boot_good_args[] = { { "root", ARG_WORD, true, false, LEVEL_READ,
	                                            "as root= has it (default: the one that was booted)" },
	                                          END };
static const struct verb_arg shutdown_args[] = {
	{ "how", ARG_WORD, true, false, LEVEL_READ,
	  "poweroff (default), reboot, halt, or exit: only this program ends" },
	END
};

#define JOB_ANSWER "OK pool volume · with --progress before it: - job progress total · with --detach: OK job"

/* clang-format off */
const struct verb verb_table[] = {
	{ .name = "pool-list", .level = LEVEL_READ, .args = pool_list_args, .run = verb_pool_list,
	  .help = "list pools: the active ones, if not asked otherwise",
	  ANSWER("- name uuid type phase want autostart persistent capacity allocation available volumes "
	            "reason waits warning fill · OK pools") },
	{ .name = "pool-info", .level = LEVEL_READ, .args = pool_info_args, .run = verb_pool_info,
	  .help = "everything that is known of one pool",
	  ANSWER("- the keys of pool-list, and target origin kept detail attempts retry_ms stuck "
	            "refreshed_ms worker · OK") },
	{ .name = "pool-dumpxml", .level = LEVEL_READ, .args = pool_dumpxml_args, .run = verb_pool_dumpxml,
	  .limit = LIMIT_ASK,
	  .help = "a pool's definition as XML",
	  ANSWER("= the document · OK pool") },
	{ .name = "pool-define", .level = LEVEL_ADMIN, .args = pool_define_args, .run = verb_pool_define,
	  .limit = LIMIT_CHANGE,
	  .payload_max = POOL_XML_LIMIT,
	  .payload_required = true,
	  .help = "define a pool, or change its definition; it is not started",
	  ANSWER("OK pool uuid kept (disk: for good, memory: in an initramfs, run: for this boot only)") },
	{ .name = "pool-define-as", .level = LEVEL_ADMIN,
	  .args = pool_define_as_args, .run = verb_pool_define_as,
	  .limit = LIMIT_CHANGE,
	  .help = "define a pool from options",
	  ANSWER("OK pool uuid kept · with --print-xml: = the document · OK") },
	{ .name = "pool-create", .level = LEVEL_ADMIN, .args = pool_create_args, .run = verb_pool_create,
	  .limit = LIMIT_POOL,
	  .payload_max = POOL_XML_LIMIT,
	  .payload_required = true,
	  .help = "start a pool that is forgotten when it stops",
	  ANSWER("OK pool uuid") },
	{ .name = "pool-create-as", .level = LEVEL_ADMIN,
	  .args = pool_create_as_args, .run = verb_pool_create_as,
	  .limit = LIMIT_POOL,
	  .help = "start a pool made from options, which is forgotten when it stops",
	  ANSWER("OK pool uuid · with --print-xml: = the document · OK") },
	{ .name = "pool-build", .level = LEVEL_ADMIN, .args = pool_build_args, .run = verb_pool_build,
	  .limit = LIMIT_BUILD,
	  .help = "make what an inactive pool lives on (a filesystem only with [no-]overwrite)",
	  ANSWER("OK pool") },
	{ .name = "pool-start", .level = LEVEL_OPERATE, .args = pool_start_args, .run = verb_pool_start,
	  .limit = LIMIT_POOL,
	  .help = "start a pool, and keep trying if what it needs is not there yet",
	  ANSWER("OK pool") },
	{ .name = "pool-destroy", .level = LEVEL_OPERATE, .args = pool_timeout_args, .run = verb_pool_destroy,
	  .limit = LIMIT_POOL,
	  .help = "stop a pool; its data and its definition stay",
	  ANSWER("OK pool") },
	{ .name = "pool-delete", .level = LEVEL_ADMIN, .args = pool_timeout_args, .run = verb_pool_delete,
	  .limit = LIMIT_BUILD,
	  .help = "unmake what an inactive pool lived on (no filesystem); its definition stays",
	  ANSWER("OK pool") },
	{ .name = "pool-undefine", .level = LEVEL_ADMIN, .args = pool_args, .run = verb_pool_undefine,
	  .limit = LIMIT_CHANGE,
	  .help = "forget the definition of an inactive pool",
	  ANSWER("OK pool kept (run: it comes back at the next boot)") },
	{ .name = "pool-refresh", .level = LEVEL_OPERATE, .args = pool_timeout_args, .run = verb_pool_refresh,
	  .limit = LIMIT_POOL,
	  .help = "look again at a pool's volumes and sizes",
	  ANSWER("OK pool volumes") },
	{ .name = "pool-autostart", .level = LEVEL_ADMIN,
	  .args = pool_autostart_args, .run = verb_pool_autostart,
	  .limit = LIMIT_CHANGE,
	  .help = "start a pool at boot, or with --disable do not",
	  ANSWER("OK pool autostart kept (as for pool-define)") },
	{ .name = "pool-edit", .level = LEVEL_ADMIN, .args = pool_args,
	  .local = true,
	  .help = "change a pool's definition with $EDITOR",
	  ANSWER("") },
	{ .name = "pool-name", .level = LEVEL_READ, .args = pool_args, .run = verb_pool_name,
	  .help = "the name of the pool with a uuid",
	  ANSWER("- name · OK") },
	{ .name = "pool-uuid", .level = LEVEL_READ, .args = pool_args, .run = verb_pool_uuid,
	  .help = "the uuid of the pool with a name",
	  ANSWER("- uuid · OK") },
	{ .name = "pool-capabilities", .level = LEVEL_READ, .args = no_args, .run = verb_pool_capabilities,
	  .help = "the pool types and their formats, as XML",
	  ANSWER("= the document · OK") },
	{ .name = "pool-event", .level = LEVEL_READ, .args = pool_event_args,
	  .local = true,
	  .help = "wait for events of pools and print them",
	  ANSWER("") },
	{ .name = "find-storage-pool-sources", .level = LEVEL_OPERATE,
	  .args = find_args, .run = verb_find_sources,
	  .limit = LIMIT_FIND,
	  .payload_max = POOL_XML_LIMIT,
	  .help = "which pools a server or this machine offers, as XML",
	  ANSWER("= the document · OK") },
	{ .name = "find-storage-pool-sources-as", .level = LEVEL_OPERATE,
	  .args = find_as_args, .run = verb_find_sources_as,
	  .limit = LIMIT_FIND,
	  .help = "the same, with options instead of a document",
	  ANSWER("= the document · OK") },
	{ .name = "vol-list", .level = LEVEL_READ, .args = vol_list_args, .run = verb_vol_list,
	  .limit = LIMIT_ASK,
	  .help = "the volumes of an active pool, by name, as of its last refresh",
	  ANSWER("- name type path key format capacity allocation physical mode owner group … backing "
	            "problem · OK pool volumes") },
	{ .name = "vol-info", .level = LEVEL_READ, .args = vol_info_args, .run = verb_vol_info,
	  .limit = LIMIT_ASK,
	  .help = "one volume",
	  ANSWER("- the keys of vol-list · OK pool") },
	{ .name = "vol-dumpxml", .level = LEVEL_READ, .args = vol_dumpxml_args, .run = verb_vol_dumpxml,
	  .limit = LIMIT_ASK,
	  .help = "a volume as XML",
	  ANSWER("= the document · OK pool") },
	{ .name = "vol-path", .level = LEVEL_READ, .args = vol_args, .run = verb_vol_path,
	  .limit = LIMIT_ASK,
	  .help = "a volume's path",
	  ANSWER("- path · OK pool") },
	{ .name = "vol-name", .level = LEVEL_READ, .args = vol_args, .run = verb_vol_name,
	  .limit = LIMIT_ASK,
	  .help = "a volume's name",
	  ANSWER("- name · OK pool") },
	{ .name = "vol-key", .level = LEVEL_READ, .args = vol_args, .run = verb_vol_key,
	  .limit = LIMIT_ASK,
	  .help = "a volume's key",
	  ANSWER("- key · OK pool") },
	{ .name = "vol-pool", .level = LEVEL_READ, .args = vol_pool_args, .run = verb_vol_pool,
	  .limit = LIMIT_ASK,
	  .help = "the pool of a volume",
	  ANSWER("- pool uuid · OK") },
	{ .name = "vol-lookup", .level = LEVEL_READ, .args = vol_lookup_args, .run = verb_vol_lookup,
	  .limit = LIMIT_ASK,
	  .help = "which volume has a path or a key",
	  ANSWER("- the keys of vol-list · OK pool") },
	{ .name = "vol-create", .level = LEVEL_OPERATE, .args = vol_create_args, .run = verb_vol_create,
	  .limit = LIMIT_MAKE,
	  .payload_max = VOLUME_XML_LIMIT,
	  .payload_required = true,
	  .help = "make a volume from its XML",
	  ANSWER(JOB_ANSWER) },
	{ .name = "vol-create-as", .level = LEVEL_OPERATE,
	  .args = vol_create_as_args, .run = verb_vol_create_as,
	  .limit = LIMIT_MAKE,
	  .help = "make a volume from options",
	  ANSWER(JOB_ANSWER) },
	{ .name = "vol-create-from", .level = LEVEL_OPERATE,
	  .args = vol_create_from_args, .run = verb_vol_create_from,
	  .limit = LIMIT_MAKE,
	  .payload_max = VOLUME_XML_LIMIT,
	  .payload_required = true,
	  .help = "make a volume from its XML with the content of another",
	  ANSWER(JOB_ANSWER) },
	{ .name = "vol-clone", .level = LEVEL_OPERATE, .args = vol_clone_args, .run = verb_vol_clone,
	  .limit = LIMIT_MAKE,
	  .help = "copy a volume within its pool",
	  ANSWER(JOB_ANSWER) },
	{ .name = "vol-delete", .level = LEVEL_OPERATE, .args = vol_delete_args, .run = verb_vol_delete,
	  .limit = LIMIT_BUILD,
	  .help = "remove a volume and its data",
	  ANSWER(JOB_ANSWER) },
	{ .name = "vol-resize", .level = LEVEL_OPERATE, .args = vol_resize_args, .run = verb_vol_resize,
	  .limit = LIMIT_MAKE,
	  .help = "change a volume's capacity",
	  ANSWER(JOB_ANSWER) },
	{ .name = "vol-wipe", .level = LEVEL_OPERATE, .args = vol_wipe_args, .run = verb_vol_wipe,
	  .limit = LIMIT_JOB,
	  .help = "overwrite a volume's data",
	  ANSWER(JOB_ANSWER) },
	{ .name = "vol-upload", .level = LEVEL_OPERATE, .args = vol_transfer_args, .run = verb_vol_upload,
	  .limit = LIMIT_JOB,
	  .data = true,
	  .help = "write a file into a volume",
	  ANSWER("OK pool volume bytes") },
	{ .name = "vol-download", .level = LEVEL_OPERATE, .args = vol_transfer_args, .run = verb_vol_download,
	  .limit = LIMIT_JOB,
	  .data = true,
	  .help = "read a volume into a file",
	  ANSWER("OK pool volume bytes") },
	{ .name = "job-list", .level = LEVEL_READ, .args = no_args, .run = verb_job_list,
	  .help = "the volume operations under way",
	  ANSWER("- job operation pool volume running_ms progress total ending · OK jobs") },
	{ .name = "job-cancel", .level = LEVEL_OPERATE, .args = job_args, .run = verb_job_cancel,
	  .limit = LIMIT_ASK,
	  .help = "end one of them; nothing half-made stays",
	  ANSWER("OK job") },
	{ .name = "secret-define", .level = LEVEL_ADMIN,
	  .args = secret_define_args, .run = verb_secret_define,
	  .limit = LIMIT_CHANGE,
	  .payload_max = SECRET_XML_LIMIT,
	  .payload_required = true,
	  .help = "define a secret, or change what it is for",
	  ANSWER("OK secret kept usage id") },
	{ .name = "secret-set-value", .level = LEVEL_ADMIN,
	  .args = secret_set_args, .run = verb_secret_set_value,
	  .limit = LIMIT_CHANGE,
	  .payload_max = SECRET_VALUE_LIMIT,
	  .payload_required = true,
	  .help = "give a secret its value",
	  ANSWER("OK secret kept usage id") },
	{ .name = "secret-get-value", .level = LEVEL_ADMIN,
	  .args = secret_get_args, .run = verb_secret_get_value,
	  .limit = LIMIT_CHANGE,
	  .help = "a secret's value, unless it is private",
	  ANSWER("= the value · OK secret") },
	{ .name = "secret-list", .level = LEVEL_READ, .args = secret_list_args, .run = verb_secret_list,
	  .limit = LIMIT_CHANGE,
	  .help = "the secrets, and what they are for",
	  ANSWER("- uuid usage id ephemeral private value · OK secrets") },
	{ .name = "secret-dumpxml", .level = LEVEL_READ, .args = secret_args, .run = verb_secret_dumpxml,
	  .limit = LIMIT_CHANGE,
	  .help = "a secret's definition as XML, without its value",
	  ANSWER("= the document · OK secret") },
	{ .name = "secret-undefine", .level = LEVEL_ADMIN, .args = secret_args, .run = verb_secret_undefine,
	  .limit = LIMIT_CHANGE,
	  .help = "forget a secret and its value",
	  ANSWER("OK secret") },
	{ .name = "status", .level = LEVEL_READ, .args = no_args, .run = verb_status,
	  .help = "the supervisor itself, its workers and services, and what is wrong with which pool, "
	          "definition or device",
	  ANSWER("- kind=supervisor pid version state pools wanted active clients config run checking "
	            "waiting starting degraded hung retrying failed stopping · - kind=pool name phase class "
	            "reason waits retry_ms warning · - kind=worker pid operation pool running_ms abandoned · "
	            "- kind=service name state pid restarts · - kind=problem origin class text · OK state") },
	{ .name = "reload", .level = LEVEL_ADMIN, .args = no_args, .run = verb_reload,
	  .limit = LIMIT_CHANGE,
	  .help = "read the places of definitions again: define what is new, change what has changed; "
	          "what has gone stays until pool-undefine",
	  ANSWER("OK problems") },
	{ .name = "wait", .level = LEVEL_READ, .args = wait_args, .run = verb_wait,
	  .help = "answer when a pool is in a phase, or when boot is done",
	  ANSWER("OK pool phase · for boot: OK state") },
	{ .name = "subscribe", .level = LEVEL_READ, .args = subscribe_args, .run = verb_subscribe,
	  .help = "hear of events from now on",
	  ANSWER("OK · then ! seq ts event …") },
	{ .name = "unsubscribe", .level = LEVEL_READ, .args = no_args, .run = verb_unsubscribe,
	  .help = "hear no more of them",
	  ANSWER("OK") },
	{ .name = "timeline", .level = LEVEL_READ, .args = timeline_args, .run = verb_timeline,
	  .help = "when the boot and each pool last came to a point, since the kernel began",
	  ANSWER("- ms what pool waits · OK now") },
	{ .name = "blame", .level = LEVEL_READ, .args = no_args, .run = verb_blame,
	  .help = "what it took each pool to become active, in milliseconds of each phase, the longest first",
	  ANSWER("- pool ms checking waiting retrying starting … waits · OK") },
	{ .name = "log", .level = LEVEL_READ, .args = log_args, .run = verb_log,
	  .help = "the last messages of the log",
	  ANSWER("- seq ts level facility text · OK") },
	{ .name = "help", .level = LEVEL_READ, .args = help_args, .run = verb_help,
	  .help = "the verbs, or one of them with its arguments",
	  ANSWER("- verb level help limit · for one verb also - argument kind positional required help · "
	            "with format=: = a text · OK") },
	{ .name = "version", .level = LEVEL_READ, .args = no_args, .run = verb_version,
	  .help = "the version of the program and of the protocol",
	  ANSWER("- program version protocol · OK") },
	{ .name = "follow", .level = LEVEL_ADMIN, .args = follow_args, .run = verb_follow,
	  .limit = LIMIT_ASK,
	  .help = "in an initramfs, before it changes the root: begin nothing more, move what pools have "
	          "mounted there, and go on in the new root",
	  ANSWER("OK") },
	{ .name = "boot-good", .level = LEVEL_ADMIN, .args = boot_good_args, .run = verb_boot_good,
	  .limit = LIMIT_CHANGE,
	  .help = "a root has come up well: its boots (poolinit.tries=) are counted anew",
	  ANSWER("OK") },
	{ .name = "shutdown", .level = LEVEL_ADMIN, .args = shutdown_args, .run = verb_shutdown,
	  .help = "stop all pools, dependents first, and end the machine; a service ends alone and leaves "
	          "its pools as they are",
	  ANSWER("OK how") },
	{ .name = "quit", .level = LEVEL_READ, .args = no_args, .run = verb_quit,
	  .help = "close this connection",
	  ANSWER("OK") },
	{ 0 },
};
const struct verb *verb_at(size_t i)
{
	return i < ARRAY_LEN(verb_table) - 1 ? &verb_table[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
	return verb_among(verb_table, name);
}
