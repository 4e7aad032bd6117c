/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A volume as a document describes it: what vol-create is given, read in the context of a pool, printed as
 * libvirt prints it. A volume that is there is a struct volume (volume.h).
 */
#ifndef POOLINIT_POOL_VOLDEF_H
#define POOLINIT_POOL_VOLDEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "pool/def.h"

#define VOLUME_XML_LIMIT (1024 * 1024)

/* Our own namespace in a volume's document; libvirt ignores what is in it. A name, not an address to
 * fetch. */
#define VOLUME_LAYOUT_NS "urn:poolinit:layout:1"

/* A secret that an <encryption> names: by uuid or by usage. */
struct volume_secret {
	const char *type; /* "passphrase" */
	bool by_uuid;
	struct uuid uuid;
	const char *usage;
};

/* Specification, storageencryption.html. Words as given; NULL: not given. */
struct volume_encryption {
	const char *format; /* "default", "qcow", "luks", "luks2", "luks-any"; NULL: not encrypted */
	const char *engine;
	const struct volume_secret *secrets;
	size_t nsecrets;
	struct {
		const char *name, *mode, *hash;
		unsigned size;
	} cipher; /* name NULL: none */
	struct {
		const char *name, *hash;
	} ivgen;
};

/* A volume as it is wished for. What the document leaves out is NULL, 0 or false, unless a field says
 * otherwise; permissions are -1. */
struct volume_def {
	struct arena arena;
	const char *type; /* "file", "block", "dir", "network", "netdir", "ploop" */
	const char *name;
	const char *key;               /* as the document has it: printed, and nothing else */
	uint64_t capacity, allocation; /* bytes; allocation is the capacity where the document has none */
	bool has_capacity, has_allocation;
	const char *path;         /* likewise: the pool decides where a volume goes */
	const char *format;       /* NULL where the pool type has no volume formats */
	const char *other_format; /* where the type has none, what the document says all the same */
	const char *layout;       /* of a logical volume, "thin pool=tp0"; the pool type's own words */
	struct pool_perms perms;
	struct volume_encryption encryption;
	const char *compat;
	bool nocow;
	uint64_t cluster_size; /* 0: not given */
	bool features_given, lazy_refcounts, extended_l2, data_file;
	struct {
		bool given;
		const char *path;
		const char *format;    /* NULL: the document does not say, and libvirt takes it for */
		const char *otherwise; /* this; NULL where the pool type has no volume formats */
		struct pool_perms perms;
	} backing;
};

/* What the document may leave out, by the verb it comes with: a volume that is made from nothing needs a
 * size from somewhere. */
enum volume_read_for {
	VOLUME_FOR_CREATE,      /* no capacity if there is a backing store */
	VOLUME_FOR_CREATE_FROM, /* no capacity: the other volume's */
};

/* Read one volume document for that pool, whose type decides which formats there are. Errors, limits and
 * safety as pool_read(). On failure d needs no free. The rules are those of libvirt's "Storage volume XML";
 * where they are stricter here, volume_read.c says so. */
int volume_def_read(struct volume_def *d, const char *xml, size_t len, const char *source,
                    const struct pool_def *pool, enum volume_read_for what, struct err *e);
/* Append libvirt's own canonical form: what vol-dumpxml would say of such a volume. */
void volume_def_print(const struct volume_def *d, struct buf *out);
/* Append it for handing a definition on: read again, it is the same in every field. libvirt's form has no
 * <nocow/>, and has sizes and formats that were not given. */
void volume_def_print_as_given(const struct volume_def *d, struct buf *out);
/* Append <layout>; nothing where it is NULL. */
void volume_layout_print(const char *layout, struct buf *out);
/* Free the definition with all its texts. It is empty then: freeing it again is harmless. */
void volume_def_free(struct volume_def *d);
#define cleanup_volume_def __attribute__((cleanup(volume_def_free)))

#endif
