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

/* In libvirt's order; what they are is in the table in type.c. */
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

/* What a type's document may have, as the grammar sees it. */
enum pool_field {
	FIELD_HOST = 1 << 0,
	FIELD_DEVICE = 1 << 1,
	FIELD_DIR = 1 << 2,
	FIELD_ADAPTER = 1 << 3,
	FIELD_NAME = 1 << 4,
	FIELD_INITIATOR = 1 << 5,
	FIELD_NO_TARGET = 1 << 6,     /* "network" pools */
	FIELD_COW = 1 << 7,           /* <features><cow> */
	FIELD_MOUNT_OPTIONS = 1 << 8, /* <fs:mount_opts> */
	FIELD_RBD_OPTIONS = 1 << 9,   /* <rbd:config_opts> */
	FIELD_BRACKETS = 1 << 10,     /* a host may be an IPv6 address in brackets */
};

/* What a pool of a type may have in common with one of another type. */
enum pool_base { ON_DEVICES = 1 << 0, ON_DIRECTORY = 1 << 1, ON_SERVER = 1 << 2 };

/* What a word of a document has to be, beside what all have to. */
enum pool_word {
	WORD_ANY,
	WORD_BLOCK_DEVICE,
	WORD_ISCSI_TARGET,
	WORD_ZPOOL_PART,
	WORD_VOLUME_GROUP,
	WORD_CLUSTER
};

/* All that is known of a type by its definitions alone, and the one place where it stands. How a type is done
 * is in its struct backend. */
struct pool_type_info {
	const char *word;
	uint16_t fields;       /* enum pool_field: what the document may have */
	uint16_t required;     /* and what it must have */
	uint16_t port;         /* of its servers, where a host has none; 0: it has no usual one */
	uint8_t stands_on : 5; /* enum pool_base */
	bool mounts : 1; /* it mounts what is at its target; else the directory is taken as it is found */
	/* what its devices hold says whose they are: no other type takes one for its own */
	bool labels_devices : 1;
	/* its server may let root do nothing where a file's owner may (root_squash) */
	bool root_is_nobody : 1;
	uint8_t device : 4, name : 4; /* enum pool_word: what devices and the source's name have to be */
	/* what makes two sources the same: see pool_source_key(). NULL: any number of pools may share one */
	const char *key;
	/* the directory in which its target bears the source's name; NULL: the document says where the target
	 * is */
	const char *target_in;
	/* pool formats, the default first, NULL-terminated; NULL: the type has none (specification, "Valid
	 * pool format types") */
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
 * "iscsi:192.0.2.7:3260/iqn…", "dir:/path", "vg:NAME", "dev:LABEL=x". Empty where a type never conflicts, or
 * the definition does not say. Host names and device links are not resolved. It is made as the type's `key`
 * says, in which these stand for a part of the definition:
 *
 *     %a  adapter        %d  directory    %h  host, and its port where one is given     %n  name      %t
 *     target path
 *     %D  first device   %i  initiator    %H  host and port
 */
void pool_source_key(const struct pool_def *d, struct buf *out);
/* The same without the host: what is wanted of a server, whatever it is called. */
void pool_source_key_of_any_host(const struct pool_def *d, struct buf *out);

#endif
