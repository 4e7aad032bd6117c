/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sheepdog's protocol, as a client speaks it: a request has a header of 48 bytes and perhaps data, and so has
 * its answer; all numbers are little-endian. A cluster's storage is objects: a virtual disk (VDI) is an inode
 * object and data objects, which its inode lists. Facts: sheepdog 1.0, include/sheepdog_proto.h and
 * internal_proto.h, and what its `dog` asks.
 *
 * What a server says is foreign: nothing of it is longer than was asked for, and an answer has its time.
 */
#ifndef POOLINIT_BACKENDS_SHEEPDOG_H
#define POOLINIT_BACKENDS_SHEEPDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backends/backend.h"
#include "base/err.h"

enum {
	SHEEP_PORT = 7000,
	SHEEP_SOCKET = 108, /* a path of a socket, with its NUL: unix(7) */
	SHEEP_HEADER = 48,
	SHEEP_NAME = 256,        /* of a VDI, and of a snapshot's tag, with its NUL */
	SHEEP_VDIS = 1 << 24,    /* numbers of VDIs; 0 is none */
	SHEEP_OBJECTS = 1 << 20, /* that an inode lists */
	SHEEP_INODE_HEAD = 4664, /* what of an inode lies before its list */
	SHEEP_SHIFT = 22,        /* of an object's size, where nothing else is said: 4 MiB */
	SHEEP_SHIFT_MIN = 20,
	SHEEP_SHIFT_MAX = 31,
};

/* ---- the wire: wire.c ---- */

enum sheep_opcode {
	SHEEP_CREATE_OBJECT = 0x01, /* and write to it */
	SHEEP_READ_OBJECT = 0x02,
	SHEEP_WRITE_OBJECT = 0x03,
	SHEEP_DISCARD_OBJECT = 0x05,
	SHEEP_NEW_VDI = 0x11,
	SHEEP_VDI_INFO = 0x14,
	SHEEP_READ_VDIS = 0x15,
	SHEEP_DELETE_VDI = 0x17,
	SHEEP_CLUSTER_DEFAULT = 0x18,
	/* From here on the servers' own: their version of the protocol has to be met. */
	SHEEP_NODE_LIST = 0x82,
	SHEEP_STAT = 0x86,
	SHEEP_READ_DELETED = 0xC9, /* since 1.0 */
};

enum sheep_result {
	SHEEP_SUCCESS = 0x00,
	SHEEP_NO_OBJECT = 0x02,
	SHEEP_INVALID = 0x05,
	SHEEP_NO_VDI = 0x08,
	SHEEP_NO_TAG = 0x0E,
	SHEEP_VERSION = 0x14,
};

/* One connection with one server of a cluster. */
struct sheep {
	int fd;
	char server[280];  /* "192.0.2.7:7000", "/var/lib/sheepdog/sock" */
	uint64_t deadline; /* clock_ms(): the last answer is there by then */
	uint32_t id;       /* of the last request */
	uint8_t version;   /* of the servers' own protocol, as it was found; 0: not yet */
	bool broken;       /* an answer did not come, or was none: nothing more is asked */
	/* sheep_counts(): not asked yet; it frees what no inode lists; it does not */
	enum { SHEEP_UNASKED, SHEEP_COUNTS, SHEEP_COUNTS_NOT } counts;
};

/* One request, and what came of it. The union is that of the protocol: which of the parts is sent depends on
 * the opcode. */
struct sheep_call {
	enum sheep_opcode opcode;
	uint64_t object;    /* its number */
	uint64_t copy_from; /* of the object that a new one begins as a copy of; 0: of none */
	uint32_t offset;    /* in it */
	uint8_t copies, copy_policy;
	uint64_t size;   /* of a new VDI */
	const void *out; /* data of the request; or NULL */
	size_t out_len;
	void *in; /* room for the data of the answer; or NULL */
	size_t in_len;
	/* the answer: */
	uint32_t result;      /* enum sheep_result, or another one */
	size_t got;           /* bytes of data */
	uint32_t vdi;         /* of a VDI that was made or found: its number */
	uint32_t nodes;       /* in the list */
	uint64_t store, room; /* of a server, in bytes: what it has, and what of it is free */
	uint8_t shift;        /* of the size of the cluster's objects */
};

/* Connect with the first server of the definition's hosts that answers for a cluster which works: that has
 * been formatted and has all its servers. s is the caller's to close with sheep_close(). ERR_WAIT_SERVER,
 * ERR_WAIT_NETWORK: none does now. */
int sheep_open(struct sheep *s, const struct pool_def *d, struct op *op, struct err *e);
void sheep_close(struct sheep *s);
/* Ask, and wait for the answer. An answer that is a refusal is one: 0, and c->result says so. -1: there was
 * none in time, or it was none (ERR_WAIT_SERVER), and the connection is broken. */
int sheep_ask(struct sheep *s, struct sheep_call *c, struct err *e);
/* The same, and a refusal is an error, in words: `doing` is what was to be done. */
int sheep_do(struct sheep *s, struct sheep_call *c, struct err *e, const char *doing, ...)
	__attribute__((format(printf, 4, 5)));
/* What a result other than success means. */
int sheep_refusal(uint32_t result, struct err *e);
/* Take the answer's header apart: is it one to that request? c's part of the answer is filled in then. */
bool sheep_answer_parse(const uint8_t header[SHEEP_HEADER], uint32_t id, struct sheep_call *c);

/* What all servers of the cluster have, in bytes. A server that cannot be asked is noted and left out. */
int sheep_measure(struct sheep *s, struct op *op, struct pool_sizes *sizes, struct err *e);

/* Little-endian numbers in what was sent. */
uint32_t sheep_u32(const uint8_t *at);
uint64_t sheep_u64(const uint8_t *at);
void sheep_put32(uint8_t *at, uint32_t value);
void sheep_put64(uint8_t *at, uint64_t value);

/* ---- virtual disks: vdi.c ---- */

/* The head of an inode. */
struct sheep_vdi {
	uint32_t id;
	char name[SHEEP_NAME], tag[SHEEP_NAME]; /* name "": it is deleted */
	uint64_t made;                          /* seconds since 1970 */
	bool snapshot;
	bool hyper;    /* its list is a tree: only the head is understood here */
	uint64_t size; /* bytes */
	uint8_t copies, copy_policy, shift;
	/* whose each data object is, by the number of its VDI; 0: there is none, it reads as
	 * zeros. Freed by sheep_vdi_free(). */
	uint32_t *map;
	size_t nmap;
};

/* Read the head of an inode from its bytes. false: it is none that this VDI could have. */
bool sheep_vdi_parse(const uint8_t head[SHEEP_INODE_HEAD], uint32_t id, struct sheep_vdi *v);
/* All VDIs of the cluster that are not deleted, snapshots among them, in the order of their numbers, with
 * their maps where `maps`. A VDI whose inode is none is noted and left out; the strings are the call's. */
int sheep_each(struct sheep *s, struct op *op, bool maps,
               int (*fn)(const struct sheep_vdi *v, void *arg, struct err *e), void *arg, struct err *e);
/* The VDI of that name which is no snapshot, with its map. ERR_NO_VOLUME: there is none. */
int sheep_find(struct sheep *s, const char *name, struct sheep_vdi *v, struct err *e);
void sheep_vdi_free(struct sheep_vdi *v);
#define cleanup_vdi __attribute__((cleanup(sheep_vdi_free)))
/* Is the VDI under this number the one that was found, and no snapshot? ERR_READ_ONLY: not any more. Servers
 * keep a snapshot's objects from being written, but not its inode: who writes one asks just before. */
int sheep_vdi_still(struct sheep *s, const struct sheep_vdi *v, struct err *e);
/* Write a part of an inode's head: `offset` is one of these. */
enum { SHEEP_AT_TAG = 256, SHEEP_AT_SIZE = 536 };
int sheep_head_write(struct sheep *s, const struct sheep_vdi *v, uint32_t offset, const void *data,
                     size_t len, struct err *e);
/* Do the servers free an object that no inode lists any more? Those that do (1.0) also list deleted VDIs.
 * false too where they cannot be asked: the connection is broken then, and e says so. */
bool sheep_counts(struct sheep *s, struct err *e);
/* The number of a data object, and of an inode. */
uint64_t sheep_object(uint32_t vdi, size_t index);
uint64_t sheep_inode(uint32_t vdi);
static inline uint64_t sheep_object_size(const struct sheep_vdi *v)
{
	return UINT64_C(1) << v->shift;
}
/* How many data objects that many bytes are. */
static inline size_t sheep_objects(const struct sheep_vdi *v, uint64_t bytes)
{
	return (size_t)((bytes + sheep_object_size(v) - 1) >> v->shift);
}

/* ---- their content: content.c ---- */

struct store;

/* A VDI that is open for reading or writing. */
struct sheep_content {
	struct sheep sheep;
	struct sheep_vdi vdi;
};

/* The volume's bytes as a store (store.h), whose functions take c. The VDI is in c already. */
void sheep_content_store(struct sheep_content *c, struct store *s);
/* Connect, and find the volume's VDI. sheep_content_close() in every case. */
int sheep_content_open(struct sheep_content *c, const struct pool_def *d, struct op *op, const char *name,
                       struct err *e);
void sheep_content_close(struct sheep_content *c);
#define cleanup_content __attribute__((cleanup(sheep_content_close)))
/* Objects from `first` up to `end` are given back: they read as zeros. A snapshot that shares them keeps
 * them. */
int sheep_discard(struct sheep_content *c, size_t first, size_t end, struct op *op, struct err *e);

/* ---- operations on volumes: volumes.c ---- */

int sheep_vol_list(struct sheep *s, const struct pool_def *d, struct op *op, struct err *e);
int sheep_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                     const struct vol_input *from, unsigned flags, struct err *e);
int sheep_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
int sheep_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                     unsigned flags, struct err *e);
int sheep_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                   struct err *e);
int sheep_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                   uint64_t *size, struct err *e);
int sheep_vol_transfer(const struct pool_def *d, struct op *op, const struct volume *v, bool upload,
                       struct transfer *t, struct err *e);

#endif
