/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs' functions, for the table in verbs.c, and what several of them share.
 */
#ifndef POOLINIT_CONTROL_VERBS_H
#define POOLINIT_CONTROL_VERBS_H

#include "control/verb.h"

/* verbs_pool.c */
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
/* The pool that argument `pool` names; NULL: the call has failed already. */
struct pool *call_pool(struct call *c);
/* A waiter's done for verbs whose answer is OK pool=NAME and nothing else. */
void pool_done(struct waiter *w, const struct result *r);
void pool_text_done(struct waiter *w, const struct result *r);  /* the same behind a text */
void pool_phase_done(struct waiter *w, const struct result *r); /* OK pool=NAME phase=WORD */

/* verbs_volume.c */
void verb_vol_list(struct call *c);
void verb_vol_info(struct call *c);
void verb_vol_dumpxml(struct call *c);
void verb_vol_path(struct call *c);

/* verbs_system.c */
void verb_status(struct call *c);
void verb_wait(struct call *c);
void verb_subscribe(struct call *c);
void verb_unsubscribe(struct call *c);
void verb_timeline(struct call *c);
void verb_log(struct call *c);
void verb_help(struct call *c);
void verb_version(struct call *c);
void verb_shutdown(struct call *c);
void verb_quit(struct call *c);

/* help.c: texts made from the table. */
void help_names(struct buf *out);                       /* one verb a line */
void help_markdown(struct buf *out);                    /* the verb table of docs/PROTOCOL.md */
void help_man(struct buf *out);                         /* the verbs of poolctl(1), in roff */
void help_usage(const struct verb *v, struct buf *out); /* "pool-start pool [--build] [timeout=DURATION]" */
void help_verb(const struct verb *v, struct buf *out);  /* for people, as virsh prints it */

#endif
