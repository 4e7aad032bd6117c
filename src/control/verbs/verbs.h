/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs' functions, for the table in verbs.c, and what several of them share.
 *
 * A verb's function reads its arguments, which have been checked, and either ends the call or parks it. What
 * it does and answers stands in its row of the table, which is also what people read.
 */
#ifndef POOLINIT_CONTROL_VERBS_VERBS_H
#define POOLINIT_CONTROL_VERBS_VERBS_H

#include "base/line.h"
#include "control/verb.h"

/* pool.c */
void verb_pool_list(struct call *c);
void verb_pool_info(struct call *c);
void verb_pool_dumpxml(struct call *c);
void verb_pool_define(struct call *c);
void verb_pool_create(struct call *c);
void verb_pool_start(struct call *c);
void verb_pool_destroy(struct call *c);
void verb_pool_undefine(struct call *c);
void verb_pool_refresh(struct call *c);
void verb_pool_autostart(struct call *c);
void verb_pool_name(struct call *c);
void verb_pool_uuid(struct call *c);
void verb_pool_capabilities(struct call *c);
void verb_pool_build(struct call *c);
void verb_pool_delete(struct call *c);
/* The pool that argument `pool` names; NULL: the call has failed already. */
struct pool *call_pool(struct call *c);
/* pool-define, pool-create: the document, with the call's own options. */
void define_from(struct call *c, const char *xml, size_t len, enum define_mode mode);
/* A waiter's done for verbs whose answer is OK pool=NAME and nothing else. */
void pool_done(struct waiter *w, const struct result *r);
/* The same, and OK pool=NAME phase=WORD. */
void pool_phase_done(struct waiter *w, const struct result *r);

/* source.c: pools from options, and finding sources */
void verb_pool_define_as(struct call *c);
void verb_pool_create_as(struct call *c);
void verb_find_sources(struct call *c);
void verb_find_sources_as(struct call *c);

/* volume.c: questions that the index answers */
void verb_vol_list(struct call *c);
void verb_vol_info(struct call *c);
void verb_vol_dumpxml(struct call *c);
void verb_vol_path(struct call *c);
void verb_vol_name(struct call *c);
void verb_vol_key(struct call *c);
void verb_vol_pool(struct call *c);
void verb_vol_lookup(struct call *c);
/* True: the call waits until the volumes of argument `pool` have been read. For verbs that take something
 * over before they look for their volume. */
bool call_awaits_index(struct call *c);
/* The record of the volume that argument `vol` names, in the pool that the other argument names, or in any
 * (not given, or NULL); NULL: the call has failed already, or waits until the pool's volumes have been read,
 * and begins anew then. */
const char *call_volume(struct call *c, const char *pool_arg, struct pool **pool, size_t *len);
/* Take a record apart in a copy, text[LINE_MAX_BYTES + 1]. Its name, or NULL. */
const char *record_parse(const char *record, size_t len, char *text, struct line *l, struct err *e);
/* Append a volume's document, or that of a copy of it under another name; copy: that name, or NULL. False:
 * the call has failed. */
bool volume_document(struct call *c, const char *record, size_t len, const char *copy, struct buf *xml);

/* job.c: operations on volumes */
void verb_vol_create(struct call *c);
void verb_vol_create_as(struct call *c);
void verb_vol_create_from(struct call *c);
void verb_vol_clone(struct call *c);
void verb_vol_delete(struct call *c);
void verb_vol_resize(struct call *c);
void verb_vol_wipe(struct call *c);
void verb_vol_upload(struct call *c);
void verb_vol_download(struct call *c);
void verb_job_list(struct call *c);
void verb_job_cancel(struct call *c);

/* secret.c */
void verb_secret_define(struct call *c);
void verb_secret_set_value(struct call *c);
void verb_secret_get_value(struct call *c);
void verb_secret_list(struct call *c);
void verb_secret_dumpxml(struct call *c);
void verb_secret_undefine(struct call *c);

/* system.c */
void verb_status(struct call *c);
void verb_wait(struct call *c);
void verb_subscribe(struct call *c);
void verb_unsubscribe(struct call *c);
void verb_timeline(struct call *c);
void verb_blame(struct call *c);
void verb_log(struct call *c);
void verb_help(struct call *c);
void verb_version(struct call *c);
void verb_reload(struct call *c);
void verb_follow(struct call *c);
void verb_boot_good(struct call *c);
void verb_shutdown(struct call *c);
void verb_quit(struct call *c);

/* help.c: texts made from a table of verbs. */
void help_names(const struct verb *v, struct buf *out); /* one verb a line */
void help_usage(const struct verb *v, struct buf *out); /* "pool-start pool [--build] [timeout=DURATION]" */
void help_typed(const struct verb *v, struct buf *out); /* "pool-define file [--validate]": what is typed */
void help_verb(const struct verb *v, struct buf *out);  /* for people, as virsh prints it */
/* What poolctl takes from a file is no argument of the request: it is the payload, or a descriptor that goes
 * along. */
bool help_is_file(const struct verb_arg *a);
/* Help of an argument as poolctl's user needs it. */
const char *help_of_arg(const struct verb_arg *a);
/* What stands for a value, by kind. */
extern const char *const help_values[];

/* manuals.c */
void help_markdown(const struct verb *v, struct buf *out); /* the verb table of docs/PROTOCOL.md */
void help_man(const struct verb *v, struct buf *out);      /* the verbs of poolctl(1), in roff */

#endif
