/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of procedures: their numbers, what is in their packets, and who does them. Numbers and layouts
 * are those of libvirt's protocol, program 0x20008086, version 1.
 */
#include "control/rpc/rpc.h"

#include "base/util.h"

#define BUILDS "build", "overwrite", "no-overwrite"

/* clang-format off */
static const struct virt_procedure rows[] = {
	/* ---- the connection ---- */
	{ 1, .local = session_open, .early = true, .codes = codes_of_names },
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
	{ 368, .local = events_register, .codes = codes_of_events },
	{ 369, .local = events_deregister },
	{ 380, .local = events_register_secret, .codes = codes_of_events },
	{ 381, .local = events_deregister },
	{ 419, .local = session_identity, .codes = codes_of_identities },
	{ 403, "pool-capabilities", .args = { VIRT_FLAGS }, .reply = reply_document },

	/* ---- pools ---- */
	{ 71, "pool-list", .given = "name", .reply = reply_count, .field = "pools" },
	{ 72, "pool-list", .args = { VIRT_MOST }, .given = "name", .reply = reply_names, .field = "name" },
	{ 73, "pool-list", .given = "inactive", .reply = reply_count, .field = "pools" },
	{ 74, "pool-list", .args = { VIRT_MOST }, .given = "inactive", .reply = reply_names,
	  .field = "name" },
	{ 281, "pool-list", .args = { VIRT_NEED, VIRT_TYPES }, .given = "name", .reply = reply_pools },
	{ 75, "find-storage-pool-sources", .args = { VIRT_TYPE, VIRT_MAYBE_DOCUMENT, VIRT_FLAGS },
	  .reply = reply_document },
	{ 76, "pool-create", .args = { VIRT_DOCUMENT, VIRT_FLAGS }, .flags = { BUILDS },
	  .reply = reply_made_pool, .codes = codes_of_documents },
	{ 77, "pool-define", .args = { VIRT_DOCUMENT, VIRT_FLAGS }, .flags = { "validate" },
	  .reply = reply_made_pool, .codes = codes_of_documents },
	{ 78, "pool-start", .args = { VIRT_POOL, VIRT_FLAGS }, .flags = { BUILDS } },
	{ 79, "pool-build", .args = { VIRT_POOL, VIRT_FLAGS },
	  .flags = { [2] = "no-overwrite", "overwrite" } },
	{ 80, "pool-destroy", .args = { VIRT_POOL } },
	{ 81, "pool-delete", .args = { VIRT_POOL, VIRT_FLAGS } },
	{ 82, "pool-undefine", .args = { VIRT_POOL } },
	{ 83, "pool-refresh", .args = { VIRT_POOL, VIRT_FLAGS } },
	{ 84, "pool-info", .args = { VIRT_POOL_NAME }, .reply = reply_pool },
	{ 85, "pool-info", .args = { VIRT_POOL_UUID }, .reply = reply_pool },
	{ 86, "pool-info", .args = { VIRT_POOL_OF }, .reply = reply_pool },
	{ 391, "pool-info", .args = { VIRT_POOL_PATH }, .reply = reply_pool },
	{ 87, "pool-info", .args = { VIRT_POOL }, .reply = reply_pool_info },
	{ 88, "pool-dumpxml", .args = { VIRT_POOL, VIRT_FLAGS }, .flags = { "inactive" },
	  .reply = reply_document },
	{ 89, "pool-info", .args = { VIRT_POOL }, .reply = reply_flag, .field = "autostart" },
	{ 90, "pool-autostart", .args = { VIRT_POOL, VIRT_SWITCH }, .codes = codes_of_marks },
	{ 154, "pool-info", .args = { VIRT_POOL }, .reply = reply_is_active },
	{ 155, "pool-info", .args = { VIRT_POOL }, .reply = reply_flag, .field = "persistent" },

	/* ---- volumes ---- */
	{ 91, "vol-list", .args = { VIRT_POOL }, .reply = reply_count, .field = "volumes" },
	{ 92, "vol-list", .args = { VIRT_POOL, VIRT_MOST }, .reply = reply_volume_names },
	{ 282, "vol-list", .args = { VIRT_POOL, VIRT_NEED, VIRT_FLAGS }, .reply = reply_volumes },
	{ 93, "vol-create", .args = { VIRT_POOL, VIRT_DOCUMENT, VIRT_FLAGS },
	  .flags = { "prealloc-metadata", NULL, "validate" }, .reply = reply_made_volume,
	  .codes = codes_of_volumes },
	{ 125, "vol-create-from", .args = { VIRT_POOL, VIRT_DOCUMENT, VIRT_INPUT, VIRT_FLAGS },
	  .flags = { "prealloc-metadata", "reflink", "validate" }, .reply = reply_made_volume,
	  .codes = codes_of_volumes },
	{ 94, "vol-delete", .args = { VIRT_VOLUME, VIRT_FLAGS }, .flags = { NULL, "delete-snapshots" } },
	{ 95, "vol-info", .args = { VIRT_POOL, VIRT_VOLUME_NAME }, .reply = reply_volume },
	{ 96, "vol-lookup", .args = { VIRT_KEY }, .reply = reply_volume },
	{ 97, "vol-lookup", .args = { VIRT_PATH }, .reply = reply_volume },
	{ 98, "vol-info", .args = { VIRT_VOLUME }, .reply = reply_volume_info },
	{ 378, "vol-info", .args = { VIRT_VOLUME, VIRT_PHYSICAL }, .reply = reply_volume_physical },
	{ 99, "vol-dumpxml", .args = { VIRT_VOLUME, VIRT_FLAGS }, .reply = reply_document },
	{ 100, "vol-path", .args = { VIRT_VOLUME }, .reply = reply_field, .field = "path" },
	{ 165, "vol-wipe", .args = { VIRT_VOLUME, VIRT_FLAGS } },
	{ 259, "vol-wipe", .args = { VIRT_VOLUME, VIRT_ALGORITHM, VIRT_FLAGS } },
	{ PROCEDURE_UPLOAD, "vol-upload", .stream = true,
	  .args = { VIRT_VOLUME, VIRT_OFFSET, VIRT_LENGTH, VIRT_FLAGS }, .flags = { "sparse" } },
	{ PROCEDURE_DOWNLOAD, "vol-download", .stream = true,
	  .args = { VIRT_VOLUME, VIRT_OFFSET, VIRT_LENGTH, VIRT_FLAGS }, .flags = { "sparse" } },
	{ 260, "vol-resize", .args = { VIRT_VOLUME, VIRT_CAPACITY, VIRT_FLAGS },
	  .flags = { "allocate", "delta", "shrink" } },

	/* ---- secrets ---- */
	{ 139, "secret-list", .reply = reply_count, .field = "secrets" },
	{ 140, "secret-list", .args = { VIRT_MOST }, .reply = reply_names, .field = "uuid" },
	{ 287, "secret-list", .args = { VIRT_NEED, VIRT_FLAGS },
	  .flags = { "ephemeral", "no-ephemeral", "private", "no-private" }, .reply = reply_secrets },
	{ 141, "secret-list", .args = { VIRT_WHICH_UUID }, .reply = reply_secret },
	{ 147, "secret-list", .args = { VIRT_WHICH_USAGE }, .reply = reply_secret },
	{ 142, "secret-define", .args = { VIRT_DOCUMENT, VIRT_FLAGS }, .flags = { "validate" },
	  .reply = reply_made_secret, .codes = codes_of_documents },
	{ 143, "secret-dumpxml", .args = { VIRT_SECRET, VIRT_FLAGS }, .reply = reply_document },
	{ 144, "secret-set-value", .args = { VIRT_SECRET, VIRT_VALUE, VIRT_FLAGS }, .given = "plain" },
	{ 145, "secret-get-value", .args = { VIRT_SECRET, VIRT_FLAGS }, .given = "plain",
	  .reply = reply_value, .codes = codes_of_values },
	{ 146, "secret-undefine", .args = { VIRT_SECRET } },
};

/* What a host of guests has: domains, networks, interfaces, devices and filters. virt-manager wants to hear
 * that there are none. */
static const short none[] = { 51, 25, 37, 21, 52, 50, 38, 36, 126, 127, 137, 138, 111, 112, 178, 179 };
static const short none_listed[] = { 273, 283, 284, 285, 286, 401 };
static const struct virt_procedure no_number = { .local = session_none },
                                   no_list = { .local = session_none_listed };
/* clang-format on */

static bool is_number_in(const short *numbers, size_t n, int32_t number)
{
	size_t i = 0;

	while (i < n && numbers[i] != number)
		i++;
	return i < n;
}

const struct virt_procedure *virt_procedure(int32_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].number == number)
			return &rows[i];
	if (is_number_in(none, ARRAY_LEN(none), number))
		return &no_number;
	return is_number_in(none_listed, ARRAY_LEN(none_listed), number) ? &no_list : NULL;
}
