/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of procedures: their numbers, what is in their packets, and who does them. Numbers and layouts
 * are those of libvirt's protocol, program 0x20008086, version 1.
 */
#include "control/rpc/rpc.h"

#include "base/util.h"

#define POOL                                                                                                 \
	{                                                                                                    \
		VIRT_POOL, "pool"                                                                            \
	}
#define VOLUME                                                                                               \
	{                                                                                                    \
		VIRT_VOLUME, "pool"                                                                          \
	}
#define OTHER_VOLUME                                                                                         \
	{                                                                                                    \
		VIRT_VOLUME, "inputpool"                                                                     \
	}
#define SECRET                                                                                               \
	{                                                                                                    \
		VIRT_SECRET, "secret"                                                                        \
	}
#define TEXT(as)                                                                                             \
	{                                                                                                    \
		VIRT_TEXT, as                                                                                \
	}
#define SIZE(as)                                                                                             \
	{                                                                                                    \
		VIRT_SIZE, as                                                                                \
	}
#define ONE(kind)                                                                                            \
	{                                                                                                    \
		kind, NULL                                                                                   \
	}
#define DOCUMENT ONE(VIRT_DOCUMENT)
#define FLAGS    ONE(VIRT_FLAGS)
#define BUILDS   "build", "overwrite", "no-overwrite"

/* clang-format off */
static const struct virt_procedure rows[] = {
	/* ---- the connection ---- */
	{ 1, .local = session_open, .early = true },
	{ 2, .local = session_close, .early = true },
	{ 3, .local = session_type },
	{ 4, .local = session_version },
	{ 6, .local = session_node_info },
	{ 7, .local = session_capabilities },
	{ 59, .local = session_hostname },
	{ 60, .local = session_feature, .early = true },
	{ 66, .local = session_auth_list, .early = true },
	{ 70, .local = session_yes, .early = true },           /* polkit: it is complete */
	{ 110, .local = session_uri },
	{ 149, .local = session_yes },                         /* a socket of this host is secure */
	{ 157, .local = session_version },
	{ 360, .local = session_nothing },
	{ 361, .local = session_nothing },
	{ 368, .local = events_register },
	{ 369, .local = events_deregister },
	{ 380, .local = events_register_secret },
	{ 381, .local = events_deregister },
	{ 419, .local = session_identity },
	{ 403, "pool-capabilities", .args = { FLAGS }, .reply = reply_document },

	/* ---- pools ---- */
	{ 71, "pool-list", .reply = reply_count, .field = "pools" },
	{ 72, "pool-list", .args = { ONE(VIRT_MOST) }, .reply = reply_names, .field = "name" },
	{ 73, "pool-list", .given = "inactive", .reply = reply_count, .field = "pools" },
	{ 74, "pool-list", .args = { ONE(VIRT_MOST) }, .given = "inactive", .reply = reply_names,
	  .field = "name" },
	{ 281, "pool-list", .args = { ONE(VIRT_NEED), ONE(VIRT_TYPES) }, .reply = reply_pools },
	{ 75, "find-storage-pool-sources", .args = { TEXT("type"), ONE(VIRT_MAYBE_DOCUMENT), FLAGS },
	  .reply = reply_document },
	{ 76, "pool-create", .args = { DOCUMENT, FLAGS }, .flags = { BUILDS }, .reply = reply_made_pool,
	  .codes = codes_of_documents },
	{ 77, "pool-define", .args = { DOCUMENT, FLAGS }, .flags = { "validate" }, .reply = reply_made_pool,
	  .codes = codes_of_documents },
	{ 78, "pool-start", .args = { POOL, FLAGS }, .flags = { BUILDS } },
	{ 79, "pool-build", .args = { POOL, FLAGS }, .flags = { [2] = "no-overwrite", "overwrite" } },
	{ 80, "pool-destroy", .args = { POOL } },
	{ 81, "pool-delete", .args = { POOL, FLAGS } },
	{ 82, "pool-undefine", .args = { POOL } },
	{ 83, "pool-refresh", .args = { POOL, FLAGS } },
	{ 84, "pool-info", .args = { ONE(VIRT_POOL_NAME) }, .reply = reply_pool },
	{ 85, "pool-info", .args = { ONE(VIRT_POOL_UUID) }, .reply = reply_pool },
	{ 86, "pool-info", .args = { ONE(VIRT_POOL_OF) }, .reply = reply_pool },
	{ 391, "pool-info", .args = { ONE(VIRT_POOL_PATH) }, .reply = reply_pool },
	{ 87, "pool-info", .args = { POOL }, .reply = reply_pool_info },
	{ 88, "pool-dumpxml", .args = { POOL, FLAGS }, .flags = { "inactive" }, .reply = reply_document },
	{ 89, "pool-info", .args = { POOL }, .reply = reply_flag, .field = "autostart" },
	{ 90, "pool-autostart", .args = { POOL, { VIRT_SWITCH, "disable" } } },
	{ 154, "pool-info", .args = { POOL }, .reply = reply_is_active },
	{ 155, "pool-info", .args = { POOL }, .reply = reply_flag, .field = "persistent" },

	/* ---- volumes ---- */
	{ 91, "vol-list", .args = { POOL }, .reply = reply_count, .field = "volumes" },
	{ 92, "vol-list", .args = { POOL, ONE(VIRT_MOST) }, .reply = reply_volume_names },
	{ 282, "vol-list", .args = { POOL, ONE(VIRT_NEED), FLAGS }, .reply = reply_volumes },
	{ 93, "vol-create", .args = { POOL, DOCUMENT, FLAGS },
	  .flags = { "prealloc-metadata", NULL, "validate" }, .reply = reply_made_volume,
	  .codes = codes_of_volumes },
	{ 125, "vol-create-from", .args = { POOL, DOCUMENT, OTHER_VOLUME, FLAGS },
	  .flags = { "prealloc-metadata", "reflink", "validate" }, .reply = reply_made_volume,
	  .codes = codes_of_volumes },
	{ 94, "vol-delete", .args = { VOLUME, FLAGS }, .flags = { NULL, "delete-snapshots" } },
	{ 95, "vol-info", .args = { POOL, ONE(VIRT_VOLUME_NAME) }, .reply = reply_volume },
	{ 96, "vol-lookup", .args = { TEXT("key") }, .reply = reply_volume },
	{ 97, "vol-lookup", .args = { { VIRT_PATH, "path" } }, .reply = reply_volume },
	{ 98, "vol-info", .args = { VOLUME }, .reply = reply_volume_info },
	{ 378, "vol-info", .args = { VOLUME, ONE(VIRT_PHYSICAL) }, .reply = reply_volume_physical },
	{ 99, "vol-dumpxml", .args = { VOLUME, FLAGS }, .reply = reply_document },
	{ 100, "vol-path", .args = { VOLUME }, .reply = reply_field, .field = "path" },
	{ 165, "vol-wipe", .args = { VOLUME, FLAGS } },
	{ 259, "vol-wipe", .args = { VOLUME, { VIRT_ALGORITHM, "algorithm" }, FLAGS } },
	{ PROCEDURE_UPLOAD, "vol-upload", .stream = true,
	  .args = { VOLUME, SIZE("offset"), SIZE("length"), FLAGS }, .flags = { "sparse" } },
	{ PROCEDURE_DOWNLOAD, "vol-download", .stream = true,
	  .args = { VOLUME, SIZE("offset"), SIZE("length"), FLAGS }, .flags = { "sparse" } },
	{ 260, "vol-resize", .args = { VOLUME, { VIRT_NUMBER, "capacity" }, FLAGS },
	  .flags = { "allocate", "delta", "shrink" } },

	/* ---- secrets ---- */
	{ 139, "secret-list", .reply = reply_count, .field = "secrets" },
	{ 140, "secret-list", .args = { ONE(VIRT_MOST) }, .reply = reply_names, .field = "uuid" },
	{ 287, "secret-list", .args = { ONE(VIRT_NEED), FLAGS },
	  .flags = { "ephemeral", "no-ephemeral", "private", "no-private" }, .reply = reply_secrets },
	{ 141, "secret-list", .args = { ONE(VIRT_WHICH_UUID) }, .reply = reply_secret },
	{ 147, "secret-list", .args = { ONE(VIRT_WHICH_USAGE) }, .reply = reply_secret },
	{ 142, "secret-define", .args = { DOCUMENT, FLAGS }, .flags = { "validate" },
	  .reply = reply_made_secret, .codes = codes_of_documents },
	{ 143, "secret-dumpxml", .args = { SECRET, FLAGS }, .reply = reply_document },
	{ 144, "secret-set-value", .args = { SECRET, ONE(VIRT_VALUE), FLAGS }, .given = "plain" },
	{ 145, "secret-get-value", .args = { SECRET, FLAGS }, .given = "plain", .reply = reply_value,
	  .codes = codes_of_values },
	{ 146, "secret-undefine", .args = { SECRET } },

	/* ---- what a host of guests has: domains, networks, interfaces, devices and filters. virt-manager
	 * wants to hear that there are none ---- */
	{ 51, .local = session_none }, { 25, .local = session_none }, { 37, .local = session_none },
	{ 21, .local = session_none }, { 273, .local = session_none_listed },
	{ 52, .local = session_none }, { 50, .local = session_none }, { 38, .local = session_none },
	{ 36, .local = session_none }, { 283, .local = session_none_listed },
	{ 126, .local = session_none }, { 127, .local = session_none }, { 137, .local = session_none },
	{ 138, .local = session_none }, { 284, .local = session_none_listed },
	{ 111, .local = session_none }, { 112, .local = session_none }, { 285, .local = session_none_listed },
	{ 178, .local = session_none }, { 179, .local = session_none }, { 286, .local = session_none_listed },
	{ 401, .local = session_none_listed },
};
/* clang-format on */

const struct virt_procedure *virt_procedure_at(size_t which)
{
	return which < ARRAY_LEN(rows) ? &rows[which] : NULL;
}

const struct virt_procedure *virt_procedure(int32_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].number == number)
			return &rows[i];
	return NULL;
}
