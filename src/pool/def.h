/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool is: a definition, read from XML by pool_read(), printed by pool_print(), never changed in
 * between. All strings and lists live in the definition's arena.
 */
#ifndef POOLINIT_POOL_DEF_H
#define POOLINIT_POOL_DEF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "system/target.h"

/* The types in libvirt's order (virStoragePoolType). The numbers are an index of the tables in type.c;
 * outside the program a type is its word. */
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

/* What a type's document may have, as the grammar sees it: bits of pool_type_info's fields and required. An
 * element that a type does not have is ignored when it is read and left out when it is printed, as libvirt
 * does. */
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
	FIELD_SOCKET = 1 << 11,       /* a host may be the path of a UNIX socket on this machine */
};

/* What a pool of a type may have in common with one of another type. */
enum pool_base { ON_DEVICES = 1 << 0, ON_DIRECTORY = 1 << 1, ON_SERVER = 1 << 2 };

/* What a word of a document has to be, beside what all have to. The rule of each is in check.h, the sentence
 * for who breaks it in read_source.c. */
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
	bool has_layout : 1;          /* its volumes have a format, and a <layout> all the same */
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
	/* of a type that has no formats in libvirt: those that mean something here; none is the default */
	const char *const *own_formats;
};

/* What all pools of a type have in common. Never NULL; static storage. t is one of the fourteen: a word that
 * comes from outside goes through pool_type_from_word() first. */
const struct pool_type_info *pool_type_info(enum pool_type t);
/* The type's word in documents and on the socket ("netfs"). Never NULL; static storage. */
const char *pool_type_word(enum pool_type t);
/* The type of that word, compared with case; -1: there is none. */
int pool_type_from_word(const char *word);

/* One <host> of a source. The name has passed check_host(), or what FIELD_BRACKETS and FIELD_SOCKET allow,
 * and is not resolved. */
struct pool_host {
	const char *name;
	int port; /* 0: not given; the type's usual port is in its pool_type_info */
};

/* One <device> of a source: a path or a tag (check_device()), an iSCSI target's name, a part of a zpool. */
struct pool_device {
	const char *path;
	int part_separator; /* is there a "p" between disk and partition number? -1 not given, 0 no, 1 yes */
};

/* One option of <fs:mount_opts> or <rbd:config_opts>. */
struct pool_option {
	const char *name;
	const char *value; /* NULL for <fs:option>, whose name is all of it ("ro", "vers=4.2") */
};

enum adapter_kind { ADAPTER_NONE, ADAPTER_SCSI_HOST, ADAPTER_FC_HOST };

/* <adapter>: a SCSI host by its name or by the PCI address of its parent, or a virtual Fibre Channel port
 * by its world wide names. Of the two ways of a scsi_host exactly one is there. */
struct pool_adapter {
	enum adapter_kind kind;
	const char *name; /* "host5", "scsi_host5" or "fc_host5": one host */
	/* Texts of 16 hexadecimal digits, "0x" before them where the document has it; NULL: not given. */
	const char *wwnn, *wwpn, *parent, *parent_wwnn, *parent_wwpn, *parent_fabric_wwn;
	int managed; /* -1 not given, 0 no, 1 yes */
	/* <parentaddr>: the PCI device, and which of its SCSI hosts (their unique_id in sysfs) is meant. */
	bool has_parentaddr;
	unsigned unique_id;
	unsigned domain, bus, slot, function;
};

enum auth_kind { AUTH_NONE, AUTH_CHAP, AUTH_CEPH };

/* <auth>: who logs in, and which secret says it. The secret's value is not here: who needs it asks
 * secret_find(). */
struct pool_auth {
	enum auth_kind kind;
	const char *username;
	bool by_uuid; /* else by usage */
	struct uuid secret_uuid;
	const char *secret_usage;
	const char *secret_type; /* the attribute as given, kept for printing */
};

/* <permissions> of a document, or what an inode says. A mode of a document has the permission bits alone (up
 * to 0777); owners and groups are numbers. -1 leaves the thing as it is. */
struct pool_perms {
	bool given;           /* a <permissions> element is there */
	bool seen;            /* not what is wanted: what is there */
	int mode;             /* -1: not given */
	int64_t owner, group; /* -1: not given */
	const char *label;
};

/* Our own namespace, ignored by libvirt as every unknown element is. A name, not an address to fetch. */
#define POOL_BOOT_NS "urn:poolinit:boot:1"

/* What the boot does when a required pool fails or does not come in time. */
enum onfail { ONFAIL_UNSET, ONFAIL_CONTINUE, ONFAIL_REBOOT, ONFAIL_POWEROFF, ONFAIL_SHELL };

const char *pool_onfail_word(enum onfail o);         /* NULL for ONFAIL_UNSET */
enum onfail pool_onfail_from_word(const char *word); /* ONFAIL_UNSET: no such word */

/* <boot xmlns="urn:poolinit:boot:1">: how much the boot depends on this pool. What is not given here is the
 * policy's. */
struct pool_boot {
	bool given;
	int require;         /* -1 not given, 0, 1 */
	uint64_t timeout_ms; /* 0: not given */
	int order;           /* INT_MIN: not given */
	enum onfail onfail;
};

/* <fill xmlns="urn:poolinit:fill:1">80 95</fill>: how full what fills up unseen (thin pools, snapshots) may
 * be before there is a warning, and another one. */
#define POOL_FILL_NS    "urn:poolinit:fill:1"
#define POOL_FILL_MARKS 2

/* <mount xmlns="urn:poolinit:mount:1">nconnect=4 soft</mount>: how a network filesystem is mounted, in words
 * that are the pool type's own. They are kept as they are, and checked by backend_validate(). */
#define POOL_MOUNT_NS "urn:poolinit:mount:1"

/* One definition. The arena has one owner: a copy of the struct is good only where the original is
 * forgotten. */
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
		/* of the live pool: what is free on its disk, "START-END START-END"; printed, never read */
		const char *free_extents;
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
		/* not of the document, of a type that mounts for itself alone: where it mounts (path is the
		 * directory in there), and how the paths of its volumes begin; NULL: as path says */
		const char *mount, *uri;
		/* likewise: which directory it was when the pool was started */
		struct dir_place place;
	} target;
	const char *refresh_allocation; /* NULL, "default", "capacity" */
	const struct pool_option *mount_options;
	size_t nmount_options;
	const struct pool_option *rbd_options;
	size_t nrbd_options;
	struct pool_boot boot;
	unsigned fill_marks[POOL_FILL_MARKS]; /* per cent; 0: not given */
	const char *mount_words;              /* of <mount>; NULL: not given */
};

/* Free the definition with all its texts. It is empty then: freeing it again is harmless, and so is freeing
 * one that is all zeros. */
void pool_def_free(struct pool_def *d);
#define cleanup_pool_def __attribute__((cleanup(pool_def_free)))

#define POOL_XML_LIMIT (1024 * 1024) /* bytes of one document: libvirt allows 10 MiB, a real one has 2 kB */

/* Read one pool document of len bytes, which need not end with NUL. `source` is a file name or "(command
 * line)" for messages; it is not kept. d is filled from nothing: what was in it is not freed.
 *
 * The bytes are foreign: no network, no DTD, no entities beyond the five of XML, limits on size, depth and
 * count (xml_open()). Call it where a crash of the XML library does no harm, which is in a worker.
 *
 * Errors: ERR_XML (not well-formed, over a limit) and ERR_INVALID (breaks a rule), "SOURCE:LINE: what is
 * wrong"; ERR_NO_MEMORY. On failure d needs no free. The rules are those of libvirt's "Storage pool and
 * volume XML format"; where they are stricter here, read.c says so. */
int pool_read(struct pool_def *d, const char *xml, size_t len, const char *source, struct err *e);
/* Append libvirt's own canonical form to out: its order of elements, two spaces, single quotes,
 * `unit='bytes'`, a final newline. pool_read() of it gives the same definition. Memory running out shows in
 * out->failed. */
void pool_print(const struct pool_def *d, struct buf *out);

/* Append what the source *is*, canonical enough to compare two definitions that do not need to be active:
 * e.g. "iscsi:192.0.2.7:3260/iqn…", "dir:/path", "vg:NAME", "dev:LABEL=x". Nothing is appended where a type
 * never conflicts, or the definition does not say. Host names and device links are not resolved. It is made
 * as the type's `key` says, in which these stand for a part of the definition:
 *
 *     %a  adapter        %d  directory    %h  host, and its port where one is given
 *     %D  first device   %i  initiator    %H  host and port
 *     %n  name           %t  target path */
void pool_source_key(const struct pool_def *d, struct buf *out);
/* The same without the host: what is wanted of a server, whatever it is called. */
void pool_source_key_of_any_host(const struct pool_def *d, struct buf *out);
/* The i-th <device>, a path or a tag as device_find() takes it; for a relative name of zfs, which is one in
 * /dev, it is made in `room`. NULL: it is no device, but a word that stands between two. */
const char *pool_device(const struct pool_def *d, size_t i, char room[PATH_MAX]);
/* A device that the definition names twice by one name, as it is spelled; NULL: there is none. */
const char *pool_device_twice(const struct pool_def *d);

#endif
