/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's protocol: what its parts share. A procedure is a row of a table (procedures.c), which says what
 * is in its packet, which verb does it, and what of the verb's answer goes into the reply. Private to this
 * room; others have its codec (virt_codec).
 */
#ifndef POOLINIT_CONTROL_RPC_RPC_H
#define POOLINIT_CONTROL_RPC_RPC_H

#include "base/uuid.h"
#include "base/xdr.h"
#include "control/peer.h"
#include "control/rpc/packet.h"
#include "control/rpc/records.h"
#include "volumes/frames.h"

/* What a client has asked the server to tell it. */
struct virt_callback {
	int32_t id, event;
	bool secret; /* of secrets; else of pools */
	bool any;    /* of all of them; else of this one: */
	struct uuid uuid;
};

#define VIRT_CALLS     8  /* under way at once, of one client: then the next one waits */
#define VIRT_STREAMS   16 /* and streams: then the next one is refused */
#define VIRT_CALLBACKS 64
#define VIRT_ENDED     16
#define VIRT_NAME      201 /* bytes of a pool's name, with its NUL */

/* What a connection has beside struct peer. */
struct virt_session {
	bool open;            /* CONNECT_OPEN has been answered */
	enum verb_level most; /* whoever the client says that it is, it has no more than this */
	bool secrets;         /* as the secret driver, which changes the name that it gets */
	char *uri;            /* the name that was opened */
	struct virt_callback callbacks[VIRT_CALLBACKS];
	size_t ncallbacks;
	int32_t next_callback;
	/* downloads that are over, whose clients may still say that they know it */
	struct packet_header ended[VIRT_ENDED];
	size_t nended;
	/* a packet that is larger than the input, as far as it has come; NULL: there is none */
	char *packet;
	size_t packet_len, packet_got;
};

struct virt_procedure;

/* What a call has beside struct call: its `own`. */
struct virt_request {
	const struct virt_procedure *row;
	struct packet_header head;
	/* arguments that are printed for the verb */
	char pool[VIRT_NAME], uuid[UUID_TEXT], numbers[2][24], types[128];
	/* What the reply is to have of a list: no more than that; and that many there were. */
	uint32_t most, listed;
	bool broken;   /* the index has something that is no record */
	bool physical; /* a volume's length instead of its allocation */
	/* The secret that is looked for, by uuid or by usage and id. */
	uint32_t usage;
	const char *usage_id;
	struct {
		bool said;            /* the reply that comes before its packets */
		bool sparse;          /* holes are told as holes */
		bool dropped;         /* it wants no more of it */
		bool over;            /* upload: it has sent more than it said it would */
		bool deaf;            /* upload: the worker takes no more */
		uint64_t length, got; /* upload: bytes that may come (0: any number), and that have */
		uint64_t rest;        /* of the packet at hand: bytes that nobody wants */
		/* a frame between us and the worker: its head while it is not written or read, and what of
		 * its data is still to come */
		struct stream_frame frame;
		bool has_frame;
	} stream;
};

/* ---- a row ---- */

/* What stands in a packet, and what is made of it: bind.c has a table of them. */
enum virt_kind {
	VIRT_NO_MORE,
	VIRT_TYPE,        /* a text: type= */
	VIRT_KEY,         /* a text: key= */
	VIRT_PATH,        /* path=, of which // and /./ mean nothing */
	VIRT_CAPACITY,    /* 64 bits */
	VIRT_OFFSET,      /* 64 bits; 0: not given */
	VIRT_LENGTH,      /* likewise */
	VIRT_FLAGS,       /* the row's flags, as flags of the verb */
	VIRT_TYPES,       /* flags that choose among pools */
	VIRT_SWITCH,      /* a number: 0 is the flag disable */
	VIRT_MOST,        /* how long a list may be */
	VIRT_NEED,        /* whether the list is wanted, or only how long it is */
	VIRT_PHYSICAL,    /* flags: whether a volume's length is wanted */
	VIRT_POOL,        /* a pool: name and uuid, of which the uuid counts */
	VIRT_POOL_NAME,   /* a pool by name; one that is about to come up is awaited for a moment */
	VIRT_POOL_UUID,   /* by uuid */
	VIRT_POOL_PATH,   /* an active pool by its target */
	VIRT_POOL_OF,     /* the pool of a volume */
	VIRT_VOLUME,      /* a volume: its pool's name, its own, and its key, which does not count */
	VIRT_INPUT,       /* the same; its pool is inputpool= */
	VIRT_VOLUME_NAME, /* a volume of the pool before it */
	VIRT_SECRET,      /* a secret: uuid, usage, usage's name, of which the uuid counts */
	VIRT_WHICH_UUID,  /* of a list of secrets the one with this uuid, */
	VIRT_WHICH_USAGE, /* or with this usage */
	VIRT_DOCUMENT,
	VIRT_MAYBE_DOCUMENT, /* a document, or none */
	VIRT_VALUE,          /* bytes */
	VIRT_ALGORITHM,
	VIRT_KINDS
};

/* A packet that is being taken apart. */
struct virt_binding {
	struct peer *p;
	struct virt_session *session;
	struct call *c; /* NULL: it becomes none */
	struct virt_request *q;
	struct xdr x;
	const char *document; /* in the packet; or NULL */
	size_t document_len;
	struct pool *awaited; /* the pool that is about to come up; or NULL */
};

/* An answer that becomes a reply. */
struct virt_reply {
	struct call *c;
	const struct virt_request *q;
	struct buf *out;
	size_t start; /* where the packet begins there */
	struct record_reader record, end;
	size_t more; /* bytes of the reply that follow by another way */
};

#define VIRT_ARGUMENTS 4
#define VIRT_FLAG_BITS 4

/* The two that are followed by a stream. */
enum { PROCEDURE_UPLOAD = 208, PROCEDURE_DOWNLOAD = 209 };

struct virt_procedure {
	int32_t number;
	const char *verb; /* NULL: it is answered here, by: */
	int (*local)(struct virt_binding *b, struct buf *out, struct err *e);
	bool early;                         /* also before CONNECT_OPEN */
	bool stream;                        /* packets of a stream follow */
	unsigned char args[VIRT_ARGUMENTS]; /* enum virt_kind */
	const char *flags[VIRT_FLAG_BITS];  /* of the verb, by bit; NULL: that bit is refused */
	const char *given;                  /* a flag that the verb is given in any case; or NULL */
	/* What goes into the reply; NULL: nothing. field: of the verb's answer, for some of them. */
	int (*reply)(struct virt_reply *r, struct err *e);
	const char *field;
	const struct packet_code *codes; /* or NULL */
};

/* procedures.c: the row of that number; NULL: there is none. */
const struct virt_procedure *virt_procedure(int32_t number);
static inline enum packet_domain virt_domain(const struct virt_procedure *row)
{
	if (!row || !row->verb)
		return DOMAIN_RPC;
	return strncmp(row->verb, "secret", 6) == 0 ? DOMAIN_SECRET : DOMAIN_STORAGE;
}

/* bind.c: name the call's verb, and give it what the packet says; then check it. */
int virt_bind(struct virt_binding *b, struct err *e);
/* The payload is not what its row says. ERR_SYNTAX. */
int virt_undecodable(struct err *e);
/* The next text, ended by a NUL where it stands. ERR_SYNTAX where there is none. */
int virt_text(struct virt_binding *b, const char **text, struct err *e);

/* reply.c */
/* Begin with the records of the answer, in r->record. */
void records_of(struct virt_reply *r);
int broken_record(const struct virt_reply *r, struct err *e);
/* The fields of the answer's end, as r->end. */
int answer_finals(struct virt_reply *r, struct err *e);
/* Parts of several replies. */
void put_volume(struct buf *out, const char *pool, const struct record_reader *v);
int put_secret(struct buf *out, const struct record_reader *from, const char *uuid, struct err *e);
int reply_document(struct virt_reply *r, struct err *e);
int reply_value(struct virt_reply *r, struct err *e);
int reply_pool(struct virt_reply *r, struct err *e);
int reply_pool_info(struct virt_reply *r, struct err *e);
int reply_is_active(struct virt_reply *r, struct err *e);
int reply_made_pool(struct virt_reply *r, struct err *e);
int reply_field(struct virt_reply *r, struct err *e);
int reply_flag(struct virt_reply *r, struct err *e);
int reply_count(struct virt_reply *r, struct err *e);
int reply_volume(struct virt_reply *r, struct err *e);
int reply_made_volume(struct virt_reply *r, struct err *e);
int reply_volume_info(struct virt_reply *r, struct err *e);
int reply_volume_physical(struct virt_reply *r, struct err *e);
int reply_secret(struct virt_reply *r, struct err *e);
int reply_made_secret(struct virt_reply *r, struct err *e);

/* lists.c */
int reply_pools(struct virt_reply *r, struct err *e);
int reply_names(struct virt_reply *r, struct err *e);
int reply_secrets(struct virt_reply *r, struct err *e);
int reply_volumes(struct virt_reply *r, struct err *e);
int reply_volume_names(struct virt_reply *r, struct err *e);
/* A pool's index, of which those records that the list is to have become its items. */
void reply_take_index(struct call *c, const int fds[2], const struct file_part *parts, size_t n);

/* session.c: procedures that are about the connection */
int session_open(struct virt_binding *b, struct buf *out, struct err *e);
int session_close(struct virt_binding *b, struct buf *out, struct err *e);
int session_nothing(struct virt_binding *b, struct buf *out, struct err *e);
int session_type(struct virt_binding *b, struct buf *out, struct err *e);
int session_version(struct virt_binding *b, struct buf *out, struct err *e);
int session_node_info(struct virt_binding *b, struct buf *out, struct err *e);
int session_capabilities(struct virt_binding *b, struct buf *out, struct err *e);
int session_hostname(struct virt_binding *b, struct buf *out, struct err *e);
int session_feature(struct virt_binding *b, struct buf *out, struct err *e);
int session_auth_list(struct virt_binding *b, struct buf *out, struct err *e);
int session_yes(struct virt_binding *b, struct buf *out, struct err *e);
int session_uri(struct virt_binding *b, struct buf *out, struct err *e);
int session_identity(struct virt_binding *b, struct buf *out, struct err *e);
int session_none(struct virt_binding *b, struct buf *out, struct err *e);
int session_none_listed(struct virt_binding *b, struct buf *out, struct err *e);

/* events.c */
int events_register(struct virt_binding *b, struct buf *out, struct err *e);
int events_register_secret(struct virt_binding *b, struct buf *out, struct err *e);
int events_deregister(struct virt_binding *b, struct buf *out, struct err *e);
void virt_tell(struct peer *p, const struct event *ev);

/* stream.c */
/* A packet of a stream, whose header is at the front of p->in. False: more of it has to come. */
bool streams_take(struct peer *p, const struct packet_header *h);
bool virt_stream_step(struct call *c);
void virt_stream_chunk(const struct call *c, struct buf *out, const char *data, size_t len);
/* The end of a stream, or of a call that was to have one. */
void streams_answer(const struct call *c, struct buf *out);

#endif
