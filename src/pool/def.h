/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool is: a definition, read from XML by pool_read(), printed by pool_print(), never changed in
 * between. All strings and lists live in the definition's arena.
 */
#ifndef POOLINIT_POOL_DEF_H
#define POOLINIT_POOL_DEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "system/target.h"

/* In libvirt's order; the words are in the table in type.c. */
enum pool_type {
	POOL_DIR,
	POOL_FS,
	POOL_NETFS,
	POOL_LOGICAL,
	POOL_DISK,
	POOL_ISCSI,
	POOL_ISCSI_DIRECT,
	POOL_SCSI,
	POOL_MPATH,
	POOL_RBD,
	POOL_SHEEPDOG,
	POOL_GLUSTER,
	POOL_ZFS,
	POOL_VSTORAGE,
	POOL_TYPES
};

/* Which source and target fields a type has, as the grammar sees it (type.c). */
enum pool_field {
	FIELD_HOST = 1 << 0,
	FIELD_DEVICE = 1 << 1,
	FIELD_DIR = 1 << 2,
	FIELD_ADAPTER = 1 << 3,
	FIELD_NAME = 1 << 4,
	FIELD_INITIATOR = 1 << 5,
	FIELD_NO_TARGET = 1 << 6, /* rbd, sheepdog, gluster, iscsi-direct: "network" pools */
};

/* The facts of a type that concern its XML (specification, "Valid pool format types"). */
struct pool_type_info {
	const char *word;
	unsigned fields;   /* enum pool_field: what the document may have */
	unsigned required; /* and what it must have */
	/* pool formats, the default first, NULL-terminated; NULL: the type has none */
	const char *const *formats;
	const char *const *volume_formats; /* likewise */
};

/* What all pools of a type have in common. Never NULL; static storage. */
const struct pool_type_info *pool_type_info(enum pool_type t);
const char *pool_type_word(enum pool_type t);
int pool_type_from_word(const char *word); /* -1: unknown */

struct pool_host {
	const char *name;
	int port;
}; /* port 0: not given */
struct pool_device {
	const char *path;
	int part_separator;
}; /* -1 not given, 0 no, 1 yes */
struct pool_option {
	const char *name;
	const char *value;
}; /* value NULL for fs:option */

enum adapter_kind { ADAPTER_NONE, ADAPTER_SCSI_HOST, ADAPTER_FC_HOST };

struct pool_adapter {
	enum adapter_kind kind;
	const char *name;
	const char *wwnn, *wwpn, *parent, *parent_wwnn, *parent_wwpn, *parent_fabric_wwn;
	int managed; /* -1 not given, 0 no, 1 yes */
	bool has_parentaddr;
	unsigned unique_id;
	unsigned domain, bus, slot, function;
};

enum auth_kind { AUTH_NONE, AUTH_CHAP, AUTH_CEPH };

struct pool_auth {
	enum auth_kind kind;
	const char *username;
	bool by_uuid; /* else by usage */
	struct uuid secret_uuid;
	const char *secret_usage;
	const char *secret_type; /* the attribute as given, kept for printing */
};

struct pool_perms {
	bool given;           /* a <permissions> element is there */
	bool seen;            /* not what is wanted: what is there */
	int mode;             /* -1: not given */
	int64_t owner, group; /* -1: not given */
	const char *label;
};

/* Our own namespace, ignored by libvirt as every unknown element is. A name, not an address to fetch. */
#define POOL_BOOT_NS "urn:poolinit:boot:1"

enum onfail { ONFAIL_UNSET, ONFAIL_CONTINUE, ONFAIL_REBOOT, ONFAIL_POWEROFF, ONFAIL_SHELL };

const char *pool_onfail_word(enum onfail o);         /* NULL for ONFAIL_UNSET */
enum onfail pool_onfail_from_word(const char *word); /* ONFAIL_UNSET: no such word */

struct pool_boot {
	bool given;
	int require;         /* -1 not given, 0, 1 */
	uint64_t timeout_ms; /* 0: not given */
	int order;           /* INT_MIN: not given */
	enum onfail onfail;
};

struct pool_def {
	struct arena arena;
	enum pool_type type;
	const char *name;
	struct uuid uuid; /* made up by pool_read() when the document has none */
	bool uuid_given;
	/* of the live pool; 0 in a definition; printed, never read */
	uint64_t capacity, allocation, available;
	int cow; /* features/cow: -1 not given, 0 no, 1 yes */
	struct {
		bool given;
		const char *name;
		const struct pool_host *hosts;
		size_t nhosts;
		const struct pool_device *devices;
		size_t ndevices;
		const char *dir;
		struct pool_adapter adapter;
		const char *initiator;
		struct pool_auth auth;
		const char *format;   /* never NULL where the type has formats */
		const char *protocol; /* <protocol ver=…/> */
		const char *vendor, *product;
	} source;
	struct {
		const char *path; /* tidied; NULL for network pools */
		struct pool_perms perms;
		/* not of the document: which directory it was when the pool was started */
		struct dir_place place;
	} target;
	const char *refresh_allocation; /* NULL, "default", "capacity" */
	const struct pool_option *mount_options;
	size_t nmount_options;
	const struct pool_option *rbd_options;
	size_t nrbd_options;
	struct pool_boot boot;
};

/* Free the definition with all its texts. It is empty then: freeing it again is harmless. */
void pool_def_free(struct pool_def *d);
#define cleanup_pool_def __attribute__((cleanup(pool_def_free)))

#define POOL_XML_LIMIT (1024 * 1024) /* bytes of one document: libvirt allows 10 MiB, a real one has 2 kB */

/* Read one pool document. `source` is a file name or "(command line)" for messages. Bytes are foreign: no
 * network, no DTD, no entities beyond the five of XML, limits on size, depth, count. Errors: ERR_XML (not
 * well-formed, over a limit), ERR_INVALID (breaks a rule): "SOURCE:LINE: what is wrong". On failure d needs
 * no free. */
int pool_read(struct pool_def *d, const char *xml, size_t len, const char *source, struct err *e);
/* libvirt's own canonical form: element order, two spaces, single quotes, `unit='bytes'`, a final newline. */
void pool_print(const struct pool_def *d, struct buf *out);

/* What the source *is*, canonical enough to compare two definitions that do not need to be active: e.g.
 * "iscsi:192.0.2.7:3260/iqn…", "dir:/path", "vg:NAME", "dev:LABEL=x". Empty where a type never conflicts.
 * Host names and device links are not resolved. */
void pool_source_key(const struct pool_def *d, struct buf *out);

#endif
